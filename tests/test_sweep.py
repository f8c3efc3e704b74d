"""`tmf.sweep`: grids, seeds by the cell's own parameters, errors that stop nothing, tables and pictures."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from sweep_cases import alone, evenly, nothing, pair
from tmfcore import plotting
from tmfcore._sweep.cells import cells_of, column

GRID = {"a": [1, 2, 3], "b": [0.5, 1.5]}


def by_hand(seed, replica, **parameters):
    """The stream of a cell, from numpy alone."""
    text = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    words = np.frombuffer(blake2b(text.encode(), digest_size=16).digest(), "<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*words, replica)))


def test_rows_are_the_cells_in_the_order_of_the_grid():
    study = tmf.sweep(pair, GRID, replicas=2, rng=7)
    cells = [(a, b, r) for a in (1, 2, 3) for b in (0.5, 1.5) for r in range(2)]
    assert list(zip(study.parameters["a"], study.parameters["b"], study.replica)) == cells
    assert study.results["sum"].tolist() == [a + b for a, b, _ in cells]
    assert study.results["drawn"].tolist() == [by_hand(7, r, a=a, b=b).random() for a, b, r in cells]
    assert study.parameters["a"].dtype == np.int64 and study.errors == ("",) * 12 and len(study) == 12


def test_more_cells_and_replicas_change_no_old_one():
    few = tmf.sweep(pair, GRID, rng=1)
    many = tmf.sweep(pair, {"b": [9.0, 0.5, 1.5, -1.0], "a": [3, 0, 2, 1]}, replicas=3, rng=1)
    rows = {(a, b): x for a, b, r, x in zip(many.parameters["a"], many.parameters["b"], many.replica, many.results["drawn"]) if r == 0}
    for a, b, x in zip(few.parameters["a"], few.parameters["b"], few.results["drawn"]):
        assert rows[a, b] == x
    assert len(set(many.results["drawn"])) == len(many)


def test_the_seed_matters_and_nothing_else():
    one, two, other = (tmf.sweep(alone, {"a": [1, 2]}, rng=seed) for seed in (1, np.int64(1), 2))
    assert one.results["value"].tolist() == two.results["value"].tolist()
    assert not set(one.results["value"]) & set(other.results["value"])
    assert tmf.sweep(alone, {"a": [1]}).results["value"] != tmf.sweep(alone, {"a": [1]}).results["value"]
    seed = np.random.SeedSequence(5)
    first, second = (tmf.sweep(alone, {"a": [1]}, rng=seed).results["value"] for _ in range(2))
    assert first != second and tmf.sweep(alone, {"a": [1]}, rng=np.random.SeedSequence(5)).results["value"] == first
    generator = np.random.default_rng(5)
    assert tmf.sweep(alone, {"a": [1]}, rng=generator).results["value"] == first


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, np.int64(1)), (0.5, np.float32(0.5)), (True, np.True_), ("a", np.str_("a")), ((1, 2), [1.0, 2]), (10**18, 1e18),
        (0, -0.0), (np.longdouble(0.5), 0.5)]
)  # fmt: skip
def test_equal_values_are_one_cell(one, other):
    assert cells_of({"a": [one]}).key(0) == cells_of({"a": [other]}).key(0)


@pytest.mark.parametrize("values", [[True, 1], [1, "1"], [None, "None"], [None, float("nan")], [2**53, 2**53 + 1, 0.5], [1.0, "x", "1"]])
def test_values_that_a_table_would_not_tell_apart_need_labels(values):
    with pytest.raises(ValueError, match=r"grid\['a'\]\[\d\] is shown as .*; must be told apart by labels"):
        tmf.sweep(nothing, {"a": values})
    labelled = tmf.sweep(nothing, {"a": {f"value {i}": value for i, value in enumerate(values)}})
    assert labelled.parameters["a"].tolist() == [f"value {i}" for i in range(len(values))]


def test_different_values_are_different_cells():
    game = tmf.games.left_right(horizon=4)
    values = [
        0, 1, True, None, "1", "", 0.1, float("nan"), float("inf"), (1,), (1, 2), ((1, 2),), np.ones(2), np.ones(3), game, tmf.games.left_right(horizon=5),
        tmf.Sequential(), tmf.Synchronous(), tmf.Batch(2), tmf.Batch(3), tmf.Fraction(0.1), tmf.TabularPolicy([[0.5, 0.5]]),
        tmf.TabularPolicy([[0.25, 0.75]]), tmf.solvers.MirrorDescent(), tmf.solvers.MirrorDescent(learning_rate=0.25),
    ]  # fmt: skip
    cells = cells_of({"a": {str(i): value for i, value in enumerate(values)}})
    assert len({cells.key(i) for i in range(len(cells))}) == len(values)
    assert cells_of({"a": [1], "b": [2]}).key(0) == cells_of({"b": [2], "a": [1]}).key(0) != cells_of({"a": [2], "b": [1]}).key(0)


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(-3, 3), min_size=1, max_size=3, unique=True), min_size=1))
def test_a_frame_of_all_combinations_is_the_grid(grid):
    class Frame:
        """What a data frame is here: columns by name."""

        def __init__(self, cells):
            self.columns = list(cells.names)
            self.data = {name: values.tolist() for name, values in cells.columns(np.arange(len(cells))).items()}

        def __getitem__(self, name):
            return self.data[name]

    cells = cells_of(grid)
    frame = cells_of(Frame(cells))
    assert [cells.key(i) for i in range(len(cells))] == [frame.key(i) for i in range(len(frame))]
    assert max(Counter(cells.key(i) for i in range(len(cells))).values()) == 1


def test_frames_of_pandas_and_polars():
    pandas = pytest.importorskip("pandas")
    rows = {"a": [1, 2, 5], "b": [0.5, 0.5, 1.0]}
    study = tmf.sweep(pair, pandas.DataFrame(rows), rng=1)
    assert study.parameters["a"].tolist() == [1, 2, 5] and study.results["sum"].tolist() == [1.5, 2.5, 6.0]
    assert study.results["drawn"][0] == tmf.sweep(pair, GRID, rng=1).results["drawn"][0]
    assert "cell" in study.to_pandas().columns
    polars = pytest.importorskip("polars")
    assert tmf.sweep(pair, polars.DataFrame(rows), rng=1).equals(tmf.sweep(pair, pandas.DataFrame(rows), rng=1)) is False  # seconds
    with pytest.raises(ValueError, match="grid has row 1 twice"):
        tmf.sweep(pair, pandas.DataFrame({"a": [1, 1], "b": [2, 2]}), rng=1)
    twice = pandas.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    with pytest.raises(ValueError, match="grid has the name 'a' twice"):
        tmf.sweep(pair, twice, rng=1)


def test_games_and_schedules_are_parameters():
    games = {"short": tmf.games.left_right(horizon=2), "long": tmf.games.left_right(horizon=4)}
    study = tmf.sweep(evenly, {"game": games, "n_agents": [10, 20]}, rng=3)
    assert study.parameters["game"].tolist() == ["short", "short", "long", "long"]
    with ThreadPoolExecutor(2) as pool:
        again = tmf.sweep(evenly, {"game": games, "n_agents": [10, 20]}, rng=3, executor=pool)
    assert again.results["value"].tolist() == study.results["value"].tolist()
    who = tmf.sweep(lambda schedule: schedule.active_fraction(1, 10)[0], {"schedule": [tmf.Batch(2), tmf.Synchronous()]})
    assert who.parameters["schedule"].tolist() == ["B=2", "B=N"] and who.results["value"].tolist() == [0.2, 1.0]


def test_an_error_stops_nothing_and_is_kept():
    def odd(a):
        if a % 2 == 0:
            raise LookupError(f"no {a}\nhere")
        return {"half": a // 2, "name": "odd"}

    study = tmf.sweep(odd, {"a": [1, 2, 3, 4]})
    assert study.errors == ("", "LookupError: no 2 here", "", "LookupError: no 4 here")
    assert study.failed.tolist() == [False, True, False, True]
    assert study.results["name"].tolist() == ["odd", "", "odd", ""]
    np.testing.assert_array_equal(study.results["half"], [0, np.nan, 1, np.nan])
    assert "failed 2" in repr(study)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (3, {"value": 3}), (np.float32(0.5), {"value": 0.5}), (np.longdouble(0.5), {"value": 0.5}), (np.array(2), {"value": 2}), (None, {}), (True, {"value": True}),
        ({"a_": None, "b_": "x"}, {"a_": None, "b_": "x"}), (2**70, {"value": 2.0**70}),
    ],
)  # fmt: skip
def test_what_a_function_may_return(returned, expected):
    study = tmf.sweep(lambda a: returned, {"a": [1]})
    assert study.errors == ("",)
    found = {name: values[0] for name, values in study.results.items()}
    assert {name: None if value != value else value for name, value in found.items()} == expected


@pytest.mark.parametrize("returned", [[1], np.ones(2), 1j, {"a": 1}, {"seconds": 1}, {1: 2}, {"b": [1]}, "\ud800", object(), {"": 1}, {"\ud800": 1}])
def test_what_it_may_not_is_an_error_of_the_cell(returned):
    study = tmf.sweep(lambda a: returned, {"a": [1]})
    assert study.errors[0].startswith(("TypeError: ", "ValueError: ")) and "function returned" in study.errors[0]


def test_a_result_that_is_one_number_is_one():
    game = tmf.games.left_right(horizon=2)
    study = tmf.sweep(
        lambda n_agents, rng: tmf.finite_exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5), n_agents, replicas=4, rng=rng),
        {"n_agents": [10]}, rng=1,
    )  # fmt: skip
    assert study.errors == ("",) and np.isfinite(study.results["value"]).all()


def test_an_interrupt_hands_over_what_is_done():
    def stopping(a):
        if a == 3:
            raise KeyboardInterrupt
        return a

    with pytest.raises(KeyboardInterrupt) as caught:
        tmf.sweep(stopping, {"a": [1, 2, 3, 4]})
    assert caught.value.partial.results["value"].tolist() == [1, 2]
    with pytest.raises(KeyboardInterrupt) as caught:
        tmf.sweep(stopping, {"a": [3]})
    assert caught.value.partial is None


def test_progress_counts_calls():
    seen = []
    tmf.sweep(nothing, {"a": [1, 2, 3]}, replicas=2, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (1, 6) and seen[-1] == (6, 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": {}}, "grid is empty"),
        ({"grid": {"a": []}}, r"grid\['a'\] is empty"),
        ({"grid": {"a": "text"}}, r"grid\['a'\] is 'text'"),
        ({"grid": {"a": {1, 2}}}, r"grid\['a'\] is a set; must be a list"),
        ({"grid": {"a": [1, 1.0]}}, r"grid\['a'\]\[1\] equals grid\['a'\]\[0\]"),
        ({"grid": {"a": [object()]}}, r"grid\['a'\]\[0\] is an object; must be a number"),
        ({"grid": {"a": [tmf.games.left_right(horizon=2), tmf.games.left_right(horizon=3)]}}, "is shown as 'left_right'.*labels"),
        ({"grid": {"b": [1]}}, r"grid has b; must be the arguments of function\(a\)"),
        ({"grid": {"a": [1], "b": [1]}}, r"grid has a, b; must be the arguments of function\(a\)"),
        ({"grid": {"seconds": [1]}}, "grid has the name 'seconds'"),
        ({"grid": {"a b": [1]}}, "grid has the name 'a b'"),
        ({"grid": [1, 2]}, "grid is a list; must be a dict of lists, or a data frame"),
        ({"grid": {name: range(100) for name in "abcdefgh"}}, "grid has 10000000000000000 cells; must have at most"),
        ({"rng": 1}, "rng is given, but function has no argument rng"),
        ({"replicas": 0}, "replicas is 0"),
        ({"executor": 2}, r"executor is 2 \(int\); must be a concurrent.futures.Executor or None"),
        ({"retry": 1}, "retry is 1"),
        ({"function": 3}, "function is 3"),
        ({"confidence": 1.0}, "confidence is 1"),
    ],
)
def test_mistakes_are_named(change, message):
    given = {"function": nothing, "grid": {"a": [1]}} | change
    with pytest.raises((TypeError, ValueError), match=message):
        tmf.sweep(given.pop("function"), given.pop("grid"), **given)


def test_a_function_may_be_a_partial_or_an_object():
    assert tmf.sweep(partial(pair, b=1), {"a": [1]}, rng=1).function == "pair"

    class Adder:
        def __call__(self, a):
            return a + 1

    study = tmf.sweep(Adder(), {"a": [1]})
    assert study.function == "Adder" and study.results["value"].tolist() == [2]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False], np.array([True, False])), ([1, 2], np.array([1, 2])), ([1, 2.5], np.array([1.0, 2.5])), ([1, None], np.array([1.0, np.nan])),
        (["a", None], np.array(["a", ""])), (["a", 1.0, 1, 0.5], np.array(["a", "1", "1", "0.5"])), ([True, 1.5], np.array([1.0, 1.5])),
    ],
)  # fmt: skip
def test_columns(values, expected):
    found = column(values)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_the_table_has_a_dimension_for_each_parameter():
    study = tmf.sweep(pair, GRID, replicas=2, rng=7)
    table = study._table()
    assert {name: values.tolist() for name, values in table.coordinates.items()} == {"a": [1, 2, 3], "b": [0.5, 1.5], "replica": [0, 1]}
    dims, drawn = table.variables["drawn"]
    assert dims == ("a", "b", "replica") and drawn[2, 1, 0] == by_hand(7, 0, a=3, b=1.5).random()
    columns = table.columns(None)
    assert list(columns) == ["a", "b", "replica", "sum", "drawn", "seconds", "error"]
    assert columns["drawn"].tolist() == study.results["drawn"].tolist()


def test_xarray():
    pytest.importorskip("xarray")
    data = tmf.sweep(pair, GRID, replicas=2, rng=7).to_xarray()
    assert data.drawn.sel(a=2, b=0.5, replica=1).item() == by_hand(7, 1, a=2, b=0.5).random()
    assert data.attrs["function"] == "pair"


def test_small_multiples():
    study = tmf.sweep(pair, {"a": [1, 10, 100], "b": [0.5, 1.5]}, replicas=4, rng=1)
    ax = study.plot(y="drawn")
    assert len(ax.figure.axes) == 1 and ax.get_xlabel() == "a" and ax.get_xscale() == "log" and ax.get_ylabel() == "drawn, 95% intervals"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["b = 0.5", "b = 1.5"]
    line = ax.containers[0].lines
    drawn = study.results["drawn"][(study.parameters["b"] == 0.5)].reshape(3, 4)
    np.testing.assert_allclose(line[0].get_ydata(), drawn.mean(axis=1))
    ends = np.array([segment[:, 1] for segment in line[2][0].get_segments()])
    half = 3.182446305 * drawn.std(axis=1, ddof=1) / 2  # t, 3 degrees of freedom
    np.testing.assert_allclose(ends, np.stack([drawn.mean(axis=1) - half, drawn.mean(axis=1) + half], axis=1))

    def three(a, b, c):
        return {"text": "x", "number": a + b + c}

    wide = tmf.sweep(three, {"a": [1, 2, 3], "b": [0, 1], "c": ["x", "y"]} | {"c": [0, 5]})
    first = wide.plot(title="three")
    assert [ax.get_title(loc="left") for ax in first.figure.axes] == ["c = 0", "c = 5"] and first.get_ylabel() == "number"
    assert first.figure.get_suptitle() == "three"
    assert wide.plot(x="c", line="a").get_xlabel() == "c"
    with pytest.raises(ValueError, match="ax is given, but there are 2 panels, by c"):
        wide.plot(ax=plotting.figure(1)[1][0])
    with pytest.raises(ValueError, match="line is 'a', as x"):
        wide.plot(x="a", line="a")
    with pytest.raises(ValueError, match="y is 'text'"):
        wide.plot(y="text")
    named = tmf.sweep(lambda who: len(who), {"who": ["one", "three"]}).plot()
    assert [tick.get_text() for tick in named.get_xticklabels()] == ["one", "three"] and named.lines[0].get_linestyle() == "None"


def test_a_picture_needs_numbers():
    with pytest.raises(ValueError, match="nothing to draw"):
        tmf.sweep(lambda a: {"text": "x"}, {"a": [1]}).plot()
    with pytest.raises(ValueError, match="panels, by b, c; must be at most"):
        tmf.sweep(lambda a, b, c: a, {"a": range(30), "b": range(10), "c": range(9)}).plot(x="a")


def test_a_saved_sweep_is_loaded(tmp_path):
    study = tmf.sweep(pair, GRID, rng=7)
    study.save(tmp_path / "study.npz")
    assert tmf.load(tmp_path / "study.npz").equals(study)
