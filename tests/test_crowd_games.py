"""Games of crowd aversion: table by table what their pages say, in play and in the limit, and what the peers have."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from tmfcore.games import beach_bar, building_evacuation, crowd_aversion, crowd_motion
from tmfcore.games._crowd_aversion import CrowdAversion

MOVES = [(0, -1), (-1, 0), (0, 0), (1, 0), (0, 1)]
CLOSE = {"rtol": 1e-13, "atol": 1e-13}
ROOMS = ["#######", "#  #  #", "#     #", "#  #  #", "#######"]


def grid_rows(cell, action, walls, wrap, noise, strikes):
    """Where an agent at `cell` goes: {cell: probability}, one case after another."""
    rows, columns = walls.shape

    def seen(place):
        return (
            (place[0] % rows, place[1] % columns)
            if wrap
            else (min(max(place[0], 0), rows - 1), min(max(place[1], 0), columns - 1))
        )

    def inside(place):
        return wrap or (0 <= place[0] < rows and 0 <= place[1] < columns)

    place = (cell[0] + MOVES[action][0], cell[1] + MOVES[action][1])
    if inside(place) and walls[seen(place)]:
        place = cell
    ends = []
    for move in MOVES:
        end = seen((place[0] + move[0], place[1] + move[1]))
        ends.append(None if walls[end] and move != (0, 0) else end)
    n_free = sum(end is not None for end in ends)
    found = {}
    for k, end in enumerate(ends):
        if np.ndim(noise) == 0:
            p = (1 - noise) * (k == 2) + (noise / n_free if end is not None else 0.0)
        else:
            p = noise[k]
        p = strikes * p + (1 - strikes) * (k == 2)
        end = seen(place) if end is None else end
        found[end] = found.get(end, 0.0) + p
    return found


def grid_tables(walls, wrap, noise, drift, step):
    """Dense transition (S, 5, S) and passive transition (S, S)."""
    size, columns = walls.size, walls.shape[1]
    strikes = step if drift else 1.0
    transition, passive = np.zeros((size, 5, size)), np.eye(size)
    for cell in np.ndindex(walls.shape):
        o = cell[0] * columns + cell[1]
        for a in range(5):
            for end, p in grid_rows(cell, a, walls, wrap, noise, strikes).items():
                transition[o, a, end[0] * columns + end[1]] += p
        if drift:
            passive[o] = transition[o, 2]
    return transition, passive


def check_tables(game, mu, t, reward, transition, passive_reward, passive):
    """game.tables and every row of the model."""
    for found, wanted in zip(game.tables(mu, t), (reward, transition, passive_reward, passive), strict=True):
        np.testing.assert_allclose(found, wanted, **CLOSE)
    tables = game.model.tables(mu, t)
    for o in range(game.n_observations):
        for a in range(-1, game.n_actions):
            row, paid = game.model.row(mu, t, o, a)
            assert paid == (tables[2][o] if a < 0 else tables[0][o, a])
            np.testing.assert_array_equal(row, tables[3][o] if a < 0 else tables[1][o, a])


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1.0, 0.5, 0.1]),
    st.sampled_from(["fixed", "moving", "bar", "bars"]),
    st.integers(0, 2**32 - 1),
)
def test_crowd_motion_is_that_of_its_page(shape, wrap, some_noise, drift, step, worths, seed):
    rng = np.random.default_rng(seed)
    rows, columns = shape
    size, horizon = rows * columns, 3
    n_steps = round(horizon / step)
    walls = rng.random(shape) < 0.3
    walls[rng.integers(rows), rng.integers(columns)] = False
    noise = rng.random() if some_noise else rng.dirichlet(np.ones(5))
    cost = rng.random(n_steps) if seed % 2 else float(rng.random())
    crowding, epsilon = rng.random(), 1e-3
    options = {}
    bars = np.array([[rows // 2, columns // 2]])
    if worths in ("fixed", "moving"):
        worth = rng.normal(size=(n_steps if worths == "moving" else 1, size))
        options["worth"] = worth[0].reshape(shape) if worths == "fixed" else worth
    elif worths == "bars":
        bars = options["bar"] = rng.integers(shape, size=(n_steps, 2))
    if worths in ("bar", "bars"):
        worth = np.array(
            [
                [2 - 2 * abs(y - b[0]) / rows - 2 * abs(x - b[1]) / columns for y, x in np.ndindex(shape)]
                for b in bars
            ]
        )
    game = crowd_motion(
        shape, obstacles=walls, wrap=wrap, noise=noise, drift=drift, step=step, moving_cost=cost, congestion=crowding,
        epsilon=epsilon, horizon=horizon, discount=0.9, **options,
    ).at()  # fmt: skip
    assert (game.horizon, game.discount) == (n_steps, 0.9**step)
    assert game.observation_shape == shape
    np.testing.assert_allclose(game.initial, (~walls).ravel() / (~walls).sum())
    transition, passive = grid_tables(walls, wrap, noise, drift, step)
    for t in {0, n_steps // 2, n_steps - 1}:
        mu = rng.dirichlet(np.full(size, 0.5))
        standing = step * (worth[min(t, len(worth) - 1)] - crowding * np.log(mu + epsilon))
        paid = np.broadcast_to(cost, n_steps)[t] * (np.arange(5) != 2)
        check_tables(game, mu, t, standing[:, None] - paid, transition, standing, passive)
    free = ~walls.ravel()
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5))
    assert (flow.mu[:, ~free] == 0).all()
    np.testing.assert_allclose(flow.mu.sum(-1), 1, rtol=1e-12)


@given(st.integers(1, 5), st.integers(1, 4), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_crowd_aversion_is_that_of_its_page(n_obs, n_act, sparse, passive_moves, varies, seed):
    rng = np.random.default_rng(seed)
    step, n_steps = 0.5, 4
    cells = rng.integers(n_obs, size=(n_obs, n_act, 3)) if sparse else None
    moves = rng.dirichlet(np.ones(3 if sparse else n_obs), size=(n_obs, n_act))
    passive_cells = rng.integers(n_obs, size=(n_obs, 2)) if sparse and passive_moves else None
    if passive_cells is not None:
        passive_cells[:, 1] = np.arange(n_obs)
    passive = rng.dirichlet(np.ones(2 if sparse else n_obs), size=n_obs) if passive_moves else None
    rates = None if passive is None else passive - (np.eye(n_obs) if passive_cells is None else [0, 1])
    if sparse and passive_moves:
        same = passive_cells[:, 0] == np.arange(n_obs)  # its own cell is the first that names it
        rates[same] = passive[same] - [1, 0]
    rates = None if passive is None else passive - (np.eye(n_obs) if passive_cells is None else [0, 1])
    if sparse and passive_moves:
        same = passive_cells[:, 0] == np.arange(n_obs)  # its own cell is the first that names it
        rates[same] = passive[same] - [1, 0]
    worth = rng.normal(size=(n_steps, n_obs) if varies else n_obs)
    gains, scale = rng.normal(size=(n_obs, n_act)), rng.random(n_steps) if varies else 0.5
    game = crowd_aversion(
        moves, worth=worth, successors=cells, action_reward=gains, action_scale=scale, congestion=1.5, epsilon=0.01,
        passive_rates=rates, passive_successors=passive_cells, horizon=2, discount=0.8, step=step,
    ).at()  # fmt: skip

    def dense(table, successors):
        if successors is None:
            return table
        full = np.zeros((*table.shape[:-1], n_obs))
        for index in np.ndindex(table.shape):
            full[(*index[:-1], successors[index])] += table[index]
        return full

    wanted, wanted_passive = dense(moves, cells), np.eye(n_obs)
    if passive is not None:
        wanted_passive = (1 - step) * wanted_passive + step * dense(passive, passive_cells)

    def standing(mu, t):
        return step * (np.atleast_2d(worth)[t if varies else 0] - 1.5 * np.log(mu + 0.01))

    def reward(mu, t):
        return standing(mu, t)[:, None] + (scale[t] if varies else scale) * gains

    for t in range(n_steps):
        mu = rng.dirichlet(np.ones(n_obs))
        check_tables(game, mu, t, reward(mu, t), wanted, standing(mu, t), wanted_passive)
    slow = tmf.Game(
        n_obs, n_act, n_steps, game.discount, game.initial, reward, wanted,
        passive_reward=standing, passive_transition=wanted_passive,
    )  # fmt: skip
    policy = tmf.TabularPolicy(rng.dirichlet(np.ones(n_act), size=n_obs))
    for clock in ("schedule", "always"):
        ours = tmf.evaluate(game, policy, tmf.Fraction(0.3), clock=clock)
        theirs = tmf.evaluate(slow, policy, tmf.Fraction(0.3), clock=clock)
        np.testing.assert_allclose(ours.flow.mu, theirs.flow.mu, **CLOSE)
        np.testing.assert_allclose(ours.q, theirs.q, **CLOSE)


GAMES = {
    "grid": lambda: crowd_motion((3, 4), step=0.25, horizon=5, noise=0.7).at(),
    "drift": lambda: crowd_motion(obstacles=ROOMS, drift=True, step=0.25, horizon=5).at(),
    "moving bar": lambda: crowd_motion(
        (3, 3), bar=[(i % 3, 0) for i in range(20)], moving_cost=np.linspace(0, 1, 20), step=0.25, horizon=5
    ).at(),
    "building": lambda: building_evacuation(2, length=3, width=3, step=0.25, horizon=5).at(),
}


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("schedule", [tmf.Sequential(), tmf.Batch(7), tmf.Synchronous(), tmf.Bernoulli(0.3)], ids=repr)
@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_rewards_in_play_are_those_of_the_tables(name, schedule, engine):
    """Whatever shortcut prices a step, the mean reward of a head is the sum over who did what, by the tables."""
    game, n_agents = GAMES[name](), 50
    policy = tmf.TabularPolicy(np.random.default_rng(1).dirichlet(np.ones(game.n_actions), size=game.n_observations))
    run = tmf.simulate(game, policy, schedule, n_agents, engine=engine, rng=3)
    for t in range(game.horizon):
        reward, transition, passive_reward, passive = game.tables(run.mu[0, t], t)
        acted = run.decisions[0, t]
        waited = run.counts[0, t] - acted.sum(-1)
        wanted = ((acted * reward).sum() + (waited * passive_reward).sum()) / n_agents
        assert run.rewards[0, t] == pytest.approx(wanted, rel=1e-11, abs=1e-11)
        reached = (acted[..., None] * transition).sum((0, 1)) + waited @ passive
        assert (run.counts[0, t + 1][reached == 0] == 0).all()


def test_a_grid_of_one_row_is_a_beach():
    rng = np.random.default_rng(0)
    wind, worth, mu = rng.dirichlet(np.ones(3)), rng.normal(size=6), rng.dirichlet(np.ones(6))
    for wrap in (True, False):
        beach = beach_bar(6, worth=worth, noise=wind, wrap=wrap, moving_cost=0.2, step=1).at()
        grid = crowd_motion(
            (1, 6), worth=worth, noise=[wind[0], 0, wind[1], 0, wind[2]], wrap=wrap, epsilon=1e-6, moving_cost=0.2
        , step=1).at()
        ours, theirs = grid.tables(mu), beach.tables(mu)
        along = [0, 2, 4]
        np.testing.assert_allclose(ours[0][:, along], theirs[0], **CLOSE)
        np.testing.assert_allclose(ours[1][:, along], theirs[1], **CLOSE)
        np.testing.assert_allclose(ours[2], theirs[2], **CLOSE)


def test_noise_that_strikes_everybody_strikes_once_a_sweep():
    """With drift, the spread of agents that do not move is that of dt = 1 in the mean and variance, whatever dt."""
    spread = {}
    for step in (1.0, 0.1):
        game = crowd_motion(
            (1, 41), noise=[0.25, 0, 0.5, 0, 0.25], drift=True, step=step, horizon=8, wrap=False,
            initial=np.eye(41)[20],
        ).at()  # fmt: skip
        stay = tmf.TabularPolicy(np.eye(5)[np.full(41, 2)])
        for schedule in (tmf.Synchronous(), tmf.Fraction(step)):
            mu = tmf.mean_field(game, stay, schedule).mu[-1]
            x = np.arange(41)
            spread[step, repr(schedule)] = mu @ (x - mu @ x) ** 2
    assert list(spread.values()) == pytest.approx([4.0] * 4, rel=1e-9)


def test_building_evacuation_by_hand():
    """Every move from every place of a small building, and the reward."""
    floors, long, wide = shape = (3, 2, 3)
    game = building_evacuation(shape[0], length=shape[1], width=shape[2], congestion=2.0, evacuation_reward=5.0, epsilon=0.1, step=0.5, horizon=2).at()
    mu = np.random.default_rng(0).dirichlet(np.ones(game.n_observations))
    transition = np.zeros((18, 6, 18))
    for o, (f, y, x) in enumerate(np.ndindex(shape)):
        ends = [
            (f, min(y + 1, long - 1), x),
            (f, max(y - 1, 0), x),
            (f, y, max(x - 1, 0)),
            (f, y, min(x + 1, wide - 1)),
            (max(f - 1, 0) if y == x == 0 else f, y, x),
            (min(f + 1, floors - 1) if (y, x) == (long - 1, wide - 1) else f, y, x),
        ]
        for a, end in enumerate(ends):
            transition[o, a, np.ravel_multi_index(end, shape)] = 1
    standing = 0.5 * (5.0 * (np.arange(18) < 6) - 2.0 * np.log(mu + 0.1))
    check_tables(game, mu, 0, np.tile(standing[:, None], 6), transition, standing, np.eye(18))
    assert game.observation_shape == shape
    assert game.model.n_successors == 1


def test_the_uniform_policy_in_a_building():
    """Its exploitability as MFGLib has it."""
    game = building_evacuation(step=1).at()
    gap = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    assert gap == pytest.approx(0.321, abs=5e-4)


@pytest.mark.parametrize(
    "game",
    [
        crowd_motion(step=1).at(),
        crowd_motion(obstacles=ROOMS, bar=(1, 5), horizon=20, step=1).at(),
        crowd_motion((6, 6), drift=True, step=0.25, horizon=5).at(),
        building_evacuation(step=1).at(),
    ],
    ids=["torus", "rooms", "drift", "building"],
)
def test_mirror_descent_solves_them(game):
    """All are monotone: 1e-4 of the mean return by the adaptive rate."""
    schedule = tmf.Fraction(game.step) if game.step < 1 else tmf.Synchronous()
    solution = tmf.solvers.MirrorDescent(iterations=3000, tolerance=1e-4).solve(game, schedule)
    assert solution.relative_exploitability <= 1e-4


def test_pickle_and_names():
    for make in (*GAMES.values(), lambda: crowd_aversion([[[1.0]]], horizon=3, step=1).at()):
        game = make()
        again = pickle.loads(pickle.dumps(game))
        assert repr(again) == repr(game)
        assert again.observation_shape == game.observation_shape
        assert again.observation_labels == game.observation_labels
        mu = np.random.default_rng(0).dirichlet(np.ones(game.n_observations))
        for t in (0, game.horizon - 1):
            for ours, theirs in zip(game.tables(mu, t), again.tables(mu, t), strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert crowd_motion(step=1).at().action_labels == ("left", "up", "stay", "down", "right")
    assert crowd_motion((2, 2), step=1).at().observation_labels == ("0,0", "0,1", "1,0", "1,1")


def test_steps_beyond_the_last_take_the_last():
    """The kernels ask for t < T only; whoever asks the model for more reads no foreign memory."""
    model = crowd_motion((2, 2), bar=[(0, 0), (1, 1)], horizon=2, moving_cost=[1.0, 0.5], step=1).at().model
    mu = np.full(4, 0.25)
    for t, same in ((5, 1), (2**31 - 1, 1), (-3, 0)):
        for found, wanted in zip(model.tables(mu, t), model.tables(mu, same), strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("make", "changes", "error", "text"),
    [
        (crowd_motion, {"shape": (0, 3)}, ValueError, "shape[0] is 0; must be >= 1"),
        (crowd_motion, {"shape": (3, 3, 3)}, ValueError, "shape has shape (3,); must be (2,)"),
        (crowd_motion, {"bar": (10, 0)}, ValueError, "bar is at (10, 0); must lie in the grid of 10 x 10"),
        (crowd_motion, {"bar": (1, 1), "worth": np.zeros(100)}, ValueError, "bar and worth are both given"),
        (crowd_motion, {"worth": np.zeros((3, 3))}, ValueError, "worth has shape (3, 3)"),
        (crowd_motion, {"obstacles": ["##", "#"]}, ValueError, "obstacles has rows of 1 to 2 characters"),
        (crowd_motion, {"obstacles": ["a "]}, ValueError, "obstacles has characters other than"),
        (crowd_motion, {"obstacles": ["##"]}, ValueError, "obstacles are on every cell"),
        (crowd_motion, {"obstacles": [[0, 1]]}, TypeError, "obstacles holds dtype int64"),
        (crowd_motion, {"obstacles": ["# "], "shape": (3, 3)}, ValueError, "obstacles has shape (1, 2); must be shape"),
        (crowd_motion, {"obstacles": ["# "], "initial": [0.5, 0.5]}, ValueError, "initial[0] is 0.5; must be 0 on an"),
        (crowd_motion, {"noise": 1.5}, ValueError, "noise is 1.5; must be in [0, 1]"),
        (crowd_motion, {"noise": [0.5, 0.5]}, ValueError, "noise has shape (2,); must be (5,)"),
        (crowd_motion, {"moving_cost": [[0.1, 0.2]]}, ValueError, "moving_cost has shape (1, 2); must be (L,)"),
        (crowd_motion, {"moving_cost": -1}, ValueError, "moving_cost is -1.0; must be >= 0"),
        (crowd_motion, {"epsilon": 0}, ValueError, "epsilon is 0.0; must be >= 1e-300"),
        (crowd_motion, {"congestion": -1}, ValueError, "congestion is -1.0; must be >= 0"),
        (crowd_motion, {"drift": 1}, TypeError, "drift is 1 (int); must be True or False"),
        (building_evacuation, {"n_floors": 0}, ValueError, "n_floors is 0; must be >= 1"),
        (building_evacuation, {"initial": [1.0]}, ValueError, "initial has shape (1,); must be (S,) = (500,) or"),
        (crowd_aversion, {"transition": np.ones((2, 1, 1))}, ValueError, "transition has shape (2, 1, 1); must be (S, A"),
        (crowd_aversion, {"transition": [[[0.5]]]}, ValueError, "transition[0, 0] sums to 0.5"),
        (crowd_aversion, {"transition": [[[1.0]]], "successors": [[[1]]]}, ValueError, "successors[0, 0, 0] is 1"),
        (crowd_aversion, {"transition": [[[1.0]]], "worth": [1, 2]}, ValueError, "worth has shape (2,)"),
        (crowd_aversion, {"transition": [[[1.0]]], "action_scale": [[1, 2]]}, ValueError, "action_scale has shape (1, 2); must be (L,)"),
        (crowd_aversion, {"transition": [[[1.0]]], "passive_successors": [[0]]}, ValueError, "passive_successors is given"),
    ],
)
def test_errors(make, changes, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        make(**changes)


@pytest.mark.parametrize(("rows", "scales"), [(0, 1), (1, 0), (0, 0)])
def test_a_model_of_no_steps_is_refused(rows, scales):
    with pytest.raises(ValueError, match="worth or scale is empty; each must have at least one row"):
        CrowdAversion(np.ones((2, 1, 1)), np.ones((2, 1)), np.zeros((2, 1, 1)), np.zeros((2, 1)), np.zeros((rows, 2)), np.zeros((2, 1)),
                      np.ones(scales), 1.0, 1e-3)  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_a_step_costs_one_over_the_longer_side(shape):
    """Of a crowd in motion, unless told otherwise: an action that moves is paid that much less than the one that stays."""
    reward = crowd_motion(shape, step=1).at().tables(np.full(shape[0] * shape[1], 1 / (shape[0] * shape[1])))[0]
    assert np.ptp(reward, axis=1).max() == pytest.approx(1 / max(shape), rel=1e-9)
