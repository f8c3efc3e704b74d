"""Work on large arrays in pieces."""

import signal
import warnings

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base import pieces
from tmfcore._base.arrays import as_float_array, check_entries


@pytest.mark.parametrize("n", [0, 1, 5, pieces.PIECE, pieces.PIECE + 1, 3 * pieces.PIECE])
def test_parts_cover_each_row_once(n):
    for width in (1, 7, 2 * pieces.PIECE):
        if width == 2 * pieces.PIECE and n > 5:
            continue
        found = list(pieces.parts(n, width))
        assert [i for part in found for i in (part.start, part.stop)] == sorted(i for part in found for i in (part.start, part.stop))
        assert sum(part.stop - part.start for part in found) == n
        assert all(part.stop - part.start <= max(1, pieces.PIECE // width) for part in found)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (pieces.PIECE + 3, 2)])
def test_copies_are_equal(shape):
    array = np.random.default_rng(1).random(shape)
    found = pieces.copied(array)
    np.testing.assert_array_equal(found, array)
    assert not np.shares_memory(found, array) and found.shape == array.shape and found.dtype == array.dtype


def test_handlers_of_signals_run_during_a_copy():
    array, seen = np.zeros(64 * pieces.PIECE, np.int8), []
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
        pieces.copied(array)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(seen) > 2


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 200])
def test_elementwise_is_the_whole_in_pieces(monkeypatch, n):
    monkeypatch.setattr(pieces, "PIECE", 64)
    rng, seen = np.random.default_rng(1), []
    one, other = rng.random(n), rng.random(n) < 0.5

    def function(one, other):
        seen.append(len(one))
        return np.where(other, one, 2.0)

    found = pieces.elementwise(function, one, other)
    np.testing.assert_array_equal(found, np.where(other, one, 2.0))
    assert found.dtype == np.float64 and max(seen) <= 64 and sum(seen) == n
    total = other.astype(float)
    pieces.add(3.0, one, total)
    np.testing.assert_array_equal(total, other + 3.0 * one)


@pytest.mark.parametrize("transposed", [False, True])
def test_large_arrays_are_checked_in_pieces(monkeypatch, transposed):
    """Of those that are good no mask is made of the whole; of those that are bad the first entry is named."""
    monkeypatch.setattr(pieces, "PIECE", 64)
    array, seen = np.zeros((50, 40)), []
    array = array.T if transposed else array

    def good(entries):
        seen.append(entries.size)
        return entries == 0

    check_entries(array, "x", good, "must be 0")
    assert max(seen) <= 64 and sum(seen) == array.size
    array[7, 3] = 5.0
    with pytest.raises(ValueError, match=r"x\[7, 3\] is 5; must be 0"):
        check_entries(array, "x", good, "must be 0")


def solved(solver, game, n_agents=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tmf.ConvergenceWarning)
        return solver.solve(game, tmf.Fraction(0.5), n_agents, rng=1)


@pytest.mark.parametrize("name", ["MFOMO", "Homotopy", "TMFPG", "TMFPG with entropy", "TMFPG of returns"])
@pytest.mark.broad(2)
def test_solvers_that_work_in_pieces_have_the_same_results(monkeypatch, name):
    """Entropy is summed up piece by piece, in another order."""
    legal = np.array([[True, True, True], [True, False, True], [True, True, False], [True, True, True]])
    game = tmf.games.resource_selection([1.0, 0.8, 0.6, 0.4], congestion=1.0, horizon=12)
    rows = np.random.default_rng(1).dirichlet(np.ones(4), (4, 3))
    if name in ("MFOMO", "Homotopy"):
        game = tmf.Game(4, 3, 8, 0.9, [0.25] * 4, lambda mu: np.outer(-mu, [1.0, 0.5, 0.8]), rows, legal=legal)
    options = {
        "MFOMO": {}, "Homotopy": {}, "TMFPG": {"replicas": 2}, "TMFPG with entropy": {"entropy": 0.1, "replicas": 2},
        "TMFPG of returns": {"critic": "returns", "replicas": 2},
    }[name]  # fmt: skip
    n_agents = None if name in ("MFOMO", "Homotopy") else 30
    solver = getattr(tmf.solvers, name.split()[0])(iterations=4, tolerance=1e-12, **options)
    whole = solved(solver, game, n_agents)
    monkeypatch.setattr(pieces, "PIECE", 20)
    found = solved(solver, game, n_agents)
    exact = 1e-10 if "entropy" in name else 0.0
    for get in (lambda one: one.flow.mu, lambda one: one.history["exploitability"]):
        np.testing.assert_allclose(get(found), get(whole), rtol=exact, atol=exact)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.float64])
def test_large_arguments_are_converted_in_pieces(order, dtype):
    array = np.asarray(np.arange(3 * pieces.PIECE).reshape(3, -1) % 100, dtype=dtype, order=order)
    for given in (array, array[:, ::2]):
        found = as_float_array(given, "x")
        assert found.dtype == np.float64 and found.flags.c_contiguous and not np.shares_memory(found, given)
        np.testing.assert_array_equal(found, given)
