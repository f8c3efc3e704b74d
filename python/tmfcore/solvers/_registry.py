"""The registry of solvers. The decorator `register` above a solver's class adds the solver to it.

Read by the command line, `tune`'s default space, `tmf.solve`, and the benchmarks and tests that cover all solvers;
`python -m bench.solvers` writes the table of Theory, section 9, from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tmfcore._base import wording as say
from tmfcore._base.registry import Registry
from tmfcore._results.packing import known

if TYPE_CHECKING:
    from tmfcore.solvers._rule import Rule
    from tmfcore.solvers._solver import Solver

__all__ = ["SOLVERS", "SolverEntry", "Space", "Turn", "entry_of", "in_turns", "made", "named", "register"]

Space: TypeAlias = dict[str, tuple[Any, ...] | list[Any]]

SHARED = "As in every solver."
IN_EVERY_SOLVER = """The same in every solver: the largest number of updates; the exploitability at which to stop, as a
        share of |mean return| and in units of return (None: never); the number of iterations after which to stop if the
        best exploitability has not fallen by a share (None: never, 0.01); the clock of values (Theory, section 3); the
        weight, in [0, 1], of what an agent does to all others (0: Nash, 1: welfare; Theory, section 14)."""
RAISES = """    Raises
    ------
    TypeError, ValueError
        A hyperparameter has the wrong type, is out of bounds, or has no effect given the others.

"""


@dataclass(frozen=True)
class Turn:
    """When tmf.solve(solver=None) tries a solver."""

    place: int  # in the order of solvers
    flows: int  # length of the first turn
    largest: float = inf  # largest policy, in entries T S A, for which the solver is tried


@dataclass(frozen=True)
class SolverEntry:
    """A registered solver.

    Parameters
    ----------
    solver : type
        Its class.
    rule : type of Rule
        How it makes the next policy from the present one.
    word : str
        Its name on the command line.
    update, source : str
        Its row in the table of Theory, section 9.
    space : callable scale -> dict
        The settings that `tune` searches, for rewards of that scale.
    turn : Turn or None
        None: tmf.solve does not try it by default.
    tested : tuple of dicts
        Settings that the tests of all solvers use besides the defaults.
    quick : dict
        Settings that make an iteration cheap, for the tests and benchmarks of all solvers.
    endless : bool
        Whether it solves infinite-horizon games: the game must not depend on t, and its discount must be below 1.
    """

    solver: type[Solver[Any]]
    rule: type[Rule[Any]]
    word: str
    update: str
    source: str
    space: Callable[[float], Space]
    turn: Turn | None
    tested: tuple[Mapping[str, Any], ...]
    quick: Mapping[str, Any]
    endless: bool

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.solver.__name__

    @cached_property
    def default(self) -> Solver[Any]:
        """The solver with its default settings."""
        return self.solver()

    @property
    def summary(self) -> str:
        """The first line of the class's docstring."""
        return (self.solver.__doc__ or "").partition("\n")[0]


SOLVERS: Registry[SolverEntry] = Registry("solver")

Kind = TypeVar("Kind", bound="type[Solver[Any]]")


def register(
    *,
    rule: type[Rule[Any]],
    word: str,
    update: str,
    source: str,
    space: Callable[[float], Space],
    turn: Turn | None = None,
    tested: tuple[Mapping[str, Any], ...] = (),
    quick: Mapping[str, Any] = MappingProxyType({}),
    endless: bool = False,
) -> Callable[[Kind], Kind]:
    """Class decorator: register a solver (SolverEntry has the arguments) and complete its docstring."""

    def registered(kind: Kind) -> Kind:
        kind.__doc__ = kind.__doc__ and _shared(kind.__doc__)
        entry = SolverEntry(kind, rule, word, update, source, space, turn, tested, quick, endless)
        SOLVERS.add(entry.name, entry, kind.__module__)
        known(kind)  # files of `tune` results hold solvers
        return kind

    return registered


def _shared(text: str) -> str:
    """The docstring of a solver, with the fields of Solver and the errors they raise written in."""
    before, *behind = re.split(r"(?m)(?=^    (?:Raises|Notes|Examples)\n)", text, maxsplit=1)
    raises = RAISES if behind and not behind[0].startswith("    Raises") else ""
    return before.replace(SHARED, IN_EVERY_SOLVER) + raises + "".join(behind)


def entry_of(kind: type) -> SolverEntry:
    """The entry of a solver's class, or of the registered class that it derives from."""
    for base in kind.__mro__:
        if base.__name__ in SOLVERS and SOLVERS[base.__name__].solver is base:
            return SOLVERS[base.__name__]
    raise TypeError(f"{kind.__name__} is not registered; see tmfcore.solvers._registry.register")


def in_turns() -> list[SolverEntry]:
    """The solvers that tmf.solve(solver=None) tries, in its order."""
    entries = [entry for entry in SOLVERS.values() if entry.turn is not None]
    return sorted(entries, key=lambda entry: entry.turn.place if entry.turn else 0)


def made(solver: object, name: str = "solver") -> Solver[Any]:
    """A solver from a solver, its class, its name, or its name on the command line."""
    from tmfcore.solvers._solver import Solver

    if isinstance(solver, str):
        return named(solver, name).default
    if isinstance(solver, type) and issubclass(solver, Solver):
        return solver()
    if not isinstance(solver, Solver):
        raise TypeError(f"{name} is {say.show(solver)}; must be a solver, its class, or one of {say.listed(SOLVERS)}")
    return solver


def named(word: str, argument: str = "solver") -> SolverEntry:
    """The entry of a solver by its name, or by its name on the command line."""
    if word in SOLVERS:
        return SOLVERS[word]
    words = {entry.word: entry.name for entry in SOLVERS.values()}
    return SOLVERS.find(words.get(word, word), argument)
