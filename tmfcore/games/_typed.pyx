"""Agents of several fixed types: one model made of a model for each type, coupled through what each type sees.

Source     the multi-type (multi-population) mean-field game; with a coupling matrix, the graphon game on blocks.
Notation   model.pxd; M types, S_i observations of type i, S = sum_i S_i, mu (S,) the share of all agents at each
           (type, observation), x_i = C_i mu (S_i,) what type i sees in place of a population distribution.
Contract   an agent keeps its type: rows of block i lead into block i. Rows come from the types' models, checked there;
           x_i need not sum to 1, so that models whose rows are distributions only where it does (games.affine,
           games.linear_quadratic) have a `manner` of their own, which games.typed chooses and checks.
"""
from libc.stdint cimport int32_t
from libc.stdlib cimport free

import numpy as np

from tmfcore.games._affine cimport Affine
from tmfcore._base.memory cimport room_for
from tmfcore._model.model cimport Model, Tables, checked_row

cdef enum:
    PLAIN = 0                  # shown x_i
    STRETCHED = 1              # shown x_i, whose sum an affine model must be told
    SCALED = 2                 # shown x_i over its sum

cdef double WHOLE = 1e-12      # a sum that is 1 but for rounding


cdef struct Shape:                           # of the tables of all types together
    Py_ssize_t n_actions, n_cells, n_passive_cells


cdef class Block:
    """One type: its model, its place among all observations, and the types after it."""
    cdef Model model
    cdef Block rest                          # None after the last type
    cdef bint last
    cdef Py_ssize_t first                    # its first observation
    cdef double rate                         # share of its turns that an agent of this type takes
    cdef bint direct                         # its tables have the shape of the whole model's
    cdef int manner
    cdef Affine affine                       # the model where it is stretched
    cdef str name

    cdef double mass(self, const double *seen) noexcept nogil:
        """What the distribution that is shown to this type sums to."""
        cdef Py_ssize_t o
        cdef double total = 0
        for o in range(self.first, self.first + self.model.n_observations):
            total += seen[o]
        return total

    cdef int look(self, const double *mu, double *seen) except -1 nogil:
        """Scale what is shown to this type, and to those after it, to sum to 1 where it must."""
        cdef Py_ssize_t o, size = self.model.n_observations
        cdef double total, present = 0
        if self.manner == SCALED:
            total = self.mass(seen)
            if not total > 0:
                for o in range(self.first, self.first + size):
                    present += mu[o]
                if present > 0:
                    with gil:
                        raise ValueError(f"{self.name} is shown an empty population at mu; every type must see some "
                                         "agent: take more agents, or a coupling with fewer zeros")
            for o in range(self.first, self.first + size):      # where none of the type is, any distribution will do
                seen[o] = seen[o] / total if total > 0 else 1.0 / size
        return 0 if self.last else self.rest.look(mu, seen)

    cdef void fill(self, Shape shape, Tables *own, Tables *out, bint transitions) noexcept nogil:
        """The type's tables `own`, widened to the shape of all types', into those."""
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
        """The tables of this type and of those after it."""
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
        """The row of one observation, which lies in this block or in one after it."""
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
    """M models side by side, each shown its own mixture of the population.

    Parameters
    ----------
    models : sequence of Model
        One a type; S_i observations and A_i <= A = max A_i actions each. Actions from A_i on do what action 0 does.
    rates : array_like of float, shape (M,)
        Share of its turns an agent of the type takes, in (0, 1]; at the others it is passive.
    indptr, indices : ndarray of int32; weights : ndarray of float64
        The coupling C (S, S) by rows (CSR): what the types see is C mu, type after type.
    names : sequence of str, length M
        For the record, and for errors.
    manners : sequence of int, length M
        How what a type is shown meets its model: as it is (0); as it is, in an affine model that is told its sum (1);
        scaled to sum to 1 (2). The caller answers for rows that are distributions.
    """
    cdef Block head
    cdef readonly tuple models, names, manners
    cdef readonly object rates, indptr, indices, weights
    cdef const int32_t[::1] starts, columns
    cdef const double[::1] entries
    cdef Shape shape
    cdef double scratch_size       # a double: see _memory.pxd

    def __init__(self, models, rates, const int32_t[::1] indptr not None, const int32_t[::1] indices not None,
                 const double[::1] weights not None, names, manners):
        cdef Block block, rest = None
        cdef Model model
        cdef Affine affine
        self.models, self.names, self.manners = tuple(models), tuple(names), tuple(manners)
        self.rates = tuple(float(rate) for rate in rates)
        first = np.concatenate([[0], np.cumsum([m.n_observations for m in self.models])])
        S, A = int(first[len(self.models)]), max(m.n_actions for m in self.models)
        cells, passive_cells = [], []
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
            cells.append(own + first[i])
            passive_cells.append(stay + first[i])
            self.constant &= model.constant
            self.constant_transition &= model.constant_transition
            self.constant_reward &= model.constant_reward
            if self.manners[i] == STRETCHED:
                affine = model                                   # TypeError for another model
                self.constant &= not affine.by_mass
                self.constant_reward &= not affine.by_mass
                self.constant_transition &= affine.active.rigid and affine.passive.rigid
            self.passive_identity &= model.passive_identity
        self.set_shape(S, A, together(cells), together(passive_cells))
        if (indptr.shape[0] != S + 1 or indices.shape[0] != weights.shape[0] or indptr[0] != 0
                or indptr[S] != indices.shape[0] or np.any(np.diff(indptr) < 0)
                or (indices.shape[0] and not 0 <= np.min(indices) <= np.max(indices) < S)):
            raise ValueError(f"indptr, indices and weights are no matrix ({S}, {S}) by rows")
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
                and (model.n_passive_successors == 1 or not model.passive_identity))      # rows have it in cell 0
            self.scratch_size = max(self.scratch_size, <double>model.n_observations * (
                (model.n_actions * (1 + model.n_successors) + 1 + model.n_passive_successors)))
            rest = block
        self.head = rest
        self.shape = Shape(self.n_actions, self.n_successors, self.n_passive_successors)
        self.indptr, self.indices, self.weights = np.asarray(indptr), np.asarray(indices), np.asarray(weights)
        self.starts, self.columns, self.entries = indptr, indices, weights
        self.trusted = True

    cdef double *look(self, const double *mu) except NULL nogil:
        """C mu (S,), then scratch: the caller frees it."""
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
    """Successors of all types, with as many cells a row as the longest: the rest repeat the first, at probability 0."""
    n_cells = max(block.shape[block.ndim - 1] for block in blocks)
    return np.concatenate([
        np.concatenate([block, np.repeat(block[..., :1], n_cells - block.shape[block.ndim - 1], axis=-1)], axis=-1)
        for block in blocks])
