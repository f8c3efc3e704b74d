"""Altruism under Poisson clocks, on the clock "always" and under common noise: derivatives of welfare (theory.md section 14)."""

import functools

import numpy as np
import pytest
from welfare_cases import PIGOU, affine_parts, interior, slope

import tmfcore as tmf
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.pricing import extra_of
from tmfcore._model.noise_tree import NoiseTree
from tmfcore._model.policies import as_policy
from tmfcore.games import SHELF

# --------------------------------------------------------------------------------------------------------- Poisson clocks

IN_TIME = [
    "beach_bar", "building_evacuation", "crowd_aversion", "demand", "garnet", "infection_by_contact", "left_right",
    "majority", "pairwise_revision", "queueing", "resource_selection", "rock_paper_scissors", "swarm",
]  # fmt: skip
CLOCKS = {"one rate": tmf.Poisson(1.5), "a rate for each": None}


def clocked(name, rng):
    """A game of the shelf of three sweeps, from an interior start."""
    game = SHELF[name].small()
    n_obs = game.n_observations
    initial = 0.7 * rng.dirichlet(np.ones(n_obs)) + 0.3 / n_obs
    return game.replace(horizon=min(game.horizon, 3.0), initial=initial)


@pytest.mark.broad(4)
@pytest.mark.parametrize("kind", CLOCKS)
@pytest.mark.parametrize("name", IN_TIME)
def test_values_are_the_derivatives_of_welfare_in_continuous_time(name, kind):
    """In the start, by differences of order 4; by the kernel and, at many times, by scipy."""
    rng = np.random.default_rng(3)
    game = clocked(name, rng)
    n_obs, initial = game.n_observations, game.initial
    schedule = CLOCKS[kind] or tmf.Poisson(rng.uniform(0.5, 2.0, n_obs))
    table = interior(game, rng)
    found = tmf.evaluate(game, table, schedule, altruism=1.0, times=[0, game.horizon])
    h = min(2e-4, initial.min() / 8)
    scale = np.abs(found.q).max()
    for o in range(1, n_obs):
        along = np.zeros(n_obs)
        along[[o, 0]] = 1.0, -1.0
        moved = slope(lambda e, along=along: tmf.welfare(game.replace(initial=initial + e * along), table, schedule), h)
        assert found.values[0, o] - found.values[0, 0] == pytest.approx(moved, abs=1e-6 * scale)
    assert found.mean_return == pytest.approx(tmf.welfare(game, table, schedule), abs=1e-9 * scale)
    often = tmf.evaluate(game, table, schedule, altruism=1.0, times=game.horizon / 200)
    np.testing.assert_allclose(often.values[0], found.values[0], atol=1e-7 * scale)


@pytest.mark.parametrize("name", ["queueing", "infection_by_contact", "majority", "garnet"])
@pytest.mark.broad(2)
def test_the_return_of_one_who_deviates_has_the_slope_of_welfare(name):
    """d/de of the priced return of one agent that plays pi + e (sigma - pi), and of the welfare if all do."""
    rng = np.random.default_rng(4)
    game = clocked(name, rng)
    schedule, table, towards = tmf.Poisson(1.5), interior(game, rng), interior(game, rng)
    flow = tmf.mean_field(game, table, schedule, times=game.horizon / 400)

    def mixed(e):
        return table + e * (towards - table)

    def alone(e):
        return tmf.evaluate(game, mixed(e), schedule, flow=flow, altruism=1.0, others=table).mean_return

    own, all_of_them = (slope(f, 0.02) for f in (alone, lambda e: tmf.welfare(game, mixed(e), schedule)))
    plain = slope(lambda e: tmf.evaluate(game, mixed(e), schedule, flow=flow).mean_return, 0.02)
    assert own == pytest.approx(all_of_them, abs=2e-6)
    assert abs(own - plain) > 1e-3  # without the price it is another


def test_a_policy_that_sees_the_population_adds_its_own_derivative_in_continuous_time():
    rng = np.random.default_rng(7)
    game = clocked("queueing", rng)
    policy = tmf.SoftmaxPolicy(rng.normal(size=(2, 4, 4, 5)))
    values = tmf.evaluate(game, policy, tmf.Poisson(), altruism=1.0, times=[0, game.horizon]).values[0]
    for o in range(1, 4):
        along = np.zeros(4)
        along[[o, 0]] = 1.0, -1.0
        moved = slope(lambda e, a=along: tmf.welfare(game.replace(initial=game.initial + e * a), policy, tmf.Poisson()), 2e-4)
        assert values[o] - values[0] == pytest.approx(moved, abs=1e-6)


@pytest.mark.parametrize("altruism", [0.4, 1.0])
def test_gains_in_continuous_time_are_those_of_short_steps(altruism):
    """Exploitability, pointwise and by response, is the limit of Bernoulli activation: errors of order dt."""
    rng = np.random.default_rng(5)
    game = clocked("infection_by_contact", rng)
    table, clocks = interior(game, rng), tmf.Poisson(1.5)
    gap = tmf.exploitability(game, table, clocks, altruism=altruism)
    errors = []
    for n in (300, 600):
        steps = game.at(step=game.horizon / n)
        errors.append(tmf.exploitability(steps, table, tmf.Bernoulli(1.5 * game.horizon / n), altruism=altruism) - gap)
    assert abs(errors[1]) < 0.02 * gap
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    flow = tmf.mean_field(game, table, clocks, times=game.horizon / 300)
    best = tmf.best_response(game, flow, clocks, altruism=altruism, others=table)
    own = tmf.evaluate(game, table, clocks, altruism=altruism, flow=flow, others=table)
    assert game.initial @ (best.values[0] - own.values[0]) == pytest.approx(gap, abs=1e-6)
    assert tmf.exploitability(game, table, clocks, altruism=altruism, pointwise=True) >= gap
    values = [tmf.evaluate(game, table, clocks, altruism=x, times=[0, game.horizon]).values for x in (0.0, 1.0)]
    some = tmf.evaluate(game, table, clocks, altruism=altruism, times=[0, game.horizon]).values
    np.testing.assert_allclose(some, (1 - altruism) * values[0] + altruism * values[1], atol=1e-7)


@pytest.mark.parametrize("altruism", [0.0, 0.5, 1.0])
def test_pigou_under_clocks(altruism):
    """1 / (1 + lambda) of the drivers on the second road, and welfare by the kernel that judges."""
    game = PIGOU(horizon=12).replace(initial=[0.5, 0.5])
    found = tmf.solve(game, tmf.Poisson(), altruism=altruism, tolerance=2e-3)
    assert found.converged and found.discretisation is not None
    assert found.flow.mu[len(found.flow.mu) // 2, 1] == pytest.approx(1 / (1 + altruism), abs=0.05)
    assert found.exploitability == pytest.approx(
        tmf.exploitability(game, found.policy, tmf.Poisson(), altruism=altruism), rel=1e-6, abs=1e-9
    )
    forever = tmf.solvers.Stationary(altruism=altruism, tolerance=1e-3).solve(game.replace(discount=0.9), tmf.Poisson())
    assert forever.converged
    assert forever.flow.mu[0, 1] == pytest.approx(1 / (1 + altruism), abs=0.03)


def test_stationary_prices_where_rows_depend_on_the_population():
    """The values that judge a stationary policy are those of a long horizon, prices included."""
    game = tmf.games.infection_by_contact(horizon=60, discount=0.8)
    for altruism in (0.4, 1.0):
        solver = tmf.solvers.Stationary(altruism=altruism, iterations=3, tolerance=None)
        found = solver.solve(game, tmf.Poisson())
        long = game.replace(initial=found.flow.mu[0])
        pi = found.policy.table[0]
        assert found.mean_return == pytest.approx(tmf.welfare(long, pi, tmf.Poisson()), rel=1e-4)
        assert found.exploitability == pytest.approx(tmf.exploitability(long, pi, tmf.Poisson(), altruism=altruism), rel=1e-3)


def test_price_of_anarchy_under_clocks():
    game = PIGOU(horizon=40).replace(initial=[0.0, 1.0])
    found = tmf.analysis.price_of_anarchy(game, tmf.Poisson(2.0), tolerance=1e-3)
    assert 1.2 < found.ratio < 4 / 3 + 1e-3
    assert tmf.analysis.price_of_anarchy(game, tmf.Poisson(2.0), nash=found.nash, optimum=found.optimum).ratio == found.ratio


# ---------------------------------------------------------------------------------------------------- the clock "always"


def test_an_agent_that_always_acts_is_priced_as_a_share_of_such_agents():
    """The welfare of a population of which a share e acts at every step has the slope mu_0 V^always_0 - J at e = 0."""
    rng = np.random.default_rng(11)
    game, active = tmf.games.affine(**affine_parts(rng)), 0.4
    n, table = game.n_observations, interior(game, rng)

    def twice(part):
        return lambda m: np.concatenate([getattr(game.tables(m[:n] + m[n:]), part)] * 2)

    def apart(part):
        def found(m):
            one = getattr(game.tables(m[:n] + m[n:]), part)
            both = np.zeros((2 * n, *one.shape[1:-1], 2 * n))
            both[:n, ..., :n], both[n:, ..., n:] = one, one
            return both

        return found

    def welfare(e):
        start = np.concatenate([e * game.initial, (1 - e) * game.initial])
        mixed = tmf.Game(
            2 * n, game.n_actions, game.horizon, game.discount, start, twice("reward"), apart("transition"),
            passive_reward=twice("passive_reward"), passive_transition=apart("passive_transition"),
        )  # fmt: skip
        return tmf.welfare(mixed, np.tile(table, (2, 1)), tmf.Bernoulli([[1.0] * n + [active] * n]))

    h = 1e-4
    moved = (4 * (welfare(h) - welfare(0)) - (welfare(2 * h) - welfare(0))) / (2 * h)
    found = tmf.evaluate(game, table, tmf.Bernoulli(active), clock="always", altruism=1.0)
    assert found.mean_return - tmf.welfare(game, table, tmf.Bernoulli(active)) == pytest.approx(moved, abs=1e-6)
    selfish = tmf.evaluate(game, table, tmf.Bernoulli(active), clock="always")
    assert abs(found.mean_return - selfish.mean_return) > 1e-3


@pytest.mark.parametrize("altruism", [0.5, 1.0])
def test_solvers_on_the_clock_always(altruism):
    """Prices of a solver's iterates are those of the schedule, also where rows depend on the population."""
    game, schedule = tmf.games.infection_by_contact(horizon=10), tmf.Fraction(0.5)
    solvers = [
        tmf.solvers.MirrorDescent(altruism=altruism, clock="always", iterations=20, tolerance=None),
        tmf.solvers.TMFPG(altruism=altruism, clock="always", iterations=20, tolerance=None),
    ]
    for solver in solvers:
        found = solver.solve(game, schedule)
        gap = tmf.exploitability(game, found.policy, schedule, clock="always", altruism=altruism)
        assert found.exploitability == pytest.approx(gap, rel=1e-9)
        assert gap < 0.5 * tmf.exploitability(
            game, tmf.TabularPolicy.uniform(game.at(schedule)), schedule, clock="always", altruism=altruism
        )


def test_where_all_act_the_clocks_agree():
    game = SHELF["queueing"].small()
    table = interior(game.at(tmf.Synchronous()), np.random.default_rng(1))
    for verb in (tmf.exploitability, lambda *a, **k: tmf.evaluate(*a, **k).mean_return):
        one, other = (verb(game, table, tmf.Synchronous(), clock=clock, altruism=0.6) for clock in ("schedule", "always"))
        assert one == pytest.approx(other, abs=1e-13)


# ----------------------------------------------------------------------------------------------------------- common noise


def noisy(rng, horizon=3, chain=None):
    """A game of three observations whose rewards and rows depend on mu and on a noise of two states."""
    reward = rng.normal(size=(2, 3, 3, 2))
    rows = rng.dirichlet(np.ones(3), size=(2, 3, 3, 2))
    rest = rng.dirichlet(np.ones(3), size=(2, 3, 3))
    chain = chain or tmf.NoiseChain([0.3, 0.7], [[0.6, 0.4], [0.2, 0.8]])
    return tmf.Game(
        3, 2, horizon, 0.9, [0.2, 0.3, 0.5], lambda mu, t, z: np.tensordot(mu, reward[int(z)], 1) + np.outer(mu**2, [1.0, -1.0]),
        lambda mu, t, z: np.tensordot(mu, rows[int(z)], 1), passive_transition=lambda mu, t, z: np.tensordot(mu, rest[int(z)], 1),
        noise=chain,
    )  # fmt: skip


SCHEDULES = [tmf.Synchronous(), tmf.Bernoulli(lambda mu: 0.3 + 0.5 * mu)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["all", "by mu"])
def test_values_are_the_derivatives_of_welfare_over_the_noise(schedule):
    rng = np.random.default_rng(13)
    game = noisy(rng)
    table = interior(game, rng)
    found = tmf.evaluate(game, table, schedule, altruism=1.0)
    for o in (1, 2):
        along = np.zeros(3)
        along[[o, 0]] = 1.0, -1.0
        moved = slope(lambda e, a=along: tmf.welfare(game.replace(initial=game.initial + e * a), table, schedule), 2e-4)
        assert found.values[0, o] - found.values[0, 0] == pytest.approx(moved, abs=1e-6)
    assert found.mean_return == pytest.approx(tmf.welfare(game, table, schedule), abs=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["all", "by mu"])
def test_one_who_deviates_and_sees_the_noise_has_the_slope_of_welfare(schedule):
    rng = np.random.default_rng(14)
    game = noisy(rng)
    tree = NoiseTree(game)
    tables = rng.dirichlet(np.ones(2), size=(2, 3, 24)) * 0.8 + 0.1
    table = tree.seeing(tables[0])
    flow = tmf.mean_field(game, table, schedule)

    def mixed(e):
        return tree.seeing(tables[0] + e * (tables[1] - tables[0]))

    def alone(e):
        return tmf.evaluate(game, mixed(e), schedule, flow=flow, altruism=1.0, others=table).mean_return

    own, all_of_them = (slope(f, 0.02) for f in (alone, lambda e: tmf.welfare(game, mixed(e), schedule)))
    assert own == pytest.approx(all_of_them, abs=1e-6)


@pytest.mark.broad(1)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=["all", "by mu"])
@pytest.mark.parametrize("altruism", [0.5, 1.0])
def test_the_gain_on_the_tree(schedule, altruism):
    """Prices after each history, found for all at once, are those of the tree as one game; the gain is the best of all sigma."""
    rng = np.random.default_rng(15)
    game = noisy(rng)
    tree = NoiseTree(game)
    table = interior(game, rng)
    whole, who = tree.game, tree.schedule(schedule)
    kernel, active = as_policy(tree.policy(table), whole), active_fractions(whole, who, None)
    mu = tmf.mean_field(whole, tree.policy(table), who).mu
    apart, together = (
        extra_of(altruism, whole.model, 0.9, kernel, mu, active, None, groups) for groups in (tree.groups, None)
    )
    for t in range(3):
        there = mu[t] > 0
        np.testing.assert_allclose(apart[t, there], together[t, there], atol=1e-5)
        by_history = (mu[t] * apart[t]).reshape(-1, 3).sum(axis=1)
        np.testing.assert_allclose(by_history, 0, atol=1e-14)
    gap = tmf.exploitability(game, table, schedule, altruism=altruism)
    assert tmf.exploitability(game, table, schedule, altruism=altruism, pointwise=True) >= gap
    flow = tmf.mean_field(game, table, schedule)
    own = tmf.evaluate(game, table, schedule, altruism=altruism, flow=flow, others=table).mean_return
    chosen = rng.integers(2, size=(3, 24))
    for t, h in reversed(list(np.ndindex(3, 24))):  # backward, so that one pass finds the best of (t, history, o)
        if mu[t, h] == 0:
            continue
        values = []
        for action in (0, 1):
            chosen[t, h] = action
            sigma = tree.seeing(np.eye(2)[chosen])
            values.append(tmf.evaluate(game, sigma, schedule, altruism=altruism, flow=flow, others=table).mean_return)
        chosen[t, h] = int(np.argmax(values))
    best = max(values)
    assert gap == pytest.approx(best - own, abs=1e-9)
    estimate = tmf.exploitability(game, table, schedule, altruism=altruism, paths=40, memory=3, rng=1)
    assert estimate.interval().low - 0.05 < gap < estimate.bound + 0.3


def test_two_seasons():
    """Pigou's second road is slow in every other season, which all foresee: 1 / ((1 + lambda) c) of the drivers take it."""
    hours = np.array([1.0, 2.5])

    def reward(mu, t, z):
        return np.repeat([[-1.0], [-hours[int(z)] * mu[1]]], 2, axis=1)

    chain = tmf.NoiseChain([1.0, 0.0], [[0.0, 1.0], [1.0, 0.0]])
    game = tmf.Game(2, 2, 7, 1.0, [0.0, 1.0], reward, np.eye(2)[None].repeat(2, axis=0), noise=chain)
    for altruism in (0.0, 0.5, 1.0):
        found = tmf.solve(game, tmf.Synchronous(), altruism=altruism, tolerance=1e-4)
        assert found.converged
        wanted = np.minimum(1, 1 / ((1 + altruism) * hours))[[1, 0, 1, 0, 1]]
        np.testing.assert_allclose(found.flow.mu[1:6, 1], wanted, atol=0.02)
    paths = tmf.solve(game, tmf.Synchronous(), altruism=1.0, paths=4, rng=1)
    assert paths.converged
    assert paths.mean_return == pytest.approx(found.mean_return, abs=0.02)
    anarchy = tmf.analysis.price_of_anarchy(game, tmf.Synchronous(), tolerance=1e-3)
    assert anarchy.ratio > 1.1


# ------------------------------------------------------------------------------------------------------------- N agents


@pytest.mark.parametrize("name", ["infection_by_contact", "queueing"])
@pytest.mark.broad(1)
def test_a_team_of_agents_tends_to_welfare(name):
    """Its return scatters by C / sqrt N about a mean that is off by C' / N: slopes -1/2 and -1, by regression."""
    from tmfcore._population.deviating import Others, surprises

    game, schedule = SHELF[name].small(), tmf.Fraction(0.5)
    game = game.at(schedule)
    n_obs = game.n_observations
    game = game.replace(initial=np.full(n_obs, 1 / n_obs))
    table = interior(game, np.random.default_rng(4))
    kernel, active = as_policy(table, game), active_fractions(game, schedule, 4)
    welfare, sizes = tmf.welfare(game, table, schedule), n_obs * np.array([8, 32, 128, 512])
    spread, off = [], []
    for n in sizes.tolist():
        run = tmf.simulate(game, table, schedule, n_agents=n, replicas=4000, rng=7)
        spread.append(run.returns.std())
        # J-hat - J is the sum of surprises in V, the derivative of welfare: of second order in mu-hat - mu, so that its
        # noise falls like its mean.
        others = Others.of(1.0, game, kernel, active, n)
        second = surprises(game, kernel, run.counts, run.counts, n, active, others.values)
        assert abs(run.returns.mean() - welfare - second.mean()) < 6 * run.returns.std() / 4000**0.5
        off.append(second.mean())
        assert abs(second.mean()) > 6 * second.std() / 4000**0.5
    assert np.polyfit(np.log(sizes), np.log(spread), 1)[0] == pytest.approx(-0.5, abs=0.03)
    assert np.polyfit(np.log(sizes), np.log(np.abs(off)), 1)[0] == pytest.approx(-1.0, abs=0.1)


# ----------------------------------------------------------------------------------------------------------------- errors


def test_what_makes_no_sense_is_refused():
    game, pi = PIGOU(horizon=3), np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match="clock is 'always'; must be 'schedule' with Poisson clocks"):
        tmf.exploitability(game, pi, tmf.Poisson(), clock="always", altruism=0.5)
    with pytest.raises(ValueError, match="in continuous time; must be a schedule in steps"):
        tmf.analysis.tolls(game, pi, tmf.Poisson())
    law = noisy(np.random.default_rng(0))
    with pytest.raises(ValueError, match="random"):
        tmf.analysis.tolls(law, np.full((3, 2), 0.5), tmf.Synchronous())
    flow = tmf.mean_field(game, pi, tmf.Poisson())
    for verb in (functools.partial(tmf.evaluate, game, pi, tmf.Poisson(), flow=flow), functools.partial(tmf.best_response, game, flow, tmf.Poisson())):
        with pytest.raises(ValueError, match=r"others is None with altruism=0\.5"):
            verb(altruism=0.5)
    over = tmf.mean_field(law, np.full((3, 2), 0.5), tmf.Synchronous())
    with pytest.raises(ValueError, match=r"others is None with altruism=0\.5"):
        tmf.evaluate(law, np.full((3, 2), 0.5), tmf.Synchronous(), flow=over, altruism=0.5)
