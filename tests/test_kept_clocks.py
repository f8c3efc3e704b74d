"""simulate(checkpoint=) under Poisson clocks: stopped after any writing, and on to the bits of one run."""

from functools import partial

import numpy as np
import pytest
from test_continuing_clocks import CASES, clocks
from test_kept_runs import Stop, in_many_calls, same, stopped_after
from test_poisson_many import PI, constant

import tmfcore as tmf
from tmfcore._population import jump_stage, lanes

STAGES = np.stack([PI, PI[::-1], PI[:, ::-1]])
MORE = {
    "side by side": (constant(horizon=9.0), 1.0, 3000, {"replicas": 20, "times": 3.0}),
    "side by side, no decisions": (constant(horizon=9.0), 1.0, 3000, {"replicas": 20, "decisions": False}),
    "stages": (constant(horizon=9.0), 1.0, 3000, {}),
    "stages side by side": (constant(True, horizon=9.0), [0.3, 1.0, 2.0], 1000, {"replicas": 18}),
    "slow": (constant(horizon=9.0), 0.05, 20, {"replicas": 20, "times": 9.0}),
}


def played(case, **more):
    game, rate, n_agents, options = {**CASES, **MORE}[case]
    policy = STAGES if case.startswith("stages") else np.full((game.n_observations, game.n_actions), 1 / game.n_actions)
    return tmf.simulate(game, policy, clocks(rate), n_agents, rng=5, **options, **more)


@pytest.mark.parametrize("case", [*CASES, *MORE])
@pytest.mark.broad(2)
def test_stopped_after_each_writing(case, tmp_path, monkeypatch):
    whole, path = played(case), tmp_path / "run.npz"
    k, stops, stopped = 0, 0, True
    while stopped and k < 12:
        k += max(1, k // 3)
        path.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            stopped_after(patch, k)
            try:
                same(played(case, checkpoint=tmf.Checkpoint(path, every=0)), whole)
                stopped = False
            except Stop:
                stops += 1
        same(played(case, checkpoint=path, threads=1), whole)
        same(played(case, checkpoint=path), whole)  # at once
    assert stops > 0


@pytest.mark.parametrize("case", ["one", "passive", "side by side", "stages side by side"])
@pytest.mark.broad(1)
def test_stopped_again_and_again(case, tmp_path, monkeypatch):
    whole = played(case)
    found = in_many_calls(partial(played, case), tmp_path / "run.npz", monkeypatch)
    same(found, whole)
    last = found.ends, whole.ends
    assert (last[0].blocks == last[1].blocks).all() and (last[0].events == last[1].events).all()


def test_states_of_replicas_side_by_side_go_on_alone(tmp_path, monkeypatch):
    whole, path = played("side by side"), tmp_path / "run.npz"
    with monkeypatch.context() as patch:
        stopped_after(patch, 2)
        with pytest.raises(Stop):
            played("side by side", checkpoint=tmf.Checkpoint(path, every=0), threads=1)
    monkeypatch.setattr(lanes, "fewest", lambda n: 10**9)
    same(played("side by side", checkpoint=path), whole)


def test_many_runs_of_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(jump_stage, "MOST_STEPS", 1000)
    whole, path = played("one"), tmp_path / "run.npz"
    for k in range(1, 12):
        path.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            stopped_after(patch, k)
            with pytest.raises(Stop):
                played("one", checkpoint=tmf.Checkpoint(path, every=0))
        same(played("one", checkpoint=path), whole)


def test_a_run_that_goes_on_is_kept(tmp_path, monkeypatch):
    game = constant(horizon=9.0)
    one = tmf.simulate(game.replace(horizon=2.0), PI, tmf.Poisson(), 2000, rng=1, replicas=2)
    call = lambda **more: tmf.simulate(game, PI, tmf.Poisson(), 2000, start=one, replicas=2, **more)  # noqa: E731
    whole, path = call(), tmp_path / "run.npz"
    for k in (1, 3, 6):
        path.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            stopped_after(patch, k)
            with pytest.raises(Stop):
                call(checkpoint=tmf.Checkpoint(path, every=0))
        same(call(checkpoint=path), whole)


def test_another_call_is_refused_by_name(tmp_path):
    path, game = tmp_path / "run.npz", constant()
    options = {"rng": 5, "checkpoint": path}
    tmf.simulate(game, PI, tmf.Poisson(), 30, **options)
    before = path.read_bytes()
    for name, call, changed in (
        ("rng", (game, PI, tmf.Poisson(), 30), {"rng": 6}),
        ("game", (constant(horizon=5.0), PI, tmf.Poisson(), 30), {}),
        ("policy", (game, PI[::-1], tmf.Poisson(), 30), {}),
        ("schedule", (game, PI, tmf.Poisson(2.0), 30), {}),
        ("n_agents", (game, PI, tmf.Poisson(), 31), {}),
        ("times", (game, PI, tmf.Poisson(), 30), {"times": 0.5}),
        ("times", (game, PI, tmf.Poisson(), 30), {"times": "events"}),
        ("decisions", (game, PI, tmf.Poisson(), 30), {"decisions": False}),
        ("replicas", (game, PI, tmf.Poisson(), 30), {"replicas": 2}),
    ):
        with pytest.raises(tmf.FileError, match=name):
            tmf.simulate(*call, **{**options, **changed})
        assert path.read_bytes() == before
    with pytest.raises(ValueError, match="rng is None; must be a seed if checkpoint is given"):
        tmf.simulate(game, PI, tmf.Poisson(), 30, checkpoint=path)
