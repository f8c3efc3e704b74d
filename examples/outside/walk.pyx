"""Kernels of another package, on tmfcore's: the rewards of one agent in a population that follows a given mu; departures."""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

import numpy as np

from tmfcore.cython_api cimport Evaluator, Model, Policy, Sampler, binomial, bits_of, scan, successors_of, uniform


def walks(Model model, Policy policy, const double[:, ::1] mu, Py_ssize_t start, Py_ssize_t n_walks, bit_generator):
    """Rewards (n_walks, T) of an agent that acts at every step, from the observation `start`; mu has shape (T + 1, S)."""
    cdef int horizon = <int>mu.shape[0] - 1, t
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t A = at.n_actions, K = at.n_successors, i, row, k
    cdef const int32_t *successors
    cdef Sampler sampler
    out = np.empty((n_walks, horizon))
    cdef double[:, ::1] rewards = out
    cdef Py_ssize_t[::1] place = np.full(n_walks, start, np.intp)
    if mu.shape[1] != at.n_observations or not 0 <= start < at.n_observations:
        raise ValueError(f"mu has {mu.shape[1]} columns, and start is {start}; the game has {at.n_observations} observations")
    memset(&sampler, 0, sizeof(Sampler))
    sampler.bits = bits_of(bit_generator)
    with bit_generator.lock, nogil:
        for t in range(horizon):
            at.at(t, &mu[t, 0])               # rewards, rows and action probabilities at (t, mu)
            for i in range(n_walks):
                row = place[i] * A + scan(uniform(&sampler), at.pi + place[i] * A, A)
                rewards[i, t] = at.tables.reward[row]
                k = scan(uniform(&sampler), at.tables.transition + row * K, K)
                successors = successors_of(at, row)
                place[i] = k if successors == NULL else successors[k]
    return out


def leaving(const int64_t[::1] counts, double p, bit_generator):
    """How many agents (S,) int64 leave, of `counts` (S,), if each leaves with probability p."""
    cdef Py_ssize_t o
    cdef Sampler sampler
    out = np.empty(counts.shape[0], np.int64)
    cdef int64_t[::1] left = out
    memset(&sampler, 0, sizeof(Sampler))
    sampler.bits = bits_of(bit_generator)
    with bit_generator.lock, nogil:
        for o in range(counts.shape[0]):
            left[o] = binomial(&sampler, counts[o], p)
    return out
