"""The swarm: its chain, its long run in closed form, and the values of the chain on 50 to 400 places."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

import tmfcore as tmf
from tmfcore.games import swarm

LONG_RUN = np.log(np.i0(2))


def places(n):
    return np.arange(n) / n


def density(n):
    """The closed form at n places, as shares."""
    return np.exp(2 * np.sin(2 * np.pi * places(n))) / np.i0(2) / n


def worth(n):
    y = 2 * np.pi * places(n)
    return 2 * np.pi**2 * (np.sin(y) - np.cos(y) ** 2) + 2 * np.sin(y)


def test_rows_and_rewards():
    n, delta, dt, speeds = 8, 0.01, 0.25, [-3.0, 0.5, 8.0]
    game = swarm(n, actions=speeds, delta=delta, epsilon=1e-3, step=dt).at()
    mu = np.random.default_rng(0).dirichlet(np.ones(n))
    reward, rows, passive_reward, passive = game.tables(mu)
    np.testing.assert_array_equal(passive, np.eye(n))
    assert game.model.passive_identity
    for x in range(n):
        standing = dt * delta * (worth(n)[x] - np.log(n * mu[x] + 1e-3))
        assert passive_reward[x] == pytest.approx(standing, rel=1e-12)
        for k, a in enumerate(speeds):
            assert reward[x, k] == pytest.approx(standing - delta * a**2 / 2, rel=1e-12)
            row = rows[x, k]
            up, down = row[(x + 1) % n], row[(x - 1) % n]
            assert up - down == pytest.approx(a * delta * n, abs=1e-15)  # the mean of dX is a d
            assert up + down == pytest.approx(delta * n**2) and row[x] == pytest.approx(1 - up - down)
    assert game.observation_labels == tuple(map(str, range(n))) and game.action_labels == ("-3", "0.5", "8")


def best_of_chain(n):
    """The equilibrium of the chain with every speed allowed: speeds, shares, mean reward per unit of time.

    Policy iteration in numpy: from the values V the best speed is (V(x+1) - V(x-1)) / (2 h), and reward + generator V is the
    same at every place. mu is in detailed balance, since the speeds at y and 1/2 - y are opposite; it follows halfway.
    """
    h, speeds, mu = 1 / n, np.zeros(n), np.full(n, 1 / n)
    ahead, behind = (sp.csr_array(np.roll(np.eye(n), shift, axis=1)) for shift in (1, -1))
    for _ in range(100):
        up, down = (1 + h * speeds) / (2 * h**2), (1 - h * speeds) / (2 * h**2)
        generator = sp.diags_array(up) @ ahead + sp.diags_array(down) @ behind - sp.eye_array(n) / h**2
        settled = np.exp(np.append(0.0, np.cumsum(np.log(up[:-1] / down[1:]))))
        mu = (mu + settled / settled.sum()) / 2
        reward = worth(n) - np.log(n * mu) - speeds**2 / 2
        found = spsolve(sp.hstack([generator[:, 1:], -np.ones((n, 1))]).tocsc(), -reward)  # V(0) = 0, and the mean reward
        values = np.append(0.0, found[:-1])
        last, speeds = speeds, (np.roll(values, -1) - np.roll(values, 1)) / (2 * h)
        if np.abs(speeds - last).max() < 1e-9:
            break
    return speeds, mu, float(found[-1])


@pytest.mark.parametrize(("n", "value", "distance"), [(50, 0.80584, 1.8e-3), (100, 0.81946, 4.5e-4)])
def test_the_values_of_the_chain(n, value, distance):
    """Derived for this project, as is the closed form that they tend to; the game plays that chain under every schedule."""
    speeds, mu, mean = best_of_chain(n)
    assert mean == pytest.approx(value, abs=5.1e-6)
    assert np.abs(mu - density(n)).sum() == pytest.approx(distance, rel=0.05)
    assert np.abs(speeds - 2 * np.pi * np.cos(2 * np.pi * places(n))).max() < 30 / n
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.5)):
        game = swarm(n, actions=speeds, epsilon=1e-12, horizon=50, initial=mu)
        found = tmf.evaluate(game, tmf.TabularPolicy(np.eye(n)), schedule)
        np.testing.assert_allclose(found.flow.mu[-1], mu, atol=1e-12)
        delta = 0.9 / n**2
        assert found.mean_return / (50 * delta) == pytest.approx(mean, abs=1e-8)


def test_the_values_tend_to_the_closed_form():
    """At a rate of h^2: from two of them the limit follows."""
    coarse, fine = (best_of_chain(n) for n in (200, 400))
    assert coarse[2] == pytest.approx(0.82286, abs=5.1e-6) and fine[2] == pytest.approx(0.82371, abs=5.1e-6)
    assert np.abs(fine[1] - density(400)).sum() == pytest.approx(2.8e-5, rel=0.05)
    assert (4 * fine[2] - coarse[2]) / 3 == pytest.approx(LONG_RUN, abs=1e-6)


def test_every_place_takes_its_own_speed():
    """Far from the end of the game the best response among the best speeds of all places is that of the place."""
    n = 30
    speeds, mu, _ = best_of_chain(n)
    game = swarm(n, actions=speeds, epsilon=1e-12, horizon=800, initial=mu)
    flow = tmf.mean_field(game, tmf.TabularPolicy(np.eye(n)), tmf.Synchronous())
    best, _ = tmf.best_response(game, flow, tmf.Synchronous())
    assert np.abs(speeds[best.table[0].argmax(axis=1)] - speeds).max() < 1e-6


def test_a_solver_finds_it():
    """With 15 speeds on 20 places, discounted by a third per unit of time."""
    n = 20
    game = swarm(n, discount=np.exp(-0.4 * 0.9 / n**2))
    found = tmf.solvers.Stationary().solve(game, tmf.Synchronous())
    assert found.converged
    assert np.abs(found.flow.mu[0] - density(n)).sum() < 0.01
    assert tmf.analysis.monotonicity(swarm(n, horizon=5), tmf.Synchronous()).verdict == "strictly monotone"


def test_a_common_good_changes_nothing():
    """The equilibrium is the optimum, whatever the weight of the others."""
    game = swarm(12, horizon=40)
    found = [tmf.solve(game, tmf.Synchronous(), altruism=weight, tolerance=1e-6) for weight in (0.0, 0.5, 1.0)]
    for other in found[1:]:
        np.testing.assert_allclose(other.flow.mu, found[0].flow.mu, atol=1e-7)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"n_places": 2}, ValueError, "n_places is 2"),
        ({"n_places": 5, "actions": [6.0]}, ValueError, r"actions\[0\] is 6"),
        ({"n_places": 10, "delta": 0.011}, ValueError, "delta is 0.011"),
        ({"delta": 0}, ValueError, "delta is 0.0"),
        ({"epsilon": 0}, ValueError, "epsilon is 0.0"),
        ({"initial": [1.0]}, ValueError, r"initial has shape \(1,\)"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        swarm(**arguments)
