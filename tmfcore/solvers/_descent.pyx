"""Updates of the exact solvers, from a policy to the next.

Source     named at each update.
Notation   S observations, A actions, K successors, T steps; each method loops over all steps.
Cost       O(T S A) per update; O(T S A K) for respond by flow and for regularise, which use the kernels.
"""
from libc.math cimport INFINITY
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from tmfcore._base.interrupts cimport look
from tmfcore._limit.values cimport action_values, best_action, rest
from tmfcore._model.evaluator cimport share_at
from tmfcore._model.model cimport lawful

cdef extern from "_base/simd/elementary.h" nogil:
    double tmf_exp_one(double x)
    double tmf_log_one(double x)

cdef extern from "_model/softmax.h" nogil:
    bint tmf_softmax(double *logits, Py_ssize_t n_rows, Py_ssize_t n_actions, double *pi)
    enum: TMF_SOFTMAX_BLOCK

cdef enum:
    SOFTENED = 64           # blocks of the softmax from one look for an interrupt to the next
    LOOKED = 1 << 14        # entries of a table from one look to the next


cdef class Iterate(Judged):
    """A policy that is evaluated and updated, by one thread at a time. Parameters and attributes: as for Judged."""

    def spread(self):
        """max_{t,o} (max_a Q - min_a Q) of the last `evaluate`."""
        cdef Py_ssize_t a, S = self.n_observations, A = self.n_actions
        cdef double low, high, widest = 0
        cdef const double *q = &self.played[0, 0, 0]
        with nogil:
            for _ in range(self.horizon):
                look(&self.at.looks)
                for _ in range(S):
                    low = high = q[0]
                    for a in range(1, A):
                        low = min(low, q[a])
                        high = max(high, q[a])
                    widest = max(widest, high - low)
                    q += A
        return widest

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
        cdef Py_ssize_t size = self.horizon * self.n_observations * self.n_actions
        cdef Py_ssize_t first = 0, end, i
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
                step = &velocity[0, 0, 0]
            while first < size:
                look(&self.at.looks)
                end = min(first + LOOKED, size)
                if velocity is not None:
                    for i in range(first, end):
                        (&velocity[0, 0, 0])[i] = momentum * (&velocity[0, 0, 0])[i] + (&self.played[0, 0, 0])[i]
                for i in range(first, end):
                    y[i] += rate * step[i]
                first = end
            fine = self.soften_rows(y)
        return fine

    def soften(self, double[:, :, ::1] logits not None):
        """policy = softmax(logits); shift each row of logits to a largest entry of 0. False if a probability is NaN."""
        cdef bint fine
        self.check_table("logits", logits)
        with nogil:
            fine = self.soften_rows(&logits[0, 0, 0])
        return fine

    cdef bint soften_rows(self, double *logits) except -1 nogil:
        """As `soften`, for logits (T, S, A) whose shape is checked."""
        cdef Py_ssize_t A = self.n_actions, n_rows = self.horizon * self.n_observations, row = 0
        cdef Py_ssize_t part = max(1, TMF_SOFTMAX_BLOCK // A) * SOFTENED
        cdef bint fine = True
        while row < n_rows:
            fine &= tmf_softmax(logits + row * A, min(part, n_rows - row), A, &self.pi[0, 0, 0] + row * A)
            row += part
            look(&self.at.looks)
        return fine

    def project(self, double rate, const double[:, :, ::1] noise):
        """The next policy of projected gradient: each row of policy + rate (Q + noise), projected on the simplex.

        Parameters
        ----------
        rate : float
        noise : ndarray of float64, shape (T, S, A), or None
            None: 0.

        Returns
        -------
        bool
            False if a probability is not finite.

        Notes
        -----
        The projection is that of Euclid on the distributions over legal actions. O(T S A) if few rounds remove the
        actions that get no probability, O(T S A^2) at worst (Michelot, J. Optim. Theory Appl. 50, 1986).
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t t, o, a
        cdef double *y = self.scratch
        cdef double *pi
        cdef const double *q
        cdef bint fine = True, restricted = self.model.stand_in != NULL
        if noise is not None:
            self.check_table("noise", noise)
        with nogil:
            for t in range(self.horizon):
                look(&self.at.looks)
                for o in range(S):
                    pi = &self.pi[t, o, 0]
                    q = &self.played[t, o, 0]
                    for a in range(A):
                        y[a] = pi[a] + rate * (q[a] + noise[t, o, a] if noise is not None else q[a])
                        if restricted and lawful(self.model, o, a) != a:
                            y[a] = -INFINITY
                    fine &= on_simplex(y, A, pi)
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
                look(&self.at.looks)
                beta = self.beta(t)
                pi = &self.pi[t, 0, 0]
                if by_flow:
                    self.recall(t)
                    memset(weights, 0, S * A * sizeof(double))
                for o in range(S):
                    own, other = 1 - weight, weight
                    if by_flow:
                        own *= self.flow[t, o]
                        other *= now[o]
                        total = own + other
                        own = own / total if total > 0 else 0.0
                        other = other / total if total > 0 else 1.0
                        weights[o * A + self.best[t, o]] = share_at(self.at, o, beta) * now[o]
                    for a in range(A):
                        pi[a] *= own
                    pi[self.best[t, o]] += other
                    pi += A
                if by_flow:
                    self.push(now, beta, after)
                    now, after = after, now

    def decide(self):
        """Backward induction: the policy becomes the best response to every flow of a model that is `constant`.

        The probabilities of acting must not depend on mu, either.

        Notes
        -----
        Theory, section 4. One pass: O(T S A K).
        """
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions
        cdef Py_ssize_t t, o, a
        cdef double *now = self.pair
        cdef double *after = self.pair + S
        cdef double *q
        with nogil:
            memcpy(&self.flow[0, 0], &self.initial[0], S * sizeof(double))
            self.refresh(0)
            memset(after, 0, S * sizeof(double))
            for t in range(self.horizon - 1, -1, -1):
                look(&self.at.looks)
                memset(&self.pi[t, 0, 0], 0, S * A * sizeof(double))
                q = self.scratch
                action_values(self.at, after, self.discount, q)
                for o in range(S):
                    a = lawful(self.model, o, best_action(q, A))
                    self.best[t, o] = <int32_t>a
                    self.pi[t, o, a] = 1
                    now[o] = q[a]
                    q += A
                if self.at.acting is not None:
                    self.at.shares_at(<int>t, &self.flow[0, 0])
                rest(self.at, after, self.discount, 1.0 if self.always else self.beta(t), now)
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

        The term of waiting agents is our extension; beta_t = 1 for the clock "always". With altruism, `prices` are
        added to V~_t. O(T S A K).
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
                look(&self.at.looks)
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
                if self.externality is not None:
                    for o in range(S):
                        now[o] += self.priced[t, o]
                now, after = after, now
            fine = self.soften_rows(&logits[0, 0, 0])
        return fine


cdef bint on_simplex(double *y, Py_ssize_t n, double *pi) noexcept nogil:
    """Write the distribution closest to y (SCRATCH) to pi; entries -inf get 0. False if y has a NaN or +inf."""
    cdef double largest = y[best_action(y, n)], total, level = -1, before
    cdef Py_ssize_t a, left
    if not -INFINITY < largest < INFINITY:
        return False
    # In units from the largest entry, whose probability is positive: the level lies in [-1, -1 / n].
    for a in range(n):
        y[a] -= largest
        if y[a] != y[a]:
            return False
    while True:
        before, total, left = level, -1, 0
        for a in range(n):
            if y[a] > before:
                total += y[a]
                left += 1
        level = total / left
        if not level > before:
            break
    for a in range(n):
        pi[a] = max(y[a] - before, 0.0)
    return True


cdef double log_of_sum(const double *y, Py_ssize_t n) noexcept nogil:
    """log sum_a exp(y(a))."""
    cdef double largest = y[best_action(y, n)], total = 0
    cdef Py_ssize_t a
    for a in range(n):
        total += tmf_exp_one(y[a] - largest)
    return largest + tmf_log_one(total)
