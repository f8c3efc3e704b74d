"""Sweeps of which the driver, workers or the scheduler are killed by -9: no finished cell is lost, and none counts twice.

    CASES                       name -> (where cells are computed, who is killed)
    trial(name, kills, folder)  a Trial: one sweep into a store, with so many kills, started again until it ends
    python -m kills.sweeps ...  the driver: a process that sweeps

Cells leave a line when they begin. Before each kill the store is read: a cell that is there has finished, and must not begin
again, whoever was killed. In the end the result must have every cell once, with the bits of a sweep that nobody has disturbed.
"""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from processes import dask_engine, free_port

import tmfcore as tmf
from sweep_cases import counted, notes, told
from tmfcore._base import executors
from tmfcore._sweep import store as stores

CASES = {
    "sweep, the driver": ("here", "driver"),
    "sweep on processes, the driver": ("processes", "driver"),
    "sweep on processes, a worker": ("processes", "worker"),
    "sweep on Dask, a worker": ("dask", "worker"),
    "sweep on Dask, the scheduler": ("dask", "scheduler"),
}
ENGINES = [name for name, (where, _) in CASES.items() if where == "dask"]
NAMES = ("a", "folder")
ROWS = 20  # of a part, so that kills also hit the writing of parts
SLOW = 120.0  # seconds without a cell after which a driver is an error


class Trial(NamedTuple):
    """cells; kills made; finished: cells in the store at the kills; again: times that a cell began again.

    lost: finished cells that began again; twice: rows of the result beyond one for each cell; equal: to the bits.
    """

    cells: int
    kills: int
    finished: int
    again: int
    lost: int
    twice: int
    equal: bool

    @property
    def fine(self):
        return self.lost == self.twice == 0 and self.equal


def trial(name, kills, folder, cells=2000):
    """Sweep `cells` cells in `folder`, which is empty, with so many kills."""
    where, victim = CASES[name]
    rng, folder, seen = random.Random(name), Path(folder), []  # at each kill: the finished cells, and the number of notes
    ended = False
    while not ended:
        before = len(seen)
        with dask_engine(folder, free_port()) if where == "dask" else nullcontext((None, [])) as (address, engine):
            driver = subprocess.Popen([sys.executable, "-m", "kills.sweeps", where, str(folder), str(cells), str(address)], stderr=subprocess.DEVNULL)
            try:
                while len(seen) < kills and at_work(driver, folder):
                    time.sleep(rng.uniform(0, 0.3))
                    process = {"driver": driver.pid, "worker": last_worker(folder)}.get(victim) or engine[0].pid
                    seen.append((finished(folder), len(notes(folder))))
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                    if victim != "worker":
                        break
                ended = driver.wait() == 0
            finally:
                driver.kill()
                driver.wait()
        if not ended and (victim == "worker" or len(seen) == before):
            raise AssertionError(f"{name}: the driver ended by itself, {driver.returncode}")
    began = [int(a) for word, a, _ in notes(folder) if word == "begin"]
    lost = set()
    for done, n in seen:
        lost |= done & {int(a) for word, a, _ in notes(folder)[n:] if word == "begin"}
    study = swept(folder, cells)
    undisturbed = tmf.sweep(counted, {"a": range(cells), "folder": [str(folder)]}, rng=1)
    equal = told(study)[0]["value"] == told(undisturbed)[0]["value"] and study.errors == ("",) * cells
    twice = len(study) - len(set(study.parameters["a"].tolist()))
    return Trial(cells, len(seen), sum(len(done) for done, _ in seen), len(began) - cells, len(lost), twice, equal)


def at_work(driver, folder):
    """Wait until another cell begins; False if the driver ends first."""
    before, end = len(notes(folder)), time.monotonic() + SLOW
    while driver.poll() is None and len(notes(folder)) == before:
        if time.monotonic() > end:
            raise TimeoutError(f"no cell has begun in {SLOW} s")
        time.sleep(0.005)
    return driver.poll() is None


def last_worker(folder):
    """The process that began a cell last."""
    return [int(process) for word, _, process in notes(folder) if word == "begin"][-1]


def finished(folder):
    """The cells in the store of a sweep that runs: the journal first, since its rows may become a part meanwhile."""
    store = folder / "store"
    lines = stores._journal(store / stores.JOURNAL, NAMES)
    for _, path in stores.parts(store):
        lines += stores.read_part(path, NAMES)
    return {line.shown[0] for line in lines}


# ----------------------------------------------------------------------------------------------------------- the driver


def swept(folder, cells, executor=None):
    return tmf.sweep(counted, {"a": range(cells), "folder": [str(folder)]}, rng=1, executor=executor, store=folder / "store")


@contextmanager
def executor(where, address):
    if where == "processes":
        with ProcessPoolExecutor(2, get_context("spawn"), executors.begun) as pool:
            yield pool
    elif where == "dask":
        from distributed import Client

        with Client(address, timeout=20) as client:
            yield client.get_executor()
    else:
        yield None


def main():
    where, folder, cells, address = sys.argv[1:]
    stores.ROWS = ROWS
    executors.TRIES = 1000  # the same cell may be unlucky often
    with executor(where, address) as pool:
        swept(Path(folder), int(cells), pool)


if __name__ == "__main__":
    main()
