"""The exploitability of the N-agent game: against enumeration for tiny N, and on its way to the limit.

Statistical assertions: |z| < 6 at fixed seeds, a false-alarm rate near 2e-9 each.
"""

import itertools
import math

import numpy as np
import pytest
from finite_cases import CASES, Z, exact_return
from scipy import stats

import reference_gradient
import strategies
import tmfcore as tmf


@pytest.mark.parametrize(
    ("case", "engine"), [(case, "counts") for case in CASES] + [(case, "agents") for case in CASES[1:3]],
    ids=lambda value: value if isinstance(value, str) else value.schedule.kind)  # fmt: skip
@pytest.mark.broad(2)
def test_equals_enumeration(case, engine):
    """Both returns of three agents, and the gain, as enumerated."""
    found = tmf.finite_exploitability(*case.build(), 3, replicas=600, rng=7, engine=engine)
    alone, together = exact_return(case, 3, found.policy.table), exact_return(case, 3)
    assert abs(found.deviator_return - alone) < Z * found.deviator_se
    assert abs(found.population_return - together) < Z * found.population_se + 1e-12
    assert abs(found.value - (alone - together)) < Z * found.se
    assert found.se < 0.11


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.schedule.kind)
@pytest.mark.broad(1)
def test_finds_a_deviation_near_the_best(case):
    """All 64 deterministic policies of (t, o), enumerated: the one found is worth nearly as much as the best."""
    found = tmf.finite_exploitability(*case.build(), 3, replicas=100, rng=1)
    together = exact_return(case, 3)
    gains = []
    for choice in itertools.product(range(2), repeat=6):
        table = np.eye(2)[np.array(choice).reshape(3, 2)]
        gains.append(exact_return(case, 3, table) - together)
    mine = exact_return(case, 3, found.policy.table) - together
    assert max(gains) > 0.05
    assert 0.85 * max(gains) <= mine <= max(gains) + 1e-12
    assert found.value - Z * found.se < max(gains)


def test_a_deviation_to_the_policy_itself_gains_nothing():
    game = tmf.games.queueing((0.1, 0.2, 0.3), horizon=10, step=1).at()
    policy = tmf.TabularPolicy(np.random.default_rng(0).dirichlet(np.ones(4), size=4))
    for start in ("rounded", "sampled"):
        found = tmf.finite_exploitability(game, policy, tmf.Fraction(0.3), 50, deviation=policy, start=start, rng=3)
        assert found.policy is policy
        assert abs(found.value) < Z * found.se
        assert found.low < 0 < found.high or abs(found.value) > 1.96 * found.se


def test_the_interval_is_welchs():
    """Ends and degrees of freedom from the two standard errors, by scipy, at the level asked for."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=5, step=1).at()
    uniform = tmf.TabularPolicy.uniform(game)
    for replicas, level in ((3, 0.5), (4, 0.95), (40, 0.999)):
        found = tmf.finite_exploitability(
            game, uniform, tmf.Fraction(0.5), 10, replicas=replicas, confidence=level, rng=1
        )
        parts = np.array([found.deviator_se, found.population_se]) ** 2
        degrees = parts.sum() ** 2 / (parts**2 / (replicas - 1)).sum()
        assert replicas - 1 < degrees < 2 * (replicas - 1)
        assert found.degrees == pytest.approx(degrees)
        assert found.se == pytest.approx(np.sqrt(parts.sum()))
        for interval, at in (((found.low, found.high), level), (found.interval(0.8), 0.8)):
            np.testing.assert_allclose(tuple(interval), stats.t.interval(at, degrees, found.value, found.se))


def test_few_replicas_that_agree_are_no_certainty():
    """One of two agents acts: two replicas often earn the same. Either there is a spread, or there is no interval."""
    game = tmf.games.queueing((0.1, 0.3), horizon=4, step=1).at()
    play = (game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5), 2)
    found = [tmf.finite_exploitability(*play, replicas=2, rng=k) for k in range(60)]
    agree = [one.se < 1e-12 for one in found]
    assert sum(agree) > 5
    unknown = [not one.interval().identified for one in found]
    assert sum(unknown) > 5
    for one, still, missing in zip(found, agree, unknown, strict=True):
        assert np.isnan(one.low) == np.isnan(one.high) == missing
        assert still or not missing
    sure = tmf.Game(2, 2, 2, 1.0, [1.0, 0.0], np.array([[0.0, 1.0], [0.0, 1.0]]), np.eye(2)[None].repeat(2, axis=0))
    stay = tmf.TabularPolicy([[1.0, 0.0], [1.0, 0.0]])
    for replicas in (2, 50):  # nothing is random: no uncertainty
        one = tmf.finite_exploitability(sure, stay, tmf.Synchronous(), 4, replicas=replicas, rng=0)
        assert one.low == pytest.approx(one.value) and one.high == pytest.approx(one.value)


def test_a_single_agent_solves_its_own_problem():
    """N = 1: the agent is the population, mu = e_o, and the best response is that of dynamic programming."""
    spec = strategies.random_game(3, 3, 2, 4, dependence="mu_t", initial=[1.0, 0.0, 0.0])
    game = spec.reference()
    value = np.zeros(3)
    for t in reversed(range(4)):
        after = np.empty(3)
        for o in range(3):
            reward, transition, _, _ = game.tables(np.eye(3)[o], t)
            after[o] = (reward[o] + game.discount * transition[o] @ value).max()
        value = after
    policy = strategies.random_policy(3, 3, 2)
    found = tmf.finite_exploitability(spec.build(), policy.build(4), tmf.Synchronous(), 1, replicas=300, rng=1)
    assert abs(found.deviator_return - value[0]) < Z * found.deviator_se + 1e-12
    own = reference_gradient.agent_value(game, [policy.reference(4)], [("batch", 1)] * 4, (0,), 0)
    assert abs(found.population_return - own) < Z * found.population_se


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.25)])
def test_approaches_the_limit(schedule):
    """|finite - mean field| <= 1.5 / sqrt(N) up to noise, and is below 1% of it at N = 16384."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, switching_cost=0.1, horizon=8, step=1).at()
    policy = tmf.SoftmaxPolicy(np.random.default_rng(1).normal(size=(1, 4, 4, 5)))
    limit = tmf.exploitability(game, policy, schedule)
    for n in (4, 64, 1024, 16384):
        found = tmf.finite_exploitability(game, policy, schedule, n, rng=2)
        assert found.mean_field == pytest.approx(limit, rel=1e-12)
        assert abs(found.value - limit) < 1.5 / math.sqrt(n) + Z * found.se
    assert abs(found.value - limit) < 0.01 * limit
    assert found.se < 0.005


def test_own_weight_counts():
    """Crowd-averse: alone at 1, the one who deviates still crowds it by 1/N, which the limit does not know."""
    reward = lambda mu: np.repeat(-mu[:, None], 2, axis=1)  # noqa: E731
    game = tmf.Game(2, 2, 2, 1.0, [1.0, 0.0], reward, np.eye(2)[None].repeat(2, axis=0))
    stay = tmf.TabularPolicy([[1.0, 0.0], [1.0, 0.0]])
    for n in (2, 5, 50):
        found = tmf.finite_exploitability(game, stay, tmf.Synchronous(), n, rng=0)
        assert found.value == pytest.approx(1 - 1 / n, abs=1e-12)  # at 1 for one step, at the price 1/N instead of 1
        assert found.se < 1e-12
        assert found.mean_field == pytest.approx(1.0)


def test_many_paths_in_parts(monkeypatch):
    """A long run is cut into parts of replicas: the same law, and every replica counted."""
    monkeypatch.setattr("tmfcore._population.deviating.CHUNK_BYTES", 1)
    case = CASES[0]
    found = tmf.finite_exploitability(*case.build(), 3, replicas=200, rng=7)
    assert abs(found.deviator_return - exact_return(case, 3, found.policy.table)) < Z * found.deviator_se


def test_reads_well():
    game = tmf.games.resource_selection((1.0, 0.5), congestion=1.0, horizon=3, step=1).at()
    found = tmf.finite_exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 100, rng=0)
    assert float(found) == found.value
    assert found.low < found.value < found.high
    assert "N = 100, B=N" in str(found)
    assert found.value == tmf.finite_exploitability(
        game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 100, rng=0, threads=2).value  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"game": 1}, TypeError, "game is 1"),
        ({"policy": 1}, TypeError, "policy is 1"),
        ({"schedule": 1}, TypeError, "schedule is 1"),
        ({"n_agents": 0}, ValueError, "n_agents is 0"),
        ({"replicas": 1}, ValueError, "replicas is 1; must be >= 2"),
        ({"start": "there"}, ValueError, "start is 'there'"),
        ({"engine": "cuonts"}, ValueError, "engine is 'cuonts'"),
        ({"confidence": 1.0}, ValueError, "confidence is 1"),
        ({"deviation": lambda mu: mu}, TypeError, "deviation is"),
        ({"deviation": tmf.TabularPolicy(np.full((3, 2), 0.5))}, ValueError, r"deviation has \(S, A\) = \(3, 2\)"),
    ],
)
def test_errors(change, error, message):
    game = tmf.games.resource_selection((1.0, 0.5), congestion=1.0, horizon=3, step=1).at()
    arguments = {
        "game": game, "policy": tmf.TabularPolicy.uniform(game), "schedule": tmf.Synchronous(), "n_agents": 5,
    } | change  # fmt: skip
    with pytest.raises(error, match=message):
        tmf.finite_exploitability(**arguments)
