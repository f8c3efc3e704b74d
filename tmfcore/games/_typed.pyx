"""Agents of several fixed types: one model from a model per type, coupled through the population that each type gets.

Source     the multi-type (multi-population) mean-field game; with a coupling matrix, the graphon game on blocks.
Notation   model.pxd; M types, S_i observations of type i, S = sum_i S_i, mu (S,) the share of all agents at each
           (type, observation), x_i = C_i mu (S_i,), which the model of type i gets as its population distribution.
Contract   an agent keeps its type: rows of block i lead into block i. The types' models check their rows. x_i need not
           sum to 1; models whose rows are distributions only if it does (games.affine, games.linear_quadratic) have
           another `manner`, which games.typed chooses and checks.
"""
from libc.stdint cimport int32_t
from libc.stdlib cimport free

import numpy as np

from tmfcore.games._affine cimport Affine
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model, Tables, checked_row

cdef enum:
    PLAIN = 0                  # the model gets x_i
    STRETCHED = 1              # the model is affine and gets x_i and its sum
    SCALED = 2                 # the model gets x_i divided by its sum

cdef double WHOLE = 1e-12      # a sum within this of 1 is 1 up to rounding


cdef struct Shape:                           # of the tables of the whole model
    Py_ssize_t n_actions, n_cells, n_passive_cells


cdef class Block:
    """One type: its model, its place among all observations, and the blocks of the types after it."""
    cdef Model model
    cdef Block rest                          # None after the last type
    cdef bint last
    cdef Py_ssize_t first                    # its first observation
    cdef double rate                         # share of its turns at which an agent of this type acts
    cdef bint direct                         # its tables have the shape of the whole model's tables
    cdef int manner
    cdef Affine affine                       # the model, if manner is STRETCHED
    cdef str name

    cdef double mass(self, const double *seen) noexcept nogil:
        """The sum of x_i, in `seen` (S,), of this type."""
        cdef Py_ssize_t o
        cdef double total = 0
        for o in range(self.first, self.first + self.model.n_observations):
            total += seen[o]
        return total

    cdef int look(self, const double *mu, double *seen) except -1 nogil:
        """Divide `seen` of this type, and of those after it, by its sum if their manner is SCALED."""
        cdef Py_ssize_t o, size = self.model.n_observations
        cdef double total, present = 0
        if self.manner == SCALED:
            total = self.mass(seen)
            if not total > 0:
                for o in range(self.first, self.first + size):
                    present += mu[o]
                if present > 0:
                    with gil:
                        raise ValueError(f"the coupling gives {self.name} an empty population at mu; it must contain "
                                         "agents: use more agents, or a coupling with fewer zeros")
            for o in range(self.first, self.first + size):      # a type without agents may get any distribution
                seen[o] = seen[o] / total if total > 0 else 1.0 / size
        return 0 if self.last else self.rest.look(mu, seen)

    cdef void fill(self, Shape shape, Tables *own, Tables *out, bint transitions) noexcept nogil:
        """Write the type's tables `own` into those of the whole model, `out`, in its shape."""
        cdef Py_ssize_t o, a, k, at, A = shape.n_actions, K = shape.n_cells, K0 = shape.n_passive_cells
        cdef Py_ssize_t n_actions = self.model.n_actions, n_own = self.model.n_successors
        cdef Py_ssize_t n_passive = self.model.n_passive_successors
        cdef bint stays = self.model.passive_identity
        cdef Py_ssize_t n_cells = 1 if stays else n_passive
        cdef double act = self.rate, idle = 1 - self.rate
        cdef const double *row
        cdef const double *passive
        cdef double *cells
        for o in range(self.model.n_observations):
            at = self.first + o
            out.passive_reward[at] = own.passive_reward[o]
            for a in range(A):
                k = o * n_actions + (a if a < n_actions else 0)
                out.reward[at * A + a] = own.reward[k]
                if idle > 0:
                    out.reward[at * A + a] = act * own.reward[k] + idle * own.passive_reward[o]
            if not transitions:
                continue
            passive = own.passive_transition + o * n_passive
            cells = out.passive_transition + at * K0
            for k in range(K0):
                cells[k] = 0
            for k in range(n_cells):
                cells[k] = 1 if stays else passive[k]
            for a in range(A):
                row = own.transition + (o * n_actions + (a if a < n_actions else 0)) * n_own
                cells = out.transition + (at * A + a) * K
                for k in range(K):
                    cells[k] = 0
                for k in range(n_own):
                    cells[k] = act * row[k]
                if idle > 0:
                    cells += n_own
                    for k in range(n_cells):
                        cells[k] = idle if stays else idle * passive[k]

    cdef int tables(self, Shape shape, int t, const double *seen, double *scratch, Tables *out, bint everything,
                    bint transitions) except -1 nogil:
        """Write the tables of this type and of those after it to `out`."""
        cdef Tables own
        cdef Py_ssize_t S = self.model.n_observations, A = self.model.n_actions
        cdef bint stretched = self.manner == STRETCHED
        cdef double mass
        if self.direct:
            own.reward = out.reward + self.first * A
            own.transition = out.transition + self.first * A * shape.n_cells
            own.passive_reward = out.passive_reward + self.first
            own.passive_transition = out.passive_transition + self.first * shape.n_passive_cells
            self.model.tables_at(t, seen + self.first, &own, everything or stretched)
        else:
            own.reward = scratch
            own.passive_reward = own.reward + S * A
            own.transition = own.passive_reward + S
            own.passive_transition = own.transition + S * A * self.model.n_successors
            self.model.tables_at(t, seen + self.first, &own, True)
        if stretched:
            mass = self.mass(seen)
            if not -WHOLE <= mass - 1 <= WHOLE:
                self.affine.stretch_tables(mass, &own)
        if not self.direct:
            self.fill(shape, &own, out, transitions)
        if self.last:
            return 0
        return self.rest.tables(shape, t, seen, scratch, out, everything, transitions)

    cdef int own_row(
        self, int t, int o, int action, const double *seen, double *probabilities, double *reward
    ) except -1 nogil:
        cdef double mass
        checked_row(self.model, t, o, action, seen + self.first, probabilities, reward)
        if self.manner == STRETCHED:
            mass = self.mass(seen)
            if not -WHOLE <= mass - 1 <= WHOLE:
                self.affine.stretch_row(o, action, mass, probabilities, reward)
        return 0

    cdef int row(self, Shape shape, int t, Py_ssize_t observation, int action, const double *seen, double *scratch,
                 double *probabilities, double *reward) except -1 nogil:
        """Write the row of one observation of this block or of one after it."""
        cdef Py_ssize_t k, n_own = self.model.n_successors, n_cells = self.model.n_passive_successors
        cdef int here = <int>(observation - self.first)
        cdef double passive_reward
        if here >= self.model.n_observations:
            return self.rest.row(shape, t, observation, action, seen, scratch, probabilities, reward)
        if self.model.passive_identity:
            n_cells = 1
        for k in range(shape.n_passive_cells if action < 0 else shape.n_cells):
            probabilities[k] = 0
        if action < 0 or self.rate < 1:
            self.own_row(t, here, -1, seen, scratch, &passive_reward)
            if self.model.passive_identity:
                scratch[0] = 1
            if action < 0:
                for k in range(n_cells):
                    probabilities[k] = scratch[k]
                reward[0] = passive_reward
                return 0
            for k in range(n_cells):
                probabilities[n_own + k] = (1 - self.rate) * scratch[k]
        if action >= self.model.n_actions:
            action = 0
        self.own_row(t, here, action, seen, scratch, reward)
        for k in range(n_own):
            probabilities[k] = self.rate * scratch[k]
        if self.rate < 1:
            reward[0] = self.rate * reward[0] + (1 - self.rate) * passive_reward
        return 0


cdef class Typed(Model):
    """M models, one per type, each with its own mixture of the population.

    Parameters
    ----------
    models : sequence of Model
        One per type, with S_i observations and A_i <= A = max A_i actions. Actions from A_i on are illegal, and have
        the rows of action 0, which are those of the first legal action.
    rates : array_like of float, shape (M,)
        Share of its turns at which an agent of the type acts, in (0, 1]; at the others it is passive.
    indptr, indices : ndarray of int32; weights : ndarray of float64
        The coupling C (S, S) by rows (CSR): C mu holds the x_i, type after type.
    names : sequence of str, length M
        Names of the types, for errors.
    manners : sequence of int, length M
        The population that the model of a type gets: x_i (0); x_i, with its sum, if the model is affine (1); x_i
        divided by its sum (2). The caller guarantees that rows are distributions.
    """
    cdef Block head
    cdef readonly tuple models, names, manners
    cdef readonly object rates, indptr, indices, weights
    cdef const int32_t[::1] starts, columns
    cdef const double[::1] entries
    cdef Shape shape
    cdef double scratch_size       # a double, as room_for takes it (memory.pxd)

    def __init__(self, models, rates, const int32_t[::1] indptr not None, const int32_t[::1] indices not None,
                 const double[::1] weights not None, names, manners):
        cdef Block block, rest = None
        cdef Model model
        cdef Affine affine
        self.models, self.names, self.manners = tuple(models), tuple(names), tuple(manners)
        self.rates = tuple(float(rate) for rate in rates)
        first = np.concatenate([[0], np.cumsum([m.n_observations for m in self.models])])
        S, A = int(first[len(self.models)]), max(m.n_actions for m in self.models)
        cells, passive_cells, legal = [], [], np.zeros((S, A), bool)
        self.constant = self.constant_transition = self.constant_reward = self.passive_identity = True
        for i in range(len(self.models)):
            model = self.models[i]
            actions = np.minimum(np.arange(A), model.n_actions)
            actions[model.n_actions:] = 0
            places = np.arange(model.n_observations)
            own = model.successors
            if own is None:
                own = np.broadcast_to(places, (model.n_observations, model.n_actions, model.n_observations))
            if model.passive_identity:
                stay = places[:, None]
            elif model.passive_successors is None:
                stay = np.broadcast_to(places, (model.n_observations, model.n_observations))
            else:
                stay = model.passive_successors
            own = own[:, actions]
            if rates[i] < 1:
                idle = np.broadcast_to(stay[:, None], (model.n_observations, A, stay.shape[1]))
                own = np.concatenate([own, idle], axis=-1)
            legal[first[i] : first[i + 1], : model.n_actions] = True if model.legal is None else model.legal
            cells.append(own + first[i])
            passive_cells.append(stay + first[i])
            self.constant &= model.constant
            self.constant_transition &= model.constant_transition
            self.constant_reward &= model.constant_reward
            if self.manners[i] == STRETCHED:
                affine = model                                   # TypeError if the model is not affine
                self.constant &= not affine.by_mass
                self.constant_reward &= not affine.by_mass
                self.constant_transition &= affine.active.rigid and affine.passive.rigid
            self.passive_identity &= model.passive_identity
        self.set_shape(S, A, together(cells), together(passive_cells))
        self.set_legal(legal)
        if (indptr.shape[0] != S + 1 or indices.shape[0] != weights.shape[0] or indptr[0] != 0
                or indptr[S] != indices.shape[0] or np.any(np.diff(indptr) < 0)
                or (indices.shape[0] and not 0 <= np.min(indices) <= np.max(indices) < S)):
            raise ValueError(f"indptr, indices and weights are not a CSR matrix of shape ({S}, {S})")
        for i in range(len(self.models) - 1, -1, -1):
            block = Block()
            block.model = model = self.models[i]
            block.rest = rest
            block.last = rest is None
            block.first = first[i]
            block.rate = rates[i]
            block.name = self.names[i]
            block.manner = self.manners[i]
            if block.manner == STRETCHED:
                block.affine = model
            block.direct = (
                rates[i] == 1 and model.n_actions == A and model.n_successors == self.n_successors
                and model.n_passive_successors == self.n_passive_successors
                and (model.n_passive_successors == 1 or not model.passive_identity))      # identities need cell 0
            self.scratch_size = max(self.scratch_size, <double>model.n_observations * (
                (model.n_actions * (1 + model.n_successors) + 1 + model.n_passive_successors)))
            rest = block
        self.head = rest
        self.shape = Shape(self.n_actions, self.n_successors, self.n_passive_successors)
        self.indptr, self.indices, self.weights = np.asarray(indptr), np.asarray(indices), np.asarray(weights)
        self.starts, self.columns, self.entries = indptr, indices, weights
        self.trusted = True

    def neighbourhoods(self, Py_ssize_t n_seen):
        """W (M, M), if C has W_ij on the diagonals of its blocks and all types have `n_seen` observations.

        Raises
        ------
        ValueError
            Another number of observations; a C that is no such matrix, or a type that is coupled to none.
        """
        import scipy.sparse as sp

        for name, model in zip(self.names, self.models):
            if model.n_observations != n_seen:
                raise ValueError(f"policy is for S = {n_seen} observations, and {name} has {model.n_observations}; all "
                                 "types must have as many as the policy, or the policy as many as the whole game")
        whole = sp.csr_array((self.weights, self.indices, self.indptr), shape=(self.n_observations,) * 2)
        found = whole[::n_seen, ::n_seen].toarray()
        if abs(whole - sp.kron(found, sp.eye_array(n_seen), format="csr")).max() > 0:
            raise ValueError("coupling is a matrix over all observations; must be one over types, W (M, M), for a "
                             "policy of agents who sample their neighbourhood")
        empty = found.sum(axis=1) == 0
        if empty.any():
            i = int(np.argmax(empty))
            raise ValueError(f"coupling[{i}, :] is 0; must have a positive entry, since {self.names[i]} samples its "
                             "neighbourhood")
        return found

    cdef double *look(self, const double *mu) except NULL nogil:
        """Allocate C mu (S,), scaled as the manners ask, followed by scratch memory; the caller frees it."""
        cdef Py_ssize_t o, k
        cdef double total
        cdef bint looked = False
        cdef double *seen = <double *>room_for(
            <double>self.n_observations + self.scratch_size, sizeof(double), b"the tables of the types")
        for o in range(self.n_observations):
            total = 0
            for k in range(self.starts[o], self.starts[o + 1]):
                total += self.entries[k] * mu[self.columns[k]]
            seen[o] = total
        try:
            self.head.look(mu, seen)
            looked = True
        finally:
            if not looked:
                free(seen)
        return seen

    cdef int row_at(
        self, int t, int observation, int action, const double *mu, double *probabilities, double *reward
    ) except -1 nogil:
        cdef double *seen = self.look(mu)
        try:
            self.head.row(self.shape, t, observation, action, seen, seen + self.n_observations, probabilities, reward)
        finally:
            free(seen)
        return 0

    cdef int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil:
        cdef double *seen
        if self.constant and not everything:
            return 0
        seen = self.look(mu)
        try:
            self.head.tables(self.shape, t, seen, seen + self.n_observations, tables, everything,
                             everything or not self.constant_transition)
        finally:
            free(seen)
        return 0


cdef object together(list blocks):
    """Successors of all types, with rows as long as the longest: added cells repeat the first, with probability 0."""
    n_cells = max(block.shape[block.ndim - 1] for block in blocks)
    return np.concatenate([
        np.concatenate([block, np.repeat(block[..., :1], n_cells - block.shape[block.ndim - 1], axis=-1)], axis=-1)
        for block in blocks])
