"""A valid call of every public callable: keyword arguments by name, in which values are then replaced by bad ones."""

from functools import cache, partial
from importlib import import_module
from inspect import signature

import numpy as np

import tmfcore as tmf
from tmfcore import plotting
from tmfcore._results.records import Record
from tmfcore.games import Demand
from tmfcore.solvers import Discretisation, Iteration

from .examples_interop import environments, games_of_others
from .examples_lq import LQ_EXAMPLES
from .things import (
    COMMON,
    ENDLESS,
    INITIAL,
    LABELS,
    LEGAL,
    PASSIVE_REWARD,
    RATES,
    RESULTS,
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
    candidates,
    compared,
    convergence,
    course,
    drawn,
    fields,
    finite,
    fitted,
    flow,
    fluctuations,
    folder,
    game,
    grid_game,
    kept_population,
    labels,
    learnt,
    linear,
    lined,
    logged,
    network,
    noise_chain,
    noisy,
    noisy_estimate,
    numbered,
    oracle,
    picture,
    played,
    policy,
    rainy,
    rainy_values,
    row,
    run,
    sampled,
    saved,
    sioux,
    solution,
    solvers,
    stepped,
    swept,
    tntp,
    tolled,
    toml,
    towns,
    towns_at_rest,
    typed,
)


def of_shelf(entry):
    """The small game that the shelf has, with every argument."""
    defaults = {name: p.default for name, p in signature(entry.make).parameters.items() if p.default is not p.empty}
    return defaults | dict(entry.arguments())


EXAMPLES = {
    "tmfcore.Batch": lambda: {"size": 3},
    "tmfcore.Bernoulli": lambda: {"p": 0.5},
    "tmfcore.Poisson": lambda: {"rate": 0.5, "most": 2.0},
    "tmfcore.Fraction": lambda: {"beta": 0.5},
    "tmfcore.Sequential": dict,
    "tmfcore.Synchronous": dict,
    "tmfcore.Batch.active_fraction": at_share(tmf.Batch(3)),
    "tmfcore.Bernoulli.active_fraction": at_share(tmf.Bernoulli(0.5)),
    "tmfcore.Fraction.active_fraction": at_share(tmf.Fraction([0.5, 0.25, 1.0, 0.5])),
    "tmfcore.Sequential.active_fraction": at_share(tmf.Sequential()),
    "tmfcore.Synchronous.active_fraction": at_share(tmf.Synchronous()),
    "tmfcore.Schedule.active_fraction": at_share(tmf.Batch([1, 2, 3, 4])),
    "tmfcore.Game": lambda: arrays() | {
        "noise": np.ones(T), "assumed": False, "observation_shape": (3,), "passive_transition": None,
        "passive_rates": RATES.copy(), "time": "sweeps", "step": 0.5, "legal": LEGAL.copy(), **labels(),
    },
    "tmfcore.Game.at": lambda: {"self": swept(), "schedule": tmf.Batch(2), "n_agents": 4, "step": None},
    "tmfcore.Game.compiled": lambda: {
        "function": row, "n_observations": S, "n_actions": A, "horizon": T, "discount": 0.9, "initial": INITIAL.copy(),
        "successors": SUCCESSORS[..., :1].copy(), "passive_successors": SUCCESSORS[:, 0, :1].copy(), "user_data": None,
        "legal": LEGAL.copy(),
        "owner": None, "constant_transition": True,
        "local_passive_reward": True, "separable_reward": False, "observation_shape": (3,), "time": "steps", "step": None, **labels(),
    },
    "tmfcore.Game.from_model": lambda: {
        "model": game().model, "legal": LEGAL.copy(), "observation_shape": (3,), **COMMON, "time": "steps", "step": None,
        **labels(),
    },
    "tmfcore.Game.replace": lambda: {"self": noisy()},
    "tmfcore.Game.tables": lambda: {"self": game(), "mu": INITIAL.copy(), "t": 1},
    "tmfcore.NoiseChain": lambda: {"initial": [0.5, 0.5], "transition": np.eye(2), "values": np.ones(2)},
    "tmfcore.NoiseChain.paths": lambda: {"self": noise_chain(), "n_steps": T},
    "tmfcore.NoiseChain.sample": lambda: {"self": noise_chain(), "n_steps": T, "paths": 2, "rng": 1},
    "tmfcore.NoisePolicy": lambda: {"probabilities": np.stack([TABLE, TABLE]), "memory": 1, "edges": np.array([0.5])},
    "tmfcore.NoisePolicy.on": lambda: {"self": tmf.NoisePolicy([TABLE, TABLE]), "path": np.array([0, 1, 1, 0])},
    "tmfcore.SampledPolicy": lambda: {"table": np.stack([TABLE] * S), "kappa": 1},
    "tmfcore.SampledPolicy.histograms": lambda: {"kappa": 2, "n_observations": S},
    "tmfcore.SampledPolicy.of": lambda: {"policy": policy(), "game": game(), "kappa": 2, "stages": 2},
    "tmfcore.solvers.Subsampled": lambda: {
        "kappa": 2, "neighbours": "average", "iterations": 3, "tolerance": 1e-3, "samples": 4,
    },
    "tmfcore.solvers.Subsampled.solve": lambda: {
        "self": tmf.solvers.Subsampled(2), "game": game(), "schedule": tmf.Fraction(0.5), "n_agents": N, "rng": 1,
    },
    "tmfcore.SampledPolicy.probabilities": lambda: {"self": sampled(), "mu": INITIAL.copy(), "stage": 0},
    "tmfcore.Game.on": lambda: {"self": rainy(), "path": np.array([0, 1, 1, 0])},
    "tmfcore.LinearSoftmax": lambda: {
        "features": REWARD[..., np.newaxis].copy(), "weights": np.array([0.5]), "legal": LEGAL.copy(), "horizon": T,
    },
    "tmfcore.LinearSoftmax.from_json": lambda: {"text": linear().to_json()},
    "tmfcore.LinearSoftmax.to_json": lambda: {"self": linear()},
    "tmfcore.LinearSoftmax.probabilities": lambda: {"self": linear(), "mu": INITIAL.copy(), "t": 1, "horizon": T},
    "tmfcore.LinearSoftmax.uniform": lambda: {"game": game(), "stages": 2, "affine": False},
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
    "tmfcore.Trajectories.joined": lambda: {"parts": numbered()},
    # verbs
    "tmfcore.simulate": lambda: played(
        replicas=2, engine="auto", start=np.array([6, 3, 3]), rng=1, threads=1, record_every=2, decisions=True,
        trajectories=False, progress=False, times=None, checkpoint=None, keep_state=False, comm=None, executor=None, graph=None,
    ),
    "tmfcore.Population": lambda: {
        "game": game(), "schedule": tmf.Fraction(0.5), "n_agents": N, "replicas": 2, "engine": "counts",
        "start": "rounded", "decisions": True, "rng": 1,
    },
    "tmfcore.Population.step": lambda: {"self": stepped(), "policy": policy(), "n_steps": 1},
    "tmfcore.Population.draw": lambda: {"self": stepped()},
    "tmfcore.Population.act": lambda: {
        "self": stepped(), "actions": np.pad(stepped().draw()[..., None], ((0, 0), (0, 0), (0, A - 1))),
    },
    "tmfcore.Population.restart": lambda: {"self": stepped(), "rng": 1},
    "tmfcore.Population.copy": lambda: {"self": stepped()},
    "tmfcore.Population.save": lambda: {"self": stepped(), "path": str(folder() / "population.npz")},
    "tmfcore.Population.load": lambda: {
        "path": str(kept_population()), "game": game(), "schedule": tmf.Fraction(0.5),
    },
    "tmfcore.mean_field": lambda: played(record_every=2, times=None, paths=2, rng=1, threads=1) | {"game": rainy()},
    "tmfcore.evaluate": lambda: played(
        clock="always", flow=None, altruism=0.0, others=None, times=None, paths=2, rng=1, threads=1
    ) | {"game": rainy()},
    "tmfcore.best_response": lambda: {
        "game": game(), "flow": flow(), "schedule": tmf.Fraction(0.5), "n_agents": N, "clock": "schedule",
        "altruism": 0.5, "others": policy(),
    },
    "tmfcore.exploitability": lambda: played(
        clock="schedule", pointwise=False, by_type=False, altruism=0.0, paths=4, memory=1, rng=1, threads=1
    ) | {"game": rainy()},
    "tmfcore.welfare": lambda: played(paths=2, rng=1, threads=1) | {"game": rainy()},
    "tmfcore.finite_exploitability": lambda: played(
        deviation=None, altruism=0.5, start="rounded", replicas=4, engine="counts", confidence=0.9, rng=1, threads=1,
        executor=None,
    ),
    "tmfcore.learn.fit": lambda: {
        "data": (logged().observations, logged().actions, logged().rewards), "n_observations": S, "n_actions": A,
        "kind": "constant", "passive": "fit", "prior": 1.0, "mu": flow().mu[:-1].copy(), "horizon": T, "discount": 0.9,
        "initial": INITIAL.copy(), "name": "fitted",
    },
    "tmfcore.learn.Oracle": lambda: {
        "game": game(), "schedule": tmf.Fraction(0.5), "n_agents": N, "finite": True, "trajectories": 2, "rng": 1,
    },
    "tmfcore.learn.eliminate": lambda: {
        "games": candidates(), "oracle": oracle(), "schedule": tmf.Fraction(0.5), "n_agents": N, "epsilon": 1e-3, "delta": 0.1, "rounds": 2,
        "most": 4, "solver": "MirrorDescent", "iterations": 2, "time_limit": 60.0, "tolerance": None, "absolute_tolerance": None,
        "threads": 1, "rng": 1, "progress": False,
    },
    "tmfcore.learn.optimistic": lambda: {
        "game": game(), "schedule": tmf.Fraction(0.5), "n_agents": N, "episodes": 2, "oracle": None, "trajectories": 2, "confidence": 0.9,
        "width": 0.5, "prior": 1.0, "solver": "MirrorDescent", "iterations": 2, "time_limit": 60.0, "tolerance": None, "absolute_tolerance": None,
        "rng": 1, "progress": False,
    },
    "tmfcore.learn.Episodes.estimated": lambda: {"self": learnt(), "game": game()},
    "tmfcore.solve": lambda: {
        "game": game(), "schedule": tmf.Fraction(0.5), "n_agents": None, "clock": "schedule", "tolerance": 1e-2,
        "absolute_tolerance": 1e-3, "altruism": 0.5, "rng": 1, "initial": None, "callback": lambda iteration: None, "progress": False,
        "solver": None, "iterations": 3, "time_limit": 60.0, "threads": 1, "step": None, "paths": None, "memory": None, "checkpoint": None,
    },
    "tmfcore.tune": lambda: {
        "game": game(), "schedule": tmf.Synchronous(), "n_agents": None,
        "solver": tmf.solvers.MirrorDescent(iterations=2, **ENDLESS), "space": {"momentum": (0.1, 0.9)}, "trials": 1,
        "checkpoint": None, "time_limit": 5.0, "metric": "exploitability", "sampler": None, "rng": 1, "initial": None, "callback": None,
        "progress": False, "step": None, "executor": None,
    },
    "tmfcore.build_info": dict,
    "tmfcore.estimate": lambda: {"function": partial(tmf.mean_field, game(), TABLE, tmf.Synchronous())},
    "tmfcore.sweep": lambda: {
        "function": lambda a, b, rng: {"sum": a + b, "drawn": rng.random()}, "grid": {"a": [1, 2], "b": [0.5, 1.5]}, "replicas": 2,
        "executor": None, "store": None, "retry": False, "confidence": 0.9, "rng": 1, "progress": False,
    },
    "tmfcore.Checkpoint": lambda: {"path": "run.npz", "every": 60.0},
    "tmfcore.max_memory": lambda: {"limit": "4 GB"},
    "tmfcore.get_cython_path": dict,
    "tmfcore.get_include": dict,
    "tmfcore.games.gamefile.read": lambda: {"path": str(toml())},
    # records
    "tmfcore.NoiseExploitability.interval": lambda: {"self": noisy_estimate(), "of": "returns", "confidence": 0.9},
    "tmfcore.Evaluation.interval": lambda: {"self": rainy_values(), "confidence": 0.9},
    "tmfcore.FiniteExploitability.interval": lambda: {"self": finite(), "confidence": 0.9},
    "tmfcore.learn.Fit.interval": lambda: {"self": fitted(), "confidence": 0.9},
    "tmfcore.analysis.Bound.interval": lambda: {"self": bound(), "confidence": 0.9},
    "tmfcore.analysis.PowerLaw.interval": lambda: {"self": convergence().fit("B=N"), "confidence": 0.9},
    "tmfcore.solvers.Discretisation": lambda: fields(Discretisation(0.1, 0.1, 1.0, 0.01, -0.01)),
    "tmfcore.solvers.Iteration": lambda: fields(Iteration(1, 0.1, 1.0, 1.0, 0.5, 0.1, solution)),
    "tmfcore.testing.Finding": lambda: {"kind": "error", "code": "rows", "text": "text"},
    "tmfcore.plotting.Course": lambda: {"times": np.arange(T + 1.0), "values": flow().mu.copy()},
    "tmfcore.plotting.ErrorLine": lambda: {
        "n_agents": np.array([8, 16]), "error": np.array([0.2, 0.1]), "low": np.array([0.1, 0.05]),
        "high": np.array([0.3, 0.2]), "slope": -0.5, "slope_half": 0.1,
    },
    "tmfcore.plotting.EstimateLine": lambda: {
        "x": np.array([1.0, 2.0]), "estimate": np.array([0.2, 0.1]), "low": np.array([0.1, 0.05]), "high": np.array([0.3, 0.2]),
    },
    "tmfcore.games.Demand": lambda: {"origin": "home->a", "destination": "b->work", "vehicles": 1.0, "departure": 0.0},
    # what records do
    "tmfcore.load": lambda: {"path": str(saved("tmfcore.Flow"))},
    "tmfcore.analysis.Convergence.fit": lambda: {"self": convergence(), "label": "B=N", "final": True},
    "tmfcore.analysis.Convergence.table": lambda: {"self": convergence()},
    "tmfcore.analysis.Fluctuations.compare": lambda: {"self": fluctuations(), "simulation": run()},
    "tmfcore.analysis.Fluctuations.deviation": lambda: {"self": fluctuations(), "n_agents": N},
    "tmfcore.analysis.Fluctuations.error": lambda: {"self": fluctuations(), "n_agents": N},
    "tmfcore.analysis.Fluctuations.expected": lambda: {"self": fluctuations(), "n_agents": N},
    "tmfcore.testing.GameReport.raise_errors": lambda: {"self": tmf.testing.check_game(game(), trials=2, rng=1)},
    # studies
    "tmfcore.analysis.price_of_anarchy": lambda: {
        "game": game(), "schedule": tmf.Fraction(0.5), "n_agents": None, "nash": None, "optimum": None, "solver": "MirrorDescent",
        "iterations": 2, "time_limit": 60.0, "tolerance": None, "absolute_tolerance": None, "rng": 1,
    },
    "tmfcore.analysis.tolls": lambda: played(),
    "tmfcore.analysis.Tolls.charge": lambda: {"self": tolled(), "game": game()},
    "tmfcore.analysis.bound": lambda: played(
        start="rounded", replicas=2, engine="auto", trials=3, rng=1, threads=1
    ),
    "tmfcore.analysis.convergence": lambda: {
        "game": game(), "policy": policy(), "schedules": {"B=N": tmf.Synchronous()}, "n_agents": [8, 16],
        "replicas": 2, "engine": "counts", "confidence": 0.9, "rng": 1, "threads": 1, "progress": False,
        "checkpoint": None, "executor": None,
    },
    "tmfcore.analysis.fluctuations": lambda: played(start="rounded", record_every=2, jacobian="auto", times=None),
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
        "passive_reward_mu": np.zeros((S, S)), "passive_transition0": None, "passive_transition_mu": None,
        "passive_rates0": RATES.copy(), "passive_rates_mu": np.zeros((S, S, S)), "time": "sweeps", "step": 0.5, "horizon": T, "discount": 0.9, "initial": INITIAL.copy(),
        "successors": SUCCESSORS.copy(), "passive_successors": None, "legal": LEGAL.copy(), "observation_shape": (3,),
        **labels(),
    },
    "tmfcore.games.beach_bar": lambda: {
        "n_places": 3, "bar": 1, "worth": None, "noise": (0.25, 0.5, 0.25), "congestion": 1.0,
        "epsilon": 1e-6, "moving_cost": None, "wrap": True, "initial": INITIAL.copy(), **SWEEPS,
    },
    "tmfcore.games.by_half_step": lambda: {"game": joint(), "mu": joint_mu()},
    "tmfcore.games.by_type": lambda: {"game": typed(), "values": np.full(2 * S, 0.5), "axis": -1},
    "tmfcore.games.crowd_aversion": grid_game,
    "tmfcore.games.joint": lambda: arrays()
    | {"passive_transition": None, "passive_rates": RATES.copy(), "time": "sweeps", "step": 0.5, "legal": LEGAL.copy()}
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
        "positions": {"a": (0.0, 0.0), "b": (1.0, 0.0), "c": (1.0, 1.0)}, "trips": [("a", "c", 2.0)], "no_through": ["a"],
        "known_volumes": [2.0, 2.0], "known_times": [3.0, 6.0],
    },
    "tmfcore.games.RoadNetwork.from_tntp": lambda: {"path": tntp(), "toll_factor": 0.5, "distance_factor": 0.25},
    "tmfcore.games.sioux_falls_roads": dict,
    "tmfcore.games.user_equilibrium": lambda: {
        "network": towns(), "tolerance": 1e-6, "iterations": 50, "time_limit": 5.0,
    },
    "tmfcore.games.UserEquilibrium": lambda: fields(towns_at_rest()),
    "tmfcore.games.congestion": lambda: {
        "network": towns(), "paths": towns_at_rest().paths, "horizon": 2.0, "discount": 0.9,
        "initial": [0.25, 0.25, 0.5], "step": 0.5,
    },
    "tmfcore.games.RoadNetwork.travel_times": lambda: {"self": network(), "volumes": np.ones(3)},
    # pictures
    "tmfcore.plotting.figure": lambda: {
        "columns": 2, "rows": 1, "width": 3.0, "height": 2.0, "title": "title", "share_y": True,
    },
    "tmfcore.plotting.save": lambda: {"picture": axes(), "path": str(folder() / "out.png"), "dpi": 50},
    "tmfcore.plotting.over_time": lambda: compared(
        labels=list(LABELS), shape=(3,), kind="auto", replicas=np.stack([flow().mu] * 2), label=None, color=None
    ),
    "tmfcore.plotting.lines": lambda: compared(
        labels=list(LABELS), replicas=None, spread=(flow().mu * 0.9, flow().mu * 1.1), label="a", color="C0"
    ),
    "tmfcore.plotting.heat": lambda: drawn(course=course(), labels=list(LABELS)),
    "tmfcore.plotting.profiles": lambda: compared(labels=list(LABELS), label=None, color=None),
    "tmfcore.plotting.snapshots": lambda: compared(shape=(2, 3)) | dict.fromkeys(
        ("course", "field"), plotting.Course(np.arange(3.0), np.full((3, 6), 1 / 6))
    ),
    "tmfcore.plotting.exploitability": lambda: lined(
        lines={"a": (np.arange(3), np.array([1.0, 0.1, 0.01]))}, goal=0.05, goal_label="goal", relative=True
    ),
    "tmfcore.plotting.intervals": lambda: lined(
        labels=["a", "b"], low=np.array([0.9, 1.9]), high=np.array([1.1, 2.1]), estimate=np.array([1.0, 2.0]),
        reference=np.array([1.0, 2.0]), reference_label="mean field", confidence=0.95, what="N agents", quantity="return",
        entries="schedule", tolerance=0.1, legend=True,
    ),
    "tmfcore.plotting.individuals": lambda: lined(observations=logged().observations, actions=logged().actions, every=1),
    "tmfcore.plotting.trials": lambda: lined(values=np.array([1.0, 0.5, 0.7]), quantity="iterations"),
    "tmfcore.plotting.policy": lambda: lined(
        probabilities=np.stack([TABLE, TABLE]), observation_labels=list(LABELS), action_labels=["stay", "go"], shape=(3,),
        kind="auto", length=4.0, unit="steps",
    ),
    "tmfcore.plotting.panels": lambda: lined(
        tables=np.stack([TABLE, TABLE]), heads=["one", "two"], x_labels=["stay", "go"], y_labels=list(LABELS),
        x_label="action", y_label="observation", x_end=4.0, quantity="reward", ends=(0.0, 1.0),
    ),
    "tmfcore.plotting.fluctuations": lambda: lined(
        times=np.arange(T + 1.0), mean=flow().mu.copy(), deviation=flow().mu * 0.1, labels=list(LABELS),
        measured=(np.arange(T + 1.0), flow().mu.copy(), None), marker_every=1, unit="steps", legend=True,
        quantity="share",
    ),
    "tmfcore.plotting.by_step": lambda: lined(
        lines={"a": np.array([1.0, 2.0])}, level=1.0, level_label="level", quantity="number", x_label="round"
    ),
    "tmfcore.plotting.bound": lambda: lined(times=np.arange(3.0), lines={"a": np.array([0.1, 0.2, 0.3])}, unit="steps"),
    "tmfcore.plotting.convergence": lambda: lined(
        lines={"a": plotting.ErrorLine([8, 16], [0.2, 0.1], [0.1, 0.05], [0.3, 0.2], -0.5, 0.1)}, guide=True, when="mean"
    ),
    "tmfcore.plotting.estimates": lambda: lined(
        lines={"a": plotting.EstimateLine([1.0, 2.0], [0.2, 0.1], [0.1, 0.05], [0.3, 0.2])}, x_label="x", quantity="y",
        confidence=0.9, names=["one", "two", "three"],
    ),
    "tmfcore.plotting.roads": lambda: picture(network=network(), volumes=np.ones(3), quantity="vehicles"),
}


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
EXAMPLES |= LQ_EXAMPLES


def _shared():
    """What every result can do, and the making of it again; `equals` of every record."""
    own = {
        "tmfcore.Simulation": {"flow": flow()}, "tmfcore.Sweep": {"y": "sum", "x": "a", "line": "b"}, "tmfcore.TabularPolicy": {"game": game(), "mu": INITIAL.copy()},
        "tmfcore.SoftmaxPolicy": {"game": game(), "mu": INITIAL.copy()}, "tmfcore.LinearSoftmax": {"game": game(), "mu": INITIAL.copy()},
        "tmfcore.analysis.Fluctuations": {"simulation": run(), "n_agents": N, "markers": 5},
    }  # fmt: skip
    scales = ("tmfcore.testing.GameReport", "tmfcore.Tables", "tmfcore.TabularPolicy", "tmfcore.SoftmaxPolicy", "tmfcore.NoisePolicy", "tmfcore.SampledPolicy", "tmfcore.LinearSoftmax")  # of colours, without lines
    found = {}
    for name, make in RESULTS.items():
        line = dict.fromkeys(("label", "color")) if name in scales else {"label": "mine", "color": "C0"}
        found |= {
            f"{name}.plot": partial(_of, make, kind=None, title="title", ax=None, **line, **own.get(name, {})),
            f"{name}.save": partial(_of, make, path=str(folder() / "out.npz"), **({"comm": None} if name == "tmfcore.Simulation" else {})),
            f"{name}.load": lambda name=name: {"path": str(saved(name))},
            f"{name}.equals": partial(_of, make, other=None),
            f"{name}.to_pandas": partial(_of, make, kind=None),
            f"{name}.to_polars": partial(_of, make, kind=None),
            f"{name}.to_xarray": partial(_of, make),
        }  # fmt: skip
        if name not in EXAMPLES:
            found[name] = lambda make=make: fields(make())
    for name, example in EXAMPLES.items():
        module, _, last = name.rpartition(".")
        kind = getattr(import_module(module), last, None) if module.islower() else None
        if isinstance(kind, type) and issubclass(kind, Record) and name not in RESULTS:
            found[f"{name}.equals"] = lambda kind=kind, example=example: {"self": kind(**example()), "other": None}
    return found


def _of(make, **more):
    return {"self": make(), **more}


EXAMPLES |= _shared()
