"""LinearSoftmax, and TMFPG that climbs the weights of features: one-hot features give the bits of tables."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tmfcore as tmf
from solver_cases import queueing
from tmfcore.solvers import TMFPG
from tmfcore.solvers._features import Features

S, A = 4, 3
RNG = np.random.default_rng(1)
FEATURES, WEIGHTS = RNG.normal(size=(S, A, 2)), RNG.normal(size=(3, 2))
LEGAL = np.array([[True, True, False], [True, True, True], [False, False, True], [True, False, True]])


def one_hot(n_observations, n_actions):
    return np.eye(n_observations * n_actions).reshape(n_observations, n_actions, -1)


def test_logits_are_features_times_weights():
    policy = tmf.LinearSoftmax(FEATURES, WEIGHTS, horizon=6)
    for t in range(6):
        logits = (FEATURES * WEIGHTS[t // 2]).sum(axis=-1)
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(policy.probabilities(np.full(S, 0.25), t), expected, rtol=1e-14)
    assert policy.n_stages == 3 and not policy.affine and policy.weights.shape == (3, 2)
    np.testing.assert_array_equal(tmf.LinearSoftmax(FEATURES).probabilities(np.full(S, 0.25)), np.full((S, A), 1 / A))
    lawful = tmf.LinearSoftmax(FEATURES, WEIGHTS[0], legal=LEGAL).probabilities(np.full(S, 0.25))
    assert (lawful[~LEGAL] == 0).all() and (lawful[LEGAL] > 0).all()


def test_one_hot_features_are_a_table_to_the_bit():
    theta = RNG.normal(size=(3, S, A))
    linear = tmf.LinearSoftmax(one_hot(S, A), theta.reshape(3, -1))
    np.testing.assert_array_equal(linear.theta, theta)
    np.testing.assert_array_equal(linear.kernel.table, tmf.SoftmaxPolicy(theta).kernel.table)
    game = tmf.games.queueing((0.1, 0.2, 0.3), horizon=3)
    uniform = tmf.LinearSoftmax.uniform(game.at(step=0.5), stages=2)
    assert uniform.n_stages == 2
    np.testing.assert_array_equal(uniform.kernel.table, tmf.SoftmaxPolicy.uniform(game.at(step=0.5), stages=2).kernel.table)


def test_verbs_take_it_as_any_policy(tmp_path):
    game, schedule = queueing(horizon=6), tmf.Fraction(0.5)
    policy = tmf.LinearSoftmax(RNG.normal(size=(4, 4, 2)), RNG.normal(size=(3, 2)), horizon=6)
    table = tmf.SoftmaxPolicy(policy.theta)
    np.testing.assert_array_equal(tmf.mean_field(game, policy, schedule).mu, tmf.mean_field(game, table, schedule).mu)
    assert tmf.evaluate(game, policy, schedule).mean_return == tmf.evaluate(game, table, schedule).mean_return
    assert tmf.exploitability(game, policy, schedule) == tmf.exploitability(game, table, schedule)
    runs = [tmf.simulate(game, each, schedule, 20, rng=1) for each in (policy, table)]
    np.testing.assert_array_equal(runs[0].counts, runs[1].counts)
    found = tmf.solve(game, schedule, initial=policy, solver="MirrorDescent", iterations=1, tolerance=None)
    again = tmf.solve(game, schedule, initial=table, solver="MirrorDescent", iterations=1, tolerance=None)
    assert found.exploitability == again.exploitability


@pytest.mark.parametrize("legal", [None, LEGAL])
def test_copies_files_and_texts(legal, tmp_path):
    policy = tmf.LinearSoftmax(FEATURES, WEIGHTS, legal=legal, horizon=6)
    policy.save(tmp_path / "p.npz")
    for other in (
        tmf.load(tmp_path / "p.npz"), tmf.LinearSoftmax.load(tmp_path / "p.npz"), pickle.loads(pickle.dumps(policy)),
        copy.deepcopy(policy), tmf.LinearSoftmax.from_json(policy.to_json()),
    ):  # fmt: skip
        assert type(other) is tmf.LinearSoftmax and other == policy and other.horizon == 6 and hash(other) == hash(policy)
        assert other.equals(policy)
        np.testing.assert_array_equal(other.weights, WEIGHTS)
    assert policy != tmf.SoftmaxPolicy(policy.theta) and tmf.SoftmaxPolicy(policy.theta) != policy
    assert policy != tmf.LinearSoftmax(FEATURES, WEIGHTS + 1, legal=legal)
    with pytest.raises(ValueError, match="text holds a SoftmaxPolicy; must hold a LinearSoftmax"):
        tmf.LinearSoftmax.from_json('{"kind": "SoftmaxPolicy", "features": [], "weights": []}')
    with pytest.raises(ValueError, match="text is not such a policy in JSON"):
        tmf.LinearSoftmax.from_json("[]")


def test_what_is_no_policy():
    with pytest.raises(ValueError, match=r"features has shape \(4, 3\)"):
        tmf.LinearSoftmax(FEATURES[..., 0])
    with pytest.raises(ValueError, match=r"weights has shape \(3,\)"):
        tmf.LinearSoftmax(FEATURES, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"the logit of stage 0, observation 0 and action 0 is .*inf; must be finite"):
        tmf.LinearSoftmax(np.full((1, 2, 1), 1e300), [1e300])
    with pytest.raises(ValueError, match="legal"):
        tmf.LinearSoftmax(FEATURES, legal=np.zeros((S, A), bool))
    with pytest.raises(ValueError, match="affine is True; must be False"):
        tmf.LinearSoftmax.uniform(queueing(), affine=True)


# -------------------------------------------------------------------------------------------------------------- TMFPG

GAME, WHO, N = queueing(horizon=8), tmf.Fraction(0.5), 20
VARIANTS = [
    {}, {"critic": "empirical"}, {"critic": "returns"}, {"critic": "returns", "optimizer": "adam"}, {"gradient": "plain"},
    {"optimizer": "sgd", "entropy": 0.1}, {"entropy": 0.1, "gradient": "plain"}, {"inner_updates": 3},
    {"guidance": np.array([0.1, 0.2, 0.3, 0.4])}, {"stages": 1}, {"average": None}, {"clock": "always"},
]  # fmt: skip


@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: " ".join(f"{n}" for n in options))
def test_one_hot_features_give_the_bits_of_tables(options):
    given = {"iterations": 6, "tolerance": None, "replicas": 2, **options}
    hot = one_hot(4, 4)
    for start in (None, tmf.SoftmaxPolicy(RNG.normal(size=(4, 4))), np.full((4, 4), 0.25)):
        table = TMFPG(**given).solve(GAME, WHO, N, rng=1, initial=start)
        linear = TMFPG(**given, features=hot).solve(GAME, WHO, N, rng=1, initial=start)
        np.testing.assert_array_equal(linear.policy.theta, table.policy.theta)
        np.testing.assert_array_equal(linear.history["exploitability"], table.history["exploitability"])
        np.testing.assert_array_equal(linear.state["theta"], table.state["theta"].reshape(len(linear.state["theta"]), -1))


def test_in_the_limit_and_on_an_executor_too():
    hot = one_hot(4, 4)
    table = TMFPG(iterations=4, tolerance=None).solve(GAME, WHO)
    linear = TMFPG(iterations=4, tolerance=None, features=hot).solve(GAME, WHO)
    np.testing.assert_array_equal(linear.policy.theta, table.policy.theta)
    with ThreadPoolExecutor(2) as pool:
        solver = TMFPG(iterations=4, tolerance=None, critic="empirical", features=RNG.normal(size=(4, 4, 5)))
        assert solver.solve(GAME, WHO, N, rng=1, executor=pool).policy == solver.solve(GAME, WHO, N, rng=1).policy


def test_directions_are_least_squares():
    """Against numpy's own, where features overlap; the natural direction of a stage, weighted by visits."""
    features = Features(FEATURES)
    total, visits = RNG.normal(size=(2, S, A, 1)), RNG.integers(0, 5, size=(2, S, A)).astype(float)
    total[visits == 0] = 0
    found = features.fitted(total, visits)
    for stage in range(2):
        n, sums = visits[stage].ravel(), total[stage].ravel()
        seen = n > 0
        rows, root = FEATURES.reshape(-1, 2)[seen], np.sqrt(n[seen])
        expected = np.linalg.lstsq(rows * root[:, None], sums[seen] / n[seen] * root, rcond=None)[0]
        np.testing.assert_allclose(found[stage], expected, rtol=1e-10)
    np.testing.assert_array_equal(features.fitted(0 * total, 0 * visits), 0)
    double = Features(np.concatenate([FEATURES, FEATURES], axis=2))  # twice the same: the least norm halves them
    np.testing.assert_allclose(double.fitted(total, visits), np.tile(found, 2) / 2, rtol=1e-8)
    same = Features(FEATURES).nearest(Features(FEATURES).logits(WEIGHTS)[..., 0])
    np.testing.assert_allclose(same, WEIGHTS, rtol=1e-10)


def test_the_plain_direction_is_the_derivative():
    """Of sum_t W log pi in the weights, by differences."""
    total = RNG.normal(size=(S, A))

    def objective(weights):
        return (total * np.log(tmf.LinearSoftmax(FEATURES, weights).kernel.table[0])).sum()

    pi = tmf.LinearSoftmax(FEATURES, WEIGHTS[0]).kernel.table[0]
    plain = total - pi * total.sum(axis=1, keepdims=True)
    slopes = [(objective(WEIGHTS[0] + h) - objective(WEIGHTS[0] - h)) / 2e-6 for h in 1e-6 * np.eye(2)]
    np.testing.assert_allclose(Features(FEATURES).summed(plain[None, ..., None])[0], slopes, rtol=1e-7)


def test_two_features_find_the_equilibrium_that_they_can_tell():
    """Rewards are known to be worth less crowding, one number per target, wherever one comes from: 4 weights, not 16."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    features = np.tile(np.eye(4), (4, 1, 1))
    found = TMFPG(features=features).solve(game, tmf.Synchronous(), 1000, rng=1)
    assert found.converged and found.policy.weights.shape == (20, 4)
    assert found.relative_exploitability <= 0.005


def test_a_solution_with_features_goes_on(tmp_path):
    solver = TMFPG(iterations=5, tolerance=None, features=RNG.normal(size=(4, 4, 3)))
    first = solver.solve(GAME, WHO, N, rng=1)
    first.save(tmp_path / "s.npz")
    second = solver.solve(GAME, WHO, N, rng=2, initial=tmf.Solution.load(tmp_path / "s.npz"))
    assert second.policy == solver.solve(GAME, WHO, N, rng=2, initial=first).policy
    assert second.history["iteration"][0] == 5
    begun = solver.solve(GAME, WHO, N, rng=2, initial=first.policy)
    assert begun.history["exploitability"][0] == first.exploitability
    other = TMFPG(iterations=5, tolerance=None, features=RNG.normal(size=(4, 4, 3)))
    assert other.solve(GAME, WHO, N, rng=2, initial=first).history["iteration"][0] == 0
    assert solver == TMFPG(iterations=5, tolerance=None, features=solver.features) and solver != other


def test_features_that_do_not_fit():
    with pytest.raises(ValueError, match=r"features is .*; must be omitted if population_aware is True"):
        TMFPG(features=FEATURES, population_aware=True)
    with pytest.raises(ValueError, match=r"features has shape \(4, 3, 2\); must be \(S, A, d\) with \(S, A\) = \(4, 4\)"):
        TMFPG(features=FEATURES).solve(GAME, WHO, N, rng=1)
    legal = np.array([[True, False], [True, True]])
    game = tmf.Game(2, 2, 3, 0.9, [1, 0], np.zeros((2, 2)), np.full((2, 2, 2), 0.5), legal=legal)
    with pytest.raises(ValueError, match="features is given for a game with illegal actions; must be omitted"):
        TMFPG(features=np.ones((2, 2, 1))).solve(game, tmf.Synchronous(), N, rng=1)
