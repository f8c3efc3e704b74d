"""The mean-field limit: flows forward, values backward, and exploitability.

Source     Theory, sections 2 (flow), 3 (values, two clocks) and 4 (exploitability).
Notation   S observations, A actions, K successors, T steps; each function loops over all steps.
Cost       O(S A K) per step, plus the tables of the game if they depend on mu or t.
"""
from libc.math cimport isfinite
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look
from tmfcore._limit.blocks cimport BLOCK, Blocks
from tmfcore._limit.push cimport Push
from tmfcore._limit.values cimport best_action, best_values, both_values, expect_steps, policy_values, weigh
from tmfcore._model.evaluator cimport Evaluator, Kept
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy, stage_end, stage_of

cdef extern from "_limit/values.h" nogil:
    void tmf_note_infinite(const double *x, Py_ssize_t n, double *found)


cdef enum:
    FOLLOWED = 1 << 16      # steps in blocks from one look for an interrupt to the next; a multiple of BLOCK


cdef int check_flow(Model model, Py_ssize_t width) except -1:
    if width != model.n_observations:
        raise ValueError(f"mu has {width} entries per step; must have {model.n_observations}, one per observation")
    return 0


cdef int check_extra(const double[:, ::1] extra, Py_ssize_t horizon, Py_ssize_t n_observations) except -1:
    if extra is not None and (extra.shape[0] != horizon or extra.shape[1] != n_observations):
        raise ValueError(f"extra has shape ({extra.shape[0]}, {extra.shape[1]}); must be ({horizon}, {n_observations})")
    return 0


def forward(Model model not None, Policy policy not None, const double[::1] initial not None,
            active not None, Py_ssize_t horizon, Py_ssize_t record_every, double[:, ::1] mu not None, Kept kept=None,
            double[::1] acted=None):
    """Push `initial` forward for `horizon` steps.

    Parameters
    ----------
    initial : ndarray of float64, shape (S,)
        mu_0.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        Active fractions beta_t, or beta_t(o, mu).
    record_every : int
        Steps between two rows of mu.
    mu : ndarray of float64, shape (J + 1, S), J = ceil(T / record_every)
        OUT. Row j is mu after min(j * record_every, T) steps.
    kept : Kept or None
        OUT. Kernels of all steps, to be reused by `backward` or `gaps` along this flow.
    acted : ndarray of float64, shape (T,), or None
        OUT. The share of the population that acts at each step; only with ActingShares.

    Notes
    -----
    Theory, section 2. O(T S A K).
    """
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef const double[::1] beta = at.activate(active)
    cdef Push push = Push(at)
    cdef Blocks blocks = Blocks.forward(at, push, beta.shape[0])
    cdef Py_ssize_t S = model.n_observations
    cdef Py_ssize_t t, i, o, n_done, first = 0, j = 0
    cdef bint due
    cdef Py_ssize_t stride = 1 if beta.shape[0] > 1 else 0
    cdef double[:, ::1] pair = None
    cdef const double *now
    cdef double *after
    check_flow(model, initial.shape[0])
    check_flow(model, mu.shape[1])
    if acted is not None and (at.acting is None or acted.shape[0] != horizon):
        raise ValueError(f"acted has {acted.shape[0]} entries; must have {horizon}, with ActingShares")
    if record_every < 1 or mu.shape[0] != 1 + (horizon + record_every - 1) // record_every:
        raise ValueError(f"mu has {mu.shape[0]} rows; must have 1 + ceil({horizon} / {record_every})")
    at.keep(kept)
    if record_every > 1:
        pair = np.empty((2, S))
    with nogil:
        memcpy(&mu[0, 0], &initial[0], S * sizeof(double))
        now = &mu[0, 0]
        t = -1
        while t + 1 < horizon:
            t += 1
            look(&at.looks)
            due = t + 1 == horizon or (t + 1) % record_every == 0
            j += due
            after = &mu[j, 0] if due else &pair[t & 1, 0]
            if blocks is not None and t == push.stage_end:
                first = t
            i = t - first
            if blocks is not None and i >= BLOCK:
                if i == BLOCK:
                    blocks.open_forward(at, push, beta[0])
                if i == BLOCK and record_every == 1:
                    n_done = 0
                    while push.stage_end - t - n_done >= BLOCK:
                        n_done += blocks.follow(
                            min(push.stage_end - t - n_done, <Py_ssize_t>FOLLOWED), &mu[t + n_done + 1 - BLOCK, 0])
                        look(&at.looks)
                    t += n_done - 1
                    j += n_done - 1
                    now = &mu[j, 0]
                    continue
                if i % BLOCK == 0:
                    blocks.advance()
                now = blocks.rows + i % BLOCK * blocks.wide
                if due:
                    memcpy(after, now, S * sizeof(double))
                continue
            push.step(at, <int>t, now, beta[t * stride], after)
            if acted is not None:
                acted[t] = 0
                for o in range(S):
                    acted[t] += now[o] * at.shares[o]
            now = after
            if blocks is not None:
                memcpy(blocks.rows + i * blocks.wide, now, S * sizeof(double))


def backward(Model model not None, Policy policy, const double[:, ::1] mu not None,
             active not None, double discount, bint always, double[:, ::1] values not None,
             double[:, :, ::1] q=None, int64_t[:, ::1] greedy=None, Kept kept=None,
             const double[:, ::1] extra=None):
    """Values along a flow: of the policy, or, if policy is None, of the best response.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        The flow.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        beta_t, or beta_t(o, mu).
    always : bool
        Clock "always" (a tagged agent acts at every step) instead of "schedule".
    values : ndarray of float64, shape (T + 1, S)
        OUT. V_t(o), V_T = 0.
    q : ndarray of float64, shape (T, S, A), optional
        OUT. Q_t(o, a).
    greedy : ndarray of int64, shape (T, S), optional
        OUT. The first maximiser of Q_t(o, .).
    kept : Kept or None
        From `forward` along this flow.
    extra : ndarray of float64, shape (T, S), or None
        A reward of every agent at (t, o), active or passive. q[t] is without that of step t.

    Returns
    -------
    bool
        Whether all values and action values are finite.

    Notes
    -----
    Theory, section 3. O(T S A K).
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t t, o, first
    cdef const double[::1] fractions = at.activate(active)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef Blocks blocks = None
    cdef double[::1] scratch = np.empty(S * A)
    cdef double beta
    cdef double[8] found
    cdef double *row
    check_flow(model, mu.shape[1])
    check_extra(extra, horizon, S)
    if values.shape[0] != horizon + 1 or values.shape[1] != S:
        raise ValueError(f"values has shape ({values.shape[0]}, {values.shape[1]}); must be ({horizon + 1}, {S})")
    if q is not None and (q.shape[0] != horizon or q.shape[1] != S or q.shape[2] != A):
        raise ValueError(f"q must have shape ({horizon}, {S}, {A})")
    if greedy is not None and (greedy.shape[0] != horizon or greedy.shape[1] != S):
        raise ValueError(f"greedy must have shape ({horizon}, {S})")
    if q is not None and greedy is None and extra is None:
        blocks = Blocks.backward(at, 1 if always else fractions.shape[0])
    if blocks is None:
        expect_steps(at, horizon)
    at.keep(kept)
    t = first = horizon
    with nogil:
        memset(found, 0, sizeof(found))
        memset(&values[horizon, 0], 0, S * sizeof(double))
        while t > 0:
            look(&at.looks)
            beta = 1.0 if always else fractions[(t - 1) * stride]
            if blocks is not None and t == first:
                first = stage_end(stage_of(t - 1, horizon, policy.n_stages) - 1, horizon, policy.n_stages)
                at.at(<int>(t - 1), &mu[t - 1, 0])
                blocks.open_backward(at, beta)
            if t - first >= BLOCK:
                t -= BLOCK
                blocks.retreat(at, t, &mu[0, 0], discount, beta, &values[0, 0], &q[0, 0, 0])
                tmf_note_infinite(&q[t, 0, 0], BLOCK * S * A, found)
                continue
            t -= 1
            at.tables_at(<int>t, &mu[t, 0])
            if policy is not None:
                policy.table_at(<int>t, at.horizon, &mu[t, 0], at.pi_buffer, &at.pi)
            row = &scratch[0] if q is None else &q[t, 0, 0]
            if policy is None:
                best_values(at, &values[t + 1, 0], discount, beta, row, &values[t, 0])
            else:
                policy_values(at, &values[t + 1, 0], discount, beta, row, &values[t, 0])
            if extra is not None:
                for o in range(S):
                    values[t, o] += extra[t, o]
            tmf_note_infinite(row, S * A, found)
            if greedy is not None:
                for o in range(S):
                    greedy[t, o] = best_action(row + o * A, A)
        tmf_note_infinite(&values[0, 0], (horizon + 1) * S, found)
    return isfinite(found[0] + found[1] + found[2] + found[3] + found[4] + found[5] + found[6] + found[7])


def gaps(Model model not None, Policy policy not None, const double[:, ::1] mu not None,
         active not None, double discount, bint always, Kept kept=None, const double[:, ::1] extra=None):
    """The gain of a best response over the policy along a flow.

    Parameters
    ----------
    mu : ndarray of float64, shape (T + 1, S)
        The policy's own flow.
    active : ndarray of float64, shape (1,) or (T,), or ActingShares
        beta_t, or beta_t(o, mu).
    always : bool
        Clock "always" instead of "schedule".
    kept : Kept or None
        From `forward` along this flow.
    extra : ndarray of float64, shape (T, S), or None
        As in `backward`.

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
    Theory, section 4. One backward pass computes both values: O(T S A K) time, O(S A) memory.
    """
    cdef Py_ssize_t horizon = mu.shape[0] - 1
    cdef Evaluator at = Evaluator(model, policy, horizon)
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t t, o
    cdef const double[::1] fractions = at.activate(active)
    cdef Py_ssize_t stride = 1 if fractions.shape[0] > 1 else 0
    cdef double[::1] scratch = np.zeros(2 * S * A + 4 * S)
    cdef double *now = &scratch[2 * S * A]
    cdef double *next_values = now + 2 * S
    cdef double beta, gap, pointwise = 0, mean_return
    check_flow(model, mu.shape[1])
    check_extra(extra, horizon, S)
    expect_steps(at, 2 * horizon)    # of two vectors of values each
    at.keep(kept)
    with nogil:
        for t in range(horizon - 1, -1, -1):
            look(&at.looks)
            beta = 1.0 if always else fractions[t * stride]
            at.at(<int>t, &mu[t, 0])
            pointwise = max(pointwise, both_values(at, next_values, discount, beta, &scratch[0], NULL, NULL, now))
            if extra is not None:
                for o in range(S):
                    now[o] += extra[t, o]
                    now[S + o] += extra[t, o]
            now, next_values = next_values, now
        weigh(&mu[0, 0], next_values, S, &gap, &mean_return)
    return gap, pointwise, mean_return
