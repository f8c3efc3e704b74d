"""What solves need, for `needs.ask`. Counts of tables were measured; tests/test_needs.py compares them with solves."""

from __future__ import annotations

from tmfcore._limit.sizes import Needs, cells_of, kernel_needs
from tmfcore.solvers._problem import Problem

__all__ = ["exact_needs", "gradient_needs"]

KEPT = 2**28  # bytes of the tables of all steps that an iterate keeps (_judged)


def exact_needs(problem: Problem, n_tables: float, n_steps: int | None = None) -> Needs:
    """An exact solver with `n_tables` tables (T, S, A): policies, action values, and what is kept of the last ones."""
    game = problem.game._first or problem.game  # with random noise: of one path
    T, S, A = n_steps or game.n_steps, problem.n_rows, game.n_actions
    found: Needs = kernel_needs(game.model) | {
        f"{round(n_tables)} tables of the solver": (round(8 * n_tables), T, S, A),
        "flows": (40, T + 1, S),
    }
    kept = 8 * T * (S * A + S + (0 if game.model.constant_transition else cells_of(game.model)))
    if not (game.model.constant or problem.game._first) and kept <= KEPT:
        found["tables of the game at all steps"] = (kept,)
    return found


def gradient_needs(
    problem: Problem, shape: tuple[int, ...], replicas: int, critic: str, n_intervals: int, agent_bytes: int
) -> Needs:
    """TMFPG with parameters of this shape (L, S, A, F); `agent_bytes` of an agent and a step, with critic "returns"."""
    game = problem.game._first or problem.game  # with random noise: of one path
    T, S, A = game.n_steps, game.n_observations, game.n_actions
    found: Needs = kernel_needs(game.model) | {
        f"{13 + 2 * replicas} tables of parameters": (8 * (13 + 2 * replicas), *shape),
        "counts and decisions": (8 * replicas, n_intervals if critic == "empirical" else T, S, A + 2),
        "flows": (32, T + 1, S),
    }
    if critic != "model":
        found["sums of earlier samples"] = (32 * (replicas + 1), n_intervals, S, A)
    if critic == "empirical":
        found["observed transitions"] = (8 * replicas, n_intervals, cells_of(game.model) + S * A + S)
    if critic == "returns":
        found["individuals"] = (agent_bytes * replicas, T, problem.n_agents or 1)
    return found
