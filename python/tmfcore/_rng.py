"""Random streams: one per replica, spawned from what the user gave; a result depends on the seed alone.

    generators(rng, n)   n independent numpy Generators, in the order of the replicas
    key(generator)       four words that address the draws of one large population by (key, step, agent)

Never one stream per thread: which thread runs a replica, and how many there are, must not be visible in a
result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.random import BitGenerator, Generator, SeedSequence

from tmfcore import _wording as say

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


def key(generator: Generator) -> npt.NDArray[np.uint64]:
    """Four random words from `generator`, (4,) uint64: the address space of one population's draws."""
    return generator.integers(0, 2**64, size=4, dtype=np.uint64)


def _parent(rng: RNG) -> Generator:
    what = "an int, a Generator, a SeedSequence or None"
    if isinstance(rng, (bool, np.bool_, str, bytes, float)):
        raise TypeError(f"rng is {say.show(rng)}; must be {what}")
    try:
        parent = np.random.default_rng(rng)
    except TypeError:
        raise TypeError(f"rng is {say.show(rng)}; must be {what}") from None
    except ValueError:
        raise ValueError(f"rng is {rng!r}; seeds must be >= 0") from None
    if not hasattr(parent.bit_generator.seed_seq, "spawn"):
        raise TypeError("rng is a Generator that cannot spawn streams; make it from a seed or a SeedSequence")
    return parent
