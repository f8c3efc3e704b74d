"""Populations of all sizes: one step of up to 10^18 agents in closed form, individuals, and events that are skipped."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy import stats

import tmfcore as tmf
from bench.validation.checks import check
from bench.validation.samplers import binomial_findings, cell_findings, feeding
from bench.validation.significance import dict_findings, law_findings, pair_finding, zero_finding
from reference_laws import compositions
from tmfcore._model.policies import as_policy
from tmfcore._population import skipping

# All agents begin at observation 0. Of two actions the rare one goes on to observation 2 more often.
POLICY = np.array([[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]])
ROWS = np.array([[[0.7, 0.3 - 1e-6, 1e-6], [0.0, 0.25, 0.75]], [[0, 1, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 1]]])
RESTING = np.array([[0.998, 0.002, 0.0], [0, 1, 0], [0, 0, 1]])
REACHED = float(POLICY[0] @ ROWS[0, :, 2])  # probability that an agent that acts goes to observation 2


def _game(passive: bool) -> tmf.Game:
    resting = {"passive_transition": RESTING} if passive else {}
    return tmf.Game(3, 2, 1, 1.0, [1.0, 0.0, 0.0], np.zeros((3, 2)), ROWS, **resting)


COINS = (0.0, 1e-17, 1e-9, 0.3, 1 - 1e-9, 1.0)


def _cases():
    """(engine, N, schedule, its name, B or None, beta or None, share of a full number of replicas)."""
    for n in (1, 100, 10**6, 2**50, 2**50 + 1, 10**15, 10**18):
        yield "counts", n, tmf.Synchronous(), "synchronous", n, None, 1
        yield "counts", n, tmf.Sequential(), "sequential", 1, None, 1
    for n, p in [(10**18, p) for p in COINS] + [(1000, 0.001), (2**50, 1 - 2**-53)]:
        yield "counts", n, tmf.Bernoulli(p), f"Bernoulli {p!r}", None, p, 1
    for n, b in [
        (100, 0),
        (100, 99),
        (10**6, 1000),
        (10**6, 10**6 - 1),
        (10**12, 17),
        (10**12, 10**9),
        (10**12, 10**12 - 1),
    ]:
        yield "counts", n, tmf.Batch(b), f"B = {b:,}", b, None, 1
    for n, share in ((1, 1), (100, 1), (5_000, 0.2), (70_000, 0.05), (10**6, 0.01)):
        yield "agents", n, tmf.Synchronous(), "synchronous", n, None, share
        for p in (0.3,) if n == 10**6 else (1e-4, 0.3, 1 - 1e-4):
            yield "agents", n, tmf.Bernoulli(p), f"Bernoulli {p!r}", None, p, share
        for b in (1000, n - 1) if n == 10**6 else sorted({0, 1, 10, n // 8, n // 2, n - 1} & set(range(n))):
            yield "agents", n, tmf.Batch(b), f"B = {b:,}", b, None, share


@check("one step")
def one_step(draws, seed):
    """One step of N agents at one observation: who acts, what they choose, how many reach a rare observation.

    All three are binomial. N goes to the limits of validity, shares to both ends, batches from 0 to N.
    """
    cases = list(_cases())
    for (engine, n, schedule, name, batch, beta, share), child in zip(cases, seed.spawn(len(cases)), strict=True):
        size, what = draws(1e5 * share), f"{engine}, N = {n:,}, {name}"
        game = _game(passive=engine == "agents" and n <= 5000)
        run = tmf.simulate(
            game, POLICY, schedule, n, replicas=size, engine=engine, start=[n, 0, 0], rng=child, threads=1
        )
        done, there = run.decisions[:, 0, 0], run.counts[:, 1]
        acted = done.sum(axis=1)
        stray = (there.sum(axis=1) != n).sum() + (there < 0).sum() + (run.decisions[:, 0, 1:] != 0).sum()
        yield zero_finding(what, "counts sum to N, nobody acts elsewhere", size, stray)
        if batch is not None:
            yield zero_finding(what, "B agents act", size, (acted != batch).sum())
        for law, number, p in (
            ("act", acted, 1.0),
            ("choose 1", done[:, 1], POLICY[0, 1]),
            ("reach 2", there[:, 2], REACHED),
        ):
            of, p = (n, p * beta) if batch is None else (batch, p)
            if of == 0 or p in (0.0, 1.0):
                yield zero_finding(what, f"all or none {law}", size, (number != of * p).sum())
            else:
                yield from binomial_findings(what, f"how many {law}", feeding(number), of, float(p), size)


@check("who acts")
def who_acts(draws, seed):
    """How many of a batch stand at one of two observations: hypergeometric; both engines, large and small batches."""
    cases = [
        (engine, given, batch)
        for given in ((3, 5), (40, 60), (1000, 500), (20_000, 50_000))
        for batch in sorted({1, 2, sum(given) // 10, sum(given) // 2, sum(given) - 1})
        for engine in ("counts", "agents")
    ]
    cases += [("counts", (10**6, 10**6), b) for b in (1001, 10**6)]
    for (engine, given, batch), child in zip(cases, seed.spawn(len(cases)), strict=True):
        n, size = sum(given), draws(1e5 if engine == "counts" or sum(given) < 1000 else 2e4)
        run = tmf.simulate(
            _game(passive=False), POLICY, tmf.Batch(batch), n, replicas=size, engine=engine, start=[*given, 0],
            rng=child, threads=1,
        )  # fmt: skip
        acted = run.decisions[:, 0, 0].sum(axis=1)
        law, mean = stats.hypergeom(n, given[0], batch), batch * given[0] / n
        reach = 40 * (mean * (1 - given[0] / n)) ** 0.5 + 40
        low, high = max(0, batch - given[1], int(mean - reach)), min(batch, given[0], int(mean + reach))
        values = np.arange(low, high + 1)
        p = law.pmf(values)
        yield from cell_findings(
            f"{engine}, {given}, B = {batch:,}", "hypergeometric", feeding(acted - values[0]), size, p / p.sum()
        )


@check("individuals")
def individuals(draws, seed):
    """Which two of five agents act at a step, and at the next; which individual stands where at the start."""
    game = tmf.Game(2, 2, draws(1e6), 1.0, [0.4, 0.6], np.zeros((2, 2)), np.full((2, 2, 2), 0.5))
    children = seed.spawn(1 + draws(2e4))
    run = tmf.simulate(
        game, [[0.5, 0.5]] * 2, tmf.Batch(2), 5, engine="agents", rng=children[0], trajectories=True, decisions=False,
        threads=1,
    )  # fmt: skip
    active = run.trajectories.actions >= 0
    yield zero_finding("2 of 5", "two agents act", game.horizon, (active.sum(axis=0) != 2).sum())
    codes = 2 ** np.arange(5) @ active
    pairs = np.searchsorted(np.unique(codes), codes)
    yield from cell_findings("2 of 5", "all pairs alike", feeding(pairs), len(pairs), np.full(10, 0.1))
    yield pair_finding("2 of 5", "all pairs, in turn", pairs, 1, np.full(10, 0.1))
    at = run.trajectories.observations[:, :-1]
    yield from law_findings("2 of 5", "whether agent 4 acts, by where it is", *_by_place(at[4], active[4, :-1]))
    one = game.replace(horizon=1)
    starts = Counter()
    for child in children[1:]:
        told = tmf.simulate(
            one, [[0.5, 0.5]] * 2, tmf.Batch(0), 5, engine="agents", start=[2, 3], rng=child, trajectories=True,
            decisions=False,
        ).trajectories  # fmt: skip
        starts[tuple(told.observations[:, 0].tolist())] += 1
    law = {tuple(int(not k >> i & 1) for i in range(5)): 0.1 for k in range(32) if k.bit_count() == 2}
    yield from dict_findings("start of 2 and 3 agents", "all assignments alike", starts, law)


def _by_place(place, acts):
    """Numbers of four cases, (place, acts), and their expectation: 2/5 act, wherever they are."""
    seen = np.bincount(2 * place.astype(np.int64) + acts, minlength=4)
    here = np.array([seen[:2].sum(), seen[2:].sum()])
    return seen, np.concatenate([here[:1] * [0.6, 0.4], here[1:] * [0.6, 0.4]])


# ---------------------------------------------------------------------------------------------------- skipped events

MUTATION = [[0.99, 0.01, 0.0], [0.002, 0.99, 0.008], [0.1, 0.1, 0.8]]
ABSORBING = [[0.7, 0.2, 0.1], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0]]
TWO = [[0.98, 0.02], [0.05, 0.95]]


def _changing(rows, horizon):
    rows = np.array(rows)
    size = len(rows)
    game = tmf.Game(size, 1, horizon, 1.0, np.full(size, 1 / size), np.zeros((size, 1)), rows[:, None])
    return game, np.ones((size, 1))


def _event_chain(rows, n):
    """Populations of n agents, and the matrix of one event: a random agent moves by its row."""
    rows = np.array(rows)
    states = list(compositions(n, len(rows)))
    index, matrix = {c: i for i, c in enumerate(states)}, np.zeros((len(states),) * 2)
    for c, i in index.items():
        for o, x in np.ndindex(rows.shape):
            if c[o]:
                after = list(c)
                after[o] -= 1
                after[x] += 1
                matrix[i, index[tuple(after)]] += c[o] / n * rows[o, x]
    return states, matrix


def _skipped(game, policy, n, **options):
    if not skipping.applies(game.model, as_policy(policy, game), game.horizon, n):
        raise RuntimeError(f"events of {game.name} with N = {n:,} are not skipped any more")
    return tmf.simulate(game, policy, tmf.Sequential(), n, decisions=False, engine="counts", threads=1, **options)


@check("skipped events")
def skipped_events(draws, seed):
    """Events that change nothing are skipped: waiting times are geometric, and counts have the law of all events.

    Waiting times of one agent, exactly; counts of five agents after 10 to 400 events; changes of 10^12 agents in 2 10^9
    events.
    """
    for p in (0.002, 0.02, 0.3, 1.0):
        game, policy = _changing([[1 - p, p], [0, 1]], 400)
        waits = []  # events that change nothing; 400 if none does
        for child in seed.spawn(5):
            run = _skipped(game, policy, 1, replicas=draws(2e4), start=[1, 0], rng=child)
            waits.append(run.counts[:, 1:, 0].sum(axis=1))
        wait, law = np.concatenate(waits), np.append(p * (1 - p) ** np.arange(400), (1 - p) ** 400)
        yield from cell_findings(f"one agent, p = {p}", "geometric wait", feeding(wait), len(wait), law)
    for name, rows in (("mutation", MUTATION), ("absorbing", ABSORBING), ("two", TWO)):
        states, matrix = _event_chain(rows, 5)
        start = (4, 1) + (0,) * (len(rows) - 2)
        game, policy = _changing(rows, 400)
        run = _skipped(game, policy, 5, replicas=draws(1e5), start=start, rng=seed.spawn(1)[0], record_every=10)
        for t in (10, 60, 400):
            p = np.linalg.matrix_power(matrix, t)[states.index(start)]
            seen = Counter(map(tuple, run.counts[:, t // 10].tolist()))
            yield from dict_findings(f"{name}, N = 5", f"counts after {t}", seen, dict(zip(states, p / p.sum())))
    n, horizon, p = 10**12, 2 * 10**9, 1e-8  # at most 100 of 10^12 have moved: p is the same all the time
    game, policy = _changing([[1 - p, p], [0, 1]], horizon)
    run = _skipped(game, policy, n, replicas=draws(1e5), start=[n, 0], rng=seed.spawn(1)[0], record_every=horizon)
    moved = run.counts[:, 1, 1]
    yield from binomial_findings(
        f"N = {n:,}, p = {p}", f"changes in {horizon:,}", feeding(moved), horizon, p, len(moved)
    )
