"""Random streams: one per replica, spawned from the user's `rng`; a result depends on the seed alone.

    generators(rng, n)   n independent numpy Generators, in the order of the replicas
    seeds(rng, n)        their seeds, for callers that may not need all; generator(seed) makes a Generator
    number(rng)          an int that reproduces the same draws
    key(generator)       four words; (key, step, agent) addresses each draw of one large population
    keys(streams)        the keys of several streams, without their generators
    spawned(stream)      the number of streams that a stream has spawned; skip(stream, n) spawns until there are n
    root(rng)            words under which addressed(root, address) is a stream
    described(rng)       what determines the streams that would be spawned from rng, as JSON
    state(generator)     what files keep of a Generator, if has_state(generator); restored(state) makes it again

There is never one stream per thread: results must not depend on the number of threads or their order.
"""

from __future__ import annotations

import operator
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from numpy.random import PCG64, BitGenerator, Generator, SeedSequence
from numpy.random.bit_generator import ISpawnableSeedSequence

from tmfcore._base import wording as say
from tmfcore._random import sampling
from tmfcore._random.seeds import Seed

ISpawnableSeedSequence.register(Seed)

KINDS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")  # bit generators of numpy, whose states files keep

Stream: TypeAlias = Seed | Generator | None
RNG: TypeAlias = int | Sequence[int] | SeedSequence | BitGenerator | Generator | None


class Handed:
    """Streams that were spawned in another process: an `rng` that `seeds` takes as they are."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self.streams = streams


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
    return [generator(seed) for seed in seeds(rng, n)]


def bit_generators(rng: RNG, n: int) -> list[BitGenerator]:
    """Those of the same streams."""
    return [one.bit_generator for one in generators(rng, n)]


def seeds(rng: RNG, n: int) -> Sequence[Stream]:
    """The same streams, of which `generator` makes those that are used: an unused Seed costs nothing."""
    if type(rng) is int and 0 <= rng < 2**32:
        return Seed([rng]).spawn(n)
    if rng is None:
        return [None] * n
    if isinstance(rng, Handed):
        return rng.streams
    if isinstance(rng, (Generator, BitGenerator, SeedSequence)):
        return _parent(rng).spawn(n)
    return _seed(rng).spawn(n)


def generator(seed: Stream) -> Generator:
    """The stream of a seed; a random one if it is None."""
    if isinstance(seed, Generator):
        return seed
    return Generator(PCG64(cast(SeedSequence, _seed(secrets.randbits(128)) if seed is None else seed)))


def number(rng: RNG) -> int:
    """An int that reproduces the same streams: `rng` itself if it is an int, else one drawn from it."""
    if isinstance(rng, (int, np.integer)):
        return _word(rng, "rng", "an int")
    return int(generators(rng, 1)[0].integers(2**63))


def key(generator: Generator) -> npt.NDArray[np.uint64]:
    """Four random words from `generator`, (4,) uint64: they key all draws of one population."""
    return sampling.words(generator.bit_generator, 4)


def keys(streams: Sequence[Stream]) -> npt.NDArray[np.uint64]:
    """`key` of the generator of each of R streams, (R, 4); a Seed needs no generator for that."""
    found = np.empty((len(streams), 4), np.uint64)
    for row, stream in zip(found, streams, strict=True):
        if isinstance(stream, Seed):
            stream.key(row)
        else:
            row[:] = key(generator(stream))
    return found


def state(generator: Generator) -> dict[str, Any]:
    """The state of a Generator of numpy; it has no seed, so that the restored one cannot spawn the same streams.

    Raises
    ------
    TypeError
        The bit generator is of another package.
    """
    name = type(generator.bit_generator).__name__
    if name not in KINDS:
        raise TypeError(f"rng was a Generator of {name}; must be one of {', '.join(KINDS)} to keep its state")
    return dict(generator.bit_generator.state)


def has_state(generator: Generator) -> bool:
    """Whether `state` can take the state of a Generator."""
    return type(generator.bit_generator).__name__ in KINDS


def restored(state: Mapping[str, Any]) -> Generator:
    """The Generator from which `state` was taken."""
    name = state["bit_generator"]
    if name not in KINDS:
        raise ValueError(f"bit_generator is {name!r}; must be one of {', '.join(KINDS)}")
    bits = getattr(np.random, name)(0)
    bits.state = state
    return Generator(bits)


def spawned(stream: Stream) -> int:
    """The number of streams that a stream has spawned; 0 if it is None."""
    parent = _spawner(stream)
    return 0 if parent is None else int(parent.n_children_spawned)


def skip(stream: Stream, n: int) -> None:
    """Spawn streams that nobody uses until there are `n`: the next one is then that of a call that has used them."""
    parent, made = _spawner(stream), spawned(stream)
    if not 0 <= made <= n < 2**32:
        raise ValueError(f"{made} streams are spawned; must be at most {n}, and fewer than 2**32")
    for first in range(made, n, 4096):
        parent.spawn(min(n - first, 4096))


def root(rng: RNG) -> list[int]:
    """Words that are the entropy of any number of streams, each addressed by a spawn key of its own.

    Those of an int or a sequence of ints are the same at every call; a Generator, BitGenerator or SeedSequence spawns
    one stream, and None is unpredictable. Errors as `generators`.
    """
    if rng is None:
        return _words(secrets.randbits(128))
    if isinstance(rng, (Generator, BitGenerator, SeedSequence)):
        (child,) = _parent(rng).spawn(1)
        return [int(word) for word in cast(Any, child).bit_generator.seed_seq.generate_state(4)]
    return _words(rng)


def addressed(root: Sequence[int], address: Sequence[int]) -> Generator:
    """The stream of an address, words of 32 bits, under the words of `root`."""
    return Generator(PCG64(SeedSequence(list(root), spawn_key=tuple(address))))


def described(rng: RNG) -> Any:
    """What determines the streams that `seeds` would spawn from `rng`, in values that JSON holds; nothing is spawned.

    The words of an int or a sequence of ints; 128 bits of a SeedSequence, BitGenerator or Generator, and the number of
    streams that it has spawned. What a Generator has drawn does not matter.

    Raises
    ------
    ValueError
        `rng` is None: no other call has the same streams.
    TypeError
        As `generators`.
    """
    if rng is None:
        raise ValueError("rng is None; must be a seed if checkpoint is given: another call must draw the same numbers")
    if not isinstance(rng, (Generator, BitGenerator, SeedSequence)):
        return _words(rng)
    parent: Any = rng if isinstance(rng, SeedSequence) else _spawner(_parent(rng))
    drawn_by = type(rng.bit_generator if isinstance(rng, Generator) else rng).__name__
    children = {"spawned": int(parent.n_children_spawned)} if hasattr(parent, "n_children_spawned") else {}
    return {"words": parent.generate_state(4, np.uint32).tolist(), "of": drawn_by, **children}


def _spawner(stream: Stream) -> Any:
    """What spawns the streams of a stream, and counts them; None if it is None."""
    return stream.bit_generator.seed_seq if isinstance(stream, Generator) else stream


def _parent(rng: Generator | BitGenerator | SeedSequence) -> Generator:
    parent = np.random.default_rng(rng)
    if not hasattr(parent.bit_generator.seed_seq, "spawn"):
        raise TypeError("rng is a Generator that cannot spawn streams; create it from a seed or a SeedSequence")
    return parent


def _seed(rng: object) -> Seed:
    """The seed of an int or a sequence of ints."""
    return Seed(_words(rng))


def _words(rng: object) -> list[int]:
    """An int or a sequence of ints in words of 32 bits, as SeedSequence divides them."""
    if isinstance(rng, (list, tuple, range)) or (isinstance(rng, np.ndarray) and rng.ndim == 1):
        numbers = [_word(word, f"rng[{i}]", "an int") for i, word in enumerate(rng)]
    else:
        numbers = [_word(rng, "rng", "an int, a Generator, a SeedSequence or None")]
    words: list[int] = []
    for number in numbers:
        if number < 2**32:
            words.append(number)
        else:
            words += np.frombuffer(number.to_bytes((number.bit_length() + 31) // 32 * 4, "little"), "<u4").tolist()
    return words


def _word(value: object, name: str, what: str) -> int:
    """A seed of any size, checked before numpy sees it: numpy never returns from a list that contains itself."""
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, (bool, np.bool_, np.timedelta64, np.ma.MaskedArray)):
        raise TypeError(f"{name} is {say.show(value)}; must be {what}")
    try:
        seed = operator.index(value)  # type: ignore[arg-type]  # an error means: not an integer
    except Exception:
        raise TypeError(f"{name} is {say.show(value)}; must be {what}") from None
    if seed < 0:
        raise ValueError(f"{name} is {say.integer(seed)}; seeds must be >= 0")
    return seed
