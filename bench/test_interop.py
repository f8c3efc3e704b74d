"""One step of environments of other libraries: N agents by dictionaries, and many tagged agents in one call.

Each is compared with the same work in plain code: a loop over agents, and numpy arrays over copies.
"""

import time

import numpy as np
import pytest

import tmfcore as tmf

GAME = tmf.games.queueing([0.1, 0.2, 0.3], step=1).at()
N, B = 1000, 100
COPIES = 10_000


def agents_of_tmfcore():
    pytest.importorskip("pettingzoo")
    env = tmf.interop.pettingzoo.parallel_env(GAME, tmf.Batch(B), N)
    actions = dict.fromkeys(env.possible_agents, 1)

    def step():
        if not env.agents:
            env.reset(seed=1)
        return env.step(actions)

    return step


def agents_written_plainly():
    """A loop over agents that fills the same dictionaries with fresh arrays."""
    names = [f"agent_{i}" for i in range(N)]
    given = dict.fromkeys(names, 1)
    rng = np.random.default_rng(1)
    S, A = GAME.n_observations, GAME.n_actions
    state = {"t": GAME.horizon}

    def see():
        mu = np.bincount(list(state["where"].values()), minlength=S) / N
        acting = set(rng.choice(N, B, replace=False).tolist()) if state["t"] < GAME.horizon else set()
        state["acting"] = {names[i] for i in acting}
        rows, infos = {}, {}
        for name in names:
            own = np.zeros(S)
            own[state["where"][name]] = 1
            rows[name] = np.concatenate([own, mu, [state["t"] / GAME.horizon]]).astype(np.float32)
            mask = np.zeros(A, np.int8)
            mask[: A if name in state["acting"] else 1] = 1
            infos[name] = {
                "acts": name in state["acting"], "action_mask": mask, "observation": state["where"][name],
            }  # fmt: skip
        state["mu"] = mu
        return rows, infos

    def step():
        if state["t"] == GAME.horizon:
            state.update(t=0, where=dict.fromkeys(names, 0))
            see()
        reward, transition, passive_reward, passive_transition = GAME.tables(state["mu"], state["t"])
        rewards = {}
        for name in names:
            o = state["where"][name]
            if name in state["acting"]:
                rewards[name] = reward[o, given[name]]
                row = transition[o, given[name]]
            else:
                rewards[name] = passive_reward[o]
                row = passive_transition[o]
            state["where"][name] = int(rng.choice(S, p=row))
        state["t"] += 1
        rows, infos = see()
        over = state["t"] == GAME.horizon
        return rows, rewards, dict.fromkeys(names, over), dict.fromkeys(names, False), infos

    return step


@pytest.mark.benchmark(group="environments: one step of 1000 agents")
@pytest.mark.parametrize("make", [agents_of_tmfcore, agents_written_plainly])
def test_step_of_a_parallel_environment(measure, make):
    """ns per agent, including dictionaries; 100 of 1000 act."""
    step = make()
    rows, rewards, *_, infos = measure(step, units=N, unit="agent")
    assert len(rows) == len(rewards) == N and rows["agent_0"].shape == (9,)
    assert sum(info["acts"] for info in infos.values()) in (0, B)


@pytest.mark.benchmark(group="environments: an episode of 10 agents, 20 steps of 3")
@pytest.mark.parametrize("kind", ["parallel", "aec"])
def test_episode_of_few_agents(measure, kind):
    """us per step, with the reset: what Python takes for each call and each agent."""
    pettingzoo = pytest.importorskip("tmfcore.interop.pettingzoo", exc_type=ImportError)
    env = (pettingzoo.parallel_env if kind == "parallel" else pettingzoo.aec_env)(GAME, tmf.Batch(3), 10)
    actions = dict.fromkeys(env.possible_agents, 1)

    def episode():
        env.reset()
        while env.agents:
            if kind == "parallel":
                env.step(actions)
            else:
                env.step(None if env.terminations[env.agent_selection] else 1)
        return env.state()

    assert measure(episode, units=20, unit="step")[-1] == 1


def copies_of_tmfcore():
    pytest.importorskip("gymnasium")
    flow = tmf.mean_field(GAME, tmf.TabularPolicy.uniform(GAME), tmf.Fraction(0.5))
    envs = tmf.interop.gymnasium.make_vec(GAME, flow, num_envs=COPIES)
    actions = np.random.default_rng(1).integers(0, 4, COPIES)
    envs.reset(seed=1)
    return lambda: envs.step(actions)


def copies_in_populations():
    """Each copy is one of 1000 agents in its own population."""
    pytest.importorskip("gymnasium")
    others = tmf.TabularPolicy.uniform(GAME)
    envs = tmf.interop.gymnasium.make_vec(GAME, others, tmf.Fraction(0.1), 1000, num_envs=COPIES)
    actions = np.random.default_rng(1).integers(0, 4, COPIES)
    envs.reset(seed=1)
    return lambda: envs.step(actions)


def copies_in_numpy():
    """Cumulative rows, one uniform number per copy, one-hot vectors by indexing."""
    flow = tmf.mean_field(GAME, tmf.TabularPolicy.uniform(GAME), tmf.Fraction(0.5))
    actions = np.random.default_rng(1).integers(0, 4, COPIES)
    rng = np.random.default_rng(2)
    state = {"t": 0, "where": np.zeros(COPIES, np.int64), "acts": np.ones(COPIES, bool)}

    def step():
        where, acts = state["where"], state["acts"]
        reward, transition, passive_reward, passive_transition = GAME.tables(flow.mu[state["t"]], state["t"])
        rewards = np.where(acts, reward[where, actions], passive_reward[where])
        rows = np.where(acts[:, None], transition[where, actions], passive_transition[where]).cumsum(axis=1)
        where = (rng.random((COPIES, 1)) > rows[:, :-1]).sum(axis=1)
        state["t"] = (state["t"] + 1) % GAME.horizon
        if state["t"] == 0:
            where = np.zeros(COPIES, np.int64)
        state["where"], state["acts"] = where, rng.random(COPIES) < 0.5
        seen = np.zeros((COPIES, 9), np.float32)
        seen[np.arange(COPIES), where] = 1
        seen[:, 4:8] = flow.mu[state["t"]]
        seen[:, 8] = state["t"] / GAME.horizon
        return seen, rewards

    return step


@pytest.mark.benchmark(group="environments: one step of 10^4 tagged agents")
@pytest.mark.parametrize("make", [copies_of_tmfcore, copies_in_populations, copies_in_numpy])
def test_step_of_tagged_agents(measure, make):
    """ns per agent and step; episodes restart every 20 steps."""
    rows, rewards, *_ = measure(make(), units=COPIES, unit="agent-step")
    assert rows.shape == (COPIES, 9) and rewards.shape == (COPIES,)


@pytest.mark.benchmark(group="openspiel")
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mean_field_lin_quad", None),
        ("python_mfg_periodic_aversion", {"size": 9, "horizon": 3}),
        ("mfg_crowd_modelling", {"size": 10, "horizon": 10}),
        ("mfg_garnet", None),
    ],
)
def test_openspiel_game(benchmark, name, parameters):
    """Read a game of OpenSpiel and evaluate the uniform policy; "over_nash_conv": time over that of its NashConv."""
    pyspiel = pytest.importorskip("pyspiel")
    pytest.importorskip("open_spiel.python.mfg.games")
    from open_spiel.python import policy as spiel_policy
    from open_spiel.python.mfg.algorithms import nash_conv

    theirs = pyspiel.load_game(name, parameters) if parameters else pyspiel.load_game(name)
    before = time.process_time()
    nash_conv.NashConv(theirs, spiel_policy.UniformRandomPolicy(theirs)).nash_conv()
    their_seconds = time.process_time() - before
    seconds = []

    def ours():
        start = time.process_time()
        game = tmf.interop.openspiel.from_game(name, parameters)
        gap = tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
        seconds.append(time.process_time() - start)
        return gap

    assert benchmark.pedantic(ours, rounds=2, warmup_rounds=1) > 0
    benchmark.extra_info["over_nash_conv"] = min(seconds) / their_seconds
