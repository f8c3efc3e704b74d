"""simulate: start counts, recording, threads, progress, files and every error path. Laws are tested elsewhere."""

from __future__ import annotations

import threading
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from tmfcore._base.threads import available_processors, workers_for
from tmfcore._model.appearance import recorded_steps
from tmfcore._model.policies import as_policy
from tmfcore._population import agents as agents_kernel
from tmfcore._population import counts as counts_kernel
from tmfcore._population.costs import calls_python
from tmfcore._population.simulate import simulate
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import rounded_counts


@pytest.fixture
def game():
    return tmf.games.resource_selection((1.0, 0.8, 0.6), congestion=1.0, switching_cost=0.1, initial=(0.5, 0.25, 0.25), horizon=7, step=1).at()


@pytest.fixture
def uniform(game):
    return tmf.TabularPolicy.uniform(game)


def same(one: Simulation, two: Simulation) -> bool:
    arrays = ("counts", "decisions", "rewards", "returns", "steps")
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in arrays)


# ------------------------------------------------------------------------------------------------------- start counts


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda w: sum(w) > 1e-3),
    st.integers(1, 10**18),
)
def test_rounded_counts_are_a_largest_remainder_rounding(weights, n_agents):
    initial = np.array(weights) / np.sum(weights)
    counts = rounded_counts(initial, n_agents)
    scaled = [Fraction(int(p * 2.0**62)) for p in initial.tolist()]
    shares = [n_agents * w / sum(scaled) for w in scaled]
    assert int(counts.sum()) == n_agents
    assert all(abs(int(c) - share) < 1 for c, share in zip(counts, shares, strict=True))


def test_rounded_ties_go_to_the_lower_index():
    assert rounded_counts(np.array([0.25, 0.25, 0.25, 0.25]), 2).tolist() == [1, 1, 0, 0]
    assert rounded_counts(np.array([1 / 3, 1 / 3, 1 / 3]), 100).tolist() == [34, 33, 33]
    assert rounded_counts(np.array([0.0, 1.0]), 10**18).tolist() == [0, 10**18]


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_start(game, uniform, engine):
    def first(start, **options):
        return simulate(game, uniform, tmf.Sequential(), 10, engine=engine, start=start, rng=0, **options).counts[:, 0]

    assert first("rounded").tolist() == [[5, 3, 2]]
    assert first([1, 2, 7], replicas=2).tolist() == [[1, 2, 7], [1, 2, 7]]
    assert first([[1, 2, 7], [10, 0, 0]], replicas=2).tolist() == [[1, 2, 7], [10, 0, 0]]
    drawn = first("sampled", replicas=20)
    assert (drawn.sum(axis=1) == 10).all()
    assert len(np.unique(drawn, axis=0)) > 1


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        ("round", ValueError, "start is 'round'; must be one of 'rounded', 'sampled'"),
        ([1, 2, 3], ValueError, r"start sums to 6; must sum to n_agents = 10"),
        ([[1, 2, 7], [1, 2, 8]], ValueError, r"start\[1\] sums to 11; must sum to n_agents = 10 \(1 of 2 rows are bad\)"),
        ([[-1, 4, 7], [1, 2, 7]], ValueError, r"start\[0, 0\] is -1"),
        ([5, 5], ValueError, r"start has shape \(2,\)"),
        ([1.5, 1.5, 7.0], ValueError, r"start\[0\] is 1.5; must be an integer \(2 of 3 entries are bad\)"),
    ],
)
def test_bad_start(game, uniform, start, error, message):
    with pytest.raises(error, match=message):
        simulate(game, uniform, tmf.Sequential(), 10, replicas=2, start=start)


# ---------------------------------------------------------------------------------------------------------- recording


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("record_every", [1, 3, 7, 100])
def test_recording_does_not_change_the_run(game, uniform, engine, record_every):
    options = {"replicas": 3, "engine": engine, "rng": 5, "start": "sampled"}
    every = simulate(game, uniform, tmf.Batch(4), 30, **options)
    some = simulate(game, uniform, tmf.Batch(4), 30, record_every=record_every, **options)
    steps = recorded_steps(game.horizon, record_every)
    assert steps[0] == 0 and steps[-1] == game.horizon
    assert np.array_equal(some.steps, steps)
    assert np.array_equal(some.counts, every.counts[:, steps])
    assert np.array_equal(some.decisions, np.add.reduceat(every.decisions, steps[:-1], axis=1))
    np.testing.assert_allclose(some.rewards, np.add.reduceat(every.rewards, steps[:-1], axis=1))
    assert np.array_equal(some.returns, every.returns)


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_shapes_and_sums(game, uniform, engine):
    run = simulate(game, uniform, tmf.Batch(4), 30, replicas=2, engine=engine, rng=1)
    assert (run.engine, run.replicas, run.n_agents, run.horizon) == (engine, 2, 30, 7)
    assert (run.schedule, run.game) == ("B=4", game.name)
    assert run.counts.shape == (2, 8, 3) and (run.counts.sum(axis=-1) == 30).all() and (run.counts >= 0).all()
    assert run.decisions.shape == (2, 7, 3, 3) and (run.decisions.sum(axis=(-1, -2)) == 4).all()
    discounts = game.discount ** np.arange(7)
    np.testing.assert_allclose(run.returns, run.rewards @ discounts)
    np.testing.assert_array_equal(run.mu, run.counts / 30)
    assert run.trajectories is None


def test_decisions_can_be_left_out(game, uniform):
    run = simulate(game, uniform, tmf.Sequential(), 30, decisions=False, rng=1)
    assert run.decisions is None
    assert np.array_equal(run.counts, simulate(game, uniform, tmf.Sequential(), 30, rng=1).counts)


def test_trajectories_agree_with_counts(game, uniform):
    run = simulate(game, uniform, tmf.Batch(4), 30, trajectories=True, rng=1)
    individuals = run.trajectories
    assert run.engine == "agents"
    assert individuals.observations.shape == individuals.actions.shape == individuals.rewards.shape == (30, 7)
    for t in range(7):
        here, did = individuals.observations[:, t], individuals.actions[:, t]
        assert np.array_equal(np.bincount(here, minlength=3), run.counts[0, t])
        acted = did >= 0
        assert np.array_equal(
            np.bincount(here[acted] * 3 + did[acted], minlength=9).reshape(3, 3), run.decisions[0, t]
        )
    np.testing.assert_allclose(individuals.rewards.mean(axis=0), run.rewards[0])


# ------------------------------------------------------------------------------------------------- threads, progress


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_threads_do_not_change_the_result(game, uniform, engine):
    one, *others = (
        simulate(game, uniform, tmf.Bernoulli(0.3), 50, replicas=9, engine=engine, rng=3, threads=threads)
        for threads in (1, 2, 4, 20, None)
    )
    assert all(same(one, other) for other in others)


def test_seeds(game, uniform):
    def run(rng):
        return simulate(game, uniform, tmf.Sequential(), 50, replicas=2, rng=rng)

    assert same(run(3), run(3))
    assert same(run(3), run(np.random.default_rng(3)))
    assert not same(run(3), run(4))
    assert not np.array_equal(run(3).counts[0], run(3).counts[1])
    with pytest.raises(TypeError, match="rng"):
        run("seed")


def test_fewer_replicas_are_a_prefix_of_more(game, uniform):
    few = simulate(game, uniform, tmf.Sequential(), 50, replicas=2, rng=3)
    many = simulate(game, uniform, tmf.Sequential(), 50, replicas=5, rng=3)
    assert np.array_equal(few.counts, many.counts[:2])


def test_threads_only_where_they_gain():
    assert workers_for(8, 3, 1e-6, python=True) == 3
    assert workers_for(None, 100, 1e-6, python=False) == 1
    assert workers_for(None, 100, 1.0, python=True) == 1
    assert workers_for(None, 100, 1.0, python=False) == min(100, available_processors())


def test_python_policies_run_on_one_thread_by_default(game):
    threads = set()

    def policy(mu, t):
        threads.add(threading.get_ident())
        return np.full((3, 3), 1 / 3)

    simulate(game, policy, tmf.Synchronous(), 10, replicas=4, rng=0)
    assert threads == {threading.get_ident()}
    simulate(game, policy, tmf.Synchronous(), 10, replicas=4, rng=0, threads=2)
    assert len(threads) > 1


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_one_replica_ends_the_rest(game, threads):
    calls = []

    def policy(mu, t):
        calls.append(t)
        if len(calls) > 20:
            raise ArithmeticError("user code failed")
        return np.full((3, 3), 1 / 3)

    before = threading.active_count()
    with pytest.raises(ArithmeticError, match="user code failed"):
        simulate(game, policy, tmf.Synchronous(), 10, replicas=500, threads=threads)
    assert len(calls) < 40
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 2])
def test_interrupts_pass_through(game, uniform, threads):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(game, uniform, tmf.Sequential(), 10, replicas=50, threads=threads, progress=interrupt)


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_is_reported(game, uniform, threads):
    """In steps of all replicas, from the thread that called; results are the same."""
    seen, where = [], set()

    def progress(*args):
        seen.append(args)
        where.add(threading.get_ident())

    options = {"replicas": 5, "threads": threads, "rng": 1}
    run = simulate(game, uniform, tmf.Sequential(), 10, **options, progress=progress)
    assert same(run, simulate(game, uniform, tmf.Sequential(), 10, **options))
    assert seen[-1] == (5 * game.horizon, 5 * game.horizon)
    assert seen == sorted(seen) and where == {threading.get_ident()}


#: Runs of one replica that would take hours: engine, schedule, N.
ENDLESS = {
    "singles": ("counts", tmf.Sequential(), 1000),
    "individuals": ("agents", tmf.Sequential(), 1000),
    "counts": ("counts", tmf.Synchronous(), 1000),
    "a batch of counts": ("counts", tmf.Batch(100), 1000),
    "everybody": ("agents", tmf.Synchronous(), 1000),
    "a small batch": ("agents", tmf.Batch(10), 1000),
}


@pytest.mark.parametrize("way", ENDLESS)
def test_a_run_is_followed_and_ended_within_its_only_replica(way):
    """Once reports have gone up twice, one ends the run: the kernel returns after its current step."""
    engine, schedule, n_agents = ENDLESS[way]
    long = tmf.games.resource_selection((1.0, 0.8), congestion=1.0, horizon=2_000_000_000, step=1.0)
    seen, before = [], threading.active_count()

    def enough(done, total):
        seen.append(done)
        assert len(seen) < 1000, "the run does not move"
        if len(set(seen)) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(
            long, tmf.TabularPolicy.uniform(long), schedule, n_agents, engine=engine, rng=1,
            record_every=1_000_000_000, decisions=False, progress=enough,
        )  # fmt: skip
    assert seen == sorted(seen) and 0 <= seen[0] and seen[-1] < 2_000_000_000
    assert threading.active_count() == before


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_a_kernel_counts_its_steps(game, uniform, engine):
    kernel, source = (counts_kernel, np.random.PCG64(1)) if engine == "counts" else (agents_kernel, np.arange(4, dtype=np.uint64))
    start, T = np.array([5, 5, 0]), game.n_steps

    def play(watch):
        counts, rewards = np.zeros((T + 1, 3), dtype=np.int64), np.zeros(T)
        kernel.run(game.model, as_policy(uniform, game), source, start, T, 1.0, np.array([10]), None, 1, counts, None, rewards,
                   watch=watch)  # fmt: skip
        return counts

    watch = np.zeros(1, dtype=np.int64)
    assert (play(watch).sum(axis=1) == 10).all() and watch.tolist() == [T]
    with pytest.raises(ValueError, match="watch has 3 words; must have 1"):
        play(np.zeros(3, dtype=np.int64))


def test_the_callers_numpy_settings_hold_where_progress_is_reported(game):
    """A policy is then called from another thread, in a copy of the caller's context."""
    found = []

    def policy(mu, t):
        found.append(np.geterr()["over"])
        return np.full((3, 3), 1 / 3)

    with np.errstate(over="raise"):
        simulate(game, policy, tmf.Synchronous(), 10, progress=lambda done, total: None)
    assert set(found) == {"raise"}


def test_progress_bar_is_silent_off_a_terminal(game, uniform, capsys):
    simulate(game, uniform, tmf.Sequential(), 10, replicas=5, progress=True)
    assert capsys.readouterr() == ("", "")


def test_progress_without_rich_says_what_to_install(game, uniform, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with pytest.raises(ImportError, match=r"tmfcore\[app\]"):
        simulate(game, uniform, tmf.Sequential(), 10, progress=True)


def test_bad_progress(game, uniform):
    with pytest.raises(TypeError, match=r"progress is 'yes' \(str\); must be True, False or a function"):
        simulate(game, uniform, tmf.Sequential(), 10, progress="yes")


# -------------------------------------------------------------------------------------------------------- other errors


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_agents": 0}, ValueError, "n_agents is 0; must be >= 1"),
        ({"n_agents": 10.5}, TypeError, "n_agents is 10.5"),
        ({"n_agents": True}, TypeError, "n_agents is True"),
        ({"n_agents": 2**63}, ValueError, "n_agents is 9223372036854775808"),
        ({"n_agents": 2**63 - 1}, ValueError, "n_agents is 9223372036854775807; must be <= 1000000000000000000"),
        ({"n_agents": 2**32, "engine": "agents"}, ValueError, "must be <= 4294967295, the limit of the agents engine"),
        ({"replicas": 0}, ValueError, "replicas is 0; must be >= 1"),
        ({"record_every": 0}, ValueError, "record_every is 0; must be >= 1"),
        ({"threads": 0}, ValueError, "threads is 0; must be >= 1"),
        ({"engine": "count"}, ValueError, "engine is 'count'; must be one of 'auto', 'counts', 'agents'"),
        ({"decisions": 1}, TypeError, "decisions is 1"),
        ({"trajectories": True, "engine": "counts"}, ValueError, "trajectories=True needs 'agents'"),
        ({"trajectories": True, "replicas": 2}, ValueError, "replicas is 2; must be 1 with trajectories=True"),
        ({"schedule": tmf.Batch(11)}, ValueError, "size is 11; must be <= n_agents = 10"),
        ({"schedule": 1}, TypeError, "schedule"),
        ({"game": None}, TypeError, "game"),
        ({"policy": 3}, TypeError, "policy"),
        ({"policy": tmf.TabularPolicy(np.full((2, 2), 0.5))}, ValueError, "2"),
    ],
)
def test_bad_arguments(game, uniform, options, error, message):
    arguments = {"game": game, "policy": uniform, "schedule": tmf.Sequential(), "n_agents": 10} | options
    with pytest.raises(error, match=message):
        simulate(**arguments)


def test_the_counts_engine_says_where_it_stops(game, uniform):
    above = counts_kernel.MAX_AGENTS_BATCH + 1
    for schedule in (tmf.Sequential(), tmf.Synchronous(), tmf.Bernoulli(0.5)):
        assert simulate(game, uniform, schedule, above, rng=0).counts[0, -1].sum() == above
    with pytest.raises(ValueError, match=r"n_agents is 1000000000001; must be <= 1000000000000 .*\(5 at step 2\)"):
        simulate(game, uniform, tmf.Batch([0, 1, 5, 1, 1, 1, 1]), above)
    assert agents_kernel.MAX_AGENTS == 2**32 - 1


def test_a_bad_row_met_mid_run_is_named(uniform):
    def transition(mu, t):
        table = np.full((3, 3, 3), 1 / 3)
        if t == 4:
            table[1, 2] = [0.5, 0.3, 0.1]
        return table

    game = tmf.Game(3, 3, 7, 0.9, [1.0, 0.0, 0.0], np.zeros((3, 3)), transition)
    initial = game.initial.copy()
    with pytest.raises(ValueError, match=r"0\.9"):
        simulate(game, uniform, tmf.Synchronous(), 10, replicas=3, threads=2)
    assert np.array_equal(game.initial, initial)


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("options", [{"replicas": 2}, {"trajectories": True}, {"decisions": False}])
def test_save_and_load(game, uniform, tmp_path, options):
    run = simulate(game, uniform, tmf.Batch(3), 10, rng=0, record_every=2, **options)
    run.save(tmp_path / "run.npz")
    back = Simulation.load(tmp_path / "run.npz")
    for name, value in vars(run).items():
        if name == "trajectories" and value is not None:
            for field in ("observations", "actions", "rewards"):
                assert np.array_equal(getattr(value, field), getattr(back.trajectories, field))
        elif isinstance(value, np.ndarray):
            assert value.dtype == getattr(back, name).dtype
            assert np.array_equal(value, getattr(back, name))
        elif name == "ends":
            assert np.array_equal(value.blocks, back.ends.blocks) and len(value.streams) == len(back.ends.streams)
        else:
            assert value == getattr(back, name)


def test_loading_something_else(game, uniform, tmp_path):
    tmf.mean_field(game, uniform, tmf.Synchronous()).save(tmp_path / "flow.npz")
    with pytest.raises(ValueError, match="holds a Flow; must hold a Simulation"):
        Simulation.load(tmp_path / "flow.npz")


def test_user_code_is_known_wherever_it_is():
    """One callable among arrays, whichever it is: replicas then take turns with the GIL instead of threads."""
    tables = {"reward": np.zeros((2, 2)), "transition": np.full((2, 2, 2), 0.5), "passive_reward": np.zeros(2),
              "passive_transition": np.eye(2)}  # fmt: skip
    kernel = as_policy(tmf.TabularPolicy(np.full((2, 2), 0.5)), tmf.Game(2, 2, 3, 1.0, [1, 0], **tables))
    arrays, half = tmf.Game(2, 2, 3, 1.0, [1, 0], **tables), tmf.Bernoulli(0.5)
    assert not calls_python(arrays, kernel, half)
    assert calls_python(arrays, kernel, tmf.Bernoulli(lambda mu, t: mu))
    for name, table in tables.items():
        game = tmf.Game(2, 2, 3, 1.0, [1, 0], **{**tables, name: lambda mu, table=table: table})
        assert calls_python(game, kernel, half)
        assert calls_python(game, as_policy(lambda mu: np.full((2, 2), 0.5), game), half)
