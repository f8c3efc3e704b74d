"""Pairwise revision: agents of evolutionary game theory, which copy the strategies of agents they meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, n_arguments
from tmfcore._base.types import FloatsLike, TableLike
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._pairwise import PairwiseRevision
from tmfcore.games._shelf import Page, shelf

__all__ = ["pairwise_revision"]

Rule: TypeAlias = Literal["fermi", "imitate the better", "logit"]  # as the kernel numbers them


@shelf(
    "Evolutionary game theory: agents meet others and copy the strategies that earn more, or choose strategies by "
    "their payoffs; an agent can also keep its strategy.",
    small={
        "payoffs": [[0.2, 1.3, -0.4], [1.1, 0.3, 0.5], [0.6, -0.2, 0.9]], "intensity": 0.7, "mutation": 0.1,
        "horizon": 6, "initial": [0.5, 0.3, 0.2],
    },
    page=Page(
        "Hawks (strategy 1) and doves. Hawks earn more while they are fewer than two thirds; until then only doves "
        "revise their strategy. At two thirds both earn the same, and revising gains nothing.",
        options="--batch 100",
    ),
)  # fmt: skip
@fits_memory("payoffs must be of fewer strategies", asks=True)
def pairwise_revision(
    payoffs: TableLike = ((-0.5, 2.0), (0.0, 1.0)),
    *,
    rule: Rule = "fermi",
    intensity: float = 1.0,
    mutation: float = 0.0,
    horizon: float = 20,
    discount: float = 0.95,
    initial: FloatsLike | None = None,
    step: float | None = None,
    observation_labels: Sequence[str] | None = None,
) -> Game:
    """Revise one's strategy by imitation or by choice, or keep it (Traulsen et al. 2006; Sandholm 2010).

    Observation o is a strategy, which earns f_o per sweep. Action 0 keeps it. Action 1 revises it: with probability m
    the agent takes a strategy drawn uniformly from all S, its own included. Otherwise it meets an agent drawn uniformly
    from the population, itself included, and adopts the strategy y of this agent with probability p(o, y, mu):

        f_o(mu) = sum_y M(o, y) mu(y),   r0(o, mu) = r(o, a, mu) = dt f_o(mu),   P(o | o, 0) = 1,   P0 = identity
        P(x | o, 1, mu) = (1 - m) mu(x) p(o, x, mu) + m / S   for x != o

        "fermi"                p(o, y, mu) = 1 / (1 + exp(-beta (f_y - f_o)))
        "imitate the better"   p(o, y, mu) = beta max(f_y - f_o, 0)
        "logit"                no partner: P(x | o, 1, mu) = (1 - m) exp(beta f_x) / sum_k exp(beta f_k) + m / S

    The process of evolutionary game theory is the policy that always revises. Its exploitability is what one agent
    would gain by choosing when to revise.

    Parameters
    ----------
    payoffs : (S, S) floats, or callable
        M, what o earns per sweep if all others play y. Default: hawk and dove. Or f, a function of (mu) or (mu, t),
        with t in sweeps, that returns (S,) payoffs.
    rule : {"fermi", "imitate the better", "logit"}, optional
    intensity : float, optional
        beta >= 0. For "imitate the better" at most the inverse of the largest difference of payoffs.
    mutation : float, optional
        m in [0, 1].
    initial : (S,) floats or None, optional
        mu_0. None: uniform. Must be given if `payoffs` is a function.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.
    observation_labels : sequence of S strings, optional
        Names of the strategies. None: "strategy 1", "strategy 2", ...

    Returns
    -------
    Game
        S observations, 2 actions "keep" and "revise"; name "pairwise_revision". Compiled, with rows of O(S^2)
        operations; a function is called twice per step instead.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape; an adoption probability above 1.

    Notes
    -----
    Theory, section 8, has the mean field and the fixation probabilities, and turns processes in which partners, payoffs
    and mutants are those among the N - 1 other agents and S - 1 other strategies into this one.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.pairwise_revision([[-0.5, 2], [0, 1]], intensity=5, horizon=40, initial=[0.1, 0.9])
    >>> revise = tmf.TabularPolicy([[0, 1], [0, 1]])
    >>> tmf.mean_field(game, revise, tmf.Fraction(0.1)).mu[-1].round(3)
    array([0.667, 0.333])
    """
    kind = get_args(Rule).index(check.as_choice(rule, "rule", Rule))
    beta = check.as_float(intensity, "intensity", low=0.0)
    rate = check.as_float(mutation, "mutation", low=0.0, high=1.0)
    if callable(payoffs):
        if initial is None:
            raise ValueError("initial is None; must be given if payoffs is a function, since it has the number S")
        mu = check.as_probabilities(initial, "initial", shape=(None,), letters="S")
    else:
        matrix = check.as_float_array(payoffs, "payoffs", shape=(None, None), letters="S, S")
        if matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"payoffs has shape {matrix.shape}; must be (S, S)")
        needed = {"rewards and rows": (82, len(matrix), 2, len(matrix))}
        needs.ask(needed)
        _check_gains(matrix.T, kind, beta)
        mu = _sweeps.start(initial, len(matrix), even=True)
    labels = observation_labels
    if labels is None:
        labels = tuple(f"strategy {o + 1}" for o in range(len(mu)))
    look: dict[str, Any] = {"observation_labels": labels, "action_labels": ("keep", "revise")}
    made = partial(
        pairwise_revision, payoffs=payoffs if callable(payoffs) else matrix, rule=rule, intensity=beta, mutation=rate,
        observation_labels=observation_labels,
    )  # fmt: skip
    if not callable(payoffs):
        return _sweeps.in_sweeps(
            made, lambda dt, n_steps: PairwiseRevision(matrix, kind, beta, rate, dt), horizon, discount, initial, step,
            mu=mu, needed=needed, **look,
        )  # fmt: skip
    earned = _Payoffs(payoffs, len(mu), n_arguments(payoffs, "payoffs"))
    game = Game(
        len(mu), 2, horizon, discount, mu, np.zeros((len(mu), 2)), _Revision(earned, kind, beta, rate),
        passive_reward=earned, time="sweeps", step=step, name="pairwise_revision", **look,
    )  # fmt: skip
    game._made_by(partial(made, horizon=horizon, discount=discount, initial=mu, step=step), pickles=True)
    return game


def _check_gains(payoffs: FloatArray, kind: int, beta: float) -> None:
    """Raise ValueError unless differences within each row of payoffs (..., S), times beta, are what the rule allows."""
    with np.errstate(over="ignore"):
        gains = payoffs.max(axis=-1) - payoffs.min(axis=-1)
        worst = beta * gains.max()
    if not np.isfinite(gains.max()):
        raise ValueError("payoffs differ by more than a float can hold; scale them down")
    if kind == 1 and worst > 1 + 1e-12:
        raise ValueError(
            f"intensity is {beta:g}; must be at most {1 / gains.max():.10g}, since payoffs differ by up to "
            f"{gains.max():g} and 'imitate the better' adopts with probability intensity * difference"
        )


@dataclass(frozen=True)
class _Payoffs:
    """The user's payoffs as f(mu, t), checked."""

    function: Callable[..., Any]
    size: int
    n_arguments: int

    def __call__(self, mu: FloatArray, t: float) -> FloatArray:
        try:
            value = self.function(mu) if self.n_arguments == 1 else self.function(mu, t)
        except Exception as error:
            error.add_note(f"raised by payoffs(mu, t) at t = {t:g} sweeps")
            raise
        return check.as_float_array(value, f"payoffs(mu, t={t:g})", shape=(self.size,), letters="S")


@dataclass(frozen=True)
class _Revision:
    """The rows (S, 2, S) of agents that keep or revise their strategy, for payoffs from a function."""

    payoffs: _Payoffs
    kind: int
    intensity: float
    mutation: float

    def __call__(self, mu: FloatArray, t: float) -> FloatArray:
        earned, size = self.payoffs(mu, t), len(mu)
        _check_gains(earned, self.kind, self.intensity)
        if self.kind == 2:
            weights = np.exp(self.intensity * (earned - earned.max()))
            chosen = np.tile(weights / weights.sum(), (size, 1))
        else:
            gains = self.intensity * (earned - earned[:, np.newaxis])  # [o, y]
            small = np.exp(-np.abs(gains))
            adopted = np.where(gains >= 0, 1.0, small) / (1 + small) if self.kind == 0 else np.clip(gains, 0.0, 1.0)
            chosen = mu * adopted
            chosen[np.diag_indices(size)] += (mu * (1 - adopted)).sum(axis=1)
        revised = (1 - self.mutation) * chosen + self.mutation / size
        return np.stack([np.eye(size), revised], axis=1)
