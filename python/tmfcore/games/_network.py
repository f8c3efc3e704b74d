"""Road networks, and the traffic on them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._results.records import Record
from tmfcore.games import _tntp

__all__ = ["Demand", "RoadNetwork"]


class Demand(NamedTuple):
    """Vehicles with the same origin, destination and time of departure.

    Parameters
    ----------
    origin, destination : str
        Links, as "1->2". Vehicles start at the end of the origin link, and arrive when they enter the destination link.
    vehicles : float
        > 0, in the unit of the capacities.
    departure : float, optional
        >= 0, in the unit of the travel times; rounded down to a whole number of steps.
    """

    origin: str
    destination: str
    vehicles: float
    departure: float = 0.0


@dataclass(frozen=True, eq=False, repr=False)
class RoadNetwork(Record):
    """One-way links between nodes. The travel time of a link with v vehicles is c (1 + a (v / capacity)^b).

    This is the formula of the U.S. Bureau of Public Roads, which used a = 0.15 and b = 4.

    Parameters
    ----------
    edges : sequence of (tail, head)
        The links, in order; nodes are strings or integers. Several links may have the same tail and head.
    free_flow_time : (E,) floats or one number, optional
        c >= 0, the travel time on an empty link.
    capacity : (E,) floats or one number, optional
        > 0, in vehicles.
    congestion : (E,) floats or one number, optional
        a >= 0. 0: the travel time does not depend on the volume.
    power : (E,) floats or one number, optional
        b >= 0.
    positions : mapping of node -> (x, y) or None, optional
        Positions of the nodes in pictures, for every node or none.
    trips : sequence of (origin, destination, vehicles), optional
        Traffic between nodes, for `user_equilibrium`; every pair at most once, vehicles > 0. `routing` has traffic
        between links instead, its argument `demand`.
    no_through : sequence of nodes, optional
        Nodes at which trips start and end only, such as the centres of zones: no path passes through them.
    known_volumes, known_times : (E,) floats or None, optional
        The best known volumes and travel times at the user equilibrium, to compare with; nothing is computed from them.

    Attributes
    ----------
    links : tuple of str
        "tail->head" of each edge; of parallel ones the second is "tail->head (2)".
    nodes : tuple of str
        In order of first occurrence in the edges.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> road = tmf.games.RoadNetwork([("home", 1), (1, 2), (2, "work")], free_flow_time=[0, 1, 0])
    >>> road.links
    ('home->1', '1->2', '2->work')
    """

    edges: Any
    free_flow_time: Any = 1.0
    capacity: Any = 1.0
    congestion: Any = 0.0
    power: Any = 1.0
    positions: Any = None
    trips: Any = ()
    no_through: Any = ()
    known_volumes: Any = None
    known_times: Any = None

    def __post_init__(self) -> None:
        given = check.as_items(self.edges, "edges", "a sequence of pairs (tail, head)")
        edges = tuple(_edge(edge, i) for i, edge in enumerate(given))
        if not edges:
            raise ValueError("edges is empty; must have at least one link")
        values: dict[str, Any] = {"edges": edges}
        object.__setattr__(self, "edges", edges)
        if repeated := [link for link, n in Counter(self.links).items() if n > 1]:
            raise ValueError(f"edges has two links {repeated[0]!r}; must have other names of nodes")
        for name, low_open in (("free_flow_time", False), ("capacity", True), ("congestion", False), ("power", False)):
            values[name] = check.frozen(_by_link(getattr(self, name), name, len(edges), low_open))
        for name in ("known_volumes", "known_times"):
            if (known := getattr(self, name)) is not None:
                values[name] = check.frozen(_by_link(known, name, len(edges), False))
        if self.positions is not None:
            values["positions"] = _positions(self.positions, edges)
        nodes = {node for edge in edges for node in edge}
        values["trips"] = _trips(self.trips, nodes)
        values["no_through"] = _closed(self.no_through, nodes)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    @fits_memory("path must name smaller files", asks=True)
    def from_tntp(
        cls, path: str | os.PathLike[str], *, toll_factor: float = 0.0, distance_factor: float = 0.0
    ) -> Self:
        """A network in the file format of Transportation Networks for Research (Stabler, Bar-Gera and Sall).

        Parameters
        ----------
        path : path
            A folder with one file NAME_net.tntp, or this file. NAME_trips.tntp, NAME_node.tntp and NAME_flow.tntp are
            read from the same folder if they exist.
        toll_factor, distance_factor : float, optional
            >= 0, time per unit of toll and of length: both are added to the travel time of a link. Chicago Sketch has
            0.02 and 0.04.

        Returns
        -------
        RoadNetwork
            With nodes "1", "2", ...; free-flow times, capacities, b (`congestion`) and `power` of the links; `trips`
            without those of 0 vehicles and those within a zone; `no_through`, the nodes before FIRST THRU NODE; and, if
            they are there, `positions`, and the best known volumes and costs, `known_volumes` in vehicles and
            `known_times` in the unit of the travel times, with tolls and lengths by the factors of their authors.

        Raises
        ------
        FileError
            A ValueError that names file, line and field.
        OSError
            A file cannot be read.
        TypeError, ValueError
            A factor or the path is bad.
        """
        toll = check.as_float(toll_factor, "toll_factor", low=0.0)
        distance = check.as_float(distance_factor, "distance_factor", low=0.0)
        return cls(**_tntp.read(check.as_path(path), toll, distance))

    @property
    def links(self) -> tuple[str, ...]:
        """"tail->head" of each edge; of parallel ones the second is "tail->head (2)"."""
        seen: dict[tuple[str, str], int] = {}
        names = []
        for edge in self.edges:
            seen[edge] = seen.get(edge, 0) + 1
            names.append("->".join(edge) + (f" ({seen[edge]})" if seen[edge] > 1 else ""))
        return tuple(names)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes, in order of first occurrence in the edges."""
        return tuple(dict.fromkeys(node for edge in self.edges for node in edge))

    def travel_times(self, volumes: FloatsLike) -> FloatArray:
        """Travel time of each link at `volumes`, (E,) floats >= 0 or one number, in vehicles."""
        v = _by_link(volumes, "volumes", len(self.edges), False)
        return np.asarray(self.free_flow_time * (1.0 + self.congestion * (v / self.capacity) ** self.power))

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "nodes", len(self.nodes)
        yield "links", len(self.edges)
        yield "pairs of trips", len(self.trips)

    def _state(self) -> dict[str, Any]:
        """As arrays, which files keep small."""
        state = super()._state()
        return state | {
            "edges": np.array(self.edges),
            "positions": None if self.positions is None else dict(self.positions),
            "trips": np.array([pair for *pair, _ in self.trips], "U").reshape(-1, 2),
            "vehicles": np.array([vehicles for *_, vehicles in self.trips], float),
        }

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        pairs, vehicles = state.pop("trips").tolist(), state.pop("vehicles").tolist()
        edges, trips = state.pop("edges").tolist(), [(*pair, n) for pair, n in zip(pairs, vehicles, strict=True)]
        return cls(**state, edges=edges, trips=trips)

    def __reduce__(self) -> tuple[Any, ...]:
        positions = None if self.positions is None else dict(self.positions)
        return RoadNetwork, (
            self.edges, self.free_flow_time, self.capacity, self.congestion, self.power, positions, self.trips,
            self.no_through, self.known_volumes, self.known_times,
        )  # fmt: skip


def demands(value: object, network: RoadNetwork) -> tuple[Demand, ...]:
    """`value` as checked demands on the links of a network."""
    if isinstance(value, Demand):
        raise TypeError("demand is one Demand; must be a sequence of them")
    given = check.as_items(value, "demand", "a sequence of (origin, destination, vehicles)")
    if network.no_through:
        raise ValueError(
            f"network.no_through has node {network.no_through[0]!r}; must be empty: vehicles start and end on links"
        )
    heads = {link: head for link, (_, head) in zip(network.links, network.edges, strict=True)}
    tails = {tail for tail, _ in network.edges}
    found = []
    for i, entry in enumerate(given):
        fields = check.as_items(entry, f"demand[{i}]", "(origin, destination, vehicles[, departure])")
        if not 3 <= len(fields) <= 4:
            raise ValueError(
                f"demand[{i}] has {len(fields)} entries; must be (origin, destination, vehicles[, departure])"
            )
        for name, link in zip(("origin", "destination"), fields, strict=False):
            if check.as_string(link, f"demand[{i}].{name}") not in heads:
                raise ValueError(f"demand[{i}].{name} is {say.short(repr(link))}; must be a link of the network")
        if fields[0] == fields[1]:
            raise ValueError(f"demand[{i}].destination is {fields[1]!r}; must differ from its origin")
        if heads[fields[0]] not in tails:
            raise ValueError(f"demand[{i}].origin is {fields[0]!r}; must be a link that is followed by another link")
        vehicles = check.as_float(fields[2], f"demand[{i}].vehicles", low=0.0, low_open=True)
        departure = check.as_float(fields[3] if len(fields) == 4 else 0.0, f"demand[{i}].departure", low=0.0)
        found.append(Demand(fields[0], fields[1], vehicles, departure))
    if not found:
        raise ValueError("demand is empty; must have at least one (origin, destination, vehicles)")
    return tuple(found)


def _edge(edge: object, i: int) -> tuple[str, str]:
    ends = check.as_items(edge, f"edges[{i}]", "a pair (tail, head)")
    if len(ends) != 2:
        raise ValueError(f"edges[{i}] has {len(ends)} entries; must be a pair (tail, head)")
    for end in ends:
        if isinstance(end, bool) or not isinstance(end, (str, int, np.integer)):
            raise TypeError(f"edges[{i}] names node {say.show(end)}; must be a string or an integer")
        if "->" in str(end) or not str(end):
            raise ValueError(f"edges[{i}] names node {str(end)!r}; must be a nonempty name without '->'")
    return str(ends[0]), str(ends[1])


def _node(value: object, name: str, nodes: set[str]) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, np.integer)):
        raise TypeError(f"{name} is {say.show(value)}; must be a node, a string or an integer")
    if str(value) not in nodes:
        raise ValueError(f"{name} is {say.short(repr(str(value)))}; must be a node of the edges")
    return str(value)


def _closed(value: object, nodes: set[str]) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        raise TypeError(f"no_through is {say.show(value)}; must be a sequence of nodes")
    given = check.as_items(value, "no_through", "a sequence of nodes")
    return tuple(_node(node, f"no_through[{i}]", nodes) for i, node in enumerate(given))


def _trips(value: object, nodes: set[str]) -> tuple[tuple[str, str, float], ...]:
    given = check.as_items(value, "trips", "a sequence of (origin, destination, vehicles)")
    found: dict[tuple[str, str], tuple[str, str, float]] = {}
    for i, entry in enumerate(given):
        fields = check.as_items(entry, f"trips[{i}]", "(origin, destination, vehicles)")
        if len(fields) != 3:
            raise ValueError(f"trips[{i}] has {len(fields)} entries; must be (origin, destination, vehicles)")
        origin, destination = (_node(node, f"trips[{i}][{j}]", nodes) for j, node in enumerate(fields[:2]))
        if origin == destination:
            raise ValueError(f"trips[{i}] goes from {origin!r} to itself; must have two nodes")
        vehicles = check.as_float(fields[2], f"trips[{i}][2]", low=0.0, low_open=True)
        if (origin, destination) in found:
            raise ValueError(f"trips[{i}] goes from {origin!r} to {destination!r}, like another; must be given once")
        found[origin, destination] = origin, destination, vehicles
    return tuple(found.values())


def _by_link(value: object, name: str, n: int, low_open: bool) -> FloatArray:
    if not check.is_array(value):
        return np.full(n, check.as_float(value, name, low=0.0, low_open=low_open))
    return check.as_float_array(value, name, shape=(n,), letters="E", low=0.0, low_open=low_open)


def _positions(value: object, edges: tuple[tuple[str, str], ...]) -> Mapping[str, tuple[float, float]]:
    if not isinstance(value, Mapping):
        raise TypeError(f"positions is {type(value).__name__}; must be a mapping of node -> (x, y)")
    found = {}
    for node, place in value.items():
        x, y = check.as_float_array(place, f"positions[{node!r}]", shape=(2,))
        found[str(node)] = (float(x), float(y))
    missing = [node for edge in edges for node in edge if node not in found]
    if missing:
        raise ValueError(f"positions lacks node {missing[0]!r}; must have every node of the edges")
    return MappingProxyType(found)
