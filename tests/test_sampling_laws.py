"""Whole laws of the samplers, and shares that differ by many orders of magnitude.

Every chi-square against an exact law has a false-alarm rate of 1e-6 or less; seeds are fixed.
"""

import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

import stat_tests
import tmfcore as tmf
from tmfcore._population import counts as counts_kernel
from tmfcore._population import individuals
from tmfcore._random import sampling
from tmfcore.testing import _doors

pytestmark = pytest.mark.law

DRAWS = 400_000


def bits(seed):
    return np.random.PCG64(seed)


def walked(mode, ratio, low, high):
    """Law {value: probability} from the ratios pmf(k + 1) / pmf(k), away from the mode until 1e-18 of it is left."""
    law = {mode: 1.0}
    for step in (1, -1):
        k, mass = mode, 1.0
        while low <= k + step <= high and mass > 1e-18:
            mass = mass * ratio(k) if step == 1 else mass / ratio(k - 1)
            k += step
            law[k] = mass
    total = math.fsum(law.values())
    return {k: mass / total for k, mass in law.items() if mass > 1e-18 * total}


def binomial_law(n, p):
    """Exact to rounding for every n: the ratio (n - k) p / ((k + 1) q) is taken in whole numbers n and k."""
    mode = min(n, int((n + 1) * p))
    return walked(mode, lambda k: (n - k) * p / ((k + 1) * (1 - p)), 0, n)


def hypergeometric_law(good, bad, batch):
    """How many of `batch` drawn without replacement are among the `good`."""
    mode = (batch + 1) * (good + 1) // (good + bad + 2)
    low, high = max(0, batch - bad), min(batch, good)
    return walked(mode, lambda k: (good - k) * (batch - k) / ((k + 1) * (bad - batch + k + 1)), low, high)


def assert_law(draws, law):
    """Chi-square with values that have next to no mass left out of the support pooled at the ends."""
    values, often = np.unique(draws, return_counts=True)
    stat_tests.assert_law(Counter(dict(zip(values.tolist(), often.tolist(), strict=True))), law)


# Means on either side of 15, where inversion hands over to BTRS; p up to 1/2 and its mirror; n to where numpy takes over.
BINOMIALS = [
    (30, 0.5), (31, 0.5), (44, 0.35), (60, 0.25), (60, 0.75), (100, 0.16), (200, 0.5), (300, 0.9), (1000, 0.0149),
    (1000, 0.0151), (1000, 0.1), (5000, 0.5), (10**5, 3e-4), (10**5, 0.01), (10**6, 2e-5), (10**6, 0.9999),
    (10**9, 1e-7), (10**12, 4e-11), (10**15, 2e-14), (10**15, 1e-12), (10**17, 1.6e-16), (10**18, 1.4e-17),
    (10**18, 2e-17), (10**18, 2.9e-17), (10**18, 1e-16), (10**18, 3e-15), (10**18, 1 - 2**-53),
]  # fmt: skip


@pytest.mark.parametrize(("n", "p"), BINOMIALS)
@pytest.mark.broad(9)
def test_binomials_have_their_whole_law(n, p):
    """400,000 draws one by one, chi-square over every value, rate 1e-6."""
    assert_law(_doors.binomials(bits(1), n, p, DRAWS), binomial_law(n, p))


@pytest.mark.parametrize(("n", "p"), [b for b in BINOMIALS if b[0] <= 2**50])
def test_binomials_side_by_side_have_their_whole_law(n, p):
    """400,000 draws as rows are split, chi-square over every value, rate 1e-6."""
    draws = _doors.binomials_abreast(bits(2), np.full(DRAWS, n), np.full(DRAWS, p))
    assert_law(draws, binomial_law(n, p))


def test_binomials_of_large_means_are_normal_to_the_fourth_moment():
    """On either side of a mean of 2^49, where numpy's BTPE takes over: Kolmogorov-Smirnov (1e-6) and |z| < 6 (2e-9)."""
    for n, p in ((10**18, 5.6e-4), (10**18, 5.7e-4), (10**18, 0.5), (10**15, 0.5)):
        draws = _doors.binomials(bits(3), n, p, 50_000)
        spread = math.sqrt(n * p * (1 - p))
        z = (draws - round(n * p)) / spread
        stat_tests.assert_uniform(stats.norm.cdf(z))
        for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
            stat_tests.assert_mean(z**power, moment)


LOG_RATIOS = [
    (20, 0.5), (33, 0.31), (100, 0.1), (1000, 0.01), (1000, 0.5), (10**5, 0.2), (10**6, 1e-5), (10**9, 0.3), (2**50, 2e-14),
]  # fmt: skip


@pytest.mark.parametrize(("n", "p"), LOG_RATIOS)
def test_probabilities_of_btrs_are_exact(n, p):
    """log P(k) - log P(mode) against sums of logarithms of ratios, 40 deviations to either side, as binomials.h says."""
    mode = int((n + 1) * p)
    reach = min(20_000, int(40 * math.sqrt(n * p * (1 - p))))
    k = np.arange(max(0, mode - reach), min(n, mode + reach) + 1)
    steps = np.log((n - k[:-1]) / (k[:-1] + 1.0)) + math.log(p / (1 - p))
    chosen, at = np.arange(0, len(k), 1 + len(k) // 400), mode - int(k[0])
    exact = np.array([math.fsum(steps[at:i]) - math.fsum(steps[i:at]) for i in chosen])
    found = _doors.binomial_log_ratios(n, p, k[chosen])
    assert (np.abs(found - exact) <= 2e-11 + 1e-14 * np.abs(exact) + 1e-15 * np.abs(k[chosen] - n * p)).all()


@pytest.mark.parametrize(("n", "p"), [(12, 0.5), (100, 0.1), (1000, 0.0102)])
def test_probabilities_of_btrs_are_those_of_scipy(n, p):
    k = np.arange(min(n, 60) + 1)
    known = stats.binom.logpmf(k, n, p) - stats.binom.logpmf(int((n + 1) * p), n, p)
    np.testing.assert_allclose(_doors.binomial_log_ratios(n, p, k), known, rtol=1e-13, atol=1e-11)


def words_at(x):
    """64-bit words that stand for x of (0, 1)."""
    return (np.asarray(x) * 2.0**52).astype(np.uint64) << np.uint64(12)


ATTEMPTS = [(20, 0.5), (40, 0.25), (100, 0.1), (1000, 0.01), (1000, 0.5), (10**6, 0.3), (10**9, 1.1e-8)]


@pytest.mark.parametrize(("n", "p"), ATTEMPTS)
def test_the_box_of_btrs_lies_under_the_curve_and_the_curve_under_the_hat(n, p):
    """What is accepted at once would be on a closer look, up to the border of the box; at v = 1 nothing is."""
    u = (np.arange(20_000) + 0.5) / 20_000
    top = 0.92 - 4.2 / (1.15 + 2.53 * math.sqrt(n * p * (1 - p)))
    for v in (0.1 * top, 0.5 * top, top - 1e-9):
        _, pending, fits = _doors.binomial_attempts(n, p, words_at(u), words_at(np.full_like(u, v)))
        np.testing.assert_array_equal(~pending, np.abs(u - 0.5) <= 0.43)
        assert fits[~pending].all()
    above = words_at(np.full_like(u, top + 1e-9))
    assert _doors.binomial_attempts(n, p, words_at(u), above)[1].all()
    _, _, fits = _doors.binomial_attempts(n, p, words_at(u), words_at(np.full_like(u, 1 - 1e-9)))
    assert not fits.any()


@pytest.mark.parametrize(("n", "p"), [(20, 0.5), (100, 0.1), (1000, 0.012)])
def test_the_law_of_btrs_by_quadrature(n, p):
    """20,000 x 100 midpoints of (u, v), no randomness: every value of 1% and more to 1% of its probability."""
    u, v = ((np.arange(size) + 0.5) / size for size in (20_000, 100))
    pairs = np.repeat(words_at(u), len(v)), np.tile(words_at(v), len(u))
    k, pending, fits = _doors.binomial_attempts(n, p, *pairs)
    taken = k[~pending | fits]
    values = np.arange(n + 1)
    found = np.bincount(taken[(taken >= 0) & (taken <= n)], minlength=n + 1) / len(taken)
    law = stats.binom.pmf(values, n, p)
    often = law > 0.01
    np.testing.assert_allclose(found[often], law[often], rtol=0.01)
    assert abs(found - law).max() < 1e-3
    assert 0.5 < len(taken) / len(k) < 0.9


@pytest.mark.parametrize(("n", "p"), [(12, 0.5), (100, 0.05), (2**50 + 1, 0.5), (100, 0.6)])
def test_doors_of_btrs_refuse_what_it_cannot_do(n, p):
    words = np.zeros(2, np.uint64)
    with pytest.raises(ValueError, match="n p >= 10"):
        _doors.binomial_attempts(n, p, words, words)
    with pytest.raises(ValueError, match=r"must lie in 1..1125899906842624 and \(0, 0.5\]|must lie in 0.."):
        _doors.binomial_log_ratios(n, p, np.array([-1]))


HYPERGEOMETRICS = [
    (20, 30, 14), (20, 30, 25), (20, 30, 36), (300, 10, 40), (10, 300, 40), (50, 50, 86), (500, 500, 300), (2000, 100, 1000),
    (100, 10**6, 10**5), (10**6, 10**6, 500), (10**5, 10**5, 10**5), (10**6, 10**9, 40_000), (10**9, 10**9, 1000),
    (10**6, 10**12 - 10**6, 10**8), (5 * 10**11, 5 * 10**11, 400), (10**12 - 50, 50, 5 * 10**11),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "batch"), HYPERGEOMETRICS)
@pytest.mark.broad(8)
def test_hypergeometrics_have_their_whole_law(good, bad, batch):
    """40,000 splits over two cells, chi-square over every value, rate 1e-6."""
    generator, counts = bits(4), np.array([good, bad])
    draws = np.array([_doors.hypergeometric_split(generator, counts, batch)[0] for _ in range(40_000)])
    assert_law(draws, hypergeometric_law(good, bad, batch))


@pytest.mark.parametrize("n", [1, 3, 10**12, 3 * 2**61, 3 * 2**61 - 1, 5 * 2**60, 2**63 - 1])
@pytest.mark.parametrize("addressed", [False, True])
def test_bounded_draws_are_uniform(n, addressed):
    """Kolmogorov-Smirnov and residues mod 3 and 8, rate 1e-6 each.

    At 3 2^61 a quarter of the words is rejected: without that, multiples of 3 would have 3/8 of the draws.
    """
    draws = _doors.bounded(bits(5), n, 100_000, addressed)
    assert 0 <= draws.min() <= draws.max() < n
    if n >= 10**12:
        stat_tests.assert_uniform(draws / n)
    for base in (3, 8):
        law = {r: (n - r + base - 1) // base / n for r in range(min(base, n))}
        stat_tests.assert_law(draws % base, law)


# ------------------------------------------------------------------------------------------ the rarer side first

RARE = [
    (10**18, 1e-17), (10**18, 1e-16), (10**16, 1e-16), (2**50, 4e-15), (10**13, 2e-12),
]  # fmt: skip


def placed(n, row, seed, how, often):
    """(often, K) counts of n agents placed by `row`, through one of the ways to split a row."""
    p = np.array(row)
    if how == "one by one":
        generator = bits(seed)
        return np.array([sampling.multinomial(generator, n, p) for _ in range(often)])
    return sampling.multinomials(bits(seed), np.full(often, n), np.tile(p, (often, 1)))


@pytest.mark.parametrize("how", ["one by one", "side by side"])
@pytest.mark.parametrize(("n", "rare"), RARE)
@pytest.mark.parametrize("order", ["last", "first", "middle", "both ends", "two last"])
@pytest.mark.broad
def test_rare_cells_have_their_law_in_any_order(n, rare, order, how):
    """8,000 rows: what the rare cells get is binomial, chi-square, rate 1e-6, wherever they stand in the row."""
    row, cells = {
        "last": ([1.0, rare], [1]),
        "first": ([rare, 1.0], [0]),
        "middle": ([0.5, rare, 0.5], [1]),
        "both ends": ([rare, 1.0, rare], [0, 2]),
        "two last": ([0.25, 0.75, rare, 0.0, rare], [2, 4]),
    }[order]
    drawn = placed(n, row, 6, how, 8_000)
    assert (drawn.sum(axis=1) == n).all()
    assert (drawn[:, np.array(row) == 0] == 0).all()
    for cell in cells:
        assert_law(drawn[:, cell], binomial_law(n, rare))


@pytest.mark.parametrize("n", [10**18, 10**15])
@pytest.mark.parametrize("rare_first", [True, False])
def test_rare_observations_are_there_at_the_start(n, rare_first):
    """start="sampled" of 10^18 agents: 2,000 replicas, how many stand at the rare one, chi-square, rate 1e-6."""
    rare = 20 / n
    initial = [rare, 1.0] if rare_first else [1.0, rare]
    game = tmf.Game(2, 1, 1, 1.0, initial, np.zeros((2, 1)), np.full((2, 1, 2), 0.5))
    run = tmf.simulate(
        game, tmf.TabularPolicy([[1.0], [1.0]]), tmf.Sequential(), n, replicas=2_000, engine="counts", start="sampled", rng=7
    )
    assert_law(run.counts[:, 0, 0 if rare_first else 1], binomial_law(n, rare))


@pytest.mark.parametrize("n", [10**18, 10**15])
@pytest.mark.parametrize("rare_first", [True, False])
@pytest.mark.parametrize("decisions", [True, False])
def test_rare_moves_are_made(n, rare_first, decisions):
    """One synchronous step of the counts engine, rare successors and rare actions first or last: chi-square, 1e-6."""
    rare = 20 / n
    row = [rare, 1.0] if rare_first else [1.0, rare]
    for kernel, pi in (([row, row], [1.0]), ([[0.0, 1.0], [1.0, 0.0]], row)):
        table = np.tile(np.array(kernel)[: len(pi)], (2, 1, 1))
        game = tmf.Game(2, len(pi), 1, 1.0, [0.5, 0.5], np.zeros((2, len(pi))), table)
        run = tmf.simulate(
            game, tmf.TabularPolicy([pi, pi]), tmf.Synchronous(), n, replicas=2_000, engine="counts", rng=8,
            decisions=decisions,
        )
        assert_law(run.counts[:, 1].min(axis=1), binomial_law(n, rare))


# ------------------------------------------------------------------------------------------ limits at every door

BEYOND = 10**12 + 1


def test_samplers_refuse_what_they_cannot_draw():
    """Each message names the argument, its value and the bound."""
    half = np.array([0.5, 0.5])
    with pytest.raises(ValueError, match=rf"n is {10**18 + 1}; must lie in 0..{10**18}"):
        _doors.binomials(bits(0), 10**18 + 1, 0.5, 1)
    with pytest.raises(ValueError, match="p is nan"):
        _doors.binomials(bits(0), 5, math.nan, 1)
    with pytest.raises(ValueError, match="n is -1"):
        sampling.multinomial(bits(0), -1, half)
    with pytest.raises(ValueError, match=r"p\[1\] is -0.5"):
        sampling.multinomial(bits(0), 1, -half + np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="p sums to 0"):
        sampling.multinomial(bits(0), 1, 0 * half)
    with pytest.raises(ValueError, match=rf"n\[1\] is {10**18 + 1}"):
        sampling.multinomials(bits(0), np.array([1, 10**18 + 1]), np.tile(half, (2, 1)))
    with pytest.raises(ValueError, match=r"p\[1\]\[0\] is inf"):
        sampling.multinomials(bits(0), np.array([1, 1]), np.array([[0.5, 0.5], [np.inf, 0.5]]))
    with pytest.raises(ValueError, match=r"counts\[1\] is -1"):
        _doors.hypergeometric_split(bits(0), np.array([5, -1]), 2)
    with pytest.raises(ValueError, match="the sum of counts is"):
        _doors.hypergeometric_split(bits(0), np.full(20, 10**18), 2)
    with pytest.raises(ValueError, match="n is 0; must be >= 1"):
        _doors.bounded(bits(0), 0, 1)


def test_batches_beyond_the_hypergeometric_are_refused_at_every_door():
    """10^12 agents may be drawn from in batches, one more may not, except for 1 and for all of them."""
    game = tmf.games.queueing([0.1, 0.2], horizon=2, step=1).at()
    policy, batch = tmf.TabularPolicy.uniform(game), tmf.Batch(2)
    start = np.array([BEYOND, 0, 0])
    with pytest.raises(ValueError, match=str(10**12)):
        tmf.simulate(game, policy, batch, BEYOND, engine="counts")
    with pytest.raises(ValueError, match=str(10**12)):
        tmf.solvers.TMFPG(critic="empirical").solve(game, batch, BEYOND)
    with pytest.raises(ValueError, match=str(10**12)):
        tmf.finite_exploitability(game, policy, batch, BEYOND)
    with pytest.raises(ValueError, match=f"batch is 2 of {BEYOND} agents.*{10**12}"):
        _doors.hypergeometric_split(bits(0), start, 2)
    assert _doors.hypergeometric_split(bits(0), start, 1).tolist() == [1, 0, 0]
    assert _doors.hypergeometric_split(bits(0), start, BEYOND).tolist() == start.tolist()
    counts, rewards = np.zeros((3, 3), np.int64), np.zeros(2)
    with pytest.raises(ValueError, match=f"batch is 2 of {BEYOND} agents"):
        counts_kernel.run(game.model, policy.kernel, bits(0), start, 2, 1.0, np.array([2]), None, 1, counts, None, rewards)
    people = individuals.Individuals(game.model, policy.kernel, 2)
    one, more = np.zeros(1, np.int64), np.array([start])
    with pytest.raises(ValueError, match=f"batch is 2 of {BEYOND} agents"):
        people.move_among(bits(0), 0, 2, 0.0, more, one, one - 1, more.copy(), one.copy(), np.zeros(1))
    with pytest.raises(ValueError, match=r"counts\[0\] sum to more than"):
        people.move_among(bits(0), 0, 1, 0.0, 10**6 * more, one, one - 1, more.copy(), one.copy(), np.zeros(1))
    people.move_among(bits(0), 0, 1, 0.0, more, one, one - 1, more.copy(), one.copy(), np.zeros(1))


def test_environments_refuse_what_the_counts_engine_does():
    """interop's world of one agent among N: batches up to 10^12, coins up to 10^18."""
    from tmfcore.interop._worlds import world

    game = tmf.games.queueing([0.1, 0.2], horizon=2, step=1).at()
    policy = tmf.TabularPolicy.uniform(game)
    options = {"clock": "schedule", "start": "sampled", "n": 3}
    with pytest.raises(ValueError, match=str(10**12)):
        world(game, policy, tmf.Batch(2), BEYOND, **options)
    with pytest.raises(ValueError, match=str(10**18)):
        world(game, policy, tmf.Bernoulli(0.5), 10**18 + 1, **options)
    coins = world(game, policy, tmf.Bernoulli(0.5), 10**18, **options)
    coins.reset(np.random.default_rng(9))
    coins.step(np.random.default_rng(9), np.zeros(3, np.int64))
    assert (coins.counts.sum(axis=1) == 10**18).all()


def key(seed):
    return np.random.default_rng(seed).integers(2**63, size=4).astype(np.uint64)


def test_small_batches_are_uniform_over_ordered_subsets():
    chosen, _ = _doors.small_batches(key(1), 5, 3, 120_000)
    law = dict.fromkeys(permutations(range(5), 3), 1 / 60)
    stat_tests.assert_law(Counter(map(tuple, chosen.tolist())), law)
    everybody, _ = _doors.small_batches(key(2), 6, 6, 1_000)
    assert (np.sort(everybody, axis=1) == np.arange(6)).all()


def test_small_batches_of_many_agents_are_not_biased_by_words_of_32_bits():
    """Of 3 * 2^30 agents, a word without rejection hits every third twice as often."""
    chosen, bits = _doors.small_batches(key(3), 3 * 2**30, 4, 60_000)
    stat_tests.assert_law(Counter((chosen % 3).ravel().tolist()), dict.fromkeys(range(3), 1 / 3))
    stat_tests.assert_law(Counter((chosen // 2**28).ravel().tolist()), dict.fromkeys(range(12), 1 / 12))
    together = Counter(zip((chosen // 2**30).ravel().tolist(), (bits >> 30).ravel().tolist(), strict=True))
    stat_tests.assert_law(together, {(i, j): 1 / 12 for i in range(3) for j in range(4)})


@pytest.mark.parametrize("n", [1, 7, 63, 64, 65, 300])
def test_agents_of_a_batch_are_distinct(n):
    chosen, _ = _doors.small_batches(key(n), 400, n, 200)
    assert chosen.max() < 400 and all(len(set(row)) == n for row in chosen.tolist())


def test_small_batches_are_the_same_whatever_set_rejects_repeats():
    """64 agents of 40,000 are kept in a hash table, 1,000 by a bit for each; both have the same first draws."""
    few, _ = _doors.small_batches(key(5), 40_000, 64, 1_000)
    many, _ = _doors.small_batches(key(5), 40_000, 1_000, 1_000)
    np.testing.assert_array_equal(few, many[:, :64])
    assert all(len(set(batch)) == 1_000 for batch in many.tolist())
