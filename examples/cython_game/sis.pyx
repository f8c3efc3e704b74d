"""A compiled game: an epidemic (SIS) in which going out gives a reward and spreads the disease.

Observations 0 healthy, 1 infected; actions 0 go out, 1 stay home; mu(1) is the infected share. Going out has reward 1;
a healthy agent that goes out is infected with probability `infection` mu(1). Infected agents pay `illness` per sweep
and recover at the rate `recovery`, whether they act or not. A step lasts dt = `step` sweeps.
"""

from tmfcore.cython_api cimport Model


cdef class SIS(Model):
    cdef double infection, recovery, illness, step

    def __init__(self, double infection=0.9, double recovery=0.3, double illness=2.0, double step=1.0):
        self.infection = infection
        self.recovery = recovery
        self.illness = illness
        self.step = step
        self.set_shape(2, 2, None, None)      # S, A, and dense rows without successors

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef bint out = action == 0           # -1: passive
        cdef double other = 0.0               # probability of the other state
        if observation == 1:
            other = self.step * self.recovery
        elif out:
            other = self.infection * mu[1]
        probabilities[observation] = 1.0 - other
        probabilities[1 - observation] = other
        reward[0] = (1.0 if out else 0.0) - (self.step * self.illness if observation == 1 else 0.0)
        return 0
