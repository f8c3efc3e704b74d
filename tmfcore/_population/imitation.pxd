"""Steps at which one agent acts and may adopt the observation of another one."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Adoption
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.singles cimport Population, Singles, tmf_events


cdef extern from "_population/imitation.h" nogil:
    ctypedef struct tmf_chances:
        pass
    ctypedef struct tmf_imitation:
        tmf_chances chances
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
    void tmf_split_chances(const uint64_t *words, int logistic, tmf_chances *out)
    void tmf_imitate(tmf_imitation *it, const tmf_events *events, int64_t t, int64_t n)


cdef class Imitators(Singles):
    cdef const Adoption *rule
    cdef tmf_imitation imitation
    cdef double *limits

    cdef void count(self, Evaluator at, Population *people) noexcept nogil
    cdef void note_rewards(self, Evaluator at, Population *people) noexcept nogil


# The kernel that plays the single agents of a run; arguments as in Singles.of.
cdef Singles singles_of(Evaluator at, const Population *people, Py_ssize_t n_single, bint actions_matter)
