"""Decisions that the caller of Population makes, checked.

as_decisions(...)     by counts: their numbers
as_actions(...)       by agents: the actions of the individuals that act
refuse_illegal(...)   that these are legal
"""

from __future__ import annotations

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import IntArray
from tmfcore._model.game import Game
from tmfcore._model.legal import LegalArray
from tmfcore._population.crowds import AgentsPopulations

__all__ = ["as_actions", "as_decisions", "refuse_illegal"]


def as_decisions(actions: object, acting: IntArray, game: Game, t: int) -> IntArray:
    """Decisions (R, S, A) of acting agents (R, S), checked: (R, S, A) integers, or (S, A) for one replica."""
    legal = game.legal
    shapes: list[tuple[int, ...]] = [(*acting.shape, game.n_actions)]
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
    if legal is not None and found[:, ~legal].any():
        r, o, a = (int(i) for i in np.argwhere((found > 0) & ~legal)[0])
        raise ValueError(f"actions[{r}, {o}, {a}] is {found[r, o, a]}; must be 0: {_rule(legal, o, a)}")
    return found


def _rule(legal: LegalArray, o: int, a: int) -> str:
    return (
        f"action {a} is illegal at observation {o}, where the actions {np.flatnonzero(legal[o]).tolist()} are legal"
    )


def refuse_illegal(
    taken: list[IntArray], batches: list[IntArray], kernel: AgentsPopulations, legal: LegalArray | None
) -> None:
    """Raise if an individual of the R batches takes an illegal action."""
    if legal is None:
        return
    for r, (own, acting, observations) in enumerate(zip(taken, batches, kernel.individuals(), strict=True)):
        fine = legal[observations[acting], own]
        if not fine.all():
            k = int(fine.argmin())
            i = int(acting[k])
            rule = _rule(legal, int(observations[i]), int(own[k]))
            raise ValueError(f"actions[{r}, {i}] is {own[k]}; {rule}")


def as_actions(actions: object, batches: list[IntArray], n_agents: int, n_actions: int, t: int) -> list[IntArray]:
    """The actions of the individuals in R batches, from those of all: (R, N) integers, or (N,) for one replica."""
    shapes: list[tuple[int, ...]] = [(len(batches), n_agents)]
    shapes += [(n_agents,)] if len(batches) == 1 else []
    found = check.as_int_array(
        actions, "actions", shape=shapes, letters=["R, N", "N"][: len(shapes)], low=-1, high=n_actions - 1
    )
    found = found.reshape(shapes[0])
    taken = [row[acting] for row, acting in zip(found, batches, strict=True)]
    for r, own in enumerate(taken):
        if len(own) and own.min() < 0:
            i = int(batches[r][np.argmin(own)])
            raise ValueError(
                f"actions[{r}, {i}] is -1, but agent {i} acts at step {t}; must lie in 0..{n_actions - 1} for agents "
                "that act, which draw() returns"
            )
    return taken
