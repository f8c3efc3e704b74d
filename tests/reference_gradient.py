"""Slow, plain reference of what TMF-PG samples: returns, scores, advantages and directions."""

import itertools
import math

import numpy as np

from reference import features, values
from reference_laws import active_sets


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
            for members, p in active_sets(x, moves[t], mu, t):
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
        for members, p in active_sets(x, moves[t], mu, t):
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


def own_gradient(game, make_policy, theta, moves, start, altruism=0.0, width=1e-5):
    """Right side: sum_i d/d theta_i of J_i(theta_i, theta_-i), by central differences on the enumerated value.

    With altruism, of J_i and altruism times the returns of all others.
    """
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
                for j in set(range(len(start))) - {agent} if altruism else ():
                    sides[-1] += altruism * agent_value(game, policies, moves, start, j)
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
