"""Whatever combines two results, or a result with a game and a schedule, refuses those of another system."""

import dataclasses
import pickle

import numpy as np
import pytest

import tmfcore as tmf

ONE = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
OTHER = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.5), 1.0)
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
    again = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
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
