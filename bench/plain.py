"""The same work in plain numpy, as one would write it without tmfcore, vectorised where possible.

Notation   N agents, S observations, A actions, T steps. `tables(mu)` returns reward (S,A), transition (S,A,S),
           passive_reward (S,), passive_transition (S,S).
"""

import numpy as np


def resource_selection(values, congestion, switching_cost=0.0, step=1.0):
    """The tables of theory.md section 8, first game, with power 1."""
    size = len(values)
    transition = np.broadcast_to(np.eye(size), (size, size, size))
    passive = np.eye(size)
    cost = switching_cost * (1.0 - np.eye(size))

    def tables(mu):
        rate = step * (values - congestion * mu)
        return rate[:, None] - cost, transition, rate, passive

    return tables


def queueing(capacities, service_reward=1.0, waiting_cost=0.1, jockeying_cost=0.05, step=1.0):
    """The tables of theory.md section 8, second game."""
    size = len(capacities) + 1
    target = np.where(np.arange(size)[None, :] == 0, np.arange(size)[:, None], np.arange(size)[None, :])
    cost = jockeying_cost * ((np.arange(size)[:, None] != 0) & (target != np.arange(size)[:, None]))

    def tables(mu):
        rate = np.concatenate([[0.0], capacities / (capacities + mu[1:])])
        passive_reward = step * (service_reward * rate - waiting_cost)
        passive_reward[0] = 0.0
        passive = np.diag(1.0 - step * rate)
        passive[:, 0] += step * rate
        transition = np.zeros((size, size, size))
        np.put_along_axis(transition, target[:, :, None], (1.0 - step * rate)[:, None, None], axis=2)
        transition[:, :, 0] += (step * rate)[:, None]
        return passive_reward[:, None] - cost, transition, passive_reward, passive

    return tables


def flow(tables, pi, initial, beta, horizon):
    """Mean-field flow (T+1,S) of a policy pi (S,A) at active fraction beta."""
    mu = np.empty((horizon + 1, initial.size))
    mu[0] = initial
    for t in range(horizon):
        _, transition, _, passive = tables(mu[t])
        active = (mu[t][:, None] * pi).ravel() @ transition.reshape(-1, initial.size)
        mu[t + 1] = beta * active + (1.0 - beta) * (mu[t] @ passive)
    return mu


def values(tables, pi, mu, beta, discount):
    """Values (T+1,S) and Q (T,S,A) on the schedule's clock; pi None for the best response."""
    horizon, size = mu.shape[0] - 1, mu.shape[1]
    value = np.zeros((horizon + 1, size))
    q = [None] * horizon
    for t in reversed(range(horizon)):
        reward, transition, passive_reward, passive = tables(mu[t])
        q[t] = reward + discount * transition @ value[t + 1]
        acting = q[t].max(axis=1) if pi is None else (pi * q[t]).sum(axis=1)
        value[t] = beta * acting + (1.0 - beta) * (passive_reward + discount * passive @ value[t + 1])
    return value, np.array(q)


def model_direction(tables, pi, mu, decisions, beta, discount):
    """Plain gradient (S,A) of theory.md section 7, model critic, one stage; also visits (S,A) and the mean return."""
    value, q = values(tables, pi, mu, beta, discount)
    weight = decisions * (q - (pi * q).sum(axis=2, keepdims=True))
    direction = (weight - pi * weight.sum(axis=2, keepdims=True)).sum(axis=0)
    return direction, decisions.sum(axis=0), float(mu[0] @ value[0])


def simulate_counts(tables, pi, counts, batch, horizon, rng):
    """Final counts (S,) and mean undiscounted reward per agent of the exact chain of counts."""
    counts = counts.copy()
    n_agents = int(counts.sum())
    total = 0.0
    for _ in range(horizon):
        reward, transition, passive_reward, passive = tables(counts / n_agents)
        acting = counts if batch == n_agents else rng.multivariate_hypergeometric(counts, batch, method="marginals")
        chosen = rng.multinomial(acting, pi)
        resting = counts - acting
        total += (chosen * reward).sum() + resting @ passive_reward
        counts = rng.multinomial(chosen, transition).sum(axis=(0, 1)) + rng.multinomial(resting, passive).sum(axis=0)
    return counts, total / n_agents


def simulate_sequential(tables, pi, counts, horizon, rng):
    """The same for resource selection with one acting agent per step: the action is the next place, the others stay."""
    counts = counts.copy()
    n_agents = int(counts.sum())
    total = 0.0
    cumulative = pi.cumsum(axis=1)
    for _ in range(horizon):
        reward, _, passive_reward, _ = tables(counts / n_agents)
        observation = int(np.searchsorted(counts.cumsum(), rng.integers(n_agents), side="right"))
        action = min(int(np.searchsorted(cumulative[observation], rng.random(), side="right")), counts.size - 1)
        total += reward[observation, action] + counts @ passive_reward - passive_reward[observation]
        counts[observation] -= 1
        counts[action] += 1
    return counts, total / n_agents


def simulate_agents(tables, pi, observations, horizon, rng):
    """Resource selection with all agents acting at every step: final counts (S,) and mean reward per agent."""
    size = pi.shape[0]
    observations = observations.copy()
    counts = np.bincount(observations, minlength=size)
    threshold = pi.cumsum(axis=1)[:, :-1]
    total = 0.0
    for _ in range(horizon):
        reward, _, _, _ = tables(counts / observations.size)
        draws = rng.random(observations.size)
        actions = (draws[:, None] >= threshold[observations]).sum(axis=1)
        pairs = np.bincount(observations * size + actions, minlength=size * size).reshape(size, size)
        total += (pairs * reward).sum()
        observations = actions
        counts = pairs.sum(axis=0)
    return counts, total / observations.size
