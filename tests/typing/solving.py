"""Solving: which policy a solution has, names of solvers, limits, callbacks."""

import tmfcore as tmf
from tmfcore.solvers import TMFPG, Homotopy, Iteration, MirrorDescent

game = tmf.games.queueing()
synchronous = tmf.Synchronous()

found = tmf.solve(game, synchronous)
table = found.policy.table.sum(axis=-1)
theta = found.policy.theta  # error
tmf.solve(game, synchronous, solver="homotopy", iterations=20, time_limit=1.0).policy.table.max()
tmf.solve(game, synchronous, solver="Homotopy", tolerance=None).policy.table.max()
tmf.solve(game, synchronous, solver="Homotpy")  # error
tmf.solve(game, synchronous, 100, solver="tmf-pg", tolerance=0.01).policy.theta.max()
tmf.solve(game, synchronous, 100, solver=TMFPG(replicas=8)).policy.theta.max()
wrong_kind = tmf.solve(game, synchronous, 100, solver=TMFPG(replicas=8)).policy.table  # error
tmf.solve(game, synchronous, solver=MirrorDescent).policy.table.max()
tmf.solve(game, synchronous, solver=[MirrorDescent(learning_rate=0.5), Homotopy()]).policy.table.max()
tmf.solve(game, synchronous, solver=["mirror-descent", "homotopy"]).policy.table.max()
tmf.solve(game, synchronous, tolerance="none")  # error
tmf.solve(game, synchronous, clock="alwyas")  # error
tmf.solve(game, synchronous, time_limit="1 s")  # error

tabular: tmf.Solution[tmf.TabularPolicy] = MirrorDescent().solve(game, synchronous, time_limit=1.0)
softmax: tmf.Solution[tmf.SoftmaxPolicy] = TMFPG().solve(game, synchronous, 100)
either: tmf.Solution = softmax
wrong: tmf.Solution[tmf.TabularPolicy] = softmax  # error
MirrorDescent(learning_rte=0.5)  # error
MirrorDescent(clock="alwyas")  # error


def watch(now: Iteration) -> bool:
    return now.exploitability < 0.1


tmf.solve(game, synchronous, callback=watch)
tmf.solve(game, synchronous, callback=lambda now: now.gap < 0.1)  # error
