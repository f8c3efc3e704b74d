"""Checks of all entries of an array in one pass, without temporary arrays. They say whether, not where: O(size).

Contract   arrays are float64 and C-contiguous; the callers convert them.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer

cdef extern from "_base/simd/check.h" nogil:
    int tmf_all_finite(const double *source, Py_ssize_t n, double *target)
    int tmf_distributions(const double *rows, Py_ssize_t n_rows, Py_ssize_t n_cells, double tolerance)


def all_finite(array):
    """Whether every entry of a float64 array (...) is finite."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
    fine = tmf_all_finite(<const double *>buffer.buf, buffer.len // sizeof(double), NULL)
    PyBuffer_Release(&buffer)
    return bool(fine)


def all_distributions(array, Py_ssize_t n_cells, double tolerance):
    """Whether every row of a float64 array (..., n_cells) is a distribution: entries >= 0 that sum to 1."""
    cdef Py_buffer buffer
    if n_cells < 1:
        return False
    PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
    fine = tmf_distributions(<const double *>buffer.buf, buffer.len // sizeof(double) // n_cells, n_cells, tolerance)
    PyBuffer_Release(&buffer)
    return bool(fine)
