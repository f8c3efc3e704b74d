"""Sweeps: what a cell costs beside its function, by where it is computed, and what two processes gain."""

import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np
import pytest

import tmfcore as tmf
from sweep_cases import busy, nothing

CELLS = {"here": 2000, "threads": 2000, "processes": 1000, "dask": 500}
MOST = {"here": 1e-3, "threads": 1e-3, "processes": 5e-3, "dask": 15e-3}  # seconds a cell, with a store


@contextmanager
def executor(kind):
    if kind == "here":
        yield None
    elif kind == "threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    elif kind == "processes":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            yield pool
    else:
        distributed = pytest.importorskip("distributed", reason="extra `dask`")
        with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as client:
            yield client.get_executor()


@pytest.mark.benchmark(group="a cell that does nothing")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CELLS)
def test_overhead(benchmark, kind, tmp_path):
    """Seconds a cell that does nothing; every cell is stored."""
    pytest.importorskip("pyarrow", reason="extra `tables`")
    n = CELLS[kind]
    stores = iter(range(100))
    with executor(kind) as pool:
        tmf.sweep(nothing, {"a": range(8)}, executor=pool)  # processes have started

        def swept():
            return tmf.sweep(nothing, {"a": range(n)}, executor=pool, store=tmp_path / str(next(stores)))

        study = benchmark.pedantic(swept, rounds=3)
    assert study.results["value"].tolist() == list(range(n))
    if benchmark.stats is not None:
        benchmark.extra_info["seconds_per_cell"] = benchmark.stats.stats.min / n
        assert benchmark.stats.stats.min / n <= MOST[kind]


@pytest.mark.benchmark(group="cells of 0.1 s")
def test_two_processes(benchmark):
    """Cells of 0.1 s: two processes against this one."""
    grid = {"a": range(40), "work": [0.1]}
    with executor("processes") as pool:
        tmf.sweep(nothing, {"a": range(8)}, executor=pool)
        began = time.perf_counter()
        here = tmf.sweep(busy, grid)
        alone = time.perf_counter() - began
        there = benchmark.pedantic(tmf.sweep, (busy, grid), {"executor": pool}, rounds=2)
    np.testing.assert_array_equal(there.results["value"], here.results["value"])
    if benchmark.stats is not None:
        benchmark.extra_info["gain"] = alone / benchmark.stats.stats.min
