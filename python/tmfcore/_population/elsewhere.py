"""Replicas of `simulate` on an executor: each job plays a range of replicas, from the streams that they have anywhere.

simulated_elsewhere(executor, ...)     `simulate` with executor=
ranges(executor, replicas)             what each job plays: a few jobs for each worker
played(...)                            one job, in the other process
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from typing import Any

import numpy as np

from tmfcore._base import bars, executors, needs
from tmfcore._base.parcels import Shared
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game, in_steps
from tmfcore._model.noise_paths import key_of
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.schedules import Schedule
from tmfcore._population import lanes
from tmfcore._population.by_steps import simulated_by_steps
from tmfcore._population.continuing import last_state_of
from tmfcore._population.jumps import simulated
from tmfcore._population.last_state import MOST, LastState
from tmfcore._population.on_paths import Drawn, drawn_for, simulated_on_paths
from tmfcore._population.runs import records
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import start_of
from tmfcore._random import seeding

__all__ = ["outcomes", "played", "ranges", "simulated_elsewhere"]

JOBS = 3  # for each worker, so that a slow one holds up little


def simulated_elsewhere(
    executor: object, game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int, *, replicas: int, start: Any,
    rng: seeding.RNG, threads: int | None, progress: bars.Progress, **options: Any,
) -> Simulation:  # fmt: skip
    """`simulate` on an executor; numbers, words and what goes with what are checked there."""
    pool = executors.checked(executor)
    assert pool is not None, "the caller asked"
    clocks = isinstance(schedule, Poisson)
    for name in ("engine", "record_every", "trajectories") if clocks else ("times",):
        del options[name]
    plain = game if clocks else in_steps(game, schedule, n_agents, random=True)
    noisy = not clocks and plain._first is not None
    before = start if isinstance(start, Simulation) else None
    if before is not None:
        last_state_of(before, rng, plain, n_agents=n_agents, replicas=replicas)
        given, start_name = None, "given"
    else:
        given, start_name = start_of(start, n_agents, replicas, game)
    fingerprint, first = None, 0
    if not clocks:
        first = 0 if before is None else before.horizon
        intervals = -(-max(plain.n_steps - first, 0) // options["record_every"])
        needed = records(replicas, intervals, plain.n_observations, plain.n_actions, options["decisions"])
        needs.ask({name: (2 * each[0], *each[1:]) for name, each in needed.items()})  # of each job, and joined
        kernel = key_of(policy, plain) if noisy else as_policy(policy, plain)
        fingerprint = Fingerprint.of(plain, schedule, n_agents, policy=kernel, start=start_name)
    drawn = drawn_for(plain, n_agents, replicas, start, rng) if noisy else None
    streams = seeding.seeds(rng, replicas) if drawn is None and before is None else None
    system = Shared((game, policy, schedule, n_agents), "game, policy or schedule")
    jobs = []
    for i, part in enumerate(ranges(pool, replicas)):
        rows = slice(part.start, part.stop)
        own = start if given is None or len(given) == 1 else given[rows]
        own = own if before is None else _rows(before, rows)
        decided = i == 0 and fingerprint is None
        more = {**options, "replicas": len(part), "threads": threads or 1, "start": own, "decided": decided}
        jobs.append((system, more, streams[rows] if streams is not None else None if drawn is None else drawn.of(rows)))
    found: dict[int, Simulation] = {}
    each = 1 if clocks else plain.n_steps - first
    with bars.reporter(progress, replicas * each, "steps") as report:
        made = 0
        try:
            with closing(outcomes(pool, played, jobs)) as ended:
                for number, run in ended:
                    found[number] = run
                    made += run.replicas * each
                    report(made)
        except BaseException as error:
            error.partial = _joined(found, fingerprint, False) if found else None  # type: ignore[attr-defined]  # ours
            raise
    return _joined(found, fingerprint, options["keep_state"])


def outcomes(executor: Executor, function: Any, jobs: Sequence[tuple[Any, ...]]) -> Any:
    """(number, what function returned) of each job as it ends; RuntimeError if the process of one dies each time."""
    with closing(executors.over(executor, function, enumerate(jobs))) as ended:
        for number, outcome in ended:
            if isinstance(outcome, executors.Died):
                raise RuntimeError(f"executor: a part of the work could not be done: {outcome.why}")
            yield number, outcome


def ranges(executor: Executor, replicas: int) -> list[range]:
    """Ranges of replicas, one for each job: those that can be played side by side stay together."""
    size = -(-replicas // (JOBS * executors.workers(executor)))
    if size > lanes.MOST // 2:
        size = -(-size // lanes.MOST) * lanes.MOST
    return [range(first, min(first + size, replicas)) for first in range(0, replicas, size)]


def played(
    system: tuple[Game, PolicyLike, Schedule, int], options: Mapping[str, Any],
    streams: Sequence[seeding.Stream] | Drawn | None,
) -> Simulation:  # fmt: skip
    """The Simulation of some replicas; without a fingerprint unless it is asked for.

    streams : of each replica; or, if the noise is random, with its paths; or None if they go on from a run.
    """
    game, policy, schedule, n_agents = system
    more = {**options, "progress": False, "checkpoint": None}
    decided = more.pop("decided")
    rng: Any = streams if streams is None or isinstance(streams, Drawn) else seeding.Handed(streams)
    if isinstance(schedule, Poisson):
        run = simulated(game, policy, schedule, n_agents, rng=rng, **more)
    else:
        play: Any = simulated_on_paths if isinstance(streams, Drawn) else simulated_by_steps
        run = play(in_steps(game, schedule, n_agents, random=True), policy, schedule, n_agents, rng=rng, **more)
    return run if decided else dataclasses.replace(run, fingerprint=None)


def _rows(run: Simulation, rows: slice) -> Simulation:
    """Some replicas of a run, as far as others go on from it."""
    assert run.ends is not None, "checked before"
    return Simulation._made(**{
        **vars(run), "counts": run.counts[rows, -1:], "rewards": run.rewards[rows, :0], "returns": run.returns[rows],
        "decisions": None, "trajectories": None, "noise": None if run.noise is None else run.noise[rows],
        "ends": run.ends.part(rows),
    })  # fmt: skip


def _joined(found: Mapping[int, Simulation], fingerprint: Fingerprint | None, keep_state: bool) -> Simulation:
    """One Simulation of all replicas, in order."""
    runs = [found[number] for number in sorted(found)]
    first = runs[0]
    whole = dict(vars(first))
    for name in ("counts", "decisions", "rewards", "returns", "noise"):
        if getattr(first, name) is not None and len(runs) > 1:
            whole[name] = np.concatenate([getattr(run, name) for run in runs])
    ends = LastState.joined([run.ends for run in runs], None if first.ends is None else first.ends.noise)
    whole["ends"] = None if ends is None or (ends.n_bytes > MOST and not keep_state) else ends
    return Simulation._made(**whole | {"fingerprint": first.fingerprint if fingerprint is None else fingerprint})
