"""Instruction counts of the main kernels: a guard against slow-downs that, unlike times, repeats exactly.

    python -m bench.instructions             count, and compare with what bench/instructions.json holds
    python -m bench.instructions --update    store what was counted, after a change of speed that is meant
    python -m bench.instructions --only NAME kernels whose name starts with NAME; may be given again
    python -m bench.instructions --list      name the kernels

    __main__    the command line: runs `count` under valgrind's callgrind, compares, stores
    count       the counted process: calls every kernel once unseen and once counted
    kernels     which kernels, on which problems; most are those of bench.peers
    requests.c  tells callgrind when to count; compiled when needed, with valgrind's own header

Exit status 0: every count within 5% of the stored one. 1: some is not, up or down, or has no stored one. 2: nothing can
be counted here (valgrind or a C compiler is missing). 3: the kernels are of another compiler or build than the stored
counts, which cannot be compared then.

What is counted is the AVX2 path: valgrind's CPU has no AVX-512. Instructions are not time: a gather or a cache miss is
one instruction like any other. The guard says that a kernel does other work than it did; how fast it is,
docs/measured/benchmarks.md says.
"""

from pathlib import Path

STORED = Path(__file__).resolve().parents[1] / "instructions.json"
TOLERANCE = 0.05
