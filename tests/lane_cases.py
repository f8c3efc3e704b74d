"""Games for the kernel that plays replicas side by side, and its runs beside those of single replicas."""

import numpy as np

import tmfcore as tmf
from tmfcore._model.policies import as_policy
from tmfcore._population import counts as counts_kernel
from tmfcore._population import lanes
from tmfcore._random import seeding


def resources(size, steps, seed=1, discount=0.95):
    """Resource selection of `steps` steps, no two resources alike."""
    rng = np.random.default_rng(seed)
    game = tmf.games.resource_selection(
        rng.uniform(0.2, 1, size), congestion=rng.uniform(0.1, 1, size), switching_cost=0.05, initial=rng.dirichlet(np.ones(size)),
        horizon=steps, step=1,
    ).at()
    return game.replace(discount=discount)


def staged(game, stages=1, seed=2):
    rng = np.random.default_rng(seed)
    return tmf.TabularPolicy(rng.dirichlet(np.ones(game.n_actions), (stages, game.n_observations)))


def starts(game, n_agents, replicas, seed=3):
    """Counts (R, S) drawn from game.initial: other rows for every replica."""
    return np.random.default_rng(seed).multinomial(n_agents, game.initial, replicas).astype(np.int64)


def outputs(game, replicas, record_every, decisions):
    """Outputs filled with rubbish: counts, decisions, rewards, returns."""
    shape, n_intervals = (game.n_observations, game.n_actions), -(-game.n_steps // record_every)
    return (
        np.full((replicas, n_intervals + 1, shape[0]), -7, np.int64),
        np.full((replicas, n_intervals, *shape), -7, np.int64) if decisions else None,
        np.full((replicas, n_intervals), np.nan), np.full(replicas, np.nan),
    )


def beside(game, policy, start, record_every=1, decisions=True, rng=5, batch=1):
    """Outputs of replicas in groups of up to sixteen; how many ties came up, and how many agents were drawn again."""
    keys, out = seeding.keys(seeding.seeds(rng, len(start))), outputs(game, len(start), record_every, decisions)
    side = lanes.side(game.model, as_policy(policy, game), game.n_steps, int(start[0].sum()), decisions, batch)
    rare = np.zeros(2, np.int64)
    for first in range(0, len(start), lanes.MOST):
        rows = slice(first, first + lanes.MOST)
        tables = (None if array is None else array[rows] for array in out)
        rare += side.run(keys[rows], start[rows], game.discount, record_every, *tables)
    return out, rare


def alone(game, policy, start, record_every=1, decisions=True, rng=5, batch=1):
    """The same, replica by replica."""
    kernel, one = as_policy(policy, game), np.full(1, batch)
    out = outputs(game, len(start), record_every, decisions)
    for r, generator in enumerate(seeding.generators(rng, len(start))):
        out[3][r] = counts_kernel.run(
            game.model, kernel, generator.bit_generator, start[r], game.n_steps, game.discount, one, None, record_every,
            *(None if array is None else array[r] for array in out[:3]),
        )
    return out


def assert_same_bits(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert ours.tobytes() == theirs.tobytes(), f"{np.count_nonzero(ours != theirs)} of {ours.size} entries differ"
