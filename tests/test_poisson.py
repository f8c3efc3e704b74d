"""Poisson clocks: N agents in continuous time, against the enumerated chain and closed forms."""

import math
import pickle
import re

import numpy as np
import pytest
from scipy import stats

import clock_cases
import stat_tests
import tmfcore as tmf
from tmfcore._model.continuous import Timetable, record_times

pytestmark = pytest.mark.law

N = 4
R = 4_000


def rounded(case, n_agents=N):
    return tmf.simulate(clock_cases.built(case), case.policy, tmf.Poisson(case.rate), n_agents, rng=0).counts[0, 0]


# ------------------------------------------------------------------------------------------------- exact laws


@pytest.mark.parametrize("decisions", [True, False])
@pytest.mark.parametrize("passive", [True, False])
@pytest.mark.parametrize("one_rate", [True, False])
@pytest.mark.parametrize("kind", ["affine", "arrays"])
@pytest.mark.broad
def test_the_law_at_every_time_is_that_of_the_enumerated_chain(kind, one_rate, passive, decisions):
    case = clock_cases.random_case(7, passive=passive, one_rate=one_rate)
    case = clock_cases.frozen(case) if kind == "arrays" else case
    chain, start = clock_cases.Chain(case, N), rounded(case)
    times = [0.0, 0.1, 0.7, case.horizon]
    run = tmf.simulate(
        clock_cases.built(case, kind), case.policy, tmf.Poisson(case.rate), N, replicas=R, rng=3, times=times, decisions=decisions
    )
    for j, t in enumerate(times):
        stat_tests.assert_law(run.counts[:, j], chain.law(start, t))
    for j in range(3):
        earned = chain.earned(start, times[j + 1]) - chain.earned(start, times[j])
        stat_tests.assert_mean(run.rewards[:, j], earned)
    stat_tests.assert_mean(run.returns, chain.earned(start, case.horizon, -math.log(case.discount)))
    assert run.times.tolist() == times


@pytest.mark.parametrize("decisions", [True, False])
@pytest.mark.broad(1)
def test_functions_of_mu_have_the_law_of_the_enumerated_chain(decisions):
    """Rates of passive agents given as a function are thinned to a stated bound."""
    case = clock_cases.random_case(11)
    most = max(-case.rates[o, o].min() for o in range(3)) * 1.5
    chain, start = clock_cases.Chain(case, N), rounded(case)
    run = tmf.simulate(
        clock_cases.built(case, "functions", horizon=0.5), case.policy, tmf.Poisson(case.rate, most), N, replicas=1500, rng=4,
        times=0.25, decisions=decisions,
    )  # fmt: skip
    for j in range(3):
        stat_tests.assert_law(run.counts[:, j], chain.law(start, 0.25 * j))
    stat_tests.assert_mean(run.returns, chain.earned(start, 0.5, -math.log(case.discount)))


@pytest.mark.parametrize("kind", ["affine", "arrays"])
@pytest.mark.broad(1)
def test_a_policy_of_stages_changes_at_their_ends(kind):
    """Two stages whose border, 0.75, is no record time: the law at the horizon is that of two chains in turn."""
    case = clock_cases.random_case(5)
    case = clock_cases.frozen(case) if kind == "arrays" else case
    other = case.policy[::-1, ::-1]
    first, second = clock_cases.Chain(case, N), clock_cases.Chain(case, N, other)
    start, rho = rounded(case), -math.log(case.discount)
    run = tmf.simulate(
        clock_cases.built(case, kind), np.stack([case.policy, other]), tmf.Poisson(case.rate), N, replicas=R, rng=6, times=[0, 1, 1.5]
    )
    half = case.horizon / 2
    between = first.law(start, half)
    law, value = dict.fromkeys(first.states, 0.0), first.earned(start, half, rho)
    for state, p in between.items():
        value += p * math.exp(-rho * half) * second.earned(state, half, rho)
        for after, q in second.law(state, half).items():
            law[after] += p * q
    stat_tests.assert_law(run.counts[:, -1], law)
    stat_tests.assert_mean(run.returns, value)


def test_a_policy_that_looks_at_the_population():
    case = clock_cases.random_case(13)

    def policy(mu):
        p = 0.2 + 0.6 * mu
        return np.stack([p, 1 - p], axis=1)

    chain, start = clock_cases.Chain(case, N, policy), rounded(case)
    run = tmf.simulate(clock_cases.built(case), policy, tmf.Poisson(case.rate), N, replicas=1200, rng=8, times=case.horizon)
    stat_tests.assert_law(run.counts[:, -1], chain.law(start, case.horizon))


def test_sis_against_the_matrix_exponential():
    """Infection by contact of 20 agents: the share of the infected at three times, 4,000 replicas."""
    n, i, q = 20, 0.9, 0.4
    game = tmf.games.infection_by_contact(i, recovery=q, horizon=8, initial=[0.9, 0.1])
    rates = np.zeros((n + 1, n + 1))
    for k in range(n + 1):
        if k < n:
            rates[k, k + 1] = i * k * (n - k) / n
        if k:
            rates[k, k - 1] = q * k
    np.fill_diagonal(rates, -rates.sum(axis=1))
    from scipy.linalg import expm

    for decisions in (True, False):
        run = tmf.simulate(game, [[1, 0], [1, 0]], tmf.Poisson(), n, replicas=4_000, rng=2, times=[0, 1, 3, 8], decisions=decisions)
        for j, t in enumerate([0, 1, 3, 8]):
            law = (np.eye(n + 1)[2] @ expm(rates * t)).clip(0)
            stat_tests.assert_law(run.counts[:, j, 1], dict(enumerate(law / law.sum())))


def test_ehrenfest_urns_are_independent_coins():
    """Who acts changes urn: an agent has changed an odd number of times with probability (1 - exp(-2 nu t)) / 2."""
    n, rate = 30, 0.7
    swap = 1 - np.eye(2)
    game = tmf.Game(2, 1, 3.0, 1.0, [1, 0], np.zeros((2, 1)), swap[:, None], time="sweeps")
    run = tmf.simulate(game, [[1], [1]], tmf.Poisson(rate), n, replicas=R, rng=5, times=0.5)
    for j, t in enumerate(run.times):
        law = stats.binom.pmf(np.arange(n + 1), n, (1 - math.exp(-2 * rate * t)) / 2)
        stat_tests.assert_law(run.counts[:, j, 1], dict(enumerate(law)))


def test_one_mutant_takes_over_as_often_as_a_moran_process():
    n, beta, payoffs = 10, 0.8, np.array([[1.0, 1.4], [0.9, 1.2]])
    game = tmf.games.pairwise_revision(payoffs, intensity=beta, horizon=3000.0, initial=[0.1, 0.9])
    run = tmf.simulate(game, [[0, 1], [0, 1]], tmf.Poisson(2.0), n, replicas=3000, rng=9, times=3000, decisions=False)
    ends = run.counts[:, -1, 0]
    assert set(ends.tolist()) == {0, n}
    j = np.arange(1, n)
    gains = payoffs[0] @ np.stack([j, n - j]) / n - payoffs[1] @ np.stack([j, n - j]) / n
    stat_tests.assert_binomial(int((ends == n).sum()), 3000, 1 / (1 + np.exp(-beta * np.cumsum(gains)).sum()))


def test_numbers_of_actions_are_poisson():
    """At one rate, N nu t actions; at rate 0 nobody acts; passive moves are no actions."""
    case = clock_cases.random_case(2)
    run = tmf.simulate(clock_cases.built(case), case.policy, tmf.Poisson(1.7), N, replicas=R, rng=1, times=[0, 0.6, 1.5])
    for j, span in enumerate([0.6, 0.9]):
        mean = N * 1.7 * span
        top = int(mean + 12 * math.sqrt(mean) + 12)
        law = stats.poisson.pmf(np.arange(top), mean)
        stat_tests.assert_law(run.decisions[:, j].sum(axis=(1, 2)), dict(enumerate(law / law.sum())))
    idle = tmf.simulate(clock_cases.built(case), case.policy, tmf.Poisson([0.0, 1.0, 0.0]), N, replicas=50, rng=1)
    assert idle.decisions[:, :, [0, 2]].sum() == 0 < idle.decisions[:, :, 1].sum()


def test_few_agents_with_slow_clocks():
    """One agent whose clock rarely rings: most intervals have no event at all."""
    case = clock_cases.random_case(3, one_rate=True, passive=False)
    case.rate[:] = 0.3
    chain = clock_cases.Chain(case, 1)
    run = tmf.simulate(clock_cases.built(case), case.policy, tmf.Poisson(0.3), 1, replicas=R, rng=2, times=0.25)
    start = run.counts[0, 0]
    stat_tests.assert_law(run.counts[:, -1], chain.law(start, case.horizon))
    stat_tests.assert_mean(run.returns, chain.earned(start, case.horizon, -math.log(case.discount)))


def test_every_event_has_a_uniform_time():
    """All events of one long run: their times are uniform, and the counts change at most by one agent each."""
    case = clock_cases.random_case(4)
    run = tmf.simulate(clock_cases.built(case, horizon=40.0), np.stack([case.policy] * 3), tmf.Poisson(case.rate), 50, rng=3, times="events")
    times = run.times
    assert times[0] == 0 and times[-1] == 40.0 and (np.diff(times) >= 0).all() and len(times) > 3000
    stat_tests.assert_uniform(times[1:-1] / 40.0)
    moved = np.abs(np.diff(run.counts[0], axis=0)).sum(axis=1)
    assert set(moved.tolist()) == {0, 2} and moved[-1] == 0
    whole = tmf.simulate(clock_cases.built(case, horizon=40.0), np.stack([case.policy] * 3), tmf.Poisson(case.rate), 50, rng=3, times=40)
    np.testing.assert_array_equal(whole.counts[0, -1], run.counts[0, -1])
    np.testing.assert_allclose(whole.returns, run.returns, rtol=1e-12)


def test_sparse_games_with_rates():
    """A ring given by successors, stepped left by choice and drifting right by itself: as the dense game."""
    n_obs = 4
    left, right = (np.roll(np.arange(n_obs), k) for k in (1, -1))
    places = np.arange(n_obs)
    kw = {"time": "sweeps", "horizon": 1.0, "discount": 1.0, "initial": [1, 0, 0, 0]}
    sparse = tmf.Game(
        n_obs, 1, reward=np.zeros((n_obs, 1)), transition=np.ones((n_obs, 1, 1)), successors=left[:, None, None],
        passive_rates=np.tile([-0.6, 0.6], (n_obs, 1)), passive_successors=np.stack([places, right], axis=1), **kw,
    )  # fmt: skip
    case = clock_cases.Case(
        np.array([0.5, 1.0, 1.5, 2.0]), np.repeat(np.eye(n_obs)[left][:, None, :, None], n_obs, axis=3), np.zeros((n_obs, 1, n_obs)),
        np.zeros((n_obs, n_obs)), np.repeat(0.6 * (np.eye(n_obs)[right] - np.eye(n_obs))[..., None], n_obs, axis=2),
        np.ones((n_obs, 1)), np.eye(n_obs)[0], 1.0, 1.0,
    )  # fmt: skip
    run = tmf.simulate(sparse, case.policy, tmf.Poisson(case.rate), 3, replicas=R, rng=1, times=1)
    stat_tests.assert_law(run.counts[:, -1], clock_cases.Chain(case, 3).law([3, 0, 0, 0], 1.0))


# -------------------------------------------------------------------------------------------------- seeds, times


def test_the_result_depends_on_the_seed_alone():
    case = clock_cases.random_case(1)
    game, who = clock_cases.built(case), tmf.Poisson(case.rate)
    runs = [
        tmf.simulate(game, case.policy, who, 40, replicas=6, rng=1, times=times, threads=threads)
        for times, threads in ((None, 1), (0.5, 2), ([0, 0.2, 1.5], 1))
    ]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.counts[:, -1], runs[0].counts[:, -1])
        np.testing.assert_array_equal(run.decisions.sum(axis=1), runs[0].decisions.sum(axis=1))
        np.testing.assert_allclose(run.returns, runs[0].returns, rtol=1e-12)
        np.testing.assert_allclose(run.rewards.sum(axis=1), runs[0].rewards.sum(axis=1), rtol=1e-11, atol=1e-13)
    assert (tmf.simulate(game, case.policy, who, 40, rng=2).counts != runs[0].counts[:1]).any()
    np.testing.assert_array_equal(tmf.simulate(game, case.policy, who, 40, replicas=6, rng=1).counts, runs[0].counts)


def test_progress_counts_all_events():
    case, seen = clock_cases.random_case(1), []
    tmf.simulate(
        clock_cases.built(case), np.stack([case.policy] * 2), tmf.Poisson(case.rate), 500, replicas=4, rng=1,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen[-1][0] == seen[-1][1] > 1000


def test_sampled_starts():
    case = clock_cases.random_case(1)
    run = tmf.simulate(clock_cases.built(case), case.policy, tmf.Poisson(case.rate), 6, replicas=R, rng=1, start="sampled", times=1.5)
    stat_tests.assert_law(run.counts[:, 0, 0], dict(enumerate(stats.binom.pmf(np.arange(7), 6, 0.5))))


def test_record_times():
    assert record_times(None, 2.5).tolist() == [0, 1, 2, 2.5]
    assert record_times(None, 0.5).tolist() == [0, 0.5]
    assert record_times(0.1, 0.3).tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert len(record_times(0.1, 1.0)) == 11
    table = Timetable.of(np.array([0.0, 1.0, 3.0]), 2)
    assert table.edges.tolist() == [0, 1, 1.5, 3] and table.first.tolist() == [0, 1, 3] and table.stage.tolist() == [0, 0, 1]
    third = Timetable.of(record_times(0.1, 0.3), 3)
    assert third.stage.tolist() == [0, 1, 2] and third.first.tolist() == [0, 1, 2, 3]


def test_results_are_saved_and_tabulated(tmp_path):
    case = clock_cases.random_case(1)
    run = tmf.simulate(clock_cases.built(case), case.policy, tmf.Poisson(case.rate), 6, rng=1, times=[0, 0.2, 1.5])
    run.save(tmp_path / "run.npz")
    again = tmf.load(tmp_path / "run.npz")
    assert again.equals(run) and again.times.tolist() == [0, 0.2, 1.5] and again.fingerprint == run.fingerprint
    assert pickle.loads(pickle.dumps(run)).equals(run)
    assert run.time == "sweeps" and run.schedule == f"Poisson({case.rate.min():g}..{case.rate.max():g})"


def test_a_schedule_of_clocks():
    assert tmf.Poisson() == tmf.Poisson(1) != tmf.Poisson(2) and tmf.Poisson([1, 2]) == tmf.Poisson((1.0, 2.0))
    assert str(tmf.Poisson(0.5)) == "Poisson(0.5)" and repr(tmf.Poisson([1, 2], most=3)) == "Poisson((1.0, 2.0), 3.0)"
    assert pickle.loads(pickle.dumps(tmf.Poisson([1, 2]))) == tmf.Poisson([1, 2])
    assert not hasattr(tmf.Poisson(), "active_fraction")


# -------------------------------------------------------------------------------------------------------- errors


def refused(match, game, policy, schedule, *arguments, **options):
    with pytest.raises(ValueError, match=re.escape(match)):
        tmf.simulate(game, policy, schedule, *arguments, **options)


def test_mistakes():
    case = clock_cases.random_case(1)
    game, pi = clock_cases.built(case), case.policy
    who = tmf.Poisson(case.rate)
    for value, match in ((0, "rate is 0"), (-1, "rate is -1"), ([0, 0], "at every observation"), ([1, -1], "rate[1] is -1")):
        with pytest.raises(ValueError, match=re.escape(match)):
            tmf.Poisson(value)
    with pytest.raises(TypeError):
        tmf.Poisson("fast")
    refused("rate has 2 entries; must have one per observation, S = 3", game, pi, tmf.Poisson([1, 2]), 5)
    refused("must be in sweeps", game.at(step=0.1), pi, who, 5)
    refused("must be made without step", game.replace(step=0.1), pi, who, 5)
    refused("discount is 0", game.replace(discount=0.0), pi, who, 5)
    refused("engine is 'agents'", game, pi, who, 5, engine="agents")
    refused("trajectories is True", game, pi, who, 5, trajectories=True)
    refused("record_every is 2", game, pi, who, 5, record_every=2)
    refused("times begin at 0.5; must begin at 0", game, pi, who, 5, times=[0.5, 1.5])
    refused("times end at 1; must end at the horizon of the game, 1.5", game, pi, who, 5, times=[0, 1])
    refused("times[2] is 0.5 after 0.7", game, pi, who, 5, times=[0, 0.7, 0.5, 1.5])
    refused("replicas is 2", game, pi, who, 5, times="events", replicas=2)
    refused("must be omitted unless schedule is Poisson", game, pi, tmf.Fraction(0.1), 5, times=0.5)
    refused("must be a function of mu alone", game, lambda mu, t: pi, who, 5)
    refused("events within the horizon", game, pi, who, 10**16)
    functions = clock_cases.built(case, "functions")
    refused("most is None", functions, pi, who, 5)
    refused("which Poisson(rate, most=...) states", functions, pi, tmf.Poisson(case.rate, 1e-3), 5, rng=1)
    timed = tmf.Game(1, 1, 2.0, 1.0, [1], lambda mu, t: [[t]], [[[1]]], time="sweeps")
    refused("reward is a function of (mu, t)", timed, [[1]], tmf.Poisson(), 5)
    with pytest.raises(ValueError, match="whose agents act in continuous time"):
        tmf.finite_exploitability(game, pi, tmf.Poisson(), 5)
