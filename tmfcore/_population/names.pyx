"""Names of individuals: the agents engine numbers them in the order of their first observations.

Here the sequence of first observations is shuffled uniformly, and each place gets the next individual with that first
observation; individuals with the same first observation are exchangeable already. The shuffle has a stream of its own:
all other results have the same bits whether individuals are recorded or not.

Source     Theory, section 1. The shuffle is that of Fisher and Yates, exactly uniform.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

from tmfcore._base.interrupts cimport look, tmf_looks
from tmfcore._population.ledger cimport check_key
from tmfcore._population.observations cimport tmf_pick
from tmfcore._random.streams cimport NAMES, tmf_below, tmf_fill, tmf_open, tmf_stream

from tmfcore._population.agents import MAX_AGENTS

cdef enum:
    DRAWN = 256                # words drawn at once


cdef uint32_t[::1] shuffled(const uint64_t[::1] key, const int64_t[::1] initial_counts, int64_t N, tmf_looks *looks):
    """(N,): the individual numbered i is agent shuffled[i] of the kernels; rows of agents are read nearly in order."""
    cdef uint32_t[::1] order, following
    cdef uint32_t begun, running = 0
    cdef uint64_t words[DRAWN]
    cdef uint64_t other
    cdef tmf_stream stream
    cdef Py_ssize_t i, j, n
    check_key(key)
    if np.sum(initial_counts) != N:
        raise ValueError(f"initial_counts sum to {np.sum(initial_counts)}; must sum to {N}, the number of agents")
    order = np.arange(initial_counts.shape[0], dtype=np.uint32).repeat(np.asarray(initial_counts, np.intp))
    following = np.zeros(initial_counts.shape[0], np.uint32)      # per observation: agents, then the next agent
    with nogil:
        tmf_open(&stream, &key[0], 0, 0, NAMES)
        i = N
        while i > 1:
            n = min(i - 1, <Py_ssize_t>DRAWN)
            tmf_fill(&stream, words, <int>((n + 7) // 8))
            for j in range(n):
                tmf_below(&stream, &words[j], <uint64_t>i, &other, 1)
                i -= 1
                order[i], order[other] = order[other], order[i]
            look(looks)
        for i in range(N):
            following[order[i]] += 1
        for i in range(following.shape[0]):
            begun = following[i]
            following[i] = running
            running += begun
        for i in range(N):
            begun = order[i]
            order[i] = following[begun]
            following[begun] += 1
    return order


def rename(const uint64_t[::1] key not None, const int64_t[::1] initial_counts not None, observations not None,
           actions not None, double[:, ::1] rewards not None):
    """Renumber the individuals of a run, in place, so that they are exchangeable.

    Parameters
    ----------
    key : ndarray of uint64, shape (4,)
        The key of the run.
    initial_counts : ndarray of int64, shape (S,)
        Agents at each observation at step 0; sums to N.
    observations, actions, rewards : ndarrays, shape (J, N)
        INOUT. As written by `run`.

    Notes
    -----
    O(J N) time, 12 N bytes of memory.
    """
    cdef Py_ssize_t n_rows = rewards.shape[0], N = rewards.shape[1], t
    cdef uint32_t[::1] order
    cdef uint8_t[::1] row
    cdef uint8_t[:, ::1] seen, did
    cdef int width, action_width
    cdef tmf_looks looks = tmf_looks(0, 0, 0)
    if n_rows < 1 or not 1 <= N <= <int64_t>MAX_AGENTS:
        raise ValueError(f"rewards have shape ({n_rows}, {N}); must have 1 row or more and 1..{MAX_AGENTS} agents")
    for name, array in (("observations", observations), ("actions", actions)):
        if array.ndim != 2 or array.shape[0] != n_rows or array.shape[1] != N or not array.flags.c_contiguous:
            raise ValueError(f"{name} have shape {array.shape}; must be C-contiguous of shape ({n_rows}, {N})")
    width, action_width = observations.itemsize, actions.itemsize
    seen, did = observations.view(np.uint8), actions.view(np.uint8)
    order = shuffled(key, initial_counts, N, &looks)
    row = np.empty(N * sizeof(double), np.uint8)
    with nogil:
        for t in range(n_rows):
            tmf_pick(&seen[t, 0], width, &order[0], N, &row[0])
            tmf_pick(&did[t, 0], action_width, &order[0], N, &row[0])
            tmf_pick(&rewards[t, 0], sizeof(double), &order[0], N, &row[0])
            look(&looks)


def numbers(const uint64_t[::1] key not None, const int64_t[::1] initial_counts not None, int64_t begin,
            int64_t[::1] out not None):
    """Find the numbers that `rename` would give to agents begin, begin + 1, .. of a run.

    Parameters
    ----------
    key, initial_counts
        As for `rename`.
    begin : int
        The first agent of the kernels.
    out : ndarray of int64, shape (n,)
        OUT. The number of each of n agents.

    Notes
    -----
    O(N) time, 4 N bytes of memory: the whole permutation is drawn.
    """
    cdef int64_t N = np.sum(initial_counts), n = out.shape[0], i
    cdef uint32_t[::1] order
    cdef tmf_looks looks = tmf_looks(0, 0, 0)
    if not 1 <= N <= <int64_t>MAX_AGENTS or not 0 <= begin <= N - n:
        raise ValueError(f"agents {begin}..{begin + n - 1} are not among {N}, of at most {MAX_AGENTS}")
    order = shuffled(key, initial_counts, N, &looks)
    with nogil:
        for i in range(N):
            if begin <= order[i] < begin + n:
                out[order[i] - begin] = i
