"""Schedules: how many act at each step, exactly, and what cannot be a schedule."""

import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
import tmfcore as tmf
from tmfcore._model.schedules import as_schedule

T = 4
TOO_FEW = (
    "must be 0 or at least 0.05, since it rounds to a batch of 0 of n_agents = 10 (use Bernoulli or Batch)"
)


@given(st.data(), st.integers(1, 60), st.integers(1, 5))
def test_kernel_and_fractions_agree_with_the_definition(data, n_agents, horizon):
    spec = data.draw(strategies.schedules(horizon, n_agents))
    schedule = spec.build()
    batch, probability = schedule._kernel(horizon, n_agents)
    assert (batch is None) != (probability is None)
    expected = [
        value if kind == "coin" else value / n_agents for kind, value in spec.moves(horizon, n_agents)
    ]
    used = probability if batch is None else batch
    assert used.dtype == (np.float64 if batch is None else np.int64)
    assert len(used) in (1, horizon)
    fractions = schedule.active_fraction(horizon, n_agents)
    assert fractions.shape == (horizon,)
    np.testing.assert_array_equal(fractions, expected)
    np.testing.assert_array_equal(np.broadcast_to(schedule._active(horizon, n_agents), (horizon,)), fractions)


@given(st.floats(0.0, 1.0), st.integers(1, 2**63 - 1))
def test_fraction_rounds_to_the_nearest_whole_agent(beta, n_agents):
    exact = math.floor(beta * n_agents + 0.5) if n_agents < 2**50 else None
    if 0 < beta and beta * n_agents + 0.5 < 1:
        with pytest.raises(ValueError, match="must be 0 or at least"):
            tmf.Fraction(beta)._kernel(T, n_agents)
        return
    batch, _ = tmf.Fraction(beta)._kernel(T, n_agents)
    assert 0 <= int(batch[0]) <= n_agents
    if exact is not None:
        assert int(batch[0]) == exact
    if beta == 1:
        assert int(batch[0]) == n_agents


@pytest.mark.parametrize("n_agents", [2**53 + 3, 10**18, 2**63 - 1])
def test_everybody_is_everybody_beyond_exact_floats(n_agents):
    assert tmf.Fraction(1.0)._kernel(T, n_agents)[0].tolist() == [n_agents]
    assert tmf.Synchronous()._kernel(T, n_agents)[0].tolist() == [n_agents]
    assert tmf.Fraction(1.0).active_fraction(T, n_agents).tolist() == [1.0] * T


def test_fraction_knows_the_limit_and_the_finite_population():
    assert tmf.Fraction(0.25).active_fraction(2).tolist() == [0.25, 0.25]
    assert tmf.Fraction(0.25).active_fraction(2, 5).tolist() == [0.2, 0.2]
    assert tmf.Fraction([0.0, 1.0]).active_fraction(2).tolist() == [0.0, 1.0]


def test_long_constant_schedules_are_one_number():
    for schedule in (
        tmf.Synchronous(),
        tmf.Sequential(),
        tmf.Batch(3),
        tmf.Fraction(0.5),
        tmf.Bernoulli(0.5),
    ):
        fractions = schedule.active_fraction(20_000_000, 10)
        assert fractions.strides == (0,)
        assert not fractions.flags.writeable


def test_who_needs_n_agents():
    assert tmf.Synchronous().active_fraction(2).tolist() == [1.0, 1.0]
    assert tmf.Bernoulli(0.5).active_fraction(2).tolist() == [0.5, 0.5]
    for schedule in (tmf.Sequential(), tmf.Batch(3)):
        with pytest.raises(ValueError, match=rf"^schedule is {re.escape(repr(schedule))} and n_agents is None; "):
            schedule.active_fraction(2)


@pytest.mark.parametrize(
    ("schedule", "label", "code"),
    [
        (tmf.Synchronous(), "B=N", "Synchronous()"),
        (tmf.Sequential(), "B=1", "Sequential()"),
        (tmf.Batch(100), "B=100", "Batch(100)"),
        (tmf.Batch(1_000_000), "B=1000000", "Batch(1000000)"),
        (tmf.Batch([3, 7, 5]), "B=3..7", "Batch(array([3, 7, 5]))"),
        (tmf.Batch(np.array([2, 2])), "B=2", "Batch(array([2, 2]))"),
        (tmf.Fraction(0.1), "B=0.1 N", "Fraction(0.1)"),
        (tmf.Fraction(1), "B=1 N", "Fraction(1.0)"),
        (tmf.Bernoulli(0.1), "p=0.1", "Bernoulli(0.1)"),
        (tmf.Bernoulli([0.0, 0.25]), "p=0..0.25", "Bernoulli(array([0.  , 0.25]))"),
    ],
)
def test_labels_and_repr(schedule, label, code):
    assert schedule.label == str(schedule) == label
    assert repr(schedule) == code
    again = eval(code, {**vars(tmf), "array": np.array})
    assert again == schedule
    assert hash(again) == hash(schedule)
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule


def test_equality_is_by_class_and_numbers():
    assert tmf.Batch(1) != tmf.Sequential()
    assert tmf.Fraction(0.5) != tmf.Bernoulli(0.5)
    assert tmf.Batch([1, 2]) != tmf.Batch([1, 3])
    assert tmf.Batch(1) != tmf.Batch([1])
    assert tmf.Batch(1) != 1


def test_frozen():
    sizes = np.array([1, 2])
    schedule = tmf.Batch(sizes)
    sizes[0] = 9
    assert schedule.size.tolist() == [1, 2]
    with pytest.raises(AttributeError):
        schedule.size = 3
    with pytest.raises(ValueError, match="read-only"):
        schedule.size[0] = 3
    with pytest.raises(ValueError, match="read-only"):
        pickle.loads(pickle.dumps(schedule)).size[0] = 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tmf.Batch(1.5), TypeError, "size is 1.5 (float); must be an integer"),
        (lambda: tmf.Batch(True), TypeError, "size is True (bool); must be an integer"),
        (lambda: tmf.Batch(None), TypeError, "size is None; must be an integer"),
        (lambda: tmf.Batch("10"), TypeError, "size is '10' (str); must be an integer"),
        (lambda: tmf.Batch([1.5]), ValueError, "size[0] is 1.5; must be an integer (1 of 1 entries are bad)"),
        (lambda: tmf.Batch(-1), ValueError, "size is -1; must be in [0, 9223372036854775807]"),
        (lambda: tmf.Batch([1, -1]), ValueError, "size[1] is -1; must be >= 0 (1 of 2 entries are bad)"),
        (lambda: tmf.Batch([]), ValueError, "size has shape (0,); must be (T,)"),
        (lambda: tmf.Batch([[1]]), ValueError, "size has shape (1, 1); must be (T,)"),
        (lambda: tmf.Fraction(1.5), ValueError, "beta is 1.5; must be in [0, 1]"),
        (
            lambda: tmf.Fraction([0.5, -0.1]),
            ValueError,
            "beta[1] is -0.1; must be in [0, 1] (1 of 2 entries are bad)",
        ),
        (lambda: tmf.Fraction(float("nan")), ValueError, "beta is nan; must be finite"),
        (lambda: tmf.Bernoulli("half"), TypeError, "p is 'half' (str); must be a real number"),
        (lambda: tmf.Bernoulli(2), ValueError, "p is 2.0; must be in [0, 1]"),
    ],
)
def test_bad_numbers(make, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize(
    ("schedule", "n_agents", "message"),
    [
        (tmf.Batch(11), 10, "size is 11; must be <= n_agents = 10"),
        (tmf.Batch([1, 11, 12, 3]), 10, "size[1] is 11; must be <= n_agents = 10 (2 of 4 entries are bad)"),
        (tmf.Batch([1, 2]), 10, "size has 2 entries; must have one per step, horizon = 4"),
        (tmf.Bernoulli([0.5]), 10, "p has 1 entries; must have one per step, horizon = 4 (for one per observation pass a table, p[None, :])"),
        (tmf.Fraction([0.5]), 10, "beta has 1 entries; must have one per step, horizon = 4"),
        (
            tmf.Fraction(0.01),
            10,
            f"beta is 0.01; {TOO_FEW}",
        ),
        (
            tmf.Fraction([1.0, 0.0, 0.04, 1.0]),
            10,
            f"beta[2] is 0.04; {TOO_FEW}",
        ),
        (tmf.Synchronous(), 0, "n_agents is 0; must be in [1, 9223372036854775807]"),
        (tmf.Sequential(), 0, "n_agents is 0; must be in [1, 9223372036854775807]"),
        (tmf.Bernoulli(0.5), 0, "n_agents is 0; must be in [1, 9223372036854775807]"),
        (tmf.Batch(0), 2**63, f"n_agents is {2**63}; must be in [1, 9223372036854775807]"),
    ],
)
def test_errors_on_use(schedule, n_agents, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        schedule._kernel(T, n_agents)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        schedule.active_fraction(T, n_agents)


def test_a_bare_number_is_no_schedule():
    assert as_schedule(tmf.Sequential()) == tmf.Sequential()
    for value, shown in [
        (1, "1 (int)"),
        (1.0, "1.0 (float)"),
        ("B=1", "'B=1' (str)"),
        (None, "None"),
        (int, "the class int"),
    ]:
        with pytest.raises(
            TypeError, match=rf"^schedule is {re.escape(shown)}; must be a schedule: Synchronous\(\), "
        ):
            as_schedule(value)


@pytest.mark.parametrize(
    ("kind", "call"), [(tmf.Sequential, "Sequential()"), (tmf.Batch, "Batch(size)"), (tmf.Bernoulli, "Bernoulli(p)")]
)
def test_a_class_is_no_schedule_without_parentheses(kind, call):
    words = f"schedule is the class {kind.__name__}; must be a schedule: {call}"
    with pytest.raises(TypeError, match=f"^{re.escape(words)}$"):
        as_schedule(kind)
