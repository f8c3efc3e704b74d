"""States of replicas side by side, as carried.pyx has them: each may go on alone."""
from libc.stdint cimport int64_t, uint64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.lanes cimport Side


# Write the block of replica r, which must hold zeros.
cdef void leave(Side side, Py_ssize_t r, uint64_t *block) noexcept nogil
# What replica r needs to go on from step t, of interval j, which has `left` more, and the run `remaining`.
cdef dict state_of(Side side, Py_ssize_t r, Py_ssize_t t, Py_ssize_t j, Py_ssize_t left, Py_ssize_t remaining)
# Go on from the states of all replicas, which have been placed and opened; return the interval in which they are.
cdef Py_ssize_t restore(Side side, list states) except -1
# Write the records of the states, after their present intervals have begun.
cdef int recall(Side side, list states) except -1
# The same for replicas whose intervals have lengths of their own (Side.run_apart): `due` is the end of the present
# interval of each, `place` its number, and `whole` all steps. Those that have ended only keep what is recorded.
cdef list states_apart(
    Side side, Py_ssize_t t, Py_ssize_t n_intervals, const Py_ssize_t *due, const Py_ssize_t *place,
    const Py_ssize_t *whole, const double[::1] returns)
cdef int restore_apart(
    Side side, list states, const int64_t[:, ::1] lengths, Py_ssize_t *due, Py_ssize_t *place,
    const Py_ssize_t *whole, double[::1] returns) except -1
# Raise if a sum of rewards is not finite after the steps t..end - 1.
cdef int check_totals(Side side, Evaluator at, Py_ssize_t t, Py_ssize_t end) except -1 nogil
# End the intervals that end at step t, and begin the next ones; return the step of the next end.
cdef Py_ssize_t pass_ends(
    Side side, Py_ssize_t *due, Py_ssize_t *place, const int64_t[:, ::1] lengths, double[::1] returns,
    uint64_t[:, ::1] ends, Py_ssize_t t) noexcept nogil
