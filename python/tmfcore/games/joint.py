"""Games whose rewards and kernels depend on the joint law of observation and action of the acting agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import sqrt
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, noted
from tmfcore._base.types import FloatsLike, Time
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._model import clock, sources
from tmfcore._model.core import TINY
from tmfcore._model.game import Game
from tmfcore._model.legal import LegalArray, as_legal, filled
from tmfcore.games import _results
from tmfcore.games._shelf import shelf

__all__ = ["by_half_step", "joint"]

LawTable: TypeAlias = FloatsLike | Callable[[FloatArray, FloatArray, int], FloatsLike]  # of the law (S, A), mu and t


def _falling_prices(law: FloatArray, mu: FloatArray, t: int) -> FloatArray:
    return np.asarray([[1.0, 0.8], [0.2, 0.5]] - law.sum(axis=0))


@shelf(
    "Games that depend on the actions of the others, not only on their observations, such as prices moved by orders.",
    small={
        "n_observations": 2, "n_actions": 2, "horizon": 3, "discount": 0.9, "initial": [0.6, 0.4],
        "reward": _falling_prices, "transition": [[[0.9, 0.1], [0.3, 0.7]], [[0.5, 0.5], [0.2, 0.8]]],
    },
)  # fmt: skip
@fits_memory("n_observations or n_actions must be smaller, or successors given", asks=True)
def joint(
    n_observations: int,
    *,
    n_actions: int,
    horizon: float,
    discount: float,
    initial: FloatsLike,
    reward: LawTable,
    transition: LawTable,
    passive_reward: LawTable = 0.0,
    passive_transition: LawTable | None = None,
    passive_rates: LawTable | None = None,
    successors: FloatsLike | None = None,
    passive_successors: FloatsLike | None = None,
    legal: FloatsLike | None = None,
    time: Time = "steps",
    step: float | None = None,
    name: str = "joint",
    observation_labels: Sequence[str] | None = None,
    action_labels: Sequence[str] | None = None,
) -> Game:
    """A game that depends on the joint law L_t(o, a) = mu_t(o) pi_t(a | o), for example with prices moved by orders.

    L is the joint law of observation and action of the agents that act at a step, an array (S, A) that sums to 1. For N
    agents it is the empirical law of the batch, drawn before any agent moves; if no agent acts (a Bernoulli batch may
    be empty) all its entries are 0.

    One step of the game is exactly two steps of the returned Game, so that every engine, solver and analysis accepts
    it. At even t an agent at o that acts moves to observation (o, a). At odd t all agents move and are paid, whether or
    not they act then: agents at (o, a) by P and r, agents at o, which did not act at the even step, by P0 and r0.

    Parameters
    ----------
    n_observations, n_actions, horizon, discount, initial
        S, A, T, gamma in (0, 1] and mu_0 (S,) of the game.
    reward : (S, A) floats or callable
        r_t(o, a, L).
    transition : (S, A, S) floats or callable
        P_t(x | o, a, L); (S, A, K) with `successors`.
    passive_reward : (S,) floats, one number or callable, optional
    passive_transition : (S, S) floats, callable or None, optional
        As in Game; (S, K0) with `passive_successors`. None: passive agents stay.
    passive_rates : (S, S) floats, callable or None, optional
        With time="sweeps", instead of passive_transition: the generator of passive agents.
    time, step
        As in Game. With time="sweeps" t in f(law, mu, t) is the number of sweeps that have passed, and each step of dt
        sweeps is two steps of dt / 2 in the Game that `at` returns.
    successors, passive_successors : (S, A, K) and (S, K0) integers, optional
    legal : (S, A) booleans, optional
        As in Game. In the returned Game all actions are legal at (o, a), where they have no effect.
    name, observation_labels, action_labels
        As in Game, for the S observations and A actions.

    Returns
    -------
    Game
        S (1 + A) observations: o, then (o, a) at S + o A + a, labelled "o, a"; A actions; 2 T steps; discount
        sqrt(gamma) per step, with rewards divided by sqrt(gamma), so that returns are the same. `by_half_step` splits
        its flows and simulations. A schedule of arrays has 2 T entries; those at odd steps have no effect, nor have the
        rows of a policy at (o, a).

    Raises
    ------
    TypeError, ValueError
        As Game; discount 0.

    Notes
    -----
    Each callable is a function f(law, mu, t) of the law (S, A), the population (S,) at the decision, and the step
    0 <= t < T. It is called once per step, and its return value is checked at every call. In addition to the callables
    a step costs O(S (A + A^2) K); rows have K + 1 entries. Mean-action games are of this kind (Yang et al., "Mean Field
    Multi-Agent Reinforcement Learning", arXiv:1802.05438), and so is the general game of Guo, Hu and Zhang
    (arXiv:2206.09608).

    Examples
    --------
    Sell one of two goods: the price of a good falls with the share that sells it.

    >>> import numpy as np, tmfcore as tmf
    >>> market = tmf.games.joint(1, n_actions=2, horizon=3, discount=1.0, initial=[1.0],
    ...                          reward=lambda law, mu, t: np.array([[1.0, 0.8]]) - law.sum(axis=0),
    ...                          transition=np.ones((1, 2, 1)), action_labels=["corn", "rice"])
    >>> solution = tmf.solve(market, tmf.Synchronous())
    >>> mu, law = tmf.games.by_half_step(market, solution.flow.mu)
    >>> law[0].round(2)
    array([[0.6, 0.4]])
    """
    in_sweeps = clock.is_sweeps(time, step)
    n_obs, n_act = sources.sizes(n_observations, n_actions)
    gamma = check.as_float(discount, "discount", low=0.0, high=1.0, low_open=True)
    start = check.as_probabilities(initial, "initial", shape=(n_obs,), letters="S")
    size = n_obs * (1 + n_act)
    allowed = as_legal(legal, n_obs, n_act)
    given, named = sources.successor_arrays(successors, passive_successors, n_obs, n_act, allowed)
    stays, stays_name = sources.passive_given(passive_transition, passive_rates, passive_successors, in_sweeps)
    everywhere = np.arange(n_obs, dtype=np.int32)
    active = np.broadcast_to(everywhere, (n_obs, n_act, n_obs)) if given is None else given
    if stays is None:
        passive = everywhere[:, np.newaxis]
    else:
        passive = np.broadcast_to(everywhere, (n_obs, n_obs)) if named is None else named
    needed = {
        "successors and rows": (44, size, n_act, max(active.shape[2], passive.shape[1]) + 1),
        "vectors and labels": (250, size),
    }  # fmt: skip
    needs.ask(needed)
    if not callable(passive_reward) and not check.is_array(passive_reward):
        passive_reward = np.full(n_obs, check.as_float(passive_reward, "passive_reward"))
    tables = (
        sources.table(filled(reward, "reward", (n_obs, n_act), allowed), "reward", (n_obs, n_act), "S, A"),
        sources.rows(
            filled(transition, "transition", active.shape, allowed), "transition", active.shape,
            "S, A, S" if given is None else "S, A, K",
        ),
        sources.table(passive_reward, "passive_reward", (n_obs,), "S"),
        np.ones((n_obs, 1))
        if stays is None
        else (sources.table if in_sweeps else sources.rows)(stays, stays_name, passive.shape, "S, K0"),
    )
    labels = sources.labels(observation_labels, "observation_labels", n_obs)
    actions = sources.labels(action_labels, "action_labels", n_act)
    whole = np.zeros(size)
    whole[:n_obs] = start
    uniform = np.zeros(size)
    choices = np.ones((n_obs, n_act)) if allowed is None else allowed
    uniform[n_obs:] = (start[:, np.newaxis] * (choices / choices.sum(axis=1, keepdims=True))).ravel()
    recipe = partial(
        joint, n_observations=n_obs, n_actions=n_act, horizon=horizon, discount=gamma, initial=start,
        reward=tables[0], transition=tables[1], passive_reward=tables[2], successors=given,
        passive_successors=named, legal=allowed, time=time, step=step, name=name, observation_labels=labels,
        action_labels=actions, **{stays_name: None if stays is None else tables[3]},
    )  # fmt: skip

    def both(dt: float | None, n_steps: int, discount: float) -> Game:
        needs.ask(needed, first=True)
        rates = None if dt is None or stays is None else sources.Rates(dt, n_obs, named)
        halves = _HalfSteps(
            n_obs, n_act, 1.0 / sqrt(discount), *tables, active.shape[2], passive.shape[1], dt, rates, allowed
        )  # fmt: skip
        halves.tables(uniform, 1)  # finds mistakes in the callables early, as Game does
        made = Game(
            size,
            n_act,
            2 * n_steps,
            sqrt(discount),
            whole,
            halves.reward,
            halves.transition,
            passive_reward=halves.passive_reward,
            passive_transition=halves.passive_transition,
            successors=_acting(active, passive, n_obs, n_act),
            passive_successors=_passing(active, passive, n_obs, n_act),
            legal=None if allowed is None else np.concatenate([allowed, np.ones((n_obs * n_act, n_act), np.bool_)]),
            name=name,
            observation_labels=(*labels, *(f"{label}, {action}" for label in labels for action in actions)),
            action_labels=actions,
        )
        if dt is not None:
            made._fill({"step": dt / 2})
        made._made_by(recipe, pickles=True)
        return made

    if in_sweeps:
        return Game._swept(both, horizon, gamma, step, recipe, TINY)
    return both(None, check.as_positive_int(horizon, "horizon", high=2**30), gamma)


def by_half_step(game: Game, mu: FloatsLike) -> tuple[FloatArray, FloatArray]:
    """Split a flow or simulated shares of a game made by `joint` into population and joint law.

    Parameters
    ----------
    game : Game
        Made by `joint`.
    mu : (..., 2 T + 1, S (1 + A)) floats, Simulation, Flow or Solution
        Recorded at every step. For a result its mu is used.

    Returns
    -------
    mu : (..., T + 1, S) float64
        The population at each step of the game.
    law : (..., T, S, A) float64
        L_t, the law of observation and action of the acting agents; 0 if no agent acts.

    Raises
    ------
    TypeError, ValueError
        Another kind of game, an array of another shape, or a result of another game.
    """
    check.as_instance(game, "game", Game)
    halves = getattr((game._trial if game.time == "sweeps" else game).reward, "__self__", None)
    if not isinstance(halves, _HalfSteps):
        raise TypeError(f"game is {game!r}; must be a game made by games.joint")
    array = check.as_real_array(_results.shares(game, mu, "mu"), "mu")
    known = game.step is not None
    wanted = (game.n_steps + 1 if known else len(array[..., 0].T), game.n_observations)
    if array.shape[-2:] != wanted or wanted[0] % 2 == 0:
        raise ValueError(f"mu has shape {array.shape}; must be (..., {wanted[0]}, {wanted[1]}), every step recorded")
    population = array[..., ::2, : halves.n_observations].copy()
    return population, halves.law(array[..., 1::2, :])


@dataclass(eq=False)
class _HalfSteps:
    """The tables of both half-steps, as callables of the population over o and (o, a)."""

    n_observations: int
    n_actions: int
    scale: float  # 1 / sqrt(gamma), factor of rewards
    own_reward: sources.Table
    own_transition: sources.Table
    own_passive_reward: sources.Table
    own_passive_transition: sources.Table
    n_cells: int
    n_passive_cells: int
    step: float | None = None  # length of both half-steps together, in sweeps
    rates: sources.Rates | None = None
    legal: LegalArray | None = None
    _kept: tuple[tuple[int, bytes], tuple[FloatArray, ...]] | None = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_kept": None}  # cached tables are not part of the game

    def law(self, mu: FloatArray) -> FloatArray:
        """(..., S, A) from (..., S (1 + A)): the shares at (o, a), scaled to sum to 1."""
        acting = mu[..., self.n_observations :].reshape(*mu.shape[:-1], self.n_observations, self.n_actions)
        mass = acting.sum(axis=(-2, -1), keepdims=True)
        law: FloatArray = np.divide(acting, mass, out=np.zeros_like(acting), where=mass > 0)
        return law

    def tables(self, mu: FloatArray, t: int) -> tuple[FloatArray, ...]:
        """Reward, transition, passive reward and passive transition at half-step t."""
        key = (t, mu.tobytes())
        kept = self._kept
        if kept is None or kept[0] != key:  # each table is requested separately; threads may overwrite the cache
            kept = (key, self._moving(mu, t // 2) if t % 2 else self._choosing())
            self._kept = kept
        return kept[1]

    def _choosing(self) -> tuple[FloatArray, ...]:
        """Even steps: acting agents go from o to (o, a); no other agent moves, and no agent is paid."""
        size = self.n_observations * (1 + self.n_actions)
        transition = np.zeros((size, self.n_actions, self._width))
        transition[..., -1] = 1.0  # o -> (o, a); (o, a) -> itself
        passive = np.zeros((size, self._width))
        passive[:, -1] = 1.0
        return np.zeros((size, self.n_actions)), transition, np.zeros(size), passive

    def _moving(self, mu: FloatArray, t: int) -> tuple[FloatArray, ...]:
        """Odd steps: all agents move and are paid, acting or not."""
        n_obs, n_act = self.n_observations, self.n_actions
        law = self.law(mu)
        population = mu[:n_obs] + mu[n_obs:].reshape(n_obs, n_act).sum(axis=1)
        law.flags.writeable = population.flags.writeable = False

        def at(source: sources.Table, name: str, shape: tuple[int, ...], rows: bool) -> FloatArray:
            if not callable(source):
                return source
            when = t if self.step is None else t * self.step
            found, label = noted(source, name, "(law, mu, t)")(law, population, when), f"{name}(law, mu, t={when:g})"
            if shape[:2] == (n_obs, n_act) and name in ("reward", "transition"):
                found = filled(found, label, shape, self.legal)
            return (check.as_probabilities if rows else check.as_float_array)(found, label, shape=shape)

        reward = np.empty(n_obs * (1 + n_act))
        waiting = at(self.own_passive_reward, "passive_reward", (n_obs,), False)
        gain = at(self.own_reward, "reward", (n_obs, n_act), False)
        if self.step is not None:
            waiting = self.step * waiting
            gain = gain + waiting[:, np.newaxis]
        reward[:n_obs], reward[n_obs:] = waiting, gain.ravel()
        reward *= self.scale
        rows = np.zeros((n_obs * (1 + n_act), self._width))
        stays = (n_obs, self.n_passive_cells)
        if self.rates is None:
            staying = at(self.own_passive_transition, "passive_transition", stays, True)
        else:
            staying = self.rates(at(self.own_passive_transition, "passive_rates", stays, False))
        rows[:n_obs, : self.n_passive_cells] = staying
        rows[n_obs:, : self.n_cells] = at(
            self.own_transition, "transition", (n_obs, n_act, self.n_cells), True
        ).reshape(n_obs * n_act, self.n_cells)
        return np.repeat(reward[:, None], n_act, axis=1), np.repeat(rows[:, None], n_act, axis=1), reward, rows

    @property
    def _width(self) -> int:
        return max(self.n_cells, self.n_passive_cells) + 1

    def reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self.tables(mu, t)[0]

    def transition(self, mu: FloatArray, t: int) -> FloatArray:
        return self.tables(mu, t)[1]

    def passive_reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self.tables(mu, t)[2]

    def passive_transition(self, mu: FloatArray, t: int) -> FloatArray:
        return self.tables(mu, t)[3]


def _passing(active: SuccessorArray, passive: SuccessorArray, n_obs: int, n_act: int) -> SuccessorArray:
    """Successors of passive agents: at o as in the game, at (o, a) those of action a; the last entry is a stay."""
    width = max(active.shape[2], passive.shape[1]) + 1
    cells = np.empty((n_obs * (1 + n_act), width), dtype=np.int32)
    cells[:] = np.arange(len(cells), dtype=np.int32)[:, None]
    cells[:n_obs, : passive.shape[1]] = passive
    cells[n_obs:, : active.shape[2]] = active.reshape(n_obs * n_act, -1)
    return cells


def _acting(active: SuccessorArray, passive: SuccessorArray, n_obs: int, n_act: int) -> SuccessorArray:
    """Successors of acting agents: the same, but at o the last entry of action a is the observation (o, a)."""
    cells = np.repeat(_passing(active, passive, n_obs, n_act)[:, None], n_act, axis=1)
    cells[:n_obs, :, -1] = n_obs + np.arange(n_obs * n_act, dtype=np.int32).reshape(n_obs, n_act)
    return cells
