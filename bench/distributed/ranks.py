"""What `python -m bench.distributed` starts by mpiexec: one measurement on all ranks, as one line of JSON by rank 0.

    steps N T        a population of N agents on all ranks: time of a step, and of its parts on each rank
    apart N T        a population of N / ranks agents on every rank, without any exchange
    sums N T         Allreduce of N integers, T times
    writes N T       T checkpoints of a population of N agents
    bits N T         a digest of every result of a population of N agents, for some schedules
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
from mpi4py import MPI

import tmfcore as tmf
from tmfcore._population.kept_on_ranks import KeptOnRanks
from tmfcore._population.ranks import Ranks

WORLD = MPI.COMM_WORLD
S = 8


def game(horizon: int):
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(S), (S, 4))
    return tmf.Game(S, 4, horizon, 0.99, np.full(S, 1 / S), rng.normal(size=(S, 4)), rows)


class Clock:
    """The times at which each sum over ranks began and ended, and the processor time before each."""

    def __init__(self) -> None:
        self.begun, self.ended, self.worked, self.add = [], [], [], Ranks.add
        self.since = time.thread_time()

    def __enter__(self):
        def add(ranks, buffer, width):
            self.worked.append(time.thread_time() - self.since)
            self.begun.append(time.perf_counter())
            self.add(ranks, buffer, width)
            self.ended.append(time.perf_counter())
            self.since = time.thread_time()

        Ranks.add = add
        return self

    def __exit__(self, *error):
        Ranks.add = self.add


def played(n_agents: int, horizon: int, comm) -> dict:
    """Seconds of a step, of its moves and of its sum, after the first step."""
    WORLD.Barrier()
    with Clock() as clock:
        tmf.simulate(game(horizon), np.full((S, 4), 0.25), tmf.Synchronous(), n_agents, rng=1, comm=comm,
                     decisions=False, record_every=horizon)  # fmt: skip
    begun, ended = np.array(clock.begun), np.array(clock.ended)
    return {
        "step": float((ended[-1] - ended[0]) / (len(ended) - 1)),
        "moves": (begun[1:] - ended[:-1]).tolist(),
        "sums": (ended[1:] - begun[1:]).tolist(),
        "work": clock.worked[1:],
    }


def steps(n_agents: int, horizon: int) -> dict:
    return played(n_agents, horizon, WORLD)


def apart(n_agents: int, horizon: int) -> dict:
    return played(n_agents // WORLD.size, horizon, MPI.COMM_SELF)


def sums(n_numbers: int, times: int) -> dict:
    array, found = np.ones(n_numbers, np.int64), []
    for _ in range(times):
        begun = time.perf_counter()
        WORLD.Allreduce(MPI.IN_PLACE, array)
        found.append(time.perf_counter() - begun)
        array[:] = 1
    return {"sums": found[times // 10 :]}


def writes(n_agents: int, times: int) -> dict:
    found, save = [], KeptOnRanks.save

    def timed(self, state):
        begun = time.perf_counter()
        save(self, state)
        found.append(time.perf_counter() - begun)

    KeptOnRanks.save = timed
    folder = WORLD.bcast(tempfile.mkdtemp() if WORLD.rank == 0 else None)
    path = Path(folder) / "run.npz"
    tmf.simulate(game(times), np.full((S, 4), 0.25), tmf.Synchronous(), n_agents, rng=1, comm=WORLD, decisions=False,
                 record_every=times, checkpoint=tmf.Checkpoint(path, every=0))  # fmt: skip
    WORLD.Barrier()
    if WORLD.rank == 0:
        for one in Path(folder).iterdir():
            one.unlink()
        Path(folder).rmdir()
    return {"writes": found}


def bits(n_agents: int, horizon: int) -> dict:
    found = []
    batches = (n_agents // 2, n_agents // 100, 1)
    for schedule in (tmf.Synchronous(), tmf.Bernoulli(0.3), *map(tmf.Batch, batches)):
        run = tmf.simulate(game(horizon), np.full((S, 4), 0.25), schedule, n_agents, rng=1, comm=WORLD)
        outputs = (run.counts, run.decisions, run.rewards, run.returns)
        found.append(sha256(b"".join(array.tobytes() for array in outputs)).hexdigest())
    return {"digests": found}


def main() -> None:
    part, size, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    parts = {"steps": steps, "apart": apart, "sums": sums, "writes": writes, "bits": bits}
    found = WORLD.gather(parts[part](size, times))
    if WORLD.rank == 0:
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
