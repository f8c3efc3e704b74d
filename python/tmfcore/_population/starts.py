"""Start counts of a population: rounded, sampled, or given.

rounded_counts(initial, n)          n * initial by largest remainder
sampled_counts(rng, initial, n, R)  each agent drawn from initial
start_of(start, n, R, game)         the argument `start` of simulate, and its name
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import Start
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._random import sampling

__all__ = ["rounded_counts", "sampled_counts", "start_of"]


def rounded_counts(initial: FloatArray, n_agents: int) -> IntArray:
    """n_agents * initial (S,) rounded by largest remainder, ties to the lower index; (S,) int64.

    Computed with integers: exact for every N, also if n_agents * initial is not exact in float64.
    """
    counts: IntArray = _kept(initial, n_agents)[0].copy()
    return counts


def _kept(initial: FloatArray, n_agents: int) -> IntArray:
    """The same as a read-only (1, S) array, which later calls share; large ones are not kept."""
    return (_rounded if len(initial) <= 4096 else _rounded.__wrapped__)(initial.tobytes(), n_agents)


@lru_cache(8)
def _rounded(initial: bytes, n_agents: int) -> IntArray:
    weights = [int(p * 2.0**62) for p in np.frombuffer(initial).tolist()]
    total = sum(weights)
    shares = [n_agents * weight // total for weight in weights]
    if left := n_agents - sum(shares):
        for o in sorted(range(len(weights)), key=lambda o: -(n_agents * weights[o] % total))[:left]:
            shares[o] += 1
    return check.frozen(np.array([shares], dtype=np.int64))


def sampled_counts(rng: np.random.Generator, initial: FloatArray, n_agents: int, size: int) -> IntArray:
    """Counts of `size` populations of `n_agents` independent draws from `initial` (S,); (size, S) int64."""
    return sampling.multinomials(
        rng.bit_generator, np.full(size, n_agents, dtype=np.int64), np.tile(initial, (size, 1))
    )


def start_of(start: object, n_agents: int, replicas: int, game: Game) -> tuple[IntArray | None, str]:
    """Start counts, read-only (1 or R, S) int64, or None if each replica draws its own; and their name.

    The name is that of fingerprints: "given", unless the counts given are the rounded ones.
    """
    if isinstance(start, str) and check.as_choice(start, "start", Start) == "sampled":
        return None, "sampled"
    rounded = _kept(game.initial, n_agents)
    if isinstance(start, str):
        return rounded, "rounded"
    n_obs = game.n_observations
    counts = check.as_counts(
        start, "start", shape=[(n_obs,), (replicas, n_obs)], letters="R, S", n_agents=n_agents
    )
    counts = counts.reshape(-1, n_obs)
    return counts, "rounded" if (counts == rounded).all() else "given"
