"""The observations of `routing` by link, destination and steps left, and the successors of each."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import numpy.typing as npt

from tmfcore._base import needs
from tmfcore._base.validation import FloatArray
from tmfcore.games._network import Demand, RoadNetwork
from tmfcore.games._routing import Routing

_Ints = npt.NDArray[np.int32]


class Places:
    """The numbers of the observations of `routing`, and the successors of each.

    They are ordered by link, then by destination, then by steps left; each block begins with the observation
    "entering", if vehicles can enter the link. The destinations and the dead end come last.
    """

    def __init__(
        self,
        network: RoadNetwork,
        trips: tuple[Demand, ...],
        dt: float,
        horizon: int,
        linear: bool,
        longest: float | None,
    ) -> None:
        self.network, self.trips, self.dt, self.horizon, self.linear = network, trips, dt, horizon, linear
        self.links = network.links
        self.number = {link: i for i, link in enumerate(self.links)}
        leaving: dict[str, list[int]] = {}
        for i, (tail, _) in enumerate(network.edges):
            leaving.setdefault(tail, []).append(i)
        self.exits = [leaving.get(head, []) for _, head in network.edges]
        self.vehicles = sum(trip.vehicles for trip in trips)
        self.destinations = tuple(dict.fromkeys(self.number[trip.destination] for trip in trips))
        self.entered = [self._reached(d) for d in self.destinations]
        self.steps = self._steps(longest)
        self._number_observations()

    def _reached(self, destination: int) -> set[int]:
        """Links that vehicles with this destination can enter and leave again."""
        entered: set[int] = set()
        for i, trip in enumerate(self.trips):
            if self.number[trip.destination] != destination:
                continue
            here = {self.number[trip.origin]}
            pending, arrives = list(here), False
            while pending:
                for link in self.exits[pending.pop()]:
                    arrives = arrives or link == destination
                    if link != destination and self.exits[link]:
                        entered.add(link)
                        if link not in here:
                            here.add(link)
                            pending.append(link)
            if not arrives:
                raise ValueError(
                    f"demand[{i}].destination is {trip.destination!r}; must be a link that can be reached from "
                    f"{trip.origin!r}"
                )
        return entered

    def _steps(self, longest: float | None) -> _Ints:
        """The least and the largest number of steps that each link takes, (L, 2)."""
        self.on_way = on_way = np.zeros(len(self.links))
        for trip in self.trips:
            block = self.destinations.index(self.number[trip.destination])
            on_way[list(self.entered[block] | {self.number[trip.origin]})] += trip.vehicles
        times = [self.network.travel_times(v) / self.dt for v in (0.0, on_way)]
        fewest = np.clip(np.floor(times[0]), 1, self.horizon)
        most = np.clip(np.ceil(times[1]) if self.linear else np.floor(times[1]), fewest, self.horizon)
        cut = most >= self.horizon
        if longest is not None:
            cap = fewest + ceil(min(longest / self.dt, self.horizon))
            cut |= most >= cap
            most = np.minimum(most, cap)
        self.room = np.where(cut, np.inf, self._volumes(most if self.linear else most + 1))
        return np.stack([fewest, most], axis=1).astype(np.int32)

    def _volumes(self, steps: FloatArray) -> FloatArray:
        """The number of vehicles at which each link takes `steps` steps; inf if there is none."""
        roads = self.network
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.maximum(steps * self.dt / roads.free_flow_time - 1, 0.0) / roads.congestion
            found = np.maximum(roads.capacity * excess ** (1 / roads.power), self.on_way)
        return np.where(roads.free_flow_time * roads.congestion * roads.power > 0, found, np.inf)

    def _number_observations(self) -> None:
        """first[link, block]: the observation with 0 steps left; "entering", if it exists, is the one before."""
        waits: dict[tuple[int, int], int] = {}  # number of observations with 0, 1, ... steps left
        for block, entered in enumerate(self.entered):
            for link in entered:
                # If the node ahead has one exit, no vehicle is ever at the end of a link that takes a single step.
                waits[link, block] = max(int(len(self.exits[link]) > 1), int(self.steps[link, 1]) - 1)
        for trip in self.trips:
            key = self.number[trip.origin], self.destinations.index(self.number[trip.destination])
            waits[key] = max(waits.get(key, 1), self._departure(trip) + 1)
        self._ask(waits)
        self.first: dict[tuple[int, int], int] = {}
        place: list[tuple[int, int]] = []
        labels: list[str] = []
        for link, block in sorted(waits):
            to = f"to {self.links[self.destinations[block]]}"
            if link in self.entered[block]:
                place.append((link, -1))
                labels.append(f"{self.links[link]}, entering, {to}")
            self.first[link, block] = len(place)
            n = waits[link, block]
            place += [(link, w) for w in range(n)]
            labels += [f"{self.links[link]}, {w} step{'s' * (w != 1)} left, {to}" for w in range(n)]
        self.waits = waits
        self.arrived = len(place)
        labels += [f"arrived at {self.links[d]}" for d in self.destinations]
        self.dead_end = len(labels)
        if any(self._lost(exit, block) for link, block in waits for exit in self.exits[link]):
            labels.append("in a dead end")
        self.n_observations = len(labels)
        self.labels = tuple(labels)
        self.place = np.full((self.n_observations, 2), -1, np.int32)
        self.place[: len(place)] = place
        self.initial = np.zeros(self.n_observations)
        for trip in self.trips:
            key = self.number[trip.origin], self.destinations.index(self.number[trip.destination])
            self.initial[self.first[key] + self._departure(trip)] += trip.vehicles / self.vehicles

    def _ask(self, waits: dict[tuple[int, int], int]) -> None:
        """Ask for the memory of the game; its sizes are known before its observations."""
        self.n_actions = max(len(self.exits[link]) for link, _ in waits)
        in_use = sorted({link for entered in self.entered for link in entered})
        self.n_cells = 1 + int(np.ptp(self.steps[in_use], axis=1).max(initial=0))
        n = sum(waits.values()) + sum(map(len, self.entered)) + len(self.destinations) + 1
        needs.ask({
            "successors": (8, n, self.n_actions, self.n_cells), "passive successors": (8, n, self.n_cells),
            "observations and their labels": (320, n), "costs of actions": (30, n, self.n_actions),
        })  # fmt: skip

    def _departure(self, trip: Demand) -> int:
        """Steps until a trip begins, at most the horizon."""
        return floor(min(trip.departure / self.dt, self.horizon))

    def _lost(self, link: int, block: int) -> bool:
        return not self.exits[link] and link != self.destinations[block]

    def _after(self, link: int, block: int) -> int:
        """The observation of a vehicle that enters `link`."""
        if link == self.destinations[block]:
            return self.arrived + block
        return self.first[link, block] - 1 if self.exits[link] else self.dead_end

    def model(self, late: float) -> Routing:
        """The compiled model."""
        n, n_actions, n_cells = self.n_observations, self.n_actions, self.n_cells
        successors = np.tile(np.arange(n, dtype=np.int32)[:, None, None], (1, n_actions, n_cells))
        passive = np.tile(np.arange(n, dtype=np.int32)[:, None], (1, n_cells))
        arriving, paying = np.zeros((n, n_actions), np.uint8), np.ones(n, np.uint8)
        passive_arriving = np.zeros(n, np.uint8)
        paying[self.arrived : self.dead_end] = 0
        for (link, block), first in self.first.items():
            exits = self.exits[link]
            after = np.array([self._after(exits[a % len(exits)], block) for a in range(n_actions)])
            arrives = after == self.arrived + block
            follows = after[0] if len(exits) == 1 else first
            n_waits = self.waits[link, block]
            at_end = [first] if n_waits else []
            later = np.arange(first + 1, first + n_waits)
            successors[later] = later[:, None, None] - 1
            passive[later] = later[:, None] - 1
            successors[at_end] = after[:, None]
            passive[at_end] = follows
            if link in self.entered[block]:
                at_end.append(first - 1)
                fewest, most = self.steps[link]
                cells = np.minimum(np.arange(fewest, fewest + n_cells), most)
                rest = first + np.maximum(cells - 2, 0)
                successors[first - 1] = np.where(cells == 1, after[:, None], rest)
                passive[first - 1] = np.where(cells == 1, follows, rest)
            arriving[at_end] = arrives
            passive_arriving[at_end] = len(exits) == 1 and arrives[0]
        network = self.network
        delay = np.stack([network.free_flow_time, network.congestion, network.capacity, network.power], axis=1)
        steps = self.steps.copy()
        in_use = {link for entered in self.entered for link in entered}
        idle = [link for link in range(len(self.links)) if link not in in_use]
        steps[idle, 1] = steps[idle, 0]
        model = Routing(
            successors, passive, self.place, arriving, passive_arriving, paying, delay, steps, self.vehicles, self.dt,
            late, self.horizon, self.linear,
        )  # fmt: skip
        model.network = network
        model.on_way, model.room = self.on_way / self.vehicles, self.room / self.vehicles
        return model
