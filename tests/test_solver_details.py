"""What docstrings of solvers say to the digit: the weights of MFOMO, and what a stationary equilibrium needs."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.solvers import MFOMO, Stationary, mfomo

SYNCHRONOUS = tmf.Synchronous()


def queueing(**options):
    return tmf.games.queueing((0.1, 0.2, 0.3), **{"step": 1} | options).at()


@pytest.fixture
def weighed(monkeypatch):
    """The last two positional arguments of every objective that MFOMO makes: what the residuals of the flow and of values weigh."""
    made = []

    def objective(*arguments, **groups):
        made.append(arguments[-2:])
        return mfomo_objective(*arguments, **groups)

    mfomo_objective = mfomo.Occupation
    monkeypatch.setattr(mfomo, "Occupation", objective)
    return made


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("penalty", [100.0, 3.0])
@pytest.mark.parametrize(
    "game",
    [queueing(horizon=6), tmf.games.resource_selection((1.0, 0.2), congestion=0.1, horizon=6, step=1).at()],  # worth more to those who seldom act
    ids=lambda game: game.name,
)
def test_weights_of_mfomo(weighed, game, penalty, clock):
    """c R and c / (10 R); c doubles after a policy that is no better than the one before, else it falls by 1.2."""
    schedule = tmf.Fraction(0.5)
    found = MFOMO(iterations=12, tolerance=None, steps=3, penalty=penalty, clock=clock).solve(game, schedule)
    uniform = tmf.TabularPolicy.uniform(game)
    flow = tmf.mean_field(game, uniform, schedule)
    values = tmf.best_response(game, flow, schedule, clock=clock)[1]
    q = np.array([(lambda r, p: r + game.discount * p)(*_now_and_then(game, flow.mu[t], values[t + 1], t)) for t in range(6)])
    scale = (q.max(axis=-1, keepdims=True) - q).max()
    gaps, c = found.history["exploitability"], penalty
    assert len(weighed) >= 2
    for i, (of_flow, of_values) in enumerate(weighed):
        if i:
            c *= 2 if gaps[i] >= gaps[i - 1] else 1 / 1.2
        assert of_flow == pytest.approx(c * scale, rel=1e-12)
        assert of_values == pytest.approx(c / (10 * scale), rel=1e-12)


def _now_and_then(game, mu, values, t):
    reward, transition, _, _ = game.tables(mu, t)
    return reward, transition @ values


def six_cars(slow=50):
    """Braess' own roads without the shortcut, travel times in whole steps: slopes are 0 wherever they are asked for."""
    edges = [("O", "A"), ("A", "B"), ("A", "C"), ("B", "D"), ("C", "D"), ("D", "E")]
    network = tmf.games.RoadNetwork(
        edges, [0, 1e-9, slow, 50, 1e-9, 0], capacity=[1, 1e-10, 50, 50, 1e-10, 1], congestion=[0, 1, 1, 1, 1, 0]
    )
    return tmf.games.routing(network, demand=[("O->A", "D->E", 6)], step=10.0, horizon=9, rounding="down", max_delay=35)


def test_mfomo_leaves_a_minimum_above_0_for_the_uniform_policy_or_says_so():
    game = six_cars()
    first = tmf.TabularPolicy(np.tile([0.8, 0.2], (game.n_observations, 1)))
    found = MFOMO(steps=5).solve(game, SYNCHRONOUS, initial=first)
    rates = found.history["learning_rate"]
    assert found.converged and (rates[:-1] == 0).sum() == 1
    assert len(rates) > 15 and found.history["exploitability"][:-1].min() > 1e-2 * abs(found.mean_return)
    with pytest.warns(tmf.ConvergenceWarning, match=r"stuck at .* a minimum above 0: .* or use tmf\.solve"):
        stuck = MFOMO(steps=5).solve(six_cars(slow=35), SYNCHRONOUS)
    assert not stuck.converged and 0 not in stuck.history["learning_rate"][:-1]
    assert tmf.solve(six_cars(slow=35), SYNCHRONOUS, initial=stuck).converged


TABLES = {
    "reward": np.zeros((2, 2)), "transition": np.full((2, 2, 2), 0.5), "passive_reward": np.zeros(2), "passive_transition": np.eye(2),
}  # fmt: skip
OTHER = {
    "reward": np.ones((2, 2)), "transition": np.tile(np.eye(2), (2, 1, 1)), "passive_reward": np.ones(2),
    "passive_transition": np.full((2, 2), 0.5),
}  # fmt: skip


def changing(name, when, horizon):
    """A game of which one table is another at `when`."""
    tables = {**TABLES, name: lambda mu, t: OTHER[name] if t == when else TABLES[name]}
    return tmf.Game(2, 2, horizon, 0.9, [0.5, 0.5], **tables)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("when", "horizon"), [(1, 4), (3, 4), (1, 2)])
def test_a_stationary_equilibrium_needs_a_game_that_stays_the_same(name, when, horizon):
    with pytest.raises(ValueError, match=rf"tables at t={when} differ from those at t=0"):
        Stationary().solve(changing(name, when, horizon), tmf.Fraction(0.5))


@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_the_horizon_plays_no_role_in_a_stationary_equilibrium(horizon):
    found, other = (Stationary(iterations=20, tolerance=None).solve(queueing(horizon=h), tmf.Fraction(0.5)) for h in (horizon, 20))
    assert found.policy == other.policy
    np.testing.assert_array_equal(found.history["exploitability"], other.history["exploitability"])


def test_a_stationary_equilibrium_needs_a_schedule_that_stays_the_same():
    with pytest.raises(ValueError, match=r"active fraction is 0\.5 at t=1 and 1 at t=0"):
        Stationary().solve(queueing(horizon=3), tmf.Fraction([1.0, 0.5, 0.25]))
    found = Stationary(iterations=3, tolerance=None).solve(queueing(horizon=3), tmf.Fraction([0.5, 0.5, 0.5]))
    assert found.flow.active_fraction.tolist() == [0.5]
    assert found.flow.steps.tolist() == [0, 1]
    assert found.flow.mu.shape == (2, 4)


def test_a_distribution_settles_within_the_steps_and_the_tolerance_that_are_given():
    def residual(**options):
        return Stationary(iterations=1, tolerance=None, **options).solve(queueing(), SYNCHRONOUS).history["residual"]

    assert residual().max() <= 1e-12
    loose = residual(distribution_tolerance=1e-3)
    assert 1e-6 < loose.max() <= 1e-3
    assert residual(distribution_tolerance=10.0)[0] == pytest.approx(  # the start is taken for stationary
        np.abs(np.subtract(*tmf.mean_field(queueing(), tmf.TabularPolicy.uniform(queueing()), SYNCHRONOUS).mu[[1, 0]])).sum()
    )
    with pytest.raises(ValueError, match="after 3 steps; must be at most 1e-12"):
        residual(distribution_steps=3)
