"""Threads that the system does not start: the work is done by those it does, with the same result."""

import contextlib
import gc
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base import threads as _threads

N_AGENTS = 400_000  # four threads share a population of so many


@pytest.fixture
def few_threads(monkeypatch):
    """Call it with n: from now on only the next n threads start, and the others fail as the system's do."""
    start = threading.Thread.start

    def allow(n):
        left = iter(range(n))

        def limited(thread):
            if next(left, None) is None:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", limited)

    return allow


def play(threads, replicas=1, n_agents=N_AGENTS):
    game = tmf.games.resource_selection([1.0, 0.7, 0.3], congestion=np.ones(3), horizon=4, step=1).at()
    policy = tmf.TabularPolicy.uniform(game)
    return tmf.simulate(
        game, policy, tmf.Fraction(0.5), n_agents, replicas=replicas, engine="agents", rng=3, threads=threads
    ).counts


@pytest.mark.parametrize("started", [0, 1, 2])
def test_a_population_is_moved_by_the_threads_there_are(few_threads, started):
    """Of the 3 helpers asked for 0, 1 or 2 start: the counts are those of one thread, and nobody is left waiting."""
    alone = play(1)
    before = threading.active_count()
    few_threads(started)
    np.testing.assert_array_equal(play(4), alone)
    assert threading.active_count() == before


def test_helpers_go_home_when_the_start_of_others_is_interrupted(monkeypatch):
    """An interrupt while the third helper starts is passed on, and ends the first two."""
    start = threading.Thread.start

    def interrupted(thread):
        if thread.name == "tmfcore-3":
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        play(4)
    helpers = [thread for thread in threading.enumerate() if thread.name.startswith("tmfcore-")]
    for thread in helpers:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("started", [0, 1, 2])
def test_replicas_are_run_by_the_threads_there_are(few_threads, started):
    """The same over replicas, of which none is lost or run twice."""
    alone = play(1, replicas=9, n_agents=500)
    few_threads(started)
    np.testing.assert_array_equal(play(4, replicas=9, n_agents=500), alone)


@pytest.mark.parametrize("started", [0, 1, 3])
def test_jobs_side_by_side_are_run_by_the_threads_there_are(few_threads, started):
    """Results come in order, `aside` is done, and the first error is raised."""
    few_threads(started)
    done = []
    with contextlib.closing(_threads.Together(3)) as together:
        assert together([lambda i=i: i * i for i in range(7)], lambda: done.append(1)) == [i * i for i in range(7)]
        assert done == [1]

        def fail():
            raise ValueError("this one")

        with pytest.raises(ValueError, match="this one"):
            together([lambda: 1, fail], None)


def test_threads_of_a_pool_that_is_forgotten_go_home():
    """As in a solve that an error leaves."""
    before = set(threading.enumerate())
    together = _threads.Together(2)
    assert together([lambda: 1, lambda: 2], None) == [1, 2]
    helpers = set(threading.enumerate()) - before
    assert len(helpers) == 2
    del together
    gc.collect()
    for thread in helpers:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.thread_unsafe
def test_the_first_error_ends_the_other_replicas():
    """Chunks that wait are not begun, and the threads end."""
    before, ran = threading.active_count(), []

    def job(r):
        ran.append(r)
        if r == 0:
            raise ValueError("replica 0")
        time.sleep(1e-3)

    with pytest.raises(ValueError, match="replica 0"):
        _threads.over_replicas(job, 2_000, 2, 1.0)
    assert len(ran) < 2_000
    assert threading.active_count() == before


def test_an_error_among_many_replicas_costs_no_time_for_the_others():
    """A million jobs that take long: those that are not begun are not even written down."""

    def job(r):
        raise ValueError("at once")

    began = time.process_time()
    with pytest.raises(ValueError, match="at once"):
        _threads.over_replicas(job, 1_000_000, 2, 1.0)
    assert time.process_time() - began < 1.0


@pytest.mark.thread_unsafe
@pytest.mark.parametrize("together", [False, True])
def test_two_interrupts_wait_for_the_jobs(together):
    """An interrupt of a join must not be taken for the end of its thread."""
    ended, main = [], threading.main_thread().ident

    def job(_=None):
        for _ in range(2):
            time.sleep(0.1)
            signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.3)
        ended.append(True)

    def call():
        if not together:
            _threads.over_replicas(lambda r: job() if r == 0 else None, 2, 2, 1.0)
        with contextlib.closing(_threads.Together(2)) as pool:
            pool([job, lambda: None], None)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended


REAL = """
import resource, threading
import numpy as np
import tmfcore as tmf
game = tmf.games.resource_selection([1.0, 0.7, 0.3], congestion=np.ones(3), horizon=4)
def play(threads):
    return tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5), 600_000, engine="agents", rng=3,
                        threads=threads).counts
alone = play(1)
threading.stack_size(1 << 30)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (5 << 29), -1))
assert (play(6) == alone).all()
print("same")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits address space as Linux does")
@pytest.mark.skipif(bool(tmf.build_info()["sanitize"]), reason="sanitizers need the address space")
def test_threads_that_the_system_refuses():
    """pthread_create itself fails: stacks of 1 GB, and room for two of the five helpers'."""
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "same\n"
