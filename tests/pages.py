"""The code on the pages of the documentation: what runs, page by page, in order and in one namespace."""

import ast
import contextlib
import io
import re
import tempfile
import warnings
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANY = re.compile(r"^```(?:python|\{code-block\} python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?::.*\n)+)", re.MULTILINE | re.DOTALL)  # of a cell
PRINTED = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def is_notebook(text: str) -> bool:
    """Whether MyST-NB executes the page when the site is built."""
    return text.startswith("---\njupytext:")


def blocks(text: str, kinds: re.Pattern[str] | None = None) -> list[tuple[int, str]]:
    """Line number and code of each block of a page that runs."""
    kinds = kinds or (CELL if is_notebook(text) else BLOCK)
    return [
        (text.count("\n", 0, found.start(1)) + 1, OPTIONS.sub(lambda options: "\n" * options[0].count("\n"), found[1]))
        for found in kinds.finditer(text)
    ]


def run(name: str, found: list[tuple[int, str]]) -> tuple[dict[str, object], list[str]]:
    """Execute the blocks; what they leave behind, and what each prints. Errors name the page and its line."""
    namespace: dict[str, object] = {"__name__": "page"}
    printed = []
    for line, code in found:
        tree = ast.parse("\n" * (line - 1) + code, name)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(tree, name, "exec"), namespace)
        printed.append(out.getvalue())
    return namespace, printed


# ------------------------------------------------------------------------------------------------- errors, docs/faq.md

FAQ = DOCS / "faq.md"
ENTRY = re.compile(r"^> `([^\n]*)`\n\n```\{code-block\} python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def raised(code: str) -> str:
    """Class and text of what the code of an entry raises, warnings included; numpy's own numbers are left out."""
    first = blocks(FAQ.read_text(encoding="utf-8"), BLOCK)
    namespace, _ = run("faq.md", first)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(code, "faq.md", "exec"), namespace)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return re.sub(r"\(Unable to allocate .*?\)(?=;)", "(...)", text)
    raise AssertionError(f"nothing is raised by\n{code}")


if __name__ == "__main__":  # python -m tests.pages writes the messages of the page of errors
    with contextlib.chdir(tempfile.mkdtemp()):
        written = ENTRY.sub(lambda entry: entry[0].replace(f"`{entry[1]}`", f"`{raised(entry[2])}`", 1), FAQ.read_text("utf-8"))
    FAQ.write_text(written, encoding="utf-8")
