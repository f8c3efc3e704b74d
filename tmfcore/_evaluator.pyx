"""Buffers for one run of a kernel: rewards, rows and action probabilities at the current (t, mu).

One Evaluator belongs to one thread; the Model and Policy behind it are shared and never written to.
"""
from libc.stdlib cimport free, malloc

from tmfcore._model cimport checked_row

cdef extern from "lanes.h" nogil:
    double *tmf_align(void *memory)
    Py_ssize_t TMF_LINE


cdef class Evaluator:

    def __cinit__(self, Model model not None, Policy policy, horizon):
        cdef Py_ssize_t S = model.n_observations, A = model.n_actions
        cdef Py_ssize_t K = model.n_successors, K0 = model.n_passive_successors
        if policy is not None and (policy.n_observations != S or policy.n_actions != A):
            raise ValueError(f"policy is for {policy.n_observations} observations and {policy.n_actions} actions; "
                             f"the game has {S} and {A}")
        if not 1 <= horizon < 2**31:
            raise ValueError(f"horizon is {horizon}; must lie in 1..{2**31 - 1}")
        self.model = model
        self.policy = policy
        self.horizon = horizon
        self.n_observations = S
        self.n_actions = A
        self.n_successors = K
        self.n_passive_successors = K0
        self.memory = malloc((2 * S * A + S * A * K + S + S * K0) * sizeof(double) + TMF_LINE)
        if self.memory == NULL:
            raise MemoryError(f"the tables of {S} observations, {A} actions and {K} successors do not fit in memory")
        self.tables.transition = tmf_align(self.memory)
        self.tables.reward = self.tables.transition + S * A * K
        self.tables.passive_reward = self.tables.reward + S * A
        self.tables.passive_transition = self.tables.passive_reward + S
        self.pi_buffer = self.tables.passive_transition + S * K0

    def __dealloc__(self):
        free(self.memory)
        free(self.turned_memory)

    cdef int tables_at(self, int t, const double *mu) except -1 nogil:
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
        if self.model.in_parts:
            wanted.reward = wanted.passive_reward = NULL
        if not self.transitions_filled or not self.model.constant_transition:
            self.model.tables_at(t, mu, &wanted, not self.transitions_filled)
            self.transitions_filled = True
        self.policy.table_at(t, self.horizon, mu, self.pi_buffer, &self.pi)
        return 0
