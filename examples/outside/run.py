"""The extensions walk and deal, held against tmfcore."""

import deal
import numpy as np
import walk

import tmfcore as tmf

game = tmf.games.beach_bar(20, horizon=10, step=1.0)
policy = tmf.TabularPolicy.uniform(game)
flow = tmf.mean_field(game, policy, tmf.Synchronous())
rewards = walk.walks(game.model, policy.kernel, flow.mu, 3, 20_000, np.random.PCG64(1))
returns = rewards @ game.discount ** np.arange(game.horizon)
value = tmf.evaluate(game, policy, tmf.Synchronous()).values[0, 3]
error = returns.std() / np.sqrt(len(returns))
print(f"an agent that starts at 3 earns {returns.mean():.3f} +- {error:.3f}; its value is {value:.3f}")
assert abs(returns.mean() - value) < 5 * error

crowds = np.array([0, 20, 1_000, 10**9, 10**18])  # each range of n p has a sampler of its own
left = np.array([walk.leaving(crowds, 0.25, np.random.PCG64(seed)) for seed in range(400)])
error = left.mean(axis=0)[1:] / crowds[1:] - 0.25
print(f"of {crowds.tolist()} agents, these fractions leave, less 1/4: {error}")
assert (left[:, 0] == 0).all() and (np.abs(error) < 6 * np.sqrt(0.25 * 0.75 / (400.0 * crowds[1:]))).all()

counts = [500, 300, 200]
dealt = np.array([deal.deal(np.random.PCG64(seed), counts, 100) for seed in range(2000)])
print(f"of 100 agents that act, {dealt.mean(axis=0).round(1)} are at each observation; 50, 30 and 20 are expected")
assert (dealt.sum(axis=1) == 100).all() and (dealt >= 0).all() and (dealt <= counts).all()
assert np.abs(dealt.mean(axis=0) - [50, 30, 20]).max() < 0.6  # 5.6 standard errors

word = int(np.random.PCG64(7).random_raw())
assert deal.pick(np.random.PCG64(7), 1000) == word * 1000 >> 64
