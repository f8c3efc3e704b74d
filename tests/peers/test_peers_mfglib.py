"""Flow, values and exploitability, and the curves of two solvers, beside MFGLib in float64."""

import numpy as np
import pytest

import tmfcore as tmf
from peers import games, need, our_side
from peers.our_side import CLOSE, assert_same
from tmfcore.games import BY_NAME, SHELF

need("torch"), need("mfglib")

from peers import in_mfglib  # noqa: E402
from tmfcore.interop import mfglib  # noqa: E402

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]
SCHEDULES = [tmf.Synchronous(), tmf.Fraction(0.3)]


@pytest.fixture(autouse=True)
def _float64():
    with in_mfglib.float64():
        in_mfglib.torch.set_num_threads(1)
        yield


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("name", BY_NAME)
def test_our_tables(name, schedule, clock):
    """Every game, synchronous and not, on both clocks: MFGLib is given the tables only."""
    game = SHELF[name].small().at(schedule)
    lived = mfglib.to_environment(game) if clock == "always" else None
    side = in_mfglib.Side(mfglib.to_environment(game, schedule), lived, game.discount)
    for pi in our_side.random_policies(game, np.random.default_rng(1)):
        assert_same(our_side.answer(game, pi, schedule, clock), side.answer(pi))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("name", BY_NAME)
def test_mirror_descent_on_our_tables(name, schedule):
    """Our Q is that of an acting agent, theirs beta times as different between actions: their rate is ours / beta.

    Without discount, since their values at t are ours times gamma**t.
    """
    game = SHELF[name].small(discount=1.0)
    side = in_mfglib.Side(mfglib.to_environment(game, schedule))
    beta = float(schedule.active_fraction(1)[0])
    ours = our_side.mirror_descent(game, schedule, 0.3, 50)
    np.testing.assert_allclose(ours, side.mirror_descent(0.3 / beta, 50), **CLOSE)
    assert np.ptp(ours) > 1e-3


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("name", BY_NAME)
def test_fictitious_play_on_our_tables(name, schedule):
    """From a random policy, so that no two actions are equally good by chance: they split ties, we take the first. In
    routing it does not matter which way one is late.

    Where kernels depend on mu their rule is another: see our_side.fictitious_play_of_everybody.
    """
    game = SHELF[name].small().at(schedule)
    side = in_mfglib.Side(mfglib.to_environment(game, schedule))
    start = our_side.random_policies(game, np.random.default_rng(2), 3)[1]
    theirs = side.fictitious_play(50, start)
    ours = our_side.fictitious_play_of_everybody(game, schedule, 50, start, split=name == "routing")
    np.testing.assert_allclose(ours, theirs, **CLOSE)
    if not our_side.kernels_move(game):
        np.testing.assert_allclose(our_side.fictitious_play(game, schedule, 50, start), theirs, **CLOSE)
    assert np.ptp(theirs) > 1e-3


@pytest.mark.parametrize("entry", games.IN_MFGLIB, ids=lambda entry: entry.name)
def test_their_game(entry):
    """MFGLib's own game is ours: flow, values, exploitability, and both solvers' curves."""
    game, schedule = entry.ours(), tmf.Synchronous()
    side = in_mfglib.Side(entry.theirs(in_mfglib.Environment), actions=entry.actions)
    rng = np.random.default_rng(3)
    for pi in our_side.random_policies(game, rng):
        assert_same(our_side.answer(game, pi, schedule), side.answer(pi))
    ours = our_side.mirror_descent(game, schedule, entry.rate, entry.iterations)
    np.testing.assert_allclose(ours, side.mirror_descent(entry.rate, entry.iterations), **CLOSE)
    assert np.ptp(ours) > 1e-3
    start = rng.dirichlet(np.ones(game.n_actions), size=(game.horizon, game.n_observations))
    rule = our_side.fictitious_play_of_everybody if our_side.kernels_move(game) else our_side.fictitious_play
    theirs = side.fictitious_play(entry.iterations, start)
    np.testing.assert_allclose(rule(game, schedule, entry.iterations, start), theirs, **CLOSE)
