"""Typed games of every game of the shelf: a coupling is refused, or every verb is right and no type loses an agent."""

import functools
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stat_tests
import tmfcore as tmf
from tmfcore.games import by_type, typed

HORIZON = 4


@functools.cache
def shelf(seed):
    """A small game of every kind on the shelf, with parameters of its own, HORIZON steps long, without discount."""
    rng = np.random.default_rng(seed)
    g, size = tmf.games, 4
    corners = rng.dirichlet(np.ones(size), size=(size, 2, size))  # (o, a, y, x)
    base = corners.mean(axis=2) * rng.uniform(0, 1)
    slopes = np.moveaxis(corners - base[:, :, None], 2, 3)
    everywhere = {"horizon": HORIZON, "discount": 1.0}
    made = {
        "resource_selection": g.resource_selection(rng.uniform(0, 1, size), congestion=1.0, **everywhere),
        "queueing": g.queueing(rng.uniform(0.1, 1, size - 1), **everywhere),
        "beach_bar": g.beach_bar(size, **everywhere),
        "crowd_motion": g.crowd_motion((2, 2), **everywhere),
        "building_evacuation": g.building_evacuation(1, length=2, width=2, **everywhere),
        "linear_quadratic": g.linear_quadratic(size, cross=0.2, horizon=HORIZON - 1),
        "linear_quadratic ring": g.linear_quadratic(size, rounding="nearest", wrap=True, horizon=HORIZON - 1),
        "braess": g.braess(horizon=HORIZON),
        "left_right": g.left_right(rng.uniform(0, 2, 2), horizon=HORIZON),
        "rock_paper_scissors": g.rock_paper_scissors(horizon=HORIZON),
        "susceptible_infected": g.susceptible_infected(rng.uniform(0, 1), horizon=HORIZON),
        "garnet": g.garnet(size, n_actions=2, n_successors=2, coupling=rng.uniform(0, 1), monotone=False, rng=seed, **everywhere),
        "affine": g.affine(
            rng.normal(size=(size, 2)), reward_mu=None if seed % 2 else rng.normal(size=(size, 2, 1)) * np.ones((1, 1, size)), transition0=base, transition_mu=slopes,
            passive_reward_mu=rng.normal(size=(size, 1)) + np.eye(size), initial=np.full(size, 1 / size), **everywhere,
        ),
        "callables": tmf.Game(
            size, 2, HORIZON, 1.0, np.full(size, 1 / size), lambda mu: np.outer(mu, [1.0, 2.0]), corners[:, :, 0],
        ),
    }  # fmt: skip
    return {name: game.at(step=1) for name, game in made.items()}


NAMES = sorted(shelf(0))


@st.composite
def mixtures(draw):
    seed = draw(st.integers(0, 30))
    name = draw(st.sampled_from(NAMES))
    kind = shelf(seed)[name]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_types = draw(st.integers(1, 3))
    shares = rng.dirichlet(np.ones(n_types))
    if n_types == 2 and draw(st.booleans()):
        shares = np.array([1.0, 0.0])
    shape = draw(st.sampled_from(["ones", "small", "own", "mean 1", "large", "zeros", "matrix", "mean 1 matrix"]))
    size = n_types * kind.n_observations
    if shape == "ones":
        coupling = np.ones((n_types, n_types))
    elif shape == "own":
        coupling = np.diag(1 / np.maximum(shares, 1e-3))
    elif shape == "mean 1":
        coupling = rng.uniform(0, 1, (n_types, n_types))
        coupling /= (coupling @ shares)[:, None]
    elif shape == "matrix":
        coupling = rng.uniform(0, draw(st.sampled_from([0.1, 1.0])), (size, size)) * (rng.random((size, size)) < 0.3)
    elif shape == "mean 1 matrix":
        coupling = np.concatenate([rng.dirichlet(np.ones(kind.n_observations), size).T for _ in range(n_types)])
    else:
        coupling = rng.uniform(0, {"small": 1.0, "large": 4.0, "zeros": 1.0}[shape], (n_types, n_types))
        if shape == "zeros":
            coupling *= rng.random((n_types, n_types)) < 0.5
    rates = np.where(rng.random(n_types) < 0.5, 1.0, rng.uniform(0.1, 1, n_types))
    return [kind] * n_types, shares, coupling, rates, rng


def masses(game, mu):
    return np.stack([part.sum(axis=-1) for part in by_type(game, mu).values()], axis=-1)


@given(mixtures())
def test_a_coupling_is_refused_or_right_in_every_verb(mixture):
    kinds, shares, coupling, rates, rng = mixture
    try:
        game = typed(kinds, shares=shares, coupling=coupling, rates=rates)
    except ValueError as error:
        text = str(error)
        assert re.match(r"coupling\[\d+, \d+\] is [\d.e+-]+[,;]", text), text
        assert "must" in text
        return
    for mu in (
        game.initial,
        np.concatenate([share * rng.dirichlet(np.full(kind.n_observations, 0.1)) for share, kind in zip(shares, kinds, strict=True)]),
        rng.dirichlet(np.ones(game.n_observations)),  # types by other shares, as among agents that are sampled
    ):
        _, rows, _, waiting = game.tables(mu / mu.sum(), int(rng.integers(HORIZON)))
        for table in (rows, waiting):
            assert (table >= 0).all()
            np.testing.assert_allclose(table.sum(axis=-1), 1, rtol=0, atol=1e-8)
    policy, schedule = tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5)
    flow = tmf.mean_field(game, policy, schedule)
    np.testing.assert_allclose(masses(game, flow.mu), np.broadcast_to(shares, (HORIZON + 1, len(shares))), atol=1e-12)
    for engine in ("counts", "agents"):
        run = tmf.simulate(game, policy, schedule, n_agents=60, engine=engine, rng=1, start="sampled")
        counts = masses(game, run.counts)
        assert (counts == counts[:, :1]).all()
    value = tmf.evaluate(game, policy, schedule).mean_return
    assert np.isfinite(value)
    assert tmf.exploitability(game, policy, schedule) >= -1e-9 * (1 + abs(value))
    spread = tmf.analysis.fluctuations(game, policy, schedule, 60)
    np.testing.assert_allclose(masses(game, spread.mu), masses(game, flow.mu), atol=1e-9)
    np.testing.assert_allclose(masses(game, spread.bias)[1:], masses(game, spread.bias)[:1].repeat(HORIZON, 0), atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_an_affine_game_is_shown_what_its_formula_says(seed):
    """Rewards and rows at x, of any sum, are those of the page: constants plus slopes times x."""
    rng = np.random.default_rng(seed)
    size, n_actions = 3, 2
    rows = rng.dirichlet(np.ones(size), size=(size, n_actions))
    slopes = rng.uniform(-0.02, 0.02, (size, n_actions, size, size))
    slopes -= slopes.mean(axis=2, keepdims=True)  # rows sum to 1 whatever mu does
    rows = 0.7 * rows + 0.1
    reward, reward_mu = rng.normal(size=(size, n_actions)), rng.normal(size=(size, n_actions, size))
    waiting, waiting_mu = rng.normal(size=size), rng.normal(size=(size, size))
    if seed == 0:  # r - r0 does not depend on mu but for its sum
        reward_mu = waiting_mu[:, None] + rng.normal(size=(size, n_actions, 1))
    elif seed == 1:  # rewards depend on the sum of mu alone
        reward_mu, waiting_mu = reward_mu[..., :1] * np.ones(size), waiting_mu[:, :1] * np.ones(size)
    elif seed == 2:  # and rows that do
        slopes, waiting_mu = slopes[..., :1] * np.ones(size), np.eye(size) + waiting_mu[:, :1]
    kind = tmf.games.affine(
        reward, reward_mu=reward_mu, transition0=rows, transition_mu=slopes, passive_reward0=waiting, passive_reward_mu=waiting_mu,
        passive_transition0=rows[:, 0], passive_transition_mu=slopes[:, 0], horizon=3, discount=1.0, initial=np.full(size, 1 / size),
    )  # fmt: skip
    weights = np.array([[1.0, 1.0], [2.5, 0.3]])
    game = typed([kind, kind], shares=[0.4, 0.6], coupling=weights)
    for mu in (game.initial, np.concatenate([0.4 * rng.dirichlet(np.ones(size)), 0.6 * rng.dirichlet(np.ones(size))])):
        found = game.tables(mu)
        for i in range(2):
            x = weights[i] @ mu.reshape(2, size)
            here = slice(i * size, (i + 1) * size)
            np.testing.assert_allclose(found[0][here], reward + reward_mu @ x, rtol=1e-12)
            np.testing.assert_allclose(found[1][here, :, here], rows + slopes @ x, rtol=1e-12)
            np.testing.assert_allclose(found[2][here], waiting + waiting_mu @ x, rtol=1e-12)
            np.testing.assert_allclose(found[3][here, here], rows[:, 0] + slopes[:, 0] @ x, rtol=1e-12)
        for o in range(2 * size):  # row by row, as tables
            row, value = game.model.row(mu, 0, o, 1)
            assert value == pytest.approx(found[0][o, 1], rel=1e-12)
            np.testing.assert_allclose(np.sort(row)[-size:], np.sort(found[1][o, 1])[-size:], rtol=1e-12)
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.7))  # tables that are refreshed in part
    for t in range(3):
        acting = np.einsum("o,oa,oax->x", flow.mu[t], np.full((2 * size, n_actions), 0.5), game.tables(flow.mu[t])[1])
        np.testing.assert_allclose(flow.mu[t + 1], 0.7 * acting + 0.3 * flow.mu[t] @ game.tables(flow.mu[t])[3], rtol=1e-12)


def test_infections_by_the_strength_of_meeting():
    """Two types who meet each other less: mu' = mu (1 - q) + (s - mu) i sum_j W_ij mu_j for those who go out."""
    kind = tmf.games.susceptible_infected(horizon=20)
    weights, shares = np.array([[1.0, 0.2], [0.2, 1.0]]), np.array([0.5, 0.5])
    game = typed([kind, kind], shares=shares, coupling=weights)
    out = np.zeros((4, 2))
    out[:, 0] = 1
    flow = tmf.mean_field(game, tmf.TabularPolicy(out), tmf.Synchronous())
    infected = 0.6 * shares
    for t in range(20):
        np.testing.assert_allclose(flow.mu[t, 1::2], infected, rtol=1e-12)
        infected = infected * 0.7 + (shares - infected) * 0.81 * (weights @ infected)


def test_types_that_see_themselves_alone_are_games_of_their_own():
    """W = diag(1 / shares): rows that need a distribution are shown that of the type."""
    for name in ("garnet", "susceptible_infected", "linear_quadratic", "affine", "left_right", "braess", "queueing"):
        kind = shelf(3)[name]
        shares = np.array([0.3, 0.7])
        game = typed([kind, kind], shares=shares, coupling=np.diag(1 / shares))
        one = tmf.mean_field(kind, tmf.TabularPolicy.uniform(kind), tmf.Synchronous()).mu
        for share, part in zip(shares, by_type(game, tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()).mu).values(), strict=True):
            np.testing.assert_allclose(part, share * one, rtol=1e-9, atol=1e-12)


def test_agents_follow_the_limit_where_types_see_themselves_alone():
    """Numbers of agents by type are drawn, so that what a type is shown is scaled: the mean still follows the limit."""
    kind = tmf.games.garnet(4, n_actions=2, n_successors=2, coupling=0.8, rng=5, horizon=4, step=1).at()
    game = typed([kind, kind], shares=[0.4, 0.6], coupling=np.diag([2.5, 1 / 0.6]))
    policy = tmf.TabularPolicy.uniform(game)
    flow = tmf.mean_field(game, policy, tmf.Synchronous()).mu[-1]
    for engine in ("counts", "agents"):
        run = tmf.simulate(game, policy, tmf.Synchronous(), 400, replicas=2000, engine=engine, start="sampled", rng=7)
        stat_tests.assert_mean(run.mu[:, -1], flow, slack=1 / 400)  # a bias of that order


def test_nobody_to_see():
    kind = tmf.games.garnet(3, n_actions=2, n_successors=2, coupling=0.5, horizon=3, step=1).at()
    game = typed([kind, kind], shares=[0.5, 0.5], coupling=[[0, 2], [2, 0]], names=["fox", "hare"])
    with pytest.raises(ValueError, match="the coupling gives fox an empty population"):
        game.tables([0.5, 0.5, 0, 0, 0, 0])
    alone = typed([kind, kind], shares=[0.5, 0.5], coupling=[[2, 0], [0, 2]])
    rows = alone.tables([0.5, 0.5, 0, 0, 0, 0])[1]  # a type without agents needs no population
    np.testing.assert_allclose(rows.sum(-1), 1)


def test_types_within_types():
    """A typed game as a type: what its types see is composed, checked and scaled anew."""
    kind = tmf.games.garnet(3, n_actions=2, n_successors=2, coupling=0.5, horizon=5, step=1).at()
    pair = typed([kind, kind], shares=[0.25, 0.75], coupling=np.diag([4, 4 / 3]))
    whole = np.zeros((9, 9))
    whole[:6, :6] = 2 * np.eye(6)
    whole[6:, 6:] = 2 * np.eye(3)
    game = typed([pair, kind], shares=[0.5, 0.5], coupling=whole, names=["pair", "one"])
    flat = typed([kind] * 3, shares=[0.125, 0.375, 0.5], coupling=np.diag([8, 8 / 3, 2]))
    policy, schedule = tmf.TabularPolicy.uniform(game), tmf.Synchronous()
    np.testing.assert_allclose(tmf.mean_field(game, policy, schedule).mu, tmf.mean_field(flat, policy, schedule).mu, rtol=1e-12)
    again = pickle.loads(pickle.dumps(game))
    np.testing.assert_array_equal(again.tables(game.initial)[1], game.tables(game.initial)[1])
    whole[:6, :6] *= 1.5
    with pytest.raises(ValueError, match=r"coupling\[\d, \d\] is 3, in a column that sums to 12"):
        typed([pair, kind], shares=[0.5, 0.5], coupling=whole)


REFUSED = [
    (tmf.games.garnet(5, horizon=20, coupling=0.5, step=1).at(), [[1, 1], [2, 2]],
     "coupling[1, 0] is 2; all of coupling[1, :] must be 1, or sum_j coupling[1, j] shares[j] = 2 must be 1: for games[1] the transition row [2, 4] sums to 1 only where mu does; divide coupling[1, :] by 2"),
    (tmf.games.susceptible_infected(), [[1.5, 0.2], [0.2, 1]],
     "coupling[0, 0] is 1.5; must be at most 1.23457: where all agents are at observation 1, the transition row [0, 0] of games[0] has entry [0] = -0.215"),
    (tmf.games.linear_quadratic(step=1).at(), [[1, 1], [0, 0]],
     "coupling[1, 0] is 0; all of coupling[1, :] must be 1, or sum_j coupling[1, j] shares[j] = 0 must be 1: for games[1] the mean position is that of a population that sums to 1; couple it to a type with agents"),
    (tmf.games.braess(), [[1, 1], [3, 1]], "coupling[1, 0] is 3; must be at most 1.5, with all of coupling[1, :] scaled alike"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "coupling", "text"), REFUSED)
def test_what_is_refused(kind, coupling, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        typed([kind, kind], shares=[0.5, 0.5], coupling=coupling)


def test_the_bound_of_a_refusal_is_accepted():
    kind = tmf.games.susceptible_infected()
    typed([kind, kind], shares=[0.5, 0.5], coupling=[[1.23456, 0.2], [0.2, 1]])
    kind = tmf.games.braess()
    typed([kind, kind], shares=[0.5, 0.5], coupling=[[1, 1], [1.5, 0.5]])


def test_a_max_delay_says_that_longer_delays_are_cut():
    network, demand = tmf.games.RoadNetwork([("a", "b"), ("b", "c"), ("c", "d")], congestion=[0, 1, 0]), [("a->b", "c->d", 5)]
    with pytest.raises(ValueError, match="max_delay"):
        typed([tmf.games.routing(network, demand=demand, horizon=40)] * 2, shares=[0.5, 0.5], coupling=[[2, 2], [1, 1]])
    typed([tmf.games.routing(network, demand=demand, horizon=40, max_delay=3.0)] * 2, shares=[0.5, 0.5], coupling=[[2, 2], [1, 1]])


def test_who_stays_by_slopes_alone():
    """Passive rows whose slopes are the same everywhere move agents, though their constants do not."""
    game = tmf.games.affine(
        np.zeros((2, 1)), reward_mu=None, transition0=np.full((2, 1, 2), 0.5), transition_mu=None, passive_transition0=np.eye(2),
        passive_transition_mu=np.array([[-0.1, 0.1], [0.2, -0.2]])[:, :, None] * np.ones(2), horizon=2, discount=1.0, initial=[1.0, 0.0],
    )  # fmt: skip
    assert not game.model.passive_identity
    np.testing.assert_allclose(tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.0)).mu[1], [0.9, 0.1])
