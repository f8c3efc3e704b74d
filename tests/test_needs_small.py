"""Calls of small games do not ask for memory, which would slow them down: they need less than anybody compares."""

from math import prod

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base import needs
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.sizes import flow_needs, is_small, response_needs, value_needs
from tmfcore.solvers._problem import Problem

ALL = tmf.Synchronous()
EXACT = ["MirrorDescent", "FictitiousPlay", "FixedPoint", "PriorDescent", "Homotopy", "MFOMO", "Stationary"]


def game(S, A, T, wide):
    """Of S observations; with `wide` an agent can go anywhere, else it stays."""
    rows = np.full((S, A, S), 1 / S) if wide else np.ones((S, A, 1))
    places = {} if wide else {"successors": np.tile(np.arange(S)[:, None, None], (1, A, 1))}
    return tmf.Game(S, A, T, 1.0, np.full(S, 1 / S), lambda mu: np.zeros((S, A)), rows, **places)


def largest_small(S, A, wide, tables):
    """The longest horizon, and the game, that does not ask."""
    low, high = 1, 2**24
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_small(game(S, A, middle, wide), tables) else (low, middle)
    return low, game(S, A, low, wide)


SHAPES = [
    (1, 1, False),
    (1, 9, True),
    (2, 2, True),
    (3, 1, True),
    (40, 1, False),
    (2, 300, False),
    (90, 3, True),
    (700, 1, True),
]


@pytest.mark.parametrize(("S", "A", "wide"), SHAPES)
def test_the_limit_of_what_asks_nobody(S, A, wide):
    T, longest = largest_small(S, A, wide, 4)
    assert not is_small(game(S, A, T + 1, wide))
    active = active_fractions(longest, ALL, None)
    needed = flow_needs(longest, active, 1) | value_needs(longest) | response_needs(longest)
    assert sum(map(prod, needed.values())) < needs.SMALL


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(("S", "A", "wide"), SHAPES)
def test_solvers_that_ask_nobody(name, S, A, wide):
    solver = getattr(tmf.solvers, name)()
    for n in (1, 3):
        tables = n * solver._n_tables
        longest = largest_small(S, A, wide, tables)[1]
        problem = Problem(longest, ALL, None, "schedule")
        assert solver._is_small(problem, n) == is_small(longest, tables)
        if is_small(longest, tables):  # else one step is too much
            assert n * sum(map(prod, solver._needs(problem).values())) < needs.SMALL


def test_a_limit_and_an_estimate_are_for_small_games_too():
    tiny = game(2, 2, 10, True)
    assert is_small(tiny)
    with tmf.max_memory("1 GB"):
        assert not is_small(tiny)
    with tmf.max_memory("10 B"), pytest.raises(MemoryError, match="max_memory is 10 B"):
        tmf.exploitability(tiny, np.full((2, 2), 0.5), ALL)
    with tmf.max_memory("10 B"), pytest.raises(MemoryError, match="max_memory is 10 B"):
        tmf.solve(tiny, ALL)
    assert tmf.estimate(tmf.mean_field, tiny, np.full((2, 2), 0.5), ALL).bytes > 0


def test_the_error_for_a_seed_is_that_of_every_verb():
    tiny = game(2, 2, 10, True)
    for name in ("seed", "random_state"):
        for call in (tmf.solve, tmf.solvers.TMFPG().solve):
            with pytest.raises(TypeError, match=f"solve\\(\\) has no argument '{name}'; pass rng=3"):
                call(tiny, ALL, n_agents=10, **{name: 3})
    with pytest.raises(TypeError, match="unexpected keyword argument 'sed'"):
        tmf.solve(tiny, ALL, sed=3)
