"""N agents as PettingZoo environments: its own tests, and the exact law of the population."""

from collections import Counter, defaultdict
from itertools import permutations

import numpy as np
import pytest
from activation_cases import BatchOfMu, ByObservation

import reference_laws
import tmfcore as tmf
from stat_tests import assert_law, assert_same_law
from strategies import ScheduleSpec, random_game, random_policy

pytest.importorskip("pettingzoo", reason="needs the extra `envs`")

from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, render_test, seed_test
from pettingzoo.test.state_test import state_test
from pettingzoo.utils import parallel_to_aec

from tmfcore.interop.pettingzoo import aec_env, parallel_env

SCHEDULES = [tmf.Sequential(), tmf.Batch(3), tmf.Synchronous(), tmf.Bernoulli(0.2), tmf.Batch([0, 2] * 10)]
GAME = tmf.games.queueing([0.1, 0.2, 0.3], step=1).at()


# ------------------------------------------------------------------------------------- PettingZoo's own tests


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("start", ["rounded", "sampled"])
def test_pettingzoo_finds_nothing(schedule, start):
    """Not a warning either: they are errors in this suite."""

    def parallel(**options):
        return parallel_env(GAME, schedule, 10, start=start, **options)

    def in_turn(**options):
        return aec_env(GAME, schedule, 10, start=start, **options)

    parallel_api_test(parallel(), num_cycles=50)
    parallel_seed_test(parallel)
    api_test(in_turn(), num_cycles=100)
    seed_test(in_turn)
    api_test(parallel_to_aec(parallel()), num_cycles=50)
    state_test(in_turn(), parallel())
    render_test(in_turn)


@pytest.mark.parametrize("make", [parallel_env, aec_env])
def test_pictures(make, capsys):
    for mode in (None, "human", "ansi", "rgb_array"):
        env = make(GAME, tmf.Batch(3), 10, render_mode=mode)
        env.reset(seed=1)
        shown, written = env.render(), capsys.readouterr().out
        if mode == "rgb_array":
            assert shown.dtype == np.uint8 and shown.shape == (480, 640, 3)
            blue = (shown == list(bytes.fromhex(tmf.plotting.PALETTE[0][1:]))).all(axis=-1)
            assert blue.sum(axis=0).max() > 300 and blue[:, 320:].sum() == 0  # one bar, of the first of four
        else:
            line = "step 0 of 20: idle 1.000, server 1 0.000, server 2 0.000, server 3 0.000"
            assert shown == (line if mode == "ansi" else None)
            assert written == (line + "\n" if mode == "human" else "")
        env.close()


# ---------------------------------------------------------------------------------------------------- the law


def play_parallel(env, policy, rng, seed=None):
    """One episode: [counts], [rewards by agent], [who acted], [own observations], by step."""
    game = env._crowd.game
    _, infos = env.reset(seed=seed)
    path, paid, acted, seen = [], [], [], []
    for t in range(game.horizon):
        path.append(tuple(np.rint(env.state()[:-1] * env.num_agents).astype(int).tolist()))
        seen.append([info["observation"] for info in infos.values()])
        actions = {}
        for agent, info in infos.items():
            if info["acts"]:
                actions[agent] = int(rng.choice(game.n_actions, p=policy(None, t)[info["observation"]]))
        acted.append(actions)
        n_agents = env.num_agents
        _, rewards, terminations, truncations, infos = env.step(actions)
        paid.append(list(rewards.values()))
        assert set(terminations.values()) == {t == game.horizon - 1} and not any(truncations.values())
    assert env.agents == []
    path.append(tuple(np.rint(env.state()[:-1] * n_agents).astype(int).tolist()))
    return path, paid, acted, seen


def play_in_turn(env, policy, rng, seed=None):
    """One episode: [counts] by step, total reward by agent, the order of play."""
    crowd = env._crowd
    game, n_agents = crowd.game, crowd.n_agents
    env.reset(seed=seed)
    earned = defaultdict(float)
    path, order = [None] * (game.horizon + 1), []
    for agent in env.agent_iter():
        row, reward, terminated, _, info = env.last()
        t = crowd.t
        assert row[-1] == np.float32(t / game.horizon)
        path[t] = tuple(np.rint(row[game.n_observations : -1] * n_agents).astype(int).tolist())
        earned[agent] += reward
        if terminated:
            env.step(None)
            continue
        order.append((t, agent))
        assert info["observation"] == row[: game.n_observations].argmax()
        env.step(int(rng.choice(game.n_actions, p=policy(None, t)[info["observation"]])))
    return path, earned, order


def exact(spec, policy, moves, start):
    """Law of the counts along a path."""
    law = defaultdict(float)
    for path, p in reference_laws.counts_paths(spec.reference(), policy, moves, start).items():
        law[path[::2]] += p
    return law


KINDS = [
    ScheduleSpec("sequential"),
    ScheduleSpec("batch", 2),
    ScheduleSpec("synchronous"),
    ScheduleSpec("bernoulli", 0.6),
    ByObservation("steps and observations", 2, 2),
    ByObservation("f(mu, t)", 2, 2),
    BatchOfMu(),
]


@pytest.mark.parametrize("schedule", KINDS, ids=lambda spec: getattr(spec, "name", spec.kind))
@pytest.mark.parametrize("passive", ["identity", "dense"])
@pytest.mark.parametrize("in_turn", [False, True], ids=["parallel", "aec"])
def test_paths_follow_the_exact_chain(schedule, passive, in_turn):
    """The law that simulate samples, by enumeration."""
    spec = random_game(11, 2, 2, horizon=2, dependence="mu_t", passive=passive, initial=[0.7, 0.3])
    policy = random_policy(12, 2, 2, stages=2).reference(2)
    moves = schedule.moves(2, 3)
    rng = np.random.default_rng(7)
    make = aec_env if in_turn else parallel_env
    env = make(spec.build(), schedule.build(), 3)
    start = (2, 1)
    paths = Counter()
    for k in range(4000):
        played = (play_in_turn if in_turn else play_parallel)(env, policy, rng, seed=5 if k == 0 else None)[0]
        if in_turn:  # a step at which nobody acts shows nobody anything
            played = [c if c is not None else "unseen" for c in played]
        paths[tuple(played)] += 1
    law = exact(spec, policy, moves, start)
    if in_turn and schedule.kind == "bernoulli":
        last = Counter()
        for path, n in paths.items():
            last[path[-1]] += n
        paths, ends = last, defaultdict(float)
        for path, p in law.items():
            ends[path[-1]] += p
        law = ends
    assert_law(paths, law)


@pytest.mark.parametrize("make", [parallel_env, aec_env])
def test_same_law_as_simulate(make):
    """Ten agents, by the counts at the end: more than can be enumerated."""
    game = tmf.games.queueing([0.2, 0.4], horizon=3, initial=[0.5, 0.3, 0.2], step=1).at()
    policy = tmf.TabularPolicy.uniform(game)
    schedule = tmf.Batch(4)
    run = tmf.simulate(game, policy, schedule, 10, replicas=30_000, rng=1, record_every=3, decisions=False)
    env, rng = make(game, schedule, 10), np.random.default_rng(2)
    play = play_parallel if make is parallel_env else play_in_turn
    ends = [play(env, lambda mu, t: np.full((3, 3), 1 / 3), rng, seed=3 if k == 0 else None)[0][-1] for k in range(3000)]
    assert_same_law(ends, map(tuple, run.counts[:, -1].tolist()))


def test_rewards_are_the_games():
    spec = random_game(3, 4, 3, horizon=4, dependence="mu_t", passive="dense")
    policy = random_policy(4, 4, 3).reference(4)
    env = parallel_env(spec.build(), tmf.Batch(3), 8, start="sampled")
    path, paid, acted, seen = play_parallel(env, policy, np.random.default_rng(1), seed=2)
    for t in range(4):
        assert tuple(np.bincount(seen[t], minlength=4)) == path[t]
        reward, _, passive_reward, _ = spec.reference().tables(np.array(path[t]) / 8, t)
        expected = [
            reward[o, acted[t][agent]] if agent in acted[t] else passive_reward[o]
            for agent, o in zip(env.possible_agents, seen[t])
        ]
        np.testing.assert_allclose(paid[t], expected, rtol=1e-12)
        assert len(acted[t]) == 3


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_both_ways_of_playing_are_one_game(schedule):
    """With one seed and a policy of one action they go the same way, and pay everybody the same."""
    policy = lambda mu, t: np.eye(4)[[1, 2, 3, 0]]  # noqa: E731
    rng = np.random.default_rng(1)
    path, paid, acted, _ = play_parallel(parallel_env(GAME, schedule, 7), policy, rng, seed=8)
    other, earned, order = play_in_turn(aec_env(GAME, schedule, 7), policy, rng, seed=8)
    assert all(c is None or c == path[t] for t, c in enumerate(other)) and other[-1] == path[-1]
    np.testing.assert_allclose([earned[f"agent_{i}"] for i in range(7)], np.sum(paid, axis=0), rtol=1e-12)
    assert [{a for s, a in order if s == t} for t in range(20)] == [set(actions) for actions in acted]


@pytest.mark.parametrize(("schedule", "size"), [(tmf.Batch(2), 2), (tmf.Synchronous(), 4)])
def test_a_batch_acts_in_random_order(schedule, size):
    env = aec_env(tmf.games.queueing([0.1, 0.2], horizon=1, step=1).at(), schedule, 4)
    orders = Counter()
    for k in range(10_000):
        env.reset(seed=9 if k == 0 else None)
        order = []
        while not env.terminations["agent_0"]:
            order.append(env.agent_selection)
            env.step(0)
        orders[tuple(order)] += 1
    everything = list(permutations([f"agent_{i}" for i in range(4)], size))
    assert_law(orders, dict.fromkeys(everything, 1 / len(everything)))


def test_all_of_a_batch_see_one_population():
    env = aec_env(GAME, tmf.Synchronous(), 5)
    env.reset(seed=1)
    for _ in range(5):
        assert env.last()[0][4:8].tolist() == [1, 0, 0, 0]
        assert set(env.rewards.values()) == {0.0}
        env.step(2)
    assert env.state()[2] == 1


def test_anybody_may_start_anywhere():
    game = tmf.games.queueing([0.1, 0.2], initial=[0.5, 0.25, 0.25], step=1).at()
    env = parallel_env(game, tmf.Batch(1), 4)
    first = Counter(
        env.reset(seed=3 if k == 0 else None)[1]["agent_0"]["observation"] for k in range(5000)
    )
    assert_law(first, {0: 0.5, 1: 0.25, 2: 0.25})
    sampled = parallel_env(game, tmf.Batch(1), 2, start="sampled")
    both = Counter()
    for k in range(5000):
        infos = sampled.reset(seed=4 if k == 0 else None)[1]
        both[tuple(info["observation"] for info in infos.values())] += 1
    assert_law(both, {(x, y): game.initial[x] * game.initial[y] for x in range(3) for y in range(3)})


# ----------------------------------------------------------------------------------------------- the interface


def test_masks_and_views():
    env = parallel_env(GAME, tmf.Batch(2), 6)
    before, infos = env.reset(seed=1)
    acting = [agent for agent, info in infos.items() if info["acts"]]
    assert len(acting) == 2
    for agent, info in infos.items():
        assert info["action_mask"].dtype == np.int8
        assert info["action_mask"].tolist() == ([1, 1, 1, 1] if agent in acting else [1, 0, 0, 0])
        assert before[agent] in env.observation_space(agent)
    kept = {agent: row.copy() for agent, row in before.items()}
    after, *_ = env.step(dict.fromkeys(acting, 3))  # of the others nothing need be said
    assert all((before[agent] == kept[agent]).all() for agent in kept), "an old observation was written over"
    assert after["agent_0"][7] == np.float32(2 / 6)
    space = env.action_space("agent_1")
    assert space is env.action_space("agent_1") and space is not env.action_space("agent_2")


def test_nobody_ever_acts():
    env = aec_env(GAME, tmf.Bernoulli(0.0), 3)
    env.reset(seed=1)
    total = Counter()
    for agent in env.agent_iter():
        _, reward, terminated, *_ = env.last()
        assert terminated
        total[agent] += reward
        env.step(None)
    assert total == dict.fromkeys(["agent_0", "agent_1", "agent_2"], 0.0)  # idle for good


def test_errors_name_the_agent_and_the_action():
    env = parallel_env(GAME, tmf.Synchronous(), 2)
    with pytest.raises(ValueError, match="call reset"):
        env.step({})
    with pytest.raises(ValueError, match="call reset"):
        env.state()
    env.reset(seed=1)
    with pytest.raises(ValueError, match="no entry for agent_"):
        env.step({"agent_0": 1})
    with pytest.raises(ValueError, match=r"must be in \[0, 3\]"):
        env.step({"agent_0": 1, "agent_1": 4})
    with pytest.raises(TypeError, match="integers"):
        env.step({"agent_0": 1, "agent_1": 0.5})
    assert env.state()[-1] == 0  # nothing has happened
    with pytest.raises(ValueError, match="agent is 'agent_9'"):
        env.action_space("agent_9")
    turns = aec_env(GAME, tmf.Synchronous(), 1)
    with pytest.raises(ValueError, match="call reset"):
        turns.step(0)
    turns.reset(seed=1)
    with pytest.raises(ValueError, match=r"must be in \[0, 3\]"):
        turns.step(-1)
    while not turns.terminations["agent_0"]:
        turns.step(0)
    with pytest.raises(ValueError, match="must be None"):
        turns.step(0)
    turns.step(None)
    with pytest.raises(ValueError, match="the episode is over"):
        turns.step(None)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        ((GAME, 3, 5), {}, TypeError, "schedule"),
        ((GAME, tmf.Batch(6), 5), {}, ValueError, "n_agents = 5"),
        ((GAME, tmf.Batch(1), 0), {}, ValueError, "n_agents is 0"),
        ((None, tmf.Batch(1), 5), {}, TypeError, "game"),
        ((GAME, tmf.Batch(1), 5), {"start": "random"}, ValueError, "start is 'random'"),
        ((GAME, tmf.Batch(1), 5), {"render_mode": "film"}, ValueError, "render_mode is 'film'"),
    ],
)
@pytest.mark.parametrize("make", [parallel_env, aec_env])
def test_bad_arguments(make, arguments, options, kind, message):
    with pytest.raises(kind, match=message):
        make(*arguments, **options)


def test_a_seed_is_an_integer():
    env = parallel_env(GAME, tmf.Batch(1), 5)
    with pytest.raises(ValueError, match="seed is -1"):
        env.reset(seed=-1)


def test_a_game_that_fails_leaves_the_turn_as_it_was():
    game = tmf.Game(
        2, 1, 3, 1.0, [1.0, 0.0], np.zeros((2, 1)),
        lambda mu, t: np.full((2, 1, 2), 0.5 if t == 0 else 0.4),
    )  # fmt: skip
    env = aec_env(game, tmf.Batch(2), 2)
    env.reset(seed=1)
    for _ in range(3):
        env.step(0)
    held, agent = env.state(), env.agent_selection
    for _ in range(2):
        with pytest.raises(ValueError, match=r"sums to 0\.8"):
            env.step(0)
        assert env.agent_selection == agent and (env.state() == held).all()
