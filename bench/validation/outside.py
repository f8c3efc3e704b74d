"""Known results, of queueing, traffic, epidemics, physics, evolution and networks, beside what the package finds.

Games are built as a user would build them, and played or solved by public functions. The column "law" has the source;
its formulas stand in `bench/validation/closed_forms.py`, which does not import tmfcore.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

import tmfcore as tmf
from bench.validation import closed_forms as known
from bench.validation import outside_games as built
from bench.validation.checks import Draws, Finding, check
from bench.validation.significance import exact_finding, law_findings, mean_finding

CLOCKS = tmf.Poisson()
# The chain of two_choice_mean(10, 0.9, 12), solved faster, by aggregation over the total number of jobs. 2.8023 with up
# to 14 jobs at a server; with up to 8 both ways give 2.7446908828.
TEN_SERVERS = 2.8008366338
# The term of order 1/N by rmftool 0.5, DDPP.meanFieldExpansionSteadyState(order=1), at load 0.9, up to 12 jobs.
REFINED = 3.9864269872
BRAESS = {False: 83.0, True: 92.0}  # Braess, Unternehmensforschung 12, 1968
SIOUX_FALLS = 42.31335287  # best known objective, in units of 1e5 (Transportation Networks for Research)
# SIS at 101 positions: `graphon_gain` of bench/tests/test_validation_outside.py has these values, too.
GRAPHONS = {
    "1 - max(x, y)": (lambda x, y: 1 - np.maximum(x, y), 8.8180528701),
    "1 - x y": (lambda x, y: 1 - x * y, 20.8198547407),
    "1/2": (lambda x, y: 0.5 + 0 * x * y, 6.6561950458),
}
GO_OUT, REVISE = [1.0, 0.0], [0.0, 1.0]
FINAL_SIZE = "final size (Ball 1986; Andersson and Britton 2000, theorem 2.2)"
BIANCHI = "Bianchi 2000, equations 7 and 9"


def only(game: tmf.Game) -> np.ndarray:
    """The policy of a game of one action."""
    return np.ones((game.n_observations, 1))


def ends(
    game: tmf.Game, policy: object, schedule: tmf.Schedule, n_agents: int, replicas: int, seed: object
) -> np.ndarray:
    """Counts (replicas, S) at the end of independent runs."""
    when = {"times": game.horizon} if isinstance(schedule, tmf.Poisson) else {"record_every": 10**9}
    run = tmf.simulate(game, policy, schedule, n_agents, replicas=replicas, rng=seed, decisions=False, **when)
    return run.counts[:, -1]


def law(what: str, source: str, numbers: np.ndarray, expected: object) -> Iterator[Finding]:
    """Numbers 0, 1, ... that were drawn, against their law."""
    expected = len(numbers) * np.array(expected, float)
    return law_findings(what, source, np.bincount(numbers, minlength=len(expected)), expected)


def difference(what: str, source: str, found: np.ndarray, expected: np.ndarray, bound: float) -> Finding:
    """Several computed numbers: the largest difference."""
    error = float(np.abs(found - expected).max())
    return Finding(what, source, 0, f"largest difference of {np.size(found)} numbers", None, error, bound)


@check("queues of two choices")
def two_choices(draws: Draws, seed: np.random.SeedSequence) -> Iterator[Finding]:
    """Jobs that join the shorter of two queues drawn at random, independently: mean number of jobs at a server in the
    stationary state. Infinitely many servers, the term of order 1/N, and ten servers, simulated: a mean over time in
    each of many runs."""
    for load, most, warm, until in ((0.7, 6, 60.0, 120.0), (0.9, 12, 300.0, 500.0)):
        jobs, tail = np.arange(most + 1), known.two_choice_tail(load, most)
        limit = -np.diff(tail, append=0.0)
        case = f"load {load:g}"
        game = built.two_choices(load, most, 500.0, np.eye(most + 1)[0])
        mu = tmf.mean_field(game, only(game), CLOCKS, times=game.horizon).mu[-1]
        source = "sum of load^(2^k - 1) (Vvedenskaya et al. 1996; Mitzenmacher 2001)"
        yield exact_finding(f"{case}, N infinite", source, mu @ jobs, tail[1:].sum(), 1e-8)
        expected = TEN_SERVERS if load > 0.8 else known.two_choice_mean(10, load, most)
        game = built.two_choices(load, most, until, limit)
        times = np.concatenate([[0.0], np.arange(warm, until + 1.0, 2.0)])
        run = tmf.simulate(game, only(game), CLOCKS, 10, replicas=draws(4_000), rng=seed, decisions=False, times=times)
        means = (run.counts[:, 1:] @ jobs / 10).mean(axis=1)
        yield mean_finding(f"{case}, N = 10", "the chain of sorted queues, solved", means, expected)
    game = game.replace(horizon=400.0)
    bias = tmf.analysis.fluctuations(game, only(game), CLOCKS, times=game.horizon).bias[-1]
    source = "refined mean field (Gast and Van Houdt 2017), by rmftool"
    yield exact_finding(f"{case}, term of 1/N", source, bias @ jobs, REFINED, 1e-6)


@check("queues in closed form")
def queues(draws: Draws, seed: np.random.SeedSequence) -> Iterator[Finding]:
    """Telephones with too few lines and machines with too few repairers, in the stationary state, by clocks; an
    M/M/1 queue that begins empty, as a mean field."""
    one, two = seed.spawn(2)
    game = built.telephones(10, 4, horizon=8.0)
    found = ends(game, only(game), tmf.Poisson([0.5, 0.0]), 10, draws(20_000), one)
    yield from law("10 sources, rate 0.5, 4 lines: busy", "Engset 1918", found[:, 1], known.engset_law(10, 4, 0.5))
    game = built.machines(5, 2, horizon=8.0)
    found = ends(game, only(game), tmf.Poisson([0.4, 0.0], most=1.0), 5, draws(10_000), two)
    yield from law("5 machines, rate 0.4, 2 repairers: broken", "M/M/2//5", found[:, 1], known.repair_law(5, 2, 0.4))
    game = built.queue(0.7, 60, horizon=5.0)
    flow = tmf.mean_field(game, only(game), CLOCKS)
    source = "Bessel functions (Clarke 1956)"
    yield difference("M/M/1, load 0.7, at time 5", source, flow.mu[-1], known.queue_law(0.7, 1.0, 5.0, 60), 1e-9)


@check("roads")
def roads(draws: Draws, seed: np.random.SeedSequence) -> Iterator[Finding]:
    """Braess' paradox: the time of each of six drivers, who are all slower once there is a shortcut. As a flow on the
    network, and on the second day of the game of route choice. The objective of Beckmann on Sioux Falls."""
    for shortcut, time in BRAESS.items():
        network, case = built.braess(shortcut), f"Braess, {'with' if shortcut else 'without'} the shortcut"
        flow = tmf.games.user_equilibrium(network, tolerance=1e-10)
        yield exact_finding(f"{case}: flow", "Braess 1968", flow.total_time / 6, time, 1e-6)
        paths = [["a->b", "b->d"], ["a->c", "c->d"], ["a->b", "b->c", "c->d"]][: 2 + shortcut]
        game = tmf.games.congestion(network, paths=[paths], horizon=2)
        solution = tmf.solve(game, tmf.Synchronous(), tolerance=1e-4)
        first_day = 10 * 6 + 50 + 6  # all on the first path
        yield exact_finding(f"{case}: game", "Braess 1968", -solution.mean_return - first_day, time, 1e-3)
    flow = tmf.games.user_equilibrium(tmf.games.sioux_falls_roads(), tolerance=1e-10)
    source = "best known (Transportation Networks for Research)"
    yield exact_finding("Sioux Falls, objective / 1e5", source, flow.objective / 1e5, SIOUX_FALLS, 1e-8)


@check("epidemics")
def epidemics(draws: Draws, seed: np.random.SeedSequence) -> Iterator[Finding]:
    """How many are infected in the end: exact laws of small populations that begin with one infected agent, and the
    limit. The endemic state of SIS, and the way to it."""
    one, two = seed.spawn(2)
    size, escape = 12, Fraction(4, 5)
    game = built.chain_binomial(size, float(escape))
    found = ends(game, only(game), tmf.Synchronous(), size, draws(20_000), one)
    expected = known.final_size_law(size - 1, 1, lambda j: escape**j)
    yield from law("Reed-Frost, 12 agents, escape 0.8", FINAL_SIZE, found[:, 1:].sum(axis=1) - 1, expected)
    size, rate, cure = 20, Fraction(4, 5), Fraction(2, 5)
    sir = tmf.games.infection_by_contact(
        float(rate), recovery=float(cure), immunity_loss=0.0, horizon=400, initial=[0.95, 0.05, 0.0]
    )
    found = ends(sir, [GO_OUT] * 3, CLOCKS, size, draws(50_000), two)
    expected = known.final_size_law(size - 1, 1, lambda j: cure / (cure + rate * j / size))
    yield from law("SIR, 20 agents, rates 0.8 and 0.4", FINAL_SIZE, found[:, 1:].sum(axis=1) - 1, expected)
    sir = sir.replace(initial=[0.99, 0.01, 0.0])
    spared = tmf.mean_field(sir, [GO_OUT] * 3, CLOCKS, times=sir.horizon).mu[-1, 0]
    source = "s = s_0 exp(-R (1 - s)) (Kermack and McKendrick 1927)"
    yield exact_finding("SIR, N infinite, R = 2: never infected", source, spared, known.never_infected(0.99, 2.0), 1e-8)
    sis = tmf.games.infection_by_contact(0.8, recovery=0.4, horizon=100, initial=[0.9, 0.1])
    share = tmf.mean_field(sis, [GO_OUT] * 2, CLOCKS, times=5.0).mu[1, 1]
    logistic = 0.5 / (1 + (0.5 / 0.1 - 1) * math.exp(-0.4 * 5))
    yield exact_finding("SIS, N infinite, at time 5: infected", "logistic growth", share, logistic, 1e-9)
    noise = tmf.analysis.fluctuations(sis, [GO_OUT] * 2, CLOCKS, times=sis.horizon).covariance[-1, 1, 1]
    yield exact_finding("SIS, N times the endemic variance", "1 / R, from linear noise", noise, 0.4 / 0.8, 1e-8)


@check("spins and urns")
def spins_and_urns(draws: Draws, seed: np.random.SeedSequence) -> Iterator[Finding]:
    """Magnets: spontaneous magnetisation m and its variance in the limit, and the law of eight spins. Ehrenfest's
    urns, in steps and by clocks."""
    one, two, three = seed.spawn(3)
    payoffs = [[1, -1], [-1, 1]]
    game = tmf.games.pairwise_revision(payoffs, rule="logit", intensity=1.5, horizon=100, initial=[0.6, 0.4])
    m, m_found = (
        known.magnetisation(1.5),
        tmf.mean_field(game, [REVISE] * 2, CLOCKS, times=game.horizon).mu[-1] @ [1, -1],
    )
    yield exact_finding("Curie-Weiss, K = 1.5: m", "m = tanh(K m)", m_found, m, 1e-9)
    noise = 4 * tmf.analysis.fluctuations(game, [REVISE] * 2, CLOCKS, times=game.horizon).covariance[-1, 0, 0]
    variance = (1 - m**2) / (1 - 1.5 * (1 - m**2))
    yield exact_finding("Curie-Weiss, K = 1.5: N var m", "(1 - m^2) / (1 - K (1 - m^2))", noise, variance, 1e-5)
    game = built.magnet(8, 0.6, sweeps=10)
    found = ends(game, only(game), tmf.Sequential(), 8, draws(10_000), one)
    source = "C(8, k) exp(K (2 k - 8)^2 / 16) (Gibbs)"
    yield from law("Curie-Weiss, K = 0.6, 8 spins", source, found[:, 1], known.magnet_law(8, 0.6))
    game = built.urn(25)
    found = ends(game, only(game), tmf.Sequential(), 10, draws(100_000), two)
    yield from law(
        "Ehrenfest, 10 balls, 25 moves", "Krawtchouk polynomials (Kac 1947)", found[:, 1], known.urn_law(10, 25)
    )
    game = built.urn(400)
    noise = tmf.analysis.fluctuations(game, only(game), tmf.Sequential(), 10).covariance[-1, 0, 0]
    yield exact_finding("Ehrenfest, 10 balls: variance / 10", "1/4, binomial", noise, 0.25, 1e-9)
    game = built.urn(0.8, time="sweeps")
    found = ends(game, only(game), CLOCKS, 30, draws(100_000), three)
    source = "binomial, (1 - exp(-2 t)) / 2"
    yield from law("Ehrenfest, 30 balls, clocks, time 0.8", source, found[:, 1], known.coins(30, -math.expm1(-1.6) / 2))


@check("evolution")
def evolution(draws: Draws, seed: np.random.SeedSequence) -> Iterator[Finding]:
    """A mutant that takes over or dies out; genes that drift; rock, paper and scissors: two facts of the replicator
    equation, and the equilibrium of hands with different stakes."""
    neutral, fit, drift = seed.spawn(3)
    for fitness, stream in ((1.0, neutral), (1.5, fit)):
        gain = math.log(fitness)  # a comparison of pairs goes up r times as often as down
        game = tmf.games.pairwise_revision([[gain, gain], [0, 0]], horizon=1000, initial=[0.1, 0.9])
        found = ends(game, [REVISE] * 2, tmf.Sequential(), 10, draws(100_000), stream)
        chance, expected = known.fixation(fitness, 10), np.zeros(11)
        expected[[0, 10]] = 1 - chance, chance
        source = "(1 - 1/r) / (1 - 1/r^10) (Moran 1958)" if fitness > 1 else "1/10 (Moran 1958)"
        yield from law(f"Moran, a mutant of fitness {fitness:g} among 10", source, found[:, 0], expected)
    game = built.genes(5, share=0.3)
    found = ends(game, only(game), tmf.Synchronous(), 20, draws(100_000), drift)
    source = "binomials (Fisher 1930; Wright 1931)"
    yield from law("20 genes, 5 generations", source, found[:, 1], known.drift_law(20, 6, 5))
    beats = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    zero_sum, period = {"rule": "imitate the better", "intensity": 0.5}, 2 * math.pi * math.sqrt(3) / 0.5
    game = tmf.games.pairwise_revision(beats, horizon=60, initial=[0.5, 0.3, 0.2], **zero_sum)
    product = tmf.mean_field(game, [REVISE] * 3, CLOCKS).mu[-1].prod()
    source = "constant (Hofbauer and Sigmund 1998)"
    yield exact_finding("replicator, time 60: product of the shares", source, product, 0.03, 1e-10)
    start = np.array([1, 1, 1]) / 3 + np.array([1, -1, 0]) * 1e-3
    game = tmf.games.pairwise_revision(beats, horizon=period, initial=start, **zero_sum)
    mu = tmf.mean_field(game, [REVISE] * 3, CLOCKS).mu[-1]
    yield difference("replicator, radius e = 1e-3", "closes after 2 pi sqrt(3) / beta, to order e^3", mu, start, 1e-7)
    game = tmf.games.rock_paper_scissors((1.0, 2.0, 3.0), win=2.0, loss=1.0)
    solution = tmf.solve(game, tmf.Synchronous(), tolerance=1e-9)
    payoffs = np.array([[1.0], [2.0], [3.0]]) * (2.0 * (beats > 0) - 1.0 * (beats < 0))
    shares, value = known.equal_earnings(payoffs)
    yield exact_finding("stakes 1, 2, 3: return", "all hands earn 6/11", solution.mean_return, value, 1e-7)
    yield difference("stakes 1, 2, 3: shares", "(26, 20, 31) / 77", solution.flow.mu[1, 1:], shares, 1e-7)


@check("802.11")
def wireless(draws: Draws, seed: np.random.SeedSequence) -> Iterator[Finding]:
    """Ten saturated stations, window 32, three doublings. Bianchi's model is the mean field, in which stations are
    independent; of the collisions of ten stations, simulated, it is an approximation."""
    n, window, stages = 10, 32, 3
    p, tau = known.backoff(n, window, stages)
    game = built.stations(window, stages, 4000, lambda share: 1 - (1 - share) ** (n - 1))
    sends = tmf.mean_field(game, only(game), tmf.Synchronous(), record_every=4000).mu[-1, stages + 1 :].sum()
    yield exact_finding("probability to send", BIANCHI, sends, tau, 1e-9)
    yield exact_finding("probability to collide", BIANCHI, 1 - (1 - sends) ** (n - 1), p, 1e-9)
    warm, slots = 500, draws(400_000) // 10
    game = built.stations(window, stages, warm + slots, lambda share: float(n * share > 1.5))
    run = tmf.simulate(game, only(game), tmf.Synchronous(), n, replicas=10, rng=seed, decisions=False)
    senders = run.counts[:, warm + 1 :, stages + 1 :].sum(axis=2)
    lost, total = float((senders * (senders > 1)).sum()), int(senders.sum())
    noise = math.sqrt(2 * p * (1 - p) / total)  # those that collide do so at least in twos
    yield Finding(
        "probability to collide, simulated", f"{BIANCHI}, to 0.01 and 5 standard errors", total,
        f"{lost / total:.4f} of {p:.4f}", None, abs(lost / total - p), 0.01 + 5 * noise,
    )  # fmt: skip


@check("graphon games")
def graphons(draws: Draws, seed: np.random.SeedSequence) -> Iterator[Finding]:
    """An epidemic on three graphons, 101 positions: the exploitability of the policy that keeps away half of the
    time."""
    for name, (graphon, expected) in GRAPHONS.items():
        game = built.epidemic_on(graphon, 101)
        gain = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
        yield exact_finding(f"SIS on {name}", "the game of Cui and Koeppl, arXiv:2112.01280", gain, expected, 1e-9)
