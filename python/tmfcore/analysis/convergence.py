"""The error of the mean-field limit at finite N, measured (Theory, section 6).

    convergence(...) -> Convergence      E || mu-hat_t - mu_t ||_1 for several N and schedules, and the slope

The result keeps the error of every replica and computes means, intervals and slopes from them on request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import bars, executors, needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.types import Engine
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.sizes import kernel_needs
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game, in_steps
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.schedules import Schedule
from tmfcore._population.simulate import REPLICAS
from tmfcore._random import seeding
from tmfcore._results import confidence as _intervals
from tmfcore._results.checkpoint import CheckpointLike, opened
from tmfcore._results.confidence import Interval
from tmfcore._results.result import Result
from tmfcore._results.tables import Table, Variable
from tmfcore.analysis._entries import ScheduleEntry, population_sizes, schedule_at, schedule_entries
from tmfcore.analysis._line import PowerLaw, fit_line
from tmfcore.analysis._points import measured as measured_at
from tmfcore.analysis._points import on_executor, sweep_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Convergence", "PowerLaw", "convergence"]


@dataclass(frozen=True, eq=False, repr=False)
class Convergence(Result[Literal["mean", "final"]]):
    """Errors of R replicas at several N, by label (one label per schedule).

    Parameters
    ----------
    labels : tuple of str
    n_agents : dict label -> (n,) int64
        The values of N, increasing.
    errors : dict label -> (n, R) float64
        || mu-hat_t - mu_t ||_1 of each replica, averaged over the ends of sweeps (t > 0).
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
    `error_mean`, `error_low`, `error_high` and `final_mean`, `final_low`, `final_high` are dicts label -> (n,), with
    Student's intervals of the logarithm over the replicas. (Errors are positive and skewed: at t = T with two
    observations, Student's interval of the error itself would cover 92% instead of 95%.) If the replicas of one N agree
    by chance while others do not, the mean relative spread of all N is used; the ends are NaN if all errors are 0.
    `fit(label)` is the regression line.

    `plot` draws the errors with their intervals against N, log-log, and the fitted slopes: of the "mean" over time, or
    of the "final" errors.
    """

    SHAPES: ClassVar[dict[str, str]] = {"n_agents": "K", "errors": "K R", "final_errors": "K R", "schedules": "K"}
    RANGES: ClassVar[dict[str, str]] = {">= 0": "n_agents", "finite": "errors final_errors"}

    labels: tuple[str, ...]
    n_agents: dict[str, IntArray]
    errors: dict[str, FloatArray]
    final_errors: dict[str, FloatArray]
    schedules: dict[str, tuple[str, ...]]
    game: str = ""
    confidence: float = 0.95

    @property
    def replicas(self) -> int:
        """R, the number of replicas."""
        return int(next(iter(self.errors.values())).shape[1])

    @property
    def error_mean(self) -> dict[str, FloatArray]:
        """Mean time-averaged error over the replicas, label -> (n,)."""
        return {label: e.mean(axis=1) for label, e in self.errors.items()}

    @property
    def error_low(self) -> dict[str, FloatArray]:
        """Lower ends of the intervals of `error_mean`, label -> (n,)."""
        return {label: self._interval(e).low for label, e in self.errors.items()}

    @property
    def error_high(self) -> dict[str, FloatArray]:
        """Upper ends of the intervals of `error_mean`, label -> (n,)."""
        return {label: self._interval(e).high for label, e in self.errors.items()}

    @property
    def final_mean(self) -> dict[str, FloatArray]:
        """Mean error at T over the replicas, label -> (n,)."""
        return {label: e.mean(axis=1) for label, e in self.final_errors.items()}

    @property
    def final_low(self) -> dict[str, FloatArray]:
        """Lower ends of the intervals of `final_mean`, label -> (n,)."""
        return {label: self._interval(e).low for label, e in self.final_errors.items()}

    @property
    def final_high(self) -> dict[str, FloatArray]:
        """Upper ends of the intervals of `final_mean`, label -> (n,)."""
        return {label: self._interval(e).high for label, e in self.final_errors.items()}

    @property
    def slope(self) -> dict[str, float]:
        """Slope of log time-averaged error on log N, by label."""
        return {label: self.fit(label).slope for label in self.labels}

    @property
    def slope_se(self) -> dict[str, float]:
        """Standard error of `slope`, by label."""
        return {label: self.fit(label).slope_se for label in self.labels}

    @property
    def final_slope(self) -> dict[str, float]:
        """Slope of log error at T on log N, by label."""
        return {label: self.fit(label, final=True).slope for label in self.labels}

    @property
    def final_slope_se(self) -> dict[str, float]:
        """Standard error of `final_slope`, by label."""
        return {label: self.fit(label, final=True).slope_se for label in self.labels}

    def fit(self, label: str, *, final: bool = False) -> PowerLaw:
        """Fit a line to log error against log N by least squares; `fit(label).interval(confidence)` is of its slope.

        To leading order only the scale of the error depends on N. So the relative variance over replicas is pooled over
        all N, with n (R - 1) degrees of freedom, and two replicas are enough. If the variance of one point is too large
        (Cochran's test at 1 in 1,000), each point has its own variance (Satterthwaite's degrees of
        freedom). If the points are farther from the line than their variance explains (an F test at 1 in 100; caused by
        higher orders in 1/N), `slope_se` comes from the scatter about the line, with n - 2 degrees of freedom.

        Parameters
        ----------
        label : str
        final : bool, optional
            True: fit the error at T; False (default): the time average.
        """
        check.as_choice(label, "label", self.labels)
        final = check.as_bool(final, "final")
        return fit_line(self.n_agents[label], (self.final_errors if final else self.errors)[label])

    def table(self) -> list[dict[str, Any]]:
        """One row per label and N: label, schedule, n_agents, replicas, the two errors with their intervals."""
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

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "replicas", self.replicas
        for label in self.labels:
            line = self.fit(label)
            half = line.interval(self.confidence).high - line.slope
            sizes = self.n_agents[label]
            fitted = f", slope {line.slope:.3f} \u00b1 {half:.3f}" if np.isfinite(line.slope) else ""
            yield label, f"N={sizes[0]}..{sizes[-1]}{fitted}"

    def _table(self) -> Table:
        rows = self.table()
        columns: dict[str, Variable] = {name: (("point",), np.array([row[name] for row in rows])) for name in rows[0]}
        about: dict[str, str | int | float] = {"game": self.game, "confidence": self.confidence}
        return Table({"point": np.arange(len(rows))}, columns, "error_mean", {}, about)

    def _title(self) -> str:
        return ", ".join(part for part in (self.game, f"{self.replicas:,} runs per point") if part)

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        final = kind == "final"
        mean, low, high = (
            (self.final_mean, self.final_low, self.final_high)
            if final
            else (self.error_mean, self.error_low, self.error_high)
        )
        lines = {}
        for name in self.labels:
            fit = self.fit(name, final=final)
            half = fit.interval(self.confidence).high - fit.slope
            lines[name] = plotting.ErrorLine(self.n_agents[name], mean[name], low[name], high[name], fit.slope, half)
        return plotting.convergence(lines, when="at the end" if final else "mean over time", **style)

    def _interval(self, errors: FloatArray) -> Interval:
        """Interval of the mean of each row of errors (n, R)."""
        replicas = errors.shape[1]
        means = errors.mean(axis=1)
        relative = errors.std(axis=1, ddof=1) / np.where(means > 0, means, 1.0)
        if relative.any():
            relative = np.where(relative > 0, relative, np.sqrt((relative[means > 0] ** 2).mean()))
            means = np.where(means > 0, means, np.nan)
        return _intervals.student_of_logs(means, relative / np.sqrt(replicas), replicas - 1, self.confidence)


@takes_rng
@fits_memory(f"replicas must be fewer, or {SMALLER_GAME}", asks=True)
def convergence(
    game: Game,
    policy: PolicyLike,
    schedules: ScheduleEntry | Sequence[Schedule] | Mapping[str, ScheduleEntry],
    n_agents: Sequence[int] | Mapping[str, Sequence[int]],
    *,
    replicas: int = REPLICAS,
    engine: Engine = "auto",
    confidence: float = 0.95,
    rng: seeding.RNG = None,
    threads: int | None = None,
    progress: bars.Progress = False,
    checkpoint: CheckpointLike | None = None,
    executor: Executor | None = None,
) -> Convergence:
    """Measure how the distance of the N-agent population from its mean-field flow falls as N grows.

    Simulates every (schedule, N) from rounded start counts and compares it, at the end of each sweep, with the flow
    for its own active fractions B / N.

    Parameters
    ----------
    game : Game
        A game in sweeps has steps of B / N sweeps.
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedules : Schedule, callable n_agents -> Schedule, sequence of Schedule, or dict label -> one of the
    first two
        A callable lets the batch depend on N, as in {"B=N/10": lambda n: tmf.Batch(n // 10)}.
    n_agents : sequence of int, or dict label -> sequence of int
        The values of N, increasing.
    replicas : int, optional
        R >= 2 independent populations per N.
    engine, threads
        As in simulate.
    confidence : float, optional
        Level of the intervals of the errors, in (0, 1).
    rng : int, Generator, SeedSequence or None, optional
        Seed. Every (schedule, N) has its own stream, so later entries of the study do not change the results of
        earlier ones.
    progress : bool or callable, optional
        As in simulate; steps are those of all populations together.
    checkpoint : path, Checkpoint or None, optional
        A file from which the same call goes on after it was stopped, as in simulate: with what is measured, and the
        populations that were being simulated. Needs `rng`.
    executor : concurrent.futures.Executor or None, optional
        Where the populations are played, as in `sweep`, to the same bits: each process returns errors, not populations.
        Without threads and checkpoint.

    Returns
    -------
    Convergence

    Raises
    ------
    TypeError, ValueError
        An argument is bad, or simulate or mean_field raises. Such errors, and KeyboardInterrupt, carry as `partial` the
        Convergence of what is finished, or None.

    Notes
    -----
    The time average is over t = one sweep, two sweeps, ..., T, where a sweep is max(1, round(1 / game.dt)) steps;
    t = 0, where the error is only that of rounding, is left out. Cost: that of simulate, summed over schedules and N.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> policy = tmf.TabularPolicy.uniform(game)
    >>> study = tmf.analysis.convergence(game, policy, tmf.Synchronous(), [100, 1000, 10000], replicas=50, rng=1)
    >>> print(f"{study.slope['B=N']:.1f}")
    -0.5
    """
    replicas = check.as_int(replicas, "replicas", low=2)
    confidence = _intervals.as_confidence(confidence)
    entries = schedule_entries(schedules)
    sizes = population_sizes(n_agents, tuple(entries))
    pool = executors.checked(executor)
    for what, value in (("checkpoint", checkpoint), ("threads", threads)) if pool is not None else ():
        if value is not None:
            raise ValueError(f"{what} is given with executor; must be None")
    bars.check(progress)
    name = check.as_instance(game, "game", Game).name
    plays = []
    for label, entry in entries.items():
        schedules_at = [schedule_at(entry, n, label) for n in sizes[label].tolist()]
        plays += [(label, n, each, in_steps(game, each, n)) for n, each in zip(sizes[label].tolist(), schedules_at)]
    largest = max(plays, key=lambda play: play[3].n_steps // sweep_of(play[3]))[3]  # one is played after another
    n_sweeps = -(-largest.n_steps // sweep_of(largest))
    shape = (replicas, n_sweeps + 1, largest.n_observations)
    needs.ask(kernel_needs(largest.model) | {"counts and distances": (32, *shape)})
    kept = None
    if checkpoint is not None:
        kept = opened(checkpoint, "convergence", _task(plays, policy, replicas, engine, confidence, rng))
    generators = seeding.generators(rng, len(plays))

    measured: dict[str, list[tuple[FloatArray, FloatArray]]] = {label: [] for label in entries}

    def study() -> Convergence | None:
        """What is measured so far."""
        found = {label: pairs for label, pairs in measured.items() if pairs}
        if not found:
            return None
        errors = {label: np.array([average for average, _ in pairs]) for label, pairs in found.items()}
        final_errors = {label: np.array([final for _, final in pairs]) for label, pairs in found.items()}
        names = {
            label: tuple(each.label for other, _, each, _ in plays if other == label)[: len(pairs)]
            for label, pairs in found.items()
        }
        made = {label: sizes[label][: len(pairs)] for label, pairs in found.items()}
        return Convergence(tuple(found), made, errors, final_errors, names, name, confidence)

    if pool is not None:
        with bars.reporter(progress, replicas * sum(played.n_steps for *_, played in plays), "steps") as report:
            try:
                on_executor(
                    pool, plays, policy, replicas, engine, generators, report,
                    lambda number, pair: measured[plays[number][0]].append(pair),
                )  # fmt: skip
            except BaseException as error:
                error.partial = study()  # type: ignore[attr-defined]  # ours
                raise
        whole = study()
        assert whole is not None, "there is a label, and an N"
        return whole
    done, part = 0, None
    if kept is not None and kept.state is not None:
        with kept.restoring():
            for label, pairs in kept.state["measured"].items():
                measured[label] += [(average, final) for average, final in pairs]
            part = kept.state.get("part")
    ready = sum(map(len, measured.values()))
    with bars.reporter(progress, replicas * sum(played.n_steps for *_, played in plays), "steps") as report:
        for number, ((label, n, schedule, played), generator) in enumerate(zip(plays, generators, strict=True)):
            if number < ready:
                done += replicas * played.n_steps
                report(done)
                continue

            def step(finished: int, _: int, before: int = done) -> None:
                report(before + finished)

            try:
                found = measured_at(
                    played, policy, schedule, n, replicas, engine, generator, threads,
                    False if progress is False else step,
                    None if kept is None else kept.part(lambda state: {"measured": measured, "part": state}, part),
                )  # fmt: skip
            except BaseException as error:
                error.partial = study()  # type: ignore[attr-defined]  # ours
                raise
            measured[label].append(found)
            part = None
            done += replicas * played.n_steps
    if kept is not None:
        kept.save({"measured": measured})
    finished = study()
    assert finished is not None, "there is a label, and an N"
    return finished


def _task(
    plays: Sequence[tuple[str, int, Schedule, Game]], policy: PolicyLike, replicas: int, engine: Engine,
    confidence: float, rng: seeding.RNG,
) -> dict[str, Any]:  # fmt: skip
    """What determines a study."""
    found: dict[str, Any] = {"replicas": replicas, "engine": engine, "confidence": confidence}
    for label, n, schedule, played in plays:
        task = Fingerprint.of(played, schedule, n, policy=as_policy(policy, played)).task()
        found |= {f"{name} of {label}, N = {n}": task[name] for name in ("game", "schedule", "policy")}
    return found | {"rng": seeding.described(rng)}
