"""Poisson clocks: replicas side by side, and stages of more events than one run of a kernel has."""

import math
import re

import numpy as np
import pytest
from scipy import stats

import clock_cases
import stat_tests
import tmfcore as tmf
from tmfcore._population import arrivals, jump_records, jump_stage, jumps, lanes

pytestmark = pytest.mark.law

RNG = np.random.default_rng(5)
ROWS = RNG.dirichlet(np.ones(3), (3, 2))
REWARD = RNG.normal(size=(3, 2))
PI = RNG.dirichlet([1, 1], 3)


def constant(passive=False, **changes):
    more = {}
    if passive:
        more = {"passive_rates": [[-0.5, 0.2, 0.3], [0.1, -0.1, 0.0], [0.0, 0.7, -0.7]], "passive_reward": [0.3, -1.0, 0.0]}
    return tmf.Game(3, 2, 4.0, 0.9, [0.2, 0.3, 0.5], REWARD, ROWS, time="sweeps", **more).replace(**changes)


class Told(list):
    """A `progress` that keeps what it is told, and raises `error` once `until` events are made."""

    def __init__(self, until=math.inf, error=None):
        super().__init__()
        self.until, self.error = until, error

    def __call__(self, done, total):
        self.append((done, total))
        if done >= self.until:
            raise self.error


def equal(a, b):
    for name in ("counts", "decisions", "rewards", "returns"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("decisions", [True, False])
@pytest.mark.parametrize(("passive", "stages", "rate"), [(False, 1, 1.3), (True, 1, [0.2, 1.0, 0.5]), (False, 3, [1.0, 0.4, 2.0])])
def test_a_replica_has_the_same_bits_alone_and_beside_others(monkeypatch, passive, stages, rate, decisions):
    """Groups of up to sixteen whose replicas have different numbers of events; one or two threads; any record times."""
    game, policy = constant(passive), np.stack([PI, PI[::-1], PI[:, ::-1]])[:stages]
    played = []
    options = {"replicas": 37, "rng": 3, "decisions": decisions}
    for times in (4.0, 0.5, [0, 0.001, 3.3, 4]):
        many = tmf.simulate(game, policy, tmf.Poisson(rate), 300, times=times, threads=1, **options)
        told = Told()
        equal(many, tmf.simulate(game, policy, tmf.Poisson(rate), 300, times=times, threads=2, progress=told, **options))
        assert told[-1][0] == told[-1][1] > 37 * 300
        with monkeypatch.context() as patch:
            patch.setattr(lanes, "fewest", lambda n: 10**9)
            equal(many, tmf.simulate(game, policy, tmf.Poisson(rate), 300, times=times, **options))
        played.append(many)
    np.testing.assert_array_equal(played[0].counts[:, -1], played[1].counts[:, -1])
    np.testing.assert_array_equal(played[0].returns, played[2].returns)


def test_replicas_are_played_side_by_side():
    """The plan has kernels for every stage where they apply; not for single replicas, short intervals or games that skip."""
    def sides(game, replicas, n_agents=300, times=1.0, decisions=True):
        clocks = jumps.Continuous.of(game, tmf.Poisson())
        stages = jumps.Stages.of(PI, game)
        table = jumps.Timetable.of(jumps.record_times(times, game.horizon), 1)
        plan = jumps.JumpRun(clocks, jumps.uniformised(clocks, stages, n_agents), stages.kernel, table, n_agents)
        return plan.sides(replicas, decisions, plan.longest([plan.numbers(np.arange(4, dtype=np.uint64) + np.uint64(r)) for r in range(replicas)]))

    assert len(sides(constant(), 16)) == len(sides(constant(True), 16, decisions=False)) == 1
    assert sides(constant(), 1) is None and sides(constant(), 16, times=0.01) is None


def test_a_stage_of_many_runs_has_the_law_of_the_chain(monkeypatch):
    """Runs of at most 3 events in place of 2**30: counts, rewards and returns against the enumerated chain."""
    monkeypatch.setattr(jump_stage, "MOST_STEPS", 3)
    case = clock_cases.frozen(clock_cases.random_case(61))
    n, times = 4, [0, 0.05, 0.7, 0.71, case.horizon]
    for kind, decisions in (("arrays", True), ("affine", False)):
        run = tmf.simulate(
            clock_cases.built(case, kind), case.policy, tmf.Poisson(case.rate), n, replicas=2000, rng=6, times=times, decisions=decisions
        )
        chain, start = clock_cases.Chain(case, n), run.counts[0, 0]
        for j, t in enumerate(times):
            stat_tests.assert_law(run.counts[:, j], chain.law(start, t))
            if j:
                stat_tests.assert_mean(run.rewards[:, j - 1], chain.earned(start, t) - chain.earned(start, times[j - 1]))
        stat_tests.assert_mean(run.returns, chain.earned(start, case.horizon, -math.log(case.discount)))


def test_record_times_do_not_matter_in_many_runs(monkeypatch):
    monkeypatch.setattr(jump_stage, "MOST_STEPS", 100)
    runs = [tmf.simulate(constant(), PI, tmf.Poisson(), 200, rng=2, times=times, threads=1) for times in (4.0, 0.3, [0, 1, 1.1, 4])]
    for run in runs[1:]:
        np.testing.assert_array_equal(run.counts[:, -1], runs[0].counts[:, -1])
        np.testing.assert_array_equal(run.decisions.sum(axis=1), runs[0].decisions.sum(axis=1))
        assert run.returns[0] == pytest.approx(runs[0].returns[0], rel=1e-12)


def test_twenty_billion_events_of_which_few_change_anything():
    """Nobody infects; 30 ill of 10^9 recover, each at rate 0.2: binomial at every time."""
    n, ill = 10**9, 30
    game = tmf.Game(2, 1, 20.0, 1.0, [1, 0], [[0.0], [-1.0]], [[[1.0, 0.0]], [[0.2, 0.8]]], time="sweeps")
    run = tmf.simulate(game, [[1.0]] * 2, tmf.Poisson(), n, replicas=400, rng=4, times=5.0, decisions=False, start=[n - ill, ill])
    for j, t in enumerate(run.times):
        law = stats.binom.pmf(np.arange(ill + 1), ill, math.exp(-0.2 * t))
        stat_tests.assert_law(run.counts[:, j, 1].tolist(), dict(enumerate(law)))
    one = tmf.simulate(game, [[1.0]] * 2, tmf.Poisson(), n, rng=4, decisions=False, start=[n, 0], progress=lambda *now: None)
    assert (one.counts == [n, 0]).all() and one.returns[0] == 0


def test_too_many_events_for_a_double():
    with pytest.raises(ValueError, match=re.escape("must have at most 9.007e+15")):
        tmf.simulate(constant(horizon=100.0), PI, tmf.Poisson(), 10**15, rng=1, decisions=False)


# ------------------------------------------------------------------------------------- runs that are ended early


def ended(error, until, *arguments, **options):
    with pytest.raises(type(error)) as caught:
        tmf.simulate(*arguments, progress=Told(until, error), **options)
    return caught.value.partial


@pytest.mark.parametrize("decisions", [True, False])
@pytest.mark.parametrize(("replicas", "stages"), [(1, 1), (1, 3), (5, 1), (16, 1), (16, 3)])
@pytest.mark.broad(2)
def test_an_interrupt_hands_over_one_replica_up_to_its_last_event(replicas, stages, decisions):
    """One thread: its records are those of the whole run, but for the last; the sum of all decisions is that of events."""
    n, discount, horizon = {1: 10**6, 5: 3 * 10**5, 16: 10**5}[replicas], 0.8, 30.0  # a quarter of a second
    game = constant(horizon=horizon, discount=discount, reward=np.ones((3, 2)))
    policy = np.stack([PI, PI[::-1], PI[:, ::-1]])[:stages]
    options = {"replicas": replicas, "rng": 7, "times": 0.25, "decisions": decisions, "threads": 1}
    part = ended(KeyboardInterrupt(), 10**6, game, policy, tmf.Poisson(), n, **options)
    whole = tmf.simulate(game, policy, tmf.Poisson(), n, **options)
    assert part.replicas == 1 and 1 < len(part.times) < len(whole.times)
    known = len(part.times) - 1
    assert (part.times[:known] == whole.times[:known]).all()
    assert whole.times[known - 1] < part.times[known] <= whole.times[known]
    same = [r for r in range(replicas) if (part.counts[0, :known] == whole.counts[r, :known]).all()]
    assert same
    assert (part.rewards[0, : known - 1] == whole.rewards[same[0], : known - 1]).all()
    assert (part.counts.sum(axis=2) == n).all()
    t = part.times[-1]
    events = n * t  # on average, of which no interval has more than six standard deviations more or less
    assert part.rewards.sum() == pytest.approx(t, abs=6 * math.sqrt(events) / n)
    assert part.returns[0] == pytest.approx((discount**t - 1) / math.log(discount), abs=6 * math.sqrt(events) / n)
    if decisions:
        assert (part.decisions[0, : known - 1] == whole.decisions[same[0], : known - 1]).all()
        assert part.decisions.sum() / n == pytest.approx(part.rewards.sum(), rel=1e-9)


def test_an_interrupt_hands_over_finished_replicas():
    game = constant(horizon=40.0)
    options = {"replicas": 40, "rng": 7, "threads": 1, "times": 5.0}
    whole = tmf.simulate(game, PI, tmf.Poisson(), 10**5, **options)
    for error in (KeyboardInterrupt(), ZeroDivisionError()):
        part = ended(error, 40 * 10**5 * 17, game, PI, tmf.Poisson(), 10**5, **options)
        assert part is not None and 16 <= part.replicas < 40 and (part.times == whole.times).all()
        for name in ("counts", "decisions", "rewards", "returns"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[: part.replicas])
    assert ended(ZeroDivisionError(), 1, game, PI, tmf.Poisson(), 10**6, **(options | {"replicas": 1})) is None


def test_the_time_of_an_interrupt_is_that_of_its_event():
    game = constant()
    stages, clocks = jumps.Stages.of(PI, game), jumps.Continuous.of(game, tmf.Poisson())
    table, grid = jumps.Timetable.of(jumps.record_times(2.0, game.horizon), 1), np.array([0.0, 2.0, 4.0])
    plan = jumps.JumpRun(clocks, jumps.uniformised(clocks, stages, 5), stages.kernel, table, 5)
    for r in range(50):
        numbers = plan.numbers(np.arange(4, dtype=np.uint64) + np.uint64(r))
        times = arrivals.listed(numbers.key, 5.0, 0.0, 4.0)
        assert numbers.lengths.tolist() == [(times < 2).sum(), (times >= 2).sum()]
        out = jump_records.Records.empty(1, 2, 3, 2, False)
        out.returns[0] = 0.0
        for made in range(1, len(times)):
            found = plan.so_far(out, [numbers], np.array([[made]]), grid, False)
            early = numbers.lengths[0]
            expected = [0.0, times[made - 1]] if made < early else [0.0, 2.0] if made == early else [0.0, 2.0, times[made - 1]]
            assert found[1].tolist() == expected and found[0].counts.shape == (1, len(expected), 3)
        whole = numbers.n_events - numbers.more[0]
        found = plan.so_far(out, [numbers], np.array([[whole]]), grid, False)
        assert found[1].tolist() == [0.0, 2.0, 4.0]
        assert plan.so_far(out, [numbers], np.array([[0]]), grid, False) is None
