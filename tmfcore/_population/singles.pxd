"""Steps at which one agent acts (B = 1) and passive agents stay where they are, for both engines."""
from libc.stdint cimport int64_t, uint8_t, uint64_t

from tmfcore._population.alias cimport AliasTables
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.ledger cimport Ledger
from tmfcore._model.model cimport Model
from tmfcore._population.passive cimport PassiveRewards


cdef enum:
    CHUNK = 256                # events whose random numbers are drawn at once


cdef enum Manner:
    FIXED                      # alias tables that are constant within a stage, rewards in O(1)
    ROWS                       # each event evaluates one row of the game
    TABLES                     # each event evaluates all tables of the game


cdef struct Population:
    int64_t n_agents
    uint64_t key[4]            # key of its random streams
    int64_t *counts            # (S,)
    double *mu                 # (S,)   counts / N, always derived
    double *row                # (max(K, K0),) scratch
    PassiveRewards passive
    uint8_t *observations      # (N,) of `width` bytes; NULL: individuals are not stored
    int width


cdef struct Event:             # the acting agent of one step
    int64_t agent
    Py_ssize_t observation
    Py_ssize_t action
    Py_ssize_t cell            # cell drawn in the row of (observation, action)
    double standing            # its reward if it had been passive
    double extra               # its reward minus `standing`


cdef class Singles:
    cdef AliasTables alias     # None unless FIXED
    cdef Manner manner
    cdef Py_ssize_t stage      # stage of the tables in `alias`
    cdef Py_ssize_t ready      # step for which `prepare` was called last
    cdef Py_ssize_t chunk      # chunk of the random numbers in `agents` and `words`
    cdef uint64_t agents[CHUNK]
    cdef uint64_t words[2 * CHUNK]
    cdef bint affine           # FIXED with r0(o, mu) = level[o] + slope[o] N mu(o): rewards need no call of the game
    cdef double[::1] doubles
    cdef double *extra         # (S, A)  r - r0
    cdef double *level         # (S,)
    cdef double *slope         # (S,)
    cdef int64_t[::1] block_counts
    cdef int64_t *blocks       # (ceil(S / 8),)  agents per block of eight observations
    cdef Event last

    # For a run of at.horizon steps, at n_single of which one agent acts.
    @staticmethod
    cdef Singles of(Evaluator at, Py_ssize_t n_single)
    # Evaluate the tables and draw the random numbers that step t needs.
    cdef int prepare(self, Evaluator at, Population *people, Py_ssize_t t) except -1 nogil
    # Play and record up to n_steps steps from t on; return their number, which ends with a chunk or a stage.
    cdef Py_ssize_t play(
        self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t, Py_ssize_t n_steps) except -1 nogil
    cdef void play_fixed(
        self, Evaluator at, Model model, Population *people, Ledger *ledger, Py_ssize_t t,
        Py_ssize_t n_steps) noexcept nogil
    cdef int play_one(self, Evaluator at, Population *people, Ledger *ledger, Py_ssize_t t) except -1 nogil
