"""What the tests of cooperation are made of: games, a system that is played from any start, and checks of derivatives."""

import functools

import numpy as np
import pytest

import strategies
import tmfcore as tmf
from tmfcore._limit import flow as flow_kernel
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.pricing import extra_of
from tmfcore._model.game import in_steps
from tmfcore._model.policies import as_policy
from tmfcore._model.schedules import share_at

PIGOU = functools.partial(
    tmf.games.resource_selection, (-1.0, 0.0), congestion=(0.0, 1.0), switching_cost=0.0, discount=1.0,
    initial=(0.0, 1.0),
)  # fmt: skip


def interior(game, rng):
    """A policy (S, A) with no probability near 0 or 1."""
    legal = np.ones((game.n_observations, game.n_actions)) if game.legal is None else game.legal
    table = (rng.dirichlet(np.ones(game.n_actions), size=game.n_observations) + 0.3) * legal
    return table / table.sum(axis=1, keepdims=True)


class System:
    """A game under a schedule, of which welfare can be asked for from any start."""

    def __init__(self, game, schedule, n_agents=None):
        self.game = in_steps(game, schedule, n_agents)
        self.active = active_fractions(self.game, schedule, n_agents, smooth=True)

    def flow(self, kernel, initial):
        mu = np.empty((self.game.n_steps + 1, self.game.n_observations))
        flow_kernel.forward(self.game.model, kernel, initial, self.active, self.game.n_steps, 1, mu)
        return mu

    def welfare(self, policy, initial):
        kernel, game = as_policy(policy, self.game), self.game
        mu = self.flow(kernel, initial)
        return flow_kernel.gaps(game.model, kernel, mu, self.active, game.discount, False)[2]

    def values(self, policy, initial, altruism=1.0):
        """mu, V and Q."""
        kernel, game = as_policy(policy, self.game), self.game
        mu = self.flow(kernel, initial)
        extra = extra_of(altruism, game.model, game.discount, kernel, mu, self.active)
        values, q = np.empty(mu.shape), np.empty((game.n_steps, game.n_observations, game.n_actions))
        flow_kernel.backward(
            game.model, kernel, mu, self.active, game.discount, False, values, q, None, None, extra
        )
        return mu, values, q


def slope(function, h):
    """The derivative at 0, to order 4."""
    return (8 * (function(h) - function(-h)) - (function(2 * h) - function(-2 * h))) / (12 * h)


def check_start(system, policy, initial, tolerance=1e-6, h=2e-4):
    """V_0 is the derivative of welfare in mu_0."""
    _, values, q = system.values(policy, initial)
    h = min(h, initial.min() / 8)
    for o in range(1, len(initial)):
        along = np.zeros(len(initial))
        along[[o, 0]] = 1.0, -1.0
        found = slope(lambda e, along=along: system.welfare(policy, initial + e * along), h)
        assert values[0, o] - values[0, 0] == pytest.approx(found, abs=tolerance * np.abs(q).max())
    assert initial @ values[0] == pytest.approx(system.welfare(policy, initial), rel=1e-12, abs=1e-13)


def check_policy(system, table, towards, initial, tolerance=1e-6):
    """gamma^t mu_t beta_t Q_t is the derivative of welfare in the policy."""
    mu, _, q = system.values(table, initial)
    found = slope(lambda e: system.welfare(table + e * (towards - table), initial), 2e-4)
    gain = 0.0
    for t in range(len(q)):
        weight = system.game.discount**t * mu[t] * share_at(system.active, mu[t], t)
        gain += weight @ np.where(table > 0, (towards - table) * q[t], 0.0).sum(axis=1)
    assert gain == pytest.approx(found, abs=tolerance * np.abs(q).max())


def own_game(rng, dependence, compiled=False):
    """A random game of three observations and two actions."""
    spec = strategies.GameSpec(
        3, 2, 4, 0.9, np.ones(3) / 3, dependence, rng.normal(size=(2, 3, 3, 2)),
        rng.dirichlet(np.ones(3), size=(2, 3, 3, 2)), rng.normal(size=(2, 3, 3)),
        rng.dirichlet(np.ones(3), size=(2, 3, 3)), None, None, compiled,
    )  # fmt: skip
    return spec.build()


def affine_parts(rng):
    rows = rng.dirichlet(np.ones(3), size=(3, 2, 3))  # at the corners
    at_zero = rows[:, :, 0]
    return {
        "horizon": 4, "discount": 0.9, "initial": np.ones(3) / 3,
        "reward0": rng.normal(size=(3, 2)), "reward_mu": rng.normal(size=(3, 2, 3)), "transition0": at_zero,
        "transition_mu": np.moveaxis(rows, 2, 3) - at_zero[..., None],
    }  # fmt: skip
