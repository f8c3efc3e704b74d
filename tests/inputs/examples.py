"""A valid call of every public callable: keyword arguments by name, in which values are then replaced by bad ones."""

from functools import cache, partial
from importlib import import_module
from inspect import signature

import numpy as np

import tmfcore as tmf
from tmfcore import plotting
from tmfcore.analysis import Violation
from tmfcore.games import Demand
from tmfcore.solvers import Iteration

from .examples_interop import environments, games_of_others
from .things import (
    COMMON,
    ENDLESS,
    INITIAL,
    LABELS,
    PASSIVE_REWARD,
    PASSIVE_ROWS,
    REWARD,
    ROWS,
    SUCCESSORS,
    SWEEPS,
    TABLE,
    A,
    N,
    S,
    T,
    arrays,
    at_share,
    axes,
    bound,
    compared,
    comparison,
    convergence,
    course,
    drawn,
    evaluation,
    fields,
    file_of,
    finite,
    fitted,
    flow,
    fluctuations,
    folder,
    game,
    grid_game,
    into,
    labels,
    lipschitz,
    logged,
    monotonicity,
    network,
    noisy,
    picture,
    played,
    policy,
    row,
    run,
    sioux,
    solution,
    solvers,
    tabled,
    toml,
    tuning,
    typed,
)


def of_shelf(entry):
    """The small game that the shelf has, with every argument."""
    defaults = {name: p.default for name, p in signature(entry.make).parameters.items() if p.default is not p.empty}
    return defaults | dict(entry.arguments())


EXAMPLES = {
    "tmfcore.Batch": lambda: {"size": 3},
    "tmfcore.Bernoulli": lambda: {"p": 0.5},
    "tmfcore.Fraction": lambda: {"beta": 0.5},
    "tmfcore.Sequential": dict,
    "tmfcore.Synchronous": dict,
    "tmfcore.Batch.active_fraction": at_share(tmf.Batch(3)),
    "tmfcore.Bernoulli.active_fraction": at_share(tmf.Bernoulli(0.5)),
    "tmfcore.Fraction.active_fraction": at_share(tmf.Fraction([0.5, 0.25, 1.0, 0.5])),
    "tmfcore.Sequential.active_fraction": at_share(tmf.Sequential()),
    "tmfcore.Synchronous.active_fraction": at_share(tmf.Synchronous()),
    "tmfcore.Schedule.active_fraction": at_share(tmf.Batch([1, 2, 3, 4])),
    "tmfcore.Game": lambda: arrays() | {"noise": np.ones(T), "assumed": False, "observation_shape": (3,), **labels()},
    "tmfcore.Game.compiled": lambda: {
        "function": row, "n_observations": S, "n_actions": A, "horizon": T, "discount": 0.9, "initial": INITIAL.copy(),
        "successors": SUCCESSORS[..., :1].copy(), "passive_successors": SUCCESSORS[:, 0, :1].copy(), "user_data": None,
        "owner": None, "constant_transition": True,
        "local_passive_reward": True, "separable_reward": False, "observation_shape": (3,), "step": 0.5, **labels(),
    },
    "tmfcore.Game.from_model": lambda: {"model": game().model, "observation_shape": (3,), **COMMON, **labels()},
    "tmfcore.Game.given": lambda: {"self": noisy(), "noise": np.linspace(0.5, 1.0, T)},
    "tmfcore.Game.tables": lambda: {"self": game(), "mu": INITIAL.copy(), "t": 1},
    "tmfcore.TabularPolicy": lambda: {"probabilities": TABLE.copy(), "horizon": T},
    "tmfcore.SoftmaxPolicy": lambda: {"theta": REWARD.copy(), "horizon": T},
    "tmfcore.TabularPolicy.from_json": lambda: {"text": policy().to_json()},
    "tmfcore.SoftmaxPolicy.from_json": lambda: {"text": tmf.SoftmaxPolicy(REWARD).to_json()},
    "tmfcore.TabularPolicy.to_json": lambda: {"self": policy()},
    "tmfcore.SoftmaxPolicy.to_json": lambda: {"self": tmf.SoftmaxPolicy(REWARD)},
    "tmfcore.TabularPolicy.probabilities": lambda: {"self": policy(), "mu": INITIAL.copy(), "t": 1, "horizon": T},
    "tmfcore.SoftmaxPolicy.probabilities": lambda: {
        "self": tmf.SoftmaxPolicy(np.zeros((2, S, A, 1 + S))), "mu": INITIAL.copy(), "t": 1, "horizon": T,
    },
    "tmfcore.TabularPolicy.uniform": lambda: {"game": game(), "stages": 2},
    "tmfcore.SoftmaxPolicy.uniform": lambda: {"game": game(), "stages": 2, "affine": True},
    # verbs
    "tmfcore.simulate": lambda: played(
        replicas=2, engine="auto", start=np.array([6, 3, 3]), rng=1, threads=1, record_every=2, decisions=True,
        trajectories=False, progress=False,
    ),
    "tmfcore.mean_field": lambda: played(record_every=2),
    "tmfcore.evaluate": lambda: played(clock="always", flow=flow()),
    "tmfcore.best_response": lambda: {
        "game": game(), "flow": flow(), "schedule": tmf.Fraction(0.5), "n_agents": N, "clock": "schedule",
    },
    "tmfcore.exploitability": lambda: played(clock="schedule", pointwise=True),
    "tmfcore.finite_exploitability": lambda: played(
        deviation=None, start="rounded", replicas=4, engine="counts", confidence=0.9, rng=1, threads=1
    ),
    "tmfcore.fit": lambda: {
        "data": (logged().observations, logged().actions, logged().rewards), "n_observations": S, "n_actions": A,
        "kind": "constant", "passive": "fit", "prior": 1.0, "mu": flow().mu[:-1].copy(), "horizon": T, "discount": 0.9,
        "initial": INITIAL.copy(), "name": "fitted",
    },
    "tmfcore.solve": lambda: {
        "game": game(), "schedule": tmf.Fraction(0.5), "n_agents": None, "clock": "schedule", "tolerance": 1e-2,
        "absolute_tolerance": 1e-3, "rng": 1, "initial": None, "callback": lambda iteration: None, "progress": False,
        "solver": None, "iterations": 3, "time_limit": 60.0, "threads": 1,
    },
    "tmfcore.tune": lambda: {
        "game": game(), "schedule": tmf.Synchronous(), "n_agents": None,
        "solver": tmf.solvers.MirrorDescent(iterations=2, **ENDLESS), "space": {"momentum": (0.1, 0.9)}, "trials": 1,
        "time_limit": 5.0, "metric": "exploitability", "sampler": None, "rng": 1, "initial": None, "callback": None,
        "progress": False,
    },
    "tmfcore.build_info": dict,
    "tmfcore.get_cython_path": dict,
    "tmfcore.get_include": dict,
    "tmfcore.games.gamefile.read": lambda: {"path": str(toml())},
    # records
    "tmfcore.Flow": lambda: fields(flow()),
    "tmfcore.Simulation": lambda: fields(run()),
    "tmfcore.Evaluation": lambda: fields(evaluation()),
    "tmfcore.Solution": lambda: fields(solution()),
    "tmfcore.FiniteExploitability": lambda: fields(finite()),
    "tmfcore.FiniteExploitability.interval": lambda: {"self": finite(), "level": 0.9},
    "tmfcore.Fit": lambda: fields(fitted()),
    "tmfcore.Fit.interval": lambda: {"self": fitted(), "level": 0.9},
    "tmfcore.FitIntervals": lambda: fields(fitted().interval(0.9)),
    "tmfcore.Interval": lambda: fields(finite().interval(0.9)),
    "tmfcore.Trajectories": lambda: fields(logged()),
    "tmfcore.analysis.Bound": lambda: fields(bound()),
    "tmfcore.analysis.Bound.interval": lambda: {"self": bound(), "level": 0.9},
    "tmfcore.analysis.Comparison": lambda: fields(comparison()),
    "tmfcore.analysis.Convergence": lambda: fields(convergence()),
    "tmfcore.analysis.convergence.PowerLaw": lambda: fields(convergence().fit("B=N")),
    "tmfcore.analysis.convergence.PowerLaw.interval": lambda: {"self": convergence().fit("B=N"), "level": 0.9},
    "tmfcore.analysis.Fluctuations": lambda: fields(fluctuations()),
    "tmfcore.analysis.Lipschitz": lambda: fields(lipschitz()),
    "tmfcore.analysis.Monotonicity": lambda: fields(monotonicity()),
    "tmfcore.analysis.Violation": lambda: fields(Violation(0.1, (policy(), policy()), (flow().mu, flow().mu))),
    "tmfcore.solvers.Iteration": lambda: fields(Iteration(1, 0.1, 1.0, 1.0, 0.5, 0.1, solution)),
    "tmfcore.solvers.Tuning": tuning,
    "tmfcore.testing.Finding": lambda: {"kind": "error", "code": "rows", "text": "text"},
    "tmfcore.testing.GameReport": lambda: fields(tmf.testing.check_game(game(), trials=2, rng=1, play=False)),
    "tmfcore.plotting.Course": lambda: {"times": np.arange(T + 1.0), "values": flow().mu.copy()},
    "tmfcore.plotting.ErrorLine": lambda: {
        "n_agents": np.array([8, 16]), "error": np.array([0.2, 0.1]), "low": np.array([0.1, 0.05]),
        "high": np.array([0.3, 0.2]), "slope": -0.5, "slope_half": 0.1,
    },
    "tmfcore.games.Demand": lambda: {"origin": "home->a", "destination": "b->work", "vehicles": 1.0, "departure": 0.0},
    # what records do
    "tmfcore.Flow.plot": lambda: picture(self=flow(), kind="auto"),
    "tmfcore.Evaluation.plot": lambda: picture(self=evaluation(), kind="auto"),
    "tmfcore.Simulation.plot": lambda: picture(self=run(), kind="auto", flow=flow()),
    "tmfcore.Solution.plot": lambda: picture(self=solution(), which="exploitability"),
    "tmfcore.analysis.Bound.plot": lambda: picture(self=bound()),
    "tmfcore.analysis.Convergence.plot": lambda: picture(self=convergence(), final=True),
    "tmfcore.analysis.Fluctuations.plot": lambda: picture(self=fluctuations(), simulation=run(), n_agents=N, markers=5),
    "tmfcore.analysis.Lipschitz.plot": lambda: picture(self=lipschitz()),
    "tmfcore.analysis.Monotonicity.plot": lambda: picture(
        self=tmf.analysis.monotonicity(tmf.games.left_right(), tmf.Synchronous(), trials=2, rng=1)
    ),
    "tmfcore.load": file_of("flow"),
    "tmfcore.BestResponse": lambda: tmf.best_response(game(), flow(), tmf.Fraction(0.5))._asdict(),
    "tmfcore.Tables": lambda: game().tables(INITIAL.copy())._asdict(),
    "tmfcore.Flow.load": file_of("flow"),
    "tmfcore.Simulation.load": file_of("simulation"),
    "tmfcore.Solution.load": file_of("solution"),
    "tmfcore.analysis.Convergence.load": file_of("convergence"),
    "tmfcore.analysis.Fluctuations.load": file_of("fluctuations"),
    "tmfcore.Flow.save": into(flow),
    "tmfcore.Simulation.save": into(run),
    "tmfcore.Solution.save": into(solution),
    "tmfcore.analysis.Convergence.save": into(convergence),
    "tmfcore.analysis.Fluctuations.save": into(fluctuations),
    "tmfcore.analysis.Convergence.fit": lambda: {"self": convergence(), "label": "B=N", "final": True},
    "tmfcore.analysis.Convergence.table": lambda: {"self": convergence()},
    "tmfcore.analysis.Fluctuations.compare": lambda: {"self": fluctuations(), "simulation": run()},
    "tmfcore.analysis.Fluctuations.deviation": lambda: {"self": fluctuations(), "n_agents": N},
    "tmfcore.analysis.Fluctuations.error": lambda: {"self": fluctuations(), "n_agents": N},
    "tmfcore.analysis.Fluctuations.expected": lambda: {"self": fluctuations(), "n_agents": N},
    "tmfcore.testing.GameReport.raise_errors": lambda: {"self": tmf.testing.check_game(game(), trials=2, rng=1)},
    # studies
    "tmfcore.analysis.bound": lambda: played(start="rounded", replicas=2, trials=3, rng=1),
    "tmfcore.analysis.convergence": lambda: {
        "game": game(), "policy": policy(), "schedules": {"B=N": tmf.Synchronous()}, "n_agents": [8, 16],
        "replicas": 2, "engine": "counts", "confidence": 0.9, "rng": 1, "threads": 1, "progress": False,
    },
    "tmfcore.analysis.fluctuations": lambda: played(start="rounded", record_every=2, jacobian="auto"),
    "tmfcore.analysis.lipschitz": lambda: played(trials=3, rng=1),
    "tmfcore.analysis.monotonicity": lambda: {
        "game": game(), "schedule": tmf.Fraction(0.5), "n_agents": N, "trials": 3, "rng": 1,
    },
    "tmfcore.testing.check_game": lambda: {"game": game(), "trials": 2, "rng": 1, "play": False},
    # solvers
    **solvers(),
    "tmfcore.solvers.default_space": lambda: {"solver": tmf.solvers.MirrorDescent(), "scale": 1.0},
    # games
    "tmfcore.games.affine": lambda: {
        "reward0": REWARD.copy(), "reward_mu": np.zeros((S, A, S)), "transition0": ROWS.copy(),
        "transition_mu": np.zeros((S, A, S, S)), "passive_reward0": PASSIVE_REWARD.copy(),
        "passive_reward_mu": np.zeros((S, S)), "passive_transition0": PASSIVE_ROWS.copy(),
        "passive_transition_mu": np.zeros((S, S, S)), "horizon": T, "discount": 0.9, "initial": INITIAL.copy(),
        "successors": SUCCESSORS.copy(), "passive_successors": None, "observation_shape": (3,), **labels(),
    },
    "tmfcore.games.beach_bar": lambda: {
        "n_places": 3, "bar": 1, "worth": PASSIVE_REWARD.copy(), "noise": (0.25, 0.5, 0.25), "congestion": 1.0,
        "epsilon": 1e-6, "moving_cost": None, "wrap": True, "initial": INITIAL.copy(), **SWEEPS,
    },
    "tmfcore.games.by_half_step": lambda: {"game": joint(), "mu": joint_mu()},
    "tmfcore.games.by_type": lambda: {"game": typed(), "values": np.full(2 * S, 0.5), "axis": -1},
    "tmfcore.games.crowd_aversion": grid_game,
    "tmfcore.games.joint": lambda: arrays()
    | {"reward": lambda mu, joint, t: REWARD, "transition": ROWS.copy(), **labels()},
    "tmfcore.games.routing": lambda: {
        "network": network(), "demand": [Demand("home->a", "b->work", 1.0)], "step": 1.0, "horizon": 5, "rounding": "linear",
        "max_delay": 3.0, "late_cost": 5.0, "discount": 1.0,
    },
    "tmfcore.games.sioux_falls": sioux,
    "tmfcore.games.typed": lambda: {
        "games": [game(), game()], "shares": [0.5, 0.5], "coupling": np.eye(2), "rates": [1.0, 0.5],
        "names": ["one", "two"],
    },
    "tmfcore.games.wardrop": lambda: {"worth": [1.0, 0.8], "congestion": 1.0, "power": 1.0},
    "tmfcore.games.RoadNetwork": lambda: {
        "edges": [("a", "b"), ("b", "c")], "free_flow_time": [1.0, 2.0], "capacity": 1.0, "congestion": 0.5, "power": 1.0,
        "positions": {"a": (0.0, 0.0), "b": (1.0, 0.0), "c": (1.0, 1.0)},
    },
    "tmfcore.games.RoadNetwork.travel_times": lambda: {"self": network(), "volumes": np.ones(3)},
    # pictures
    "tmfcore.plotting.figure": lambda: {
        "columns": 2, "rows": 1, "width": 3.0, "height": 2.0, "title": "title", "share_y": True,
    },
    "tmfcore.plotting.save": lambda: {"picture": axes(), "path": str(folder() / "out.png"), "dpi": 50},
    "tmfcore.plotting.over_time": lambda: compared(
        labels=list(LABELS), shape=(3,), kind="auto", replicas=np.stack([flow().mu] * 2)
    ),
    "tmfcore.plotting.lines": lambda: compared(labels=list(LABELS), replicas=np.stack([flow().mu] * 2)),
    "tmfcore.plotting.heat": lambda: drawn(course=course(), labels=list(LABELS)),
    "tmfcore.plotting.profiles": lambda: compared(labels=list(LABELS)),
    "tmfcore.plotting.snapshots": lambda: compared(shape=(2, 3)) | dict.fromkeys(
        ("course", "field"), plotting.Course(np.arange(3.0), np.full((3, 6), 1 / 6))
    ),
    "tmfcore.plotting.population": lambda: picture(
        times=np.arange(T + 1.0), agents=flow().mu.copy(), field_times=np.arange(T + 1.0), field=flow().mu.copy(),
        labels=list(LABELS), spread=(flow().mu * 0.9, flow().mu * 1.1), marker_every=1, legend=True,
    ),
    "tmfcore.plotting.exploitability": lambda: picture(
        lines={"a": (np.arange(3), np.array([1.0, 0.1, 0.01]))}, goal=0.05, goal_label="goal", relative=True
    ),
    "tmfcore.plotting.returns": lambda: picture(
        labels=["a", "b"], mean=np.array([1.0, 2.0]), low=np.array([0.9, 1.9]), high=np.array([1.1, 2.1]),
        mean_field=np.array([1.0, 2.0]), tolerance=0.1, legend=True,
    ),
    "tmfcore.plotting.fluctuations": lambda: picture(
        times=np.arange(T + 1.0), mean=flow().mu.copy(), deviation=flow().mu * 0.1, labels=list(LABELS),
        measured=(np.arange(T + 1.0), flow().mu.copy(), None), marker_every=1, unit="steps", legend=True,
    ),
    "tmfcore.plotting.by_step": lambda: picture(
        lines={"a": np.array([1.0, 2.0])}, level=1.0, level_label="level", quantity="number"
    ),
    "tmfcore.plotting.bound": lambda: picture(times=np.arange(3.0), lines={"a": np.array([0.1, 0.2, 0.3])}, unit="steps"),
    "tmfcore.plotting.convergence": lambda: picture(
        lines={"a": plotting.ErrorLine([8, 16], [0.2, 0.1], [0.1, 0.05], [0.3, 0.2], -0.5, 0.1)}, guide=True, when="mean"
    ),
    "tmfcore.plotting.roads": lambda: picture(network=network(), volumes=np.ones(3), quantity="vehicles"),
}


FRAMES = {"Flow": flow, "Evaluation": evaluation, "Simulation": run, "Solution": solution}
for record, maker in FRAMES.items():
    EXAMPLES[f"tmfcore.{record}.to_pandas"] = EXAMPLES[f"tmfcore.{record}.to_polars"] = partial(tabled, maker)
    EXAMPLES[f"tmfcore.{record}.to_xarray"] = lambda maker=maker: {"self": maker()}


@cache
def joint():
    return tmf.games.joint(**EXAMPLES["tmfcore.games.joint"]())


@cache
def joint_mu():
    return tmf.mean_field(joint(), tmf.TabularPolicy.uniform(joint()), tmf.Fraction(0.5)).mu


for name, entry in tmf.games.SHELF.items():
    EXAMPLES.setdefault(f"tmfcore.games.{name}", partial(of_shelf, entry))
EXAMPLES |= environments()
EXAMPLES |= games_of_others()


def _comparisons():
    """`equals` of every record."""
    from tmfcore._base.records import Record

    found = {}
    for name, example in EXAMPLES.items():
        module, _, last = name.rpartition(".")
        kind = getattr(import_module(module), last, None) if module.islower() else None
        if isinstance(kind, type) and issubclass(kind, Record):
            found[f"{name}.equals"] = lambda kind=kind, example=example: {"self": kind(**example()), "other": None}
    return found


EXAMPLES |= _comparisons()
