"""mesa: one object per agent; a random agent acts at each step."""

from __future__ import annotations

from bisect import bisect
from importlib import metadata
from itertools import accumulate

import mesa
import numpy as np

from tmfcore.bench import Entry
from tmfcore.bench.problems import Answer, Playing


class User(mesa.Agent):
    """An agent that holds a resource, and draws the next one."""

    def __init__(self, model, place: int) -> None:
        super().__init__(model)
        self.place = place

    def step(self) -> None:
        model, old = self.model, self.place
        new = bisect(model.rows[old], model.random.random())
        if new != old:
            self.place = new
            model.counts[old] -= 1
            model.counts[new] += 1


class Users(mesa.Model):
    """The population; the agents update `counts`."""

    def __init__(self, problem: Playing) -> None:
        super().__init__(seed=2)
        self.rows = [[*accumulate(row)][:-1] for row in problem.pi.tolist()]
        self.begin = problem.initial.tolist()
        self.places = problem.population(np.int64).tolist()
        self.members = list(User.create_agents(self, problem.n_agents, self.places))
        self.restart()

    def restart(self) -> None:
        self.counts = self.begin.copy()
        for member, place in zip(self.members, self.places, strict=True):
            member.place = place


def sequential(problem: Playing) -> list[Entry]:
    """The list of agents is made once: drawing from an AgentSet costs O(N)."""
    model = Users(problem)

    def run() -> Answer:
        model.restart()
        choice, members = model.random.choice, model.members
        for _ in range(problem.steps):
            choice(members).step()
        return Answer(np.array(model.counts), problem.steps)

    return [Entry("mesa", run, problem.steps, "no rewards")]


class Mesa:
    name, version = "mesa", metadata.version("mesa")

    sequential_small = staticmethod(sequential)
