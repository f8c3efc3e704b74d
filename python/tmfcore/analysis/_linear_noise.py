"""Linear noise in continuous time: covariance and bias of agents with Poisson clocks (Theory, section 12).

    linear_noise(clocks, stages, ...)     mu, Sigma and m at given times

Source     Kurtz (J. Appl. Prob. 8, 1971); the bias is the refined mean field of Gast and Van Houdt (2017).

Derivatives in mu are taken along d_y = e_y - mu, towards the corners of the simplex, which never leads out of it: as
rows of Sigma sum to 0, J Sigma = sum_y (J d_y) Sigma_y, and so for H. Rates affine in mu are known by those at the
corners; of others there are forward differences of order 5 for J and 4 for H.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.ode import bounds_of, distribution, pieces_of, solved
from tmfcore._model.continuous import Continuous, Stages
from tmfcore._model.sources import dense

__all__ = ["is_exact", "linear_noise"]

STEP = 1 / 64  # of differences, in units of mu; rounding errs by about 1e-13, truncation by STEP**5 and STEP**4
FIRST = np.array([-137 / 60, 5, -5, 10 / 3, -5 / 4, 1 / 5]) / STEP
SECOND = np.array([15 / 4, -77 / 6, 107 / 6, -13, 61 / 12, -5 / 6]) / STEP**2

Rates = Callable[[FloatArray], FloatArray]  # of one agent (S, S) at mu; the diagonal makes rows sum to 0


def is_exact(clocks: Continuous, stages: Stages) -> bool:
    """Whether the rates of jumps are affine in mu, so that differences have no error but rounding."""
    return not stages.kernel.depends_on_mu and (clocks.model.affine or clocks.model.constant_transition)


def linear_noise(
    clocks: Continuous, stages: Stages, times: FloatArray, covariance: FloatArray, bias: FloatArray, exact: bool,
    share: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Flow (J+1, S), covariance (J+1, S, S) and bias (J+1, S) at `times`.

    Parameters
    ----------
    covariance, bias : (S, S) and (S,) float64
        Sigma and m at the start.
    exact : bool
        As `is_exact` says; False: differences.
    share : float
        1 / N, or 0: with constant rates the noise is that at mu + share * m, the mean for N agents.
    """
    n_obs = clocks.game.n_observations
    constant = exact and clocks.model.constant_transition
    out = np.empty((len(times), n_obs * (n_obs + 2)))
    y = np.concatenate([clocks.game.initial, covariance.ravel(), bias])
    for stage, low, high, inside in pieces_of(times, bounds_of(clocks.game.horizon, stages.n_stages)):

        def rates(mu: FloatArray, stage: int = stage) -> FloatArray:
            return jump_rates(clocks, mu, stages.table(mu, stage))

        corners = np.stack([rates(corner) for corner in np.eye(n_obs)]) if exact else None

        def derivative(
            t: float, y: FloatArray, rates: Rates = rates, corners: FloatArray | None = corners
        ) -> FloatArray:
            mu, sigma, m = distribution(y[:n_obs]), y[n_obs:-n_obs].reshape(n_obs, n_obs), y[-n_obs:]
            q = rates(mu) if corners is None else np.tensordot(mu, corners, 1)
            slopes = _slopes(rates, mu, q) if corners is None else corners - q
            pulled = q + np.einsum("o,yox->yx", mu, slopes)  # (y, x): J d_y, but for what all y have in common
            spread = sigma @ pulled
            moved = spread + spread.T + _noise(distribution(mu + share * m) if constant else mu, q)
            curved = np.einsum("oy,yox->x", sigma, slopes)
            if corners is None:
                curved += 0.5 * mu @ _curvature(rates, mu, q, sigma)
            return np.concatenate([mu @ q, moved.ravel(), m @ pulled + curved])

        solution, y = solved(derivative, low, high, y)
        if len(inside):
            out[inside] = solution(times[inside]).T
    mu = np.maximum(out[:, :n_obs], 0.0)
    mu /= mu.sum(axis=1, keepdims=True)
    sigma = out[:, n_obs:-n_obs].reshape(-1, n_obs, n_obs)
    return mu, (sigma + sigma.swapaxes(1, 2)) / 2, out[:, -n_obs:].copy()


def jump_rates(clocks: Continuous, mu: FloatArray, pi: FloatArray) -> FloatArray:
    """q(x | o, mu), (S, S), with minus the rate of leaving on the diagonal."""
    found, model = clocks.tables(mu), clocks.model
    rows = found.transition if model.successors is None else dense(found.transition, model.successors)
    q = clocks.rate[:, np.newaxis] * np.einsum("oa,oax->ox", pi, rows)
    if not model.passive_identity:
        passive = model.passive_successors
        q += found.generator if passive is None else dense(found.generator, passive)
    places = np.arange(len(mu))
    q[places, places] = 0.0
    q[places, places] = -q.sum(axis=1)
    return np.asarray(q)


def _slopes(rates: Rates, mu: FloatArray, q: FloatArray) -> FloatArray:
    """Derivatives of q along d_y, (y, S, S)."""
    return np.stack([
        FIRST[0] * q + sum(FIRST[k] * rates(distribution(mu + k * STEP * (corner - mu))) for k in range(1, 6))
        for corner in np.eye(len(mu))
    ])  # fmt: skip


def _curvature(rates: Rates, mu: FloatArray, q: FloatArray, sigma: FloatArray) -> FloatArray:
    """The sum over y and z of sigma[y, z] times the second derivative of q along d_y and d_z, (S, S).

    sigma is a sum of squares of vectors v = p - n with p, n >= 0. Those along p, n and p + n, of which the second
    derivative along v consists, lead into the simplex.
    """
    sizes, vectors = np.linalg.eigh((sigma + sigma.T) / 2)
    out = np.zeros_like(q)
    for size, v in zip(sizes, vectors.T, strict=True):
        if size <= 1e-13 * max(float(sizes[-1]), 1e-300):
            continue
        positive, negative = np.maximum(v, 0.0), np.maximum(-v, 0.0)
        for factor, way in ((2.0, positive), (2.0, negative), (-1.0, positive + negative)):
            weight = float(way.sum())
            if weight > 0:
                direction = way / weight - mu
                second = SECOND[0] * q + sum(
                    SECOND[k] * rates(distribution(mu + k * STEP * direction)) for k in range(1, 6)
                )
                out += size * factor * weight**2 * second
    return out


def _noise(mu: FloatArray, q: FloatArray) -> FloatArray:
    """The covariance of all jumps per unit of time, times N: sum_o,x mu(o) q(x|o) (e_x - e_o)(e_x - e_o)'."""
    flows = mu[:, np.newaxis] * (q - np.diag(np.diagonal(q)))
    return np.asarray(np.diag(flows.sum(axis=0) + flows.sum(axis=1)) - flows - flows.T)
