"""The registry of solvers: each is registered once, by `register` above its class, and found by whoever lists solvers.

The command line, `tune`'s default space, `tmf.solve`, the table of Theory, section 9, the benchmarks of all
solvers and the tests that go over all of them read it; `python -m bench.solvers` writes what is written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from tmfcore._base import wording as say
from tmfcore._base.registry import Registry
from tmfcore._results.packing import known

if TYPE_CHECKING:
    from tmfcore.solvers._rule import Rule
    from tmfcore.solvers._solver import Solver

__all__ = ["SOLVERS", "SolverEntry", "Space", "Turn", "entry_of", "in_turns", "made", "register"]

Space: TypeAlias = dict[str, tuple[Any, ...] | list[Any]]

SHARED = "As in every solver."
IN_EVERY_SOLVER = """As in every solver: updates at most; the exploitability at which to stop, in shares of |mean
        return| and in units of return (None: never); after how many iterations without an improvement of what share to
        give up (None: never; 0.01); whose values are learnt and judged."""
RAISES = """    Raises
    ------
    TypeError, ValueError
        A hyperparameter of the wrong kind, out of bounds, or without effect beside another.

"""


@dataclass(frozen=True)
class Turn:
    """When tmf.solve tries a solver that nobody named."""

    place: int  # in its order
    flows: int  # that the first turn takes
    largest: float = inf  # entries T S A of a policy beyond which the solver is left out


@dataclass(frozen=True)
class SolverEntry:
    """What there is to know of a solver.

    Parameters
    ----------
    solver : type
        Its class.
    rule : type of Rule
        How it gets from one policy to the next.
    word : str
        Its name on the command line.
    update, source : str
        Its row in the table of Theory, section 9.
    space : callable scale -> dict
        What `tune` searches, in units of reward of that scale.
    turn : Turn or None
    tested : tuple of dicts
        Settings under which tests of all solvers try it, beside the defaults.
    quick : dict
        Settings that make an iteration cheap, for all tests and benchmarks of all solvers.
    endless : bool
        Whether it solves the game played for ever: one that does not depend on t, with a discount below 1.
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
        """That of the class."""
        return self.solver.__name__

    @property
    def summary(self) -> str:
        """The first line of its help."""
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
    """Class decorator: put a solver into the registry, with what SolverEntry says, and what all share into its help."""

    def registered(kind: Kind) -> Kind:
        kind.__doc__ = kind.__doc__ and _shared(kind.__doc__)
        entry = SolverEntry(kind, rule, word, update, source, space, turn, tested, quick, endless)
        SOLVERS.add(entry.name, entry, kind.__module__)
        known(kind)  # saved with what `tune` found
        return kind

    return registered


def _shared(text: str) -> str:
    """The help of a solver, with what all have: the fields of Solver, and what a bad one raises."""
    before, *behind = re.split(r"(?m)(?=^    (?:Raises|Notes|Examples)\n)", text, maxsplit=1)
    raises = RAISES if behind and not behind[0].startswith("    Raises") else ""
    return before.replace(SHARED, IN_EVERY_SOLVER) + raises + "".join(behind)


def entry_of(kind: type) -> SolverEntry:
    """The entry of a solver's class, or of the registered one that it derives from."""
    for base in kind.__mro__:
        if base.__name__ in SOLVERS and SOLVERS[base.__name__].solver is base:
            return SOLVERS[base.__name__]
    raise TypeError(f"{kind.__name__} is not registered; see tmfcore.solvers._registry.register")


def in_turns() -> list[SolverEntry]:
    """Solvers that tmf.solve tries unless told, in its order."""
    entries = [entry for entry in SOLVERS.values() if entry.turn is not None]
    return sorted(entries, key=lambda entry: entry.turn.place if entry.turn else 0)


def made(solver: object, name: str = "solver") -> Solver[Any]:
    """A solver, of a class or a name; names of the command line are names, too."""
    from tmfcore.solvers._solver import Solver

    if isinstance(solver, str):
        words = {entry.word: entry.name for entry in SOLVERS.values()}
        return SOLVERS.find(words.get(solver, solver), name).solver()
    if isinstance(solver, type) and issubclass(solver, Solver):
        return solver()
    if not isinstance(solver, Solver):
        raise TypeError(f"{name} is {say.show(solver)}; must be a solver, its class, or one of {say.listed(SOLVERS)}")
    return solver
