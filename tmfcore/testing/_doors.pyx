"""Access to the samplers of the engines, for tests of their laws: draws as arrays."""
from libc.math cimport log, sqrt
from libc.stdint cimport int64_t, uint32_t, uint64_t

import numpy as np

from tmfcore._population.alias cimport AliasTables, Layout, bits_for, tmf_draw_one
from tmfcore._random.sampling cimport (
    RowSplitter, Sampler, below, binomial, check_batch, check_number, split_hypergeometric, start,
)
from tmfcore._random.streams cimport TMF_LANES, tmf_below, tmf_fill, tmf_open, tmf_stream

cdef extern from "_random/binomials.h" nogil:
    int64_t TMF_MOST
    double tmf_attempt(double mean, double spread, double p, uint64_t word_u, uint64_t word_v, double *pending)
    double tmf_log_to_mode(double n, double p, double k, double *odds)
    double tmf_settle(double n, double spread, double p, double k, uint64_t word_u, uint64_t word_v)

cdef extern from "_population/few.h" nogil:
    void tmf_choose_few(tmf_stream *stream, uint64_t n_agents, int64_t n, uint32_t *chosen, uint32_t *bits,
                        uint32_t *seen, const void *observations, int width, int64_t ahead)
    uint64_t tmf_set_words(uint64_t n_agents, int64_t n)

cdef double TWO_32 = 4294967296.0


def bounded(bit_generator, int64_t n, Py_ssize_t size, bint addressed=False):
    """Integers (size,) int64 uniform on {0..n-1}; `addressed`: from an addressed stream, as in the agents engine."""
    cdef Sampler sampler
    cdef tmf_stream stream
    cdef uint64_t key[4]
    cdef uint64_t words[TMF_LANES]
    cdef uint64_t[::1] out = np.empty(size, np.uint64)
    cdef Py_ssize_t i
    if n < 1:
        raise ValueError(f"n is {n}; must be >= 1")
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        if addressed:
            for i in range(4):
                key[i] = sampler.bits.next_uint64(sampler.bits.state)
            tmf_open(&stream, key, 0, 0, 0)
        for i in range(size):
            if not addressed:
                out[i] = <uint64_t>below(&sampler, n)
                continue
            if i % TMF_LANES == 0:
                tmf_fill(&stream, words, 1)
            tmf_below(&stream, &words[i % TMF_LANES], <uint64_t>n, &out[i], 1)
    return np.asarray(out).astype(np.int64)


def binomials(bit_generator, int64_t n, double p, Py_ssize_t size):
    """Binomial(n, p) variates (size,) int64, exact for n <= 10**18."""
    cdef Sampler sampler
    cdef int64_t[::1] out = np.empty(size, np.int64)
    cdef Py_ssize_t i
    check_number("n", -1, n)
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; must lie in [0, 1]")
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        for i in range(size):
            out[i] = binomial(&sampler, n, p)
    return np.asarray(out)


def binomial_attempts(int64_t n, double p, const uint64_t[::1] u not None, const uint64_t[::1] v not None):
    """BTRS at pairs of words (M,): the value k, whether the pair is outside the box, and whether k is accepted then.

    Returns three arrays (M,): int64, bool, bool. Needs 10 <= n p, p <= 1/2, n <= 2**50.
    """
    cdef Py_ssize_t size = u.shape[0], i
    cdef int64_t[::1] k = np.empty(size, np.int64)
    cdef double[:, ::1] out = np.empty((2, size))
    cdef double mean = <double>n * p, spread = sqrt(mean * (1 - p)), drawn
    if not (n <= TMF_MOST and mean >= 10 and p <= 0.5 and v.shape[0] == size):
        raise ValueError(f"n is {n}, p is {p}, u has {size} words and v {v.shape[0]}; must be n <= {TMF_MOST}, "
                         "n p >= 10 and p <= 0.5, and u and v must have equal lengths")
    for i in range(size):
        drawn = tmf_attempt(mean, spread, p, u[i], v[i], &out[0, i])
        out[1, i] = tmf_settle(<double>n, spread, p, drawn, u[i], v[i])
        k[i] = <int64_t>drawn
    pending, fits = np.asarray(out) > 0
    return np.asarray(k), pending, fits


def binomial_log_ratios(int64_t n, double p, const int64_t[::1] k not None):
    """log P(k) - log P(mode) (M,) of Binomial(n, p) at k (M,), as BTRS compares them; 0 < p <= 1/2, 1 <= n <= 2**50."""
    cdef double[::1] out = np.empty(k.shape[0])
    cdef double odds
    cdef Py_ssize_t i
    if not (1 <= n <= TMF_MOST and 0 < p <= 0.5):
        raise ValueError(f"n is {n} and p is {p}; must lie in 1..{TMF_MOST} and (0, 0.5]")
    for i in range(k.shape[0]):
        if not 0 <= k[i] <= n:
            raise ValueError(f"k[{i}] is {k[i]}; must lie in 0..{n}")
        out[i] = tmf_log_to_mode(<double>n, p, <double>k[i], &odds)
        out[i] -= 0.5 * log(odds)
    return np.asarray(out)


def binomials_abreast(bit_generator, const int64_t[::1] n not None, const double[::1] p not None):
    """Binomial(n, p) variates (M,) int64 for n (M,) <= 2**50 and p (M,), drawn in SIMD lanes for every n."""
    cdef Sampler sampler
    cdef Py_ssize_t size = n.shape[0], j, n_listed = 0
    cdef int64_t[::1] listed = np.empty(size, np.int64)
    cdef int64_t[:, ::1] out = np.zeros((size, 2), np.int64)
    cdef double[:, ::1] shares = np.full((size, 2), -1.0)
    cdef RowSplitter splitter = RowSplitter(1, 2)
    if p.shape[0] != size:
        raise ValueError(f"p has {p.shape[0]} entries; must have one for each of the {size} of n")
    for j in range(size):
        if n[j] < 0 or n[j] > TMF_MOST:
            raise ValueError(f"n[{j}] is {n[j]}; must lie in 0..{TMF_MOST}")
        shares[j, 0] = p[j] if p[j] <= 0.5 else p[j] - 1 if p[j] < 1 else -1.0       # as tmf_shares writes them
        if n[j] > 0:
            listed[n_listed] = j
            n_listed += 1
    start(&sampler, bit_generator)
    if n_listed > 0:
        with bit_generator.lock, nogil:
            splitter.open(&sampler)
            splitter.split_abreast(&listed[0], n_listed, 2, &n[0], &shares[0, 0], &out[0, 0])
    return np.ascontiguousarray(np.asarray(out)[:, 0])


def hypergeometric_split(bit_generator, const int64_t[::1] counts not None, int64_t batch):
    """Agents (S,) int64 in each cell, of a batch drawn without replacement from counts (S,)."""
    cdef Sampler sampler
    cdef int64_t total = 0
    cdef Py_ssize_t o
    cdef int64_t[::1] out = np.empty(counts.shape[0], np.int64)
    for o in range(counts.shape[0]):
        check_number("counts", o, counts[o])
        total += counts[o]
        check_number("the sum of counts", -1, total)
    if batch < 0 or batch > total:
        raise ValueError(f"batch is {batch}; must lie in 0..{total}")
    check_batch(total, batch)
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        split_hypergeometric(&sampler, &counts[0], counts.shape[0], total, batch, &out[0])
    return np.asarray(out)


def small_batches(const uint64_t[::1] key not None, int64_t n_agents, int64_t n, Py_ssize_t size):
    """Small batches (size, n) of distinct agents, in the order drawn, and 32 bits for the move of each, (size, n)."""
    cdef uint32_t[:, ::1] chosen = np.empty((size, n), np.uint32), bits = np.empty((size, n), np.uint32)
    cdef uint32_t[::1] seen
    cdef tmf_stream stream
    cdef Py_ssize_t i
    if key.shape[0] != 4 or not 1 <= n <= n_agents < 2**32:
        raise ValueError(f"key has {key.shape[0]} words, n is {n} of {n_agents}; must be 4, 1..n_agents, < 2**32")
    seen = np.empty(tmf_set_words(n_agents, n), np.uint32)
    for i in range(size):
        tmf_open(&stream, &key[0], i, 0, 0)
        tmf_choose_few(&stream, n_agents, n, &chosen[i, 0], &bits[i, 0], &seen[0], NULL, 1, 0)
    return np.asarray(chosen), np.asarray(bits)


cdef AliasTables single_row(const double[::1] p):
    cdef Layout layout
    cdef AliasTables tables
    cdef Py_ssize_t i
    layout.averaged = layout.dense = True
    layout.action_bits = 0
    layout.cell_bits = max(1, bits_for(p.shape[0]))
    layout.n_rows = 1
    tables = AliasTables.of(layout)
    tables.clear(tables.mass, 0, 0)
    for i in range(p.shape[0]):
        tables.mass[i] = p[i]
    tables.build_rows(0, 1)
    return tables


def alias_draws(bit_generator, const double[::1] p not None, Py_ssize_t size):
    """Cells (size,) int64 drawn from p (K,) through one packed alias row; O(K + size)."""
    cdef AliasTables tables = single_row(p)
    cdef const uint32_t[:, ::1] random = np.random.Generator(bit_generator).integers(
        2**32, size=(size, 2), dtype=np.uint32)
    cdef long long[::1] out = np.empty(size, np.int64)
    cdef Py_ssize_t i
    with nogil:
        for i in range(size):
            out[i] = tmf_draw_one(&tables.alias, 0, random[i, 0], random[i, 1])
    return np.asarray(out)


def alias_probabilities(const double[::1] p not None):
    """Exact probabilities (2^b,) float64 of all columns, from the packed alias row built for p (K,)."""
    cdef AliasTables tables = single_row(p)
    cdef Py_ssize_t n_columns = 1 << tables.alias.column_bits, i
    cdef double threshold
    cdef double[::1] out = np.zeros(n_columns)
    for i in range(n_columns):
        threshold = (<double>(tables.cells[i] >> tables.alias.column_bits)
                     + <double>tables.finer[i] / TWO_32) * n_columns / TWO_32
        out[i] += threshold / n_columns
        out[tables.cells[i] & <uint32_t>(n_columns - 1)] += (1 - threshold) / n_columns
    return np.asarray(out)


def stream_words(const uint64_t[:, ::1] keys not None, const uint64_t[:, ::1] addresses not None, Py_ssize_t n_words):
    """The first words (M, n_words) uint64 of the streams of keys (M, 4) at addresses (M, 3): step, block, purpose."""
    cdef Py_ssize_t size = keys.shape[0], rounds = n_words // TMF_LANES, i
    cdef uint64_t[:, ::1] out = np.empty((size, rounds * TMF_LANES), np.uint64)
    cdef tmf_stream stream
    if keys.shape[1] != 4 or addresses.shape[0] != size or addresses.shape[1] != 3 or n_words != rounds * TMF_LANES:
        raise ValueError(f"keys and addresses have {size} and {addresses.shape[0]} rows of {keys.shape[1]} and "
                         f"{addresses.shape[1]}, n_words is {n_words}; must be of 4 and 3, a multiple of {TMF_LANES}")
    with nogil:
        for i in range(size if rounds > 0 else 0):
            tmf_open(&stream, &keys[i, 0], addresses[i, 0], addresses[i, 1], addresses[i, 2])
            tmf_fill(&stream, &out[i, 0], <int>rounds)
    return np.asarray(out)
