"""Slow, plain reference of exact laws: populations by counts and by agents, step by step."""

import itertools
import math
from collections import defaultdict

import numpy as np

# ---------------------------------------------------------------- exact law of the counts: section 5, by enumeration


def compositions(total, parts):
    """All tuples of `parts` nonnegative integers summing to total."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)


def multinomial_law(total, probabilities):
    """[(counts tuple, probability)] of Multinomial(total, probabilities), positive entries only."""
    law = []
    for counts in compositions(total, len(probabilities)):
        weight = float(math.factorial(total))
        for count, p in zip(counts, probabilities):
            weight *= float(p) ** count / math.factorial(count)
        if weight > 0:
            law.append((counts, weight))
    return law


def acting_law(counts, move, t=0):
    """[(b (S,), probability)]: how many act at each observation, hypergeometric or independent coins.

    A size may be a function of (mu, t): of a coin, that returns a probability per observation; of a batch, an integer.
    """
    kind, size = move
    if callable(size):
        size = size(np.array(counts) / sum(counts), t)
    p = np.broadcast_to(size, (len(counts),)).tolist()
    law = []
    for acting in itertools.product(*(range(c + 1) for c in counts)):
        if kind == "batch":
            if sum(acting) != size:
                continue
            weight = math.prod(math.comb(c, b) for c, b in zip(counts, acting)) / math.comb(sum(counts), size)
        else:
            weight = math.prod(math.comb(c, b) * q**b * (1 - q) ** (c - b) for c, b, q in zip(counts, acting, p))
        if weight > 0:
            law.append((acting, weight))
    return law


def convolve(law, moved):
    """Law of the sum of two independent count vectors, both as dict or list of (tuple, probability)."""
    total = defaultdict(float)
    for (x, p), (y, q) in itertools.product(law.items(), moved):
        total[tuple(a + b for a, b in zip(x, y))] += p * q
    return dict(total)


def counts_step_law(game, policy, counts, t, move):
    """One step from counts -> dict (decisions flat (S*A,), next counts (S,)) -> probability (section 5)."""
    size, n_actions = game.n_observations, game.n_actions
    mu = np.array(counts) / sum(counts)
    _, transition, _, passive = game.tables(mu, t)
    pi = policy(mu, t)
    law = defaultdict(float)
    for acting, p_acting in acting_law(counts, move, t):
        resting = {(0,) * size: 1.0}
        for o in range(size):
            resting = convolve(resting, multinomial_law(counts[o] - acting[o], passive[o]))
        for choice in itertools.product(*(multinomial_law(acting[o], pi[o]) for o in range(size))):
            decisions = tuple(itertools.chain.from_iterable(n for n, _ in choice))
            weight = p_acting * math.prod(p for _, p in choice)
            moved = resting
            for cell, n in enumerate(decisions):
                moved = convolve(moved, multinomial_law(n, transition[cell // n_actions, cell % n_actions]))
            for following, p in moved.items():
                law[decisions, following] += weight * p
    return dict(law)


def counts_paths(game, policy, moves, start):
    """Law of the whole path -> dict ((c_0, n_0, c_1, n_1, .., c_T)) -> probability; tiny N and T only."""
    steps = {}
    law = {(tuple(start),): 1.0}
    for t, move in enumerate(moves):
        following = defaultdict(float)
        for path, p in law.items():
            key = (path[-1], t)
            if key not in steps:
                steps[key] = counts_step_law(game, policy, path[-1], t, move)
            for (decisions, counts), q in steps[key].items():
                following[(*path, decisions, counts)] += p * q
        law = dict(following)
    return law


def counts_laws(game, policy, moves, start):
    """[law of c_t for t = 0..T], each a dict counts -> probability."""
    laws = [{tuple(start): 1.0}]
    for t, move in enumerate(moves):
        following = defaultdict(float)
        for counts, p in laws[-1].items():
            for (_, after), q in counts_step_law(game, policy, counts, t, move).items():
                following[after] += p * q
        laws.append(dict(following))
    return laws


def path_rewards(game, path):
    """(T,) mean reward per agent of each step of a path (c_0, n_0, c_1, ..)."""
    rewards = []
    for t in range(len(path) // 2):
        counts = np.array(path[2 * t])
        decisions = np.array(path[2 * t + 1]).reshape(game.n_observations, game.n_actions)
        rewards.append(step_reward(game, counts, decisions, t))
    return np.array(rewards)


def step_reward(game, counts, decisions, t):
    """Mean reward per agent of one step, given who stood where and who did what."""
    reward, _, passive_reward, _ = game.tables(counts / counts.sum(), t)
    resting = counts - decisions.sum(axis=1)
    return float(((decisions * reward).sum() + resting @ passive_reward) / counts.sum())


# ------------------------------------------- exact law of the individuals: all S^N configurations, a second route


def active_sets(x, move, mu, t):
    """[(tuple of acting agents, probability)] of agents at the observations x (N,); coins as in acting_law."""
    kind, size = move
    n_agents = len(x)
    law = []
    if callable(size):
        size = np.asarray(size(mu, t))[list(x)] if kind == "coin" else size(mu, t)
    p = np.broadcast_to(size, (n_agents,)).tolist()
    for b in range(n_agents + 1) if kind == "coin" else [size]:
        for members in itertools.combinations(range(n_agents), b):
            weight = 1 / math.comb(n_agents, b)
            if kind == "coin":
                weight = math.prod(p[i] if i in members else 1 - p[i] for i in range(n_agents))
            if weight > 0:
                law.append((members, weight))
    return law


def start_configuration(counts):
    """(N,) observations: agent i starts where cumsum(counts) first exceeds i."""
    return tuple(int(o) for o in np.repeat(np.arange(len(counts)), counts))


def product_law(rows):
    """Tensor (S,)*N: the outer product of N rows (S,)."""
    tensor = np.ones(())
    for row in rows:
        tensor = np.multiply.outer(tensor, row)
    return tensor


def configuration_laws(game, policy, moves, start):
    """[(S,)*N tensor of the law of all agents' observations, t = 0..T], from the configuration `start`."""
    size, n_agents = game.n_observations, len(start)
    law = np.zeros((size,) * n_agents)
    law[tuple(start)] = 1.0
    laws = [law]
    for t, move in enumerate(moves):
        following = np.zeros_like(law)
        for x in itertools.product(range(size), repeat=n_agents):
            if laws[-1][x] == 0:
                continue
            mu = np.bincount(x, minlength=size) / n_agents
            _, transition, _, passive = game.tables(mu, t)
            acting = np.einsum("oa,oax->ox", policy(mu, t), transition)
            for members, p in active_sets(x, move, mu, t):
                rows = [acting[o] if i in members else passive[o] for i, o in enumerate(x)]
                following += laws[-1][x] * p * product_law(rows)
        laws.append(following)
    return laws


def graph_laws(game, policy, moves, start, weights):
    """As configuration_laws for agents on a graph: agent i has sum_j weights[i, j] e_{x_j} in place of mu, scaled to sum 1.

    start: (S,) counts, all of whose arrangements are equally likely.
    """
    size, n_agents = game.n_observations, len(weights)
    places = set(itertools.permutations(start_configuration(start)))
    law = np.zeros((size,) * n_agents)
    for x in places:
        law[x] = 1 / len(places)
    laws = [law]
    for t, move in enumerate(moves):
        following = np.zeros_like(law)
        for x in itertools.product(range(size), repeat=n_agents):
            if laws[-1][x] == 0:
                continue
            acting, resting = [], []
            for i, o in enumerate(x):
                mu = np.bincount(x, weights[i], minlength=size) / np.sum(weights[i])
                _, transition, _, passive = game.tables(mu, t)
                acting.append(policy(mu, t)[o] @ transition[o])
                resting.append(passive[o])
            for members, p in active_sets(x, move, None, t):
                following += laws[-1][x] * p * product_law([acting[i] if i in members else resting[i] for i in range(n_agents)])
        laws.append(following)
    return laws


def configurations_to_counts(law):
    """dict counts -> probability of a tensor of configurations."""
    counts = defaultdict(float)
    for x in itertools.product(range(law.shape[0]), repeat=law.ndim):
        counts[tuple(int(c) for c in np.bincount(x, minlength=law.shape[0]))] += float(law[x])
    return {c: p for c, p in counts.items() if p > 0}
