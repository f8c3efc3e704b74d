"""What the checks of `outside` must find: games of `outside_games` that are slightly wrong, and runs that are."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import tmfcore as tmf


def _faster(simulate: Callable) -> Callable:
    """Clocks that are too fast, in simulations only."""
    return lambda game, policy, schedule, *rest, **options: simulate(game, policy, tmf.Poisson(1.03), *rest, **options)


def _shorter(make: Callable) -> Callable:
    return lambda horizon, **options: make(horizon - 1, **options)


def _games(name: str, change: Callable) -> Callable[[Any], Any]:
    """`change` of a game of the shelf."""
    return lambda games: SimpleNamespace(**vars(games) | {name: change(getattr(games, name))})


#: Check; what is wrong; the module of `outside`, the name in it, what is put in its place; share of the draws.
ERRORS: list[tuple] = [
    ("queues of two choices", "clocks 3% too fast", "tmf", "simulate", _faster),
    ("queues in closed form", "a line too few", "built", "telephones",
     lambda f: lambda sources, lines, horizon: f(sources, lines - 1, horizon)),
    ("queues in closed form", "a repairer too few", "built", "machines",
     lambda f: lambda number, repairers, horizon: f(number, repairers - 1, horizon)),
    ("roads", "the shortcut is always open", "built", "braess", lambda f: lambda shortcut: f(True)),
    ("epidemics", "escape 0.83 for 0.8", "built", "chain_binomial",
     lambda f: lambda size, escape: f(size, escape + 0.03)),
    ("epidemics", "recovery 0.45 for 0.4", "tmf", "games",
     _games("infection_by_contact", lambda f: lambda rate, **options: f(rate, **options | {"recovery": 0.45})), 0.2),
    ("spins and urns", "coupling 0.2 for 0.6", "built", "magnet",
     lambda f: lambda spins, coupling, sweeps: f(spins, coupling / 3, sweeps)),
    ("spins and urns", "a move too few, or a sweep", "built", "urn", _shorter),
    ("evolution", "a generation too few", "built", "genes", _shorter, 0.05),
    ("evolution", "payoffs 1.2 times those given", "tmf", "games",
     _games("pairwise_revision", lambda f: lambda payoffs, **options: f(1.2 * np.asarray(payoffs), **options)), 0.1),
    ("802.11", "windows half as large", "built", "stations",
     lambda f: lambda window, *rest: f(window / 2, *rest)),
    ("graphon games", "100 positions for 101", "built", "epidemic_on", lambda f: lambda graphon, n: f(graphon, n - 1)),
]  # fmt: skip
