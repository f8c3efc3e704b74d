"""`python -m bench.distributed`: the model against closed forms, and the quick run."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "distributed").is_dir(), reason="not in a source tree")


@pytest.fixture
def model(monkeypatch):
    pytest.importorskip("simpy", reason="simpy is not on this machine")
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.distributed import model

    return model


def test_steps_of_constant_times(model):
    """Without scatter the simulation is the formula: ranks take turns on cores, then wait for the sum."""
    for cores, n_ranks in ((1, 1), (2, 2), (2, 4), (2, 3), (4, 2)):
        machine = model.Machine(cores, np.array([3.0]), 0.5)
        expected = -(-n_ranks // cores) * 3.0 + 0.5
        assert model.formula(machine, n_ranks) == expected
        assert model.events(machine, n_ranks, 10, np.random.default_rng(1)) == pytest.approx(expected)


def test_the_slowest_rank_ends_a_step(model):
    """Times 1 or 2, equally likely: the slower of two ranks takes 1.75 on average, that of ten 2 - 2^-10."""
    machine = model.Machine(10, np.array([1.0, 2.0]), 0.0)
    rng = np.random.default_rng(2)
    for n_ranks, mean in ((2, 1.75), (10, 2 - 2**-10)):
        assert model.events(machine, n_ranks, 4000, rng) == pytest.approx(mean, abs=0.04)  # 5.8 standard errors at 2 ranks
    always = model.events(machine, 2, 4000, rng, slow=1.0, factor=3.0)
    assert always == pytest.approx(5.25, abs=0.12)


def test_sums_over_many_ranks(model):
    assert [model.of_many(2.0, n) for n in (1, 2, 3, 4, 10_000)] == [0, 2, 4, 4, 28]


def test_failures(model):
    """The mean over 4,000 runs is Daly's; without failures, a run takes its work and its checkpoints."""
    rng = np.random.default_rng(3)
    calm = model.with_failures(100.0, 10.0, 1.0, 5.0, 1e12, rng)
    assert calm == pytest.approx(110.0)
    found = [model.with_failures(100.0, 10.0, 1.0, 5.0, 40.0, rng) for _ in range(4000)]
    expected = model.expected_with_failures(100.0, 10.0, 1.0, 5.0, 40.0)
    assert abs(np.mean(found) - expected) < 5 * np.std(found) / np.sqrt(len(found))
    # Young's interval is near the best one
    times = {every: model.expected_with_failures(1e4, every, 1.0, 0.0, 1e4) for every in np.geomspace(5, 5000, 60)}
    assert model.expected_with_failures(1e4, model.interval(1.0, 1e4), 1.0, 0.0, 1e4) < 1.001 * min(times.values())


def rounds(moves, work, others, n_ranks=2, steps=30):
    """A round for each entry of `others`: every step of each rank has these times, and a sum of 1 us."""
    one = {"moves": [moves] * steps, "work": [work] * steps, "sums": [1e-6] * steps}
    return [[{**one, "others": share} for _ in range(n_ranks)] for share in others]


def test_busy_is_said_only_if_other_programs_were(model):
    from bench.distributed import study

    slower, wall, beyond = study.calm(rounds(1e-3, 1e-3, [0.5]), 2)  # calm steps, whatever else ran
    assert (slower, wall, beyond) == pytest.approx((1e-3, 1.001e-3, 1e-6))
    assert study.calm(rounds(2e-3, 1e-3, [0.5, 0.4]), 2)[1:] == (None, None)  # each step waited, and others ran
    slower, wall, beyond = study.calm(rounds(2e-3, 1e-3, [0.5, 0.01]), 2)  # it waited for something else
    assert (slower, wall, beyond) == pytest.approx((1e-3, 2.001e-3, 1e-6))
    small = rounds(2e-6, 1e-6, [0.0], n_ranks=4)  # four ranks that mostly wait for each other are not busy
    assert study.calm(small, 2)[1:] == (pytest.approx(3e-6), None)
    assert study.calm(rounds(2e-6, 1e-6, [0.2], n_ranks=4), 2)[1:] == (None, None)


@pytest.mark.skipif(which("mpiexec") is None or find_spec("mpi4py") is None, reason="mpiexec or mpi4py is not on this machine")
def test_quick_run_is_written(model, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bench.distributed", "--quick", "--output", str(tmp_path)], cwd=ROOT, capture_output=True,
        text=True, timeout=500, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "distributed.md").read_text(encoding="utf-8")
    for text in ("no figures to quote", "| 200,000 | 2 |", "10^12 agents on 100 cores", "## Goals", "| the model within 20% of the wall time", "events / wall", "Daly", "How to measure it again"):
        assert text in page
