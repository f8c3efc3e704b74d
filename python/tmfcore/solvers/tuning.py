"""`tune`: search a solver's settings with Optuna (extra `tune`), for one game or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from tmfcore._base import bars, executors, needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, noted, takes_rng
from tmfcore._base.parcels import Shared
from tmfcore._model.game import Game
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore._results.checkpoint import CheckpointLike, opened
from tmfcore._results.records import worded
from tmfcore._results.result import Result
from tmfcore._results.tables import Table, Variable
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import made
from tmfcore.solvers._resuming import described
from tmfcore.solvers._search import Metric, Search, named
from tmfcore.solvers._solver import Solver
from tmfcore.solvers._space import checked, default_space, scale_of, suggest
from tmfcore.solvers.base import Solution

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna
    from matplotlib.axes import Axes

    from tmfcore.solvers import ExactName, SoftmaxName

__all__ = ["Metric", "Tuning", "tune"]

COLUMNS = ("value", "seconds", "exploitability", "iterations", "converged")  # columns of trials that are not settings


@dataclass(frozen=True, eq=False, repr=False)
class Tuning(Result[Literal["trials", "solution"]]):
    """The best settings found by `tune`, and all trials.

    Parameters
    ----------
    solver : solver
        The solver with the best settings; call its `solve`.
    solutions : tuple of Solution
        The Solutions of `solver`, one per game.
    value : float
        The metric of `solver`, the smallest of all trials.
    metric : str
    best_trial : int
    trials : dict of str to (n,) arrays
        One row per trial; row 0 is the solver as it was given. Columns: value of the metric (infinite if the trial
        failed); seconds of the solves; each setting by name; and per game, (n, G): the best exploitability, iterations
        (updates made) and converged (NaN, -1 and False if the solve raised an error).
    errors : tuple of str
        Per trial, the message of the error that ended it, or "".
    study : optuna.Study or None
        All trials but row 0, for optuna.visualization and optuna.importance. None in a result loaded from a file.

    Notes
    -----
    `plot` draws the metric of all "trials", with the best so far, or the exploitability of the best "solution".
    """

    solver: Solver[Any]
    solutions: tuple[Solution, ...]
    value: float
    metric: str
    best_trial: int
    trials: dict[str, npt.NDArray[Any]]
    errors: tuple[str, ...]
    study: optuna.Study | None = None

    def _facts(self) -> Iterator[tuple[str, object]]:
        first = self.trials["value"][0]
        yield "game", self.solution.game
        searched = [name for name in self.trials if name not in COLUMNS]
        settings = ", ".join(f"{name}={worded(getattr(self.solver, name))}" for name in searched)
        yield "solver", f"{type(self.solver).__name__}({settings})"
        yield self.metric, f"{self.value:.4g} (before: {first:.4g})"
        yield "trials", len(self.errors)
        yield "best trial", str(self.best_trial)

    def _state(self) -> dict[str, Any]:
        return super()._state() | {"study": None}

    def _table(self) -> Table:
        columns: dict[str, Variable] = {}
        for name, column in self.trials.items():
            if column.dtype.kind == "O":
                column = np.array(list(map(str, column)))
            columns[name] = (("trial", "game")[: column.ndim], column)
        games = np.array([solution.game for solution in self.solutions])
        coordinates = {"trial": np.arange(len(self.errors)), "game": games}
        return Table(coordinates, columns, "value", {}, {"metric": self.metric, "best_trial": self.best_trial})

    def _title(self) -> str:
        return f"{type(self.solver).__name__}: {', '.join(dict.fromkeys(found.game for found in self.solutions))}"

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        if kind == "solution":
            return self.solution._picture("exploitability", **style)
        return plotting.trials(self.trials["value"], quantity=self.metric, **style)

    @property
    def solution(self) -> Solution:
        """The Solution of the first game."""
        return self.solutions[0]

    @property
    def failures(self) -> npt.NDArray[np.int64]:
        """Per trial, the number of games whose solve missed the tolerance or raised an error, (n,)."""
        return np.asarray((~self.trials["converged"]).sum(axis=-1), dtype=np.int64)


@takes_rng
@fits_memory(SMALLER_GAME, asks=True)
def tune(
    game: Game | Sequence[Game],
    schedule: Schedule | Sequence[Schedule],
    n_agents: int | Sequence[int | None] | None = None,
    *,
    solver: ExactName | SoftmaxName | type[Solver[Any]] | Solver[Any] = "MirrorDescent",
    space: Mapping[str, tuple[Any, ...] | list[Any]] | None = None,
    trials: int = 50,
    time_limit: float | None = None,
    metric: Metric | Callable[[tuple[Solution, ...]], float] = "iterations",
    sampler: optuna.samplers.BaseSampler | None = None,
    rng: seeding.RNG = None,
    initial: PolicyLike | None = None,
    callback: Callable[[Tuning], object] | None = None,
    progress: bars.Progress = False,
    step: float | None = None,
    checkpoint: CheckpointLike | None = None,
    executor: Executor | None = None,
) -> Tuning:
    """Search the settings of a solver that work best on one game or several; needs Optuna (extra `tune`).

    Parameters
    ----------
    game : Game or sequence of Games
        G games. With several, the metric is the geometric mean over the games.
    schedule : Schedule or sequence of Schedules
        One for all games, or one per game.
    n_agents : int, None or a sequence of these, optional
        As in `solve`; one for all games, or one per game.
    solver : str, class or solver, optional
        The name or class of a solver, or a solver, whose settings are the defaults of the search. Its `iterations`
        limits every solve.
    space : dict of str to (low, high), (low, high, "log") or list, optional
        The settings to search, by name: bounds (searched uniformly, or on a log scale; as integers if the setting is
        an integer) or a list of choices. All other settings keep their values. None: `solvers.default_space`, scaled
        by the largest difference of two Q at one (t, o) along the flow of the uniform policy.
    trials : int, optional
        Number of trials after the first, which uses the solver as given.
    time_limit : float or None, optional
        Seconds after which no further trial begins.
    metric : {"iterations", "seconds", "exploitability"} or callable of a tuple of Solutions, optional
        The quantity to minimise. "iterations" or "seconds": evaluations made or seconds taken until a tolerance of the
        solver is met. If a solve misses it, the number is multiplied by exploitability / tolerance, as if
        exploitability fell like 1 / k; a solve is stopped after four times the iterations of the best trial.
        "exploitability": the best one reached in all `iterations` of the solver, in units of return, at least 1e-15 R,
        with R as in the tolerance of solvers; solves do not stop at the tolerance. A callable: called with the
        Solutions of all games, returns a number.
    sampler : optuna.samplers.BaseSampler or None, optional
        None: TPESampler, seeded by `rng`.
    rng : int, Generator, SeedSequence or None, optional
        Seed of the sampler and of the solves; every trial uses the same random streams.
    initial : policy or None, optional
        The policy from which every solve starts.
    callback : callable, optional
        Called with the Tuning so far after each trial, once a trial has succeeded; the search stops if it returns True.
    progress : bool or callable, optional
        True draws a bar over trials, on a terminal or in a notebook (extra `app`); a callable receives (done, total).
    step : float or None, optional
        Only with Poisson clocks: the length of the steps on which all trials solve, as in `solve`, but never refined:
        None is 1/16 of the mean time between events of an agent. A tolerance is met only if it is met in continuous
        time.
    checkpoint : path, Checkpoint or None, optional
        A file that keeps the trials that are finished and the solve under way, every minute or as often as a Checkpoint
        says. A search that was stopped goes on from it, to the same Tuning; seconds are those of all calls. It needs
        `rng`, and a `sampler`, if given, must be a new one of the same seed in every call.
    executor : concurrent.futures.Executor or None, optional
        Solves the games of a trial at the same time, as in `sweep`, and on workers that are left the trials that
        follow; to the same Tuning. The sampler learns from each trial, so these are the ones that it would suggest if
        it learnt nothing from those under way: a RandomSampler does suggest them, the default one in its first ten
        trials, after which trials follow each other. So they do with metric "seconds"; with "iterations" a trial is
        solved again if the best one has changed, which limits it. A checkpoint then has whole trials only.

    Returns
    -------
    Tuning
        Never worse than the solver as given, which is the first trial. It depends on `rng` alone, unless seconds are
        the metric or a time limit ends the search.

    Raises
    ------
    ImportError
        Optuna is not installed.
    TypeError, ValueError
        An argument is bad; or every trial failed: the error of the first is raised. A trial that raises ValueError
        counts as failed, and the search continues.
    FileError
        The checkpoint is damaged, or of a call with another game, solver, option, seed or version.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.beach_bar(20, horizon=10)
    >>> slow = tmf.solvers.MirrorDescent(learning_rate=0.01, iterations=40)
    >>> found = tmf.tune(game, tmf.Synchronous(), solver=slow, trials=20, rng=1)
    >>> bool(found.value < 0.05 * found.trials["value"][0])
    True
    """
    optuna = _optuna()
    games = _each(game, "game", Game)
    schedules = _each(schedule, "schedule", Schedule, len(games))
    numbers = _each(n_agents, "n_agents", (int, np.integer, type(None)), len(games))
    base = made(solver)
    pool = executors.checked(executor)
    trials = check.as_positive_int(trials, "trials")
    if time_limit is not None:
        time_limit = check.as_float(time_limit, "time_limit", low=0.0)
    if callable(metric):
        check.as_function(metric, "metric", "a tuple of Solutions")
    else:
        check.as_choice(metric, "metric", Metric)
        if metric != "exploitability" and base.tolerance is None and base.absolute_tolerance is None:
            raise ValueError(f"metric is {metric!r}; needs a solver with a tolerance, but {base!r} has none")
    callback = None if callback is None else noted(callback, "callback", "a Tuning")
    if sampler is not None:
        check.as_instance(sampler, "sampler", optuna.samplers.BaseSampler)
    if isinstance(initial, Solution):
        raise TypeError("initial is a Solution; must be a policy: solves with other settings cannot continue its state")
    clocks = any(isinstance(each, Poisson) for each in schedules)  # then `step` is theirs, else an error
    problems = [
        Problem(one, who, n, base.clock, None if clocks and not isinstance(who, Poisson) else step).fixed()
        for one, who, n in zip(games, schedules, numbers, strict=True)
    ]
    needs.ask({  # of the present solve, and of the Solutions of the best trial
        what if len(problems) == 1 else f"{what}, game {i}": (2 * shape[0], *shape[1:])
        for i, each in enumerate(problems) for what, shape in (base._needs(each.of(base)) | each.needs()).items()
    })  # fmt: skip
    if space is None:
        space = default_space(base, scale_of(problems))
    searched = checked(space, base)
    keeper = None
    if checkpoint is not None:
        keeper = opened(checkpoint, "tune", {
            "games": [problem.fingerprint.task() for problem in problems], "solver": base._hyperparameters,
            "space": {name: named(allowed) for name, (allowed, _) in searched.items()}, "trials": trials,
            "time_limit": time_limit, "metric": named(metric), "sampler": named(sampler),
            "rng": seeding.described(rng), "initial": described(initial, problems[0]), "step": step,
        })  # fmt: skip
    streams = seeding.generators(rng, 1 + len(games))
    seed = int(streams[0].integers(2**32))
    seeds = [int(stream.integers(2**63)) for stream in streams[1:]]
    with _quiet(optuna), bars.reporter(progress, trials + 1, "tune") as report:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed) if sampler is None else sampler)
        elsewhere = None
        if pool is not None:
            steps = [None if clocks and not isinstance(who, Poisson) else step for who in schedules]
            systems = [
                Shared((one, who, n, base.clock, length), "game or schedule")
                for one, who, n, length in zip(games, schedules, numbers, steps, strict=True)
            ]
            elsewhere = pool, systems, Shared(initial, "initial")
        search = Search(base, problems, metric, tuple(searched), seeds, initial, keeper, elsewhere)

        def over() -> bool:
            """Report a trial, and return whether it was the last one."""
            report(len(search.rows))
            if search.again:  # it is in the checkpoint
                return search.at_end
            stop = callback is not None and search.best is not None and callback(_so_far(search, study)) is True
            stop = stop or (time_limit is not None and search.seconds > time_limit)
            search.keep()
            return stop

        def suggested(trial: Any) -> dict[str, Any]:
            return {name: suggest(trial, name, *where) for name, where in searched.items()}

        def guesses(n: int) -> list[dict[str, Any]]:
            """What the sampler would suggest next if it learnt nothing from the trial under way."""
            found: list[dict[str, Any]] = []
            with suppress(Exception):  # of a sampler that cannot be copied, or has nothing to suggest
                shadow = optuna.create_study(sampler=deepcopy(study.sampler))
                shadow.add_trials([each for each in study.get_trials(deepcopy=False) if each.state.is_finished()])
                for _ in range(min(n, trials - len(search.rows))):
                    found.append(suggested(shadow.ask()))
            return found

        def objective(trial: Any) -> float:
            value = search.attempt(suggested(trial), guesses)
            if not isfinite(value):
                raise _Failed
            return value

        search.attempt({}, guesses)
        if not over():
            watch = [lambda study, trial: study.stop() if over() else None]
            study.optimize(objective, n_trials=trials, catch=(_Failed,), callbacks=watch)
    search.end()
    return _so_far(search, study)


class _Failed(Exception):
    """Tells Optuna that a trial has no value."""


def _so_far(search: Search, study: optuna.Study) -> Tuning:
    """The Tuning so far; raises the first error if every trial failed."""
    if search.best is None:
        first = next((error for error in search.errors if error is not None), None)
        if first is not None:
            raise first
        raise ValueError(f"metric is {search.metric!r}; it was not finite in any of {len(search.rows)} trials")
    value, best, solver, solutions = search.best
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in search.rows[0]:
        column = [row[name] for row in search.rows]
        plain = name not in search.names or all(type(entry) in (int, float) for entry in column)
        columns[name] = np.array(column) if plain else _objects(column)
    return Tuning(
        solver=solver,
        solutions=solutions,
        value=value,
        metric=search.metric if isinstance(search.metric, str) else getattr(search.metric, "__name__", "callable"),
        best_trial=best,
        trials=columns,
        errors=tuple("" if error is None else str(error) for error in search.errors),
        study=study,
    )


def _objects(entries: list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array


def _optuna() -> Any:
    """The module, imported when it is needed."""
    try:
        import optuna
    except ImportError as error:
        raise ImportError("tune needs optuna, which is not installed; pip install 'tmfcore[tune]'") from error
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Silence Optuna's log lines; its verbosity is restored afterwards."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _each(value: Any, name: str, kinds: Any, n: int | None = None) -> list[Any]:
    """One value per game; a single value is used for all games."""
    if not isinstance(value, (list, tuple)):
        return [check.as_instance(value, name, kinds)] * (1 if n is None else n)
    if not value:
        raise ValueError(f"{name} is empty; must have at least one entry")
    if n is not None and len(value) != n:
        raise ValueError(f"{name} has {len(value)} entries; must be one for all {n} games or have {n} entries")
    return [check.as_instance(each, f"{name}[{i}]", kinds) for i, each in enumerate(value)]
