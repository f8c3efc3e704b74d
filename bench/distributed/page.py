"""docs/measured/distributed.md."""

from __future__ import annotations

import numpy as np

from bench.distributed.study import AGENTS_OF_MANY, BUSY, CALM, CORES_OF_NODE, NETWORK, RANKS, Found
from bench.peers.page import machine, yes
from tmfcore.bench.quantities import duration

HEAD = """# One population on several ranks

What [simulate(comm=)](../how-to/ranks.md) takes, measured with 1, 2 and 4 ranks of Open MPI on one machine of {cores} cores, and what a
model says of more. S = 8, A = 4, synchronous, no decisions, one thread for each rank; {rounds} rounds in which the numbers of ranks take turns.
"""

RERUN = """## How to measure it again

From a clone with tmfcore, its extras `app` and `mpi`, simpy, and an `mpiexec`:

```sh
python -m bench.distributed
```

`--quick` takes a minute and writes nothing. On a machine that does other work, too, wall times of large populations cannot be told.
"""
WORD = "busy"
LEAST, BEYOND, WITHIN = 1.7, 30e-6, 0.2  # the goals


def text(found: Found, seconds: float, whole: bool) -> str:
    lines = [HEAD.format(cores=found.cores, rounds=found.size.rounds), *machine(seconds), ""]
    if not whole:
        lines += ["**Small populations: no figures to quote.**", ""]
    lines += [*goals(found), *measured(found), *sums(found), *held_against(found), *many(found), RERUN]
    return "\n".join(lines).rstrip() + "\n"


def told(seconds: float | None) -> str:
    return WORD if seconds is None else duration(seconds)


def ratio(one: float | None, two: float | None) -> str:
    return WORD if one is None or two is None else f"{one / two:.2f}x"


def measured(found: Found) -> list[str]:
    lines = [
        "## A step", "",
        "*Work* is the processor time in which a rank moves its agents, of the slower rank; *wall*, the time from one sum to the next, in steps in",
        f"which no rank waited for a processor (moves took at most {CALM} of their processor time), or, where these are fewer than ten, and of four ranks",
        f"on two cores, in the round in which other programs took least (\"{WORD}\": they took more than {BUSY:.0%} of the processors); *beyond*, what of that",
        "follows when the slower rank has moved its agents: the sum, with Python's call of it.", "",
        "| agents | work, 1 rank | 2 ranks | 4 ranks | 1 over 2 | wall, 1 rank | 2 ranks | 1 over 2 | beyond, 2 ranks |", "|---" * 9 + "|",
    ]  # fmt: skip
    for n in found.size.agents:
        one, two, four = (found.steps[n, p] for p in RANKS)
        lines.append(
            f"| {n:,} | {duration(one.work)} | {duration(two.work)} | {duration(four.work)} | {ratio(one.work, two.work)} | "
            f"{told(one.wall)} | {told(two.wall)} | {ratio(one.wall, two.wall)} | {told(two.beyond)} |"
        )
    return [
        *lines, "", "The sum is not overlapped with work: tables and moves of the next step depend on it, and it takes less than a thousandth of a step",
        "where several ranks pay.", "",
    ]  # fmt: skip


def goals(found: Found) -> list[str]:
    """Each goal, what was found, and whether it is met; by wall time, where the machine let it be told."""
    largest = found.size.agents[-1]
    one, two = found.steps[largest, 1], found.steps[largest, 2]
    beyond = [step.beyond for (_, p), step in found.steps.items() if p == 2 and step.beyond is not None]
    shares = [step.events / step.wall for (n, _), step in found.steps.items() if step.wall is not None and n >= 100_000]
    gain, by = (one.work / two.work, "processor time") if one.wall is None or two.wall is None else (one.wall / two.wall, "wall time")
    bits = found.bits
    same = sum(len(set(each)) == 1 for each in zip(*bits.values(), strict=True))
    rows = [
        (f"N = {largest:,}: two ranks at least {LEAST} times as fast as one", f"{gain:.2f} by {by}", yes(gain >= LEAST)),
        (f"at most {duration(BEYOND)} a step beyond the moves, two ranks", f"at most {duration(max(beyond))}" if beyond else WORD,
         yes(max(beyond) <= BEYOND) if beyond else ""),
        (f"the model within {WITHIN:.0%} of the wall time, from 100,000 agents on", f"{min(shares):.2f} to {max(shares):.2f} of it" if shares else WORD,
         yes(max(abs(share - 1) for share in shares) <= WITHIN) if shares else ""),
        ("four ranks on two cores: the bits of one", f"{same} of {len(bits[1])} schedules, N = 10,000; all in `pytest -m mpi`", yes(same == len(bits[1]))),
    ]  # fmt: skip
    return ["## Goals", "", "| goal | found | met |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows), ""]


def sums(found: Found) -> list[str]:
    lines = ["## A sum over ranks", "", "Median time of `Allreduce` by mpi4py, in a loop of nothing else; four ranks share two cores.", "",
             "| integers | " + " | ".join(f"{p} ranks" for p in RANKS[1:]) + " |", "|---" * len(RANKS) + "|"]  # fmt: skip
    for n in found.size.numbers:
        lines.append(f"| {n:,} | " + " | ".join(duration(found.sums[n, p]) for p in RANKS[1:]) + " |")
    return [*lines, ""]


def held_against(found: Found) -> list[str]:
    lines = [
        "## The model, held against these runs", "",
        "The model knows the work of a rank while the other core does the same, without any exchange (*apart*), and the time of a sum; it",
        "has seen no run on several ranks. *Formula* is the median of the first, times the ranks that share a core, and the second; *events*, a",
        "simulation in which every rank draws the work of each step from that measured, takes a core, and waits for the slowest.", "",
        "| agents | ranks | apart | wall | formula | events | events / wall |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    compared = []
    for (n, p), step in found.steps.items():
        share = WORD if step.wall is None else f"{step.events / step.wall:.2f}"
        lines.append(
            f"| {n:,} | {p} | {duration(float(np.median(step.apart)))} | {told(step.wall)} | {duration(step.formula)} | "
            f"{duration(step.events)} | {share} |"
        )
        if step.wall is not None and n >= 100_000:
            compared.append(step.events / step.wall)
    if compared:
        said = f"between {min(compared):.2f} and {max(compared):.2f} of the wall time"
        lines += ["", f"From 100,000 agents on, the simulation is {said}; below, Python's part of a step counts, which the model omits."]
    return [*lines, ""]


def many(found: Found) -> list[str]:
    n_ranks, step, run = found.size.many[0], found.many, found.failures
    return [
        f"## 10^{round(np.log10(AGENTS_OF_MANY))} agents on {n_ranks:,} cores, by the model", "",
        f"The work of two ranks above, scaled to {AGENTS_OF_MANY // n_ranks:,} agents for each rank, and an exchange of two machines in",
        f"{duration(NETWORK)} (assumed). A rank may hold up to 2^32 - 2^11 agents.", "",
        "| | a step |", "|---|---|",
        f"| moves of a rank, median | {duration(step['moves'])} |",
        f"| the sum of 8 integers | {duration(step['sum'])} |",
        f"| formula | {duration(step['formula'])} |",
        f"| events: the slowest rank of each step | {duration(step['events'])} |",
        f"| events, and one move in 10^4 takes twice as long | {duration(step['stragglers'])} |", "",
        f"A run of a day, where a node of {CORES_OF_NODE} cores fails every 5 years (assumed), so that one fails every {run['between'] / 86400:.0f} days:",
        f"a checkpoint takes {duration(run['write'])} (measured on one disk, scaled), one is written every {run['every'] / 60:.0f} minutes (Young's rule), and",
        f"the day takes {run['events'] / run['work'] - 1:.2%} longer by events, {run['expected'] / run['work'] - 1:.2%} by Daly's formula.", "",
        "Where the bottleneck moves:", "",
        "* To stragglers, not to the network: the sum is a thousandth of a step, while every step waits for its slowest rank.",
        "* To the drawing of batches, if their size is fixed: who acts is drawn from one stream by every rank, for all N agents, at about a sixth of",
        "  the cost of moving them on one rank; so ranks make `Batch(N / 2)` at most six times as fast. `Bernoulli` and `Synchronous` draw by tile.",
        "* To latency, if single agents act: 256 of them take one sum, and are played by every rank; ranks then only share the memory.", "",
    ]  # fmt: skip
