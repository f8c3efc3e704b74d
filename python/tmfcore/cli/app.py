"""The group of commands, exit codes, and `info`."""

from __future__ import annotations

from typing import Any

import click

from . import INTERRUPTED
from . import parameters as words
from .bench import bench
from .console import Report, reports
from .games import games
from .new import new
from .reproduce import reproduce
from .simulate import simulate
from .solve import solve
from .sweep import sweep

__all__ = ["app"]


class _Group(click.Group):
    """A group that prints usage errors in one line, and exits with code 130 if interrupted."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _OneLine(error) from None
        except MemoryError as error:  # of a command without options for sizes
            raise click.ClickException(f"not enough memory{f' ({error})' if str(error) else ''}") from None
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the arguments that follow the group's own options."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _OneLine(error) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, with a suggestion if there is none of that name."""
        if args and not args[0].startswith("-"):
            words.choose(tuple(self.commands), args[0])
        return super().resolve_command(ctx, args)


class _OneLine(click.ClickException):
    """A usage error as one line that ends with the command for the help page."""

    exit_code = 2

    def __init__(self, error: click.UsageError) -> None:
        command = error.ctx.command_path if error.ctx else "tmfcore"
        message = " ".join(error.format_message().split()).removesuffix(".")
        super().__init__(f"{message} (see '{command} --help')")


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group("tmfcore", cls=_Group, context_settings=SETTINGS, epilog="Documentation: https://tmfcore.readthedocs.io")
@click.version_option(package_name="tmfcore")
def app() -> None:
    """Mean-field games in which any number B of N agents act at a step: simulate the agents, find equilibria."""


@click.command()
@reports
def info() -> Report:
    """Show versions, CPU features, build switches and threads."""
    import tmfcore as tmf
    from tmfcore._base.threads import available_processors
    from tmfcore.reproduce.report import TextTable

    found = {**tmf.build_info(), "processors_available": available_processors()}
    rows = tuple((name.replace("_", " "), _text(value)) for name, value in found.items())
    return Report(found, [TextTable("tmfcore", ("", "value"), rows)])


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(entry)}" for name, entry in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(str(entry) for entry in value)
    return (
        {True: "yes", False: "no", "": "none"}.get(value, str(value)) if isinstance(value, (bool, str)) else str(value)
    )


for command in (reproduce, solve, simulate, sweep, games, new, bench, info):
    app.add_command(command)
