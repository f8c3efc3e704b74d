"""tmfcore as a contestant, by its public verbs, including tables, recording and checks; games are made before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tmfcore as tmf

from .measure import Entry
from .problems import (
    Answer,
    BeachBar,
    DenseGame,
    Descent,
    Direction,
    Floats,
    Gradient,
    Imitation,
    JostledBar,
    Meeting,
    Playing,
    Replicas,
    Solving,
)

__all__ = ["KINDS", "Tmfcore", "beach_game", "dense_game", "resource_game", "simulated"]


class Tmfcore:
    """The contestant that the others are compared with."""

    name = "tmfcore"
    version = tmf.__version__

    def agents(self, problem: Playing) -> Entry:
        """Every step recorded."""
        return simulated(problem, dense_game(problem), tmf.Synchronous(), "agents", True, 1)

    def agents_mu(self, problem: Playing) -> Entry:
        """Every step recorded."""
        return simulated(problem, dense_game(problem), tmf.Synchronous(), "agents", False, 1)

    def counts(self, problem: Playing) -> Entry:
        """Every step recorded."""
        return simulated(problem, dense_game(problem), tmf.Synchronous(), "counts", True, 1)

    def counts_mu(self, problem: Playing) -> Entry:
        """Every step recorded."""
        return simulated(problem, dense_game(problem), tmf.Synchronous(), "counts", False, 1)

    def sequential_agents(self, problem: Playing) -> Entry:
        """One record per run, with rewards and decisions summed over it."""
        return _whole(problem, tmf.Sequential(), "agents")

    def sequential_counts(self, problem: Playing) -> Entry:
        """One record per run, with rewards and decisions summed over it."""
        return _whole(problem, tmf.Sequential(), "counts")

    def sequential_small(self, problem: Playing) -> list[Entry]:
        """The engine that tmfcore chooses, and agents."""
        return [
            _whole(problem, tmf.Sequential(), engine, label)
            for engine, label in (("auto", "tmfcore"), ("agents", "tmfcore, agents"))
        ]

    def batch(self, problem: Playing) -> list[Entry]:
        """The engine that tmfcore chooses, and agents."""
        return [
            _whole(problem, tmf.Batch(problem.batch), engine, label)
            for engine, label in (("auto", "tmfcore"), ("agents", "tmfcore, agents"))
        ]

    def replicas(self, problem: Replicas) -> Entry:
        """One record per run, with rewards and decisions summed over it; one thread."""
        game, policy = resource_game(problem), tmf.TabularPolicy(problem.pi)

        def run() -> Answer:
            found = tmf.simulate(
                game, policy, tmf.Batch(problem.batch), problem.n_agents, replicas=problem.replicas,
                start=problem.initial, rng=1, threads=1, record_every=problem.steps,
            )  # fmt: skip
            return Answer(found.counts[:, -1], problem.steps)

        return Entry("tmfcore", run, problem.steps * problem.batch * problem.replicas, ours=True)

    def bernoulli(self, problem: Playing) -> Entry:
        """One record per run."""
        game, share = dense_game(problem), problem.probability
        assert share is not None, "Bernoulli needs a probability"
        entry = simulated(problem, game, tmf.Bernoulli(share), "counts", True, problem.steps)
        return Entry(entry.label, entry.run, 1.0, ours=True)

    def sequential_affine(self, problem: Meeting) -> list[Entry]:
        """games.affine, on agents and on counts, and with decisions; one record per run."""
        game, policy = _affine_game(problem), tmf.TabularPolicy(problem.pi)
        return [
            _met(problem, game, policy, "agents", "tmfcore"),
            _met(problem, game, policy, "counts", "tmfcore, counts"),
            _met(problem, game, policy, "agents", "tmfcore, decisions", True),
        ]

    def sequential_pairwise(self, problem: Imitation) -> Entry:
        """games.pairwise_revision and a policy that always revises, on counts; one record per run."""
        game = tmf.games.pairwise_revision(
            problem.payoffs, intensity=problem.selection, mutation=problem.mutation, discount=1.0,
            horizon=problem.steps / problem.n_agents, step=1.0 / problem.n_agents,
            initial=problem.initial / problem.n_agents,
        ).at()  # fmt: skip
        return _met(problem, game, tmf.TabularPolicy([[0.0, 1.0]] * problem.size), "counts", "tmfcore")

    def epidemic(self, problem: Meeting) -> Entry:
        """games.affine, on counts; one record per run."""
        entry = _met(problem, _affine_game(problem), tmf.TabularPolicy(problem.pi), "counts", "tmfcore")
        return Entry("tmfcore", entry.run, problem.changes, ours=True)

    def flow(self, problem: DenseGame) -> Entry:
        """Every step recorded."""
        game, policy = dense_game(problem), tmf.TabularPolicy(problem.pi)
        return Entry("tmfcore", lambda: tmf.mean_field(game, policy, tmf.Synchronous()).mu, problem.steps, ours=True)

    def values(self, problem: DenseGame) -> Entry:
        """V and Q along the flow, which is computed before."""
        game, policy, schedule = dense_game(problem), tmf.TabularPolicy(problem.pi), tmf.Synchronous()
        along = tmf.mean_field(game, policy, schedule)
        return Entry(
            "tmfcore", lambda: tmf.evaluate(game, policy, schedule, flow=along).values, problem.steps, ours=True
        )

    def exploitability(self, problem: BeachBar) -> list[Entry]:
        """Of the built-in game, and with the reward in Python."""
        policy = tmf.TabularPolicy(problem.pi)
        return [
            Entry(label, partial(tmf.exploitability, game, policy, tmf.Synchronous()), 1.0, note, ours=True)
            for label, note, game in _beach_games(problem)
        ]

    def push_forward(self, problem: BeachBar) -> Entry:
        """The last step recorded."""
        return pushed(problem, beach_game(problem, problem.fixed_reward), "tmfcore")

    def push_forward_mu(self, problem: JostledBar) -> Entry:
        """The kernel as a Python function of mu."""
        still, windy = np.array([0.0, 1.0, 0.0]), np.array(problem.WIND)
        shape = (problem.size, 3, 3)

        def transition(mu: Floats) -> Floats:
            return np.broadcast_to(np.where((mu > 1.0 / problem.size)[:, None, None], windy, still), shape)

        game = tmf.Game(
            problem.size, 3, problem.steps, 1.0, problem.initial, problem.fixed_reward, transition,
            successors=problem.successors,
        )  # fmt: skip
        note = "the kernel is a Python function of mu, called and checked at every step"
        return pushed(problem, game, "tmfcore, Python game", note)

    def gradient(self, problem: Gradient) -> Entry:
        """Iterations of TMF-PG on samples of the counts engine: simulation, gradient, exploitability, update.

        A plain step of length one moves the policy by the direction. A solve of one iteration simulates and evaluates
        twice, before and after the step, and counts as two.
        """
        game, policy = dense_game(problem), tmf.TabularPolicy(problem.pi)
        solver = tmf.solvers.TMFPG(
            iterations=1, learning_rate=1.0, learning_rate_decay="constant", critic="empirical", gradient="plain",
            optimizer="sgd", average=None, stages=1, replicas=1, tolerance=None,
        )  # fmt: skip
        start = np.log(problem.pi)

        def run() -> Direction:
            found = solver.solve(game, tmf.Synchronous(), problem.n_agents, rng=1, initial=policy, threads=1)
            return Direction(found.state["theta"][0, :, :, 0] - start, problem.n_agents)

        note = "flow statistics by counts; exploitability of every iterate included"
        return Entry("tmfcore", run, 2 * problem.steps * problem.n_agents, note, ours=True)

    def mirror_descent(self, problem: Descent) -> list[Entry]:
        """Exploitability of every iterate."""
        solver = tmf.solvers.MirrorDescent(learning_rate=problem.rate, iterations=problem.iterations, tolerance=None)

        def run(game: tmf.Game) -> Any:
            return solver.solve(game, tmf.Synchronous()).history["exploitability"]

        return [
            Entry(label, partial(run, game), problem.iterations + 1, note, ours=True)
            for label, note, game in _beach_games(problem)
        ]

    def solve(self, problem: Solving) -> Entry:
        """tmf.solve, which stops by its own exploitability."""
        game, target = problem.game, problem.target

        def run() -> Any:
            found = tmf.solve(game, tmf.Synchronous(), tolerance=None, absolute_tolerance=target)
            return found.policy.table

        return Entry("tmfcore", run, 1.0, "tmf.solve", ours=True)


#: The kinds of problems, by the names of methods.
KINDS = tuple(name for name in vars(Tmfcore) if not name.startswith("_") and name not in ("name", "version"))


def dense_game(problem: Playing | DenseGame) -> tmf.Game:
    """The game of a dense problem."""
    initial = np.asarray(problem.initial, dtype=np.float64)
    discount = problem.discount if isinstance(problem, DenseGame | Gradient) else 1.0
    return tmf.Game(
        problem.size, problem.n_actions, problem.steps, discount, initial / initial.sum(), problem.reward,
        problem.transition,
    )  # fmt: skip


def resource_game(problem: Playing) -> tmf.Game:
    """Resource selection, built in."""
    assert problem.values is not None, "only of resource selection"
    return tmf.games.resource_selection(
        problem.values, congestion=1.0, switching_cost=problem.SWITCHING, horizon=problem.steps * problem.step,
        discount=1.0, initial=problem.initial / problem.n_agents, step=problem.step,
    ).at()  # fmt: skip


def simulated(
    problem: Playing, game: tmf.Game, schedule: tmf.Schedule, engine: Any, decisions: bool, every: int,
    label: str = "tmfcore", threads: int = 1,
) -> Entry:  # fmt: skip
    """A run of one population, recorded every `every` steps."""
    policy = tmf.TabularPolicy(problem.pi)

    def run() -> Answer:
        found = tmf.simulate(
            game, policy, schedule, problem.n_agents, engine=engine, start=problem.initial, rng=1, threads=threads,
            record_every=every, decisions=decisions,
        )  # fmt: skip
        last = found.decisions[0, -1] if found.decisions is not None and every == 1 else None
        reward = float(found.rewards.sum()) if problem.values is not None and every >= problem.steps else None
        return Answer(found.counts[0, -1], problem.steps, last, reward)

    units = problem.steps * (problem.batch if problem.kind.startswith(("agents", "batch")) else 1)
    return Entry(label, run, units, ours=True)


def _whole(problem: Playing, schedule: tmf.Schedule, engine: str, label: str = "tmfcore") -> Entry:
    game = resource_game(problem)
    return simulated(problem, game, schedule, engine, True, problem.steps, label)


def _affine_game(problem: Meeting) -> tmf.Game:
    return tmf.games.affine(
        np.zeros(problem.pi.shape), reward_mu=None, transition0=problem.constant, transition_mu=problem.meeting,
        horizon=problem.steps, discount=1.0, initial=problem.initial / problem.n_agents,
    )  # fmt: skip


def _met(
    problem: Meeting | Imitation, game: tmf.Game, policy: tmf.TabularPolicy, engine: Any, label: str,
    decisions: bool = False,
) -> Entry:  # fmt: skip
    """A sequential run of a coupled population, with one record."""

    def run() -> Answer:
        found = tmf.simulate(
            game, policy, tmf.Sequential(), problem.n_agents, engine=engine, start=problem.initial, rng=1, threads=1,
            record_every=problem.steps, decisions=decisions,
        )  # fmt: skip
        return Answer(found.counts[0, -1], problem.steps)

    return Entry(label, run, problem.steps, ours=True)


def beach_game(problem: BeachBar, reward: Any) -> tmf.Game:
    """The beach bar from arrays; its reward as an array or a function of mu."""
    wind = np.broadcast_to(problem.WIND, (problem.size, 3, 3))
    return tmf.Game(
        problem.size, 3, problem.steps, 1.0, problem.initial, reward, wind, successors=problem.successors
    )


def _beach_games(problem: BeachBar) -> list[tuple[str, str, tmf.Game]]:
    """Label, note and game: built in, and with the reward in Python."""
    reward: Callable[[Floats], Floats] = problem.reward
    built_in = tmf.games.beach_bar(problem.size, horizon=problem.steps, step=1).at()
    note = "the reward is a Python function of mu"
    return [("tmfcore", "", built_in), ("tmfcore, Python game", note, beach_game(problem, reward))]


def pushed(problem: BeachBar, game: tmf.Game, label: str, note: str = "") -> Entry:
    """A flow, of which the last step is recorded."""
    policy, schedule, steps = tmf.TabularPolicy(problem.pi), tmf.Synchronous(), problem.steps
    return Entry(
        label, lambda: tmf.mean_field(game, policy, schedule, record_every=steps).mu[-1], steps, note, ours=True
    )
