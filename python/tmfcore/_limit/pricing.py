"""Altruism: what agents do to all others, priced at a flow (Theory, section 14)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._limit import externality
from tmfcore._model.activation import ActingShares
from tmfcore._model.evaluator import Kept
from tmfcore._model.game import Game
from tmfcore._model.model import Model
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active

__all__ = ["as_altruism", "checked_altruism", "extra_of", "extra_of_others", "refuse_altruism", "refuse_rounding"]


def as_altruism(altruism: object, name: str = "altruism") -> float:
    """A weight in [0, 1]."""
    return check.as_float(altruism, name, low=0.0, high=1.0)


def refuse_altruism(altruism: float, where: str, instead: str) -> None:
    """Raise ValueError unless altruism is 0; `where` says with what it was given, `instead` what to do."""
    if altruism > 0:
        raise ValueError(f"altruism is {altruism:g} {where}; must be 0: {instead}")


def checked_altruism(altruism: object, clock: object, game: Any, schedule: object, others: object = None) -> float:
    """A weight in [0, 1], which must be 0 on the clock "always", with random noise, and under Poisson clocks."""
    if type(altruism) is not float or altruism != 0.0:
        altruism = as_altruism(altruism)
    if altruism == 0:
        if others is not None:
            raise ValueError("others is given with altruism=0; must be None: returns do not depend on it")
    else:
        if clock == "always":
            refuse_altruism(altruism, "with clock='always'", "welfare counts agents that act by the schedule")
        if isinstance(schedule, Poisson):
            refuse_altruism(altruism, "under Poisson clocks", "play Bernoulli(p) with a small p, whose limit they are")
        if isinstance(game, Game) and game._first is not None:
            refuse_altruism(altruism, "with random noise", "fix a path of the noise, game.on(path)")
    return altruism


def refuse_rounding(altruism: float, active: Active) -> None:
    """Raise ValueError if altruism is given with batches that are whole numbers by a function of mu: it has jumps."""
    if altruism > 0 and isinstance(active, ActingShares) and getattr(active.function, "n_agents", None) is not None:
        refuse_altruism(
            altruism, "with whole numbers of agents that depend on mu",
            "use Fraction(f), without n_agents, which has no jumps",
        )  # fmt: skip


def extra_of(
    altruism: float, model: Model, discount: float, policy: Policy, mu: FloatArray, active: Active,
    kept: Kept | None = None,
) -> FloatArray | None:  # fmt: skip
    """The reward (T, S) that altruism adds at (t, o): its weight times E_t(o), at a policy's flow. None: nothing."""
    if altruism == 0:
        return None
    refuse_rounding(altruism, active)
    found = np.empty((len(mu) - 1, mu.shape[1]))
    externality.prices(model, policy, mu, active, discount, found, kept)
    found *= altruism
    return found


def extra_of_others(
    altruism: float, others: PolicyLike | None, game: Game, mu: FloatArray, active: Active
) -> FloatArray | None:
    """The same along a flow that the caller gives, of the policy `others`."""
    if altruism == 0:
        return None
    if others is None:
        raise ValueError(f"others is None with altruism={altruism:g}; must be the policy that made flow")
    return extra_of(altruism, game.model, game.discount, as_policy(others, game, "others"), mu, active)
