"""What all results share: a line that says what they are, comparison, and one way to load what was saved."""

import dataclasses

import numpy as np
import pytest

import tmfcore as tmf
from inputs.examples import EXAMPLES
from tmfcore._results import packing
from tmfcore._results.records import Record

RECORDS = {name.removesuffix(".equals"): example for name, example in EXAMPLES.items() if name.endswith(".equals")}


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_says_in_one_line_what_it_is(name):
    record = RECORDS[name]()["self"]
    text = repr(record)
    assert text.startswith(f"{name.rpartition('.')[2]}(")
    assert "\n" not in text and len(text) <= 500


# Of the fields that take a few words only, another one.
OTHERS = {"schedule": "always", "steps": "sweeps", "counts": "agents", "agents": "counts", "rounded": "sampled"}


@pytest.mark.parametrize("name", RECORDS)
def test_a_field_that_is_one_of_a_few_words_takes_no_other(name):
    one = RECORDS[name]()["self"]
    for field in set(one._state()) & {"clock", "engine", "time", "start"}:
        with pytest.raises(TypeError, match=f"^{field} is 'other'.*; must be one of "):
            packing.make(type(one), one._state() | {field: "other"})


def test_integers_of_any_size_are_numbers():
    one = RECORDS["tmfcore.Solution"]()["self"]
    assert dataclasses.replace(one, mean_return=2**64).mean_return == 2.0**64
    with pytest.raises(ValueError, match=r"^mean_return is .*; must be within the range of floats"):
        dataclasses.replace(one, mean_return=10**400)


@pytest.mark.parametrize("name", RECORDS)
def test_equals_itself_and_no_other(name):
    """A copy is equal; with one number of one field changed it is not."""
    one, other = RECORDS[name]()["self"], RECORDS[name]()["self"]
    assert one.equals(one)
    assert one.equals(packing.make(type(one), one._state()))
    assert not one.equals(None) and not one.equals(name)
    for field, value in other._state().items():
        if isinstance(value, np.ndarray) and value.size and value.dtype.kind == "f":
            changed = value.copy()
            changed.flat[-1] = np.nextafter(changed.flat[-1], np.inf) if np.isfinite(changed.flat[-1]) else 0.0
        elif isinstance(value, str):
            changed = OTHERS.get(value, value + "!")
        else:
            continue
        assert not one.equals(packing.make(type(one), one._state() | {field: changed})), field


def test_nan_equals_nan_and_types_differ():
    @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    class Kept(Record):
        number: float
        table: "dict[str, np.ndarray]" = dataclasses.field(default_factory=dict)

        def __post_init__(self):
            """Anything is kept."""

    assert Kept(float("nan")).equals(Kept(float("nan")))
    assert not Kept(1.0).equals(Kept(1))
    assert Kept(1.0, {"a": np.array([np.nan])}).equals(Kept(1.0, {"a": np.array([np.nan])}))
    assert not Kept(1.0, {"a": np.array([1.0])}).equals(Kept(1.0, {"a": np.array([1])}))
    assert not Kept(1.0, {"a": np.array([1.0])}).equals(Kept(1.0, {"b": np.array([1.0])}))


def test_lines():
    game = tmf.games.left_right(step=1).at()
    policy = tmf.TabularPolicy.uniform(game)
    flow = tmf.mean_field(game, policy, tmf.Synchronous())
    assert repr(flow) == "Flow('left_right', S=3, T=2, 3 records)"
    run = tmf.simulate(game, policy, tmf.Synchronous(), 10, rng=1)
    assert repr(run).startswith("Simulation('left_right', N=10, B=N, T=2, 1 replica by counts, mean return ")
    found = tmf.solvers.MirrorDescent().solve(game, tmf.Synchronous())
    assert repr(found).startswith("Solution('left_right', MirrorDescent, exploitability ")
    assert repr(found).endswith(f", converged in {found.history['iteration'][-1]})")


def test_what_is_no_file_of_a_result_is_refused(tmp_path):
    (tmp_path / "other.npz").write_bytes(b"no archive")
    with pytest.raises(tmf.FileError, match="must be a saved result"):
        tmf.load(tmp_path / "other.npz")
