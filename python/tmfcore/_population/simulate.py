"""Simulation of N agents (Theory, section 5), by counts or agent by agent.

    simulate(...) -> Simulation      R independent replicas, on threads; the result depends on the seed alone
    Simulation.trajectories          observations, actions and rewards of individuals (agents engine, one replica)

`starts` has the counts at the start, `runs` the calls of the kernels, `costs` what decides between engines.
"""

from __future__ import annotations

import logging
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from tmfcore._base import bars
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.threads import Watch, over_replicas, workers_for
from tmfcore._base.types import Engine, FloatsLike, Start
from tmfcore._base.validation import IntArray
from tmfcore._model import appearance
from tmfcore._model.continuous import refuse_times
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game, in_steps
from tmfcore._model.model import Model
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.policy import CallablePolicy, Policy
from tmfcore._model.schedules import Schedule, as_schedule
from tmfcore._population import agents as agents_kernel
from tmfcore._population import counts as counts_kernel
from tmfcore._population.continuing import states_of
from tmfcore._population.costs import BESIDE, seconds_per_step
from tmfcore._population.elsewhere import simulated_elsewhere
from tmfcore._population.jumps import Times, simulated
from tmfcore._population.kept_runs import KeptRun, opened_for
from tmfcore._population.last_state import LastState
from tmfcore._population.on_graph import (
    GraphLike,
    GraphRun,
    neighbours_of,
    refuse_function,
    refuse_start,
    refuse_with_graph,
)
from tmfcore._population.on_paths import simulated_on_paths
from tmfcore._population.ranks import Ranks, on_ranks, refuse_ranks
from tmfcore._population.runs import Run, groups_of
from tmfcore._population.simulation import Simulation, Trajectories
from tmfcore._population.starts import start_of
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

__all__ = ["REPLICAS", "simulate"]

log = logging.getLogger(__name__)

REPLICAS = 256  # default of functions that return an estimate with an interval
MOST_AGENTS = 10**8  # largest population, and ...
MOST_CELLS = 2**24  # ... largest kernel in entries, for which engine="auto" may choose the agents engine
TILE = 2048  # agents; ranks hold whole tiles
AGENTS_PER_THREAD = 100_000  # with fewer, synchronising the threads of one population costs more than they gain


@takes_rng
@fits_memory(f"replicas must be fewer, record_every larger, decisions False, or {SMALLER_GAME}", asks=True)
@on_ranks
def simulate(
    game: Game,
    policy: PolicyLike,
    schedule: Schedule,
    n_agents: int,
    *,
    replicas: int = 1,
    engine: Engine = "auto",
    start: Start | FloatsLike | Simulation = "rounded",
    rng: seeding.RNG = None,
    threads: int | None = None,
    record_every: int = 1,
    decisions: bool = True,
    trajectories: bool = False,
    progress: bars.Progress = False,
    times: Times | FloatsLike | None = None,
    checkpoint: CheckpointLike | None = None,
    keep_state: bool = False,
    comm: Intracomm | None = None,
    executor: Executor | None = None,
    graph: GraphLike | None = None,
) -> Simulation:
    """Sample R independent populations of `n_agents` agents (Theory, section 5).

    If the noise is random, each is on a path of its own, which is drawn from a stream of its own.

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
        The agents that act at each step.
    n_agents : int
        N >= 1. The counts engine samples exactly up to 10**18 agents with schedules that only need binomials (B = 1,
        B = N, Bernoulli), and up to 10**12 with batches in between; the agents engine up to 2**32 - 1, on ranks up to
        2**32 - 2**11 each if no individuals are recorded and no step visits few agents (one, or a small batch while
        passive agents stay).
    replicas : int, optional
        R, the number of independent populations.
    engine : {"auto", "counts", "agents"}, optional
        "counts" samples the number of agents at each observation, at a cost independent of N; "agents" moves every
        agent. Both have the same law, but use different random draws. "auto": agents if trajectories are requested, or
        if so few agents move that moving them one by one is expected to be cheaper; else counts. The choice depends on
        the sizes of the game, the schedule, N and `decisions` only.
    start : {"rounded", "sampled"} or (S,) or (R, S) integers or Simulation, optional
        Counts at the start. "rounded": n_agents * game.initial, rounded by largest remainder (ties to the lower
        index). "sampled": each agent is drawn from game.initial, in each replica. Or the counts; each row must sum to
        n_agents. Individuals of `trajectories` are assigned to these observations uniformly at random. A Simulation
        as a run returns it: its replicas go on from its last step T0, in the same random streams, to the end of a
        longer game of the same sizes. The policy and functions of the game receive the true t; `steps` begins at T0,
        and `returns` are sums over the steps from T0 on. `rng` must be None. Over random noise its paths go on, too;
        under Poisson clocks its events do, and `times` begin at the end of the run.
    rng : int, Generator, SeedSequence or None, optional
        Seed. One stream is spawned per replica, so results never depend on `threads` or `record_every`.
    threads : int or None, optional
        Most threads to use, over replicas or, for one large population of the agents engine, over its agents. None: as
        many as there are processors if there is enough work for them, else 1.
    record_every : int, optional
        Steps per recorded interval; the last interval may be shorter. J = ceil(T / record_every). Trajectories have one
        step in record_every.
    decisions : bool, optional
        False omits the decision counts, (R, J, S, A). Successors may then be drawn from rows averaged over the policy,
        which is faster by a factor of up to A. The law of the counts is the same, but the draws differ, and `rewards`
        are expectations over the actions given who acts or, where one agent acts and steps that change nothing are
        skipped, given the counts (Theory, section 5).
    trajectories : bool, optional
        True records individuals, arrays of (N, J): where each is at the start of every interval, and what it does and
        earns at that step, as every record_every-th column of the arrays (N, T) of record_every=1. One replica, agents
        engine, no Poisson clocks.
    progress : bool or callable, optional
        True draws a bar on a terminal or in a notebook (extra `app`); a callable receives (done, total), in steps of
        all replicas together, R T at the end, up to 20 times a second. Errors that it raises end the run.
    times : float, (J+1,) floats, "events" or None, optional
        Only with Poisson clocks: the times at which to record, from 0 to the horizon. A number: its multiples, and the
        horizon. "events": the times of all events, of one replica. None: 0, 1, 2, ... and the horizon.
    checkpoint : path, Checkpoint or None, optional
        A file in which the state of the run is kept, every minute or as `Checkpoint` says, also within a replica; if it
        exists, the run goes on from it, to the same bits. Needs `rng`, or a Simulation as start. It holds the outputs
        so far, and for each replica that runs a kilobyte, or with the agents engine the observation of every agent.
    keep_state : bool, optional
        A run keeps the states of its replicas at the end, for `start`, if they take at most 64 MiB: 400 bytes and
        O(S A) numbers each, the stream if more than its key is drawn from it, and with the agents engine the
        observation of every agent. True keeps them whatever they take.
    comm : mpi4py.MPI.Intracomm or None, optional
        The processes (extra `mpi`) between which the agents are divided; all of them make the same call, and get the
        same result, with the bits of one process. Replicas follow each other. Agents engine, no Poisson clocks, no
        random noise, no `keep_state`; `rng` must be a seed. `trajectories` are those of the agents that this rank
        holds, with their `numbers`. `checkpoint` writes a file for each rank beside its own, from which any number of
        ranks goes on. `threads` are those of each rank, None: 1; rank 0 reports `progress`. An error of one rank alone
        ends the program on all.
    executor : concurrent.futures.Executor or None, optional
        Plays the replicas: processes, Dask and others, as in `sweep`; to the same bits. Game, policy and schedule
        travel once to each process. `threads` are those of each job, None: 1. Without checkpoint; `partial` then has
        the replicas that came back.
    graph : scipy sparse matrix (N, N), tuple (indptr, indices) or None, optional
        Whom each agent sees: row i, in CSR, has the neighbours of agent i, with weights >= 0 if they differ. What
        agents earn, where they move and how they act depends on the shares of their neighbours in place of mu. An agent
        is among those that it sees if its row has it; with all agents in every row the law is that without a graph.
        Column i of `trajectories` is agent i of the graph, and the places of the start are assigned at random. Agents
        engine only, no Poisson clocks, no random noise, no functions of mu in the schedule; without comm, executor,
        checkpoint and keep_state. A step costs O(N + edges) and N rows of the game.

    Returns
    -------
    Simulation

    Raises
    ------
    TypeError, ValueError
        Bad arguments; a row that is not a distribution, found during the run. An error in one replica stops the others.
    KeyboardInterrupt
        Ctrl-C, within a fraction of a second. Every exception of a run that has begun carries as `partial` what was
        done, a Simulation or None: the finished replicas; if there are none, after Ctrl-C, those that are furthest, up
        to the step t that they reached, as if the horizon were t; without trajectories. Under Poisson clocks the one
        that is furthest, up to the time of its last event.

    Notes
    -----
    Time: counts O(R T (S + min(B, S A) + entries of the rows used)); agents O(R T B) if passive agents stay where they
    are, else O(R T N). If one agent acts, decisions are off and few steps change the counts, counts skips the others:
    O(R (changes of the counts + J S)). Memory: the recorded output, the states at the end, and 2 bytes per agent and
    thread (S <= 256) for the agents engine.

    Where kernels draw all events, two runs joined by `start` have the bits of one run of the whole horizon. Where steps
    that change nothing are skipped, or tables are worth their time in the longer run only, they have its law.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> policy = tmf.TabularPolicy.uniform(game)
    >>> run = tmf.simulate(game, policy, tmf.Batch(100), 1000, replicas=8, rng=1)
    >>> run.counts.shape
    (8, 201, 4)
    >>> print(f"{run.returns.mean():.1f}")
    5.5
    """
    if graph is not None:
        refuse_with_graph(
            engine, comm=comm, executor=executor, checkpoint=checkpoint, keep_state=keep_state, times=times
        )
        refuse_start(start)
        engine = "agents"
    if executor is not None:
        if comm is not None:
            raise ValueError("comm is given with executor; must be one of them")
        return simulated_elsewhere(
            executor, game, policy, schedule, n_agents, replicas=replicas, start=start, rng=rng, threads=threads,
            progress=progress, checkpoint=checkpoint, engine=engine, record_every=record_every, decisions=decisions,
            trajectories=trajectories, times=times, keep_state=keep_state,
        )  # fmt: skip
    keep_state = check.as_bool(keep_state, "keep_state")
    ranks = cast("Ranks | None", comm)  # by on_ranks
    if isinstance(schedule, Poisson):
        if graph is not None:
            raise ValueError("graph is given; must be None with Poisson clocks, of which only counts are played")
        refuse_ranks(ranks, "with Poisson clocks, of which only counts are played")
        return simulated(
            game, policy, schedule, n_agents, replicas=replicas, engine=engine, start=start, rng=rng, threads=threads,
            record_every=record_every, decisions=decisions, trajectories=trajectories, progress=progress, times=times,
            checkpoint=checkpoint, keep_state=keep_state,
        )  # fmt: skip
    refuse_times(times)
    game = in_steps(game, schedule, n_agents, random=True)
    as_schedule(schedule)
    if game._first is not None:
        if graph is not None:
            raise ValueError("graph is given; must be None if the noise is random: play game.on(path)")
        refuse_ranks(ranks, "if the noise is random")
        return simulated_on_paths(
            game, policy, schedule, n_agents, replicas=replicas, engine=engine, start=start, rng=rng, threads=threads,
            record_every=record_every, decisions=decisions, trajectories=trajectories, progress=progress,
            checkpoint=checkpoint, keep_state=keep_state,
        )  # fmt: skip
    kernel = as_policy(policy, game)
    n_agents = check.as_positive_int(n_agents, "n_agents")
    replicas = check.as_positive_int(replicas, "replicas")
    record_every = check.as_positive_int(record_every, "record_every")
    decisions = check.as_bool(decisions, "decisions")
    trajectories = check.as_bool(trajectories, "trajectories")
    threads = None if threads is None else check.as_positive_int(threads, "threads")
    if ranks is not None:
        start = without_states(start, keep_state, "with comm: checkpoint keeps the state of a run on ranks")
        engine, threads, progress = ranks.settled(engine, threads, progress, rng)
    if isinstance(start, Simulation) and engine == "auto":
        engine = start.engine
    asked = engine = _choose_engine(check.as_choice(engine, "engine", Engine), trajectories, replicas)
    bars.check(progress)
    check_population(n_agents, engine, 1 if ranks is None else ranks.size)
    horizon = game.n_steps
    batch, probability = schedule._kernel(horizon, n_agents)
    costs = seconds_per_step(game.model, kernel, n_agents, batch, probability, decisions)
    neighbours = None
    if graph is not None:
        refuse_function(probability)
        neighbours = neighbours_of(graph, n_agents)
        costs["agents"] = GraphRun.seconds(neighbours, kernel)
    if engine == "auto":
        engine = cheaper_engine(game.model, n_agents, batch, costs)
    why = "for trajectories" if trajectories else "as requested" if asked != "auto" else "expected to be cheaper"
    log.debug(
        "engine: %s for %d agents, %s (seconds per step: counts %.1e, agents %.1e)",
        engine, n_agents, why, costs["counts"], costs["agents"],
    )  # fmt: skip
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
        trajectories, threads, horizon * costs[engine], states, keep_state, ranks,
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
    seconds = horizon * costs[engine] * (BESIDE if replicas >= fewest else 1.0)
    python = partial(calls_python, game, kernel, schedule)
    workers = 1 if ranks is not None else workers_for(threads, replicas, seconds, python=python)
    inside = 1
    if engine == "agents" and workers == 1:  # one population at a time: threads share its agents instead
        inside = workers_for(threads, max(1, n_agents // AGENTS_PER_THREAD), seconds, python=python)

    def simulation(
        n_steps: int, replicas: slice, individuals: Trajectories | None, ends: LastState | None
    ) -> Simulation:
        """The first steps of some replicas."""
        n_intervals = -(-(n_steps - run.first) // record_every)
        return Simulation._made(
            counts=run.counts[replicas, : n_intervals + 1],
            decisions=None if run.decisions is None else run.decisions[replicas, :n_intervals],
            rewards=run.rewards[replicas, :n_intervals],
            returns=run.returns[replicas],
            steps=run.first + appearance.recorded_steps(n_steps - run.first, record_every),
            n_agents=n_agents,
            discount=game.discount,
            horizon=n_steps,
            record_every=record_every,
            engine=engine,
            schedule=schedule.label,
            game=game.name,
            trajectories=individuals,
            **appearance.appearance_of(game),
            ends=ends,
            fingerprint=fingerprint,
        )

    with bars.reporter(progress, replicas * (horizon - run.first), "steps") as report:
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
            part = None if found is None else simulation(*found, None, None)
            error.partial = part  # type: ignore[attr-defined]  # ours
            raise

    run.refuse_overflow()
    if kept is not None:
        kept.journal.write()
    return simulation(horizon, slice(None), run.trajectories, run.last_state())


def calls_python(game: Game, kernel: Policy, schedule: Schedule) -> bool:
    """Whether the kernels call Python functions of the user, at least once per step."""
    tables = (game.reward, game.transition, game.passive_reward, game.passive_transition, *schedule._values())
    return isinstance(kernel, CallablePolicy) or any(map(callable, tables))


# ----------------------------------------------------------------------------------------------------- checks


def _choose_engine(engine: Engine, trajectories: bool, replicas: int) -> Engine:
    if not trajectories:
        return engine
    if engine == "counts":
        raise ValueError("engine is 'counts', which has no individuals; trajectories=True needs 'agents' or 'auto'")
    if replicas != 1:
        raise ValueError(f"replicas is {replicas}; must be 1 with trajectories=True (call simulate once per replica)")
    return "agents"


def cheaper_engine(model: Model, n_agents: int, batch: IntArray | None, costs: dict[str, float]) -> Engine:
    """The engine for "auto": counts, unless the agents engine is expected to take less than 4/5 of the time.

    Always counts for populations that take a tenth of a second to set up, and if single agents act, for which both
    engines have nearly the same cost.
    """
    single = batch is not None and model.passive_identity and (batch.item() if len(batch) == 1 else batch.max()) <= 1
    if single or n_agents > MOST_AGENTS or model.n_observations > agents_kernel.MAX_OBSERVATIONS:
        return "counts"
    cells = model.n_observations * model.n_actions * model.n_successors
    if cells > MOST_CELLS:
        return "counts"
    return "agents" if costs["agents"] < 0.8 * costs["counts"] else "counts"


def without_states(
    start: Start | FloatsLike | Simulation, keep_state: bool, when: str
) -> Start | FloatsLike:
    """`start`, of a run on ranks, which has no states."""
    if keep_state:
        raise ValueError(f"keep_state is True; must be False {when}")
    if isinstance(start, Simulation):
        raise ValueError(f"start is a Simulation; must be counts or a word {when}")
    return start


def check_population(n_agents: int, engine: str, ranks: int = 1) -> None:
    limit = agents_kernel.MAX_AGENTS if engine == "agents" else counts_kernel.MAX_AGENTS
    name = "agents" if engine == "agents" else "counts"
    where = ""
    if ranks > 1:
        limit, where = ranks * (limit + 1 - TILE), f" on {ranks} ranks"
    if n_agents > limit:
        raise ValueError(f"n_agents is {n_agents}; must be <= {limit}, the limit of the {name} engine{where}")


def check_batches(n_agents: int, batch: IntArray | None, engine: str) -> None:
    if engine != "counts" or batch is None or n_agents <= counts_kernel.MAX_AGENTS_BATCH:
        return
    between = (batch > 1) & (batch < n_agents)
    if between.any():
        t = int(np.argmax(between))
        raise ValueError(
            f"n_agents is {n_agents}; must be <= {counts_kernel.MAX_AGENTS_BATCH} for batches of 1 < B < n_agents "
            f"({int(batch[t])} at step {t}): the counts engine cannot draw such batches from more agents; "
            "use Bernoulli, Sequential or Synchronous"
        )
