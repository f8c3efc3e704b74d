"""Seeds of random streams: numpy's SeedSequence, in a fraction of its time.

Source     numpy.random.SeedSequence with a pool of four words; M. E. O'Neill, seed_seq_fe and PCG64 (XSL-RR).
Contract   states and children are those of SeedSequence(entropy), and keys those of PCG64, word for word.
"""
from cpython.bytearray cimport PyByteArray_AsString, PyByteArray_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t

import numpy as np

cdef extern from "_random/pcg.h" nogil:
    ctypedef struct tmf_pcg:
        pass
    void tmf_pcg_open(tmf_pcg *pcg, const uint64_t *seed)
    uint64_t tmf_pcg_next(tmf_pcg *pcg)

cdef enum:
    POOL = 4

cdef uint32_t INIT_A = 0x43b0d7e5, MULT_A = 0x931e8875, INIT_B = 0x8b51f9dd, MULT_B = 0x58f38ded
cdef uint32_t MIX_MULT_L = 0xca01f9dd, MIX_MULT_R = 0x4973f715


cdef inline uint32_t hashed(uint32_t value, uint32_t *constant, uint32_t factor) noexcept nogil:
    value ^= constant[0]
    constant[0] *= factor
    value *= constant[0]
    return value ^ value >> 16


cdef class Seed:
    """A seed and its children, which numpy's bit generators take for a SeedSequence. Spawned by one thread at a time.

    Parameters
    ----------
    words : list of int
        The entropy, as SeedSequence divides it into words.

    Attributes
    ----------
    n_children_spawned : int
    """
    cdef uint32_t[POOL] pool
    cdef uint32_t constant              # of the next word
    cdef readonly uint32_t n_children_spawned

    def __init__(self, list words not None):
        cdef Py_ssize_t i
        self.constant = INIT_A
        for i in range(POOL):
            self.pool[i] = hashed(words[i] if i < len(words) else 0, &self.constant, MULT_A)
        for i in range(POOL):
            self.mix(self.pool[i], i)
        for i in range(POOL, len(words)):
            self.mix(words[i], -1)

    cdef void mix(self, uint32_t word, Py_ssize_t own) noexcept nogil:
        """Mix a word into the pool, except into the word `own` of the pool."""
        cdef Py_ssize_t i
        for i in range(POOL):
            if i != own:
                self.pool[i] = MIX_MULT_L * self.pool[i] - MIX_MULT_R * hashed(word, &self.constant, MULT_A)
                self.pool[i] ^= self.pool[i] >> 16

    def spawn(self, uint32_t n_children):
        """The next `n_children` children, a list of Seeds."""
        cdef Seed child
        cdef list children = []
        for _ in range(n_children):
            child = Seed.__new__(Seed)
            child.pool = self.pool
            child.constant = self.constant
            child.mix(self.n_children_spawned, -1)
            self.n_children_spawned += 1
            children.append(child)
        return children

    def __reduce__(self):
        return made, ([self.pool[i] for i in range(POOL)], self.constant, self.n_children_spawned)

    cdef void fill(self, uint64_t *state, Py_ssize_t n_words, bint wide) noexcept nogil:
        cdef uint32_t constant = INIT_B
        cdef Py_ssize_t i, j = 0
        for i in range(n_words):
            state[i] = hashed(self.pool[j % POOL], &constant, MULT_B)
            j += 1
            if wide:
                state[i] |= <uint64_t>hashed(self.pool[j % POOL], &constant, MULT_B) << 32
                j += 1

    def key(self, uint64_t[::1] words not None):
        """Fill `words` (OUT) with the first words that numpy's PCG64 of this seed draws."""
        cdef uint64_t[4] seed
        cdef tmf_pcg pcg
        cdef Py_ssize_t i
        self.fill(seed, 4, True)
        tmf_pcg_open(&pcg, seed)
        for i in range(words.shape[0]):
            words[i] = tmf_pcg_next(&pcg)

    def generate_state(self, Py_ssize_t n_words, dtype=np.uint32):
        """`n_words` words of dtype uint32 or uint64 that initialise a bit generator."""
        cdef bint wide = dtype is np.uint64
        cdef object memory = PyByteArray_FromStringAndSize(NULL, n_words * sizeof(uint64_t))
        self.fill(<uint64_t *>PyByteArray_AsString(memory), n_words, wide)
        found = np.frombuffer(memory, np.uint64)
        return found if wide else found.astype(dtype)


def made(list pool, uint32_t constant, uint32_t n_children_spawned):
    """The Seed of a pickle."""
    cdef Seed seed = Seed.__new__(Seed)
    for i in range(POOL):
        seed.pool[i] = pool[i]
    seed.constant = constant
    seed.n_children_spawned = n_children_spawned
    return seed
