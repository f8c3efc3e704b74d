"""Sweeps on the engines that people use: Dask, whose workers and schedulers die, and loky (extra `dask`)."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager, suppress

import pytest

import tmfcore as tmf
from sweep_cases import counted, deadly, evenly, notes, nothing, pair, told
from tmfcore._base import executors

distributed = pytest.importorskip("distributed", reason="extra `dask`")
pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]  # Dask's own, at its ends
GRID = {"a": [1, 2, 3], "b": [0.5, 1.5]}


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1", silence_logs=50,
    ) as made:  # fmt: skip
        yield made


@pytest.fixture
def executor(cluster):
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2)
        yield client.get_executor()


@contextmanager
def killed_workers(folder, times, every=0.2):
    """A hand that kills the process that began a cell last, at most so many times; yields the list of those killed."""
    killed, over = [], threading.Event()

    def kill():
        while not over.wait(every) and len(killed) < times:
            at_work = [int(process) for word, _, process in notes(folder) if word == "begin"]
            if at_work and at_work[-1] not in killed:
                with suppress(ProcessLookupError):
                    os.kill(at_work[-1], signal.SIGKILL)
                killed.append(at_work[-1])

    hand = threading.Thread(target=kill)
    hand.start()
    try:
        yield killed
    finally:
        over.set()
        hand.join()


def test_dask_gives_the_bits_of_this_process(executor):
    assert told(tmf.sweep(pair, GRID, replicas=3, rng=1, executor=executor)) == told(tmf.sweep(pair, GRID, replicas=3, rng=1))
    games = {"short": tmf.games.left_right(horizon=2), "long": tmf.games.left_right(horizon=4)}
    played = tmf.sweep(evenly, {"game": games, "n_agents": [10, 20]}, rng=3, executor=executor)
    assert told(played) == told(tmf.sweep(evenly, {"game": games, "n_agents": [10, 20]}, rng=3))


def test_dask_takes_functions_of_a_script(executor):
    shift = 3
    assert told(tmf.sweep(lambda a: a + shift, {"a": [1, 2]}, executor=executor))[0]["value"] == [4, 5]


def test_a_worker_killed_in_mid_sweep(executor, tmp_path):
    grid = {"a": range(100), "folder": [str(tmp_path)]}
    seen = []
    with killed_workers(tmp_path, 2) as killed:
        study = tmf.sweep(counted, grid, rng=1, executor=executor, store=tmp_path / "store", progress=lambda done, total: seen.append(done))
    assert len(killed) == 2 and study.errors == ("",) * 100
    assert seen == [*range(1, 101), 100]
    assert told(study) == told(tmf.sweep(counted, grid, rng=1))


def test_a_cell_that_kills_workers_is_an_error(executor, tmp_path):
    study = tmf.sweep(deadly, {"a": [2, 3, 4], "folder": [str(tmp_path)]}, rng=1, executor=executor)
    assert [error[:8] for error in study.errors] == ["", "process:", ""]


@contextmanager
def engine(folder, port):
    """A scheduler and two workers, each a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": folder}
    dask = [sys.executable, "-m", "dask"]
    processes = [subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], **quiet)]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--death-timeout", "20"]
    processes += [subprocess.Popen(worker, **quiet) for _ in range(2)]
    try:
        yield address, processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_scheduler_killed_in_mid_sweep_and_another_that_goes_on(tmp_path):
    grid, store = {"a": range(150), "folder": [str(tmp_path)]}, tmp_path / "store"
    with engine(tmp_path, free_port()) as (address, processes), distributed.Client(address, timeout=20) as client:
        client.wait_for_workers(2, timeout=20)

        def stop(done, total):
            if done == 40:
                processes[0].kill()

        with pytest.raises(Exception) as caught:
            tmf.sweep(counted, grid, rng=1, executor=client.get_executor(), store=store, progress=stop)
        kept = len(caught.value.partial)
    assert 40 <= kept < 150
    with engine(tmp_path, free_port()) as (address, _), distributed.Client(address, timeout=20) as client:
        client.wait_for_workers(2, timeout=20)
        seen = []
        study = tmf.sweep(
            counted, grid, rng=1, executor=client.get_executor(), store=store, progress=lambda done, total: seen.append(done)
        )  # fmt: skip
    assert seen == [*range(kept + 1, 151), 150]
    assert told(study) == told(tmf.sweep(counted, grid, rng=1))


def test_loky_gives_the_bits_of_this_process_and_survives_a_killed_worker(tmp_path):
    loky = pytest.importorskip("joblib.externals.loky", reason="extra `dask`")
    grid = {"a": range(60), "folder": [str(tmp_path)]}
    with killed_workers(tmp_path, 2, every=0.1) as killed:
        study = tmf.sweep(counted, grid, rng=1, executor=loky.get_reusable_executor(2))
    loky.get_reusable_executor(2).shutdown()
    assert killed and told(study) == told(tmf.sweep(counted, grid, rng=1))


# -------------------------------------------------------------------------------------------------- pools of processes


def pool(workers=2, **more):
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), **more)


def test_a_cell_that_kills_its_process_is_an_error_and_stops_nothing(tmp_path):
    with pool() as executor:
        study = tmf.sweep(deadly, {"a": range(8), "folder": [str(tmp_path)]}, rng=1, executor=executor)
    assert [error[:25] for error in study.errors] == [""] * 3 + ["process: the process died"] + [""] * 4
    assert [a for _, a, _ in notes(tmp_path)].count("3") == 1 + executors.TRIES


def test_killed_workers_lose_no_finished_cell(tmp_path, monkeypatch):
    """Who has ended is not begun again."""
    monkeypatch.setattr(executors, "TRIES", 10)  # a cell may be unlucky more than once
    seen = []
    with killed_workers(tmp_path, 8) as killed, pool() as executor:
        study = tmf.sweep(
            counted, {"a": range(300), "folder": [str(tmp_path)]}, rng=1, executor=executor, progress=lambda done, total: seen.append(done)
        )  # fmt: skip
    assert len(killed) >= 3 and study.errors == ("",) * 300
    assert seen == [*range(1, 301), 300]  # every cell is counted once
    assert told(study)[0]["value"] == told(tmf.sweep(counted, {"a": range(300), "folder": [str(tmp_path)]}, rng=1))[0]["value"]


def fail_to_start():
    os._exit(1)


def test_a_pool_that_never_starts_is_an_error(monkeypatch):
    monkeypatch.setattr(executors, "BARREN", 2)
    with pool(workers=1, initializer=fail_to_start) as executor, pytest.raises(BrokenExecutor):
        tmf.sweep(nothing, {"a": [1, 2]}, executor=executor)
