"""`riccati`: the equilibrium gains of all teams by one pass backward; and how gains are read and judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._model.schedules import Schedule
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable
from tmfcore.lq._activity import activity
from tmfcore.lq._matrices import items
from tmfcore.lq._system import DEVIATIONS, Gains, System, Value
from tmfcore.lq._team_game import LQGame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GainsLike", "LQSolution", "TeamSizes", "as_gains", "riccati", "values_of"]

TeamSizes: TypeAlias = int | Sequence[int] | None

SMALLER = "horizon, m or the number of teams must be smaller"


@dataclass(frozen=True, eq=False, repr=False)
class LQSolution(Result[Literal["gains", "gradient"]]):
    """Gains of all teams: an agent at x, when it acts, is moved by u = -K (x - mean) - L mean.

    Parameters
    ----------
    K, L : tuple of N of (T, p_i, m) float64
        Gains of deviations from the mean, and of the mean, at every step.
    P, Pi : (N, T+1, m, m) float64
        Values: from step t on team i pays tr(P_t Y) + tr(Pi_t X) + constant, with Y the second moment of deviations,
        and X that of the mean.
    costs : (N,) float64
        What each team pays in all.
    solver : str
        "riccati" or "MRNPG".
    schedule : str
        Label.
    n_agents : tuple of ints
        The number of agents in each group; () in the limit.
    gradient : (T, I) float64 or None
        Of MRNPG: the largest entry of a natural gradient at step t in iteration i.

    Notes
    -----
    `plot` draws the entries of the gains over time: those of deviations, K, and of the mean, L; or "gradient", over
    the iterations, one line per step.
    """

    SHAPES: ClassVar[dict[str, str]] = {"P": "N T+1 m m'", "Pi": "N T+1 m m'", "costs": "N", "gradient": "T I"}
    RANGES: ClassVar[dict[str, str]] = {"finite": "P Pi costs", ">= 0": "gradient"}

    K: tuple[FloatArray, ...]
    L: tuple[FloatArray, ...]
    P: FloatArray
    Pi: FloatArray
    costs: FloatArray
    solver: str = "riccati"
    schedule: str = ""
    n_agents: tuple[int, ...] = ()
    gradient: FloatArray | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        n, steps, m = self.P.shape[:3]
        for name in ("K", "L"):
            gains = getattr(self, name)
            if len(gains) != n:
                raise ValueError(f"{name} has {len(gains)} entries; must have one per team, as costs has: {n}")
            for i, each in enumerate(gains):
                check.as_float_array(
                    each, f"{name}[{i}]", shape=(steps - 1, self.K[i].shape[1] if self.K[i].ndim == 3 else None, m),
                    letters="T, p, m", copy=False,
                )  # fmt: skip

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "solver", self.solver
        yield "schedule", self.schedule
        yield "teams", len(self.K)
        yield "T", len(self.K[0])
        yield "costs", ", ".join(f"{cost:.5g}" for cost in self.costs)

    def _variables(self) -> dict[str, Variable]:
        dims = ("team", "step", "row", "column")
        return {"costs": (("team",), self.costs), "P": (dims, self.P), "Pi": (dims, self.Pi)}

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        if kind == "gradient":
            if self.gradient is None:
                raise ValueError("kind is 'gradient'; must be 'gains': riccati() has no iterations")
            lines = {f"t = {t}": np.maximum(row, 1e-300) for t, row in enumerate(self.gradient)}
            ax = plotting.by_step(lines, 0.0, level_label="0", quantity="largest natural gradient", **style)
            ax.set(xlabel="iteration", yscale="symlog")
            return ax
        lines = {}
        for name in ("K", "L"):
            for i, gains in enumerate(getattr(self, name)):
                for place in np.ndindex(gains.shape[1:]):
                    entry = "" if gains[0].size == 1 else f"[{', '.join(map(str, place))}]"
                    lines[f"{name} of team {i}{entry}"] = gains[(slice(None), *place)]
        return plotting.by_step(lines, 0.0, level_label="0", quantity="gain", **style)


GainsLike: TypeAlias = LQSolution | tuple[Sequence[FloatsLike], Sequence[FloatsLike]]


def as_gains(gains: object, game: LQGame, argument: str = "gains") -> tuple[Gains, Gains]:
    """K and L, (T, p_i, m) for each team, from an LQSolution or a pair of sequences."""
    if isinstance(gains, LQSolution):
        pair: Any = gains.K, gains.L
    elif isinstance(gains, (tuple, list)) and len(gains) == 2:
        pair = gains
    else:
        raise TypeError(f"{argument} is {say.show(gains)}; must be an LQSolution, or a pair (K, L)")
    T, m = game.horizon, game.n_states
    found = []
    for name, each in zip(("K", "L"), pair, strict=True):
        teams = []
        given = items(each, f"{argument}: {name}", game.n_teams)
        for i, (gain, p) in enumerate(zip(given, game.n_controls, strict=True)):
            label, shapes = f"{argument}: {name}[{i}]", [(p, m), (T, p, m)]
            array = check.as_float_array(gain, label, shape=shapes, letters=["p, m", "T, p, m"], copy=False)
            others = game._of_control[i][:, np.newaxis] != game._of_state
            if name == "K" and ((array != 0) & others).any():
                raise ValueError(f"{label} couples groups; must be 0 between a control and the states of other groups")
            teams.append(np.broadcast_to(array, (T, p, m)))
        found.append(tuple(teams))
    return found[0], found[1]


def ask(game: LQGame, more: int = 0) -> None:
    """Ask for the memory of a pass over the steps, and of `more` numbers."""
    T, n, m = game.horizon, game.n_teams, game.n_states
    needs.ask({
        "values": (56, T + 1, n, m, m), "gains": (32, T, sum(game.n_controls), m), "moments": (32, T + 1, m, m),
        "working memory": (8, more),
    })  # fmt: skip


def values_of(system: System, K: Gains, L: Gains, i: int) -> tuple[list[Value], float]:
    """Values at every step, and the cost, of team i under gains of all."""
    values = [system.last(i)]
    for t in range(system.game.horizon - 1, -1, -1):
        values.append(system.back(t, i, *system.gains_at(t, K, L), values[-1]))
    cost = system.cost(values[-1])
    if not np.isfinite(cost):
        raise ValueError(f"the cost of team {i} is {cost}; must be finite: the gains do not hold the states")
    return values[::-1], cost


def solution(system: System, K: Gains, L: Gains, **about: Any) -> LQSolution:
    """The LQSolution of gains."""
    values = [values_of(system, K, L, i) for i in range(system.game.n_teams)]
    return LQSolution._made(
        K=tuple(check.frozen(np.ascontiguousarray(each)) for each in K),
        L=tuple(check.frozen(np.ascontiguousarray(each)) for each in L),
        P=np.array([[value.P for value in each] for each, _ in values]),
        Pi=np.array([[value.Pi[0] for value in each] for each, _ in values]),
        costs=np.array([cost for _, cost in values]), n_agents=system.acts.sizes, **about,
    )  # fmt: skip


@fits_memory(SMALLER, asks=True)
def riccati(game: LQGame, schedule: Schedule, n_agents: TeamSizes = None) -> LQSolution:
    """The equilibrium of a linear-quadratic game: no team pays less with other gains.

    One pass backward in time. At each step the gains of all teams solve one block of linear equations for deviations,
    and one for the mean (Theory, section 17).

    Parameters
    ----------
    game : LQGame
    schedule : Schedule
        Who acts. `Sequential` and `Batch` need `n_agents`.
    n_agents : int, (H,) ints or None, optional
        The number of agents, or one for each group. None: the limit of many agents, the game of the paper.

    Returns
    -------
    LQSolution

    Raises
    ------
    TypeError, ValueError
        Bad arguments; the block matrix of a step is not invertible, or the cost of a team has no minimum.

    Notes
    -----
    If all agents act, the gains are the same for every number of agents. If batches act, agents of a small population
    know that who acts moves the mean, and gains differ by O(1/M) from those of the limit. Cost: O(T ((N p)^3 + N m^3)).

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.lq.LQGame(1.1, [0.8, 0.5], [1.0, 0.6], [1.0, 2.0], horizon=3)
    >>> found = tmf.lq.riccati(game, tmf.Synchronous())
    >>> print(found.K[0][:, 0, 0].round(8), found.P[:, 0, 0, 0].round(8))
    [0.71721059 0.67602985 0.51311953] [1.94113437 0.81145306]
    """
    check.as_instance(game, "game", LQGame)
    system = System(game, activity(schedule, game.horizon, len(game._groups), n_agents))  # type: ignore[arg-type]
    ask(game)
    T, n = game.horizon, game.n_teams
    K, L = ([np.empty((T, p, game.n_states)) for p in game.n_controls] for _ in range(2))
    values = [system.last(i) for i in range(n)]
    for t in range(T - 1, -1, -1):
        for gains, part in ((K, DEVIATIONS), (L, 0)):
            for own, found in zip(gains, system.equilibrium(t, values, part), strict=True):
                own[t] = found
        values = [system.back(t, i, *system.gains_at(t, K, L), values[i]) for i in range(n)]
    return solution(system, tuple(K), tuple(L), solver="riccati", schedule=schedule.label)
