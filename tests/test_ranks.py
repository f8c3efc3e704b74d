"""simulate(comm=): the bits of one process on any number of ranks; threads stand in for ranks (test_mpi.py has real ones)."""

import sys
import threading
from itertools import pairwise

import meeting_cases
import numpy as np
import pytest
from click.testing import CliRunner
from population_cases import GAMES, policies

import tmfcore as tmf
from threads_as_ranks import Aborted, Intracomm, World, on_ranks, stand_in
from tmfcore._model.policies import as_policy
from tmfcore._population import agents, kept_on_ranks, names, ranks
from tmfcore._population.shards import Shard
from tmfcore.cli.app import app

N, T = 3 * 2048 + 500, 12  # four tiles, the last of them short
FIELDS = ("counts", "decisions", "rewards", "returns")
SCHEDULES = {
    "all": tmf.Synchronous(),
    "one": tmf.Sequential(),
    "few": tmf.Batch(7),
    "few, in parts": tmf.Batch(700),
    "a batch, by bits": tmf.Batch(3000),
    "a batch, few bits": tmf.Batch(6600),
    "each": tmf.Bernoulli(0.3),
    "each, over time": tmf.Bernoulli(np.linspace(0, 1, T)),
    "each, by mu": tmf.Bernoulli(lambda mu, t: 0.2 + 0.5 * mu),
    "a share, by mu": tmf.Fraction(lambda mu, t: 0.1 + 0.5 * mu[0]),
    "mixed": tmf.Batch([0, 1, 5, N, 1, 1, 7, 3000, 0, 3, N, 1]),
}


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    stand_in(monkeypatch)
    monkeypatch.setattr(ranks, "PATIENCE", 0.3)


def same(run, whole):
    for field in FIELDS:
        one, other = getattr(run, field), getattr(whole, field)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other, err_msg=field)
    if whole.trajectories is None:
        assert run.equals(whole)


def alike(size, game, policy, schedule, n_agents=N, **options):
    """The runs of all ranks, compared with that of one process."""
    whole = tmf.simulate(game, policy, schedule, n_agents, engine="agents", **options)
    runs = on_ranks(size, lambda comm: tmf.simulate(game, policy, schedule, n_agents, comm=comm, **options))
    for run in runs:
        same(run, whole)
    if whole.trajectories is not None:
        parts = [run.trajectories for run in runs]
        assert tmf.Trajectories.joined(parts).equals(whole.trajectories)
    return runs


# ------------------------------------------------------------------------------------------------------- the same bits


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.broad
def test_every_game_and_schedule(kind, schedule):
    game = GAMES[kind]()
    for size, policy in zip((2, 4), policies(game).values(), strict=True):
        alike(size, game, policy, SCHEDULES[schedule], rng=size, decisions=size == 2)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_number_of_ranks(schedule, size):
    game = GAMES["moving"]()
    alike(size, game, policies(game)["table"], SCHEDULES[schedule], rng=3, replicas=2, start="sampled", record_every=5)


LONG = {
    "tables": tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=1500, step=1),
    "servers": tmf.games.queueing([0.1, 0.2, 0.3], horizon=1500, step=1),
    "imitation": tmf.games.pairwise_revision([[0.0, 1], [1.5, 0]], horizon=1500, step=1, mutation=0.01),
    "meetings": meeting_cases.affine(5),
    "one action": meeting_cases.affine(5, n_actions=1),
    "coupled": meeting_cases.affine(5, rewards="coupled"),
    "many observations": tmf.games.resource_selection(np.linspace(1, 0.1, 300), congestion=1.0, horizon=700, step=1),
}


@pytest.mark.parametrize("decisions", [True, False])
@pytest.mark.parametrize("name", LONG)
def test_single_agents_over_many_chunks(name, decisions):
    game = LONG[name]
    policy = tmf.TabularPolicy.uniform(game)
    alike(3, game, policy, tmf.Sequential(), rng=1, record_every=100, decisions=decisions)
    mixed = np.resize([1, 1, 1, 1, 40, 1, 1, N, 1, 0, 1], game.n_steps)
    alike(2, game, policy, tmf.Batch(mixed), rng=1, record_every=100, decisions=decisions)


@pytest.mark.parametrize("size", [2, 4])
def test_few_agents_leave_ranks_without_any(size):
    game = GAMES["constant"]()
    for schedule in (tmf.Synchronous(), tmf.Batch(5), tmf.Sequential(), tmf.Batch(30)):
        alike(size, game, policies(game)["table"], schedule, 60, rng=3)
        alike(size, game, policies(game)["table"], schedule, 60, rng=3, trajectories=True)


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", ["constant", "moving", "imitation"])
@pytest.mark.broad
def test_individuals(kind, schedule, every):
    game = GAMES[kind]()
    runs = alike(3, game, policies(game)["table"], SCHEDULES[schedule], rng=2, trajectories=True, record_every=every)
    sizes = [len(run.trajectories.numbers) for run in runs]
    assert sizes == [2048, 2048, N - 4096]


def test_threads_of_each_rank():
    game = GAMES["moving"]()
    alike(2, game, policies(game)["table"], tmf.Bernoulli(0.5), 20 * 2048, rng=5, threads=3)


def test_what_is_exchanged():
    """One sum a step where all agents move; one for 256 steps at which one agent acts."""
    world, game = World(2), LONG["tables"]

    def messages(schedule):
        before, found = world.copy(0).messages, []

        def rank(number):
            found.append(tmf.simulate(game, tmf.TabularPolicy.uniform(game), schedule, N, rng=1, comm=Intracomm(world, number)))

        both = [threading.Thread(target=rank, args=(number,)) for number in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert len(found) == 2
        return world.copy(0).messages - before

    agreement = 1
    assert messages(tmf.Synchronous()) == agreement + game.n_steps
    assert messages(tmf.Sequential()) == agreement + -(-game.n_steps // 256)
    assert messages(tmf.Batch(9)) == agreement + game.n_steps


def test_shards_are_whole_tiles():
    for n_agents in (1, 2047, 2048, 2049, 50_000):
        for size in (1, 2, 3, 7, 40):
            shards = [Shard(rank, size, n_agents, None) for rank in range(size)]
            assert shards[0].begin == 0 and shards[-1].end == n_agents
            for one, after in pairwise(shards):
                assert one.end == after.begin and after.begin % 2048 == 0 and one.begin <= one.end


# --------------------------------------------------------------------------------------------------------- checkpoints


class Stop(Exception):
    pass


@pytest.fixture
def stopped_after(monkeypatch):
    """Raise on every rank when a checkpoint has been written k times."""

    def set_up(k):
        save = kept_on_ranks.KeptOnRanks.save

        def counted(self, state):
            save(self, state)
            self.written = getattr(self, "written", 0) + 1
            if self.written == k:
                raise Stop

        monkeypatch.setattr(kept_on_ranks.KeptOnRanks, "save", counted)
        return lambda: monkeypatch.setattr(kept_on_ranks.KeptOnRanks, "save", save)

    return set_up


@pytest.mark.parametrize("sizes", [(2, 2), (2, 3), (4, 1), (1, 4), (3, 2)])
@pytest.mark.parametrize("individuals", [True, False])
@pytest.mark.parametrize("schedule", ["all", "mixed", "each"])
@pytest.mark.broad
def test_goes_on_with_another_number_of_ranks(schedule, individuals, sizes, tmp_path, stopped_after):
    game = GAMES["resources"]()
    policy, path = policies(game)["table"], tmp_path / "run.npz"
    options = {"rng": 4, "record_every": 2, "trajectories": individuals, "replicas": 1 if individuals else 2}
    kept = {"checkpoint": tmf.Checkpoint(path, every=0)}

    def call(comm):
        return tmf.simulate(game, policy, SCHEDULES[schedule], N, comm=comm, **options, **kept)

    go_on = stopped_after(3)
    with pytest.raises(Stop):
        on_ranks(sizes[0], call)
    go_on()
    assert path.exists()
    whole = tmf.simulate(game, policy, SCHEDULES[schedule], N, engine="agents", **options)
    for _ in range(2):  # the second time, all of it is in the file
        runs = on_ranks(sizes[1], call)
        for run in runs:
            same(run, whole)
        if individuals:
            assert tmf.Trajectories.joined([run.trajectories for run in runs]).equals(whole.trajectories)
    kept_on_ranks.remove(path)
    assert list(tmp_path.iterdir()) == []


def test_a_writing_that_is_cut_off_leaves_the_last_one(tmp_path, stopped_after, monkeypatch):
    """Killed after the files of agents, before the index."""
    game = GAMES["resources"]()
    policy, path = policies(game)["table"], tmp_path / "run.npz"

    def call(comm):
        return tmf.simulate(
            game, policy, tmf.Synchronous(), N, comm=comm, rng=4, checkpoint=tmf.Checkpoint(path, every=0)
        )

    save, written = kept_on_ranks.Keeper.save, []

    def cut(self, state):
        written.append(1)
        if len(written) == 3:
            raise Stop
        save(self, state)

    with monkeypatch.context() as patch:
        patch.setattr(kept_on_ranks.Keeper, "save", cut)
        with pytest.raises((Stop, Aborted)):
            on_ranks(2, call)
    whole = tmf.simulate(game, policy, tmf.Synchronous(), N, engine="agents", rng=4)
    for run in on_ranks(3, call):
        same(run, whole)


def test_files_that_do_not_fit(tmp_path, stopped_after):
    game = GAMES["resources"]()
    policy, path = policies(game)["table"], tmp_path / "run.npz"

    def call(comm, seed=4):
        return tmf.simulate(
            game, policy, tmf.Synchronous(), N, comm=comm, rng=seed, checkpoint=tmf.Checkpoint(path, every=0)
        )

    go_on = stopped_after(2)
    with pytest.raises(Stop):
        on_ranks(2, call)
    go_on()
    with pytest.raises(tmf.FileError, match="rng was"):
        on_ranks(2, lambda comm: call(comm, seed=5))
    with pytest.raises(tmf.FileError, match="comm was true"):
        tmf.simulate(game, policy, tmf.Synchronous(), N, engine="agents", rng=4, checkpoint=path)
    (part,) = tmp_path.glob("run.npz.1-1")
    other = tmp_path / "run.npz.0-1"
    part.write_bytes(other.read_bytes())  # of the writing before
    with pytest.raises(ValueError, match="another writing"):
        on_ranks(2, call)


# -------------------------------------------------------------------------------------------------------------- errors


def refused(match, error=ValueError, size=2, **changes):
    game = GAMES["constant"]()
    options = {"schedule": tmf.Synchronous(), "n_agents": N, "rng": 1} | changes
    game = options.pop("game", game)
    schedule, n_agents = options.pop("schedule"), options.pop("n_agents")
    with pytest.raises(error, match=match):
        on_ranks(size, lambda comm: tmf.simulate(
            game, tmf.TabularPolicy.uniform(game), schedule, n_agents, comm=comm, **options
        ))  # fmt: skip


def test_calls_that_ranks_cannot_play():
    refused("engine is 'counts'; must be 'agents' or 'auto' with comm", engine="counts")
    refused("n_agents is 3; must be >= 4, the number of ranks", size=4, n_agents=3)
    refused("rng is None; must be a seed with comm", rng=None)
    refused("keep_state is True; must be False with comm", keep_state=True)
    refused("comm is given; must be None with Poisson clocks", schedule=tmf.Poisson(), game=tmf.games.queueing([0.1, 0.2, 0.3], horizon=5))
    game = GAMES["constant"]()
    earlier = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), N, rng=1, keep_state=True)
    refused("start is a Simulation; must be counts or a word with comm", start=earlier, rng=None)
    noisy = tmf.Game(
        2, 1, 5, 0.9, [0.5, 0.5], lambda mu, t, z: np.full((2, 1), z), np.full((2, 1, 2), 0.5),
        noise=tmf.NoiseChain([0.5, 0.5], [[0.7, 0.3], [0.2, 0.8]]),
    )  # fmt: skip
    refused("comm is given; must be None if the noise is random", game=noisy)


@pytest.mark.parametrize("comm", ["COMM_WORLD", 4, object()])
def test_no_communicator(comm):
    game = GAMES["constant"]()
    with pytest.raises(TypeError, match=r"comm is .*; must be a communicator of mpi4py \(extra `mpi`\)"):
        tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), N, rng=1, comm=comm)


@pytest.mark.parametrize(
    ("name", "values"),
    [("rng", (1, 2)), ("record_every", (1, 2)), ("decisions", (True, False)), ("replicas", (1, 3)), ("n_agents", (N, N + 1)),
     ("schedule", (tmf.Synchronous(), tmf.Batch(5))), ("start", ("rounded", "sampled")),
     ("checkpoint", (None, "elsewhere.npz"))],
)  # fmt: skip
def test_ranks_that_make_different_calls(name, values):
    game = GAMES["constant"]()

    def call(comm):
        options = {"rng": 1, "schedule": tmf.Synchronous(), "n_agents": N} | {name: values[comm.rank]}
        schedule, n_agents = options.pop("schedule"), options.pop("n_agents")
        return tmf.simulate(game, tmf.TabularPolicy.uniform(game), schedule, n_agents, comm=comm, **options)

    with pytest.raises(ValueError, match=rf"the ranks of comm make different calls: .*{name}"):
        on_ranks(2, call)


def test_a_policy_that_differs_is_named():
    game = GAMES["constant"]()
    with pytest.raises(ValueError, match="different calls: policy"):
        on_ranks(2, lambda comm: tmf.simulate(
            game, np.eye(4, 3)[[0, 1, 2, comm.rank]], tmf.Synchronous(), N, rng=1, comm=comm
        ))  # fmt: skip


def of_a_run(mu):
    """Whether mu is one of N agents on their way, and none at which a fingerprint reads functions."""
    counts = mu * N
    return np.abs(counts - np.rint(counts)).max() < 1e-6 and 0 < np.ptp(mu) < 0.5


def test_an_error_of_all_ranks_is_raised_on_all():
    def reward(mu, t):
        if t == 7 and of_a_run(mu):
            raise ZeroDivisionError("at seven")
        return np.zeros((4, 3))

    game = GAMES["constant"]().replace(reward=reward)
    seen = []

    def call(comm):
        try:
            tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), N, rng=1, comm=comm)
        except ZeroDivisionError as error:
            seen.append((comm.rank, error.partial))

    on_ranks(3, call)
    assert sorted(rank for rank, _ in seen) == [0, 1, 2]


def test_an_error_of_one_rank_ends_all(capfd):
    def call(comm):
        def reward(mu, t):
            if t == 7 and comm.rank == 1 and of_a_run(mu):
                raise ZeroDivisionError("at seven")
            return np.zeros((4, 3))

        game = GAMES["constant"]().replace(reward=reward)
        return tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), N, rng=1, comm=comm)

    with pytest.raises((Aborted, threading.BrokenBarrierError)):
        on_ranks(3, call)
    assert "rank 1 of 3 has this error alone" in capfd.readouterr().err


def test_progress_is_that_of_rank_0():
    game, seen = GAMES["constant"](), []
    policy = tmf.TabularPolicy.uniform(game)
    on_ranks(3, lambda comm: tmf.simulate(
        game, policy, tmf.Synchronous(), N, rng=1, comm=comm, progress=lambda done, total: seen.append((comm.rank, done, total))
    ))  # fmt: skip
    assert {rank for rank, _, _ in seen} == {0} and seen[-1] == (0, T, T)


# --------------------------------------------------------------------------------------------------------------- parts


def test_parts_that_do_not_fit_together():
    game = GAMES["constant"]()
    policy = tmf.TabularPolicy.uniform(game)

    def runs(every):
        return on_ranks(2, lambda comm: tmf.simulate(
            game, policy, tmf.Synchronous(), N, rng=1, comm=comm, trajectories=True, record_every=every
        ))  # fmt: skip

    one, other = (run.trajectories for run in runs(1))
    joined = tmf.Trajectories.joined
    for parts, match in (
        ([], "parts is empty"),
        ([one], "numbers are not 0..4095"),
        ([one, one], "each once"),
        ([one, runs(5)[1].trajectories], r"parts\[1\] has other steps"),
        ([joined([one, other])], r"parts\[0\] has no numbers"),
    ):
        with pytest.raises(ValueError, match=match):
            joined(parts)
    with pytest.raises(TypeError, match=r"parts\[1\] is "):
        joined([one, 3])


def test_a_part_is_saved_with_its_numbers(tmp_path):
    game = GAMES["constant"]()
    policy = tmf.TabularPolicy.uniform(game)

    def call(comm):
        run = tmf.simulate(game, policy, tmf.Synchronous(), N, rng=1, comm=comm, trajectories=True)
        run.save(tmp_path / f"{comm.rank}.npz")

    on_ranks(2, call)
    parts = [tmf.Simulation.load(tmp_path / f"{rank}.npz").trajectories for rank in (1, 0)]
    whole = tmf.simulate(game, policy, tmf.Synchronous(), N, rng=1, trajectories=True)
    assert tmf.Trajectories.joined(parts).equals(whole.trajectories)


def test_kernels_refuse_a_shard_that_does_not_fit():
    with pytest.raises(ValueError, match=r"rank is 2; must lie in 0\.\.1"):
        Shard(2, 2, 10, None)
    game = GAMES["constant"]()
    counts, rewards = np.zeros((T + 1, 4), np.int64), np.zeros(T)
    with pytest.raises(ValueError, match="shard is of 5 agents; must be of 60"):
        agents.run(
            game.model, as_policy(policies(game)["table"], game), np.zeros(4, np.uint64), np.full(4, 15), T, 1.0,
            np.array([60]), None, 1, counts, None, rewards, shard=Shard(0, 2, 5, None),
        )  # fmt: skip


def test_numbers_are_those_that_rename_gives():
    rng = np.random.default_rng(0)
    key, counts = rng.integers(2**63, size=4).astype(np.uint64), np.array([3, 0, 900, 40])
    table = np.arange(943, dtype=np.uint32)[None]
    names.rename(key, counts, table, np.zeros((1, 943), np.int8), np.zeros((1, 943)))
    for begin, n in ((0, 943), (100, 7), (943, 0)):
        found = np.empty(n, np.int64)
        names.numbers(key, counts, begin, found)
        np.testing.assert_array_equal(table[0, found], np.arange(begin, begin + n))
    with pytest.raises(ValueError, match=r"agents 940\.\.949 are not among 943"):
        names.numbers(key, counts, 940, np.empty(10, np.int64))


def test_the_command_line_without_mpi4py(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    done = CliRunner().invoke(app, ["simulate", "queueing", "--n-agents", "5000", "--mpi"])
    assert done.exit_code == 2
    assert "--mpi needs mpi4py and an MPI library" in done.output and "pip install 'tmfcore[mpi]'" in done.output
