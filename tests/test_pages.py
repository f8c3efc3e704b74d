"""The pages of the documentation keep their word: their code runs, and what they assert of it holds.

Pages with pictures are executed when the site is built, blocks of the others by tests/test_docs_code.py, and programs of other
libraries here.
"""

import re

import pytest

import faq
from doc_pages import DOCS, ROOT, blocks, execute, is_notebook, read

FOLDERS = ("start", "tutorials", "how-to", "coming-from")
PATHS = [path for folder in FOLDERS for path in (DOCS / folder).glob("*.md")]
PATHS += [DOCS / f"{name}.md" for name in ("command-line", "common-noise", "games", "joint", "typed")]
NAMES = sorted(path.relative_to(ROOT).as_posix() for path in PATHS)
PEERS = {"openspiel": "pyspiel", "mfglib": "mfglib", "mesa": "mesa", "egttools": "egttools"}


@pytest.mark.peers
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", PEERS)
def test_programs_of_others_run_beside_ours(name, tmp_path, monkeypatch):
    pytest.importorskip(PEERS[name])
    monkeypatch.chdir(tmp_path)
    page, namespace = f"docs/coming-from/{name}.md", {"__name__": "page"}
    found = [block for block in blocks(read(page)) if block.language in ("python", "{code-block} python")]
    printed = [execute(block, page, namespace) for block in found]
    assert sum(map(bool, printed)) >= 2


@pytest.mark.parametrize("name", [name for name in NAMES if is_notebook(name)])
def test_executed_pages_assert_what_they_say(name):
    """In a cell that the site does not show."""
    hidden = re.findall(r"^:tags: \[remove-cell\]\n(.*?)^```$", read(name), re.MULTILINE | re.DOTALL)
    assert any("assert " in cell for cell in hidden)


@pytest.mark.parametrize("name", NAMES)
def test_one_title_and_no_long_lines_in_code(name):
    """Code that is wider than a page scrolls sideways."""
    text = read(name)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", prose, re.MULTILINE)) == 1
    for block in blocks(text):
        if block.language == "python" or block.language.startswith("{code-cell}"):
            assert max(map(len, block.text.splitlines()), default=0) <= 120


FAQ = read(faq.PAGE)


def test_every_section_of_the_page_of_errors_has_a_message():
    assert len(re.findall("^### ", FAQ, re.MULTILINE)) == len(re.findall("^> ", FAQ, re.MULTILINE)) == len(faq.ENTRY.findall(FAQ))


@pytest.mark.parametrize(("message", "code"), faq.ENTRY.findall(FAQ), ids=re.findall("^### (.*)", FAQ, re.MULTILINE))
def test_errors_are_quoted_as_they_are(message, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert faq.raised(code) == message, "run `python -m tests.faq`"
