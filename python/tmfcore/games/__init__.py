"""Games ready to play (theory.md section 8): each a function that returns a Game on a compiled model.

resource_selection(values, congestion, ...)     M resources, crowded ones pay less
queueing(capacities, ...)                       K servers, long queues serve slowly
beach_bar(n_places, ...)                        near the bar, but not where everybody lies
typed(games, shares, coupling=...)              agents of several types; by_type takes results apart
joint(...)                                      rewards and kernels of the joint law of observation and action
wardrop(values, congestion, power)              where resource selection ends up
BY_NAME                                         name -> function, for tools that take names

More games join this folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tmfcore.game import Game
from tmfcore.games.beach_bar import beach_bar
from tmfcore.games.joint import by_half_step, joint
from tmfcore.games.queueing import queueing
from tmfcore.games.resource_selection import resource_selection, wardrop
from tmfcore.games.typed import by_type, typed

__all__ = [
    "BY_NAME",
    "beach_bar",
    "by_half_step",
    "by_type",
    "joint",
    "queueing",
    "resource_selection",
    "typed",
    "wardrop",
]

BY_NAME: Mapping[str, Callable[..., Game]] = MappingProxyType(
    {"resource_selection": resource_selection, "queueing": queueing, "beach_bar": beach_bar}
)
