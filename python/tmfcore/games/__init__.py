"""Built-in games (Theory, section 8): functions that return a Game with a compiled model, one file each.

SHELF has all of them with descriptions. BY_NAME (name -> function) has those that need no arguments. Each file
registers its own game (`_shelf`), and this module imports all files of the folder. Besides the games there are

RoadNetwork, Demand                             road network and traffic for `routing`
wardrop(worth, congestion, power)               equilibrium of resource selection with free switching
by_type(game, values), by_half_step(game, mu)   split results of `typed` and `joint` into their parts
gamefile                                        games in files

The games:

"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tmfcore.games._shelf import BY_NAME as BY_NAME
from tmfcore.games._shelf import SHELF as SHELF
from tmfcore.games._shelf import find

if TYPE_CHECKING:  # the names that `find` returns, for type checkers: written by `python -m bench.gallery --lists`
    from tmfcore.games.affine import affine as affine
    from tmfcore.games.beach_bar import beach_bar as beach_bar
    from tmfcore.games.braess import braess as braess
    from tmfcore.games.building_evacuation import building_evacuation as building_evacuation
    from tmfcore.games.congestion import UserEquilibrium as UserEquilibrium
    from tmfcore.games.congestion import congestion as congestion
    from tmfcore.games.congestion import user_equilibrium as user_equilibrium
    from tmfcore.games.crowd_aversion import crowd_aversion as crowd_aversion
    from tmfcore.games.crowd_motion import crowd_motion as crowd_motion
    from tmfcore.games.cyber_security import cyber_security as cyber_security
    from tmfcore.games.demand import demand as demand
    from tmfcore.games.garnet import garnet as garnet
    from tmfcore.games.graphon import graphon as graphon
    from tmfcore.games.infection_by_contact import infection_by_contact as infection_by_contact
    from tmfcore.games.joint import by_half_step as by_half_step
    from tmfcore.games.joint import joint as joint
    from tmfcore.games.left_right import left_right as left_right
    from tmfcore.games.linear_features import linear_features as linear_features
    from tmfcore.games.linear_quadratic import linear_quadratic as linear_quadratic
    from tmfcore.games.majority import majority as majority
    from tmfcore.games.pairwise_revision import pairwise_revision as pairwise_revision
    from tmfcore.games.queueing import queueing as queueing
    from tmfcore.games.resource_selection import resource_selection as resource_selection
    from tmfcore.games.resource_selection import wardrop as wardrop
    from tmfcore.games.robotics import robotics as robotics
    from tmfcore.games.rock_paper_scissors import rock_paper_scissors as rock_paper_scissors
    from tmfcore.games.routing import Demand as Demand
    from tmfcore.games.routing import RoadNetwork as RoadNetwork
    from tmfcore.games.routing import Rounding as Rounding
    from tmfcore.games.routing import routing as routing
    from tmfcore.games.sioux_falls import sioux_falls as sioux_falls
    from tmfcore.games.sioux_falls import sioux_falls_roads as sioux_falls_roads
    from tmfcore.games.susceptible_infected import susceptible_infected as susceptible_infected
    from tmfcore.games.swarm import swarm as swarm
    from tmfcore.games.typed import by_type as by_type
    from tmfcore.games.typed import typed as typed

_FOUND = find(__path__, __name__)
globals().update(_FOUND)
__all__ = sorted({"BY_NAME", "SHELF", *_FOUND})
__doc__ = (__doc__ or "") + "".join(f"{name:24}{entry.about}\n" for name, entry in SHELF.items())
