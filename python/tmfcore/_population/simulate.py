"""Simulation of N agents (Theory, section 5), by counts or agent by agent.

    simulate(...) -> Simulation      R independent replicas, on threads; the result depends on the seed alone
    Simulation.trajectories          observations, actions and rewards of individuals (agents engine, one replica)

Here arguments are checked, each alone and (`clashes`) together. What then plays is `by_steps`, `on_paths` of random
noise, `jumps` under Poisson clocks, or `elsewhere`, on an executor.
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import TYPE_CHECKING, cast

from tmfcore._base import bars
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.types import Engine, FloatsLike, Start
from tmfcore._model.game import Game, in_steps
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike
from tmfcore._model.schedules import Schedule, as_schedule
from tmfcore._population.by_steps import simulated_by_steps
from tmfcore._population.clashes import refuse_clashes
from tmfcore._population.elsewhere import simulated_elsewhere
from tmfcore._population.jumps import Times, simulated
from tmfcore._population.on_graph import GraphLike
from tmfcore._population.on_paths import simulated_on_paths
from tmfcore._population.ranks import Ranks, on_ranks
from tmfcore._population.simulation import Simulation
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

__all__ = ["REPLICAS", "simulate"]

REPLICAS = 256  # default of functions that return an estimate with an interval


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
    n_agents = check.as_positive_int(n_agents, "n_agents")
    replicas = check.as_positive_int(replicas, "replicas")
    record_every = check.as_positive_int(record_every, "record_every")
    threads = None if threads is None else check.as_positive_int(threads, "threads")
    decisions = check.as_bool(decisions, "decisions")
    trajectories = check.as_bool(trajectories, "trajectories")
    keep_state = check.as_bool(keep_state, "keep_state")
    engine = check.as_choice(engine, "engine", Engine)
    bars.check(progress)
    if engine == "auto" and isinstance(start, Simulation):
        engine = start.engine
    clocks, played = isinstance(schedule, Poisson), game
    if not clocks:
        played = in_steps(game, schedule, n_agents, random=True)
        as_schedule(schedule)
    noise = not clocks and played._first is not None
    given = graph is not None or executor is not None or comm is not None or times is not None
    if given or clocks or trajectories:  # the table is about nothing else
        refuse_clashes({
            "graph": graph, "executor": executor, "comm": comm, "clocks": clocks, "steps": not clocks, "noise": noise,
            "events": isinstance(times, str) and times == "events", "trajectories": trajectories, "replicas": replicas,
            "engine": engine, "start": start, "rng": rng, "times": times, "record_every": record_every,
            "checkpoint": checkpoint, "keep_state": keep_state,
        })  # fmt: skip
    if executor is not None:
        return simulated_elsewhere(
            executor, game, policy, schedule, n_agents, replicas=replicas, start=start, rng=rng, threads=threads,
            progress=progress, engine=engine, record_every=record_every, decisions=decisions,
            trajectories=trajectories, times=times, keep_state=keep_state,
        )  # fmt: skip
    if clocks:
        return simulated(
            game, policy, cast("Poisson", schedule), n_agents, replicas=replicas, start=start, rng=rng, threads=threads,
            decisions=decisions, progress=progress, times=times, checkpoint=checkpoint, keep_state=keep_state,
        )  # fmt: skip
    if noise:
        return simulated_on_paths(
            played, policy, schedule, n_agents, replicas=replicas, engine=engine, start=start, rng=rng,
            threads=threads, record_every=record_every, decisions=decisions, trajectories=trajectories,
            progress=progress, checkpoint=checkpoint, keep_state=keep_state,
        )  # fmt: skip
    return simulated_by_steps(
        played, policy, schedule, n_agents, replicas=replicas, engine=engine, start=start, rng=rng, threads=threads,
        record_every=record_every, decisions=decisions, trajectories=trajectories, progress=progress,
        checkpoint=checkpoint, keep_state=keep_state, ranks=cast("Ranks | None", comm), graph=graph,  # by on_ranks
    )  # fmt: skip
