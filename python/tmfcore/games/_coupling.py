"""The coupling of a typed game: the vector x = C mu that each type gets, and whether its game is valid at x.

A game is made for population distributions. x is a distribution if every agent has weight 1 in it. Otherwise the sum of
x is not 1, and rows that are distributions for every distribution mu need not be distributions at x. The model of a
type gets x in one of three ways, numbered as in the kernel:

    PLAIN       x itself: it is a distribution, or the rows are valid for every x >= 0
    STRETCHED   x itself, in an affine model that takes its sum into account; the rows are valid at every column of C,
                hence at every C mu
    SCALED      x divided by its sum, which is 1 in the limit, and near 1 for N agents, whose numbers by type are
                rounded or drawn
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs
from tmfcore._model.model import Model
from tmfcore.games._affine import Affine
from tmfcore.games._affine_rows import Rows
from tmfcore.games._linear_quadratic import LinearQuadratic
from tmfcore.games._majority import Majority
from tmfcore.games._pairwise import PairwiseRevision
from tmfcore.games._routing import Routing
from tmfcore.games._typed import Typed

PLAIN, STRETCHED, SCALED = range(3)
EQUAL = 1e-9  # sums that differ by less are equal
NEAR = 1e-7  # tolerance on the sum of x, from the tolerances of `shares` and of initial distributions
ROUNDING = 1e-12  # negative entries smaller than this share of their terms count as 0, as in the kernel
ENTRIES = 1 << 20  # number of entries of rows (at all columns) that are checked together


@dataclass(frozen=True)
class Coupling:
    """C (S, S), a scipy.sparse.csr_array, and W (M, M) if it was given."""

    matrix: Any
    weights: FloatArray | None

    @property
    def given(self) -> Any:
        """The argument that makes it again."""
        return self.matrix if self.weights is None else self.weights

    def entry(self, i: int, rows: slice, column: int, sizes: Sequence[int]) -> tuple[str, float]:
        """Name and value of the entry with which agents at `column` count for type i."""
        if self.weights is not None:
            j = int(np.searchsorted(np.cumsum(sizes), column, side="right"))
            return f"coupling[{i}, {j}]", float(self.weights[i, j])
        shown = self.matrix[rows, :][:, [column]].toarray().ravel()
        row = int(np.argmax(shown))
        return f"coupling[{rows.start + row}, {column}]", float(shown[row])


def read(coupling: object, sizes: list[int], needed: Needs) -> Coupling:
    """C from W, C or None, checked; asks for its memory, and for what else is `needed`."""
    import scipy.sparse as sp  # slow to import

    n_types, n_observations = len(sizes), sum(sizes)
    if coupling is None:
        coupling = np.ones((n_types, n_types))
    whole = (n_observations, n_observations)
    if sp.issparse(coupling):
        given: Any = coupling
        needs.ask({**needed, "coupling": (40, int(given.nnz))})
        matrix = given.tocsr().astype(np.float64)
        if matrix.shape != whole:
            raise ValueError(f"coupling has shape {matrix.shape}; must be {whole} = (S, S)")
        matrix.sum_duplicates()
        check.as_float_array(matrix.data, "coupling.data", shape=(matrix.nnz,), letters="nnz", low=0.0)
        return Coupling(sp.csr_array(matrix), None)
    weights = check.as_float_array(
        coupling, "coupling", shape=[whole, (n_types, n_types)], letters=["S, S", "M, M"], low=0.0
    )
    if weights.shape == whole:
        needs.ask({**needed, "coupling": (24, int(np.count_nonzero(weights)))})
        return Coupling(sp.csr_array(weights), None)
    entries_of = np.count_nonzero(weights, axis=1) * sizes
    needs.ask({**needed, "coupling": (64, int(entries_of.sum())), "weights": (40, n_types, n_types)})
    pairs = np.argwhere(weights)
    for i, j in pairs:
        if sizes[i] != sizes[j]:
            raise ValueError(
                f"coupling[{i}, {j}] is {weights[i, j]:g}, but type {i} has {sizes[i]} observations and type {j} has "
                f"{sizes[j]}; must be 0, or pass a matrix (S, S) = {whole}"
            )
    size, first = np.array(sizes), np.cumsum(sizes) - sizes
    length = size[pairs[:, 0]]  # W_ij is on the diagonal of a block
    along = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    rows, columns = (np.repeat(first[of], length) + along for of in pairs.T)
    entries = np.repeat(weights[*pairs.T], length)
    return Coupling(sp.csr_array((entries, (rows, columns)), shape=whole), weights)


def settle(coupling: Coupling, models: Sequence[Model], initial: FloatArray) -> tuple[list[Model], list[int]]:
    """The models to use, and for each the way in which it gets x: PLAIN, STRETCHED or SCALED.

    Raises
    ------
    ValueError
        A coupling for which rows of some model would not be distributions, or its formulas would not apply.
    """
    sizes = [model.n_observations for model in models]
    ends = np.cumsum(sizes).tolist()
    found, manners = [], []
    for i, model in enumerate(models):
        rows = slice(ends[i] - sizes[i], ends[i])
        sight = _Sight(coupling, i, rows, sizes, tuple(_leaves(models, initial)))
        model_too, manner = sight.of(model, coupling.matrix[rows, :])
        found.append(model_too)
        manners.append(manner)
    return found, manners


@dataclass(frozen=True)
class _Leaf:
    """The agents of one type that has no types inside: their model, their observations, and their share."""

    model: Model
    here: slice
    share: float


def _leaves(models: Sequence[Model], initial: FloatArray, first: int = 0) -> Iterator[_Leaf]:
    for model in models:
        if isinstance(model, Typed):
            yield from _leaves(model.models, initial, first)
        else:
            here = slice(first, first + model.n_observations)
            yield _Leaf(model, here, float(initial[here].sum()))
        first += model.n_observations


@dataclass(frozen=True)
class _Sight:
    """The coupling of type i to the agents of all types."""

    coupling: Coupling
    i: int
    rows: slice
    sizes: list[int]
    leaves: tuple[_Leaf, ...]

    def of(self, model: Model, matrix: Any) -> tuple[Model, int]:
        """The model to use, and the way in which it gets x = matrix @ mu, (S_i, S) times (S,)."""
        if isinstance(model, Typed):
            return self._nested(model, matrix), PLAIN
        sums = np.asarray(matrix.sum(axis=0)).ravel()
        if (np.abs(sums - 1) <= EQUAL).all():
            return model, PLAIN
        if isinstance(model, Routing):
            self._check_roads(model, matrix)
        elif isinstance(model, (LinearQuadratic, Majority, PairwiseRevision)):
            if not self._whole(sums):
                what = "the mean position is that" if isinstance(model, LinearQuadratic) else "agents meet those"
                self._refuse_sum(sums, f"{what} of a population that sums to 1")
            return model, SCALED
        elif isinstance(model, Affine) and model.by_mass:
            if model.active.rigid and model.passive.rigid:
                return model, STRETCHED
            if self._whole(sums):
                return model, SCALED
            for table, name, n_actions in (
                (model.active, "transition row", model.n_actions), (model.passive, "passive transition row", 0)
            ):  # fmt: skip
                self._check_rows(table, name, n_actions, matrix, sums)
            return model, STRETCHED
        return model, PLAIN

    def _nested(self, model: Typed, matrix: Any) -> Typed:
        import scipy.sparse as sp

        size = model.n_observations
        own = sp.csr_array((model.weights, model.indices, model.indptr), shape=(size, size)) @ matrix
        models, manners, first = [], [], 0
        for part in model.models:
            part_too, manner = self.of(part, own[first : first + part.n_observations, :])
            models.append(part_too)
            manners.append(manner)
            first += part.n_observations
        return Typed(models, model.rates, model.indptr, model.indices, model.weights, model.names, manners)

    def _whole(self, sums: FloatArray) -> bool:
        """Whether x sums to 1 for the shares of the types, at every distribution of their agents."""
        total = 0.0
        for leaf in self.leaves:
            if leaf.share > 0:
                part = sums[leaf.here]
                if np.ptp(part) > NEAR:
                    return False
                total += leaf.share * float(part[0])
        return abs(total - 1) <= NEAR

    def _refuse_sum(self, sums: FloatArray, reason: str) -> NoReturn:
        worst = int(np.argmax(np.abs(sums - 1)))
        name, value = self.coupling.entry(self.i, self.rows, worst, self.sizes)
        i = self.i
        if self.coupling.weights is None:
            raise ValueError(
                f"{name} is {value:g}, in a column that sums to {sums[worst]:.6g} over the rows of type {i}; each must "
                f"sum to 1 there: for games[{i}] {reason}. Divide the columns by their sums"
            )
        total = float(sum(leaf.share * sums[leaf.here.start] for leaf in self.leaves))
        remedy = f"divide coupling[{i}, :] by {total:.6g}" if total > 0 else "couple it to a type with agents"
        raise ValueError(
            f"{name} is {value:g}; all of coupling[{i}, :] must be 1, or sum_j coupling[{i}, j] shares[j] = "
            f"{total:.6g} must be 1: for games[{i}] {reason}; {remedy}"
        )

    def _check_rows(self, table: Rows, name: str, n_actions: int, matrix: Any, sums: FloatArray) -> None:
        """Check that rows are distributions at every column of C; then they are at every population."""
        shown, n_columns = matrix.tocsc(), matrix.shape[1]
        n_rows, n_cells = table.shape
        block = max(1, ENTRIES // max(1, n_cells * max(n_columns, table.n_observations)))
        low, high = np.zeros(n_columns), np.full(n_columns, np.inf)  # bounds on a factor of each column
        worst = (0.0, 0, 0, 0)
        for first in range(0, n_rows, block):
            base, moved = table.terms(first, min(block, n_rows - first), shown)
            base = np.broadcast_to(base[..., None], moved.shape)
            off = np.abs((base + moved).sum(axis=1) - 1)
            if not (off <= check.ROW_TOLERANCE).all():
                row = int(np.unravel_index(int(np.argmax(off)), off.shape)[0])
                self._refuse_sum(sums, f"the {_place(name, first + row, n_actions)} sums to 1 only where mu does")
            bad = base + moved < -ROUNDING * (np.abs(base) + np.abs(moved))
            if bad.any():
                row, cell, c = (int(k) for k in np.unravel_index(int(np.argmin(base + moved)), moved.shape))
                worst = min(worst, (float(base[row, cell, c] + moved[row, cell, c]), first + row, cell, c))
                with np.errstate(divide="ignore", invalid="ignore"):
                    factor = -base / moved  # the factor for which an entry is 0
                low = np.maximum(low, np.where(bad & (base < 0), factor, 0.0).max(axis=(0, 1)))
                high = np.minimum(high, np.where(bad & (moved < 0), factor, np.inf).min(axis=(0, 1)))
        found, row, cell, c = worst
        if found == 0:
            return
        entry, value = self.coupling.entry(self.i, self.rows, c, self.sizes)
        alike = [c]
        if self.coupling.weights is not None:
            type_of = np.repeat(np.arange(len(self.sizes)), self.sizes)
            alike = np.flatnonzero(type_of == type_of[c]).tolist()
        least, most = float(low[alike].max()), float(high[alike].min())
        bound = f"at least {least * value:.6g}" if most == np.inf else f"at most {most * value:.6g}"
        if least > most:
            bound = "0: no positive multiple of it is valid"
        raise ValueError(
            f"{entry} is {value:g}; must be {bound}: where all agents are at observation {c}, the "
            f"{_place(name, row, n_actions)} of games[{self.i}] has entry [{cell}] = {found:.6g}, and each must be "
            f">= 0. Or let what the type gets sum to 1, weighted by `shares`: it is then scaled to a distribution"
        )

    def _check_roads(self, model: Routing, matrix: Any) -> None:
        """Check that no link gets more vehicles than its game has travel times for."""
        volumes = np.zeros((len(self.leaves), model.n_links))
        for leaf, volume in zip(self.leaves, volumes, strict=True):
            part = matrix[:, leaf.here]
            weight = float(part[0, 0])
            other = leaf.model
            alike = part.shape[0] == part.shape[1] and abs(part - weight * _eye(part.shape[0])).sum() == 0
            if alike and isinstance(other, Routing) and other.room.shape == model.room.shape:
                volume += leaf.share * weight * other.on_way
            elif leaf.share > 0:
                shown = [model.volumes(np.ascontiguousarray(column)) for column in part.toarray().T]
                volume += leaf.share * np.max(shown, axis=0) / model.vehicles
        over = volumes.sum(axis=0) / model.room
        link = int(np.argmax(over))
        if over[link] > 1 + EQUAL:
            here = self.leaves[int(np.argmax(volumes[:, link]))].here
            column = here.start + int(np.argmax(np.asarray(matrix[:, here].sum(axis=0)).ravel()))
            name, value = self.coupling.entry(self.i, self.rows, column, self.sizes)
            raise ValueError(
                f"{name} is {value:g}; must be at most {value / over[link]:.6g}, with all of coupling[{self.i}, :] "
                f"scaled alike: link {model.network.links[link]} gets {over[link]:.6g} times the vehicles that "
                f"games[{self.i}] has travel times for. Or make that game with max_delay, which cuts longer delays"
            )


def _eye(size: int) -> Any:
    import scipy.sparse as sp

    return sp.eye_array(size)


def _place(name: str, row: int, n_actions: int) -> str:
    return f"{name} [{row // n_actions}, {row % n_actions}]" if n_actions else f"{name} [{row}]"
