"""GillesPy2: epidemics as reactions, by its compiled SSA solver; the time of its program is counted.

One unit of time is one sweep of N meetings: an infected agent recovers at the rate `recovery`, and infects at the rate of
meetings. An event of the simulation is a change of the population.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata
from unittest.mock import patch

import gillespy2
import numpy as np

from tmfcore.bench import Answer, Entry
from tmfcore.bench.problems import Meeting


def model(problem: Meeting, sweeps: float) -> gillespy2.Model:
    made = gillespy2.Model(name="epidemic")
    susceptible, infected = (
        gillespy2.Species(name=name, initial_value=int(n), mode="discrete") for name, n in zip("SI", problem.initial, strict=True)
    )
    infection, recovery = problem.meeting[0, 0, 1, 1], problem.constant[1, 0, 0]
    made.add_species([susceptible, infected])
    rate = gillespy2.Parameter(name="recovery", expression=repr(float(recovery)))
    meeting = gillespy2.Parameter(name="infection", expression=repr(float(infection / problem.n_agents)))
    made.add_parameter([rate, meeting])
    made.add_reaction([
        gillespy2.Reaction(name="infect", reactants={susceptible: 1, infected: 1}, products={infected: 2}, rate=meeting),
        gillespy2.Reaction(name="recover", reactants={infected: 1}, products={susceptible: 1}, rate=rate),
    ])  # fmt: skip
    made.timespan(np.linspace(0.0, sweeps, 2))
    return made


class GillesPy2:
    name, version = "GillesPy2", metadata.version("gillespy2")

    def epidemic(self, problem: Meeting) -> Entry:
        # it is compiled by SCons, run by the interpreter behind this environment's
        with patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
            solver = gillespy2.SSACSolver(model=model(problem, problem.steps / problem.n_agents))
        seeds = iter(range(1, 10**9))

        def run() -> Answer:
            found = solver.run(number_of_trajectories=1, seed=next(seeds))[0]
            return Answer(np.array([found["S"][-1], found["I"][-1]]).astype(np.int64), problem.steps)

        return Entry("GillesPy2", run, problem.changes, "C++, in continuous time")

    clocks = epidemic
