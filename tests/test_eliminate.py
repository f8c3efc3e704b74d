"""Elimination: distances against best responses, likelihoods by hand, the true game survives, and what comes of the search."""

import pickle
from math import comb, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from tmfcore._limit.checks import active_fractions
from tmfcore.learn import _distances, _pairs, eliminate
from tmfcore.learn._distances import View, all_pairs, distances, loglikelihood, looks

WHO = {
    "all": tmf.Synchronous(), "some": tmf.Fraction(0.4), "by place": tmf.Bernoulli(lambda mu, t: 0.2 + 0.6 * mu),
}  # fmt: skip


def random_game(rng, S, A, T, *, sparse=False):
    rows, pull = rng.dirichlet(np.full(S, 0.5), size=(2, T, S, A))
    resting = rng.dirichlet(np.ones(S), size=S)
    if sparse:
        cells = rng.integers(S, size=(S, A, 2))
        share = rng.random((S, A))
        return tmf.Game(
            S, A, T, 1.0, np.full(S, 1 / S), np.zeros((S, A)), lambda mu, t: np.stack([share * mu[0], 1 - share * mu[0]], axis=-1),
            successors=cells, passive_transition=resting,
        )
    return tmf.Game(
        S, A, T, 1.0, np.full(S, 1 / S), np.zeros((S, A)), lambda mu, t: mu[0] * pull[t] + (1 - mu[0]) * rows[t],
        passive_transition=resting,
    )


def views_of(games, policy, schedule):
    return [View(game, tmf.mean_field(game, policy, schedule).mu, active_fractions(game, schedule, None)) for game in games]


def tables(view, t):
    found = view.game.tables(view.mu[t], t)
    dense = found.transition
    if view.game.successors is not None:
        dense = np.zeros((*dense.shape[:2], view.game.n_observations))
        for (o, a, k), p in np.ndenumerate(found.transition):
            dense[o, a, view.game.successors[o, a, k]] += p
    return dense, found.passive_transition


def by_best_response(one, other, agent=None):
    """d(one, other): the best value of an agent in `one` whose reward is the distance of the rows; or that of a policy."""
    T, S = one.game.n_steps, one.game.n_observations
    both = [[tables(view, t) for t in range(T)] for view in (one, other)]
    apart = tmf.Game(
        S, one.game.n_actions, T, 1.0, one.game.initial,
        lambda mu, t: np.abs(both[0][t][0] - both[1][t][0]).sum(axis=-1), lambda mu, t: both[0][t][0],
        passive_reward=lambda mu, t: np.abs(both[0][t][1] - both[1][t][1]).sum(axis=-1),
        passive_transition=lambda mu, t: both[0][t][1],
    )  # fmt: skip
    shares = np.array([np.broadcast_to(one.active, S) if isinstance(one.active, np.ndarray) else one.active.shares(one.mu[t], t) for t in range(T)])
    schedule = tmf.Bernoulli(shares)
    flow = tmf.mean_field(apart, tmf.TabularPolicy.uniform(apart), schedule)
    if agent is None:
        return float(one.game.initial @ tmf.best_response(apart, flow, schedule).values[0])
    return float(one.game.initial @ tmf.evaluate(apart, agent, schedule, flow=flow).values[0])


@given(st.integers(1, 10), st.integers(1, 3), st.integers(1, 3), st.integers(2, 5), st.sampled_from(sorted(WHO)), st.booleans(), st.integers(0, 2**32 - 1))
def test_distances_are_best_responses(S, A, T, n, who, sparse, seed):
    """Every pair, both ways, to rounding; and the looking agent's policy is the best response."""
    rng = np.random.default_rng(seed)
    games = [random_game(rng, S, A, T, sparse=sparse) for _ in range(n)]
    policy = rng.dirichlet(np.ones(A), size=(T, S))
    views = views_of(games, policy, WHO[who])
    pairs = all_pairs(n)
    assert sorted(map(tuple, pairs.tolist())) == [(j, k) for j in range(n) for k in range(j + 1, n)]
    found = distances(views, pairs, 1)
    for (j, k), (there, back) in zip(pairs.tolist(), found, strict=True):
        wanted = by_best_response(views[j], views[k])
        assert there == pytest.approx(wanted, abs=1e-12)
        assert back == pytest.approx(by_best_response(views[k], views[j]), abs=1e-12)
    assert by_best_response(views[j], views[k], looks(views, j, k)) == pytest.approx(wanted, abs=1e-12)


def test_equal_models_have_the_distance_zero():
    """Exactly, and at every step, although the games are different objects."""
    one, other, third = (tmf.games.linear_features(9, n_actions=3, candidate=k, rng=1).at(step=1) for k in (2, 2, 3))
    views = views_of([one, other, third], tmf.TabularPolicy.uniform(one), tmf.Synchronous())
    found = distances(views, all_pairs(3), 1)
    assert found[0].tolist() == [0.0, 0.0] and (found[1:] > 0).all()


@pytest.mark.parametrize("who", ["all", "by place"])
def test_blocks_and_threads_change_nothing(who, monkeypatch):
    """The rows of two blocks at a time, or of all; two threads: the same bits."""
    rng = np.random.default_rng(4)
    games = [random_game(rng, 9, 3, 3) for _ in range(11)]
    views = views_of(games, rng.dirichlet(np.ones(3), size=9), WHO[who])
    whole = distances(views, all_pairs(11), 1)
    monkeypatch.setattr(_distances, "SECONDS", 0.0)
    np.testing.assert_array_equal(distances(views, all_pairs(11), 2), whole)
    each = 8 * 9 * 9 * 3
    for most in (6 * each, 2 * each, each):
        monkeypatch.setattr(_distances, "TABLES", most)
        assert _distances._block(games[0], 11) == max(1, most // (2 * each))
        np.testing.assert_array_equal(distances(views, all_pairs(11), 1), whole)


def test_the_kernel_refuses_what_does_not_fit():
    rows, shares, pairs, values = np.zeros((2, 3, 1, 3)), np.ones((2, 3)), np.array([[0, 1]]), np.empty((1, 2, 3))
    for change, match in (
        ({"rows": np.zeros((2, 3, 1, 4))}, "rows, shares and pairs"), ({"passive": np.zeros((2, 3, 4))}, "rows and passive"),
        ({"values": np.empty((2, 2, 3))}, "pairs and values"), ({"following": np.empty((1, 2, 4))}, "pairs and following"),
        ({"greedy": np.empty((1, 1, 3), np.intp)}, "pairs and greedy"), ({"last": 4}, "observations are 0..4"),
        ({"pairs": np.array([[0, 2]])}, r"pairs\[0\] is \(0, 2\)"),
    ):  # fmt: skip
        good = {"rows": rows, "passive": None, "shares": shares, "pairs": pairs, "following": None, "values": values, "greedy": None, "first": 0, "last": 3}
        with pytest.raises(ValueError, match=match):
            _pairs.step_back(**good | change)
    model = tmf.games.left_right(step=1).at().model
    with pytest.raises(ValueError, match="active has another shape"):
        _pairs.fill(model, np.full(3, 1 / 3), 0, np.empty((2, 3, 3)), None)
    bad = tmf.Game(2, 1, 1, 1.0, [1, 0], [[0.0]] * 2, lambda mu, t: np.full((2, 1, 2), 0.5))
    _pairs.fill(bad.model, bad.initial, 0, np.empty((2, 1, 2)), None)


def test_likelihoods_by_hand():
    rng = np.random.default_rng(1)
    for sparse in (False, True):
        game = random_game(rng, 4, 2, 3, sparse=sparse)
        (view,) = views_of([game], np.full((4, 2), 0.5), tmf.Fraction(0.4))
        observations, actions = tmf.learn.Oracle(game, tmf.Fraction(0.4), rng=1)(np.full((4, 2), 0.5), np.full((4, 2), 0.5))
        wanted = 0.0
        for t in range(3):
            active, passive = tables(view, t)
            o, a, x = observations[t], actions[t], observations[t + 1]
            wanted += log(passive[o, x] if a < 0 else active[o, a, x])
        assert loglikelihood(view, observations, actions) == pytest.approx(wanted, rel=1e-12)
    certain = tmf.games.left_right(horizon=3, step=1).at()
    (view,) = views_of([certain], tmf.TabularPolicy.uniform(certain), tmf.Synchronous())
    assert loglikelihood(view, np.array([0, 0, 0, 0]), np.array([1, 1, 1])) == -inf


# -------------------------------------------------------------------------------------------------------- the search


def small_class(n, rng, perturbation=0.5, S=8):
    return [tmf.games.linear_features(S, n_actions=3, n_features=3, candidate=k, perturbation=perturbation, rng=rng) for k in range(n)]


@pytest.mark.rest
def test_the_true_game_survives():
    """With delta = 0.1, 60 runs on 6 candidates: 21 losses would have a chance below 1e-6 if 0.1 were the rate."""
    assert sum(comb(60, k) * 0.1**k * 0.9 ** (60 - k) for k in range(21, 61)) < 1e-6
    games, lost, alone = small_class(6, 3, 0.2), 0, 0
    for seed in range(60):
        true = seed % 6
        oracle = tmf.learn.Oracle(games[true], tmf.Synchronous(), rng=seed)
        found = eliminate(games, oracle, tmf.Synchronous(), delta=0.1, rng=seed, threads=1)
        lost += true not in found.survivors
        alone += len(found.survivors) == 1
    assert lost < 21
    assert alone > 45  # and it does tell them apart


def test_a_threshold_that_is_too_low_loses_it():
    """So the test above can fail: at delta near 1 of two candidates, one in three is lost."""
    games, lost = small_class(2, 3, 0.2), 0
    for seed in range(60):
        oracle = tmf.learn.Oracle(games[0], tmf.Synchronous(), rng=seed)
        lost += 0 not in eliminate(games, oracle, tmf.Synchronous(), delta=0.999, rng=seed, threads=1).survivors
    assert lost > 10


@pytest.mark.parametrize(("who", "n_agents", "finite"), [(tmf.Fraction(0.5), None, False), (tmf.Batch(300), 1000, True)])
def test_any_schedule_and_populations_of_agents(who, n_agents, finite):
    games = small_class(5, 8, 0.6)
    oracle = tmf.learn.Oracle(games[2], who, n_agents, finite=finite, trajectories=3, rng=2)
    found = eliminate(games, oracle, who, n_agents, rng=1)
    assert found.candidate == 2 and found.converged
    assert found.n_trajectories % 6 == 0  # three at a call, two calls a round
    assert found.guarantee == pytest.approx(tmf.exploitability(games[2], found.solution.policy, who, n_agents))


def test_what_it_reports():
    """The record, round by round; the certificate; the seed alone; a pickle and a file."""
    games = small_class(12, 5, 0.3)
    calls, done = [], []

    def oracle(agent, population):
        calls.append(agent is population)
        return inner(agent, population)

    inner = tmf.learn.Oracle(games[7], tmf.Synchronous(), rng=3)
    found = eliminate(games, oracle, tmf.Synchronous(), rng=4, progress=lambda now, total: done.append((now, total)))
    assert found.candidate == 7 and found.survivors.tolist() == [7]
    assert calls == [True, False] * (found.n_trajectories // 2)
    np.testing.assert_array_equal(found.trajectories, 2 * np.arange(1, len(found.trajectories) + 1))
    assert (np.diff(found.remaining) <= 0).all() and found.remaining[-1] == 1
    assert done[0] == (0, 11) and done[-1] == (11, 11)
    assert found.eliminated[7] == -1 and found.loglikelihood[7] == 0
    for k in set(range(12)) - {7}:  # it left when its likelihood fell below the threshold, and not before
        gone = int(np.flatnonzero(found.trajectories == found.eliminated[k])[0])
        assert found.loglikelihood[k] < -log(11 / found.delta)
        assert found.remaining[gone] < (found.remaining[gone - 1] if gone else 12)
    inner = tmf.learn.Oracle(games[7], tmf.Synchronous(), rng=3)
    again = eliminate(games, inner, tmf.Synchronous(), rng=4, threads=2)
    for name in ("survivors", "loglikelihood", "eliminated", "trajectories", "reference", "distance", "exploitability"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    np.testing.assert_array_equal(again.solution.policy.kernel.probabilities(games[0].initial, 1, 3), found.solution.policy.kernel.probabilities(games[0].initial, 1, 3))
    assert pickle.loads(pickle.dumps(found)).equals(found)
    assert str(found).startswith("Elimination('linear_features', found games[7], survivors 1 of 12")


def test_candidates_that_need_not_be_told_apart():
    """Nearly equal ones: the search ends without a trajectory, and the policy is good in all of them."""
    games = small_class(6, 5, 1e-7)
    found = eliminate(games, tmf.learn.Oracle(games[3], tmf.Synchronous(), rng=1), tmf.Synchronous(), rng=1)
    assert found.converged and found.n_trajectories == 0 and len(found.survivors) == 6
    assert len(found.exploitability) == 6 and found.guarantee < 1e-2
    assert len(found.trajectories) == 0 and found.equals(pickle.loads(pickle.dumps(found)))


def test_one_that_is_far_from_a_crowd():
    """More than half are close to each other: the reference has most neighbours, and the search ends if it survives."""
    crowd, away = small_class(5, 5, 1e-7), small_class(6, 5, 1.0)[5]
    found = eliminate([*crowd, away], tmf.learn.Oracle(crowd[1], tmf.Synchronous(), rng=1), tmf.Synchronous(), rng=1)
    assert found.converged and set(found.survivors) <= set(range(6)) and {0, 1, 2, 3, 4} <= set(found.survivors)
    found = eliminate([*crowd, away], tmf.learn.Oracle(away, tmf.Synchronous(), rng=1), tmf.Synchronous(), rng=1)
    assert found.candidate == 5 and found.survivors.tolist() == [5]


def test_one_candidate_is_the_game():
    (game,) = small_class(1, 2)
    found = eliminate([game], lambda agent, population: pytest.fail("asked"), tmf.Synchronous())
    assert found.candidate == 0 and found.converged and found.guarantee == found.solution.exploitability


def test_the_limit_of_trajectories():
    games = small_class(6, 5, 0.05)
    found = eliminate(games, tmf.learn.Oracle(games[3], tmf.Synchronous(), rng=1), tmf.Synchronous(), most=7, rng=1)
    assert not found.converged and found.n_trajectories == 8
    assert found.candidate in found.survivors


def test_the_limit_of_trajectories_in_a_crowd():
    """With a reference that has most neighbours, too, the limit is no end of the search by itself."""
    games = [*small_class(5, 5, 1e-7), small_class(6, 5, 0.05)[5]]
    for most, rounds, ends in ((7, 50, False), (1000, 4, True), (8, 4, True)):
        oracle = tmf.learn.Oracle(games[3], tmf.Synchronous(), rng=1)
        found = eliminate(games, oracle, tmf.Synchronous(), most=most, rounds=rounds, rng=1)
        assert found.n_trajectories == 8 and len(found.survivors) == 6 and found.converged is ends


def test_what_is_interrupted_is_handed_over():
    games = small_class(6, 5, 0.3)
    inner, calls = tmf.learn.Oracle(games[3], tmf.Synchronous(), rng=1), []

    def oracle(agent, population):
        calls.append(1)
        if len(calls) > 9:
            raise KeyboardInterrupt
        return inner(agent, population)

    with pytest.raises(KeyboardInterrupt) as caught:
        eliminate(games, oracle, tmf.Synchronous(), rng=1)
    assert caught.value.partial.n_trajectories == 8 and not caught.value.partial.converged


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"games": []}, ValueError, "games is empty"),
        ({"games": 3}, TypeError, "games is 3 .int.; must be a sequence of Game"),
        ({"games": [1]}, TypeError, r"games\[0\] is 1"),
        ({"games": [*small_class(1, 1), *small_class(1, 1, S=9)]}, ValueError, r"games\[1\].n_observations is 9; must be 8"),
        ({"games": [*small_class(1, 1), *small_class(1, 2)]}, ValueError, r"games\[1\].initial differs"),
        ({"games": [g.replace(horizon=2 + i) for i, g in enumerate(small_class(2, 1))]}, ValueError, r"games\[1\].n_steps is 3"),
        ({"epsilon": 0.0}, ValueError, "epsilon is 0"),
        ({"delta": 1.0}, ValueError, "delta is 1"),
        ({"rounds": 0}, ValueError, "rounds is 0"),
        ({"schedule": tmf.Poisson()}, ValueError, "must be in steps"),
        ({"oracle": 3}, TypeError, "oracle is 3"),
    ],
)
def test_it_refuses(change, error, match):
    good = {"games": small_class(2, 1), "oracle": lambda agent, population: None, "schedule": tmf.Synchronous()}
    with pytest.raises(error, match=match):
        eliminate(**good | change)


def test_what_no_candidate_can_do_is_an_error():
    """All rows are certain, and the oracle shows something else."""
    games = [tmf.Game(2, 1, 1, 1.0, [1, 0], [[0.0]] * 2, [[row], [[0, 1]]]) for row in ([1, 0], [0, 1])]
    found = eliminate(games, lambda agent, population: ([0, 1], [0]), tmf.Synchronous())
    assert found.candidate == 1 and found.loglikelihood[0] == -inf
    same = [tmf.Game(3, 1, 1, 1.0, [1, 0, 0], [[0.0]] * 3, [[row], [[0, 1, 0]], [[0, 0, 1]]]) for row in ([1, 0, 0], [0, 1, 0])]
    with pytest.raises(ValueError, match="games has no candidate in which what the oracle returned is possible, after 2"):
        eliminate(same, lambda agent, population: ([0, 2], [0]), tmf.Synchronous())
