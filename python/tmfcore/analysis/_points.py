"""The points of a convergence study: the errors of the replicas at one N, here or on an executor.

sweep_of(game)          steps of a sweep
measured(...)           errors of the replicas at one N
on_executor(...)        those of all points, replicas spread over the processes of an executor
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import closing
from typing import Any

import numpy as np

from tmfcore._base import bars
from tmfcore._base.parcels import Shared
from tmfcore._base.types import Engine
from tmfcore._base.validation import FloatArray
from tmfcore._limit.mean_field import mean_field
from tmfcore._model.game import Game
from tmfcore._model.policies import PolicyLike
from tmfcore._model.schedules import Schedule
from tmfcore._population.elsewhere import outcomes, ranges
from tmfcore._population.simulate import simulate
from tmfcore._random import seeding
from tmfcore._results.checkpoint import Keeper

__all__ = ["measured", "on_executor", "sweep_of"]


def sweep_of(game: Game) -> int:
    """Steps of a sweep."""
    return min(game.n_steps, max(1, round(1 / game.dt)))


def measured(
    game: Game,
    policy: PolicyLike,
    schedule: Schedule,
    n_agents: int,
    replicas: int,
    engine: Engine,
    generator: np.random.Generator,
    threads: int | None,
    progress: bars.Progress,
    kept: Keeper | None,
) -> tuple[FloatArray, FloatArray]:
    """Errors of the replicas at one N: time average and at T, (R,) each."""
    sweep = sweep_of(game)
    flow = mean_field(game, policy, schedule, n_agents, record_every=sweep)
    run = simulate(
        game, policy, schedule, n_agents, replicas=replicas, engine=engine, rng=generator, threads=threads,
        record_every=sweep, decisions=False, progress=progress,
        checkpoint=kept,  # type: ignore[arg-type]  # a Keeper
    )  # fmt: skip
    distances = np.abs(run.mu[:, 1:] - flow.mu[1:]).sum(axis=-1)
    return distances.mean(axis=1), distances[:, -1].copy()


def on_executor(
    executor: Executor, plays: Sequence[tuple[str, int, Schedule, Game]], policy: PolicyLike, replicas: int,
    engine: Engine, generators: Sequence[np.random.Generator], report: Callable[[int], object],
    add: Callable[[int, tuple[FloatArray, FloatArray]], None],
) -> None:  # fmt: skip
    """Play all points on an executor, and `add` each, by its number, in their order, when those before it are complete.

    A process returns errors, not populations.
    """
    jobs: list[tuple[Any, ...]] = []
    owner: list[int] = []
    parts = ranges(executor, replicas)
    shared = Shared(policy, "policy")
    for number, ((_, n, schedule, played), generator) in enumerate(zip(plays, generators, strict=True)):
        streams = seeding.seeds(generator, replicas)
        system = Shared((played, schedule), "game or schedule")
        for part in parts:
            jobs.append((system, shared, n, engine, streams[part.start : part.stop]))
            owner.append(number)
    found: dict[int, tuple[FloatArray, FloatArray]] = {}
    following, done = 0, 0
    with closing(outcomes(executor, _part, jobs)) as ended:
        for k, pair in ended:
            found[k] = pair
            done += len(pair[0]) * plays[owner[k]][3].n_steps
            while following < len(plays):
                own = range(following * len(parts), (following + 1) * len(parts))
                if any(k not in found for k in own):
                    break
                averages, finals = zip(*(found.pop(k) for k in own), strict=True)
                add(following, (np.concatenate(averages), np.concatenate(finals)))
                following += 1
            report(done)


def _part(
    system: tuple[Game, Schedule], policy: PolicyLike, n_agents: int, engine: Engine, streams: Sequence[seeding.Stream]
) -> tuple[FloatArray, FloatArray]:
    """`measured` of some replicas, given their streams."""
    game, schedule = system
    handed: Any = seeding.Handed(streams)
    return measured(game, policy, schedule, n_agents, len(streams), engine, handed, 1, False, None)
