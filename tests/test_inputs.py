"""Bad input for every public callable: a sample of what `python -m tests.inputs` tries, and that nothing is left out."""

import dataclasses
import random

import numpy as np
import pytest

import tmfcore as tmf
from inputs import files
from inputs.cases import arguments, bad_values
from inputs.doors import doors
from inputs.examples import EXAMPLES
from inputs.judge import Case, judged

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


def test_damaged_files_are_refused_by_name():
    assert [(label, leak) for label, leak in files.trials(300, seed=1) if leak is not None] == []


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
    ],
)
def test_more_memory_than_there_is_gets_advice(call, advice):
    with pytest.raises(MemoryError, match=advice):
        call()


def simulate_many(**more):
    game = tmf.games.left_right()
    return tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Sequential(), 10, rng=1, **more)


def test_a_callback_that_fails_is_named():
    def fail(*_):
        raise LookupError("mine")

    with pytest.raises(LookupError) as caught:
        simulate_many(progress=fail)
    assert caught.value.__notes__ == ["raised by progress, called as a function of (done, total)"]
    with pytest.raises(LookupError) as caught:
        tmf.solvers.MirrorDescent(learning_rate=0.5, learning_rate_decay=fail).solve(tmf.games.left_right(), tmf.Synchronous())
    assert caught.value.__notes__[0] == "raised by learning_rate_decay, called as a function of the iteration"


def test_records_hold_what_they_say():
    flow = tmf.mean_field(HUGE, np.full((2, 2), 0.5), tmf.Synchronous())
    with pytest.raises(TypeError, match=r"^mu is a list; must be an array of floats$"):
        dataclasses.replace(flow, mu=[1.0])
    with pytest.raises(TypeError, match=r"^observation_labels is a tuple; must be a tuple, each entry a string$"):
        dataclasses.replace(flow, observation_labels=(1, 2))
    with pytest.raises(TypeError, match=r"^fingerprint is 3 \(int\); must be a Fingerprint or None$"):
        dataclasses.replace(flow, fingerprint=3)
