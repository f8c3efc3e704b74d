"""Dynamic routing: drivers choose the next road at every crossing, and full roads are slow."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

from tmfcore._base import validation as check
from tmfcore._model.game import Game
from tmfcore.games._network import Demand, RoadNetwork, demands
from tmfcore.games._places import Places
from tmfcore.games._shelf import shelf

__all__ = ["Demand", "RoadNetwork", "Rounding", "routing"]

Rounding: TypeAlias = Literal["linear", "down"]


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
    network : RoadNetwork
    demand : sequence of Demand or of (origin, destination, vehicles[, departure])
        Who starts, at the end of which link, and when.
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
    """The game of `routing`, under a name of its own."""
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
