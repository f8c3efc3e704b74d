"""Formulas of other people, in numpy and scipy alone: nothing here imports tmfcore."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from scipy import optimize, sparse, special, stats

# -------------------------------------------------------------------------------------------------------------- queues


def two_choice_tail(load: float, most: int) -> np.ndarray:
    """Shares (most + 1,) of servers with at least k jobs as N grows, load^(2^k - 1) (Vvedenskaya et al. 1996)."""
    return load ** (2.0 ** np.arange(most + 1) - 1)


def two_choice_mean(servers: int, load: float, most: int, tolerance: float = 1e-13) -> float:
    """Stationary mean number of jobs at a server of a finite system with at most `most` jobs at each.

    Jobs arrive at rate load * servers, look at two servers drawn independently, and join the one with fewer jobs, or
    are lost if both have `most`; service takes an exponential time of mean 1. The chain of the sorted queues, of
    C(servers + most, servers) states, is iterated until it no longer changes.
    """
    states = list(itertools.combinations_with_replacement(range(most + 1), servers))
    place = {state: i for i, state in enumerate(states)}
    entries: list[tuple[int, int, float]] = []
    for i, state in enumerate(states):
        for k in set(state):
            first = state.index(k)
            at_least, more = servers - first, servers - first - state.count(k)
            last = first + state.count(k) - 1
            if k < most:
                longer = (*state[:last], k + 1, *state[last + 1 :])
                entries.append((i, place[longer], load * servers * (at_least**2 - more**2) / servers**2))
            if k > 0:
                shorter = (*state[:first], k - 1, *state[first + 1 :])
                entries.append((i, place[shorter], float(state.count(k))))
    source, target, rate = (np.array(column) for column in zip(*entries, strict=True))
    fastest = servers * (1 + load)
    leaving = np.bincount(source, rate, minlength=len(states)) / fastest
    moves = sparse.csr_array((rate / fastest, (target.astype(int), source.astype(int))), shape=(len(states),) * 2)
    jobs = np.array(states).mean(axis=1)
    law = np.zeros(len(states))
    law[0] = 1.0
    change = 1.0
    while change > tolerance:
        following = moves @ law + (1 - leaving) * law
        change = float(np.abs(following - law).sum())
        law = following / following.sum()
    return float(law @ jobs)


def engset_law(sources: int, lines: int, rate: float) -> np.ndarray:
    """Law (lines + 1,) of busy lines: idle sources call at `rate`, a call takes 1 on average (Engset 1918)."""
    weights = special.comb(sources, np.arange(lines + 1)) * rate ** np.arange(lines + 1)
    return weights / weights.sum()


def repair_law(machines: int, repairers: int, rate: float) -> np.ndarray:
    """Law (machines + 1,) of broken machines: each breaks at `rate`, each repairer mends at rate 1 (M/M/c//N)."""
    down = np.arange(1, machines + 1)
    steps = (machines - down + 1) * rate / np.minimum(down, repairers)
    weights = np.cumprod(np.concatenate([[1.0], steps]))
    return weights / weights.sum()


def queue_law(arrivals: float, service: float, t: float, most: int) -> np.ndarray:
    """Law (most + 1,) at time t of the M/M/1 queue that is empty at 0, cut at `most` (Clarke 1956).

    e^{-(l + m) t} [ r^{n/2} I_n + r^{(n-1)/2} I_{n+1} + (1 - r) r^n sum_{j >= n+2} r^{-j/2} I_j ], I at 2 t sqrt(l m)
    """
    load, n = arrivals / service, np.arange(most + 1)
    argument = 2 * t * math.sqrt(arrivals * service)
    j = np.arange(most + 400)
    bessel = special.ive(j, argument) * math.exp(argument - (arrivals + service) * t)
    tails = np.cumsum((load ** (-j / 2) * bessel)[::-1])[::-1]
    return load ** (n / 2) * bessel[n] + load ** ((n - 1) / 2) * bessel[n + 1] + (1 - load) * load**n * tails[n + 2]


# ----------------------------------------------------------------------------------------------------------- epidemics


def final_size_law(susceptible: int, infected: int, spared: Callable[[int], Fraction]) -> list[Fraction]:
    """Law (susceptible + 1,) of the number infected in the end (Ball 1986; Andersson and Britton 2000, theorem 2.2).

        sum_{k <= l} C(n - k, l - k) P_k / spared(n - l)^(k + m) = C(n, l),    l = 0..n

    with `spared(j)` the probability that an infected agent infects none of j given ones.
    """
    n, m = susceptible, infected
    law: list[Fraction] = []
    for most in range(n + 1):
        q = spared(n - most)
        known = sum((math.comb(n - k, most - k) * p / q ** (k + m) for k, p in enumerate(law)), Fraction(0))
        law.append((math.comb(n, most) - known) * q ** (most + m))
    return law


def never_infected(susceptible: float, reproduction: float) -> float:
    """Share s that is never infected: s = s_0 exp(-R (1 - s)), nobody immune at first (Kermack, McKendrick 1927)."""
    return float(-special.lambertw(-reproduction * susceptible * math.exp(-reproduction)).real / reproduction)


# ------------------------------------------------------------------------------------------------ spins, urns and genes


def magnet_law(spins: int, coupling: float) -> np.ndarray:
    """Law (spins + 1,) of the number of spins up, weight C(N, k) exp(K (2 k - N)^2 / (2 N)) (Curie and Weiss)."""
    k = np.arange(spins + 1)
    logs = special.gammaln(spins + 1) - special.gammaln(k + 1) - special.gammaln(spins - k + 1)
    logs += coupling * (2 * k - spins) ** 2 / (2 * spins)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def magnetisation(coupling: float) -> float:
    """The positive solution of m = tanh(K m), K > 1."""
    return float(optimize.brentq(lambda m: m - math.tanh(coupling * m), 1e-3, 1.0, xtol=1e-15, rtol=1e-15))


def urn_law(balls: int, steps: int) -> np.ndarray:
    """Law (balls + 1,) of Ehrenfest's urn that begins empty, by Krawtchouk's polynomials (Kac 1947)."""
    law = []
    for k in range(balls + 1):
        total = 0
        for j in range(balls + 1):
            value = sum((-1) ** i * math.comb(k, i) * math.comb(balls - k, j - i) for i in range(min(k, j) + 1))
            total += value * (balls - 2 * j) ** steps
        law.append(math.comb(balls, k) * Fraction(total, balls**steps * 2**balls))
    return np.array(law, dtype=float)


def coins(number: int, p: float) -> np.ndarray:
    """Law (number + 1,) of the heads of independent coins."""
    return stats.binom.pmf(np.arange(number + 1), number, p)


def drift_law(genes: int, first: int, generations: int) -> np.ndarray:
    """Law (genes + 1,) of the copies of a gene; a generation is binomial given the last (Fisher 1930; Wright 1931)."""
    k = np.arange(genes + 1)
    law = np.eye(genes + 1)[first]
    for _ in range(generations):
        law = law @ stats.binom.pmf(k[None, :], genes, k[:, None] / genes)
    return law


def fixation(fitness: float, size: int) -> float:
    """Probability that the offspring of one mutant of relative fitness r take over (Moran 1958)."""
    return (1 - 1 / fitness) / (1 - fitness**-size) if fitness != 1 else 1 / size


def equal_earnings(payoffs: np.ndarray) -> tuple[np.ndarray, float]:
    """Shares (S,) of strategies at which all S earn the same, and what they earn, of a payoff matrix (S, S)."""
    size = len(payoffs)
    system = np.block([[payoffs, -np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
    solved = np.linalg.solve(system, np.eye(size + 1)[size])
    return solved[:-1], float(solved[-1])


# ------------------------------------------------------------------------------------------------------------ wireless


def backoff(stations: int, window: int, stages: int) -> tuple[float, float]:
    """Collision and transmission probability p, tau of saturated 802.11 stations (Bianchi 2000, equations 7 and 9)."""

    def sends(p: float) -> float:
        return 2 / (window + 1 + p * window * sum((2 * p) ** i for i in range(stages)))

    p = optimize.brentq(lambda p: p - 1 + (1 - sends(p)) ** (stations - 1), 0.0, 1.0, xtol=1e-15, rtol=1e-15)
    return float(p), sends(p)
