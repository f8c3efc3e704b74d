"""TMF-PG on an executor: other processes play the populations of an iteration, and judge the iterate.

    Player              what a process needs for that; it is sent once, and keeps its buffers
    sampled, judged_by  one job each, in the other process
    Players             in the caller: the jobs of an iteration

A job has everything that its outcome depends on: theta, a stream, and the tables of earlier samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.parcels import Shared
from tmfcore._base.validation import FloatArray
from tmfcore._limit.exploitability import judged
from tmfcore._model import policy as policy_kernel
from tmfcore._model.policy import Policy
from tmfcore._population.elsewhere import outcomes
from tmfcore.solvers import _critics
from tmfcore.solvers._problem import Problem

if TYPE_CHECKING:
    from tmfcore.solvers.tmfpg import TMFPG

__all__ = ["Player", "Players", "compiled"]

Arrays = dict[str, npt.NDArray[Any]]


def compiled(theta: FloatArray) -> Policy:
    """The compiled policy at theta."""
    if theta.shape[-1] > 1:
        return policy_kernel.AffinePolicy(theta)
    return policy_kernel.TablePolicy(policy_kernel.softmax(theta[..., 0]))


class Player:
    """A solve, as other processes know it. Pickled without what it makes."""

    def __init__(self, solver: TMFPG, problem: Problem) -> None:
        self.solver = solver
        self.system = problem.game, problem.schedule, problem.n_agents, problem.clock  # in steps, also under clocks

    def __getstate__(self) -> dict[str, Any]:
        return {"solver": self.solver, "system": self.system}

    @cached_property
    def problem(self) -> Problem:
        """The problem."""
        return Problem(*self.system).of(self.solver)

    @cached_property
    def critics(self) -> list[_critics.Critic]:
        """Critics that no thread uses now."""
        return []

    def critic(self) -> _critics.Critic:
        """A critic with buffers and tables of its own."""
        try:
            return self.critics.pop()
        except IndexError:
            plan, shape = self.solver._plan(self.problem), self.solver._shape(self.problem.game)
            return _critics.populations(plan, shape, self.solver.critic, 1)[0]


def sampled(
    player: Player, theta: FloatArray, generator: np.random.Generator, memory: Arrays | None
) -> tuple[float, Arrays]:
    """Play one population with theta: its return, and what the critic has found."""
    critic, policy = player.critic(), compiled(theta)
    if memory is not None and isinstance(critic, _critics.Observed):
        critic.memory.restore(memory)
    value = critic.sample(policy, theta, generator)
    critic.learn(policy)
    found = {name: array.copy() for name, array in _found(critic, player.solver.inner_updates > 1).items()}
    player.critics.append(critic)
    return value, found


def judged_by(player: Player, theta: FloatArray) -> tuple[float, float, FloatArray]:
    """Exploitability, mean return, and flow (T+1, S) of theta."""
    p = player.problem
    mu = np.empty((p.game.n_steps + 1, p.game.n_observations))
    gap, _, value = judged(p.game, compiled(theta), p.active, p.always, mu, p.altruism)
    return gap, value, mu


def _found(critic: Any, again: bool) -> Arrays:
    """The arrays that an update reads; all that `learn` reads, too, if it is called `again`."""
    names = ["direction", "visits", "mu"]
    if not isinstance(critic, _critics.MeanFieldCritic):
        names.append("decisions")
    if isinstance(critic, _critics.Observed):
        names += ["acted", "waited", "level", "surplus"]
    found = {name: getattr(critic, name) for name in names}
    if again and isinstance(critic, _critics.EmpiricalCritic) and critic.flows is not None:
        found |= {f"flow {i}": array for i, array in enumerate(critic.flows)}
    return found


class Players:
    """The jobs of one solve on an executor."""

    def __init__(self, executor: Executor, solver: TMFPG, problem: Problem) -> None:
        self.executor, self.again = executor, solver.inner_updates > 1
        self.player = Shared(Player(solver, problem), "game or schedule")

    def play(
        self, critics: Sequence[_critics.Critic], streams: Sequence[np.random.Generator], theta: FloatArray,
        average: FloatArray | None,
    ) -> tuple[list[float], tuple[float, float, FloatArray] | None]:  # fmt: skip
        """Fill the critics with samples of theta; their returns, and how the `average` is judged, if there is one."""
        memory = critics[0].memory.state() if isinstance(critics[0], _critics.Observed) else None
        jobs: list[tuple[Any, ...]] = [(self.player, theta, stream, memory) for stream in streams]
        if average is not None:
            jobs.append((self.player, average))
        returns, verdict = [np.nan] * len(critics), None
        with closing(outcomes(self.executor, _done, jobs)) as ended:
            for number, outcome in ended:
                if number == len(critics):
                    verdict = outcome
                    continue
                returns[number], arrays = outcome
                own = _found(critics[number], self.again)
                for name, array in own.items():
                    array[...] = arrays[name]
                critic: Any = critics[number]
                if isinstance(critic, _critics.MeanFieldCritic):
                    critic.theta[...] = theta
        return returns, verdict


def _done(player: Player, theta: FloatArray, *rest: Any) -> Any:
    """A job: `sampled` with a stream, else `judged_by`."""
    return sampled(player, theta, *rest) if rest else judged_by(player, theta)
