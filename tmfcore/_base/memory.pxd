"""Allocation of buffers whose size is a product of a game's sizes."""
from libc.stdlib cimport malloc


cdef inline void *room_for(double n_cells, size_t cell_bytes, const char *what) except NULL nogil:
    """malloc for n_cells cells; raises MemoryError, with the GIL taken back, if it fails. The caller frees.

    n_cells is a double, so that a product of sizes cannot wrap around. A double holds every integer up to 2^53;
    requests of 2^53 bytes and more are refused.
    """
    cdef double n_bytes = n_cells * cell_bytes
    cdef void *memory = NULL
    if n_bytes < 9007199254740992.0:
        memory = malloc(max(<size_t>n_bytes, <size_t>1))
    if memory == NULL:
        with gil:
            raise MemoryError(f"{what.decode()} do not fit in memory: they take {n_bytes:.3g} bytes")
    return memory
