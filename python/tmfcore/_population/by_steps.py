"""`simulate` of a game in steps without random noise: R replicas on one engine.

simulated_by_steps(...)     checks what depends on the game, chooses the engine, and plays
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from tmfcore._base import bars
from tmfcore._base.threads import Watch, over_replicas, workers_for
from tmfcore._base.types import Engine, FloatsLike, Start
from tmfcore._base.validation import IntArray
from tmfcore._model import appearance
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game
from tmfcore._model.model import Model
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active, Schedule
from tmfcore._population.capacity import check_batches, check_population
from tmfcore._population.continuing import states_of
from tmfcore._population.costs import BESIDE, calls_python, cheaper_engine, seconds_of_samples, seconds_per_step
from tmfcore._population.kept_runs import KeptRun, opened_for
from tmfcore._population.last_state import LastState
from tmfcore._population.on_graph import GraphLike, GraphRun, Neighbours, neighbours_of, refuse_function
from tmfcore._population.ranks import Ranks
from tmfcore._population.runs import Run, groups_of
from tmfcore._population.simulation import Simulation, Trajectories
from tmfcore._population.starts import start_of
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike, Keeper

__all__ = ["simulated_by_steps"]

log = logging.getLogger(__name__)

AGENTS_PER_THREAD = 100_000  # with fewer, synchronising the threads of one population costs more than they gain


def simulated_by_steps(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int, *, replicas: int, engine: Engine,
    start: Start | FloatsLike | Simulation, rng: seeding.RNG, threads: int | None, record_every: int, decisions: bool,
    trajectories: bool, progress: bars.Progress, checkpoint: CheckpointLike | Keeper | None, keep_state: bool,
    ranks: Ranks | None = None, graph: GraphLike | None = None,
) -> Simulation:  # fmt: skip
    """`simulate`; numbers, words and what goes with what are checked there."""
    kernel = as_policy(policy, game)
    if ranks is not None:
        threads, progress = threads or 1, ranks.reporting(progress)
    if ranks is not None or graph is not None:
        engine = "agents"
    check_population(n_agents, "agents" if trajectories else engine, 1 if ranks is None else ranks.size)
    horizon = game.n_steps
    batch, probability = schedule._kernel(horizon, n_agents)
    neighbours = None
    if graph is not None:
        refuse_function(probability)
        neighbours = neighbours_of(graph, n_agents)
    engine, per_step = _choice(
        engine, trajectories, game.model, kernel, n_agents, batch, probability, decisions, neighbours
    )
    seconds = horizon * per_step
    check_batches(n_agents, batch, engine)
    states = None
    if isinstance(start, Simulation):
        new = Fingerprint.of(game, schedule, n_agents, policy=kernel)
        states = states_of(start, game, n_agents, replicas, engine, rng, new)
        given: IntArray | None = start.counts[:, -1]
        start_name = "given"
    else:
        given, start_name = start_of(start, n_agents, replicas, game)

    run = (Run if neighbours is None else partial(GraphRun, neighbours))(
        game, kernel, engine, n_agents, batch, probability, record_every, given, replicas, decisions,
        trajectories, threads, seconds, states, keep_state, ranks,
    )  # fmt: skip
    fingerprint = Fingerprint.of(game, schedule, n_agents, policy=kernel, start=start_name)
    keeper = None
    if checkpoint is not None or ranks is not None:
        keeper = opened_for(checkpoint, fingerprint, rng, given, {
            "engine": engine, "replicas": replicas, "record_every": record_every, "decisions": decisions,
            "trajectories": trajectories, "keep_state": keep_state,
        }, states, run.first, run)  # fmt: skip
    seeds = seeding.seeds(rng if states is None else 0, replicas)  # of which none is used then
    fewest = run.fewest_beside(replicas)
    if replicas >= fewest:
        seconds *= BESIDE
    python = partial(calls_python, game, kernel, schedule)
    workers = 1 if ranks is not None else workers_for(threads, replicas, seconds, python=python)
    inside = 1
    if engine == "agents" and workers == 1:  # one population at a time: threads share its agents instead
        inside = workers_for(threads, max(1, n_agents // AGENTS_PER_THREAD), seconds, python=python)
    result = partial(_result, run, game, schedule, fingerprint)
    _play(run, keeper, seeds, fewest, workers, inside, seconds, progress, result)
    return result(horizon, slice(None), run.trajectories, run.last_state())


def _choice(
    asked: Engine, trajectories: bool, model: Model, kernel: Policy, n_agents: int, batch: IntArray | None,
    probability: Active | None, decisions: bool, neighbours: Neighbours | None,
) -> tuple[Engine, float]:  # fmt: skip
    """The engine, and rough seconds of a step of it."""
    costs = seconds_per_step(model, kernel, n_agents, batch, probability, decisions)
    if neighbours is not None:
        costs["agents"] = GraphRun.seconds(neighbours, kernel)
    engine, why = asked, "as requested"
    if trajectories:
        engine, why = "agents", "for trajectories"
    elif asked == "auto":  # rows of samples cost both engines the same
        engine, why = cheaper_engine(model, n_agents, batch, costs), "expected to be cheaper"
    log.debug(
        "engine: %s for %d agents, %s (seconds per step: counts %.1e, agents %.1e)",
        engine, n_agents, why, costs["counts"], costs["agents"],
    )  # fmt: skip
    return engine, costs[engine] + (seconds_of_samples(kernel, batch) if neighbours is None else 0.0)


def _play(
    run: Run, keeper: Keeper | None, seeds: Sequence[seeding.Stream], fewest: int, workers: int, inside: int,
    seconds: float, progress: bars.Progress, result: Callable[..., Simulation],
) -> None:  # fmt: skip
    """Play all replicas, on `workers` threads, or each on `inside` of them; an error takes along what was done."""
    replicas = run.n_replicas
    with bars.reporter(progress, replicas * (run.horizon - run.first), "steps") as report:
        watch = Watch(replicas, lambda made: report(made - replicas * run.first))
        if run.first:
            watch.words[:] = run.first
        kept = None if keeper is None else KeptRun(run, keeper, workers, fewest, watch.words)
        groups = groups_of(replicas, workers, fewest) if kept is None else [group for group, _ in kept.jobs]

        def play(group: int) -> None:
            if kept is not None:
                kept.play(group, seeds, inside)
            elif len(groups[group]) > 1:
                run.side_by_side(groups[group], seeds, watch.words)
            else:
                r = groups[group].start
                run.alone(r, seeds[r], inside, watch.words)

        try:
            each = seconds * replicas / max(1, len(groups))
            over_replicas(play, len(groups), workers, each, None if progress is False else watch)
        except BaseException as error:
            found = run.so_far(watch.words, isinstance(error, Exception))
            part = None if found is None else result(*found, None, None)
            error.partial = part  # type: ignore[attr-defined]  # ours
            raise

    run.refuse_overflow()
    if kept is not None:
        kept.journal.write()


def _result(
    run: Run, game: Game, schedule: Schedule, fingerprint: Fingerprint, n_steps: int, replicas: slice,
    individuals: Trajectories | None, ends: LastState | None,
) -> Simulation:  # fmt: skip
    """The first steps of some replicas."""
    n_intervals = -(-(n_steps - run.first) // run.asked_every)
    return Simulation._made(
        counts=run.counts[replicas, : n_intervals + 1],
        decisions=None if run.decisions is None else run.decisions[replicas, :n_intervals],
        rewards=run.rewards[replicas, :n_intervals],
        returns=run.returns[replicas],
        steps=run.first + appearance.recorded_steps(n_steps - run.first, run.asked_every),
        n_agents=run.n_agents,
        discount=game.discount,
        horizon=n_steps,
        record_every=run.asked_every,
        engine=run.engine,
        schedule=schedule.label,
        game=game.name,
        trajectories=individuals,
        **appearance.appearance_of(game),
        ends=ends,
        fingerprint=fingerprint,
    )
