"""Make a release: the version, everything that must be run before it, its files, and its page.

    python -m bench.release version 0.2.0      write the version and its date, and changes/ into CHANGELOG.md
    python -m bench.release run                run every part that has not passed at this commit, up to one that fails
    python -m bench.release run --only NAME    one part, repeatable
    python -m bench.release paper              the figures of paper.md, from docs/measured/benchmarks.md
    python -m bench.release page               docs/measured/release.md, from the last result of each part
    python -m bench.release list               the parts, and what each runs

    __main__    the command line
    numbers     the version and its places
    paper       the table of paper.md
    parts       what is run, and its results in build/release

A part that has passed is not run again until the commit changes, so that a release can be made in several sittings. The
last part builds the source distribution and the wheel and writes their digests; wheels of other platforms are built by
.github/workflows/wheels.yml when the tag is pushed.
"""
