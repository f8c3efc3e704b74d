"""Simulation of a game with random noise: each replica on a path of its own (Theory, section 13).

simulated_on_paths(...)     `simulate` of such a game
drawn_for(...)              the paths and streams of all replicas, of which other processes may play some
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base.threads import Watch, over_replicas, workers_for
from tmfcore._base.types import FloatsLike, Start
from tmfcore._base.validation import IntArray
from tmfcore._limit.sizes import Needs, copy_needs
from tmfcore._model import appearance
from tmfcore._model.fingerprint import Fingerprint, differences
from tmfcore._model.game import Game
from tmfcore._model.noise_paths import Paths, key_of
from tmfcore._model.policies import PolicyLike
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Schedule
from tmfcore._population.by_steps import simulated_by_steps
from tmfcore._population.continuing import last_state_of
from tmfcore._population.journal import Journal
from tmfcore._population.kept_runs import opened_for
from tmfcore._population.last_state import MOST, LastState
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import start_of
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike

__all__ = ["Drawn", "drawn_for", "simulated_on_paths"]

RUN = 5300  # bytes of a Simulation of one replica, without its arrays
SECONDS = 1e-3  # rough time of one replica


@dataclass(frozen=True)
class Drawn:
    """What replicas on paths draw from.

    noise : (R, T, ...) the paths.
    seed : that of all paths.
    streams : of the agents of each; None if they go on from a run.
    """

    noise: npt.NDArray[Any]
    seed: int
    streams: Sequence[seeding.Stream] | None

    def of(self, rows: slice) -> Drawn:
        """That of some replicas."""
        return Drawn(self.noise[rows], self.seed, None if self.streams is None else self.streams[rows])


def drawn_for(game: Game, n_agents: int, replicas: int, start: object, rng: seeding.RNG) -> Drawn:
    """The paths and streams of a call of simulate; errors as there."""
    streams: Sequence[seeding.Stream] | None = None
    if isinstance(start, Simulation):
        seed = _last_state(start, game, n_agents, replicas, rng).noise
        assert seed is not None, "checked there"
    else:
        of_noise, of_agents = seeding.generators(rng, 2)
        seed, streams = seeding.number(of_noise), seeding.seeds(of_agents, replicas)
    return Drawn(Paths.of(game, replicas, seed).noise, seed, streams)


def simulated_on_paths(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int, *, replicas: int,
    start: Start | FloatsLike | Simulation, rng: seeding.RNG | Drawn, threads: int | None, progress: bars.Progress,
    checkpoint: CheckpointLike | None, keep_state: bool, **options: Any,
) -> Simulation:  # fmt: skip
    """`simulate` of a game in steps with random noise; numbers, words and what goes with what are checked there."""
    drawn = rng if isinstance(rng, Drawn) else None
    seed = None if isinstance(rng, Drawn) else rng
    horizon, first, last = game.n_steps, 0, None
    if isinstance(start, Simulation):
        last, first = _last_state(start, game, n_agents, replicas, seed), start.horizon
        given: IntArray | None = start.counts[:, -1]
        start_name = "given"
    else:
        given, start_name = start_of(start, n_agents, replicas, game)
    by_replica = not isinstance(start, (str, Simulation)) and np.asarray(start).ndim == 2
    needs.ask(_needs(game, replicas, -(-(horizon - first) // options["record_every"]), options["decisions"]))
    fingerprint = Fingerprint.of(game, schedule, n_agents, policy=key_of(policy, game), start=start_name)
    known = None if last is None else [{"carried": block, "t": first} for block in last.blocks]
    own = {**options, "replicas": replicas, "keep_state": keep_state}
    keeper = opened_for(checkpoint, fingerprint, seed, given, own, known, first)
    drawn = drawn or drawn_for(game, n_agents, replicas, start, seed)
    paths, streams = Paths(game, drawn.noise), drawn.streams
    kernels = paths.policy(policy)
    before: list[Simulation | None] = [None] * replicas
    if isinstance(start, Simulation) and last is not None:
        _check_paths(start, paths)
        before = _apart(start, last, paths, kernels, schedule, fingerprint)
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
    with bars.reporter(progress, replicas * (horizon - first), "steps") as report:
        watch = None if progress is False else Watch(replicas, report)

        def play(r: int) -> None:
            part = None
            if journal is not None and runs[r] is None:
                left = states.get(r)
                part = journal.part(r, left, lambda state: {"job": r, "state": dict(state)})
                journal.begin(r, None if left is None else {"job": r, "state": left})
            if runs[r] is None:
                run = simulated_by_steps(
                    paths.games[r], kernels[r], schedule, n_agents, replicas=1,
                    start=before[r] or (np.asarray(start)[r] if by_replica else start),
                    rng=None if streams is None else seeding.generator(streams[r]),
                    threads=threads if replicas == 1 else 1, checkpoint=part,
                    keep_state=keep_state, progress=False, **options,
                )  # fmt: skip
                if run.ends is not None and not keep_state and replicas * run.ends.n_bytes > MOST:
                    vars(run)["ends"] = None
                runs[r] = run
            if journal is not None and part is not None:
                journal.end(r)
            if watch is not None:
                watch.words[r, 0] = horizon - first

        over_replicas(play, replicas, workers, SECONDS, watch)
    if journal is not None:
        journal.write()
    ends = LastState.joined([run.ends for run in runs], drawn.seed)
    return _joined(runs, game, schedule, horizon, noise=paths.noise, ends=ends, fingerprint=fingerprint)


def _needs(game: Game, replicas: int, intervals: int, decisions: bool) -> Needs:
    """The memory of all replicas, and of what they are joined to."""
    needed: dict[str, tuple[int, ...]] = {"counts": (8, replicas, intervals + 1, game.n_observations)}
    if decisions:
        needed["decisions"] = (8, replicas, intervals, game.n_observations, game.n_actions)
    needed = {name: (2 * each[0], *each[1:]) for name, each in needed.items()}
    needed["runs"] = (RUN + 80 * game.n_observations, replicas)
    return needed | copy_needs(game, replicas)


def _joined(runs: list[Any], game: Game, schedule: Schedule, horizon: int, **more: Any) -> Simulation:
    """One Simulation of all replicas."""
    one: Simulation = runs[0]
    joined = {
        name: None if getattr(one, name) is None else np.concatenate([getattr(run, name) for run in runs])
        for name in ("counts", "decisions", "rewards", "returns")
    }
    same = {name: getattr(one, name) for name in ("record_every", "engine", "discount", "trajectories", "n_agents")}
    return Simulation._made(
        **joined, **same, steps=np.array(one.steps), horizon=horizon, schedule=schedule.label, game=game.name,
        **appearance.appearance_of(game), **more,
    )  # fmt: skip


# --------------------------------------------------------------------------------- going on from another run


def _last_state(run: Simulation, game: Game, n_agents: int, replicas: int, rng: seeding.RNG) -> LastState:
    last = last_state_of(run, rng, game, n_agents=n_agents, replicas=replicas)
    if last.noise is None:
        raise ValueError("start is a Simulation without random noise; must be one with it, whose paths go on")
    if game.n_steps <= run.horizon:
        raise ValueError(
            f"game has {game.n_steps} steps; must have more than {run.horizon}, those that start has made: "
            "game.replace(horizon=...) makes a longer one"
        )
    return last


def _check_paths(run: Simulation, paths: Paths) -> None:
    """Raise unless the paths of `run` are the beginning of those of the longer game."""
    found = paths.noise[:, : run.horizon]
    if run.noise is None or run.noise.shape != found.shape or not np.array_equal(run.noise, found, equal_nan=True):
        raise ValueError(
            f"noise draws paths that do not begin with the {run.horizon} steps of those of start; must draw the same "
            "ones from the same stream: the same chain, or a function whose first values do not depend on the number "
            "of steps"
        )


def _apart(
    run: Simulation, last: LastState, paths: Paths, kernels: list[Policy], schedule: Schedule, new: Fingerprint
) -> list[Simulation | None]:
    """The replicas of a run, each as a run on its path."""
    old = run.fingerprint
    same_game = old is not None and not differences(new, old, ("dynamics",))
    same_policy = same_game and old is not None and not differences(new, old, ("policy",))
    found: list[Simulation | None] = []
    for r, game in enumerate(paths.games):
        own = None
        if same_game:
            own = Fingerprint.of(game, schedule, run.n_agents, policy=kernels[r] if same_policy else None)
        found.append(Simulation._made(**{
            **vars(run), "counts": run.counts[r : r + 1], "rewards": run.rewards[r : r + 1],
            "decisions": None if run.decisions is None else run.decisions[r : r + 1],
            "returns": run.returns[r : r + 1], "noise": None, "ends": last.part(slice(r, r + 1)), "fingerprint": own,
        }))  # fmt: skip
    return found
