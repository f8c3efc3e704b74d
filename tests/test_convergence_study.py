"""analysis.convergence: what it measures, its intervals and fit, files, and every error path."""

from __future__ import annotations

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.analysis import Convergence, convergence
from tmfcore.analysis.convergence import _fit_line


def build(step: float = 1.0) -> tmf.Game:
    return tmf.games.resource_selection((1.0, 0.8, 0.6), 1.0, initial=(0.2, 0.3, 0.5), horizon=4, step=step)


@pytest.fixture
def uniform():
    return tmf.TabularPolicy.uniform(build())


def test_against_a_direct_computation(uniform):
    """The same streams through simulate, step = B/N, recorded by sweep."""
    found = convergence(
        lambda schedule, n: build(0.1),
        uniform,
        {"tenth": lambda n: tmf.Batch(n // 10)},
        [50, 100],
        3,
        rng=7,
    )
    streams = np.random.default_rng(7).spawn(2)
    for i, n in enumerate([50, 100]):
        game, schedule = build(0.1), tmf.Batch(n // 10)
        run = tmf.simulate(game, uniform, schedule, n, replicas=3, rng=streams[i])
        flow = tmf.mean_field(game, uniform, schedule, n)
        errors = np.abs(run.mu - flow.mu).sum(axis=-1)
        assert game.horizon == 40
        np.testing.assert_allclose(found.errors["tenth"][i], errors[:, 10::10].mean(axis=1))
        np.testing.assert_allclose(found.final_errors["tenth"][i], errors[:, -1])
    assert found.schedules == {"tenth": ("B=5", "B=10")}
    assert found.game == build().name
    assert found.replicas == 3


def test_intervals(uniform):
    """Student's t of scipy.stats on the same samples."""
    from scipy import stats

    found = convergence(build(), uniform, tmf.Synchronous(), [30], 8, rng=1)
    label = found.labels[0]
    low, high = stats.t.interval(0.95, 7, found.errors[label][0].mean(), stats.sem(found.errors[label][0]))
    assert found.error_low[label][0] == pytest.approx(low)
    assert found.error_high[label][0] == pytest.approx(high)
    low, high = stats.t.interval(0.95, 7, found.final_errors[label][0].mean(), stats.sem(found.final_errors[label][0]))
    assert found.final_low[label][0] == pytest.approx(low)
    assert found.final_high[label][0] == pytest.approx(high)
    assert np.isnan(found.slope[label])
    assert np.isnan(found.final_slope_se[label])


def test_the_slope_is_minus_a_half(uniform):
    """Seeded; slope_se is 0.01 to 0.03, and five of them are allowed."""
    found = convergence(build(), uniform, [tmf.Synchronous(), tmf.Fraction(0.5)], [64, 256, 1024, 4096], 60, rng=3)
    assert found.labels == ("B=N", "B=0.5 N")
    for label in found.labels:
        assert abs(found.slope[label] + 0.5) < 5 * found.slope_se[label] < 0.15
        assert abs(found.final_slope[label] + 0.5) < 5 * found.final_slope_se[label]


def test_fit_recovers_a_line_and_its_uncertainty():
    """1000 synthetic studies: the slopes spread as much as slope_se says, within 10% (4 standard errors)."""
    rng = np.random.default_rng(0)
    n_agents = np.array([100, 1000, 10000])
    noise = np.array([0.1, 0.3, 0.6])
    fits = []
    for _ in range(1000):
        samples = 2 * n_agents[:, None] ** -0.5 * (1 + noise[:, None] * rng.standard_normal((3, 50)))
        fits.append(_fit_line(n_agents, samples))
    slopes = np.array([fit.slope for fit in fits])
    assert slopes.mean() == pytest.approx(-0.5, abs=2e-3)
    # chi2 above its expectation widens some of the slope_se: the median is of those it leaves alone.
    assert np.median([fit.slope_se for fit in fits]) == pytest.approx(slopes.std(), rel=0.1)


def test_a_bent_law_widens_the_standard_error():
    n_agents = np.array([100, 1000, 10000, 100000])
    samples = (n_agents**-0.5 * (1 + 20 / n_agents))[:, None] * (1 + 1e-4 * np.array([-1.0, 0.0, 1.0]))
    fit = _fit_line(n_agents, samples)
    assert fit.chi2 > 100
    assert fit.slope_se > 0.01


def test_fits_without_spread_or_without_error():
    n_agents = np.array([100, 1000, 10000])
    exact = _fit_line(n_agents, np.repeat(n_agents[:, None] ** -0.5, 4, axis=1))
    assert exact.slope == pytest.approx(-0.5)
    assert exact.slope_se == pytest.approx(0, abs=1e-9)
    assert np.isnan(_fit_line(n_agents, np.zeros((3, 4))).slope)
    partly = np.repeat(n_agents[:, None] ** -0.5, 4, axis=1)
    partly[1, 0] *= 1.01
    assert _fit_line(n_agents, partly).slope == pytest.approx(-0.5, abs=0.01)
    assert np.isnan(_fit_line(n_agents[[0, 2]], partly[[0, 2]]).slope_se)  # two points leave nothing to judge by


def test_threads_do_not_matter_and_seeds_do(uniform):
    def run(rng, threads=None):
        return convergence(build(), uniform, tmf.Sequential(), [10, 20], 6, rng=rng, threads=threads)

    assert np.array_equal(run(1).errors["B=1"], run(1, threads=3).errors["B=1"])
    assert not np.array_equal(run(1).errors["B=1"], run(2).errors["B=1"])


def test_agents_engine(uniform):
    found = convergence(build(), uniform, tmf.Sequential(), [10, 20], 4, engine="agents", rng=0)
    assert (found.error_mean["B=1"] > 0).all()


def test_sizes_by_label(uniform):
    found = convergence(
        build(), uniform, {"one": tmf.Sequential(), "all": tmf.Synchronous()}, {"one": [10], "all": [10, 30]}, 2, rng=0
    )
    assert {label: n.tolist() for label, n in found.n_agents.items()} == {"one": [10], "all": [10, 30]}
    assert [row["n_agents"] for row in found.table()] == [10, 10, 30]
    row = found.table()[0]
    assert row["label"] == "one"
    assert row["schedule"] == "B=1"
    assert row["error_low"] < row["error_mean"] < row["error_high"]


def test_save_and_load(uniform, tmp_path):
    found = convergence(build(), uniform, [tmf.Synchronous(), tmf.Sequential()], [10, 30], 4, rng=0)
    found.save(tmp_path / "study.npz")
    back = Convergence.load(tmp_path / "study.npz")
    assert back.labels == found.labels
    assert back.table() == found.table()
    assert back.slope == found.slope
    assert (back.game, back.confidence, back.schedules) == (found.game, found.confidence, found.schedules)


def test_progress(uniform):
    seen = []
    convergence(build(), uniform, tmf.Synchronous(), [10, 30], 4, rng=0, progress=lambda *args: seen.append(args))
    assert seen[-1] == (8, 8)
    assert seen == sorted(seen)


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
        ({"schedules": 1}, TypeError, "schedules is 1; must be a Schedule"),
        ({"schedules": "B=N"}, TypeError, "schedules is 'B=N'; must be a Schedule"),
        ({"schedules": [1]}, TypeError, r"schedules\[0\]"),
        ({"schedules": [tmf.Sequential(), tmf.Sequential()]}, ValueError, "must differ"),
        ({"schedules": {"x": 1}}, TypeError, r"schedules\['x'\] is 1"),
        ({"schedules": {1: tmf.Sequential()}}, TypeError, "a label"),
        ({"schedules": lambda n: n}, TypeError, r"schedules\['schedule'\]\(10\)"),
        ({"game": 1}, TypeError, "game is 1; must be a Game or a function"),
        ({"game": lambda schedule, n: 1}, TypeError, r"game\(Synchronous\(\), 10\)"),
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
    found = convergence(build(), uniform, tmf.Synchronous(), [10], 2, rng=0)
    with pytest.raises(ValueError, match="label is 'B=1'; must be one of 'B=N'"):
        found.fit("B=1")
