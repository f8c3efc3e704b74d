"""The problem of one policy for all paths of a random noise: on the tree of its histories, or on some paths.

    TreeProblem    the game on histories is an ordinary game (NoiseTree): nothing is approximated
    PathProblem    the policy sees the last states of the noise; flow and values are those of each path, and a row of
                   the policy follows the means of Q over the paths, given what it sees

Both are Problems with tables (T, H S, A), row h S + o for observation o after history h, that the rules of the exact
solvers update like any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tmfcore._base.functions import SMALLER_GAME
from tmfcore._base.types import Clock
from tmfcore._base.validation import FloatArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.flows import Flow, flow_of
from tmfcore._limit.path_tables import PathTables
from tmfcore._limit.sizes import Needs, path_needs
from tmfcore._model.activation import ActingShares
from tmfcore._model.appearance import appearance_of
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import in_steps
from tmfcore._model.legal import LegalArray, lawful
from tmfcore._model.noise_information import Information
from tmfcore._model.noise_paths import Paths
from tmfcore._model.noise_policy import NoisePolicy
from tmfcore._model.noise_tree import NoiseTree
from tmfcore._model.played import Played
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._model.policy import TablePolicy
from tmfcore._model.schedules import Schedule
from tmfcore._model.table_model import TableModel
from tmfcore.solvers._descent import Iterate
from tmfcore.solvers._problem import Problem
from tmfcore.solvers.base import Solution

__all__ = ["PathProblem", "TreeProblem", "fresh_paths"]

FRESH = 256  # least number of paths on which a policy is judged


def fresh_paths(n_paths: int) -> int:
    """The number of paths on which a policy is judged that was found on `n_paths` others."""
    return max(FRESH, 2 * n_paths)


class TreeProblem(Problem):
    """A game whose noise is a chain, on the tree of its histories."""

    noisy = True

    def __init__(self, tree: NoiseTree, schedule: Schedule, n_agents: int | None, clock: Clock) -> None:
        super().__init__(tree.game, tree.schedule(schedule, n_agents), n_agents, clock)
        self.tree, self._given, self.label = tree, (tree.original, schedule), schedule.label
        self.fingerprint = Fingerprint.of(tree.original, schedule, self.n_agents, clock)

    def on(self, clock: Clock) -> TreeProblem:
        return self if clock == self.clock else TreeProblem(self.tree, self._given[1], self.n_agents, clock)

    def table(self, policy: object) -> FloatArray:
        return super().table(self.tree.policy(policy))  # type: ignore[arg-type]  # `play` has checked it

    @property
    def groups(self) -> tuple[int, int]:
        return self.tree.groups

    def finished(self, solution: Solution[Any]) -> Solution[Any]:
        tree, flow, n_histories = self.tree, solution.flow, self.tree.histories.n_histories
        mean = replace(flow, mu=tree.mean(flow.mu), **appearance_of(tree.original), fingerprint=self.fingerprint.on(""))
        return replace(
            solution, policy=tree.seeing(solution.policy.table), flow=mean, state={},
            information=f"all of the noise so far, exactly ({n_histories} histories)",
        )  # fmt: skip


class PathProblem(Problem):
    """A game with random noise, on some of its paths.

    Parameters
    ----------
    paths : Paths
    information : Information
        What the policy sees of the noise.
    """

    noisy = True

    def __init__(
        self, paths: Paths, information: Information, schedule: Schedule, n_agents: int | None, clock: Clock
    ) -> None:
        self.game, self.schedule, self.n_agents = paths.game, schedule, n_agents
        self.grid, self.label = None, schedule.label
        self.clock, self.always = clock, clock == "always"
        self.active = active_fractions(self.game, schedule, n_agents)
        if isinstance(self.active, ActingShares):
            self.active.check(self.game.n_observations, self.game.n_steps)
        self.paths, self.information, self.histories = paths, information, information.on(paths)
        self.fingerprint = Fingerprint.of(self.game, schedule, n_agents, clock)

    def on(self, clock: Clock) -> PathProblem:
        if clock == self.clock:
            return self
        return PathProblem(self.paths, self.information, self.schedule, self.n_agents, clock)

    @property
    def legal(self) -> LegalArray | None:
        own = self.game.legal
        return None if own is None else np.tile(own, (self.information.n_histories, 1))

    @property
    def n_rows(self) -> int:
        return self.information.n_histories * self.game.n_observations

    def needs(self) -> Needs:
        n = len(self.paths)
        copies = {"policies by history": (64, self.game.n_steps, self.n_rows, self.game.n_actions)}
        return path_needs(self.game, n + fresh_paths(n)) | copies

    def advice(self) -> str:
        return f"paths must be fewer, memory smaller, or {SMALLER_GAME}"

    @property
    def decided(self) -> bool:
        return False

    @property
    def scale(self) -> float:
        return in_steps(self.paths.games[0], self.schedule, self.n_agents)._scale

    def iterate(self) -> Iterate:
        return _PathIterate.of(self)

    def tables(self) -> PathTables:
        """The game on all paths."""
        return PathTables(self.paths, self.active, self.always, altruism=self.altruism)

    def by_history(self, table: FloatArray) -> FloatArray:
        """A table (T, H S, A) as (T, H, S, A)."""
        return table.reshape(len(table), self.information.n_histories, self.game.n_observations, -1)

    def table(self, policy: object) -> FloatArray:
        game, own = self.game, self.information
        found: Any = policy.policy if isinstance(policy, Played) else policy
        steps = np.arange(game.n_steps)
        if isinstance(found, NoisePolicy):
            found._check(game, "initial")
            other = found.edges is not None and not np.array_equal(found.edges, np.asarray(own.edges))
            if found.memory > own.memory or other:
                raise ValueError(
                    f"initial sees {found.memory} states of the noise; must see at most memory = {own.memory}, of the "
                    "same levels"
                )
            table = np.tile(found.table, (1, own.n_histories // found.table.shape[1], 1, 1))
        else:
            assert game._first is not None, "the noise is random"
            kernel = as_policy(found, game._first, "initial")
            if not isinstance(kernel, TablePolicy):
                raise TypeError("initial depends on the population; must be a table, or a NoisePolicy")
            table = np.repeat(np.asarray(kernel.table)[:, np.newaxis], own.n_histories, axis=1)
        stages = steps * len(table) // game.n_steps
        return np.ascontiguousarray(table[stages].reshape(game.n_steps, -1, game.n_actions))

    def judge(self, policy: TabularPolicy | SoftmaxPolicy) -> tuple[Flow, float, float]:
        assert isinstance(policy, TabularPolicy), "exact solvers have tables"
        iterate = _PathIterate.of(self)
        iterate.policy[...] = policy.table
        gap, _, value = iterate.evaluate()
        return self.flow(iterate.mu.copy()), gap, value

    def flow(self, mu: FloatArray) -> Flow:
        steps, n_obs = np.arange(self.game.n_steps + 1, dtype=np.int64), self.game.n_observations
        mean = mu.reshape(len(mu), -1, n_obs).sum(axis=1)
        return flow_of(self.game, mean, steps, self.active, self.fingerprint.on(""))

    def finished(self, solution: Solution[Any]) -> Solution[Any]:
        return replace(
            solution, policy=self.information.policy(self.by_history(solution.policy.table)), state={},
            information=self.information.words, paths=len(self.paths),
        )  # fmt: skip


class _PathIterate(Iterate):
    """A table that is played on all paths; the kernels of Iterate update it as if its rows were observations."""

    problem: PathProblem
    tables: PathTables
    flows: int = 0

    @classmethod
    def of(cls, problem: PathProblem) -> _PathIterate:
        """The uniform policy."""
        game, n = problem.game, problem.information.n_histories * problem.game.n_observations
        nowhere = np.zeros((n, game.n_actions, 1), np.int32)
        nothing = np.zeros((n, game.n_actions))
        rows, legal = np.ones(nowhere.shape), problem.legal
        sizes = TableModel(n, game.n_actions, nothing, rows, nothing[:, 0], None, nowhere, None, legal)
        made = cls(sizes, np.eye(1, n)[0], np.ones(1), game.n_steps, game.discount, problem.always)
        made.problem, made.tables = problem, problem.tables()
        return made

    def evaluate(self) -> tuple[float, float, float]:
        """Flows, Q and values on all paths, and the gain of agents who deviate at one step alone, summed over steps."""
        problem, tables, histories = self.problem, self.tables, self.problem.histories
        game, n_steps = problem.game, len(self.q)
        self.flows += 1
        played = problem.by_history(self.policy)
        tables.play(lambda t, mu: played[t, histories[:, t]])
        q, returns = tables.values()
        means, law = problem.by_history(self.q), self.mu.reshape(len(self.mu), -1, game.n_observations)
        gap, law[...] = 0.0, 0.0
        for t in range(n_steps + 1):
            weights, seen = tables.weights[:, np.newaxis] * tables.mu[:, t], histories[:, min(t, n_steps - 1)]
            np.add.at(law[t], seen, weights)
            if t == n_steps:
                break
            means[t] = problem.information.mean(weights, q[:, t], seen)
            best = means[t].argmax(axis=-1)[seen]
            more = np.take_along_axis(q[:, t], best[:, :, np.newaxis], axis=-1)[:, :, 0]
            more = tables.mixed(t, more - (tables.pi[:, t] * q[:, t]).sum(axis=-1), np.zeros(1))
            gap += game.discount**t * float((weights * more).sum())
        self.greedy[...] = lawful(self.q.argmax(axis=-1), problem.legal)
        return gap, gap, float(tables.weights @ returns)

    def play(self) -> None:
        self.evaluate()

    def respond(self, weight: float, by_flow: bool) -> None:
        """Mix the actions that are best in the mean over paths into the policy, as Iterate does."""
        problem, tables = self.problem, self.tables
        chosen = self.greedy.astype(np.int64).reshape(len(self.q), -1, problem.game.n_observations)
        own, other = np.full(self.greedy.shape, 1 - weight), np.full(self.greedy.shape, weight)
        if by_flow:
            where, law = tables.moves(chosen, problem.histories), np.zeros(chosen.shape)
            for t in range(len(law)):
                np.add.at(law[t], problem.histories[:, t], tables.weights[:, np.newaxis] * where[:, t])
            own *= self.mu[:-1]
            other *= law.reshape(other.shape)
            total = own + other
            nobody = total == 0
            own /= np.where(nobody, 1.0, total)
            other = np.where(nobody, 1.0, other / np.where(nobody, 1.0, total))
        policy, best = self.policy, np.eye(problem.game.n_actions)[self.greedy]
        policy[...] = own[:, :, np.newaxis] * policy + other[:, :, np.newaxis] * best
