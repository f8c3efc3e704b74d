"""Policies: tables of action probabilities by stage, softmax of logits affine in mu, or a Python callable.

Source     Theory, sections 1 and 7.  Notation: S observations, A actions, L stages, T steps.
Contract   every row that a kernel receives is a distribution: tables are checked once, callables at every call.
"""
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.rows import settled

from tmfcore._model.model cimport TOLERANCE, check_row

cdef extern from "_base/simd/check.h" nogil:
    int tmf_distributions(const double *rows, Py_ssize_t n_rows, Py_ssize_t n_cells, double tolerance)

cdef extern from "_model/softmax.h" nogil:
    bint tmf_softmax(double *logits, Py_ssize_t n_rows, Py_ssize_t n_actions, double *pi)

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)


cdef int check_logits(theta) except -1:
    """Raise ValueError unless the logits (..., A) are finite or -inf, and one in each row is finite."""
    fine = np.isfinite(theta) | np.isneginf(theta)
    if not fine.all():
        index = np.argwhere(~fine)[0]
        raise ValueError(f"theta{[int(j) for j in index]} is {theta[tuple(index)]}; must be finite, or -inf for an "
                         "action that is never taken")
    none = ~np.isfinite(theta).any(axis=-1)
    if none.any():
        index = [int(j) for j in np.argwhere(none)[0]]
        raise ValueError(f"theta{index} is -inf for every action; must be finite for at least one")
    return 0


def softmax(theta):
    """Softmax over the last axis of theta (..., A), finite or -inf; ValueError otherwise."""
    out = np.array(theta, np.float64, order="C")
    cdef double[:, ::1] rows
    if not np.isfinite(out).all():
        check_logits(out)
    if out.size:
        rows = out.reshape(-1, out.shape[out.ndim - 1])
        tmf_softmax(&rows[0, 0], rows.shape[0], rows.shape[1], &rows[0, 0])
    return out


cdef class Policy:
    """Action probabilities pi_t(a | o, mu); abstract.

    Attributes
    ----------
    n_observations, n_actions, n_stages : int
        S, A and L.
    depends_on_mu : bool
        The probabilities depend on mu, or on t by more than the stage.
    differentiable : bool
        Their exact derivatives in mu are known.
    """

    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        with gil:
            raise NotImplementedError(f"{type(self).__name__} does not override table_at")

    cdef int row_at(
        self, int t, int horizon, Py_ssize_t observation, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        self.table_at(t, horizon, mu, buffer, out)
        out[0] += observation * self.n_actions
        return 0

    cdef int slopes_at(
        self, int t, int horizon, Py_ssize_t observation, const double *pi, const double *directions, Py_ssize_t n,
        double *first, double *second
    ) except -1 nogil:
        with gil:
            raise NotImplementedError(f"{type(self).__name__} does not override slopes_at")

    def probabilities(self, const double[::1] mu not None, int t, int horizon):
        """Action probabilities (S, A) float64 at step t of `horizon` and population mu (S,)."""
        cdef double[:, ::1] buffer = np.empty((self.n_observations, self.n_actions))
        cdef const double *table
        if mu.shape[0] != self.n_observations:
            raise ValueError(f"mu has shape ({mu.shape[0]},); must be ({self.n_observations},)")
        if not 0 <= t < horizon:
            raise ValueError(f"t is {t}; must lie in 0..{horizon - 1}")
        with nogil:
            self.table_at(t, horizon, &mu[0], &buffer[0, 0], &table)
            if table != &buffer[0, 0]:
                memcpy(&buffer[0, 0], table, self.n_observations * self.n_actions * sizeof(double))
        return np.asarray(buffer)


cdef class TablePolicy(Policy):
    """Probabilities (L, S, A) by stage; kernels read the attribute `table`, a read-only copy, in place.

    `own`: the array itself is taken, and becomes read-only; it must be of float64 and C-contiguous.
    """
    cdef const double[:, :, ::1] stages
    cdef readonly object table

    def __init__(self, probabilities, bint own=False):
        cdef Py_ssize_t l, o
        array = probabilities if own else np.array(probabilities, np.float64, order="C")
        array.flags.writeable = False
        self.stages = self.table = array
        self.n_stages = array.shape[0]
        self.n_observations = array.shape[1]
        self.n_actions = array.shape[2]
        self.differentiable = True
        if array.size == 0:
            raise ValueError(f"probabilities has shape {array.shape}; must have at least one entry in each axis")
        if tmf_distributions(&self.stages[0, 0, 0], self.n_stages * self.n_observations, self.n_actions, TOLERANCE):
            return
        for l in range(self.n_stages):
            for o in range(self.n_observations):
                try:
                    check_row(&self.stages[l, o, 0], self.n_actions, 0, 0, <int>o, -1)
                except ValueError:
                    raise ValueError(
                        f"probabilities[{l}, {o}] is {[float(p) for p in array[l, o]]}, which sums to "
                        f"{float(array[l, o].sum()):.10g}; each row must be >= 0 and sum to 1 within 1e-08"
                    ) from None

    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        out[0] = &self.stages[stage_of(t, horizon, self.n_stages), 0, 0]
        return 0

    cdef int row_at(
        self, int t, int horizon, Py_ssize_t observation, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        out[0] = &self.stages[stage_of(t, horizon, self.n_stages), observation, 0]
        return 0

    cdef int slopes_at(
        self, int t, int horizon, Py_ssize_t observation, const double *pi, const double *directions, Py_ssize_t n,
        double *first, double *second
    ) except -1 nogil:
        memset(first, 0, self.n_actions * n * sizeof(double))
        memset(second, 0, self.n_actions * n * sizeof(double))
        return 0


cdef class AffinePolicy(Policy):
    """Softmax of logits affine in mu: theta[l, o, a, 0] + sum_x theta[l, o, a, 1 + x] mu(x).

    theta[l, o, a, 0] = -inf: action a is never taken, and `logits` (L, S, A), the constants, says so.
    """
    cdef const double[:, :, :, ::1] theta
    cdef readonly object logits

    def __init__(self, theta):
        array = np.array(theta, np.float64, order="C")
        array.flags.writeable = False
        self.theta = array
        self.n_stages = array.shape[0]
        self.n_observations = array.shape[1]
        self.n_actions = array.shape[2]
        self.depends_on_mu = True
        self.differentiable = True
        if array.size == 0 or array.shape[3] != 1 + self.n_observations:
            raise ValueError(f"theta has shape {array.shape}; must be (L, S, A, 1 + S)")
        self.logits = array[..., 0]
        if not np.isfinite(array[..., 1:]).all():
            index = np.argwhere(~np.isfinite(array[..., 1:]))[0] + [0, 0, 0, 1]
            raise ValueError(f"theta{[int(i) for i in index]} is {array[tuple(index)]}; must be finite")
        if not np.isfinite(self.logits).all():
            check_logits(self.logits)

    cdef int fill(
        self, int t, int horizon, const double *mu, Py_ssize_t first, Py_ssize_t last, double *rows
    ) except -1 nogil:
        """Write the rows (A,) of observations first..last - 1 to `rows`."""
        cdef Py_ssize_t o, a, x, A = self.n_actions
        cdef const double *weights = &self.theta[stage_of(t, horizon, self.n_stages), first, 0, 0]
        cdef double *row = rows
        for o in range(first, last):
            for a in range(A):
                row[a] = weights[0]
                for x in range(self.n_observations):
                    row[a] += weights[1 + x] * mu[x]
                if not isfinite(row[a]) and weights[0] != -INFINITY:
                    with gil:
                        raise ValueError(f"the logits of observation {o} at t={t} are not finite: theta is too large")
                weights += 1 + self.n_observations
            row += A
        tmf_softmax(rows, last - first, A, rows)
        return 0

    cdef int row_at(
        self, int t, int horizon, Py_ssize_t observation, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        out[0] = buffer + observation * self.n_actions
        return self.fill(t, horizon, mu, observation, observation + 1, buffer + observation * self.n_actions)

    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        out[0] = buffer
        return self.fill(t, horizon, mu, 0, self.n_observations, buffer)

    cdef int slopes_at(
        self, int t, int horizon, Py_ssize_t observation, const double *pi, const double *directions, Py_ssize_t n,
        double *first, double *second
    ) except -1 nogil:
        # Let s(a) be the slope of logit a, and <s> and var(s) its mean and variance under pi. Then
        # pi' = pi (s - <s>), pi'' = pi ((s - <s>)^2 - var(s)).
        cdef Py_ssize_t l = stage_of(t, horizon, self.n_stages)
        cdef Py_ssize_t A = self.n_actions
        cdef Py_ssize_t a, k
        cdef double excess, mean, variance
        memset(first, 0, A * n * sizeof(double))
        for a in range(A):
            tmf_add_rows(&self.theta[l, observation, a, 1], directions, self.n_observations, n, first + a * n)
        for k in range(n):
            mean = variance = 0
            for a in range(A):
                mean += pi[a] * first[a * n + k]
            for a in range(A):
                excess = first[a * n + k] - mean
                variance += pi[a] * excess * excess
            for a in range(A):
                excess = first[a * n + k] - mean
                first[a * n + k] = pi[a] * excess
                second[a * n + k] = pi[a] * (excess * excess - variance)
        return 0


cdef class CallablePolicy(Policy):
    """Probabilities from a Python callable f(mu, t) -> (S, A), checked at every call.

    `legal`, (S, A) booleans or None: which entries may be positive. `name`: that of the argument, for errors.
    """
    cdef object function, legal
    cdef str name

    def __init__(self, function, Py_ssize_t n_observations, Py_ssize_t n_actions, legal=None, str name="policy"):
        if not callable(function):
            raise TypeError(f"{name} is {type(function).__name__}; must be callable")
        self.function = function
        self.name = name
        self.legal = legal
        self.n_observations = n_observations
        self.n_actions = n_actions
        self.n_stages = 1
        self.depends_on_mu = True

    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        self.call(t, mu, buffer)
        out[0] = buffer
        return 0

    cdef int call(self, int t, const double *mu, double *buffer) except -1 with gil:
        cdef const double[:, ::1] table
        cdef Py_ssize_t o, S = self.n_observations, A = self.n_actions
        population = np.array(<const double[:S]>mu)
        population.flags.writeable = False
        array = np.array(self.function(population, t), np.float64, order="C")
        if array.shape != (S, A):
            raise ValueError(f"{self.name}(mu, t={t}) has shape {array.shape}; must be {(S, A)}")
        table = array
        if not tmf_distributions(&table[0, 0], S, A, TOLERANCE):
            table = array = settled(array)
        memcpy(buffer, &table[0, 0], S * A * sizeof(double))
        for o in range(S):
            try:
                check_row(buffer + o * A, A, 0, t, <int>o, -1)
            except ValueError:
                raise ValueError(
                    f"{self.name}(mu, t={t})[{o}] is {[float(p) for p in array[o]]}, which sums to "
                    f"{float(array[o].sum()):.10g}; each row must be >= 0 and sum to 1 within 1e-08"
                ) from None
        if self.legal is not None:
            refuse_weight(f"{self.name}(mu, t={t})", array, self.legal)
        return 0


cdef int refuse_weight(str name, array, legal) except -1:
    """Raise ValueError if a table (S, A) has a positive entry at an illegal action."""
    bad = (array > 0) & ~legal
    if bad.any():
        o, a = (int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name}[{o}, {a}] is {float(array[o, a]):.6g}; must be 0: game.legal[{o}, {a}] is False, and "
                         f"legal at observation {o} are the actions {legal[o].nonzero()[0].tolist()}")
    return 0


cdef class LegalPolicy(Policy):
    """A compiled policy whose tables are checked at every use: illegal actions must have probability 0."""
    cdef Policy base
    cdef object allowed
    cdef const uint8_t[:, ::1] legal

    def __init__(self, Policy base not None, legal):
        self.base, self.allowed = base, legal
        self.legal = np.ascontiguousarray(legal).view(np.uint8)
        if self.legal.shape[0] != base.n_observations or self.legal.shape[1] != base.n_actions:
            raise ValueError(f"legal has shape {legal.shape}; must be ({base.n_observations}, {base.n_actions})")
        self.n_observations, self.n_actions, self.n_stages = base.n_observations, base.n_actions, base.n_stages
        self.depends_on_mu, self.differentiable = base.depends_on_mu, base.differentiable

    cdef int check(self, int t, Py_ssize_t first, Py_ssize_t last, const double *rows) except -1 nogil:
        """Raise if one of the rows (A,) of observations first..last - 1 has weight on an illegal action."""
        cdef Py_ssize_t o, a, A = self.n_actions
        for o in range(first, last):
            for a in range(A):
                if rows[(o - first) * A + a] > 0 and not self.legal[o, a]:
                    with gil:
                        table = np.zeros((self.n_observations, A))
                        table[o, a] = rows[(o - first) * A + a]
                        refuse_weight(f"policy at t={t}, in row", table, self.allowed)
        return 0

    cdef int table_at(
        self, int t, int horizon, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        self.base.table_at(t, horizon, mu, buffer, out)
        return self.check(t, 0, self.n_observations, out[0])

    cdef int row_at(
        self, int t, int horizon, Py_ssize_t observation, const double *mu, double *buffer, const double **out
    ) except -1 nogil:
        self.base.row_at(t, horizon, observation, mu, buffer, out)
        return self.check(t, observation, observation + 1, out[0])

    cdef int slopes_at(
        self, int t, int horizon, Py_ssize_t observation, const double *pi, const double *directions, Py_ssize_t n,
        double *first, double *second
    ) except -1 nogil:
        return self.base.slopes_at(t, horizon, observation, pi, directions, n, first, second)
