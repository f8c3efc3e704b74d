"""Probabilities have one rule, of arrays and of what functions return: `_base/rows.py`."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base import rows
from tmfcore._base import validation as check

HALF = np.full((2, 2, 2), 0.5)
TABLES = {
    "reward": np.zeros((2, 2)), "transition": HALF, "passive_reward": np.zeros(2), "passive_transition": np.full((2, 2), 0.5),
}  # fmt: skip
WRONG = {
    "complex": (lambda array: array + 0j, "holds dtype complex128; must hold real numbers"),
    "masked": (np.ma.array, "is a masked array; must be a plain array"),
    "strings": (lambda array: array.astype(str), "must hold real numbers"),
    "booleans": (lambda array: array.astype(bool), "holds dtype bool; must hold real numbers"),
    "objects": (lambda array: array.astype(object), "holds objects; must hold real numbers"),
    "list of complex": (lambda array: (array + 0j).tolist(), "holds dtype complex128; must hold real numbers"),
    "list of masked": (lambda array: [np.ma.array(row) for row in array], "holds a masked array; must hold plain numbers"),
}
VERBS = {
    "mean_field": lambda game, policy, schedule: tmf.mean_field(game, policy, schedule),
    "evaluate": lambda game, policy, schedule: tmf.evaluate(game, policy, schedule),
    "exploitability": lambda game, policy, schedule: tmf.exploitability(game, policy, schedule),
    "simulate": lambda game, policy, schedule: tmf.simulate(game, policy, schedule, 7, rng=1),
    "agents": lambda game, policy, schedule: tmf.simulate(game, policy, schedule, 7, rng=1, engine="agents"),
    "solve": lambda game, policy, schedule: tmf.solve(game, schedule, initial=policy, iterations=2, tolerance=None),
}


def game_of(reward=TABLES["reward"], transition=HALF, horizon=3, **others):
    return tmf.Game(2, 2, horizon, 1.0, [0.5, 0.5], reward, transition, **others)


def cases():
    for name in (*TABLES, "policy", "beta", "p"):
        for verb in VERBS:
            unused = (verb == "mean_field" and "reward" in name) or (verb == "solve" and name == "policy")
            if not unused:
                yield pytest.param(name, verb, id=f"{name}-{verb}")


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("name", "verb"), list(cases()))
def test_what_functions_return_is_refused_by_name(name, verb, wrong):
    change, message = WRONG[wrong]

    def at_times(array):
        return lambda mu, t: change(array) if t == 2 else array

    game, policy, schedule = game_of(horizon=5), HALF[0], tmf.Fraction(0.5)
    if name in TABLES:
        game = game_of(horizon=5, **{name: at_times(TABLES[name])})
    elif name == "policy":
        policy = at_times(HALF[0])
    elif name == "p":
        schedule = tmf.Bernoulli(at_times(np.full(2, 0.5)))
    else:
        schedule = tmf.Fraction(lambda mu, t: change(np.full(1, 0.5)) if t == 2 else 0.5)
    with pytest.raises(TypeError, match=rf"^{name}\(mu, t=2\) .*{message}"):
        VERBS[verb](game, policy, schedule)


NEARLY = np.array([[[1.0, -2.8e-17]] * 2, [[1 - 0.9 - 0.1, 1.0]] * 2])  # 1 - 0.9 - 0.1 is -2.8e-17


@pytest.mark.parametrize("given", [lambda array: array, lambda array: array.tolist(), lambda array: lambda mu, t: array, lambda array: lambda mu: array.tolist()])
def test_entries_within_rounding_of_zero_are_zero(given):
    exact, schedule = np.maximum(NEARLY, 0.0), tmf.Fraction(0.5)
    assert NEARLY.min() < 0
    with_passive = {"passive_transition": given(NEARLY[:, 0])}
    game, wanted = game_of(transition=given(NEARLY), **with_passive), game_of(transition=exact, passive_transition=exact[:, 0])
    for policy, plain in ((given(NEARLY[0]), exact[0]), (HALF[0], HALF[0])):
        np.testing.assert_array_equal(
            tmf.mean_field(game, policy, schedule).mu, tmf.mean_field(wanted, plain, schedule).mu
        )
        found, same = (tmf.simulate(g, p, schedule, 50, rng=3) for g, p in ((game, policy), (wanted, plain)))
        np.testing.assert_array_equal(found.counts, same.counts)
    rows_found = game.model.tables(np.full(2, 0.5))[1]
    assert rows_found.min() == 0 and (rows_found == exact).all()


@pytest.mark.parametrize("least", [-1.1e-14, -1e-9])
def test_entries_below_rounding_are_refused(least):
    bad = np.array([[[1.0, least]] * 2] * 2)
    with pytest.raises(ValueError, match=r"^transition\[0, 0, 1\] is -1.*must be .*0"):
        game_of(transition=bad)
    with pytest.raises(ValueError, match=r"^transition\(mu, t=0\)\[0, 0, 1\] is -1.*must be >= 0"):
        tmf.mean_field(game_of(transition=lambda mu: bad), HALF[0], tmf.Synchronous())


def narrow_rows(shape, seed=1, miss=3e-6):
    array = np.random.default_rng(seed).random(shape).astype(np.float32)
    array = array / array.sum(axis=-1, keepdims=True) * np.float32(1 + miss)
    assert array.dtype == np.float32 and np.abs(array.sum(axis=-1, dtype=float) - 1).max() > 1e-6
    return array


def test_float32_rows_are_scaled_in_float64():
    table = narrow_rows((2, 2, 2))
    exact = table.astype(float) / table.astype(float).sum(axis=-1, keepdims=True)
    for given in (table, table[:, ::-1][:, ::-1], lambda mu: table, lambda mu, t: table):
        found = game_of(transition=given).model.tables(np.full(2, 0.5))[1]
        np.testing.assert_array_equal(found, exact)
        assert np.abs(found.sum(axis=-1) - 1).max() <= 2e-16
    policy = tmf.TabularPolicy(table[0])
    np.testing.assert_array_equal(policy.table[0], exact[0])
    np.testing.assert_array_equal(
        tmf.mean_field(game_of(reward=np.eye(2)), lambda mu: table[0], tmf.Synchronous()).mu,
        tmf.mean_field(game_of(reward=np.eye(2)), policy, tmf.Synchronous()).mu,
    )
    start = tmf.Game(2, 2, 3, 1.0, table[0, 0], np.zeros((2, 2)), HALF)
    np.testing.assert_array_equal(start.initial, exact[0, 0])


def test_float64_rows_are_used_as_given():
    """Within 1e-8 their bits stay."""
    table = np.array([[[0.5, 0.5 + 9e-9]] * 2] * 2)
    for given in (table, lambda mu: table):
        np.testing.assert_array_equal(game_of(transition=given).model.tables(np.full(2, 0.5))[1], table)


def test_the_tolerance_follows_the_type_that_came_in():
    table = narrow_rows((2, 2))
    with pytest.raises(ValueError, match=r"each row must sum to 1 within 1e-08"):
        tmf.TabularPolicy(table.astype(float))
    with pytest.raises(ValueError, match=r"each row must sum to 1 within 1e-05 \(2 of 2 rows are bad\)"):
        tmf.TabularPolicy(table * np.float32(1 + 1e-4))
    with pytest.raises(ValueError, match=r"^policy\(mu, t=0\)\[0\] is .*must be >= 0 and sum to 1"):
        tmf.mean_field(game_of(), lambda mu: table * np.float32(1 + 1e-4), tmf.Synchronous())
    with pytest.raises(ValueError, match=r"^p\[0, 1\] is -"):
        check.as_probabilities(np.array([[1, -2e-6]], np.float32), "p")
    np.testing.assert_array_equal(check.as_probabilities(np.array([[1, -9e-7]], np.float32), "p"), [[1.0, 0.0]])
    half = np.array([[0.5, 0.5]], np.float16)
    np.testing.assert_array_equal(check.as_probabilities(half, "p"), [[0.5, 0.5]])


def test_nothing_given_is_changed():
    for array in (narrow_rows((2, 2)), np.array([[1.0, -2.8e-17]])):
        before = array.copy()
        check.as_probabilities(array, "p", copy=False)
        rows.as_rows(array, "p")
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("schedule", [
    lambda: tmf.Bernoulli(lambda mu, t: np.array([np.float32(1.0000001), -1e-8], np.float32)),
    lambda: tmf.Bernoulli(lambda mu, t: np.array([1 + 2e-16, -1e-17])),
], ids=["float32", "float64"])  # fmt: skip
def test_shares_within_rounding_of_their_bounds(schedule):
    flow = tmf.mean_field(game_of(transition=NEARLY.clip(0)), HALF[0], schedule())
    same = tmf.mean_field(game_of(transition=NEARLY.clip(0)), HALF[0], tmf.Bernoulli([[1.0, 0.0]]))
    np.testing.assert_array_equal(flow.mu, same.mu)
    for share in (np.float32(1.0000001), 1 + 2e-16, -1e-17):
        flow = tmf.mean_field(game_of(), HALF[0], tmf.Fraction(lambda mu, t: share))  # noqa: B023
        assert (flow.active_fraction == round(float(share))).all()
    with pytest.raises(ValueError, match=r"beta\(mu, t=0\) is 1\.0001; must be in \[0, 1\]"):
        tmf.mean_field(game_of(), HALF[0], tmf.Fraction(lambda mu, t: 1.0001))


@pytest.mark.peers
def test_policies_of_torch_in_float32():
    """A softmax of 200 actions misses 1 by up to 1e-6."""
    torch = pytest.importorskip("torch")
    logits = torch.randn(3, 200, generator=torch.Generator().manual_seed(1)) * 4
    policy = torch.softmax(logits, dim=-1)
    assert policy.dtype == torch.float32
    table = tmf.TabularPolicy(policy).table
    np.testing.assert_allclose(table[0], torch.softmax(logits.double(), -1).numpy(), rtol=1e-5)
    assert np.abs(table.sum(axis=-1) - 1).max() < 1e-15
