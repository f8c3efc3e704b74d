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
from tmfcore._base import validation as check
from tmfcore._base.parcels import Shared
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game, in_steps
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.schedules import Schedule, as_schedule
from tmfcore._population import lanes
from tmfcore._population.last_state import LastState
from tmfcore._population.runs import records
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import start_of
from tmfcore._random import seeding

__all__ = ["outcomes", "played", "ranges", "simulated_elsewhere"]

JOBS = 3  # for each worker, so that a slow one holds up little


def simulated_elsewhere(
    executor: object, game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int, *, replicas: int, start: Any,
    rng: seeding.RNG, threads: int | None, progress: bars.Progress, checkpoint: object, **options: Any,
) -> Simulation:  # fmt: skip
    """`simulate` on an executor; arguments as there."""
    pool = executors.checked(executor)
    assert pool is not None, "the caller asked"
    for name, value in (("checkpoint", checkpoint), ("threads", threads)):
        if value is not None:
            raise ValueError(f"{name} is given with executor; must be None")
    if isinstance(start, Simulation):
        raise ValueError("start is a Simulation with executor; must be counts or a word")
    plain = in_steps(game, schedule, n_agents, random=True) if not isinstance(schedule, Poisson) else game
    if plain._first is not None:
        raise ValueError("executor is given; must be None if the noise is random")
    as_schedule(schedule)
    n_agents = check.as_positive_int(n_agents, "n_agents")
    replicas = check.as_positive_int(replicas, "replicas")
    if options["trajectories"] and replicas != 1:
        raise ValueError(f"replicas is {replicas}; must be 1 with trajectories=True (call simulate once per replica)")
    bars.check(progress)
    given, start_name = start_of(start, n_agents, replicas, game)
    fingerprint = None
    if not isinstance(schedule, Poisson):
        intervals = -(-plain.n_steps // check.as_positive_int(options["record_every"], "record_every"))
        needed = records(replicas, intervals, plain.n_observations, plain.n_actions, bool(options["decisions"]))
        needs.ask({name: (2 * each[0], *each[1:]) for name, each in needed.items()})  # of each job, and joined
        kernel = as_policy(policy, plain)
        fingerprint = Fingerprint.of(plain, schedule, n_agents, policy=kernel, start=start_name)
    streams = seeding.seeds(rng, replicas)
    parts = ranges(pool, replicas)
    system = Shared((game, policy, schedule, n_agents), "game, policy or schedule")
    starts = [start if given is None or len(given) == 1 else given[part.start : part.stop] for part in parts]
    jobs = [
        (system, options | {"start": own, "decided": i == 0 and fingerprint is None}, streams[part.start : part.stop])
        for i, (part, own) in enumerate(zip(parts, starts, strict=True))
    ]
    found: dict[int, Simulation] = {}
    with bars.reporter(progress, replicas * (plain.n_steps if fingerprint is not None else 1), "steps") as report:
        made = 0
        try:
            with closing(outcomes(pool, played, jobs)) as ended:
                for number, run in ended:
                    found[number] = run
                    made += run.replicas * (run.horizon if fingerprint is not None else 1)
                    report(made)
        except BaseException as error:
            error.partial = _joined(found, fingerprint) if found else None  # type: ignore[attr-defined]  # ours
            raise
    return _joined(found, fingerprint)


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
    system: tuple[Game, PolicyLike, Schedule, int], options: Mapping[str, Any], streams: Sequence[seeding.Stream]
) -> Simulation:
    """The Simulation of some replicas, given their streams; without a fingerprint unless it is asked for."""
    from tmfcore._population.simulate import simulate  # which calls this

    more = dict(options)
    decided = more.pop("decided")
    run = simulate(
        *system, replicas=len(streams), rng=seeding.Handed(streams), threads=1, **more  # type: ignore[arg-type]  # ours
    )
    return run if decided else dataclasses.replace(run, fingerprint=None)


def _joined(found: Mapping[int, Simulation], fingerprint: Fingerprint | None) -> Simulation:
    """One Simulation of all replicas, in order."""
    runs = [found[number] for number in sorted(found)]
    first = runs[0]
    whole = dict(vars(first))
    for name in ("counts", "decisions", "rewards", "returns"):
        if whole[name] is not None and len(runs) > 1:
            whole[name] = np.concatenate([getattr(run, name) for run in runs])
    if len(runs) > 1:
        whole["ends"] = LastState.joined([run.ends for run in runs])
    return Simulation._made(**whole | {"fingerprint": first.fingerprint if fingerprint is None else fingerprint})
