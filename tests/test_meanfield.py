"""mean_field and evaluate: the verbs around the flow kernels, whose numbers are tested in test_flow and test_values."""

from __future__ import annotations

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._limit.evaluation import Evaluation
from tmfcore._limit.flows import Flow
from tmfcore._limit.mean_field import evaluate, mean_field


@pytest.fixture
def game():
    return tmf.games.queueing((0.1, 0.2, 0.3), horizon=9, step=1).at()


@pytest.fixture
def uniform(game):
    return tmf.TabularPolicy.uniform(game)


def test_flow_by_hand(game, uniform):
    """Phi of Theory, section 2, written out with the dense tables."""
    flow = mean_field(game, uniform, tmf.Fraction(0.3))
    mu = game.initial
    for t in range(game.horizon):
        _, transition, _, passive = game.tables(mu, t)
        active = np.einsum("o,oa,oax->x", mu, uniform.probabilities(mu), transition)
        mu = 0.3 * active + 0.7 * mu @ passive
        np.testing.assert_allclose(flow.mu[t + 1], mu, atol=1e-15)
    assert flow.game == game.name
    assert flow.horizon == 9
    np.testing.assert_array_equal(flow.active_fraction, np.full(9, 0.3))
    np.testing.assert_array_equal(flow.steps, np.arange(10))


@pytest.mark.parametrize("name", tmf.games.SHELF)
def test_what_is_made_unchecked_passes_every_check(name):
    game = tmf.games.SHELF[name].small()
    schedule = tmf.Synchronous() if game.unit == "steps" else tmf.Fraction(0.05)
    made = evaluate(game, tmf.TabularPolicy.uniform(game), schedule)
    for record in (made.flow, made):
        assert type(record)(**record._state()).equals(record)
        assert all(not value.flags.writeable for value in vars(record).values() if isinstance(value, np.ndarray))


@pytest.mark.parametrize("record_every", [1, 2, 4, 9, 50])
def test_recording_picks_rows(game, uniform, record_every):
    every = mean_field(game, uniform, tmf.Synchronous())
    some = mean_field(game, uniform, tmf.Synchronous(), record_every=record_every)
    assert some.steps[-1] == 9
    np.testing.assert_array_equal(some.mu, every.mu[some.steps])


def test_batches_become_fractions(game, uniform):
    np.testing.assert_allclose(
        mean_field(game, uniform, tmf.Batch(3), 30).mu, mean_field(game, uniform, tmf.Fraction(0.1)).mu
    )
    with pytest.raises(ValueError, match="n_agents"):
        mean_field(game, uniform, tmf.Batch(3))


def test_values_by_hand(game, uniform):
    """Section 3, both clocks, with the dense tables."""
    for clock, beta in (("schedule", 0.3), ("always", 1.0)):
        got = evaluate(game, uniform, tmf.Fraction(0.3), clock=clock)
        values = np.zeros(game.n_observations)
        for t in reversed(range(game.horizon)):
            mu = got.flow.mu[t]
            reward, transition, passive_reward, passive = game.tables(mu, t)
            q = reward + game.discount * transition @ values
            act = (uniform.probabilities(mu) * q).sum(axis=1)
            values = beta * act + (1 - beta) * (passive_reward + game.discount * passive @ values)
            np.testing.assert_allclose(got.q[t], q, atol=1e-14)
            np.testing.assert_allclose(got.values[t], values, atol=1e-14)
        assert got.mean_return == pytest.approx(game.initial @ values)
        assert got.clock == clock
        assert (got.values[-1] == 0).all()


def test_clocks_coincide_where_everybody_acts(game, uniform):
    one, other = (evaluate(game, uniform, tmf.Synchronous(), clock=clock) for clock in ("schedule", "always"))
    np.testing.assert_array_equal(one.values, other.values)


def test_a_deviation_along_a_given_flow(game, uniform):
    flow = mean_field(game, uniform, tmf.Fraction(0.5))
    response, values = tmf.best_response(game, flow, tmf.Fraction(0.5))
    deviation = evaluate(game, response, tmf.Fraction(0.5), flow=flow)
    assert deviation.flow is flow
    np.testing.assert_allclose(deviation.values, values)
    assert deviation.mean_return > evaluate(game, uniform, tmf.Fraction(0.5), flow=flow).mean_return
    assert isinstance(deviation, Evaluation)


def test_mean_return_is_what_agents_earn(game, uniform):
    """Monte Carlo, N = 10**6: the error is about 1e-3, the bound forty times the standard error."""
    run = tmf.simulate(game, uniform, tmf.Bernoulli(0.3), 10**6, replicas=20, rng=1)
    mean_return = evaluate(game, uniform, tmf.Bernoulli(0.3)).mean_return
    spread = run.returns.std(ddof=1) / 20**0.5
    assert abs(run.returns.mean() - mean_return) < 6 * spread + 1e-5


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Bernoulli(np.linspace(0, 1, 9))])
def test_save_and_load(game, uniform, tmp_path, schedule):
    flow = mean_field(game, uniform, schedule, record_every=4)
    flow.save(tmp_path / "flow.npz")
    back = Flow.load(tmp_path / "flow.npz")
    for name in ("mu", "steps", "active_fraction"):
        np.testing.assert_array_equal(getattr(back, name), getattr(flow, name))
    assert (back.horizon, back.game) == (flow.horizon, flow.game)


def test_errors(game, uniform):
    flow = mean_field(game, uniform, tmf.Synchronous(), record_every=2)
    with pytest.raises(ValueError, match=r"flow\.mu has 6 rows; must have T \+ 1 = 10"):
        evaluate(game, uniform, tmf.Synchronous(), flow=flow)
    longer = tmf.games.queueing((0.1, 0.2, 0.3), horizon=10, step=1).at()
    with pytest.raises(ValueError, match=r"flow\.horizon is 9; must be the game's, 10"):
        evaluate(longer, uniform, tmf.Synchronous(), flow=mean_field(game, uniform, tmf.Synchronous()))
    wider = tmf.games.queueing((0.1, 0.2, 0.3, 0.4), horizon=9, step=1).at()
    with pytest.raises(ValueError, match=r"flow\.mu has shape \(10, 4\); must be \(T\+1, S\) = \(10, 5\)"):
        tmf.best_response(wider, mean_field(game, uniform, tmf.Synchronous()), tmf.Synchronous())
    with pytest.raises(ValueError, match="clock is 'sometimes'; must be one of 'schedule', 'always'"):
        evaluate(game, uniform, tmf.Synchronous(), clock="sometimes")
    with pytest.raises(TypeError, match="flow"):
        evaluate(game, uniform, tmf.Synchronous(), flow=np.zeros((10, 4)))
    with pytest.raises(ValueError, match="record_every is 0; must be >= 1"):
        mean_field(game, uniform, tmf.Synchronous(), record_every=0)
    with pytest.raises(TypeError, match="schedule"):
        mean_field(game, uniform, 1.0)
    with pytest.raises(TypeError, match="game"):
        mean_field(None, uniform, tmf.Synchronous())
    with pytest.raises(ValueError, match="n_agents is 0; must be >= 1"):
        mean_field(game, uniform, tmf.Batch(1), 0)


def test_a_bad_row_met_on_the_way_is_named(game):
    def policy(mu, t):
        table = np.full((4, 4), 0.25)
        if t == 3:
            table[2] = 0.2
        return table

    with pytest.raises(ValueError, match=r"policy.*0\.8"):
        mean_field(game, policy, tmf.Synchronous())
