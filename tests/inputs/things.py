"""What the examples are made of: a game of three observations and two actions, and every kind of result of it.

Objects that are costly and cannot be changed by a call are made once. No two axes have one length, so that they cannot
be taken for each other.
"""

import atexit
import ctypes
import shutil
import tempfile
from functools import cache, partial
from pathlib import Path

import numpy as np

import tmfcore as tmf
from tmfcore import plotting
from tmfcore.analysis import Violation
from tmfcore.games import RoadNetwork
from tmfcore.solvers._registry import SOLVERS

from .examples_lq import LQ_RESULTS

S, A, T, N = 3, 2, 4, 12
INITIAL = np.array([0.5, 0.25, 0.25])
REWARD = np.array([[0.0, 1.0], [0.5, 0.25], [1.0, 0.0]])
ROWS = np.array([[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], [[0.2, 0.6, 0.2], [0.1, 0.1, 0.8]], [[0.5, 0.25, 0.25]] * 2])
PASSIVE_REWARD = np.array([0.1, 0.2, 0.3])
PASSIVE_ROWS = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.25, 0.75]])
RATES = PASSIVE_ROWS - np.eye(3)
LEGAL = np.array([[True, True], [False, True], [True, False]])
SUCCESSORS = np.broadcast_to(np.arange(S), (S, A, S)).copy()
LABELS = ["left", "middle", "right"]
TABLE = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
COMMON = {"horizon": T, "discount": 0.9, "initial": INITIAL.copy(), "step": 0.5}
SWEEPS = {"horizon": 2, "discount": 1.0, "step": 0.5}
ROW = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_double),
    ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_double), ctypes.c_void_p,
)  # fmt: skip


@ROW
def row(t, observation, action, mu, probabilities, reward, user):
    """One successor, so that nothing is written beyond a row however long another argument makes it."""
    probabilities[0] = 1.0
    reward[0] = float(action) - mu[observation]
    return 0


#: Solvers that stop after their iterations have not missed a tolerance.
ENDLESS = {"tolerance": None, "absolute_tolerance": None}


def crowded(mu, t):
    return REWARD - mu[:, None]


@cache
def folder():
    """Where files go, one for each process, which removes it at its end."""
    made = tempfile.mkdtemp(prefix="tmfcore-inputs-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


@cache
def game():
    return tmf.Game(S, A, T, 0.9, INITIAL, crowded, ROWS, passive_reward=PASSIVE_REWARD, name="example")


@cache
def swept():
    return tmf.Game(S, A, 2.0, 0.9, INITIAL, REWARD, ROWS, passive_reward=PASSIVE_REWARD, passive_rates=RATES, time="sweeps")


@cache
def noisy():
    return tmf.Game(S, A, T, 0.9, INITIAL, lambda mu, t, z: crowded(mu, t) * z, ROWS, noise=np.ones(T))


@cache
def noise_chain():
    return tmf.NoiseChain([0.5, 0.5], [[0.75, 0.25], [0.5, 0.5]])


@cache
def rainy():
    return noisy().replace(noise=noise_chain())


@cache
def rainy_values():
    return tmf.evaluate(rainy(), policy(), tmf.Fraction(0.5), paths=2, rng=1)


@cache
def noisy_estimate():
    return tmf.exploitability(rainy(), policy(), tmf.Fraction(0.5), paths=6, rng=1)


@cache
def policy():
    return tmf.TabularPolicy(TABLE)


@cache
def linear():
    return tmf.LinearSoftmax(REWARD[..., np.newaxis], [0.5])


@cache
def sampled():
    return tmf.SampledPolicy(np.stack([TABLE] * len(TABLE)), 1)


@cache
def subsampled():
    return tmf.solvers.Subsampled(1, iterations=500).solve(tmf.games.robotics(horizon=3), tmf.Synchronous())


@cache
def flow():
    return tmf.mean_field(game(), policy(), tmf.Fraction(0.5))


@cache
def run():
    return tmf.simulate(game(), policy(), tmf.Fraction(0.5), N, replicas=3, rng=1)


def stepped():
    """A population after one step, new at every call."""
    population = tmf.Population(game(), tmf.Fraction(0.5), N, replicas=2, engine="counts", rng=1)
    population.step(policy())
    return population


@cache
def kept_population():
    path = folder() / "kept.npz"
    stepped().save(path)
    return path


@cache
def logged():
    return tmf.simulate(game(), policy(), tmf.Fraction(0.5), N, trajectories=True, rng=1).trajectories


@cache
def numbered():
    """The trajectories of two ranks, each of which has every other agent."""
    own = logged()
    fields = (own.observations, own.actions, own.rewards)
    return [tmf.Trajectories(*(field[i::2] for field in fields), numbers=np.arange(N)[i::2]) for i in range(2)]


@cache
def evaluation():
    return tmf.evaluate(game(), policy(), tmf.Fraction(0.5))


@cache
def solution():
    return tmf.solvers.MirrorDescent(iterations=3, **ENDLESS).solve(game(), tmf.Fraction(0.5))


@cache
def stationary():
    return tmf.games.resource_selection((1.0, 0.8), horizon=3, step=1).at()


@cache
def fluctuations():
    return tmf.analysis.fluctuations(game(), policy(), tmf.Fraction(0.5), N)


@cache
def anarchy():
    return tmf.analysis.price_of_anarchy(game(), tmf.Fraction(0.5), iterations=2, tolerance=None)


@cache
def tolled():
    return tmf.analysis.tolls(game(), policy(), tmf.Fraction(0.5))


@cache
def bound():
    return tmf.analysis.bound(game(), policy(), tmf.Fraction(0.5), N, replicas=2, trials=4, rng=1)


@cache
def finite():
    return tmf.finite_exploitability(game(), policy(), tmf.Fraction(0.5), N, replicas=2, rng=1)


@cache
def fitted():
    return tmf.learn.fit(logged(), n_observations=S, n_actions=A, discount=0.9)


@cache
def candidates():
    return [game(), game().replace(transition=ROWS[::-1]), game().replace(transition=ROWS[:, ::-1])]


def oracle():
    return tmf.learn.Oracle(game(), tmf.Fraction(0.5), rng=1)


@cache
def eliminated():
    return tmf.learn.eliminate(candidates(), oracle(), tmf.Fraction(0.5), iterations=2, tolerance=None, rng=1)


@cache
def learnt():
    return tmf.learn.optimistic(game(), tmf.Fraction(0.5), episodes=2, iterations=2, tolerance=None, rng=1)


@cache
def lipschitz():
    return tmf.analysis.lipschitz(game(), policy(), tmf.Fraction(0.5), trials=4, rng=1)


@cache
def monotonicity():
    return tmf.analysis.monotonicity(tmf.games.left_right(), tmf.Synchronous(), trials=2, rng=1)


@cache
def convergence():
    return tmf.analysis.convergence(game(), policy(), {"B=N": tmf.Synchronous()}, [8, 16, 32], replicas=3, rng=1)


@cache
def comparison():
    return fluctuations().compare(run())


@cache
def network():
    places = {"home": (0, 0), "a": (1, 0), "b": (1, 1), "work": (2, 1)}
    return RoadNetwork([("home", "a"), ("a", "b"), ("b", "work")], [0.0, 1.0, 0.0], positions=places)


@cache
def towns():
    places = {"a": (0, 0), "b": (1, 0), "c": (1, 1)}
    trips = [("a", "b", 1.0), ("b", "c", 1.0)]
    return RoadNetwork([("a", "b"), ("a", "b"), ("b", "c")], congestion=[1.0, 2.0, 0.0], positions=places, trips=trips)


@cache
def towns_at_rest():
    return tmf.games.user_equilibrium(towns())


@cache
def tntp():
    """A network of one link in the format of Transportation Networks."""
    path = folder() / "one_net.tntp"
    path.write_text(
        "<NUMBER OF NODES> 2\n<NUMBER OF LINKS> 1\n<END OF METADATA>\n~ a comment\n1 2 10 1 1 0.15 4 0 0 1 ;\n"
    )
    return str(path)


@cache
def best():
    return tmf.best_response(game(), flow(), tmf.Fraction(0.5))


@cache
def violation():
    return Violation(0.1, (policy(), policy()), (flow().mu, flow().mu))


@cache
def tuned():
    solver = tmf.solvers.MirrorDescent(iterations=2, **ENDLESS)
    return tmf.tune(game(), tmf.Synchronous(), solver=solver, metric="exploitability", trials=2, rng=1)


@cache
def report():
    rows = np.tile([0.5, 0.5, 0.0], (S, A, 1))  # nobody reaches the last
    return tmf.testing.check_game(tmf.Game(S, A, T, 0.9, rows[0, 0], crowded, rows), trials=2, rng=1, play=False)


@cache
def study():
    return tmf.sweep(lambda a, b, rng: {"sum": a + b, "drawn": rng.random()}, {"a": [1, 2, 3], "b": [0.5, 1.5]}, replicas=2, rng=1)


#: One of each class of results, by its public name.
RESULTS = {
    "tmfcore.Flow": flow, "tmfcore.Simulation": run, "tmfcore.Trajectories": logged, "tmfcore.Evaluation": evaluation,
    "tmfcore.BestResponse": best, "tmfcore.Solution": solution, "tmfcore.FiniteExploitability": finite,
    "tmfcore.learn.Elimination": eliminated, "tmfcore.learn.Episodes": learnt, "tmfcore.learn.Fit": fitted, "tmfcore.learn.FitIntervals": lambda: fitted().interval(0.9),
    "tmfcore.Interval": lambda: finite().interval(0.9), "tmfcore.Tables": lambda: game().tables(INITIAL, 1),
    "tmfcore.TabularPolicy": policy, "tmfcore.SoftmaxPolicy": lambda: tmf.SoftmaxPolicy(REWARD),
    "tmfcore.NoiseExploitability": noisy_estimate, "tmfcore.NoisePolicy": lambda: tmf.NoisePolicy([TABLE, TABLE]),
    "tmfcore.SampledPolicy": sampled, "tmfcore.LinearSoftmax": linear,
    "tmfcore.analysis.PriceOfAnarchy": anarchy, "tmfcore.analysis.Tolls": tolled,
    "tmfcore.analysis.Bound": bound, "tmfcore.analysis.Comparison": comparison,
    "tmfcore.analysis.Convergence": convergence, "tmfcore.analysis.PowerLaw": lambda: convergence().fit("B=N"),
    "tmfcore.analysis.Fluctuations": fluctuations, "tmfcore.analysis.Lipschitz": lipschitz,
    "tmfcore.analysis.Monotonicity": monotonicity, "tmfcore.analysis.Violation": violation,
    "tmfcore.Sweep": study, "tmfcore.games.UserEquilibrium": towns_at_rest, "tmfcore.solvers.Tuning": tuned,
    "tmfcore.solvers.Subsampling": subsampled, "tmfcore.testing.GameReport": report,
} | LQ_RESULTS  # fmt: skip


@cache
def saved(name):
    """A file of a result."""
    path = folder() / f"{name}.npz"
    RESULTS[name]().save(path)
    return path


@cache
def toml():
    path = folder() / "game.toml"
    path.write_text('[game]\nkind = "queueing"\ncapacities = [0.5, 0.4]', encoding="utf-8")
    return path


@cache
def axes():
    return plotting.figure(1)[1][0]


def course():
    return plotting.Course(np.arange(T + 1.0), flow().mu)


def fields(record, **changes):
    """The fields of a record as the arguments that make it again."""
    return {name: getattr(record, name) for name in record._names()} | changes


def labels():
    return {"name": "example", "observation_labels": list(LABELS), "action_labels": ["stay", "go"]}


def played(**more):
    return {"game": game(), "policy": policy(), "schedule": tmf.Fraction(0.5), "n_agents": N, **more}


def solving(solver, where=game, **more):
    return {
        "self": solver, "game": where(), "schedule": tmf.Fraction(0.5), "n_agents": None, "rng": 1, "initial": None,
        "callback": lambda iteration: None, "progress": False, "threads": 1, "time_limit": 60.0, "step": None, "checkpoint": None, "executor": None, **more,
    }  # fmt: skip


def solvers():
    """Of every registered solver its constructor, under the first settings it is to be tested under, and `solve`."""
    found = {}
    for entry in SOLVERS.values():
        few = {"iterations": 2, **entry.quick}
        place = f"{entry.solver.__module__.rpartition('.')[0]}.{entry.name}"
        found[place] = partial(constructing, entry, patience=3, **few)
        found[f"{place}.solve"] = partial(
            solving, entry.solver(**few, **ENDLESS), stationary if entry.endless else game, n_agents=N
        )
    return found


def constructing(entry, **more):
    return dict(entry.solver(**more, **(entry.tested[0] if entry.tested else {})).settings)


def picture(**more):
    return {"title": "title", "ax": None, **more}


def lined(**more):
    """A picture whose lines have a name and a colour."""
    return picture(label=None, color=None, **more)


def drawn(**more):
    return picture(shares=True, quantity="share", unit="steps", **more)


def compared(**more):
    return drawn(course=course(), field=course(), names=("N agents", "mean field"), **more)


def at_share(schedule):
    return lambda: {"self": schedule, "horizon": T, "n_agents": N}


def sioux():
    return {
        "demand": "pair", "delay": "absolute", "source": "published", "step": 1.0, "horizon": 12, "rounding": "linear", "max_delay": 10.0,
        "late_cost": 5.0, "discount": 1.0,
    }  # fmt: skip


def grid_game():
    return {
        "transition": ROWS.copy(), "worth": PASSIVE_REWARD.copy(), "successors": SUCCESSORS.copy(), "action_reward": 0.0,
        "action_scale": 1.0, "congestion": 1.0, "epsilon": 1e-6, "passive_rates": RATES.copy(),
        "passive_successors": None, "observation_shape": (3,), **COMMON, **labels(), "horizon": 2,
    }  # fmt: skip


def arrays():
    return {
        "n_observations": S, "n_actions": A, "horizon": T, "discount": 0.9, "initial": INITIAL.copy(),
        "reward": REWARD.copy(), "transition": ROWS.copy(), "passive_reward": PASSIVE_REWARD.copy(),
        "passive_transition": PASSIVE_ROWS.copy(), "successors": SUCCESSORS.copy(), "passive_successors": None,
    }  # fmt: skip


@cache
def typed():
    return tmf.games.typed([game(), game()], shares=[0.5, 0.5])
