"""Single agents that act in turn: where they stand, what is earned, and what a chunk or a stage changes (nothing)."""

import numpy as np
import pytest

import reference_laws
import stat_tests
import tmfcore as tmf

pytestmark = pytest.mark.law

ENGINES = ("agents", "counts")


def uniform(game):
    return tmf.TabularPolicy(np.full((game.n_observations, game.n_actions), 1 / game.n_actions))


@pytest.mark.parametrize("size", [1, 7, 8, 9, 20, 64])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.broad
def test_the_agent_that_acts_stands_anywhere_in_proportion(engine, size):
    """Who acts first, over 3000 replicas: observation o with probability counts[o] / N; empty ones never."""
    counts = np.random.default_rng(size).integers(0, 5, size)
    counts[size // 2] = 30
    game = tmf.games.resource_selection(np.linspace(1, 0.2, size), congestion=np.ones(size), horizon=1, step=1.0).at()
    run = tmf.simulate(game, uniform(game), tmf.Sequential(), int(counts.sum()), engine=engine, start=counts,
                       replicas=3000, rng=5)  # fmt: skip
    where = np.argmax(run.decisions[:, 0].sum(-1), axis=-1)
    stat_tests.assert_law(where, {o: n / counts.sum() for o, n in enumerate(counts.tolist()) if n})


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [1, 7, 40])
@pytest.mark.broad
def test_rewards_follow_the_moves(engine, power, batch):
    """Over chunks and stages, the reward of every step is that of its own counts and decisions."""
    game = tmf.games.resource_selection([1, 0.8, 0.3], congestion=[1, 2, 0.5], switching_cost=0.1, power=power, step=1 / 50, horizon=20).at()
    rng = np.random.default_rng(3)
    policy = tmf.TabularPolicy(rng.dirichlet(np.ones(3), size=(7, 3)))
    n_agents = 50 * batch
    run = tmf.simulate(game, policy, tmf.Batch(batch), n_agents, engine=engine, rng=9)
    assert game.horizon == 1000, "several chunks of random numbers"
    for t in range(game.horizon):
        mu = run.counts[0, t] / n_agents
        switches = batch - run.decisions[0, t].trace()
        earned = run.counts[0, t] @ game.tables(mu, t)[2] - 0.1 * switches
        assert run.decisions[0, t].sum() == batch
        assert run.rewards[0, t] == pytest.approx(earned / n_agents, abs=1e-14)
        moved = run.decisions[0, t].sum(0) - run.decisions[0, t].sum(1)
        np.testing.assert_array_equal(run.counts[0, t + 1] - run.counts[0, t], moved)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_list_of_ones_is_sequential_play(engine):
    """Batches given one by one, all of one agent, draw what Sequential draws; larger ones in between end a run of them."""
    game = tmf.games.resource_selection([1, 0.8, 0.3], congestion=[1, 1, 1], switching_cost=0.1, step=1 / 40, horizon=10).at()
    ones = tmf.simulate(game, uniform(game), tmf.Batch(np.ones(game.horizon, int)), 40, engine=engine, rng=1)
    alone = tmf.simulate(game, uniform(game), tmf.Sequential(), 40, engine=engine, rng=1)
    np.testing.assert_array_equal(ones.decisions, alone.decisions)
    sizes = np.random.default_rng(0).choice([0, 1, 1, 1, 3, 40], game.horizon)
    mixed = tmf.simulate(game, uniform(game), tmf.Batch(sizes), 40, engine=engine, rng=1)
    np.testing.assert_array_equal(mixed.decisions[0].sum((1, 2)), sizes)
    for t in range(game.horizon):
        rewards = reference_laws.step_reward(game, mixed.counts[0, t], mixed.decisions[0, t], t)
        assert mixed.rewards[0, t] == pytest.approx(rewards, abs=1e-12)


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: tmf.games.garnet(7, horizon=60, coupling=0.3, step=1).at(),
        lambda: tmf.games.rock_paper_scissors(horizon=60, step=1).at(),
        lambda: tmf.games.braess(horizon=60),
        lambda: tmf.games.beach_bar(8, worth=np.random.default_rng(3).normal(size=(60, 8)), horizon=60, step=1).at(),
        lambda: tmf.games.beach_bar(9, horizon=60, step=1).at(),
        lambda: tmf.games.linear_quadratic(7, horizon=60, step=1).at(),
    ],
    ids=["garnet", "rock_paper_scissors", "braess", "beach of changing worth", "beach", "linear_quadratic"],
)
def test_rewards_are_those_of_the_tables(make, engine):
    """What all earn in a step, those who stand still included, is what the tables at its population pay."""
    game = make()
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Sequential(), 30, engine=engine, rng=6)
    for t in range(game.horizon):
        reward, _, passive_reward, _ = game.tables(run.mu[0, t], t)
        acted = run.decisions[0, t]
        earned = (acted * reward).sum() + (run.counts[0, t] - acted.sum(axis=1)) @ passive_reward
        assert run.rewards[0, t] == pytest.approx(earned / 30, rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_a_callable_policy_is_asked_for_the_row_of_the_agent_that_acts(engine):
    """Everywhere another action, with certainty: one agent goes round, whatever is drawn."""
    game = tmf.games.resource_selection((1.0, 0.5, 0.2), congestion=1.0, horizon=7, initial=(0.0, 1.0, 0.0), step=1).at()
    onwards = np.eye(3)[[1, 2, 0]]
    for policy in (lambda mu: onwards, lambda mu, t: onwards, tmf.TabularPolicy(onwards[None])):
        run = tmf.simulate(game, policy, tmf.Sequential(), n_agents=1, rng=1, engine=engine)
        assert run.counts[0].argmax(axis=-1).tolist() == [1, 2, 0, 1, 2, 0, 1, 2]
