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
from functools import partial
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


class Stop(NamedTuple):
    """A state of a layer at one population, without the step that follows."""

    decision: str
    here: float
    actions: tuple[int, ...]


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
    walked[t]   {the same key: the step from it at some population}
    names[t]    {the same key: observation}
    legal       the sets of legal actions met

    What is tried: from every string the step at two populations (even and random), what is paid and what may be done
    there at four more, by every last action and from another way to it; at one string of the first two layers and of
    every fourth after them the step at all six populations, by another last action and from another way to it; and all
    of it at all strings once a transition is seen to depend on the population, or what follows on the last action.
    """

    def __init__(self, game: Any, last_action: str) -> None:
        self.game = game
        self._check_kind()
        self.layers: list[dict[Key, Any]] = []
        self.displays: list[dict[str, str]] = []  # by layer: what a string is shown as
        self.legal: set[tuple[int, ...]] = set()
        self.moving = self.moved_after = self.moved_here = False  # what depends on the population
        self.carries = self.deep = False  # deep: what follows a string depends on the action before it
        self.walked: list[dict[Key, Segment]] = []
        self._told: set[str] = set()  # mean-field nodes that are told something: to ask is as dear as to be told
        self._explore(last_action)
        self._name()

    @property
    def horizon(self) -> int:
        return len(self.layers) - 1

    def stop(self, state: Any, shares: Mapping[str, float]) -> tuple[Stop, Any]:
        """What is paid and may be done at `state`, and the state once the population is told."""
        here = paid(state)
        if state.get_type() == FIELD:
            state = updated(state, shares)
            if state.get_type() == DECISION:
                here += paid(state)
        actions = tuple(state.legal_actions()) if state.get_type() == DECISION else (-1,)
        return Stop(string(state), here, actions), state

    def segment(
        self, state: Any, last: int | None, shares: Mapping[str, float], found: States | None, memo: _Memo | None = None
    ) -> Segment:
        """One step from `state`; the states reached go into `found`, the first of each key.

        With a `memo`, of one layer, chance nodes of one string and the same outcomes lead to the same strings.
        """
        stop, state = self.stop(state, shares)
        after, moves = [], []
        for a in stop.actions:
            reached: dict[Key, float] = {}
            if a >= 0:
                reward = self._spread(state.child(a), 1.0, a, reached, found, memo)
            else:
                reward = self._spread(state, 1.0, last, reached, found, memo)
            after.append(reward)
            moves.append(reached)
        return Segment(stop.decision, stop.here, stop.actions, tuple(after), tuple(moves))

    def _spread(
        self, state: Any, p: float, last: int | None, reached: dict[Key, float], found: States | None,
        memo: _Memo | None = None,
    ) -> float:  # fmt: skip
        """Follow chance from `state` to the next layer; returns what is paid on the way, times p."""
        kind, name = state.get_type(), string(state)
        if kind == CHANCE:
            if abs(paid(state)) > 0:
                raise ValueError(
                    f"{self.title} pays {paid(state)} at the chance node {name!r}; OpenSpiel's own algorithms "
                    "leave such rewards out, so that it is not clear which game is meant"
                )
            return self._blow(state, name, p, last, reached, found, memo)
        if kind == FIELD and name not in self._told:
            if state.distribution_support():
                self._told.add(name)
            else:
                through = updated(state, {})
                if through.get_type() == CHANCE:
                    return p * paid(state) + self._spread(through, p, last, reached, found, memo)
        key = (name, last)
        reached[key] = reached.get(key, 0.0) + p
        if found is not None:
            found.setdefault(key, state)
        return p * paid(state) if kind == TERMINAL else 0.0

    def _blow(
        self, state: Any, name: str, p: float, last: int | None, reached: dict[Key, float], found: States | None,
        memo: _Memo | None,
    ) -> float:  # fmt: skip
        """Follow the outcomes of a chance node."""
        known, ends = ([], []) if memo is None else memo.get(name, ([], []))
        outcomes = known if known and memo is not None and memo.sure else state.chance_outcomes()
        if known and known == outcomes:
            for (x, q), end in zip(outcomes, ends, strict=True):
                key = (end, last)
                reached[key] = reached.get(key, 0.0) + p * q
                if isinstance(found, _Latest):
                    found[key] = partial(state.child, x)
                elif found is not None and key not in found:
                    found[key] = state.child(x)
            return 0.0
        total, plain, leads = 0.0, not known, list[str]()
        for x, q in outcomes:
            following = state.child(x)
            total += self._spread(following, p * q, last, reached, found, memo)
            end = following.get_type()
            if end == TERMINAL:  # what it pays may depend on the last action
                plain = plain and memo is not None and memo.sure and paid(following) == 0
            else:
                plain = plain and end in (FIELD, DECISION) and (string(following), last) in reached
            leads.append(string(following))
        if plain and memo is not None:
            memo[name] = outcomes, leads
        return total

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
            self.walked = [{(s, None): step for (s, _), step in reversed(one.items())} for one in self.walked]

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
        t = len(self.layers) - 1
        closely = strings[(7 * t) % len(strings)] if t % 4 == 1 or t == 0 else None
        found: dict[Key, Any] = {}
        second, third = _Latest(), _Latest()
        display: dict[str, str] = {}
        walked: dict[Key, Segment] = {}
        steady = True
        at_random, at_even, elsewhere = _Memo(False), _Memo(True), _Memo(False)
        for s, (key, state) in first.items():
            seen = self.segment(state, key[1], random, second, None if s == closely else at_random)
            tried = [self.segment(state, key[1], even, found, at_even), seen]
            others_at = []
            if state.get_type() == FIELD:
                others_at = [_at(s, share, state, strings) for share in (0.0, 1.0)]
                others_at += [{x: 1.0} for x in (strings[0], strings[-1])]
                self._compare(tried)
                if s == closely or self.moving:
                    tried += [self.segment(state, key[1], shares, found, elsewhere) for shares in others_at]
                    others_at = []
                    self._compare(tried)
                if any(one.decision != seen.decision or one.moves != seen.moves for one in tried):
                    levels = np.linspace(0.0, 1.0, LEVELS).tolist()
                    tried += [self.segment(state, key[1], _at(s, share, state, strings), found) for share in levels]
            stops: list[Segment | Stop] = [*tried, *(self.stop(state, shares)[0] for shares in others_at)]
            self.moved_here |= any(one.here != seen.here for one in stops)
            self.moving |= any(one.actions != seen.actions for one in stops)
            display[s] = seen.decision
            steady = steady and all(one.decision == seen.decision for one in stops)
            self.legal.update(one.actions for one in stops)
            walked[key] = tried[0]
            by_last: dict[int | None, Segment] = {key[1]: seen}
            for i, ((_, last), state_too) in enumerate(beside.get(s, ())):
                if self.deep or (s == closely and i == 0):
                    by_last[last] = self.segment(state_too, last, random, third, elsewhere)
                else:
                    by_last[last] = _stopping(seen, self.stop(state_too, random)[0], last)
                walked[s, last] = by_last[last]
                self._same(seen, by_last[last], key, last)
            for key_too, state_too in past.get(s, ()):
                before = by_last[key_too[1]]
                if self.deep or s == closely:
                    again = self.segment(state_too, key_too[1], random, third, elsewhere)
                else:
                    again = _stopping(before, self.stop(state_too, random)[0], key_too[1])
                self._same_past(before, again, key_too)
        self.walked.append(walked)
        # third: at another population too
        known: _Others = list({**second.states(found), **third.states(found)}.items())
        for key, state in known:
            found.setdefault(key, state)
        if not steady or len(set(display.values())) < len(display):
            display = {s: s for s in strings}
        self.displays.append(display)
        ways = {key[0]: (key, state) for key, state in known if found[key] is not state}  # one to each string
        return found, list(ways.values())

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
        alike = _alike(one, two, apart=False)
        self.carries |= not alike
        self.deep |= not alike and not _alike(one, two._replace(here=one.here), apart=False)

    def _same_past(self, one: Segment, two: Segment, key: Key) -> None:
        """Two ways to one string by the same action."""
        if not _alike(one, two, apart=True):
            raise ValueError(
                f"{self.title}: rewards or transitions at {key[0]!r} depend on more than this string, the last action "
                "and the population: on earlier states or populations"
            )

    def steps(self, t: int) -> dict[int, Segment]:
        """The step from every state of layer t at some population, by observation."""
        if self.deep:
            names = self.names[t]
            share = np.bincount(list(names.values()), minlength=len(self.observation_labels)) / len(names)
            return self.segments(t, share)
        return {self.names[t][key]: step for key, step in self.walked[t].items()}

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


class _Memo(dict[str, tuple[list[tuple[int, float]], list[str]]]):
    """Outcomes of chance nodes, and where they lead; `sure`: nodes of one string have the same ones, unasked."""

    def __init__(self, sure: bool) -> None:
        super().__init__()
        self.sure = sure


class _Latest(dict[Key, Any]):
    """Keeps what came last, states or what makes them."""

    def setdefault(self, key: Key, default: Any = None) -> Any:
        self[key] = default
        return default

    def states(self, found: States) -> States:
        """One of every string, and all that were not found."""
        kept = {key[0]: key for key in self}
        return {
            key: state() if isinstance(state, partial) else state
            for key, state in self.items()
            if key not in found or kept[key[0]] == key
        }


def _at(s: str, share: float, state: Any, strings: list[str]) -> dict[str, float]:
    """A population with that share at s; the others at what `state` is not told of, else anywhere."""
    told = {s, *state.distribution_support()}
    rest = [x for x in strings if x not in told] or [x for x in strings if x != s]
    if not rest:
        return {s: 1.0}
    return {**dict.fromkeys(rest, (1.0 - share) / len(rest)), s: share}


def _stopping(step: Segment, stop: Stop, last: int | None) -> Segment:
    """The step from a state that was not followed, with what is paid and may be done there: else like another's."""
    moves = step.moves
    if step.actions == (-1,):  # nothing is decided: the last action stays the last
        moves = tuple({(s, last): p for (s, _), p in reached.items()} for reached in moves)
    return Segment(stop.decision, stop.here, stop.actions, step.after, moves)


def _merged(law: dict[Key, float]) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for (s, _), p in law.items():
        found[s, None] = found.get((s, None), 0.0) + p
    return found


def _alike(one: Segment, two: Segment, *, apart: bool) -> bool:
    """Same rewards and moves; `apart`: the last action of a step in which nothing is decided counts too."""
    ours, theirs = one.moves, two.moves
    if ours is not theirs and not apart:
        ours, theirs = tuple(map(_merged, ours)), tuple(map(_merged, theirs))
    if abs(one.here - two.here) > CLOSE * max(1.0, abs(one.here)) or one.actions != two.actions:
        return False
    if one.after is not two.after and any(
        abs(x - y) > CLOSE * max(1.0, abs(x)) for x, y in zip(one.after, two.after)
    ):
        return False
    if ours is theirs:
        return True
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
