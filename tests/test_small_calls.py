"""What small calls share, keep or leave out for speed cannot be seen: not in results, inputs, seeds, pickles or threads."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._model.table_model import TableModel
from tmfcore._population.costs import seconds_per_step
from tmfcore._population.starts import rounded_counts
from tmfcore._results.records import Record

RNG = np.random.default_rng(3)
REWARD, TRANSITION = RNG.random((4, 2)), RNG.dirichlet(np.ones(4), size=(4, 2))
SCHEDULES = [tmf.Synchronous(), tmf.Sequential(), tmf.Batch(30), tmf.Fraction(0.3), tmf.Bernoulli(0.3)]


def small_game(**changes):
    given = {"initial": np.full(4, 0.25), "reward": REWARD, "transition": TRANSITION, "name": "small"} | changes
    return tmf.Game(4, 2, 6, 0.9, **given)


def arrays_of(value):
    """All arrays in the fields of a result."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from arrays_of(entry)
    elif isinstance(value, Record):
        yield from arrays_of(vars(value))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_results_are_read_only_and_inputs_stay_as_they_were(schedule):
    initial, reward, transition, table = np.full(4, 0.25), REWARD.copy(), TRANSITION.copy(), np.full((4, 2), 0.5)
    start = np.array([40, 30, 20, 10])
    inputs = (initial, reward, transition, table, start)
    before = [array.copy() for array in inputs]
    game = small_game(initial=initial, reward=reward, transition=transition)
    policy = tmf.TabularPolicy(table)
    flow = tmf.mean_field(game, policy, schedule, 100)
    results = [
        flow, tmf.evaluate(game, policy, schedule, 100), tmf.best_response(game, flow, schedule, 100).policy,
        tmf.simulate(game, policy, schedule, 100, start=start, rng=1), tmf.solve(game, schedule, 100),
        tmf.simulate(game, policy, schedule, 100, trajectories=True, rng=1),
    ]  # fmt: skip
    for result in results:
        found = list(arrays_of(result))
        assert found and not any(array.flags.writeable for array in found)
        copy = pickle.loads(pickle.dumps(result))
        assert copy.equals(result) and not any(array.flags.writeable for array in arrays_of(copy))
    for array, old in zip(inputs, before, strict=True):
        assert array.flags.writeable
        np.testing.assert_array_equal(array, old)
        array[...] = 0  # games and policies have copies
    np.testing.assert_array_equal(tmf.mean_field(game, policy, schedule, 100).mu, flow.mu)
    again = tmf.simulate(game, policy, schedule, 100, start=[40, 30, 20, 10], rng=1)
    np.testing.assert_array_equal(again.counts, results[3].counts)


def test_what_two_calls_share_cannot_be_written_to():
    for schedule in SCHEDULES:
        shared = [array for array in (*schedule._kernel(6, 100), schedule._active(6, 100)) if array is not None]
        own = [array for array in (*schedule._kernel(6, 100), schedule._active(6, 100)) if array is not None]
        for one, other in zip(shared, own, strict=True):
            assert not (one.flags.writeable and np.shares_memory(one, other))
    initial = np.array([0.3, 0.3, 0.4])
    first = rounded_counts(initial, 11)
    first[...] = 0
    assert rounded_counts(initial, 11).tolist() == [3, 3, 5]
    assert rounded_counts(initial, 12).tolist() == [4, 3, 5]


def test_a_model_shares_only_arrays_that_nobody_can_write_to():
    still = np.zeros(4), np.eye(4)
    for transition in (TRANSITION.copy(), np.broadcast_to(TRANSITION[0], (4, 2, 4)), np.asfortranarray(TRANSITION)):
        given = np.array(transition)
        model = TableModel(4, 2, REWARD, transition, *still)
        if transition.flags.writeable:
            transition[...] = np.nan
        np.testing.assert_array_equal(model.tables(np.full(4, 0.25))[1], given)
    written = TRANSITION.copy()
    view = written[:]
    view.flags.writeable = False
    model = TableModel(4, 2, REWARD, view, *still)  # a read-only view of an array that can be written to
    written[...] = np.nan
    np.testing.assert_array_equal(model.tables(np.full(4, 0.25))[1], TRANSITION)


def test_costs_are_those_of_the_game_and_the_call():
    """Costs are kept by what they depend on; other games, sizes and policies have their own."""
    game, still = small_game(), small_game(passive_transition=np.full((4, 4), 0.25))
    moving = small_game(transition=lambda mu: TRANSITION)
    uniform = tmf.TabularPolicy.uniform(game).kernel
    batch = np.array([30])
    calls = [
        (each.model, uniform, n, batch, None, decisions)
        for each in (game, still, moving) for n in (100, 10_000) for decisions in (True, False)
    ]  # fmt: skip
    found = [seconds_per_step(*call) for call in calls]
    assert found == [seconds_per_step(*call) for call in calls]
    assert len({tuple(costs.values()) for costs in found}) >= 8
    mixed = seconds_per_step(game.model, uniform, 100, np.array([30, 30, 100, 1]), None, True)
    each = [seconds_per_step(game.model, uniform, 100, np.array([b]), None, True)["counts"] for b in (30, 100, 1)]
    assert mixed["counts"] == pytest.approx((2 * each[0] + each[1] + each[2]) / 4)


def test_default_solvers_are_those_of_a_list_and_keep_no_changes():
    game = tmf.games.beach_bar(10, horizon=5)
    default = tmf.solve(game, tmf.Synchronous(), iterations=3, tolerance=None)
    assert default.history["iteration"][-1] <= 3
    free = tmf.solve(game, tmf.Synchronous())
    listed = tmf.solve(game, tmf.Synchronous(), solver=["MirrorDescent", "Homotopy", "FictitiousPlay"])
    assert free.converged and free.solver == listed.solver and free.reason == listed.reason
    np.testing.assert_array_equal(free.policy.table, listed.policy.table)


def test_a_solve_spawns_one_stream_per_solver_whether_it_is_used_or_not():
    game = tmf.games.left_right()
    rng = np.random.default_rng(5)
    tmf.solvers.MirrorDescent().solve(game, tmf.Synchronous(), rng=rng)
    assert rng.bit_generator.seed_seq.n_children_spawned == 1
    learner = tmf.solvers.TMFPG(iterations=2, tolerance=None)
    by_int = learner.solve(game, tmf.Batch(10), 100, rng=7)
    for same in (np.random.default_rng(7), np.random.SeedSequence(7), [7]):
        found = learner.solve(game, tmf.Batch(10), 100, rng=same)
        np.testing.assert_array_equal(found.policy.theta, by_int.policy.theta)
    with pytest.raises(ValueError, match="rng is -1"):
        tmf.solve(game, tmf.Synchronous(), rng=-1)


def test_calls_in_threads_are_those_of_one_thread():
    game, policy = small_game(), tmf.TabularPolicy.uniform(small_game())

    def call(i):
        schedule = SCHEDULES[i % len(SCHEDULES)]
        run = tmf.simulate(game, policy, schedule, 100 + i % 7, rng=i)
        return run.counts.tolist(), tmf.exploitability(game, policy, schedule, 100)

    expected = [call(i) for i in range(60)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(60))) == expected


def test_streams_without_a_seed_differ():
    game, policy = small_game(), tmf.TabularPolicy.uniform(small_game())
    runs = [tmf.simulate(game, policy, tmf.Synchronous(), 10**6, replicas=2) for _ in range(2)]
    assert len({tuple(counts) for run in runs for counts in run.counts[:, -1].tolist()}) == 4


def test_a_flow_belongs_to_every_schedule_with_its_fractions_and_to_no_other():
    game, policy = small_game(), tmf.TabularPolicy.uniform(small_game())
    flow = tmf.mean_field(game, policy, tmf.Batch(30), 100)
    for same in (tmf.Batch(30), tmf.Fraction(0.3), tmf.Batch([30] * 6)):
        assert np.isfinite(tmf.evaluate(game, policy, same, 100, flow=flow).mean_return)
    assert np.isfinite(tmf.evaluate(small_game(), policy, tmf.Batch(30), 100, flow=flow).mean_return)
    for schedule, n_agents in ((tmf.Batch(30), 200), (tmf.Batch(31), 100)):
        with pytest.raises(ValueError, match="active fraction differs"):
            tmf.evaluate(game, policy, schedule, n_agents, flow=flow)
    other = game.replace(discount=0.8)
    with pytest.raises(ValueError, match="game differs"):
        tmf.evaluate(other, policy, tmf.Batch(30), 100, flow=flow)
    run = tmf.simulate(game, policy, tmf.Batch(30), 100, rng=1)
    assert run.fingerprint == tmf.simulate(small_game(), policy, tmf.Batch(30), 100, rng=2).fingerprint
    assert run.fingerprint != tmf.simulate(other, policy, tmf.Batch(30), 100, rng=1).fingerprint


def test_arguments_of_at_are_checked_at_every_call():
    """The game of the last call is remembered for plain arguments only, and none is accepted and ignored."""
    game = tmf.games.resource_selection([1.0, 0.5], congestion=1.0, horizon=2)
    kept = game.at(tmf.Sequential(), 10)
    assert game.at(tmf.Sequential(), 10) is kept and game.at(tmf.Sequential(), np.int64(10)) is kept
    for _ in range(2):
        with pytest.raises((TypeError, ValueError), match="n_agents is"):
            game.at(tmf.Sequential(), np.array([10, 10]))
        with pytest.raises((TypeError, ValueError), match="n_agents is"):
            game.at(tmf.Sequential(), True)
    with pytest.raises(ValueError, match=r"the steps of a sweep follow from schedule and n_agents"):
        game.at(tmf.Sequential(), 2**40)
    with pytest.raises(ValueError, match=r"step is 0\.1 \(float\) beside schedule or n_agents; give either step, or those"):
        game.at(step=0.1, n_agents=10)


def answers_of(game, policy):
    """What simulate, mean_field and exploitability answer, as bytes, with fingerprints and with new seeds and numbers."""
    found = []
    for schedule in SCHEDULES:
        run = tmf.simulate(game, policy, schedule, 100, rng=5, replicas=2)
        sampled = tmf.simulate(game, policy, schedule, 100, rng=6, start="sampled", engine="agents")
        found += [run.counts, run.decisions, run.rewards, run.returns, sampled.counts, sampled.returns]
        found += [tmf.mean_field(game, policy, schedule, 100).mu, np.array(tmf.exploitability(game, policy, schedule, 100))]
    whole = "".join((run.fingerprint.game, run.fingerprint.schedule, run.fingerprint._digest("policy")))
    return b"".join(array.tobytes() for array in found) + whole.encode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("warm", [True, False], ids=["after calls of the parent", "before them"])
def test_a_forked_child_has_the_bits_of_its_parent(warm):
    """What calls keep (start counts, costs, games in steps, tables of meetings) is the same in a child."""
    games = [
        small_game(),
        small_game(reward=lambda mu: REWARD - mu[:, None]),
        tmf.games.resource_selection([1.0, 0.8, 0.6], congestion=1.0, horizon=2.0),
        tmf.games.infection_by_contact(horizon=2.0),
    ]
    cases = [(game, tmf.TabularPolicy.uniform(game)) for game in games]
    if warm:
        for case in cases:
            answers_of(*case)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump([answers_of(*case) for case in cases], pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert pickle.loads(told) == [answers_of(*case) for case in cases]
