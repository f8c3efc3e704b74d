"""Every result of every verb, found by introspection, can do what results can: be looked at, saved, tabled, drawn."""

import copy
import dataclasses
import importlib
import inspect
import pickle
import re
import typing
from functools import cache

import numpy as np
import pytest

import tmfcore as tmf
from inputs.doors import modules, public
from inputs.things import RESULTS
from tmfcore import plotting
from tmfcore._results.records import Record
from tmfcore._results.result import Result
from tmfcore._results.tables import Table

#: What verbs return that is no result: what it is instead.
OTHERS = {"Game": "what is played", "Schedule": "who acts", "RoadNetwork": "what is driven on", "Estimate": "of a call, without its result"}


def functions():
    """Public functions, and public methods of public classes, with their annotations."""
    for module in modules():
        for name in public(module):
            thing = getattr(module, name, None) if module is not tmf.interop else None
            parts = [thing] if inspect.isroutine(thing) else []
            if inspect.isclass(thing):
                parts = [part for method in vars(thing) if not method.startswith("_") and callable(part := getattr(thing, method))]
            yield from (part for part in parts if str(getattr(part, "__module__", "")).startswith("tmfcore"))


def returned():
    """Names of the package's classes that public functions say they return."""
    found = set()
    for function in functions():
        names = re.findall(r"\w+", str(getattr(function, "__annotations__", {}).get("return", "")))
        space = vars(importlib.import_module(function.__module__))
        classes = [space[name] for name in names if inspect.isclass(space.get(name))]
        found |= {kind for kind in classes if kind.__module__.startswith("tmfcore") and not kind.__name__.startswith("_")}
    return found


def kinds(base=Result):
    """All classes of results that are no bases of others; and SoftmaxPolicy, which is one."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith("tmfcore"):
            below = list(kinds(kind))
            yield from below
            if not below or kind is tmf.SoftmaxPolicy:
                yield kind


@cache
def made(name):
    return RESULTS[name]()


def test_every_result_has_an_example_here():
    assert {type(made(name)) for name in RESULTS} == set(kinds())


def test_what_verbs_return_is_a_result():
    """A verb that returns a dataclass or a named tuple of the package returns a Result, which has the methods below."""
    found = {kind for kind in returned() if dataclasses.is_dataclass(kind) or issubclass(kind, tuple)}
    assert {tmf.Flow, tmf.Solution, tmf.BestResponse, tmf.analysis.Comparison} <= found
    wrong = {kind.__name__ for kind in found if not issubclass(kind, Result)} - set(OTHERS)
    assert {name for name in wrong if name not in tmf.solvers.__all__} == set()


#: Arguments that several verbs have, and their default in all of them.
SHARED = {
    "engine": "auto", "threads": None, "rng": None, "confidence": 0.95, "progress": False, "clock": "schedule",
    "start": "rounded", "record_every": 1,
}  # fmt: skip
#: How many populations a verb simulates unless told: one to look at, none, and as many as an estimate takes; and calls of sweep.
REPLICAS = {"simulate": 1, "bound": 0, "sweep": 1}


def test_arguments_of_verbs_are_spelled_and_defaulted_alike():
    spelled = set()
    for function in functions():
        parameters = inspect.signature(function).parameters
        name = function.__qualname__
        if inspect.isclass(function) or function.__module__.startswith(("tmfcore.plotting", "tmfcore.interop", "tmfcore.games")):
            continue
        for word, default in SHARED.items():
            if (name, word) == ("solve", "clock"):
                continue  # None there: that of the solver
            if word in parameters and parameters[word].default is not inspect.Parameter.empty:
                spelled.add(word)
                assert parameters[word].default == default, f"{name}({word}={parameters[word].default!r})"
        if "replicas" in parameters:
            assert parameters["replicas"].default == REPLICAS.get(name, 256), name
            assert parameters["replicas"].kind is inspect.Parameter.KEYWORD_ONLY, name
            # sweep repeats a function of its user; games of tmfcore.lq have one engine
            simulates = name != "sweep" and not function.__module__.startswith("tmfcore.lq")
            assert not simulates or {"engine", "threads", "rng"} <= set(parameters), f"{name} simulates, and takes no engine"
        others = {"level", "n_replicas", "repeats", "n_threads", "workers", "seed", "alpha"} & set(parameters)
        assert not others, f"{name} has {others}, which other verbs spell otherwise"
    assert spelled == set(SHARED)


@pytest.mark.parametrize("name", RESULTS)
def test_methods(name):
    kind = type(made(name))
    for method in ("save", "load", "plot", "to_pandas", "to_polars", "to_xarray", "equals", "_repr_html_"):
        assert callable(getattr(kind, method)), method
        assert getattr(kind, method).__doc__ or method == "_repr_html_", method
    assert kind.KINDS and all(isinstance(word, str) for word in kind.KINDS)
    own = any("plot" in vars(base) for base in kind.__mro__ if base is not Result)
    assert own or "`plot` draws" in kind.__doc__, "the class says what its pictures show"


@pytest.mark.parametrize("name", RESULTS)
def test_one_line(name):
    text = repr(made(name))
    assert text.startswith(f"{type(made(name)).__name__}(") and "\n" not in text and len(text) <= 250
    assert "array(" not in text and "object at" not in text


@pytest.mark.parametrize("name", RESULTS)
def test_saved_and_loaded(name, tmp_path):
    made(name).save(tmp_path / "a.npz")
    for again in (tmf.load(tmp_path / "a.npz"), type(made(name)).load(tmp_path / "a.npz")):
        assert type(again) is type(made(name))
        assert again.equals(made(name)) and made(name).equals(again)
        assert repr(again) == repr(made(name))
        again.save(tmp_path / "b.npz")
        assert tmf.load(tmp_path / "b.npz").equals(made(name))
    other = tmf.analysis.Comparison if name == "tmfcore.Flow" else tmf.Flow
    with pytest.raises(tmf.FileError, match=f"holds a {type(made(name)).__name__}; must hold a {other.__name__}"):
        other.load(tmp_path / "a.npz")


def arrays_in(value):
    """Arrays of a result, whatever they are kept in."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, Record):
        for field in value._names():
            yield from arrays_in(getattr(value, field))
    elif isinstance(value, dict):
        yield from (array for entry in value.values() for array in arrays_in(entry))
    elif isinstance(value, (tuple, list)):
        yield from (array for entry in value for array in arrays_in(entry))


@pytest.mark.parametrize("name", RESULTS)
def test_arrays_are_read_only(name, tmp_path):
    """Also those of a copy, of a result from a file, and of one that was pickled."""
    made(name).save(tmp_path / "a.npz")
    again = [tmf.load(tmp_path / "a.npz"), copy.deepcopy(made(name))] if name != "tmfcore.learn.Fit" else []
    if name not in ("tmfcore.learn.Fit", "tmfcore.solvers.Tuning"):  # which hold a function, and a study
        again.append(pickle.loads(pickle.dumps(made(name))))
    for result in [made(name), *again]:
        for array in arrays_in(result):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = array


def test_the_array_that_was_given_can_still_be_written_to():
    mu = np.array([[1.0, 0.0], [0.5, 0.5]])
    flow = tmf.Flow(mu, np.arange(2), np.ones(1), 1)
    mu[0, 0] = 1.0
    assert not flow.mu.flags.writeable and mu.flags.writeable


@pytest.mark.parametrize("name", RESULTS)
def test_tables(name):
    pytest.importorskip("pandas")
    pytest.importorskip("xarray")
    result, table = made(name), made(name)._table()
    assert isinstance(table, Table)
    frame = result.to_pandas()
    assert len(frame) > 0 and table.default in frame.columns
    data = result.to_xarray()
    for variable, (dims, array) in table.variables.items():
        assert data[variable].dims == dims and data[variable].shape == array.shape
        result.to_pandas(variable)
    numbers = [array for array in table.variables.values() if array[1].size]
    assert numbers, "a table that holds nothing"


#: Kinds of pictures that do not fit the example.
UNFIT = {"places", "snapshots", "grid"}
#: Whose pictures are scales of colours, in which no line has a name.
SCALES = ("tmfcore.testing.GameReport", "tmfcore.Tables", "tmfcore.TabularPolicy", "tmfcore.SoftmaxPolicy", "tmfcore.NoisePolicy", "tmfcore.SampledPolicy", "tmfcore.LinearSoftmax")


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.broad(12)
def test_pictures(name):
    """Each kind is drawn on the Axes given, with labelled axes, or says what it needs."""
    pytest.importorskip("matplotlib")
    result = made(name)
    for kind in result.KINDS:
        (ax,) = plotting.figure(1)[1]
        if kind in UNFIT and not (kind == "places" and name in ("tmfcore.Flow", "tmfcore.Simulation")):
            with pytest.raises(ValueError, match=r"^kind is"):
                result.plot(kind, ax=ax)
            continue
        assert result.plot(kind, ax=ax, title="mine") is ax
        assert ax.get_title(loc="left") == "mine"
        assert ax.get_ylabel() or ax.get_xlabel()
        ax.figure.draw_without_rendering()
    with pytest.raises(ValueError, match=r"kind is 'nonsense'; must be"):
        result.plot("nonsense")


@pytest.mark.parametrize("name", RESULTS)
def test_label_and_color(name):
    """Both are taken, or refused by name if the picture is a colour map."""
    pytest.importorskip("matplotlib")
    (ax,) = plotting.figure(1)[1]
    if name in SCALES:
        for option in ("label", "color"):
            with pytest.raises(ValueError, match=rf"^{option} is 'C0' \(str\); must be None, since the picture is a colour map"):
                made(name).plot(ax=ax, **{option: "C0"})
        return
    made(name).plot(label="mine", color="#123456", ax=ax)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any(text.startswith("mine") for text in texts), texts
    assert "#123456" in {str(line.get_color()) for line in ax.get_lines()}
    with pytest.raises(ValueError, match=r"^color is 'no colour'"):
        made(name).plot(color="no colour")


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.broad(6)
def test_what_a_notebook_shows(name):
    pytest.importorskip("matplotlib")
    shown = made(name)._repr_html_()
    assert shown.count("<img ") == 1 and "width='300'" in shown and "data:image/png;base64," in shown
    assert type(made(name)).__name__ in shown
    for fact, value in made(name)._facts():
        assert value is None or re.sub("[<>&]", "", fact)[:5] in shown


def test_without_matplotlib_a_notebook_shows_the_facts(monkeypatch):
    def missing():
        raise ImportError("pictures need matplotlib")

    monkeypatch.setattr("tmfcore.plotting._canvas.need_matplotlib", missing)
    shown = made("tmfcore.Flow")._repr_html_()
    assert "<img" not in shown and "example" in shown


def test_what_is_drawn_over_something_else_takes_other_colours():
    pytest.importorskip("matplotlib")
    solution = made("tmfcore.Solution")
    ax = solution.plot(label="one")
    solution.plot(label="two", ax=ax)
    one, two = (line for line in ax.get_lines() if line.get_label() in ("one", "two"))
    assert one.get_color() != two.get_color() and one.get_marker() != two.get_marker()
    goals = [line for line in ax.get_lines() if line.get_linestyle() == "--"]
    assert all(line.get_color() == plotting.GUIDE for line in goals)


def test_kinds_are_those_of_the_annotation():
    """`plot(kind=)` is checked by mypy against the same words as at run time."""
    for kind in kinds():
        (base,) = [b for c in kind.__mro__ for b in vars(c).get("__orig_bases__", ()) if typing.get_origin(b) is Result]
        assert kind.KINDS == typing.get_args(typing.get_args(base)[0])
