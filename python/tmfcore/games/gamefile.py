"""Games in TOML files, read with the standard library: `tmfcore solve game.toml`, `tmfcore simulate game.toml`.

read(path) -> Game              the game of a file; errors name the file and the key
content_of(path)                the tables of a TOML file; made(where, table) is the game of its table [game]
TEMPLATE, PYTHON_TEMPLATE       the files that `tmfcore new` writes

    [game]
    kind = "queueing"                       a function of tmfcore.games; every other key is a parameter of it
    capacities = [0.5, 0.4, 0.3]

    [game]
    kind = "arrays"                         or "affine": the arguments of Game or games.affine
    n_observations = 2
    n_actions = 2
    horizon = 20
    discount = 0.95
    initial = [1.0, 0.0]
    reward = [[0.0, 1.0], [0.5, 0.0]]
    transition = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]]

The file must contain nothing else.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from tmfcore._base import disk
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._model.game import Game
from tmfcore.games._shelf import SHELF

__all__ = ["PYTHON_TEMPLATE", "TEMPLATE", "read"]

ARRAYS = "arrays"

TEMPLATE = '''\
# tmfcore solve {name}.toml --n-agents 1000
[game]
kind = "arrays"                 # or a game of `tmfcore games`, with its parameters as keys
name = "{name}"
n_observations = 2
n_actions = 2
time = "sweeps"                 # a sweep: every agent acts once on average; or "steps"
horizon = 20.0                  # in sweeps
discount = 0.95                 # per sweep
initial = [1.0, 0.0]            # share of the population at each observation
observation_labels = ["here", "there"]
action_labels = ["to here", "to there"]
reward = [[0.0, -0.5], [-0.2, 0.0]]                                     # [observation][action], earned at once
transition = [[[0.9, 0.1], [0.1, 0.9]], [[0.9, 0.1], [0.1, 0.9]]]       # [observation][action][next observation]
passive_reward = [0.0, 1.0]     # per sweep, for every agent; agents that do not act stay where they are
'''

PYTHON_TEMPLATE = '''\
"""{name}: a game whose rewards depend on the population."""

import numpy as np

import tmfcore as tmf


def standing(mu):
    return np.array([0.0, 1.0]) - mu  # reward per sweep at each observation: less in a crowd


reward = np.array([[0.0, -0.5], [-0.5, 0.0]])  # [observation, action], earned at once: a move costs 0.5
moves = np.array([[[0.9, 0.1], [0.1, 0.9]]] * 2)  # [observation, action, next observation]
game = tmf.Game(
    2, 2, 20.0, 0.95, [1.0, 0.0], reward, moves, passive_reward=standing, time="sweeps", name="{name}",
    observation_labels=["here", "there"], action_labels=["to here", "to there"],
)

if __name__ == "__main__":
    print(tmf.testing.check_game(game, rng=1))
    solution = tmf.solve(game, tmf.Fraction(0.1))
    print(f"exploitability {{solution.exploitability:.2g}}, mean return {{solution.mean_return:.3f}}")
'''


def read(path: str | os.PathLike[str]) -> Game:
    r"""The game of a TOML file.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    Game

    Raises
    ------
    FileError
        A ValueError: not TOML (the error names the line), an unknown or missing table or key, or a value that the game
        refuses: the error names the file and the key. If the file does not exist or cannot be read, the error is a
        FileNotFoundError or another OSError, too.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "game.toml"
    >>> _ = path.write_text('[game]\nkind = "queueing"\ncapacities = [0.5, 0.4]')
    >>> read(path)
    Game('queueing', S=3, A=3, T=20 sweeps, discount=0.95)
    """
    where, content = content_of(path)
    for key in content:
        if key != "game":
            raise disk.FileError(f"{where}: [{key}] is unknown; must have the table [game] only")
    return made(where, content["game"])


def content_of(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """The name of a TOML file and what it has, a table [game] among it; FileError as `read`."""
    import tomllib  # slow to import

    where = os.fspath(check.as_path(path))
    text = disk.text_of(path, "a TOML file")
    try:
        content = tomllib.loads(text)
    except (RecursionError, ValueError) as error:  # TOMLDecodeError; numbers and nesting without end
        raise disk.FileError(f"{where} is not a TOML file: {say.short(str(error))}") from None
    if not isinstance(content.get("game"), dict):
        raise disk.FileError(f"{where} has no table [game]")
    return where, content


def made(where: str, table: Mapping[str, Any]) -> Game:
    """The game of a table of the file `where`; errors as `read`."""
    choices = kinds()
    given = dict(table)
    if "kind" not in given:
        raise disk.FileError(f"{where}: game.kind is missing; must be one of {', '.join(choices)}")
    kind = given.pop("kind")
    name = kind.replace("-", "_") if isinstance(kind, str) else kind
    if not isinstance(name, str) or name not in choices:
        raise disk.FileError(
            f"{where}: game.kind is {kind!r}; must be one of {', '.join(choices)}"
            + (_hint(name, tuple(choices)) if isinstance(name, str) else "")
        )
    make = choices[name]
    known = inspect.signature(make).parameters
    for key in given:
        if key not in known:
            raise disk.FileError(f"{where}: game.{key} is not a parameter of {kind}{_hint(key, tuple(known))}")
    for key, parameter in known.items():
        if parameter.default is parameter.empty and key not in given:
            raise disk.FileError(f"{where}: game.{key} is missing; {kind} needs it")
    try:
        return make(**given)
    except (TypeError, ValueError) as error:
        raise disk.FileError(f"{where}: game.{error}") from None
    except MemoryError as error:
        raise MemoryError(f"{where}: {error}") from None


def kinds() -> dict[str, Callable[..., Game]]:
    """The kinds of games that a file can describe: all except games made of other games."""
    made = {name: entry.make for name, entry in SHELF.items()}
    of_games = [name for name, make in made.items() if "Game]" in str(inspect.signature(make).parameters.values())]
    return {ARRAYS: Game} | {name: make for name, make in made.items() if name not in of_games}


def _hint(word: str, choices: tuple[str, ...]) -> str:
    close = get_close_matches(word, choices, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
