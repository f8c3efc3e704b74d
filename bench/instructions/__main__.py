"""The command line of `python -m bench.instructions`; the package's docstring explains it."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.instructions import STORED, TOLERANCE
from tmfcore.bench.processors import ONE_THREAD

#: Properties of the build. Differences in the second tuple change a count only slightly.
MUST_AGREE = ("compiler", "instruction_set", "sanitize", "debug", "trace")
MAY_DIFFER = ("build_cython", "build_numpy", "numpy", "python")

#: Always the same folder: even the length of a path changes the last digits of a count.
FOLDER = STORED.parents[1] / "build" / "instructions"


class Unable(Exception):
    """Counting is impossible on this machine."""


def needed(*programs: str) -> str:
    """Path of the first of the programs that is installed."""
    found = [path for path in map(shutil.which, programs) if path is not None]
    if not found:
        raise Unable(f"{' or '.join(programs)} is not installed")
    return found[0]


def count(names: list[str]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Instructions of each kernel by name, and the build that was counted."""
    valgrind, compiler = needed("valgrind"), needed("cc", "gcc", "clang")
    source = Path(__file__).with_name("requests.c")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    library = FOLDER / "requests.so"
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], capture_output=True, text=True
    )
    if built.returncode:
        raise Unable(f"{source.name} does not compile; it needs the headers of valgrind:\n{built.stderr}")
    command = [
        valgrind, "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={FOLDER}/counts",
        sys.executable, "-m", "bench.instructions.count", str(library), *names,
    ]  # fmt: skip
    # Only the variables that Python needs: the size of the environment moves the stack. Fixed hashes, one thread.
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    environment |= {**ONE_THREAD, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, cwd=STORED.parents[1], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the counted process failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    reported = json.loads(done.stdout.splitlines()[-1])
    totals = dict(found for path in FOLDER.glob("counts.*") if (found := _dumped(path)))
    found = {}
    for name, (units, unit) in reported["units"].items():
        found[name] = {"instructions": totals[name], "unit": unit, "per unit": round(totals[name] / units, 2)}
    return found, {key: reported["build"][key] for key in (*MUST_AGREE, *MAY_DIFFER)}


def _dumped(path: Path) -> tuple[str, int] | None:
    """Name and total of one dump of callgrind; None for the dump at the end of the process."""
    text = path.read_text(encoding="utf-8", errors="replace")
    name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
    total = re.search(r"^totals: (\d+)", text, re.MULTILINE)  # the line "summary" may have wrapped around 0
    if name is None:
        return None
    if total is None or int(total[1]) == 0:
        raise SystemExit(f"callgrind counted nothing for {name[1]}")
    return name[1], int(total[1])


def compare(found: dict[str, dict[str, Any]], stored: dict[str, dict[str, Any]], whole: bool) -> list[str]:
    """A line for each kernel whose count differs by more than TOLERANCE from the stored one, or that one side lacks."""
    wrong = []
    for name, now in found.items():
        then = stored.get(name)
        if then is None:
            wrong.append(f"{name}: no stored count")
            continue
        change = now["instructions"] / then["instructions"] - 1
        if abs(change) > TOLERANCE:
            wrong.append(f"{name}: {change:+.1%} ({then['per unit']:,} -> {now['per unit']:,} per {now['unit']})")
    if whole:
        wrong += [f"{name}: has a stored count, but there is no such kernel" for name in stored if name not in found]
    return wrong


def table(found: dict[str, dict[str, Any]], stored: dict[str, dict[str, Any]]) -> str:
    lines = [f"{'kernel':42}{'instructions':>14}{'change':>10}   per unit"]
    for name, now in found.items():
        then = stored.get(name)
        change = f"{now['instructions'] / then['instructions'] - 1:+.3%}" if then else "new"
        lines.append(f"{name:42}{now['instructions']:14,}{change:>10}   {now['per unit']:,} per {now['unit']}")
    return "\n".join(lines)


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.instructions", description="Count instructions of the kernels."
    )
    parser.add_argument("--update", action="store_true", help=f"store the counts in {STORED.name}")
    parser.add_argument("--only", action="append", metavar="NAME", help="kernels whose name starts so (repeatable)")
    parser.add_argument("--list", action="store_true", help="print the names of the kernels, count nothing")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    chosen = options(arguments)
    from bench.instructions.kernels import KERNELS

    if chosen.list:
        print("\n".join(KERNELS))
        return 0
    names = [name for name in KERNELS if name.startswith(tuple(chosen.only or [""]))]
    if not names:
        print(f"unknown: {', '.join(chosen.only)}; see --list", file=sys.stderr)
        return 2
    whole = len(names) == len(KERNELS)
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {"build": {}, "kernels": {}}
    try:
        found, build = count(names)
    except Unable as error:
        print(f"nothing counted: {error}", file=sys.stderr)
        return 2
    print(table(found, stored["kernels"]))
    different = [key for key in MUST_AGREE if stored["build"].get(key) != build[key]]
    if chosen.update:
        if different and not whole:
            print("nothing stored: counts of another build must be stored together, omit --only", file=sys.stderr)
            return 2
        kernels = found if whole else {**stored["kernels"], **found}
        STORED.write_text(json.dumps({"build": build, "kernels": kernels}, indent=1) + "\n", encoding="utf-8")
        print(f"stored in {STORED.name}")
        return 0
    if different:
        has = ", ".join(f"{key} {build[key]!r} instead of {stored['build'].get(key)!r}" for key in different)
        print(f"nothing compared: the stored counts are of another build ({has})", file=sys.stderr)
        return 3
    wrong = compare(found, stored["kernels"], whole)
    if wrong:
        print("\nchanged by more than 5%; if intended, store the counts: python -m bench.instructions --update")
        print("\n".join(wrong))
        for key in MAY_DIFFER:
            if stored["build"].get(key) != build[key]:
                print(f"note: {key} is {build[key]}, the stored counts are of {stored['build'].get(key)}")
        return 1
    print(f"\n{len(found)} kernels within 5% of the stored counts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
