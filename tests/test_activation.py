"""Who acts may depend on the observation and on mu: engines, flow, values, solvers, fluctuations (Theory, sections 1 to 6).

Agents that act independently, each with probability beta_t(o, mu), are the agents of a synchronous game with mean
rewards and rows (activation_cases.reduced): everything but the record of who acted is compared with that game.
"""

import itertools

import activation_cases
import numpy as np
import pytest
from test_engines_agree import steps_of

import reference
import reference_laws
import stat_tests
import tmfcore as tmf
from strategies import random_game, random_policy

ENGINES = ("counts", "agents")


def choices(size, horizon, name):
    """(schedule, beta(mu, t))."""
    argument, beta = activation_cases.kinds(size, horizon)[name]
    return tmf.Bernoulli(argument), beta


def built(right):
    """A game of reference.py as tmf.Game, by callables."""
    return tmf.Game(
        right.n_observations, right.n_actions, right.horizon, right.discount, right.initial,
        lambda mu, t: right.tables(mu, t)[0], lambda mu, t: right.tables(mu, t)[1],
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ engines


@pytest.mark.law
@pytest.mark.parametrize("decisions", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("passive", ["identity", "dense"])
@pytest.mark.parametrize("name", activation_cases.NAMES)
@pytest.mark.broad
def test_engines_sample_the_enumerated_chain(name, passive, engine, decisions):
    """N = 3, T = 2, S = A = 2: the law of (c_1, c_2), and of who acted, 6,000 replicas, chi-square, rate 1e-6."""
    spec = random_game(21, 2, 2, 2, passive=passive, zeros=False, initial=[1 / 3, 2 / 3])
    policy = random_policy(22, 2, 2, kind="tabular", stages=2)
    schedule, beta = choices(2, 2, name)
    run = tmf.simulate(spec.build(), policy.build(2), schedule, 3, replicas=6_000, engine=engine, start=(1, 2), rng=3,
                       decisions=decisions, threads=1)  # fmt: skip
    law = reference_laws.counts_paths(spec.reference(), policy.reference(2), [("coin", beta)] * 2, (1, 2))
    seen = stat_tests.counted(*(steps_of(run) if decisions else run.counts.swapaxes(0, 1)))
    law = law if decisions else stat_tests.marginal(law, (0, 2, 4))
    for pick in [(0, 1, 2), (2, 3, 4), (2, 4)] if decisions else [(0, 1, 2)]:
        stat_tests.assert_law(stat_tests.marginal(seen, pick), stat_tests.marginal(law, pick))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("p", [0.0, 2.0**-30, 0.3, 0.75, 1.0])
@pytest.mark.parametrize("n_agents", [40, 20_000])
def test_equal_probabilities_give_the_bits_of_one_probability(p, engine, n_agents):
    game = random_game(3, 3, 2, 6, passive="dense").build()
    policy = random_policy(4, 3, 2, kind="tabular").build(6)
    runs = [
        tmf.simulate(game, policy, schedule, n_agents, engine=engine, rng=5)
        for schedule in (tmf.Bernoulli(p), tmf.Bernoulli([[p] * 3]), tmf.Bernoulli(lambda mu: p))
    ]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.counts, runs[0].counts)
        np.testing.assert_array_equal(run.decisions, runs[0].decisions)


@pytest.mark.parametrize(("n_observations", "horizon"), [(3, 20), (300, 6)])
def test_individuals_act_by_where_they_are(n_observations, horizon):
    """Certain at observation 0, never at 1, else 0.25: 1e5 draws, |z| < 6. Threads and records change no bit."""
    rng, size = np.random.default_rng(5), n_observations
    rows, rest = rng.dirichlet(np.full(size, 50.0), (size, 2)), rng.dirichlet(np.full(size, 50.0), size)
    game = tmf.Game(size, 2, horizon, 0.9, np.full(size, 1 / size), rng.normal(size=(size, 2)), rows, passive_transition=rest)
    shares = np.full((1, n_observations), 0.25)
    shares[0, :2] = 1, 0
    schedule, policy = tmf.Bernoulli(shares), tmf.TabularPolicy.uniform(game)
    run = tmf.simulate(game, policy, schedule, 20_000, engine="agents", trajectories=True, rng=6, threads=2)
    seen, acted = run.trajectories.observations[:, : game.horizon], run.trajectories.actions >= 0
    assert acted[seen == 0].all() and not acted[seen == 1].any() and (seen == 0).any() and (seen == 1).any()
    others = acted[seen > 1]
    assert abs(others.mean() - 0.25) < 6 * np.sqrt(0.25 * 0.75 / len(others)) and len(others) > 1e5
    alone = tmf.simulate(game, policy, schedule, 20_000, engine="agents", rng=6, threads=1)
    np.testing.assert_array_equal(run.counts, alone.counts)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_function_gets_the_population_and_the_step(engine):
    game = random_game(6, 3, 2, 5, passive="dense").build()
    asked = []

    def p(mu, t):
        asked.append((t, tuple(mu)))
        with pytest.raises(ValueError, match="read-only"):
            mu[0] = 1
        return mu

    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Bernoulli(p), 9, engine=engine, rng=1)
    assert asked == [(t, tuple(run.mu[0, t])) for t in range(5)]


# -------------------------------------------------------------------------------------------------------- limit


GAMES = {
    "arrays": {"passive": "dense", "horizon": 9},
    "arrays, staying": {"passive": "identity", "horizon": 9},
    "sparse arrays": {"n_observations": 6, "sparse": True, "passive": "sparse", "horizon": 9},
    "sparse arrays, staying": {"n_observations": 6, "sparse": True, "passive": "identity", "horizon": 9},
    "of mu and t": {"dependence": "mu_t", "passive": "dense"},
    "rows": {"dependence": "mu_t", "passive": "sparse", "sparse": True, "compiled": True},
}


def case(game, name, kind="tabular", seed=31):
    options = {"n_observations": 4, "n_actions": 3, "horizon": 5} | GAMES[game]
    spec = random_game(seed, **options)
    policy = random_policy(seed + 1, spec.n_observations, spec.n_actions, kind=kind)
    schedule, beta = choices(spec.n_observations, spec.horizon, name)
    return spec, policy, schedule, beta, activation_cases.reduced(spec.reference(), beta)


@pytest.mark.parametrize("kind", ["tabular", "affine", "callable"])
@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("name", activation_cases.NAMES)
@pytest.mark.broad
def test_flow_values_and_exploitability_are_those_of_the_synchronous_game(name, game, kind):
    spec, policy, schedule, beta, right = case(game, name, kind)
    T = spec.horizon
    args = spec.build(), policy.build(T), schedule
    mu = reference.flow(right, policy.reference(T), np.ones(T))
    values, _ = reference.values(right, policy.reference(T), mu, np.ones(T), "schedule")
    found = tmf.evaluate(*args)
    np.testing.assert_allclose(found.flow.mu, mu, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.values, values, rtol=0, atol=1e-12)
    expected = [mu[t] @ beta(mu[t], t) for t in range(T)]
    np.testing.assert_allclose(found.flow.active_fraction, expected, rtol=0, atol=1e-13)
    every_third = tmf.mean_field(*args, record_every=3)
    np.testing.assert_array_equal(every_third.mu, found.flow.mu[every_third.steps])
    np.testing.assert_array_equal(every_third.active_fraction, found.flow.active_fraction)
    gap, pointwise = reference.exploitability(right, policy.reference(T), np.ones(T), "schedule")
    assert tmf.exploitability(*args) == pytest.approx(gap, abs=1e-12)
    assert tmf.exploitability(*args, pointwise=True) == pytest.approx(pointwise, abs=1e-12)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("name", activation_cases.NAMES)
def test_action_values_are_of_an_agent_that_acts(name, game):
    """Q = r + gamma P V, with V of both clocks; along the flow of the others, as reference.values with a beta per o."""
    spec, policy, schedule, beta, right = case(game, name)
    T, pi = spec.horizon, policy.reference(spec.horizon)
    mu = reference.flow(right, pi, np.ones(T))
    for clock in ("schedule", "always"):
        found = tmf.evaluate(spec.build(), policy.build(T), schedule, clock=clock)
        value = np.zeros(spec.n_observations)
        for t in reversed(range(T)):
            reward, transition, passive_reward, passive = spec.reference().tables(mu[t], t)
            q = reward + spec.discount * transition @ value
            share = beta(mu[t], t) if clock == "schedule" else np.ones(spec.n_observations)
            value = share * (pi(mu[t], t) * q).sum(axis=1) + (1 - share) * (passive_reward + spec.discount * passive @ value)
            np.testing.assert_allclose(found.q[t], q, rtol=0, atol=1e-12)
            np.testing.assert_allclose(found.values[t], value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", activation_cases.NAMES)
def test_a_best_response_is_that_of_the_synchronous_game(name):
    spec, policy, schedule, _, right = case("of mu and t", name)
    flow = tmf.mean_field(spec.build(), policy.build(5), schedule)
    best = tmf.best_response(spec.build(), flow, schedule)
    values, q = reference.values(right, None, flow.mu, np.ones(5), "schedule")
    np.testing.assert_allclose(best.values, values, rtol=0, atol=1e-12)
    reached = q.max(axis=-1) - np.take_along_axis(q, best.policy.table.argmax(axis=-1)[..., None], -1)[..., 0]
    assert reached.max() < 1e-12


def test_long_stages_need_no_blocks_of_equal_steps():
    """A stage long enough for eight steps at once with one probability: by observation steps are made one by one."""
    for size in (5, 60):
        game = random_game(8, size, 2, 200, passive="dense", concentration=50.0).build()
        policy, p = tmf.TabularPolicy.uniform(game), 0.3
        one, each = (tmf.evaluate(game, policy, tmf.Bernoulli(q)) for q in (p, [[p] * size]))
        np.testing.assert_allclose(each.flow.mu, one.flow.mu, rtol=0, atol=1e-13)
        np.testing.assert_allclose(each.q, one.q, rtol=0, atol=1e-11)


# ------------------------------------------------------------------------------------------------------ solvers


@pytest.mark.parametrize("solver", ["MirrorDescent", "FictitiousPlay", "FixedPoint", "Homotopy", "PriorDescent", "MFOMO"])
@pytest.mark.parametrize("name", activation_cases.NAMES)
@pytest.mark.broad
def test_solvers_report_the_exploitability_of_the_synchronous_game(name, solver):
    spec, _, schedule, _, right = case("of mu and t", name)
    iterations = 6 if solver == "MFOMO" else 25  # of 100 steps each
    solution = tmf.solve(spec.build(), schedule, solver=solver, iterations=iterations, tolerance=None, absolute_tolerance=None)
    gap, _ = reference.exploitability(right, reference.tabular(solution.policy.table, 5), np.ones(5), "schedule")
    assert solution.exploitability == pytest.approx(gap, abs=1e-12)
    uniform = reference.exploitability(right, lambda mu, t: np.full((4, 3), 1 / 3), np.ones(5), "schedule")[0]
    assert gap < (0.5 if solver in ("FictitiousPlay", "FixedPoint", "MFOMO") else 0.1) * uniform


@pytest.mark.parametrize("name", activation_cases.NAMES)
def test_a_decision_process_only_if_who_acts_does_not_depend_on_mu(name):
    """Arrays: FixedPoint finds the equilibrium in one pass. With p(mu) other agents matter: the solvers take turns."""
    spec, _, schedule, _, right = case("arrays", name)
    solution = tmf.solve(spec.build(), schedule)
    one_pass = not callable(schedule.p)
    assert (solution.solver["name"] == "FixedPoint" and len(solution.history["exploitability"]) == 1) == one_pass
    gap, _ = reference.exploitability(right, reference.tabular(solution.policy.table, 9), np.ones(9), "schedule")
    assert gap < 1e-3


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("dependence", ["fixed", "mu_t"])
@pytest.mark.parametrize("name", activation_cases.NAMES)
def test_the_gradient_of_mfomo_by_differences(name, dependence, always):
    from tmfcore.solvers._occupation import Occupation

    spec = random_game(41, 3, 2, 3, dependence=dependence, passive="dense", zeros=False)
    schedule, _ = choices(3, 3, name)
    made = Occupation(spec.build().model, spec.initial, schedule._active(3, None), 3, 0.9, always, 2.0, 0.5)
    rng = np.random.default_rng(1)
    L, z, y = rng.uniform(0.1, 0.4, (3, 3, 2)), rng.uniform(0, 1, (3, 3, 2)), rng.normal(size=(4, 3))
    y[-1] = 0
    slopes = np.empty_like(L), np.empty_like(y), np.empty_like(z)
    made.objective(L, y, z, *slopes)
    for array, slope in zip((L, y[:-1], z), (slopes[0], slopes[1][:-1], slopes[2]), strict=True):
        for index in itertools.islice(np.ndindex(array.shape), 0, None, 3):
            ends = []
            for h in (1e-5, -1e-5):
                array[index] += h
                ends.append(made.objective(L, y, z, *(np.empty_like(s) for s in slopes)))
                array[index] -= h
            assert slope[index] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["observations", "f(mu)"])
def test_stationary_is_that_of_the_synchronous_game(name):
    spec = random_game(43, 3, 2, 4, passive="dense", concentration=50.0, zeros=False)
    schedule, beta = choices(3, 4, name)
    solution = tmf.solvers.Stationary().solve(spec.build(), schedule)
    right = activation_cases.reduced(spec.reference(), beta)
    mu, pi = solution.flow.mu[0], solution.policy.table[0]
    rows = right.tables(mu, 0)[1]
    np.testing.assert_allclose(mu @ np.einsum("oa,oax->ox", pi, rows), mu, rtol=0, atol=1e-11)
    assert solution.flow.active_fraction[0] == pytest.approx(mu @ beta(mu, 0), abs=1e-12)
    assert solution.exploitability < 1e-3


@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
@pytest.mark.parametrize("name", activation_cases.NAMES)
@pytest.mark.broad
def test_tmfpg_learns_with_every_critic(name, critic):
    game = tmf.games.queueing([0.3, 0.4], horizon=2, step=0.2)
    schedule, _ = choices(3, 10, name)
    solver = tmf.solvers.TMFPG(critic=critic, iterations=60, tolerance=None)
    solution = solver.solve(game, schedule, n_agents=200, rng=1)
    before = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), schedule)
    assert tmf.exploitability(game, solution.policy, schedule) < 0.4 * before


@pytest.mark.parametrize("critic", ["model", "empirical", "returns"])
def test_tmfpg_with_equal_probabilities_takes_the_steps_of_one_probability(critic):
    game = tmf.games.queueing([0.3, 0.4], horizon=2, step=0.25)
    solver = tmf.solvers.TMFPG(critic=critic, iterations=5, tolerance=None)
    found = [solver.solve(game, tmf.Bernoulli(p), n_agents=50, rng=1) for p in (0.5, [[0.5] * 3])]
    np.testing.assert_allclose(found[1].policy.theta, found[0].policy.theta, rtol=1e-9, atol=1e-9)


# ----------------------------------------------------------------------------------------------- finite populations


@pytest.mark.parametrize("kind", ["tabular", "affine"])
@pytest.mark.parametrize("game", ["arrays", "of mu and t"])
@pytest.mark.parametrize("name", activation_cases.NAMES)
def test_fluctuations_are_those_of_the_synchronous_game(name, game, kind):
    spec, policy, schedule, _, right = case(game, name, kind)
    T = spec.horizon
    found = tmf.analysis.fluctuations(spec.build(), policy.build(T), schedule, 50)
    expected = tmf.analysis.fluctuations(built(right), policy.build(T), tmf.Synchronous(), 50)
    exact = game == "arrays" and not callable(schedule.p)
    assert found.jacobian == ("exact" if exact else "differences")
    if exact and kind == "tabular":  # exact at N = 50; the other is the expansion to first order
        expected = tmf.analysis.fluctuations(
            tmf.Game(4, 3, T, right.discount, right.initial, np.zeros((4, 3)), lambda mu, t: right.tables(mu, t)[1]),
            policy.build(T), tmf.Synchronous(),
        )  # fmt: skip
        found = tmf.analysis.fluctuations(spec.build(), policy.build(T), schedule)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.bias, expected.bias, rtol=1e-5, atol=1e-6)


def test_covariance_of_a_fixed_kernel_is_exact():
    """N = 4, T = 3 by enumeration, where neither rows nor policy nor p depend on mu."""
    spec = random_game(51, 2, 2, 3, passive="dense", zeros=False, initial=[0.25, 0.75])
    policy = random_policy(52, 2, 2, kind="tabular")
    table = np.array([[0.3, 0.9], [1.0, 0.2], [0.5, 0.6]])
    found = tmf.analysis.fluctuations(spec.build(), policy.build(3), tmf.Bernoulli(table), 4)
    laws = reference_laws.counts_laws(
        spec.reference(), policy.reference(3), [("coin", lambda mu, t: table[t])] * 3, (1, 3)
    )
    for t, law in enumerate(laws):
        states, weights = np.array(list(law)) / 4, np.array(list(law.values()))
        np.testing.assert_allclose(weights @ states, found.mu[t] + found.bias[t] / 4, rtol=0, atol=1e-12)
        np.testing.assert_allclose(np.cov(states.T, aweights=weights, ddof=0), found.covariance[t] / 4, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", activation_cases.NAMES)
@pytest.mark.broad(1)
def test_the_gain_of_one_of_three_agents_is_that_enumerated(name):
    import test_finite

    from strategies import Case, ScheduleSpec

    spec = random_game(61, 2, 2, 3, initial=[2 / 3, 1 / 3], dependence="mu_t", passive="dense")
    policy = random_policy(62, 2, 2, kind="tabular", scale=2.0)
    schedule, beta = choices(2, 3, name)

    class Reduced(Case):
        def reference(self):
            game, played = super().reference()
            return activation_cases.reduced(game, beta), played

    right = Reduced(spec, policy, ScheduleSpec("synchronous"))
    found = tmf.finite_exploitability(spec.build(), policy.build(3), schedule, 3, replicas=600, rng=7)
    alone, together = test_finite.exact_return(right, 3, found.policy.table), test_finite.exact_return(right, 3)
    assert abs(found.deviator_return - alone) < 6 * found.deviator_se
    assert abs(found.population_return - together) < 6 * found.population_se + 1e-12
    best = max(
        test_finite.exact_return(right, 3, np.eye(2)[np.array(choice).reshape(3, 2)])
        for choice in itertools.product(range(2), repeat=6)
    )
    assert 0.85 * (best - together) <= alone - together


@pytest.mark.parametrize("name", activation_cases.NAMES)
def test_lipschitz_constants_and_bounds(name):
    """Exact where p is a table, of the averaged rows; the worst case is above the prediction for every p."""
    spec, policy, schedule, _, right = case("arrays", name)
    game = spec.build()
    found = tmf.analysis.bound(game, policy.build(9), schedule, 100)
    assert found.rigorous == (not callable(schedule.p))
    if found.rigorous:
        pi = policy.reference(9)
        for t in range(9):
            kernel = np.einsum("oa,oax->ox", pi(right.initial, t), right.tables(right.initial, t)[1])
            steepest = max(np.abs(kernel[y] - kernel[z]).sum() / 2 for y, z in itertools.combinations(range(4), 2))
            assert found.lipschitz.flow[t] == pytest.approx(steepest, abs=1e-12)
        assert (found.predicted.error() <= np.minimum(found.l1, found.euclidean) + 1e-12).all()


@pytest.mark.parametrize("game", ["arrays", "sparse arrays", "of mu and t"])
@pytest.mark.parametrize("name", activation_cases.NAMES)
def test_other_libraries_get_the_synchronous_game(name, game):
    from tmfcore.interop import _synchronous

    spec, policy, schedule, _, right = case(game, name)
    tables = _synchronous.of(spec.build(), schedule)
    mu = reference.flow(right, policy.reference(spec.horizon), np.ones(spec.horizon))
    for t in range(spec.horizon):
        reward, kernel = tables(t, mu[t])
        np.testing.assert_allclose(reward, right.discount**t * right.tables(mu[t], t)[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(kernel, right.tables(mu[t], t)[1], rtol=0, atol=1e-12)
        if tables.may_follow is not None:
            assert tables.may_follow[kernel > 0].all()
        else:
            assert game != "of mu and t" and not callable(schedule.p)
