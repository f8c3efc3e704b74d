"""Shortest paths from one node: Dijkstra 1959, with a heap of four children per node.  O(E log M)."""
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, uint8_t


cdef inline void shortest(
    Py_ssize_t n_nodes,             # M
    const int32_t *exit_start,      # IN   (M + 1,)  the exits of node i are exits[exit_start[i]], ...
    const int32_t *exits,           # IN   (E,)      links
    const int32_t *head,            # IN   (E,)      node that a link leads to
    const uint8_t *closed,          # IN   (M,)      nodes that paths may only start or end at
    const double *time,             # IN   (E,)      >= 0
    int32_t origin,
    double *distance,               # OUT  (M,)      infinity: not reached
    int32_t *entered,               # OUT  (M,)      last link of the path to a node that is reached; -1 at the origin
    int32_t *place,                 # work (M,)      place in the heap
    int32_t *heap,                  # work (M,)
) noexcept nogil:
    """The tree of shortest paths.  A later path of equal length does not replace an earlier one."""
    cdef Py_ssize_t i, child, last, size = 1, j
    cdef int32_t node, other, e
    cdef double far
    for i in range(n_nodes):
        distance[i] = INFINITY
        place[i] = -1
    distance[origin] = 0
    entered[origin] = -1
    heap[0] = origin
    place[origin] = 0
    while size:
        node = heap[0]
        size -= 1
        if size:                        # the last one sinks from the top
            other = heap[size]
            far = distance[other]
            i = 0
            while True:
                child = 4 * i + 1
                if child >= size:
                    break
                last = child + 4 if child + 4 < size else size
                for j in range(child + 1, last):
                    if distance[heap[j]] < distance[heap[child]]:
                        child = j
                if distance[heap[child]] >= far:
                    break
                heap[i] = heap[child]
                place[heap[i]] = <int32_t>i
                i = child
            heap[i] = other
            place[other] = <int32_t>i
        if closed[node] and node != origin:
            continue
        for j in range(exit_start[node], exit_start[node + 1]):
            e = exits[j]
            other = head[e]
            far = distance[node] + time[e]
            if far < distance[other]:
                i = place[other]
                if i < 0:
                    i = size
                    size += 1
                distance[other] = far
                entered[other] = e
                while i > 0 and distance[heap[(i - 1) >> 2]] > far:
                    heap[i] = heap[(i - 1) >> 2]
                    place[heap[i]] = <int32_t>i
                    i = (i - 1) >> 2
                heap[i] = other
                place[other] = <int32_t>i
