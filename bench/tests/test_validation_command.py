"""`python -m bench.validation`: a quick run, its exit code, and that every check finds the errors made for it."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "validation").is_dir(), reason="not in a source tree")

sys.path.insert(0, str(ROOT))
from bench.validation import LEVEL, checks, significance, wrong  # noqa: E402

MOST = 10_000  # tests that a whole run may have


def validation(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench.validation", "--quick", "--jobs", "1", *arguments], cwd=ROOT, capture_output=True, text=True,
        timeout=300, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_a_quick_run_of_one_check_is_written(tmp_path):
    page = tmp_path / "validation.md"
    done = validation("--only", "uniform", "--output", str(page))
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert "checks, with 1% of the draws: not the whole" in text
    assert "**Nothing fails**" in text and "### Uniform integers" in text and "no rejection" in text and "### Binomial" not in text


def test_refuses_unknown_names():
    done = validation("--only", "nothing of that name")
    assert done.returncode == 2 and "hypergeometric" in done.stderr


@functools.cache
def quick(name):
    return list(checks.findings(name, 0.001))


@pytest.mark.parametrize("name", checks.load())
def test_a_quick_run_finds_nothing(name):
    found = quick(name)
    assert found and not [one for one in found if checks.fails(one, LEVEL / MOST)]


@pytest.mark.parametrize("one", wrong.WRONG, ids=lambda one: f"{one.check}: {one.what}")
def test_an_error_is_found(one):
    """At the level that a whole run of ten thousand tests would have."""
    assert wrong.found(one, LEVEL / MOST) is not None


def test_every_check_has_an_error_to_find():
    assert set(checks.load()) == {one.check for one in wrong.WRONG}


def test_the_exit_code_says_that_something_failed(monkeypatch, capsys):
    from bench.validation import __main__ as command

    class Here:
        """A pool that runs at once, in this process, where the wrong sampler is."""

        def __init__(self, *_, **__): ...

        def __enter__(self):
            return self

        def __exit__(self, *_): ...

        def submit(self, call, *arguments):
            done = call(*arguments)
            return type("Done", (), {"result": lambda _: done})()

    monkeypatch.setattr(command, "ProcessPoolExecutor", Here)
    error = next(one for one in wrong.WRONG if one.check == "hypergeometric")
    with wrong.in_place(error):
        assert command.main(["--quick", "--only", "hypergeometric"]) == 1
    assert "findings fail" in capsys.readouterr().out
    monkeypatch.setattr(wrong, "WRONG", [wrong.Wrong("hypergeometric", "nothing", "_doors", lambda right: right)])
    assert command.main(["--quick", "--only", "hypergeometric"]) == 1
    assert "does not find: nothing" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------- p-values


def smallest(findings):
    return min(one.p for one in findings)


def test_p_values_of_laws_are_uniform_when_the_law_is_right():
    """2,000 samples of 20,000 draws: shares of p-values below 0.01, 0.1, 0.5, each within 6 standard errors (2e-9)."""
    rng, p = np.random.default_rng(1), np.array([0.5, 0.3, 0.15, 0.049, 0.001])
    chi, tail = [], []
    for _ in range(2_000):
        for one in significance.law_findings("", "", rng.multinomial(20_000, p), 20_000 * p):
            (chi if one.statistic.startswith("chi") else tail).append(one.p)
    for q in (0.01, 0.1, 0.5):
        assert abs(np.mean(np.array(chi) < q) - q) < 6 * (q / 2_000) ** 0.5
    assert np.mean(np.array(tail) < 0.01) < 0.01 + 6 * (0.01 / 2_000) ** 0.5  # exact, discrete: at most


@pytest.mark.parametrize(("observed", "says"), [
    ([100_000, 100_000, 0, 0], "chi-square"), ([99_000, 100_010, 1_000, 0], "chi-square"), ([99_960, 99_960, 80, 0], "tail"),
    ([99_990, 99_979, 30, 1], "end"),
])  # fmt: skip
def test_laws_that_are_missed_are_found(observed, says):
    """Expected are (99,985, 99,985, 30, 1e-4) draws; or twice as many of each cell of a coin."""
    expected = [99_985 - 5e-5, 99_985 - 5e-5, 30, 1e-4] if says != "chi-square" else [98_000, 100_000, 1_990, 10]
    found = list(significance.law_findings("", "", np.array(observed), np.array(expected) / np.sum(expected) * np.sum(observed)))
    least = min(found, key=lambda one: one.p)
    assert says in least.statistic and least.p < (1e-3 if says == "end" else 1e-6)


def test_a_law_of_one_cell_has_no_exceptions():
    (one,) = significance.law_findings("", "", np.array([0, 7]), np.array([0.0, 7.0]))
    assert one.p is None and not checks.fails(one, 1e-9)


def test_pairs():
    rng = np.random.default_rng(3)
    values, p = rng.integers(0, 4, 200_000), np.full(4, 0.25)
    same = np.where(rng.random(200_000) < 0.03, np.roll(values, 3), values)
    for law in (p, None):
        assert significance.pair_finding("", "", values, 3, law).p > 1e-6 > significance.pair_finding("", "", same, 3, law).p


def test_draws_where_there_are_none():
    assert smallest(significance.law_findings("", "", np.array([10, 1]), np.array([11.0, 0.0]))) == 0
    assert smallest(significance.dict_findings("", "", {"a": 10, "b": 1}, {"a": 1.0})) == 0
    with pytest.raises(ValueError, match="does not sum to 1"):
        list(significance.law_findings("half", "", np.array([10, 10]), np.array([10.0, 9.0])))


def test_means():
    rng = np.random.default_rng(2)
    x = rng.exponential(size=100_000)
    assert significance.mean_finding("", "", x, 1.0).p > 1e-6 > significance.mean_finding("", "", x, 1.03).p
    assert significance.mean_finding("", "", np.ones(10), 1.0).p == 1
    assert checks.fails(significance.mean_finding("", "", np.full(10, np.nan), 1.0), 1e-9), "NaN fails"
    assert checks.fails(significance.exact_finding("", "", float("nan"), 1.0, 1.0), 1e-9)
