"""The beach bar as a subclass of Model, with a parameter, and with properties that its author declares."""

from libc.math cimport log
from libc.stdlib cimport abs

import numpy as np

from tmfcore.cython_api cimport Model


cdef class Beach(Model):
    cdef double crowding

    def __init__(self, Py_ssize_t n_places, double crowding=1.0):
        o, a, k = np.ogrid[:n_places, :3, :3]
        self.set_shape(n_places, 3, (o + a + k - 2) % n_places, o[:, :, 0])
        self.crowding = crowding
        self.by_row = True                 # one row costs less than all tables
        self.constant_transition = True    # rows depend on neither mu nor t
        self.passive_identity = True       # passive agents stay where they are
        self.local_passive_reward = True   # their reward depends on o and mu(o) only

    cdef int row_at(
        self, int t, int place, int move, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef int S = <int>self.n_observations
        reward[0] = 1 - abs(place - S // 2) / (S // 2 + 0.0) - self.crowding * log(mu[place] + 1e-6)
        if move < 0:
            probabilities[0] = 1
            return 0
        if move != 1:
            reward[0] -= 1.0 / S
        probabilities[0] = probabilities[2] = 0.25
        probabilities[1] = 0.5
        return 0
