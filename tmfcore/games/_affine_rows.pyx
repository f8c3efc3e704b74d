"""Rows that are affine in mu, stored by their values at the corners of the simplex; see _affine.

Notation   K cells, S observations; y an observation whose share enters the formula; e_y the corner where all agents are
           at y.
Contract   rows are distributions at every corner, hence at every mu; this is checked when they are made.
"""
from libc.math cimport fabs
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.entries import all_distributions
from tmfcore._base.rows import ROW_TOLERANCE

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef extern from "_limit/values.h" nogil:
    void tmf_row_values(const double *reward, const double *table, const double *values, const double *other,
                        double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)

cdef enum:
    BUFFER = 256
    LONG = 32          # cells of a dense row at all corners, from which means of rows are faster (bench/test_altruism)

cdef double ROUNDING = 1e-12           # negative entries up to this share of their terms are rounding, and set to 0


cdef class Rows:

    def __init__(self, str name, base, slopes, Py_ssize_t n_observations):
        cdef const double[:, ::1] first, constants
        cdef const double[::1] corner
        cdef const Py_ssize_t[::1] slot
        cdef const Py_ssize_t[:, ::1] runs
        cdef const double[::1] zeros
        n_cells = base.shape[base.ndim - 1]
        constants = table = np.ascontiguousarray(base.reshape(-1, n_cells))
        self.n_rows = len(table)
        self.n_cells = n_cells
        self.n_observations = n_observations
        if slopes is None:
            if not all_distributions(table, n_cells, ROW_TOLERANCE):
                check_rows(name, base[..., None], True)
            kept, slots, bounds = np.zeros(0), np.full(self.n_rows, -1, np.intp), np.zeros((0, 2), np.intp)
            self.constant = True
        else:
            at_corners = corners_of(base, slopes)
            check_rows(name, at_corners, False)
            at_corners = at_corners.reshape(-1, n_cells, at_corners.shape[at_corners.ndim - 1])
            varying = (at_corners != at_corners[:, :, :1]).any((1, 2))
            table = at_corners[:, :, 0]
            kept = at_corners[varying].reshape(-1)
            self.constant = not varying.any()
            edges = np.flatnonzero(np.diff(np.concatenate([[False], varying, [False]])))
            bounds = np.ascontiguousarray(np.stack([edges[::2], edges[1::2] - edges[::2]], -1), np.intp)
            slots = np.where(varying, np.cumsum(varying) - 1, -1).astype(np.intp)
        self.n_runs = len(bounds)
        self.arrays = (np.array(table, np.float64, order="C"), kept, slots, bounds, np.zeros(self.n_rows * n_cells),
                       constants)
        first, corner, slot, runs, zeros, _ = self.arrays
        self.rigid = self.constant and np.array_equal(first, constants)
        self.base = &constants[0, 0]
        self.first = &first[0, 0]
        self.slot = &slot[0]
        self.zeros = &zeros[0]
        if self.n_runs:
            self.corner = &corner[0]
            self.run = &runs[0, 0]

    cdef void row(self, Py_ssize_t i, const double *mu, double *out) noexcept nogil:
        cdef Py_ssize_t K = self.n_cells, S = self.n_observations
        if self.slot[i] < 0:
            memcpy(out, self.first + i * K, K * sizeof(double))
        else:
            tmf_row_values(self.zeros, self.corner + self.slot[i] * K * S, mu, NULL, 1.0, K, S, out, NULL)

    cdef void corner_row(self, Py_ssize_t i, Py_ssize_t y, double *out) noexcept nogil:
        """The row where all agents are at y."""
        cdef Py_ssize_t K = self.n_cells, S = self.n_observations, k
        cdef const double *corners
        if self.slot[i] < 0:                    # a constant row has no corners
            memcpy(out, self.first + i * K, K * sizeof(double))
            return
        corners = self.corner + self.slot[i] * K * S
        for k in range(K):
            out[k] = corners[k * S + y]

    cdef void fill(self, const double *mu, double *out, bint everything) noexcept nogil:
        """Write all rows at mu; unless `everything`, `out` holds the rows of another mu, and constant ones are kept."""
        cdef Py_ssize_t K = self.n_cells, S = self.n_observations
        cdef Py_ssize_t i, start
        if everything:
            memcpy(out, self.first, self.n_rows * K * sizeof(double))
        for i in range(self.n_runs):
            start = self.run[2 * i]
            tmf_row_values(self.zeros, self.corner + self.slot[start] * K * S, mu, NULL, 1.0, self.run[2 * i + 1] * K,
                           S, out + start * K, NULL)

    cdef void slopes(self, Py_ssize_t i, double *slope, double *bend) noexcept nogil:
        cdef Py_ssize_t K = self.n_cells, S = self.n_observations
        memset(bend, 0, K * sizeof(double))
        if self.slot[i] < 0:
            memset(slope, 0, K * S * sizeof(double))
        else:
            memcpy(slope, self.corner + self.slot[i] * K * S, K * S * sizeof(double))

    cdef void pull(
        self, const double *weights, const double *values, const int32_t *successor, double *scratch, double *out
    ) noexcept nogil:
        cdef Py_ssize_t K = self.n_cells, S = self.n_observations
        cdef Py_ssize_t i, k, run, n = 0
        cdef const double *corners = self.corner
        cdef double weight
        cdef double cells[BUFFER]               # of neighbouring rows, for one pass over their corners
        if successor == NULL and K * S >= LONG:     # the mean of all rows first, whose cells are the same observations
            memset(scratch, 0, K * S * sizeof(double))
            for run in range(self.n_runs):
                i = self.run[2 * run]
                tmf_add_rows(weights + i, self.corner + self.slot[i] * K * S, self.run[2 * run + 1], K * S, scratch)
            tmf_add_rows(values, scratch, K, S, out)
            return
        for run in range(self.n_runs):
            for i in range(self.run[2 * run], self.run[2 * run] + self.run[2 * run + 1]):
                weight = weights[i]
                for k in range(K):
                    cells[n] = weight * values[k if successor == NULL else successor[i * K + k]]
                    n += 1
                    if n == BUFFER:
                        tmf_add_rows(cells, corners, n, S, out)
                        corners += n * S
                        n = 0
        if n > 0:
            tmf_add_rows(cells, corners, n, S, out)

    cdef void stretch(self, Py_ssize_t first, Py_ssize_t n, double mass, double *rows) noexcept nogil:
        # base + sum_y slope(y) mu(y) = sum_y corner(y) mu(y) + (1 - mass) base
        cdef Py_ssize_t i, k, K = self.n_cells
        cdef double scale, constant
        for i in range(n):
            scale = mass if self.slot[first + i] < 0 else 1.0
            for k in range(K):
                constant = (1 - mass) * self.base[(first + i) * K + k]
                rows[k] = scale * rows[k] + constant
                if rows[k] < 0 and rows[k] >= -ROUNDING * (mass + fabs(constant)):
                    rows[k] = 0
            rows += K

    @property
    def shape(self):
        """(n, K)"""
        return self.n_rows, self.n_cells

    def terms(self, Py_ssize_t first, Py_ssize_t n, matrix not None):
        """Rows first..first + n - 1 of the formula, with each column of a matrix in place of mu, as two terms.

        Parameters
        ----------
        matrix : sparse array of float64, shape (S, M)

        Returns
        -------
        constants : ndarray of float64, shape (n, K)
        moved : ndarray of float64, shape (n, K, M)
            Slopes times columns; the rows are the sum of both terms.
        """
        cdef Py_ssize_t i, k, y, at, K = self.n_cells, S = self.n_observations
        cdef double[:, :, ::1] slopes = np.empty((n, K, S))
        cdef double[:, ::1] constants = np.empty((n, K))
        if first < 0 or n < 0 or first + n > self.n_rows:
            raise ValueError(f"first is {first} and n is {n}; must lie within the {self.n_rows} rows")
        for i in range(n):
            at = self.slot[first + i]
            for k in range(K):
                constants[i, k] = self.base[(first + i) * K + k]
                for y in range(S):
                    slopes[i, k, y] = (self.first[(first + i) * K + k] if at < 0
                                       else self.corner[(at * K + k) * S + y]) - constants[i, k]
        moved = (matrix.T @ np.asarray(slopes).reshape(n * K, S).T).T
        return np.asarray(constants), moved.reshape(n, K, -1)


cdef object corners_of(base, slopes):
    """base (..., K) + slopes (..., K, S), the rows at every corner; entries that are 0 up to rounding are set to 0."""
    at_corners = base[..., None] + slopes
    at_corners[np.abs(at_corners) <= 4 * np.finfo(np.float64).eps * np.abs(slopes)] = 0.0
    return at_corners


cdef int check_rows(str name, at_corners, bint constant) except -1:
    """Raise ValueError unless the rows (..., K, S), or (..., K, 1) if constant, are distributions at every corner."""
    bad = np.argwhere(~(at_corners >= 0))
    if len(bad):
        *row, k, y = (int(i) for i in bad[0])
        raise ValueError(
            f"{row_name(name, row, y, constant)} has entry [{k}] = {at_corners[(*row, k, y)]:.6g}; each must be >= 0 "
            f"({len(bad)} of {at_corners.size} entries are bad)")
    sums = at_corners.sum(at_corners.ndim - 2)
    bad = np.argwhere(~(np.abs(sums - 1) <= ROW_TOLERANCE))
    if len(bad):
        *row, y = (int(i) for i in bad[0])
        raise ValueError(
            f"{row_name(name, row, y, constant)} sums to {sums[(*row, y)]:.10g}; each row must sum to 1 within "
            f"{ROW_TOLERANCE:g} ({len(bad)} of {sums.size} rows are bad)")
    return 0


cdef str row_name(str name, list row, int y, bint constant):
    if constant:
        return f"{name}0{row}"
    return f"{name}0{row} + {name}_mu{row}[:, {y}], the row where all agents are at y = {y},"
