"""Exact samplers on a borrowed numpy bit generator; the functions for Python come last.

Source     Theory, section 5; see sampling.pxd for the contract and the ranges of validity.
"""
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport isfinite, sqrt
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import os

import numpy as np

from tmfcore._base.memory cimport room_for
from tmfcore._random.numpy_random cimport random_binomial, random_hypergeometric, random_poisson
from tmfcore._random.streams cimport NOISE, TMF_LANES, TMF_PART, tmf_fill, tmf_open, tmf_stream, tmf_uniform

cdef extern from "_base/build.h" nogil:
    const char *tmf_instruction_set()

if tmf_instruction_set() == NULL:
    raise ValueError(
        f"TMFCORE_INSTRUCTION_SET is {os.environ['TMFCORE_INSTRUCTION_SET']!r}; "
        "must be base, avx2, avx512 or avx512vbmi, or unset")


cdef extern from "_random/binomials.h" nogil:
    int64_t TMF_MOST
    int TMF_ABREAST
    int TMF_DRAWN_AHEAD
    ctypedef struct tmf_words:
        int used
    void tmf_open_words(tmf_words *words, const uint64_t *key)
    const uint64_t *tmf_take(tmf_words *words, int n)
    void tmf_keep_words(const tmf_words *words, uint64_t *kept)
    bint tmf_recall_words(tmf_words *words, const uint64_t *kept)
    double tmf_open_uniform(uint64_t word)
    double tmf_attempt(double mean, double spread, double p, uint64_t word_u, uint64_t word_v, double *pending)
    double tmf_settle(double n, double spread, double p, double k, uint64_t word_u, uint64_t word_v)
    int64_t tmf_invert_one(double n, double p, uint64_t word)
    void tmf_shares(double *p, double *tails, int64_t n_cells)
    void tmf_place(tmf_words *words, int64_t n, const double *tails, int64_t n_cells, int64_t *out)
    void tmf_split_rows(tmf_words *words, const int64_t *rows, int64_t n_rows, int64_t n_cells, const int64_t *count,
                        const double *share, int64_t *out)


cdef bitgen_t *bits_of(object bit_generator) except NULL:
    return <bitgen_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")


cdef int64_t binomial_by_inversion(Sampler *sampler, int64_t n, double p) noexcept nogil:
    cdef int64_t k = -1
    while k < 0:
        k = tmf_invert_one(<double>n, p, sampler.bits.next_uint64(sampler.bits.state))
    return k


cdef int64_t binomial_by_rejection(Sampler *sampler, int64_t n, double p) noexcept nogil:
    """BTRS, for 10 <= n p <= 2^49 and p <= 1/2. Its set-up is cheap, for (n, p) that change with every draw."""
    cdef double size = <double>n, spread = sqrt(size * p * (1 - p))
    cdef double k, pending
    cdef uint64_t u, v
    while True:
        u = sampler.bits.next_uint64(sampler.bits.state)
        v = sampler.bits.next_uint64(sampler.bits.state)
        k = tmf_attempt(size * p, spread, p, u, v, &pending)
        if pending == 0 or tmf_settle(size, spread, p, k, u, v) > 0:
            return <int64_t>k


cdef int64_t binomial_of_numpy(Sampler *sampler, int64_t n, double p) noexcept nogil:
    return random_binomial(sampler.bits, p, n, &sampler.binomial)


cdef int64_t poisson_of_numpy(bitgen_t *bits, double mean) noexcept nogil:
    return random_poisson(bits, mean)


cdef inline int64_t first_of_two(Sampler *sampler, int64_t n, double p, double rest) noexcept nogil:
    """How many of n agents go to the first of two sides with weights p and rest.

    The rarer side is drawn, to keep shares such as 1e-17, which 1 - (a share near 1) loses.
    """
    if p <= rest:
        return binomial(sampler, n, p / (p + rest))
    return n - binomial(sampler, n, rest / (p + rest))


cdef void split_multinomial(
    Sampler *sampler, int64_t n, const double *p, Py_ssize_t n_cells, double *tails, int64_t *out
) noexcept nogil:
    cdef Py_ssize_t k
    cdef int64_t drawn
    if n_cells == 1:
        out[0] = n
        return
    if n_cells == 2:
        out[0] = first_of_two(sampler, n, p[0], p[1])
        out[1] = n - out[0]
        return
    memset(out, 0, n_cells * sizeof(int64_t))
    if n <= 150 * (n_cells - 1) // (10 + n_cells):    # few: one by one (measured crossover)
        while n > 0:
            out[scan(uniform(sampler), p, n_cells)] += 1
            n -= 1
        return
    # Tails are summed from the right: after the last cell with mass they are exactly 0, so that no agent is left for a
    # cell of probability zero.
    tails[n_cells - 1] = p[n_cells - 1]
    for k in range(n_cells - 2, -1, -1):
        tails[k] = p[k] + tails[k + 1]
    for k in range(n_cells):
        if p[k] > 0:
            drawn = first_of_two(sampler, n, p[k], tails[k + 1] if k + 1 < n_cells else 0.0)
            out[k] = drawn
            n -= drawn
            if n == 0:
                return


cdef void split_hypergeometric(
    Sampler *sampler, const int64_t *counts, Py_ssize_t n_cells, int64_t total, int64_t batch, int64_t *out
) noexcept nogil:
    cdef Py_ssize_t o
    cdef int64_t index, drawn
    if batch == total:
        for o in range(n_cells):
            out[o] = counts[o]
        return
    memset(out, 0, n_cells * sizeof(int64_t))
    if batch <= 600 * n_cells // (90 + n_cells):    # few: agent by agent, without replacement (measured crossover)
        while batch > 0:
            index = below(sampler, total)
            o = 0
            while index >= counts[o] - out[o]:
                index -= counts[o] - out[o]
                o += 1
            out[o] += 1
            total -= 1
            batch -= 1
        return
    for o in range(n_cells):
        if batch == 0:
            return
        if counts[o] == 0:
            continue
        if batch == total:
            out[o] = counts[o]
            drawn = counts[o]
        else:
            drawn = random_hypergeometric(sampler.bits, counts[o], total - counts[o], batch)
            out[o] = drawn
        total -= counts[o]
        batch -= drawn


cdef size_t stream_bytes() noexcept nogil:
    return sizeof(tmf_words)


cdef bint stream_sound(const void *words) noexcept nogil:
    cdef int used = (<const tmf_words *>words).used
    return 0 <= used <= TMF_DRAWN_AHEAD


cdef class RowSplitter:
    def __cinit__(self, Py_ssize_t n_rows, Py_ssize_t n_cells):
        """Allocates for n_rows rows of at most n_cells cells, or for as many of them as stay in the cache."""
        if n_rows < 1 or n_cells < 1:
            raise ValueError(f"n_rows is {n_rows} and n_cells {n_cells}; both must be >= 1")
        self.capacity = max(<Py_ssize_t>2**14, TMF_ABREAST * n_cells)
        if <double>n_rows * n_cells < self.capacity:
            self.capacity = n_rows * n_cells
        self.words = room_for(1, sizeof(tmf_words), b"random words")
        self.p = <double *>room_for(5.0 * self.capacity + n_cells, sizeof(double), b"rows to be split")
        self.tails = self.p + self.capacity
        self.out = <int64_t *>(self.tails + n_cells)
        self.n = self.out + self.capacity
        self.listed = self.n + self.capacity
        self.label = <Py_ssize_t *>(self.listed + self.capacity)

    def __dealloc__(self):
        free(self.words)
        free(self.p)

    cdef void open(self, Sampler *sampler) noexcept nogil:
        cdef uint64_t key[4]
        cdef int i
        if self.opened:
            return
        for i in range(4):
            key[i] = sampler.bits.next_uint64(sampler.bits.state)
        tmf_open_words(<tmf_words *>self.words, key)
        self.opened = True

    cdef void keep(self, uint64_t *kept) noexcept nogil:
        tmf_keep_words(<const tmf_words *>self.words, kept)

    cdef int recall(self, const uint64_t *kept) except -1:
        if not tmf_recall_words(<tmf_words *>self.words, kept):
            raise ValueError("the stream that splits rows has a state that cannot be")
        self.opened = True
        return 0

    cdef void split(self, Sampler *sampler, Py_ssize_t n_rows, Py_ssize_t n_cells) noexcept nogil:
        cdef tmf_words *words = <tmf_words *>self.words
        cdef int64_t *n = self.n
        cdef int64_t *listed = self.listed
        cdef Py_ssize_t j, n_listed = 0
        if n_cells == 1:
            memcpy(self.out, n, n_rows * sizeof(int64_t))
            return
        self.open(sampler)
        memset(self.out, 0, n_rows * n_cells * sizeof(int64_t))
        for j in range(n_rows):
            if n[j] == 0:
                continue
            if n[j] > TMF_MOST:
                split_multinomial(sampler, n[j], self.p + j * n_cells, n_cells, self.tails, self.out + j * n_cells)
                continue
            if n_cells == 2 and self.rare(n[j], self.p + 2 * j, self.out + 2 * j):
                continue
            tmf_shares(self.p + j * n_cells, self.tails, n_cells)
            if n[j] <= 40 + 2 * n_cells:      # few: one by one (measured crossover)
                tmf_place(words, n[j], self.tails, n_cells, self.out + j * n_cells)
            else:
                listed[n_listed] = j
                n_listed += 1
        if n_listed > 0:
            self.split_abreast(listed, n_listed, n_cells, n, self.p, self.out)

    cdef void split_abreast(
        self, const int64_t *listed, Py_ssize_t n_rows, Py_ssize_t n_cells, const int64_t *n, const double *p,
        int64_t *out
    ) noexcept nogil:
        tmf_split_rows(<tmf_words *>self.words, listed, n_rows, n_cells, n, p, out)

    cdef bint rare(self, int64_t n, const double *p, int64_t *out) noexcept nogil:
        cdef Py_ssize_t rarer = p[1] < p[0]
        cdef double share = p[rarer] / (p[0] + p[1])
        if not n * share < 1:
            return False
        out[rarer] = 0 if share == 0 else -1
        while out[rarer] < 0:
            out[rarer] = tmf_invert_one(<double>n, share, tmf_take(<tmf_words *>self.words, 1)[0])
        out[1 - rarer] = n - out[rarer]
        return True

    cdef double uniform(self) noexcept nogil:
        return tmf_open_uniform(tmf_take(<tmf_words *>self.words, 1)[0])

    cdef Py_ssize_t split_next(
        self, Sampler *sampler, const int64_t *counts, const double *table, Py_ssize_t rows, Py_ssize_t n_cells,
        Py_ssize_t *row
    ) noexcept nogil:
        cdef Py_ssize_t room = self.capacity // n_cells, n_rows = 0, j = row[0]
        while j < rows and n_rows < room:
            if counts[j] > 0:
                self.label[n_rows] = j
                self.n[n_rows] = counts[j]
                memcpy(self.p + n_rows * n_cells, table + j * n_cells, n_cells * sizeof(double))
                n_rows += 1
            j += 1
        row[0] = j
        self.split(sampler, n_rows, n_cells)
        return n_rows


# ---------------------------------------------------------------- set-up, checks, and functions for Python

cdef int start(Sampler *sampler, object bit_generator) except -1:
    memset(sampler, 0, sizeof(Sampler))
    sampler.bits = bits_of(bit_generator)
    return 0


cdef inline str entry(str name, Py_ssize_t i):
    return name if i < 0 else f"{name}[{i}]"


cdef int check_number(str name, Py_ssize_t i, int64_t n) except -1:
    if not 0 <= n <= TMF_MOST_AGENTS:
        raise ValueError(f"{entry(name, i)} is {n}; must lie in 0..{TMF_MOST_AGENTS}, where binomials are exact")
    return 0


cdef int check_weights(str name, Py_ssize_t i, const double *p, Py_ssize_t n_cells) except -1:
    cdef double total = 0
    cdef Py_ssize_t k
    for k in range(n_cells):
        if not (isfinite(p[k]) and p[k] >= 0):
            raise ValueError(f"{entry(entry(name, i), k)} is {p[k]}; must be finite and >= 0")
        total += p[k]
    if not (isfinite(total) and total > 0):
        raise ValueError(f"{entry(name, i)} sums to {total}; its sum must be finite and > 0")
    return 0


cdef int check_batch(int64_t n_agents, int64_t batch) except -1:
    if 1 < batch < n_agents and n_agents > TMF_MOST_BATCHED:
        raise ValueError(f"batch is {batch} of {n_agents} agents; batches 1 < B < N are drawn exactly only for at most "
                         f"{TMF_MOST_BATCHED} agents: use Bernoulli, Sequential or Synchronous")
    return 0


def words(bit_generator, Py_ssize_t n):
    """The next n words of the stream, (n,) uint64."""
    cdef Sampler sampler
    cdef uint64_t[::1] out = np.empty(n, np.uint64)
    cdef Py_ssize_t i
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        for i in range(n):
            out[i] = sampler.bits.next_uint64(sampler.bits.state)
    return np.asarray(out)


def uniforms(const uint64_t[::1] key not None, Py_ssize_t first, double[:, ::1] out not None):
    """Fill out (R, n) with uniforms in [0, 1): row r from the stream of number first + r under a key of four words.

    Those of a row do not depend on R, and the first ones not on n.
    """
    cdef Py_ssize_t R = out.shape[0], n = out.shape[1], r, i, j, m
    cdef tmf_stream stream
    cdef uint64_t[TMF_PART] drawn
    if key.shape[0] != 4:
        raise ValueError(f"key has {key.shape[0]} words; must have 4")
    with nogil:
        for r in range(R):
            tmf_open(&stream, &key[0], <uint64_t>(first + r), 0, NOISE)
            i = 0
            while i < n:
                m = min(<Py_ssize_t>TMF_PART, n - i)
                tmf_fill(&stream, drawn, <int>((m + TMF_LANES - 1) // TMF_LANES))
                for j in range(m):
                    out[r, i + j] = tmf_uniform(drawn[j])
                i += m


def categorical(bit_generator, const double[::1] p not None, Py_ssize_t size):
    """Cells (size,) int64 drawn from p (K,) by `scan`, which moves single agents; O(K) per draw."""
    cdef Sampler sampler
    cdef int64_t[::1] out = np.empty(size, np.int64)
    cdef Py_ssize_t i
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        for i in range(size):
            out[i] = scan(uniform(&sampler), &p[0], p.shape[0])
    return np.asarray(out)


def multinomial(bit_generator, int64_t n, const double[::1] p not None):
    """Counts (K,) int64 of n agents split by p (K,). They sum to n; cells of probability zero get none.

    Exact for n <= 10**18.
    """
    cdef Sampler sampler
    cdef int64_t[::1] out = np.empty(p.shape[0], np.int64)
    cdef double[::1] tails = np.empty(p.shape[0])
    check_number("n", -1, n)
    check_weights("p", -1, &p[0], p.shape[0])
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        split_multinomial(&sampler, n, &p[0], p.shape[0], &tails[0], &out[0])
    return np.asarray(out)


def multinomials(bit_generator, const int64_t[::1] n not None, const double[:, ::1] p not None):
    """Counts (M, K) int64 of n (M,) agents split by the rows of p (M, K), by the sampler of many rows (RowSplitter).

    Exact for n <= 10**18; rows of more than 2**50 agents are drawn one by one.
    """
    cdef Sampler sampler
    cdef Py_ssize_t n_rows, j, row = 0
    cdef int64_t[:, ::1] out = np.zeros((p.shape[0], p.shape[1]), np.int64)
    cdef RowSplitter splitter = RowSplitter(p.shape[0], p.shape[1])
    if n.shape[0] != p.shape[0]:
        raise ValueError(f"n has {n.shape[0]} entries; must have one for each of the {p.shape[0]} rows of p")
    for j in range(p.shape[0]):
        check_number("n", j, n[j])
        check_weights("p", j, &p[j, 0], p.shape[1])
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        while row < p.shape[0]:
            n_rows = splitter.split_next(&sampler, &n[0], &p[0, 0], p.shape[0], p.shape[1], &row)
            for j in range(n_rows):
                memcpy(&out[splitter.label[j], 0], splitter.out + j * p.shape[1], p.shape[1] * sizeof(int64_t))
    return np.asarray(out)
