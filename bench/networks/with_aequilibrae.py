"""The same equilibria by AequilibraE: its bi-conjugate Frank-Wolfe, the fastest of its algorithms, on one core."""

from __future__ import annotations

import logging
import os
import time
from typing import NamedTuple

import numpy as np

from tmfcore.games import RoadNetwork

os.environ["AEQ_SHOW_PROGRESS"] = "FALSE"  # its progress bars take longer than its iterations; read at import

TRIAL = 20  # iterations from which the time of one is estimated


class Found(NamedTuple):
    """An assignment: seconds with all preparation, iterations, relative gap as AequilibraE reports it, volumes (E,)."""

    seconds: float
    iterations: int
    gap: float
    volumes: np.ndarray


def assign(network: RoadNetwork, tolerance: float, limit: float) -> Found:
    """Assign to a relative gap, or for about `limit` seconds."""
    trial = _assigned(network, tolerance, TRIAL)
    if trial.gap <= tolerance:
        return trial
    return _assigned(network, tolerance, max(int(limit / trial.seconds * TRIAL), TRIAL))


def _assigned(network: RoadNetwork, tolerance: float, iterations: int) -> Found:
    import pandas as pd
    from aequilibrae.matrix import AequilibraeMatrix
    from aequilibrae.paths import Graph, TrafficAssignment, TrafficClass

    logging.getLogger("aequilibrae").setLevel(logging.CRITICAL)
    began = time.perf_counter()
    zones = list(dict.fromkeys(node for trip in network.trips for node in trip[:2]))
    zones += [node for node in network.no_through if node not in set(zones)]
    number = {node: i + 1 for i, node in enumerate(dict.fromkeys([*zones, *network.nodes]))}  # zones come first
    tails, heads = np.array([(number[tail], number[head]) for tail, head in network.edges]).T
    graph = Graph()
    graph.network = pd.DataFrame({
        "link_id": np.arange(1, len(tails) + 1), "a_node": tails, "b_node": heads, "direction": 1,
        "free_flow_time": network.free_flow_time, "capacity": network.capacity, "b": network.congestion,
        "power": network.power,
    })  # fmt: skip
    graph.network_ok, graph.status = True, "OK"
    graph.prepare_graph(np.arange(1, len(zones) + 1))
    graph.set_graph("free_flow_time")
    graph.set_blocked_centroid_flows(bool(network.no_through))
    matrix = AequilibraeMatrix()
    matrix.create_empty(zones=len(zones), matrix_names=["vehicles"], memory_only=True)
    matrix.index[:] = np.arange(1, len(zones) + 1)
    table = np.zeros((len(zones), len(zones)))
    origins, destinations, vehicles = zip(*network.trips, strict=True)
    table[[number[o] - 1 for o in origins], [number[d] - 1 for d in destinations]] = vehicles
    matrix.matrix["vehicles"][:, :] = table
    matrix.computational_view(["vehicles"])
    cars = TrafficClass("cars", graph, matrix)
    assignment = TrafficAssignment()
    assignment.set_classes([cars])
    assignment.set_vdf("BPR")
    assignment.set_vdf_parameters({"alpha": "b", "beta": "power"})
    assignment.set_capacity_field("capacity")
    assignment.set_time_field("free_flow_time")
    assignment.max_iter, assignment.rgap_target = iterations, tolerance
    assignment.set_algorithm("bfw")
    assignment.set_cores(1)
    assignment.execute()
    report = assignment.report()
    loads = cars.results.get_load_results()["vehicles_tot"].reindex(np.arange(1, len(tails) + 1)).fillna(0.0)
    return Found(time.perf_counter() - began, len(report), float(report["rgap"].iloc[-1]), loads.to_numpy())
