"""Slow verification, before a release: draws against exact laws, computed numbers against numbers known elsewhere.

    python -m bench.validation                all checks; writes docs/validation.md
    python -m bench.validation --quick        a hundredth of the draws; writes nothing
    python -m bench.validation --only NAME    checks whose name begins so; writes nothing

    checks       findings, the register, the family of tests
    tests        p-values: of cells, tails, means, numbers of successes
    GROUPS       modules of checks, each a section of the page: its docstring is the text above the tables
    wrong        wrong samplers and engines, which the checks must find
    page         docs/validation.md

All significance tests are one family: with m of them, a p-value below LEVEL / m fails (Bonferroni's bound, which Holm's
procedure has for its first rejection). LEVEL is half of the false-alarm rate that is promised, since p-values of
chi-square and normal tests are approximations: cells have at least CELL expected draws, where the tail of a count at
this level is less than twice that of the normal law. Seeds are fixed, so that the outcome is that of one experiment.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / "tests") not in sys.path:
    sys.path.append(str(ROOT / "tests"))  # twin, reference_laws, strategies, clock_cases

GROUPS = ("samplers", "streams", "engines", "populations", "clocks", "outside")
PROMISED = 1e-3  # false-alarm rate of the whole
LEVEL = PROMISED / 2
CELL = 1_000.0
SEED = 20_260
QUICK = 0.01  # share of the draws
