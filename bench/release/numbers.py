"""The version: pyproject.toml has it, and all other places are written from there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

KINDS = ("Changed", "Added", "Fixed", "Removed")  # headings of CHANGELOG.md, in this order
FRAGMENT = re.compile(r"[\w-]+\.(changed|added|fixed|removed)\.md")


class Unready(Exception):
    """The tree cannot be released; the text says why."""


def version_of(root: Path) -> str:
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def fragments(root: Path) -> dict[str, list[Path]]:
    """The files of changes/ by heading; Unready for a name that is not of the form."""
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted((root / "changes").glob("*")):
        if path.name == "README.md":
            continue
        match = FRAGMENT.fullmatch(path.name)
        if match is None:
            raise Unready(
                f"changes/{path.name} is not called NAME.KIND.md, where KIND is added, changed, fixed or removed"
            )
        found[match[1].capitalize()].append(path)
    return found


def merged(changelog: str, version: str, date: str, new: dict[str, list[str]]) -> str:
    """The changelog whose first entry is that of the version, with the date and the new lines under their headings."""
    heading = re.search(r"^## (\S+) \(unreleased\)\n", changelog, re.MULTILINE)
    if heading is None:
        intro, _, rest = changelog.partition("\n## ")
        changelog = f"{intro}\n## {version} ({date})\n\n## {rest}"
        heading = re.search(r"^## (\S+) \(.*\)\n", changelog, re.MULTILINE)
        assert heading is not None
    later = re.search(r"^## ", changelog[heading.end() :], re.MULTILINE)
    end = heading.end() + later.start() if later else len(changelog)
    body = changelog[heading.end() : end]
    for kind in KINDS:
        lines = "".join(f"{text.strip()}\n" for text in new.get(kind, []))
        if not lines:
            continue
        if f"### {kind}\n" in body:
            body = body.replace(f"### {kind}\n\n", f"### {kind}\n\n{lines}", 1)
        else:
            body = f"{body.rstrip()}\n\n### {kind}\n\n{lines}\n".lstrip("\n")
            body = f"\n{body}"
    return f"{changelog[: heading.start()]}## {version} ({date})\n{body}{changelog[end:]}"


def write(root: Path, version: str, date: str) -> list[str]:
    """Write the version and the date to all their places; the names of the files written."""
    if not re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", version):
        raise Unready(f"version is {version!r}; must be like 0.2.0 or 0.2.0rc1")
    parts = fragments(root)
    places = {
        "pyproject.toml": lambda text: re.sub(
            r'^version = ".*"$', f'version = "{version}"', text, count=1, flags=re.MULTILINE
        ),
        "CITATION.cff": lambda text: re.sub(
            r"^version: .*\n(?:date-released: .*\n)?",
            f"version: {version}\ndate-released: {date}\n",
            text,
            count=1,
            flags=re.MULTILINE,
        ),
        "conda/recipe.yaml": lambda text: re.sub(
            r'^  version: ".*"$', f'  version: "{version}"', text, count=1, flags=re.MULTILINE
        ),
        "CHANGELOG.md": lambda text: merged(
            text,
            version,
            date,
            {kind: [path.read_text(encoding="utf-8") for path in paths] for kind, paths in parts.items()},
        ),
    }
    for name, change in places.items():
        text = (root / name).read_text(encoding="utf-8")
        changed = change(text)
        if version not in changed:
            raise Unready(f"{name} has no place for the version")
        (root / name).write_text(changed, encoding="utf-8")
    taken = [path for paths in parts.values() for path in paths]
    for path in taken:
        path.unlink()
    return [*places, *(path.relative_to(root).as_posix() for path in taken)]


def check(root: Path) -> str:
    """The version, if every place has it and nothing of it is unfinished; otherwise Unready."""
    version = version_of(root)
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(rf"^## {re.escape(version)} \((.*)\)$", changelog, re.MULTILINE)
    if heading is None:
        raise Unready(f"CHANGELOG.md has no entry ## {version} (date)")
    date = heading[1]
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise Unready(
            f"CHANGELOG.md says {version} ({date}): python -m bench.release version {version} writes the date"
        )
    for name, line in {
        "CITATION.cff": f"version: {version}\ndate-released: {date}\n",
        "conda/recipe.yaml": f'  version: "{version}"\n',
    }.items():
        if line not in (root / name).read_text(encoding="utf-8"):
            raise Unready(f"{name} does not say {line.strip()!r}")
    left = [path.name for paths in fragments(root).values() for path in paths]
    if left:
        raise Unready(f"changes/ has {', '.join(left)}, which are not in CHANGELOG.md")
    if not (root / "tests" / "golden" / "files" / version).is_dir():
        raise Unready(f"tests/golden/files/{version} is missing: python -m tests.golden writes it")
    return version
