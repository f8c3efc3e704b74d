"""tmfcore compared with other libraries: the same work in one process, the same answer, then timing.

    python -m bench.peers                  everything, then docs/measured/benchmarks.md and docs/measured/benchmarks.png
    python -m bench.peers --quick          small sizes and few repeats; prints, writes nothing
    python -m bench.peers --only NAME      workloads whose name starts with NAME; repeatable; writes nothing

The workloads, checks, timing and tmfcore's part are those of `tmfcore bench` (python/tmfcore/bench), and the modules of
contestants here are files for its option --with, too.

    __main__                the command line
    page, goals             write docs/measured/benchmarks.md; notes.md is copied into the page
    rows                    the rows of the page, and the contestants
    with_*, plain_*         contestants: one library each
    own_rows, own_problems  what only tmfcore has: threads, engines, TMF-PG, games in Python, small calls
    numba_games             games as users of numba write them
    tables                  cumulative and alias tables, from which several contestants draw

A module of contestants is imported for the first problem that it knows, and skipped with a message if its library is missing.
Each contestant is as fast as its author could make it; if the usual way to write it is slower, both are timed.
Notation: N agents, S observations, A actions, K successors, T steps.
"""
