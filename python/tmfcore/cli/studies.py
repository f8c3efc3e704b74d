"""Studies in TOML files: a game, what is done with it, and a grid of parameters.

    [game]                              as in a file of a game
    kind = "queueing"

    [study]                             what every cell has
    command = "solve"                   or "simulate"
    n_agents = 1000

    [grid]                              lists: every combination is a cell
    batch = [1, 10, 100]                of the options of the study
    waiting_cost = [0.1, 0.2]           or of the parameters of the game

read(path) -> StudyFile     the file, checked: errors name the file and the key
Cell                        what is called for each cell, in whatever process: it needs no library of the command line
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

import tmfcore as tmf
from tmfcore._base import disk
from tmfcore._base import wording as say
from tmfcore.games import gamefile
from tmfcore.solvers._registry import SOLVERS

__all__ = ["Cell", "StudyFile", "read"]

TABLES = ("game", "study", "grid")
COMMANDS = ("solve", "simulate")
AUTO = "auto"
SOLVER_WORDS = {entry.word: entry.solver for entry in SOLVERS.values()}
#: Options that choose who acts, and the schedules that they make.
ACTING: dict[str, Callable[[Any], tmf.Schedule]] = {
    "batch": tmf.Batch, "fraction": tmf.Fraction, "probability": tmf.Bernoulli, "rate": tmf.Poisson,
}  # fmt: skip
SCHEDULES = {"synchronous": tmf.Synchronous, "sequential": tmf.Sequential}
#: Options of both commands; all further ones of `solve` are settings of its solver.
SHARED = ("n_agents", "schedule", *ACTING)
SOLVING = ("solver", "time_limit")
SIMULATING = ("engine",)
STUDY = ("command", "replicas", "seed")  # of the whole: no cell can change them


@dataclass(frozen=True)
class Cell:
    """One cell of a study: called with its parameters, it returns what the command found.

    where : the file, for errors.
    game, study : its tables.
    own : parameters that are the game's.
    threads : most threads that a call may use.
    """

    where: str
    game: dict[str, Any]
    study: dict[str, Any]
    own: frozenset[str]
    threads: int | None = None

    def __call__(self, *, rng: np.random.Generator, **parameters: Any) -> dict[str, Any]:
        made = {name: value for name, value in parameters.items() if name in self.own}
        options = self.study | {name: value for name, value in parameters.items() if name not in self.own}
        game = gamefile.made(self.where, self.game | made)
        schedule, n_agents = _schedule(options), options.get("n_agents", 1000)
        if options["command"] == "simulate":
            return self._simulated(game, schedule, n_agents, options, rng)
        return self._solved(game, schedule, n_agents, options, rng)

    def _solved(
        self, game: tmf.Game, schedule: tmf.Schedule, n_agents: int, options: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> dict[str, Any]:  # fmt: skip
        settings = {name: value for name, value in options.items() if name not in (*SHARED, *SOLVING, "command")}
        word = options.get("solver", AUTO)
        more = settings if word == AUTO else {"solver": SOLVER_WORDS[word](**settings)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tmf.ConvergenceWarning)  # a column says it
            solution = tmf.solve(
                game, schedule, n_agents, rng=rng, threads=self.threads, time_limit=options.get("time_limit"), **more
            )
        return {
            "exploitability": solution.exploitability,
            "relative_exploitability": solution.relative_exploitability,
            "mean_return": solution.mean_return,
            "iterations": int(solution.history["iteration"][-1]),
            "converged": solution.converged,
        }

    def _simulated(
        self, game: tmf.Game, schedule: tmf.Schedule, n_agents: int, options: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> dict[str, Any]:  # fmt: skip
        uniform = tmf.TabularPolicy.uniform(game)
        run = tmf.simulate(
            game, uniform, schedule, n_agents, engine=options.get("engine", "auto"), rng=rng, threads=self.threads,
            decisions=False,
        )  # fmt: skip
        limit = tmf.evaluate(game, uniform, schedule, n_agents)
        return {"mean_return": float(run.returns[0]), "mean_field_return": limit.mean_return}


@dataclass(frozen=True)
class StudyFile:
    """A study, checked as far as it can be without a cell.

    cell : what is called.
    grid : parameter -> its values.
    replicas, seed : of all cells.
    """

    cell: Cell
    grid: dict[str, Any]
    replicas: int
    seed: int

    @property
    def title(self) -> str:
        """The command and the game."""
        return f"{self.cell.study['command']} {self.cell.game['kind']}"

    @property
    def about(self) -> dict[str, Any]:
        """What its store belongs to: all that every cell has, by the keys of the file."""
        tables = {"game": self.cell.game, "study": self.cell.study}
        return {f"{table}.{name}": value for table, found in tables.items() for name, value in found.items()}

    def on_processes(self) -> StudyFile:
        """The same for processes that share processors: one thread each."""
        return dataclasses.replace(self, cell=dataclasses.replace(self.cell, threads=1))


def read(path: str | os.PathLike[str]) -> StudyFile:
    """The study of a TOML file.

    Raises
    ------
    FileError
        A ValueError: not TOML, an unknown or missing table or key, or a value that the first cell refuses; it names the
        file and the key. If the file cannot be read, it is an OSError, too.
    """
    where, content = gamefile.content_of(path)
    for name in content:
        if name not in TABLES:
            near = _hint(name, TABLES)
            raise disk.FileError(f"{where}: [{name}] is unknown{near}; must be one of {', '.join(TABLES)}")
    game, study, grid = (content.get(name, {}) for name in TABLES)
    for name, table in (("study", study), ("grid", grid)):
        if not isinstance(table, dict):
            raise disk.FileError(f"{where}: {name} is {say.show(table)}; must be a table [{name}]")
    if not grid:
        raise disk.FileError(f"{where} has no table [grid] with lists; must have one, whose combinations are the cells")
    study = {"command": "solve", **study}
    if study["command"] not in COMMANDS:
        raise disk.FileError(f"{where}: study.command is {study['command']!r}; must be one of {', '.join(COMMANDS)}")
    replicas, seed = study.pop("replicas", 1), study.pop("seed", 0)
    for name, value, least in (("replicas", replicas, 1), ("seed", seed, 0)):
        if type(value) is not int or value < least:
            raise disk.FileError(f"{where}: study.{name} is {value!r}; must be an integer >= {least}")
    own = frozenset(_of_game(where, game, study, grid))
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise disk.FileError(f"{where}: grid.{name} is {say.show(values)}; must be a list of values")
    found = StudyFile(Cell(where, game, study, own), dict(grid), replicas, seed)
    _try(where, found, {name: values[0] for name, values in grid.items()})
    return found


def _of_game(where: str, game: Mapping[str, Any], study: Mapping[str, Any], grid: Mapping[str, Any]) -> list[str]:
    """Keys of the grid that are parameters of the game; the others, and those of the study, must be options."""
    options = [*SHARED, *(SOLVING if study["command"] == "solve" else SIMULATING)]
    if study["command"] == "solve":
        swept = grid.get("solver", [])
        solvers = [study.get("solver", AUTO), *(swept if isinstance(swept, list) else [])]
        kinds = [SOLVER_WORDS[word] for word in solvers if isinstance(word, str) and word in SOLVER_WORDS]
        settings = [field.name for kind in kinds for field in dataclasses.fields(kind)]
        options += settings or ["iterations", "tolerance", "absolute_tolerance"]
    for name in study:
        if name != "command" and name not in options:
            raise disk.FileError(f"{where}: study.{name} is no option of {study['command']}{_hint(name, options)}")
    kind = str(game.get("kind")).replace("-", "_")
    make = gamefile.kinds().get(kind)
    parameters = [] if make is None else [name for name in inspect.signature(make).parameters if name != "self"]
    own = []
    for name in grid:
        if name in STUDY:
            raise disk.FileError(f"{where}: grid.{name} cannot vary; set study.{name}")
        if name in options:
            continue
        if name not in parameters:
            near = _hint(name, [*options, *parameters])
            raise disk.FileError(
                f"{where}: grid.{name} is neither an option of {study['command']} nor a parameter of "
                f"{game.get('kind')}{near}"
            )
        own.append(name)
    return own


def _try(where: str, found: StudyFile, first: Mapping[str, Any]) -> None:
    """Make the game and the schedule of the first cell, so that mistakes are found before the work."""
    cell = found.cell
    gamefile.made(where, cell.game | {name: value for name, value in first.items() if name in cell.own})
    options = cell.study | {name: value for name, value in first.items() if name not in cell.own}
    try:
        _schedule(options)
        if cell.study["command"] == "solve" and options.get("solver", AUTO) not in (AUTO, *SOLVER_WORDS):
            raise ValueError(f"solver is {options['solver']!r}; must be one of {', '.join((AUTO, *SOLVER_WORDS))}")
    except (TypeError, ValueError) as error:
        raise disk.FileError(f"{where}: {error}") from None


def _schedule(options: Mapping[str, Any]) -> tmf.Schedule:
    """Who acts."""
    given = [name for name in (*ACTING, "schedule") if name in options]
    if len(given) > 1:
        raise ValueError(f"{given[1]} is given with {given[0]}; must be one of them, which says who acts")
    if not given:
        return tmf.Synchronous()
    (name,) = given
    if name != "schedule":
        return ACTING[name](options[name])
    word = options["schedule"]
    if not isinstance(word, str) or word not in SCHEDULES:
        raise ValueError(f"schedule is {word!r}; must be one of {', '.join(SCHEDULES)}, or give {', '.join(ACTING)}")
    made: tmf.Schedule = SCHEDULES[word]()
    return made


def _hint(word: str, choices: Any) -> str:
    close = get_close_matches(word, choices, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
