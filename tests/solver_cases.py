"""What tests of solvers share: the two games of the paper, and every solver with few iterations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.solvers._exact import ExactSolver
from tmfcore.solvers._registry import SOLVERS

N_AGENTS = 20


def cases(variants=None, **options):
    """By name, every registered solver for games that end, also under the settings it is to be tested under."""
    return {
        f"{entry.name}{''.join(f', {name}={value}' for name, value in settings.items())}": entry.solver(
            **options, **entry.quick, **settings
        )
        for entry in SOLVERS.values()
        if not entry.endless
        for settings in ({}, *entry.tested[:variants])
    }


# Exact solvers with few iterations, as hypothesis runs them on random games; variants on the clock "always".
QUICK = {
    name: dataclasses.replace(solver, clock="always" if ", " in name else "schedule")
    for name, solver in cases(iterations=5, tolerance=None).items()
    if isinstance(solver, ExactSolver)
}
quick = pytest.mark.parametrize("solver", QUICK.values(), ids=QUICK.keys())


def resource_selection(**options) -> tmf.Game:
    return tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, **{"step": 1} | options).at()


def queueing(**options) -> tmf.Game:
    return tmf.games.queueing((0.1, 0.2, 0.3), **{"step": 1} | options).at()


def clock_of(solver) -> str:
    return solver.clock


def rock_paper_scissors() -> tmf.Game:
    """A start and three hands; the payoffs of MFGLib's rock_paper_scissors, T = 1 there."""

    def reward(mu):
        return np.array([0, 2 * mu[3] - mu[2], 4 * mu[1] - 2 * mu[3], 6 * mu[2] - 3 * mu[1]])[:, None].repeat(3, axis=1)

    return tmf.Game(4, 3, 2, 1.0, [1, 0, 0, 0], reward, np.tile(np.eye(4)[1:], (4, 1, 1)))
