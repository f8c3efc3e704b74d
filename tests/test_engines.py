"""Sweeps on the engines that people use: Dask, whose workers and schedulers die, and loky (extra `dask`)."""

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from processes import dask_engine, free_port

import tmfcore as tmf
from command_line import process, run
from sweep_cases import STUDY, counted, deadly, evenly, how_it_broke, notes, nothing, pair, told
from tmfcore._base import executors

distributed = pytest.importorskip("distributed", reason="extra `dask`")
pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]  # Dask's own, at its ends
GRID = {"a": [1, 2, 3], "b": [0.5, 1.5]}


@pytest.fixture(scope="module")
def cluster():
    import dask

    patient = {"distributed.deploy.lost-worker-timeout": "10 minutes"}  # it gives up killed workers that start slowly
    with dask.config.set(patient), distributed.LocalCluster(
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


def test_a_cluster_that_loses_all_workers_is_an_error(monkeypatch):
    monkeypatch.setattr(executors, "WORKERLESS", 0.5)
    monkeypatch.setattr(executors, "LOOK", 0.2)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50
    ) as made, distributed.Client(made) as client:  # fmt: skip
        client.wait_for_workers(1)

        def play():
            for _ in executors.over(client.get_executor(), time.sleep, ((number, (0.1 + number / 1000,)) for number in range(50))):
                made.scale(0)

        caught = how_it_broke(play, 20)
    assert len(caught) == 1 and "all workers of the Dask cluster are gone" in caught[0]


@pytest.mark.parametrize("result", [(1, 2, 3, 4), (1, 2, 3), 7])
def test_a_result_that_dask_takes_for_an_exception_is_computed_again(result):
    """Its worker died between the result and the question for its state: Dask unpacks what is no exception."""

    class Gone:
        status = "lost"

        async def _result(self, raiseit):
            return result

    async def lose(future):
        await distributed.cfexecutor._cascade_future(Gone(), future)

    class Forgetful(Executor):
        asked = 0

        def submit(self, function, /, *arguments):
            future = Future()
            self.asked += 1
            if self.asked % 2:
                asyncio.run(lose(future))
            else:
                future.set_result(function(*arguments))
            return future

    executor = Forgetful()
    assert dict(executors.over(executor, abs, ((number, (-number,)) for number in range(3)))) == {0: 0, 1: 1, 2: 2}
    assert executor.asked > 3


def test_a_scheduler_killed_in_mid_sweep_and_another_that_goes_on(tmp_path):
    grid, store = {"a": range(150), "folder": [str(tmp_path)]}, tmp_path / "store"
    with dask_engine(tmp_path, free_port()) as (address, processes), distributed.Client(address, timeout=20) as client:
        client.wait_for_workers(2, timeout=20)

        def stop(done, total):
            if done == 40:
                processes[0].kill()

        with pytest.raises(Exception) as caught:
            tmf.sweep(counted, grid, rng=1, executor=client.get_executor(), store=store, progress=stop)
        kept = len(caught.value.partial)
    assert 40 <= kept < 150
    with dask_engine(tmp_path, free_port()) as (address, _), distributed.Client(address, timeout=20) as client:
        client.wait_for_workers(2, timeout=20)
        seen = []
        study = tmf.sweep(
            counted, grid, rng=1, executor=client.get_executor(), store=store, progress=lambda done, total: seen.append(done)
        )  # fmt: skip
    assert seen == [*range(kept + 1, 151), 150]
    assert told(study) == told(tmf.sweep(counted, grid, rng=1))


# ------------------------------------------------------------------------------------------------------- other verbs

GAME = tmf.games.queueing(horizon=4)
UNIFORM = tmf.TabularPolicy.uniform(GAME)


def test_verbs_on_dask_give_the_bits_of_this_process(executor):
    def both(call):
        return call(None), call(executor)

    here, there = both(lambda on: tmf.simulate(GAME, UNIFORM, tmf.Batch(5), 50, replicas=20, rng=3, executor=on))
    assert there.equals(here)
    policy = tmf.SoftmaxPolicy(np.arange(16.0).reshape(4, 4))
    here, there = both(lambda on: tmf.finite_exploitability(GAME, policy, tmf.Fraction(0.2), 30, replicas=37, rng=2, executor=on))
    assert there.equals(here)
    who = {"B=N": tmf.Synchronous(), "p=0.3": tmf.Bernoulli(0.3)}
    here, there = both(lambda on: tmf.analysis.convergence(GAME, UNIFORM, who, [10, 30, 100], replicas=21, rng=5, executor=on))
    assert there.equals(here)


@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
def test_solves_on_dask_give_the_bits_of_this_process(executor, critic):
    solver = tmf.solvers.TMFPG(iterations=3, tolerance=None, critic=critic, replicas=2)
    here = solver.solve(GAME, tmf.Fraction(0.2), 40, rng=4)
    there = solver.solve(GAME, tmf.Fraction(0.2), 40, rng=4, executor=executor)
    assert there.policy == here.policy
    np.testing.assert_array_equal(there.history["exploitability"], here.history["exploitability"])


def test_tune_on_dask_gives_the_bits_of_this_process(executor):
    pytest.importorskip("optuna", reason="extra `tune`")
    games = [tmf.games.left_right(horizon=3), tmf.games.queueing(horizon=2)]
    options = {"solver": tmf.solvers.MirrorDescent(iterations=20), "trials": 3, "rng": 2}
    here = tmf.tune(games, tmf.Fraction(0.5), **options)
    there = tmf.tune(games, tmf.Fraction(0.5), executor=executor, **options)
    assert there.solver == here.solver and there.value == here.value
    assert [one.policy for one in there.solutions] == [one.policy for one in here.solutions]


def test_a_worker_killed_in_a_verb_changes_no_bit(executor, tmp_path):
    """The game's function kills its process, the first time only."""
    mark, driver = str(tmp_path / "killed"), os.getpid()

    def transition(mu, t):
        if t == 2 and os.getpid() != driver:
            with suppress(FileExistsError):
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
        return np.full((2, 2, 2), 0.5)

    game = tmf.Game(2, 2, 6, 0.9, [0.5, 0.5], np.zeros((2, 2)), transition)
    there = tmf.simulate(game, [[0.5, 0.5]] * 2, tmf.Batch(5), 20, replicas=8, rng=1, executor=executor)
    assert os.path.exists(mark)
    here = tmf.simulate(game, [[0.5, 0.5]] * 2, tmf.Batch(5), 20, replicas=8, rng=1)
    assert (there.counts == here.counts).all() and (there.returns == here.returns).all()


# --------------------------------------------------------------------------------------------------- the command line


def test_the_command_line_when_the_scheduler_dies_and_on_another_one(tmp_path):
    """One line that names the folder; the same command goes on, to the results of this process."""
    (tmp_path / "study.toml").write_text(STUDY.replace("[4, 40]", str(list(range(1, 41)))), encoding="utf-8")
    journal = tmp_path / "study.sweep" / "_journal.jsonl"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with dask_engine(tmp_path, free_port()) as (address, processes):
        command = subprocess.Popen(
            [sys.executable, "-m", "tmfcore", "sweep", "study.toml", "--dask", address], env=environment, cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end and not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
            time.sleep(0.005)
        processes[0].kill()
        _, errors = command.communicate(timeout=120)
    assert command.returncode == 1 and "the same command goes on from study.sweep" in errors
    assert len(errors.splitlines()) == 1, errors
    with dask_engine(tmp_path, free_port()) as (address, _):
        found = process("sweep", "study.toml", "--dask", address, "--resume", "--json", cwd=tmp_path, env=environment)
    assert found.returncode == 0, found.stderr
    here = process("sweep", "study.toml", "--store", "here", "--json", cwd=tmp_path, env=environment)
    found, here = json.loads(found.stdout), json.loads(here.stdout)
    assert found["calls"] == 80 and found["errors"] == [""] * 80
    assert found["results"] == here["results"]


def test_a_scheduler_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    result = run("sweep", "study.toml", "--dask", f"tcp://127.0.0.1:{free_port()}")
    assert result.exit_code == 2 and "--dask tcp://127.0.0.1" in result.output and len(result.output.splitlines()) == 1
    assert not os.path.exists("study.sweep")


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
