"""Simulation of a game with random noise: each replica on a path of its own (Theory, section 13)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base.threads import Watch, over_replicas, workers_for
from tmfcore._base.types import FloatsLike, Start
from tmfcore._model import appearance
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game
from tmfcore._model.noise_paths import Paths, key_of
from tmfcore._model.policies import PolicyLike
from tmfcore._model.schedules import Schedule
from tmfcore._population.journal import Journal, Part
from tmfcore._population.kept_runs import opened_for
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import start_of
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike

__all__ = ["simulated_on_paths"]

SECONDS = 1e-3  # rough time of one replica


def simulated_on_paths(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int, *, replicas: int, start: Start | FloatsLike,
    rng: seeding.RNG, threads: int | None, progress: bars.Progress, checkpoint: CheckpointLike | None, **options: Any,
) -> Simulation:  # fmt: skip
    """`simulate` of a game in steps with random noise."""
    from tmfcore._population.simulate import simulate  # which calls this

    n_agents = check.as_positive_int(n_agents, "n_agents")
    replicas = check.as_positive_int(replicas, "replicas")
    threads = None if threads is None else check.as_positive_int(threads, "threads")
    bars.check(progress)
    if options["trajectories"] and replicas != 1:
        raise ValueError(f"replicas is {replicas}; must be 1 with trajectories=True (call simulate once per replica)")
    given, start_name = start_of(start, n_agents, replicas, game)
    by_replica = not isinstance(start, str) and np.asarray(start).ndim == 2
    intervals = -(-game.n_steps // check.as_positive_int(options["record_every"], "record_every"))
    needed: dict[str, tuple[int, ...]] = {"counts": (8, replicas, intervals + 1, game.n_observations)}
    if options["decisions"]:
        needed["decisions"] = (8, replicas, intervals, game.n_observations, game.n_actions)
    needs.ask({name: (2 * each[0], *each[1:]) for name, each in needed.items()})  # of each replica, and joined
    fingerprint = Fingerprint.of(game, schedule, n_agents, policy=key_of(policy, game), start=start_name)
    keeper = opened_for(checkpoint, fingerprint, rng, given, {**options, "replicas": replicas})
    of_noise, of_agents = seeding.generators(rng, 2)
    paths, seeds = Paths.of(game, replicas, of_noise), seeding.seeds(of_agents, replicas)
    kernels, horizon = paths.policy(policy), game.n_steps
    runs: list[Any] = [None] * replicas
    journal, states = None, {}
    if keeper is not None:
        journal = Journal(keeper, lambda: {"runs": {str(r): run for r, run in enumerate(runs) if run is not None}})
        if keeper.state is not None:
            with keeper.restoring():
                states = {int(one["job"]): one["state"] for one in keeper.state["running"]}
                for r, run in keeper.state["runs"].items():
                    runs[int(r)] = check.as_instance(run, "a run", Simulation)
    workers = workers_for(threads, replicas, SECONDS, python=True)
    with bars.reporter(progress, replicas * horizon, "steps") as report:
        watch = None if progress is False else Watch(replicas, report)

        def play(r: int) -> None:
            part = None
            if journal is not None and runs[r] is None:
                part = Part(journal, r, states.get(r), lambda state: {"job": r, "state": dict(state)})
                journal.begin(r, None if part.state is None else part.tagged(part.state))
            runs[r] = runs[r] or simulate(
                paths.games[r], kernels[r], schedule, n_agents, start=np.asarray(start)[r] if by_replica else start,
                rng=seeding.generator(seeds[r]), threads=threads if replicas == 1 else 1,
                checkpoint=part, **options,  # type: ignore[arg-type]  # a Keeper
            )  # fmt: skip
            if journal is not None and part is not None:
                journal.end(r)
            if watch is not None:
                watch.words[r, 0] = horizon

        over_replicas(play, replicas, workers, SECONDS, watch)
    if journal is not None:
        journal.write()
    first: Simulation = runs[0]
    joined = {
        name: None if getattr(first, name) is None else np.concatenate([getattr(run, name) for run in runs])
        for name in ("counts", "decisions", "rewards", "returns")
    }
    same = {name: getattr(first, name) for name in ("record_every", "engine", "discount", "trajectories")}
    return Simulation._made(
        **joined, **same, steps=np.array(first.steps), n_agents=n_agents, horizon=horizon, schedule=schedule.label,
        game=game.name, **appearance.appearance_of(game), noise=paths.noise,
        fingerprint=fingerprint,
    )  # fmt: skip
