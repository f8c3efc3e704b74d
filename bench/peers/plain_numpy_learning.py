"""Plain numpy at learning: gradients, mirror descent, and a push-forward whose kernel depends on mu."""

from __future__ import annotations

from importlib import metadata

import numpy as np

from bench.peers import tables
from tmfcore.bench import Entry
from tmfcore.bench.problems import Descent, Direction, Floats, Gradient, JostledBar

BLOCK = 1 << 13


def centred(credit: Floats, problem: Gradient, n_agents: int) -> Direction:
    """The direction from sums of returns by (o, a): sum_i (1{a_i = a} - pi(a | o)) G_i."""
    return Direction((credit - problem.pi * credit.sum(axis=1, keepdims=True)) / n_agents, n_agents)


def by_alias(problem: Gradient) -> Entry:
    """Forward by one alias draw per agent and step, backward by gather and bincount, in blocks that stay in the cache."""
    size, n_actions, n_agents, steps = problem.size, problem.n_actions, problem.n_agents, problem.steps
    share, other = tables.alias(tables.joint(problem))
    n_cells = share.shape[1]
    share, reward, n_pairs = share.ravel(), problem.reward.ravel(), size * n_actions
    cell = np.stack([np.tile(np.arange(n_cells), size), other.ravel()], axis=1).ravel()  # own, other
    following, pair = cell % size, np.repeat(np.arange(size), 2 * n_cells) * n_actions + cell // size
    start, rng = problem.population(np.intp), np.random.Generator(np.random.SFC64(2))
    block = min(BLOCK, n_agents)
    trajectories = np.empty((steps, block), dtype=np.intp)
    u, threshold, returns = np.empty((3, block))
    k, offset, part = np.empty((3, block), dtype=np.intp)
    second = np.empty(block, dtype=bool)

    def run() -> Direction:
        credit = np.zeros(n_pairs)
        for low in range(0, n_agents, block):
            n = min(block, n_agents - low)
            uu, kk, ff, here, g = u[:n], k[:n], offset[:n], part[:n], returns[:n]
            here[:] = start[low : low + n]
            for t in range(steps):
                rng.random(out=uu)
                np.multiply(uu, n_cells, out=uu)
                np.copyto(kk, uu, casting="unsafe")
                np.subtract(uu, kk, out=uu)
                np.multiply(here, n_cells, out=ff)
                np.add(kk, ff, out=kk)
                np.take(share, kk, out=threshold[:n], mode="clip")
                np.greater_equal(uu, threshold[:n], out=second[:n])
                np.add(kk, kk, out=kk)
                np.add(kk, second[:n], out=kk)
                np.take(following, kk, out=here, mode="clip")
                np.take(pair, kk, out=trajectories[t, :n], mode="clip")
            g[:] = 0.0
            for made in trajectories[::-1, :n]:
                np.take(reward, made, out=uu, mode="clip")
                np.multiply(g, problem.discount, out=g)
                np.add(g, uu, out=g)
                credit += np.bincount(made, weights=g, minlength=n_pairs)
        return centred(credit.reshape(size, n_actions), problem, n_agents)

    return Entry("numpy alias", run, steps * n_agents, "one alias draw a step, in blocks that fit the cache")


def by_search(problem: Gradient) -> Entry:
    """The usual idiom, with a twentieth of the agents."""
    few = problem.of(max(1000, problem.n_agents // 20))
    size, n_actions, n_agents, steps = problem.size, problem.n_actions, few.n_agents, problem.steps
    actions, moves = tables.cumulative(problem.pi), tables.cumulative(problem.transition.reshape(-1, size))
    reward, start, rng = problem.reward.ravel(), few.population(np.intp), np.random.default_rng(2)

    def run() -> Direction:
        here, trajectories = start, []
        for _ in range(steps):
            pair = np.searchsorted(actions, rng.random(n_agents) + here, side="right")
            trajectories.append(pair)
            here = np.searchsorted(moves, rng.random(n_agents) + pair, side="right") - pair * size
        credit, returns = np.zeros(size * n_actions), np.zeros(n_agents)
        for pair in trajectories[::-1]:
            returns = reward[pair] + problem.discount * returns
            credit += np.bincount(pair, weights=returns, minlength=size * n_actions)
        return centred(credit.reshape(size, n_actions), few, n_agents)

    return Entry("numpy searchsorted", run, steps * n_agents, "action and successor by searchsorted", usual=True)


def by_counts(problem: Gradient) -> Entry:
    """Without individuals: flows by Generator.multinomial, and mean returns of the agents at each place."""
    rng, discount = np.random.default_rng(2), problem.discount

    def run() -> Direction:
        here, flows = problem.initial, []
        for _ in range(problem.steps):
            flows.append(rng.multinomial(rng.multinomial(here, problem.pi), problem.transition))
            here = flows[-1].sum(axis=(0, 1))
        credit, value = np.zeros(problem.pi.shape), np.zeros(problem.size)
        for flow in flows[::-1]:
            made = flow.sum(axis=2)
            worth = made * problem.reward + discount * (flow @ value)
            value = worth.sum(axis=1) / np.maximum(made.sum(axis=1), 1)
            credit += worth
        return centred(credit, problem, problem.n_agents)

    return Entry(
        "numpy multinomial", run, problem.steps * problem.n_agents,
        "flow statistics by counts, the idea that tmfcore uses",
    )


def gradient(problem: Gradient) -> list[Entry]:
    return [by_alias(problem), by_search(problem), by_counts(problem)]


def mirror_descent(problem: Descent) -> list[Entry]:
    """Flow by bincount, both values in one pass backward, softmax of all steps at once."""
    wind, flat, steps, size = np.array(problem.WIND), problem.successors.ravel(), problem.steps, problem.size
    windy = np.broadcast_to(wind, (size, 3, 3))

    def run() -> Floats:
        total, found = np.zeros((steps, size, 3)), []
        mu, q = np.empty((steps, size)), np.empty((steps, size, 3))
        for _ in range(problem.iterations + 1):
            policy = np.exp(total - total.max(axis=2, keepdims=True))
            policy /= policy.sum(axis=2, keepdims=True)
            mu[0] = problem.initial
            for t in range(steps - 1):
                moved = (mu[t, :, None] * policy[t])[:, :, None] * windy
                mu[t + 1] = np.bincount(flat, weights=moved.ravel(), minlength=size)
            reward = problem.fixed_reward - np.log(mu + problem.EPSILON)[:, :, None]
            value = np.zeros((size, 2))  # best response, own
            for t in range(steps - 1, -1, -1):
                both = np.tensordot(value[problem.successors], wind, axes=(2, 0)) + reward[t][:, :, None]
                q[t] = both[:, :, 1]
                value = np.stack([both[:, :, 0].max(axis=1), (policy[t] * q[t]).sum(axis=1)], axis=1)
            best, own = problem.initial @ value
            found.append(best - own)
            total += problem.rate * q
        return np.array(found)

    return [Entry("numpy", run, problem.iterations + 1)]


def jostled(problem: JostledBar) -> list[Entry]:
    """One weighted bincount per step, separately for agents with and without wind."""
    flat, middle, size = problem.successors.ravel(), problem.successors[:, :, 1].ravel(), problem.size
    windy = (problem.pi[:, :, None] * np.array(problem.WIND)).reshape(size, -1)
    crowd = 1.0 / size

    def run() -> Floats:
        mu = problem.initial
        for _ in range(problem.steps):
            blown = np.where(mu > crowd, mu, 0.0)
            moved = np.bincount(flat, weights=(blown[:, None] * windy).ravel(), minlength=size)
            moved += np.bincount(middle, weights=((mu - blown)[:, None] * problem.pi).ravel(), minlength=size)
            mu = moved
        return mu

    return [Entry("numpy", run, problem.steps)]


class NumpyLearning:
    name, version = "numpy", metadata.version("numpy")

    gradient = staticmethod(gradient)
    mirror_descent = staticmethod(mirror_descent)
    push_forward_mu = staticmethod(jostled)
