"""`simulate`: M agents of a linear-quadratic game, one by one, of whom any batch acts at a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, takes_rng
from tmfcore._base.validation import FloatArray
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore._results.confidence import Interval, as_confidence, student_of_mean
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable
from tmfcore.lq._matrices import root
from tmfcore.lq._riccati import GainsLike, TeamSizes
from tmfcore.lq._system import Gains, System
from tmfcore.lq._team_game import LQGame
from tmfcore.lq._verdicts import Mean, system_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LQSimulation", "simulate"]


@dataclass(frozen=True, eq=False, repr=False)
class LQSimulation(Result[Literal["mean", "deviation", "agents"]]):
    """Replicas of a population of agents.

    Parameters
    ----------
    costs : (R, N) float64
        What each team paid in all.
    mean : (R, T+1, m) float64
        The mean x~ of the agents.
    deviation : (R, T+1, m, m) float64
        Means over the agents of (x_j - x~)(x_j - x~)'; 0 between groups.
    states : tuple of H of (R, T+1, M, m_h) float64, or ()
        The states of all agents of each group, if trajectories=True.
    schedule : str
        Label.
    n_agents : tuple of ints
        The number of agents in each group.

    Notes
    -----
    `plot` draws "mean", the mean of each entry of the state, averaged over replicas; "deviation", the standard
    deviation of the agents; or "agents", the first entry of the states of up to 20 agents of the first replica.
    """

    SHAPES: ClassVar[dict[str, str]] = {"costs": "R N", "mean": "R T+1 m", "deviation": "R T+1 m m'"}
    RANGES: ClassVar[dict[str, str]] = {"finite": "costs mean deviation"}

    costs: FloatArray
    mean: FloatArray
    deviation: FloatArray
    states: tuple[FloatArray, ...] = ()
    schedule: str = ""
    n_agents: tuple[int, ...] = ()

    def interval(self, confidence: float = 0.95) -> Interval:
        """Student's interval of the expected costs, (N,); NaN with one replica.

        Parameters
        ----------
        confidence : float, optional
            In (0, 1).

        Returns
        -------
        Interval
        """
        return student_of_mean(self.costs, as_confidence(confidence))

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "schedule", self.schedule
        yield "agents", ", ".join(map(str, self.n_agents))
        yield "replicas", len(self.costs)
        yield "mean costs", ", ".join(f"{cost:.5g}" for cost in self.costs.mean(axis=0))

    def _variables(self) -> dict[str, Variable]:
        return {
            "costs": (("replica", "team"), self.costs), "mean": (("replica", "step", "state"), self.mean),
            "deviation": (("replica", "step", "state", "other_state"), self.deviation),
        }  # fmt: skip

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        if kind == "agents":
            if not self.states:
                raise ValueError("kind is 'agents'; must be 'mean' or 'deviation': simulate with trajectories=True")
            few = self.states[0][0, :, :20, 0]
            lines = {f"agent {j}": few[:, j] for j in range(few.shape[1])}
            return plotting.by_step(lines, 0.0, level_label="0", quantity="x[0]", **style)
        lines = {}
        for k in range(self.mean.shape[2]):
            spread = np.sqrt(self.deviation[:, :, k, k].mean(axis=0))
            lines[f"x[{k}]"] = self.mean[:, :, k].mean(axis=0) if kind == "mean" else spread
        quantity = "mean of the agents" if kind == "mean" else "standard deviation of the agents"
        return plotting.by_step(lines, 0.0, level_label="0", quantity=quantity, **style)


@takes_rng
@fits_memory("n_agents or replicas must be smaller, or trajectories False", asks=True)
def simulate(
    game: LQGame,
    gains: GainsLike,
    schedule: Schedule,
    n_agents: TeamSizes,
    *,
    mean: Mean = "measured",
    replicas: int = 1,
    rng: seeding.RNG = None,
    trajectories: bool = False,
) -> LQSimulation:
    """Play agents with linear feedback, of whom those act whom the schedule says; noise is normal.

    Parameters
    ----------
    game : LQGame
    gains : LQSolution, or pair (K, L)
    schedule : Schedule
        Each group draws who acts on its own; the teams act on the same agents.
    n_agents : int or (H,) ints
        The number of agents, or one for each group.
    mean : {"measured", "predicted"}, optional
        As in `evaluate`.
    replicas : int, optional
        R, independent.
    rng : int, Generator, SeedSequence or None, optional
        One stream is spawned for each replica.
    trajectories : bool, optional
        Keep the states of all agents.

    Returns
    -------
    LQSimulation

    Raises
    ------
    TypeError, ValueError
        Bad arguments.

    Notes
    -----
    Cost: O(R T M m^2); memory O(M m), with trajectories O(R T M m).

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.lq.LQGame(1.1, [0.8, 0.5], [1.0, 0.6], [1.0, 2.0], horizon=3, noise=1.0)
    >>> gains, schedule = tmf.lq.riccati(game, tmf.Fraction(0.5)), tmf.Fraction(0.5)
    >>> run = tmf.lq.simulate(game, gains, schedule, 100, replicas=400, rng=1)
    >>> exact = tmf.lq.evaluate(game, gains, schedule, 100)
    >>> low, high = run.interval(0.999)
    >>> print((low < exact.costs) & (exact.costs < high))
    [ True  True]
    """
    if n_agents is None:
        raise TypeError("n_agents is None; must be a number of agents, or one for each group")
    system, K, L = system_of(game, gains, schedule, n_agents, mean)
    n_replicas, keep = check.as_positive_int(replicas, "replicas"), check.as_bool(trajectories, "trajectories")
    T, m, sizes = game.horizon, game.n_states, system.acts.sizes
    entries = list(zip(sizes, game._groups, strict=True)) if keep else []
    needs.ask({
        "agents": (64, max(sizes), m), "means": (8, n_replicas, T + 1, m * (m + 1) + game.n_teams),
        "trajectories": (8, n_replicas, T + 1, sum(M * k for M, k in entries)),
    })  # fmt: skip
    costs, middle = np.zeros((n_replicas, game.n_teams)), np.empty((n_replicas, T + 1, m))
    spread = np.zeros((n_replicas, T + 1, m, m))
    states = tuple(np.empty((n_replicas, T + 1, M, k)) for M, k in entries)
    for r, generator in enumerate(seeding.generators(rng, n_replicas)):
        Members(system, K, L, generator).play(costs[r], middle[r], spread[r], [each[r] for each in states])
    for each in states:
        each.setflags(write=False)
    return LQSimulation._made(
        costs=costs, mean=middle, deviation=spread, states=states, schedule=schedule.label, n_agents=sizes
    )


class Members:
    """One population: the states of the agents of each group, and the mean that they predict, if they do."""

    def __init__(self, system: System, K: Gains, L: Gains, generator: np.random.Generator) -> None:
        self.system, self.K, self.L, self.generator = system, K, L, generator
        game = self.game = system.game
        self.parts = [slice(end - k, end) for k, end in zip(game._groups, np.cumsum(game._groups), strict=True)]
        self.controls = [[np.flatnonzero(of == h) for of in game._of_control] for h in range(len(self.parts))]
        mean, covariance = system.start
        self.noise, self.shared = root(system.W), root(system.W0)
        first = root(covariance)
        self.x = [
            mean[part] + generator.standard_normal((size, part.stop - part.start)) @ first[part, part].T
            for size, part in zip(system.acts.sizes, self.parts, strict=True)
        ]
        self.z: FloatArray | None = mean if system.predicts else None

    def play(self, costs: FloatArray, means: FloatArray, spreads: FloatArray, states: list[FloatArray]) -> None:
        """Play all steps; write costs (N,), means (T+1, m), second moments (T+1, m, m) and the states asked for."""
        game, system, T = self.game, self.system, self.game.horizon
        for t in range(T + 1):
            mean = np.concatenate([x.mean(axis=0) for x in self.x])
            apart = [x - mean[part] for x, part in zip(self.x, self.parts, strict=True)]
            means[t] = mean
            for y, part in zip(apart, self.parts, strict=True):
                spreads[t, part, part] = y.T @ y / len(y)
            for h, kept in enumerate(states):
                kept[t] = self.x[h]
            weight = game.discount**t
            for i in range(game.n_teams):
                Q, Q_bar = (system.Q_end[i], system.Q_mean_end[i]) if t == T else (system.Q[i][t], system.Q_mean[i][t])
                costs[i] += weight * (np.sum(Q * spreads[t]) + mean @ Q_bar @ mean)
            if t < T:
                self.step(t, mean, apart, costs)

    def step(self, t: int, mean: FloatArray, apart: list[FloatArray], costs: FloatArray) -> None:
        """Who acts moves and pays; the others drift; noise."""
        game, system, generator = self.game, self.system, self.generator
        weight = game.discount**t
        parts = [mean] if self.z is None else [mean - self.z, self.z]
        _, G = system.gains_at(t, self.K, self.L)
        pairs = list(zip(G, parts, strict=True))
        planned = [-sum((gains[i] @ x for gains, x in pairs), np.zeros(p)) for i, p in enumerate(game.n_controls)]
        act_mean = system.A_mean[t] @ mean + sum(B[t] @ c for B, c in zip(system.B_mean, planned, strict=True))
        wait_mean = system.A0_mean[t] @ mean
        common = self.shared @ generator.standard_normal(game.n_states)
        for h, (part, y) in enumerate(zip(self.parts, apart, strict=True)):
            acting = self.acting(t, h)
            own = y if acting is None else y[acting]
            moved = own @ system.A[t][part, part].T
            for i, rows in enumerate(self.controls[h]):
                u = -own @ self.K[i][t][rows][:, part].T
                c = planned[i][rows]
                moved = moved + u @ system.B[i][t][part, rows].T
                R, R_bar = (each[i][t][np.ix_(rows, rows)] for each in (system.R, system.R_mean))
                paid = np.sum((u.T @ u) * R) + len(own) * (c @ R_bar @ c)
                costs[i] += weight * paid / len(y)
            moved = moved + act_mean[part]
            if acting is None:
                new = moved
            else:
                new = y @ system.A0[t][part, part].T + wait_mean[part]
                new[acting] = moved
            noise = generator.standard_normal(new.shape) @ self.noise[part, part].T
            self.x[h] = new + noise + common[part]
        if self.z is not None:
            self.z = system.drift(t, G[-1])[0] @ self.z + common

    def acting(self, t: int, h: int) -> Any:
        """The agents of a group who act: a mask, or None for all."""
        acts = self.system.acts
        size = acts.sizes[h]
        if acts.batches is None:
            return self.generator.random(size) < acts.shares[t, h]
        batch = int(acts.batches[t, h])
        if batch == size:
            return None
        mask = np.zeros(size, dtype=np.bool_)
        mask[self.generator.choice(size, batch, replace=False, shuffle=False)] = True
        return mask
