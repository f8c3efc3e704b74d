"""The samplers under the engines, against the methods of numpy's Generator that draw from the same law."""

import numpy as np
import pytest

from tmfcore._random import sampling
from tmfcore.testing import _doors

DRAWS = 10_000


def moments_agree(mine, theirs):
    """Means of two samples differ by at most 6 standard errors (false alarms: 2e-9 per comparison)."""
    error = np.sqrt((mine.var(axis=0) + theirs.var(axis=0)) / len(mine)) + 1e-12
    assert (np.abs(mine.mean(axis=0) - theirs.mean(axis=0)) <= 6 * error).all()


@pytest.mark.benchmark(group="multinomial")
@pytest.mark.parametrize("size", [8, 64])
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_multinomial(measure, code, size):
    """ns per cell of one multinomial draw of a million agents, including the call from Python."""
    p = np.random.default_rng(3).dirichlet(np.ones(size))
    bits, rng = np.random.PCG64(1), np.random.default_rng(2)
    mine = lambda: sampling.multinomial(bits, 1_000_000, p)
    theirs = lambda: rng.multinomial(1_000_000, p)
    moments_agree(np.array([mine() for _ in range(500)]), np.array([theirs() for _ in range(500)]))
    measure(mine if code == "tmfcore" else theirs, units=size, unit="cell")


@pytest.mark.benchmark(group="hypergeometric")
@pytest.mark.parametrize("batch", [1, 100, 400_000])
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_hypergeometric_split(measure, code, batch):
    """ns per draw of the acting agents, by observation, of a million; S = 8."""
    counts = np.full(8, 125_000)
    bits, rng = np.random.PCG64(1), np.random.default_rng(2)
    mine = lambda: _doors.hypergeometric_split(bits, counts, batch)
    theirs = lambda: rng.multivariate_hypergeometric(counts, batch, method="marginals")
    moments_agree(np.array([mine() for _ in range(500)]), np.array([theirs() for _ in range(500)]))
    measure(mine if code == "tmfcore" else theirs, units=1, unit="draw")


@pytest.mark.benchmark(group="categorical")
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_categorical(measure, code):
    """ns per draw of a cell of eight, one agent at a time."""
    p = np.random.default_rng(3).dirichlet(np.ones(8))
    bits, rng = np.random.PCG64(1), np.random.default_rng(2)
    mine = lambda: sampling.categorical(bits, p, DRAWS)
    theirs = lambda: np.searchsorted(p.cumsum(), rng.random(DRAWS), side="right")
    cells = np.arange(8)
    moments_agree((mine()[:, None] == cells).astype(float), (theirs()[:, None] == cells).astype(float))
    measure(mine if code == "tmfcore" else theirs, units=DRAWS, unit="draw")


@pytest.mark.benchmark(group="binomial")
@pytest.mark.parametrize(("n", "p"), [(100, 0.03), (1_000_000, 0.3), (10**12, 0.01)])
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_binomials(measure, code, n, p):
    """ns per variate: inversion at a small mean, rejection above; the cost does not depend on n."""
    bits, rng = np.random.PCG64(1), np.random.default_rng(2)
    mine = lambda: _doors.binomials(bits, n, p, DRAWS)
    theirs = lambda: rng.binomial(n, p, DRAWS)
    moments_agree(mine().astype(float), theirs().astype(float))
    measure(mine if code == "tmfcore" else theirs, units=DRAWS, unit="variate")


@pytest.mark.benchmark(group="alias")
@pytest.mark.parametrize("code", ["tmfcore", "numpy"])
def test_alias_draws(measure, code):
    """ns per draw from 64 cells through one packed row, including its set-up and 8 random bytes per draw."""
    p = np.random.default_rng(3).dirichlet(np.ones(64))
    bits, rng = np.random.PCG64(1), np.random.default_rng(2)
    mine = lambda: _doors.alias_draws(bits, p, DRAWS)
    theirs = lambda: rng.choice(64, DRAWS, p=p)
    cells = np.arange(64)
    moments_agree((mine()[:, None] == cells).astype(float), (theirs()[:, None] == cells).astype(float))
    measure(mine if code == "tmfcore" else theirs, units=DRAWS, unit="draw")


@pytest.mark.benchmark(group="alias, making a row")
@pytest.mark.parametrize("size", [8, 512, 65_536])
def test_alias_row(measure, size):
    """ns per cell of making a packed row, and of computing the probabilities it gives."""
    p = np.random.default_rng(3).dirichlet(np.ones(size))
    np.testing.assert_allclose(_doors.alias_probabilities(p)[:size], p, atol=1e-12)
    measure(lambda: _doors.alias_probabilities(p), units=size, unit="cell")
