"""Games learnt from logged play: what is estimated, how wrong it says it is, and what an equilibrium of it is worth."""

import pickle
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import strategies
import tmfcore as tmf
from fit_cases import ONE, A, S, T, logs, misses, true_game, two_steps
from tmfcore.learn.fit._regression import on_simplex


def test_constant_games_are_frequencies_and_means():
    """By hand, on a log written out: smoothing, standard errors, what was never seen."""
    observations = np.array([[0, 1, 1], [0, 0, 1]])
    actions = np.array([[0, -1, 0], [0, 0, -1]])
    rewards = np.array([[1.0, 0.0, 2.0], [2.0, 4.0, 1.0]])
    found = tmf.learn.fit((observations, actions, rewards), n_observations=2, n_actions=2, prior=2.0, discount=0.5)
    mean = 10 / 6
    assert found.visits.tolist() == [[3, 0], [1, 0]]
    assert found.passive_visits.tolist() == [0, 2]
    # at 0, action 0: paid 1, 2, 4; went to 1, 0, 1
    assert found.reward[0, 0] == pytest.approx((7 + 2 * mean) / 5)
    np.testing.assert_allclose(found.transition[0, 0], [2 / 5, 3 / 5])
    np.testing.assert_allclose(found.transition[1, 0], [0.5, 0.5])  # seen once, at the end: nobody saw where it went
    np.testing.assert_allclose(found.passive_transition, [[1, 0], [0, 1]])
    assert found.passive_reward[1] == pytest.approx(1 / 4)
    assert found.unseen == [(0, 1), (1, 1)]
    assert found.reward[0, 1] == pytest.approx(mean)
    assert np.isinf(found.reward_se[0, 1]) and np.isinf(found.transition_se[1, 1]).all()
    assert (found.game.horizon, found.game.discount) == (3, 0.5)
    np.testing.assert_allclose(found.game.initial, [1, 0])


@pytest.mark.parametrize(("kind", "individuals"), [("constant", True), ("affine", True), ("constant", False)])
def test_a_known_game_is_recovered_at_the_rate_of_the_square_root(kind, individuals):
    """16 times the data, a quarter of the error; and the standard errors are those of the errors."""
    game = true_game(kind)
    mu = np.array([0.4, 0.35, 0.25])
    errors = []
    for n_agents, runs in ((50, 20), (50, 320)):
        found = tmf.learn.fit(
            logs(game, n_agents, runs, 1, individuals), kind=kind, prior=0.1, **({"n_observations": S, "n_actions": A} if individuals else {}))  # fmt: skip
        errors.append(np.sqrt(np.mean(np.concatenate([x.ravel() for x in misses(game, found, mu)[1::2]]) ** 2)))
        if individuals and kind == "constant":
            z = misses(game, found, mu)[1] / found.transition_se
            assert 0.5 < np.sqrt(np.mean(z**2)) < 1.6  # 18 numbers: 1 on average
    # a ratio of root mean squares of 27 correlated numbers: 4 but for a third, with these seeds
    assert 2.4 < errors[0] / errors[1] < 6.5
    assert errors[1] < (0.01 if individuals else 0.05) * (1 if kind == "constant" else 2)


@pytest.mark.parametrize(("kind", "individuals"), [("constant", True), ("affine", True), ("constant", False)])
def test_rewards_are_recovered_exactly_where_nothing_is_random(kind, individuals):
    """Rewards are functions of (o, a, mu): without smoothing the regression finds them to rounding."""
    game = true_game(kind)
    mu = np.array([0.2, 0.3, 0.5])
    options = {"n_observations": S, "n_actions": A} if individuals else {}
    found = tmf.learn.fit(logs(game, 40, 30, 2, individuals), kind=kind, prior=0.0, **options)
    reward, _, passive_reward, _ = misses(game, found, mu)
    np.testing.assert_allclose(reward, 0, atol=1e-8)
    np.testing.assert_allclose(passive_reward, 0, atol=1e-8)


def test_an_equilibrium_of_the_fitted_game_is_one_of_the_true_game():
    """What the solved estimate loses in the true game shrinks with the data."""
    game = tmf.games.susceptible_infected(horizon=8)
    gaps = []
    for n_agents, runs in ((20, 3), (2000, 12)):
        played = []
        for i in range(runs):
            rng = np.random.default_rng([3, i])
            policy = tmf.TabularPolicy(rng.dirichlet(np.ones(2), size=2))
            start = rng.multinomial(n_agents, rng.dirichlet(np.ones(2)))
            played.append(tmf.simulate(game, policy, tmf.Synchronous(), n_agents, start=start, trajectories=True, rng=[3, i]))
        found = tmf.learn.fit(played, n_observations=2, n_actions=2, kind="affine", initial=game.initial, discount=game.discount)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tmf.ConvergenceWarning)  # this much is asked for, whatever is reached
            policy = tmf.solve(found.game, tmf.Synchronous(), tolerance=1e-6).policy
        gaps.append(tmf.exploitability(game, policy, tmf.Synchronous()))
    assert gaps[1] < gaps[0] / 5
    assert gaps[1] < 1e-2


def test_agents_who_stay_are_not_estimated():
    game = tmf.games.left_right(horizon=5, step=1).at()
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Bernoulli(0.5), 200, replicas=40, rng=1)
    found = tmf.learn.fit(run, passive="stay", prior=0.1)
    np.testing.assert_array_equal(found.passive_transition, np.eye(3))
    np.testing.assert_array_equal(found.passive_transition_se, 0)
    # everybody who acts leaves 0 for good, so that rows of 0 are told by the first steps: near 1 where they lead
    np.testing.assert_allclose(found.transition[0], [[0, 1, 0], [0, 0, 1]], atol=0.05)


def test_what_the_data_does_not_tell_has_infinite_standard_errors():
    """Where the last step was, where a single visit was, at corners no population points to, of too few counts."""
    log = np.array([[0, 0, 0, 1]]), np.zeros((1, 4), dtype=int), np.array([[1.0, 2.0, 4.0, 5.0]])
    options = {"n_observations": 2, "n_actions": 1, "discount": 1.0}
    for prior in (0.0, 1.0):
        found = tmf.learn.fit(log, prior=prior, **options)
        assert np.isfinite(found.transition_se[0, 0]).all()
        assert np.isinf(found.transition_se[1, 0]).all()  # seen at the last step alone
        assert np.isinf(found.reward_se[1, 0])  # a single reward has no spread
    found = tmf.learn.fit(log, prior=0.0, **options)
    assert found.transition_se[0, 0, 1] == pytest.approx(np.sqrt(2 / 27))  # 1 of 3
    assert found.reward_se[0, 0] == pytest.approx(np.std([1, 2, 4], ddof=1) / np.sqrt(3))

    here = np.tile([[1.0, 0.0]], (4, 1))  # nobody was ever at 1: the corner there is not seen
    found = tmf.learn.fit(log, kind="affine", prior=0.0, mu=here, **options)
    assert np.isinf(found.transition_se[0, 0, :, 1]).all() and np.isinf(found.reward_se[0, 0, 1])
    assert np.isfinite(found.transition_se[0, 0, :, 0]).all() and np.isfinite(found.reward_se[0, 0, 0])

    game = tmf.games.left_right(horizon=5, step=1).at()
    short = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Bernoulli(0.5), 200, rng=1)
    assert np.isinf(tmf.learn.fit(short, prior=0.0).reward_se).all()  # 5 steps, 9 cells


def test_a_single_visit_is_no_knowledge():
    """At prior 0 the estimate is what was seen; its standard error is not 0, and there is no interval below 5 visits."""
    for visits in (1, 4, 5):
        found = tmf.learn.fit(two_steps([0] * visits, [1] * visits), prior=0.0, **ONE)
        np.testing.assert_array_equal(found.transition[0, 0], [0, 1])
        doubt = 0.5 / (visits + 1)
        np.testing.assert_allclose(found.transition_se[0, 0], np.sqrt(doubt * (1 - doubt) / visits))
        assert np.isfinite(found.reward_se[0, 0]) == (visits >= 3)  # agreed 4 times or more
        known = found.interval().transition
        assert known.identified[0].all() == (visits == 5) and not known.identified[1].any()
        assert (np.isnan(known.low) == ~known.identified).all() and (np.isnan(known.high) == ~known.identified).all()
    np.testing.assert_allclose(known.high[0, 0], [stats.beta.ppf(0.975, 0.5, 5.5), 1])
    np.testing.assert_allclose(known.low[0, 0], [0, stats.beta.ppf(0.025, 5.5, 0.5)])


def test_counts_of_few_do_not_identify():
    """What each coefficient is worth, 1 / sum w^2 over agents, by numpy: an interval from 5 visits."""
    game = true_game("constant")
    seen = set()
    for runs in (3, 4, 6):
        data = logs(game, 3, runs, 5, individuals=False)
        cells, sizes = [], []
        for run in data:
            resting = run.counts[:, :-1] - run.decisions.sum(-1)
            cells.append(np.concatenate([run.decisions, resting[..., None]], axis=-1).reshape(-1, S * (A + 1)))
            sizes += [run.n_agents] * len(cells[-1])
        d, n = np.concatenate(cells).astype(float), np.array(sizes)[:, None]
        weights = np.linalg.inv(d.T @ (d / n)) @ (d / n).T
        worth = (1 / (weights**2 @ d.sum(axis=1))).reshape(S, A + 1)
        found = tmf.learn.fit(data).interval()
        np.testing.assert_array_equal(found.transition.identified, np.repeat(worth[:, :A, None] >= 5, S, axis=2))
        np.testing.assert_array_equal(found.passive_transition.identified, np.repeat(worth[:, A:] >= 5, S, axis=1))
        seen |= set((worth >= 5).ravel().tolist())
    assert seen == {False, True}


def test_agents_who_stay_need_to():
    log = two_steps([0, 0], [1, 1], actions=np.array([[0, -1], [-1, -1]]))
    assert np.isnan(tmf.learn.fit(log, **ONE).interval().passive_transition.low).all()
    with pytest.raises(ValueError, match=re.escape("agent 1 of data[0] does not act at step 0 and moves (1 cases)")):
        tmf.learn.fit(log, passive="stay", **ONE)
    paid = two_steps([0], [0], np.array([[1.0, 2.0]]), np.array([[0, -1]]))
    with pytest.raises(ValueError, match=re.escape("agent 0 of data[0] does not act at step 1 and has a reward")):
        tmf.learn.fit(paid, passive="stay", **ONE)
    run = tmf.simulate(true_game("constant"), tmf.TabularPolicy(np.full((S, A), 1 / A)), tmf.Bernoulli(0.5), 50, rng=1)
    with pytest.raises(ValueError, match=r"passive is 'stay', but of \d+ agents of data\[0\] that do not act"):
        tmf.learn.fit(run, passive="stay")
    held = two_steps([0] * 9, [0] * 9, actions=np.full((9, 2), -1))
    known = tmf.learn.fit(held, passive="stay", **ONE).interval()
    np.testing.assert_array_equal(known.passive_transition.low, np.eye(2))
    np.testing.assert_array_equal(known.passive_transition.high, np.eye(2))
    np.testing.assert_array_equal(tuple(known.passive_reward), 0)


def test_a_fit_travels():
    found = tmf.learn.fit(logs(true_game("affine"), 20, 4, 1), n_observations=S, n_actions=A, kind="affine")
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.interval(0.8).transition.low, found.interval(0.8).transition.low)
    assert found.interval(0.8).confidence == found.interval(0.8).reward.confidence == 0.8
    with pytest.raises(ValueError, match="confidence is 95"):
        found.interval(95)


def test_three_runs_in_a_tuple_are_three_runs():
    game = true_game("constant")
    runs = tuple(tuple(vars(run.trajectories).values())[:3] for run in logs(game, 20, 3, 1))
    options = {"n_observations": S, "n_actions": A, "discount": 0.9}
    assert all(len(run) == 3 for run in runs)
    found, wanted = tmf.learn.fit(runs, **options), tmf.learn.fit(list(runs), **options)
    np.testing.assert_array_equal(found.visits, wanted.visits)
    assert found.visits.sum() + found.passive_visits.sum() == 3 * 20 * T


def test_a_sample_of_agents_with_the_population_beside():
    game = true_game("affine")
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5), 500, trajectories=True, rng=1)
    log = run.trajectories
    few = (log.observations[:100], log.actions[:100], log.rewards[:100])
    found = tmf.learn.fit(few, n_observations=S, n_actions=A, kind="affine", mu=run.mu[0, :-1], discount=0.9, prior=0.0)
    np.testing.assert_allclose(misses(game, found, run.mu[0, 3])[0], 0, atol=1e-8)  # at a population that was seen
    own = tmf.learn.fit(few, n_observations=S, n_actions=A, kind="affine", discount=0.9, prior=0.0)
    assert np.abs(misses(game, own, run.mu[0, 3])[0]).max() > 1e-4  # 100 agents are not the population


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_nearest_distribution(size, seed):
    """It is one, it is the point itself where that is one, and no random distribution is nearer."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(5, size)) * rng.choice([0.1, 1, 10])
    near = on_simplex(points)
    assert (near >= 0).all()
    np.testing.assert_allclose(near.sum(-1), 1)
    np.testing.assert_allclose(on_simplex(near), near, atol=1e-12)
    for other in rng.dirichlet(np.full(size, 0.5), size=20):
        assert (np.linalg.norm(points - near, axis=-1) <= np.linalg.norm(points - other, axis=-1) + 1e-12).all()


@given(strategies.games(dependences=("fixed",)), st.integers(0, 2**32 - 1))
def test_whatever_was_played_gives_a_game(spec, seed):
    """Rows are distributions, and the estimate is solved like any game, however little was seen."""
    game = spec.build()
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Bernoulli(0.5), 5, trajectories=True, rng=seed)
    for kind in ("constant", "affine"):
        found = tmf.learn.fit(run, n_observations=game.n_observations, n_actions=game.n_actions, kind=kind)
        assert np.isfinite(tmf.exploitability(found.game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()))
        assert found.visits.sum() + found.passive_visits.sum() == 5 * game.horizon


LOG = (np.zeros((2, 3), int), np.zeros((2, 3), int), np.zeros((2, 3)))
SIZES = {"n_observations": 2, "n_actions": 2, "discount": 1.0}


@pytest.mark.parametrize(
    ("data", "options", "kind", "text"),
    [
        (3, {}, TypeError, "data is int; must be Trajectories, a Simulation or (observations, actions, rewards)"),
        ([], {}, ValueError, "data is empty"),
        ([LOG, 3], SIZES, TypeError, "data[1] is int"),
        (LOG, {"discount": 1.0}, TypeError, "n_observations and n_actions are None"),
        (LOG, {"n_observations": 2, "n_actions": 2}, TypeError, "discount is None"),
        ((LOG[0] + 2, *LOG[1:]), SIZES, ValueError, "data[0].observations[0, 0] is 2; must be in [0, 1]"),
        ((LOG[0], LOG[1] - 2, LOG[2]), SIZES, ValueError, "data[0].actions[0, 0] is -2; must be in [-1, 1]"),
        ((*LOG[:2], LOG[2] * np.nan), SIZES, ValueError, "data[0].rewards[0, 0] is nan; must be finite"),
        ((*LOG[:2], LOG[2] + 1e200), SIZES, ValueError, "data[0].rewards[0, 0] is 1e+200; must be in [-1e+100, 1e+100]"),
        ((LOG[0], LOG[1][:1], LOG[2]), SIZES, ValueError, "data[0].actions has shape (1, 3); must be (N, T) = (2, 3)"),
        (LOG, SIZES | {"mu": [np.ones((3, 2))] * 2}, ValueError, "mu has 2 populations; must be 1"),
        (LOG, SIZES | {"kind": "linear"}, ValueError, "kind is 'linear'"),
        (LOG, SIZES | {"prior": -1}, ValueError, "prior is -1"),
    ],
)
def test_mistakes(data, options, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        tmf.learn.fit(data, **options)


def test_counts_must_be_of_single_steps():
    game = tmf.games.left_right(horizon=4, step=1).at()
    uniform = tmf.TabularPolicy.uniform(game)
    run = tmf.simulate(game, uniform, tmf.Synchronous(), 10, rng=1, record_every=2)
    with pytest.raises(ValueError, match=re.escape("data[0] has no decisions of single steps")):
        tmf.learn.fit(run)
    run = tmf.simulate(game, uniform, tmf.Synchronous(), 10, rng=1)
    with pytest.raises(ValueError, match="n_actions is 3; must be 2, as in the data"):
        tmf.learn.fit(run, n_actions=3)
    with pytest.raises(ValueError, match="kind is 'affine', but the data is counts; must be trajectories"):
        tmf.learn.fit(run, kind="affine")
    with pytest.raises(ValueError, match="mu is given, but the data is counts"):
        tmf.learn.fit(run, mu=np.ones((4, 3)))
    logged = tmf.simulate(game, uniform, tmf.Synchronous(), 10, rng=1, trajectories=True)
    with pytest.raises(TypeError, match="data mixes"):
        tmf.learn.fit([run, logged])
