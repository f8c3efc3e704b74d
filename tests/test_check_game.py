"""check_game: a sound game has no findings; a game broken in one way has that finding; nothing is raised."""

import ctypes
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
import tmfcore as tmf
from tmfcore._model.compiled_model import CompiledModel
from tmfcore.testing import _looks, _probe, check_game

DOUBLES = ctypes.POINTER(ctypes.c_double)
ROW = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, DOUBLES, DOUBLES, DOUBLES, ctypes.c_void_p)
MOVES = np.eye(3)[[[0, 1, 2]] * 3]  # action a leads to observation a
LABELS = {"name": "lanes", "observation_labels": ["left", "middle", "right"], "action_labels": ["l", "m", "r"]}


def crowd(mu):
    return -mu


def lanes(reward=None, moves=MOVES, initial=(1, 0, 0), **options):
    """Three lanes; who is in a crowd loses."""
    reward = (lambda mu: np.repeat(-mu[:, None], 3, axis=1)) if reward is None else reward
    return tmf.Game(3, 3, 12, 0.9, initial, reward, moves, **{"passive_reward": crowd, **LABELS, **options})


def codes(report):
    return {finding.code for finding in report.findings}


def test_a_sound_game_has_no_findings():
    report = check_game(lanes(), rng=1)
    assert report.findings == () and report.ok and report.trials == 25
    assert report.depends_on_mu == ("reward", "passive_reward") and report.depends_on_time == ()
    report.raise_errors()
    assert str(report).splitlines()[0].endswith("0 errors and 0 remarks in 25 trials")


@pytest.mark.parametrize("game", [tmf.games.queueing((0.5, 0.3), step=1).at(), tmf.games.resource_selection((1.0, 0.5), congestion=1.0, step=1).at(),
                                  tmf.games.beach_bar(20, step=1).at()], ids=lambda game: game.name)  # fmt: skip
def test_built_in_games_have_no_findings(game):
    assert check_game(game, trials=5, rng=1).findings == ()


def bad_row(mu):
    rows = MOVES.copy()
    rows[1, 1, 1] = 1.5 if mu[2] > 0.4 else 1.0
    return rows


class Drawing:
    """Rewards with noise of their own."""

    def __init__(self):
        self.rng = np.random.default_rng(1)

    def __call__(self, mu):
        return self.rng.normal(size=(3, 3))


def failing(mu):
    if mu[1] == 1.0:
        raise ZeroDivisionError("nobody is left")
    return np.zeros((3, 3)) - mu[:, None]


def infinite(mu):
    with np.errstate(divide="ignore"):
        return np.log(mu)[:, None] + np.zeros(3)


def jumping(mu):
    return np.zeros((3, 3)) + (1.0 if mu[0] > 0.3 else 0.0)


def unequal_rows():
    """Rows asked for alone differ from the tables: the function counts its calls."""
    calls = [0]

    @ROW
    def row(t, o, a, mu, probabilities, reward, user):
        calls[0] += 1
        for x in range(3):
            probabilities[x] = float(x == (o if a < 0 else a))
        reward[0] = mu[o] + (calls[0] % 12 == 0 and a >= 0)
        return 0

    return tmf.Game.compiled(row, 3, 3, 12, 0.9, [1, 0, 0], **LABELS)


class Unkept(CompiledModel):
    """A model that promises what it does not keep, without the check that Game.compiled makes."""


def unkept(local=False, **promises):
    @ROW
    def row(t, o, a, mu, probabilities, reward, user):
        probabilities[0], probabilities[1] = 1 - 0.5 * mu[1], 0.5 * mu[1]
        reward[0] = mu[o if local else (o + 1) % 3] * (a + 2)
        return 0

    successors = np.broadcast_to([0, 1], (3, 3, 2))
    model = Unkept(3, 3, ctypes.cast(row, ctypes.c_void_p).value, successors, successors[:, 0], None, row, **promises)
    return tmf.Game.from_model(model, 12, 0.9, [1 / 3, 1 / 3, 1 / 3], **LABELS)


def chaotic(mu):
    """The tent map, steep: small differences grow."""
    x = mu[1]
    up = min(1.0, 30 * abs(((x * 7) % 1.0) - 0.5) / 15)
    rows = np.zeros((3, 3, 3))
    rows[..., 0], rows[..., 1] = 1 - up, up
    return rows


BROKEN = {
    "rows that do not sum to 1": (lambda: lanes(moves=bad_row), "error", "rows", r"transition\(mu, t=\d+\)\[1, 1\] sums to 1.5"),
    "rewards that are infinite": (lambda: lanes(infinite, initial=[0.5, 0.25, 0.25]), "error", "rows", "must be finite"),
    "an exception": (lambda: lanes(failing), "error", "raises", "ZeroDivisionError: nobody is left"),
    "noise": (lambda: lanes(Drawing()), "error", "repeatable", "at the same mu"),
    "rows unlike the tables": (unequal_rows, "error", "repeatable by_row", ""),
    "a kernel promised constant": (lambda: unkept(constant_transition=True), "error", "promise", "constant_transition"),
    "a reward promised local": (lambda: unkept(local_passive_reward=True), "error", "promise", "local_passive_reward"),
    "a reward promised separable": (lambda: unkept(local=True, local_passive_reward=True, separable_reward=True), "error", "promise", "separable_reward"),
    "large rewards": (lambda: lanes(lambda mu: np.full((3, 3), 1e9) * mu[0]), "remark", "ranges", r"1e\+09"),
    "a jump": (lambda: lanes(jumping), "remark", "smooth", r"reward\[0, 0\] jumps from [01] to [01] near mu"),
    "no mu": (lambda: lanes(np.zeros((3, 3)), passive_reward=1.0), "remark", "mu", "nothing depends on mu"),
    "time": (lambda: lanes(lambda mu, t: np.full((3, 3), float(t)) - mu[0]), "remark", "time", "reward change"),
    "free waiting": (lambda: lanes(passive_reward=0.0), "remark", "passive", "earn nothing and pay nothing"),
    "a lane nobody reaches": (lambda: lanes(moves=np.eye(3)[[[0, 1, 1]] * 3]), "remark", "reach", "observation 2 .1 of 3"),
    "no labels": (lambda: lanes(name="", observation_labels=None, action_labels=None), "remark", "labels", "observation or action"),
    "a game whose limit is not followed": (lambda: lanes(moves=chaotic), "remark", "limit", "10000 agents are"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_game_is_found_out(name):
    make, kind, code, text = BROKEN[name]
    report = check_game(make(), rng=1)
    found = [finding for finding in report.findings if finding.code in code.split()]
    assert found, str(report)
    assert all(finding.kind == kind for finding in found)
    assert any(re.search(text, finding.text) for finding in found), str(report)
    assert report.ok is (kind == "remark")
    assert str(found[0]) in str(report)
    if kind == "error":
        with pytest.raises(ValueError, match=f"error \\({found[0].code}\\)"):
            report.raise_errors()
    else:
        assert found[0] in report.remarks
        report.raise_errors()


@settings(max_examples=20)
@given(strategies.games(), st.integers(0, 2**32 - 1))
def test_valid_games_have_no_errors(spec, seed):
    report = check_game(spec.build(), trials=4, rng=seed, play=False)
    assert report.ok, str(report)
    assert "smooth" not in codes(report), str(report)


@settings(max_examples=20)
@given(strategies.games(compiled=False), st.integers(0, 2**32 - 1), st.data())
def test_one_bad_cell_is_found(spec, seed, data):
    """One row of a valid game is spoilt wherever mu(0) is above a threshold that the trials cross."""
    game = spec.build()
    o = data.draw(st.integers(0, game.n_observations - 1))
    a = data.draw(st.integers(0, game.n_actions - 1))
    armed = []

    def transition(mu, t):
        rows = np.array(game.model.tables(mu, t)[1])
        if armed and mu[0] > 0.5:
            rows[o, a, 0] += 0.25
        return rows

    spoilt = tmf.Game(game.n_observations, game.n_actions, game.horizon, game.discount, game.initial,
                      lambda mu, t: game.model.tables(mu, t)[0], transition, successors=game.successors)  # fmt: skip
    armed.append(True)
    report = check_game(spoilt, trials=4, rng=seed, play=False)
    assert "rows" in codes(report) and not report.ok
    assert f"[{o}, {a}] sums to 1.25" in report.errors[0].text


def test_arguments():
    with pytest.raises(TypeError, match="game"):
        check_game("lanes")
    with pytest.raises(ValueError, match="trials"):
        check_game(lanes(), trials=0)
    with pytest.raises(TypeError, match="play"):
        check_game(lanes(), play=1)


def test_a_report_depends_on_the_seed_alone():
    assert check_game(lanes(jumping), rng=3) == check_game(lanes(jumping), rng=3)


@pytest.mark.parametrize(("odd", "who"), [(-1, "passive"), (0, "action 0"), (2, "action 2")])
def test_a_row_unlike_the_tables_is_named(odd, who, monkeypatch):
    asked = _looks.asked

    def other(ask, *at):
        found = asked(ask, *at)
        return found if len(at) == 2 else (found[0], found[1] + (at[-1] == odd))

    game = tmf.games.resource_selection((1.0, 0.5, 0.2), congestion=1.0, step=1).at()
    monkeypatch.setattr(_looks, "asked", other)
    (found,) = [finding for finding in check_game(game, rng=1).findings if finding.code == "by_row"]
    assert re.match(rf"the row of observation \d, {who} is \[1\.\] with reward ", found.text)


def test_what_fails_is_counted_and_its_distribution_shown():
    (found,) = check_game(lanes(failing), rng=1).errors
    assert re.fullmatch(r"at t=0 and mu = \[0, 1, 0\]: ZeroDivisionError: nobody is left \(\d+ of \d+ trials\)", found.text)
    failed, asked = map(int, re.search(r"\((\d+) of (\d+) trials", found.text).groups())
    assert 0 < failed < asked
    assert _looks.short(np.array([0.5, 0.25, 0.125, 0.125])) == "[0.5, 0.25, 0.125, 0.125]"
    assert _looks.short(np.array([0.5, 0.0, 0.125, 0.125, 0.25])) == "mostly 0.5 at 0, 0.25 at 4, 0.125 at 2"
    assert _looks.short(np.array([0.0, 0.0, 1.0, 0.0, 0.0])) == "mostly 1 at 2"


def test_trials_are_what_their_page_says():
    """The start, uniform, one for each place, then drawn ones, of which every fourth leaves places empty."""
    game = lanes()
    mus = _probe.distributions(game, 13, np.random.default_rng(1))
    assert len(mus) == 2 + 3 + 13
    np.testing.assert_array_equal(mus[:5], [[1, 0, 0], [1 / 3] * 3, *np.eye(3)])
    np.testing.assert_allclose(np.sum(mus, axis=1), 1, rtol=1e-15)
    large = tmf.games.beach_bar(40, step=1).at()
    drawn = _probe.distributions(large, 13, np.random.default_rng(1))[2 + 13 :]
    assert [i for i, mu in enumerate(drawn) if np.sum(mu == 0) > 10] == [3, 7, 11]
