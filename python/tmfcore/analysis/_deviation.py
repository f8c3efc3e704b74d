"""Mean absolute deviation of a count of agents with given mean and variance (Theory, section 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tmfcore._base.validation import FloatArray

MANY = 1e4  # variance from which a count is treated as normal; at c = m and v <= 4 m the two differ by at most 1e-4
POISSON = 1e-6  # relative difference of mean and variance below which the count is treated as Poisson


def mean_deviation(centre: ArrayLike, mean: ArrayLike, variance: ArrayLike, n_agents: float) -> FloatArray:
    """E |X - c| of counts X in 0..N with the given mean and variance.

    Parameters
    ----------
    centre, mean, variance : float64 arrays of one shape
        c in [0, N], E X and Var X >= 0.
    n_agents : float
        N.

    Returns
    -------
    float64 array of that shape
        X is binomial if its variance is below its mean, Poisson if they are equal, negative binomial if it is above,
        the three families with (k+1) P(k+1) = (m^2/v + (1 - m/v) k) P(k). With j = floor(c), F(j) = P(X <= j),

            E |X - c| = m - c + 2 [ (c - m) F(j) + (m + (v/m - 1) j) P(j) ]

        which at c = m is de Moivre's mean deviation. For a binomial whose number of trials is not an integer, F is the
        regularised incomplete beta function. If an observation holds more than half of the agents, the agents elsewhere
        are counted instead. If v >= 1e4, X is normal.

    Notes
    -----
    sum_{k<=j} (m - k) P(k) = (m + (v/m - 1) j) P(j), by induction from the recursion of P. O(1) per entry.
    """
    c, m, v = (np.array(x, dtype=float) for x in np.broadcast_arrays(centre, mean, variance))
    m = np.clip(m, 0.0, n_agents)
    full = 2 * m > n_agents
    c, m = np.where(full, n_agents - c, c), np.where(full, n_agents - m, m)
    c = np.asarray(np.maximum(c, 0.0))
    out = np.array(np.abs(m - c))
    few = (v > 0) & (m > 0) & (v < MANY)
    out[few] = np.maximum(out[few], _few(c[few], m[few], v[few]))
    many = (v > 0) & (m > 0) & ~few
    out[many] = _folded(m[many] - c[many], np.sqrt(v[many]))
    return out


def _folded(shift: FloatArray, spread: FloatArray) -> FloatArray:
    """E |Z| for Z normal."""
    from scipy.special import erf  # scipy takes longer to import than the rest of the package

    ratio = shift / spread
    return np.asarray(spread * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + shift * erf(ratio / np.sqrt(2)))


def _few(c: FloatArray, m: FloatArray, v: FloatArray) -> FloatArray:
    """The formula of `mean_deviation`."""
    from scipy.special import betainc, betaln, gammaincc, gammaln, xlog1py, xlogy

    j = np.floor(c)
    below, at = np.ones_like(m), np.zeros_like(m)  # F(j), P(j)
    same = np.abs(v / m - 1) < POISSON
    thin = (v < m) & ~same
    p = 1 - v / m
    trials = m / np.where(thin, p, 1.0)
    thin &= j < trials  # otherwise P(X <= j) = 1
    a, k, q = trials[thin], j[thin], p[thin]
    below[thin] = betainc(a - k, k + 1, 1 - q)
    at[thin] = np.exp(xlogy(k, q) + xlog1py(a - k, -q) - betaln(a - k + 1, k + 1) - np.log1p(a))
    k, rate = j[same], m[same]
    below[same] = gammaincc(k + 1, rate)
    at[same] = np.exp(xlogy(k, rate) - rate - gammaln(k + 1))
    wide = (v > m) & ~same
    k, stop = j[wide], m[wide] / v[wide]
    r = m[wide] * stop / (1 - stop)
    below[wide] = betainc(r, k + 1, stop)
    at[wide] = np.exp(xlogy(r, stop) + xlog1py(k, -stop) - betaln(r, k + 1) - np.log(r + k))
    return np.asarray(m - c + 2 * ((c - m) * below + (m + (v / m - 1) * j) * at))
