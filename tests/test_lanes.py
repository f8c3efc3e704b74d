"""Replicas side by side: the bits of single replicas, whatever runs beside them."""

import numpy as np
import pytest

import reference_laws
import stat_tests
import tmfcore as tmf
from lane_cases import alone, assert_same_bits, beside, outputs, resources, staged, starts
from tmfcore._model.policies import as_policy
from tmfcore._population import lanes
from tmfcore._random import seeding

pytestmark = pytest.mark.law


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 16, 17, 64, 70])
@pytest.mark.parametrize("replicas", [1, 3, 16, 17, 40])
@pytest.mark.broad
def test_the_bits_of_single_replicas(size, replicas):
    """Stages that end within a chunk and within a block; intervals of one step, of some, of all; starts that differ."""
    small = size < 20
    steps = 1500 if small else 14_000  # alias tables of large games are built for long runs only
    game = resources(size, steps)
    start = starts(game, 777, replicas)
    for stages, record_every, decisions in ((1, steps, True), (7 if small else 2, 7, small), (3, 1, small), (2, 400, False), (1, 900, False)):
        if record_every == 1 and not small:
            continue
        policy = staged(game, stages)
        found, _ = beside(game, policy, start, record_every, decisions)
        assert_same_bits(found, alone(game, policy, start, record_every, decisions))
        assert (found[0].sum(-1) == 777).all()
        assert not decisions or found[1].sum() == replicas * steps


@pytest.mark.parametrize("size", [1, 3, 8, 9, 16, 17, 70])
@pytest.mark.parametrize("batch", [2, 3, 8, 13, 17, 32])
@pytest.mark.broad
def test_the_bits_of_single_replicas_of_batches(size, batch):
    small = size < 20
    steps = 1300 if small else 10_000 // batch
    game = resources(size, steps)
    start = starts(game, 777, 5)
    for stages, record_every, decisions in ((1, steps, True), (7 if small else 2, 7, small), (3 if small else 1, 1, small), (2, 400, False)):
        policy = staged(game, stages)
        found, _ = beside(game, policy, start, record_every, decisions, batch=batch)
        assert_same_bits(found, alone(game, policy, start, record_every, decisions, batch=batch))
        assert (found[0].sum(-1) == 777).all()
        assert not decisions or found[1].sum() == 5 * steps * batch


@pytest.mark.parametrize("size", [3, 20])
@pytest.mark.parametrize("n_agents", [1, 2, 1_500_000_000, 2**31 - 1])
def test_populations_of_one_and_of_the_most(size, n_agents):
    """Of 1.5 billion agents, three draws in ten are biased; all at one place is the largest count."""
    game = resources(size, 1000)
    start = starts(game, n_agents, 5)
    start[1] = np.eye(size, dtype=int)[-1] * n_agents
    found, (_, biased) = beside(game, staged(game), start)
    assert_same_bits(found, alone(game, staged(game), start))
    assert (found[0].sum(-1) == n_agents).all()
    if n_agents == 1_500_000_000:
        stat_tests.assert_binomial(biased, 5 * 1024, (2**32 % n_agents) / 2**32)


@pytest.mark.parametrize("batch", [2, 13])
def test_batches_of_the_most(batch):
    game = resources(3, 500)
    start = starts(game, 1_500_000_000, 5)
    found, (_, biased) = beside(game, staged(game), start, batch=batch)
    assert_same_bits(found, alone(game, staged(game), start, batch=batch))
    blocks = -(-500 // (32 // batch))
    stat_tests.assert_binomial(biased, 5 * blocks * (32 // batch * batch), (2**32 % 1_500_000_000) / 2**32)


def test_ties_take_more_bits():
    """32768 actions leave 17 bits of a draw to compare with a threshold: about eight of a million draws are ties."""
    n_actions, horizon = 2**15, 62_000
    rng = np.random.default_rng(4)
    game = tmf.Game(
        2, n_actions, horizon, 1.0, [0.5, 0.5], rng.normal(size=(2, n_actions)), np.ones((2, n_actions, 1)),
        passive_reward=rng.normal(size=2), successors=rng.integers(2, size=(2, n_actions, 1)),
    )
    start, policy = starts(game, 100, 16), staged(game)
    for batch in (1, 3):
        found, (ties, _) = beside(game, policy, start, horizon, batch=batch)
        assert ties > 0
        assert_same_bits(found, alone(game, policy, start, horizon, batch=batch))


def test_games_of_other_shapes():
    """Rows with several successors, sparse and dense; rewards that do not depend on mu."""
    rng = np.random.default_rng(6)
    for size, n_actions, n_successors in ((5, 3, 5), (7, 2, 4), (12, 5, 12), (40, 3, 2)):
        shape = (size, n_actions)
        sparse = {} if n_successors == size else {"successors": rng.integers(size, size=(*shape, n_successors))}
        game = tmf.Game(
            *shape, 3000, 0.99, rng.dirichlet(np.ones(size)), rng.normal(size=shape),
            rng.dirichlet(np.ones(n_successors), shape), passive_reward=rng.normal(size=size), **sparse,
        )
        start = starts(game, 60, 6)
        for batch in (1, 4):
            found, _ = beside(game, staged(game, 2), start, 50, batch=batch)
            assert_same_bits(found, alone(game, staged(game, 2), start, 50, batch=batch))


@pytest.mark.parametrize("start", ["rounded", "sampled"])
@pytest.mark.parametrize("schedule", [tmf.Sequential(), tmf.Batch(6), tmf.Batch([6] * 300), tmf.Batch(90)])
@pytest.mark.broad
def test_a_replica_does_not_depend_on_what_runs_beside_it(start, schedule):
    """simulate: the first replicas of 1, 16 and 200 are the same, on one thread and on three."""
    game, policy = resources(8, 300), staged(resources(8, 300), 3)
    runs = [
        tmf.simulate(game, policy, schedule, 100, replicas=replicas, rng=1, start=start, threads=threads, record_every=4, engine="counts")
        for replicas, threads in ((200, 1), (200, 3), (21, 2), (16, 1), (1, 1))
    ]
    for run in runs[1:]:
        for name in ("counts", "decisions", "rewards", "returns"):
            first = getattr(runs[0], name)[: len(run.returns)]
            assert getattr(run, name).tobytes() == first.tobytes()


@pytest.mark.parametrize("replicas", [3, 16, 21])
def test_given_starts(replicas):
    """simulate, by whichever kernel: each replica begins at its own row."""
    game, policy = resources(5, 700), staged(resources(5, 700))
    start = starts(game, 90, replicas)
    run = tmf.simulate(game, policy, tmf.Sequential(), 90, replicas=replicas, rng=5, start=start, record_every=9)
    assert_same_bits((run.counts, run.decisions, run.rewards, run.returns), alone(game, policy, start, 9))


@pytest.mark.parametrize("batch", [1, 2])
def test_the_law_of_the_counts(batch):
    """All paths of two steps of five agents, decisions included, against the enumerated chain."""
    game = resources(3, 2)
    policy, start = staged(game), np.array([2, 2, 1])
    assert lanes.side(game.model, as_policy(policy, game), 2, 5, True, batch)
    (counts, decisions, _, _), _ = beside(game, policy, np.tile(start, (20_000, 1)), batch=batch)
    law = reference_laws.counts_paths(game, policy.probabilities, [("batch", batch)] * 2, tuple(start.tolist()))
    made = decisions.reshape(20_000, 2, 9)
    seen = stat_tests.counted(counts[:, 0], made[:, 0], counts[:, 1], made[:, 1], counts[:, 2])
    stat_tests.assert_law(seen, law)


def test_which_games_it_plays():
    game = resources(4, 100)
    policy = as_policy(staged(game), game)
    assert lanes.side(game.model, policy, 100, 2**31 - 1, True)
    assert lanes.side(game.model, policy, 100, 2**31, True) is None
    assert lanes.side(game.model, policy, 100, 64, True, 32)
    assert lanes.side(game.model, policy, 100, 10**6, True, 33) is None
    assert lanes.side(game.model, policy, 100, 63, True, 32) is None, "more than half of the agents act"
    assert lanes.side(game.model, policy, 100, 10, True, 0) is None
    aware = as_policy(tmf.SoftmaxPolicy(np.zeros((1, 4, 4, 5))), game)
    assert lanes.side(game.model, aware, 100, 10, True) is None, "the policy depends on mu"
    jammed = tmf.games.resource_selection([1, 0.5], congestion=1, power=2, horizon=5, step=1).at()
    assert lanes.side(jammed.model, as_policy(staged(jammed), jammed), 5, 10, True) is None, "rewards are not affine"


def test_a_sum_that_is_not_finite_ends_the_run_as_alone():
    game = tmf.Game(2, 2, 50, 1.0, [0.5, 0.5], np.zeros((2, 2)), np.full((2, 2, 2), 0.5), passive_reward=[1e308, 1e307])
    errors = []
    for play in (beside, alone):
        for batch in (1, 5):
            with pytest.raises(ValueError) as error:
                play(game, staged(game), starts(game, 1000, 6), batch=batch)
            errors.append(str(error.value))
    assert errors[:2] == errors[2:]
    assert all("not finite" in error for error in errors)


def test_steps_are_told():
    """For each replica, and by progress=."""
    game = resources(8, 1000)
    policy, watch = as_policy(staged(game), game), np.zeros((4, 1), np.int64)
    side, keys, start = lanes.side(game.model, policy, 1000, 50, True), seeding.keys(seeding.seeds(1, 4)), starts(game, 50, 4)
    side.run(keys, start, 1.0, 1, *outputs(game, 4, 1, True), watch)
    assert (watch == 1000).all()
    seen = []
    tmf.simulate(game, staged(game), tmf.Sequential(), 50, replicas=20, rng=1, decisions=False, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20_000, 20_000)


def test_arguments_that_do_not_fit():
    game = resources(3, 10)
    policy, start = as_policy(staged(game), game), starts(game, 9, 2)
    side, keys = lanes.side(game.model, policy, 10, 9, True), seeding.keys(seeding.seeds(1, 17))

    def run(keys, start):
        side.run(keys, start, 1.0, 1, *outputs(game, len(start), 1, True))

    with pytest.raises(ValueError, match="there are 3 keys; must be 1 to 16, and as many as there are replicas"):
        run(keys[:3], start)
    with pytest.raises(ValueError, match="there are 17 keys"):
        run(keys, np.tile(start[:1], (17, 1)))
    with pytest.raises(ValueError, match="decisions are None; this Side was made for runs with them"):
        side.run(keys[:2], start, 1.0, 1, *outputs(game, 2, 1, False))
    with pytest.raises(ValueError, match="keys have 3 words; must have 4"):
        run(np.ascontiguousarray(keys[:2, :3]), start)
    start[1] = [10, -1, 0]
    with pytest.raises(ValueError, match=r"initial_counts\[1, 0\] is 10; must be 0 to 9, the number of agents"):
        run(keys[:2], start)
    start[1] = [4, 4, 2]
    with pytest.raises(ValueError, match=r"initial_counts\[1\] sums to 10; must be 9, the number of agents"):
        run(keys[:2], start)
