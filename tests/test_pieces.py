"""Work on large arrays in pieces."""

import signal

import numpy as np
import pytest

from tmfcore._base import pieces
from tmfcore._base.arrays import as_float_array


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


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.float64])
def test_large_arguments_are_converted_in_pieces(order, dtype):
    array = np.asarray(np.arange(3 * pieces.PIECE).reshape(3, -1) % 100, dtype=dtype, order=order)
    for given in (array, array[:, ::2]):
        found = as_float_array(given, "x")
        assert found.dtype == np.float64 and found.flags.c_contiguous and not np.shares_memory(found, given)
        np.testing.assert_array_equal(found, given)
