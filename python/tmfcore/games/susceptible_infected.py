"""An epidemic in which agents can keep a distance: transitions are affine in mu."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games._affine import Affine
from tmfcore.games._shelf import Page, shelf

__all__ = ["susceptible_infected"]


@shelf(
    "An epidemic: agents that go out can be infected by those that are ill; keeping a distance costs reward every day, "
    "and illness costs more.",
    small={"horizon": 9},
    page=Page(
        "More than half of all people are infected at first. Their share falls to about the value at which going out "
        "and keeping away have the same value, and then oscillates around it: on each day all agents take the same "
        "action. Towards the end there is less to protect, and infections rise again.",
    ),
)  # fmt: skip
def susceptible_infected(
    infection: float = 0.81,
    *,
    recovery: float = 0.3,
    distancing_cost: float = 0.5,
    illness_cost: float = 1.0,
    horizon: int = 51,
    discount: float = 1.0,
    initial: FloatsLike = (0.4, 0.6),
) -> Game:
    """Go out or keep a distance during an epidemic (Cui and Koeppl, arXiv:2102.01585, SIS).

    Observation 0 is susceptible, 1 infected; action 0 goes out, 1 keeps a distance.

        P(1 | 0, 0, mu) = i mu(1),   P(1 | 0, 1) = 0,   P(0 | 1, a) = q,   r(o, a) = -d 1{a = 1} - h 1{o = 1}

    Agents that do not act are treated as if they went out: P0(.|o) = P(.|o, 0) and r0(o) = r(o, 0).

    Parameters
    ----------
    infection : float, optional
        i in [0, 1]: probability per step of being infected if all others are infected.
    recovery : float, optional
        q in [0, 1], probability per step.
    distancing_cost, illness_cost : float, optional
        d and h, per step.
    horizon : int, optional
        T in steps; a step is a day under every schedule.
    discount : float, optional
        gamma in [0, 1], per step.
    initial : (2,) floats, optional
        mu_0.

    Returns
    -------
    Game
        S = 2, A = 2, K = 2; observations "susceptible", "infected"; actions "go out", "keep away"; name
        "susceptible_infected". Compiled. Rewards do not depend on mu, but transitions do, so that monotonicity of
        rewards does not imply a unique equilibrium.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    MFGLib's susceptible_infected has these defaults (infection 0.9^2; its T = 50 means the steps 0 to 50: 51 steps).

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.susceptible_infected()
    >>> uniform = tmf.TabularPolicy.uniform(game)
    >>> print(f"{tmf.exploitability(game, uniform, tmf.Synchronous()):.3f}")
    5.467
    """
    rate = check.as_float(infection, "infection", low=0.0, high=1.0)
    cure = check.as_float(recovery, "recovery", low=0.0, high=1.0)
    distance = check.as_float(distancing_cost, "distancing_cost")
    illness = check.as_float(illness_cost, "illness_cost")
    mu = check.as_probabilities(initial, "initial", shape=(2,), letters="S")
    moves = np.empty((2, 2, 2))  # (o, a, x)
    moves[0], moves[1] = [1, 0], [cure, 1 - cure]
    exposed = np.zeros((2, 2, 2, 2))  # (o, a, x, y)
    exposed[0, 0, :, 1] = [-rate, rate]
    reward = -illness * np.array([[0.0], [1.0]]) - distance * np.array([0.0, 1.0])
    steps = check.as_positive_int(horizon, "horizon")
    gamma = check.as_float(discount, "discount", low=0.0, high=1.0)
    recipe = partial(
        susceptible_infected, rate, recovery=cure, distancing_cost=distance, illness_cost=illness, horizon=steps,
        discount=gamma, initial=mu,
    )  # fmt: skip
    return Game._trusted(
        Affine(reward, None, moves, exposed, reward[:, 0], None, moves[:, 0], exposed[:, 0]),
        steps,
        gamma,
        mu,
        name="susceptible_infected",
        observation_labels=("susceptible", "infected"),
        action_labels=("go out", "keep away"),
        recipe=recipe,
    )
