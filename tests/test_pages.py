"""The pages of the documentation keep their word: their code runs, and what they assert of it holds.

Pages with pictures are executed when the site is built, blocks of the others by tests/test_docs_code.py, and programs of other
libraries here.
"""

import re

import pytest

import pages

FOLDERS = ("start", "tutorials", "how-to", "coming-from")
PATHS = [path for folder in FOLDERS for path in (pages.DOCS / folder).glob("*.md")]
NAMES = [
    *sorted(str(path.relative_to(pages.DOCS)) for path in PATHS),
    "command-line.md", "common-noise.md", "games.md", "joint.md", "typed.md",
]  # fmt: skip
TEXTS = {name: (pages.DOCS / name).read_text(encoding="utf-8") for name in NAMES}
PEERS = {"coming-from/openspiel.md": "pyspiel", "coming-from/mfglib.md": "mfglib", "coming-from/mesa.md": "mesa", "coming-from/egttools.md": "egttools"}


@pytest.mark.peers
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", PEERS)
def test_programs_of_others_run_beside_ours(name, tmp_path, monkeypatch):
    pytest.importorskip(PEERS[name])
    monkeypatch.chdir(tmp_path)
    _, printed = pages.run(name, pages.blocks(TEXTS[name], pages.ANY))
    assert sum(map(bool, printed)) >= 2


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if pages.is_notebook(text)])
def test_executed_pages_assert_what_they_say(name):
    """In a cell that the site does not show."""
    hidden = re.findall(r"^:tags: \[remove-cell\]\n(.*?)^```$", TEXTS[name], re.MULTILINE | re.DOTALL)
    assert any("assert " in cell for cell in hidden)


@pytest.mark.parametrize("name", NAMES)
def test_one_title_and_no_long_lines_in_code(name):
    """Code that is wider than a page scrolls sideways."""
    text = TEXTS[name]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", prose, re.MULTILINE)) == 1
    for _, code in pages.blocks(text):
        assert max(map(len, code.splitlines()), default=0) <= 120


FAQ = pages.FAQ.read_text(encoding="utf-8")


def test_every_section_of_the_page_of_errors_has_a_message():
    assert len(re.findall("^### ", FAQ, re.MULTILINE)) == len(re.findall("^> ", FAQ, re.MULTILINE)) == len(pages.ENTRY.findall(FAQ))


@pytest.mark.parametrize(("message", "code"), pages.ENTRY.findall(FAQ), ids=re.findall("^### (.*)", FAQ, re.MULTILINE))
def test_errors_are_quoted_as_they_are(message, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pages.raised(code) == message, "run `python -m tests.pages`"
