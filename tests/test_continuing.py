"""simulate(start=run): the rest of a longer game, in the same streams; both runs together are one."""

import copy
import pickle

import numpy as np
import pytest
from test_kept_runs import AGENTS, CHOICE, COUNTS, PASSIVE, SERVERS, chain

import tmfcore as tmf
from tmfcore._population import runs

CASES = {
    "counts, all": (chain(4, 3, 60), tmf.Synchronous(), 500, COUNTS),
    "counts, all, no decisions": (chain(4, 3, 60), tmf.Synchronous(), 500, COUNTS | {"decisions": False}),
    "counts, some": (chain(4, 3, 60, passive=PASSIVE), tmf.Bernoulli(0.3), 500, COUNTS | {"replicas": 3}),
    "counts, batches": (chain(4, 3, 60, passive=PASSIVE), tmf.Batch(70), 500, COUNTS),
    "counts, mu": (chain(4, 3, 60, affine=True), tmf.Batch(7), 500, COUNTS),
    "counts, few": (CHOICE, tmf.Batch(4), 300, COUNTS),
    "counts, one": (CHOICE, tmf.Sequential(), 300, COUNTS),
    "counts, one, callable": (chain(4, 3, 700, affine=True), tmf.Sequential(), 300, COUNTS),
    "counts, one, no decisions": (CHOICE, tmf.Sequential(), 300, COUNTS | {"decisions": False}),
    "beside": (CHOICE, tmf.Sequential(), 300, COUNTS | {"replicas": 20, "decisions": False}),
    "beside, few": (CHOICE, tmf.Batch(3), 300, COUNTS | {"replicas": 20, "decisions": False}),
    "beside, rewards": (chain(4, 3, 900), tmf.Sequential(), 300, COUNTS | {"replicas": 20, "decisions": False}),
    "beside, sampled": (chain(4, 3, 900), tmf.Batch(2), 300, COUNTS | {"replicas": 20, "decisions": False, "start": "sampled"}),
    "agents, all": (chain(4, 3, 60), tmf.Synchronous(), 500, AGENTS),
    "agents, some": (chain(4, 3, 60, passive=PASSIVE), tmf.Bernoulli(0.3), 500, AGENTS),
    "agents, few": (CHOICE, tmf.Batch(4), 300, AGENTS | {"replicas": 2}),
    "agents, one": (CHOICE, tmf.Sequential(), 300, AGENTS),
    "agents, imitation": (
        tmf.games.pairwise_revision([[0.0, 1], [1.5, 0]], horizon=1500, step=1, mutation=0.01), tmf.Sequential(), 60, AGENTS,
    ),
    "trajectories": (CHOICE, tmf.Batch(4), 60, {"trajectories": True}),
}  # fmt: skip


def play(game, schedule, n_agents, **options):
    return tmf.simulate(game, np.full((game.n_observations, game.n_actions), 1 / game.n_actions), schedule, n_agents, **options)


@pytest.mark.parametrize("share", [0.5, 0.31])
@pytest.mark.parametrize("case", CASES)
def test_two_runs_are_one(case, share):
    game, schedule, n_agents, options = CASES[case]
    first = game.replace(horizon=int(share * game.horizon))
    whole = play(game, schedule, n_agents, rng=5, **options)
    one = play(first, schedule, n_agents, rng=5, **options)
    two = play(game, schedule, n_agents, **{**options, "start": one})
    t = one.horizon
    np.testing.assert_array_equal(np.concatenate([one.counts, two.counts[:, 1:]], axis=1), whole.counts)
    np.testing.assert_array_equal(np.concatenate([one.rewards, two.rewards], axis=1), whole.rewards)
    if whole.decisions is not None:
        np.testing.assert_array_equal(np.concatenate([one.decisions, two.decisions], axis=1), whole.decisions)
    np.testing.assert_array_equal(two.steps, whole.steps[t:])
    np.testing.assert_allclose(one.returns + two.returns, whole.returns, rtol=1e-12)
    assert two.horizon == whole.horizon and len(two.ends.blocks) == whole.replicas
    if whole.trajectories is not None:
        for name in ("observations", "actions", "rewards"):
            parts = [getattr(run.trajectories, name) for run in (one, two)]
            np.testing.assert_array_equal(np.concatenate(parts, axis=1), getattr(whole.trajectories, name))


def test_states_are_files_and_records_may_differ(tmp_path):
    short = CHOICE.replace(horizon=400)
    one = play(short, tmf.Batch(60), 200, rng=1, replicas=3, engine="counts")
    one.save(tmp_path / "one.npz")
    two, again = (
        play(CHOICE, tmf.Batch(60), 200, start=run, replicas=3, record_every=every)
        for run, every in ((one, 1), (tmf.load(tmp_path / "one.npz"), 100))
    )
    np.testing.assert_array_equal(two.counts[:, ::100], again.counts)
    np.testing.assert_array_equal(again.steps, np.arange(400, 1501, 100))
    kept = play(CHOICE, tmf.Batch(60), 200, start=one, replicas=3, checkpoint=tmp_path / "kept.npz")
    np.testing.assert_array_equal(kept.counts, two.counts)


def test_policies_receive_the_true_step():
    seen = []

    def policy(mu, t):
        seen.append(t)
        return np.full((4, 3), 1 / 3)

    game = chain(4, 3, 10)
    one = tmf.simulate(game, policy, tmf.Synchronous(), 20, rng=1)
    seen.clear()
    tmf.simulate(game.replace(horizon=14), policy, tmf.Synchronous(), 20, start=one)
    assert set(seen) >= {10, 11, 12, 13} and max(seen) == 13


def test_skipped_steps_go_on_with_the_same_law():
    """Mutants of two types, N = 2: the share of runs that are alike at the end, beside one run (z-test at 1e-6)."""
    game = tmf.games.pairwise_revision([[0.0, 1], [1.5, 0]], horizon=4000, step=1, mutation=1e-3)
    options = {"decisions": False, "replicas": 400, "record_every": 4000, "start": [20, 0]}
    whole = play(game, tmf.Sequential(), 20, rng=1, **options)
    one = play(game.replace(horizon=1900), tmf.Sequential(), 20, rng=2, **options)
    two = play(game, tmf.Sequential(), 20, **{**options, "start": one})
    a, b = (run.counts[:, -1, 0] / 20 for run in (whole, two))
    assert abs(a.mean() - b.mean()) < 4.9 * np.sqrt((a.var() + b.var()) / 400)


def values(n_steps):
    """A noise of a function: the first values do not depend on their number."""
    return lambda rng: rng.normal(size=n_steps)


def windy(n_steps, noise):
    return tmf.Game(
        3, 2, n_steps, 0.9, np.full(3, 1 / 3), lambda mu, t, z: np.full((3, 2), float(z)) - mu[:, None],
        np.random.default_rng(3).dirichlet(np.ones(3), (3, 2)), noise=noise,
    )  # fmt: skip


CHAIN = tmf.NoiseChain([0.5, 0.5], [[0.7, 0.3], [0.2, 0.8]])


@pytest.mark.parametrize("options", [{"replicas": 3}, {"trajectories": True}, {"replicas": 2, "engine": "agents"}, {"start": "sampled"}])
@pytest.mark.parametrize("schedule", [tmf.Batch(5), tmf.Sequential(), tmf.Synchronous()])
@pytest.mark.parametrize("noise", [lambda n: CHAIN, values])
@pytest.mark.broad
def test_paths_of_noise_go_on(noise, schedule, options, tmp_path):
    whole = play(windy(50, noise(50)), schedule, 40, rng=7, **options)
    one = play(windy(23, noise(23)), schedule, 40, rng=7, **options)
    one.save(tmp_path / "one.npz")
    for run in (one, tmf.load(tmp_path / "one.npz")):
        two = play(windy(50, noise(50)), schedule, 40, **{**options, "start": run})
        np.testing.assert_array_equal(two.noise, whole.noise)
        np.testing.assert_array_equal(one.noise, whole.noise[:, :23])
        np.testing.assert_array_equal(np.concatenate([one.counts, two.counts[:, 1:]], axis=1), whole.counts)
        np.testing.assert_array_equal(np.concatenate([one.rewards, two.rewards], axis=1), whole.rewards)
        np.testing.assert_array_equal(np.concatenate([one.decisions, two.decisions], axis=1), whole.decisions)
        np.testing.assert_allclose(one.returns + two.returns, whole.returns, rtol=1e-12)
        assert two.steps.tolist() == list(range(23, 51))
        if whole.trajectories is not None:
            parts = [found.trajectories.observations for found in (one, two)]
            np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole.trajectories.observations)
    kept = play(windy(50, noise(50)), schedule, 40, **{**options, "start": one}, checkpoint=tmp_path / "kept.npz")
    assert kept.equals(two)
    third = play(windy(60, noise(60)), schedule, 40, **{**options, "start": two})
    np.testing.assert_array_equal(third.noise[:, :50], whole.noise)


def test_noise_that_does_not_go_on_is_refused():
    schedule, one = tmf.Batch(5), play(windy(20, CHAIN), tmf.Batch(5), 40, rng=1)
    other = tmf.NoiseChain([0.5, 0.5], [[0.1, 0.9], [0.9, 0.1]])
    turned = play(windy(20, lambda rng: rng.normal(size=20)[::-1]), schedule, 40, rng=1)
    for match, call in (
        ("noise draws paths that do not begin", lambda: play(windy(50, other), schedule, 40, start=one)),
        ("noise draws paths that do not begin", lambda: play(windy(50, lambda rng: rng.normal(size=50)[::-1]), schedule, 40, start=turned)),
        ("must have more than 20", lambda: play(windy(20, CHAIN), schedule, 40, start=one)),
        ("without random noise", lambda: play(windy(50, CHAIN), schedule, 40, start=play(chain(3, 2, 20), schedule, 40, rng=1))),
        ("n_agents is 41; must be 40", lambda: play(windy(50, CHAIN), schedule, 41, start=one)),
        ("rng is given", lambda: play(windy(50, CHAIN), schedule, 40, start=one, rng=1)),
    ):
        with pytest.raises(ValueError, match=match):
            call()


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("bits", ["PCG64", "MT19937", "Philox"])
def test_a_run_may_be_copied_before_it_goes_on(engine, bits):
    """Generators are kept as they are, and may be asked for more than once."""
    rng = np.random.Generator(getattr(np.random, bits)(4))
    one = play(chain(4, 3, 30), tmf.Batch(70), 200, rng=rng, engine=engine, replicas=2)
    runs = [
        play(chain(4, 3, 60), tmf.Batch(70), 200, start=run, replicas=2)
        for run in (one, pickle.loads(pickle.dumps(one)), copy.deepcopy(one), one)
    ]
    for run in runs[1:]:
        assert run.equals(runs[0])


def test_large_states_are_kept_if_asked(monkeypatch):
    """Two replicas of 100 agents fit in 1,800 bytes with their blocks, and not in 200."""
    monkeypatch.setattr(runs, "MOST", 200)
    short, game, options = chain(4, 3, 30), chain(4, 3, 60), {"replicas": 2, "engine": "agents"}
    plain = play(short, tmf.Batch(9), 100, rng=1, **options)
    assert plain.ends is None
    with pytest.raises(ValueError, match=r"without its last state; must be a whole run .* keep_state=True if the states take more than 64 MiB"):
        play(game, tmf.Batch(9), 100, start=plain, **options)
    asked = play(short, tmf.Batch(9), 100, rng=1, keep_state=True, **options)
    assert asked.equals(plain)
    two = play(game, tmf.Batch(9), 100, start=asked, **options)
    np.testing.assert_array_equal(two.counts[:, -1], play(game, tmf.Batch(9), 100, rng=1, **options).counts[:, -1])
    assert tmf.estimate(tmf.simulate, short, np.full((4, 3), 1 / 3), tmf.Batch(9), 100, keep_state=True, **options).bytes > 1000 + tmf.estimate(
        tmf.simulate, short, np.full((4, 3), 1 / 3), tmf.Batch(9), 100, **options
    ).bytes  # fmt: skip


def test_what_does_not_fit_is_refused():
    game, short = SERVERS, SERVERS.replace(horizon=20)
    one = play(short, tmf.Batch(5), 50, rng=1)
    with pytest.raises(KeyboardInterrupt) as caught:
        play(short, tmf.Batch(5), 50, rng=1, replicas=2, threads=1, progress=interrupt)
    early = caught.value.partial
    for match, call in (
        ("start is a Simulation without its last state", lambda: play(game, tmf.Batch(5), 50, start=early)),
        ("rng is given; must be None", lambda: play(game, tmf.Batch(5), 50, start=one, rng=1)),
        ("n_agents is 60; must be 50", lambda: play(game, tmf.Batch(5), 60, start=one)),
        ("replicas is 2; must be 1", lambda: play(game, tmf.Batch(5), 50, start=one, replicas=2)),
        ("engine is 'agents'; must be 'counts'", lambda: play(game, tmf.Batch(5), 50, start=one, engine="agents")),
        ("must have more than", lambda: play(short, tmf.Batch(5), 50, start=one)),
        ("game has sizes", lambda: play(chain(4, 3, 900), tmf.Batch(5), 50, start=one)),
        ("another number of actions", lambda: play(
            chain(3, 2, 900), tmf.Batch(5), 50, start=play(chain(3, 4, 20), tmf.Batch(5), 50, rng=1, decisions=False, engine="counts"))),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            call()


def interrupt(done, total):
    if done > 0:
        raise KeyboardInterrupt
