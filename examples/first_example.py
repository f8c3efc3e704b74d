"""The first example of the README. It writes first-example.png to the current folder.

    python examples/first_example.py

docs/first-example.png is its picture.
"""

import tmfcore as tmf
from tmfcore import plotting

N = 1000
game = tmf.games.queueing(capacities=[0.1, 0.2, 0.3], horizon=20)
schedule = tmf.Sequential()

solution = tmf.solvers.TMFPG().solve(game, schedule, n_agents=N, rng=1)
run = tmf.simulate(game, solution.policy, schedule, n_agents=N, rng=2)
flow = tmf.mean_field(game, solution.policy, schedule, n_agents=N)
gap = tmf.exploitability(game, solution.policy, schedule, n_agents=N)
print(f"mean return {run.returns.mean():.1f} per agent, exploitability {gap:.2f}")

plotting.save(run.plot(flow=flow), "first-example.png")
