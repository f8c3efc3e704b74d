"""`tune` goes on from a checkpoint: finished trials are kept, and the solve under way, whatever the sampler is."""

import numpy as np
import pytest

import tmfcore as tmf
from solver_cases import queueing
from tmfcore._results.checkpoint import Keeper
from tmfcore.solvers import TMFPG, FictitiousPlay, MirrorDescent

optuna = pytest.importorskip("optuna", reason="extra `tune`")
pytestmark = [
    pytest.mark.filterwarnings("ignore::tmfcore.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

GAMES, WHO = [queueing(horizon=3), queueing(horizon=4)], tmf.Fraction(0.5)


class Killed(BaseException):
    """Stands for a signal that ends the process."""


@pytest.fixture
def stop_after(monkeypatch):
    """`stop_after(k)`: the k-th write from now on is the last thing that the call does; returns a list of the writes."""
    plain, left, made = Keeper.save, [0], []

    def save(self, state):
        plain(self, state)
        if type(self) is Keeper:
            made.append(state)
            left[0] -= 1
            if left[0] == 0:
                raise Killed

    def stop(k):
        left[0] = k
        made.clear()
        return made

    monkeypatch.setattr(Keeper, "save", save)
    return stop


def same(found, expected):
    """Two searches, but for the seconds, in trials and in histories."""
    assert repr(found.solver) == repr(expected.solver) and found.errors == expected.errors
    assert (found.value, found.best_trial, found.metric) == (expected.value, expected.best_trial, expected.metric)
    assert found.trials.keys() == expected.trials.keys()
    for name in found.trials.keys() - {"seconds"}:
        assert found.trials[name].dtype == expected.trials[name].dtype
        np.testing.assert_array_equal(found.trials[name], expected.trials[name])
    assert (found.trials["seconds"] > 0).all()
    for one, other in zip(found.solutions, expected.solutions, strict=True):
        assert one.policy == other.policy and one.reason == other.reason
        assert one.history["exploitability"].tolist() == other.history["exploitability"].tolist()
        assert one.fingerprint == other.fingerprint
    drawn = [[(trial.params, trial.value) for trial in each.study.trials] for each in (found, expected)]
    assert drawn[0] == drawn[1]


SEARCHES = {
    "rates": {"solver": MirrorDescent(iterations=8), "trials": 4},
    "samples": {"solver": TMFPG(iterations=6), "trials": 4, "n_agents": 20, "metric": "exploitability"},
    "choices": {"solver": FictitiousPlay(iterations=6), "trials": 4, "space": {"average": (0.0, 3.0)}},
    "failures": {"solver": MirrorDescent(iterations=6), "trials": 6, "space": {"learning_rate": (1e-3, 1e300, "log")}},
    "random": {"solver": MirrorDescent(iterations=6), "trials": 4, "sampler": optuna.samplers.RandomSampler},
    "own metric": {"solver": MirrorDescent(iterations=6), "trials": 4, "metric": lambda found: found[1].exploitability},
}


@pytest.mark.parametrize("options", SEARCHES.values(), ids=SEARCHES.keys())
@pytest.mark.broad(1)
def test_a_search_goes_on(options, tmp_path, stop_after):
    path = tmp_path / "tune.npz"

    def call(checkpoint=None):
        own = dict(options)
        if "sampler" in own:
            own["sampler"] = own["sampler"](seed=5)
        return tmf.tune(GAMES, WHO, own.pop("n_agents", None), rng=1, checkpoint=checkpoint, **own)

    expected, writes = call(), stop_after(0)
    same(call(tmf.Checkpoint(path, 0.0)), expected)
    n = len(writes)
    assert n > 2 * options["trials"] and sum(each["trial"] is not None for each in writes) > options["trials"]
    for k in {1, n // 2, n - 1} | ({n // 4, n - 2} if "n_agents" in options else set()):
        path.unlink()
        stop_after(k)
        with pytest.raises(Killed):
            call(tmf.Checkpoint(path, 0.0))
        if k < n - 2:
            stop_after(2)
            with pytest.raises(Killed):
                call(tmf.Checkpoint(path, 0.0))
        stop_after(0)
        same(call(path), expected)
    kept, writes = path.read_bytes(), stop_after(0)
    same(call(path), expected)
    assert writes == [] and path.read_bytes() == kept


def test_finished_trials_are_not_run_again(tmp_path, stop_after):
    """Nor is the callback called for them; the search goes on within the solve that was stopped."""
    path, seen, solves = tmp_path / "tune.npz", [], []

    def call():
        def metric(found):
            solves.append(found[0].history["iteration"].tolist())
            return found[0].exploitability

        solver = MirrorDescent(iterations=5, tolerance=None)
        return tmf.tune(
            GAMES[0], WHO, solver=solver, trials=3, metric=metric, rng=1, checkpoint=tmf.Checkpoint(path, 0.0),
            callback=lambda now: seen.append(len(now.errors)),
        )  # fmt: skip

    stop_after(5 + 1 + 5 + 1 + 3)  # in the third trial
    with pytest.raises(Killed):
        call()
    assert seen == [1, 2] and len(solves) == 2
    writes = stop_after(0)
    call()
    assert seen == [1, 2, 3, 4] and len(solves) == 4
    assert len(writes) == 2 + 1 + 5 + 1 + 1  # of the third trial two updates were left


def test_a_callback_ends_the_search_once_and_for_all(tmp_path, stop_after):
    path = tmp_path / "tune.npz"
    options = {"solver": MirrorDescent(iterations=4), "trials": 9, "rng": 1, "checkpoint": path}
    found = tmf.tune(GAMES, WHO, callback=lambda now: len(now.errors) == 3, **options)
    again = tmf.tune(GAMES, WHO, **options)
    assert len(found.errors) == 3
    same(again, found)


def test_a_search_whose_trials_all_fail_says_so_again(tmp_path):
    options = {"solver": MirrorDescent(iterations=3), "trials": 2, "rng": 1, "checkpoint": tmp_path / "tune.npz"}
    for _ in range(2):
        with pytest.raises(ValueError, match=r"metric is .*; it was not finite in any of 3 trials"):
            tmf.tune(GAMES, WHO, metric=lambda found: np.inf, **options)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"trials": 7}, "trials was 3, is 7"), ({"rng": 2}, r"rng was \[1\], is \[2\]"),
        ({"metric": "seconds"}, 'metric was "iterations", is "seconds"'), ({"solver": MirrorDescent(iterations=5)}, "solver was"),
        ({"space": {"momentum": (0.0, 0.5)}}, "space was"), ({"game": GAMES[:1]}, "games was"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_another_search_is_refused_and_the_file_stays(changes, text, tmp_path):
    path = tmp_path / "tune.npz"
    options = {"game": GAMES, "schedule": WHO, "solver": MirrorDescent(iterations=4), "trials": 3, "rng": 1, "checkpoint": path}
    tmf.tune(**options)
    kept = path.read_bytes()
    with pytest.raises(tmf.FileError, match=f"another call of tune.*{text}"):
        tmf.tune(**options | changes)
    with pytest.raises(tmf.FileError, match="is a checkpoint of tune; must be one of solve"):
        tmf.solve(GAMES[0], WHO, checkpoint=path)
    assert path.read_bytes() == kept


def test_a_sampler_must_be_new_and_of_the_same_seed(tmp_path):
    options = {"solver": MirrorDescent(iterations=4), "trials": 3, "rng": 1, "checkpoint": tmp_path / "tune.npz"}
    tmf.tune(GAMES, WHO, sampler=optuna.samplers.RandomSampler(seed=5), **options)
    with pytest.raises(tmf.FileError, match=r"trial 1 of .* had the settings.*must be a new sampler of the same seed"):
        tmf.tune(GAMES, WHO, sampler=optuna.samplers.RandomSampler(seed=6), **options)


def test_a_search_needs_a_seed(tmp_path):
    with pytest.raises(ValueError, match="rng is None; must be a seed if checkpoint is given"):
        tmf.tune(GAMES, WHO, solver=MirrorDescent(iterations=4), trials=2, checkpoint=tmp_path / "tune.npz")
    assert list(tmp_path.iterdir()) == []
