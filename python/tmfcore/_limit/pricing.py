"""Altruism: what agents do to all others, priced at a flow (Theory, section 14)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._limit import externality
from tmfcore._model.activation import ActingShares
from tmfcore._model.evaluator import Kept
from tmfcore._model.game import Game
from tmfcore._model.model import Model
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active

__all__ = [
    "Groups", "as_altruism", "asked_others", "checked_altruism", "extra_of", "extra_of_others", "refuse_altruism",
    "refuse_rounding",
]  # fmt: skip

#: Width, and number of branches at a step, of the histories of a tree; tables of each depend on its own population.
Groups: TypeAlias = tuple[int, int]


def as_altruism(altruism: object, name: str = "altruism") -> float:
    """A weight in [0, 1]."""
    return check.as_float(altruism, name, low=0.0, high=1.0)


def refuse_altruism(altruism: float, where: str, instead: str) -> None:
    """Raise ValueError unless altruism is 0; `where` says with what it was given, `instead` what to do."""
    if altruism > 0:
        raise ValueError(f"altruism is {altruism:g} {where}; must be 0: {instead}")


def checked_altruism(altruism: object, others: object = None) -> float:
    """A weight in [0, 1]; `others` must be None without altruism."""
    if type(altruism) is not float or altruism != 0.0:
        altruism = as_altruism(altruism)
    if altruism == 0 and others is not None:
        raise ValueError("others is given with altruism=0; must be None: returns do not depend on it")
    return altruism


def asked_others(altruism: float, others: PolicyLike | None) -> PolicyLike:
    """The policy of all others along a flow that the caller gives."""
    if others is None:
        raise ValueError(f"others is None with altruism={altruism:g}; must be the policy that made flow")
    return others


def refuse_rounding(altruism: float, active: Active) -> None:
    """Raise ValueError if altruism is given with batches that are whole numbers by a function of mu: it has jumps."""
    if altruism > 0 and isinstance(active, ActingShares) and getattr(active.function, "n_agents", None) is not None:
        refuse_altruism(
            altruism, "with whole numbers of agents that depend on mu",
            "use Fraction(f), without n_agents, which has no jumps",
        )  # fmt: skip


def extra_of(
    altruism: float, model: Model, discount: float, policy: Policy, mu: FloatArray, active: Active,
    kept: Kept | None = None, groups: Groups | None = None,
) -> FloatArray | None:  # fmt: skip
    """The reward (T, S) that altruism adds at (t, o): its weight times E_t(o), at a policy's flow. None: nothing.

    With `groups` the game is a tree of histories, of which those beyond the ones of a step are copies.
    """
    if altruism == 0:
        return None
    refuse_rounding(altruism, active)
    found = np.empty((len(mu) - 1, mu.shape[1]))
    if groups is None or groups[1] == 1:
        externality.prices(model, policy, mu, active, discount, found, kept)
    else:
        width, branches = groups
        externality.prices(model, policy, mu, active, discount, found, kept, width)
        for t, row in enumerate(found):
            size = min(branches ** (t + 1) * width, mu.shape[1])
            row[:] = np.tile(row[:size], mu.shape[1] // size)
    found *= altruism
    return found


def extra_of_others(
    altruism: float, others: PolicyLike | None, game: Game, mu: FloatArray, active: Active
) -> FloatArray | None:
    """The same along a flow that the caller gives, of the policy `others`."""
    if altruism == 0:
        return None
    kernel = as_policy(asked_others(altruism, others), game, "others")
    return extra_of(altruism, game.model, game.discount, kernel, mu, active)
