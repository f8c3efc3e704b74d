"""Pictures: what is drawn where, on which scale, and that drawing leaves no trace outside the Axes."""

import subprocess
import sys

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import plotting


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_exploitability_draws_percents_on_a_log_scale_with_the_goal():
    ax = plotting.exploitability({"B = 1": ([0, 1, 2], [0.5, 0.05, 0.0]), "B = N": ([0, 1], [0.4, 0.01])}, goal=0.005)
    first, second, goal = ax.get_lines()
    assert ax.get_yscale() == "log"
    np.testing.assert_allclose(first.get_ydata(), [50, 5])  # the zero has no place on a log scale
    np.testing.assert_allclose(second.get_ydata(), [40, 1])
    np.testing.assert_allclose(goal.get_ydata(), [0.5, 0.5])
    assert legend_of(ax) == ["B = 1", "B = N", "goal 0.5%"]
    assert ax.yaxis.get_major_formatter()(0.5) == "0.5%"


def test_intervals_are_drawn_around_the_means():
    ax = plotting.intervals(["B = 1", "B = N"], [1.9, 2.8], [2.1, 3.2], estimate=[2.0, 3.0], reference=[2.05, 2.95],
                            tolerance=0.01)  # fmt: skip
    (bars,) = (c for c in ax.containers if hasattr(c, "has_yerr"))
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose([s[:, 1] for s in segments], [[1.9, 2.1], [2.8, 3.2]])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["B = 1", "B = N"]


def test_agents_are_markers_over_the_lines_of_their_mean_field():
    times, mu = [0.0, 0.5, 1.0], np.array([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]])
    agents, field = plotting.Course(times, mu), plotting.Course([0, 0.3, 0.6, 1], np.eye(4, 2))
    ax = plotting.lines(agents, ["a", "b"], field=field, spread=(mu - 0.1, mu + 0.1))
    lines = ax.get_lines()
    assert [len(line.get_xdata()) for line in lines] == [4, 3, 4, 3]
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    for o, band in enumerate(ax.collections):
        edges = band.get_paths()[0].vertices[:, 1]
        assert edges.min() == pytest.approx(mu[:, o].min() - 0.1) and edges.max() == pytest.approx(mu[:, o].max() + 0.1)
    assert legend_of(ax) == ["a", "b", "N agents", "mean field"]
    with pytest.raises(ValueError, match="spread is given with replicas"):
        plotting.lines(agents, ["a", "b"], replicas=np.stack([mu, mu]), spread=(mu, mu))


def test_convergence_says_the_slope_and_draws_the_guide():
    n = np.array([100, 10_000])
    line = plotting.ErrorLine(n, 2 / np.sqrt(n), 1.9 / np.sqrt(n), 2.1 / np.sqrt(n), -0.5, 0.004)
    ax = plotting.convergence({"B = N": line})
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert any("\u22120.500 \u00b1 0.004" in text for text in legend_of(ax))
    (guide,) = (drawn for drawn in ax.get_lines() if drawn.get_linestyle() == "--")
    x, y = guide.get_xdata(), guide.get_ydata()
    assert np.log(y[1] / y[0]) / np.log(x[1] / x[0]) == pytest.approx(-0.5)


def test_a_given_axes_is_drawn_into_and_returned():
    _, (ax, other) = plotting.figure(2)
    assert plotting.exploitability({"B = 1": ([0, 1], [0.5, 0.1])}, ax=ax) is ax
    assert not other.get_lines()


def test_more_observations_than_the_palette_has_colours_get_different_ones():
    mu = np.full((2, 12), 1 / 12)
    ax = plotting.fluctuations([0, 1], mu, mu, [str(o) for o in range(12)])
    colors = {tuple(np.round(line.get_color(), 3)) for line in ax.get_lines()}
    assert len(colors) == 12


def test_save_writes_a_whole_png_or_nothing(tmp_path):
    picture, _ = plotting.figure(1)
    plotting.save(picture, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileNotFoundError):
        plotting.save(picture, tmp_path / "missing" / "a.png")
    picture.savefig = None  # drawing fails
    with pytest.raises(TypeError):
        plotting.save(picture, tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_neither_the_package_nor_plotting_imports_pyplot():
    code = (
        "import sys, tmfcore, tmfcore.plotting as p; assert 'matplotlib' not in sys.modules; "
        "p.exploitability({'B': ([0], [1.0])}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_links_of_one_way_roads_lie_between_their_nodes_and_numbers_beside_them():
    """a -> b alone; b and c both ways, each link on its right. No number covers its link, however wide that is."""
    places = {"a": (0.0, 0.0), "b": (1.0, 0.0), "c": (2.0, 0.0)}
    network = tmf.games.RoadNetwork([("a", "b"), ("b", "c"), ("c", "b")], positions=places)
    ax = plotting.roads(network, [3.0, 2.0, 1.0])
    heights = [patch.get_path().vertices[0, 1] for patch in ax.patches]
    assert heights[0] == 0.0 and heights[1] < 0.0 < heights[2]
    ax.figure.draw_without_rendering()
    numbers = [text for text in ax.texts if text.get_text() in ("3", "2", "1")]
    for number, link in zip(numbers, ax.patches, strict=True):
        middle = ax.transData.transform((0.0, link.get_path().vertices[0, 1]))[1]
        half = link.get_linewidth() / 2 * ax.figure.dpi / 72
        box = number.get_window_extent()
        assert box.y1 < middle - half or box.y0 > middle + half
    low, high = ax.get_ylim()
    assert low < 0.0 < high and ax.get_xlim()[0] < 0.0 and ax.get_xlim()[1] > 2.0, "nodes lie in view"


@pytest.mark.parametrize("steps", [5, 20, 21, 200, 20_000])
def test_markers_of_agents_reach_from_the_first_time_to_the_last(steps):
    times = np.arange(steps + 1.0)
    mu = np.stack([times / steps, 1 - times / steps], axis=1)
    ax = plotting.lines(plotting.Course(times, mu), ["a", "b"], field=plotting.Course(times, mu))
    for line in ax.get_lines():
        if line.get_linestyle() == "None":
            marked = line.get_xdata()
            assert (marked[0], marked[-1]) == (0, steps) and len(marked) == min(steps + 1, 21)
            assert np.ptp(np.diff(marked)) <= 1


def test_a_scale_by_square_roots_begins_at_0():
    """Few cells hold nearly everybody: small shares are told apart, and the bar says where 0 is."""
    shares = np.full((2, 400), 1e-4)
    shares[:, 0] = 1 - 399e-4
    ax = plotting.snapshots(plotting.Course([0.0, 1.0], shares), (20, 20))
    assert ax.images[0].norm.vmin == 0.0 and ax.images[0].norm(0.0) == 0.0


def test_long_names_along_the_axis_are_turned():
    """Of more than 25 only some are named, and those may be long, too."""
    mu = np.full((1, 40), 1 / 40)
    for name, turned in (("a road to somewhere {}", 60), ("{}", 0)):
        labels = [name.format(o) for o in range(40)]
        ax = plotting.profiles(plotting.Course([0.0], mu), labels)
        assert {tick.get_rotation() for tick in ax.get_xticklabels()} == {turned}


def test_labels_are_no_mapping():
    line = ([0.0], [1.0], [0.5], [1.5])
    with pytest.raises(TypeError, match="names is a dict; must be a sequence of strings"):
        plotting.estimates({"a": line}, names={"a": 1})
