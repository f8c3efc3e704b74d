"""Mutation testing: do the tests of a module fail when the module is wrong?

    python -m bench.mutation                            MUTANTS_EACH mutants of every module, chosen by a seed
    python -m bench.mutation game.py _counts.pyx        of these modules; --mutants 30 --seed 2 for others
    python -m bench.mutation --again                    the survivors, once more
    python -m bench.mutation binomials.h --seconds 60   a header, by a minute of the quickest tests of its kernels
    python -m bench.mutation --page                     docs/measured/mutation.md and results.jsonl from what is stored

A mutant is one small change of one line: a comparison, an operator, a constant, a negated condition, a dropped
statement, swapped arguments, another return value (`operators.py`). It is killed if a test of its module fails, runs
out of time, or ends the process (`selection.py` says which tests those are); it is invalid, and not counted, if it does
not compile, or compiles to the same object as before. Everything happens in a copy of the tree below build/mutation/.
`session.py` collects the tests of a Python module once and forks for each mutant; kernels are built, one extension for
each mutant (`build.py`), and headers into the kernels that `selection.py` names for them.

Results are stored as they come, in build/mutation/results.jsonl: a run that was interrupted goes on where it stopped,
and a mutant is not tried again while its line stands. --page takes them over into results.jsonl beside this file.
Survivors are listed in docs/measured/mutation.md with the reasons that reasons.json gives. Needs fork: Linux and macOS.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
RESULTS = Path(__file__).with_name("results.jsonl")
REASONS = Path(__file__).with_name("reasons.json")
PAGE = ROOT / "docs" / "measured" / "mutation.md"

MUTANTS_EACH = 10
