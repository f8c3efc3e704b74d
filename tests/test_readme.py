"""The README keeps its word: its example is short and changes as it says, its commands are those of .ci/run.

tests/test_docs_code.py runs its code, tests/test_site.py follows its links.
"""

import re
from pathlib import Path
from typing import Any

import pytest

import tmfcore as tmf
from tmfcore.solvers._registry import SOLVERS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
REPRODUCE = "python -m pip install '.[app]' && tmfcore reproduce --quick"
TEST = "python -m pip install '.[test]' && pytest -n auto"


def test_first_example_is_short_and_is_the_script_in_examples():
    first = next(code for language, code in BLOCKS if language == "python")
    assert len(first.splitlines()) < 20
    assert first in (ROOT / "examples" / "first_example.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("schedule", ["Batch(100)", "Synchronous()"])
def test_only_the_schedule_changes_as_the_readme_says(schedule, tmp_path, monkeypatch):
    first = next(code for language, code in BLOCKS if language == "python")
    assert first.count("Sequential()") == 1 and f"`{schedule}`" in README
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {"__name__": "readme"}
    exec(compile(first.replace("Sequential()", schedule), "README.md", "exec"), found)
    for record in (found["run"], found["flow"]):
        assert record.time == "sweeps" and record.steps[-1] * record.step == pytest.approx(20)
    assert found["run"].decisions.sum() == 20 * found["N"]
    assert found["gap"] < 0.01 * found["run"].returns.mean()


def test_what_the_readme_counts():
    words = {name.rpartition(".")[2] for name in re.findall(r"`([\w.]+)`", README.partition("## What it does")[2])}
    known = {*tmf.__all__, "tmfcore", "solvers"}
    assert words <= known, words - known
    assert f"one of {['seven', 'eight', 'nine', 'ten'][len(SOLVERS) - 7]} in `tmfcore.solvers`" in README


@pytest.mark.parametrize("command", [REPRODUCE, TEST])
def test_commands_are_one_line_each(command):
    assert f"\n```sh\n{command}\n```\n" in README


def test_ci_runs_the_command_of_the_readme():
    assert TEST in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
