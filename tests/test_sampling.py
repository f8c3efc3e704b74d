"""The samplers against exact laws. False-alarm rate of every statistical assertion: 1e-6 or less; seeds are fixed."""

import itertools
import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import reference_laws
import stat_tests
from strategies import rows
from tmfcore._random import sampling
from tmfcore.testing import _doors

pytestmark = pytest.mark.law

NASTY_ROWS = [
    [1.0],
    [0.0, 1.0, 0.0],
    [0.5, 0.5],
    [0.25, 0.25, 0.25, 0.25],
    [0.1, 0.0, 0.2, 0.3, 0.4, 0.0],
    [1e-3, 1 - 1e-3],
    [0.7, 0.3 - 1e-12, 1e-12],
    [0.0, 1 / 3, 1 / 3, 1 / 3],
    [1 / 7] * 7,
    [0.0] * 5 + [0.2] * 5,
]


def bits(seed):
    return np.random.PCG64(seed)


def law_of(row):
    return {k: p for k, p in enumerate(row) if p > 0}


def binomial_law(n, p):
    """Law on the values within 40 standard deviations, those with mass above 1e-17."""
    width = int(40 * (1 + math.sqrt(n * p * (1 - p))))
    k = np.arange(max(0, int(n * p) - width), min(n, int(n * p) + width) + 1)
    mass = stats.binom.pmf(k, n, p)
    return {int(i): float(m) for i, m in zip(k, mass) if m > 1e-17}


@pytest.mark.parametrize("row", NASTY_ROWS)
def test_categorical_has_the_law_of_its_row(row):
    """20,000 draws, chi-square, rate 1e-6; cells of probability zero are never drawn."""
    draws = sampling.categorical(bits(1), np.array(row), 20_000)
    stat_tests.assert_law(draws, law_of(row))


@pytest.mark.parametrize(("n", "p"), [
    (1, 0.3), (5, 0.5), (12, 0.97), (40, 0.02), (100, 0.3), (1000, 0.02), (200, 0.5), (1000, 0.031), (5000, 0.4),
    (10**6, 1e-6), (10**9, 3e-8),
])  # fmt: skip
def test_binomial_has_its_law(n, p):
    """40,000 draws on either side of the switch at n p = 30, chi-square, rate 1e-6."""
    draws = _doors.binomials(bits(2), n, p, 40_000)
    stat_tests.assert_law(draws, binomial_law(n, p))


@pytest.mark.parametrize("n", [10**6, 10**12, 10**15, 10**18])
@pytest.mark.parametrize("p", [0.3, 0.5, 0.9, 1e-3])
def test_binomial_is_normal_for_large_n(n, p):
    """20,000 draws: mean, variance and Kolmogorov-Smirnov against the normal law, rate 1e-6 each."""
    draws = _doors.binomials(bits(3), n, p, 20_000)
    assert draws.min() >= 0
    assert draws.max() <= n
    center = round(n * p)  # subtract in integers: a double does not hold n
    spread = math.sqrt(n * p * (1 - p))
    z = (draws - np.int64(center)) / spread
    jitter = np.random.default_rng(4).random(len(z)) / spread - 0.5 / spread  # fills the gaps between integers
    stat_tests.assert_uniform(stats.norm.cdf(z + jitter))
    stat_tests.assert_mean((z + jitter) ** 2, 1.0)


@pytest.mark.parametrize("p", [0.0, 1.0, 5e-324, 1 - 2**-53])
def test_binomial_at_the_ends(p):
    """p = 0 and 1 are certain; a denormal p almost so."""
    draws = _doors.binomials(bits(5), 10**6, p, 100)
    assert ((draws == 0) if p < 0.5 else (draws >= 10**6 - 1)).all()


# On either side of a mean of 10, where inversion hands over to rejection, and at both ends of p.
BINOMIALS = [
    (1, 0.3), (1, 1e-9), (2, 0.5), (7, 0.999), (19, 0.5), (20, 0.5), (21, 0.5), (45, 0.2), (50, 0.2), (51, 0.2), (1000, 0.0099),
    (1000, 0.01), (1000, 0.0101), (1000, 0.985), (1000, 0.99), (1000, 0.995), (100, 0.5), (400, 0.3), (1000, 0.9),
    (10**4, 0.0012), (10**5, 0.4), (10**6, 1e-6), (10**6, 9.99e-6), (10**6, 1.5e-5), (10**6, 1 - 1.2e-5), (10**6, 0.5),
    (10**9, 3e-8), (10**12, 1.1e-11), (2**50, 1e-16), (2**50, 1e-14), (2**50, 1 - 2**-46),
]  # fmt: skip


@pytest.fixture(scope="module")
def side_by_side():
    """100,000 draws of every (n, p) of BINOMIALS, all of them neighbours of each other."""
    n, p = (np.tile(np.array(column), 100_000) for column in zip(*BINOMIALS))
    draws = _doors.binomials_abreast(bits(21), n.astype(np.int64), p)
    return dict(zip(BINOMIALS, draws.reshape(100_000, -1).T))


@pytest.mark.parametrize(("n", "p"), BINOMIALS)
def test_binomials_drawn_side_by_side_have_their_law(side_by_side, n, p):
    """100,000 draws, chi-square, rate 1e-6."""
    stat_tests.assert_law(side_by_side[n, p], binomial_law(n, p))


@pytest.mark.parametrize("n", [10**6, 10**12, 10**14, 10**15])
@pytest.mark.parametrize("p", [0.3, 0.5, 0.9, 1e-3])
def test_binomials_drawn_side_by_side_are_normal_for_large_n(n, p):
    """100,000 draws: variance and Kolmogorov-Smirnov against the normal law, rate 1e-6 each; skewness is below 1e-2."""
    draws = _doors.binomials_abreast(bits(22), np.full(100_000, n), np.full(100_000, p))
    spread = math.sqrt(n * p * (1 - p))
    jitter = np.random.default_rng(4).random(len(draws)) - 0.5
    z = ((draws - np.int64(round(n * p))) + jitter) / spread
    stat_tests.assert_mean(z**2, 1.0)
    if spread > 1e3:
        stat_tests.assert_uniform(stats.norm.cdf(z))


@pytest.mark.parametrize("p", [0.0, 1.0, 5e-324, 1 - 2**-53])
def test_binomials_drawn_side_by_side_at_the_ends(p):
    """p = 0 and 1 are certain; nobody makes nothing."""
    n = np.array([0, 1, 10**6, 2**50, 0, 3])
    draws = _doors.binomials_abreast(bits(23), n, np.full(6, p))
    assert (draws[n == 0] == 0).all()
    expected = 0 * n if p < 0.5 else n
    np.testing.assert_allclose(draws, expected, atol=0 if p in (0.0, 1.0) else 5)


def test_binomials_drawn_side_by_side_refuse_what_doubles_cannot_hold():
    """The message names the index, the value and the bound."""
    with pytest.raises(ValueError, match=rf"n\[1\] is {2**50 + 1}; must lie in 0..{2**50}"):
        _doors.binomials_abreast(bits(0), np.array([1, 2**50 + 1]), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="p has 1 entries"):
        _doors.binomials_abreast(bits(0), np.array([1, 2]), np.array([0.5]))


@pytest.mark.parametrize("row", NASTY_ROWS)
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.broad
def test_multinomials_of_many_rows_have_their_law(row, n):
    """20,000 rows against the enumerated law, chi-square, rate 1e-6."""
    table = np.tile(np.array(row), (20_000, 1))
    rows_drawn = sampling.multinomials(bits(24), np.full(20_000, n), table)
    stat_tests.assert_law([tuple(r) for r in rows_drawn.tolist()], dict(reference_laws.multinomial_law(n, row)))


@pytest.mark.parametrize("n", [30, 70, 300, 2_000, 10**6])
@pytest.mark.parametrize("row", [row for row in NASTY_ROWS if len(row) > 1])
@pytest.mark.broad
def test_cells_of_many_rows_are_binomial(row, n):
    """Every cell, and every cell together with the next, is binomial: chi-square each, rate 1e-6; 20,000 rows."""
    table = np.tile(np.array(row), (20_000, 1))
    drawn = sampling.multinomials(bits(25), np.full(20_000, n), table)
    assert (drawn.sum(axis=1) == n).all()
    for k, p in enumerate(row):
        stat_tests.assert_law(drawn[:, k], binomial_law(n, min(1.0, p)))
        if k + 1 < len(row):
            stat_tests.assert_law(drawn[:, k : k + 2].sum(axis=1), binomial_law(n, min(1.0, p + row[k + 1])))


@pytest.mark.parametrize("n_cells", [2, 9, 100])
def test_rows_drawn_one_by_one_or_by_binomials_have_the_same_law(n_cells):
    """At the two counts around the switch the cells are binomial: chi-square of the first and the largest, rate 1e-6."""
    p = np.random.default_rng(5).dirichlet(np.full(n_cells, 0.7))
    for n in (40 + 2 * n_cells, 41 + 2 * n_cells):
        drawn = sampling.multinomials(bits(26), np.full(20_000, n), np.tile(p, (20_000, 1)))
        for k in (0, int(p.argmax()), n_cells - 1):
            stat_tests.assert_law(drawn[:, k], binomial_law(n, p[k]))


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 70), st.sampled_from((0.02, 1.0, 50.0)))
def test_multinomials_of_many_rows_conserve(seed, n_rows, n_cells, concentration):
    """Rows of any count up to 10**18, none included: they sum to n, are nonnegative and avoid zero cells."""
    random = np.random.default_rng(seed)
    p = rows(random, (n_rows, n_cells), concentration)
    n = (10.0 ** random.uniform(-1, 18, n_rows)).astype(np.int64)
    drawn = sampling.multinomials(bits(seed), n, p)
    np.testing.assert_array_equal(drawn.sum(axis=1), n)
    assert (drawn >= 0).all()
    assert (drawn[p == 0] == 0).all()


@pytest.mark.parametrize("n", [10**6, 10**12, 10**15, 10**16, 10**18])
def test_multinomials_of_many_rows_never_leak_into_empty_cells(n):
    """No agent in a cell of probability zero; each cell is within 6 standard deviations (2e-9 each)."""
    row = np.array([0.1] * 10 + [0.0, 0.0])
    drawn = sampling.multinomials(bits(27), np.full(100, n), np.tile(row, (100, 1)))
    assert (drawn.sum(axis=1) == n).all()
    assert (drawn[:, row == 0] == 0).all()
    away = (drawn[:, :10] - n // 10).astype(float)
    assert (np.abs(away) <= stat_tests.Z * math.sqrt(n * 0.09) + 1e-15 * n).all()


def test_rows_side_by_side_draw_the_same_everywhere():
    """Every instruction set and compiler: the checksum of 51 rows of all sizes, written down once."""
    random = np.random.default_rng(28)
    p = random.random((51, 40))
    drawn = sampling.multinomials(bits(29), 2 ** np.arange(51), p * p)
    assert zlib.crc32(drawn.astype("<i8").tobytes()) == 2618068272


@pytest.mark.parametrize("row", NASTY_ROWS)
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.broad
def test_multinomial_has_its_law(row, n):
    """20,000 draws against the enumerated law, chi-square, rate 1e-6."""
    generator = bits(7)
    p = np.array(row)
    samples = [tuple(sampling.multinomial(generator, n, p).tolist()) for _ in range(20_000)]
    stat_tests.assert_law(samples, dict(reference_laws.multinomial_law(n, row)))


@pytest.mark.parametrize("row", [[0.1] * 10 + [0.0, 0.0], [0.0] + [1 / 3] * 3 + [0.0], [0.3, 0.0, 0.7], [0.0, 1.0],
                                 [1.0, 0.0], [0.6, 0.4], [1 / 64] * 64])  # fmt: skip
@pytest.mark.parametrize("n", [10**6, 10**12, 10**18])
def test_multinomial_never_leaks_into_empty_cells(row, n):
    """Not one agent of 10**18 lands in a cell of probability zero; each cell is within 6 standard deviations (2e-9)."""
    generator = bits(8)
    p = np.array(row)
    for _ in range(50):
        counts = sampling.multinomial(generator, n, p)
        assert counts.sum() == n
        assert (counts[p == 0] == 0).all()
        assert (counts >= 0).all()
        spread = np.sqrt(n * p * (1 - p)) + 1
        away = np.array([int(c) - round(n * q) for c, q in zip(counts.tolist(), row)], float)
        assert (np.abs(away) <= stat_tests.Z * spread + 1e-15 * n).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from((0.02, 1.0, 50.0)), st.integers(0, 10**18))
def test_multinomial_conserves(seed, n_cells, concentration, n):
    """Any row: the counts sum to n, are nonnegative and avoid zero cells."""
    p = np.random.default_rng(seed).dirichlet(np.full(n_cells, concentration))
    p = np.where(np.isfinite(p), p, 0.0)
    p[0] += 1.0 if p.sum() == 0 else 0.0
    counts = sampling.multinomial(bits(seed), n, p)
    assert counts.sum() == n
    assert (counts >= 0).all()
    assert (counts[p == 0] == 0).all()


@pytest.mark.parametrize(("counts", "batch"), [
    ((3, 2, 0, 1), 1), ((3, 2, 0, 1), 4), ((2, 2), 2), ((5,), 3), ((1, 0, 6), 6), ((2, 1, 1), 4), ((2, 1, 1), 0)
])  # fmt: skip
def test_hypergeometric_split_has_its_law(counts, batch):
    """20,000 splits against the enumerated multivariate hypergeometric law, chi-square, rate 1e-6."""
    generator = bits(9)
    cells = np.array(counts)
    samples = [tuple(_doors.hypergeometric_split(generator, cells, batch).tolist()) for _ in range(20_000)]
    stat_tests.assert_law(samples, dict(reference_laws.acting_law(counts, ("batch", batch))))


@pytest.mark.parametrize("total", [10**3, 10**6, 10**9, 10**12])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
@pytest.mark.broad
def test_hypergeometric_split_has_its_mean_and_variance(total, share):
    """4,000 splits of large populations: mean and covariance of the hypergeometric, |z| < 6 (2e-9 each)."""
    counts = np.array([total // 2, total // 4, total - total // 2 - total // 4])
    batch = int(share * total)
    generator = bits(10)
    splits = np.array([_doors.hypergeometric_split(generator, counts, batch) for _ in range(4000)])
    assert (splits.sum(axis=1) == batch).all()
    assert ((splits >= 0) & (splits <= counts)).all()
    fraction = counts / total
    scale = batch * (total - batch) / (total - 1)
    away = (splits - batch * fraction) / np.sqrt(scale)
    stat_tests.assert_mean(away, 0.0)
    for x, y in itertools.combinations_with_replacement(range(3), 2):
        stat_tests.assert_mean(away[:, x] * away[:, y], (x == y) * fraction[x] - fraction[x] * fraction[y])


@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=8), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_hypergeometric_split_conserves(counts, share, seed):
    """Any counts and batch: the split sums to the batch and takes no more than there are."""
    batch = min(int(share * sum(counts)), sum(counts))
    split = _doors.hypergeometric_split(bits(seed), np.array(counts, np.int64), batch)
    assert split.sum() == batch
    assert ((split >= 0) & (split <= counts)).all()


@pytest.mark.parametrize("batch", [-1, 4])
def test_hypergeometric_split_refuses_a_batch_outside_the_population(batch):
    """The message names the batch and the bound."""
    with pytest.raises(ValueError, match=rf"batch is {batch}; must lie in 0..3"):
        _doors.hypergeometric_split(bits(0), np.array([1, 2]), batch)


@pytest.mark.parametrize("row", [*NASTY_ROWS, [1e-300, 1.0], [0.0] * 63 + [1.0], [0.5 + 1e-16, 0.5], [3.0, 1.0, 4.0]])
def test_alias_tables_say_exactly_what_they_were_given(row):
    """The packed cells hold each probability to double rounding, and nothing in empty cells and padding."""
    p = np.array(row) / np.sum(row)
    table = _doors.alias_probabilities(np.array(row))
    np.testing.assert_allclose(table[: len(p)], p, rtol=0, atol=1e-14)
    assert (table[: len(p)][p == 0] == 0).all()
    assert (table[len(p) :] == 0).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.sampled_from((0.02, 1.0, 50.0)))
def test_alias_tables_of_random_rows(seed, n_cells, concentration):
    """The same for rows of any length and evenness."""
    p = rows(np.random.default_rng(seed), (n_cells,), concentration)
    table = _doors.alias_probabilities(p)
    np.testing.assert_allclose(table[:n_cells], p, rtol=0, atol=1e-14)
    assert (table[:n_cells][p == 0] == 0).all()
    assert (table[n_cells:] == 0).all()


@pytest.mark.parametrize("row", NASTY_ROWS)
def test_alias_draws_have_the_law_of_their_row(row):
    """20,000 draws, chi-square, rate 1e-6; cells of probability zero are never drawn."""
    stat_tests.assert_law(_doors.alias_draws(bits(12), np.array(row), 20_000), law_of(row))


def test_alias_ties_are_settled():
    """Columns so light that only ties reach them are drawn as often as they should, binomial test, rate 1e-6.

    Of the 32 random bits 18 choose a column and 14 are left to compare; half the columns have a threshold of half a
    unit there.  Were ties lost, none of the 4,000,000 draws would hit them; were they always given, twice the 61
    expected.
    """
    light = 0.5 / 2**14
    p = np.tile([light, 2.0 - light], 2**17) / 2**18
    draws = _doors.alias_draws(bits(13), p, 4_000_000)
    stat_tests.assert_binomial(int((draws % 2 == 0).sum()), len(draws), light / 2)
