"""What holds whatever is simulated: conservation, reproducibility, round trips, and clear refusals of bad input."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_laws
import tmfcore as tmf
from strategies import cases, random_game, random_policy, seeds

N_AGENTS = 37
ENGINES = ("counts", "agents")
SCHEDULES = [tmf.Synchronous(), tmf.Sequential(), tmf.Batch(5), tmf.Fraction(0.4), tmf.Bernoulli(0.3)]


def arrays(run):
    """Every number of a Simulation."""
    found = {name: getattr(run, name) for name in ("counts", "decisions", "rewards", "returns", "steps")}
    if run.trajectories is not None:
        for name in ("observations", "actions", "rewards"):
            found[f"individual {name}"] = getattr(run.trajectories, name)
    return found


def assert_equal(one, other):
    """Bit for bit, types included."""
    assert arrays(one).keys() == arrays(other).keys()
    for name, value in arrays(one).items():
        np.testing.assert_array_equal(value, arrays(other)[name], err_msg=name)
        if value is not None:
            assert value.dtype == arrays(other)[name].dtype


# ------------------------------------------------------------------------------------------------- conservation


@pytest.mark.parametrize("engine", ENGINES)
@given(cases(N_AGENTS), seeds)
@pytest.mark.broad(1)
def test_counts_are_conserved(engine, case, seed):
    """Counts are nonnegative and sum to N; decisions are those of the schedule; rewards are paid by the tables."""
    game, policy, schedule = case.build()
    run = tmf.simulate(game, policy, schedule, N_AGENTS, replicas=2, engine=engine, rng=seed)
    assert run.counts.shape == (2, game.horizon + 1, game.n_observations)
    assert run.counts.dtype == run.decisions.dtype == np.int64
    assert (run.counts.sum(axis=-1) == N_AGENTS).all()
    assert (run.counts >= 0).all()
    assert (run.decisions >= 0).all()
    assert (run.decisions.sum(axis=-1) <= run.counts[:, :-1]).all()
    moves = case.moves(N_AGENTS)
    right, right_policy = case.reference()
    for t, (kind, size) in enumerate(moves):
        acting = run.decisions[:, t].sum(axis=(1, 2))
        if kind == "batch":
            assert (acting == size).all()
        elif size in (0.0, 1.0):
            assert (acting == size * N_AGENTS).all()
        for r in range(2):
            counts, decisions = run.counts[r, t], run.decisions[r, t]
            assert run.rewards[r, t] == pytest.approx(reference_laws.step_reward(right, counts, decisions, t), abs=1e-11)
            assert (decisions[right_policy(counts / N_AGENTS, t) == 0] == 0).all()
    np.testing.assert_allclose(run.returns, run.rewards @ game.discount ** np.arange(game.horizon), atol=1e-11)


# --------------------------------------------------------------------------------------------- reproducibility


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=25)
@given(cases(N_AGENTS), seeds, st.integers(2, 4))
def test_results_do_not_depend_on_threads(engine, case, seed, threads):
    """Replicas on one thread or several: bit for bit."""
    one, other = (
        tmf.simulate(*case.build(), N_AGENTS, replicas=9, engine=engine, rng=seed, threads=n) for n in (1, threads)
    )
    assert_equal(one, other)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_large_populations_do_not_depend_on_threads(schedule):
    """One population of 300,000 agents, more than one block of any kernel: bit for bit on 1, 2 and 3 threads."""
    game = random_game(3, 8, 3, 4, passive="identity").build()
    policy = random_policy(3, 8, 3, kind="affine").build(4)
    runs = [tmf.simulate(game, policy, schedule, 300_000, engine="agents", rng=1, threads=n) for n in (1, 2, 3)]
    assert_equal(runs[0], runs[1])
    assert_equal(runs[0], runs[2])


@pytest.mark.parametrize("engine", ENGINES)
@given(cases(N_AGENTS), seeds, st.integers(1, 7))
@pytest.mark.broad(1)
def test_results_do_not_depend_on_what_is_recorded(engine, case, seed, record_every):
    """record_every thins counts and pools decisions and rewards."""
    game, policy, schedule = case.build()
    full = tmf.simulate(game, policy, schedule, N_AGENTS, engine=engine, rng=seed)
    thin = tmf.simulate(game, policy, schedule, N_AGENTS, engine=engine, rng=seed, record_every=record_every)
    np.testing.assert_array_equal(thin.steps, [*range(0, game.horizon, record_every), game.horizon])
    np.testing.assert_array_equal(thin.counts, full.counts[:, thin.steps])
    np.testing.assert_array_equal(thin.returns, full.returns)
    edges = thin.steps[:-1]
    np.testing.assert_array_equal(thin.decisions, np.add.reduceat(full.decisions, edges, axis=1))
    np.testing.assert_allclose(thin.rewards, np.add.reduceat(full.rewards, edges, axis=1), atol=1e-12)
    bare = tmf.simulate(game, policy, schedule, N_AGENTS, engine=engine, rng=seed, decisions=False)
    assert bare.decisions is None
    assert (bare.counts.sum(-1) == N_AGENTS).all()  # from other draws, perhaps: test_averaged_rows.py


@given(cases(N_AGENTS), seeds)
def test_recording_individuals_changes_nothing(case, seed):
    """trajectories=True: the same population, bit for bit; rewards to rounding (they may be added in another order)."""
    plain = tmf.simulate(*case.build(), N_AGENTS, engine="agents", rng=seed)
    told = tmf.simulate(*case.build(), N_AGENTS, trajectories=True, rng=seed)
    np.testing.assert_array_equal(plain.counts, told.counts)
    np.testing.assert_array_equal(plain.decisions, told.decisions)
    np.testing.assert_allclose(plain.rewards, told.rewards, rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_seeds_decide(engine, schedule):
    """Equal seeds give equal results, other seeds and replicas others; more replicas keep the first ones."""
    game = random_game(4, 4, 3, 6, passive="dense").build()
    policy = random_policy(4, 4, 3, kind="affine").build(6)
    options = {"n_agents": 500, "engine": engine}
    one = tmf.simulate(game, policy, schedule, replicas=3, rng=11, **options)
    assert_equal(one, tmf.simulate(game, policy, schedule, replicas=3, rng=np.random.default_rng(11), **options))
    assert_equal(one, tmf.simulate(game, policy, schedule, replicas=3, rng=np.random.SeedSequence(11), **options))
    other = tmf.simulate(game, policy, schedule, replicas=3, rng=12, **options)
    assert (one.counts != other.counts).any()
    assert (one.counts[0] != one.counts[1]).any()
    more = tmf.simulate(game, policy, schedule, replicas=5, rng=11, **options)
    np.testing.assert_array_equal(more.counts[:3], one.counts)
    generator = np.random.default_rng(11)
    first = tmf.simulate(game, policy, schedule, replicas=3, rng=generator, **options)
    second = tmf.simulate(game, policy, schedule, replicas=3, rng=generator, **options)
    assert_equal(first, one)
    assert (first.counts != second.counts).any()


# --------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("trajectories", [False, True])
def test_simulations_survive_the_disk(tmp_path, trajectories):
    """save and load: every array bit for bit, every label."""
    game = random_game(5, 3, 2, 5).build()
    policy = random_policy(5, 3, 2, kind="affine").build(5)
    run = tmf.simulate(game, policy, tmf.Batch(3), 20, trajectories=trajectories, rng=1, record_every=2)
    run.save(tmp_path / "run.npz")
    back = tmf.Simulation.load(tmp_path / "run.npz")
    assert_equal(run, back)
    for name in ("n_agents", "discount", "horizon", "record_every", "engine", "schedule", "game"):
        assert getattr(back, name) == getattr(run, name)
    assert list(tmp_path.iterdir()) == [tmp_path / "run.npz"]  # nothing temporary left


def test_simulations_without_decisions_survive_the_disk(tmp_path):
    """None stays None."""
    game = random_game(5, 3, 2, 5).build()
    run = tmf.simulate(game, random_policy(5, 3, 2).build(5), tmf.Sequential(), 20, decisions=False, replicas=3, rng=1)
    run.save(tmp_path / "run.npz")
    assert tmf.Simulation.load(tmp_path / "run.npz").decisions is None


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Bernoulli(np.linspace(0, 1, 5))], ids=["one", "steps"])
def test_flows_survive_the_disk(tmp_path, schedule):
    """A flow comes back whole, and values along it are the same."""
    game = random_game(6, 3, 2, 5, dependence="mu").build()
    policy = random_policy(5, 3, 2, kind="affine").build(5)
    flow = tmf.mean_field(game, policy, schedule)
    flow.save(tmp_path / "flow.npz")
    back = tmf.Flow.load(tmp_path / "flow.npz")
    for name in ("mu", "steps", "active_fraction"):
        np.testing.assert_array_equal(getattr(back, name), getattr(flow, name))
    assert (back.horizon, back.game) == (flow.horizon, flow.game)
    along = tmf.evaluate(game, policy, schedule, flow=back)
    np.testing.assert_array_equal(along.values, tmf.evaluate(game, policy, schedule).values)


def test_a_file_of_another_kind_is_refused(tmp_path):
    """A flow is no simulation, and a file that is neither says so."""
    game = random_game(6, 3, 2, 5).build()
    flow = tmf.mean_field(game, random_policy(5, 3, 2).build(5), tmf.Synchronous())
    flow.save(tmp_path / "flow.npz")
    with pytest.raises(ValueError, match="flow"):
        tmf.Simulation.load(tmp_path / "flow.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(ValueError, match="text"):
        tmf.Flow.load(tmp_path / "text.npz")


# --------------------------------------------------------------------------------------------------- bad input


def good(**changes):
    """Arguments of a valid 2 x 2 game, some of them replaced."""
    return {
        "n_observations": 2, "n_actions": 2, "horizon": 3, "discount": 0.9, "initial": [0.5, 0.5],
        "reward": np.zeros((2, 2)), "transition": np.full((2, 2, 2), 0.5), **changes,
    }  # fmt: skip


def spoiled(array, index, value):
    """A copy with one entry replaced."""
    array = np.array(array, float)
    array[index] = value
    return array


BAD_GAMES = {
    "reward of the wrong shape": ({"reward": np.zeros((2, 3))}, "reward.*shape"),
    "transition of the wrong shape": ({"transition": np.full((2, 2, 3), 1 / 3)}, "transition.*shape"),
    "initial of the wrong shape": ({"initial": [1.0]}, "initial.*shape"),
    "passive reward of the wrong shape": ({"passive_reward": np.zeros(3)}, "passive_reward.*shape"),
    "passive transition of the wrong shape": ({"passive_transition": np.eye(3)}, "passive_transition.*shape"),
    "row that does not sum to 1": (
        {"transition": spoiled(np.full((2, 2, 2), 0.5), (1, 0, 1), 0.47)},
        r"transition\[1, 0\] sums to 0.97; .*must sum to 1 within 1e-08.*1 of 4 rows",
    ),
    "row just off": ({"transition": np.full((2, 2, 2), 0.5 + 1e-8)}, r"transition\[0, 0\] sums to"),
    "negative probability": ({"transition": np.tile([1.5, -0.5], (2, 2, 1))}, r"transition\[0, 0, 1\] is -0.5"),
    "NaN probability": (
        {"transition": spoiled(np.full((2, 2, 2), 0.5), (0, 1, 0), np.nan)}, r"transition\[0, 1, 0\] is nan",
    ),
    "NaN reward": ({"reward": spoiled(np.zeros((2, 2)), (1, 1), np.nan)}, r"reward\[1, 1\] is nan"),
    "infinite reward": ({"reward": spoiled(np.zeros((2, 2)), (0, 1), np.inf)}, r"reward\[0, 1\] is inf"),
    "initial that does not sum to 1": ({"initial": [0.5, 0.4]}, r"initial.* sums to 0.9"),
    "negative initial": ({"initial": [1.5, -0.5]}, r"initial\[1\] is -0.5"),
    "negative passive row": ({"passive_transition": [[1.5, -0.5], [0, 1]]}, r"passive_transition\[0, 1\] is -0.5"),
    "horizon 0": ({"horizon": 0}, "horizon is 0"),
    "discount above 1": ({"discount": 1.1}, "discount is 1.1"),
    "negative discount": ({"discount": -0.1}, "discount is -0.1"),
    "no observations": ({"n_observations": 0}, "n_observations is 0"),
    "successor out of range": (
        {"transition": np.ones((2, 2, 1)), "successors": np.full((2, 2, 1), 2)}, r"successors\[0, 0, 0\] is 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", BAD_GAMES)
def test_bad_games_are_refused(label):
    """Each message names the argument, the index, the value and the bound."""
    changes, message = BAD_GAMES[label]
    with pytest.raises(ValueError, match=message):
        tmf.Game(**good(**changes))


@pytest.mark.parametrize(
    "changes", [{"horizon": 3.5}, {"n_actions": "2"}, {"discount": "0.9"}, {"reward": "no"}], ids=str
)
def test_games_of_the_wrong_kind_are_type_errors(changes):
    """Kind, not content."""
    with pytest.raises(TypeError, match=next(iter(changes))):
        tmf.Game(**good(**changes))


def simple(policy=None, schedule=None, n_agents=10, **options):
    """Run the valid game with one thing replaced."""
    game = tmf.Game(**good())
    policy = policy or tmf.TabularPolicy.uniform(game)
    return tmf.simulate(game, policy, schedule or tmf.Synchronous(), n_agents, **options)


BAD_RUNS = {
    "no agents": ({"n_agents": 0}, "n_agents is 0"),
    "negative agents": ({"n_agents": -3}, "n_agents is -3"),
    "beyond int64": ({"n_agents": 2**63}, "n_agents is 9223372036854775808"),
    "beyond the binomials": ({"n_agents": 10**18 + 1}, "n_agents is 1000000000000000001.*1000000000000000000"),
    "beyond the hypergeometrics": ({"n_agents": 10**12 + 1, "schedule": tmf.Batch(2)}, "n_agents.*1000000000000"),
    "beyond the agents engine": ({"n_agents": 2**32, "engine": "agents"}, "n_agents.*4294967295"),
    "batch above N": ({"schedule": tmf.Batch(11)}, "size is 11; must be <= n_agents = 10"),
    "one batch above N": ({"schedule": tmf.Batch(np.array([1, 12, 1]))}, r"size\[1\] is 12"),
    "fraction of nobody": ({"schedule": tmf.Fraction(0.01)}, "beta is 0.01"),
    "schedule of another length": ({"schedule": tmf.Batch(np.array([1, 1]))}, "size has 2 entries"),
    "policy of another shape": ({"policy": tmf.TabularPolicy(np.full((3, 2), 0.5))}, "policy"),
    "no replicas": ({"replicas": 0}, "replicas is 0"),
    "record_every 0": ({"record_every": 0}, "record_every is 0"),
    "no threads": ({"threads": 0}, "threads is 0"),
    "unknown engine": ({"engine": "count"}, "engine is 'count'"),
    "unknown start": ({"start": "round"}, "start is 'round'"),
    "start of other agents": ({"start": [5, 6]}, "start.*11"),
    "negative start": ({"start": [11, -1]}, r"start\[1\] is -1"),
    "start of the wrong shape": ({"start": [10]}, "start.*shape"),
    "negative seed": ({"rng": -1}, "rng is -1"),
}


@pytest.mark.parametrize("label", BAD_RUNS)
def test_bad_runs_are_refused(label):
    """Before anything is drawn, with the argument, its value and the bound."""
    options, message = BAD_RUNS[label]
    with pytest.raises(ValueError, match=message):
        simple(**options)


@pytest.mark.parametrize("options", [
    {"schedule": 1}, {"schedule": 1.0}, {"n_agents": 10.5}, {"policy": 3}, {"rng": "seed"}, {"replicas": True},
    {"decisions": 1},
], ids=str)  # fmt: skip
def test_runs_of_the_wrong_kind_are_type_errors(options):
    """A bare number is no schedule: 1 and 1.0 would mean opposite ends."""
    with pytest.raises(TypeError, match=next(iter(options))):
        simple(**options)


class SpoiledAtStepTwo:
    """A callable table that is good for two steps and then does what it is told."""

    def __init__(self, table, spoil):
        self.table, self.spoil = table, spoil

    def __call__(self, mu, t):
        if t == 2:
            return self.spoil(self.table.copy())
        return self.table


def fail(_):
    """What a user's mistake looks like."""
    raise ZeroDivisionError("from the user's own code")


def interrupt(_):
    """Ctrl-C inside a callable."""
    raise KeyboardInterrupt


def negative(table):
    """Sums to 1 and is no distribution."""
    table[..., :2] = [1.5, -0.5]
    return table


MIDWAY = {
    "raises": (fail, ZeroDivisionError, "user's own code"),
    "interrupts": (interrupt, KeyboardInterrupt, ""),
    "returns another shape": (lambda table: table[..., :1], ValueError, r"t=2.*shape \(2, (2, )?1,?\).*\(2, 2"),
    "returns rows that sum to 0.9": (lambda table: table * 0.9, ValueError, r"t=2\)?\[0.*sums to 0.9"),
    "returns NaN": (lambda table: table * np.nan, ValueError, "t=2.*nan"),
    "returns negative entries": (negative, ValueError, r"t=2.*-0.5"),
    "returns no numbers": (lambda table: "table", (TypeError, ValueError), ""),
}


@pytest.mark.parametrize("where", ["counts", "agents", "mean_field", "evaluate", "exploitability"])
@pytest.mark.parametrize("what", ["transition", "policy"])
@pytest.mark.parametrize("label", MIDWAY)
def test_callables_that_go_wrong_midway(label, what, where):
    """The error names t and the place, or is the user's own; inputs stay untouched, the next run is as good as new."""
    spoil, kind, message = MIDWAY[label]
    table = np.full((2, 2) if what == "policy" else (2, 2, 2), 0.5)
    bad = SpoiledAtStepTwo(table, spoil)
    start = np.array([6, 4])
    game = tmf.Game(**good(transition=bad)) if what == "transition" else tmf.Game(**good())
    policy = bad if what == "policy" else tmf.TabularPolicy.uniform(game)

    def run(game, policy):
        if where in ENGINES:
            return tmf.simulate(game, policy, tmf.Batch(4), 10, engine=where, start=start, replicas=3, rng=1, threads=2)
        return getattr(tmf, where)(game, policy, tmf.Fraction(0.5))

    with pytest.raises(kind, match=re.compile(message, re.DOTALL)):
        run(game, policy)
    np.testing.assert_array_equal(table, 0.5)
    np.testing.assert_array_equal(start, [6, 4])
    if where in ENGINES:
        bad.spoil = lambda table: table
        new = SpoiledAtStepTwo(table, bad.spoil)
        made = tmf.Game(**good(transition=new)) if what == "transition" else tmf.Game(**good())
        assert_equal(run(game, policy), run(made, new if what == "policy" else policy))


def test_callables_cannot_touch_the_population():
    """mu is handed out read-only, and a table that is kept and changed later does no harm."""
    seen = []

    def transition(mu, t):
        seen.append(mu)
        with pytest.raises(ValueError, match="read-only"):
            mu[0] = 0.0
        return np.full((2, 2, 2), 0.5)

    game = tmf.Game(**good(transition=transition))
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 10, rng=1)
    assert len(seen) >= 3
    for t in range(3):
        assert any((mu == run.mu[0, t]).all() for mu in seen)


def test_arrays_of_the_user_are_not_shared():
    """Changing an array after it made a game or policy changes neither."""
    reward, transition, probabilities = np.ones((2, 2)), np.full((2, 2, 2), 0.5), np.full((2, 2), 0.5)
    game = tmf.Game(**good(reward=reward, transition=transition))
    policy = tmf.TabularPolicy(probabilities)
    before = tmf.simulate(game, policy, tmf.Batch(3), 10, rng=1)
    reward[:] = 7.0
    transition[:] = 0.0
    probabilities[:] = -1.0
    assert_equal(before, tmf.simulate(game, policy, tmf.Batch(3), 10, rng=1))
