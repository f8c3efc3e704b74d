"""`bench/figures.py`: what it runs in interpreters of its own runs with the package as it is."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench").is_dir(), reason="not in a source tree")


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return __import__("figures")


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in other units elsewhere")
def test_memory_and_import_are_measured(figures):
    memory = figures.memory_figure((70_000_000, 90_000_000))
    assert memory.met and 0.5 < float(memory.found.split()[0]) < 2.5
    assert figures.import_figure().found.endswith("s, no matplotlib")
