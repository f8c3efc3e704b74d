"""Static user equilibrium of a road network: every driver on a path than which none is faster."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import ConvergenceWarning, fits_memory, warn
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.policies import TabularPolicy
from tmfcore._results.result import Result
from tmfcore.games._assignment import Assignment
from tmfcore.games._network import RoadNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["UserEquilibrium", "user_equilibrium"]

# Measured by `python -m bench.networks`: other values take up to twice the time on one of its networks.
SWEEPS = 2, 20  # least and most passes over the paths between two searches
PATHS, LENGTH = 1.3, 0.75  # paths of a pair, and their links over the root of the number of nodes
SHARE = 0.1  # of the excess that a search found, at which the passes end


@dataclass(frozen=True, eq=False, repr=False)
class UserEquilibrium(Result[Literal["gap", "roads"]]):
    """Flows on links and paths at which drivers gain at most a relative gap by other paths.

    Parameters
    ----------
    network : RoadNetwork
    volumes : (E,) float64
        Vehicles on each link.
    times : (E,) float64
        Travel time of each link at these volumes.
    path_trips : (P,) int
        For each path the number of its pair in `network.trips`, ascending; the fullest path of a pair comes first.
    path_flows : (P,) float64
        Vehicles on each path. At least one path of each pair is as fast as any in the network, perhaps with 0 vehicles.
    path_starts : (P+1,) int
        Path p has the links path_links[path_starts[p]:path_starts[p + 1]].
    path_links : int array
        Numbers of links, in the order of the network's edges.
    gaps : (I,) float64
        The relative gap at each search for shortest paths.
    tolerance : float
        The relative gap that was asked for.
    seconds : float
        How long it took.

    Notes
    -----
    `plot` draws the relative gap by iteration ("gap"), or a map of the volumes ("roads").
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "volumes": "E", "times": "E", "path_trips": "P", "path_flows": "P", "path_starts": "P+1", "gaps": "I",
    }  # fmt: skip
    RANGES: ClassVar[dict[str, str]] = {">= 0": "volumes times path_flows path_trips path_starts path_links"}

    network: RoadNetwork
    volumes: FloatArray
    times: FloatArray
    path_trips: IntArray
    path_flows: FloatArray
    path_starts: IntArray
    path_links: IntArray
    gaps: FloatArray
    tolerance: float
    seconds: float

    @property
    def relative_gap(self) -> float:
        """(total time - that of all vehicles on shortest paths) / total time, all at the present times."""
        return float(self.gaps[-1])

    @property
    def converged(self) -> bool:
        """Whether the relative gap is at most the tolerance."""
        return self.relative_gap <= self.tolerance

    @property
    def iterations(self) -> int:
        """Number of searches for shortest paths from all origins."""
        return len(self.gaps)

    @property
    def total_time(self) -> float:
        """Travel time of all vehicles together."""
        return float(self.volumes @ self.times)

    @property
    def objective(self) -> float:
        """Beckmann's: the sum over links of the integral of the time from 0 to the volume, smallest at equilibrium."""
        roads, v = self.network, self.volumes
        mean = roads.congestion * (v / roads.capacity) ** roads.power / (roads.power + 1)
        return float((roads.free_flow_time * v * (1 + mean)).sum())

    @property
    def paths(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """For each pair of `network.trips` its paths, each a tuple of the names of its links."""
        links, starts = self.network.links, self.path_starts.tolist()
        out: list[list[tuple[str, ...]]] = [[] for _ in self.network.trips]
        for path, pair in enumerate(self.path_trips.tolist()):
            out[pair].append(tuple(links[e] for e in self.path_links[starts[path] : starts[path + 1]].tolist()))
        return tuple(map(tuple, out))

    @property
    def policy(self) -> TabularPolicy:
        """For `congestion(network, paths=self)`: choose among the paths of a pair in the proportions of their flows."""
        first, number = places(self.path_trips)
        rows = np.zeros((len(first), int(number.max()) + 1))
        rows[self.path_trips, number] = self.path_flows
        rows /= rows.sum(axis=1, keepdims=True)
        return TabularPolicy(rows[self.path_trips])

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "links", len(self.volumes)
        yield "pairs", len(self.network.trips)
        yield "paths", len(self.path_flows)
        yield "converged", self.converged
        yield "relative gap", f"{self.relative_gap:.2g}"
        yield "iterations", self.iterations
        yield "total time", f"{self.total_time:.10g}"
        yield "objective", f"{self.objective:.10g}"

    def _axes(self) -> dict[str, tuple[str, Any]]:
        return {"link": ("link", np.array(self.network.links))}

    def _title(self) -> str:
        return "User equilibrium"

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        if kind == "roads":
            for name in ("label", "color"):
                if style[name] is not None:
                    raise ValueError(f"{name} is {say.show(style[name])}; must be None, since the picture is a map")
            return plotting.roads(self.network, self.volumes, title=style["title"], ax=style["ax"])
        lines = {"relative gap": (np.arange(1, self.iterations + 1), self.gaps)}
        ax = plotting.exploitability(lines, goal=self.tolerance, goal_label="tolerance", relative=False, **style)
        ax.set_ylabel("relative gap")
        return ax


@fits_memory("network must have fewer trips or links", asks=True)
def user_equilibrium(
    network: RoadNetwork, *, tolerance: float = 1e-6, iterations: int = 1000, time_limit: float | None = None
) -> UserEquilibrium:
    """Find the user equilibrium of a network: no vehicle has a faster path (Wardrop 1952; Theory, section 8).

    Parameters
    ----------
    network : RoadNetwork
        With `trips`.
    tolerance : float, optional
        > 0, the relative gap to reach: (total time - that of all vehicles on shortest paths) / total time.
    iterations : int, optional
        The most searches for shortest paths.
    time_limit : float or None, optional
        > 0, in seconds; looked at after each search.

    Returns
    -------
    UserEquilibrium

    Warns
    -----
    ConvergenceWarning
        The tolerance was not met.

    Raises
    ------
    TypeError, ValueError
        An argument is bad, or a pair of trips has no path.

    Notes
    -----
    Paths are added when they become shortest. Between searches, flow moves to the best path of each pair, pair by pair,
    by Newton steps on the difference of the paths' times (Jayakrishnan et al. 1994; Xie, Nie and Liu 2018), which are
    shortened where they overshoot. Volumes are unique if times rise with the volume; flows on paths are not. Gaps far
    below 1e-6 take many iterations where the times of some links grow by orders of magnitude with their volume.

    Memory is asked for with 1.3 paths of 0.75 sqrt(M) links for each pair, as road networks have them.

    Cost: a search is O(origins E log M); a pass O(links of the paths of pairs with several). Deterministic.

    Examples
    --------
    Sioux Falls (LeBlanc 1975), whose best known objective is 42.31335287 in units of 1e5:

    >>> import tmfcore as tmf
    >>> found = tmf.games.user_equilibrium(tmf.games.sioux_falls_roads(), tolerance=1e-10)
    >>> found.converged, round(found.objective / 1e5, 8)
    (True, 42.31335287)
    """
    network = check.as_instance(network, "network", RoadNetwork)
    tolerance = check.as_float(tolerance, "tolerance", low=0.0, low_open=True)
    most = check.as_positive_int(iterations, "iterations")
    limit = np.inf if time_limit is None else check.as_float(time_limit, "time_limit", low=0.0, low_open=True)
    if not network.trips:
        raise ValueError("network has no trips; must have at least one (origin, destination, vehicles)")
    needs.ask(_needs(network))
    begin = time.perf_counter()
    flows, order = _assignment(network)
    bad = flows.load()
    if bad >= 0:
        origin, destination, _ = network.trips[order[bad]]
        raise ValueError(f"network.trips[{order[bad]}] has no path from {origin!r} to {destination!r}; must have one")
    gaps: list[float] = []
    while True:
        total, least = flows.generate()
        gaps.append(max(total - least, 0.0) / total if total > 0 else 0.0)
        if gaps[-1] <= tolerance or len(gaps) == most or time.perf_counter() - begin >= limit:
            break
        flows.equilibrate(SWEEPS[0], 0.0)
        flows.equilibrate(SWEEPS[1], SHARE * (total - least))
    pair, starts, links, flow = flows.paths()
    trip = order[pair]
    place = np.lexsort((-flow, trip))
    length = np.diff(starts)[place]
    new = np.concatenate([[0], np.cumsum(length)])
    found = UserEquilibrium._made(
        network=network,
        volumes=flows.volumes(),
        times=flows.times(),
        path_trips=trip[place],
        path_flows=flow[place],
        path_starts=new,
        path_links=links[np.repeat(starts[:-1][place] - new[:-1], length) + np.arange(new[-1])],
        gaps=np.array(gaps),
        tolerance=tolerance,
        seconds=time.perf_counter() - begin,
    )
    if not found.converged:
        warn(
            f"user_equilibrium has not converged: relative gap {found.relative_gap:.2g} after {len(gaps)} iterations",
            ConvergenceWarning,
        )
    return found


def _needs(network: RoadNetwork) -> dict[str, tuple[int, ...]]:
    """Those of links and pairs, and of the paths: how many, and how long, is that of networks that lie in a plane."""
    n_links, n_nodes, n_pairs = len(network.links), len(network.nodes), len(network.trips)
    return {
        "links, nodes and pairs": (150 * n_links + 40 * n_nodes + 50 * n_pairs,),
        "links of all paths": (48, math.ceil(PATHS * n_pairs * LENGTH * n_nodes**0.5)),
    }


def places(trips: IntArray) -> tuple[IntArray, IntArray]:
    """For each pair its first path, and for each path its number within its pair; `trips` ascend."""
    first = np.searchsorted(trips, np.arange(int(trips[-1]) + 1))
    return first, np.arange(len(trips)) - first[trips]


def delays(network: RoadNetwork) -> FloatArray:
    """c, a, C and b of each link, (E, 4)."""
    return np.stack([network.free_flow_time, network.congestion, network.capacity, network.power], axis=1)


def _assignment(network: RoadNetwork) -> tuple[Assignment, IntArray]:
    """The kernel, and the numbers of its pairs in `network.trips`."""
    number = {node: i for i, node in enumerate(network.nodes)}
    ends = np.array([(number[tail], number[head]) for tail, head in network.edges])
    closed = np.zeros(len(number), bool)
    closed[[number[node] for node in network.no_through]] = True
    origins = np.array([number[origin] for origin, _, _ in network.trips])
    order = np.argsort(origins, kind="stable")
    destinations = np.array([number[destination] for _, destination, _ in network.trips])
    vehicles = np.array([n for _, _, n in network.trips])
    delay = delays(network)
    with np.errstate(over="ignore"):
        most = vehicles.sum()
        late = network.free_flow_time * network.congestion
        slowest = np.where(late > 0, late * (most / network.capacity) ** np.where(late > 0, network.power, 0.0), 0.0)
    if not np.isfinite(slowest).all():
        link = network.links[int(np.argmax(~np.isfinite(slowest)))]
        raise ValueError(
            f"network lets link {link!r} take inf with all {most:g} vehicles on it; must take a finite time"
        )
    tail, head = ends.T
    return Assignment(tail, head, closed, delay, origins[order], destinations[order], vehicles[order]), order
