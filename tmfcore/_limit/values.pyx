"""One step of values backward: of a policy, of the best response, or of both in one pass.

Source     Theory, sections 3 (values, two clocks) and 4 (exploitability).
Notation   S observations, A actions, K successors.
Cost       O(S A K) per step.
"""
from libc.stdint cimport int32_t

from tmfcore._base.memory cimport room_for

cdef extern from "_limit/values.h" nogil:
    double *tmf_align(void *memory)
    Py_ssize_t TMF_LINE
    void tmf_row_values(const double *reward, const double *table, const double *values, const double *other,
                        double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)
    void tmf_turned_values(const double *reward, const double *turned, const double *values, const double *other,
                           double discount, Py_ssize_t n_rows, Py_ssize_t n_cells, double *out, double *other_out)
    void tmf_turn(const double *table, Py_ssize_t n_rows, Py_ssize_t n_cells, double *turned)
    Py_ssize_t tmf_turned_size(Py_ssize_t n_rows, Py_ssize_t n_cells)
    void tmf_sparse_values(const double *reward, const double *table, const int32_t *successor, const double *values,
                           const double *pi, double discount, Py_ssize_t n_observations, Py_ssize_t n_actions,
                           Py_ssize_t n_cells, double *q, double *means)
    void tmf_sparse_both(const double *reward, const double *table, const int32_t *successor, const double *pairs,
                         const double *pi, double discount, Py_ssize_t n_observations, Py_ssize_t n_actions,
                         Py_ssize_t n_cells, double *q, int32_t *greedy, double *means, double *largest)
    void tmf_means(const double *pi, const double *q, Py_ssize_t n_observations, Py_ssize_t n_actions, double *out)
    void tmf_add_resting(const double *reward, const double *table, const int32_t *successor, const double *next_values,
                         double discount, double beta, Py_ssize_t n_observations, Py_ssize_t n_cells, double *values)
    void tmf_add_resting_by_row(const double *reward, const double *table, const int32_t *successor,
                                const double *next_values, double discount, const double *beta,
                                Py_ssize_t n_observations, Py_ssize_t n_cells, double *values)
    void tmf_largest(const double *q, Py_ssize_t n_observations, Py_ssize_t n_actions, double *out)

cdef enum:
    SHORT_ROWS = 48         # longer rows are bound by memory in either layout
    WORTH_TURNING = 32      # steps: turning a table takes as long as a few dozen steps save


cdef int expect_steps(Evaluator at, Py_ssize_t n_steps) except -1:
    cdef Py_ssize_t K = at.n_successors, n_rows = at.n_observations * at.n_actions
    if (at.model.successor == NULL and at.model.constant_transition and K <= SHORT_ROWS and n_steps >= WORTH_TURNING
            and at.turned == NULL):
        at.turned_memory = room_for(
            <double>tmf_turned_size(n_rows, K) + TMF_LINE, sizeof(double), b"tables with rows turned")
        at.turned = tmf_align(at.turned_memory)
    return 0


cdef inline const double *turned_table(Evaluator at) noexcept nogil:
    """The turned active kernel (values.h), filled on first use; NULL if expect_steps allocated none."""
    if at.turned != NULL and not at.turned_filled:
        tmf_turn(at.tables.transition, at.n_observations * at.n_actions, at.n_successors, at.turned)
        at.turned_filled = True
    return at.turned


cdef void action_values(Evaluator at, const double *next_values, double discount, double *q) noexcept nogil:
    cdef Py_ssize_t K = at.n_successors, n_rows = at.n_observations * at.n_actions
    cdef const double *reward = at.tables.reward
    cdef const double *turned = turned_table(at)
    if at.model.successor != NULL:
        tmf_sparse_values(reward, at.tables.transition, at.model.successor, next_values, NULL, discount,
                          at.n_observations, at.n_actions, K, q, NULL)
    elif turned != NULL:
        tmf_turned_values(reward, turned, next_values, NULL, discount, n_rows, K, q, NULL)
    else:
        tmf_row_values(reward, at.tables.transition, next_values, NULL, discount, n_rows, K, q, NULL)


cdef void rest(Evaluator at, const double *next_values, double discount, double beta, double *values) noexcept nogil:
    cdef const double *table = NULL if at.model.passive_identity else at.tables.passive_transition
    if beta == 1:
        return
    if beta < 0:
        tmf_add_resting_by_row(at.tables.passive_reward, table, at.model.passive_successor, next_values, discount,
                               at.shares, at.n_observations, at.n_passive_successors, values)
    else:
        tmf_add_resting(at.tables.passive_reward, table, at.model.passive_successor, next_values, discount, beta,
                        at.n_observations, at.n_passive_successors, values)


cdef void policy_values(
    Evaluator at, const double *next_values, double discount, double beta, double *q, double *values
) noexcept nogil:
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions
    if at.model.successor != NULL:
        tmf_sparse_values(at.tables.reward, at.tables.transition, at.model.successor, next_values, at.pi, discount,
                          S, A, at.n_successors, q, values)
    else:
        action_values(at, next_values, discount, q)
        tmf_means(at.pi, q, S, A, values)
    rest(at, next_values, discount, beta, values)


cdef void best_values(
    Evaluator at, const double *next_values, double discount, double beta, double *q, double *values
) noexcept nogil:
    action_values(at, next_values, discount, q)
    tmf_largest(q, at.n_observations, at.n_actions, values)
    rest(at, next_values, discount, beta, values)


cdef double both_values(
    Evaluator at, const double *next_values, double discount, double beta, double *scratch, double *q, int32_t *greedy,
    double *values
) noexcept nogil:
    cdef Py_ssize_t S = at.n_observations, A = at.n_actions, K = at.n_successors
    cdef Py_ssize_t o, a
    cdef double largest = 0
    cdef double *best = values + S
    cdef double *played_q = scratch if q == NULL else q
    cdef double *best_q = scratch + S * A
    cdef const double *reward = at.tables.reward
    cdef const double *table = at.tables.transition
    cdef const double *turned = turned_table(at)
    if at.model.successor != NULL:
        for o in range(S):
            scratch[2 * o] = next_values[o]
            scratch[2 * o + 1] = next_values[S + o]
        tmf_sparse_both(reward, table, at.model.successor, scratch, at.pi, discount, S, A, K, q, greedy, values, best)
    else:
        if turned != NULL:
            tmf_turned_values(reward, turned, next_values, next_values + S, discount, S * A, K, played_q, best_q)
        else:
            tmf_row_values(reward, table, next_values, next_values + S, discount, S * A, K, played_q, best_q)
        tmf_means(at.pi, played_q, S, A, values)
        if greedy == NULL:
            tmf_largest(best_q, S, A, best)
        else:
            for o in range(S):
                a = best_action(best_q + o * A, A)
                greedy[o] = <int32_t>a
                best[o] = best_q[o * A + a]
    rest(at, next_values, discount, beta, values)
    rest(at, next_values + S, discount, beta, best)
    for o in range(S):
        largest = max(largest, best[o] - values[o])
    return largest
