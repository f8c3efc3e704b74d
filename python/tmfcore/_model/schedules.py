"""Schedules: the agents that act at each step. B_t agents drawn without replacement, or each with probability beta_t.

    Synchronous()      all agents act at every step, B = N
    Sequential()       one agent per step, B = 1
    Batch(size)        B agents per step
    Fraction(beta)     B = beta N agents per step, to the nearest whole agent
    Bernoulli(p)       each agent independently with probability p
    Poisson(rate)      each agent at times of its own, in continuous time (module `poisson`)

size, beta and p are a number, an array with one number per step, or a function of mu and the step; p may also depend on
the observation of the agent. A bare number is not accepted as a schedule: 1 could be one agent or all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import n_arguments, of_mu_and_t
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.activation import ActingShares
from tmfcore._model.of_mu import ForBoth, ShareOf

__all__ = ["Active", "Batch", "Bernoulli", "Fraction", "Schedule", "Sequential", "Synchronous", "as_schedule"]


#: beta_t for the kernels: float64, (1,) if constant, else (T,); or ActingShares if it depends on observation or mu.
Active: TypeAlias = FloatArray | ActingShares

EVERYBODY = check.frozen(np.ones(1))
ONE = check.frozen(np.ones(1, dtype=np.int64))


@dataclass(frozen=True, eq=False, repr=False)
class Schedule(ABC):
    """The agents that act at each step; abstract. Frozen; two are equal if class and numbers are equal."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Short name for tables and legends: "B=1", "B=N", "p=0.1"."""

    def active_fraction(self, horizon: int, n_agents: int | None = None) -> FloatArray:
        """beta_t, the expected share of the population that acts at each step.

        Parameters
        ----------
        horizon : int
            T, the number of steps.
        n_agents : int or None, optional
            N. Sequential and Batch need it; Fraction rounds to whole agents if it is given.

        Returns
        -------
        (T,) float64, read-only
            A broadcast view of one number if the schedule is constant.

        Raises
        ------
        ValueError
            n_agents missing, a batch larger than n_agents, or an array whose length is not T; the probability of
            acting depends on the observation or on mu, so that the share depends on the flow.
        """
        horizon = check.as_positive_int(horizon, "horizon")
        active = self._active(horizon, n_agents)
        if isinstance(active, ActingShares):
            raise ValueError(
                f"schedule is {self!r}: who acts depends on the population, and so does the share that acts; must be "
                "taken from a flow (mean_field(...).active_fraction)"
            )
        return np.broadcast_to(active, (horizon,))

    def _active(self, horizon: int, n_agents: int | None) -> Active:
        """beta_t for the mean-field kernels."""
        if n_agents is None:
            raise ValueError(
                f"schedule is {self!r} and n_agents is None; the fraction of agents that act depends on n_agents: "
                "pass it, or use Fraction(beta)"
            )
        batch, _ = self._kernel(horizon, n_agents)
        assert batch is not None, "Bernoulli, the only schedule without batches, overrides this method"
        return np.array([float(batch[0]) / float(n_agents)]) if len(batch) == 1 else batch / float(n_agents)

    @abstractmethod
    def _kernel(self, horizon: int, n_agents: int) -> tuple[IntArray | None, Active | None]:
        """(batch sizes int64 (1,) or (T,), None) or (None, probabilities), for the engines."""

    def _by_observation(self) -> bool:
        """Whether the probability of acting depends on the observation or on mu."""
        return False

    def _rounds(self) -> bool:
        """Whether n_agents rounds a function of mu to whole agents."""
        return False

    def _tagged(self) -> Schedule:
        """The schedule of a game that has separate observations for one tagged agent (_population/tagged)."""
        return self

    def __str__(self) -> str:
        return self.label

    def __repr__(self) -> str:
        shown = (getattr(v, "__name__", repr(v)) if callable(v) else repr(v) for v in self._values())
        return f"{type(self).__name__}({', '.join(shown)})"

    def _values(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())

    def _key(self) -> tuple[Any, ...]:
        return type(self), *((v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in self._values())

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Schedule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()  # by the constructor, so that a copy is read-only, too


@dataclass(frozen=True, eq=False, repr=False)
class Synchronous(Schedule):
    """All agents act at every step, B = N."""

    @property
    def label(self) -> str:
        return "B=N"

    def _active(self, horizon: int, n_agents: int | None) -> FloatArray:
        if n_agents is not None:
            _agents(n_agents)
        return EVERYBODY

    def _kernel(self, horizon: int, n_agents: int) -> tuple[IntArray, None]:
        return np.array([_agents(n_agents)], dtype=np.int64), None


@dataclass(frozen=True, eq=False, repr=False)
class Sequential(Schedule):
    """One agent, drawn uniformly, acts at every step, B = 1."""

    @property
    def label(self) -> str:
        return "B=1"

    def _kernel(self, horizon: int, n_agents: int) -> tuple[IntArray, None]:
        _agents(n_agents)
        return ONE, None


@dataclass(frozen=True, eq=False, repr=False)
class Batch(Schedule):
    """`size` agents act at each step, drawn uniformly without replacement.

    Parameters
    ----------
    size : int, (T,) integers, or callable f(mu, t) or f(mu)
        B_t, 0 <= B_t <= N. A callable gets the population mu, (S,) float64 read-only, and the step t, and returns one
        integer; it is called once per step and replica, for N agents with mu = counts / N.

    Raises
    ------
    TypeError
        Not integers.
    ValueError
        A negative size, an empty array; when used, a size above n_agents or an array whose length is not T.
    """

    size: int | Sequence[int] | npt.NDArray[np.integer[Any]] | Callable[..., Any]

    def __post_init__(self) -> None:
        if callable(self.size):
            n_arguments(self.size, "size")
        elif check.is_array(self.size):
            _store(self, "size", check.as_int_array(self.size, "size", shape=(None,), letters="T", low=0))
        else:
            _store(self, "size", check.as_int(self.size, "size", low=0, high=check.INT64_MAX))

    @property
    def label(self) -> str:
        return "B(mu, t)" if callable(self.size) else f"B={_span(self.size)}"

    def _by_observation(self) -> bool:
        return callable(self.size)

    def _active(self, horizon: int, n_agents: int | None) -> Active:
        if callable(self.size) and n_agents is not None:
            return ActingShares(None, ShareOf(self.size, "size", _agents(n_agents)), "size", batches=True)
        return super()._active(horizon, n_agents)

    def _tagged(self) -> Schedule:
        return Batch(ForBoth(of_mu_and_t(self.size, "size"))) if callable(self.size) else self

    def _kernel(self, horizon: int, n_agents: int) -> tuple[IntArray | None, Active | None]:
        if callable(self.size):
            return None, self._active(horizon, n_agents)
        sizes = _per_step(self.size, "size", horizon)
        n_agents = _agents(n_agents)
        if not isinstance(self.size, np.ndarray):
            if cast(int, self.size) > n_agents:
                raise ValueError(f"size is {self.size}; must be <= n_agents = {n_agents}")
        elif sizes.max() > n_agents:
            t = int(np.argmax(sizes > n_agents))
            tally = f"{np.count_nonzero(sizes > n_agents)} of {horizon} entries are bad"
            raise ValueError(f"size[{t}] is {sizes[t]}; must be <= n_agents = {n_agents} ({tally})")
        return sizes, None


@dataclass(frozen=True, eq=False, repr=False)
class Fraction(Schedule):
    """A share beta of the agents acts at each step: B = floor(beta N + 1/2), drawn without replacement.

    Parameters
    ----------
    beta : float, (T,) floats, or callable f(mu, t) or f(mu)
        In [0, 1]. A callable gets the population mu, (S,) float64 read-only, and the step t, and returns one number; it
        is called once per step and replica, for N agents with mu = counts / N. It may round to a batch of 0.

    Raises
    ------
    TypeError
        Not numbers.
    ValueError
        A number outside [0, 1], an empty array; when used, an array whose length is not T, or a beta > 0 so small that
        no agent would act.

    Notes
    -----
    The active fraction is beta itself without n_agents, and B / N with it.
    """

    beta: float | Sequence[float] | npt.NDArray[np.floating[Any]] | Callable[..., Any]

    def __post_init__(self) -> None:
        if callable(self.beta):
            n_arguments(self.beta, "beta")
        else:
            _store_unit_interval(self, "beta")

    @property
    def label(self) -> str:
        return "beta(mu, t) N" if callable(self.beta) else f"B={_span(self.beta)} N"

    def _by_observation(self) -> bool:
        return callable(self.beta)

    def _rounds(self) -> bool:
        return callable(self.beta)

    def _tagged(self) -> Schedule:
        return Fraction(ForBoth(of_mu_and_t(self.beta, "beta", read=check.as_shares))) if callable(self.beta) else self

    def _active(self, horizon: int, n_agents: int | None) -> Active:
        if callable(self.beta):
            n_agents = None if n_agents is None else _agents(n_agents)
            return ActingShares(None, ShareOf(self.beta, "beta", n_agents), "beta", batches=True)
        if n_agents is not None:
            return super()._active(horizon, n_agents)
        beta: FloatArray = _per_step(self.beta, "beta", horizon)
        return beta

    def _kernel(self, horizon: int, n_agents: int) -> tuple[IntArray | None, Active | None]:
        if callable(self.beta):
            return None, self._active(horizon, n_agents)
        beta = _per_step(self.beta, "beta", horizon)
        share = np.floor(beta * _agents(n_agents) + 0.5)
        # Beyond 2**53 agents the product is rounded; for beta = 1 it may exceed N, and even int64.
        batch = np.where(share < n_agents, share, 0).astype(np.int64)
        batch[share >= n_agents] = n_agents
        nobody = (batch == 0) & (beta > 0)
        if nobody.any():
            t = int(np.argmax(nobody))
            at = f"beta[{t}]" if isinstance(self.beta, np.ndarray) else "beta"
            raise ValueError(
                f"{at} is {beta[t]:.12g}; must be 0 or at least {0.5 / n_agents:.12g}, since it rounds to a "
                f"batch of 0 of n_agents = {n_agents} (use Bernoulli or Batch)"
            )
        return batch, None


@dataclass(frozen=True, eq=False, repr=False)
class Bernoulli(Schedule):
    """Each agent acts independently with probability `p` at each step; the number of acting agents is random.

    Parameters
    ----------
    p : float, (T,), (1, S) or (T, S) floats, or callable f(mu, t) or f(mu)
        In [0, 1]. A row of a table has one probability per observation: an agent at o acts with probability p[0, o] at
        every step, or p[t, o] at step t. A callable gets the population mu, (S,) float64 read-only, and the step t; it
        returns one probability per observation, (S,), or one for all agents. It is called once per step and replica,
        for N agents with mu = counts / N.

    Raises
    ------
    TypeError
        Not numbers, or a callable of other arguments.
    ValueError
        A number outside [0, 1], an empty array; when used, an array whose length is not T, or a table without a column
        for each observation. For what a callable returned the error names t and the observation.

    Examples
    --------
    Those who wait for a server, at observations 1 and 2, look for a better one less often than those who are idle.

    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing([0.1, 0.3], step=0.1)
    >>> schedule = tmf.Bernoulli([[0.1, 0.02, 0.02]])
    >>> flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), schedule)
    >>> print(flow.active_fraction[[0, -1]].round(3))
    [0.1   0.045]
    """

    p: FloatsLike | Callable[..., Any]

    def __post_init__(self) -> None:
        if callable(self.p):
            n_arguments(self.p, "p")
        elif check.is_array(self.p) and _n_axes(self.p) == 2:
            _store(self, "p", check.as_float_array(self.p, "p", shape=(None, None), letters="T, S", low=0.0, high=1.0))
        else:
            _store_unit_interval(self, "p")

    @property
    def label(self) -> str:
        return "p(mu, t)" if callable(self.p) else f"p={_span(self.p)}"

    def _by_observation(self) -> bool:
        return callable(self.p) or _n_axes(self.p) == 2

    def _active(self, horizon: int, n_agents: int | None) -> Active:
        if n_agents is not None:
            _agents(n_agents)
        if callable(self.p):
            return ActingShares(None, of_mu_and_t(self.p, "p", read=check.as_shares), "p")
        if self._by_observation():
            return ActingShares(cast(FloatArray, self.p), None, "p")
        p: FloatArray = _per_step(self.p, "p", horizon)
        return p

    def _kernel(self, horizon: int, n_agents: int) -> tuple[None, Active]:
        return None, self._active(horizon, n_agents)

    def _tagged(self) -> Schedule:
        if callable(self.p):
            return Bernoulli(ForBoth(of_mu_and_t(self.p, "p", read=check.as_shares), each=True))
        return Bernoulli(np.tile(cast(FloatArray, self.p), 2)) if self._by_observation() else self


def share_at(active: Active, mu: FloatArray, t: int) -> FloatArray:
    """beta_t(o, mu) at one population, (S,) or (1,)."""
    if isinstance(active, ActingShares):
        return active.shares(mu, t)
    return active[t : t + 1] if len(active) > 1 else active


def as_schedule(value: object, name: str = "schedule") -> Schedule:
    """`value` if it is a Schedule; otherwise a TypeError that lists all schedules."""
    if isinstance(value, type) and issubclass(value, Schedule):
        raise TypeError(f"{name} is the class {value.__name__}; must be a schedule: {_call_of(value)}")
    if not isinstance(value, Schedule):
        raise TypeError(
            f"{name} is {say.show(value)}; must be a schedule: Synchronous(), Sequential(), Batch(size), "
            "Fraction(beta), Bernoulli(p) or, in continuous time, Poisson(rate)"
        )
    return value


# ----------------------------------------------------------------------------------------------------- pieces


def _call_of(kind: type[Schedule]) -> str:
    """The call that makes a schedule of a class, for users who forgot the parentheses."""
    return f"{kind.__name__}({', '.join(field.name for field in fields(kind))})"


def _agents(n_agents: object) -> int:
    return check.as_positive_int(n_agents, "n_agents", high=check.INT64_MAX)


def _store(schedule: Schedule, field: str, value: float | npt.NDArray[Any]) -> None:
    """Set a field of a frozen schedule in its constructor."""
    object.__setattr__(schedule, field, check.frozen(value) if isinstance(value, np.ndarray) else value)


def _store_unit_interval(schedule: Schedule, field: str) -> None:
    value = getattr(schedule, field)
    if check.is_array(value):
        shares = check.as_float_array(value, field, shape=(None,), letters="T", low=0.0, high=1.0)
        _store(schedule, field, shares)
    else:
        _store(schedule, field, check.as_float(value, field, low=0.0, high=1.0))


def _n_axes(value: Any) -> int:
    """Number of axes of an array, or of nested lists as far as two; the check of an array finds what is wrong."""
    if isinstance(value, (list, tuple)):
        return 2 if value and check.is_array(value[0]) else 1
    return int(value.ndim) if isinstance(getattr(value, "ndim", None), int) else 1


def _per_step(value: Any, name: str, horizon: int) -> Any:
    """A parameter as an array: (1,) if it is one number, else (T,)."""
    if not isinstance(value, np.ndarray):
        return np.array([value], dtype=np.int64 if isinstance(value, int) else np.float64)
    if len(value) != horizon:
        hint = " (for one per observation pass a table, p[None, :])" if name == "p" else ""
        raise ValueError(f"{name} has {len(value)} entries; must have one per step, horizon = {horizon}{hint}")
    return value


def _span(value: Any) -> str:
    """A number, or the range of an array, for labels."""
    ends = (value.min(), value.max()) if isinstance(value, np.ndarray) else (value, value)
    low, high = (f"{end:g}" if isinstance(end, float) else str(end) for end in ends)
    return low if low == high else f"{low}..{high}"
