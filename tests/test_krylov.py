"""GMRES, against the solution, against the minimum over the Krylov space, and against scipy's."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator
from scipy.sparse.linalg import gmres as of_scipy

from tmfcore._base import pieces
from tmfcore.solvers._krylov import gmres


def system(n, seed=1):
    rng = np.random.default_rng(seed)
    return np.eye(n) + 0.5 * rng.standard_normal((n, n)) / np.sqrt(n), rng.standard_normal(n)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_with_all_directions_it_solves(n):
    matrix, wanted = system(n)
    found = gmres(lambda v: matrix @ v, wanted, 0.0, n)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, wanted), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("piece", [7, pieces.PIECE])
def test_with_few_directions_the_residual_is_the_least_of_the_space(monkeypatch, k, piece):
    monkeypatch.setattr(pieces, "PIECE", piece)
    matrix, wanted = system(30)
    space = np.stack([np.linalg.matrix_power(matrix, i) @ wanted for i in range(k)], axis=1)
    best = space @ np.linalg.lstsq(matrix @ space, wanted)[0]
    calls = []

    def product(vector):
        calls.append(vector.copy())
        return matrix @ vector

    found = gmres(product, wanted, 0.0, k)
    assert len(calls) == k
    np.testing.assert_allclose(found, best, rtol=1e-8, atol=1e-10)
    scipys, _ = of_scipy(LinearOperator((30, 30), matvec=product), wanted, rtol=1e-300, restart=k, maxiter=1)
    np.testing.assert_allclose(found, scipys, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tolerance", [0.3, 1e-2, 1e-6])
def test_it_ends_at_the_first_residual_that_is_small_enough(tolerance):
    matrix, wanted = system(40)
    calls = []

    def product(vector):
        calls.append(1)
        return matrix @ vector

    found = gmres(product, wanted, tolerance, 40)
    k = len(calls)
    assert np.linalg.norm(matrix @ found - wanted) <= tolerance * np.linalg.norm(wanted) * (1 + 1e-9)
    less = gmres(lambda v: matrix @ v, wanted, 0.0, k - 1)
    assert np.linalg.norm(matrix @ less - wanted) > tolerance * np.linalg.norm(wanted)


def test_spaces_that_end_early():
    """An invariant space, a product of zeros, nothing wanted, and products that are not numbers."""
    np.testing.assert_allclose(gmres(lambda v: 2.0 * v, np.arange(5.0), 0.0, 5), np.arange(5.0) / 2)
    assert not gmres(np.zeros_like, np.ones(5), 1e-3, 5).any()
    assert not gmres(lambda v: v + 1, np.zeros(5), 1e-3, 5).any()
    calls = []

    def broken(vector):
        calls.append(1)
        return np.full(5, np.nan)

    gmres(broken, np.ones(5), 1e-3, 5)
    assert len(calls) == 1
