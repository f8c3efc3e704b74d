"""What holds for every game of the shelf, and that each is entered, tested and told of: see docs/architecture.md."""

import ast
import functools
import importlib
import importlib.util
import inspect
import pickle
import pkgutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import tmfcore as tmf
from tmfcore._model.fingerprint import digest_of
from tmfcore.cli.app import app
from tmfcore.games import SHELF, _shelf, gamefile

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
every = pytest.mark.parametrize("name", sorted(SHELF))
in_a_tree = pytest.mark.skipif(not (ROOT / "bench" / "gallery.py").is_file(), reason="not in a source tree")


@pytest.fixture(scope="module")
def gallery():
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "bench" / "gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ------------------------------------------------------------------------------------------------- what all of them do


@every
def test_it_is_what_it_says(name):
    """No error in a thousand looks; nothing that nobody can reach, no missing labels, no promise that does not hold."""
    report = tmf.testing.check_game(SHELF[name].small(), trials=6, rng=1)
    assert not report.errors, str(report)


@every
def test_it_has_the_name_of_its_function(name):
    entry = SHELF[name]
    assert entry.name == entry.small().name == name
    assert getattr(tmf.games, name) is entry.make
    first = entry.about[0]
    assert first.isupper() and entry.about.endswith(".") and entry.summary


@every
def test_it_is_pickled(name):
    game = SHELF[name].small().at(step=1)
    again = pickle.loads(pickle.dumps(game))
    assert (again.name, again.horizon, again.discount, again.step) == (name, game.horizon, game.discount, game.step)
    assert (again.observation_labels, again.action_labels) == (game.observation_labels, game.action_labels)
    one, other = (each.at(step=0.5) if each.time == "sweeps" else each for each in (game, again))
    for t in (0, one.n_steps - 1):
        for first, second in zip(one.tables(game.initial, t), other.tables(game.initial, t), strict=True):
            np.testing.assert_array_equal(first, second)


@functools.cache
def small_digest(name):
    return digest_of(SHELF[name].small())


@every
def test_it_is_known_again(name):
    """Two that are made alike have one fingerprint, and no other game has it."""
    digest = digest_of(SHELF[name].small())
    assert [other for other in SHELF if small_digest(other) == digest] == [name]


@every
@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(3), tmf.Sequential()])
def test_nobody_is_lost(name, engine, schedule):
    game = SHELF[name].small()
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), schedule, 37, replicas=2, engine=engine, rng=1)
    assert (run.counts >= 0).all() and (run.counts.sum(axis=-1) == 37).all()
    assert np.isfinite(run.returns).all()


@every
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.3)])
def test_best_responses_are_best(name, schedule):
    """Against its own flow: no policy gains more, the uniform one among them, and the flow is one of shares."""
    game = SHELF[name].small()
    uniform = tmf.TabularPolicy.uniform(game)
    flow = tmf.mean_field(game, uniform, schedule)
    np.testing.assert_allclose(flow.mu.sum(axis=1), 1.0, atol=1e-12)
    best, values = tmf.best_response(game, flow, schedule)
    own = tmf.evaluate(game, uniform, schedule).values
    assert (values >= own - 1e-12 * (1 + np.abs(own))).all()
    gap = tmf.exploitability(game, uniform, schedule)
    assert gap == pytest.approx(game.initial @ (values[0] - own[0]), abs=1e-10)
    played = tmf.evaluate(game, best, schedule, flow=flow).values
    np.testing.assert_allclose(played[0][game.initial > 0], values[0][game.initial > 0], atol=1e-10)


@every
def test_two_types_of_one_game_are_that_game(name):
    """Of any game, played by agents of two types who see everybody: shares and returns add up to those of the game."""
    game = SHELF[name].small()
    whole = tmf.games.typed([game, game], shares=[0.3, 0.7])
    flows = [tmf.mean_field(one, tmf.TabularPolicy.uniform(one), tmf.Fraction(0.5)) for one in (game, whole)]
    parts = tmf.games.by_type(whole, flows[1])
    np.testing.assert_allclose(sum(parts.values()), flows[0].mu, atol=1e-12)
    returns = [tmf.evaluate(one, tmf.TabularPolicy.uniform(one), tmf.Fraction(0.5)).mean_return for one in (game, whole)]
    assert returns[1] == pytest.approx(returns[0], rel=1e-12)


@every
def test_it_is_analysed(name):
    """Each analysis takes it, and a verdict of "not monotone" comes with what shows it."""
    game = SHELF[name].small()
    found = tmf.analysis.monotonicity(game, tmf.Fraction(0.5), trials=20, rng=1)
    assert (found.verdict == "not monotone") == (found.violation is not None)
    constants = tmf.analysis.lipschitz(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5), trials=3, rng=1)
    assert np.isfinite(constants.flow).all() and (constants.flow >= 0).all()


# --------------------------------------------------------------------------------------- entered, tested, and told of


def unentered():
    """Modules of the shelf that enter no game, and functions there that return one and are not entered."""
    entered = {entry.make.__module__ for entry in SHELF.values()}
    for found in pkgutil.iter_modules(tmf.games.__path__, "tmfcore.games."):
        if found.name.rpartition(".")[2][0] == "_" or found.name == gamefile.__name__:
            continue
        if found.name not in entered:
            yield found.name
        module = importlib.import_module(found.name)
        for name in module.__all__:
            thing = getattr(module, name)
            returns = inspect.signature(thing).return_annotation if inspect.isfunction(thing) else None
            if returns in ("Game", tmf.Game) and name not in SHELF:
                yield f"{found.name}.{name}"


def untested(folder=TESTS):
    """Games that no test file is named after or imports by name: those that run through the shelf do not count."""
    imported = set()
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("test_*.py")]
    for text in (text for text in texts if "from tmfcore.games" in text):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tmfcore.games"):
                imported |= {alias.name for alias in node.names}
    return [name for name in SHELF if name not in imported and not (folder / f"test_{name}.py").is_file()]


def test_every_game_is_entered():
    assert not list(unentered()), "decorate the function with @shelf(...), see tmfcore/games/_shelf.py"


def test_every_game_has_a_test():
    assert not untested(), "write tests/test_NAME.py"


@in_a_tree
def test_every_list_of_games_has_all_of_them(gallery):
    for path in gallery.LISTS:
        assert path.read_text(encoding="utf-8") == gallery.with_list(path), "run `python -m bench.gallery --lists`"


def test_files_describe_all_games_that_are_not_made_of_games():
    assert set(gamefile.kinds()) == {"arrays", *SHELF} - {"typed"}


# -------------------------------------------------------------------------------------------------------- one game more

ONE_MORE = '''\
"""Dice."""

from tmfcore._model.game import Game
from tmfcore.games._shelf import Page, shelf

__all__ = ["throwaway"]


@shelf("Two dice.", small={"n_sides": 2}, page=Page("Nothing happens."))
def throwaway(n_sides: int = 6, *, horizon: int = 2) -> Game:
    """Dice with as many sides as one likes."""
    return Game(n_sides, 1, horizon, 1.0, [1] + [0] * (n_sides - 1), [[0.0]] * n_sides,
                [[[1 / n_sides] * n_sides]] * n_sides, name="throwaway")
'''


@pytest.fixture
def throwaway(tmp_path, monkeypatch):
    """A folder beside that of the shelf, with one game more."""
    (tmp_path / "throwaway.py").write_text(ONE_MORE, encoding="utf-8")
    monkeypatch.setattr(tmf.games, "__path__", [*tmf.games.__path__, str(tmp_path)])
    found = _shelf.find(tmf.games.__path__, "tmfcore.games")
    yield found["throwaway"]
    registered = (each for registry in (SHELF, _shelf.BY_NAME) for each in (registry._entries, registry._places))
    for known in (*registered, sys.modules, vars(tmf.games)):
        for name in ("throwaway", "tmfcore.games.throwaway"):
            known.pop(name, None)


@in_a_tree
def test_a_file_more_is_a_game_more(throwaway, gallery, tmp_path, monkeypatch):
    """Found by its file alone: on the shelf, in the command line, in files, in all lists, and asked for its test."""
    assert list(SHELF) == sorted(SHELF) and SHELF["throwaway"].small().n_observations == 2
    listed = CliRunner().invoke(app, ["games"])
    assert "throwaway" in listed.output
    (tmp_path / "mine.toml").write_text('[game]\nkind = "throwaway"\nn_sides = 3\n', encoding="utf-8")
    assert gamefile.read(tmp_path / "mine.toml").n_observations == 3
    played = CliRunner().invoke(app, ["simulate", str(tmp_path / "mine.toml"), "--n-agents", "5", "--replicas", "1"])
    assert played.exit_code == 0, played.output
    assert "throwaway.md" in gallery.table() and "throwaway as throwaway" in gallery.exports()
    assert "throwaway" in {entry.name for entry in gallery.entries()}
    assert untested() == ["throwaway"] and not list(unentered())
    with pytest.raises(AssertionError):
        test_every_list_of_games_has_all_of_them(gallery)


def test_a_file_without_a_game_is_found(tmp_path, monkeypatch):
    (tmp_path / "empty.py").write_text("__all__ = []\n", encoding="utf-8")
    (tmp_path / "slip.py").write_text(ONE_MORE.replace("@shelf", "#").replace("throwaway", "slip"), encoding="utf-8")
    monkeypatch.setattr(tmf.games, "__path__", [*tmf.games.__path__, str(tmp_path)])
    assert list(unentered()) == ["tmfcore.games.empty", "tmfcore.games.slip", "tmfcore.games.slip.slip"]
