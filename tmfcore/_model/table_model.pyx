"""Models of arrays, of Python callables, or of a mixture of the two.

Contract   output of a callable is checked at every call.
"""
from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t
from libc.string cimport memcpy

import numpy as np

from tmfcore._base.rows import settled

from tmfcore._model.model cimport TOLERANCE, Model, Tables, frozen, with_stand_ins

cdef extern from "_base/simd/check.h" nogil:
    int tmf_all_finite(const double *source, Py_ssize_t n, double *target)
    int tmf_distributions(const double *rows, Py_ssize_t n_rows, Py_ssize_t n_cells, double tolerance)


cdef class TableModel(Model):
    """A game given as arrays, Python callables f(mu, t), or a mixture of the two.

    Parameters
    ----------
    n_observations, n_actions : int
    reward, transition, passive_reward, passive_transition
        Shapes (S, A), (S, A, K), (S,), (S, K0): each an array, or a callable f(mu, t) that returns one.
        A callable is called once per step with the GIL held; its result is checked. passive_transition may be None:
        passive agents stay where they are.
    successors, passive_successors : array_like of int, optional
        Shapes (S, A, K) and (S, K0).
    legal : array_like of bool, optional
        Shape (S, A). Arrays and successors must have the rows of stand-ins (Model.set_legal); what callables return for
        illegal actions is not read.
    """
    cdef tuple sources, shapes
    cdef double *arrays[4]               # the data of the tables, NULL if given as a callable
    cdef Py_ssize_t sizes[4]

    def __init__(self, n_observations, n_actions, reward, transition, passive_reward, passive_transition,
                 successors=None, passive_successors=None, legal=None):
        cdef const int32_t[:, ::1] own
        self.set_shape(n_observations, n_actions, successors, passive_successors)
        self.set_legal(legal)
        S, A = self.n_observations, self.n_actions
        stays = passive_transition is None
        if stays:
            self.passive_successors = frozen(np.arange(S, dtype=np.int32)[:, np.newaxis])
            own = self.passive_successors
            self.passive_successor = &own[0, 0]
            self.n_passive_successors = 1
            passive_transition = frozen(np.ones((S, 1)))
        self.shapes = ((S, A), (S, A, self.n_successors), (S,), (S, self.n_passive_successors))
        self.sources = tuple(
            source if callable(source) else table_of(name, source, shape)
            for name, source, shape in zip(
                TABLE_NAMES, (reward, transition, passive_reward, passive_transition), self.shapes))
        varies = [callable(source) for source in self.sources]
        for i in range(4):
            self.sizes[i] = 0 if varies[i] else self.sources[i].size
            self.arrays[i] = NULL if varies[i] else data_of(self.sources[i])
        self.constant = self.affine = not any(varies)
        self.constant_transition = not (varies[1] or varies[3])
        self.constant_reward = not (varies[0] or varies[2])
        self.in_parts = True
        self.local_passive_reward = not varies[2]
        self.passive_identity = stays or not varies[3] and is_identity(self.sources[3], self.passive_successors)

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef double **targets = [tables.reward, tables.transition, tables.passive_reward, tables.passive_transition]
        cdef int i
        for i in range(4 if everything else 0):
            if targets[i] != NULL and self.arrays[i] != NULL:
                memcpy(targets[i], self.arrays[i], self.sizes[i] * sizeof(double))
        if not self.constant:
            self.call_tables(t, mu, targets)
        return 0

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        return self.call_row(t, observation, action, mu, probabilities, reward)

    cdef int call_tables(self, int t, const double *mu, double **targets) except -1 with gil:
        """Call the functions among the tables."""
        cdef int i
        population = self.population(mu)
        for i in range(4):
            if targets[i] != NULL and self.arrays[i] == NULL:
                called(TABLE_NAMES[i], self.ask(i, population, t), self.shapes[i], t, targets[i])
        return 0

    cdef int call_row(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 with gil:
        population = self.population(mu)
        first = 2 if action < 0 else 0
        rewards = self.table(first, population, t)[observation]
        rows = self.table(first + 1, population, t)[observation]
        reward[0] = rewards if action < 0 else rewards[action]
        return fill(probabilities, rows if action < 0 else rows[action])

    cdef object population(self, const double *mu):
        """A new read-only copy of mu, since a callable may keep it."""
        return np.frombuffer(PyBytes_FromStringAndSize(<const char *>mu, self.n_observations * sizeof(double)))

    cdef object table(self, int i, population, int t):
        source = self.sources[i]
        return table_of(TABLE_NAMES[i], self.ask(i, population, t), self.shapes[i], t) if callable(source) else source

    cdef object ask(self, int i, population, int t):
        """What the function of table i returns, with stand-ins."""
        found = self.sources[i](population, t)
        return found if self.stand_in == NULL or i > 1 else with_stand_ins(self, found)


FLOAT64 = np.dtype(np.float64)
TABLE_NAMES = ("reward", "transition", "passive_reward", "passive_transition")


cdef object table_of(str name, source, tuple shape, t=None):
    """source as a checked, read-only float64 table of the given shape; t is the step if a callable returned it."""
    label = name if t is None else f"{name}(mu, t={t})"
    table = source
    if not (type(source) is np.ndarray and source.dtype == FLOAT64 and read_only(source.flags)):
        table = np.array(source, np.float64, order="C")
    if is_right(name, table, shape, NULL):
        return frozen(table)
    if table.shape != shape:
        raise ValueError(f"{label} has shape {table.shape}; must be {shape}")
    if not np.isfinite(table).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise ValueError(f"{label}{list(index)} is {table[index]}; must be finite")
    if name.endswith("transition"):
        table = settled(table)
        if is_right(name, table, shape, NULL):
            return frozen(table)
        if table.min() < 0:
            index = tuple(int(i) for i in np.argwhere(table < 0)[0])
            raise ValueError(f"{label}{list(index)} is {table[index]:.6g}; must be >= 0")
        sums = table.sum(-1)
        bad = np.argwhere(np.abs(sums - 1) > TOLERANCE)
        if len(bad):
            index = tuple(int(i) for i in bad[0])
            raise ValueError(f"{label}{list(index)} sums to {sums[index]:.10g}; each row must sum to 1 within "
                             f"{TOLERANCE:g} ({len(bad)} of {sums.size} rows are bad)")
    return frozen(table)


cdef bint read_only(flags):
    """Whether an array is as `table_of` returns it: the tables of a Game are, and are not copied again."""
    return flags.c_contiguous and flags.owndata and not flags.writeable


cdef int called(str name, source, tuple shape, int t, double *target) except -1:
    """Check the result of a callable and copy it to `target`, in one pass; if it is bad, table_of raises the error."""
    table = source
    if not (type(source) is np.ndarray and source.dtype == FLOAT64 and source.flags.c_contiguous):
        table = np.array(source, np.float64, order="C")
    if not is_right(name, table, shape, target):
        fill(target, table_of(name, table, shape, t))
    return 0


cdef bint is_right(str name, table, tuple shape, double *target) except -1:
    """Whether a C-contiguous float64 table is finite, has this shape, and distributions as its rows if it is a kernel.

    The table is copied to `target` unless it is NULL.
    """
    cdef Py_buffer buffer
    cdef Py_ssize_t n = 0, n_cells = 1
    cdef int i, n_axes = <int>len(shape)
    cdef bint right = False
    PyObject_GetBuffer(table, &buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
    try:
        if buffer.ndim == n_axes:
            n = 1
            for i in range(n_axes):
                n_cells = shape[i]
                n = n * n_cells if buffer.shape[i] == n_cells else 0
        if n > 0:
            right = tmf_all_finite(<const double *>buffer.buf, n, target)
            if right and name.endswith("transition"):
                right = tmf_distributions(<const double *>buffer.buf, n // n_cells, n_cells, TOLERANCE)
    finally:
        PyBuffer_Release(&buffer)
    return right


cdef double *data_of(table) except NULL:
    """The entries of a C-contiguous table, as long as it lives."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(table, &buffer, PyBUF_C_CONTIGUOUS)
    PyBuffer_Release(&buffer)
    return <double *>buffer.buf


cdef int fill(double *target, table) except -1:
    cdef const double[::1] flat = table.reshape(-1)
    memcpy(target, &flat[0], flat.shape[0] * sizeof(double))
    return 0


cdef bint is_identity(const double[:, ::1] table, const int32_t[:, ::1] successors):
    """Whether every agent stays where it is."""
    cdef Py_ssize_t o, k
    cdef double stays
    for o in range(table.shape[0]):
        stays = 0
        for k in range(table.shape[1]):
            if (k if successors is None else successors[o, k]) == o:
                stays += table[o, k]
            elif table[o, k] != 0:
                return False
        if stays != 1:
            return False
    return True
