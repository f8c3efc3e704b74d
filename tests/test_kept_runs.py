"""simulate(checkpoint=): stopped after any writing, the same call goes on to the bits of one that was not stopped."""

from functools import partial

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._results.checkpoint import Keeper

FIELDS = ("counts", "decisions", "rewards", "returns")


class Stop(Exception):
    pass


def same(one, other):
    for name in FIELDS:
        if getattr(one, name) is not None:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    if one.trajectories is not None:
        assert one.trajectories.equals(other.trajectories)
    assert one.equals(other)


def in_many_calls(play, path, monkeypatch):
    """What the last of several calls returns, each but this one stopped after its third writing."""
    stops = 0
    while True:
        with monkeypatch.context() as patch:
            stopped_after(patch, 3)
            try:
                found = play(checkpoint=tmf.Checkpoint(path, every=0), threads=1 + stops % 2)
                break
            except Stop:
                stops += 1
    assert stops > 1
    return found


def stopped_after(monkeypatch, k):
    """Raise when a checkpoint has been written k times; return the list of writings."""
    written, save = [], Keeper.save

    def counted(self, state):
        save(self, state)
        if type(self) is Keeper:
            written.append(1)
            if len(written) == k:
                raise Stop

    monkeypatch.setattr(Keeper, "save", counted)
    return written


def chain(S, A, T, *, passive=None, affine=False, seed=0, discount=0.97):
    rng = np.random.default_rng(seed)
    rows, pay = rng.dirichlet(np.ones(S), (S, A)), rng.normal(size=(S, A))


    def reward(mu):
        return pay - mu[:, None]

    return tmf.Game(S, A, T, discount, np.full(S, 1 / S), reward if affine else pay, rows, passive_transition=passive)


PASSIVE = np.random.default_rng(1).dirichlet(np.ones(4), 4)
SERVERS = tmf.games.queueing([0.1, 0.2, 0.3], horizon=40)
CHOICE = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=1500, step=1)
IMITATION = tmf.games.pairwise_revision([[0.0, 1], [1.5, 0]], horizon=1500, step=1, mutation=0.01)
RARE = tmf.games.pairwise_revision([[0.0, 1], [1.5, 0]], horizon=60_000, step=1, mutation=1e-5)
NOISE = tmf.NoiseChain([0.5, 0.5], [[0.7, 0.3], [0.2, 0.8]])
NOISY = tmf.Game(
    3, 2, 50, 0.9, np.full(3, 1 / 3), lambda mu, t, z: np.full((3, 2), z) - mu[:, None],
    np.random.default_rng(3).dirichlet(np.ones(3), (3, 2)), noise=NOISE,
)  # fmt: skip
MIXED = [1, 1, 1, 3, 1, 20] * 200
COUNTS, AGENTS = {"engine": "counts"}, {"engine": "agents"}

#: name: game, schedule, N, options
CASES = {
    "counts, all": (chain(4, 3, 60), tmf.Synchronous(), 500, COUNTS),
    "counts, all, no decisions": (chain(4, 3, 60), tmf.Synchronous(), 500, COUNTS | {"decisions": False}),
    "counts, some": (chain(4, 3, 60, passive=PASSIVE), tmf.Bernoulli(0.3), 500, COUNTS),
    "counts, batches": (chain(4, 3, 60, passive=PASSIVE), tmf.Batch(70), 500, COUNTS),
    "counts, mu": (chain(4, 3, 60, affine=True), tmf.Batch(7), 500, COUNTS),
    "counts, few": (CHOICE, tmf.Batch(4), 300, COUNTS),
    "counts, one": (CHOICE, tmf.Sequential(), 300, COUNTS),
    "counts, one, a record": (CHOICE, tmf.Sequential(), 300, COUNTS | {"record_every": 1500}),
    "counts, one, uneven": (CHOICE, tmf.Sequential(), 300, COUNTS | {"record_every": 700, "decisions": False}),
    "counts, one, callable": (chain(4, 3, 700, affine=True), tmf.Sequential(), 300, COUNTS),
    "counts, servers": (SERVERS, tmf.Sequential(), 50, COUNTS),
    "counts, mixed": (CHOICE.replace(horizon=len(MIXED)), tmf.Batch(MIXED), 60, COUNTS),
    "counts, imitation": (IMITATION, tmf.Sequential(), 60, COUNTS),
    "counts, mutants": (RARE, tmf.Sequential(), 60, COUNTS | {"decisions": False, "record_every": 1000}),
    "counts, sampled": (CHOICE, tmf.Batch(100), 300, COUNTS | {"start": "sampled", "record_every": 10, "replicas": 3}),
    "beside": (CHOICE, tmf.Sequential(), 300, COUNTS | {"replicas": 20, "record_every": 10}),
    "beside, few": (CHOICE.replace(horizon=400), tmf.Batch(3), 300, COUNTS | {"replicas": 20, "decisions": False, "start": "sampled"}),
    "beside, rewards": (chain(4, 3, 900), tmf.Sequential(), 300, COUNTS | {"replicas": 20, "record_every": 10}),
    "agents, all": (chain(4, 3, 60), tmf.Synchronous(), 500, AGENTS),
    "agents, some": (chain(4, 3, 60, passive=PASSIVE), tmf.Bernoulli(0.3), 500, AGENTS),
    "agents, few": (CHOICE, tmf.Batch(4), 300, AGENTS),
    "agents, one": (CHOICE, tmf.Sequential(), 300, AGENTS | {"record_every": 1500}),
    "agents, mixed": (CHOICE.replace(horizon=len(MIXED)), tmf.Batch(MIXED), 160, AGENTS | {"record_every": 7}),
    "agents, imitation": (IMITATION, tmf.Sequential(), 60, AGENTS),
    "agents, three": (CHOICE, tmf.Batch(40), 100, AGENTS | {"replicas": 3, "start": "sampled", "record_every": 9}),
    "noise": (NOISY, tmf.Batch(5), 40, {"replicas": 3}),
    "noise, one": (NOISY, tmf.Sequential(), 40, {"trajectories": True}),
    "trajectories": (CHOICE, tmf.Batch(4), 60, {"trajectories": True, "record_every": 11}),
    "trajectories, one": (SERVERS, tmf.Sequential(), 30, {"trajectories": True}),
}


def played(case, **more):
    game, schedule, n_agents, options = CASES[case]
    policy = tmf.TabularPolicy.uniform(game)
    return tmf.simulate(game, policy, schedule, n_agents, rng=5, **options, **more)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.broad(2)
def test_stopped_after_each_writing(case, tmp_path, monkeypatch):
    whole = played(case)
    path = tmp_path / "run.npz"
    k, stops, stopped = 0, 0, True
    while stopped:  # after each of the first four, and then after fewer and fewer, up to the end
        k += max(1, k // 2)
        path.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            written = stopped_after(patch, k)
            try:
                same(played(case, checkpoint=tmf.Checkpoint(path, every=0)), whole)
                stopped = False
            except Stop:
                stops += 1
        assert len(written) <= k
        same(played(case, checkpoint=path, threads=1), whole)
        same(played(case, checkpoint=path), whole)  # at once
    assert stops > 2


@pytest.mark.parametrize("case", ["counts, one, uneven", "counts, sampled", "beside", "agents, mixed", "trajectories", "noise"])
@pytest.mark.broad(2)
def test_stopped_again_and_again(case, tmp_path, monkeypatch):
    whole = played(case)
    same(in_many_calls(partial(played, case), tmp_path / "run.npz", monkeypatch), whole)


def test_a_file_of_another_call_is_refused_by_name_and_stays(tmp_path):
    path = tmp_path / "run.npz"
    game, policy, schedule = CHOICE, tmf.TabularPolicy.uniform(CHOICE), tmf.Batch(4)
    options = {"record_every": 100, "rng": 5, "checkpoint": path, "engine": "counts"}
    tmf.simulate(game, policy, schedule, 100, **options)
    before = path.read_bytes()
    other = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.5), congestion=1.0, horizon=1500, step=1)
    biased = np.tile([0.4, 0.3, 0.2, 0.1], (4, 1))
    for name, call, changed in (
        ("rng", (game, policy, schedule, 100), {"rng": 6}),
        ("game", (other, policy, schedule, 100), {}),
        ("policy", (game, biased, schedule, 100), {}),
        ("schedule", (game, policy, tmf.Batch(5), 100), {}),
        ("n_agents", (game, policy, schedule, 101), {}),
        ("record_every", (game, policy, schedule, 100), {"record_every": 99}),
        ("replicas", (game, policy, schedule, 100), {"replicas": 2}),
        ("decisions", (game, policy, schedule, 100), {"decisions": False}),
        ("engine", (game, policy, schedule, 100), {"engine": "agents"}),
        ("counts at the start", (game, policy, schedule, 100), {"start": [70, 10, 10, 10]}),
    ):
        with pytest.raises(tmf.FileError, match=name) as error:
            tmf.simulate(*call, **{**options, **changed})
        assert str(path) in str(error.value)
        assert path.read_bytes() == before
    path.write_bytes(before[:-100])
    with pytest.raises(tmf.FileError, match=r"run\.npz"):
        tmf.simulate(game, policy, schedule, 100, **options)
    assert path.read_bytes() == before[:-100]


def test_a_checkpoint_needs_a_seed(tmp_path):
    policy = tmf.TabularPolicy.uniform(CHOICE)
    with pytest.raises(ValueError, match="rng is None; must be a seed if checkpoint is given"):
        tmf.simulate(CHOICE, policy, tmf.Sequential(), 10, checkpoint=tmp_path / "run.npz")
    assert not (tmp_path / "run.npz").exists()


def test_a_generator_is_a_seed(tmp_path, monkeypatch):
    def call(**more):
        return tmf.simulate(CHOICE, np.full((4, 4), 0.25), tmf.Batch(60), 100, rng=np.random.default_rng(3), **more)

    whole, path = call(), tmp_path / "run.npz"
    with monkeypatch.context() as patch:
        stopped_after(patch, 5)
        with pytest.raises(Stop):
            call(checkpoint=tmf.Checkpoint(path, every=0))
    same(call(checkpoint=path), whole)


def study(**more):
    game = tmf.games.resource_selection((1.0, 0.8, 0.6), congestion=1.0, horizon=20)
    schedules = {"one": tmf.Sequential(), "tenth": lambda n: tmf.Batch(n // 10)}
    return tmf.analysis.convergence(game, np.full((3, 3), 1 / 3), schedules, [20, 60], replicas=5, rng=3, **more)


def test_a_study_goes_on(tmp_path, monkeypatch):
    whole, path, k = study(), tmp_path / "study.npz", 0
    for k in range(1, 60, 4):
        path.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            stopped_after(patch, k)
            try:
                assert study(checkpoint=tmf.Checkpoint(path, every=0)).equals(whole)
            except Stop:
                assert study(checkpoint=path).equals(whole)
                continue
        break
    assert k > 16
    assert study(checkpoint=path).equals(whole)
    for name, changed in (("rng", {"rng": 4}), ("replicas", {"replicas": 6}), ("confidence", {"confidence": 0.9})):
        game = tmf.games.resource_selection((1.0, 0.8, 0.6), congestion=1.0, horizon=20)
        schedules = {"one": tmf.Sequential(), "tenth": lambda n: tmf.Batch(n // 10)}
        options = {"replicas": 5, "rng": 3, "checkpoint": path, **changed}
        with pytest.raises(tmf.FileError, match=name):
            tmf.analysis.convergence(game, np.full((3, 3), 1 / 3), schedules, [20, 60], **options)
