"""One step of a mean-field game of OpenSpiel, from a State object to the next layer of states.

    Walker      the rewards and legal actions at a state, and the result of a step from it, at a population
    Crowd       a population, in the form that mean-field nodes receive

As in OpenSpiel's own algorithms, the rewards of mean-field, decision and terminal nodes are added up and states with
the same string are merged. Reading a game takes as long as its calls into the library: the support of a node is
requested once per string, a population is ordered once per support, and chance nodes of one string are followed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import pyspiel

# Kinds of states as integers, by the player to move: comparing the library's enums takes as long as making a state.
CHANCE, FIELD, TERMINAL = map(int, (pyspiel.PlayerId.CHANCE, pyspiel.PlayerId.MEAN_FIELD, pyspiel.PlayerId.TERMINAL))
DECISION = PLAYER = int(pyspiel.PlayerId.DEFAULT_PLAYER_ID)

Key = tuple[str, int | None]  # state string, and the last action if it is carried
States = dict[Key, Any]


class Segment(NamedTuple):
    """The step from a state of one layer to the next layer, at one population."""

    decision: str  # string of the state at which the agent decides
    here: float  # reward that does not depend on the action
    actions: tuple[int, ...]  # legal actions; (-1,) if there is no decision
    after: tuple[float, ...]  # reward after the decision, by action
    moves: tuple[dict[Key, float], ...]  # probabilities of the next states, by action
    via: tuple[str, ...]  # string of the state directly after the decision, by action


class Stop(NamedTuple):
    """A state of a layer at one population, without the step that follows."""

    decision: str
    here: float
    actions: tuple[int, ...]


class Node(NamedTuple):
    """A chance node."""

    outcomes: list[tuple[int, float]]
    leads: list[str]  # string of the next state, by outcome
    terminal: bool  # whether some of the next states are terminal


class Memo(dict[str, Node]):
    """The chance nodes of one layer at one population; `before` has those at another population.

    pays        rewards of terminal nodes, by string and last action
    actions     actions after which the outcomes of a known node were compared
    differ      whether such outcomes differed
    """

    def __init__(self, before: Memo | None = None) -> None:
        super().__init__()
        self.before = before
        self.pays: dict[Key, float] = {}
        self.actions: set[int] = set()
        self.differ = False

    def ask(self, state: Any, name: str, action: int) -> None:
        """Compare the outcomes of a node once per action: they may depend on it although the string omits it."""
        if action not in self.actions:
            self.actions.add(action)
            self.differ |= state.chance_outcomes() != self[name].outcomes

    def alike(self, name: str) -> bool:
        """Whether a known node pays no reward and is the same at the other population."""
        node = self[name]
        return not node.terminal and self.before is not None and node == self.before.get(name)


class Later(dict[Key, Any]):
    """The first state found for each key, or a function that makes it."""

    def states(self, found: States) -> States:
        """One state per string, and all states whose keys are not in `found`."""
        first: dict[str, Key] = {}
        for key in self:
            first.setdefault(key[0], key)
        return {
            key: state() if isinstance(state, partial) else state
            for key, state in self.items()
            if key not in found or first[key[0]] == key
        }


class Crowd:
    """Shares of agents by string; missing strings have share 0."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self.shares = shares
        self._told: dict[int, list[float]] = {}

    def told(self, support: tuple[str, ...]) -> list[float]:
        """The shares in the order of `support`, a tuple that the walker keeps alive."""
        found = self._told.get(id(support))
        if found is None:
            found = self._told[id(support)] = [self.shares.get(s, 0.0) for s in support]
        return found


def kind_of(state: Any) -> int:
    """CHANCE, FIELD, TERMINAL, or DECISION for every player."""
    player = int(state.current_player())
    return player if player < 0 else DECISION


def string(state: Any) -> str:
    """The string of a state: the key of OpenSpiel's distributions and values."""
    found: str = state.observation_string(PLAYER)
    return found


class Walker:
    """Steps of a game with one population or several; a state belongs to one population."""

    def __init__(self, game: Any) -> None:
        self.game = game
        kind = game.get_type()
        self.title = str(kind.short_name)
        if kind.dynamics != pyspiel.GameType.Dynamics.MEAN_FIELD:
            raise ValueError(f"{self.title} is not a mean-field game; its dynamics are {kind.dynamics}")
        self.roots = game.new_initial_states()
        self.n_populations = max(game.num_players(), len(self.roots))
        if len(self.roots) != self.n_populations:
            raise ValueError(
                f"{self.title} has {self.n_populations} populations and {len(self.roots)} initial states; must have "
                "one initial state per population"
            )
        self._supports: dict[str, tuple[str, ...]] = {}  # of mean-field nodes that receive a distribution
        self._orders: dict[tuple[str, ...], tuple[str, ...]] = {}

    def population(self, state: Any) -> int:
        return int(state.mean_field_population()) if self.n_populations > 1 else 0

    def paid(self, state: Any) -> float:
        """The reward of an agent of the state's population."""
        return float(state.rewards()[0 if self.n_populations == 1 else self.population(state)])

    def support(self, state: Any, name: str, *, again: bool = False) -> tuple[str, ...]:
        """The strings whose shares a mean-field node receives; must depend on its string only: `again` checks that."""
        found = self._supports.get(name)
        if found is None or again:
            asked = tuple(state.distribution_support())
            asked = self._orders.setdefault(asked, asked)
            if found not in (None, asked):
                raise ValueError(f"{self.title}: the support of the node {name!r} depends on the path to it")
            found = self._supports[name] = asked
        return found

    def updated(self, state: Any, crowd: Crowd, name: str | None = None) -> Any:
        """A copy of the state after it received the population."""
        moved = state.clone()
        moved.update_distribution(crowd.told(self.support(state, string(state) if name is None else name)))
        return moved

    def stop(self, state: Any, crowd: Crowd, name: str) -> tuple[Stop, Any]:
        """Reward and legal actions at `state`, whose string is `name`, and the state after it received mu."""
        here, kind = self.paid(state), kind_of(state)
        if kind == FIELD:
            state = self.updated(state, crowd, name)
            kind, name = kind_of(state), string(state)
            if kind == DECISION:
                here += self.paid(state)
        return Stop(name, here, tuple(state.legal_actions()) if kind == DECISION else (-1,)), state

    def segment(
        self, state: Any, key: Key, crowd: Crowd, found: States | None, memo: Memo | None = None,
        like: Segment | None = None,
    ) -> Segment:  # fmt: skip
        """One step from `state`, whose key is `key`; adds the first state reached for each key to `found`.

        With a `memo`, of one layer and population, chance nodes with the same string count as one. With `like`, an
        earlier walk from the same state, a move through an unchanged chance node is copied from `like`; actions are
        then walked from last to first, so that merged nodes are reached along another path.
        """
        stop, state = self.stop(state, crowd, key[0])
        steps: list[tuple[float, dict[Key, float], str]] = []
        order = range(len(stop.actions)) if like is None else reversed(range(len(stop.actions)))
        for i in order:
            a = stop.actions[i]
            following = state.child(a) if a >= 0 else state
            name = string(following)
            if memo is not None and like is not None and name in memo:
                memo.ask(following, name, a)
                if memo.alike(name) and like.via[i : i + 1] == (name,):
                    steps.append((0.0, like.moves[i], name))
                    continue
            reached: dict[Key, float] = {}
            reward = self._follow(following, name, 1.0, a if a >= 0 else key[1], reached, found, memo)
            steps.append((reward, reached, name))
        after, moves, via = zip(*(steps if like is None else reversed(steps)), strict=True)
        return Segment(stop.decision, stop.here, stop.actions, after, moves, via)

    def move(self, state: Any, action: int, last: int | None) -> tuple[float, dict[Key, float]]:
        """The reward after `action` (-1: no decision) from a state that received mu, and the law of the next state."""
        reached: dict[Key, float] = {}
        if action >= 0:
            return self._spread(state.child(action), 1.0, action, reached, None), reached
        return self._spread(state, 1.0, last, reached, None), reached

    def _spread(self, state: Any, p: float, last: int | None, reached: dict[Key, float], found: States | None) -> float:
        """Follow chance nodes from `state` to the next layer; returns p times the rewards on the way."""
        return self._follow(state, string(state), p, last, reached, found, None)

    def _follow(
        self, state: Any, name: str, p: float, last: int | None, reached: dict[Key, float], found: States | None,
        memo: Memo | None, kind: int | None = None,
    ) -> float:  # fmt: skip
        if memo is not None and name in memo:
            return self._known(state, memo[name], p, last, reached, found, memo)
        if kind is None:
            kind = kind_of(state)
        if kind == CHANCE:
            return self._blow(state, name, p, last, reached, found, memo)
        if kind == FIELD and name not in self._supports and not self.support(state, name):
            del self._supports[name]
            through = state.clone()
            through.update_distribution([])
            if kind_of(through) == CHANCE:
                return p * self.paid(state) + self._follow(through, string(through), p, last, reached, found, memo)
            self._supports[name] = ()
        key = (name, last)
        reached[key] = reached.get(key, 0.0) + p
        if found is not None and key not in found:
            found[key] = state
        return p * self.paid(state) if kind == TERMINAL else 0.0

    def _known(
        self, state: Any, node: Node, p: float, last: int | None, reached: dict[Key, float], found: States | None,
        memo: Memo,
    ) -> float:  # fmt: skip
        """Follow the outcomes of a known chance node."""
        total = 0.0
        for (x, q), end in zip(node.outcomes, node.leads, strict=True):
            key = (end, last)
            reached[key] = reached.get(key, 0.0) + p * q
            if found is not None and key not in found:
                found[key] = partial(state.child, x) if isinstance(found, Later) else state.child(x)
            if node.terminal:  # terminal rewards may depend on the last action
                if key not in memo.pays:
                    there = None if found is None or isinstance(found, Later) else found[key]
                    memo.pays[key] = self.paid(state.child(x) if there is None else there)
                total += p * q * memo.pays[key]
        return total

    def _blow(
        self, state: Any, name: str, p: float, last: int | None, reached: dict[Key, float], found: States | None,
        memo: Memo | None,
    ) -> float:  # fmt: skip
        """Follow the outcomes of a new chance node."""
        if abs(self.paid(state)) > 0:
            raise ValueError(
                f"{self.title} has the reward {self.paid(state)} at the chance node {name!r}; OpenSpiel's own "
                "algorithms ignore rewards of chance nodes, so the game has no clear meaning"
            )
        outcomes = state.chance_outcomes()
        total, plain, terminal, leads = 0.0, True, False, list[str]()
        for x, q in outcomes:
            following = state.child(x)
            end, kind = string(following), kind_of(following)
            total += self._follow(following, end, p * q, last, reached, found, memo, kind)
            terminal = terminal or kind == TERMINAL
            plain = plain and (end, last) in reached
            leads.append(end)
        if plain and memo is not None:
            memo[name] = Node(outcomes, leads, terminal)
        return total
