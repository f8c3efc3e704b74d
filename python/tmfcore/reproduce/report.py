"""The results as tables, for the terminal and for summary.md: contents only, no layout.

A table has a title, column heads and rows of strings; the first column is text, the others are right-aligned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .settings import GAMES

__all__ = ["FIGURES", "TextTable", "summary", "tables"]

FIGURES = ("exploitability.png", "returns.png", "mu.png", "convergence.png")
YES, NO = "\u2713", "no"


@dataclass(frozen=True)
class TextTable:
    """Title, heads (C,), rows of (C,) strings."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table in markdown, without its title."""
        lines = [self.heads, (":--", *("--:" for _ in self.heads[1:])), *self.rows]
        return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def tables(results: dict[str, Any]) -> list[TextTable]:
    """Return the tables of everything computed so far: solves, plays, convergence, goals."""
    found = []
    for name, part in results["games"].items():
        title = GAMES[name].title
        if part["batches"]:
            found.append(_solved(title, part["batches"]))
        if any("play" in case for case in part["batches"].values()):
            found.append(_played(title, part["batches"], results["parameters"]["n_agents"]))
        if part["convergence"]:
            found.append(_converged(title, part["convergence"]))
    if results["goals"]:
        found.append(_goals(results["goals"]))
    return found


def summary(results: dict[str, Any], *, figures: bool = True) -> str:
    """Return the text of summary.md, with the figures if they are drawn."""
    versions, parameters = results["versions"], results["parameters"]
    head = f"# tmfcore reproduce ({results['settings']})\n\n"
    if not results["complete"]:
        head += "**The run ended early: only finished parts are listed, and there are no figures.**\n\n"
    elif not figures:
        head += "**The run ended while the figures were drawn: there are no figures.**\n\n"
    head += (
        f"{results['date']}, seed {results['seed']}, {results['seconds']:.0f} s. tmfcore {versions['tmfcore']}, "
        f"Python {versions['python']}, numpy {versions['numpy']}, scipy {versions['scipy']}.\n\n"
        f"N = {parameters['n_agents']} agents, {parameters['horizon']} sweeps, a step of B agents lasts B/N sweeps. "
        "In one run of each game the policy sees \u03bc, the shares of agents at each observation: its logits are "
        "affine in \u03bc. In the others it sees the step and its own observation. "
        "A check mark in the last table means that the goal is met.\n"
    )
    for name, part in results["games"].items():
        listed = ", ".join(f"{key} = {_short(value)}" for key, value in part["parameters"].items())
        head += f"\n* {GAMES[name].title}: {listed}."
    head += "\n"
    if results["goals"]:
        met = sum(goal["met"] for goal in results["goals"])
        head += f"\n**{met} of {len(results['goals'])} goals met.**\n"
    parts = [f"\n## {table.title}\n\n{table.markdown()}\n" for table in tables(results)]
    if results["complete"] and figures:
        parts.append("\n## Figures\n" + "".join(f"\n![{name}]({name})\n" for name in FIGURES))
    return head + "".join(parts)


def _short(value: Any) -> str:
    return "(" + ", ".join(f"{entry:g}" for entry in value) + ")" if isinstance(value, (list, tuple)) else f"{value:g}"


def _solved(title: str, cases: dict[str, Any]) -> TextTable:
    rows = []
    for label, case in cases.items():
        s = case["solve"]
        rows.append((
            label, str(s["steps"]), str(s["iterations"]), f"{s['exploitability']:.2e}",
            f"{s['relative_exploitability']:.3%}", f"{s['mean_return']:.4f}",
        ))  # fmt: skip
    heads = ("agents per step", "steps", "iterations", "exploitability", "/ |mean return|", "mean return")
    return TextTable(f"{title}: TMF-PG", heads, tuple(rows))


def _played(title: str, cases: dict[str, Any], n_agents: int) -> TextTable:
    rows = []
    for label, case in cases.items():
        if "play" not in case:
            continue
        limit, r = case["solve"]["mean_return"], case["play"]["returns"]
        rows.append((
            label, f"{limit:.4f}", f"{r['mean']:.4f}", f"{r['low']:.4f} to {r['high']:.4f}",
            f"{(r['mean'] - limit) / abs(limit):+.3%}",
        ))  # fmt: skip
    heads = ("agents per step", "mean field", f"N = {n_agents}", "95% interval", "difference")
    played = _played_by(case["play"]["returns"]["replicas"] for case in cases.values() if "play" in case)
    return TextTable(f"{title}: return of the learned policy, {played}", heads, tuple(rows))


def _converged(title: str, lines: dict[str, Any]) -> TextTable:
    rows = []
    for rule, line in lines.items():
        sizes, error = line["n_agents"], line["error"]
        slope = "-" if line["slope"] is None else f"{line['slope']:.4f} \u00b1 {line['slope_half']:.4f}"
        rows.append((
            rule, f"{sizes[0]:,} to {sizes[-1]:,}", f"{error[0]:.5f}", f"{error[-1]:.5f}", slope,
        ))  # fmt: skip
    heads = ("agents per step", "N", "error at smallest N", "at largest N", "log-log slope, 95%")
    played = _played_by(line["replicas"] for line in lines.values())
    return TextTable(f"{title}: distance of N agents from the mean field, {played}", heads, tuple(rows))


def _played_by(replicas: Iterable[int]) -> str:
    """The number of populations behind the numbers of a table, in words."""
    least, most = min(found := list(replicas)), max(found)
    return f"{least} populations each" if least == most else f"{least} to {most} populations"


def _goals(goals: list[dict[str, Any]]) -> TextTable:
    rows = []
    for goal in goals:
        value = f"{goal['value']:.3f}" if "slope" in goal["goal"] else f"{goal['value']:.3%}"
        rows.append((GAMES[goal["game"]].title, goal["case"], goal["goal"], value, YES if goal["met"] else NO))
    return TextTable("Goals", ("game", "agents per step", "goal", "found", "met"), tuple(rows))
