"""EGTtools: pairwise comparison by its C++ evolver, one update at a time."""

from __future__ import annotations

from importlib import metadata

from egttools.games import Matrix2PlayerGameHolder
from egttools.numerical import PairwiseComparisonNumerical

from tmfcore.bench import Answer, Entry
from tmfcore.bench.problems import Imitation


class EGTtools:
    name, version = "EGTtools", metadata.version("egttools")

    def sequential_pairwise(self, problem: Imitation) -> Entry:
        """With a hundredth of the updates.

        Its agents meet others than themselves, and mutants take another strategy: the same law up to O(1 / N) and O(mutation / S).
        """
        game = Matrix2PlayerGameHolder(problem.size, problem.payoffs)
        evolver = PairwiseComparisonNumerical(problem.n_agents, game, 1_000_000)
        steps, mutation = max(100, problem.steps // 100), problem.mutation * (problem.size - 1) / problem.size

        def run(game=game) -> Answer:  # the evolver holds no reference to its game
            return Answer(evolver.evolve(steps, problem.selection, mutation, problem.initial), steps)

        return Entry("EGTtools", run, steps, "C++")
