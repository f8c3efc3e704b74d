"""`python -m bench.scaling`: N* is where the lines cross, and the quick run writes its page and pictures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "scaling").is_dir(), reason="not in a source tree")


def scaling(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench.scaling", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_quick_run_is_written(tmp_path):
    done = scaling("--quick", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "scaling.md").read_text(encoding="utf-8")
    for text in ("no figures to quote", "N* measured", "agents, mu only", "three successors, flow", "How to measure it again"):
        assert text in page
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {part.partition(")")[0] for part in page.split("](")[1:]}
    assert pictures >= {f"scaling-{name}.png" for name in ("population", "batch", "observations", "horizon")}


def test_unknown_study_is_refused():
    done = scaling("--only", "nothing of that name")
    assert done.returncode == 2 and "population" in done.stderr


@pytest.fixture
def studies(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.scaling import studies

    return studies


def test_crossing_of_straight_lines(studies):
    """Counts at 3e-6 s, agents at 1e-9 N: N* = 3000, whichever points are there; the first lead of counts is no crossing."""
    ns = (100, 1_000, 10_000, 100_000)
    agents = studies.Line("agents", ns, tuple(1e-9 * n for n in ns))

    def counts(*y):
        return studies.Line("counts", (*ns, 10**9)[: len(y)], y)

    assert studies.crossing(counts(3e-6, 3e-6, 3e-6, 3e-6, 3e-6), agents) == pytest.approx(3_000)
    assert studies.crossing(counts(1e-8, 3e-6, 3e-6, 3e-6), agents) == pytest.approx(3_000)
    assert studies.crossing(counts(1e-8, 1e-8, 1e-8, 1e-8), agents) == 0
    assert studies.crossing(counts(1e-3, 1e-3, 1e-3, 1e-3), agents) is None


def test_wrong_answers_are_not_timed(studies):
    from tmfcore.bench import Entry

    with pytest.raises(AssertionError, match=r"shares sum to 1\.1"):
        studies.timed(studies.QUICK, [Entry("wrong", lambda: [0.5, 0.6], 1.0)])
