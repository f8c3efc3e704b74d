"""Games whose acting agents meet a partner, for tests of single events."""

import numpy as np

import tmfcore as tmf


def affine(size, n_actions=2, cells=None, rewards="local", seed=0, horizon=1_500):
    """Dense or sparse rows, of which that of the last pair does not depend on mu."""
    rng = np.random.default_rng(seed)
    width = cells or size
    base = 0.2 * rng.dirichlet(np.ones(width), (size, n_actions))
    moved = 0.8 * np.moveaxis(rng.dirichlet(np.full(width, 0.3), (size, n_actions, size)), -1, 2)
    base[-1, -1], moved[-1, -1] = base[-1, -1] * 5, 0.0
    level, extra = rng.normal(size=size), rng.normal(size=(size, n_actions))
    standing_mu = np.diag(rng.normal(size=size)) if rewards == "local" else rng.normal(size=(size, size))
    reward_mu = np.repeat(standing_mu[:, None], n_actions, axis=1)
    if rewards == "own":
        reward_mu = reward_mu + rng.normal(size=reward_mu.shape)
    successors = None
    if cells is not None:
        successors = np.stack([rng.permutation(size)[:cells] for _ in range(size * n_actions)]).reshape(
            size, n_actions, cells
        )
    return tmf.games.affine(
        reward0=level[:, None] + extra, reward_mu=reward_mu, passive_reward0=level, passive_reward_mu=standing_mu,
        transition0=base, transition_mu=moved, successors=successors, horizon=horizon, discount=0.99,
        initial=np.full(size, 1 / size),
    )  # fmt: skip
