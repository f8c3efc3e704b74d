"""Poisson clocks against the matrix exponential of the enumerated chain, and against closed forms."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
from scipy import stats

import clock_cases
import tmfcore as tmf
from bench.validation.checks import check
from bench.validation.samplers import binomial_findings, cell_findings, feeding
from bench.validation.significance import dict_findings, law_findings, mean_finding

N, START, TIMES = 4, (2, 2, 0), (0.0, 0.1, 0.7, 1.5)


@check("clocks of few agents")
def few_agents(draws, seed):
    """Four agents with rates by observation, passive moves: counts at three times, rewards between them, returns."""
    for kind, passive, one_rate, decisions in itertools.product(("affine", "arrays"), *[(True, False)] * 3):
        case = clock_cases.random_case(7, passive=passive, one_rate=one_rate)
        case = clock_cases.frozen(case) if kind == "arrays" else case
        chain = clock_cases.Chain(case, N)
        run = tmf.simulate(
            clock_cases.built(case, kind), case.policy, tmf.Poisson(case.rate), N, replicas=draws(5e4), start=START,
            rng=seed.spawn(1)[0], times=TIMES, decisions=decisions, threads=1,
        )  # fmt: skip
        what = ", ".join(
            [kind, "passive moves" if passive else "passive agents stay", "one rate" if one_rate else "rates"]
            + ["decisions"] * decisions
        )
        for j, t in enumerate(TIMES[1:], 1):
            yield from dict_findings(what, f"counts at {t}", _tally(run.counts[:, j]), _sound(chain.law(START, t)))
            earned = chain.earned(START, t) - chain.earned(START, TIMES[j - 1])
            yield mean_finding(what, f"reward until {t}", run.rewards[:, j - 1], earned)
        yield mean_finding(what, "return", run.returns, chain.earned(START, case.horizon, -math.log(case.discount)))


@check("clocks, rates as functions")
def functions(draws, seed):
    """Rates of passive agents given as a function, thinned to a stated bound."""
    case = clock_cases.random_case(11)
    most = max(-case.rates[o, o].min() for o in range(3)) * 1.5
    chain = clock_cases.Chain(case, N)
    for decisions in (True, False):
        run = tmf.simulate(
            clock_cases.built(case, "functions", horizon=0.5), case.policy, tmf.Poisson(case.rate, most), N,
            replicas=draws(4e4), start=START, rng=seed.spawn(1)[0], times=0.25, decisions=decisions, threads=1,
        )  # fmt: skip
        for j in (1, 2):
            law = _sound(chain.law(START, 0.25 * j))
            yield from dict_findings(f"decisions {decisions}", f"counts at {0.25 * j}", _tally(run.counts[:, j]), law)


def _tally(counts):
    return Counter(map(tuple, counts.tolist()))


def _sound(law):
    total = sum(law.values())
    return {state: p / total for state, p in law.items()}


@check("numbers and times of events")
def events(draws, seed):
    """Numbers of actions are Poisson, over more than a unit of time and less; their times are uniform."""
    for n, rate, size in ((1, 0.01, 1e5), (4, 1.7, 1e5), (1000, 0.02, 1e5), (10**5, 0.1, 2e3)):
        case, start = clock_cases.random_case(2, passive=n < 10**5), [n // 2, n - n // 2, 0]
        run = tmf.simulate(
            clock_cases.built(case), case.policy, tmf.Poisson(rate), n, replicas=draws(size), start=start,
            rng=seed.spawn(1)[0], times=[0, 0.6, 1.5], threads=1,
        )  # fmt: skip
        for j, span in enumerate((0.6, 0.9)):
            acted, law = run.decisions[:, j].sum(axis=(1, 2)), stats.poisson(n * rate * span)
            low, high = int(max(0, law.mean() - 12 * law.std() - 12)), int(law.mean() + 14 * law.std() + 40)
            p = law.pmf(np.arange(low, high + 1))
            what = f"N = {n:,}, rate {rate}"
            yield from cell_findings(what, f"Poisson, time {span}", feeding(acted - low), len(acted), p / p.sum())
    still = clock_cases.random_case(2, passive=False)
    run = tmf.simulate(
        clock_cases.built(still, horizon=draws(1e6) / 1000), still.policy, tmf.Poisson(1.0), 1000,
        start=[500, 500, 0], rng=seed.spawn(1)[0], times="events", threads=1,
    )  # fmt: skip
    times = run.record_times[1:-1]
    tally = np.histogram(times, np.linspace(0, run.record_times[-1], 101))[0]
    yield from law_findings("N = 1,000", "uniform times, in 100 intervals", tally, np.full(100, len(times) / 100))
    waits = np.diff(times)
    edges = stats.expon(scale=1e-3).ppf(np.linspace(0, 1, 201))
    tally = np.histogram(waits, edges)[0]
    yield from law_findings("N = 1,000", "exponential waits, in 200 intervals", tally, np.full(200, len(waits) / 200))


@check("Ehrenfest urns")
def ehrenfest(draws, seed):
    """Who acts changes urn: each agent has changed an odd number of times with probability (1 - exp(-2 rate t)) / 2."""
    for n, rate, size in ((1, 0.7, 1e5), (30, 0.7, 1e5), (1000, 1.3, 2e4), (10**5, 0.3, 1e3)):
        game = tmf.Game(2, 1, 3.0, 1.0, [1, 0], np.zeros((2, 1)), (1 - np.eye(2))[:, None], time="sweeps")
        run = tmf.simulate(
            game, [[1], [1]], tmf.Poisson(rate), n, replicas=draws(size), rng=seed.spawn(1)[0], times=[0, 0.5, 3.0],
            threads=1,
        )  # fmt: skip
        for j, t in ((1, 0.5), (2, 3.0)):
            moved, p = run.counts[:, j, 1], (1 - math.exp(-2 * rate * t)) / 2
            yield from binomial_findings(
                f"N = {n:,}, rate {rate}", f"binomial at {t}", feeding(moved), n, p, len(moved)
            )
