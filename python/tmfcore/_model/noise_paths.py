"""Many paths of a random noise, and the game on each (Theory, section 13).

Paths.of(game, paths, rng)     all paths of a chain with their probabilities, or independent ones
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._model.noise import NoiseChain, drawn
from tmfcore._model.noise_policy import NoisePolicy
from tmfcore._model.played import Played
from tmfcore._model.policies import TabularPolicy, as_policy
from tmfcore._model.policy import Policy
from tmfcore._random import seeding

__all__ = ["MOST_ENUMERATED", "Paths", "key_of", "refuse_paths"]

MOST_ENUMERATED = 2**12  # paths of a chain that are played without being asked for


@dataclass(frozen=True)
class Paths:
    """Paths of the random noise of a game in steps.

    Attributes
    ----------
    game : Game
    noise : (R, T) int64 or (R, T, ...) float64
        States of a chain, or values: what `game.on` takes.
    probabilities : (R,) float64 or None
        Of each path, if these are all paths of a chain; None if they are independent and equally likely.
    """

    game: Game
    noise: IntArray | FloatArray
    probabilities: FloatArray | None = None

    @classmethod
    def of(cls, game: Game, paths: object, rng: seeding.RNG) -> Paths:
        """`paths` independent paths; all of them, with their probabilities, if that is None."""
        if paths is not None:
            n_paths = check.as_positive_int(paths, "paths")
            return cls(game, drawn(game.noise, n_paths, game.n_steps, rng))  # type: ignore[arg-type]  # the law
        if rng is not None:
            raise ValueError("rng is given without paths; must come with paths=R, the number of paths to draw")
        law = game.noise
        if not isinstance(law, NoiseChain):
            raise ValueError("paths is None with noise that is a function; must be R, the number of paths to draw")
        if game.n_steps * np.log2(max(law.n_states, 1)) > 60:
            states = None
        else:
            try:
                states, probabilities = law.paths(game.n_steps)
            except ValueError:
                states = None
        if states is None or len(states) > MOST_ENUMERATED:
            raise ValueError(
                f"paths is None, and {law!r} has more than {MOST_ENUMERATED} paths of {game.n_steps} steps; must be R, "
                "the number of paths to draw, for example paths=256"
            )
        return cls(game, states, probabilities)

    def __len__(self) -> int:
        return len(self.noise)

    @property
    def weights(self) -> FloatArray:
        """Probability of each path in means over them, (R,)."""
        return np.full(len(self), 1 / len(self)) if self.probabilities is None else self.probabilities

    @cached_property
    def games(self) -> list[Game]:
        """The game on each path."""
        return [self.game.on(path) for path in self.noise]

    def policy(self, policy: object, name: str = "policy") -> list[Policy]:
        """What a policy does on each path."""
        return [as_policy(policy, game, name) for game in self.games]

    def part(self, chosen: slice) -> Paths:
        """Some of independent paths."""
        made = Paths(self.game, self.noise[chosen])
        vars(made)["games"] = self.games[chosen]
        return made


def refuse_paths(**given: object) -> None:
    """Raise if an argument for games with random noise is given for another game."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name} is {say.show(value)} for a game without random noise; must be omitted, or the game have a "
                "NoiseChain or a function as noise"
            )


def key_of(policy: object, game: Game) -> Policy:
    """A compiled policy that stands for `policy` in fingerprints: the same on every path."""
    found = policy.policy if isinstance(policy, Played) else policy
    if isinstance(found, NoisePolicy):
        return TabularPolicy(found.table.reshape(len(found.table), -1, found.table.shape[-1])).kernel
    assert game._first is not None, "the noise is random"
    return as_policy(found, game._first)
