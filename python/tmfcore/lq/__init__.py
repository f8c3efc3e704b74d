"""Linear-quadratic mean-field type games: teams of agents with states in R^m, of whom any number act at a step.

    LQGame           the matrices of dynamics and costs
    riccati          the equilibrium of all teams
    MRNPG            the same, learnt: every team follows its own natural gradient
    evaluate         what gains cost each team, and moments of the states, exactly
    exploitability   what each team would save by other gains, exactly
    simulate         agents one by one
    LQSolution, LQEvaluation, LQSimulation    what these return

Theory, section 17. Everything is computed by numpy, whatever the number of agents, but for `simulate`.
"""

from __future__ import annotations

from tmfcore.lq._members import LQSimulation, simulate
from tmfcore.lq._mrnpg import MRNPG
from tmfcore.lq._riccati import LQSolution, riccati
from tmfcore.lq._team_game import LQGame
from tmfcore.lq._verdicts import LQEvaluation, evaluate, exploitability

__all__ = [
    "MRNPG", "LQEvaluation", "LQGame", "LQSimulation", "LQSolution",
    "evaluate", "exploitability", "riccati", "simulate",
]  # fmt: skip
