"""Population: bit for bit the trajectories of simulate, laws of decisions made elsewhere, copies, files, errors."""

import itertools
import math
import pickle
from functools import partial

import numpy as np
import pytest

import tmfcore as tmf

from .reference_laws import counts_step_law, step_reward
from .stat_tests import assert_law

S, A, T, N = 4, 3, 12, 60
UNIFORM = np.full((S, A), 1 / A)


def passive(mu, t):
    rows = np.full((S, S), 0.05) + 0.1 * mu
    rows[np.diag_indices(S)] += 1 - rows.sum(axis=1)
    return rows


def game_of(kind, **changes):
    """Games whose kernels and rewards are constant, or functions of mu; whose passive agents stay, or move."""
    rows = np.random.default_rng(1).dirichlet(np.ones(S), size=(S, A))
    data = {
        "n_observations": S, "n_actions": A, "horizon": T, "discount": 0.9, "initial": np.full(S, 1 / S),
        "reward": np.arange(S * A).reshape(S, A) / 10, "transition": rows, "name": kind,
    }  # fmt: skip
    if kind == "function":
        data["transition"] = lambda mu, t: 0.5 * rows + 0.5 * mu
        data["reward"] = lambda mu, t: np.repeat(-mu[:, None], A, axis=1) + 0.1 * t
    if kind == "moving":
        data["passive_transition"] = passive
        data["passive_reward"] = [0.0, 0.1, 0.2, 0.3]
    return tmf.Game(**data | changes)


GAMES = {kind: partial(game_of, kind) for kind in ("constant", "function", "moving")} | {
    "resources": lambda: tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=T, step=1).at(),
    "queueing": lambda: tmf.games.queueing([0.1, 0.2, 0.3], horizon=T, step=1).at(),
    "imitation": lambda: tmf.games.pairwise_revision(np.random.default_rng(2).random((3, 3)), horizon=T, step=1).at(),
}
SCHEDULES = [
    tmf.Synchronous(), tmf.Sequential(), tmf.Batch(7), tmf.Batch(40), tmf.Bernoulli(0.3), tmf.Bernoulli(1.0),
    tmf.Batch([0, 1, 5, N, 1, 1, 7, 40, 0, 3, N, 1]), tmf.Bernoulli(np.linspace(0, 1, T)),
    tmf.Bernoulli(lambda mu, t: 0.2 + 0.5 * mu), tmf.Fraction(lambda mu, t: 0.1 + 0.5 * mu[0]),
]  # fmt: skip


def policies(game):
    rng = np.random.default_rng(5)
    shape = game.n_observations, game.n_actions
    return {
        "table": tmf.TabularPolicy(rng.dirichlet(np.ones(shape[1]), size=(3, shape[0]))),
        "affine": tmf.SoftmaxPolicy(rng.normal(size=(1, *shape, 1 + shape[0]))),
    }


def played(population, policy, parts):
    """Counts, decisions and rewards by step, of a population that plays the parts of the horizon one after another."""
    counts, decisions, rewards = [population.counts], [], []
    for n in parts:
        population.step(policy, n)
        counts.append(population.counts)
        decisions.append(population.decisions)
        rewards.append(population.rewards)
    return np.stack(counts, axis=1), np.stack(decisions, axis=1), np.stack(rewards, axis=1)


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_steps_are_those_of_simulate(kind, schedule, engine):
    """Bit for bit for counts and decisions, one step at a time and in parts; rewards up to rounding."""
    game = GAMES[kind]()
    for policy in policies(game).values():
        for replicas in (1, 3):
            options = {"replicas": replicas, "engine": engine, "rng": 7, "start": "sampled"}
            run = tmf.simulate(game, policy, schedule, N, **options)
            whole = tmf.Population(game, schedule, N, **options)
            counts, decisions, rewards = played(whole, policy, [1] * T)
            assert (counts == run.counts).all()
            assert (decisions == run.decisions).all()
            np.testing.assert_allclose(rewards, run.rewards, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(whole.returns, run.returns, rtol=1e-12, atol=1e-13)
            parts = tmf.Population(game, schedule, N, **options)
            counts, decisions, _ = played(parts, policy, [5, 1, 6])
            assert (counts == run.counts[:, [0, 5, 6, 12]]).all()
            assert (decisions[:, 2] == run.decisions[:, 6:].sum(axis=1)).all()


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(7), tmf.Bernoulli(0.3)], ids=str)
@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_without_decisions(schedule, engine):
    """The same bits as simulate without decisions."""
    game = game_of("constant")
    policy = policies(game)["table"]
    run = tmf.simulate(game, policy, schedule, N, engine=engine, decisions=False, rng=2)
    population = tmf.Population(game, schedule, N, engine=engine, decisions=False, rng=2)
    for t in range(T):
        population.step(policy)
        assert (population.counts == run.counts[:, t + 1]).all()
    assert population.decisions is None


def test_the_engine_is_that_of_simulate():
    game = game_of("constant")
    for n_agents in (3, 10**6):
        run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), n_agents, rng=1)
        assert tmf.Population(game, tmf.Synchronous(), n_agents).engine == run.engine


# ---------------------------------------------------------------- decisions made elsewhere

TINY = {
    "n_observations": 2, "n_actions": 2, "horizon": 1, "discount": 1.0, "initial": [0.6, 0.4],
    "reward": [[0.1, 0.2], [0.3, 0.4]], "passive_reward": [0.05, 0.06],
    "transition": lambda mu: np.array([[[0.5, 0.5], [0.1, 0.9]], [[0.7, 0.3], [0.4, 0.6]]]) * 0.8 + 0.2 * mu,
    "passive_transition": [[0.9, 0.1], [0.2, 0.8]],
}  # fmt: skip
PI = np.array([[0.3, 0.7], [0.8, 0.2]])
MOVES = {"batch": tmf.Batch(2), "one": tmf.Batch(1), "all": tmf.Synchronous(), "coin": tmf.Bernoulli(0.4)}


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("move", MOVES)
def test_law_of_a_step_with_given_actions(move, engine):
    """Decisions and counts after draw and act, with actions drawn here from PI, against the enumerated law."""
    game, trials = tmf.Game(**TINY), 20_000
    population = tmf.Population(game, MOVES[move], 5, replicas=trials, engine=engine, rng=4)
    rng = np.random.default_rng(8)
    acts = population.draw()
    if engine == "counts":
        actions = rng.multinomial(acts, PI)
        rewards = population.act(actions)
        assert (population.decisions == actions).all() and (rewards == population.rewards).all()
    else:
        seen = population.observations
        actions = (rng.random(acts.shape) < PI[seen, 1]).astype(int)
        rewards = population.act(np.where(acts, actions, -1))
        reward, _, passive_reward, _ = game.tables([0.6, 0.4])
        assert (rewards == np.where(acts, reward[seen, actions], passive_reward[seen])).all()
        np.testing.assert_allclose(population.rewards, rewards.mean(axis=1))
        assert (population.decisions.sum(axis=2) == [np.bincount(s[a], minlength=2) for s, a in zip(seen, acts)]).all()
    kind = {"batch": ("batch", 2), "one": ("batch", 1), "all": ("batch", 5), "coin": ("coin", 0.4)}[move]
    law = counts_step_law(game, lambda mu, t: PI, (3, 2), 0, kind)
    found = [
        (tuple(map(int, n.ravel())), tuple(map(int, c)))
        for n, c in zip(population.decisions, population.counts, strict=True)
    ]
    assert_law(found, law)
    for n, c, mean in list(zip(population.decisions, population.counts, population.rewards, strict=True))[:50]:
        assert mean == pytest.approx(step_reward(game, np.array([3, 2]), n, 0), rel=1e-12)
        assert c.sum() == 5


def test_individuals_are_exchangeable():
    """All 20 assignments of five agents to the counts (3, 1, 1) are equally likely, and all ten pairs act."""
    game = tmf.Game(3, 1, 2, 1.0, [0.6, 0.2, 0.2], np.zeros((3, 1)), np.eye(3)[:, None])
    population = tmf.Population(game, tmf.Batch(2), 5, replicas=20_000, engine="agents", rng=6)
    law = dict.fromkeys(itertools.permutations((0, 0, 0, 1, 2)), 1 / 20)
    start = population.observations
    assert_law(map(tuple, start.tolist()), law)
    acts = population.draw()
    pairs = dict.fromkeys(itertools.combinations(range(5), 2), 0.1)
    assert_law((tuple(np.flatnonzero(row).tolist()) for row in acts), pairs)
    population.act(np.zeros((20_000, 5), int))
    assert (population.observations == start).all()  # everybody stays


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_steps_and_acts_in_turn(engine):
    """Counts stay those of the individuals, rewards enter the returns, and t moves."""
    game = game_of("function")
    population = tmf.Population(game, tmf.Batch(20), N, replicas=2, engine=engine, rng=1)
    policy, total = policies(game)["affine"], 0.0
    for t in range(T):
        assert population.t == t and population.elapsed == t
        if t % 2:
            population.step(policy)
        elif engine == "counts":
            acts = population.draw()
            assert (population.draw() == acts).all() and (acts.sum(axis=1) == 20).all()
            actions = np.zeros((2, S, A), int)
            actions[:, :, 1] = acts
            population.act(actions)
        else:
            population.act(np.full((2, N), 1))
            assert (population.decisions[:, :, 1].sum(axis=1) == 20).all()
        total += 0.9**t * population.rewards
        assert (population.counts.sum(axis=1) == N).all()
        if engine == "agents":
            found = [np.bincount(row, minlength=S) for row in population.observations]
            assert (population.counts == found).all()
    np.testing.assert_allclose(population.returns, total, rtol=1e-12)


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


# ---------------------------------------------------------------- calls that fail


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


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_batches_that_depend_on_the_population(engine):
    """Half of those at observation 0, three of five, rounded: batches of two, uniform over the agents."""
    population = tmf.Population(
        tmf.Game(**TINY), tmf.Fraction(lambda mu: 0.5 * mu[0]), 5, replicas=20_000, engine=engine, rng=4
    )
    acts = population.draw()
    if engine == "agents":
        assert (acts.sum(axis=1) == 2).all()
        seen = population.observations
        acts = np.stack([((seen == o) & acts).sum(axis=1) for o in range(2)], axis=1)
    assert_law(map(tuple, acts.tolist()), {(2, 0): 0.3, (1, 1): 0.6, (0, 2): 0.1})


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_who_acts_depends_on_where_they_are(engine):
    """Three at observation 0, two at 1: numbers that act are binomial with the probabilities of a schedule of mu."""
    game = tmf.Game(**TINY)
    schedule = tmf.Bernoulli(lambda mu: [0.5 * mu[0], 1 - mu[1]])  # 0.3 and 0.6
    population = tmf.Population(game, schedule, 5, replicas=20_000, engine=engine, rng=4)
    acts = population.draw()
    if engine == "agents":
        seen = population.observations
        acts = np.stack([((seen == o) & acts).sum(axis=1) for o in range(2)], axis=1)
    law = {
        (a, b): math.comb(3, a) * 0.3**a * 0.7 ** (3 - a) * math.comb(2, b) * 0.6**b * 0.4 ** (2 - b)
        for a in range(4)
        for b in range(3)
    }
    assert_law(map(tuple, acts.tolist()), law)
