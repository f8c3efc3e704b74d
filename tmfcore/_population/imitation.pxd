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
    double tmf_next_mutant(
        const uint64_t *key, uint64_t number, double p, int64_t S, int64_t o, int64_t *to)
    void tmf_imitate(tmf_imitation *it, const tmf_events *events, int64_t t, int64_t n)


cdef class Imitators(Singles):
    cdef const Adoption *rule
    cdef tmf_imitation imitation
    cdef double *limits
    cdef bint skips            # whether it waits for mutants, as skip_mutants says
    cdef uint64_t number       # of the waits drawn so far
    cdef Py_ssize_t mutates    # the step of the next mutant, if its wait is drawn for the present stage; otherwise -1
    cdef int64_t mutant        # the observation to which it leads

    # The observation at which all agents are; -1 if there is none.
    cdef Py_ssize_t alike(self, Evaluator at, const Population *people) noexcept nogil
    # As play, for steps from t on that change nothing up to the next mutant, and for the step of this one.
    cdef Py_ssize_t wait(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t o, Py_ssize_t t, Py_ssize_t n_steps
    ) except -1 nogil
    # Bring the tables of mutation and policy to the stage of step t.
    cdef int open_stage(self, Evaluator at, const double *mu, Py_ssize_t t) except -1 nogil
    cdef void count(self, Evaluator at, Population *people) noexcept nogil
    cdef void note_rewards(self, Evaluator at, Population *people) noexcept nogil


# Let `singles`, if it is an Imitators, wait for mutants: for one run of one population without decisions.
cdef void skip_mutants(Singles singles) noexcept


# The kernel that plays the single agents of a run; arguments as in Singles.of.
cdef Singles singles_of(Evaluator at, const Population *people, Py_ssize_t n_single, bint actions_matter)
