"""Names of observations: OpenSpiel's strings without the step, so that a state has the same name at all steps."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = re.compile(r"(\d+)")


def shown(displays: list[dict[str, str]], last: Iterable[str]) -> list[dict[str, str]]:
    """Names by layer, string -> name: the string's display, without the step if names then stay distinct.

    displays    by layer, string -> its display
    last        the strings of the last layer, which get the names of the same strings of the layer before
    """
    layers = [*displays, {s: s for s in last}]
    short = _without_step([layer.values() for layer in layers])
    raw = _without_step([layer.keys() for layer in layers])
    if short is None or raw is None:
        return layers
    alias: dict[str, str] = {}
    for t, layer in enumerate(displays):
        alias.update((raw[t][s], short[t][d]) for s, d in layer.items())
    named = [{s: short[t][d] for s, d in layer.items()} for t, layer in enumerate(displays)]
    end = {s: alias.get(raw[-1][s], raw[-1][s]) for s in layers[-1]}
    return [*named, end if len(set(end.values())) == len(end) else layers[-1]]


def label(name: str, last: int | None) -> str:
    return name if last is None else f"{name} after {last}"


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that orders numbers in strings by value."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in _DIGITS.split(name) if part]


def _without_step(layers: list[Iterable[str]]) -> list[dict[str, str]] | None:
    """Replace the layer's number in strings by "t" if all strings of the same form have it; None if two coincide."""
    steps: dict[tuple[str, ...], list[bool]] = {}
    split = [[(s, _DIGITS.split(s)) for s in layer] for layer in layers]  # text and numbers in turn
    for t, layer in enumerate(split):
        for _, parts in layer:
            numbers = [int(n) == t for n in parts[1::2]]
            kind = tuple(parts[::2])
            steps[kind] = [x and y for x, y in zip(steps[kind], numbers, strict=True)] if kind in steps else numbers
    found = []
    for layer in split:
        named = {}
        for s, parts in layer:
            numbered = parts.copy()
            numbered[1::2] = ["t" if step else n for n, step in zip(parts[1::2], steps[tuple(parts[::2])], strict=True)]
            named[s] = "".join(numbered)
        if len(set(named.values())) < len(named):
            return None
        found.append(named)
    return found
