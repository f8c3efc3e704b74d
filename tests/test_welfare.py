"""Values with altruism 1 are the derivatives of welfare (theory.md section 14): on the shelf, and of games of one's own."""

import numpy as np
import pytest
from welfare_cases import System, affine_parts, check_policy, check_start, interior, own_game

import tmfcore as tmf
from tmfcore.games import SHELF


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.4)], ids=repr)
@pytest.mark.parametrize("name", sorted(SHELF))
def test_values_are_the_derivatives_of_welfare(name, schedule):
    rng = np.random.default_rng(3)
    system = System(SHELF[name].small(), schedule)
    n_obs = system.game.n_observations
    initial = 0.7 * rng.dirichlet(np.ones(n_obs)) + 0.3 / n_obs
    table = interior(system.game, rng)
    check_start(system, table, initial, h=1e-5 if name == "linear_quadratic" else 2e-4)  # its rows have kinks in mu
    check_policy(system, table, interior(system.game, rng), initial)


@pytest.mark.parametrize("dependence", ["fixed", "mu", "mu_t"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("schedule", "n_agents"),
    [
        (tmf.Batch(3), 10), (tmf.Bernoulli([[0.2, 0.9, 0.5]]), None),
        (tmf.Bernoulli(lambda mu, t: 0.2 + 0.5 * mu), None), (tmf.Fraction(lambda mu, t: 0.1 + 0.5 * mu[0] ** 2), None),
    ],
    ids=["Batch", "by observation", "by mu", "Fraction of mu"],
)  # fmt: skip
def test_so_they_are_for_own_games_whoever_acts(dependence, compiled, schedule, n_agents):
    rng = np.random.default_rng(5)
    game = own_game(rng, dependence, compiled)
    system = System(game, schedule, n_agents)
    initial = rng.dirichlet(np.ones(3)) * 0.5 + 0.5 / 3
    table = interior(game, rng)
    check_start(system, table, initial)
    check_policy(system, table, interior(game, rng), initial)


@pytest.mark.parametrize("dependence", ["fixed", "mu"])
def test_a_policy_that_sees_the_population_adds_its_own_derivative(dependence):
    rng = np.random.default_rng(7)
    game = own_game(rng, dependence)
    system = System(game, tmf.Fraction(0.6))
    initial = rng.dirichlet(np.ones(3)) * 0.5 + 0.5 / 3
    theta = rng.normal(size=(2, 3, 2, 4))
    check_start(system, tmf.SoftmaxPolicy(theta, horizon=4), initial)
    check_start(system, lambda mu, t: np.stack([0.2 + 0.6 * mu, 0.8 - 0.6 * mu], -1), initial)


def test_empty_observations_have_prices_too():
    """Where nobody is, the derivative is one-sided; there, too, V_0 is the derivative of welfare."""
    system = System(tmf.games.affine(**affine_parts(np.random.default_rng(1))), tmf.Synchronous())
    twin = System(as_functions(system.game), tmf.Synchronous())
    initial = np.array([1.0, 0.0, 0.0])
    table = np.array([[1.0, 0.0], [0.5, 0.5], [0.3, 0.7]])
    exact, found = (each.values(table, initial)[1] for each in (system, twin))
    np.testing.assert_allclose(found, exact, atol=1e-8)


def as_functions(game):
    """The same game, of which nothing is known."""
    return tmf.Game(
        game.n_observations, game.n_actions, game.horizon, game.discount, game.initial,
        lambda mu: game.tables(mu).reward, lambda mu: game.tables(mu).transition,
    )  # fmt: skip
