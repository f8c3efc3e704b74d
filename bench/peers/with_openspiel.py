"""OpenSpiel: the beach bar as a Python game, and the most similar game of its C++ core.

The Python game pays the cost of a move at an extra mean-field node, since OpenSpiel ignores rewards at chance nodes. The
built-in game (`mfg_crowd_modelling`) has another wind, and stores values under keys (x, t) although its reward depends on
the last move, so that its exploitability differs slightly. It is therefore marked as a like game, and only its flow is
checked, against a flow of its own kernel.
"""

from __future__ import annotations

import math
from importlib import metadata

import numpy as np
import pyspiel
from open_spiel.python import policy as policies
from open_spiel.python.mfg.algorithms.distribution import DistributionPolicy
from open_spiel.python.mfg.algorithms.mirror_descent import MirrorDescent as OnlineMirrorDescent
from open_spiel.python.mfg.algorithms.nash_conv import NashConv

from tmfcore.bench import Entry
from tmfcore.bench.problems import BeachBar, Descent, close
from tmfcore.interop._spiel import BLOW, DECIDE, KIND, MEET, MOVER, PAY, START, TERMINAL, Observer


class Now:
    """The data of a state. OpenSpiel deep-copies the attributes of a Python state: here one, copied by hand."""

    __slots__ = ("crowd", "game", "move", "phase", "t", "x")

    def __init__(self, game: Game, phase=START, x=0, move=0, t=0, crowd=1.0) -> None:
        self.game, self.phase, self.x, self.move, self.t, self.crowd = game, phase, x, move, t, crowd

    def __deepcopy__(self, memo):
        return Now(self.game, self.phase, self.x, self.move, self.t, self.crowd)


class Game(pyspiel.Game):
    """The beach bar of `problem`; the supports of all steps are made once."""

    def __init__(self, problem: BeachBar) -> None:
        info = pyspiel.GameInfo(
            num_distinct_actions=3, max_chance_outcomes=problem.size, num_players=1, min_utility=-np.inf,
            max_utility=np.inf, utility_sum=None, max_game_length=problem.steps,
        )
        super().__init__(KIND, info, {})
        self.size, self.steps = problem.size, problem.steps
        self.start = list(enumerate(problem.initial.tolist()))
        self.wind = list(enumerate(problem.WIND))
        self.mu_0 = float(problem.initial[0])  # uniform
        self.staying = problem.fixed_reward[:, 1].tolist()
        self.support = [[f"{MEET},{x},0,{t}" for x in range(problem.size)] for t in range(problem.steps + 1)]

    def new_initial_state(self):
        return State(self)

    def make_py_observer(self, iig_obs_type=None, params=None):
        return Observer()

    def max_chance_nodes_in_history(self):
        return self.steps + 1


class State(pyspiel.State):
    """Start; then T times: decision, cost of the move, shift by the wind, mean-field node."""

    def __init__(self, game: Game) -> None:
        super().__init__(game)
        self.now = Now(game, crowd=game.mu_0)

    def _legal_actions(self, player):
        return [0, 1, 2]

    def chance_outcomes(self):
        now = self.now
        return now.game.start if now.phase is START else now.game.wind

    def _apply_action(self, action):
        now = self.now
        if now.phase is START:
            now.x, now.phase = action, DECIDE
        elif now.phase is DECIDE:
            now.move, now.phase = action - 1, PAY
            now.x = (now.x + now.move) % now.game.size
        else:
            now.x, now.move, now.phase = (now.x + action - 1) % now.game.size, 0, MEET
            now.t += 1

    def distribution_support(self):
        now = self.now
        return [] if now.phase is PAY else now.game.support[now.t]

    def update_distribution(self, distribution):
        now = self.now
        if now.phase is PAY:
            now.phase = BLOW
        else:
            now.crowd, now.phase = distribution[now.x], DECIDE

    def is_terminal(self):
        return self.now.phase is MEET and self.now.t >= self.now.game.steps

    def current_player(self):
        return TERMINAL if self.is_terminal() else MOVER[self.now.phase]

    def rewards(self):
        now = self.now
        if now.phase is DECIDE:
            return [now.game.staying[now.x] - math.log(now.crowd + BeachBar.EPSILON)]
        return [-abs(now.move) / now.game.size if now.phase is PAY else 0.0]

    def returns(self):
        raise NotImplementedError("the algorithms used here add rewards up themselves")

    def _action_to_string(self, player, action):
        return str(action - 1)

    def __str__(self):
        now = self.now
        return f"{now.phase},{now.x},{now.move},{now.t}"


class Stationary(policies.Policy):
    """Rows of pi (S, A) by place; `place` gives the place of a state."""

    def __init__(self, game, pi, place) -> None:
        super().__init__(game, [0])
        self.rows = [dict(enumerate(row)) for row in pi.tolist()]
        self.place = place

    def action_probabilities(self, state, player_id=None):
        return self.rows[self.place(state)]


def python_game(problem: BeachBar) -> Entry:
    game = Game(problem)
    policy = Stationary(game, problem.pi, lambda state: state.now.x)
    return Entry("OpenSpiel Python", lambda: float(NashConv(game, policy).nash_conv()), 1.0, "the game in Python")


def built_in_game(problem: BeachBar) -> Entry:
    """A similar game in C++, with wind 1/3, 1/3, 1/3."""
    game = pyspiel.load_game("mfg_crowd_modelling", {"size": problem.size, "horizon": problem.steps})
    policy = Stationary(game, problem.pi, lambda state: int(str(state)[1:].split(",", 1)[0]))

    found = DistributionPolicy(game, policy).distribution
    mu, wind = problem.initial, np.full(3, 1.0 / 3.0)
    for t in range(problem.steps):
        close([found[f"({x}, {t})"] for x in range(problem.size)], mu, "flow of the built-in game")
        moved = (mu[:, None] * problem.pi)[:, :, None] * wind
        mu = np.bincount(problem.successors.ravel(), weights=moved.ravel(), minlength=problem.size)

    def run() -> None:
        NashConv(game, policy).nash_conv()

    return Entry("OpenSpiel C++, like game", run, 1.0, "a like game built into its core; only its flow is checked")


def beach_bar(problem: BeachBar) -> list[Entry]:
    return [python_game(problem), built_in_game(problem)]


def mirror_descent(problem: Descent) -> list[Entry]:
    """One iteration from the uniform policy, and the exploitability of the result."""
    own, built_in = Game(problem), pyspiel.load_game("mfg_crowd_modelling", {"size": problem.size, "horizon": problem.steps})

    def once(game) -> float:
        solver = OnlineMirrorDescent(game, lr=problem.rate)
        solver.iteration()
        return float(NashConv(game, solver.get_policy()).nash_conv())

    def like() -> None:
        once(built_in)

    return [
        Entry("OpenSpiel Python", lambda: {1: once(own)}, 1.0, "the game in Python; one iteration"),
        Entry("OpenSpiel C++, like game", like, 1.0, "a like game built into its core, not checked; one iteration"),
    ]


class OpenSpiel:
    name, version = "OpenSpiel", metadata.version("open_spiel")

    exploitability = staticmethod(beach_bar)
    mirror_descent = staticmethod(mirror_descent)
