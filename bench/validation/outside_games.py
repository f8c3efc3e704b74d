"""Games of other fields, built as a user of the package would build them, for bench/validation/outside.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import tmfcore as tmf


def two_choices(load: float, most: int, horizon: float, initial: np.ndarray) -> tmf.Game:
    """Servers with 0..most jobs; the clock of a server ends a service. Each job looks at two servers drawn at random.

    Jobs arrive at the rate `load` per server. With s(k) the share of servers with at least k jobs, a server with k jobs
    gets the next one at the rate load (s(k)^2 - s(k+1)^2) / mu(k) = load (s(k) + s(k+1)), which is affine in mu.
    """
    size = most + 1
    arrivals = np.zeros((size, size, size))  # (k, k', y): rate from k to k', for each server with y jobs
    for k in range(most):
        arrivals[k, k + 1, k] = load
        arrivals[k, k + 1, k + 1 :] = 2 * load
        arrivals[k, k] = -arrivals[k, k + 1]
    return tmf.games.affine(
        np.zeros((size, 1)), reward_mu=None, transition0=_served(size), transition_mu=None,
        passive_rates0=np.zeros((size, size)), passive_rates_mu=arrivals, horizon=horizon, discount=1.0,
        initial=initial, time="sweeps",
    )  # fmt: skip


def queue(load: float, most: int, horizon: float) -> tmf.Game:
    """The M/M/1 queue: many of them, which are empty at first; jobs that find `most` others are lost."""
    size = most + 1
    arrivals = load * np.eye(size, k=1)
    arrivals -= np.diag(arrivals.sum(axis=1))
    return tmf.Game(
        size,
        1,
        horizon,
        1.0,
        np.eye(size)[0],
        np.zeros((size, 1)),
        _served(size),
        passive_rates=arrivals,
        time="sweeps",
    )


def _served(size: int) -> np.ndarray:
    return np.eye(size)[np.maximum(np.arange(size) - 1, 0)][:, None]


def telephones(sources: int, lines: int, horizon: float) -> tmf.Game:
    """Idle sources (0) call when their clock rings; if all lines are busy the call is lost. Calls take 1 on average."""

    def rows(mu: np.ndarray) -> np.ndarray:
        free = float(sources * mu[1] < lines - 0.5)
        return np.array([[[1 - free, free]], [[0.0, 1.0]]])

    return tmf.Game(2, 1, horizon, 1.0, [1, 0], np.zeros((2, 1)), rows, passive_rates=[[0, 0], [1, -1]], time="sweeps")


def machines(number: int, repairers: int, horizon: float) -> tmf.Game:
    """Machines that run (0) break when their clock rings; each repairer mends at rate 1. Two fifths are broken."""

    def mended(mu: np.ndarray) -> np.ndarray:
        down = number * mu[1]
        rate = min(1.0, repairers / down) if down > 0 else 1.0
        return np.array([[0.0, 0.0], [rate, -rate]])

    broken = [[[0, 1]], [[0, 1]]]
    return tmf.Game(2, 1, horizon, 1.0, [0.6, 0.4], np.zeros((2, 1)), broken, passive_rates=mended, time="sweeps")


def braess(shortcut: bool) -> tmf.games.RoadNetwork:
    """Braess' roads and six cars: 10 v minutes on two roads, 50 + v on two others, 10 + v on the shortcut."""
    tiny = 1e-12  # time on an empty road, in place of 0
    links = [("a", "b", tiny, 10 / tiny), ("a", "c", 50, 1 / 50), ("b", "d", 50, 1 / 50), ("c", "d", tiny, 10 / tiny)]
    links += [("b", "c", 10, 1 / 10)] * shortcut
    tails, heads, free, slopes = zip(*links, strict=True)
    ends = zip(tails, heads, strict=True)
    return tmf.games.RoadNetwork(ends, free, congestion=slopes, trips=[("a", "d", 6.0)])


def chain_binomial(size: int, escape: float) -> tmf.Game:
    """Reed and Frost: who is infected infects each susceptible with probability 1 - escape, then is immune."""

    def rows(mu: np.ndarray) -> np.ndarray:
        ill = 1 - escape ** (size * mu[1])
        return np.array([[[1 - ill, ill, 0.0]], [[0.0, 0.0, 1.0]], [[0.0, 0.0, 1.0]]])

    return tmf.Game(3, 1, size, 1.0, [1 - 1 / size, 1 / size, 0], np.zeros((3, 1)), rows)


def epidemic_on(graphon: Callable[[np.ndarray, np.ndarray], np.ndarray], positions: int) -> tmf.Game:
    """SIS of Cui and Koeppl (arXiv:2112.01280) with agents at equidistant positions of [0, 1], both ends included."""
    x = np.linspace(0.0, 1.0, positions)
    kind = tmf.games.infection_by_contact(
        0.8, recovery=0.2, distancing_cost=0.5, illness_cost=2.0, horizon=50, initial=[0.5, 0.5]
    )
    shares = np.full(positions, 1 / positions)
    return tmf.games.typed([kind] * positions, shares=shares, coupling=graphon(x[:, None], x))


def magnet(spins: int, coupling: float, sweeps: int) -> tmf.Game:
    """Spins of Curie and Weiss, down (0) or up (1): who acts is drawn anew, given all others (heat bath)."""

    def rows(mu: np.ndarray) -> np.ndarray:
        field = mu[1] - mu[0] + np.array([1.0, -1.0]) / spins  # of the others, for a spin that is down or up
        up = 1 / (1 + np.exp(-2 * coupling * field))
        return np.stack([1 - up, up], axis=1)[:, None]

    return tmf.Game(2, 1, sweeps * spins, 1.0, [0.5, 0.5], np.zeros((2, 1)), rows)


def urn(horizon: float, time: str = "steps") -> tmf.Game:
    """Ehrenfest's urns: a ball that acts changes its urn; all are in the first one at first."""
    return tmf.Game(2, 1, horizon, 1.0, [1, 0], np.zeros((2, 1)), [[[0, 1]], [[1, 0]]], time=time)


def genes(generations: int, share: float) -> tmf.Game:
    """Fisher and Wright: every gene of a generation is a copy of a random one of the last generation."""
    copies = np.eye(2)[None, None].repeat(2, axis=0)
    return tmf.games.affine(
        np.zeros((2, 1)), reward_mu=None, transition0=np.zeros((2, 1, 2)), transition_mu=copies, horizon=generations,
        discount=1.0, initial=[1 - share, share],
    )  # fmt: skip


def stations(window: int, stages: int, slots: int, collide: Callable[[float], float]) -> tmf.Game:
    """Saturated 802.11 stations, in slots: observation i waits in stage i, stages + 1 + i sends from it.

    A station in stage i sends in the next slot with probability 2 / (W_i + 1), the inverse of its mean number of slots
    in a window of W_i = 2^i W. `collide` takes the share that sends and returns the probability of a collision, which
    leads to the next stage; success leads to stage 0.
    """
    stage = np.arange(stages + 1)
    send = 2 / (window * 2.0**stage + 1)
    enter = np.hstack([np.diag(1 - send), np.diag(send)])
    following = enter[np.minimum(stage + 1, stages)]

    def rows(mu: np.ndarray) -> np.ndarray:
        p = collide(mu[stages + 1 :].sum())
        return np.concatenate([enter, (1 - p) * enter[0] + p * following])[:, None]

    size = 2 * (stages + 1)
    return tmf.Game(size, 1, slots, 1.0, enter[0], np.zeros((size, 1)), rows)
