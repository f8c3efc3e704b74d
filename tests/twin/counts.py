"""The counts engine: a population known by the number of agents at each observation (Theory, section 5).

    play(game, policy, moves, start, choose)    one run -> agents.Run, without individuals

Agents at one observation are alike, so their number is enough: who acts is hypergeometric or binomial, what they do and
where they go multinomial. Every multinomial is split off cell by cell, each cell binomial given the ones before.
"""

from math import comb

import numpy as np

from .agents import Run
from .moves import at


def play(game, policy, moves, start, choose):
    """Move a population that begins with counts `start` (S,), one step for each of `moves`."""
    run = Run(game.n_actions, game.discount)
    counts = [int(c) for c in start]
    run.counts.append(counts)
    for t, move in enumerate(moves):
        counts = step(game, policy, move, counts, t, choose, run)
    return run


def step(game, policy, move, counts, t, choose, run):
    """One step of all counts, from the population as it was when the step began."""
    n_agents, everywhere = sum(counts), range(game.n_observations)
    mu = np.array(counts) / n_agents
    reward, transition, passive_reward, passive = game.tables(mu, t)
    pi = policy(mu, t)
    acting = who_acts(move, counts, mu, t, choose)

    arrived, decisions, earned = [0] * len(counts), [], 0.0
    for o in everywhere:
        done = multinomial(acting[o], pi[o], choose)
        resting = counts[o] - acting[o]
        earned += sum(n * reward[o][a] for a, n in enumerate(done)) + resting * passive_reward[o]
        for a, n in enumerate(done):
            arrived = add(arrived, multinomial(n, transition[o][a], choose))
        arrived = add(arrived, multinomial(resting, passive[o], choose))
        decisions.append(done)

    run.counts.append(arrived)
    run.decisions.append(decisions)
    run.rewards.append(earned / n_agents)
    return arrived


def who_acts(move, counts, mu, t, choose):
    """(S,) how many act at each observation."""
    kind, size = at(move, mu, t)
    if kind == "coin":
        shares = np.broadcast_to(size, (len(counts),))
        return [binomial(n, p, choose) for n, p in zip(counts, shares, strict=True)]
    acting, to_take, to_see = [], size, sum(counts)
    for n in counts:
        to_see -= n
        acting.append(hypergeometric(n, to_see, to_take, choose))
        to_take -= acting[-1]
    return acting


def multinomial(n, weights, choose):
    """(K,) how many of n go to each cell, in proportion to the weights."""
    split, left = [], float(sum(weights))
    for weight in weights[:-1]:
        share = min(1.0, weight / left) if left > 0 else 0.0
        split.append(binomial(n, share, choose))
        n, left = n - split[-1], left - weight
    return [*split, n]


def binomial(n, p, choose):
    """How many of n independent coins of probability p show heads."""
    return choose([comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def hypergeometric(good, bad, taken, choose):
    """How many of `taken` agents, drawn without replacement from good + bad, are good."""
    return choose([comb(good, k) * comb(bad, taken - k) if k <= taken else 0 for k in range(good + 1)])


def add(one, other):
    return [x + y for x, y in zip(one, other, strict=True)]
