"""Single agents that act in turn while the others stand still: what B = 1 is in both engines."""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from tmfcore._population.alias cimport AliasTables
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.ledger cimport Ledger
from tmfcore._model.model cimport Model
from tmfcore._population.passive cimport PassiveRewards


cdef enum:
    CHUNK = 256                # single events whose random numbers are drawn together


cdef enum Manner:
    FIXED                      # alias tables that stay for a stage, rewards in O(1)
    ROWS                       # one row of the game an event
    TABLES                     # all tables of the game at every step


cdef struct Population:
    int64_t n_agents
    uint64_t key[4]            # of its random numbers
    int64_t *counts            # (S,)
    double *mu                 # (S,)   counts / N, always derived
    double *row                # (max(K, K0),) scratch
    PassiveRewards passive
    uint8_t *observations      # (N,) of `width` bytes; NULL: individuals are not kept
    int width


cdef struct Event:             # the last one
    int64_t agent
    Py_ssize_t observation
    Py_ssize_t action
    Py_ssize_t cell            # of the row of (observation, action)
    double standing            # what it would have earned standing still ...
    double extra               # ... and what it earned more


cdef class Singles:
    cdef AliasTables alias     # None unless FIXED
    cdef Manner manner
    cdef Py_ssize_t stage      # whose tables `alias` holds
    cdef Py_ssize_t ready      # step for which everything is evaluated
    cdef Py_ssize_t chunk      # whose random numbers these are
    cdef uint64_t agents[CHUNK]
    cdef uint64_t words[2 * CHUNK]
    cdef bint affine           # FIXED with r0(o, mu) = level[o] + slope[o] N mu(o): priced without a call
    cdef double[::1] doubles
    cdef double *extra         # (S, A)  r - r0
    cdef double *level         # (S,)
    cdef double *slope         # (S,)
    cdef int64_t[::1] block_counts
    cdef int64_t *blocks       # (ceil(S / 8),)  agents in eight observations together
    cdef Event last

    # For runs of at.horizon steps with n_single of them played by one agent.
    @staticmethod
    cdef Singles of(Evaluator at, Py_ssize_t n_single)
    # Evaluate what step t needs.
    cdef int prepare(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil
    # Play up to n_steps steps from t on, and book them; returns how many: a chunk or a stage may end before.
    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps) except -1 nogil
    cdef void play_fixed(
        self, Evaluator at, Model model, Population *people, Ledger *ledger, Py_ssize_t t,
        Py_ssize_t n_steps) noexcept nogil
    cdef int play_one(self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t) except -1 nogil
