"""Sioux Falls: a road network that has been used to test traffic assignment since 1975."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import fits_memory
from tmfcore._model.game import Game
from tmfcore.games._network import Demand, RoadNetwork
from tmfcore.games._shelf import Page, shelf
from tmfcore.games.routing import Rounding, on_network

__all__ = ["sioux_falls", "sioux_falls_roads"]

Trips: TypeAlias = Literal["pair", "table"]
Source: TypeAlias = Literal["published", "openspiel"]
Delay: TypeAlias = Literal["absolute", "relative"]

# Nodes, free-flow time in 0.01 hours, and capacity of SiouxFalls_net.tntp (repository TransportationNetworks): a link
# takes time (1 + 0.15 (v / capacity)^4), the paper's A + B v^4 with B to ten digits; the same both ways.
ROADS = (
    (1, 2, 6, 25900.20064), (1, 3, 4, 23403.47319), (2, 6, 5, 4958.180928), (3, 4, 4, 17110.52372),
    (3, 12, 4, 23403.47319), (4, 5, 2, 17782.7941), (4, 11, 6, 4908.82673), (5, 6, 4, 4947.995469), (5, 9, 5, 10000),
    (6, 8, 2, 4898.587646), (7, 8, 3, 7841.81131), (7, 18, 2, 23403.47319), (8, 9, 10, 5050.193156),
    (8, 16, 5, 5045.822583), (9, 10, 3, 13915.78842), (10, 11, 5, 10000), (10, 15, 6, 13512.00155),
    (10, 16, 4, 4854.917717), (10, 17, 8, 4993.510694), (11, 12, 6, 4908.82673), (11, 14, 4, 4876.508287),
    (12, 13, 3, 25900.20064), (13, 24, 4, 5091.256152), (14, 15, 5, 5127.526119), (14, 23, 4, 4924.790605),
    (15, 19, 3, 14564.75315), (15, 22, 3, 9599.180565), (16, 17, 2, 5229.910063), (16, 18, 3, 19679.89671),
    (17, 19, 2, 4823.950831), (18, 20, 4, 23403.47319), (19, 20, 4, 5002.607563), (20, 21, 6, 5059.91234),
    (20, 22, 5, 5075.697193), (21, 22, 2, 5229.910063), (21, 24, 3, 4885.357564), (22, 23, 4, 5000),
    (23, 24, 2, 5078.508436),
)  # fmt: skip

# Trips in hundreds, from the node of the row to that of the column (SiouxFalls_trips.tntp).
TRIPS = """
    0 1 1 5 2 3 5 8 5 13 5 2 5 3 5 5 4 1 3 3 1 4 3 1
    1 0 1 2 1 4 2 4 2 6 2 1 3 1 1 4 2 0 1 1 0 1 0 0
    1 1 0 2 1 3 1 2 1 3 3 2 1 1 1 2 1 0 0 0 0 1 1 0
    5 2 2 0 5 4 4 7 7 12 14 6 6 5 5 8 5 1 2 3 2 4 5 2
    2 1 1 5 0 2 2 5 8 10 5 2 2 1 2 5 2 0 1 1 1 2 1 0
    3 4 3 4 2 0 4 8 4 8 4 2 2 1 2 9 5 1 2 3 1 2 1 1
    5 2 1 4 2 4 0 10 6 19 5 7 4 2 5 14 10 2 4 5 2 5 2 1
    8 4 2 7 5 8 10 0 8 16 8 6 6 4 6 22 14 3 7 9 4 5 3 2
    5 2 1 7 8 4 6 8 0 28 14 6 6 6 9 14 9 2 4 6 3 7 5 2
    13 6 3 12 10 8 19 16 28 0 40 20 19 21 40 44 39 7 18 25 12 26 18 8
    5 2 3 15 5 4 5 8 14 39 0 14 10 16 14 14 10 1 4 6 4 11 13 6
    2 1 2 6 2 2 7 6 6 20 14 0 13 7 7 7 6 2 3 4 3 7 7 5
    5 3 1 6 2 2 4 6 6 19 10 13 0 6 7 6 5 1 3 6 6 13 8 8
    3 1 1 5 1 1 2 4 6 21 16 7 6 0 13 7 7 1 3 5 4 12 11 4
    5 1 1 5 2 2 5 6 10 40 14 7 7 13 0 12 15 2 8 11 8 26 10 4
    5 4 2 8 5 9 14 22 14 44 14 7 6 7 12 0 28 5 13 16 6 12 5 3
    4 2 1 5 2 5 10 14 9 39 10 6 5 7 15 28 0 6 17 17 6 17 6 3
    1 0 0 1 0 1 2 3 2 7 2 2 1 1 2 5 6 0 3 4 1 3 1 0
    3 1 0 2 1 2 4 7 4 18 4 3 3 3 8 13 17 3 0 12 4 12 3 1
    3 1 0 3 1 3 5 9 6 25 6 5 6 5 11 16 17 4 12 0 12 24 7 4
    1 0 0 2 1 1 2 4 3 12 4 3 6 4 8 6 6 1 4 12 0 18 7 5
    4 1 1 4 2 2 5 5 7 26 11 7 13 12 26 12 17 3 12 24 18 0 21 11
    3 0 1 5 1 1 2 3 5 18 13 7 8 11 10 5 6 1 3 7 7 21 0 7
    1 0 0 2 0 1 1 2 2 8 6 5 7 4 4 3 3 0 1 4 5 11 7 0
"""

# Column and row of each node in a drawing.
GRID = (
    (0, 7), (3, 7), (0, 6), (1, 6), (2, 6), (3, 6), (4, 5), (3, 5), (2, 5), (2, 4), (1, 4), (0, 4), (0, 0), (1, 2),
    (2, 2), (3, 4), (3, 3), (4, 4), (3, 2), (3, 0), (2, 0), (2, 1), (1, 1), (1, 0),
)  # fmt: skip

_Trips = tuple[tuple[int, int, float, *tuple[float, ...]], ...]

TWO_WAYS = ((1, 19, 7000.0), (19, 1, 7000.0))


@shelf(
    "The road network of Sioux Falls, with 24 crossings and 76 roads: drivers cross it in both directions, each on the "
    "roads that are fastest in the traffic of the others.",
    small={"demand": [(1, 6, 7000.0)], "step": 6.0, "horizon": 4},
    page=Page(
        "Shares of all 14,000 vehicles, on the most used links and arrived. Of the drivers from 1 to 19 all but one in "
        "twenty take 1->2 and 2->6; those from 19 to 1 take 16->8. All arrive between steps 23 and 30 of 0.01 hours.",
        options="--horizon 40",
        rules="routing",
        title="Sioux Falls",
    ),
)  # fmt: skip
@fits_memory("step must be longer, or horizon or max_delay shorter", asks=True)
def sioux_falls(
    demand: Trips | Sequence[tuple[Any, ...]] = "pair",
    *,
    source: Source = "published",
    delay: Delay | None = None,
    step: float = 1.0,
    horizon: int = 100,
    rounding: Rounding = "linear",
    max_delay: float | None = 10.0,
    late_cost: float | None = None,
    discount: float = 1.0,
) -> Game:
    """Sioux Falls, 24 nodes and 76 links (LeBlanc, Morlok and Pierskalla, Transportation Research 9, 1975, 309-318).

    The game is that of `routing`, with the vehicles of all trips on the same links. Vehicles to node j arrive when they
    enter a link "j->end j"; those from node i start at the end of a link "start i->i". A link with V vehicles takes

        c (1 + 0.15 (V / capacity)^4) = A + B V^4   (hundredths of an hour, the same both ways)

    Parameters
    ----------
    demand : {"pair", "table"} or sequence of (from, to, vehicles[, departure]), optional
        Trips between nodes 1..24. "pair": 7000 vehicles from 1 to 19 and as many from 19 to 1, as in OpenSpiel.
        "table": the published 528 pairs, 360,600 vehicles, all departing at time 0.
    source : {"published", "openspiel"}, optional
        "published": SiouxFalls_net.tntp and SiouxFalls_trips.tntp of the repository TransportationNetworks, where the
        total travel time at the static equilibrium of the table is 7,480,225. "openspiel": the copy in OpenSpiel, where
        B is rounded down to a multiple of 1e-18, which makes it too small on 22 links, and the table is transposed.
    delay : {"absolute", "relative"} or None, optional
        Travel time of a link with v vehicles: A + B v^4 ("absolute"), or A (1 + B v^4) ("relative"), as OpenSpiel uses
        these numbers. None: absolute for source="published", relative for "openspiel".
    step : float, optional
        dt > 0, in units of 0.01 hours, like all times here; empty links take 2 to 10.
    horizon : int, optional
        T in steps.
    max_delay : float or None, optional
        The most time that congestion adds to a link; see `routing`. At equilibrium links with such delays are not used.
    rounding, late_cost, discount
        As in `routing`.

    Returns
    -------
    Game
        Name "sioux_falls". A = 5, the number of roads at node 10; 6 if node 10 is a destination.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind.

    Notes
    -----
    MirrorDescent solves demand="pair" (1,617 observations) to an exploitability of 1e-4 in 6 iterations. With
    rounding="down" rows jump with the population: an equilibrium need not exist, and solvers may stall.

    OpenSpiel's python_mfg_dynamic_routing on SIOUX_FALLS_NETWORK with SIOUX_FALLS_DUMMY_OD_DEMAND is
    source="openspiel", rounding="down", max_delay=None, except that every node has a dead end there, which no best
    response takes; "table" is its SIOUX_FALLS_OD_DEMAND.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.sioux_falls().horizon
    100
    """
    copied = check.as_choice(source, "source", Source) == "openspiel"
    relative = copied if delay is None else check.as_choice(delay, "delay", Delay) == "relative"
    trips = _trips(demand, copied)
    network, on_links = _on_links(trips, copied, relative)
    return on_network(
        network, on_links, step, horizon, rounding, max_delay, late_cost, discount, "sioux_falls",
        recipe=partial(sioux_falls, demand if isinstance(demand, str) else trips, source=source, delay=delay,
                       step=step, horizon=horizon, rounding=rounding, max_delay=max_delay,
                       late_cost=late_cost, discount=discount),
    )  # fmt: skip


def sioux_falls_roads() -> RoadNetwork:
    """Sioux Falls for `user_equilibrium`: 24 nodes, 76 links, and the published 528 pairs with 360,600 vehicles.

    Returns
    -------
    RoadNetwork
        Nodes "1" to "24"; times in hundredths of an hour. The numbers of SiouxFalls_net.tntp and SiouxFalls_trips.tntp.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> road = tmf.games.sioux_falls_roads()
    >>> len(road.nodes), len(road.links), len(road.trips)
    (24, 76, 528)
    """
    roads = sorted([(u, v, a, c) for u, v, a, c in ROADS] + [(v, u, a, c) for u, v, a, c in ROADS])
    tails, heads, times, capacity = zip(*roads, strict=True)
    return RoadNetwork(
        zip(tails, heads, strict=True), times, capacity, congestion=0.15, power=4.0,
        positions={node + 1: place for node, place in enumerate(GRID)}, trips=_trips("table"),
    )  # fmt: skip


def _on_links(trips: _Trips, copied: bool, relative: bool) -> tuple[RoadNetwork, tuple[Demand, ...]]:
    """The network with links for the starts and ends of trips, and the demand on its links."""
    roads = sorted([(u, v, a, c) for u, v, a, c in ROADS] + [(v, u, a, c) for u, v, a, c in ROADS])
    edges = [(str(u), str(v)) for u, v, _, _ in roads]
    edges += [(str(n), f"end {n}") for n in sorted({d for _, d, *_ in trips})]
    edges += [(f"start {n}", str(n)) for n in sorted({o for o, *_ in trips})]
    times, congestion, capacity = np.zeros(len(edges)), np.zeros(len(edges)), np.ones(len(edges))
    free, full = np.array(roads)[:, 2:].T
    times[: len(roads)] = free
    congestion[: len(roads)] = 0.15 * free if relative else 0.15
    capacity[: len(roads)] = full
    if copied:
        b = np.floor(0.15 * free / full**4 * 1e18) * 1e-18
        congestion[: len(roads)], capacity[:] = b if relative else b / free, 1.0
    network = RoadNetwork(
        edges,
        times,
        capacity,
        congestion,
        power=4.0,
        positions={node: GRID[int(node.split()[-1]) - 1] for edge in edges for node in edge},
    )
    return network, tuple(Demand(f"start {o}->{o}", f"{d}->end {d}", *rest) for o, d, *rest in trips)


def _trips(demand: object, copied: bool = False) -> _Trips:
    """(from, to, vehicles[, departure]) between nodes; `copied`: with the table of OpenSpiel."""
    if isinstance(demand, str):
        if check.as_choice(demand, "demand", Trips) == "pair":
            return TWO_WAYS
        table = [[int(word) for word in line.split()] for line in TRIPS.split("\n") if line.strip()]
        if copied:
            table = [list(column) for column in zip(*table, strict=True)]
        return tuple(
            (o + 1, d + 1, 100.0 * hundreds) for d in range(24) for o, row in enumerate(table) if (hundreds := row[d])
        )
    given = check.as_items(demand, "demand", "'pair', 'table' or a sequence of (from, to, vehicles)")
    trips = []
    for i, entry in enumerate(given):
        fields = check.as_items(entry, f"demand[{i}]", "(from, to, vehicles[, departure])")
        if not 3 <= len(fields) <= 4:
            raise ValueError(f"demand[{i}] is {say.short(repr(entry))}; must be (from, to, vehicles[, departure])")
        o, d = (check.as_int(node, f"demand[{i}][{j}]", low=1, high=24) for j, node in enumerate(fields[:2]))
        trips.append((o, d, *fields[2:]))
    return tuple(trips)
