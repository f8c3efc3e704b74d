"""Poisson clocks in games that are neither affine nor constant: built-in ones, compiled rows, functions; and their passive agents."""

import math
import pickle
import re

import numpy as np
import pytest

import clock_cases
import stat_tests
import tmfcore as tmf

pytestmark = pytest.mark.law

N = 4

GAMES = {
    "queueing": tmf.games.queueing([0.3, 0.5], jockeying_cost=0.1, horizon=2, discount=0.8, initial=[0.5, 0.5, 0.0]),
    "resources": tmf.games.resource_selection((1.0, 0.6, 0.2), congestion=1.0, power=1.5, switching_cost=0.2, horizon=2, discount=0.8),
    "bar": tmf.games.beach_bar(4, horizon=1.5, discount=0.8),
    "motion": tmf.games.crowd_motion((2, 2), horizon=1.5, discount=0.8),
    "typed": tmf.games.typed(
        [tmf.games.infection_by_contact(i, recovery=0.3, horizon=2, discount=0.8, initial=[0.5, 0.5]) for i in (0.9, 0.4)], shares=[0.5, 0.5]
    ),
}  # fmt: skip


@pytest.mark.parametrize("by_place", [False, True])
@pytest.mark.parametrize("name", sorted(GAMES))
@pytest.mark.broad(2)
def test_built_in_games_have_the_law_of_their_tables(name, by_place):
    """Counts at two times, and returns, against the chain enumerated from the tables of very short steps."""
    game = GAMES[name]
    n_obs = game.n_observations
    rate = np.linspace(0.6, 1.4, n_obs) if by_place else 1.2
    policy = np.random.default_rng(1).dirichlet(np.ones(game.n_actions), n_obs)
    chain = clock_cases.GameChain(game, rate, policy, N)
    replicas = 2500
    for decisions in (False, True):
        run = tmf.simulate(
            game, policy, tmf.Poisson(rate, most=2.0), N, replicas=replicas, rng=3, times=[0, game.horizon / 2, game.horizon], decisions=decisions
        )
        start = run.counts[0, 0]
        for j in (1, 2):
            stat_tests.assert_law(run.counts[:, j], chain.law(start, run.times[j]))
        stat_tests.assert_mean(run.returns, chain.earned(start, game.horizon, -math.log(game.discount)))


def test_compiled_rows_and_functions_play_the_same_game():
    """A row function compiled by numba, and Python functions of mu: equal events, draw for draw."""
    numba = pytest.importorskip("numba")
    case = clock_cases.random_case(41, n_obs=2)
    rows, reward, standing, rates = case.rows, case.reward, case.standing, case.rates
    signature = "int32(int32, int32, int32, CPointer(float64), CPointer(float64), CPointer(float64), voidptr)"

    @numba.cfunc(signature)
    def row(t, o, a, mu, out, gain, user):
        for x in range(2):
            out[x] = 0.0
            for y in range(2):
                out[x] += (rows[o, a, x, y] if a >= 0 else rates[o, x, y]) * mu[y]
        gain[0] = 0.0
        for y in range(2):
            gain[0] += (reward[o, a, y] if a >= 0 else standing[o, y]) * mu[y]
        return 0

    compiled = tmf.Game.compiled(
        row, n_observations=2, n_actions=2, horizon=case.horizon, discount=case.discount, initial=case.initial, time="sweeps"
    )
    who, runs = tmf.Poisson(case.rate, most=4.0), []
    for game in (compiled, clock_cases.built(case, "functions")):
        runs.append(tmf.simulate(game, case.policy, who, 20, replicas=20, rng=5, times=0.5))
    np.testing.assert_array_equal(runs[0].counts, runs[1].counts)
    np.testing.assert_array_equal(runs[0].decisions, runs[1].decisions)
    np.testing.assert_allclose(runs[0].returns, runs[1].returns, rtol=1e-9)


def test_a_bound_that_is_too_small_is_named():
    with pytest.raises(ValueError, match=re.escape("must be at most 0.01, which Poisson(rate, most=...) states")):
        tmf.simulate(GAMES["queueing"], np.full((3, 3), 1 / 3), tmf.Poisson(1.0, most=0.01), 1000, rng=1)
    with pytest.raises(ValueError, match="most is None"):
        tmf.simulate(GAMES["queueing"], np.full((3, 3), 1 / 3), tmf.Poisson(), 10, rng=1)


def test_games_that_end_are_refused():
    """A cost at the horizon depends on t; routing has steps of its own."""
    with pytest.raises(ValueError, match="whose tables depend on t"):
        tmf.mean_field(tmf.games.linear_quadratic(3, horizon=1.5), np.full((3, 7), 1 / 7), tmf.Poisson())
    with pytest.raises(ValueError, match="in steps; must be in sweeps"):
        tmf.mean_field(tmf.games.braess(), [[1.0]], tmf.Poisson())


def test_rewards_and_features_that_change_are_refused():
    """By their reason: not for want of memory for 2^30 steps, and not played as at the start."""
    worth = np.random.default_rng(0).random((300, 5))
    periodic = np.tile(worth[:1], (300, 1))
    periodic[77] = worth[1]
    bars = [tmf.games.beach_bar(5, worth=given, horizon=4) for given in (worth[:4], worth[[0, 1, 0]], worth, periodic)]
    features = tmf.games.linear_features(5, n_actions=3, horizon=4)
    for game in (*bars, features, tmf.games.typed(bars[1:2] * 2, shares=[0.5, 0.5])):
        uniform = np.full((game.n_observations, 3), 1 / 3)
        for verb, sizes in ((tmf.mean_field, ()), (tmf.exploitability, ()), (tmf.simulate, (10,))):
            with pytest.raises(ValueError, match="whose tables depend on t"):
                verb(game, uniform, tmf.Poisson(), *sizes)


def test_a_game_is_compared_with_itself_once():
    game = tmf.games.beach_bar(5, worth=np.ones((3, 5)), horizon=4)
    uniform = np.full((5, 3), 1 / 3)
    first = tmf.mean_field(game, uniform, tmf.Poisson())
    assert first.equals(tmf.mean_field(game, uniform, tmf.Poisson()))
    assert first.equals(tmf.mean_field(pickle.loads(pickle.dumps(game)), uniform, tmf.Poisson()))
