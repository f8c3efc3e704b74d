"""Nothing is claimed that a game does not declare: a battery of games built to deceive, and the cases that began it."""

import sys
from pathlib import Path

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.analysis import bound, lipschitz, monotonicity

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "claims.py").is_file(), reason="not in a source tree")


@pytest.fixture(scope="module")
def claims():
    sys.path.insert(0, str(ROOT))
    try:
        from bench import claims
    finally:
        sys.path.remove(str(ROOT))
    return claims


def test_no_overclaim_in_a_hundred_games(claims):
    """Every tenth game is honest and must be recognised; the others must not be believed. Some are even refuted."""
    answers = [claims.ask(what, seed, 20) for seed, what in claims.battery(100)]
    assert [text for answer in answers for text in answer.overclaims] == []
    assert sum(bool(answer.refuted) for answer in answers) >= 3
    assert sum(bool(answer.steep) for answer in answers) >= 10


def test_the_battery_can_fail(claims):
    """A claim that contradicts what is true of a game counts."""
    game = tmf.games.resource_selection([1.0, 0.5], congestion=1.0, horizon=3, step=1).at()
    wrong = claims.ask(claims.Deception("x", game, claims.uniform(game), False, False, 9.0, 9.0), 0, 4)
    assert len(wrong.overclaims) == 5


def three_equilibria():
    """Congestion, but where .3 < mu(0) < .9 place 0 is worth more the fuller it is, up to .6."""
    size = 8

    def reward(mu):
        rewards = -mu
        if 0.3 < mu[0] < 0.9:
            rewards[0] += 4 * min(mu[0] - 0.3, 0.9 - mu[0])
        return np.repeat(rewards[:, None], size, axis=1)

    return tmf.Game(size, size, 2, 1.0, np.full(size, 1 / size), reward, np.eye(size)[None].repeat(size, axis=0))


def test_three_equilibria_are_no_proof_of_one():
    game = three_equilibria()
    for seed in range(10):
        found = monotonicity(game, tmf.Synchronous(), rng=seed)
        assert found.unique is None and found.verdict == "not monotone"
    few = monotonicity(game, tmf.Synchronous(), trials=2, rng=1)
    assert few.verdict == "no violation found" and "no violation found in 2 trials" in str(few) and few.unique is None


def test_rows_that_change_in_a_window_have_no_rigorous_bound():
    """[.62, .38], but [0, 1] while .622 < mu(0) < .634: the error is ten times what constant rows allow; it is found."""

    def transition(mu):
        row = [0.0, 1.0] if 0.622 < mu[0] < 0.634 else [0.62, 0.38]
        return np.array([[row], [row]])

    game = tmf.Game(2, 1, 6, 1.0, [0.62, 0.38], np.zeros((2, 1)), transition)
    found = bound(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 1000, rng=0)
    assert not found.rigorous and found.lipschitz.flow_kind == "lower bound"
    assert found.lipschitz.flow.max() > 10  # not near 0, which eight random points saw
    assert found.plot().get_legend().get_texts()[0].get_text() == "worst case (estimate)"


@pytest.mark.parametrize("kind", ["callable", "compiled", "joint", "typed", "given noise"])
def test_what_is_only_called_is_never_proved(kind):
    """Plain congestion, which is monotone: nobody but its author can know that."""
    size = 3

    def held(mu):
        return np.repeat(-mu[:, None], size, axis=1)

    moves = np.eye(size)[None].repeat(size, axis=0)
    game = tmf.Game(size, size, 3, 0.9, [0.5, 0.3, 0.2], held, lambda mu: moves)
    if kind == "joint":
        game = tmf.games.joint(size, n_actions=size, horizon=3, discount=0.9, initial=[0.5, 0.3, 0.2], reward=lambda law, mu, t: held(mu), transition=moves)
    elif kind == "typed":
        game = tmf.games.typed([game, game], shares=[0.5, 0.5])
    elif kind == "given noise":
        game = tmf.Game(size, size, 3, 0.9, [0.5, 0.3, 0.2], lambda mu, t, z: held(mu) + z, moves, noise=np.zeros(3))
    elif kind == "compiled":
        from bench.claims import compiled

        game = compiled(lambda mu, t: -mu, size, 3, np.array([0.5, 0.3, 0.2]))
    found = monotonicity(game, tmf.Synchronous(), trials=10, rng=0)
    assert found.verdict in ("no violation found", "not monotone") and found.unique is None
    constants = lipschitz(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), trials=10, rng=0)
    assert constants.reward_kind == "lower bound"
    declared = kind in ("typed", "given noise", "compiled") and game.model.constant_transition
    assert (constants.transition_kind == "exact") == declared


def test_a_policy_that_looks_has_no_exact_flow():
    game = tmf.Game(2, 2, 2, 1.0, [0.5, 0.5], np.zeros((2, 2)), np.eye(2)[None].repeat(2, axis=0))
    for policy in (lambda mu: np.full((2, 2), 0.5), tmf.SoftmaxPolicy(np.zeros((1, 2, 2, 3)))):
        found = bound(game, policy, tmf.Synchronous(), 50, trials=4)
        assert not found.rigorous and found.lipschitz.flow_kind == "lower bound"


@pytest.mark.parametrize("slope", [1e-3, 1e-12, 1e-15, 1e-17, 5e-324])
@pytest.mark.parametrize("level", [0.0, 1.0, 1e8])
def test_a_sign_near_rounding_is_that_of_the_coefficients(level, slope):
    """Declared slopes of +- slope beside a reward of any size: the sign decides, the size does not."""
    size, moves = 3, np.eye(3)[None].repeat(3, axis=0)
    # Adds nothing to the symmetric part, but is not local: rational arithmetic decides.
    cross = np.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]])

    def game(matrix):
        return tmf.games.affine(
            np.full((size, size), level), reward_mu=matrix[:, None].repeat(size, axis=1), transition0=moves, transition_mu=None, horizon=3, discount=1.0,
            initial=[0.5, 0.3, 0.2],
        )  # fmt: skip

    for skew in (0.0, cross):
        herd, crowd, flat = (monotonicity(game(x * np.eye(3) + skew), tmf.Synchronous(), trials=4, rng=0)
                             for x in (slope, -slope, 0.0))  # fmt: skip
        assert herd.verdict in ("no violation found", "not monotone") and herd.unique is None
        assert crowd.verdict == "strictly monotone" and crowd.unique is True
        assert flat.verdict == "monotone" and flat.unique is None


def test_a_slope_that_depends_on_the_action_is_never_semidefinite():
    """Differences of slopes lost in rounding of their difference still count."""
    slopes = -np.eye(3)[:, None].repeat(3, axis=1) * 1.0
    slopes[0, 1] += 1e10
    slopes[0, 1, 0] = np.nextafter(slopes[0, 1, 0], 2e10)
    game = tmf.games.affine(np.zeros((3, 3)), reward_mu=slopes, transition0=np.eye(3)[None].repeat(3, axis=0), transition_mu=None, horizon=3, discount=1.0,
                            initial=[0.5, 0.3, 0.2])  # fmt: skip
    assert monotonicity(game, tmf.Synchronous(), trials=4, rng=0).verdict in ("no violation found", "not monotone")


def test_local_congestion_needs_no_affinity():
    """A falling reward of one's own place is declared by the games that have one: proved for any size and power."""
    for game in (
        tmf.games.beach_bar(30, step=1).at(), tmf.games.crowd_motion(step=1).at(), tmf.games.building_evacuation(step=1).at(),
        tmf.games.resource_selection([1.0, 0.5, 0.2], congestion=1.0, power=3.0, step=1).at(),
    ):  # fmt: skip
        found = monotonicity(game, tmf.Fraction(0.5))
        assert found.verdict == "strictly monotone" and found.unique is True and found.trials == 0, game
        assert found.eigenvalues is None
        with pytest.raises(ValueError, match="nothing to draw"):
            found.plot()
    level = monotonicity(tmf.games.resource_selection([1.0, 0.5, 0.2], congestion=[1.0, 0.0, 0.0], step=1).at(), tmf.Synchronous())
    assert level.verdict == "monotone" and level.unique is None
    assert monotonicity(tmf.games.crowd_aversion(np.full((3, 2, 3), 1 / 3), congestion=0.0, step=1).at(), tmf.Synchronous()).verdict == "monotone"


def test_arrays_found_by_trying_prove_nothing():
    """assumed=True: the game is played as it is, copies and typed games know, and no word of proof is said."""
    import pickle

    arrays = (2, 2, 3, 0.9, [0.5, 0.5], [[1.0, 0.0], [0.0, 1.0]], np.eye(2)[None].repeat(2, axis=0))
    known, assumed = tmf.Game(*arrays), tmf.Game(*arrays, assumed=True)
    policy, schedule = tmf.TabularPolicy.uniform(known), tmf.Synchronous()
    assert bound(known, policy, schedule, 10).rigorous and monotonicity(known, schedule).verdict == "monotone"
    for game in (assumed, pickle.loads(pickle.dumps(assumed)), tmf.games.typed([assumed, known], shares=[0.5, 0.5])):
        found = bound(game, tmf.TabularPolicy.uniform(game), schedule, 10, trials=4, rng=0)
        assert game.assumed and not found.rigorous and found.lipschitz.reward_kind == "lower bound"
        answer = monotonicity(game, schedule, trials=4, rng=0)
        assert answer.verdict == "no violation found" and answer.transition_depends_on_mu is None
    np.testing.assert_array_equal(
        tmf.mean_field(assumed, policy, schedule).mu, tmf.mean_field(known, policy, schedule).mu
    )
    with pytest.raises(TypeError, match="assumed"):
        tmf.Game(*arrays, assumed="yes")


def test_a_promise_is_held_wherever_a_row_is_asked_for(claims):
    """Constant rows but for a window that the three points tried at the start do not meet."""
    import ctypes

    pointer = ctypes.POINTER(ctypes.c_double)
    signature = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, pointer, pointer, pointer, ctypes.c_void_p
    )

    def row(t, o, a, mu, probabilities, reward, user):
        probabilities[0] = 0.25 if 0.9 < mu[0] < 0.95 else 0.5
        probabilities[1] = 1 - probabilities[0]
        reward[0] = 0.0
        return 0

    function = signature(row)
    game = tmf.Game.compiled(ctypes.cast(function, ctypes.c_void_p).value, 2, 1, 3, 1.0, [0.5, 0.5], owner=function,
                             constant_transition=True)  # fmt: skip
    message = r"constant_transition is promised, but (passive_)?transition\[0, .*0\] is 0.25 at one"
    with pytest.raises(ValueError, match=message):
        game.tables([0.92, 0.08])
    for action in (0, -1):
        with pytest.raises(ValueError, match=message):
            game.model.row(np.array([0.92, 0.08]), 0, 0, action)
    report = tmf.testing.check_game(game, trials=400, rng=0, play=False)
    assert any(finding.code == "promise" for finding in report.errors)


@pytest.mark.parametrize(
    ("flag", "value"), [("affine", True), ("constant_reward", True), ("falling_reward", 1)]
)
def test_what_is_declared_is_held_against_the_tables(flag, value, monkeypatch):
    """A model whose flags are not true of it is an error of check_game; the same flags left out are none."""
    from tmfcore import testing
    from tmfcore.analysis._corners import Declared

    rising = tmf.Game(3, 3, 2, 1.0, [0.5, 0.3, 0.2], lambda mu: np.repeat(mu[:, None] ** 2, 3, axis=1),
                      np.eye(3)[None].repeat(3, axis=0), passive_reward=lambda mu: mu**2)  # fmt: skip
    assert not testing.check_game(rising, rng=0, play=False).errors
    nothing = Declared(False, False, False, 0)

    class Lying:
        @staticmethod
        def by(game):
            return nothing._replace(**{flag: value})

    monkeypatch.setattr("tmfcore.testing._looks.Declared", Lying)
    errors = testing.check_game(rising, rng=0, play=False).errors
    assert [finding.code for finding in errors] == ["declared"] and f"{flag} is declared" in errors[0].text


def test_everybody_at_one_place_and_a_single_place():
    """Lines from a corner to itself are no lines, and one observation has no slopes."""
    for size in (1, 2, 4):
        game = tmf.Game(size, 1, 3, 1.0, np.eye(size)[0], np.zeros((size, 1)), lambda mu: np.eye(len(mu))[:, None])
        found = lipschitz(game, lambda mu: np.ones((len(mu), 1)), tmf.Synchronous(), trials=150, rng=0)
        assert found.flow.shape == (3,) and found.transition == 0.0
        np.testing.assert_allclose(found.flow, float(size > 1), rtol=1e-6)
        monotonicity(game, tmf.Synchronous(), rng=0)
