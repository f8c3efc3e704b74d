"""What every test needs: hypothesis profiles, plots that need no display, workers that do not get into each other's way.

The profile is HYPOTHESIS_PROFILE if set, "ci" where CI is set, else "dev". "thorough" is for releases.
"""

import gc
import os

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
