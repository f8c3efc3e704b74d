"""`python -m bench.peers`: the part without other libraries runs, checks its answers, and writes its page."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "peers").is_dir(), reason="not in a source tree")


def peers(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench.peers", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_numpy_part_agrees_and_is_written(tmp_path):
    names = [n for name in ("agents-8", "mu-8", "sequential", "batch", "counts-8", "flow-8", "values-8", "beach", "push")
             for n in ("--only", name)]
    done = peers("--tiny", "--peers", "plain_numpy,plain_python", "--output", str(tmp_path), *names)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "WRONG" not in page
    for text in ("numpy alias", "numpy multinomial", "Python loop", "## Where we lose", "## How to measure it again"):
        assert text in page
    assert (tmp_path / "benchmarks.png").stat().st_size > 10_000


def test_lists_and_refuses_unknown_names():
    listed = peers("--list")
    assert listed.returncode == 0 and "agents-512" in listed.stdout and "with_jax" in listed.stdout
    assert peers("--only", "nothing of that name").returncode == 2
    assert peers("--peers", "nobody").returncode == 2


@pytest.fixture
def workloads(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.peers import workloads

    return workloads


@pytest.mark.parametrize("shift", [0, 1])
def test_check_finds_a_wrong_law(workloads, shift):
    """Exact rounded means pass; one agent too many, or 7 standard deviations, do not."""
    from bench.peers.problems import Answer, Disagreement

    problem = workloads.dense("agents", 8, 4, 100_000, 3)
    counts = np.round(problem.law(3) * problem.n_agents).astype(int)
    counts[0] += problem.n_agents - counts.sum()
    if not shift:
        problem.check(Answer(counts, 3))
        return
    with pytest.raises(Disagreement, match="sum to"):
        problem.check(Answer(counts + np.eye(8, dtype=int)[0], 3))
    far = int(7 * np.sqrt(counts[1])) + 2
    with pytest.raises(Disagreement, match=r"counts\[[01]\]"):
        problem.check(Answer(counts + far * np.array([-1, 1, 0, 0, 0, 0, 0, 0]), 3))


def test_check_finds_a_wrong_number(workloads):
    from bench.peers.problems import BeachBar, Disagreement

    problem = BeachBar("beach bar", 10, 4)
    best, own = problem.returns
    problem.check(best - own)
    problem.check(np.float32(best - own + 1e-5))
    with pytest.raises(Disagreement, match="exploitability"):
        problem.check(best - own + 1e-5)
