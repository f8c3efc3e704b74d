"""Linear-quadratic games: agents stay near the mean position of the population, and steering has a cost."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias, get_args

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._linear_quadratic import LinearQuadratic
from tmfcore.games._shelf import SKEWED, Page, shelf

__all__ = ["linear_quadratic"]

Rounding: TypeAlias = Literal["linear", "nearest", "nearest position"]  # as the kernel numbers them


@shelf(
    "Fish in a school: each agent wants to be at the mean position of all, steering costs, and positions are noisy.",
    small={"n_positions": 7, "actions": [-2.0, 0.0, 1.0], "horizon": 4, "volatility": 2.0, "initial": SKEWED},
    page=Page(
        "Agents start evenly spread on the line and come to its middle, against noise. They steer most near the end of "
        "the game, when distance costs most.",
    ),
)  # fmt: skip
@fits_memory("n_positions, volatility or mean_reversion must be smaller, or spacing larger", asks=True)
def linear_quadratic(
    n_positions: int = 21,
    *,
    actions: FloatsLike | None = None,
    spacing: float = 1.0,
    delta: float = 0.1,
    volatility: float = 1.0,
    noise: FloatsLike | None = None,
    mean_reversion: float = 1.0,
    cross: float = 0.01,
    kappa: float = 0.5,
    terminal_cost: float = 1.0,
    rounding: Rounding = "linear",
    wrap: bool = False,
    horizon: float = 20,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Agents on a line steer to the mean of the population (Carmona, Fouque, Sun 2015; arXiv:2007.03458, 4.1).

    The dynamics are dX = (K (m - X) + a) dt + sigma dW, and the costs a^2 / 2 - q a (m - X) + kappa (m - X)^2 / 2, with
    c (m - X)^2 / 2 at the end. Positions are h apart, a sweep lasts a time delta, and a step is a share s of a sweep.
    An acting agent moves and pays for a whole sweep; drift and noise act on all agents, acting or not:

        x' = x + a delta + s K (m - x) delta + e   acting,   x' = x + s K (m - x) delta + e   passive,
        r0(x, mu) = -s delta kappa (m - x)^2 / 2,   r(x, a, mu) = r0 + delta (-a^2 / 2 + q a (m - x))
        in the last step, which has the terminal cost only:   r = r0 = -c (m - x)^2 / 2

    Here m is the mean of mu_t, and e a shift by the noise with probability s, else 0. `rounding` brings x' to the grid.

    Parameters
    ----------
    n_positions : int, optional
        S >= 2.
    actions : (A,) floats or None, optional
        Speeds a. None: -3, -2, ..., 3 times spacing.
    spacing : float, optional
        h > 0.
    delta : float, optional
        Duration of a sweep, > 0.
    volatility : float, optional
        sigma >= 0.
    noise : (2, J) floats or None, optional
        Shifts and their probabilities. None: sigma sqrt(delta) j with probability proportional to exp(-j^2 / 2),
        j = -3, ..., 3.
    mean_reversion : float, optional
        K >= 0.
    cross : float, optional
        q, at most 1e100 in size.
    kappa, terminal_cost : float, optional
        kappa, c >= 0.
    rounding : {"linear", "nearest", "nearest position"}, optional
        "linear": the mass is split between the two positions around x', which keeps its mean; continuous in mu.
        "nearest": displacements are rounded to the nearest whole number of positions, ties to even; discontinuous in mu
        if K > 0. "nearest position": x' is rounded to the nearest position, ties to the even one counted from
        (S - 1) // 2.
    wrap : bool, optional
        True: a ring; m and m - x are computed from the numbers of the positions. False: agents stop at both ends.
    initial : (S,) floats or None, optional
        mu_0. None: uniform.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game. The last step
        comes after the horizon.

    Returns
    -------
    Game
        S positions "0", "1", ..., A actions labelled by their speeds; name "linear_quadratic". Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    In continuous time and space the equilibrium is a = (q + eta_t) (m - x), with eta' = 2 (K + q) eta + eta^2 -
    (kappa - q^2) and eta = c at the end (Carmona, Fouque, Sun 2015), and m is constant. The reward is not monotone:
    agents attract each other.

    MFGLib's linear_quadratic(T, el, m, sigma, delta, k, q, kappa, c_term) is S = 2 el + 1, actions -m..m,
    horizon=T, mean_reversion=k, rounding="nearest position", and shifts sigma^2 sqrt(delta) j with
    probabilities proportional to exp(-(sigma j)^2 / 2), j = -3..3. It uses single precision, so that the
    rounding of m breaks ties where m is not 0.

    OpenSpiel's mean_field_lin_quad is wrap=True, S = size, actions -n..n, delta = dt, horizon = its horizon /
    dt - 1, rounding="nearest", terminal_cost = dt kappa, and shifts round(volatility sqrt(dt) j) with the
    normal probabilities of (j - 1/2, j + 1/2), tails included, j = -n..n. There the cost of an action is part of the
    reward of the next step, and q a (m - x) is computed then; the last action and its terminal cost are never paid,
    since the game ends before. The returns of any policy are the same for q = 0; otherwise its reward is not a function
    of (o, a, mu_t).

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.linear_quadratic()
    Game('linear_quadratic', S=21, A=7, T=20 sweeps, discount=1)
    """
    n = check.as_int(n_positions, "n_positions", low=2, high=2**31 - 1)
    h = check.as_float(spacing, "spacing", low=1e-100, high=1e100)
    speeds: FloatArray
    if actions is None:
        speeds = np.arange(-3.0, 4.0) * h
    else:
        speeds = check.as_float_array(actions, "actions", shape=(None,), letters="A")
    lasts = check.as_float(delta, "delta", low=0.0, low_open=True)
    sigma = check.as_float(volatility, "volatility", low=0.0)
    pull = check.as_float(mean_reversion, "mean_reversion", low=0.0)
    q = check.as_float(cross, "cross", low=-1e100, high=1e100)
    lag = check.as_float(kappa, "kappa", low=0.0)
    end = check.as_float(terminal_cost, "terminal_cost", low=0.0)
    manner = get_args(Rounding).index(check.as_choice(rounding, "rounding", Rounding))
    ring = check.as_bool(wrap, "wrap")
    mu = _sweeps.start(initial, n, even=True)
    if noise is not None:
        given = check.as_float_array(noise, "noise", shape=(2, None), letters="2, J")
        shifts, chances = given[0], check.as_probabilities(given[1], "noise[1]", shape=(None,), letters="J")
    elif sigma == 0:
        shifts, chances = np.zeros(1), np.ones(1)
    else:
        j = np.arange(-3.0, 4.0)
        shifts, chances = sigma * np.sqrt(lasts) * j, np.exp(-(j**2) / 2)
        chances /= chances.sum()
    # Successors of a row: displacements by the noise, and to the mean wherever it is.
    width = min(float(n), pull * lasts * (n - 1) + float(np.ptp(shifts)) / h + 3)
    needed: Needs = {"bounds of rows": (64, n, len(speeds) + 1), "vectors and labels": (150, n)}
    if width < n:  # else rows are dense, and have none
        needed["successors"] = (20, n, len(speeds) + 1, int(width))
    needs.ask(needed)
    labels = tuple(f"{a:g}" for a in speeds)

    def model(dt: float, n_steps: int) -> LinearQuadratic:
        struck, odds = (shifts, chances) if dt == 1 else (np.append(shifts, 0.0), np.append(chances * dt, 1.0 - dt))
        return LinearQuadratic(
            n, n_steps + 1, speeds / h, pull * dt, lasts, struck / h, odds, -0.5 * lasts * speeds**2,
            lasts * q * speeds * h, 0.5 * lag * lasts * dt * h**2, 0.5 * end * h**2, manner, ring,
        )  # fmt: skip

    made = partial(
        linear_quadratic, n_positions=n, actions=speeds, spacing=h, delta=lasts, volatility=sigma,
        noise=np.stack([shifts, chances]), mean_reversion=pull, cross=q, kappa=lag, terminal_cost=end,
        rounding=rounding, wrap=ring,
    )  # fmt: skip
    return _sweeps.in_sweeps(
        made, model, horizon, discount, initial, step, mu=mu, needed=needed, last=1,
        action_labels=labels if len(set(labels)) == len(labels) else None,
    )  # fmt: skip
