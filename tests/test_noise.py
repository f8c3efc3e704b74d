"""Markov chains of common noise, and policies that see their state."""

import copy
import pickle
from itertools import pairwise, product

import numpy as np
import pytest
from noise_cases import CHAIN

import tmfcore as tmf


def test_all_paths_and_their_probabilities():
    chain = tmf.NoiseChain([0.25, 0.0, 0.75], [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])
    states, probabilities = chain.paths(4)
    expected = {}
    for path in product(range(3), repeat=4):
        p = chain.initial[path[0]] * np.prod([chain.transition[z, after] for z, after in pairwise(path)])
        if p > 0:
            expected[path] = p
    assert [tuple(path) for path in states] == list(expected)  # lexicographic, without impossible ones
    np.testing.assert_allclose(probabilities, list(expected.values()), rtol=1e-15)
    assert abs(probabilities.sum() - 1) < 1e-14


def test_many_steps_of_few_paths_are_no_problem_and_many_paths_are_an_error():
    still = tmf.NoiseChain([0.5, 0.5], np.eye(2))
    states, probabilities = still.paths(5000)
    assert states.shape == (2, 5000) and (states == [[0], [1]]).all() and (probabilities == 0.5).all()
    with pytest.raises(ValueError, match=r"n_steps is 40; must be at most 20: the chain has 2097152 paths of 21 steps"):
        CHAIN.paths(40)


def test_samples_have_the_law_of_the_chain():
    """Counts of all paths of three steps: Pearson's chi-square of 7 degrees at 1e-6, whose quantile is 42.7."""
    n = 100_000
    states = CHAIN.sample(3, paths=n, rng=1)
    assert states.dtype == np.int64 and states.shape == (n, 3)
    paths, probabilities = CHAIN.paths(3)
    counts = np.array([(states == path).all(axis=1).sum() for path in paths])
    assert counts.sum() == n
    assert ((counts - n * probabilities) ** 2 / (n * probabilities)).sum() < 42.7


def test_samples_depend_on_the_seed_and_not_on_their_number():
    few, many = CHAIN.sample(7, paths=3, rng=5), CHAIN.sample(7, paths=9, rng=5)
    assert np.array_equal(few, many[:3]) and not np.array_equal(many[:3], many[3:6])
    impossible = tmf.NoiseChain([0.0, 1.0, 0.0], [[0, 0, 1], [1.0, 0, 0], [0, 1, 0]])
    assert np.array_equal(impossible.sample(5, paths=2, rng=1), [[1, 0, 2, 1, 0]] * 2)


def test_chains_are_values():
    again = tmf.NoiseChain([0.3, 0.7], [[0.8, 0.2], [0.4, 0.6]], values=[-0.5, 1.5])
    assert again == CHAIN and hash(again) == hash(CHAIN) and again != tmf.NoiseChain([0.3, 0.7], CHAIN.transition)
    assert (CHAIN == 3) is False
    for other in (pickle.loads(pickle.dumps(CHAIN)), copy.deepcopy(CHAIN)):
        assert other == CHAIN and not other.values.flags.writeable
    assert repr(CHAIN) == "NoiseChain(Z=2)"
    assert repr(tmf.NoiseChain([1.0], [[1.0]], values=np.zeros((1, 3)))) == "NoiseChain(Z=1, values (1, 3))"
    with pytest.raises(AttributeError):
        CHAIN.initial = [1.0]


def test_chains_refuse_what_is_none():
    with pytest.raises(ValueError, match=r"transition\[1\] sums to 0.9"):
        tmf.NoiseChain([0.5, 0.5], [[0.5, 0.5], [0.5, 0.4]])
    with pytest.raises(ValueError, match=r"transition has shape \(1, 1\); must be \(Z, Z\) = \(2, 2\)"):
        tmf.NoiseChain([0.5, 0.5], [[1.0]])
    with pytest.raises(ValueError, match=r"values has shape \(3,\); must be \(Z, ...\) with Z = 2"):
        tmf.NoiseChain([0.5, 0.5], np.eye(2), values=[1, 2, 3])
    with pytest.raises(ValueError, match="initial has 1025 states; must have at most 1024"):
        tmf.NoiseChain(np.full(1025, 1 / 1025), np.eye(1025))


def test_a_policy_on_a_path():
    """Stage floor(t L / T), row z_t."""
    table = np.random.default_rng(1).dirichlet(np.ones(2), (2, 3, 4))  # L, Z, S
    policy = tmf.NoisePolicy(table)
    found = policy.on([2, 0, 1, 1, 2])
    assert np.array_equal(found.table, [table[0, 2], table[0, 0], table[0, 1], table[1, 1], table[1, 2]])
    assert policy == tmf.NoisePolicy(table) and policy != tmf.NoisePolicy(table[0]) and policy.n_states == 3
    assert hash(policy) == hash(pickle.loads(pickle.dumps(policy)))
    with pytest.raises(ValueError, match=r"path\[0\] is 3; must be in \[0, 2\]"):
        policy.on([3, 0])
    with pytest.raises(ValueError, match="policy has 2 stages; must have at most one per step, 1"):
        policy.on([0])


def test_a_policy_that_remembers():
    """Row z_{t-1} Z + z_t; a state that has not come counts as 0."""
    table = np.random.default_rng(2).dirichlet(np.ones(2), (9, 4))  # Z = 3
    policy = tmf.NoisePolicy(table, memory=2)
    assert np.array_equal(policy.on([2, 0, 1, 1]).table, table[[2, 6, 1, 4]]) and policy.n_states == 3
    assert policy != tmf.NoisePolicy(table) and pickle.loads(pickle.dumps(policy)) == policy
    with pytest.raises(ValueError, match=r"probabilities has H = 9 histories; must be Z\*\*memory, with memory = 3"):
        tmf.NoisePolicy(table, memory=3)


def test_a_policy_over_levels_of_numbers(tmp_path):
    """The state is the number of edges <= z."""
    table = np.random.default_rng(3).dirichlet(np.ones(2), (3, 4))
    policy = tmf.NoisePolicy(table, edges=[-0.5, 1.0])
    assert np.array_equal(policy.on([-3.0, -0.5, 0.0, 1.0, 9.0]).table, table[[0, 1, 1, 2, 2]])
    policy.save(tmp_path / "policy.npz")
    assert tmf.load(tmp_path / "policy.npz") == policy and policy != tmf.NoisePolicy(table)
    with pytest.raises(ValueError, match=r"edges\[1\] is 1; must be greater than edges\[0\] = 1"):
        tmf.NoisePolicy(table, edges=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"edges has shape \(1,\); must be \(Z-1\) = \(2,\)|edges has shape \(1,\)"):
        tmf.NoisePolicy(table, edges=[1.0])
