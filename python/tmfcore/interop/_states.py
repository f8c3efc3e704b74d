"""A mean-field game of OpenSpiel read by walking its State objects.

    Reader      layers of states between which agents are observed, their names, and tables at any (mu, t)

A step of the game goes from one *layer* to the next. A layer holds mean-field nodes, where the population is told, or
decision nodes that do not come right after such; a step passes one decision at most. An observation is a state string
of a layer, as OpenSpiel keys distributions and values, with the step taken out of it, so that a place is one
observation at all steps. Mean-field nodes with nothing to be told are passed through where chance follows.

OpenSpiel's own algorithms add up the rewards of mean-field, decision and terminal nodes and merge the states of one
string. Merged states may differ in what the string does not say: every way of reaching a string is tried apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyspiel

from tmfcore._validation import FloatArray

DECISION, CHANCE, FIELD = pyspiel.StateType.DECISION, pyspiel.StateType.CHANCE, pyspiel.StateType.MEAN_FIELD
TERMINAL = pyspiel.StateType.TERMINAL
LEVELS = 33  # shares of its own at which a state is tried whose continuation depends on its share
CLOSE = 1e-9  # rewards that differ by less are the same: sums taken in another order

Key = tuple[str, int | None]  # state string, last action where it is carried
States = dict[Key, Any]
_Others = list[tuple[Key, Any]]  # states of a key reached in another way: other populations, places, earlier actions


class Segment(NamedTuple):
    """From a state of one layer to the next, at one population."""

    decision: str  # string of the state that decides
    here: float  # what is paid whatever is done
    actions: tuple[int, ...]  # legal ones, (-1,) where nothing is decided
    after: tuple[float, ...]  # what is paid on the way, by action
    moves: tuple[dict[Key, float], ...]  # probability of the next state, by action


def string(state: Any) -> str:
    """What their distributions and values are keyed by."""
    return str(state.observation_string(pyspiel.PlayerId.DEFAULT_PLAYER_ID))


def paid(state: Any) -> float:
    return float(state.rewards()[0])


def updated(state: Any, shares: Mapping[str, float]) -> Any:
    """The state after the population is told to it; strings that nobody is at have share 0."""
    moved = state.clone()
    moved.update_distribution([shares.get(s, 0.0) for s in state.distribution_support()])
    return moved


class Reader:
    """A game of one population: what there is to observe, and the tables at (mu, t).

    layers[t]   {(string, last action or None): state}, T + 1 layers of which the last is terminal
    names[t]    {the same key: observation}
    legal       the sets of legal actions met
    """

    def __init__(self, game: Any, last_action: str) -> None:
        self.game = game
        self._check_kind()
        self.layers: list[dict[Key, Any]] = []
        self.displays: list[dict[str, str]] = []  # by layer: what a string is shown as
        self.legal: set[tuple[int, ...]] = set()
        self.moving = self.moved_after = self.moved_here = False  # what depends on the population
        self.carries = False
        self._last: set[int | None] = set()
        self._explore(last_action)
        self._name()

    @property
    def horizon(self) -> int:
        return len(self.layers) - 1

    def segment(self, state: Any, last: int | None, shares: Mapping[str, float], found: States | None) -> Segment:
        """One step from `state`; the states reached go into `found`, the first of each key."""
        here = paid(state)
        if state.get_type() == FIELD:
            state = updated(state, shares)
            if state.get_type() == DECISION:
                here += paid(state)
        actions: tuple[int, ...] = (-1,)
        if state.get_type() == DECISION:
            actions = tuple(state.legal_actions())
        after, moves = [], []
        for a in actions:
            reached: dict[Key, float] = {}
            if a >= 0:
                reward = self._spread(state.child(a), 1.0, a, reached, found)
            else:
                reward = self._spread(state, 1.0, last, reached, found)
            after.append(reward)
            moves.append(reached)
        return Segment(string(state), here, actions, tuple(after), tuple(moves))

    def _spread(
        self, state: Any, p: float, last: int | None, reached: dict[Key, float], found: States | None
    ) -> float:
        """Follow chance from `state` to the next layer; returns what is paid on the way, times p."""
        kind = state.get_type()
        if kind == CHANCE:
            if abs(paid(state)) > 0:
                raise ValueError(
                    f"{self.title} pays {paid(state)} at the chance node {string(state)!r}; OpenSpiel's own algorithms "
                    "leave such rewards out, so that it is not clear which game is meant"
                )
            return sum(self._spread(state.child(x), p * q, last, reached, found) for x, q in state.chance_outcomes())
        if kind == FIELD and not state.distribution_support():
            through = updated(state, {})
            if through.get_type() == CHANCE:
                return p * paid(state) + self._spread(through, p, last, reached, found)
        key = (string(state), last)
        reached[key] = reached.get(key, 0.0) + p
        if found is not None:
            found.setdefault(key, state)
        return p * paid(state) if kind == TERMINAL else 0.0

    @property
    def title(self) -> str:
        return str(self.game.get_type().short_name)

    def _check_kind(self) -> None:
        kind = self.game.get_type()
        if kind.dynamics != pyspiel.GameType.Dynamics.MEAN_FIELD:
            raise ValueError(f"{self.title} is no mean-field game; its dynamics are {kind.dynamics}")
        roots = len(self.game.new_initial_states())
        populations = max(self.game.num_players(), roots)
        if populations != 1:
            raise ValueError(f"{self.title} has {populations} populations; only games of one can be taken over")

    # What there is: every string of every layer, by every last action.

    def _explore(self, last_action: str) -> None:
        start: dict[Key, Any] = {}
        law: dict[Key, float] = {}
        if self._spread(self.game.new_initial_state(), 1.0, None, law, start) != 0:
            raise ValueError(f"{self.title} pays before its first decision")
        self.initial = law
        others: _Others = []
        layer = start
        while any(state.get_type() != TERMINAL for state in layer.values()):
            if any(state.get_type() == TERMINAL for state in layer.values()):
                raise ValueError(f"{self.title} ends earlier along some paths than along others")
            self.layers.append(layer)
            layer, others = self._explore_layer(layer, others)
        self.layers.append(layer)
        if self.carries and last_action == "refuse":
            raise ValueError(
                f"rewards of {self.title} depend on the last action, which its state strings do not name; "
                "last_action='carry' makes it part of the observation"
            )
        if not self.carries:
            self.initial = _merged(self.initial)
            self.layers = [{(s, None): state for (s, _), state in reversed(one.items())} for one in self.layers]

    def _explore_layer(self, layer: dict[Key, Any], others: _Others) -> tuple[dict[Key, Any], _Others]:
        """Try every state of a layer at several populations; the next layer, and other ways to its keys."""
        first: dict[str, tuple[Key, Any]] = {}
        beside: dict[str, list[tuple[Key, Any]]] = {}
        for key, state in layer.items():
            if key[0] in first:
                beside.setdefault(key[0], []).append((key, state))
            else:
                first[key[0]] = key, state
        past: dict[str, list[tuple[Key, Any]]] = {}
        for key, state in others:
            past.setdefault(key[0], []).append((key, state))
        strings = list(first)
        weights = np.random.default_rng(len(self.layers)).dirichlet(np.ones(len(strings)))
        random = dict(zip(strings, weights.tolist()))
        even = dict.fromkeys(strings, 1 / len(strings))
        found: dict[Key, Any] = {}
        second, third = _Latest(), _Latest()
        display: dict[str, str] = {}
        steady = True
        for s, (key, state) in first.items():
            seen = self.segment(state, key[1], random, second)
            tried = [self.segment(state, key[1], even, found), seen]
            if state.get_type() == FIELD:
                tried += [self.segment(state, key[1], _at(s, share, state, strings), found) for share in (0.0, 1.0)]
                tried += [self.segment(state, key[1], {x: 1.0}, found) for x in (strings[0], strings[-1])]
                self._compare(tried)
                if any(one.decision != seen.decision or one.moves != seen.moves for one in tried):
                    levels = np.linspace(0.0, 1.0, LEVELS).tolist()
                    tried += [self.segment(state, key[1], _at(s, share, state, strings), found) for share in levels]
            display[s] = seen.decision
            steady = steady and all(one.decision == seen.decision for one in tried)
            self.legal.update(one.actions for one in tried)
            by_last = {key[1]: seen}
            for (_, last), state_too in beside.get(s, ()):
                by_last[last] = self.segment(state_too, last, random, third)
                self._same(seen, by_last[last], key, last)
            for key_too, state_too in past.get(s, ()):
                self._same_past(by_last[key_too[1]], self.segment(state_too, key_too[1], random, third), key_too)
        known: _Others = list({**second, **third}.items())  # third: at another population too
        for key, state in known:
            found.setdefault(key, state)
        if not steady or len(set(display.values())) < len(display):
            display = {s: s for s in strings}
        self.displays.append(display)
        return found, [(key, state) for key, state in known if found[key] is not state]

    def _compare(self, tried: list[Segment]) -> None:
        one = tried[0]
        for two in tried[1:]:
            self.moving |= one.moves != two.moves or one.actions != two.actions
            self.moved_here |= one.here != two.here
            self.moved_after |= one.after != two.after

    def _same(self, one: Segment, two: Segment, key: Key, last: int | None) -> None:
        """Two ways to one string, by different actions."""
        if one.decision != two.decision or one.actions != two.actions:
            raise ValueError(
                f"{self.title}: what may be done at {key[0]!r} depends on the last action ({key[1]} or {last}), "
                "which the string does not name"
            )
        self.carries |= not _alike(one, two, apart=False)

    def _same_past(self, one: Segment, two: Segment, key: Key) -> None:
        """Two ways to one string by the same action."""
        if not _alike(one, two, apart=True):
            raise ValueError(
                f"{self.title}: rewards or transitions at {key[0]!r} depend on more than this string, the last action "
                "and the population: on earlier states or populations"
            )

    # Names: the strings without the step.

    def _name(self) -> None:
        layers = [*self.displays, {s: s for s, _ in self.layers[-1]}]
        short = _without_step([layer.values() for layer in layers])
        raw = _without_step([layer.keys() for layer in layers])
        if short is None or raw is None:
            shown = layers
        else:
            alias: dict[str, str] = {}
            for t, layer in enumerate(self.displays):
                alias.update((raw[t][s], short[t][d]) for s, d in layer.items())
            shown = [{s: short[t][d] for s, d in layer.items()} for t, layer in enumerate(self.displays)]
            last = {s: alias.get(raw[-1][s], raw[-1][s]) for s in layers[-1]}
            shown.append(last if len(set(last.values())) == len(last) else {s: s for s in last})
        names = [{key: _label(shown[t][key[0]], key[1]) for key in layer} for t, layer in enumerate(self.layers)]
        order = sorted({name for layer in names for name in layer.values()}, key=_natural)
        number = {name: o for o, name in enumerate(order)}
        self.observation_labels = tuple(order)
        self.names = [{key: number[name] for key, name in layer.items()} for layer in names]

    # Tables.

    def segments(self, t: int, mu: FloatArray) -> dict[int, Segment]:
        """The step from every state of layer t at the population mu (S,), by observation."""
        names = self.names[t]
        shares: dict[str, float] = {}
        for key, o in names.items():
            shares[key[0]] = shares.get(key[0], 0.0) + float(mu[o])
        return {names[key]: self.segment(state, key[1], shares, None) for key, state in self.layers[t].items()}

    def here(self, t: int, mu: FloatArray) -> dict[int, float]:
        """What is paid before anything is done, by observation: without the walk."""
        names = self.names[t]
        shares: dict[str, float] = {}
        for key, o in names.items():
            shares[key[0]] = shares.get(key[0], 0.0) + float(mu[o])
        found = {}
        for key, state in self.layers[t].items():
            found[names[key]] = paid(state)
            if state.get_type() == FIELD:
                moved = updated(state, shares)
                if moved.get_type() == DECISION:
                    found[names[key]] += paid(moved)
        return found

    def row(self, t: int, reached: dict[Key, float]) -> dict[int, float]:
        """A move into layer t + 1, by observation."""
        names, row = self.names[t + 1], dict[int, float]()
        for (s, last), p in reached.items():
            key = (s, last if self.carries else None)
            if key not in names:
                raise ValueError(
                    f"{self.title} reaches {s!r} at step {t + 1}, which was not found when the game was read, at "
                    f"{LEVELS} levels of crowding; such a population cannot be followed"
                )
            row[names[key]] = row.get(names[key], 0.0) + p
        return row


class _Latest(dict[Key, Any]):
    """Keeps what came last."""

    def setdefault(self, key: Key, default: Any = None) -> Any:
        self[key] = default
        return default


def _at(s: str, share: float, state: Any, strings: list[str]) -> dict[str, float]:
    """A population with that share at s; the others at what `state` is not told of, else anywhere."""
    told = {s, *state.distribution_support()}
    rest = [x for x in strings if x not in told] or [x for x in strings if x != s]
    if not rest:
        return {s: 1.0}
    return {**dict.fromkeys(rest, (1.0 - share) / len(rest)), s: share}


def _merged(law: dict[Key, float]) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for (s, _), p in law.items():
        found[s, None] = found.get((s, None), 0.0) + p
    return found


def _alike(one: Segment, two: Segment, *, apart: bool) -> bool:
    """Same rewards and moves; `apart`: the last action of a step in which nothing is decided counts too."""
    ours, theirs = one.moves, two.moves
    if not apart:
        ours, theirs = tuple(map(_merged, ours)), tuple(map(_merged, theirs))
    if abs(one.here - two.here) > CLOSE * max(1.0, abs(one.here)) or one.actions != two.actions:
        return False
    if any(abs(x - y) > CLOSE * max(1.0, abs(x)) for x, y in zip(one.after, two.after)):
        return False
    return all(x.keys() == y.keys() and all(abs(x[k] - y[k]) < CLOSE for k in x) for x, y in zip(ours, theirs))


def _label(name: str, last: int | None) -> str:
    return name if last is None else f"{name} after {last}"


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _without_step(layers: list[Iterable[str]]) -> list[dict[str, str]] | None:
    """Each string with the number of its layer as t, wherever all of its kind have it; None if two coincide."""
    steps: dict[str, list[bool]] = {}
    for t, layer in enumerate(layers):
        for s in layer:
            numbers = [int(n) == t for n in re.findall(r"\d+", s)]
            kind = re.sub(r"\d+", "#", s)
            steps[kind] = numbers if kind not in steps else [x and y for x, y in zip(steps[kind], numbers)]
    found = []
    for layer in layers:
        named = {}
        for s in layer:
            is_step = steps[re.sub(r"\d+", "#", s)]
            parts = re.split(r"(\d+)", s)  # text and numbers in turn
            parts[1::2] = ["t" if step else n for n, step in zip(parts[1::2], is_step)]
            named[s] = "".join(parts)
        if len(set(named.values())) < len(named):
            return None
        found.append(named)
    return found
