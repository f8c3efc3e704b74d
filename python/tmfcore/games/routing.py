"""Dynamic routing: drivers choose the next road at every crossing, and full roads are slow."""

from __future__ import annotations

from functools import partial
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore.games._network import Demand, RoadNetwork, demands
from tmfcore.games._registry import Page, shelf
from tmfcore.games._routing import Routing

__all__ = ["Demand", "RoadNetwork", "braess", "routing"]

ROUNDINGS = ("linear", "down")
_Ints = npt.NDArray[np.int32]


@shelf(
    "Drivers on a road network of one's own, each with a place to go: full roads are slow.",
    small=lambda: {
        "network": RoadNetwork(
            [("i", "a"), ("a", "b"), ("a", "c"), ("c", "b"), ("b", "x"), ("c", "x")], [0.0, 1.0, 0.7, 0.4, 0.3, 1.3],
            congestion=[0.0, 1.1, 0.6, 0.0, 0.0, 0.9], power=[1.0, 2.0, 1.0, 1.0, 1.0, 3.0],
        ),
        "demand": [Demand("i->a", "b->x", 0.8), Demand("i->a", "c->x", 0.6, 0.5)],
        "step": 0.5, "horizon": 8,
    },
)  # fmt: skip
def routing(
    network: RoadNetwork | None = None,
    *,
    demand: object = None,
    step: float = 0.25,
    horizon: int = 20,
    rounding: str = "linear",
    max_delay: float | None = None,
    late_cost: float | None = None,
    discount: float = 1.0,
) -> Game:
    """Vehicles on a road network, each on its way to a destination (Cabannes et al., arXiv:2110.11943).

    A vehicle is on a link, with w steps left on it, and bound for a destination. At w = 0 an agent who acts chooses
    the next link among the exits of the node ahead. Who enters a link learns at the next step how many steps n it
    takes: with V vehicles on the link then, those who enter with it included,

        x = c (1 + a (V / capacity)^b) / dt,   n = max(1, x) in whole steps,   V = vehicles * sum_{o on the link} mu(o)

    and at once spends the first of them; n = 1 leaves room for the next choice in that very step. Entering the
    destination link is arriving. Every step on the road costs dt, and who is under way after the last one, or drove
    into a dead end, pays late_cost on top:

        r(o, a, mu) = -dt P(not arrived in this step),  and -(dt + late_cost) P(not arrived in this step) at t = T - 1.

    Without a discount the mean return is minus the mean arrival time.

    **Rounding.** "linear" (default) divides those who enter between the two neighbouring whole numbers of steps:
    floor(x) for 1 - frac(x) of them, one more for the others, so that their mean travel time is x dt exactly. Its rows
    are continuous in mu, hence an equilibrium exists and the mean field is the limit of many vehicles; their
    derivatives jump where x is whole, and the theory of fluctuations holds elsewhere. But it divides vehicles that
    leave together, and the first part of them is alone on the next link when it learns how long that takes, however
    short the steps: travel times come out too small, and do not converge as dt falls. On Braess' roads with six cars,
    where three each way need 83 by symmetry, they need 79.8, 79.0, 80.8, 79.8 at dt = 0.7, 0.35, 0.175, 0.0875. Choose
    a dt of which the travel times at equilibrium are multiples, as `braess` does, or "down". "down" has everybody take
    floor(x) steps, as OpenSpiel does: vehicles that leave together stay together, a link is too fast by less than dt,
    and travel times converge (81.9, 82.6, 82.8, 82.9 there); but the rows jump with mu, an equilibrium need not exist,
    and solvers need smaller steps.

    **Passive agents** (asynchronous play) drive on: they use up the steps left on their link, learn how long a link
    takes, and follow the road where a node has a single exit. Where it has several, only who acts chooses: a passive
    agent at w = 0 waits a step there, on the link, takes part in its congestion, and pays for the time.

    Parameters
    ----------
    network : RoadNetwork or None, optional
        None: that of `braess`, with its demand.
    demand : sequence of Demand or of (origin, destination, vehicles[, departure]), optional
        Who starts, at the end of which link, and when. Needed with a network.
    step : float, optional
        dt > 0, in the unit of the travel times.
    horizon : int, optional
        T in steps.
    rounding : {"linear", "down"}, optional
        How travel times become whole steps: continuous in mu, or convergent as dt falls.
    max_delay : float or None, optional
        The most time that congestion adds to a link, rounded up to whole steps: longer delays are cut to it. It bounds
        the number of observations, about max_delay / dt for each link and destination, and the K cells of a row. None:
        what all vehicles on the link at once would cause, or the horizon, beyond which no delay makes a difference.
    late_cost : float or None, optional
        >= 0. None: dt, which makes the latest arrival time (T + 1) dt.
    discount : float, optional
        gamma in [0, 1] per step.

    Returns
    -------
    Game
        Observations "1->2, 3 steps left, to 4->5" ("0 steps left": at the end of the link; "entering": how many is
        not yet known), then "arrived at 4->5", and "in a dead end" where there is one; only those a vehicle may come
        to. A is the largest number of exits, and action a the exit a in the order of the edges; of E < A exits, it is
        exit a mod E. Name "routing". Compiled and sparse; `game.model.volumes(mu)` gives the vehicles on each link
        of `game.model.network`.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape; a destination that cannot be reached.

    Notes
    -----
    OpenSpiel's python_mfg_dynamic_routing is rounding="down" with max_num_time_step = T, time_step_length = dt. It has
    one decision node for w = 0; here those who have just learnt that their link takes one step are still "entering", so
    that a policy of that game is one with equal rows at the two. Its values are counted from the start of the game:
    here plus -t dt. Vehicles that arrive in step 0 are on their destination link for ever there, and nowhere here.

    Cost: S <= links * destinations * steps of a link, K <= 1 + max_delay / dt.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> road = tmf.games.RoadNetwork([("home", 1), (1, 2), (2, "work")], congestion=[0, 1, 0])
    >>> game = tmf.games.routing(road, demand=[("home->1", "2->work", 5)], step=1.0, horizon=9)
    >>> game.observation_labels[:3]
    ('home->1, 0 steps left, to 2->work', '1->2, entering, to 2->work', '1->2, 0 steps left, to 2->work')
    >>> print(tmf.evaluate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()).mean_return)
    -6.0
    """
    if network is None:
        if demand is not None:
            raise ValueError("demand is given without a network; must come with the network it is on")
        network, demand = _braess(True)
    elif demand is None:
        raise ValueError("demand is None; must say who drives where on the network")
    return _routing(
        check.as_instance(network, "network", RoadNetwork), demand, step, horizon, rounding, max_delay, late_cost,
        discount, "routing",
    )  # fmt: skip


@shelf(
    "Five roads, and a shortcut that makes everybody slower: each driver gains by it, and all of them lose.",
    small={"step": 0.5, "horizon": 10},
    page=Page(
        "Shares of all vehicles by link. Three quarters take A->B. At B a quarter of all goes on to D, and half takes "
        "the shortcut B->C, so that three quarters crowd C->D as well. Everybody drives for 15 steps, a time of 3.75; "
        "without the shortcut (`--set shortcut=false`) it is 3.5.",
        rules="routing",
        title="Braess' paradox",
    ),
)  # fmt: skip
def braess(
    shortcut: bool = True,
    *,
    step: float = 0.25,
    horizon: int = 20,
    rounding: str = "linear",
    late_cost: float | None = None,
    discount: float = 1.0,
) -> Game:
    """Braess' paradox (Unternehmensforschung 12, 1968): a road that makes everybody slower.

    From A to D by B, by C, or by the shortcut from B to C. With x of the population on a link

        A->B and C->D take 1 + x,   A->C and B->D take 2,   B->C takes 1/4.

    At equilibrium a quarter goes by B, a quarter by C, half takes the shortcut, and everybody needs 3.75; without the
    shortcut half goes each way, and everybody needs 3.5.

    Parameters
    ----------
    shortcut : bool, optional
        Whether the road from B to C is there.
    step, horizon, rounding, late_cost, discount
        As in `routing`. Where 1 / (4 step) is whole, the equilibrium is that of the formulas to the last digit.

    Returns
    -------
    Game
        Vehicles start at the end of O->A and arrive at D->E. Name "braess".

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind.

    Notes
    -----
    OpenSpiel's python_mfg_dynamic_routing with its default parameters is braess(step=0.5, horizon=10,
    rounding="down").

    Examples
    --------
    >>> import tmfcore as tmf
    >>> for shortcut in (False, True):
    ...     solution = tmf.solve(tmf.games.braess(shortcut), tmf.Synchronous(), tolerance=1e-5)
    ...     print(f"{-solution.mean_return:.2f}")
    3.50
    3.75
    """
    shortcut = check.as_bool(shortcut, "shortcut")
    return _routing(
        *_braess(shortcut), step, horizon, rounding, None, late_cost, discount, "braess",
        recipe=partial(braess, shortcut, step=step, horizon=horizon, rounding=rounding, late_cost=late_cost,
                       discount=discount),
    )  # fmt: skip


def _braess(shortcut: bool) -> tuple[RoadNetwork, tuple[Demand, ...]]:
    """Network and demand of Braess' paradox."""
    roads = [
        ("O", "A", 0.0, 0.0), ("A", "B", 1.0, 1.0), ("A", "C", 2.0, 0.0), ("B", "C", 0.25, 0.0), ("B", "D", 2.0, 0.0),
        ("C", "D", 1.0, 1.0), ("D", "E", 0.0, 0.0),
    ]  # fmt: skip
    tails, heads, times, congestion = zip(*[r for r in roads if shortcut or r[:2] != ("B", "C")], strict=True)
    network = RoadNetwork(
        zip(tails, heads, strict=True),
        times,
        capacity=5.0,
        congestion=congestion,
        positions={"O": (0, 0), "A": (1, 0), "B": (2, 1), "C": (2, -1), "D": (3, 0), "E": (4, 0)},
    )
    return network, (Demand("O->A", "D->E", 5.0),)


def _routing(
    network: RoadNetwork,
    demand: object,
    step: object,
    horizon: object,
    rounding: str,
    max_delay: object,
    late_cost: object,
    discount: float,
    name: str,
    recipe: partial[Game] | None = None,
) -> Game:
    """The game of `routing`, under a name of its own."""
    trips = demands(demand, network)
    dt = check.as_float(step, "step", low=1e-100)
    n_steps = check.as_positive_int(horizon, "horizon", high=2**31 - 2)
    linear = check.as_choice(rounding, "rounding", ROUNDINGS) == "linear"
    longest = None if max_delay is None else check.as_float(max_delay, "max_delay", low=0.0)
    late = dt if late_cost is None else check.as_float(late_cost, "late_cost", low=0.0)
    map_of = _Places(network, trips, dt, n_steps, linear, longest)
    if recipe is None:
        recipe = partial(
            routing, network, demand=trips, step=dt, horizon=n_steps, rounding=rounding, max_delay=longest,
            late_cost=late, discount=discount,
        )  # fmt: skip
    return Game._trusted(
        map_of.model(late),
        n_steps,
        discount,
        map_of.initial,
        name=name,
        observation_labels=map_of.labels,
        action_labels=tuple(f"exit {a + 1}" for a in range(map_of.n_actions)),
        recipe=recipe,
    )


class _Places:
    """Where vehicles may be: numbers of the observations, and what follows on each.

    Observations of a link lie together, by destination, each block beginning with those who just entered where there
    are any; then come the destinations, and the dead end.
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
        """Links that vehicles bound for `destination` may enter and leave again."""
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
        """The fewest and the most steps each link takes, (L, 2)."""
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
        """Vehicles with which each link takes so many steps; inf where no number makes it that slow."""
        roads = self.network
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = np.maximum(steps * self.dt / roads.free_flow_time - 1, 0.0) / roads.congestion
            found = np.maximum(roads.capacity * excess ** (1 / roads.power), self.on_way)
        return np.where(roads.free_flow_time * roads.congestion * roads.power > 0, found, np.inf)

    def _number_observations(self) -> None:
        """first[link, block]: the observation with 0 steps left, which the one just entered, if any, precedes."""
        waits: dict[tuple[int, int], int] = {}  # how many observations have steps left, 0 included
        for block, entered in enumerate(self.entered):
            for link in entered:
                # Where a node has one exit, nobody is ever at the end of a link that takes a single step.
                waits[link, block] = max(int(len(self.exits[link]) > 1), int(self.steps[link, 1]) - 1)
        for trip in self.trips:
            key = self.number[trip.origin], self.destinations.index(self.number[trip.destination])
            waits[key] = max(waits.get(key, 1), self._departure(trip) + 1)
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
        self.n_actions = max(len(self.exits[link]) for link, _ in waits)
        self.labels = tuple(labels)
        self.place = np.full((self.n_observations, 2), -1, np.int32)
        self.place[: len(place)] = place
        self.initial = np.zeros(self.n_observations)
        for trip in self.trips:
            key = self.number[trip.origin], self.destinations.index(self.number[trip.destination])
            self.initial[self.first[key] + self._departure(trip)] += trip.vehicles / self.vehicles

    def _departure(self, trip: Demand) -> int:
        """Steps until a trip begins; none begins after the horizon."""
        return floor(min(trip.departure / self.dt, self.horizon))

    def _lost(self, link: int, block: int) -> bool:
        return not self.exits[link] and link != self.destinations[block]

    def _after(self, link: int, block: int) -> int:
        """The observation of who enters `link`."""
        if link == self.destinations[block]:
            return self.arrived + block
        return self.first[link, block] - 1 if self.exits[link] else self.dead_end

    def model(self, late: float) -> Routing:
        """The compiled model."""
        n, n_actions = self.n_observations, self.n_actions
        in_use = sorted({link for entered in self.entered for link in entered})
        n_cells = 1 + int(np.ptp(self.steps[in_use], axis=1).max(initial=0))
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
        idle = np.setdiff1d(np.arange(len(self.links)), in_use)
        steps[idle, 1] = steps[idle, 0]
        model = Routing(
            successors, passive, self.place, arriving, passive_arriving, paying, delay, steps, self.vehicles, self.dt,
            late, self.horizon, self.linear,
        )  # fmt: skip
        model.network = network
        model.on_way, model.room = self.on_way / self.vehicles, self.room / self.vehicles
        return model
