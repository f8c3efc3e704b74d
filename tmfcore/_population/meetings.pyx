"""Alias tables of agents that meet a partner: the policy's rows, and the rows of all meetings of a model.

Source     Theory, section 5.  Notation: S observations, A actions, K successors; y the observation of the partner.
Contract   row first + (y & mask) of a pair (o, a) is the row that the model's met_at gives; a pair whose row does not
           depend on the partner has one row, and mask 0. A model's tables are built once, and kept with the model,
           beside those averaged over the policy that was played last.
Cost       about 4 ns per cell of up to S^2 A rows; averaged over a policy, A ns more per cell of up to S^2 rows.
"""
from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy

import threading

import numpy as np

from tmfcore._base.memory cimport room_for
from tmfcore._model.evaluator cimport successors_of
from tmfcore._model.model cimport checked_meeting
from tmfcore._population.alias cimport TMF_ROWS, Layout, bits_for

_LOCK = threading.Lock()        # replicas may ask for the tables of their model at the same time


cdef AliasTables tables_of(Py_ssize_t n_rows, Py_ssize_t n_actions, Py_ssize_t n_cells):
    """Tables of n_rows rows of actions or of cells; the number of the others is 1."""
    cdef Layout layout
    layout.averaged = False
    layout.dense = True
    layout.action_bits = bits_for(n_actions)
    layout.cell_bits = max(bits_for(n_cells), 1 - layout.action_bits)
    layout.n_rows = n_rows
    return AliasTables.of(layout)


cdef AliasTables action_tables(Evaluator at):
    return tables_of(at.n_observations, at.n_actions, 1)


cdef void build_actions(AliasTables tables, Evaluator at) noexcept nogil:
    """Build the rows of the policy."""
    cdef Py_ssize_t o, a, first = 0
    cdef int bits = tables.alias.column_bits
    cdef double *mass
    for o in range(at.n_observations):
        mass = tables.mass + ((o - first) << bits)
        tables.clear(mass, o, o)
        for a in range(at.n_actions):
            mass[a << tables.layout.cell_bits] = at.pi[o * at.n_actions + a]
        if o + 1 - first == TMF_ROWS or o + 1 == at.n_observations:
            tables.build_rows(first, <int>(o + 1 - first))
            first = o + 1


cdef bint is_alone(Evaluator at, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    """Whether none of the pairs first..first + n - 1 depends on the partner."""
    cdef Py_ssize_t i
    for i in range(first, first + n):
        if at.model.alone == NULL or not at.model.alone[i]:
            return False
    return True


cdef Py_ssize_t rows_in(Evaluator at, bint averaged) noexcept:
    cdef Py_ssize_t n = at.n_actions if averaged else 1, i, n_rows = 0      # pairs that share rows
    for i in range(0, at.n_observations * at.n_actions, n):
        n_rows += 1 if is_alone(at, i, n) else at.n_observations
    return n_rows


cdef double meeting_cells(Evaluator at, bint averaged) noexcept:
    cdef Py_ssize_t n_cells = at.n_observations if averaged else at.n_successors
    return <double>rows_in(at, averaged) * <double>(1 << max(1, bits_for(n_cells)))


cdef class MeetingTables:

    @staticmethod
    cdef MeetingTables of(Evaluator at, bint averaged):
        cdef MeetingTables found
        with _LOCK:
            if at.model.meetings is None:
                at.model.meetings = {}
            found = at.model.meetings.get(averaged)
            if found is None or (averaged and memcmp(&found.pi[0], at.pi, found.pi.shape[0] * sizeof(double)) != 0):
                found = at.model.meetings[averaged] = built(at, averaged)
            return found

    def __dealloc__(self):
        free(self.rows)


cdef int add_row(
    Evaluator at, Py_ssize_t o, Py_ssize_t a, Py_ssize_t y, const double *mu, double *row, double share, double *mass
) except -1:
    """Read the row (K,) of (o, a) and a partner at y and, unless mass is NULL, add it to mass (S,), with its share."""
    cdef const int32_t *successor = successors_of(at, o * at.n_actions + a)
    cdef Py_ssize_t k
    cdef double reward
    checked_meeting(at.model, 0, <int>o, <int>a, <int>y, mu, row, &reward)
    if mass != NULL:
        for k in range(at.n_successors):
            mass[k if successor == NULL else successor[k]] += share * row[k]
    return 0


cdef MeetingTables built(Evaluator at, bint averaged):
    cdef MeetingTables self = MeetingTables.__new__(MeetingTables)
    cdef Py_ssize_t S = at.n_observations, n = at.n_actions if averaged else 1, n_rows = rows_in(at, averaged)
    cdef Py_ssize_t i, a, y, row = 0, first = 0
    cdef double *mass
    cdef double[::1] mu = np.full(S, 1.0 / S)        # on which these rows do not depend
    cdef double[::1] scratch = np.empty(at.n_successors)
    cdef AliasTables tables = tables_of(n_rows, 1, S if averaged else at.n_successors)
    cdef int bits = tables.alias.column_bits
    cdef bint alone
    self.tables = tables
    self.rows = <tmf_met_rows *>room_for(
        <double>S * at.n_actions, sizeof(tmf_met_rows), b"the rows of meetings")
    if averaged:
        self.pi = np.empty(S * at.n_actions)
        memcpy(&self.pi[0], at.pi, S * at.n_actions * sizeof(double))
    for i in range(0, S * at.n_actions, n):
        alone = is_alone(at, i, n)
        self.rows[i // n].first = <uint32_t>row
        self.rows[i // n].mask = 0 if alone else <uint32_t>-1
        for y in range(1 if alone else S):
            mass = tables.mass + ((row - first) << bits)
            tables.clear(mass, row, 0)
            if averaged:
                for a in range(n):
                    add_row(at, i // n, a, y, &mu[0], &scratch[0], at.pi[i + a], mass)
            else:
                add_row(at, i // at.n_actions, i % at.n_actions, y, &mu[0], mass, 1, NULL)
            row += 1
            if row - first == TMF_ROWS or row == n_rows:
                tables.build_rows(first, <int>(row - first))
                first = row
    return self
