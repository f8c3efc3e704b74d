"""Whatever combines two results, or a result with a game and a schedule, refuses those of another system."""

import dataclasses
import pickle

import numpy as np
import pytest

import tmfcore as tmf

ONE = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, step=1).at()
OTHER = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.5), congestion=1.0, step=1).at()
TENTH = tmf.Fraction(0.1)
UNIFORM = tmf.TabularPolicy.uniform(ONE)


def flow(game=ONE, schedule=TENTH, n_agents=None, **options):
    return tmf.mean_field(game, UNIFORM, schedule, n_agents, **options)


# Every verb that takes a flow beside a game and a schedule.
VERBS = {
    "best_response": lambda game, flow, schedule, n: tmf.best_response(game, flow, schedule, n)[1],
    "evaluate": lambda game, flow, schedule, n: tmf.evaluate(game, UNIFORM, schedule, n, flow=flow).values,
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_flow_of_another_system_is_refused(verb):
    call = VERBS[verb]
    cases = [
        (OTHER, TENTH, None),
        (ONE, tmf.Synchronous(), None),
        (ONE, tmf.Fraction(0.2), None),
        (ONE, tmf.Batch(99), 1000),
    ]
    for case in cases:
        with pytest.raises(ValueError, match=r"flow is of game .* must be of game .* differ"):
            call(ONE, flow(*case), TENTH, None)
    by_hand = dataclasses.replace(flow(), fingerprint=None)
    with pytest.raises(ValueError, match="flow has no fingerprint"):
        call(ONE, by_hand, TENTH, None)


@pytest.mark.parametrize("verb", VERBS)
def test_a_flow_of_the_same_system_is_taken_however_it_was_made(verb, tmp_path):
    call = VERBS[verb]
    expected = call(ONE, flow(), TENTH, None)
    again = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, step=1).at()
    flow().save(tmp_path / "flow.npz")
    for one in (
        flow(), flow(again), flow(ONE, tmf.Batch(100), 1000), flow(ONE, tmf.Bernoulli(np.full(20, 0.1))),
        pickle.loads(pickle.dumps(flow())), tmf.Flow.load(tmp_path / "flow.npz"),
    ):  # fmt: skip
        np.testing.assert_array_equal(call(ONE, one, TENTH, None), expected)


def test_a_picture_lays_over_a_run_what_belongs_to_it():
    pytest.importorskip("matplotlib", reason="extra `app`")
    run = tmf.simulate(ONE, UNIFORM, TENTH, 100, rng=1)
    run.plot(flow=flow()), run.plot(flow=flow(ONE, TENTH, 100))
    for case in ((OTHER, TENTH), (ONE, tmf.Synchronous())):
        with pytest.raises(ValueError, match="flow is of game"):
            run.plot(flow=flow(*case))


def test_results_carry_their_fingerprint_through_files(tmp_path):
    solver = tmf.solvers.MirrorDescent(clock="always")
    results = [
        flow(), tmf.simulate(ONE, UNIFORM, TENTH, 100, rng=1), solver.solve(ONE, TENTH, 100),
        tmf.solvers.TMFPG(iterations=2, tolerance=None).solve(ONE, TENTH, 100, rng=1),
    ]  # fmt: skip
    for result in results:
        result.save(tmp_path / "result.npz")
        again = type(result).load(tmp_path / "result.npz")
        assert again.fingerprint == result.fingerprint
        if isinstance(result, tmf.Solution):
            assert again.flow.fingerprint == result.flow.fingerprint
            assert result.fingerprint.clock == result.clock
    assert results[1].fingerprint == tmf.simulate(ONE, UNIFORM, TENTH, 100, rng=2, replicas=3).fingerprint
    assert tmf.evaluate(ONE, UNIFORM, TENTH, clock="always").fingerprint.clock == "always"


# ------------------------------------------------------------------------------------------------- N agents


def agents(game=ONE, policy=UNIFORM, schedule=TENTH, n_agents=100, **options):
    return tmf.simulate(game, policy, schedule, n_agents, **{"replicas": 4, "rng": 1} | options)


def test_predictions_are_compared_with_runs_of_the_same_system(tmp_path):
    prediction = tmf.analysis.fluctuations(ONE, UNIFORM, TENTH, 100)
    prediction.save(tmp_path / "prediction.npz")
    again = tmf.analysis.Fluctuations.load(tmp_path / "prediction.npz")
    twin = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, step=1).at()
    rounded = (100 * ONE.initial).round().astype(int)
    for each in (prediction, again):
        for run in (
            agents(), agents(schedule=tmf.Batch(10)), agents(twin), agents(start=rounded),
            agents(policy=tmf.SoftmaxPolicy(np.zeros((20, 4, 4)))), agents(record_every=3),
        ):  # fmt: skip
            each.compare(run)
    other = tmf.TabularPolicy(np.random.default_rng(0).dirichlet(np.ones(4), size=4))
    refused = {
        "game": agents(OTHER),
        "policy": agents(policy=other),
        "schedule": agents(schedule=tmf.Bernoulli(0.1)),
        "start": agents(start="sampled"),
    }
    for what, run in refused.items():
        for each in (prediction, again):
            with pytest.raises(ValueError, match=rf"simulation is of game .*; must be of game .*\({what} differs"):
                each.compare(run)
    with pytest.raises(ValueError, match=r"simulation\.n_agents is 200; the prediction was made for N = 100"):
        prediction.compare(agents(n_agents=200))
    with pytest.raises(ValueError, match="simulation has no fingerprint"):
        prediction.compare(dataclasses.replace(agents(), fingerprint=None))


def test_predictions_for_any_number_are_compared_at_every_number():
    schedule = tmf.Fraction(1 / 3)
    prediction = tmf.analysis.fluctuations(ONE, UNIFORM, schedule)
    for n in (100, 1000):  # whose batches are 33 and 333, not thirds
        prediction.compare(agents(schedule=schedule, n_agents=n))
    for other in (tmf.Fraction(0.25), tmf.Bernoulli(1 / 3), tmf.Synchronous()):
        with pytest.raises(ValueError, match=r"\(schedule differs\)"):
            prediction.compare(agents(schedule=other))


def test_a_picture_of_a_prediction_takes_its_own_runs():
    pytest.importorskip("matplotlib", reason="extra `app`")
    prediction = tmf.analysis.fluctuations(ONE, UNIFORM, TENTH, 100)
    prediction.plot(simulation=agents())
    with pytest.raises(ValueError, match="game differs"):
        prediction.plot(simulation=agents(OTHER))


def test_policies_as_callables_are_told_apart():
    def mine(mu, t):
        return np.full((4, 4), 0.25)

    def other(mu, t):
        return np.full((4, 4), 0.25) + 0.1 * (t == 7) * np.array([1, -1, 0, 0])

    prediction = tmf.analysis.fluctuations(ONE, mine, TENTH, 100)
    prediction.compare(agents(policy=lambda mu: np.full((4, 4), 0.25)))
    with pytest.raises(ValueError, match="policy differs"):
        prediction.compare(agents(policy=other))


def test_logs_of_one_game_are_fitted_together():
    def run(game, **options):
        return agents(game, schedule=tmf.Synchronous(), rng=3, **options)

    def game(horizon=5, discount=0.9, initial=(1, 0), reward=1.0):
        rows = [[[0.9, 0.1], [0.5, 0.5]], [[0.2, 0.8], [0.6, 0.4]]]
        return tmf.Game(2, 2, horizon, discount, initial, [[reward, 0], [0, 1]], rows)

    uniform = tmf.TabularPolicy.uniform(game())
    one = run(game(), policy=uniform)
    tmf.learn.fit([one, run(game(horizon=9, initial=(0.5, 0.5)), policy=uniform)])
    tmf.learn.fit([one, run(game(discount=0.5), policy=uniform)], discount=0.9)
    with pytest.raises(ValueError, match=r"data\[1\] is of a game without a name .*game differs"):
        tmf.learn.fit([one, run(game(reward=2.0), policy=uniform)])


def test_an_environment_faces_a_flow_of_its_game():
    from tmfcore.interop._worlds import world

    world(ONE, flow(), None, None, clock="schedule", start="rounded", n=3)
    with pytest.raises(ValueError, match="population is of game"):
        world(ONE, flow(OTHER), None, None, clock="schedule", start="rounded", n=3)
