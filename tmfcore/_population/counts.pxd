"""The counts engine: its state, and the steps that simulate and Population share."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.activation cimport Activation, ActingShares
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._population.chain cimport Chain
from tmfcore._population.flows cimport Record
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.singles cimport Singles
from tmfcore._population.skipping cimport Skipping
from tmfcore._random.sampling cimport RowSplitter, Sampler


cdef class CountsEngine:
    """Buffers for populations of one game, schedule and N, which are played one after another."""
    cdef Evaluator at
    cdef Chain chain
    cdef Sampler sampler
    cdef RowSplitter splitter          # None if single agents act at every step
    cdef Activation activation
    cdef const int64_t[::1] batch
    cdef object probability            # keeps what `activation` borrows
    cdef ActingShares coins            # probabilities to act, if they depend on the observation, or None
    cdef bint decisions                # actions are recorded, or flows
    cdef Py_ssize_t n_single           # steps that `singles` plays, at which `size` agents act
    cdef int64_t size
    cdef Singles singles
    cdef Skipping skipping             # None unless events that change nothing are skipped

    @staticmethod
    cdef CountsEngine of(
        Model model, Policy policy, Py_ssize_t horizon, int64_t n_agents, const int64_t[::1] batch,
        probability, bint decisions)
    # Play `policy` from now on; to be called before the first step.
    cdef int follow(self, Policy policy) except -1
    # Take the counts (S,) of a population.
    cdef void place(self, const int64_t *counts) noexcept nogil
    # Draw chain.acting (S,), who acts at step t.
    cdef int choose(self, Py_ssize_t t) except -1 nogil
    # Make step t, at which chain.acting act, n_acting agents, or an unknown number (-1). `decided`: their actions are
    # chain.actions (S, A); otherwise the policy draws them.
    cdef int move(
        self, Ledger *ledger, Record *record, Py_ssize_t t, int64_t n_acting, bint decided) except -1 nogil
    # Write all that a run needs to go on from step t, besides the counts and the state of the bit generator, into a
    # block of carried.pyx; the same as a dict, with what is recorded so far; and its restoring, which returns t.
    cdef void leave(self, double weight, Py_ssize_t t, uint64_t *block) noexcept nogil
    cdef dict state(
        self, const Ledger *ledger, Py_ssize_t t, object counts, object decisions, object rewards)
    cdef Py_ssize_t resume(
        self, dict found, Ledger *ledger, object counts, object decisions, object rewards) except -1
    # Play steps t..end - 1, or up to the first call of a kernel that ends at `pause` or later; flows: the record of
    # interval 0, or NULL. Return the step reached.
    cdef Py_ssize_t play(
        self, Ledger *ledger, const Record *flows, Py_ssize_t t, Py_ssize_t end, Py_ssize_t pause, int64_t *told
    ) except -1 nogil
