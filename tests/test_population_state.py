"""Population: copies, files, calls that fail, and mistakes."""

import pickle
import signal

import numpy as np
import pytest

import tmfcore as tmf

from .population_cases import SCHEDULES, UNIFORM, A, N, S, T, game_of, policies
from .stat_tests import assert_law

# ---------------------------------------------------------------- copies and files


def continued(population, policy):
    """What follows from a state: a step, an act, and three steps."""
    if population.draw().dtype == bool:
        population.act(np.zeros((population.replicas, population.n_agents), int))
    else:
        acts = population.draw()
        population.act(np.stack([acts, *[0 * acts] * (A - 1)], axis=2))
    population.step(policy, 3)
    return population.counts, population.decisions, population.rewards, population.returns, population.draw()


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.MT19937, np.random.SFC64])
@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Batch(7), tmf.Bernoulli(0.3)], ids=str)
def test_a_copy_continues_with_the_same_bits(schedule, engine, drawn, generator, tmp_path):
    game = game_of("constant", reward=np.ones((S, A)))
    policy = policies(game)["table"]
    rng = np.random.Generator(generator(3))
    population = tmf.Population(game, schedule, N, replicas=2, engine=engine, rng=rng)
    population.step(policy, 5)
    if drawn:
        population.draw()
    path = tmp_path / "population.npz"
    population.save(path)
    others = [population.copy(), pickle.loads(pickle.dumps(population)), tmf.Population.load(path, game, schedule)]
    for other in others:
        assert repr(other) == repr(population) and (other.counts == population.counts).all()
        assert (other.mu == population.counts / N).all() and other.t == 5
    if engine == "agents":
        assert all((other.observations == population.observations).all() for other in others)
    first = continued(population, policy)
    for other in others:
        assert other.t == 5  # none moved with another
        for ours, theirs in zip(first, continued(other, policy), strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("start", ["rounded", "sampled", [N - 3, 1, 1, 1]])
@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.broad
def test_restart(schedule, engine, start, tmp_path):
    """With a seed, a new population, whatever was played before; without, the streams go on, also those of copies."""
    game = game_of("moving")
    policy = policies(game)["table"]
    options = {"replicas": 2, "engine": engine, "start": start}
    population = tmf.Population(game, schedule, N, **options, rng=1)
    population.step(policy, 5)
    population.draw()
    population.restart(rng=2)
    new = tmf.Population(game, schedule, N, **options, rng=2)
    for other in (population, new):
        assert other.t == 0 and (other.returns == 0).all()
    for _ in range(2):
        for ours, theirs in zip(continued(population, policy), continued(new, policy), strict=True):
            assert np.array_equal(ours, theirs)
        path = tmp_path / "population.npz"
        population.save(path)
        first = population.counts
        others = [population.copy(), tmf.Population.load(path, game, schedule), new]
        for other in (population, *others):
            other.restart()
            assert (other.counts == population.counts).all()
        if start == "rounded":
            assert (population.counts == N // S).all() and population.counts.dtype == first.dtype


def test_a_restart_plays_new_episodes():
    """Counts after a step, over 20,000 restarts: the enumerated law, so that episodes are independent."""
    game = game_of("constant", horizon=1, initial=[0.5, 0.5, 0.0, 0.0])
    policy = tmf.TabularPolicy(np.random.default_rng(5).dirichlet(np.ones(A), size=S))
    population = tmf.Population(game, tmf.Batch(1), 2, rng=3)
    found = []
    for _ in range(20_000):
        population.restart()
        population.step(policy)
        found.append((*population.decisions[0, :2].ravel().tolist(),))
    pi = policy.table[0] / 2
    law = {tuple(np.eye(2 * A, dtype=int)[o * A + a].tolist()): pi[o, a] for o in range(2) for a in range(A)}
    assert_law(found, law)
    with pytest.raises(TypeError, match="rng is 'x'"):
        population.restart(rng="x")
    assert population.t == 1
    population.restart()


def test_files_of_others_are_refused(tmp_path):
    game, schedule, path = game_of("constant"), tmf.Batch(7), tmp_path / "population.npz"
    tmf.Population(game, schedule, N, rng=1).save(path)
    with pytest.raises(ValueError, match=r"path is of game 'constant' under B=7 .*game differs"):
        tmf.Population.load(path, game_of("constant", discount=0.5), schedule)
    with pytest.raises(ValueError, match="schedule differs"):
        tmf.Population.load(path, game, tmf.Batch(8))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(tmf.FileError, match="damaged"):
        tmf.Population.load(path, game, schedule)
    path.write_bytes(whole)
    with pytest.raises(tmf.FileError, match=r"Population\.load\(path, game, schedule\)"):
        tmf.load(path)
    tmf.TabularPolicy.uniform(game).save(path)
    with pytest.raises(tmf.FileError, match="holds a TabularPolicy; must hold a Population"):
        tmf.Population.load(path, game, schedule)


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_states_that_no_population_has_are_refused(engine):
    """A file may be whole and yet made up: nothing beside the arrays is ever read."""
    game, schedule = game_of("constant"), tmf.Batch(7)
    population = tmf.Population(game, schedule, N, engine=engine, rng=1)
    population.step(UNIFORM)
    population.draw()
    good = population._now()
    bad = [("counts", population.counts + 1), ("counts", -population.counts), ("totals", np.zeros(2))]
    if engine == "counts":
        words = good["kernel"]["words"].copy()
        words[:] = 255
        bad += [("words", words), ("words", words[:, 1:]), ("opened", np.full(1, 2, np.uint64))]
        bad += [("acting", population.counts + 1)]
    else:
        bad += [("observations", [np.full(N, S, np.uint8)]), ("observations", [np.zeros(N - 1, np.uint8)])]
    for name, value in bad:
        with pytest.raises(ValueError, match=r"."):
            tmf.Population._made(game, schedule, {**good, "kernel": {**good["kernel"], name: value}})
    for name, value in [("t", T + 1), ("engine", "none"), ("streams", [{"bit_generator": "os"}]), ("n_agents", N + 1)]:
        with pytest.raises(ValueError, match=r"."):
            tmf.Population._made(game, schedule, {**good, name: value})
    assert (tmf.Population._made(game, schedule, good).draw() == population.draw()).all()


# ---------------------------------------------------------------- calls that fail


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX")
@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_ctrl_c_ends_a_long_call(engine):
    game = game_of("constant", horizon=10**9)
    population = tmf.Population(game, tmf.Sequential(), N, engine=engine, rng=1)
    policy = tmf.TabularPolicy.uniform(game)
    population.step(policy, 3)
    other = population.copy()

    def ring(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            population.step(policy, 10**9 - 3)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert population.t == 3
    for one in (population, other):
        one.step(policy, 1000)
    assert (population.counts == other.counts).all()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_failed_call_changes_nothing(schedule, engine, error):
    """The policy fails at step 4, in the second replica; then the population goes on as a copy does."""
    game = game_of("function")
    good = policies(game)["affine"]
    calls = []

    def failing(mu, t):
        calls.append(t)
        if t == 4 and calls.count(4) == 2:
            raise error
        return good.probabilities(mu, t, T)

    population = tmf.Population(game, schedule, N, replicas=3, engine=engine, rng=1)
    population.step(good, 2)
    other = population.copy()
    counts, rewards, decisions = population.counts, population.rewards, population.decisions
    if population.schedule == SCHEDULES[6]:
        calls += [4]  # nobody acts at a step of that schedule whose policy is read
    with pytest.raises(error):
        population.step(failing, 6)
    assert population.t == 2 and (population.counts == counts).all()
    assert (population.rewards == rewards).all() and (population.decisions == decisions).all()
    for one in (population, other):
        one.step(good, 7)
    assert (population.counts == other.counts).all() and (population.returns == other.returns).all()


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_a_failed_act_changes_nothing(engine):
    calls = []

    def reward(mu, t):
        calls.append(t)
        return np.full((S, A), np.nan if t == 1 and calls.count(1) == 2 else 0.0)

    game = game_of("moving", reward=reward)
    population = tmf.Population(game, tmf.Batch(7), N, replicas=3, engine=engine, rng=1)
    population.step(policies(game)["table"])
    other = population.copy()
    for one in (population, other):
        acts = one.draw()
        actions = np.stack([acts, 0 * acts, 0 * acts], axis=2) if engine == "counts" else np.zeros((3, N), int)
        if one is population:
            with pytest.raises(ValueError, match="reward"):
                one.act(actions)
        one.act(actions)
    assert (population.counts == other.counts).all() and (population.returns == other.returns).all()


def test_rewards_that_overflow():
    game = game_of("constant", reward=np.full((S, A), 1e308))
    population = tmf.Population(game, tmf.Synchronous(), N, rng=1)
    counts = population.counts
    with pytest.raises(ValueError, match=r"mean reward of replica 0 .* must be finite"):
        population.step(tmf.TabularPolicy.uniform(game))
    assert population.t == 0 and (population.counts == counts).all()


def test_a_call_within_a_call_is_refused():
    game = game_of("constant")
    population = tmf.Population(game, tmf.Synchronous(), N, rng=1)
    with pytest.raises(RuntimeError, match="being stepped already"):
        population.step(lambda mu, t: population.step(np.full((S, A), 1 / A)))
    population.step(np.full((S, A), 1 / A))
    assert population.t == 1


def test_an_array_that_changes_is_read_again():
    """A training loop may write into one array; only policies that cannot change are kept."""
    game = game_of("constant")
    table = np.zeros((S, A))
    population = tmf.Population(game, tmf.Synchronous(), N, rng=1)
    for action in range(A):
        table[:] = np.eye(A)[action]
        population.step(table)
        assert population.decisions[0, :, action].sum() == N


def test_arrays_are_copies():
    population = tmf.Population(game_of("constant"), tmf.Synchronous(), N, rng=1, engine="agents")
    for name in ("counts", "mu", "rewards", "returns", "decisions", "observations"):
        before = getattr(population, name)
        getattr(population, name)[:] += 1
        assert (getattr(population, name) == before).all()


def test_time_in_sweeps():
    game = tmf.games.queueing([0.1, 0.2], horizon=2)
    population = tmf.Population(game, tmf.Batch(5), 20, rng=1)
    seen = []
    population.step(lambda mu, t: seen.append(t) or np.full((3, 3), 1 / 3), 3)
    assert population.horizon == 8 and population.elapsed == 0.75 and seen == [0, 0.25, 0.5]
    assert repr(population).endswith("N=20, B=5, t=3 of 8, counts)")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda p: p.step([[1.0]]), ValueError, r"policy has \(S, A\) = \(1, 1\); must be the game's"),
        (lambda p: p.step(None), TypeError, "policy is None"),
        (lambda p: p.step(UNIFORM, 0), ValueError, "n_steps is 0; must be >= 1"),
        (lambda p: p.step(UNIFORM, True), TypeError, "n_steps is True"),
        (lambda p: p.step(UNIFORM, 1.5), TypeError, "n_steps is 1.5"),
        (lambda p: p.step(UNIFORM, 13), ValueError, "n_steps is 13; must be <= 12: t is 0 of T = 12"),
        (lambda p: (p.step(UNIFORM, 12), p.step(UNIFORM)), ValueError, "the game is over: t is 12"),
        (lambda p: (p.step(UNIFORM, 12), p.draw()), ValueError, "the game is over"),
        (lambda p: (p.step(UNIFORM, 12), p.act(UNIFORM)), ValueError, "the game is over"),
        (lambda p: (p.draw(), p.step(UNIFORM)), ValueError, r"draw\(\) was called at step 0; the step must be made by act"),
        (lambda p: p.observations, ValueError, "engine is 'counts', which has no individuals"),
        (lambda p: p.act(np.zeros((S, A))), ValueError, r"actions\[0, 0\] sum to 0; must sum to 15"),
        (lambda p: p.act(np.full((S, A), -1)), ValueError, r"actions\[0, 0\] is -1"),
        (lambda p: p.act(np.full((S, A), 2**62)), ValueError, r"actions\[0, 0\] sum to 13835058055282163712"),
        (lambda p: p.act(np.zeros((A, S))), ValueError, "actions has shape"),
    ],
)  # fmt: skip
def test_mistakes(call, error, text):
    with pytest.raises(error, match=text):
        call(tmf.Population(game_of("constant"), tmf.Synchronous(), N, engine="counts", rng=1))


def test_mistakes_with_individuals():
    population = tmf.Population(game_of("constant"), tmf.Batch(7), N, engine="agents", rng=1)
    actions = np.where(population.draw()[0], 0, -1)
    agent = int(np.flatnonzero(actions == 0)[3])
    for value, text in [(-1, f"is -1, but agent {agent} acts at step 0"), (A, f"is {A}"), (-2, "is -2")]:
        wrong = actions.copy()
        wrong[agent] = value
        with pytest.raises(ValueError, match=text):
            population.act(wrong)
    assert population.act(actions).shape == (1, N) and population.t == 1
    with pytest.raises(ValueError, match="actions has shape"):
        tmf.Population(game_of("constant"), tmf.Batch(7), N, replicas=2, engine="agents").act(actions)
    with pytest.raises(TypeError, match="pass rng=3"):
        tmf.Population(game_of("constant"), tmf.Batch(7), N, seed=3)
