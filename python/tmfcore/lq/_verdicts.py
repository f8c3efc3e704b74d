"""What gains cost each team, and what each would save by its best other gains: exactly, for any number of agents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.validation import FloatArray
from tmfcore._model.schedules import Schedule
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable
from tmfcore.lq._activity import activity
from tmfcore.lq._riccati import SMALLER, GainsLike, TeamSizes, as_gains, ask, values_of
from tmfcore.lq._system import DEVIATIONS, Gains, System
from tmfcore.lq._team_game import LQGame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LQEvaluation", "Mean", "evaluate", "exploitability", "system_of"]

Mean: TypeAlias = Literal["measured", "predicted"]


@dataclass(frozen=True, eq=False, repr=False)
class LQEvaluation(Result[Literal["mean", "deviation"]]):
    """Costs of all teams, and moments of the states.

    Parameters
    ----------
    costs : (N,) float64
        What each team pays in all.
    mean : (T+1, m) float64
        E x~_t, the expected mean of the agents.
    mean_covariance : (T+1, m, m) float64
        Covariance of x~_t: by common noise, and by the noise of finitely many agents.
    deviation : (T+1, m, m) float64
        Expected second moment of x_j - x~, a mean over the agents; 0 between groups.
    schedule : str
        Label.
    n_agents : tuple of ints
        The number of agents in each group; () in the limit.

    Notes
    -----
    `plot` draws "mean", the expected mean of each entry of the state, or "deviation", the standard deviation of the
    agents around it.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "costs": "N", "mean": "T+1 m", "mean_covariance": "T+1 m m'", "deviation": "T+1 m m'"
    }  # fmt: skip
    RANGES: ClassVar[dict[str, str]] = {"finite": "costs mean mean_covariance deviation"}

    costs: FloatArray
    mean: FloatArray
    mean_covariance: FloatArray
    deviation: FloatArray
    schedule: str = ""
    n_agents: tuple[int, ...] = ()

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "schedule", self.schedule
        yield "agents", ", ".join(map(str, self.n_agents)) or "infinitely many"
        yield "costs", ", ".join(f"{cost:.5g}" for cost in self.costs)

    def _variables(self) -> dict[str, Variable]:
        one, two = ("step", "state"), ("step", "state", "other_state")
        return {
            "costs": (("team",), self.costs), "mean": (one, self.mean),
            "mean_covariance": (two, self.mean_covariance), "deviation": (two, self.deviation),
        }  # fmt: skip

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        lines: dict[str, FloatArray] = {}
        for k in range(self.mean.shape[1]):
            spread = np.sqrt(np.maximum(self.deviation[:, k, k], 0.0))
            lines[f"x[{k}]"] = self.mean[:, k] if kind == "mean" else spread
        quantity = "expected mean" if kind == "mean" else "standard deviation of the agents"
        return plotting.by_step(lines, 0.0, level_label="0", quantity=quantity, **style)


def system_of(
    game: LQGame, gains: object, schedule: Schedule, n_agents: Any, mean: Mean
) -> tuple[System, Gains, Gains]:
    """The checked arguments of a verb."""
    check.as_instance(game, "game", LQGame)
    ask(game)
    K, L = as_gains(gains, game)
    acts = activity(schedule, game.horizon, len(game._groups), n_agents)
    return System(game, acts, check.as_choice(mean, "mean", Mean) == "predicted"), K, L


@fits_memory(SMALLER, asks=True)
def evaluate(
    game: LQGame, gains: GainsLike, schedule: Schedule, n_agents: TeamSizes = None, *, mean: Mean = "measured"
) -> LQEvaluation:
    """What each team pays, and moments of the states, exactly.

    Parameters
    ----------
    game : LQGame
    gains : LQSolution, or pair (K, L)
        K and L have one entry per team, (p_i, m) or (T, p_i, m).
    schedule : Schedule
    n_agents : int, (H,) ints or None, optional
        The number of agents, or one for each group. None: the limit.
    mean : {"measured", "predicted"}, optional
        The mean in u = -K (x - mean) - L mean. "measured": of all agents, x~. "predicted": its expectation z given the
        common noise so far, which all agents compute from the gains of all teams. In the limit both are the same.

    Returns
    -------
    LQEvaluation

    Raises
    ------
    TypeError, ValueError
        Bad arguments; a cost is not finite.

    Notes
    -----
    Theory, section 17. Cost: O(T N m^3), whatever the number of agents.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.lq.LQGame(1.1, [0.8, 0.5], [1.0, 0.6], [1.0, 2.0], horizon=3, Q_bar=[3.0, 0.2], noise=1.0)
    >>> gains = tmf.lq.riccati(game, tmf.Synchronous())
    >>> for n_agents in (10, 100, None):
    ...     print(tmf.lq.evaluate(game, gains, tmf.Synchronous(), n_agents).costs.round(4))
    [7.4446 2.8957]
    [6.5938 3.0984]
    [6.4992 3.121 ]
    """
    system, K, L = system_of(game, gains, schedule, n_agents, mean)
    costs = [values_of(system, K, L, i)[1] for i in range(game.n_teams)]
    middle, covariance, Y = system.moments(K, L)
    return LQEvaluation._made(
        costs=np.array(costs), mean=middle, mean_covariance=covariance, deviation=Y, schedule=schedule.label,
        n_agents=system.acts.sizes,
    )  # fmt: skip


@fits_memory(SMALLER, asks=True)
def exploitability(
    game: LQGame, gains: GainsLike, schedule: Schedule, n_agents: TeamSizes = None, *, mean: Mean = "measured"
) -> FloatArray:
    """What each team would save by its best gains, if all others keep theirs; 0 at an equilibrium.

    The team that deviates sees all agents: it has gains of their deviations and of their mean or, if the others predict
    the mean by z, of x~ - z and of z. These are the best of all controls that do not know in advance who will act. All
    know the gains of all, so that z is the expectation also if a team deviates.

    Parameters
    ----------
    game : LQGame
    gains : LQSolution, or pair (K, L)
    schedule : Schedule
    n_agents : int, (H,) ints or None, optional
    mean : {"measured", "predicted"}, optional
        As in `evaluate`.

    Returns
    -------
    (N,) float64
        In units of cost, >= 0 up to rounding.

    Raises
    ------
    TypeError, ValueError
        Bad arguments; the cost of a team has no minimum.

    Notes
    -----
    Theory, section 17. Cost: O(T N m^3), whatever the number of agents.

    Examples
    --------
    The equilibrium of the limit, played by teams of M agents, is one up to O(1/M):

    >>> import tmfcore as tmf
    >>> game = tmf.lq.LQGame(1.1, [0.8, 0.5], [1.0, 0.6], [1.0, 2.0], horizon=3, Q_bar=[3.0, 0.2], noise=1.0)
    >>> gains = tmf.lq.riccati(game, tmf.Synchronous())
    >>> for n_agents in (10, 100, 1000):
    ...     print(tmf.lq.exploitability(game, gains, tmf.Synchronous(), n_agents, mean="predicted").round(6))
    [0.102228 0.003133]
    [0.010223 0.000313]
    [1.022e-03 3.100e-05]
    """
    system, K, L = system_of(game, gains, schedule, n_agents, mean)
    T = game.horizon
    gaps = np.empty(game.n_teams)
    for i in range(game.n_teams):
        own, best = system.last(i), system.last(i)
        for t in range(T - 1, -1, -1):
            k, G = system.gains_at(t, K, L)
            own = system.back(t, i, k, G, own)
            other = [
                [system.respond(t, i, best, gains, part) if j == i else each for j, each in enumerate(gains)]
                for part, gains in enumerate([k, *G], DEVIATIONS)
            ]
            best = system.back(t, i, other[0], other[1:], best)
        gaps[i] = system.cost(own) - system.cost(best)
    return gaps
