"""Resource selection: hold one of M resources, or switch; the more agents hold one, the less it pays."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import partial

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._queues import ResourceSelection
from tmfcore.games._shelf import Page, shelf

__all__ = ["resource_selection", "wardrop"]


@shelf(
    "Agents hold one of several resources, such as roads, channels or shops: the more agents hold a resource, the less "
    "it pays. Switching can cost.",
    small={
        "worth": [1.0, 0.8, 0.6, 0.4], "congestion": [1.0, 0.5, 2.0, 1.5], "switching_cost": 0.1, "power": 1.7,
        "horizon": 7, "initial": [0.1, 0.2, 0.3, 0.4],
    },
    page=Page(
        "All agents start at the best of four resources; agents leave it until the three best pay the same. The fourth "
        "pays less even when it is empty. The last moves have no effect on the return, and are random.",
        options="--batch 100",
    ),
)  # fmt: skip
@fits_memory("worth must be shorter", asks=True)
def resource_selection(
    worth: FloatsLike = (1.0, 0.8, 0.6, 0.4),
    *,
    congestion: FloatsLike = 1.0,
    switching_cost: float = 0.0,
    power: float = 1.0,
    horizon: float = 20,
    discount: float = 0.95,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """M resources: hold one, or switch to another (Theory, section 8).

        r0(o, mu) = dt (v_o - c_o mu(o)^p),   r(o, a, mu) = r0(o, mu) - k 1{a != o}
        P(. | o, a) = delta_a,                P0 = identity

    Parameters
    ----------
    worth : (M,) floats, optional
        v_o, reward rate of an empty resource, per sweep.
    congestion : (M,) floats or one number, optional
        c_o >= 0, reward rate lost if all agents are there, per sweep. The game is strictly monotone if all are > 0.
    switching_cost : float, optional
        k >= 0, per switch.
    power : float, optional
        p > 0.
    initial : (M,) floats or None, optional
        mu_0. None: all agents at the first resource.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = A = M; labels "resource 1", "resource 2", ...; name "resource_selection". Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.resource_selection([1, 0.8, 0.6, 0.4], congestion=1, step=0.1)
    Game('resource_selection', S=4, A=4, T=20 sweeps, discount=0.95, step=0.1)
    """
    value = check.as_float_array(worth, "worth", shape=(None,), letters="M")
    crowding = _sweeps.vector(congestion, "congestion", len(value), "M", low=0.0, low_open=False)
    needed = {"successors": (8, len(value), len(value))}
    needs.ask(needed)
    cost = check.as_float(switching_cost, "switching_cost", low=0.0)
    exponent = check.as_float(power, "power", low=0.0, low_open=True)
    mu = _sweeps.start(initial, len(value))
    labels = tuple(f"resource {o + 1}" for o in range(len(value)))
    return _sweeps.in_sweeps(
        partial(resource_selection, worth=value, congestion=crowding, switching_cost=cost, power=exponent),
        lambda dt, n_steps: ResourceSelection(value, crowding, cost, exponent, dt),
        horizon, discount, initial, step, mu=mu, needed=needed,
        observation_labels=labels, action_labels=labels,
    )  # fmt: skip


def wardrop(worth: FloatsLike, *, congestion: FloatsLike, power: float = 1.0) -> FloatArray:
    """The Wardrop (water-filling) equilibrium of resource selection, to which play with free switching (k = 0) leads.

    v_o - c_o mu(o)^p = lambda on the support of mu, <= lambda off it (Wardrop 1952; Theory, section 8).

    Parameters
    ----------
    worth : (M,) floats
        v_o.
    congestion : (M,) floats or one number
        c_o > 0.
    power : float, optional
        p > 0.

    Returns
    -------
    (M,) float64
        mu, unique. Sums to 1 up to rounding.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    O(M log M) to find the support; then lambda in closed form for p = 1, else by bisection at O(M) per iteration.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.wardrop([1, 0.8, 0.6, 0.4], congestion=1).round(3)
    array([0.533, 0.333, 0.133, 0.   ])
    """
    v = check.as_float_array(worth, "worth", shape=(None,), letters="M")
    c = _sweeps.vector(congestion, "congestion", len(v), "M", low=1e-100, low_open=False)
    p = check.as_float(power, "power", low=0.0, low_open=True)
    order = np.argsort(-v, kind="stable")
    c, gap = c[order], (v.max() - v)[order]  # gap: difference to the best worth, ascending

    def shares(above: FloatArray, extra: float) -> FloatArray:
        """Shares of the best resources if congestion costs `above + extra` at each; at most 1."""
        return np.minimum((above + extra) / c[: len(above)], 1.0) ** (1 / p)

    # Resource k is used if filling the better ones down to its level takes less than all agents. Levels are measured
    # from that of the last resource used, so that a small share of it loses no digits.
    full = bisect_left(range(1, len(v)), True, key=lambda k: bool(shares(gap[k] - gap[:k], 0.0).sum() >= 1))
    above = gap[full] - gap[: full + 1]
    if p == 1:
        extra = float((1 - (above / c[: full + 1]).sum()) / (1 / c[: full + 1]).sum())
    else:
        extra = _bisected(lambda x: float(shares(above, x).sum()), float((c[: full + 1] - above).min()))
    mu = np.zeros(len(v))
    mu[order[: full + 1]] = shares(above, extra)
    mu /= mu.sum()  # corrects rounding only
    return mu


def _bisected(total: Callable[[float], float], high: float) -> float:
    """The x in [0, high] at which an increasing total reaches 1, to the last bit."""
    low = 0.0
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            return high
        low, high = (middle, high) if total(middle) < 1 else (low, middle)
