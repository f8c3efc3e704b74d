"""Solvers under Poisson clocks: a grid of steps, judged in continuous time."""

import math
import re
import warnings

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import clock_cases
import tmfcore as tmf
from tmfcore.solvers import SOLVERS, Discretisation

WHO = tmf.Poisson()


def game_of_two(horizon=4.0):
    return tmf.games.resource_selection((1.0, 0.6, 0.2), congestion=1.0, horizon=horizon)


def joint(case, policy, n_times=1):
    """Gains V^BR - V at n_times + 1 times, by Radau on the equations written out: mu forward, then both values back."""
    rho, nu, zero = -math.log(case.discount), case.rate, np.zeros((3, 3, 3))
    rates = zero if case.rates is None else case.rates
    options = {"method": "Radau", "rtol": 1e-10, "atol": 1e-12, "max_step": 0.01}

    def forward(t, mu):
        jumps = nu[:, None] * (np.einsum("oa,oaxy,y->ox", policy, case.rows, mu) - np.eye(3))
        return mu @ (jumps + rates @ mu)

    flow = solve_ivp(forward, (0, case.horizon), case.initial, dense_output=True, **options).sol

    def back(t, y):
        mu, out = flow(t), []
        for kind, v in enumerate(y.reshape(2, 3)):
            q = case.reward @ mu + np.einsum("oaxy,y,x->oa", case.rows, mu, v)
            acting = (policy * q).sum(axis=1) if kind == 0 else q.max(axis=1)
            out.append((nu + rho) * v - nu * acting - (rates @ mu) @ v - case.standing @ mu)
        return np.concatenate(out)

    times = np.linspace(case.horizon, 0, n_times + 1)
    y = solve_ivp(back, (case.horizon, 0), np.zeros(6), t_eval=times, **options).y.reshape(2, 3, -1)
    return (y[1] - y[0])[:, ::-1].T, (y[0])[:, ::-1].T


@pytest.mark.parametrize("kind", ["affine", "functions"])
@pytest.mark.parametrize("seed", [51, 52, 53])
@pytest.mark.broad(1)
def test_exploitability_solves_its_equations(kind, seed):
    case = clock_cases.random_case(seed, passive=seed != 52)
    game, who = clock_cases.built(case, kind), tmf.Poisson(case.rate)
    gains, _ = joint(case, case.policy, 1000)
    assert tmf.exploitability(game, case.policy, who) == pytest.approx(case.initial @ gains[0], abs=1e-8)
    assert tmf.exploitability(game, case.policy, who, pointwise=True) == pytest.approx(gains.max(), abs=1e-7)


def test_many_stages_cost_little_accuracy():
    """A policy cut into 500 equal stages is the same policy; one of 3 different stages, too, in 600 stages."""
    case = clock_cases.random_case(54)
    game, who = clock_cases.built(case), tmf.Poisson(case.rate)
    once = tmf.exploitability(game, case.policy, who)
    assert tmf.exploitability(game, np.stack([case.policy] * 500), who) == pytest.approx(once, rel=1e-10)
    three = np.stack([case.policy, case.policy[::-1], case.policy[:, ::-1]])
    assert tmf.exploitability(game, three.repeat(200, axis=0), who) == pytest.approx(tmf.exploitability(game, three, who), rel=1e-9)


# --------------------------------------------------------------------------------------------------------- solve


def test_solve_meets_its_tolerance_in_continuous_time(tmp_path):
    game = game_of_two(horizon=1.0)  # every one of its stages is integrated by itself below
    found = tmf.solve(game, WHO)
    gap = tmf.exploitability(game, found, WHO)
    assert found.converged and found.exploitability == pytest.approx(gap, rel=1e-12)
    assert gap <= 1e-4 * found.mean_return == pytest.approx(1e-4 * tmf.evaluate(game, found, WHO).mean_return)
    there = tmf.mean_field(game, found, WHO, times=found.flow.times)
    np.testing.assert_allclose(found.flow.mu, there.mu, atol=1e-9)
    np.testing.assert_allclose(found.flow.active_fraction, there.active_fraction, atol=1e-9)
    assert found.flow.time == "sweeps" and found.schedule == "Poisson(1)" and "discretisation error" in repr(found)
    found.save(tmp_path / "solution.npz")
    again = tmf.load(tmp_path / "solution.npz")
    assert again.equals(found) and again.discretisation.step == found.discretisation.step < 1 / 16  # was refined
    assert tmf.simulate(game, again, WHO, 50, rng=1).counts.shape == (1, 2, 3)


def test_the_discretisation_error_is_that_of_the_game_in_steps_and_falls_like_dt():
    game, errors = game_of_two(), []
    for n in (20, 40, 80):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = tmf.solve(game, WHO, step=1 / n)
        made = found.discretisation
        assert isinstance(made, Discretisation) and made.step == pytest.approx(1 / n)
        steps, who = game.replace(step=made.step), tmf.Bernoulli(made.step)
        assert made.exploitability == pytest.approx(tmf.exploitability(steps, found, who), rel=1e-9)
        assert made.mean_return == pytest.approx(tmf.evaluate(steps, found, who).mean_return, rel=1e-9)
        assert made.exploitability - made.exploitability_error == pytest.approx(found.exploitability, abs=1e-14)
        assert made.mean_return - made.mean_return_error == pytest.approx(found.mean_return, abs=1e-12)
        errors.append(made.mean_return_error)
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2) and errors[1] / errors[2] == pytest.approx(2, abs=0.2)


def test_steps_that_are_too_long_do_not_converge():
    with pytest.warns(tmf.solvers.ConvergenceWarning, match="steps too long"):
        found = tmf.solve(game_of_two(), WHO, step=0.5, solver="MirrorDescent")
    assert not found.converged and found.discretisation.exploitability < found.exploitability / 4
    assert found.exploitability > 1e-4 * found.mean_return and "give a smaller step" in found.reason


def test_rates_by_observation_and_passive_agents():
    case = clock_cases.random_case(55)
    game, who = clock_cases.built(case), tmf.Poisson(case.rate)
    found = tmf.solve(game, who)
    assert found.converged and tmf.exploitability(game, found, who) <= 1e-4 * abs(found.mean_return)
    assert tmf.exploitability(game, case.policy, who) > 100 * found.exploitability


@pytest.mark.parametrize("name", sorted(set(SOLVERS) - {"Stationary", "StationaryTMFPG"}))
@pytest.mark.broad(4)
def test_every_solver(name):
    """Every solver works on the grid, and is judged as tmf.exploitability does."""
    kind = SOLVERS[name].solver
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = kind(iterations=20, tolerance=None).solve(game_of_two(2.0), WHO, rng=1, step=0.1)
    assert found.exploitability == pytest.approx(tmf.exploitability(game_of_two(2.0), found, WHO), rel=1e-7)
    uniform = tmf.exploitability(game_of_two(2.0), tmf.TabularPolicy.uniform(game_of_two(2.0)), WHO)
    assert found.exploitability <= uniform * (1 + 1e-6) and len(found.flow.mu) == 21


def test_a_stationary_equilibrium_is_one_over_a_long_horizon():
    """Started at its distribution and played for 300 sweeps of discount 0.9: the same returns, and the same gain."""
    game = tmf.games.queueing([0.2, 0.4], horizon=300, discount=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = tmf.solvers.Stationary(iterations=30, tolerance=None).solve(game, WHO, step=0.25)
    long = game.replace(initial=found.flow.mu[0])
    np.testing.assert_allclose(tmf.mean_field(long, found, WHO, times=300).mu[-1], found.flow.mu[0], atol=1e-8)
    assert tmf.evaluate(long, found, WHO).mean_return == pytest.approx(found.mean_return, abs=1e-8)
    assert tmf.exploitability(long, found, WHO) == pytest.approx(found.exploitability, abs=1e-7)
    assert found.discretisation.mean_return != pytest.approx(found.mean_return, abs=1e-4)


def test_populations_are_sampled_in_steps():
    found = tmf.solvers.TMFPG(iterations=5, tolerance=None, critic="empirical").solve(game_of_two(2.0), WHO, 100, rng=1, step=0.1)
    assert found.n_agents == 100 and (found.history["sampled_return"] != found.history["mean_return"]).all()


def test_a_solve_is_continued():
    solver = tmf.solvers.MirrorDescent(iterations=6, tolerance=None)
    once = tmf.solvers.MirrorDescent(iterations=12, tolerance=None).solve(game_of_two(), WHO, step=0.1)
    half = solver.solve(game_of_two(), WHO, step=0.1)
    both = solver.solve(game_of_two(), WHO, step=0.1, initial=half)
    np.testing.assert_array_equal(both.policy.kernel.table, once.policy.kernel.table)
    assert both.history["iteration"][-1] == 12 and both.exploitability == once.exploitability
    assert solver.solve(game_of_two(), WHO, step=0.05, initial=half).history["iteration"][0] == 0  # another grid


def test_tolerances_none_is_one_grid_and_limits_hold_over_all():
    assert tmf.solve(game_of_two(), WHO, tolerance=None, absolute_tolerance=None, iterations=3).discretisation.step == 1 / 16
    calls = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tmf.solve(game_of_two(), WHO, iterations=30, solver="MirrorDescent", tolerance=1e-9, callback=lambda it: calls.append(it.iteration))
        stopped = tmf.solve(game_of_two(), WHO, callback=lambda it: True)
    assert calls.count(0) >= 1 and len(calls) <= 30 + 5 and stopped.history["iteration"].tolist() == [0]


def test_an_interrupted_solve_hands_over_what_it_has():
    def stop(iteration):
        if iteration.iteration == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        tmf.solve(game_of_two(), WHO, callback=stop, solver="MirrorDescent")
    assert caught.value.partial.policy.n_stages == 64 and caught.value.partial.discretisation is None


def test_settings_are_tuned_on_one_grid():
    pytest.importorskip("optuna")
    slow = tmf.solvers.MirrorDescent(learning_rate=0.01, iterations=40)
    found = tmf.tune([game_of_two(2.0)] * 2, [WHO, tmf.Bernoulli(0.1)], solver=slow, trials=6, rng=1, step=0.05)
    clocks, steps = found.solutions
    assert clocks.discretisation.step == 0.05 and steps.discretisation is None
    assert clocks.exploitability == pytest.approx(tmf.exploitability(game_of_two(2.0), clocks, WHO), rel=1e-9)
    assert found.value < found.trials["value"][0]


def test_errors():
    game = game_of_two()
    for match, call in {
        "step is 0.1 (float); must be omitted unless schedule is Poisson": lambda: tmf.solve(game, tmf.Fraction(0.1), step=0.1),
        "step is 0.5 at a rate of 4; must be at most 0.25": lambda: tmf.solve(game, tmf.Poisson(4), step=0.5),
        "step is 0.0; must be in (0, 1]": lambda: tmf.solve(game, WHO, step=0),
        "clock is 'always'": lambda: tmf.solve(game, WHO, clock="always"),
        "must be in sweeps": lambda: tmf.solve(tmf.games.braess(), WHO),
    }.items():
        with pytest.raises(ValueError, match=re.escape(match)):
            call()
