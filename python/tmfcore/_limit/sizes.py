"""What flows, values, best responses and fluctuations need: name -> bytes of an entry, and the shape, for needs.ask."""

from __future__ import annotations

from tmfcore._base import needs
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game
from tmfcore._model.model import Model
from tmfcore._model.schedules import Active

__all__ = [
    "Needs", "cells_of", "copy_needs", "flow_needs", "fluctuation_needs", "is_small", "kernel_needs", "path_needs",
    "response_needs", "value_needs",
]  # fmt: skip

Needs = dict[str, tuple[int, ...]]
OBJECTS = 4200  # bytes of a game on a path, without its arrays
KEPT = 2**26  # bytes of the kernels of all steps that evaluator.keep_kernels keeps


def is_small(game: Game, tables: float = 4) -> bool:
    """Whether `tables` policies, with kernels and flows, need so little that nobody would compare it with what is free.

    For calls of some microseconds, which asking would slow down by a third.
    """
    return needs.passes(8 * (tables + 8) * game._entries)


def cells_of(model: Model) -> int:
    """Entries of the kernels of a step."""
    n_obs = model.n_observations
    return n_obs * model.n_actions * model.n_successors + n_obs * model.n_passive_successors


def kernel_needs(model: Model) -> Needs:
    """Tables of a step; and its cells in the order of their successors, or rows averaged over a policy."""
    n_obs, n_pairs = model.n_observations, model.n_observations * model.n_actions
    cells = 8 * n_obs**2 + 8 * cells_of(model) if model.successors is None else 24 * cells_of(model)
    return {"tables of a step": (cells + 40 * n_pairs + 64 * n_obs,)}


def flow_needs(game: Game, active: Active, record_every: int) -> Needs:
    """A flow with kernels of its own; record_every = 0: only the kernels."""
    found = kernel_needs(game.model)
    if record_every:
        n_steps, n_obs = game.n_steps, game.n_observations
        n_intervals = -(-n_steps // record_every)
        found["mu"] = (8, n_intervals + 1, n_obs)
        found["steps"] = (8, n_intervals + 1)
        if isinstance(active, ActingShares):
            found["active fraction"] = (8, n_steps)
        kept = 8 * cells_of(game.model) * n_steps
        if not game.model.constant_transition and kept <= KEPT:
            found["kernels of all steps"] = (kept,)
    return found


def value_needs(game: Game) -> Needs:
    """The values of a policy."""
    n_steps, n_obs = game.n_steps, game.n_observations
    return {"values": (8, n_steps + 1, n_obs), "q": (8, n_steps, n_obs, game.n_actions)}


def response_needs(game: Game) -> Needs:
    """A best response."""
    n_steps, n_obs = game.n_steps, game.n_observations
    return {
        "values of the response": (8, n_steps + 1, n_obs),
        "response": (8, n_steps, n_obs, game.n_actions),
        "best actions": (16, n_steps, n_obs),
    }


def copy_needs(game: Game, n_paths: int) -> Needs:
    """A game and a policy for each path of its noise: objects of Python, and a table."""
    entries = game.n_observations * game.n_actions
    return {f"games and policies on {n_paths} paths": (OBJECTS + 8 * entries, n_paths)}


def path_needs(game: Game, n_paths: int) -> Needs:
    """Policies, rewards, values and flows of a game on so many paths of its noise, and its rows if they differ."""
    first = game._first or game
    model, steps = first.model, game.n_steps + 1  # one more, for what a step makes of them
    cells = first.n_observations * (3 * first.n_actions + 3)
    found = kernel_needs(model) | copy_needs(first, n_paths)
    found[f"flows and values on {n_paths} paths"] = (8, n_paths, steps, cells)
    if not model.constant_transition:
        found[f"rows on {n_paths} paths"] = (8, n_paths, game.n_steps, cells_of(model))
    return found


def fluctuation_needs(model: Model, n_intervals: int) -> Needs:
    """Covariance and bias of N agents, recorded J + 1 times."""
    n_obs, n_act = model.n_observations, model.n_actions
    return kernel_needs(model) | {
        "covariance": (8, n_intervals + 1, n_obs, n_obs),
        "mu and bias": (16, n_intervals + 1, n_obs),
        "derivatives of a step": (8 * (11 * n_obs**2 + 2 * max(n_act * (n_obs + 1), 2**16)),),
    }
