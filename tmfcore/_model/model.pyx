"""Models: rewards and transition rows at (t, mu). The base class and the checks of rows.

Models of arrays and Python callables are in table_model, models of compiled functions in compiled_model.

Source     Theory, section 1.  Notation: model.pxd.
Contract   output of user code is checked at every use: a row that is not a distribution, or a value that is not
           finite, raises a ValueError that names t, observation, action and the sum found.
"""
from libc.math cimport NAN, isfinite
from libc.stdint cimport int32_t
from libc.string cimport memcpy

import numpy as np

from tmfcore._base import rows

cdef extern from "_base/simd/check.h" nogil:
    int tmf_distribution(const double *row, Py_ssize_t n_cells, double tolerance)

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

TOLERANCE = ROW_TOLERANCE = rows.ROW_TOLERANCE
cdef double ROUNDING = rows.ROUNDING

cdef str where(int t, int observation, int action):
    return f"at t={t}, observation {observation}, " + ("passive" if action < 0 else f"action {action}")


cdef int check_row(
    const double *probabilities, Py_ssize_t n_cells, double reward, int t, int observation, int action
) except -1 nogil:
    if not tmf_distribution(probabilities, n_cells, TOLERANCE):
        settle_row(<double *>probabilities, n_cells)      # in the buffer of a kernel, to which user code wrote
        if not tmf_distribution(probabilities, n_cells, TOLERANCE):
            return refuse_row(probabilities, n_cells, t, observation, action)
    if not isfinite(reward):
        with gil:
            raise ValueError(f"reward {where(t, observation, action)} is {reward}; must be finite")
    return 0


cdef void settle_row(double *probabilities, Py_ssize_t n_cells) noexcept nogil:
    """Set entries within rounding of 0 to 0."""
    cdef Py_ssize_t k
    for k in range(n_cells):
        if -ROUNDING <= probabilities[k] < 0:
            probabilities[k] = 0


cdef int refuse_row(
    const double *probabilities, Py_ssize_t n_cells, int t, int observation, int action
) except -1 with gil:
    """Raise the error for a row that is not a distribution. Not in check_row, since a nogil function with a Python
    variable takes the GIL in every call, to release the variable: 40 ns per row."""
    row = [probabilities[k] for k in range(n_cells)]
    for k in range(n_cells):
        if not (row[k] >= 0):
            raise ValueError(
                f"transition row {where(t, observation, action)} has entry [{k}] = {row[k]:.6g}; "
                f"each entry must be >= 0 and not NaN (the row sums to {sum(row):.6g})")
    raise ValueError(
        f"transition row {where(t, observation, action)} sums to {sum(row):.10g}; must sum to 1 within {TOLERANCE:g}")


cdef int refuse_standing(Model model, int t, int observation, const double *mu) except -1 nogil:
    refuse_standing_row(model, t, observation, mu)
    return 0


cdef int refuse_standing_row(Model model, int t, int observation, const double *mu) except -1 with gil:
    cdef double[::1] row = np.empty(model.n_passive_successors)
    cdef double reward
    checked_row(model, t, observation, -1, mu, &row[0], &reward)      # raises the precise error, if it fails again
    largest, place = 0.0, 0
    for o in range(model.n_observations):
        checked_row(model, t, o, -1, mu, &row[0], &reward)
        if abs(reward) > abs(largest):
            largest, place = reward, o
    if abs(largest) > 1e290:
        raise ValueError(f"the sum of the rewards near step t = {t} is not finite; must be finite: passive_reward of "
                         f"observation {place} is {largest:g}, which is too large to add up")
    raise ValueError(f"passive_reward of observation {observation} was not finite near t={t}, but finite when asked "
                     f"again; {type(model).__name__} must return the same value for the same mu")


cdef class Model:
    """Rewards and transition rows at one step and one population distribution; abstract.

    Attributes
    ----------
    n_observations, n_actions : int
        S and A.
    n_successors, n_passive_successors : int
        K and K0: cells of an active and of a passive transition row.
    successors : ndarray of int32, shape (S, A, K), or None
        The observation of each cell of an active row; None: cell x is observation x.
    passive_successors : ndarray of int32, shape (S, K0), or None
        The observation of each cell of a passive row.
    constant, constant_transition : bool
        No table depends on mu or t; no transition row does.
    constant_reward : bool
        Neither the active nor the passive reward depends on mu.
    falling_reward : int
        1: rewards are g_t(o, a) + h_t(o, mu(o)) and, passive, h_t(o, mu(o)), with h nonincreasing in mu(o). 2: also, h
        is strictly decreasing at every observation, with at most one exception. 0: neither is known.
    affine : bool
        Rewards and rows are known to be affine in mu and not to depend on t.
    differentiable : bool
        `slopes` gives the derivatives of the rows.
    graded : bool
        The derivatives of the rewards are known, too.
    legal : ndarray of bool, shape (S, A), or None
        Which actions are legal; None: all are. The row of an illegal action is that of the first legal one.
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

    cdef int set_legal(self, legal) except -1:
        cdef const int32_t[:, ::1] stand_ins
        if legal is None:
            return 0
        legal = np.array(legal, np.bool_, order="C")
        if legal.shape != (self.n_observations, self.n_actions):
            raise ValueError(f"legal has shape {legal.shape}; must be ({self.n_observations}, {self.n_actions})")
        if not legal.any(axis=1).all():
            o = int(legal.any(axis=1).argmin())
            raise ValueError(f"legal[{o}] has no legal action; each observation must have at least one")
        if legal.all():
            return 0
        first = legal.argmax(axis=1)[:, None]
        self.legal = frozen(legal)
        self.stand_ins = stand_ins = frozen(
            np.where(legal, np.arange(self.n_actions), first).astype(np.int32, order="C"))
        self.stand_in = &stand_ins[0, 0]
        return 0

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        with gil:
            raise NotImplementedError(f"{type(self).__name__} does not override row_at")

    cdef double standing_reward(self, int observation, const double *mu) noexcept nogil:
        return NAN

    cdef int met_at(
        self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        with gil:
            raise NotImplementedError(f"{type(self).__name__} does not override met_at")

    cdef int slopes_at(
        self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend
    ) except -1 nogil:
        with gil:
            raise NotImplementedError(f"{type(self).__name__} does not override slopes_at")

    cdef int reward_pull(
        self, int t, const double *mu, const double *acting, const double *resting, double *out
    ) except -1 nogil:
        with gil:
            raise NotImplementedError(f"{type(self).__name__} does not override reward_pull")

    cdef int row_pull(
        self, int t, const double *mu, const double *acting, const double *resting, const double *values,
        double *scratch, double *out
    ) except -1 nogil:
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t o, a, k, n_cells
        cdef double *slope = scratch + S * S
        cdef double *bend = slope + max(self.n_successors, self.n_passive_successors) * S
        cdef const int32_t *successor
        cdef double weight
        for o in range(S):
            for a in range(-1, A):
                weight = resting[o] if a < 0 else acting[o * A + a]
                if weight == 0:
                    continue
                self.slopes_at(t, <int>o, <int>a, mu, scratch, slope, bend)
                n_cells = self.n_passive_successors if a < 0 else self.n_successors
                successor = NULL
                if a < 0 and self.passive_successor != NULL:
                    successor = self.passive_successor + o * n_cells
                elif a >= 0 and self.successor != NULL:
                    successor = self.successor + (o * A + a) * n_cells
                for k in range(n_cells):
                    bend[k] = weight * values[k if successor == NULL else successor[k]]
                tmf_add_rows(bend, slope, n_cells, S, out)
        return 0

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
        """Rewards and transition rows at (t, mu), active and passive.

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

    def rewards(self, const double[::1] mu not None, int t=0):
        """Rewards (S, A) and passive rewards (S,) at (t, mu): those of `tables`, without rows if `in_parts`."""
        cdef Tables tables
        cdef double[:, ::1] reward
        cdef double[::1] passive_reward
        if not self.in_parts:
            both = self.tables(mu, t)
            return both[0], both[2]
        reward, passive_reward = np.empty((self.n_observations, self.n_actions)), np.empty(self.n_observations)
        self.check_mu(mu)
        tables.reward, tables.passive_reward = &reward[0, 0], &passive_reward[0]
        tables.transition = tables.passive_transition = NULL
        with nogil:
            self.tables_at(t, &mu[0], &tables, True)
        return np.asarray(reward), np.asarray(passive_reward)

    def row(self, const double[::1] mu not None, int t, int observation, int action):
        """One row: probabilities (K,), or (K0,) for action -1 (passive), and its reward; O(K)."""
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

    def met_row(self, const double[::1] mu not None, int t, int observation, int action, int partner):
        """The row (K,) of an agent that met an agent at `partner`, and its reward, if the model `meets`; O(K)."""
        cdef double reward
        cdef double[::1] probabilities
        self.check_mu(mu)
        if not self.meets:
            raise ValueError(f"rows of {type(self).__name__} are not drawn by meeting a partner (meets is False)")
        if not (0 <= observation < self.n_observations and 0 <= partner < self.n_observations):
            raise ValueError(f"observation is {observation} and partner is {partner}; each must lie in "
                             f"0..{self.n_observations - 1}")
        if not 0 <= action < self.n_actions:
            raise ValueError(f"action is {action}; must lie in 0..{self.n_actions - 1}")
        probabilities = np.empty(self.n_successors)
        with nogil:
            self.met_at(t, observation, action, partner, &mu[0], &probabilities[0], &reward)
        return np.asarray(probabilities), reward

    def slopes(self, const double[::1] mu not None, int t, int observation, int action, sigma=None):
        """Exact derivatives of one transition row in mu.

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
            d row[k] / d mu(y), up to a constant that is the same for all y: products with differences of populations
            are exact.
        bend : ndarray of float64, shape (K,) or (K0,)
            Sum over y and z of sigma[y, z] d^2 row[k] / d mu(y) d mu(z), for a symmetric sigma whose rows sum to 0.

        Raises
        ------
        ValueError
            Derivatives are not known (`differentiable` is False); an index is out of range; a shape is wrong.
        """
        cdef Py_ssize_t S = self.n_observations
        cdef double[:, ::1] weights = np.zeros((S, S)) if sigma is None else np.array(sigma, np.float64, order="C")
        cdef double[:, ::1] slope
        cdef double[::1] bend
        self.check_mu(mu)
        if not self.differentiable:
            raise ValueError(f"{type(self).__name__} does not give derivatives (differentiable is False)")
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
        """Raise ValueError unless mu has one entry per observation."""
        if mu.shape[0] != self.n_observations:
            raise ValueError(f"mu has shape ({mu.shape[0]},); must be ({self.n_observations},)")


cdef object with_stand_ins(Model model, table):
    cdef Py_ssize_t i, width, A = model.n_actions
    cdef double[::1] entries
    found = np.array(table, np.float64, order="C")
    if found.ndim < 2 or found.shape[:2] != (model.n_observations, A) or not found.size:
        return found
    entries = found.reshape(-1)
    width = entries.shape[0] // (model.n_observations * A)
    for i in range(model.n_observations * A):
        if model.stand_in[i] != i % A:
            memcpy(&entries[i * width], &entries[(i - i % A + model.stand_in[i]) * width], width * sizeof(double))
    return found


cdef object frozen(array):
    array.setflags(write=False)
    return array


cdef int check_successors(str name, array, Py_ssize_t n_observations) except -1:
    cdef const int32_t[::1] flat = array.reshape(-1)
    cdef Py_ssize_t i, n_bad = 0
    for i in range(flat.shape[0]):
        n_bad += not 0 <= flat[i] < n_observations
    if n_bad == 0:
        return 0
    bad = np.argwhere((array < 0) | (array >= n_observations))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        raise ValueError(f"{name}{list(index)} is {array[index]}; must lie in 0..{n_observations - 1} "
                         f"({len(bad)} of {array.size} entries are bad)")
    return 0
