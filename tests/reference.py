"""Slow, plain reference of the theory: every formula once, in numpy, without tmfcore.

Source     the theory pages of the documentation; sections are named in each docstring.
Notation   S observations, A actions, T steps, N agents.  Tables are always dense here.
Objects    a game is a `Game` below; a policy is a function f(mu, t) -> (S, A); a schedule is a list of T moves,
           each ("batch", B) or ("coin", p); active is the (T,) array of active fractions of those moves.
Cost       exponential in N wherever a law is enumerated: keep N <= 4, S <= 3.
"""

import itertools
import math
from collections import defaultdict
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


def beach_bar(n_places=100, bar=None, attraction=None, wind=(0.25, 0.5, 0.25), crowding=1.0, epsilon=1e-6,
              moving_cost=None, wrap=True, horizon=20, discount=1.0, initial=None, step=1.0):
    """The beach bar: moves -1, 0, 1, then shifts by the wind; a crowded place pays less (games.beach_bar)."""
    bar = n_places // 2 if bar is None else bar
    cost = 1 / n_places if moving_cost is None else moving_cost

    def tables(mu, t):
        passive_reward = np.empty(n_places)
        reward = np.empty((n_places, 3))
        transition = np.zeros((n_places, 3, n_places))
        for x in range(n_places):
            worth = 1 - abs(x - bar) / (n_places // 2) if attraction is None else attraction[x]
            passive_reward[x] = step * (worth - crowding * math.log(mu[x] + epsilon))
            for a, move in enumerate((-1, 0, 1)):
                reward[x, a] = passive_reward[x] - cost * abs(move)
                for shift, probability in zip((-1, 0, 1), wind, strict=True):
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


def acting_law(counts, move):
    """[(b (S,), probability)]: how many act at each observation, hypergeometric or independent coins."""
    kind, size = move
    law = []
    for acting in itertools.product(*(range(c + 1) for c in counts)):
        if kind == "batch":
            if sum(acting) != size:
                continue
            weight = math.prod(math.comb(c, b) for c, b in zip(counts, acting)) / math.comb(sum(counts), size)
        else:
            weight = math.prod(math.comb(c, b) * size**b * (1 - size) ** (c - b) for c, b in zip(counts, acting))
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
    for acting, p_acting in acting_law(counts, move):
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


def active_sets(n_agents, move):
    """[(tuple of acting agents, probability)]."""
    kind, size = move
    law = []
    for b in range(n_agents + 1) if kind == "coin" else [size]:
        weight = size**b * (1 - size) ** (n_agents - b) if kind == "coin" else 1 / math.comb(n_agents, size)
        if weight > 0:
            law += [(members, weight) for members in itertools.combinations(range(n_agents), b)]
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
            for members, p in active_sets(n_agents, move):
                rows = [acting[o] if i in members else passive[o] for i, o in enumerate(x)]
                following += laws[-1][x] * p * product_law(rows)
        laws.append(following)
    return laws


def configurations_to_counts(law):
    """dict counts -> probability of a tensor of configurations."""
    counts = defaultdict(float)
    for x in itertools.product(range(law.shape[0]), repeat=law.ndim):
        counts[tuple(int(c) for c in np.bincount(x, minlength=law.shape[0]))] += float(law[x])
    return {c: p for c, p in counts.items() if p > 0}


def agent_value(game, policies, moves, start, agent):
    """J_i: expected discounted return of one agent when agent j plays policies[j], by enumeration of configurations."""
    size, n_agents = game.n_observations, len(start)
    value = np.zeros((size,) * n_agents)
    for t in reversed(range(game.horizon)):
        current = np.zeros_like(value)
        for x in itertools.product(range(size), repeat=n_agents):
            mu = np.bincount(x, minlength=size) / n_agents
            reward, transition, passive_reward, passive = game.tables(mu, t)
            choices = [policies[i](mu, t)[x[i]] for i in range(n_agents)]
            acting = [choices[i] @ transition[x[i]] for i in range(n_agents)]
            for members, p in active_sets(n_agents, moves[t]):
                expected = value
                for i in range(n_agents):
                    expected = np.tensordot(acting[i] if i in members else passive[x[i]], expected, axes=(0, 0))
                now = choices[agent] @ reward[x[agent]] if agent in members else passive_reward[x[agent]]
                current[x] += p * (now + game.discount * expected)
        value = current
    return float(value[tuple(start)])


def trajectories(game, policy, moves, start):
    """Every trajectory of the N individuals: yields (probability, observations (T+1,N), actions (T,N), rewards (T,N)).

    Action -1 is passive.  The number of trajectories is exponential in N and T: N = 2, T <= 3.
    """

    def extend(t, weight, observations, actions, rewards):
        if t == game.horizon:
            yield weight, np.array(observations), np.array(actions), np.array(rewards)
            return
        x = observations[-1]
        mu = np.bincount(x, minlength=game.n_observations) / len(x)
        reward, transition, passive_reward, passive = game.tables(mu, t)
        pi = policy(mu, t)
        for members, p in active_sets(len(x), moves[t]):
            options = [range(game.n_actions) if i in members else (-1,) for i in range(len(x))]
            for chosen in itertools.product(*options):
                q = p * math.prod(pi[o, a] for o, a in zip(x, chosen) if a >= 0)
                earned = [passive_reward[o] if a < 0 else reward[o, a] for o, a in zip(x, chosen)]
                rows = [passive[o] if a < 0 else transition[o, a] for o, a in zip(x, chosen)]
                for following in itertools.product(range(game.n_observations), repeat=len(x)):
                    w = weight * q * math.prod(row[y] for row, y in zip(rows, following))
                    if w > 0:
                        yield from extend(t + 1, w, [*observations, following], [*actions, chosen], [*rewards, earned])

    yield from extend(0, 1.0, [tuple(start)], [], [])


# ----------------------------------------------------------------------------- policy gradient: section 7


def score(pi, mu, stage, observation, action, shape):
    """grad log pi(a|o) with respect to theta (L,S,A,F), F = 1 (tabular) or 1+S (affine)."""
    gradient = np.zeros(shape)
    phi = features(mu)[: shape[3]]
    gradient[stage, observation] -= np.outer(pi[observation], phi)
    gradient[stage, observation, action] += phi
    return gradient


def returns_to_go(rewards, discount):
    """(T,N) G_t = sum_{s >= t} gamma^(s-t) r_s of rewards (T,N)."""
    total = np.zeros_like(rewards)
    running = np.zeros(rewards.shape[1:])
    for t in reversed(range(len(rewards))):
        running = rewards[t] + discount * running
        total[t] = running
    return total


def score_return(policy, observations, actions, rewards, discount, shape):
    """sum_i sum_t gamma^t grad log pi(a_t^i|o_t^i, mu-hat_t) G_t^i of one trajectory (arrays (T,N)) -> (L,S,A,F)."""
    horizon, n_agents = actions.shape
    total = np.zeros(shape)
    gain = returns_to_go(rewards, discount)
    for t in range(horizon):
        mu = np.bincount(observations[t], minlength=shape[1]) / n_agents
        pi = policy(mu, t)
        for i in range(n_agents):
            if actions[t, i] >= 0:
                stage = t * shape[0] // horizon
                total += discount**t * gain[t, i] * score(pi, mu, stage, observations[t, i], actions[t, i], shape)
    return total


def expected_score_return(game, policy, moves, start, shape):
    """Left side of the identity of section 7, by enumeration of every trajectory."""
    total = np.zeros(shape)
    for weight, observations, actions, rewards in trajectories(game, policy, moves, start):
        total += weight * score_return(policy, observations, actions, rewards, game.discount, shape)
    return total


def own_gradient(game, make_policy, theta, moves, start, width=1e-5):
    """Right side: sum_i d/d theta_i J_i(theta_i, theta_-i), by central differences on the enumerated value."""
    total = np.zeros(theta.shape)
    for index in np.ndindex(theta.shape):
        shift = np.zeros(theta.shape)
        shift[index] = width
        for agent in range(len(start)):
            sides = []
            for own in (theta + shift, theta - shift):
                policies = [make_policy(theta)] * len(start)
                policies[agent] = make_policy(own)
                sides.append(agent_value(game, policies, moves, start, agent))
            total[index] += (sides[0] - sides[1]) / (2 * width)
    return total


def direction(policy, mu, decisions, weights, n_stages, n_features, natural):
    """Gradient statistics of section 7 from the weights W[t,o,a] -> (direction (L,S,A,F), visits (L,S,A)).

    decisions (T,S,A) n; weights (T,S,A):
    plain     W = the sum of advantages; direction = sum_t phi(mu_t) (W_a - pi_a sum_b W_b); visits = sum_t n_a
    natural   W = the advantage of each action; direction = sum_t phi(mu_t) n_. W_a; visits = sum_t n_.
    """
    horizon, size, n_actions = decisions.shape
    total = np.zeros((n_stages, size, n_actions, n_features))
    visits = np.zeros((n_stages, size, n_actions))
    for t in range(horizon):
        stage = t * n_stages // horizon
        phi = features(mu[t])[:n_features]
        pi = policy(mu[t], t)
        for o, a in itertools.product(range(size), range(n_actions)):
            if natural:
                total[stage, o, a] += phi * decisions[t, o].sum() * weights[t, o, a]
                visits[stage, o, a] += decisions[t, o].sum()
            else:
                total[stage, o, a] += phi * (weights[t, o, a] - pi[o, a] * weights[t, o].sum())
                visits[stage, o, a] += decisions[t, o, a]
    return total, visits


def returns_weights(game, policy, observations, actions, active, discount, pool, tables):
    """Credit of every decision by the returns of individuals (arrays (T,N)): (T,S,A) sums over agents, and two sums.

    tables = q (J,S,A), w (J,S): what acting and waiting are taken to be worth. d_s, what agent i's activation and choice at
    s > t differ by from their expectation, is taken from its return, and sum_a pi q from the whole. The two sums are
    (2,J,S,A) and (2,J,S): returns of those who acted and waited, and how many they were.
    """
    (horizon, n_agents), (q, w) = actions.shape, tables
    rewards, luck, base = (np.empty(actions.shape) for _ in range(3))
    for t in range(horizon):
        mu = np.bincount(observations[t], minlength=game.n_observations) / n_agents
        reward, _, passive_reward, _ = game.tables(mu, t)
        for i in range(n_agents):
            o, a, j = observations[t, i], actions[t, i], t // pool
            base[t, i] = policy(mu, t)[o] @ q[j, o]
            rewards[t, i] = reward[o, a] if a >= 0 else passive_reward[o]
            luck[t, i] = (q[j, o, a] if a >= 0 else w[j, o]) - active[t] * base[t, i] - (1 - active[t]) * w[j, o]
    gain = returns_to_go(rewards - luck, discount) + luck
    weights = np.zeros((horizon, *q.shape[1:]))
    acted, waited = np.zeros((2, *q.shape)), np.zeros((2, *w.shape))
    for t, i in itertools.product(range(horizon), range(n_agents)):
        o, a, j = observations[t, i], actions[t, i], t // pool
        if a >= 0:
            weights[t, o, a] += gain[t, i] - base[t, i]
            acted[:, j, o, a] += gain[t, i], 1
        else:
            waited[:, j, o] += gain[t, i], 1
    return weights, acted, waited


def empirical_advantages(policy, mu, gone, reward_sums, stayed, waiting_sums, horizon, pool, active, discount, clock,
                         tables):  # fmt: skip
    """Advantages (J,S,A) by the recursion of section 3 with what was observed in each interval, V_0 (S,), and two sums.

    gone (J,S,A,S), reward_sums (J,S,A), stayed (J,S,S), waiting_sums (J,S): agents by where they went, rewards paid.
    tables = q (J,S,A), w (J,S): V is what they make of the policy, and the mean over the agents at o of what they did not
    foresee (on the clock "always" the mean of Q under pi over the actions taken); where nobody is valued, the value of
    waiting, or where nobody was, V of the next step. Advantages are over sum_a pi q, on the clock "always" shifted by the
    mean under pi of what was not foreseen. An interval's advantage is the mean over its steps, 0 where nobody acted. The two sums are as in returns_weights.
    """
    (q, w), (n_intervals, size) = tables, gone.shape[:2]
    n, n0 = gone.sum(axis=3), stayed.sum(axis=2)
    acted, waited = np.zeros((2, *q.shape)), np.zeros((2, *w.shape))
    acted[1], waited[1] = n, n0
    following = np.zeros(size)
    steps = np.bincount(np.arange(horizon) // pool)
    pi = np.array([policy(mu[j], j * pool) for j in range(n_intervals)])
    base = (pi * q).sum(axis=2)
    for t in reversed(range(horizon)):
        j = t // pool
        beta = 1.0 if clock == "always" else active[t]
        acting = reward_sums[j] + discount * gone[j] @ following  # sums over agents
        waiting = waiting_sums[j] + discount * stayed[j] @ following
        acted[0, j] += acting / steps[j]
        waited[0, j] += waiting / steps[j]
        weight = pi[j] * (n[j] > 0) if clock == "always" else n[j]
        unforeseen, people = (weight * (acting / np.maximum(n[j], 1) - q[j])).sum(axis=1), weight.sum(axis=1)
        stand_in = np.where(n0[j] > 0, waiting / np.maximum(n0[j], 1), following)
        if clock != "always":
            unforeseen, people = unforeseen + waiting - n0[j] * w[j], people + n0[j]
        foreseen = beta * (pi[j] * q[j]).sum(axis=1) + (1 - beta) * w[j]
        people_or_1 = np.where(people > 0, people, 1)
        valued = foreseen + unforeseen / people_or_1
        if clock == "always":
            base[j] += unforeseen / people_or_1 / steps[j]
            valued = (weight * acting / np.maximum(n[j], 1)).sum(axis=1) / people_or_1
        following = np.where(people > 0, valued, stand_in)
    advantages = np.where(n > 0, acted[0] / np.maximum(n, 1) - base[..., None], 0)
    return advantages, following, acted, waited


def model_advantages(game, policy, mu, active, clock):
    """(T,S,A) Q - sum_b pi Q along a flow mu (T+1,S)."""
    _, q = values(game, policy, mu, active, clock)
    return q - np.array([(policy(mu[t], t) * q[t]).sum(axis=1, keepdims=True) for t in range(game.horizon)])


def with_horizon(game, horizon):
    """The same game over another number of steps."""
    return replace(game, horizon=horizon)
