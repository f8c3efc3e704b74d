"""Results as a document in pytest-benchmark's format, which its own `compare` reads, and the comparison of two of them.

A group is a workload; the benchmarks in it are its contestants. Statistics are of seconds per unit of work, so that
contestants that do less work in a call can be compared; `extra_info` has the unit, the note and the version.
"""

from __future__ import annotations

import datetime
import json
import platform
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tmfcore as tmf

from .contest import Line, Results, title
from .workloads import SIZES, Workload

__all__ = ["Change", "changes", "document", "processor", "read"]


def document(results: Results, size: str) -> dict[str, Any]:
    """The whole document."""
    return {
        "machine_info": _machine(),
        "commit_info": _commit(),
        "benchmarks": [
            _benchmark(workload, size, line) for workload, lines in results.lines.items() for line in lines
        ],
        "datetime": datetime.datetime.now(datetime.UTC).isoformat(),
        "version": tmf.__version__,
    }


def _benchmark(workload: Workload, size: str, line: Line) -> dict[str, Any]:
    case = f"{workload.name}[{line.label}]"
    return {
        "group": workload.name,
        "name": case,
        "fullname": f"tmfcore bench::{case}",
        "params": {"workload": workload.name, "contestant": line.label, "size": size},
        "param": line.label,
        "extra_info": {
            "title": title(workload, SIZES[size]), "unit": workload.unit, "note": line.note, "version": line.version,
            "clock": "wall" if workload.wall else "processor", "usual": line.usual,
        },
        "options": {"timer": "perf_counter" if workload.wall else "process_time", "disable_gc": True, "warmup": False},
        "stats": _stats(line.timing.seconds(workload.wall), line.timing.calls),
    }  # fmt: skip


def _stats(seconds: tuple[float, ...], calls: int) -> dict[str, Any]:
    """All of pytest-benchmark; outliers are beyond 1 standard deviation, and beyond 1.5 IQR of the quartiles."""
    ordered = sorted(seconds)
    mean, median = statistics.fmean(ordered), statistics.median(ordered)
    deviation = statistics.stdev(ordered) if len(ordered) > 1 else 0.0
    half = len(ordered) // 2
    low = statistics.median(ordered[: half + len(ordered) % 2])  # the median belongs to both halves
    high = statistics.median(ordered[half:])
    near = [s for s in ordered if low - 1.5 * (high - low) <= s <= high + 1.5 * (high - low)]
    beyond = sum(abs(s - mean) > deviation for s in ordered)
    return {
        "min": ordered[0], "max": ordered[-1], "mean": mean, "stddev": deviation, "rounds": len(ordered),
        "median": median, "iqr": high - low, "q1": low, "q3": high, "iqr_outliers": len(ordered) - len(near),
        "stddev_outliers": beyond, "outliers": f"{beyond};{len(ordered) - len(near)}", "ld15iqr": near[0],
        "hd15iqr": near[-1], "ops": 1.0 / mean, "total": sum(ordered), "data": list(seconds), "iterations": calls,
    }  # fmt: skip


def _machine() -> dict[str, Any]:
    info = tmf.build_info()
    return {
        "node": platform.node(),
        "processor": platform.processor(),
        "machine": platform.machine(),
        "python_compiler": platform.python_compiler(),
        "python_implementation": platform.python_implementation(),
        "python_implementation_version": platform.python_version(),
        "python_version": platform.python_version(),
        "python_build": list(platform.python_build()),
        "release": platform.release(),
        "system": platform.system(),
        "cpu": {"brand_raw": processor(), "instruction_set": info["instruction_set"]},
        "tmfcore": {name: info[name] for name in ("tmfcore", "compiler", "numpy")},
    }


def processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> dict[str, Any]:
    """The commit of the working directory, where git knows one."""
    unknown = {"id": "unversioned", "time": None, "author_time": None, "dirty": False, "branch": "(unknown)"}
    project = {"project": Path.cwd().name}
    try:
        found = [
            subprocess.run(["git", *command], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
            for command in (
                ("rev-parse", "HEAD"), ("show", "-s", "--format=%cI"), ("show", "-s", "--format=%aI"),
                ("status", "--porcelain", "--untracked-files=no"), ("rev-parse", "--abbrev-ref", "HEAD"),
            )
        ]  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return unknown | project
    commit, time, author_time, status, branch = found
    return {"id": commit, "time": time, "author_time": author_time, "dirty": bool(status), "branch": branch} | project


# ------------------------------------------------------------------------------------------------------------ compare


@dataclass(frozen=True)
class Change:
    """A contestant's time now against that in a stored document.

    `ratio` is smallest time now over smallest time then; `beyond_noise`: whether the difference exceeds the sum of
    median minus smallest time of both. It never does if one of them was measured in a single round.
    """

    workload: str
    label: str
    then: float
    now: float
    beyond_noise: bool

    @property
    def ratio(self) -> float:
        """Above 1: slower now."""
        return self.now / self.then


def read(path: Path) -> dict[str, Any]:
    """A stored document. ValueError if the file is not one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for each in found["benchmarks"]:
            _key(each), [each["stats"][name] for name in ("min", "median", "rounds")]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a result of --save, or of pytest-benchmark ({type(error).__name__}: {error}); must be JSON "
            'with "benchmarks", each with "group", "name" and "stats"'
        ) from None
    document: dict[str, Any] = found
    return document


def changes(then: dict[str, Any], now: dict[str, Any]) -> tuple[list[Change], list[str]]:
    """Changes of all benchmarks in both documents; names of those in one only, at the workloads of `now`."""
    old, new = ({_key(each): each["stats"] for each in document["benchmarks"]} for document in (then, now))
    found = []
    for key in new.keys() & old.keys():
        a, b = old[key], new[key]
        noise = (a["median"] - a["min"]) + (b["median"] - b["min"])
        known = min(a["rounds"], b["rounds"]) > 1
        found.append(Change(*key, a["min"], b["min"], known and abs(b["min"] - a["min"]) > noise))
    order = list(new)
    found.sort(key=lambda change: order.index((change.workload, change.label)))
    groups = {group for group, _ in new}
    return found, sorted(f"{group}, {label}" for group, label in old.keys() ^ new.keys() if group in groups)


def _key(benchmark: dict[str, Any]) -> tuple[str, str]:
    """Workload and size, and contestant."""
    params = benchmark.get("params") or {}
    size = params.get("size")
    group = f"{benchmark['group']} ({size})" if size else str(benchmark["group"])
    return group, str(params.get("contestant", benchmark["name"]))
