"""Results as tables of other libraries, arrays of other libraries as arguments, and types as a user's checker sees them."""

import builtins
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base import validation as check

ROOT = Path(__file__).resolve().parents[1]
GAME = tmf.Game(2, 3, 6, 0.9, [0.5, 0.5], lambda mu: -mu[:, None] * np.ones(3),
                np.eye(2)[[[0, 1, 0], [1, 0, 1]]], name="doors", observation_labels=["in", "out"],
                action_labels=["stay", "go", "wait"])  # fmt: skip
POLICY = tmf.TabularPolicy(np.full((2, 3), 1 / 3))


def results():
    run = tmf.simulate(GAME, POLICY, tmf.Batch(5), 20, replicas=2, rng=1, record_every=4)
    found = tmf.evaluate(GAME, POLICY, tmf.Fraction(0.5))
    solution = tmf.solvers.MirrorDescent(iterations=3, tolerance=1e-12).solve(GAME, tmf.Fraction(0.5))
    return {"simulation": run, "flow": found.flow, "evaluation": found, "solution": solution}


def individuals():
    return tmf.simulate(GAME, POLICY, tmf.Batch(5), 20, rng=1, trajectories=True)


def test_columns_are_the_cells_in_order():
    """Held against loops, without any library of tables."""
    run = results()["simulation"]
    columns = run._table().columns(None)
    assert list(columns) == ["replica", "step", "time", "observation", "counts", "mu"]
    rows = list(zip(*(columns[name].tolist() for name in columns)))
    wanted = [
        (r, int(step), float(step), label, int(run.counts[r, j, o]), run.counts[r, j, o] / 20)
        for r in range(2)
        for j, step in enumerate([0, 4, 6])
        for o, label in enumerate(["in", "out"])
    ]
    assert rows == wanted
    columns = run._table().columns("decisions")
    assert list(columns) == ["replica", "interval", "interval_time", "observation", "action", "decisions"]
    assert len(columns["decisions"]) == 2 * 2 * 2 * 3
    assert set(columns["action"]) == {"stay", "go", "wait"}
    with pytest.raises(ValueError, match=r"kind is 'decision'.*did you mean 'decisions'"):
        run._table().columns("decision")


def test_labels_that_are_numbers_stay_numbers():
    plain = tmf.Game(2, 2, 3, 1.0, [1, 0], np.zeros((2, 2)), np.full((2, 2, 2), 0.5))
    flow = tmf.mean_field(plain, tmf.TabularPolicy.uniform(plain), tmf.Synchronous())
    assert flow._table().columns(None)["observation"].tolist() == [0, 1] * 4


def test_actions_without_labels_are_numbers():
    """As many as there are actions, not as there are observations."""
    plain = tmf.Game(2, 3, 2, 1.0, [1, 0], np.zeros((2, 3)), np.full((2, 3, 2), 0.5))
    found = tmf.evaluate(plain, tmf.TabularPolicy.uniform(plain), tmf.Synchronous())
    assert found._table().columns("q")["action"].tolist() == [0, 1, 2] * 4


def test_action_labels_survive_a_file(tmp_path):
    for name, result in results().items():
        if name != "evaluation":
            result.save(tmp_path / name)
            back = type(result).load(tmp_path / name)
            flow = back.flow if name == "solution" else back
            assert flow.action_labels == ("stay", "go", "wait")
            assert back._table().columns(None).keys() == result._table().columns(None).keys()


@pytest.mark.parametrize("library", ["xarray", "pandas", "polars"])
def test_a_missing_library_says_what_to_install(library, monkeypatch):
    def without(name, *arguments, **options):
        if name.partition(".")[0] == library:
            raise ImportError(f"No module named {name!r}")
        return builtins.__import__(name, *arguments, **options)

    monkeypatch.setattr("tmfcore._results.tables.import_module", without)
    with pytest.raises(ImportError, match=rf"{library} is not installed: pip install 'tmfcore\[tables\]'"):
        getattr(results()["flow"], f"to_{library}")()


def test_nothing_is_loaded_before_it_is_asked_for():
    code = "import sys, tmfcore; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"xarray", "pandas", "polars", "pyarrow"} & set(loaded)


@pytest.mark.parametrize("name", ["simulation", "flow", "evaluation", "solution"])
def test_xarray_and_netcdf(name, tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    result = results()[name]
    data = result.to_xarray()
    data.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "result.nc", engine="h5netcdf") as back:
        xarray.testing.assert_identical(back.load(), data)
    if name == "simulation":
        assert dict(data.sizes) == {"replica": 2, "step": 3, "observation": 2, "interval": 2, "action": 3}
        assert data.counts.sel(replica=1, step=4, observation="out").item() == result.counts[1, 1, 1]
        assert data.attrs["n_agents"] == 20 and data.attrs["game"] == "doors"
    elif name == "evaluation":
        assert data.q.sel(interval=2, observation="in", action="go").item() == result.q[2, 0, 1]
    else:
        flow = result if name == "flow" else result.flow
        assert data.mu.sel(step=3, observation="in").item() == flow.mu[3, 0]
    if name == "solution":
        np.testing.assert_array_equal(data.exploitability.values, result.history["exploitability"])


def test_individuals_in_tables():
    pytest.importorskip("xarray")
    data = individuals().to_xarray()
    assert data.individual_rewards.dims == ("agent", "at") and data.sizes["agent"] == 20


@pytest.mark.parametrize("name", ["simulation", "flow", "evaluation", "solution"])
def test_pandas_and_polars_and_parquet(name, tmp_path):
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    from polars.testing import assert_frame_equal

    result = results()[name]
    for kind in [None, *result._table().variables]:
        one, other = result.to_pandas(kind), result.to_polars(kind)
        columns = result._table().columns(kind)
        assert list(one.columns) == other.columns == list(columns)
        for column, values in columns.items():
            assert one[column].tolist() == other[column].to_list() == values.tolist()
        one.to_parquet(tmp_path / "one.parquet")
        pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "one.parquet"), one)
        other.write_parquet(tmp_path / "other.parquet")
        assert_frame_equal(polars.read_parquet(tmp_path / "other.parquet"), other)
    if name == "simulation":
        share = result.to_pandas().groupby(["step", "observation"], observed=True)["mu"].mean()
        assert share[4, "in"] == pytest.approx(result.mu[:, 1, 0].mean())


# ------------------------------------------------------------------------------------------- arrays of other libraries

WANTED = np.array([[0.25, 0.75], [0.5, 0.5]])


class Foreign:
    """An array of another library: __array__ and nothing else."""

    def __init__(self, array):
        self.array = np.asarray(array)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)


class ForeignNumber(Foreign):
    """Of no dimension."""

    ndim = 0


class Exchanged:
    """An array of another library: DLPack and nothing else."""

    def __init__(self, array):
        self.array = np.asarray(array)

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("kind", [Foreign, Exchanged])
def test_arrays_by_protocol(kind):
    np.testing.assert_array_equal(check.as_float_array(kind(WANTED), "x"), WANTED)
    np.testing.assert_array_equal(check.as_float_array(kind(WANTED.T.astype(np.float32)), "x"), WANTED.T)
    np.testing.assert_array_equal(check.as_int_array(kind([1, 2]), "x"), [1, 2])
    assert tmf.TabularPolicy(kind(WANTED)).probabilities([1, 0])[1, 0] == 0.5
    with pytest.raises(TypeError, match="x holds dtype bool"):
        check.as_float_array(kind([True]), "x")


def test_numbers_of_no_dimension():
    assert check.as_float(ForeignNumber(1.5), "x") == 1.5 and check.as_int(ForeignNumber(3), "x") == 3
    assert check.as_int(np.array(3), "x") == 3
    for wrong in (ForeignNumber(True), np.array(True), ForeignNumber("a"), np.array([1.5])):
        with pytest.raises(TypeError, match="x is"):
            check.as_float(wrong, "x")
        with pytest.raises(TypeError, match="x is"):
            check.as_int(wrong, "x")


@pytest.mark.peers
def test_torch_tensors():
    torch = pytest.importorskip("torch")
    for tensor in (torch.tensor(WANTED), torch.tensor(WANTED.T).T, torch.tensor(WANTED, dtype=torch.float32)):
        np.testing.assert_array_equal(check.as_float_array(tensor, "x"), WANTED)
    assert check.as_float(torch.tensor(1.5), "x") == 1.5 and check.as_int(torch.tensor(3), "x") == 3
    with pytest.raises(TypeError, match="x is"):
        check.as_int(torch.tensor(True), "x")
    with pytest.raises(TypeError, match=r"detach"):
        check.as_float_array(torch.tensor(WANTED, requires_grad=True), "x")


def test_jax_arrays():
    jnp = pytest.importorskip("jax.numpy")
    np.testing.assert_array_equal(check.as_float_array(jnp.array(WANTED), "x"), WANTED)
    np.testing.assert_array_equal(check.as_int_array(jnp.array([1, 2]), "x"), [1, 2])
    assert check.as_float(jnp.array(1.5), "x") == 1.5


def test_series_and_frames():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    for series, frame in ((pandas.Series, pandas.DataFrame), (polars.Series, polars.DataFrame)):
        np.testing.assert_array_equal(check.as_float_array(series([0.25, 0.75]), "x"), WANTED[0])
        np.testing.assert_array_equal(check.as_int_array(series([1, 2]), "x"), [1, 2])
        np.testing.assert_array_equal(check.as_float_array(frame({"a": WANTED[:, 0], "b": WANTED[:, 1]}), "x"), WANTED)
        with pytest.raises(ValueError, match=r"x\[1\] is nan; must be finite"):
            check.as_float_array(series([1.0, None]), "x")


# ------------------------------------------------------------------------------------------------------------- types

USER = '''
import numpy as np
import tmfcore as tmf


def reward(mu: np.ndarray[tuple[int], np.dtype[np.float64]], t: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.zeros((2, 3)) - mu[:, None] * t


game = tmf.Game(2, 3, 6, 0.9, [0.5, 0.5], reward, np.ones((2, 3, 2)) / 2, observation_labels=["in", "out"])
solution = tmf.solvers.MirrorDescent(iterations=10).solve(game, tmf.Batch(10), n_agents=100)
run = tmf.simulate(game, solution.policy, tmf.Batch(10), 100, replicas=4, rng=np.random.default_rng(1))
share: float = float(run.mu[0, -1, 0])
gap: float = tmf.exploitability(game, solution.policy, tmf.Batch(10), n_agents=100)
report = tmf.testing.check_game(game, trials=5, rng=1)
texts: list[str] = [finding.text for finding in report.errors]
report.raise_errors()
'''


def test_a_users_example_passes_mypy_strict(tmp_path):
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed (extra `dev`)")
    (tmp_path / "example.py").write_text(USER, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "--cache-dir", str(tmp_path), "example.py"]
    environment = {"PATH": "", "MYPYPATH": str(Path(tmf.__file__).parents[1]) if "site-packages" not in tmf.__file__ else ""}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert "example.py" not in done.stdout and done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "example.py").write_text(USER + "\nwrong: int = run.mu\n", encoding="utf-8")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert "Incompatible types" in done.stdout
