"""Populations of the agents engine between steps: the observation of every agent.

Contract   that of stepping.pyx. Agents that follow a policy move by the addressed streams of the engine. Who acts, if
           the caller gives the actions, and the moves of individuals with these actions are drawn from words of their
           replica's generator, one after another.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.activation cimport Activation, ActingShares, batch_of, read_activation
from tmfcore._model.evaluator cimport Evaluator
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._population.agents cimport AgentsEngine
from tmfcore._population.individuals cimport moved
from tmfcore._population.observations cimport tmf_load_one, tmf_store_one
from tmfcore._population.singles cimport Population
from tmfcore._population.stepping cimport ACT, Call, DRAW, Populations, STEPS
from tmfcore._random.sampling cimport Sampler, below, uniform
from tmfcore._random.streams cimport NAMES, TMF_LANES, tmf_below, tmf_fill, tmf_open, tmf_stream

from tmfcore._population.agents import observation_dtype


cdef class AgentsPopulations(Populations):
    """R populations that are played agent by agent; arguments as for CountsPopulations."""
    cdef AgentsEngine engine       # of the present policy
    cdef Model model
    cdef const int64_t[::1] batch
    cdef object probability
    cdef Activation activation
    cdef ActingShares coins        # probabilities to act, if they depend on the observation, or None
    cdef object dtype
    cdef int width                 # bytes of an observation
    cdef Evaluator own             # for steps with given actions
    cdef double[:, ::1] scratch    # (2, S)  mu; probabilities to act
    cdef int64_t[::1] pool         # (N,)  SCRATCH of draws without replacement; pool[i] = i between them
    cdef int64_t[::1] chosen       # (N,)  SCRATCH of actions
    cdef list observations         # R arrays (N,) of `dtype`, by agents of the kernels
    cdef list bytes                # the same as bytes
    cdef list order                # R arrays (N,): individual i is agent order[r][i]; None: not drawn yet
    cdef list observations_before  # empty if a call fails before it changes them
    cdef tuple found               # what `act` returns
    cdef readonly list batches     # R arrays: the individuals that act at the next step, in random order, once drawn

    def __init__(self, Model model not None, Py_ssize_t horizon, double discount, const int64_t[::1] batch,
                 probability, const int64_t[:, ::1] counts not None, bint decisions,
                 list bit_generators not None, dict state=None):
        cdef int64_t n_agents = np.sum(counts[0])
        self.lay_out(model, horizon, n_agents, counts.shape[0], discount, decisions, 0)
        self.model, self.batch, self.probability = model, batch, probability
        self.coins = probability if isinstance(probability, ActingShares) else None
        read_activation(&self.activation, batch, probability, n_agents, model.n_observations, horizon)
        self.scratch = np.empty((2, model.n_observations))
        self.pool = None
        self.dtype = observation_dtype(model.n_observations)
        self.width = self.dtype.itemsize
        self.observations = [np.empty(n_agents, self.dtype) for _ in range(self.n_replicas)]
        self.bytes = [one.view(np.uint8) for one in self.observations]
        if state is None:
            self.restart(counts, bit_generators)
        else:
            self.place(counts, bit_generators, False)
            self.set_state(state)

    def restart(self, const int64_t[:, ::1] counts not None, list bit_generators not None):
        """As for CountsPopulations."""
        cdef Py_ssize_t r
        self.place(counts, bit_generators, True)
        self.order = self.batches = None
        places = np.arange(self.n_observations, dtype=self.dtype)
        for r in range(self.n_replicas):
            self.observations[r][:] = places.repeat(np.asarray(counts[r], np.intp))

    def follow(self, Policy policy not None):
        """Play another policy from now on; the number of it."""
        cdef AgentsEngine engine = AgentsEngine.of(
            self.model, policy, self.horizon, self.n_agents, self.batch, self.probability, self.decisions != NULL)
        self.engine = engine
        self.replica = -1
        self.followed += 1
        self.enter(0)
        engine.begin(1)
        return self.followed

    def step(self, Py_ssize_t n_steps):
        """Play steps t..t + n_steps - 1."""
        if self.engine is None:
            raise ValueError("there is no policy; call follow first")
        self.whole(STEPS, n_steps, None)

    def draw(self):
        """R int64 arrays: the individuals that act at step t, in random order; drawn once."""
        if not self.drawn:
            self.whole(DRAW, 0, None)
        return self.batches

    def act(self, list actions not None):
        """Make step t with the actions of the individuals that `draw` gave.

        Parameters
        ----------
        actions : list of R ndarrays of int64
            Of the individuals in the order of `draw`, 0..A-1.

        Returns
        -------
        ndarray of float64, shape (R, N)
            The reward of each individual.
        ndarray of int64, shape (R, N)
            The next observation of each individual.
        """
        if not self.drawn or len(actions) != self.n_replicas:
            raise ValueError(f"actions must be a list of {self.n_replicas} arrays, and draw must have been called")
        self.whole(ACT, 1, actions)
        found, self.found = self.found, None
        return found

    def individuals(self):
        """(R, N) unsigned integers, a copy: the observation of each individual."""
        cdef Py_ssize_t r
        self.name_individuals()
        out = np.empty((self.n_replicas, self.n_agents), self.dtype)
        for r in range(self.n_replicas):
            out[r] = self.observations[r][self.order[r]]
        return out

    cdef bint reads(self, Call call) noexcept:
        return call != STEPS and self.n_replicas > 1      # of one replica, draw and act fail before the first word

    cdef int keep(self, Call call) except -1:
        Populations.keep(self, call)
        if call != STEPS:
            self.name_individuals()
        if call == DRAW:
            self.batches = [None] * self.n_replicas
        elif call == ACT:
            if self.own is None:
                self.own = Evaluator(self.model, None, self.horizon)
                self.chosen = np.empty(self.n_agents, np.int64)
            self.found = (np.empty((self.n_replicas, self.n_agents)),
                          np.empty((self.n_replicas, self.n_agents), np.int64))
        self.observations_before = []
        if call == STEPS or call == ACT and self.n_replicas > 1:
            self.observations_before = [one.copy() for one in self.observations]
        return 0

    cdef int restore(self) except -1:
        Populations.restore(self)
        self.set_observations(self.observations_before)
        return 0

    cdef int one(self, Call call, Py_ssize_t r, Py_ssize_t t, Py_ssize_t n_steps, object given) except -1:
        if call == STEPS:
            self.enter(r)
            self.play(r, t, n_steps)
            self.totals[r] = self.ledger.total
        elif call == DRAW:
            self.batches[r] = self.drawn_in(r, <int>t)
        else:
            rewards, arrived = self.found
            self.act_in(r, <int>t, self.batches[r], given[r], self.order[r], rewards[r], arrived[r])
            self.ledger.weight = self.weight * self.discount
        return 0

    cdef Py_ssize_t advance(self, Py_ssize_t t, Py_ssize_t end) except -1 nogil:
        return self.engine.play(&self.ledger, NULL, t, end, end, self.no_watch)

    cdef int name_individuals(self) except -1:
        """Draw random permutations, from a stream of each key's own, so that they are no part of the state."""
        cdef int64_t[::1] order
        cdef uint64_t words[TMF_LANES]
        cdef uint64_t other
        cdef int64_t i, left
        cdef Py_ssize_t r
        cdef tmf_stream stream
        if self.order is not None:
            return 0
        drawn = []
        for r in range(self.n_replicas):
            order = np.arange(self.n_agents)
            left = 0
            with nogil:
                tmf_open(&stream, self.keys + 4 * r, 0, 0, NAMES)
                for i in range(self.n_agents - 1, 0, -1):
                    if left == 0:
                        tmf_fill(&stream, words, 1)
                        left = TMF_LANES
                    left -= 1
                    tmf_below(&stream, &words[left], <uint64_t>(i + 1), &other, 1)
                    order[i], order[other] = order[other], order[i]
            drawn.append(order.base)
        self.order = drawn
        return 0

    cdef object drawn_in(self, Py_ssize_t r, int t):
        """The individuals of replica r that act at step t, in random order, (B,) int64."""
        cdef Py_ssize_t S = self.n_observations, stride = 0, o
        cdef const int64_t *counts = self.counts + r * S
        cdef const uint8_t[::1] observations = self.bytes[r]
        cdef const int64_t[::1] order = self.order[r]
        cdef int64_t[::1] out
        cdef const double *p = NULL
        cdef int64_t size = -1, i, j
        cdef double *mu = &self.scratch[0, 0]
        cdef Sampler sampler
        memset(&sampler, 0, sizeof(Sampler))
        sampler.bits = self.bits[r]
        if self.pool is None:
            self.pool = np.arange(self.n_agents)
        if self.activation.batch != NULL:
            size = self.activation.batch[t * self.activation.stride]
        elif self.coins is None:
            p = self.activation.probability + t * self.activation.stride
        else:
            for o in range(S):
                mu[o] = counts[o] / <double>self.n_agents
            self.coins.at(t, mu, S, &self.scratch[1, 0], &p)
            stride = 1
            if self.coins.batches:
                size = batch_of(p[0], self.n_agents)
        out = np.empty(self.n_agents if size < 0 else size, np.int64)
        with nogil:
            if size < 0:          # each by a coin; then all of them without replacement, which is their order
                size = 0
                for i in range(self.n_agents):
                    o = tmf_load_one(&observations[0], self.width, order[i])
                    out[size] = i
                    size += uniform(&sampler) < p[o * stride]
                for i in range(size):
                    j = i + below(&sampler, size - i)
                    out[i], out[j] = out[j], out[i]
            else:
                for i in range(size):
                    j = i + below(&sampler, self.n_agents - i)
                    out[i] = self.pool[j]
                    self.pool[j] = self.pool[i]
                for i in range(size):      # all that was written
                    self.pool[i] = i
                    self.pool[out[i]] = out[i]
        return out.base[:size]

    cdef int act_in(
        self, Py_ssize_t r, int t, const int64_t[::1] acting, const int64_t[::1] taken, const int64_t[::1] order,
        double[::1] rewards, int64_t[::1] arrived
    ) except -1:
        """Make step t of replica r: `acting` (B,) have `taken` (B,); OUT: rewards (N,) and arrived (N,)."""
        cdef Py_ssize_t S = self.n_observations, A = self.n_actions, o, i
        cdef int width = self.width
        cdef uint8_t[::1] observations = self.bytes[r]
        cdef int64_t *counts = self.counts + r * S
        cdef int64_t *decisions = NULL if self.decisions == NULL else self.decisions + r * S * A
        cdef double total = 0
        cdef double *mu = &self.scratch[0, 0]
        cdef int64_t *actions = &self.chosen[0]
        cdef Sampler sampler
        memset(&sampler, 0, sizeof(Sampler))
        sampler.bits = self.bits[r]
        check_actions(taken, acting.shape[0], A, r)
        for o in range(S):
            mu[o] = counts[o] / <double>self.n_agents
        with nogil:
            self.own.tables_at(t, mu)
            for i in range(self.n_agents):
                actions[i] = -1
            for i in range(acting.shape[0]):
                actions[acting[i]] = taken[i]
            for i in range(self.n_agents):
                o = tmf_load_one(&observations[0], width, order[i])
                rewards[i] = self.own.tables.passive_reward[o]
                if actions[i] >= 0:
                    rewards[i] = self.own.tables.reward[o * A + actions[i]]
                total += rewards[i]
        self.totals[r] += self.weight * total
        self.rewards[r] = total / self.n_agents
        self.refuse_overflow(t)        # before the first word is drawn
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
        out = {"counts": self.all_counts(), "observations": [one.copy() for one in self.observations],
               "batches": [one.copy() for one in self.batches] if self.drawn else None}
        self.add_state(out)
        return out

    cdef int set_state(self, dict found) except -1:
        cdef Py_ssize_t r
        cdef int64_t most
        self.take_state(found)
        self.set_observations(found["observations"])
        for r in range(self.n_replicas):
            at = np.bincount(self.observations[r], minlength=self.n_observations)
            if not np.array_equal(at, self.all_counts()[r]):
                raise ValueError(f"observations[{r}] have other counts than counts[{r}]")
        if not self.drawn:
            return 0
        self.batches = found["batches"]
        for r in range(self.n_replicas):
            one = self.batches[r]
            most = one.max() if one.size else 0
            if one.dtype != np.int64 or one.ndim != 1 or one.size and not 0 <= one.min() <= most < self.n_agents:
                raise ValueError(f"batches[{r}] are no individuals")
        return 0


cdef int check_actions(const int64_t[::1] taken, Py_ssize_t size, Py_ssize_t n_actions, Py_ssize_t r) except -1:
    cdef Py_ssize_t i
    if taken.shape[0] != size:
        raise ValueError(f"actions[{r}] has {taken.shape[0]} entries; must have {size}")
    for i in range(size):
        if not 0 <= taken[i] < n_actions:
            raise ValueError(f"actions[{r}][{i}] is {taken[i]}; must lie in 0..{n_actions - 1}")
    return 0
