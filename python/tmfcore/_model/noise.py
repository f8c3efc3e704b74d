"""Common noise: Markov chains, and policies that see their present state (Theory, section 13).

NoiseChain(initial, transition, values)    a Markov chain of Z states, all agents hit by the same path
NoisePolicy(probabilities)                 action probabilities by noise state, stage and observation
as_chain, as_states                        checks of arguments
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, takes_rng
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.policies import TabularPolicy
from tmfcore._random import seeding
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NoiseChain", "NoisePolicy", "as_chain", "as_states"]

MOST_PATHS = 2**20
MOST_STATES = 2**10  # of a chain: sampling compares with Z numbers a step


@dataclass(frozen=True, eq=False, repr=False, init=False)
class NoiseChain:
    """A Markov chain z_0, z_1, ... of Z states: common noise, whose path is the same for all agents.

    Parameters
    ----------
    initial : (Z,) floats
        Distribution of z_0.
    transition : (Z, Z) floats
        C(z, z'), the probability that z' follows z, from one step of the game to the next.
    values : (Z, ...) floats or None, optional
        What functions f(mu, t, z) of the game and of policies get as z in each state. None: 0.0, 1.0, ..., Z - 1.

    Raises
    ------
    TypeError, ValueError
        Not numbers, another shape, a row that is not a distribution, more than 1,024 states.

    Notes
    -----
    Arrays are read-only float64 copies; two chains with the same numbers are equal.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> weather = tmf.NoiseChain([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]])
    >>> weather.sample(10, paths=2, rng=1)
    array([[1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]])
    """

    initial: FloatArray
    transition: FloatArray
    values: FloatArray

    def __init__(self, initial: FloatsLike, transition: FloatsLike, values: FloatsLike | None = None) -> None:
        start = check.frozen(check.as_probabilities(initial, "initial", shape=(None,), letters="Z"))
        n = len(start)
        if n > MOST_STATES:
            raise ValueError(f"initial has {n} states; must have at most {MOST_STATES}")
        rows = check.frozen(check.as_probabilities(transition, "transition", shape=(n, n), letters="Z, Z"))
        given = check.as_float_array(np.arange(float(n)) if values is None else values, "values")
        if given.ndim == 0 or len(given) != n:
            raise ValueError(f"values has shape {given.shape}; must be (Z, ...) with Z = {n}, as initial")
        vars(self).update(initial=start, transition=rows, values=check.frozen(given))

    @property
    def n_states(self) -> int:
        """Z."""
        return len(self.initial)

    @takes_rng
    @fits_memory("paths or n_steps must be smaller")
    def sample(self, n_steps: int, paths: int = 1, rng: seeding.RNG = None) -> IntArray:
        """Independent paths of states.

        Parameters
        ----------
        n_steps : int
            T.
        paths : int, optional
            R. The first paths do not depend on their number.
        rng : int, Generator, SeedSequence or None, optional

        Returns
        -------
        (R, T) int64
        """
        n_steps, n_paths = check.as_positive_int(n_steps, "n_steps"), check.as_positive_int(paths, "paths")
        uniform = seeding.generators(rng, 1)[0].random((n_paths, n_steps))
        first, following = _cumulative(self.initial), _cumulative(self.transition)
        states = np.empty((n_paths, n_steps), np.int64)
        for t in range(n_steps):
            ends = first if t == 0 else following[states[:, t - 1]]
            states[:, t] = (uniform[:, t, np.newaxis] >= ends).sum(axis=-1)
        return states

    @fits_memory("n_steps must be smaller")
    def paths(self, n_steps: int) -> tuple[IntArray, FloatArray]:
        """All paths of positive probability, in lexicographic order.

        Parameters
        ----------
        n_steps : int
            T.

        Returns
        -------
        states : (R, T) int64
        probabilities : (R,) float64
            They sum to 1.

        Raises
        ------
        ValueError
            More than 2**20 paths.
        """
        n_steps = check.as_positive_int(n_steps, "n_steps")
        possible = self.transition > 0
        ending = [int(p > 0) for p in self.initial]  # number of paths by last state
        for t in range(n_steps):
            if t > 0:
                ending = [sum(n for n, may in zip(ending, column, strict=True) if may) for column in possible.T]
            if sum(ending) > MOST_PATHS:
                raise ValueError(
                    f"n_steps is {n_steps}; must be at most {t}: the chain has {sum(ending)} paths of {t + 1} steps, "
                    f"more than {MOST_PATHS} (use sample)"
                )
        last = np.flatnonzero(self.initial)
        probabilities = self.initial[last]
        steps = [(last, last)]  # of each path so far: the number of the path it continues, and its last state
        for _ in range(n_steps - 1):
            before, z = np.nonzero(possible[last])
            probabilities = probabilities[before] * self.transition[last[before], z]
            last = z
            steps.append((before, z))
        states = np.empty((len(last), n_steps), np.int64)
        path = np.arange(len(last))
        for t, (before, z) in reversed(list(enumerate(steps))):
            states[:, t] = z[path]
            path = before[path] if t else path
        return states, probabilities

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NoiseChain):
            return NotImplemented
        return all(np.array_equal(own, vars(other)[name]) for name, own in vars(self).items())

    def __hash__(self) -> int:
        return hash(tuple((array.shape, array.tobytes()) for array in vars(self).values()))

    def __repr__(self) -> str:
        shape = f", values {self.values.shape}" if self.values.ndim > 1 else ""
        return f"NoiseChain(Z={self.n_states}{shape})"

    def __reduce__(self) -> tuple[Any, ...]:
        return NoiseChain, (self.initial, self.transition, self.values)


def _cumulative(rows: FloatArray) -> FloatArray:
    """Upper ends of the intervals of [0, 1) that belong to each state; states of probability 0 have none."""
    ends = rows.cumsum(axis=-1)
    return np.asarray(ends / ends[..., -1:])


@dataclass(frozen=True, eq=False, repr=False, init=False)
class NoisePolicy(Result[Literal["table"]]):
    """Action probabilities that depend on the present state of a NoiseChain, on stage and observation.

    Parameters
    ----------
    probabilities : (Z, S, A) or (L, Z, S, A) floats
        pi(a | o, z): entries >= 0, every row summing to 1 within 1e-8. (Z, S, A) is L = 1.

    Attributes
    ----------
    table : (L, Z, S, A) float64, read-only

    Raises
    ------
    TypeError, ValueError
        Another shape, or a row that is not a distribution.

    Notes
    -----
    `NoiseTree.policy` takes it; `on` gives the policy on one path, for every other function. `plot` draws one table per
    state of the noise, the average of the stages.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> policy = tmf.NoisePolicy([[[0.9, 0.1]], [[0.5, 0.5]]])
    >>> policy.on([1, 0]).table[:, 0]
    array([[0.5, 0.5],
           [0.9, 0.1]])
    """

    table: FloatArray

    def __init__(self, probabilities: FloatsLike) -> None:
        table = check.as_probabilities(
            probabilities, "probabilities", shape=[(None,) * 3, (None,) * 4], letters=["Z, S, A", "L, Z, S, A"]
        )
        vars(self)["table"] = check.frozen(table.reshape(-1, *table.shape[-3:]))

    @property
    def n_stages(self) -> int:
        """L, the number of stages of equal length that the horizon is divided into."""
        return int(self.table.shape[0])

    @property
    def n_states(self) -> int:
        """Z."""
        return int(self.table.shape[1])

    def on(self, states: FloatsLike) -> TabularPolicy:
        """The policy on one path of the noise.

        Parameters
        ----------
        states : (T,) integers
            States of the chain, 0 <= z_t < Z.

        Returns
        -------
        TabularPolicy
            One stage per step.

        Raises
        ------
        TypeError, ValueError
            Not integers, a state out of range, fewer steps than stages.
        """
        path = as_states(states, self.n_states)
        return TabularPolicy(self.table[stages_of(self.n_stages, len(path)), path], horizon=len(path))

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield from zip("LZSA", self.table.shape, strict=True)

    def _variables(self) -> dict[str, Variable]:
        return {"probability": (("stage", "noise", "observation", "action"), self.table)}

    def _title(self) -> str:
        return repr(self)

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting

        return plotting.panels(
            self.table.mean(axis=0), [f"noise {z}" for z in range(self.n_states)], x_label="action",
            quantity="probability", ends=(0.0, 1.0), **style,
        )  # fmt: skip

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return cls(state["table"])

    def __eq__(self, other: object) -> bool:
        return np.array_equal(self.table, other.table) if isinstance(other, NoisePolicy) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.table.shape, self.table.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return NoisePolicy, (self.table,)


def stages_of(n_stages: int, n_steps: int) -> IntArray:
    """The stage of each step, floor(t L / T), (T,) int64."""
    if n_stages > n_steps:
        raise ValueError(f"policy has {n_stages} stages; must have at most one per step, {n_steps}")
    return np.arange(n_steps, dtype=np.int64) * n_stages // n_steps


def as_chain(value: object, name: str = "noise") -> NoiseChain:
    """`value`, checked to be a NoiseChain."""
    return check.as_instance(value, name, NoiseChain)


def as_states(value: object, n_states: int, n_steps: int | None = None, name: str = "states") -> IntArray:
    """A path of states, (T,) int64."""
    return check.as_int_array(value, name, shape=(n_steps,), letters="T", low=0, high=n_states - 1)
