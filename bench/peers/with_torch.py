"""PyTorch on the CPU, float32: the gradient of a tabular softmax policy, as usually written and as tables.

The usual code draws actions and successors by torch.multinomial, multiplies log-probabilities (Categorical) with returns,
and differentiates by autograd. The other code draws by alias tables and sums returns by (observation, action); the
gradient is then a formula, without autograd.
"""

from __future__ import annotations

from importlib import metadata

import numpy as np
import torch

from bench.peers import tables
from tmfcore.bench import Entry
from tmfcore.bench.problems import Direction, Gradient

torch.set_num_threads(1)
BLOCK = 1 << 14


def categorical(problem: Gradient) -> Entry:
    """With a hundredth of the agents, since a call would otherwise take minutes."""
    few = problem.of(max(1000, problem.n_agents // 100))
    n_agents, n_actions = few.n_agents, problem.n_actions
    pi = torch.tensor(problem.pi, dtype=torch.float32)
    moves = torch.tensor(problem.transition.reshape(-1, problem.size), dtype=torch.float32)
    reward = torch.tensor(problem.reward.ravel(), dtype=torch.float32)
    start = torch.tensor(few.population(np.int64))

    def run() -> Direction:
        here, seen, made = start, [], []
        for _ in range(problem.steps):
            action = torch.multinomial(pi[here], 1).squeeze(1)
            seen.append(here)
            made.append(action)
            here = torch.multinomial(moves[here * n_actions + action], 1).squeeze(1)
        theta = torch.log(pi).requires_grad_()
        returns, total = torch.zeros(n_agents), torch.zeros(())
        for here, action in zip(seen[::-1], made[::-1], strict=True):
            returns = reward[here * n_actions + action] + problem.discount * returns
            log_probability = torch.distributions.Categorical(logits=theta[here]).log_prob(action)
            total = total + (log_probability * returns).sum()
        total.backward()
        return Direction(theta.grad.numpy() / n_agents, n_agents)

    note = "multinomial, Categorical.log_prob and autograd, agent by agent"
    return Entry("torch Categorical", run, problem.steps * n_agents, note, usual=True)


def table(problem: Gradient) -> Entry:
    """In blocks that stay in the cache, with one draw per agent and step. A fifth of the agents, that is twelve blocks."""
    few = problem.of(max(1000, problem.n_agents // 5))
    size, n_actions, n_agents = problem.size, problem.n_actions, few.n_agents
    share, other = tables.alias(tables.joint(problem))
    n_cells = share.shape[1]
    share, other = torch.tensor(share.ravel(), dtype=torch.float32), torch.tensor(other.ravel())
    reward, pi = torch.tensor(problem.reward.ravel(), dtype=torch.float32), problem.pi
    start = torch.tensor(few.population(np.int64))

    def run() -> Direction:
        credit = torch.zeros(size * n_actions)
        for low in range(0, n_agents, BLOCK):
            here, pairs = start[low : low + BLOCK], []
            for _ in range(problem.steps):
                u = torch.rand(len(here)).mul_(n_cells)
                cell = u.long().clamp_(max=n_cells - 1)
                index = here * n_cells + cell
                code = torch.where(u - cell < share[index], cell, other[index])
                action = torch.div(code, size, rounding_mode="floor")
                pairs.append(here * n_actions + action)
                here = code - action * size
            returns = torch.zeros(len(here))
            for pair in reversed(pairs):
                returns = returns.mul_(problem.discount).add_(reward[pair])
                credit += torch.bincount(pair, weights=returns, minlength=size * n_actions)
        by_action = credit.reshape(size, n_actions).double().numpy() / n_agents
        return Direction(by_action - pi * by_action.sum(axis=1, keepdims=True), n_agents)

    note = "returns added up by (observation, action); no autograd"
    return Entry("torch alias, table", run, problem.steps * n_agents, note)


def gradient(problem: Gradient) -> list[Entry]:
    return [table(problem), categorical(problem)]


class Torch:
    name, version = "torch", metadata.version("torch")

    gradient = staticmethod(gradient)
