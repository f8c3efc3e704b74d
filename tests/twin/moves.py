"""Schedules, written out: for each step t = 0..T-1 what decides who acts (Theory, section 1).

A move is one of

    ("batch", B)    B agents, drawn uniformly without replacement; B a number or f(mu, t)
    ("coin", p)     each agent independently, with probability p; p a number, one per observation (S,), or f(mu, t) -> (S,)
"""

import math


def synchronous(horizon, n_agents):
    """All agents act at every step."""
    return [("batch", n_agents)] * horizon


def sequential(horizon, n_agents):
    """One agent acts at every step."""
    return [("batch", 1)] * horizon


def batch(size, horizon):
    """`size` agents: a number, f(mu, t), or one number for each step."""
    return [("batch", b) for b in _each(size, horizon)]


def fraction(beta, horizon, n_agents):
    """A share of the agents, rounded to the nearest number, halves up."""

    def rounded(share):
        if callable(share):
            return lambda mu, t: math.floor(share(mu, t) * n_agents + 0.5)
        return math.floor(share * n_agents + 0.5)

    return [("batch", rounded(share)) for share in _each(beta, horizon)]


def bernoulli(p, horizon):
    """Each agent by itself; p a number, (S,), f(mu, t), or a list of one of these for each step."""
    return [("coin", share) for share in _each(p, horizon)]


def _each(value, horizon):
    return list(value) if isinstance(value, list) else [value] * horizon


def at(move, mu, t):
    """The move at step t of a population mu: what is a function of them is called."""
    kind, size = move
    return kind, size(mu, t) if callable(size) else size


def rounded_start(initial, n_agents):
    """Counts (S,) nearest to N mu_0: rounded down, and the agents left go where the remainder is largest, lowest first."""
    exact = [n_agents * float(share) for share in initial]
    counts = [math.floor(share) for share in exact]
    largest = sorted(range(len(exact)), key=lambda o: counts[o] - exact[o])
    for o in largest[: n_agents - sum(counts)]:
        counts[o] += 1
    return counts
