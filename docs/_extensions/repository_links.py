"""Links of pages that leave docs/, such as ../examples/first_example.py, lead to the repository on GitHub."""

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<=\]\()(\.\./[^)#\s]*)")


def lead_out(app: Any, docname: str, content: list[str]) -> None:
    """Sphinx's event source-read."""
    docs = Path(app.srcdir)

    def absolute(match: re.Match[str]) -> str:
        target = (docs / docname).parent.joinpath(match[1]).resolve()
        if target.is_relative_to(docs) or not target.is_relative_to(docs.parent):
            return match[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"{app.config.repository}/{kind}/main/{target.relative_to(docs.parent).as_posix()}"

    content[0] = LINK.sub(absolute, content[0])


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("repository", "", "env")
    app.connect("source-read", lead_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
