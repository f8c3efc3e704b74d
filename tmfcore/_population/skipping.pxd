"""Sequential play by counts of which only the events that change the counts are drawn."""
from libc.stdint cimport int32_t, int64_t, uint64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.singles cimport Population, Singles, tmf_events


cdef extern from "_population/skipping.h" nogil:
    enum:
        TMF_SKIP_BLOCK
        TMF_SKIP_GROUPS
    ctypedef struct tmf_skip:
        int64_t n_groups
        int several, pricing
        const int32_t *from_ "from"
        const int32_t *met
        const int32_t *first
        const double *rate
        const int32_t *target
        const double *below
        double *ahead
        double scale, paid, discount, decay
        const double *wage
        int64_t n_words, n_played, stayed
    bint tmf_skip_is_of_two(const tmf_skip *it)
    double tmf_skip_chance(const tmf_skip *it)
    void tmf_skip_open(tmf_skip *it, const uint64_t *key, uint64_t block, int64_t n)
    int64_t tmf_skip_play(tmf_skip *it, tmf_events *events, int64_t n_steps)
    void tmf_skip_settle(tmf_skip *it, tmf_events *events, double reward)


cdef class Skipping:
    cdef Singles played        # plays the events where most of them change the counts
    cdef tmf_skip skip
    cdef Py_ssize_t stage      # stage of the groups
    cdef Py_ssize_t waged      # stage of the wages
    cdef Py_ssize_t until      # the step up to which all events are played
    cdef uint64_t block        # blocks drawn so far
    cdef int32_t[::1] integers
    cdef double[::1] doubles
    cdef double *rows          # (S, S) rows of the agents at one observation, by the partner's; and (K,) scratch
    cdef double *wage          # (S,) mean of r - r0 over the policy, divided by N

    cdef int allocate(self, Evaluator at, int64_t n_agents) except -1
    cdef double met_row(
        self, Evaluator at, const double *mu, Py_ssize_t o, Py_ssize_t y, double *out) except -1 nogil
    cdef int build(
        self, Evaluator at, const double *mu, Py_ssize_t t, double *least, double *most) except -1 nogil
    cdef int open_stage(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil
    cdef int price(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil
    # Play and record up to n_steps steps from t on, at which one agent acts; return their number.
    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps) except -1 nogil


# The kernel that skips events for `singles`, or None if they are to be played one by one.
cdef Skipping skipping_of(
    Evaluator at, const Population *people, Singles singles, Py_ssize_t n_single, double discount)
