"""Poisson clocks: every agent acts when its own exponential clock rings (Theory, section 12).

    Clocked(...)                              a game in continuous time, by its numbers
    play(game, policy, start, times, drawn)   one run, event by event -> Run

There is no uniformisation here and no thinning: from one event to the next, each agent waits for its own clock and for
each of its own passive moves.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .agents import tally


@dataclass(frozen=True)
class Clocked:
    """A game in continuous time. Times are in sweeps; tables are functions of mu."""

    n_observations: int
    n_actions: int
    discount: float  # of one sweep
    clock: Any  # (S,) rates at which agents act
    reward: Callable  # (S,A), earned once, by the agent that acts
    transition: Callable  # (S,A,S), where it goes
    passive_reward: Callable  # (S,), per sweep, of every agent
    passive_rates: Callable  # (S,S) rates at which agents move without acting; the diagonal is ignored


@dataclass
class Run:
    """What is known at the times asked for, and in between."""

    counts: list = field(default_factory=list)  # at each time, (S,)
    decisions: list = field(default_factory=list)  # of each interval, (S, A)
    rewards: list = field(default_factory=list)  # of each interval: mean over all agents, undiscounted
    mean_return: float = 0.0  # discounted


def play(game, policy, start, times, drawn):
    """Move N agents that begin at `start` (N,) until the last of `times`, which begin with 0; policy(mu) -> (S,A)."""
    standing, now, run = list(start), 0.0, Run()
    run.counts.append(tally(standing, game.n_observations))
    for end in times[1:]:
        run.decisions.append([[0] * game.n_actions for _ in range(game.n_observations)])
        run.rewards.append(0.0)
        while now < end:
            now = until_next_event(game, policy, standing, now, end, drawn, run)
        run.counts.append(tally(standing, game.n_observations))
    return run


def until_next_event(game, policy, standing, now, end, drawn, run):
    """Let all agents wait for what happens first, do it, and return its time; or `end`, if nothing happens before.

    Waiting times have no memory: what did not happen yet is drawn again after every event.
    """
    n_agents = len(standing)
    mu = np.array(tally(standing, game.n_observations)) / n_agents
    rates = game.passive_rates(mu)
    first, event = end, None
    for agent, o in enumerate(standing):
        if game.clock[o] > 0 and (ring := now + drawn.wait(game.clock[o])) < first:
            first, event = ring, (agent, None)
        for x in range(game.n_observations):
            if x != o and rates[o][x] > 0 and (moves := now + drawn.wait(rates[o][x])) < first:
                first, event = moves, (agent, x)

    decay = -math.log(game.discount)
    worth = math.exp(-decay * now) * ((first - now) if decay == 0 else -math.expm1(-decay * (first - now)) / decay)
    standing_reward = sum(game.passive_reward(mu)[o] for o in standing) / n_agents
    run.rewards[-1] += (first - now) * standing_reward
    run.mean_return += worth * standing_reward

    if event is not None:
        agent, target = event
        o = standing[agent]
        if target is None:
            a = drawn.choose(policy(mu)[o])
            earned = game.reward(mu)[o][a] / n_agents
            run.decisions[-1][o][a] += 1
            run.rewards[-1] += earned
            run.mean_return += math.exp(-decay * first) * earned
            target = drawn.choose(game.transition(mu)[o][a])
        standing[agent] = target
    return first
