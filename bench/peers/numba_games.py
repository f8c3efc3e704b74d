"""Games as a user of numba writes them: the row function of Game.compiled as a cfunc."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import carray, cfunc, njit, types

import tmfcore as tmf
from tmfcore.bench import Entry
from tmfcore.bench.own import pushed, resource_game, simulated
from tmfcore.bench.problems import Floats, JostledBar, Playing

DOUBLES = types.CPointer(types.double)
ROW = types.intc(types.intc, types.intc, types.intc, DOUBLES, DOUBLES, DOUBLES, types.voidptr)


def jostled_bar(problem: JostledBar) -> tmf.Game:
    """The beach bar with wind where mu(x) > 1 / S; its size and wind are compiled in."""
    size, crowd = problem.size, 1.0 / problem.size
    side, middle, half = problem.WIND[0], problem.WIND[1], problem.size // 2

    @cfunc(ROW)
    def row(t, x, a, mu, probabilities, reward, user):
        if a < 0:
            probabilities[0] = 1.0
            reward[0] = 0.0
            return 0
        blown = mu[x] > crowd
        probabilities[0] = side if blown else 0.0
        probabilities[1] = middle if blown else 1.0
        probabilities[2] = side if blown else 0.0
        reward[0] = 1.0 - abs(x - half) / half - abs(a - 1) / size
        return 0

    return tmf.Game.compiled(
        row.address, size, 3, problem.steps, 1.0, problem.initial, successors=problem.successors,
        passive_successors=np.arange(size)[:, None], owner=row,
    )


def jostled_kernel(problem: JostledBar) -> Callable[[Floats], Floats]:
    """The kernel of that game as a compiled function of mu, (S, 3, 3)."""
    size, crowd = problem.size, 1.0 / problem.size
    side, middle = problem.WIND[0], problem.WIND[1]

    @njit
    def transition(mu):
        rows = np.empty((size, 3, 3))
        for x in range(size):
            blown = mu[x] > crowd
            aside, ahead = (side, middle) if blown else (0.0, 1.0)
            for a in range(3):
                rows[x, a, 0] = aside
                rows[x, a, 1] = ahead
                rows[x, a, 2] = aside
        return rows

    transition(problem.initial)
    return lambda mu: transition(mu)


def resources(problem: Playing) -> tmf.Game:
    """Resource selection, like the built-in game; its numbers come as user data."""
    size, like = problem.size, resource_game(problem)
    data = np.array([problem.step, problem.SWITCHING, *problem.values])

    @cfunc(ROW)
    def row(t, o, a, mu, probabilities, reward, user):
        numbers = carray(user, size + 2, np.float64)
        reward[0] = numbers[0] * (numbers[o + 2] - mu[o])
        if a < 0:
            probabilities[0] = 1.0
            return 0
        probabilities[0] = 1.0
        if a != o:
            reward[0] -= numbers[1]
        return 0

    places = np.arange(size)
    return tmf.Game.compiled(
        row.address, size, size, like.horizon, like.discount, like.initial,
        successors=np.broadcast_to(places[None, :, None], (size, size, 1)), passive_successors=places[:, None],
        user_data=data.ctypes.data, owner=(row, data),
    )


def jostled(problem: JostledBar) -> list[Entry]:
    """The kernel as whole tables, and by rows."""
    tables = tmf.Game(
        problem.size, 3, problem.steps, 1.0, problem.initial, problem.fixed_reward, jostled_kernel(problem),
        successors=problem.successors,
    )
    return [
        pushed(problem, tables, "tmfcore", "the kernel is a numba function of mu"),
        pushed(problem, jostled_bar(problem), "tmfcore, numba game", "every row by a numba cfunc"),
    ]


def compiled_game(problem: Playing) -> Entry:
    return simulated(problem, resources(problem), tmf.Sequential(), "agents", True, problem.steps, "tmfcore, numba game")


class NumbaGames:
    name, version = "tmfcore", tmf.__version__

    push_forward_mu = staticmethod(jostled)
    compiled_game = staticmethod(compiled_game)
