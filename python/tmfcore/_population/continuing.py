"""Runs that go on from the end of another one: simulate(start=run).

states_of(run, ...)    the states from which the replicas of another call go on
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tmfcore._base.types import Engine
from tmfcore._model.fingerprint import Fingerprint, differences
from tmfcore._model.game import Game
from tmfcore._population.simulation import Simulation
from tmfcore._random import seeding

__all__ = ["states_of"]


def states_of(
    run: Simulation, game: Game, n_agents: int, replicas: int, engine: Engine, rng: seeding.RNG, new: Fingerprint
) -> list[dict[str, Any]]:
    """The states at the end of `run`, for a longer game; engine and replicas must be those of `run`.

    Raises
    ------
    ValueError
        The run has no states, or they do not fit.
    """
    if run.ends is None:
        raise ValueError("start is a Simulation without its last state; must be of simulate(..., keep_state=True)")
    if rng is not None:
        raise ValueError("rng is given; must be None if start is a Simulation, whose random streams go on")
    for name, given, own in (
        ("n_agents", n_agents, run.n_agents), ("replicas", replicas, run.replicas), ("engine", engine, run.engine),
    ):  # fmt: skip
        if given != own:
            raise ValueError(f"{name} is {given!r}; must be {own!r}, as in the Simulation that is given as start")
    sizes, own_sizes = (game.n_observations, game.n_actions), run.counts.shape[2:]
    if run.decisions is not None:
        own_sizes = run.decisions.shape[2:]
    if sizes[: len(own_sizes)] != own_sizes:
        raise ValueError(f"game has sizes {sizes}; must be {own_sizes}, as in the Simulation that is given as start")
    if game.n_steps <= run.horizon:
        raise ValueError(
            f"game has {game.n_steps} steps; must have more than {run.horizon}, those that start has made: "
            "game.replace(horizon=...) makes a longer one"
        )
    old = run.fingerprint
    same_game = old is not None and not differences(new, old, ("dynamics",))
    same_policy = same_game and old is not None and not differences(new, old, ("policy",))
    found = []
    for one in run.ends:
        state = dict(one)
        if run.discount != game.discount:
            state["weight"] = float(game.discount) ** run.horizon
        if state["singles"] is not None:
            doubles, numbers = state["singles"]
            state["singles"] = doubles, _kept(numbers, same_game, same_policy)
        if not same_game:  # sums of rewards are those of the other game
            state["fresh"], state["few"] = False, None
        found.append(state)
    return found


def _kept(numbers: np.ndarray[Any, Any], same_game: bool, same_policy: bool) -> np.ndarray[Any, Any]:
    """The numbers that single agents carry; a wait for the next mutant depends on the policy."""
    kept = numbers.copy()
    if not same_game:
        kept[:2] = 0
    if len(kept) > 2 and not same_policy:
        kept[2] = -1
    return kept
