"""Fluctuations beside rmftool (Gast and Van Houdt's refined mean field), which shares no code with us.

rmftool knows continuous time: density-dependent population processes. Its transient expansion is the limit of our small
active fractions (asynchronous play). For synchronous play its symbolic derivatives of the drift replace ours.
"""

import contextlib
import io

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tmfcore as tmf
from peers import need
from tmfcore.analysis import fluctuations

rmftool = need("rmftool.population_processes")
transient = need("rmftool.refinedRefined_transientRegime")

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

INITIAL = np.array([0.7, 0.2, 0.1])


def rows(mu):
    """Susceptible, infected, recovered: infection at 0.2 + 0.7 mu(1), recovery at 0.3, loss of immunity at 0.25 mu(0).

    Works on numbers and on symbols.
    """
    s, i = mu[0], mu[1]
    return [[0.8 - 0.7 * i, 0.2 + 0.7 * i, 0], [0, 0.7, 0.3], [0.25 * s, 0, 1 - 0.25 * s]]


def game(horizon):
    def transition(mu):
        return np.array(rows(mu), float)[:, None, :]

    return tmf.Game(3, 1, horizon, 1.0, INITIAL, np.zeros((3, 1)), transition)


def process():
    """The same agents in continuous time: each acts at rate 1."""
    ddpp = rmftool.DDPP()
    for o in range(3):
        for x in range(3):
            if x != o and (o, x) in ((0, 1), (1, 2), (2, 0)):
                jump = np.zeros(3)
                jump[o], jump[x] = -1, 1
                ddpp.add_transition(jump, lambda mu, o=o, x=x: mu[o] * rows(mu)[o][x])
    ddpp.set_initial_state(INITIAL)
    return ddpp


def quietly(function, *arguments, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*arguments, **options)


@pytest.mark.parametrize("schedule", [tmf.Sequential, tmf.Fraction, tmf.Bernoulli])
def test_asynchronous(schedule):
    """V and W of the refined mean field at time 3, from active fractions 1/100 and 1/200 (N = 100 and 200) extrapolated to 0.

    rmftool 0.5's own meanFieldExpansionTransient calls another module's drift_r_vector, with one argument too many;
    the right one is called here. It rounds W to float32 at every evaluation.

    Bernoulli activation tends to their agents with Poisson clocks. Batches let a fixed number act per unit of time, so
    the noise of that number is missing: drift drift' a unit of time.
    """
    ddpp = process()
    drift = quietly(ddpp.defineDrift)
    slope, curvature, jumps = quietly(ddpp.defineDriftDerivativeQ)

    def noise(mu):
        fixed = 0 if schedule is tmf.Bernoulli else 1
        return jumps(mu) - fixed * np.outer(np.ravel(drift(mu)), np.ravel(drift(mu)))

    parts = drift, slope, curvature, noise
    start = np.concatenate([INITIAL, np.zeros(3 + 9)])
    end = solve_ivp(lambda _, y: transient.drift_r_vector(y, 3, *parts), (0, 3), start, rtol=1e-8, atol=1e-10).y[:, -1]
    x, v, w = end[:3], end[3:6], end[6:].reshape(3, 3)
    found = []
    for steps in (100, 200):
        g = game(3 * steps)
        who = (schedule(), steps) if schedule is tmf.Sequential else (schedule(1 / steps),)
        found.append(fluctuations(g, tmf.TabularPolicy.uniform(g), *who, record_every=3 * steps))
    coarse, fine = found
    np.testing.assert_allclose(2 * fine.mu[-1] - coarse.mu[-1], x, atol=1e-5)
    np.testing.assert_allclose(2 * fine.covariance[-1] - coarse.covariance[-1], w, atol=1e-5)
    np.testing.assert_allclose(2 * fine.bias[-1] - coarse.bias[-1], v, atol=1e-4)
    assert np.abs(v).max() > 0.05 and np.abs(w).max() > 0.1


def test_synchronous():
    """Our recursions at B = N equal those driven by rmftool's symbolic derivatives and covariance of jumps.

    Phi(mu) - mu is their drift F, so J = I + F', H = F''; and an agent's step has the covariance of their jumps,
    E[l l'], less what the agents of one observation have in common, sum_o mu_o (K_o - e_o)(K_o - e_o)'.
    """
    ddpp = process()
    drift = quietly(ddpp.defineDrift)
    slope, curvature, jumps = quietly(ddpp.defineDriftDerivativeQ)
    mu, sigma, bias = INITIAL.copy(), np.zeros((3, 3)), np.zeros(3)
    horizon = 12
    g = game(horizon)
    found = fluctuations(g, tmf.TabularPolicy.uniform(g), tmf.Synchronous())
    for t in range(horizon):
        moves = np.array(rows(mu), float) - np.eye(3)
        noise = jumps(mu) - np.einsum("o,ox,oy->xy", mu, moves, moves)
        jacobian = np.eye(3) + slope(mu)
        bias = jacobian @ bias + 0.5 * np.einsum("xyz,yz->x", curvature(mu), sigma)
        sigma = jacobian @ sigma @ jacobian.T + noise
        mu = mu + np.ravel(drift(mu))
        np.testing.assert_allclose(found.mu[t + 1], mu, atol=1e-12)
        np.testing.assert_allclose(found.covariance[t + 1], sigma, atol=1e-8)
        np.testing.assert_allclose(found.bias[t + 1], bias, atol=1e-7)
    assert np.abs(bias).max() > 0.03


def test_poisson_clocks():
    """Their agents exactly: mean field, V and W at time 3. W is rounded to float32 by rmftool at every evaluation, so that
    it is also integrated here, in float64, from their derivatives and jumps.
    """
    ddpp = process()
    drift = quietly(ddpp.defineDrift)
    slope, curvature, jumps = quietly(ddpp.defineDriftDerivativeQ)

    def moves(_, y):
        x, v, w = y[:3], y[3:6], y[6:].reshape(3, 3)
        bend = np.einsum("xyz,yz->x", curvature(x), w)
        half = slope(x) @ w
        return np.concatenate([np.ravel(drift(x)), slope(x) @ v + 0.5 * bend, (half + half.T + jumps(x)).ravel()])

    start = np.concatenate([INITIAL, np.zeros(3 + 9)])
    end = solve_ivp(moves, (0, 3), start, rtol=1e-11, atol=1e-13).y[:, -1]
    parts = drift, slope, curvature, jumps
    theirs = solve_ivp(lambda _, y: transient.drift_r_vector(y, 3, *parts), (0, 3), start, rtol=1e-8, atol=1e-10).y[:, -1]
    corners = np.stack([np.array(rows(corner), float)[:, None, :] for corner in np.eye(3)], axis=-1)
    affine = tmf.games.affine(
        np.zeros((3, 1)), reward_mu=None, transition0=np.zeros((3, 1, 3)), transition_mu=corners, horizon=3.0, discount=1.0,
        initial=INITIAL, time="sweeps",
    )  # fmt: skip
    called = tmf.Game(
        3, 1, 3.0, 1.0, INITIAL, np.zeros((3, 1)), lambda mu: np.array(rows(mu), float)[:, None, :], time="sweeps"
    )
    for g in (affine, called):
        found = fluctuations(g, np.ones((3, 1)), tmf.Poisson(), times=3)
        np.testing.assert_allclose(found.mu[-1], end[:3], atol=1e-9)
        np.testing.assert_allclose(found.bias[-1], end[3:6], atol=1e-7)
        np.testing.assert_allclose(found.covariance[-1], end[6:].reshape(3, 3), atol=1e-8)
        np.testing.assert_allclose(found.covariance[-1], theirs[6:].reshape(3, 3), atol=1e-6)
        np.testing.assert_allclose(found.bias[-1], theirs[3:6], atol=1e-6)
