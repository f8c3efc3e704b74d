"""Random streams: one per replica, spawned from the user's `rng`; a result depends on the seed alone.

    generators(rng, n)   n independent numpy Generators, in the order of the replicas
    number(rng)          an int that reproduces the same draws
    key(generator)       four words; (key, step, agent) addresses each draw of one large population

There is never one stream per thread: results must not depend on the number of threads or their order.
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
    """`n` independent streams spawned from `rng`, which follows numpy's convention.

    Parameters
    ----------
    rng
        int or a sequence of ints >= 0: the same streams at every call. Generator, BitGenerator or SeedSequence: new
        streams at every call, since these count the streams they have spawned. None: unpredictable.
    n
        The number of streams.

    Raises
    ------
    TypeError
        `rng` is of another type (booleans included), or a Generator whose bit generator cannot spawn.
    ValueError
        A negative seed.
    """
    return _parent(rng).spawn(n)


def number(rng: RNG) -> int:
    """An int that reproduces the same streams: `rng` itself if it is an int, else one drawn from it."""
    if isinstance(rng, (int, np.integer)):
        return _word(rng, "rng", "an int")
    return int(generators(rng, 1)[0].integers(2**63))


def key(generator: Generator) -> npt.NDArray[np.uint64]:
    """Four random words from `generator`, (4,) uint64: they key all draws of one population."""
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
        raise TypeError("rng is a Generator that cannot spawn streams; create it from a seed or a SeedSequence")
    return parent


def _word(value: object, name: str, what: str) -> int:
    """A seed of any size, checked before numpy sees it: numpy never returns from a list that contains itself."""
    if isinstance(value, (bool, np.bool_, np.timedelta64, np.ma.MaskedArray)):
        raise TypeError(f"{name} is {say.show(value)}; must be {what}")
    try:
        seed = operator.index(value)  # type: ignore[arg-type]  # an error means: not an integer
    except Exception:
        raise TypeError(f"{name} is {say.show(value)}; must be {what}") from None
    if seed < 0:
        raise ValueError(f"{name} is {say.integer(seed)}; seeds must be >= 0")
    return seed
