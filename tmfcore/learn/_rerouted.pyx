"""A game whose acting agents move by other rows: tables of one's own, by step, in place of those of a model.

Contract   rewards and passive rows are those of the base.
Cost       that of the base's rewards, and a copy of the rows of each step.
"""
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.model cimport Model, Tables, with_stand_ins
from tmfcore._model.wrapped cimport Wrapped


cdef class Rerouted(Wrapped):
    """A model with the active rows of a table.

    Parameters
    ----------
    base : Model
    rows : array_like of float, shape (L, S, A, S)
        Distributions, which the caller has checked; step t has the rows min(t, L - 1).
    """
    cdef readonly object rows
    cdef const double[:, :, :, ::1] row      # (L, S, A, K)
    cdef bint resting_varies

    def __init__(self, Model base not None, rows):
        S, A = base.n_observations, base.n_actions
        K = max(S, base.n_successors)            # a call of the base may write that many cells
        given = np.asarray(rows, np.float64)
        if given.ndim != 4 or given.shape[0] < 1 or given.shape[1:] != (S, A, S):
            raise ValueError(f"rows has shape {given.shape}; must be (L, {S}, {A}, {S}), L >= 1")
        padded = np.zeros((given.shape[0], S, A, K))
        padded[..., :S] = given
        successors = None
        if K > S:
            successors = np.zeros((S, A, K), np.int32)
            successors[..., :S] = np.arange(S)
        self.wrap(base, successors, base.legal)
        if base.legal is not None:
            padded = np.stack([with_stand_ins(self, each) for each in padded])
        padded.flags.writeable = False
        self.rows = self.row = padded
        self.resting_varies = not (base.passive_identity or base.constant_transition)
        self.constant_transition = padded.shape[0] == 1 and not self.resting_varies
        self.constant = base.constant and self.constant_transition
        self.differentiable, self.meets, self.in_parts = not self.resting_varies, False, base.in_parts

    cdef inline const double *rows_at(self, int t) noexcept nogil:
        return &self.row[min(max(t, 0), self.row.shape[0] - 1), 0, 0, 0]

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef Py_ssize_t K = self.n_successors
        self.base.row_at(t, observation, action, mu, probabilities, reward)
        if action >= 0:
            memcpy(probabilities, self.rows_at(t) + (observation * self.n_actions + action) * K, K * sizeof(double))
        return 0

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        cdef Py_ssize_t n_cells = self.n_passive_successors if action < 0 else self.n_successors
        memset(slope, 0, n_cells * self.n_observations * sizeof(double))
        memset(bend, 0, n_cells * sizeof(double))
        return 0

    cdef int row_pull(
        self, int t, const double *mu, const double *acting, const double *resting, const double *values,
        double *scratch, double *out
    ) except -1 nogil:
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Tables others = tables[0]
        if self.constant and not everything:
            return 0
        if self.in_parts:
            others.transition = NULL
        self.base.tables_at(t, mu, &others, True)
        if tables.transition != NULL and (everything or not (self.in_parts and self.constant_transition)):
            memcpy(tables.transition, self.rows_at(t),
                   self.n_observations * self.n_actions * self.n_successors * sizeof(double))
        return 0
