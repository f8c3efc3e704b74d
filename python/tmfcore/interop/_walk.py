"""One step of a mean-field game of OpenSpiel, walked from one State object to the next layer of them.

    Walker      what is paid and may be done at a state, and where a step from it leads, at a population
    Crowd       a population, as mean-field nodes are told it

OpenSpiel's own algorithms add up the rewards of mean-field, decision and terminal nodes and merge the states of one
string. Calls into the library are what reading a game costs: a node's support is asked for once a string, and a
population put into its order once; chance nodes of one string are followed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import pyspiel

# kinds of states as whole numbers, those of who moves: to compare the library's own takes as long as to make a state
CHANCE, FIELD, TERMINAL = map(int, (pyspiel.PlayerId.CHANCE, pyspiel.PlayerId.MEAN_FIELD, pyspiel.PlayerId.TERMINAL))
DECISION = PLAYER = int(pyspiel.PlayerId.DEFAULT_PLAYER_ID)

Key = tuple[str, int | None]  # state string, last action where it is carried
States = dict[Key, Any]


class Segment(NamedTuple):
    """From a state of one layer to the next, at one population."""

    decision: str  # string of the state that decides
    here: float  # what is paid whatever is done
    actions: tuple[int, ...]  # legal ones, (-1,) where nothing is decided
    after: tuple[float, ...]  # what is paid on the way, by action
    moves: tuple[dict[Key, float], ...]  # probability of the next state, by action
    via: tuple[str, ...]  # string that follows the decision, by action


class Stop(NamedTuple):
    """A state of a layer at one population, without the step that follows."""

    decision: str
    here: float
    actions: tuple[int, ...]


class Node(NamedTuple):
    """A chance node."""

    outcomes: list[tuple[int, float]]
    leads: list[str]  # strings, by outcome
    terminal: bool  # whether some of these are terminal


class Memo(dict[str, Node]):
    """Chance nodes of one layer and one population; `before`, those of another population.

    pays        what terminal nodes pay, by string and last action
    actions     those after which a node that was met has been asked for its outcomes again
    differ      whether it had others
    """

    def __init__(self, before: Memo | None = None) -> None:
        super().__init__()
        self.before = before
        self.pays: dict[Key, float] = {}
        self.actions: set[int] = set()
        self.differ = False

    def ask(self, state: Any, name: str, action: int) -> None:
        """Once for every action: do outcomes depend on it, unsaid by the string?"""
        if action not in self.actions:
            self.actions.add(action)
            self.differ |= state.chance_outcomes() != self[name].outcomes

    def alike(self, name: str) -> bool:
        """Whether a node that was met pays nothing, and was the same at the other population."""
        node = self[name]
        return not node.terminal and self.before is not None and node == self.before.get(name)


class Later(dict[Key, Any]):
    """States, or what makes them: the first way to each key."""

    def states(self, found: States) -> States:
        """One of every string, and all that were not found."""
        first: dict[str, Key] = {}
        for key in self:
            first.setdefault(key[0], key)
        return {
            key: state() if isinstance(state, partial) else state
            for key, state in self.items()
            if key not in found or first[key[0]] == key
        }


class Crowd:
    """Shares of strings; those that nobody is at have share 0."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self.shares = shares
        self._told: dict[int, list[float]] = {}

    def told(self, support: tuple[str, ...]) -> list[float]:
        """In the order of `support`, a tuple that the walker keeps."""
        found = self._told.get(id(support))
        if found is None:
            found = self._told[id(support)] = [self.shares.get(s, 0.0) for s in support]
        return found


def kind_of(state: Any) -> int:
    """CHANCE, FIELD, TERMINAL, or DECISION whoever decides."""
    player = int(state.current_player())
    return player if player < 0 else DECISION


def string(state: Any) -> str:
    """What their distributions and values are keyed by."""
    found: str = state.observation_string(PLAYER)
    return found


class Walker:
    """Steps of a game of one population or several, whose states never meet."""

    def __init__(self, game: Any) -> None:
        self.game = game
        kind = game.get_type()
        self.title = str(kind.short_name)
        if kind.dynamics != pyspiel.GameType.Dynamics.MEAN_FIELD:
            raise ValueError(f"{self.title} is no mean-field game; its dynamics are {kind.dynamics}")
        self.roots = game.new_initial_states()
        self.n_populations = max(game.num_players(), len(self.roots))
        if len(self.roots) != self.n_populations:
            raise ValueError(
                f"{self.title} has {self.n_populations} populations and {len(self.roots)} initial states; must have "
                "one each"
            )
        self._supports: dict[str, tuple[str, ...]] = {}  # of mean-field nodes that are told something
        self._orders: dict[tuple[str, ...], tuple[str, ...]] = {}

    def population(self, state: Any) -> int:
        return int(state.mean_field_population()) if self.n_populations > 1 else 0

    def paid(self, state: Any) -> float:
        """To an agent of the population whose state it is."""
        return float(state.rewards()[0 if self.n_populations == 1 else self.population(state)])

    def support(self, state: Any, name: str, *, again: bool = False) -> tuple[str, ...]:
        """What the population is asked for at a mean-field node; a function of its string, which `again` checks."""
        found = self._supports.get(name)
        if found is None or again:
            asked = tuple(state.distribution_support())
            asked = self._orders.setdefault(asked, asked)
            if found not in (None, asked):
                raise ValueError(f"{self.title} asks for other shares at {name!r} along another way to it")
            found = self._supports[name] = asked
        return found

    def updated(self, state: Any, crowd: Crowd, name: str | None = None) -> Any:
        """The state after the population is told to it."""
        moved = state.clone()
        moved.update_distribution(crowd.told(self.support(state, string(state) if name is None else name)))
        return moved

    def stop(self, state: Any, crowd: Crowd, name: str) -> tuple[Stop, Any]:
        """What is paid and may be done at `state`, of that string, and the state once the population is told."""
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
        """One step from `state`, of that key; the states reached go into `found`, the first of each key.

        With a `memo`, of one layer and population, chance nodes of one string are taken for one; where such a node
        was met and leads where it did when `like` was walked from the state, the move is that of `like`. Then actions
        are taken from the last to the first: what is taken for one is met along another way.
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
        """What is paid after `action`, -1 for none, from a state that was told, and the law of where it leads."""
        reached: dict[Key, float] = {}
        if action >= 0:
            return self._spread(state.child(action), 1.0, action, reached, None), reached
        return self._spread(state, 1.0, last, reached, None), reached

    def _spread(self, state: Any, p: float, last: int | None, reached: dict[Key, float], found: States | None) -> float:
        """Follow chance from `state` to the next layer; returns what is paid on the way, times p."""
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
        """Follow the outcomes of a chance node that was met."""
        total = 0.0
        for (x, q), end in zip(node.outcomes, node.leads, strict=True):
            key = (end, last)
            reached[key] = reached.get(key, 0.0) + p * q
            if found is not None and key not in found:
                found[key] = partial(state.child, x) if isinstance(found, Later) else state.child(x)
            if node.terminal:  # what it pays may depend on the last action
                if key not in memo.pays:
                    there = None if found is None or isinstance(found, Later) else found[key]
                    memo.pays[key] = self.paid(state.child(x) if there is None else there)
                total += p * q * memo.pays[key]
        return total

    def _blow(
        self, state: Any, name: str, p: float, last: int | None, reached: dict[Key, float], found: States | None,
        memo: Memo | None,
    ) -> float:  # fmt: skip
        """Follow the outcomes of a chance node."""
        if abs(self.paid(state)) > 0:
            raise ValueError(
                f"{self.title} pays {self.paid(state)} at the chance node {name!r}; OpenSpiel's own algorithms "
                "leave such rewards out, so that it is not clear which game is meant"
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
