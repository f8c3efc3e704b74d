"""simulate(start=run): the rest of a longer game, in the same streams; both runs together are one."""

import numpy as np
import pytest
from test_kept_runs import AGENTS, CHOICE, COUNTS, PASSIVE, SERVERS, chain

import tmfcore as tmf

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
    one = play(first, schedule, n_agents, rng=5, keep_state=True, **options)
    two = play(game, schedule, n_agents, start=one, keep_state=True, **options)
    t = one.horizon
    np.testing.assert_array_equal(np.concatenate([one.counts, two.counts[:, 1:]], axis=1), whole.counts)
    np.testing.assert_array_equal(np.concatenate([one.rewards, two.rewards], axis=1), whole.rewards)
    if whole.decisions is not None:
        np.testing.assert_array_equal(np.concatenate([one.decisions, two.decisions], axis=1), whole.decisions)
    np.testing.assert_array_equal(two.steps, whole.steps[t:])
    np.testing.assert_allclose(one.returns + two.returns, whole.returns, rtol=1e-12)
    assert two.horizon == whole.horizon and len(two.ends) == whole.replicas
    if whole.trajectories is not None:
        for name in ("observations", "actions", "rewards"):
            parts = [getattr(run.trajectories, name) for run in (one, two)]
            np.testing.assert_array_equal(np.concatenate(parts, axis=1), getattr(whole.trajectories, name))


def test_states_are_files_and_records_may_differ(tmp_path):
    short = CHOICE.replace(horizon=400)
    one = play(short, tmf.Batch(60), 200, rng=1, replicas=3, engine="counts", keep_state=True)
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
    one = tmf.simulate(game, policy, tmf.Synchronous(), 20, rng=1, keep_state=True)
    seen.clear()
    tmf.simulate(game.replace(horizon=14), policy, tmf.Synchronous(), 20, start=one)
    assert set(seen) >= {10, 11, 12, 13} and max(seen) == 13


def test_skipped_steps_go_on_with_the_same_law():
    """Mutants of two types, N = 2: the share of runs that are alike at the end, beside one run (z-test at 1e-6)."""
    game = tmf.games.pairwise_revision([[0.0, 1], [1.5, 0]], horizon=4000, step=1, mutation=1e-3)
    options = {"decisions": False, "replicas": 400, "record_every": 4000, "start": [20, 0]}
    whole = play(game, tmf.Sequential(), 20, rng=1, **options)
    one = play(game.replace(horizon=1900), tmf.Sequential(), 20, rng=2, keep_state=True, **options)
    two = play(game, tmf.Sequential(), 20, **{**options, "start": one})
    a, b = (run.counts[:, -1, 0] / 20 for run in (whole, two))
    assert abs(a.mean() - b.mean()) < 4.9 * np.sqrt((a.var() + b.var()) / 400)


def test_what_does_not_fit_is_refused():
    game, short = SERVERS, SERVERS.replace(horizon=20)
    one = play(short, tmf.Batch(5), 50, rng=1, keep_state=True)
    plain = play(short, tmf.Batch(5), 50, rng=1)
    for match, call in (
        ("start is a Simulation without its last state", lambda: play(game, tmf.Batch(5), 50, start=plain)),
        ("rng is given; must be None", lambda: play(game, tmf.Batch(5), 50, start=one, rng=1)),
        ("n_agents is 60; must be 50", lambda: play(game, tmf.Batch(5), 60, start=one)),
        ("replicas is 2; must be 1", lambda: play(game, tmf.Batch(5), 50, start=one, replicas=2)),
        ("must have more than", lambda: play(short, tmf.Batch(5), 50, start=one)),
        ("game has sizes", lambda: play(chain(4, 3, 900), tmf.Batch(5), 50, start=one)),
        ("keep_state is True; must be False with Poisson", lambda: play(game, tmf.Poisson(), 50, keep_state=True, rng=1)),
        ("start is a Simulation; must be counts", lambda: play(game, tmf.Poisson(), 50, start=one)),
    ):
        with pytest.raises(ValueError, match=match):
            call()
