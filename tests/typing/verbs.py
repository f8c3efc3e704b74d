"""Simulating and evaluating: choices of words, results, policies."""

import numpy as np

import tmfcore as tmf
from tmfcore.typing import Clock, Engine, FloatsLike

game = tmf.games.queueing()
uniform = tmf.TabularPolicy.uniform(game)

run: tmf.Simulation = tmf.simulate(game, uniform, tmf.Batch(10), 100, engine="counts", start="sampled", rng=1)
tmf.simulate(game, uniform, tmf.Batch(10), 100, engine="cuonts")  # error
tmf.simulate(game, uniform, tmf.Batch(10), 100, start="rouned")  # error
tmf.simulate(game, uniform, tmf.Batch(10), 100, start=[[60, 20, 10, 10]])
tmf.simulate(game, uniform, "sequential", 100)  # error
tmf.simulate(game, uniform, tmf.Batch(10), "100")  # error
share: float = float(run.mu[0, -1].max())

tmf.evaluate(game, uniform, tmf.Synchronous(), clock="always")
tmf.evaluate(game, uniform, tmf.Synchronous(), clock="alwyas")  # error
tmf.exploitability(game, uniform, tmf.Synchronous(), clock="sometimes")  # error
gap: float = tmf.exploitability(game, uniform, tmf.Synchronous())
tmf.finite_exploitability(game, uniform, tmf.Batch(1), 10, engine="auto")
tmf.finite_exploitability(game, uniform, tmf.Batch(1), 10, engine="cuonts")  # error
tmf.finite_exploitability(game, uniform, tmf.Batch(1), 10, engine="agents", start="sampled")
best = tmf.best_response(game, tmf.mean_field(game, uniform, tmf.Synchronous()), tmf.Synchronous())
table = best.policy.table[0]
values = best.values.sum(axis=1)
deviation = best.polcy  # error

# What is taken for a policy.
tmf.mean_field(game, np.full((4, 4), 0.25), tmf.Synchronous())
tmf.mean_field(game, [[0.25] * 4] * 4, tmf.Synchronous())
tmf.mean_field(game, lambda mu: np.full((4, 4), 0.25), tmf.Synchronous())
tmf.mean_field(game, lambda mu, t: np.full((4, 4), 0.25), tmf.Synchronous())
tmf.mean_field(game, best.policy, tmf.Synchronous())
tmf.mean_field(game, "uniform", tmf.Synchronous())  # error
tmf.mean_field(game, lambda mu: "uniform", tmf.Synchronous())  # error
tmf.mean_field(game, None, tmf.Synchronous())  # error


def play(policy: FloatsLike, engine: Engine = "auto", clock: Clock = "schedule") -> float:
    """A function of one's own hands choices on."""
    tmf.simulate(game, policy, tmf.Batch(10), 100, engine=engine)
    return tmf.evaluate(game, policy, tmf.Batch(10), 100, clock=clock).mean_return


play(np.full((4, 4), 0.25), "agents", "always")
play(np.full((4, 4), 0.25), "always")  # error
