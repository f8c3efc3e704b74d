"""The batch of a step at which all agents are visited: a bit for each agent."""
from libc.stdint cimport int64_t, uint64_t


# Set the bits of a uniformly drawn batch of n_acting < N agents in acting (N,), which has room for whole tiles.
cdef void select_bits(int64_t N, const uint64_t *key, uint64_t *acting, int t, int64_t n_acting) noexcept nogil
