"""Updates of the exact solvers, from a policy to the next.

Source     named at each update.
Notation   S observations, A actions, K successors, T steps; each method loops over all steps.
Cost       O(T S A) per update; O(T S A K) for respond by flow and for regularise, which use the kernels.
"""
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._limit.values cimport action_values, best_action, rest

cdef extern from "_base/simd/elementary.h" nogil:
    double tmf_exp_one(double x)
    double tmf_log_one(double x)

cdef extern from "_model/softmax.h" nogil:
    bint tmf_softmax(double *logits, Py_ssize_t n_rows, Py_ssize_t n_actions, double *pi)


cdef class Iterate(Judged):
    """A policy that is evaluated and updated. Parameters and attributes: as for Judged."""

    def stiffness(self, const double[:, :, ::1] policy not None, const double[:, :, ::1] q not None,
                  const double[:, ::1] mu not None, const double[:, :, ::1] moved not None):
        """How strongly Q responds to a change of policy: - <Q - q, pi - policy> and <moved, pi - policy>.

        Parameters
        ----------
        policy, q : ndarray of float64, shape (T, S, A)
            Policy and Q of an earlier iterate.
        mu : ndarray of float64, shape (T + 1, S)
            Flow of the earlier iterate.
        moved : ndarray of float64, shape (T, S, A)
            Change of the logits from the earlier to the present policy, up to a constant per row.

        Returns
        -------
        answer, gain : float
            answer / gain is the stiffness, in units of reward. pi and Q are of the last `evaluate`; <., .> sums over
            t, o and a, weighted by the mean of both flows, (mu_t(o) + mu'_t(o)) / 2.

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
        """Covariances of tables and Q under the policy's decisions along its flow.

        Parameters
        ----------
        tables : ndarray of float64, shape (n, T, S, A)

        Returns
        -------
        ndarray of float64, shape (n + 1, n + 1)
            sum_{t,o} mu_t(o) Cov_{a ~ pi_t(o)}(f, g) for any two f, g of the tables and, as the last, Q. Policy, flow
            and Q are of the last `evaluate`. Adding a constant to a row (A,) changes nothing.

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
            INOUT. The dual variable; each row is shifted so that its largest entry is 0.
        velocity : ndarray of float64, shape (T, S, A), or None
            INOUT. velocity = momentum * velocity + Q, which replaces Q in the update.
        rate, momentum : float

        Returns
        -------
        bool
            False if a probability is NaN.

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
        """policy = softmax(logits); shift each row of logits to a largest entry of 0. False if a probability is NaN."""
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
            w in [0, 1], the weight of the best response.
        by_flow : bool
            True: weight rows by the flows, pi = ((1 - w) mu pi + w d 1{greedy}) / ((1 - w) mu + w d), with d the
            distribution of an agent that plays the best response among the others; the best response if mu = d = 0.
            False: pi = (1 - w) pi + w 1{greedy}.

        Notes
        -----
        Perrin et al., arXiv:2007.03458, algorithm 1, with the kernels of the present flow. If the kernels do not depend
        on mu, the flow of the mixture is the mixture of the flows. O(T S A K).
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t t, o, a
        cdef double beta, own, other, total
        cdef double *now = self.pair
        cdef double *after = self.pair + S
        cdef double *weights = self.moves.weights
        cdef double *pi
        with nogil:
            memcpy(now, &self.initial[0], S * sizeof(double))
            for t in range(self.horizon):
                beta = self.beta(t)
                pi = &self.pi[t, 0, 0]
                if by_flow:
                    memset(weights, 0, S * A * sizeof(double))
                for o in range(S):
                    own, other = 1 - weight, weight
                    if by_flow:
                        own *= self.flow[t, o]
                        other *= now[o]
                        total = own + other
                        own = own / total if total > 0 else 0.0
                        other = other / total if total > 0 else 1.0
                        weights[o * A + self.best[t, o]] = beta * now[o]
                    for a in range(A):
                        pi[a] *= own
                    pi[self.best[t, o]] += other
                    pi += A
                if by_flow:
                    self.recall(t)
                    self.push(now, beta, after)
                    now, after = after, now

    def regularise(self, double[:, :, ::1] logits not None, const double[:, :, ::1] prior not None,
                   double temperature, double weight):
        """Move the logits towards the best response to the flow that is regularised by relative entropy to a prior.

        Parameters
        ----------
        logits : ndarray of float64, shape (T, S, A)
            INOUT. (1 - weight) logits + weight (log prior + Q~ / temperature), shifted to a largest entry of 0;
            the policy becomes their softmax.
        prior : ndarray of float64, shape (T, S, A)
            Log probabilities.
        temperature : float
            tau > 0, the cost of a unit of relative entropy to an acting agent.
        weight : float
            In (0, 1].

        Returns
        -------
        bool
            False if a probability is NaN.

        Notes
        -----
        Cui and Koeppl, arXiv:2102.01585 (relative entropy):

            Q~_t = r_t + gamma P_t V~_{t+1}
            V~_t = beta_t tau log sum_a exp(log prior_t + Q~_t / tau) + (1 - beta_t) (r0_t + gamma P0_t V~_{t+1})

        The term of waiting agents is our extension; beta_t = 1 for the clock "always". O(T S A K).
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t t, o, a
        cdef double *now = self.pair
        cdef double *after = self.pair + S
        cdef double *q = self.scratch
        cdef double *y
        cdef bint fine
        self.check_table("logits", logits)
        self.check_table("prior", prior)
        with nogil:
            memset(after, 0, S * sizeof(double))
            for t in range(self.horizon - 1, -1, -1):
                self.recall(t)
                action_values(self.at, after, self.discount, q)
                y = q
                for o in range(S):
                    for a in range(A):
                        y[a] = prior[t, o, a] + y[a] / temperature
                    now[o] = temperature * log_of_sum(y, A)
                    for a in range(A):
                        logits[t, o, a] = (1 - weight) * logits[t, o, a] + weight * y[a]
                    y += A
                rest(self.at, after, self.discount, 1.0 if self.always else self.beta(t), now)
                now, after = after, now
            fine = tmf_softmax(&logits[0, 0, 0], self.horizon * S, A, &self.pi[0, 0, 0])
        return fine


cdef double log_of_sum(const double *y, Py_ssize_t n) noexcept nogil:
    """log sum_a exp(y(a))."""
    cdef double largest = y[best_action(y, n)], total = 0
    cdef Py_ssize_t a
    for a in range(n):
        total += tmf_exp_one(y[a] - largest)
    return largest + tmf_log_one(total)
