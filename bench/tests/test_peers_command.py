"""`python -m bench.peers`: the part without other libraries runs, checks its answers, and writes its page."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tmfcore.bench import contest, processors, workloads
from tmfcore.bench.contest import Line, Results
from tmfcore.bench.measure import Timing

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "peers").is_dir(), reason="not in a source tree")


def peers(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench.peers", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_numpy_part_agrees_and_is_written(tmp_path):
    names = [n for name in ("agents-8", "mu-8", "threads-8", "sequential", "batch", "counts-8", "counts-any", "auto-few",
                            "flow-8", "values-8", "beach", "push", "gradient-8", "tmfpg", "mirror", "solve-monotone-0.01", "python-", "numba-", "call")
             for n in ("--only", name)]
    families = "plain_numpy,plain_numpy_learning,plain_python"
    done = peers("--tiny", "--peers", families, "--output", str(tmp_path), *names)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "WRONG" not in page
    for text in ("numpy alias", "numpy multinomial", "Python loop", "the game's own functions", "tmfcore, 1 thread",
                 "| tmfpg-queueing |", "| push-forward-mu |", "## Where other libraries are faster", "## How to measure it again"):
        assert text in page or (text == "tmfcore, 1 thread" and "omitted: threads-8" in page)
    assert (tmp_path / "benchmarks.png").stat().st_size > 10_000


def test_lists_and_refuses_unknown_names():
    listed = peers("--list")
    assert listed.returncode == 0 and "agents-512" in listed.stdout and "with_jax" in listed.stdout
    assert peers("--only", "nothing of that name").returncode == 2
    assert peers("--peers", "nobody").returncode == 2


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.peers import rows

    return rows


@pytest.mark.parametrize("game", ["resource selection", "queueing"])
def test_check_finds_who_learned_nothing_or_claims_too_much(rows, game):
    from bench.peers.own_problems import Learned, Learning
    from tmfcore.bench import Disagreement

    problem, uniform = Learning("tmfpg", game, 20), np.full((1, 5, 5), 0.2)
    gap = problem.exploitability(uniform)
    assert gap > 0.01
    with pytest.raises(Disagreement, match="said to be"):
        problem.check(Learned(uniform, 0.5 * gap))
    with pytest.raises(Disagreement, match="must be at most"):
        problem.check(Learned(uniform, gap))


def timing(least, scatter=0.0, wall=None):
    return Timing((least, least + 2 * scatter), (wall or least,))


def test_summary_takes_off_the_users_own_time_and_parts_best_from_usual(rows, monkeypatch):
    from bench.peers import goals, page

    workload = rows.Workload("x", "title", "step", None)
    monkeypatch.setitem(goals.GOALS, "x", goals.Goal(5e-6, {"best": 2, "usual": 300}, less="own"))
    seconds = {"tmfcore": 9e-6, "own": 4.5e-6, "best": 9e-6, "usual": 4e-3}
    lines = [
        Line(name, timing(s, wall=2 * s), ours=name in ("tmfcore", "own"), usual=name == "usual") for name, s in seconds.items()
    ]

    def last(workload, lines):
        return list(page.goals(Results({workload: lines}), rows.FULL))[-1]

    assert last(workload, lines) == "| x | 4.50 us | (<= 5.00 us) | yes | best 1.00 (2) | **no** | usual 444 (300) | yes |"
    for own, scatter, shown in ((9.1e-6, 0.0, "| within the noise of 0.00 ns | (<= 5.00 us) | not measured |"),
                                (8.9e-6, 0.3e-6, "| within the noise of 600 ns | (<= 5.00 us) | not measured |"),
                                (8.0e-6, 0.3e-6, "| 1.00 us | (<= 5.00 us) | yes |")):  # fmt: skip
        noisy = [
            dataclasses.replace(line, timing=timing(s, scatter)) for line, s in zip(lines[:2], (9e-6, own), strict=True)
        ]
        assert shown in last(workload, noisy)
    by_wall = dataclasses.replace(workload, wall=True)
    assert "| 9.00 us | (<= 5.00 us) | **no** |" in last(by_wall, lines)
    assert page.losses(Results({workload: lines})) == ["In none of these workloads."]
    faster = [*lines, Line("rival", timing(3e-6))]
    assert page.losses(Results({workload: faster})) == ["- x: rival is 3.00 times faster (3.00 us against 9.00 us per step)"]


def test_goals_are_those_of_rows(rows):
    from bench.peers.goals import GOALS

    assert set(GOALS) <= {workload.name for workload in rows.WORKLOADS}


def test_rows_about_threads_need_their_processors(rows, monkeypatch):
    threads = next(w for w in rows.WORKLOADS if w.name == "threads-8")
    assert threads.wall and threads.processors == 2
    monkeypatch.setattr(processors, "ALL", {0})
    said = []
    results = contest.run([threads], workloads.TINY, rows.sources([]), said.append)
    assert not results.lines and "needs 2 processors" in said[0]
