"""`tmfcore reproduce`: run both experiments of the paper and write tables, figures and numbers."""

from __future__ import annotations

from pathlib import Path

import click

from . import parameters as words
from .console import Report, progress, reports, two_level_progress

__all__ = ["reproduce"]


@click.command(short_help="Run the experiments of the paper.")
@click.option("--quick", is_flag=True, help="Smaller sizes and fewer iterations: under a minute.")
@click.option(
    "--out", type=click.Path(path_type=Path), default="tmfcore-results", show_default=True,
    help="Folder for results.json, summary.md and the figures.",
)  # fmt: skip
@words.seed_option
@words.threads_option
@click.option("--size", **words.one_of(("full", "quick", "tiny")), default="full", hidden=True)  # tiny: for the tests
@reports
@words.fits_memory("try --quick, or fewer --threads")
def reproduce(quick: bool, out: Path, seed: int, threads: int | None, size: str) -> Report:
    """Run both experiments of the paper. They are TMF-PG and N agents for several B, and the error against N.

    Finished parts are kept in checkpoint.npz of the folder, and once a minute the state of the present one: however the
    run ends, the same command goes on from there, to the same results, and deletes this file when they are written.
    Ctrl-C also writes the results of the finished parts, and exits with code 130. If the folder already has the results
    of a run that got further, these are kept, and the new ones go into its subfolder "unfinished".
    """
    from tmfcore import reproduce as experiments
    from tmfcore._base.files import FileError

    settings = experiments.SETTINGS["quick" if quick else size]
    results = experiments.new_results(settings, seed)
    words.make_folder(out, "'--out'")
    checkpoint = out / "checkpoint.npz"
    interrupted = False
    try:
        with two_level_progress() as observe:
            experiments.run(settings, results, threads=threads, checkpoint=checkpoint, observe=observe)
    except FileError as error:
        raise click.UsageError(str(error)) from error
    except KeyboardInterrupt:
        interrupted = True
    except BaseException:
        experiments.write(results, out)
        raise
    with progress("drawing") as bar:
        written = experiments.write(results, out, progress=bar)
    names = ", ".join(path.name for path in written)
    closing = f"{results['seconds']:.0f} s; wrote {names} to {written[0].parent}"
    document, tables = {**results, "written": written}, experiments.report.tables(results)
    return Report(document, tables, [closing], interrupted, checkpoint=checkpoint)
