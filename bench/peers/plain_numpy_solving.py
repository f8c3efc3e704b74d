"""Plain numpy at solving: mirror descent, whose values are matrix products; backward induction if nothing depends on mu."""

from __future__ import annotations

from importlib import metadata

import numpy as np

from tmfcore.bench import Entry
from tmfcore.bench.problems import Floats, Solving

RATE = 30.0  # of mirror descent: of 0.1, 0.3, 1, ... 100, that with which these games take least time


class Iterate:
    """Flow of a policy (T, S, A), then values of this policy and of the best response to it along the flow."""

    def __init__(self, problem: Solving) -> None:
        self.problem, self.size = problem, problem.size
        self.flat = problem.transition0.reshape(-1, self.size)
        self.kernels = np.empty((problem.steps, *self.flat.shape))
        self.kernels[:] = self.flat
        self.mu, self.q = np.empty((problem.steps, self.size)), np.empty((problem.steps, self.size, problem.n_actions))

    def judge(self, policy: Floats) -> float:
        """Fill `q`, the values of pairs, and return the exploitability."""
        problem, mu = self.problem, self.problem.initial
        moving = problem.transition_mu
        for t in range(problem.steps):
            self.mu[t] = mu
            if moving is not None:
                np.add(self.flat, (moving @ mu).reshape(self.flat.shape), out=self.kernels[t])
            mu = (mu[:, None] * policy[t]).ravel() @ self.kernels[t]
        rewards = problem.reward0 + np.einsum("oay,ty->toa", problem.reward_mu, self.mu)
        value = np.zeros((self.size, 2))  # own, best response
        for t in range(problem.steps - 1, -1, -1):
            both = (self.kernels[t] @ value).reshape(self.size, -1, 2) + rewards[t][:, :, None]
            self.q[t] = both[:, :, 0]
            value = np.stack([(policy[t] * self.q[t]).sum(axis=1), both[:, :, 1].max(axis=1)], axis=1)
        own, best = problem.initial @ value
        return float(best - own)


def mirror_descent(problem: Solving) -> Floats:
    work = Iterate(problem)
    total = np.zeros_like(work.q)
    for _ in range(20_000):
        policy = np.exp(total - total.max(axis=2, keepdims=True))
        policy /= policy.sum(axis=2, keepdims=True)
        if work.judge(policy) <= problem.target:
            break
        total += RATE * work.q
    return policy


def backward_induction(problem: Solving) -> Floats:
    policy, value = np.zeros((problem.steps, problem.size, problem.n_actions)), np.zeros(problem.size)
    places = np.arange(problem.size)
    for t in range(problem.steps - 1, -1, -1):
        q = problem.reward0 + problem.transition0 @ value
        best = q.argmax(axis=1)
        policy[t, places, best] = 1.0
        value = q[places, best]
    return policy


class NumpySolving:
    name, version = "numpy", metadata.version("numpy")

    def solve(self, problem: Solving) -> list[Entry]:
        found = [Entry("numpy mirror descent", lambda: mirror_descent(problem), 1.0)]
        if problem.game_class == "alone":
            found.append(Entry("numpy backward induction", lambda: backward_induction(problem), 1.0, "needs no iterations"))
        return found
