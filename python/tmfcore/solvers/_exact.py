"""What the exact solvers share. They read the model of the game, sample nothing, and judge every iterate.

An iterate is a table (T, S, A), one stage per step. Its exploitability is computed at its own mean-field flow, which is
recomputed from the table at every iteration, in float64. The column `residual` of history is the l1 distance between
that flow and its image under the policy: 0 by construction over a finite horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs, is_small
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore.solvers._descent import Iterate
from tmfcore.solvers._problem import Problem, softened
from tmfcore.solvers._registry import entry_of
from tmfcore.solvers._sizes import exact_needs
from tmfcore.solvers._solver import Solver
from tmfcore.solvers._spectral import LogitRule

__all__ = ["ExactSolver"]


@dataclass(frozen=True, kw_only=True, repr=False)
class ExactSolver(Solver[TabularPolicy]):
    """A solver whose iterates are tables of probabilities.

    Parameters
    ----------
    iterations, tolerance, absolute_tolerance, patience, min_improvement, clock, altruism
        As in Solver.
    """

    @property
    def _n_tables(self) -> float:
        """Number of tables (T, S, A) in memory; of this base: policy, Q, the best and the first policy."""
        return 4

    def _needs(self, problem: Problem) -> Needs:
        return exact_needs(problem, self._n_tables)

    def _is_small(self, problem: Problem, n: int) -> bool:
        return problem.game._first is None and is_small(problem.game, n * self._n_tables)

    def _iterate(self, problem: Problem) -> Iterate:
        """The uniform policy of the problem."""
        return problem.iterate()

    def _table(self, problem: Problem, policy: object) -> FloatArray:
        """A policy of the game as a table of the solver's shape."""
        return problem.table(policy)

    def _start(self, problem: Problem, policy: object) -> FloatArray:
        table = self._table(problem, policy)
        return softened(table, problem.legal) if issubclass(entry_of(type(self)).rule, LogitRule) else table

    def _policy(self, parameters: FloatArray, horizon: int, own: bool = False) -> TabularPolicy:
        return TabularPolicy._trusted(parameters, horizon, own)

    def _parameters(self, policy: TabularPolicy | SoftmaxPolicy) -> FloatArray:
        return policy.table if isinstance(policy, TabularPolicy) else np.empty(0)
