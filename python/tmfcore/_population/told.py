"""Decisions that the caller of Population makes.

as_decisions(...)     by counts: their numbers, checked
Told                  the individuals of the agents engine, and a step with their actions
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game
from tmfcore._model.schedules import Active, share_at
from tmfcore._population.crowds import AgentsPopulations

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

    @property
    def order(self) -> list[IntArray]:
        """Random permutations: individual i of replica r is agent order[r][i] of the kernel.

        Drawn when first read, from a stream of the key's own, so that they are no part of the state.
        """
        if self._order is None:
            self._order = [self.kernel.names(r) for r in range(len(self.streams))]
        return self._order

    def restore(self, counts: IntArray, acting: list[IntArray] | None) -> None:
        """Take who acts from a stored state, and check that the observations of the kernel have counts (R, S)."""
        for r, places in enumerate(self.kernel.observations):
            found = np.bincount(places, minlength=counts.shape[1])
            if not np.array_equal(found, counts[r]):
                raise ValueError(f"observations[{r}] have other counts than counts[{r}]")
        if acting is not None:
            most = len(self.kernel.observations[0]) - 1
            self.acting = [check.as_int_array(one, "acting", low=0, high=most) for one in acting]

    def observations(self) -> list[npt.NDArray[np.unsignedinteger[npt.NBitBase]]]:
        """R new arrays (N,)."""
        return [one[order] for one, order in zip(self.kernel.observations, self.order, strict=True)]

    def draw(self, t: int) -> list[IntArray]:
        """The individuals that act at step t; drawn once."""
        if self.acting is None:
            n_agents = len(self.kernel.observations[0])
            if self.batch is not None:
                sizes = [int(self.batch[t % len(self.batch)])] * len(self.streams)  # one entry, or T
            else:
                assert self.probability is not None, "a schedule has batches or probabilities"
                populations = self.kernel.all_counts() / float(n_agents)
                shares = [np.broadcast_to(share_at(self.probability, mu, t), mu.shape) for mu in populations]
                if not (isinstance(self.probability, ActingShares) and self.probability.batches):
                    own = [share[seen] for share, seen in zip(shares, self.observations(), strict=True)]
                    coins = zip(self.streams, own, strict=True)
                    self.acting = [one.permutation(np.flatnonzero(one.random(n_agents) < p)) for one, p in coins]
                    return self.acting
                sizes = [min(n_agents, int(share[0] * n_agents + 0.5)) for share in shares]
            batches = zip(self.streams, sizes, strict=True)
            self.acting = [one.choice(n_agents, size, replace=False) for one, size in batches]
        return self.acting

    def as_actions(self, actions: object, batches: list[IntArray], t: int) -> IntArray:
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
        for r, acting in enumerate(batches):
            taken = found[r, acting]
            if len(taken) and taken.min() < 0:
                i = int(acting[np.argmin(taken)])
                raise ValueError(
                    f"actions[{r}, {i}] is -1, but agent {i} acts at step {t}; must lie in 0..{most} for agents that "
                    "act, which draw() returns"
                )
            chosen[r, acting] = taken
        return chosen

    def move(self, t: int, actions: IntArray) -> tuple[FloatArray, IntArray]:
        """Make step t with actions (R, N), -1 for individuals that do not act; returns rewards and observations."""
        found = self.kernel.act(t, actions, self.order)
        self.acting = None
        return found
