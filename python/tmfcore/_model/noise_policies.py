"""Policies that see common noise, and what they do on one path of it.

by_memory(policy, game, chain)              the table of a policy over the last states of the noise
recalled(table, path, n_states)             what such a table does on a path
policy_on(policy, game, path, ...)          any policy on a path, compiled
policy_given_noise(policy, game, chain)     a policy that depends on the population, in each state of the noise
game_on, of_steps, constant_paths           games with noise
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import n_arguments, of_mu_and_t
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.fingerprint import whole
from tmfcore._model.game import Game
from tmfcore._model.noise import NoiseChain, NoisePolicy, stages_of
from tmfcore._model.policies import Played, PolicyLike, TabularPolicy, as_policy
from tmfcore._model.policy import CallablePolicy, Policy, TablePolicy

__all__ = [
    "NoisePolicyLike", "by_memory", "constant_paths", "game_on", "of_steps", "policy_given_noise", "policy_on",
    "recalled",
]  # fmt: skip

#: What sees the noise: tables over its states, functions of (mu, t, z), and every policy that ignores it.
NoisePolicyLike: TypeAlias = NoisePolicy | PolicyLike | Callable[[FloatArray, int, Any], FloatsLike]


def of_steps(game: object) -> Game:
    """`game`, checked to be one in steps that has common noise."""
    found = check.as_instance(game, "game", Game)
    if whole(found).noise is None:
        raise ValueError(f"game is {found!r}, without common noise; must be a Game(..., noise=path)")
    if found._cut is not None:
        raise ValueError(f"game is {found!r}; must be in steps, since the noise is: game.at(schedule, n_agents)")
    return found


def game_on(game: Game, path: FloatArray) -> Game:
    """The game in steps on a path (T, ...) of values of the noise."""
    return game.replace(noise=path)


def constant_paths(game: Game, chain: NoiseChain) -> list[FloatArray]:
    """For each state the path that stays there."""
    return [np.broadcast_to(value, (game.n_steps, *value.shape)) for value in chain.values]


def by_memory(policy: object, game: Game, chain: NoiseChain, name: str = "policy") -> FloatArray | None:
    """The table (L, Z^k, S, A) of a policy that depends on the last k >= 0 states of the noise; None for functions.

    It may be a NoisePolicy (k = 1), a table of the game (k = 0), or one of Z^k S observations.
    """
    if isinstance(policy, NoisePolicy):
        if policy.n_states != chain.n_states:
            raise ValueError(f"{name} has Z = {policy.n_states} states; must have the chain's, {chain.n_states}")
        table = policy.table.reshape(policy.n_stages, -1, policy.table.shape[-1])
    else:
        found = policy.policy if isinstance(policy, Played) else policy
        kernel = getattr(found, "kernel", found)
        if isinstance(kernel, TablePolicy):
            table = kernel.table
        elif check.is_array(found) and not callable(found) and not isinstance(kernel, Policy):
            table = check.as_probabilities(
                found, name, shape=[(None, None), (None, None, None)], letters=["S, A", "L, S, A"]
            )
            table = table.reshape(-1, *table.shape[-2:])
        else:
            return None
    n_obs, n_act = game.n_observations, game.n_actions
    known = table.shape[1] // n_obs
    if table.shape[1:] != (known * n_obs, n_act) or not _is_power(known, chain.n_states):
        wanted = f"({n_obs}, {n_act})"
        raise ValueError(
            f"{name} has (S, A) = {table.shape[1:]}; must be the game's, {wanted}, or Z**k S of them, "
            f"with Z = {chain.n_states}, for the last k states of the noise"
        )
    if len(table) > game.n_steps:
        raise ValueError(f"{name} has {len(table)} stages; must have at most one per step, horizon = {game.n_steps}")
    return np.asarray(table.reshape(len(table), known, n_obs, n_act))


def _is_power(n: int, base: int) -> bool:
    """Whether n is 1, base, base^2, ..."""
    while n > 1 and base > 1 and n % base == 0:
        n //= base
    return n == 1


def recalled(table: FloatArray, path: IntArray, n_states: int) -> TabularPolicy:
    """What a table (L, Z^k, S, A) of the last k states of the noise does on a path (T,), one stage per step."""
    h, places = 0, np.empty(len(path), np.int64)
    for t, z in enumerate(path):
        h = places[t] = (h * n_states + int(z)) % table.shape[1]
    return TabularPolicy(table[stages_of(len(table), len(path)), places], horizon=len(path))


def policy_on(
    policy: object, game: Game, path: FloatArray, states: IntArray | None = None, chain: NoiseChain | None = None,
    name: str = "policy",
) -> Policy:  # fmt: skip
    """The compiled policy of a game on a path (T, ...) of values, and of states (T,) if the noise is a chain."""
    if chain is not None and states is not None:
        recalling = by_memory(policy, game, chain, name)
        if recalling is not None:
            return recalled(recalling, states, chain.n_states).kernel
    return seeing(policy, game, path, name) if sees_noise(policy, name) else as_policy(policy, game, name)


def policy_given_noise(policy: object, game: Game, chain: NoiseChain) -> list[Policy]:
    """For each state of the noise the compiled policy, a function of the population, that is played in it."""
    if sees_noise(policy):
        return [seeing(policy, game, path) for path in constant_paths(game, chain)]
    return [as_policy(policy, game)] * chain.n_states


def sees_noise(policy: object, name: str = "policy") -> bool:
    """Whether a policy is a function of (mu, t, z)."""
    plain = callable(policy) and not isinstance(policy, Policy)
    return plain and n_arguments(policy, name, most=3) == 3  # type: ignore[arg-type]


def seeing(policy: Any, game: Game, path: FloatArray, name: str = "policy") -> Policy:
    """A function of (mu, t, z) as a compiled policy on a path (T, ...) of values of the noise."""
    step = game.dt if game.unit == "sweeps" else None
    function = of_mu_and_t(policy, name, path, "", step, game.n_steps, check.as_rows)
    return CallablePolicy(function, game.n_observations, game.n_actions, game.legal)
