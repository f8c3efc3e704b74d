"""What tests of OpenSpiel games share: the games, policies by hash, and games with one thing odd."""

import zlib

import numpy as np

import tmfcore as tmf
from peers import need

pyspiel = need("pyspiel")

from open_spiel.python import policy as spiel_policy
from open_spiel.python.mfg.games import normal_form_game  # noqa: F401  registers it

from tmfcore.interop._spiel import KIND, Observer

SYNCHRONOUS = tmf.Synchronous()


class ByHash(spiel_policy.Policy):
    """A random row for every decision string, the same in whatever order they are asked for."""

    def __init__(self, game, seed):
        super().__init__(game, [0])
        self.seed = seed

    def action_probabilities(self, state, player_id=None):
        legal = state.legal_actions()
        key = zlib.crc32(state.observation_string(0).encode())
        return dict(zip(legal, np.random.default_rng([self.seed, key]).dirichlet(np.full(len(legal), 0.7)).tolist()))


class Odd(pyspiel.Game):
    """Two steps at one place; `kind` is what is odd about them."""

    def __init__(self, kind):
        info = pyspiel.GameInfo(
            num_distinct_actions=2, max_chance_outcomes=2, num_players=1, min_utility=-9, max_utility=9, utility_sum=None,
            max_game_length=3,
        )  # fmt: skip
        super().__init__(KIND, info, {})
        self.kind = kind

    def new_initial_state(self):
        return OddState(self, self.kind)

    def make_py_observer(self, iig_obs_type=None, params=None):
        return Observer()


class OddState(pyspiel.State):
    """Steps: decide, be told the population, decide, be told, decide, end."""

    def __init__(self, game, kind):
        super().__init__(game)
        self.kind, self.past, self.chance, self.field, self.mu = kind, [], True, False, 0.5

    def _legal_actions(self, player):
        return [0] if self.kind == "legal" and self.past[-1:] == [1] else [0, 1]

    def chance_outcomes(self):
        return [(0, 1.0)]

    def _apply_action(self, action):
        if self.chance:
            self.chance = False
        else:
            self.past.append(action)
            self.field = True

    def distribution_support(self):
        return [f"x{self._place()},{len(self.past)},field"]

    def _place(self):
        return self.past[-1] if self.kind == "earlier population" and self.past else ""

    def update_distribution(self, shares):
        self.mu += shares[0] if self.kind == "earlier population" else 0.0
        self.field = False

    def is_terminal(self):
        return len(self.past) == 3 or (self.kind == "early end" and self.past == [1])

    def current_player(self):
        if self.is_terminal():
            return pyspiel.PlayerId.TERMINAL
        if self.chance:
            return pyspiel.PlayerId.CHANCE
        return pyspiel.PlayerId.MEAN_FIELD if self.field else 0

    def rewards(self):
        if self.kind == "chance" and self.chance:
            return [1.0]
        if self.kind == "earlier action" and len(self.past) == 2:
            return [float(self.past[0])]
        return [self.mu if self.kind == "earlier population" and len(self.past) == 2 and not self.field else 0.0]

    def returns(self):
        return [0.0]

    def __str__(self):
        if self.kind == "early end" and self.is_terminal():
            return f"end,{len(self.past)}"
        return f"x{self._place()},{len(self.past)},{'chance' if self.chance else 'field' if self.field else 'decide'}"


class Plain(pyspiel.Game):
    """Decide, chance, be told the population, twice; one place in `size`, and `kind` what is peculiar."""

    def __init__(self, kind):
        info = pyspiel.GameInfo(
            num_distinct_actions=3, max_chance_outcomes=6, num_players=1, min_utility=-9, max_utility=9, utility_sum=None,
            max_game_length=2,
        )  # fmt: skip
        super().__init__(KIND, info, {})
        self.kind = kind

    def new_initial_state(self):
        return PlainState(self, self.kind)

    def make_py_observer(self, iig_obs_type=None, params=None):
        return Observer()


class PlainState(pyspiel.State):
    SIZE = 6

    def __init__(self, game, kind):
        super().__init__(game)
        self.kind, self.t, self.x, self.last, self.phase, self.mu = kind, 0, 0, 0, "start", [1 / 6] * 6

    def _legal_actions(self, player):
        if self.kind == "edges":
            return [a for a in (0, 1, 2) if 0 <= self.x + a - 1 < self.SIZE]
        return [0, 1, 2]

    def chance_outcomes(self):
        if self.phase == "chance" and self.kind == "edges":
            return [(self.x + self.last - 1, 1.0)]
        if self.phase == "chance" and self.kind == f"outcomes of {self.last}":
            return [(x, float(x == 0)) for x in range(self.SIZE)]
        if self.phase == "chance" and self.kind == "crowded" and self.t == 1 and 0.7 < self.mu[1] < 0.99:
            return [(x, float(x == 1)) for x in range(self.SIZE)]
        return [(x, 1 / self.SIZE) for x in range(self.SIZE)]

    def _apply_action(self, action):
        if self.phase == "decide":
            self.last, self.phase = action, "chance"
        else:
            self.t += self.phase == "chance"
            self.x, self.phase = action, "field"

    def distribution_support(self):
        if self.kind == "support" and self.last:
            return [f"{x},{self.t},field" for x in reversed(range(self.SIZE))]
        return [f"{x},{self.t},field" for x in range(self.SIZE)]

    def update_distribution(self, shares):
        self.mu, self.phase = list(shares), "decide"

    def is_terminal(self):
        return self.t == 2

    def current_player(self):
        if self.is_terminal():
            return pyspiel.PlayerId.TERMINAL
        where = {"start": pyspiel.PlayerId.CHANCE, "chance": pyspiel.PlayerId.CHANCE, "decide": 0}
        return where.get(self.phase, pyspiel.PlayerId.MEAN_FIELD)

    def rewards(self):
        if self.is_terminal():
            return [float(self.last) if self.kind == "paid at the end" else 0.0]
        return [self.mu[self.x] if self.phase == "decide" else 0.0]

    def returns(self):
        return [0.0]

    def __str__(self):
        if self.kind == "edges" and self.phase == "chance":
            return f"{self.x},{self.t},chance after {self.last}"
        return f"{self.x},{self.t},{self.phase}"
