"""Updates of the exact solvers, from a policy to the next."""
from tmfcore.solvers._judged cimport Judged


cdef class Iterate(Judged):
    pass
