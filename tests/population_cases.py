"""Games, schedules and policies for the tests of Population."""

from functools import partial

import numpy as np

import tmfcore as tmf

S, A, T, N = 4, 3, 12, 60
UNIFORM = np.full((S, A), 1 / A)


def passive(mu, t):
    rows = np.full((S, S), 0.05) + 0.1 * mu
    rows[np.diag_indices(S)] += 1 - rows.sum(axis=1)
    return rows


def game_of(kind, **changes):
    """Games whose kernels and rewards are constant, or functions of mu; whose passive agents stay, or move."""
    rows = np.random.default_rng(1).dirichlet(np.ones(S), size=(S, A))
    data = {
        "n_observations": S, "n_actions": A, "horizon": T, "discount": 0.9, "initial": np.full(S, 1 / S),
        "reward": np.arange(S * A).reshape(S, A) / 10, "transition": rows, "name": kind,
    }  # fmt: skip
    if kind == "function":
        data["transition"] = lambda mu, t: 0.5 * rows + 0.5 * mu
        data["reward"] = lambda mu, t: np.repeat(-mu[:, None], A, axis=1) + 0.1 * t
    if kind == "moving":
        data["passive_transition"] = passive
        data["passive_reward"] = [0.0, 0.1, 0.2, 0.3]
    return tmf.Game(**data | changes)


GAMES = {kind: partial(game_of, kind) for kind in ("constant", "function", "moving")} | {
    "resources": lambda: tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=T, step=1).at(),
    "queueing": lambda: tmf.games.queueing([0.1, 0.2, 0.3], horizon=T, step=1).at(),
    "imitation": lambda: tmf.games.pairwise_revision(np.random.default_rng(2).random((3, 3)), horizon=T, step=1).at(),
}
SCHEDULES = [
    tmf.Synchronous(), tmf.Sequential(), tmf.Batch(7), tmf.Batch(40), tmf.Bernoulli(0.3), tmf.Bernoulli(1.0),
    tmf.Batch([0, 1, 5, N, 1, 1, 7, 40, 0, 3, N, 1]), tmf.Bernoulli(np.linspace(0, 1, T)),
    tmf.Bernoulli(lambda mu, t: 0.2 + 0.5 * mu), tmf.Fraction(lambda mu, t: 0.1 + 0.5 * mu[0]),
]  # fmt: skip


def policies(game):
    rng = np.random.default_rng(5)
    shape = game.n_observations, game.n_actions
    return {
        "table": tmf.TabularPolicy(rng.dirichlet(np.ones(shape[1]), size=(3, shape[0]))),
        "affine": tmf.SoftmaxPolicy(rng.normal(size=(1, *shape, 1 + shape[0]))),
    }
