"""Allocation of buffers whose size is a product of a game's sizes."""
from libc.stdlib cimport malloc


cdef inline void *room_for(double n_cells, size_t cell_bytes, const char *what) except NULL nogil:
    """malloc for n_cells cells; raises MemoryError if it fails. The caller frees.

    n_cells is a double, so that products of sizes do not wrap around; doubles are exact below 2^53 bytes, the limit.
    """
    cdef double n_bytes = n_cells * cell_bytes
    cdef void *memory = NULL
    if n_bytes < 9007199254740992.0:
        memory = malloc(max(<size_t>n_bytes, <size_t>1))
    if memory == NULL:
        with gil:
            raise MemoryError(f"{what.decode()} do not fit in memory: they take {n_bytes:.3g} bytes")
    return memory
