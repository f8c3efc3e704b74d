"""Statistical assertions with a stated false-alarm rate; every caller uses a fixed seed.

The rate promised is FALSE_ALARM = 1e-6 per assertion.  The nominal level of the approximate tests is smaller (NOMINAL):
a cell with 25 expected samples has a heavier tail than the normal, and the difference is paid for in advance.
"""

import math
from collections import Counter

import numpy as np
from scipy import stats

FALSE_ALARM = 1e-6
NOMINAL = 1e-9  # chi-square level; the true rate stays under 1e-6 with POOL expected samples a cell
POOL = 25.0  # smallest expected number of samples in a cell
Z = 6.0  # normal tests: two-sided rate 2e-9, with room for the error of the normal approximation


def pooled(observed, expected):
    """Observed and expected counts with every cell under POOL expected merged into one."""
    small = expected < POOL
    if not small.any():
        return observed, expected
    order = np.argsort(-expected)
    observed, expected, small = observed[order], expected[order], small[order]
    keep = int((~small).sum())
    if expected[keep:].sum() < POOL and keep > 0:
        keep -= 1  # the rest is too small a cell by itself: it joins the smallest good one
    return (np.append(observed[:keep], observed[keep:].sum()), np.append(expected[:keep], expected[keep:].sum()))


def chi_square_p(observed, expected):
    """p-value of Pearson's chi-square after pooling; 1.0 when a single cell is left."""
    observed, expected = pooled(np.asarray(observed, float), np.asarray(expected, float))
    if len(expected) < 2:
        return 1.0
    statistic = ((observed - expected) ** 2 / expected).sum()
    return float(stats.chi2.sf(statistic, len(expected) - 1))


def counted(*arrays):
    """Counter of what stands in the rows of integer arrays (R,) or (R, k): a number or a tuple, or a tuple of those of several.

    The same as Counter(zip(...)) of lists, in a tenth of the time: only what is seen for the first time becomes Python.
    """
    columns = np.concatenate([np.reshape(array, (len(array), -1)) for array in arrays], axis=1).astype(np.int64)
    low = columns.min(axis=0)
    base = [int(n) for n in columns.max(axis=0) - low + 1]
    if math.prod(base) < 2**62:  # a row as one number
        codes = (columns - low) @ np.cumprod([1, *base[:-1]])
        _, first, times = np.unique(codes, return_index=True, return_counts=True)
    else:
        _, first, times = np.unique(columns, axis=0, return_index=True, return_counts=True)
    parts = [array[first].tolist() if array.ndim == 1 else map(tuple, array[first].tolist()) for array in arrays]
    return Counter(dict(zip(parts[0] if len(parts) == 1 else zip(*parts, strict=True), times.tolist(), strict=True)))


def marginal(law, pick):
    """Law or Counter of a selection of the entries of its keys, which are tuples."""
    found = type(law)()
    for key, p in law.items():
        part = tuple(key[i] for i in pick)
        found[part] = found.get(part, 0) + p
    return found


def assert_law(samples, law):
    """Samples (an array for `counted`, an iterable of hashables or a Counter) follow law (dict value -> probability); rate 1e-6.

    A value outside the support of the law fails at once, whatever its frequency.
    """
    if not isinstance(samples, Counter):
        samples = counted(samples) if isinstance(samples, np.ndarray) else Counter(samples)
    seen = samples
    impossible = [value for value in seen if law.get(value, 0.0) <= 0.0]
    assert not impossible, f"{len(impossible)} impossible values, first {impossible[0]}"
    assert math.isclose(sum(law.values()), 1.0, abs_tol=1e-9), "the law does not sum to 1"
    total = sum(seen.values())
    keys = list(law)
    p = chi_square_p([seen[k] for k in keys], [total * law[k] for k in keys])
    worst = max(keys, key=lambda k: abs(seen[k] - total * law[k]) / math.sqrt(total * law[k] + 1))
    assert p > NOMINAL, (
        f"p = {p:.2g} over {len(keys)} cells, {total} samples; worst cell {worst}: "
        f"{seen[worst]} seen, {total * law[worst]:.1f} expected"
    )


def assert_same_law(first, second):
    """Two lists of hashable samples come from one law (homogeneity chi-square); rate 1e-6."""
    a, b = Counter(first), Counter(second)
    keys = list(a.keys() | b.keys())
    table = np.array([[a[k] for k in keys], [b[k] for k in keys]], float)
    share = table.sum(axis=1, keepdims=True) / table.sum()
    smallest = table.sum(axis=0) * share.min()
    order = np.argsort(-smallest)
    table, smallest = table[:, order], smallest[order]
    keep = int((smallest >= POOL).sum())
    if keep < len(keys) and smallest[keep:].sum() < POOL:
        keep -= 1
    table = np.column_stack([table[:, :keep], table[:, keep:].sum(axis=1)]) if keep < len(keys) else table
    if table.shape[1] < 2:
        return
    expected = table.sum(axis=0) * share
    p = stats.chi2.sf(((table - expected) ** 2 / expected).sum(), table.shape[1] - 1)
    assert p > NOMINAL, f"two samples differ: p = {p:.2g} over {table.shape[1]} cells"


def assert_binomial(successes, trials, probability):
    """An exact two-sided binomial test; rate 1e-6, no approximation."""
    low = stats.binom.cdf(successes, trials, probability)
    high = stats.binom.sf(successes - 1, trials, probability)
    p = 2 * min(low, high)
    assert p > FALSE_ALARM, f"{successes} of {trials} at probability {probability:.6g}: p = {p:.2g}"


def assert_mean(samples, mean, axis=0, slack=0.0):
    """The mean of i.i.d. samples along an axis is `mean` within slack, elementwise: |z| < Z, 1e-6 for up to 100 means."""
    samples = np.asarray(samples, float)
    error = np.abs(samples.mean(axis=axis) - mean)
    spread = samples.std(axis=axis, ddof=1) / math.sqrt(samples.shape[axis])
    z = np.max((error - slack) / np.maximum(spread, 1e-14 + 1e-12 * np.abs(mean)))
    assert z < Z, f"mean {samples.mean(axis=axis)} expected {mean}: |z| = {z:.2f}"


def assert_uniform(u):
    """Kolmogorov-Smirnov against the uniform law on [0, 1]; rate 1e-6."""
    p = stats.kstest(np.asarray(u), "uniform").pvalue
    assert p > FALSE_ALARM, f"not uniform: p = {p:.2g}"
