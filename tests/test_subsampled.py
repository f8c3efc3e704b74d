"""Value iteration of agents who see kappa neighbours: by enumeration, known special cases, and what greedy neighbours do."""

import warnings

import numpy as np
import pytest

import reference
import tmfcore as tmf
from strategies import random_game
from tmfcore.solvers import Subsampled

ALL = tmf.Synchronous()


def quietly(solver, game, schedule=ALL, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tmf.ConvergenceWarning)
        return solver.solve(game, schedule, *args, **options)


FIXED = np.array([[0.3, 0.7], [0.9, 0.1]])


@pytest.mark.parametrize("neighbours", ["average", "greedy", FIXED], ids=["average", "greedy", "fixed"])
@pytest.mark.parametrize(("kappa", "beta"), [(1, 1.0), (3, 0.5)])
@pytest.mark.parametrize("passive", ["dense", "identity"])
def test_an_iteration_is_that_over_all_moves_of_all_neighbours(kappa, beta, neighbours, passive):
    spec = random_game(3, 2, 2, 4, dependence="mu", passive=passive, sparse=passive == "dense")
    if passive == "identity":
        spec = random_game(4, 2, 2, 4, dependence="mu", passive=passive)
    for iterations in (1, 2, 5):
        q, plays = reference.subsampled(spec.reference(), kappa, beta, iterations, neighbours)
        found = quietly(Subsampled(kappa, neighbours=neighbours, iterations=iterations, tolerance=0), spec.build(), tmf.Fraction(beta))
        np.testing.assert_allclose(found.q, q, rtol=0, atol=1e-12)
        mean = isinstance(neighbours, str) and neighbours == "average"
        right = plays if mean else np.eye(2)[q.argmax(axis=-1)]
        np.testing.assert_allclose(found.policy.table[0], right, rtol=0, atol=1e-12)


def test_draws_agree_with_the_law():
    """50,000 draws of the next histogram: Q after a few iterations within five standard errors of its scale."""
    game = random_game(5, 3, 2, 4, dependence="mu", passive="dense").build()
    exact = quietly(Subsampled(4, iterations=6, tolerance=0), game, tmf.Fraction(0.5))
    drawn = [quietly(Subsampled(4, iterations=6, tolerance=0, samples=50_000), game, tmf.Fraction(0.5), rng=seed) for seed in (1, 1, 2)]
    assert exact.samples is None and drawn[0].samples == 50_000
    np.testing.assert_array_equal(drawn[0].q, drawn[1].q)
    assert (drawn[0].q != drawn[2].q).any()
    for one in drawn:
        np.testing.assert_allclose(one.q, exact.q, rtol=0, atol=5 * np.ptp(exact.q) / 50_000**0.5)


def test_many_agents_are_drawn_by_default():
    found = quietly(Subsampled(25, iterations=2), tmf.games.robotics(), rng=1)
    assert found.samples == 50 and found.policy.table.shape == (1, 351, 3, 3)


def test_without_interaction_it_is_the_decision_process():
    """The rows of Q are those of value iteration, whatever the histogram, and its greedy policy is a best response."""
    spec = random_game(6, 3, 2, 40, dependence="fixed", discount=0.8)
    game, tables = spec.build(), spec.reference().tables(np.ones(3) / 3, 0)
    q = np.zeros((3, 2))
    for _ in range(400):
        q = tables[0] + 0.8 * tables[1] @ q.max(axis=1)
    found = Subsampled(3, tolerance=1e-12, neighbours="greedy").solve(game, ALL)
    assert found.converged
    np.testing.assert_allclose(found.q, np.broadcast_to(q, found.q.shape), rtol=0, atol=1e-9)
    assert tmf.exploitability(game, found, ALL) < 0.8**30


def test_fixed_neighbours_make_a_contraction_and_greedy_ones_may_cycle():
    """Idle neighbours: what is published as code. Greedy ones: if all are idle all want to work, if all work nobody does."""
    game = tmf.games.robotics()
    idle = np.eye(3)[[0, 0, 0]]
    found = Subsampled(5, neighbours=idle, tolerance=1e-9).solve(game, ALL)
    assert found.converged
    ratios = found.residual[1:] / found.residual[:-1]
    assert (ratios < 0.95 + 1e-6).all()
    with pytest.warns(tmf.ConvergenceWarning, match="Subsampled has not converged in 600 iterations"):
        cycling = Subsampled(5, neighbours="greedy", iterations=600).solve(game, ALL)
    assert not cycling.converged and (cycling.residual[-100:] > 1).all()


def test_averaged_neighbours_converge_to_policies_that_get_better_with_kappa():
    """Exploitability of the exact pi_kappa in the mean field falls; the return rises towards that of the equilibrium, 123.8."""
    game = tmf.games.robotics()
    gaps, returns = [], []
    for kappa in (1, 3, 10, 20):
        found = Subsampled(kappa).solve(game, ALL)
        assert found.converged and found.gap[-1] <= 1e-3 * np.abs(found.q).max()
        gaps.append(tmf.exploitability(game, found.policy, ALL))
        returns.append(tmf.evaluate(game, found.policy, ALL).mean_return)
    np.testing.assert_allclose(gaps, [21.5, 8.3, 2.0, 0.9], rtol=0.05)
    np.testing.assert_allclose(returns, [58.8, 73.6, 102.5, 113.2], rtol=0.01)


def test_what_states_alone_do_not_tell():
    """The counterexample of docs/related.md: all at 0, r = g(1), an action is where one goes; kappa = 1, gamma = .9.

    A population of which half goes to 1, and a neighbour that stays, look the same; Q differs by gamma / 2.
    """
    move = np.eye(2)[None].repeat(2, axis=0)
    game = tmf.Game(2, 2, horizon=5, discount=0.9, initial=[1, 0], transition=move, reward=lambda mu: np.full((2, 2), mu[1]))
    found = [quietly(Subsampled(1, neighbours=plays, iterations=2), game) for plays in ([[0.5, 0.5]] * 2, [[1.0, 0.0]] * 2)]
    all_at_0 = 1  # histograms are (0, 1), (1, 0)
    np.testing.assert_allclose(found[0].q[all_at_0], 0.45, rtol=1e-15)
    np.testing.assert_array_equal(found[1].q[all_at_0], 0.0)


def test_a_game_on_positions_has_the_policy_of_its_game():
    game = tmf.games.robotics(horizon=8)
    near = tmf.games.graphon(game, positions=np.arange(6) / 6, weights=lambda x, y: np.abs(x - y) < 0.4, blocks=3)
    found = Subsampled(2).solve(near, tmf.Fraction(0.5))
    right = Subsampled(2).solve(game, tmf.Fraction(0.5))
    np.testing.assert_array_equal(found.q, right.q)
    assert tmf.mean_field(near, found, ALL).mu.shape == (9, 9)  # accepted as a policy
    other = tmf.games.typed([game, tmf.games.robotics(horizon=8, congestion=1.0)], shares=[0.5, 0.5])
    with pytest.raises(ValueError, match="type 2 has another game, or rate, than type 1; all types must be alike"):
        Subsampled(2).solve(other, ALL)


def test_illegal_actions_are_never_taken():
    legal = np.array([[False, True], [True, True]])
    game = random_game(1, 2, 2, 3, dependence="mu").build().replace(legal=legal)
    found = Subsampled(2, tolerance=1e-2).solve(game, ALL)
    assert (found.policy.table[..., 0, 0] == 0).all() and np.isnan(found.q[:, 0, 0]).all() and np.isfinite(found.q[:, 1]).all()


def test_games_and_settings_that_do_not_fit():
    game = tmf.games.robotics()
    with pytest.raises(ValueError, match=r"game.discount is 1; must be < 1"):
        Subsampled(1).solve(game.replace(discount=1.0), ALL)
    with pytest.raises(ValueError, match=r"the active fraction is 0\.5 at t=50 and 1 at t=0; must not depend on t"):
        Subsampled(1).solve(game, tmf.Fraction([1.0] * 50 + [0.5] * 50))
    with pytest.raises(ValueError, match="must have one number for all agents"):
        Subsampled(1).solve(game, tmf.Bernoulli([[0.1, 0.2, 0.3]]))
    with pytest.raises(ValueError, match="schedule is under Poisson clocks; must be in steps"):
        Subsampled(1).solve(game, tmf.Poisson())
    moving = tmf.Game(2, 2, horizon=3, discount=0.9, initial=[1, 0], transition=np.full((2, 2, 2), 0.5),
                      reward=lambda mu, t: np.full((2, 2), float(t)))  # fmt: skip
    with pytest.raises(ValueError, match="must not depend on t"):
        Subsampled(1).solve(moving, ALL)
    with pytest.raises(ValueError, match="neighbours is 'clever'"):
        Subsampled(1, neighbours="clever")
    with pytest.raises(ValueError, match=r"must have one stage, S = 3 and A = 3"):
        Subsampled(1, neighbours=FIXED).solve(game, ALL)
    with pytest.raises(ValueError, match="neighbours see kappa = 2 agents; must see 1"):
        Subsampled(1, neighbours=tmf.SampledPolicy(np.full((6, 3, 3), 1 / 3), 2)).solve(game, ALL)
    with tmf.max_memory("1 MB"), pytest.raises(MemoryError, match="kappa or samples must be smaller"):
        Subsampled(200).solve(game, ALL)
