"""Demand: agents take more or less of a common capacity, whose overload harms all."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._limit.sizes import Needs
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._demand import Levels
from tmfcore.games._shelf import Page, shelf

__all__ = ["demand"]


@shelf(
    "Agents demand more or less of a common capacity; overload harms everybody, and each agent weighs its own benefit "
    "against that of the group.",
    small={"n_levels": 4, "social_weight": 0.3, "horizon": 6, "initial": [0.4, 0.3, 0.2, 0.1]},
    page=Page(
        "All agents end at the largest demand, where each earns -1 per sweep, although each would earn 0.5 if demands "
        "were half as large: in a large group an agent's own demand adds nothing to the overload that it feels. The "
        "last change has no effect on the return, and is random.",
    ),
)  # fmt: skip
@fits_memory("n_levels must be smaller", asks=True)
def demand(
    n_levels: int = 6,
    *,
    capacity: float = 0.5,
    severity: float = 4.0,
    social_weight: float = 0.0,
    horizon: float = 20,
    discount: float = 0.95,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Choose one of S demands on a common capacity, with a weight on the welfare of the group (ours).

    Observation o is the demand d(o) = o / (S - 1), per sweep; action a changes it to d(a). With D the mean demand,

        u(o, mu) = d(o) - s max(D - C, 0),   D = sum_o mu(o) d(o)
        r0(o, mu) = r(o, a, mu) = dt ((1 - l) u(o, mu) + l sum_y mu(y) u(y, mu)),   P(a | o, a) = 1,   P0 = identity

    Socially weighted alignment (arXiv:2602.14471) weighs private objectives and group welfare in this way. It has, for
    n agents and severity s, the threshold

        l* = (n - s) / (n - 1)

    above which no agent gains by raising its demand in overload. The paper's own game was not at hand; this one, which
    has this threshold for 1 < s < n, is ours. One of n agents that raises its demand by x raises D by x / n, and its
    reward in overload by x ((1 - l) (1 - s / n) + l (1 - s) / n), which is 0 at l*.

    Parameters
    ----------
    n_levels : int, optional
        S >= 2.
    capacity : float, optional
        C, the mean demand that harms nobody, in [0, 1].
    severity : float, optional
        s >= 0. If s > 1, the group is best off at D = C.
    social_weight : float, optional
        l in [0, 1].
    initial : (S,) floats or None, optional
        mu_0. None: uniform.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = A, K = 1; observations and actions are labelled by their demands; name "demand". Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    As n grows, l* tends to 1: a mean of the welfare of all loses its effect, since one agent hardly changes it. In the
    mean-field limit everybody demands 1 for every l < 1. The weight that keeps its effect there is `altruism` of the
    solvers, which counts what an agent does to all others together: its threshold is 1 / s (ours), above which D = C.

    Examples
    --------
    What one of n agents at the demand C would gain by the next larger one: below l* something, above nothing.

    >>> import numpy as np, tmfcore as tmf
    >>> n, severity = 20, 4.0
    >>> threshold = (n - severity) / (n - 1)
    >>> for weight in (threshold - 0.02, threshold + 0.02):
    ...     game = tmf.games.demand(11, severity=severity, social_weight=weight).at(step=1)
    ...     mu = np.eye(11)[5]
    ...     more = mu + (np.eye(11)[6] - mu) / n
    ...     print(f"{weight:.3f}: {game.tables(more)[2][6] - game.tables(mu)[2][5]:+.4f}")
    0.822: +0.0019
    0.862: -0.0019
    """
    n = check.as_int(n_levels, "n_levels", low=2, high=2**31 - 1)
    needed: Needs = {"successors and rows": (13, n, n), "vectors and labels": (200, n)}
    needs.ask(needed)
    room = check.as_float(capacity, "capacity", low=0.0, high=1.0)
    harm = check.as_float(severity, "severity", low=0.0)
    weight = check.as_float(social_weight, "social_weight", low=0.0, high=1.0)
    mu = _sweeps.start(initial, n, even=True)
    levels = np.arange(n) / (n - 1)
    labels = tuple(f"{level:.6g}" for level in levels)
    if len(set(labels)) < n:
        labels = tuple(map(str, range(n)))
    return _sweeps.in_sweeps(
        partial(demand, n_levels=n, capacity=room, severity=harm, social_weight=weight),
        lambda dt, n_steps: Levels(levels, room, harm, weight, dt), horizon, discount, initial, step, mu=mu,
        needed=needed, observation_labels=labels, action_labels=labels,
    )  # fmt: skip
