"""Tests of significance: observed numbers of draws against a law, and means. All return findings with p-values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from bench.validation import CELL
from bench.validation.checks import Finding

TAIL = 20.0  # expected draws of the part of a tail that is tested by itself


def binomial_p(successes: int, trials: int, p: float) -> float:
    """Exact two-sided p-value of a number of successes."""
    if p <= 0 or p >= 1:
        return float(successes == (0 if p <= 0 else trials))
    return float(min(1.0, 2 * min(stats.binom.cdf(successes, trials, p), stats.binom.sf(successes - 1, trials, p))))


def poisson_p(n: int, mean: float) -> float:
    """Exact two-sided p-value of a Poisson number."""
    return float(min(1.0, 2 * min(stats.poisson.cdf(n, mean), stats.poisson.sf(n - 1, mean))))


def law_findings(what: str, law: str, observed: np.ndarray, expected: np.ndarray) -> Iterator[Finding]:
    """Numbers of draws per cell against expected ones, in their order: chi-square, and both tails.

    Neighbouring cells are merged until CELL draws are expected in each. A tail that is lost in a merged cell is tested
    exactly: as a whole, from where it has TAIL expected draws on; and the outermost draw, which may be of any rarity.
    A draw where none is expected has p = 0.
    """
    observed, expected = np.asarray(observed, float), np.asarray(expected, float)
    total = round(observed.sum())
    if not math.isclose(expected.sum(), total, rel_tol=1e-9):
        raise ValueError(f"{what}: {expected.sum():.12g} draws are expected of {total}: the law does not sum to 1")
    if strays := int(observed[expected <= 0].sum()):
        yield Finding(what, law, total, f"{strays} draws of probability 0", 0.0)
        return
    observed, expected = observed[expected > 0], expected[expected > 0]
    if len(expected) == 1:
        yield zero_finding(what, law, total, 0)
        return
    statistic, degrees = _chi_square(observed, expected)
    if degrees > 0:
        yield Finding(
            what, law, total, f"chi-square {statistic:.1f} of {degrees}", float(stats.chi2.sf(statistic, degrees))
        )
    for side, step in (("lower", 1), ("upper", -1)):
        seen, reached = np.cumsum(observed[::step]), np.minimum(np.cumsum(expected[::step]), total)
        inner = int(np.searchsorted(reached, TAIL))
        if inner < len(reached) and reached[inner] < CELL:
            yield Finding(what, law, total, f"{side} tail {seen[inner]:.0f} of {reached[inner]:.1f}",
                          binomial_p(int(seen[inner]), total, reached[inner] / total))  # fmt: skip
        if reached[0] < TAIL:
            rarity = reached[int(np.searchsorted(seen, 1))] / total
            p = 1.0 if rarity >= 1 else -math.expm1(total * math.log1p(-rarity))
            yield Finding(what, law, total, f"{side} end, there and beyond {total * rarity:.2g}", p)


def given_findings(
    what: str, law: str, groups: Sequence[tuple[np.ndarray, np.ndarray]], strays: int
) -> Iterator[Finding]:
    """Numbers of draws (K,) and their probabilities (K,), group by group: one chi-square, and the rarest draw of all.

    How many draws a group has is given. `strays` are draws of probability 0.
    """
    statistic, degrees, rarest, total = 0.0, 0, 1.0, strays
    for seen, p in groups:
        n = int(seen.sum())
        order = np.argsort(-p)
        mass = np.cumsum(p[order][::-1])[::-1]
        if not math.isclose(mass[0], 1.0, rel_tol=1e-9):
            raise ValueError(f"{what}: probabilities sum to {mass[0]:.12g}")
        total += n
        if n == 0:
            continue
        one, more = _chi_square(seen[order].astype(float), n * p[order])
        statistic, degrees = statistic + one, degrees + more
        last = float(mass[int(np.flatnonzero(seen[order])[-1])])  # of all outcomes as rare as the rarest seen
        rarest = min(rarest, 1.0 if last >= 1 else -math.expm1(n * math.log1p(-last)))
    if strays:
        yield Finding(what, law, total, f"{strays} draws of probability 0", 0.0)
        return
    if degrees > 0:
        p_value = float(stats.chi2.sf(statistic, degrees))
        yield Finding(what, law, total, f"chi-square {statistic:.1f} of {degrees}", p_value)
    yield Finding(what, law, total, f"rarest draw, worst of {len(groups)}", min(1.0, len(groups) * rarest))


def _chi_square(observed: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom, of cells merged with their neighbours."""
    starts, filled = [0], 0.0
    left = np.cumsum(expected[::-1])[::-1]
    for i, value in enumerate(expected):
        if filled >= CELL and left[i] >= CELL:
            starts.append(i)
            filled = 0.0
        filled += value
    seen, mean = np.add.reduceat(observed, starts), np.add.reduceat(expected, starts)
    return float(((seen - mean) ** 2 / mean).sum()), len(mean) - 1


def dict_findings(what: str, law: str, seen: Mapping, expected: Mapping) -> Iterator[Finding]:
    """As law_findings, of numbers of hashable outcomes and their probabilities, from the likeliest to the rarest."""
    keys = sorted(expected, key=expected.__getitem__, reverse=True)
    total = sum(seen.values())
    strays = total - sum(seen.get(key, 0) for key in keys)
    if strays:
        yield Finding(what, law, total, f"{strays} impossible outcomes", 0.0)
        return
    yield from law_findings(
        what, law, np.array([seen.get(key, 0) for key in keys]), total * np.array([expected[key] for key in keys])
    )


def mean_finding(what: str, law: str, samples: np.ndarray, mean: float) -> Finding:
    """The mean of independent samples: z, with the standard error of the sample."""
    found, error = float(samples.mean()), float(samples.std(ddof=1)) / math.sqrt(len(samples))
    z = (found - mean) / max(error, 1e-13 * abs(mean), 1e-300)
    return Finding(
        what, law, len(samples), f"mean {found:.6g} of {mean:.6g}, z = {z:+.2f}", float(2 * stats.norm.sf(abs(z)))
    )


def pair_finding(what: str, law: str, values: np.ndarray, lag: int, p: np.ndarray | None = None) -> Finding:
    """Disjoint pairs of values (M,) in 0..K-1, `lag` places apart: chi-square of the pairs, rare ones merged.

    Both values have the law p (K,); without p, of which nothing else is known, they are tested for independence.
    """
    blocks = values[: len(values) // (2 * lag) * 2 * lag].astype(np.int64).reshape(-1, 2, lag)
    size = int(blocks.max()) + 1 if p is None else len(p)
    table = np.bincount((blocks[:, 0] * size + blocks[:, 1]).ravel(), minlength=size * size).reshape(size, size)
    n = int(table.sum())
    if p is None:
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
        statistic, degrees = float(((table - expected) ** 2 / expected).sum()), (size - 1) ** 2
    else:
        expected = (n * np.outer(p, p)).ravel()
        order = np.argsort(-expected)
        statistic, degrees = _chi_square(table.ravel()[order], expected[order])
    p_value = float(stats.chi2.sf(statistic, degrees)) if degrees else 1.0
    return Finding(what, law, n, f"chi-square {statistic:.1f} of {degrees}", p_value)


def exact_finding(what: str, law: str, found: float, expected: float, bound: float) -> Finding:
    """A number that is computed, not drawn: its distance from another one."""
    return Finding(what, law, 0, f"{found:.12g} of {expected:.12g}", None, abs(found - expected), bound)


def zero_finding(what: str, law: str, draws: int, wrong: float) -> Finding:
    """What may never happen, counted."""
    return Finding(what, law, draws, f"{wrong:.0f} exceptions", None, float(wrong), 0.0)
