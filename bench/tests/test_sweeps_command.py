"""`python -m bench.sweeps`: its model, and the quick run, which writes every figure beside its goal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "sweeps").is_dir(), reason="not in a source tree")


def test_the_model_of_a_sweep(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.sweeps.measure import model

    assert model(40, 0.1, 1, 0.001) == pytest.approx(4.04)
    assert model(41, 0.1, 2, 0.001) == pytest.approx(2.101)  # one worker computes the last cell
    assert model(1000, 0.1, 1000, 0.001) == pytest.approx(1.001)  # the caller is the bottleneck


def test_quick_run_is_written(tmp_path):
    pytest.importorskip("pyarrow", reason="extra `tables`")
    done = subprocess.run(
        [sys.executable, "-m", "bench.sweeps", "--quick", "--output", str(tmp_path)], cwd=ROOT, capture_output=True, text=True,
        timeout=300, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "sweeps.md").read_text(encoding="utf-8")
    for text in ("no figures to quote", "| 2 processes | 40 |", "<= 5 ms", ">= 1.8x", "| 25,000 | ", "A million cells", "How to measure it again"):
        assert text in page
