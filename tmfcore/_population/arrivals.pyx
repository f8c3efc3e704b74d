"""The events of a Poisson process: one realisation, which is asked how many there are before any time.

Source     Theory, section 12.
Method     Time is divided into the ranges [0, c), [c, 2 c), [2 c, 4 c), [4 c, 8 c), ... with c = 1, or less if the
           rate is above 2^40; and each range into halves, again and again. A range has a Poisson number of events. Of
           the n events of a node, Binomial(n, 1/2) are in its first half; those of a node of at most LEAF have uniform
           times.
Contract   all draws of a node are addressed by (key, range, node). So what happens before a time depends on the key,
           the rate and this time alone, whatever else is asked, and however long the process goes on.
Cost       O(log n) draws per time, n the number of events; O(1) per time if times are dense.
"""
from libc.math cimport nextafter
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._random.numpy_random cimport bitgen_t
from tmfcore._random.sampling cimport Sampler, binomial, poisson_of_numpy
from tmfcore._random.streams cimport TIMES, tmf_philox, tmf_uniform

cdef enum:
    LEAF = 32
    DEEPEST = 52               # halves of a range whose times are doubles
    EXTRAS = 4096              # in place of the number of a range

cdef double MOST_AT_ONCE = 2.0**40


cdef struct Node:              # the source of the random words of one node
    const uint64_t *key
    uint64_t where             # number of the range
    uint64_t heap              # 1 for the whole range; 2 h and 2 h + 1 are the halves of h; 0: the number of its events
    uint64_t attempt
    uint64_t[4] words
    int left


cdef struct Tree:
    Node node
    bitgen_t bits
    Sampler sampler


cdef uint64_t next_word(void *state) noexcept nogil:
    cdef Node *node = <Node *>state
    if node.left == 0:
        node.words[0] = node.where | node.attempt << 16
        node.words[1] = node.heap
        node.words[2] = node.key[2] ^ <uint64_t>TIMES
        node.words[3] = node.key[3]
        tmf_philox(node.words, node.key[0], node.key[1])
        node.attempt += 1
        node.left = 4
    node.left -= 1
    return node.words[3 - node.left]


cdef uint32_t next_half(void *state) noexcept nogil:
    return <uint32_t>(next_word(state) >> 32)


cdef double next_uniform(void *state) noexcept nogil:
    return tmf_uniform(next_word(state))


cdef void plant(Tree *tree, const uint64_t *key) noexcept nogil:
    memset(tree, 0, sizeof(Tree))
    tree.node.key = key
    tree.bits.state = &tree.node
    tree.bits.next_uint64 = next_word
    tree.bits.next_uint32 = next_half
    tree.bits.next_double = next_uniform
    tree.bits.next_raw = next_word
    tree.sampler.bits = &tree.bits


cdef void visit(Tree *tree, uint64_t where, uint64_t heap) noexcept nogil:
    """Draw for this node from now on."""
    tree.node.where, tree.node.heap, tree.node.attempt, tree.node.left = where, heap, 0, 0


cdef int64_t in_range(Tree *tree, uint64_t where, double mean) noexcept nogil:
    """The number of events of a range."""
    visit(tree, where, 0)
    return poisson_of_numpy(&tree.bits, mean)


cdef double time_in(Tree *tree, double start, double length) noexcept nogil:
    """The next time of a leaf, which is before its end also when rounded."""
    cdef double time = start + length * next_uniform(&tree.node)
    return time if time < start + length else nextafter(start + length, start)


cdef double first_length(double rate) noexcept nogil:
    cdef double length = 1
    while rate * length > MOST_AT_ONCE:
        length /= 2
    return length


cdef void count(
    Tree *tree, uint64_t where, uint64_t heap, int depth, double start, double length, int64_t n, int64_t before,
    const double *times, int64_t *found, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """found[j] = events before times[j], of first <= j < last, which lie inside of a node of n events."""
    cdef Py_ssize_t j, low = first, high = last
    cdef int64_t left, _i
    cdef double time, half = length / 2
    if n <= LEAF or depth == DEEPEST:
        visit(tree, where, heap)
        for j in range(first, last):
            found[j] = before
        for _i in range(n):
            time = time_in(tree, start, length)
            j = last - 1
            while j >= first and time < times[j]:
                found[j] += 1
                j -= 1
        return
    visit(tree, where, heap)
    left = binomial(&tree.sampler, n, 0.5)
    while low < high:                          # the first time that is not in the first half
        j = (low + high) // 2
        if times[j] < start + half:
            low = j + 1
        else:
            high = j
    if first < low:
        count(tree, where, 2 * heap, depth + 1, start, half, left, before, times, found, first, low)
    if low < last and times[low] == start + half:
        found[low] = before + left
        low += 1
    if low < last:
        count(tree, where, 2 * heap + 1, depth + 1, start + half, half, n - left, before + left, times, found, low,
              last)


cdef Py_ssize_t collect(
    Tree *tree, uint64_t where, uint64_t heap, int depth, double start, double length, int64_t n, double begin,
    double end, double[::1] out, Py_ssize_t filled
) noexcept nogil:
    """Append the times of the events of a node in [begin, end), in order; return how many there are."""
    cdef Py_ssize_t first = filled, j
    cdef int64_t left, _i
    cdef double time
    if n == 0 or start >= end or start + length <= begin:
        return filled
    visit(tree, where, heap)
    if n <= LEAF or depth == DEEPEST:
        for _i in range(n):
            time = time_in(tree, start, length)
            if begin <= time < end:
                j = filled
                while j > first and out[j - 1] > time:
                    out[j] = out[j - 1]
                    j -= 1
                out[j] = time
                filled += 1
        return filled
    left = binomial(&tree.sampler, n, 0.5)
    filled = collect(tree, where, 2 * heap, depth + 1, start, length / 2, left, begin, end, out, filled)
    return collect(tree, where, 2 * heap + 1, depth + 1, start + length / 2, length / 2, n - left, begin, end, out,
                   filled)


cdef int check(const uint64_t[::1] key, double rate) except -1:
    if key.shape[0] != 4:
        raise ValueError(f"key has {key.shape[0]} words; must have 4")
    if not 0 <= rate < 1e300:
        raise ValueError(f"rate is {rate}; must be finite and >= 0")
    return 0


def numbers(const uint64_t[::1] key not None, double rate, const double[::1] times not None):
    """How many events there are before each of J times, which increase and are >= 0; (J,) int64."""
    cdef Py_ssize_t J = times.shape[0], first = 0, last, j
    cdef int64_t[::1] found = np.empty(J, np.int64)
    cdef Tree tree
    cdef double start = 0, length
    cdef int64_t before = 0, n
    cdef uint64_t where = 0
    check(key, rate)
    for j in range(J):
        if not (0 if j == 0 else times[j - 1]) <= times[j] < 1e300:
            raise ValueError(f"times[{j}] is {times[j]}; times must increase from 0 on")
    plant(&tree, &key[0])
    length = first_length(rate)
    with nogil:
        while first < J and times[first] == 0:
            found[first] = 0
            first += 1
        while first < J:
            n = in_range(&tree, where, rate * length)
            last = first
            while last < J and times[last] < start + length:
                last += 1
            if first < last:
                count(&tree, where, 1, 0, start, length, n, before, &times[0], &found[0], first, last)
            before += n
            start += length
            while last < J and times[last] == start:
                found[last] = before
                last += 1
            first = last
            length = start
            where += 1
    return np.asarray(found)


def listed(const uint64_t[::1] key not None, double rate, double begin, double end):
    """The times of all events in [begin, end), in order; (n,) float64."""
    cdef Py_ssize_t filled = 0
    cdef double[::1] out
    cdef Tree tree
    cdef double start = 0, length
    cdef uint64_t where = 0
    ends = numbers(key, rate, np.array([begin, end]))
    out = np.empty(ends[1] - ends[0])
    plant(&tree, &key[0])
    length = first_length(rate)
    with nogil:
        while start < end:
            filled = collect(&tree, where, 1, 0, start, length, in_range(&tree, where, rate * length), begin, end, out,
                             filled)
            start += length
            length = start
            where += 1
    return np.asarray(out)


def time_of(const uint64_t[::1] key not None, double rate, int64_t rank):
    """The time of event number `rank`, the first being number 0."""
    cdef Tree tree
    cdef double start = 0, length
    cdef int64_t n, left
    cdef uint64_t where = 0, heap = 1
    cdef int depth = 0
    cdef double[::1] out
    check(key, rate)
    if rank < 0 or not rate > 0:
        raise ValueError(f"rank is {rank} and rate {rate}; must be >= 0 and > 0")
    plant(&tree, &key[0])
    length = first_length(rate)
    n = in_range(&tree, where, rate * length)
    while rank >= n:
        rank -= n
        start += length
        length = start
        where += 1
        n = in_range(&tree, where, rate * length)
    while n > LEAF and depth < DEEPEST:
        visit(&tree, where, heap)
        left = binomial(&tree.sampler, n, 0.5)
        length /= 2
        heap *= 2
        depth += 1
        if rank < left:
            n = left
        else:
            rank -= left
            n -= left
            start += length
            heap += 1
    out = np.empty(n)
    collect(&tree, where, heap, depth, start, length, n, start, start + length, out, 0)
    return out[rank]


def extras(const uint64_t[::1] key not None, const double[::1] starts not None, const double[::1] means not None):
    """Poisson numbers (L,) int64 of these means, each addressed by the time at which it begins."""
    cdef Py_ssize_t L = starts.shape[0], i
    cdef int64_t[::1] out = np.zeros(L, np.int64)
    cdef uint64_t address
    cdef Tree tree
    check(key, 0)
    if means.shape[0] != L:
        raise ValueError(f"means has {means.shape[0]} entries; must have {L}")
    plant(&tree, &key[0])
    for i in range(L):
        if means[i] > 0:
            memcpy(&address, &starts[i], sizeof(uint64_t))
            visit(&tree, EXTRAS, address)
            out[i] = poisson_of_numpy(&tree.bits, means[i])
    return np.asarray(out)
