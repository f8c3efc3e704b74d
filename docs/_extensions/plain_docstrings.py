"""Docstrings of the package, which are plain text with numpydoc's sections, as reStructuredText.

Indented equations and columns become literal blocks; `names` become links where the reference has them, and code
elsewhere; "Theory, section 4" and 'page "Intervals"' become links; *, | and _ of formulas are escaped.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
DIRECTIVE = re.compile(r"^\.\. (?:auto\w+|py:\w+):: ([\w.]+)", re.MULTILINE)
THEORY = re.compile(r"Theory,(\s+)sections?(\s+)(\d+)(?:(,?\s+(?:and|to)\s+)(\d+))?")
PAGE = re.compile(r'page(\s+)"([^"]+)"')
ITEM = re.compile(r"\s*(\*|-|\d+\.) ")
MARKUP = re.compile(
    r"``.+?``|`(?P<name>[^`]+)`|(?<!\w)\*\*\w[^*]*\*\*(?!\w)|(?P<bullet>^[ ]*\* )|(?P<raw>[*|\\]|(?<=\w)_(?!\w))",
    re.MULTILINE | re.DOTALL,
)


@cache
def documented() -> frozenset[str]:
    """Full names that the pages of docs/reference document."""
    pages = (path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("reference/*.rst")))
    return frozenset(name for page in pages for name in DIRECTIVE.findall(page))


@cache
def titles() -> dict[str, str]:
    """Titles of pages, as far as a colon -> docnames."""
    found = {}
    for path in sorted(DOCS.rglob("*.md")):
        heading = re.search(r"^# ([^:\n]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        if heading and "_build" not in path.parts:
            found[heading[1].strip()] = path.relative_to(DOCS).with_suffix("").as_posix()
    return found


def _name(text: str) -> str:
    """A name in single backticks."""
    full = "tmfcore." + re.sub(r"^(tmfcore|tmf)\.", "", text)
    return f":py:obj:`{text} <{full}>`" if full in documented() else f"``{text}``"


def _inline(match: re.Match[str]) -> str:
    if match["name"]:
        return _name(match["name"])
    return "\\" + match["raw"] if match["raw"] else match[0]


def _theory(match: re.Match[str]) -> str:
    before, between, first, word, last = match.groups()
    if not last:
        return f":ref:`Theory,{before}section{between}{first} <theory-{first}>`"
    return f"Theory,{before}sections{between}:ref:`{first} <theory-{first}>`{word}:ref:`{last} <theory-{last}>`"


def _page(match: re.Match[str]) -> str:
    return f'page{match[1]}":doc:`{match[2]} </{titles()[" ".join(match[2].split())]}>`"'


def paragraph(text: str) -> str:
    """A paragraph as reStructuredText."""
    substitutions: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]
    substitutions = ((MARKUP, _inline), (THEORY, _theory), (PAGE, _page))
    for pattern, replace in substitutions:
        text = pattern.sub(replace, text)
    return text


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def restructured(lines: list[str]) -> list[str]:
    """A docstring as reStructuredText with numpydoc's sections."""
    found, base = [], 0
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        first, *_, last = block.split("\n") * 2
        if _indent(first) > base and not first.lstrip().startswith(">>>"):
            found.append(f"{' ' * base}::\n\n{block}")
            continue
        found.append(block if first.lstrip().startswith(">>>") else paragraph(block))
        base = _indent(last) + (len(match[0].lstrip()) if (match := ITEM.match(last)) else 0)
    return "\n\n".join(found).split("\n")


def on_docstring(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Sphinx's event autodoc-process-docstring, before numpydoc's own."""
    lines[:] = [*restructured(lines), ""]


def on_command(app: Any, context: Any, lines: list[str]) -> None:
    """Events of sphinx-click: help texts are plain as docstrings are."""
    lines[:] = [line if line.startswith(("..", "   :", "  :")) else paragraph(line) for line in lines]


def on_doctree(app: Any, doctree: Any) -> None:
    """Sphinx's event doctree-read: sections of Theory get the labels that docstrings refer to."""
    if app.env.docname == "theory":
        from docutils import nodes

        domain = app.env.domains.standard_domain
        for section in doctree.findall(nodes.section):
            title = section[0].astext()
            if number := re.match(r"(\d+)\.", title):
                place = ("theory", section["slug"])
                domain.anonlabels[f"theory-{number[1]}"] = place
                domain.labels[f"theory-{number[1]}"] = (*place, title)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", on_docstring, priority=100)
    app.connect("doctree-read", on_doctree)
    app.setup_extension("sphinx_click")
    for part in ("description", "options", "arguments"):
        app.connect(f"sphinx-click-process-{part}", on_command)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
