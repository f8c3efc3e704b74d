"""What every bench shares: time per unit of work, kept beside the timing.

    pytest bench                                  time everything
    pytest bench --benchmark-disable              run each once: do the assertions hold?
    pytest bench --benchmark-json=out.json        keep the figures, extra_info with the ns per unit included

Each file asserts that tmfcore and plain numpy agree, then times both on the same work in the same run. The claims are
the ratios within a group; absolute times belong to the machine.
"""

import pytest


@pytest.fixture
def measure(benchmark):
    """Return a function that times its argument and records ns per unit, of which one call does `units`."""

    def run(function, *, units, unit, rounds=None):
        if rounds is None:
            result = benchmark(function)
        else:
            result = benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)
        if benchmark.stats is not None:  # None under --benchmark-disable
            benchmark.extra_info[f"ns per {unit}"] = round(benchmark.stats.stats.min / units * 1e9, 2)
        return result

    return run
