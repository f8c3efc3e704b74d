"""Games ready to play (theory.md section 8): each a function that returns a Game on a compiled model.

resource_selection(values, congestion, ...)     M resources, crowded ones pay less
queueing(capacities, ...)                       K servers, long queues serve slowly
beach_bar(n_places, ...)                        near the bar, but not where everybody lies
crowd_motion(shape, ...)                        the same in two dimensions, with obstacles
building_evacuation(n_floors, ...)              down the stairs, but not in a crowd
crowd_aversion(transition, worth, ...)          what these have in common, on kernels of one's own
linear_quadratic(n_positions, ...)              near the mean of all, steering as little as possible
wardrop(values, congestion, power)              where resource selection ends up
BY_NAME                                         name -> function, for tools that take names

More games join this folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tmfcore.game import Game
from tmfcore.games.beach_bar import beach_bar
from tmfcore.games.building_evacuation import building_evacuation
from tmfcore.games.crowd_aversion import crowd_aversion
from tmfcore.games.crowd_motion import crowd_motion
from tmfcore.games.linear_quadratic import linear_quadratic
from tmfcore.games.queueing import queueing
from tmfcore.games.resource_selection import resource_selection, wardrop

__all__ = [
    "BY_NAME",
    "beach_bar",
    "building_evacuation",
    "crowd_aversion",
    "crowd_motion",
    "linear_quadratic",
    "queueing",
    "resource_selection",
    "wardrop",
]

BY_NAME: Mapping[str, Callable[..., Game]] = MappingProxyType(
    {
        "resource_selection": resource_selection,
        "queueing": queueing,
        "beach_bar": beach_bar,
        "crowd_motion": crowd_motion,
        "building_evacuation": building_evacuation,
        "linear_quadratic": linear_quadratic,
    }
)
