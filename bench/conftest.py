"""The fixtures of all benchmarks: groups of one case and its contestants, and times per unit of work.

    pytest bench                                  time everything
    pytest bench --benchmark-disable              run each benchmark once, to check its assertions
    pytest bench --benchmark-json=out.json        store the figures

Each file asserts that tmfcore and plain numpy agree, then times both on the same work in the same run. Claims rest on
the ratios within a group, which has one case: the group of the marker, and all parameters but those that name a
contestant. All times are seconds per unit of work, so that contestants may do more or less of it in a call; extra_info
has the unit. Absolute times depend on the machine.
"""

import pytest

#: Parameters whose values are contestants.
CONTESTANTS = {"code", "critic", "jacobian", "make", "schedule", "solver"}
#: Parameters that say how much work a call does.
WORK = {"steps"}


def parameters(test):
    """The parameters of a test, by name."""
    return test.callspec.params if hasattr(test, "callspec") else {}


def case(group, given):
    """The name of a group, with the parameters of its case."""
    of_case = {name: value for name, value in given.items() if name not in CONTESTANTS | WORK}
    return ", ".join([group, *(f"{name}={getattr(value, '__name__', value)}" for name, value in of_case.items())])


@pytest.fixture(autouse=True)
def _grouped(request):
    """Name the group; give every benchmark all parameters: `--benchmark-group-by=param:NAME` needs NAME in each."""
    if "benchmark" not in request.fixturenames:
        return
    benchmark = request.getfixturevalue("benchmark")
    benchmark.group = case(benchmark.group, parameters(request.node))
    names = {name for item in request.session.items for name in parameters(item)}
    benchmark.params = dict.fromkeys(sorted(names)) | (benchmark.params or {})


@pytest.fixture
def measure(benchmark):
    """Return a function that times its argument, which does `units` units of work; times are divided by them."""

    def run(function, *, units, unit, rounds=None):
        if rounds is None:
            result = benchmark(function)
        else:
            result = benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)
        if benchmark.stats is not None:  # None under --benchmark-disable
            seconds = benchmark.stats.stats.data
            seconds[:] = [s / units for s in seconds]
            benchmark.extra_info["unit"] = unit
        return result

    return run
