"""A game as an environment: PPO of stable-baselines3 against a mean-field flow, and random agents in PettingZoo.

    python -m pip install 'tmfcore[envs]' stable-baselines3
    python examples/environments.py

PPO learns against the flow of the uniform policy, and finds nearly all of the gain of a best response, in about ten
seconds.
"""

import numpy as np
from stable_baselines3 import PPO

import tmfcore as tmf

game = tmf.games.queueing(capacities=[0.1, 0.2, 0.3])
uniform = tmf.TabularPolicy.uniform(game)
schedule = tmf.Fraction(0.5)
steps = game.at(schedule)  # the game of the environments: 40 steps of half a sweep

# One agent among infinitely many, with 256 copies per call.
flow = tmf.mean_field(game, uniform, schedule)
envs = tmf.interop.gymnasium.make_vec(game, flow, num_envs=256)
model = PPO(
    "MlpPolicy",
    tmf.interop.gymnasium.to_stable_baselines3(envs),
    n_steps=steps.n_steps,
    batch_size=1280,
    learning_rate=2e-3,
    gamma=steps.discount,
    seed=1,
    device="cpu",
)
model.learn(200_000)

trial = tmf.interop.gymnasium.make_vec(game, flow, num_envs=10_000, autoreset_mode="Disabled")
rows, _ = trial.reset(seed=2)
returns = np.zeros(10_000)
for t in range(steps.n_steps):
    rows, rewards, *_ = trial.step(model.predict(rows)[0])
    returns += steps.discount**t * rewards
base = tmf.evaluate(game, uniform, schedule, flow=flow).mean_return
gap = tmf.exploitability(game, uniform, schedule)
print(f"PPO gains {returns.mean() - base:.2f} over the uniform policy; the best response gains {gap:.2f}")

# Ten agents, of which three act at each step, one after another.
env = tmf.interop.pettingzoo.aec_env(game, tmf.Batch(3), n_agents=10, render_mode="ansi")
env.reset(seed=3)
for i, agent in enumerate(env.agents):
    env.action_space(agent).seed(i)
for agent in env.agent_iter():
    observation, reward, terminated, truncated, info = env.last()
    env.step(None if terminated else env.action_space(agent).sample(info["action_mask"]))
print(env.render())
