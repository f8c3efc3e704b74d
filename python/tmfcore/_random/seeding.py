"""Random streams: one per replica, spawned from what the user gave; a result depends on the seed alone.

    generators(rng, n)   n independent numpy Generators, in the order of the replicas
    number(rng)          an int to make something random again
    key(generator)       four words that address the draws of one large population by (key, step, agent)

Never one stream per thread: which thread runs a replica, and how many there are, must not be visible in a
result.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.random import BitGenerator, Generator, SeedSequence

from tmfcore._base import wording as say

RNG: TypeAlias = int | Sequence[int] | SeedSequence | BitGenerator | Generator | None


def generators(rng: RNG, n: int) -> list[Generator]:
    """`n` independent streams spawned from `rng`, numpy's convention of what `rng` may be.

    Parameters
    ----------
    rng
        int or a sequence of ints >= 0: the same streams at every call. Generator, BitGenerator or
        SeedSequence: fresh streams at every call, since these remember how often they spawned. None:
        unpredictable.
    n
        How many.

    Raises
    ------
    TypeError
        `rng` is none of these (booleans included), or a Generator whose bit generator cannot spawn.
    ValueError
        A negative seed.
    """
    return _parent(rng).spawn(n)


def number(rng: RNG) -> int:
    """An int that makes the same streams again: `rng` if it is one, else one that is drawn from it."""
    if isinstance(rng, (int, np.integer)):
        return _word(rng, "rng", "an int")
    return int(generators(rng, 1)[0].integers(2**63))


def key(generator: Generator) -> npt.NDArray[np.uint64]:
    """Four random words from `generator`, (4,) uint64: the address space of one population's draws."""
    return generator.integers(0, 2**64, size=4, dtype=np.uint64)


def _parent(rng: object) -> Generator:
    what = "an int, a Generator, a SeedSequence or None"
    if rng is None or isinstance(rng, (Generator, BitGenerator, SeedSequence)):
        seed: Any = rng
    elif isinstance(rng, (list, tuple, range)) or (isinstance(rng, np.ndarray) and rng.ndim == 1):
        seed = [_word(word, f"rng[{i}]", "an int") for i, word in enumerate(rng)]
    else:
        seed = _word(rng, "rng", what)
    parent = np.random.default_rng(seed)
    if not hasattr(parent.bit_generator.seed_seq, "spawn"):
        raise TypeError("rng is a Generator that cannot spawn streams; make it from a seed or a SeedSequence")
    return parent


def _word(value: object, name: str, what: str) -> int:
    """A seed, of any size: numpy is handed nothing else, since it follows a list that holds itself without end."""
    if isinstance(value, (bool, np.bool_, np.timedelta64, np.ma.MaskedArray)):
        raise TypeError(f"{name} is {say.show(value)}; must be {what}")
    try:
        seed = operator.index(value)  # type: ignore[arg-type]  # whatever it is: the error is the answer
    except Exception:
        raise TypeError(f"{name} is {say.show(value)}; must be {what}") from None
    if seed < 0:
        raise ValueError(f"{name} is {say.integer(seed)}; seeds must be >= 0")
    return seed
