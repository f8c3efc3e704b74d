"""The acting agents of each step, as the kernels read them.

Source     Theory, section 1.  Notation: S observations, T steps, N agents.
Contract   arrays are checked once before a run, and read in place; what a function returns is checked at every call.
"""
import numpy as np

from tmfcore._base import rows

cdef double ROUNDING = rows.ROUNDING


cdef class ActingShares:
    """The probability beta_t(o, mu) with which an agent acts, where it depends on its observation or on mu.

    Parameters
    ----------
    table : ndarray of float64, shape (1, S) or (T, S), or None
        beta_t(o), in [0, 1]; kept, not copied.
    function : callable or None
        f(mu, t) -> (S,) or one number, in [0, 1]; mu is a read-only (S,) float64 array. Used if table is None.
    name : str
        The argument that it was given as, for errors.
    batches : bool
        The share of the agents that are drawn without replacement, instead: one number, by a function.
    """

    def __init__(self, table, function, str name, bint batches=False):
        if (table is None) == (function is None):
            raise ValueError("exactly one of table and function must be given")
        self.function = function
        self.name = name
        self.batches = batches
        self.rows = self.table = table

    @property
    def depends_on_mu(self):
        """Whether beta may depend on mu."""
        return self.function is not None

    cpdef int check(self, Py_ssize_t n_observations, Py_ssize_t horizon) except -1:
        """Raise ValueError unless the table has a column per observation and 1 or `horizon` rows."""
        if self.rows is None:
            return 0
        if self.rows.shape[1] != n_observations:
            raise ValueError(f"{self.name} has {self.rows.shape[1]} columns; must have one per observation, "
                             f"{n_observations}")
        if self.rows.shape[0] != 1 and self.rows.shape[0] != horizon:
            raise ValueError(f"{self.name} has {self.rows.shape[0]} rows; must have 1, or one per step, "
                             f"horizon = {horizon}")
        return 0

    cdef int at(
        self, int t, const double *mu, Py_ssize_t n_observations, double *buffer, const double **out
    ) except -1 nogil:
        if self.rows is None:
            self.call(t, mu, n_observations, buffer)
            out[0] = buffer
        else:
            out[0] = &self.rows[t if self.rows.shape[0] > 1 else 0, 0]
        return 0

    cdef int call(self, int t, const double *mu, Py_ssize_t n_observations, double *buffer) except -1 with gil:
        cdef Py_ssize_t o
        cdef const double[::1] found
        population = np.array(<const double[:n_observations]>mu)
        population.flags.writeable = False
        value = self.function(population, t)
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{self.name}(mu, t={t}) is {value!r}; must be a real number, or one per observation"
                            ) from None
        if array.ndim and array.shape != (n_observations,):
            raise ValueError(f"{self.name}(mu, t={t}) has shape {array.shape}; must be ({n_observations},), one number "
                             "per observation, or one number for all")
        found = np.ascontiguousarray(np.broadcast_to(array, (n_observations,)))
        for o in range(n_observations):
            buffer[o] = found[o]
            if -ROUNDING <= buffer[o] < 0:
                buffer[o] = 0
            elif 1 < buffer[o] <= 1 + ROUNDING:
                buffer[o] = 1
            if not 0 <= buffer[o] <= 1:
                where = f"[{o}]" if array.ndim else ""
                raise ValueError(f"{self.name}(mu, t={t}){where} is {found[o]:.12g}; must be in [0, 1]")
        return 0

    def shares(self, const double[::1] mu not None, int t):
        """beta_t(., mu), (S,) float64, at one population mu (S,)."""
        cdef double[::1] buffer = np.empty(mu.shape[0])
        cdef const double *found
        self.check(mu.shape[0], t + 1 if self.rows is None else self.rows.shape[0])
        self.at(t, &mu[0], mu.shape[0], &buffer[0], &found)
        return np.array(<const double[:mu.shape[0]]>found)

    def fractions(self, const double[:, ::1] mu not None):
        """The share of the population that acts at each step of a flow mu (T + 1, S): sum_o mu_t(o) beta_t(o, mu_t)."""
        cdef Py_ssize_t horizon = mu.shape[0] - 1, S = mu.shape[1], t, o
        cdef double[::1] out = np.zeros(horizon), buffer = np.empty(S)
        cdef const double *found
        self.check(S, horizon)
        with nogil:
            for t in range(horizon):
                self.at(<int>t, &mu[t, 0], S, &buffer[0], &found)
                for o in range(S):
                    out[t] += mu[t, o] * found[o]
        return np.asarray(out)


cdef int read_activation(
    Activation *activation, const int64_t[::1] batch, object probability, int64_t n_agents, Py_ssize_t n_observations,
    Py_ssize_t horizon,
) except -1:
    cdef const double[::1] coins
    cdef Py_ssize_t n_steps, t
    if (batch is None) == (probability is None):
        raise ValueError("exactly one of batch and probability must be given")
    activation.stride = 0
    activation.batch = NULL
    activation.probability = NULL
    if isinstance(probability, ActingShares):
        return (<ActingShares>probability).check(n_observations, horizon)
    if batch is None:
        coins = probability
        n_steps = coins.shape[0]
    else:
        n_steps = batch.shape[0]
    if n_steps != 1 and n_steps != horizon:
        raise ValueError(f"the schedule has {n_steps} entries; must have 1 or {horizon}")
    activation.stride = 1 if n_steps > 1 else 0
    if batch is None:
        for t in range(n_steps):
            if not 0 <= coins[t] <= 1:
                raise ValueError(f"probability[{t}] is {coins[t]}; must lie in [0, 1]")
        activation.probability = &coins[0]
    else:
        for t in range(n_steps):
            if not 0 <= batch[t] <= n_agents:
                raise ValueError(f"batch[{t}] is {batch[t]}; must lie in 0..{n_agents} (the number of agents)")
        activation.batch = &batch[0]
    return 0
