"""One policy for all paths of a random noise: on the tree of histories, and on drawn paths."""

import warnings

import numpy as np
import pytest
from noise_cases import A, S, noisy

import tmfcore as tmf
from tmfcore._model.noise_tree import NoiseTree
from tmfcore.solvers._occupation import Occupation

SCHEDULE = tmf.Fraction(0.6)
EXACT = ("MirrorDescent", "FictitiousPlay", "MFOMO", "Homotopy", "FixedPoint", "PriorDescent")


def standing(mu, t, z):
    return np.array([0.2 + z, 0.6]) - mu


def reward(mu, t, z):
    return np.repeat(standing(mu, t, z)[:, np.newaxis], 2, axis=1)


def beaches(T, noise):
    go = [[[1, 0], [0, 1]], [[1, 0], [0, 1]]]
    return tmf.Game(2, 2, T, 0.95, [0.5, 0.5], reward, go, passive_reward=standing, noise=noise, name="beaches")


WEATHER = tmf.NoiseChain([0.1, 0.9], [[0.9, 0.1], [0.1, 0.9]])


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.broad(2)
def test_every_exact_solver_works_on_the_tree(name):
    T = 2 if name in ("MFOMO", "Homotopy") else 3  # their work grows with the square of the histories
    law = noisy(T)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tmf.ConvergenceWarning)
        found = tmf.solve(law, SCHEDULE, solver=name, iterations=60, tolerance=0.02)
    assert isinstance(found.policy, tmf.NoisePolicy) and found.policy.memory == T
    assert abs(found.exploitability - tmf.exploitability(law, found, SCHEDULE)) < 1e-12
    assert found.exploitability < 0.2 * tmf.exploitability(law, tmf.TabularPolicy.uniform(law), SCHEDULE)


@pytest.mark.parametrize("always", [False, True])
def test_derivatives_of_mfomo_are_taken_at_all_histories_together(always):
    """They are those taken at one observation of the tree after another, in a fraction of the calls."""
    law, calls = noisy(3), []

    def counted(mu, t, z):
        calls.append(t)
        return law.reward(mu, t, z)

    game = NoiseTree(law.replace(reward=counted)).game
    rng = np.random.default_rng(3)
    shape = (3, game.n_observations, game.n_actions)
    point = [rng.random(shape), rng.normal(size=(4, shape[1])), rng.random(shape)]
    point[1][-1] = 0
    found, made = [], []
    for groups in ({}, {"width": S, "branches": 2}):
        occupation = Occupation(game.model, game.initial, np.array([0.6]), 3, 0.9, always, 3.0, 2.0, **groups)
        slopes = [np.empty_like(array) for array in point]
        before = len(calls)
        found.append([occupation.objective(*point, *slopes), *slopes])
        made.append(len(calls) - before)
    assert found[0][0] == found[1][0]
    for one, other in zip(found[0][1:], found[1][1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert made[1] < made[0] / 4
    for bad in ({"width": 5}, {"width": -S}, {"width": S, "branches": 0}):
        with pytest.raises(ValueError, match=f"must divide {game.n_observations}, or be 0"):
            Occupation(game.model, game.initial, np.array([0.6]), 3, 0.9, always, 3.0, 2.0, **bad)


def test_the_weight_of_all_paths():
    """On all paths with their probabilities, a policy that sees all the past is an equilibrium of the tree."""
    from tmfcore._model.noise_information import Information
    from tmfcore._model.noise_paths import Paths
    from tmfcore.solvers._noise_problems import PathProblem
    from tmfcore.solvers._turns import play

    law = noisy(4)
    paths = Paths.of(law, None, None)
    problem = PathProblem(paths, Information.of(paths, 4), SCHEDULE, None, "schedule")
    for solver in (tmf.solvers.MirrorDescent(tolerance=1e-7), tmf.solvers.FictitiousPlay(tolerance=2e-2)):
        (loop,) = play([solver], problem)
        found = loop.solution()
        assert loop.converged and found.paths == 16 and found.information == "the last 4 states of the noise"
        exact = tmf.exploitability(law, found, SCHEDULE)
        assert abs(tmf.evaluate(law, found, SCHEDULE).mean_return - found.mean_return) < 1e-12
        assert exact < 2e-7 if solver.name == "MirrorDescent" else exact < 0.05
        np.testing.assert_allclose(found.flow.mu, tmf.mean_field(law, found, SCHEDULE).mu, atol=1e-12)
    exact = tmf.solve(law, SCHEDULE, tolerance=1e-7)
    (loop,) = play([tmf.solvers.MirrorDescent(tolerance=1e-7)], problem)
    assert abs(loop.solution().mean_return - exact.mean_return) < 1e-5


def test_one_policy_for_drawn_paths():
    law = beaches(30, WEATHER)
    known = law.on(WEATHER.sample(30, rng=1)[0])
    foreseeing = tmf.solve(known, tmf.Fraction(0.2))
    found = tmf.solve(law, tmf.Fraction(0.2), paths=64, memory=2, rng=1, tolerance=0.05)
    assert found.converged and found.paths == 64 and found.information == "the last 2 states of the noise"
    assert len(found.judgement.gains) == 256 and found.judgement.memory == 2
    assert found.exploitability == found.judgement.value and found.judgement.interval().high < 0.05 * abs(found.mean_return)
    gaps = [tmf.exploitability(law, each, tmf.Fraction(0.2), paths=200, memory=2, rng=7) for each in (foreseeing, found)]
    assert gaps[0].value > 20 * abs(gaps[1].value) and gaps[1].value <= gaps[1].bound
    again = tmf.solve(law, tmf.Fraction(0.2), paths=64, memory=2, rng=1, tolerance=0.05)
    assert again.policy == found.policy and np.array_equal(again.judgement.gains, found.judgement.gains)
    other = tmf.solve(law, tmf.Fraction(0.2), paths=64, memory=2, rng=2, tolerance=0.2)
    assert other.policy != found.policy


@pytest.mark.rest
def test_more_memory_is_judged_on_the_tree():
    """Policies found on drawn paths, judged exactly by deviations that see all the past: the longer memory is better."""
    law = noisy(6)
    gaps = []
    for memory in (0, 1, 2):
        found = tmf.solve(law, SCHEDULE, paths=80, memory=memory, rng=1, tolerance=0.05)
        assert isinstance(found.policy, tmf.TabularPolicy if memory == 0 else tmf.NoisePolicy)
        gaps.append(tmf.exploitability(law, found, SCHEDULE))
    assert gaps[0] > 10 * gaps[1] > 10 * gaps[2]


def test_functions_that_draw_paths():
    """Noise of two values is seen as two states, other numbers as levels."""
    def sunny(rng):
        return (rng.random(20) < 0.5).astype(float)

    law = beaches(20, sunny)
    found = tmf.solve(law, tmf.Fraction(0.2), paths=80, rng=1, tolerance=0.05, absolute_tolerance=0.3)
    assert np.array_equal(found.policy.edges, [0.5]) and found.information == "the present level of the noise"
    chain = beaches(20, tmf.NoiseChain([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]]))
    same = tmf.NoisePolicy(found.policy.table)
    gap = tmf.exploitability(chain, same, tmf.Fraction(0.2), paths=256, rng=2)
    assert gap.interval().low < 0.2 * abs(found.mean_return)
    walk = beaches(20, lambda rng: np.cumsum(rng.normal(size=20)) * 0.3)
    seen = tmf.solve(walk, tmf.Fraction(0.2), paths=80, rng=1, tolerance=0.05, absolute_tolerance=0.3)
    assert seen.policy.n_states == 8 and seen.policy.table.shape == (20, 8, 2, 2)
    blind = tmf.solve(walk, tmf.Fraction(0.2), paths=80, memory=0, rng=1, tolerance=0.05, absolute_tolerance=0.3)
    gaps = [tmf.exploitability(walk, each, tmf.Fraction(0.2), paths=256, rng=3) for each in (seen, blind)]
    assert gaps[0].value < 0.2 * gaps[1].value


def test_limits_starts_and_callbacks():
    law = noisy(6)
    with pytest.warns(tmf.ConvergenceWarning, match=r"on 256 fresh paths deviations that see .* at most .* at 95%"):
        found = tmf.solve(law, SCHEDULE, paths=20, memory=1, rng=1, iterations=1, tolerance=1e-9)
    assert not found.converged and len(found.history["iteration"]) <= 3
    calls = []
    again = tmf.solve(law, SCHEDULE, paths=20, memory=2, rng=1, initial=found, callback=lambda it: calls.append(it.solution()) or True)
    assert isinstance(calls[0].policy, tmf.NoisePolicy) and calls[0].policy.memory == 2
    for t in range(6):  # the start: the rule of the present state, on every history
        np.testing.assert_allclose(calls[0].policy.table[t, 2:], found.policy.table[t], atol=1e-5)
    assert "stopped by callback" in again.reason
    with pytest.raises(ValueError, match="solver is Homotopy; must be one of MirrorDescent, FictitiousPlay, FixedPoint"):
        tmf.solve(law, SCHEDULE, paths=20, solver="Homotopy")
    with pytest.raises(ValueError, match=r"solver is TMFPG.*; must be an exact solver of finite horizons"):
        tmf.solve(law, SCHEDULE, solver="TMFPG")
    with pytest.raises(ValueError, match="initial sees 2 states of the noise; must see at most memory = 1"):
        tmf.solve(law, SCHEDULE, paths=20, memory=1, initial=tmf.NoisePolicy(np.full((4, S, A), 0.5), memory=2))
    with pytest.raises(TypeError, match="initial depends on the population"):
        tmf.solve(law, SCHEDULE, paths=20, memory=1, initial=lambda mu: np.full((S, A), 0.5))


def test_solutions_are_saved(tmp_path):
    law = noisy(3)
    for number, options in enumerate(({}, {"paths": 30, "rng": 1, "tolerance": 0.5})):
        found = tmf.solve(law, SCHEDULE, **options)
        found.save(tmp_path / f"{number}.npz")
        again = tmf.load(tmp_path / f"{number}.npz")
        assert again.equals(found) and again.policy == found.policy and again.information == found.information
        found.plot("policy")
        found.plot("flow")
        if options:
            found.judgement.plot()


def test_the_mean_given_what_is_seen():
    """Where no path has a history, the mean given fewer states; where nobody is, paths count alike."""
    from tmfcore._model.noise_information import Information

    seen = Information(2, 2)
    values = np.arange(6.0).reshape(3, 2, 1)  # R, S, A
    weights = np.array([[0.2, 0.0], [0.3, 0.0], [0.5, 1.0]])
    found = seen.mean(weights, values, np.array([0, 0, 3]))  # no path has 1 or 2
    np.testing.assert_allclose(found[0, :, 0], [(0.2 * 0 + 0.3 * 2) / 0.5, (1 + 3) / 2])
    np.testing.assert_allclose(found[3, :, 0], [4, 5])
    np.testing.assert_allclose(found[[1, 2]], found[[3, 0]])  # 01 as 11, 10 as 00: the same present state
    only = seen.mean(weights, values, np.array([0, 0, 0]))
    np.testing.assert_allclose(only[1], only[0])  # the present state is unknown, too
