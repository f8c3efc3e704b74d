"""Objects that several threads use at a time: games, policies, schedules and solvers freely, a Population by one call at a time.

On an interpreter without the lock the threads run at once; with it they take turns at any bytecode.
"""

import re
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._model.core import KNOWN

THREADS = 4


@pytest.fixture(autouse=True)
def _turns_change_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(*jobs):
    """What the jobs return; they begin together, on a thread each."""
    ready = threading.Barrier(len(jobs))

    def begin(job):
        ready.wait(30)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(begin, jobs))


def insist(call):
    """Call until no other call is in the way."""
    for _ in range(100_000):
        try:
            return call()
        except RuntimeError as error:
            if "one call at a time" not in str(error):
                raise
            time.sleep(1e-5)
    raise AssertionError("another call never ends")


def in_functions(**passive):
    """A game of Python functions; in sweeps their tables are kept from one function of the game to the next."""
    return tmf.Game(
        3, 2, 4, 0.9, [0.5, 0.3, 0.2], lambda mu: np.outer(1 - mu, [1.0, 0.5]),
        lambda mu: np.tile(0.5 * mu + 0.5 / 3, (3, 2, 1)), passive_reward=lambda mu: -mu, **passive,
    )  # fmt: skip


GAMES = {
    "compiled": lambda: tmf.games.queueing(horizon=4),
    "arrays": lambda: tmf.Game(
        3, 2, 5, 0.9, [0.5, 0.3, 0.2], np.arange(6.0).reshape(3, 2), np.full((3, 2, 3), 1 / 3),
        passive_transition=np.full((3, 3), 1 / 3),
    ),
    "functions": lambda: in_functions(passive_transition=np.full((3, 3), 1 / 3)),
    "functions in sweeps": lambda: in_functions(passive_rates=0.3 * (np.full((3, 3), 1 / 3) - np.eye(3)), time="sweeps"),
    "joint": lambda: tmf.games.joint(
        3, n_actions=2, horizon=4, discount=0.9, initial=[0.5, 0.3, 0.2],
        reward=lambda law, mu, t: np.outer(1 - mu, [1.0, 0.5]) - law,
        transition=lambda law, mu, t: np.tile(0.5 * mu + 0.5 / 3, (3, 2, 1)),
    ),
    "meetings": lambda: tmf.games.pairwise_revision([[0.0, 2.0], [1.0, 0.5]], horizon=6),
}  # fmt: skip


def results(game, policy, schedule, solver):
    """Numbers of many verbs on the same objects."""
    n = 60
    run = tmf.simulate(game, policy, schedule, n, replicas=20, rng=3)
    flow = tmf.mean_field(game, policy, schedule, n)
    value = tmf.evaluate(game, policy, schedule, n)
    best = tmf.best_response(game, flow, schedule, n)
    solution = solver.solve(game, schedule, n, rng=2)
    return [
        run.counts, run.returns, flow.mu, value.mean_return, best.values,
        tmf.exploitability(game, policy, schedule, n), solution.policy.table, solution.exploitability,
    ]  # fmt: skip


@pytest.mark.parametrize("name", GAMES)
def test_verbs_share_objects(name):
    """Threads that have never called anything with these objects get the bits of one thread."""
    schedule = tmf.Sequential() if name == "meetings" else tmf.Batch(6)

    def fresh():
        game = GAMES[name]()
        n_obs, n_act = game.n_observations, game.n_actions
        table = np.random.default_rng(1).dirichlet(np.ones(n_act), n_obs)
        solver = tmf.solvers.MirrorDescent(iterations=3, tolerance=None)
        return game, tmf.TabularPolicy(table), schedule, solver

    alone = results(*fresh())
    shared = fresh()
    for found in at_once(*[lambda: results(*shared)] * THREADS):
        for own, one in zip(found, alone, strict=True):
            np.testing.assert_array_equal(own, one)


def test_a_game_in_sweeps_is_cut_for_many_schedules():
    """More step lengths than are kept: each thread drops some that others have made or drop."""
    game = tmf.games.queueing(horizon=3)
    sizes = list(range(1, 3 * KNOWN))

    def cut(order):
        for _ in range(20):
            for size in order:
                made = game.at(tmf.Batch(size), 120)
                assert made.dt == size / 120 and made._whole is game
        return len(game._known) <= KNOWN + THREADS

    orders = [np.random.default_rng(k).permutation(sizes).tolist() for k in range(THREADS)]
    assert at_once(*[lambda order=order: cut(order) for order in orders]) == [True] * THREADS
    assert len(game._known) <= KNOWN


# ---------------------------------------------------------------------------------------------------- populations


def paid_by_action():
    """All agents act at every step: action a pays 100**a, so that returns count the steps of each action."""
    rows = np.random.default_rng(2).dirichlet(np.ones(3), (3, 4))
    return tmf.Game(3, 4, 10_000, 1.0, [0.5, 0.3, 0.2], np.tile(100.0 ** np.arange(4), (3, 1)), rows)


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("kind", ["tables", "arrays"])
def test_each_step_is_of_the_policy_that_its_thread_gave(engine, kind):
    """Threads step one population with policies of their own: a call is refused, or makes its step with its policy."""
    game = paid_by_action()
    population = tmf.Population(game, tmf.Synchronous(), 50, engine=engine, rng=1)

    def play(action):
        table = np.tile(np.eye(4)[action], (3, 1))
        policy = tmf.TabularPolicy(table) if kind == "tables" else table
        for _ in range(40):
            insist(lambda: population.step(policy))

    at_once(*[lambda a=a: play(a) for a in range(THREADS)])
    assert population.t == 40 * THREADS
    assert population.returns[0] == 40 * (100.0 ** np.arange(THREADS)).sum()
    assert population.counts.sum() == 50


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_all_methods_of_a_population_at_once(engine):
    """Steps, decisions from outside, copies, restarts: each is whole or refused, so that any copy is a sound state."""
    game = paid_by_action()
    population = tmf.Population(game, tmf.Bernoulli(0.5), 50, engine=engine, rng=1)
    policy = tmf.TabularPolicy(np.full((3, 4), 0.25))
    copies = []

    def step():
        population.step(policy, 2)

    def act():
        drawn = population.draw()
        if engine == "counts":
            decisions = np.zeros((3, 4), np.int64)
            decisions[:, 1] = drawn[0]
        else:
            decisions = np.where(drawn[0], 1, -1)
        population.act(decisions)

    def look():
        assert population.counts.shape == (1, 3) and population.rewards.shape == (1,)
        copies.append(population.copy())
        if engine == "agents":
            assert population.observations.max() < 3

    def many(one):
        done = 0
        for _ in range(60):
            try:
                insist(one)
                done += 1
            except ValueError as error:  # another thread has drawn who acts, or acted, between two calls of this one
                if one not in (step, act) or not re.search("draw|acting agents|sum|act at", str(error)):
                    raise
        return done

    assert all(at_once(*[lambda one=one: many(one) for one in (step, act, look, population.restart)]))
    for copy in copies[::10]:
        assert copy.counts.sum() == 50
        again = copy.copy()
        for one in (copy, again):
            if one._kernel.drawn:
                one.act(np.full(50, 1) if engine == "agents" else one.draw()[0][:, np.newaxis] * [1, 0, 0, 0])
            one.step(policy, 3)
        np.testing.assert_array_equal(copy.counts, again.counts)
        np.testing.assert_array_equal(copy.returns, again.returns)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_interrupts_leave_a_population_whole():
    """At any moment, also between two lines of Python: it is not in use after that, and t is that of its state."""
    game = paid_by_action()
    policy = tmf.TabularPolicy(np.tile(np.eye(4)[0], (3, 1)))  # pays 1 a step
    population = tmf.Population(game.replace(horizon=10**9), tmf.Synchronous(), 50, rng=1)

    class Interrupt(Exception):
        pass

    def interrupt(*_):
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for k in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-4 + k * 1e-6)
                while True:
                    population.step(policy)
            except Interrupt:
                pass
            assert population.t == population.returns[0]
            population.step(policy)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---------------------------------------------------------------------------------------------------- other objects


def test_one_limit_of_memory_on_many_threads():
    """A max_memory object may be entered by several threads, and again inside."""
    limit = tmf.max_memory("1 MB")
    game, schedule = tmf.games.queueing(horizon=20), tmf.Batch(10)
    policy = tmf.TabularPolicy.uniform(game)

    def refused():
        with limit, limit:
            with pytest.raises(MemoryError, match="max_memory is 1 MB"):
                tmf.simulate(game, policy, schedule, 1000, replicas=4000, rng=1)
        return tmf.mean_field(game, policy, schedule, 1000).mu[-1]

    def many():
        return [refused() for _ in range(20)]

    found = at_once(*[many] * THREADS)
    assert (np.array(found) == found[0][0]).all()


def test_one_generator_is_no_shared_object_but_one_seed_is():
    """Integer seeds may be used by any number of threads."""
    game, schedule = tmf.games.queueing(horizon=4), tmf.Batch(10)
    policy = tmf.TabularPolicy.uniform(game)
    found = at_once(*[lambda: tmf.simulate(game, policy, schedule, 100, replicas=8, rng=7).counts] * THREADS)
    for one in found:
        np.testing.assert_array_equal(one, found[0])


def test_results_are_saved_to_one_file_by_many_threads(tmp_path):
    """The file is always a whole one."""
    game, schedule = tmf.games.queueing(horizon=4), tmf.Batch(10)
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), schedule, 100, replicas=8, rng=7)
    path = tmp_path / "run.npz"
    run.save(path)

    def both():
        for _ in range(10):
            run.save(path)
            np.testing.assert_array_equal(tmf.load(path).counts, run.counts)

    at_once(*[both] * THREADS)
    assert [each.name for each in tmp_path.iterdir()] == ["run.npz"]
