"""What a seed draws: tests/golden/streams/VERSION.json has a digest of the counts of each run below.

A seed of a released version draws the same numbers in all its builds, on every platform; a later version may draw others, if its
changelog says so. `python -m tests.golden --streams` writes the file of this version.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

import tmfcore as tmf

FOLDER = Path(__file__).parent / "streams"
N = 1003
SCHEDULES = {
    "synchronous": tmf.Synchronous(),
    "sequential": tmf.Sequential(),
    "batch": tmf.Batch(37),
    "fraction": tmf.Fraction(0.3),
    "bernoulli": tmf.Bernoulli(0.2),
}


def games():
    """Games without a random number of numpy's, and without functions of the C library, whose last digits differ."""
    moves = np.array([[[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]], [[0, 1, 0], [0.25, 0.5, 0.25]], [[0.0625, 0.9375, 0], [1, 0, 0]]])
    return {
        "queueing": tmf.games.queueing([0.125, 0.25, 0.5], horizon=4),
        "resource selection": tmf.games.resource_selection([1, 0.75, 0.5, 0.25], congestion=np.ones(4), horizon=4),
        "infection by contact": tmf.games.infection_by_contact(0.875, recovery=0.25, horizon=4),
        "arrays": tmf.Game(3, 2, 4, 0.5, [0.5, 0.25, 0.25], np.zeros((3, 2)), moves, time="sweeps"),
    }


def digests():
    """sha256 of the counts of every game under every schedule, by both engines, and of the numbers of one agent."""
    found = {}
    for (name, game), (how, schedule) in ((game, schedule) for game in games().items() for schedule in SCHEDULES.items()):
        for engine in ("counts", "agents"):
            run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), schedule, N, engine=engine, replicas=3, rng=2026)
            found[f"{name}, {how}, {engine}"] = digest(run.counts)
    game = games()["resource selection"]
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Poisson(), N, replicas=3, rng=2026)
    found["resource selection, Poisson clocks"] = digest(run.counts)
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Batch(5), 50, trajectories=True, rng=2026)
    found["trajectories"] = digest(run.trajectories.observations)
    return found


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array, np.int64).tobytes()).hexdigest()[:32]


def write():
    """The name of the file written."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{tmf.__version__}.json"
    path.write_text(json.dumps(digests(), indent=1) + "\n", encoding="utf-8")
    return path.name
