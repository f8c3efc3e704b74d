"""Eight steps at once, where kernel, policy and active fraction stay the same."""
from tmfcore._limit.push cimport Push
from tmfcore._model.evaluator cimport Evaluator


cdef enum:
    BLOCK = 8                        # steps at once


cdef class Blocks:
    cdef Py_ssize_t n, wide          # S, and S rounded up to a multiple of BLOCK
    cdef void *memory
    cdef double *matrix              # M, the kernel of one step: (S, wide) of zero-padded rows forward, (S, S) backward
    cdef double *panels              # forward: M^8; backward: the active kernel, observations by rows (blocks.h)
    cdef double *rows                # forward: (BLOCK, wide)  mu of the last BLOCK steps
    cdef double *spare               # forward: (wide, wide); backward: (S,) rewards, and M turned

    cdef int reserve(self, Py_ssize_t n_doubles) except -1

    # None unless blocks of a forward or backward run pay.
    @staticmethod
    cdef Blocks forward(Evaluator at, Push push, Py_ssize_t n_fractions)

    @staticmethod
    cdef Blocks backward(Evaluator at, Py_ssize_t n_fractions)

    # Prepare for a stage: M from the averaged kernel of `push`, or from the tables of `at`, with a share beta acting.
    cdef void open_forward(self, Evaluator at, Push push, double beta) noexcept nogil
    cdef void open_backward(self, Evaluator at, double beta) noexcept nogil
    # Replace `rows` by those of the next BLOCK steps.
    cdef void advance(self) noexcept nogil
    # The rows of as many of the next n_steps steps as whole blocks hold, to mu (BLOCK + n_steps, S), whose first BLOCK
    # rows are those of the last steps; `rows` follow. The number of steps.
    cdef Py_ssize_t follow(self, Py_ssize_t n_steps, double *mu) noexcept nogil
    # Steps t + BLOCK - 1 to t: values[t..] and q[t..] from values[t + BLOCK].
    cdef int retreat(self, Evaluator at, Py_ssize_t t, const double *mu, double discount, double beta, double *values,
                     double *q) except -1 nogil
