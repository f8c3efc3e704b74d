"""What belongs together has one fingerprint, and nothing else has."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._model import fingerprint as _fingerprint
from tmfcore._model.fingerprint import LIMIT, PARTS, Fingerprint, digest_of, same

EYE = np.eye(2)[None].repeat(2, 0)


def arrays(reward=((1.0, 0.0), (0.0, 1.0)), **changes):
    settings = {"horizon": 5, "discount": 0.9, "initial": [0.5, 0.5], "transition": EYE, "reward": reward} | changes
    return tmf.Game(2, 2, **settings)


def crowded(slope=1.0, bump=0.0, **changes):
    def reward(mu, t):
        return np.repeat(-slope * mu[:, None], 2, axis=1) + bump * (t == 3)

    return arrays(reward, **changes)


def test_equal_games_have_one_digest():
    for make in (arrays, crowded, lambda: tmf.games.queueing((0.1, 0.2), step=1).at(), lambda: tmf.games.garnet(5, horizon=4, step=1).at()):
        assert digest_of(make()) == digest_of(make()) and len(digest_of(make())) == 16
        assert digest_of(pickle.loads(pickle.dumps(tmf.games.queueing((0.1,), step=1).at()))) == digest_of(
            tmf.games.queueing((0.1,), step=1).at()
        )


@pytest.mark.parametrize("make", [arrays, crowded])
def test_any_change_makes_another_digest(make):
    kind = {"reward": ((1.0, 0.0), (0.0, 1.0 + 1e-15))} if make is arrays else {"slope": 1.0 + 1e-8}
    games = [
        make(), make(horizon=6), make(discount=0.8), make(initial=[0.4, 0.6]), make(transition=EYE[::-1][:, ::-1]),
        make(passive_reward=1e-3), make(passive_transition=np.full((2, 2), 0.5)), make(**kind),
    ]  # fmt: skip
    assert len({digest_of(game) for game in games}) == len(games)
    assert len({digest_of(crowded(bump=bump)) for bump in (0.0, 1e-6, 1.0)}) == 3, "a step alone tells games apart"


def test_tables_of_small_games_are_rounded_together(monkeypatch):
    """A call of numpy a table would cost milliseconds; the digest is that of each pair alone."""
    whole = [digest_of(make()) for make in (crowded, lambda: tmf.games.beach_bar(30, step=1).at(), lambda: failing_off(0.5))]
    calls, rounded = [], _fingerprint._rounded
    monkeypatch.setattr(_fingerprint, "_rounded", lambda tables: calls.append(tables.shape) or rounded(tables))
    digest_of(crowded())
    assert [shape[0] for shape in calls] == [20] * 4
    monkeypatch.setattr(_fingerprint, "BLOCK", 1)
    alone = [digest_of(make()) for make in (crowded, lambda: tmf.games.beach_bar(30, step=1).at(), lambda: failing_off(0.5))]
    assert alone == whole and calls[-1][0] == 1


def failing_off(share):
    """A game that is not defined where half of the agents are at each place, and starts elsewhere."""

    def reward(mu, t):
        if mu[0] == share:
            raise ZeroDivisionError("nobody is ever here")
        return -np.repeat(mu[:, None], 2, axis=1)

    return arrays(reward, initial=[0.25, 0.75])


def test_shipped_games_of_one_shape_differ():
    games = [tmf.games.queueing((0.1, 0.2, 0.3), step=1).at(), tmf.games.queueing((0.1, 0.2, 0.31), step=1).at()]
    games += [tmf.games.resource_selection((1.0, 0.8, slope), congestion=1.0, step=1).at() for slope in (0.6, 0.4)]
    games += [tmf.games.garnet(5, horizon=4, rng=seed, step=1).at() for seed in range(5)]
    assert len({digest_of(game) for game in games}) == len(games)


def test_a_path_of_noise_belongs_to_the_game():
    dry = arrays(lambda mu, t, z: np.full((2, 2), z), noise=np.zeros(5))
    assert digest_of(dry) != digest_of(dry.replace(noise=[0, 0, 0, 0, 1e-9]))
    assert digest_of(dry) == digest_of(dry.replace(noise=np.zeros(5)))


def test_another_process_finds_the_same_digest():
    code = "import tmfcore as tmf; from tmfcore._model.fingerprint import digest_of as d; print(d(tmf.games.beach_bar(9)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == digest_of(tmf.games.beach_bar(9))


def test_last_bits_of_a_callable_do_not_matter():
    values = np.random.default_rng(1).uniform(size=(2, 2))
    assert digest_of(arrays(lambda mu: values)) == digest_of(arrays(lambda mu: values * (1 + 2**-52)))
    assert digest_of(arrays(lambda mu: values - values)) == digest_of(arrays(lambda mu: values * 3 - values * 3))


def test_a_game_that_fails_off_its_path_has_a_digest():
    def reward(mu):
        if mu[0] != 0.5:
            raise RuntimeError("never there")
        return np.zeros((2, 2))

    assert digest_of(arrays(reward)) == digest_of(arrays(reward))


def test_a_digest_is_asked_for_late_and_once(monkeypatch):
    calls = []
    monkeypatch.setattr(_fingerprint, "_parts", lambda game: calls.append(game) or iter(()))
    game = crowded()
    flow = Fingerprint.of(game, tmf.Synchronous())
    same("flow", flow, Fingerprint.of(game, tmf.Synchronous()), LIMIT)
    assert not calls
    digest_of(game), digest_of(game)
    assert len(calls) == 1


def test_schedules_are_the_same_where_the_same_agents_act():
    game = arrays()

    def of(schedule, n_agents=None):
        return Fingerprint.of(game, schedule, n_agents)

    assert of(tmf.Batch(1), 10) == of(tmf.Sequential(), 10) == of(tmf.Batch(np.ones(5, int)), 10)
    assert of(tmf.Synchronous(), 10) == of(tmf.Fraction(1.0), 10)
    assert of(tmf.Fraction(0.1), 10) != of(tmf.Bernoulli(0.1), 10)
    assert of(tmf.Sequential(), 10) != of(tmf.Sequential(), 11)
    same("flow", of(tmf.Batch(100), 1000), of(tmf.Bernoulli(0.1)), LIMIT)
    with pytest.raises(ValueError, match=r"flow is of a game without a name under B=1 with N = 10; must be .* N = 11"):
        same("flow", of(tmf.Sequential(), 10), of(tmf.Sequential(), 11), LIMIT)


def test_an_error_names_both_and_what_differs():
    one = Fingerprint.of(tmf.games.queueing((0.1, 0.2), step=1).at(), tmf.Sequential(), 10)
    other = Fingerprint.of(tmf.games.beach_bar(5, step=1).at(), tmf.Synchronous(), 20)
    with pytest.raises(
        ValueError,
        match=r"run is of game 'queueing' under B=1 with N = 10; must be of game 'beach.bar' under B=N with N = 20 "
        r"\(game and schedule and N differ\)",
    ):
        same("run", one, other, PARTS)
    twin = Fingerprint.of(tmf.games.queueing((0.1, 0.3), step=1).at(), tmf.Sequential(), 10)
    with pytest.raises(ValueError, match=r"the games have digests [0-9a-f]{16} and [0-9a-f]{16}"):
        same("run", one, twin)
    with pytest.raises(ValueError, match="run has no fingerprint"):
        same("run", None, one)
    with pytest.raises(ValueError, match="the result that run is combined with has no fingerprint"):
        same("run", one, None)


def test_it_survives_files_and_pickles():
    one = Fingerprint.of(tmf.games.queueing((0.1, 0.2), step=1).at(), tmf.Batch(3), 10, "always")
    for again in (pickle.loads(pickle.dumps(one)), Fingerprint._from_state(one._state())):
        assert again == one and str(again) == str(one)
        same("again", again, one, (*PARTS, "fractions", "clock"))
    assert one != Fingerprint.of(tmf.games.queueing((0.1, 0.2), step=1).at(), tmf.Batch(3), 10, "schedule")
