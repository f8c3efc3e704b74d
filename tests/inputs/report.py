"""docs/measured/inputs.md: what python -m tests.inputs found."""

from collections import Counter

from .doors import doors

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


def write(path, count, leaks, arguments):
    """The page, with every leak by callable."""
    found = doors()
    text = TEXT.format(
        doors=len(found), arguments=sum(len(door.parameters) for door in found.values()), count=count,
        pairs=arguments.pairs, files=arguments.files, games=arguments.games, leaked=len(leaks),
    )  # fmt: skip
    if leaks:
        text += "| leaked | callable |\n|---|---|\n"
        for door, n in Counter(label.partition("(")[0] for label, _ in leaks).most_common():
            text += f"| {n} | `{door}` |\n"
    path.write_text(text, encoding="utf-8")
