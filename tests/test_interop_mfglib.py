"""Environments and policies of MFGLib, in and out, held against its own exploitability."""

import importlib
import sys

import numpy as np
import pytest

import tmfcore as tmf
from peers import need

torch = need("torch")
need("mfglib.alg")  # first: its imports are circular

from mfglib.env import Environment
from mfglib.scoring import exploitability_score
from mfglib.utils import mean_field_from_policy

from tmfcore.interop import mfglib

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

SYNCHRONOUS = tmf.Synchronous()
#: its ten environments, and what their rewards and transitions depend on
ENVIRONMENTS = {
    "beach_bar": ({"n": 7, "T": 4, "bar_loc": 3}, "mu", "nothing"),
    "building_evacuation": ({"n_floor": 2, "floor_l": 3, "floor_w": 2}, "mu", "nothing"),
    "conservative_treasure_hunting": ({}, "law", "law"),
    "crowd_motion": ({"torus_l": 4, "torus_w": 3}, "mu", "nothing"),
    "equilibrium_price": ({}, "law", "nothing"),
    "left_right": ({}, "mu", "nothing"),
    "linear_quadratic": ({"T": 2, "el": 2, "m": 1, "delta": 0.37, "mu0": torch.arange(1, 6, dtype=torch.float64) / 15}, "mu", "mu"),
    "random_linear": ({"T": 2, "n": 3}, "law", "law"),
    "rock_paper_scissors": ({"T": 2}, "mu", "nothing"),
    "susceptible_infected": ({"T": 6}, "nothing", "mu"),
}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def kind(request):
    usual, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(request.param)
    torch.set_num_threads(1)
    yield request.param
    torch.set_default_dtype(usual)
    torch.set_num_threads(threads)


def made(name, kind):
    options = {key: x.to(kind) if isinstance(x, torch.Tensor) else x for key, x in ENVIRONMENTS[name][0].items()}
    return getattr(Environment, name)(**options)


def random_tensor(env, rng):
    rows = rng.dirichlet(np.full(env.n_actions, 0.7), size=(env.T + 1, env.n_states))
    return torch.as_tensor(rows, dtype=torch.get_default_dtype()).reshape(env.T + 1, *env.S, *env.A)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_their_environments(name, kind):
    """Flow and exploitability of random policies, and the policies back again: 1e-8, in float32 1e-5 of rewards' size."""
    env = made(name, kind)
    game = mfglib.from_environment(env)
    close = 1e-8 if kind == torch.float64 else 1e-5
    law = "law" in ENVIRONMENTS[name][1:]
    assert game.horizon == (2 if law else 1) * (env.T + 1)
    assert game.n_observations == env.n_states * (1 + env.n_actions if law else 1)
    rng = np.random.default_rng(1)
    for _ in range(3):
        theirs = random_tensor(env, rng)
        ours = mfglib.from_policy(theirs, game)
        gap = exploitability_score(env, theirs)
        assert tmf.exploitability(game, ours, SYNCHRONOUS) == pytest.approx(gap, rel=close, abs=close)
        flow = mean_field_from_policy(theirs, env=env).reshape(env.T + 1, env.n_states, env.n_actions).numpy()
        mu = tmf.mean_field(game, ours, SYNCHRONOUS).mu
        if law:
            np.testing.assert_allclose(tmf.games.by_half_step(game, mu)[1], flow, atol=min(close, 1e-6))
        else:
            np.testing.assert_allclose(mu[:-1], flow.sum(axis=-1), atol=min(close, 1e-6))
        back = mfglib.to_policy(ours, game, env)
        assert back.dtype == kind and back.shape == theirs.shape
        torch.testing.assert_close(back, theirs)
    assert gap > 1e-3


@pytest.mark.parametrize("name", [name for name, (_, *depends) in ENVIRONMENTS.items() if "law" not in depends])
def test_what_depends_on_nothing_is_kept(name):
    reward, moves = ENVIRONMENTS[name][1:]
    game = mfglib.from_environment(made(name, torch.float32))
    assert isinstance(game.reward, np.ndarray) == (reward == "nothing")
    assert isinstance(game.transition, np.ndarray) == (moves == "nothing")
    assert game.observation_shape == made(name, torch.float32).S


@pytest.mark.parametrize("name", ["equilibrium_price", "beach_bar"])
def test_what_depends_on_the_step_alone(name):
    """In a game of mu, and in one of the law of observation and action: a table for each step, and their flow."""
    env = getattr(Environment, name)()
    kinds = torch.as_tensor(np.random.default_rng(4).dirichlet(np.ones(env.n_states), (env.T, env.n_states, env.n_actions)))
    kinds = torch.movedim(kinds.to(env.mu0.dtype), -1, 1).reshape(env.T, *env.S, *env.S, *env.A)
    env.transition_fn = lambda env, t, law: kinds[t]
    game = mfglib.from_environment(env)
    policy = random_tensor(env, np.random.default_rng(5))
    flow = tmf.mean_field(game, mfglib.from_policy(policy, game), SYNCHRONOUS)
    theirs = mean_field_from_policy(policy, env=env).flatten(1 + len(env.S)).sum(-1).flatten(1).numpy()
    own = tmf.games.by_half_step(game, flow.mu)[0] if name == "equilibrium_price" else flow.mu
    np.testing.assert_allclose(own[: env.T + 1], theirs, atol=1e-6)


def test_they_stand_by_default(kind):
    """Torch's default type and gradients are as they were; told what to depend on, nothing is tried."""
    asked = []

    def reward(env, t, law):
        asked.append(t)
        return law.sum(dim=1, keepdim=True).expand(2, 2) * 1.0

    eye = torch.eye(2)[:, :, None].repeat(1, 1, 2)
    env = Environment(
        T=1, S=(2,), A=(2,), mu0=torch.tensor([0.5, 0.5]), r_max=1.0, reward_fn=reward, transition_fn=lambda env, t, law: eye
    )  # fmt: skip
    game = mfglib.from_environment(env, depends="mu")
    assert asked == [0]  # what Game tries once
    assert torch.get_default_dtype() == kind and torch.is_grad_enabled()
    np.testing.assert_allclose(game.tables([0.25, 0.75])[0], [[0.25] * 2, [0.75] * 2], rtol=1e-7)


OURS = {
    "beach": lambda: tmf.games.beach_bar(5, horizon=4, step=1).at(),
    "infected": lambda: tmf.games.susceptible_infected(horizon=5),
    "evacuation": lambda: tmf.games.building_evacuation(2, length=2, width=2, horizon=3, step=1).at(),
}


@pytest.mark.parametrize("schedule", [None, tmf.Fraction(0.3)], ids=["everybody", "some"])
@pytest.mark.parametrize("name", OURS)
def test_our_games_there(name, schedule, kind):
    game = OURS[name]()
    env = mfglib.to_environment(game, schedule)
    assert env.T == game.horizon - 1 and env.S == game.observation_shape and env.mu0.dtype == kind
    close = 1e-8 if kind == torch.float64 else 1e-5
    rng = np.random.default_rng(2)
    for _ in range(2):
        policy = tmf.TabularPolicy(rng.dirichlet(np.ones(game.n_actions), size=(game.horizon, game.n_observations)))
        theirs = mfglib.to_policy(policy, game, env, schedule)
        gap = tmf.exploitability(game, policy, schedule or SYNCHRONOUS)
        assert exploitability_score(env, theirs) == pytest.approx(gap, rel=close, abs=close)
        np.testing.assert_allclose(mfglib.from_policy(theirs, game).table, policy.table, atol=close)


@pytest.mark.parametrize("name", OURS)
def test_there_and_back(name):
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        game = OURS[name]()
        again = mfglib.from_environment(mfglib.to_environment(game))
        rng = np.random.default_rng(3)
        policy = tmf.TabularPolicy(rng.dirichlet(np.ones(game.n_actions), size=(game.horizon, game.n_observations)))
        gaps = [tmf.exploitability(g, policy, SYNCHRONOUS) for g in (game, again)]
        assert gaps[0] == pytest.approx(gaps[1], rel=1e-8)
        assert again.observation_shape == game.observation_shape
    finally:
        torch.set_default_dtype(usual)


def test_a_bound_of_rewards():
    game = tmf.games.left_right(step=1).at()
    found = mfglib.to_environment(game).r_max
    worst = max(np.abs(game.tables(mu, 1)[0]).max() for mu in np.random.default_rng(0).dirichlet(np.ones(3), 50))
    assert worst <= found <= 2.0 and mfglib.to_environment(game, r_max=7.0).r_max == 7.0


def test_policies_that_look_at_mu_follow_their_own_flow():
    game, schedule = tmf.games.beach_bar(5, horizon=4, step=1).at(), tmf.Fraction(0.4)
    env = mfglib.to_environment(game, schedule)

    def policy(mu, t):
        return np.column_stack([mu, np.ones(5), 1 - mu]) / 2

    found = mfglib.to_policy(policy, game, env, schedule)
    flow = tmf.mean_field(game, policy, schedule).mu
    for t in range(4):
        np.testing.assert_allclose(found[t], policy(flow[t], t), atol=1e-6)


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mfglib.env", None)
    monkeypatch.delitem(sys.modules, "tmfcore.interop.mfglib")
    with pytest.raises(ModuleNotFoundError, match=r"interop\.mfglib needs .*'tmfcore\[peers\]'"):
        importlib.import_module("tmfcore.interop.mfglib")


def test_bad_arguments():
    game = tmf.games.left_right(step=1).at()
    env = mfglib.to_environment(game)
    with pytest.raises(TypeError, match="must be an Environment"):
        mfglib.from_environment(3)
    with pytest.raises(ValueError, match="depends"):
        mfglib.from_environment(env, depends="sometimes")
    with pytest.raises(ValueError, match=r"policy has shape \(2, 3, 3\); must be \(2, \*S, \*A\)"):
        mfglib.from_policy(np.full((2, 3, 3), 1 / 3), game)
    with pytest.raises(ValueError, match="sums to"):
        mfglib.from_policy(np.full((2, 3, 2), 0.4), game)
    with pytest.raises(ValueError, match="steps, observations and actions of env"):
        mfglib.to_policy(tmf.TabularPolicy.uniform(game), game, Environment.beach_bar())
    with pytest.raises(ValueError, match="r_max"):
        mfglib.to_environment(game, r_max=0.0)
    bad = Environment(
        T=1, S=(2,), A=(2,), mu0=torch.tensor([0.5, 0.5]), r_max=1.0, reward_fn=lambda env, t, law: torch.zeros(2, 2),
        transition_fn=lambda env, t, law: torch.full((2, 2, 2), 0.4),
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"env\.prob\(t=0\)"):
        mfglib.from_environment(bad)
