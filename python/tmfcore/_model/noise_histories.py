"""The tables of a game whose noise is a Markov chain on the histories of the noise (Theory, section 13).

Histories z_0..z_t are numbered in base Z. Number h is at step t the history of its last t + 1 digits: h Z + z' mod Z^T
follows it at every step, so that successors do not depend on t; numbers beyond Z^(t+1) are copies of histories, where
nobody is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tmfcore._base import needs
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._model.appearance import numbered
from tmfcore._model.game import Game
from tmfcore._model.noise import NoiseChain

__all__ = ["Histories"]

MOST_OBSERVATIONS = 2**18
MOST_ENTRIES = 2**25  # of the rows, 256 MB


class Histories:
    """The tables of a game on histories.

    Parameters
    ----------
    games : Z games
        The original game, if the noise is always in each of its states.
    chain : NoiseChain
    hint : str
        What to do if they are too many.
    """

    def __init__(self, games: list[Game], chain: NoiseChain, hint: str) -> None:
        self.games, self.chain = games, chain
        first = games[0]
        self.initial, self.n_steps = first.initial, first.n_steps
        self.n_states, self.n_obs, self.n_act = chain.n_states, first.n_observations, first.n_actions
        small = self.n_states == 1 or self.n_steps <= MOST_OBSERVATIONS.bit_length()  # else Z**T may be astronomic
        n = self.n_states**self.n_steps * self.n_obs if small else MOST_OBSERVATIONS + 1
        entries = n * self.n_act * self.n_states * first.model.n_successors
        if n > MOST_OBSERVATIONS or entries > MOST_ENTRIES:
            raise ValueError(
                f"game and its chain make a tree of Z**T S = {self.n_states}**{self.n_steps} * {self.n_obs} "
                f"observations{f' and {entries} entries of rows' if small else ''}; must be at most "
                f"{MOST_OBSERVATIONS} and {MOST_ENTRIES}: use a game with fewer steps (horizon), a chain with fewer "
                f"states{hint and ', or ' + hint}"
            )
        needs.ask({"rows of the tree": (40, n, self.n_act, self.n_states * first.model.n_successors)})
        self.n_histories = self.n_states**self.n_steps
        self._kept: tuple[Any, int, tuple[FloatArray, ...]] | None = None
        self._following = self._numbers_that_follow()

    def game(self, original: Game) -> Game:
        """The game on histories."""
        n = self.n_histories * self.n_obs
        start = np.zeros((self.n_histories, self.n_obs))
        start[: self.n_states] = self.chain.initial[:, np.newaxis] * self.initial
        model = self.games[0].model
        arrays = [self._if_constant(k) for k in range(4)]
        labels = None
        if original.observation_labels != numbered(self.n_obs):
            labels = [f"{label}, history {h}" for h in range(self.n_histories) for label in original.observation_labels]
        return Game(
            n, self.n_act, self.n_steps, original.discount, start.reshape(-1),
            self.reward if arrays[0] is None else arrays[0],
            self.transition if arrays[1] is None else arrays[1],
            passive_reward=self.passive_reward if arrays[2] is None else arrays[2],
            passive_transition=self.passive_transition if arrays[3] is None else arrays[3],
            successors=self._successors(model.successors, (self.n_obs, self.n_act)),
            passive_successors=self._successors(model.passive_successors, (self.n_obs,)),
            legal=None if model.legal is None else np.tile(model.legal, (self.n_histories, 1)),
            name=original.name, observation_labels=labels, action_labels=original.action_labels,
            assumed=original.assumed,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ functions

    def reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self._at(mu, t)[0]

    def transition(self, mu: FloatArray, t: int) -> FloatArray:
        return self._at(mu, t)[1]

    def passive_reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self._at(mu, t)[2]

    def passive_transition(self, mu: FloatArray, t: int) -> FloatArray:
        return self._at(mu, t)[3]

    def _at(self, mu: FloatArray, t: int) -> tuple[FloatArray, ...]:
        """The four tables at all histories; the last ones are kept, since each of four functions needs them."""
        kept = self._kept
        if kept is None or kept[0] is not mu or kept[1] != t:
            _, populations = self.populations(mu, t)
            here = [self.games[h % self.n_states].model.tables(now, t) for h, now in enumerate(populations)]
            kept = self._kept = (mu, t, self._on_histories([np.stack(tables) for tables in zip(*here, strict=True)]))
        return kept[2]

    def populations(self, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
        """Probability (n,) of each of the n histories at step t, and the population (n, S) after it."""
        n = self.n_states ** min(t + 1, self.n_steps)
        shares = mu.reshape(-1, n, self.n_obs).sum(axis=0)  # of a history and its copies
        found = shares.sum(axis=1)
        reached = found > 0
        shares[~reached] = self.initial
        shares[reached] /= found[reached, np.newaxis]
        return found, shares

    def copied(self, tables: FloatArray) -> FloatArray:
        """Tables (n, S, ...) at the histories of a step as those at all numbers of histories, (Z^T S, ...)."""
        everywhere = np.tile(tables, (self.n_histories // len(tables), *(1,) * (tables.ndim - 1)))
        return everywhere.reshape(-1, *tables.shape[2:])

    def _on_histories(self, tables: list[FloatArray]) -> tuple[FloatArray, ...]:
        """Tables of the games at n histories as those of the tree: rows are multiplied by those of the chain."""
        reward, rows, passive_reward, passive_rows = tables
        return (
            self.copied(reward), self.copied(self._with_noise(rows)),
            self.copied(passive_reward), self.copied(self._with_noise(passive_rows)),
        )  # fmt: skip

    def _with_noise(self, rows: FloatArray) -> FloatArray:
        """Rows (n, S, ..., K) at n histories as rows (n, S, ..., Z K) over the next state and the successors."""
        chain = np.tile(self.chain.transition, (len(rows) // self.n_states, 1))
        chain = chain.reshape(len(rows), *(1,) * (rows.ndim - 2), self.n_states, 1)
        both = chain * rows[..., np.newaxis, :]
        return both.reshape(*rows.shape[:-1], -1)

    # ------------------------------------------------------------------------------------------------ constants

    def _if_constant(self, k: int) -> FloatArray | None:
        """Table number k, if it is an array of the original game and so the same at all steps; else None."""
        first = self.games[0]
        given = (first.reward, first.transition, first.passive_reward, first.passive_transition)[k]
        if callable(given) or (given is None and not (k == 3 and first.model.passive_identity)):
            return None
        tables = np.stack([game.model.tables(self.initial, 0)[k] for game in self.games])
        return self.copied(self._with_noise(tables) if k in (1, 3) else tables)

    def _numbers_that_follow(self) -> SuccessorArray:
        """Numbers of the histories that follow each, (Z^T, Z)."""
        first = self.n_states * np.arange(self.n_histories)[:, np.newaxis]
        return np.asarray((first + np.arange(self.n_states)) % self.n_histories, dtype=np.int32)

    def _successors(self, own: SuccessorArray | None, shape: tuple[int, ...]) -> SuccessorArray:
        """Successors (Z^T S, ..., Z K) of the tree, from those of the game, (S, ..., K)."""
        if own is None:
            own = np.broadcast_to(np.arange(self.n_obs, dtype=np.int32), (*shape, self.n_obs))
        numbers = self._following.reshape(self.n_histories, *(1,) * (own.ndim - 1), self.n_states, 1)
        both = numbers * self.n_obs + own[..., np.newaxis, :]
        return np.ascontiguousarray(both.reshape(self.n_histories * self.n_obs, *own.shape[1:-1], -1), dtype=np.int32)
