"""Robotics: robots that are idle, in transit or at work, where each slows down the others."""

from __future__ import annotations

from functools import partial

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._robotics import Robotics
from tmfcore.games._shelf import Page, shelf

__all__ = ["robotics"]


@shelf(
    "Robots are idle, in transit or at work. Work earns most, but robots at work slow down all others, and the more "
    "work the fewer get there.",
    small={"worth": [4.0, 2.5, 9.0], "congestion": 1.5, "horizon": 6, "initial": [0.5, 0.2, 0.3]},
    page=Page(
        "A third of the robots each are idle, in transit and at work at first. At once most become idle, and 8% work: "
        "so many that it makes no difference which of both a robot is. At the last step a wish has no effect.",
    ),
)  # fmt: skip
def robotics(
    worth: FloatsLike = (10.0, 5.0, 20.0),
    *,
    costs: FloatsLike = (0.0, 0.0, 5.0),
    congestion: float = 5.0,
    least_share: float = 0.4,
    success: float = 0.9,
    slowdown: float = 0.8,
    least_success: float = 0.1,
    horizon: int = 100,
    discount: float = 0.95,
    initial: FloatsLike | None = None,
) -> Game:
    """Be idle, in transit or at work (the robotics game of graphon mean-field subsampling, arXiv:2602.16196).

    Observations are 0 idle, 1 in transit and 2 at work; an action is the wish to be at one of them. With the share g =
    mu(2) of robots at work,

        P(2 | o, 2, mu) = max(p_0, p - s g),   P(1 | o, 2, mu) = 1 - P(2 | o, 2, mu)
        P(a | o, a) = p,   P(o | o, a) = 1 - p   for a < 2,   P0 = identity
        r0(o, mu) = b(o) max(f, 1 - c g),   r(o, a, mu) = r0(o, mu) - k(a)

    Parameters
    ----------
    worth : (3,) floats, optional
        b, per step, by observation, where nobody works.
    costs : (3,) floats, optional
        k, by action.
    congestion : float, optional
        c >= 0.
    least_share : float, optional
        f, of worth that is left in any crowd.
    success, slowdown, least_success : float, optional
        p and p_0 in [0, 1], and s >= 0.
    horizon : int, optional
        T in steps; a step takes the same time under every schedule.
    discount : float, optional
        gamma in [0, 1], per step.
    initial : (3,) floats or None, optional
        mu_0. None: uniform.

    Returns
    -------
    Game
        S = A = 3, K = 2; observations and actions "idle", "transit", "work"; name "robotics". Compiled; rewards and
        rows depend on mu(2).

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    Rows, rewards and defaults are those of the paper's code (SarahLiaw/graphon-marl), where robots stand at positions,
    g is the share at work among a robot's neighbours (`games.graphon`), and robots see samples of these
    (`SampledPolicy`). There all robots act at every step; what robots earn that do not act is ours.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.robotics()
    >>> game.tables([0.5, 0.0, 0.5]).transition[0, 2]
    array([0. , 0.5, 0.5])
    """
    value = check.as_float_array(worth, "worth", shape=(3,), letters="3")
    cost = check.as_float_array(costs, "costs", shape=(3,), letters="3")
    crowd = check.as_float(congestion, "congestion", low=0.0)
    floor = check.as_float(least_share, "least_share")
    chance = check.as_float(success, "success", low=0.0, high=1.0)
    slower = check.as_float(slowdown, "slowdown", low=0.0)
    least = check.as_float(least_success, "least_success", low=0.0, high=1.0)
    mu = _sweeps.start(initial, 3, even=True)
    steps = check.as_positive_int(horizon, "horizon")
    gamma = check.as_float(discount, "discount", low=0.0, high=1.0)
    names = ("idle", "transit", "work")
    return Game._trusted(
        Robotics(value, cost, crowd, floor, chance, slower, least), steps, gamma, mu,
        name="robotics", observation_labels=names, action_labels=names,
        recipe=partial(
            robotics, worth=value, costs=cost, congestion=crowd, least_share=floor, success=chance, slowdown=slower,
            least_success=least, horizon=steps, discount=gamma, initial=None if initial is None else mu,
        ),
    )  # fmt: skip
