"""The schedule Bernoulli with a probability by observation, or a function: how it reads, compares, pickles, and its errors."""

import pickle
import re

import numpy as np
import pytest

import tmfcore as tmf
from legal_cases import lawful
from strategies import random_game, random_policy


def half(mu):
    return 0.5


def test_a_schedule_by_observation_reads_and_travels_well():
    row, function = tmf.Bernoulli([[0.25, 1.0]]), tmf.Bernoulli(half)
    assert (repr(row), row.label) == ("Bernoulli(array([[0.25, 1.  ]]))", "p=0.25..1")
    assert (repr(function), function.label) == ("Bernoulli(half)", "p(mu, t)")
    for schedule in (row, function):
        again = pickle.loads(pickle.dumps(schedule))
        assert again == schedule and hash(again) == hash(schedule)
    assert row != tmf.Bernoulli([[0.25, 0.5]]) and row != tmf.Bernoulli([0.25, 1.0]) and function != row
    assert not row.p.flags.writeable


def test_rates_by_type_are_probabilities_by_observation():
    """games.typed with rates, under one probability p, is the same games without, under p times the rate of each type."""
    kinds = [tmf.games.queueing([0.1, 0.25], horizon=5, step=0.5), tmf.games.queueing([0.2], horizon=5, step=0.5)]
    options = {"shares": [0.6, 0.4], "coupling": np.eye(2)}
    rated = tmf.games.typed(kinds, rates=[1.0, 0.5], **options)
    table = tmf.Bernoulli([[0.4] * 3 + [0.2] * 2])
    # actions of one queue are none of the other
    policy = tmf.TabularPolicy(lawful(random_policy(5, 5, 3).parameters, rated))
    one = tmf.evaluate(rated, policy, tmf.Bernoulli(0.4))
    other = tmf.evaluate(tmf.games.typed(kinds, **options), policy, table)
    np.testing.assert_allclose(other.flow.mu, one.flow.mu, rtol=0, atol=1e-13)
    np.testing.assert_allclose(other.values, one.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_monotonicity_is_that_of_the_mean_rewards(seed):
    """Eigenvalues and verdict of the affine rewards beta(o) r + (1 - beta(o)) r0; a violation by the sum, written out."""
    rng = np.random.default_rng(seed)
    acting, waiting = rng.normal(size=(2, 3, 3)) - (seed % 2) * 3 * np.eye(3)
    share = np.array([0.9, 0.2, 0.5])
    options = {"transition0": np.eye(3)[None].repeat(3, axis=0), "transition_mu": None, "horizon": 3, "discount": 0.9}
    options |= {"initial": [0.5, 0.3, 0.2], "reward0": np.zeros((3, 3))}
    mixed = share[:, None] * acting + (1 - share[:, None]) * waiting
    tables = [matrix[:, None].repeat(3, axis=1) for matrix in (acting, mixed)]
    game = tmf.games.affine(reward_mu=tables[0], passive_reward_mu=waiting, **options)
    found = tmf.analysis.monotonicity(game, tmf.Bernoulli([share]), trials=40, rng=1)
    mean = tmf.games.affine(reward_mu=tables[1], passive_reward_mu=None, **options)
    expected = tmf.analysis.monotonicity(mean, tmf.Synchronous(), trials=40, rng=1)
    np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=0, atol=1e-12)
    assert (found.verdict == "strictly monotone") == (expected.eigenvalues.max() < 0)
    if found.violation is not None:
        first, second = (np.asarray(mu[:-1]) for mu in found.violation.flows)
        change = first - second
        total = sum(0.9**t * change[t] @ mixed @ change[t] for t in range(3))
        assert found.violation.value == pytest.approx(total, rel=1e-9) and total > 0


def test_results_of_different_probabilities_are_not_combined():
    game = random_game(3, 2, 2, 4, passive="dense").build()
    policy = tmf.TabularPolicy.uniform(game)

    def flow(p):
        return tmf.mean_field(game, policy, tmf.Bernoulli(p))

    one = flow([[0.25, 0.5]])
    assert one.fingerprint == flow(np.array([[0.25, 0.5]] * 4)).fingerprint
    assert flow(lambda mu: mu).fingerprint == flow(lambda mu: 1 * mu).fingerprint
    assert flow(lambda mu: mu).fingerprint != flow(lambda mu: mu**2).fingerprint
    tmf.evaluate(game, policy, tmf.Bernoulli([[0.25, 0.5]]), flow=one)
    with pytest.raises(ValueError, match="active fraction differs"):
        tmf.evaluate(game, policy, tmf.Bernoulli([[0.25, 0.6]]), flow=one)


@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        ([[0.5, 1.5]], ValueError, "p[0, 1] is 1.5; must be in [0, 1]"),
        ([[0.5, np.nan]], ValueError, "p[0, 1] is nan"),
        (np.zeros((0, 2)), ValueError, "p has shape (0, 2)"),
        (np.zeros((1, 2, 2)), ValueError, "p has shape (1, 2, 2)"),
        ([[0.5, 0.2], [0.1]], ValueError, "p is ragged"),
        (lambda: 0.5, TypeError, "p takes (); must be a function of (mu) or (mu, t)"),
        (lambda mu, t, z: 0.5, TypeError, "p takes (mu, t, z); must be a function of (mu) or (mu, t)"),
    ],
)  # fmt: skip
def test_errors_when_made(p, error, message):
    with pytest.raises(error, match=re.escape(message)):
        tmf.Bernoulli(p)


@pytest.mark.parametrize(
    ("p", "error", "message"),
    [
        ([[0.5, 0.5, 0.5]], ValueError, "p has 3 columns; must have one per observation, 2"),
        (np.full((3, 2), 0.5), ValueError, "p has 3 rows; must have 1, or one per step, horizon = 4"),
        (lambda mu, t: [0.5, 1 + t], ValueError, "p(mu, t=1)[1] is 2; must be in [0, 1]"),
        (lambda mu, t: 1.0 - 0.6 * t, ValueError, "p(mu, t=2) is -0.2; must be in [0, 1]"),
        (lambda mu: np.nan, ValueError, "p(mu, t=0) is nan; must be in [0, 1]"),
        (lambda mu: [0.5] * 3, ValueError, "p(mu, t=0) has shape (3,); must be (2,), one number per observation, or one"),
        (lambda mu: "often", TypeError, "p(mu, t=0) is"),
        (lambda mu: None, TypeError, "p(mu, t=0) is"),
        (lambda mu: 1 / 0, ZeroDivisionError, "division by zero"),
    ],
)  # fmt: skip
def test_errors_on_use(p, error, message):
    game = random_game(3, 2, 2, 4, passive="dense").build()
    policy, schedule = tmf.TabularPolicy.uniform(game), tmf.Bernoulli(p)
    calls = [
        lambda: tmf.mean_field(game, policy, schedule),
        lambda: tmf.exploitability(game, policy, schedule),
        lambda: tmf.simulate(game, policy, schedule, 10, engine="counts", rng=1),
        lambda: tmf.simulate(game, policy, schedule, 10, engine="agents", rng=1),
        lambda: tmf.solve(game, schedule, solver="MirrorDescent"),
        lambda: tmf.solve(game, schedule, solver="MFOMO"),
        lambda: tmf.solvers.TMFPG(critic="empirical").solve(game, schedule, n_agents=10, rng=1),
        lambda: tmf.analysis.fluctuations(game, policy, schedule),
    ]
    for call in calls:
        with pytest.raises(error, match=re.escape(message)) as caught:
            call()
        if error is ZeroDivisionError:
            assert "raised by p(mu, t) at step t = 0" in caught.value.__notes__


def test_where_one_share_of_the_population_is_needed():
    schedule = tmf.Bernoulli([[0.5, 1.0]])
    game = random_game(3, 2, 2, 4, passive="dense").build()
    with pytest.raises(ValueError, match="who acts depends on the population, and so does the share that acts"):
        schedule.active_fraction(4)
    with pytest.raises(ValueError, match="must be a number or an array, whose fractions weigh the rewards"):
        tmf.analysis.monotonicity(game, tmf.Bernoulli(lambda mu: mu))
    with pytest.raises(ValueError, match="must be made with the length of a step in sweeps"):
        tmf.mean_field(tmf.games.queueing([0.1]), np.full((2, 2), 0.5), schedule)
    assert tmf.mean_field(tmf.games.queueing([0.1], step=0.5), np.full((2, 2), 0.5), schedule).horizon == 40
