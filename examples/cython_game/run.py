"""Learn the equilibrium of the epidemic game, with a tenth of the agents acting at each step."""

import sis

import tmfcore as tmf

game = tmf.Game.from_model(
    lambda dt: sis.SIS(step=dt), horizon=10.0, discount=0.9, initial=[0.9, 0.1], time="sweeps",
    name="SIS", observation_labels=["healthy", "infected"], action_labels=["go out", "stay home"],
)  # fmt: skip
schedule = tmf.Fraction(0.1)
solution = tmf.solvers.TMFPG(iterations=500, tolerance=0.01).solve(game, schedule, n_agents=1000, rng=1)
run = tmf.simulate(game, solution.policy, schedule, n_agents=1_000_000, rng=2)

middle = solution.flow.horizon // 2
mu = solution.flow.mu[middle]
out = solution.policy.probabilities(mu, middle)[0, 0]
print(solution.reason)
print(f"halfway, {mu[1]:.1%} are infected (a million agents: {run.mu[0, middle, 1]:.1%})")
print(f"and {out:.0%} of the healthy go out when they decide")
assert solution.converged and abs(mu[1] - run.mu[0, middle, 1]) < 0.01
