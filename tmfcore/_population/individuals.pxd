"""The move of one individual whose action is given."""
from libc.stdint cimport int32_t, int64_t

from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._random.sampling cimport Sampler, scan, uniform


cdef inline int64_t moved(Evaluator at, Sampler *sampler, int64_t o, int64_t a, double *reward) noexcept nogil:
    """The next observation of an individual at o with action a, drawn from the tables of `at`, and its reward."""
    cdef Py_ssize_t K = at.n_successors, K0 = at.n_passive_successors
    cdef Py_ssize_t row = o * at.n_actions + a, k
    cdef const int32_t *successor
    if a < 0:
        reward[0] = at.tables.passive_reward[o]
        if at.model.passive_identity:
            return o
        k = scan(uniform(sampler), at.tables.passive_transition + o * K0, K0)
        successor = passive_successors_of(at, o)
    else:
        reward[0] = at.tables.reward[row]
        k = scan(uniform(sampler), at.tables.transition + row * K, K)
        successor = successors_of(at, row)
    return k if successor == NULL else successor[k]
