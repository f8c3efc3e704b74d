"""Mutation testing: do the tests of a module fail when the module is wrong?

    python -m bench.mutation                            MUTANTS_EACH mutants of every module, chosen by a seed
    python -m bench.mutation game.py _counts.pyx        mutants of these modules; --mutants 30 --seed 2: other mutants
    python -m bench.mutation --again                    try the survivors again
    python -m bench.mutation binomials.h --seconds 60   a header, with one minute of the quickest tests of its kernels
    python -m bench.mutation --page                     write docs/measured/mutation.md and results.jsonl

A mutant is one small change of one line: a comparison, an operator, a constant, a negated condition, a dropped
statement, swapped arguments, another return value (`operators.py`). It is killed if a test of its module
(`selection.py`) fails, runs out of time, or ends the process. It is invalid, and not counted, if it does not compile or
compiles to the same object as before. All work happens in a copy of the tree below build/mutation/. `session.py`
collects the tests of a Python module once and forks for each mutant. For a mutant of a kernel, one extension is built
(`build.py`); for a mutant of a header, the kernels that `selection.py` names.

Results are appended to build/mutation/results.jsonl: an interrupted run continues where it stopped, and a mutant with a
line there is not tried again. --page copies the results to results.jsonl beside this file. docs/measured/mutation.md
lists the survivors with the reasons of reasons.json. Needs fork: Linux and macOS.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
RESULTS = Path(__file__).with_name("results.jsonl")
REASONS = Path(__file__).with_name("reasons.json")
PAGE = ROOT / "docs" / "measured" / "mutation.md"

MUTANTS_EACH = 10
