"""The page of errors: each entry quotes a message, and has the code that raises it."""

import contextlib
import re
import sys
import tempfile
import warnings
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from doc_pages import ROOT, blocks, execute, read

PAGE = "docs/faq.md"
ENTRY = re.compile(r"^> `([^\n]*)`\n\n```\{code-block\} python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def raised(code: str) -> str:
    """Class and text of what the code of an entry raises, warnings included; numpy's own numbers are left out."""
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks(read(PAGE)):
        if block.language == "python":
            execute(block, PAGE, namespace)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(code, PAGE, "exec"), namespace)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return re.sub(r"\(Unable to allocate .*?\)(?=;)", "(...)", text)
    raise AssertionError(f"nothing is raised by\n{code}")


if __name__ == "__main__":  # python -m tests.faq writes the messages of the page of errors
    with contextlib.chdir(tempfile.mkdtemp()):
        written = ENTRY.sub(lambda entry: entry[0].replace(f"`{entry[1]}`", f"`{raised(entry[2])}`", 1), read(PAGE))
    (ROOT / PAGE).write_text(written, encoding="utf-8")
