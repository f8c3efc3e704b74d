"""What results draw of themselves: which picture, which numbers, whose names, in which unit of time."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import plotting

N = 200


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def lines_of(ax):
    """Label -> line, of the lines in the legend."""
    return {line.get_label(): line for line in ax.get_lines() if not line.get_label().startswith("_")}


def names_along(axis):
    """Names that matplotlib shows along an axis."""
    axis.axes.figure.canvas.draw()
    return [text.get_text() for text in axis.get_ticklabels() if text.get_text()]


@pytest.fixture(scope="module")
def queueing():
    return tmf.games.queueing([0.1, 0.2, 0.3], horizon=4, step=0.1).at()


@pytest.fixture(scope="module")
def solution(queueing):
    return tmf.solve(queueing, tmf.Batch(20), N)


def line_game(size, horizon=3, names=None, step=1.0, shape=None, initial=None):
    """Move one place on, or stay; nothing depends on mu."""
    successors = np.stack([np.arange(size), np.minimum(np.arange(size) + 1, size - 1)], axis=1)[..., np.newaxis]
    initial = np.full(size, 1 / size) if initial is None else initial
    reward = np.repeat(np.linspace(0, 1, size)[:, np.newaxis], 2, axis=1)
    return tmf.Game(size, 2, horizon, 1.0, initial, reward, np.ones((size, 2, 1)), successors=successors, name="line",
                    observation_labels=names, observation_shape=shape)  # fmt: skip


def flow_of(game):
    return tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())


# ---------------------------------------------------------------------------------------------------------------- Flow


def test_flow_draws_a_line_for_each_of_few_observations(solution, queueing):
    ax = solution.flow.plot()
    lines = lines_of(ax)
    assert list(lines) == list(queueing.observation_labels)
    for o, line in enumerate(lines.values()):
        np.testing.assert_array_equal(line.get_ydata(), solution.flow.mu[:, o])
        np.testing.assert_allclose(line.get_xdata(), solution.flow.steps * 0.1)
    assert (
        len({line.get_color() for line in lines.values()}) == len({line.get_marker() for line in lines.values()}) == 4
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (sweeps)", plotting.SHARE)
    assert ax.get_title(loc="left") == "queueing"


def test_time_is_in_steps_where_the_game_does_not_say_how_long_one_lasts():
    ax = flow_of(line_game(3)).plot(title="mine")
    assert ax.get_xlabel() == "time (steps)"
    assert ax.get_title(loc="left") == "mine"
    np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), [0, 1, 2, 3])


def test_flow_on_a_line_is_a_heat_map_with_the_names_of_the_observations():
    names = [f"place {o}" for o in range(20)]
    flow = flow_of(line_game(20, names=names))
    ax = flow.plot()
    (mesh,) = ax.collections
    np.testing.assert_array_equal(mesh.get_array().reshape(20, 4), flow.mu.T)
    assert names_along(ax.yaxis) == names
    assert ax.get_ylabel() == "observation"
    assert any(other.get_ylabel() == plotting.SHARE for other in ax.figure.axes)


def test_numbered_observations_are_a_line_however_many_and_named_ones_are_not():
    many = 300
    assert flow_of(line_game(many)).plot().collections
    named = flow_of(line_game(many, names=[f"link {o}" for o in range(many)]))
    ax = named.plot()
    lines = lines_of(ax)
    largest = np.sort(np.argsort(-named.mu.mean(axis=0), kind="stable")[:7])
    assert [label for label in lines if label.startswith("link")] == [f"link {o}" for o in largest]
    np.testing.assert_array_equal(lines[f"link {largest[-1]}"].get_ydata(), named.mu[:, largest[-1]])
    rest = 1 - named.mu[:, largest].sum(axis=1)
    assert f"293 others: {rest.min():.2g} to {rest.max():.2g}" in legend_of(ax)


def test_a_small_rest_of_many_observations_is_one_line():
    initial = np.full(300, 0.2 / 297)
    initial[[10, 20, 299]] = 0.3, 0.3, 0.2
    flow = flow_of(line_game(300, horizon=1, names=[f"link {o}" for o in range(300)], initial=initial / initial.sum()))
    ax = plotting.lines(plotting.Course(np.arange(2.0), flow.mu), flow.observation_labels)
    rest = lines_of(ax)["the other 293 together"].get_ydata()
    drawn = sum(line.get_ydata() for label, line in lines_of(ax).items() if label.startswith("link"))
    np.testing.assert_allclose(drawn + rest, 1.0)


def test_flow_on_a_grid_is_snapshots_side_by_side():
    initial = np.zeros(12)
    initial[0] = 1.0
    flow = flow_of(line_game(12, horizon=6, shape=(3, 4), initial=initial))
    ax = flow.plot()
    image, nobody = ax.get_images()
    mosaic = np.ma.filled(image.get_array(), np.nan)
    np.testing.assert_array_equal(nobody.get_array()[:, :4].mask, flow.mu.any(axis=0).reshape(3, 4))
    assert ax.get_xlabel() == "time (steps); grey: no agents at any time"
    for k, t in enumerate([0, 2, 4, 6]):
        np.testing.assert_array_equal(mosaic[:, 5 * k : 5 * k + 4], flow.mu[t].reshape(3, 4))
    assert names_along(ax.xaxis) == ["0", "2", "4", "6"]
    assert image.get_clim() == (0.0, flow.mu[2:].max())  # the start, all in one place, is off the scale
    (bar,) = (a for a in ax.child_axes)
    assert bar.get_ylabel() == plotting.SHARE


def test_a_grid_of_three_axes_has_a_row_of_snapshots_for_each_layer():
    flow = flow_of(line_game(24, horizon=6, shape=(2, 3, 4)))
    ax = flow.plot()
    (image,) = ax.get_images()
    mosaic = np.ma.filled(image.get_array(), np.nan)
    for k, t in enumerate([0, 2, 4, 6]):
        layers = flow.mu[t].reshape(2, 3, 4)
        np.testing.assert_array_equal(mosaic[:3, 5 * k : 5 * k + 4], layers[1])
        np.testing.assert_array_equal(mosaic[4:, 5 * k : 5 * k + 4], layers[0])
    assert names_along(ax.yaxis) == ["layer 1", "layer 0"]
    assert ax.get_xlabel() == "time (steps)"
    with pytest.raises(ValueError, match=r"grid of two axes, not \(2, 3, 4\)"):
        plotting.over_time(plotting.Course(flow.steps, flow.mu), flow.observation_labels, (2, 3, 4), kind="snapshots",
                           field=plotting.Course(flow.steps, flow.mu))  # fmt: skip


@pytest.mark.parametrize(("peak", "norm"), [(0.05, "Normalize"), (0.5, "PowerNorm")])
def test_peaks_get_a_scale_on_which_small_shares_differ(peak, norm):
    mu = np.full((4, 100), (1 - peak) / 99)
    mu[:, 50] = peak
    ax = plotting.snapshots(plotting.Course(np.arange(4.0), mu), (10, 10))
    assert type(ax.get_images()[0].norm).__name__ == norm


def test_observations_of_a_place_are_added_up():
    """Vehicles on links: "1->2, 3 steps left, to 4->5"."""
    game = tmf.games.braess()
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    lines = lines_of(flow.plot())
    assert list(lines) == ["O->A", "A->B", "A->C", "B->C", "B->D", "C->D", "arrived at D->E"]
    on_link = [k for k, label in enumerate(game.observation_labels) if label.startswith("A->B, ")]
    np.testing.assert_allclose(lines["A->B"].get_ydata(), flow.mu[:, on_link].sum(axis=1), rtol=0, atol=1e-15)
    np.testing.assert_allclose(sum(line.get_ydata() for line in lines.values()), 1.0)
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 50, replicas=3, rng=1)
    drawn = run.plot(flow=flow)
    assert [label for label in legend_of(drawn) if "->" in label] == list(lines)
    with pytest.raises(ValueError, match="kind is 'places'; must be one of"):
        tmf.evaluate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()).plot("places")


def test_numbers_on_a_map_cover_no_node():
    network = tmf.games.sioux_falls_roads()
    ax = tmf.games.user_equilibrium(network).plot("roads")
    ax.figure.canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in ax.texts if text.get_text() in network.nodes}
    numbers = [text.get_window_extent() for text in ax.texts if text.get_text() not in boxes]
    assert len(boxes) == 24 and len(numbers) == 10
    assert not any(number.overlaps(box) for number in numbers for box in boxes.values())


def test_a_map_of_roads_is_as_wide_as_volumes_and_has_numbers():
    network = tmf.games.braess().model.network
    volumes = np.array([5.0, 3.75, 1.25, 2.5, 1.25, 3.75, 0.0])
    ax = plotting.roads(network, volumes, quantity="cars")
    np.testing.assert_allclose([arrow.get_linewidth() for arrow in ax.patches], np.maximum(9.0 * volumes / 5, 0.6))
    assert sorted(text.get_text() for text in ax.texts) == sorted(["5", "3.75", "1.25", "2.5", "1.25", "3.75", *"OABCDE"])
    assert ax.get_xlabel() == "width: cars, up to 5; numbers at the largest"
    assert len(plotting.roads(tmf.games.sioux_falls().model.network, np.zeros(80)).patches) == 76
    with pytest.raises(ValueError, match="no positions"):
        plotting.roads(tmf.games.RoadNetwork([(1, 2)]), [1.0])
    for bad in ([1.0], -volumes):
        with pytest.raises(ValueError, match=r"must be >= 0|must be \(E,\) = \(7,\)"):
            plotting.roads(network, bad)


def test_profiles_are_observations_to_the_right_at_four_times():
    initial = np.zeros(30)
    initial[:2] = 0.5
    flow = flow_of(line_game(30, horizon=9, initial=initial))
    ax = flow.plot("profiles")
    lines = lines_of(ax)
    assert list(lines) == ["t = 0", "t = 3", "t = 6", "t = 9"]
    np.testing.assert_array_equal(lines["t = 6"].get_ydata(), flow.mu[6])
    assert ax.get_legend().get_title().get_text() == "time (steps)"


def test_a_stationary_flow_is_one_profile():
    game = tmf.games.beach_bar(20, discount=0.9, step=1).at()
    found = tmf.solvers.Stationary().solve(game, tmf.Synchronous())
    ax = found.plot("flow")
    (line,) = ax.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), found.flow.mu[0])
    assert legend_of(ax) == ["at all times"]


@pytest.mark.parametrize(("kind", "message"), [("maps", "must be one of"), ("snapshots", "grid of two axes")])
def test_a_picture_that_does_not_fit_is_refused(solution, kind, message):
    with pytest.raises(ValueError, match=message):
        solution.flow.plot(kind)


# ---------------------------------------------------------------------------------------------------------- Simulation


def play(queueing, solution, replicas):
    return tmf.simulate(queueing, solution.policy, tmf.Batch(20), N, replicas=replicas, rng=1)


def test_one_run_is_lines(queueing, solution):
    run = play(queueing, solution, 1)
    ax = run.plot()
    assert list(lines_of(ax)) == list(queueing.observation_labels)
    for o, line in enumerate(lines_of(ax).values()):
        np.testing.assert_array_equal(line.get_ydata(), run.mu[0, :, o])
    assert ax.get_title(loc="left") == "queueing, B=20, N = 200 agents"


def test_a_few_runs_are_faint_lines_around_their_mean(queueing, solution):
    run = play(queueing, solution, 3)
    ax = run.plot()
    faint = [line for line in ax.get_lines() if line.get_label().startswith("_")]
    assert len(faint) == 3 * 4
    np.testing.assert_array_equal(faint[2].get_ydata(), run.mu[2, :, 0])
    np.testing.assert_allclose(lines_of(ax)["idle"].get_ydata(), run.mu[..., 0].mean(axis=0))
    assert legend_of(ax)[-1] == "3 runs"


def test_many_runs_are_a_band_that_holds_nine_in_ten(queueing, solution):
    run = play(queueing, solution, 20)
    ax = run.plot()
    assert legend_of(ax)[-1] == "90% of 20 runs"
    path = ax.collections[0].get_paths()[0].vertices
    at = path[np.isclose(path[:, 0], 2.0), 1]
    low, high = np.quantile(run.mu[:, 20, 0], [0.05, 0.95])
    assert (at.min(), at.max()) == (pytest.approx(low), pytest.approx(high))


def test_the_mean_field_is_lines_under_markers(queueing, solution):
    ax = play(queueing, solution, 1).plot(flow=solution.flow)
    assert legend_of(ax) == [*queueing.observation_labels, "N = 200 agents", "mean field"]
    fields = [line for line in ax.get_lines() if line.get_label().startswith("_")]
    for o, line in enumerate(fields):
        np.testing.assert_array_equal(line.get_ydata(), solution.flow.mu[:, o])
    assert lines_of(ax)["idle"].get_linestyle() == "None"


def test_on_a_line_the_mean_field_makes_profiles_and_on_a_grid_a_second_row():
    game = line_game(24, horizon=6)
    run, flow = (tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), N, rng=0), flow_of(game))
    assert run.plot().collections
    ax = run.plot(flow=flow)
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), flow.mu[0])
    np.testing.assert_array_equal(lines_of(ax)["t = 6"].get_ydata(), run.mu[0, 6])
    with pytest.raises(ValueError, match="to draw a mean field with it"):
        run.plot("heat", flow=flow)

    grid = line_game(24, horizon=6, shape=(4, 6))
    run, flow = (tmf.simulate(grid, tmf.TabularPolicy.uniform(grid), tmf.Synchronous(), N, rng=0), flow_of(grid))
    ax = run.plot(flow=flow)
    mosaic = np.ma.filled(ax.get_images()[0].get_array(), np.nan)
    np.testing.assert_array_equal(mosaic[:4, -6:], run.mu[0, 6].reshape(4, 6))
    np.testing.assert_array_equal(mosaic[-4:, -6:], flow.mu[6].reshape(4, 6))
    assert names_along(ax.yaxis) == ["N = 200 agents", "mean field"]


def test_a_flow_of_another_game_is_refused(queueing, solution):
    run = play(queueing, solution, 1)
    with pytest.raises(TypeError, match="flow is an ndarray"):
        run.plot(flow=solution.flow.mu)
    with pytest.raises(ValueError, match="flow has T = 3 steps and S = 5 observations; must have 40 and 4"):
        run.plot(flow=flow_of(line_game(5)))


# --------------------------------------------------------------------------------------------------- Solution, values


def test_solution_draws_exploitability_by_iteration_and_its_tolerance(solution):
    ax = solution.plot()
    line, goal = ax.get_lines()
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(line.get_xdata(), solution.history["iteration"])
    np.testing.assert_array_equal(line.get_ydata(), solution.history["exploitability"])
    np.testing.assert_allclose(goal.get_ydata(), 1e-4 * abs(solution.mean_return))
    assert legend_of(ax)[0] == "MirrorDescent"
    assert legend_of(ax)[1].startswith("0.01% of |mean return|: ")
    assert ax.get_title(loc="left") == "queueing, B=20"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("iteration", "exploitability (units of return)")


def test_solution_draws_its_flow(solution):
    ax = solution.plot("flow")
    np.testing.assert_array_equal(ax.get_lines()[2].get_ydata(), solution.flow.mu[:, 2])
    assert ax.get_title(loc="left") == "queueing, B=20"
    assert solution.plot("policy").get_ylabel() == "observation"
    with pytest.raises(ValueError, match=r"kind is 'values'; must be one of 'exploitability', 'flow', 'policy'"):
        solution.plot("values")


def test_an_exploitability_of_zero_is_said():
    game = line_game(3)
    still = dataclasses.replace(
        tmf.solve(game, tmf.Synchronous()),
        history={"iteration": np.array([0]), "exploitability": np.array([0.0])},
    )
    ax = still.plot()
    assert [text.get_text() for text in ax.texts] == ["no exploitability above 0"]


def test_evaluation_draws_values_at_every_step(queueing, solution):
    found = tmf.evaluate(queueing, solution.policy, tmf.Batch(20), N)
    ax = found.plot()
    lines = lines_of(ax)
    assert list(lines) == list(queueing.observation_labels)
    np.testing.assert_array_equal(lines["server 2"].get_ydata(), found.values[:, 2])
    np.testing.assert_allclose(lines["server 2"].get_xdata()[-1], 4.0)
    assert "units of return" in ax.get_ylabel()
    heat = tmf.evaluate(line_game(40), tmf.TabularPolicy.uniform(line_game(40)), tmf.Synchronous()).plot()
    assert heat.collections[0].get_array().size == 40 * 4


# -------------------------------------------------------------------------------------------------------------- studies


def test_convergence_draws_its_lines_and_slopes():
    game = tmf.games.resource_selection([1, 0.8], congestion=1.0, horizon=3)
    found = tmf.analysis.convergence(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), [50, 200], replicas=20, rng=0)
    for final, mean in ((False, found.error_mean), (True, found.final_mean)):
        ax = found.plot("final" if final else "mean")
        bars = ax.containers[0].lines[0]
        np.testing.assert_array_equal(bars.get_ydata(), next(iter(mean.values())))
        assert ("at the end" in ax.get_ylabel()) == final
    assert "20 runs per point" in ax.get_title(loc="left")


def test_lipschitz_draws_the_constants_of_the_flow():
    game = tmf.games.resource_selection([1, 0.8], congestion=1.0, horizon=3, step=1).at()
    found = tmf.analysis.lipschitz(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.25))
    l1, euclidean, one = found.plot().get_lines()
    np.testing.assert_array_equal(l1.get_ydata(), found.flow)
    np.testing.assert_array_equal(euclidean.get_ydata(), found.flow_euclidean)
    np.testing.assert_array_equal(one.get_ydata(), 1.0)


def test_monotonicity_draws_eigenvalues_or_the_violation():
    crowded = tmf.games.resource_selection([1, 0.8], congestion=1.0, horizon=3, step=1).at()
    found = tmf.analysis.monotonicity(crowded, tmf.Synchronous())
    ax = found.plot()
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), found.eigenvalues)
    assert ax.get_title(loc="left") == "strictly monotone"

    herd = tmf.Game(2, 2, 3, 0.9, [0.5, 0.5], lambda mu: np.repeat(mu[:, None] ** 2, 2, 1), [np.eye(2)] * 2)
    found = tmf.analysis.monotonicity(herd, tmf.Synchronous(), rng=0)
    ax = found.plot()
    np.testing.assert_array_equal(lines_of(ax)["1"].get_ydata(), found.violation.flows[0][:, 1])
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), found.violation.flows[1][:, 0])
    with pytest.raises(ValueError, match="nothing to draw"):
        dataclasses.replace(found, violation=None).plot()


# ------------------------------------------------------------------------------------------------- files, matplotlib


@pytest.mark.parametrize("what", ["flow", "solution", "simulation"])
def test_saved_results_draw_the_same(what, queueing, solution, tmp_path):
    found = {"flow": solution.flow, "solution": solution, "simulation": play(queueing, solution, 1)}[what]
    found.save(tmp_path / "a.npz")
    again = type(found).load(tmp_path / "a.npz")
    for one, other in ((found, again),) if what != "solution" else ((found.flow, again.flow),):
        assert one.observation_labels == other.observation_labels == queueing.observation_labels
        assert one.observation_shape == other.observation_shape == (4,)
        assert one.step == other.step == 0.1
    assert legend_of(again.plot()) == legend_of(found.plot())


def test_numbers_for_names_survive_a_file(tmp_path):
    flow = flow_of(line_game(4, shape=(2, 2)))
    flow.save(tmp_path / "a.npz")
    again = tmf.Flow.load(tmp_path / "a.npz")
    assert again.observation_labels == flow.observation_labels == ("0", "1", "2", "3")
    assert again.observation_shape == (2, 2)


def test_a_flow_made_by_hand_has_numbers_for_names():
    flow = tmf.Flow(np.array([[1.0, 0.0], [0.5, 0.5], [0.4, 0.6]]), np.arange(3), np.ones(2), 2)
    assert list(lines_of(flow.plot())) == ["0", "1"]


def test_every_plot_takes_axes_and_a_title(queueing, solution):
    run = play(queueing, solution, 2)
    policy = tmf.TabularPolicy.uniform(queueing)
    bound = tmf.analysis.bound(queueing, policy, tmf.Batch(20), N)
    drawn = [
        solution, solution.flow, run, tmf.evaluate(queueing, policy, tmf.Batch(20), N), bound, bound.lipschitz,
        tmf.analysis.fluctuations(queueing, policy, tmf.Batch(20), N),
        tmf.analysis.monotonicity(tmf.games.resource_selection([1, 0.8], congestion=1.0, horizon=3), tmf.Synchronous()),
        tmf.analysis.convergence(queueing, policy, {"B = 20": lambda n: tmf.Batch(20)}, [50, 100], replicas=4, rng=0),
    ]  # fmt: skip
    for found in drawn:
        _, (ax, other) = plotting.figure(2)
        assert found.plot(title="a title", ax=ax) is ax
        assert ax.get_title(loc="left") == "a title"
        assert ax.get_xlabel() and ax.get_ylabel()
        assert not other.get_lines()


def test_without_matplotlib_it_says_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = None; import tmfcore as tmf\n"
        "game = tmf.games.beach_bar(5, horizon=2)\n"
        "try: tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()).plot()\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "pictures need matplotlib: pip install 'tmfcore[app]'\n"
