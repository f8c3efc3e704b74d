"""Steps at which agents act by probabilities, or in batches of a size that depends on mu, for both engines."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.activation cimport Activation, ActingShares, batch_of
from tmfcore._random.sampling cimport RowSplitter, Sampler, split_hypergeometric


cdef inline int draw_acting(
    Sampler *sampler,
    RowSplitter splitter,
    const int64_t *counts,     # IN   (S,)
    const double *mu,          # IN   (S,)    counts / N
    Py_ssize_t n_observations,
    int64_t n_agents,
    const Activation *activation,
    ActingShares coins,        # IN           probabilities by observation; None: activation.probability
    int t,
    double *shares,            # SCRATCH (S,)
    int64_t *acting,           # OUT  (S,)    Binomial(counts[o], beta_t(o, mu)), or a batch of beta_t(mu) N
) except -1 nogil:
    cdef Py_ssize_t room = splitter.capacity // 2, o = 0, stride = 1, n_rows, j
    cdef const double *p
    if coins is None:
        p = activation.probability + t * activation.stride
        stride = 0
    else:
        coins.at(t, mu, n_observations, shares, &p)
        if coins.batches:
            split_hypergeometric(sampler, counts, n_observations, n_agents, batch_of(p[0], n_agents), acting)
            return 0
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


cdef inline int64_t number_acting(
    ActingShares coins,        # IN           None: nothing is set, and otherwise returned
    int t,
    const double *mu,          # IN   (S,)
    Py_ssize_t n_observations,
    int64_t n_agents,
    double *shares,            # SCRATCH (S,)
    uint64_t *thresholds,      # OUT  (S,)    as Crowd has them: beta_t(o, mu) 2^63; unless coins are of batches
    int64_t otherwise,
) except -2 nogil:
    """How many agents of a population of individuals act; -1: each with a probability."""
    cdef const double *p
    cdef Py_ssize_t o
    if coins is None:
        return otherwise
    coins.at(t, mu, n_observations, shares, &p)
    if coins.batches:
        return batch_of(p[0], n_agents)
    for o in range(n_observations):
        thresholds[o] = <uint64_t>(p[o] * 9223372036854775808.0)
    return -1
