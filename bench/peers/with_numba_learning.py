"""numba at learning: gradients from counted flows, mirror descent, and a push-forward whose kernel depends on mu."""

from __future__ import annotations

from importlib import metadata

import numpy as np
from numba import njit

from bench.peers import tables
from bench.peers.with_numba import BLOCK, mix
from tmfcore.bench import Entry
from tmfcore.bench.problems import Descent, Direction, Gradient, JostledBar


@njit
def count_flows(here, table, bits, size, counter, noise, flows):
    """One step of all agents by packed alias rows; numbers of agents by row and cell, in four tables."""
    half = noise.view(np.uint64)
    mask, shift, states = np.uint32((1 << bits) - 1), np.uint32(32 - bits), np.uint32(size)
    fraction, width = np.uint32(0xFFFFFFFF) >> np.uint32(bits), np.uint32(bits)
    flows[:] = 0
    for low in range(0, here.size, BLOCK):
        n = min(BLOCK, here.size - low)
        part = here[low : low + n]
        for i in range(BLOCK // 2):
            half[i] = mix(counter + np.uint64(i))
        counter += np.uint64(BLOCK // 2)
        for i in range(n):
            bits32 = noise[i]
            row = np.uint32(part[i]) << width
            cell = bits32 >> shift
            entry = table[row + cell]
            code = cell if (bits32 & fraction) < (entry >> width) else entry & mask
            noise[i] = row + code
            part[i] = code % states
        quarter = n // 4
        for i in range(quarter):
            flows[0, noise[4 * i]] += 1
            flows[1, noise[4 * i + 1]] += 1
            flows[2, noise[4 * i + 2]] += 1
            flows[3, noise[4 * i + 3]] += 1
        for i in range(4 * quarter, n):
            flows[0, noise[i]] += 1
    return counter


@njit(fastmath=True)
def credit(flows, per_row, reward, pi, discount, n_agents):
    """Mean returns of agents with action a at o and t, from the flows alone: agents at one place have one mean return."""
    steps, (size, n_actions) = flows.shape[0], reward.shape
    value, following = np.zeros(size), np.zeros(size)
    direction = np.zeros((size, n_actions))
    for t in range(steps - 1, -1, -1):
        value, following = following, value
        for o in range(size):
            total, everybody = 0.0, 0
            for a in range(n_actions):
                made, ahead = 0, 0.0
                first = o * per_row + a * size
                for x in range(size):
                    made += flows[t, first + x]
                    ahead += flows[t, first + x] * following[x]
                worth = made * reward[o, a] + discount * ahead
                direction[o, a] += worth
                total += worth
                everybody += made
            value[o] = total / everybody if everybody else 0.0
    for o in range(size):
        total = direction[o].sum()
        for a in range(n_actions):
            direction[o, a] = (direction[o, a] - pi[o, a] * total) / n_agents
    return direction


def gradient(problem: Gradient) -> list[Entry]:
    table, bits = tables.packed_alias(tables.joint(problem))
    flat, size = table.ravel(), problem.size
    start, noise = problem.population(np.uint8), np.empty(BLOCK, dtype=np.uint32)
    four, flows = np.empty((4, flat.size), dtype=np.int32), np.empty((problem.steps, flat.size), dtype=np.int32)
    stream = [np.uint64(1)]

    def run() -> Direction:
        here = start.copy()
        for t in range(problem.steps):
            stream[0] = np.uint64(count_flows(here, flat, bits, size, stream[0], noise, four))
            four.sum(axis=0, out=flows[t])
        found = credit(flows, 1 << bits, problem.reward, problem.pi, problem.discount, problem.n_agents)
        return Direction(found, problem.n_agents)

    note = f"agents by packed alias, thresholds of {32 - bits} bits; flow statistics instead of trajectories"
    return [Entry("numba alias, flows", run, problem.steps * problem.n_agents, note)]


@njit(fastmath=True)
def descend(initial, successors, wind, fixed, epsilon, steps, rate, iterations):
    """All iterations; exploitability of each iterate."""
    size, n_actions, n_shifts = successors.shape
    total, policy = np.zeros((steps, size, n_actions)), np.empty((steps, size, n_actions))
    mu, trace = np.zeros((steps, size)), np.zeros(iterations + 1)
    best, own, best_next, own_next = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    for k in range(iterations + 1):
        mu[:] = 0.0
        mu[0] = initial
        for t in range(steps):
            for o in range(size):
                top = max(total[t, o, 0], total[t, o, 1], total[t, o, 2])
                weight = 0.0
                for a in range(n_actions):
                    policy[t, o, a] = np.exp(total[t, o, a] - top)
                    weight += policy[t, o, a]
                for a in range(n_actions):
                    policy[t, o, a] /= weight
                    if t + 1 < steps:
                        for j in range(n_shifts):
                            mu[t + 1, successors[o, a, j]] += mu[t, o] * policy[t, o, a] * wind[j]
        best[:] = 0.0
        own[:] = 0.0
        for t in range(steps - 1, -1, -1):
            best, best_next, own, own_next = best_next, best, own_next, own
            for o in range(size):
                crowd = np.log(mu[t, o] + epsilon)
                top, mean = -np.inf, 0.0
                for a in range(n_actions):
                    ahead, mine = fixed[o, a] - crowd, fixed[o, a] - crowd
                    for j in range(n_shifts):
                        ahead += wind[j] * best_next[successors[o, a, j]]
                        mine += wind[j] * own_next[successors[o, a, j]]
                    top = max(top, ahead)
                    mean += policy[t, o, a] * mine
                    total[t, o, a] += rate * mine
                best[o], own[o] = top, mean
        trace[k] = (initial * (best - own)).sum()
    return trace


def mirror_descent(problem: Descent) -> list[Entry]:
    wind, successors = np.array(problem.WIND), problem.successors.astype(np.int32)
    run = lambda: descend(
        problem.initial, successors, wind, problem.fixed_reward, problem.EPSILON, problem.steps, problem.rate,
        problem.iterations,
    )
    return [Entry("numba", run, problem.iterations + 1, "a loop written for this game alone, reward compiled in")]


@njit
def jostle(initial, pi, successors, wind, steps):
    size, n_actions, n_shifts = successors.shape
    mu, following = initial.copy(), np.zeros(initial.size)
    for _ in range(steps):
        following[:] = 0.0
        for o in range(size):
            blown = mu[o] > 1.0 / size
            for a in range(n_actions):
                weight = mu[o] * pi[o, a]
                if blown:
                    for k in range(n_shifts):
                        following[successors[o, a, k]] += weight * wind[k]
                else:
                    following[successors[o, a, 1]] += weight
        mu, following = following, mu
    return mu


def jostled(problem: JostledBar) -> list[Entry]:
    wind, successors = np.array(problem.WIND), problem.successors.astype(np.int32)
    run = lambda: jostle(problem.initial, problem.pi, successors, wind, problem.steps)
    return [Entry("numba", run, problem.steps, "a loop written for this game alone")]


class NumbaLearning:
    name, version = "numba", metadata.version("numba")

    gradient = staticmethod(gradient)
    mirror_descent = staticmethod(mirror_descent)
    push_forward_mu = staticmethod(jostled)
