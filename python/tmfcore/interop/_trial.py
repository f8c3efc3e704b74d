"""What the steps of a game of OpenSpiel depend on, found out by trying: populations, last actions, ways to a string.

What is tried at a layer: from every string the step at two populations, even and random, by the first and by the last
way to each chance node, whose outcomes are asked for after every action; from it by every last action, and along
another way, what is paid and may be done there. While rewards were not seen to depend on the population, what is paid
at four more: nobody and everybody at the string, everybody at the first and at the last. At one string of the first two
layers and of every fourth after them the step at all six, by another last action and along another way, chance nodes
followed one by one. Once a transition is seen to depend on the population, the step at nobody and everybody from all
strings, and once what follows is seen to depend on the last action, all ways. Where what can be reached depends on the
population, levels of crowding at the string are tried between those that differ.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from tmfcore.interop._walk import FIELD, Crowd, Key, Later, Memo, Segment, States, Stop, kind_of

if TYPE_CHECKING:
    from tmfcore.interop._states import Reader

LEVELS = 33  # shares of its own at which a state may be tried whose continuation depends on its share
CLOSE = 1e-9  # rewards that differ by less are the same: sums taken in another order

Ways = list[tuple[Key, Any]]  # states of a key reached in another way: other populations, places, earlier actions


class Trial:
    """Flags that trying sets.

    moving          transitions or legal actions depend on the population
    moved_after     what is paid between two layers does
    moved_here      what is paid at a layer does
    carries         rewards or transitions depend on the last action, which the string does not name
    deep            what follows a string does, and not only what is paid there
    apart           chance nodes of one string differ: each is followed by itself
    legal           the sets of legal actions met
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.moving = self.moved_after = self.moved_here = False
        self.carries = self.deep = self.apart = False
        self.legal: set[tuple[int, ...]] = set()

    def of_layer(self, t: int, layer: States, others: Ways) -> tuple[dict[Key, Segment], dict[str, str], States, Ways]:
        """Try a layer: its steps, what its strings are shown as, the next layer, and other ways to it."""
        first, beside, past = _ways(layer, others)
        strings = list(first)
        closely = strings[(7 * t) % len(strings)] if t % 4 == 1 or t == 0 else None
        even, random = self._crowd(dict.fromkeys(strings, 1.0)), self._random(t, strings)
        third = Later()
        at_even, seen, found, second = self._pair(first, even, random, closely)
        for s in strings:
            self._compare(at_even[s], seen[s])
            if at_even[s].moves == seen[s].moves:  # one object, so that its rows are made once
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
        known = {**second.states(found), **third.states(found)}  # third: at another population too
        for key, state in known.items():
            found.setdefault(key, state)
        display = {s: seen[s].decision for s in strings}
        if not steady or len(set(display.values())) < len(display):
            display = {s: s for s in strings}
        ways = {key[0]: (key, state) for key, state in known.items() if found[key] is not state}  # one to each string
        return walked, display, found, list(ways.values())

    def _pair(
        self, first: dict[str, tuple[Key, Any]], even: Crowd, random: Crowd, closely: str | None
    ) -> tuple[dict[str, Segment], dict[str, Segment], States, Later]:
        """The steps at two populations, and the states reached, by the first and by the last way to a chance node."""
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
        """Shares in proportion to the weights, of each population by itself."""
        reader = self.reader
        total = [0.0] * reader.n_populations
        for s, weight in weights.items():
            total[reader.population_of[s]] += weight
        return Crowd({s: weight / total[reader.population_of[s]] for s, weight in weights.items() if weight > 0})

    def _random(self, t: int, strings: list[str]) -> Crowd:
        draw = Random(t).expovariate
        return self._crowd({s: draw(1.0) for s in strings})

    def _at(self, s: str, share: float, support: tuple[str, ...], strings: list[str]) -> Crowd:
        """A population with that share at s; its others at what is not in the support, else anywhere."""
        reader = self.reader
        own = reader.population_of[s]
        told = {s, *support}
        ours = [x for x in strings if reader.population_of[x] == own]
        rest = [x for x in ours if x not in told] or [x for x in ours if x != s]
        shares = dict.fromkeys(rest, (1.0 - share) / len(rest)) if rest else {}
        shares[s] = share if rest else 1.0
        return Crowd({**self._elsewhere_even(own, strings), **shares})

    def _elsewhere_even(self, own: int, strings: list[str]) -> dict[str, float]:
        """The other populations, even."""
        if self.reader.n_populations == 1:
            return {}
        others = {x: 1.0 for x in strings if self.reader.population_of[x] != own}
        return dict(self._crowd(others).shares)

    def _ends(self, strings: list[str]) -> list[Crowd]:
        """Every population at its first string, and at its last."""
        place = self.reader.population_of
        return [Crowd(dict.fromkeys({place[x]: x for x in order}.values(), 1.0)) for order in (strings[::-1], strings)]

    # What is tried.

    def _elsewhere(
        self, s: str, key: Key, state: Any, strings: list[str], pair: tuple[Crowd, Crowd], tried: list[Segment],
        found: States, closely: bool,
    ) -> bool:  # fmt: skip
        """Two to four populations more where they may tell something, besides the pair that was tried.

        Returns whether the deciding string is the same at all.
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
        self.moving |= any(one.actions != seen.actions for one in stops)
        self.legal.update(one.actions for one in stops)
        return all(one.decision == seen.decision for one in stops)

    def _levels(
        self, s: str, key: Key, state: Any, strings: list[str], tried: list[Segment], found: States
    ) -> list[Segment]:
        """Steps at levels of crowding between nobody and everybody, halved where they differ.

        Every level is tried if a population that was tried leads to what none of those does.
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
        """The step from another state of a string; unless `whole`, like `step` but for what is paid and may be done."""
        if ask and kind_of(state) == FIELD:
            self.reader.support(state, key[0], again=True)
        if whole:
            return self.reader.segment(state, key, crowd, found, None if self.apart else Memo())
        stop, moves = self.reader.stop(state, crowd, key[0])[0], step.moves
        if step.actions == (-1,):  # nothing is decided: the last action stays the last
            moves = tuple({(s, key[1]): p for (s, _), p in reached.items()} for reached in moves)
        return Segment(stop.decision, stop.here, stop.actions, step.after, moves, step.via)

    def _compare(self, one: Segment, two: Segment) -> None:
        """Two steps from one state, at two populations, or by two ways to one chance node: exactly the same, or not."""
        self.moving |= one.actions != two.actions or one.moves != two.moves
        self.moved_here |= one.here != two.here
        self.moved_after |= one.after != two.after

    def _same(self, one: Segment, two: Segment, key: Key, last: int | None) -> None:
        """Two ways to one string, by different actions."""
        if one.decision != two.decision or one.actions != two.actions:
            raise ValueError(
                f"{self.reader.title}: what may be done at {key[0]!r} depends on the last action ({key[1]} or {last}), "
                "which the string does not name"
            )
        following = _follow_alike(one, two, apart=False)
        self.deep |= not following
        self.carries |= not following or not _pay_alike(one.here, two.here)

    def _same_past(self, one: Segment, two: Segment, key: Key) -> None:
        """Two ways to one string by the same action."""
        alike = one.actions == two.actions and _pay_alike(one.here, two.here)
        if not alike or not _follow_alike(one, two, apart=True):
            raise ValueError(
                f"{self.reader.title}: rewards or transitions at {key[0]!r} depend on more than this string, the last "
                "action and the population: on earlier states or populations"
            )


def merged(law: dict[Key, float]) -> dict[Key, float]:
    """A law by strings, whatever the last action."""
    found: dict[Key, float] = {}
    for (s, _), p in law.items():
        found[s, None] = found.get((s, None), 0.0) + p
    return found


def _ways(layer: States, others: Ways) -> tuple[dict[str, tuple[Key, Any]], dict[str, Ways], dict[str, Ways]]:
    """By string: the first state, those by other last actions, and those along other ways."""
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
    """Same rewards after a layer, and moves; `apart`: the last action where nothing is decided counts too."""
    ours, theirs = one.moves, two.moves
    if one.after is not two.after and not all(map(_pay_alike, one.after, two.after)):
        return False
    if ours is not theirs and not apart:
        ours, theirs = tuple(map(merged, ours)), tuple(map(merged, theirs))
    return ours is theirs or _close(ours, theirs)
