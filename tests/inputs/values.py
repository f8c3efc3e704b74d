"""What is put in the place of an argument: values of every kind, and what the valid one may be bent into.

A Bad value is a label, its kind, and a function that makes it afresh: generators are used up, lists may be changed.
"""

import datetime
import decimal
import fractions
import sys
import warnings
from array import array
from collections import UserList, deque
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import tmfcore as tmf


@dataclass(frozen=True)
class Bad:
    label: str
    kind: str
    make: object


class Raised(Exception):
    """What callables that fail raise."""


class Unwilling:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no arrays today")


class NoIndex:
    def __index__(self):
        raise RuntimeError("no index today")


class NoRepr:
    def __repr__(self):
        raise RuntimeError("no text today")


class Endless:
    """A sequence of itself."""

    def __len__(self):
        return 1

    def __getitem__(self, i):
        return self


class Odd:
    """A path that is no text."""

    def __fspath__(self):
        return 3


def endless_list():
    values = [1.0]
    values.append(values)
    return values


def endless_deque():
    values = deque([1.0])
    values.append(values)
    return values


def endless_dict():
    values = {}
    values["a"] = values
    return values


def deep_list():
    values = [1.0]
    for _ in range(100):
        values = [values]
    return values


def matrix(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(values)


def sparse(values):
    from scipy.sparse import csr_array

    return csr_array(values)


def raising(*args):
    raise Raised("as told")


def callables(returned):
    """Functions of one to three arguments that return `returned()`, and those that do otherwise."""
    return {
        "f(a)": lambda: lambda a: returned(),
        "f(a, b)": lambda: lambda a, b: returned(),
        "f(a, b, c)": lambda: lambda a, b, c: returned(),
    }


SCALARS = {
    "number": {
        "0": 0, "1": 1, "2": 2, "-1": -1, "-0.0": -0.0, "0.5": 0.5, "1.5": 1.5, "1e6": 1e6, "1e300": 1e300,
        "-1e300": -1e300, "1e-320": 1e-320, "nan": float("nan"), "inf": float("inf"), "-inf": float("-inf"),
        "2**31-1": 2**31 - 1, "2**31": 2**31, "2**53+1": 2**53 + 1, "2**62": 2**62, "2**63-1": 2**63 - 1,
        "2**63": 2**63, "-2**63": -(2**63), "-2**63-1": -(2**63) - 1, "2**64": 2**64, "10**30": 10**30,
        "10**400": 10**400, "-10**400": -(10**400), "10**5000": 10**5000, "int8": np.int8(3), "int8-": np.int8(-3),
        "uint64": np.uint64(2**64 - 1), "float16": np.float16(0.5), "float16 inf": np.float16("inf"),
        "float32": np.float32(0.5), "longdouble": np.longdouble("0.5"), "longdouble 1e4000": np.longdouble("1e4000"),
        "0-d": np.array(3), "0-d float": np.array(0.5), "0-d nan": np.array(np.nan), "maxsize": sys.maxsize,
        "Fraction": fractions.Fraction(1, 2), "Decimal": decimal.Decimal("0.5"),
    },
    "bool": {"True": True, "False": False, "np.True_": np.True_, "0-d bool": np.array(True)},
    "text": {
        "''": "", "'a'": "a", "'3'": "3", "long text": "x" * 10_000, "null": "a\0b", "surrogate": "\ud800",
        "right to left": "\u202e", "np.str_": np.str_("a"), "braces": "{}", "dollar": "$x_{", "bad mathematics": "$x_{$", "folder": "/",
        "no such folder": "/no/such/folder/file", "dots": "..", "long name": "a" * 300,
    },
    "none": {"None": None},
    "never": {
        "complex": 1j, "complex real": complex(1), "complex64": np.complex64(1), "timedelta64": np.timedelta64(3, "s"),
        "NaT": np.timedelta64("NaT", "s"), "datetime64": np.datetime64("2020-01-01"),
        "date": datetime.date(2020, 1, 1), "timedelta": datetime.timedelta(1), "bytes": b"abc", "empty bytes": b"",
        "bytearray": bytearray(b"abc"), "object": object(), "Ellipsis": ...,
        "NotImplemented": NotImplemented, "masked": np.ma.masked, "0-d masked": np.ma.array(3), "slice": slice(1),
        "0-d complex": np.array(1j), "0-d text": np.array("a"), "0-d object": np.array(None), "void": np.void(b"ab"),
        "module": np, "namespace": SimpleNamespace(a=1), "no repr": NoRepr(), "no index": NoIndex(),
        "unwilling": Unwilling(), "0-d struct": np.zeros((), [("a", float)]), "odd path": Odd(), "frozenset": frozenset({1}),
        "exception": ValueError("x"),
    },
    "class": {
        "int": int, "float": float, "str": str, "list": list, "object class": object, "Sequential": tmf.Sequential,
        "TabularPolicy": tmf.TabularPolicy, "Game": tmf.Game, "Path": Path, "ValueError": ValueError,
        "MirrorDescent": tmf.solvers.MirrorDescent, "ndarray": np.ndarray, "generator class": np.random.Generator,
    },
    "path": {"a path": Path("no/such/file"), "this folder": Path(".")},
}  # fmt: skip

FRESH = {
    "sequence": {
        "[]": list, "()": tuple, "[1]": lambda: [1], "[1, 2]": lambda: [1, 2], "[-1]": lambda: [-1],
        "[nan]": lambda: [float("nan")], "[2**63]": lambda: [2**63], "[10**400]": lambda: [10**400],
        "[0.5, 0.5]": lambda: [0.5, 0.5], "range": lambda: range(3), "no range": lambda: range(0), "ragged": lambda: [[1, 2], [3]],
        "ragged deep": lambda: [[[1], [2, 3]], [[4]]], "[None]": lambda: [None], "[text]": lambda: ["a"],
        "[text, text]": lambda: ["a", "b"], "[text] * 3": lambda: ["a"] * 3, "[bool]": lambda: [True, False],
        "[[]]": lambda: [[]], "(1, 2, 3)": lambda: (1, 2, 3), "deque": lambda: deque([1, 2]),
        "UserList": lambda: UserList([1, 2]), "array": lambda: array("d", [1, 2]), "[object]": lambda: [object()],
        "[array, array]": lambda: [np.ones(2), np.ones(3)], "[games]": lambda: [tmf.games.left_right(step=1).at()],
        "nested tuples": lambda: ((1, "a"), (2, "b")), "(None, None)": lambda: (None, None),
    },
    "array": {
        "empty": lambda: np.zeros(0), "(0, 3)": lambda: np.zeros((0, 3)), "(3,)": lambda: np.ones(3),
        "(3, 2)": lambda: np.ones((3, 2)), "(3, 2, 3)": lambda: np.full((3, 2, 3), 1 / 3),
        "(3, 0)": lambda: np.zeros((3, 0)), "7 axes": lambda: np.ones((1,) * 7), "32 axes": lambda: np.ones((1,) * 32),
        "wide": lambda: np.broadcast_to(1.0, (10**9,)), "int8 array": lambda: np.ones(3, np.int8),
        "uint64 array": lambda: np.full(3, 2**64 - 1, np.uint64), "longdouble array": lambda: np.full(3, "1e4000", np.longdouble),
        "inf array": lambda: np.full(3, np.inf), "matrix": lambda: matrix([[1, 2]]),
    },
    "never": {
        "set": lambda: {1, 2}, "generator": lambda: (i for i in range(3)), "iterator": lambda: iter([1, 2]),
        "complex array": lambda: np.ones(3, complex), "bool array": lambda: np.ones(3, bool),
        "text array": lambda: np.array(["a", "b", "c"]), "object array": lambda: np.array([1, None, "a"], object),
        "struct array": lambda: np.zeros(3, [("a", float)]), "timedelta array": lambda: np.ones(3, "m8[s]"),
        "datetime array": lambda: np.ones(3, "M8[s]"), "masked array": lambda: np.ma.array([1.0, 2.0], mask=[0, 1]),
        "bytes array": lambda: np.array([b"a"]), "endless list": endless_list, "endless deque": endless_deque,
        "endless object": Endless, "deep list": deep_list, "sparse": lambda: sparse(np.eye(3)),
        "[masked]": lambda: [np.ma.array([1.0, 2.0], mask=[0, 1])], "rng state": np.random.RandomState,
        "endless dict": endless_dict,
    },
    "mapping": {"{}": dict, "{a: 1}": lambda: {"a": 1}, "{1: 2}": lambda: {1: 2}, "{a: None}": lambda: {"a": None}},
    "callable": {
        "f()": lambda: lambda: None, **{f"{name} raises": make for name, make in callables(raising).items()},
        **{f"{name} None": make for name, make in callables(lambda: None).items()},
        **{f"{name} text": make for name, make in callables(lambda: "a").items()},
        **{f"{name} nan": make for name, make in callables(lambda: float("nan")).items()},
        **{f"{name} complex": make for name, make in callables(lambda: 1j).items()},
        **{f"{name} endless": make for name, make in callables(endless_list).items()},
        **{f"{name} masked": make for name, make in callables(lambda: np.ma.ones((3, 2))).items()},
        **{f"{name} wrong shape": make for name, make in callables(lambda: np.ones(7)).items()},
        **{f"{name} 1e308": make for name, make in callables(lambda: np.full((3, 2), 1e308)).items()},
        "f(*args)": lambda: lambda *args: 0.5, "f(*, a)": lambda: lambda *, a: 0.5, "builtin": lambda: abs, "ufunc": lambda: np.exp,
    },
    "ours": {
        "a game": tmf.games.left_right, "a policy": lambda: tmf.TabularPolicy([[0.5, 0.5]]), "a schedule": tmf.Sequential,
        "a batch": lambda: tmf.Batch([1, 2]), "a batch of 10**18": lambda: tmf.Batch(10**18),
        "a solver": tmf.solvers.MirrorDescent, "a tiny fraction": lambda: tmf.Fraction(1e-300),
    },
}  # fmt: skip


def general():
    """Bad values for any argument."""
    for kind, values in SCALARS.items():
        for label, value in values.items():
            yield Bad(label, kind, lambda value=value: value)
    for kind, values in FRESH.items():
        for label, make in values.items():
            yield Bad(label, kind, make)


def bent(valid):
    """What a valid value may be bent into: arrays of another shape, type or memory, callables that return such."""
    if isinstance(valid, np.ndarray) or (isinstance(valid, (list, tuple)) and numeric(valid)):
        yield from bent_array(np.asarray(valid))
    elif isinstance(valid, dict):
        for key in list(valid)[:1]:
            for wrong in (None, 3, "a", [], np.ones(7), float("nan")):
                yield Bad(f"[{key!r}] = {wrong!r:.20}", "bent", lambda key=key, wrong=wrong: {**valid, key: wrong})
                yield Bad(f"key {wrong!r:.20}", "bent", lambda key=key, wrong=wrong: wrong_key(valid, key, wrong))
    elif isinstance(valid, (list, tuple)) and valid:
        kind = type(valid) if type(valid) in (list, tuple) else valid._make
        for wrong in (None, 3, "a", (), np.ones(7), 1j, b"a", float("nan"), 2**64, -1, endless_list()):
            label = f"[0] = {type(wrong).__name__}"
            yield Bad(label, "bent", lambda wrong=wrong: kind([wrong, *list(valid)[1:]]))
        if hasattr(valid, "_make"):
            for i, part in enumerate(valid):
                for bad in bent(part):
                    yield Bad(f".{valid._fields[i]} {bad.label}", bad.kind,
                              lambda i=i, bad=bad: kind([*valid[:i], bad.make(), *valid[i + 1:]]))  # fmt: skip
        else:
            yield Bad("doubled", "bent", lambda: kind([*valid, *valid]))
            yield Bad("shortened", "bent", lambda: kind(list(valid)[:-1]))
    elif isinstance(valid, str):
        for label, text in (("upper", valid.upper()), ("cut", valid[:-1]), ("doubled", valid * 2)):
            yield Bad(label, "text", lambda text=text: text)


def wrong_key(valid, key, wrong):
    changed = dict(valid)
    value = changed.pop(key)
    try:
        changed[wrong] = value
    except TypeError:
        changed[key, "other"] = value
    return changed


def numeric(values):
    try:
        return np.asarray(values).dtype.kind in "iuf"
    except Exception:
        return False


def bent_array(valid):
    """Arrays like `valid`, each wrong or unusual in one way."""
    real = valid.astype(np.float64)

    def with_entry(value, dtype=None):
        array = np.array(valid, dtype=dtype or np.float64)
        array[(0,) * array.ndim] = value
        return array

    if valid.size:
        for value in (np.nan, np.inf, -np.inf, -1.0, 0.5, 2.0, 1e300, 1e308, -1e308, 1e-320, 2.0**63):
            yield Bad(f"[0] = {value}", "bent", lambda value=value: with_entry(value))
        yield Bad("[0] = 1e4000", "bent", lambda: with_entry(np.longdouble("1e4000"), np.longdouble))
        yield Bad("[0] = 2**63", "bent", lambda: with_entry(2**63, np.uint64) if (valid >= 0).all() else with_entry(-9))
        yield Bad("[0] = None", "never", lambda: with_entry(None, object))
        yield Bad("[0] = 10**400", "bent", lambda: with_entry(10**400, object))
        yield Bad("sparse", "never", lambda: sparse(real.reshape(len(np.atleast_1d(real)), -1)))
    for scale in (0.0, 1e308, -1.0, 1e-310):
        yield Bad(f"times {scale}", "bent", lambda scale=scale: scaled(real, scale))
    shapes = {
        "transposed": lambda: real.T, "one axis more": lambda: real[np.newaxis], "flat": lambda: real.ravel(),
        "shortened": lambda: real[:-1] if real.ndim else real, "doubled": lambda: np.concatenate([real, real]) if real.ndim else real,
        "no entries": lambda: real[:0] if real.ndim else real, "last cut": lambda: real[..., :-1] if real.ndim else real,
        "as list": real.tolist, "summed": lambda: np.asarray(real.sum()), "7 more axes": lambda: real.reshape(real.shape + (1,) * 7),
    }  # fmt: skip
    for label, make in shapes.items():
        yield Bad(label, "bent", make)
    dtypes = {
        "complex128": "never", "bool": "never", "U3": "never", "m8[s]": "never", "M8[s]": "never", "O": "never", "S3": "never",
        "float16": "bent", "float32": "bent", ">f8": "bent", "int8": "bent", "longdouble": "bent", ">i4": "bent",
    }  # fmt: skip
    for dtype, kind in dtypes.items():
        yield Bad(f"as {dtype}", kind, lambda dtype=dtype: converted(valid, dtype))
    yield Bad("masked", "never", lambda: np.ma.array(valid, mask=np.arange(valid.size).reshape(valid.shape) == 0))
    yield Bad("masked in list", "never", lambda: [np.ma.array(part, mask=True) for part in np.atleast_1d(valid)])
    yield Bad("struct", "never", lambda: np.zeros(valid.shape, [("a", float)]))
    yield Bad("matrix", "bent", lambda: matrix(np.atleast_2d(real)) if real.ndim <= 2 else real)
    yield Bad("read-only", "fine", lambda: read_only(real))
    yield Bad("reversed twice", "fine", lambda: real[::-1].copy()[::-1] if real.ndim else real)
    yield Bad("strided", "fine", lambda: np.repeat(real, 2, axis=0)[::2] if real.ndim else real)
    yield Bad("fortran", "fine", lambda: np.asfortranarray(real))
    yield Bad("unaligned", "fine", lambda: unaligned(real))


def scaled(values, factor):
    with np.errstate(over="ignore"):
        return values * factor


def converted(valid, dtype):
    if dtype in ("m8[s]", "M8[s]"):
        return np.nan_to_num(valid).astype(np.int64).astype(dtype)
    return valid.astype(dtype)


def read_only(values):
    array = values.copy()
    array.setflags(write=False)
    return array


def unaligned(values):
    buffer = np.zeros(values.nbytes + 1, np.uint8)[1:]
    array = buffer.view(np.float64).reshape(values.shape)
    array[...] = values
    return array
