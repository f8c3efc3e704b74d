"""docs/validation.md."""

from __future__ import annotations

import datetime
import inspect
import sys
from collections.abc import Iterator
from itertools import groupby

import numpy as np

import tmfcore
from bench.validation import CELL, GROUPS, LEVEL, PROMISED
from bench.validation.checks import CHECKS, Finding, fails, level
from bench.validation.wrong import Wrong

HEAD = """# Validation

The slow verification of tmfcore, made before a release by `python -m bench.validation`: random draws are held against
exact laws, computed numbers against numbers known from elsewhere. [tests/twin](https://github.com/tmfcore/tmfcore/tree/main/tests/twin),
both engines and the clocks in plain Python, is the specification: its laws are those that are enumerated here.
"""

FAMILY = f"""All tests of significance are one family: of m tests, one fails if its p-value is below {LEVEL:g} / m. The
false-alarm rate of the whole is then at most {PROMISED:g} (Bonferroni; p-values of chi-square and normal tests are
approximations, which half of the rate is kept for). Cells of a chi-square have at least {CELL:,.0f} expected draws;
tails beyond are tested exactly. What is computed, not drawn, has a bound of its error instead of a p-value.
"""

POWER = """## Errors that are found

A check that cannot fail proves nothing. Each line is an error, put in the place of what is right; the same check, with
the same level, must find it. The numbers of draws are at most those of the tables above.
"""

RERUN = """## How to run it again

From a clone, in about a quarter of an hour on two processors:

```sh
python -m bench.validation
```

Every check has its own seed, so that numbers are the same at every run; `--seed` makes other ones. `--only NAME` runs
the checks whose name begins so, `--quick` a hundredth of the draws; both write nothing. The exit code is 1
if something fails.
"""


def text(
    found: dict[str, list[Finding]], caught: list[tuple[Wrong, Finding | None]], seed: int, seconds: float, scale: float
) -> str:
    parts = [HEAD]
    if scale < 1 or len(found) < len(CHECKS):
        parts.append(f"**{len(found)} of {len(CHECKS)} checks, with {scale:.0%} of the draws: not the whole.**\n")
    return "\n".join([*parts, *summary(found, caught, seed, seconds), *sections(found), *power(caught), RERUN])


def summary(found: dict[str, list[Finding]], caught: list, seed: int, seconds: float) -> Iterator[str]:
    every = [one for ones in found.values() for one in ones]
    least = level(every)
    values = np.array([one.p for one in every if one.p is not None])
    wrong = [one for one in every if fails(one, least)]
    blind = [one for one, finding in caught if finding is None]
    versions = f"tmfcore {tmfcore.__version__}, numpy {np.__version__}, Python {sys.version.split()[0]}"
    yield f"{datetime.date.today():%d %B %Y}, {versions}, seed {seed}, {seconds / 60:.1f} minutes of processor time."
    yield ""
    verdict = f"{len(wrong)} findings fail" if wrong else "Nothing fails"
    yield f"**{verdict}**: {len(values):,} tests, level {least:.1e}, smallest p-value {values.min(initial=1):.1e};"
    yield f"{len(every) - len(values)} bounds of errors."
    yield f"{len(caught) - len(blind)} of {len(caught)} errors made on purpose are found."
    yield ""
    yield FAMILY
    for one in wrong:
        yield f"- **{one.what}**, {one.law}: {said(one)}"
    for one in blind:
        yield f"- **{one.check}** does not find: {one.what}"
    yield ""
    yield "| check | tests | draws | smallest p | bounds | fails |"
    yield "|---|---|---|---|---|---|"
    for name, ones in found.items():
        drawn = [one.p for one in ones if one.p is not None]
        smallest = f"{min(drawn):.1e}" if drawn else ""
        # several tests look at the same draws
        draws = sum(max(one.draws for one in same) for _, same in groupby(ones, key=lambda one: one.what))
        bad = sum(fails(one, least) for one in ones)
        cells = name, len(drawn), f"{draws:,}", smallest, len(ones) - len(drawn), f"**{bad}**" if bad else 0
        yield f"| {' | '.join(map(str, cells))} |"
    yield ""


def sections(found: dict[str, list[Finding]]) -> Iterator[str]:
    for group in GROUPS:
        names = [name for name in found if CHECKS[name].group == group]
        if not names:
            continue
        yield f"## {group.replace('_', ' ').capitalize()}\n"
        yield f"{words(sys.modules[f'bench.validation.{group}'])}\n"
        for name in names:
            yield f"### {name[0].upper()}{name[1:]}\n"
            yield f"{words(CHECKS[name].run)}\n"
            yield from rows(found[name])
            yield ""


def rows(ones: list[Finding]) -> Iterator[str]:
    """One row for all findings about the same draws and law."""
    yield "| case | law | draws | found |"
    yield "|---|---|---|---|"
    for (what, law), same in groupby(ones, key=lambda one: (one.what, one.law)):
        group = list(same)
        draws = f"{max(one.draws for one in group):,}" if group[0].draws else ""
        yield f"| {what} | {law} | {draws} | {'; '.join(map(said, group))} |"


def power(caught: list[tuple[Wrong, Finding | None]]) -> Iterator[str]:
    if not caught:
        return
    yield POWER
    yield "| check | error | case | found |"
    yield "|---|---|---|---|"
    for wrong, one in caught:
        shown = "| **not found**" if one is None else f"{one.what}, {one.law} | {said(one)}"
        yield f"| {wrong.check} | {wrong.what} | {shown} |"
    yield ""


def said(one: Finding) -> str:
    """The statistic and its p-value, or the error and its bound."""
    if one.p is not None:
        value = f"p = {one.p:.2g}"
    else:
        value = f"error {one.error:.1e}, bound {one.bound:.0e}" if one.bound else ""
    return ", ".join(part for part in (one.statistic, value) if part)


def words(thing: object) -> str:
    return (inspect.getdoc(thing) or "").strip()
