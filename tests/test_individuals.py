"""Individuals whose actions come from outside: the kernel behind the environments, held to the exact law."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

import reference_laws
import tmfcore as tmf
from stat_tests import assert_law, counted
from strategies import random_game, random_policy
from tmfcore._model.policies import as_policy
from tmfcore._population import individuals

pytestmark = pytest.mark.law

R = 10_000


def moved(game, t, mu, observations, actions, rng, policy=None):
    kernel = individuals.Individuals(game.model, policy, game.horizon)
    arrived, rewards = np.empty(len(observations), np.int64), np.empty(len(observations))
    kernel.move(rng.bit_generator, t, mu, observations, actions, arrived, rewards)
    return arrived, rewards


@pytest.mark.parametrize("passive", ["none", "identity", "dense", "sparse"])
@pytest.mark.parametrize(("sparse", "compiled"), [(False, False), (True, False), (True, True)])
@pytest.mark.broad
def test_moves_follow_the_rows_of_the_game(passive, sparse, compiled):
    spec = random_game(3, 4, 2, horizon=3, dependence="mu_t", passive=passive, sparse=sparse, compiled=compiled)
    game, plain = spec.build(), spec.reference()
    rng = np.random.default_rng(1)
    mu = rng.dirichlet(np.ones(4))
    reward, transition, passive_reward, resting = plain.tables(mu, 2)
    for o in range(4):
        for a in (-1, 0, 1):
            observations, actions = np.full(R, o), np.full(R, a)
            arrived, rewards = moved(game, 2, mu, observations, actions, rng)
            law = resting[o] if a < 0 else transition[o, a]
            assert_law(arrived, dict(enumerate(law / law.sum())))
            np.testing.assert_allclose(rewards, passive_reward[o] if a < 0 else reward[o, a], rtol=1e-12)
            assert (observations == o).all() and (actions == a).all()


def exact_step(plain, policy, counts, own, action, t, move):
    """Law of (own next observation, next counts) of one agent of a population, everybody counted."""
    mu = np.array(counts) / sum(counts)
    _, transition, _, passive = plain.tables(mu, t)
    others = np.array(counts)
    others[own] -= 1
    kind, size = move
    left = (kind, size - (action >= 0)) if kind == "batch" else move
    here = plain.tables(mu, t)
    fixed = replace(plain, tables=lambda *_: here)  # everybody is drawn at the mu of all N
    law = defaultdict(float)
    for (_, after), p in reference_laws.counts_step_law(fixed, lambda _, s: policy(mu, s), others, t, left).items():
        for x, q in enumerate(passive[own] if action < 0 else transition[own, action]):
            if q > 0:
                law[x, tuple(int(c) + (o == x) for o, c in enumerate(after))] += p * q
    return law


@pytest.mark.parametrize("passive", ["identity", "dense", "sparse"])
@pytest.mark.parametrize(
    ("action", "move"),
    [(1, ("batch", 4)), *((a, move) for a in (-1, 1) for move in (("batch", 1), ("batch", 3), ("coin", 0.3)))],
)
@pytest.mark.broad
def test_one_of_a_population_moves_with_the_others(passive, action, move):
    counts, own, t = (2, 1, 1), 0, 1
    spec = random_game(5, 3, 2, horizon=3, dependence="mu", passive=passive, sparse=passive == "sparse")
    policy = random_policy(6, 3, 2, kind="affine")
    game = spec.build()
    kernel = individuals.Individuals(game.model, as_policy(policy.build(3), game), 3)
    rng = np.random.default_rng(2)
    populations = np.tile(np.array(counts), (R, 1))
    arrived, rewards, after = np.empty(R, np.int64), np.empty(R), np.empty_like(populations)
    batch, p = (move[1], 0.0) if move[0] == "batch" else (-1, move[1])
    kernel.move_among(
        rng.bit_generator, t, batch, p, populations, np.full(R, own), np.full(R, action), after, arrived, rewards
    )
    law = exact_step(spec.reference(), policy.reference(3), counts, own, action, t, move)
    assert_law(counted(arrived, after), law)
    reward, _, passive_reward, _ = spec.reference().tables(np.array(counts) / 4, t)
    np.testing.assert_allclose(rewards, passive_reward[own] if action < 0 else reward[own, action], rtol=1e-12)
    assert (populations == counts).all()


def test_an_agent_alone_moves_alone():
    game = tmf.games.queueing([0.1, 0.2], step=1).at()
    kernel = individuals.Individuals(game.model, as_policy(tmf.TabularPolicy.uniform(game), game), game.horizon)
    arrived, rewards, after = np.empty(1, np.int64), np.empty(1), np.empty((1, 3), np.int64)
    rng = np.random.default_rng(1)
    kernel.move_among(
        rng.bit_generator, 0, 1, 0.0, np.array([[1, 0, 0]]), np.zeros(1, np.int64), np.ones(1, np.int64), after,
        arrived, rewards,
    )  # fmt: skip
    assert arrived.tolist() == [1] and after.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("shared", [True, False])
def test_what_learners_see(shared):
    rng = np.random.default_rng(3)
    observations = rng.integers(0, 5, 7)
    mu = rng.dirichlet(np.ones(5), 1 if shared else 7)
    out = np.full((7, 11), np.nan, np.float32)
    individuals.encode(observations, mu, 0.25, out)
    expected = np.concatenate([np.eye(5)[observations], np.broadcast_to(mu, (7, 5)), np.full((7, 1), 0.25)], axis=1)
    np.testing.assert_array_equal(out, expected.astype(np.float32))


def test_bad_arguments_are_named():
    game = tmf.games.queueing([0.1, 0.2], step=1).at()
    rng = np.random.default_rng(1)
    mu = game.initial
    one = np.zeros(2, np.int64)
    with pytest.raises(ValueError, match=r"actions\[1\] is 3; must lie in -1..2"):
        moved(game, 0, mu, one, np.array([0, 3]), rng)
    with pytest.raises(ValueError, match=r"observations\[0\] is 3; must lie in 0..2"):
        moved(game, 0, mu, np.array([3, 0]), one, rng)
    with pytest.raises(ValueError, match=r"t is 20; must lie in 0..19"):
        moved(game, 20, mu, one, one, rng)
    with pytest.raises(ValueError, match="must be equal"):
        moved(game, 0, mu, one, one[:1], rng)
    with pytest.raises(ValueError, match="mu has shape"):
        moved(game, 0, np.ones(1), one, one, rng)
    with pytest.raises(ValueError, match=r"out \(2, 6\)"):
        individuals.encode(one, mu[None], 0.0, np.empty((2, 6), np.float32))
    with pytest.raises(ValueError, match=r"observations\[0\] is -1"):
        individuals.encode(one - 1, mu[None], 0.0, np.empty((2, 7), np.float32))


@pytest.mark.parametrize(
    ("counts", "own", "action", "batch", "p", "message"),
    [
        ([1, 1, 0], 2, 0, 1, 0.0, r"counts\[0, 2\] is 0"),
        ([2, -1, 0], 0, 0, 1, 0.0, r"counts\[0, 1\] is -1"),
        ([1, 1, 0], 0, 0, 0, 0.0, "batch is 0; impossible with individual 0 acting and 1 others"),
        ([1, 1, 0], 0, -1, 2, 0.0, "batch is 2; impossible with individual 0 passive and 1 others"),
        ([1, 1, 0], 0, 0, -1, 1.5, "probability is 1.5"),
        ([1, 1], 0, 0, 1, 0.0, r"must be \(1, 3\)"),
    ],
)
def test_bad_populations_are_named(counts, own, action, batch, p, message):
    game = tmf.games.queueing([0.1, 0.2], step=1).at()
    rng = np.random.default_rng(1)
    populations = np.array([counts])
    arguments = (np.array([own]), np.array([action]), np.empty_like(populations), np.empty(1, np.int64), np.empty(1))
    kernel = individuals.Individuals(game.model, as_policy(tmf.TabularPolicy.uniform(game), game), game.horizon)
    with pytest.raises(ValueError, match=message):
        kernel.move_among(rng.bit_generator, 0, batch, p, populations, *arguments)
    with pytest.raises(ValueError, match="policy is None"):
        individuals.Individuals(game.model, None, 20).move_among(
            rng.bit_generator, 0, batch, p, populations, *arguments
        )


def test_a_row_that_is_no_distribution_changes_nothing():
    game = tmf.Game(
        2, 1, 3, 1.0, [1.0, 0.0], np.zeros((2, 1)),
        lambda mu, t: np.full((2, 1, 2), 0.5 if t == 0 else 0.4),
    )  # fmt: skip
    rng = np.random.default_rng(1)
    state = rng.bit_generator.state
    with pytest.raises(ValueError, match=r"sums to 0\.8"):
        moved(game, 1, np.array([1.0, 0.0]), np.zeros(3, np.int64), np.zeros(3, np.int64), rng)
    assert rng.bit_generator.state == state
