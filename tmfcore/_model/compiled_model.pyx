"""Models of compiled row functions: C, Cython, numba, ctypes, cffi.

Contract   output is checked at every call: rows, rewards, and the properties that the author promised.
"""
from cpython.long cimport PyLong_AsVoidPtr
from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetContext, PyCapsule_GetName, PyCapsule_GetPointer
from libc.math cimport NAN
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.model cimport TOLERANCE, Model, Tables, check_row, lawful, row_function, where

cdef extern from "_base/simd/check.h" nogil:
    int tmf_all_finite(const double *source, Py_ssize_t n, double *target)
    int tmf_distribution(const double *row, Py_ssize_t n_cells, double tolerance)
    int tmf_distributions(const double *rows, Py_ssize_t n_rows, Py_ssize_t n_cells, double tolerance)

# Spellings of the C signature row_function by Cython, numba, cffi and ctypes, for the error message.
ROW_SIGNATURES = (
    "int (int, int, int, double const *, double *, double *, void *)",
    "int (int, int, int, double *, double *, double *, void *)",
    "int32_t (int32_t, int32_t, int32_t, double const *, double *, double *, void *)",
)


# The types of row_function in the form of signature_types: the result, then the arguments.
cdef tuple ROW_TYPES = ("int", "int", "int", "int", "double *", "double *", "double *", "void *")


def signature_types(str signature not None):
    """The types in a C signature, result first, with `const` and spaces dropped and int32_t written as int.

    Returns
    -------
    tuple of str
        Empty if the text is not a signature.
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
    """Raise ValueError unless the signature is that of a row function; the error names the argument that differs."""
    types = signature_types(signature)
    if types == ROW_TYPES:
        return 0
    if not types:
        found = "is not a C signature"
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
    """A game given by a compiled row function, with the C signature `row_function` of model.pxd.

    Parameters
    ----------
    n_observations, n_actions : int
    function : scipy.LowLevelCallable, PyCapsule or int
        The function, its capsule, or its address. The name of a capsule must be one of ROW_SIGNATURES, in any spacing;
        its context is passed to the function as `user`.
    successors, passive_successors : array_like of int, optional
        Shapes (S, A, K) and (S, K0); the function fills K (K0 for action -1) probabilities.
    user_data : int, optional
        Address passed to the function as `user`, if `function` is an int.
    owner : object, optional
        The owner of the code and the user data; the model keeps it alive.
    constant_transition, local_passive_reward, separable_reward : bool, optional
        Properties that the author promises, as in Model; separable_reward requires local_passive_reward.
    step : float, optional
        dt, if the function is in sweeps: its passive rows are rates and its t counts sweeps. 0: it is in steps.
    own : array_like of int, shape (S,), optional
        With step: the cell of each passive row that stands for the observation itself.
    legal : array_like of bool, shape (S, A), optional
        The function is never called for an illegal action; successors must have the rows of stand-ins.
    """
    cdef row_function function
    cdef void *user
    cdef object owner
    cdef double step
    cdef const int[::1] own
    cdef double[:, ::1] extra      # (S, A) r - r0 if the reward is separable, else None
    cdef double[::1] promised      # (S A K + S K0) the active and passive rows, if promised constant

    def __init__(self, n_observations, n_actions, function, successors=None, passive_successors=None,
                 user_data=None, owner=None, bint constant_transition=False, bint local_passive_reward=False,
                 bint separable_reward=False, double step=0.0, own=None, legal=None):
        self.set_shape(n_observations, n_actions, successors, passive_successors)
        self.set_legal(legal)
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
        if self.passive_successors is not None:   # o is the only successor in its passive row: its probability is 1
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
        """Call the function. If it is in sweeps, turn its passive rates into those of a step: I + dt Q and dt r0."""
        cdef Py_ssize_t k
        cdef int code
        if self.step == 0:
            return self.function(t, observation, action, mu, probabilities, reward, self.user)
        code = self.function(<int>(t * self.step + 1e-9), observation, action, mu, probabilities, reward, self.user)
        if action < 0:
            for k in range(self.n_passive_successors):
                probabilities[k] *= self.step
            probabilities[self.own[observation]] += 1
            if -1e-15 < probabilities[self.own[observation]] < 0:     # rounding of a rate of 1 / dt
                probabilities[self.own[observation]] = 0
            reward[0] *= self.step
        return code

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        # A numba cfunc drops its exceptions and leaves its outputs unset: the NaN makes check_row detect that.
        cdef Py_ssize_t k
        cdef int code
        for k in range(self.n_passive_successors if action < 0 else self.n_successors):
            probabilities[k] = NAN
        reward[0] = NAN
        if action >= 0:
            action = <int>lawful(self, observation, action)
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
        """Raise if agents leave at a rate above 1 / dt."""
        if self.step > 0 and row[self.own[observation]] < 0:
            return refuse_rate(t, observation, self.own[observation], row[self.own[observation]], self.step)
        return 0

    cdef int hold(self, const double *rows, Py_ssize_t start, Py_ssize_t n) except -1 nogil:
        """Raise unless a row equals the promised cells from `start` on. check_row raises if it is no distribution."""
        cdef Py_ssize_t i
        for i in range(n):
            if rows[i] != self.promised[start + i] and tmf_distribution(rows, n, TOLERANCE):
                return refuse_promise(self, start + i, rows[i], self.promised[start + i])
        return 0

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return self.waiting_reward(0, observation, mu)

    cdef double waiting_reward(self, int t, int observation, const double *mu) noexcept nogil:
        """The passive reward; NaN if the function fails."""
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
        # Tables are set to NaN before they are filled, as in row_at, and checked as a whole.
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t K = self.n_successors, K0 = self.n_passive_successors
        cdef Py_ssize_t o, a, copied
        cdef bint rewards_only = self.separable_reward and self.constant_transition and not everything
        cdef double held
        cdef int code
        cdef bint right
        if not rewards_only:
            fill_nan(tables.reward, S * A)
            fill_nan(tables.transition, S * A * K)
            for o in range(S):
                for a in range(A):
                    if lawful(self, o, a) != a:
                        continue
                    code = self.ask(t, <int>o, <int>a, mu, tables.transition + (o * A + a) * K,
                                    tables.reward + o * A + a)
                    if code != 0:
                        return refuse_code(code, t, <int>o, <int>a)
                for a in range(A if self.stand_in != NULL else 0):
                    copied = lawful(self, o, a)
                    if copied != a:
                        tables.reward[o * A + a] = tables.reward[o * A + copied]
                        memcpy(tables.transition + (o * A + a) * K, tables.transition + (o * A + copied) * K,
                               K * sizeof(double))
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
    FEW_CELLS = 32                 # passive rows of up to 32 cells are kept on the stack


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
                     f"{second:.6g} at another; omit the promise")


cdef int refuse_rate(int t, int observation, int cell, double stays, double step) except -1 with gil:
    rate = (1 - stays) / step
    raise ValueError(
        f"the row function gave the rate {-rate:.6g} in cell {cell} {where(t, observation, -1)}: agents leave at "
        f"the rate {rate:.6g} per sweep; times dt = {step:.6g}, the length of a step in sweeps, this is "
        f"{rate * step:.6g}; must be at most 1: use a smaller batch, or a game with step <= {1 / rate:.6g}")


cdef int refuse_code(int code, int t, int observation, int action) except -1 with gil:
    raise ValueError(f"the row function returned {code} {where(t, observation, action)}; must return 0")
