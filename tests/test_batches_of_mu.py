"""Batches whose size is a function of the population and the step: Batch(f) and Fraction(f)."""

import pickle
import re

import numpy as np
import pytest
import test_finite
from test_engines_agree import steps_of

import reference
import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import Case, ScheduleSpec, random_game, random_policy

ENGINES = ("counts", "agents")


def crowded(mu, t):
    """Of N = 3 agents: as many as are at observation 0, and one more at odd steps."""
    return min(round(3 * mu[0]) + t % 2, 3)


def share(mu):
    return 0.2 + 0.6 * mu[0] ** 2


KINDS = {
    "Batch": (tmf.Batch(crowded), crowded),
    "Fraction": (tmf.Fraction(share), lambda mu, t: int(3 * share(mu) + 0.5)),
}


@pytest.mark.law
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("passive", ["identity", "dense"])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.broad
def test_engines_sample_the_enumerated_chain(name, passive, engine):
    """N = 3, T = 2: who acted in the first step and where all went, and the same in the second; rate 1e-6 each."""
    spec = random_game(71, 2, 2, 2, passive=passive, zeros=False, initial=[1 / 3, 2 / 3])
    policy = random_policy(72, 2, 2, kind="tabular", stages=2)
    schedule, size = KINDS[name]
    run = tmf.simulate(spec.build(), policy.build(2), schedule, 3, replicas=6_000, engine=engine, start=(1, 2), rng=3,
                       threads=1)  # fmt: skip
    law = reference_laws.counts_paths(spec.reference(), policy.reference(2), [("batch", size)] * 2, (1, 2))
    seen = stat_tests.counted(*steps_of(run))
    for pick in [(0, 1, 2), (2, 3, 4), (2, 4)]:
        stat_tests.assert_law(stat_tests.marginal(seen, pick), stat_tests.marginal(law, pick))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n_agents", [40, 30_000])
def test_the_size_is_that_of_the_function(engine, n_agents):
    game = random_game(73, 3, 2, 6, passive="dense").build()
    policy = random_policy(74, 3, 2, kind="tabular").build(6)
    for schedule in (tmf.Batch(lambda mu, t: 0 if t == 1 else n_agents if t == 2 else round(n_agents * mu[0])),
                     tmf.Fraction(lambda mu, t: [0, 1, 0.3, mu[0], mu[1], 0.5][t])):  # fmt: skip
        run = tmf.simulate(game, policy, schedule, n_agents, engine=engine, rng=5, trajectories=engine == "agents")
        for t in range(6):
            mu = run.mu[0, t]
            if isinstance(schedule, tmf.Batch):
                size = schedule.size(mu, t)
            else:
                size = int(n_agents * schedule.beta(mu, t) + 0.5)
            assert run.decisions[0, t].sum() == size
            if engine == "agents":
                assert (run.trajectories.actions[:, t] >= 0).sum() == size


def test_flow_and_values():
    """beta_t(mu) = B / N with N, rounded as the agents are; without N the fraction itself."""
    spec = random_game(75, 3, 2, 5, passive="dense", dependence="mu_t")
    policy = random_policy(76, 3, 2, kind="tabular")
    for n_agents, beta in ((None, share), (10, lambda mu: int(10 * share(mu) + 0.5) / 10)):
        mu, active = [spec.initial], []
        for t in range(5):
            active.append(beta(mu[-1]))
            kernel = reference.mixed_kernel(spec.reference(), policy.reference(5), mu[-1], t, active[-1])
            mu.append(mu[-1] @ kernel / (mu[-1] @ kernel).sum())
        values, q = reference.values(spec.reference(), policy.reference(5), np.array(mu), active, "schedule")
        found = tmf.evaluate(spec.build(), policy.build(5), tmf.Fraction(share), n_agents)
        np.testing.assert_allclose(found.flow.mu, mu, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.flow.active_fraction, active, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.values, values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.q, q, rtol=0, atol=1e-12)


@pytest.mark.rest
def test_fluctuations_of_batches_lack_the_noise_of_their_size():
    """Agents that act go to observation 0, those that wait leave it with probability 1/2: N Cov after two steps, N = 400.

    20,000 replicas: a standard error of the variance is 1%; terms of order 1/N are left out of the prediction.
    """
    passive = [[0.5, 0.5], [0.0, 1.0]]
    game = tmf.Game(2, 1, 2, 1.0, [0.4, 0.6], np.zeros((2, 1)), [[[1, 0]], [[1, 0]]], passive_transition=passive)
    policy, n = np.ones((2, 1)), 400
    predicted = []
    for schedule in (tmf.Fraction(share), tmf.Bernoulli(share)):
        found = tmf.analysis.fluctuations(game, policy, schedule, n)
        run = tmf.simulate(game, policy, schedule, n, replicas=20_000, rng=1)
        for t in (1, 2):
            assert n * run.mu[:, t, 0].var() == pytest.approx(found.covariance[t, 0, 0], rel=0.05)
        predicted.append(found.covariance[:, 0, 0])
    assert (predicted[1][1:] > 1.3 * predicted[0][1:]).all()


def test_the_gain_of_one_of_three_agents():
    spec = random_game(79, 2, 2, 3, initial=[2 / 3, 1 / 3], dependence="mu_t", passive="dense")

    class OfMu(Case):
        def moves(self, n_agents):
            return [("batch", crowded)] * 3

    case = OfMu(spec, random_policy(80, 2, 2, kind="tabular", scale=2.0), ScheduleSpec("synchronous"))
    found = tmf.finite_exploitability(spec.build(), case.policy.build(3), tmf.Batch(crowded), 3, replicas=600, rng=7)
    alone, together = test_finite.exact_return(case, 3, found.policy.table), test_finite.exact_return(case, 3)
    assert abs(found.deviator_return - alone) < 6 * found.deviator_se
    assert abs(found.population_return - together) < 6 * found.population_se + 1e-12


def test_solvers_take_them():
    game = tmf.games.queueing([0.3, 0.4], horizon=2, step=0.25)
    for schedule, n_agents in ((tmf.Fraction(share), None), (tmf.Batch(lambda mu: round(50 + 40 * mu[0])), 100)):
        solution = tmf.solve(game, schedule, n_agents)
        assert solution.converged
        learned = tmf.solvers.TMFPG(iterations=20, tolerance=None).solve(game, schedule, n_agents=100, rng=1)
        uniform = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), schedule, n_agents)
        assert tmf.exploitability(game, learned.policy, schedule, n_agents) < 0.7 * uniform


def test_slopes_are_those_of_the_function_not_of_its_rounding():
    spec = random_game(81, 3, 2, 3, passive="dense")
    policy = random_policy(82, 3, 2, kind="tabular").build(3)
    found = [
        tmf.analysis.lipschitz(spec.build(), policy, schedule, 10, trials=20, rng=1)
        for schedule in (tmf.Fraction(share), tmf.Bernoulli(share))
    ]
    np.testing.assert_array_equal(found[0].flow, found[1].flow)
    assert tmf.analysis.bound(spec.build(), policy, tmf.Fraction(share), 10).noise.max() < 1.4


def test_how_they_read():
    assert (repr(tmf.Batch(crowded)), tmf.Batch(crowded).label) == ("Batch(crowded)", "B(mu, t)")
    assert (repr(tmf.Fraction(share)), tmf.Fraction(share).label) == ("Fraction(share)", "beta(mu, t) N")
    for schedule in (tmf.Batch(crowded), tmf.Fraction(share)):
        assert pickle.loads(pickle.dumps(schedule)) == schedule


@pytest.mark.parametrize(
    ("schedule", "error", "message"),
    [
        (tmf.Batch(lambda mu, t: 11 * t), ValueError, "size(mu, t=1) is 11; must be in [0, 10]"),
        (tmf.Batch(lambda mu, t: 0.5), TypeError, "size(mu, t=0) is"),
        (tmf.Batch(lambda mu, t: [1, 2]), TypeError, "size(mu, t=0) is"),
        (tmf.Fraction(lambda mu, t: 1.5), ValueError, "beta(mu, t=0) is 1.5; must be in [0, 1]"),
        (tmf.Fraction(lambda mu: "all"), TypeError, "beta(mu, t=0) is"),
    ],
)  # fmt: skip
def test_errors(schedule, error, message):
    game = random_game(3, 2, 2, 4, passive="dense").build()
    policy = tmf.TabularPolicy.uniform(game)
    for call in (tmf.mean_field, tmf.simulate):
        with pytest.raises(error, match=re.escape(message)):
            call(game, policy, schedule, 10)
    with pytest.raises(ValueError, match="who acts depends on the population"):
        schedule.active_fraction(4, 10)
    with pytest.raises(ValueError, match=r"schedule is Batch\(.*\) and n_agents is None"):
        tmf.mean_field(game, policy, tmf.Batch(crowded))
    with pytest.raises(ValueError, match="batches 1 < B < N are drawn exactly only for at most"):
        tmf.simulate(game, policy, tmf.Fraction(share), 10**15, engine="counts")
