"""States of replicas side by side, as carried.pyx has them: each may go on alone."""
from tmfcore._population.lanes cimport Side


# What replica r needs to go on from step t, of interval j, which has `left` more.
cdef dict state_of(Side side, Py_ssize_t r, Py_ssize_t t, Py_ssize_t j, Py_ssize_t left)
# Go on from the states of all replicas, which have been placed and opened; return the interval in which they are.
cdef Py_ssize_t restore(Side side, list states) except -1
# Write the records of the states up to interval j, which has begun.
cdef int recall(Side side, list states, Py_ssize_t j) except -1
