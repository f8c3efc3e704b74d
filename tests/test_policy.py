"""Policies: the probabilities they say, at the stage they say, exact through JSON and pickle."""

import json
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
import tmfcore as tmf
from tmfcore._model.policies import as_policy
from tmfcore._model.policy import AffinePolicy, CallablePolicy, TablePolicy

S, A = 3, 2
GAME = tmf.Game(S, A, 6, 0.9, [1, 0, 0], np.zeros((S, A)), np.full((S, A, S), 1 / 3))
MU = [0.5, 0.25, 0.25]
WANTED = (
    "must be a TabularPolicy, a SoftmaxPolicy, a Solution, an array (S, A) or (L, S, A) of probabilities or a callable "
    "f(mu, t) returning (S, A) probabilities"
)


@given(st.data(), st.sampled_from(["tabular", "softmax", "affine", "callable"]), st.integers(1, 7))
def test_probabilities_are_those_of_the_definition(data, kind, horizon):
    stages = data.draw(st.integers(1, horizon))
    spec = strategies.random_policy(data.draw(strategies.seeds), S, A, kind=kind, stages=stages, scale=3.0)
    mu = np.random.default_rng(data.draw(strategies.seeds)).dirichlet(np.ones(S))
    policy, expected = spec.build(horizon), spec.reference(horizon)
    game = tmf.Game(S, A, horizon, 0.9, [1, 0, 0], np.zeros((S, A)), np.full((S, A, S), 1 / 3))
    kernel = as_policy(policy, game)
    for t in range(horizon):
        wanted = expected(mu, t)
        np.testing.assert_allclose(kernel.probabilities(mu, t, horizon), wanted, rtol=1e-13, atol=1e-15)
        if kind != "callable":
            np.testing.assert_array_equal(
                policy.probabilities(mu, t, horizon), kernel.probabilities(mu, t, horizon)
            )


def test_number_of_axes_decides():
    for shape, kernel, stages in [
        ((S, A), TablePolicy, 1),
        ((4, S, A), TablePolicy, 4),
        ((4, S, A, 1 + S), AffinePolicy, 4),
    ]:
        policy = tmf.SoftmaxPolicy(np.zeros(shape))
        assert type(policy.kernel) is kernel
        assert (policy.n_stages, policy.n_observations, policy.n_actions) == (stages, S, A)
        assert policy.theta.shape == ((1, *shape) if len(shape) == 2 else shape)
        assert policy.affine == (len(shape) == 4)
    for shape, stages in [((S, A), 1), ((4, S, A), 4)]:
        policy = tmf.TabularPolicy(np.full(shape, 1 / A))
        assert type(policy.kernel) is TablePolicy
        assert policy.n_stages == stages
        assert policy.table.shape == (stages, S, A)


def test_horizon_defaults():
    stages = tmf.TabularPolicy([np.eye(2), np.eye(2)[::-1]])
    assert stages.probabilities([1, 0])[0, 0] == 1
    assert [stages.probabilities([1, 0], t, 2)[0, 0] for t in range(2)] == [1, 0]
    assert [stages.probabilities([1, 0], t, 5)[0, 0] for t in range(5)] == [1, 1, 1, 0, 0]
    with pytest.raises(ValueError, match=r"^t is 2; must be in \[0, 1\]$"):
        stages.probabilities([1, 0], 2, 2)
    for policy in (stages, tmf.SoftmaxPolicy(np.zeros((2, 2, 2))), tmf.SoftmaxPolicy(np.zeros((2, 2, 2, 3)))):
        with pytest.raises(ValueError, match=r"t is 1 and horizon None for a policy of 2 stages; must come with horizon=T"):
            policy.probabilities([1, 0], 1)
        with pytest.raises(ValueError, match=r"^horizon is 1; must be >= 2, the number of stages$"):
            policy.probabilities([1, 0], 0, 1)
    with pytest.raises(ValueError, match=r"^horizon is 1; must be >= 2$"):
        tmf.TabularPolicy(np.full((2, 2, 2), 0.5), horizon=1)
    own = tmf.TabularPolicy([np.eye(2), np.eye(2)[::-1]], horizon=5)
    for policy in (own, pickle.loads(pickle.dumps(own)), tmf.TabularPolicy.from_json(own.to_json())):
        assert [policy.probabilities([1, 0], t)[0, 0] for t in range(5)] == [1, 1, 1, 0, 0]
        assert [policy.probabilities([1, 0], t, 2)[0, 0] for t in range(2)] == [1, 0]
    assert own == stages, "horizons are no part of what is played"
    stationary = tmf.TabularPolicy(np.eye(2))
    np.testing.assert_array_equal(stationary.probabilities([1, 0], 12345), np.eye(2))
    with pytest.raises(ValueError, match=r"^t is 5; must be in \[0, 4\]$"):
        stationary.probabilities([1, 0], 5, 5)
    with pytest.raises(ValueError, match=r"^t is -1; must be >= 0$"):
        stationary.probabilities([1, 0], -1)
    with pytest.raises(ValueError, match=r"^mu sums to 2; must sum to 1 within 1e-08$"):
        stationary.probabilities([1, 1])
    with pytest.raises(ValueError, match=r"^horizon is 0; must be >= 1$"):
        stationary.probabilities([1, 0], 0, 0)


def test_uniform():
    for policy in (
        tmf.TabularPolicy.uniform(GAME, 3),
        tmf.SoftmaxPolicy.uniform(GAME, stages=3),
        tmf.SoftmaxPolicy.uniform(GAME, 3, affine=True),
    ):
        assert policy.n_stages == 3
        for t in range(3):
            np.testing.assert_array_equal(policy.probabilities(MU, t), np.full((S, A), 0.5))
    assert tmf.TabularPolicy.uniform(GAME).n_stages == 1
    with pytest.raises(ValueError, match=r"^stages is 7; must be in \[1, 6\]$"):
        tmf.TabularPolicy.uniform(GAME, 7)
    with pytest.raises(TypeError, match=r"^game is a dict; must be a Game$"):
        tmf.SoftmaxPolicy.uniform({})
    with pytest.raises(TypeError, match=r"^affine is 1 .*must be True or False$"):
        tmf.SoftmaxPolicy.uniform(GAME, affine=1)


def test_large_logits_do_not_overflow():
    np.testing.assert_array_equal(tmf.SoftmaxPolicy([[1e308, -1e308]]).probabilities([1]), [[1, 0]])


# -------------------------------------------------------------------------------------------- text and copies


@given(strategies.seeds, st.sampled_from(["tabular", "softmax", "affine"]), st.integers(1, 3))
def test_json_and_pickle_keep_every_bit(seed, kind, stages):
    policy = strategies.random_policy(seed, S, A, kind=kind, stages=stages, concentration=0.05).build(3)
    for again in (type(policy).from_json(policy.to_json()), pickle.loads(pickle.dumps(policy))):
        assert type(again) is type(policy)
        assert again == policy
        assert hash(again) == hash(policy)
        assert again._array.tobytes() == policy._array.tobytes()
        assert not again._array.flags.writeable


@pytest.mark.parametrize(
    ("text", "error", "pattern"),
    [
        ("", ValueError, "^text is not a policy in JSON"),
        ("[1, 2]", ValueError, "^text is not a policy in JSON"),
        ('{"kind": "TabularPolicy"}', ValueError, "^text is not a policy in JSON"),
        (
            tmf.SoftmaxPolicy([[0.0]]).to_json(),
            ValueError,
            "^text holds a SoftmaxPolicy; must hold a TabularPolicy$",
        ),
        ('{"kind": "TabularPolicy", "array": [[0.5, 0.4]]}', ValueError, r"^probabilities\[0\] sums to 0\.9"),
        ('{"kind": "TabularPolicy", "array": [["a"]]}', TypeError, "^probabilities holds dtype"),
        (b"{}", TypeError, "^text is a bytes; must be a string$"),
        (None, TypeError, "^text is None; must be a string$"),
    ],
)
def test_texts_that_hold_no_policy(text, error, pattern):
    with pytest.raises(error, match=pattern):
        tmf.TabularPolicy.from_json(text)


def test_json_is_plain():
    assert json.loads(tmf.TabularPolicy([[0.25, 0.75]]).to_json()) == {
        "kind": "TabularPolicy",
        "array": [[[0.25, 0.75]]],
    }


def test_frozen_and_independent_of_the_callers_array():
    table = np.full((S, A), 0.5)
    policy = tmf.TabularPolicy(table)
    table[:] = [1, 0]
    np.testing.assert_array_equal(policy.probabilities(MU), np.full((S, A), 0.5))
    with pytest.raises(AttributeError):
        policy.table = table
    with pytest.raises(ValueError, match="read-only"):
        policy.table[...] = 1
    result = policy.probabilities(MU)
    result[...] = 7
    np.testing.assert_array_equal(policy.probabilities(MU), np.full((S, A), 0.5))


def test_equality_and_repr():
    assert tmf.TabularPolicy([[1.0]]) == tmf.TabularPolicy([[[1.0]]])
    assert tmf.TabularPolicy([[1.0]]) != tmf.SoftmaxPolicy([[1.0]])
    assert tmf.TabularPolicy([[1.0]]) != 1
    assert repr(tmf.SoftmaxPolicy(np.zeros((4, S, A, 1 + S)))) == "SoftmaxPolicy(L=4, S=3, A=2)"


# ----------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: tmf.TabularPolicy([0.5, 0.5]),
            ValueError,
            "probabilities has shape (2,); must be (S, A) or (L, S, A)",
        ),
        (
            lambda: tmf.TabularPolicy(np.ones((1, 1, 1, 1))),
            ValueError,
            "probabilities has shape (1, 1, 1, 1); must be (S, A) or (L, S, A)",
        ),
        (
            lambda: tmf.TabularPolicy(np.zeros((0, 2))),
            ValueError,
            "probabilities has shape (0, 2); must be (S, A) or (L, S, A)",
        ),
        (
            lambda: tmf.TabularPolicy([[0.5, 0.5], [0.5, 0.4]]),
            ValueError,
            "probabilities[1] sums to 0.9; each row must sum to 1 within 1e-08 (1 of 2 rows are bad)",
        ),
        (
            lambda: tmf.TabularPolicy([[1.5, -0.5]]),
            ValueError,
            "probabilities[0, 1] is -0.5; must be >= 0 (1 of 2 entries are bad)",
        ),
        (
            lambda: tmf.TabularPolicy(lambda mu: mu),
            TypeError,
            "probabilities is a function; must be an array",
        ),
        (
            lambda: tmf.SoftmaxPolicy([0.0]),
            ValueError,
            "theta has shape (1,); must be (S, A) or (L, S, A) or (L, S, A, 1+S)",
        ),
        (
            lambda: tmf.SoftmaxPolicy(np.zeros((1, 3, 2, 3))),
            ValueError,
            "theta has shape (1, 3, 2, 3); must be (L, S, A, 1+S), with last axis 4",
        ),
        (
            lambda: tmf.SoftmaxPolicy([[0, np.inf]]),
            ValueError,
            "theta[0, 1] is inf; must be finite (1 of 2 entries are bad)",
        ),
    ],
)
def test_bad_arrays(make, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        make()


def test_as_policy_takes_what_plays_the_game():
    tabular = tmf.TabularPolicy.uniform(GAME)
    assert as_policy(tabular, GAME) is tabular.kernel
    assert as_policy(tabular.kernel, GAME) is tabular.kernel
    assert as_policy(tmf.TabularPolicy.uniform(GAME, 6), GAME).n_stages == 6
    for function in (lambda mu, t: np.full((S, A), 0.5), lambda mu: np.full((S, A), 0.5)):
        kernel = as_policy(function, GAME)
        assert isinstance(kernel, CallablePolicy)
        np.testing.assert_array_equal(kernel.probabilities(np.array(MU), 1, 6), np.full((S, A), 0.5))


@pytest.mark.parametrize(
    ("policy", "error", "text"),
    [
        (
            tmf.TabularPolicy(np.full((A, S), 1 / S)),
            ValueError,
            "policy has (S, A) = (2, 3); must be the game's, (3, 2)",
        ),
        (
            tmf.TabularPolicy(np.full((7, S, A), 1 / A)),
            ValueError,
            "policy has 7 stages; must have at most one per step, horizon = 6",
        ),
        (
            np.full((S, A), 0.25),
            ValueError,
            "policy[0] sums to 0.5; each row must sum to 1 within 1e-08 (3 of 3 rows are bad)",
        ),
        (
            [0.5, 0.5],
            ValueError,
            "policy has shape (2,); must be (S, A) or (L, S, A)",
        ),
        (
            None,
            TypeError,
            f"policy is None; {WANTED}",
        ),
        (lambda: 0, TypeError, "policy takes (); must be a function of (mu) or (mu, t)"),
    ],
)
def test_as_policy_refuses_the_rest(policy, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        as_policy(policy, GAME)


def test_arrays_and_solutions_are_policies():
    table = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])
    wanted = tmf.mean_field(GAME, tmf.TabularPolicy(table), tmf.Synchronous()).mu
    for policy in (table, table.tolist(), np.stack([table] * 6)):
        np.testing.assert_allclose(tmf.mean_field(GAME, policy, tmf.Synchronous()).mu, wanted, rtol=1e-14)
    solution = tmf.solvers.MirrorDescent(iterations=3).solve(GAME, tmf.Synchronous())
    found = tmf.exploitability(GAME, solution, tmf.Synchronous())
    assert found == tmf.exploitability(GAME, solution.policy, tmf.Synchronous())


@pytest.mark.parametrize("value", [np.full((A, S), 0.5), np.full((S, A), 0.4), np.full((S, A), np.nan)])
def test_callables_are_checked_at_every_use(value):
    kernel = as_policy(lambda mu, t: np.full((S, A), 0.5) if t == 0 else value, GAME)
    kernel.probabilities(np.array(MU), 0, 6)
    with pytest.raises(ValueError, match=r"^policy\(mu, t=1\)"):
        kernel.probabilities(np.array(MU), 1, 6)
