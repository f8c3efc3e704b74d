"""Cooperation: the interpolated game, its solutions, and prices (theory.md section 14)."""

import functools
import pickle

import numpy as np
import pytest
from welfare_cases import PIGOU, System, affine_parts, interior, own_game

import tmfcore as tmf
from tmfcore.games import SHELF

# ------------------------------------------------------------------------------------------------- the interpolated game


def reference_values(game, policy, active, altruism):
    """The recursions of section 14 in plain numpy, from tables that are affine in mu (differences are exact)."""
    model, n_obs = game.model, game.n_observations
    mu = [game.initial]
    for t in range(game.n_steps):
        _, rows, _, rest = dense(game, mu[t], t)
        row = active * np.einsum("oa,oax->ox", policy, rows) + (1 - active) * rest
        mu.append(mu[t] @ row)
    social, values, best = np.zeros((3, n_obs))
    assert model.legal is None
    for t in range(game.n_steps - 1, -1, -1):

        def earned(m, ahead, t=t):
            reward, rows, passive, rest = dense(game, m, t)
            q = reward + game.discount * rows @ ahead
            waited = passive + game.discount * rest @ ahead
            return q, waited, active * (policy * q).sum(axis=1) + (1 - active) * waited

        price = np.array([mu[t] @ (earned(np.eye(n_obs)[y], social)[2] - earned(mu[t], social)[2]) for y in range(n_obs)])
        q, waited, _ = earned(mu[t], best)
        best = active * q.max(axis=1) + (1 - active) * waited + altruism * price
        values = earned(mu[t], values)[2] + altruism * price
        social = earned(mu[t], social)[2] + price
    return values, best


def dense(game, mu, t):
    found = game.tables(mu / mu.sum(), t)
    return found.reward, found.transition, found.passive_reward, found.passive_transition


@pytest.mark.parametrize("altruism", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("active", [1.0, 0.4])
def test_values_are_those_of_the_reference(altruism, active):
    """Of an affine game, whose prices are exact, against plain loops that read its tables only."""
    rng = np.random.default_rng(11)
    game = tmf.games.affine(**affine_parts(rng))
    policy, schedule = interior(game, rng), tmf.Fraction(active)
    values, best = reference_values(game, policy, active, altruism)
    found = tmf.evaluate(game, policy, schedule, altruism=altruism)
    np.testing.assert_allclose(found.values[0], values, atol=1e-12)
    answer = tmf.best_response(
        game, found.flow, schedule, altruism=altruism, others=policy if altruism > 0 else None
    )
    np.testing.assert_allclose(answer.values[0], best, atol=1e-12)
    gap = tmf.exploitability(game, policy, schedule, altruism=altruism)
    assert gap == pytest.approx(game.initial @ (best - values), abs=1e-12)
    assert found.mean_return == pytest.approx(tmf.welfare(game, policy, schedule), abs=1e-13)


def test_values_between_are_a_mixture():
    """(1 - lambda) V of Nash + lambda V of welfare, also where rows depend on mu."""
    rng = np.random.default_rng(13)
    game = own_game(rng, "mu")
    table = interior(game, rng)
    nash, some, social = (
        tmf.evaluate(game, table, tmf.Fraction(0.7), altruism=each).values for each in (0.0, 0.3, 1.0)
    )
    np.testing.assert_allclose(some, 0.7 * nash + 0.3 * social, atol=1e-12)
    assert np.abs(social - nash).max() > 0.01


def test_a_game_in_which_nobody_matters_to_others_is_the_same_for_all():
    rng = np.random.default_rng(17)
    game = own_game(rng, "fixed")
    table = interior(game, rng)
    plain = tmf.evaluate(game, table, tmf.Synchronous())
    kind = tmf.evaluate(game, table, tmf.Synchronous(), altruism=1.0)
    np.testing.assert_array_equal(kind.values, plain.values)
    assert tmf.exploitability(game, table, tmf.Synchronous(), altruism=1.0) == pytest.approx(
        tmf.exploitability(game, table, tmf.Synchronous()), abs=1e-14
    )


def test_by_type_and_deviations():
    game = tmf.games.typed([PIGOU(horizon=4), PIGOU(horizon=4)], shares=[0.3, 0.7])
    table = np.full((4, 2), 0.5)
    by_type = tmf.exploitability(game, table, tmf.Synchronous(), altruism=0.5, by_type=True)
    whole = tmf.exploitability(game, table, tmf.Synchronous(), altruism=0.5)
    assert np.dot([0.3, 0.7], list(by_type.values())) == pytest.approx(whole, abs=1e-9)
    flow = tmf.mean_field(game, table, tmf.Synchronous())
    best = tmf.best_response(game, flow, tmf.Synchronous(), altruism=0.5, others=table)
    played = tmf.evaluate(game, best.policy, tmf.Synchronous(), flow=flow, altruism=0.5, others=table)
    np.testing.assert_allclose(played.values, best.values, atol=1e-12)
    assert game.initial @ (best.values[0] - tmf.evaluate(game, table, tmf.Synchronous()).values[0]) > 0


# ------------------------------------------------------------------------------------------------------------- solutions


@pytest.mark.parametrize("altruism", [0.0, 0.25, 0.5, 1.0])
def test_pigou(altruism):
    """mu = 1 / (1 + lambda)."""
    found = tmf.solve(PIGOU(horizon=20), tmf.Synchronous(), altruism=altruism, tolerance=1e-9)
    assert found.converged
    np.testing.assert_allclose(found.flow.mu[1:-1, 1], 1 / (1 + altruism), atol=1e-4)


EXACT = ["FictitiousPlay", "FixedPoint", "Homotopy", "MirrorDescent", "PriorDescent"]


@pytest.mark.parametrize("name", EXACT)
def test_every_exact_solver_finds_the_optimum(name):
    """Strictly concave welfare: all find the same, to their tolerance."""
    solver = getattr(tmf.solvers, name)(altruism=1.0, tolerance=1e-3)
    found = solver.solve(PIGOU(horizon=10), tmf.Synchronous())
    assert found.converged and found.solver["altruism"] == 1.0
    assert found.mean_return == pytest.approx(-1 - 9 * 0.75, abs=0.01)
    assert found.exploitability == tmf.exploitability(PIGOU(horizon=10), found.policy, tmf.Synchronous(), altruism=1.0)


@pytest.mark.parametrize("n_agents", [None, 2000])
def test_policy_gradient_finds_it(n_agents):
    solver = tmf.solvers.TMFPG(altruism=1.0)
    found = solver.solve(PIGOU(horizon=10), tmf.Synchronous(), n_agents=n_agents, rng=1)
    assert found.converged
    assert found.mean_return == pytest.approx(-1 - 9 * 0.75, abs=0.02)


@pytest.mark.parametrize("n_agents", [20, 200])
@pytest.mark.parametrize("critic", ["empirical", "returns"])
@pytest.mark.broad
def test_it_is_found_from_samples(critic, n_agents):
    """Without a model, by the returns of all others: 3/4 on the second road, from 1/2 each; as noisy for any N."""
    game = tmf.games.resource_selection(
        (-1.5, 0.0), congestion=(0.0, 1.0), switching_cost=0.0, horizon=5, discount=1.0, initial=(0.0, 1.0)
    )
    solver = tmf.solvers.TMFPG(altruism=1.0, critic=critic, replicas=8, iterations=1000, tolerance=None)
    found = solver.solve(game, tmf.Synchronous(), n_agents=n_agents, rng=1)
    assert found.mean_return == pytest.approx(-1.0 - 4 * 0.9375, abs=0.01)
    np.testing.assert_allclose(found.flow.mu[1:5, 1], 0.75, atol=0.1)


@pytest.mark.parametrize("altruism", [0.5, 1.0])
def test_stationary_finds_it(altruism):
    game = PIGOU(horizon=10).replace(discount=0.9)
    found = tmf.solvers.Stationary(altruism=altruism).solve(game, tmf.Fraction(0.5))
    assert found.converged
    assert found.flow.mu[0, 1] == pytest.approx(1 / (1 + altruism), abs=1e-3)


def test_stationary_where_rows_depend_on_the_population():
    """Values of its own for the prices: (1 - lambda) Nash + lambda welfare, as over a long horizon."""
    game = tmf.games.infection_by_contact(horizon=400, discount=0.9)
    schedule = tmf.Bernoulli(0.5)
    game = game.at(step=0.5)
    for altruism in (0.4, 1.0):
        found = tmf.solvers.Stationary(altruism=altruism, iterations=3, tolerance=None).solve(game, schedule)
        mu, pi = found.flow.mu[0], found.policy.table[0]
        system = System(game, schedule)
        _, values, _ = system.values(pi, mu, altruism)
        assert found.mean_return == pytest.approx(mu @ values[0], rel=1e-6)


def test_altruism_goes_on_from_its_own_solutions_only():
    game, schedule = PIGOU(horizon=10), tmf.Synchronous()
    short = tmf.solvers.MirrorDescent(altruism=0.5, iterations=3, tolerance=None)
    first = short.solve(game, schedule)
    whole = tmf.solvers.MirrorDescent(altruism=0.5, iterations=6, tolerance=None).solve(game, schedule)
    again = short.solve(game, schedule, initial=first)
    np.testing.assert_array_equal(again.policy.table, whole.policy.table)
    other = tmf.solvers.MirrorDescent(altruism=0.25, iterations=3, tolerance=None).solve(game, schedule, initial=first)
    assert other.history["iteration"][0] == 0


def test_nash_is_what_it_was():
    """altruism=0 is the default, and changes nothing."""
    game = tmf.games.garnet(horizon=5)
    default = tmf.solve(game, tmf.Synchronous(), iterations=20, tolerance=None)
    given = tmf.solve(game, tmf.Synchronous(), iterations=20, tolerance=None, altruism=0)
    np.testing.assert_array_equal(default.policy.table, given.policy.table)


# ---------------------------------------------------------------------------------------------- price of anarchy, tolls


def test_price_of_anarchy_of_pigou_is_four_thirds():
    """All start on the first road, whose costs do not depend on anybody: only the last steps count."""
    game = PIGOU(horizon=400)
    found = tmf.analysis.price_of_anarchy(game, tmf.Synchronous(), tolerance=1e-7)
    assert found.ratio == pytest.approx(4 / 3, abs=2e-3)
    assert found.loss == pytest.approx(399 * 0.25, rel=2e-3)
    assert tmf.analysis.price_of_anarchy(
        game, tmf.Synchronous(), nash=found.nash, optimum=found.optimum
    ).ratio == found.ratio  # fmt: skip


def braess(horizon=12):
    """Drivers who choose anew every day between the three routes of Braess' network: 2 x, 1 + x, ... hours."""
    # start -> u takes x, u -> end 1, start -> v takes 1, v -> end x, u -> v takes 0, x the share of drivers on the link
    over = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 2.0]])  # hours of route o per share on route y
    return tmf.games.affine(
        -np.repeat([[1.0], [1.0], [0.0]], 3, axis=1), reward_mu=-np.repeat(over[:, None], 3, axis=1),
        transition0=np.ones((3, 3, 1)), transition_mu=None, successors=np.tile(np.arange(3)[:, None], (3, 1, 1)),
        horizon=horizon, discount=1.0, initial=[0.0, 0.0, 1.0],
    )  # fmt: skip


def test_braess():
    """Two hours at Nash, on the new road; one and a half at the optimum, which does not use it."""
    game, schedule = braess(), tmf.Synchronous()
    found = tmf.analysis.price_of_anarchy(game, schedule, tolerance=1e-6)
    days = 11  # all are on the new road on the first day
    assert found.nash.mean_return == pytest.approx(-2 * 12, abs=0.05)  # all routes take two hours there
    assert found.optimum.mean_return == pytest.approx(-2 - 1.5 * days, abs=1e-3)
    assert (found.nash.mean_return + 2) / (found.optimum.mean_return + 2) == pytest.approx(4 / 3, abs=5e-3)
    tolls = tmf.analysis.tolls(game, found.optimum, schedule)
    np.testing.assert_allclose(tolls.prices[1:-1], [[0.0, 0.0, 0.5]] * (days - 1), atol=1e-3)  # 1/2 + 1/2, minus 1/2
    paying = tolls.charge(game)
    nash = tmf.solve(paying, schedule, tolerance=1e-6)
    assert tmf.welfare(game, nash.policy, schedule) == pytest.approx(found.optimum.mean_return, abs=5e-3)
    assert tmf.exploitability(game, found.optimum, schedule) > 0.1


@pytest.mark.parametrize("name", ["garnet", "queueing", "beach_bar", "congestion", "joint", "pairwise_revision"])
def test_where_agents_pay_the_price_is_that_of_altruism(name):
    """The same exploitability, of any policy, in the game that charges its prices; and returns less what is paid."""
    rng = np.random.default_rng(19)
    game, schedule = SHELF[name].small(), tmf.Fraction(0.5)
    table = interior(game.at(schedule), rng)
    tolls = tmf.analysis.tolls(game, table, schedule)
    assert (tolls.prices >= 0).all() and (tolls.prices.min(axis=1) == 0).all()
    assert tolls.welfare == tmf.welfare(game, table, schedule)
    paying = tolls.charge(game)
    assert tmf.exploitability(paying, table, schedule) == pytest.approx(
        tmf.exploitability(game, table, schedule, altruism=1.0), rel=1e-9, abs=1e-12
    )
    assert tmf.welfare(paying, table, schedule) == pytest.approx(tolls.welfare - tolls.revenue, rel=1e-9)
    assert tmf.testing.check_game(paying, trials=4, rng=1).errors == ()
    again = pickle.loads(pickle.dumps(paying))
    assert tmf.welfare(again, table, schedule) == tmf.welfare(paying, table, schedule)


def test_who_pays_is_played_as_it_is_computed():
    """Both engines, with prices: the mean return is near the limit's."""
    game, schedule = SHELF["queueing"].small(), tmf.Fraction(0.5)
    table = interior(game.at(schedule), np.random.default_rng(2))
    paying = tmf.analysis.tolls(game, table, schedule).charge(game)
    limit = tmf.welfare(paying, table, schedule)
    for engine in ("counts", "agents"):
        run = tmf.simulate(paying, table, schedule, n_agents=4000, replicas=20, rng=3, engine=engine)
        assert run.returns.mean() == pytest.approx(limit, abs=0.01)


@pytest.mark.parametrize("n_observations", [2, 7])
@pytest.mark.parametrize("sparse", [False, True])
def test_exact_prices_of_affine_games_are_those_of_differences(n_observations, sparse):
    """Short rows and long ones, dense and sparse, some constant, active and passive: each has its own loop."""
    rng = np.random.default_rng(23)
    n, width = n_observations, 2 if sparse else n_observations
    corners = rng.dirichlet(np.ones(width), size=(n, 3, n)).swapaxes(2, 3)
    corners[0, 1] = corners[0, 1, :, :1]
    waits = rng.dirichlet(np.ones(width), size=(n, n)).swapaxes(1, 2)
    to = rng.integers(n, size=(n, 3, 2)) if sparse else None
    game = tmf.games.affine(
        rng.normal(size=(n, 3)), reward_mu=rng.normal(size=(n, 3, n)), transition0=corners[..., 0],
        transition_mu=corners - corners[..., :1], passive_reward0=rng.normal(size=n),
        passive_reward_mu=rng.normal(size=(n, n)), passive_transition0=waits[..., 0],
        passive_transition_mu=waits - waits[..., :1], successors=to, passive_successors=None if to is None else to[:, 0],
        horizon=5, discount=0.9, initial=rng.dirichlet(np.ones(n)),
    )  # fmt: skip
    twin = tmf.Game(
        n, 3, 5, 0.9, game.initial, lambda mu: game.tables(mu).reward, lambda mu: game.tables(mu).transition,
        passive_reward=lambda mu: game.tables(mu).passive_reward,
        passive_transition=lambda mu: game.tables(mu).passive_transition,
        successors=to, passive_successors=None if to is None else to[:, 0],
    )  # fmt: skip
    table = interior(game, rng)
    exact, found = (tmf.evaluate(each, table, tmf.Fraction(0.6), altruism=1.0).values for each in (game, twin))
    np.testing.assert_allclose(found, exact, atol=1e-8)


# -------------------------------------------------------------------------------------------------------------- N agents


def test_the_return_of_a_team_tends_to_welfare():
    """Mean returns of N agents are off by at most C / sqrt N; test_welfare_clocks fits the slopes."""
    game = tmf.games.infection_by_contact(horizon=20)
    schedule = tmf.Fraction(0.5)
    optimum = tmf.solve(game, schedule, altruism=1.0)
    off = []
    for n in (100, 10_000):
        run = tmf.simulate(game, optimum.policy, schedule, n_agents=n, replicas=400, rng=7)
        off.append(abs(run.returns.mean() - optimum.mean_return) * n**0.5)
    assert max(off) < abs(optimum.mean_return) * 2


# ----------------------------------------------------------------------------------------------------------------- errors


def test_what_has_no_altruism_says_so():
    game, pi = PIGOU(horizon=3), np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match=r"altruism is 1\.5; must be in \[0, 1\]|altruism.*1"):
        tmf.exploitability(game, pi, tmf.Synchronous(), altruism=1.5)
    with pytest.raises(ValueError, match="in MFOMO; must be 0"):
        tmf.solvers.MFOMO(altruism=0.5)
    with pytest.raises(ValueError, match=r"with clock=.always. and critic=.empirical.; must be 0"):
        tmf.solvers.TMFPG(altruism=0.5, critic="empirical", clock="always")
    sizes = tmf.Batch(lambda mu: 1 + round(5 * mu[0]))
    for call in (tmf.solve, functools.partial(tmf.exploitability, policy=pi)):
        with pytest.raises(ValueError, match=r"whole numbers of agents that depend on mu; must be 0: use Fraction\(f\)"):
            call(game.at(step=1), schedule=sizes, n_agents=10, altruism=0.5)
    flow = tmf.mean_field(game, pi, tmf.Synchronous())
    with pytest.raises(ValueError, match=r"others is None with altruism=0\.5"):
        tmf.best_response(game, flow, tmf.Synchronous(), altruism=0.5)
    with pytest.raises(ValueError, match="others is given with altruism=0"):
        tmf.best_response(game, flow, tmf.Synchronous(), others=pi)
    with pytest.raises(ValueError, match="others is given without flow"):
        tmf.evaluate(game, pi, tmf.Synchronous(), altruism=0.5, others=pi)
    nash = tmf.solve(game, tmf.Synchronous())
    with pytest.raises(ValueError, match="optimum was found with altruism 0; must be 1"):
        tmf.analysis.price_of_anarchy(game, tmf.Synchronous(), optimum=nash)
    with pytest.raises(ValueError, match="game"):
        tmf.analysis.tolls(game, pi, tmf.Synchronous()).charge(PIGOU(horizon=4))


def test_an_error_of_the_game_near_the_flow_is_named():
    """Functions are called near the flow, at distributions; what they raise has the step in it."""

    def reward(mu):
        assert abs(mu.sum() - 1) < 1e-12 and (mu >= 0).all()
        return np.repeat(-mu[:, None], 2, axis=1)

    game = tmf.Game(2, 2, 3, 1.0, [1.0, 0.0], reward, [[[1.0, 0.0], [0.0, 1.0]]] * 2)
    found = tmf.evaluate(game, [[1.0, 0.0], [0.5, 0.5]], tmf.Synchronous(), altruism=1.0)
    np.testing.assert_allclose(found.values[:, 1] - found.values[:, 0], [3.5, 3.0, 2.0, 0.0], atol=1e-8)
