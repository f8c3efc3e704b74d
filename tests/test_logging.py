"""What the package says of itself under "tmfcore": why an engine, how many threads, which solver, when rates restart."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings

import numpy as np
import pytest

import tmfcore as tmf
from solver_cases import rock_paper_scissors
from tmfcore._base.deprecation import deprecated, renamed

GAME = tmf.games.queueing(horizon=3)
POLICY = tmf.TabularPolicy.uniform(GAME)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.DEBUG, logger="tmfcore")
    return lambda: [record.getMessage() for record in caplog.records if record.name.split(".")[0] == "tmfcore"]


def test_nothing_is_printed_and_no_handler_added():
    code = (
        "import logging, tmfcore as tmf; g = tmf.games.queueing(horizon=3)\n"
        "tmf.simulate(g, tmf.TabularPolicy.uniform(g), tmf.Synchronous(), 50, rng=1); tmf.solve(g, tmf.Synchronous())\n"
        "names = [name for name in logging.root.manager.loggerDict if name.split('.')[0] == 'tmfcore']\n"
        "assert names and not any(logging.getLogger(name).handlers for name in ['', *names])\n"
        "assert logging.getLogger('tmfcore').level == logging.NOTSET"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "engine: counts for 50 agents, expected to be cheaper"),
        ({"engine": "agents"}, "engine: agents for 50 agents, as requested"),
        ({"trajectories": True}, "engine: agents for 50 agents, for trajectories"),
    ],
)
def test_the_engine_and_why(said, options, text):
    run = tmf.simulate(GAME, POLICY, tmf.Synchronous(), 50, rng=1, **options)
    (line,) = [line for line in said() if line.startswith("engine: ")]
    assert line.startswith(f"engine: {run.engine}")
    if options:
        assert line.startswith(text)
    else:
        assert "expected to be cheaper" in line


def test_threads_and_why(said):
    tmf.simulate(GAME, POLICY, tmf.Synchronous(), 50, replicas=4, threads=2, rng=1)
    assert any(line.startswith("threads: 2 for 4 jobs of about ") and line.endswith("(threads=2)") for line in said())
    tmf.simulate(GAME, lambda mu: np.full((4, 4), 0.25), tmf.Synchronous(), 50, replicas=4, rng=1)
    assert any(line.startswith("threads: 1 for 4 jobs") and line.endswith("(chosen by cost)") for line in said())
    longer = GAME.replace(horizon=300)
    tmf.simulate(longer, lambda mu: np.full((4, 4), 0.25), tmf.Synchronous(), 50, replicas=200, rng=1)
    assert any(line.startswith("threads: 1 for 200 jobs") and "call into Python" in line for line in said())


def test_which_solver_is_tried_and_why_it_goes_on(said):
    found = tmf.solve(rock_paper_scissors(), tmf.Synchronous())
    lines = said()
    tried = [line[len("trying ") :].partition("(")[0] for line in lines if ", up to " in line]
    assert tried == ["MirrorDescent", "Homotopy"] and found.solver["name"] == "Homotopy"
    assert any(line.startswith("trying MirrorDescent, Homotopy, FictitiousPlay, in a game of ") for line in lines)
    assert any(line.startswith("MirrorDescent: paused after iteration ") and "best relative" in line for line in lines)
    assert any(line.startswith("Homotopy: relative exploitability ") for line in lines)


def test_restarts_of_rates(said):
    with pytest.warns(tmf.ConvergenceWarning):
        tmf.solvers.MirrorDescent(iterations=250).solve(rock_paper_scissors(), tmf.Synchronous())
    assert any(line == "no better policy in 100 updates; restart from the first policy: descent 2" for line in said())


# ---------------------------------------------------------------------------------------------------------- deprecation


def test_a_deprecation_names_old_new_and_version_at_the_callers_line():
    with pytest.warns(DeprecationWarning, match="is deprecated and will be removed in tmfcore 2") as seen:
        deprecated("games.chess", "games.queueing", "2.0")  # called by nobody of the package, so that this line is shown
    assert str(seen[0].message) == "games.chess is deprecated and will be removed in tmfcore 2.0; use games.queueing"
    assert seen[0].filename == __file__


def test_a_renamed_argument():
    @renamed("2.0", rng="seed")
    def draw(*, seed=None, more=0):
        return seed, more

    with pytest.warns(DeprecationWarning, match="is deprecated and will be removed in tmfcore 2") as seen:
        assert draw(rng=3, more=1) == (3, 1)
    assert str(seen[0].message) == "the argument 'rng' of draw() is deprecated and will be removed in tmfcore 2.0; use 'seed'"
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw(seed=3) == (3, 0) and draw.__name__ == "draw"
    with pytest.raises(TypeError, match=r"draw\(\) has 'rng' and 'seed', which are the same argument; pass seed= only"):
        draw(rng=1, seed=2)


def test_a_deprecation_passes_the_frames_of_the_package():
    """As a verb of the package would use it: the line shown is that of who called the verb."""
    scope = {"__name__": "tmfcore.verbs", "renamed": renamed}
    exec("@renamed('2.0', seed='rng')\ndef inner(*, rng=None): return rng\ndef verb(): return inner(seed=4)", scope)
    with pytest.warns(DeprecationWarning, match="'seed' of inner") as seen:
        assert scope["verb"]() == 4
    assert seen[0].filename == __file__
