"""`python -m bench.peers`: the part without other libraries runs, checks its answers, and writes its page."""

import dataclasses
import itertools
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
    names = [n for name in ("agents-8", "mu-8", "threads-8", "sequential", "batch", "counts-8", "counts-any", "auto-few",
                            "flow-8", "values-8", "beach", "push", "gradient-8", "tmfpg", "mirror", "python-", "numba-")
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


def test_moments_of_a_direction_by_enumeration(workloads):
    """Mean and variance of one agent's direction over all its trajectories; and the policy gradient theorem."""
    from bench.peers.learning import Gradient

    rng = np.random.default_rng(3)
    shape = (2, 2)
    pi, reward = rng.dirichlet(np.ones(2), size=2), rng.random(shape)
    moves = rng.dirichlet(np.ones(2), size=shape)
    problem = Gradient("gradient", 100, 3, pi, moves, reward, 100, discount=0.8)
    first, second = np.zeros((2, 2, *shape))
    for start in range(2):
        for path in itertools.product(range(2), repeat=6):  # a, x, a, x, a, x
            o, share, seen = start, 1.0, []
            for a, x in zip(path[::2], path[1::2]):
                share *= pi[o, a] * moves[o, a, x]
                seen.append((o, a))
                o = x
            z, g = np.zeros(shape), 0.0
            for o, a in seen[::-1]:
                g = reward[o, a] + 0.8 * g
                z[o] += (np.eye(2)[a] - pi[o]) * g
            first[start] += share * z
            second[start] += share * z**2
    found = [moment.T.reshape(2, *shape) for moment in problem.moments]
    np.testing.assert_allclose(found, [first, second], rtol=1e-12, atol=1e-14)

    mu, flow = problem.initial / 100, []
    for _ in range(3):
        flow.append(mu)
        mu = np.einsum("o,oa,oax->x", mu, pi, moves)
    value, gradient = np.zeros(2), np.zeros(shape)
    for mu in flow[::-1]:
        q = reward + 0.8 * moves @ value
        value = (pi * q).sum(axis=1)
        gradient += mu[:, None] * pi * (q - value[:, None])
    np.testing.assert_allclose(np.tensordot(problem.initial / 100, first, axes=1), gradient, rtol=1e-12)


def test_check_finds_a_wrong_direction(workloads):
    from bench.peers.learning import Direction
    from bench.peers.problems import Disagreement

    problem = workloads.gradient(8, 10_000, 5)
    first, second = problem.moments
    start = problem.initial / 10_000
    mean, deviation = first @ start, np.sqrt((second - first**2) @ start / 10_000)
    problem.check(Direction(mean.reshape(8, 4), 10_000))
    far = mean.copy()
    far[6] += 7 * deviation[6]
    with pytest.raises(Disagreement, match=r"direction\[1, 2\]"):
        problem.check(Direction(far.reshape(8, 4), 10_000))
    problem.check(Direction(far.reshape(8, 4), 1_000))  # within reach of fewer
    with pytest.raises(Disagreement, match="shape"):
        problem.check(Direction(np.zeros((4, 8)), 10_000))


@pytest.mark.parametrize("game", ["resource selection", "queueing"])
def test_check_finds_who_learned_nothing_or_claims_too_much(workloads, game):
    from bench.peers.learning import Learned, Learning
    from bench.peers.problems import Disagreement

    problem, uniform = Learning("learning", game, 20), np.full((1, 5, 5), 0.2)
    gap = problem.exploitability(uniform)
    assert gap > 0.01
    with pytest.raises(Disagreement, match="said to be"):
        problem.check(Learned(uniform, 0.5 * gap))
    with pytest.raises(Disagreement, match="must be at most"):
        problem.check(Learned(uniform, gap))


def test_check_finds_a_wrong_trace_and_a_wrong_push(workloads):
    from bench.peers.learning import JostledBar, MirrorDescent
    from bench.peers.problems import BeachBar, Disagreement

    problem = MirrorDescent("mirror descent", 10, 4)
    uniform = BeachBar("beach bar", 10, 4)
    uniform.__dict__["pi"] = np.full((10, 3), 1 / 3)
    best, own = uniform.returns
    assert problem.trace[0] == pytest.approx(best - own, rel=1e-12)
    assert (np.diff(problem.trace) < 0).all()
    problem.check(problem.trace)
    problem.check(np.float32(problem.trace + 5e-5))
    problem.check({1: problem.trace[1]})
    for wrong in (problem.trace + 5e-5, {0: problem.trace[0]}, {1: problem.trace[2]}, problem.trace[:-1]):
        with pytest.raises(Disagreement):
            problem.check(wrong)

    jostled, bar = JostledBar("jostled push-forward", 20, 3), BeachBar("push-forward", 20, 3)
    jostled.check(jostled.flow[-1])
    assert jostled.flow.sum(axis=1) == pytest.approx(1.0)
    with pytest.raises(Disagreement):
        jostled.check(bar.flow[-1])


def test_summary_takes_off_the_users_own_time_and_parts_best_from_usual(workloads):
    from bench.peers import page
    from bench.peers.measure import Entry, Timing
    from bench.peers.run import Line, Results

    workload = workloads.Workload("x", "title", "step", None, 5e-6, {"best": 2, "usual": 300}, less="own")
    seconds = {"tmfcore": 9e-6, "own": 4.5e-6, "best": 9e-6, "usual": 4e-3}
    lines = [
        Line(Entry(name, None, 1.0, ours=name in ("tmfcore", "own"), usual=name == "usual"), Timing(s, s, 2 * s, 2 * s, 1), s / 9e-6)
        for name, s in seconds.items()
    ]
    row = list(page.goals(Results({workload: lines}), workloads.FULL))[-1]
    assert row == "| x | 4.50 us | (<= 5.00 us) | yes | best 1.00 (2) | **no** | usual 444 (300) | yes |"
    for own, scatter, shown in ((9.1e-6, 0.0, "| within the noise of 0.00 ns | (<= 5.00 us) | not measured |"),
                                (8.9e-6, 0.3e-6, "| within the noise of 600 ns | (<= 5.00 us) | not measured |"),
                                (8.0e-6, 0.3e-6, "| 1.00 us | (<= 5.00 us) | yes |")):  # fmt: skip
        noisy = [
            dataclasses.replace(line, timing=Timing(s, s + scatter, s, s, 9))
            for line, s in zip(lines[:2], (9e-6, own), strict=True)
        ]
        assert shown in list(page.goals(Results({workload: noisy}), workloads.FULL))[-1]
    by_wall = dataclasses.replace(workload, wall=True)
    assert "| 9.00 us | (<= 5.00 us) | **no** |" in list(page.goals(Results({by_wall: lines}), workloads.FULL))[-1]


def test_rows_about_threads_need_and_get_their_processors(workloads, monkeypatch):
    from bench.peers import PROCESSORS, every_processor, run

    threads = next(w for w in workloads.WORKLOADS if w.name == "threads-8")
    assert threads.wall and threads.processors == 2
    monkeypatch.setattr(run, "PROCESSORS", {0})
    said = []
    results = run.run([threads], workloads.TINY, ["ours"], said.append)
    assert not results.lines and "needs 2 processors" in said[0]
    if hasattr(os, "sched_setaffinity"):
        held = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(held)})
            with every_processor():
                assert os.sched_getaffinity(0) == PROCESSORS
            assert os.sched_getaffinity(0) == {min(held)}
        finally:
            os.sched_setaffinity(0, held)
