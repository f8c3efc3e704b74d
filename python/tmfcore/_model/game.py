"""Games: rewards and transitions of acting and of passive agents.

    Game(...)               from arrays and Python callables
    Game.compiled(...)      from a compiled row function (numba, cffi, ctypes, Cython)
    Game.from_model(...)    from any tmfcore._model.model.Model

`at` turns a game in sweeps into the game in steps that a schedule plays. All public functions call it (`in_steps`), so
that kernels and algorithms only handle games in steps.

Notation: S observations, A actions, K successors of an acting agent, K0 of a passive one, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike, TableLike, Time
from tmfcore._model import clock, sources
from tmfcore._model.compiled import LARGE, Compiled
from tmfcore._model.core import TINY, Tables
from tmfcore._model.noise import Law, as_law, first_path
from tmfcore._model.schedules import Schedule
from tmfcore._model.sources import INT32_MAX, Sources, Table

__all__ = ["Game", "Table", "Tables", "in_steps"]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Game(Compiled):
    """A temporal mean-field game (Theory, section 1). Frozen; its arrays are read-only copies.

    Parameters
    ----------
    n_observations, n_actions : int
        S and A.
    horizon : int or float
        Length of the game: T steps (int), or the number of sweeps (float) if `time` is "sweeps".
    discount : float
        gamma in [0, 1], per step, or per sweep if `time` is "sweeps".
    initial : (S,) floats
        mu_0, the population distribution at the start.
    reward : (S, A) floats or callable
        r_t(o, a, mu) of an acting agent.
    transition : (S, A, S) floats or callable
        P_t(x | o, a, mu): every row (last axis) is a distribution over next observations. (S, A, K) with
        `successors`.
    passive_reward : (S,) floats, callable or one number, optional
        r0_t(o, mu) of an agent that does not act. Default 0.
    passive_transition : (S, S) floats, callable or None, optional
        P0_t(x | o, mu). None (default): passive agents stay where they are. (S, K0) with
        `passive_successors`.
    passive_rates : (S, S) floats, callable or None, optional
        With time="sweeps", instead of passive_transition: the generator Q_t(x | o, mu) of passive agents. Rates per
        sweep, >= 0 off the diagonal; every row sums to 0. (S, K0) with `passive_successors`; row o must contain o.
    successors : (S, A, K) integers, optional
        The observations that an acting agent can reach: entry k of a row of `transition` is the probability of
        successors[o, a, k]. A row may contain an observation twice (for example as padding): the probabilities add up.
    passive_successors : (S, K0) integers, optional
        The same for passive agents.
    legal : (S, A) booleans, optional
        Which actions are legal; at least one at every observation. Rewards, rows and successors of illegal actions are
        not read and may hold anything, NaN too; policies give them weight 0. None (default): every action is legal.
    noise : (T, ...) floats, NoiseChain, or callable f(rng) -> (T, ...) floats, optional
        Common noise, the same for all agents: callables may then be f(mu, t, z), with z = noise[t]. A path, which is
        known; or its law, a chain or a function that draws a path with a numpy Generator: `simulate`, `mean_field`,
        `evaluate`, `exploitability` and `solve` then are about many paths, all else about `game.on(path)`. With
        time="sweeps" a path has L entries spread evenly over the horizon, and a chain one state per step.
    time : {"steps", "sweeps"}, optional
        Unit of time. "steps" (default): everything is per step. "sweeps": a sweep is the time in which every agent acts
        once on average; `reward` is earned at once by an action, `passive_reward` is a rate that every agent, acting or
        passive, earns while time passes, and `passive_rates` are the transition rates of passive agents. Under a
        schedule of B among N agents a step lasts dt = B / N sweeps (see Notes); for every B it is the same game.
    step : float, optional
        With time="sweeps": dt in (0, 1], instead of that of the schedule. Required if the batch varies over time.
    assumed : bool, optional
        True if the arrays among the tables were found constant by probing, and are not known to be constant: the game
        is played with these arrays, but analysis proves nothing from them.
    name : str, optional
    observation_labels, action_labels : sequences of S and of A different strings, optional
        For tables and plots; default "0", "1", ... Plots add up observations with labels "place, detail" by place.
    observation_shape : tuple of int, optional
        For plots: observations are the points of a grid of this shape, for example (rows, columns), numbered row by
        row; its product is S. Default (S,).

    Attributes
    ----------
    model : tmfcore._model.model.Model
        The compiled model used by the kernels.
    n_steps : int
        T.
    dt : float
        Length of a step in sweeps; 1.0 if time is in steps.
    reward, transition, passive_reward, passive_transition, passive_rates
        As given: read-only arrays, or the callables; None if not given, or inside a compiled model. Rows of illegal
        actions are those of the first legal one.
    legal : (S, A) bool, read-only, or None
        None if every action is legal.

    Raises
    ------
    TypeError
        A value of the wrong type, or a callable with other arguments than (mu), (mu, t) or, with `noise`, (mu, t, z).
    ValueError
        A wrong shape, a row that is not a distribution, NaN or infinity, an index out of range.

    Notes
    -----
    Each callable is a function of (mu) or (mu, t): a function with two required arguments, or a second argument called
    t, is called as f(mu, t); in a game with `noise` one with three as f(mu, t, z). It is called once per step with mu,
    a new read-only (S,) float64 array, and t, an int (a float with time="sweeps": the sweeps that have passed), and
    returns an array as above. The return value is checked at every call, and once here at (initial, 0), to find
    mistakes early. Its errors propagate, with a note that names the callable and the step.

    In steps of dt a game in sweeps has T = round(horizon / dt), discount**dt, reward + dt passive_reward, transition,
    dt passive_reward and I + dt passive_rates. This is the game that `at` returns. Its mean-field limit is the same for
    every dt up to terms of order dt. A rate above 1 / dt is an error that names the rate.

    Examples
    --------
    Two roads; the more agents share one, the longer it takes.

    >>> import numpy as np, tmfcore as tmf
    >>> roads = tmf.Game(2, 2, horizon=10, discount=0.9, initial=[1, 0],
    ...                  reward=lambda mu: np.repeat(-mu[:, None], 2, axis=1),
    ...                  transition=[[[1, 0], [0, 1]], [[1, 0], [0, 1]]], name="roads")
    >>> roads
    Game('roads', S=2, A=2, T=10, discount=0.9)
    >>> roads.tables(mu=[0.75, 0.25])[0]
    array([[-0.75, -0.75],
           [-0.25, -0.25]])

    The same game in sweeps, with congestion as a rate, under two schedules: 100 of 1,000 agents act at a step, or 1.

    >>> roads = tmf.Game(2, 2, horizon=10, discount=0.9, initial=[1, 0], reward=[[0, 0], [0, 0]],
    ...                  transition=[[[1, 0], [0, 1]], [[1, 0], [0, 1]]], passive_reward=lambda mu: -mu,
    ...                  time="sweeps", name="roads")
    >>> uniform = tmf.TabularPolicy.uniform(roads)
    >>> [round(tmf.evaluate(roads, uniform, who, 1000).mean_return, 1) for who in (tmf.Batch(100), tmf.Sequential())]
    [-3.4, -3.3]
    """

    @fits_memory(LARGE)
    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        horizon: float,
        discount: float,
        initial: FloatsLike,
        reward: TableLike,
        transition: TableLike,
        *,
        passive_reward: TableLike = 0.0,
        passive_transition: TableLike | None = None,
        passive_rates: TableLike | None = None,
        successors: FloatsLike | None = None,
        passive_successors: FloatsLike | None = None,
        legal: FloatsLike | None = None,
        noise: FloatsLike | Law | None = None,
        time: Time = "steps",
        step: float | None = None,
        assumed: bool = False,
        name: str = "",
        observation_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        observation_shape: Sequence[int] | None = None,
    ) -> None:
        in_sweeps = clock.is_sweeps(time, step)
        path, law = None, as_law(noise)
        if noise is not None:
            n_steps = None if in_sweeps else check.as_positive_int(horizon, "horizon", high=INT32_MAX)
            path = sources.path(noise if law is None else first_path(law, n_steps), n_steps)
        given = Sources.of(
            n_observations, n_actions, reward, transition, passive_reward, passive_transition, passive_rates,
            successors, passive_successors, path, legal, in_sweeps,
        )  # fmt: skip
        look: dict[str, Any] = {
            "name": name, "observation_labels": observation_labels, "action_labels": action_labels,
            "observation_shape": observation_shape, "assumed": assumed,
        }  # fmt: skip
        passive_name = "passive_rates" if in_sweeps else "passive_transition"
        tables: dict[str, Any] = {
            "reward": given.reward, "transition": given.transition, "passive_reward": given.passive_reward,
            passive_name: given.passive_transition, "successors": given.successors,
            "passive_successors": given.passive_successors, "noise": path,
        }  # fmt: skip
        if in_sweeps:
            mu = check.frozen(
                check.as_probabilities(initial, "initial", shape=(given.n_observations,), letters="S")
            )

            def cut(dt: float, n_steps: int, gamma: float) -> Game:
                swept = given.swept(dt, n_steps)
                return Game._trusted(
                    swept.model(), n_steps, gamma, mu, reward=swept.reward, transition=swept.transition,
                    passive_reward=swept.passive_reward, passive_transition=swept.passive_transition,
                    successors=swept.successors, passive_successors=swept.passive_successors, step=dt, **look,
                )  # fmt: skip

            self._sweep(cut, horizon, discount, step, TINY, probe=given.called, **tables)
        else:
            self._settle(given.model(), horizon, discount, initial, probe=given.called, **tables, **look)
        self._made_by(
            partial(
                Game, n_observations=self.n_observations, n_actions=self.n_actions, horizon=self.horizon,
                discount=self.discount, initial=self.initial, time=self.time, step=step, legal=self.legal, **tables,
                **self._look(),
            ),
            pickles=True,
        )  # fmt: skip
        if law is not None:
            assert self._recipe is not None, "it was set above"
            self._made_by(partial(self._recipe, noise=law), pickles=True)
            self._draw_from(law, given)

    @cached_property
    def _entries(self) -> int:
        """Of a game in steps: numbers in kernels and policies of all steps, and S^2; a measure of what verbs need."""
        model = self.model
        n_obs = model.n_observations
        each = n_obs * (model.n_actions * (model.n_successors + 1) + model.n_passive_successors + 1)
        return int(self.horizon + 1) * each + n_obs * n_obs

    @cached_property
    def _scale(self) -> float:
        """The size of returns: the largest |reward| at the steps and populations tried, times the sum of the discounts.

        Of a game in steps. Tried are the first and the last step, at the initial population and at an uneven one: where
        rewards of an equilibrium cancel, as in zero-sum games, they do not cancel there. O(S A K).
        """
        model, largest = self.model, 0.0
        uneven = np.arange(1.0, self.n_observations + 1)
        mus = [self.initial] if model.constant else [self.initial, uneven / uneven.sum()]
        for t in {0, 0 if model.constant else self.n_steps - 1}:
            for mu in mus:
                with suppress(Exception):  # a game that fails there fails, or not, where it is played
                    active, passive = model.rewards(mu, t)
                    paid = active if self.legal is None else active[self.legal]
                    largest = max(largest, float(np.abs(paid).max()), float(np.abs(passive).max()))
        weights = float(self.n_steps) if self.discount == 1 else (1 - self.discount**self.n_steps) / (1 - self.discount)
        return min(largest * weights, float(np.finfo(np.float64).max))


def in_steps(
    game: object, schedule: Schedule | None = None, n_agents: int | None = None, name: str = "game", *,
    random: bool = False,
) -> Game:  # fmt: skip
    """Check `game`, and return the game in steps that `schedule` plays (a game in steps itself).

    A game whose noise is random is an error unless `random`.
    """
    found = check.as_instance(game, name, Game)
    if not random:
        found._refuse_random(name)
    return found if found._cut is None else found.at(schedule, n_agents)
