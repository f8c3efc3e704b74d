"""The numbers of the reproduction: pure functions from settings and a seed to dicts for JSON.

solve(...)            TMF-PG on one game at one B, with its exploitability and mean-field return
play(...)             N agents with the learned policy, and the mean field: returns, and mu over time
study(...)            the distance between N agents and the mean field, for growing N

Each goes on from the state in its `kept`, and leaves its own there.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import tmfcore as tmf
from tmfcore._results import confidence
from tmfcore._results.checkpoint import Keeper

from .settings import GameSpec, Settings

#: Receives (done, total) of the current piece of work.
Report = Callable[[int, int], object]

#: Distributions stored per sweep (fewer if a sweep has fewer steps), and their digits: enough for figures.
POINTS, DIGITS = 5, 6


def label_of(batch: int, n_agents: int, aware: bool = False) -> str:
    """Return "B = 10", or "B = N" if all agents act; with ", sees \u03bc" for a policy that sees the population."""
    label = "B = N" if batch == n_agents else f"B = {batch}"
    return f"{label}, sees \u03bc" if aware else label


def schedule_of(batch: int, n_agents: int) -> tmf.Schedule:
    """Return the schedule under which `batch` of `n_agents` agents act at each step."""
    if batch == n_agents:
        return tmf.Synchronous()
    return tmf.Sequential() if batch == 1 else tmf.Batch(batch)


#: The batches of the convergence study: B as a function of N.
BATCH_RULES: dict[str, Callable[[int], int]] = {
    "B = 1": lambda n: 1,
    "B = \u221aN": lambda n: max(1, round(n**0.5)),
    "B = N/10": lambda n: max(1, round(n / 10)),
    "B = N": lambda n: n,
}


def interval(samples: ArrayLike) -> tuple[float, float, float]:
    """Return the mean of independent samples (R,), R >= 2, and the lower and upper end of its 95% t-interval."""
    values = np.asarray(samples, dtype=np.float64)
    low, high = confidence.student_of_mean(values, 0.95)
    return float(values.mean()), float(low), float(high)


def solve(
    spec: GameSpec, batch: int, settings: Settings, seed: np.random.SeedSequence, report: Report,
    kept: Keeper | None = None, aware: bool = False,
) -> tuple[tmf.TabularPolicy | tmf.SoftmaxPolicy, dict[str, Any]]:
    """Run TMF-PG with `batch` of ``settings.n_agents`` agents acting at each step of B/N sweeps.

    If `aware`, the policy sees the population: its logits are affine in mu.

    Returns
    -------
    policy
        The learned policy.
    dict
        Iterations, exploitability by iteration and of the result (in units of return, and relative to
        abs(mean return)), the mean-field return, and seconds.
    """
    began = time.perf_counter()
    n_agents = settings.n_agents
    schedule = schedule_of(batch, n_agents)
    game = spec.build().at(schedule, n_agents)
    solver = settings.solver(aware)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tmf.ConvergenceWarning)  # the report compares with its own goals
        solution = solver.solve(
            game, schedule, n_agents, rng=seed, callback=lambda now: report(now.iteration, settings.iterations),
            checkpoint=kept,  # type: ignore[arg-type]  # a Keeper
        )  # fmt: skip
    return solution.policy, {
        "batch": batch,
        "sees_mu": aware,
        "step": batch / n_agents,
        "steps": game.n_steps,
        "iterations": int(solution.history["iteration"][-1]),
        "best_iteration": solution.best_iteration,
        "reason": solution.reason,
        "exploitability": solution.exploitability,
        "mean_return": solution.mean_return,
        "relative_exploitability": solution.relative_exploitability,
        "history": {name: solution.history[name].tolist() for name in ("iteration", "exploitability", "mean_return")},
        "seconds": time.perf_counter() - began,
    }


def play(
    spec: GameSpec,
    policy: tmf.TabularPolicy | tmf.SoftmaxPolicy,
    batch: int,
    settings: Settings,
    seed: np.random.SeedSequence,
    threads: int | None,
    report: Report,
    kept: Keeper | None = None,
) -> dict[str, Any]:
    """Simulate N agents with the learned policy, and compute its mean field.

    Returns
    -------
    dict
        "returns": replicas, mean, low, high (95%), of the discounted return per agent.
        "mu": times in sweeps; mu of the first replica, the 5% and 95% quantiles over replicas, and the mean
        field, (J+1, S) each.
    """
    began = time.perf_counter()
    n_agents = settings.n_agents
    schedule = schedule_of(batch, n_agents)
    game = spec.build().at(schedule, n_agents)
    sweep = max(1, round(1 / game.dt))
    record_every = max(1, sweep // POINTS)
    run = tmf.simulate(
        game, policy, schedule, n_agents, replicas=settings.return_replicas, rng=seed, threads=threads,
        record_every=record_every, decisions=False, progress=report,
        checkpoint=kept,  # type: ignore[arg-type]  # a Keeper
    )  # fmt: skip
    flow = tmf.mean_field(game, policy, schedule, n_agents, record_every=record_every)
    mean, low, high = interval(run.returns)
    edges = np.quantile(run.mu, [0.05, 0.95], axis=0)
    return {
        "returns": {"replicas": settings.return_replicas, "mean": mean, "low": low, "high": high},
        "mu": {
            "times": run.times.round(DIGITS).tolist(),
            "agents": run.mu[0].round(DIGITS).tolist(),
            "low": edges[0].round(DIGITS).tolist(),
            "high": edges[1].round(DIGITS).tolist(),
            "field": flow.mu.round(DIGITS).tolist(),
        },
        "seconds": time.perf_counter() - began,
    }


def study(
    spec: GameSpec,
    policy: tmf.TabularPolicy | tmf.SoftmaxPolicy,
    rule: str,
    settings: Settings,
    seed: np.random.SeedSequence,
    threads: int | None,
    report: Report,
    kept: Keeper | None = None,
) -> dict[str, Any]:
    """Measure E || mu-hat - mu ||_1 for the population sizes of the settings, with B a function of N.

    Every N is compared with the mean-field flow for its own B/N.

    Returns
    -------
    dict
        n_agents, batches, replicas; error (mean over replicas of the time average), low, high; slope, slope_se,
        and slope_half, half the width of its 95% interval.
    """
    began = time.perf_counter()
    batch_of = BATCH_RULES[rule]
    sizes = settings.ladder_sequential if rule == "B = 1" else settings.ladder
    found = tmf.analysis.convergence(
        spec.build(),
        policy,
        {rule: lambda n: schedule_of(batch_of(n), n)},
        sizes,
        replicas=settings.convergence_replicas,
        rng=seed,
        threads=threads,
        progress=report,
        checkpoint=kept,  # type: ignore[arg-type]  # a Keeper
    )
    return {
        "n_agents": list(sizes),
        "batches": [batch_of(n) for n in sizes],
        "replicas": settings.convergence_replicas,
        "error": found.error_mean[rule].tolist(),
        "low": found.error_low[rule].tolist(),
        "high": found.error_high[rule].tolist(),
        "slope": found.slope[rule],
        "slope_se": found.slope_se[rule],
        "slope_half": found.fit(rule).interval(0.95).high - found.slope[rule],
        "seconds": time.perf_counter() - began,
    }


def goals(results: dict[str, Any], settings: Settings) -> list[dict[str, Any]]:
    """Compare the results with the goals; results that are missing are left out.

    Returns
    -------
    list of dict
        game, case, goal (text), value, met (bool); fractions and slopes as plain numbers.
    """
    want = settings.goals
    rows: list[dict[str, Any]] = []

    def add(game: str, case: str, goal: str, value: float, met: bool) -> None:
        rows.append({"game": game, "case": case, "goal": goal, "value": value, "met": bool(met)})

    for name, part in results["games"].items():
        means: list[float] = []
        for label, case in part["batches"].items():
            share = case["solve"]["relative_exploitability"]
            add(
                name,
                label,
                f"exploitability / |mean return| <= {want.exploitability:.1%}",
                share,
                share <= want.exploitability,
            )
            if "play" in case:
                limit, mean = case["solve"]["mean_return"], case["play"]["returns"]["mean"]
                if not case["solve"]["sees_mu"]:
                    means.append(mean)
                off = abs(mean - limit) / abs(limit)
                add(
                    name,
                    label,
                    f"N-agent return within {want.n_agents_return:.0%} of the mean field's",
                    off,
                    off <= want.n_agents_return,
                )
        if len(means) == len(settings.batches) > 1:
            spread = spread_of(means)
            add(
                name,
                "all B",
                f"N-agent return across B within {want.return_across_batches:.0%}",
                spread,
                spread <= want.return_across_batches,
            )
        for rule, line in part["convergence"].items():
            slope = line["slope"]
            add(
                name,
                rule,
                f"slope {want.slope:.2f} \u00b1 {want.slope_tolerance:g}",
                slope,
                abs(slope - want.slope) <= want.slope_tolerance,
            )
    return rows


def spread_of(means: Sequence[float]) -> float:
    """Return (largest - smallest) / abs(last), where the last mean is that of B = N."""
    return (max(means) - min(means)) / abs(means[-1])
