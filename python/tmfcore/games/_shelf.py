"""The register of games: a game is entered where it is defined, and whoever lists games reads them here.

@shelf(about="Jobs wait at servers ...", small={"capacities": [0.1, 0.2]}, page=Page("Everybody is idle at first ..."))
def queueing(...) -> Game: ...

SHELF       name -> GameEntry, of all games
BY_NAME     name -> function, of those with a page: they are played without arguments, by the command line, too
find()      enters all games of the folder; what their modules export
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

#: A start of seven observations for small games: no symmetry, hence no two actions that are as good.
SKEWED = np.array([0.05, 0.3, 0.02, 0.2, 0.13, 0.1, 0.2])
SKEWED.flags.writeable = False


@dataclass(frozen=True)
class Page:
    """What docs/gallery tells of a game beside its docstring.

    Parameters
    ----------
    picture : str
        What the picture of the flow at its equilibrium shows.
    options : str, optional
        Options of `tmfcore solve` by which that was found.
    rules : str, optional
        The function whose docstring has the rules that the game shares with others.
    title : str, optional
        The name as a title, where that needs more than a capital.
    """

    picture: str
    options: str = ""
    rules: str = ""
    title: str = ""


@dataclass(frozen=True)
class GameEntry:
    """A game of the shelf.

    Parameters
    ----------
    make : callable
        The function of `tmfcore.games`.
    about : str
        What it models, in a sentence or two.
    arguments : callable
        Arguments of a small game, with no symmetry that would hide a mistake: every game is tested with them.
    page : Page or None
        None: it cannot be played without arguments.
    """

    make: Callable[..., Game]
    about: str
    arguments: Callable[[], Mapping[str, Any]]
    page: Page | None

    @property
    def name(self) -> str:
        """Of the function, and of its games."""
        return self.make.__name__

    @property
    def summary(self) -> str:
        """The first paragraph of its docstring, with its source."""
        return " ".join((inspect.getdoc(self.make) or "").split("\n\n")[0].split())

    def small(self, **changes: Any) -> Game:
        """The small game, with other arguments where there are any in `changes`."""
        return self.make(**(dict(self.arguments()) | changes))


def shelf(
    about: str, small: Mapping[str, Any] | Callable[[], Mapping[str, Any]], page: Page | None = None
) -> Callable[[_Make], _Make]:
    """Enter a function that makes games; `small` are the arguments of a small one, or a function that returns them."""
    arguments = small if callable(small) else lambda: small

    def entered(make: _Make) -> _Make:
        SHELF.add(make.__name__, GameEntry(make, about, arguments, page), make.__module__)
        if page is not None:
            BY_NAME.add(make.__name__, make, make.__module__)
        return make

    return entered


def find(path: Iterable[str], package: str) -> dict[str, Any]:
    """Import the public modules of a folder, so that their games are entered; name -> object of what those export."""
    modules = discover(package, path)
    with_games = {entry.make.__module__ for entry in SHELF.values()}
    return {name: getattr(m, name) for m in modules if m.__name__ in with_games for name in m.__all__}
