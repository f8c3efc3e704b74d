"""The figures of the reproduction, drawn from its results (as computed, or as read from results.json)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tmfcore import plotting

from .report import FIGURES
from .settings import GAMES, Goals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(results: dict[str, Any]) -> dict[str, Figure]:
    """Return the figures of complete results, by file name."""
    drawn = (exploitability(results), returns(results), population(results), convergence(results))
    return dict(zip(FIGURES, drawn, strict=True))


def exploitability(results: dict[str, Any]) -> Figure:
    """Relative exploitability by iteration: one panel per game, one line per B."""
    n_agents = results["parameters"]["n_agents"]
    worst = max(case["solve"]["relative_exploitability"] for _, case in _cases(results))
    picture, panels = plotting.figure(
        len(results["games"]),
        title=f"Exploitability of TMF-PG falls to {worst:.2%} whatever B of N = {n_agents} agents act at a step",
        share_y=True,
    )
    for ax, (name, part) in zip(panels, results["games"].items(), strict=True):
        lines = {}
        for label, case in part["batches"].items():
            history, scale = case["solve"]["history"], abs(case["solve"]["mean_return"])
            lines[label] = (history["iteration"], [value / scale for value in history["exploitability"]])
        plotting.exploitability(lines, goal=Goals().exploitability, title=GAMES[name].title, ax=ax)
    _label_outer(panels)
    return picture


def returns(results: dict[str, Any]) -> Figure:
    """Return of N agents with intervals, and of the mean field: one panel per game, B from left to right."""
    parameters = results["parameters"]
    worst = max(abs(case["play"]["returns"]["mean"] / case["solve"]["mean_return"] - 1) for _, case in _cases(results))
    picture, panels = plotting.figure(
        len(results["games"]),
        title=f"The return of N = {parameters['n_agents']} agents is within {worst:.2%} of that of the mean field "
        f"(means of {parameters['return_replicas']} populations)",
    )
    for ax, (name, part) in zip(panels, results["games"].items(), strict=True):
        cases = part["batches"]
        found = [case["play"]["returns"] for case in cases.values()]
        plotting.intervals(
            [label.replace(", ", "\n") for label in cases], [f["low"] for f in found], [f["high"] for f in found],
            estimate=[f["mean"] for f in found],
            reference=[case["solve"]["mean_return"] for case in cases.values()], what="N agents",
            quantity="discounted return per agent", entries="agents acting at each step",
            tolerance=Goals().n_agents_return, legend=False, title=GAMES[name].title, ax=ax,
        )  # fmt: skip
    handles, labels = panels[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    _label_outer(panels)
    return picture


def population(results: dict[str, Any]) -> Figure:
    """Population over time at the smallest and the largest B: one row per game."""
    n_agents = results["parameters"]["n_agents"]
    picture, panels = plotting.figure(
        2, len(results["games"]), width=5.2, height=3.7, share_y=True,
        title=f"N = {n_agents} agents (markers: one run, bands: 90% of the runs) follow the mean field (lines)",
    )  # fmt: skip
    for row, (name, part) in enumerate(results["games"].items()):
        cases = [pair for pair in part["batches"].items() if not pair[1]["solve"]["sees_mu"]]
        pair = panels[2 * row : 2 * row + 2]
        for ax, (label, case) in zip(pair, (cases[0], cases[-1]), strict=True):
            mu = case["play"]["mu"]
            agents, field = (plotting.Course(mu["times"], mu[who]) for who in ("agents", "field"))
            plotting.lines(
                agents, GAMES[name].labels, field=field, spread=(mu["low"], mu["high"]),
                title=f"{GAMES[name].title}, {label}", ax=ax,
            )  # fmt: skip
            ax.set_xticks(range(0, results["parameters"]["horizon"] + 1, 5))
            if ax is pair[0] and (legend := ax.get_legend()) is not None:
                legend.remove()
        _label_outer(pair)
    return picture


def convergence(results: dict[str, Any]) -> Figure:
    """Distance of N agents from the mean field against N: one panel per game, one line per rule for B."""
    replicas = results["parameters"]["convergence_replicas"]
    picture, panels = plotting.figure(
        len(results["games"]), share_y=True, height=4.0,
        title=f"N agents approach the mean field as 1/\u221aN (policy learned at B = N, {replicas} runs per point)",
    )  # fmt: skip
    for ax, (name, part) in zip(panels, results["games"].items(), strict=True):
        lines = {rule: _error_line(line) for rule, line in part["convergence"].items()}
        plotting.convergence(lines, title=GAMES[name].title, ax=ax)
    _label_outer(panels)
    return picture


def _cases(results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in results["games"].values():
        yield from part["batches"].items()


def _error_line(line: dict[str, Any]) -> plotting.ErrorLine:
    slope, half = (math.nan if line[key] is None else line[key] for key in ("slope", "slope_half"))
    return plotting.ErrorLine(line["n_agents"], line["error"], line["low"], line["high"], slope, half)


def _label_outer(panels: list[Axes]) -> None:
    """Keep the y label of the first panel of a row only."""
    for ax in panels[1:]:
        ax.set_ylabel("")
