"""Checks of the benchmark problems: right answers pass, wrong ones do not, however little they are off."""

import dataclasses
import itertools

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.bench import Answer, Direction, Disagreement, workloads
from tmfcore.bench.problems import BeachBar, Descent, Gradient, JostledBar


@pytest.mark.parametrize("shift", [0, 1])
def test_check_finds_a_wrong_law(shift):
    """Exact rounded means pass; one agent too many, or 7 standard deviations, do not."""
    problem = workloads.dense("agents", 8, 4, 100_000, 3)
    counts = np.round(problem.law(3) * problem.n_agents).astype(int)
    counts[0] += problem.n_agents - counts.sum()
    if not shift:
        problem.check(Answer(counts, 3))
        return
    with pytest.raises(Disagreement, match="sum to"):
        problem.check(Answer(counts + np.eye(8, dtype=int)[0], 3))
    far = int(7 * np.sqrt(counts[1])) + 2
    with pytest.raises(Disagreement, match=r"counts\[[01]\]"):
        problem.check(Answer(counts + far * np.array([-1, 1, 0, 0, 0, 0, 0, 0]), 3))


def test_check_finds_a_wrong_number():
    problem = BeachBar("exploitability", 10, 4)
    best, own = problem.returns
    problem.check(best - own)
    problem.check(np.float32(best - own + 1e-5))
    with pytest.raises(Disagreement, match="exploitability"):
        problem.check(best - own + 1e-5)


def test_moments_of_a_direction_by_enumeration():
    """Mean and variance of one agent's direction over all its trajectories; and the policy gradient theorem."""

    rng = np.random.default_rng(3)
    shape = (2, 2)
    pi, reward = rng.dirichlet(np.ones(2), size=2), rng.random(shape)
    moves = rng.dirichlet(np.ones(2), size=shape)
    problem = Gradient("gradient", 100, 3, pi, moves, reward, 100, discount=0.8)
    first, second = np.zeros((2, 2, *shape))
    for start in range(2):
        for path in itertools.product(range(2), repeat=6):  # a, x, a, x, a, x
            o, share, seen = start, 1.0, []
            for a, x in zip(path[::2], path[1::2]):
                share *= pi[o, a] * moves[o, a, x]
                seen.append((o, a))
                o = x
            z, g = np.zeros(shape), 0.0
            for o, a in seen[::-1]:
                g = reward[o, a] + 0.8 * g
                z[o] += (np.eye(2)[a] - pi[o]) * g
            first[start] += share * z
            second[start] += share * z**2
    found = [moment.T.reshape(2, *shape) for moment in problem.moments]
    np.testing.assert_allclose(found, [first, second], rtol=1e-12, atol=1e-14)

    mu, flow = problem.initial / 100, []
    for _ in range(3):
        flow.append(mu)
        mu = np.einsum("o,oa,oax->x", mu, pi, moves)
    value, gradient = np.zeros(2), np.zeros(shape)
    for mu in flow[::-1]:
        q = reward + 0.8 * moves @ value
        value = (pi * q).sum(axis=1)
        gradient += mu[:, None] * pi * (q - value[:, None])
    np.testing.assert_allclose(np.tensordot(problem.initial / 100, first, axes=1), gradient, rtol=1e-12)


def test_check_finds_a_wrong_direction():
    problem = workloads.gradient(8, 10_000, 5)
    first, second = problem.moments
    start = problem.initial / 10_000
    mean, deviation = first @ start, np.sqrt((second - first**2) @ start / 10_000)
    problem.check(Direction(mean.reshape(8, 4), 10_000))
    far = mean.copy()
    far[6] += 7 * deviation[6]
    with pytest.raises(Disagreement, match=r"direction\[1, 2\]"):
        problem.check(Direction(far.reshape(8, 4), 10_000))
    problem.check(Direction(far.reshape(8, 4), 1_000))  # within reach of fewer
    with pytest.raises(Disagreement, match="shape"):
        problem.check(Direction(np.zeros((4, 8)), 10_000))


def test_check_finds_a_wrong_trace_and_a_wrong_push():
    problem = Descent("mirror_descent", 10, 4)
    uniform = BeachBar("exploitability", 10, 4)
    uniform.__dict__["pi"] = np.full((10, 3), 1 / 3)
    best, own = uniform.returns
    assert problem.trace[0] == pytest.approx(best - own, rel=1e-12)
    assert (np.diff(problem.trace) < 0).all()
    problem.check(problem.trace)
    problem.check(np.float32(problem.trace + 5e-5))
    problem.check({1: problem.trace[1]})
    for wrong in (problem.trace + 5e-5, {0: problem.trace[0]}, {1: problem.trace[2]}, problem.trace[:-1]):
        with pytest.raises(Disagreement):
            problem.check(wrong)

    jostled, bar = JostledBar("push_forward_mu", 20, 3), BeachBar("push_forward", 20, 3)
    jostled.check(jostled.flow[-1])
    assert jostled.flow.sum(axis=1) == pytest.approx(1.0)
    with pytest.raises(Disagreement):
        jostled.check(bar.flow[-1])


@pytest.mark.parametrize("make", [
    lambda: workloads.meeting(8, 20_000, 20_000), lambda: workloads.imitation(5, 20_000, 20_000), lambda: workloads.epidemic(20_000, 20_000),
], ids=["affine", "pairwise", "epidemic"])  # fmt: skip
@pytest.mark.broad(2)
def test_law_of_coupled_agents_is_that_of_many_populations(make):
    """Mean, variance and number of changes by a plain loop over agents, at N = 200: 200 populations in one array."""
    problem = dataclasses.replace(make(), n_agents=200, steps=300)
    rng, runs = np.random.default_rng(5), 200
    here = np.tile(problem.population(np.intp), (runs, 1))
    counts, each, changes = np.tile(problem.initial, (runs, 1)), np.arange(runs), np.zeros(runs)
    for _ in range(problem.steps):
        agent = rng.integers(problem.n_agents, size=runs)
        old = here[each, agent]
        rows = np.array([problem.kernel(m)[o] for m, o in zip(counts / 200, old)])
        new = (rows.cumsum(axis=1) < rng.random((runs, 1))).sum(axis=1)
        here[each, agent] = new
        counts[each, old] -= 1
        counts[each, new] += 1
        changes += new != old
    mean, variance, changed = problem.law(problem.steps)
    off = (counts.mean(axis=0) - 200 * mean) / np.sqrt(200 * variance / runs)
    assert np.abs(off).max() < 5.0  # and the O(1) difference between mean and mean field is 0.2 deviations here
    ratio = counts.var(axis=0) / (200 * variance)
    assert np.abs(ratio - 1.0).max() < 5.0 * np.sqrt(2.0 / runs)
    assert abs(changes.mean() - 200 * changed) < 5.0 * changes.std() / np.sqrt(runs) + 1.0
    assert problem.changes == 200 * changed


def test_check_finds_a_wrong_coupled_law():
    problem = workloads.meeting(8, 20_000, 20_000)
    mean = np.round(20_000 * problem.law(20_000)[0]).astype(int)
    mean[0] += 20_000 - mean.sum()
    problem.check(mean)
    problem.check(Answer(mean, 20_000))
    far = int(7 * np.sqrt(20_000 * problem.law(20_000)[1][1])) + 4
    with pytest.raises(Disagreement, match=r"counts\[[01]\] is"):
        problem.check(mean + far * np.array([-1, 1, 0, 0, 0, 0, 0, 0]))
    with pytest.raises(Disagreement, match="counts sum to 20001"):
        problem.check(mean + np.eye(8, dtype=int)[0])
    with pytest.raises(Disagreement, match=r"counts has shape \(7,\)"):
        problem.check(mean[:7])


def test_check_finds_a_wrong_replica_and_replicas_that_are_one():
    problem = workloads.replicas(8, 1_000, 1_000, n_replicas=16)
    rng = np.random.default_rng(2)
    sample = rng.multinomial(1_000, problem.law(1_000), size=16)
    problem.check(sample)
    problem.check(Answer(sample, 1_000))
    shifted = sample.copy()
    shifted[3] = problem.initial
    with pytest.raises(Disagreement, match=r"counts\[\d\] is"):
        problem.check(shifted)
    one = np.round(1_000 * problem.law(1_000)).astype(int)
    one[1] += int(2.5 * np.sqrt(one[1]))
    one[0] -= one.sum() - 1_000
    with pytest.raises(Disagreement, match="summed over replicas"):
        problem.check(np.tile(one, (16, 1)))
    with pytest.raises(Disagreement, match="must have"):
        problem.check(sample[0])


@pytest.mark.parametrize("game_class", ["alone", "monotone", "potential", "coupled"])
def test_check_judges_a_policy(game_class):
    problem = workloads.solving(game_class, 1e-2, size=5, n_actions=3, steps=6)
    uniform = np.full((5, 3), 1 / 3)
    assert problem.target == pytest.approx(1e-2 * problem.exploitability(uniform[None]))
    with pytest.raises(Disagreement, match=r"exploitability is .*; must be at most"):
        problem.check(uniform)
    solution = tmf.solve(problem.game, tmf.Synchronous(), tolerance=None, absolute_tolerance=problem.target)
    problem.check(solution.policy.table)
    problem.check(solution.policy.table.astype(np.float32))
    with pytest.raises(Disagreement, match="policy has shape"):
        problem.check(solution.policy.table[:-1])
    with pytest.raises(Disagreement, match=r"sums to 0\.5"):
        problem.check(uniform / 2)


def test_classes_of_games_are_what_they_are_called():
    """By the definitions: no mu; a negative definite crowd; a symmetric, indefinite one; a kernel with mu."""
    def crowd(problem):
        assert (problem.reward_mu == problem.reward_mu[:, :1]).all()
        return problem.reward_mu[:, 0]

    alone, monotone, potential, coupled = (workloads.solving(name, 1e-2) for name in ("alone", "monotone", "potential", "coupled"))
    assert not crowd(alone).any() and alone.transition_mu is None
    assert np.linalg.eigvalsh(crowd(monotone)).max() < 0 and monotone.transition_mu is None
    assert (crowd(potential) == crowd(potential).T).all() and potential.transition_mu is None
    assert np.linalg.eigvalsh(crowd(potential))[[0, -1]] @ [-1, 1] > 0 and np.linalg.eigvalsh(crowd(potential)).max() > 1
    assert np.abs(coupled.transition_mu - coupled.transition_mu.mean(axis=3, keepdims=True)).max() > 0.01
