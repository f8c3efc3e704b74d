"""Environments of every kind and how they are played, for tests of copies.

A module of its own, found by its name: a process that is started anew imports it, which it cannot do with a test.
"""

import pickle

import cloudpickle
import gymnasium
import numpy as np

import tmfcore as tmf
from tmfcore.interop import gymnasium as tagged
from tmfcore.interop.pettingzoo import aec_env, parallel_env

GAME = tmf.games.queueing([0.1, 0.2, 0.3], step=1).at()
UNIFORM = tmf.TabularPolicy.uniform(GAME)
FLOW = tmf.mean_field(GAME, UNIFORM, tmf.Fraction(0.5))
BY_PLACE = tmf.Bernoulli([[0.1, 0.5, 0.9, 0.3]])


def parallel(env, n):
    """n steps from here on: everything that the environment shows."""
    seen = []
    for t in range(n):
        if not env.agents:
            seen.append(env.reset())
        seen.append(env.step({name: (i + t) % 4 for i, name in enumerate(env.agents)}))
    return [*seen, env.state()]


def in_turn(env, n):
    seen = []
    for i in range(n):
        if not env.agents:
            env.reset()
        seen.append((env.agent_selection, env.last()))
        env.step(None if env.terminations[env.agent_selection] else i % 4)
    return [*seen, env.state()]


def single(env, n):
    seen = []
    for t in range(n):
        if env.unwrapped._world.over:
            seen.append(env.reset())
        seen.append(env.step(t % 4))
    return seen


def many(envs, n):
    return [envs.step(np.full(envs.num_envs, t % 4)) for t in range(n)]


KINDS = {
    "parallel": (lambda: parallel_env(GAME, tmf.Batch(3), 10, start="sampled", render_mode="rgb_array"), parallel),
    "parallel, coins": (lambda: parallel_env(GAME, BY_PLACE, 10), parallel),
    "aec": (lambda: aec_env(GAME, tmf.Batch(3), 10, render_mode="rgb_array"), in_turn),
    "flow": (lambda: tagged.env(GAME, FLOW, render_mode="rgb_array"), single),
    "population": (lambda: tagged.env(GAME, UNIFORM, BY_PLACE, 10), single),
    "made by Gymnasium": (lambda: gymnasium.make(tagged.ID, game=GAME, population=FLOW), single),
    "copies in a flow": (lambda: tagged.make_vec(GAME, FLOW, num_envs=3), many),
    "copies in populations": (lambda: tagged.make_vec(GAME, UNIFORM, tmf.Batch(3), 10, num_envs=3), many),
}


def equal(a, b):
    """The same bits, in whatever containers."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    if isinstance(a, np.ndarray) and a.dtype == object:
        return equal(a.tolist(), b.tolist())
    return bool(np.array_equal(a, b))


def play_there(kind, content, out):
    env = pickle.loads(content)
    out.put(cloudpickle.dumps(KINDS[kind][1](env, 25)))


def made_by_gymnasium():
    return gymnasium.make(tagged.ID, game=GAME, population=FLOW)
