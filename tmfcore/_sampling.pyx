"""Exact samplers on a borrowed numpy bit generator, and the doors that let tests reach them.

Source     theory.md section 5; see _sampling.pxd for the contract and the ranges of validity.
"""
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport fabs, floor, log, sqrt
from libc.string cimport memset

import os

import numpy as np

cdef extern from "build.h" nogil:
    const char *TMF_COMPILER
    const char *TMFCORE_SANITIZE
    const char *TMFCORE_BUILD_NUMPY
    const char *TMFCORE_BUILD_CYTHON
    bint TMFCORE_ABI3
    bint TMFCORE_DEBUG
    bint TMFCORE_TRACE
    bint TMFCORE_ANNOTATE
    const char *tmf_instruction_set()

if tmf_instruction_set() == NULL:
    raise ValueError(
        f"TMFCORE_INSTRUCTION_SET is {os.environ['TMFCORE_INSTRUCTION_SET']!r}; "
        "must be base, avx2, avx512 or avx512vbmi, or unset")


cdef bitgen_t *bits_of(object bit_generator) except NULL:
    return <bitgen_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")


cdef int64_t binomial_by_inversion(Sampler *sampler, int64_t n, double p) noexcept nogil:
    cdef double u = uniform(sampler)
    cdef double nothing, mass
    cdef int64_t k
    if u < 1 - n * p:         # (1-p)**n >= 1 - np: zero without the exponential
        return 0
    nothing = exp(n * log1p(-p))
    while True:
        mass = nothing
        k = 0
        while u > mass and k < n and k < 400:     # P(k >= 400) < 1e-300 for a mean below 15
            k += 1
            u -= mass
            mass *= (n - k + 1) * p / (k * (1 - p))
        if u <= mass:
            return k
        u = uniform(sampler)  # u fell into the rounding left over beyond the last cell


cdef double *STIRLING = [
    0.08106146679532726, 0.04134069595540929, 0.02767792568499834, 0.02079067210376509, 0.01664469118982119,
    0.01387612882307075, 0.01189670994589177, 0.01041126526197209, 0.009255462182712733, 0.008330563433362871]


cdef inline double stirling(double k) noexcept nogil:
    """log k! - [log sqrt(2 pi) + (k + 1/2) log(k + 1) - (k + 1)]"""
    cdef double inverse = 1 / (k + 1)
    if k < 10:
        return STIRLING[<int>k]
    return (1.0 / 12 - (1.0 / 360 - inverse * inverse / 1260) * inverse * inverse) * inverse


cdef int64_t binomial_by_rejection(Sampler *sampler, int64_t n, double p) noexcept nogil:
    """BTRS, for n p >= 10 and p <= 1/2; no set-up to speak of, which pays where (n, p) change with every draw."""
    cdef double spread = sqrt(n * p * (1 - p))
    cdef double b = 1.15 + 2.53 * spread
    cdef double a = -0.0873 + 0.0248 * b + 0.01 * p
    cdef double c = n * p + 0.5
    cdef double v_r = 0.92 - 4.2 / b
    cdef double u, v, us, k, m, odds
    while True:
        u = uniform(sampler) - 0.5
        v = uniform(sampler)
        us = 0.5 - fabs(u)
        if us == 0:
            continue
        k = floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= v_r:
            return <int64_t>k
        if k < 0 or k > n:
            continue
        m = floor((n + 1) * p)
        odds = p / (1 - p)
        v = log(v * (2.83 + 5.1 / b) * spread / (a / (us * us) + b))
        if v <= ((m + 0.5) * log((m + 1) / (odds * (n - m + 1))) + (n + 1) * log((n - m + 1) / (n - k + 1))
                 + (k + 0.5) * log(odds * (n - k + 1) / (k + 1))
                 + stirling(m) + stirling(n - m) - stirling(k) - stirling(n - k)):
            return <int64_t>k


cdef void split_multinomial(
    Sampler *sampler, int64_t n, const double *p, Py_ssize_t n_cells, double *tails, int64_t *out
) noexcept nogil:
    cdef Py_ssize_t k
    cdef int64_t drawn
    if n_cells == 1:
        out[0] = n
        return
    if n_cells == 2:
        out[0] = binomial(sampler, n, p[0] / (p[0] + p[1]))
        out[1] = n - out[0]
        return
    memset(out, 0, n_cells * sizeof(int64_t))
    if n <= 150 * (n_cells - 1) // (10 + n_cells):    # few: one by one (measured crossover)
        while n > 0:
            out[scan(uniform(sampler), p, n_cells)] += 1
            n -= 1
        return
    # Tails summed from the right: p[k] / tails[k] is exactly 1 at the last cell that has mass, so
    # nobody is left over for a cell of probability zero.
    tails[n_cells - 1] = p[n_cells - 1]
    for k in range(n_cells - 2, -1, -1):
        tails[k] = p[k] + tails[k + 1]
    for k in range(n_cells):
        if p[k] > 0:
            drawn = binomial(sampler, n, p[k] / tails[k])
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
    if batch <= 80 * n_cells // (8 + n_cells // 2):    # few: agent by agent, without replacement
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


# ---------------------------------------------------------------- doors

cdef int start(Sampler *sampler, object bit_generator) except -1:
    memset(sampler, 0, sizeof(Sampler))
    sampler.bits = bits_of(bit_generator)
    return 0


def categorical(bit_generator, const double[::1] p not None, Py_ssize_t size):
    """Cells (size,) int64 drawn from p (K,) by the scan that moves single agents; O(K) a draw."""
    cdef Sampler sampler
    cdef int64_t[::1] out = np.empty(size, np.int64)
    cdef Py_ssize_t i
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        for i in range(size):
            out[i] = scan(uniform(&sampler), &p[0], p.shape[0])
    return np.asarray(out)


def binomials(bit_generator, int64_t n, double p, Py_ssize_t size):
    """Binomial(n, p) variates (size,) int64, exact for n <= 10**18."""
    cdef Sampler sampler
    cdef int64_t[::1] out = np.empty(size, np.int64)
    cdef Py_ssize_t i
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        for i in range(size):
            out[i] = binomial(&sampler, n, p)
    return np.asarray(out)


def multinomial(bit_generator, int64_t n, const double[::1] p not None):
    """Counts (K,) int64 of n agents placed by p (K,), summing to n; no cell of probability zero is hit."""
    cdef Sampler sampler
    cdef int64_t[::1] out = np.empty(p.shape[0], np.int64)
    cdef double[::1] tails = np.empty(p.shape[0])
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        split_multinomial(&sampler, n, &p[0], p.shape[0], &tails[0], &out[0])
    return np.asarray(out)


def hypergeometric_split(bit_generator, const int64_t[::1] counts not None, int64_t batch):
    """How many of `batch` agents, drawn without replacement, stand in each cell of counts (S,) -> (S,) int64."""
    cdef Sampler sampler
    cdef int64_t total = 0
    cdef Py_ssize_t o
    cdef int64_t[::1] out = np.empty(counts.shape[0], np.int64)
    for o in range(counts.shape[0]):
        total += counts[o]
    if batch < 0 or batch > total:
        raise ValueError(f"batch is {batch}; must lie in 0..{total}")
    start(&sampler, bit_generator)
    with bit_generator.lock, nogil:
        split_hypergeometric(&sampler, &counts[0], counts.shape[0], total, batch, &out[0])
    return np.asarray(out)


def build_info():
    """What the kernels were compiled with: compiler, switches, versions; and the instruction set chosen here."""
    return {
        "compiler": TMF_COMPILER.decode(),
        "instruction_set": tmf_instruction_set().decode(),
        "abi3": TMFCORE_ABI3,
        "debug": TMFCORE_DEBUG,
        "trace": TMFCORE_TRACE,
        "annotate": TMFCORE_ANNOTATE,
        "sanitize": TMFCORE_SANITIZE.decode(),
        "build_numpy": TMFCORE_BUILD_NUMPY.decode(),
        "build_cython": TMFCORE_BUILD_CYTHON.decode(),
    }
