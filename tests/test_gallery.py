"""The gallery is of all games and of today: entries, pages, equations as in the docstrings, commands that run."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import tmfcore as tmf
from tmfcore.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "gallery"

if not (ROOT / "bench" / "gallery.py").is_file():
    pytest.skip("not in a source tree", allow_module_level=True)

_spec = importlib.util.spec_from_file_location("gallery", ROOT / "bench" / "gallery.py")
gallery = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gallery)

ENTRIES = {entry.name: entry for entry in gallery.entries()}
GAMES = list(tmf.games.BY_NAME)


def maps_of(name):
    return [f"{name}-map.png"] if ENTRIES[name].map else []


def text_of(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def test_the_index_is_that_of_the_entries():
    assert text_of("index.md") == gallery.index(), "run `python -m bench.gallery`"


@pytest.mark.parametrize("name", GAMES)
def test_its_page_says_what_the_docstring_says(name):
    text = text_of(f"{name}.md")
    entry = ENTRIES[name]
    parts = [f"# {entry.heading}\n", entry.about, entry.picture, gallery.description(name), gallery.notes(name)]
    parts += [gallery.description(entry.rules)] if entry.rules else []
    parts += [f"```python\n{ENTRIES[name].map}```"] if maps_of(name) else []
    for part in parts:
        assert part in text, f"run `python -m bench.gallery {name}`"
    assert "```text\n" in gallery.description(name), f"the docstring of {name} has no indented equations"


@pytest.mark.parametrize("name", GAMES)
def test_its_pictures_are_there_and_small(name):
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text_of(f"{name}.md"))
    assert shown == [f"{name}.png", *maps_of(name), f"{name}-policy.png", f"{name}-exploitability.png"]
    for picture in shown:
        content = (FOLDER / picture).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 100_000


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.broad(2)
def test_the_command_on_its_page_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"^```sh\n(.*)\n```$", text_of(f"{name}.md"), flags=re.MULTILINE)
    assert command == ENTRIES[name].command
    program, *words = shlex.split(command)
    assert program == "tmfcore"
    done = CliRunner().invoke(app, [*words, "--tolerance", "0.1"])
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / words[-1]).iterdir()} == {"exploitability.png", "flow.png", "policy.png"}


def test_pages_are_written_from_what_was_solved(tmp_path):
    entry = ENTRIES["queueing"]
    written = gallery.write(tmp_path, (entry,), quick=True)
    assert {path.name for path in written} == {
        "queueing.md",
        "queueing.png",
        "queueing-policy.png",
        "queueing-exploitability.png",
        "index.md",
    }
    game = tmf.games.queueing(step=0.01).at()
    found = tmf.solve(game, tmf.Batch(10), 1000, tolerance=0.1)
    text = (tmp_path / "queueing.md").read_text(encoding="utf-8")
    assert f"| mean return | {found.mean_return:.4f} |" in text
    assert f"| exploitability | {found.exploitability:.1e}, " in text
    assert "| game | S = 4 observations, A = 4 actions, T = 2000 steps of 0.01 sweeps |" in text


def test_a_page_of_roads_has_the_map_its_program_draws(tmp_path):
    written = {path.name for path in gallery.write(tmp_path, (ENTRIES["braess"],), quick=True)}
    assert "braess-map.png" in written
    assert (tmp_path / "braess-map.png").read_bytes().startswith(b"\x89PNG")


def test_a_command_that_fails_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="no such parameter"):
        gallery.solve(ENTRIES["queueing"]._replace(options="--set servers=3"), tmp_path)
