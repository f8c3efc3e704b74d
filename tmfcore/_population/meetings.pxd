"""Alias tables of agents that meet a partner: the policy's rows, and the rows of all meetings of a model."""
from libc.stdint cimport uint32_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.alias cimport AliasTables, tmf_alias


cdef extern from "_population/events.h" nogil:
    struct tmf_met_rows:
        uint32_t first, mask


cdef class MeetingTables:
    cdef AliasTables tables
    cdef tmf_met_rows *rows    # (S, A) row of the pair and a partner at y: first + (y & mask); averaged: (S,)
    cdef double[::1] pi        # (S A,) the policy of averaged rows

    # The tables of the model; or those averaged over the policy at.pi, whose cells are successors.
    @staticmethod
    cdef MeetingTables of(Evaluator at, bint averaged)


# Cells of the tables of all meetings.
cdef double meeting_cells(Evaluator at, bint averaged) noexcept
cdef AliasTables action_tables(Evaluator at)
cdef void build_actions(AliasTables tables, Evaluator at) noexcept nogil
