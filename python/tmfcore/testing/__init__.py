"""Checks of your own games: check_game and its report."""

from tmfcore.testing._check import check_game
from tmfcore.testing._report import Finding, GameReport

__all__ = ["Finding", "GameReport", "check_game"]
