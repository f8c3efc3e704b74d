"""One instance: tmf.solve, each of the solvers it chooses from, and mirror descent at its best fixed rate."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np

import tmfcore as tmf
from bench.defaults.instances import Instance
from tmfcore.solvers import MirrorDescent
from tmfcore.solvers._registry import in_turns

ALONE = tuple(entry.solver for entry in in_turns())
RATES = 2.0 ** np.arange(-3, 12)  # over the largest difference of two Q at the uniform policy
FIXED_ITERATIONS, FIXED_SECONDS = 3000, 20.0  # per fixed rate; for all fixed rates


@dataclass(frozen=True)
class Row:
    """The results for an instance; None: the tolerance was not reached within the limits."""

    instance: Instance
    converged: bool
    chosen: str
    gap: float  # relative
    seconds: float  # of tmf.solve, on one processor
    fastest: float | None  # seconds of the fastest single solver, if one was faster than tmf.solve
    iterations: int | None  # of MirrorDescent
    fixed: int | None  # of MirrorDescent at its best fixed rate
    cut: bool  # whether fixed rates ran out of time


def measure(instance: Instance) -> Row:
    """Run each solver on its own game after a first update, so that one-time set-up and loading are not timed."""
    who = (instance.schedule, instance.n_agents)
    game = ready(instance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tmf.ConvergenceWarning)
        began = time.process_time()
        found = tmf.solve(game, *who)
        seconds = time.process_time() - began
        fastest = None
        iterations = None
        for kind in ALONE:
            game = ready(instance)
            began = time.process_time()
            late = lambda now, end=began + seconds: time.process_time() > end
            alone = kind().solve(game, *who, callback=None if kind is MirrorDescent else late)
            took = time.process_time() - began
            if alone.converged and took < (seconds if fastest is None else fastest):
                fastest = took
            if kind is MirrorDescent and alone.converged:
                iterations = int(alone.history["iteration"][-1])
        fixed, cut = best_fixed(game, who)
    return Row(
        instance, found.converged, found.solver["name"], found.relative_exploitability, seconds, fastest, iterations,
        fixed, cut,
    )  # fmt: skip


def ready(instance: Instance) -> tmf.Game:
    """The game of an instance, after one update by each solver."""
    game = instance.build()
    for kind in ALONE:
        kind(iterations=1, tolerance=None).solve(game, instance.schedule, instance.n_agents)
    return game


def best_fixed(game: tmf.Game, who: tuple[tmf.Schedule, int | None]) -> tuple[int | None, bool]:
    """Iterations to the tolerance at the best of RATES, and whether time ran out before all rates were tried."""
    policy = tmf.TabularPolicy.uniform(game)
    spread = float(np.ptp(tmf.evaluate(game, policy, *who).q, axis=-1).max()) or 1.0
    end = time.perf_counter() + FIXED_SECONDS
    best, late = None, lambda now: time.perf_counter() > end
    for rate in RATES / spread:
        limit = FIXED_ITERATIONS if best is None else best - 1
        if limit < 1:
            break
        solver = MirrorDescent(learning_rate=rate, iterations=limit)
        found = solver.solve(game, *who, callback=late)
        if found.converged:
            best = int(found.history["iteration"][-1])
    return best, time.perf_counter() > end
