"""Solvers of tmfcore on a game, until a target is reached or the time limit ends."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import tmfcore as tmf
from bench.shelf import TARGETS, Limits, Run
from tmfcore.solvers import Homotopy
from tmfcore.solvers._registry import in_turns

LARGE = 10**5  # S A T above which a search for a violation, or an iteration of Homotopy, takes minutes
SYNCHRONOUS = tmf.Synchronous()
SINGLE = 3.0  # seconds for a single solver
TINY = 1e-6  # target if the mean return is 0, as a share of the uniform policy's exploitability


@dataclass(frozen=True)
class Row:
    """A built-in game with the results of tmf.solve and of single solvers."""

    name: str
    game: tmf.Game
    verdict: str
    mean_return: float
    gap: float
    chosen: str
    runs: list[Run]


def targets(game: tmf.Game, mean_return: float) -> tuple[float, ...]:
    """Exploitabilities in units of return."""
    if abs(mean_return) > 1e-9:
        return tuple(share * abs(mean_return) for share in TARGETS)
    uniform = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), SYNCHRONOUS)
    return tuple(share * uniform for share in TARGETS)


def until(game: tmf.Game, who: str, solve: Callable, aims: tuple[float, ...], limits: Limits) -> tuple[Run, object]:
    """The fastest of a few solves; each target is timed by a solve that stops at it."""
    seconds: list[float | None] = []
    best, iterations, spent, solution = np.inf, 0, 0.0, None
    for aim in aims:
        if None in seconds:  # an easier target was missed
            seconds.append(None)
            continue
        fastest, total = None, 0.0
        for _ in range(limits.repeats):
            began = time.process_time()
            late = lambda report, end=began + limits.ours: time.process_time() > end
            solution = solve(game, aim, late)
            took = time.process_time() - began
            total += took
            if solution.exploitability <= aim * (1 + 1e-9):
                fastest = took if fastest is None else min(fastest, took)
            if fastest is None or total > min(1.0, limits.ours):
                break
        seconds.append(fastest)
        best, iterations = solution.exploitability, len(solution.history["iteration"]) - 1
        spent = took if fastest is None else fastest
    return Run(who, tuple(seconds), float(best), iterations, spent), solution


def solving(solver: type) -> Callable:
    """A solver with its default settings, except for when it stops."""

    def solve(game, aim, late):
        made = solver(tolerance=None, absolute_tolerance=aim, iterations=10**7)
        return made.solve(game, SYNCHRONOUS, callback=late)

    return solve


def choosing(game, aim, late):
    """tmf.solve with its default settings; it may try several solvers."""
    return tmf.solve(game, SYNCHRONOUS, tolerance=None, absolute_tolerance=aim, callback=late)


SOLVERS = {entry.name: entry.solver for entry in in_turns()}


def shelf_row(name: str, game: tmf.Game, limits: Limits) -> Row:
    first = tmf.solve(game, SYNCHRONOUS, callback=_timer(limits.ours))
    aims = targets(game, first.mean_return)
    run, solution = until(game, "tmf.solve", choosing, aims, limits)
    single = dataclasses.replace(limits, ours=min(limits.ours, SINGLE))
    fit = {who: solver for who, solver in SOLVERS.items() if solver is not Homotopy or _size(game) <= LARGE}
    runs = [run, *(until(game, who, solving(solver), aims, single)[0] for who, solver in fit.items())]
    return Row(name, game, _verdict(game), first.mean_return, solution.exploitability, solution.solver["name"], runs)


def _size(game: tmf.Game) -> int:
    return game.n_observations * game.n_actions * game.horizon


def _verdict(game: tmf.Game) -> str:
    if _size(game) > LARGE:
        return "not examined"
    found = tmf.analysis.monotonicity(game, SYNCHRONOUS, trials=50, rng=1)
    text = f"no violation in {found.trials} trials" if found.verdict == "undecided" else found.verdict
    return text + ", transitions of mu" * found.transition_depends_on_mu


def _timer(seconds: float) -> Callable:
    end = time.process_time() + seconds
    return lambda report: time.process_time() > end


def fastest(runs: list[Run], target: int) -> Run | None:
    """The run that reached a target first."""
    reached = [run for run in runs if run.seconds[target] is not None]
    return min(reached, key=lambda run: run.seconds[target]) if reached else None
