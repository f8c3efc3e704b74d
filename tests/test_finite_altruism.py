"""One of N agents that weighs the returns of all others: against enumeration for N = 2 and 3, and on its way to the limit.

Statistical assertions: |z| < 6 at fixed seeds.
"""

import itertools

import numpy as np
import pytest
from finite_cases import CASES, Z, exact_return
from welfare_cases import interior

import tmfcore as tmf
from tmfcore.games import SHELF


@pytest.mark.parametrize("n_agents", [2, 3])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.schedule.kind)
@pytest.mark.broad(2)
def test_equals_enumeration(case, n_agents):
    """What the deviating agent gains, what all others gain, and the sum that it maximises."""
    found = tmf.finite_exploitability(*case.build(), n_agents, altruism=0.6, replicas=600, rng=7)
    deviation = found.policy.table
    own, both = (exact_return(case, n_agents, deviation, x) - exact_return(case, n_agents, None, x) for x in (0.0, 1.0))
    assert found.altruism == 0.6
    assert abs(found.deviator_return - found.population_return - own) < Z * np.hypot(found.deviator_se, found.population_se)
    assert abs(found.others_gain - (both - own)) < Z * found.others_se + 1e-12
    assert abs(found.value - (0.4 * own + 0.6 * both)) < Z * found.se
    assert found.se < 0.2 and found.others_se < 0.25


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.schedule.kind)
@pytest.mark.broad(1)
def test_finds_a_deviation_near_the_best(case):
    """All 64 deterministic policies of (t, o), enumerated: the one found is worth nearly as much as the best."""
    found = tmf.finite_exploitability(*case.build(), 3, altruism=1.0, replicas=100, rng=1)
    together = exact_return(case, 3, None, 1.0)
    gains = []
    for choice in itertools.product(range(2), repeat=6):
        table = np.eye(2)[np.array(choice).reshape(3, 2)]
        gains.append(exact_return(case, 3, table, 1.0) - together)
    mine = exact_return(case, 3, found.policy.table, 1.0) - together
    assert max(gains) > 0.05
    assert 0.8 * max(gains) <= mine <= max(gains) + 1e-12


@pytest.mark.parametrize("altruism", [0.0, 0.5, 1.0])
def test_a_crowd_that_one_agent_leaves(altruism):
    """All are at 0, and one goes to 1 for a step: it gains 1 - 1/N, and each of N - 1 others 1/N. The error is exactly 1/N."""
    reward = lambda mu: np.repeat(-mu[:, None], 2, axis=1)  # noqa: E731
    game = tmf.Game(2, 2, 2, 1.0, [1.0, 0.0], reward, np.eye(2)[None].repeat(2, axis=0))
    stay = tmf.TabularPolicy([[1.0, 0.0], [1.0, 0.0]])
    for n in (1, 2, 5, 50, 10**6):
        found = tmf.finite_exploitability(game, stay, tmf.Synchronous(), n, altruism=altruism, replicas=4, rng=0)
        assert found.value == pytest.approx((1 + altruism) * (1 - 1 / n), abs=1e-7)
        assert found.se < 1e-7
        assert found.mean_field == pytest.approx(1 + altruism, abs=1e-7)


@pytest.mark.parametrize("name", ["queueing", "infection_by_contact", "resource_selection"])
@pytest.mark.broad(1)
def test_approaches_the_limit(name):
    """The exploitability of the interpolated game, within C / N: a constant C that is good for N = 8 is good for 8,000."""
    game, schedule = SHELF[name].small(), tmf.Fraction(0.5)
    policy = interior(game.at(schedule), np.random.default_rng(4))
    limit = tmf.exploitability(game, policy, schedule, altruism=0.7)
    assert abs(limit - tmf.exploitability(game, policy, schedule)) > 0.02 * limit  # altruism matters
    errors = []
    for n in (8, 80, 8000):
        found = tmf.finite_exploitability(game, policy, schedule, n, altruism=0.7, replicas=4000, rng=2)
        assert found.mean_field == pytest.approx(limit, rel=1e-12)
        errors.append((n, abs(found.value - limit), found.se))
    constant = 8 * (errors[0][1] + Z * errors[0][2])
    for n, error, se in errors[1:]:
        assert error < constant / n + Z * se
    assert errors[-1][2] < 0.05 * limit  # what is left of the noise does not grow with N


def test_sampled_starts_add_no_noise():
    """What all agents' starts are worth is the same with and without a deviating agent: it is left out of both."""
    game, schedule = SHELF["queueing"].small(), tmf.Fraction(0.5)
    policy = interior(game.at(schedule), np.random.default_rng(4))
    game = game.replace(initial=np.full(game.n_observations, 1 / game.n_observations))
    limit = tmf.exploitability(game, policy, schedule, altruism=1.0)
    found = tmf.finite_exploitability(game, policy, schedule, 10_000, altruism=1.0, start="sampled", replicas=1000, rng=2)
    assert abs(found.value - limit) < Z * found.se + 1e-3
    assert found.se < 0.1


def test_without_altruism_nothing_changes():
    game, schedule = SHELF["queueing"].small(), tmf.Fraction(0.5)
    policy = interior(game.at(schedule), np.random.default_rng(4))
    plain, none = (
        tmf.finite_exploitability(game, policy, schedule, 20, replicas=8, rng=1, **options)
        for options in ({}, {"altruism": 0.0})
    )
    assert plain.value == none.value and plain.se == none.se
    assert none.altruism == 0 and np.isnan(none.others_gain)
    assert "altruism" not in repr(none)
    kind = tmf.finite_exploitability(game, policy, schedule, 20, replicas=8, rng=1, altruism=1.0)
    assert "altruism" in repr(kind) and "others gain" in repr(kind)


def test_errors():
    game = SHELF["resource_selection"].small()
    pi = interior(game.at(tmf.Synchronous()), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"altruism is 1\.5"):
        tmf.finite_exploitability(game, pi, tmf.Synchronous(), 5, altruism=1.5)
    sizes = tmf.Batch(lambda mu: 1 + round(5 * mu[0]))
    with pytest.raises(ValueError, match=r"whole numbers of agents that depend on mu; must be 0: use Fraction\(f\)"):
        tmf.finite_exploitability(game.at(step=1), pi, sizes, 10, altruism=0.5)
