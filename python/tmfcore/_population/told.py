"""Decisions that the caller of Population makes.

as_decisions(...)     by counts: their numbers, checked
Told                  the individuals of the agents engine, and a step with their actions
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._model.schedules import Active, share_at
from tmfcore._population.individuals import Individuals
from tmfcore._population.stepping import AgentsPopulations

__all__ = ["Told", "as_decisions"]


def as_decisions(actions: object, acting: IntArray, n_actions: int, t: int) -> IntArray:
    """Decisions (R, S, A) of acting agents (R, S), checked: (R, S, A) integers, or (S, A) for one replica."""
    shapes: list[tuple[int, ...]] = [(*acting.shape, n_actions)]
    shapes += [shapes[0][1:]] if len(acting) == 1 else []
    found = check.as_int_array(actions, "actions", shape=shapes, letters=["R, S, A", "S, A"][: len(shapes)], low=0)
    found = found.reshape(shapes[0])
    # Sums of large numbers could wrap around: no single one may exceed the number of its row.
    wrong = (found > acting[:, :, None]).any(axis=2) | (found.sum(axis=2) != acting)
    if wrong.any():
        r, o = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"actions[{r}, {o}] sum to {sum(found[r, o].tolist())}; must sum to {int(acting[r, o])}, the number of "
            f"agents at observation {o} that act at step {t}, as draw() returns it"
        )
    return found


class Told:
    """The individuals of R populations, numbered in random order.

    Attributes
    ----------
    acting : list of R integer arrays, or None
        The individuals that act at the present step, in random order, once they are drawn.
    """

    def __init__(
        self, kernel: AgentsPopulations, game: Game, streams: list[np.random.Generator], batch: IntArray | None,
        probability: Active | None,
    ) -> None:  # fmt: skip
        self.kernel, self.game, self.streams = kernel, game, streams
        self.batch, self.probability = batch, probability
        self.acting: list[IntArray] | None = None
        self._order: list[IntArray] | None = None
        self._mover = Individuals(game.model, None, game.n_steps)

    @property
    def order(self) -> list[IntArray]:
        """Random permutations: individual i of replica r is agent order[r][i] of the kernel.

        Drawn when first read, from a stream of the key's own, so that they are no part of the state.
        """
        if self._order is None:
            rows = zip(self.kernel.all_keys().tolist(), self.kernel.observations, strict=True)
            self._order = [np.random.default_rng(key).permutation(len(one)) for key, one in rows]
        return self._order

    def observations(self) -> list[npt.NDArray[np.unsignedinteger[npt.NBitBase]]]:
        """R new arrays (N,)."""
        return [one[order] for one, order in zip(self.kernel.observations, self.order, strict=True)]

    def draw(self, t: int) -> list[IntArray]:
        """The individuals that act at step t; drawn once."""
        if self.acting is None:
            n_agents = len(self.kernel.observations[0])
            if self.batch is not None:
                size = int(self.batch[t % len(self.batch)])  # one entry, or T
                self.acting = [one.choice(n_agents, size, replace=False) for one in self.streams]
            else:
                assert self.probability is not None, "a schedule has batches or probabilities"
                populations = self.kernel.all_counts() / float(n_agents)
                shares = [np.broadcast_to(share_at(self.probability, mu, t), mu.shape) for mu in populations]
                own = [share[seen] for share, seen in zip(shares, self.observations(), strict=True)]
                self.acting = [
                    one.permutation(np.flatnonzero(one.random(n_agents) < p))
                    for one, p in zip(self.streams, own, strict=True)
                ]
        return self.acting

    def as_actions(self, actions: object, t: int) -> IntArray:
        """Actions of all individuals, checked: (R, N), -1 for those that do not act."""
        replicas, n_agents = len(self.streams), len(self.kernel.observations[0])
        shapes: list[tuple[int, ...]] = [(replicas, n_agents)]
        shapes += [(n_agents,)] if replicas == 1 else []
        most = self.game.n_actions - 1
        found = check.as_int_array(
            actions, "actions", shape=shapes, letters=["R, N", "N"][: len(shapes)], low=-1, high=most
        )
        found = found.reshape(replicas, n_agents)
        chosen = np.full_like(found, -1)
        for r, acting in enumerate(self.draw(t)):
            taken = found[r, acting]
            if len(taken) and taken.min() < 0:
                i = int(acting[np.argmin(taken)])
                raise ValueError(
                    f"actions[{r}, {i}] is -1, but agent {i} acts at step {t}; must lie in 0..{most} for agents that "
                    "act, which draw() returns"
                )
            chosen[r, acting] = taken
        return chosen

    def move(self, t: int, actions: IntArray, decisions: bool) -> FloatArray:
        """Make step t with actions (R, N), -1 for individuals that do not act; returns their rewards (R, N).

        If the game raises an error, nothing has changed.
        """
        model, n_agents = self.game.model, actions.shape[1]
        states = [] if model.constant else [one.bit_generator.state for one in self.streams]
        rewards = np.empty(actions.shape)
        seen = [one.astype(np.int64) for one in self.observations()]
        arrived = [np.empty_like(one) for one in seen]
        mu = self.kernel.all_counts() / float(n_agents)
        try:
            for r, one in enumerate(self.streams):
                self._mover.move(one.bit_generator, t, mu[r], seen[r], actions[r], arrived[r], rewards[r])
        except BaseException:
            for one, state in zip(self.streams, states, strict=False):
                one.bit_generator.state = state
            raise
        moved = [np.empty_like(one) for one in self.kernel.observations]
        for places, order, found in zip(moved, self.order, arrived, strict=True):
            places[order] = found
        self.kernel.arrive(moved, rewards.sum(axis=1), self._decided(seen, actions) if decisions else None)
        self.acting = None
        return rewards

    def _decided(self, seen: list[IntArray], actions: IntArray) -> IntArray:
        """Acting individuals by observation and action, (R, S, A)."""
        n_obs, n_act = self.game.n_observations, self.game.n_actions
        pairs = [at[a >= 0] * n_act + a[a >= 0] for at, a in zip(seen, actions, strict=True)]
        counts = np.array([np.bincount(pair, minlength=n_obs * n_act) for pair in pairs])
        return counts.reshape(len(pairs), n_obs, n_act)
