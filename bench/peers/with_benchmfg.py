"""Bench-MFG: push-forwards of the beach bar by its integer next-state tables, float32.

The noise of Bench-MFG has finitely many values with weights; here three, with those of the wind.
"""

from __future__ import annotations

from importlib import metadata

import jax.numpy as jnp
import numpy as np
from benchmfg.envs.mfg_model_class import MFGStationary
from benchmfg.envs.mfg_model_class_jit import EnvSpec, mean_field_by_transition_kernel_multi_jax

from tmfcore.bench import Entry
from tmfcore.bench.problems import BeachBar, JostledBar


class Beach(MFGStationary):
    """The game in the form of Bench-MFG; its two abstract methods are numpy versions of the functions below."""

    def reward(self, mean_field, state, action):
        return -np.log(mean_field[state] + BeachBar.EPSILON)

    def transition(self, mean_field, state, action, noise):
        return (state + action - 1 + noise - 1) % self.N_states


def following(mean_field, state, action, noise, environment):
    return (state + action - 1 + noise - 1) % environment.N_states


def reward(mean_field, state, action, environment):
    return -jnp.log(mean_field[state] + BeachBar.EPSILON)


def jostled(mean_field, state, action, noise, environment):
    blown = mean_field[state] > 1.0 / environment.N_states
    return (state + action - 1 + jnp.where(blown, noise - 1, 0)) % environment.N_states


def push_forward(problem: BeachBar) -> list[Entry]:
    model = Beach(
        N_states=problem.size, N_actions=3, N_noises=3, horizon=problem.steps, mean_field=problem.initial,
        noise_prob=np.array(problem.WIND), gamma=0.9,
    )
    moves = jostled if isinstance(problem, JostledBar) else following
    spec = EnvSpec(environment=model, transition=moves, reward=reward)
    pi, mu = jnp.asarray(problem.pi, dtype=jnp.float32), jnp.asarray(problem.initial, dtype=jnp.float32)
    run = lambda: np.asarray(mean_field_by_transition_kernel_multi_jax(pi, spec, problem.steps, mu))
    return [Entry("Bench-MFG", run, problem.steps, "float32; first call with compilation not counted")]


class BenchMFG:
    name, version = "Bench-MFG", metadata.version("bench-mfg-suite")

    push_forward = staticmethod(push_forward)
    push_forward_mu = staticmethod(push_forward)
