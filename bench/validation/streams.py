"""Independence of random streams: a million keys of replicas, a million addresses, draws that follow each other.

A set of streams is a table of words, one row per stream. Tested are bytes and bits at every place; the bits in which
rows differ, next to each other and far away; pairs of values of neighbours; words that are there twice. In each table
of results, "worst of k" is a p-value of the smallest of k, multiplied by k.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy import stats

import tmfcore as tmf
from bench.validation.checks import Finding, check
from bench.validation.significance import law_findings, pair_finding, poisson_p
from tmfcore._model.policies import as_policy
from tmfcore._population import lanes
from tmfcore._random import sampling, seeding
from tmfcore.testing import _doors

LAGS = (1, 2, 8, 16, 1024)
TOP = 36  # leading bits of words that are compared for coincidences: the same ones are expected a few times


def word_findings(what: str, words: np.ndarray):
    """Findings about words (M, W) uint64, one row per stream."""
    n_rows, n_words = words.shape
    places = np.ascontiguousarray(words).view(np.uint8).reshape(n_rows, 8 * n_words)
    worst = min(_uniform_p(np.bincount(column, minlength=256)) for column in places.T)
    yield _worst(what, "bytes uniform at every place", n_rows, worst, 8 * n_words)
    ones = np.array([(words >> np.uint64(k) & np.uint64(1)).sum(axis=0) for k in range(64)])
    z = float(np.abs(ones - n_rows / 2).max()) / (n_rows / 4) ** 0.5
    yield _worst(what, "bits 0 and 1 equally often", n_rows, float(2 * stats.norm.sf(z)), 64 * n_words)
    for lag in (*[lag for lag in LAGS if 8 * lag <= n_rows], n_rows // 2):
        apart = np.bitwise_count(words[lag:] ^ words[:-lag]).sum(axis=1, dtype=np.int64)
        law = len(apart) * stats.binom.pmf(np.arange(64 * n_words + 1), 64 * n_words, 0.5)
        tally = np.bincount(apart, minlength=len(law))
        yield from law_findings(what, f"bits that differ, rows {lag:,} apart", tally, law)
    for lag in [lag for lag in LAGS if 8 * lag <= n_rows]:
        yield pair_finding(what, f"pairs of rows {lag:,} apart", words[:, 0] >> np.uint64(60), lag, np.full(16, 1 / 16))
    for bits in (64, TOP):
        leading = np.sort((words >> np.uint64(64 - bits)).ravel())
        same = int((np.diff(leading) == 0).sum())
        mean = words.size * (words.size - 1) / 2 / 2.0**bits
        law = f"words whose {bits} leading bits are there already"
        yield Finding(what, law, words.size, f"{same} of {mean:.3g}", poisson_p(same, mean))


def _uniform_p(tally: np.ndarray) -> float:
    mean = tally.sum() / len(tally)
    return float(stats.chi2.sf(((tally - mean) ** 2 / mean).sum(), len(tally) - 1))


def _worst(what: str, law: str, draws: int, p: float, of: int) -> Finding:
    return Finding(what, law, draws, f"worst of {of}", min(1.0, of * p))


@check("keys of replicas")
def keys_of_replicas(draws, seed):
    """The four words of a stream that key all draws of a replica: one seed and its replicas, replicas of many seeds."""
    n = draws(1e6)
    first = int(np.random.default_rng(seed).integers(2**31))
    one = seeding.keys(seeding.seeds(first, n))
    yield from word_findings(f"replicas of seed {first}", one)
    many = seeding.keys([seeding.seeds(s, 1)[0] for s in range(first + 1, first + 1 + n)])
    yield from word_findings("the first replica of each of consecutive seeds", many)
    family = [child for parent in seeding.seeds(first, n // 1000) for child in seeding.generator(parent).spawn(1000)]
    yield from word_findings("streams spawned by replicas", seeding.keys(family))
    both = np.concatenate([one, many])
    same = len(both) - len(np.unique(both.view(np.dtype((np.void, 32))).ravel()))
    yield Finding("all of these", "no key twice", len(both), f"{same} twice", None, same, 0)


@check("addressed streams")
def addressed_streams(draws, seed):
    """The first eight words, one per lane, of streams at many addresses: keys, steps, blocks of agents, purposes."""
    n, rng = draws(1e6), np.random.default_rng(seed)
    key = rng.integers(0, 2**64, 4, np.uint64)
    steps = np.arange(n, dtype=np.uint64)
    nothing = np.zeros(n, np.uint64)
    tables = {
        "a step each": np.column_stack([steps, nothing, nothing]),
        "a block each": np.column_stack([nothing, steps, nothing]),
        "eight purposes of a step": np.column_stack([steps // 8, nothing, steps % 8]),
        "a thousand blocks of a step": np.column_stack([steps // 1000, steps % 1000, nothing]),
        "steps that differ in one bit of 40": np.column_stack(
            [steps // 41 << np.uint64(40) | (np.uint64(1) << steps % 41) >> np.uint64(1), nothing, nothing]
        ),
    }
    for what, addresses in tables.items():
        words = _doors.stream_words(np.tile(key, (n, 1)), addresses, 8)
        yield from word_findings(what, words)
        yield pair_finding(what, "pairs of lanes", words.ravel() >> np.uint64(60), 1, np.full(16, 1 / 16))
    keys = seeding.keys(seeding.seeds(int(key[0] % 2**31), n))
    yield from word_findings("a replica each", _doors.stream_words(keys, np.zeros((n, 3), np.uint64), 8))
    long = _doors.stream_words(key[None], np.zeros((1, 3), np.uint64), 8 * (n // 8))
    yield from word_findings("words of one stream", long.reshape(-1, 1))


@check("draws in turn")
def draws_in_turn(draws, seed):
    """Draws of every sampler, each with another 1 to 64 places on: pairs of quarters of the law are independent."""
    bits, n = np.random.PCG64(seed), draws(4e6)
    half = np.array([0.2, 0.3, 0.5])
    samplers = {
        "uniform integers, generator": functools.partial(_doors.bounded, bits, 1000, n),
        "uniform integers, addressed stream": functools.partial(_doors.bounded, bits, 1000, n, True),
        "categorical": functools.partial(sampling.categorical, bits, half, n),
        "alias tables": functools.partial(_doors.alias_draws, bits, half, n),
        "binomial, mean 4": functools.partial(_doors.binomials, bits, 40, 0.1, n),
        "binomial, mean 500": functools.partial(_doors.binomials, bits, 1000, 0.5, n),
        "binomial, mean 6e14": functools.partial(_doors.binomials, bits, 2 * 10**15, 0.3, n),
    }
    for mean, size, p in ((4, 40, 0.1), (500, 1000, 0.5)):
        numbers, shares = np.full(n, size), np.full(n, p)
        samplers[f"binomial, side by side, mean {mean}"] = functools.partial(
            _doors.binomials_abreast, bits, numbers, shares
        )
    rows = np.tile(half, (n // 4, 1))
    for size in (3, 1000):
        numbers = np.full(n // 4, size)
        samplers[f"multinomial, n = {size}, all cells"] = lambda numbers=numbers: _doors_rows(bits, numbers, rows)
    given = np.array([500, 500])
    samplers["hypergeometric, one cell"] = lambda: np.array(
        [_doors.hypergeometric_split(bits, given, 300)[0] for _ in range(n // 20)]
    )
    for what, draw in samplers.items():
        drawn = draw()
        for lag in (1, 2, 4, 8, 16, 32, 64):
            yield pair_finding(what, f"{lag} places on", quarters(drawn), lag)


def _doors_rows(bits, numbers, rows):
    """First cells of rows; every one of them is drawn with its neighbours."""
    return sampling.multinomials(bits, numbers, rows)[:, 0]


def quarters(drawn: np.ndarray) -> np.ndarray:
    """In which quarter of the sample each draw is; fewer classes if there are few values."""
    edges = np.unique(np.quantile(drawn, [0.25, 0.5, 0.75]))
    return np.searchsorted(edges, drawn, side="left")


@check("replicas and steps")
def replicas_and_steps(draws, seed):
    """What agents do at one step, in replicas next to each other, in those of the next seed, and one step later.

    Ten agents choose between two actions, whatever they have done before; and replicas in the lanes of one kernel.
    """
    first, n = int(np.random.default_rng(seed).integers(2**31)), draws(2e5)
    steps = draws(2e6)
    law = stats.binom.pmf(np.arange(11), 10, 0.5)

    def chosen(engine, rng, replicas, horizon):
        """How many of ten choose action 1, (R, T)."""
        game = tmf.Game(1, 2, horizon, 1.0, [1.0], np.zeros((1, 2)), np.ones((1, 2, 1)))
        run = tmf.simulate(
            game, [[0.5, 0.5]], tmf.Synchronous(), 10, replicas=replicas, engine=engine, rng=rng, threads=1
        )
        return run.decisions[:, :, 0, 1]

    for engine in ("counts", "agents"):
        one, other = chosen(engine, first, n, 2), chosen(engine, first + 1, n, 2)
        for lag in (1, 2, 16):
            yield pair_finding(f"{engine}, replicas", f"{lag} on", one[:, 0], lag, law)
        turns = np.column_stack([one[:, 0], other[:, 0]]).ravel()
        yield pair_finding(f"{engine}, replicas", "of the next seed", turns, 1, law)
        turns = np.column_stack([one[:-1, 0], one[1:, 1]]).ravel()
        yield pair_finding(f"{engine}, replicas", "1 on, one step later", turns, 1, law)
        long = chosen(engine, first, 1, steps)[0]
        for lag in (1, 2, 8, 256):
            yield pair_finding(f"{engine}, steps", f"{lag} on", long, lag, law)
    game = tmf.games.resource_selection((1.0, 0.5), congestion=0.5, horizon=4, step=1).at()
    if lanes.side(game.model, as_policy([[0.5, 0.5]] * 2, game), 4, 10, False, 4) is None:
        raise RuntimeError("these replicas are not played side by side any more")
    run = tmf.simulate(
        game, [[0.5, 0.5]] * 2, tmf.Batch(4), 10, replicas=n, engine="counts", rng=first, decisions=False, threads=1
    )
    for lag in (1, 2, 4, 8, 16):
        yield pair_finding("side by side, replicas", f"{lag} on", quarters(run.counts[:, 4, 0]), lag)
