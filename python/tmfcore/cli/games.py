"""`tmfcore games`, and the options that choose a game: every function of `tmfcore.games.BY_NAME`."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .console import Report, reports
from .own_games import from_python, is_file, is_python, naming_the_line, path_of
from .parameters import Command, choose, count, numbers, sweeps, usage_errors

if TYPE_CHECKING:
    import tmfcore as tmf

__all__ = ["build_game", "game_options", "games"]

#: Command-line options of the two games of the paper: option -> (type, help).
_OWN_OPTIONS: dict[str, dict[str, tuple[Any, str]]] = {
    "resource-selection": {
        "worth": (numbers, "values of the resources, separated by commas"),
        "congestion": (numbers, "cost of a full resource: one number, or one per resource"),
        "switching_cost": (float, "cost of changing the resource"),
        "power": (float, "exponent of congestion"),
    },
    "queueing": {
        "capacities": (numbers, "capacities of the servers per agent, separated by commas"),
        "service_reward": (float, "reward of a finished job"),
        "waiting_cost": (float, "cost of waiting for one sweep"),
        "jockeying_cost": (float, "cost of changing the queue"),
    },
}
_SHARED = ("initial", "discount", "horizon", "step")
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def _game_name(text: str) -> str:
    """The name of a game, or of a file with one; case, and '-' against '_', make no difference."""
    return text if is_file(text) else choose(_names(), text)


def game_options(command: Command) -> Command:
    """Add the options that choose the game and its horizon."""
    for game, parameters in reversed(_OWN_OPTIONS.items()):
        for name, (kind, text) in reversed(parameters.items()):
            command = click.option(_flag(name), type=kind, help=f"{game}: {text}.")(command)
    command = click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE",
        help="Set a parameter of the game; may be repeated. `tmfcore games GAME` lists the parameters. Arrays: numbers "
        "separated by commas, rows by semicolons. Lists of words: separated by semicolons.",
    )(command)  # fmt: skip
    command = click.option("--initial", type=numbers, help="Initial share of the population at each observation.")(
        command
    )
    command = click.option("--discount", type=float, help="Discount of one sweep.")(command)
    command = click.option(
        "--step", type=sweeps, default="auto", show_default=True,
        help="Length of a step in sweeps; auto: B/N, so that every agent acts once per sweep on average.",
    )(command)  # fmt: skip
    command = click.option("--horizon", type=count, help="Length of play in sweeps.  [default: the game's]")(command)
    return click.argument("game", type=_game_name, metavar="GAME")(command)


def build_game(name: str, options: dict[str, Any]) -> Callable[[tmf.Schedule, int], tmf.Game]:
    """Return a function of (schedule, n_agents) that makes the game of the user's options, in steps unless Poisson.

    Parameters without an option keep the defaults of the game's function.
    """
    import tmfcore as tmf

    game = _read(name, options) if name.endswith(".toml") else _made(name, options)
    if not isinstance(game, tmf.Game):
        raise click.UsageError(f"the function in {name} returns {type(game).__name__}; must return a tmfcore.Game")
    step: float | None = options["step"]
    if step is not None and step != (1.0 if game.time == "steps" else game.step or step):
        raise click.UsageError(f"--step is {step:g}, but {name} has {_lasting(game)}: omit --step")

    def played(schedule: tmf.Schedule, n_agents: int) -> tmf.Game:
        with usage_errors():
            if isinstance(schedule, tmf.Poisson):
                if game.step is not None:
                    raise ValueError(f"{name} has {_lasting(game)}; must have no steps for --schedule poisson")
                return game
            return game.at(schedule, n_agents) if step is None else game.at(step=step)

    return played


def _lasting(game: tmf.Game) -> str:
    return "its time in steps" if game.dt == 1 else f"steps of {game.dt:g} sweeps"


def _made(name: str, options: dict[str, Any]) -> tmf.Game:
    """Return the game of the shelf or of a Python file."""
    import tmfcore as tmf

    python = is_python(name)
    builder = from_python(name) if python else tmf.games.BY_NAME[name.replace("-", "_")]
    if isinstance(builder, tmf.Game):
        _refuse_parameters(path_of(name), options)
        return builder
    known = inspect.signature(builder).parameters
    for other, parameters in _OWN_OPTIONS.items():
        foreign = [p for p in parameters if other != name and options[p] is not None]
        if foreign:
            raise click.UsageError(f"{_flag(foreign[0])} belongs to {other}; the game is {name}")
    given: dict[str, Any] = {}
    for option in (*_OWN_OPTIONS.get(name, ()), *_SHARED):
        value = options[option]
        if value is None:
            continue
        if option not in known:
            raise click.UsageError(f"{_flag(option)} cannot be used: {name} has no parameter {option}")
        given[option] = value[0] if option == "congestion" and len(value) == 1 else value
    for assignment in options["assignments"]:
        parameter, value = _assigned(assignment, name, known)
        if parameter in given:
            raise click.UsageError(f"--set {parameter}: {parameter} is given twice")
        given[parameter] = value
    missing = [p for p, spec in known.items() if spec.default is spec.empty and p not in given]
    if missing:
        raise click.UsageError(f"{name} needs {', '.join(missing)}: --set {missing[0]}=...")
    with _sizes("set smaller parameters with --set NAME=VALUE"):
        with naming_the_line(path_of(name)) if python else usage_errors():
            return builder(**given)


def _read(path: str, options: dict[str, Any]) -> tmf.Game:
    """Return the game of a TOML file, which has all parameters but the step."""
    from tmfcore.games import gamefile

    _refuse_parameters(path, options)

    with usage_errors(), _sizes(f"set smaller parameters in {path}"):
        try:
            return gamefile.read(path)
        except OSError as error:
            raise click.UsageError(f"{path}: {error.strerror}") from None


def _refuse_parameters(path: str, options: dict[str, Any]) -> None:
    """Raise if the user gives parameters of a game that a file defines; --step is allowed for a game in sweeps."""
    own = (*(p for parameters in _OWN_OPTIONS.values() for p in parameters), *_SHARED)
    said = [_flag(option) for option in own if option != "step" and options[option] is not None]
    said += ["--set"] if options["assignments"] else []
    if said:
        raise click.UsageError(f"{said[0]} cannot be used with {path}: set the parameter in the file")


@contextmanager
def _sizes(where: str) -> Iterator[None]:
    """Context that turns a MemoryError of a game into an error that names its parameters, with the advice `where`."""
    try:
        yield
    except MemoryError as error:
        text = str(error)
        raise click.ClickException(f"{text or 'the game does not fit in memory'}; {where}") from None


def _listed(text: str) -> str:
    return choose(_names(), text)


@click.command()
@click.argument("game", type=_listed, metavar="[GAME]", required=False)
@reports
def games(game: str | None) -> Report:
    """List the games, or the parameters of GAME with their defaults."""
    import tmfcore as tmf
    from tmfcore.reproduce.report import TextTable

    if game is None:
        lines = tuple((name, _summary(tmf.games.BY_NAME[name.replace("-", "_")])) for name in _names())
        listed = [{"name": name, "summary": summary} for name, summary in lines]
        title = "Games (tmfcore games GAME lists the parameters of a game)"
        return Report({"games": listed}, [TextTable(title, ("name", "summary"), lines)])
    builder = tmf.games.BY_NAME[game.replace("-", "_")]
    texts = _parameter_texts(inspect.getdoc(builder) or "")
    parameters = inspect.signature(builder).parameters
    rows = tuple((name, _shown(spec.default), texts.get(name, "")) for name, spec in parameters.items())
    described = [
        {
            "name": name,
            "needed": spec.default is spec.empty,
            "default": None if spec.default is spec.empty else spec.default,
            "meaning": texts.get(name, ""),
        }
        for name, spec in parameters.items()
    ]
    summary = _summary(builder)
    return Report(
        {"name": game, "summary": summary, "parameters": described},
        [TextTable(f"{game}: {summary}", ("--set", "default", "meaning"), rows)],
    )


def _names() -> tuple[str, ...]:
    from tmfcore.games import BY_NAME

    return tuple(name.replace("_", "-") for name in BY_NAME)


# ----------------------------------------------------------------------------------------------------- name=value


def _assigned(assignment: str, game: str, known: Mapping[str, inspect.Parameter]) -> tuple[str, Any]:
    """Name and value of `--set NAME=VALUE`, converted to the type of the parameter."""
    name, equals, text = assignment.partition("=")
    name, text = name.strip().replace("-", "_"), text.strip()
    if not equals or not name or not text:
        raise click.UsageError(f"--set {assignment}: must be NAME=VALUE")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise click.UsageError(f"--set {name}: {game} has no such parameter{hint}; it has {', '.join(known)}")
    try:
        return name, _value(text, known[name])
    except ValueError as error:
        raise click.UsageError(f"--set {name}: {error}") from None


def _value(text: str, parameter: inspect.Parameter) -> Any:
    """Convert the text to a value of the parameter; raises ValueError."""
    kinds = {kind.strip() for kind in str(parameter.annotation).split("|")}
    word = text.lower()
    if word == "none" and ("None" in kinds or parameter.default is None):
        return None
    if "bool" in kinds:
        if word not in _WORDS:
            raise ValueError(f"{text!r} is neither true nor false")
        return _WORDS[word]
    if "int" in kinds or "float" in kinds:
        value = _number(text)
        if value is None or ("float" not in kinds and not isinstance(value, int)):
            raise ValueError(f"{text!r} is not a {'number' if 'float' in kinds else 'whole number'}")
        return value
    if "str" in kinds:
        return text
    if "Sequence[str]" in kinds and "FloatsLike" not in kinds:
        return tuple(part.strip() for part in text.split(","))
    parts = [row.strip().removesuffix(",").split(",") for row in text.split(";")]
    bad = [part.strip() for row in parts for part in row if _number(part) is None]
    if bad == [text]:
        return text  # a word
    if len(bad) == len(parts) > 1:
        return bad  # words, such as the rows of a map
    if bad:
        raise ValueError(f"{bad[0]!r} is not a number (commas between numbers, semicolons between rows)")
    rows = [[_number(part) for part in row] for row in parts]
    if len(rows) > 1:
        return rows
    return rows[0] if "," in text else rows[0][0]


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return None


# ----------------------------------------------------------------------------------------------------- docstrings


def _summary(builder: object) -> str:
    """The first paragraph of the builder's docstring."""
    return " ".join((inspect.getdoc(builder) or "").split("\n\n")[0].split())


def _parameter_texts(text: str) -> dict[str, str]:
    """Name -> description, from the section Parameters of a numpydoc docstring."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?:\n\n|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section[1].splitlines() if section else ():
        if line.startswith(" "):
            found |= {name: f"{found.get(name, '')} {line.strip()}".strip() for name in names}
        else:
            head, _, kind = line.partition(" : ")
            names = [name.strip() for name in head.split(",")]
            found |= {name: f"{kind.removesuffix(', optional')}:" if kind else "" for name in names}
    return {name: words.rstrip(":") for name, words in found.items()}


def _shown(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "needed"
    if isinstance(default, (tuple, list)):
        return ",".join(f"{entry:g}" if isinstance(entry, float) else str(entry) for entry in default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
