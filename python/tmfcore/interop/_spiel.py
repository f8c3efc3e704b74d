"""A mean-field game of OpenSpiel on the tables of a tmfcore game, and policies by (t, o).

    start (chance), then T times:   decide (t, o)  ->  pay (t, o, a)  ->  blow (chance)  ->  meet (t + 1, o)

"pay" and "meet" are mean-field nodes; "meet" receives the population. The reward r(o, a, mu_t) is paid at "pay", so
that the string of a node names everything that its reward depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyspiel
from open_spiel.python import policy as spiel_policy

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.legal import LegalArray, uniform
from tmfcore._model.schedules import Synchronous
from tmfcore.interop import _shared
from tmfcore.interop._synchronous import SynchronousTables

START, DECIDE, PAY, BLOW, MEET = "start", "decide", "pay", "blow", "meet"
CHANCE, FIELD, TERMINAL = pyspiel.PlayerId.CHANCE, pyspiel.PlayerId.MEAN_FIELD, pyspiel.PlayerId.TERMINAL
MOVER = {START: CHANCE, DECIDE: 0, PAY: FIELD, BLOW: CHANCE, MEET: FIELD}
KIND = pyspiel.GameType(
    short_name="tmfcore_game",
    long_name="A game of tmfcore",
    dynamics=pyspiel.GameType.Dynamics.MEAN_FIELD,
    chance_mode=pyspiel.GameType.ChanceMode.EXPLICIT_STOCHASTIC,
    information=pyspiel.GameType.Information.PERFECT_INFORMATION,
    utility=pyspiel.GameType.Utility.GENERAL_SUM,
    reward_model=pyspiel.GameType.RewardModel.REWARDS,
    max_num_players=1,
    min_num_players=1,
    provides_information_state_string=True,
    provides_information_state_tensor=False,
    provides_observation_string=True,
    provides_observation_tensor=False,
    parameter_specification={},
)


class Now:
    """The data of a state, in one attribute: OpenSpiel deep-copies the attributes of Python states."""

    __slots__ = ("action", "game", "mu", "observation", "phase", "t")

    def __init__(self, game: Any, phase: str, t: int, observation: int, action: int, mu: FloatArray) -> None:
        self.game, self.phase, self.t, self.mu = game, phase, t, mu
        self.observation, self.action = observation, action

    def __deepcopy__(self, memo: object) -> Now:
        return Now(self.game, self.phase, self.t, self.observation, self.action, self.mu)


class TablesGame(pyspiel.Game):
    def __init__(self, tables: SynchronousTables, schedule: object) -> None:
        info = pyspiel.GameInfo(
            num_distinct_actions=tables.n_actions,
            max_chance_outcomes=tables.n_observations,
            num_players=1,
            min_utility=-np.inf,
            max_utility=np.inf,
            utility_sum=None,
            max_game_length=tables.horizon,
        )
        super().__init__(KIND, info, {})
        self.tables = tables
        self.schedule = Synchronous() if schedule is None else schedule

    def new_initial_state(self) -> TablesState:
        return TablesState(self)

    def make_py_observer(self, iig_obs_type: object = None, params: object = None) -> Observer:
        return Observer()

    def max_chance_nodes_in_history(self) -> int:
        return self.tables.horizon + 1


class TablesState(pyspiel.State):
    def __init__(self, game: TablesGame) -> None:
        super().__init__(game)
        self.now = Now(game, START, 0, 0, 0, game.tables.initial)

    def _legal_actions(self, player: int) -> list[int]:
        return actions_at(self.now.game.tables.game, self.now.observation)

    def chance_outcomes(self) -> list[tuple[int, float]]:
        now, tables = self.now, self.now.game.tables
        if now.phase == START:
            return [(int(x), float(tables.initial[x])) for x in np.flatnonzero(tables.initial)]
        found: list[tuple[int, float]] = tables.outcomes(now.t, now.mu, now.observation, now.action)
        return found

    def _apply_action(self, action: int) -> None:
        now = self.now
        if now.phase == START:
            now.observation, now.phase = action, DECIDE
        elif now.phase == DECIDE:
            now.action, now.phase = action, PAY
        else:
            now.observation, now.action, now.t, now.phase = action, 0, now.t + 1, MEET

    def distribution_support(self) -> list[str]:
        now = self.now
        return [] if now.phase == PAY else [f"{MEET},{now.t},{o},0" for o in range(now.game.tables.n_observations)]

    def update_distribution(self, distribution: object) -> None:
        now = self.now
        if now.phase == PAY:
            now.phase = BLOW
        else:
            now.mu, now.phase = np.array(distribution), DECIDE

    def is_terminal(self) -> bool:
        end: bool = self.now.phase == MEET and self.now.t == self.now.game.tables.horizon
        return end

    def current_player(self) -> Any:
        return TERMINAL if self.is_terminal() else MOVER[self.now.phase]

    def rewards(self) -> list[float]:
        now = self.now
        paid = now.game.tables(now.t, now.mu)[0][now.observation, now.action] if now.phase == PAY else 0.0
        return [float(paid)]

    def returns(self) -> list[float]:
        raise NotImplementedError("OpenSpiel's mean-field algorithms sum rewards themselves")

    def _action_to_string(self, player: int, action: int) -> str:
        return str(action)

    def __str__(self) -> str:
        now = self.now
        return f"{now.phase},{now.t},{now.observation},{now.action}"


class Observer:
    """The strings that are the keys of OpenSpiel's tables."""

    def __init__(self) -> None:
        self.tensor, self.dict = np.zeros(1, np.float32), dict[str, object]()

    def set_from(self, state: object, player: int) -> None:
        """Do nothing: the tensor is not used."""

    def string_from(self, state: object, player: int) -> str:
        return str(state)


def actions_at(game: Game, o: int) -> list[int]:
    """The legal actions at an observation."""
    return list(range(game.n_actions)) if game.legal is None else np.flatnonzero(game.legal[o]).tolist()


def place(state: Any) -> tuple[int, int]:
    """(t, o) of a state of a TablesGame."""
    return state.now.t, state.now.observation


class PolicyByRows(spiel_policy.Policy):
    """A policy with rows (T, S, A) for the states of any game; `place` maps a state to (t, o).

    `legal` (S, A): the actions in its rows; None: all.
    """

    def __init__(
        self, game: Any, table: FloatArray, place: Callable[[Any], tuple[int, int]] = place,
        legal: LegalArray | None = None,
    ) -> None:  # fmt: skip
        super().__init__(game, [0])
        allowed = np.ones(table.shape[1:], np.bool_) if legal is None else legal
        actions = [np.flatnonzero(row).tolist() for row in allowed]
        self.rows = [
            [{a: row[a] for a in some} for row, some in zip(stage, actions, strict=True)] for stage in table.tolist()
        ]
        self.place = place

    def action_probabilities(self, state: Any, player_id: int | None = None) -> dict[int, float]:
        t, o = self.place(state)
        row: dict[int, float] = self.rows[t][o]
        return row


def asked(policy: Any, game: TablesGame) -> FloatArray:
    """Probabilities (T, S, A) of an OpenSpiel policy at every reachable decision of a game made by `to_game`."""
    ours = game.tables.game
    table = np.repeat(uniform(ours)[np.newaxis], ours.n_steps, axis=0)
    state = game.new_initial_state()
    layer = {x: state.child(x) for x, _ in state.chance_outcomes()}
    for t in range(ours.n_steps):
        following: dict[int, Any] = {}
        for o, at in layer.items():
            found = dict(policy.action_probabilities(at))
            table[t, o, actions_at(ours, o)] = _shared.row(found, actions_at(ours, o))
        for o, at in layer.items():
            for a in actions_at(ours, o):
                blown = _told(at.child(a), {})
                for x, _ in blown.chance_outcomes():
                    following.setdefault(x, blown.child(x))
        if t + 1 < ours.n_steps:
            mu = _flow_until(game, table, t + 1)
            shares = {f"{MEET},{t + 1},{x},0": float(mu[x]) for x in range(ours.n_observations)}
            layer = {x: _told(at, shares) for x, at in following.items()}
    return np.stack([check.as_probabilities(rows, f"policy at step {t}") for t, rows in enumerate(table)])


def _told(state: Any, shares: dict[str, float]) -> Any:
    """A copy of the state after its mean-field node received the population."""
    moved = state.clone()
    moved.update_distribution([shares.get(s, 0.0) for s in state.distribution_support()])
    return moved


def _flow_until(game: Any, table: FloatArray, t: int) -> FloatArray:
    """mu_t of the policy (T, S, A)."""
    mu: FloatArray = game.tables.initial
    for s in range(t):
        mu = np.einsum("o,oa,oax->x", mu, table[s], game.tables(s, mu)[1])
    return mu
