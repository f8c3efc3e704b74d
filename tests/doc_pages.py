"""Pages of the repository as their tests read and execute them: blocks of code, links, anchors, documented names."""

import contextlib
import io
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SITE = "https://tmfcore.readthedocs.io"
GITHUB = "https://github.com/tmfcore/tmfcore"
RAW = "https://raw.githubusercontent.com/tmfcore/tmfcore/main"

FENCE = re.compile(r"^( *)(`{3,}|~{3,}|:{3,}) *(.*?) *$")
LIST = re.compile(r" {0,3}([*+-]|\d+[.)]) ")
INLINE = re.compile(r"`[^`\n]+`")
DIRECTIVE = re.compile(r"^\.\. (?:auto(?!module)\w+|py:\w+):: ([\w.]+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)|<img [^>]*\bsrc=[\"']([^\"']+)|<a [^>]*\bhref=[\"']([^\"']+)")


class Block(NamedTuple):
    """Code of a page. `language` is what stands behind the fence, "" of an indented block; `line` is that of its first line."""

    language: str
    text: str
    line: int
    follows: bool
    """Nothing but empty lines stands between this block and the one before."""


def pages() -> list[str]:
    """Markdown files of the repository that people read, relative to its root."""
    docs = (path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
    return sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *docs])


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def is_notebook(page: str) -> bool:
    """Whether MyST-NB executes its code cells when the site is built."""
    return bool(re.match(r"---\n(?:.+\n)*?(file_format: mystnb|jupytext:)\n(?:.+\n)*?---\n", read(page)))


def blocks(text: str) -> list[Block]:
    """Fenced and indented blocks, in order."""
    lines, found, at = text.splitlines(), [], 0
    behind, in_list = False, False
    while at < len(lines):
        line = lines[at]
        if fence := FENCE.match(line):
            indent, marks, language = fence.groups()
            end = at + 1
            while end < len(lines) and not re.fullmatch(f" *{marks[0]}{{{len(marks)},}} *", lines[end]):
                end += 1
            inside = [row.removeprefix(indent) for row in lines[at + 1 : end]]
            if marks[0] == ":":  # a directive whose body is text of the page
                found += [block._replace(line=block.line + at + 1) for block in blocks("\n".join(inside))]
            else:
                found.append(Block(language, "".join(f"{row}\n" for row in inside), at + 2, behind))
            behind, at = True, end + 1
        elif line.startswith("    ") and not in_list and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            inside = "\n".join(row[4:] for row in lines[at:end]).rstrip() + "\n"
            found.append(Block("", inside, at + 1, behind))
            behind, at = True, end
        else:
            if line.strip():
                behind = False
                in_list = bool(LIST.match(line)) or (in_list and line.startswith(" "))
            at += 1
    return found


def execute(block: Block, page: str, namespace: dict) -> str:
    """What a block of Python prints. Errors name the page and its line."""
    code = compile("\n" * (block.line - 1) + block.text, page, "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, namespace)
    return printed.getvalue()


def documented() -> list[str]:
    """Full names with a directive on a page of the reference, as often as they have one."""
    return [name for path in sorted(DOCS.glob("reference/*.rst")) for name in DIRECTIVE.findall(path.read_text(encoding="utf-8"))]


def prose(text: str) -> str:
    """The text without its blocks and code in backticks."""
    lines = text.splitlines()
    for block in blocks(text):
        for number in range(block.line - 1, block.line - 1 + len(block.text.splitlines())):
            lines[number] = ""
    return INLINE.sub("", "\n".join(lines))


def links(text: str) -> list[str]:
    """Targets of links and pictures."""
    return ["".join(match) for match in LINK.findall(prose(text))]


def anchors(path: Path) -> set[str]:
    """What a link to this page of docs/ can name behind #."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".rst":
        titles = re.findall(r"^(.+)\n[=~-]{3,}$", text, re.MULTILINE)
        names = set(re.findall(r"^\.\. (?:auto\w+|py:\w+):: ([\w.]+)", text, re.MULTILINE))
        return names | {re.sub(r"\W+", "-", title.lower()).strip("-") for title in titles}
    if target := re.match(r"```\{include\} (\S+)\n", text):  # a page of the site that is a file of the root
        return anchors((path.parent / target[1]).resolve())
    found: set[str] = set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))
    inside = {block.line + i for block in blocks(text) for i in range(len(block.text.splitlines()))}
    for number, line in enumerate(text.splitlines(), 1):
        if number not in inside and (heading := re.match(r"#+ (.+)", line)):
            title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
            found.add(slug if slug not in found else f"{slug}-1")
    return found


def problem(target: str, base: Path) -> str:
    """Why a link of a file in the folder `base` leads nowhere in this repository; "" where it does, or leaves it."""
    for site, folder in ((f"{GITHUB}/blob/main/", ROOT), (f"{GITHUB}/tree/main/", ROOT), (f"{RAW}/", ROOT)):
        if target.startswith(site):
            return problem(target.removeprefix(site), folder)
    if target.startswith(SITE):
        page = target.removeprefix(SITE).strip("/")
        if page in ("", "en/latest"):
            return ""
        if not (match := re.fullmatch(r"en/latest/([\w/-]+)\.html(#.*)?", page)):
            return "no page of the site: en/latest/PAGE.html"
        sources = [f"{match[1]}{suffix}" for suffix in (".md", ".rst") if (DOCS / f"{match[1]}{suffix}").is_file()]
        return problem(sources[0] + (match[2] or ""), DOCS) if sources else "no such page in docs/"
    if "://" in target or target.startswith("mailto:"):
        return ""
    name, _, anchor = target.partition("#")
    path = base / name
    if not name or not path.exists():
        return f"{path} does not exist" if name else ""
    if anchor and path.suffix in (".md", ".rst") and anchor not in anchors(path):
        return f"{name} has no heading #{anchor}"
    return ""
