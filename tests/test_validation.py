"""The gate: what passes comes out plain, what does not is named with its index, value and bound."""

import re
import sys
from collections import deque
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tmfcore._base import validation as check
from tmfcore._base.entries import all_distributions, all_finite
from tmfcore._model import model


def text(message):
    """A pattern for exactly this message."""
    return f"^{re.escape(message)}$"


def test_tolerance_is_that_of_the_kernels():
    assert check.ROW_TOLERANCE == model.ROW_TOLERANCE


# ---------------------------------------------------------------------------------------------------- scalars


@pytest.mark.parametrize(
    "value", [3, np.int8(3), np.uint64(3), np.array(3), 3.0, np.float16(3), np.longdouble(3), np.array(3.0)]
)
def test_as_int_takes_integers_of_any_kind_and_whole_floats(value):
    result = check.as_int(value, "n", low=3, high=3)
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (True, TypeError, "n is True (bool); must be an integer"),
        (np.True_, TypeError, "n is np.True_ (bool); must be an integer"),
        (1.5, TypeError, "n is 1.5 (float); must be an integer"),
        (np.inf, TypeError, "n is inf (float); must be an integer"),
        (float("nan"), TypeError, "n is nan (float); must be an integer"),
        (int, TypeError, "n is the class int; must be an integer"),
        (np.timedelta64(3, "s"), TypeError, "n is np.timedelta64(3,'s') (timedelta64); must be an integer"),
        (np.ma.array(3), TypeError, "n is a MaskedArray; must be an integer"),
        (1e300, ValueError, "n is 1e300 or so; must be in [1, 9]"),
        ("1", TypeError, "n is '1' (str); must be an integer"),
        (None, TypeError, "n is None; must be an integer"),
        ([1], TypeError, "n is a list; must be an integer"),
        (np.array([1, 2]), TypeError, "n is an ndarray; must be an integer"),
        (np.array(1.5), TypeError, "n is np.float64(1.5) (float64); must be an integer"),
        (0, ValueError, "n is 0; must be in [1, 9]"),
        (10, ValueError, "n is 10; must be in [1, 9]"),
        (10**30, ValueError, f"n is {10**30}; must be in [1, 9]"),
    ],
)
def test_as_int_refuses(value, error, message):
    with pytest.raises(error, match=text(message)):
        check.as_int(value, "n", low=1, high=9)


def test_as_int_has_an_end_without_a_bound():
    for value in (2**63, -(2**63) - 1, 10**400, 1e300):
        with pytest.raises(ValueError, match=re.escape("must be in [-2**63, 2**63)")):
            check.as_int(value, "n")
    assert check.as_int(-(2**63), "n") == -(2**63)


def test_integers_that_python_does_not_write_out_are_named_by_their_size():
    with pytest.raises(ValueError, match=text("n is -1e5000 or so; must be in [1, 9]")):
        check.as_int(-(10**5000), "n", low=1, high=9)
    with pytest.raises(TypeError, match=text("name is 1e5000 or so (int); must be a string")):
        check.as_string(10**5000, "name")


def test_as_positive_int():
    assert check.as_positive_int(1, "n") == 1
    with pytest.raises(ValueError, match=text("n_agents is 0; must be >= 1")):
        check.as_positive_int(0, "n_agents")
    with pytest.raises(ValueError, match=text("n is 3; must be <= 2")):
        check.as_int(3, "n", high=2)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.array(0.5)])
def test_as_float_takes_real_numbers(value):
    result = check.as_float(value, "x", low=0.5, high=0.5)
    assert result == 0.5
    assert type(result) is float


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (False, TypeError, "x is False (bool); must be a real number"),
        ("0.5", TypeError, "x is '0.5' (str); must be a real number"),
        (1j, TypeError, "x is a complex; must be a real number"),
        ([0.5], TypeError, "x is a list; must be a real number"),
        (np.array([0.5]), TypeError, "x is an ndarray; must be a real number"),
        (float("nan"), ValueError, "x is nan; must be finite"),
        (-np.inf, ValueError, "x is -inf; must be finite"),
        (10**400, ValueError, "x is inf; must be finite"),
        (0, ValueError, "x is 0.0; must be in (0, 1]"),
        (1.0000000000000002, ValueError, "x is 1.0000000000000002; must be in (0, 1]"),
    ],
)
def test_as_float_refuses(value, error, message):
    with pytest.raises(error, match=text(message)):
        check.as_float(value, "x", low=0, high=1, low_open=True)


def test_as_float_bounds_in_words():
    for bounds, words in [
        ({"low": 2.5}, ">= 2.5"),
        ({"low": 2.5, "low_open": True}, "> 2.5"),
        ({"high": -1}, "<= -1"),
        ({"high": 1, "high_open": True}, "< 1"),
    ]:
        with pytest.raises(ValueError, match=text(f"x is 1.0; must be {words}")):
            check.as_float(1.0, "x", **bounds)


def test_as_bool():
    assert check.as_bool(np.True_, "flag") is True
    with pytest.raises(TypeError, match=text("flag is 1 (int); must be True or False")):
        check.as_bool(1, "flag")


@pytest.mark.parametrize("engines", [("auto", "counts", "agents"), Literal["auto", "counts", "agents"]])
def test_as_choice_lists_and_suggests(engines):
    assert check.as_choice("agents", "engine", engines) == "agents"
    listed = "engine is 'count'; must be one of 'auto', 'counts', 'agents' (did you mean 'counts'?)"
    with pytest.raises(ValueError, match=text(listed)):
        check.as_choice("count", "engine", engines)
    with pytest.raises(ValueError, match=text("engine is 'xyz'; must be one of 'auto', 'counts', 'agents'")):
        check.as_choice("xyz", "engine", engines)
    with pytest.raises(TypeError, match=text("engine is 3 (int); must be one of 'auto', 'counts', 'agents'")):
        check.as_choice(3, "engine", engines)


def test_as_instance_and_string():
    assert check.as_instance("a", "x", (int, str)) == "a"
    with pytest.raises(TypeError, match=text("x is a list; must be an int or a str")):
        check.as_instance([], "x", (int, str))
    with pytest.raises(TypeError, match=text("name is 3 (int); must be a string")):
        check.as_string(3, "name")


def test_as_path(tmp_path):
    assert check.as_path(str(tmp_path)) == check.as_path(tmp_path) == tmp_path
    for value, error, message in [
        (3, TypeError, "path is 3 (int); must be a string or a path"),
        (b"run.npz", TypeError, "path is a bytes; must be a string or a path"),
        (None, TypeError, "path is None; must be a string or a path"),
        ("", ValueError, "path is ''; must name a file"),
        ("a\0b", ValueError, r"path is 'a\x00b'; must name a file"),
        ("\ud800", ValueError, r"path is '\ud800'; must be a valid file name"),
    ]:
        with pytest.raises(error, match=text(message)):
            check.as_path(value)


def test_as_function():
    assert check.as_function(abs, "callback", "an Iteration") is abs
    for value, words in ((3, "3 (int)"), (int, "the class int"), ("f", "'f' (str)")):
        with pytest.raises(TypeError, match=text(f"callback is {words}; must be a function of an Iteration")):
            check.as_function(value, "callback", "an Iteration")


def test_what_is_long_is_shown_short():
    with pytest.raises(TypeError, match=r"^n is 'x{76}\.\.\. \(str\); must be an integer$"):
        check.as_int("x" * 1000, "n")


def test_as_labels():
    assert check.as_labels(["a", "b"], "labels", 2) == ("a", "b")
    for value, error, message in [
        ("ab", TypeError, "labels is 'ab' (str); must be a sequence of 2 strings"),
        (3, TypeError, "labels is 3 (int); must be a sequence of 2 strings"),
        (["a", 1], TypeError, "labels[1] is 1 (int); must be a string"),
        (["a"], ValueError, "labels has 1 labels; must have 2"),
        (["a", "a"], ValueError, "labels[1] is 'a'; must differ from labels[0]"),
    ]:
        with pytest.raises(error, match=text(message)):
            check.as_labels(value, "labels", 2)


# ----------------------------------------------------------------------------------------------------- arrays

numeric = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.uint8, np.dtype(">f8")]),
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
    elements={"min_value": 0, "max_value": 100},
)


@given(numeric, st.booleans())
def test_float_arrays_keep_their_values_and_share_nothing(array, transpose):
    given_array = array.T if transpose else array
    before = given_array.copy()
    result = check.as_float_array(given_array, "x")
    assert result.dtype == np.float64
    assert result.dtype.isnative
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert result.shape == given_array.shape
    np.testing.assert_array_equal(result, given_array)
    assert not np.shares_memory(result, given_array)
    np.testing.assert_array_equal(given_array, before)


def test_copy_false_shares_what_needs_no_conversion():
    array = np.ones((2, 3))
    assert np.shares_memory(check.as_float_array(array, "x", copy=False), array)
    assert check.as_float_array(array.T, "x", copy=False).flags.c_contiguous


def foreigner(dlpack, device):
    """An object of a class with these methods: numpy 2.0 asks the class."""
    methods = {"__dlpack__": lambda self, **options: dlpack(**options), "__dlpack_device__": lambda self: device()}
    return type("Foreign", (), methods)()


def test_dlpack_is_enough():
    """An object that knows no numpy, only the protocol."""
    inside = np.arange(6.0).reshape(2, 3)
    foreign = foreigner(inside.__dlpack__, inside.__dlpack_device__)
    np.testing.assert_array_equal(check.as_float_array(foreign, "x", shape=(2, 3)), inside)


def test_dlpack_that_fails_is_a_type_error():
    def fail(**_):
        raise BufferError("on another device")

    foreign = foreigner(fail, lambda: (2, 0))
    with pytest.raises(TypeError, match="x holds objects; must hold real numbers"):
        check.as_float_array(foreign, "x")


def endless_list():
    values = [1.0]
    values.append(values)
    return values


def endless_deque():
    values = deque([1.0])
    values.append([values])
    return values


class Unwilling:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no arrays today")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "x is None; must be an array"),
        ("abc", TypeError, "x is 'abc' (str); must be an array"),
        ({}, TypeError, "x is a dict; must be an array"),
        (abs, TypeError, "x is a builtin_function_or_method; must be an array"),
        (Unwilling(), TypeError, "x is an Unwilling; must be an array (no arrays today)"),
        ([[1, 2], [3]], ValueError, "x is ragged; must be a rectangular array"),
        ([True, False], TypeError, "x holds dtype bool; must hold real numbers"),
        ([1j], TypeError, "x holds dtype complex128; must hold real numbers"),
        (["a"], TypeError, "x holds dtype <U1; must hold real numbers"),
        ([None], TypeError, "x holds objects; must hold real numbers"),
        (np.ma.array([1.0]), TypeError, "x is a masked array; must be a plain array"),
        ([[np.ma.array([1.0])]], TypeError, "x holds a masked array; must hold plain numbers"),
        (endless_list(), TypeError, "x holds sequences nested deeper than 32; must be an array"),
        (endless_deque(), TypeError, "x holds sequences nested deeper than 32; must be an array"),
        (list, TypeError, "x is the class list; must be an array"),
        ([np.timedelta64(1, "s")], TypeError, "x holds dtype timedelta64[s]; must hold real numbers"),
        (np.full((2, 3), "9e4000", np.longdouble), ValueError, "x[0, 0] is inf; must be finite (6 of 6 entries are bad)"),
        ([1.0, 2.0], ValueError, "x has shape (2,); must be (S, A) = (2, 3)"),
        (np.zeros((3, 2)), ValueError, "x has shape (3, 2); must be (S, A) = (2, 3)"),
        (
            [[0, np.nan, 0], [np.inf, 0, 0]],
            ValueError,
            "x[0, 1] is nan; must be finite (2 of 6 entries are bad)",
        ),
        ([[0, 0, 0], [0, 2, 0]], ValueError, "x[1, 1] is 2; must be in [0, 1] (1 of 6 entries are bad)"),
    ],
)
def test_float_array_errors(value, error, message):
    with pytest.raises(error, match=text(message)):
        check.as_float_array(value, "x", shape=(2, 3), letters="S, A", low=0.0, high=1.0)


def test_shapes_with_wildcards_and_choices():
    assert check.as_float_array([[1, 2]], "x", shape=(None, 2)).shape == (1, 2)
    assert check.as_float_array([1.0], "x", shape=[(1,), (None, 1)]).shape == (1,)
    with pytest.raises(ValueError, match=text("x has shape (0, 2); must be (any, 2)")):
        check.as_float_array(np.zeros((0, 2)), "x", shape=(None, 2))
    with pytest.raises(ValueError, match=text("x has shape (3,); must be (S,) = (1,) or (R, S)")):
        check.as_float_array(np.zeros(3), "x", shape=[(1,), (None, None)], letters=["S", "R, S"])


def test_bounds_of_a_single_number():
    with pytest.raises(ValueError, match=text("x is -1; must be >= 0")):
        check.as_float_array(-1.0, "x", low=0.0)
    with pytest.raises(ValueError, match=text("x[0] is 0; must be in (0, 1) (2 of 2 entries are bad)")):
        check.as_float_array([0.0, 1.0], "x", low=0, high=1, low_open=True, high_open=True)


def test_int_arrays():
    result = check.as_int_array(np.array([1, 2], dtype=np.uint8), "n", low=0)
    assert result.dtype == np.int64
    for value, error, message in [
        ([1, 0.5], ValueError, "n[1] is 0.5; must be an integer (1 of 2 entries are bad)"),
        ([np.nan], ValueError, "n[0] is nan; must be an integer (1 of 1 entries are bad)"),
        (
            [2.0**63],
            ValueError,
            "n[0] is 9.22337203685e+18; must be in [-9.22337e+18, 9.22337e+18) (1 of 1 entries are bad)",
        ),
        ([True], TypeError, "n holds dtype bool; must hold integers"),
        ([2**64], TypeError, "n holds objects; must hold integers"),
        (
            np.array([2**63], dtype=np.uint64),
            ValueError,
            f"n[0] is {2**63}; must be <= {2**63 - 1} (1 of 1 entries are bad)",
        ),
        ([3, -1], ValueError, "n[1] is -1; must be >= 0 (1 of 2 entries are bad)"),
        ([], ValueError, "n has shape (0,); must be (any,)"),
    ]:
        with pytest.raises(error, match=text(message)):
            check.as_int_array(value, "n", shape=(None,), low=0)


# ---------------------------------------------------------------------------------------------- distributions


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 1.0, 50.0]), st.integers(1, 6), st.integers(1, 5))
def test_distributions_pass_untouched(seed, concentration, n_rows, n_cells):
    rows = np.random.default_rng(seed).dirichlet(np.full(n_cells, concentration), size=n_rows)
    rows = np.where(np.isfinite(rows), rows, 1 / n_cells)
    np.testing.assert_array_equal(check.as_probabilities(rows, "p", shape=(n_rows, n_cells)), rows)


@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=40), elements=st.floats(allow_nan=True) | st.just(0.5)),
    st.sampled_from([-np.inf, np.inf, np.nan, -1e-300, 0.0]),
    st.integers(0, 2**16),
)
def test_checks_in_one_pass_agree_with_numpy(array, odd, place):
    array.flat[place % array.size] = odd
    assert all_finite(array) == np.isfinite(array).all()
    with np.errstate(all="ignore"):
        right = bool((array >= 0).all() and (abs(array.sum(-1) - 1) <= 1e-8).all())
    assert all_distributions(array, array.shape[-1], 1e-8) == right
    assert all_distributions(np.full((3, 7), 1 / 7), 7, 1e-8) and not all_distributions(np.zeros((2, 0)), 0, 1e-8)


@given(st.integers(0, 2**32 - 1), st.floats(2e-8, 0.5), st.sampled_from([-1, 1]))
def test_a_row_off_by_more_than_the_tolerance_is_named(seed, miss, sign):
    rng = np.random.default_rng(seed)
    rows = np.full((4, 6, 2), 0.5)
    where = tuple(int(i) for i in rng.integers((4, 6, 2)))
    rows[where] += sign * miss
    with pytest.raises(ValueError, match=re.escape(f"p[{where[0]}, {where[1]}] sums to ")):
        check.as_probabilities(rows, "p")
    rows[where] = 0.5 + sign * 0.9e-8
    check.as_probabilities(rows, "p")


def test_the_message_of_the_design():
    rows = np.full((4, 6, 2), 0.5)
    rows[3, 1, 0] = 0.47
    rows[3, 2] = 0.1
    message = "transition[3, 1] sums to 0.97; each row must sum to 1 within 1e-08 (2 of 24 rows are bad)"
    with pytest.raises(ValueError, match=text(message)):
        check.as_probabilities(rows, "transition", shape=(4, 6, 2))


def test_probability_errors():
    for value, message in [
        ([0.5, 0.4], "mu sums to 0.9; must sum to 1 within 1e-08"),
        ([1.5, -0.5], "mu[1] is -0.5; must be >= 0 (1 of 2 entries are bad)"),
        ([np.nan, 1.0], "mu[0] is nan; must be finite (1 of 2 entries are bad)"),
        (1.0, "mu is a single number; must be an array of probabilities"),
    ]:
        with pytest.raises(ValueError, match=text(message)):
            check.as_probabilities(value, "mu")


def test_counts():
    result = check.as_counts([[1, 2], [3, 0]], "start", shape=(2, 2), n_agents=3)
    assert result.dtype == np.int64
    for value, message in [
        ([1, 1], "start sums to 2; must sum to n_agents = 3"),
        ([[1, 2], [1, 1]], "start[1] sums to 2; must sum to n_agents = 3 (1 of 2 rows are bad)"),
        ([4, -1], "start[1] is -1; must be >= 0 (1 of 2 entries are bad)"),
    ]:
        with pytest.raises(ValueError, match=text(message)):
            check.as_counts(value, "start", n_agents=3)


def test_counts_that_wrap_around_onto_the_right_sum_are_refused():
    """Four times 2**62 is 0 in 64 bits."""
    with pytest.raises(ValueError, match=text(f"start sums to {2**64 + 3}; must sum to n_agents = 3")):
        check.as_counts([2**62] * 4 + [3], "start", n_agents=3)
    assert check.as_counts([sys.maxsize, 0], "start", n_agents=sys.maxsize)[0] == sys.maxsize


def test_successors():
    result = check.as_successors([[[0, 2], [2, 2]]], "successors", shape=(1, 2, None), n_observations=3)
    assert result.dtype == np.int32
    message = "successors[0, 1, 0] is 3; must be in [0, 2] (2 of 2 entries are bad)"
    with pytest.raises(
        ValueError, match=text("successors[0, 0, 0] is 4; must be in [0, 2] (2 of 2 entries are bad)")
    ):
        check.as_successors([[[4], [-1]]], "successors", shape=(1, 2, None), n_observations=3)
    with pytest.raises(ValueError, match=text(message.replace("2 of 2", "1 of 2"))):
        check.as_successors([[[0], [3]]], "successors", shape=(1, 2, None), n_observations=3)
    whole = check.as_successors([[[0.0], [1.0]]], "successors", shape=(1, 2, None), n_observations=3)
    assert whole.dtype == np.int32


def test_frozen_and_is_array():
    array = check.frozen(np.zeros(2))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1
    for value in ([1], (), np.zeros(1), np.ma.array([1.0]), range(2)):
        assert check.is_array(value)
    for value in (1, 1.0, True, None, "abc", b"abc", np.float64(1), np.array(1.0), abs):
        assert not check.is_array(value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_unsigned_integers_are_taken_whatever_their_layout(dtype):
    """numpy 2.0 reads beside arrays of small integers that it compares with 2**63 - 1, if they are not contiguous."""
    value = np.arange(6000, dtype=np.uint64).reshape(500, 12, order="F").astype(dtype)[:100]
    np.testing.assert_array_equal(check.as_int_array(value, "x", low=0), value)
