"""Ctrl-C: it ends every call soon, leaves no thread, and hands over what was done.

Bounds are of processor time; `python -m tests.interrupts` measures.
"""

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from interrupts.calls import CALLS, THREADED, dense, of_functions, resources, uniform

import tmfcore as tmf
from tmfcore._base import pieces
from tmfcore._base.interrupts import StopFlag, Stopped
from tmfcore._base.threads import Together, over_replicas
from tmfcore._population.runs import Run

SOON = 5.0  # seconds of processor time, which other programs do not change
LONG = 2_000_000_000  # steps


@pytest.fixture(autouse=True)
def sigint():
    """Python's own handler, also where SIGINT is inherited as ignored; no thread of ours is left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
    assert not helpers()


def helpers():
    """Our threads that do not end soon: those of a pool that was being made are on their way home."""
    found = [thread for thread in threading.enumerate() if thread.name.startswith("tmfcore")]
    for thread in found:
        thread.join(SOON)
    return [thread for thread in found if thread.is_alive()]


def interrupted(call, wait=0.1):
    """The KeyboardInterrupt that came out of call(), of SIGINT sent to this process `wait` seconds after its begin."""
    sent = []

    def send():
        sent.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)

    def again(lost):
        """Python drops an interrupt that comes in a callback of a weak reference; its user would press Ctrl-C again."""
        if lost.exc_type is KeyboardInterrupt:
            timers.append(threading.Timer(wait, send))
            timers[-1].start()
        else:
            reports(lost)

    reports, sys.unraisablehook = sys.unraisablehook, again
    timers = [threading.Timer(wait, send)]
    timers[0].start()
    try:
        with pytest.raises(KeyboardInterrupt) as found:
            call()
        taken = time.process_time() - sent[-1]
    finally:  # no signal meets what runs after the call
        for timer in timers:
            timer.cancel()
            timer.join()
        sys.unraisablehook = reports
    assert taken < SOON
    return found.value


# One of each kind of kernel; the command of the page measures all.
KINDS = (
    "simulate, 10^8 agents one by one, half of them act", "simulate, agents, sequential", "simulate, counts, sequential",
    "simulate, counts, batches of 100", "simulate, 64 replicas side by side", "simulate, rare mutation",
    "simulate, Python functions", "simulate, a policy of Python", "Population.step, counts", "mean_field, 10^9 steps",
    "mean_field, Python functions", "exploitability, many steps", "MirrorDescent", "Stationary", "MFOMO",
    "TMFPG, critic of samples", "fluctuations, S = 800", "convergence", "user_equilibrium",
)  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.broad(8)
def test_ctrl_c_ends_a_call_soon(name, threads):
    """And no thread is left."""
    if threads == 2 and name not in THREADED:
        return
    call = CALLS[name](threads) if name in THREADED else CALLS[name]()
    interrupted(call)
    assert not helpers()


# -------------------------------------------------------------------------------------------------- what is handed over


def shorter(game, n_steps):
    return game.replace(horizon=n_steps)


@pytest.mark.parametrize(
    ("schedule", "engine"),
    [(tmf.Sequential(), "counts"), (tmf.Batch(7), "counts"), (tmf.Synchronous(), "counts"), (tmf.Synchronous(), "agents"),
     (tmf.Sequential(), "agents"), (tmf.Batch(3), "agents")],
)  # fmt: skip
@pytest.mark.parametrize("decisions", [True, False])
@pytest.mark.broad
def test_partial_of_one_run_is_a_run_of_fewer_steps(schedule, engine, decisions):
    """The same bits as if the horizon had been the step that was reached."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.5), congestion=1.0, horizon=LONG, step=1.0, discount=0.999)
    policy, options = uniform(game), {"engine": engine, "decisions": decisions, "rng": 3}
    run = interrupted(
        lambda: tmf.simulate(game, policy, schedule, 50, record_every=20_003, **options), wait=0.15
    ).partial
    again = tmf.simulate(shorter(game, run.horizon), policy, schedule, 50, record_every=20_003, **options)
    assert isinstance(run, tmf.Simulation) and 0 < run.horizon < LONG
    for name in ("counts", "rewards", "decisions", "steps"):
        np.testing.assert_array_equal(getattr(run, name), getattr(again, name))
    np.testing.assert_array_equal(run.returns, again.returns)


def test_partial_of_replicas_side_by_side_has_those_that_are_furthest():
    game = resources(horizon=LONG, step=1.0, discount=0.9999)
    run = interrupted(
        lambda: tmf.simulate(game, uniform(game), tmf.Sequential(), 50, replicas=20, rng=3, record_every=100_003, threads=1)
    ).partial
    again = tmf.simulate(
        shorter(game, run.horizon), uniform(game), tmf.Sequential(), 50, replicas=20, rng=3, record_every=100_003
    )
    assert 4 <= run.replicas <= 16
    np.testing.assert_array_equal(run.counts, again.counts[: run.replicas])
    np.testing.assert_array_equal(run.decisions, again.decisions[: run.replicas])
    np.testing.assert_array_equal(run.rewards, again.rewards[: run.replicas])
    np.testing.assert_array_equal(run.returns, again.returns[: run.replicas])


@pytest.mark.parametrize("threads", [1, 2])
def test_partial_of_replicas_has_the_finished_ones(threads):
    """The last of 60 replicas waits for Ctrl-C, in a policy."""
    game = resources(horizon=50, step=1.0)
    calls, rows = [], np.full((8, 8), 1 / 8)

    def policy(mu, t):
        calls.append(t)
        if len(calls) == 30 * 50:
            _thread.interrupt_main()
        if len(calls) >= 30 * 50:
            time.sleep(0.01)  # the main thread looks every 50 ms: the others must not have finished by then
        return rows

    with pytest.raises(KeyboardInterrupt) as found:
        tmf.simulate(game, policy, tmf.Batch(10), 100, replicas=60, rng=3, threads=threads)
    run = found.value.partial
    calls.clear()
    whole = tmf.simulate(game, lambda mu, t: rows, tmf.Batch(10), 100, replicas=60, rng=3)
    assert run.horizon == 50 and 10 <= run.replicas < 60
    if threads == 1:
        np.testing.assert_array_equal(run.counts, whole.counts[: run.replicas])
        np.testing.assert_array_equal(run.returns, whole.returns[: run.replicas])


def test_an_error_of_the_game_carries_the_finished_replicas():
    game = resources(horizon=20, step=1.0)
    rows, calls = np.full((8, 8), 1 / 8), []

    def policy(mu, t):
        calls.append(t)
        return rows if len(calls) <= 65 else rows * 2

    with pytest.raises(ValueError, match="sum") as found:
        tmf.simulate(game, policy, tmf.Batch(10), 100, replicas=5, rng=3)
    assert found.value.partial.replicas == 3 and found.value.partial.horizon == 20
    with pytest.raises(ValueError, match="sum") as found:
        tmf.simulate(game, policy, tmf.Batch(10), 100, replicas=5, rng=3)
    assert found.value.partial is None


def test_partial_of_a_solve():
    game = tmf.games.crowd_motion((12, 12), horizon=100.0)
    solver = tmf.solvers.MirrorDescent(tolerance=1e-15, absolute_tolerance=None, iterations=10**6)
    solution = interrupted(lambda: solver.solve(game, tmf.Synchronous()), wait=0.5).partial
    assert isinstance(solution, tmf.solvers.Solution) and "interrupted" in solution.reason
    again = tmf.exploitability(game, solution.policy, tmf.Synchronous())
    assert again == pytest.approx(solution.exploitability, rel=1e-9)


@pytest.mark.filterwarnings("ignore::tmfcore.ConvergenceWarning")
@pytest.mark.parametrize("name", ["MirrorDescent", "PriorDescent", "FictitiousPlay", "FixedPoint", "Homotopy", "MFOMO"])
@pytest.mark.broad(2)
def test_partial_of_a_solve_is_its_best_policy_wherever_it_ends(name):
    """The best policy is the rule's until it changes, and a copy afterwards."""
    left, schedule = [0], tmf.Synchronous()

    def transition(mu, t):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return np.stack([0.9 * np.eye(3) + 0.1 * mu, 0.9 * np.eye(3)[[1, 2, 0]] + 0.1 * mu], axis=1)

    def reward(mu, t):
        return np.repeat(np.array([1.0, 0.8, 0.5])[:, None] - 3 * mu[:, None], 2, axis=1)

    game = tmf.Game(3, 2, 6, 0.9, [0.6, 0.3, 0.1], reward, transition)
    solver, found = getattr(tmf.solvers, name)(tolerance=1e-12, absolute_tolerance=None, iterations=40), []
    for calls in range(20, 400, 7):
        left[0] = calls
        try:
            solver.solve(game, schedule)
        except KeyboardInterrupt as error:
            found.append(getattr(error, "partial", None))  # none before the first iteration
        left[0] = 0
    found = [one for one in found if one is not None]
    gaps = [one.exploitability for one in found]
    assert len(gaps) > 5 and sorted(gaps, reverse=True) == gaps
    for solution in found:
        assert tmf.exploitability(game, solution.policy, schedule) == pytest.approx(solution.exploitability, abs=1e-12)
        assert solution.exploitability == pytest.approx(solution.history["exploitability"].min(), abs=1e-12)


@pytest.mark.filterwarnings("ignore::tmfcore.ConvergenceWarning")
def test_an_interrupted_solve_goes_on_whatever_its_size():
    game = tmf.games.crowd_motion((40, 40), horizon=130.0)  # more than a million probabilities
    solver = tmf.solvers.MirrorDescent(tolerance=1e-15, absolute_tolerance=None, iterations=4)

    def stop(iteration):
        if iteration.iteration == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as found:
        solver.solve(game, tmf.Synchronous(), callback=stop)
    rest = tmf.solvers.MirrorDescent(tolerance=1e-15, absolute_tolerance=None, iterations=2)
    ended = rest.solve(game, tmf.Synchronous(), initial=found.value.partial)
    whole = solver.solve(game, tmf.Synchronous())
    np.testing.assert_array_equal(ended.policy.table, whole.policy.table)


def test_partial_of_a_study_has_the_points_that_are_measured():
    game, seen = resources(horizon=20), []

    def stop(done, total):
        seen.append(total)
        if done > 0.3 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as found:
        tmf.analysis.convergence(
            game, uniform(game), tmf.Sequential(), [10, 100, 100_000], replicas=20, rng=1, progress=stop
        )
    study = found.value.partial
    whole = tmf.analysis.convergence(game, uniform(game), tmf.Sequential(), [10, 100], replicas=20, rng=1)
    assert study.equals(whole)


@pytest.mark.parametrize("piece", [5, pieces.PIECE])
@pytest.mark.parametrize("missing", [[3], [0], [19], [3, 4, 9, 17], []])
def test_finished_replicas_are_handed_over_without_a_copy(monkeypatch, missing, piece):
    """In their order, where those between them have not ended."""
    monkeypatch.setattr(pieces, "PIECE", piece)
    rng = np.random.default_rng(1)
    arrays = {"counts": rng.random((20, 4, 3)), "rewards": rng.random((20, 3)), "returns": rng.random(20)}
    before = {name: array.copy() for name, array in arrays.items()}
    made = np.full((20, 1), 3)
    made[missing] = 2
    reached, rows = Run.so_far(SimpleNamespace(first=0, horizon=3, decisions=None, **arrays), made, whole=True)
    assert reached == 3 and isinstance(rows, slice)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array[rows], np.delete(before[name], missing, axis=0))


# ----------------------------------------------------------------------------------------------------------- the mechanism


def test_a_population_that_is_interrupted_is_as_before():
    game = resources(horizon=LONG, step=1.0)
    for engine, schedule in (("counts", tmf.Batch(5)), ("agents", tmf.Synchronous()), ("agents", tmf.Fraction(0.5))):
        population = tmf.Population(game, schedule, 4_000_000, rng=1, engine=engine)
        population.step(uniform(game), 3)
        before, copy = population.counts.copy(), population.copy()
        interrupted(lambda held=population: held.step(uniform(game), LONG // 2))
        np.testing.assert_array_equal(population.counts, before)
        population.step(uniform(game), 2)
        copy.step(uniform(game), 2)
        np.testing.assert_array_equal(population.counts, copy.counts)


def test_what_runs_after_an_interrupt_is_not_stopped():
    game = resources(horizon=LONG, step=1.0)
    policy = uniform(game)
    for threads in (1, 2):
        interrupted(lambda n=threads: tmf.simulate(game, policy, tmf.Synchronous(), 50, replicas=4, rng=1, record_every=LONG, threads=n))
        short = shorter(game, 1000)
        one = tmf.simulate(short, policy, tmf.Synchronous(), 50, replicas=40, rng=1, threads=threads)
        two = tmf.simulate(short, policy, tmf.Synchronous(), 50, replicas=40, rng=1)
        np.testing.assert_array_equal(one.counts, two.counts)


def test_ctrl_c_ends_the_call_of_the_main_thread_only():
    """A call on another thread goes on to its end."""
    game, done = resources(horizon=3_000_000, step=1.0), []

    def other():
        done.append(tmf.simulate(game, uniform(game), tmf.Batch(20), 10**5, rng=1, record_every=10**6, decisions=False))

    thread = threading.Thread(target=other)
    thread.start()
    endless = resources(horizon=LONG, step=1.0)
    interrupted(lambda: tmf.simulate(endless, uniform(endless), tmf.Synchronous(), 50, rng=1, record_every=LONG))
    thread.join()
    assert done[0].horizon == 3_000_000


def test_handlers_of_other_signals_run_during_a_call():
    """And the call goes on, if they do not raise."""
    game, seen = resources(horizon=300_000, step=1.0), []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    try:
        timer = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        timer.start()
        run = tmf.simulate(game, uniform(game), tmf.Synchronous(), 10**6, rng=1, record_every=300_000, engine="counts")
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert run.horizon == 300_000 and seen == [signal.SIGUSR1]


FORKED = """
import os, signal, sys, threading, time
import numpy as np
import tmfcore as tmf
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.alarm(60)
game = tmf.games.resource_selection((1.0, 0.8), congestion=1.0, horizon=2_000_000_000, step=1.0)
policy = tmf.TabularPolicy.uniform(game)
def play():
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        tmf.simulate(game, policy, tmf.Batch(10), 1000, rng=1, record_every=10**9, decisions=False)
    except KeyboardInterrupt:
        return 7
    return 1
def fork():
    child = os.fork()
    if child == 0:
        os._exit(play())
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
codes = []
fork()
thread = threading.Thread(target=fork)
thread.start()
thread.join()
print(codes, play())
"""


def test_a_child_is_interrupted_too():
    """Also one that another thread than the main one has forked: it is then the main thread."""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout == "[7, 7] 7\n", ended.stderr


def test_stops_reach_the_calls_that_a_call_makes():
    """A thread that works for a call, and makes another one on threads."""
    outer = StopFlag()

    def inner():
        outer.set()
        over_replicas(lambda r: None, 100, 2, 1e-3)

    with pytest.raises(Stopped):
        outer.heeded(inner)
    assert outer.is_set() and not StopFlag().is_set()
    over_replicas(lambda r: None, 100, 2, 1e-3)


def test_an_error_in_one_replica_ends_the_kernels_of_the_others():
    game = resources(horizon=LONG, step=1.0)

    def job(r):
        if r == 1:
            time.sleep(0.1)
            raise ValueError("replica 1")
        tmf.simulate(game, uniform(game), tmf.Synchronous(), 50, rng=1, record_every=LONG, threads=1)

    began = time.process_time()
    with pytest.raises(ValueError, match="replica 1"):
        over_replicas(job, 2, 2, 1.0)
    together = Together(2)
    with pytest.raises(ValueError, match="replica 1"):
        together([lambda: job(0), lambda: job(1)], None)
    together.close()
    assert time.process_time() - began < 2 * SOON


def test_progress_of_one_run_moves_by_steps():
    game, seen = resources(horizon=3_000_000, step=1.0), []
    tmf.simulate(
        game, uniform(game), tmf.Batch(20), 10**5, rng=1, record_every=10**6, decisions=False,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert len({done for done, _ in seen}) > 2 and seen[-1] == (3_000_000, 3_000_000)


def test_the_calls_of_the_page_are_made_of_working_parts():
    """Those of dense games and of functions are built here; a page is measured by hand."""
    assert dense(3, 2, 4).n_steps == 4 and of_functions(5).n_observations == 20 and set(KINDS) <= set(CALLS)


def test_an_interrupt_that_python_drops_is_sent_again():
    """The helper of these tests, on a call that gets its first interrupt in a callback of a weak reference."""
    dropped = []

    class Dying:
        pass

    def callback(_):
        dropped.append(True)
        time.sleep(1.0)  # the interrupt comes here

    def call():
        one = Dying()
        kept = weakref.ref(one, callback)
        del one
        assert kept() is None
        CALLS["simulate, counts, sequential"](1)()

    interrupted(call)
    assert dropped
