"""Games of crowd aversion, held against MFGLib and OpenSpiel."""


import numpy as np
import pytest

import tmfcore as tmf
from peers import need
from tmfcore.games import building_evacuation, crowd_motion

MOVES = [(0, -1), (-1, 0), (0, 0), (1, 0), (0, 1)]
FLOAT32 = np.float64(np.float32(1e-25))  # OpenSpiel's epsilon


# ------------------------------------------------------------------------------------------------------ the peers


def joint_of(torch, mu, shape, n_actions):
    """mu spread evenly over the actions, as MFGLib takes it."""
    return torch.tensor(np.repeat(mu / n_actions, n_actions).reshape(*shape, n_actions), dtype=torch.float32)


@pytest.mark.peers
@pytest.mark.parametrize("options", [{}, {"torus_l": 4, "torus_w": 6, "loc_change_freq": 1, "c": 3.0, "p_still": 0.1}])
def test_crowd_motion_has_the_tables_and_the_exploitability_of_mfglib(options):
    """To 1e-6 of their size at random mu, every step; the uniform policy's exploitability, 1.467 by default."""
    torch = need("torch")
    need("mfglib.alg")
    from mfglib.env import Environment
    from mfglib.scoring import exploitability_score

    theirs = Environment.crowd_motion(T=5, seed=3, **options)
    shape, still, c = theirs.S, options.get("p_still", 0.5), options.get("c", 10.0)
    nearest = [tuple(np.unravel_index(int(worth[..., 0].argmax()), shape)) for worth in theirs.reward_fn.c1s]
    assert len(set(nearest)) > 1
    y, x = np.indices(shape)
    worth = [c * (1 - (abs(y - bar[0]) + abs(x - bar[1])) / sum(shape)) for bar in nearest]
    part = (1 - still) / 4
    game = crowd_motion(
        shape, worth=worth, wrap=False, noise=[part, part, still, part, part], moving_cost=0.0, epsilon=1e-10, horizon=6
    , step=1).at()
    ours = [3, 1, 4, 0, 2]  # its down, up, right, left, stay
    rng = np.random.default_rng(0)
    for t in range(6):
        mu = rng.dirichlet(np.ones(game.n_observations))
        joint = joint_of(torch, mu, shape, 5)
        reward, transition, *_ = game.tables(mu, t)
        found = theirs.reward(t, joint).numpy().reshape(-1, 5)
        np.testing.assert_allclose(found, reward[:, ours], rtol=1e-6, atol=2e-6)
        moves = theirs.prob(t, joint).numpy().reshape(len(mu), len(mu), 5)
        np.testing.assert_allclose(np.moveaxis(moves, 0, -1), transition[:, ours], atol=1e-6)
    gap = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    assert exploitability_score(theirs, torch.full((6, *shape, 5), 0.2)) == pytest.approx(gap, rel=1e-5)


@pytest.mark.peers
def test_crowd_motion_has_the_exploitability_of_mfglib_by_default():
    torch = need("torch")
    need("mfglib.alg")
    from mfglib.env import Environment
    from mfglib.scoring import exploitability_score

    theirs = Environment.crowd_motion()
    worth = [10.0 * table[..., 0].numpy().astype(float) for table in theirs.reward_fn.c1s]
    game = crowd_motion(
        (20, 20), worth=worth, wrap=False, noise=[0.125, 0.125, 0.5, 0.125, 0.125], moving_cost=0.0, epsilon=1e-10,
        horizon=4,
     step=1).at()  # fmt: skip
    gap = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    assert gap == pytest.approx(1.467, abs=1e-3)
    assert exploitability_score(theirs, torch.full((4, 20, 20, 5), 0.2)) == pytest.approx(gap, rel=1e-5)


@pytest.mark.peers
def test_building_evacuation_has_the_tables_and_the_exploitability_of_mfglib():
    torch = need("torch")
    need("mfglib.alg")
    from mfglib.env import Environment
    from mfglib.scoring import exploitability_score

    shape = (3, 4, 2)
    theirs = Environment.building_evacuation(T=4, n_floor=3, floor_l=4, floor_w=2, eta=0.7, evac_r=3.0)
    game = building_evacuation(shape[0], length=shape[1], width=shape[2], congestion=0.7, evacuation_reward=3.0, horizon=5, step=1).at()
    rng = np.random.default_rng(0)
    for t in range(5):
        mu = rng.dirichlet(np.ones(24))
        joint = joint_of(torch, mu, shape, 6)
        reward, transition, *_ = game.tables(mu, t)
        np.testing.assert_allclose(theirs.reward(t, joint).numpy().reshape(-1, 6), reward, rtol=1e-6, atol=2e-6)
        moves = theirs.prob(t, joint).numpy().reshape(24, 24, 6)
        np.testing.assert_allclose(np.moveaxis(moves, 0, -1), transition, atol=1e-6)
    gap = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    assert exploitability_score(theirs, torch.full((5, *shape, 6), 1 / 6)) == pytest.approx(gap, rel=1e-5)


def spiel_tree(pyspiel, spiel, place, action_chances, flow, keyed):
    """Mean return and flow of a policy by a recursion over OpenSpiel's State objects.

    The reward of its state depends on the last action, which its own keys of values leave out; here a state is known by its string,
    its player and the last action. place(state) is the observation; action_chances(t, o) a row; flow (T+1, S) is fed to
    the mean-field nodes; keyed(state) tells the step.
    """
    known = {}

    def value(state, last):
        key = (str(state), int(state.current_player()), last)
        if key in known:
            return known[key]
        if state.current_player() == pyspiel.PlayerId.MEAN_FIELD:
            below = state.clone()
            below.update_distribution(list(flow[keyed(state)]))
            total = value(below, last)
        else:
            total = state.rewards()[0]
            if not state.is_terminal():
                if state.is_chance_node():
                    branches = [(k, p, last) for k, p in state.chance_outcomes()]
                else:
                    row = action_chances(keyed(state), place(state))
                    branches = [(a, row[a], a) for a in state.legal_actions()]
                    assert sum(p for _, p, _ in branches) == pytest.approx(1)
                total += sum(p * value(state.child(k), a) for k, p, a in branches if p > 0)
        known[key] = total
        return total

    return value(spiel.new_initial_state(), None)


SPIEL_GRIDS = {
    "plain": ({"size": 4, "horizon": 3}, {}),
    "aversion": ({"size": 3, "horizon": 4, "crowd_aversion_coef": 0.3, "noise_intensity": 0.4}, {}),
    "obstacles": (
        {"size": 5, "horizon": 4, "forbidden_states": "[1|1;1|2;3|3;3|4;4|3]", "noise_intensity": 0.8,
         "initial_distribution": "[0|2;0|4]", "initial_distribution_value": "[0.25;0.75]"},
        {"walls": [(1, 1), (1, 2), (3, 3), (3, 4), (4, 3)], "starts": {(2, 0): 0.25, (4, 0): 0.75}},
    ),
    "places": (
        {"size": 4, "horizon": 3, "positional_reward": "[0|1;3|2]", "positional_reward_value": "[1.5;-0.5]"},
        {"worths": {(0, 1): 1.5, (3, 2): -0.5}},
    ),
    "crowd only": ({"size": 4, "horizon": 3, "only_distribution_reward": True}, {"worths": None}),
}  # fmt: skip


@pytest.mark.peers
@pytest.mark.parametrize("name", SPIEL_GRIDS)
def test_crowd_motion_has_the_flow_and_values_of_openspiel(name):
    """Random policies on mfg_crowd_modelling_2d: the flow by its own DistributionPolicy, the mean return by the tree, to 1e-8."""
    pyspiel = need("pyspiel")
    spiel_policy = need("open_spiel.python.policy")
    distribution = need("open_spiel.python.mfg.algorithms.distribution")
    parameters, ours = SPIEL_GRIDS[name]
    spiel = pyspiel.load_game("mfg_crowd_modelling_2d", parameters)
    n, horizon = parameters["size"], parameters["horizon"]
    walls, initial = np.zeros((n, n), bool), None
    for cell in ours.get("walls", ()):
        walls[cell] = True
    if "starts" in ours:
        initial = np.zeros((n, n))
        for cell, share in ours["starts"].items():
            initial[cell] = share
    y, x = np.indices((n, n))
    worths = ours.get("worths", {(n // 2, n // 2): 1.0})
    worth = np.zeros((n, n)) if worths is None else 2.0 + np.zeros((n, n))
    for (row, column), v in (worths or {}).items():
        worth -= 2 * v / n * (abs(y - row) + abs(x - column))
    game = crowd_motion(
        (n, n), worth=worth, obstacles=walls, noise=parameters.get("noise_intensity", 1.0), epsilon=FLOAT32,
        congestion=parameters.get("crowd_aversion_coef", 1.0), horizon=horizon, initial=initial,
        moving_cost=0.0 if worths is None else [1 / n] * (horizon - 1) + [0.0],
     step=1).at()  # fmt: skip
    legal = np.zeros((n * n, 5), bool)
    for o, (row, column) in enumerate(np.ndindex(n, n)):
        legal[o] = [not walls[(row + down) % n, (column + right) % n] for down, right in MOVES]
    legal[walls.ravel()] = True
    rng = np.random.default_rng(7)
    for _ in range(3):
        table = rng.dirichlet(np.ones(5), size=(horizon, n * n)) * legal
        table /= table.sum(-1, keepdims=True)
        evaluation = tmf.evaluate(game, tmf.TabularPolicy(table), tmf.Synchronous())
        flow = evaluation.flow.mu

        def where(state):
            row, column, t = (int(part) for part in str(state).split("_")[0].strip("()").split(","))
            return row * n + column, t

        class Played(spiel_policy.Policy):
            def action_probabilities(self, state, player_id=None):
                o, t = where(state)
                return {a: table[t, o, a] for a in state.legal_actions()}  # noqa: B023  used within this turn only

        law = distribution.DistributionPolicy(spiel, Played(spiel, [0])).distribution
        for t in range(1, horizon + 1):
            suffix = "" if t < horizon else "_a"
            found = [law.get(f"({row}, {column}, {t}){suffix}", 0.0) for row, column in np.ndindex(n, n)]
            np.testing.assert_allclose(found, flow[t], rtol=0, atol=1e-8)
        returned = spiel_tree(
            pyspiel, spiel, lambda s: where(s)[0], lambda t, o: table[t, o], flow, lambda s: where(s)[1]  # noqa: B023
        )
        # Its reward of step 0 takes the population for uniform, however it starts: the same for every policy.
        there = game.initial > 0
        taken = np.log(game.initial[there] + FLOAT32) - np.log(1 / n**2 + FLOAT32)
        returned -= parameters.get("crowd_aversion_coef", 1.0) * (game.initial[there] @ taken)
        assert returned == pytest.approx(evaluation.mean_return, abs=1e-8)
