"""Legal actions under Poisson clocks, in games made of others, and in files."""

import pickle

import numpy as np
import pytest

import tmfcore as tmf
from legal_cases import pair_of

SYNCHRONOUS = tmf.Synchronous()
LEGAL = np.array([[False, True, True], [True, True, False]])
GAIN = np.array([[np.nan, 1.0, 0.5], [0.2, 0.3, np.inf]])
MOVES = np.array([[[np.nan, np.nan], [0.5, 0.5], [1, 0]], [[0, 1], [1, 0], [-3, 9]]])


def narrow(table):
    """The legal part of a table (2, 3, ...)."""
    return table[LEGAL].reshape(2, 2, *table.shape[2:])


def test_poisson_clocks():
    pair = pair_of("sweeps")
    padded, compact = pair.padded.replace(step=None), pair.compact.replace(step=None)
    who = tmf.Poisson(1.0, most=5.0)
    wide, thin = pair.policy()
    one, other = tmf.evaluate(padded, wide, who), tmf.evaluate(compact, thin, who)
    np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pair.narrow(one.q), other.q, rtol=0, atol=1e-12)
    assert np.isnan(one.q[:, ~pair.legal]).all()
    best, wanted = tmf.best_response(padded, one.flow, who), tmf.best_response(compact, other.flow, who)
    np.testing.assert_array_equal(best.policy.table, pair.wide(wanted.policy.table))
    assert tmf.exploitability(padded, wide, who) == pytest.approx(tmf.exploitability(compact, thin, who), abs=1e-11)
    run = tmf.simulate(padded, wide, who, 20, replicas=10, rng=1)
    assert run.decisions.sum() > 0
    assert not run.decisions[..., ~pair.legal].any()
    found, sought = (tmf.solve(game, who, tolerance=1e-2) for game in (padded, compact))
    assert found.converged
    assert not found.policy.table[:, ~pair.legal].any()
    assert found.mean_return == pytest.approx(sought.mean_return, abs=1e-9)


@pytest.mark.parametrize("called", [False, True])
def test_games_of_the_joint_law(called):
    def joint(gain, moves, **legal):
        def reward(law, mu, t):
            return gain - law.sum(axis=1, keepdims=True)

        return tmf.games.joint(
            2, n_actions=gain.shape[1], horizon=3, discount=0.9, initial=[0.5, 0.5], reward=reward if called else gain,
            transition=(lambda law, mu, t: moves) if called else moves, **legal,
        )  # fmt: skip

    game, compact = joint(GAIN, MOVES, legal=LEGAL), joint(narrow(GAIN), narrow(MOVES))
    np.testing.assert_array_equal(game.legal[:2], LEGAL)
    assert game.legal[2:].all()
    one, other = (tmf.solve(each, SYNCHRONOUS) for each in (game, compact))
    assert one.converged
    assert one.mean_return == pytest.approx(other.mean_return, abs=1e-4 * abs(other.mean_return))
    _, law = tmf.games.by_half_step(game, one.flow.mu)
    assert not law[:, ~LEGAL].any()
    uniform = [tmf.evaluate(each, tmf.TabularPolicy.uniform(each), SYNCHRONOUS) for each in (game, compact)]
    assert uniform[0].mean_return == pytest.approx(uniform[1].mean_return, abs=1e-14)
    if not called:
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(game)).legal, game.legal)


@pytest.mark.parametrize("paths", [None, 30], ids=["tree", "paths"])
def test_random_noise(paths):
    """One policy for all paths gives illegal actions no weight, and earns what that of the game of legal actions does."""
    def noisy(gain, moves, **legal):
        chain = tmf.NoiseChain([0.5, 0.5], [[0.5, 0.5], [0.2, 0.8]])
        return tmf.Game(
            2, gain.shape[1], 3, 0.9, [0.5, 0.5], lambda mu, t, z: gain - (1 + z) * mu[:, None], moves, noise=chain, **legal
        )

    games = noisy(GAIN, MOVES, legal=LEGAL), noisy(narrow(GAIN), narrow(MOVES))
    for name in ("MirrorDescent", "FictitiousPlay"):
        options = {"paths": paths, "rng": 1, "tolerance": 0.5, "iterations": 20, "solver": name}
        found, sought = (tmf.solve(each, SYNCHRONOUS, **options) for each in games)
        assert not found.policy.table[..., ~LEGAL].any() and found.policy.table.min() == 0
        assert found.mean_return == pytest.approx(sought.mean_return, abs=1e-12)
        gaps = [tmf.exploitability(*each, SYNCHRONOUS, paths=20, rng=2).value for each in zip(games, (found, sought), strict=True)]
        assert gaps[0] == pytest.approx(gaps[1], abs=1e-12)
    wrong = tmf.NoisePolicy(np.full((2, *LEGAL.shape), 1 / LEGAL.shape[1]))
    with pytest.raises(ValueError, match=r"must be 0: game.legal\[0, 0\] is False"):
        tmf.mean_field(games[0], wrong, SYNCHRONOUS)


def test_types_keep_their_legal_actions_and_lack_those_of_others():
    first = tmf.Game(2, 3, 3, 0.9, [0.5, 0.5], GAIN, MOVES, legal=LEGAL)
    second = tmf.Game(1, 1, 3, 0.9, [1.0], [[0.5]], [[[1.0]]])
    game = tmf.games.typed([first, second], shares=[0.25, 0.75], coupling=np.eye(2))
    np.testing.assert_array_equal(game.legal, [*LEGAL, [True, False, False]])
    uniform = tmf.evaluate(game, tmf.TabularPolicy.uniform(game), SYNCHRONOUS).mean_return
    parts = [tmf.evaluate(each, tmf.TabularPolicy.uniform(each), SYNCHRONOUS).mean_return for each in (first, second)]
    assert uniform == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], abs=1e-14)


@pytest.mark.parametrize("kind", ["arrays", "affine"])
def test_a_game_in_a_file(kind, tmp_path):
    from tmfcore.games import gamefile

    path = tmp_path / "game.toml"
    names = {"arrays": ("reward", "transition"), "affine": ("reward0", "transition0")}[kind]
    sizes = "n_observations = 2\nn_actions = 2\n"
    if kind == "affine":
        sizes = (
            "reward_mu = [[[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]\n"
            "transition_mu = [[[[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [nan, 0.0]]], "
            "[[[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]]\n"
        )
    path.write_text(
        f'[game]\nkind = "{kind}"\nhorizon = 3\ndiscount = 0.9\ninitial = [0.5, 0.5]\n{sizes}'
        f"{names[0]} = [[0.0, nan], [0.1, 0.2]]\n{names[1]} = [[[1, 0], [0, 0]], [[0.5, 0.5], [0, 1]]]\n"
        "legal = [[true, false], [true, true]]\n"
    )
    game = gamefile.read(path)
    np.testing.assert_array_equal(game.legal, [[True, False], [True, True]])
    assert tmf.solve(game, SYNCHRONOUS).converged
