"""Agents on a graph: an agent's population is the histogram of its neighbours.

Source     Theory, sections 1, 15.  Notation: N agents, S observations, A actions, K successors, T steps, J intervals.
Contract   all draws of a step use the observations before it. The moves of a tile of agents have a stream addressed
           by (key, t, tile), what its agents sample another one: nothing depends on what is recorded.
Cost       O(N + edges) and N rows of the game a step, also if few agents act: the rewards of all depend on their
           neighbours.
Memory     2 observations of 1, 2 or 4 bytes per agent, one bit if batches are drawn, and the edges of the caller.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from tmfcore._base.interrupts cimport look, tmf_looks
from tmfcore._model.activation cimport Activation, ActingShares, read_activation
from tmfcore._model.histograms cimport HistogramPolicy
from tmfcore._model.model cimport Model, checked_row
from tmfcore._model.policy cimport Policy, stage_of
from tmfcore._population.ledger cimport (
    Ledger, check_key, check_run, check_trajectory, end_early, end_step, open_ledger, tmf_tell, watched)
from tmfcore._population.observations cimport tmf_load_one, tmf_store_one
from tmfcore._population.selection cimport select_bits
from tmfcore._population.tiles cimport Trajectory, write_action
from tmfcore._random.sampling cimport scan
from tmfcore._random.streams cimport (
    ACTIVATIONS, MOVES, TMF_LANES, TMF_PART, TMF_TILE, tmf_below, tmf_fill, tmf_open, tmf_stream, tmf_uniform)

from tmfcore._population.agents import MAX_AGENTS, action_dtype, observation_dtype


cdef struct Drawing:                   # words of a stream, one after another
    tmf_stream stream
    uint64_t words[TMF_LANES]
    int left


cdef inline uint64_t next_word(Drawing *drawing) noexcept nogil:
    if drawing.left == 0:
        tmf_fill(&drawing.stream, drawing.words, 1)
        drawing.left = TMF_LANES
    drawing.left -= 1
    return drawing.words[TMF_LANES - 1 - drawing.left]


cdef class GraphEngine:
    """Agents that stand on a graph, and what one step needs.

    Parameters
    ----------
    starts : ndarray of int64, shape (N + 1,)
        The neighbours of agent i are neighbours[starts[i]:starts[i + 1]], at least one.
    neighbours : ndarray of int32, shape (E,)
    shares, running : ndarrays of float64, shape (E,), or None
        The weights of neighbours, which sum to 1 for each agent, and their running sums; None: all alike.
    """
    cdef const int64_t[::1] starts
    cdef const int32_t[::1] neighbours
    cdef const double[::1] shares, running
    cdef Model model
    cdef Policy policy
    cdef HistogramPolicy polls         # the policy, if agents draw their neighbours themselves; or None
    cdef int horizon, width
    cdef int64_t n_agents
    cdef uint8_t[::1] now, following   # observations, of `width` bytes
    cdef uint64_t[::1] acting          # bits
    cdef double[::1] mu, cells
    cdef double[:, ::1] pi
    cdef int32_t[:, ::1] met           # (4, S), 0 between agents
    cdef int32_t[::1] histogram        # (S,)
    cdef int64_t[::1] counts
    cdef tmf_looks looks

    def __init__(self, Model model not None, Policy policy not None, int horizon, const int64_t[::1] starts not None,
                 const int32_t[::1] neighbours not None, const double[::1] shares, const double[::1] running):
        cdef Py_ssize_t i, S = model.n_observations, E = neighbours.shape[0]
        cdef int64_t n = starts.shape[0] - 1
        if n < 1 or starts[0] != 0 or starts[n] != E or (shares is None) != (running is None):
            raise ValueError("starts must begin with 0 and end with the number of edges")
        for i in range(n):
            if starts[i + 1] <= starts[i]:
                raise ValueError(f"agent {i} has no neighbours")
        for i in range(E):
            if not 0 <= neighbours[i] < n:
                raise ValueError(f"neighbours[{i}] is {neighbours[i]}; must lie in 0..{n - 1}")
        if shares is not None and (shares.shape[0] != E or running.shape[0] != E):
            raise ValueError("shares and running must have an entry for each edge")
        if policy.n_observations != S or policy.n_actions != model.n_actions:
            raise ValueError("policy has other sizes than the game")
        self.starts, self.neighbours, self.shares, self.running = starts, neighbours, shares, running
        self.model, self.policy, self.horizon, self.n_agents = model, policy, horizon, n
        self.polls = policy if isinstance(policy, HistogramPolicy) and policy.n_blocks == 1 else None
        self.width = observation_dtype(S).itemsize
        self.now, self.following = np.zeros(n * self.width, np.uint8), np.zeros(n * self.width, np.uint8)
        self.acting = np.zeros((n + TMF_TILE - 1) // TMF_TILE * (TMF_TILE // 64), np.uint64)
        self.mu, self.pi = np.zeros(S), np.empty((S, model.n_actions))
        self.cells = np.empty(max(model.n_successors, model.n_passive_successors))
        self.met, self.histogram, self.counts = np.zeros((4, S), np.int32), np.zeros(S, np.int32), np.zeros(S, np.int64)

    cdef void look_around(self, int64_t i) noexcept nogil:
        """Write the population of agent i to self.mu, which is 0."""
        cdef const uint8_t *now = &self.now[0]
        cdef const int32_t *neighbour = &self.neighbours[0]
        cdef double *mu = &self.mu[0]
        cdef int32_t *met = &self.met[0, 0]
        cdef int64_t j, first = self.starts[i], last = self.starts[i + 1]
        cdef int width = self.width
        cdef Py_ssize_t S = self.mu.shape[0], o
        if self.shares is not None:
            for j in range(first, last):
                mu[tmf_load_one(now, width, neighbour[j])] += self.shares[j]
            return
        if last - first < S:           # few neighbours: their observations only
            for j in range(first, last):
                met[tmf_load_one(now, width, neighbour[j])] += 1
            for j in range(first, last):
                o = tmf_load_one(now, width, neighbour[j])
                mu[o] = met[o] / <double>(last - first)
            for j in range(first, last):
                met[tmf_load_one(now, width, neighbour[j])] = 0
            return
        j = first
        if width == 1:                 # in four tables, so that no addition waits for the one before
            while j + 4 <= last:
                met[now[neighbour[j]]] += 1
                met[S + now[neighbour[j + 1]]] += 1
                met[2 * S + now[neighbour[j + 2]]] += 1
                met[3 * S + now[neighbour[j + 3]]] += 1
                j += 4
        while j < last:
            met[tmf_load_one(now, width, neighbour[j])] += 1
            j += 1
        for o in range(S):
            mu[o] = (met[o] + met[S + o] + met[2 * S + o] + met[3 * S + o]) / <double>(last - first)
        memset(met, 0, 4 * S * sizeof(int32_t))

    cdef void look_away(self, int64_t i) noexcept nogil:
        """Make self.mu 0 again."""
        cdef int64_t j, first = self.starts[i], last = self.starts[i + 1]
        if last - first >= self.mu.shape[0]:
            memset(&self.mu[0], 0, self.mu.shape[0] * sizeof(double))
            return
        for j in range(first, last):
            self.mu[tmf_load_one(&self.now[0], self.width, self.neighbours[j])] = 0

    cdef const double *poll(self, int64_t i, Py_ssize_t o, Py_ssize_t stage, Drawing *drawing) noexcept nogil:
        """The row (A,) of agent i after it drew kappa neighbours."""
        cdef int64_t first = self.starts[i], n = self.starts[i + 1] - first, low, high, middle
        cdef uint64_t word, at
        cdef double u
        memset(&self.histogram[0], 0, self.histogram.shape[0] * sizeof(int32_t))
        for _ in range(self.polls.kappa):
            word = next_word(drawing)
            if self.running is None:
                tmf_below(&drawing.stream, &word, <uint64_t>n, &at, 1)
                low = first + <int64_t>at
            else:
                u = tmf_uniform(word)
                low, high = first, first + n - 1     # the first whose running sum exceeds u
                while low < high:
                    middle = (low + high) // 2
                    if self.running[middle] > u:
                        high = middle
                    else:
                        low = middle + 1
            self.histogram[tmf_load_one(&self.now[0], self.width, self.neighbours[low])] += 1
        return self.polls.row_of(stage, o, &self.histogram[0])

    cdef int step(
        self, Ledger *ledger, Trajectory *trajectory, const uint64_t *key, int t, int64_t n_acting, const double *p,
        Py_ssize_t stride
    ) except -1 nogil:
        """n_acting agents act; n_acting < 0: each with the probability p[o * stride] of its observation o."""
        cdef Py_ssize_t S = self.model.n_observations, A = self.model.n_actions, K = self.model.n_successors
        cdef Py_ssize_t K0 = self.model.n_passive_successors, o, x
        cdef Py_ssize_t stage = stage_of(t, self.horizon, self.policy.n_stages)
        cdef int64_t first = 0, i, n_tiles = (self.n_agents + TMF_TILE - 1) // TMF_TILE
        cdef bint everybody = n_acting == self.n_agents, acts
        cdef uint64_t words[2 * TMF_PART]
        cdef uint64_t coins[TMF_PART]
        cdef const double *row
        cdef double reward, total = 0
        cdef tmf_stream moves, activations
        cdef Drawing drawing
        cdef int n, j, a
        if n_acting >= 0 and not everybody:
            select_bits(self.n_agents, key, &self.acting[0], t, n_acting)
        memset(&self.counts[0], 0, S * sizeof(int64_t))
        while first < self.n_agents:
            n = <int>min(<int64_t>TMF_PART, self.n_agents - first)
            if first % TMF_TILE == 0:
                tmf_open(&moves, key, t, first // TMF_TILE, MOVES)
                tmf_open(&activations, key, t, first // TMF_TILE, ACTIVATIONS)
                tmf_open(&drawing.stream, key, t, n_tiles + first // TMF_TILE, MOVES)
                drawing.left = 0
            tmf_fill(&moves, words, (n + 3) // 4)
            if n_acting < 0:
                tmf_fill(&activations, coins, (n + 7) // 8)
            for j in range(n):
                i = first + j
                o = tmf_load_one(&self.now[0], self.width, i)
                acts = everybody
                if n_acting < 0:
                    acts = tmf_uniform(coins[j]) < p[o * stride]
                elif not everybody:
                    acts = self.acting[i >> 6] >> (i & 63) & 1
                self.look_around(i)
                a = -1
                if acts:
                    if self.polls is not None:
                        row = self.poll(i, o, stage, &drawing)
                    else:
                        self.policy.row_at(t, self.horizon, o, &self.mu[0], &self.pi[0, 0], &row)
                    a = <int>scan(tmf_uniform(words[2 * j]), row, A)
                checked_row(self.model, t, <int>o, a, &self.mu[0], &self.cells[0], &reward)
                self.look_away(i)
                x = o
                if a >= 0 or not self.model.passive_identity:
                    x = scan(tmf_uniform(words[2 * j + 1]), &self.cells[0], K0 if a < 0 else K)
                    if a < 0 and self.model.passive_successor != NULL:
                        x = self.model.passive_successor[o * K0 + x]
                    elif a >= 0 and self.model.successor != NULL:
                        x = self.model.successor[(o * A + a) * K + x]
                tmf_store_one(&self.following[0], self.width, i, <uint32_t>x)
                self.counts[x] += 1
                total += reward
                if a >= 0 and ledger.decisions != NULL:
                    ledger.decisions[o * A + a] += 1
                if trajectory != NULL:
                    if trajectory.observations != NULL:
                        tmf_store_one(trajectory.observations, self.width, i, <uint32_t>o)
                    if trajectory.actions != NULL:
                        write_action(trajectory, i, a)
                    if trajectory.rewards != NULL:
                        trajectory.rewards[i] = reward
            first += n
            look(&self.looks)
        memcpy(&self.now[0], &self.following[0], self.n_agents * self.width)     # all arrive
        end_step(ledger, total, &self.counts[0])
        return 0


def run(GraphEngine engine not None, const uint64_t[::1] key not None, observed not None, double discount,
        const int64_t[::1] batch, probability, Py_ssize_t record_every, int64_t[:, ::1] counts not None,
        int64_t[:, :, ::1] decisions, double[::1] rewards not None, observations=None, actions=None,
        double[:, ::1] individual_rewards=None, int64_t[::1] watch=None, double[::1] so_far=None):
    """Simulate one population on a graph.

    Parameters
    ----------
    engine : GraphEngine
        Of one run.
    key : ndarray of uint64, shape (4,)
    observed : ndarray of observation_dtype(S), shape (N,)
        The observation of each agent at the start.
    batch, probability, record_every, counts, decisions, rewards, watch, so_far
        As for tmfcore._population.counts.run; a probability that depends on mu is an error.
    observations, actions, individual_rewards
        As for tmfcore._population.agents.run; column i is agent i of the graph.

    Returns
    -------
    float
        Discounted return, mean over the agents.
    """
    cdef Model model = engine.model
    cdef Py_ssize_t S = model.n_observations, A = model.n_actions, t = 0, stride, n_rows = rewards.shape[0]
    cdef int64_t n_agents = engine.n_agents, unwatched = 0, n_acting
    cdef int64_t *told = watched(watch, &unwatched)
    cdef Activation activation
    cdef ActingShares shares = probability if isinstance(probability, ActingShares) else None
    cdef Trajectory recorded
    cdef Trajectory *row
    cdef Ledger ledger
    cdef const double *p
    cdef double[::1] buffer = np.empty(S)
    cdef int64_t[::1] begun
    cdef uint8_t[:, ::1] observation_bytes, action_bytes
    memset(&recorded, 0, sizeof(Trajectory))
    check_key(key)
    start = begun = np.bincount(observed, minlength=S).astype(np.int64)
    if observed.shape != (n_agents,) or observed.dtype != observation_dtype(S) or start.shape[0] != S:
        raise ValueError(f"observed is {observed.dtype} of shape {observed.shape}; must be {observation_dtype(S)} of "
                         f"shape ({n_agents},), and below {S}")
    if shares is not None and (shares.batches or shares.function is not None):
        raise ValueError(f"{shares.name} is a function of mu; must be numbers for agents on a graph")
    check_run(model, engine.horizon, record_every, start, counts, decisions, rewards, MAX_AGENTS,
              "the limit of the agents engine")
    read_activation(&activation, batch, probability, n_agents, S, engine.horizon)
    if observations is not None:
        check_trajectory("observations", observations, n_rows, n_agents, observation_dtype(S))
        observation_bytes = observations.view(np.uint8)
    if actions is not None:
        check_trajectory("actions", actions, n_rows, n_agents, action_dtype(A))
        action_bytes = actions.view(np.uint8)
        recorded.action_width = actions.dtype.itemsize
    if individual_rewards is not None and (
            individual_rewards.shape[0] != n_rows or individual_rewards.shape[1] != n_agents):
        raise ValueError(f"individual_rewards must have shape ({n_rows}, {n_agents})")
    np.asarray(engine.now)[:] = np.ascontiguousarray(observed).view(np.uint8)
    open_ledger(&ledger, n_agents, discount, record_every, counts, decisions, rewards, engine.horizon, S * A,
                &begun[0])
    try:
        with nogil:
            while t < engine.horizon:
                row = NULL
                if t % record_every == 0:
                    if observations is not None:
                        recorded.observations = &observation_bytes[t // record_every, 0]
                        row = &recorded
                    if actions is not None:
                        recorded.actions = &action_bytes[t // record_every, 0]
                        row = &recorded
                    if individual_rewards is not None:
                        recorded.rewards = &individual_rewards[t // record_every, 0]
                        row = &recorded
                n_acting = activation.batch[t * activation.stride] if activation.batch != NULL else -1
                p, stride = NULL, 0
                if activation.probability != NULL:
                    p = activation.probability + t * activation.stride
                elif n_acting < 0:
                    shares.at(<int>t, &engine.mu[0], S, &buffer[0], &p)
                    stride = 1
                engine.step(&ledger, row, &key[0], <int>t, n_acting, p, stride)
                t += 1
                tmf_tell(told, t)
    except BaseException:
        begun = np.bincount(np.asarray(engine.now).view(observed.dtype), minlength=S).astype(np.int64)
        end_early(&ledger, &begun[0], so_far)
        raise
    return ledger.total / n_agents
