"""Bad input for every public callable: a sample of what `python -m tests.inputs` tries, and that nothing is left out."""

import dataclasses
import random

import numpy as np
import pytest

import tmfcore as tmf
from inputs import files, game_files
from inputs.cases import arguments, bad_values
from inputs.doors import doors
from inputs.examples import EXAMPLES
from inputs.judge import Case, gigabyte, judged
from inputs.things import saved
from tmfcore import plotting
from tmfcore._base import files as _files
from tmfcore._base.functions import fits_memory

DOORS = doors()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """What is written to a bad name is written here."""
    monkeypatch.chdir(tmp_path)


#: Bad values tried for each door, of those of all its arguments; of doors that draw or search, fewer.
SAMPLE, SLOW_SAMPLE = 24, 4
SLOW = ("plot", "tmfcore.solvers.Tuning", "tmfcore.tune", "tmfcore.solve", "sioux_falls", "tmfcore.interop", "bound")


def test_every_public_callable_has_an_example():
    """Who writes a public function writes a valid call of it in inputs/examples.py, and its arguments are covered."""
    assert set(EXAMPLES) == set(DOORS)


@pytest.mark.parametrize("name", sorted(DOORS))
def test_examples_give_every_argument(name):
    try:
        given = EXAMPLES[name]()
    except ModuleNotFoundError as error:  # of an extra
        pytest.skip(str(error))
    assert set(given) == set(DOORS[name].parameters)


@pytest.mark.parametrize("name", sorted(name for name in DOORS if arguments(DOORS[name])))
@pytest.mark.broad(150)
def test_bad_input_is_refused_by_name_or_makes_sense(name):
    door = DOORS[name]
    try:
        valid = EXAMPLES[name]()
    except ModuleNotFoundError as error:
        pytest.skip(str(error))
    all_of_them = [(argument, bad) for argument in arguments(door) for bad in bad_values(door, argument, valid[argument])]
    chosen = random.Random(name).sample(all_of_them, SLOW_SAMPLE if any(part in name for part in SLOW) else SAMPLE)
    leaks = {case.label: judged(case, EXAMPLES[name]) for case in (Case(door, (one,)) for one in chosen)}
    assert not {label: leak for label, leak in leaks.items() if leak is not None}


#: Inputs that were once accepted, or refused without the name of their argument.
LEAKED = [
    ("tmfcore.Population.step", "n_steps", "2**63"),
    ("tmfcore.Population.step", "n_steps", "-10**400"),
    ("tmfcore.analysis.price_of_anarchy", "n_agents", "nan"),
    ("tmfcore.analysis.price_of_anarchy", "n_agents", "'a'"),
    ("tmfcore.best_response", "others", "f(a) wrong shape"),
    ("tmfcore.games.graphon", "weights", "times 1e+308"),
    ("tmfcore.learn.Episodes.estimated", "game", "a game"),
    ("tmfcore.solvers.Subsampled.solve", "rng", "complex"),
    ("tmfcore.solvers.Subsampling.plot", "label", "0"),
    ("tmfcore.solvers.Subsampling.plot", "label", "(3,)"),
]


@pytest.mark.parametrize(("name", "argument", "label"), LEAKED)
def test_what_leaked_once(name, argument, label):
    found = [bad for bad in bad_values(DOORS[name], argument, EXAMPLES[name]()[argument]) if bad.label == label]
    assert len(found) >= 1
    for bad in found:
        assert judged(Case(DOORS[name], ((argument, bad),)), EXAMPLES[name]) is None


def test_damaged_files_are_refused_by_name():
    leaks = ((label, look()) for label, look in files.trials(600, seed=1))
    assert [(label, leak) for label, leak in leaks if leak is not None] == []


def test_damaged_games_in_files_are_refused_by_name():
    leaks = ((label, look()) for label, look in game_files.trials(600, seed=1))
    assert [(label, leak) for label, leak in leaks if leak is not None] == []


LONG = tmf.games.resource_selection(np.ones(3), horizon=2**31 - 1, step=1).at()  # 8 gigabytes for a number a step
UNIFORM = np.full((3, 3), 1 / 3)
HUGE = tmf.Game(2, 2, 4, 1.0, [0.5, 0.5], np.full((2, 2), 1e308), np.full((2, 2, 2), 0.5), passive_reward=1e308)


@pytest.mark.parametrize(
    ("call", "step"),
    [
        (lambda: tmf.evaluate(HUGE, np.full((2, 2), 0.5), tmf.Synchronous()), "t = 2"),
        (lambda: tmf.exploitability(HUGE, np.full((2, 2), 0.5), tmf.Synchronous()), "t = 2"),
        (
            lambda: tmf.best_response(
                HUGE, tmf.mean_field(HUGE, np.full((2, 2), 0.5), tmf.Synchronous()), tmf.Synchronous()
            ),
            "t = 2",
        ),
        (lambda: tmf.simulate(HUGE, np.full((2, 2), 0.5), tmf.Synchronous(), 10, rng=1), "t = 0"),
    ],
)
def test_rewards_too_large_to_add_are_an_error_that_names_the_step(call, step):
    """1e308 is finite, twice 1e308 is not: values overflow two steps before the end, sums over agents at once."""
    with pytest.raises(ValueError, match=rf"step {step}\b.*must be finite"):
        call()


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda: simulate_many(replicas=2**62), "replicas must be fewer"),
        (lambda: simulate_many(replicas=2**40), "replicas must be fewer"),
        (lambda: tmf.evaluate(LONG, UNIFORM, tmf.Synchronous()), r"^evaluate\(\).* game must have fewer steps"),
        (lambda: tmf.exploitability(LONG, UNIFORM, tmf.Synchronous()), r"^exploitability\(\).* game must have fewer"),
        (lambda: tmf.solve(LONG, tmf.Synchronous()), r"^solve\(\).* game must have fewer steps"),
        (lambda: tmf.solvers.Homotopy().solve(LONG, tmf.Synchronous()), r"^solve\(\).* game must have fewer steps"),
        (lambda: tmf.tune(LONG, tmf.Synchronous(), trials=1), r"^tune\(\).* game must have fewer steps"),
        (
            lambda: tmf.analysis.fluctuations(LONG, UNIFORM, tmf.Synchronous(), 10),
            r"^fluctuations\(\).* record_every must be larger",
        ),
        (lambda: tmf.analysis.bound(LONG, UNIFORM, tmf.Synchronous(), 10), r"^bound\(\) [^;]*; trials or replicas"),
        (lambda: tmf.TabularPolicy.uniform(LONG, 2**30), r"^uniform\(\).* stages must be fewer"),
    ],
)
def test_more_memory_than_there_is_gets_advice(call, advice):
    with gigabyte(), pytest.raises(MemoryError, match=advice):
        call()


def test_the_advice_is_of_the_function_called_and_what_was_found_stays():
    @fits_memory("x must be smaller")
    def inner():
        error = MemoryError("Unable to allocate 9 TiB")
        error.partial = "found"
        raise error

    @fits_memory("y must be smaller")
    def outer():
        inner()

    with pytest.raises(MemoryError) as caught:
        outer()
    assert str(caught.value) == "outer() needs more memory than there is (Unable to allocate 9 TiB); y must be smaller"
    assert caught.value.partial == "found"


def simulate_many(**more):
    game = tmf.games.left_right(step=1).at()
    return tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Sequential(), 10, rng=1, **more)


def test_a_callback_that_fails_is_named():
    def fail(*_):
        raise LookupError("mine")

    with pytest.raises(LookupError) as caught:
        simulate_many(progress=fail)
    assert caught.value.__notes__ == ["raised by progress, called as a function of (done, total)"]
    with pytest.raises(LookupError) as caught:
        tmf.solvers.MirrorDescent(learning_rate=0.5, learning_rate_decay=fail).solve(tmf.games.left_right(step=1).at(), tmf.Synchronous())
    assert caught.value.__notes__[0] == "raised by learning_rate_decay, called as a function of the iteration"


def test_records_hold_what_they_say():
    flow = tmf.mean_field(HUGE, np.full((2, 2), 0.5), tmf.Synchronous())
    with pytest.raises(TypeError, match=r"^mu is a list; must be an array of floats$"):
        dataclasses.replace(flow, mu=[1.0])
    with pytest.raises(TypeError, match=r"^observation_labels is a tuple; must be a tuple, each entry a string$"):
        dataclasses.replace(flow, observation_labels=(1, 2))
    with pytest.raises(TypeError, match=r"^fingerprint is 3 \(int\); must be a Fingerprint or None$"):
        dataclasses.replace(flow, fingerprint=3)
    with pytest.raises(ValueError, match=r"^steps has shape \(4,\); must be \(J\+1\) with J = 4, as mu$"):
        dataclasses.replace(flow, steps=flow.steps[:-1])
    with pytest.raises(ValueError, match=r"^mu has shape \(10,\); must be \(J\+1, S\)$"):
        dataclasses.replace(flow, mu=flow.mu.ravel())


@pytest.mark.parametrize("name", ["tmfcore.Flow", "tmfcore.Simulation", "tmfcore.analysis.Convergence", "tmfcore.analysis.Bound"])
def test_a_file_whose_arrays_do_not_fit_each_other_is_refused_whatever_its_checksum(name, tmp_path):
    arrays, header = _files.load_npz(saved(name))
    for array in arrays.keys() - {"active_fraction"}:  # (T,), which nothing else is
        other = arrays | {array: np.concatenate([arrays[array]] * 2)}
        _files.save_npz(tmp_path / "other.npz", other, header)
        with pytest.raises(tmf.FileError, match="shape"):
            tmf.load(tmp_path / "other.npz")
    fingerprint = header["state"].get("fingerprint")
    if fingerprint is not None:
        for name, bad in (("n_agents", {"objects": [[1], 2]}), ("clock", 3)):
            changed = fingerprint | {"state": fingerprint["state"] | {name: bad}}
            _files.save_npz(tmp_path / "other.npz", arrays, header | {"state": header["state"] | {"fingerprint": changed}})
            with pytest.raises(tmf.FileError, match=f"{name} of a fingerprint is"):
                tmf.load(tmp_path / "other.npz")
        fingerprint["state"]["digests"]["dict"].pop()
        _files.save_npz(tmp_path / "other.npz", arrays, header)
        with pytest.raises(tmf.FileError, match="'policy'"):
            tmf.load(tmp_path / "other.npz")


@pytest.mark.parametrize("metric", [int, lambda: 0.0, lambda found: "a", lambda found: 1j, lambda found: [1.0, 2.0]])
def test_a_metric_that_gives_no_number_is_named(metric):
    with pytest.raises((TypeError, ValueError)) as caught:
        tmf.tune(tmf.games.left_right(step=1).at(), tmf.Synchronous(), metric=metric, trials=1, rng=1)
    assert "metric" in str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plotting.by_step({"a": [1e300]}, 1.0, level_label="l", quantity="q"), r"^lines\['a'\] holds 1e\+300"),
        (lambda: plotting.by_step({"a": [1.0]}, 1e300, level_label="l", quantity="q"), "^level is 1e"),
        (lambda: plotting.heat(plotting.Course([0, 1], [[1e300], [0]]), ["a"]), r"^course\.values\[0, 0\] is 1e"),
        (lambda: plotting.lines(plotting.Course([0, 1], [[1], [0]]), None), "^labels is None"),
        (lambda: plotting.profiles(plotting.Course([0, 1], [[1], [0]]), None), "^labels is None"),
        (lambda: plotting.figure(1, title="\ud800"), r"^title is '\\ud800'; must be text that can be drawn"),
        (lambda: plotting.figure(1, title="$x_{$"), "^title is .*mathematics between dollar signs"),
        (lambda: plotting.heat(plotting.Course([0, 1], [[1], [0]]), ["$_$"]), r"^labels\[0\] is .*mathematics"),
        (lambda: plotting.save(plotting.figure(1)[1][0], "out.png", dpi=1), r"^dpi is 1; must be in \[10, 10000\]"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_it_is(draw, message):
    with pytest.raises((TypeError, ValueError), match=message):
        draw()
