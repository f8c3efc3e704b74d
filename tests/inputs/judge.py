"""What came of a call with a bad argument, and whether it may.

Allowed: a sensible result; TypeError or ValueError that names an argument; an OSError of the file system that names
the file; ImportError that names the extra; MemoryError in words of our own; what the caller's own function raises,
with a note that names it. Everything else is a leak.
"""

import gc
import re
import resource
import signal
import time
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from numbers import Real
from pathlib import Path

import numpy as np

from . import values

SECONDS = 5.0
GIGABYTE = 1 << 30

#: Arguments that keep whatever they are given, and why.
KEEPS = {
    ("tmfcore.Game.compiled", "owner"): "kept alive with the game, whatever it is",
    ("tmfcore.Interval", "low"): "a number or an array, as the estimate is",
    ("tmfcore.Interval", "high"): "a number or an array, as the estimate is",
    ("tmfcore.games.RoadNetwork", "no_through"): "an array of names is a sequence of nodes",
    "tmfcore.Trajectories": "arrays of any kind, which `fit` checks",
    "tmfcore.games.Demand": "a NamedTuple, which `routing` checks",
    "tmfcore.BestResponse": "a NamedTuple, which `best_response` makes",
    "tmfcore.Tables": "a NamedTuple, which `Game.tables` makes",
    "tmfcore.plotting.Course": "a NamedTuple, which the pictures check",
    "tmfcore.plotting.ErrorLine": "a NamedTuple, which the picture checks",
    "tmfcore.plotting.EstimateLine": "a NamedTuple, which the picture checks",
}
#: What else errors of a door may name: the rows of a compiled function.
ALIASES = {"tmfcore.Game.compiled": {"transition", "reward"}}
#: What errors call a part of an argument by: a schedule's own number.
PARTS = {"schedule": {"size", "beta", "p"}, "schedules": {"size", "beta", "p"}, "initial": {"policy"}}
#: Results in which NaN stands for "no number", as documented.
MAY_BE_NAN = (
    "tmfcore.analysis.", "tmfcore.solvers.Iteration", "tmfcore.plotting.", "tmfcore.Solution", "tmfcore.tune",
    "tmfcore.solvers.Tuning", "tmfcore.learn.Fit.interval", "tmfcore.learn.optimistic", "tmfcore.learn.Episodes", "tmfcore.games.by_type",
    "tmfcore.games.by_half_step", "tmfcore.finite_exploitability", "tmfcore.load", "tmfcore.sweep", "tmfcore.Sweep",
)  # fmt: skip


class TooLong(BaseException):
    """The alarm rang. Not an Exception, so that nobody takes it for an error of a callable."""


@dataclass(frozen=True)
class Case:
    """A door and what replaces its arguments."""

    door: object
    bad: tuple  # of (argument, Bad)

    @property
    def label(self):
        return f"{self.door.name}({', '.join(f'{name}: {bad.label}' for name, bad in self.bad)})"


def gigabyte():
    """No more than a gigabyte beside what the process has already."""
    return within(GIGABYTE)


@contextmanager
def within(most):
    """No more than so many bytes beside what the process has already; all there is where /proc is not."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def alarm(seconds):
    """TooLong after so many seconds of work; kernels that do not return are ended from outside."""

    def ring(number, frame):
        raise TooLong

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)  # a late one ends nobody


def judged(case, example):
    """None where what comes of the case is allowed, else what leaked, in a line."""
    try:
        arguments = dict(example())
        for name, bad in case.bad:
            arguments[name] = bad.make()
    except MemoryError:
        return None
    began = time.process_time()
    try:
        with warnings.catch_warnings(record=True) as warned, gigabyte(), alarm(SECONDS):
            warnings.simplefilter("always")
            result = case.door.function(**arguments)
            if hasattr(result, "__next__"):
                result = list(result)
            if hasattr(result, "get_figure") and any(seen_when_drawn(bad) for _, bad in case.bad):
                result.get_figure(root=True).draw_without_rendering()
        found = nonsense(case, result) or internal_warning(warned)
    except TooLong:
        found = f"took more than {SECONDS:g} s of work"
    except BaseException as error:
        found = leaked(case, error)
        error.__traceback__ = None
    took = time.process_time() - began
    if took > 2 * SECONDS and found is None:
        found = f"took {took:.0f} s"
    if took > 0.5:
        gc.collect()
    return found


def leaked(case, error):
    """What is wrong with an error, or None."""
    text = str(error)
    notes = "\n".join(getattr(error, "__notes__", ()))
    whole = f"{type(error).__name__}: {text[:200]}"
    if names_argument(case, notes):  # the caller's own function, named
        return None
    if isinstance(error, values.Raised):
        return f"{whole} (without a note)"
    if isinstance(error, (UnicodeError, RecursionError)):
        return whole
    if isinstance(error, OSError):
        return None if error.filename is not None else whole
    if isinstance(error, ImportError):
        return None if "tmfcore[" in text or "pip install" in text else whole
    if isinstance(error, MemoryError):
        return None if text and not text.startswith("Unable to allocate") else whole or "MemoryError"
    if type(error).__module__.startswith("tmfcore") or type(error) in (TypeError, ValueError):
        return None if names_argument(case, text) else whole
    if isinstance(error, ValueError) and type(error).__module__ == "json.decoder":
        return whole
    return whole


def names_argument(case, text):
    """Whether a message names one of the arguments, or the file that was given."""
    words = set(re.findall(r"\w+", text))
    known = case.door.names | ALIASES.get(case.door.name, set())
    known = known.union(*(PARTS.get(name, set()) for name in case.door.names))
    return bool(words & known) or any(
        isinstance(value, str) and value and (value in text or repr(value) in text) for name, bad in case.bad for value in [paths(name, bad)]
    )


def paths(name, bad):
    return str(bad.make()) if name in ("path", "checkpoint") and bad.kind in ("text", "path") else None


def internal_warning(warned):
    """A warning that is not for the user, or None."""
    for warning in warned:
        if issubclass(warning.category, (RuntimeWarning, DeprecationWarning, PendingDeprecationWarning)) or (
            warning.category.__module__.startswith("numpy")
        ):
            return f"{warning.category.__name__}: {str(warning.message)[:150]}"
    return None


def nonsense(case, result):
    """What makes a result no sensible one, or None."""
    for name, bad in case.bad:
        if case.door.name.endswith(".equals") or case.door.name in KEEPS or (case.door.name, name) in KEEPS:
            return None
        if bad.kind == "never" and not declares(case, name, bad):
            return "accepted"
        if bad.kind not in accepted_kinds(case.door.annotations.get(name, "")):
            return "accepted"
    record = isinstance(case.door.function, type)  # which holds what it was given
    if not record and not case.door.name.startswith(MAY_BE_NAN) and any(np.isnan(number) for number in numbers(result)):
        return "result holds nan"
    return None


def seen_when_drawn(bad):
    """Whether a picture may find out only when it is drawn: texts and large numbers. Drawing takes 0.1 s."""
    return (bad.kind == "text" and "long" not in bad.label) or "e+" in bad.label


def declares(case, name, bad):
    """Whether a signature says that it takes such a thing."""
    annotation = case.door.annotations.get(name, "")
    if bad.label == "as bool":
        return name == "legal" or (case.door.name, name) == ("tmfcore.games.graphon", "weights")
    if bad.label == "endless dict":
        return "dict[str, Any]" in annotation
    return bad.label in ("frozenset", "set", "generator", "iterator", "text array") and (
        "Iterable" in annotation or "Sequence[str]" in annotation
    )


def accepted_kinds(annotation):
    """Kinds of bad values that an annotation of plain types lets pass; all of them where it is not that plain."""
    words = {word.strip() for word in annotation.split("|")}
    everything = {*values.SCALARS, *values.FRESH, "bent", "fine"}
    if not words <= {"int", "float", "bool", "str", "None", "str.PathLike[str]", "os.PathLike[str]"}:
        return everything
    kinds = set()
    if words & {"int", "float"}:
        kinds |= {"number"}
    if "bool" in words:
        kinds |= {"bool"}
    if "str" in words:
        kinds |= {"text"}
    if "None" in words:
        kinds |= {"none"}
    if "os.PathLike[str]" in words:
        kinds |= {"path"}
    return kinds


def numbers(result, depth=0):
    """Every float in a result."""
    if depth > 4 or isinstance(result, (str, bytes)):
        return
    if isinstance(result, np.ndarray):
        if result.dtype.kind == "f" and 0 < result.size < 10**7:
            yield float("nan") if np.isnan(result).any() else 0.0
    elif isinstance(result, (float, np.floating)):
        yield float(result)
    elif isinstance(result, Real):
        return
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from numbers(value, depth + 1)
    elif isinstance(result, (list, tuple)):
        for value in result[:100]:
            yield from numbers(value, depth + 1)
    elif is_dataclass(result) and not isinstance(result, type):
        for field in fields(result):
            yield from numbers(getattr(result, field.name), depth + 1)
