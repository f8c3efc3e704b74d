"""Braess' paradox: a new road that makes all drivers slower."""

from __future__ import annotations

from functools import partial

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._model.game import Game
from tmfcore.games._network import Demand, RoadNetwork
from tmfcore.games._shelf import Page, shelf
from tmfcore.games.routing import Rounding, on_network

__all__ = ["braess"]


@shelf(
    "Braess' paradox on five roads: each driver gains by taking a shortcut, but with it all drivers are slower.",
    small={"step": 0.5, "horizon": 10},
    page=Page(
        "Shares of all vehicles by link. Three quarters take A->B. At B a quarter of all vehicles goes on to D, and "
        "half takes the shortcut B->C, so that three quarters are on C->D as well. All drive for 15 steps, a time of "
        "3.75; without the shortcut (`--set shortcut=false`) the time is 3.5.",
        rules="routing",
        title="Braess' paradox",
    ),
)  # fmt: skip
@fits_memory("step must be longer, or horizon shorter", asks=True)
def braess(
    shortcut: bool = True,
    *,
    step: float = 0.25,
    horizon: int = 20,
    rounding: Rounding = "linear",
    late_cost: float | None = None,
    discount: float = 1.0,
) -> Game:
    """Braess' paradox (Unternehmensforschung 12, 1968): a new road that makes all drivers slower.

    Drivers go from A to D by B, by C, or by the shortcut from B to C. With a share x of the population on a link

        A->B and C->D take 1 + x,   A->C and B->D take 2,   B->C takes 1/4.

    At equilibrium a quarter goes by B, a quarter by C, half takes the shortcut, and all need a time of 3.75; without
    the shortcut half goes each way, and all need 3.5.

    Parameters
    ----------
    shortcut : bool, optional
        Whether the road from B to C exists.
    step, horizon, rounding, late_cost, discount
        As in `routing`. If 1 / (4 step) is a whole number, the equilibrium is exactly the one above.

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
    return on_network(
        *roads(shortcut), step, horizon, rounding, None, late_cost, discount, "braess",
        recipe=partial(braess, shortcut, step=step, horizon=horizon, rounding=rounding, late_cost=late_cost,
                       discount=discount),
    )  # fmt: skip


def roads(shortcut: bool) -> tuple[RoadNetwork, tuple[Demand, ...]]:
    """The network and the demand."""
    links = [
        ("O", "A", 0.0, 0.0), ("A", "B", 1.0, 1.0), ("A", "C", 2.0, 0.0), ("B", "C", 0.25, 0.0), ("B", "D", 2.0, 0.0),
        ("C", "D", 1.0, 1.0), ("D", "E", 0.0, 0.0),
    ]  # fmt: skip
    tails, heads, times, congestion = zip(*[r for r in links if shortcut or r[:2] != ("B", "C")], strict=True)
    network = RoadNetwork(
        zip(tails, heads, strict=True),
        times,
        capacity=5.0,
        congestion=congestion,
        positions={"O": (0, 0), "A": (1, 0), "B": (2, 1), "C": (2, -1), "D": (3, 0), "E": (4, 0)},
    )
    return network, (Demand("O->A", "D->E", 5.0),)
