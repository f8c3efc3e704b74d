"""Stationary equilibria: scored as long games are, closed forms, slow chains, and what is said where there is none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tmfcore as tmf
from solver_cases import queueing, resource_selection, rock_paper_scissors
from tmfcore.solvers import Stationary

# ------------------------------------------------------------------------------------------------------ stationary


def lasting(game: tmf.Game, initial, horizon: int) -> tmf.Game:
    """The same game over another horizon, from another start."""
    return tmf.Game.from_model(game.model, horizon, game.discount, initial)


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.3), tmf.Bernoulli(0.5)])
@pytest.mark.parametrize("build", [resource_selection, queueing, lambda **o: tmf.games.beach_bar(7, discount=0.9, **{"step": 1} | o).at()])
def test_stationary_scores_are_those_of_a_long_game(build, schedule, clock):
    """Played from the distribution it settles at, over so long a time that the rest does not count."""
    game = build()
    solver = Stationary(iterations=4, tolerance=None, clock=clock)
    for found in (solver.solve(game, schedule), Stationary(clock=clock).solve(game, schedule)):
        mu, after = found.flow.mu
        assert np.abs(after - mu).sum() == pytest.approx(found.history["residual"][found.best_iteration], abs=1e-15)
        assert np.abs(after - mu).sum() <= 1e-12
        long = lasting(game, mu, 800)
        assert np.abs(tmf.mean_field(long, found.policy, schedule).mu - mu).max() < 1e-10
        gap = tmf.exploitability(long, found.policy, schedule, clock=clock)
        assert found.exploitability == pytest.approx(gap, abs=1e-9)
        value = tmf.evaluate(long, found.policy, schedule, clock=clock).mean_return
        assert found.mean_return == pytest.approx(value, rel=1e-9)
    assert found.converged and found.relative_exploitability <= 1e-4


def test_the_stationary_equilibrium_of_free_switching_is_wardrop():
    values, congestion = (1.0, 0.8, 0.6, 0.4), (1.0, 2.0, 0.5, 1.0)
    game = tmf.games.resource_selection(values, congestion=congestion, horizon=1, step=1).at()
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.1)):
        found = Stationary(tolerance=1e-10).solve(game, schedule)
        np.testing.assert_allclose(found.flow.mu[0], tmf.games.wardrop(values, congestion=congestion), atol=1e-5)


def test_a_stationary_distribution_by_hand():
    """Two places, left with probabilities 0.2 and 0.6 whatever one does: mu = (3/4, 1/4), also where steps alternate."""
    for moves, mu in (([[0.8, 0.2], [0.6, 0.4]], [0.75, 0.25]), ([[0.0, 1.0], [1.0, 0.0]], [0.5, 0.5])):
        game = tmf.Game(2, 1, 5, 0.5, [1, 0], [[1.0], [3.0]], np.array(moves)[:, None, :])
        found = Stationary().solve(game, tmf.Synchronous())
        np.testing.assert_allclose(found.flow.mu[0], mu, atol=1e-11)
        assert found.mean_return == pytest.approx((mu[0] + 3 * mu[1]) / (1 - 0.5))
        assert found.exploitability == 0


@pytest.mark.parametrize("leaving", [1e-3, 1e-7, 1e-11])
def test_a_chain_that_is_nearly_frozen_settles(leaving):
    """Left once in 10^11 steps, places have their shares by balance: mu(o) leaving(o) alike; parts that never mix keep theirs."""
    rates = leaving * np.array([1.0, 3.0, 2.0])
    rows = np.diag(1 - rates) + np.diag(rates)[:, [2, 0, 1]]
    whole = np.zeros((5, 5))
    whole[:3, :3], whole[3:, 3:] = rows, [[0.0, 1.0], [1.0, 0.0]]
    game = tmf.Game(5, 1, 5, 0.5, [0.6, 0, 0, 0.4, 0], np.zeros((5, 1)), whole[:, None, :])
    found = Stationary(distribution_tolerance=1e-15).solve(game, tmf.Synchronous())
    shares = 0.6 * (1 / rates) / (1 / rates).sum()
    np.testing.assert_allclose(found.flow.mu[0], [*shares, 0.2, 0.2], rtol=max(1e-9, 4e-16 / leaving))
    assert found.history["residual"].max() <= 1e-15


@pytest.mark.parametrize(
    "game",
    [
        tmf.games.beach_bar(20, discount=0.99, step=1).at(),  # the first descent freezes at one end of the beach
        tmf.games.beach_bar(20, discount=0.9, step=1).at(),
        tmf.games.beach_bar(20, discount=0.95, noise=(0.0, 1.0, 0.0), step=1).at(),
        tmf.games.queueing((0.057, 0.505), discount=0.99, step=1).at(),
        tmf.games.crowd_motion((5, 5), discount=0.95, step=1).at(),
        tmf.games.garnet(12, n_actions=4, rng=1, discount=0.99, congestion=1.5, coupling=0.3, step=1).at(),
    ],
    ids=lambda game: f"{game.name} {game.n_observations} {game.discount}",
)
def test_stationary_converges_where_chains_are_slow(game):
    found = Stationary().solve(game, tmf.Synchronous())
    assert found.converged and found.history["residual"].max() <= 1e-12
    (begun,) = np.nonzero(found.history["learning_rate"][:-1] == 0)
    first = found.history["learning_rate"][[0, *(begun + 1)]]
    np.testing.assert_allclose(first, first[0] * 0.1 ** np.arange(len(first)), rtol=1e-9)


# ------------------------------------------------------------------------------------------------------ average reward


def test_gains_by_hand():
    """Left with probabilities 0.2 and 0.6: mu = (3/4, 1/4), gain 3/4 + 3/4; two places that alternate: gain 2 of 1 and 3."""
    for moves, gain in (([[0.8, 0.2], [0.6, 0.4]], 1.5), ([[0.0, 1.0], [1.0, 0.0]], 2.0)):
        game = tmf.Game(2, 1, 5, 1.0, [1, 0], [[1.0], [3.0]], np.array(moves)[:, None, :])
        found = Stationary().solve(game, tmf.Synchronous())
        assert found.mean_return == pytest.approx(gain, rel=1e-11) and found.exploitability == 0


def test_the_best_gain_by_hand():
    """Three places in a circle, which an agent may leave or not; it earns 3 at the third, and stays there if it can."""
    rows = np.stack([np.eye(3), np.roll(np.eye(3), 1, axis=1)], axis=1)
    game = tmf.Game(3, 2, 5, 1.0, np.full(3, 1 / 3), np.repeat([[0.0], [1.0], [3.0]], 2, axis=1), rows)
    found = Stationary(iterations=1, tolerance=None).solve(game, tmf.Synchronous())
    assert found.history["mean_return"][0] == pytest.approx(4 / 3) and found.history["exploitability"][0] == pytest.approx(5 / 3)


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.3), tmf.Bernoulli(0.5)])
@pytest.mark.parametrize("build", [resource_selection, queueing, lambda **o: tmf.games.beach_bar(7, step=1, **o).at()])
@pytest.mark.broad
def test_gains_are_those_of_patient_agents(build, schedule):
    """(1 - gamma) V tends to the gain, and exploitability with it, as gamma tends to 1; the error is of order 1 - gamma."""
    game = build(discount=1.0)
    pi = np.random.default_rng(1).dirichlet(np.full(game.n_actions, 2.0), game.n_observations)
    found = Stationary(iterations=1, tolerance=None).solve(game, schedule, initial=pi).history
    errors = []
    for gamma in (1 - 1e-3, 1 - 1e-4):
        patient = Stationary(iterations=1, tolerance=None).solve(build(discount=gamma), schedule, initial=pi).history
        assert found["mean_return"][0] == pytest.approx((1 - gamma) * patient["mean_return"][0], rel=1e-7)
        errors.append(abs(found["exploitability"][0] - (1 - gamma) * patient["exploitability"][0]))
    assert 0.09 * errors[0] <= errors[1] <= 0.11 * errors[0]
    assert Stationary().solve(build(discount=1.0), schedule).converged


def test_gains_are_per_sweep_and_per_step():
    for n in (1, 10, 100):
        game = tmf.games.resource_selection((1.0, 0.8), congestion=1.0, discount=1.0)
        found = Stationary().solve(game, tmf.Batch(n), 100)
        assert found.mean_return == pytest.approx(0.4, abs=2e-4)  # wardrop: 1 - 0.6
    assert Stationary().solve(game.at(step=0.5), tmf.Fraction(0.5)).mean_return == pytest.approx(0.4, abs=2e-4)


def test_gains_of_types_that_do_not_meet():
    """The mean over the types; each has its own, and its own best response."""
    parts = [tmf.games.resource_selection(values, congestion=values[0], discount=1.0, step=1) for values in ((1.0, 0.8), (10.0, 8.0))]
    alone = [Stationary(iterations=2, tolerance=None).solve(part, tmf.Synchronous()) for part in parts]
    game = tmf.games.typed(parts, shares=[0.5, 0.5], coupling=[[2.0, 0.0], [0.0, 2.0]])
    start = np.zeros((4, 2))
    start[:2], start[2:] = (each.policy.table[0] for each in alone)
    found = Stationary(iterations=1, tolerance=None).solve(game, tmf.Synchronous(), initial=start)
    assert found.history["mean_return"][0] == pytest.approx(0.5 * sum(each.mean_return for each in alone), rel=1e-9)
    assert found.history["exploitability"][0] == pytest.approx(0.5 * sum(each.exploitability for each in alone), rel=1e-6)


def test_the_gain_of_the_swarm_is_its_closed_form():
    """games.swarm: with the best speed at every place a chain of 50 places earns 0.80584 per unit of time."""
    S = 50
    y = np.arange(S) / S
    game = tmf.games.swarm(S, actions=np.unique(np.round(2 * np.pi * np.cos(2 * np.pi * y), 6)))
    found = Stationary(tolerance=1e-6).solve(game, tmf.Synchronous())
    assert found.mean_return / (0.9 / S**2) == pytest.approx(0.80584, abs=2e-4)
    exact = np.exp(2 * np.sin(2 * np.pi * y)) / np.i0(2) / S
    assert np.abs(found.flow.mu[0] - exact).sum() < 5e-3


def test_stationary_says_where_it_goes_round():
    game = tmf.Game.from_model(rock_paper_scissors().model, 5, 0.9, [1, 0, 0, 0])
    with pytest.warns(tmf.ConvergenceWarning, match="each of 5 descents ended with 100 iterations without a better policy"):
        assert not Stationary().solve(game, tmf.Synchronous()).converged


def test_stationary_resumes_saves_and_starts_from_policies(tmp_path):
    game, schedule = queueing(step=1).at(), tmf.Fraction(0.5)
    solver = Stationary(iterations=5, tolerance=None)
    first = solver.solve(game, schedule)
    first.save(tmp_path / "s.npz")
    second = solver.solve(game, schedule, initial=tmf.Solution.load(tmp_path / "s.npz"))
    whole = dataclasses.replace(solver, iterations=10).solve(game, schedule)
    assert second.policy == whole.policy and second.exploitability == whole.exploitability
    found = solver.solve(game, schedule, initial=first.policy)
    # rows with an entry below 1e-6 / A are mixed with the uniform policy
    assert found.history["exploitability"][0] == pytest.approx(first.exploitability, rel=1e-4)


def test_stationary_errors():
    def solve(game, schedule=None, **options):
        return Stationary(**options).solve(game, schedule or tmf.Synchronous())

    with pytest.raises(ValueError, match=r"altruism is 0\.5 with discount 1 over an infinite horizon; must be 0"):
        solve(queueing(discount=1.0, step=1).at(), altruism=0.5)
    with pytest.raises(ValueError, match=r"game\.discount is 1; must be < 1 under Poisson clocks"):
        solve(tmf.games.queueing((0.1, 0.2, 0.3), discount=1.0), tmf.Poisson(1.0))
    with pytest.raises(ValueError, match=r"gains still change by .* per step after 50 steps"):
        solve(queueing(discount=1.0, step=1).at(), distribution_steps=50, distribution_tolerance=1.0)
    with pytest.raises(ValueError, match=r"active fraction is 0\.5 at t=2 and 1 at t=0; must not depend on t"):
        solve(queueing(horizon=3, step=1).at(), tmf.Fraction([1.0, 1.0, 0.5]))
    game = tmf.Game(2, 2, 3, 0.9, [1, 0], lambda mu, t: np.full((2, 2), float(t == 2)), np.full((2, 2, 2), 0.5))
    with pytest.raises(ValueError, match="tables at t=2 differ from those at t=0; must not depend on t"):
        solve(game)
    with pytest.raises(ValueError, match=r"still moves by .* per step after 3 steps; must be at most 1e-12") as caught:
        solve(queueing(step=1).at(), distribution_steps=3)
    assert caught.value.__notes__ == ["in iteration 0 of Stationary"]
    with pytest.raises(ValueError, match="initial has 2 stages; must have 1"):
        Stationary().solve(queueing(step=1).at(), tmf.Synchronous(), initial=tmf.TabularPolicy.uniform(queueing(step=1).at(), stages=2))
    with pytest.raises(ValueError, match="distribution_steps is 0"):
        Stationary(distribution_steps=0)
    with pytest.raises(ValueError, match="distribution_tolerance is -1"):
        Stationary(distribution_tolerance=-1)
