"""Calls with a checkpoint, each about a second of work: every verb, solver, analysis and command that takes one.

A case is a function of `share`, about how much of that work there is to be. It makes what its call needs, and returns the
call, a function of `kept`: whether it keeps a checkpoint, FILE of the working folder, written every EVERY seconds, or ALWAYS.
`digest` says what must be equal.
"""

import json
import warnings
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np

import tmfcore as tmf
from tmfcore import reproduce
from tmfcore._results.packing import pack

CASES = {}
FILE = "checkpoint.npz"
EVERY = 0.02  # seconds
ALWAYS = 0.0  # of runs, which otherwise spend a hundredth of their time on writing


def case(name):
    """Register a case."""

    def register(make):
        CASES[name] = make
        return make

    return register


def digest(value):
    """The bits of a result, without what tells the time."""
    arrays = {}
    text = json.dumps(pack(timeless(value), "", arrays), sort_keys=True)
    found = sha256(text.encode())
    for name in sorted(arrays):
        if not name.endswith("seconds"):
            found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return found.hexdigest()[:16]


def timeless(value):
    """A document without the entries that tell the time."""
    if isinstance(value, dict):
        return {key: timeless(entry) for key, entry in value.items() if key not in ("seconds", "date")}
    return [timeless(entry) for entry in value] if isinstance(value, list) else value


def checkpointed(kept, every):
    """The arguments of a verb."""
    return {"checkpoint": tmf.Checkpoint(FILE, every)} if kept else {}


# -------------------------------------------------------------------------------------------------------- N agents


def resources(horizon, step=1.0, **options):
    """A game whose kernels do not depend on mu."""
    return tmf.games.resource_selection(np.linspace(1, 0.5, 8), congestion=1.0, horizon=horizon, step=step, **options)


def of_functions(horizon, crowding=1.0):
    """A game of Python functions."""

    def reward(mu, t):
        return np.stack([np.arange(20) / 20 - crowding * mu, np.zeros(20)], axis=1)

    def transition(mu, t):
        rows = np.empty((20, 2, 20))
        rows[:, 0] = 0.5 * np.eye(20) + 0.5 * mu
        rows[:, 1] = 1 / 20
        return rows

    return tmf.Game(20, 2, horizon, 0.99, np.full(20, 1 / 20), reward, transition)


def simulated(name, make, schedule, n_agents, **options):
    """Register a call of simulate; `make` makes the game for a share of the work."""

    @case(f"simulate, {name}")
    def _(share):
        game = make(share)
        policy = tmf.TabularPolicy.uniform(game)
        return lambda kept: tmf.simulate(game, policy, schedule, n_agents, rng=1, **options, **checkpointed(kept, ALWAYS))


FEW = {"record_every": 10_000, "decisions": False}

simulated("one long run of counts", lambda share: resources(int(1_000_000 * share)), tmf.Batch(100), 10**6, engine="counts", **FEW)
simulated("one at a time", lambda share: resources(int(100_000_000 * share)), tmf.Sequential(), 10**6, record_every=10**6)
simulated("agents one by one", lambda share: resources(int(10_000 * share)), tmf.Synchronous(), 10**5, engine="agents", record_every=100)
simulated("replicas on two threads", lambda share: resources(int(2000 * share)), tmf.Synchronous(), 1000, replicas=600, threads=2,
          record_every=100, decisions=False)  # fmt: skip
simulated("replicas side by side", lambda share: resources(int(2 * 10**6 * share)), tmf.Sequential(), 1000, replicas=64, threads=1, **FEW)
simulated("rare mutation", lambda share: tmf.games.pairwise_revision(mutation=1e-4, horizon=5 * 10**7 * share, step=1.0),
          tmf.Sequential(), 100, record_every=10**6, decisions=False)  # fmt: skip
simulated("trajectories", lambda share: resources(int(100_000 * share)), tmf.Synchronous(), 10**4, engine="agents", trajectories=True,
          record_every=2500)  # fmt: skip
simulated("Python functions", lambda share: of_functions(int(20_000 * share)), tmf.Synchronous(), 1000, replicas=2, record_every=1000)
simulated("Poisson clocks", lambda share: resources(1000.0 * share, step=None), tmf.Poisson(), 10**5, times=10.0, decisions=False)
simulated("Poisson clocks, side by side", lambda share: resources(500.0 * share, step=None), tmf.Poisson(), 10**4, replicas=64, threads=1,
          times=50.0)  # fmt: skip


@case("convergence")
def _(share):
    game = resources(20.0, step=None)
    policy = tmf.TabularPolicy.uniform(game)
    schedules = {"B = 1": tmf.Sequential(), "B = N": tmf.Synchronous()}
    return lambda kept: tmf.analysis.convergence(
        game, policy, schedules, [30, 100, 300, 1000, 3000, 10_000], replicas=int(400 * share), rng=1, **checkpointed(kept, EVERY * share)
    )


# --------------------------------------------------------------------------------------------------------- solvers


def motion():
    return tmf.games.crowd_motion((20, 20), horizon=60.0)


def small():
    return tmf.games.crowd_motion((8, 8), horizon=15.0)


def solved(name, make, schedule=None, n_agents=None, **options):
    """Register a solver, by its name and what else is said of the case."""

    @case(name)
    def _(share):
        game, kind = make(), getattr(tmf.solvers, name.partition(",")[0])
        fewer = {"iterations": max(3, int(options["iterations"] * share))}
        solver = kind(**{"tolerance": 1e-12, "absolute_tolerance": None, **options, **fewer})

        def call(kept):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", tmf.ConvergenceWarning)
                return solver.solve(game, schedule or tmf.Synchronous(), n_agents, rng=1, **checkpointed(kept, EVERY * share))

        return call


solved("TMFPG", lambda: resources(20.0, None), tmf.Batch(10), 1000, iterations=150)
solved("TMFPG, critic of samples", lambda: resources(20.0, None), tmf.Batch(10), 1000, iterations=100, critic="empirical")
solved("TMFPG, critic of returns", lambda: resources(20.0, None), tmf.Batch(10), 1000, iterations=25, critic="returns")
solved("MirrorDescent", motion, iterations=300)
solved("MirrorDescent, Python functions", lambda: of_functions(300, crowding=4.0), iterations=60)
solved("MirrorDescent, Poisson clocks", lambda: resources(20.0, None), tmf.Poisson(), iterations=300, tolerance=3e-5)
solved("FictitiousPlay", motion, iterations=400)
solved("FixedPoint", motion, iterations=400)
solved("PriorDescent", motion, iterations=150)
solved("MFOMO", lambda: tmf.games.crowd_motion((3, 3), horizon=4.0), iterations=40)
solved("Homotopy", small, iterations=10)
solved("StationaryTMFPG", tmf.games.cyber_security, None, 1000, iterations=20_000)
solved("Stationary", lambda: tmf.games.crowd_motion((8, 8), horizon=60.0, discount=0.99), iterations=50)


@case("solve")
def _(share):
    game = small()

    def call(kept):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tmf.ConvergenceWarning)
            return tmf.solve(game, tmf.Synchronous(), tolerance=1e-13, absolute_tolerance=None, iterations=int(1200 * share), **checkpointed(kept, EVERY * share))

    return call


@case("tune")
def _(share):
    game = tmf.games.crowd_motion((14, 14), horizon=20.0)
    return lambda kept: tmf.tune(game, tmf.Synchronous(), solver="MirrorDescent", trials=int(32 * share), rng=1, **checkpointed(kept, EVERY * share))


# ------------------------------------------------------------------------------------------------------- reproduce


@case("reproduce")
def _(share):
    settings = replace(reproduce.SETTINGS["tiny"], return_replicas=int(1000 * share), convergence_replicas=int(200 * share))

    def call(kept):
        results = reproduce.new_results(settings, 1)
        reproduce.run(settings, results, threads=1, **checkpointed(kept, EVERY * share))
        return reproduce.plain(results)

    return call


# -------------------------------------------------------------------------------------------------------- commands


def command(name, out, *words):
    """Register a command; `out` is the file that it must write, and words that are numbers are as much as there is of the work in all."""

    @case(f"tmfcore {name}")
    def _(share):
        from tmfcore.cli.app import app

        fewer = [str(int(word * share)) if isinstance(word, int) else word for word in words]

        def call(kept):
            always = words[0] == "reproduce"
            asked = [] if always or not kept else ["--checkpoint", FILE, "--checkpoint-every", str(ALWAYS if words[0] == "simulate" else EVERY * share)]
            app.main([*fewer, *asked], standalone_mode=False)
            assert not Path(FILE).exists(), "a command deletes its checkpoint"
            return json.loads(Path(out).read_text()) if out.endswith(".json") else tmf.load(out)

        return call


command("reproduce", "results.json", "reproduce", "--size", "tiny", "--out", ".", "--threads", "1")
command("simulate", "run.npz", "simulate", "queueing", "--schedule", "sequential", "--n-agents", "5e4", "--replicas", "3", "--horizon", 100,
        "--out", "run.npz")  # fmt: skip
command("solve", "found.npz", "solve", "crowd-motion", "--tolerance", "1e-12", "--horizon", "60", "--iterations", 300, "--out", "found.npz")
command("solve, TMF-PG", "found.npz", "solve", "queueing", "--solver", "tmf-pg", "--batch", "10", "--iterations", 300, "--tolerance", "1e-9",
        "--out", "found.npz")  # fmt: skip
