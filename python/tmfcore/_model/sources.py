"""The arguments of a game, checked: sizes, tables as arrays or functions, successors, labels.

Sources(...).model()              the TableModel of a game in steps
Sources(...).swept(dt, n_steps)   the same of a game in sweeps, in steps of dt (Theory, section 8)

Notation: S observations, A actions, K successors of an acting agent, K0 of a passive one, T steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory, of_mu_and_t
from tmfcore._base.rows import ROUNDING
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._model.appearance import numbered
from tmfcore._model.legal import LegalArray, as_legal, filled
from tmfcore._model.model import Model
from tmfcore._model.table_model import TableModel

__all__ = ["INT32_MAX", "Rates", "Sources", "Table"]

Table: TypeAlias = (
    FloatArray | Callable[..., Any]
)  # as stored in a Game: a read-only array, or the user's function

INT32_MAX = 2**31 - 1  # observations, actions and steps are C ints in the kernels
HINT = ", or pass noise=, a path (T, ...), for functions of (mu, t, z)"


@dataclass(kw_only=True)
class Sources:
    """The tables of a game, per step; `in_sweeps` the passive ones are rates per sweep. None: passive agents stay."""

    n_observations: int
    n_actions: int
    reward: Table
    transition: Table
    passive_reward: Table
    passive_transition: Table | None
    successors: SuccessorArray | None
    passive_successors: SuccessorArray | None
    noise: FloatArray | None
    legal: LegalArray | None = None
    in_sweeps: bool = False
    timed: bool = False  # all functions are f(mu, t) of the step t and return float64 arrays

    @classmethod
    def of(
        cls,
        n_observations: object,
        n_actions: object,
        reward: object,
        transition: object,
        passive_reward: object,
        passive_transition: object,
        passive_rates: object,
        successors: object,
        passive_successors: object,
        noise: FloatArray | None,
        legal: object,
        in_sweeps: bool,
    ) -> Sources:
        """Check the user's arguments."""
        n_obs, n_act = sizes(n_observations, n_actions)
        allowed = as_legal(legal, n_obs, n_act)
        given, name = passive_given(passive_transition, passive_rates, passive_successors, in_sweeps)
        active, passive = successor_arrays(successors, passive_successors, n_obs, n_act, allowed)
        shape, letters = ((n_obs, n_act, n_obs), "S, A, S") if active is None else (active.shape, "S, A, K")
        moves = rows(filled(transition, "transition", shape, allowed), "transition", shape, letters)
        rewards = filled(reward, "reward", (n_obs, n_act), allowed)
        if not callable(passive_reward) and not check.is_array(passive_reward):
            passive_reward = np.full(n_obs, check.as_float(passive_reward, "passive_reward"))
        wanted = ((n_obs, n_obs), "S, S") if passive is None else (passive.shape, "S, K0")
        read = table if in_sweeps else rows
        made = cls(
            n_observations=n_obs,
            n_actions=n_act,
            reward=table(rewards, "reward", (n_obs, n_act), "S, A"),
            transition=moves,
            passive_reward=table(passive_reward, "passive_reward", (n_obs,), "S"),
            passive_transition=None if given is None else read(given, name, *wanted),
            successors=active,
            passive_successors=passive,
            noise=noise,
            legal=allowed,
            in_sweeps=in_sweeps,
        )
        if in_sweeps and isinstance(made.passive_transition, np.ndarray):
            Rates(2.0**-40, n_obs, passive)(made.passive_transition)  # checks that it is a generator, for any step
        return made

    @property
    def called(self) -> bool:
        """Whether one of the tables is a function."""
        return any(map(callable, (self.reward, self.transition, self.passive_reward, self.passive_transition)))

    def model(self) -> TableModel:
        """The model used by the kernels."""

        def source(value: Table, name: str) -> Table:
            if not callable(value) or self.timed:
                return value
            read = check.as_rows if name.endswith("transition") else check.as_real_array
            return of_mu_and_t(value, name, self.noise, HINT, read=read)

        return TableModel(
            self.n_observations,
            self.n_actions,
            source(self.reward, "reward"),
            source(self.transition, "transition"),
            source(self.passive_reward, "passive_reward"),
            None if self.passive_transition is None else source(self.passive_transition, "passive_transition"),
            self.successors,
            self.passive_successors,
            self.legal,
        )

    def swept(self, step: float, n_steps: int) -> Sources:
        """The tables of one of `n_steps` steps of `step` sweeps: functions of (mu, t) with t = 0, 1, ... steps."""

        def timed(value: Table, name: str) -> Table:
            read = check.as_rows if name == "transition" else check.as_real_array
            return of_mu_and_t(value, name, self.noise, HINT, step, n_steps, read) if callable(value) else value

        rate = timed(self.passive_reward, "passive_reward")
        waiting = _Waiting(rate, step, self.n_observations) if callable(rate) else check.frozen(step * rate)
        gain = timed(self.reward, "reward")
        if callable(gain) or callable(waiting):
            reward: Table = _Earned(gain, waiting, (self.n_observations, self.n_actions), step)
        else:
            reward = check.frozen(gain + waiting[:, np.newaxis])
        passive = self.passive_transition
        if passive is not None:
            rows_of = Rates(step, self.n_observations, self.passive_successors)
            rates = timed(passive, "passive_rates")
            passive = rows_of.called(rates) if callable(rates) else check.frozen(rows_of(rates))
        return replace(
            self, reward=reward, transition=timed(self.transition, "transition"), passive_reward=waiting,
            passive_transition=passive, noise=None, in_sweeps=False, timed=True,
        )  # fmt: skip


@dataclass
class _Waiting:
    """The passive reward of a step, dt r0; the last one is cached, since both rewards need it."""

    rate: Callable[..., FloatArray]
    step: float
    n_observations: int
    _kept: tuple[Any, int, FloatArray] | None = None

    def __call__(self, mu: FloatArray, t: int) -> FloatArray:
        kept = self._kept
        if kept is None or kept[0] is not mu or kept[1] != t:
            found = self.rate(mu, t)
            _same_shape(found, (self.n_observations,), f"passive_reward(mu, t={t * self.step:g})")
            kept = self._kept = (mu, t, self.step * found)
        return kept[2]


@dataclass(frozen=True)
class _Earned:
    """The reward of an acting agent in one step, r + dt r0."""

    gain: Table
    waiting: Table
    shape: tuple[int, int]
    step: float

    def __call__(self, mu: FloatArray, t: int) -> FloatArray:
        gain, waiting = (part(mu, t) if callable(part) else part for part in (self.gain, self.waiting))
        _same_shape(gain, self.shape, f"reward(mu, t={t * self.step:g})")
        found: FloatArray = gain + waiting[:, np.newaxis]
        return found


class Rates:
    """Converts the rates of a generator to the transition rows of a step, I + dt Q, checked.

    Parameters
    ----------
    step : float
        dt.
    n_observations : int
    successors : (S, K0) integers or None
        The observations of the entries of a row. Row o must contain o; its first entry for o is minus the rate at which
        agents leave o.
    name : str
    """

    def __init__(
        self, step: float, n_observations: int, successors: SuccessorArray | None, name: str = "passive_rates"
    ) -> None:
        self.step, self.name = step, name
        self.places = np.arange(n_observations)
        self.own = own_cells(n_observations, successors)
        self.shape = (n_observations, n_observations) if successors is None else successors.shape

    def __call__(self, rates: FloatArray, label: str = "") -> FloatArray:
        """Rows (S, K0) of a step from rates (S, K0); `label` names the (mu, t) of a function's rates in errors."""
        _same_shape(rates, self.shape, self.name + label)
        found = self.unchecked(rates)
        found[(found < 0) & (found >= -ROUNDING)] = 0.0  # a rate of 1 / dt, rounded, or of 0
        largest = np.abs(rates).max(initial=1.0)
        if not (found.min() >= 0 and np.abs(rates.sum(axis=-1)).max() <= check.ROW_TOLERANCE * largest):
            self._refuse(rates, self.name + label)
        return found

    def unchecked(self, rates: FloatArray) -> FloatArray:
        """I + dt Q, without checks."""
        found: FloatArray = self.step * rates
        found[self.places, self.own] += 1.0
        return found

    def called(self, rates: Callable[..., FloatArray]) -> Callable[[FloatArray, int], FloatArray]:
        """The function of (mu, t) that converts the rates of a function to rows."""
        return lambda mu, t: self(rates(mu, t), f"(mu, t={t * self.step:g})")

    def _refuse(self, rates: FloatArray, name: str) -> None:
        check.as_float_array(rates, name)
        between = rates.copy()
        between[self.places, self.own] = 0.0
        bad = between < 0
        if bad.any():
            o, k = (int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"{name}[{o}, {k}] is {say.number(rates[o, k])}; a rate from one observation to another must be >= 0"
            )
        sums = rates.sum(axis=-1)
        bad = np.abs(sums) > check.ROW_TOLERANCE * np.abs(rates).max(initial=1.0)
        if bad.any():
            o = int(np.argmax(bad))
            k = int(self.own[o])
            raise ValueError(
                f"{name}[{o}] sums to {say.number(sums[o])}; each row must sum to 0, so that [{o}, {k}] is minus the "
                f"rate at which agents leave ({say.tally(bad, 'rows')})"
            )
        leaving = -rates[self.places, self.own]
        o = int(np.argmax(leaving))
        raise ValueError(
            f"{name}[{o}, {self.own[o]}] is {say.number(-leaving[o])}: agents leave observation {o} at the rate "
            f"{say.number(leaving[o])} per sweep; times dt = {self.step:.6g}, the length of a step in sweeps, this is "
            f"{self.step * leaving[o]:.6g}; must be at most 1: use a smaller batch, or a game with step <= "
            f"{1 / leaving[o]:.6g}"
        )


def own_cells(n_observations: int, successors: SuccessorArray | None) -> SuccessorArray:
    """For each row (S, K0) the index of the entry for the row's own observation, (S,)."""
    places = np.arange(n_observations, dtype=np.int32)
    if successors is None:
        return places
    own = successors == places[:, np.newaxis]
    if not own.any(axis=1).all():
        o = int(np.argmin(own.any(axis=1)))
        raise ValueError(
            f"passive_successors[{o}] does not contain {o}; must, since its rate is minus that at which agents leave"
        )
    return np.asarray(own.argmax(axis=1), dtype=np.int32)


# ----------------------------------------------------------------------------------------------------- checks


def _same_shape(found: FloatArray, shape: tuple[int, ...], name: str) -> None:
    if found.shape != shape:
        raise ValueError(f"{name} has shape {found.shape}; must be {shape}")


def passive_given(
    passive_transition: object, passive_rates: object, passive_successors: object, in_sweeps: bool
) -> tuple[object, str]:
    """The kernel of passive agents, and its name; the argument for the other unit of time is an error."""
    wrong, name = ("passive_transition", "passive_rates") if in_sweeps else ("passive_rates", "passive_transition")
    given, other = (passive_rates, passive_transition) if in_sweeps else (passive_transition, passive_rates)
    if other is not None:
        time = "sweeps" if in_sweeps else "steps"
        raise ValueError(f"{wrong} is given with time={time!r}; must be {name} instead")
    if given is None and passive_successors is not None:
        raise ValueError(f"passive_successors is given without {name}; must be given together with it")
    return given, name


def sizes(n_observations: object, n_actions: object) -> tuple[int, int]:
    n_obs = check.as_positive_int(n_observations, "n_observations", high=INT32_MAX)
    n_act = check.as_positive_int(n_actions, "n_actions", high=INT32_MAX)
    needs.ask({"labels and vectors": (100, n_obs + n_act)}, first=True)
    return n_obs, n_act


@fits_memory(SMALLER_GAME)
def at(cut: Callable[[float, int, float], Any], dt: float, n_steps: int, gamma: float) -> Any:
    """A game in steps; about memory the error is that of `Game.at`, whose other calls need no wrapper."""
    return cut(dt, n_steps, gamma)


def probe(model: Model, initial: FloatArray) -> None:
    """Run user code once, to find its mistakes early."""
    n_obs, n_act = model.n_observations, model.n_actions
    cells = n_obs * n_act * (model.n_successors + 1) + n_obs * (model.n_passive_successors + 1)
    needs.ask({"tables of a step": (8, cells)}, first=True)
    model.tables(initial, 0)


def successor_arrays(
    successors: object, passive_successors: object, n_obs: int, n_act: int, legal: LegalArray | None = None
) -> tuple[SuccessorArray | None, SuccessorArray | None]:
    """Both successor arrays, checked and read-only, or None; those of illegal actions are those of their stand-ins."""

    def read(value: object, name: str, shape: tuple[int | None, ...], letters: str) -> SuccessorArray | None:
        if value is None:
            return None
        return check.frozen(check.as_successors(value, name, shape=shape, letters=letters, n_observations=n_obs))

    return (
        read(
            filled(successors, "successors", (n_obs, n_act, None), legal), "successors", (n_obs, n_act, None), "S, A, K"
        ),
        read(passive_successors, "passive_successors", (n_obs, None), "S, K0"),
    )


def table(value: object, name: str, shape: tuple[int, ...], letters: str) -> Table:
    """Rewards or rates as stored in a Game: a read-only array, or the function."""
    if callable(value):
        return value
    return check.frozen(check.as_float_array(value, name, shape=shape, letters=letters))


def rows(value: object, name: str, shape: tuple[int, ...], letters: str) -> Table:
    """Transition rows as stored in a Game: a read-only array, or the function."""
    if callable(value):
        return value
    return check.frozen(check.as_probabilities(value, name, shape=shape, letters=letters))


def path(noise: object, n_steps: int | None) -> FloatArray | None:
    """A path of common noise, checked and read-only: one entry per step; any number of entries if n_steps is None."""
    if noise is None:
        return None
    array = check.frozen(check.as_float_array(noise, "noise"))
    if array.ndim == 0 or len(array) != (n_steps or max(1, len(array))):
        wanted = "(L, ...), entries spread evenly over the horizon"
        raise ValueError(
            f"noise has shape {array.shape}; must be "
            + (wanted if n_steps is None else f"({n_steps}, ...), one entry per step")
        )
    return array


def labels(value: object, name: str, n: int) -> tuple[str, ...]:
    return numbered(n) if value is None else check.as_labels(value, name, n)


def shape_of(value: object, n: int) -> tuple[int, ...]:
    """`observation_shape`, checked; None means (n,)."""
    if value is None:
        return (n,)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"observation_shape is {type(value).__name__}; must be a tuple of ints")
    shape = tuple(
        check.as_positive_int(size, f"observation_shape[{i}]", high=INT32_MAX) for i, size in enumerate(value)
    )
    if prod(shape) != n:
        raise ValueError(f"observation_shape is {shape}, {prod(shape)} points; must be {n} = n_observations")
    return shape


def dense(cells: FloatArray, successors: SuccessorArray) -> FloatArray:
    """Rows over K successors (..., K) as rows over observations (..., S); entries of repeated successors add up."""
    n_obs, n_cells = successors.shape[0], successors.shape[-1]
    found = np.zeros((*cells.shape[:-1], n_obs))
    flat = found.reshape(-1, n_obs)
    np.add.at(
        flat,
        (np.arange(len(flat))[:, np.newaxis], successors.reshape(-1, n_cells)),
        cells.reshape(-1, n_cells),
    )
    return found
