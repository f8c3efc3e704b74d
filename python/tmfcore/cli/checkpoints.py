"""Options of commands that run long: a file from which the same command goes on after it was stopped."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from . import parameters as words
from .parameters import Command, usage_errors

__all__ = ["checkpoint_options", "tell_how_to_go_on"]


def checkpoint_options(command: Command) -> Command:
    """Add --checkpoint, --checkpoint-every and --resume to a command that returns a Report.

    The command gets `checkpoint`, a Checkpoint or None. Its file is deleted when everything is written and printed.
    """

    @click.option(
        "--checkpoint", type=click.Path(path_type=Path), callback=words.new_file,
        help="File that keeps the state of the run (.npz): if it is stopped, or killed, the same command goes on from "
        "there, to the same results, and deletes the file in the end.",
    )  # fmt: skip
    @click.option("--checkpoint-every", type=float, metavar="SECONDS",
                  help="Time between two writes of that file.  [default: 60]")  # fmt: skip
    @click.option("--resume", is_flag=True, help="Fail if the file of --checkpoint does not exist.")
    @functools.wraps(command)
    def kept(
        *args: Any, checkpoint: Path | None, checkpoint_every: float | None, resume: bool, **options: Any
    ) -> Any:  # fmt: skip
        if checkpoint is None:
            for option, given in (("--checkpoint-every", checkpoint_every is not None), ("--resume", resume)):
                if given:
                    raise click.UsageError(f"{option} needs --checkpoint")
            return command(*args, checkpoint=None, **options)
        from tmfcore import Checkpoint

        out: Path | None = options["out"]
        if out is not None and os.path.realpath(out) == os.path.realpath(checkpoint):
            raise click.UsageError(f"--checkpoint and --out are both {str(out)!r}; must be two files")
        if resume and not checkpoint.exists():
            raise click.UsageError(f"--resume: there is no {str(checkpoint)!r}; leave --resume out to begin anew")
        with usage_errors("--checkpoint-every"):
            keeps = Checkpoint(checkpoint, 60.0 if checkpoint_every is None else checkpoint_every)
        try:
            return replace(command(*args, checkpoint=keeps, **options), checkpoint=checkpoint)
        except KeyboardInterrupt:
            tell_how_to_go_on(checkpoint)
            raise

    return kept  # type: ignore[return-value]  # as in `reports`


def tell_how_to_go_on(checkpoint: Path) -> None:
    """After an interruption: say on standard error that there is something to go on from."""
    if checkpoint.exists():
        click.echo(f"the same command goes on from {checkpoint}", err=True)
