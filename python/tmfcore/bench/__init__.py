"""Benchmark comparisons: tmfcore and other libraries at the same work, each answer checked before it is timed.

    problems        data as arrays, and checks of answers
    workloads       the standard workloads: a problem, its size, and the unit of its times
    contestants     classes that solve problems, from modules and files
    own             tmfcore as a contestant
    contest         check and time contestants that share a process
    processes       processes of contestants, and what they send back
    worker          the program of such a process
    processors      one processor and one thread for all libraries
    measure         rounds in which contestants take turns
    picture         bars of ratios
    pytest_json     documents in pytest-benchmark's format, and the comparison of two
    quantities      times and ratios as text

The page "Benchmarks of your own" tells how to write a contestant. Notation: N agents, S observations, A actions, T
steps, R replicas.
"""

from .measure import Entry
from .problems import Answer, Direction, Disagreement

__all__ = ["Answer", "Direction", "Disagreement", "Entry"]
