"""Tables of a population and of a policy: the observations with the largest shares, at a few times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tmfcore as tmf
    from tmfcore.reproduce.report import TextTable

__all__ = ["LONGEST", "mu_table", "number", "policy_at", "policy_table"]

#: Largest number of observations in a table.
LONGEST = 20
#: Smallest share in a table that leaves observations out: smaller ones would be shown as 0.
SMALLEST = 0.00005
#: Number of likeliest actions shown per observation, without those that would be shown as 0.00.
MOST_ACTIONS, LEAST_PLAYED = 3, 0.005


def mu_table(
    title: str, game: tmf.Game, recorded: tmf.Flow | tmf.Simulation, flows: dict[str, np.ndarray]
) -> TextTable:
    """Return a table of flows (J+1, S) at three times (a single flow: at five), with the largest observations.

    If there are many observations with labels "place, detail", shares are summed over the details of a place.
    """
    from tmfcore.plotting._by_place import by_place, places_of
    from tmfcore.reproduce.report import TextTable

    labels, what = game.observation_labels, "observation"
    if len(labels) > LONGEST:
        names, places = places_of(labels)
        if len(names) < len(labels):
            labels, what = names, "place"
            flows = {name: by_place(flow, places) for name, flow in flows.items()}
    quarters, times = (0, 1, 2, 3, 4) if len(flows) == 1 else (0, 2, 4), recorded.times
    shown_at = {f"t={times[j]:g}": j for j in sorted({(len(times) - 1) * q // 4 for q in quarters})}
    heads = tuple(f"{when} {name}".strip() for when in shown_at for name in flows)
    shown = _largest(np.max([flow[j] for flow in flows.values() for j in shown_at.values()], axis=0))
    rows = tuple(
        (labels[o], *(f"{flow[j][o]:.4f}" for j in shown_at.values() for flow in flows.values())) for o in shown
    )
    return TextTable(f"{title}, t in {recorded.time}{_left_out(len(shown), len(labels))}", (what, *heads), rows)


def policy_at(
    policy: tmf.SoftmaxPolicy | tmf.TabularPolicy, solved: tmf.Flow, flow: tmf.Flow
) -> tuple[np.ndarray, np.ndarray]:
    """The first and the middle step (K,) of a flow, and the policy there, (K, S, A).

    `solved`, the flow along which the policy was solved, has every step.
    """
    constant = policy.n_stages == 1 and not getattr(policy, "affine", False)
    steps = np.unique([0] if constant else [0, flow.horizon // 2])
    there = steps * solved.horizon // flow.horizon
    played = [policy.probabilities(solved.mu[t], int(t), solved.horizon) for t in there]
    return steps, np.array(played)


def policy_table(game: tmf.Game, flow: tmf.Flow, steps: np.ndarray, played: np.ndarray) -> TextTable:
    """Return a table of the likeliest actions of `played` (K, S, A) at the steps (K,), for the largest observations."""
    from tmfcore.reproduce.report import TextTable

    labels = game.observation_labels
    shown = _largest(np.max(flow.mu, axis=0))
    heads = tuple(f"t={t * flow.step:g}" for t in steps) if len(steps) > 1 else ("at every t",)
    rows = tuple((labels[o], *(_actions(table[o], game.action_labels) for table in played)) for o in shown)
    return TextTable("policy: likeliest actions" + _left_out(len(shown), len(labels)), ("observation", *heads), rows)


def number(value: Any) -> str:
    """Format a number for a table: four decimals, or scientific if it is below 0.001."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.3e}"


def _actions(row: np.ndarray, labels: Sequence[str]) -> str:
    likeliest = (-row).argsort(kind="stable")[:MOST_ACTIONS]
    return ", ".join(f"{labels[a]} {row[a]:.2f}" for a in likeliest if row[a] >= LEAST_PLAYED)


def _largest(weight: np.ndarray) -> list[int]:
    """The observations to show, in order: those with the largest weights; if there are many, without weight 0."""
    shown = sorted((-weight).argsort(kind="stable")[:LONGEST].tolist())
    return [o for o in shown if weight[o] >= SMALLEST] if len(weight) > LONGEST else shown


def _left_out(shown: int, all_: int) -> str:
    return f" (the {shown} largest of {all_:,})" if shown < all_ else ""
