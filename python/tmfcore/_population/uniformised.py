"""Events of agents with Poisson clocks, as sequential play (Theory, section 12).

    uniformised(game, stages, n_agents) -> Events     the game of one agent a step whose steps are the events

All agents have events at one rate nu + g, the largest rate of their clocks plus the largest rate g at which a passive
agent leaves. An event at o is an action with probability nu(o) / (nu + g); otherwise the agent moves as passive agents
do, or not at all. If all clocks have one rate and passive agents stay, the events are those of the game itself.

Notation: N agents, S observations, A actions, L stages of the policy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._model import sources
from tmfcore._model.continuous import Continuous, Stages
from tmfcore._model.model import Model
from tmfcore._model.policies import TabularPolicy
from tmfcore._model.policy import CallablePolicy, Policy, TablePolicy
from tmfcore._model.sources import INT32_MAX
from tmfcore._model.table_model import TableModel
from tmfcore._population.clocked import ClockedModel
from tmfcore.games._affine import Affine

__all__ = ["Events", "uniformised"]

MOST_CORNERS = 2**24  # entries of all rows at all corners, up to which an affine game stays affine


@dataclass(frozen=True, eq=False)
class Events:
    """A sequential game whose steps are the events of N agents.

    Parameters
    ----------
    model : Model
        Its rewards include those of the mean time 1 / total between two events.
    policies : list of L Policy
        For each stage; with one action more than the game if events may be passive.
    total : float
        Events of all agents per unit of time.
    discount : float
        total / (total + rho), the mean discount of the time between two events.
    """

    model: Model
    policies: list[Policy]
    total: float
    discount: float


def uniformised(game: Continuous, stages: Stages, n_agents: int) -> Events:
    """The events of `n_agents` agents that play `stages`."""
    rate = float(game.rate.max())
    plain = game.model.passive_identity and bool((game.rate == rate).all()) and n_agents * rate >= 1
    if plain:
        total = n_agents * rate
        assert game.game._cut is not None, "checked by Continuous.of"
        model = game.game._cut(1 / total, INT32_MAX, 1.0).model
        policies = [_of_stage(stages, stage) for stage in range(stages.n_stages)]
    else:
        bound = _bound(game)
        total = n_agents * (rate + bound)
        rest = rate + bound - game.rate  # rate of events that are no action
        model = _mixed_model(_Mixed(game, rest, bound, 1 / total))
        policies = [_with_chances(stages, stage, game.rate / (rate + bound)) for stage in range(stages.n_stages)]
    return Events(model, policies, total, total / (total + game.decay))


def _bound(game: Continuous) -> float:
    """g, the largest rate at which a passive agent leaves an observation."""
    model, n_obs = game.model, game.game.n_observations
    if model.passive_identity:
        return 0.0
    if model.affine or model.constant_transition:
        return max(float(game.leaving(corner).max()) for corner in np.eye(n_obs))
    if isinstance(game.game.passive_rates, np.ndarray):
        return float(game.leaving(game.game.initial).max())
    if game.most is None:
        raise ValueError(
            "most is None, and the rates of passive agents are a function of mu; must be the largest rate at which a "
            "passive agent leaves an observation at any mu: Poisson(rate, most=...)"
        )
    return game.most


# ------------------------------------------------------------------------------------------------------ policies


def _of_stage(stages: Stages, stage: int) -> Policy:
    """The policy of one stage, for a run of its own."""
    if stages.n_stages == 1:
        return stages.kernel
    n_obs, n_act = stages.kernel.n_observations, stages.kernel.n_actions
    if isinstance(stages.kernel, TablePolicy):
        return TabularPolicy._trusted(stages.kernel.table[stage : stage + 1], 1).kernel
    return CallablePolicy(lambda mu, t: stages.table(mu, stage), n_obs, n_act)


def _with_chances(stages: Stages, stage: int, chance: FloatArray) -> Policy:
    """The policy of a stage, with probability `chance` (S,); otherwise one more action: a passive event."""

    def table(mu: FloatArray) -> FloatArray:
        acting = chance[:, np.newaxis] * stages.table(mu, stage)
        return np.concatenate([acting, np.maximum(1 - acting.sum(axis=1, keepdims=True), 0.0)], axis=1)

    n_obs, n_act = stages.kernel.n_observations, stages.kernel.n_actions
    if stages.kernel.depends_on_mu:
        return CallablePolicy(lambda mu, t: table(mu), n_obs, n_act + 1)
    return TabularPolicy._trusted(table(np.full(n_obs, 1 / n_obs))[np.newaxis], 1).kernel


# --------------------------------------------------------------------------------------------------------- games


class _Mixed:
    """The tables of the game with one action more, the passive event, as functions of mu.

    Parameters
    ----------
    game : Continuous
    rest : (S,) float64
        The rate of passive events of an agent.
    bound : float
        g.
    dt : float
        The mean time between two events.
    """

    def __init__(self, game: Continuous, rest: FloatArray, bound: float, dt: float) -> None:
        self.game, self.rest, self.bound, self.dt = game, rest, bound, dt
        self.places = places = np.arange(game.game.n_observations, dtype=np.int32)
        self.scale = np.divide(1.0, rest, out=np.zeros(len(rest)), where=rest > 0)[:, np.newaxis]
        model, n_act = game.model, game.game.n_actions
        self.moves, self.rests = model.successors, model.passive_successors
        if model.passive_identity:
            self.rests = places[:, np.newaxis]
        self.successors: SuccessorArray | None = None  # of the mixed rows; None: dense
        self.n_cells = len(places)
        if self.moves is not None and self.rests is not None:
            self.n_cells = max(self.moves.shape[-1], self.rests.shape[-1])
            shape = (len(places), n_act + 1, self.n_cells)
            self.successors = np.broadcast_to(places[:, np.newaxis, np.newaxis], shape).copy()
            self.successors[:, :n_act, : self.moves.shape[-1]] = self.moves
            self.successors[:, n_act, : self.rests.shape[-1]] = self.rests

    def transition(self, mu: FloatArray) -> FloatArray:
        """Rows (S, A + 1, cells)."""
        active, passive = self.game.model.tables(mu, 0)[1], self.passive_rows(mu)
        if self.successors is None:
            active = active if self.moves is None else sources.dense(active, self.moves)
            passive = passive if self.rests is None else sources.dense(passive, self.rests)
        out = np.zeros((len(active), active.shape[1] + 1, self.n_cells))
        out[:, :-1, : active.shape[-1]] = active
        out[:, -1, : passive.shape[-1]] = passive
        return out

    def passive_rows(self, mu: FloatArray) -> FloatArray:
        """Rows (S, K0) of passive events, I + Q / rest."""
        if self.game.model.passive_identity:
            return np.ones((len(mu), 1))
        own = (self.places, self.game.own)
        generator = self.game.tables(mu).generator
        rows = self.scale * generator
        rows[own] = np.maximum(rows[own] + 1.0, 0.0)
        return rows

    def standing(self, mu: FloatArray) -> FloatArray:
        """Passive rewards (S,) of the time between two events."""
        return self.dt * self.game.tables(mu).standing

    def reward(self, mu: FloatArray) -> FloatArray:
        """Rewards (S, A + 1), those of that time included."""
        found = self.game.tables(mu)
        gain = np.concatenate([found.reward, np.zeros((len(mu), 1))], axis=1)
        return np.asarray(gain + self.dt * found.standing[:, np.newaxis])


def _mixed_model(mixed: _Mixed) -> Model:
    """The compiled model of mixed tables: affine or constant if the game is, otherwise computed at every event."""
    game, model = mixed.game.game, mixed.game.model
    n_obs, n_act = game.n_observations, game.n_actions + 1
    tables = (mixed.transition, mixed.reward, mixed.standing)
    if model.constant:
        rows, reward, standing = (check.frozen(table(game.initial)) for table in tables)
        return TableModel(n_obs, n_act, reward, rows, standing, None, mixed.successors, None)
    if model.affine and n_obs**2 * n_act * mixed.n_cells <= MOST_CORNERS:
        rows, reward, standing = (np.stack([table(e) for e in np.eye(n_obs)], axis=-1) for table in tables)
        constant = bool((rows == rows[..., :1]).all())
        base, slopes = (rows[..., 0], None) if constant else (0 * rows[..., 0], rows)
        nothing = 0 * reward[..., 0], 0 * standing[..., 0]
        return Affine(nothing[0], reward, base, slopes, nothing[1], standing, None, None, mixed.successors)
    return ClockedModel(model, mixed.game.step, mixed.dt, mixed.rest, mixed.bound, mixed.successors)
