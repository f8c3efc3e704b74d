"""The shelf: modules are found when the package is imported, and checkers of types know their functions all the same."""

import tmfcore as tmf
from tmfcore.games import SHELF, Demand, RoadNetwork, braess, by_type, wardrop

tmf.games.queueing([0.1, 0.2], horizon=5)
tmf.games.queueing([0.1, 0.2], 5)  # error
tmf.games.queueing(capasities=[0.1, 0.2])  # error
tmf.games.quueing()  # error
small: tmf.Game = SHELF["braess"].small(horizon=12)
SHELF["braess"] = braess  # error
road = RoadNetwork([("a", "b"), ("b", "c"), ("c", "d")])
driven: tmf.Game = tmf.games.routing(road, demand=[Demand("a->b", "c->d", 1.0)])
tmf.games.routing(road)  # error
level: float = float(wardrop([1.0, 0.8], congestion=1.0).sum())
parts = by_type(tmf.games.typed([small, small], shares=[0.5, 0.5]), small.initial)
garnet: tmf.Game = tmf.games.garnet(rng=3)
tmf.games.garnet(seed=3)  # error
