"""Detects by probing what the steps of an OpenSpiel game depend on: the population, the last action, earlier states.

From every string of a layer it probes the step at two populations, uniform and random, along the first and the last
path to each chance node, whose outcomes are compared after every action; and rewards and legal actions after every last
action and along another path to the string. While no reward is known to depend on the population, it probes rewards at
four more populations: no agent or all agents at the string, all at the first and all at the last string. From one
string of the first two layers and of every fourth layer after them it probes the step at all six populations, after
another last action and along another path, with chance nodes followed one by one. Once a transition depends on the
population, it probes the step with no agent and with all agents at every string; once the continuation depends on the
last action, all paths; if the reachable states depend on the population, shares of agents between those that differ.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from tmfcore.interop._walk import FIELD, Crowd, Key, Later, Memo, Segment, States, Stop, kind_of

if TYPE_CHECKING:
    from tmfcore.interop._states import Reader

LEVELS = 33  # number of shares of agents at a state, at most, for which its continuation is probed
CLOSE = 1e-9  # rewards that differ by less count as equal: the order of sums may differ

Ways = list[tuple[Key, Any]]  # states of a key reached along another path: other populations, states, earlier actions


class Trial:
    """Flags set by probing.

    moving          transitions or legal actions depend on the population
    moved_after     rewards paid between two layers depend on the population
    moved_here      rewards paid at a layer depend on the population
    carries         rewards or transitions depend on the last action, which the string omits
    deep            what follows a string depends on the last action, not only the reward paid there
    apart           chance nodes with the same string differ, and are followed separately
    choosing        legal actions do
    legal           the sets of legal actions found
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.moving = self.moved_after = self.moved_here = False
        self.carries = self.deep = self.apart = self.choosing = False
        self.legal: set[tuple[int, ...]] = set()

    def of_layer(self, t: int, layer: States, others: Ways) -> tuple[dict[Key, Segment], dict[str, str], States, Ways]:
        """Probe a layer; return its steps, the displays of its strings, the next layer, and other paths to that."""
        first, beside, past = _ways(layer, others)
        strings = list(first)
        closely = strings[(7 * t) % len(strings)] if t % 4 == 1 or t == 0 else None
        even, random = self._crowd(dict.fromkeys(strings, 1.0)), self._random(t, strings)
        third = Later()
        at_even, seen, found, second = self._pair(first, even, random, closely)
        for s in strings:
            self._compare(at_even[s], seen[s])
            if at_even[s].moves == seen[s].moves:  # share the object, so that its rows are made once
                seen[s] = seen[s]._replace(moves=at_even[s].moves)
        walked: dict[Key, Segment] = {}
        steady = True
        for s, (key, state) in first.items():
            steady &= self._elsewhere(
                s, key, state, strings, (even, random), [at_even[s], seen[s]], found, s == closely
            )
            walked[key] = at_even[s]
            by_last: dict[int | None, Segment] = {key[1]: seen[s]}
            for i, (key_too, state_too) in enumerate(beside.get(s, ())):
                whole = self.deep or (s == closely and i == 0)
                step = self._again(seen[s], key_too, state_too, random, third, whole, ask=i == 0)
                walked[key_too] = by_last[key_too[1]] = step
                self._same(seen[s], step, key, key_too[1])
            for key_too, state_too in past.get(s, ()):
                step, whole = by_last[key_too[1]], self.deep or s == closely
                again = self._again(step, key_too, state_too, random, third, whole, ask=s not in beside)
                self._same_past(step, again, key_too)
        known = {**second.states(found), **third.states(found)}  # third: at another population, too
        for key, state in known.items():
            found.setdefault(key, state)
        display = {s: seen[s].decision for s in strings}
        if not steady or len(set(display.values())) < len(display):
            display = {s: s for s in strings}
        ways = {key[0]: (key, state) for key, state in known.items() if found[key] is not state}  # one per string
        return walked, display, found, list(ways.values())

    def _pair(
        self, first: dict[str, tuple[Key, Any]], even: Crowd, random: Crowd, closely: str | None
    ) -> tuple[dict[str, Segment], dict[str, Segment], States, Later]:
        """The steps at two populations, and the states reached, along the first and the last path to a chance node."""
        walk, found, second = self.reader.segment, States(), Later()
        memo = None if self.apart else Memo()
        at_even = {s: walk(state, key, even, found, memo) for s, (key, state) in first.items()}
        again = None if memo is None else Memo(memo)
        seen = {
            s: walk(state, key, random, second, None if s == closely else again, at_even[s])
            for s, (key, state) in reversed(first.items())
        }
        if memo and again and (again.differ or any(memo.get(name, node) != node for name, node in again.items())):
            self.apart = True
            return self._pair(first, even, random, closely)
        return at_even, seen, found, second

    # Populations.

    def _crowd(self, weights: dict[str, float]) -> Crowd:
        """Shares in proportion to the weights, normalised within each population."""
        reader = self.reader
        total = [0.0] * reader.n_populations
        for s, weight in weights.items():
            total[reader.population_of[s]] += weight
        return Crowd({s: weight / total[reader.population_of[s]] for s, weight in weights.items() if weight > 0})

    def _random(self, t: int, strings: list[str]) -> Crowd:
        draw = Random(t).expovariate
        return self._crowd({s: draw(1.0) for s in strings})

    def _at(self, s: str, share: float, support: tuple[str, ...], strings: list[str]) -> Crowd:
        """A population with `share` of its agents at s and the others outside the support, if possible."""
        reader = self.reader
        own = reader.population_of[s]
        told = {s, *support}
        ours = [x for x in strings if reader.population_of[x] == own]
        rest = [x for x in ours if x not in told] or [x for x in ours if x != s]
        shares = dict.fromkeys(rest, (1.0 - share) / len(rest)) if rest else {}
        shares[s] = share if rest else 1.0
        return Crowd({**self._elsewhere_even(own, strings), **shares})

    def _elsewhere_even(self, own: int, strings: list[str]) -> dict[str, float]:
        """The other populations, spread evenly."""
        if self.reader.n_populations == 1:
            return {}
        others = {x: 1.0 for x in strings if self.reader.population_of[x] != own}
        return dict(self._crowd(others).shares)

    def _ends(self, strings: list[str]) -> list[Crowd]:
        """All agents of every population at its first string, and all at its last."""
        place = self.reader.population_of
        return [Crowd(dict.fromkeys({place[x]: x for x in order}.values(), 1.0)) for order in (strings[::-1], strings)]

    # Probes.

    def _elsewhere(
        self, s: str, key: Key, state: Any, strings: list[str], pair: tuple[Crowd, Crowd], tried: list[Segment],
        found: States, closely: bool,
    ) -> bool:  # fmt: skip
        """Probe two to four populations besides the first pair, unless they cannot change a flag.

        Returns whether the string of the decision is the same at all populations.
        """
        whole = closely or self.moving
        seen, stops = tried[1], list[Segment | Stop](tried)
        asked = whole or not (self.moved_here or self.moved_after)
        if asked and kind_of(state) == FIELD and self.reader.support(state, s):
            support = self.reader.support(state, s)
            crowds = [self._at(s, share, support, strings) for share in (0.0, 1.0)]
            if closely or not whole:
                crowds += self._ends(strings)
            told = [crowd.told(support) for crowd in (*pair, *crowds)]
            other = [crowd for i, crowd in enumerate(crowds) if told[i + 2] not in told[: i + 2]]
            if whole:
                tried += [self.reader.segment(state, key, crowd, found) for crowd in other]
                for one in tried[2:]:
                    self._compare(one, seen)
                if len({_reach(one) for one in tried}) > 1:
                    stops += self._levels(s, key, state, strings, tried, found)
                stops += tried[2:]
            else:
                stops += [self.reader.stop(state, crowd, s)[0] for crowd in other]
        self.moved_here |= any(one.here != seen.here for one in stops)
        self.choosing |= any(one.actions != seen.actions for one in stops)
        self.moving |= self.choosing
        self.legal.update(one.actions for one in stops)
        return all(one.decision == seen.decision for one in stops)

    def _levels(
        self, s: str, key: Key, state: Any, strings: list[str], tried: list[Segment], found: States
    ) -> list[Segment]:
        """Steps with shares of agents at s between 0 and 1, bisected where reachable states differ.

        All LEVELS shares are probed if another population reached states that none of these shares reaches.
        """
        at: dict[int, Segment] = {}
        support = self.reader.support(state, s)

        def look(level: int) -> None:
            if level not in at:
                crowd = self._at(s, level / (LEVELS - 1), support, strings)
                at[level] = self.reader.segment(state, key, crowd, found)

        def halve(low: int, high: int) -> None:
            if high - low > 1 and _reach(at[low]) != _reach(at[high]):
                middle = (low + high) // 2
                look(middle)
                halve(low, middle)
                halve(middle, high)

        look(0)
        look(LEVELS - 1)
        halve(0, LEVELS - 1)
        if not {_reach(one) for one in tried} <= {_reach(one) for one in at.values()}:
            for level in range(LEVELS):
                look(level)
        return list(at.values())

    def _again(
        self, step: Segment, key: Key, state: Any, crowd: Crowd, found: States, whole: bool, ask: bool
    ) -> Segment:
        """The step from another state of a string; unless `whole`, only rewards and legal actions are probed."""
        if ask and kind_of(state) == FIELD:
            self.reader.support(state, key[0], again=True)
        if whole:
            return self.reader.segment(state, key, crowd, found, None if self.apart else Memo())
        stop, moves = self.reader.stop(state, crowd, key[0])[0], step.moves
        if step.actions == (-1,):  # no decision: the last action does not change
            moves = tuple({(s, key[1]): p for (s, _), p in reached.items()} for reached in moves)
        return Segment(stop.decision, stop.here, stop.actions, step.after, moves, step.via)

    def _compare(self, one: Segment, two: Segment) -> None:
        """Set flags if two steps from one state differ, at two populations or along two paths to a chance node."""
        self.choosing |= one.actions != two.actions
        self.moving |= one.actions != two.actions or one.moves != two.moves
        self.moved_here |= one.here != two.here
        self.moved_after |= one.after != two.after

    def _same(self, one: Segment, two: Segment, key: Key, last: int | None) -> None:
        """Compare the steps after two different last actions that lead to one string."""
        if one.decision != two.decision or one.actions != two.actions:
            raise ValueError(
                f"{self.reader.title}: the legal actions at {key[0]!r} depend on the last action ({key[1]} or {last}), "
                "which the string omits; such a game cannot be used"
            )
        following = _follow_alike(one, two, apart=False)
        self.deep |= not following
        self.carries |= not following or not _pay_alike(one.here, two.here)

    def _same_past(self, one: Segment, two: Segment, key: Key) -> None:
        """Compare the steps along two paths to one string with the same last action."""
        alike = one.actions == two.actions and _pay_alike(one.here, two.here)
        if not alike or not _follow_alike(one, two, apart=True):
            raise ValueError(
                f"{self.reader.title}: rewards or transitions at {key[0]!r} depend on more than this string, the last "
                "action and the population: on earlier states or populations; such a game cannot be used"
            )


def merged(law: dict[Key, float]) -> dict[Key, float]:
    """A law by (string, last action), summed over last actions."""
    found: dict[Key, float] = {}
    for (s, _), p in law.items():
        found[s, None] = found.get((s, None), 0.0) + p
    return found


def _ways(layer: States, others: Ways) -> tuple[dict[str, tuple[Key, Any]], dict[str, Ways], dict[str, Ways]]:
    """By string: the first state, states after other last actions, and states along other paths."""
    first: dict[str, tuple[Key, Any]] = {}
    beside: dict[str, Ways] = {}
    past: dict[str, Ways] = {}
    for key, state in layer.items():
        if key[0] in first:
            beside.setdefault(key[0], []).append((key, state))
        else:
            first[key[0]] = key, state
    for key, state in others:
        past.setdefault(key[0], []).append((key, state))
    return first, beside, past


def _reach(one: Segment) -> tuple[str, tuple[frozenset[Key], ...]]:
    return one.decision, tuple(map(frozenset, one.moves))


def _close(ours: tuple[dict[Key, float], ...], theirs: tuple[dict[Key, float], ...]) -> bool:
    if len(ours) != len(theirs):
        return False
    return ours == theirs or all(
        x.keys() == y.keys() and all(abs(x[k] - y[k]) < CLOSE for k in x) for x, y in zip(ours, theirs, strict=True)
    )


def _pay_alike(one: float, two: float) -> bool:
    return abs(one - two) <= CLOSE * max(1.0, abs(one))


def _follow_alike(one: Segment, two: Segment, *, apart: bool) -> bool:
    """Whether rewards after a layer and moves agree; `apart`: moves are also compared by last action."""
    ours, theirs = one.moves, two.moves
    if one.after is not two.after and not all(map(_pay_alike, one.after, two.after)):
        return False
    if ours is not theirs and not apart:
        ours, theirs = tuple(map(merged, ours)), tuple(map(merged, theirs))
    return ours is theirs or _close(ours, theirs)
