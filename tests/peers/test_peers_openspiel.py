"""Flow, values and exploitability, and the curves of two solvers, beside OpenSpiel."""

import numpy as np
import pytest

import tmfcore as tmf
from peers import games, need, our_side
from peers.our_side import CLOSE, assert_same
from tmfcore.games import BY_NAME, SHELF

need("pyspiel")

from peers import in_openspiel, openspiel_states  # noqa: E402

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
SCHEDULES = [tmf.Synchronous(), tmf.Fraction(0.3)]
CLOCKS = [(SCHEDULES[0], "schedule"), (SCHEDULES[1], "schedule"), (SCHEDULES[1], "always")]  # synchronous, they are one
SOLVED = [name for name in BY_NAME if name != "sioux_falls"]  # that is routing in 154 places, each a child of each


@pytest.mark.parametrize(("schedule", "clock"), CLOCKS, ids=repr)
@pytest.mark.parametrize("name", BY_NAME)
def test_our_tables(name, schedule, clock):
    """Every game, synchronous and not, on both clocks: OpenSpiel is given a game made of the tables only."""
    game = SHELF[name].small().at(schedule)
    side = in_openspiel.Side(game, schedule, clock)
    for pi in our_side.random_policies(game, np.random.default_rng(1), 6):
        assert_same(our_side.answer(game, pi, schedule, clock), side.answer(pi))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("name", SOLVED)
def test_mirror_descent_on_our_tables(name, schedule):
    """Rates, and why without discount, as in the same test beside MFGLib."""
    game = SHELF[name].small(discount=1.0)
    side = in_openspiel.Side(game, schedule)
    beta = float(schedule.active_fraction(1)[0])
    ours = our_side.mirror_descent(game, schedule, 0.3, 10)
    np.testing.assert_allclose(ours, side.mirror_descent(0.3 / beta, 10), **CLOSE)
    assert np.ptp(ours) > 1e-3


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("name", SOLVED)
def test_fictitious_play_on_our_tables(name, schedule):
    """From a random policy, and where kernels depend on mu by their rule, as in the same test beside MFGLib."""
    game = SHELF[name].small().at(schedule)
    side = in_openspiel.Side(game, schedule)
    start = our_side.random_policies(game, np.random.default_rng(2), 3)[1]
    theirs = side.fictitious_play(4, start)
    np.testing.assert_allclose(our_side.fictitious_play_of_everybody(game, schedule, 4, start), theirs, **CLOSE)
    if not our_side.kernels_move(game):
        np.testing.assert_allclose(our_side.fictitious_play(game, schedule, 4, start), theirs, **CLOSE)
    assert np.ptp(theirs) > 1e-3


@pytest.mark.parametrize("entry", games.IN_OPENSPIEL, ids=lambda entry: entry.theirs[0])
def test_their_game(entry):
    """OpenSpiel's own game is ours: flow, values and exploitability over their states, and their NashConv on right keys."""
    game, schedule = entry.ours(), tmf.Synchronous()
    side = openspiel_states.Side(entry)
    for pi in our_side.random_policies(game, np.random.default_rng(3)):
        ours = our_side.answer(game, pi, schedule)
        assert_same(ours, side.answer(pi))
    np.testing.assert_allclose(side.nash_conv(pi), ours.exploitability, **CLOSE)


@pytest.mark.parametrize("entry", games.IN_OPENSPIEL, ids=lambda entry: entry.theirs[0])
def test_solvers_on_their_game(entry):
    """Curves of their solvers on their states, with right keys and, in mirror descent, a policy that stands still."""
    game, schedule = entry.ours(), tmf.Synchronous()
    side = openspiel_states.Side(entry)
    ours = our_side.mirror_descent(game, schedule, entry.rate, 3)
    np.testing.assert_allclose(ours, side.mirror_descent(entry.rate, 3), **CLOSE)
    start = our_side.random_policies(game, np.random.default_rng(4), 3)[1]
    rule = our_side.fictitious_play_of_everybody if our_side.kernels_move(game) else our_side.fictitious_play
    np.testing.assert_allclose(rule(game, schedule, 3, start), side.fictitious_play(3, start), **CLOSE)


CROWDS = [e for e in games.IN_OPENSPIEL if "crowd_modelling" in e.theirs[0] and e.name == "beach_bar"]


@pytest.mark.parametrize("entry", CROWDS, ids=lambda entry: entry.theirs[0])
def test_what_they_say_of_the_uniform_policy(entry):
    """NashConv as it is says 2.8135, their states with right keys 2.7867: a value is that of the path met first."""
    game = entry.ours()
    side = openspiel_states.Side(entry)
    uniform = np.full((game.horizon, game.n_observations, game.n_actions), 1 / game.n_actions)
    right = tmf.exploitability(game, tmf.TabularPolicy(uniform), tmf.Synchronous())
    np.testing.assert_allclose(side.nash_conv(uniform), right, **CLOSE)
    np.testing.assert_allclose([right, side.their_own_nash_conv(uniform)], [2.7867, 2.8135], atol=1e-4)


@pytest.mark.parametrize("entry", CROWDS, ids=lambda entry: entry.theirs[0])
def test_what_their_mirror_descent_does_as_it_is(entry):
    """It values a policy while it changes it: see in_openspiel.curve. From the second update on another curve."""
    game = entry.ours()
    ours = our_side.mirror_descent(game, tmf.Synchronous(), entry.rate, 2)
    theirs = openspiel_states.Side(entry).mirror_descent(entry.rate, 2, frozen=False)
    np.testing.assert_allclose(theirs[:2], ours[:2], **CLOSE)
    assert 1e-5 < abs(theirs[2] - ours[2]) / ours[2] < 1e-3
