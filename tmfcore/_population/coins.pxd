"""Steps at which every agent acts with a probability: the draws of the counts engine, the thresholds of the other."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.activation cimport Activation, ActingShares
from tmfcore._random.sampling cimport RowSplitter, Sampler


cdef inline int draw_acting(
    Sampler *sampler,
    RowSplitter splitter,
    const int64_t *counts,     # IN   (S,)
    const double *mu,          # IN   (S,)    counts / N
    Py_ssize_t n_observations,
    const Activation *activation,
    ActingShares coins,        # IN           probabilities by observation; None: activation.probability
    int t,
    double *shares,            # SCRATCH (S,)
    int64_t *acting,           # OUT  (S,)    Binomial(counts[o], beta_t(o, mu))
) except -1 nogil:
    cdef Py_ssize_t room = splitter.capacity // 2, o = 0, stride = 1, n_rows, j
    cdef const double *p
    if coins is None:
        p = activation.probability + t * activation.stride
        stride = 0
    else:
        coins.at(t, mu, n_observations, shares, &p)
    while o < n_observations:
        n_rows = min(room, n_observations - o)
        for j in range(n_rows):
            splitter.n[j] = counts[o + j]
            splitter.p[2 * j] = p[(o + j) * stride]
            splitter.p[2 * j + 1] = 1 - p[(o + j) * stride]
        splitter.split(sampler, n_rows, 2)
        for j in range(n_rows):
            acting[o + j] = splitter.out[2 * j]
        o += n_rows
    return 0


cdef inline int set_thresholds(
    ActingShares coins,        # IN           None: nothing is set
    int t,
    const double *mu,          # IN   (S,)
    Py_ssize_t n_observations,
    double *shares,            # SCRATCH (S,)
    uint64_t *thresholds,      # OUT  (S,)    as Crowd has them: beta_t(o, mu) 2^63
) except -1 nogil:
    cdef const double *p
    cdef Py_ssize_t o
    if coins is None:
        return 0
    coins.at(t, mu, n_observations, shares, &p)
    for o in range(n_observations):
        thresholds[o] = <uint64_t>(p[o] * 9223372036854775808.0)
    return 0
