"""Updates of the exact solvers, from a policy to the next."""
from tmfcore.solvers._judged cimport Judged


cdef class Iterate(Judged):
    cdef bint soften_rows(self, double *logits) except -1 nogil
