"""Buffers for one run of a kernel: rewards, rows and action probabilities at the current (t, mu).

An Evaluator belongs to one thread. Threads share the Model and the Policy, which kernels only read.
"""
from libc.stdlib cimport free
from libc.string cimport memset

import numpy as np

from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport checked_row

cdef extern from "_base/simd/lanes.h" nogil:
    double *tmf_align(void *memory)
    Py_ssize_t TMF_LINE


cdef enum:
    KEPT_BYTES = 1 << 26

_BY_OBSERVATION = np.array([float(BY_OBSERVATION)])
_BY_OBSERVATION.flags.writeable = False


cdef int check_horizon(object horizon) except -1:
    if not 1 <= horizon < 2**31:
        raise ValueError(f"horizon is {horizon}; must lie in 1..{2**31 - 1}")
    return 0


cdef int check_active(Py_ssize_t n_active, Py_ssize_t horizon) except -1:
    if n_active != 1 and n_active != horizon:
        raise ValueError(f"active has {n_active} entries; must have 1 or {horizon}")
    return 0


def keep_kernels(Model model not None, horizon, double most_bytes=KEPT_BYTES):
    """Allocates for the kernels of all steps of one flow, if reuse saves calls of a user's function.

    Parameters
    ----------
    model : Model
    horizon : int
        T.
    most_bytes : float
        Bytes that the kernels may take; default 64 MB.

    Returns
    -------
    Kept or None
        None: the kernels are constant, or are evaluated together with the rewards, or take more than most_bytes.
    """
    cdef Py_ssize_t S = model.n_observations
    cdef double size = (<double>S * model.n_actions * model.n_successors + <double>S * model.n_passive_successors)
    check_horizon(horizon)
    if model.constant_transition or not model.in_parts or size * horizon * sizeof(double) > most_bytes:
        return None
    return Kept(<Py_ssize_t>size, horizon)


cdef class Kept:
    """Kernels of all steps of one flow: the forward pass evaluates them, the backward pass of values reuses them.

    Parameters
    ----------
    size : int
        Cells of a step.
    horizon : int
        T.
    """

    def __cinit__(self, Py_ssize_t size, Py_ssize_t horizon):
        self.size = size
        self.kernels = <double *>room_for(<double>size * horizon, sizeof(double), b"the kernels of a flow")
        self.filled = <bint *>room_for(horizon, sizeof(bint), b"the kernels of a flow")
        memset(self.filled, 0, horizon * sizeof(bint))

    def __dealloc__(self):
        free(self.kernels)
        free(self.filled)


cdef class Evaluator:

    def __cinit__(self, Model model not None, Policy policy, horizon):
        cdef Py_ssize_t S = model.n_observations, A = model.n_actions
        cdef Py_ssize_t K = model.n_successors, K0 = model.n_passive_successors
        if policy is not None and (policy.n_observations != S or policy.n_actions != A):
            raise ValueError(f"policy is for {policy.n_observations} observations and {policy.n_actions} actions; "
                             f"the game has {S} and {A}")
        check_horizon(horizon)
        self.model = model
        self.policy = policy
        self.horizon = horizon
        self.n_observations = S
        self.n_actions = A
        self.n_successors = K
        self.n_passive_successors = K0
        self.memory = room_for(2.0 * S * A + <double>S * A * K + S + <double>S * K0 + TMF_LINE, sizeof(double),
                               b"the tables of the game")
        self.tables.transition = tmf_align(self.memory)
        self.tables.reward = self.tables.transition + S * A * K
        self.tables.passive_reward = self.tables.reward + S * A
        self.tables.passive_transition = self.tables.passive_reward + S
        self.pi_buffer = self.tables.passive_transition + S * K0

    def __dealloc__(self):
        free(self.memory)
        free(self.turned_memory)

    cdef const double[::1] activate(self, active):
        cdef const double[::1] fractions
        if isinstance(active, ActingShares):
            self.acting = active
            self.acting.check(self.n_observations, self.horizon)
            self.share_rows = np.empty((1, self.n_observations))
            return _BY_OBSERVATION
        fractions = active
        check_active(fractions.shape[0], self.horizon)
        return fractions

    cdef int keep_shares(self) except -1:
        if self.acting is not None and self.acting.rows is None:
            self.share_rows = np.empty((self.horizon, self.n_observations))
        return 0

    cdef int shares_at(self, int t, const double *mu) except -1 nogil:
        cdef Py_ssize_t row = t if self.share_rows.shape[0] > 1 else 0
        return self.acting.at(t, mu, self.n_observations, &self.share_rows[row, 0], &self.shares)

    cdef void recall_shares(self, Py_ssize_t t) noexcept nogil:
        if self.acting.rows is not None:
            self.shares = &self.acting.rows[t if self.acting.rows.shape[0] > 1 else 0, 0]
        else:
            self.shares = &self.share_rows[t if self.share_rows.shape[0] > 1 else 0, 0]

    cdef int keep(self, Kept kept) except -1:
        self.kept = kept
        return 0

    cdef int kept_at(self, int t, const double *mu, bint with_rewards) except -1 nogil:
        """Point to the kernels kept for step t and evaluate them on first use; evaluate the rewards if asked."""
        cdef Tables wanted
        self.tables.transition = self.kept.kernels + t * self.kept.size
        self.tables.passive_transition = (
            self.tables.transition + self.n_observations * self.n_actions * self.n_successors)
        wanted = self.tables
        if not self.kept.filled[t]:
            wanted.reward = wanted.passive_reward = NULL
            self.model.tables_at(t, mu, &wanted, True)
            self.kept.filled[t] = True
        if with_rewards:
            wanted = self.tables
            wanted.transition = wanted.passive_transition = NULL
            self.model.tables_at(t, mu, &wanted, not self.filled)
            self.filled = True
        return 0

    cdef int tables_at(self, int t, const double *mu) except -1 nogil:
        if self.acting is not None:
            self.shares_at(t, mu)
        if self.kept is not None:
            return self.kept_at(t, mu, True)
        if not self.filled:
            self.model.tables_at(t, mu, &self.tables, True)
            self.filled = self.transitions_filled = True
        elif not self.model.constant:
            self.model.tables_at(t, mu, &self.tables, False)
        return 0

    cdef int at(self, int t, const double *mu) except -1 nogil:
        self.tables_at(t, mu)
        self.policy.table_at(t, self.horizon, mu, self.pi_buffer, &self.pi)
        return 0

    cdef int passive_at(self, int t, const double *mu) except -1 nogil:
        cdef Py_ssize_t o
        for o in range(self.n_observations):
            checked_row(self.model, t, <int>o, -1, mu, self.tables.passive_transition + o * self.n_passive_successors,
                        self.tables.passive_reward + o)
        self.policy.table_at(t, self.horizon, mu, self.pi_buffer, &self.pi)
        return 0

    cdef int transitions_at(self, int t, const double *mu) except -1 nogil:
        cdef Tables wanted = self.tables
        if self.acting is not None:
            self.shares_at(t, mu)
        if self.kept is not None:
            self.kept_at(t, mu, False)
            self.policy.table_at(t, self.horizon, mu, self.pi_buffer, &self.pi)
            return 0
        if self.model.in_parts:
            wanted.reward = wanted.passive_reward = NULL
        if not self.transitions_filled or not self.model.constant_transition:
            self.model.tables_at(t, mu, &wanted, not self.transitions_filled)
            self.transitions_filled = True
        self.policy.table_at(t, self.horizon, mu, self.pi_buffer, &self.pi)
        return 0
