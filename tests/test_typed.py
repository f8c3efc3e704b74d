"""Games of several types: table by table what their page says, and what must follow from it."""

import pickle
import re

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import strategies
import tmfcore as tmf
from tmfcore.games import by_type, queueing, resource_selection, typed


def block_tables(games, shares, coupling, rates, mu, t):
    """The four dense tables of the whole game, type by type, from those of the types."""
    sizes = [game.n_observations for game in games]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    size, n_actions = starts[-1], max(game.n_actions for game in games)
    reward, transition = np.zeros((size, n_actions)), np.zeros((size, n_actions, size))
    passive_reward, passive_transition = np.zeros(size), np.zeros((size, size))
    for i, game in enumerate(games):
        seen = np.zeros(sizes[i])
        for j in range(len(games)):
            if coupling[i][j]:
                seen = seen + coupling[i][j] * mu[starts[j] : starts[j + 1]]
        own_reward, moves, own_passive_reward, stays = game.model.tables(seen, t)
        here = slice(starts[i], starts[i + 1])
        passive_reward[here] = own_passive_reward
        for o in range(sizes[i]):
            places = range(sizes[i]) if game.model.passive_successors is None else game.model.passive_successors[o]
            for k, x in enumerate(places):
                passive_transition[starts[i] + o, starts[i] + x] += stays[o, k]
            for a in range(n_actions):
                b = a if a < game.n_actions else 0
                reward[starts[i] + o, a] = rates[i] * own_reward[o, b] + (1 - rates[i]) * own_passive_reward[o]
                places = range(sizes[i]) if game.model.successors is None else game.model.successors[o, b]
                for k, x in enumerate(places):
                    transition[starts[i] + o, a, starts[i] + x] += rates[i] * moves[o, b, k]
                transition[starts[i] + o, a] += (1 - rates[i]) * passive_transition[starts[i] + o]
    return reward, transition, passive_reward, passive_transition


@st.composite
def mixtures(draw):
    """Two or three random games of one length, shares, coupling and rates."""
    seeds = st.integers(0, 2**32 - 1)
    size = draw(st.integers(1, 4))
    kinds = [
        strategies.random_game(
            draw(seeds), size, draw(st.integers(1, 3)), dependence=draw(st.sampled_from(["fixed", "mu", "mu_t"])),
            sparse=draw(st.booleans()), passive=draw(st.sampled_from(["none", "identity", "dense", "sparse"])),
        ).build()
        for _ in range(draw(st.integers(1, 3)))
    ]  # fmt: skip
    if draw(st.booleans()):
        kinds.append(resource_selection(np.linspace(1, 2, size), congestion=1.0, switching_cost=0.1, horizon=4, discount=0.9, step=1).at())
    rng = np.random.default_rng(draw(seeds))
    shares = rng.dirichlet(np.ones(len(kinds)))
    coupling = draw(st.just(np.ones((len(kinds),) * 2))) if draw(st.booleans()) else rng.uniform(0, 1, (len(kinds),) * 2)
    # rows whose mixtures are distributions: what random games of callables ask for
    coupling = coupling / (coupling @ shares)[:, None]
    rates = np.where(rng.random(len(kinds)) < 0.5, 1.0, rng.uniform(0.1, 1, len(kinds)))
    return kinds, shares, coupling, rates, rng


@given(mixtures())
def test_tables_are_those_of_the_types(mixture):
    kinds, shares, coupling, rates, rng = mixture
    game = typed(kinds, shares=shares, coupling=coupling, rates=rates)
    assert game.n_observations == sum(kind.n_observations for kind in kinds)
    parts = by_type(game, game.initial)
    for (name, part), share, kind in zip(parts.items(), shares, kinds, strict=True):
        np.testing.assert_allclose(part, share * kind.initial, rtol=1e-15)
        assert name.startswith("type ")
    for t in range(2):
        mu = np.concatenate([share * rng.dirichlet(np.ones(kind.n_observations)) for share, kind in zip(shares, kinds, strict=True)])
        found, wanted = game.tables(mu, t), block_tables(kinds, shares, coupling, rates, mu, t)
        assert (game.legal is None) == (len({kind.n_actions for kind in kinds}) == 1)
        for i, (table, expected) in enumerate(zip(found, wanted, strict=True)):
            if i < 2 and game.legal is not None:
                expected[~game.legal] = np.nan
            np.testing.assert_allclose(table, expected, rtol=1e-12, atol=1e-14)
        tables = game.model.tables(mu, t)
        for o in range(game.n_observations):
            for a in range(-1, game.n_actions):
                row, reward = game.model.row(mu, t, o, a)
                np.testing.assert_array_equal(row, tables[3][o] if a < 0 else tables[1][o, a])
                assert reward == (tables[2][o] if a < 0 else tables[0][o, a])


def test_who_stays_stays_in_one_cell_whatever_the_shape_of_its_game():
    """A dense identity beside dense passive rows of the same width: rows and tables agree on the cell."""
    rng = np.random.default_rng(2)
    rows = rng.dirichlet(np.ones(3), size=(3, 2))
    still, moving = (
        tmf.Game(3, 2, 4, 0.9, np.full(3, 1 / 3), rng.normal(size=(3, 2)), rows, passive_transition=passive)
        for passive in (np.eye(3), rng.dirichlet(np.ones(3), size=3))
    )
    game = typed([still, moving], shares=[0.5, 0.5])
    tables = game.model.tables(game.initial)
    for o in range(6):
        row, _ = game.model.row(game.initial, 0, o, -1)
        np.testing.assert_array_equal(row, tables[3][o])
        if o < 3:
            assert row[game.model.passive_successors[o] == o].sum() == 1


@given(strategies.games(), st.integers(0, 2**32 - 1))
def test_one_type_is_the_game_itself(spec, seed):
    game = spec.build()
    whole = typed([game], shares=[1.0])
    policy = strategies.random_policy(seed, game.n_observations, game.n_actions).build(game.horizon)
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.3)):
        np.testing.assert_allclose(
            tmf.mean_field(whole, policy, schedule).mu, tmf.mean_field(game, policy, schedule).mu, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(
            tmf.exploitability(whole, policy, schedule), tmf.exploitability(game, policy, schedule), rtol=1e-9, atol=1e-12)  # fmt: skip


def test_equal_types_who_see_everybody_are_one_population():
    """Splitting a population into types that differ in nothing changes nothing."""
    kind = queueing([0.1, 0.2, 0.3], step=0.5).at()
    game = typed([kind] * 3, shares=[0.5, 0.3, 0.2])
    one = np.random.default_rng(1).dirichlet(np.ones(4), size=4)
    policy, split = tmf.TabularPolicy(one), tmf.TabularPolicy(np.tile(one, (3, 1)))
    schedule = tmf.Fraction(0.5)
    whole = tmf.mean_field(kind, policy, schedule).mu
    parts = by_type(game, tmf.mean_field(game, split, schedule).mu)
    np.testing.assert_allclose(sum(parts.values()), whole, rtol=1e-12)
    np.testing.assert_allclose(parts["type 2"], 0.3 * whole, rtol=1e-12)
    assert tmf.exploitability(game, split, schedule) == pytest.approx(tmf.exploitability(kind, policy, schedule), rel=1e-9)


def test_types_keep_their_numbers_and_follow_their_limit():
    """Both engines: the agents of a type stay as many as they were, and their empirical flow is near the mean field."""
    kinds = [resource_selection([1.0, 0.5], congestion=1.0, horizon=6, step=0.5).at(), queueing([0.3, 0.2], horizon=6, step=0.5, discount=0.95).at()]
    coupling = sp.block_diag([sp.coo_array(np.ones((2, 2))), sp.eye_array(3)])
    game = typed(kinds, shares=[0.25, 0.75], coupling=coupling, rates=[1.0, 0.5], names=["drivers", "clients"])
    policy = tmf.TabularPolicy.uniform(game)
    flow = tmf.mean_field(game, policy, tmf.Fraction(0.5)).mu
    for engine in ("counts", "agents"):
        run = tmf.simulate(game, policy, tmf.Fraction(0.5), 40_000, engine=engine, rng=5)
        counts = by_type(game, run.counts[0])
        assert (counts["drivers"].sum(-1) == 10_000).all()
        assert (counts["clients"].sum(-1) == 30_000).all()
        # 12 steps of 5 observations: each share has a standard error below sqrt(1 / (4 N)) = 0.0025 after one step
        assert np.abs(run.mu[0] - flow).max() < 0.02


def test_a_graphon_game_on_blocks():
    """With W(alpha, beta) = alpha beta those who meet the crowd more avoid it more: the closed form of one shot.

    Resources pay v_o - x_i(o) with x_i = alpha_i sum_j alpha_j mu_j: all types see the same crowd z times alpha_i, so
    that in equilibrium a type is indifferent only where (v_0 - v_1) = alpha_i (z(0) - z(1)).
    """
    alpha, shares = np.array([0.5, 1.0, 2.0]), np.array([0.3, 0.4, 0.3])
    kind = resource_selection([1.0, 0.9], congestion=1.0, horizon=40, discount=0.5, initial=[0.5, 0.5], step=1).at()
    game = typed([kind] * 3, shares=shares, coupling=np.outer(alpha, alpha))
    found = tmf.solve(game, tmf.Synchronous(), tolerance=1e-7)
    assert found.converged
    crowd = sum(weight * part for weight, part in zip(alpha, by_type(game, found.flow.mu[20]).values(), strict=True))
    for weight, share, part in zip(alpha, shares, by_type(game, found.flow.mu[20]).values(), strict=True):
        gain = 0.1 - weight * (crowd[0] - crowd[1])
        if gain > 1e-3:
            assert part[0] == pytest.approx(share, abs=1e-3)
        elif gain < -1e-3:
            assert part[1] == pytest.approx(share, abs=1e-3)
    assert crowd.sum() == pytest.approx(alpha @ shares)


def test_a_coupling_between_different_observations():
    """A matrix over all observations: type 2 sees, at its one place, half of what is at the last place of type 1."""
    busy = tmf.Game(2, 1, 3, 1.0, [0.5, 0.5], np.zeros((2, 1)), np.full((2, 1, 2), 0.5))
    watcher = tmf.Game(1, 1, 3, 1.0, [1.0], lambda mu: mu[:, None], np.ones((1, 1, 1)))
    coupling = np.zeros((3, 3))
    coupling[2, 1] = 0.5
    game = typed([busy, watcher], shares=[0.8, 0.2], coupling=coupling)
    assert game.tables([0.5, 0.3, 0.2])[0][2] == pytest.approx(0.15)


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Fraction(0.3)])
@pytest.mark.parametrize("name", ["resource_selection", "queueing", "susceptible_infected", "garnet"])
def test_values_of_one_type_and_of_twins_are_those_of_the_game(name, schedule):
    """Step by step: a table that is only refreshed where it changes must be, at every observation."""
    game = {
        "resource_selection": resource_selection([1.0, 0.8, 0.5], congestion=1.0, switching_cost=0.1, horizon=6, step=1).at(),
        "queueing": queueing([0.1, 0.3], horizon=6, step=1).at(),
        "susceptible_infected": tmf.games.susceptible_infected(horizon=6),
        "garnet": tmf.games.garnet(4, horizon=6, coupling=0.5, step=1).at(),
    }[name]
    rng = np.random.default_rng(1)
    pi = rng.dirichlet(np.ones(game.n_actions), size=game.n_observations)
    known = tmf.evaluate(game, tmf.TabularPolicy(pi), schedule)
    for shares in ([1.0], [0.3, 0.7]):
        both = typed([game] * len(shares), shares=shares, coupling=np.ones((len(shares),) * 2))
        found = tmf.evaluate(both, tmf.TabularPolicy(np.tile(pi, (len(shares), 1))), schedule)
        np.testing.assert_allclose(found.values, np.tile(known.values, len(shares)), rtol=1e-12, atol=1e-12)
        assert found.mean_return == pytest.approx(known.mean_return)
    # Beside a type with more actions, which it does not see, its tables are copied into wider ones.
    size, wider = game.n_observations, game.n_actions + 1
    other = tmf.Game(size, wider, game.horizon, game.discount, np.full(size, 1 / size), lambda mu: np.ones((size, wider)),
                     np.full((size, wider, size), 1 / size))  # fmt: skip
    wide = np.concatenate([pi, np.zeros((size, 1))], axis=1)
    policy = tmf.TabularPolicy(np.concatenate([wide, np.full((size, wider), 1 / wider)]))
    found = tmf.evaluate(typed([game, other], shares=[0.3, 0.7], coupling=np.diag([1 / 0.3, 1 / 0.7])), policy, schedule)
    np.testing.assert_allclose(found.values[:, :size], known.values, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("other", ["reward", "passive reward", "transition", "passive transition", "identity"])
def test_what_is_constant_is_so_of_every_type(other, order):
    """A typed game says no more than the type that says least, wherever it stands."""
    reward, rows, paid, stay = np.zeros((2, 2)), np.full((2, 2, 2), 0.5), np.zeros(2), np.eye(2)
    one = {"reward": reward, "transition": rows, "passive_reward": paid, "passive_transition": None}
    two = one | {
        "reward": {"reward": lambda mu: reward},
        "passive reward": {"passive_reward": lambda mu: paid},
        "transition": {"transition": lambda mu: rows},
        "passive transition": {"passive_transition": lambda mu: stay},
        "identity": {"passive_transition": stay[::-1]},
    }[other]
    both = [
        tmf.Game(2, 2, 3, 1.0, [0.5, 0.5], kind["reward"], kind["transition"], passive_reward=kind["passive_reward"],
                 passive_transition=kind["passive_transition"])
        for kind in (one, two)
    ][::order]  # fmt: skip
    model = typed(both, shares=[0.5, 0.5]).model
    for flag in ("constant", "constant_reward", "constant_transition", "passive_identity"):
        assert getattr(model, flag) == all(getattr(game.model, flag) for game in both), flag
    assert any(not game.model.constant or not game.model.passive_identity for game in both)


def test_pickle():
    game = typed([queueing([0.1, 0.2], step=1).at(), queueing([0.3, 0.4], step=1).at()], shares=[0.5, 0.5], rates=[1, 0.5], names=["a: b", "c"])
    again = pickle.loads(pickle.dumps(game))
    for table, wanted in zip(again.tables(game.initial), game.tables(game.initial), strict=True):
        np.testing.assert_array_equal(table, wanted)
    assert list(by_type(again, again.initial)) == ["a: b", "c"]
    assert again.observation_labels[0] == "a: b: idle"


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "text"),
    [
        ((queueing([0.1], step=1).at(), [1.0]), {}, TypeError, "games is Game; must be a sequence of Games"),
        (([], []), {}, ValueError, "games is empty"),
        (([queueing([0.1], step=1).at(), 3], [0.5, 0.5]), {}, TypeError, "games[1]"),
        (([queueing([0.1], step=1).at(), queueing([0.1], horizon=3, step=1).at()], [0.5, 0.5]), {}, ValueError, "games[1] has horizon 3; must be that of games[0], 20"),
        (([queueing([0.1], step=1).at()] * 2, [0.5, 0.6]), {}, ValueError, "shares sums to 1.1"),
        (([queueing([0.1], step=1).at(), queueing([0.1, 0.2], step=1).at()], [0.5, 0.5]), {}, ValueError,
         "coupling[0, 1] is 1, but type 0 has 2 observations and type 1 has 3; must be 0, or pass a matrix (S, S) = (5, 5)"),
        (([queueing([0.1], step=1).at()] * 2, [0.5, 0.5]), {"coupling": np.ones((3, 3))}, ValueError, "coupling has shape (3, 3)"),
        (([queueing([0.1], step=1).at()] * 2, [0.5, 0.5]), {"coupling": sp.eye_array(3)}, ValueError, "coupling has shape (3, 3); must be (4, 4)"),
        (([queueing([0.1], step=1).at()] * 2, [0.5, 0.5]), {"coupling": [[1, 1], [1, -1]]}, ValueError, "coupling[1, 1] is -1"),
        (([queueing([0.1], step=1).at()] * 2, [0.5, 0.5]), {"rates": [1, 0]}, ValueError, "rates[1] is 0"),
        (([queueing([0.1], step=1).at()] * 2, [0.5, 0.5]), {"names": ["a", "a"]}, ValueError, "names"),
    ],
)  # fmt: skip
def test_mistakes(arguments, options, kind, text):
    with pytest.raises(kind, match=re.escape(text)):
        typed(arguments[0], shares=arguments[1], **options)


def test_by_type_takes_results():
    kinds = [queueing([0.1, 0.2], horizon=5, step=1).at(), queueing([0.3], horizon=5, step=1).at()]
    game = typed(kinds, shares=[0.5, 0.5], coupling=np.zeros((2, 2)))
    policy, schedule = tmf.TabularPolicy.uniform(game), tmf.Synchronous()
    flow, run = tmf.mean_field(game, policy, schedule), tmf.simulate(game, policy, schedule, 10, rng=1)
    solution = tmf.solve(game, schedule)
    for result, mu in ((flow, flow.mu), (run, run.mu), (solution, solution.flow.mu)):
        for name, part in by_type(game, result).items():
            np.testing.assert_array_equal(part, by_type(game, mu)[name])
    other = typed(kinds, shares=[0.4, 0.6], coupling=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="values"):
        by_type(other, run)
    for wrong in (3, None, object()):
        with pytest.raises(TypeError, match=r"values is .*; must be an array over the observations, a Simulation"):
            by_type(game, wrong)


def test_by_type_wants_a_typed_game():
    game = queueing([0.1, 0.2], step=1).at()
    with pytest.raises(TypeError, match=r"must be a game made by games\.typed"):
        by_type(game, game.initial)
    with pytest.raises(ValueError, match="values has 4 entries along axis 0; must be 6"):
        by_type(typed([game, game], shares=[0.5, 0.5]), np.zeros((4, 6)), axis=0)


def test_returns_and_exploitability_by_type():
    """Types that do not see each other earn and gain what they would alone; means by share are those of the whole."""
    one = resource_selection([1.0, 0.8], congestion=1.0, horizon=6)
    two = resource_selection([1.0, 0.3, 0.2], congestion=0.5, horizon=6)
    game = typed([one, two], shares=[0.25, 0.75], coupling=[[4, 0], [0, 4 / 3]], names=["few", "many"])
    schedule = tmf.Fraction(0.5)
    table = np.zeros((5, 3))
    table[:2, :2], table[2:] = 1 / 2, 1 / 3
    found = tmf.evaluate(game, table, schedule)
    gains = tmf.exploitability(game, table, schedule, by_type=True)
    for name, alone, n in (("few", one, 2), ("many", two, 3)):
        uniform = tmf.TabularPolicy.uniform(alone)
        assert found.by_type[name] == pytest.approx(tmf.evaluate(alone, uniform, schedule).mean_return, rel=1e-12), n
        assert gains[name] == pytest.approx(tmf.exploitability(alone, uniform, schedule), rel=1e-12)
    assert 0.25 * found.by_type["few"] + 0.75 * found.by_type["many"] == pytest.approx(found.mean_return, rel=1e-12)
    assert 0.25 * gains["few"] + 0.75 * gains["many"] == pytest.approx(tmf.exploitability(game, table, schedule), rel=1e-12)
    assert "mean return of few" in repr(found)
    uniform = tmf.TabularPolicy.uniform(one)
    with pytest.raises(ValueError, match=r"the game has no types; must be made by games\.typed"):
        tmf.exploitability(one, uniform, schedule, by_type=True)
    assert tmf.evaluate(one, uniform, schedule).by_type == {}
    with pytest.raises(ValueError, match="pointwise is True with by_type"):
        tmf.exploitability(game, table, schedule, by_type=True, pointwise=True)
