"""Resident memory: a part of `python -m tests.resident`, and a leak that it must find."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from resident import calls
from resident.growth import grown
from resident.report import page

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")

#: Of each kind of verb one; in all, calls of every engine and kernel.
SHORT = (
    "tmfcore.simulate", "tmfcore.mean_field", "tmfcore.exploitability", "tmfcore.Population.step", "tmfcore.learn.fit",
    "tmfcore.solvers.MirrorDescent.solve", "tmfcore.solvers.TMFPG.solve", "tmfcore.analysis.fluctuations",
    "simulate, threads", "simulate, side by side", "simulate, Poisson clocks", "simulate, ended by progress, threads",
)  # fmt: skip


def short(*names):
    """Growth of each kind of call, of this process; printed by a process of its own."""
    more = calls.more()
    for name in names:
        for kind in calls.KINDS if name in calls.EXAMPLES else ("good",):
            call = more[name] if name in more else getattr(calls, kind)(name)
            if call is not None:
                made, bytes_grown, _ = grown(call, 300, 0.3)
                print(f"{name}, {kind}: {made} {bytes_grown}")


def printed(code):
    """What code prints in a process of its own, which has no free memory that other tests left."""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "tests")
    assert found.returncode == 0, found.stderr
    return found.stdout


def leak():
    """Growth by calls that keep a kilobyte each."""
    kept = []
    print(*grown(lambda: kept.append(bytearray(1000)), 3000, 10.0)[:2])


@pytest.mark.parametrize("names", [SHORT[:4], pytest.param(SHORT[4:], marks=pytest.mark.rest)], ids=["verbs", "solvers and others"])
def test_a_process_does_not_grow(names):
    """Of 300 calls, fewer where they take long; a leak of an array of this game in each of them would be 100 kB or more."""
    lines = [line.rsplit(": ", 1) for line in printed(f"import test_resident; test_resident.short(*{names!r})").splitlines()]
    assert len(lines) >= sum(3 if name in calls.EXAMPLES else 1 for name in names) - 3
    for name, numbers in lines:
        made, bytes_grown = map(int, numbers.split())
        assert made > 16 and bytes_grown < 2**20, name


def test_a_leak_is_found():
    made, bytes_grown = map(int, printed("import test_resident; test_resident.leak()").split())
    assert made == 3000 and 2.5e6 < bytes_grown < 4.5e6


def test_calls_that_end_early_raise_what_they_are_said_to():
    """Functions of the caller are called, and their exception ends the call in its middle."""
    for name in ("tmfcore.simulate", "tmfcore.mean_field", "tmfcore.solve", "tmfcore.analysis.lipschitz"):
        call = calls.raising(name)
        for _ in range(3):
            call()
    assert calls.raising("tmfcore.Batch") is None and calls.bad("tmfcore.Sequential") is None


def test_the_page_has_what_grew():
    rows = [("one", {"good": (10_000, 2**21, 1.0), "bad": (10_000, 0, 1.0)}), ("two", {"good": (20, -4096, 1.0)})]
    text = page(rows, SimpleNamespace(calls=10_000, seconds=5.0))
    assert "| `one` | 2048 / 10,000 | 0 / 10,000 |  |" in text and "`two`" not in text
    assert "| calls | 20,020 |" in text and "| grew by 1 MiB or more | 1 |" in text
