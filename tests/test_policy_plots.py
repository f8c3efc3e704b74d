"""Policies as pictures, tables and files; and predictions printed beside measurements."""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import plotting

pytest.importorskip("matplotlib", reason="extra `app`")

QUEUE = tmf.games.queueing(capacities=[0.3, 0.2, 0.1], horizon=6)
STAGES = np.random.default_rng(1).dirichlet(np.ones(4), size=(3, 4))


def tiles(ax):
    """Arrays of the images on the Axes."""
    return [np.ma.filled(image.get_array(), np.nan) for image in ax.get_images()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_one_stage_is_a_table_of_observations_and_actions():
    ax = tmf.TabularPolicy(STAGES[0]).plot(game=QUEUE)
    (drawn,) = tiles(ax)
    np.testing.assert_array_equal(drawn, STAGES[0])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list(QUEUE.action_labels)
    ax.figure.draw_without_rendering()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == list(QUEUE.observation_labels)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("action", "observation")
    assert ax.get_images()[0].get_clim() == (0.0, 1.0)


def test_stages_are_a_panel_an_action_over_the_time_of_the_game():
    policy = tmf.TabularPolicy(STAGES)
    ax = policy.plot(game=QUEUE)
    for a, drawn in enumerate(tiles(ax)):
        np.testing.assert_array_equal(drawn, STAGES[:, :, a].T)
    assert texts(ax) == list(QUEUE.action_labels)
    assert ax.get_xlabel() == "time (sweeps)"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "6"] * 4
    bare = policy.plot()
    assert bare.get_xlabel() == "time (stages)" and texts(bare) == [f"action {a}" for a in range(4)]
    np.testing.assert_allclose(tiles(policy.plot("table"))[0], STAGES.mean(axis=0))


def test_time_is_in_sweeps_where_the_game_is():
    swept = tmf.Game(4, 4, 2.0, 0.9, np.full(4, 0.25), np.zeros((4, 4)), np.full((4, 4, 4), 0.25), time="sweeps")
    ax = tmf.TabularPolicy(STAGES).plot(game=swept)
    assert ax.get_xlabel() == "time (sweeps)"
    assert [tick.get_text() for tick in ax.get_xticklabels()][:2] == ["0", "2"]
    solved = tmf.solvers.MirrorDescent(iterations=2, tolerance=None).solve(swept, tmf.Batch(25), 100)
    assert solved.plot("policy").get_xlabel() == "time (sweeps)"


def test_grids_have_their_places():
    """Row by row, a strip an action and a column a stage; of one stage the actions side by side."""
    game = tmf.games.crowd_motion((3, 3), horizon=4)
    table = np.random.default_rng(2).dirichlet(np.ones(5), size=(2, 9))
    (drawn,) = tiles(tmf.TabularPolicy(table).plot(game=game))
    for a in range(5):
        for stage in range(2):
            np.testing.assert_array_equal(drawn[4 * a : 4 * a + 3, 4 * stage : 4 * stage + 3], table[stage, :, a].reshape(3, 3))
    ax = tmf.TabularPolicy(table[0]).plot(game=game)
    np.testing.assert_array_equal(tiles(ax)[0][:3, 4:7], table[0, :, 1].reshape(3, 3))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list(game.action_labels)
    with pytest.raises(ValueError, match="kind is 'grid'; observations must form a grid of two axes"):
        tmf.TabularPolicy(STAGES).plot("grid", game=QUEUE)


def test_a_policy_affine_in_the_population_is_drawn_at_one():
    theta = np.zeros((1, 4, 4, 5))
    theta[0, 0, 1, 1] = 2.0  # where many are idle, more go to the first server
    policy = tmf.SoftmaxPolicy(theta)
    for mu in ([1.0, 0, 0, 0], [0, 1.0, 0, 0]):
        np.testing.assert_allclose(tiles(policy.plot(mu=mu))[0], policy.probabilities(mu))
    np.testing.assert_allclose(tiles(policy.plot(game=QUEUE))[0], policy.probabilities(QUEUE.initial))
    np.testing.assert_allclose(tiles(policy.plot())[0], policy.probabilities(np.full(4, 0.25)))
    with pytest.raises(ValueError, match="mu sums to 2"):
        policy.plot(mu=[2.0, 0, 0, 0])


def test_a_game_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"game has \(S, A\) = \(4, 4\); must be the policy's, \(2, 2\)"):
        tmf.TabularPolicy([[1, 0], [0, 1]]).plot(game=QUEUE)


def test_a_policy_as_a_frame():
    pytest.importorskip("pandas")
    frame = tmf.TabularPolicy(STAGES).to_pandas()
    assert list(frame.columns) == ["stage", "observation", "action", "probability"]
    np.testing.assert_array_equal(frame["probability"], STAGES.ravel())


@pytest.mark.parametrize("policy", [tmf.TabularPolicy(STAGES, horizon=9), tmf.SoftmaxPolicy(np.zeros((2, 4, 4, 5)))])
def test_a_policy_in_a_file(policy, tmp_path):
    policy.save(tmp_path / "policy.npz")
    again = tmf.load(tmp_path / "policy.npz")
    assert again == policy and again.horizon == policy.horizon
    assert tmf.exploitability(QUEUE, again, tmf.Synchronous()) == tmf.exploitability(QUEUE, policy, tmf.Synchronous())


# --------------------------------------------------------------------------------------- predictions and measurements


def test_a_comparison_is_printed_as_a_table():
    uniform = tmf.TabularPolicy.uniform(QUEUE)
    found = tmf.analysis.fluctuations(QUEUE, uniform, tmf.Batch(5), 20).compare(
        tmf.simulate(QUEUE, uniform, tmf.Batch(5), 20, replicas=8, rng=1)
    )
    head, names, *rows = str(found).splitlines()
    assert head.startswith("queueing, B=5, N = 20 agents, 8 runs: error ratio ")
    assert names.split() == ["time", "error", "predicted", "measured", "+-", "se", "ratio"]
    assert len(rows) == 10 and len(found.steps) == 25
    time, predicted, measured, se, ratio = map(float, rows[3].split())
    assert time == found.times[8] == 2.0 and predicted == pytest.approx(found.error[8], rel=1e-4)
    assert measured == pytest.approx(found.error_measured[8], rel=1e-4) and se > 0
    assert ratio == pytest.approx(predicted / measured, abs=2e-3)
    ax = found.plot("bias")
    assert ax.get_ylabel() == "N E(\u03bc\u0302 \u2212 \u03bc)" and ax.get_xlabel() == "time (sweeps)"
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[:4] == list(QUEUE.observation_labels) and set(legend[4:]) == {"measured", "predicted"}


def test_lines_laid_over_each_other_are_told_apart():
    """Without colours those that follow are taken; of one colour the markers say which observation is which."""
    flow = tmf.mean_field(QUEUE, tmf.TabularPolicy.uniform(QUEUE), tmf.Fraction(0.5))
    ax = flow.plot(label="one")
    flow.plot(label="two", ax=ax)
    looks = [(line.get_color(), line.get_marker()) for line in ax.get_lines()]
    assert len(set(looks)) == 8
    (ax,) = plotting.figure(1)[1]
    for color in ("#111111", "#222222"):
        flow.plot(label=color, color=color, ax=ax)
    one, two = ax.get_lines()[:4], ax.get_lines()[4:]
    assert [line.get_marker() for line in one] == [line.get_marker() for line in two]
    assert {line.get_color() for line in one} == {"#111111"} and {line.get_color() for line in two} == {"#222222"}
