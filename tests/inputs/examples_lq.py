"""Valid calls of `tmfcore.lq`, and results of it."""

from functools import cache

import numpy as np

import tmfcore as tmf
from tmfcore.lq import MRNPG, LQGame

M = (5, 4)


def matrices():
    """Two groups and two teams; no two sizes are equal, but those that must be."""
    one, two = np.diag([1.0, 0.5, 0.25]), np.eye(3)
    return {
        "A": 0.9 * one, "B": [np.array([[1.0], [0.0], [0.0]]), np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])],
        "Q": [one, two], "R": [np.eye(1), np.eye(2)], "horizon": 4, "A_bar": 0.1 * np.ones((3, 3)),
        "B_bar": [0.1 * np.ones((3, 1)), 0.1 * np.ones((3, 2))], "Q_bar": [one, two], "R_bar": [np.eye(1), np.eye(2)],
        "Q_end": [one, two], "Q_bar_end": [one, two], "A_passive": one, "A_passive_bar": 0.1 * two, "noise": 0.1 * one,
        "common_noise": 0.1 * two, "initial_mean": np.ones(3), "initial_covariance": one, "discount": 0.9, "groups": [1, 2],
    }  # fmt: skip


@cache
def teams():
    return LQGame(**matrices())


@cache
def gains():
    return MRNPG(iterations=2).solve(teams(), tmf.Fraction(0.5))


@cache
def verdict():
    return tmf.lq.evaluate(teams(), gains(), tmf.Fraction(0.5), M)


@cache
def members():
    return tmf.lq.simulate(teams(), gains(), tmf.Fraction(0.5), M, replicas=2, rng=1, trajectories=True)


def judged(**more):
    return {"game": teams(), "gains": gains(), "schedule": tmf.Fraction(0.5), "n_agents": list(M), "mean": "predicted", **more}


LQ_RESULTS = {
    "tmfcore.lq.LQSolution": gains, "tmfcore.lq.LQEvaluation": verdict, "tmfcore.lq.LQSimulation": members,
}  # fmt: skip
LQ_EXAMPLES = {
    "tmfcore.lq.LQGame": matrices,
    "tmfcore.lq.LQGame.replace": lambda: {"self": teams()},
    "tmfcore.lq.LQGame.save": lambda: {"self": teams(), "path": "teams.npz"},
    "tmfcore.lq.MRNPG": lambda: {
        "iterations": 2, "learning_rate": 0.1, "gradient": "sampled", "samples": 5, "radius": 0.1,
    },
    "tmfcore.lq.MRNPG.solve": lambda: {
        "self": MRNPG(iterations=2, gradient="sampled", samples=5), "game": teams(), "schedule": tmf.Fraction(0.5),
        "initial": gains(), "rng": 1,
    },
    "tmfcore.lq.riccati": lambda: {"game": teams(), "schedule": tmf.Fraction(0.5), "n_agents": list(M)},
    "tmfcore.lq.evaluate": judged,
    "tmfcore.lq.exploitability": judged,
    "tmfcore.lq.simulate": lambda: judged(replicas=2, rng=1, trajectories=True),
    "tmfcore.lq.LQSimulation.interval": lambda: {"self": members(), "confidence": 0.9},
}  # fmt: skip
