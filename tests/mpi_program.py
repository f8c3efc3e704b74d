"""What test_mpi.py starts by mpiexec: python mpi_program.py PART [...]. Rank 0 prints what the test reads."""

import os
import sys
from hashlib import sha256

import numpy as np
from mpi4py import MPI
from mpi4py.futures import MPICommExecutor, MPIPoolExecutor
from population_cases import GAMES, policies
from test_ranks import FIELDS, LONG, SCHEDULES, N, of_a_run

import tmfcore as tmf
from sweep_cases import evenly, pair, place
from sweep_cases import told as told_of
from tmfcore._base import executors

COMM = MPI.COMM_WORLD


def say(text):
    if COMM.rank == 0:
        print(text, flush=True)


def compare(game, policy, schedule, n_agents=N, **options):
    """Compare the runs of all ranks with that of one process."""
    run = tmf.simulate(game, policy, schedule, n_agents, comm=COMM, **options)
    parts = COMM.gather(run)
    if COMM.rank:
        return
    whole = tmf.simulate(game, policy, schedule, n_agents, engine="agents", **options)
    for rank, part in enumerate(parts):
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(part, field), getattr(whole, field), f"{field} of rank {rank}")
    if whole.trajectories is not None:
        assert tmf.Trajectories.joined([part.trajectories for part in parts]).equals(whole.trajectories)


def bits():
    """Every schedule, and single agents of every kind."""
    n = 0
    for kind in ("moving", "resources"):
        game = GAMES[kind]()
        for schedule in SCHEDULES.values():
            for options in ({}, {"trajectories": True}, {"decisions": False, "replicas": 2}):
                compare(game, policies(game)["table"], schedule, rng=n, **options)
                n += 1
    for game in LONG.values():
        for schedule in (tmf.Sequential(), tmf.Batch(np.resize([1, 1, 1, 40, N, 0, 1], game.n_steps))):
            compare(game, tmf.TabularPolicy.uniform(game), schedule, rng=n, record_every=50)
            n += 1
    say(f"{n} cases compared on {COMM.size} ranks")


def saved(path):
    """A run with individuals: saved by rank, and loaded as one."""
    game = GAMES["moving"]()
    call = (game, policies(game)["table"], tmf.Bernoulli(0.4), N)
    tmf.simulate(*call, rng=1, trajectories=True, comm=COMM).save(path, comm=COMM)
    if COMM.rank == 0:
        assert tmf.load(path).trajectories.equals(tmf.simulate(*call, rng=1, trajectories=True).trajectories)
    say(f"saved by {COMM.size} ranks")


def long_call(path=None, comm=COMM):
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=6000, step=1)
    checkpoint = None if path is None else tmf.Checkpoint(path, every=0.05)
    return tmf.simulate(
        game, tmf.TabularPolicy.uniform(game), tmf.Bernoulli(0.5), 1_000_000, rng=7, record_every=100, comm=comm,
        engine="agents", checkpoint=checkpoint,
    )  # fmt: skip


def told(run):
    """Every bit of a run, in short."""
    return f"returns {run.returns.tobytes().hex()} counts {sha256(run.counts.tobytes()).hexdigest()}"


def long(path):
    """A run of seconds, with a checkpoint; the test kills a rank of it."""
    pids = COMM.gather(os.getpid())
    say(f"pids {pids}")
    run = long_call(path)
    say(told(run))


def fails():
    """Rank 1 alone has an error."""

    def reward(mu, t):
        if t == 7 and COMM.rank == 1 and of_a_run(mu):
            raise ZeroDivisionError("at seven")
        return np.zeros((4, 3))

    game = GAMES["constant"]().replace(reward=reward)
    tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), N, rng=1, comm=COMM)


def computed(pool, folder):
    """A sweep with a store, one of games, and other verbs, compared with those of this process."""
    grid = {"a": [1, 2, 3], "b": [0.5, 1.5]}
    study = tmf.sweep(pair, grid, replicas=3, rng=1, executor=pool, store=f"{folder}/store")
    assert told_of(study) == told_of(tmf.sweep(pair, grid, replicas=3, rng=1))
    seen = []
    more = tmf.sweep(
        pair, {**grid, "a": [0, 1, 2, 3]}, replicas=3, rng=1, executor=pool, store=f"{folder}/store", progress=lambda done, total: seen.append(done)
    )  # fmt: skip
    assert seen == [*range(19, 25), 24] and more.errors == ("",) * 24
    games = {"short": tmf.games.left_right(horizon=2), "long": tmf.games.left_right(horizon=4)}
    grid = {"game": games, "n_agents": [10, 20]}
    assert told_of(tmf.sweep(evenly, grid, rng=3, executor=pool)) == told_of(tmf.sweep(evenly, grid, rng=3))
    processes = set(tmf.sweep(place, {"a": range(50)}, executor=pool).results["value"].tolist())
    assert os.getpid() not in processes
    game = tmf.games.queueing(horizon=4)
    uniform, solver = tmf.TabularPolicy.uniform(game), tmf.solvers.TMFPG(iterations=3, tolerance=None, critic="empirical")
    calls = (
        lambda on: tmf.simulate(game, uniform, tmf.Batch(5), 50, replicas=20, rng=3, executor=on),
        lambda on: tmf.finite_exploitability(game, uniform, tmf.Fraction(0.2), 30, replicas=37, rng=2, executor=on),
        lambda on: tmf.analysis.convergence(game, uniform, tmf.Synchronous(), [10, 30], replicas=21, rng=5, executor=on),
        lambda on: solver.solve(game, tmf.Fraction(0.2), 40, rng=4, executor=on).policy,
    )
    for call in calls:
        here, there = call(None), call(pool)
        assert there == here if isinstance(here, tmf.SoftmaxPolicy) else there.equals(here)
    print(f"computed on {len(processes)} processes", flush=True)


def futures(folder):
    """mpiexec -n 3 python -m mpi4py.futures mpi_program.py futures FOLDER: the other ranks are the pool."""
    with MPIPoolExecutor() as pool:
        assert executors.workers(pool) == COMM.size - 1
        computed(pool, folder)


def pool_of_ranks(folder):
    """mpiexec -n 3 python mpi_program.py pool_of_ranks FOLDER: all ranks run the program, and rank 0 has the pool."""
    with MPICommExecutor(COMM, root=0) as pool:
        if pool is not None:
            computed(pool, folder)


if __name__ == "__main__":
    {part.__name__: part for part in (bits, saved, long, fails, futures, pool_of_ranks)}[sys.argv[1]](*sys.argv[2:])
