"""Steps of the exact solvers from a policy to the next one."""
from tmfcore.solvers._judged cimport Judged


cdef class Iterate(Judged):
    pass
