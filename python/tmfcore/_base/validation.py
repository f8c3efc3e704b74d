"""Checks of arguments: every value that a user passes is checked once, here, and converted to a plain number or array.

    as_int(value, name, low, high)              int below 2**63; whole floats are accepted, booleans are not
    as_positive_int(value, name, high)          int >= 1
    as_float(value, name, low, high, ...)       finite float, closed or open bounds
    as_bool(value, name)                        bool
    as_choice(value, name, choices)             one of the words of a Literal, with a "did you mean"
    as_instance(value, name, kinds)             the value itself, of one of the classes
    as_string(value, name)                      str
    as_labels(value, name, n)                   tuple of n different strings
    as_items(value, name, wanted)               tuple of the items of a sequence
    as_path(value, name)                        Path, from a str or a path
    as_function(value, name, of)                the value itself, if it is callable

    as_float_array(value, name, shape, ...)     float64, finite, C-contiguous, a copy unless copy=False
    as_numbers(value, name)                     real numbers of any shape and width, not converted
    as_real_array(value, name)                  float64 of any shape, NaN and infinity included; may share memory
    as_int_array(value, name, shape, ...)       int64, C-contiguous, a copy unless copy=False; whole floats are accepted
    as_bool_array(value, name)                  booleans of any shape
    as_probabilities(value, name, shape, ...)   float64 array whose last axis is a distribution, row by row (see `rows`)
    as_rows(value, name)                        rows of probabilities that a function returned; checked by its caller
    as_shares(value, name)                      numbers in [0, 1] that a function returned; checked by its caller
    as_counts(value, name, shape, n_agents)     int64, >= 0, every row summing to n_agents
    as_successors(value, name, shape, n)        int32 indices of observations
    frozen(array)                               the same array, made read-only
    is_array(value)                             whether it is array-like rather than one number

All errors have the form `argument[index] is VALUE; must BOUND (k of n entries are bad)`: ValueError for a wrong
value, TypeError for a wrong type. Nothing is clipped, renormalised or guessed, except probabilities within rounding
(`rows`). A `shape` is a tuple in which None means any length >= 1; `letters` names its dimensions in the error ("S, A";
a list for a list of shapes). Arrays may be any object with `__dlpack__` or that numpy.asarray accepts. Cost: O(size)
for arrays.
"""

from __future__ import annotations

from tmfcore._base.arrays import (
    FloatArray,
    IntArray,
    SuccessorArray,
    as_bool_array,
    as_counts,
    as_float_array,
    as_int_array,
    as_numbers,
    as_real_array,
    as_successors,
    frozen,
    is_array,
)
from tmfcore._base.rows import ROW_TOLERANCE, as_probabilities, as_rows, as_shares
from tmfcore._base.scalars import (
    INT64_MAX,
    as_bool,
    as_choice,
    as_float,
    as_function,
    as_instance,
    as_int,
    as_items,
    as_labels,
    as_path,
    as_positive_int,
    as_string,
)

__all__ = [
    "INT64_MAX",
    "ROW_TOLERANCE",
    "FloatArray",
    "IntArray",
    "SuccessorArray",
    "as_bool",
    "as_bool_array",
    "as_choice",
    "as_counts",
    "as_float",
    "as_float_array",
    "as_function",
    "as_instance",
    "as_int",
    "as_int_array",
    "as_items",
    "as_labels",
    "as_numbers",
    "as_path",
    "as_positive_int",
    "as_probabilities",
    "as_real_array",
    "as_rows",
    "as_shares",
    "as_string",
    "as_successors",
    "frozen",
    "is_array",
]
