"""`tmfcore new`: write a small game as a Python file and as a TOML file, as templates."""

from __future__ import annotations

from pathlib import Path

import click

from .console import Report, reports

__all__ = ["new"]


@click.command(short_help="Write NAME.py and NAME.toml, to start a game from.")
@click.argument("name")
@reports
def new(name: str) -> Report:
    """Write two small games to start from. Their files are NAME.py and NAME.toml; neither may exist."""
    from tmfcore._base.files import replacing
    from tmfcore.games import gamefile

    if not name.isidentifier():
        raise click.UsageError(f"NAME is {name!r}; must be letters, digits and underscores, as of a Python module")
    files = {Path(f"{name}.py"): gamefile.PYTHON_TEMPLATE, Path(f"{name}.toml"): gamefile.TEMPLATE}
    for path in files:
        if path.exists():
            raise click.UsageError(f"{path} exists; remove it or choose another name")
    for path, text in files.items():
        with replacing(path) as file:
            file.write(text.format(name=name).encode())
    return Report({"written": list(files)}, lines=[f"wrote {' and '.join(map(str, files))}"])
