"""The registry of solvers: whoever lists solvers reads it, and nothing is missing that a solver needs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import tmfcore as tmf
from tmfcore._base.registry import Registry
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._registry import SOLVERS, entry_of, in_turns, made
from tmfcore.solvers._solver import Solver

ROOT = Path(__file__).resolve().parents[1]
each = pytest.mark.parametrize("name", list(SOLVERS))

# A solver as its author writes it: one file. FixedPoint with the weight 1 / 2.
HALFWAY = '''
from dataclasses import dataclass

from tmfcore.solvers._registry import register
from tmfcore.solvers._rule import TableRule
from tmfcore.solvers._exact import ExactSolver


class Half(TableRule):
    def state(self):
        return {"policy": self.policy.copy()}

    def restore(self, state):
        self.policy[...] = state["policy"]

    def rate(self, iteration, gap):
        return 0.5

    def update(self, iteration, gap):
        self.iterate.respond(0.5, False)
        return 0.5


@register(rule=Half, word="half-way", update="half pi, half BR", source="nobody", space=lambda scale: {"extra": (0.0, scale)})
@dataclass(frozen=True, kw_only=True, repr=False)
class Halfway(ExactSolver):
    """Half of the best response."""

    extra: float = 0.0
'''


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import solvers

    return solvers


def test_every_solver_is_registered():
    for module in iter_modules(tmf.solvers.__path__):
        if module.name.startswith("_"):
            continue
        found = import_module(f"tmfcore.solvers.{module.name}")
        for name, kind in inspect.getmembers(found, inspect.isclass):
            if issubclass(kind, Solver) and kind.__module__ == found.__name__:
                assert name in SOLVERS and SOLVERS[name].solver is kind, f"{name} is not registered"
    assert len(SOLVERS) >= 8


@each
def test_every_solver_has_a_test(name):
    own = Path(__file__).name
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py") if path.name != own]
    assert any(re.search(rf"\b{name}\(", text) for text in texts), f"no test in tests/ makes a {name}"


def test_what_is_written_down_is_what_is_registered(writer):
    for path, text in writer.written().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is behind: run python -m bench.solvers"


@each
def test_whoever_lists_solvers_knows_it(name):
    entry = SOLVERS[name]
    assert getattr(tmf.solvers, name) is entry.solver and name in tmf.solvers.__all__
    assert name in tmf.solvers.__doc__ and "the number of iterations after which" in " ".join(entry.solver.__doc__.split())
    assert made(name) == made(entry.word) == made(entry.solver) == entry.solver()
    assert tmf.solvers.default_space(entry.solver()).keys() <= entry.solver().settings.keys()
    game = tmf.games.queueing(horizon=3)
    found = tmf.solve(game, tmf.Fraction(0.5), 20, solver=entry.word, iterations=1, tolerance=None, rng=1)
    assert found.solver["name"] == name and found.history["iteration"].tolist() == [0, 1]
    for settings in entry.tested:
        assert entry.solver(**settings) != entry.solver()


def test_the_order_of_solve():
    assert [(entry.name, entry.turn.flows) for entry in in_turns()] == [
        ("MirrorDescent", 200), ("Homotopy", 100), ("FictitiousPlay", 100),
    ]  # fmt: skip


def test_a_solver_is_one_file(tmp_path, writer):
    """Known to tmf.solve, to tune and to the command line, and missed in the documents, as soon as its file is there."""
    (tmp_path / "halfway.py").write_text(HALFWAY)
    code = f"""
import tmfcore as tmf
from tmfcore._base.registry import discover
tmf.solvers.__path__.append({str(tmp_path)!r})
discover("tmfcore.solvers", [{str(tmp_path)!r}])
from tmfcore.solvers.halfway import Halfway
assert tmf.solve(tmf.games.queueing(horizon=3), tmf.Synchronous(), solver="Halfway", tolerance=0.5).converged
assert tmf.solvers.default_space(Halfway(), 3.0) == {{"extra": (0.0, 3.0)}}
from bench import solvers
behind = [path.name for path, text in solvers.written().items() if path.read_text() != text]
assert behind == ["theory.md", "solvers.rst", "__init__.py"], behind
import sys
from tmfcore.cli import main
sys.argv[1:] = ["solve", "queueing", "--horizon", "3", "--solver", "half-way", "--tolerance", "0.5"]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "half-way" in done.stdout


def test_classes_that_derive_from_a_solver_are_solvers():
    class Mine(tmf.solvers.MirrorDescent):
        pass

    found = Mine().solve(tmf.games.queueing(horizon=3), tmf.Synchronous())
    assert found.solver["name"] == "Mine" and found.converged
    with pytest.raises(TypeError, match="ExactSolver is not registered"):
        entry_of(ExactSolver)


def test_a_name_is_registered_once():
    registry = Registry("thing")
    registry.add("a", 1, "here")
    registry.add("a", 2, "here")  # a module that is run again
    assert registry["a"] == 2 and list(registry) == ["a"] and len(registry) == 1 and list(registry.values()) == [2]
    with pytest.raises(ValueError, match="thing 'a' is already registered by here; use another name"):
        registry.add("a", 3, "there")
    with pytest.raises(ValueError, match="game is 'b'; must be one of 'a'"):
        registry.find("b", "game")
