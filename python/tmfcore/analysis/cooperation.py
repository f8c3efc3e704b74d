"""What selfish agents lose, and prices that make them do what is best for all (Theory, section 14).

price_of_anarchy(...) -> PriceOfAnarchy     welfare at a Nash equilibrium and at a social optimum, as found
tolls(...) -> Tolls                         what an agent costs all others, as a price of being at an observation
Tolls.charge(game)                          the game in which agents pay it
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.validation import FloatArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.exploitability import judged
from tmfcore._limit.flows import Flow, flow_of
from tmfcore._limit.pricing import extra_of
from tmfcore._limit.sizes import flow_needs
from tmfcore._model import appearance
from tmfcore._model.fingerprint import Fingerprint, same
from tmfcore._model.game import Game, in_steps
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.schedules import Schedule, as_schedule
from tmfcore._model.wrapped import Charged
from tmfcore._random import seeding
from tmfcore._results.result import Result
from tmfcore._results.tables import Table
from tmfcore.solvers import Solution, solve
from tmfcore.solvers.auto import OWN, Own

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PriceOfAnarchy", "Tolls", "price_of_anarchy", "tolls"]


@dataclass(frozen=True, eq=False, repr=False)
class PriceOfAnarchy(Result[Literal["welfare"]]):
    """Welfare at the Nash equilibrium and at the social optimum that were found.

    Parameters
    ----------
    nash : Solution
        With altruism 0.
    optimum : Solution
        With altruism 1: of the solves made, the one with the highest welfare.

    Notes
    -----
    Nothing is claimed beyond what was found: there may be other equilibria, and policies of higher welfare. Both are as
    exact as `exploitability` of the two Solutions says. `plot` draws the two welfares.
    """

    nash: Solution
    optimum: Solution

    @property
    def loss(self) -> float:
        """Welfare at the optimum minus that at the equilibrium, per agent."""
        return self.optimum.mean_return - self.nash.mean_return

    @property
    def ratio(self) -> float:
        """The price of anarchy, 1 if nothing is lost: of costs (welfares < 0) nash / optimum, of gains optimum / nash.

        NaN if one welfare is positive and the other is not, since then their ratio means nothing.
        """
        low, high = self.nash.mean_return, self.optimum.mean_return
        if low < 0 and high < 0:
            return low / high
        return high / low if low > 0 and high > 0 else float("nan")

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.nash.game
        yield "schedule", self.nash.schedule
        yield "price of anarchy", self.ratio
        yield "welfare at Nash", self.nash.mean_return
        yield "at the optimum", self.optimum.mean_return

    def _table(self) -> Table:
        both = (self.nash, self.optimum)
        columns = {
            "welfare": (("altruism",), np.array([each.mean_return for each in both])),
            "exploitability": (("altruism",), np.array([each.exploitability for each in both])),
        }
        facts = {"ratio": self.ratio, "loss": self.loss}
        return Table({"altruism": np.array([0.0, 1.0])}, columns, "welfare", {}, facts)

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        found = [self.nash.mean_return, self.optimum.mean_return]
        return plotting.intervals(
            ["Nash equilibrium", "social optimum"], found, found, estimate=found,
            quantity="welfare (units of return)", **style,
        )  # fmt: skip


@takes_rng
@fits_memory(SMALLER_GAME, asks=True)
def price_of_anarchy(
    game: Game,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    nash: Solution | None = None,
    optimum: Solution | None = None,
    solver: Any = None,
    iterations: int | None = None,
    time_limit: float | None = None,
    tolerance: float | Own | None = OWN,
    absolute_tolerance: float | Own | None = OWN,
    rng: seeding.RNG = None,
) -> PriceOfAnarchy:
    """Compare the welfare of a Nash equilibrium with that of a social optimum, as `solve` finds them.

    The equilibrium is `solve(game, schedule, n_agents)`. The optimum is the better one of two solves with altruism=1,
    from the first policy of the solvers and from the equilibrium.

    Parameters
    ----------
    game : Game
    schedule : Schedule
    n_agents : int or None, optional
        As in `solve`.
    nash, optimum : Solution or None, optional
        Solutions of the same game, schedule and N that are at hand, with altruism 0 and 1; they are not solved again.
    solver, iterations, time_limit, tolerance, absolute_tolerance, rng : optional
        As in `solve`, for every solve.

    Returns
    -------
    PriceOfAnarchy

    Raises
    ------
    TypeError, ValueError
        As in `solve`; nash or optimum is a Solution of another game, or with another altruism.

    Warns
    -----
    ConvergenceWarning
        A solve has not met its tolerance.

    Examples
    --------
    Pigou's two roads: one takes an hour, the other as many hours as the share of the drivers on it.

    >>> import tmfcore as tmf
    >>> roads = tmf.games.resource_selection(
    ...     (-1.0, 0.0), congestion=(0.0, 1.0), switching_cost=0.0, horizon=30, discount=1.0, initial=(0.0, 1.0))
    >>> found = tmf.analysis.price_of_anarchy(roads, tmf.Synchronous(), tolerance=1e-6)
    >>> print(f"{found.ratio:.2f}")
    1.32
    """
    check.as_instance(game, "game", Game)
    n_agents = None if n_agents is None else check.as_positive_int(n_agents, "n_agents")
    options: dict[str, Any] = {
        "solver": solver, "iterations": iterations, "time_limit": time_limit, "tolerance": tolerance,
        "absolute_tolerance": absolute_tolerance, "rng": rng,
    }  # fmt: skip
    played = game if isinstance(as_schedule(schedule), Poisson) else in_steps(game, schedule, n_agents, random=True)
    own = Fingerprint.of(played, schedule, n_agents, "schedule")
    for name, solution, altruism in (("nash", nash, 0.0), ("optimum", optimum, 1.0)):
        if solution is not None:
            same(name, check.as_instance(solution, name, Solution).fingerprint, own)
            found = solution.solver.get("altruism", 0.0)
            if found != altruism:
                raise ValueError(f"{name} was found with altruism {found:g}; must be {altruism:g}")
    if nash is None:
        nash = solve(game, schedule, n_agents, **options)
    if optimum is None:
        starts = (None, nash.policy)
        tried = [solve(game, schedule, n_agents, altruism=1.0, initial=start, **options) for start in starts]
        optimum = max(tried, key=lambda solution: solution.mean_return)
    return PriceOfAnarchy._made(nash=nash, optimum=optimum)


@dataclass(frozen=True, eq=False, repr=False)
class Tolls(Result[Literal["auto", "lines", "heat", "profiles", "snapshots"]]):
    """What an agent costs all others, as a price of being at an observation at a step.

    Parameters
    ----------
    prices : (T, S) float64
        max_y E_t(y) - E_t(o) >= 0, in units of return at step t: 0 where an agent costs the others least.
    flow : Flow
        The flow of the policy.
    welfare : float
        The mean return of the agents, before they pay.
    revenue : float
        The discounted payments per agent, sum_t gamma^t sum_o mu_t(o) prices_t(o).
    game : str
        Name.
    fingerprint : Fingerprint or None
        Of game, schedule, N and policy.

    Notes
    -----
    A constant per step does not change what agents do, since every agent pays it. `plot` draws the prices over time.
    """

    SHAPES: ClassVar[dict[str, str]] = {"prices": "T S"}
    RANGES: ClassVar[dict[str, str]] = {"finite": "prices welfare revenue", ">= 0": "prices"}

    prices: FloatArray
    flow: Flow
    welfare: float
    revenue: float
    game: str = ""
    fingerprint: Fingerprint | None = None

    def charge(self, game: Game) -> Game:
        """The game in which agents pay the prices.

        A policy has the same exploitability there as with altruism 1 in `game`, if the prices are those of its flow. So
        a social optimum is a Nash equilibrium there.

        Parameters
        ----------
        game : Game
            The game of the prices.

        Returns
        -------
        Game
            In steps; rewards are those of `game` minus the prices.

        Raises
        ------
        TypeError, ValueError
            Another game.
        """
        check.as_instance(game, "game", Game)
        same("game", Fingerprint.of(game), self.fingerprint, ("game",))
        return charged(game._like(len(self.prices), self.flow.step), self.prices)

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "T", self.prices.shape[0]
        yield "S", self.prices.shape[1]
        yield "largest price", float(self.prices.max())
        yield "welfare", self.welfare
        yield "revenue", self.revenue

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting

        flow = self.flow
        times = np.arange(len(self.prices)) * flow.step
        return plotting.over_time(
            plotting.Course(times, self.prices), appearance.labels_of(flow, self.prices.shape[1]),
            flow.observation_shape, kind=kind, shares=False, quantity="toll (units of return)", unit=flow.time, **style,
        )  # fmt: skip


def charged(game: Game, prices: FloatArray) -> Game:
    """A game in steps in which agents at o pay prices_t(o) at step t."""
    return Game._trusted(
        Charged(game.model, prices), game.n_steps, game.discount, game.initial, step=game.dt,
        successors=game.successors, passive_successors=game.passive_successors,
        recipe=partial(charged, game, prices) if game._pickles else None, **game._look(),
    )  # fmt: skip


@fits_memory(SMALLER_GAME, asks=True)
def tolls(game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int | None = None) -> Tolls:
    """The prices at which agents pay for what they do to all others (Pigou), at the flow of a policy.

    Parameters
    ----------
    game : Game
    policy : Solution, or any policy of the game
        Most often a Solution with altruism=1, a social optimum: where agents pay its prices, it is a Nash equilibrium.
    schedule : Schedule
    n_agents : int or None, optional
        N, to convert batch sizes to fractions, as in mean_field.

    Returns
    -------
    Tolls

    Raises
    ------
    TypeError, ValueError
        Bad arguments; random noise, or Poisson clocks.

    Notes
    -----
    Theory, section 14. Cost: O(T S A K) time, and the derivatives of the game in mu at every step; O(T S) memory.

    Examples
    --------
    Pigou's two roads: each driver on the second one costs all others half an hour.

    >>> import tmfcore as tmf
    >>> roads = tmf.games.resource_selection((-1.0, 0.0), congestion=(0.0, 1.0), switching_cost=0.0, initial=(0.5, 0.5))
    >>> found = tmf.analysis.tolls(roads, tmf.TabularPolicy.uniform(roads), tmf.Synchronous())
    >>> print(found.prices[0])
    [0.  0.5]
    """
    check.as_instance(game, "game", Game)
    whole, game = game, in_steps(game, schedule, n_agents)
    kernel, active = as_policy(policy, game), active_fractions(game, schedule, n_agents)
    needs.ask(flow_needs(game, active, 1) | {"prices": (8, game.n_steps, game.n_observations)})
    mu = np.empty((game.n_steps + 1, game.n_observations))
    _, _, welfare = judged(game, kernel, active, False, mu)
    externality = extra_of(1.0, game.model, game.discount, kernel, mu, active)
    assert externality is not None, "altruism is 1"
    prices = externality.max(axis=1, keepdims=True) - externality
    paid = (mu[:-1] * prices).sum(axis=1)
    steps = np.arange(game.n_steps + 1, dtype=np.int64)
    limit = Fingerprint.of(whole, schedule, n_agents)
    return Tolls._made(
        prices=prices, flow=flow_of(game, mu, steps, active, limit), welfare=welfare,
        revenue=float(paid @ game.discount ** np.arange(game.n_steps)), game=game.name,
        fingerprint=Fingerprint.of(whole, schedule, n_agents, policy=kernel),
    )  # fmt: skip
