"""Mean-field equilibrium as an optimisation over occupation measures: the objective and its gradient.

Source     MF-OMO: Guo, Hu and Zhang, arXiv:2206.09608; the terms of waiting agents are our extension.
Notation   S observations, A actions, K successors, T steps.
           L_t(o, a) >= 0   share of the population that is at o and takes action a if it acts; m_t(o) = sum_a L_t(o, a)
           y_t(o)           value, y_T = 0;   z_t(o, a) >= 0   value minus action value
Contract   games are evaluated at m_t / sum(m_t), a distribution.
"""
from libc.stdint cimport int32_t
from libc.stdlib cimport free
from libc.string cimport memset

import numpy as np

from tmfcore._base.interrupts cimport look, tmf_looks
from tmfcore._model.activation cimport ActingShares
from tmfcore._model.evaluator cimport check_active, check_horizon
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model, Tables, lawful

cdef extern from "_limit/sparse.h" nogil:
    double tmf_row_mean(Py_ssize_t n_cells, const double *row, const int32_t *successor, const double *values)

cdef enum:
    N_TABLES = 2


cdef inline double row_mean(
    const double *table, const int32_t *successor, Py_ssize_t row, Py_ssize_t n_cells, const double *values
) noexcept nogil:
    """sum_k table[row, k] values[successor[row, k]]; successor NULL: dense."""
    if successor != NULL:
        successor += row * n_cells
    return tmf_row_mean(n_cells, table + row * n_cells, successor, values)


cdef inline void add_row(
    const double *table, const int32_t *successor, Py_ssize_t row, Py_ssize_t n_cells, double weight, double *out
) noexcept nogil:
    """out[successor[row, k]] += weight table[row, k]"""
    cdef Py_ssize_t k, first = row * n_cells
    for k in range(n_cells):
        out[k if successor == NULL else successor[first + k]] += weight * table[first + k]


cdef class Occupation:
    """The objective of MF-OMO for one game, schedule and clock; it has buffers, for one thread at a time.

        F(L, y, z) = flow_weight sum_t |f_t|^2 + value_weight sum_t |e_t|^2 + sum_{t,o,a} b_t z_t(o, a) L_t(o, a)

        f_0 = m_0 - mu_0,   f_{t+1}(x) = m_{t+1}(x) - sum_{o,a} L_t(o,a) [beta_t P_t(x|o,a) + (1 - beta_t) P0_t(x|o)]
        e_t(o, a) = y_t(o) - b_t [z_t(o, a) + r_t(o, a) + gamma sum_x P_t(x|o,a) y_{t+1}(x)]
                    - (1 - b_t) [r0_t(o) + gamma sum_x P0_t(x|o) y_{t+1}(x)]

    with b_t = beta_t on the clock "schedule" and 1 on the clock "always", and L = z = e = 0 at illegal actions. F >= 0,
    and F = 0 at the equilibria: there L is a flow times its policy, y are its values, and only actions with z = 0 have
    mass.

    Parameters
    ----------
    model : Model
        The tables of an observation depend on the population of its group alone, as a distribution. At step t there are
        min(branches^(t + 1), S / width) groups; observation o is in group o // width, modulo their number.
    initial : ndarray of float64, shape (S,)
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
    horizon : int
    discount : float
    always : bool
    flow_weight, value_weight : float
    step : float
        h of the one-sided differences (error of order h^2) for derivatives of the tables along n + h (delta_x - n),
        at all groups together, by 2 `width` evaluations of the tables.
    width, branches : int
        Of the groups; width 0: all observations are one.
    """
    cdef Model model
    cdef Py_ssize_t horizon, width, branches, n_groups
    cdef const double[::1] initial, active
    cdef ActingShares acting      # None: beta_t is active[t] everywhere
    cdef bint varying             # the probability of acting depends on mu
    cdef double discount, flow_weight, value_weight, step
    cdef bint always, filled
    cdef double *memory
    cdef Tables here, moved
    cdef double *n                # (S,)   m_t / sum(m_t)
    cdef double *shifted          # (S,)
    cdef double *e                # (S, A)
    cdef double *f                # (2, S) f_t and f_{t+1}
    cdef double *masses           # (G,)   shares of the groups; likewise (G,):
    cdef double *middle
    cdef double *sums
    cdef double *derivative
    cdef double[:, ::1] buffers   # (2, S) for `acting`
    cdef const double *beta       # (S,)   beta_t(o, n)
    cdef tmf_looks looks

    def __cinit__(self, Model model not None, const double[::1] initial not None, active not None, Py_ssize_t horizon,
                  double discount, bint always, double flow_weight, double value_weight,
                  double step=1e-7, Py_ssize_t width=0, Py_ssize_t branches=1):
        cdef Py_ssize_t S = model.n_observations, A = model.n_actions
        cdef Py_ssize_t K = model.n_successors, K0 = model.n_passive_successors
        cdef Py_ssize_t i
        cdef double *free_memory
        cdef Tables *tables
        if initial.shape[0] != S:
            raise ValueError(f"initial has shape ({initial.shape[0]},); must be ({S},)")
        if width < 0 or branches < 1 or (width and S % width):
            raise ValueError(
                f"width is {width} and branches is {branches}; must divide {S}, or be 0; and be at least 1")
        self.width, self.branches = width or S, branches
        check_horizon(horizon)
        if isinstance(active, ActingShares):
            self.acting = active
            self.acting.check(S, horizon)
            self.varying = self.acting.depends_on_mu
        else:
            self.active = active
            check_active(self.active.shape[0], horizon)
        self.buffers = np.empty((2, S))
        self.model, self.initial, self.horizon = model, initial, horizon
        self.discount, self.always, self.step = discount, always, step
        self.flow_weight, self.value_weight = flow_weight, value_weight
        self.memory = <double *>room_for(
            N_TABLES * (<double>S * A + S + <double>S * A * K + <double>S * K0) + <double>S * A + 8.0 * S,
            sizeof(double), b"the tables of the game")
        free_memory = self.memory
        for i in range(N_TABLES):
            tables = &self.here if i == 0 else &self.moved
            tables.reward = free_memory
            tables.passive_reward = tables.reward + S * A
            tables.transition = tables.passive_reward + S
            tables.passive_transition = tables.transition + S * A * K
            free_memory = tables.passive_transition + S * K0
        self.n = free_memory
        self.shifted = self.n + S
        self.f = self.shifted + S
        self.masses = self.f + 2 * S
        self.middle, self.sums, self.derivative = self.masses + S, self.masses + 2 * S, self.masses + 3 * S
        self.e = self.masses + 4 * S

    def __dealloc__(self):
        free(self.memory)

    cdef void slope(self, const Tables *tables, const double *betas, const double *L, const double *z,
                    const double *y_next, const double *f_next, double *out) noexcept nogil:
        """The linear function of the tables whose derivative is that of the objective, with L, y, e and f held fixed.

        Written to `out` (G,) as the sums over the observations of each group.

        betas (S,): the probabilities of acting, of which it is a function, too. Constant kernels, and what multiplies
        constant probabilities, are omitted, since they cancel in differences of two such numbers.
        """
        cdef Py_ssize_t S = self.model.n_observations, A = self.model.n_actions
        cdef Py_ssize_t K = self.model.n_successors, K0 = self.model.n_passive_successors
        cdef Py_ssize_t o, a, i
        cdef Py_ssize_t g = 0, ahead = self.width
        cdef double total = 0, still, shortfalls, there, beta, b
        cdef const int32_t *successor = self.model.successor
        memset(out, 0, self.n_groups * sizeof(double))
        if self.model.constant_transition and not self.varying:
            for o in range(S):
                b = 1.0 if self.always else betas[o]
                shortfalls = still = 0
                for a in range(A):
                    i = o * A + a
                    shortfalls += self.value_weight * self.e[i]      # weighted first: e * reward may overflow
                    still += self.value_weight * self.e[i] * tables.reward[i]
                total += b * still + (1 - b) * shortfalls * tables.passive_reward[o]
                ahead -= 1
                if ahead == 0:
                    out[g] -= 2 * total
                    total = 0
                    ahead = self.width
                    g = g + 1 if g + 1 < self.n_groups else 0
            return
        for o in range(S):
            shortfalls = there = 0
            beta = betas[o]
            b = 1.0 if self.always else beta
            for a in range(A):
                i = o * A + a
                shortfalls += self.e[i]
                there += L[i]
                if self.varying:
                    total += b * z[i] * (L[i] - 2 * self.value_weight * self.e[i])
                if b > 0:
                    total -= 2 * self.value_weight * self.e[i] * b * (
                        tables.reward[i] + self.discount * row_mean(tables.transition, successor, i, K, y_next))
                if f_next != NULL and beta > 0:
                    total -= 2 * self.flow_weight * L[i] * beta * row_mean(tables.transition, successor, i, K, f_next)
            if b < 1:
                still = tables.passive_reward[o] + self.discount * row_mean(
                    tables.passive_transition, self.model.passive_successor, o, K0, y_next)
                total -= 2 * self.value_weight * shortfalls * (1 - b) * still
            if f_next != NULL and beta < 1:
                total -= 2 * self.flow_weight * there * (1 - beta) * row_mean(
                    tables.passive_transition, self.model.passive_successor, o, K0, f_next)
            ahead -= 1
            if ahead == 0:
                out[g] += total
                total = 0
                ahead = self.width
                g = g + 1 if g + 1 < self.n_groups else 0

    cdef int follow_tables(self, int t, double mass, const double *L, const double *z, const double *y_next,
                           const double *f_next, double *L_gradient) except -1 nogil:
        """Add the derivative with respect to L_t that goes through the tables: D_x / sum(m_t) to every (x, a)."""
        cdef Py_ssize_t S = self.model.n_observations, A = self.model.n_actions, W = self.width
        cdef Py_ssize_t o, a, x, g, part
        cdef const double *moved = self.beta
        cdef double h
        self.group(t)
        self.slope(&self.here, self.beta, L, z, y_next, f_next, self.middle)
        for x in range(W):
            look(&self.looks)
            for g in range(self.n_groups):
                self.derivative[g] = -3 * self.middle[g]
            for part in range(1, 3):
                h = part * self.step
                for o in range(S):
                    self.shifted[o] = (1 - h) * self.n[o]
                for g in range(self.n_groups):
                    self.shifted[g * W + x] += h * self.masses[g]
                self.model.tables_at(t, self.shifted, &self.moved, False)
                if self.varying:
                    self.acting.at(t, self.shifted, S, &self.buffers[1, 0], &moved)
                self.slope(&self.moved, moved, L, z, y_next, f_next, self.sums)
                for g in range(self.n_groups):
                    self.derivative[g] += (4 if part == 1 else -1) * self.sums[g]
            for g in range(self.n_groups):
                # a group without mass has tables that do not depend on mu
                h = 2 * self.step * mass * self.masses[g]
                self.derivative[g] = self.derivative[g] / h if h > 0 else 0
            for o in range(S // W):
                for a in range(A):
                    L_gradient[(o * W + x) * A + a] += self.derivative[o % self.n_groups]
        return 0

    cdef void group(self, int t) noexcept nogil:
        """Find the groups of step t, and their shares of the population."""
        cdef Py_ssize_t S = self.model.n_observations, most = S // self.width, o, _
        self.n_groups = 1
        for _ in range(t + 1):
            self.n_groups = min(self.n_groups * self.branches, most)
            if self.n_groups == most:
                break
        if self.n_groups == 1:
            self.masses[0] = 1
            return
        memset(self.masses, 0, self.n_groups * sizeof(double))
        for o in range(S):
            self.masses[o // self.width % self.n_groups] += self.n[o]

    cdef int evaluate(self, const double *L, const double *y, const double *z, double *L_gradient, double *y_gradient,
                      double *z_gradient, double *value) except -1 nogil:
        cdef Py_ssize_t S = self.model.n_observations, A = self.model.n_actions
        cdef Py_ssize_t K = self.model.n_successors, K0 = self.model.n_passive_successors
        cdef Py_ssize_t t, o, a, i, width = S * A
        cdef double beta, b, mass, there, still, total = 0, pull, push
        cdef const int32_t *successor = self.model.successor
        cdef const int32_t *waiting = self.model.passive_successor
        cdef double *f_now = self.f
        cdef double *f_next = self.f + S
        cdef const double *y_next
        cdef bint last
        memset(y_gradient, 0, (self.horizon + 1) * S * sizeof(double))
        for o in range(S):
            f_now[o] = -self.initial[o]
            for a in range(A):
                f_now[o] += L[o * A + a]
        for t in range(self.horizon):
            look(&self.looks)
            last = t + 1 == self.horizon
            y_next = y + S
            mass = 0
            for o in range(S):
                there = 0
                for a in range(A):
                    there += L[o * A + a]
                self.n[o] = there
                mass += there
                f_next[o] = 0
                if not last:
                    for a in range(A):
                        f_next[o] += L[width + o * A + a]
            for o in range(S):
                self.n[o] = self.n[o] / mass if mass > 0 else 1.0 / S
            self.model.tables_at(<int>t, self.n, &self.here, True)
            if self.acting is not None:
                self.acting.at(<int>t, self.n, S, &self.buffers[0, 0], &self.beta)
            else:
                for o in range(S):
                    self.buffers[0, o] = self.active[t if self.active.shape[0] > 1 else 0]
                self.beta = &self.buffers[0, 0]
            for o in range(S):
                beta = self.beta[o]
                b = 1.0 if self.always else beta
                there = 0
                still = self.here.passive_reward[o] + self.discount * row_mean(
                    self.here.passive_transition, waiting, o, K0, y_next)
                for a in range(A):
                    i = o * A + a
                    there += L[i]
                    if lawful(self.model, o, a) != a:
                        self.e[i] = 0
                        continue
                    add_row(self.here.transition, successor, i, K, -beta * L[i], f_next)
                    self.e[i] = y[o] - b * (z[i] + self.here.reward[i] + self.discount * row_mean(
                        self.here.transition, successor, i, K, y_next)) - (1 - b) * still
                add_row(self.here.passive_transition, waiting, o, K0, -(1 - beta) * there, f_next)
            for o in range(S):
                beta = self.beta[o]
                b = 1.0 if self.always else beta
                pull = push = 0
                if not last and beta < 1:
                    push = (1 - beta) * row_mean(self.here.passive_transition, waiting, o, K0, f_next)
                for a in range(A):
                    i = o * A + a
                    pull += self.e[i]
                    total += self.value_weight * self.e[i] * self.e[i] + b * z[i] * L[i]
                    z_gradient[i] = b * (L[i] - 2 * self.value_weight * self.e[i])
                    L_gradient[i] = b * z[i] + 2 * self.flow_weight * (f_now[o] - push)
                    if not last:
                        L_gradient[i] -= 2 * self.flow_weight * beta * row_mean(
                            self.here.transition, successor, i, K, f_next)
                    add_row(self.here.transition, successor, i, K,
                            -2 * self.value_weight * self.discount * b * self.e[i], y_gradient + S)
                y_gradient[o] += 2 * self.value_weight * pull
                add_row(self.here.passive_transition, waiting, o, K0,
                        -2 * self.value_weight * self.discount * (1 - b) * pull, y_gradient + S)
                total += self.flow_weight * f_now[o] * f_now[o]
            if (self.varying or not self.model.constant) and mass > 0:
                if not self.filled:
                    self.model.tables_at(<int>t, self.n, &self.moved, True)
                    self.filled = True
                self.follow_tables(<int>t, mass, L, z, y_next, NULL if last else f_next, L_gradient)
            L += width
            z += width
            L_gradient += width
            z_gradient += width
            y += S
            y_gradient += S
            f_now, f_next = f_next, f_now
        for o in range(S):
            y_gradient[o] = 0          # y_T = 0 is fixed
        value[0] = total
        return 0

    def objective(self, const double[:, :, ::1] L not None, const double[:, ::1] y not None,
                  const double[:, :, ::1] z not None, double[:, :, ::1] L_gradient not None,
                  double[:, ::1] y_gradient not None, double[:, :, ::1] z_gradient not None):
        """F(L, y, z) and its gradient.

        Parameters
        ----------
        L, z : ndarray of float64, shape (T, S, A)
            >= 0.
        y : ndarray of float64, shape (T + 1, S)
            The last row is 0.
        L_gradient, y_gradient, z_gradient : ndarrays of float64
            OUT. The same shapes; the last row of y_gradient is 0.

        Returns
        -------
        float
            F.

        Notes
        -----
        O(T S A K); O(T W S A K) if tables depend on mu, with 2 W evaluations of the tables per step, W = `width`.
        """
        cdef Py_ssize_t S = self.model.n_observations, A = self.model.n_actions
        cdef double value
        cdef tuple shape = (self.horizon, S, A)
        for name, array in (("L", L), ("z", z), ("L_gradient", L_gradient), ("z_gradient", z_gradient)):
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}; must be {shape}")
        for name, array in (("y", y), ("y_gradient", y_gradient)):
            if array.shape != (self.horizon + 1, S):
                raise ValueError(f"{name} has shape {array.shape}; must be {(self.horizon + 1, S)}")
        with nogil:
            self.evaluate(&L[0, 0, 0], &y[0, 0], &z[0, 0, 0], &L_gradient[0, 0, 0], &y_gradient[0, 0],
                          &z_gradient[0, 0, 0], &value)
        return value
