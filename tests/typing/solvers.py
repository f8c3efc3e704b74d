"""Solvers: settings, the type of the policy that is found, callbacks."""

import numpy as np

import tmfcore as tmf
from tmfcore.typing import Callback, SolverLike

game = tmf.games.queueing()
everybody = tmf.Synchronous()

found = tmf.solve(game, everybody)
table = found.policy.table
logits = found.policy.theta  # error
gap: float = found.exploitability
soft = tmf.solve(game, everybody, 100, solver="tmf-pg")
theta = soft.policy.theta
theta = soft.policy.table  # error
both = tmf.solve(game, everybody, solver=["MirrorDescent", "homotopy"])
table = both.policy.table
tmf.solve(game, everybody, solver="MirorDescent")  # error
tmf.solve(game, everybody, solver=3)  # error
tmf.solve(game, everybody, solver=tmf.solvers.MirrorDescent, iterations=20, time_limit=1.0).policy.table.max()
tmf.solve(game, everybody, solver=[tmf.solvers.MirrorDescent(), tmf.solvers.Homotopy()]).policy.table.max()
tmf.solve(game, everybody, time_limit="1 s")  # error
tabular: tmf.Solution[tmf.TabularPolicy] = tmf.solvers.MirrorDescent().solve(game, everybody, time_limit=1.0)
either: tmf.Solution = soft
tabular = soft  # error
tmf.solve(game, everybody, clock="alway")  # error
tmf.solve(game, everybody, tolerance="tight")  # error
tmf.solve(game, everybody, initial=np.full((4, 4), 0.25))
tmf.solve(game, everybody, initial=found)
tmf.solve(game, everybody, initial="uniform")  # error
tmf.solve(game, everybody, rng="seed")  # error

learner = tmf.solvers.TMFPG(critic="returns", gradient="plain", optimizer="adam", learning_rate_decay="sqrt")
theta = learner.solve(game, everybody, 100, rng=1).policy.theta
tmf.solvers.TMFPG(critic="return")  # error
tmf.solvers.TMFPG(gradient="steep")  # error
tmf.solvers.TMFPG(optimizer="Adam")  # error
tmf.solvers.TMFPG(learning_rate_decay="cosine")  # error
tmf.solvers.TMFPG(learning_rate_decay=lambda k: 1 / (1 + k))
tmf.solvers.MirrorDescent(clock="sometimes")  # error
tmf.solvers.MirrorDescent(learning_rat=0.1)  # error
tmf.solvers.MirrorDescent().solve(game, everybody).policy.theta.sum()  # error


def report(now: tmf.solvers.Iteration) -> bool:
    """A callback: returning True stops."""
    return now.exploitability < 1e-3 or now.best > 3  # error


watch: Callback = report
tmf.solve(game, everybody, callback=report)
tmf.solve(game, everybody, callback=lambda now: print(now.iteration))
tmf.solve(game, everybody, callback=lambda now, then: None)  # error
tmf.solve(game, everybody, progress=lambda done, total: None)
tmf.solve(game, everybody, progress="bar")  # error


def study(solver: SolverLike, schedule: tmf.Schedule) -> float:
    """Whatever solves."""
    return solver.solve(game, schedule, 100, rng=1, callback=report).exploitability


study(tmf.solvers.MirrorDescent(), everybody)
study(learner, tmf.Batch(10))
study(tmf.solve, everybody)  # error
study("MirrorDescent", everybody)  # error
