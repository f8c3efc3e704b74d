"""A game in continuous time: what agents with Poisson clocks play (Theory, section 12).

    Continuous.of(game, schedule)     the rates of a game in sweeps, and those of its agents' clocks
    record_times(times, horizon)      the argument `times` of simulate, mean_field, evaluate and fluctuations
    Stages.of(policy, game)           a policy as a function of mu, constant in time within each of its stages
    Timetable.of(times, n_stages)     record times and ends of stages

Notation: S observations, A actions, K successors of an acting agent, K0 of a passive one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import n_arguments
from tmfcore._base.pieces import PIECE
from tmfcore._base.validation import FloatArray, IntArray, SuccessorArray
from tmfcore._model import sources
from tmfcore._model.core import TINY
from tmfcore._model.game import Game
from tmfcore._model.model import Model
from tmfcore._model.played import Played
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.table_model import TableModel

__all__ = [
    "NO_STEPS", "NO_TIMES", "Continuous", "Stages", "Timetable", "pull", "push", "record_times", "refuse_steps",
    "refuse_times",
]  # fmt: skip

LATE = 2**30  # a step at which a game is compared with itself at step 0, ...
STEPS = 1024  # ... and so many more: what changes over time is spread over them, and may be periodic ...
MOST_ENTRIES = 10**7  # ... unless all their rewards together are more
MOST_RECORDS = 10**8
NO_STEPS = "record_every is {value}; must be omitted with Poisson clocks: give times instead"
NO_TIMES = "times is {shown}; must be omitted unless schedule is Poisson: use record_every"


class RateTables(NamedTuple):
    """Rewards (S, A) and rows (S, A, K) of actions; rewards per unit of time (S,) and the passive generator (S, K0)."""

    reward: FloatArray
    transition: FloatArray
    standing: FloatArray
    generator: FloatArray


@dataclass(frozen=True, eq=False)
class Continuous:
    """A game in sweeps whose agents act at the rate nu(o) of their observation.

    Parameters
    ----------
    game : Game
        In sweeps.
    rate : (S,) float64
        nu.
    most : float or None
        As given in Poisson.
    decay : float
        rho = -log(discount), per unit of time.
    """

    game: Game
    rate: FloatArray
    most: float | None
    decay: float
    model: Model  # in steps of `step`, so short that only rates are left of what passive agents do
    step: float
    own: SuccessorArray  # (S,) for each row of the generator the index of its own observation

    @classmethod
    def of(cls, game: object, schedule: Poisson) -> Continuous:
        """Check that `game` can be played in continuous time, and read it."""
        game = check.as_instance(game, "game", Game)
        if game._cut is None:
            raise ValueError(
                f"game is {game!r}, in steps; must be in sweeps (time='sweeps') for Poisson clocks, with passive "
                "rewards and rates per unit of time"
            )
        if game.step is not None:
            raise ValueError(
                f"game is {game!r} with step = {game.step:g}; must be made without step for Poisson clocks: continuous "
                "time has no steps (game.replace(step=None))"
            )
        if game.noise is not None:
            raise ValueError(f"game is {game!r} with a path of noise; must be without noise for Poisson clocks")
        if not game.discount > 0:
            raise ValueError("discount is 0; must be > 0 for Poisson clocks, where it is exp(-rho) per unit of time")
        for name in ("reward", "transition", "passive_reward", "passive_rates"):
            table = getattr(game, name)
            if callable(table) and n_arguments(table, name) != 1:
                raise ValueError(
                    f"{name} is a function of (mu, t); must be a function of mu alone for Poisson clocks, whose agents "
                    "act at random times"
                )
        model = _in_short_steps(game)
        stays = np.zeros(game.n_observations, dtype=np.int32)
        own = stays if model.passive_identity else sources.own_cells(game.n_observations, model.passive_successors)
        decay = 0.0 if game.discount == 1 else -math.log(game.discount)
        return cls(game, schedule._rates_at(game.n_observations), schedule.most, decay, model, TINY, own)

    def tables(self, mu: FloatArray) -> RateTables:
        """The tables at a population mu (S,), a distribution."""
        reward, transition, standing, rows = self.model.tables(mu, 0)
        reward = reward - standing[:, np.newaxis]
        if self.model.passive_identity:
            return RateTables(reward, transition, standing / self.step, np.zeros_like(rows))
        generator = rows / self.step
        places = np.arange(len(generator))
        successors = self.model.passive_successors
        if successors is None:
            generator[places, self.own] = 0.0
        else:
            generator[successors == places[:, np.newaxis]] = 0.0
        generator[places, self.own] = -generator.sum(axis=1)
        return RateTables(reward, transition, standing / self.step, generator)

    def leaving(self, mu: FloatArray) -> FloatArray:
        """The rate at which passive agents leave each observation, (S,)."""
        if self.model.passive_identity:
            return np.zeros(len(mu))
        return -self.tables(mu).generator[np.arange(len(mu)), self.own]

    def drift(self, mu: FloatArray, pi: FloatArray) -> FloatArray:
        """The derivative of mu in time, nu mu (A - I) + mu Q, (S,), under action probabilities pi (S, A)."""
        found = self.tables(mu)
        acting = mu * self.rate
        out = push(acting[:, np.newaxis] * pi, found.transition, self.model.successors) - acting
        if not self.model.passive_identity:
            out += push(mu, found.generator, self.model.passive_successors)
        return out


def push(weights: FloatArray, rows: FloatArray, successors: SuccessorArray | None) -> FloatArray:
    """Sum over rows of weights (...) times rows (..., K), (S,)."""
    cells = weights[..., np.newaxis] * rows
    if successors is None:
        return np.asarray(cells.reshape(-1, cells.shape[-1]).sum(axis=0))
    return np.asarray(np.bincount(successors.ravel(), cells.ravel(), minlength=len(weights)))


def pull(rows: FloatArray, values: FloatArray, successors: SuccessorArray | None) -> FloatArray:
    """Sum over successors of rows (..., K) times values (S,), (...)."""
    if successors is None:
        return np.asarray(rows @ values)
    return np.asarray((rows * values[successors]).sum(axis=-1))


def _in_short_steps(game: Game) -> Model:
    """The model in steps of TINY, whose tables do not depend on t; made and checked once for each game.

    Arrays and functions of mu, of a TableModel, have no t: of these one step, the last, is compared.
    """
    assert game._cut is not None, "checked by the caller"
    found = game._short
    if found is None:
        n_steps = max(2, min(STEPS, MOST_ENTRIES // (game.n_observations * game.n_actions)))
        found = game._cut(TINY, n_steps, 1.0).model
        _refuse_time(found, game, (LATE, *(() if isinstance(found, TableModel) else range(1, n_steps))))
        game._fill({"_short": found})
    return found


def _refuse_time(model: Model, game: Game, steps: Iterable[int]) -> None:
    """Raise unless the tables at mu_0 are the same at step 0 and at `steps`."""
    if model.constant or model.affine:
        return
    first = model.tables(game.initial, 0)
    for t in steps:
        if not all(map(np.array_equal, first, model.tables(game.initial, t))):
            raise ValueError(f"game is {game!r}, whose tables depend on t; must not for Poisson clocks")


# ------------------------------------------------------------------------------------------------- times, policies


def record_times(times: object, horizon: float, begin: float = 0.0) -> FloatArray:
    """Record times (J+1,), from `begin` to the horizon: given, multiples of a number, or by default of 1."""
    if times is None:
        times = min(1.0, horizon)
    if not check.is_array(times):
        every = check.as_float(times, "times", low=0.0, low_open=True)
        if horizon / every > MOST_RECORDS:
            raise ValueError(f"times is {every:g}, for {horizon / every:.3g} records; must be at most {MOST_RECORDS:g}")
        n = max(1, math.ceil(horizon / every * (1 - 1e-12)))
        if n > PIECE:
            needs.ask({"times": (24, n + 1)}, first=True)
        grid = every * np.arange(n + 1.0)
        grid[-1] = horizon
        if begin > 0:
            grid = np.concatenate([[begin], grid[grid > begin * (1 + 1e-12)]])
        return check.frozen(grid)
    grid = check.as_float_array(times, "times", shape=(None,), letters="J+1")
    first = "0" if begin == 0 else f"{say.number(begin)}, where start ends"
    ends = {"begin": (grid[0], begin, first), "end": (grid[-1], horizon, f"the horizon of the game, {horizon:g}")}
    for word, (found, wanted, name) in ends.items():
        if found != wanted:
            raise ValueError(f"times {word} at {say.number(found)}; must {word} at {name}")
    if not (np.diff(grid) > 0).all():
        j = int(np.argmin(np.diff(grid) > 0)) + 1
        raise ValueError(f"times[{j}] is {say.number(grid[j])} after {say.number(grid[j - 1])}; times must increase")
    return check.frozen(grid)


def refuse_steps(record_every: object) -> None:
    """Raise if `record_every` is given with Poisson clocks."""
    if check.as_positive_int(record_every, "record_every") != 1:
        raise ValueError(NO_STEPS.format(value=record_every))


def refuse_times(times: object) -> None:
    """Raise if `times` is given with a schedule in steps."""
    if times is not None:
        raise ValueError(NO_TIMES.format(shown=say.show(times)))


@dataclass(frozen=True, eq=False)
class Stages:
    """A policy in continuous time: L stages of equal length, in each of which it depends on mu only."""

    kernel: Policy
    n_stages: int

    @classmethod
    def of(cls, policy: PolicyLike, game: Game, name: str = "policy") -> Stages:
        """Check a policy, which may not be a function of (mu, t); `name` is that of the argument, for errors."""
        if callable(policy) and not isinstance(policy, (Played, Policy)) and n_arguments(policy, name) != 1:
            raise ValueError(
                f"{name} is a function of (mu, t); must be a function of mu alone for Poisson clocks, or a table of "
                "several stages"
            )
        steps = game.at(step=min(1.0, 2.0 ** (math.frexp(game.horizon)[1] - 30)))
        kernel = as_policy(policy, steps, name)
        return cls(kernel, kernel.n_stages)

    def table(self, mu: FloatArray, stage: int) -> FloatArray:
        """Action probabilities (S, A) at mu in a stage."""
        return np.asarray(self.kernel.probabilities(mu, stage, self.n_stages))


@dataclass(frozen=True, eq=False)
class Timetable:
    """Record times, and ends of stages between them: the edges (E+1,) between which a policy is one function of mu.

    first: (J+1,) the index of each record time among the edges; stage: (E,) the stage of each interval between edges.
    """

    edges: FloatArray
    first: IntArray
    stage: IntArray

    @classmethod
    def of(cls, times: FloatArray, n_stages: int) -> Timetable:
        """Merge record times (J+1,) with the ends of `n_stages` equal stages of [0, times[-1]]."""
        bounds = times[-1] * (np.arange(n_stages + 1) / n_stages)
        if n_stages == 1:
            edges, first = times, np.arange(len(times))
        else:
            near = times[np.searchsorted(times, bounds).clip(max=len(times) - 1)]
            bounds = np.where(np.abs(near - bounds) <= 1e-12 * times[-1], near, bounds)
            edges = np.union1d(times, bounds[bounds > times[0]])
            first = np.searchsorted(edges, times)
        middle = (edges[:-1] + edges[1:]) / 2
        stage = np.searchsorted(bounds, middle, side="right") - 1
        return cls(edges, first.astype(np.int64), stage.astype(np.int64))
