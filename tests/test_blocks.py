"""Flows and values that are computed eight steps at once, against one step at a time in numpy."""

import numpy as np
import pytest

import tmfcore as tmf


def made(size, n_actions, horizon, stages, passive, seed=0):
    """(game, policy (L, S, A), P (S, A, S), P0 (S, S)); rows of the kernel have zeros, and rewards depend on mu."""
    rng = np.random.default_rng([seed, size, horizon])
    transition = rng.dirichlet(np.full(size, 0.4), size=(size, n_actions))
    base, still = rng.normal(size=(size, n_actions)), rng.normal(size=size)
    moves, resting = {}, np.eye(size)
    if passive == "dense":
        resting = rng.dirichlet(np.ones(size), size=size)
        moves = {"passive_transition": resting}
    elif passive == "sparse":
        cells, successors = rng.dirichlet(np.ones(2), size=size), rng.integers(size, size=(size, 2))
        resting = np.zeros((size, size))
        np.add.at(resting, (np.arange(size)[:, None], successors), cells)
        moves = {"passive_transition": cells, "passive_successors": successors}
    reward = (lambda mu: base - mu[:, None]) if passive != "dense" else base
    game = tmf.Game(
        size, n_actions, horizon, 0.97, rng.dirichlet(np.ones(size)), reward, transition, passive_reward=still, **moves
    )
    return game, rng.dirichlet(np.ones(n_actions), size=(stages, size)), transition, resting


def step_by_step(game, policy, transition, resting, beta, discount=0.97):
    """mu (T+1, S), V (T+1, S) and Q (T, S, A), by the formulas of Theory, sections 2 and 3."""
    horizon = game.n_steps
    stage = np.arange(horizon) * len(policy) // horizon
    mu = [game.initial]
    for t in range(horizon):
        acting = np.einsum("o,oa,oax->x", mu[-1], policy[stage[t]], transition)
        mu.append(beta * acting + (1 - beta) * mu[-1] @ resting)
    values, q = np.zeros((horizon + 1, game.n_observations)), np.zeros((horizon, *policy.shape[1:]))
    for t in range(horizon - 1, -1, -1):
        reward, _, waiting, _ = game.tables(mu[t], t)
        q[t] = reward + discount * transition @ values[t + 1]
        values[t] = beta * (policy[stage[t]] * q[t]).sum(1) + (1 - beta) * (waiting + discount * resting @ values[t + 1])
    return np.array(mu), values, q


# Up to 24 observations flows, and beyond 48 values, are computed in blocks if a stage is long enough; the horizons leave
# remainders, and one stage is too short.
@pytest.mark.parametrize("passive", ["identity", "dense", "sparse"])
@pytest.mark.parametrize(
    ("size", "n_actions", "horizon", "stages"),
    [(2, 3, 97, 1), (5, 2, 203, 3), (8, 4, 160, 2), (8, 2, 79, 1), (13, 3, 261, 2), (24, 2, 230, 1), (25, 2, 240, 1),
     (50, 3, 61, 2), (65, 2, 24, 1), (51, 2, 15, 1)],
)  # fmt: skip
def test_blocks_of_steps_are_steps(size, n_actions, horizon, stages, passive):
    game, policy, transition, resting = made(size, n_actions, horizon, stages, passive)
    for schedule, beta in ((tmf.Fraction(0.3), 0.3), (tmf.Synchronous(), 1.0)):
        mu, values, q = step_by_step(game, policy, transition, resting, beta)
        played = tmf.TabularPolicy(policy, horizon=horizon)
        flow = tmf.mean_field(game, played, schedule)
        np.testing.assert_allclose(flow.mu, mu, rtol=1e-11, atol=1e-14)
        assert abs(flow.mu.sum(1) - 1).max() < 1e-15 * size
        found = tmf.evaluate(game, played, schedule, flow=flow)
        np.testing.assert_allclose(found.values, values, rtol=0, atol=1e-12 * horizon)
        np.testing.assert_allclose(found.q, q, rtol=0, atol=1e-12 * horizon)
        for record_every in (3, 8, 100):
            thinned = tmf.mean_field(game, played, schedule, record_every=record_every)
            np.testing.assert_array_equal(thinned.mu, flow.mu[thinned.steps])


def test_a_kernel_that_never_returns_empties_its_start():
    """Powers keep zeros: no mass comes back to an observation that cannot be reached."""
    transition = np.array([[[0.5, 0.5, 0.0]], [[0.0, 0.5, 0.5]], [[0.0, 0.0, 1.0]]])
    game = tmf.Game(3, 1, 400, 1.0, [1.0, 0.0, 0.0], np.zeros((3, 1)), transition)
    mu = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()).mu
    steps = np.arange(401)
    np.testing.assert_allclose(mu[:, 0], 0.5**steps, rtol=1e-12)
    np.testing.assert_allclose(mu[:, 1], steps * 0.5**steps, rtol=1e-12)


@pytest.mark.parametrize("size", [3, 60])
@pytest.mark.parametrize(("played", "other"), [(1.7e308, 0.0), (3e306, 1.7e308)])
def test_values_that_overflow_are_refused(size, played, other):
    """Also if only the value of an action that is never played overflows."""
    reward = np.tile([played, other], (size, 1))
    transition = np.full((size, 2, size), 1.0 / size)
    game = tmf.Game(size, 2, 40, 1.0, np.full(size, 1.0 / size), reward, transition)
    with pytest.raises(ValueError, match=r"must be finite: the sum of the rewards from there on overflows"):
        tmf.evaluate(game, np.tile([1.0, 0.0], (size, 1)), tmf.Synchronous())
