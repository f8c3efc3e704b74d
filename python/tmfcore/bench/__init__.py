"""Benchmark comparisons: tmfcore and other libraries at the same work, each answer checked before it is timed.

    problems        data as arrays, and checks of answers
    workloads       the standard workloads: a problem, its size, and the unit of its times
    contestants     classes that solve problems, from modules and files
    own             tmfcore as a contestant
    contest         check and time contestants that share a process
    processors      one processor and one thread for all libraries
    measure         rounds in which contestants take turns
    picture         bars of ratios

Notation: N agents, S observations, A actions, T steps.
"""

from .measure import Entry
from .problems import Answer, Direction, Disagreement

__all__ = ["Answer", "Direction", "Disagreement", "Entry"]
