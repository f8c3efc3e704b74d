"""Games ready to play (theory.md section 8): each a function that returns a Game on a compiled model.

resource_selection(worth, congestion, ...)     M resources, crowded ones pay less
queueing(capacities, ...)                       K servers, long queues serve slowly
beach_bar(n_places, ...)                        near the bar, but not where everybody lies
crowd_motion(shape, ...)                        the beach bar in two dimensions, with obstacles
building_evacuation(n_floors, ...)              down the stairs, but not in a crowd
linear_quadratic(n_positions, ...)              near the mean of all, steering as little as possible
braess(shortcut)                                a road that makes everybody slower
sioux_falls(demand, ...)                        drivers in a town of 24 nodes and 76 links
left_right(costs, ...)                          two sides, both worse the fuller they are
rock_paper_scissors(stakes, ...)                hands that beat each other in a circle
susceptible_infected(infection, recovery, ...)  go out, or keep away from an infection
garnet(n_observations, ..., rng)               random affine games

Of these BY_NAME has name -> function. They can be played without arguments, those below cannot, or only as an example:

routing(network, demand, ...)                   drivers on a RoadNetwork of one's own choose roads, full ones are slow
crowd_aversion(transition, worth, ...)          paid by where one is and how crowded it is there, on one's own kernels
affine(reward0, reward_mu, ...)                 one's own, from arrays: rewards and rows affine in mu
joint(...)                                      rewards and kernels of the joint law of observation and action
typed(games, shares, coupling=...)              agents of several types; by_type takes results apart

wardrop(worth, congestion, power)              where resource selection ends up
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tmfcore._model.game import Game
from tmfcore.games._network import Demand, RoadNetwork
from tmfcore.games.affine import affine
from tmfcore.games.beach_bar import beach_bar
from tmfcore.games.building_evacuation import building_evacuation
from tmfcore.games.crowd_aversion import crowd_aversion
from tmfcore.games.crowd_motion import crowd_motion
from tmfcore.games.garnet import garnet
from tmfcore.games.joint import by_half_step, joint
from tmfcore.games.left_right import left_right
from tmfcore.games.linear_quadratic import linear_quadratic
from tmfcore.games.queueing import queueing
from tmfcore.games.resource_selection import resource_selection, wardrop
from tmfcore.games.rock_paper_scissors import rock_paper_scissors
from tmfcore.games.routing import braess, routing
from tmfcore.games.sioux_falls import sioux_falls
from tmfcore.games.susceptible_infected import susceptible_infected
from tmfcore.games.typed import by_type, typed

__all__ = [
    "BY_NAME",
    "Demand",
    "RoadNetwork",
    "affine",
    "beach_bar",
    "braess",
    "building_evacuation",
    "by_half_step",
    "by_type",
    "crowd_aversion",
    "crowd_motion",
    "garnet",
    "joint",
    "left_right",
    "linear_quadratic",
    "queueing",
    "resource_selection",
    "rock_paper_scissors",
    "routing",
    "sioux_falls",
    "susceptible_infected",
    "typed",
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
        "braess": braess,
        "sioux_falls": sioux_falls,
        "left_right": left_right,
        "rock_paper_scissors": rock_paper_scissors,
        "susceptible_infected": susceptible_infected,
        "garnet": garnet,
    }
)
