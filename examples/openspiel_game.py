"""OpenSpiel's crowd on a circle: its equilibrium by tmf.solve, and the mean return of this policy among N agents.

    python -m pip install 'tmfcore[peers]'
    python examples/openspiel_game.py

A policy of OpenSpiel's solvers is converted by `openspiel.from_policy` and simulated in the same way.
"""

import tmfcore as tmf
from tmfcore.interop import openspiel

game = openspiel.from_game("mfg_crowd_modelling", {"size": 10, "horizon": 10})
schedule = tmf.Synchronous()
solution = tmf.solve(game, schedule)
limit = tmf.evaluate(game, solution.policy, schedule).mean_return
print(f"{game}: exploitability {tmf.exploitability(game, solution.policy, schedule):.1e}, mean return {limit:.3f}")
for n_agents in (10, 100, 1000, 10_000):
    run = tmf.simulate(game, solution.policy, schedule, n_agents, replicas=200, rng=1)
    error = run.returns.std(ddof=1) / 200**0.5
    print(f"N = {n_agents:6d}: mean return {run.returns.mean():.3f} +- {error:.3f}")
theirs = openspiel.to_policy(solution.policy, game)  # for OpenSpiel's algorithms
print(theirs.action_probabilities(theirs.game.new_initial_state().child(0)))
