"""The mean field under Poisson clocks, its values and best responses, against equations written out and solved elsewhere."""

import math
import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import clock_cases
import tmfcore as tmf
from tmfcore._limit import in_time, ode
from tmfcore._model.continuous import Continuous


def generator(case, mu, pi):
    """The rates (S, S) of one agent's jumps at mu, written out."""
    jumps = case.rate[:, None] * (np.einsum("oa,oaxy,y->ox", pi, case.rows, mu) - np.eye(len(mu)))
    return jumps if case.rates is None else jumps + case.rates @ mu


def exact_flow(case, policy, times):
    """mu at increasing times by Radau, another method than the package's; policy(mu, t) -> (S, A)."""
    found = solve_ivp(
        lambda t, mu: mu @ generator(case, mu, policy(mu, t)), (0, times[-1]), case.initial, method="Radau", t_eval=times,
        rtol=1e-11, atol=1e-13, dense_output=True, max_step=0.01,
    )  # fmt: skip
    return found.y.T, found.sol


def expected_returns(case, flow, policy, begin):
    """The value (S,) of an agent at each place at time `begin`, from the law of its place, forward in time."""
    rho, n_obs = -math.log(case.discount), len(case.initial)

    def derivative(t, y):
        mu, law = flow(t), y.reshape(n_obs, n_obs + 1)[:, :-1]
        pi = policy(mu, t)
        earned = case.standing @ mu + case.rate * (pi * (case.reward @ mu)).sum(axis=1)
        return np.column_stack([law @ generator(case, mu, pi), math.exp(-rho * (t - begin)) * law @ earned]).ravel()

    y0 = np.eye(n_obs, n_obs + 1).ravel()
    ended = solve_ivp(derivative, (begin, case.horizon), y0, method="Radau", rtol=1e-11, atol=1e-13, max_step=0.01).y[:, -1]
    return ended.reshape(n_obs, n_obs + 1)[:, -1]


@pytest.mark.parametrize("kind", ["affine", "functions", "arrays"])
@pytest.mark.parametrize("passive", [True, False])
@pytest.mark.broad(1)
def test_flow_and_values_solve_their_equations(kind, passive):
    case = clock_cases.random_case(21, passive=passive)
    case = clock_cases.frozen(case) if kind == "arrays" else case
    game, who, times = clock_cases.built(case, kind), tmf.Poisson(case.rate), np.array([0, 0.3, 0.9, 1.5])

    def policy(mu, t):
        return case.policy

    mu, path = exact_flow(case, policy, times)
    found = tmf.evaluate(game, case.policy, who, times=times)
    np.testing.assert_allclose(tmf.mean_field(game, case.policy, who, times=times).mu, mu, atol=1e-9)
    np.testing.assert_array_equal(found.flow.times, times)
    for j, begin in ((1, 0.3), (0, 0.0)):
        np.testing.assert_allclose(found.values[j], expected_returns(case, path, policy, begin), rtol=0, atol=1e-9)
    assert found.mean_return == pytest.approx(float(case.initial @ found.values[0])) and (found.values[-1] == 0).all()
    q = case.reward @ mu[1] + np.einsum("oaxy,y,x->oa", case.rows, mu[1], found.values[1])
    np.testing.assert_allclose(found.q[1], q, atol=1e-8)


def test_stages_and_policies_that_look_at_the_population():
    case = clock_cases.random_case(22)
    other = case.policy[::-1]
    who, times = tmf.Poisson(case.rate), np.array([0, 1.0, 1.5])

    def staged(mu, t):
        return case.policy if t < 0.75 else other

    mu, path = exact_flow(case, staged, times)
    found = tmf.evaluate(clock_cases.built(case), np.stack([case.policy, other]), who, times=times)
    np.testing.assert_allclose(found.flow.mu, mu, atol=1e-8)
    assert found.values[0, 1] == pytest.approx(expected_returns(case, path, staged, 0.0)[1], abs=1e-7)

    def looking(mu, t=0):
        p = 0.2 + 0.6 * mu
        return np.stack([p, 1 - p], axis=1)

    mu, _ = exact_flow(case, looking, times)
    np.testing.assert_allclose(tmf.mean_field(clock_cases.built(case), lambda mu: looking(mu), who, times=times).mu, mu, atol=1e-9)


def test_sis_is_logistic_and_actions_are_counted():
    i, q, x0 = 0.8, 0.2, 0.1
    game = tmf.games.infection_by_contact(i, recovery=q, horizon=20, initial=[0.9, x0])
    flow = tmf.mean_field(game, [[1, 0], [1, 0]], tmf.Poisson(2.0), times=0.7)
    c, end = 2 * (i - q), 1 - q / i
    np.testing.assert_allclose(flow.mu[:, 1], end / (1 + (end / x0 - 1) * np.exp(-c * flow.times)), atol=1e-10)
    np.testing.assert_allclose(flow.active_fraction, 2 * np.diff(flow.times), rtol=1e-9)
    assert flow.times[-1] == 20 and flow.time == "sweeps"


@pytest.mark.parametrize("kind", ["affine", "functions"])
def test_exploitability_is_the_limit_of_short_steps(kind):
    """Bernoulli(nu dt) tends to the clocks as dt falls; two dt, extrapolated. Other code: kernels in steps."""
    case = clock_cases.random_case(23, one_rate=True)
    case.rate[:] = 1.0
    game, who = clock_cases.built(case, kind), tmf.Poisson()
    steps = [tmf.Bernoulli(1 / n) for n in (256, 512)]
    for option in ({}, {"pointwise": True}):
        coarse, fine = (tmf.exploitability(game, case.policy, one, **option) for one in steps)
        assert tmf.exploitability(game, case.policy, who, **option) == pytest.approx(2 * fine - coarse, abs=3e-5)
    assert tmf.exploitability(game, case.policy, who) > 0.05


def test_a_best_response_on_a_finer_grid_is_worth_its_values():
    case = clock_cases.random_case(24)
    game, who = clock_cases.built(case), tmf.Poisson(case.rate)
    gaps = []
    for every in (0.05, 0.0125):
        flow = tmf.mean_field(game, case.policy, who, times=every)
        response = tmf.best_response(game, flow, who)
        gain = case.initial @ response.values[0] - tmf.evaluate(game, case.policy, who).mean_return
        assert gain == pytest.approx(tmf.exploitability(game, case.policy, who), abs=1e-6)
        found = tmf.evaluate(game, response.policy, who, flow=flow)
        gaps.append(float(case.initial @ response.values[0]) - found.mean_return)
        assert response.policy.n_stages == len(flow.times) - 1
    assert 0 <= gaps[1] <= gaps[0] < 1e-3 or max(gaps) < 1e-9


def test_an_equilibrium_of_short_steps_is_nearly_one_of_clocks():
    """Solved with Fraction(1/50): exploitable under Poisson clocks by an amount of order dt, which this function reports."""
    game = tmf.games.queueing([0.1, 0.2, 0.3], horizon=4)
    found = [tmf.exploitability(game, tmf.solve(game, tmf.Bernoulli(1 / n)).policy, tmf.Poisson()) for n in (10, 40)]
    assert 0 <= found[1] < 0.5 * found[0] < 0.1


def test_types():
    game = tmf.games.infection_by_contact(0.8, recovery=0.2, horizon=20)
    sick = tmf.games.infection_by_contact(0.5, recovery=0.1, horizon=20)
    both = tmf.games.typed([game, sick], shares=[0.5, 0.5], names=["well", "weak"])
    gains = tmf.exploitability(both, [[1, 0]] * 4, tmf.Poisson(), by_type=True)
    assert set(gains) == {"well", "weak"}
    total = tmf.exploitability(both, [[1, 0]] * 4, tmf.Poisson())
    assert 0.5 * sum(gains.values()) == pytest.approx(total, abs=1e-9) and total > 0.01
    assert set(tmf.evaluate(both, [[1, 0]] * 4, tmf.Poisson()).by_type) == {"well", "weak"}


def test_results_belong_together(tmp_path):
    case = clock_cases.random_case(25)
    game, who = clock_cases.built(case), tmf.Poisson(case.rate)
    flow = tmf.mean_field(game, case.policy, who, times=0.5)
    flow.save(tmp_path / "flow.npz")
    again = tmf.load(tmp_path / "flow.npz")
    assert again.equals(flow) and again.times.tolist() == flow.times.tolist()
    assert tmf.evaluate(game, case.policy, who, flow=again).mean_return == pytest.approx(tmf.evaluate(game, case.policy, who).mean_return, abs=1e-3)
    for match, call in {
        "active fraction differs": lambda: tmf.evaluate(game, case.policy, tmf.Poisson(), flow=flow),
        "clock is 'always'": lambda: tmf.evaluate(game, case.policy, who, clock="always"),
        "beside flow; must be omitted": lambda: tmf.evaluate(game, case.policy, who, flow=flow, times=0.5),
        "flow is one in steps": lambda: tmf.best_response(game, tmf.mean_field(game, case.policy, tmf.Fraction(0.1)), who),
        "flow.times[2] - flow.times[1] is 1.25": lambda: tmf.best_response(
            game, tmf.mean_field(game, case.policy, who, times=[0, 0.25, 1.5]), who
        ),
        "record_every is 2": lambda: tmf.mean_field(game, case.policy, who, record_every=2),
        "must be omitted unless schedule is Poisson": lambda: tmf.mean_field(game, case.policy, tmf.Fraction(0.1), times=1),
    }.items():
        with pytest.raises(ValueError, match=re.escape(match)):
            call()
    pytest.importorskip("matplotlib")
    tmf.simulate(game, case.policy, who, 50, rng=1, times=0.1).plot(flow=flow)
    tmf.evaluate(game, case.policy, who, times=[0, 0.2, 1.5]).plot()


@pytest.mark.parametrize("kind", ["affine", "functions", "arrays"])
@pytest.mark.parametrize("passive", [True, False])
@pytest.mark.parametrize("stages", [1, 40])
@pytest.mark.broad(1)
def test_the_kernel_solves_the_equations_that_scipy_solves(kind, passive, stages, monkeypatch):
    """Scipy, stage after stage, is not called otherwise."""
    case = clock_cases.random_case(26, passive=passive)
    case = clock_cases.frozen(case) if kind == "arrays" else case
    game, who = clock_cases.built(case, kind), tmf.Poisson(3 * case.rate)
    policy = np.random.default_rng(1).dirichlet(np.ones(2), (stages, 3))
    for times in (None, 0.07, [0, 0.3, 0.75, 1.5]):
        with monkeypatch.context() as patch:
            patch.setattr(ode, "solved", None)
            kernel, flow = (verb(game, policy, who, times=times) for verb in (tmf.evaluate, tmf.mean_field))
        with monkeypatch.context() as patch:
            patch.setattr(ode, "RECORDS", 0)
            scipy = tmf.evaluate(game, policy, who, times=times)
        np.testing.assert_array_equal(kernel.flow.mu, flow.mu)
        np.testing.assert_array_equal(flow.times, scipy.flow.times)
        np.testing.assert_allclose(flow.mu, scipy.flow.mu, atol=1e-9)
        np.testing.assert_allclose(flow.active_fraction, scipy.flow.active_fraction, rtol=1e-9)
        np.testing.assert_allclose(kernel.values, scipy.values, atol=1e-8)
        np.testing.assert_allclose(kernel.q, scipy.q, atol=1e-8)
        assert (kernel.values[-1] == 0).all() and kernel.mean_return == pytest.approx(scipy.mean_return, abs=1e-9)


def test_the_kernel_keeps_its_accuracy_over_rare_records():
    """Between two records an agent acts a hundred times: values go back over shorter intervals."""
    game = tmf.games.infection_by_contact(0.8, recovery=0.2, horizon=50)
    out = np.array([[[1, 0], [1, 0]]] * 20)
    one, many = (tmf.evaluate(game, policy, tmf.Poisson(2.0), times=[0, 50.0]) for policy in (out[0], out))
    np.testing.assert_allclose(many.flow.mu, one.flow.mu, atol=1e-9)
    np.testing.assert_allclose(many.values, one.values, atol=1e-8)
    flows = [tmf.mean_field(game, policy, tmf.Poisson(2.0), times=0.01) for policy in (out[0], out)]  # more records than knots
    np.testing.assert_allclose(flows[1].mu, flows[0].mu, atol=1e-9)


def test_the_kernel_checks_its_intervals():
    clocks = Continuous.of(tmf.games.infection_by_contact(0.8, recovery=0.2), tmf.Poisson())
    kernel, mu, acted = tmf.TabularPolicy([[1, 0], [1, 0]]).kernel, np.full((3, 2), 0.5), np.empty(3)
    given = (clocks.model, kernel, clocks.rate, clocks.step)
    for spans, stages, flow, match in (
        ([1.0, 1.0], [0], mu, "must have the same number"), ([], [], mu[:1], "at least 1"), ([1.0, 0.0], [0, 0], mu, r"spans\[1\] is 0"),
        ([1.0, np.nan], [0, 0], mu, r"spans\[1\] is nan"), ([1.0, 1.0], [0, 1], mu, r"stages\[1\] is 1; must lie in 0..0"),
        ([1.0, 1.0], [0, -1], mu, r"stages\[1\] is -1"), ([1.0], [0], mu, r"mu has shape \(3, 2\); must be \(2, 2\)"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            in_time.forward(*given, np.array(spans), np.array(stages, np.int32), flow.copy(), acted)
    spans, stages = np.ones(2), np.zeros(2, np.int32)
    with pytest.raises(ValueError, match="acted has 3 entries; must have 2"):
        in_time.forward(*given, spans[:1], stages[:1], mu[:2].copy(), acted)
    back = (*given[:3], clocks.decay, clocks.step, spans, stages, mu)
    with pytest.raises(ValueError, match=r"start has shape \(1, 2\); must be \(2, 2\)"):
        in_time.backward(*back, np.empty((1, 2)))
    with pytest.raises(ValueError, match=r"values has shape \(2, 2\); must be \(3, 2\)"):
        in_time.backward(*back, np.empty((2, 2)), np.empty((2, 2)))
