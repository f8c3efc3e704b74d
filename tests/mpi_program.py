"""What test_mpi.py starts by mpiexec: python mpi_program.py PART [...]. Rank 0 prints what the test reads."""

import os
import sys
from hashlib import sha256

import numpy as np
from mpi4py import MPI
from population_cases import GAMES, policies
from test_ranks import FIELDS, LONG, SCHEDULES, N, of_a_run

import tmfcore as tmf

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


if __name__ == "__main__":
    {"bits": bits, "long": long, "fails": fails}[sys.argv[1]](*sys.argv[2:])
