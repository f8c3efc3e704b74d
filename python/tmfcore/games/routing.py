"""Dynamic routing: drivers choose the next road at every crossing, and roads are slower the fuller they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._model.game import Game
from tmfcore.games._network import Demand, RoadNetwork, demands
from tmfcore.games._places import Places
from tmfcore.games._shelf import shelf

__all__ = ["Demand", "RoadNetwork", "Rounding", "routing"]

Rounding: TypeAlias = Literal["linear", "down"]


@shelf(
    "Drivers on your own road network, each with a destination: the more vehicles are on a road, the slower it is.",
    small=lambda: {
        "network": RoadNetwork(
            [("i", "a"), ("a", "b"), ("a", "c"), ("c", "b"), ("b", "x"), ("c", "x")], [0.0, 1.0, 0.7, 0.4, 0.3, 1.3],
            congestion=[0.0, 1.1, 0.6, 0.0, 0.0, 0.9], power=[1.0, 2.0, 1.0, 1.0, 1.0, 3.0],
        ),
        "demand": [Demand("i->a", "b->x", 0.8), Demand("i->a", "c->x", 0.6, 0.5)],
        "step": 0.5, "horizon": 8,
    },
)  # fmt: skip
@fits_memory("step must be longer, or horizon or max_delay shorter", asks=True)
def routing(
    network: RoadNetwork,
    *,
    demand: Sequence[Demand | tuple[Any, ...]],
    step: float = 0.25,
    horizon: int = 20,
    rounding: Rounding = "linear",
    max_delay: float | None = None,
    late_cost: float | None = None,
    discount: float = 1.0,
) -> Game:
    """Vehicles on a road network, each on its way to a destination (Cabannes et al., arXiv:2110.11943).

    A vehicle is on a link, has w steps left on it, and has a destination. At w = 0 an acting agent chooses the next
    link among the exits of the node ahead. In the step after it enters a link, the number n of steps that the link
    takes is set. With V vehicles on the link at that time, including those that entered with it,

        x = c (1 + a (V / capacity)^b) / dt,   n = max(1, x) in whole steps,   V = vehicles * sum_{o on the link} mu(o)

    The vehicle makes the first of these n steps at once; if n = 1 it makes its next choice in the same step. It arrives
    when it enters the destination link. Every step on the road costs dt. A vehicle that is still on the road after the
    last step, or is in a dead end, also pays late_cost:

        r(o, a, mu) = -dt P(not arrived in this step),  and -(dt + late_cost) P(not arrived in this step) at t = T - 1.

    Without a discount the mean return is minus the mean arrival time.

    **Rounding.** "linear" (default) splits the vehicles that enter a link between the two nearest whole numbers of
    steps: a share 1 - frac(x) takes floor(x) steps, the others take one more, so that their mean travel time is exactly
    x dt. Rows are continuous in mu, hence an equilibrium exists, and the mean field is the limit of many vehicles.
    Derivatives of rows jump where x is a whole number; the theory of fluctuations holds elsewhere. However, "linear"
    splits vehicles that leave together, and the first part of them is alone on the next link when its travel time is
    set, for every dt: travel times are too small, and do not converge as dt falls. On Braess' roads with six cars,
    three each way, the time is 83 by symmetry, but "linear" gives 79.8, 79.0, 80.8, 79.8 at dt = 0.7, 0.35, 0.175,
    0.0875. Choose dt so that the travel times at equilibrium are multiples of it, as `braess` does, or use "down".
    With "down" all vehicles take floor(x) steps, as in OpenSpiel: vehicles that leave together stay together, the
    travel time of a link is too small by less than dt, and travel times converge (81.9, 82.6, 82.8, 82.9 in the same
    example). But rows jump with mu, an equilibrium need not exist, and solvers need smaller step sizes.

    **Passive agents** (asynchronous play) drive on: they use up the steps left on their link, their travel time on an
    entered link is set, and at a node with a single exit they take it. At a node with several exits only an acting
    agent can choose: a passive agent at w = 0 waits there for a step, counts as a vehicle on its link, and pays dt.

    Parameters
    ----------
    network : RoadNetwork
    demand : sequence of Demand or of (origin, destination, vehicles[, departure])
        Origin, destination, number and departure time of vehicles.
    step : float, optional
        dt > 0, in the unit of the travel times.
    horizon : int, optional
        T in steps.
    rounding : {"linear", "down"}, optional
        Rounding of travel times to whole steps: "linear" is continuous in mu, "down" converges as dt falls.
    max_delay : float or None, optional
        The most time that congestion adds to a link, rounded up to whole steps; longer delays are cut to it. It bounds
        the number of observations, about max_delay / dt for each link and destination, and the K entries of a row.
        None: the delay with all vehicles on the link, at most the horizon.
    late_cost : float or None, optional
        >= 0. None: dt, so that the latest arrival time is (T + 1) dt.
    discount : float, optional
        gamma in [0, 1] per step.

    Returns
    -------
    Game
        Observations "1->2, 3 steps left, to 4->5" ("0 steps left": at the end of the link; "entering": n is not yet
        set), then "arrived at 4->5", and "in a dead end" if there is one; only those that a vehicle can reach. A is the
        largest number of exits, and action a is exit a in the order of the edges; at a node with E < A exits, exit
        a mod E. Name "routing". Compiled and sparse; `game.model.volumes(mu)` returns the vehicles on each link of
        `game.model.network`.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape; a destination that cannot be reached.

    Notes
    -----
    OpenSpiel's python_mfg_dynamic_routing is rounding="down" with max_num_time_step = T, time_step_length = dt. It has
    one decision node for w = 0; here vehicles whose link takes a single step choose while they are still "entering", so
    that a policy of OpenSpiel's game has equal rows at these two observations. Its values include the time since the
    start of the game: they are the values here minus t dt. Vehicles that arrive in step 0 remain on their destination
    link there, and on no link here.

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
    return on_network(network, demand, step, horizon, rounding, max_delay, late_cost, discount, "routing")


def on_network(
    network: object,
    demand: object,
    step: object,
    horizon: object,
    rounding: Rounding,
    max_delay: object,
    late_cost: object,
    discount: float,
    name: str,
    recipe: partial[Game] | None = None,
) -> Game:
    """The game of `routing`, with another name."""
    network = check.as_instance(network, "network", RoadNetwork)
    trips = demands(demand, network)
    dt = check.as_float(step, "step", low=1e-100)
    n_steps = check.as_positive_int(horizon, "horizon", high=2**31 - 2)
    linear = check.as_choice(rounding, "rounding", Rounding) == "linear"
    longest = None if max_delay is None else check.as_float(max_delay, "max_delay", low=0.0)
    late = dt if late_cost is None else check.as_float(late_cost, "late_cost", low=0.0)
    map_of = Places(network, trips, dt, n_steps, linear, longest)
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
