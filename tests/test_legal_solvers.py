"""Solvers of games with illegal actions find what they find in the games of the legal ones."""

import dataclasses

import numpy as np
import pytest

import tmfcore as tmf
from legal_cases import FAMILIES, T, pair_of, quiet
from solver_cases import cases

#: Rounding is amplified where derivatives are differences: MF-OMO's, and those in Newton's method.
TOLERANCES = {"MFOMO": 1e-6, "Homotopy": 1e-6, "TMFPG": 1e-10}
EXACT = {  # in the limit TMF-PG draws nothing, either
    name: dataclasses.replace(solver, replicas=None) if solver.name == "TMFPG" else solver
    for name, solver in cases(iterations=6, tolerance=None, absolute_tolerance=None).items()
}


@pytest.mark.parametrize("kind", ["arrays", "mu", "sparse", "compiled"])
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.broad
def test_solvers_find_what_they_find_in_the_game_of_the_legal_actions(name, kind):
    solver = EXACT[name]
    pair = pair_of(kind, seed=1)
    if solver.name in ("MFOMO", "Homotopy"):
        solver = dataclasses.replace(solver, iterations=1)
    one, other = (quiet(lambda game=game: solver.solve(game, tmf.Fraction(0.7))) for game in (pair.padded, pair.compact))
    steps = range(T)
    got, wanted = (
        np.stack([s.policy.probabilities(s.flow.mu[t], t, T) for t in steps]) for s in (one, other)
    )
    assert not got[:, ~pair.legal].any()
    atol = TOLERANCES.get(solver.name, 1e-12)
    np.testing.assert_allclose(pair.narrow(got), wanted, rtol=0, atol=atol)
    np.testing.assert_allclose(one.history["exploitability"], other.history["exploitability"], rtol=0, atol=10 * atol)
    assert one.best_iteration == other.best_iteration


@pytest.mark.parametrize("name", EXACT)
def test_solvers_start_and_go_on_from_policies_of_the_game(name):
    solver = EXACT[name]
    pair = pair_of("mu", seed=2)
    policies = pair.policy(3, stages=T)
    one, other = (
        quiet(lambda game=game, start=start: solver.solve(game, tmf.Fraction(0.7), initial=start))
        for game, start in zip((pair.padded, pair.compact), policies, strict=True)
    )
    assert one.history["exploitability"][0] == pytest.approx(other.history["exploitability"][0], abs=1e-5)
    more = quiet(lambda: solver.solve(pair.padded, tmf.Fraction(0.7), initial=one))
    assert more.history["iteration"][0] == one.history["iteration"][-1]
    table = np.stack([more.policy.probabilities(more.flow.mu[t], t, T) for t in range(T)])
    assert not table[:, ~pair.legal].any()


@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
@pytest.mark.parametrize("gradient", ["natural", "plain"])
@pytest.mark.parametrize("aware", [False, True])
def test_policy_gradients_vanish_at_illegal_actions(critic, gradient, aware):
    pair = pair_of("mu", seed=3)
    solver = tmf.solvers.TMFPG(
        critic=critic, gradient=gradient, population_aware=aware, iterations=4, entropy=0.1, tolerance=None
    )
    found = solver.solve(pair.padded, tmf.Synchronous(), 50, rng=1)
    theta = found.policy.theta
    first = theta[..., 0] if aware else theta
    assert np.isneginf(first[:, ~pair.legal]).all()
    assert np.isfinite(first[:, pair.legal]).all()
    assert first[:, pair.legal].any()
    if aware:
        assert not theta[:, ~pair.legal, 1:].any()
        assert theta[:, pair.legal, 1:].any()
    assert tmf.exploitability(pair.padded, found, tmf.Synchronous()) == pytest.approx(found.exploitability)


def test_stationary_equilibria():
    pair = pair_of("mu", seed=1, concentration=5.0)
    solver = tmf.solvers.Stationary(iterations=8, tolerance=None, absolute_tolerance=None)
    one, other = (quiet(lambda game=game: solver.solve(game, tmf.Fraction(0.7))) for game in (pair.padded, pair.compact))
    np.testing.assert_allclose(one.policy.table, pair.wide(other.policy.table), rtol=0, atol=1e-12)
    np.testing.assert_allclose(one.flow.mu, other.flow.mu, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", FAMILIES)
def test_solve_converges(kind):
    pair = pair_of(kind, seed=4)
    one, other = (tmf.solve(game, tmf.Fraction(0.5), tolerance=1e-3) for game in (pair.padded, pair.compact))
    assert one.converged
    assert not one.policy.table[:, ~pair.legal].any()
    assert one.mean_return == pytest.approx(other.mean_return, rel=0.05)


def test_entropy_counts_legal_actions_only():
    """One step, one observation with two legal actions of four: the logit equilibrium has their softmax."""
    legal = np.array([[False, True, False, True]])
    reward = np.array([[np.nan, 1.0, np.inf, 0.0]])
    game = tmf.Game(1, 4, 1, 1.0, [1.0], reward, np.ones((1, 4, 1)), legal=legal)
    solver = tmf.solvers.PriorDescent(temperature=0.5, prior_every=None, iterations=3, tolerance=None)
    table = quiet(lambda: solver.solve(game, tmf.Synchronous())).policy.table[0, 0]
    np.testing.assert_allclose(table, [0, 1 / (1 + np.exp(-2)), 0, 1 / (1 + np.exp(2))], rtol=0, atol=1e-12)
