"""A game that common noise changes in every table, and the recursion over the tree of its noise, written slowly."""

from itertools import product

import numpy as np

import tmfcore as tmf

S, A = 2, 2
CHAIN = tmf.NoiseChain([0.3, 0.7], [[0.8, 0.2], [0.4, 0.6]], values=[-0.5, 1.5])


def tables(mu, t, z):
    """Reward (S, A), rows (S, A, S), passive reward (S,), passive rows (S, S)."""
    reward = np.array([[1.0, 0.5], [0.2, 1.3]]) * z - mu[:, None] * (1 + 0.5 * t) + np.array([0.0, z * mu[0]])
    p = np.clip(0.3 + 0.2 * z * mu[1] + np.array([[0.1, -0.2], [0.05, 0.25]]), 0.01, 0.99)
    q = np.clip(np.array([0.2, 0.6]) + 0.1 * z * mu[0], 0, 1)
    return reward, np.stack([p, 1 - p], axis=-1), 0.3 * z * np.array([1.0, -1.0]) - mu**2, np.stack([q, 1 - q], axis=-1)


def game(T, gamma=0.9, **more):
    parts = [lambda mu, t, z, k=k: tables(mu, t, z)[k] for k in range(4)]
    return tmf.Game(
        S, A, T, gamma, [0.6, 0.4], parts[0], parts[1], passive_reward=parts[2], passive_transition=parts[3],
        noise=np.zeros(T), **more,
    )  # fmt: skip


def noisy(T, gamma=0.9, noise=CHAIN, **more):
    """The game with random noise."""
    return game(T, gamma, **more).replace(noise=noise)


def histories(T, Z=2):
    """All histories z_0..z_t of t < T as tuples, short ones first."""
    return [h for t in range(T) for h in product(range(Z), repeat=t + 1)]


def recursion(game_tables, chain, initial, T, gamma, beta, policy, always=False):
    """Population after each history, values of `policy`(history, mu) -> (S, A), and of the best response, by history."""
    mu = {(z,): np.array(initial) for z in range(chain.n_states)}
    for h in histories(T - 1, chain.n_states):
        t, z = len(h) - 1, chain.values[h[-1]]
        _, rows, _, rest = game_tables(mu[h], t, z)
        pi, following = policy(h, mu[h]), np.zeros(len(initial))
        for o in range(len(initial)):
            for x in range(len(initial)):
                acting = sum(pi[o, a] * rows[o, a, x] for a in range(pi.shape[1]))
                following[x] += mu[h][o] * (beta * acting + (1 - beta) * rest[o, x])
        for after in range(chain.n_states):
            mu[(*h, after)] = following
    values, best = {}, {}
    for h in reversed(histories(T, chain.n_states)):
        t, z = len(h) - 1, chain.values[h[-1]]
        reward, rows, waiting, rest = game_tables(mu[h], t, z)
        pi = policy(h, mu[h])
        for found, choose in ((values, lambda q, o, pi=pi: pi[o] @ q), (best, lambda q, o: q.max())):
            later = sum(
                chain.transition[h[-1], after] * found.get((*h, after), np.zeros(len(initial)))
                for after in range(chain.n_states)
            )
            v = np.zeros(len(initial))
            for o in range(len(initial)):
                q = np.array([reward[o, a] + gamma * rows[o, a] @ later for a in range(pi.shape[1])])
                passive = waiting[o] + gamma * rest[o] @ later
                v[o] = choose(q, o) if always else beta * choose(q, o) + (1 - beta) * passive
            found[h] = v
    return mu, values, best


def at_start(chain, initial, values):
    """The mean over z_0 and the initial population of values by history."""
    return sum(chain.initial[z] * np.array(initial) @ values[(z,)] for z in range(chain.n_states))
