"""`python -m bench.shelf`: the quick run, alone, solves every game and writes its page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tmfcore.games import BY_NAME

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "shelf").is_dir(), reason="not in a source tree")


def shelf(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench.shelf", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_quick_run_is_written(tmp_path):
    games = ("braess", "garnet", "queueing")
    done = shelf("--quick", "--alone", "--output", str(tmp_path), *(word for name in games for word in ("--only", name)))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "shelf.md").read_text(encoding="utf-8")
    assert "no figures to quote" in page and "How to measure it again" in page
    rows = [line for line in page.splitlines() if line.startswith(tuple(f"| {name} |" for name in BY_NAME))]
    assert len(rows) == len(games)


def test_refuses_unknown_names():
    done = shelf("--quick", "--alone", "--only", "nothing of that name")
    assert done.returncode == 2 and "beach_bar" in done.stderr


@pytest.fixture
def pairs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.shelf import page, pairs

    return page, pairs


def test_ratios_say_when_they_are_only_bounds(pairs):
    from bench.shelf import Run

    page, pairs = pairs
    ours = Run("tmf.solve", (1e-3, 2e-3), 1e-4, 10, 2e-3)
    theirs = [Run("MFGLib OMD", (0.5, None), 1e-2, 9, 1.0), Run("MFGLib FP", (0.2, None), 1e-2, 9, 0.9)]
    pair = pairs.Pair("beach_bar", "MFGLib", "S=4", ours, theirs)
    assert pair.ratio(0) == (pytest.approx(200), False)
    assert pair.ratio(1) == (pytest.approx(450), True)
    row = list(page.beside([pair]))[-1]
    assert "200 ms, FP | 200 |" in row and "not reached | >= 450 | yes |" in row
    lost = pairs.Pair("beach_bar", "MFGLib", "S=4", Run("tmf.solve", (1e-3, None), 1e-3, 10, 1.0), theirs)
    assert lost.ratio(1) is None and "| **no** |" in list(page.beside([lost]))[-1]
