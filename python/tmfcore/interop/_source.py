"""The tables of a game read from OpenSpiel: arrays if they do not depend on mu, else functions of (mu, t)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore import games
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._model.legal import LegalArray
from tmfcore.interop._shared import by_step
from tmfcore.interop._states import Reader
from tmfcore.interop._trial import CLOSE
from tmfcore.interop._walk import Segment


class Source:
    """The tables of a game read from OpenSpiel, at any population; `declared`: constancy is not checked in use.

    S counts the observations of all populations, and owner (S,) gives the population of each. A game of several
    populations becomes one of `games.typed` whose types have S observations each; index (S,) maps observations to it.
    """

    def __init__(self, reader: Reader, constant: bool | None) -> None:
        self.reader = reader
        self.moving = reader.trial.moving if constant is None else not constant
        self.declared = constant is not None
        self.horizon = reader.horizon
        self.size = len(reader.observation_labels)
        legal = {actions for actions in reader.trial.legal if actions != (-1,)}
        if not legal:
            raise ValueError(f"{reader.title} has no decisions")
        self.n_actions = max(map(len, legal))
        numbers = next(iter(legal)) if len(legal) == 1 else tuple(range(self.n_actions))
        self.action_labels = tuple(map(str, numbers))
        self.starts = np.zeros((reader.n_populations, self.size))
        for i, law in enumerate(reader.initial):
            for key, p in law.items():
                self.starts[i, reader.names[0][key]] += p
        self.initial: FloatArray = self.starts.mean(axis=0)
        self.index = reader.owner * self.size + np.arange(self.size)
        self.layers = [] if self.moving else [reader.steps(t) for t in range(self.horizon)]
        self.legal = self._legal()
        self._known: tuple[tuple[int, bytes], tuple[FloatArray, FloatArray]] | None = None
        self._turn = 0

    def _legal(self) -> LegalArray | None:
        """Which actions are legal, (S, A): as many as the observation has at the step at which it has most."""
        trial = self.reader.trial
        if trial.choosing or {len(actions) for actions in trial.legal} == {self.n_actions}:
            return None
        most = np.ones(self.size, dtype=np.int64)  # also where nobody decides, or nobody is
        for t in range(self.horizon):
            for o, segment in (self.reader.steps(t) if self.moving else self.layers[t]).items():
                most[o] = max(most[o], len(segment.actions))
        return np.arange(self.n_actions) < most[:, np.newaxis]

    def game(self) -> Game:
        """One Game, or one of `games.typed` with one type per population, of equal shares."""
        kinds = self._kinds()
        if len(kinds) == 1:
            return kinds[0]
        share = np.full(len(kinds), 1 / len(kinds))
        return games.typed(kinds, shares=share, names=[f"population {i}" for i in range(len(kinds))])

    def together(self, values: FloatArray) -> FloatArray:
        """Sum values (..., types * S) over types, to (..., S)."""
        found: FloatArray = values.reshape(*values.shape[:-1], -1, self.size).sum(axis=-2)
        return found

    def _kinds(self) -> list[Game]:
        """The game of each population; they differ in the initial distribution."""
        trial = self.reader.trial
        reward: FloatArray | Callable[..., FloatArray]
        transition: FloatArray | Callable[..., FloatArray]
        successors = None
        layers = self.layers
        if self.moving:
            reward, transition = self.walked_reward, self.walked_transition
        else:
            successors, rows = self._sparse(layers)
            transition = by_step(rows)
            if trial.moved_after:
                reward = self.walked_reward
            elif trial.moved_here:
                self.later = np.stack([self._after(one) for one in layers])
                reward = self.moved_reward
            else:
                paid = np.stack([self._after(one) + self._standing(one)[:, None] for one in layers])
                reward = by_step(_filled(paid, layers))
        return [
            Game(
                self.size,
                self.n_actions,
                self.horizon,
                1.0,
                start,
                reward,
                transition,
                successors=successors,
                legal=self.legal,
                assumed=True,  # arrays were found constant at the populations probed, not declared constant
                name=self.reader.title,
                observation_labels=self.reader.observation_labels,
                action_labels=self.action_labels,
            )
            for start in self.starts
        ]

    # Functions of the population.

    def moved_reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self._kept(mu, t, self._moved)[0]

    def walked_reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self._kept(mu, t, self._walked)[0]

    def walked_transition(self, mu: FloatArray, t: int) -> FloatArray:
        return self._kept(mu, t, self._walked)[1]

    def _kept(
        self, mu: FloatArray, t: int, make: Callable[[FloatArray, int], tuple[FloatArray, FloatArray]]
    ) -> tuple[FloatArray, FloatArray]:
        key = (t, mu.tobytes())
        kept = self._known
        if kept is None or kept[0] != key:  # reward and transition are requested separately, and per population
            kept = (key, make(mu, t))
            self._known = kept
        return kept[1]

    def _moved(self, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
        crowd = self.reader.crowd(t, mu)
        self._hold(mu, t)
        reward: FloatArray = self.later[t] + self.reader.here(t, crowd)[:, None]
        return reward, reward

    def _walked(self, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
        self._hold(mu, t)
        return self.tables_of(t, self.reader.segments(t, self.reader.crowd(t, mu)))

    def _hold(self, mu: FloatArray, t: int) -> None:
        """Check one move that was found constant against the states at this population; another move in each call."""
        if self.moving or self.declared:
            return
        reader, standing = self.reader, self.reader.standing(t)
        self._turn += 1
        o, key, state, _, _ = standing[self._turn * 31 % len(standing)]
        stop, state = reader.stop(state, reader.crowd(t, mu), key[0])
        step = self.layers[t][o]
        a = self._turn % len(step.actions)
        if stop.actions == step.actions:
            paid, reached = reader.move(state, step.actions[a], key[1])
            found, kept = reader.row(t, reached), reader.row(t, step.moves[a])
            if (
                found.keys() == kept.keys()
                and all(abs(found[x] - kept[x]) < CLOSE for x in kept)
                and (reader.trial.moved_after or abs(paid - step.after[a]) <= CLOSE * max(1.0, abs(paid)))
            ):
                return
        raise ValueError(
            f"{reader.title} at step {t}: what follows action {a} at {reader.observation_labels[o]!r} depends on the "
            "population, which was not detected when the game was read; read it with constant=False"
        )

    def tables_of(self, t: int, one: dict[int, Segment]) -> tuple[FloatArray, FloatArray]:
        """Rewards (S, A) and dense rows (S, A, S) of the steps from a layer; observations not in it stay."""
        rows = np.zeros((self.size, self.n_actions, self.size))
        rows[np.arange(self.size), :, np.arange(self.size)] = 1.0
        for o, segment in one.items():
            rows[o] = 0.0
            for a in range(self.n_actions):
                for x, p in self.reader.row(t, segment.moves[a % len(segment.moves)]).items():
                    rows[o, a, x] += p
        return self._after(one) + self._standing(one)[:, None], rows

    def _standing(self, one: dict[int, Segment]) -> FloatArray:
        found = np.zeros(self.size)
        found[list(one)] = [segment.here for segment in one.values()]
        return found

    def _after(self, one: dict[int, Segment]) -> FloatArray:
        found = np.zeros((self.size, self.n_actions))
        found[list(one)] = [_cycled(segment.after, self.n_actions) for segment in one.values()]
        return found

    # Arrays.

    def _sparse(self, layers: list[dict[int, Segment]]) -> tuple[IntArray, FloatArray]:
        """Successors (S, A, K) of all steps, and rows (T, S, A, K).

        Observations missing at a step move as at the first step at which they exist; if there is none, they stay.
        """
        moves = _Moves()
        which = np.full((self.horizon, self.size, self.n_actions), -1)
        for t, one in enumerate(layers):
            known: dict[int, tuple[int, ...]] = {}  # states with the same string share their moves
            for o, segment in one.items():
                numbers = known.get(id(segment.moves))
                if numbers is None:
                    found = tuple(moves.add(self.reader.row(t, reached)) for reached in segment.moves)
                    numbers = known[id(segment.moves)] = _cycled(found, self.n_actions)
                which[t, o] = numbers
        which = _filled(which, layers)
        for o in np.flatnonzero((which < 0).any(axis=(0, 2))).tolist():
            which[:, o] = moves.add({o: 1.0})
        return moves.sparse(which)


class _Moves:
    """A list of distinct rows, each observation -> probability."""

    def __init__(self) -> None:
        self.rows: list[dict[int, float]] = []

    def add(self, row: dict[int, float]) -> int:
        self.rows.append(row)
        return len(self.rows) - 1

    def sparse(self, which: IntArray) -> tuple[IntArray, FloatArray]:
        """Successors (S, A, K) and rows (T, S, A, K) of the moves numbered in `which` (T, S, A)."""
        horizon, size, n_actions = which.shape
        cells = size * n_actions
        lengths = np.array([len(row) for row in self.rows])
        begins = np.cumsum(lengths) - lengths
        ends = np.array([x for row in self.rows for x in row])
        shares = np.array([p for row in self.rows for p in row.values()])
        used, back = np.unique(which.reshape(horizon, cells) + np.arange(cells) * len(self.rows), return_inverse=True)
        cell, move = np.divmod(used, len(self.rows))
        count = lengths[move]
        owner = np.repeat(np.arange(len(used)), count)
        entry = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + begins[move[owner]]
        pairs, place = np.unique(cell[owner] * size + ends[entry], return_inverse=True)
        start = np.searchsorted(pairs, np.arange(cells) * size)
        width = int(np.diff(start, append=len(pairs)).max())
        slot = np.arange(len(pairs)) - start[pairs // size]
        successors = np.repeat((pairs[start] % size)[:, None], width, axis=1)  # padded with the first
        successors[pairs // size, slot] = pairs % size
        rows = np.zeros((len(used), width))
        rows[owner, slot[place]] = shares[entry]
        shape = (size, n_actions, width)
        return successors.reshape(shape), rows[back].reshape(horizon, *shape)


def _filled(table: npt.NDArray[Any], layers: list[dict[int, Segment]]) -> npt.NDArray[Any]:
    """(T, S, ...) in which observations missing at a step have the values of the first step at which they exist."""
    found = table.copy()
    first: dict[int, int] = {}
    for t, one in enumerate(layers):
        for o in one:
            first.setdefault(o, t)
    for t, one in enumerate(layers):
        absent = [o for o in first if o not in one]
        found[t, absent] = table[[first[o] for o in absent], absent]
    return found


def _cycled(of: tuple[Any, ...], n: int) -> tuple[Any, ...]:
    """Repeat `of` cyclically to length n: action k is legal action k, where it is legal at some step."""
    return of if len(of) == n else tuple(of[a % len(of)] for a in range(n))
