"""Checks of games of one's own: check_game, and what it finds."""

from tmfcore.testing._check import check_game
from tmfcore.testing._report import Finding, GameReport

__all__ = ["Finding", "GameReport", "check_game"]
