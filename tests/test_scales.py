"""The unit of reward means nothing: a game times c is the same game, with values times c."""

import warnings

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.solvers import MFOMO, FictitiousPlay, FixedPoint, Homotopy, MirrorDescent, PriorDescent, Stationary

S, A, T = 3, 3, 6
RNG = np.random.default_rng(3)
GAIN, STAND, CROWD = RNG.normal(size=(S, A)), RNG.normal(size=S), np.abs(RNG.normal(size=S))
ROWS = RNG.dirichlet(np.ones(S), size=(S, A))
START = np.array([0.5, 0.3, 0.2])
CIRCLE = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
HALF = tmf.Fraction(0.5)


def fixed(c):
    return tmf.Game(S, A, T, 0.9, START, c * GAIN, ROWS, passive_reward=c * STAND)


def crowded(c):
    return tmf.Game(
        S, A, T, 0.9, START, lambda mu: c * (GAIN - (CROWD * mu)[:, None]), ROWS, passive_reward=lambda mu: -c * (CROWD * mu)
    )


def affine(c):
    return tmf.games.affine(
        c * GAIN, reward_mu=None, transition0=ROWS, transition_mu=None, passive_reward0=c * STAND,
        passive_reward_mu=-c * np.diag(CROWD), horizon=T, discount=0.9, initial=START,
    )  # fmt: skip


def circle(c):
    """Zero-sum: at the equilibrium all rewards are 0, and so are returns."""
    moves = np.broadcast_to(np.eye(3), (3, 3, 3))
    return tmf.Game(3, 3, T, 1.0, START, np.zeros((3, 3)), moves, passive_reward=lambda mu: c * (CIRCLE @ mu))


def circle_at_rest(c):
    """The same from its equilibrium: every reward on the way is rounding."""
    return circle(c).replace(initial=np.full(3, 1 / 3))


GAMES = {"fixed": fixed, "crowded": crowded, "affine": affine, "circle": circle, "circle at rest": circle_at_rest}
SOLVERS = {
    "MirrorDescent": MirrorDescent(iterations=30), "Homotopy": Homotopy(iterations=20), "FixedPoint": FixedPoint(iterations=20),
    "FictitiousPlay": FictitiousPlay(iterations=30), "PriorDescent": PriorDescent(iterations=30), "MFOMO": MFOMO(iterations=3),
    "Stationary": Stationary(iterations=30),
}  # fmt: skip
BINARY = [2.0**e for e in (-700, -60, 60, 700)]
DECIMAL = [1e-300, 1e-150, 1e-12, 1e12, 1e150, 1e300]


def solved(name, game):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tmf.ConvergenceWarning)
        return SOLVERS[name].solve(game, HALF)


#: Stationary needs a discount < 1.
PAIRS = [(kind, name) for kind in GAMES for name in SOLVERS if not (name == "Stationary" and "circle" in kind)]


@pytest.mark.parametrize(("kind", "name"), PAIRS)
@pytest.mark.broad(6)
def test_powers_of_two_give_the_same_bits(kind, name):
    made = GAMES[kind]
    plain = solved(name, made(1.0))
    for c in BINARY:
        found = solved(name, made(c))
        np.testing.assert_array_equal(found.policy.table, plain.policy.table)
        assert found.converged == plain.converged, found.reason
        assert len(found.history["iteration"]) == len(plain.history["iteration"])
        if kind != "circle at rest":  # rounding of 0 has no scale
            assert found.exploitability == c * plain.exploitability and found.mean_return == c * plain.mean_return


@pytest.mark.parametrize("name", ["MirrorDescent", "FixedPoint", "FictitiousPlay", "PriorDescent", "Stationary"])
@pytest.mark.parametrize("kind", ["fixed", "crowded", "affine"])
def test_any_factor_gives_the_same_policy(kind, name):
    plain = solved(name, GAMES[kind](1.0))
    for c in DECIMAL:
        found = solved(name, GAMES[kind](c))
        np.testing.assert_allclose(found.policy.table, plain.policy.table, rtol=0, atol=1e-12)
        assert found.converged == plain.converged
        assert found.exploitability / c == pytest.approx(plain.exploitability, rel=1e-9, abs=1e-14)
        assert found.mean_return / c == pytest.approx(plain.mean_return, rel=1e-12)


@pytest.mark.parametrize("kind", GAMES)
def test_solve_decides_alike(kind):
    """By default, in turns; Homotopy follows a path of rounding-dependent length, so that tables differ by what it allows."""
    plain = tmf.solve(GAMES[kind](1.0), HALF)
    assert plain.converged
    for c in DECIMAL[1:-1]:
        found = tmf.solve(GAMES[kind](c), HALF)
        assert found.converged and found.solver["name"] == plain.solver["name"]
        assert found.exploitability / c < 1e-3


def verbs(game):
    policy = np.array([[0.2, 0.3, 0.5]] * 3)
    flow = tmf.mean_field(game, policy, HALF)
    yield "evaluate", tmf.evaluate(game, policy, HALF).mean_return
    yield "exploitability", tmf.exploitability(game, policy, HALF)
    yield "best response", tmf.best_response(game, flow, HALF).values
    for engine in ("counts", "agents"):
        yield engine, tmf.simulate(game, policy, HALF, 40, replicas=3, rng=1, engine=engine).returns
    yield "finite", tmf.finite_exploitability(game, policy, HALF, 20, replicas=4, rng=1).value


@pytest.mark.parametrize("kind", ["fixed", "crowded", "affine"])
def test_values_are_multiplied(kind):
    plain = dict(verbs(GAMES[kind](1.0)))
    for c in BINARY:
        for name, value in verbs(GAMES[kind](c)):
            np.testing.assert_array_equal(value, c * np.asarray(plain[name]), err_msg=name)
    for c in DECIMAL:
        for name, value in verbs(GAMES[kind](c)):
            np.testing.assert_allclose(np.asarray(value) / c, plain[name], rtol=1e-11, atol=1e-13, err_msg=name)


def test_an_absolute_tolerance_is_in_units_of_return():
    found = MirrorDescent(tolerance=None, absolute_tolerance=1e-3).solve(crowded(1.0), HALF)
    assert found.converged and found.reason.startswith("absolute exploitability")
    with pytest.warns(tmf.ConvergenceWarning):
        MirrorDescent(tolerance=None, absolute_tolerance=1e-3, iterations=2).solve(crowded(1e9), HALF)


def test_zero_sum_games_meet_the_tolerance_by_their_scale():
    found = tmf.solve(circle(1.0), HALF)
    assert found.converged and "of the scale of returns" in found.reason
    assert found.exploitability <= 1e-4 * 1e-5 * T


def huge(mu, t):
    """Too large from step 2 on, at observation 1."""
    return np.array([[0.0] * A, [1e308 if t >= 2 else 0.0] * A, [0.0] * A])


OVERFLOWING = {
    "evaluate": lambda game: tmf.evaluate(game, np.full((S, A), 1 / 3), HALF),
    "exploitability": lambda game: tmf.exploitability(game, np.full((S, A), 1 / 3), HALF),
    "counts": lambda game: tmf.simulate(game, np.full((S, A), 1 / 3), HALF, 40, rng=1),
    "agents": lambda game: tmf.simulate(game, np.full((S, A), 1 / 3), HALF, 40, rng=1, engine="agents"),
    "finite": lambda game: tmf.finite_exploitability(game, np.full((S, A), 1 / 3), HALF, 40, replicas=2, rng=1),
} | {name: lambda game, name=name: solved(name, game) for name in SOLVERS if name != "Stationary"}


@pytest.mark.parametrize("name", OVERFLOWING)
def test_rewards_that_overflow_are_named_by_step_and_observation(name):
    game = tmf.Game(S, A, 12, 1.0, START, huge, ROWS)
    with pytest.raises(ValueError, match=r"step t = \d+, observation \d.*") as caught:
        OVERFLOWING[name](game)
    assert "must be finite" in str(caught.value)
    if name in ("counts", "agents"):
        assert "(up to 1e+308 at step t = 2, observation 1)" in str(caught.value)
