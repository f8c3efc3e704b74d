"""Populations of the agents engine between steps: the observation of every agent.

Contract   that of stepping.pyx. Individuals whose actions the caller gives move by words of their replica's generator,
           one after another; those that follow a policy by the addressed streams of the engine.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._population.agents cimport AgentsEngine
from tmfcore._population.individuals cimport moved
from tmfcore._population.observations cimport tmf_load_one, tmf_store_one
from tmfcore._population.singles cimport Population
from tmfcore._population.stepping cimport Populations
from tmfcore._random.sampling cimport Sampler
from tmfcore._random.streams cimport NAMES, TMF_LANES, tmf_below, tmf_fill, tmf_open, tmf_stream

from tmfcore._population.agents import observation_dtype


cdef class AgentsPopulations(Populations):
    """R populations that are played agent by agent; arguments as for CountsPopulations."""
    cdef AgentsEngine engine       # of the present policy
    cdef Model model
    cdef Py_ssize_t horizon
    cdef const int64_t[::1] batch
    cdef object probability
    cdef object dtype
    cdef int width                 # bytes of an observation
    cdef Evaluator own             # for steps with given actions
    cdef double[::1] mu            # (S,)  scratch
    cdef readonly list observations     # R arrays (N,) of `dtype`; agent i is number i of the kernels
    cdef list bytes                     # the same as bytes

    def __init__(self, Model model not None, Py_ssize_t horizon, double discount, const int64_t[::1] batch,
                 probability, const int64_t[:, ::1] counts not None, bint decisions,
                 list bit_generators not None, dict state=None):
        cdef Py_ssize_t r, i
        self.lay_out(model, counts, discount, decisions, 0, bit_generators)
        self.model, self.horizon, self.batch, self.probability = model, horizon, batch, probability
        self.dtype = observation_dtype(model.n_observations)
        self.width = self.dtype.itemsize
        places = np.arange(model.n_observations, dtype=self.dtype)
        self.observations, self.bytes = [], []
        for r in range(self.n_replicas):
            self.observations.append(np.zeros(self.n_agents, self.dtype))
            self.bytes.append(self.observations[r].view(np.uint8))
            if state is None:
                self.observations[r][:] = places.repeat(counts[r])
                for i in range(4):
                    self.keys[4 * r + i] = self.bits[r].next_uint64(self.bits[r].state)
        if state is not None:
            self.take_state(state)
            self.set_observations(state["observations"])

    def follow(self, Policy policy not None):
        """Play another policy from now on."""
        cdef AgentsEngine engine = AgentsEngine.of(
            self.model, policy, self.horizon, self.n_agents, self.batch, self.probability, self.decisions != NULL)
        self.engine = engine
        self.replica = -1
        self.enter(0)
        engine.begin(1)

    def step(self, Py_ssize_t t, Py_ssize_t n_steps):
        """Play steps t..t + n_steps - 1."""
        cdef Py_ssize_t r, done, end = t + n_steps, most = self.unheard(self.n_agents)
        if self.engine is None:
            raise ValueError("there is no policy; call follow first")
        self.begin(False)
        before = [one.copy() for one in self.observations]
        try:
            for r in range(self.n_replicas):
                self.enter(r)
                self.open_ledger(r, n_steps)
                done = t
                while done < end:
                    with nogil:
                        done = self.engine.play(&self.ledger, NULL, done, min(end, done + most), self.no_watch)
                    if done < end:
                        PyErr_CheckSignals()
                self.totals[r] = self.ledger.total
            self.weight = self.ledger.weight
            self.refuse_overflow(t)
        except BaseException:
            self.restore()
            self.set_observations(before)
            raise
        finally:
            self.busy = False

    def names(self, Py_ssize_t r):
        """(N,) int64: a uniformly random permutation, which depends on the key of replica r only."""
        cdef int64_t[::1] order
        cdef uint64_t words[TMF_LANES]
        cdef uint64_t other
        cdef int64_t i, left = 0
        cdef tmf_stream stream
        out = np.arange(self.n_agents)
        order = out
        with nogil:
            tmf_open(&stream, self.keys + 4 * r, 0, 0, NAMES)
            for i in range(self.n_agents - 1, 0, -1):
                if left == 0:
                    tmf_fill(&stream, words, 1)
                    left = TMF_LANES
                left -= 1
                tmf_below(&stream, &words[left], <uint64_t>(i + 1), &other, 1)
                order[i], order[other] = order[other], order[i]
        return out

    def act(self, Py_ssize_t t, const int64_t[:, ::1] actions not None, list order not None):
        """Make step t with the actions of individuals.

        Parameters
        ----------
        t : int
        actions : ndarray of int64, shape (R, N)
            -1 for individuals that do not act.
        order : list of R ndarrays of int64, shape (N,)
            Individual i of replica r is agent order[r][i] of the kernels.

        Returns
        -------
        ndarray of float64, shape (R, N)
            The reward of each individual.
        ndarray of int64, shape (R, N)
            The next observation of each individual.
        """
        cdef Py_ssize_t r
        earned = np.empty((self.n_replicas, self.n_agents))
        places = np.empty((self.n_replicas, self.n_agents), np.int64)
        cdef double[:, ::1] rewards = earned
        cdef int64_t[:, ::1] arrived = places
        check_actions(actions, self.n_replicas, self.n_agents, self.n_actions)
        if self.own is None:
            self.own = Evaluator(self.model, None, self.horizon)
            self.mu = np.empty(self.n_observations)
        self.begin(self.n_replicas > 1)          # act_in fails before its first draw
        before = [one.copy() for one in self.observations] if self.n_replicas > 1 else []
        try:
            for r in range(self.n_replicas):
                self.act_in(r, <int>t, &actions[r, 0], order[r], &rewards[r, 0], &arrived[r, 0])
            self.weight *= self.discount
            self.replica = -1
        except BaseException:
            self.restore()
            self.set_observations(before)
            raise
        finally:
            self.busy = False
        return earned, places

    cdef int act_in(
        self, Py_ssize_t r, int t, const int64_t *actions, const int64_t[::1] order, double *rewards,
        int64_t *arrived
    ) except -1:
        """Make step t of replica r; OUT: rewards (N,) and arrived (N,)."""
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions, o, i
        cdef int width = self.width
        cdef uint8_t[::1] observations = self.bytes[r]
        cdef int64_t *counts = self.counts + r * S
        cdef int64_t *decisions = NULL if self.decisions == NULL else self.decisions + r * S * A
        cdef double total = 0
        cdef Sampler sampler
        memset(&sampler, 0, sizeof(Sampler))
        sampler.bits = self.bits[r]
        if order.shape[0] != self.n_agents:
            raise ValueError(f"order[{r}] has {order.shape[0]} entries; must have {self.n_agents}")
        for o in range(S):
            self.mu[o] = counts[o] / <double>self.n_agents
        with nogil:
            self.own.tables_at(t, &self.mu[0])
            for i in range(self.n_agents):
                o = tmf_load_one(&observations[0], width, order[i])
                rewards[i] = self.own.tables.passive_reward[o]
                if actions[i] >= 0:
                    rewards[i] = self.own.tables.reward[o * A + actions[i]]
                total += rewards[i]
        self.totals[r] += self.weight * total
        self.rewards[r] = total / self.n_agents
        self.refuse_overflow(t)
        with nogil:
            memset(counts, 0, S * sizeof(int64_t))
            if decisions != NULL:
                memset(decisions, 0, S * A * sizeof(int64_t))
            for i in range(self.n_agents):
                o = tmf_load_one(&observations[0], width, order[i])
                arrived[i] = moved(self.own, &sampler, o, actions[i], &rewards[i])
                counts[arrived[i]] += 1
                if decisions != NULL and actions[i] >= 0:
                    decisions[o * A + actions[i]] += 1
            for i in range(self.n_agents):
                tmf_store_one(&observations[0], width, order[i], <uint32_t>arrived[i])
        return 0

    cdef int set_observations(self, list found) except -1:
        cdef Py_ssize_t r
        for r in range(len(found)):
            self.observations[r][:] = found[r]
        return 0

    cdef int enter(self, Py_ssize_t r) except -1:
        """Give the engine replica r."""
        cdef Population *people = &self.engine.crowd.people
        cdef uint8_t[::1] bytes = self.bytes[r]
        cdef Py_ssize_t o
        people.observations = &bytes[0]
        people.passive.fresh = False
        for o in range(self.n_observations):
            people.counts[o] = self.counts[r * self.n_observations + o]
            people.mu[o] = <double>people.counts[o] / people.n_agents
        memcpy(people.key, self.keys + 4 * r, 4 * sizeof(uint64_t))
        self.turn(self.engine.singles, r, people.observations)
        return 0

    def state(self):
        """As for CountsPopulations."""
        out = {"counts": self.all_counts(), "observations": [one.copy() for one in self.observations]}
        self.add_state(out)
        return out


cdef int check_actions(
    const int64_t[:, ::1] actions, Py_ssize_t n_replicas, int64_t n_agents, Py_ssize_t n_actions
) except -1:
    cdef Py_ssize_t r, i
    if actions.shape[0] != n_replicas or actions.shape[1] != n_agents:
        raise ValueError(f"actions has shape ({actions.shape[0]}, {actions.shape[1]}); "
                         f"must be ({n_replicas}, {n_agents})")
    for r in range(n_replicas):
        for i in range(n_agents):
            if not -1 <= actions[r, i] < n_actions:
                raise ValueError(f"actions[{r}, {i}] is {actions[r, i]}; must lie in -1..{n_actions - 1}")
    return 0
