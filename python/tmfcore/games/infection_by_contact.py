"""An epidemic in which an agent that acts meets one other agent: SIS, SIR and SIRS, with transitions affine in mu."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._affine import Affine
from tmfcore.games._shelf import Page, shelf

__all__ = ["infection_by_contact"]


@shelf(
    "An epidemic that spreads by meetings: an agent that goes out meets another one, who may infect it; with or "
    "without immunity after the illness.",
    small={
        "infection": 0.7, "recovery": 0.4, "immunity_loss": 0.2, "horizon": 6, "initial": [0.5, 0.3, 0.2],
    },
    page=Page(
        "A tenth of all agents are infected at first. Their share rises until the risk of a meeting is worth the cost "
        "of keeping away, and stays near this value. Towards the end there is less to protect, and infections rise "
        "again.",
        options="--batch 100",
    ),
)  # fmt: skip
def infection_by_contact(
    infection: float = 0.81,
    *,
    recovery: float = 0.3,
    immunity_loss: float | None = None,
    distancing_cost: float = 0.5,
    illness_cost: float = 1.0,
    horizon: float = 30,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Go out and meet somebody, or keep away, during an epidemic: SIS, SIR or SIRS (Kermack and McKendrick 1927).

    Observation 0 is susceptible, 1 infected and, unless `immunity_loss` is None, 2 immune; action 0 goes out, 1 keeps
    away. An agent that goes out meets an agent drawn uniformly from the population, itself included.

        P(1 | 0, 0, mu) = i mu(1),   P(1 | 0, 1) = 0,   P(e | 1, a) = q,   P(0 | 2, a) = w,   P0 = identity
        r0(o) = -dt h 1{o = 1},   r(o, a) = r0(o) - d 1{a = 1}

    with e = 0 without immunity (SIS), else 2: SIR if w = 0, SIRS if w > 0. Nothing happens to agents that do not act,
    so that an agent falls ill, recovers and loses its immunity when it acts, once per sweep on average.

    Parameters
    ----------
    infection : float, optional
        i in [0, 1]: probability of being infected by an infected agent that one meets.
    recovery : float, optional
        q in [0, 1], per decision.
    immunity_loss : float or None, optional
        w in [0, 1], per decision. None: there is no immunity.
    distancing_cost : float, optional
        d, per decision to keep away.
    illness_cost : float, optional
        h, per sweep.
    initial : (2,) or (3,) floats or None, optional
        mu_0. None: a tenth is infected, and the others are susceptible.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = K = 2 or 3, A = 2; observations "susceptible", "infected", "immune"; actions "go out", "keep away"; name
        "infection_by_contact". Compiled; rewards do not depend on mu, transitions are affine in mu.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    In `susceptible_infected` time also passes for agents that do not act, and one step can change all of them. If all
    go out, the share of the infected follows mu(1)' = (i mu(0) - q) mu(1), in sweeps.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.infection_by_contact(0.8, recovery=0.2, immunity_loss=0.0, horizon=100)
    >>> out = tmf.TabularPolicy([[1, 0]] * 3)
    >>> tmf.mean_field(game, out, tmf.Fraction(0.01)).mu[-1].round(3)
    array([0.018, 0.   , 0.982])
    """
    rate = check.as_float(infection, "infection", low=0.0, high=1.0)
    cure = check.as_float(recovery, "recovery", low=0.0, high=1.0)
    loss = None if immunity_loss is None else check.as_float(immunity_loss, "immunity_loss", low=0.0, high=1.0)
    distance = check.as_float(distancing_cost, "distancing_cost")
    illness = check.as_float(illness_cost, "illness_cost")
    size = 2 if loss is None else 3
    mu = _sweeps.start([0.9, 0.1, 0.0][:size] if initial is None else initial, size)
    moves = np.eye(size)[:, None].repeat(2, axis=1)  # (o, a, x)
    moves[1, :, 1] -= cure
    moves[1, :, 0 if loss is None else 2] += cure
    if loss is not None:
        moves[2] = [loss, 0.0, 1.0 - loss]
    exposed = np.zeros((size, 2, size, size))  # (o, a, x, y)
    exposed[0, 0, :2, 1] = [-rate, rate]
    ill = np.eye(size)[1]

    def model(dt: float, n_steps: int) -> Affine:
        standing = -dt * illness * ill
        return Affine(standing[:, None] - [0.0, distance], None, moves, exposed, standing, None, None, None)

    return _sweeps.in_sweeps(
        partial(
            infection_by_contact, infection=rate, recovery=cure, immunity_loss=loss, distancing_cost=distance,
            illness_cost=illness,
        ),
        model, horizon, discount, initial, step, mu=mu,
        observation_labels=("susceptible", "infected", "immune")[:size], action_labels=("go out", "keep away"),
    )  # fmt: skip
