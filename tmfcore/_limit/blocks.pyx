"""Eight steps at once, where kernel, policy and active fraction stay the same.

Source     Theory, sections 2 and 3, with M = beta sum_a pi(a | .) P(. | ., a) + (1 - beta) P0, constant within a stage.
Forward    mu_{t+8} = mu_t M^8, for eight steps t..t+7 at once. Rows of the powers and of mu are divided by their sums.
Backward   V_t = r_t + discount M V_{t+1}, with r_t the mean reward of a step, needs no action values; those of eight
           steps are then computed at once.
Cost       forward O(S^3) for a stage and O(S^2) per step; backward O(S^2 A) per step, from one pass over the kernel for
           eight steps.
"""
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from tmfcore._base.memory cimport room_for

cdef extern from "_limit/push.h" nogil:
    double *tmf_align(void *memory)
    Py_ssize_t TMF_LINE
    void tmf_average(const double *pi, const double *table, Py_ssize_t n_observations, Py_ssize_t n_actions,
                     Py_ssize_t n_cells, double *out)
    void tmf_normalise(double *mu, Py_ssize_t n)

cdef extern from "_limit/values.h" nogil:
    void tmf_turned_values(const double *reward, const double *turned, const double *values, const double *other,
                           double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)
    void tmf_turn(const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *turned)
    Py_ssize_t tmf_turned_size(Py_ssize_t n_rows, Py_ssize_t n_cells)
    void tmf_means(const double *pi, const double *q, Py_ssize_t n_observations, Py_ssize_t n_actions, double *out)

cdef extern from "_limit/blocks.h" nogil:
    Py_ssize_t tmf_whole_panels(Py_ssize_t n)
    void tmf_pack(const double *matrix, Py_ssize_t row, Py_ssize_t column, Py_ssize_t n_rows, Py_ssize_t n_columns,
                  double *panels)
    void tmf_block(const double *left, Py_ssize_t stride, const double *panels, Py_ssize_t n_inner,
                   Py_ssize_t n_columns, double *out)
    void tmf_follow_blocks(double *rows, const double *panels, Py_ssize_t n, Py_ssize_t n_blocks)
    void tmf_add_block(const double *left, const double *panels, Py_ssize_t n_inner, Py_ssize_t n_columns,
                       double scale, double *out)

cdef enum:
    SMALL = 24              # forward up to this S: a step of more observations is not bound by waiting for the last
    LARGE = 48              # backward beyond this S: the kernel is read from slower memory than the first-level cache
    WORTH_POWERS = 8        # steps per observation in a stage: the powers take as long as about 5 S steps save
    WORTH_PACKING = 16      # steps in a stage: packing the kernel takes as long as a few steps save


cdef void fill(Evaluator at, const double *average, double beta, Py_ssize_t stride, double *matrix) noexcept nogil:
    """matrix (S, stride) = beta average (S, S) + (1 - beta) P0."""
    cdef Py_ssize_t S = at.n_observations, K0 = at.n_passive_successors
    cdef Py_ssize_t o, x, k
    for o in range(S):
        for x in range(S):
            matrix[o * stride + x] = beta * average[o * S + x]
        if beta == 1:
            continue
        if at.model.passive_identity:
            matrix[o * stride + o] += 1 - beta
        else:
            for k in range(K0):
                x = k if at.model.passive_successor == NULL else at.model.passive_successor[o * K0 + k]
                matrix[o * stride + x] += (1 - beta) * at.tables.passive_transition[o * K0 + k]


cdef class Blocks:

    @staticmethod
    cdef Blocks forward(Evaluator at, Push push, Py_ssize_t n_fractions):
        cdef Py_ssize_t S = at.n_observations, stage = at.horizon // at.policy.n_stages
        cdef Blocks self
        if (S > SMALL or not push.steady or push.merged or n_fractions != 1 or at.acting is not None
                or stage < WORTH_POWERS * S + 2 * BLOCK):
            return None
        self = Blocks.__new__(Blocks)
        self.n = S
        self.wide = tmf_whole_panels(S)
        self.reserve(3 * self.wide * self.wide + 2 * BLOCK * self.wide)
        self.panels = self.matrix + self.wide * self.wide
        self.spare = self.panels + self.wide * self.wide
        self.rows = self.spare + self.wide * self.wide
        return self

    @staticmethod
    cdef Blocks backward(Evaluator at, Py_ssize_t n_fractions):
        cdef Py_ssize_t S = at.n_observations, n_pairs = S * at.n_actions
        cdef Blocks self
        if (S <= LARGE or at.policy is None or at.policy.depends_on_mu or not at.model.constant_transition
                or at.model.successor != NULL or n_fractions != 1 or at.acting is not None
                or at.horizon // at.policy.n_stages < WORTH_PACKING):
            return None
        self = Blocks.__new__(Blocks)
        self.n = self.wide = S
        self.reserve(S * S + tmf_whole_panels(n_pairs) * S + tmf_turned_size(S, S) + S)
        self.panels = self.matrix + S * S
        self.spare = self.panels + tmf_whole_panels(n_pairs) * S
        return self

    cdef int reserve(self, Py_ssize_t n_doubles) except -1:
        self.memory = room_for(<double>n_doubles + TMF_LINE, sizeof(double), b"the powers of a kernel")
        self.matrix = tmf_align(self.memory)
        memset(self.matrix, 0, n_doubles * sizeof(double))
        return 0

    def __dealloc__(self):
        free(self.memory)

    cdef void open_forward(self, Evaluator at, Push push, double beta) noexcept nogil:
        cdef Py_ssize_t i, _, wide = self.wide
        fill(at, push.average, beta, wide, self.matrix)
        for _ in range(3):
            tmf_pack(self.matrix, wide, 1, self.n, self.n, self.panels)
            for i in range(wide // BLOCK):
                tmf_block(self.matrix + i * BLOCK * wide, wide, self.panels, self.n, self.n,
                          self.spare + i * BLOCK * wide)
            for i in range(self.n):
                tmf_normalise(self.spare + i * wide, self.n)
            self.matrix, self.spare = self.spare, self.matrix
        tmf_pack(self.matrix, wide, 1, self.n, self.n, self.panels)

    cdef void advance(self) noexcept nogil:
        cdef double *after = self.spare
        cdef Py_ssize_t i
        tmf_block(self.rows, self.wide, self.panels, self.n, self.n, after)
        for i in range(BLOCK):
            tmf_normalise(after + i * self.wide, self.n)
        memcpy(self.rows, after, BLOCK * self.wide * sizeof(double))

    cdef Py_ssize_t follow(self, Py_ssize_t n_steps, double *mu) noexcept nogil:
        cdef Py_ssize_t n_blocks = n_steps // BLOCK, o, i
        tmf_follow_blocks(mu, self.panels, self.n, n_blocks)
        for i in range(BLOCK):
            for o in range(self.n):
                self.rows[i * self.wide + o] = mu[(n_blocks * BLOCK + i) * self.n + o]
        return n_blocks * BLOCK

    cdef void open_backward(self, Evaluator at, double beta) noexcept nogil:
        cdef Py_ssize_t S = self.n
        tmf_average(at.pi, at.tables.transition, S, at.n_actions, S, self.panels)
        fill(at, self.panels, beta, S, self.matrix)
        tmf_turn(self.matrix, S, S, self.spare + S)
        tmf_pack(at.tables.transition, 1, S, S, S * at.n_actions, self.panels)

    cdef int retreat(self, Evaluator at, Py_ssize_t t, const double *mu, double discount, double beta, double *values,
                     double *q) except -1 nogil:
        cdef Py_ssize_t S = self.n, A = at.n_actions
        cdef Py_ssize_t s, o
        cdef double *mean = self.spare
        for s in range(t + BLOCK - 1, t - 1, -1):
            at.tables_at(<int>s, mu + s * S)
            memcpy(q + s * S * A, at.tables.reward, S * A * sizeof(double))
            tmf_means(at.pi, at.tables.reward, S, A, mean)
            if beta < 1:
                for o in range(S):
                    mean[o] = beta * mean[o] + (1 - beta) * at.tables.passive_reward[o]
            tmf_turned_values(mean, self.spare + S, values + (s + 1) * S, NULL, discount, S, S, values + s * S, NULL)
        tmf_add_block(values + (t + 1) * S, self.panels, S, S * A, discount, q + t * S * A)
        return 0
