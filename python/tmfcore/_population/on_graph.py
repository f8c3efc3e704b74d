"""Agents on a graph: `simulate(graph=)`.

What it takes, and its runs:

    neighbours_of(graph, n_agents)    the graph as the kernel reads it, checked
    GraphRun                          as Run, with neighbours
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.activation import ActingShares
from tmfcore._model.histograms import HistogramPolicy
from tmfcore._population import agents as agents_kernel
from tmfcore._population import names, networked
from tmfcore._population.pauses import Pauses
from tmfcore._population.runs import Run
from tmfcore._random import sampling, seeding

if TYPE_CHECKING:
    import scipy.sparse as sp

__all__ = ["GraphLike", "GraphRun", "Neighbours", "neighbours_of", "refuse_function"]

GraphLike: TypeAlias = "sp.sparray | sp.spmatrix | tuple[npt.ArrayLike, npt.ArrayLike]"

PER_AGENT, PER_EDGE, PER_DRAW = 90e-9, 2e-9, 6e-9  # rough seconds a step


class Neighbours(NamedTuple):
    """Whom each agent sees.

    starts : (N+1,), neighbours : (E,) those of agent i are neighbours[starts[i]:starts[i+1]].
    shares, running : (E,) or None, weights that sum to 1 for each agent, and their running sums; None: all alike.
    """

    starts: IntArray
    neighbours: npt.NDArray[np.int32]
    shares: FloatArray | None
    running: FloatArray | None


def refuse_function(probability: object) -> None:
    """Raise for a probability or a share that is a function of mu."""
    if isinstance(probability, ActingShares) and probability.function is not None:
        raise ValueError(
            f"schedule has {probability.name}, a function of mu; must have numbers with graph, where no two agents see "
            "the same population"
        )


def neighbours_of(graph: GraphLike, n_agents: int) -> Neighbours:
    """The graph, checked; row i has the neighbours of agent i.

    Raises
    ------
    TypeError, ValueError
        Another type; not N rows and columns; a neighbour out of range, a negative weight, an agent without neighbours.
    """
    import scipy.sparse as sp  # slow to import

    weights = None
    if sp.issparse(graph):
        given: Any = graph
        if given.shape != (n_agents, n_agents):
            raise ValueError(f"graph has shape {given.shape}; must be {(n_agents, n_agents)}: a row for each agent")
        needs.ask({"neighbours": (40, int(given.nnz))}, first=True)
        matrix = sp.csr_array(given, copy=True)
        matrix.sum_duplicates()
        data = check.as_float_array(matrix.data, "graph.data", shape=(matrix.nnz,), letters="nnz", low=0.0)
        matrix = sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
        matrix.eliminate_zeros()
        starts, neighbours = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
        if matrix.nnz and (matrix.data != matrix.data[0]).any():
            weights = matrix.data
    elif isinstance(graph, tuple) and len(graph) == 2:
        starts = check.as_int_array(graph[0], "graph[0]", shape=(n_agents + 1,), letters="N+1", low=0)
        ends = check.as_int_array(graph[1], "graph[1]", shape=(None,), letters="E", low=0, high=n_agents - 1)
        if starts[0] != 0 or starts[-1] != len(ends) or (np.diff(starts) < 0).any():
            raise ValueError(
                f"graph[0] must rise from 0 to {len(ends)}, the number of entries of graph[1]: the neighbours of agent "
                "i are graph[1][graph[0][i]:graph[0][i+1]]"
            )
        neighbours = ends.astype(np.int32)
    else:
        raise TypeError(
            f"graph is {say.show(graph)}; must be a scipy sparse matrix (N, N) or a tuple (indptr, indices)"
        )
    alone = np.diff(starts) == 0
    if alone.any():
        i = int(np.argmax(alone))
        raise ValueError(
            f"graph has no neighbours of agent {i} ({say.tally(alone, 'agents')}); each must have at least one, which "
            "may be the agent itself"
        )
    if weights is None:
        return Neighbours(starts, neighbours, None, None)
    totals = np.add.reduceat(weights, starts[:-1])
    shares = weights / np.repeat(totals, np.diff(starts))
    running = np.cumsum(shares)
    running -= np.repeat(running[starts[:-1]] - shares[starts[:-1]], np.diff(starts))
    running[starts[1:] - 1] = 1.0  # to rounding
    return Neighbours(starts, neighbours, shares, running)


class GraphRun(Run):
    """R replicas on one graph; arguments after the graph as for Run."""

    def __init__(self, graph: Neighbours, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.graph = graph
        self.blocks = self.end_observations = None  # its states are not kept

    @staticmethod
    def seconds(graph: Neighbours, policy: object) -> float:
        """Rough seconds of a step."""
        n_agents, drawn = len(graph.starts) - 1, policy.kappa if isinstance(policy, HistogramPolicy) else 0
        return n_agents * (PER_AGENT + PER_DRAW * drawn) + PER_EDGE * len(graph.neighbours)

    def alone(
        self, r: int, seed: seeding.Stream, threads: int, watch: IntArray, pieces: Pauses | None = None,
        state: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Run replica `r`; individuals are those of the graph, and each has any of the places of the start."""
        generator = seeding.generator(seed)
        start = self.start
        if start is None:
            counts = sampling.multinomial(generator.bit_generator, self.n_agents, self.initial)
        else:
            counts = start[r % len(start)]
        key = seeding.key(generator)
        places = np.arange(len(counts), dtype=agents_kernel.observation_dtype(len(counts)))
        stands = places.repeat(counts.astype(np.intp))
        place = np.empty(self.n_agents, np.int64)
        names.numbers(key, counts, 0, place)
        observed = np.empty_like(stands)
        observed[place] = stands
        engine = networked.GraphEngine(self.model, self.policy, self.horizon, *self.graph)
        observations, actions, rewards = (None, None, None) if self.individuals is None else self.individuals[:3]
        self.returns[r] = networked.run(
            engine, key, observed, self.discount, self.batch, self.probability, self.record_every, self.counts[r],
            None if self.decisions is None else self.decisions[r], self.rewards[r], observations, actions, rewards,
            watch=watch[r], so_far=self.returns[r : r + 1],
        )  # fmt: skip
