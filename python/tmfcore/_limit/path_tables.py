"""A game on many paths of its noise, step by step on all paths together (Theory, section 13).

Rewards and rows are those at the populations of the paths, which `advance` asks the game for, once per path and step;
`push` and `back` use them again for one agent among these populations, who may do something else.

Notation: R paths, S observations, A actions, K successors, T steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from tmfcore._base.threads import Together
from tmfcore._base.validation import FloatArray, IntArray, SuccessorArray
from tmfcore._limit.pricing import extra_of
from tmfcore._model.noise_information import Information
from tmfcore._model.noise_paths import Paths
from tmfcore._model.policy import Policy, TablePolicy
from tmfcore._model.schedules import Active, share_at

__all__ = ["PathTables"]

MOST_ENTRIES = 2**27  # of the rows of all paths and steps, 1 GB
SWEEPS = 30  # most passes in the search of a deviation


class PathTables:
    """Populations of all paths, and what one agent among them earns.

    Parameters
    ----------
    paths : Paths
    active : Active
        beta_t(o, mu) of the schedule.
    always : bool
        Whether the valued agent acts at every step.
    workers : int, optional
        Threads that ask the game.
    altruism : float, optional
        The weight of what agents do to all others on their path.

    Attributes
    ----------
    mu : (R, T+1, S) float64
        Populations, as far as they have advanced.
    """

    def __init__(
        self, paths: Paths, active: Active, always: bool, workers: int = 1, altruism: float = 0.0
    ) -> None:
        self.paths, self.active, self.always, self.workers = paths, active, always, workers
        self.altruism = altruism
        self.extra: list[FloatArray] | None = None  # of each path (T, S), what altruism adds to rewards
        self.models = [game.model for game in paths.games]
        first = self.models[0]
        self.n_steps, self.n_obs, self.n_act = paths.game.n_steps, first.n_observations, first.n_actions
        self.discount, self.initial, self.weights = paths.game.discount, paths.game.initial, paths.weights
        self.fixed = all(model.constant_transition for model in self.models)
        n = len(paths)
        cells = first.n_observations * (first.n_actions * first.n_successors + first.n_passive_successors)
        if not self.fixed and cells * n * self.n_steps > MOST_ENTRIES:
            raise ValueError(
                f"paths is {n}; must be at most {max(1, MOST_ENTRIES // (cells * self.n_steps))}: the rows of all "
                f"paths and steps would have {cells * n * self.n_steps} entries"
            )
        self.targets = _targets(first.successors, n, self.n_obs)
        self.passive_targets = _targets(first.passive_successors, n, self.n_obs)
        self.mu = np.empty((n, self.n_steps + 1, self.n_obs))
        self.mu[:, 0] = self.initial
        self.at: list[tuple[FloatArray, ...]] = [()] * self.n_steps

    def ask(self, t: int, together: Together) -> None:
        """Rewards, rows and probabilities of acting at the populations of step t."""
        mu, n, model = self.mu[:, t], len(self.mu), self.models[0]
        reward, rest = np.empty((n, self.n_obs, self.n_act)), np.empty((n, self.n_obs))
        if not self.fixed:
            rows = np.empty((*reward.shape, model.n_successors))
            passive = np.empty((*rest.shape, model.n_passive_successors))
        elif t > 0:
            rows, passive = self.at[0][1], self.at[0][3]
        else:
            rows, passive = (table[np.newaxis] for table in model.tables(mu[0], t)[1::2])

        def some(first: int, last: int) -> None:
            for r in range(first, last):
                if self.fixed:
                    reward[r], rest[r] = self.models[r].rewards(mu[r], t)
                else:
                    reward[r], rows[r], rest[r], passive[r] = self.models[r].tables(mu[r], t)

        ends = np.linspace(0, n, self.workers + 1).astype(int).tolist()
        together([partial(some, *pair) for pair in pairwise(ends)], None)
        beta = np.stack([np.broadcast_to(share_at(self.active, now, t), self.n_obs) for now in mu])
        self.at[t] = (reward, rows, rest, passive, beta)

    def push(self, t: int, mu: FloatArray, pi: FloatArray) -> FloatArray:
        """The distributions (R, S) after step t of agents at `mu` (R, S) that play `pi` (R, S, A)."""
        _, rows, _, passive, beta = self.at[t]
        found = self._moved((beta * mu)[:, :, np.newaxis] * pi, rows, self.targets)
        return found + self._moved((1 - beta) * mu, passive, self.passive_targets)

    def back(self, t: int, later: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Q (R, S, A) of acting at step t, and the value (R, S) of waiting, from the values (R, S) at t + 1."""
        reward, rows, rest, passive, _ = self.at[t]
        q = reward + self.discount * self._expected(rows, later, self.targets)
        return q, rest + self.discount * self._expected(passive, later, self.passive_targets)

    def valued(self, t: int, acting: FloatArray, waiting: FloatArray) -> FloatArray:
        """Values (R, S) from those of acting and of waiting."""
        values = self.mixed(t, acting, waiting)
        return values if self.extra is None else values + np.stack([each[t] for each in self.extra])

    def mixed(self, t: int, acting: FloatArray, waiting: FloatArray) -> FloatArray:
        """Means (R, S) of what is worth `acting` to those who act and `waiting` to those who wait."""
        if self.always:
            return acting
        beta = self.at[t][4]
        return np.asarray(beta * acting + (1 - beta) * waiting)

    def _moved(self, weights: FloatArray, rows: FloatArray, targets: IntArray | None) -> FloatArray:
        n = len(self.mu)
        flat = weights.reshape(n, 1, -1)
        if targets is None:
            return np.asarray(np.matmul(flat, rows.reshape(len(rows), -1, self.n_obs))[:, 0])
        cells = weights[..., np.newaxis] * rows
        found = np.bincount(targets, cells.reshape(-1), n * self.n_obs)
        return np.asarray(found.reshape(n, self.n_obs), dtype=np.float64)

    def _expected(self, rows: FloatArray, later: FloatArray, targets: IntArray | None) -> FloatArray:
        n = len(self.mu)
        if targets is None:
            found = np.matmul(rows.reshape(len(rows), -1, self.n_obs), later[:, :, np.newaxis])
            return np.asarray(found.reshape(n, *rows.shape[1:-1]))
        reached = later.reshape(-1)[targets].reshape(n, *rows.shape[1:])
        return np.asarray((rows * reached).sum(axis=-1))

    # ---------------------------------------------------------------------------------------- policies, deviations

    def play(
        self, policy: Callable[[int, FloatArray], FloatArray], kernels: Sequence[Policy] | None = None
    ) -> None:
        """Populations in which all play `policy`(t, mu) -> (R, S, A), a function of the populations (R, S).

        `kernels` are the same policies, one for each path; they must be given if they depend on mu.
        """
        together = Together(self.workers)
        try:
            self.pi = np.empty((len(self.mu), self.n_steps, self.n_obs, self.n_act))
            for t in range(self.n_steps):
                self.ask(t, together)
                self.pi[:, t] = policy(t, self.mu[:, t])
                self.mu[:, t + 1] = self.push(t, self.mu[:, t], self.pi[:, t])
                self.mu[:, t + 1] /= self.mu[:, t + 1].sum(axis=1, keepdims=True)
        finally:
            together.close()
        if self.altruism > 0:
            played = map(TablePolicy, self.pi) if kernels is None else kernels
            self.extra = [self._priced(r, kernel) for r, kernel in enumerate(played)]

    def _priced(self, r: int, kernel: Policy) -> FloatArray:
        """What altruism adds to rewards (T, S) on path r, of which all others play `kernel`."""
        found = extra_of(self.altruism, self.models[r], self.discount, kernel, self.mu[r], self.active)
        assert found is not None, "altruism is not 0"
        return found

    def values(self) -> tuple[FloatArray, FloatArray]:
        """Q (R, T, S, A) of what was played, and the returns (R,)."""
        found = np.empty_like(self.pi)
        later = np.zeros((len(self.mu), self.n_obs))
        for t in range(self.n_steps - 1, -1, -1):
            found[:, t], waiting = self.back(t, later)
            later = self.valued(t, (self.pi[:, t] * found[:, t]).sum(axis=-1), waiting)
        return found, self.returns(later)

    def returns(self, values: FloatArray) -> FloatArray:
        """The return of an agent on each path, (R,), from values (R, S) at the start."""
        return np.asarray(values @ self.initial)

    def deviate(
        self, information: Information, histories: IntArray, sweeps: int = SWEEPS
    ) -> tuple[IntArray, FloatArray]:
        """The actions (T, H, S) of the best deviation found that knows `histories` (R, T), and its returns (R,).

        Each sweep chooses actions backward, given where the deviating agent is at each step: at first where the others
        are, then where the actions of the last sweep lead. The mean return does not fall from sweep to sweep.
        If the histories are all of the past, the first sweep finds the best response.
        """
        chosen = np.zeros((self.n_steps, information.n_histories, self.n_obs), np.int64)
        best, where = (chosen, np.full(len(self.mu), -np.inf)), self.mu
        for _ in range(sweeps):
            later = np.zeros((len(self.mu), self.n_obs))
            for t in range(self.n_steps - 1, -1, -1):
                q, waiting = self.back(t, later)
                weights = self.weights[:, np.newaxis] * where[:, t]
                chosen[t] = information.mean(weights, q, histories[:, t]).argmax(axis=-1)
                later = self.valued(t, _at(q, chosen[t, histories[:, t]]), waiting)
            found = self.returns(later)
            if not self.weights @ found > self.weights @ best[1] + 1e-13 * abs(self.weights @ found):
                break
            best = (chosen.copy(), found)
            if sweeps > 1:
                where = self.moves(chosen, histories)
        return best

    def moves(self, chosen: IntArray, histories: IntArray) -> FloatArray:
        """Distributions (R, T+1, S) of an agent that takes the actions (T, H, S)."""
        where = np.empty_like(self.mu)
        where[:, 0] = self.initial
        for t in range(self.n_steps):
            pi = np.eye(self.n_act)[chosen[t, histories[:, t]]]
            where[:, t + 1] = self.push(t, where[:, t], pi)
        return where

    def returns_of(self, chosen: IntArray, histories: IntArray) -> FloatArray:
        """Returns (R,) of one agent that takes the actions (T, H, S)."""
        later = np.zeros((len(self.mu), self.n_obs))
        for t in range(self.n_steps - 1, -1, -1):
            q, waiting = self.back(t, later)
            later = self.valued(t, _at(q, chosen[t, histories[:, t]]), waiting)
        return self.returns(later)

    def foreseen(self) -> FloatArray:
        """Returns (R,) of the best responses that know the path."""
        later = np.zeros((len(self.mu), self.n_obs))
        for t in range(self.n_steps - 1, -1, -1):
            q, waiting = self.back(t, later)
            later = self.valued(t, q.max(axis=-1), waiting)
        return self.returns(later)


def _at(q: FloatArray, actions: IntArray) -> FloatArray:
    """Entries of q (R, S, A) at actions (R, S)."""
    return np.take_along_axis(q, actions[:, :, np.newaxis], axis=-1)[:, :, 0]


def _targets(successors: SuccessorArray | None, n: int, n_obs: int) -> IntArray | None:
    """Successors on each of n paths, numbered path by path, flat; None if rows are dense."""
    if successors is None:
        return None
    return (np.arange(n)[:, np.newaxis] * n_obs + successors.reshape(1, -1)).reshape(-1)
