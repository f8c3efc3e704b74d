"""docs/measured/inputs.md and fuzz.md: what python -m tests.inputs found."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from . import files, game_files
from .doors import doors

MEASURED = Path(__file__).resolve().parents[2] / "docs" / "measured"

TEXT = """# Bad input

Every public callable is called with every kind of bad value in the place of every argument, then with pairs of them
drawn at random; every `load` reads damaged files. What may come of it is a sensible result, a `TypeError` or
`ValueError` that names the argument, an `OSError` that names the file, an `ImportError` that names the extra, a
`MemoryError` with advice, or what the caller's own function raised, with a note that names it. All else is a leak:
other exceptions, numpy's own messages and warnings, NaN in a result, a value accepted that means nothing there, more
than five seconds, more than a gigabyte, the end of the process.

    python -m tests.inputs --write          all of it, in processes with limits; writes this page
    pytest tests/test_inputs.py             a seeded sample of it, and that every public callable has an example

| | |
|---|---|
| callables | {doors} |
| arguments | {arguments} |
| inputs | {count:,} ({pairs:,} of them pairs, {files:,} damaged files, {games:,} damaged games in files) |
| leaked | {leaked} |

"""


def write(count, leaks, arguments):
    """The page, with every leak by callable."""
    found = doors()
    text = TEXT.format(
        doors=len(found), arguments=sum(len(door.parameters) for door in found.values()), count=count,
        pairs=arguments.pairs, files=arguments.files, games=arguments.games, leaked=len(leaks),
    )  # fmt: skip
    (MEASURED / "inputs.md").write_text(text + by_callable(leaks), encoding="utf-8")


FUZZ = """# Damaged files

Files of every kind that tmfcore saves, and games in TOML files, are damaged at random and read. The file of a result must give
a `FileError` that names it, or what was saved, to the bit; where the damage has a right checksum, as an attacker would make it,
other content may load if it makes sense. It may take 64 MB of memory. A damaged game must give a game, or a `FileError` that
names the file, within five seconds and a gigabyte. All else is a leak, and so is the end of the process. Each input has a seed
of its own, which its label names.

    .ci/fuzz N               N inputs; every run of .ci/run has some
    .ci/fuzz 1000000 write   before a release; writes this page

| | |
|---|---|
| date | {date} |
| inputs | {count:,}, half of them files, half games |
| seeds | {first} to {last} |
| leaked | {leaked} |
| processor time | {minutes:.0f} minutes |

Files of {kinds} kinds of results and policies, in {damages} ways: {file_damages}.

Games of {games} kinds, in {game_damages_n} ways: {game_damages}.

"""


def write_fuzz(count, leaks, seeds, minutes):
    """The page of rounds without doors, after those of `seeds`; `minutes` of processor time."""
    ways, games = (sorted({d.__name__.replace("_", " ") for d in module.DAMAGES}) for module in (files, game_files))
    text = FUZZ.format(
        date=datetime.now(UTC).date(), count=count, first=seeds[0], last=seeds[-1], leaked=len(leaks), minutes=minutes,
        kinds=len(files.KINDS), damages=len(ways), file_damages=", ".join(ways),
        games=len(game_files.SOURCES), game_damages_n=len(games), game_damages=", ".join(games),
    )  # fmt: skip
    (MEASURED / "fuzz.md").write_text(text + by_callable(leaks), encoding="utf-8")


def by_callable(leaks):
    """The rows of what leaked, or nothing."""
    if not leaks:
        return ""
    rows = Counter(label.partition("(")[0] for label, _ in leaks).most_common()
    return "| leaked | callable |\n|---|---|\n" + "".join(f"| {n} | `{door}` |\n" for door, n in rows)
