"""Checks of games of one's own: check_game, and what it finds."""

from tmfcore.testing.check import Finding, GameReport, check_game

__all__ = ["Finding", "GameReport", "check_game"]
