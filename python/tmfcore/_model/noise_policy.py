"""Policies that see the noise so far: tables over its last states (Theory, section 13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._model.noise import NoiseChain
from tmfcore._model.played import Sees
from tmfcore._model.policies import TabularPolicy
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NoisePolicy", "histories_on", "levels_of"]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class NoisePolicy(Result[Literal["table"]], Sees):
    """Action probabilities that depend on the last m states of the noise, on stage and observation.

    Parameters
    ----------
    probabilities : (H, S, A) or (L, H, S, A) floats
        pi(a | h, o): entries >= 0, every row summing to 1 within 1e-8. H = Z**m is the number of histories h of the
        last m states, numbered in base Z, the present state last; with m = 1, h is the present state. (H, S, A) is
        L = 1. Before step m - 1 the states that have not come yet count as 0.
    memory : int, optional
        m >= 1.
    edges : (Z-1,) increasing floats or None, optional
        For noise that is a function, with one number z_t per step: its state is the number of edges <= z_t. None: the
        noise is a NoiseChain.

    Attributes
    ----------
    table : (L, H, S, A) float64, read-only
    memory : int
    edges : (Z-1,) float64 or None

    Raises
    ------
    TypeError, ValueError
        Another shape, a row that is not a distribution, an H that is not a power m of a whole number.

    Notes
    -----
    Accepted as a policy by every function, in a game with random noise and on one path of it (`Game.on`). `plot` draws
    one table per history, up to 16, the average of the stages.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> policy = tmf.NoisePolicy([[[0.9, 0.1]], [[0.5, 0.5]]])
    >>> policy.on([1, 0]).table[:, 0]
    array([[0.5, 0.5],
           [0.9, 0.1]])
    """

    table: FloatArray
    memory: int
    edges: FloatArray | None

    def __init__(self, probabilities: FloatsLike, memory: int = 1, edges: FloatsLike | None = None) -> None:
        table = check.as_probabilities(
            probabilities, "probabilities", shape=[(None,) * 3, (None,) * 4], letters=["H, S, A", "L, H, S, A"]
        )
        table = check.frozen(table.reshape(-1, *table.shape[-3:]))
        m, n = check.as_positive_int(memory, "memory"), table.shape[1]
        states = round(n ** (1 / m))
        if states**m != n or (states == 1 and m > 1):
            raise ValueError(f"probabilities has H = {n} histories; must be Z**memory, with memory = {m}")
        ends = None
        if edges is not None:
            ends = check.frozen(check.as_float_array(edges, "edges", shape=(states - 1,), letters="Z-1"))
            if (np.diff(ends) <= 0).any():
                i = int(np.argmax(np.diff(ends) <= 0))
                raise ValueError(f"edges[{i + 1}] is {ends[i + 1]:g}; must be greater than edges[{i}] = {ends[i]:g}")
        vars(self).update(table=table, memory=m, edges=ends)

    @property
    def n_stages(self) -> int:
        """L, the number of stages of equal length that the horizon is divided into."""
        return int(self.table.shape[0])

    @property
    def n_states(self) -> int:
        """Z."""
        return round(float(self.table.shape[1] ** (1 / self.memory)))

    def on(self, path: FloatsLike) -> TabularPolicy:
        """The policy on one path of the noise.

        Parameters
        ----------
        path : (T,) integers, or (T,) floats with `edges`
            States of the chain, 0 <= z_t < Z, or values of the noise.

        Returns
        -------
        TabularPolicy
            One stage per step.

        Raises
        ------
        TypeError, ValueError
            Not integers, a state out of range, not one number per step, fewer steps than stages.
        """
        if self.edges is None:
            states = check.as_int_array(path, "path", shape=(None,), letters="T", low=0, high=self.n_states - 1)
        else:
            states = levels_of(check.as_float_array(path, "path", shape=(None,), letters="T"), self.edges)
        return self._on_states(states)

    def _on_states(self, states: IntArray) -> TabularPolicy:
        n_steps = len(states)
        if self.n_stages > n_steps:
            raise ValueError(f"policy has {self.n_stages} stages; must have at most one per step, {n_steps}")
        stages = np.arange(n_steps, dtype=np.int64) * self.n_stages // n_steps
        seen = histories_on(states[np.newaxis], self.n_states, self.memory)[0]
        return TabularPolicy._trusted(np.ascontiguousarray(self.table[stages, seen]), n_steps)

    def _check(self, game: Game, name: str) -> None:
        """Raise unless the policy fits the noise and the sizes of a game."""
        law, sizes = game._law, self.table.shape[2:]
        if sizes != (game.n_observations, game.n_actions):
            wanted = (game.n_observations, game.n_actions)
            raise ValueError(f"{name} has (S, A) = {sizes}; must be the game's, {wanted}")
        if self.edges is None:
            if not isinstance(law, NoiseChain):
                raise TypeError(
                    f"{name} is a NoisePolicy over the states of a chain; must be for a game whose noise is a "
                    "NoiseChain, or on a path of it, game.on(path)"
                )
            if law.n_states != self.n_states:
                raise ValueError(f"{name} has Z = {self.n_states} states; must have the chain's, {law.n_states}")
        elif game._first is None and game._path is None:
            raise TypeError(f"{name} is a NoisePolicy; must be for a game with noise")

    def _in(self, game: Game, name: str) -> TabularPolicy:
        self._check(game, name)
        states = game._states
        if self.edges is not None:
            path = np.asarray((game if game._whole is None else game._whole).noise)
            if path.ndim != 1:
                raise ValueError(f"noise has shape {path.shape}; must be one number per step for a policy with edges")
            states = levels_of(path[np.arange(game.n_steps) * len(path) // game.n_steps], self.edges)
        assert states is not None, "a path of a chain has states"
        return self._on_states(states)

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield from zip("LHSA", self.table.shape, strict=True)
        yield "memory", self.memory

    def _variables(self) -> dict[str, Variable]:
        return {"probability": (("stage", "history", "observation", "action"), self.table)}

    def _title(self) -> str:
        return repr(self)

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting

        heads = [f"noise {h}" if self.memory == 1 else f"history {h}" for h in range(min(16, self.table.shape[1]))]
        return plotting.panels(
            self.table.mean(axis=0)[: len(heads)], heads, x_label="action", quantity="probability", ends=(0.0, 1.0),
            **style,
        )  # fmt: skip

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return cls(state["table"], state.get("memory", 1), state.get("edges"))  # older files have a table only

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NoisePolicy):
            return NotImplemented
        same_edges = (self.edges is None) == (other.edges is None)
        if same_edges and self.edges is not None:
            same_edges = np.array_equal(self.edges, np.asarray(other.edges))
        return same_edges and self.memory == other.memory and np.array_equal(self.table, other.table)

    def __hash__(self) -> int:
        return hash((self.memory, self.table.shape, self.table.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return NoisePolicy, (self.table, self.memory, self.edges)


def levels_of(values: FloatArray, edges: FloatArray) -> IntArray:
    """States of values (...): the number of edges <= each."""
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def histories_on(states: IntArray, n_states: int, memory: int) -> IntArray:
    """The number of the last `memory` states at each step of paths (R, T): h Z + z' mod Z^m follows h. (R, T) int64."""
    found = np.zeros(states.shape, np.int64)
    here = np.zeros(len(states), np.int64)
    for t in range(states.shape[1]):
        here = (here * n_states + states[:, t]) % n_states**memory
        found[:, t] = here
    return found
