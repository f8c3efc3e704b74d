"""Simulation of N agents with Poisson clocks: exact in continuous time (Theory, section 12).

The events of all agents form a Poisson process; which agent has one, and what it does, is sequential play. So each
stage of the policy draws the numbers of its events up to each record time, and plays them with the counts engine.

The calls of the kernels are in jump_runs.
"""

from __future__ import annotations

from math import prod
from typing import Literal, TypeAlias

import numpy as np

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base.entries import all_finite
from tmfcore._base.functions import SMALLER_GAME
from tmfcore._base.threads import Watch, over_replicas, workers_for
from tmfcore._base.types import Engine
from tmfcore._base.validation import FloatArray
from tmfcore._model import appearance
from tmfcore._model.continuous import Continuous, Stages, Timetable, record_times, refuse_steps
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike
from tmfcore._population import counts as counts_kernel
from tmfcore._population import lanes
from tmfcore._population.jump_runs import SECONDS_PER_EVENT, JumpRun, Records, runs_of
from tmfcore._population.runs import groups_of
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import start_of
from tmfcore._population.uniformised import uniformised
from tmfcore._random import sampling, seeding

__all__ = ["Times", "simulated"]

Times: TypeAlias = Literal["events"]


def simulated(
    game: Game, policy: PolicyLike, schedule: Poisson, n_agents: int, *, replicas: int, engine: Engine, start: object,
    rng: seeding.RNG, threads: int | None, record_every: int, decisions: bool, trajectories: bool,
    progress: bars.Progress, times: object,
) -> Simulation:  # fmt: skip
    """`simulate` under Poisson clocks; the arguments are those of simulate."""
    clocks = Continuous.of(game, schedule)
    stages = Stages.of(policy, game)
    n_agents = check.as_positive_int(n_agents, "n_agents", high=counts_kernel.MAX_AGENTS)
    replicas = check.as_positive_int(replicas, "replicas")
    decisions = check.as_bool(decisions, "decisions")
    if check.as_choice(engine, "engine", Engine) == "agents":
        raise ValueError("engine is 'agents'; must be 'auto' or 'counts' with Poisson clocks")
    if check.as_bool(trajectories, "trajectories"):
        raise ValueError("trajectories is True; must be False with Poisson clocks: individuals are not recorded")
    refuse_steps(record_every)
    threads = None if threads is None else check.as_positive_int(threads, "threads")
    bars.check(progress)
    given, start_name = start_of(start, n_agents, replicas, game)
    each = isinstance(times, str)
    if each:
        check.as_choice(times, "times", Times)
        if replicas != 1:
            raise ValueError(f"replicas is {replicas}; must be 1 with times='events', which are those of one replica")
    grid = np.array([0.0, game.horizon]) if each else record_times(times, game.horizon)
    events = uniformised(clocks, stages, n_agents)
    plan = JumpRun(clocks, events, stages.kernel, Timetable.of(grid, stages.n_stages), n_agents)
    plan.refuse_too_many()
    recorded = round(plan.expected) + 1 if each else len(grid) - 1
    workers = workers_for(threads, replicas, plan.seconds, python=plan.calls_python)
    wanted = plan.needs(replicas, recorded, decisions, workers)
    needs.ask(wanted, lambda: _shrink(wanted, replicas, each), plan.expected * replicas * SECONDS_PER_EVENT)

    streams = [seeding.generator(seed) for seed in seeding.seeds(rng, replicas)]
    if given is None:
        starts = np.array([sampling.multinomial(one.bit_generator, n_agents, game.initial) for one in streams])
    else:
        starts = np.broadcast_to(given, (replicas, game.n_observations))
    numbers = [plan.numbers(one) for one in streams]
    if each:
        grid = plan.at_each_event(numbers[0])
    out = Records.empty(replicas, len(grid) - 1, game.n_observations, game.n_actions, decisions)
    sides = plan.sides(replicas, decisions, numbers)
    kept = [] if sides is None else [sides]  # that no thread uses now
    groups = groups_of(replicas, workers, lanes.MOST + 1 if sides is None else lanes.fewest(game.n_observations))

    def simulation(out: Records, times: FloatArray) -> Simulation:
        return Simulation._made(
            counts=out.counts,
            decisions=out.decisions,
            rewards=out.rewards,
            returns=out.returns,
            steps=np.arange(len(times)),
            n_agents=n_agents,
            discount=game.discount,
            horizon=len(times) - 1,
            record_every=1,
            engine="counts",
            schedule=schedule.label,
            game=game.name,
            **appearance.appearance_in_time(game, times),
            fingerprint=Fingerprint.of(game, schedule, n_agents, policy=stages.kernel, start=start_name),
        )

    with bars.reporter(progress, sum(one.n_events for one in numbers), "events") as report:
        shape = (plan.n_stages, replicas, runs_of(max(plan.longest(numbers))))
        watch = Watch(prod(shape), report)
        words = watch.words.reshape(*shape, 1)

        def play(group: int) -> None:
            own = None
            if sides is not None and len(groups[group]) > 1:
                try:
                    own = kept.pop()
                except IndexError:  # each thread makes them
                    own = plan.sides(replicas, decisions, numbers)
            plan.play(groups[group], streams, starts, numbers, out, own, words)
            if own is not None:
                kept.append(own)

        try:
            over_replicas(
                play, len(groups), workers, plan.seconds * replicas / len(groups), None if progress is False else watch
            )
        except BaseException as error:
            found = plan.so_far(out, numbers, words.sum(axis=(2, 3)), grid, isinstance(error, Exception))
            error.partial = None if found is None else simulation(*found)  # type: ignore[attr-defined]  # ours
            raise

    if not (all_finite(out.rewards) and all_finite(out.returns)):
        raise ValueError("the sum of the rewards overflows; rewards must be smaller")
    return simulation(out, grid)


def _shrink(needed: dict[str, tuple[int, ...]], replicas: int, each: bool) -> str:
    """What makes a run smaller, the most effective first."""
    ways = ["times must be a number, not 'events'" if each else "times must be fewer"]
    if "decisions" in needed:
        ways.append("decisions False")
    if replicas > 1:
        ways.append("replicas fewer")
    return ", ".join([*ways, f"or {SMALLER_GAME}"])
