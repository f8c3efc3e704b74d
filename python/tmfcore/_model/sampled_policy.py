"""Policies of agents that see kappa others instead of the population (Theory, section 15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb, isinf
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore._model.histograms import HistogramPolicy
from tmfcore._model.played import Sees
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SampledPolicy", "histograms"]

FEWER = "kappa must be smaller, or game must have fewer observations"


@dataclass(frozen=True, eq=False, repr=False, init=False)
class SampledPolicy(Result[Literal["table"]], Sees):
    """Action probabilities that depend on the observations of kappa sampled agents.

    An agent that acts draws kappa agents, independently and with replacement, and sees their histogram z (S,), the
    number of them at each observation. At a population mu it acts according to

        pi_kappa(a | o, mu) = sum_z P(z) pi(a | o, z),    z ~ Multinomial(kappa, mu)

    which is a polynomial in mu, and which every function computes exactly, by the sum over all Z = C(kappa + S - 1,
    S - 1) histograms. Since agents draw independently, N agents that see samples and N agents that play pi_kappa at
    mu-hat have the same law. All N agents can be drawn, the one that acts included.

    In a game of types that have S observations each (`games.graphon`, or `games.typed` with a coupling W of types) an
    agent of type i draws from the neighbourhood sum_j W_ij mu_j, scaled to sum 1, and all types play the same table.

    Parameters
    ----------
    table : (Z, S, A) or (L, Z, S, A) floats
        pi(a | o, z), in the order of `histograms`: entries >= 0, every row summing to 1 within 1e-8. (Z, S, A) is
        L = 1; stages are spread evenly over the steps of a game.
    kappa : int
        The agents that are drawn, >= 1.

    Attributes
    ----------
    table : (L, Z, S, A) float64, read-only
    kappa : int

    Raises
    ------
    TypeError, ValueError
        Another shape, a row that is not a distribution, a Z that does not belong to kappa and S.

    Notes
    -----
    A step costs O(Z S A), or O(M Z S A) with M types. Z is 66 for 10 agents at 3 observations, 5151 for 100, and
    92,378 for 10 agents at 10 observations: for small S or small kappa only. An event at which one agent acts costs
    O(Z A).

    `plot` draws pi_kappa at the uniform population, the average of the stages.

    Examples
    --------
    Agents ask one other, and go where it is not:

    >>> import tmfcore as tmf
    >>> tmf.SampledPolicy.histograms(1, 2)
    array([[0, 1],
           [1, 0]])
    >>> policy = tmf.SampledPolicy([[[1, 0], [1, 0]], [[0, 1], [0, 1]]], kappa=1)
    >>> policy.probabilities([0.7, 0.3])
    array([[0.3, 0.7],
           [0.3, 0.7]])
    """

    table: FloatArray
    kappa: int

    def __init__(self, table: FloatsLike, kappa: int) -> None:
        n = check.as_positive_int(kappa, "kappa")
        array = check.as_probabilities(
            table, "table", shape=[(None,) * 3, (None,) * 4], letters=["Z, S, A", "L, Z, S, A"]
        )
        self._settle(array.reshape(-1, *array.shape[-3:]), n)

    def _settle(self, table: FloatArray, kappa: int) -> Self:
        n_seen = table.shape[2]
        wanted = comb(kappa + n_seen - 1, n_seen - 1)
        if table.shape[1] != wanted:
            raise ValueError(
                f"table has Z = {table.shape[1]} histograms; must have {wanted}, those of kappa = {kappa} agents at "
                f"S = {n_seen} observations"
            )
        array = check.frozen(np.ascontiguousarray(table))
        vars(self).update(table=array, kappa=kappa, _kernel=HistogramPolicy(array, kappa))
        return self

    @staticmethod
    @fits_memory("kappa or n_observations must be smaller", asks=True)
    def histograms(kappa: int, n_observations: int) -> IntArray:
        """All histograms of kappa agents, in the order of a table.

        Parameters
        ----------
        kappa : int
        n_observations : int
            S.

        Returns
        -------
        (Z, S) int64
            In lexicographic order; every row sums to kappa.

        Raises
        ------
        TypeError, ValueError
            Not positive integers.
        MemoryError
            They do not fit.
        """
        n, n_obs = check.as_positive_int(kappa, "kappa"), check.as_positive_int(n_observations, "n_observations")
        needs.ask({"histograms": (32, comb(n + n_obs - 1, n_obs - 1), n_obs)})
        return histograms(n, n_obs)

    @classmethod
    @fits_memory(FEWER, asks=True)
    def of(cls, policy: PolicyLike, game: Game, kappa: float, stages: int | None = None) -> Self | PolicyLike:
        """The policy of agents that take z / kappa for the population, and play a policy that depends on it.

        Parameters
        ----------
        policy : any policy of `game`
            Usually one that depends on mu.
        game : Game
            In steps, or in sweeps, of which each is a step here.
        kappa : int or inf
            inf: agents see the population itself; the result is `policy`, unchanged.
        stages : int or None, optional
            L. The table of a stage is that of its first step. None: the stages of the policy, which is 1 for a
            function.

        Returns
        -------
        SampledPolicy
            Of O(L Z S A) entries, for O(L Z) evaluations of the policy.

        Raises
        ------
        TypeError, ValueError
            A policy that is none of the game's; kappa or stages out of range.
        MemoryError
            The table does not fit.

        Examples
        --------
        >>> import tmfcore as tmf
        >>> game = tmf.games.resource_selection([1.0, 0.8], congestion=1.0)
        >>> where_it_is_empty = lambda mu: [[mu[1], mu[0]]] * 2
        >>> tmf.SampledPolicy.of(where_it_is_empty, game, kappa=3)
        SampledPolicy(L=1, Z=4, S=2, A=2, kappa 3)
        """
        check.as_instance(game, "game", Game)
        game = game._trial if game.time == "sweeps" else game
        kernel = as_policy(policy, game)
        if isinstance(kappa, float) and isinf(kappa) and kappa > 0:
            return policy
        n = check.as_positive_int(kappa, "kappa")
        n_steps, n_obs = game.n_steps, game.n_observations
        n_stages = kernel.n_stages if stages is None else check.as_positive_int(stages, "stages", high=n_steps)
        shape = (n_stages, comb(n + n_obs - 1, n_obs - 1), n_obs, game.n_actions)
        needs.ask({"table": (16, *shape), "histograms": (32, shape[1], n_obs)})
        table, shares = np.empty(shape), histograms(n, n_obs) / n
        for stage in range(n_stages):
            t = -(-stage * n_steps // n_stages)  # the first step of the stage
            for z, mu in enumerate(shares):
                table[stage, z] = kernel.probabilities(mu, t, n_steps)
        return object.__new__(cls)._settle(table, n)

    @property
    def n_stages(self) -> int:
        """L, the number of stages of equal length that the horizon is divided into."""
        return int(self.table.shape[0])

    def probabilities(self, mu: FloatsLike, stage: int = 0) -> FloatArray:
        """Action probabilities of agents that draw from a population.

        Parameters
        ----------
        mu : (S,) floats
            The distribution from which they draw.
        stage : int, optional
            0 <= stage < L.

        Returns
        -------
        (S, A) float64
            pi_kappa(a | o, mu).

        Raises
        ------
        TypeError, ValueError
            mu is not a distribution over S observations; stage is out of range.
        """
        mu = check.as_probabilities(mu, "mu", shape=(self.table.shape[2],), letters="S")
        return self.kernel.probabilities(
            mu, check.as_int(stage, "stage", low=0, high=self.n_stages - 1), self.n_stages
        )

    @property
    def kernel(self) -> HistogramPolicy:
        """The compiled policy of games without types."""
        kernel: HistogramPolicy = vars(self)["_kernel"]
        return kernel

    def _in(self, game: Game, name: str) -> HistogramPolicy:
        n_seen, n_actions = self.table.shape[2:]
        have, want = (n_seen, n_actions), (game.n_observations, game.n_actions)
        neighbourhoods = getattr(game.model, "neighbourhoods", None)
        if have == want:
            return self.kernel
        if neighbourhoods is None or n_actions != game.n_actions:
            raise ValueError(f"{name} has (S, A) = {have}; must be the game's, {want}")
        return HistogramPolicy(self.table, self.kappa, neighbourhoods(n_seen))

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield from zip("LZSA", self.table.shape, strict=True)
        yield "kappa", str(self.kappa)

    def _variables(self) -> dict[str, Variable]:
        return {"probability": (("stage", "histogram", "observation", "action"), self.table)}

    def _title(self) -> str:
        return repr(self)

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting

        n_seen = self.table.shape[2]
        mu = np.full(n_seen, 1 / n_seen)
        stages = np.stack([self.probabilities(mu, stage) for stage in range(self.n_stages)])
        return plotting.policy(stages, (), (), (), kind=kind, **style)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return cls(state["table"], state["kappa"])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SampledPolicy):
            return NotImplemented
        return self.kappa == other.kappa and np.array_equal(self.table, other.table)

    def __hash__(self) -> int:
        return hash((self.kappa, self.table.shape, self.table.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return SampledPolicy, (self.table, self.kappa)


def histograms(kappa: int, n_observations: int) -> IntArray:
    """All histograms of kappa agents at n_observations places, in lexicographic order, (Z, n_observations) int64."""
    found = np.zeros((1, 0), np.int64)
    left = np.array([kappa], np.int64)
    for _ in range(n_observations - 1):
        each = left + 1
        again = np.repeat(np.arange(len(left)), each)
        entry = np.arange(len(again)) - np.repeat(np.cumsum(each) - each, each)
        found, left = np.column_stack([found[again], entry]), left[again] - entry
    return np.column_stack([found, left])
