"""Sweeps on pools of processes and threads: the bits of this process, whatever dies."""

import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from processes import forking, start_server

import tmfcore as tmf
from sweep_cases import Weighty, counted, evenly, how_it_broke, notes, nothing, pair, told, unlucky, weigh
from tmfcore._base import executors, parcels

GRID = {"a": [1, 2, 3], "b": [0.5, 1.5]}


FORKS = forking("tmfcore", "sweep_cases")


@pytest.fixture(autouse=True, scope="module")
def server():
    start_server()


def pool(context=FORKS, workers=2, **more):
    return ProcessPoolExecutor(workers, mp_context=context, **more)


@pytest.mark.parametrize("context", [get_context("spawn"), FORKS], ids=["spawn", "forkserver"])
def test_processes_give_the_bits_of_this_process(context):
    with pool(context) as executor:
        study = tmf.sweep(pair, GRID, replicas=3, rng=1, executor=executor)
        games = {"short": tmf.games.left_right(horizon=2), "long": tmf.games.left_right(horizon=4)}
        played = tmf.sweep(evenly, {"game": games, "n_agents": [10, 20]}, rng=3, executor=executor)
    assert told(study) == told(tmf.sweep(pair, GRID, replicas=3, rng=1))
    assert told(played) == told(tmf.sweep(evenly, {"game": games, "n_agents": [10, 20]}, rng=3))


def test_threads_give_the_bits_of_this_process():
    with ThreadPoolExecutor(3) as executor:
        study = tmf.sweep(pair, GRID, replicas=3, rng=1, executor=executor)
    assert told(study) == told(tmf.sweep(pair, GRID, replicas=3, rng=1))


def test_a_cell_whose_process_dies_is_computed_again(tmp_path):
    grid = {"a": range(12), "folder": [str(tmp_path)]}
    with pool() as executor:
        study = tmf.sweep(unlucky, grid, rng=1, executor=executor)
    assert told(study) == told(tmf.sweep(unlucky, grid, rng=1))
    assert (tmp_path / "tried").exists() and len(study) == 12


def test_what_cannot_be_sent_is_named(monkeypatch):
    monkeypatch.setattr(parcels, "_pickled", parcels.pickle.dumps)  # as without cloudpickle
    with pool(workers=1) as executor:
        with pytest.raises(TypeError, match=r"^function is a function that cannot be sent to other processes .*; must be one that can be pickled"):
            tmf.sweep(lambda a: a, {"a": [1]}, executor=executor)
        game = tmf.Game(1, 1, 2, 1.0, [1.0], lambda mu: [[0.0]], [[[1.0]]])
        with pytest.raises(TypeError, match=r"^grid\['a'\]\[0\] is a Game that cannot be sent"):
            tmf.sweep(nothing, {"a": [game]}, executor=executor)


@pytest.mark.parametrize("workers", [1, 2])
def test_large_objects_travel_once_to_each_process(monkeypatch, workers):
    sent = []
    real = executors._Flight.supply
    monkeypatch.setattr(executors._Flight, "supply", lambda self, job, lacking: (sent.append(job.number), real(self, job, lacking)))
    weight = parcels.Shared(Weighty(), "weight")
    with pool(workers=workers) as executor:
        outcomes = dict(executors.over(executor, weigh, ((number, (weight, number)) for number in range(30))))
    assert {found["bytes"] for found in outcomes.values()} == {1 << 20} and len(outcomes) == 30
    assert {found["unpacked"] for found in outcomes.values()} == {1}
    assert len(set(sent)) == len(sent) >= len({found["process"] for found in outcomes.values()})
    if workers == 1:  # those under way before the first bytes came; of two processes, one may begin late and ask anew
        assert len(sent) <= 4


class Silent(Executor):
    """An executor of a Dask client that has closed: the futures that it gives never end."""

    class _client:
        status = "closed"

        @staticmethod
        def scheduler_info():
            raise AssertionError("a closed client is not asked")

    def submit(self, function, /, *arguments, **named):
        return Future()


def test_a_closed_dask_client_whose_futures_never_end_is_an_error():
    caught = how_it_broke(lambda: tmf.sweep(nothing, {"a": [1, 2]}, executor=Silent()), 10)
    assert len(caught) == 1 and "the Dask client is closed" in caught[0]


def test_no_more_jobs_are_taken_than_a_pool_can_use():
    taken = []

    def jobs():
        for number in range(1000):
            taken.append(number)
            yield number, (number,)

    with pool() as executor:
        found = executors.over(executor, nothing, jobs())
        next(found)
        assert len(taken) <= 2 * 2 + 2
        found.close()
    assert len(taken) < 20


def test_an_interrupt_ends_a_sweep_on_processes(tmp_path):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pool() as executor:
        began = time.perf_counter()
        with pytest.raises(KeyboardInterrupt) as caught:
            tmf.sweep(counted, {"a": range(1000), "folder": [str(tmp_path)]}, rng=1, executor=executor, progress=stop)
        assert time.perf_counter() - began < 8
    assert len(caught.value.partial) == 3
    assert len(notes(tmp_path)) < 100


def test_an_executor_that_is_shut_down_says_so():
    executor = pool()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        tmf.sweep(nothing, {"a": [1]}, executor=executor)
