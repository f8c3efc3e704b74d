"""Intervals by themselves: their quantiles are those of scipy.stats, and they cover what they say, exactly where they can."""

import re

import numpy as np
import pytest
from scipy import stats

import tmfcore as tmf
from tmfcore._results import confidence


def test_an_interval_comes_apart():
    found = tmf.Interval(np.array([0.1, np.nan]), np.array([0.2, np.nan]), 0.9)
    low, high = found
    assert low is found.low and high is found.high
    assert found.identified.tolist() == [True, False]
    assert repr(found) == "Interval(shape=(2,), confidence=0.9, identified=1 of 2)"
    assert repr(tmf.Interval(0.25, 0.5, 0.95)) == "Interval(0.25, 0.5, confidence=0.95)"
    assert tmf.Interval(np.nan, np.nan, 0.9).identified is False


@pytest.mark.parametrize("level", [0.0, 1.0, -1, np.nan, 95])
def test_levels_are_between_0_and_1(level):
    with pytest.raises(ValueError, match=re.escape("confidence is")):
        confidence.as_confidence(level)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_quantiles_are_those_of_scipy_stats(level):
    np.testing.assert_allclose(tuple(confidence.student(3.0, 0.5, 4, level)), stats.t.interval(level, 4, 3.0, 0.5))
    logs = confidence.student_of_logs(3.0, 0.5, 4, level)
    np.testing.assert_allclose(np.log(tuple(logs)), stats.t.interval(level, 4, np.log(3.0), 0.5))
    hits = np.arange(1, 7)
    low, high = confidence.proportion(hits, 7, level)
    np.testing.assert_allclose([low, high], stats.beta(hits + 0.5, 7 - hits + 0.5).interval(level))
    low, high = confidence.proportion([0, 7], 7, level)
    assert (low[0], high[1]) == (0.0, 1.0)
    np.testing.assert_allclose([high[0], 1 - low[1]], stats.beta(0.5, 7.5).ppf(0.5 + level / 2))


@pytest.mark.parametrize("trials", [5, 6, 10, 20, 50, 200])
def test_coverage_of_proportions(trials):
    """Enumerated: within 2 points of 95% on average over the proportion, uniform or one of four; 86% at the worst."""
    hits = np.arange(trials + 1)
    low, high = confidence.proportion(hits, trials, 0.95)

    def coverage(p):
        p = np.asarray(p)[:, None]
        return (stats.binom.pmf(hits, trials, p) * ((low <= p) & (p <= high))).sum(axis=1)

    everywhere = coverage((np.arange(2_000) + 0.5) / 2_000)
    assert abs(everywhere.mean() - 0.95) < 0.01
    assert everywhere.min() > 0.86
    assert 0.94 < coverage([0.02, 0.1, 0.5, 0.9]).mean() < 0.985


@pytest.mark.parametrize(
    ("noise", "visits", "coverage"),
    [
        ("standard_normal", 6, 0.9451), ("standard_exponential", 6, 0.9331), ("uniform", 6, 0.9616),
        ("standard_normal", 20, 0.9494), ("standard_exponential", 20, 0.9464), ("uniform", 20, 0.9683),
    ],
)  # fmt: skip
def test_coverage_of_skewed_means(noise, visits, coverage):
    """20,000 samples; within six standard errors (false alarms 2e-9) of the coverage that 400,000 others had.

    Student's covers 88.6% of exponential means after 6 visits, 91.8% after 20.
    """
    rng = np.random.default_rng(1)
    samples = getattr(rng, noise)(size=(20_000, visits))
    true = {"standard_normal": 0.0, "standard_exponential": 1.0, "uniform": 0.5}[noise]
    off = samples - samples.mean(axis=1, keepdims=True)
    third = (off**3).sum(axis=1) * visits / ((visits - 1) * (visits - 2))
    skewness = third / samples.std(axis=1, ddof=1) ** 3 / np.sqrt(visits)
    ends = confidence.student_of_skewed(samples.mean(axis=1), stats.sem(samples, axis=1), skewness, visits - 1, 0.95)
    covered = np.mean((ends.low <= true) & (true <= ends.high))
    assert abs(covered - coverage) < 6 * np.sqrt(coverage * (1 - coverage) / 20_000)


@pytest.mark.parametrize(("ratio", "low", "high"), [(1.0, 0.953, 0.977), (0.3, 0.932, 0.96), (0.0, 0.938, 0.962)])
def test_coverage_of_welch(ratio, low, high):
    """10,000 pairs of samples of 3: coverage 96.5, 94.6 and 95%, within six standard errors."""
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((10_000, 2, 3)) * np.array([1.0, ratio])[:, None]
    parts = samples.var(axis=-1, ddof=1) / 3
    inside = 0
    for means, variances in zip(samples.mean(axis=-1), parts, strict=True):
        degrees = confidence.welch_degrees(variances, 2)
        ends = confidence.student(means[0] - means[1], np.sqrt(variances.sum()), degrees, 0.95)
        inside += ends.low < 0 < ends.high
    assert low < inside / 10_000 < high


def test_welch_degrees():
    assert confidence.welch_degrees([1.0, 1.0], 4) == pytest.approx(8)
    assert confidence.welch_degrees([1e-300, 1e-300], [4, 4]) == pytest.approx(8)
    assert confidence.welch_degrees([2.0, 0.0], 4) == pytest.approx(4)
    assert confidence.welch_degrees([0.0, 0.0], 4) == 4
    assert confidence.welch_degrees([3.0, 1.0], [2, 5]) == pytest.approx(16 / (9 / 2 + 1 / 5))


def test_the_interval_of_a_measured_error():
    """Student's of the logarithm, R - 1 degrees of freedom, at every time; the rounded start has none to either side."""
    game = tmf.games.queueing((0.1, 0.2, 0.3), horizon=4, step=1).at()
    policy, schedule = tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5)
    found = tmf.analysis.bound(game, policy, schedule, 40, replicas=6, rng=1)
    low, high = found.interval(0.9)
    factor = np.exp(stats.t.ppf(0.95, 5) * found.measured_se[1:] / found.measured[1:])
    np.testing.assert_allclose([low[1:], high[1:]], [found.measured[1:] / factor, found.measured[1:] * factor])
    assert low[0] == high[0] == found.measured[0]
    with pytest.raises(ValueError, match=r"nothing was measured; call analysis\.bound with replicas"):
        tmf.analysis.bound(game, policy, schedule, 40, rng=1).interval()
