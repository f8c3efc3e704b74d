"""Runs that go on from the end of another one: simulate(start=run).

last_state_of(run, ...)    the last state of a run, if it fits the arguments of the call
states_of(run, ...)        the states from which the replicas of another call go on
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tmfcore._model.fingerprint import Fingerprint, differences
from tmfcore._model.game import Game
from tmfcore._population.carried import words_of
from tmfcore._population.last_state import MOST, LastState, heads
from tmfcore._population.simulation import Simulation
from tmfcore._random import seeding

__all__ = ["last_state_of", "states_of"]


def last_state_of(run: Simulation, rng: seeding.RNG, game: Game, **given: object) -> LastState:
    """The last state of `run`; the arguments `given`, and the sizes of the game, must be those of `run`.

    Raises
    ------
    ValueError
        There is none, or it does not fit.
    """
    if run.ends is None:
        raise ValueError(
            "start is a Simulation without its last state; must be a whole run as simulate returns it, with "
            f"keep_state=True if the states take more than {MOST >> 20} MiB"
        )
    if rng is not None:
        raise ValueError("rng is given; must be None if start is a Simulation, whose random streams go on")
    for name, value in given.items():
        own = getattr(run, name)
        if value != own:
            raise ValueError(f"{name} is {value!r}; must be {own!r}, as in the Simulation that is given as start")
    sizes, own_sizes = (game.n_observations, game.n_actions), run.counts.shape[2:]
    if run.decisions is not None:
        own_sizes = run.decisions.shape[2:]
    if sizes[: len(own_sizes)] != own_sizes:
        raise ValueError(f"game has sizes {sizes}; must be {own_sizes}, as in the Simulation that is given as start")
    return run.ends


def states_of(
    run: Simulation, game: Game, n_agents: int, replicas: int, engine: str, rng: seeding.RNG, new: Fingerprint
) -> list[dict[str, Any]]:
    """The states at the end of `run`, for a longer game; engine and replicas must be those of `run`.

    Raises
    ------
    ValueError
        The run has no states, or they do not fit.
    """
    last = last_state_of(run, rng, game, n_agents=n_agents, replicas=replicas, engine=engine)
    if last.clocks is not None:
        raise ValueError("start is a Simulation under Poisson clocks; must be one in steps, or counts")
    if game.n_steps <= run.horizon:
        raise ValueError(
            f"game has {game.n_steps} steps; must have more than {run.horizon}, those that start has made: "
            "game.replace(horizon=...) makes a longer one"
        )
    blocks = fitting(last, run, new, words_of(game.n_observations, game.n_actions, engine == "agents"))
    if run.discount != game.discount:
        heads(blocks)["weight"] = float(game.discount) ** run.horizon
    return [
        {
            "t": run.horizon, "carried": blocks[r], "now": run.counts[r, -1], "origin": last.origin[r],
            "generator": None if stream is None else seeding.state(stream),
            "observations": None if last.observations is None else last.observations[r],
        }
        for r, stream in enumerate(last.streams)
    ]  # fmt: skip


def fitting(last: LastState, run: Simulation, new: Fingerprint, n_words: int) -> np.ndarray[Any, Any]:
    """A copy of the blocks of a state, without what another game or policy makes wrong."""
    if last.blocks.shape != (run.replicas, n_words):
        raise ValueError("game has another number of actions; must have that of the Simulation that is given as start")
    blocks, old = last.blocks.copy(), run.fingerprint
    same_game = old is not None and not differences(new, old, ("dynamics",))
    head = heads(blocks)
    if not same_game:  # sums of rewards are those of the other game
        for name in ("fresh", "opened", "played", "few"):
            head[name] = 0
    if not same_game or (old is not None and differences(new, old, ("policy",))):
        head["mutates"] = -1  # a wait for the next mutant depends on the policy
    return blocks
