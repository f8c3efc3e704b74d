"""Learners of other libraries in our environments: Stable-Baselines3, also by SuperSuit's way from PettingZoo."""


import numpy as np
import pytest

import tmfcore as tmf
from stat_tests import Z

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra `envs`")


from tmfcore.interop.gymnasium import env, make_vec

GAME = tmf.games.queueing([0.1, 0.2, 0.3], step=1).at()
UNIFORM = tmf.TabularPolicy.uniform(GAME)
FLOW = tmf.mean_field(GAME, UNIFORM, tmf.Fraction(0.5))


# ------------------------------------------------------------------------------------------ stable-baselines3


@pytest.fixture
def sb3():
    return pytest.importorskip("stable_baselines3")


def test_as_stable_baselines3_sees_it(sb3):
    from tmfcore.interop.gymnasium import to_stable_baselines3

    copies, envs = to_stable_baselines3(make_vec(GAME, FLOW, num_envs=7)), make_vec(GAME, FLOW, num_envs=7)
    with pytest.raises(ValueError, match="call reset"):
        copies.action_masks()
    copies.seed(3)
    rows, infos = envs.reset(seed=3)
    assert (copies.reset() == rows).all() and (copies.action_masks() == infos["action_mask"]).all()
    for t in range(20):
        rows, rewards, done, _, infos = envs.step(np.full(7, t % 4))
        theirs = copies.step(np.full(7, t % 4))
        assert (theirs[0] == rows).all() and (theirs[1] == rewards.astype(np.float32)).all()
        assert (theirs[2] == done).all() and len(theirs[3]) == 7
        assert np.array_equal(copies.env_method("action_masks"), infos["action_mask"])
    for last, info in zip(infos["final_obs"], theirs[3]):
        assert (info["terminal_observation"] == last).all() and not info["TimeLimit.truncated"]
    assert copies.get_attr("num_envs", indices=[0, 1]) == [7, 7]
    assert copies.env_is_wrapped(object) == [False] * 7
    with pytest.raises(AttributeError, match="cannot be set"):
        copies.set_attr("num_envs", 3)
    with pytest.raises(AttributeError, match="cannot be called"):
        copies.env_method("close")
    with pytest.raises(ValueError, match="must be SAME_STEP"):
        to_stable_baselines3(make_vec(GAME, FLOW, num_envs=2, autoreset_mode="NextStep"))
    with pytest.raises(TypeError, match="envs"):
        to_stable_baselines3(env(GAME, FLOW))
    copies.close()


def learned(sb3, game, flow, rounds):
    """What PPO plays after so many rounds of 256 episodes, as a policy of (t, o) along the flow; and its model."""
    import torch

    from tmfcore.interop.gymnasium import to_stable_baselines3

    torch.set_num_threads(1)
    copies = to_stable_baselines3(make_vec(game, flow, num_envs=256))
    model = sb3.PPO(
        "MlpPolicy", copies, n_steps=game.horizon, batch_size=1280, n_epochs=8, learning_rate=2e-3,
        gamma=game.discount, ent_coef=0.0, seed=1, device="cpu",
    )  # fmt: skip
    model.learn(256 * game.horizon * rounds)
    S = game.n_observations
    rows = np.empty((game.horizon, S, 2 * S + 1), np.float32)
    rows[:, :, :S], rows[:, :, S : 2 * S] = np.eye(S), flow.mu[:-1, None]
    rows[:, :, 2 * S] = (np.arange(game.horizon) / game.horizon)[:, None]
    with torch.no_grad():
        found = model.policy.get_distribution(torch.as_tensor(rows.reshape(-1, 2 * S + 1))).distribution.probs
    table = found.double().numpy().reshape(game.horizon, S, -1)
    return model, tmf.TabularPolicy(table / table.sum(axis=-1, keepdims=True))


def returns(game, flow, choose, seed):
    """Discounted returns (n,) of 40,000 copies that play choose(rows, infos, t)."""
    envs = make_vec(game, flow, num_envs=40_000, autoreset_mode="Disabled")
    rows, infos = envs.reset(seed=seed)
    total, factor = np.zeros(40_000), 1.0
    for t in range(game.horizon):
        rows, rewards, _, _, infos = envs.step(choose(rows, infos, t))
        total, factor = total + factor * rewards, factor * game.discount
    return total


@pytest.fixture
def supersuit():
    pytest.importorskip("pettingzoo", reason="needs the extra `envs`")
    return pytest.importorskip("supersuit")


def test_supersuit_sees_what_the_environment_shows(supersuit):
    """Every agent is a copy of one vector, in the order of `possible_agents`; an episode begins anew by itself."""
    from tmfcore.interop.pettingzoo import parallel_env

    env, plain = parallel_env(GAME, tmf.Batch(3), 10), parallel_env(GAME, tmf.Batch(3), 10)
    copies = supersuit.pettingzoo_env_to_vec_env_v1(env)
    assert copies.num_envs == 10
    rows, _ = copies.reset(seed=4)
    shown, _ = plain.reset(seed=4)
    for t in range(45):
        assert (rows == np.array(list(shown.values()))).all()
        actions = np.arange(10) % 4
        rows, rewards, done, _, _ = copies.step(actions)
        shown, earned, ended, _, _ = plain.step(dict(zip(plain.agents, actions)))
        assert rewards.tolist() == np.float32(list(earned.values())).tolist()
        assert done.astype(bool).all() == all(ended.values()) == (t % 20 == 19)
        if not plain.agents:
            shown, _ = plain.reset()


@pytest.mark.parametrize("processes", [0, 2])
def test_supersuit_copies_them_into_processes(supersuit, sb3, processes):
    """Copies of one environment, pickled or deep-copied by SuperSuit, as one VecEnv of stable-baselines3."""
    from tmfcore.interop.pettingzoo import parallel_env

    one = supersuit.pettingzoo_env_to_vec_env_v1(parallel_env(GAME, tmf.Batch(3), 5))
    envs = supersuit.concat_vec_envs_v1(one, 2, num_cpus=processes, base_class="stable_baselines3")
    assert envs.reset().shape == (10, 9)
    for t in range(20):
        rows, rewards, done, _ = envs.step(np.full(10, t % 4))
    assert done.all() and (rows[:, -1] == 0).all() and np.isfinite(rewards).all()
    envs.close()


def test_ppo_learns_through_supersuit(supersuit, sb3):
    """The whole route, from the population to updated weights and actions."""
    from tmfcore.interop.pettingzoo import parallel_env

    one = supersuit.pettingzoo_env_to_vec_env_v1(parallel_env(GAME, tmf.Synchronous(), 5))
    envs = supersuit.concat_vec_envs_v1(one, 2, num_cpus=0, base_class="stable_baselines3")
    model = sb3.PPO("MlpPolicy", envs, n_steps=20, batch_size=100, n_epochs=2, device="cpu")  # SuperSuit takes no seed
    before = [part.clone() for part in model.policy.parameters()]
    model.learn(2 * 20 * 10)
    assert model.num_timesteps == 400
    assert any((a != b).any() for a, b in zip(before, model.policy.parameters()))
    actions, _ = model.predict(envs.reset())
    assert actions.shape == (10,) and set(actions.tolist()) <= {0, 1, 2, 3}


@pytest.mark.envs
def test_ppo_gains_nothing_over_the_equilibrium(sb3):
    """A minute of training on the queueing game: against the equilibrium flow nothing is to be gained, and PPO, which
    finds nearly all there is to gain against another flow, finds nothing."""
    schedule = tmf.Fraction(0.5)
    equilibrium = tmf.solve(GAME, schedule).policy
    gains = {}
    for name, policy, rounds in (("uniform", UNIFORM, 30), ("equilibrium", equilibrium, 100)):
        flow = tmf.mean_field(GAME, policy, schedule)
        model, found = learned(sb3, GAME, flow, rounds)
        kernel = np.broadcast_to(policy.table, (GAME.horizon, 4, 4)) if len(policy.table) == 1 else policy.table
        rng = np.random.default_rng(5)

        def play_policy(rows, infos, t, kernel=kernel, rng=rng):
            p = kernel[t][infos["observation"]]
            return (rng.random((len(p), 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)

        theirs = returns(GAME, flow, lambda rows, infos, t, model=model: model.predict(rows)[0], seed=2)
        ours = returns(GAME, flow, play_policy, seed=3)
        gain = theirs.mean() - ours.mean()
        half = Z * np.hypot(theirs.std() / np.sqrt(len(theirs)), ours.std() / np.sqrt(len(ours)))
        exactly = (
            tmf.evaluate(GAME, found, schedule, flow=flow).mean_return
            - tmf.evaluate(GAME, policy, schedule, flow=flow).mean_return
        )
        assert abs(gain - exactly) < half, "the samples and the exact value of what was learned disagree"
        gap = tmf.exploitability(GAME, policy, schedule)
        assert exactly <= gap + 1e-9, "nobody gains more than the best response does"
        gains[name] = gain, half, exactly, gap
    gain, half, exactly, gap = gains["uniform"]
    assert gain > half and exactly > 0.95 * gap, "PPO has not learned to play against the uniform policy"
    gain, half, exactly, gap = gains["equilibrium"]
    assert gain < half, "PPO gains over the equilibrium policy"
    assert exactly > -0.01, "PPO has not learned to play as well as the equilibrium"
