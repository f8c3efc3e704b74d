"""Bases of what is accepted as a policy, besides policies themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmfcore._model.game import Game
    from tmfcore._model.policies import TabularPolicy

__all__ = ["Played", "SeesNoise"]


class Played:
    """Base of Solution, which is accepted wherever a policy is."""

    policy: Any


class SeesNoise(ABC):
    """Base of NoisePolicy: a policy that depends on the path of the noise."""

    @abstractmethod
    def _in(self, game: Game, name: str) -> TabularPolicy:
        """What it does in a game on one path of its noise."""
