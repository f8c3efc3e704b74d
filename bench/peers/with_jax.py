"""JAX on the CPU: one compiled call for a whole run, alias draws from packed tables, float32 as JAX has it by default."""

from __future__ import annotations

from functools import partial
from importlib import metadata

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bench.peers import tables
from tmfcore.bench import Entry
from tmfcore.bench.problems import Answer, DenseGame, Playing


def agents(decisions: bool, problem: Playing) -> list[Entry]:
    """All steps in one scan; 32 random bits per draw: the cell in the high bits, the fraction in the low bits."""
    size, n_actions, n_agents = problem.size, problem.n_actions, problem.n_agents
    packed, bits = tables.packed_alias(tables.rows_of(problem, decisions))
    table = jnp.asarray(packed.ravel())
    start = jnp.asarray(problem.population(np.int32))
    width = size * (n_actions if decisions else 1)

    @jax.jit
    def run_all(key, table, here):
        def step(carry, _):
            key, here = carry
            key, now = jax.random.split(key)
            draw = jax.random.bits(now, (n_agents,), jnp.uint32)
            cell = (draw >> (32 - bits)).astype(jnp.int32)
            entry = table.at[(here << bits) + cell].get(mode="promise_in_bounds")
            own = (draw & jnp.uint32((1 << (32 - bits)) - 1)) < (entry >> bits)
            code = jnp.where(own, cell, (entry & jnp.uint32((1 << bits) - 1)).astype(jnp.int32))
            action, following = code // size, code % size
            index = here * n_actions + action if decisions else following
            return (key, following), jnp.zeros(width, jnp.int32).at[index].add(1, mode="promise_in_bounds")

        (key, here), made = lax.scan(step, (key, here), length=problem.steps)
        return key, made, jnp.zeros(size, jnp.int32).at[here].add(1, mode="promise_in_bounds")

    key = [jax.random.key(2)]  # threefry: measured to take a quarter of the time of rbg on the CPU

    def run() -> Answer:
        key[0], made, counts = jax.block_until_ready(run_all(key[0], table, start))
        last = np.asarray(made[-1]).reshape(size, n_actions) if decisions else None
        return Answer(np.asarray(counts), problem.steps, last)

    note = f"packed in 4 bytes: thresholds of {32 - bits} bits, no rewards"
    return [Entry("JAX alias", run, problem.steps * n_agents, note)]


def flow(problem: DenseGame) -> list[Entry]:
    @jax.jit
    def run_all(initial, pi, transition):
        kernel = jnp.einsum("oa,oax->ox", pi, transition)
        _, rest = lax.scan(lambda mu, _: (mu @ kernel, mu @ kernel), initial, length=problem.steps)
        return jnp.concatenate([initial[None], rest])

    given = [jnp.asarray(a, dtype=jnp.float32) for a in (problem.initial, problem.pi, problem.transition)]
    return [Entry("JAX", lambda: np.asarray(run_all(*given)), problem.steps, "float32")]


def values(problem: DenseGame) -> list[Entry]:
    @jax.jit
    def run_all(pi, transition, reward):
        def step(value, _):
            q = reward + problem.discount * jnp.einsum("oax,x->oa", transition, value)
            value = (pi * q).sum(axis=1)
            return value, (value, q)

        last = jnp.zeros(problem.size, jnp.float32)
        _, (value, q) = lax.scan(step, last, length=problem.steps)
        return jnp.concatenate([value[::-1], last[None]]), q

    given = [jnp.asarray(a, dtype=jnp.float32) for a in (problem.pi, problem.transition, problem.reward)]
    return [Entry("JAX", lambda: np.asarray(jax.block_until_ready(run_all(*given))[0]), problem.steps, "float32")]


class Jax:
    name, version = "JAX", metadata.version("jax")

    agents_mu = staticmethod(partial(agents, False))
    agents = staticmethod(partial(agents, True))
    flow = staticmethod(flow)
    values = staticmethod(values)
