"""How kernels ask for memory whose size is a product of a game's sizes."""
from libc.stdlib cimport malloc


cdef inline void *room_for(double n_cells, size_t cell_bytes, const char *what) except NULL nogil:
    """malloc for n_cells cells; the caller counts them in doubles, where products of sizes cannot wrap around.

    Doubles hold every whole number up to 2^53, beyond which no request is granted.
    """
    cdef double n_bytes = n_cells * cell_bytes
    cdef void *memory = NULL
    if n_bytes < 9007199254740992.0:
        memory = malloc(max(<size_t>n_bytes, <size_t>1))
    if memory == NULL:
        with gil:
            raise MemoryError(f"{what.decode()} do not fit in memory: they take {n_bytes:.3g} bytes")
    return memory
