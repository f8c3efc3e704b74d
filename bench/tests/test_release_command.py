"""python -m bench.release: the version in all its places, fragments of the changelog, parts that pass once, and the page."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.release import __main__ as command
from bench.release import numbers, paper, parts

ROOT = Path(__file__).resolve().parents[2]
FILES = ("changes/README.md", "paper.md", "docs/measured/benchmarks.md")
PLACES = ("pyproject.toml", "CITATION.cff", "CHANGELOG.md", "conda/recipe.yaml")


@pytest.fixture
def tree(tmp_path):
    for name in (*PLACES, *FILES):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_this_tree_has_one_version():
    version = numbers.version_of(ROOT)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f'\n  version: "{version}"\n' in (ROOT / "conda/recipe.yaml").read_text()
    assert f"\n## {version} (" in (ROOT / "CHANGELOG.md").read_text()
    numbers.fragments(ROOT)


def test_version_goes_to_all_places_and_fragments_to_the_changelog(tree):
    (tree / "changes" / "clock.fixed.md").write_text("- A clock.\n")
    (tree / "changes" / "lamp.added.md").write_text("- A lamp,\n  of two lines.\n")
    with pytest.raises(numbers.Unready, match="unreleased"):
        numbers.check(tree)
    assert command.main(["version", "9.8.7", "--date", "2030-01-02"], tree) == 0
    changelog = (tree / "CHANGELOG.md").read_text()
    assert "## 9.8.7 (2030-01-02)\n" in changelog and "unreleased" not in changelog
    assert "### Added\n\n- A lamp,\n  of two lines.\n- " in changelog and "### Fixed\n\n- A clock.\n" in changelog
    old = (ROOT / "CHANGELOG.md").read_text().partition("\n## ")[2].partition("\n")[2].splitlines()
    assert set(old) <= set(changelog.splitlines())  # nothing is lost
    assert "date-released: 2030-01-02" in (tree / "CITATION.cff").read_text()
    assert sorted(path.name for path in (tree / "changes").iterdir()) == ["README.md"]
    with pytest.raises(numbers.Unready, match=r"golden/files/9\.8\.7 is missing"):
        numbers.check(tree)
    (tree / "tests/golden/files/9.8.7").mkdir(parents=True)
    assert numbers.check(tree) == "9.8.7"
    (tree / "changes" / "late.added.md").write_text("- Late.\n")
    with pytest.raises(numbers.Unready, match=r"late\.added\.md"):
        numbers.check(tree)
    assert command.main(["version", "9.9.0", "--date", "2030-02-03"], tree) == 0  # a second release: a new entry on top
    later = (tree / "CHANGELOG.md").read_text()
    assert later.index("## 9.9.0 (2030-02-03)") < later.index("- Late.") < later.index("## 9.8.7 (2030-01-02)")
    assert numbers.version_of(tree) == "9.9.0"


def test_bad_versions_and_names_of_fragments(tree, capsys):
    before = {name: (tree / name).read_text() for name in PLACES}
    assert command.main(["version", "next"], tree) == 1
    (tree / "changes" / "lamp.new.md").write_text("- A lamp.\n")
    assert command.main(["version", "9.8.7"], tree) == 1
    assert "KIND is added, changed, fixed or removed" in capsys.readouterr().err
    assert before == {name: (tree / name).read_text() for name in PLACES}


def test_parts_pass_once_per_commit_and_the_page_has_their_last_lines(tree, monkeypatch, capsys):
    git = lambda *words: subprocess.run(["git", *words], cwd=tree, check=True, capture_output=True)
    command.main(["version", "9.8.7", "--date", "2030-01-02"], tree)
    (tree / "tests/golden/files/9.8.7").mkdir(parents=True)
    command.main(["paper"], tree)
    (tree / "dist").mkdir()
    (tree / "dist/tmfcore-9.8.7.tar.gz").write_bytes(b"sources")
    git("init", "-q")
    git("add", "-A")
    git("-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "c")
    good = parts.Part("counts", (sys.executable, "-c", "print('one'); print('two | three')"))
    bad = parts.Part("fails", (sys.executable, "-c", "raise SystemExit('no')"))
    monkeypatch.setattr(parts, "PARTS", {"good": good, "bad": bad})
    assert command.main(["run"], tree) == 1
    assert "bad: FAILED" in capsys.readouterr().out
    assert command.main(["page"], tree) == 1 and "bad has not passed" in capsys.readouterr().err
    monkeypatch.setattr(parts, "PARTS", {"good": good})
    assert command.main(["run"], tree) == 0 and "good: passed before" in capsys.readouterr().out
    assert command.main(["page"], tree) == 0
    page = (tree / "docs/measured/release.md").read_text()
    assert "# Release 9.8.7" in page and "two \\| three" in page
    assert hashlib.sha256(b"sources").hexdigest() in page
    (tree / "CITATION.cff").write_text("changed")
    assert command.main(["run", "--only", "good"], tree) == 1
    assert "not committed" in capsys.readouterr().err


def test_figures_of_the_paper_are_those_of_the_page(tree, capsys):
    assert command.main(["paper"], tree) == 0
    paper.check(tree)
    page = (tree / "docs/measured/benchmarks.md").read_text()
    ours = next(line for line in page.splitlines() if line.startswith("| agents-8 |")).split("|")[2].strip()
    text = (tree / "paper.md").read_text()
    assert f"8 observations | {ours} | numpy alias" in text and "(8)" not in text
    assert command.main(["paper"], tree) == 0 and (tree / "paper.md").read_text() == text
    (tree / "docs/measured/benchmarks.md").write_text(page.replace(f"| agents-8 | {ours}", "| agents-8 | 77 ns"))
    with pytest.raises(numbers.Unready, match="other figures"):
        paper.check(tree)
    (tree / "docs/measured/benchmarks.md").write_text("")
    assert command.main(["paper"], tree) == 1 and "no row agents-8" in capsys.readouterr().err


def test_every_part_names_a_program_that_is_here():
    for part in parts.PARTS.values():
        words = [word for word in part.command if word.startswith(".ci/")]
        assert all((ROOT / word).is_file() for word in words if "/" in word)
        if "-m" in part.command and part.command[2].startswith(("bench.", "tests.")):
            assert (ROOT / Path(*part.command[2].split(".")) / "__main__.py").is_file()
