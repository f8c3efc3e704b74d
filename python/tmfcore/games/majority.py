"""Majority: agents ask others for the answer to a question, and take the answer of the majority."""

from __future__ import annotations

from functools import partial

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._majority import Majority
from tmfcore.games._shelf import Page, shelf

__all__ = ["majority"]


@shelf(
    "Agents poll others for the answer to a question and take the answer of the majority; messages are lossy, and "
    "their errors can be shared. Below a threshold what is known is lost, above it it spreads.",
    small={
        "n_polled": 5, "fidelity": 0.8, "correlation": 0.3, "polling_cost": 0.1, "horizon": 6, "initial": [0.7, 0.3],
    },
    page=Page(
        "Sixty percent of the answers are right at first. Agents with a wrong answer poll, the others keep theirs, so "
        "that more and more are right, and messages get better. Towards the end a poll costs more than it can still "
        "bring.",
    ),
)  # fmt: skip
def majority(
    n_polled: int = 3,
    *,
    fidelity: float = 0.8,
    correlation: float = 0.0,
    worth: float = 1.0,
    polling_cost: float = 0.2,
    horizon: float = 20,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Keep one's answer, or take that of most of b polled agents (budgeted synergy, arXiv:2601.17311).

    Observation 0 is a right answer, 1 a wrong one. Action 0 keeps the answer. Action 1 polls b agents, drawn uniformly
    from the population, for a message each, and takes the answer of the majority. With the bias m = mu(0) - mu(1), a
    message is right with probability (1 + g m) / 2; with probability c all b messages are copies of one, otherwise they
    are independent:

        P(0 | o, 1, mu) = (1 + c g m + (1 - c) f(g m)) / 2,   P(o | o, 0) = 1,   P0 = identity
        f(u) = sum_{j > b/2} C(b, j) (p^j q^(b-j) - q^j p^(b-j)),   p = (1 + u) / 2,   q = (1 - u) / 2
        r0(o) = dt w 1{o = 0},   r(o, a) = r0(o) - k 1{a = 1}

    If all agents always poll, and act at once, the bias follows m' = c g m + (1 - c) f(g m). It dies out if

        alpha = g (c + (1 - c) f'(0)) <= 1,   f'(0) = b C(b-1, (b-1)/2) / 2^(b-1)

    and otherwise tends to a fixed point of its sign: the phase transition of the paper, there for trees of agents.

    Parameters
    ----------
    n_polled : int, optional
        b, odd, at most 99999.
    fidelity : float, optional
        g in [0, 1]: a message is that of the polled agent with probability (1 + g) / 2, else the opposite.
    correlation : float, optional
        c in [0, 1].
    worth : float, optional
        w, of a right answer per sweep.
    polling_cost : float, optional
        k, per decision to poll.
    initial : (2,) floats or None, optional
        mu_0. None: (0.6, 0.4).
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = A = K = 2; observations "right", "wrong"; actions "keep", "poll"; name "majority". Compiled, with rows of
        O(b) operations; rewards do not depend on mu.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    The recursion of the bias and the threshold are the paper's, for a tree in which an agent aggregates b others. The
    game is ours: the choice to keep or poll, the rewards, and copies as the form of the correlation. Agents know here
    whether they are right; those of the paper do not, and are the policy that always polls.

    f'(0) is 1.5, 1.875, 2.461 for b = 3, 5, 9, and the bias at alpha = 1.01 without correlation 0.256, 0.227, 0.211
    (ours). If a share beta of the agents acts at a step, the fluctuations around m = 0 grow towards the threshold as
    N Var mu(0) -> (2 - beta) / (4 (1 - alpha) (2 - beta (1 - alpha))), which is 1 / (4 (1 - alpha^2)) for beta = 1.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> poll = tmf.TabularPolicy([[0, 1], [0, 1]])
    >>> for alpha in (0.99, 1.01):
    ...     game = tmf.games.majority(3, fidelity=alpha / 1.5, horizon=2000)
    ...     right, wrong = tmf.mean_field(game, poll, tmf.Synchronous()).mu[-1]
    ...     print(f"{alpha}: bias {right - wrong:.3f}")
    0.99: bias 0.000
    1.01: bias 0.256
    """
    b = check.as_int(n_polled, "n_polled", low=1, high=99_999)
    if b % 2 == 0:
        raise ValueError(f"n_polled is {b}; must be odd, so that there is always a majority")
    loud = check.as_float(fidelity, "fidelity", low=0.0, high=1.0)
    shared = check.as_float(correlation, "correlation", low=0.0, high=1.0)
    value = check.as_float(worth, "worth")
    cost = check.as_float(polling_cost, "polling_cost")
    mu = _sweeps.start((0.6, 0.4) if initial is None else initial, 2)
    return _sweeps.in_sweeps(
        partial(majority, n_polled=b, fidelity=loud, correlation=shared, worth=value, polling_cost=cost),
        lambda dt, n_steps: Majority(b, loud, shared, value * dt, cost), horizon, discount, initial, step, mu=mu,
        observation_labels=("right", "wrong"), action_labels=("keep", "poll"),
    )  # fmt: skip
