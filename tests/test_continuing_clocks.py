"""simulate(start=run) under Poisson clocks: the same events go on; both runs together are one."""

import math

import numpy as np
import pytest
from test_poisson_many import PI, constant

import clock_cases
import stat_tests
import tmfcore as tmf
from tmfcore._population import jump_stage

pytestmark = pytest.mark.law

CASE = clock_cases.random_case(5)
#: name: game, rate, N, options
CASES = {
    "one": (constant(horizon=9.0), 1.3, 300, {}),
    "one, no decisions": (constant(horizon=9.0), 1.3, 300, {"decisions": False}),
    "replicas": (constant(horizon=9.0), 1.0, 200, {"replicas": 20}),
    "passive": (constant(True, horizon=9.0), [0.2, 1.0, 0.5], 300, {"replicas": 3}),
    "affine": (clock_cases.built(CASE, horizon=6.0), CASE.rate, 60, {}),
    "functions": (clock_cases.built(clock_cases.random_case(11), "functions", horizon=3.0), (clock_cases.random_case(11).rate, 9.0), 20, {}),
    "sampled": (constant(horizon=9.0), 1.0, 50, {"replicas": 5, "start": "sampled"}),
    "events": (constant(horizon=6.0), 1.0, 100, {"times": "events"}),
    "few": (constant(horizon=9.0), 0.02, 5, {"replicas": 30}),
}


def clocks(rate):
    return tmf.Poisson(*rate) if isinstance(rate, tuple) else tmf.Poisson(rate)


def joined(one, two, whole, discounted=True):
    np.testing.assert_array_equal(np.concatenate([one.times, two.times[1:]]), whole.times)
    np.testing.assert_array_equal(np.concatenate([one.counts, two.counts[:, 1:]], axis=1), whole.counts)
    np.testing.assert_array_equal(np.concatenate([one.rewards, two.rewards], axis=1), whole.rewards)
    if whole.decisions is not None:
        np.testing.assert_array_equal(np.concatenate([one.decisions, two.decisions], axis=1), whole.decisions)
    if not discounted:
        np.testing.assert_allclose(one.returns + two.returns, whole.returns, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("share", [1 / 3, 2 / 3])
@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.broad
def test_two_runs_are_one(case, discount, share, tmp_path):
    game, rate, n_agents, options = CASES[case]
    game = game.replace(discount=discount)
    policy = np.full((game.n_observations, game.n_actions), 1 / game.n_actions)
    more = {name: value for name, value in options.items() if name != "start"}
    whole = tmf.simulate(game, policy, clocks(rate), n_agents, rng=4, **options)
    one = tmf.simulate(game.replace(horizon=share * game.horizon), policy, clocks(rate), n_agents, rng=4, **options)
    one.save(tmp_path / "one.npz")
    for run in (one, tmf.load(tmp_path / "one.npz")):
        two = tmf.simulate(game, policy, clocks(rate), n_agents, start=run, **more)
        if case == "events":  # the end of the first run is a time of its own
            assert one.times[-1] == two.times[0] == share * game.horizon
            np.testing.assert_array_equal(np.concatenate([one.times[:-1], two.times[1:]]), whole.times)
            np.testing.assert_array_equal(np.concatenate([one.counts[:, :-1], two.counts[:, 1:]], axis=1), whole.counts)
            np.testing.assert_allclose(np.concatenate([one.rewards[:, :-1], two.rewards], axis=1), whole.rewards)
        else:
            joined(one, two, whole, discount < 1)


@pytest.mark.parametrize("cut", [2.5, 0.1 + 0.2, math.pi])
def test_any_time_is_an_end(cut):
    game = constant(horizon=7.0)
    times = np.array([0.0, 0.2, cut, 3.3, 6.1, 7.0])
    whole = tmf.simulate(game, PI, tmf.Poisson(), 80, rng=1, times=times, replicas=6)
    one = tmf.simulate(game.replace(horizon=cut), PI, tmf.Poisson(), 80, rng=1, times=times[:3], replicas=6)
    two = tmf.simulate(game, PI, tmf.Poisson(), 80, start=one, times=times[2:], replicas=6)
    joined(one, two, whole)
    third = tmf.simulate(game, PI, tmf.Poisson(), 80, start=one, replicas=6)
    assert third.times.tolist() == [cut, *range(math.floor(cut) + 1, 8)]
    np.testing.assert_array_equal(third.counts[:, -1], whole.counts[:, -1])


def test_three_runs_are_one_and_runs_of_the_kernel_end_anywhere(monkeypatch):
    monkeypatch.setattr(jump_stage, "MOST_STEPS", 100)
    game = constant(horizon=6.0)
    whole = tmf.simulate(game, PI, tmf.Poisson(), 40, rng=2, replicas=8)
    run = tmf.simulate(game.replace(horizon=1.0), PI, tmf.Poisson(), 40, rng=2, replicas=8)
    parts = [run]
    for end in (2.0, 3.0, 6.0):
        parts.append(tmf.simulate(game.replace(horizon=end), PI, tmf.Poisson(), 40, start=parts[-1], replicas=8))
    np.testing.assert_array_equal(np.concatenate([parts[0].counts, *(one.counts[:, 1:] for one in parts[1:])], axis=1), whole.counts)
    np.testing.assert_array_equal(np.concatenate([one.rewards for one in parts], axis=1), whole.rewards)


@pytest.mark.parametrize("decisions", [True, False])
@pytest.mark.broad(1)
def test_another_policy_game_and_rate_have_the_law_of_the_chain(decisions):
    """From 0.6 on two stages, other rates and other rewards: returns and counts against the enumerated chain."""
    first, then = clock_cases.random_case(7, one_rate=True, passive=False), clock_cases.random_case(8)
    first = clock_cases.frozen(first)
    n, R = 4, 3000
    one = tmf.simulate(
        clock_cases.built(first, "arrays", horizon=0.6), first.policy, tmf.Poisson(first.rate), n, replicas=R, rng=1, decisions=decisions
    )
    two = tmf.simulate(
        clock_cases.built(then), np.stack([then.policy] * 2), tmf.Poisson(then.rate), n, replicas=R, start=one, times=[0.6, 1.0, 1.5],
        decisions=decisions,
    )  # fmt: skip
    before, chain = clock_cases.Chain(first, n).law(one.counts[0, 0], 0.6), clock_cases.Chain(then, n)
    for j, t in enumerate((0.4, 0.9), 1):
        law = {}
        for start, p in before.items():
            for end, q in chain.law(np.array(start), t).items():
                law[end] = law.get(end, 0.0) + p * q
        stat_tests.assert_law(two.counts[:, j], law)
    decay = -math.log(then.discount)
    value = sum(p * chain.earned(np.array(start), 0.9, decay) for start, p in before.items())
    stat_tests.assert_mean(two.returns, math.exp(-decay * 0.6) * value)


def test_what_does_not_fit_is_refused():
    game = constant(horizon=4.0)
    one = tmf.simulate(game.replace(horizon=2.0), PI, tmf.Poisson(), 30, rng=1)
    steps = tmf.simulate(game.at(step=0.1), PI, tmf.Synchronous(), 30, rng=1)
    for match, call in (
        ("rng is given", lambda: tmf.simulate(game, PI, tmf.Poisson(), 30, start=one, rng=1)),
        ("n_agents is 31; must be 30", lambda: tmf.simulate(game, PI, tmf.Poisson(), 31, start=one)),
        ("replicas is 2; must be 1", lambda: tmf.simulate(game, PI, tmf.Poisson(), 30, start=one, replicas=2)),
        ("game ends at 2; must end after 2", lambda: tmf.simulate(game.replace(horizon=2.0), PI, tmf.Poisson(), 30, start=one)),
        ("times begin at 0; must begin at 2, where start ends", lambda: tmf.simulate(game, PI, tmf.Poisson(), 30, start=one, times=[0, 4])),
        ("start is a Simulation in steps", lambda: tmf.simulate(game, PI, tmf.Poisson(), 30, start=steps)),
        ("under Poisson clocks; must be one in steps", lambda: tmf.simulate(game.at(step=0.1), PI, tmf.Synchronous(), 30, start=one)),
        ("without its last state", lambda: tmf.simulate(game, PI, tmf.Poisson(), 30, start=one.__class__(**{**vars(one), "ends": None}))),
    ):
        with pytest.raises(ValueError, match=match):
            call()
