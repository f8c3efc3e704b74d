"""Check the user's options, and make schedules, files and folders of them.

Errors are click.UsageError (exit code 2), name the option, and are raised before any work starts.
"""

from __future__ import annotations

import difflib
import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import own_games

LARGE = 32 << 20  # bytes that take longer to write than a user waits without a word

if TYPE_CHECKING:
    import numpy.typing as npt

    import tmfcore as tmf

__all__ = [
    "Command",
    "build_schedule",
    "choose",
    "count",
    "fits_memory",
    "make_folder",
    "need_matplotlib",
    "new_file",
    "numbers",
    "one_of",
    "pictures_option",
    "save",
    "schedule_options",
    "seed_option",
    "sweeps",
    "threads_option",
    "unfinished",
    "usage_errors",
]

LONGEST_WORDS = 40  # longest list of choices, in characters, that is shown as the metavar of an option
SCHEDULES = ("synchronous", "sequential", "batch", "fraction", "bernoulli", "poisson")

Command = TypeVar("Command", bound=Callable[..., Any])


def one_of(choices: Sequence[str]) -> dict[str, Any]:
    """Return the type and metavar of an option that is one of a few words.

    Case, and '-' against '_', make no difference; a near miss gets a suggestion. Choices that are too long for the
    metavar must be listed in the option's help text.
    """

    def word(text: str) -> str:
        return choose(tuple(choices), text)

    listed = "[" + "|".join(choices) + "]"
    return {"type": word, "metavar": listed if len(listed) <= LONGEST_WORDS else "WORD"}


def choose(choices: tuple[str, ...], text: str) -> str:
    """Return the choice that `text` names."""
    word = text.lower().replace("_", "-")
    if word in choices:
        return word
    near = difflib.get_close_matches(word, choices, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise click.BadParameter(f"{text!r} is unknown{hint}; must be one of {', '.join(choices)}")


def count(text: str | int) -> int:
    """Return an integer >= 1, which may be written 1e6 or 1_000_000."""
    try:
        number = int(text)
    except ValueError:
        try:
            as_float = float(text)
            number = int(as_float)
        except (ValueError, OverflowError):
            raise click.BadParameter(f"{text!r} is not a whole number") from None
        if number != as_float:
            raise click.BadParameter(f"{text!r} is not a whole number") from None
    if number < 1:
        raise click.BadParameter(f"{text} is too small; must be >= 1")
    return number


def numbers(text: str) -> tuple[float, ...]:
    """Return numbers separated by commas."""
    found = []
    for i, word in enumerate(text.split(",")):
        try:
            found.append(float(word))
        except ValueError:
            raise click.BadParameter(
                f"entry {i} of {text!r} is {word!r}; must be a number (commas between them)"
            ) from None
    return tuple(found)


def sweeps(text: str) -> float | None:
    """Return a number of sweeps, None for "auto"."""
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor auto") from None


# --------------------------------------------------------------------------------------------------------- schedules

#: Schedule -> the option with its number.
_SCHEDULE_VALUES = {"batch": "batch", "fraction": "fraction", "bernoulli": "probability", "poisson": "rate"}


def rates(text: str) -> float | list[float]:
    """One rate, or one per observation, as Poisson takes them."""
    found = probabilities(text)
    return found[0] if isinstance(found, list) else found


def probabilities(text: str) -> float | list[list[float]]:
    """One probability, or a row of one per observation, as Bernoulli takes them."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor numbers with commas between them") from None
    return found[0] if len(found) == 1 else [found]


def schedule_options(command: Command) -> Command:
    """Add the options that choose the schedule."""
    command = click.option(
        "--most", type=float, metavar="RATE",
        help="poisson: the largest rate at which a passive agent leaves an observation, if rates are functions of mu.",
    )(command)  # fmt: skip
    command = click.option(
        "--rate", type=rates, metavar="RATE[,RATE...]",
        help="poisson: actions of an agent per sweep, at random times; or one per observation, with commas.  "
        "[default: 1]",
    )(command)  # fmt: skip
    command = click.option(
        "--probability", type=probabilities, metavar="P[,P...]",
        help="bernoulli: probability that an agent acts at a step; or one per observation, with commas.",
    )(command)  # fmt: skip
    command = click.option("--fraction", type=float, help="fraction: share of agents that act at each step.")(command)
    command = click.option("--batch", type=count, help="batch: number B of agents that act at each step.")(command)
    command = click.option(
        "--schedule", **one_of(SCHEDULES),
        help=f"Which agents act: {', '.join(SCHEDULES)}.  [default: that of the number given, else synchronous]",
    )(command)  # fmt: skip
    return click.option("--n-agents", type=count, default=1000, show_default=True, help="Population size N.")(command)


def build_schedule(options: dict[str, Any], n_agents: int) -> tmf.Schedule:
    """Return the schedule of the user's options, checked against the population size."""
    import tmfcore as tmf

    given = [kind for kind, option in _SCHEDULE_VALUES.items() if options[option] is not None]
    kind = options["schedule"] or (given[0] if given else "synchronous")
    for other in given:
        if other != kind:
            raise click.UsageError(f"--{_SCHEDULE_VALUES[other]} belongs to --schedule {other}; the schedule is {kind}")
    if options["most"] is not None and kind != "poisson":
        raise click.UsageError(f"--most belongs to --schedule poisson; the schedule is {kind}")
    if kind in _SCHEDULE_VALUES and not given and kind != "poisson":
        raise click.UsageError(f"--schedule {kind} needs --{_SCHEDULE_VALUES[kind]}")
    if kind == "batch" and options["batch"] > n_agents:
        raise click.UsageError(f"--batch is {options['batch']}; must be <= --n-agents = {n_agents}")
    schedule: tmf.Schedule
    with usage_errors(f"--{_SCHEDULE_VALUES[kind]}" if given else None):
        if kind == "batch":
            schedule = tmf.Batch(options["batch"])
        elif kind == "fraction":
            schedule = tmf.Fraction(options["fraction"])
        elif kind == "bernoulli":
            schedule = tmf.Bernoulli(options["probability"])
        elif kind == "poisson":
            return tmf.Poisson(1.0 if options["rate"] is None else options["rate"], options["most"])
        else:
            schedule = tmf.Sequential() if kind == "sequential" else tmf.Synchronous()
        if not schedule._by_observation():
            schedule.active_fraction(1, n_agents)
    return schedule


threads_option = click.option(
    "--threads", type=count, help="Largest number of threads; results do not depend on it.  [default: all processors]"
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="INTEGER", help="Seed of all random numbers.  [default: 0]"
)


# ------------------------------------------------------------------------------------------------------------- files


def new_file(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Callback of an option that names an output file: fail now if the file could not be written later."""
    if value is None:
        return None
    if value.is_dir():
        raise click.BadParameter(f"{str(value)!r} is a folder; must be a file name", ctx, param)
    try:
        with tempfile.TemporaryFile(dir=value.parent):
            pass
    except OSError as error:
        raise click.BadParameter(f"{str(value)!r} cannot be written: {error.strerror}", ctx, param) from None
    return value


def unfinished(path: Path) -> Path:
    """The path for the result of an interrupted command: an existing file at `path` is not overwritten."""
    return path.with_name(f"{path.stem}.unfinished{path.suffix}") if path.exists() else path


def save(result: tmf.Simulation | tmf.Solution, path: Path, interrupted: bool) -> Path:
    """Save the result of a command; the path of the file. That of an interrupted one is announced if it is large."""
    if interrupted:
        from tmfcore._base.needs import size
        from tmfcore._results import packing

        arrays: dict[str, npt.NDArray[Any]] = {}
        path = unfinished(path)
        packing.pack(result, "", arrays)
        n_bytes = sum(array.nbytes for array in arrays.values())
        if n_bytes >= LARGE:
            click.echo(f"interrupted: writing {path}, {size(n_bytes)}; interrupt again to drop it", err=True)
    result.save(path)
    return path


def make_folder(folder: Path, option: str) -> None:
    """Make a folder for pictures; fail now if pictures could not be drawn or written later."""
    from tmfcore.reproduce import check_folder

    need_matplotlib("the pictures need")
    try:
        check_folder(folder)
    except OSError as error:
        raise click.BadParameter(f"{str(folder)!r} cannot be written to: {error.strerror}", param_hint=option) from None


def need_matplotlib(what: str) -> None:
    """Raise UsageError if matplotlib is missing; `what` begins the sentence."""
    try:
        import matplotlib.backends.backend_agg  # noqa: F401  # only checks that it is installed
    except ImportError:
        raise click.UsageError(f"{what} matplotlib: pip install 'tmfcore[app]'") from None


pictures_option = click.option(
    "--pictures", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Folder for pictures (.png).",
)  # fmt: skip


def fits_memory(advice: str) -> Callable[[Command], Command]:
    """Decorator of a command: a MemoryError becomes an error with `advice`, which names options of the command.

    The advice names the file in place of --horizon if the game is in a file. Errors in a Python file name the line.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def tried(*args: Any, **options: Any) -> Any:
            game = str(options.get("game", ""))
            file = own_games.path_of(game) if own_games.is_file(game) else ""
            try:
                with own_games.naming_the_line(file) if own_games.is_python(game) else nullcontext():
                    return command(*args, **options)
            except MemoryError as error:
                cause = str(getattr(error, "cause", error))
                fitting = advice.replace("--horizon", f"the horizon in {file}") if file else advice
                raise click.ClickException(f"not enough memory{f' ({cause})' if cause else ''}; {fitting}") from None

        return tried  # type: ignore[return-value]  # of the same options

    return decorate


@contextmanager
def usage_errors(option: str | None = None) -> Iterator[None]:
    """Context that turns a ValueError or TypeError of the package into a usage error, of `option` if given."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise click.UsageError(f"{option}: {error}" if option else str(error)) from error
