"""Populations between steps: the state that both engines need."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.model cimport Model
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.singles cimport Singles
from tmfcore._random.numpy_random cimport bitgen_t


cdef enum Call:
    STEPS      # with a policy
    DRAW       # who acts
    ACT        # with the decisions of the caller


cdef class Populations:
    cdef Py_ssize_t n_replicas, n_observations, n_actions
    cdef int64_t n_agents
    cdef double discount, weight       # weight: discount^t, known once a call has succeeded
    cdef readonly Py_ssize_t t         # steps made, of `horizon`
    cdef Py_ssize_t horizon
    cdef Py_ssize_t followed           # policies so far
    cdef readonly bint drawn           # the agents that act at the next step are drawn
    cdef int64_t busy                  # a call has the object
    cdef readonly list bit_generators
    cdef bitgen_t **bits               # (R,)      of bit_generators
    cdef Py_ssize_t replica            # the replica that the engine's kernels have
    cdef int64_t no_watch[2]
    cdef Ledger ledger
    # One block, and its copy from the begin of a call:
    cdef void *memory
    cdef void *before
    cdef size_t size
    cdef list generators_before        # empty if they are not read
    cdef char *words                   # (R, word_bytes)   stream of the splitter, of counts
    cdef double *totals                # (R,)      discounted sums of the rewards of all agents
    cdef double *rewards               # (R,)      of the last call
    cdef int64_t *counts               # (R, S)
    cdef int64_t *acting               # (R, S)    of counts
    cdef int64_t *decisions            # (R, S, A) of the last call; NULL: not recorded
    cdef uint64_t *keys                # (R, 4)
    cdef uint64_t *opened              # (R,)      whether the stream of the splitter is open
    cdef size_t word_bytes

    # Allocate for R populations of N agents.
    cdef int lay_out(
        self, Model model, Py_ssize_t horizon, int64_t n_agents, Py_ssize_t n_replicas, double discount, bint decisions,
        size_t word_bytes
    ) except -1
    # Go to step 0 with counts (R, S); keyed: draw the keys of the replicas.
    cdef int place(self, const int64_t[:, ::1] counts, list bit_generators, bint keyed) except -1
    # Make a call for all replicas, or, if one fails, for none: `keep` the state, make the call for `one` replica after
    # another, or `restore` the state, with those of the generators that the call `reads`. Steps: 0 to DRAW, 1 to ACT.
    cdef int whole(self, Call call, Py_ssize_t n_steps, object given) except -1
    cdef int keep(self, Call call) except -1
    cdef int restore(self) except -1
    cdef bint reads(self, Call call) noexcept
    cdef int one(self, Call call, Py_ssize_t r, Py_ssize_t t, Py_ssize_t n_steps, object given) except -1
    cdef int play(self, Py_ssize_t r, Py_ssize_t t, Py_ssize_t n_steps) except -1
    cdef Py_ssize_t advance(self, Py_ssize_t t, Py_ssize_t end) except -1 nogil      # by the engine
    cdef int refuse_overflow(self, Py_ssize_t t) except -1
    cdef void open_ledger(self, Py_ssize_t r, Py_ssize_t n_steps) noexcept nogil
    # Give the kernel of single agents the population of replica r, unless it has it already.
    cdef int turn(self, Singles singles, Py_ssize_t r, void *observations) except -1
    # What all replicas have, to a dict and from it.
    cdef int add_state(self, dict out) except -1
    cdef int take_state(self, dict found) except -1


# Copy an array, whose shape and dtype are checked, to `to`.
cdef int copy_into(void *to, array, str name, tuple shape, dtype) except -1
