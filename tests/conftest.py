"""What every test needs: hypothesis profiles, plots that need no display, workers that do not get into each other's way.

The profile is HYPOTHESIS_PROFILE if set, "ci" where CI is set, else "dev". "thorough" is for releases.
"""

import gc
import os
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("COLUMNS", None)  # of the terminal that pytest was started in: tables are as wide as tests say

# No deadline and no too_slow: the first example of a test compiles nothing but loads much, and machines are shared.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("dev", max_examples=50, **_COMMON)
settings.register_profile("ci", max_examples=100, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=300, derandomize=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Thousands of tests are objects that stay to the end: the collector of garbage need not walk through them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Of `pytest -n auto`: each worker imports and collects everything, so that more than eight gain nothing."""
    return min(8, len(os.sched_getaffinity(0)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark `rest` what `pytest` by itself leaves out of tests that are marked `broad`; `-m` sees it."""
    tests = defaultdict(list)
    for item in items:
        if item.get_closest_marker("broad"):
            tests[item.nodeid.partition("[")[0]].append(item)
    for cases in tests.values():
        cases.sort(key=lambda item: list(item.callspec.indices.values()))  # as they are written, whatever their order is now
        most = cases[0].get_closest_marker("broad").args
        kept = _spread(cases, *most) if most else _meeting_every_value(cases)
        for item in cases:
            if item not in kept:
                item.add_marker("rest")


def _spread(cases, n):
    """N of the cases, the first and the last among them."""
    n = min(n, len(cases))
    return [cases[k * (len(cases) - 1) // max(n - 1, 1)] for k in range(n)]


def _meeting_every_value(cases):
    """Cases that meet every value of every parameter: the next one has most that are missing, and of others what is met least."""
    values = {item: _values(item) for item in cases}
    missing, kept, met = set().union(*values.values()), [], Counter()
    while missing:
        kept.append(max(cases, key=lambda item: (len(missing & values[item]), -sum(met[value] for value in values[item]))))
        missing -= values[kept[-1]]
        met.update(values[kept[-1]])
    return kept


def _values(item):
    """Of each of the decorators that parametrize a test, its names and the value that they have."""
    found = set()
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0].replace(",", " ").split() if isinstance(mark.args[0], str) else mark.args[0]
        found.add((*names, *(id(item.callspec.params[name]) for name in names)))
    return found
