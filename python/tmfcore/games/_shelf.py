"""The registry of built-in games: each game is registered where it is defined, and all lists of games are made from it.

@shelf(about="Jobs at servers ...", small={"capacities": [0.1, 0.2]}, page=Page("All agents are idle at first ..."))
def queueing(...) -> Game: ...

SHELF       name -> GameEntry, all games
BY_NAME     name -> function, games with a page: they need no arguments, and can be played from the command line
find()      imports all games of the folder, and returns the names that their modules export
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from tmfcore._base.registry import Registry, discover
from tmfcore._model.game import Game

__all__ = ["BY_NAME", "SHELF", "SKEWED", "GameEntry", "Page", "find", "shelf"]

_Make = TypeVar("_Make", bound=Callable[..., Game])
SHELF: Registry[GameEntry] = Registry("game")
BY_NAME: Registry[Callable[..., Game]] = Registry("game")

#: An initial distribution of seven observations without symmetry for small games, so that no two actions tie.
SKEWED = np.array([0.05, 0.3, 0.02, 0.2, 0.13, 0.1, 0.2])
SKEWED.flags.writeable = False


@dataclass(frozen=True)
class Page:
    """Text for the game's page in the gallery, in addition to its docstring.

    Parameters
    ----------
    picture : str
        Description of the picture of the flow at the equilibrium.
    options : str, optional
        Options of `tmfcore solve` that compute this equilibrium.
    rules : str, optional
        The function whose docstring has the rules of the game, if they are shared with others.
    title : str, optional
        Title of the page; by default the name with a capital.
    """

    picture: str
    options: str = ""
    rules: str = ""
    title: str = ""


@dataclass(frozen=True)
class GameEntry:
    """A built-in game in the registry.

    Parameters
    ----------
    make : callable
        The function of `tmfcore.games`.
    about : str
        A description of the game, in a sentence or two.
    arguments : callable
        Returns the arguments of a small game for tests, without symmetries that would hide mistakes.
    page : Page or None
        None if the game needs arguments.
    """

    make: Callable[..., Game]
    about: str
    arguments: Callable[[], Mapping[str, Any]]
    page: Page | None

    @property
    def name(self) -> str:
        """Name of the function and of its games."""
        return self.make.__name__

    @property
    def summary(self) -> str:
        """The first paragraph of the docstring, which has the source."""
        return " ".join((inspect.getdoc(self.make) or "").split("\n\n")[0].split())

    def small(self, **changes: Any) -> Game:
        """The small game; `changes` replace some of its arguments."""
        return self.make(**(dict(self.arguments()) | changes))


def shelf(
    about: str, small: Mapping[str, Any] | Callable[[], Mapping[str, Any]], page: Page | None = None
) -> Callable[[_Make], _Make]:
    """Register a game function; `small` are the arguments of a small one, or a function that returns them."""
    arguments = small if callable(small) else lambda: small

    def entered(make: _Make) -> _Make:
        SHELF.add(make.__name__, GameEntry(make, about, arguments, page), make.__module__)
        if page is not None:
            BY_NAME.add(make.__name__, make, make.__module__)
        return make

    return entered


def find(path: Iterable[str], package: str) -> dict[str, Any]:
    """Import the public modules of a folder, which register their games; return name -> object of their exports."""
    modules = discover(package, path)
    with_games = {entry.make.__module__ for entry in SHELF.values()}
    return {name: getattr(m, name) for m in modules if m.__name__ in with_games for name in m.__all__}
