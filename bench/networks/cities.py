"""Road networks to measure on: Sioux Falls, and made-up cities of the sizes of Anaheim and Chicago Sketch.

The files of the latter two are not part of this repository; `python -m bench.networks FOLDER ...` measures on files.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import Delaunay

import tmfcore as tmf
from tmfcore.games import RoadNetwork

CONNECTOR = 0.2  # minutes from the centre of a zone to the nearest crossing
LANE = 900.0  # vehicles per lane
SPREAD = 0.3  # by which capacities miss the planned ones, standard deviation of the logarithm


def city(n_zones: int, n_nodes: int, n_links: int, n_pairs: int, vehicles: float, seed: int) -> RoadNetwork:
    """A city at random: two-way roads between near crossings, zones that are closed to through traffic, gravity demand.

    The roads are the edges of a shortest spanning tree and the shortest other edges of the Delaunay triangulation; a
    quarter is twice as fast. Capacities, in whole lanes, are planned for the traffic on empty roads, more or less.
    """
    rng = np.random.default_rng(seed)
    n = n_nodes - n_zones
    width = np.sqrt(n)
    crossings, zones = width * rng.random((n, 2)), width * rng.random((n_zones, 2))
    triangles = Delaunay(crossings).simplices
    sides = np.concatenate([triangles[:, pair] for pair in ((0, 1), (1, 2), (0, 2))])
    edges = np.unique(np.sort(sides, axis=1), axis=0)
    length = np.hypot(*(crossings[edges[:, 0]] - crossings[edges[:, 1]]).T)
    tree = minimum_spanning_tree(coo_array((length, edges.T), shape=(n, n)).tocsr()).tocoo()
    in_tree = {tuple(sorted(edge)) for edge in zip(tree.row.tolist(), tree.col.tolist(), strict=True)}
    kept = np.array([tuple(edge) in in_tree for edge in edges.tolist()])
    more = [i for i in np.argsort(length, kind="stable") if not kept[i]]
    kept[more[: (n_links - 2 * n_zones) // 2 - int(kept.sum())]] = True
    roads, length = edges[kept] + n_zones, length[kept]
    near = n_zones + ((zones[:, None] - crossings) ** 2).sum(axis=-1).argmin(axis=1)
    tails = np.concatenate([roads[:, 0], roads[:, 1], np.arange(n_zones), near])
    heads = np.concatenate([roads[:, 1], roads[:, 0], near, np.arange(n_zones)])
    free = length / np.where(rng.random(len(roads)) < 0.25, 1.6, 0.8)
    times = np.concatenate([free, free, np.full(2 * n_zones, CONNECTOR)])

    far = np.hypot(*(zones[:, None] - zones).transpose(2, 0, 1))
    size = rng.gamma(1.5, size=n_zones)
    demand = size[:, None] * size * np.exp(-4 * far / width) * ~np.eye(n_zones, dtype=bool)
    demand[demand < np.sort(demand, axis=None)[-n_pairs]] = 0
    demand *= vehicles / demand.sum()
    trips = [(int(o), int(d), float(demand[o, d])) for o, d in zip(*np.nonzero(demand), strict=True)]

    links = list(zip(tails.tolist(), heads.tolist(), strict=True))
    empty = RoadNetwork(links, times, trips=trips, no_through=range(n_zones))
    planned = tmf.games.user_equilibrium(empty).volumes * np.exp(rng.normal(0, SPREAD, len(links)))
    is_road = np.arange(len(links)) < 2 * len(roads)
    capacity = np.where(is_road, LANE * np.maximum(np.round(planned / LANE), 1), 1e6)
    return RoadNetwork(
        links, times, capacity, np.where(is_road, 0.15, 0.0), np.where(is_road, 4.0, 1.0), trips=trips,
        no_through=range(n_zones),
    )  # fmt: skip


#: Name -> network, and the seconds wanted for a relative gap of 1e-6.
CITIES: dict[str, tuple[Callable[[], RoadNetwork], float]] = {
    "Sioux Falls": (tmf.games.sioux_falls_roads, 0.1),
    "a city of the size of Anaheim": (lambda: city(38, 416, 914, 1406, 104_694.4, 1), 0.2),
    "a city of the size of Chicago Sketch": (lambda: city(387, 933, 2950, 93_135, 1_260_907.44, 2), 4.0),
}
