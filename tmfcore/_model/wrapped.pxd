"""Models that wrap another one, their base, and change some of what it gives."""
from tmfcore._model.model cimport Model


cdef class Wrapped(Model):
    cdef readonly Model base

    # To be called by __init__: shape, legal actions, and what the base declares of its rows and rewards. A subclass
    # takes back what its changes make untrue. Declarations that kernels use in place of calls (constant, affine, those
    # of standing rewards, adoption) and in_parts are left to it.
    cdef int wrap(self, Model base, successors, legal) except -1
