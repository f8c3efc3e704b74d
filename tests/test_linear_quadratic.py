"""Linear-quadratic games: table by table what their page says, the closed form they approach, and what the peers have."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import tmfcore as tmf
from peers import need
from tmfcore.games import linear_quadratic

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def slow_tables(game, options, mu, t):
    """The page's formulas, one case after another: dense reward, transition, passive reward and passive transition."""
    n, speeds = game.n_observations, options["actions"]
    h, delta, s = options["spacing"], options["delta"], options["step"]
    shifts, chances = options["noise"]
    last = t == game.horizon - 1
    mean = sum(x * h * mu[x] for x in range(n))
    reward, transition = np.empty((n, len(speeds))), np.zeros((n, len(speeds), n))
    passive_reward, passive = np.empty(n), np.zeros((n, n))

    def land(row, o, moved, mass):
        """`moved` is a displacement in positions."""
        if options["rounding"] == "nearest":
            parts = [(o + round(moved), mass)]
        elif options["rounding"] == "nearest position":
            parts = [(round(o - (n - 1) // 2 + moved) + (n - 1) // 2, mass)]
        else:
            down = int(np.floor(moved))
            parts = [(o + down, mass * (1 - (moved - down))), (o + down + 1, mass * (moved - down))]
        for place, part in parts:
            row[place % n if options["wrap"] else min(max(place, 0), n - 1)] += part

    for o in range(n):
        lag = mean - o * h
        passive_reward[o] = -options["terminal_cost"] / 2 * lag**2 if last else -s * delta * options["kappa"] / 2 * lag**2
        for k, a in enumerate([*speeds, None]):
            row = passive[o] if a is None else transition[o, k]
            if a is not None:
                acts = 0.0 if last else delta * (-(a**2) / 2 + options["cross"] * a * lag)
                reward[o, k] = passive_reward[o] + acts
            for shift, p in [(0.0, 1 - s), *zip(shifts, s * chances, strict=True)]:
                drifted = s * options["mean_reversion"] * lag * delta
                land(row, o, ((0.0 if a is None else a * delta) + drifted + shift) / h, p)
    return reward, transition, passive_reward, passive


@given(
    st.integers(2, 9),
    st.integers(1, 4),
    st.sampled_from(["linear", "nearest", "nearest position"]),
    st.booleans(),
    st.sampled_from([1.0, 0.5, 0.1]),
    st.sampled_from([0.0, 0.3, 4.0]),
    st.sampled_from([0.0, 0.2, 3.0]),
    st.integers(0, 2**32 - 1),
)
def test_linear_quadratic_is_that_of_its_page(n, n_act, rounding, wrap, step, reversion, shake, seed):
    rng = np.random.default_rng(seed)
    options = {
        "actions": rng.normal(scale=3, size=n_act), "spacing": 0.7, "delta": 0.4, "mean_reversion": reversion,
        "noise": np.stack([shake * rng.normal(size=3), rng.dirichlet(np.ones(3))]), "cross": rng.normal(), "kappa": 0.8,
        "terminal_cost": 1.7, "rounding": rounding, "wrap": wrap, "step": step,
    }  # fmt: skip
    game = linear_quadratic(n, horizon=2, discount=0.9, **{"step": 1} | options).at()
    assert (game.horizon, game.discount) == (round(2 / step) + 1, 0.9**step)
    for t in (0, game.horizon - 2, game.horizon - 1):
        mu = rng.dirichlet(np.full(n, 0.3)) if t else np.eye(n)[rng.integers(n)]
        tables = game.tables(mu, t)
        for found, wanted in zip(tables, slow_tables(game, options, mu, t), strict=True):
            np.testing.assert_allclose(found, wanted, **CLOSE)
        cells = game.model.tables(mu, t)
        for o in range(n):
            for a in range(-1, n_act):
                row, paid = game.model.row(mu, t, o, a)
                assert paid == (cells[2][o] if a < 0 else cells[0][o, a])
                np.testing.assert_array_equal(row, cells[3][o] if a < 0 else cells[1][o, a])


def test_whole_displacements_need_no_rounding():
    """Actions, noise and drift in whole positions: all roundings are one, and ties do not arise."""
    mu = np.eye(7)[2]
    games = [
        linear_quadratic(7, actions=[-1, 0, 2], delta=1.0, mean_reversion=1.0, noise=[[-1, 1], [0.25, 0.75]], rounding=rounding, step=1).at()
        for rounding in ("linear", "nearest", "nearest position")
    ]
    for one, two, three in zip(*(game.tables(mu) for game in games), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-15)
        np.testing.assert_array_equal(two, three)
    fixed = linear_quadratic(7, actions=[-1, 0, 2], delta=1.0, mean_reversion=0, noise=[[-1, 1], [0.25, 0.75]], step=1).at()
    assert (fixed.model.n_successors, fixed.model.n_passive_successors) == (3, 3)
    np.testing.assert_allclose(fixed.model.tables(mu)[1][3, 1], [0.25, 0, 0.75])


def test_halves_go_to_the_even_displacement():
    game = linear_quadratic(9, actions=[0.5, 1.5, -0.5, -1.5], delta=1.0, mean_reversion=0, volatility=0, rounding="nearest", step=1).at()
    moved = game.tables(np.full(9, 1 / 9))[1][4].argmax(-1) - 4
    assert moved.tolist() == [0, 2, 0, -2]
    game = linear_quadratic(
        9, actions=[0.5, -0.5], delta=1.0, mean_reversion=0, volatility=0, rounding="nearest position"
    , step=1).at()
    ends = game.tables(np.full(9, 1 / 9))[1].argmax(-1)
    assert ends[3:6].tolist() == [[4, 2], [4, 4], [6, 4]]  # positions -1, 0 and 1 from the middle


def test_linear_rounding_keeps_the_mean_and_nearest_jumps():
    """In the middle of the grid a row moves by what the formula says, exactly; it is continuous in mu."""
    rng = np.random.default_rng(0)
    options = {"actions": [-0.7, 0.2], "delta": 0.3, "mean_reversion": 0.9, "volatility": 0.5, "kappa": 0.1}
    game = linear_quadratic(41, **{"step": 1} | options).at()
    x = np.arange(41)
    mu = rng.dirichlet(np.ones(41))
    mean = mu @ x
    rows = game.tables(mu)[1][15:26]
    moved = rows @ x - x[15:26, None]
    np.testing.assert_allclose(moved, 0.3 * (np.array([-0.7, 0.2]) + 0.9 * (mean - x[15:26, None])), atol=1e-12)
    nudged = mu + 1e-9 * (np.eye(41)[40] - np.eye(41)[0])
    for rounding, largest in (("linear", 1e-6), ("nearest", np.inf)):
        game = linear_quadratic(41, rounding=rounding, **{"step": 1} | options).at()
        change = np.abs(game.tables(nudged)[1] - game.tables(mu)[1]).sum(-1).max()
        assert change < largest


@pytest.mark.parametrize("schedule", [tmf.Sequential(), tmf.Batch(7), tmf.Synchronous(), tmf.Bernoulli(0.3)], ids=repr)
@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("wrap", [False, True])
def test_rewards_in_play_are_those_of_the_tables(schedule, engine, wrap):
    game, n_agents = linear_quadratic(8, step=0.25, horizon=3, wrap=wrap).at(), 50
    policy = tmf.TabularPolicy(np.random.default_rng(1).dirichlet(np.ones(7), size=8))
    run = tmf.simulate(game, policy, schedule, n_agents, engine=engine, rng=3)
    for t in range(game.horizon):
        reward, transition, passive_reward, passive = game.tables(run.mu[0, t], t)
        acted = run.decisions[0, t]
        waited = run.counts[0, t] - acted.sum(-1)
        wanted = ((acted * reward).sum() + (waited * passive_reward).sum()) / n_agents
        assert run.rewards[0, t] == pytest.approx(wanted, rel=1e-11, abs=1e-11)
        reached = (acted[..., None] * transition).sum((0, 1)) + waited @ passive
        assert (run.counts[0, t + 1][reached == 0] == 0).all()


# ------------------------------------------------------------------------------------------------ the closed form

K, Q, KAPPA, C, SIGMA, TIME = 0.6, 0.2, 0.7, 0.5, 0.4, 1.0


def gain(time):
    """eta of Carmona, Fouque, Sun (2015), integrated backward from its end."""
    found = solve_ivp(
        lambda _, eta: -(2 * (K + Q) * eta + eta**2 - (KAPPA - Q**2)), (0, TIME), [C], rtol=1e-11, atol=1e-12,
        dense_output=True,
    )  # fmt: skip
    return found.sol(TIME - np.asarray(time))[0]


def refined(cells, step=1.0):
    """Grid, time and speeds refined together: spacing 1 / cells, delta as long, and finer speeds."""
    n = 6 * cells + 1
    speeds = np.linspace(-4, 4, 8 * cells + 1)
    x = (np.arange(n) - 3 * cells) / cells
    mu = np.exp(-(x**2) / 0.5)
    return x, linear_quadratic(
        n, actions=speeds, spacing=1 / cells, delta=1 / cells, volatility=SIGMA, mean_reversion=K, cross=Q, kappa=KAPPA,
        terminal_cost=C, horizon=TIME * cells, initial=mu / mu.sum(), step=step,
    ).at()  # fmt: skip


def equilibrium(game, n_sweeps=4):
    """By repeated best responses: by symmetry the mean stays where it is, so that they settle at once."""
    policy = tmf.TabularPolicy.uniform(game)
    for _ in range(n_sweeps):
        flow = tmf.mean_field(game, policy, tmf.Synchronous())
        policy, _ = tmf.best_response(game, flow, tmf.Synchronous())
    return policy


@pytest.mark.rest
def test_the_closed_form_is_approached_at_first_order():
    """Equilibrium speeds against (q + eta_t) (m - x), and the variance of the flow, as the grid is refined.

    Speeds are compared within 1.5 of the mean, away from the ends. Measured: they are off by 0.84 to 0.88 spacings, the
    variance at the end by 0.10 to 0.11.
    """
    finer = np.array([8, 16, 32])
    errors, lags = [], []
    for cells in finer:
        x, game = refined(cells)
        policy = equilibrium(game)
        flow = tmf.mean_field(game, policy, tmf.Synchronous())
        assert tmf.exploitability(game, policy, tmf.Synchronous()) < 1e-9
        assert np.abs(flow.mu[:-1] @ x).max() < 1e-10  # after the last step nobody pays for where it is
        speeds = np.linspace(-4, 4, 8 * cells + 1)
        steps = range(game.horizon - 1)
        played = np.stack([policy.probabilities(flow.mu[t], t) @ speeds for t in steps])
        wanted = -(Q + gain(np.array(steps) / cells))[:, None] * x
        errors.append(np.abs(played - wanted)[:, np.abs(x) <= 1.5].max())
        spread = solve_ivp(
            lambda t, v: -2 * (K + Q + gain(t)) * v + SIGMA**2, (0, TIME), [flow.mu[0] @ x**2], rtol=1e-9
        ).y[0, -1]
        lags.append(abs(flow.mu[game.horizon - 1] @ x**2 - spread))
    errors, lags = np.array(errors), np.array(lags)
    assert (errors < 1.0 / finer).all()
    assert (lags < 0.12 / finer).all()
    assert (errors[1:] < 0.6 * errors[:-1]).all()
    assert (lags[1:] < 0.6 * lags[:-1]).all()


def test_passive_time_passes_at_the_same_rate_whatever_the_step():
    """Nobody steers: mean and variance after the same time, all passive or acting with a = 0, in long and in short steps.

    Whole shifts and no drift: exact. With drift towards the mean, the variance agrees to the numerical diffusion of the
    split, below |drift| spacing a unit of time.
    """
    for reversion, close in ((0.0, 1e-12), (0.5, 0.12)):
        spreads = []
        for step in (1.0, 0.25, 0.05):
            game = linear_quadratic(
                81, actions=[0.0], delta=0.5, noise=[[-1, 0, 1], [0.2, 0.6, 0.2]], mean_reversion=reversion, step=step,
                horizon=8, initial=np.eye(81)[40],
            ).at()  # fmt: skip
            for schedule in (tmf.Synchronous(), tmf.Fraction(step)):
                mu = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), schedule).mu[game.horizon - 1]
                x = np.arange(81)
                assert mu @ x == pytest.approx(40, abs=1e-10)
                spreads.append(mu @ (x - 40) ** 2)
        assert spreads == pytest.approx([spreads[0]] * 6, rel=close)
        assert reversion > 0 or spreads[0] == pytest.approx(8 * 0.4)


# ------------------------------------------------------------------------------------------------------- the rest


def mfglib_options(el=5, m=2, sigma=3.0, delta=0.1, k=1.0, q=0.01, kappa=0.5, c_term=1.0, horizon=3):
    """What the page says of MFGLib's parameters."""
    j = np.arange(-3, 4)
    chances = np.exp(-((sigma * j) ** 2) / 2)
    return {
        "n_positions": 2 * el + 1, "actions": np.arange(-m, m + 1.0), "delta": delta, "mean_reversion": k, "cross": q,
        "noise": np.stack([sigma**2 * np.sqrt(delta) * j, chances / chances.sum()]), "kappa": kappa,
        "terminal_cost": c_term, "horizon": horizon, "rounding": "nearest position",
    }  # fmt: skip


def test_the_uniform_policy_has_the_exploitability_of_mfglib():
    game = linear_quadratic(**{"step": 1} | mfglib_options()).at()
    gap = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    assert gap == pytest.approx(2.138, abs=1e-3)


@pytest.mark.parametrize(
    "options", [{}, {"mean_reversion": 0.0, "wrap": True, "n_positions": 10}, {"step": 0.25}], ids=repr
)
def test_mirror_descent_solves_them(options):
    """1e-4 of the mean return by the adaptive rate, though they are not monotone."""
    game = linear_quadratic(**{"step": 1} | options).at()
    schedule = tmf.Fraction(game.step) if game.step < 1 else tmf.Synchronous()
    solution = tmf.solvers.MirrorDescent(iterations=3000, tolerance=1e-4).solve(game, schedule)
    assert solution.relative_exploitability <= 1e-4


def test_pickle_and_names():
    game = linear_quadratic(5, actions=[-0.5, 0, 1], step=0.5, horizon=3, wrap=True, rounding="nearest", initial=np.eye(5)[1]).at()
    assert game.action_labels == ("-0.5", "0", "1")
    again = pickle.loads(pickle.dumps(game))
    assert repr(again) == repr(game)
    mu = np.random.default_rng(0).dirichlet(np.ones(5))
    for t in range(game.horizon):
        for ours, theirs in zip(game.tables(mu, t), again.tables(mu, t), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"n_positions": 1}, ValueError, "n_positions is 1; must be in [2, 2147483647]"),
        ({"actions": []}, ValueError, "actions has shape (0,); must be (A,)"),
        ({"spacing": 0}, ValueError, "spacing is 0.0; must be in [1e-100, 1e+100]"),
        ({"delta": 0}, ValueError, "delta is 0.0; must be > 0"),
        ({"volatility": -1}, ValueError, "volatility is -1.0; must be >= 0"),
        ({"noise": [[0, 1], [0.5, 0.6]]}, ValueError, "noise[1] sums to 1.1"),
        ({"noise": [0, 1]}, ValueError, "noise has shape (2,); must be (2, J)"),
        ({"mean_reversion": -1}, ValueError, "mean_reversion is -1.0; must be >= 0"),
        ({"kappa": -1}, ValueError, "kappa is -1.0; must be >= 0"),
        ({"rounding": "up"}, ValueError, "rounding is 'up'"),
        ({"wrap": 1}, TypeError, "wrap is 1 (int); must be True or False"),
        ({"actions": [1e12]}, ValueError, "the largest displacement in a step is 2**30 cells or more; must be less"),
    ],
)
def test_errors(changes, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        linear_quadratic(**{"step": 1} | changes).at()


# ------------------------------------------------------------------------------------------------------ the peers


@pytest.mark.peers
@pytest.mark.parametrize(
    "options",
    [{}, {"el": 3, "m": 1, "sigma": 0.7, "delta": 0.6, "k": 2.0, "q": 0.4}, {"k": 0.0, "delta": 0.3, "sigma": 1.5}],
)
def test_tables_are_those_of_mfglib(options):
    """Rewards to 1e-6 of their size and rows to 1e-6 (float32 there) at random mu, every step."""
    torch = need("torch")
    environments = need("mfglib.env")
    theirs = environments.Environment.linear_quadratic(T=3, **options)
    game = linear_quadratic(**{"step": 1} | mfglib_options(**options)).at()
    rng = np.random.default_rng(2)
    n, n_act = game.n_observations, game.n_actions
    for t in range(4):
        mu = rng.dirichlet(np.ones(n))
        joint = torch.tensor(mu[:, None] * np.full(n_act, 1 / n_act), dtype=torch.float32)
        reward, transition, *_ = game.tables(mu, t)
        np.testing.assert_allclose(theirs.reward(t, joint).numpy() * np.ones((1, n_act)), reward, rtol=2e-6, atol=2e-6)
        np.testing.assert_allclose(np.moveaxis(theirs.prob(t, joint).numpy(), 0, -1), transition, atol=1e-6)


@pytest.mark.peers
@pytest.mark.parametrize(
    "options",
    [{"size": 7, "horizon": 4}, {"size": 6, "horizon": 3, "mean_revert": 0.7, "volatility": 0.8, "n_actions_per_side": 1}],
)
def test_flow_and_values_are_those_of_openspiel(options):
    """Random policies on mean_field_lin_quad, q = 0, to 1e-8: the flow by its own DistributionPolicy, values by a
    recursion over its State objects that tells apart the last action, which its own keys of values, "(x, t)", leave out.

    Its game ends when the last move is made: neither that move nor the terminal cost is ever paid.
    """
    pyspiel = need("pyspiel")
    need("open_spiel.python.mfg.games.linear_quadratic")
    spiel_policy = need("open_spiel.python.policy")
    distribution = need("open_spiel.python.mfg.algorithms.distribution")
    from scipy.stats import norm

    spiel = pyspiel.load_game("mean_field_lin_quad", {"cross_q": 0.0, **options})
    size, horizon, side = options["size"], options["horizon"], options.get("n_actions_per_side", 3)
    sigma, kappa = options.get("volatility", 1.0), 0.5
    j = np.arange(-side, side + 1)
    edges = np.concatenate([[-np.inf], j[:-1] + 0.5, [np.inf]])
    game = linear_quadratic(
        size, actions=j.astype(float), delta=1.0, noise=np.stack([np.rint(sigma * j), np.diff(norm.cdf(edges, scale=sigma))]),
        mean_reversion=options.get("mean_revert", 0.0), cross=0.0, kappa=kappa, terminal_cost=kappa, wrap=True,
        rounding="nearest", horizon=horizon - 1,
     step=1).at()  # fmt: skip
    rng = np.random.default_rng(5)
    for _ in range(3):
        table = rng.dirichlet(np.ones(game.n_actions), size=(game.horizon, size))
        policy = tmf.TabularPolicy(table)

        class Played(spiel_policy.Policy):
            def action_probabilities(self, state, player_id=None):
                return dict(enumerate(table[state.tick, int(state.x)]))  # noqa: B023  used within this turn only

        law = distribution.DistributionPolicy(spiel, Played(spiel, [0]))
        ours = tmf.evaluate(game, policy, tmf.Synchronous())
        for t in range(horizon + 1):
            found = [law.distribution[f"({x}, {t})" + "_a" * (t == horizon)] for x in range(size)]
            np.testing.assert_allclose(found, ours.flow.mu[t], rtol=0, atol=1e-8)
        known = {}

        def value(state):
            """Mean reward from here on."""
            if state.current_player() == pyspiel.PlayerId.MEAN_FIELD:
                state.update_distribution(list(ours.flow.mu[state.tick]))  # noqa: B023
            key = (str(state), state._last_action, int(state.current_player()))
            if key not in known:  # noqa: B023
                total = state.rewards()[0]
                if not state.is_terminal():
                    if state.is_chance_node():
                        branches = state.chance_outcomes()
                    else:
                        branches = list(enumerate(table[state.tick, int(state.x)]))  # noqa: B023
                    total += sum(p * value(state.child(a)) for a, p in branches if p > 0)
                known[key] = total  # noqa: B023
            return known[key]  # noqa: B023

        assert value(spiel.new_initial_state()) == pytest.approx(ours.mean_return, abs=1e-8)
