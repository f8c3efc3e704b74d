"""Measure how long `interop.openspiel.from_game` takes to read OpenSpiel's mean-field games: docs/measured/reading.md.

    python bench/reading.py              every game at its defaults, about two minutes on one core
    python bench/reading.py NAME ...     these games; prints, writes nothing

This is compared with OpenSpiel's NashConv of the uniform policy, which visits the states of one flow three times
(distribution, value, best response). Processor time, the smallest of up to five rounds in which the two take turns. The
number of states is the number of calls of `State.child` and `State.clone`.
"""

import argparse
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import open_spiel.python.mfg.games
import open_spiel.python.mfg.games.normal_form_game  # noqa: F401, registers it
import pyspiel
from open_spiel.python.mfg.algorithms.nash_conv import NashConv
from open_spiel.python.policy import UniformRandomPolicy

import tmfcore as tmf
from tmfcore.interop import openspiel

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "measured" / "reading.md"
WANTED = 2.0
ROUNDS, ENOUGH = 5, 20.0  # rounds, and seconds after which no further round starts

INTRODUCTION = """# Reading games of OpenSpiel

Written by `python bench/reading.py` (extra `peers`): every mean-field game of OpenSpiel {version} with its default
parameters. `from_game` reads a game for all populations; NashConv of the uniform policy visits the states of one
population three times. Processor time in ms, the smallest of up to {rounds} rounds; goal: at most {wanted:g} times
NashConv. The numbers of states are calls of `State.child` and `State.clone`, the same on every machine. The last column
is the time of an exploitability of the uniform policy in the game that was read.
"""

REMARK = """
If a network's travel times depend on the population (the routing games), NashConv visits only the states of one flow;
reading finds the states of all flows. Where NashConv takes a millisecond, making the `Game` object is noticeable.
"""


def names() -> list[str]:
    mean_field = pyspiel.GameType.Dynamics.MEAN_FIELD
    return sorted(kind.short_name for kind in pyspiel.registered_games() if kind.dynamics == mean_field)


def seconds(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def states(work) -> int:
    """The number of states that OpenSpiel makes."""
    made = 0

    def look(frame, event, what):
        nonlocal made
        made += event == "c_call" and what.__name__ in ("child", "clone") and what.__module__ == "pyspiel"

    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


def row(name: str) -> str:
    spiel = pyspiel.load_game(name)
    works = (
        lambda: NashConv(spiel, UniformRandomPolicy(spiel)).nash_conv(),
        lambda: openspiel.from_game(name),
    )
    least, spent = np.full(2, np.inf), 0.0
    for _ in range(ROUNDS):
        took = np.array([seconds(work) for work in works])
        least, spent = np.minimum(least, took), spent + took.sum()
        if spent > ENOUGH:
            break
    made = [states(work) for work in works]
    game = openspiel.from_game(name)
    uniform = tmf.TabularPolicy.uniform(game)
    used = min(seconds(lambda: tmf.exploitability(game, uniform, tmf.Synchronous())) for _ in range(3))
    ratio = least[1] / least[0]
    cells = (
        name,
        f"{game.n_observations}, {game.n_actions}, {game.horizon}",
        *(f"{1e3 * one:,.3g}" if one < 1 else f"{1e3 * one:,.0f}" for one in least),
        f"{ratio:.2f}",
        *(f"{one:,}" for one in made),
        "yes" if ratio <= WANTED else "**no**",
        f"{1e3 * used:.3g}",
    )
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of OpenSpiel's games
    known = names()
    if unknown := set(options.names) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    head = ("game", "S, A, T", "NashConv", "from_game", "x", "states: NashConv", "from_game", "met", "exploitability")
    version = metadata.version("open_spiel")
    lines = [
        INTRODUCTION.format(version=version, rounds=ROUNDS, wanted=WANTED),
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    print("\n".join(lines))
    for name in options.names or known:
        lines.append(row(name))
        print(lines[-1], flush=True)
    if not options.names:
        OUTPUT.write_text("\n".join([*lines, REMARK]), encoding="utf-8")


if __name__ == "__main__":
    main()
