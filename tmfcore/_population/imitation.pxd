"""Steps at which one agent acts and may adopt the observation of another one."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Adoption
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.singles cimport Population, Singles


cdef extern from "_population/imitation.h" nogil:
    enum: TMF_MEETINGS
    enum: TMF_SOON
    ctypedef struct tmf_meetings:
        uint64_t agents[256]
        uint64_t partners[256]
    ctypedef struct tmf_imitation:
        const tmf_meetings *drawn
        int64_t n_observations
        int search_bits, width
        void *observations
        int64_t *bounds
        int64_t *counts
        double *earned
        double *shared
        int64_t *decisions
        const double *turned
        const double *both
        const double *limits
        double scale, slope, total, reward, whole, weight, discount
        int64_t left, joined, action
    void tmf_draw_meetings(
        const uint64_t *key, int64_t chunk, uint64_t n, int logistic, uint64_t *words, tmf_meetings *out)
    void tmf_imitate(tmf_imitation *it, int64_t first, int64_t n)


cdef class Meetings(Singles):
    cdef const Adoption *rule
    cdef Py_ssize_t following  # the step after those played last
    cdef uint64_t words[512]
    cdef tmf_meetings drawn
    cdef tmf_imitation events
    cdef double *limits

    cdef void count(self, Evaluator at, Population *people) noexcept nogil
    cdef void note_rewards(self, Evaluator at, Population *people) noexcept nogil


# The kernel that plays the single agents of a run; arguments as in Singles.of.
cdef Singles singles_of(Evaluator at, const Population *people, Py_ssize_t n_single, bint actions_matter)
