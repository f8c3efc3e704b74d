"""Left or right: the smallest congestion game."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._affine import Affine
from tmfcore.games._shelf import Page, shelf

__all__ = ["left_right"]


@shelf(
    "Two sides of a street: the more agents are on a side, the more it costs, and one side costs twice as much.",
    small={},
    page=Page(
        "Two thirds go left, where a crowd costs half as much as on the right. The second and last move has no effect "
        "on the return, and is random.",
    ),
)  # fmt: skip
def left_right(
    costs: FloatsLike = (1.0, 2.0),
    *,
    horizon: float = 2,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Go left or right; the more agents are on a side, the more it costs (Cui and Koeppl, arXiv:2102.01585, LR).

    Observation 0 is the start, j = 1, 2 are left and right; action a leads to a + 1 from anywhere.

        r0(0, mu) = 0,   r0(j, mu) = -dt c_j mu(j),   r(o, a, mu) = r0(o, mu),   P(a + 1 | o, a) = 1,   P0 = identity

    Agents that do not act stay, and pay the cost of their side.

    Parameters
    ----------
    costs : (2,) floats, optional
        c_1 and c_2 of the two sides, per sweep.
    initial : (3,) floats or None, optional
        mu_0. None: all at the start.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = 3, A = 2, K = 1; observations "start", "left", "right"; actions "left", "right"; name "left_right".
        Compiled; strictly monotone if both costs are > 0.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    MFGLib's left_right has these defaults (its T = 1 means the steps 0 and 1: two steps). With horizon 2, if all agents
    act, only the choice at the first step matters: in equilibrium c_2 / (c_1 + c_2) of the agents go left, 2/3 by
    default, and each pays c_1 c_2 / (c_1 + c_2). The last choice has no effect.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.left_right()
    >>> found = tmf.solve(game, tmf.Synchronous(), tolerance=1e-6)
    >>> print(found.flow.mu[1].round(2))
    [0.   0.67 0.33]
    """
    cost = check.as_float_array(costs, "costs", shape=(2,))
    mu = _sweeps.start(initial, 3)
    crowd = -np.diag([0.0, *cost])

    def model(dt: float, n_steps: int) -> Affine:
        return Affine(
            np.zeros((3, 2)), dt * crowd[:, None, :].repeat(2, axis=1), np.ones((3, 2, 1)), None,
            np.zeros(3), dt * crowd, None, None, np.broadcast_to([[1], [2]], (3, 2, 1)),
        )  # fmt: skip

    return _sweeps.in_sweeps(
        partial(left_right, costs=cost), model, horizon, discount, initial, step, mu=mu,
        observation_labels=("start", "left", "right"), action_labels=("left", "right"),
    )  # fmt: skip
