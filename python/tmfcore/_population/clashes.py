"""Options of `simulate` that do not go together: one table, which each call is held against once.

refuse_clashes(call)     raises for the first row that a call meets; its values must have been checked one by one
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tmfcore._base import wording as say
from tmfcore._model.continuous import NO_STEPS, NO_TIMES
from tmfcore._population.simulation import Simulation

__all__ = ["refuse_clashes"]


class Clash(NamedTuple):
    """An option, the values of it that do not go with what the table names, and the error; {shown} is the value."""

    option: str
    refused: Callable[[Any], bool]
    error: str


def _given(value: object) -> bool:
    return value is not None and value is not False


def _a_run(value: object) -> bool:
    return isinstance(value, Simulation)


def _counts(engine: object) -> bool:
    return engine == "counts"


def _not_one(number: object) -> bool:
    return number != 1


_NO_STATES = "the states of agents on a graph are not kept"
_ONLY_COUNTS = "must be None with Poisson clocks, of which only counts are played"

#: What a call has, and the options that it then may not have, in the order in which they are refused.
TABLE: Final[dict[str, tuple[Clash, ...]]] = {
    "graph": (
        Clash("start", _a_run, "start is a Simulation with graph; must be counts or a word"),
        Clash(
            "engine", _counts,
            "engine is 'counts' with graph; must be 'agents' or 'auto': the counts do not tell who sees whom",
        ),
        Clash(
            "comm", _given,
            "comm is given with graph; must be None: each rank would have to know the neighbours of its agents",
        ),
        Clash("executor", _given, "executor is {shown} with graph; must be None: replicas on a graph run on threads"),
        Clash("checkpoint", _given, "checkpoint is {shown} with graph; must be None: " + _NO_STATES),
        Clash("keep_state", _given, "keep_state is {shown} with graph; must be False: " + _NO_STATES),
        Clash("times", _given, "times is {shown} with graph; must be None: there are no Poisson clocks on a graph"),
        Clash("clocks", _given, "graph is given; " + _ONLY_COUNTS),
        Clash("noise", _given, "graph is given; must be None if the noise is random: play game.on(path)"),
    ),
    "executor": (
        Clash("comm", _given, "comm is given with executor; must be one of them"),
        Clash(
            "checkpoint", _given,
            "checkpoint is given with executor; must be None: cells of tmf.sweep with store= are kept one by one",
        ),
    ),
    "comm": (
        Clash("clocks", _given, "comm is given; " + _ONLY_COUNTS),
        Clash("noise", _given, "comm is given; must be None if the noise is random"),
        Clash(
            "keep_state", _given,
            "keep_state is True; must be False with comm: checkpoint keeps the state of a run on ranks",
        ),
        Clash(
            "start", _a_run,
            "start is a Simulation; must be counts or a word with comm: checkpoint keeps the state of a run on ranks",
        ),
        Clash(
            "engine", _counts,
            "engine is 'counts'; must be 'agents' or 'auto' with comm: counts take one process, whatever N is",
        ),
        Clash("rng", lambda rng: rng is None, "rng is None; must be a seed with comm: all ranks draw the same numbers"),
    ),
    "clocks": (
        Clash(
            "engine", lambda engine: engine == "agents",
            "engine is 'agents'; must be 'auto' or 'counts' with Poisson clocks",
        ),
        Clash(
            "trajectories", _given,
            "trajectories is True; must be False with Poisson clocks: individuals are not recorded",
        ),
        Clash("record_every", _not_one, NO_STEPS),
    ),
    "steps": (Clash("times", _given, NO_TIMES),),
    "events": (
        Clash(
            "replicas", _not_one,
            "replicas is {value}; must be 1 with times='events', which are those of one replica",
        ),
    ),
    "trajectories": (
        Clash(
            "engine", _counts,
            "engine is 'counts', which has no individuals; trajectories=True needs 'agents' or 'auto'",
        ),
        Clash(
            "replicas", _not_one,
            "replicas is {value}; must be 1 with trajectories=True (call simulate once per replica)",
        ),
    ),
}  # fmt: skip


def refuse_clashes(call: Mapping[str, Any]) -> None:
    """Raise ValueError if options of a call do not go together.

    call : the options of simulate, by name, and whether it has "clocks" (of Poisson) or "steps", random "noise", and
    times="events".
    """
    for given, rows in TABLE.items():
        if not _given(call[given]):
            continue
        for option, refused, error in rows:
            if refused(value := call[option]):
                raise ValueError(error.format(value=value, shown=say.show(value)))
