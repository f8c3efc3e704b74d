"""The beach bar: lie near the bar, but not where everybody lies; the wind carries towels away."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore import _validation as check
from tmfcore._games import BeachBar
from tmfcore.game import Game
from tmfcore.games import _sweeps

__all__ = ["beach_bar"]


def beach_bar(
    n_places: int = 100,
    bar: int | None = None,
    *,
    attraction: object = None,
    wind: object = (0.25, 0.5, 0.25),
    crowding: float = 1.0,
    epsilon: float = 1e-6,
    moving_cost: float | None = None,
    wrap: bool = True,
    horizon: float = 20,
    discount: float = 1.0,
    initial: object = None,
    step: float = 1.0,
) -> Game:
    """S places on a beach, with a bar at one of them (Perrin et al., arXiv:2007.03458).

    Action a = 0, 1, 2 moves by -1, 0, 1; the wind then shifts who moved or meant to stay by e = -1, 0, 1.

        r0(x, mu) = dt (attraction(x) - c log(mu(x) + epsilon)),   r(x, a, mu) = r0(x, mu) - k 1{a != 1}
        P(x + a - 1 + e | x, a) += wind(e),                        P0 = identity

    Parameters
    ----------
    n_places : int, optional
        S >= 2.
    bar : int or None, optional
        Place of the bar. None: S // 2.
    attraction : (S,) floats or None, optional
        What a place is worth, per sweep. None: 1 - |x - bar| / (S // 2).
    wind : (3,) floats, optional
        Probabilities of a shift by -1, 0 and 1.
    crowding : float, optional
        c >= 0. Strictly monotone where > 0.
    epsilon : float, optional
        >= 1e-300; bounds the reward of an empty place.
    moving_cost : float or None, optional
        k >= 0, per move. None: 1 / S.
    wrap : bool, optional
        True: a circle. False: moves and shifts together stop at both ends.
    horizon : float, optional
        T in sweeps; the game lasts round(T / step) steps.
    discount : float, optional
        gamma in [0, 1] per sweep; gamma**step per step.
    initial : (S,) floats or None, optional
        mu_0. None: uniform.
    step : float, optional
        dt in (0, 1], the share of a sweep (every agent acts once, on average) that one step lasts. B of N
        agents acting a step with dt = B / N plays the same game, over the same time, whatever B.

    Returns
    -------
    Game
        A = 3, K = 3; observations "0", "1", ...; actions "left", "stay", "right"; name "beach_bar". Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    The reward of OpenSpiel's mfg_crowd_modelling is that of wind=(1/3, 1/3, 1/3), epsilon=1e-25, where a move is
    paid for one step later. MFGLib's beach_bar is that of wrap=False and attraction(x) = -min((x - bar) mod S,
    (bar - x) mod S), with epsilon=1e-20; its T counts from 0 to T, so that T there is T - 1.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.beach_bar(10, horizon=5)
    Game('beach_bar', S=10, A=3, T=5, discount=1)
    """
    n = check.as_int(n_places, "n_places", low=2)
    place = n // 2 if bar is None else check.as_int(bar, "bar", low=0, high=n - 1)
    if attraction is None:
        worth = 1.0 - np.abs(np.arange(n) - place) / (n // 2)
    else:
        worth = check.as_float_array(attraction, "attraction", shape=(n,), letters="S")
    shifts = check.as_probabilities(wind, "wind", shape=(3,))
    crowd = check.as_float(crowding, "crowding", low=0.0)
    floor = check.as_float(epsilon, "epsilon", low=1e-300)
    cost = 1.0 / n if moving_cost is None else check.as_float(moving_cost, "moving_cost", low=0.0)
    circle = check.as_bool(wrap, "wrap")
    dt = _sweeps.step_length(step)
    if initial is None:
        mu = np.full(n, 1.0 / n)
    else:
        mu = check.as_probabilities(initial, "initial", shape=(n,), letters="S")
    n_steps, gamma = _sweeps.steps_and_discount(horizon, discount, dt)
    recipe = partial(
        beach_bar, n, place, attraction=worth, wind=shifts, crowding=crowd, epsilon=floor, moving_cost=cost,
        wrap=circle, horizon=horizon, discount=discount, initial=mu, step=dt,
    )  # fmt: skip
    return Game._trusted(
        BeachBar(worth, shifts, crowd, floor, cost, dt, circle),
        n_steps,
        gamma,
        mu,
        name="beach_bar",
        action_labels=("left", "stay", "right"),
        step=dt,
        recipe=recipe,
    )
