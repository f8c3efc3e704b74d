"""Finitely many agents of linear-quadratic games: exact costs and gaps, the limit, simulation, games on a grid."""

import numpy as np
import pytest

import tmfcore as tmf
from lq_reference import Written, random_game

ALL = tmf.Synchronous()
FEW = [ALL, tmf.Batch(1), tmf.Batch([2, 0, 3]), tmf.Bernoulli(0.4)]


def gains_of(game, seed=0):
    rng = np.random.default_rng(seed)
    own = []
    for i, p in enumerate(game.n_controls):
        free = game._of_control[i][:, None] == game._of_state
        own.append(np.where(free, 0.4 * rng.standard_normal((game.horizon, p, game.n_states)), 0.0))
    return own, [0.4 * rng.standard_normal(each.shape) for each in own]


def fits(schedule, sizes):
    """Whether every batch is a part of the population."""
    return min(sizes) >= 3 or not isinstance(schedule, tmf.Batch) or isinstance(schedule.size, int)


WRITTEN = [
    (groups, sizes, schedule)
    for groups, sizes in [(None, (4,)), (None, (1,)), ((1, 1), (3, 4)), ((1, 2), (3, 3))]
    for schedule in FEW if fits(schedule, sizes)
]  # fmt: skip


@pytest.mark.broad(6)
@pytest.mark.parametrize("mean", ["measured", "predicted"])
@pytest.mark.parametrize(("groups", "sizes", "schedule"), WRITTEN, ids=str)
def test_costs_and_gaps_are_those_of_all_agents_written_out(groups, sizes, schedule, mean):
    """Against every set that may act and the states of all agents in one vector, for gains at random."""
    m = sum(groups) if groups else 2
    game = random_game(np.random.default_rng(sum(sizes)), m=m, controls=(2, 1), groups=groups)
    K, L = gains_of(game)
    written = Written(game, schedule, sizes, (K, L) if mean == "predicted" else None)
    found = tmf.lq.evaluate(game, (K, L), schedule, sizes, mean=mean)
    costs, means = written.forward(K, L)
    np.testing.assert_allclose(found.costs, costs, rtol=1e-11)
    second = found.mean_covariance + found.mean[:, :, None] * found.mean[:, None, :]
    np.testing.assert_allclose(second, means, rtol=0, atol=1e-10 * np.abs(means).max())
    gaps = tmf.lq.exploitability(game, (K, L), schedule, sizes, mean=mean)
    np.testing.assert_allclose(gaps, [costs[i] - written.best(K, L, i) for i in range(2)], rtol=1e-8)


@pytest.mark.parametrize("schedule", FEW, ids=str)
def test_the_equilibrium_of_few_agents_is_one(schedule):
    """`riccati` with n_agents: no team gains by any control, with the states of all agents written out."""
    game = random_game(np.random.default_rng(11))
    found = tmf.lq.riccati(game, schedule, 4)
    written = Written(game, schedule, (4,))
    costs, _ = written.forward(found.K, found.L)
    np.testing.assert_allclose(found.costs, costs, rtol=1e-11)
    assert costs == pytest.approx([written.best(found.K, found.L, i) for i in range(2)], rel=1e-10)


def test_if_all_act_the_gains_do_not_depend_on_the_number_of_agents():
    game = random_game(np.random.default_rng(12))
    limit = tmf.lq.riccati(game, ALL)
    for n_agents in (1, 2, 50):
        found = tmf.lq.riccati(game, ALL, n_agents)
        np.testing.assert_allclose(found.L[0], limit.L[0], rtol=1e-12)
        np.testing.assert_allclose(found.K[0], limit.K[0], rtol=1e-12)
        assert np.abs(tmf.lq.exploitability(game, limit, ALL, n_agents)).max() < 1e-11 * np.abs(limit.costs).max()


def slopes(sizes, values):
    return np.diff(np.log(values), axis=0) / np.diff(np.log(sizes))[:, None]


@pytest.mark.parametrize("schedule", [ALL, tmf.Fraction(0.5), tmf.Bernoulli(0.5)], ids=str)
def test_the_limit_is_an_equilibrium_of_teams_of_M_up_to_1_over_M(schedule):
    """Exact gaps of agents that use the mean of the limit: log-log slope -1 within 0.002 from 1,000 agents on."""
    game = random_game(np.random.default_rng(13))
    gains, sizes = tmf.lq.riccati(game, schedule), [1000, 4000, 16000, 64000]
    gaps = [tmf.lq.exploitability(game, gains, schedule, M, mean="predicted") for M in sizes]
    np.testing.assert_allclose(slopes(sizes, gaps), -1, rtol=0, atol=0.002)
    costs = [tmf.lq.evaluate(game, gains, schedule, M, mean="predicted").costs - gains.costs for M in sizes]
    np.testing.assert_allclose(slopes(sizes, np.abs(costs)), -1, rtol=0, atol=0.002)


def test_teams_of_different_sizes():
    """Each team has agents of its own: what a team gains is a / M_0 + b / M_1, exactly if all act."""
    game = tmf.lq.LQGame(
        np.diag([1.0, 0.9]), [[[1.0], [0.0]], [[0.0], [1.0]]], [np.diag([1.0, 0.0]), np.diag([0.0, 1.0])], [1.0, 1.0],
        horizon=4, Q_bar=[[[3.0, -0.8], [-0.8, 1.0]], [[1.0, 0.5], [0.5, 4.0]]], noise=1.0, groups=(1, 1),
    )  # fmt: skip
    gains = tmf.lq.riccati(game, ALL)
    many = 10**12

    def gap(*sizes):
        return tmf.lq.exploitability(game, gains, ALL, sizes, mean="predicted")

    first, second = gap(1, many), gap(many, 1)
    assert first[0] > 0.1 and second[1] > 0.1
    np.testing.assert_allclose(gap(10, 40), first / 10 + second / 40, rtol=1e-9)


def test_with_batches_measured_means_leave_a_gap_of_second_order():
    game = random_game(np.random.default_rng(14))
    schedule = tmf.Fraction(0.5)
    gains, sizes = tmf.lq.riccati(game, schedule), [20, 80, 320]
    gaps = [tmf.lq.exploitability(game, gains, schedule, M) for M in sizes]
    np.testing.assert_allclose(slopes(sizes, gaps), -2, rtol=0, atol=0.15)


# -------------------------------------------------------------------------------------------------------- simulation


@pytest.mark.broad(2)
@pytest.mark.parametrize("mean", ["measured", "predicted"])
@pytest.mark.parametrize("schedule", [*FEW, tmf.Sequential()], ids=str)
@pytest.mark.parametrize(("groups", "sizes"), [(None, (6,)), ((1, 2), (5, 3))], ids=str)
def test_simulation_has_the_exact_moments(groups, sizes, schedule, mean):
    """Costs, means and deviations within 5.5 standard errors of the exact ones (rate of false alarms 1e-6)."""
    game = random_game(np.random.default_rng(15), m=sum(groups) if groups else 2, groups=groups, controls=(2, 1))
    K, L = gains_of(game, 1)
    run = tmf.lq.simulate(game, (K, L), schedule, sizes, mean=mean, replicas=500, rng=7)
    exact = tmf.lq.evaluate(game, (K, L), schedule, sizes, mean=mean)
    for found, wanted in ((run.costs, exact.costs), (run.mean, exact.mean), (run.deviation, exact.deviation)):
        error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
        assert (np.abs(found.mean(axis=0) - wanted) <= 5.5 * error + 1e-12).all()
    low, high = run.interval(1 - 1e-6)
    assert ((low < exact.costs) & (exact.costs < high)).all()


def test_a_run_depends_on_the_seed_alone_and_keeps_states():
    game = random_game(np.random.default_rng(16), groups=(1, 1), controls=(1, 1))
    gains = tmf.lq.riccati(game, tmf.Bernoulli(0.5))
    one = tmf.lq.simulate(game, gains, tmf.Bernoulli(0.5), (3, 4), replicas=3, rng=5, trajectories=True)
    two = tmf.lq.simulate(game, gains, tmf.Bernoulli(0.5), (3, 4), replicas=2, rng=5)
    np.testing.assert_array_equal(one.costs[:2], two.costs)
    assert [each.shape for each in one.states] == [(3, 4, 3, 1), (3, 4, 4, 1)]
    np.testing.assert_allclose(one.states[1].mean(axis=2)[..., 0], one.mean[..., 1], rtol=1e-12)
    np.testing.assert_allclose(one.states[0].var(axis=2)[..., 0], one.deviation[..., 0, 0], rtol=1e-10)


def test_nobody_acts_and_nobody_pays():
    game = random_game(np.random.default_rng(17), Q=[0.0, 0.0], Q_bar=[0.0, 0.0], Q_end=[0.0, 0.0], Q_bar_end=[0.0, 0.0])
    assert tmf.lq.evaluate(game, gains_of(game), tmf.Batch(0), 5).costs == pytest.approx([0, 0], abs=1e-15)
    found = tmf.lq.riccati(game.replace(Q=[1.0, 1.0]), tmf.Batch([0, 2, 1]), 5)
    assert not np.any([each[0] for each in found.K + found.L if each.shape[1] == 1])


# -------------------------------------------------------------------------------------------- games.linear_quadratic

DELTA, PULL, CROSS, KAPPA, END, SIGMA, T = 0.1, 0.6, 0.2, 0.7, 0.5, 0.4, 6


def on_grid(cells, step, cross):
    """games.linear_quadratic on [-2.5, 2.5] with spacing 1 / cells; steps do not get shorter."""
    n = 5 * cells + 1
    x = (np.arange(n) - (n - 1) / 2) / cells
    mu = np.exp(-(x**2) / 0.5)
    mu /= mu.sum()
    game = tmf.games.linear_quadratic(
        n, actions=np.linspace(-4, 4, 8 * cells + 1), spacing=1 / cells, delta=DELTA, volatility=SIGMA,
        mean_reversion=PULL, cross=cross, kappa=KAPPA, terminal_cost=END, horizon=T * step, initial=mu, step=step,
    ).at()  # fmt: skip
    return x, mu, game


def continuous(x, mu, step, cross):
    """The same with states on the line: with a = b - q y, q a y disappears from the cost, and drift is K + q."""
    j = np.arange(-3, 4)
    chances = np.exp(-(j**2) / 2)
    variance = step * SIGMA**2 * DELTA * (chances @ j**2 / chances.sum())
    A, wait = 1 - step * PULL * DELTA - cross * DELTA, 1 - step * PULL * DELTA
    return tmf.lq.LQGame(
        A, [DELTA], [DELTA * (step * KAPPA - cross**2) / 2], [DELTA / 2], horizon=T, A_bar=1 - A, A_passive=wait,
        A_passive_bar=1 - wait, Q_bar=[0.0], Q_end=[END / 2], Q_bar_end=[0.0], noise=variance,
        initial_covariance=float(mu @ x**2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "cross", "schedule"), [(1.0, CROSS, ALL), (0.5, 0.0, tmf.Fraction(0.5))], ids=["all act", "half act"]
)
def test_the_game_on_a_grid_tends_to_it(step, cross, schedule):
    """Cost and speeds of the equilibrium as the spacing falls, steps fixed: costs within spacing^2 / 4, speeds within 0.8 spacing.

    Each agent of that game plays for itself, but since costs are those of deviations the team wants the same.
    """
    costs, speeds = [], []
    for cells in (4, 8, 16):
        x, mu, game = on_grid(cells, step, cross)
        policy = tmf.TabularPolicy.uniform(game)
        for _ in range(4):
            policy, _ = tmf.best_response(game, tmf.mean_field(game, policy, schedule), schedule)
        assert tmf.exploitability(game, policy, schedule) < 1e-9
        limit = tmf.lq.riccati(continuous(x, mu, step, cross), schedule)
        costs.append(abs(-tmf.evaluate(game, policy, schedule).mean_return - limit.costs[0]))
        flow = tmf.mean_field(game, policy, schedule)
        played = np.stack([policy.probabilities(flow.mu[t], t) @ np.linspace(-4, 4, 8 * cells + 1) for t in range(T)])
        gains = limit.K[0][:, 0, 0] + cross
        speeds.append(np.abs(played + gains[:, None] * x)[:, np.abs(x) <= 1].max())
    finer = np.array([4, 8, 16])
    assert (np.array(costs) < 0.25 / finer**2).all() and costs[2] < 0.015 * limit.costs[0]
    assert (np.array(speeds) < 0.8 / finer).all()
