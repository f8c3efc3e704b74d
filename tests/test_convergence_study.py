"""analysis.convergence: what it measures, its intervals and fit, files, and every error path."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import tmfcore as tmf
from tmfcore.analysis import Convergence, convergence
from tmfcore.analysis._line import fit_line


def build(step: float | None = 1.0) -> tmf.Game:
    return tmf.games.resource_selection((1.0, 0.8, 0.6), congestion=1.0, initial=(0.2, 0.3, 0.5), horizon=4, step=step)


@pytest.fixture
def uniform():
    return tmf.TabularPolicy.uniform(build())


def test_against_a_direct_computation(uniform):
    """The same streams through simulate, step = B/N, recorded by sweep."""
    found = convergence(
        build(None),
        uniform,
        {"tenth": lambda n: tmf.Batch(n // 10)},
        [50, 100],
        replicas=3,
        rng=7,
    )
    streams = np.random.default_rng(7).spawn(2)
    for i, n in enumerate([50, 100]):
        game, schedule = build(0.1), tmf.Batch(n // 10)
        run = tmf.simulate(game, uniform, schedule, n, replicas=3, rng=streams[i])
        flow = tmf.mean_field(game, uniform, schedule, n)
        errors = np.abs(run.mu - flow.mu).sum(axis=-1)
        assert game.n_steps == 40
        np.testing.assert_allclose(found.errors["tenth"][i], errors[:, 10::10].mean(axis=1))
        np.testing.assert_allclose(found.final_errors["tenth"][i], errors[:, -1])
    assert found.schedules == {"tenth": ("B=5", "B=10")}
    assert found.game == build().name
    assert found.replicas == 3


def test_intervals(uniform):
    """Student's t of scipy.stats on the logarithm of the mean of the same samples, with the delta method's error."""
    found = convergence(build(), uniform, tmf.Synchronous(), [30], replicas=8, confidence=0.9, rng=1)
    label = found.labels[0]
    for errors, mean, low, high in (
        (found.errors, found.error_mean, found.error_low, found.error_high),
        (found.final_errors, found.final_mean, found.final_low, found.final_high),
    ):
        sample = errors[label][0]
        ends = stats.t.interval(0.9, 7, np.log(sample.mean()), stats.sem(sample) / sample.mean())
        np.testing.assert_allclose([low[label][0], high[label][0]], np.exp(ends), rtol=1e-12)
        assert mean[label][0] == sample.mean()
    assert np.isnan(found.slope[label])
    assert np.isnan(found.final_slope_se[label])


def study(errors, confidence=0.95):
    """A Convergence of made-up errors (n, R) at N = 100, 1000, ..."""
    sizes = {"a": 10 ** np.arange(2, 2 + len(errors))}
    return Convergence(("a",), sizes, {"a": errors}, {"a": errors}, {"a": ("a",) * len(errors)}, "", confidence)


def test_replicas_that_agree_by_chance_take_the_spread_of_the_others():
    found = study(np.array([[1.0, 3.0], [0.2, 0.2], [0.0, 0.0]]))
    relative = np.sqrt((2 / 4) / 2)  # variances 2 and 0 of means 2 and 0.2, pooled; the third has no mean
    factor = np.exp(stats.t.ppf(0.975, 1) * relative / np.sqrt(2))
    np.testing.assert_allclose(found.error_high["a"][1], 0.2 * factor)
    np.testing.assert_allclose(found.error_low["a"][1], 0.2 / factor)
    assert np.isnan(found.error_low["a"][2]) and np.isnan(found.error_high["a"][2])
    for level in (0.0, 0.3):  # nothing is random: nothing is uncertain
        still = study(np.full((2, 3), level))
        assert (still.error_low["a"] == level).all() and (still.error_high["a"] == level).all()


@pytest.mark.parametrize("replicas", [2, 3, 10])
@pytest.mark.parametrize(("places", "times", "sizes"), [(2, 1, 4), (4, 4, 3), (3, 1, 2)])
@pytest.mark.broad(1)
def test_intervals_cover(replicas, places, times, sizes):
    """4,000 studies of normal fluctuations: 95% intervals of slope and error hold the truth in 95%, within 2.

    The sum of |z| over places that share sum z = 0, averaged over independent times, is the law as N grows; two places at
    one time give |z|, the most skewed. Coverage is 0.94 to 0.955; a window of 0.92 to 0.98 is six standard errors wider.
    """
    rng = np.random.default_rng([replicas, places, times])
    n_agents = 10 ** np.arange(2, 2 + sizes)
    z = rng.standard_normal((4_000, sizes, replicas, times, places))
    z -= z.mean(axis=-1, keepdims=True)
    errors = np.abs(z).sum(axis=-1).mean(axis=-1) / np.sqrt(n_agents)[:, None]
    slopes = [fit_line(n_agents, sample).interval(0.95) for sample in errors]
    assert 0.92 < np.mean([low < -0.5 < high for low, high in slopes]) < 0.98
    true = places * np.sqrt(2 / np.pi * (1 - 1 / places)) / np.sqrt(n_agents)
    inside = []
    for sample in errors[:1_000]:
        found = study(sample)
        inside.append((found.error_low["a"] < true) & (true < found.error_high["a"]))
    assert 0.91 < np.mean(inside) < 0.99


def test_a_point_of_another_spread_is_not_pooled():
    """Its slope has the standard error of that point's own variance, and Satterthwaite's degrees of freedom."""
    n_agents = np.array([100, 1000, 10000])
    ladder = np.linspace(-1, 1, 20)
    for spread, pooled in (([0.1, 0.1, 0.1], True), ([0.1, 0.13, 0.08], True), ([0.1, 0.1, 0.6], False)):
        fit = fit_line(n_agents, n_agents[:, None] ** -0.5 * (1 + np.array(spread)[:, None] * ladder))
        variances = np.array(spread) ** 2 * ladder.var(ddof=1) / 20
        pull = np.array([-1, 0, 1]) / (2 * np.log(10))
        parts = pull**2 * (np.full(3, variances.mean()) if pooled else variances)
        assert fit.slope_se == pytest.approx(np.sqrt(parts.sum()))
        assert fit.degrees == pytest.approx(3 * 19 if pooled else parts.sum() ** 2 / (parts**2 / 19).sum())


def test_the_level_of_an_interval():
    fit = fit_line(np.array([10, 100, 1000]), np.array([[0.9, 1.1], [0.3, 0.36], [0.1, 0.09]]))
    assert fit.degrees == 3
    for level in (0.5, 0.95):
        found = fit.interval(level)
        assert found.confidence == level and found.identified is True
        low, high = found
        np.testing.assert_allclose([low, high], stats.t.interval(level, 3, fit.slope, fit.slope_se))
    with pytest.raises(ValueError, match=r"confidence is 1.0; must be in \(0, 1\)"):
        fit.interval(1.0)
    assert not fit_line(np.array([10]), np.array([[0.9, 1.1]])).interval().identified


def test_the_slope_is_minus_a_half(uniform):
    """Seeded; slope_se is 0.01 to 0.03, and five of them are allowed."""
    found = convergence(build(), uniform, [tmf.Synchronous(), tmf.Fraction(0.5)], [64, 256, 1024, 4096], replicas=60, rng=3)
    assert found.labels == ("B=N", "B=0.5 N")
    for label in found.labels:
        assert abs(found.slope[label] + 0.5) < 5 * found.slope_se[label] < 0.15
        assert abs(found.final_slope[label] + 0.5) < 5 * found.final_slope_se[label]


def test_fit_recovers_a_line_and_its_uncertainty():
    """1000 studies whose points differ in spread: the slopes spread as slope_se says, within 10% (4 standard errors)."""
    rng = np.random.default_rng(0)
    n_agents = np.array([100, 1000, 10000])
    noise = np.array([0.1, 0.3, 0.6])
    fits = []
    for _ in range(1000):
        samples = 2 * n_agents[:, None] ** -0.5 * (1 + noise[:, None] * rng.standard_normal((3, 50)))
        fits.append(fit_line(n_agents, samples))
    slopes = np.array([fit.slope for fit in fits])
    assert slopes.mean() == pytest.approx(-0.5, abs=2e-3)
    # Points that seem to miss the line, one study in a hundred, have a wider one: the median is of the others.
    assert np.median([fit.slope_se for fit in fits]) == pytest.approx(slopes.std(), rel=0.1)


def test_a_bent_law_widens_the_standard_error():
    n_agents = np.array([100, 1000, 10000, 100000])
    samples = (n_agents**-0.5 * (1 + 20 / n_agents))[:, None] * (1 + 1e-4 * np.array([-1.0, 0.0, 1.0]))
    fit = fit_line(n_agents, samples)
    assert fit.chi2 > 100
    assert fit.slope_se > 0.01
    assert fit.degrees == 2


def test_fits_without_spread_or_without_error():
    n_agents = np.array([100, 1000, 10000])
    exact = fit_line(n_agents, np.repeat(n_agents[:, None] ** -0.5, 4, axis=1))
    assert exact.slope == pytest.approx(-0.5)
    assert exact.slope_se == pytest.approx(0, abs=1e-9)
    assert np.isnan(fit_line(n_agents, np.zeros((3, 4))).slope)
    partly = np.repeat(n_agents[:, None] ** -0.5, 4, axis=1)
    partly[1, 0] *= 1.01
    assert fit_line(n_agents, partly).slope == pytest.approx(-0.5, abs=0.01)
    assert np.isnan(fit_line(n_agents[[0, 2]], partly[[0, 2]]).slope_se)  # two points leave nothing to judge by


def test_threads_do_not_matter_and_seeds_do(uniform):
    def run(rng, threads=None):
        return convergence(build(), uniform, tmf.Sequential(), [10, 20], replicas=6, rng=rng, threads=threads)

    assert np.array_equal(run(1).errors["B=1"], run(1, threads=3).errors["B=1"])
    assert not np.array_equal(run(1).errors["B=1"], run(2).errors["B=1"])


def test_agents_engine(uniform):
    found = convergence(build(), uniform, tmf.Sequential(), [10, 20], replicas=4, engine="agents", rng=0)
    assert (found.error_mean["B=1"] > 0).all()


def test_sizes_by_label(uniform):
    found = convergence(
        build(), uniform, {"one": tmf.Sequential(), "all": tmf.Synchronous()}, {"one": [10], "all": [10, 30]}, replicas=2, rng=0
    )
    assert {label: n.tolist() for label, n in found.n_agents.items()} == {"one": [10], "all": [10, 30]}
    assert [row["n_agents"] for row in found.table()] == [10, 10, 30]
    row = found.table()[0]
    assert row["label"] == "one"
    assert row["schedule"] == "B=1"
    assert row["error_low"] < row["error_mean"] < row["error_high"]


def test_save_and_load(uniform, tmp_path):
    found = convergence(build(), uniform, [tmf.Synchronous(), tmf.Sequential()], [10, 30], replicas=4, rng=0)
    found.save(tmp_path / "study.npz")
    back = Convergence.load(tmp_path / "study.npz")
    assert back.labels == found.labels
    assert back.table() == found.table()
    assert back.slope == found.slope
    assert (back.game, back.confidence, back.schedules) == (found.game, found.confidence, found.schedules)


def test_progress(uniform):
    seen = []
    convergence(build(), uniform, tmf.Synchronous(), [10, 30], replicas=4, rng=0, progress=lambda *args: seen.append(args))
    steps = 2 * 4 * build().horizon  # two sizes, four replicas
    assert seen[-1] == (steps, steps)
    assert seen == sorted(seen) and {total for _, total in seen} == {steps}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"replicas": 1}, ValueError, "replicas is 1; must be >= 2"),
        ({"n_agents": [10, 10]}, ValueError, r"n_agents\[1\] is 10; must be > n_agents\[0\] = 10"),
        ({"n_agents": [0, 10]}, ValueError, r"n_agents\[0\] is 0; must be >= 1"),
        ({"n_agents": 10}, ValueError, "n_agents has shape"),
        ({"n_agents": {"B=10": [10]}}, ValueError, r"n_agents has labels \['B=10'\]; must have those of schedules"),
        ({"n_agents": {"B=N": [10, 5]}}, ValueError, r"n_agents\['B=N'\]\[1\] is 5"),
        ({"schedules": []}, ValueError, "schedules is empty"),
        ({"schedules": 1}, TypeError, r"schedules is 1 \(int\); must be a Schedule"),
        ({"schedules": "B=N"}, TypeError, r"schedules is 'B=N' \(str\); must be a Schedule"),
        ({"schedules": [1]}, TypeError, r"schedules\[0\]"),
        ({"schedules": [tmf.Sequential(), tmf.Sequential()]}, ValueError, "must differ"),
        ({"schedules": {"x": 1}}, TypeError, r"schedules\['x'\] is 1"),
        ({"schedules": {1: tmf.Sequential()}}, TypeError, "a label"),
        ({"schedules": lambda n: n}, TypeError, r"schedules\['schedule'\]\(10\)"),
        ({"game": 1}, TypeError, r"game is 1 \(int\); must be a Game"),
        ({"game": lambda schedule, n: 1}, TypeError, "game is a function"),
        ({"progress": 1}, TypeError, "progress is 1"),
    ],
)
def test_errors(uniform, change, error, message):
    arguments = {
        "game": build(),
        "policy": uniform,
        "schedules": tmf.Synchronous(),
        "n_agents": [10],
        "replicas": 2,
    } | change
    with pytest.raises(error, match=message):
        convergence(**arguments)


def test_unknown_label(uniform):
    found = convergence(build(), uniform, tmf.Synchronous(), [10], replicas=2, rng=0)
    with pytest.raises(ValueError, match="label is 'B=1'; must be one of 'B=N'"):
        found.fit("B=1")
