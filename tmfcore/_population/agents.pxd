"""The agents engine: its state, and the steps that simulate and Population share."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.activation cimport Activation, ActingShares
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._population.alias cimport AliasTables
from tmfcore._population.few cimport Few
from tmfcore._population.ledger cimport Ledger
from tmfcore._population.shards cimport Shard
from tmfcore._population.singles cimport Singles
from tmfcore._population.tiles cimport Crowd, Memory, Team, Trajectory


cdef class AgentsEngine:
    cdef Evaluator at
    cdef AliasTables alias
    cdef Memory memory
    cdef Crowd crowd                   # the caller sets people.observations and people.key
    cdef Team team
    cdef Shard shard                   # the agents of this process, if others have the rest; otherwise None
    cdef Activation activation
    cdef const int64_t[::1] batch
    cdef object probability            # keeps what `activation` borrows
    cdef ActingShares coins            # probabilities to act, if they depend on the observation, or None
    cdef double *shares                # SCRATCH (S,)
    cdef bint actions_matter
    cdef int64_t largest_few           # largest batch of `few`; -1: none
    cdef Py_ssize_t n_single           # steps that `singles` plays
    cdef Singles singles
    cdef Few few
    cdef Py_ssize_t stage              # stage of the tables in `alias`

    @staticmethod
    cdef AgentsEngine of(
        Model model, Policy policy, Py_ssize_t horizon, int64_t n_agents, const int64_t[::1] batch,
        probability, bint actions_matter, Shard shard=*)
    # Make the kernels and a team of threads; the population has been placed.
    cdef int begin(self, int threads) except -1
    # The bytes of the observations of its own agents.
    cdef object own_bytes(self)
    # As those of CountsEngine; individuals: what is recorded of them.
    cdef void leave(self, double weight, Py_ssize_t t, uint64_t *block) noexcept nogil
    cdef dict state(
        self, const Ledger *ledger, Py_ssize_t t, object counts, object decisions, object rewards, tuple individuals)
    cdef Py_ssize_t resume(
        self, dict found, Ledger *ledger, object counts, object decisions, object rewards, tuple individuals
    ) except -1
    # Play steps t..end - 1, with the team entered, or up to the first call of a kernel that ends at `pause` or later;
    # recorded: row 0 of the record of individuals, or NULL. Return the step reached.
    cdef Py_ssize_t play(
        self, Ledger *ledger, const Trajectory *recorded, Py_ssize_t t, Py_ssize_t end, Py_ssize_t pause, int64_t *told
    ) except -1 nogil
    cdef int read_tables(self, Py_ssize_t t) except -1 nogil
