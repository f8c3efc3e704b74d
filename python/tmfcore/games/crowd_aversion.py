"""Crowd aversion: any kernel that nobody's presence changes, and places worth less the fuller they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._crowd_aversion import CrowdAversion
from tmfcore.games._registry import shelf

__all__ = ["crowd_aversion"]


@shelf(
    "Places of one's own, by any kernel that the others do not change: each is worth less the fuller it is.",
    small={
        "transition": [[[0.5, 0.5], [0.2, 0.8]], [[0.9, 0.1], [0.3, 0.7]], [[1.0, 0.0], [0.6, 0.4]]],
        "successors": [[[0, 1], [1, 2]], [[1, 2], [0, 2]], [[2, 0], [0, 1]]], "worth": [1.0, 0.3, 0.6],
        "action_reward": [[0.0, -0.1]] * 3, "horizon": 6, "initial": [0.5, 0.3, 0.2],
    },
)  # fmt: skip
def crowd_aversion(
    transition: object,
    *,
    worth: object = 0.0,
    successors: object = None,
    action_reward: object = 0.0,
    action_scale: object = 1.0,
    congestion: float = 1.0,
    epsilon: float = 1e-6,
    passive_transition: object = None,
    passive_successors: object = None,
    horizon: float = 20,
    discount: float = 1.0,
    initial: object = None,
    step: float = 1.0,
    name: str = "crowd_aversion",
    observation_labels: Sequence[str] | None = None,
    action_labels: Sequence[str] | None = None,
    observation_shape: Sequence[int] | None = None,
) -> Game:
    """Fixed kernels of one's own, a reward that falls with the logarithm of the crowd (arXiv:2007.03458).

        r0_t(o, mu) = dt (worth_t(o) - c log(mu(o) + epsilon)),   r_t(o, a, mu) = r0_t(o, mu) + scale_t g(o, a)

    Strictly monotone for c > 0, whatever the kernel, the worth and g. beach_bar, crowd_motion and
    building_evacuation are games of this form.

    Parameters
    ----------
    transition : (S, A, S) floats, or (S, A, K) with `successors`
        P, per step.
    worth : float, (S,) or (T, S) floats, optional
        What a place is worth, per sweep; T steps.
    successors : (S, A, K) integers, optional
        The observations the K cells stand for; a row may name one twice.
    action_reward : float or (S, A) floats, optional
        g, per act.
    action_scale : float or (T,) floats, optional
        The share of g that is paid at a step: a last entry of 0 frees the last act.
    congestion : float, optional
        c >= 0.
    epsilon : float, optional
        >= 1e-300; bounds the reward of an empty place.
    passive_transition : (S, S) or (S, K0) floats or None, optional
        P0, per step. None: identity.
    passive_successors : (S, K0) integers, optional
    horizon : float, optional
        T in sweeps; the game lasts round(T / step) steps.
    discount : float, optional
        gamma in [0, 1] per sweep; gamma**step per step.
    initial : (S,) floats or None, optional
        mu_0. None: uniform.
    step : float, optional
        dt in (0, 1], the share of a sweep (every agent acts once, on average) that one step lasts.
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
    OpenSpiel's mfg_garnet, by its tables p(x, a, k), next(x, a, k) and g(x, a): there a reward is that of the
    last action at the place reached, so that action_reward(x, a) = sum_k p g(next, a), worth_0(x) = g(x, 0),
    worth_t = 0 later, action_scale = (1, ..., 1, 0), epsilon = 1e-25 (in single precision), congestion = eta.

    Examples
    --------
    >>> import numpy as np, tmfcore as tmf
    >>> rng = np.random.default_rng(0)
    >>> tmf.games.crowd_aversion(rng.dirichlet([1, 1], size=(10, 3)), successors=rng.integers(10, size=(10, 3, 2)))
    Game('crowd_aversion', S=10, A=3, T=20, discount=1)
    """
    dt = _sweeps.step_length(step)
    n_steps, gamma = _sweeps.steps_and_discount(horizon, discount, dt)
    if successors is None:
        moves = check.as_probabilities(transition, "transition", shape=(None, None, None), letters="S, A, S")
        n_obs, n_act, n_cells = moves.shape
        if n_cells != n_obs:
            raise ValueError(f"transition has shape {moves.shape}; must be (S, A, S) where successors is None")
        cells = None
    else:
        moves = check.as_probabilities(transition, "transition", shape=(None, None, None), letters="S, A, K")
        n_obs, n_act, n_cells = moves.shape
        cells = check.as_successors(
            successors, "successors", shape=moves.shape, letters="S, A, K", n_observations=n_obs
        )
    if passive_transition is None:
        if passive_successors is not None:
            raise ValueError("passive_successors is given without passive_transition; must come with it")
        passive, passive_cells = np.ones((n_obs, 1)), np.arange(n_obs, dtype=np.int32)[:, np.newaxis]
    elif passive_successors is None:
        passive = check.as_probabilities(
            passive_transition, "passive_transition", shape=(n_obs, n_obs), letters="S, S"
        )
        passive_cells = None
    else:
        passive = check.as_probabilities(
            passive_transition, "passive_transition", shape=(n_obs, None), letters="S, K0"
        )
        passive_cells = check.as_successors(
            passive_successors, "passive_successors", shape=passive.shape, letters="S, K0", n_observations=n_obs
        )
    worths = worth_by_step(worth, "worth", n_steps, n_obs)
    gains = _table(action_reward, "action_reward", (n_obs, n_act), "S, A")
    scales = by_step(action_scale, "action_scale", n_steps)
    crowd = check.as_float(congestion, "congestion", low=0.0)
    floor = check.as_float(epsilon, "epsilon", low=1e-300)
    mu = _initial(initial, n_obs)
    model = CrowdAversion(
        moves, passive, cells, passive_cells, worths * dt, gains, scales, crowd * dt, floor
    )
    recipe = partial(
        crowd_aversion, moves, worth=worths if len(worths) > 1 else worths[0], successors=cells, action_reward=gains,
        action_scale=scales if len(scales) > 1 else float(scales[0]), congestion=crowd, epsilon=floor,
        passive_transition=passive, passive_successors=passive_cells, horizon=horizon, discount=discount, initial=mu,
        step=dt, name=name, observation_labels=observation_labels, action_labels=action_labels,
        observation_shape=observation_shape,
    )  # fmt: skip
    return Game._trusted(
        model,
        n_steps,
        gamma,
        mu,
        name=name,
        observation_labels=observation_labels,
        action_labels=action_labels,
        observation_shape=observation_shape,
        step=dt,
        recipe=recipe,
    )


# ------------------------------------------------------------------------ what the games of this form share


def by_step(value: object, name: str, n_steps: int, low: float | None = None) -> FloatArray:
    """One number, (1,), or a number a step, (T,)."""
    if not check.is_array(value):
        return np.array([check.as_float(value, name, low=low)])
    return check.as_float_array(value, name, shape=(n_steps,), letters="T", low=low)


def worth_by_step(worth: object, name: str, n_steps: int, n_observations: int) -> FloatArray:
    """(1, S) from one number or (S,), (T, S) as it is."""
    if not check.is_array(worth):
        return np.full((1, n_observations), check.as_float(worth, name))
    found = check.as_float_array(
        worth, name, shape=[(n_observations,), (n_steps, n_observations)], letters=["S", "T, S"]
    )
    return found.reshape(-1, n_observations)


def _initial(value: object, n_observations: int) -> FloatArray:
    if value is None:
        return np.full(n_observations, 1.0 / n_observations)
    return check.as_probabilities(value, "initial", shape=(n_observations,), letters="S")


def _table(value: object, name: str, shape: tuple[int, ...], letters: str) -> FloatArray:
    if not check.is_array(value):
        return np.full(shape, check.as_float(value, name))
    return check.as_float_array(value, name, shape=shape, letters=letters)
