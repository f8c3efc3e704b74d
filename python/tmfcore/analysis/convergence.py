"""The error of the mean-field limit at finite N, measured (theory.md section 6).

    convergence(...) -> Convergence      E || mu-hat_t - mu_t ||_1 for several N and schedules, and the slope

Errors are kept by replica; means, intervals and slopes are computed from them when asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tmfcore import _files, _progress, _rng
from tmfcore import _validation as check
from tmfcore._functions import takes_rng
from tmfcore._validation import FloatArray, IntArray
from tmfcore.game import Game
from tmfcore.meanfield import mean_field
from tmfcore.schedule import Schedule
from tmfcore.simulate import simulate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Convergence", "Fit", "convergence"]

GameEntry: TypeAlias = Game | Callable[[Schedule, int], Game]
ScheduleEntry: TypeAlias = Schedule | Callable[[int], Schedule]


@dataclass(frozen=True)
class Fit:
    """A line fitted to log error against log N.

    Parameters
    ----------
    slope, slope_se : float
        Fitted slope and its standard error; NaN where fewer than two N, or an error of 0, leave it
        undetermined.
    intercept : float
        log error at log N = 0.
    chi2 : float
        Squared residuals in units of their standard errors, summed; about n - 2 where the law is a line.
    """

    slope: float
    slope_se: float
    intercept: float
    chi2: float


@dataclass(frozen=True, eq=False)
class Convergence:
    """Errors of R replicas at several N, by label (one label for each schedule).

    Parameters
    ----------
    labels : tuple of str
    n_agents : dict label -> (n,) int64
        The values of N, increasing.
    errors : dict label -> (n, R) float64
        || mu-hat_t - mu_t ||_1 of each replica, averaged over the ends of the sweeps (t > 0).
    final_errors : dict label -> (n, R) float64
        The same at t = T.
    schedules : dict label -> tuple of n str
        Label of the schedule at each N.
    game : str
        Name of the game.
    confidence : float
        Level of the intervals.

    Notes
    -----
    All else is computed from these: `error_mean`, `error_low`, `error_high` and `final_mean`, `final_low`,
    `final_high` are dicts label -> (n,), with Student-t intervals over the replicas; `fit(label)` is the
    line.
    """

    labels: tuple[str, ...]
    n_agents: dict[str, IntArray]
    errors: dict[str, FloatArray]
    final_errors: dict[str, FloatArray]
    schedules: dict[str, tuple[str, ...]]
    game: str = ""
    confidence: float = 0.95

    @property
    def replicas(self) -> int:
        """R."""
        return int(next(iter(self.errors.values())).shape[1])

    @property
    def error_mean(self) -> dict[str, FloatArray]:
        """Mean time-averaged error over the replicas, label -> (n,)."""
        return {label: e.mean(axis=1) for label, e in self.errors.items()}

    @property
    def error_low(self) -> dict[str, FloatArray]:
        """Lower ends of its intervals, label -> (n,)."""
        return {label: e.mean(axis=1) - self._half_width(e) for label, e in self.errors.items()}

    @property
    def error_high(self) -> dict[str, FloatArray]:
        """Upper ends of its intervals, label -> (n,)."""
        return {label: e.mean(axis=1) + self._half_width(e) for label, e in self.errors.items()}

    @property
    def final_mean(self) -> dict[str, FloatArray]:
        """Mean error at T over the replicas, label -> (n,)."""
        return {label: e.mean(axis=1) for label, e in self.final_errors.items()}

    @property
    def final_low(self) -> dict[str, FloatArray]:
        """Lower ends of its intervals, label -> (n,)."""
        return {label: e.mean(axis=1) - self._half_width(e) for label, e in self.final_errors.items()}

    @property
    def final_high(self) -> dict[str, FloatArray]:
        """Upper ends of its intervals, label -> (n,)."""
        return {label: e.mean(axis=1) + self._half_width(e) for label, e in self.final_errors.items()}

    @property
    def slope(self) -> dict[str, float]:
        """Slope of log time-averaged error on log N, by label."""
        return {label: self.fit(label).slope for label in self.labels}

    @property
    def slope_se(self) -> dict[str, float]:
        """Its standard error, by label."""
        return {label: self.fit(label).slope_se for label in self.labels}

    @property
    def final_slope(self) -> dict[str, float]:
        """Slope of log error at T on log N, by label."""
        return {label: self.fit(label, final=True).slope for label in self.labels}

    @property
    def final_slope_se(self) -> dict[str, float]:
        """Its standard error, by label."""
        return {label: self.fit(label, final=True).slope_se for label in self.labels}

    def fit(self, label: str, *, final: bool = False) -> Fit:
        """The line through log error against log N, by weighted least squares.

        Each point is weighted by the inverse variance of its log mean, (s / (sqrt(R) mean))**2 with s the
        standard deviation over replicas (delta method), so the width of the intervals goes into `slope_se`.
        Where the points miss the line by more than that (chi2 > n - 2: higher orders in 1/N), `slope_se` is
        multiplied by sqrt(chi2 / (n - 2)).

        Parameters
        ----------
        label : str
        final : bool, optional
            True fits the error at T, False (default) the time average.
        """
        check.as_choice(label, "label", self.labels)
        return _fit_line(self.n_agents[label], (self.final_errors if final else self.errors)[label])

    def table(self) -> list[dict[str, Any]]:
        """One row for each label and N: label, schedule, n_agents, replicas, the two errors with their intervals."""
        columns = {
            "error_mean": self.error_mean,
            "error_low": self.error_low,
            "error_high": self.error_high,
            "final_mean": self.final_mean,
            "final_low": self.final_low,
            "final_high": self.final_high,
        }
        return [
            {
                "label": label,
                "schedule": self.schedules[label][i],
                "n_agents": int(n),
                "replicas": self.replicas,
                **{name: float(column[label][i]) for name, column in columns.items()},
            }
            for label in self.labels
            for i, n in enumerate(self.n_agents[label])
        ]

    def plot(self, *, final: bool = False, title: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the errors with their intervals against N, log-log, and the fitted slopes.

        Parameters
        ----------
        final : bool, optional
            True draws the error at T, False (default) the time average.
        title : str or None, optional
            None: the name of the game and R.
        ax : matplotlib Axes or None, optional
            Where to draw; None: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not there.
        """
        from tmfcore import plotting

        final = check.as_bool(final, "final")
        mean, low, high = (
            (self.final_mean, self.final_low, self.final_high)
            if final
            else (self.error_mean, self.error_low, self.error_high)
        )
        lines = {}
        for label in self.labels:
            fit = self.fit(label, final=final)
            lines[label] = plotting.ErrorLine(
                self.n_agents[label], mean[label], low[label], high[label], fit.slope, fit.slope_se
            )
        if title is None:
            title = ", ".join(part for part in (self.game, f"{self.replicas:,} runs a point") if part)
        return plotting.convergence(lines, when="at the end" if final else "mean over time", title=title, ax=ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to `path` (npz), whole or not at all."""
        arrays: dict[str, Any] = {}
        for i, label in enumerate(self.labels):
            arrays[f"n_agents_{i}"] = self.n_agents[label]
            arrays[f"errors_{i}"] = self.errors[label]
            arrays[f"final_errors_{i}"] = self.final_errors[label]
        header = {
            "kind": "convergence",
            "labels": list(self.labels),
            "schedules": [list(self.schedules[label]) for label in self.labels],
            "game": self.game,
            "confidence": self.confidence,
        }
        _files.save_npz(Path(path), arrays, header)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Convergence:
        """The Convergence that `save` wrote to `path`."""
        arrays, header = _files.load_npz(Path(path), "convergence")
        labels = tuple(header["labels"])

        def by_label(name: str) -> dict[str, Any]:
            return {label: arrays[f"{name}_{i}"] for i, label in enumerate(labels)}

        return cls(
            labels=labels,
            n_agents=by_label("n_agents"),
            errors=by_label("errors"),
            final_errors=by_label("final_errors"),
            schedules={label: tuple(s) for label, s in zip(labels, header["schedules"], strict=True)},
            game=header["game"],
            confidence=header["confidence"],
        )

    def _half_width(self, errors: FloatArray) -> FloatArray:
        """Half the width of the t-interval of the mean of each row; (n,)."""
        from scipy.special import stdtrit  # scipy takes longer to import than the rest of the package

        replicas = errors.shape[1]
        quantile = float(stdtrit(replicas - 1, 0.5 + self.confidence / 2))
        return np.asarray(quantile * errors.std(axis=1, ddof=1) / np.sqrt(replicas))


@takes_rng
def convergence(
    game: GameEntry,
    policy: object,
    schedules: ScheduleEntry | Sequence[Schedule] | Mapping[str, ScheduleEntry],
    n_agents: Sequence[int] | Mapping[str, Sequence[int]],
    replicas: int,
    *,
    engine: str = "auto",
    rng: _rng.RNG = None,
    threads: int | None = None,
    progress: _progress.Progress = False,
) -> Convergence:
    """Measure how the N-agent population closes in on its mean-field flow as N grows.

    Every (schedule, N) is simulated from rounded start counts and compared, at the end of each sweep, with
    the flow of its own active fractions B / N.

    Parameters
    ----------
    game : Game or callable (schedule, n_agents) -> Game
        A callable lets the step length follow B / N.
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedules : Schedule, callable n_agents -> Schedule, sequence of Schedule, or dict label -> one of the
    first two
        A callable makes the batch depend on N, as in {"B=N/10": lambda n: tmf.Batch(n // 10)}.
    n_agents : sequence of int, or dict label -> sequence of int
        The values of N, increasing.
    replicas : int
        R >= 2 independent populations for each N.
    engine, threads
        As in simulate.
    rng : int, Generator, SeedSequence or None, optional
        Seed; every (schedule, N) has its own stream, so a result does not depend on what else is in the
        study, as long as what comes before it stays.
    progress : bool or callable, optional
        True draws a bar over replicas (extra `app`); a callable receives (done, total).

    Returns
    -------
    Convergence

    Raises
    ------
    TypeError, ValueError
        Bad arguments; whatever simulate and mean_field raise.

    Notes
    -----
    The time average is over t = one sweep, two sweeps, ..., T, where a sweep is max(1, round(1 / game.step))
    steps; t = 0, with nothing but the rounding error, is left out. Cost: that of simulate, summed over
    schedules and N.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
    >>> policy = tmf.TabularPolicy.uniform(game)
    >>> study = tmf.analysis.convergence(game, policy, tmf.Synchronous(), [100, 1000, 10000], 50, rng=1)
    >>> print(f"{study.slope['B=N']:.1f}")
    -0.5
    """
    replicas = check.as_int(replicas, "replicas", low=2)
    entries = _schedule_entries(schedules)
    sizes = _population_sizes(n_agents, tuple(entries))
    _progress.check(progress)
    generators = iter(_rng.generators(rng, sum(len(row) for row in sizes.values())))

    errors: dict[str, FloatArray] = {}
    final_errors: dict[str, FloatArray] = {}
    names: dict[str, tuple[str, ...]] = {}
    name = game.name if isinstance(game, Game) else ""
    total = replicas * sum(len(row) for row in sizes.values())
    done = 0
    with _progress.reporter(progress, total, "convergence") as report:
        for label, entry in entries.items():
            measured = []
            played = []
            for n in sizes[label].tolist():
                schedule = _schedule_at(entry, n, label)
                played_game = _game_at(game, schedule, n)
                name = name or played_game.name

                def step(finished: int, _: int, before: int = done) -> None:
                    report(before + finished)

                measured.append(
                    _measure(
                        played_game, policy, schedule, n, replicas, engine, next(generators), threads,
                        False if progress is False else step,
                    )
                )  # fmt: skip
                played.append(schedule.label)
                done += replicas
                report(done)
            errors[label] = np.array([average for average, _ in measured])
            final_errors[label] = np.array([final for _, final in measured])
            names[label] = tuple(played)
    return Convergence(tuple(entries), sizes, errors, final_errors, names, name)


def _measure(
    game: Game,
    policy: object,
    schedule: Schedule,
    n_agents: int,
    replicas: int,
    engine: str,
    generator: np.random.Generator,
    threads: int | None,
    progress: _progress.Progress,
) -> tuple[FloatArray, FloatArray]:
    """Errors of the replicas at one N: time average and at T, (R,) each."""
    sweep = min(game.horizon, max(1, round(1 / game.step)))
    flow = mean_field(game, policy, schedule, n_agents, record_every=sweep)
    run = simulate(
        game, policy, schedule, n_agents, replicas=replicas, engine=engine, rng=generator, threads=threads,
        record_every=sweep, decisions=False, progress=progress,
    )  # fmt: skip
    distances = np.abs(run.mu[:, 1:] - flow.mu[1:]).sum(axis=-1)
    return distances.mean(axis=1), distances[:, -1].copy()


def _fit_line(n_agents: IntArray, errors: FloatArray) -> Fit:
    """Weighted least squares of log mean error on log N; see Convergence.fit."""
    means = errors.mean(axis=1)
    if len(n_agents) < 2 or not (means > 0).all():
        return Fit(np.nan, np.nan, np.nan, np.nan)
    sigma = errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1]) / means
    exact = sigma <= 0  # replicas without spread: give them the smallest spread seen, or all the same weight
    if exact.any():
        sigma = np.where(exact, sigma[~exact].min() if (~exact).any() else 1.0, sigma)
    weight = sigma**-2
    x, y = np.log(n_agents.astype(float)), np.log(means)
    x_mean, y_mean = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = float(weight @ (x - x_mean) ** 2)
    slope = float(weight @ ((x - x_mean) * (y - y_mean))) / spread
    intercept = float(y_mean - slope * x_mean)
    chi2 = float(weight @ (y - intercept - slope * x) ** 2)
    freedom = len(x) - 2
    scale = max(1.0, chi2 / freedom) if freedom > 0 else 1.0
    if exact.all():
        scale = chi2 / freedom if freedom > 0 else np.nan
    return Fit(slope, float(np.sqrt(scale / spread)), intercept, chi2)


# ----------------------------------------------------------------------------------------------------- checks


def _schedule_entries(
    schedules: ScheduleEntry | Sequence[Schedule] | Mapping[str, ScheduleEntry],
) -> dict[str, ScheduleEntry]:
    """Entries by label; schedules without a label of their own are called by it."""
    if isinstance(schedules, Mapping):
        entries = {check.as_string(label, "schedules: a label"): entry for label, entry in schedules.items()}
    elif isinstance(schedules, Schedule):
        entries = {schedules.label: schedules}
    elif isinstance(schedules, Sequence) and not isinstance(schedules, str):
        listed = [check.as_instance(s, f"schedules[{i}]", Schedule) for i, s in enumerate(schedules)]
        labels = check.as_labels([s.label for s in listed], "schedules: labels", len(listed))
        entries = dict(zip(labels, listed, strict=True))
    elif callable(schedules):
        entries = {"schedule": schedules}
    else:
        raise TypeError(
            f"schedules is {schedules!r}; must be a Schedule, a function n_agents -> Schedule, "
            "a sequence of schedules, or a dict of labels to either of the first two"
        )
    if not entries:
        raise ValueError("schedules is empty; must hold at least one schedule")
    for label, entry in entries.items():
        if not isinstance(entry, Schedule) and not callable(entry):
            raise TypeError(f"schedules[{label!r}] is {entry!r}; must be a Schedule or a function n_agents -> Schedule")
    return entries


def _population_sizes(
    n_agents: Sequence[int] | Mapping[str, Sequence[int]], labels: tuple[str, ...]
) -> dict[str, IntArray]:
    """Increasing (n,) int64 by label."""
    if isinstance(n_agents, Mapping):
        if set(n_agents) != set(labels):
            raise ValueError(f"n_agents has labels {sorted(n_agents)}; must have those of schedules, {sorted(labels)}")
        rows: dict[str, Any] = {label: n_agents[label] for label in labels}
    else:
        rows = dict.fromkeys(labels, n_agents)
    sizes = {}
    for label, row in rows.items():
        name = f"n_agents[{label!r}]" if isinstance(n_agents, Mapping) else "n_agents"
        sizes[label] = check.as_int_array(row, name, shape=(None,), low=1)
        falls = np.diff(sizes[label]) <= 0
        if falls.any():
            i = int(np.argmax(falls)) + 1
            raise ValueError(f"{name}[{i}] is {sizes[label][i]}; must be > {name}[{i - 1}] = {sizes[label][i - 1]}")
    return sizes


def _schedule_at(entry: ScheduleEntry, n_agents: int, label: str) -> Schedule:
    schedule = entry if isinstance(entry, Schedule) else entry(n_agents)
    return check.as_instance(schedule, f"schedules[{label!r}]({n_agents})", Schedule)


def _game_at(game: GameEntry, schedule: Schedule, n_agents: int) -> Game:
    if isinstance(game, Game):
        return game
    if not callable(game):
        raise TypeError(f"game is {game!r}; must be a Game or a function (schedule, n_agents) -> Game")
    return check.as_instance(game(schedule, n_agents), f"game({schedule!r}, {n_agents})", Game)
