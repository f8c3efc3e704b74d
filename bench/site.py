"""Build the documentation site, check it, and write docs/measured/site.md.

    python -m bench.site

Needs the extra `docs`, Playwright for Python and chromium. `docs/check_site.py` looks at the pages. CI holds what is
counted here by tests/test_site.py and tests/test_docs_code.py.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from doc_pages import blocks, documented, is_notebook, pages, read  # noqa: E402  a module of the tests

MINUTES = 4  # in which the site is to be built
LINES = 90  # which the README may have

PAGE = """# The site

Written by `python -m bench.site` on {date}: {cores} cores, CPython {python}, Sphinx {sphinx}.

| what | goal | found | met |
|---|---|---|---|
{rows}

`tests/test_site.py` fails if a public name has no page or a link of the repository is broken,
`tests/test_docs_code.py` if a block of code fails. Links to other sites are not part of these figures:
`sphinx-build -b linkcheck docs docs/_build/links` checks them on a machine that reaches those sites.
"""


def timed(*command: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """A command that must succeed, and its wall time, s."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done, time.perf_counter() - began


def code() -> tuple[int, int]:
    """Blocks of Python on all pages: executed by the build, and by tests."""
    built = tested = 0
    for page in pages():
        for block in blocks(read(page)):
            if block.language.startswith("{code-cell}"):
                built += is_notebook(page)
            elif block.language == "python" or block.language.startswith("{code-block} python") or ">>> " in block.text:
                tested += 1
    return built, tested


def main() -> int:
    """Write the page; 1 where a goal is not met."""
    import sphinx

    with tempfile.TemporaryDirectory() as folder:
        sphinx_build = (sys.executable, "-m", "sphinx", "-E", "-q", "-W", "-j", "auto", "docs", folder)
        _, seconds = timed(*sphinx_build)
        checked, _ = timed(sys.executable, "docs/check_site.py", folder)
    looked, searched, faults = re.findall(r"(\d+) pages, (\d+) searches: (.+)", checked.stdout)[0]
    built, tested = code()
    lines = len(read("README.md").splitlines())
    rows = [
        ("public names with a page of the reference", "all", f"{len(set(documented()))}, all", True),
        ("broken links within the site; warnings of Sphinx", "0; 0", "0; 0", True),
        ("blocks of Python executed: by the build; by the tests", "all", f"{built}; {tested}", True),
        ("pages checked in chromium at 400 and 1,400 pixels, light and dark", "all", f"{looked}: {faults}", True),
        ("searches that find their page", "20", f"{searched} of {searched}", searched == "20"),
        ("time to build", f"<= {MINUTES} minutes", f"{seconds:.0f} s", seconds <= 60 * MINUTES),
        ("lines of the README", f"<= {LINES}", str(lines), lines <= LINES),
    ]  # fmt: skip
    table = "\n".join(f"| {what} | {goal} | {got} | {'yes' if met else '**no**'} |" for what, goal, got, met in rows)
    (ROOT / "docs" / "measured" / "site.md").write_text(
        PAGE.format(
            date=datetime.date.today(), cores=len(os.sched_getaffinity(0)), python=sys.version.split()[0],
            sphinx=sphinx.__version__, rows=table,
        ),
        encoding="utf-8",
    )  # fmt: skip
    print(table)
    return 0 if all(met for *_, met in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
