"""Oracles: the law of what they show, exactly, in the mean field and among N agents; and what they refuse."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.learn._oracle import played

S, A, T = 3, 2, 2
RNG = np.random.default_rng(3)
ROWS, RESTING = RNG.dirichlet(np.ones(S), size=(S, A)), RNG.dirichlet(np.ones(S), size=S)
PULL = RNG.dirichlet(np.ones(S), size=(S, A))


def moving(mu):
    return 0.5 * ROWS + 0.5 * (mu[0] * PULL + (1 - mu[0]) * ROWS[::-1])


GAME = tmf.Game(S, A, T, 1.0, [0.5, 0.3, 0.2], np.zeros((S, A)), moving, passive_transition=RESTING)
OWN, OTHERS = RNG.dirichlet(np.ones(A), size=(2, T, S))
BY_OBSERVATION = tmf.Bernoulli([[0.2, 0.9, 0.5]])


def law(mu, shares):
    """The probability of every trajectory (o_0, a_0, o_1, a_1, o_2) of one agent, in populations mu (T, S)."""
    found = {}
    for o0, a0, o1, a1, o2 in product(range(S), range(-1, A), range(S), range(-1, A), range(S)):
        p = GAME.initial[o0]
        for t, (o, a, x) in enumerate(((o0, a0, o1), (o1, a1, o2))):
            p *= 1 - shares[o] if a < 0 else shares[o] * OWN[t, o, a]
            p *= RESTING[o, x] if a < 0 else moving(mu[t])[o, a, x]
        found[o0, a0, o1, a1, o2] = p
    assert sum(found.values()) == pytest.approx(1)
    return found


def chi2(seen, law, n):
    """Pearson's statistic, of cells with at least 5 expected, and its degrees of freedom."""
    cells = [key for key in law if n * law[key] >= 5]
    rest = n - sum(seen[key] for key in cells), n * (1 - sum(law[key] for key in cells))
    stat = sum((seen[key] - n * law[key]) ** 2 / (n * law[key]) for key in cells)
    if rest[1] > 5:
        stat += (rest[0] - rest[1]) ** 2 / rest[1]
    return stat, len(cells)


def keys(observations, actions):
    return Counter((int(o[0]), int(a[0]), int(o[1]), int(a[1]), int(o[2])) for o, a in zip(observations, actions, strict=True))


@pytest.mark.parametrize(
    ("schedule", "shares"), [(tmf.Synchronous(), [1, 1, 1]), (tmf.Fraction(0.4), [0.4] * 3), (BY_OBSERVATION, [0.2, 0.9, 0.5])]
)
def test_the_law_in_the_mean_field(schedule, shares):
    """40,000 trajectories against the exact law: false alarms 1e-6 each."""
    n = 40_000
    mu = tmf.mean_field(GAME, OTHERS, schedule).mu
    wanted = law(mu, np.array(shares, float))
    seen = keys(*tmf.learn.Oracle(GAME, schedule, trajectories=n, rng=1)(OWN, OTHERS))
    assert all(wanted[key] > 0 for key in seen)
    stat, cells = chi2(seen, wanted, n)
    from scipy.stats import chi2 as law_of

    assert stat < law_of.isf(1e-6, cells)


def test_the_law_among_few_agents():
    """Of two agents: the other one moves as well, so that rows are at the mu of both. First step, exactly: one of two."""
    n = 20_000
    oracle = tmf.learn.Oracle(GAME, tmf.Sequential(), 2, finite=True, trajectories=n, rng=2)
    observations, actions = oracle(OWN, OTHERS)
    start = np.bincount(observations[:, 0], minlength=S) / n
    assert set(np.flatnonzero(start)) == {0, 1}  # 0.5, 0.3 and 0.2 of two agents, rounded: one at 0 and one at 1
    mu = np.array([0.5, 0.5, 0.0])
    for o in (0, 1):
        here = observations[:, 0] == o
        acts = actions[:, 0] >= 0
        m = here.sum()
        assert abs((here & acts).sum() / m - 0.5) < 5 * np.sqrt(0.25 / m)
        for a in range(A):
            some = here & (actions[:, 0] == a)
            assert abs(some.sum() / m - 0.5 * OWN[0, o, a]) < 5 * np.sqrt(0.25 / m)
            went = np.bincount(observations[some, 1], minlength=S) / some.sum()
            np.testing.assert_allclose(went, moving(mu)[o, a], atol=5 * np.sqrt(0.25 / some.sum()))
        went = np.bincount(observations[here & ~acts, 1], minlength=S) / (here & ~acts).sum()
        np.testing.assert_allclose(went, RESTING[o], atol=5 * np.sqrt(0.25 / (here & ~acts).sum()))


def test_many_agents_are_the_mean_field():
    """Its last observation, of an agent among 10,000: the same law but for about 1 / sqrt N."""
    ends = []
    for finite in (False, True):
        oracle = tmf.learn.Oracle(GAME, tmf.Batch(4000), 10_000, finite=finite, trajectories=4000, rng=5)
        ends.append(np.bincount(oracle(OWN, OTHERS)[0][:, -1], minlength=S) / 4000)
    np.testing.assert_allclose(*ends, atol=5 * np.sqrt(2 * 0.25 / 4000) + 0.01)


def test_successors_and_their_repeats():
    """Cells of one observation add up; a row of one cell is certain."""
    game = tmf.Game(3, 1, 4, 1.0, [1, 0, 0], np.zeros((3, 1)), [[[0.5, 0.5]]] * 3, successors=[[[1, 1]], [[2, 2]], [[0, 0]]])
    for finite in (False, True):
        observations, actions = tmf.learn.Oracle(game, tmf.Synchronous(), 5, finite=finite, rng=1)(*[np.ones((3, 1))] * 2)
        assert observations.tolist() == [0, 1, 2, 0, 1] and actions.tolist() == [0] * 4


def test_what_it_shows_depends_on_the_seed_alone():
    """Nor on the policy objects: arrays that are changed in place are read anew."""
    first, again = (tmf.learn.Oracle(GAME, tmf.Synchronous(), rng=7, trajectories=5) for _ in range(2))
    policy = tmf.TabularPolicy(OWN)
    for _ in range(2):
        for one, other in zip(first(policy, policy), again(OWN, OWN.copy()), strict=True):
            np.testing.assert_array_equal(one, other)
    game = tmf.Game(2, 2, 2, 1.0, [1, 0], np.zeros((2, 2)), lambda mu, t: np.tile([1.0, 0.0] if t == 0 or mu[0] == 1 else [0.0, 1.0], (2, 2, 1)))
    table = np.tile([1.0, 0.0], (2, 1))
    oracle = tmf.learn.Oracle(game, tmf.Synchronous(), rng=1)
    assert oracle(table, table)[0].tolist() == [0, 0, 0]


def test_its_text():
    assert repr(tmf.learn.Oracle(GAME.replace(name="x"), tmf.Synchronous())) == "Oracle('x', Synchronous(), the mean field)"
    several = tmf.learn.Oracle(GAME.replace(name="x"), tmf.Batch(3), 9, finite=True, trajectories=2)
    assert repr(several) == "Oracle('x', Batch(3), 9 agents, 2 trajectories)"


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: tmf.learn.Oracle(GAME, tmf.Synchronous(), finite=True), ValueError, "n_agents is None; must be given with finite=True"),
        (lambda: tmf.learn.Oracle(GAME, tmf.Poisson()), ValueError, "schedule is Poisson.*must be in steps"),
        (lambda: tmf.learn.Oracle(GAME, tmf.Batch(3)), ValueError, "n_agents is None"),
        (lambda: tmf.learn.Oracle(GAME, tmf.Synchronous(), trajectories=0), ValueError, "trajectories is 0"),
    ],
)
def test_it_refuses(call, error, match):
    with pytest.raises(error, match=match):
        call()


LEGAL = tmf.Game(S, A, T, 1.0, [0.5, 0.3, 0.2], np.zeros((S, A)), ROWS, legal=[[True, True], [True, False], [True, True]])


@pytest.mark.parametrize(
    ("found", "error", "match"),
    [
        (None, TypeError, "returned None; must be a tuple"),
        (([0, 1, 2], [0]), ValueError, r"oracle\(agent, population\)\[1\] has shape \(1,\)"),
        (([0, 1], [0, 1]), ValueError, r"oracle\(agent, population\)\[0\] has shape \(2,\)"),
        (([0, 1, 3], [0, 1]), ValueError, r"oracle\(agent, population\)\[0\].*3.*0..2|3.*<= 2"),
        (([0, 1, 2], [0, -2]), ValueError, r"oracle\(agent, population\)\[1\]"),
        (([0, 1, 2], [0, 1]), ValueError, "action 1 at step 1, which is illegal at observation 1"),
        (([[0, 1, 2]] * 2, [[0, 0]]), ValueError, r"oracle\(agent, population\)\[1\] has shape \(1, 2\)"),
    ],
)
def test_what_oracles_return_is_checked(found, error, match):
    with pytest.raises(error, match=match):
        list(played(lambda agent, population: found, None, None, LEGAL))


def test_errors_of_oracles_name_them():
    def fails(agent, population):
        raise RuntimeError("the line is dead")

    with pytest.raises(RuntimeError) as caught:
        list(played(fails, None, None, LEGAL))
    assert caught.value.__notes__ == ["raised by oracle, called as a function of (agent, population)"]
