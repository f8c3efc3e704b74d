"""Games ready to play (theory.md section 8): each a function that returns a Game on a compiled model.

resource_selection(values, congestion, ...)     M resources, crowded ones pay less
queueing(capacities, ...)                       K servers, long queues serve slowly
beach_bar(n_places, ...)                        near the bar, but not where everybody lies
routing(network, demand, ...)                   drivers on a RoadNetwork choose roads, full ones are slow
braess(shortcut)                                a road that makes everybody slower
sioux_falls(demand, ...)                        24 nodes and 76 links
wardrop(values, congestion, power)              where resource selection ends up
BY_NAME                                         name -> function, for tools that take names

More games join this folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tmfcore.game import Game
from tmfcore.games._network import Demand, RoadNetwork
from tmfcore.games.beach_bar import beach_bar
from tmfcore.games.queueing import queueing
from tmfcore.games.resource_selection import resource_selection, wardrop
from tmfcore.games.routing import braess, routing
from tmfcore.games.sioux_falls import sioux_falls

__all__ = [
    "BY_NAME",
    "Demand",
    "RoadNetwork",
    "beach_bar",
    "braess",
    "queueing",
    "resource_selection",
    "routing",
    "sioux_falls",
    "wardrop",
]

BY_NAME: Mapping[str, Callable[..., Game]] = MappingProxyType(
    {
        "resource_selection": resource_selection,
        "queueing": queueing,
        "beach_bar": beach_bar,
        "routing": routing,
        "braess": braess,
        "sioux_falls": sioux_falls,
    }
)
