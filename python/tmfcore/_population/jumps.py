"""Simulation of N agents with Poisson clocks: exact in continuous time (Theory, section 12).

The events of all agents form a Poisson process; which agent has one, and what it does, is sequential play. So the
numbers of events between record times are read off one realisation of that process, and as many are played by the
counts engine.

The calls of the kernels are in jump_runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.entries import all_finite
from tmfcore._base.functions import SMALLER_GAME
from tmfcore._base.threads import Watch, over_replicas, workers_for
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model import appearance
from tmfcore._model.continuous import Continuous, Stages, Timetable, record_times
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike
from tmfcore._population import counts as counts_kernel
from tmfcore._population import jump_stage, lanes
from tmfcore._population.continuing import fitting, last_state_of
from tmfcore._population.jump_records import EventNumbers, Records
from tmfcore._population.jump_runs import JumpRun
from tmfcore._population.kept_jumps import KeptJumps
from tmfcore._population.kept_runs import opened_for
from tmfcore._population.last_state import MOST, LastState, heads
from tmfcore._population.runs import groups_of
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import start_of
from tmfcore._population.uniformised import uniformised
from tmfcore._random import sampling, seeding
from tmfcore._results.checkpoint import CheckpointLike, Keeper, digest

__all__ = ["Times", "simulated"]

Times: TypeAlias = Literal["events"]


def simulated(
    game: Game, policy: PolicyLike, schedule: Poisson, n_agents: int, *, replicas: int, start: object, rng: seeding.RNG,
    threads: int | None, decisions: bool, progress: bars.Progress, times: object, checkpoint: CheckpointLike | None,
    keep_state: bool,
) -> Simulation:  # fmt: skip
    """`simulate` under Poisson clocks; numbers, words and what goes with what are checked there."""
    clocks = Continuous.of(game, schedule)
    stages = Stages.of(policy, game)
    n_agents = check.as_positive_int(n_agents, "n_agents", high=counts_kernel.MAX_AGENTS)
    last, begin = None, 0.0
    if isinstance(start, Simulation):
        last, begin = _last_state(start, game, n_agents, replicas, rng)
        given: IntArray | None = start.counts[:, -1]
        start_name = "given"
    else:
        given, start_name = start_of(start, n_agents, replicas, game)
    each = isinstance(times, str)
    if each:
        check.as_choice(times, "times", Times)
    grid = np.array([begin, game.horizon]) if each else record_times(times, game.horizon, begin)
    fingerprint = Fingerprint.of(game, schedule, n_agents, policy=stages.kernel, start=start_name)
    events = uniformised(clocks, stages, n_agents)
    plan = JumpRun(clocks, events, stages.kernel, Timetable.of(grid, stages.n_stages), n_agents)
    if isinstance(start, Simulation) and last is not None:
        plan.begun = _begun(start, last, plan, fingerprint)
    plan.refuse_too_many()
    recorded = round(plan.expected) + 1 if each else len(grid) - 1
    workers = workers_for(threads, replicas, plan.seconds, python=lambda: plan.calls_python)
    keeps = keep_state or plan.state_bytes(replicas) <= MOST
    wanted = plan.needs(replicas, recorded, decisions, workers, keeps)
    needs.ask(wanted, lambda: _shrink(wanted, replicas, each), plan.seconds * replicas)
    keeper = None
    if checkpoint is not None:
        keeper = opened_for(checkpoint, fingerprint, rng, given, {
            "replicas": replicas, "decisions": decisions, "times": "events" if each else digest(grid),
            "keep_state": keep_state,
        }, plan.begun, begin)  # fmt: skip

    streams, starts, numbers = _drawn(plan, last, given, rng, replicas)
    if each:
        grid = plan.at_each_event(numbers[0])
    out = Records.empty(
        replicas, len(grid) - 1, game.n_observations, game.n_actions, decisions, plan.n_words if keeps else 0
    )
    result = partial(_result, game, schedule, n_agents, fingerprint)
    _play(plan, streams, starts, numbers, out, grid, keeper, workers, progress, result)
    return result(out, grid, plan.last_state(out, streams, numbers))


def _drawn(
    plan: JumpRun, last: LastState | None, given: IntArray | None, rng: seeding.RNG, replicas: int
) -> tuple[list[np.random.Generator], IntArray, list[EventNumbers]]:
    """The streams of the replicas, their counts at the start (R, S), and the numbers of their events."""
    game, n_agents = plan.clocks.game, plan.n_agents
    if last is None:
        streams = [seeding.generator(seed) for seed in seeding.seeds(rng, replicas)]
    else:
        streams = [seeding.restored(seeding.state(one)) for one in last.streams if one is not None]
    if given is None:
        starts = np.array([sampling.multinomial(one.bit_generator, n_agents, game.initial) for one in streams])
    else:
        starts = np.broadcast_to(given, (replicas, game.n_observations))
    keys = [seeding.key(one) for one in streams] if last is None or last.clocks is None else list(last.clocks)
    return streams, starts, [plan.numbers(key) for key in keys]


def _play(
    plan: JumpRun, streams: list[np.random.Generator], starts: IntArray, numbers: list[EventNumbers], out: Records,
    grid: FloatArray, keeper: Keeper | None, workers: int, progress: bars.Progress, result: Callable[..., Simulation],
) -> None:  # fmt: skip
    """Play all replicas; an error takes along what was done."""
    replicas, decisions, longest = len(streams), out.decisions is not None, plan.longest(numbers)
    sides = plan.sides(replicas, decisions, longest)
    free = [] if sides is None else [sides]  # that no thread uses now
    fewest = lanes.MOST + 1 if sides is None else lanes.fewest(plan.clocks.game.n_observations)
    before = np.zeros((plan.n_stages, replicas), np.int64)
    if plan.begun is not None:
        before[plan.first_stage] = [plan.made_before(plan.first_stage, r) for r in range(replicas)]
    n_events = 0 if progress is False else sum(one.n_events for one in numbers)
    with bars.reporter(progress, n_events, "events") as report:
        shape = (plan.n_stages, replicas, jump_stage.runs_of(max(longest) + int(before.max())))
        watch = Watch(prod(shape), lambda made: report(made - int(before.sum())))
        words = watch.words.reshape(*shape, 1)
        words[:, :, 0, 0] = before
        kept = None
        if keeper is not None:
            kept = KeptJumps(plan, out, streams, numbers, words, keeper, workers, fewest)
        groups = groups_of(replicas, workers, fewest) if kept is None else [group for group, _ in kept.jobs]

        def play(number: int) -> None:
            own = None
            if sides is not None and len(groups[number]) > 1:
                try:
                    own = free.pop()
                except IndexError:  # each thread makes them
                    own = plan.sides(replicas, decisions, longest)
            if kept is None:
                plan.play(groups[number], streams, starts, numbers, out, own, words)
            else:
                group, state, due = kept.begin(number)
                plan.play(
                    group, streams, starts, numbers, out, own, words, due,
                    partial(kept.journal.leave, number), state,
                )  # fmt: skip
                kept.end(number)
            if own is not None:
                free.append(own)

        try:
            seconds = plan.seconds * replicas / max(1, len(groups))
            over_replicas(play, len(groups), workers, seconds, None if progress is False else watch)
        except BaseException as error:
            made = words.sum(axis=(2, 3)) - before
            reached = plan.so_far(out, numbers, made, grid, isinstance(error, Exception))
            part = None if reached is None else result(*reached, None)
            error.partial = part  # type: ignore[attr-defined]  # ours
            raise

    if not (all_finite(out.rewards) and all_finite(out.returns)):
        raise ValueError("the sum of the rewards overflows; rewards must be smaller")
    if kept is not None:
        kept.journal.write()


def _result(
    game: Game, schedule: Poisson, n_agents: int, fingerprint: Fingerprint, out: Records, times: FloatArray,
    ends: LastState | None,
) -> Simulation:  # fmt: skip
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
        ends=ends,
        fingerprint=fingerprint,
    )


# --------------------------------------------------------------------------------- going on from another run


def _last_state(
    run: Simulation, game: Game, n_agents: int, replicas: int, rng: seeding.RNG
) -> tuple[LastState, float]:
    """The last state of a run, and its time."""
    last = last_state_of(run, rng, game, n_agents=n_agents, replicas=replicas)
    if last.clocks is None or run.record_times is None:
        raise ValueError("start is a Simulation in steps; must be one under Poisson clocks, or counts")
    begin = float(run.record_times[-1])
    if not game.horizon > begin:
        raise ValueError(
            f"game ends at {say.number(game.horizon)}; must end after {say.number(begin)}, where start does: "
            "game.replace(horizon=...) makes a longer one"
        )
    return last, begin


def _begun(run: Simulation, last: LastState, plan: JumpRun, new: Fingerprint) -> list[dict[str, Any]]:
    """The states from which the replicas go on."""
    assert last.events is not None, "it comes with clocks"
    if last.rate == plan.events.total and last.blocks.shape[1] == plan.n_words:
        blocks = fitting(last, run, new, plan.n_words)
    else:  # events of another kind, with rewards of other times
        blocks = np.zeros((len(last.blocks), plan.n_words), np.uint64)
        heads(blocks)["key"] = heads(last.blocks)["key"]
        heads(blocks)["mutates"] = -1
    heads(blocks)["weight"] = 1.0  # returns are discounted to the time at which the run goes on
    return [{"carried": block, "events": int(n)} for block, n in zip(blocks, last.events, strict=True)]


def _shrink(needed: dict[str, tuple[int, ...]], replicas: int, each: bool) -> str:
    """What makes a run smaller, the most effective first."""
    ways = ["times must be a number, not 'events'" if each else "times must be fewer"]
    if "decisions" in needed:
        ways.append("decisions False")
    if replicas > 1:
        ways.append("replicas fewer")
    return ", ".join([*ways, f"or {SMALLER_GAME}"])
