"""The agents engine: N agents, each of which stands at an observation (Theory, section 1).

    play(game, policy, moves, start, choose)    one run -> Run
    path(run)                                   (c_0, n_0, c_1, n_1, .., c_T), hashable: the path of the counts
"""

from dataclasses import dataclass, field

import numpy as np

from .moves import at


@dataclass
class Run:
    """T steps of N agents."""

    n_actions: int
    discount: float
    counts: list = field(default_factory=list)  # T+1 lists (S,): agents at each observation
    decisions: list = field(default_factory=list)  # T lists (S, A): agents that acted, by observation and action
    rewards: list = field(default_factory=list)  # T numbers: mean over all agents, active or passive
    individuals: list = field(default_factory=list)  # T+1 lists (N,): where each agent stands
    actions: list = field(default_factory=list)  # T lists (N,): what each agent did; None: it was passive

    @property
    def mean_return(self):
        """Discounted sum of the mean rewards."""
        return sum(self.discount**t * reward for t, reward in enumerate(self.rewards))


def play(game, policy, moves, start, choose):
    """Move N agents that begin at `start` (N,), one step for each of `moves`."""
    run = Run(game.n_actions, game.discount)
    standing = list(start)
    run.individuals.append(tuple(standing))
    run.counts.append(tally(standing, game.n_observations))
    for t, move in enumerate(moves):
        standing = step(game, policy, move, standing, t, choose, run)
    return run


def step(game, policy, move, standing, t, choose, run):
    """One step. All agents see the population as it was when the step began; all arrive when it ends."""
    n_agents = len(standing)
    mu = np.array(tally(standing, game.n_observations)) / n_agents
    reward, transition, passive_reward, passive = game.tables(mu, t)
    pi = policy(mu, t)
    acting = who_acts(move, standing, mu, t, choose)

    arrived, actions, earned = [], [], 0.0
    for agent, o in enumerate(standing):
        if acting[agent]:
            a = choose(pi[o])
            earned += reward[o][a]
            arrived.append(choose(transition[o][a]))
        else:
            a = None
            earned += passive_reward[o]
            arrived.append(choose(passive[o]))
        actions.append(a)

    decisions = [[0] * game.n_actions for _ in range(game.n_observations)]
    for o, a in zip(standing, actions, strict=True):
        if a is not None:
            decisions[o][a] += 1
    run.individuals.append(tuple(arrived))
    run.actions.append(tuple(actions))
    run.counts.append(tally(arrived, game.n_observations))
    run.decisions.append(decisions)
    run.rewards.append(earned / n_agents)
    return arrived


def who_acts(move, standing, mu, t, choose):
    """(N,) booleans.

    A batch of B of N agents: going through the agents in order, each is taken with probability
    (agents still to take) / (agents still to see), which makes all subsets of size B equally likely.
    """
    kind, size = at(move, mu, t)
    if kind == "coin":
        shares = np.broadcast_to(size, (len(mu),))
        return [choose([1 - shares[o], shares[o]]) == 1 for o in standing]
    acting = []
    for seen in range(len(standing)):
        to_take, to_see = size - sum(acting), len(standing) - seen
        acting.append(choose([to_see - to_take, to_take]) == 1)
    return acting


def tally(standing, n_observations):
    """(S,) agents at each observation."""
    return [standing.count(o) for o in range(n_observations)]


def path(run):
    """The path of the counts, hashable; the same for agents.Run and counts.Run."""
    flat = [tuple(int(c) for c in run.counts[0])]
    for decisions, counts in zip(run.decisions, run.counts[1:], strict=True):
        flat += [tuple(int(n) for row in decisions for n in row), tuple(int(c) for c in counts)]
    return tuple(flat)
