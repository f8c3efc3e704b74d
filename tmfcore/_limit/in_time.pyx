"""Flow, values and gains under Poisson clocks, in continuous time, for policies of many stages.

Source     Theory, section 12 (equations).  Method: the modified midpoint rule with extrapolation (Gragg 1965; Bulirsch
           and Stoer 1966; Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, section II.9).
Notation   S observations, A actions, K successors, L stages of the policy, E intervals of time, each in one stage.
Contract   the error estimate of every accepted step is at most 1e-13 of the mass 1 of mu, 1e-12 of the largest value;
           with altruism 1e-9 of it, since prices may be differences, whose rounding is not smooth.
Cost       O(S A K) a derivative, and the tables of the game if they depend on mu; 12 derivatives for a short interval.
"""
from libc.math cimport fabs, isfinite
from libc.stdint cimport int32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._base.memory cimport room_for
from tmfcore._limit.externality_in_time cimport ExternalityInTime, earned_in_time
from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy

cdef enum:
    COLUMNS = 7             # of the extrapolation: 2, 4, ..., 14 substeps, up to order 14
    MOST_TINY = 1000        # steps of the least length, after which a right side counts as discontinuous

cdef double MASS_ERROR = 1e-13
cdef double VALUE_ERROR = 1e-12
cdef double PRICED_ERROR = 1e-9     # with altruism
cdef double LEAST = 2.0 ** -26      # of an interval: steps across a kink, where best actions change, are no shorter


cdef class InTime:
    """The equations of a game and a policy, and the buffers of their solution.

    A state is mu (S,), the actions of an agent so far, and, going back, the values of the policy and of the best
    response, (S,) each, and, with altruism, the derivative of welfare (S,): n = S + 1, 3 S + 1 or 4 S + 1 numbers.
    """
    cdef Evaluator at
    cdef Py_ssize_t n_observations, n_back
    cdef const double *rate         # (S,) nu
    cdef double decay               # rho
    cdef double short               # the length of the steps of the model, in which rates are probabilities
    cdef double reach               # length of the next step to try
    cdef double value_error
    cdef double altruism
    cdef ExternalityInTime externality      # None: altruism is 0
    cdef double *prices             # (S,)
    cdef Py_ssize_t n_tiny
    cdef double *mu                 # (S,) the distribution nearest to a state
    cdef double *first              # (n,) the derivative at the begin of a step; likewise
    cdef double *slope
    cdef double *before
    cdef double *now
    cdef double *state
    cdef double *table              # (COLUMNS, n) the last row of the extrapolation
    cdef void *memory

    def __cinit__(self, Model model not None, Policy policy not None, const double[::1] rate not None, double decay,
                  double short, double altruism=0.0):
        cdef Py_ssize_t S = model.n_observations, n = (4 if altruism > 0 else 3) * S + 1
        if rate.shape[0] != S:
            raise ValueError(f"rate has {rate.shape[0]} entries; must have {S}, one per observation")
        self.at = Evaluator(model, policy, policy.n_stages)
        self.n_observations, self.n_back, self.decay, self.short = S, n, decay, short
        self.altruism, self.value_error = altruism, VALUE_ERROR if altruism == 0 else PRICED_ERROR
        self.memory = room_for((COLUMNS + 5.0) * n + 3 * S, sizeof(double), b"the states of an equation")
        self.table = <double *>self.memory
        self.first = self.table + COLUMNS * n
        self.slope, self.before = self.first + n, self.first + 2 * n
        self.now, self.state = self.first + 3 * n, self.first + 4 * n
        self.mu = self.first + 5 * n
        memcpy(self.mu + S, &rate[0], S * sizeof(double))
        self.rate = self.mu + S
        self.prices = self.mu + 2 * S
        if altruism > 0:
            self.externality = ExternalityInTime(self.at, policy)
            self.externality.tick(self.rate, short)

    def __dealloc__(self):
        free(self.memory)

    cdef void settle(self, const double *y, double *mu) noexcept nogil:
        """Write the distribution nearest to mu of a state: without negative rounding, and of sum 1."""
        cdef Py_ssize_t o
        cdef double total = 0
        for o in range(self.n_observations):
            mu[o] = y[o] if y[o] > 0 else 0
            total += mu[o]
        for o in range(self.n_observations):
            mu[o] /= total

    cdef int derive(self, int stage, const double *y, bint back, double *out) except -1 nogil:
        """The derivative in time of a state, in a stage of the policy."""
        cdef Py_ssize_t S = self.n_observations, A = self.at.n_actions, K = self.at.n_successors
        cdef Py_ssize_t K0 = self.at.n_passive_successors, o, a, k, x
        cdef const double *values = y + S + 1
        cdef const double *best = values + S
        cdef double *value_slope = out + S + 1
        cdef double *best_slope = value_slope + S
        cdef const double *row
        cdef const double *pi
        cdef const int32_t *successor
        cdef double nu, acting, weight, q, other, mean, largest = 0, standing, found, found_best
        look(&self.at.looks)
        self.settle(y, self.mu)
        self.at.at(stage, self.mu)
        memset(out, 0, (S + 1) * sizeof(double))
        for o in range(S):
            nu = self.rate[o]
            acting = self.mu[o] * nu
            out[o] -= acting
            out[S] += acting
            standing = self.at.tables.passive_reward[o]
            pi = self.at.pi + o * A
            mean = 0
            for a in range(A):
                row = self.at.tables.transition + (o * A + a) * K
                successor = successors_of(self.at, o * A + a)
                weight = acting * pi[a]
                if weight != 0:
                    for k in range(K):
                        out[k if successor == NULL else successor[k]] += weight * row[k]
                if back:
                    q = other = self.at.tables.reward[o * A + a] - standing
                    for k in range(K):
                        x = k if successor == NULL else successor[k]
                        q += row[k] * values[x]
                        other += row[k] * best[x]
                    mean += pi[a] * q
                    if a == 0 or other > largest:
                        largest = other
            if back:
                found = (nu + self.decay) * values[o] - nu * mean - standing / self.short
                found_best = (nu + self.decay) * best[o] - nu * largest - standing / self.short
                if not (isfinite(found) and isfinite(found_best)):
                    self.refuse(stage)
                value_slope[o], best_slope[o] = found, found_best
            if self.at.model.passive_identity:
                continue
            row = self.at.tables.passive_transition + o * K0
            successor = passive_successors_of(self.at, o)
            for k in range(K0):
                x = k if successor == NULL else successor[k]
                if x == o or row[k] == 0:
                    continue
                weight = row[k] / self.short
                out[x] += self.mu[o] * weight
                out[o] -= self.mu[o] * weight
                if back:
                    value_slope[o] -= weight * (values[x] - values[o])
                    best_slope[o] -= weight * (best[x] - best[o])
        if back and self.externality is not None:
            self.add_prices(stage, values + 2 * S, out)
        return 0

    cdef int add_prices(self, int stage, const double *social, double *out) except -1 nogil:
        """Add what altruism adds to the derivative of a state, going back; tables and mu are those of the state."""
        cdef Py_ssize_t S = self.n_observations, o
        cdef double *social_slope = out + 3 * S + 1
        self.externality.price(stage, self.mu, -1, social, 1.0, self.prices)
        earned_in_time(self.at, self.rate, self.short, social, social_slope)
        for o in range(S):
            social_slope[o] = self.decay * social[o] - social_slope[o] - self.prices[o]
            if not isfinite(social_slope[o]):
                self.refuse(stage)
            out[S + 1 + o] -= self.altruism * self.prices[o]
            out[2 * S + 1 + o] -= self.altruism * self.prices[o]
        return 0

    cdef int refuse(self, Py_ssize_t stage) except -1 with gil:
        raise ValueError(
            f"the equations in continuous time cannot be solved in stage {stage} of the policy: rewards, rates and "
            "policy must be bounded and continuous in mu, and values finite")

    cdef Py_ssize_t leap(self, int stage, const double *y, double h, bint back, double *out) except -1 nogil:
        """One step of length h, which is negative going back; the columns that it took, 0 if they are too few."""
        cdef Py_ssize_t S = self.n_observations, n = self.n_back if back else S + 1, i, j, m, substeps
        cdef double part, factor, kept, better, error, scale
        self.derive(stage, y, back, self.first)
        for j in range(COLUMNS):
            substeps = 2 * (j + 1)
            part = h / substeps
            memcpy(self.before, y, n * sizeof(double))
            for i in range(n):
                self.now[i] = y[i] + part * self.first[i]
            for _ in range(1, substeps):
                self.derive(stage, self.now, back, self.slope)
                for i in range(n):
                    kept = self.now[i]
                    self.now[i] = self.before[i] + 2 * part * self.slope[i]
                    self.before[i] = kept
            self.derive(stage, self.now, back, self.slope)
            # Neville's scheme in the squares of the substeps: column m of row j from column m - 1 of rows j and j - 1.
            for i in range(n):
                better = 0.5 * (self.now[i] + self.before[i] + part * self.slope[i])
                for m in range(j):
                    kept = self.table[m * n + i]
                    self.table[m * n + i] = better
                    factor = (<double>substeps / (2 * (j - m))) ** 2 - 1
                    better += (better - kept) / factor
                self.table[j * n + i] = better
            if j < 2:
                continue
            error = 0
            for i in range(S + 1):
                error = max(error, fabs(self.table[j * n + i] - self.table[(j - 1) * n + i]))
            if not error <= MASS_ERROR * max(1.0, fabs(y[S])):
                continue
            if back:
                error = scale = 0
                for i in range(S + 1, n):
                    error = max(error, fabs(self.table[j * n + i] - self.table[(j - 1) * n + i]))
                    scale = max(scale, fabs(self.table[j * n + i]))
                if not error <= self.value_error * scale:
                    continue
            memcpy(out, self.table + j * n, n * sizeof(double))
            return j + 1
        memcpy(out, self.table + (COLUMNS - 1) * n, n * sizeof(double))
        return 0

    cdef int cross(self, int stage, double *y, double span, bint back) except -1 nogil:
        """Move a state across an interval, in as many steps as it needs."""
        cdef double left = span, h, sign = -1 if back else 1
        cdef Py_ssize_t n = self.n_back if back else self.n_observations + 1, columns
        while left > 0:
            h = min(self.reach, left)
            if left - h < LEAST * span:
                h = left
            columns = self.leap(stage, y, sign * h, back, self.state)
            if columns == 0 and h > LEAST * span:
                self.reach = h / 2
                continue
            if columns == 0:
                self.n_tiny += 1
                if self.n_tiny > MOST_TINY:
                    self.refuse(stage)
            memcpy(y, self.state, n * sizeof(double))
            left -= h
            if columns > 0 and columns <= 5:
                self.reach = 2 * h if h < left else max(self.reach, 2 * h)
        return 0


cdef int check(InTime one, const double[::1] spans, const int32_t[::1] stages, mu) except -1:
    """Raise ValueError unless E intervals have stages of the policy, and mu is (E + 1, S)."""
    cdef Py_ssize_t k, E = spans.shape[0]
    if stages.shape[0] != E or E < 1:
        raise ValueError(
            f"spans and stages have {E} and {stages.shape[0]} entries; must have the same number, at least 1")
    if mu.shape != (E + 1, one.n_observations):
        raise ValueError(f"mu has shape {mu.shape}; must be {(E + 1, one.n_observations)}, one row more than spans")
    for k in range(E):
        if not spans[k] > 0:
            raise ValueError(f"spans[{k}] is {spans[k]}; must be > 0")
        if not 0 <= stages[k] < one.at.horizon:
            raise ValueError(f"stages[{k}] is {stages[k]}; must lie in 0..{one.at.horizon - 1}")
    return 0


def forward(Model model not None, Policy policy not None, const double[::1] rate not None, double short,
            const double[::1] spans not None, const int32_t[::1] stages not None, double[:, ::1] mu not None,
            double[::1] acted not None):
    """The flow of a policy in continuous time, at the ends of E intervals in turn.

    Parameters
    ----------
    model : Model
        The game in steps of `short` sweeps, so short that only rates are left of what passive agents do.
    policy : Policy
        A function of mu in each of its stages.
    rate : ndarray of float64, shape (S,)
        nu, actions of an agent per unit of time at each observation.
    spans : ndarray of float64, shape (E,)
        Lengths of the intervals, > 0.
    stages : ndarray of int32, shape (E,)
        The stage of the policy in each of them.
    mu : ndarray of float64, shape (E + 1, S)
        IN and OUT. Row 0 is the start; row k becomes the distribution at the begin of interval k.
    acted : ndarray of float64, shape (E + 1,)
        OUT. Actions of an agent up to that time.
    """
    cdef InTime one = InTime(model, policy, rate, 0.0, short)
    cdef Py_ssize_t S = model.n_observations, E = spans.shape[0], k
    cdef double *y
    check(one, spans, stages, np.asarray(mu))
    if acted.shape[0] != E + 1:
        raise ValueError(f"acted has {acted.shape[0]} entries; must have {E + 1}, one more than spans")
    y = <double *>room_for(S + 1, sizeof(double), b"a state of an equation")
    try:
        with nogil:
            memcpy(y, &mu[0, 0], S * sizeof(double))
            acted[0] = y[S] = 0
            one.reach = spans[0]
            for k in range(E):
                one.cross(stages[k], y, spans[k], False)
                one.settle(y, &mu[k + 1, 0])
                memcpy(y, &mu[k + 1, 0], S * sizeof(double))
                acted[k + 1] = y[S]
    finally:
        free(y)


def backward(Model model not None, Policy policy not None, const double[::1] rate not None, double decay, double short,
             const double[::1] spans not None, const int32_t[::1] stages not None, const double[:, ::1] mu not None,
             double[:, ::1] start not None, double[:, ::1] values=None, double altruism=0.0):
    """Values of a policy and of the best response along the flow of the policy, in continuous time.

    Parameters
    ----------
    model, policy, rate, short, spans, stages, mu
        As of `forward`, which has filled mu.
    decay : float
        rho.
    start : ndarray of float64, shape (2, S)
        OUT. V_0 of the policy and V^BR_0 of the best response.
    values : ndarray of float64, shape (E + 1, S), or None
        OUT. V of the policy at the begin of each interval, and 0.
    altruism : float
        In [0, 1]: all values are those of agents who weigh what they do to all others (section 14).

    Returns
    -------
    float
        The largest V^BR(o) - V(o) at the begin of any interval and any o.

    Notes
    -----
    Theory, section 12. mu is solved again together with the values, from its known value at the end of each interval.
    An interval should be no longer than a few mean times between events of an agent, else mu, which is stable forward
    in time, loses accuracy.
    """
    cdef InTime one = InTime(model, policy, rate, decay, short, altruism)
    cdef Py_ssize_t S = model.n_observations, E = spans.shape[0], n = one.n_back, k, o
    cdef bint recorded = values is not None
    cdef double largest = 0
    cdef double *y
    check(one, spans, stages, np.asarray(mu))
    if start.shape[0] != 2 or start.shape[1] != S:
        raise ValueError(f"start has shape ({start.shape[0]}, {start.shape[1]}); must be (2, {S})")
    if recorded and (values.shape[0] != E + 1 or values.shape[1] != S):
        raise ValueError(f"values has shape ({values.shape[0]}, {values.shape[1]}); must be ({E + 1}, {S})")
    y = <double *>room_for(n, sizeof(double), b"a state of an equation")
    try:
        with nogil:
            memset(y, 0, n * sizeof(double))
            if recorded:
                memset(&values[E, 0], 0, S * sizeof(double))
            one.reach = spans[E - 1]
            for k in range(E - 1, -1, -1):
                memcpy(y, &mu[k + 1, 0], S * sizeof(double))
                y[S] = 0
                one.cross(stages[k], y, spans[k], True)
                for o in range(S):
                    largest = max(largest, y[2 * S + 1 + o] - y[S + 1 + o])
                if recorded:
                    memcpy(&values[k, 0], y + S + 1, S * sizeof(double))
            memcpy(&start[0, 0], y + S + 1, 2 * S * sizeof(double))
    finally:
        free(y)
    return largest
