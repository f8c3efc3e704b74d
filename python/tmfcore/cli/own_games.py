"""Games in files of the user: FILE.toml, and FILE.py or FILE.py:NAME, which is run.

A Python file gives the object NAME; without NAME the object `game`, or, if there is none, the only Game that the file
defines. It is a tmfcore.Game, or a function that returns one, whose parameters are set as those of built-in games.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import tmfcore as tmf

__all__ = ["from_python", "is_file", "is_python", "naming_the_line", "path_of"]

_PYTHON = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w*))?")
GAME = "game"


def is_python(text: str) -> bool:
    """Whether the argument GAME has the form FILE.py or FILE.py:NAME."""
    return _PYTHON.fullmatch(text) is not None


def is_file(text: str) -> bool:
    """Whether the argument GAME names a TOML or Python file."""
    return text.endswith(".toml") or is_python(text)


def path_of(text: str) -> str:
    """The path in an argument that names a file."""
    found = _PYTHON.fullmatch(text)
    return found["path"] if found else text


def from_python(text: str) -> tmf.Game | Callable[..., tmf.Game]:
    """Run FILE.py and return the Game it defines, or the function that makes one."""
    import tmfcore as tmf

    found = _PYTHON.fullmatch(text)
    assert found is not None, "the caller asked is_python"
    path, name = found["path"], found["name"]
    with naming_the_line(path):
        defined = _run(path)
    games = [key for key, value in defined.items() if isinstance(value, tmf.Game)]
    if not name:
        name = games[0] if GAME not in defined and len(games) == 1 else GAME
    if name not in defined:
        has = f"it has {', '.join(games)}: use {path}:{games[0]}" if games else f"write {name} = tmfcore.Game(...)"
        raise click.UsageError(f"{path} does not define {name!r}; {has}")
    value: Any = defined[name]
    if not isinstance(value, tmf.Game) and (isinstance(value, type) or not callable(value)):
        raise click.UsageError(
            f"{path}{_line_of(path, name)}: {name} is {type(value).__name__}; must be a tmfcore.Game, or a function "
            "that returns one"
        )
    made: tmf.Game | Callable[..., tmf.Game] = value
    return made


def _run(path: str) -> dict[str, Any]:
    """Run a Python file as a module with a unique name, and return what it defines."""
    place = Path(path).resolve()
    if not place.is_file():
        raise click.UsageError(f"{path}: {'not a file' if place.exists() else 'No such file or directory'}")
    if str(place.parent) not in sys.path:
        sys.path.append(str(place.parent))  # appended last: modules beside the file hide no other module
    name = f"tmfcore_file_{place.stem}"  # the plain name of the file may be that of an imported module
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None and spec.loader is not None, "a file whose name ends in .py has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return vars(module)


@contextmanager
def naming_the_line(path: str) -> Iterator[None]:
    """Context that turns an error in a Python file into one line that names the file and the line."""
    try:
        yield
    except (MemoryError, _WrongLine):
        raise
    except SyntaxError as error:
        at = path if error.filename is None or Path(error.filename) == Path(path).resolve() else error.filename
        raise _wrong(at, error.lineno, error.msg, path) from error
    except (Exception, SystemExit) as error:
        cause = error.__cause__ if isinstance(error, click.UsageError) else error
        if cause is None or isinstance(cause, click.ClickException):
            raise
        line, said = _line_in(cause, path), " ".join(str(cause).split())
        if line is not None:
            raise _wrong(path, line, f"{type(cause).__name__}{': ' if said else ''}{said}", path) from error
        if cause is error or said.startswith("--"):
            raise
        raise click.UsageError(f"{path}: {said}") from error


class _WrongLine(click.UsageError):
    """A usage error that names a line of a file."""


def _wrong(at: str, line: int | None, what: str, path: str) -> _WrongLine:
    return _WrongLine(f"{at}, line {line}: {what}; correct that line: {path} must run without errors")


def _line_in(error: BaseException, path: str) -> int | None:
    """The last line of the file in the traceback of an error or of its cause; None if the file is not in it."""
    place = str(Path(path).resolve())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
    if lines:
        return lines[-1]
    return _line_in(error.__cause__, path) if error.__cause__ is not None else None


def _line_of(path: str, name: str) -> str:
    """The text ", line N" for the line that defines a name; empty if there is no such statement."""
    for node in ast.parse(Path(path).read_bytes()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        if any(name in (getattr(target, "id", None), getattr(target, "name", None)) for target in targets):
            return f", line {node.lineno}"
    return ""
