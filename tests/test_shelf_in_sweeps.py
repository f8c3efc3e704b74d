"""The shelf, affine games, joint laws and types in sweeps: the same game under every schedule."""

import pickle
from itertools import pairwise

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import games

N = 40
S, A = 3, 2
RNG = np.random.default_rng(5)
MOVES = RNG.dirichlet(np.ones(S), size=(S, A))
GAINS = RNG.normal(size=(S, A))
Q0 = np.array([[-0.5, 0.25, 0.25], [0.5, -0.75, 0.25], [0.0, 0.5, -0.5]])
Q_MU = np.zeros((S, S, S))
Q_MU[0, 0, 1], Q_MU[0, 2, 1] = -0.5, 0.5  # who is at 0 leaves for 2 faster where more are at 1
CROWD = -np.eye(S)
START = [0.5, 0.3, 0.2]


def affine(**changes):
    options = {
        "reward0": GAINS, "reward_mu": 0.1 * CROWD[:, None].repeat(A, axis=1), "transition0": MOVES, "transition_mu": None,
        "passive_reward0": [1.0, 0.5, 0.0], "passive_reward_mu": CROWD, "passive_rates0": Q0, "passive_rates_mu": Q_MU,
        "horizon": 4.0, "discount": 0.9, "initial": START, "time": "sweeps",
    }  # fmt: skip
    return games.affine(**options | changes)


def joint(**changes):
    options = {
        "n_actions": A, "horizon": 4.0, "discount": 0.9, "initial": START, "reward": lambda law, mu, t: GAINS - law,
        "transition": MOVES, "passive_reward": lambda law, mu, t: -mu, "passive_rates": Q0, "time": "sweeps",
    }  # fmt: skip
    return games.joint(S, **options | changes)


def mixed(**changes):
    return games.typed([affine(), games.resource_selection([1.0, 0.8, 0.6], horizon=4, discount=0.9)], shares=[0.25, 0.75], **changes)


SHELF = {
    "resource_selection": lambda: games.resource_selection(switching_cost=0.1),
    "queueing": games.queueing,
    "beach_bar": lambda: games.beach_bar(6, horizon=4, worth=RNG.normal(size=(4, 6)), moving_cost=[0.1, 0.0]),
    "crowd_motion": lambda: games.crowd_motion((3, 4), horizon=4, drift=True, bar=[(0, 0), (2, 3)]),
    "building_evacuation": lambda: games.building_evacuation(2, length=2, width=3),
    "crowd_aversion": lambda: games.crowd_aversion(MOVES, horizon=4, discount=0.9, passive_rates=Q0),
    "garnet": lambda: games.garnet(5, n_actions=3, horizon=4, coupling=0.3),
    "left_right": lambda: games.left_right(horizon=4),
    "rock_paper_scissors": lambda: games.rock_paper_scissors(horizon=4),
    "linear_quadratic": lambda: games.linear_quadratic(7, horizon=4),
}
GAMES = {"affine": affine, "joint": joint, "typed": mixed, **SHELF}


@pytest.mark.parametrize("name", GAMES)
def test_one_word_changes_the_schedule(name):
    game = GAMES[name]()
    uniform = tmf.TabularPolicy.uniform(game)
    after = game.horizon
    for schedule in (tmf.Sequential(), tmf.Batch(10), tmf.Fraction(0.5), tmf.Bernoulli(0.25)):
        run = tmf.simulate(game, uniform, schedule, N, rng=1)
        flow = tmf.mean_field(game, uniform, schedule, N)
        last = schedule.active_fraction(1, N)[0] if name == "linear_quadratic" else 0.0
        assert run.times[-1] == flow.times[-1] == pytest.approx(after + last)
        assert (run.time, flow.time) == ("sweeps", "sweeps")
        assert np.isfinite(tmf.exploitability(game, uniform, schedule, N))


@pytest.mark.parametrize("name", GAMES)
def test_the_steps_are_no_part_of_the_limit(name):
    """Half the step is half as far from the limit, or closer."""
    game = GAMES[name]()
    uniform = tmf.TabularPolicy.uniform(game)
    found = {n: tmf.evaluate(game, uniform, tmf.Sequential(), n) for n in (20, 40, 80)}
    steps = [np.append(each.flow.mu[-1], each.mean_return) for each in found.values()]
    first, second = (np.abs(b - a).max() for a, b in pairwise(steps))
    assert second < 0.65 * first + 1e-9 and first < 0.7


@pytest.mark.parametrize("name", GAMES)
def test_a_step_of_its_own_is_the_schedule_s(name):
    """step=0.25, replace(step=...) and a schedule of a quarter of the agents are one and the same."""
    game = GAMES[name]()
    by_schedule, by_step = game.at(tmf.Batch(10), N), game.replace(step=0.25)
    assert by_step.n_steps == by_schedule.n_steps and by_step.horizon == game.horizon
    for t in (0, by_step.n_steps - 1):
        for one, two in zip(by_schedule.tables(game.initial, t), by_step.tables(game.initial, t), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", GAMES)
def test_replaced_and_pickled(name):
    game = GAMES[name]()
    other = game.replace(horizon=2.0, discount=0.8)
    assert (other.horizon, other.discount) == (2.0, 0.8)
    assert repr(other.replace(horizon=game.horizon, discount=game.discount)) == repr(game)
    if name == "joint":  # its functions are lambdas
        game = joint(reward=GAINS, passive_reward=[1.0, 0.5, 0.0])
    again = pickle.loads(pickle.dumps(game))
    assert repr(again) == repr(game)
    for one, two in zip(again.at(step=0.5).tables(game.initial), game.at(step=0.5).tables(game.initial), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("step", [0.5, 0.1])
def test_affine_games_are_those_that_were_rescaled_by_hand(step):
    game = affine(step=step)
    old = games.affine(
        GAINS + step * np.array([1.0, 0.5, 0.0])[:, None], reward_mu=(0.1 + step) * CROWD[:, None].repeat(A, axis=1),
        transition0=MOVES, transition_mu=None, passive_reward0=step * np.array([1.0, 0.5, 0.0]), passive_reward_mu=step * CROWD,
        passive_transition0=np.eye(S) + step * Q0, passive_transition_mu=step * Q_MU, horizon=round(4 / step),
        discount=0.9**step, initial=START,
    )  # fmt: skip
    for mu in ([0.2, 0.3, 0.5], [0.0, 1.0, 0.0]):
        for one, two in zip(game.tables(mu), old.tables(mu), strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-15)
    uniform = tmf.TabularPolicy.uniform(old)
    assert tmf.exploitability(game, uniform, tmf.Fraction(0.3)) == pytest.approx(tmf.exploitability(old, uniform, tmf.Fraction(0.3)))
    assert game.model.affine and game.at().model.affine


@pytest.mark.parametrize("step", [0.5, 0.1])
def test_joint_laws_are_those_that_were_rescaled_by_hand(step):
    """And their callables are told the sweeps."""
    seen = []

    def waiting(law, mu, t):
        seen.append(t)
        return -mu * (1 + t)

    game = joint(passive_reward=waiting, step=step)
    old = games.joint(
        S, n_actions=A, horizon=round(4 / step), discount=0.9**step, initial=START,
        reward=lambda law, mu, t: GAINS - law - step * (1 + t * step) * mu[:, None], transition=MOVES,
        passive_reward=lambda law, mu, t: -step * (1 + t * step) * mu, passive_transition=np.eye(S) + step * Q0,
    )  # fmt: skip
    uniform = tmf.TabularPolicy.uniform(old)
    flows = [tmf.evaluate(each, uniform, tmf.Fraction(0.3)) for each in (game, old)]
    np.testing.assert_allclose(flows[0].values, flows[1].values, rtol=0, atol=1e-12)
    assert max(seen) == pytest.approx(4 - step) and flows[0].flow.times[-1] == pytest.approx(4)
    one, two = (games.by_half_step(each, found.flow) for each, found in zip((game, old), flows, strict=True))
    np.testing.assert_allclose(one[0], two[0], rtol=0, atol=1e-13)
    whole = joint(passive_reward=waiting)
    mu, law = games.by_half_step(whole, tmf.mean_field(whole, uniform, tmf.Fraction(0.25)))
    assert mu.shape == (17, S) and law.shape == (16, S, A)


def test_types_share_time():
    game = mixed()
    assert (game.time, game.horizon, game.at(tmf.Batch(4), N).n_steps) == ("sweeps", 4.0, 40)
    parts = games.by_type(game, tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Batch(4), N))
    np.testing.assert_allclose([part[-1].sum() for part in parts.values()], [0.25, 0.75])
    with pytest.raises(ValueError, match=r"games\[1\] has time steps; must be that of games\[0\], sweeps"):
        games.typed([affine(), games.susceptible_infected()], shares=[0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: affine(passive_rates0=8 * Q0).at(step=0.5), r"passive_rates0 \+ passive_rates_mu\[..., 0\] at \[1, 1\] is -6: .* dt = 0\.5"),
        (lambda: affine(passive_rates0=np.eye(S)), r"passive_rates0 \+ passive_rates_mu\[..., 0\] at \[0\] sums to 1"),
        (lambda: affine(passive_transition0=np.eye(S)), "passive_transition0 is given with time='sweeps'; must be passive_rates"),
        (lambda: affine(time="steps", horizon=4), "passive_rates0 is given with time='steps'; must be passive_transition"),
        (lambda: joint(passive_rates=8 * Q0).at(tmf.Fraction(0.5)), r"passive_rates\[1, 1\] is -6: .* dt = 0\.5"),
        (lambda: joint(passive_transition=np.eye(S)), "passive_transition is given with time='sweeps'"),
        (lambda: games.crowd_aversion(MOVES, passive_rates=8 * Q0).at(step=0.5), r"passive_rates\[1, 1\] is -6"),
        (lambda: mixed().replace(step=0.5).replace(horizon=0.1), "must last at least one step"),
    ],
)
def test_what_cannot_be_played_says_why(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_what_follows_from_other_arguments_follows_when_they_are_replaced():
    """A start, a cost and a place that were not given are those of the new size."""
    assert games.beach_bar(6).replace(n_places=9).initial.tolist() == [1 / 9] * 9
    assert games.crowd_motion((3, 4)).replace(shape=(2, 2), obstacles=None, bar=(1, 1)).n_observations == 4
    assert games.queueing([0.1]).replace(capacities=[0.1, 0.2]).n_observations == 3
    assert games.garnet(4).replace(n_observations=7, n_actions=2).n_actions == 2
