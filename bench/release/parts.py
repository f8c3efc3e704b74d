"""What is run before a release, and how it ended: build/release/NAME.json."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.release import numbers

PYTHON = sys.executable


class Part(NamedTuple):
    """One thing that must pass."""

    title: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


#: In this order. Benchmarks that write pages of docs/measured are run by hand on an idle machine, before.
PARTS = {
    "gate": Part("every check of .ci/run, in clean environments", ("bash", ".ci/run"), (("CI", "true"),)),
    "thorough": Part(
        "all tests, with 300 examples of every property", (PYTHON, "-m", "pytest", "-q", "-n", "auto", "-m", ""),
        (("HYPOTHESIS_PROFILE", "thorough"),),
    ),
    "validation": Part("every sampler and both engines against exact laws", (PYTHON, "-m", "bench.validation")),
    "instructions": Part("instructions of the kernels, against stored counts", (PYTHON, "-m", "bench.instructions")),
    "sanitizers": Part("kernels under AddressSanitizer, UBSan, ThreadSanitizer and valgrind", (".ci/sanitize",)),
    "fuzz": Part("a million damaged files", (".ci/fuzz", "1000000")),
    "kills": Part("calls killed at random moments, and started again", (PYTHON, "-m", "tests.kills")),
    "memory": Part("memory that 10,000 calls of every public callable leave behind", (PYTHON, "-m", "tests.resident")),
    "platforms": Part(
        "kernels for 9 platforms; by clang, without GNU C, and for aarch64: the bits of gcc on x86-64",
        (PYTHON, ".ci/platforms", "headers", "kernels", "clang", "plain", "aarch64"),
    ),
    "pythons": Part("all tests on every Python here, and with the oldest numpy and scipy", (PYTHON, "-m", "nox")),
    "wheel": Part("the wheel for manylinux_2_17, used where there is no compiler", (PYTHON, ".ci/platforms", "wheel")),
    "sdist": Part("the source distribution", (PYTHON, "-m", "build", "--sdist", "--outdir", "dist")),
}  # fmt: skip


def commit_of(root: Path) -> str:
    """The commit, if nothing is changed in the tree; otherwise Unready."""
    run = lambda *words: subprocess.run(
        ["git", *words], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()
    if run("status", "--porcelain", "--untracked-files=no"):
        raise numbers.Unready("files are changed that are not committed: a result must be one of a commit")
    return run("rev-parse", "--short=10", "HEAD")


def stored(folder: Path, name: str) -> dict[str, Any] | None:
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def run(root: Path, folder: Path, name: str, part: Part, commit: str, say: Callable[[str], object]) -> dict[str, Any]:
    """Run one part, with its output in build/release/NAME.log; the result, which is stored."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    say(f"{name}: {part.title}")
    began = time.monotonic()
    with open(log, "w", encoding="utf-8") as out:
        code = subprocess.run(
            part.command,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **dict(part.environment)},
        ).returncode
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    result = {
        "title": part.title,
        "command": [word.replace(PYTHON, "python") for word in part.command],
        "commit": commit,
        "code": code,
        "minutes": round((time.monotonic() - began) / 60, 1),
        "date": datetime.date.today().isoformat(),
        "last": lines[-1] if lines else "",
    }
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    say(f"{name}: {'passed' if code == 0 else f'FAILED, see {log}'}, {result['minutes']} minutes")
    return result


def page(version: str, folder: Path, dist: Path) -> str:
    """docs/measured/release.md."""
    rows = []
    for name in PARTS:
        result = stored(folder, name)
        if result is None or result["code"]:
            raise numbers.Unready(
                f"{name} has not {'passed' if result else 'been run'}: python -m bench.release run --only {name}"
            )
        last, command = result["last"].replace("|", "\\|")[:120], " ".join(result["command"])
        when = f"{result['date']}, {result['commit']}"
        rows.append(f"| {result['title']} | `{command}` | {result['minutes']} | {last} | {when} |")
    files = [
        f"| {path.name} | {path.stat().st_size / 1e6:.2f} | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |"
        for path in sorted(dist.glob(f"tmfcore-{version}*"))
    ]
    return "\n".join(
        [f"# Release {version}", "",
         "What was run before it, by `python -m bench.release run`, with the last line that each part printed.", "",
         "| what | command | minutes | its last line | date, commit |", "|---|---|---|---|---|", *rows, "",
         "| file | MB | sha256 |", "|---|---|---|", *files, ""]
    )  # fmt: skip
