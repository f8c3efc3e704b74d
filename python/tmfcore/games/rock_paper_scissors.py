"""Rock, paper, scissors against the population: rewards are affine in mu and not monotone."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._affine import Affine
from tmfcore.games._shelf import Page, shelf

__all__ = ["rock_paper_scissors"]


@shelf(
    "Rock, paper, scissors against the whole population, with a different stake for each hand: the game is not "
    "monotone, and methods that need monotonicity may not find its equilibrium.",
    small={"horizon": 3},
    page=Page(
        "All hands earn the same. Mirror descent does not find this equilibrium; the solver that `tmf.solve` tries "
        "next, which needs no monotonicity, does. The last move has no effect on the return, and is random.",
    ),
)  # fmt: skip
def rock_paper_scissors(
    stakes: FloatsLike = (1.0, 2.0, 3.0),
    *,
    win: float = 2.0,
    loss: float = 1.0,
    horizon: float = 2,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Rock, paper, scissors with stakes (Shapley 1964; Cui and Koeppl, arXiv:2102.01585, RPS).

    Observation 0 is the start, j = 1, 2, 3 are rock, paper and scissors; action a shows hand a + 1 from anywhere.

        r0(0, mu) = 0,   r0(j, mu) = dt s_j (w mu(hand that j beats) - l mu(hand that beats j)),
        r(o, a, mu) = r0(o, mu),   P(a + 1 | o, a) = 1,   P0 = identity

    Agents that do not act keep their hand, and earn its reward.

    Parameters
    ----------
    stakes : (3,) floats, optional
        s_1, s_2, s_3 > 0 of rock, paper and scissors, per sweep; at most 1e100, as w and l.
    win, loss : float, optional
        w and l >= 0.
    initial : (4,) floats or None, optional
        mu_0. None: all at the start.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = 4, A = 3, K = 1; observations "start", "rock", "paper", "scissors"; actions the hands; name
        "rock_paper_scissors". Compiled; not monotone by default.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    MFGLib's rock_paper_scissors has these defaults (its T = 1 means the steps 0 and 1: two steps). With horizon 2, if
    all agents act, the shares of the hands at equilibrium are (26, 20, 31) / 77, and each earns 6/11; fictitious play
    and mirror descent cycle around it, Homotopy and MFOMO find it.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.rock_paper_scissors()
    >>> uniform = tmf.TabularPolicy.uniform(game)
    >>> print(f"{tmf.exploitability(game, uniform, tmf.Synchronous()):.4f}")
    0.3333
    """
    stake = check.as_float_array(stakes, "stakes", shape=(3,), low=0.0, high=1e100, low_open=True)
    gain = check.as_float(win, "win", low=0.0, high=1e100)
    pain = check.as_float(loss, "loss", low=0.0, high=1e100)
    mu = _sweeps.start(initial, 4)
    hands = np.arange(3)
    payoff = np.zeros((4, 4))
    payoff[1 + hands, 1 + (hands - 1) % 3] = stake * gain  # each beats the one before it
    payoff[1 + hands, 1 + (hands + 1) % 3] = -stake * pain

    def model(dt: float, n_steps: int) -> Affine:
        return Affine(
            np.zeros((4, 3)), dt * payoff[:, None, :].repeat(3, axis=1), np.ones((4, 3, 1)), None,
            np.zeros(4), dt * payoff, None, None, np.broadcast_to(1 + hands[:, None], (4, 3, 1)),
        )  # fmt: skip

    return _sweeps.in_sweeps(
        partial(rock_paper_scissors, stakes=stake, win=gain, loss=pain), model, horizon, discount, initial, step, mu=mu,
        observation_labels=("start", "rock", "paper", "scissors"), action_labels=("rock", "paper", "scissors"),
    )  # fmt: skip
