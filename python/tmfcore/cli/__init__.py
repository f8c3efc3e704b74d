"""The command line: tmfcore reproduce | solve | simulate | games | info.

    __init__                      main(): the door, and what it says when click and rich are not installed
    app                           the group of commands, how it ends, and `info`
    reproduce, solve, simulate    a command each: what it does, in the order it does it
    games                         the list of games, and the options that say which is played
    new                           a start for a game of one's own
    files                         games in Python files
    parameters                    words and numbers of the user, turned into schedules, files and folders
    tables                        shares of the population, and the policy
    console                       how commands answer: tables, JSON, progress bars

Exit codes: 0 done, 2 usage (one line, nothing written), 130 interrupted (what was finished is saved), 1 anything else.
"""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process; always ends in SystemExit."""
    try:
        import click  # noqa: F401  # only whether they are there
        import rich  # noqa: F401
    except ImportError:
        sys.stderr.write("tmfcore: the command line needs click and rich: pip install 'tmfcore[app]'\n")
        raise SystemExit(2) from None
    from .app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a mark instead of an exception where a terminal lacks a sign
    app.main(prog_name="tmfcore")
