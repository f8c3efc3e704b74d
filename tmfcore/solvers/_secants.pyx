"""The last updates of mirror descent, and how policy and action values answered to them.

Source     J. Barzilai and J. M. Borwein, IMA J. Numer. Anal. 8 (1988), in the geometry of the entropy.
Notation   S observations, A actions, T steps; dy is a change of the logits, up to a constant per row (A,), dQ of Q.
Cost       O(T S A) per method.
"""
from libc.string cimport memcpy

import numpy as np

from tmfcore.solvers._judged cimport Judged


cdef class Secants:
    """Changes dy and dQ in the last `n_pairs` updates of an iterate, and the iterate from which the last one started.

    Parameters
    ----------
    iterate : Judged
        Its policy, flow and Q are those of its last `evaluate`.
    n_pairs : int

    Attributes
    ----------
    pairs : ndarray of float64, shape (2 n_pairs, T, S, A)
        dy, dQ, dy, dQ, ...; update k is pair k % n_pairs.
    policy, q : ndarray of float64, shape (T, S, A)
    mu : ndarray of float64, shape (T + 1, S)
        Of the iterate from which the last update started.
    """
    cdef Judged iterate
    cdef readonly object pairs, policy, q, mu
    cdef double[:, :, :, ::1] changes       # the data of `pairs`
    cdef double[:, :, ::1] pi, played       # of `policy` and `q`
    cdef double[:, ::1] flow                # of `mu`
    cdef double[:, :, ::1] logits           # of the iterate from which the last update started
    cdef Py_ssize_t size                    # T S A

    def __cinit__(self, Judged iterate not None, Py_ssize_t n_pairs):
        shape = (iterate.horizon, iterate.n_observations, iterate.n_actions)
        self.iterate = iterate
        self.pairs = np.zeros((2 * n_pairs, *shape))
        self.policy, self.q, self.logits = np.zeros((3, *shape))
        self.mu = np.zeros(iterate.mu.shape)
        self.changes, self.pi, self.played, self.flow = self.pairs, self.policy, self.q, self.mu
        self.size = self.played.shape[0] * self.played.shape[1] * self.played.shape[2]

    def begin(self, const double[:, :, ::1] logits not None):
        """Store the iterate and its logits (T, S, A): an update starts from them."""
        self.iterate.check_table("logits", logits)
        memcpy(&self.logits[0, 0, 0], &logits[0, 0, 0], self.size * sizeof(double))
        memcpy(&self.pi[0, 0, 0], &self.iterate.pi[0, 0, 0], self.size * sizeof(double))
        memcpy(&self.played[0, 0, 0], &self.iterate.played[0, 0, 0], self.size * sizeof(double))
        memcpy(&self.flow[0, 0], &self.iterate.flow[0, 0], self.flow.shape[0] * self.flow.shape[1] * sizeof(double))

    def end(self, const double[:, :, ::1] logits not None, Py_ssize_t update):
        """Store dy of an update that ended at `logits` (T, S, A)."""
        cdef Py_ssize_t i
        cdef double *moved = &self.changes[2 * (update % (self.changes.shape[0] // 2)), 0, 0, 0]
        self.iterate.check_table("logits", logits)
        for i in range(self.size):
            moved[i] = (&logits[0, 0, 0])[i] - (&self.logits[0, 0, 0])[i]

    def answer(self, Py_ssize_t update):
        """Store dQ of the last update, and return how strongly Q responded to it.

        Returns
        -------
        answer, gain : float
            - <dQ, dpi> and <dy, dpi>; answer / gain is the stiffness, in units of reward. <., .> sums over t, o and a,
            weighted by the mean of both flows, (mu_t(o) + mu'_t(o)) / 2.
        spread : float
            sum_{t,o} mu_t(o) Var_{a ~ pi_t(o)}(dQ).

        Notes
        -----
        gain / answer is the spectral step length of Barzilai and Borwein in the geometry of the entropy, in which dpi
        is dual to dy.
        """
        cdef Py_ssize_t place = 2 * (update % (self.changes.shape[0] // 2)), row, i = 0
        cdef Py_ssize_t A = self.iterate.n_actions
        cdef double weight, change, answer = 0, gain = 0, spread
        cdef const double *pi = &self.iterate.pi[0, 0, 0]
        cdef const double *q = &self.iterate.played[0, 0, 0]
        cdef const double *moved = &self.changes[place, 0, 0, 0]
        cdef double *answered = &self.changes[place + 1, 0, 0, 0]
        for row in range(self.size // A):
            weight = 0.5 * ((&self.iterate.flow[0, 0])[row] + (&self.flow[0, 0])[row])
            for _ in range(A):
                change = weight * (pi[i] - (&self.pi[0, 0, 0])[i])
                answered[i] = q[i] - (&self.played[0, 0, 0])[i]
                answer -= change * answered[i]
                gain += change * moved[i]
                i += 1
        self.covary(answered, 1, &spread)
        return answer, gain, spread

    def covariances(self):
        """Covariances of dy, dQ, ... and Q under the policy's decisions along its flow.

        Returns
        -------
        ndarray of float64, shape (n + 1, n + 1), n = 2 n_pairs
            sum_{t,o} mu_t(o) Cov_{a ~ pi_t(o)}(f, g) for any two f, g of the pairs and, as the last, Q. Adding a
            constant to a row (A,) changes nothing: it is the inner product of log-odds in the geometry of the entropy.
        """
        cdef Py_ssize_t n = self.changes.shape[0] + 1
        cdef double[:, ::1] found = np.zeros((n, n))
        self.covary(&self.changes[0, 0, 0, 0], n, &found[0, 0])
        return np.asarray(found)

    cdef int covary(self, const double *tables, Py_ssize_t n, double *found) except -1:
        """found (n, n) of n tables (T, S, A); the table after the last pair is Q."""
        cdef Py_ssize_t i, j, a, row, A = self.iterate.n_actions, n_stored = self.changes.shape[0]
        cdef double mean, weight, total
        cdef double[:, ::1] rows = np.empty((n, A))
        cdef const double *f
        cdef const double *pi
        for i in range(n * n):
            found[i] = 0
        for row in range(self.size // A):
            weight = (&self.iterate.flow[0, 0])[row]
            if weight <= 0:
                continue
            pi = &self.iterate.pi[0, 0, 0] + row * A
            for i in range(n):
                f = (tables + i * self.size if i < n_stored else &self.iterate.played[0, 0, 0]) + row * A
                mean = 0
                for a in range(A):
                    mean += pi[a] * f[a]
                for a in range(A):
                    rows[i, a] = f[a] - mean
                for j in range(i + 1):
                    total = 0
                    for a in range(A):
                        total += pi[a] * rows[i, a] * rows[j, a]
                    found[i * n + j] += weight * total
        for i in range(n):
            for j in range(i):
                found[j * n + i] = found[i * n + j]
        return 0
