"""OpenSpiel's own games, valued by a recursion over their states keyed by (state string, last action).

Their tables of values are keyed by the state string alone, although the rewards of most of their mean-field games pay for
the last action, which the string does not name. The flow, whose keys are right, is theirs. `Keyed` is one of their games
with the last action in the string, so that their own algorithms are right about it.
"""

import numpy as np

from peers import need
from peers.in_openspiel import (
    Distribution,
    NashConv,
    OnlineMirrorDescent,
    TheirFictitiousPlay,
    curve,
)
from peers.our_side import Answer

pyspiel = need("pyspiel")
ours = need("tmfcore.interop._spiel")
need("open_spiel.python.mfg.games")  # registers those written in Python


class Side:
    """Answers about one of their games; see games.InOpenSpiel."""

    def __init__(self, entry) -> None:
        name, parameters = entry.theirs
        self.entry, self.game = entry, pyspiel.load_game(name, parameters)
        self.keyed = Keyed(self.game)

    def policy(self, pi: np.ndarray) -> ours.PolicyByRows:
        return ours.PolicyByRows(self.game, pi, self.entry.place)

    def keyed_policy(self, pi: np.ndarray) -> ours.PolicyByRows:
        return ours.PolicyByRows(self.keyed, pi, lambda state: self.entry.place(state.now.state))

    def nash_conv(self, pi: np.ndarray) -> float:
        """Theirs, on the game with its last action in the key."""
        return NashConv(self.keyed, self.keyed_policy(pi)).nash_conv()

    def their_own_nash_conv(self, pi: np.ndarray) -> float:
        """Theirs as it is, wrong where a reward depends on the last action."""
        return NashConv(self.game, self.policy(pi)).nash_conv()

    def mirror_descent(self, rate: float, iterations: int, frozen: bool = True) -> np.ndarray:
        return curve(OnlineMirrorDescent(self.keyed, lr=rate), self.keyed, iterations, frozen)

    def fictitious_play(self, iterations: int, initial: np.ndarray) -> np.ndarray:
        solver = TheirFictitiousPlay(self.keyed)
        solver._policy = self.keyed_policy(initial)
        return curve(solver, self.keyed, iterations)

    def answer(self, pi: np.ndarray) -> Answer:
        shape = pi.shape
        flow = Distribution(self.game, self.policy(pi))
        own, best = Recursion(self, flow, pi), Recursion(self, flow, None)
        start = self.game.new_initial_state()
        gap = best.value(start, None) - own.value(start, None)
        return Answer(own.mu(shape), own.values(shape), best.values(shape), own.qs(shape), best.qs(shape), gap)


class Recursion:
    """Values along `flow` of the policy pi, or of the best response where it is None."""

    def __init__(self, side: Side, flow, pi: np.ndarray | None) -> None:
        self.side, self.flow, self.pi = side, flow, pi
        self.known: dict = {}  # (string, last action) -> value
        self.decisions: dict = {}  # (t, x) -> value, q by action, share; what is paid for the last action taken off
        self.differ = 0.0

    def value(self, state, last) -> float:
        key = state.observation_string(pyspiel.PlayerId.DEFAULT_PLAYER_ID), last
        if key not in self.known:
            self.known[key] = self._value(state, last)
        return self.known[key]

    def _value(self, state, last) -> float:
        if state.is_terminal():
            return state.rewards()[0]
        if state.current_player() == pyspiel.PlayerId.CHANCE:  # they pay nothing there
            return sum(p * self.value(state.child(outcome), last) for outcome, p in state.chance_outcomes())
        if state.current_player() == pyspiel.PlayerId.MEAN_FIELD:
            moved = state.clone()
            moved.update_distribution([self.flow.value_str(s, 0.0) for s in state.distribution_support()])
            return state.rewards()[0] + self.value(moved, last)
        return self._decision(state, last)

    def _decision(self, state, last) -> float:
        t, x = self.side.entry.place(state)
        reward = state.rewards()[0]
        ahead = {a: self.value(state.child(a), a) for a in state.legal_actions()}
        if self.pi is None:
            value = reward + max(ahead.values())
        else:
            value = reward + sum(self.pi[t, x, a] * v for a, v in ahead.items())
        late = self.side.entry.late(x, last)
        string = state.observation_string(pyspiel.PlayerId.DEFAULT_PLAYER_ID)
        found = value - late, {a: reward - late + v for a, v in ahead.items()}, self.flow.value_str(string, 0.0)
        if (t, x) in self.decisions:
            self.differ = max(self.differ, abs(found[0] - self.decisions[t, x][0]))
        self.decisions[t, x] = found
        return value

    def mu(self, shape) -> np.ndarray:
        return self._filled(shape[:2], lambda found: found[2], 0.0)

    def values(self, shape) -> np.ndarray:
        """As if nothing had been paid for at the next decision; the same whatever the last action was."""
        assert self.differ < 1e-10, f"values at one (t, x) differ by {self.differ}: rewards depend on more of the past"
        return self._filled(shape[:2], lambda found: found[0], np.nan)

    def qs(self, shape) -> np.ndarray:
        filled = np.full(shape, np.nan)
        for place, (_, q, _) in self.decisions.items():
            for a, v in q.items():
                filled[(*place, a)] = v
        return filled

    def _filled(self, shape, read, otherwise) -> np.ndarray:
        filled = np.full(shape, otherwise)
        for place, found in self.decisions.items():
            filled[place] = read(found)
        return filled


class Keyed(pyspiel.Game):
    """`game` of one population, with the player's last action in every state string."""

    def __init__(self, game) -> None:
        info = pyspiel.GameInfo(
            num_distinct_actions=game.num_distinct_actions(), max_chance_outcomes=game.max_chance_outcomes(),
            num_players=1, min_utility=-np.inf, max_utility=np.inf, utility_sum=None,
            max_game_length=game.max_game_length(),
        )  # fmt: skip
        super().__init__(ours.KIND, info, {})
        self.game = game
        self.actions = [None, *range(game.num_distinct_actions())]

    def new_initial_state(self):
        return KeyedState(self)

    def make_py_observer(self, iig_obs_type=None, params=None):
        return ours.Observer()

    def max_chance_nodes_in_history(self):
        return self.game.max_chance_nodes_in_history()


class Inside:
    """The state of theirs and the last action, copied together."""

    __slots__ = ("game", "last", "state")

    def __init__(self, game: Keyed, state, last: int | None) -> None:
        self.game, self.state, self.last = game, state, last

    def __deepcopy__(self, memo):
        return Inside(self.game, self.state.clone(), self.last)


class KeyedState(pyspiel.State):
    def __init__(self, game: Keyed) -> None:
        super().__init__(game)
        self.now = Inside(game, game.game.new_initial_state(), None)

    def _legal_actions(self, player):
        return self.now.state.legal_actions()

    def chance_outcomes(self):
        return self.now.state.chance_outcomes()

    def _apply_action(self, action):
        if self.now.state.current_player() >= 0:
            self.now.last = action
        self.now.state.apply_action(action)

    def distribution_support(self):
        return [f"{s}|{a}" for s in self.now.state.distribution_support() for a in self.now.game.actions]

    def update_distribution(self, distribution):
        shares = np.reshape(distribution, (-1, len(self.now.game.actions))).sum(axis=1)
        self.now.state.update_distribution(shares.tolist())

    def is_terminal(self):
        return self.now.state.is_terminal()

    def current_player(self):
        return self.now.state.current_player()

    def rewards(self):
        return self.now.state.rewards()

    def returns(self):
        raise NotImplementedError("their mean-field algorithms add rewards up themselves")

    def _action_to_string(self, player, action):
        return str(action)

    def __str__(self):
        return f"{self.now.state.observation_string(pyspiel.PlayerId.DEFAULT_PLAYER_ID)}|{self.now.last}"
