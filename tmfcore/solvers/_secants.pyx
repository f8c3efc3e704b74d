"""The last updates of mirror descent, how policy and action values answered to them, and the rates that follow.

Source     J. Barzilai and J. M. Borwein, IMA J. Numer. Anal. 8 (1988), in the geometry of the entropy.
Notation   S observations, A actions, T steps; dy is a change of the logits, up to a constant per row (A,), dQ of Q.
Cost       O(T S A) per method.
"""
from libc.math cimport INFINITY, frexp, ldexp, pow
from libc.string cimport memcpy

import logging

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._base.pieces import copy
from tmfcore.solvers._judged cimport Judged

log = logging.getLogger(__name__)

cdef enum:
    PAIRS = 2               # number of secants
    EARLY = 12              # number of updates of a descent before the first correction
    RECENT = 3              # number of recent updates whose smallest short rate is used
    PATIENCE = 100          # a descent has stalled after this many iterates without a new best one
    DESCENTS = 5
    LOOKED = 1 << 14        # entries of a table from one look for an interrupt to the next
    CORRECTED = 512         # entries corrected at once

cdef double FIRST = 4.0         # largest change of a log-odds in the first update
cdef double GROWTH = 4.0        # largest factor of the rate from update to update, in the first descent
cdef double SHRINKAGE = 0.02    # smallest such factor
cdef double SHORT = 0.8         # a short rate is used only below this multiple of the spectral rate
cdef double DAMPING = 1e-8      # regularisation of nearly dependent secants, relative to their size
cdef double MOST = 1e100        # largest multiple of the first rate: logits must not overflow if Q does not respond


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
        dy, dQ, dy, dQ, ...; update k is pair k % n_pairs. During an update its dy is the logits from which it started;
        until `answer` its dQ is the Q from which it started.
    policy : ndarray of float64, shape (T, S, A)
    mu : ndarray of float64, shape (T + 1, S)
        Of the iterate from which the last update started.
    answered : bool
        Whether `answer` has stored dQ of the last update.
    """
    cdef Judged iterate
    cdef readonly object pairs, policy, mu
    cdef public bint answered
    cdef double[:, :, :, ::1] changes       # the data of `pairs`
    cdef double[:, :, ::1] pi               # of `policy`
    cdef double[:, ::1] flow                # of `mu`
    cdef double[:, ::1] rows                # SCRATCH (2 n_pairs + 1, A)
    cdef double unit                        # a power of two by which Q is multiplied in products, which could overflow
    cdef Py_ssize_t size                    # T S A

    def __cinit__(self, Judged iterate not None, Py_ssize_t n_pairs):
        shape = (iterate.horizon, iterate.n_observations, iterate.n_actions)
        self.iterate = iterate
        self.pairs = np.zeros((2 * n_pairs, *shape))
        self.rows = np.empty((2 * n_pairs + 1, iterate.n_actions))
        self.policy, self.mu = np.zeros(shape), np.zeros(iterate.mu.shape)
        self.changes, self.pi, self.flow = self.pairs, self.policy, self.mu
        self.size = self.pi.shape[0] * self.pi.shape[1] * self.pi.shape[2]
        self.unit = 1

    cdef double *place(self, Py_ssize_t update, bint answer) noexcept:
        """dy or, if `answer`, dQ of an update."""
        return &self.changes[2 * (update % (self.changes.shape[0] // 2)) + answer, 0, 0, 0]

    cdef int begin(self, double[:, :, ::1] logits, Py_ssize_t update, const double[::1] shares, double rate) except -1:
        """Store the iterate and its logits (T, S, A), from which an update starts, which `shares` then correct.

        shares (n_pairs,), or None: logits -= sum_i shares_i (dy_i + rate dQ_i).
        """
        cdef Py_ssize_t first = 0, end, n
        cdef double corrected[CORRECTED]
        cdef double *at = &logits[0, 0, 0]
        cdef double *start = self.place(update, False)
        self.iterate.check_table("logits", logits)
        memcpy(&self.flow[0, 0], &self.iterate.flow[0, 0], self.flow.shape[0] * self.flow.shape[1] * sizeof(double))
        while first < self.size:
            look(&self.iterate.at.looks)
            end = min(first + LOOKED, self.size)
            memcpy(&self.pi[0, 0, 0] + first, &self.iterate.pi[0, 0, 0] + first, (end - first) * sizeof(double))
            if shares is None:
                memcpy(start + first, at + first, (end - first) * sizeof(double))
            else:
                while first < end:
                    n = min(end - first, <Py_ssize_t>CORRECTED)
                    self.correct(at + first, first, n, shares, rate, &corrected[0])
                    memcpy(start + first, at + first, n * sizeof(double))   # over the oldest dy, which is used no more
                    memcpy(at + first, &corrected[0], n * sizeof(double))
                    first += n
            first = end
        return 0

    cdef void correct(
        self, const double *logits, Py_ssize_t first, Py_ssize_t n, const double[::1] shares, double rate,
        double *corrected
    ) noexcept:
        """The logits first..first + n - 1 as `begin` corrects them."""
        cdef Py_ssize_t i, j
        cdef double share, answer
        cdef const double *moved
        cdef const double *answered
        memcpy(corrected, logits, n * sizeof(double))
        for j in range(shares.shape[0]):
            share, answer = shares[j], shares[j] * rate
            moved, answered = self.place(j, False) + first, self.place(j, True) + first
            for i in range(n):
                corrected[i] = (corrected[i] - share * moved[i]) - answer * answered[i]

    cdef int end(self, const double[:, :, ::1] logits, Py_ssize_t update) except -1:
        """Store dy of an update that ended at `logits` (T, S, A), and the Q from which it started."""
        cdef Py_ssize_t first = 0, end, i
        cdef double *moved = self.place(update, False)
        cdef double *q = self.place(update, True)
        self.iterate.check_table("logits", logits)
        while first < self.size:
            look(&self.iterate.at.looks)
            end = min(first + LOOKED, self.size)
            for i in range(first, end):
                moved[i] = (&logits[0, 0, 0])[i] - moved[i]
            memcpy(q + first, &self.iterate.played[0, 0, 0] + first, (end - first) * sizeof(double))
            first = end
        self.answered = False

    cdef int answer(self, Py_ssize_t update, double *answered_by, double *gained, double *spread) except -1:
        """Store dQ of the last update, and tell how strongly Q responded to it.

        answered_by and gained: - <dQ, dpi> and <dy, dpi>; their ratio is the stiffness, in units of reward. <., .> sums
        over t, o and a, weighted by the mean of both flows, (mu_t(o) + mu'_t(o)) / 2. The inverse is the spectral step
        length of Barzilai and Borwein in the geometry of the entropy, in which dpi is dual to dy.
        spread: sum_{t,o} mu_t(o) Var_{a ~ pi_t(o)}(unit dQ).
        """
        cdef Py_ssize_t row = 0, i = 0
        cdef Py_ssize_t A = self.iterate.n_actions
        cdef double weight, change, answer = 0, gain = 0
        cdef const double *pi = &self.iterate.pi[0, 0, 0]
        cdef const double *q = &self.iterate.played[0, 0, 0]
        cdef const double *moved = self.place(update, False)
        cdef double *answered = self.place(update, True)
        while row < self.size // A:
            look(&self.iterate.at.looks)
            for row in range(row, min(row + LOOKED, self.size // A)):
                weight = 0.5 * ((&self.iterate.flow[0, 0])[row] + (&self.flow[0, 0])[row])
                for _ in range(A):
                    change = weight * (pi[i] - (&self.pi[0, 0, 0])[i])
                    if not self.answered:
                        answered[i] = q[i] - answered[i]
                    answer -= change * answered[i]
                    gain += change * moved[i]
                    i += 1
            row += 1
        self.answered = True
        answered_by[0], gained[0] = answer, gain
        return self.covary(answered, 1, spread)

    cdef object covariances(self):
        """Covariances of dy, unit dQ, ... and unit Q under the policy's decisions along its flow.

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
        """found (n, n) of n tables (T, S, A), of one dQ if n is 1; the table after the last pair is Q."""
        cdef Py_ssize_t i, j, a, row = 0, A = self.iterate.n_actions, n_stored = self.changes.shape[0]
        cdef double mean, weight, total, factor
        cdef double[:, ::1] rows = self.rows
        cdef const double *f
        cdef const double *pi
        for i in range(n * n):
            found[i] = 0
        while row < self.size // A:
            look(&self.iterate.at.looks)
            for row in range(row, min(row + LOOKED, self.size // A)):
                weight = (&self.iterate.flow[0, 0])[row]
                if weight <= 0:
                    continue
                pi = &self.iterate.pi[0, 0, 0] + row * A
                for i in range(n):
                    f = (tables + i * self.size if i < n_stored else &self.iterate.played[0, 0, 0]) + row * A
                    factor = self.unit if n == 1 or i % 2 or i == n_stored else 1.0
                    mean = 0
                    for a in range(A):
                        mean += pi[a] * f[a]
                    for a in range(A):
                        rows[i, a] = factor * (f[a] - mean)
                    for j in range(i + 1):
                        total = 0
                        for a in range(A):
                            total += pi[a] * rows[i, a] * rows[j, a]
                        found[i * n + j] += weight * total
            row += 1
        for i in range(n):
            for j in range(i):
                found[j * n + i] = found[i * n + j]
        return 0

cdef class SpectralRate:
    """Spectral step lengths (Barzilai and Borwein, IMA J. Numer. Anal. 8, 1988) in the geometry of the entropy.

    If an update changes the logits by dy, the policy by d pi and the action values by dQ, the stiffness of the game
    along it is l = -<dQ, d pi> / <dy, d pi>, and the next rate is 1 / l. The first rate is
    4 / max_{t,o} (max_a Q - min_a Q). From one update to the next the rate grows at most fourfold (exactly fourfold if
    l <= 0) and falls at most to a fiftieth. After an iterate that is not the best of its descent the next rate is
    short: the smallest -<dQ, d pi> / Var(dQ) of the last three updates.

    From the 13th update on, updates that start at the best iterate so far are corrected by secants (`shares`).

    Exploitability need not fall in every update. After 100 iterates without a new best one the descent has stalled. The
    next descent starts from the first policy again, with growth limited to 2, then sqrt 2, and so on, and uses neither
    short rates nor secants: slow growth finds equilibria that long steps miss. After five descents the rule is stuck.
    """

    cdef object iterate
    cdef Secants secants
    cdef double[:, :, ::1] first_logits     # at which every descent begins
    cdef public double caution              # factor of the first rate from one descent to the next
    cdef double now, first, least           # rates: the last one, the first of this descent (0: not chosen); best gap
    cdef Py_ssize_t waited, descents, updates   # iterates without a new best one; descents begun; updates of this one
    cdef double[RECENT] short               # short rates, the latest last
    cdef bint chosen                        # whether the next two are those of the iterate just evaluated
    cdef double next_rate, next_short

    def __cinit__(self, Judged iterate not None):
        self.iterate = iterate
        self.secants = Secants(iterate, PAIRS)
        self.first_logits = np.zeros(iterate.policy.shape)
        self.least, self.descents, self.caution = INFINITY, 1, 1.0
        for i in range(RECENT):
            self.short[i] = INFINITY

    def start(self, double[:, :, ::1] logits not None):
        """Set the logits (T, S, A) at which every descent begins."""
        copy(np.asarray(logits), np.asarray(self.first_logits))

    def state(self):
        """All state: a dict of arrays, not copied."""
        last = self.secants
        numbers = np.array(
            [self.now, self.first, self.least, self.waited, self.descents, self.updates, last.answered]
        )
        return {
            "rate": numbers, "first_logits": np.asarray(self.first_logits), "pairs": last.pairs,
            "short": np.array([self.short[i] for i in range(RECENT)]), "last_policy": last.policy, "last_mu": last.mu,
        }

    def restore(self, state):
        """The inverse of `state`."""
        last = self.secants
        self.now, self.first, self.least, waited, descents, updates, answered = state["rate"].tolist()
        last.answered = answered != 0
        last.unit = power_of_two(self.first)
        self.waited, self.descents, self.updates = int(waited), int(descents), int(updates)
        copy(state["first_logits"], np.asarray(self.first_logits))
        for i in range(RECENT):
            self.short[i] = state["short"][i]
        last.pairs[...] = state["pairs"]
        last.policy[...], last.mu[...] = state["last_policy"], state["last_mu"]

    def rate(self, double gap):
        """The rate of the next update from the iterate just evaluated; 0 if a new descent begins. O(T S A), once."""
        if not self.chosen:
            self.choose(gap)
            self.chosen = True
        return self.next_rate

    cdef int choose(self, double gap) except -1:
        """Compute the rate of the next update, and the short rate."""
        cdef double answer, gain, spread, longest, rate
        self.next_rate, self.next_short = 0.0, INFINITY
        if self.stalled(gap):
            return 0
        if self.now == 0:
            self.next_rate = first_rate(self.iterate) * pow(self.caution, self.descents - 1)
            return 0
        self.secants.answer(self.updates - 1, &answer, &gain, &spread)
        longest = min(self.now * pow(GROWTH, pow(0.5, self.descents - 1)), MOST * self.first)
        self.next_rate = longest
        if answer <= 0:
            return 0
        rate = gain / answer
        if self.descents == 1:
            if spread > 0:
                self.next_short = self.secants.unit * answer / spread * self.secants.unit
            if gap >= self.least and self.next_short < SHORT * rate:
                rate = min(self.next_short, self.short[1], self.short[2])
        self.next_rate = min(max(self.now * SHRINKAGE, rate), longest)
        return 0

    cpdef bint stalled(self, double gap):
        """Whether the descent ends at an iterate of this exploitability."""
        return gap >= self.least and self.waited + 1 >= PATIENCE

    def take(self, double gap, double[:, :, ::1] logits not None, double rate, bint corrected):
        """Store the iterate from which an update at this rate starts; correct its logits by secants if that is due.

        `rate` must have been called for this iterate. `corrected`: whether the update may be corrected.
        """
        cdef bint best = gap < self.least, secants = best and self.descents == 1 and self.updates >= EARLY
        if self.next_short < INFINITY:
            self.short[0], self.short[1], self.short[2] = self.short[1], self.short[2], self.next_short
        self.chosen = False
        self.waited = 0 if best else self.waited + 1
        self.least = min(gap, self.least)
        self.secants.begin(logits, self.updates, self.shares() if secants and corrected else None, rate)

    def moved(self, double rate, double[:, :, ::1] logits not None):
        """Store the logits at which the update with this rate ended."""
        self.secants.end(logits, self.updates)
        self.now = rate
        if self.first == 0:
            self.first = rate
            self.secants.unit = power_of_two(rate)
        self.updates += 1

    cdef object shares(self):
        """The c_i with which sum_i c_i (dy_i + rate dQ_i) is subtracted from the logits, before an update adds rate Q.

        None if there are none. Extrapolating the last updates, Q becomes Q - sum_i c_i dQ_i if y moves by
        -sum_i c_i dy_i. The c_i make it orthogonal to every dy_i: <dy_i, Q - sum_j c_j dQ_j> = 0, the condition of
        conjugate gradients in games with a potential. If that makes it larger than Q, they make it as small as possible
        (Anderson, J. ACM 12, 1965). Inner products are covariances under pi and mu. O(T S A).
        """
        products = self.secants.covariances()
        answers = products[1:-1:2, 1:-1:2]
        try:
            c = np.linalg.solve(products[0:-1:2, 1:-1:2], products[0:-1:2, -1])
            if not c @ answers @ c <= 2 * c @ products[1:-1:2, -1]:
                c = np.linalg.solve(answers + DAMPING * np.trace(answers) * np.eye(PAIRS), products[1:-1:2, -1])
        except np.linalg.LinAlgError:
            return None
        return c if np.isfinite(c).all() else None

    def begin_again(self, double[:, :, ::1] logits not None):
        """Begin the next descent, whose largest growth is the square root of the last; raise Stuck after the fifth."""
        if self.descents == DESCENTS:
            from tmfcore.solvers._rule import Stuck

            raise Stuck(f"each of {DESCENTS} descents ended with {PATIENCE} iterations without a better policy")
        self.now, self.first, self.least, self.waited = 0.0, 0.0, INFINITY, 0
        self.descents += 1
        self.updates, self.chosen = 0, False
        log.debug("no better policy in %d updates; restart from the first policy: descent %d", PATIENCE, self.descents)
        copy(np.asarray(self.first_logits), np.asarray(logits))


cdef double power_of_two(double rate) noexcept:
    """The largest power of two that is at most `rate`, within the normal numbers; 1 if the rate is 0."""
    cdef int exponent
    if rate <= 0:
        return 1.0
    frexp(rate, &exponent)
    return ldexp(1.0, min(max(exponent - 1, -1000), 1000))


def first_rate(iterate):
    """4 / max_{t,o} (max_a Q - min_a Q), or 1 if all actions have the same value everywhere."""
    cdef double spread = iterate.spread()
    if spread == INFINITY:
        raise ValueError("two actions differ by more than 1.8e308 in value; must be less: the rewards are too large")
    return FIRST / spread if spread > 0 else 1.0
