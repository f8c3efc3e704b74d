"""One iteration of each exact solver, against the reference and by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import tmfcore as tmf
from solver_cases import N_AGENTS, queueing, resource_selection, rock_paper_scissors
from strategies import games, random_game, schedules, seeds
from tmfcore.solvers import FictitiousPlay, FixedPoint, MirrorDescent, PriorDescent
from tmfcore.solvers._descent import Iterate
from tmfcore.solvers._minimise import minimise
from tmfcore.solvers._occupation import Occupation

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
    game = tmf.games.beach_bar(10, horizon=10, step=1).at()
    solver = MirrorDescent(iterations=50, tolerance=None, learning_rate=0.1)
    history = solver.solve(game, tmf.Synchronous()).history["exploitability"]
    assert (history[0], history[10], history[50]) == pytest.approx((3.1956, 0.6696, 0.5291), abs=5e-5)
    game = tmf.games.beach_bar(100, horizon=20, step=1).at()
    history = solver.solve(game, tmf.Synchronous()).history["exploitability"]
    assert (history[0], history[10], history[50]) == pytest.approx((3.2113, 1.6319, 0.2788), abs=1e-4)


def test_fictitious_play_on_the_beach_is_that_of_the_peers():
    """MFGLib's figure after 50 iterations; larger beaches tell apart how equally good actions are chosen from."""
    history = FictitiousPlay(iterations=50, tolerance=None).solve(
        tmf.games.beach_bar(10, horizon=10, step=1).at(), tmf.Synchronous()
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
    game = queueing(horizon=4, step=1).at()
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
    game, schedule = queueing(horizon=6, step=1).at(), tmf.Fraction(0.5)
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
    assert "each of 5 descents ended with 100 iterations without a better policy" in found.reason
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
        (tmf.games.queueing((0.057, 0.505), step=1).at(), 80),
        *((tmf.games.beach_bar(n, step=1).at(), 140) for n in (18, 19, 20, 22)),
        (tmf.games.susceptible_infected(), 1500),
        (tmf.games.beach_bar(100, step=1).at(), 130),  # 162 without secants
        (tmf.games.building_evacuation(horizon=18, step=1).at(), 170),  # 281 without short rates
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
        game = tmf.games.beach_bar(size, horizon=steps, step=1).at()
        found = MirrorDescent(iterations=allowed).solve(game, tmf.Synchronous())
        assert found.converged and found.relative_exploitability <= 1e-4
    game = tmf.games.beach_bar(100, horizon=100, step=1).at()
    plain = MirrorDescent(learning_rate=0.1, iterations=500, tolerance=None).solve(game, tmf.Synchronous())
    assert plain.relative_exploitability > 0.01


def test_decays():
    game = resource_selection(horizon=3, step=1).at()
    for decay, rates in {
        "harmonic": [0.5, 0.5 / (1 + 1 / 2), 0.5 / 2],
        "linear": [0.5, 0.25, 0.0],
        "constant": [0.5] * 3,
        (lambda k: 1.0 + k): [0.5, 1.0, 1.5],
    }.items():
        within = {"decay_iterations": 2} if decay == "harmonic" else {}
        solver = MirrorDescent(iterations=2, tolerance=None, learning_rate=0.5, learning_rate_decay=decay, **within)
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
    game, schedule = resource_selection(horizon=4, switching_cost=0.1, step=1).at(), tmf.Fraction(0.7)
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
    game = tmf.games.resource_selection((1.0, 0.5), congestion=1.0, horizon=2, discount=1.0, initial=(0.5, 0.5), step=1).at()
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
        game = queueing(horizon=6, discount=1.0, step=1).at()
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
