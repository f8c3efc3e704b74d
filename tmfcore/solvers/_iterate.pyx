"""One iteration of the exact solvers: a policy's own flow, values along it, who would deviate, and the next policy.

Source     theory.md sections 2 (flow), 3 (values, two clocks) and 4 (exploitability); the updates name theirs.
Notation   S observations, A actions, K successors, T steps; the loop over time is inside the kernels.
Contract   what is judged is the policy at its own flow, in float64: nothing is carried over from an iteration before.
Cost       an iteration O(T S A K), and the tables of the game once at every (t, mu_t) where they depend on it.
"""
from libc.stdint cimport int32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.evaluator cimport check_active, check_horizon
from tmfcore._limit.values cimport best_action, policy_mean
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model, Tables

cdef extern from "_base/simd/dense.h" nogil:
    void tmf_add_rows(const double *weights, const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out)

cdef extern from "_limit/values.h" nogil:
    void tmf_row_values(const double *reward, const double *table, const double *values, const double *other,
                        double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)

cdef extern from "solvers/iterate.h" nogil:
    void tmf_row_pairs(const double *reward, const double *table, const int32_t *successor, const double *pairs,
                       double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *first, double *second)
    void tmf_arrive(const double *weights, const double *share, const int32_t *cell, const int32_t *row,
                    const Py_ssize_t *start, Py_ssize_t n_observations, double *out)

cdef extern from "_base/simd/elementary.h" nogil:
    double tmf_exp_one(double x)
    double tmf_log_one(double x)

cdef extern from "_model/softmax.h" nogil:
    bint tmf_softmax(double *logits, Py_ssize_t n_rows, Py_ssize_t n_actions, double *pi)

cdef enum:
    KEPT_BYTES = 1 << 28


cdef tuple by_arrival(successors, Py_ssize_t n_observations):
    """(start (S + 1,), cell, row) of successors (..., K): the cells of a sparse table by where they lead."""
    flat = successors.reshape(-1)
    if flat.shape[0] > 2**31 - 1:
        raise ValueError(f"successors have {flat.shape[0]} cells; must have at most {2**31 - 1}")
    order = np.argsort(flat, kind="stable")
    start = np.searchsorted(flat[order], np.arange(n_observations + 1)).astype(np.intp)
    return start, order.astype(np.int32), (order // successors.shape[successors.ndim - 1]).astype(np.int32)


cdef int read_arrivals(Arrivals *arrivals, tuple arrays) except -1:
    cdef const Py_ssize_t[::1] start = arrays[0]
    cdef const int32_t[::1] cell = arrays[1]
    cdef const int32_t[::1] row = arrays[2]
    arrivals.start = &start[0]
    arrivals.cell = &cell[0]
    arrivals.row = &row[0]
    return 0


cdef void add_arrivals(
    const Arrivals *arrivals, const double *weights, const double *table, Py_ssize_t S, double *out
) noexcept nogil:
    if arrivals.share != NULL:
        tmf_arrive(weights, arrivals.share, NULL, arrivals.row, arrivals.start, S, out)
    else:
        tmf_arrive(weights, table, arrivals.cell, arrivals.row, arrivals.start, S, out)


cdef class Iterate:
    """The present policy of a solve.

    Parameters
    ----------
    model : Model
    initial : ndarray of float64, shape (S,)
        mu_0.
    active : ndarray of float64, shape (1,) or (T,)
        Active fractions beta_t.
    horizon : int
        T.
    discount : float
    always : bool
        Clock "always" (the valued agent acts at every step) instead of "schedule".
    kept_bytes : float
        Tables that vary are kept from flow to values up to this size, 256 MB; else they are evaluated twice.

    Attributes
    ----------
    policy : ndarray of float64, shape (T, S, A)
        Written to by the caller or by an update; every row a distribution.
    mu : ndarray of float64, shape (T + 1, S)
        Its flow, as of the last `evaluate`; so are the next two.
    q : ndarray of float64, shape (T, S, A)
        Q_t(o, a) of the policy along its flow: of an agent that acts.
    greedy : ndarray of int32, shape (T, S)
        The best response to the flow; among equally good actions the lowest.
    residual : float
        How far the flow is from being one: 0, since every step of it is computed from the one before.
    flows : int
        Flows computed so far: what the work of a solver is measured in.

    Notes
    -----
    Memory O(T S A), and the tables that vary of all T steps where they are kept.
    """

    def __cinit__(self, Model model not None, const double[::1] initial not None, const double[::1] active not None,
                  Py_ssize_t horizon, double discount, bint always, double kept_bytes=KEPT_BYTES):
        cdef Py_ssize_t S = model.n_observations, A = model.n_actions
        cdef Py_ssize_t K = model.n_successors, K0 = model.n_passive_successors
        cdef double most = <double>S * A + S + <double>S * A * K + <double>S * K0     # cells of a step's tables
        cdef Py_ssize_t rewards = S * A + S, moves = S * A * K + S * K0               # not read before `most` has room
        cdef Py_ssize_t i
        cdef double *free_memory
        if initial.shape[0] != S:
            raise ValueError(f"initial has shape ({initial.shape[0]},); must be ({S},)")
        check_horizon(horizon)
        check_active(active.shape[0], horizon)
        self.model = model
        self.initial = initial
        self.active = active
        self.horizon = horizon
        self.discount = discount
        self.always = always
        self.n_observations = S
        self.n_actions = A
        self.policy = np.full((horizon, S, A), 1.0 / A)
        self.mu = np.zeros((horizon + 1, S))
        self.q = np.zeros((horizon, S, A))
        self.greedy = np.zeros((horizon, S), np.int32)
        self.pi, self.flow, self.played, self.best = self.policy, self.mu, self.q, self.greedy

        self.shared = model.constant_transition
        self.kept = not model.constant and horizon * (rewards if self.shared else most) * sizeof(double) <= kept_bytes
        self.n_slots = horizon if self.kept else 1
        self.memory = <double *>room_for(
            2.0 * S * A + 5.0 * S + (
                self.n_slots * <double>rewards + 2 * (most - rewards) if self.shared else self.n_slots * most),
            sizeof(double), b"the tables of the game")
        self.slots = <Tables *>room_for(self.n_slots, sizeof(Tables), b"the tables of the game")
        self.filled = <bint *>room_for(self.n_slots, sizeof(bint), b"the tables of the game")
        memset(self.filled, 0, self.n_slots * sizeof(bint))
        self.weights = self.memory
        self.still = self.weights + S * A
        self.best_q = self.still + S
        self.pairs = self.best_q + S * A
        free_memory = self.pairs + 4 * S
        for i in range(self.n_slots):
            self.slots[i].reward = free_memory
            self.slots[i].passive_reward = free_memory + S * A
            free_memory += rewards
            self.slots[i].transition = free_memory
            self.slots[i].passive_transition = free_memory + S * A * K
            if not self.shared:
                free_memory += moves
        if self.shared:
            for i in range(self.n_slots):
                self.slots[i].transition = free_memory
                self.slots[i].passive_transition = free_memory + S * A * K
            free_memory += moves
        self.owned = ()
        if model.successors is not None:
            self.owned += (by_arrival(model.successors, S),)
            read_arrivals(&self.active_arrivals, self.owned[len(self.owned) - 1])
            if self.shared:
                self.active_arrivals.share = free_memory
        if model.passive_successors is not None and not model.passive_identity:
            self.owned += (by_arrival(model.passive_successors, S),)
            read_arrivals(&self.passive_arrivals, self.owned[len(self.owned) - 1])
            if self.shared:
                self.passive_arrivals.share = free_memory + S * A * K

    def __dealloc__(self):
        free(self.memory)
        free(self.slots)
        free(self.filled)

    cdef double beta(self, Py_ssize_t t) noexcept nogil:
        return self.active[t if self.active.shape[0] > 1 else 0]

    cdef Tables *tables(self, Py_ssize_t t) noexcept nogil:
        return self.slots + (t if self.kept else 0)

    cdef int refresh(self, Py_ssize_t t) except -1 nogil:
        """Bring the tables of step t to the flow; a sparse kernel that never changes is sorted by arrival once."""
        cdef Py_ssize_t slot = t if self.kept else 0
        cdef Py_ssize_t i, n
        cdef bint first = not self.filled[slot]
        if not first and self.model.constant:
            return 0
        self.model.tables_at(<int>t, &self.flow[t, 0], self.slots + slot, first)
        self.filled[slot] = True
        if first and slot == 0 and self.shared:
            if self.active_arrivals.share != NULL:
                n = self.n_observations * self.n_actions * self.model.n_successors
                for i in range(n):
                    self.active_arrivals.share[i] = self.slots[0].transition[self.active_arrivals.cell[i]]
            if self.passive_arrivals.share != NULL:
                n = self.n_observations * self.model.n_passive_successors
                for i in range(n):
                    self.passive_arrivals.share[i] = self.slots[0].passive_transition[self.passive_arrivals.cell[i]]
        return 0

    cdef void push(self, const Tables *tables, double beta, const double *mu, const double *weights,
                   double *next_mu) noexcept nogil:
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t o
        cdef double total = 0
        memset(next_mu, 0, S * sizeof(double))
        if beta > 0:
            if self.active_arrivals.start == NULL:
                tmf_add_rows(weights, tables.transition, S * A, self.model.n_successors, next_mu)
            else:
                add_arrivals(&self.active_arrivals, weights, tables.transition, S, next_mu)
        if beta < 1:
            for o in range(S):
                self.still[o] = mu[o] * (1 - beta)
            if self.model.passive_identity:
                for o in range(S):
                    next_mu[o] += self.still[o]
            elif self.passive_arrivals.start == NULL:
                tmf_add_rows(self.still, tables.passive_transition, S, self.model.n_passive_successors, next_mu)
            else:
                add_arrivals(&self.passive_arrivals, self.still, tables.passive_transition, S, next_mu)
        # The rounding of a step must not feed the next: a kernel linear in mu would double it every time.
        for o in range(S):
            total += next_mu[o]
        total = 1 / total
        for o in range(S):
            next_mu[o] *= total

    cdef void advance(self, Py_ssize_t t) noexcept nogil:
        """flow[t + 1] from flow[t] and the policy, at the tables of step t."""
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t o, a
        cdef double share, beta = self.beta(t)
        cdef const double *pi = &self.pi[t, 0, 0]
        cdef double *weights = self.weights
        for o in range(S):
            share = beta * self.flow[t, o]
            for a in range(A):
                weights[a] = share * pi[a]
            weights += A
            pi += A
        self.push(self.tables(t), beta, &self.flow[t, 0], self.weights, &self.flow[t + 1, 0])

    cdef int forward(self) except -1 nogil:
        cdef Py_ssize_t t
        self.flows += 1
        memcpy(&self.flow[0, 0], &self.initial[0], self.n_observations * sizeof(double))
        for t in range(self.horizon):
            self.refresh(t)
            self.advance(t)
        return 0

    cdef double step_back(self, Py_ssize_t t, const double *next, double *now) noexcept nogil:
        """Values at t from those at t + 1, played and best of each, and the largest gap; Q and best response as well.

        Dense rows want either value contiguous, sparse ones both side by side: the pair of o is at o * stride and
        o * stride + other.
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t K = self.model.n_successors, K0 = self.model.n_passive_successors
        cdef bint dense = self.model.successor == NULL
        cdef Py_ssize_t stride = 1 if dense else 2
        cdef Py_ssize_t other = S if dense else 1
        cdef Py_ssize_t o, k, x
        cdef double own, best, own_still, best_still, largest = 0
        cdef double beta = 1.0 if self.always else self.beta(t)
        cdef const Tables *tables = self.tables(t)
        cdef const double *row
        cdef const int32_t *successor
        cdef double *q = &self.played[t, 0, 0]
        cdef const double *best_q = self.best_q
        cdef const double *pi = &self.pi[t, 0, 0]
        cdef int32_t *greedy = &self.best[t, 0]
        if dense:
            tmf_row_values(tables.reward, tables.transition, next, next + S, self.discount, S * A, K, q, self.best_q)
        else:
            tmf_row_pairs(tables.reward, tables.transition, self.model.successor, next, self.discount, S * A, K, q,
                          self.best_q)
        for o in range(S):
            x = best_action(best_q, A)
            greedy[o] = <int32_t>x
            best = best_q[x]
            own = policy_mean(pi, q, A)
            best_q += A
            pi += A
            q += A
            if beta < 1:
                if self.model.passive_identity:
                    own_still = next[o * stride]
                    best_still = next[o * stride + other]
                else:
                    own_still = best_still = 0
                    row = tables.passive_transition + o * K0
                    successor = self.model.passive_successor
                    for k in range(K0):
                        x = (k if successor == NULL else successor[o * K0 + k]) * stride
                        own_still += row[k] * next[x]
                        best_still += row[k] * next[x + other]
                own = beta * own + (1 - beta) * (tables.passive_reward[o] + self.discount * own_still)
                best = beta * best + (1 - beta) * (tables.passive_reward[o] + self.discount * best_still)
            now[o * stride] = own
            now[o * stride + other] = best
            largest = max(largest, best - own)
        return largest

    cdef void weigh(self, const double *mu, const double *pairs, double *gap, double *mean_return) noexcept nogil:
        """Gap and played value of one drawn from mu (S,)."""
        cdef bint dense = self.model.successor == NULL
        cdef Py_ssize_t stride = 1 if dense else 2
        cdef Py_ssize_t other = self.n_observations if dense else 1
        cdef Py_ssize_t o
        gap[0] = mean_return[0] = 0
        for o in range(self.n_observations):
            gap[0] += mu[o] * (pairs[o * stride + other] - pairs[o * stride])
            mean_return[0] += mu[o] * pairs[o * stride]

    cdef int backward(self, double *gap, double *pointwise, double *mean_return) except -1 nogil:
        """Values of the policy and of the best response in one pass."""
        cdef Py_ssize_t t, S = self.n_observations
        cdef double *now = self.pairs
        cdef double *next = self.pairs + 2 * S
        pointwise[0] = 0
        memset(next, 0, 2 * S * sizeof(double))
        for t in range(self.horizon - 1, -1, -1):
            if not self.kept and not self.model.constant:
                self.refresh(t)
            pointwise[0] = max(pointwise[0], self.step_back(t, next, now))
            now, next = next, now
        self.weigh(&self.initial[0], next, gap, mean_return)
        return 0

    def evaluate(self):
        """Play the policy, and judge it at the flow it makes.

        Returns
        -------
        exploitability : float
            sum_o mu_0(o) (V^BR_0(o) - V_0(o)).
        pointwise : float
            max_{t,o} (V^BR_t(o) - V_t(o)).
        mean_return : float
            sum_o mu_0(o) V_0(o).

        Notes
        -----
        theory.md sections 2 to 4. O(T S A K).
        """
        cdef double gap, pointwise, mean_return
        with nogil:
            self.forward()
            self.backward(&gap, &pointwise, &mean_return)
        return gap, pointwise, mean_return

    def play(self):
        """The flow `mu` of the policy, without its values; O(T S A K)."""
        with nogil:
            self.forward()

    def stiffness(self, const double[:, :, ::1] policy not None, const double[:, :, ::1] q not None,
                  const double[:, ::1] mu not None, const double[:, :, ::1] moved not None):
        """How strongly the population answers a change of policy: - <Q - q, pi - policy> and <moved, pi - policy>.

        Parameters
        ----------
        policy, q : ndarray of float64, shape (T, S, A)
            Policy and Q of an earlier iterate.
        mu : ndarray of float64, shape (T + 1, S)
            Its flow.
        moved : ndarray of float64, shape (T, S, A)
            What the logits moved by from there to the present policy, up to a constant a row.

        Returns
        -------
        answer, gain : float
            Their ratio is the stiffness, in units of reward. pi and Q are the present ones, as of the last `evaluate`;
            <., .> sums over t, o and a with the mean of both flows, (mu_t(o) + mu'_t(o)) / 2, as weight.

        Notes
        -----
        gain / answer is the spectral step length of Barzilai and Borwein (IMA J. Numer. Anal. 8, 1988) in the geometry
        of the entropy, in which pi - policy is dual to `moved`. O(T S A).
        """
        cdef Py_ssize_t t, o, a, S = self.n_observations, A = self.n_actions
        cdef double weight, change, answer = 0, gain = 0
        cdef const double *old_pi
        cdef const double *old_q
        cdef const double *step
        cdef const double *pi
        cdef const double *now
        for name, table in (("policy", policy), ("q", q), ("moved", moved)):
            self.check_table(name, table)
        if mu.shape[0] != self.horizon + 1 or mu.shape[1] != S:
            raise ValueError(f"mu has shape ({mu.shape[0]}, {mu.shape[1]}); must be ({self.horizon + 1}, {S})")
        with nogil:
            old_pi, old_q, step = &policy[0, 0, 0], &q[0, 0, 0], &moved[0, 0, 0]
            pi, now = &self.pi[0, 0, 0], &self.played[0, 0, 0]
            for t in range(self.horizon):
                for o in range(S):
                    weight = 0.5 * (self.flow[t, o] + mu[t, o])
                    for a in range(A):
                        change = weight * (pi[a] - old_pi[a])
                        answer -= change * (now[a] - old_q[a])
                        gain += change * step[a]
                    pi, now = pi + A, now + A
                    old_pi, old_q, step = old_pi + A, old_q + A, step + A
        return answer, gain

    def covariances(self, const double[:, :, :, ::1] tables not None):
        """How tables and Q vary together among the decisions that the policy makes along its flow.

        Parameters
        ----------
        tables : ndarray of float64, shape (n, T, S, A)

        Returns
        -------
        ndarray of float64, shape (n + 1, n + 1)
            sum_{t,o} mu_t(o) Cov_{a ~ pi_t(o)}(f, g) for any two of the tables, and Q as the last, as of the last
            `evaluate`. Constants a row make no difference.

        Notes
        -----
        The inner product of log-odds in the geometry of the entropy. O(n^2 T S A).
        """
        cdef Py_ssize_t n = tables.shape[0], T = self.horizon, S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t i, j, a, row, size = T * S * A
        cdef double mean, weight, total
        cdef double[:, ::1] found = np.zeros((n + 1, n + 1))
        cdef double[:, ::1] rows = np.empty((n + 1, A))
        cdef const double *f
        cdef const double *pi
        if tables.shape[1] != T or tables.shape[2] != S or tables.shape[3] != A:
            raise ValueError(
                f"tables has shape ({n}, {tables.shape[1]}, {tables.shape[2]}, {tables.shape[3]}); must be "
                f"({n}, {T}, {S}, {A})")
        with nogil:
            for row in range(T * S):
                weight = (&self.flow[0, 0])[row]
                if weight <= 0:
                    continue
                pi = &self.pi[0, 0, 0] + row * A
                for i in range(n + 1):
                    f = (&tables[0, 0, 0, 0] + i * size if i < n else &self.played[0, 0, 0]) + row * A
                    mean = 0
                    for a in range(A):
                        mean += pi[a] * f[a]
                    for a in range(A):
                        rows[i, a] = f[a] - mean
                    for j in range(i + 1):
                        total = 0
                        for a in range(A):
                            total += pi[a] * rows[i, a] * rows[j, a]
                        found[i, j] += weight * total
        for i in range(n + 1):
            for j in range(i):
                found[j, i] = found[i, j]
        return np.asarray(found)

    def ascend(self, double[:, :, ::1] logits not None, double[:, :, ::1] velocity, double rate, double momentum):
        """The next policy of mirror descent: logits += rate Q, policy = softmax(logits).

        Parameters
        ----------
        logits : ndarray of float64, shape (T, S, A)
            INOUT. The dual variable; every row is left with its largest entry at 0.
        velocity : ndarray of float64, shape (T, S, A), or None
            INOUT. What is added instead of Q: momentum times itself plus Q.
        rate, momentum : float

        Returns
        -------
        bool
            Whether every probability is a number.

        Notes
        -----
        Perolat et al., arXiv:2103.00623, algorithm 1. O(T S A).
        """
        cdef Py_ssize_t A = self.n_actions, n_rows = self.horizon * self.n_observations
        cdef Py_ssize_t i
        cdef bint fine = True
        cdef double *y
        cdef const double *step
        self.check_table("logits", logits)
        if velocity is not None:
            self.check_table("velocity", velocity)
        with nogil:
            y = &logits[0, 0, 0]
            step = &self.played[0, 0, 0]
            if velocity is not None:
                for i in range(n_rows * A):
                    (&velocity[0, 0, 0])[i] = momentum * (&velocity[0, 0, 0])[i] + step[i]
                step = &velocity[0, 0, 0]
            for i in range(n_rows * A):
                y[i] += rate * step[i]
            fine = tmf_softmax(y, n_rows, A, &self.pi[0, 0, 0])
        return fine

    def soften(self, double[:, :, ::1] logits not None):
        """policy = softmax(logits), whose rows are left with their largest entry at 0; whether none is NaN."""
        cdef bint fine
        self.check_table("logits", logits)
        with nogil:
            fine = tmf_softmax(&logits[0, 0, 0], self.horizon * self.n_observations, self.n_actions,
                               &self.pi[0, 0, 0])
        return fine

    def respond(self, double weight, bint by_flow):
        """Mix the best response into the policy: fictitious play, or a damped fixed point.

        Parameters
        ----------
        weight : float
            w in [0, 1], of the best response.
        by_flow : bool
            Mix where agents are: pi = ((1 - w) mu pi + w d 1{greedy}) / ((1 - w) mu + w d), with d the distribution of
            an agent that plays the best response among the others, and the best response where both are 0.
            Else mix the rows: pi = (1 - w) pi + w 1{greedy}.

        Notes
        -----
        Perrin et al., arXiv:2007.03458, algorithm 1, at the kernels of the present flow: where they do
        not depend on mu, the flow of the mixture is the mixture of the flows. O(T S A K).
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t t, o, a
        cdef double beta, own, other, total
        cdef double *now = self.pairs
        cdef double *after = self.pairs + S
        cdef double *pi
        with nogil:
            memcpy(now, &self.initial[0], S * sizeof(double))
            for t in range(self.horizon):
                beta = self.beta(t)
                pi = &self.pi[t, 0, 0]
                if by_flow:
                    memset(self.weights, 0, S * A * sizeof(double))
                for o in range(S):
                    own, other = 1 - weight, weight
                    if by_flow:
                        own *= self.flow[t, o]
                        other *= now[o]
                        total = own + other
                        own = own / total if total > 0 else 0.0
                        other = other / total if total > 0 else 1.0
                        self.weights[o * A + self.best[t, o]] = beta * now[o]
                    for a in range(A):
                        pi[a] *= own
                    pi[self.best[t, o]] += other
                    pi += A
                if by_flow:
                    if not self.kept:
                        self.refresh(t)
                    self.push(self.tables(t), beta, now, self.weights, after)
                    now, after = after, now

    def regularise(self, double[:, :, ::1] logits not None, const double[:, :, ::1] prior not None,
                   double temperature, double weight):
        """Move the logits towards the best response to the flow of those who pay for leaving a prior policy.

        Parameters
        ----------
        logits : ndarray of float64, shape (T, S, A)
            INOUT. (1 - weight) logits + weight (log prior + Q~ / temperature), shifted to a largest entry of 0;
            the policy becomes their softmax.
        prior : ndarray of float64, shape (T, S, A)
            Log probabilities.
        temperature : float
            tau > 0, what a unit of relative entropy costs who acts.
        weight : float
            In (0, 1].

        Returns
        -------
        bool
            Whether every probability is a number.

        Notes
        -----
        Cui and Koeppl, arXiv:2102.01585 (relative entropy):

            Q~_t = r_t + gamma P_t V~_{t+1}
            V~_t = beta_t tau log sum_a exp(log prior_t + Q~_t / tau) + (1 - beta_t) (r0_t + gamma P0_t V~_{t+1})

        The waiting term is this package's; beta_t = 1 for the clock "always". O(T S A K).
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t K = self.model.n_successors, K0 = self.model.n_passive_successors
        cdef Py_ssize_t t, o, a
        cdef double beta, acting, still
        cdef double *now = self.pairs
        cdef double *after = self.pairs + S
        cdef double *y
        cdef const Tables *tables
        cdef bint fine
        self.check_table("logits", logits)
        self.check_table("prior", prior)
        with nogil:
            memset(after, 0, S * sizeof(double))
            for t in range(self.horizon - 1, -1, -1):
                if not self.kept and not self.model.constant:
                    self.refresh(t)
                tables = self.tables(t)
                beta = 1.0 if self.always else self.beta(t)
                for o in range(S):
                    y = self.best_q + o * A
                    for a in range(A):
                        y[a] = prior[t, o, a] + (tables.reward[o * A + a] + self.discount * row_mean(
                            tables.transition, self.model.successor, o * A + a, K, after)) / temperature
                    acting = temperature * log_of_sum(y, A)
                    if beta < 1:
                        still = tables.passive_reward[o] + self.discount * row_mean(
                            tables.passive_transition, self.model.passive_successor, o, K0, after)
                        acting = beta * acting + (1 - beta) * still
                    now[o] = acting
                y = self.best_q
                for o in range(S):
                    for a in range(A):
                        logits[t, o, a] = (1 - weight) * logits[t, o, a] + weight * y[a]
                    y += A
                now, after = after, now
            fine = tmf_softmax(&logits[0, 0, 0], self.horizon * S, A, &self.pi[0, 0, 0])
        return fine

    cdef int check_table(self, str name, const double[:, :, ::1] table) except -1:
        if (table.shape[0] != self.horizon or table.shape[1] != self.n_observations
                or table.shape[2] != self.n_actions):
            raise ValueError(f"{name} has shape ({table.shape[0]}, {table.shape[1]}, {table.shape[2]}); must be "
                             f"({self.horizon}, {self.n_observations}, {self.n_actions})")
        return 0


cdef double log_of_sum(const double *y, Py_ssize_t n) noexcept nogil:
    """log sum_a exp(y(a))."""
    cdef double largest = y[best_action(y, n)], total = 0
    cdef Py_ssize_t a
    for a in range(n):
        total += tmf_exp_one(y[a] - largest)
    return largest + tmf_log_one(total)
