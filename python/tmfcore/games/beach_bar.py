"""The beach bar: places near the bar are worth most, crowded places less; wind shifts people."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.options import required
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._crowd_aversion import CrowdAversion
from tmfcore.games._shelf import SKEWED, Page, shelf
from tmfcore.games.crowd_aversion import again, by_time, spread, worth_by_time

__all__ = ["beach_bar"]


@shelf(
    "People on a beach: places near the bar are worth most, crowded places less, and wind shifts people that act.",
    small={"n_places": 7, "horizon": 6, "noise": [0.2, 0.5, 0.3], "initial": SKEWED},
    page=Page("People start evenly spread and gather around the bar at place 50; density is highest at the bar."),
)  # fmt: skip
@fits_memory("n_places must be smaller", asks=True)
def beach_bar(
    n_places: int = 100,
    *,
    bar: int | None = None,
    worth: FloatsLike | None = None,
    noise: FloatsLike = (0.25, 0.5, 0.25),
    congestion: float = 1.0,
    epsilon: float = 1e-6,
    moving_cost: FloatsLike | None = None,
    wrap: bool = True,
    horizon: float = 20,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """S places on a beach, with a bar at one of them (Perrin et al., arXiv:2007.03458).

    Action a = 0, 1, 2 moves by -1, 0, 1; noise (the wind) then shifts the acting agent by e = -1, 0, 1.

        r0_t(x, mu) = dt (worth_t(x) - c log(mu(x) + epsilon)),   r_t(x, a, mu) = r0_t(x, mu) - k_t 1{a != 1}
        P(x + a - 1 + e | x, a) += noise(e),                        P0 = identity

    Parameters
    ----------
    n_places : int, optional
        S >= 2.
    bar : int or None, optional
        Place of the bar; not with `worth`. None: S // 2.
    worth : (S,) or (L, S) floats or None, optional
        Reward of an empty place, per sweep; L rows are spread evenly over the horizon. None: 1 - |x - bar| / (S // 2).
    noise : (3,) floats, optional
        Probabilities of a shift by -1, 0 and 1.
    congestion : float, optional
        c >= 0. The game is strictly monotone if c > 0.
    epsilon : float, optional
        >= 1e-300; bounds the reward of an empty place.
    moving_cost : float or (L,) floats or None, optional
        k >= 0, per move; L values are spread evenly over the horizon. None: 1 / S.
    wrap : bool, optional
        True: the places form a circle. False: the sum of move and shift stops at both ends.
    initial : (S,) floats or None, optional
        mu_0. None: uniform.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

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
    OpenSpiel's mfg_crowd_modelling(size=n, horizon=H) is n_places=n, horizon=H, noise=(1/3, 1/3, 1/3),
    epsilon=1e-25 with moving_cost = (1/n, ..., 1/n, 0): there the cost of a move is part of the reward of the next
    step, so that the last move is free; the returns of any policy are the same. MFGLib's beach_bar is wrap=False and
    worth(x) = -min((x - bar) mod S, (bar - x) mod S), with epsilon=1e-20; its steps are 0 to T, so that its T is the
    T here minus 1.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.beach_bar(10, horizon=5)
    Game('beach_bar', S=10, A=3, T=5 sweeps, discount=1)
    """
    n = check.as_int(n_places, "n_places", low=2)
    needed = {"successors and rows": (44, n, 3, 3)}
    needs.ask(needed)
    required("bar", bar, "worth", worth, (None,))
    place = n // 2 if bar is None else check.as_int(bar, "bar", low=0, high=n - 1)
    if worth is None:
        worths = (1.0 - np.abs(np.arange(n) - place) / (n // 2))[np.newaxis]
    else:
        worths = worth_by_time(worth, "worth", n)
    shifts = check.as_probabilities(noise, "noise", shape=(3,))
    crowd = check.as_float(congestion, "congestion", low=0.0)
    floor = check.as_float(epsilon, "epsilon", low=1e-300)
    costs = by_time(1.0 / n if moving_cost is None else moving_cost, "moving_cost", low=0.0)
    circle = check.as_bool(wrap, "wrap")
    mu = _sweeps.start(initial, n, even=True)
    targets = np.arange(n)[:, np.newaxis, np.newaxis] + np.arange(-1, 2)[:, np.newaxis] + np.arange(-1, 2)

    def model(dt: float, n_steps: int) -> CrowdAversion:
        return CrowdAversion(
            np.broadcast_to(shifts, (n, 3, 3)), np.ones((n, 1)),
            targets % n if circle else np.clip(targets, 0, n - 1), np.arange(n)[:, np.newaxis],
            spread(worths, n_steps) * dt, np.broadcast_to([-1.0, 0.0, -1.0], (n, 3)), spread(costs, n_steps),
            crowd * dt, floor,
        )  # fmt: skip

    made = partial(
        beach_bar, n_places=n, bar=place if worth is None else None, worth=again(worth, worths), noise=shifts,
        congestion=crowd, epsilon=floor, moving_cost=again(moving_cost, costs), wrap=circle,
    )  # fmt: skip
    return _sweeps.in_sweeps(
        made, model, horizon, discount, initial, step, mu=mu, needed=needed, action_labels=("left", "stay", "right")
    )
