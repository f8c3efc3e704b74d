"""Replicas of small batches side by side: up to sixteen populations of counts in the lanes of vectors.

Source     Theory, section 1; lanes.h.  Notation: R replicas, S observations, A actions, T steps, J record intervals.
Contract   each replica has the bits that counts.run gives it: counts, decisions, rewards and return.
Cost       O(S / 8 + 8) vector operations per event of up to sixteen replicas; `side` says for which games.
"""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.carried cimport check_block, check_state
from tmfcore._population.lanes cimport TMF_SIDE, tmf_side
from tmfcore._population.lane_states cimport (
    check_totals, leave, pass_ends, recall, restore, restore_apart, state_of, states_apart)
from tmfcore._population.ledger cimport check_run, tmf_tell
from tmfcore._base.interrupts cimport look
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model
from tmfcore._population.passive cimport EXACT_EVERY, refresh
from tmfcore._model.policy cimport Policy, stage_end, stage_of
from tmfcore._population.singles cimport FIXED, Population, Singles, average_extra, tmf_batch_open

cdef extern from "_population/lanes.h" nogil:
    enum:
        TMF_SIDE_EVENTS
    bint TMF_SIDE_VECTORS
    int tmf_instruction_level()
    int64_t tmf_side_steps(const tmf_side *it)
    void tmf_side_words(tmf_side *it, int64_t t)
    void tmf_side_play(tmf_side *it, int64_t t, int n)
    void tmf_side_tables(tmf_side *it)
    void tmf_side_open(tmf_side *it)
    void tmf_side_refresh(tmf_side *it, const double *level, const double *slope)

MOST = TMF_SIDE                          # replicas side by side
MOST_AGENTS = 2**31 - 1


def fewest(Py_ssize_t n_observations):
    """The least number of replicas that `run` plays faster than counts.run does one after the other (measured)."""
    cdef int level = tmf_instruction_level()
    if level >= 2 and n_observations <= 256:
        return 4
    return 6 if level == 1 and n_observations <= 64 else TMF_SIDE + 1


def side(Model model not None, Policy policy not None, Py_ssize_t horizon, int64_t n_agents, bint decisions,
         int64_t size=1):
    """The Side that plays replicas of a game at whose steps `size` agents act, and records their decisions or not.

    None if none can. One can if `size` <= 32 agents are drawn one by one, kernel and policy are constant within a
    stage, r0(o, mu) is affine in mu(o), passive agents stay where they are, n_agents <= 2**31 - 1, and the compiler
    has vectors.
    """
    cdef Side self = Side.__new__(Side)
    cdef Population *people = &self.people
    if (not TMF_SIDE_VECTORS or not 1 <= n_agents <= MOST_AGENTS or not model.passive_identity
            or not 1 <= size <= TMF_SIDE_EVENTS):
        return None
    people.n_agents = n_agents
    self.at = Evaluator(model, policy, horizon)
    self.decides = decisions
    self.singles = (Singles.of(self.at, people, horizon, decisions) if size == 1 else
                    Singles.of_batches(self.at, people, size, decisions))
    if (self.singles is None or self.singles.manner != FIXED
            or not (model.constant or model.standing_slope != NULL)):
        return None
    self.allocate()
    tmf_batch_open(&self.it.batch, <uint64_t>n_agents, <int>size)
    return self


cdef class Side:
    """Plays groups of up to sixteen replicas, one after the other, with the same tables; made by `side`."""
    def __dealloc__(self):
        free(self.memory)
        free(self.people.mu)

    cdef int allocate(self) except -1:
        cdef Evaluator at = self.at
        cdef Py_ssize_t S = at.n_observations, n_blocks = (S + 7) // 8, line = TMF_SIDE * sizeof(uint32_t)
        cdef size_t place
        self.memory = room_for(sizeof(tmf_side) + 64 + <double>line * 9 * n_blocks, 1, b"replicas side by side")
        place = (<size_t>self.memory + 63) & ~<size_t>63
        memset(<void *>place, 0, sizeof(tmf_side) + line * 9 * n_blocks)
        self.it = <tmf_side *>place
        self.it.counts = <uint32_t *>(place + sizeof(tmf_side))
        self.it.blocks = self.it.counts + 8 * n_blocks * TMF_SIDE
        self.doubles = np.zeros(16 * n_blocks + TMF_SIDE * S * (at.n_actions + self.singles.averaged))
        self.idle = np.zeros(S * at.n_actions, np.int64)
        self.it.margin = &self.doubles[0]
        self.it.rise = self.it.margin + 8 * n_blocks
        self.extra = self.it.rise + 8 * n_blocks
        self.it.extra = self.extra + (TMF_SIDE * S * at.n_actions if self.singles.averaged else 0)
        self.it.n_observations = S
        self.it.n_actions = self.singles.events.tables.n_actions
        self.it.n_agents = <uint64_t>self.people.n_agents
        self.it.n_blocks = n_blocks
        self.people.mu = <double *>room_for(
            2 * S + max(at.n_successors, at.n_passive_successors), sizeof(double), b"the counts of a population")
        self.people.counts = <int64_t *>(self.people.mu + S)
        self.people.row = <double *>(self.people.counts + S)
        return 0

    cdef int place(
        self, const uint64_t[:, ::1] keys, const int64_t[:, ::1] initial_counts, int64_t[:, :, ::1] counts, discount
    ) except -1:
        """Begin with these replicas, and write their first counts; idle lanes play the last one again."""
        cdef tmf_side *it = self.it
        cdef Py_ssize_t R = keys.shape[0], S = it.n_observations, r, o
        cdef int64_t n_agents = self.people.n_agents, unplaced
        for r in range(R):
            unplaced = n_agents
            for o in range(S):
                unplaced -= initial_counts[r, o]
                counts[r, 0, o] = initial_counts[r, o]
                if not 0 <= initial_counts[r, o] <= n_agents:
                    raise ValueError(f"initial_counts[{r}, {o}] is {initial_counts[r, o]}; must be 0 to {n_agents}, "
                                     "the number of agents")
            if unplaced:
                raise ValueError(f"initial_counts[{r}] sums to {n_agents - unplaced}; must be {n_agents}, the number "
                                 "of agents")
        for r in range(TMF_SIDE):
            memcpy(it.keys[r], &keys[min(r, R - 1), 0], sizeof(it.keys[r]))
            for o in range(S):
                it.counts[o * TMF_SIDE + r] = <uint32_t>initial_counts[min(r, R - 1), o]
        it.n_populations = R
        it.weight, it.discount = 1, discount
        it.n_ties = it.n_biased = 0
        memset(it.reward, 0, sizeof(it.reward))
        memset(it.whole, 0, sizeof(it.whole))
        memset(it.decisions, 0, sizeof(it.decisions))
        return 0

    cdef void see(self, Evaluator at, Py_ssize_t r) noexcept nogil:
        """Copy the counts of replica r to self.people."""
        cdef Py_ssize_t o
        for o in range(at.n_observations):
            self.people.counts[o] = self.it.counts[o * TMF_SIDE + r]
            self.people.mu[o] = <double>self.people.counts[o] / self.people.n_agents

    cdef int open(self, Evaluator at) except -1 nogil:
        """Fill the tables, and the sums of each replica at step 0; equal replicas share them."""
        cdef tmf_side *it = self.it
        cdef Py_ssize_t S = at.n_observations, size = at.n_observations * at.n_actions, r, o
        cdef bint known
        for r in range(TMF_SIDE):
            known = r > 0
            for o in range(S):
                known = known and it.counts[o * TMF_SIDE + r] == it.counts[o * TMF_SIDE + r - 1]
            if known:
                it.extra_of[r] = it.extra_of[r - 1]
                it.total[r] = it.total[r - 1]
                continue
            self.see(at, r)
            self.singles.open_rewards(at, &self.people, 0)
            refresh(at, &self.people.passive, 0, self.people.counts, self.people.mu, self.people.row, False)
            it.total[r] = self.people.passive.sum
            it.extra_of[r] = <uint32_t>(r * S * it.n_actions)
            memcpy(self.extra + r * size, self.singles.extra, size * sizeof(double))
        for o in range(S):
            it.margin[o] = self.singles.margin[2 * o]
            it.rise[o] = self.singles.margin[2 * o + 1]
        tmf_side_open(it)
        if self.singles.stage >= 0:            # tables are kept from the last group
            self.average(at)
        return 0

    cdef int open_tables(self, Evaluator at, Py_ssize_t t) except -1 nogil:
        """Build the tables for the stage of step t."""
        self.singles.open_tables(at, self.people.mu, t)
        self.it.alias = self.singles.alias.alias
        self.average(at)
        tmf_side_tables(self.it)
        return 0

    cdef void average(self, Evaluator at) noexcept nogil:
        """Average `extra` of all replicas over the policy of the present stage, if rows are."""
        cdef Py_ssize_t r, S = at.n_observations
        for r in range(self.it.n_populations if self.singles.averaged else 0):
            average_extra(at, self.extra + r * S * at.n_actions, self.it.extra + r * S)

    cdef void begin_interval(self, Py_ssize_t j) noexcept nogil:
        cdef Py_ssize_t r
        if self.decisions is None or j == self.rewards.shape[1]:
            return
        for r in range(self.it.n_populations):
            self.it.decisions[r] = &self.decisions[r, j, 0, 0]
            memset(self.it.decisions[r], 0, self.it.n_observations * self.it.n_actions * sizeof(int64_t))
        for r in range(self.it.n_populations, TMF_SIDE):
            self.it.decisions[r] = &self.idle[0]

    cdef inline void end_interval_of(self, Py_ssize_t r, Py_ssize_t j) noexcept nogil:
        cdef Py_ssize_t o
        self.rewards[r, j] = self.it.reward[r] / self.people.n_agents
        for o in range(self.it.n_observations):
            self.counts[r, j + 1, o] = self.it.counts[o * TMF_SIDE + r]

    cdef void end_interval(self, Py_ssize_t j) noexcept nogil:
        cdef Py_ssize_t r
        for r in range(self.it.n_populations):
            self.end_interval_of(r, j)
        memset(self.it.reward, 0, sizeof(self.it.reward))

    def run(self, const uint64_t[:, ::1] keys not None, const int64_t[:, ::1] initial_counts not None,
            double discount, Py_ssize_t record_every, int64_t[:, :, ::1] counts not None,
            int64_t[:, :, :, ::1] decisions, double[:, ::1] rewards not None,
            double[::1] returns not None, int64_t[:, ::1] watch=None, pieces=None, list states=None,
            uint64_t[:, ::1] ends=None):
        """Simulate R <= 16 replicas of the counts chain.

        Parameters
        ----------
        keys : ndarray of uint64, shape (R, 4)
            The keys of the replicas: the words that counts.run takes first from their bit generators.
        initial_counts : ndarray of int64, shape (R, S)
            Agents at each observation; each row sums to the number of agents.
        record_every : int
            Steps per interval; J = ceil(T / record_every).
        counts : ndarray of int64, shape (R, J + 1, S)
            OUT. Counts at the start, and at the end of every interval.
        decisions : ndarray of int64, shape (R, J, S, A), or None
            OUT. Acting agents by observation and action, summed over the interval.
        rewards : ndarray of float64, shape (R, J)
            OUT. Mean reward per agent, summed over the interval.
        returns : ndarray of float64, shape (R,)
            OUT. Discounted return, mean over the agents.
        watch : ndarray of int64, shape (R, 1), or None
            OUT. As in counts.run; an interrupt leaves `returns` so far.
        pieces : Pauses or None
            As in counts.run; what it takes is a list of the states of all replicas.
        states : list of R dicts, or None
            As in counts.run, all at the same step.
        ends : ndarray of uint64, shape (R, words), or None
            OUT. As `end` of counts.run, at the horizon.

        Returns
        -------
        tuple of int
            How many ties of alias tables more bits decided, and how many agents were drawn again.

        Raises
        ------
        ValueError
            An argument has the wrong shape, or counts do not sum to the number of agents.

        Notes
        -----
        Theory, section 1.
        """
        cdef Evaluator at = self.at
        cdef tmf_side *it = self.it
        cdef Py_ssize_t R = keys.shape[0], horizon = at.horizon, n_stages = at.policy.n_stages
        cdef Py_ssize_t t = 0, j = 0, start = 0, end = 0, left, r
        cdef Py_ssize_t steps = tmf_side_steps(it), chunk = self.singles.steps, first = 0, pause = horizon
        cdef int n_steps
        if states is not None:
            first = states[0]["first"]
            for state in states:
                check_state(state, at.n_observations, at.n_actions, False, self.people.n_agents, first, horizon)
            t = states[0]["t"]
        left = min(record_every, horizon - first)
        if not (1 <= R <= TMF_SIDE
                and initial_counts.shape[0] == counts.shape[0] == rewards.shape[0] == returns.shape[0] == R
                and (decisions is None or decisions.shape[0] == R) and (watch is None or watch.shape[0] == R)):
            raise ValueError(f"there are {R} keys; must be 1 to {TMF_SIDE}, and as many as there are replicas in "
                             "initial_counts, counts, decisions, rewards, returns and watch")
        if (decisions is not None) != self.decides:
            raise ValueError(f"decisions are {'None' if self.decides else 'given'}; this Side was made for runs "
                             f"{'with' if self.decides else 'without'} them")
        if keys.shape[1] != 4:
            raise ValueError(f"keys have {keys.shape[1]} words; must have 4")
        self.check_ends(R, ends)
        check_run(at.model, horizon - first, record_every, initial_counts[0], counts[0],
                  None if decisions is None else decisions[0], rewards[0], MOST_AGENTS,
                  "the most for replicas side by side")
        self.place(keys, initial_counts if states is None else np.stack([one["now"] for one in states]), counts,
                   discount)
        self.counts, self.decisions, self.rewards = counts, decisions, rewards
        self.open(at)
        if states is not None:
            j = restore(self, states)
            left = states[0]["record"]["left"] if "record" in states[0] else left
            for r in range(t - t % chunk, t, steps):      # draw the words of this block again
                tmf_side_words(it, r)
        self.begin_interval(j)
        if states is not None:
            recall(self, states)
        try:
            while t < horizon:
                if pieces is not None:
                    pause = pieces.next(t)
                with nogil:
                    while t < pause:
                        if self.singles.stage != stage_of(t, horizon, n_stages):
                            self.open_tables(at, t)
                        if t > 0 and t % EXACT_EVERY == 0:
                            tmf_side_refresh(it, self.singles.level, self.singles.slope)
                        start = t
                        end = min(t - t % chunk + chunk, stage_end(self.singles.stage, horizon, n_stages))
                        end = min(end, t - t % EXACT_EVERY + EXACT_EVERY)
                        while t < end:
                            if t % steps == 0:
                                tmf_side_words(it, t)
                            n_steps = <int>min(min(steps - t % steps, end - t), left)
                            tmf_side_play(it, t, n_steps)
                            t += n_steps
                            left -= n_steps
                            if left == 0:
                                self.end_interval(j)
                                j += 1
                                left = min(record_every, horizon - t)
                                self.begin_interval(j)
                        check_totals(self, at, start, end)
                        for r in range(0 if watch is None else R):
                            tmf_tell(&watch[r, 0], t)
                        look(&at.looks)
                if pieces is not None and pieces.wanted(t):
                    pieces.keep([state_of(self, r, t, j, left, horizon - t) for r in range(R)])
        except BaseException:
            if j < rewards.shape[1]:
                self.end_interval(j)
            for r in range(R):
                returns[r] = it.whole[r] / self.people.n_agents
            raise
        for r in range(R):
            returns[r] = it.whole[r] / self.people.n_agents
            if ends is not None:
                leave(self, r, &ends[r, 0])
        return it.n_ties, it.n_biased

    def run_apart(self, const uint64_t[:, ::1] keys not None, const int64_t[:, ::1] initial_counts not None,
                  double discount, const int64_t[:, ::1] lengths not None, int64_t[:, :, ::1] counts not None,
                  int64_t[:, :, :, ::1] decisions, double[:, ::1] rewards not None,
                  double[::1] returns not None, int64_t[:, ::1] watch=None, pieces=None, list states=None,
                  uint64_t[:, ::1] ends=None):
        """Simulate replicas whose intervals have lengths of their own, as the numbers of events under Poisson clocks.

        Parameters
        ----------
        lengths : ndarray of int64, shape (R, J)
            Steps of each interval, 0 or more; each row sums to 1 at least, and at most to the horizon of this Side.
        ends : ndarray of uint64, shape (R, words), or None
            OUT. As `end` of counts.run, before the last interval.

        Notes
        -----
        The other parameters are those of `run`. All lanes play until the last replica ends; each has the bits that it
        has alone. An interrupt leaves the present interval of each as it is, and `returns` so far. The states of
        replicas that have ended only keep what is recorded.
        """
        cdef Evaluator at = self.at
        cdef tmf_side *it = self.it
        cdef Py_ssize_t R = keys.shape[0], J = lengths.shape[1], horizon = 0, t = 0, start, end, until, r, o
        cdef Py_ssize_t steps = tmf_side_steps(it), chunk = self.singles.steps, pause
        cdef Py_ssize_t[16] due, place, whole
        cdef int n_steps
        if not (1 <= R <= TMF_SIDE and keys.shape[1] == 4
                and initial_counts.shape[0] == lengths.shape[0] == counts.shape[0] == rewards.shape[0] == R
                and returns.shape[0] == R and (decisions is None or decisions.shape[0] == R)
                and (watch is None or watch.shape[0] == R)):
            raise ValueError(f"there are {R} keys; must be 1 to {TMF_SIDE} of 4 words, and as many as there are "
                             "replicas in initial_counts, lengths, counts, decisions, rewards, returns and watch")
        if (decisions is not None) != self.decides or at.policy.n_stages != 1:
            raise ValueError("decisions must be given if this Side was made for them, and the policy have one stage")
        self.check_ends(R, ends)
        for r in range(R):
            end = 0
            for o in range(J):
                end += lengths[r, o]
            check_run(at.model, end, 1, initial_counts[r], counts[r], None if decisions is None else decisions[r],
                      rewards[r], MOST_AGENTS, "the most for replicas side by side", lengths[r])
            if not 1 <= end <= at.horizon:
                raise ValueError(f"lengths[{r}] sums to {end}; must be 1 to {at.horizon}, the horizon")
            horizon = max(horizon, end)
            whole[r] = end
        if states is not None:
            for state in states:
                check_state(state, at.n_observations, at.n_actions, False, self.people.n_agents, 0, horizon)
            t = states[0]["t"]
        self.place(keys, initial_counts if states is None else np.stack([one["now"] for one in states]), counts,
                   discount)
        self.counts, self.decisions, self.rewards = counts, decisions, rewards
        for r in range(TMF_SIDE):
            due[r], place[r] = 0, -1
            if decisions is not None:
                it.decisions[r] = &self.idle[0]
        self.open(at)
        if states is not None:
            restore_apart(self, states, lengths, due, place, whole, returns)
            for r in range(t - t % chunk, t, steps):      # draw the words of this block again
                tmf_side_words(it, r)
        try:
            until = pass_ends(self, due, place, lengths, returns, ends, t)
            while t < horizon:
                pause = horizon if pieces is None else pieces.next(t)
                with nogil:
                    while t < min(pause, horizon):
                        if self.singles.stage != 0:
                            self.open_tables(at, t)
                        if t > 0 and t % EXACT_EVERY == 0:
                            tmf_side_refresh(it, self.singles.level, self.singles.slope)
                        start = t
                        end = min(min(t - t % chunk + chunk, horizon), t - t % EXACT_EVERY + EXACT_EVERY)
                        while t < end:
                            if t % steps == 0:
                                tmf_side_words(it, t)
                            n_steps = <int>min(min(steps - t % steps, end - t), until - t)
                            tmf_side_play(it, t, n_steps)
                            t += n_steps
                            if t == until:
                                until = pass_ends(self, due, place, lengths, returns, ends, t)
                        check_totals(self, at, start, end)
                        for r in range(0 if watch is None else R):
                            tmf_tell(&watch[r, 0], min(t, due[r]) if place[r] == J else t)
                        look(&at.looks)
                if pieces is not None and t < horizon and pieces.wanted(t):
                    pieces.keep(states_apart(self, t, J, due, place, whole, returns))
        except BaseException:
            for r in range(R):
                if 0 <= place[r] < J:
                    self.end_interval_of(r, place[r])
                    returns[r] = it.whole[r] / self.people.n_agents
            raise
        return it.n_ties, it.n_biased

    cdef int check_ends(self, Py_ssize_t R, uint64_t[:, ::1] ends) except -1:
        if ends is not None:
            if ends.shape[0] != R:
                raise ValueError(f"ends has {ends.shape[0]} rows; must have {R}")
            check_block(ends.shape[1], self.at.n_observations, self.at.n_actions, False)
        return 0
