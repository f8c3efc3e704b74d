"""The exact solvers: one iteration is the reference's, what they report is true, they resume to the bit, they converge."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
import tmfcore as tmf
from strategies import games, random_game, schedules, seeds
from tmfcore import solvers
from tmfcore.solvers import MFOMO, FictitiousPlay, FixedPoint, Homotopy, MirrorDescent, PriorDescent, Stationary, mfomo
from tmfcore.solvers._iterate import Iterate
from tmfcore.solvers._minimise import minimise
from tmfcore.solvers._occupation import Occupation

N_AGENTS = 20

# Every solver with few iterations, as hypothesis runs it on random games.
QUICK = {
    "MirrorDescent": MirrorDescent(iterations=5, tolerance=None),
    "MirrorDescent, plain": MirrorDescent(iterations=5, tolerance=None, learning_rate=0.5, learning_rate_decay="sqrt"),
    "MirrorDescent, momentum": MirrorDescent(iterations=5, tolerance=None, momentum=0.5, clock="always"),
    "FictitiousPlay": FictitiousPlay(iterations=5, tolerance=None),
    "FictitiousPlay, damped": FictitiousPlay(iterations=5, tolerance=None, weight=0.3, clock="always"),
    "FixedPoint": FixedPoint(iterations=5, tolerance=None),
    "PriorDescent": PriorDescent(iterations=5, tolerance=None, clock="always"),
    "PriorDescent, slow": PriorDescent(iterations=5, tolerance=None, temperature=2.0, prior_every=3, weight=0.5),
    "PriorDescent, still": PriorDescent(iterations=5, tolerance=None, prior_every=None),
    "Homotopy": Homotopy(iterations=5, tolerance=None, krylov=8),
    "MFOMO": MFOMO(iterations=5, tolerance=None, steps=4),
    "MFOMO, always": MFOMO(iterations=5, tolerance=None, steps=4, clock="always"),
}
quick = pytest.mark.parametrize("solver", QUICK.values(), ids=QUICK.keys())


def resource_selection(**options) -> tmf.Game:
    return tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0, **options)


def queueing(**options) -> tmf.Game:
    return tmf.games.queueing((0.1, 0.2, 0.3), **options)


def clock_of(solver) -> str:
    return solver.clock


def same(one: tmf.Solution, two: tmf.Solution) -> bool:
    columns = set(one.history) - {"seconds"}
    return one.policy == two.policy and all(np.array_equal(one.history[c], two.history[c]) for c in columns)


# ------------------------------------------------------------------------------------------- one iteration, by hand


@given(games(), st.data(), seeds, st.sampled_from(["schedule", "always"]))
def test_an_iterate_is_judged_as_the_reference_does(spec, data, seed, clock):
    """Flow, Q, best response, exploitability both ways and return; twice, as tables are kept between evaluations."""
    schedule = data.draw(schedules(spec.horizon, N_AGENTS))
    active = reference.active_fraction(schedule.moves(spec.horizon, N_AGENTS), N_AGENTS)
    game, plain = spec.build(), spec.reference()
    iterate = Iterate(game.model, game.initial, active, game.horizon, game.discount, clock == "always")
    rng = np.random.default_rng(seed)
    for _ in range(2):
        iterate.policy[...] = rng.dirichlet(np.full(game.n_actions, 0.5), size=iterate.policy.shape[:2])
        found = iterate.evaluate()
        policy = reference.tabular(iterate.policy, game.horizon)
        mu = reference.flow(plain, policy, active)
        played, q = reference.values(plain, policy, mu, active, clock)
        best, best_q = reference.values(plain, None, mu, active, clock)
        np.testing.assert_allclose(iterate.mu, mu, atol=1e-12)
        np.testing.assert_allclose(iterate.q, q, atol=1e-12)
        chosen = np.take_along_axis(best_q, iterate.greedy[..., None].astype(np.int64), axis=-1)[..., 0]
        np.testing.assert_allclose(chosen, best_q.max(axis=-1), atol=1e-12)
        gap = best - played
        expected = (game.initial @ gap[0], gap.max(), game.initial @ played[0])
        np.testing.assert_allclose(found, expected, atol=1e-12)


@given(games(dependences=("mu", "mu_t")), seeds)
def test_tables_too_large_to_keep_are_evaluated_twice(spec, seed):
    game = spec.build()
    active = np.array([0.5])
    policy = np.random.default_rng(seed).dirichlet(np.ones(spec.n_actions), size=(spec.horizon, spec.n_observations))
    judged = []
    for kept_bytes in (0, 2**20):
        iterate = Iterate(game.model, game.initial, active, game.horizon, game.discount, False, kept_bytes)
        iterate.policy[...] = policy
        judged.append((*iterate.evaluate(), *iterate.evaluate(), iterate.q.tolist()))
    assert judged[0] == judged[1]


@given(games(), st.data(), st.sampled_from(["schedule", "always"]))
def test_mirror_descent_is_that_of_the_reference(spec, data, clock):
    schedule = data.draw(schedules(spec.horizon, N_AGENTS))
    active = reference.active_fraction(schedule.moves(spec.horizon, N_AGENTS), N_AGENTS)
    logits = np.zeros((spec.horizon, spec.n_observations, spec.n_actions))
    for _ in range(3):
        logits = reference.mirror_step(spec.reference(), logits, active, clock, 0.3)
    solver = MirrorDescent(iterations=3, tolerance=None, absolute_tolerance=None, learning_rate=0.3, clock=clock)
    found = solver.solve(spec.build(), schedule.build(), N_AGENTS)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.state["logits"], shifted, atol=1e-12)


def test_mirror_descent_on_the_beach_is_that_of_the_peers():
    """Exploitabilities that MFGLib and a plain loop in numpy agreed on, at rate 0.1."""
    game = tmf.games.beach_bar(10, horizon=10)
    solver = MirrorDescent(iterations=50, tolerance=None, learning_rate=0.1)
    history = solver.solve(game, tmf.Synchronous()).history["exploitability"]
    assert (history[0], history[10], history[50]) == pytest.approx((3.1956, 0.6696, 0.5291), abs=5e-5)
    game = tmf.games.beach_bar(100, horizon=20)
    history = solver.solve(game, tmf.Synchronous()).history["exploitability"]
    assert (history[0], history[10], history[50]) == pytest.approx((3.2113, 1.6319, 0.2788), abs=1e-4)


def test_fictitious_play_on_the_beach_is_that_of_the_peers():
    """MFGLib's figure after 50 iterations; larger beaches tell apart how equally good actions are chosen from."""
    history = FictitiousPlay(iterations=50, tolerance=None).solve(
        tmf.games.beach_bar(10, horizon=10), tmf.Synchronous()
    )  # fmt: skip
    assert history.history["exploitability"][50] == pytest.approx(0.063, abs=6e-4)


def test_policies_are_softmax_to_the_last_bits():
    """Logits of every size, also those whose exponentials are below the smallest normal number: then 0."""
    game = tmf.Game(3, 400, 2, 1.0, [1, 0, 0], np.zeros((3, 400)), np.full((3, 400, 3), 1 / 3))
    iterate = Iterate(game.model, game.initial, np.array([1.0]), 2, 1.0, False)
    rng = np.random.default_rng(0)
    logits = -(10.0 ** rng.uniform(-18, 4, size=iterate.policy.shape))
    logits[0, 0] = np.linspace(-720, 0, 400)
    expected = reference.softmax(logits)
    assert iterate.soften(logits)
    np.testing.assert_allclose(iterate.policy, expected, rtol=2e-15, atol=1e-307)
    assert (iterate.policy[logits < -708] == 0).all() and (iterate.policy[logits > -708] > 0).all()
    logits[1, 2, 3] = np.nan
    assert not iterate.soften(logits)


def test_momentum_is_the_heavy_ball():
    game = queueing(horizon=4)
    logits, velocity = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    for _ in range(3):
        policy = tmf.SoftmaxPolicy(logits)
        velocity = 0.5 * velocity + tmf.evaluate(game, policy, tmf.Fraction(0.5)).q
        logits = logits + 0.2 * velocity
    solver = MirrorDescent(iterations=3, tolerance=None, learning_rate=0.2, momentum=0.5)
    found = solver.solve(game, tmf.Fraction(0.5)).state["logits"]
    np.testing.assert_allclose(found, logits - logits.max(axis=-1, keepdims=True), atol=1e-12)


def spectral(before, after, moved, rate, best, short):
    """The rate after two evaluations (policy (T, S, A), Evaluation), 1 / stiffness or a short one, and the short rates."""
    (pi, old), (next_pi, new) = before, after
    weight = 0.5 * (old.flow.mu + new.flow.mu)[:-1, :, np.newaxis] * (next_pi - pi)
    answer, gain = -(weight * (new.q - old.q)).sum(), (weight * moved).sum()
    if answer <= 0:
        return 4 * rate, short
    short = [*short, answer / covariance(after, new.q - old.q, new.q - old.q)][-3:]
    found = gain / answer
    if not best and short[-1] < 0.8 * found:
        found = min(short)
    return np.clip(found, rate / 50, 4 * rate), short


def covariance(evaluated, f, g):
    """Of two tables (T, S, A) among the decisions of a policy along its flow."""
    pi, found = evaluated
    f, g = (table - (pi * table).sum(-1, keepdims=True) for table in (f, g))
    return (found.flow.mu[:-1, :, np.newaxis] * pi * f * g).sum()


def secants(now, steps, answers):
    """Shares c of the last two steps, with <dy, Q - c dQ> = 0; the least Q - c dQ where that one is larger than Q."""

    def inner(tables, others):
        return np.array([[covariance(now, f, g) for g in others] for f in tables])

    q, square = [now[1].q], inner(answers, answers)
    c = np.linalg.solve(inner(steps, answers), inner(steps, q))[:, 0]
    left = now[1].q - c[0] * answers[0] - c[1] * answers[1]
    if covariance(now, left, left) <= covariance(now, q[0], q[0]):
        return c, True
    return np.linalg.solve(square + 1e-8 * np.trace(square) * np.eye(2), inner(answers, q))[:, 0], False


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_the_spectral_rate(momentum):
    """4 over the largest difference of two Q, then 1 / stiffness, from 1/50 to 4 times the rate before.

    After an iterate that is not the best, the shortest of three short rates; from the 13th update on, secants.
    """
    game, schedule = queueing(horizon=6), tmf.Fraction(0.5)
    found = MirrorDescent(iterations=30, tolerance=None, momentum=momentum).solve(game, schedule)
    logits, velocity, last, rates, gaps, kinds = np.zeros((6, 4, 4)), 0.0, None, [], [], []
    steps, answers, short, taken = [], [], [], []
    for k in range(30):
        policy = tmf.SoftmaxPolicy(logits)
        now = reference.softmax(logits), tmf.evaluate(game, policy, schedule)
        gap = tmf.exploitability(game, policy, schedule)
        best = gap < min(gaps, default=np.inf)
        gaps.append(gap)
        if last is None:
            rate = 4 / np.ptp(now[1].q, axis=-1).max()
        else:
            answers = [*answers, now[1].q - last[1].q][-2:]
            rate, short = spectral(last, now, steps[-1], rate, best, short)
            taken.append(not best and rate in short)
        rates.append(rate)
        velocity = momentum * velocity + now[1].q
        step = rate * velocity
        if momentum == 0 and best and k >= 12:
            shares, kind = secants(now, steps, answers)
            step = step - sum(c * (dy + rate * dq) for c, dy, dq in zip(shares, steps, answers))
            kinds.append(kind)
        steps = [*steps, step][-2:]
        logits, last = logits + step, now
    np.testing.assert_allclose(found.history["learning_rate"][:30], rates, rtol=1e-4)
    assert len({round(b / a, 6) for a, b in pairwise(rates)}) > 5  # not only at the bounds
    assert sum(taken) > 1  # short rates
    assert momentum > 0 or {True, False} <= set(kinds)  # both kinds of secants were
    np.testing.assert_allclose(found.state["logits"], logits - logits.max(axis=-1, keepdims=True), atol=1e-4)


def test_descents_begin_again_and_end():
    """In a game without progress: 100 iterates after the best one of each descent, growth 4, 2, sqrt 2 ...; then stuck."""
    game = rock_paper_scissors()
    first = tmf.TabularPolicy(np.array([[[0.5, 0.3, 0.2]] * 4]))
    found = MirrorDescent(tolerance=None).solve(game, tmf.Synchronous(), initial=first)
    gaps, rates = found.history["exploitability"], found.history["learning_rate"]
    (begun,) = np.nonzero(rates[:-1] == 0)
    assert len(begun) == 4 and not found.converged
    assert "none of 5 descents found a better policy in its last 100 iterations" in found.reason
    starts = [0, *(begun + 1)]
    for k, (start, end) in enumerate(zip(starts, [*(begun + 1), len(gaps)])):
        part = gaps[start:end]
        assert part[0] == gaps[0] and rates[start] == rates[0]  # from where the first began
        assert end - start == part.argmin() + 101
        growth = rates[start + 1 : end - 1] / rates[start : end - 2]
        assert growth.max() <= 4 ** (0.5**k) * (1 + 1e-9) and growth.min() >= 0.02 * (1 - 1e-9)


def test_a_rate_without_resistance_does_not_overflow():
    """One place, two actions: nothing that others do matters, and the gap is 0 in the end."""
    game = tmf.Game(1, 2, 3, 1.0, [1.0], [[0.0, 1.0]], np.ones((1, 2, 1)))
    for solver in (MirrorDescent, PriorDescent):
        found = solver(tolerance=None, absolute_tolerance=None).solve(game, tmf.Synchronous())
        assert found.exploitability == 0 and np.isfinite(found.history["learning_rate"]).all()


@pytest.mark.parametrize(
    ("game", "allowed"),
    [
        (tmf.games.queueing((0.057, 0.505)), 80),
        *((tmf.games.beach_bar(n), 140) for n in (18, 19, 20, 22)),
        (tmf.games.susceptible_infected(), 1500),
        (tmf.games.beach_bar(100), 130),  # 162 without secants
        (tmf.games.building_evacuation(horizon=18), 170),  # 281 without short rates
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_defaults_converge_where_a_rate_could_collapse(game, allowed):
    found = MirrorDescent().solve(game, tmf.Synchronous())
    assert found.converged and found.history["iteration"][-1] <= allowed
    assert tmf.solve(game, tmf.Synchronous(), initial=found).history["iteration"][-1] == found.history["iteration"][-1]


def test_large_beaches_need_no_tuning():
    """Where plain descent at the rate 0.1 goes nowhere, the default needs some hundred iterations."""
    for size, steps, allowed in ((100, 100, 1000), (200, 50, 1000)):
        game = tmf.games.beach_bar(size, horizon=steps)
        found = MirrorDescent(iterations=allowed).solve(game, tmf.Synchronous())
        assert found.converged and found.relative_exploitability <= 1e-4
    game = tmf.games.beach_bar(100, horizon=100)
    plain = MirrorDescent(learning_rate=0.1, iterations=500, tolerance=None).solve(game, tmf.Synchronous())
    assert plain.relative_exploitability > 0.01


def test_decays():
    game = resource_selection(horizon=3)
    for decay, rates in {
        "harmonic": [0.5, 0.5 / (1 + 1 / 2), 0.5 / 2],
        "linear": [0.5, 0.25, 0.0],
        "constant": [0.5] * 3,
        (lambda k: 1.0 + k): [0.5, 1.0, 1.5],
    }.items():
        solver = MirrorDescent(
            iterations=2, tolerance=None, learning_rate=0.5, learning_rate_decay=decay, decay_iterations=2
        )
        found = solver.solve(game, tmf.Synchronous())
        np.testing.assert_allclose(found.history["learning_rate"], rates)


@given(games(), st.data(), seeds, st.sampled_from(["schedule", "always"]))
def test_best_responses_are_mixed_as_in_the_reference(spec, data, seed, clock):
    """From a random policy, so that best responses are not ties; fictitious play, and rows mixed."""
    schedule = data.draw(schedules(spec.horizon, N_AGENTS))
    active = reference.active_fraction(schedule.moves(spec.horizon, N_AGENTS), N_AGENTS)
    game, plain = spec.build(), spec.reference()
    first = np.random.default_rng(seed).dirichlet(
        np.ones(spec.n_actions), size=(spec.horizon, spec.n_observations)
    )  # fmt: skip
    common = {"iterations": 1, "tolerance": None, "absolute_tolerance": None, "clock": clock}
    for solver, expected in (
        (FictitiousPlay(**common), reference.fictitious_step(plain, first, active, clock, 0.5)),
        (FictitiousPlay(weight=0.1, **common), reference.fictitious_step(plain, first, active, clock, 0.1)),
        (FixedPoint(weight=0.3, **common), 0.7 * first + 0.3 * reference.greedy(plain, first, active, clock)),
        (FixedPoint(**common), reference.greedy(plain, first, active, clock)),
    ):
        found = solver.solve(game, schedule.build(), N_AGENTS, initial=tmf.TabularPolicy(first))
        np.testing.assert_allclose(found.state["policy"], expected, atol=1e-9)


def test_the_flow_of_fictitious_play_is_the_mean_of_best_flows():
    """The paper's definition, where kernels do not depend on mu: mu_k is the mean of the first and k best flows."""
    game, schedule = resource_selection(horizon=4, switching_cost=0.1), tmf.Fraction(0.7)
    policy = tmf.TabularPolicy.uniform(game, stages=4)
    flows = [tmf.mean_field(game, policy, schedule).mu]
    for k in range(6):
        mu = tmf.mean_field(game, policy, schedule)
        np.testing.assert_allclose(mu.mu, np.mean(flows, axis=0), atol=1e-12)
        flows.append(tmf.mean_field(game, tmf.best_response(game, mu, schedule)[0], schedule).mu)
        solver = FictitiousPlay(iterations=k + 1, tolerance=None)
        policy = tmf.TabularPolicy(solver.solve(game, schedule).state["policy"])


@given(games(), st.data(), st.sampled_from(["schedule", "always"]))
def test_prior_descent_is_that_of_the_reference(spec, data, clock):
    schedule = data.draw(schedules(spec.horizon, N_AGENTS))
    active = reference.active_fraction(schedule.moves(spec.horizon, N_AGENTS), N_AGENTS)
    logits = np.zeros((spec.horizon, spec.n_observations, spec.n_actions))
    prior = np.full_like(logits, 1 / spec.n_actions)
    for k in range(5):
        logits = reference.prior_step(spec.reference(), logits, prior, active, clock, 0.7, 0.6)
        if k % 2 == 1:
            prior = reference.softmax(logits)
    solver = PriorDescent(
        iterations=5, tolerance=None, absolute_tolerance=None, temperature=0.7, weight=0.6, prior_every=2, clock=clock
    )
    found = solver.solve(spec.build(), schedule.build(), N_AGENTS)
    np.testing.assert_allclose(found.state["logits"], logits - logits.max(axis=-1, keepdims=True), atol=1e-10)
    np.testing.assert_allclose(found.state["prior"], np.log(prior), atol=1e-10)


@pytest.mark.parametrize("prior_every", [1, 2])
def test_prior_descent_takes_spectral_rates(prior_every):
    """The moves of the reference at 1 / temperature = 1 / stiffness, with d y what the logits moved by."""
    spec = random_game(1, 4, 3, 6, dependence="mu")
    game, schedule = spec.build(), tmf.Fraction(0.5)
    found = PriorDescent(iterations=5, tolerance=None, prior_every=prior_every, weight=0.8).solve(game, schedule)
    logits = np.zeros((6, 4, 3))
    prior, last, moved, rates, gaps, short = np.full_like(logits, 1 / 3), None, None, [], [], []
    for k in range(5):
        now = reference.softmax(logits), tmf.evaluate(game, tmf.SoftmaxPolicy(logits), schedule)
        gap = tmf.exploitability(game, tmf.SoftmaxPolicy(logits), schedule)
        best = gap < min(gaps, default=np.inf)
        gaps.append(gap)
        if last is None:
            rate = 4 / np.ptp(now[1].q, axis=-1).max()
        else:
            rate, short = spectral(last, now, moved, rate, best, short)
        rates.append(rate)
        next_logits = reference.prior_step(spec.reference(), logits, prior, np.full(6, 0.5), "schedule", 1 / rate, 0.8)
        moved, logits, last = next_logits - logits, next_logits, now
        if (k + 1) % prior_every == 0:
            prior = reference.softmax(logits)
    np.testing.assert_allclose(found.history["learning_rate"][:5], 0.8 * np.array(rates), rtol=1e-6)
    np.testing.assert_allclose(reference.softmax(found.state["logits"]), reference.softmax(logits), atol=1e-7)


def test_a_prior_that_stays_gives_the_logit_equilibrium():
    """One decision between two places: pi is the softmax of what they pay after it, in closed form at the next step."""
    game = tmf.games.resource_selection((1.0, 0.5), 1.0, horizon=2, discount=1.0, initial=(0.5, 0.5))
    solver = PriorDescent(temperature=0.5, prior_every=None, weight=0.5, iterations=200, tolerance=None)
    logits = solver.solve(game, tmf.Synchronous()).state["logits"]
    pi = np.exp(logits[0, 0]) / np.exp(logits[0, 0]).sum()  # mu_1 = pi, from either place
    np.testing.assert_allclose(np.log(pi[0] / pi[1]), ((1.0 - pi[0]) - (0.5 - pi[1])) / 0.5, atol=1e-9)


def occupation_objective(game, L, y, z, active, clock, flow_weight, value_weight):
    """F of _occupation.Occupation, term by term."""
    total = 0.0
    expected = np.asarray(game.initial)
    for t in range(game.horizon):
        there = L[t].sum(axis=-1)
        total += flow_weight * ((there - expected) ** 2).sum()
        reward, transition, passive_reward, passive = game.tables(there / there.sum(), t)
        b = 1.0 if clock == "always" else active[t]
        mixed = active[t] * transition + (1 - active[t]) * passive[:, None, :]
        expected = np.einsum("oa,oax->x", L[t], mixed)
        acting = z[t] + reward + game.discount * transition @ y[t + 1]
        waiting = passive_reward + game.discount * passive @ y[t + 1]
        e = y[t][:, None] - b * acting - (1 - b) * waiting[:, None]
        total += value_weight * (e**2).sum() + b * (z[t] * L[t]).sum()
    return total


@given(games(), st.data(), seeds, st.sampled_from(["schedule", "always"]))
def test_the_objective_of_mfomo(spec, data, seed, clock):
    """Its value is that of the definition; its gradient that of central differences; both 0 residuals at a policy."""
    schedule = data.draw(schedules(spec.horizon, N_AGENTS))
    active = reference.active_fraction(schedule.moves(spec.horizon, N_AGENTS), N_AGENTS)
    game, plain = spec.build(), spec.reference()
    occupation = Occupation(game.model, game.initial, active, game.horizon, game.discount, clock == "always", 3.0, 2.0)
    rng = np.random.default_rng(seed)
    shape = (game.horizon, game.n_observations, game.n_actions)
    point = [rng.random(shape), rng.normal(size=(shape[0] + 1, shape[1])), rng.random(shape)]
    point[1][-1] = 0
    slopes = [np.empty_like(array) for array in point]
    value = occupation.objective(*point, *slopes)
    assert value == pytest.approx(occupation_objective(plain, *point, active, clock, 3.0, 2.0), rel=1e-9)
    assert (slopes[1][-1] == 0).all()
    towards = [rng.normal(size=array.shape) for array in point]
    towards[1][-1] = 0

    def along(h):
        moved = [array + h * step for array, step in zip(point, towards, strict=True)]
        return occupation_objective(plain, *moved, active, clock, 3.0, 2.0)

    numeric = (8 * (along(1e-4) - along(-1e-4)) - (along(2e-4) - along(-2e-4))) / 12e-4
    exact = sum((slope * step).sum() for slope, step in zip(slopes, towards, strict=True))
    assert exact == pytest.approx(numeric, rel=1e-5, abs=1e-5 * (1 + value))


def test_the_objective_is_the_exploitability_at_a_policy():
    """Without discount; with it the steps count alike in the objective, and less and less in exploitability."""
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.3)):
        game = queueing(horizon=6, discount=1.0)
        policy = tmf.TabularPolicy.uniform(game, stages=6)
        flow = tmf.mean_field(game, policy, schedule)
        response, values = tmf.best_response(game, flow, schedule)
        q = tmf.evaluate(game, response, schedule, flow=flow).q
        L, z = flow.mu[:-1, :, None] * policy.table, q.max(axis=-1, keepdims=True) - q
        active = flow.active_fraction[:1].copy()
        occupation = Occupation(game.model, game.initial, active, 6, game.discount, False, 1e6, 1e6)
        value = occupation.objective(L, values, z, np.empty_like(L), np.empty_like(values), np.empty_like(z))
        assert value == pytest.approx(tmf.exploitability(game, policy, schedule), rel=1e-9)


def test_minimise_finds_the_point_of_a_quadratic_at_its_bounds():
    """min 1/2 x'Hx - c'x over x >= 0 in half of the components: the conditions of Karush, Kuhn and Tucker."""
    rng = np.random.default_rng(0)
    for n in (1, 4, 30):
        root = rng.normal(size=(n, n))
        h, c = root @ root.T + np.eye(n), rng.normal(size=n) * 3
        bound = np.arange(n) % 2 == 0

        def quadratic(x, h=h, c=c):
            return 0.5 * x @ h @ x - c @ x, h @ x - c

        x = minimise(quadratic, np.ones(n), bound, 500, -np.inf)
        slope = h @ x - c
        assert (x[bound] >= 0).all()
        np.testing.assert_allclose(slope[~bound], 0, atol=1e-5)
        np.testing.assert_allclose(slope[bound & (x > 1e-9)], 0, atol=1e-5)
        assert (slope[bound] >= -1e-5).all()


# ------------------------------------------------------------------------------------------------- what is reported


@quick
@settings(max_examples=25)
@given(data=st.data(), spec=games())
def test_reported_exploitability_is_that_of_the_policy(solver, data, spec):
    schedule = data.draw(schedules(spec.horizon, N_AGENTS)).build()
    game = spec.build()
    found = solver.solve(game, schedule, N_AGENTS)
    gap = tmf.exploitability(game, found.policy, schedule, N_AGENTS, clock=clock_of(solver))
    assert found.exploitability == gap
    value = tmf.evaluate(game, found.policy, schedule, N_AGENTS, clock=clock_of(solver)).mean_return
    assert found.mean_return == pytest.approx(value, abs=1e-12)
    np.testing.assert_array_equal(found.flow.mu, tmf.mean_field(game, found.policy, schedule, N_AGENTS).mu)
    history = found.history
    assert history["iteration"].tolist() == list(range(len(history["iteration"])))
    assert gap == pytest.approx(history["exploitability"].min(), abs=1e-11)
    assert history["exploitability"][found.best_iteration] == history["exploitability"].min()
    assert found.policy.table.shape == (game.horizon, game.n_observations, game.n_actions)


@quick
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(3), tmf.Bernoulli(0.2)])
def test_resuming_is_going_on(solver, schedule):
    """Ten iterations, and five of which five are made later: the same to the bit, also through a file."""
    game = random_game(4, 4, 3, 6, dependence="mu", sparse=True, passive="dense").build()
    first = solver.solve(game, schedule, N_AGENTS)
    whole = dataclasses.replace(solver, iterations=10).solve(game, schedule, N_AGENTS)
    second = solver.solve(game, schedule, N_AGENTS, initial=first)
    assert second.policy == whole.policy
    assert second.exploitability == whole.exploitability
    assert second.best_iteration == whole.best_iteration
    for name, array in whole.state.items():
        np.testing.assert_array_equal(second.state[name], array)
    assert (whole.history["residual"] == 0).all()
    for column in ("iteration", "exploitability", "mean_return"):
        np.testing.assert_array_equal(second.history[column], whole.history[column][5:])


@quick
def test_same_again(solver, tmp_path):
    game = queueing(horizon=5)
    one, two = solver.solve(game, tmf.Fraction(0.5), rng=1), solver.solve(game, tmf.Fraction(0.5), rng=2)
    assert same(one, two)
    one.save(tmp_path / "s.npz")
    back = tmf.Solution.load(tmp_path / "s.npz")
    assert same(one, back)
    assert back.solver == one.solver and one.solver["name"] == type(solver).__name__
    onward = [solver.solve(game, tmf.Fraction(0.5), initial=each) for each in (one, back)]
    assert same(*onward)


@quick
def test_callbacks_and_progress(solver):
    game = queueing(horizon=5)
    seen, done = [], []
    found = solver.solve(
        game, tmf.Synchronous(), callback=lambda now: seen.append(now) or now.iteration == 3,
        progress=lambda *pair: done.append(pair),
    )  # fmt: skip
    assert [now.iteration for now in seen] == [0, 1, 2, 3]
    assert found.reason == "stopped by callback at iteration 3" and not found.converged
    assert [now.exploitability for now in seen] == found.history["exploitability"].tolist()
    assert seen[1].relative_exploitability == seen[1].exploitability / seen[1].mean_return
    assert done == [(1, 5), (2, 5), (3, 5)]

    def fail(now):
        if now.iteration == 2:
            seen.append(now)
            raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        solver.solve(game, tmf.Synchronous(), callback=fail)
    assert caught.value.__notes__ == [
        "raised by callback, called as a function of an Iteration", f"in iteration 2 of {solver.name}",
    ]  # fmt: skip
    assert len(seen[-1].solution().history["iteration"]) == 3


@quick
def test_starting_from_a_policy(solver):
    game = queueing(horizon=5)
    rng = np.random.default_rng(0)
    for initial in (
        tmf.TabularPolicy(rng.dirichlet(np.ones(4), size=(5, 4))),
        tmf.SoftmaxPolicy(rng.normal(size=(2, 4, 4))),
        tmf.SoftmaxPolicy(rng.normal(size=(1, 4, 4, 5))),
        lambda mu, t: np.full((4, 4), 0.25) + 0.01 * t * np.outer(np.ones(4), [1, -1, 0, 0]),
    ):
        found = solver.solve(game, tmf.Fraction(0.3), initial=initial)
        gap = tmf.exploitability(game, initial, tmf.Fraction(0.3), clock=clock_of(solver))
        assert found.history["exploitability"][0] == pytest.approx(gap, rel=1e-9)
        assert found.exploitability <= gap * (1 + 1e-9)


# --------------------------------------------------------------------------------------------------- when it stops


@quick
def test_tolerances(solver):
    still = tmf.Game(2, 2, 3, 1.0, [1, 0], np.zeros((2, 2)), np.full((2, 2, 2), 0.5))
    found = dataclasses.replace(solver, tolerance=0.0).solve(still, tmf.Synchronous())
    assert found.converged and found.exploitability == 0 and found.relative_exploitability == 0
    found = solver.solve(still, tmf.Synchronous())
    assert found.converged and found.reason == "absolute exploitability 0 <= absolute_tolerance 1e-09 at iteration 0"
    found = dataclasses.replace(solver, absolute_tolerance=None).solve(still, tmf.Synchronous())
    assert not found.converged
    assert found.reason == "iterations exhausted: best absolute exploitability 0, of iteration 0, after 5 iterations"
    assert found.history["iteration"][-1] == 5


# ------------------------------------------------------------------------------------------------------- equilibria


@pytest.mark.parametrize("solver", [MirrorDescent, FictitiousPlay, FixedPoint, PriorDescent])
@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("step", [1.0, 0.1])
@pytest.mark.parametrize("build", [resource_selection, queueing, lambda **o: tmf.games.beach_bar(10, **o)])
def test_every_solver_reaches_equilibrium(solver, build, step, clock):
    """Monotone games, synchronous and a tenth at a time: one ten-thousandth of the return, by default."""
    game = build(step=step)
    found = solver(clock=clock, iterations=40_000).solve(game, tmf.Fraction(step))
    assert found.converged and found.relative_exploitability <= 1e-4


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("build", [resource_selection, queueing])
def test_mfomo_reaches_equilibrium(build, clock):
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.5)):
        found = MFOMO(clock=clock).solve(build(horizon=10), schedule)
        assert found.converged and found.relative_exploitability <= 1e-4


def rock_paper_scissors() -> tmf.Game:
    """A start and three hands; the payoffs of MFGLib's rock_paper_scissors, T = 1 there."""

    def reward(mu):
        return np.array([0, 2 * mu[3] - mu[2], 4 * mu[1] - 2 * mu[3], 6 * mu[2] - 3 * mu[1]])[:, None].repeat(3, axis=1)

    return tmf.Game(4, 3, 2, 1.0, [1, 0, 0, 0], reward, np.tile(np.eye(4)[1:], (4, 1, 1)))


def test_mfomo_needs_no_monotonicity():
    """Where every hand beats another mirror descent goes round; at the equilibrium all hands pay the same."""
    game = rock_paper_scissors()
    pay = np.array([[0, -1, 2], [4, 0, -2], [-3, 6, 0]])
    system = np.vstack([pay[0] - pay[1], pay[1] - pay[2], np.ones(3)])
    shares = np.linalg.solve(system, [0, 0, 1])
    found = MFOMO(tolerance=None, absolute_tolerance=1e-9).solve(game, tmf.Synchronous())
    assert found.converged and found.exploitability <= 1e-9
    np.testing.assert_allclose(found.flow.mu[1, 1:], shares, atol=1e-4)


def epidemic():
    return tmf.games.susceptible_infected(horizon=10)


@pytest.mark.parametrize(
    ("game", "largest", "why"),
    [(epidemic(), 1e6, "a minimum above 0"), (queueing(horizon=6), 1e-3, "the penalty has grown from 100")],
    ids=["progress", "penalty"],
)
def test_mfomo_says_when_it_is_stuck(monkeypatch, game, largest, why):
    """What makes no more progress stops with a reason, and goes on to the same words; so does too large a penalty."""
    monkeypatch.setattr(mfomo, "LARGEST", largest)
    solver = MFOMO(iterations=1500, steps=2, tolerance=1e-9)
    with pytest.warns(tmf.ConvergenceWarning, match="MFOMO has not converged: stuck at iteration "):
        found = solver.solve(game, tmf.Synchronous())
    assert not found.converged and found.reason.startswith("stuck at iteration ") and why in found.reason
    assert found.history["learning_rate"].max() <= largest * solver.penalty and len(found.history["seconds"]) < 1500
    with pytest.warns(tmf.ConvergenceWarning):
        assert solver.solve(game, tmf.Synchronous(), initial=found).reason == found.reason


def test_free_switching_ends_at_the_water_level():
    """The flow in mid-game is Wardrop's, in closed form."""
    found = MirrorDescent(tolerance=1e-9).solve(resource_selection(), tmf.Synchronous())
    np.testing.assert_allclose(found.flow.mu[10], tmf.games.wardrop((1.0, 0.8, 0.6, 0.4), 1.0), atol=1e-4)


def test_the_rate_does_not_depend_on_how_rarely_one_acts():
    """The same rate on steps of 1, 1/10 and 1/50 sweep reaches the tolerance after about as many iterations."""
    needed = []
    for step in (1.0, 0.1, 0.02):
        found = MirrorDescent(learning_rate=1.0).solve(queueing(step=step), tmf.Fraction(step))
        assert found.converged
        needed.append(found.best_iteration)
    assert max(needed) <= 1.2 * min(needed)


# ------------------------------------------------------------------------------------------------------ stationary


def lasting(game: tmf.Game, initial, horizon: int) -> tmf.Game:
    """The same game over another horizon, from another start."""
    return tmf.Game.from_model(game.model, horizon, game.discount, initial)


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.3), tmf.Bernoulli(0.5)])
@pytest.mark.parametrize("build", [resource_selection, queueing, lambda **o: tmf.games.beach_bar(7, discount=0.9, **o)])
def test_stationary_scores_are_those_of_a_long_game(build, schedule, clock):
    """Played from the distribution it settles at, over so long a time that the rest does not count."""
    game = build()
    solver = Stationary(iterations=4, tolerance=None, clock=clock)
    for found in (solver.solve(game, schedule), Stationary(clock=clock).solve(game, schedule)):
        mu, after = found.flow.mu
        assert np.abs(after - mu).sum() == pytest.approx(found.history["residual"][found.best_iteration], abs=1e-15)
        assert np.abs(after - mu).sum() <= 1e-12
        long = lasting(game, mu, 800)
        assert np.abs(tmf.mean_field(long, found.policy, schedule).mu - mu).max() < 1e-10
        gap = tmf.exploitability(long, found.policy, schedule, clock=clock)
        assert found.exploitability == pytest.approx(gap, abs=1e-9)
        value = tmf.evaluate(long, found.policy, schedule, clock=clock).mean_return
        assert found.mean_return == pytest.approx(value, rel=1e-9)
    assert found.converged and found.relative_exploitability <= 1e-4


def test_the_stationary_equilibrium_of_free_switching_is_wardrop():
    values, congestion = (1.0, 0.8, 0.6, 0.4), (1.0, 2.0, 0.5, 1.0)
    game = tmf.games.resource_selection(values, congestion, horizon=1)
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.1)):
        found = Stationary(tolerance=1e-10).solve(game, schedule)
        np.testing.assert_allclose(found.flow.mu[0], tmf.games.wardrop(values, congestion), atol=1e-5)


def test_a_stationary_distribution_by_hand():
    """Two places, left with probabilities 0.2 and 0.6 whatever one does: mu = (3/4, 1/4), also where steps alternate."""
    for moves, mu in (([[0.8, 0.2], [0.6, 0.4]], [0.75, 0.25]), ([[0.0, 1.0], [1.0, 0.0]], [0.5, 0.5])):
        game = tmf.Game(2, 1, 5, 0.5, [1, 0], [[1.0], [3.0]], np.array(moves)[:, None, :])
        found = Stationary().solve(game, tmf.Synchronous())
        np.testing.assert_allclose(found.flow.mu[0], mu, atol=1e-11)
        assert found.mean_return == pytest.approx((mu[0] + 3 * mu[1]) / (1 - 0.5))
        assert found.exploitability == 0


@pytest.mark.parametrize("leaving", [1e-3, 1e-7, 1e-11])
def test_a_chain_that_is_nearly_frozen_settles(leaving):
    """Left once in 10^11 steps, places have their shares by balance: mu(o) leaving(o) alike; parts that never mix keep theirs."""
    rates = leaving * np.array([1.0, 3.0, 2.0])
    rows = np.diag(1 - rates) + np.diag(rates)[:, [2, 0, 1]]
    whole = np.zeros((5, 5))
    whole[:3, :3], whole[3:, 3:] = rows, [[0.0, 1.0], [1.0, 0.0]]
    game = tmf.Game(5, 1, 5, 0.5, [0.6, 0, 0, 0.4, 0], np.zeros((5, 1)), whole[:, None, :])
    found = Stationary(distribution_tolerance=1e-15).solve(game, tmf.Synchronous())
    shares = 0.6 * (1 / rates) / (1 / rates).sum()
    np.testing.assert_allclose(found.flow.mu[0], [*shares, 0.2, 0.2], rtol=max(1e-9, 4e-16 / leaving))
    assert found.history["residual"].max() <= 1e-15


@pytest.mark.parametrize(
    "game",
    [
        tmf.games.beach_bar(20, discount=0.99),  # the first descent freezes at one end of the beach
        tmf.games.beach_bar(20, discount=0.9),
        tmf.games.beach_bar(20, discount=0.95, wind=(0.0, 1.0, 0.0)),
        tmf.games.queueing((0.057, 0.505), discount=0.99),
        tmf.games.crowd_motion((5, 5), discount=0.95),
        tmf.games.garnet(12, 4, seed=1, discount=0.99, congestion=1.5, coupling=0.3),
    ],
    ids=lambda game: f"{game.name} {game.n_observations} {game.discount}",
)
def test_stationary_converges_where_chains_are_slow(game):
    found = Stationary().solve(game, tmf.Synchronous())
    assert found.converged and found.history["residual"].max() <= 1e-12
    (begun,) = np.nonzero(found.history["learning_rate"][:-1] == 0)
    first = found.history["learning_rate"][[0, *(begun + 1)]]
    np.testing.assert_allclose(first, first[0] * 0.1 ** np.arange(len(first)), rtol=1e-9)


def test_stationary_says_where_it_goes_round():
    game = tmf.Game.from_model(rock_paper_scissors().model, 5, 0.9, [1, 0, 0, 0])
    with pytest.warns(tmf.ConvergenceWarning, match="none of 5 descents found a better policy"):
        assert not Stationary().solve(game, tmf.Synchronous()).converged


def test_stationary_resumes_saves_and_starts_from_policies(tmp_path):
    game, schedule = queueing(), tmf.Fraction(0.5)
    solver = Stationary(iterations=5, tolerance=None)
    first = solver.solve(game, schedule)
    first.save(tmp_path / "s.npz")
    second = solver.solve(game, schedule, initial=tmf.Solution.load(tmp_path / "s.npz"))
    whole = dataclasses.replace(solver, iterations=10).solve(game, schedule)
    assert second.policy == whole.policy and second.exploitability == whole.exploitability
    found = solver.solve(game, schedule, initial=first.policy)
    # rows with an entry below 1e-6 / A are mixed with the uniform policy
    assert found.history["exploitability"][0] == pytest.approx(first.exploitability, rel=1e-4)


def test_stationary_errors():
    def solve(game, schedule=None, **options):
        return Stationary(**options).solve(game, schedule or tmf.Synchronous())

    with pytest.raises(ValueError, match="discount is 1; must be < 1"):
        solve(queueing(discount=1.0))
    with pytest.raises(ValueError, match=r"active fraction is 0\.5 at t=2 and 1 at t=0; must not depend on t"):
        solve(queueing(horizon=3), tmf.Fraction([1.0, 1.0, 0.5]))
    game = tmf.Game(2, 2, 3, 0.9, [1, 0], lambda mu, t: np.full((2, 2), float(t == 2)), np.full((2, 2, 2), 0.5))
    with pytest.raises(ValueError, match="tables at t=2 are not those at t=0; must not depend on t"):
        solve(game)
    with pytest.raises(ValueError, match=r"still moves by .* a step after 3 steps; must settle within 1e-12") as caught:
        solve(queueing(), distribution_steps=3)
    assert caught.value.__notes__ == ["in iteration 0 of Stationary"]
    with pytest.raises(ValueError, match="initial has 2 stages; must have 1"):
        Stationary().solve(queueing(), tmf.Synchronous(), initial=tmf.TabularPolicy.uniform(queueing(), stages=2))
    with pytest.raises(ValueError, match="distribution_steps is 0"):
        Stationary(distribution_steps=0)
    with pytest.raises(ValueError, match="distribution_tolerance is -1"):
        Stationary(distribution_tolerance=-1)


# ------------------------------------------------------------------------------------------- one call, and agreement


def test_solve_says_what_it_used():
    found = tmf.solve(queueing(), tmf.Batch(100), 1000)
    assert found.converged and found.solver["name"] == "MirrorDescent"
    assert found.reason.startswith("MirrorDescent: relative exploitability ") and found.n_agents == 1000
    again = tmf.solve(queueing(), tmf.Fraction(0.1), initial=found)
    assert again.best_iteration == found.best_iteration and again.converged and again.policy == found.policy


def test_solve_goes_on_where_mirror_descent_fails():
    found = tmf.solve(rock_paper_scissors(), tmf.Synchronous())
    assert found.converged and found.relative_exploitability <= 1e-4 and found.solver["name"] == "Homotopy"
    assert found.reason.startswith("MirrorDescent: paused after") and "; Homotopy: relative expl" in found.reason


def test_solve_stops_for_a_callback():
    found = tmf.solve(queueing(), tmf.Synchronous(), tolerance=None, callback=lambda now: now.iteration == 3)
    assert found.reason == "MirrorDescent: stopped by callback at iteration 3"


def test_solvers_take_turns(monkeypatch):
    """Of 200 flows and twice 100, then twice as many; not Homotopy in large games; all that were tried are named."""
    from tmfcore.solvers import auto

    game = rock_paper_scissors()
    start = tmf.TabularPolicy(np.array([[[0.5, 0.3, 0.2]] * 4]))
    monkeypatch.setattr(auto, "FLOWS", {MirrorDescent: 40, Homotopy: 20, FictitiousPlay: 20})
    monkeypatch.setattr(auto, "LARGE", 0)
    calls = []
    with pytest.warns(tmf.ConvergenceWarning, match="MirrorDescent: .*; FictitiousPlay: ") as caught:
        found = tmf.solve(game, tmf.Synchronous(), initial=start, callback=lambda now: calls.append(now.iteration))
    assert caught[0].filename == __file__
    assert calls[:40] == list(range(40)) and calls[40:60] == list(range(20))
    assert calls[60:140] == list(range(40, 120)) and calls[140:180] == list(range(20, 60))
    assert not found.converged and found.reason.count("; ") >= 1 and "Homotopy" not in found.reason
    least = min(solver().solve(game, tmf.Synchronous(), initial=start).exploitability for solver in quiet_pair())
    assert found.exploitability == least
    monkeypatch.setattr(auto, "LARGE", 1000)
    found = tmf.solve(game, tmf.Synchronous(), initial=start)
    assert found.converged and found.solver["name"] == "Homotopy"
    names = [part.split(":")[0] for part in found.reason.split("; ") if part.split(":")[0] in ("MirrorDescent", "Homotopy")]
    assert names == ["MirrorDescent", "Homotopy"]


def quiet_pair():
    """MirrorDescent and FictitiousPlay with their own tolerances, without a warning."""
    return [
        lambda kind=kind: dataclasses.replace(kind(), tolerance=None, absolute_tolerance=1e-9)
        for kind in (MirrorDescent, FictitiousPlay)
    ]


# ------------------------------------------------------------------------------------------------ path following


@pytest.mark.parametrize("clock", ["schedule", "always"])
def test_homotopy_follows_regularised_equilibria(clock):
    """Its policies answer themselves: pi = softmax(Q~ / tau), at the temperatures that history shows."""
    spec = random_game(3, 4, 3, 5, dependence="mu")
    solver = Homotopy(iterations=4, tolerance=None, absolute_tolerance=None, clock=clock)
    seen = []
    solver.solve(spec.build(), tmf.Fraction(0.7), callback=lambda now: seen.append(now.solution().state))
    assert len(seen) == 5
    taus = [state["temperature"][0] for state in seen[1:]]
    assert all(later < earlier for earlier, later in pairwise(taus))
    for tau, state in zip(taus, seen[1:]):
        logits = state["logits"]
        answer = reference.prior_step(spec.reference(), logits, np.ones_like(logits), np.full(5, 0.7), clock, tau, 1.0)
        np.testing.assert_allclose(reference.softmax(answer), reference.softmax(logits), atol=2e-3)


def test_homotopy_options():
    game = rock_paper_scissors()
    found = Homotopy(temperature=0.5, iterations=1, tolerance=None).solve(game, tmf.Synchronous())
    assert found.history["learning_rate"][0] == 2.0 and found.state["temperature"][0] == 0.5
    with pytest.raises(ValueError, match=r"temperature is 0\.0; must be > 0"):
        Homotopy(temperature=0)
    with pytest.raises(ValueError, match="krylov is 0; must be >= 1"):
        Homotopy(krylov=0)


def test_homotopy_is_not_fooled_by_actions_that_nobody_plays():
    """A crowd at one place, all of whom gain by leaving, is no equilibrium, however small its share elsewhere."""
    for costs, horizon in (((2.723, 1.805), 9), ((2.422, 0.111), 4), ((1.044, 3.969), 6)):
        found = Homotopy().solve(tmf.games.left_right(costs, horizon=horizon), tmf.Synchronous())
        assert found.converged and len(found.history["iteration"]) < 40


def test_sampled_agents_learn_the_same_equilibrium():
    """TMF-PG, which knows only what a thousand agents did, and the exact solvers end at the same flow and return."""
    for game in (resource_selection(switching_cost=0.05), queueing()):
        exact = tmf.solve(game, tmf.Synchronous(), tolerance=1e-7)
        learnt = solvers.TMFPG(tolerance=0.002, iterations=400).solve(game, tmf.Synchronous(), 1000, rng=3)
        assert learnt.converged
        assert learnt.mean_return == pytest.approx(exact.mean_return, rel=0.005)
        assert np.abs(learnt.flow.mu - exact.flow.mu)[:-1].sum(axis=-1).max() < 0.06
        gap = tmf.exploitability(game, learnt.policy, tmf.Synchronous())
        assert exact.exploitability < 0.01 * gap


def test_all_solvers_end_at_the_same_flow():
    for game in (resource_selection(switching_cost=0.05, horizon=8), queueing(horizon=8)):
        flows = [
            solver(tolerance=1e-5, iterations=100_000).solve(game, tmf.Fraction(0.5)).flow.mu
            for solver in (MirrorDescent, FictitiousPlay, PriorDescent, MFOMO)
        ]
        for mu in flows[1:]:
            assert np.abs(mu - flows[0])[:-1].max() < 0.02  # the last decision pays nobody


# ------------------------------------------------------------------------------------------------------------ errors


def test_a_number_that_is_not_finite_ends_the_solve_with_what_was_found():
    calls = []

    def reward(mu, t):
        calls.append(t)
        return np.full((2, 2), 1e308 if len(calls) > 7 else 1.0)

    game = tmf.Game(2, 2, 3, 1.0, [1, 0], reward, np.full((2, 2, 2), 0.5))
    calls.clear()
    solver = MirrorDescent(tolerance=None, absolute_tolerance=None)
    with pytest.warns(tmf.ConvergenceWarning, match=r"exploitability is (inf|nan) at iteration 2; must be finite"):
        found = solver.solve(game, tmf.Synchronous())
    assert not found.converged and found.reason.startswith("stuck at iteration 2: exploitability is ")
    assert found.exploitability == 0 and found.history["iteration"].tolist() == [0, 1] and not found.state
    with pytest.raises(ValueError, match=r"exploitability is (inf|nan) at iteration 0; must be finite") as caught:
        solver.solve(game, tmf.Synchronous())
    assert caught.value.__notes__ == ["in iteration 0 of MirrorDescent"] and caught.value.partial is None


@quick
def test_a_broken_game_is_an_error(solver):
    game = tmf.Game(2, 2, 3, 1.0, [1, 0], lambda mu: np.full((2, 2), np.nan if mu[0] < 1 else 0.0), np.full((2, 2, 2), 0.5))
    with pytest.raises(ValueError, match=r"reward\(mu, t=1\)\[0, 0\] is nan; must be finite"):
        solver.solve(game, tmf.Synchronous())


@quick
def test_arguments_are_checked(solver):
    game, schedule = resource_selection(horizon=3), tmf.Synchronous()
    for changes, error, text in (
        ({"initial": 3}, TypeError, r"initial is 3 \(int\); must be None, a policy, its probabilities, or a Solution"),
        ({"initial": tmf.TabularPolicy([[0.5, 0.5]])}, ValueError, r"initial has \(S, A\) = \(1, 2\); must be"),
        ({"callback": 3}, TypeError, r"callback is 3 \(int\); must be a function"),
        ({"progress": 3}, TypeError, "progress is 3"),
        ({"rng": "seed"}, TypeError, "rng is 'seed'"),
    ):
        with pytest.raises(error, match=text):
            solver.solve(game, schedule, **changes)
    with pytest.raises(ValueError, match="n_agents"):
        solver.solve(game, tmf.Sequential())
    with pytest.raises(TypeError, match="game is None"):
        solver.solve(None, schedule)
    longer = solver.solve(resource_selection(horizon=4), schedule)
    with pytest.raises(ValueError, match="initial has 4 stages; must have at most one a step, horizon = 3"):
        solver.solve(game, schedule, initial=longer)


@pytest.mark.parametrize(
    ("solver", "changes", "error", "text"),
    [
        (FictitiousPlay, {"average": -1}, ValueError, "average is -1.0; must be >= 0"),
        (FictitiousPlay, {"weight": 0}, ValueError, r"weight is 0.0; must be in \(0, 1\]"),
        (FictitiousPlay, {"weight": 0.5, "average": 1}, ValueError, "average is 1; must be 0 where weight is given"),
        (FixedPoint, {"weight": 2}, ValueError, r"weight is 2.0; must be in \(0, 1\]"),
        (FixedPoint, {"weight_decay": "sqr"}, ValueError, "weight_decay is 'sqr'; must be one of"),
        (FixedPoint, {"decay_iterations": 0}, ValueError, "decay_iterations is 0; must be >= 1"),
        (PriorDescent, {"temperature": 0}, ValueError, "temperature is 0.0; must be > 0"),
        (PriorDescent, {"prior_every": 0}, ValueError, "prior_every is 0; must be >= 1"),
        (MFOMO, {"penalty": 0}, ValueError, "penalty is 0.0; must be > 0"),
        (MFOMO, {"steps": 0}, ValueError, "steps is 0; must be >= 1"),
        (PriorDescent, {"weight": 0}, ValueError, r"weight is 0.0; must be in \(0, 1\]"),
    ],
)
def test_hyperparameters(solver, changes, error, text):
    with pytest.raises(error, match=text):
        solver(**changes)


def test_a_weight_above_one_is_an_error():
    solver = FixedPoint(weight=0.5, weight_decay=lambda k: 3.0)
    with pytest.raises(ValueError, match=r"weight \* weight_decay\(0\) is 1.5; must be <= 1"):
        solver.solve(resource_selection(horizon=3), tmf.Synchronous())


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"iterations": 0}, ValueError, "iterations is 0; must be >= 1"),
        ({"tolerance": -1}, ValueError, "tolerance is -1.0; must be >= 0"),
        ({"absolute_tolerance": "x"}, TypeError, "absolute_tolerance is 'x'"),
        ({"clock": "never"}, ValueError, "clock is 'never'"),
        ({"learning_rate": 0}, ValueError, "learning_rate is 0.0; must be > 0"),
        ({"learning_rate": 1, "learning_rate_decay": "sqr"}, ValueError, "learning_rate_decay is 'sqr'; must be one of"),
        ({"learning_rate_decay": "sqrt"}, ValueError, "learning_rate_decay is given with a spectral rate"),
        ({"momentum": 1}, ValueError, r"momentum is 1.0; must be in \[0, 1\)"),
        ({"decay_iterations": 0}, ValueError, "decay_iterations is 0; must be >= 1"),
    ],
)
def test_mirror_descent_hyperparameters(changes, error, text):
    with pytest.raises(error, match=text):
        MirrorDescent(**changes)


def test_a_decay_below_zero_is_an_error():
    game = resource_selection(horizon=3)
    with pytest.raises(ValueError, match=r"learning_rate_decay\(0\) is -1.0; must be >= 0"):
        MirrorDescent(learning_rate=1.0, learning_rate_decay=lambda k: -1.0).solve(game, tmf.Synchronous())
