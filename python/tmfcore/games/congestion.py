"""Day-to-day route choice: every driver keeps a path from origin to destination, or changes to another one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._congestion import Congestion
from tmfcore.games._network import RoadNetwork
from tmfcore.games._shelf import shelf
from tmfcore.games._user_equilibrium import UserEquilibrium, delays, places, user_equilibrium

__all__ = ["UserEquilibrium", "congestion", "user_equilibrium"]

Paths: TypeAlias = Sequence[Sequence[Sequence[str]]]


@shelf(
    "Drivers between several origins and destinations on a road network: each day they may change to another path, and "
    "links are slower the more vehicles use them.",
    small=lambda: {
        "network": RoadNetwork(
            [("a", "b"), ("a", "b"), ("b", "c"), ("a", "c"), ("c", "b")], [1.0, 1.5, 0.4, 2.2, 0.3],
            capacity=[0.5, 0.7, 0.6, 1.0, 2.0], congestion=[0.6, 0.3, 0.9, 0.5, 0.2], power=[1.0, 2.5, 1.0, 4.0, 1.0],
            trips=[("a", "b", 0.6), ("a", "c", 0.4)],
        ),
        "paths": [
            [["a->b"], ["a->b (2)"], ["a->c", "c->b"]], [["a->c"], ["a->b", "b->c"]],
        ],
        "horizon": 4, "initial": [0.3, 0.2, 0.1, 0.15, 0.25],
    },
)  # fmt: skip
@fits_memory("paths must be fewer", asks=True)
def congestion(
    network: RoadNetwork,
    *,
    paths: Paths | UserEquilibrium,
    horizon: float = 2,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Route choice from day to day (Wardrop 1952; Rosenthal, Int. J. Game Theory 2, 1973; Theory, section 8).

    A sweep is a day: every driver drives once, and on average chooses a path once. With V vehicles in all,

        r0(o, mu) = r(o, a, mu) = -dt sum_{e on path o} t_e(v_e),    v_e = V sum_{paths o on e} mu(o)
        t_e(v) = c_e (1 + a_e (v / C_e)^b_e),    P(. | o, a) = delta_(path a of the pair of o),    P0 = identity

    A path that is chosen today is driven from the next step on.

    Parameters
    ----------
    network : RoadNetwork
        With `trips`: V vehicles between pairs of nodes.
    paths : UserEquilibrium, or for each pair of `network.trips` a sequence of paths
        A path is a sequence of names of links that leads from the origin to the destination of its pair. Those of an
        equilibrium of the same network are taken with its flows as the initial distribution.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.
    initial : (S,) floats or None, optional
        mu_0; the paths of a pair have the pair's share of the vehicles. None: all of a pair on its first path, or the
        flows of the equilibrium.

    Returns
    -------
    Game
        Observations "a to b, path 1", ..., pair by pair; A is the most paths of a pair, and of a pair with E < A paths
        the actions from E on are illegal. Name "congestion". Compiled; `game.at(step=1).model.volumes(mu)` returns the
        vehicles on each link.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape; a path that is none.

    Notes
    -----
    A user equilibrium is an equilibrium of this game: at its flows, and for its `policy`, the exploitability under
    Synchronous() with discount 1 is (T - 1) times the mean excess of the drivers' times over those of the fastest
    paths, which is the relative gap times the mean travel time. The first day's paths are given.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> road = tmf.games.RoadNetwork([("a", "b"), ("a", "b")], [1.0, 0.5], congestion=[0, 2], trips=[("a", "b", 1.0)])
    >>> found = tmf.games.user_equilibrium(road)
    >>> game = tmf.games.congestion(road, paths=found)
    >>> print(f"{tmf.exploitability(game, found.policy, tmf.Synchronous()):.4f}")
    0.0000
    """
    network = check.as_instance(network, "network", RoadNetwork)
    if not network.trips:
        raise ValueError("network has no trips; must have at least one (origin, destination, vehicles)")
    trips, starts, links = _arrays(paths, network)
    first, number = places(trips)
    n_paths = np.diff(np.append(first, len(trips)))
    actions = int(n_paths.max())
    needed = {
        "paths to choose from": (26, len(trips), actions),
        "paths, labels and links": (250 * len(trips) + 30 * len(links),),
    }  # fmt: skip
    needs.ask(needed)
    legal = np.arange(actions) < n_paths[trips, None]
    choices = first[trips, None] + np.where(legal, np.arange(actions), 0)
    vehicles = np.array([n for *_, n in network.trips])
    mu = _start(initial, trips, vehicles, paths)
    delay, total = delays(network), float(vehicles.sum())
    successors = choices[..., None].astype(np.int32)
    given = paths if isinstance(paths, UserEquilibrium) else tuple(tuple(map(tuple, of)) for of in paths)

    def model(dt: float, n_steps: int) -> Congestion:
        made = Congestion(successors, starts, links, delay, total, dt, legal)
        made.network = network
        return made

    names = [f"{o} to {d}" for o, d, _ in network.trips]
    labels = tuple(f"{names[w]}, path {k + 1}" for w, k in zip(trips.tolist(), number.tolist(), strict=True))
    return _sweeps.in_sweeps(
        partial(congestion, network, paths=given), model, horizon, discount, initial, step, mu=mu, needed=needed,
        observation_labels=labels, action_labels=tuple(f"path {k + 1}" for k in range(actions)),
    )  # fmt: skip


def _arrays(paths: object, network: RoadNetwork) -> tuple[IntArray, IntArray, npt.NDArray[Any]]:
    """Pair of each path, and where its links begin in the array of all of them."""
    if isinstance(paths, UserEquilibrium):
        if not paths.network.equals(network):
            raise ValueError("paths is the equilibrium of another network; must be one of `network`")
        return paths.path_trips, paths.path_starts, paths.path_links
    pairs = check.as_items(paths, "paths", "a UserEquilibrium, or for each pair of trips a sequence of paths")
    if len(pairs) != len(network.trips):
        raise ValueError(f"paths has {len(pairs)} entries; must have {len(network.trips)}, one for each pair of trips")
    number = {link: e for e, link in enumerate(network.links)}
    trips, starts, links = [], [0], []
    for i, (given, (origin, destination, _)) in enumerate(zip(pairs, network.trips, strict=True)):
        of_pair = check.as_items(given, f"paths[{i}]", "a sequence of paths")
        if not of_pair:
            raise ValueError(f"paths[{i}] is empty; must have at least one path from {origin!r} to {destination!r}")
        for k, path in enumerate(of_pair):
            node = origin
            for j, link in enumerate(check.as_items(path, f"paths[{i}][{k}]", "a sequence of links")):
                name = check.as_string(link, f"paths[{i}][{k}][{j}]")
                if name not in number:
                    raise ValueError(f"paths[{i}][{k}][{j}] is {say.short(repr(name))}; must be a link of the network")
                tail, head = network.edges[number[name]]
                if tail != node:
                    raise ValueError(f"paths[{i}][{k}][{j}] is {name!r}; must begin at {node!r}")
                node = head
                links.append(number[name])
            if node != destination:
                raise ValueError(f"paths[{i}][{k}] leads from {origin!r} to {node!r}; must lead to {destination!r}")
            trips.append(i)
            starts.append(len(links))
    return np.array(trips), np.array(starts), np.array(links, np.int32)


def _start(initial: object, trips: IntArray, vehicles: FloatArray, paths: object) -> FloatArray:
    """mu_0, checked against the shares of the pairs."""
    shares = vehicles / vehicles.sum()
    if initial is None:
        if isinstance(paths, UserEquilibrium):
            return np.asarray(paths.path_flows / paths.path_flows.sum())
        mu = np.zeros(len(trips))
        mu[places(trips)[0]] = shares
        return mu
    mu = _sweeps.start(initial, len(trips))
    of_pair = np.bincount(trips, mu, len(shares))
    bad = np.abs(of_pair - shares) > 1e-8
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"initial puts {say.number(of_pair[i])} on the paths of trips[{i}]; must put its share of the vehicles, "
            f"{say.number(shares[i])} ({say.tally(bad, 'pairs')})"
        )
    return mu
