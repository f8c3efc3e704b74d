"""Games in sweeps: one game under every schedule, whose steps are the schedule's part."""

import ctypes
import pickle
import re

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._model.table_model import TableModel

S, A = 3, 2
MOVES = np.random.default_rng(0).dirichlet(np.ones(S), size=(S, A))
GENERATOR = np.array([[-1.5, 1.0, 0.5], [0.0, -0.25, 0.25], [2.0, 0.0, -2.0]])
GAINS = np.array([[0.0, -0.2], [0.1, 0.0], [0.3, -0.1]])
START = [0.6, 0.3, 0.1]
ROW = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_double),
    ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_double), ctypes.c_void_p,
)  # fmt: skip


def crowding(mu):
    return np.array([1.0, 0.8, 0.6]) - mu


def leaving(mu):
    return GENERATOR * (0.5 + mu[1])


def seasons(mu, t):
    return crowding(mu) * (1 + int(t + 1e-9))


@ROW
def row(t, observation, action, mu, probabilities, reward, user):
    for x in range(S):
        probabilities[x] = GENERATOR[observation, x] * (0.5 + mu[1]) if action < 0 else MOVES[observation, action, x]
    level = (1.0, 0.8, 0.6)[observation] - mu[observation]
    reward[0] = level * (1 + t) if action < 0 else GAINS[observation, action]
    return 0


def arrays(**changes):
    options = {
        "n_observations": S, "n_actions": A, "horizon": 4.0, "discount": 0.9, "initial": START, "reward": GAINS,
        "transition": MOVES, "passive_reward": [1.0, 0.5, 0.25], "passive_rates": GENERATOR, "name": "arrays",
    }  # fmt: skip
    return tmf.Game(**options | changes, time="sweeps")


def functions(**changes):
    return arrays(**{"passive_reward": crowding, "passive_rates": leaving, "name": "functions"} | changes)


def compiled(**changes):
    return tmf.Game.compiled(row, S, A, 4.0, 0.9, START, time="sweeps", name="compiled", **changes)


def made(**changes):
    def model(dt):
        return TableModel(S, A, GAINS + dt, MOVES, np.full(S, dt), np.eye(S) + dt * GENERATOR)

    return tmf.Game.from_model(model, 4.0, 0.9, START, time="sweeps", name="made", **changes)


GAMES = {"arrays": arrays, "functions": functions, "compiled": compiled, "made": made}
SCHEDULES = (tmf.Sequential(), tmf.Batch(5), tmf.Fraction(0.2), tmf.Bernoulli(0.25))
N = 50


def by_hand(game, dt, passive_reward, rates):
    """What one had to write before: everything per step."""
    return tmf.Game(
        S, A, round(game.horizon / dt), game.discount**dt, START,
        lambda mu, t: GAINS + dt * passive_reward(mu, t * dt)[:, None], MOVES,
        passive_reward=lambda mu, t: dt * passive_reward(mu, t * dt),
        passive_transition=lambda mu: np.eye(S) + dt * rates(mu),
    )  # fmt: skip


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("kind", ["arrays", "functions", "seasons", "compiled"])
def test_it_is_the_game_that_was_rescaled_by_hand(kind, schedule):
    dt = float(schedule.active_fraction(1, N)[0])
    rewards, rates = {
        "arrays": (lambda mu, t: np.array([1.0, 0.5, 0.25]), lambda mu: GENERATOR),
        "functions": (lambda mu, t: crowding(mu), leaving),
        "seasons": (seasons, leaving),
        "compiled": (seasons, leaving),
    }[kind]
    game = functions(passive_reward=seasons) if kind == "seasons" else GAMES[kind]()
    old = by_hand(game, dt, rewards, rates)
    uniform = tmf.TabularPolicy.uniform(game)
    new = tmf.mean_field(game, uniform, schedule, N)
    close = {"rtol": 0, "atol": 1e-13}  # other engines add in another order
    np.testing.assert_allclose(new.mu, tmf.mean_field(old, uniform, schedule, N).mu, **close)
    for one, two in zip(game.at(schedule, N).tables(START, 3), old.tables(START, 3), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-15 if kind == "compiled" else 0)
    values = [tmf.evaluate(each, uniform, schedule, N).values for each in (game, old)]
    np.testing.assert_allclose(*values, **close)
    runs = [tmf.simulate(each, uniform, schedule, N, rng=1).counts for each in (game, old)]
    np.testing.assert_array_equal(*runs)
    assert (new.time, new.step) == ("sweeps", dt)
    np.testing.assert_allclose(new.times[-1], 4.0, rtol=1e-12)


@pytest.mark.parametrize("kind", GAMES)
def test_every_schedule_has_one_limit(kind):
    """Halving dt halves the distance to the continuous time, which is extrapolated from the two finest."""
    game = GAMES[kind]()
    uniform = tmf.TabularPolicy.uniform(game)
    at = {n: tmf.evaluate(game, uniform, tmf.Sequential(), n) for n in (20, 40, 80, 160)}
    ends = {n: np.append(found.flow.mu[-1], found.mean_return) for n, found in at.items()}
    limit = 2 * ends[160] - ends[80]
    errors = [np.abs(ends[n] - limit).max() for n in (20, 40, 80)]
    assert errors[0] < 0.2 and errors[0] > 1e-4
    assert 1.7 < errors[0] / errors[1] < 2.5 and 1.7 < errors[1] / errors[2] < 2.5


@pytest.mark.parametrize("kind", GAMES)
def test_changing_the_schedule_is_one_word(kind):
    pytest.importorskip("matplotlib")
    game = GAMES[kind]()
    solution = tmf.solve(game, tmf.Fraction(0.25))
    for schedule in (*SCHEDULES, tmf.Batch(12)):
        run = tmf.simulate(game, solution, schedule, N, rng=1)
        flow = tmf.mean_field(game, solution, schedule, N)
        assert run.times[-1] == flow.times[-1] and abs(run.times[-1] - 4.0) < 0.13
        assert run.plot(flow=flow).get_xlabel() == "time (sweeps)"
        assert tmf.exploitability(game, solution, schedule, N) < 0.05
    assert flow.plot().get_xlabel() == "time (sweeps)"
    assert "sweeps" in tmf.analysis.fluctuations(game, solution, tmf.Batch(5), N).plot().get_xlabel()


def test_everybody_at_a_time_is_in_sweeps_too():
    """A step of one sweep is one sweep, not one step."""
    pytest.importorskip("matplotlib")
    game = arrays(passive_rates=GENERATOR / 2)
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    assert (flow.horizon, flow.time, flow.plot().get_xlabel()) == (4, "sweeps", "time (sweeps)")


def test_a_coarse_policy_is_played_finely():
    """Stages are shares of the horizon: what was solved in 16 steps is played in 200."""
    game = functions()
    coarse = tmf.solve(game, tmf.Fraction(0.25))
    assert coarse.policy.n_stages == 16
    fine = tmf.mean_field(game, coarse, tmf.Sequential(), N)
    own = tmf.mean_field(game, coarse, tmf.Fraction(0.25))
    assert np.abs(fine.mu[:: 200 // 16] - own.mu[: len(fine.mu[:: 200 // 16])]).max() < 0.1
    finer = tmf.solve(game, tmf.Sequential(), N)
    assert abs(finer.mean_return - tmf.evaluate(game, coarse, tmf.Sequential(), N).mean_return) < 0.02
    warm = tmf.solvers.MirrorDescent().solve(game, tmf.Sequential(), N, initial=coarse)
    assert warm.history["exploitability"][0] < finer.history["exploitability"][0]


def test_a_policy_of_one_s_own_is_told_the_sweeps():
    game, seen = arrays(), []

    def policy(mu, t):
        seen.append(t)
        return np.full((S, A), 0.5)

    tmf.mean_field(game, policy, tmf.Batch(5), N)
    np.testing.assert_allclose(seen, np.arange(40) * 0.1, rtol=1e-12)


def test_noise_is_spread_over_the_horizon():
    def reward(mu, t, z):
        return GAINS + z

    game = tmf.Game(S, A, 4.0, 1.0, START, reward, MOVES, noise=[1.0, 2.0], time="sweeps")
    for schedule in (tmf.Fraction(0.2), tmf.Sequential()):
        at = game.at(schedule, N)
        levels = [at.tables(START, t)[0][0, 0] for t in (0, at.n_steps // 2 - 1, at.n_steps // 2, at.n_steps - 1)]
        assert levels == [1.0, 1.0, 2.0, 2.0]
    assert game.replace(noise=[3.0, 4.0, 5.0]).at(step=0.5).tables(START, 7)[0][0, 0] == 5.0


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: arrays().at(tmf.Synchronous()), r"passive_rates\[2, 2\] is -2: .*rate 2 .* dt = 1.* step <= 0\.5"),
        (lambda: arrays(step=0.75), r"passive_rates\[2, 2\] is -2: .* dt = 0\.75.* is 1\.5; .* step <= 0\.5"),
        (lambda: tmf.mean_field(functions(), np.full((S, A), 0.5), tmf.Batch(40), N),
         r"passive_rates\(mu, t=0\)\[2, 2\] is -1\.6: .* dt = 0\.8.* step <= 0\.625"),
        (lambda: tmf.mean_field(compiled(), np.full((S, A), 0.5), tmf.Batch(40), N),
         r"the rate -1\.6 in cell 2 at t=0, observation 2, passive: .* dt = 0\.8.* step <= 0\.625"),
        (lambda: arrays(passive_rates=np.eye(S)), r"passive_rates\[0\] sums to 1; each row must sum to 0"),
        (lambda: arrays(passive_rates=-GENERATOR), r"passive_rates\[0, 1\] is -1; a rate .* must be >= 0"),
        (lambda: arrays(passive_rates=lambda mu: np.eye(S)), r"passive_rates\(mu, t=0\)\[0\] sums to 1"),
        (lambda: arrays(passive_reward=lambda mu: np.zeros((S, 1))), r"passive_reward\(mu, t=0\) has shape \(3, 1\)"),
        (lambda: arrays(passive_transition=np.eye(S), passive_rates=None), "passive_transition is given with time='sweeps'"),
        (lambda: tmf.Game(S, A, 4, 0.9, START, GAINS, MOVES, passive_rates=GENERATOR), "passive_rates is given with time='steps'"),
        (lambda: tmf.Game(S, A, 4, 0.9, START, GAINS, MOVES, step=0.5), r"step is 0.5 \(float\) with time='steps'"),
        (lambda: arrays(passive_successors=[[1, 2]] * S, passive_rates=np.zeros((S, 2))), r"passive_successors\[0\] does not contain 0"),
        (lambda: arrays(horizon=0.01).at(step=0.5), "must last at least one step"),
        (lambda: arrays().at(tmf.Batch(np.array([1, 2, 3])), 10), "must be constant, or the game must be made .*step="),
        (lambda: arrays().at(tmf.Batch(0), 10), "no agent acts"),
        (lambda: arrays().at(tmf.Sequential()), "n_agents is None"),
    ],
)  # fmt: skip
def test_what_cannot_be_played_says_why(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_without_a_schedule_it_has_no_steps():
    game = arrays()
    for ask in (lambda: game.n_steps, lambda: game.model, lambda: game.tables(START), lambda: game.dt, game.at):
        with pytest.raises(TypeError, match="must come with schedule and n_agents, or be made with step="):
            ask()
    with pytest.raises(TypeError, match="function of dt"):
        tmf.Game.from_model(game.at(step=0.1).model, 4.0, 0.9, START, time="sweeps")


def test_a_step_of_its_own_goes_before_the_schedule():
    game = arrays(step=0.1)
    assert (game.n_steps, game.dt, game.horizon) == (40, 0.1, 4.0)
    assert game.at(tmf.Sequential(), N) is game.at() is game.at(tmf.Batch(np.arange(40) % 3), N)
    assert tmf.simulate(game, np.full((S, A), 0.5), tmf.Batch(np.arange(40) % 3), N, rng=1).times[-1] == 4.0
    assert repr(game) == "Game('arrays', S=3, A=2, T=4 sweeps, discount=0.9, step=0.1)"
    assert repr(arrays()) == "Game('arrays', S=3, A=2, T=4 sweeps, discount=0.9)"
    assert repr(game.at()) == "Game('arrays', S=3, A=2, T=40, discount=0.989519, step=0.1)"


def test_results_belong_to_the_game_whatever_its_steps():
    game = functions()
    uniform = tmf.TabularPolicy.uniform(game)
    flow = tmf.mean_field(game, uniform, tmf.Batch(5), N)
    assert tmf.evaluate(game, uniform, tmf.Batch(5), N, flow=flow).flow is flow
    assert flow.fingerprint.game == tmf.mean_field(functions(), uniform, tmf.Batch(1), N).fingerprint.game
    assert flow.fingerprint.game != tmf.mean_field(functions(horizon=4.5), uniform, tmf.Batch(1), N).fingerprint.game
    with pytest.raises(ValueError, match="active fraction"):
        tmf.evaluate(game, uniform, tmf.Batch(1), N, flow=tmf.mean_field(arrays(step=0.02), uniform, tmf.Batch(5), N))


def test_it_is_saved_and_pickled(tmp_path):
    game = functions()
    uniform = tmf.TabularPolicy.uniform(game)
    for one in (game, game.at(tmf.Batch(5), N)):
        again = pickle.loads(pickle.dumps(one))
        assert repr(again) == repr(one) and again.unit == "sweeps"
        np.testing.assert_array_equal(again.at(step=0.1).tables(START, 3)[0], game.at(step=0.1).tables(START, 3)[0])
    for name, found in (
        ("flow", tmf.mean_field(game, uniform, tmf.Fraction(0.5))), ("run", tmf.simulate(game, uniform, tmf.Batch(5), N)),
        ("spread", tmf.analysis.fluctuations(game, uniform, tmf.Batch(5), N)), ("solution", tmf.solve(game, tmf.Fraction(0.5))),
    ):  # fmt: skip
        found.save(tmp_path / name)
        back = tmf.load(tmp_path / name)
        flow = getattr(back, "flow", back)
        assert flow.time == "sweeps" and flow.times[-1] == 4.0
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(compiled())


@pytest.mark.parametrize("kind", GAMES)
def test_replace_makes_the_same_game_with_other_arguments(kind):
    game = GAMES[kind]()
    longer = game.replace(horizon=6.0, discount=0.5, initial=[0, 0, 1], name="other")
    assert (longer.horizon, longer.discount, longer.initial.tolist(), longer.name) == (6.0, 0.5, [0, 0, 1], "other")
    assert longer.at(tmf.Batch(5), N).n_steps == 60
    assert game.at(step=0.1).replace(horizon=2.0).n_steps == 20
    np.testing.assert_array_equal(longer.at(step=0.1).tables(START)[1], game.at(step=0.1).tables(START)[1])
    with pytest.raises(TypeError, match=re.escape(f"sizes is not an argument of {game!r}; must be one of ")):
        game.replace(sizes=3)
    with pytest.raises(ValueError, match="horizon is 0"):
        game.replace(horizon=0)


@pytest.mark.parametrize("kind", ["arrays", "compiled"])
def test_replace_in_steps(kind):
    if kind == "arrays":
        game = tmf.Game(S, A, 4, 0.9, START, GAINS, MOVES)
    else:
        game = tmf.Game.from_model(tmf.Game(S, A, 4, 0.9, START, GAINS, MOVES).model, 4, 0.9, START)
    assert (game.replace(horizon=7).n_steps, game.replace(discount=0.5).discount, game.dt) == (7, 0.5, 1.0)
    assert game.at(tmf.Sequential(), 10) is game
    with pytest.raises(TypeError, match="horizon"):
        game.replace(horizon=2.5)


def test_verbs_follow():
    game = functions()
    uniform = tmf.TabularPolicy.uniform(game)
    study = tmf.analysis.convergence(game, uniform, [tmf.Sequential(), tmf.Batch(2)], [10, 40], replicas=20, rng=1)
    assert all(np.isfinite(study.error_mean[label]).all() for label in study.labels)
    assert abs(tmf.finite_exploitability(game, uniform, tmf.Batch(5), N, replicas=20, rng=1).mean_field - tmf.exploitability(
        game, uniform, tmf.Batch(5), N)) < 1e-12  # fmt: skip
    learnt = tmf.solvers.TMFPG(iterations=2, tolerance=None).solve(game, tmf.Batch(5), N, rng=1)
    assert learnt.policy.n_stages == 4  # one a sweep
    assert tmf.solvers.Homotopy(iterations=2, tolerance=None).solve(game, tmf.Batch(5), N).flow.horizon == 40
    assert tmf.testing.check_game(game, rng=1).ok
    assert tmf.analysis.lipschitz(arrays(), uniform, tmf.Batch(5), N).flow.shape == (40,)
    assert tmf.analysis.monotonicity(arrays(), tmf.Batch(5), N).eigenvalues.shape[0] == 40
    assert tmf.analysis.bound(arrays(), uniform, tmf.Batch(5), N).l1.shape == (41,)
    best = tmf.best_response(game, tmf.mean_field(game, uniform, tmf.Batch(5), N), tmf.Batch(5), N)
    assert best.values.shape == (41, S)


def test_a_schedule_asked_for_again_costs_little():
    """The steps made last are kept, by the schedule and by the length of a step; others are made."""
    game, schedule = arrays(), tmf.Batch(5)
    steps = game.at(schedule, N)
    assert game.at(schedule, N) is steps is game.at(tmf.Fraction(0.1)) is game.at(tmf.Batch(1), 10)
    assert game.at(schedule, 2 * N).n_steps == 2 * steps.n_steps
    for n in range(10, 40):
        game.at(schedule, n)
    assert len(game._known) == 8
    with pytest.raises(TypeError, match="n_agents is True"):
        game.at(tmf.Sequential(), True)
