"""Alias tables of agents that meet a partner: the policy's rows, and the rows of all meetings of a model.

Source     Theory, section 5.  Notation: S observations, A actions, K successors; y the observation of the partner.
Contract   row first + (y & mask) of a pair (o, a) is the row that the model's met_at gives; a pair whose row does not
           depend on the partner has one row, and mask 0. A model's tables are built once, and kept with the model.
Cost       about 4 ns per cell of up to S^2 A rows.
"""
from libc.stdint cimport uint32_t
from libc.stdlib cimport free

import threading

import numpy as np

from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport check_row
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


cdef Py_ssize_t rows_in(Evaluator at) noexcept:
    cdef Py_ssize_t i, n_pairs = at.n_observations * at.n_actions, n_alone = 0
    if at.model.alone != NULL:
        for i in range(n_pairs):
            n_alone += at.model.alone[i]
    return n_alone + (n_pairs - n_alone) * at.n_observations


cdef double meeting_cells(Evaluator at) noexcept:
    return <double>rows_in(at) * <double>(1 << max(1, bits_for(at.n_successors)))


cdef class MeetingTables:

    @staticmethod
    cdef MeetingTables of(Evaluator at):
        with _LOCK:
            if at.model.meetings is None:
                at.model.meetings = built(at)
            return at.model.meetings

    def __dealloc__(self):
        free(self.rows)


cdef MeetingTables built(Evaluator at):
    cdef MeetingTables self = MeetingTables.__new__(MeetingTables)
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, n_rows = rows_in(at)
    cdef Py_ssize_t o, a, y, row = 0, first = 0
    cdef double reward
    cdef double *mass
    cdef double[::1] mu = np.full(S, 1.0 / S)        # on which these rows do not depend
    cdef AliasTables tables = tables_of(n_rows, 1, at.n_successors)
    cdef int bits = tables.alias.column_bits
    cdef bint alone
    self.tables = tables
    self.rows = <tmf_met_rows *>room_for(<double>S * A, sizeof(tmf_met_rows), b"the rows of meetings")
    for o in range(S):
        for a in range(A):
            alone = at.model.alone != NULL and at.model.alone[o * A + a]
            self.rows[o * A + a].first = <uint32_t>row
            self.rows[o * A + a].mask = 0 if alone else <uint32_t>-1
            for y in range(1 if alone else S):
                mass = tables.mass + ((row - first) << bits)
                tables.clear(mass, row, o)
                at.model.met_at(0, <int>o, <int>a, <int>y, &mu[0], mass, &reward)
                if not at.model.trusted:
                    check_row(mass, at.n_successors, reward, 0, <int>o, <int>a)
                row += 1
                if row - first == TMF_ROWS or row == n_rows:
                    tables.build_rows(first, <int>(row - first))
                    first = row
    return self
