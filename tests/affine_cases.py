"""What tests of affine games share: their specifications, and the games built from them."""


import numpy as np

import strategies
from tmfcore.games import affine


def split(base, seed):
    """A table at the corners (S, ...) as (constant, slopes (..., S)): all sorts of splits mean the same table."""
    slopes = np.moveaxis(base, 0, -1)
    constant = (np.zeros(base.shape[1:]), slopes[..., 0], slopes.mean(axis=-1))[seed % 3]
    return constant, slopes - constant[..., None]


def build(spec, seed=0, *, sparse=True):
    """The GameSpec (dependence "mu", or "fixed") as an affine game; dense if not sparse."""
    size = spec.n_observations
    successors, resting = (spec.successors, spec.passive_successors) if sparse else (None, None)

    def dense(table, given):
        return strategies.dense(table, None if given is None else np.broadcast_to(given, table.shape), size)

    def table(base, given=None):
        if base is None:
            return None, None
        corners = base[0] if sparse else dense(base[0], given)
        return (corners[0], None) if spec.dependence == "fixed" else split(corners, seed)

    reward, reward_mu = table(spec.reward)
    moves, moves_mu = table(spec.transition, spec.successors)
    waiting, waiting_mu = table(spec.passive_reward)
    staying, staying_mu = table(spec.passive_transition, spec.passive_successors)
    return affine(
        reward, reward_mu=reward_mu, transition0=moves, transition_mu=moves_mu, passive_reward0=0.0 if waiting is None else waiting,
        passive_reward_mu=waiting_mu, passive_transition0=staying, passive_transition_mu=staying_mu,
        horizon=spec.horizon, discount=spec.discount, initial=spec.initial, successors=successors,
        passive_successors=resting,
    )  # fmt: skip


affine_specs = strategies.games(dependences=("fixed", "mu"), compiled=False)


def populations(seed, size):
    """Random distributions, some with nobody at some observations, and a corner."""
    rng = np.random.default_rng(seed)
    return [*strategies.rows(rng, (3, size), 1.0), np.eye(size)[seed % size]]
