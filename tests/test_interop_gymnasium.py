"""Tagged agents as Gymnasium environments: its own checker, and the exact law of one agent."""

import itertools
import pickle
import sys
from collections import Counter, defaultdict

import numpy as np
import pytest
from activation_cases import BatchOfMu, ByObservation

import reference_gradient
import reference_laws
import tmfcore as tmf
from stat_tests import assert_law, assert_mean
from strategies import ScheduleSpec, random_game, random_policy
from tmfcore import plotting

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra `envs`")

from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from tmfcore.interop.gymnasium import ID, env, make_vec

GAME = tmf.games.queueing([0.1, 0.2, 0.3], step=1).at()
UNIFORM = tmf.TabularPolicy.uniform(GAME)
FLOW = tmf.mean_field(GAME, UNIFORM, tmf.Fraction(0.5))
FACED = {
    "flow": (GAME, FLOW),
    "batch": (GAME, UNIFORM, tmf.Batch(3), 10),
    "single": (GAME, UNIFORM, tmf.Sequential(), 10),
    "coin": (GAME, lambda mu, t: np.full((4, 4), 0.25), tmf.Bernoulli(0.3), 10),
}


# ------------------------------------------------------------------------------------- Gymnasium's own checker


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("faced", FACED)
@pytest.mark.parametrize("render_mode", [None, "ansi", "rgb_array"])
def test_gymnasium_finds_nothing(faced, clock, render_mode):
    """Not a warning either: they are errors in this suite. The checker renders in every mode."""
    check_env(env(*FACED[faced], clock=clock, render_mode=render_mode))


def test_gymnasium_makes_it():
    made = gymnasium.make(ID, game=GAME, population=FLOW)
    assert made.reset(seed=1)[0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 0]
    assert made.spec.id == ID
    envs = gymnasium.make_vec(ID, num_envs=3, game=GAME, population=FLOW)
    assert type(envs.unwrapped).__name__ == "TaggedVectorEnv"
    assert envs.reset(seed=1)[0].shape == (3, 9)
    plain = gymnasium.make_vec(ID, num_envs=3, vectorization_mode="sync", game=GAME, population=FLOW)
    assert plain.reset(seed=1)[0].shape == (3, 9)


def test_pictures():
    shown = env(GAME, FLOW, render_mode="ansi")
    shown.reset(seed=1)
    line = "step 0 of 20: idle 1.000, server 1 0.000, server 2 0.000, server 3 0.000"
    assert shown.render() == line + " | agent at idle"
    picture = env(GAME, FLOW, render_mode="rgb_array")
    picture.reset(seed=1)
    first = picture.render()
    assert first.shape == (480, 640, 3) and first.dtype == np.uint8
    picture.step(1)
    assert picture.render().shape == first.shape and (picture.render() != first).any()
    blind = env(GAME, FLOW)
    blind.reset(seed=1)
    assert blind.render() is None


def in_view(pixels, color):
    """Pixels of a colour, "#RRGGBB", by row and column."""
    rows, columns = np.nonzero((pixels == list(bytes.fromhex(color[1:]))).all(axis=-1))
    return rows, columns


def test_a_grid_is_drawn_as_a_map_with_the_agent_on_it():
    """A quarter of the population in each corner of a grid, whose middle is empty; everybody stays."""
    corners = np.zeros((3, 3))
    corners[::2, ::2] = 0.25
    game = tmf.games.crowd_motion((3, 3), bar=(1, 1), wrap=False, noise=(0, 0, 1, 0, 0), initial=corners.ravel(), horizon=4)
    stay = tmf.TabularPolicy(np.eye(5)[np.full(9, 2)])
    told = env(game, tmf.mean_field(game, stay, tmf.Synchronous()), render_mode="ansi")
    told.reset(seed=1)
    first, *rows = told.render().splitlines()
    assert first.startswith("step 0 of 4: share at each row and column | agent at ")
    assert rows == ["0.250 0.000 0.250", "0.000 0.000 0.000", "0.250 0.000 0.250"]
    drawn = env(game, tmf.mean_field(game, stay, tmf.Synchronous()), render_mode="rgb_array")
    _, info = drawn.reset(seed=1)
    pixels = drawn.render()
    darkest = "#440154"  # of viridis: nobody
    tall, wide = (np.ptp(where) + 1 for where in in_view(pixels, darkest))
    assert tall > 240 and abs(tall - wide) < 3, "the empty cross reaches over the whole square map"
    left, top = in_view(pixels, darkest)[1].min(), in_view(pixels, darkest)[0].min()
    rows, columns = in_view(pixels, plotting.PALETTE[1])
    on_map = columns < left + wide
    on_map &= rows < top + tall
    row, column = divmod(info["observation"], 3)
    assert abs(np.median(rows[on_map]) - (top + (row + 0.5) * tall / 3)) < 4
    assert abs(np.median(columns[on_map]) - (left + (column + 0.5) * wide / 3)) < 4


def test_pictures_of_one_environment_have_one_layout():
    """Only what moves differs: axes and labels stay where they are, while the step is counted up."""
    game = tmf.games.queueing([0.1, 0.2, 0.3], horizon=12, step=1)
    shown = env(game, tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()), render_mode="rgb_array")
    shown.reset(seed=1)
    frames = []
    while True:
        frames.append(shown.render())
        if len(frames) == 12:
            break
        shown.step(0)
    below = [frame[440:] for frame in frames]  # names of the observations, the legend
    assert all((each == below[0]).all() for each in below)


def test_many_observations_are_listed_by_the_largest():
    game = tmf.games.beach_bar(100, horizon=3, initial=np.eye(100)[7])
    told = env(game, tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()), render_mode="ansi")
    told.reset(seed=1)
    assert told.render() == "step 0 of 3: 7 1.000, the other 99 0.000 | agent at 7"


def test_pictures_need_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="pictures need matplotlib"):
        env(GAME, FLOW, render_mode="rgb_array")
    env(GAME, FLOW, render_mode="ansi")


# ---------------------------------------------------------------------------------------------------- the law


def play(envs, policy, rng, seed=1):
    """One episode of all copies: observations (T+1, n), returns (n,), acts (T, n), rows [(n, 2S+1)]."""
    game = envs._world.game
    rows, infos = envs.reset(seed=seed)
    seen, acts, held = [infos["observation"]], [], [rows]
    total, factor = np.zeros(envs.num_envs), 1.0
    for t in range(game.horizon):
        p = policy(None, t)[infos["observation"]]
        actions = (rng.random((envs.num_envs, 1)) > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
        acts.append(infos["acts"])
        rows, rewards, terminations, truncations, infos = envs.step(actions)
        total += factor * rewards
        factor *= game.discount
        held.append(rows)
        seen.append(infos["observation"])
        assert terminations.all() == terminations.any() == (t == game.horizon - 1) and not truncations.any()
    return np.array(seen), total, np.array(acts), held


@pytest.mark.parametrize("clock", ["schedule", "always"])
@pytest.mark.parametrize("passive", ["identity", "dense", "sparse"])
def test_paths_in_a_flow_follow_its_rows(clock, passive):
    spec = random_game(21, 3, 2, horizon=3, dependence="mu_t", passive=passive, sparse=passive == "sparse")
    game, plain = spec.build(), spec.reference()
    own, others = random_policy(22, 3, 2, stages=3).reference(3), random_policy(23, 3, 2)
    beta = np.array([0.3, 1.0, 0.6])
    flow = tmf.mean_field(game, others.build(3), tmf.Fraction(beta))
    law = {(o,): p for o, p in enumerate(plain.initial)}
    for t in range(3):
        mu = flow.mu[t]
        _, transition, _, resting = plain.tables(mu, t)
        share = 1.0 if clock == "always" else beta[t]
        step = share * np.einsum("oa,oax->ox", own(mu, t), transition) + (1 - share) * resting
        law = {(*path, x): p * step[path[-1], x] for path, p in law.items() for x in range(3)}
    envs = make_vec(game, flow, num_envs=100_000, clock=clock, autoreset_mode="Disabled")
    seen, total, acts, rows = play(envs, own, np.random.default_rng(5))
    total_mass = sum(law.values())
    assert_law(seen.T, {path: p / total_mass for path, p in law.items() if p > 0})
    value = tmf.evaluate(game, as_stages(own, 3), tmf.Fraction(beta), clock=clock, flow=flow).mean_return
    assert_mean(total, value)
    assert_mean(acts.T.astype(float), np.ones(3) if clock == "always" else beta, slack=1e-12)
    for t in range(4):
        expected = np.concatenate([np.eye(3)[seen[t]], np.tile(flow.mu[t], (100_000, 1)), np.full((100_000, 1), t / 3)], 1)
        np.testing.assert_array_equal(rows[t], expected.astype(np.float32))


def as_stages(policy, horizon):
    return tmf.TabularPolicy(np.array([policy(None, t) for t in range(horizon)]))


KINDS = [
    ScheduleSpec("sequential"),
    ScheduleSpec("batch", np.array([2, 1])),
    ScheduleSpec("synchronous"),
    ScheduleSpec("bernoulli", 0.6),
    ByObservation("steps and observations", 2, 2),
    ByObservation("f(mu, t)", 2, 2),
    BatchOfMu(),
]


@pytest.mark.parametrize("schedule", KINDS, ids=lambda spec: getattr(spec, "name", spec.kind))
@pytest.mark.parametrize("passive", ["identity", "dense"])
def test_one_of_three_earns_what_it_should(schedule, passive):
    """A deviating agent among finitely many, by enumeration of who is where; and where everybody is at the end."""
    spec = random_game(31, 2, 2, horizon=2, dependence="mu_t", passive=passive, initial=[0.7, 0.3])
    game, plain = spec.build(), spec.reference()
    own, others = random_policy(32, 2, 2, stages=2).reference(2), random_policy(33, 2, 2, kind="affine")
    moves = schedule.moves(2, 3)
    start = (0, 0, 1)
    R = 20_000  # a game in Python is asked once for each copy
    envs = make_vec(game, others.build(2), schedule.build(), 3, num_envs=R, autoreset_mode="Disabled")
    _, total, _, _ = play(envs, own, np.random.default_rng(6))
    policies = [own, others.reference(2), others.reference(2)]
    values = [
        reference_gradient.agent_value(plain, [policies[abs(j - i)] for j in range(3)], moves, start, i) for i in range(3)
    ]
    assert_mean(total, np.mean(values))

    with_others = make_vec(game, others.build(2), schedule.build(), 3, num_envs=R, autoreset_mode="Disabled")
    affine = others.reference(2)
    _, infos = with_others.reset(seed=4)
    rng = np.random.default_rng(7)
    for t in range(2):
        at_first = with_others._world.counts[:, 0]
        tables = np.array([affine(np.array([c, 3 - c]) / 3, t) for c in range(4)])
        p = tables[at_first, infos["observation"], 0]
        _, _, _, _, infos = with_others.step((rng.random(R) >= p).astype(np.int64))
    laws = reference_laws.configuration_laws(plain, affine, moves, start)[-1]
    law = defaultdict(float)
    for x in itertools.product(range(2), repeat=3):
        for own_place in x:
            law[own_place, x.count(0)] += laws[x] / 3
    ends = zip(infos["observation"].tolist(), with_others._world.counts[:, 0].tolist())
    assert_law(Counter(ends), law)


def test_always_is_in_every_batch():
    """With batches of one nobody else moves."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6), congestion=1.0, initial=[0.5, 0.3, 0.2], step=1).at()
    envs = make_vec(game, tmf.TabularPolicy.uniform(game), tmf.Sequential(), 10, num_envs=500, clock="always")
    _, infos = envs.reset(seed=1)
    others = envs._world.counts - np.eye(3, dtype=int)[infos["observation"]]
    for _ in range(5):
        assert infos["acts"].all()
        actions = np.random.default_rng(2).integers(0, 3, 500)
        _, _, _, _, infos = envs.step(actions)
        assert (infos["observation"] == actions).all()
        assert (envs._world.counts - np.eye(3, dtype=int)[actions] == others).all()
    with pytest.raises(ValueError, match="schedule has a batch of 0 at step 3"):
        make_vec(game, tmf.TabularPolicy.uniform(game), tmf.Batch([1, 1, 1, 0] * 5), 10, num_envs=5, clock="always")


@pytest.mark.parametrize("start", ["rounded", "sampled"])
def test_the_tagged_agent_is_any_of_them(start):
    game = tmf.games.queueing([0.1, 0.2], initial=[0.5, 0.25, 0.25], step=1).at()
    envs = make_vec(game, tmf.TabularPolicy.uniform(game), tmf.Batch(1), 4, num_envs=20_000, start=start)
    _, infos = envs.reset(seed=1)
    counts = envs._world.counts
    if start == "rounded":
        assert (counts == [2, 1, 1]).all()
        law = {(o, (2, 1, 1)): p for o, p in enumerate(game.initial)}
    else:
        law = {
            (o, c): p * c[o] / 4 for c, p in reference_laws.multinomial_law(4, game.initial) for o in range(3) if c[o] > 0
        }
    assert_law(Counter(zip(infos["observation"].tolist(), map(tuple, counts.tolist()))), law)


@pytest.mark.parametrize("faced", FACED)
def test_single_and_vectorised_are_one_game(faced):
    """One copy and the single environment draw alike: the same seed, the same path."""
    one, many = env(*FACED[faced]), make_vec(*FACED[faced], num_envs=1)
    row, info = one.reset(seed=3)
    rows, infos = many.reset(seed=3)
    actions = np.random.default_rng(4).integers(0, 4, 20)
    for t, a in enumerate(actions):
        assert (row == rows[0]).all() and info["acts"] == infos["acts"][0]
        assert (info["action_mask"] == infos["action_mask"][0]).all()
        assert (info["action_mask"] == (1 if info["acts"] else [1, 0, 0, 0])).all()
        row, reward, terminated, _, info = one.step(a)
        rows, rewards, terminations, _, infos = many.step(np.array([a]))
        assert reward == rewards[0] and terminated == terminations[0] == (t == 19)
    assert (infos["final_obs"][0] == row).all()


# ----------------------------------------------------------------------------------------- episodes of many copies


def test_same_step():
    envs = make_vec(GAME, FLOW, num_envs=5)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    rows, _ = envs.reset(seed=1)
    for _ in range(3):
        for t in range(20):
            assert (rows[:, -1] == np.float32(t / 20)).all() and rows in envs.observation_space
            rows, _, done, _, infos = envs.step(envs.action_space.sample())
            assert ("final_obs" in infos) == done.all() == (t == 19)
        assert infos["_final_obs"].all() and infos["_final_info"].all() and infos["_acts"].all()
        for i, last in enumerate(infos["final_obs"]):
            assert last[-1] == 1 and last in envs.single_observation_space
            assert last[:4].argmax() == infos["final_info"]["observation"][i]


def test_next_step():
    envs = make_vec(GAME, FLOW, num_envs=5, autoreset_mode=AutoresetMode.NEXT_STEP)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    envs.reset(seed=1)
    for _ in range(3):
        for _ in range(20):
            rows, _, done, _, infos = envs.step(envs.action_space.sample())
        assert done.all() and (rows[:, -1] == 1).all() and "final_obs" not in infos
        rows, rewards, done, _, infos = envs.step(envs.action_space.sample())
        assert not done.any() and (rewards == 0).all() and (rows[:, -1] == 0).all()


def test_no_reset_of_its_own():
    envs = make_vec(GAME, FLOW, num_envs=5, autoreset_mode="Disabled")
    envs.reset(seed=1)
    for _ in range(20):
        envs.step(envs.action_space.sample())
    with pytest.raises(ResetNeeded, match="the episode is over"):
        envs.step(envs.action_space.sample())
    with pytest.raises(ValueError, match="True for all 5 copies"):
        envs.reset(options={"reset_mask": np.array([True, False, True, True, True])})
    rows, _ = envs.reset(options={"reset_mask": np.ones(5, np.bool_)})
    assert (rows[:, -1] == 0).all()


@pytest.mark.parametrize("mode", ["SameStep", "NextStep"])
def test_wrappers_of_gymnasium(mode):
    envs = RecordEpisodeStatistics(make_vec(GAME, FLOW, num_envs=6, autoreset_mode=mode))
    envs.reset(seed=1)
    total = np.zeros(6)
    for _ in range(20):
        _, rewards, _, _, infos = envs.step(envs.action_space.sample())
        total += rewards
    np.testing.assert_allclose(infos["episode"]["r"], total)
    assert (infos["episode"]["l"] == 20).all()


@pytest.mark.parametrize("faced", FACED)
def test_seeds(faced):
    def run(seed):
        envs = make_vec(*FACED[faced], num_envs=50)
        rows, _ = envs.reset(seed=seed)
        out = [rows]
        for t in range(25):
            rows, rewards, *_ = envs.step(np.full(50, t % 4))
            out += [rows, rewards]
        return [part.tobytes() for part in out]

    assert run(1) == run(1) != run(2)


def test_what_was_returned_stays():
    envs = make_vec(GAME, FLOW, num_envs=50)
    rows, infos = envs.reset(seed=1)
    held = [(part, part.copy()) for part in (rows, *infos.values())]
    for t in range(30):
        rows, rewards, done, cut, infos = envs.step(np.full(50, t % 4))
        held += [(part, part.copy()) for part in (rows, rewards, done, cut, infos["acts"], infos["observation"])]
    assert all((part == copy).all() for part, copy in held)
    infos["observation"][:] = 99  # the caller's own
    envs.step(np.zeros(50, np.int64))


# ---------------------------------------------------------------------------------------------------- mistakes


def test_steps_out_of_turn():
    for made, action in ((env(GAME, FLOW), 0), (make_vec(GAME, FLOW, num_envs=2), [0, 0])):
        with pytest.raises(ResetNeeded, match="call reset"):
            made.step(action)
    with pytest.raises(ResetNeeded, match="call reset"):
        env(GAME, FLOW, render_mode="ansi").render()
    made = env(GAME, FLOW)
    made.reset(seed=1)
    for _ in range(20):
        *_, terminated, truncated, _ = made.step(0)
    assert terminated and not truncated
    with pytest.raises(ResetNeeded, match="the episode is over"):
        made.step(0)


def test_bad_actions():
    envs = make_vec(GAME, FLOW, num_envs=3)
    envs.reset(seed=1)
    with pytest.raises(ValueError, match=r"actions\[1\] is 4; must be in \[0, 3\] \(2 of 3 entries are bad\)"):
        envs.step(np.array([0, 4, -1]))
    with pytest.raises(ValueError, match=r"shape \(2,\); must be \(3,\)"):
        envs.step(np.array([0, 1]))
    with pytest.raises(TypeError, match="float64; must be integers"):
        envs.step(np.zeros(3))


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        ((GAME, UNIFORM), {}, TypeError, "schedule and n_agents must be given"),
        ((GAME, UNIFORM, tmf.Batch(1)), {}, TypeError, "schedule and n_agents must be given"),
        ((GAME, FLOW, tmf.Batch(1)), {}, TypeError, "must be omitted"),
        ((GAME, FLOW), {"start": "sampled"}, ValueError, "starts at game.initial"),
        ((GAME, FLOW), {"clock": "mine"}, ValueError, "clock is 'mine'"),
        ((GAME, UNIFORM, tmf.Batch(6), 5), {}, ValueError, "n_agents = 5"),
        ((GAME, UNIFORM, tmf.Batch(1), 5), {"start": "x"}, ValueError, "start is 'x'"),
        ((GAME, 7, tmf.Batch(1), 5), {}, TypeError, "population is 7"),
        ((None, FLOW), {}, TypeError, "game"),
        (
            (GAME, tmf.mean_field(GAME, UNIFORM, tmf.Fraction(0.5), record_every=2)), {}, ValueError, "every step",
        ),
        ((tmf.games.queueing([0.1, 0.2, 0.3], horizon=3, step=1).at(), FLOW), {}, ValueError, "flow.horizon is 20"),
    ],
)  # fmt: skip
def test_bad_arguments(arguments, options, kind, message):
    with pytest.raises(kind, match=message):
        make_vec(*arguments, num_envs=2, **options)
    with pytest.raises(kind, match=message):
        env(*arguments, **options)


def test_bad_modes():
    with pytest.raises(ValueError, match="NoSuchMode"):
        make_vec(GAME, FLOW, num_envs=2, autoreset_mode="NoSuchMode")
    with pytest.raises(ValueError, match="num_envs is 0"):
        make_vec(GAME, FLOW, num_envs=0)


def test_other_ways_of_making_it():
    """Environments are remade in other processes by pickling what they were made from."""
    made = gymnasium.make(ID, game=GAME, population=FLOW)
    again = pickle.loads(pickle.dumps(made.spec)).make()
    assert (again.reset(seed=1)[0] == made.reset(seed=1)[0]).all()


def test_a_library_that_is_missing_is_named(monkeypatch):
    import importlib
    import sys

    for name in ("gymnasium", "pettingzoo"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            patch.delitem(sys.modules, f"tmfcore.interop.{name}", raising=False)
            with pytest.raises(ModuleNotFoundError, match=rf"interop\.{name} needs .*'tmfcore\[envs\]'"):
                importlib.import_module(f"tmfcore.interop.{name}")
    with pytest.raises(AttributeError, match="nonsense"):
        tmf.interop.nonsense  # noqa: B018  the access is the test
    assert {"gymnasium", "pettingzoo"} <= set(dir(tmf.interop))
