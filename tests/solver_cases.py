"""What tests of solvers share: the two games of the paper, and every solver with few iterations."""

from __future__ import annotations

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.solvers import MFOMO, FictitiousPlay, FixedPoint, Homotopy, MirrorDescent, PriorDescent

N_AGENTS = 20

# Every solver with few iterations, as hypothesis runs it on random games.
QUICK = {
    "MirrorDescent": MirrorDescent(iterations=5, tolerance=None),
    "MirrorDescent, plain": MirrorDescent(iterations=5, tolerance=None, learning_rate=0.5, learning_rate_decay="sqrt"),
    "MirrorDescent, momentum": MirrorDescent(iterations=5, tolerance=None, momentum=0.5, clock="always"),
    "FictitiousPlay": FictitiousPlay(iterations=5, tolerance=None),
    "FictitiousPlay, damped": FictitiousPlay(iterations=5, tolerance=None, weight=0.3, clock="always"),
    "FixedPoint": FixedPoint(iterations=5, tolerance=None),
    "PriorDescent": PriorDescent(iterations=5, tolerance=None, clock="always"),
    "PriorDescent, slow": PriorDescent(iterations=5, tolerance=None, temperature=2.0, prior_every=3, weight=0.5),
    "PriorDescent, still": PriorDescent(iterations=5, tolerance=None, prior_every=None),
    "Homotopy": Homotopy(iterations=5, tolerance=None, krylov=8),
    "MFOMO": MFOMO(iterations=5, tolerance=None, steps=4),
    "MFOMO, always": MFOMO(iterations=5, tolerance=None, steps=4, clock="always"),
}
quick = pytest.mark.parametrize("solver", QUICK.values(), ids=QUICK.keys())


def resource_selection(**options) -> tmf.Game:
    return tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, **options)


def queueing(**options) -> tmf.Game:
    return tmf.games.queueing((0.1, 0.2, 0.3), **options)


def clock_of(solver) -> str:
    return solver.clock


def rock_paper_scissors() -> tmf.Game:
    """A start and three hands; the payoffs of MFGLib's rock_paper_scissors, T = 1 there."""

    def reward(mu):
        return np.array([0, 2 * mu[3] - mu[2], 4 * mu[1] - 2 * mu[3], 6 * mu[2] - 3 * mu[1]])[:, None].repeat(3, axis=1)

    return tmf.Game(4, 3, 2, 1.0, [1, 0, 0, 0], reward, np.tile(np.eye(4)[1:], (4, 1, 1)))
