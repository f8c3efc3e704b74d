"""Games ready to play (theory.md section 8): each a function that returns a Game on a compiled model.

resource_selection(values, congestion, ...)     M resources, crowded ones pay less
queueing(capacities, ...)                       K servers, long queues serve slowly
beach_bar(n_places, ...)                        near the bar, but not where everybody lies
left_right(costs, ...)                          two sides, both worse the fuller they are
rock_paper_scissors(stakes, ...)                hands that beat each other in a circle
susceptible_infected(infection, recovery, ...)  go out, or keep away from an infection
garnet(n_observations, ..., seed)               random affine games
affine(reward0, reward_mu, ...)                 one's own, from arrays: rewards and rows affine in mu
typed(games, shares, coupling=...)              agents of several types; by_type takes results apart
joint(...)                                      rewards and kernels of the joint law of observation and action
wardrop(values, congestion, power)              where resource selection ends up
BY_NAME                                         name -> function, for tools that take names
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tmfcore.game import Game
from tmfcore.games.affine import affine
from tmfcore.games.beach_bar import beach_bar
from tmfcore.games.garnet import garnet
from tmfcore.games.joint import by_half_step, joint
from tmfcore.games.left_right import left_right
from tmfcore.games.queueing import queueing
from tmfcore.games.resource_selection import resource_selection, wardrop
from tmfcore.games.rock_paper_scissors import rock_paper_scissors
from tmfcore.games.susceptible_infected import susceptible_infected
from tmfcore.games.typed import by_type, typed

__all__ = [
    "BY_NAME",
    "affine",
    "beach_bar",
    "by_half_step",
    "by_type",
    "garnet",
    "joint",
    "left_right",
    "queueing",
    "resource_selection",
    "rock_paper_scissors",
    "susceptible_infected",
    "typed",
    "wardrop",
]

BY_NAME: Mapping[str, Callable[..., Game]] = MappingProxyType(
    {
        "resource_selection": resource_selection,
        "queueing": queueing,
        "beach_bar": beach_bar,
        "left_right": left_right,
        "rock_paper_scissors": rock_paper_scissors,
        "susceptible_infected": susceptible_infected,
        "garnet": garnet,
    }
)
