"""Populations between steps: what Population holds, and the calls by which the engines continue from it.

Contract   R replicas. The state of one is its counts, or the observations of its agents, that of its generator, and
           what its streams have reached. Whatever else an engine holds follows from that at the begin of a call, so
           that a copy of the state continues with the same bits. A call that fails leaves the state as it was.
Cost       that of the engine's steps, and O(S) per call and replica.
"""
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.memory cimport room_for
from tmfcore._model.activation cimport ActingShares
from tmfcore._model.model cimport Model
from tmfcore._model.policy cimport Policy
from tmfcore._population.chain cimport splitter_for
from tmfcore._population.counts cimport CountsEngine
from tmfcore._population.flows cimport Record
from tmfcore._population.ledger cimport resume_ledger
from tmfcore._population.singles cimport Singles
from tmfcore._random.numpy_random cimport bitgen_t
from tmfcore._random.sampling cimport bits_of, stream_bytes, stream_sound

cdef extern from "_base/claim.h" nogil:
    bint tmf_claim(int64_t *mark)
    void tmf_give_back(int64_t *mark)

cdef str IN_USE = ("the population is being stepped already, by another thread or by the call that called this "
                   "function; one call at a time: take a copy() for each thread before they start")


cdef class Populations:
    """R replicas after `t` steps; abstract.

    What changes them, or reads what is more than a number, must be called by `alone`.
    """
    def alone(self, function, *arguments):
        """function(*arguments), if no other such call runs; RuntimeError otherwise.

        The claim is made and given back here, where no signal can come between it and `try`: after a `with` block of
        CPython 3.14, or of a lock, an interrupt may leave the claim behind.
        """
        if not tmf_claim(&self.busy):
            raise RuntimeError(IN_USE)
        try:
            return function(*arguments)
        finally:
            tmf_give_back(&self.busy)

    def again(self, Py_ssize_t n_steps, Py_ssize_t followed):
        """Make steps with the policy of that number, alone; False if it plays another one or they cannot be made."""
        if not tmf_claim(&self.busy):
            raise RuntimeError(IN_USE)
        try:
            if followed != self.followed or self.drawn or not 0 < n_steps <= self.horizon - self.t:
                return False
            self.whole(STEPS, n_steps, None)
            return True
        finally:
            tmf_give_back(&self.busy)

    cdef int lay_out(
        self, Model model, Py_ssize_t horizon, int64_t n_agents, Py_ssize_t n_replicas, double discount, bint decisions,
        size_t word_bytes
    ) except -1:
        cdef Py_ssize_t R = n_replicas, S = model.n_observations, A = model.n_actions
        cdef double cells = R * (1.0 * word_bytes / 8 + 7 + 2.0 * S + (1.0 * S * A if decisions else 0.0))
        self.n_replicas, self.n_observations, self.n_actions, self.n_agents = R, S, A, n_agents
        self.horizon, self.discount, self.word_bytes = horizon, discount, word_bytes
        self.memory = room_for(cells, 8, b"the populations")
        self.before = room_for(cells, 8, b"the populations")
        self.size = <size_t>(8 * cells)
        self.words = <char *>self.memory
        self.totals = <double *>(self.words + R * word_bytes)
        self.rewards = self.totals + R
        self.keys = <uint64_t *>(self.rewards + R)
        self.opened = self.keys + 4 * R
        self.counts = <int64_t *>(self.opened + R)
        self.acting = self.counts + R * S
        self.decisions = self.acting + R * S if decisions else NULL
        self.bits = <bitgen_t **>room_for(R, sizeof(void *), b"the populations")
        return 0

    cdef int place(self, const int64_t[:, ::1] counts, list bit_generators, bint keyed) except -1:
        cdef Py_ssize_t r, i
        if (counts.shape[0] != self.n_replicas or counts.shape[1] != self.n_observations
                or len(bit_generators) != self.n_replicas):
            raise ValueError(f"there must be {self.n_replicas} rows of {self.n_observations} counts, and as many "
                             "bit generators")
        self.bit_generators = bit_generators
        for r in range(self.n_replicas):
            self.bits[r] = bits_of(bit_generators[r])
        memset(self.memory, 0, self.size)
        memcpy(self.counts, &counts[0, 0], self.n_replicas * self.n_observations * sizeof(int64_t))
        self.t, self.weight, self.drawn, self.replica = 0, 1, False, -1
        for r in range(self.n_replicas if keyed else 0):
            for i in range(4):
                self.keys[4 * r + i] = self.bits[r].next_uint64(self.bits[r].state)
        return 0

    def __dealloc__(self):
        free(self.memory)
        free(self.before)
        free(self.bits)

    def mean_rewards(self):
        """(R,) float64, a copy: mean rewards per agent, summed over the steps of the last call."""
        return np.array(<double[:self.n_replicas]>self.rewards)

    def returns(self):
        """(R,) float64: discounted returns so far, means over the agents."""
        return np.array(<double[:self.n_replicas]>self.totals) / self.n_agents

    def all_counts(self):
        """(R, S) int64, a copy."""
        return np.array(<int64_t[:self.n_replicas, :self.n_observations]>self.counts)

    def all_decisions(self):
        """(R, S, A) int64, a copy, of the last call; None if they are not recorded."""
        if self.decisions == NULL:
            return None
        return np.array(<int64_t[:self.n_replicas, :self.n_observations, :self.n_actions]>self.decisions)

    def all_keys(self):
        """(R, 4) uint64, a copy: the keys of the random streams."""
        return np.array(<uint64_t[:self.n_replicas, :4]>self.keys)

    cdef int refuse_overflow(self, Py_ssize_t t) except -1:
        cdef Py_ssize_t r
        for r in range(self.n_replicas):
            if not isfinite(self.rewards[r]) or not isfinite(self.totals[r]):
                raise ValueError(f"the mean reward of replica {r} is {self.rewards[r]} from t = {t} on, and its return "
                                 f"{self.totals[r] / self.n_agents}; must be finite: the rewards are too large")
        return 0

    cdef int whole(self, Call call, Py_ssize_t n_steps, object given) except -1:
        cdef Py_ssize_t r
        self.keep(call)
        try:
            for r in range(self.n_replicas):
                self.one(call, r, self.t, n_steps, given)
            if call != DRAW:
                self.weight = self.ledger.weight
                self.refuse_overflow(self.t)
            self.drawn = call == DRAW
            self.t += n_steps
        except BaseException:
            self.restore()
            raise
        return 0

    cdef int keep(self, Call call) except -1:
        self.generators_before = [one.state for one in self.bit_generators] if self.reads(call) else []
        memcpy(self.before, self.memory, self.size)
        return 0

    cdef int restore(self) except -1:
        memcpy(self.memory, self.before, self.size)
        self.replica = -1
        for one, state in zip(self.bit_generators, self.generators_before):
            one.state = state
        return 0

    cdef bint reads(self, Call call) noexcept:
        return True

    cdef int one(self, Call call, Py_ssize_t r, Py_ssize_t t, Py_ssize_t n_steps, object given) except -1:
        raise NotImplementedError

    cdef Py_ssize_t advance(self, Py_ssize_t t, Py_ssize_t end) except -1 nogil:
        return end

    cdef int play(self, Py_ssize_t r, Py_ssize_t t, Py_ssize_t n_steps) except -1:
        """Play steps t..t + n_steps - 1 of replica r, which the engine has."""
        self.open_ledger(r, n_steps)
        with nogil:
            self.advance(t, t + n_steps)
        return 0

    cdef void open_ledger(self, Py_ssize_t r, Py_ssize_t n_steps) noexcept nogil:
        cdef Py_ssize_t S = self.n_observations, pairs = S * self.n_actions
        resume_ledger(&self.ledger, self.n_agents, S, pairs, n_steps, self.counts + r * S,
                      NULL if self.decisions == NULL else self.decisions + r * pairs, self.rewards + r,
                      self.totals[r], self.weight, self.discount)

    cdef int turn(self, Singles singles, Py_ssize_t r, void *observations) except -1:
        if singles is not None and self.replica != r:
            singles.turn(observations)
        self.replica = r
        return 0

    cdef int add_state(self, dict out) except -1:
        out["totals"] = np.array(<double[:self.n_replicas]>self.totals)
        out["keys"] = self.all_keys()
        out["weight"] = self.weight
        out["drawn"] = self.drawn
        return 0

    cdef int take_state(self, dict found) except -1:
        self.t, self.weight, self.drawn = found["t"], found["weight"], found["drawn"]
        copy_into(self.totals, found["totals"], "totals", (self.n_replicas,), np.float64)
        copy_into(self.keys, found["keys"], "keys", (self.n_replicas, 4), np.uint64)
        return 0


cdef class CountsPopulations(Populations):
    """R populations that are played by counts.

    Parameters
    ----------
    model : Model
    horizon : int
        T.
    discount : float
    batch, probability : ndarray or None
        As for tmfcore._population.counts.run.
    counts : ndarray of int64, shape (R, S)
        At the start.
    decisions : bool
        Record decisions.
    bit_generators : list of R numpy.random.BitGenerator
        Used by this object only. Four words of each are read, unless a state is given.
    state : dict, optional
        Of another such object, from `state()`, and its t.
    """
    cdef CountsEngine engine
    cdef bint reads_generators     # at some steps, not only to open streams

    def __init__(self, Model model not None, Py_ssize_t horizon, double discount, const int64_t[::1] batch,
                 probability, const int64_t[:, ::1] counts not None, bint decisions,
                 list bit_generators not None, dict state=None):
        cdef Py_ssize_t i
        cdef int64_t n_agents = np.sum(counts[0])
        self.lay_out(
            model, horizon, n_agents, counts.shape[0], discount, decisions, (stream_bytes() + 63) // 64 * 64)
        self.engine = CountsEngine.of(model, None, horizon, self.n_agents, batch, probability, decisions)
        self.engine.splitter = splitter_for(self.engine.at, self.engine.chain.averaged)
        free(self.engine.splitter.words)      # each replica has its own
        self.engine.splitter.words = NULL
        for i in range(0 if batch is None else batch.shape[0]):
            self.reads_generators |= 0 < batch[i] < self.n_agents and not (batch[i] == 1 and model.passive_identity)
        self.reads_generators |= isinstance(probability, ActingShares) and probability.batches
        self.reads_generators |= self.n_agents > 2**50
        self.place(counts, bit_generators, state is None)
        if state is not None:
            self.set_state(state)

    def restart(self, const int64_t[:, ::1] counts not None, list bit_generators not None):
        """Go to step 0, with counts (R, S) at the start and new words of R bit generators."""
        self.place(counts, bit_generators, True)

    def follow(self, Policy policy not None):
        """Play another policy from now on; the number of it."""
        self.engine.follow(policy)
        self.replica = -1
        self.followed += 1
        return self.followed

    def step(self, Py_ssize_t n_steps):
        """Play steps t..t + n_steps - 1."""
        if self.engine.at.policy is None:
            raise ValueError("there is no policy; call follow first")
        self.whole(STEPS, n_steps, None)

    def draw(self):
        """(R, S) int64: how many of the agents at each observation act at step t; drawn once."""
        if not self.drawn:
            self.whole(DRAW, 0, None)
        return np.array(<int64_t[:self.n_replicas, :self.n_observations]>self.acting)

    def act(self, const int64_t[:, :, ::1] decisions not None):
        """Make step t: the agents that `draw` gave take `decisions` (R, S, A)."""
        if (decisions.shape[0] != self.n_replicas
                or decisions.shape[1] * decisions.shape[2] != self.n_observations * self.n_actions):
            raise ValueError("decisions must have shape (R, S, A)")
        self.whole(ACT, 1, decisions)

    cdef bint reads(self, Call call) noexcept:
        return self.reads_generators or not self.opened[0]

    cdef int one(self, Call call, Py_ssize_t r, Py_ssize_t t, Py_ssize_t n_steps, object given) except -1:
        cdef size_t S = self.n_observations
        self.enter(r)
        try:
            if call == STEPS:
                self.play(r, t, n_steps)
            elif call == DRAW:
                self.engine.choose(t)
                memcpy(self.acting + r * S, self.engine.chain.acting, S * sizeof(int64_t))
            else:
                self.decided(r, t, given)
        finally:
            self.engine.splitter.words = NULL
        self.opened[r] = self.engine.splitter.opened
        if call != DRAW:
            self.totals[r] = self.ledger.total
        return 0

    cdef Py_ssize_t advance(self, Py_ssize_t t, Py_ssize_t end) except -1 nogil:
        return self.engine.play(&self.ledger, NULL, t, end, end, self.no_watch)

    cdef int decided(self, Py_ssize_t r, Py_ssize_t t, const int64_t[:, :, ::1] decisions) except -1:
        """Make step t of replica r with decisions (R, S, A)."""
        cdef size_t S = self.n_observations
        cdef Record record
        memset(&record, 0, sizeof(Record))
        self.open_ledger(r, 1)
        memcpy(self.engine.chain.acting, self.acting + r * S, S * sizeof(int64_t))
        memcpy(self.engine.chain.actions, &decisions[r, 0, 0], S * self.n_actions * sizeof(int64_t))
        with nogil:
            self.engine.move(&self.ledger, &record, t, -1, True)
        return 0

    cdef int enter(self, Py_ssize_t r) except -1:
        """Give the engine replica r."""
        self.engine.place(self.counts + r * self.n_observations)
        self.engine.sampler.bits = self.bits[r]
        memcpy(self.engine.chain.people.key, self.keys + 4 * r, 4 * sizeof(uint64_t))
        self.engine.splitter.words = self.words + r * self.word_bytes
        self.engine.splitter.opened = self.opened[r]
        self.turn(self.engine.singles, r, NULL)
        return 0

    def state(self):
        """All that `state` of a new object needs besides t, with the counts; a dict of arrays and numbers."""
        cdef Py_ssize_t R = self.n_replicas
        out = {"counts": self.all_counts(), "acting": np.array(<int64_t[:R, :self.n_observations]>self.acting),
               "opened": np.array(<uint64_t[:R]>self.opened),
               "words": np.array(<uint8_t[:R, :self.word_bytes]><uint8_t *>self.words)}
        self.add_state(out)
        return out

    cdef int set_state(self, dict found) except -1:
        cdef Py_ssize_t R = self.n_replicas, r, o
        self.take_state(found)
        copy_into(self.acting, found["acting"], "acting", (R, self.n_observations), np.int64)
        copy_into(self.opened, found["opened"], "opened", (R,), np.uint64)
        copy_into(self.words, found["words"], "words", (R, self.word_bytes), np.uint8)
        for r in range(R):
            if self.opened[r] > 1 or not stream_sound(self.words + r * self.word_bytes):
                raise ValueError(f"words[{r}] is no state of a stream")
            for o in range(self.n_observations if self.drawn else 0):
                if not 0 <= self.acting[r * self.n_observations + o] <= self.counts[r * self.n_observations + o]:
                    raise ValueError(f"acting[{r}, {o}] is no number of the agents there")
        return 0


cdef int copy_into(void *to, array, str name, tuple shape, dtype) except -1:
    cdef const uint8_t[::1] bytes
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}; must be {np.dtype(dtype)} of shape {shape}")
    bytes = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    memcpy(to, &bytes[0], bytes.shape[0])
    return 0
