"""Affine games: rewards and transitions that are affine in the population distribution, from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike, Time
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._limit.sizes import Needs
from tmfcore._model import clock, sources
from tmfcore._model.core import TINY
from tmfcore._model.game import Game
from tmfcore._model.legal import LegalArray, as_legal, filled
from tmfcore.games._affine import Affine
from tmfcore.games._shelf import shelf

__all__ = ["affine"]


@shelf(
    "Your own game from arrays: rewards and transition probabilities are affine in the population distribution.",
    small={
        "reward0": [[0.3, 0.1], [0.0, 0.5]], "reward_mu": [[[-1.0, 0.0], [-0.5, 0.2]], [[0.0, -1.0], [0.1, -0.7]]],
        "transition0": [[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.7, 0.3]]],
        "transition_mu": [[[[0.0, -0.3], [0.0, 0.3]], [[0.0, 0.0], [0.0, 0.0]]], [[[0.2, 0.0], [-0.2, 0.0]]] * 2],
        "horizon": 6, "discount": 0.95, "initial": [0.7, 0.3],
    },
)  # fmt: skip
@fits_memory("the tables must have fewer observations, actions or successors", asks=True)
def affine(
    reward0: FloatsLike,
    *,
    reward_mu: FloatsLike | None,
    transition0: FloatsLike,
    transition_mu: FloatsLike | None,
    passive_reward0: FloatsLike = 0.0,
    passive_reward_mu: FloatsLike | None = None,
    passive_transition0: FloatsLike | None = None,
    passive_transition_mu: FloatsLike | None = None,
    passive_rates0: FloatsLike | None = None,
    passive_rates_mu: FloatsLike | None = None,
    horizon: float,
    discount: float,
    initial: FloatsLike,
    time: Time = "steps",
    step: float | None = None,
    successors: FloatsLike | None = None,
    passive_successors: FloatsLike | None = None,
    legal: FloatsLike | None = None,
    name: str = "affine",
    observation_labels: Sequence[str] | None = None,
    action_labels: Sequence[str] | None = None,
    observation_shape: Sequence[int] | None = None,
) -> Game:
    """A compiled game whose rewards and transition rows are affine in mu.

        r(o, a, mu) = reward0[o, a] + sum_y reward_mu[o, a, y] mu(y)
        P(k | o, a, mu) = transition0[o, a, k] + sum_y transition_mu[o, a, k, y] mu(y)

    and the same, without a, for passive agents. Nothing depends on t.

    Parameters
    ----------
    reward0 : (S, A) floats
    reward_mu : (S, A, S) floats or None
        None: rewards do not depend on mu.
    transition0 : (S, A, S) floats, or (S, A, K) with `successors`
    transition_mu : (S, A, S, S) or (S, A, K, S) floats, or None
        None: transitions do not depend on mu.
    passive_reward0 : (S,) floats or one number, optional
    passive_reward_mu : (S, S) floats or None, optional
    passive_transition0 : (S, S) floats, (S, K0) with `passive_successors`, or None, optional
        None: identity.
    passive_transition_mu : (S, S, S) or (S, K0, S) floats, or None, optional
    passive_rates0, passive_rates_mu : like passive_transition0 and passive_transition_mu, optional
        With time="sweeps", instead of them: the generator of passive agents, Q0 + sum_y Q_mu[..., y] mu(y).
    horizon, discount, initial, time, step
        As in Game; with time="sweeps" passive rewards are rates.
    successors, passive_successors, legal, name, observation_labels, action_labels, observation_shape
        As in Game.

    Returns
    -------
    Game
        Compiled, checked once, and picklable. Kernels detect from the arrays which parts do not depend on mu, and
        analysis.fluctuations, monotonicity and lipschitz are exact.

    Raises
    ------
    TypeError, ValueError
        A value of the wrong kind or shape; a row that is not a distribution. An affine row is a distribution at every
        mu if it is one at every corner e_y of the simplex, where all agents are at y. The error names the row and y.

    Notes
    -----
    Memory: O(S^2 A K) for rows that depend on mu, O(S^2 A) for rewards. Construction takes time of the same order. Time
    per step: rewards O(S^2 A); O(S^2) if r - r0 does not depend on mu; O(S A) if, moreover, r0(o, mu) depends on mu(o)
    only (a step of a single agent then costs O(1)); O(S K) for each row that depends on mu. Because mu sums to 1,
    entries of `reward_mu` that are equal for all y are constants. Entries at a corner that differ from 0 only by the
    rounding of transition0 + transition_mu (4 units in the last place) are set to 0.

    Examples
    --------
    Two shops: a customer's cost is the queue at its shop, and the more crowded the other shop is, the less often it
    gets there.

    >>> import numpy as np, tmfcore as tmf
    >>> stay, go = np.eye(2), 1 - np.eye(2)
    >>> crowded = np.zeros((2, 2, 2, 2))                       # (o, a, x, y)
    >>> for o in range(2):
    ...     crowded[o, 1, 1 - o, 1 - o], crowded[o, 1, o, 1 - o] = -0.5, 0.5
    >>> game = tmf.games.affine(
    ...     np.zeros((2, 2)), reward_mu=-np.eye(2)[:, None, :].repeat(2, axis=1),
    ...     transition0=np.stack([stay, go], axis=1), transition_mu=crowded,
    ...     passive_reward_mu=-np.eye(2), horizon=10, discount=0.9, initial=[1, 0], name="shops")
    >>> game
    Game('shops', S=2, A=2, T=10, discount=0.9)
    >>> game.tables([0.2, 0.8])[1][0, 1]
    array([0.4, 0.6])
    >>> print(f"{tmf.analysis.monotonicity(game, tmf.Synchronous()).eigenvalues.max():.3f}")
    -1.000
    """
    in_sweeps = clock.is_sweeps(time, step)
    shape = np.shape(check.as_numbers(reward0, "reward0"))
    allowed = as_legal(legal, *shape) if len(shape) == 2 else None
    given = filled(reward0, "reward0", shape, allowed)
    base = check.as_float_array(given, "reward0", shape=(None, None), letters="S, A")
    n, n_act = base.shape
    active, passive = sources.successor_arrays(successors, passive_successors, n, n_act, allowed)
    cells = n if active is None else active.shape[-1]
    passive_cells = n if passive is None else passive.shape[-1]
    word, other = ("passive_rates", "passive_transition") if in_sweeps else ("passive_transition", "passive_rates")
    of_passive = {"passive_transition": (passive_transition0, passive_transition_mu),
                  "passive_rates": (passive_rates0, passive_rates_mu)}  # fmt: skip
    for part, value in zip("0 mu".split(), of_passive[other], strict=True):
        if value is not None:
            name_of = f"{other}{'' if part == '0' else '_'}{part}"
            raise ValueError(f"{name_of} is given with time={time!r}; must be {word} instead")
    stay, stay_mu = of_passive[word]
    if passive is not None and stay is None:
        raise ValueError(f"passive_successors is given without {word}0; must be given together with it")
    resting_cells = 1 if stay is None and stay_mu is None else passive_cells
    needed: Needs = {
        "rewards and rows": (40, n, n_act, cells + 1), "passive rows": (40, n, resting_cells),
        "passive rewards": (28, n, n),
    }  # fmt: skip
    for of_mu, what, bytes_, shape in (
        (reward_mu, "effects of mu on rewards", 25, (n, n_act, n)),
        (transition_mu, "effects of mu on rows", 50, (n, n_act, cells, n)),
        (stay_mu, "effects of mu on passive rows", 50, (n, passive_cells, n)),
    ):
        if of_mu is not None:
            needed[what] = (bytes_, *shape)
    needs.ask(needed)
    if not check.is_array(passive_reward0):
        passive_reward0 = np.full(n, check.as_float(passive_reward0, "passive_reward0"))
    acting = _Rows(
        base,
        _table(reward_mu, "reward_mu", (n, n_act, n), "S, A, S", allowed),
        check.as_float_array(
            filled(transition0, "transition0", (n, n_act, cells), allowed), "transition0", shape=(n, n_act, cells),
            letters="S, A, K",
        ),
        _table(transition_mu, "transition_mu", (n, n_act, cells, n), "S, A, K, S", allowed),
    )
    resting = _Rows(
        check.as_float_array(passive_reward0, "passive_reward0", shape=(n,), letters="S"),
        _table(passive_reward_mu, "passive_reward_mu", (n, n), "S, S"),
        _table(stay, f"{word}0", (n, passive_cells), "S, K0"),
        _table(stay_mu, f"{word}_mu", (n, passive_cells, n), "S, K0, S"),
    )
    look: dict[str, Any] = {
        "name": name, "observation_labels": observation_labels, "action_labels": action_labels,
        "observation_shape": observation_shape, "successors": active, "passive_successors": passive,
    }  # fmt: skip
    kernels: dict[str, Any] = {"transition0": acting.rows, f"{word}0": resting.rows, f"{word}_mu": resting.rows_mu}
    recipe: partial[Game] = partial(
        affine, reward0=base, reward_mu=acting.reward_mu, transition_mu=acting.rows_mu,
        passive_reward0=resting.reward, passive_reward_mu=resting.reward_mu, horizon=horizon, discount=discount,
        initial=initial, time=time, step=step, legal=allowed, **kernels, **look,
    )  # fmt: skip
    if not in_sweeps:
        n_steps = check.as_positive_int(horizon, "horizon", high=sources.INT32_MAX)
        model = _model(acting, resting, active, passive, allowed)
        return Game._trusted(model, n_steps, discount, initial, recipe=recipe, **look)
    _in_step(acting, resting, sources.Rates(TINY, n, passive, "passive_rates0"))  # checks the rates, for any step

    def cut(dt: float, n_steps: int, gamma: float) -> Game:
        needs.ask(needed, first=True)
        act, rest = _in_step(acting, resting, sources.Rates(dt, n, passive, "passive_rates0"))
        return Game._trusted(_model(act, rest, active, passive, allowed), n_steps, gamma, initial, step=dt, **look)

    return Game._swept(cut, horizon, discount, step, recipe, TINY)


class _Rows(NamedTuple):
    """Rewards and rows (or rates), and their coefficients of mu; None: no dependence on mu, or agents stay."""

    reward: FloatArray
    reward_mu: FloatArray | None
    rows: FloatArray | None
    rows_mu: FloatArray | None


def _model(acting: _Rows, resting: _Rows, *others: SuccessorArray | LegalArray | None) -> Affine:
    parts: tuple[Any, ...] = (*acting, *resting, *others)
    return Affine(*parts)


def _in_step(acting: _Rows, resting: _Rows, rates: sources.Rates) -> tuple[_Rows, _Rows]:
    """Both for one step of a game in sweeps: r + dt r0, dt r0, and I + dt Q, checked with all agents at each y."""
    dt = rates.step
    waiting, waiting_mu = dt * resting.reward, None if resting.reward_mu is None else dt * resting.reward_mu
    reward_mu = acting.reward_mu
    if waiting_mu is not None:
        reward_mu = (0.0 if reward_mu is None else reward_mu) + waiting_mu[:, np.newaxis]
    rows, rows_mu = resting.rows, resting.rows_mu
    if rows is not None or rows_mu is not None:
        still = np.zeros(rates.shape) if rows is None else rows
        if rows_mu is None:
            rows = rates(still)
        else:
            for y in range(len(still)):
                rates(still + rows_mu[..., y], f" + passive_rates_mu[..., {y}] at ")
            rows, rows_mu = rates.unchecked(still), dt * rows_mu
    return acting._replace(reward=acting.reward + waiting[:, np.newaxis], reward_mu=reward_mu), _Rows(
        waiting, waiting_mu, rows, rows_mu
    )


def _table(
    value: object, name: str, shape: tuple[int, ...], letters: str, legal: LegalArray | None = None
) -> FloatArray | None:
    if value is None:
        return None
    return check.as_float_array(filled(value, name, shape, legal), name, shape=shape, letters=letters)
