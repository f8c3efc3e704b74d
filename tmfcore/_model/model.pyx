"""Models: rewards and transition rows at (t, mu), as arrays, Python callables or compiled functions.

Source     theory.md section 1.  Notation: model.pxd.
Contract   what user code returns is checked every time it is used: a row that is no distribution or a value
           that is not finite raises ValueError naming t, observation, action and the sum found.
"""
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBuffer_Release, PyObject_GetBuffer)
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsVoidPtr
from cpython.pycapsule cimport (
    PyCapsule_CheckExact, PyCapsule_GetContext, PyCapsule_GetName, PyCapsule_GetPointer)
from libc.math cimport NAN, isfinite
from libc.stdint cimport int32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy as np

cdef extern from "_base/simd/check.h" nogil:
    int tmf_all_finite(const double *source, Py_ssize_t n, double *target)
    int tmf_distribution(const double *row, Py_ssize_t n_cells, double tolerance)
    int tmf_distributions(const double *rows, Py_ssize_t n_rows, Py_ssize_t n_cells, double tolerance)

ROW_TOLERANCE = 1e-8
cdef double TOLERANCE = ROW_TOLERANCE

# The spellings under which a compiled row function may arrive (Cython, numba/cffi/ctypes).
ROW_SIGNATURES = (
    "int (int, int, int, double const *, double *, double *, void *)",
    "int (int, int, int, double *, double *, double *, void *)",
    "int32_t (int32_t, int32_t, int32_t, double const *, double *, double *, void *)",
)


cdef str where(int t, int observation, int action):
    return f"at t={t}, observation {observation}, " + ("passive" if action < 0 else f"action {action}")


cdef int check_row(
    const double *probabilities, Py_ssize_t n_cells, double reward, int t, int observation, int action
) except -1 nogil:
    if not tmf_distribution(probabilities, n_cells, TOLERANCE):
        return refuse_row(probabilities, n_cells, t, observation, action)
    if not isfinite(reward):
        with gil:
            raise ValueError(f"reward {where(t, observation, action)} is {reward}; must be finite")
    return 0


cdef int refuse_row(
    const double *probabilities, Py_ssize_t n_cells, int t, int observation, int action
) except -1 with gil:
    """Raise for a row that is no distribution. Apart, since a Python variable in a function without the GIL makes every
    call of it take the GIL to let the variable go: 40 ns a row."""
    row = [probabilities[k] for k in range(n_cells)]
    for k in range(n_cells):
        if not (row[k] >= 0):
            raise ValueError(
                f"transition row {where(t, observation, action)} has entry [{k}] = {row[k]:.6g}; "
                f"each must be a number >= 0 (the row sums to {sum(row):.6g})")
    raise ValueError(
        f"transition row {where(t, observation, action)} sums to {sum(row):.10g}; must sum to 1 within {TOLERANCE:g}")


cdef int refuse_standing(Model model, int t, int observation, const double *mu) except -1 nogil:
    refuse_standing_row(model, t, observation, mu)
    return 0


cdef int refuse_standing_row(Model model, int t, int observation, const double *mu) except -1 with gil:
    cdef double[::1] row = np.empty(model.n_passive_successors)
    cdef double reward
    checked_row(model, t, observation, -1, mu, &row[0], &reward)      # names what is wrong, if it is wrong again
    raise ValueError(f"passive_reward of observation {observation} was not finite near t={t}; "
                     f"{type(model).__name__} must give the same for the same mu")


cdef class Model:
    """What is played, at one step and one population distribution; abstract.

    Attributes
    ----------
    n_observations, n_actions : int
        S and A.
    n_successors, n_passive_successors : int
        K and K0: cells of an active and of a passive transition row.
    successors : ndarray of int32, shape (S, A, K), or None
        The observation each cell stands for; None: cell x is observation x.
    passive_successors : ndarray of int32, shape (S, K0), or None
        The same for passive rows.
    constant, constant_transition : bool
        Whether no table, or no transition row, depends on mu or t.
    constant_reward : bool
        Neither reward depends on mu.
    falling_reward : int
        1: rewards are a number of (t, o, a) plus h_t(o, mu(o)), the same h acting or not, which never rises in mu(o).
        2: h falls strictly, at every observation but one at most. 0: nothing of the kind is known.
    affine : bool
        Rewards and rows are known to be affine in mu and not to depend on t.
    differentiable : bool
        The derivatives of the rows are known: `slopes`.
    """

    cdef int set_shape(
        self, Py_ssize_t n_observations, Py_ssize_t n_actions, object successors, object passive_successors
    ) except -1:
        cdef const int32_t[:, :, ::1] active
        cdef const int32_t[:, ::1] passive
        if not (1 <= n_observations < 2**31 and 1 <= n_actions < 2**31):
            raise ValueError(
                f"n_observations is {n_observations} and n_actions is {n_actions}; each must lie in 1..2**31-1")
        self.n_observations = n_observations
        self.n_actions = n_actions
        self.n_successors = self.n_passive_successors = n_observations
        if successors is not None:
            successors = frozen(np.array(successors, np.int32, order="C"))
            active = successors
            if active.shape[0] != n_observations or active.shape[1] != n_actions or active.shape[2] < 1:
                raise ValueError(
                    f"successors has shape {successors.shape}; must be ({n_observations}, {n_actions}, K)")
            check_successors("successors", successors, n_observations)
            self.n_successors = active.shape[2]
            self.successor = &active[0, 0, 0]
            self.successors = successors
        if passive_successors is not None:
            passive_successors = frozen(np.array(passive_successors, np.int32, order="C"))
            passive = passive_successors
            if passive.shape[0] != n_observations or passive.shape[1] < 1:
                raise ValueError(
                    f"passive_successors has shape {passive_successors.shape}; must be ({n_observations}, K0)")
            check_successors("passive_successors", passive_successors, n_observations)
            self.n_passive_successors = passive.shape[1]
            self.passive_successor = &passive[0, 0]
            self.passive_successors = passive_successors
        return 0

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        with gil:
            raise NotImplementedError(f"{type(self).__name__} does not override row_at")

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return NAN

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        with gil:
            raise NotImplementedError(f"{type(self).__name__} does not override slopes_at")

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef Py_ssize_t o, a
        cdef Py_ssize_t A = self.n_actions
        if self.constant and not everything:
            return 0
        for o in range(self.n_observations):
            for a in range(A):
                checked_row(self, t, <int>o, <int>a, mu, tables.transition + (o * A + a) * self.n_successors,
                            tables.reward + o * A + a)
            checked_row(self, t, <int>o, -1, mu, tables.passive_transition + o * self.n_passive_successors,
                        tables.passive_reward + o)
        return 0

    def tables(self, const double[::1] mu not None, int t=0):
        """The four arrays at (t, mu).

        Parameters
        ----------
        mu : ndarray of float64, shape (S,)
            Population distribution.
        t : int
            Step.

        Returns
        -------
        reward : ndarray of float64, shape (S, A)
        transition : ndarray of float64, shape (S, A, K)
        passive_reward : ndarray of float64, shape (S,)
        passive_transition : ndarray of float64, shape (S, K0)
        """
        cdef Tables tables
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef double[:, ::1] reward = np.empty((S, A))
        cdef double[:, :, ::1] transition = np.empty((S, A, self.n_successors))
        cdef double[::1] passive_reward = np.empty(S)
        cdef double[:, ::1] passive_transition = np.empty((S, self.n_passive_successors))
        self.check_mu(mu)
        tables.reward = &reward[0, 0]
        tables.transition = &transition[0, 0, 0]
        tables.passive_reward = &passive_reward[0]
        tables.passive_transition = &passive_transition[0, 0]
        with nogil:
            self.tables_at(t, &mu[0], &tables, True)
        return (np.asarray(reward), np.asarray(transition), np.asarray(passive_reward),
                np.asarray(passive_transition))

    def row(self, const double[::1] mu not None, int t, int observation, int action):
        """One row: probabilities (K,), or (K0,) for action -1 (passive), and the reward; O(K)."""
        cdef double reward
        cdef double[::1] probabilities
        self.check_mu(mu)
        if not 0 <= observation < self.n_observations:
            raise ValueError(f"observation is {observation}; must lie in 0..{self.n_observations - 1}")
        if not -1 <= action < self.n_actions:
            raise ValueError(f"action is {action}; must lie in -1..{self.n_actions - 1}")
        probabilities = np.empty(self.n_passive_successors if action < 0 else self.n_successors)
        with nogil:
            checked_row(self, t, observation, action, &mu[0], &probabilities[0], &reward)
        return np.asarray(probabilities), reward

    def slopes(self, const double[::1] mu not None, int t, int observation, int action, sigma=None):
        """Derivatives of one transition row in mu, exact.

        Parameters
        ----------
        mu : ndarray of float64, shape (S,)
        t, observation, action : int
            Action -1 is passive.
        sigma : array_like of float, shape (S, S), optional
            Weights of the second derivatives. Default 0.

        Returns
        -------
        slope : ndarray of float64, shape (K, S), or (K0, S) for action -1
            d row[k] / d mu(y), up to an addition that is the same for all y: what it gives along differences of
            populations is exact.
        bend : ndarray of float64, shape (K,) or (K0,)
            Sum over y and z of sigma[y, z] d^2 row[k] / d mu(y) d mu(z), for a symmetric sigma whose rows sum to 0.

        Raises
        ------
        ValueError
            Derivatives are not known (`differentiable` is False); an index out of range.
        """
        cdef Py_ssize_t S = self.n_observations
        cdef double[:, ::1] weights = np.zeros((S, S)) if sigma is None else np.array(sigma, np.float64, order="C")
        cdef double[:, ::1] slope
        cdef double[::1] bend
        self.check_mu(mu)
        if not self.differentiable:
            raise ValueError(f"the derivatives of {type(self).__name__} are not known")
        if weights.shape[0] != S or weights.shape[1] != S:
            raise ValueError(f"sigma has shape ({weights.shape[0]}, {weights.shape[1]}); must be ({S}, {S})")
        if not 0 <= observation < S:
            raise ValueError(f"observation is {observation}; must lie in 0..{S - 1}")
        if not -1 <= action < self.n_actions:
            raise ValueError(f"action is {action}; must lie in -1..{self.n_actions - 1}")
        n_cells = self.n_passive_successors if action < 0 else self.n_successors
        slope = np.empty((n_cells, S))
        bend = np.empty(n_cells)
        with nogil:
            self.slopes_at(t, observation, action, &mu[0], &weights[0, 0], &slope[0, 0], &bend[0])
        return np.asarray(slope), np.asarray(bend)

    def check_mu(self, const double[::1] mu not None):
        """Raise ValueError unless mu has one entry an observation."""
        if mu.shape[0] != self.n_observations:
            raise ValueError(f"mu has shape ({mu.shape[0]},); must be ({self.n_observations},)")


cdef object frozen(array):
    array.flags.writeable = False
    return array


cdef int check_successors(str name, array, Py_ssize_t n_observations) except -1:
    bad = np.argwhere((array < 0) | (array >= n_observations))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        raise ValueError(f"{name}{list(index)} is {array[index]}; must lie in 0..{n_observations - 1} "
                         f"({len(bad)} of {array.size} entries are bad)")
    return 0


cdef class TableModel(Model):
    """A game given as arrays, Python callables f(mu, t), or a mixture of the two.

    Parameters
    ----------
    n_observations, n_actions : int
    reward, transition, passive_reward, passive_transition
        Shapes (S, A), (S, A, K), (S,), (S, K0): each a validated array or a callable f(mu, t) returning one.
        A callable is called once a step with the GIL held; its result is checked at every use.
    successors, passive_successors : array_like of int, optional
        Shapes (S, A, K) and (S, K0).
    """
    cdef tuple sources, shapes
    cdef frozenset varying       # which of the four are callables

    def __init__(self, n_observations, n_actions, reward, transition, passive_reward, passive_transition,
                 successors=None, passive_successors=None):
        self.set_shape(n_observations, n_actions, successors, passive_successors)
        S, A = self.n_observations, self.n_actions
        self.shapes = ((S, A), (S, A, self.n_successors), (S,), (S, self.n_passive_successors))
        self.sources = tuple(
            source if callable(source) else table_of(name, source, shape)
            for name, source, shape in zip(
                TABLE_NAMES, (reward, transition, passive_reward, passive_transition), self.shapes))
        varies = [callable(source) for source in self.sources]
        self.varying = frozenset(i for i in range(4) if varies[i])
        self.constant = self.affine = not any(varies)
        self.constant_transition = not (varies[1] or varies[3])
        self.constant_reward = not (varies[0] or varies[2])
        self.in_parts = True
        self.local_passive_reward = not varies[2]
        self.passive_identity = not varies[3] and is_identity(self.sources[3], self.passive_successors)

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        if everything or not self.constant:
            self.call_tables(t, mu, tables, everything)
        return 0

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        return self.call_row(t, observation, action, mu, probabilities, reward)

    cdef int call_tables(self, int t, const double *mu, Tables *tables, bint everything) except -1 with gil:
        cdef double **targets = [
            tables.reward, tables.transition, tables.passive_reward, tables.passive_transition]
        cdef int i
        population = None if self.constant else self.population(mu)
        for i in range(4):
            if targets[i] == NULL:
                continue
            if i in self.varying:
                called(TABLE_NAMES[i], self.sources[i](population, t), self.shapes[i], t, targets[i])
            elif everything:
                fill(targets[i], self.sources[i])
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
        """A fresh read-only copy of mu: a callable may keep it."""
        return np.frombuffer(PyBytes_FromStringAndSize(<const char *>mu, self.n_observations * sizeof(double)))

    cdef object table(self, int i, population, int t):
        source = self.sources[i]
        return table_of(TABLE_NAMES[i], source(population, t), self.shapes[i], t) if callable(source) else source


FLOAT64 = np.dtype(np.float64)
TABLE_NAMES = ("reward", "transition", "passive_reward", "passive_transition")


cdef object table_of(str name, source, tuple shape, t=None):
    """source as a float64 table of the shape, checked; t is the step when a callable made it."""
    label = name if t is None else f"{name}(mu, t={t})"
    table = np.array(source, np.float64, order="C")
    if table.shape != shape:
        raise ValueError(f"{label} has shape {table.shape}; must be {shape}")
    if not np.isfinite(table).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise ValueError(f"{label}{list(index)} is {table[index]}; must be finite")
    if name.endswith("transition"):
        if table.min() < 0:
            index = tuple(int(i) for i in np.argwhere(table < 0)[0])
            raise ValueError(f"{label}{list(index)} is {table[index]:.6g}; must be >= 0")
        sums = table.sum(-1)
        bad = np.argwhere(np.abs(sums - 1) > ROW_TOLERANCE)
        if len(bad):
            index = tuple(int(i) for i in bad[0])
            raise ValueError(f"{label}{list(index)} sums to {sums[index]:.10g}; each row must sum to 1 within "
                             f"{ROW_TOLERANCE:g} ({len(bad)} of {sums.size} rows are bad)")
    return frozen(table)


cdef int called(str name, source, tuple shape, int t, double *target) except -1:
    """Copy to `target` what a callable returned, checked in one pass; table_of words the error, if there is one."""
    cdef Py_buffer buffer
    cdef Py_ssize_t n = 0, n_cells = 1
    cdef int i, n_axes = <int>len(shape)
    cdef bint right = False
    table = source
    if not (type(source) is np.ndarray and source.dtype == FLOAT64 and source.flags.c_contiguous):
        table = np.array(source, np.float64, order="C")
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
                right = tmf_distributions(target, n // n_cells, n_cells, TOLERANCE)
    finally:
        PyBuffer_Release(&buffer)
    if not right:
        fill(target, table_of(name, table, shape, t))
    return 0


cdef int fill(double *target, table) except -1:
    cdef const double[::1] flat = table.reshape(-1)
    memcpy(target, &flat[0], flat.shape[0] * sizeof(double))
    return 0


cdef bint is_identity(table, successors) except -1:
    n_observations = table.shape[0]
    if successors is None:
        return np.array_equal(table, np.eye(n_observations))
    stays = successors == np.arange(n_observations)[:, None]
    return bool((np.where(stays, table, 0.0).sum(-1) == 1.0).all() and (table[~stays] == 0).all())


# What the one C signature is made of, however it is spelled: the result, then the arguments.
cdef tuple ROW_TYPES = ("int", "int", "int", "int", "double *", "double *", "double *", "void *")


def signature_types(str signature not None):
    """The types in a C signature, result first, without const, spaces that mean nothing and names of widths.

    Returns
    -------
    tuple of str
        Empty where the text is no signature.
    """
    result, parenthesis, rest = signature.replace("(*)", " ").partition("(")
    if not parenthesis or not rest.rstrip().endswith(")"):
        return ()
    types = []
    for text in (result, *rest.rpartition(")")[0].split(",")):
        words = [word for word in text.replace("*", " * ").split() if word != "const"]
        name = " ".join(word for word in words if word != "*")
        name = {"int32_t": "int", "signed int": "int", "signed": "int"}.get(name, name)
        types.append(name + (" " + "*" * words.count("*") if "*" in words else ""))
    return tuple(types)


cdef int check_signature(str signature) except -1:
    """Raise unless the signature is that of a row function; say which argument is another."""
    types = signature_types(signature)
    if types == ROW_TYPES:
        return 0
    if not types:
        found = "is no C signature"
    elif len(types) != len(ROW_TYPES):
        found = f"takes {len(types) - 1} arguments; must take {len(ROW_TYPES) - 1}"
    else:
        i = next(i for i in range(len(types)) if types[i] != ROW_TYPES[i])
        what = "the result" if i == 0 else f"argument {i} ({ROW_ARGUMENTS[i - 1]})"
        found = f"has {types[i]!r} as {what}; must have {ROW_TYPES[i]!r}"
    raise ValueError(f"function has signature {signature!r}, which {found}. Accepted, with or without const: "
                     + "; ".join(repr(known) for known in ROW_SIGNATURES))


cdef tuple ROW_ARGUMENTS = ("t", "observation", "action", "mu", "probabilities", "reward", "user")


cdef class CompiledModel(Model):
    """A game given as a compiled row function (the C signature `row_function` of model.pxd).

    Parameters
    ----------
    n_observations, n_actions : int
    function : scipy.LowLevelCallable, PyCapsule or int
        The function, its capsule, or its address. A capsule's name must be one of ROW_SIGNATURES, however spaced; its
        context is handed to the function as `user`.
    successors, passive_successors : array_like of int, optional
        Shapes (S, A, K) and (S, K0); the function fills K (K0 for action -1) probabilities.
    user_data : int, optional
        Address handed to the function as `user`, for an `int` function.
    owner : object, optional
        Kept alive as long as the model: whatever owns the code and the user data.
    constant_transition, local_passive_reward, separable_reward : bool, optional
        What the author promises of the function, as in Model; a separable reward must have a local passive one.
    step : float, optional
        dt of a function in sweeps, whose passive rows are rates and whose t counts sweeps. 0: it is in steps.
    own : array_like of int, shape (S,), optional
        With step, the cell of each passive row that stands for its own observation.
    """
    cdef row_function function
    cdef void *user
    cdef object owner
    cdef double step
    cdef const int[::1] own
    cdef double[:, ::1] extra      # (S, A) r - r0 where the reward is separable, else None
    cdef double[::1] promised      # (S A K + S K0) the rows, active and passive, where they are promised constant

    def __init__(self, n_observations, n_actions, function, successors=None, passive_successors=None,
                 user_data=None, owner=None, bint constant_transition=False, bint local_passive_reward=False,
                 bint separable_reward=False, double step=0.0, own=None):
        self.set_shape(n_observations, n_actions, successors, passive_successors)
        self.step = step
        if step > 0:
            self.own = np.array(own, np.int32)
        self.by_row = self.asked_by_row = True
        self.owner = (function, owner)
        if isinstance(function, tuple):           # scipy.LowLevelCallable hides its capsule in item 0
            function = tuple.__getitem__(function, 0)
        if PyCapsule_CheckExact(function):
            name = PyCapsule_GetName(function)
            check_signature("" if name == NULL else name.decode())
            self.function = <row_function>PyCapsule_GetPointer(function, name)
            self.user = PyCapsule_GetContext(function)
        elif isinstance(function, int) and not isinstance(function, bool):
            self.function = <row_function>PyLong_AsVoidPtr(function)
        else:
            raise TypeError(f"function is {type(function).__name__}; must be a scipy.LowLevelCallable, "
                            "a PyCapsule or the address of a C function as an int")
        if self.function == NULL:
            raise ValueError("function is the null pointer; must be the address of a C function")
        if self.passive_successors is not None:   # a passive row that names o alone can only be 1 there
            self.passive_identity = bool((self.passive_successors == np.arange(n_observations)[:, None]).all())
        if user_data is not None:
            self.user = PyLong_AsVoidPtr(user_data)
        if separable_reward and not local_passive_reward:
            raise ValueError("separable_reward is promised without local_passive_reward; must come with it")
        self.local_passive_reward = local_passive_reward
        if constant_transition:
            _, rows, _, passive_rows = self.tables(np.full(n_observations, 1.0 / n_observations))
            self.promised = np.concatenate([rows.reshape(-1), passive_rows.reshape(-1)])
            self.constant_transition = True
        if separable_reward:
            reward, _, passive_reward, _ = self.tables(np.full(n_observations, 1.0 / n_observations))
            self.extra = np.ascontiguousarray(reward - passive_reward[:, None])
            self.separable_reward = True

    cdef int ask(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) noexcept nogil:
        """Call the function; of one in sweeps make the passive rates those of a step, I + dt Q and dt r0."""
        cdef Py_ssize_t k
        cdef int code
        if self.step == 0:
            return self.function(t, observation, action, mu, probabilities, reward, self.user)
        code = self.function(<int>(t * self.step + 1e-9), observation, action, mu, probabilities, reward, self.user)
        if action < 0:
            for k in range(self.n_passive_successors):
                probabilities[k] *= self.step
            probabilities[self.own[observation]] += 1
            if -1e-15 < probabilities[self.own[observation]] < 0:     # a rate of 1 / dt, rounded
                probabilities[self.own[observation]] = 0
            reward[0] *= self.step
        return code

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        # A numba cfunc swallows its exceptions and leaves its outputs unset: NaN makes check_row see it.
        cdef Py_ssize_t k
        cdef int code
        for k in range(self.n_passive_successors if action < 0 else self.n_successors):
            probabilities[k] = NAN
        reward[0] = NAN
        code = self.ask(t, observation, action, mu, probabilities, reward)
        if code != 0:
            return refuse_code(code, t, observation, action)
        if action < 0:
            self.check_rate(t, observation, probabilities)
        elif self.step > 0:
            reward[0] += self.waiting_reward(t, observation, mu)
        if not self.constant_transition:
            return 0
        if action < 0:
            k = self.n_observations * self.n_actions * self.n_successors + observation * self.n_passive_successors
            return self.hold(probabilities, k, self.n_passive_successors)
        return self.hold(probabilities, (observation * self.n_actions + action) * self.n_successors, self.n_successors)

    cdef int check_rate(self, int t, int observation, const double *row) except -1 nogil:
        """Raise where agents leave at a rate above 1 / dt."""
        if self.step > 0 and row[self.own[observation]] < 0:
            return refuse_rate(t, observation, self.own[observation], row[self.own[observation]], self.step)
        return 0

    cdef int hold(self, const double *rows, Py_ssize_t start, Py_ssize_t n) except -1 nogil:
        """Raise unless a row is the one promised, from cell `start` on; what is no distribution is for check_row."""
        cdef Py_ssize_t i
        for i in range(n):
            if rows[i] != self.promised[start + i] and tmf_distribution(rows, n, TOLERANCE):
                return refuse_promise(self, start + i, rows[i], self.promised[start + i])
        return 0

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.waiting_reward(0, observation, mu)

    cdef double waiting_reward(self, int t, int observation, const double *mu) noexcept nogil:
        """The passive reward, NaN where the function fails."""
        cdef double few[FEW_CELLS]
        cdef double *row = few
        cdef double reward = NAN
        cdef int code
        if self.n_passive_successors > FEW_CELLS:
            row = <double *>malloc(self.n_passive_successors * sizeof(double))
            if row == NULL:
                return NAN
        code = self.ask(t, observation, -1, mu, row, &reward)
        if row != few:
            free(row)
        return reward if code == 0 else NAN

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        # Every table is NaN before it is filled, for the reason of row_at, and is checked as a whole.
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t K = self.n_successors, K0 = self.n_passive_successors
        cdef Py_ssize_t o, a
        cdef bint rewards_only = self.separable_reward and self.constant_transition and not everything
        cdef double held
        cdef int code
        cdef bint right
        if not rewards_only:
            fill_nan(tables.reward, S * A)
            fill_nan(tables.transition, S * A * K)
            for o in range(S):
                for a in range(A):
                    code = self.ask(t, <int>o, <int>a, mu, tables.transition + (o * A + a) * K,
                                    tables.reward + o * A + a)
                    if code != 0:
                        return refuse_code(code, t, <int>o, <int>a)
        fill_nan(tables.passive_reward, S)
        fill_nan(tables.passive_transition, S * K0)
        for o in range(S):
            code = self.ask(t, <int>o, -1, mu, tables.passive_transition + o * K0, tables.passive_reward + o)
            if code != 0:
                return refuse_code(code, t, <int>o, -1)
            self.check_rate(t, <int>o, tables.passive_transition + o * K0)
            if self.step > 0 and not rewards_only:
                for a in range(A):
                    tables.reward[o * A + a] += tables.passive_reward[o]
        if rewards_only:
            for o in range(S):
                held = tables.passive_reward[o]
                for a in range(A):
                    tables.reward[o * A + a] = held + self.extra[o, a]
        right = (tmf_all_finite(tables.reward, S * A, NULL) and tmf_all_finite(tables.passive_reward, S, NULL)
                 and tmf_distributions(tables.passive_transition, S, K0, TOLERANCE)
                 and (rewards_only or tmf_distributions(tables.transition, S * A, K, TOLERANCE)))
        if right:
            if self.constant_transition:
                for o in range(0 if rewards_only else S * A):
                    self.hold(tables.transition + o * K, o * K, K)
                for o in range(S):
                    self.hold(tables.passive_transition + o * K0, S * A * K + o * K0, K0)
            return 0
        for o in range(S):
            for a in range(A):
                check_row(tables.transition + (o * A + a) * K, K, tables.reward[o * A + a], t, <int>o, <int>a)
            check_row(tables.passive_transition + o * K0, K0, tables.passive_reward[o], t, <int>o, -1)
        return 0


cdef enum:
    FEW_CELLS = 32                 # of a passive row kept on the stack


cdef void fill_nan(double *target, Py_ssize_t n) noexcept nogil:
    memset(target, 0xFF, n * sizeof(double))


cdef int refuse_promise(CompiledModel model, Py_ssize_t cell, double first, double second) except -1 with gil:
    n_active = model.n_observations * model.n_actions * model.n_successors
    if cell < n_active:
        name, shape = "transition", (model.n_observations, model.n_actions, model.n_successors)
    else:
        name, shape, cell = "passive_transition", (model.n_observations, model.n_passive_successors), cell - n_active
    index = [int(i) for i in np.unravel_index(cell, shape)]
    raise ValueError(f"constant_transition is promised, but {name}{index} is {first:.6g} at one (mu, t) and "
                     f"{second:.6g} at another; leave the promise out")


cdef int refuse_rate(int t, int observation, int cell, double stays, double step) except -1 with gil:
    rate = (1 - stays) / step
    raise ValueError(
        f"the row function gave the rate {-rate:.6g} in cell {cell} {where(t, observation, -1)}: agents leave at "
        f"the rate {rate:.6g} a sweep, which times dt = {step:.6g}, the sweeps a step lasts, is {rate * step:.6g}; "
        f"must be at most 1: take a smaller batch, or a game with step <= {1 / rate:.6g}")


cdef int refuse_code(int code, int t, int observation, int action) except -1 with gil:
    raise ValueError(f"the row function returned {code} {where(t, observation, action)}; must return 0")
