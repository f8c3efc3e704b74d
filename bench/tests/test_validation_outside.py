"""Formulas of bench/validation/closed_forms.py, each against a slower way, and the sizes at which `outside` uses them."""

import itertools
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import linalg, stats

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "validation").is_dir(), reason="not in a source tree")

sys.path.insert(0, str(ROOT))
from bench.validation import closed_forms as known  # noqa: E402
from bench.validation import outside  # noqa: E402


def generator(rates, states):
    """Generator of the chain whose rates(state) yields (next state, rate)."""
    place = {state: i for i, state in enumerate(states)}
    made = np.zeros((len(states), len(states)))
    for i, state in enumerate(states):
        for following, rate in rates(state):
            made[i, place[following]] += rate
    return made - np.diag(made.sum(axis=1))


def stationary(made):
    made = made.T.copy()
    made[0] = 1.0  # in place of one equation: probabilities sum to 1
    return np.linalg.solve(made, np.eye(len(made))[0])


def chain(up, down):
    """Generator of a birth-death chain 0..n."""
    return np.diag(up[:-1], 1) + np.diag(down[1:], -1) - np.diag(np.append(up[:-1], 0) + np.append(0, down[1:]))


def distance(law, other):
    return np.abs(law - other).sum() / 2


# -------------------------------------------------------------------------------------------------------------- queues


@pytest.mark.parametrize(("servers", "most", "load"), [(1, 9, 0.8), (2, 4, 0.9), (3, 3, 0.7)])
def test_two_choices_by_servers_with_names(servers, most, load):
    def rates(queues):
        for i, j in itertools.product(range(servers), repeat=2):  # both looked at; equal queues: either
            for k, share in ((i, 0.5), (j, 0.5)) if queues[i] == queues[j] else ((min(i, j, key=queues.__getitem__), 1.0),):
                if queues[k] < most:
                    yield (*queues[:k], queues[k] + 1, *queues[k + 1 :]), share * load / servers
        for k in range(servers):
            if queues[k]:
                yield (*queues[:k], queues[k] - 1, *queues[k + 1 :]), 1.0

    states = list(itertools.product(range(most + 1), repeat=servers))
    law = stationary(generator(rates, states))
    expected = law @ np.array(states).mean(axis=1)
    assert known.two_choice_mean(servers, load, most) == pytest.approx(expected, rel=1e-10)


def test_many_servers_tend_to_the_tail():
    tail = known.two_choice_tail(0.5, 8)
    assert tail[:4] == pytest.approx([1, 1 / 2, 1 / 8, 1 / 128])
    errors = [known.two_choice_mean(n, 0.5, 4) - tail[1:].sum() for n in (5, 10)]
    assert errors[0] > errors[1] > 0 and errors[0] / errors[1] == pytest.approx(2, rel=0.1)


def test_ten_servers_with_longer_queues():
    """Means at load 0.9 rise with the longest queue, by less and less, to those that are used."""
    means = [known.two_choice_mean(10, 0.9, most) for most in (4, 5, 6)]
    rises = np.diff([*means, outside.TEN_SERVERS])
    assert (rises > 0).all() and rises[0] > rises[1] and rises[2] < rises[1] / (1 - rises[1] / rises[0])


def test_telephones_and_machines():
    k = np.arange(5)
    calls = chain((10 - k) * 0.5, 1.0 * k)
    assert known.engset_law(10, 4, 0.5) == pytest.approx(stationary(calls))
    assert distance(linalg.expm(8.0 * calls)[0], known.engset_law(10, 4, 0.5)) < 1e-7, "horizon of the check"
    k = np.arange(6)
    broken = chain((5 - k) * 0.4, np.minimum(k, 2.0))
    assert known.repair_law(5, 2, 0.4) == pytest.approx(stationary(broken))
    assert distance(linalg.expm(8.0 * broken)[2], known.repair_law(5, 2, 0.4)) < 1e-5, "horizon of the check"


def test_the_queue_in_time():
    k = np.arange(200)
    for arrivals, t in ((0.7, 5.0), (1.3, 2.0)):
        law = linalg.expm(t * chain(np.full(200, arrivals), np.minimum(k, 1.0)))[0]
        assert known.queue_law(arrivals, 1.0, t, 40) == pytest.approx(law[:41], abs=1e-13)


# ----------------------------------------------------------------------------------------------------------- epidemics


def test_final_sizes_by_generations():
    """Reed and Frost, generation by generation."""
    n, escape = 7, Fraction(4, 5)
    law, ends = {(n, 1): Fraction(1)}, [Fraction(0)] * (n + 1)
    while law:
        following = {}
        for (left, ill), p in law.items():
            q = escape**ill
            for new in range(left + 1):
                chance = p * math.comb(left, new) * (1 - q) ** new * q ** (left - new)
                if new:
                    following[left - new, new] = following.get((left - new, new), 0) + chance
                else:
                    ends[n - left] += chance
        law = following
    assert known.final_size_law(n, 1, lambda j: escape**j) == ends


def test_final_sizes_in_continuous_time():
    """SIR by its jumps."""
    size, rate, cure = 8, Fraction(4, 5), Fraction(2, 5)
    ends, law = [Fraction(0)] * size, {(size - 1, 1): Fraction(1)}
    while law:
        following = {}
        for (left, ill), p in law.items():
            infect = rate * left * ill / size
            total = infect + cure * ill
            steps = [((left, ill - 1), cure * ill / total)] + [((left - 1, ill + 1), infect / total)] * (left > 0)
            for state, chance in steps:
                if state[1]:
                    following[state] = following.get(state, 0) + p * chance
                else:
                    ends[size - 1 - state[0]] += p * chance
        law = following
    assert known.final_size_law(size - 1, 1, lambda j: cure / (cure + rate * j / size)) == ends


def test_those_never_infected():
    s = known.never_infected(0.99, 2.0)
    assert 0 < s < 0.99 and s == pytest.approx(0.99 * math.exp(-2 * (1 - s)), rel=1e-14)


# ------------------------------------------------------------------------------------------------ spins, urns and genes


def test_magnets_by_their_spins():
    weights = np.zeros(7)
    for spins in itertools.product((-1, 1), repeat=6):
        energy = sum(a * b for a, b in itertools.combinations(spins, 2)) / 6
        weights[spins.count(1)] += math.exp(0.6 * energy)
    assert known.magnet_law(6, 0.6) == pytest.approx(weights / weights.sum(), rel=1e-12)
    m = known.magnetisation(1.5)
    assert 0.8 < m < 0.9 and m == pytest.approx(math.tanh(1.5 * m), rel=1e-14)


def test_the_magnet_of_the_check_forgets_its_start():
    k = np.arange(9)
    m = (2 * k - 8) / 8
    moves = chain((8 - k) / 8 / (1 + np.exp(-1.2 * (m + 1 / 8))), k / 8 / (1 + np.exp(1.2 * (m - 1 / 8))))
    after = np.linalg.matrix_power(np.eye(9) + moves, 80)[4]
    assert distance(after, known.magnet_law(8, 0.6)) < 1e-5


@pytest.mark.parametrize(("balls", "steps"), [(1, 3), (4, 0), (10, 25)])
def test_urns(balls, steps):
    k = np.arange(balls + 1)
    moves = np.diag((balls - k[:-1]) / balls, 1) + np.diag(k[1:] / balls, -1)
    assert known.urn_law(balls, steps) == pytest.approx(np.linalg.matrix_power(moves, steps)[0], abs=1e-14)


def test_genes():
    """Two generations by all pairs of numbers; two different genes meet with (1 - 1/N) of the chance before."""
    law = known.drift_law(6, 2, 2)
    k = np.arange(7)
    first = stats.binom.pmf(k, 6, 2 / 6)
    assert law == pytest.approx(sum(first[j] * stats.binom.pmf(k, 6, j / 6) for j in k))
    assert law @ (k * (6 - k)) == pytest.approx(2 * 4 * (1 - 1 / 6) ** 2)


@pytest.mark.parametrize("fitness", [1.0, 1.5, 0.8])
def test_fixation_in_the_process_of_moran(fitness):
    """A parent in proportion to fitness, its child in the place of a random one: chances by a linear system."""
    n = 10
    k = np.arange(n + 1)
    born = fitness * k / (fitness * k + n - k)
    moves = chain(born * (n - k) / n, (1 - born) * k / n)
    inner = moves[1:-1]
    chances = np.linalg.solve(inner[:, 1:-1], -inner[:, -1])
    assert known.fixation(fitness, n) == pytest.approx(chances[0], rel=1e-12)


def test_rock_paper_scissors():
    shares, value = known.equal_earnings(np.array([[0, -1, 2], [4, 0, -2], [-3, 6, 0]]))
    assert shares == pytest.approx([26 / 77, 20 / 77, 31 / 77]) and value == pytest.approx(6 / 11)


# ------------------------------------------------------------------------------------------------- wireless, graphons


@pytest.mark.parametrize(("stations", "window", "stages"), [(10, 32, 3), (3, 4, 2), (50, 16, 6)])
def test_backoff_by_bianchis_chain_of_stages_and_counters(stations, window, stages):
    p, tau = known.backoff(stations, window, stages)
    assert p == pytest.approx(1 - (1 - tau) ** (stations - 1))
    states = [(i, k) for i in range(stages + 1) for k in range(2**i * window)]

    def rates(state):
        stage, counter = state
        if counter:
            yield (stage, counter - 1), 1.0
            return
        for following, chance in ((0, 1 - p), (min(stage + 1, stages), p)):
            for k in range(2**following * window):
                yield (following, k), chance / (2**following * window)

    if len(states) < 500:
        law = stationary(generator(rates, states))
        assert sum(law[i] for i, (_, counter) in enumerate(states) if not counter) == pytest.approx(tau, rel=1e-9)
    full = 2 * (1 - 2 * p) / ((1 - 2 * p) * (window + 1) + p * window * (1 - (2 * p) ** stages))  # equation 7 as printed
    assert tau == pytest.approx(full)


def graphon_gain(graphon, positions):
    """Exploitability of the uniform policy in SIS on a graphon, by hand: 50 steps, healthy and ill at each position."""
    x = np.linspace(0, 1, positions)
    seen = graphon(x[:, None], x) / positions + np.zeros((positions, positions))
    ill, risks = np.full(positions, 0.5), []
    for _ in range(50):
        risks.append(0.8 * seen @ ill)
        ill = 0.8 * ill + (1 - ill) * 0.5 * risks[-1]
    played, best = np.zeros((2, positions)), np.zeros((2, positions))
    for risk in reversed(risks):
        values = []
        for value, over in ((played, np.mean), (best, np.max)):
            out = value[0] + risk * (value[1] - value[0])
            sick = -2 + 0.2 * value[0] + 0.8 * value[1]
            values.append(np.array([over([out, value[0] - 0.5], axis=0), over([sick, sick - 0.5], axis=0)]))
        played, best = values
    return float((best - played).mean())


@pytest.mark.parametrize("name", outside.GRAPHONS)
def test_graphons(name):
    graphon, expected = outside.GRAPHONS[name]
    assert graphon_gain(graphon, 101) == pytest.approx(expected, abs=1e-9)
