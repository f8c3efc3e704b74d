"""Slow, plain references of finite-population fluctuations (section 6 of the theory), without tmfcore.

recursion      the covariance and bias recursions with full Jacobian and Hessian, derivatives by complex step
exact_two      the chain of the counts for S = 2 by enumeration: mean and covariance of mu-hat without approximation
exact_batches  the same for any S, agent by agent, for few agents and batches
"""

import itertools

import numpy as np
from scipy import stats


def step(game, policy, mu, t, beta):
    """Phi_t(mu); mu may be complex and need not be a distribution."""
    return mu @ mixed(game, policy, mu, t, beta)


def rows(game, policy, mu, t):
    """Rows (S,S) of agents that act, averaged over the policy, and of agents that do not."""
    _, transition, _, passive = game.tables(mu, t)
    return np.einsum("oa,oax->ox", policy(mu, t), transition), passive


def mixed(game, policy, mu, t, beta):
    active, passive = rows(game, policy, mu, t)
    return beta * active + (1 - beta) * passive


def recursion(game, policy, moves, n_agents, sigma, bias, fixed=False):
    """mu (T+1,S), Sigma (T+1,S,S), m (T+1,S); n_agents None is the limit (moves then hold fractions).

    fixed: rows and policy do not depend on mu, so that the noise is averaged over mu-hat, not taken at mu.
    """
    size = game.n_observations
    mus, sigmas, biases = [np.array(game.initial)], [np.array(sigma)], [np.array(bias)]
    ratio = 1.0 if n_agents in (None, 1) else n_agents / (n_agents - 1)
    for t, (kind, amount) in enumerate(moves):
        beta = amount / n_agents if kind == "batch" and n_agents is not None else amount
        mu, sigma, bias = mus[-1], sigmas[-1], biases[-1]

        def gradient(at, beta=beta, t=t):
            columns = [step(game, policy, at + 1e-30j * e, t, beta).imag / 1e-30 for e in np.eye(size)]
            return np.array(columns).T

        jacobian = gradient(mu)
        h = 1e-5
        hessian = np.stack([(gradient(mu + h * e) - gradient(mu - h * e)) / (2 * h) for e in np.eye(size)], axis=-1)
        active, passive = rows(game, policy, mu, t)
        noise = np.zeros((size, size))
        averaged = fixed and n_agents is not None
        at = mu + bias / n_agents if averaged else mu
        spread = sigma / n_agents if averaged else 0 * sigma
        for o in range(size):
            noise += at[o] * beta * (np.diag(active[o]) - np.outer(active[o], active[o]))
            noise += at[o] * (1 - beta) * (np.diag(passive[o]) - np.outer(passive[o], passive[o]))
        difference = active - passive
        who = np.diag(at) if kind == "coin" else ratio * (np.diag(at) - np.outer(at, at) - spread)
        noise += beta * (1 - beta) * difference.T @ who @ difference
        sigmas.append(jacobian @ sigma @ jacobian.T + noise)
        biases.append(jacobian @ bias + 0.5 * np.einsum("xyz,yz->x", hessian, sigma))
        mus.append(step(game, policy, mu, t, beta))
    return np.array(mus), np.array(sigmas), np.array(biases)


def exact_two(game, policy, moves, n_agents, start):
    """Mean (T+1,) and variance (T+1,) of mu-hat(0) for S = 2 and start counts (2,), by pushing the law of the counts."""
    n = n_agents
    law = np.zeros(n + 1)
    law[start[0]] = 1.0
    share = np.arange(n + 1) / n
    means, variances = [], []

    def record():
        means.append(law @ share)
        variances.append(law @ (share - means[-1]) ** 2)

    record()
    for t, (kind, amount) in enumerate(moves):
        after = np.zeros(n + 1)
        for c in np.flatnonzero(law > 0):
            active, passive = rows(game, policy, np.array([c / n, 1 - c / n]), t)
            if kind == "batch":
                least, most = max(0, amount - (n - c)), min(c, amount)
                acting = [(b, amount - b, stats.hypergeom.pmf(b, n, c, amount)) for b in range(least, most + 1)]
            else:
                first, second = stats.binom.pmf(np.arange(c + 1), c, amount), stats.binom.pmf(np.arange(n - c + 1), n - c, amount)
                acting = [(b, d, p * q) for b, p in enumerate(first) for d, q in enumerate(second)]
            for b, d, weight in acting:
                if weight < 1e-14:
                    continue
                total = np.ones(1)
                for trials, p in ((b, active[0, 0]), (d, active[1, 0]), (c - b, passive[0, 0]), (n - c - d, passive[1, 0])):
                    if trials:
                        total = np.convolve(total, stats.binom.pmf(np.arange(trials + 1), trials, min(max(p, 0.0), 1.0)))
                after[: len(total)] += law[c] * weight * total
        law = after
        record()
    return np.array(means), np.array(variances)


def exact_batches(active, passive, initial_counts, batch, horizon):
    """Mean (T+1,S) and covariance (T+1,S,S) of mu-hat, rows (S,S) of acting and passive agents independent of mu.

    One- and two-agent laws: which agents act is a uniform subset, and given that they move independently.
    """
    places = np.repeat(np.arange(len(initial_counts)), initial_counts)
    n, size = len(places), len(initial_counts)
    subsets = list(itertools.combinations(range(n), batch))
    single = np.eye(size)[places]  # (N, S)
    pair = np.einsum("ix,jy->ijxy", single, single)  # (N, N, S, S) joint laws
    means, covariances = [], []

    def record():
        mean = single.mean(axis=0)
        second = np.zeros((size, size))
        for i in range(n):
            for j in range(n):
                second += np.diag(single[i]) if i == j else pair[i, j]
        means.append(mean)
        covariances.append(second / n**2 - np.outer(mean, mean))

    record()
    for _ in range(horizon):
        after, both = np.zeros_like(single), np.zeros_like(pair)
        for chosen in subsets:
            rows_of = [active if i in chosen else passive for i in range(n)]
            for i in range(n):
                after[i] += single[i] @ rows_of[i] / len(subsets)
                for j in range(n):
                    both[i, j] += rows_of[i].T @ pair[i, j] @ rows_of[j] / len(subsets)
        single, pair = after, both
        record()
    return np.array(means), np.array(covariances)
