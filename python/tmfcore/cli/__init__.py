"""The command line: tmfcore reproduce | solve | simulate | sweep | games | new | bench | info.

    __init__                      main(): the entry point, and the error if click and rich are not installed
    app                           the group of commands, exit codes, and `info`
    reproduce, solve, simulate    one command each
    sweep                         a study of a TOML file (studies) on a grid of parameters
    bench                         benchmark comparisons with contestants in Python files
    games                         the list of games, and the options that choose a game
    new                           writes a template of a game
    own_games                     games in Python files
    parameters                    checks the user's options, and makes schedules, files and folders of them
    checkpoints                   options for a file from which a command goes on after it was stopped
    result_tables                 tables of the population and of the policy
    console                       output: tables, JSON, progress bars

Exit codes: 0 success; 2 usage error (one line, nothing written); 130 interrupted, 143 ended by SIGTERM (finished parts
are saved); else 1.
"""

from __future__ import annotations

import atexit
import gc
import io
import signal
import sys
from _thread import interrupt_main
from contextlib import suppress
from threading import Timer
from types import FrameType

__all__ = ["main"]

INTERRUPTED, TERMINATED = 130, 143
MOMENT = 0.01  # seconds


def main() -> None:
    """Run the command line of this process; always ends in SystemExit."""
    try:
        import click  # noqa: F401  # only checks that they are installed
        import rich  # noqa: F401
    except ImportError:
        sys.stderr.write("tmfcore: the command line needs click and rich: pip install 'tmfcore[app]'\n")
        raise SystemExit(2) from None
    from .app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # "?" instead of an exception if a terminal lacks a character
    terminated = False

    def terminate(_signal: int, _frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    def again(lost: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised in __del__ or by the end of a weak reference: Ctrl-C then comes once more."""
        if lost.exc_type is KeyboardInterrupt:
            with suppress(RuntimeError):  # no thread starts when the process ends
                Timer(MOMENT, interrupt_main).start()
        else:
            reports(lost)

    reports, sys.unraisablehook = sys.unraisablehook, again
    signal.signal(signal.SIGTERM, terminate)
    atexit.register(gc.freeze)  # the interpreter's last search for garbage would take 0.1 s, after Ctrl-C, too
    try:
        app.main(prog_name="tmfcore")
    except SystemExit as end:
        if terminated and end.code == INTERRUPTED:
            raise SystemExit(TERMINATED) from None
        raise
