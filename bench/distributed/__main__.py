"""The command line of `python -m bench.distributed`: one population on 1, 2 and 4 ranks, and a model of many."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench import pages
from tmfcore.bench.processors import libraries_on_one_thread

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {  # Open MPI: root, as in containers, and more ranks than cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}  # fmt: skip


def ranks(n: int, part: str, size: int, times: int) -> list[dict]:
    """One measurement on n ranks, by bench/distributed/ranks.py: what each found, and what others took meanwhile."""
    before, begun, own = taken(), time.perf_counter(), children()
    done = subprocess.run(
        ["mpiexec", "-n", str(n), sys.executable, "-m", "bench.distributed.ranks", part, str(size), str(times)],
        cwd=ROOT, env=os.environ | ALLOWED, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"mpiexec -n {n} {part} failed:\n{done.stderr}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    cores = os.sched_getaffinity(0)
    others = (taken() - before) - (children() - own)
    found[0]["others"] = max(0.0, others) / (len(cores) * (time.perf_counter() - begun))
    return found


def taken() -> float:
    """Seconds that all processes have taken so far of the processors that this one may use."""
    cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    ticks = 0
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *numbers = line.split()
        if name in cores:
            user, nice, system, _idle, _wait, irq, softirq, steal = map(int, numbers[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def children() -> float:
    """Seconds that processes started here have taken, with theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(arguments: list[str] | None = None) -> int:
    chosen = pages.options(arguments, "python -m bench.distributed", __doc__, "small populations")
    if shutil.which("mpiexec") is None:
        print("there is no mpiexec on this machine", file=sys.stderr)
        return 2
    libraries_on_one_thread()
    from bench.distributed import page, study

    begun = time.perf_counter()
    found = study.measured(study.QUICK if chosen.quick else study.FULL, ranks)
    text = page.text(found, time.perf_counter() - begun, whole=not chosen.quick)
    pages.put(text, "distributed.md", chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
