"""The swarm: agents on a circle steer against noise, towards good places and away from each other."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._crowd_aversion import CrowdAversion
from tmfcore.games._shelf import SKEWED, Page, shelf

__all__ = ["swarm"]


@shelf(
    "A swarm on a circle: agents steer against noise, at a cost, towards the good side of the circle and away from "
    "each other. Its long run is known in closed form.",
    small={"n_places": 7, "actions": [-3.0, 0.0, 2.0], "horizon": 6, "initial": SKEWED},
    page=Page(
        "Agents start evenly spread and gather around place 5, the best one, where they are three times as dense as "
        "on average in the closed form, and here. Towards the end steering no longer pays, and they spread again.",
    ),
)  # fmt: skip
@fits_memory("n_places must be smaller, or actions fewer", asks=True)
def swarm(
    n_places: int = 20,
    *,
    actions: FloatsLike | None = None,
    delta: float | None = None,
    epsilon: float = 1e-9,
    horizon: float = 200,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Steer on a circle, dX = a dt + dW, against noise and in a crowd (the swarm of M3-UCRL, arXiv:2107.04050).

    Place x is the point y = x h of a circle of length 1, h = 1 / S. An action is a speed a, for a time d. It moves the
    agent to a neighbour, with the mean a d and the variance d of dX up to O(h^2):

        P(x +- 1 | x, a) = d (1 +- a h) / (2 h^2),   P(x | x, a) = 1 - d / h^2,   P0 = identity
        r0(x, mu) = dt d (phi(y) - log(S mu(x) + epsilon)),   r(x, a, mu) = r0(x, mu) - d a^2 / 2
        phi(y) = 2 pi^2 (sin 2 pi y - cos^2 2 pi y) + 2 sin 2 pi y

    A sweep lasts a time d: the rate of the rewards per unit of time is phi - log(S mu) - a^2 / 2.

    Parameters
    ----------
    n_places : int, optional
        S >= 3.
    actions : (A,) floats or None, optional
        Speeds a, at most S in size. None: -7, -6, ..., 7, cut to S in size.
    delta : float or None, optional
        d in (0, h^2]. None: 0.9 h^2.
    epsilon : float, optional
        >= 1e-300; bounds the reward of an empty place.
    initial : (S,) floats or None, optional
        mu_0. None: uniform.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        K = 3; observations "0", "1", ...; actions labelled by their speeds; name "swarm". Compiled, strictly monotone.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    Dynamics, phi and rewards are those of the paper's experiment, which has speeds up to 7 and steps of 1 / 100 with
    normal noise. The chain on places is ours: it tends to the same diffusion as S grows.

    In the long run (ours), for S -> infinity and every schedule,

        a(y) = 2 pi cos 2 pi y,   S mu(x) = exp(2 sin 2 pi y) / I0(2),   mean reward = log I0(2) = 0.82399

    per unit of time, with I0 the modified Bessel function. With the best speed at every place the chain of S = 50, 100,
    200, 400 places has the mean reward 0.80584, 0.81946, 0.82286, 0.82371. A common good changes nothing here: the
    derivative of sum mu log mu is log mu but for a constant, so that the equilibrium is also the optimum of the swarm
    as a whole.

    Examples
    --------
    >>> import numpy as np, tmfcore as tmf
    >>> game = tmf.games.swarm(12, discount=0.99)
    >>> found = tmf.solvers.Stationary(tolerance=1e-4).solve(game, tmf.Synchronous())
    >>> exact = np.exp(2 * np.sin(2 * np.pi * np.arange(12) / 12)) / np.i0(2) / 12
    >>> float(abs(found.flow.mu[0] - exact).sum()) < 0.1
    True
    """
    n = check.as_int(n_places, "n_places", low=3, high=2**31 - 1)
    if actions is None:
        speeds = np.unique(np.clip(np.arange(-7.0, 8.0), -n, n))
    else:
        speeds = check.as_float_array(actions, "actions", shape=(None,), letters="A", low=-n, high=n)
    needed: Needs = {"successors and rows": (17, n, len(speeds), 3), "vectors and labels": (150, n)}
    needs.ask(needed)
    lasts = 0.9 / n**2 if delta is None else check.as_float(delta, "delta", low=0.0, low_open=True, high=1 / n**2)
    floor = check.as_float(epsilon, "epsilon", low=1e-300)
    mu = _sweeps.start(initial, n, even=True)
    moving = min(lasts * n**2, 1.0)  # the probability to move
    down, up = (moving * (1 + way * speeds / n) / 2 for way in (-1, 1))
    rows = np.stack([down, np.full(len(speeds), 1 - moving), up], axis=-1)
    targets = (np.arange(n)[:, np.newaxis] + [-1, 0, 1]) % n
    worth = _worth(n) - np.log(n)
    labels = tuple(f"{a:g}" for a in speeds)

    def model(dt: float, n_steps: int) -> CrowdAversion:
        return CrowdAversion(
            np.broadcast_to(rows, (n, *rows.shape)), np.ones((n, 1)),
            np.broadcast_to(targets[:, np.newaxis], (n, *rows.shape)), np.arange(n)[:, np.newaxis],
            (dt * lasts * worth)[np.newaxis], np.broadcast_to(-lasts * speeds**2 / 2, (n, len(speeds))), np.ones(1),
            dt * lasts, floor / n,
        )  # fmt: skip

    return _sweeps.in_sweeps(
        partial(swarm, n_places=n, actions=None if actions is None else speeds, delta=delta, epsilon=floor),
        model, horizon, discount, initial, step, mu=mu, needed=needed,
        action_labels=labels if len(set(labels)) == len(labels) else None,
    )  # fmt: skip


def _worth(n: int) -> FloatArray:
    """The worth phi of the n places."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.asarray(2 * np.pi**2 * (np.sin(angle) - np.cos(angle) ** 2) + 2 * np.sin(angle))
