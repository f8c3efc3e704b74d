"""Functions of cells that other processes can import, and what tests of sweeps share."""

import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np

#: A study for the command line.
STUDY = """
[game]
kind = "queueing"
horizon = 3

[study]
n_agents = 40
iterations = 4

[grid]
batch = [4, 40]
waiting_cost = [0.1, 0.3]
"""


def pair(a, b, rng):
    """A number that the parameters determine, and one that is drawn."""
    return {"sum": a + b, "drawn": rng.random()}


def alone(a, rng):
    return rng.integers(2**62)


def nothing(a):
    return a


def place(a):
    """The process that computes it."""
    time.sleep(0.01)
    return os.getpid()


def counted(a, folder, rng):
    """Leaves a line for each call of each cell, and takes a while."""
    note(folder, f"begin {a}")
    time.sleep(0.01)
    found = rng.random()
    note(folder, f"end {a}")
    return found


def note(folder, text):
    """Append a line to the log, whole."""
    file = os.open(Path(folder) / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{text} {os.getpid()}\n".encode())
    os.close(file)


def notes(folder):
    path = Path(folder) / "log"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def deadly(a, folder, rng):
    """Kills its process at a = 3, whenever it is tried."""
    note(folder, f"begin {a}")
    if a == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return rng.random()


def unlucky(a, folder, rng):
    """Kills its process at a = 3, the first time only."""
    if a == 3 and not (mark := Path(folder) / "tried").exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return rng.random()


def evenly(game, n_agents, rng):
    """The mean return of a game's agents that all play the uniform policy."""
    import tmfcore as tmf

    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5), n_agents, replicas=3, rng=rng, threads=1)
    return run.returns.mean()


class Weighty:
    """An object of a megabyte, which counts how often it is unpickled."""

    unpacked = 0

    def __init__(self):
        self.bytes = bytes(1 << 20)

    def __setstate__(self, state):
        Weighty.unpacked += 1
        self.__dict__.update(state)


def weigh(weight, a):
    return {"unpacked": Weighty.unpacked, "process": os.getpid(), "bytes": len(weight.bytes)}



def how_it_broke(call, seconds):
    """Texts of the BrokenExecutor that a call raises within so many seconds: none if it hangs, or ends otherwise."""
    caught = []

    def tried():
        try:
            call()
        except BrokenExecutor as error:
            caught.append(str(error))

    thread = threading.Thread(target=tried, daemon=True)
    thread.start()
    thread.join(seconds)
    return caught


def told(study):
    """All of a sweep that does not depend on the clock."""
    columns = {**study.parameters, **study.results, "replica": study.replica}
    return {name: values.tolist() for name, values in columns.items()}, study.errors


def many(replicas):
    import tmfcore as tmf

    game = tmf.games.left_right(horizon=2)
    return tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 10, replicas=replicas, rng=1).returns.mean()


# ------------------------------------------------------------- parts of games: functions that other processes can import


def crowded(mu, t):
    return np.stack([-mu, -mu], axis=1) + 0.1 * t


def windy(mu, t, z):
    return np.full((2, 2), float(z)) - mu[:, None]


def drifting(mu, t, z):
    rows = np.array([[[1.0, 0], [0, 1.0]]] * 2)
    return rows * (1 - 0.3 * z) + 0.15 * z


def weather(rng):
    return rng.random(8)
