"""The most favourable plan within confidence sets of the rows: a policy, and the rows that it hopes for.

rerouted(game, rows)                   a game whose acting agents move by tables of one's own
plan(game, box, ...) -> Hope           a policy and rows of high welfare, by turns
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.mean_field import evaluate
from tmfcore._limit.pricing import extra_of
from tmfcore._model.game import Game
from tmfcore._model.policies import as_policy
from tmfcore._model.schedules import Schedule
from tmfcore.learn._oracle import shares_at
from tmfcore.learn._rerouted import Rerouted
from tmfcore.learn._rows import Box, favourable
from tmfcore.solvers import Solution, solve

__all__ = ["Hope", "plan", "rerouted"]

TURNS = 10  # at most so many changes of the rows
GAIN = 1e-4  # of the welfare, or of a thousandth of the scale of returns if that is larger: less ends the turns
SHARES = (1.0, 0.5, 0.25, 0.125)  # of the way to the most favourable rows


def rerouted(game: Game, rows: FloatArray) -> Game:
    """A game in steps with the rewards and passive rows of another one; acting agents move by `rows` (L, S, A, S)."""
    return Game._trusted(
        Rerouted(game.model, rows), game.n_steps, game.discount, game.initial, step=game.dt,
        recipe=partial(rerouted, game, rows) if game._pickles else None, **game._look(),
    )  # fmt: skip


@dataclass(frozen=True)
class Hope:
    """A policy, the rows (L, S, A, S) that it hopes for, and its welfare there."""

    solution: Solution
    rows: FloatArray
    welfare: float


def plan(
    game: Game, centre: FloatArray, box: Box | None, schedule: Schedule, n_agents: int | None, options: dict[str, Any]
) -> Hope:
    """A policy, and rows within the box, of high welfare together.

    By turns: the most favourable rows at the present flow, with the best actions for them, by one recursion backward
    (Theory, section 18); and `solve` with altruism 1 for these rows, or for rows a part of the way there: the first
    that raise welfare. It ends when an agent would gain next to nothing by better actions and rows, or no part of the
    way raises welfare. With box=None, the policy for `centre` (S, A, S): certainty equivalence.
    """
    rows = centre[np.newaxis]
    solution = solve(rerouted(game, rows), schedule, n_agents, altruism=1.0, **options)
    if box is None:
        return Hope(solution, rows, solution.mean_return)
    least = GAIN * max(abs(solution.mean_return), 1e-3 * game._scale)
    for _ in range(TURNS):
        better, gain = _hoped(rerouted(game, rows), solution, box, schedule, n_agents)
        if gain <= least:
            break
        for share in SHARES:
            tried = rows + share * (better - rows)
            found = solve(
                rerouted(game, tried), schedule, n_agents, altruism=1.0, initial=solution.policy, **options
            )
            if found.mean_return > solution.mean_return:
                break
        else:
            break
        gained = found.mean_return - solution.mean_return
        rows, solution = tried, found
        if gained <= least:
            break
    return Hope(solution, rows, solution.mean_return)


def _hoped(
    game: Game, solution: Solution, box: Box, schedule: Schedule, n_agents: int | None
) -> tuple[FloatArray, float]:
    """The most favourable rows (T, S, A, S) for one agent along the flow of a policy, and what it gains by them.

    V_T = 0, Q_t(o,a) = r + gamma max over p in the box of sum_x p(x) V_t+1(x), and V_t as in section 3 with max_a Q,
    plus the externality E_t of section 14.
    """
    active = active_fractions(game, schedule, n_agents)
    found = evaluate(game, solution.policy, schedule, n_agents, altruism=1.0)
    mu, size = found.flow.mu, game.n_observations
    external = extra_of(1.0, game.model, game.discount, as_policy(solution.policy, game), mu, active)
    rows = np.empty((game.n_steps, size, game.n_actions, size))
    ahead = np.zeros(size)
    for t in range(game.n_steps - 1, -1, -1):
        reward, _, passive_reward, passive = game.tables(mu[t], t)
        rows[t] = favourable(box, ahead)
        q = reward + game.discount * rows[t] @ ahead
        best = np.nanmax(q, axis=1)  # of legal actions: rewards of the others are NaN
        cells = game.passive_successors
        later = passive @ ahead if cells is None else (passive * ahead[cells]).sum(axis=1)
        acting = shares_at(active, mu[t], t, size)
        ahead = acting * best + (1 - acting) * (passive_reward + game.discount * later)
        if external is not None:
            ahead = ahead + external[t]
    return rows, float(game.initial @ (ahead - found.values[0]))
