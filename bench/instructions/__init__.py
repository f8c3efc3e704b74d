"""Instruction counts of the main kernels: a check against slow-downs that, unlike times, is exactly reproducible.

    python -m bench.instructions             count, and compare with bench/instructions.json
    python -m bench.instructions --update    store the counts, after an intended change
    python -m bench.instructions --only NAME kernels whose name starts with NAME; may be repeated
    python -m bench.instructions --list      print the names of the kernels

    __main__    the command line: runs `count` under valgrind's callgrind, compares, stores
    count       the counted process: calls every kernel twice and counts the second call
    kernels     the kernels and their problems, most from tmfcore.bench
    requests.c  starts and stops callgrind's counting; compiled when needed, with valgrind's header

Exit status 0: every count is within 5% of the stored one. 1: a count differs by more, or has no stored one. 2: counting
is impossible (valgrind or a C compiler is missing). 3: the stored counts are of another compiler or build, and are not
compared.

The counts are of the AVX2 path, since valgrind's CPU has no AVX-512. Instructions are not time: a gather or a cache
miss is one instruction like any other. A changed count means that a kernel does different work; for its speed see
docs/measured/benchmarks.md.
"""

from pathlib import Path

STORED = Path(__file__).resolve().parents[1] / "instructions.json"
TOLERANCE = 0.05
