"""Every sampler against its law, p near 0 and 1, one-cell rows and the limits of n included."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from bench.validation.checks import Finding, check
from bench.validation.significance import dict_findings, law_findings, zero_finding
from tmfcore._random import sampling
from tmfcore.testing import _doors

CHUNK = 2_000_000
ROWS = [
    [1.0], [0.0, 1.0, 0.0], [0.5, 0.5], [1e-7, 1 - 1e-7], [1 - 1e-7, 1e-7], [0.7, 0.3 - 1e-6, 1e-6], [1 / 7] * 7,
    [0.1, 0.0, 0.2, 0.3, 0.4, 0.0], [0.0] * 5 + [0.2] * 5, [1 / 300] * 300,
]  # fmt: skip
# Both sides of every switch of the samplers, at means of 10, 15 and 2^49, and both ends of p and n.
SMALL_MEANS = [
    (1, 0.3), (1, 1e-6), (1, 1 - 1e-6), (12, 0.97), (40, 0.02), (1000, 0.0099), (1000, 0.0101), (1000, 0.99),
    (1000, 0.029), (1000, 0.031), (10**6, 1e-6), (10**6, 1 - 1e-6), (10**9, 3e-8), (2**50, 1e-14), (10**17, 1e-16),
    (10**17, 1 - 2**-53), (10**18, 3e-18),
]  # fmt: skip
LARGE_MEANS = [
    (200, 0.5),
    (5000, 0.4),
    (10**6, 0.5),
    (10**9, 0.9),
    (10**12, 1e-3),
    (2**50, 0.3),
    (10**18, 0.3),
    (10**18, 1e-12),
]


def rows_text(row: list[float]) -> str:
    """A row, shortened."""
    return (
        f"{len(row)} x {row[0]:.3g}"
        if len(row) > 6 and len(set(row)) == 1
        else "(" + ", ".join(f"{p:.7g}" for p in row) + ")"
    )


def chunks(n: int) -> Iterator[int]:
    """n in parts of at most CHUNK."""
    for done in range(0, n, CHUNK):
        yield min(CHUNK, n - done)


def seen(rows: np.ndarray) -> dict[tuple[int, ...], int]:
    """How often each row of (M, K) small nonnegative integers is there."""
    if rows.min() < 0:
        return {tuple(row): 1 for row in rows.tolist()}
    base = int(rows.max()) + 1
    codes, often = np.unique(rows.astype(np.int64) @ base ** np.arange(rows.shape[1]), return_counts=True)
    digits = codes[:, None] // base ** np.arange(rows.shape[1]) % base
    return dict(zip(map(tuple, digits.tolist()), often.tolist(), strict=True))


def cell_findings(what: str, law: str, draw: Callable[[int], np.ndarray], n: int, p: np.ndarray) -> Iterator[Finding]:
    """n draws of `draw(k)`, from 0..K-1, against probabilities (K,)."""
    tally = np.zeros(len(p) + 1, np.int64)  # the last one: beyond
    for part in chunks(n):
        drawn = draw(part)
        tally += np.bincount(np.where((drawn < 0) | (drawn >= len(p)), len(p), drawn), minlength=len(p) + 1)
    yield from law_findings(what, law, tally, n * np.append(p, 0.0))


@check("uniform integers")
def uniform_integers(draws, seed):
    """Lemire's method with rejection: generator and addressed streams."""
    bits = np.random.PCG64(seed)
    for addressed in (False, True):
        where = "addressed stream" if addressed else "generator"
        for n in (1, 3, 1000):
            draw = functools.partial(_doors.bounded, bits, n, addressed=addressed)
            yield from cell_findings(f"n = {n}, {where}", "uniform", draw, draws(1e8), np.full(n, 1 / n))
        n, bins = 3 * 2**61 + 1, 192  # a quarter of all words is rejected: else one residue mod 3 has 3/8 of the draws
        drawn = np.concatenate([_doors.bounded(bits, n, part, addressed) for part in chunks(draws(1e7))])
        edges = [min(n, i * (n // bins + 1)) for i in range(bins + 1)]
        for law, cell, sizes in (
            ("uniform, in 192 intervals", drawn // (n // bins + 1), np.diff([float(e) for e in edges])),
            ("uniform, residues mod 24", drawn % 24, [(n - r + 23) // 24 for r in range(24)]),
        ):
            yield from cell_findings(f"n = 3 * 2^61 + 1, {where}", law, feeding(cell), len(cell), np.array(sizes) / n)


@check("categorical")
def categorical(draws, seed):
    """A cell of a row, by summing probabilities."""
    bits = np.random.PCG64(seed)
    for row in ROWS:
        p = np.array(row)
        draw = functools.partial(sampling.categorical, bits, p)
        yield from cell_findings(rows_text(row), "the row", draw, draws(1e8 if len(row) < 100 else 1e7), p)


@check("alias tables")
def alias(draws, seed):
    """A cell of a row, by the packed alias tables of the agents engine; and the probabilities that the tables hold."""
    bits = np.random.PCG64(seed)
    for row in ROWS:
        p = np.array(row)
        held = _doors.alias_probabilities(p)
        worst = float(np.abs(held[: len(row)] - p).max() + held[len(row) :].sum())
        yield Finding(rows_text(row), "probabilities in the table", 0, "", None, worst, 1e-14)
        draw = functools.partial(_doors.alias_draws, bits, p)
        yield from cell_findings(rows_text(row), "the row", draw, draws(1e8 if len(row) < 100 else 1e7), p)


def binomial_findings(what, law, draw, n, p, size):
    """Draws of `draw(k)` against Binomial(n, p): every value if they are few, else 400 intervals of equal mass.

    For p > 1/2 failures are counted: 1 - p is then exact, as n - k is.
    """
    flip = p > 0.5
    q = 1 - p if flip else p
    right = stats.binom(n, q)
    spread = math.sqrt(max(1.0, n * q * (1 - q)))
    low, high = max(0, int(n * q - 12 * spread - 12)), min(n, int(n * q + 14 * spread + 60))
    single = high - low <= 4000
    middle = n // 2 if q == 0.5 else round(n * q)
    wide = np.rint(spread * stats.norm.ppf(np.linspace(0, 1, 401)[1:-1])).astype(np.int64)  # edges less the middle
    edges = np.arange(low, high + 1) if single else middle + wide
    tally = np.zeros(len(edges) + 1, np.int64)
    for part in chunks(size):
        drawn = draw(part)
        drawn = n - drawn if flip else drawn
        if single:  # cell i: the value low + i; the last one: beyond
            outside = (drawn < low) | (drawn > high)
            tally += np.bincount(np.where(outside, len(edges), drawn - low), minlength=len(edges) + 1)
        else:  # cell i: values in (edge[i-1], edge[i]]
            tally += np.bincount(np.searchsorted(edges, drawn, side="left"), minlength=len(edges) + 1)
    if single:
        expected = size * np.append(right.pmf(edges), 0.0)
        expected[-1] = max(size * 1e-15, size - expected.sum())
    else:
        below = (
            right.cdf(edges)
            if spread < 1e4
            else _nearly_normal((wide + middle - n * q + 0.5) / spread, (1 - 2 * q) / spread)
        )
        expected = size * np.diff(np.concatenate([[0.0], below, [1.0]]))
    return law_findings(what, law, tally, expected)


def _nearly_normal(z, skewness):
    """The distribution function of a sum, by Edgeworth's first term; the next one is of the order of skewness^2."""
    return stats.norm.cdf(z) - stats.norm.pdf(z) * skewness / 6 * (z * z - 1)


@check("binomial")
def binomial(draws, seed):
    """One at a time: inversion, transformed rejection, BTPE."""
    bits = np.random.PCG64(seed)
    for n, p in SMALL_MEANS + LARGE_MEANS:
        size = draws(1e8 if (n, p) in ((40, 0.02), (200, 0.5)) else 1e7)
        yield from binomial_findings(
            f"n = {n:,}, p = {p!r}", "binomial", lambda k, n=n, p=p: _doors.binomials(bits, n, p, k), n, p, size
        )
    for p in (0.0, 1.0, 5e-324):
        drawn = _doors.binomials(bits, 10**18, p, 1000)
        yield zero_finding(
            f"n = 10^18, p = {p}", "certain", 1000, float(np.abs(drawn - (10**18 if p == 1 else 0)).max())
        )


@check("binomial, side by side")
def binomial_abreast(draws, seed):
    """In vector lanes: inversion below a mean of 10, BTRS above; neighbours of other n and p in the same vectors."""
    bits = np.random.PCG64(seed)
    cases = [(n, p) for n, p in SMALL_MEANS + LARGE_MEANS if n <= 2**50]
    for n, p in cases:
        size = draws(1e8 if (n, p) in ((12, 0.97), (1000, 0.031), (5000, 0.4)) else 1e7)

        def draw(k, n=n, p=p):  # every second lane has another law
            numbers, shares = np.full(2 * k, n), np.full(2 * k, p)
            numbers[1::2], shares[1::2] = 77, 0.4
            return _doors.binomials_abreast(bits, numbers, shares)[::2]

        yield from binomial_findings(f"n = {n:,}, p = {p!r}", "binomial", draw, n, p, size // 2)
    for p in (0.0, 1.0):
        drawn = _doors.binomials_abreast(bits, np.full(1000, 2**50), np.full(1000, p))
        yield zero_finding(f"n = 2^50, p = {p}", "certain", 1000, float(np.abs(drawn - int(p) * 2**50).max()))


@check("multinomial")
def multinomial(draws, seed):
    """Many rows at once: joint laws for n = 1 and 4; for more, cells and pairs of cells. Above 2^50 one by one."""
    from reference_laws import multinomial_law

    bits = np.random.PCG64(seed)
    for row in ROWS:
        p = np.array(row)
        if len(row) <= 7:
            for n in (1, 4):
                size = draws(2e6)
                drawn = sampling.multinomials(bits, np.full(size, n), np.tile(p, (size, 1)))
                law = dict(multinomial_law(n, row))
                yield from dict_findings(f"{rows_text(row)}, n = {n}", "all outcomes", seen(drawn), law)
        for n in (70, 2_000, 10**6, 10**16):
            size, case = draws(1e6 if len(row) < 100 else 5e4), f"{rows_text(row)}, n = {n:,}"
            drawn = sampling.multinomials(bits, np.full(size, n), np.tile(p, (size, 1)))
            yield from split_findings(case, drawn, n, p)


@check("multinomial, one by one")
def multinomial_alone(draws, seed):
    """One row at a time: cell by cell, the rarer side first, or agent by agent if they are few."""
    bits = np.random.PCG64(seed)
    for row in ([0.5, 0.5], [1 - 1e-7, 1e-7], [0.1, 0.0, 0.2, 0.3, 0.4, 0.0], [1 / 7] * 7):
        p = np.array(row)
        for n in (4, 70, 10**6, 10**18):
            drawn = np.array([sampling.multinomial(bits, n, p) for _ in range(draws(2e5))])
            yield from split_findings(f"{rows_text(row)}, n = {n:,}", drawn, n, p)


def split_findings(case, drawn, n, p):
    """Splits (M, K) of n: sums, empty cells, the first three cells, and each with the next."""
    size = len(drawn)
    stray = (drawn.sum(axis=1) != n).sum() + (drawn[:, p == 0] != 0).sum() + (drawn < 0).sum()
    yield zero_finding(case, "sums to n, empty cells stay empty", size, stray)
    for k in np.flatnonzero((p > 0) & (p < 1))[:3].tolist():
        yield from binomial_findings(f"{case}, cell {k}", "binomial", feeding(drawn[:, k]), n, float(p[k]), size)
        if k + 1 < len(p) and 0 < p[k + 1] < 1 - 1e-12 - p[k]:
            both, share = feeding(drawn[:, k] + drawn[:, k + 1]), float(p[k] + p[k + 1])
            yield from binomial_findings(f"{case}, cells {k} and {k + 1}", "binomial", both, n, share, size)


def feeding(drawn):
    """draw(k) that hands out what was drawn before, in parts."""
    at = 0

    def draw(k):
        nonlocal at
        at += k
        return drawn[at - k : at]

    return draw


@check("hypergeometric")
def hypergeometric(draws, seed):
    """Who acts in a batch: B = 0, 1, N-1, N, in between, and N at its limit of 10^12; jointly if N <= 20."""
    bits = np.random.PCG64(seed)
    cases = (
        [([5, 0, 3, 2], b) for b in (0, 1, 4, 9, 10)] + [([40, 60], b) for b in (1, 30, 99)] + [([1], 1), ([0, 7], 7)]
    )
    cases += [
        ([1000, 500, 1], 700),
        ([10**6, 10**6], 1001),
        ([4 * 10**11, 6 * 10**11], 10**6),
        ([5 * 10**11, 5 * 10**11], 10**12 - 1),
    ]
    for counts, batch in cases:
        size, n_agents, given = draws(3e5), sum(counts), np.array(counts)
        drawn = np.array([_doors.hypergeometric_split(bits, given, batch) for _ in range(size)])
        name = f"{tuple(counts)}, B = {batch:,}"
        stray = int((drawn.sum(axis=1) != batch).sum() + (drawn < 0).sum() + (drawn > given).sum())
        yield zero_finding(name, "sums to B, within the counts", size, stray)
        if n_agents <= 20:
            ways = {
                taken: math.prod(map(math.comb, counts, taken)) / math.comb(n_agents, batch)
                for taken in itertools.product(*(range(c + 1) for c in counts)) if sum(taken) == batch
            }  # fmt: skip
            yield from dict_findings(name, "all outcomes", seen(drawn), ways)
            continue
        right = stats.hypergeom(n_agents, counts[0], batch)
        if n_agents > 10**9:  # the difference from the binomial is below 10^-6 here, or one agent is left out
            right = stats.binom(batch, counts[0] / n_agents) if batch < 10**9 else None
        if right is None:
            left = feeding(given[0] - drawn[:, 0])
            yield from cell_findings(f"{name}, who is left out", "uniform", left, size, np.array([0.5, 0.5]))
            continue
        values = np.arange(int(max(0, right.ppf(1e-16) - 2)), int(right.isf(1e-16)) + 3)
        tally = np.bincount(np.clip(drawn[:, 0] - values[0], 0, len(values) - 1), minlength=len(values))
        yield from law_findings(f"{name}, cell 0", "hypergeometric", tally, size * right.pmf(values))


@check("small batches")
def small_batches(draws, seed):
    """Distinct agents of a small batch, in the order drawn, one batch after the other, and the bits of their moves."""
    key = np.random.Generator(np.random.PCG64(seed)).integers(0, 2**64, 4, np.uint64)
    for n_agents, n in ((1, 1), (5, 1), (5, 3), (5, 5), (2**32 - 1, 2)):
        size = draws(1e7)
        chosen, bits = _doors.small_batches(key, n_agents, n, size)
        name = f"{n} of {n_agents:,}"
        if n_agents == 5:
            orders = list(itertools.permutations(range(5), n))
            yield from dict_findings(name, "all orders alike", seen(chosen), dict.fromkeys(orders, 1 / len(orders)))
            pairs = chosen[0::2, 0].astype(np.int64) * 5 + chosen[1 : 2 * (size // 2) : 2, 0]
            yield from cell_findings(f"{name}, two in turn", "uniform", feeding(pairs), size // 2, np.full(25, 1 / 25))
        elif n > 1:
            tally = np.bincount(
                (chosen.astype(np.uint64) * np.uint64(64) // np.uint64(n_agents)).astype(np.int64).ravel(), minlength=64
            )
            edges = [-(-i * n_agents // 64) for i in range(65)]
            share = np.diff([min(n_agents, e) for e in edges]) / n_agents
            yield from law_findings(name, "uniform, in 64 intervals", tally, n * size * share)
            yield zero_finding(name, "distinct", size, (chosen[:, 0] == chosen[:, 1]).sum())
        for shift in (0, 24):
            tally = np.bincount((bits >> shift & 0xFF).astype(np.int64).ravel(), minlength=256)
            yield from law_findings(
                f"{name}, bits {shift} to {shift + 7} of the move", "uniform", tally, np.full(256, n * size / 256)
            )
