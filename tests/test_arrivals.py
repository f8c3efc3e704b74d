"""One realisation of a Poisson process: its law, and that answers fit each other whatever is asked."""

import numpy as np
import pytest
from scipy import stats

import stat_tests
from tmfcore._population import arrivals

pytestmark = pytest.mark.law


def key(seed):
    return np.random.default_rng(seed).integers(2**64, size=4, dtype=np.uint64)


@pytest.mark.parametrize("rate", [0.3, 7.0, 2e3, 1e7, 3e12, 1e15])
@pytest.mark.broad(4)
def test_answers_do_not_depend_on_what_else_is_asked(rate):
    times = np.unique(np.concatenate([np.arange(9.0), [0.1, 0.1 + 1e-12, 0.25, 1.5, 3.7, 7.999], np.random.default_rng(1).random(200) * 8]))
    for seed in range(5):
        whole = arrivals.numbers(key(seed), rate, times)
        assert whole[0] == 0 and (np.diff(whole) >= 0).all()
        for chosen in (slice(None, None, 3), slice(7, 90), slice(-1, None), slice(0, 1)):
            np.testing.assert_array_equal(arrivals.numbers(key(seed), rate, times[chosen].copy()), whole[chosen])
        if rate < 1e4:
            listed = arrivals.listed(key(seed), rate, 0.0, 8.0)
            assert (np.diff(listed) >= 0).all() and len(listed) == whole[-1]
            np.testing.assert_array_equal(np.searchsorted(listed, times), whole)
            np.testing.assert_array_equal(arrivals.listed(key(seed), rate, 0.1, 3.7), listed[(listed >= 0.1) & (listed < 3.7)])
            assert [arrivals.time_of(key(seed), rate, i) for i in range(len(listed))] == listed.tolist()
        else:
            rank = int(whole[40])
            assert arrivals.time_of(key(seed), rate, rank - 1) < times[40] <= arrivals.time_of(key(seed), rate, rank)


def test_few_events_are_poisson_and_independent():
    """Three intervals, whose ends are no halves of anything: the joint law of their numbers."""
    times, rate = np.array([0.0, 0.3, 1.7, 2.9]), 1.1
    found = [np.diff(arrivals.numbers(key(seed), rate, times)) for seed in range(20_000)]
    each = [stats.poisson.pmf(np.arange(30), rate * span) for span in np.diff(times)]
    law = {(i, j, k): each[0][i] * each[1][j] * each[2][k] for i in range(30) for j in range(30) for k in range(30)}
    stat_tests.assert_law(map(tuple, np.array(found).tolist()), law)


@pytest.mark.parametrize(("rate", "times"), [(300.0, [0.0, 0.7, 0.9]), (1e6, [0.5, 0.5001, 5.3]), (1e14, [1e-10, 1.1e-10, 3e-10])])
def test_many_events_are_poisson_and_independent(rate, times):
    """Numbers of two intervals in units of their standard deviations: each by its law, and without correlation."""
    times = np.array(times)
    found = np.array([np.diff(arrivals.numbers(key(seed), rate, times)) for seed in range(10_000)])
    means = rate * np.diff(times)
    for n, mean in zip(found.T, means, strict=True):
        u = stats.poisson.cdf(n - 1, mean) + np.random.default_rng(3).random(len(n)) * stats.poisson.pmf(n, mean)
        stat_tests.assert_uniform(u)
    scaled = (found - means) / np.sqrt(means)
    stat_tests.assert_mean(scaled[:, 0] * scaled[:, 1], 0.0)


def test_times_are_uniform_and_waits_exponential():
    listed = arrivals.listed(key(1), 5e3, 0.0, 13.0)
    stat_tests.assert_uniform(listed / 13.0)
    stat_tests.assert_uniform(-np.expm1(-np.diff(listed) * 5e3))


def test_extras_are_poisson_and_those_of_their_time():
    found = np.array([arrivals.extras(key(seed), np.array([0.0, 1.5]), np.array([0.4, 2.5])) for seed in range(20_000)])
    law = {
        (i, j): p * q
        for i, p in enumerate(stats.poisson.pmf(np.arange(25), 0.4)) for j, q in enumerate(stats.poisson.pmf(np.arange(25), 2.5))
    }  # fmt: skip
    stat_tests.assert_law(map(tuple, found.tolist()), law)
    assert arrivals.extras(key(1), np.array([0.0, 1.5]), np.array([0.0, 2.5]))[1] == found[1, 1]
    assert arrivals.extras(key(1), np.zeros(1), np.zeros(1)).tolist() == [0]


def test_mistakes():
    for match, call in (
        ("key has 3 words", lambda: arrivals.numbers(key(1)[:3].copy(), 1.0, np.ones(1))),
        ("rate is -1.0", lambda: arrivals.numbers(key(1), -1.0, np.ones(1))),
        (r"times\[1\] is 0.5", lambda: arrivals.numbers(key(1), 1.0, np.array([1.0, 0.5]))),
        ("rank is -1", lambda: arrivals.time_of(key(1), 1.0, -1)),
        ("means has 2 entries", lambda: arrivals.extras(key(1), np.zeros(1), np.zeros(2))),
    ):
        with pytest.raises(ValueError, match=match):
            call()
