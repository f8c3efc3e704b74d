"""Optimistic learning: confidence sets and their coverage, favourable rows by brute force, plans, certainty equivalence, regret."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

import tmfcore as tmf
from tmfcore._model import sources
from tmfcore.learn import optimistic
from tmfcore.learn._planner import plan, rerouted
from tmfcore.learn._rerouted import Rerouted
from tmfcore.learn._rows import Box, Counts, favourable

WHO = tmf.Synchronous()


def line(n=5, horizon=6, seed=0, congestion=0.1):
    """A walk on a line with wind: the crowd is avoided, and the right end is worth most."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, 2, n))
    for o in range(n):
        for a, step in enumerate((-1, 1)):
            p = rng.uniform(0.6, 0.9)
            rows[o, a, min(max(o + step, 0), n - 1)] += p
            rows[o, a, o] += 1 - p
    return tmf.games.crowd_aversion(
        rows, worth=np.linspace(0, 2, n), congestion=congestion, epsilon=0.01, horizon=horizon, initial=np.eye(n)[0], step=1, name="line"
    ).at()


# ------------------------------------------------------------------------------------------------------------ the rows


@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_favourable_rows_are_linear_programs(n, seed):
    """Against scipy's, row by row; and they are distributions in the box."""
    rng = np.random.default_rng(seed)
    centre = rng.dirichlet(np.full(n, 0.5), size=(2, 2))
    low, high = np.maximum(centre - rng.uniform(0, 0.4, centre.shape), 0), np.minimum(centre + rng.uniform(0, 0.4, centre.shape), 1)
    values = np.round(rng.normal(size=n), 1)  # ties
    rows = favourable(Box(low, high), values)
    np.testing.assert_allclose(rows.sum(axis=-1), 1.0, atol=1e-12)
    assert (rows >= low - 1e-12).all() and (rows <= high + 1e-12).all()
    for o, a in itertools.product(range(2), range(2)):
        best = optimize.linprog(-values, A_eq=np.ones((1, n)), b_eq=[1], bounds=list(zip(low[o, a], high[o, a], strict=True)))
        assert rows[o, a] @ values == pytest.approx(-best.fun, abs=1e-9)


def test_estimates_are_those_of_fit():
    """The same smoothing of the same moves, with a prior and without."""
    game = line()
    log = tmf.learn.Oracle(game, tmf.Fraction(0.7), trajectories=30, rng=1)(*[tmf.TabularPolicy.uniform(game)] * 2)
    moves = np.zeros((5, 2, 5), np.int64)
    for observations, actions in zip(*log, strict=True):
        for o, a, x in zip(observations[:-1], actions, observations[1:], strict=True):
            if a >= 0:
                moves[o, a, x] += 1
    logged = (log[0][:, :-1], log[1], np.zeros(log[1].shape))
    short = moves.copy()  # `fit` does not see where the last step led
    for observations, actions in zip(*log, strict=True):
        if actions[-1] >= 0:
            short[observations[-2], actions[-1], observations[-1]] -= 1
    for prior in (0.0, 0.5, 1.0):
        found = tmf.learn.fit(logged, n_observations=5, n_actions=2, discount=1.0, prior=prior)
        np.testing.assert_allclose(Counts(short, prior).estimate, found.transition, atol=1e-9)


def test_sets_are_clopper_and_pearsons():
    """Tails of the binomial law at their ends, in all entries together 5%; nothing is known without visits."""
    moves = np.array([[[7, 0, 3], [0, 0, 0]], [[0, 1, 0], [4, 4, 4]], [[1000, 0, 1], [1, 1, 1]]])
    box = Counts(moves, 1.0).box(0.95, 1.0)
    tail = 0.05 / (2 * moves.size)
    for (o, a, x), k in np.ndenumerate(moves):
        n = moves[o, a].sum()
        low, high = box.low[o, a, x], box.high[o, a, x]
        assert low <= Counts(moves, 1.0).estimate[o, a, x] <= high
        if n == 0:
            assert (low, high) == (0, 1)
            continue
        assert low == 0 if k == 0 else stats.binom.sf(k - 1, n, low) == pytest.approx(tail, rel=1e-6)
        assert high == 1 if k == n else stats.binom.cdf(k, n, high) == pytest.approx(tail, rel=1e-6)
    half, none = Counts(moves, 1.0).box(0.95, 0.5), Counts(moves, 1.0).box(0.95, 0.0)
    centre = Counts(moves, 1.0).estimate
    np.testing.assert_allclose(half.low, centre + 0.5 * (box.low - centre), atol=1e-15)
    np.testing.assert_allclose(half.high, centre + 0.5 * (box.high - centre), atol=1e-15)
    np.testing.assert_array_equal(none.low, centre)
    np.testing.assert_array_equal(none.high, centre)
    assert Counts(moves, 1.0).box(0.95, 3.0).low.min() == 0 and Counts(moves, 1.0).box(0.95, 3.0).high.max() == 1
    bare = Counts(moves, 0.0)
    np.testing.assert_array_equal(bare.estimate[0, 1], np.full(3, 1 / 3))
    np.testing.assert_allclose(bare.estimate.sum(axis=-1), 1.0)


# ---------------------------------------------------------------------------------------------------- games made anew


@pytest.mark.parametrize("name", ["beach_bar", "resource_selection", "queueing", "left_right", "garnet", "infection_by_contact", "routing", "linear_quadratic"])
@pytest.mark.broad(3)
def test_a_rerouted_game_is_the_game_with_other_rows(name):
    """Against a table of functions: flows, values, exploitability and derivatives, with rows by step and without."""
    game = tmf.games.SHELF[name].small()
    game = game.at(step=1) if game.time == "sweeps" else game
    S, A, T = game.n_observations, game.n_actions, game.n_steps
    rng = np.random.default_rng(1)
    for length in (1, T):
        rows = rng.dirichlet(np.ones(S), size=(length, S, A))
        made = rerouted(game, rows)
        if game.legal is not None:
            rows = made.model.rows[..., :S]

        def passive(mu, t, game=game):
            found = game.tables(mu, t).passive_transition
            return found if game.passive_successors is None else sources.dense(found, game.passive_successors)

        table = tmf.Game(
            S, A, T, game.discount, game.initial, lambda mu, t, game=game: np.nan_to_num(game.tables(mu, t).reward),
            lambda mu, t, rows=rows: rows[min(t, len(rows) - 1)], passive_reward=lambda mu, t, game=game: game.tables(mu, t).passive_reward,
            passive_transition=passive, legal=game.legal,
        )  # fmt: skip
        policy = tmf.TabularPolicy.uniform(game)
        for schedule in (WHO, tmf.Fraction(0.3)):
            found, wanted = (tmf.evaluate(each, policy, schedule) for each in (made, table))
            np.testing.assert_allclose(found.flow.mu, wanted.flow.mu, atol=1e-13)
            np.testing.assert_allclose(found.values, wanted.values, rtol=1e-10, atol=1e-10)
            for altruism in (0.0, 1.0):
                gaps = [tmf.exploitability(each, policy, schedule, altruism=altruism) for each in (made, table)]
                assert gaps[0] == pytest.approx(gaps[1], rel=1e-4, abs=1e-6)
        run = tmf.simulate(made, policy, tmf.Sequential(), 5, engine="agents", rng=1)
        assert (run.counts.sum(axis=-1) == 5).all()
        assert not tmf.testing.check_game(made, trials=4, rng=1).errors


def test_rows_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"rows has shape \(5, 2, 5\)"):
        Rerouted(line().model, np.zeros((5, 2, 5)))


def test_a_rerouted_game_is_pickled():
    game = tmf.games.beach_bar(5, horizon=3, step=1).at()
    made = rerouted(game, np.random.default_rng(0).dirichlet(np.ones(5), size=(1, 5, game.n_actions)))
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.tables(game.initial).transition, made.tables(game.initial).transition)


# ------------------------------------------------------------------------------------------------------------ the plans


def test_a_plan_of_a_decision_process_is_that_of_extended_value_iteration():
    """Rewards that do not depend on mu: the best of all policies and rows in the box, known by one recursion."""
    game = line(congestion=0.0)
    counts = Counts(np.random.default_rng(2).integers(0, 6, size=(5, 2, 5)), 1.0)
    box = counts.box(0.95, 1.0)
    values = np.zeros(5)
    for _ in range(game.n_steps):
        values = (game.tables(game.initial).reward + favourable(box, values) @ values).max(axis=1)
    found = plan(game, counts.estimate, box, WHO, None, {"rng": 0})
    assert found.welfare == pytest.approx(game.initial @ values, rel=1e-4)
    assert found.welfare <= game.initial @ values + 1e-9


def test_a_plan_is_no_worse_than_any_row_tried_at_random():
    """With congestion: 30 draws of rows in the box, each solved: none promises more than 1% above the plan."""
    game = line(n=4, horizon=4)
    counts = Counts(np.random.default_rng(3).integers(0, 8, size=(4, 2, 4)), 1.0)
    box = counts.box(0.95, 0.5)
    found = plan(game, counts.estimate, box, WHO, None, {"rng": 0})
    rng = np.random.default_rng(5)
    assert found.welfare >= plan(game, counts.estimate, None, WHO, None, {"rng": 0}).welfare
    for _ in range(30):
        rows = np.stack([favourable(box, rng.normal(size=4)) for _ in range(4)])
        assert tmf.solve(rerouted(game, rows), WHO, altruism=1.0).mean_return <= found.welfare * 1.01
    assert (found.rows >= box.low - 1e-9).all() and (found.rows <= box.high + 1e-9).all()


# ------------------------------------------------------------------------------------------------------- the learner


def test_width_0_is_certainty_equivalence():
    """The policy of each episode is that of `solve` for the estimated rows, bit for bit."""
    game = line()
    found = optimistic(game, WHO, episodes=3, width=0.0, trajectories=5, rng=1)
    last = optimistic(game, WHO, episodes=2, width=0.0, trajectories=5, rng=1)  # what was known when the third was planned
    wanted = tmf.solve(last.estimated(game), WHO, altruism=1.0, rng=0)
    for t in range(game.n_steps):
        np.testing.assert_array_equal(found.solution.policy.probabilities(game.initial, t), wanted.policy.probabilities(game.initial, t))
    assert found.planned[-1] == wanted.mean_return
    np.testing.assert_array_equal(found.low, found.high)


def test_regret_falls():
    """Mean over 5 seeds of the last ten of 30 episodes below a fifth of that of the first five; never below 0."""
    regrets = np.array([optimistic(line(), WHO, episodes=30, trajectories=20, rng=seed).regret for seed in range(5)])
    assert (regrets > -1e-3).all()
    assert regrets[:, -10:].mean() < 0.2 * regrets[:, :5].mean()


@pytest.mark.rest
def test_rows_are_in_their_sets():
    """All ten of them, at the end of each of 40 runs, but for a chance of 5%: more than 12 failures have one of 1e-6."""
    assert stats.binom.sf(12, 40, 0.05) < 1e-6
    ends = np.array([optimistic(line(), WHO, episodes=6, trajectories=4, rng=seed).inside for seed in range(40)])
    assert (ends[:, -1] < 1).sum() <= 12 and ends.mean() > 0.99


def test_optimism_goes_where_nobody_was():
    """A door that costs a little, and what is behind it: certainty equivalence never opens it, optimism does."""
    rows = np.zeros((3, 2, 3))
    rows[0, 0, 0] = rows[1, :, 1] = rows[2, :, 2] = 1
    rows[0, 1] = [0.1, 0.0, 0.9]  # action 1 leads to the treasure
    reward = np.array([[0.3, 0.0], [0.0, 0.0], [0.5, 0.5]])
    game = tmf.Game(3, 2, 4, 1.0, [1, 0, 0], reward, rows)
    sure = optimistic(game, WHO, episodes=12, width=0.0, rng=1)
    assert sure.visits[0, 1] == 0 and sure.regret.min() > 0.2
    found = optimistic(game, WHO, episodes=12, rng=1)
    assert found.visits[0, 1] > 0 and found.regret[-1] < 0.05


@pytest.mark.parametrize(("schedule", "n_agents"), [(tmf.Fraction(0.5), None), (tmf.Batch(20), 100), (tmf.Bernoulli([[0.2, 0.5, 0.9, 0.4, 0.6]]), None)])
def test_any_schedule(schedule, n_agents):
    found = optimistic(line(), schedule, n_agents, episodes=6, trajectories=10, rng=2)
    assert np.isfinite(found.regret).all() and found.visits.sum() > 0


def test_an_oracle_in_the_place_of_the_game():
    """Its rows are learnt, and regret is not known."""
    game, calls = line(), []
    inner = tmf.learn.Oracle(game, WHO, 50, finite=True, trajectories=4, rng=3)

    def oracle(agent, population):
        calls.append(agent is population)
        return inner(agent, population)

    blind = rerouted(game, np.full((1, 5, 2, 5), 0.2))
    done = []
    found = optimistic(blind, WHO, episodes=5, oracle=oracle, progress=lambda now, total: done.append((now, total)))
    assert calls == [True] * 5 and done == [(k, 5) for k in range(1, 6)]
    assert np.isnan(found.regret).all() and np.isnan(found.inside).all()
    assert found.moves.sum() == 5 * 4 * game.n_steps
    seen = found.visits > 30
    np.testing.assert_allclose(found.transition[seen], game.tables(game.initial).transition[seen], atol=0.3)
    assert "regret" not in str(found)


def test_what_it_reports():
    game = line()
    found, again = (optimistic(game, WHO, episodes=4, trajectories=3, rng=7) for _ in range(2))
    for name in ("planned", "welfare", "inside", "moves", "transition", "low", "high"):
        np.testing.assert_array_equal(getattr(found, name), getattr(again, name))
    assert pickle.loads(pickle.dumps(found)).equals(found)
    assert found.optimum == pytest.approx(tmf.solve(game, WHO, altruism=1.0).mean_return)
    assert found.welfare[-1] == pytest.approx(tmf.welfare(game, found.solution.policy, WHO))
    assert (found.planned >= found.optimum * (1 - 1e-3)).all()  # the truth is in the sets
    np.testing.assert_array_equal(found.visits, found.moves.sum(axis=-1))
    np.testing.assert_array_equal(found.estimated(game).tables(game.initial).transition, found.transition)
    assert str(found).startswith("Episodes('line', 4 episodes, 72 moves")


def test_what_is_interrupted_is_handed_over():
    inner, calls = tmf.learn.Oracle(line(), WHO, rng=1), []

    def oracle(agent, population):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return inner(agent, population)

    with pytest.raises(KeyboardInterrupt) as caught:
        optimistic(line(), WHO, oracle=oracle)
    assert len(caught.value.partial.planned) == 3


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"game": tmf.games.susceptible_infected()}, ValueError, "whose rows depend on mu or t.*must have constant rows"),
        ({"episodes": 0}, ValueError, "episodes is 0"),
        ({"confidence": 1.0}, ValueError, "confidence is 1"),
        ({"width": -1.0}, ValueError, "width is -1"),
        ({"prior": -1.0}, ValueError, "prior is -1"),
        ({"oracle": 3}, TypeError, "oracle is 3"),
        ({"oracle": lambda a, b: None, "trajectories": 2}, ValueError, "trajectories is 2 with an oracle"),
        ({"oracle": lambda a, b: None, "rng": 2}, ValueError, "rng is 2 .int. with an oracle"),
        ({"schedule": tmf.Poisson()}, ValueError, "must be in steps"),
    ],
)
def test_it_refuses(change, error, match):
    with pytest.raises(error, match=match):
        optimistic(**{"game": line(), "schedule": WHO} | change)


def test_a_game_of_other_sizes_has_no_estimate():
    found = optimistic(line(), WHO, episodes=1, rng=1)
    with pytest.raises(ValueError, match=r"game\.n_observations is 4; must be 5"):
        found.estimated(line(n=4))
