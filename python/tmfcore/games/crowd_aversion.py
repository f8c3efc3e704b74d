"""Crowd aversion: any transitions that do not depend on the population; places are worth less the fuller they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs
from tmfcore._model import sources
from tmfcore._model.core import TINY
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._crowd_aversion import CrowdAversion
from tmfcore.games._shelf import shelf

__all__ = ["crowd_aversion"]


@shelf(
    "Your own places and transitions, independent of the population: each place is worth less the fuller it is.",
    small={
        "transition": [[[0.5, 0.5], [0.2, 0.8]], [[0.9, 0.1], [0.3, 0.7]], [[1.0, 0.0], [0.6, 0.4]]],
        "successors": [[[0, 1], [1, 2]], [[1, 2], [0, 2]], [[2, 0], [0, 1]]], "worth": [1.0, 0.3, 0.6],
        "action_reward": [[0.0, -0.1]] * 3, "horizon": 6, "initial": [0.5, 0.3, 0.2],
    },
)  # fmt: skip
@fits_memory("transition must have fewer observations, actions or successors", asks=True)
def crowd_aversion(
    transition: FloatsLike,
    *,
    worth: FloatsLike = 0.0,
    successors: FloatsLike | None = None,
    action_reward: FloatsLike = 0.0,
    action_scale: FloatsLike = 1.0,
    congestion: float = 1.0,
    epsilon: float = 1e-6,
    passive_rates: FloatsLike | None = None,
    passive_successors: FloatsLike | None = None,
    horizon: float = 20,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
    name: str = "crowd_aversion",
    observation_labels: Sequence[str] | None = None,
    action_labels: Sequence[str] | None = None,
    observation_shape: Sequence[int] | None = None,
) -> Game:
    """Your own fixed transitions, and a reward that falls with the logarithm of the crowd (arXiv:2007.03458).

        r0_t(o, mu) = dt (worth_t(o) - c log(mu(o) + epsilon)),   r_t(o, a, mu) = r0_t(o, mu) + scale_t g(o, a)

    Strictly monotone for c > 0, for all transitions, worths and g. beach_bar, crowd_motion and building_evacuation are
    games of this form.

    Parameters
    ----------
    transition : (S, A, S) floats, or (S, A, K) with `successors`
        P, of an acting agent.
    worth : float, (S,) or (L, S) floats, optional
        Reward of an empty place, per sweep; L rows are spread evenly over the horizon.
    successors : (S, A, K) integers, optional
        The observations of the K entries of a row; a row may contain an observation twice.
    action_reward : float or (S, A) floats, optional
        g, per action taken.
    action_scale : float or (L,) floats, optional
        Factor of g; L entries are spread evenly over the horizon. A last entry of 0 makes the last action free.
    congestion : float, optional
        c >= 0.
    epsilon : float, optional
        >= 1e-300; bounds the reward of an empty place.
    passive_rates : (S, S) or (S, K0) floats or None, optional
        Q, the generator of passive agents, per sweep: P0 = I + dt Q (see Game). None: they stay.
    passive_successors : (S, K0) integers, optional
    initial : (S,) floats or None, optional
        mu_0. None: uniform.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.
    name, observation_labels, action_labels, observation_shape
        As in Game.

    Returns
    -------
    Game
        Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    OpenSpiel's mfg_garnet, with tables p(x, a, k), next(x, a, k) and g(x, a), pays the reward of the last action at the
    place reached. It is action_reward(x, a) = sum_k p g(next, a), worth_0(x) = g(x, 0), worth_t = 0 later, action_scale
    = (1, ..., 1, 0), epsilon = 1e-25 (in single precision), congestion = eta.

    Examples
    --------
    >>> import numpy as np, tmfcore as tmf
    >>> rng = np.random.default_rng(0)
    >>> tmf.games.crowd_aversion(rng.dirichlet([1, 1], size=(10, 3)), successors=rng.integers(10, size=(10, 3, 2)))
    Game('crowd_aversion', S=10, A=3, T=20 sweeps, discount=1)
    """
    letters = "S, A, S" if successors is None else "S, A, K"
    moves = check.as_probabilities(transition, "transition", shape=(None, None, None), letters=letters)
    n_obs, n_act, n_cells = moves.shape
    if successors is None:
        cells = None
        if n_cells != n_obs:
            raise ValueError(f"transition has shape {moves.shape}; must be (S, A, S) if successors is None")
    else:
        cells = check.as_successors(successors, "successors", shape=moves.shape, letters=letters, n_observations=n_obs)
    sources.passive_given(None, passive_rates, passive_successors, True)
    rates = None
    _, passive_cells = sources.successor_arrays(None, passive_successors, n_obs, n_act)
    needed: Needs = {"successors and rows": (24, *moves.shape), "rewards": (60, n_obs, n_act)}
    if passive_rates is not None:
        needed["passive rows"] = (40, n_obs, n_obs if passive_cells is None else passive_cells.shape[1])
    needs.ask(needed)
    if passive_rates is not None:
        wanted = ((n_obs, n_obs), "S, S") if passive_cells is None else (passive_cells.shape, "S, K0")
        rates = check.as_float_array(passive_rates, "passive_rates", shape=wanted[0], letters=wanted[1])
        sources.Rates(TINY, n_obs, passive_cells)(rates)  # checks that it is a generator, for any step
    else:
        passive_cells = np.arange(n_obs, dtype=np.int32)[:, np.newaxis]

    def stays(dt: float) -> FloatArray:
        return np.ones((n_obs, 1)) if rates is None else sources.Rates(dt, n_obs, passive_cells)(rates)

    worths = worth_by_time(worth, "worth", n_obs)
    gains = _table(action_reward, "action_reward", (n_obs, n_act), "S, A")
    scales = by_time(action_scale, "action_scale")
    crowd = check.as_float(congestion, "congestion", low=0.0)
    floor = check.as_float(epsilon, "epsilon", low=1e-300)
    mu = _sweeps.start(initial, n_obs, even=True)
    made = partial(
        crowd_aversion, transition=moves, worth=again(worth, worths), successors=cells,
        action_reward=gains, action_scale=again(action_scale, scales), congestion=crowd,
        epsilon=floor, passive_rates=rates, passive_successors=None if rates is None else passive_cells,
    )  # fmt: skip
    look: dict[str, Any] = {
        "name": name, "observation_labels": observation_labels, "action_labels": action_labels,
        "observation_shape": observation_shape,
    }  # fmt: skip
    return _sweeps.in_sweeps(
        partial(made, **look),
        lambda dt, n_steps: CrowdAversion(
            moves, stays(dt), cells, passive_cells, spread(worths, n_steps) * dt, gains, spread(scales, n_steps),
            crowd * dt, floor,
        ),
        horizon, discount, initial, step, mu=mu, needed=needed, trial=TINY, **look,
    )  # fmt: skip


# ------------------------------------------------------------------------ shared by the games of this form


def spread(entries: FloatArray, n_steps: int) -> FloatArray:
    """Entries (L, ...), spread evenly over the steps of the horizon: (1, ...) if all L are the same, else (T, ...)."""
    if (entries == entries[0]).all():
        return entries[:1]
    needs.ask({"what changes over time": (24, n_steps, *entries.shape[1:])}, first=True)
    return entries[np.arange(n_steps) * len(entries) // n_steps]


def again(given: object, entries: FloatArray) -> Any:
    """The argument that makes `entries` again: None if it was None, a single entry, or all of them."""
    return None if given is None else entries if len(entries) > 1 else entries[0]


def by_time(value: object, name: str, low: float | None = None) -> FloatArray:
    """One number as (1,), or L numbers as (L,), checked."""
    if not check.is_array(value):
        return np.array([check.as_float(value, name, low=low)])
    return check.as_float_array(value, name, shape=(None,), letters="L", low=low)


def worth_by_time(worth: object, name: str, n_observations: int) -> FloatArray:
    """Worths (1, S) from one number or (S,), or (L, S), checked."""
    if not check.is_array(worth):
        return np.full((1, n_observations), check.as_float(worth, name))
    found = check.as_float_array(
        worth, name, shape=[(n_observations,), (None, n_observations)], letters=["S", "L, S"]
    )
    return found.reshape(-1, n_observations)


def _table(value: object, name: str, shape: tuple[int, ...], letters: str) -> FloatArray:
    if not check.is_array(value):
        return np.full(shape, check.as_float(value, name))
    return check.as_float_array(value, name, shape=shape, letters=letters)
