"""Slow, plain reference of the theory: every formula once, in numpy, without tmfcore.

Source     the theory pages of the documentation; sections are named in each docstring.
Notation   S observations, A actions, T steps, N agents.  Tables are always dense here.
Objects    a game is a `Game` below; a policy is a function f(mu, t) -> (S, A); a schedule is a list of T moves,
           each ("batch", B) or ("coin", p); active is the (T,) array of active fractions of those moves.
Cost       exponential in N wherever a law is enumerated: keep N <= 4, S <= 3.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Game:
    """A game as its tables: tables(mu, t) -> reward (S,A), transition (S,A,S), passive_reward (S,), passive (S,S)."""

    n_observations: int
    n_actions: int
    horizon: int
    discount: float
    initial: np.ndarray
    tables: Callable


# ------------------------------------------------------------------------------------------- games of section 8


def resource_selection(values, congestion, switching_cost=0.0, power=1.0, horizon=20, discount=0.95, initial=None,
                       step=1.0):
    """Resource selection (section 8); horizon in sweeps, step = dt; all start at resource 0 unless told."""
    values, congestion = np.asarray(values, float), np.asarray(congestion, float)
    size = len(values)

    def tables(mu, t):
        passive_reward = np.array([step * (values[o] - congestion[o] * mu[o] ** power) for o in range(size)])
        reward = np.empty((size, size))
        transition = np.zeros((size, size, size))
        for o in range(size):
            for a in range(size):
                reward[o, a] = passive_reward[o] - (switching_cost if a != o else 0.0)
                transition[o, a, a] = 1.0
        return reward, transition, passive_reward, np.eye(size)

    initial = np.eye(size)[0] if initial is None else np.asarray(initial, float)
    return Game(size, size, round(horizon / step), discount**step, initial, tables)


def queueing(capacities, service_reward=1.0, waiting_cost=0.1, jockeying_cost=0.05, horizon=20, discount=0.95,
             initial=None, step=1.0):
    """Dynamic queueing (section 8); horizon in sweeps, step = dt; starts idle unless told."""
    capacities = np.asarray(capacities, float)
    size = len(capacities) + 1

    def tables(mu, t):
        done = [0.0] + [capacities[j - 1] / (capacities[j - 1] + mu[j]) for j in range(1, size)]
        passive_reward = np.zeros(size)
        passive = np.zeros((size, size))
        passive[0, 0] = 1.0
        for j in range(1, size):
            passive_reward[j] = step * (service_reward * done[j] - waiting_cost)
            passive[j, 0] = step * done[j]
            passive[j, j] = 1.0 - step * done[j]
        reward = np.empty((size, size))
        transition = np.zeros((size, size, size))
        for o in range(size):
            for a in range(size):
                target = o if a == 0 else a
                reward[o, a] = passive_reward[o] - (jockeying_cost if o != 0 and target != o else 0.0)
                transition[o, a, 0] += step * done[o]
                transition[o, a, target] += 1.0 - step * done[o]
        return reward, transition, passive_reward, passive

    initial = np.eye(size)[0] if initial is None else np.asarray(initial, float)
    return Game(size, size, round(horizon / step), discount**step, initial, tables)


def beach_bar(n_places=100, bar=None, worth=None, noise=(0.25, 0.5, 0.25), congestion=1.0, epsilon=1e-6,
              moving_cost=None, wrap=True, horizon=20, discount=1.0, initial=None, step=1.0):
    """The beach bar: moves -1, 0, 1, then shifts by the wind; a crowded place pays less (games.beach_bar)."""
    bar = n_places // 2 if bar is None else bar
    cost = 1 / n_places if moving_cost is None else moving_cost

    def tables(mu, t):
        passive_reward = np.empty(n_places)
        reward = np.empty((n_places, 3))
        transition = np.zeros((n_places, 3, n_places))
        for x in range(n_places):
            value = 1 - abs(x - bar) / (n_places // 2) if worth is None else worth[x]
            passive_reward[x] = step * (value - congestion * math.log(mu[x] + epsilon))
            for a, move in enumerate((-1, 0, 1)):
                reward[x, a] = passive_reward[x] - cost * abs(move)
                for shift, probability in zip((-1, 0, 1), noise, strict=True):
                    y = x + move + shift
                    transition[x, a, y % n_places if wrap else min(max(y, 0), n_places - 1)] += probability
        return reward, transition, passive_reward, np.eye(n_places)

    initial = np.full(n_places, 1 / n_places) if initial is None else np.asarray(initial, float)
    return Game(n_places, 3, round(horizon / step), discount**step, initial, tables)


def water_filling(values, congestion, power=1.0):
    """Wardrop equilibrium of resource selection without switching costs (section 8) -> (mu (S,), lambda).

    mu(o) = max(0, (v_o - lambda) / c_o)^(1/p) sums to 1; lambda by bisection to the last bit.
    """
    values, congestion = np.asarray(values, float), np.asarray(congestion, float)

    def fill(level):
        return np.maximum(0.0, (values - level) / congestion) ** (1 / power)

    low, high = float(np.min(values - congestion)), float(np.max(values))
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fill(middle).sum() > 1 else (low, middle)
    return fill(low) / fill(low).sum(), low


# ----------------------------------------------------------------------------------------------------- policies


def softmax(logits):
    """Softmax over the last axis."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def tabular(probabilities, horizon):
    """Policy function of (S,A) or (L,S,A) probabilities; step t plays stage t * L // horizon."""
    probabilities = np.asarray(probabilities, float)
    stages = probabilities if probabilities.ndim == 3 else probabilities[None]
    return lambda mu, t: stages[t * len(stages) // horizon]


def features(mu):
    """phi(mu) = (1, mu_0 .. mu_{S-1}) of the affine logits (section 7)."""
    return np.concatenate(([1.0], mu))


def affine(theta, horizon):
    """Policy function of theta (L,S,A,1+S): softmax over a of theta[l,o,a] . (1, mu)."""
    theta = np.asarray(theta, float)
    return lambda mu, t: softmax(theta[t * len(theta) // horizon] @ features(mu))


def sampled(table, kappa, weights=None):
    """Policy function of a table (Z,S,A) over histograms in lexicographic order: the mean over all S^kappa ordered draws (section 15).

    weights (M,M): agents of block i draw from sum_j weights[i,j] mu_j, scaled to sum 1, and the game has M S observations.
    """
    table = np.asarray(table, float)
    size = table.shape[1]
    order = sorted(z for z in itertools.product(range(kappa + 1), repeat=size) if sum(z) == kappa)
    place = {z: i for i, z in enumerate(order)}

    def averaged(seen):
        rows = np.zeros(table.shape[1:])
        for drawn in itertools.product(range(size), repeat=kappa):
            rows += math.prod(seen[x] for x in drawn) * table[place[tuple(drawn.count(x) for x in range(size))]]
        return rows

    def policy(mu, t):
        if weights is None:
            return averaged(mu)
        parts = np.asarray(weights) @ np.reshape(mu, (-1, size))
        return np.concatenate([averaged(part / part.sum()) for part in parts])

    return policy


def subsampled(game, kappa, beta, iterations, neighbours):
    """Q (Z,S,A) after some iterations of agents who see kappa neighbours, and what these then play (Z,S,A) (section 15).

    neighbours: "average", "greedy", or what they play. Every outcome of every neighbour is enumerated.
    """
    size, acts = game.n_observations, range(game.n_actions)
    order = sorted(z for z in itertools.product(range(kappa + 1), repeat=size) if sum(z) == kappa)
    q, resting = np.zeros((len(order), size, len(acts))), np.zeros((len(order), size))
    plays = np.eye(len(acts))[q.argmax(axis=-1)] if isinstance(neighbours, str) else np.broadcast_to(neighbours, q.shape)
    for k in range(1, iterations + 1):
        value = beta * q.max(axis=-1) + (1 - beta) * resting
        new, new_resting = np.empty_like(q), np.empty_like(resting)
        for i, z in enumerate(order):
            reward, transition, passive_reward, passive = game.tables(np.array(z) / kappa, 0)
            move = [beta * plays[i, x] @ transition[x] + (1 - beta) * passive[x] for x in range(size)]
            ahead = np.zeros(size)
            for to in itertools.product(range(size), repeat=kappa):
                p = math.prod(move[x][y] for x, y in zip(np.repeat(range(size), z), to, strict=True))
                ahead += p * value[order.index(tuple(to.count(x) for x in range(size)))]
            new[i] = reward + game.discount * transition @ ahead
            new_resting[i] = passive_reward + game.discount * passive @ ahead
        q, resting = new, new_resting
        greedy = np.eye(len(acts))[q.argmax(axis=-1)]
        if isinstance(neighbours, str):
            plays = greedy if neighbours == "greedy" else plays + 2 / (k + 2) * (greedy - plays)
    return q, plays


# ------------------------------------------------------------------------------ mean field: sections 2, 3 and 4


def active_fraction(moves, n_agents):
    """(T,) beta_t of a list of moves."""
    return np.array([size / n_agents if kind == "batch" else size for kind, size in moves])


def mixed_kernel(game, policy, mu, t, beta):
    """(S,S) beta A + (1 - beta) P0 at mu."""
    _, transition, _, passive = game.tables(mu, t)
    pi = policy(mu, t)
    kernel = np.zeros((game.n_observations, game.n_observations))
    for o in range(game.n_observations):
        for a in range(game.n_actions):
            kernel[o] += beta * pi[o, a] * transition[o, a]
        kernel[o] += (1 - beta) * passive[o]
    return kernel


def flow(game, policy, active):
    """(T+1,S) mean-field flow from game.initial (section 2).

    Every step is divided by its sum, 1 but for rounding: where rows are affine in mu an error of the mass would double.
    """
    mu = [np.asarray(game.initial, float)]
    for t in range(game.horizon):
        following = mu[-1] @ mixed_kernel(game, policy, mu[-1], t, active[t])
        mu.append(following / following.sum())
    return np.array(mu)


def values(game, policy, mu, active, clock):
    """Values along a flow mu (T+1,S) -> V (T+1,S), Q (T,S,A); policy None is the best response (sections 3, 4)."""
    size, horizon = game.n_observations, game.horizon
    v, q = np.zeros((horizon + 1, size)), np.zeros((horizon, size, game.n_actions))
    for t in reversed(range(horizon)):
        reward, transition, passive_reward, passive = game.tables(mu[t], t)
        beta = 1.0 if clock == "always" else active[t]
        for o in range(size):
            for a in range(game.n_actions):
                q[t, o, a] = reward[o, a] + game.discount * transition[o, a] @ v[t + 1]
            acting = max(q[t, o]) if policy is None else policy(mu[t], t)[o] @ q[t, o]
            resting = passive_reward[o] + game.discount * passive[o] @ v[t + 1]
            v[t, o] = beta * acting + (1 - beta) * resting if beta < 1 else acting
    return v, q


def mean_return(game, policy, active, clock):
    """sum_o mu_0(o) V_0(o) along the policy's own flow."""
    return float(game.initial @ values(game, policy, flow(game, policy, active), active, clock)[0][0])


def exploitability(game, policy, active, clock):
    """(exploitability, pointwise exploitability) of a policy along its own flow (section 4)."""
    mu = flow(game, policy, active)
    gap = values(game, None, mu, active, clock)[0] - values(game, policy, mu, active, clock)[0]
    return float(game.initial @ gap[0]), float(gap.max())


# -------------------------------------------------------------------------------------- iterations of the solvers


def mirror_step(game, logits, active, clock, rate):
    """One iteration of online mirror descent (Perolat et al. 2021): logits (T,S,A) + rate Q at the policy's own flow."""
    policy = tabular(softmax(logits), game.horizon)
    mu = flow(game, policy, active)
    return logits + rate * values(game, policy, mu, active, clock)[1]


def greedy(game, pi, active, clock):
    """(T,S,A) the best response to the flow of pi (T,S,A) as a policy; the lowest of equally good actions."""
    mu = flow(game, tabular(pi, game.horizon), active)
    q = values(game, None, mu, active, clock)[1]
    return np.eye(game.n_actions)[q.argmax(axis=-1)]


def fictitious_step(game, pi, active, clock, weight):
    """One iteration of fictitious play (Perrin et al. 2020) on pi (T,S,A), rows mixed by who is there."""
    mu, best = flow(game, tabular(pi, game.horizon), active), greedy(game, pi, active, clock)
    there = np.array(game.initial, float)  # of one who responds, among the others
    mixed = np.empty_like(pi)
    for t in range(game.horizon):
        for o in range(game.n_observations):
            own, other = (1 - weight) * mu[t, o], weight * there[o]
            mixed[t, o] = (own * pi[t, o] + other * best[t, o]) / (own + other) if own + other > 0 else best[t, o]
        there = there @ mixed_kernel(game, lambda mu, t: best[t], mu[t], t, active[t])
    return mixed


def prior_step(game, logits, prior, active, clock, temperature, weight):
    """One update of logits (T,S,A) towards the response under relative entropy to prior (T,S,A) (Cui and Koeppl 2021)."""
    mu = flow(game, tabular(softmax(logits), game.horizon), active)
    v = np.zeros(game.n_observations)
    moved = np.empty_like(logits)
    for t in reversed(range(game.horizon)):
        reward, transition, passive_reward, passive = game.tables(mu[t], t)
        beta = 1.0 if clock == "always" else active[t]
        q = reward + game.discount * transition @ v
        acting = temperature * np.logaddexp.reduce(np.log(prior[t]) + q / temperature, axis=-1)
        v = beta * acting + (1 - beta) * (passive_reward + game.discount * passive @ v)
        moved[t] = (1 - weight) * logits[t] + weight * (np.log(prior[t]) + q / temperature)
    return moved


# ----------------------------------------------------------------------------- fluctuations: section 6, first order


def step_covariance(game, policy, mu, t, move, n_agents=math.inf):
    """(S,S) covariance of sqrt(N) mu-hat_{t+1} given mu-hat_t = mu (section 6)."""
    _, transition, _, passive = game.tables(mu, t)
    pi = policy(mu, t)
    acting = np.einsum("oa,oax->ox", pi, transition)
    kind, size = move
    beta = size / n_agents if kind == "batch" else size
    covariance = np.zeros((len(mu), len(mu)))
    for o in range(len(mu)):
        covariance += mu[o] * beta * (np.diag(acting[o]) - np.outer(acting[o], acting[o]))
        covariance += mu[o] * (1 - beta) * (np.diag(passive[o]) - np.outer(passive[o], passive[o]))
    difference = acting - passive
    finite = n_agents / (n_agents - 1) if 1 < n_agents < math.inf else 1.0
    who = np.diag(mu) if kind == "coin" else finite * (np.diag(mu) - np.outer(mu, mu))
    return covariance + beta * (1 - beta) * difference.T @ who @ difference


def jacobian(game, policy, mu, t, beta, width=1e-6):
    """(S,S) matrix J with Phi(mu + d) - Phi(mu) ~= d @ J for d summing to 0, by central differences."""
    size = len(mu)
    center = np.eye(size) - 1 / size
    rows = []
    for o in range(size):
        ahead, behind = mu + width * center[o], mu - width * center[o]
        rows.append((ahead @ mixed_kernel(game, policy, ahead, t, beta)
                     - behind @ mixed_kernel(game, policy, behind, t, beta)) / (2 * width))
    return np.array(rows)


def covariances(game, policy, moves, n_agents):
    """(T+1,S,S) Sigma_t of sqrt(N) (mu-hat_t - mu_t), start known exactly (section 6)."""
    active = active_fraction(moves, n_agents)
    mu = flow(game, policy, active)
    sigma = [np.zeros((game.n_observations, game.n_observations))]
    for t, move in enumerate(moves):
        slope = jacobian(game, policy, mu[t], t, active[t])
        sigma.append(slope.T @ sigma[-1] @ slope + step_covariance(game, policy, mu[t], t, move, n_agents))
    return np.array(sigma)


def predicted_error(game, policy, moves, n_agents):
    """(T+1,) first-order E || mu-hat_t - mu_t ||_1 (section 6)."""
    sigma = covariances(game, policy, moves, n_agents)
    return np.sqrt(2 * np.einsum("txx->tx", sigma).clip(0) / (math.pi * n_agents)).sum(axis=1)


def with_horizon(game, horizon):
    """The same game over another number of steps."""
    return replace(game, horizon=horizon)
