"""The fixture of all benchmarks, which records the time per unit of work.

    pytest bench                                  time everything
    pytest bench --benchmark-disable              run each benchmark once, to check its assertions
    pytest bench --benchmark-json=out.json        store the figures; extra_info has the ns per unit

Each file asserts that tmfcore and plain numpy agree, then times both on the same work in the same run. Claims rest on
the ratios within a group; absolute times depend on the machine.
"""

import pytest


@pytest.fixture
def measure(benchmark):
    """Return a function that times its argument and records ns per unit; one call does `units` units of work."""

    def run(function, *, units, unit, rounds=None):
        if rounds is None:
            result = benchmark(function)
        else:
            result = benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)
        if benchmark.stats is not None:  # None under --benchmark-disable
            benchmark.extra_info[f"ns per {unit}"] = round(benchmark.stats.stats.min / units * 1e9, 2)
        return result

    return run
