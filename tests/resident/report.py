"""docs/measured/resident.md: what python -m tests.resident found."""

BOUND = 2**20  # bytes
SHOWN = 16 * 1024  # bytes from which a callable has its own row

TEXT = """# Resident memory

How much a process grows over many calls of each public callable: good ones; bad ones, in each of which another argument is refused; and,
where it takes a game, a policy or a callback, ones in which a function of the caller raises midway. Each kind is called {calls:,} times in a process of its
own, or as often as {seconds:g} seconds allow; with `--all` also pictures, files, tables and comparisons of results. Measured is the anonymous resident memory after
a hundred calls or more, and again at the end, each after a collection of garbage and after free memory went back to the system; if it grew by 1 MiB or more, once more, since what a process takes once and keeps is no growth.

    python -m tests.resident --write        all of it; writes this page
    pytest tests/test_resident.py           some of it, and a leak that it must find

| | |
|---|---|
| callables | {callables} |
| calls | {made:,} |
| kinds of calls | {kinds} |
| grew by 1 MiB or more | {late} |
| the largest growth | {largest:.0f} kB |

Those that grew by {shown} kB or more, in kB over calls:

| callable | good | bad argument | raising |
|---|---|---|---|
"""


def page(rows, arguments):
    """The page."""
    every = [each for _, kinds in rows for each in kinds.values() if each]
    text = TEXT.format(
        calls=arguments.calls, seconds=arguments.seconds, callables=len(rows), made=sum(each[0] for each in every),
        kinds=len(every), late=sum(each[1] >= BOUND for each in every), largest=max(each[1] for each in every) / 1024,
        shown=SHOWN // 1024,
    )  # fmt: skip
    for name, kinds in sorted(rows, key=lambda row: -largest(row[1])):
        if largest(kinds) >= SHOWN:
            cells = (kinds.get(kind) for kind in ("good", "bad", "raising"))
            text += f"| `{name}` | {' | '.join(cell(each) for each in cells)} |\n"
    return text


def largest(kinds):
    return max((each[1] for each in kinds.values() if each), default=0)


def cell(found):
    """Kilobytes over calls."""
    return f"{found[1] / 1024:.0f} / {found[0]:,}" if found else ""
