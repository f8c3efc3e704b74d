"""What is measured of sweeps: the cost of a cell beside its function, the gain of two processes, and large stores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import tmfcore as tmf

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Size:
    cells: dict[str, int]  # that do nothing, by where they are computed
    rounds: int
    busy: int  # cells that compute for WORK seconds
    large: tuple[int, ...]  # cells of large stores


WORK = 0.1
FULL = Size({"here": 2000, "threads": 2000, "processes": 1000, "dask": 500}, 3, 40, (100_000, 1_000_000))
QUICK = Size({"here": 60, "threads": 60, "processes": 40, "dask": 20}, 1, 6, (25_000,))
NAMES = {"here": "this process", "threads": "2 threads", "processes": "2 processes", "dask": "Dask, 2 workers"}
MOST = {"here": 1e-3, "threads": 1e-3, "processes": 5e-3, "dask": 15e-3}  # seconds a cell: the goals


@dataclass(frozen=True)
class Busy:
    """Cells that compute: seconds of the sweep, the processor time of its cells, and what the model says."""

    seconds: float
    work: float
    model: float


@dataclass(frozen=True)
class Large:
    """A store of many cells: seconds to write it and to take all cells from it, in a process each; what it takes."""

    cells: int
    write: float
    read: float
    frame: float | None  # pandas.read_parquet; None: pandas is not installed
    files: int
    size: int
    memory: int  # bytes, of the process that reads


@dataclass(frozen=True)
class Found:
    size: Size
    overhead: dict[str, float]
    busy: dict[str, Busy]
    large: list[Large]


# ------------------------------------------------------------------------------------------------- functions of cells


def nothing(a):
    return a


def busy(a):
    """WORK seconds of a processor."""
    end = time.process_time() + WORK
    while time.process_time() < end:
        pass
    return a


def three(a, rng):
    """Three results, of 10 us."""
    return {"drawn": rng.random(), "whole": a % 7, "share": a / 7}


# ------------------------------------------------------------------------------------------------------- measurements


@contextmanager
def executor(kind: str) -> Iterator[Executor | None]:
    """Two workers of a kind, which have begun."""
    if kind == "here":
        yield None
    elif kind == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    elif kind == "processes":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            tmf.sweep(nothing, {"a": range(8)}, executor=pool)
            yield pool
    else:
        from distributed import Client

        with Client(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as client:
            client.wait_for_workers(2)
            tmf.sweep(nothing, {"a": range(8)}, executor=client.get_executor())
            yield client.get_executor()


def kinds() -> list[str]:
    return [kind for kind in NAMES if kind != "dask" or find_spec("distributed") is not None]


def overhead(kind: str, n: int, rounds: int) -> float:
    """Seconds of a cell that does nothing, and is stored: the least of some rounds."""
    found = []
    with executor(kind) as pool, tempfile.TemporaryDirectory() as folder:
        tmf.sweep(nothing, {"a": range(8)}, executor=pool, store=Path(folder) / "first")  # loads what it needs
        for i in range(rounds):
            begun = time.perf_counter()
            study = tmf.sweep(nothing, {"a": range(n)}, executor=pool, store=Path(folder) / str(i))
            found.append((time.perf_counter() - begun) / n)
            if study.results["value"].tolist() != list(range(n)):
                raise SystemExit(f"{kind}: the results are wrong")
    return min(found)


def computing(kind: str, n: int, rounds: int, cost: float) -> Busy:
    """A sweep of n cells that compute: the quickest of some rounds."""
    workers, found = 2 if kind in ("processes", "dask") else 1, []
    with executor(kind) as pool:
        for _ in range(rounds):
            begun = time.perf_counter()
            study = tmf.sweep(busy, {"a": range(n)}, executor=pool)
            found.append((time.perf_counter() - begun, float(study.seconds.sum())))
            if study.results["value"].tolist() != list(range(n)):
                raise SystemExit(f"{kind}: the results are wrong")
    return Busy(*min(found), model(n, WORK, workers, cost))


def model(n: int, seconds: float, workers: int, cost: float) -> float:
    """Seconds of a sweep: workers compute, and the caller, meanwhile, takes `cost` for each cell."""
    here = workers == 1
    return n * (seconds + cost) if here else max(-(-n // workers) * seconds, n * cost) + cost


def large(n: int) -> Large:
    """A store of n cells of three results, written and read by processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write, read = (_alone(n, store) for _ in range(2))
        files = [path for path in store.iterdir() if path.is_file()]
        frame = None
        if find_spec("pandas") is not None:
            import pandas

            begun = time.perf_counter()
            found = pandas.read_parquet(store)
            frame = time.perf_counter() - begun
            if len(found) != n or found["a"].nunique() != n:
                raise SystemExit("pandas reads other rows")
        return Large(
            n, write["seconds"], read["seconds"], frame, len(files), sum(path.stat().st_size for path in files),
            read["memory"],
        )  # fmt: skip


def _alone(n: int, store: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.sweeps.measure", str(n), str(store)], cwd=ROOT, capture_output=True, text=True,
        env=os.environ,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"a store of {n} cells failed:\n{done.stderr}")
    return json.loads(done.stdout)


def measured(size: Size, say) -> Found:
    cost, costly = {}, {}
    for kind in kinds():
        say(f"a cell that does nothing: {NAMES[kind]}")
        cost[kind] = overhead(kind, size.cells[kind], size.rounds)
    for kind in kinds():
        if kind != "threads":  # which the lock of Python keeps from computing at the same time
            say(f"cells of {WORK} s: {NAMES[kind]}")
            costly[kind] = computing(kind, size.busy, size.rounds, cost[kind])
    stores = []
    for n in size.large:
        say(f"a store of {n:,} cells")
        stores.append(large(n))
    return Found(size, cost, costly, stores)


def main() -> None:
    """One call of a large sweep: python -m bench.sweeps.measure N FOLDER."""
    import resource

    n, store = int(sys.argv[1]), sys.argv[2]
    begun = time.perf_counter()
    study = tmf.sweep(three, {"a": range(n)}, rng=1, store=store)
    seconds = time.perf_counter() - begun
    if study.results["whole"].tolist() != [a % 7 for a in range(n)]:
        raise SystemExit("the results are wrong")
    print(json.dumps({"seconds": seconds, "memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


if __name__ == "__main__":
    main()
