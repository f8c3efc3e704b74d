"""The tables of a game of OpenSpiel that was read, as arrays where they stay the same, else as functions of (mu, t)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tmfcore._validation import FloatArray, IntArray
from tmfcore.game import Game
from tmfcore.interop._states import Reader, Segment


class Source:
    """The tables of a game that was read, at any population."""

    def __init__(self, reader: Reader, moving: bool) -> None:
        self.reader, self.moving = reader, moving
        self.horizon = reader.horizon
        self.size = len(reader.observation_labels)
        legal = {actions for actions in reader.legal if actions != (-1,)}
        if not legal:
            raise ValueError(f"{reader.title} has no decisions")
        self.n_actions = max(map(len, legal))
        numbers = next(iter(legal)) if len(legal) == 1 else tuple(range(self.n_actions))
        self.action_labels = tuple(map(str, numbers))
        self.initial = np.zeros(self.size)
        for key, p in reader.initial.items():
            self.initial[reader.names[0][key if reader.carries else (key[0], None)]] += p
        self._known: tuple[tuple[int, bytes], tuple[FloatArray, FloatArray]] | None = None

    def game(self) -> Game:
        reader = self.reader
        walked = self.moving or reader.moved_after
        layers = [] if walked and self.moving else [reader.steps(t) for t in range(self.horizon)]
        if not walked:
            self.later = np.stack([self._rewards({o: s._replace(here=0.0) for o, s in one.items()}) for one in layers])
            rewards = np.stack([self._rewards(one) for one in layers])
        reward: FloatArray | Callable[..., FloatArray]
        transition: FloatArray | Callable[..., FloatArray]
        if walked:
            reward = self.walked_reward
        elif reader.moved_here:
            reward = self.moved_reward
        else:
            reward = _by_step(_filled(rewards, layers))
        successors = None
        if self.moving:
            transition = self.walked_transition
        else:
            successors, rows = self._sparse(layers)
            transition = _by_step(_filled(rows, layers))
        return Game(
            self.size,
            self.n_actions,
            self.horizon,
            1.0,
            self.initial,
            reward,
            transition,
            successors=successors,
            assumed=True,  # what is an array was found constant at the populations tried
            name=reader.title,
            observation_labels=reader.observation_labels,
            action_labels=self.action_labels,
        )

    def moved_reward(self, mu: FloatArray, t: int) -> FloatArray:
        found: FloatArray = self.later[t] + self._here(self.reader.here(t, mu))
        return found

    def walked_reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self._walked(mu, t)[0]

    def walked_transition(self, mu: FloatArray, t: int) -> FloatArray:
        return self._walked(mu, t)[1]

    def _walked(self, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
        key = (t, mu.tobytes())
        kept = self._known
        if kept is None or kept[0] != key:  # reward and transition are asked for apart
            kept = (key, self.tables_of(t, self.reader.segments(t, mu)))
            self._known = kept
        return kept[1]

    def tables_of(self, t: int, one: dict[int, Segment]) -> tuple[FloatArray, FloatArray]:
        """Rewards (S, A) and dense rows (S, A, S) of the steps from a layer; who is not in it stays."""
        rows = np.zeros((self.size, self.n_actions, self.size))
        rows[np.arange(self.size), :, np.arange(self.size)] = 1.0
        for o, segment in one.items():
            rows[o] = 0.0
            for a in range(self.n_actions):
                for x, p in self.reader.row(t, segment.moves[a % len(segment.moves)]).items():
                    rows[o, a, x] += p
        return self._rewards(one), rows

    def _here(self, paid: dict[int, float]) -> FloatArray:
        found = np.zeros((self.size, self.n_actions))
        found[list(paid)] = np.array(list(paid.values()))[:, None]
        return found

    def _rewards(self, one: dict[int, Segment]) -> FloatArray:
        found = np.zeros((self.size, self.n_actions))
        for o, segment in one.items():
            found[o] = [segment.here + segment.after[a % len(segment.after)] for a in range(self.n_actions)]
        return found

    def _sparse(self, layers: list[dict[int, Segment]]) -> tuple[IntArray, FloatArray]:
        """Successors (S, A, K), what may follow at any step, and rows (T, S, A, K)."""
        rows: list[dict[tuple[int, int], dict[int, float]]] = []
        after: dict[tuple[int, int], set[int]] = {(o, a): {o} for o in range(self.size) for a in range(self.n_actions)}
        everywhere = set.intersection(*(set(one) for one in layers))
        for o in everywhere:
            for a in range(self.n_actions):
                after[o, a] = set()
        for t, one in enumerate(layers):
            cells = {}
            known: dict[int, dict[int, float]] = {}  # states of one string share their moves
            for o, segment in one.items():
                for a in range(self.n_actions):
                    moves = segment.moves[a % len(segment.moves)]
                    if id(moves) not in known:
                        known[id(moves)] = self.reader.row(t, moves)
                    cells[o, a] = known[id(moves)]
                    after[o, a] |= cells[o, a].keys()
            rows.append(cells)
        width = max(map(len, after.values()))
        successors = np.zeros((self.size, self.n_actions, width), dtype=np.int64)
        table = np.zeros((self.horizon, self.size, self.n_actions, width))
        for (o, a), reached in after.items():
            order = sorted(reached)
            successors[o, a] = order + [order[0]] * (width - len(order))
            for t, cells in enumerate(rows):
                table[t, o, a, : len(order)] = [cells.get((o, a), {o: 1.0}).get(x, 0.0) for x in order]
        return successors, table


def _filled(table: FloatArray, layers: list[dict[int, Segment]]) -> FloatArray:
    """(T, S, ...) with observations that do not exist at a step as they are at the first step at which they do."""
    found = table.copy()
    for o in range(table.shape[1]):
        there = [t for t, one in enumerate(layers) if o in one]
        for t in range(len(layers)):
            if there and t not in there:
                found[t, o] = table[there[0], o]
    return found


def _by_step(table: FloatArray) -> FloatArray | Callable[[FloatArray, int], FloatArray]:
    """(T, ...) as one array where all steps are the same, else as a function."""
    return table[0] if (table == table[0]).all() else _BySteps(table)


class _BySteps:
    def __init__(self, table: FloatArray) -> None:
        self.table = table

    def __call__(self, mu: FloatArray, t: int) -> FloatArray:
        found: FloatArray = self.table[t]
        return found
