"""Every game of the shelf says the same of itself in each way that kernels ask: tables, rows, standing rewards, slopes."""

import pickle

import numpy as np
import pytest

import tmfcore as tmf

pytestmark = pytest.mark.law


def _paid_alike():
    """Affine; rewards and passive rewards depend on the sum of what is shown, and differ by less than that."""
    rng = np.random.default_rng(5)
    level = rng.normal(size=3)
    return tmf.games.affine(
        rng.normal(size=(3, 2)), reward_mu=np.ones((3, 2, 3)) * rng.normal(size=(3, 2, 1)), transition0=np.full((3, 2, 3), 1 / 3), transition_mu=None,
        passive_reward0=level, passive_reward_mu=np.ones((3, 3)) * level[:, None], horizon=3, discount=0.9, initial=[0.2, 0.3, 0.5],
    )  # fmt: skip


def _varying_here_and_there():
    """Affine; of 12 rows of who acts five depend on mu, in three runs, and two of 6 of who does not."""
    size, n_actions = 6, 2
    rng = np.random.default_rng(6)
    rows, waiting = rng.dirichlet(np.ones(size), size=(size, n_actions)), rng.dirichlet(np.ones(size), size=size)
    rows, waiting = 0.5 * rows + 0.5 / size, 0.5 * waiting + 0.5 / size
    slopes, waiting_slopes = rng.uniform(-0.04, 0.04, (size, n_actions, size, size)), rng.uniform(-0.04, 0.04, (size, size, size))
    slopes -= slopes.mean(axis=2, keepdims=True)
    waiting_slopes -= waiting_slopes.mean(axis=1, keepdims=True)
    slopes.reshape(12, size, size)[[0, 1, 3, 6, 7, 10, 11]] = 0.0
    waiting_slopes[[0, 2, 3, 5]] = 0.0
    return tmf.games.affine(
        rng.normal(size=(size, n_actions)), reward_mu=rng.normal(size=(size, n_actions, size)), transition0=rows, transition_mu=slopes,
        passive_transition0=waiting, passive_transition_mu=waiting_slopes, horizon=5, discount=0.9, initial=waiting[0],
    )  # fmt: skip


GAMES = {name: tmf.games.BY_NAME.get(name, entry.small)().at(step=1) for name, entry in tmf.games.SHELF.items() if name != "sioux_falls"} | {
    "linear_quadratic, at rest": tmf.games.linear_quadratic(9, mean_reversion=0.0, horizon=4, step=1).at(),
    "beach_bar, by step": tmf.games.beach_bar(
        5, horizon=3, moving_cost=[0.3, 0.1, 0.2], worth=np.arange(15.0).reshape(3, 5) % 4
    , step=1).at(),
    "beach_bar, short steps": tmf.games.beach_bar(9, step=0.25, horizon=2, moving_cost=0.3).at(),
    "crowd_aversion, other scales": tmf.games.crowd_aversion(
        np.tile(np.eye(3)[::-1], (3, 1, 1)), worth=[0.3, 0.1, 0.0], action_reward=np.outer([1.0, 2.0, 0.5], [0.5, 0.2, 0.1]), action_scale=[2.0, 0.5, 3.0, 1.0],
        horizon=4, discount=0.9, initial=[0.5, 0.3, 0.2], congestion=0.2,
     step=1).at(),
    "pairwise_revision, logit": tmf.games.SHELF["pairwise_revision"].small(rule="logit").at(step=1),
    "queueing, unequal": tmf.games.queueing([0.4, 0.03, 0.2], jockeying_cost=0.3, step=0.25).at(),
    "resource_selection, square": tmf.games.resource_selection([1.0, 0.5, 0.2], congestion=[1.0, 2.0, 0.3], power=2.0, switching_cost=0.4, step=1).at(),
    "left_right, as one": tmf.games.typed([tmf.games.left_right(step=1).at()] * 2, shares=[0.3, 0.7]),
    "left_right, coupled": tmf.games.typed([tmf.games.left_right(step=1).at()] * 2, shares=[0.3, 0.7], coupling=[[1, 2], [0.5, 0.3]]),
    "hands, coupled": tmf.games.typed([tmf.games.rock_paper_scissors(step=1).at()] * 2, shares=[0.3, 0.7], coupling=[[1, 2], [0.5, 0.3]]),
    "affine, here and there": _varying_here_and_there(),
    "affine, coupled": tmf.games.typed([_paid_alike()] * 2, shares=[0.3, 0.7], coupling=[[1, 2], [0.5, 0.3]]),
}


def some_rows(game):
    """Up to 12 observations, with every action of each, passive included."""
    observations = np.unique(np.linspace(0, game.n_observations - 1, 12).astype(int))
    return [(int(o), a) for o in observations for a in range(-1, game.n_actions)]


@pytest.mark.parametrize("name", GAMES)
def test_rows_are_those_of_the_tables(name):
    game = GAMES[name]
    rng = np.random.default_rng(1)
    for t in (0, game.horizon - 1):
        mu = rng.dirichlet(np.full(game.n_observations, 0.5))
        rewards, moves, passive_rewards, passive_moves = game.model.tables(mu, t)
        for alone, table in zip(game.model.rewards(mu, t), (rewards, passive_rewards), strict=True):
            np.testing.assert_array_equal(alone, table)
        for o, a in some_rows(game):
            row, reward = game.model.row(mu, t, o, a)
            np.testing.assert_allclose(row, passive_moves[o] if a < 0 else moves[o, a], rtol=1e-13, atol=1e-16)
            assert reward == pytest.approx(passive_rewards[o] if a < 0 else rewards[o, a], rel=1e-12, abs=1e-14)
            assert row.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", [name for name, game in GAMES.items() if game.model.differentiable])
def test_slopes_are_the_derivatives_of_rows(name):
    """Central differences along random directions of the simplex; sigma is that of the two directions."""
    game = GAMES[name]
    size = game.n_observations
    rng = np.random.default_rng(2)
    mu = rng.dirichlet(np.full(size, 20.0))
    directions = rng.normal(size=(2, size))
    directions = (directions - directions.mean(axis=1, keepdims=True)) * mu.min() / 10
    sigma = directions.T @ directions
    for t in (0, game.horizon - 1):
        for o, a in some_rows(game):
            slope, bend = game.model.slopes(mu, t, o, a, sigma)
            second = np.zeros(len(bend))
            for f in directions:
                ahead, here, behind = (game.model.row(mu + h * f, t, o, a)[0] for h in (1, 0, -1))
                np.testing.assert_allclose(slope @ f, (ahead - behind) / 2, rtol=1e-2, atol=1e-11)
                second += ahead + behind - 2 * here
            np.testing.assert_allclose(bend, second, rtol=3e-2, atol=1e-12)


@pytest.mark.parametrize("name", GAMES)
def test_what_is_said_not_to_change_does_not_change(name):
    """constant, constant_transition, passive_identity, local_passive_reward, separable_reward, affine: at random mu and t."""
    game = GAMES[name]
    model, size = game.model, game.n_observations
    rng = np.random.default_rng(3)
    first, second = rng.dirichlet(np.ones(size), size=2)
    here, there, between = (model.tables(mu, 0) for mu in (first, second, (first + second) / 2))
    if model.constant_transition:
        np.testing.assert_allclose(here[1], there[1], rtol=1e-14)
        np.testing.assert_allclose(here[3], there[3], rtol=1e-14)
    if model.constant:
        np.testing.assert_array_equal(here[0], there[0])
    if model.passive_identity:
        np.testing.assert_array_equal(model.passive_successors, np.arange(size)[:, None])
        np.testing.assert_array_equal(here[3], 1)
    if model.local_passive_reward:
        moved = second.copy()
        moved[0] = first[0]
        assert model.tables(moved, 0)[2][0] == pytest.approx(here[2][0], rel=1e-13)
    if model.separable_reward:
        np.testing.assert_allclose(here[0] - here[2][:, None], there[0] - there[2][:, None], rtol=1e-12, atol=1e-12)
    if model.affine:
        for left, right, middle in zip(here, there, between, strict=True):
            np.testing.assert_allclose(middle, (left + right) / 2, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", GAMES)
def test_a_pickled_game_is_the_same_game(name):
    game = GAMES[name]
    again = pickle.loads(pickle.dumps(game))
    mu = np.random.default_rng(7).dirichlet(np.ones(game.n_observations))
    for t in range(0, game.horizon, max(1, game.horizon // 4)):
        for mine, other in zip(game.model.tables(mu, t), again.model.tables(mu, t), strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("name", [name for name in tmf.games.BY_NAME if name not in ("braess", "sioux_falls")])
@pytest.mark.parametrize("discount", [0.0, 0.5, 1.0])
def test_every_discount_from_0_to_1_is_taken(name, discount):
    game = tmf.games.BY_NAME[name](discount=discount).at(step=1)
    assert game.discount == discount


ONE_PLACE = {"local_passive_reward", "separable_reward"}
STAYING = {"constant_transition", "passive_identity"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resource_selection", STAYING | ONE_PLACE | {"affine"}),
        ("resource_selection, square", STAYING | ONE_PLACE),
        ("queueing", ONE_PLACE | {"differentiable"}),
        ("beach_bar", STAYING | ONE_PLACE),
        ("crowd_motion", STAYING | ONE_PLACE),
        ("building_evacuation", STAYING | ONE_PLACE),
        ("linear_quadratic", set()),
        ("braess", set()),
        ("left_right", STAYING | ONE_PLACE | {"affine", "differentiable"}),
        ("rock_paper_scissors", STAYING | {"affine", "differentiable"}),
        ("susceptible_infected", ONE_PLACE | {"affine", "differentiable"}),
        ("garnet", STAYING | {"affine", "differentiable"}),
        ("infection_by_contact", ONE_PLACE | {"passive_identity", "affine", "differentiable"}),
        ("pairwise_revision", ONE_PLACE | {"passive_identity", "differentiable"}),
        ("pairwise_revision, logit", {"passive_identity", "differentiable"}),
    ],
)
def test_what_is_said_makes_play_fast(name, said):
    """Results do not depend on these, only the time they take: what a model no longer says is otherwise not seen."""
    flags = ("constant", "constant_transition", "passive_identity", "local_passive_reward", "separable_reward", "affine", "differentiable")
    assert {flag for flag in flags if getattr(GAMES[name].model, flag)} == said


def spread(rows, successors, size):
    """Rows over their successors as rows over all observations."""
    if successors is None:
        return rows
    full = np.zeros((*rows.shape[:-1], size))
    for place in np.ndindex(rows.shape):
        full[(*place[:-1], successors[place])] += rows[place]
    return full


@pytest.mark.parametrize("beta", [0.5, 1.0])
@pytest.mark.parametrize("name", [name for name, game in GAMES.items() if game.n_observations <= 100])
def test_flow_and_values_are_those_of_the_tables(name, beta):
    """Kernels ask for what may have changed, and of those that act if all do; here everything is asked for."""
    game = GAMES[name]
    rng = np.random.default_rng(4)
    pi = rng.dirichlet(np.ones(game.n_actions), size=game.n_observations)
    if game.legal is not None:
        pi = np.where(game.legal, pi, 0.0)
        pi /= pi.sum(axis=1, keepdims=True)
    policy = tmf.TabularPolicy(pi[None])
    found = tmf.evaluate(game, policy, tmf.Fraction(beta))
    flow = [np.asarray(game.initial)]
    tables, rewards, moves = [], [], []
    for t in range(game.horizon):
        reward, active, passive_reward, passive = game.model.tables(flow[t], t)
        active = spread(active, game.model.successors, game.n_observations)
        passive = spread(passive, game.model.passive_successors, game.n_observations)
        tables.append((reward, active, passive_reward, passive))
        rewards.append(beta * (pi * reward).sum(axis=1) + (1 - beta) * passive_reward)
        moves.append(beta * np.einsum("oa,oax->ox", pi, active) + (1 - beta) * passive)
        flow.append(flow[t] @ moves[t] / (flow[t] @ moves[t]).sum())
    values = best = np.zeros(game.n_observations)
    for t in reversed(range(game.horizon)):
        reward, active, passive_reward, passive = tables[t]
        values = rewards[t] + game.discount * moves[t] @ values
        chosen = (reward + game.discount * active @ best).max(axis=1)
        best = beta * chosen + (1 - beta) * (passive_reward + game.discount * passive @ best)
    np.testing.assert_allclose(found.flow.mu, flow, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.values[0], values, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(tmf.best_response(game, found.flow, tmf.Fraction(beta))[1][0], best, rtol=1e-8, atol=1e-9)
    gap = game.initial @ (best - values)
    assert tmf.exploitability(game, policy, tmf.Fraction(beta)) == pytest.approx(gap, rel=1e-7, abs=1e-8)
