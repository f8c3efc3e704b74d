"""How far an agent could tell two models apart, for many pairs of models: one step back of the recursion.

Source     Theory, section 18.  Notation: model.pxd; n models, P pairs of them.
Contract   rows are distributions. Both sides of a pair are computed: the agent is in its first model, or in its second.
Cost       O(P S^2 A); each pair of rows is read once for both sides.
"""
from libc.stdint cimport int32_t

import numpy as np

from tmfcore._model.model cimport Model, Tables, check_row

cdef extern from "learn/pairs.h" nogil:
    void tmf_pairs_step(
        const double *rows, const double *passive, const double *shares, const Py_ssize_t *pairs, Py_ssize_t P,
        Py_ssize_t S, Py_ssize_t A, Py_ssize_t first, Py_ssize_t last, const double *following, double *values,
        Py_ssize_t *greedy)


cdef int spread(
    const double *cells, const int32_t *successor, Py_ssize_t n_rows, Py_ssize_t K, Py_ssize_t S, double *out
) noexcept nogil:
    """Dense rows (n_rows, S) of rows (n_rows, K)."""
    cdef Py_ssize_t i, k
    for i in range(n_rows * S):
        out[i] = 0
    for i in range(n_rows):
        for k in range(K):
            out[i * S + successor[i * K + k]] += cells[i * K + k]
    return 0


def fill(Model model not None, const double[::1] mu not None, int t, double[:, :, ::1] active not None,
         double[:, ::1] passive):
    """Write the dense rows of a model at (t, mu): active (S, A, S), and passive (S, S) unless it is None.

    They are checked like those that kernels read.
    """
    cdef Tables tables
    cdef Py_ssize_t o, a, S = model.n_observations, A = model.n_actions
    cdef Py_ssize_t K = model.n_successors, K0 = model.n_passive_successors
    cdef double[::1] rewards = np.empty(S * (A + 1))
    cdef double[::1] cells = np.empty(0 if model.successor == NULL else S * A * K)
    cdef double[::1] resting = np.empty(0 if model.passive_successor == NULL and passive is not None else S * K0)
    model.check_mu(mu)
    if active.shape[0] != S or active.shape[1] != A or active.shape[2] != S:
        raise ValueError("active has another shape than the rows of the model")
    if passive is not None and (passive.shape[0] != S or passive.shape[1] != S):
        raise ValueError("passive has another shape than the rows of the model")
    tables.reward = &rewards[0]
    tables.passive_reward = &rewards[S * A]
    tables.transition = &cells[0] if cells.shape[0] else &active[0, 0, 0]
    tables.passive_transition = &resting[0] if resting.shape[0] else &passive[0, 0]
    with nogil:
        model.tables_at(t, &mu[0], &tables, True)
        if not model.trusted:
            for o in range(S):
                for a in range(A):
                    check_row(tables.transition + (o * A + a) * K, K, tables.reward[o * A + a], t, <int>o, <int>a)
                check_row(tables.passive_transition + o * K0, K0, tables.passive_reward[o], t, <int>o, -1)
        if model.successor != NULL:
            spread(&cells[0], model.successor, S * A, K, S, &active[0, 0, 0])
        if passive is not None and model.passive_successor != NULL:
            spread(&resting[0], model.passive_successor, S, K0, S, &passive[0, 0])


def step_back(
    const double[:, :, :, ::1] rows not None, const double[:, :, ::1] passive, const double[:, ::1] shares not None,
    const Py_ssize_t[:, ::1] pairs not None, const double[:, :, ::1] following, double[:, :, ::1] values not None,
    Py_ssize_t[:, :, ::1] greedy, Py_ssize_t first, Py_ssize_t last,
):
    """Values of a step, from those of the next one, at the observations first..last - 1.

    Parameters
    ----------
    rows : (n, S, A, S) float64
    passive : (n, S, S) float64, or None: all agents act.
    shares : (n, S) float64
        The probability of acting.
    pairs : (P, 2) intp
    following : (P, 2, S) float64, or None: zero
    values : (P, 2, S) float64, written
    greedy : (P, 2, S) intp, written, or None
        The first of the best actions.
    """
    cdef Py_ssize_t n = rows.shape[0], S = rows.shape[1], A = rows.shape[2], P = pairs.shape[0], i
    cdef const double *resting = NULL
    cdef const double *ahead = NULL
    cdef Py_ssize_t *best = NULL
    if rows.shape[3] != S or shares.shape[0] != n or shares.shape[1] != S or pairs.shape[1] != 2 or A < 1:
        raise ValueError("shapes of rows, shares and pairs do not agree")
    if passive is not None and (passive.shape[0] != n or passive.shape[1] != S or passive.shape[2] != S):
        raise ValueError("shapes of rows and passive do not agree")
    if values.shape[0] != P or values.shape[1] != 2 or values.shape[2] != S:
        raise ValueError("shapes of pairs and values do not agree")
    if following is not None and (following.shape[0] != P or following.shape[1] != 2 or following.shape[2] != S):
        raise ValueError("shapes of pairs and following do not agree")
    if greedy is not None and (greedy.shape[0] != P or greedy.shape[1] != 2 or greedy.shape[2] != S):
        raise ValueError("shapes of pairs and greedy do not agree")
    if not 0 <= first <= last <= S:
        raise ValueError(f"observations are {first}..{last}; must lie in 0..{S}")
    for i in range(P):
        if not (0 <= pairs[i, 0] < n and 0 <= pairs[i, 1] < n):
            raise ValueError(f"pairs[{i}] is ({pairs[i, 0]}, {pairs[i, 1]}); must lie in 0..{n - 1}")
    if P == 0 or first == last:
        return
    if passive is not None:
        resting = &passive[0, 0, 0]
    if following is not None:
        ahead = &following[0, 0, 0]
    if greedy is not None:
        best = &greedy[0, 0, 0]
    with nogil:
        tmf_pairs_step(
            &rows[0, 0, 0, 0], resting, &shares[0, 0], &pairs[0, 0], P, S, A, first, last, ahead, &values[0, 0, 0],
            best)
