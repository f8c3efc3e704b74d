"""The command line of `python -m bench.distributed`: one population on 1, 2 and 4 ranks, and a model of many."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tmfcore.bench.processors import libraries_on_one_thread

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {  # Open MPI: root, as in containers, and more ranks than cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}  # fmt: skip


def ranks(n: int, part: str, size: int, times: int) -> list[dict]:
    """One measurement on n ranks, by bench/distributed/ranks.py: what each of them found."""
    done = subprocess.run(
        ["mpiexec", "-n", str(n), sys.executable, "-m", "bench.distributed.ranks", part, str(size), str(times)],
        cwd=ROOT, env=os.environ | ALLOWED, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"mpiexec -n {n} {part} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.distributed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small populations; writes nothing unless --output")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the page (default: docs/measured)")
    chosen = parser.parse_args(arguments)
    if shutil.which("mpiexec") is None:
        print("there is no mpiexec on this machine", file=sys.stderr)
        return 2
    libraries_on_one_thread()
    from bench.distributed import page, study

    begun = time.perf_counter()
    found = study.measured(study.QUICK if chosen.quick else study.FULL, ranks)
    text = page.text(found, time.perf_counter() - begun, whole=not chosen.quick)
    folder = chosen.output or (None if chosen.quick else ROOT / "docs" / "measured")
    if folder is None:
        print(text)
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "distributed.md").write_text(text, encoding="utf-8")
    print(f"written: {folder / 'distributed.md'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
