"""What the command line prints is what tests/golden/cli holds; python -m tests.golden writes it anew."""

import sys

import pytest

from golden import commands

MASKED = ("  seconds ", "tmfcore, version ")  # by the file, not by the command
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no terminals to open")


def test_every_file_is_of_a_case():
    assert {path.stem for path in commands.FOLDER.iterdir()} == set(commands.CASES)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.rest) if name == "reproduce" else name for name in commands.CASES])
def test_what_is_printed_is_what_is_stored(name, tmp_path):
    stored = (commands.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    found = commands.differences(commands.page(name, tmp_path), stored)
    assert not found, f"{len(found)} lines differ; if they should, run: python -m tests.golden {name}\n{found[:5]}"


@pytest.mark.parametrize("name", commands.CASES)
def test_no_line_is_wider_than_the_terminal(name):
    """But errors, warnings and the line that names what was written, which a terminal wraps; and nothing is cut off."""
    text = (commands.FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    for part in text.split("##### ")[1:]:
        title, *lines = part.splitlines()
        if title.endswith(f"({commands.VIEWS[0]})"):
            printed = [line for line in lines if not line.startswith(("Error: ", "warning: ", "... s; wrote "))]
            assert [line for line in printed if len(line) > commands.COLUMNS] == []
            cut = [line for line in printed if line.endswith(("...", "\u2026")) and "Usage:" not in line]
            assert [line for line in cut if name not in commands.FACTS and not line.startswith(MASKED)] == []


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("mean 0.5701  x", "mean 0.5702 x", True),
        ("mean 0.57", "mean 0.61", False),
        ("N = 1,000 agents", "N = 1,000 agents", True),
        ("N = 1,000 agents", "N = 2,000 agents", False),
        ("3 steps", "3 sweeps", False),
        ("found 1.0e-17", "found 3.2e-16", True),
        ("found 1.0e-07", "found 3.2e-07", False),
        ("server 1", "server 2", False),
    ],
)
def test_numbers_are_compared_by_value(one, other, alike):
    assert (commands.differences(one, other) == []) == alike


def test_a_missing_line_is_found():
    assert commands.differences("a\nb\nc", "a\nc") == [(2, ["c"], ["b", "c"])]
