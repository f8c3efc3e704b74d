"""Memory is asked for before it is taken.

    ask(needs, advice, seconds)     one line of every function whose arrays grow: an error if they do not fit
    passes(bytes)                   whether nobody has to be asked
    free()                          bytes that this process can still take
    max_memory(limit)               context: a limit of one's own in place of what is free
    estimate(function, ...)         what a call would ask for, without running it
    apart()                         context: calls of which the present estimate is not

A function that asks is decorated with `fits_memory(advice, asks=True)` of `functions`, which completes the error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite, prod
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tmfcore._base import scalars as check
from tmfcore._base import wording as say

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

__all__ = [
    "Estimate", "Need", "apart", "ask", "estimate", "free", "limit", "max_memory", "passes", "size",
]  # fmt: skip

SMALL = 64e6  # bytes that are never compared with what is free
UNITS = {
    "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
    "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30, "tib": 2.0**40,
}  # fmt: skip


class Need(NamedTuple):
    """An array, or working memory, that a call needs.

    Parameters
    ----------
    name : str
        That of the output, or what the memory is for.
    shape : tuple of int
        Of an array; () for working memory.
    bytes : int
    """

    name: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Estimate:
    """What a call needs, by `estimate`.

    Parameters
    ----------
    needs : tuple of Need
        The largest first.
    free : int or None
        Bytes that may be taken: those of `max_memory`, else those that are free now; None if that is not known.
    seconds : float or None
        Time of the kernels on one processor, without calls of Python functions; None if it is not known.
    """

    needs: tuple[Need, ...]
    free: int | None
    seconds: float | None

    @property
    def bytes(self) -> int:
        """All needs together."""
        return sum(need.bytes for need in self.needs)

    @property
    def fits(self) -> bool:
        """Whether the call would start; True if it is not known what is free."""
        return self.free is None or self.bytes <= self.free

    def __repr__(self) -> str:
        parts = [size(self.bytes), "free not known" if self.free is None else f"{size(self.free)} free"]
        if self.seconds is not None:
            parts.append(f"about {self.seconds:.2g} s")
        return f"Estimate({', '.join(parts)})"

    def __str__(self) -> str:
        """A table, one need a line."""
        width = max((len(need.name) for need in self.needs), default=0)
        shapes = [str(need.shape) if need.shape else "" for need in self.needs]
        wide = max(map(len, shapes), default=0)
        lines = [
            f"{need.name:{width}}  {shape:{wide}}  {size(need.bytes):>9}"
            for need, shape in zip(self.needs, shapes, strict=True)
        ]
        return "\n".join([*lines, repr(self)])


class _Told(BaseException):
    """Ends a call that is only estimated."""

    def __init__(self, found: Estimate) -> None:
        self.found = found


class _State(NamedTuple):
    limit: float | None  # bytes of max_memory
    estimating: bool
    outer: _State | None = None  # around the block of max_memory


_STATE: ContextVar[_State | None] = ContextVar("memory", default=None)


def ask(
    needs: Mapping[str, tuple[int, ...]], advice: Callable[[], str] | None = None, seconds: float | None = None, *,
    first: bool = False,
) -> None:
    """Raise MemoryError if `needs` do not fit; called before anything is allocated or computed.

    Parameters
    ----------
    needs
        Name -> bytes of an entry, and the shape: (8, R, T, S); or bytes only, (8000,), for working memory.
    advice
        What would shrink them, in place of the advice of `fits_memory`.
    seconds
        For estimates.
    first
        The call asks again when it knows more: an estimate goes on.

    Notes
    -----
    Less than 1 us for needs below 64 MB.
    """
    total = sum(map(prod, needs.values()))
    if passes(total):
        return
    state = _STATE.get()
    limit = free() if state is None or state.limit is None else state.limit
    if state is not None and state.estimating:
        if first:
            return
        raise _Told(_estimated(needs, limit, seconds))
    if limit is None or total <= limit:
        return
    there = f"{size(limit)} are free" if state is None or state.limit is None else f"max_memory is {size(limit)}"
    largest = ", ".join(f"{need.name} {size(need.bytes)}" for need in _sorted(needs)[:3])
    error: Any = MemoryError(f"needs {size(total)} of memory, {there}: {largest}")
    error.asked, error.advice = True, None if advice is None else advice()
    raise error


def passes(n_bytes: float) -> bool:
    """Whether so few bytes are never compared with what is free, and no estimate or limit is asked for."""
    return n_bytes < SMALL and _STATE.get() is None


@contextmanager
def apart() -> Iterator[None]:
    """In this block a call is made on the way, such as a game that is made again: an estimate is not of it."""
    state = _STATE.get()
    if state is None or not state.estimating:
        yield
        return
    token = _STATE.set(_State(state.limit, False))
    try:
        yield
    finally:
        _STATE.reset(token)


def _sorted(needs: Mapping[str, tuple[int, ...]]) -> list[Need]:
    """Those that are not empty, the largest first."""
    found = [Need(name, tuple(shape[1:]), int(prod(shape))) for name, shape in needs.items()]
    return sorted((need for need in found if need.bytes), key=lambda need: -need.bytes)


def _estimated(needs: Mapping[str, tuple[int, ...]], limit: float | None, seconds: float | None) -> Estimate:
    known = None if limit is None or limit == inf else int(limit)
    return Estimate(tuple(_sorted(needs)), known, None if seconds is None else float(seconds))


def size(n_bytes: float) -> str:
    """A number of bytes in words: 24.6 GB."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:.3g} {name}"
    return f"{int(n_bytes)} B"


# -------------------------------------------------------------------------------------------------- what is free


def free(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that this process can still take: of the machine, its control groups, and its address space.

    Swap is not counted. Outside Linux the memory of the whole machine, or None if that is not known.
    """
    room = [each for each in (_of_machine(proc), _of_groups(proc, groups), _of_addresses(proc)) if each is not None]
    return max(min(room), 0) if room else None


def _of_machine(proc: Path) -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB", (proc / "meminfo").read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _of_groups(proc: Path, groups: Path) -> int | None:
    """The least room in a control group of this process, or in one above it; both versions of the system's files."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return None
    room = []
    for line in lines:
        kinds, path = line.split(":", 2)[1:]
        if not kinds:
            root, limit, taken, cache = groups, "memory.max", "memory.current", "inactive_file"
        elif "memory" in kinds.split(","):
            root, limit, taken, cache = (
                groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            )  # fmt: skip
        else:
            continue
        folder = root / path.lstrip("/")
        for place in (folder, *folder.parents):
            if not place.is_relative_to(root):
                break
            try:
                most, used = (place / limit).read_text().strip(), int((place / taken).read_text())
                cached = re.search(rf"^{cache} (\d+)$", (place / "memory.stat").read_text(), re.MULTILINE)
            except (OSError, ValueError):
                continue
            if most.isdigit():
                room.append(int(most) - used + (int(cached[1]) if cached else 0))
    return min(room, default=None)


def _of_addresses(proc: Path) -> int | None:
    """What `ulimit -v` leaves."""
    if resource is None:
        return None
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return None
    try:
        used = int((proc / "self" / "statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        used = 0
    return most - used


# -------------------------------------------------------------------------------------------------------- public


def limit() -> float | None:
    """Bytes of the `max_memory` around this call; None if there is none."""
    state = _STATE.get()
    return None if state is None else state.limit


class max_memory:  # used like a function: with max_memory("4 GB"):
    """A context in which no call takes more memory than a limit, instead of what is free.

    Parameters
    ----------
    limit : float or str
        Bytes; or a number with a unit, "4 GB" or "500 MiB". inf: never refuse.

    Raises
    ------
    TypeError, ValueError
        Not a number > 0 or a text of this form.

    Notes
    -----
    Without it a call that needs more than is free raises MemoryError before it starts: more than is available on the
    machine, in the control groups of the process, or in its address space. A call in the context compares what it needs
    with the limit only. What is counted are the arrays that grow with the arguments (`estimate` lists them), not what
    the program has taken before, nor what a game's own functions take. It applies to calls from the same thread, and
    to the threads that they start.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing(horizon=20)
    >>> uniform = tmf.TabularPolicy.uniform(game)
    >>> with tmf.max_memory("100 MB"):
    ...     flow = tmf.mean_field(game, uniform, tmf.Sequential(), 1000)
    """

    def __init__(self, limit: float | str) -> None:
        self.limit = _as_bytes(limit)

    def __enter__(self) -> None:  # what is around the block is kept by the context, since threads may share the object
        state = _STATE.get()
        _STATE.set(_State(self.limit, state is not None and state.estimating, state))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state = _STATE.get()
        _STATE.set(None if state is None else state.outer)


def _as_bytes(limit: object) -> float:
    if isinstance(limit, str):
        found = re.fullmatch(r"\s*([0-9.]+)\s*([a-zA-Z]+)\s*", limit)
        if found and found[2].lower() in UNITS and found[1].count(".") <= 1 and found[1] != ".":
            value = float(found[1]) * UNITS[found[2].lower()]
            if value > 0 and isfinite(value):
                return value
        raise ValueError(f"limit is {say.short(repr(limit))}; must be a number > 0 with a unit, such as '4 GB'")
    if isinstance(limit, float) and limit == inf:
        return limit
    return check.as_float(limit, "limit", low=0.0, low_open=True)


def estimate(function: Callable[..., object], *args: Any, **kwargs: Any) -> Estimate:
    """What a call would need, without running it: memory by output, what is free, and, if known, the time.

    Parameters
    ----------
    function : callable
        A function, class or method of the package whose memory grows with its arguments: ``tmf.simulate``,
        ``tmf.Population``, ``tmf.solvers.MirrorDescent().solve``, ``tmf.games.garnet``; or a functools.partial of one.
    *args, **kwargs
        Those of the call. They are checked as in the call.

    Returns
    -------
    Estimate
        `print` shows it as a table. `needs` is a tuple of (name, shape, bytes), the largest first; `bytes` their sum;
        `free` what may be taken, None if it is not known; `fits`, whether the call would start; `seconds` the time of
        the kernels, None if it is not known.

    Raises
    ------
    TypeError, ValueError
        Another function; what the call raises about its arguments.

    Notes
    -----
    Arrays that grow with the arguments are counted, to a factor of two; what a game's own functions allocate is not,
    nor are pictures, tables and files. Time is for one processor of the machine where the engines were measured, within
    a factor of about two; replicas of small batches, which run side by side, take a third of it.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing(horizon=20)
    >>> uniform = tmf.TabularPolicy.uniform(game)
    >>> need = tmf.estimate(tmf.simulate, game, uniform, tmf.Sequential(), 10**6, replicas=100)
    >>> [(each.name, each.shape) for each in need.needs[:2]]
    [('decisions', (100, 20000000, 4, 4)), ('counts', (100, 20000001, 4))]
    >>> round(need.bytes / 1e9)
    336
    """
    made: object = function.func if isinstance(function, partial) else function
    made = getattr(made, "__init__", None) if isinstance(made, type) else made
    if not callable(function) or not getattr(made, "asks_for_memory", False):
        raise TypeError(
            f"function is {say.show(function)}; must be one of the package whose memory grows with its arguments, such "
            "as simulate, mean_field or a solver's solve"
        )
    state = _STATE.get()
    token = _STATE.set(_State(None if state is None else state.limit, True))
    try:
        function(*args, **kwargs)
    except _Told as told:
        return told.found
    finally:
        _STATE.reset(token)
    raise RuntimeError(f"{say.show(function)} did not say what it needs; please report this")
