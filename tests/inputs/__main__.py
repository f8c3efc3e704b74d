"""Try every bad input in processes with limits of time and memory: python -m tests.inputs.

    --pairs N       pairs of bad arguments drawn beside all single ones (default 20,000)
    --files N       damaged files (default 10,000)
    --games N       damaged games in files (default 10,000)
    --no-doors      files and games only
    --seed N        of pairs, files and games (default 7)
    --rounds N      the same with N seeds, one after the other: --seed, --seed + 1, ... (default 1)
    --only TEXT     doors whose name holds it
    --processes P   cases are shared out to P processes (default 1)
    --write         write docs/measured/inputs.md; with --no-doors docs/measured/fuzz.md, anew after every round
"""

import argparse
import json
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")] if str(ROOT / "tests") not in sys.path else []

STUCK = 120.0  # seconds on one case after which its process is ended


def cases(arguments):
    """All cases, in one order for every process."""
    from inputs.cases import pairs, singles

    if arguments.no_doors:
        return
    yield from singles(arguments.only)
    for case in pairs(arguments.pairs, arguments.seed):
        if arguments.only in case.door.name:
            yield case


def damaged(arguments):
    """Labels of all damaged files and games, with functions that judge them."""
    from inputs import files, game_files

    if not arguments.only:
        yield from files.trials(arguments.files, arguments.seed)
        yield from game_files.trials(arguments.games, arguments.seed)


def labels(arguments):
    """The labels of all inputs, in their order."""
    return chain((case.label for case in cases(arguments)), (label for label, _ in damaged(arguments)))


def work(arguments):
    """Judge cases from number `--start` on; leaks go to standard output, the number under way to the shared file."""
    from inputs.examples import EXAMPLES
    from inputs.judge import judged

    os.environ.setdefault("MPLBACKEND", "Agg")
    os.chdir(tempfile.mkdtemp(prefix="tmfcore-inputs-"))  # whatever is written by a bad path
    with open(arguments.worker, "r+b") as file:
        shared = mmap.mmap(file.fileno(), 8)
    number = -1
    for number, case in enumerate(cases(arguments)):
        if number < arguments.start or number % arguments.processes != arguments.part:
            continue
        shared[:8] = number.to_bytes(8, "little")
        leak = judged(case, EXAMPLES[case.door.name])
        if leak is not None:
            print(json.dumps([case.label, leak]), flush=True)
    for label, look in damaged(arguments):
        number += 1
        if number < arguments.start or number % arguments.processes != arguments.part:
            continue
        shared[:8] = number.to_bytes(8, "little")
        leak = look()
        if leak is not None:
            print(json.dumps([label, leak]), flush=True)
    print(json.dumps(["count", number + 1]), flush=True)


def attempt(arguments, part):
    """One part of the cases, in as many processes one after the other as it takes; number of all, and the leaks."""
    leaks, start, count = [], 0, None
    with (
        tempfile.NamedTemporaryFile() as where,
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        while count is None:
            where.write((start).to_bytes(8, "little"))
            where.flush()
            where.seek(0)
            command = [
                sys.executable, "-m", "tests.inputs", "--worker", where.name, "--start", str(start),
                "--pairs", str(arguments.pairs), "--files", str(arguments.files), "--games", str(arguments.games),
                *["--no-doors"] * arguments.no_doors, "--only", arguments.only, "--seed", str(arguments.seed),
                "--processes", str(arguments.processes), "--part", str(part),
            ]  # fmt: skip
            for file in (out, errors):
                file.seek(0)
                file.truncate()
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=errors)
            number, since = start, time.monotonic()
            while process.poll() is None:
                time.sleep(0.2)
                now = int.from_bytes(os.pread(where.fileno(), 8, 0), "little")
                if now != number:
                    number, since = now, time.monotonic()
                elif time.monotonic() - since > STUCK:
                    process.kill()
            number = int.from_bytes(os.pread(where.fileno(), 8, 0), "little")
            out.seek(0)
            for line in out:
                label, leak = json.loads(line)
                if label == "count":
                    count = leak
                else:
                    leaks.append((label, leak))
            if count is None:
                if number < start or process.returncode == 1:
                    errors.seek(0)
                    raise SystemExit(f"the harness itself failed at case {number}:\n{errors.read()}")
                label = next(islice(labels(arguments), number, None))
                ended = "took too long, and was ended" if process.returncode == -9 else f"crash {process.returncode}"
                leaks.append((label, ended))
                start = number + 1
    return count, leaks


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.inputs", description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--games", type=int, default=10_000)
    parser.add_argument("--no-doors", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--part", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # labels and messages hold text that no encoding takes
    began, total, leaks, first = time.monotonic(), 0, [], arguments.seed
    for seed in range(first, first + arguments.rounds):
        arguments.seed = seed
        with ThreadPoolExecutor(arguments.processes) as pool:
            found = list(pool.map(partial(attempt, arguments), range(arguments.processes)))
        total += found[0][0]
        new = [leak for _, part in found for leak in part]
        leaks += new
        for label, leak in new:
            print(f"{label}\n    {leak}")
        print(f"seed {seed}: {total:,} inputs, {len(leaks)} leaked, {time.monotonic() - began:.0f} s", flush=True)
        if arguments.write:
            write_page(arguments, total, leaks, range(first, seed + 1))
    for door, n in Counter(label.partition("(")[0] for label, _ in leaks).most_common():
        print(f"{n:6}  {door}")
    return bool(leaks)


def write_page(arguments, total, leaks, seeds):
    """The page of what was tried so far."""
    from inputs import report

    if arguments.no_doors:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        report.write_fuzz(total, leaks, seeds, (used.ru_utime + used.ru_stime) / 60)
    else:
        report.write(total, leaks, arguments)


if __name__ == "__main__":
    sys.exit(main())
