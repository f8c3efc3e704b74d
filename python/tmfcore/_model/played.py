"""Bases of what is accepted as a policy, besides policies themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tmfcore._model.game import Game
    from tmfcore._model.policies import TabularPolicy
    from tmfcore._model.policy import Policy

__all__ = ["Played", "Sees"]


class Played:
    """Base of Solution, which is accepted wherever a policy is."""

    policy: Any


class Sees(ABC):
    """Base of NoisePolicy and SampledPolicy, which see the path of the noise, or a sample of the population."""

    @abstractmethod
    def _in(self, game: Game, name: str) -> TabularPolicy | Policy:
        """What it does in a game: on one path of its noise, or on average over samples."""
