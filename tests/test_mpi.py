"""simulate(comm=) and `tmfcore simulate --mpi` under mpiexec, with 2 and 4 ranks: bits, a rank that dies, a rank that fails."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

MPIEXEC = shutil.which("mpiexec")
pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(MPIEXEC is None or find_spec("mpi4py") is None, reason="mpiexec or mpi4py is not on this machine"),
]
TESTS = Path(__file__).parent
# Open MPI 4 and 5: more ranks than cores, and root, as in containers; ranks that wait let others run.
ALLOWED = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
}  # fmt: skip
SECONDS = 300


def environment():
    paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    return os.environ | ALLOWED | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def started(n, *command):
    return subprocess.Popen(
        [MPIEXEC, "-n", str(n), sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(),
    )  # fmt: skip


def ran(n, *command, code=0):
    process = started(n, *command)
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode == 0) == (code == 0), out + err
    return out, err


PROGRAM = str(TESTS / "mpi_program.py")


@pytest.mark.parametrize("n", [2, 4])
def test_the_bits_of_one_process(n):
    out, _ = ran(n, PROGRAM, "bits")
    assert re.search(rf"\d+ cases compared on {n} ranks", out), out


def test_individuals_are_saved_by_rank_and_loaded_as_one(tmp_path):
    out, _ = ran(2, PROGRAM, "saved", str(tmp_path / "run.npz"))
    assert "saved by 2 ranks" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.npz", "run.npz.0-0", "run.npz.0-1"]


@pytest.fixture(scope="module")
def undisturbed():
    """What `long` prints in one process."""
    code = "import mpi_program; print(mpi_program.told(mpi_program.long_call(comm=None)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("sizes", [(2, 4), (4, 2), (2, 1)])
def test_a_rank_that_dies(sizes, tmp_path, undisturbed):
    path = tmp_path / "run.npz"
    process = started(sizes[0], PROGRAM, "long", str(path))
    pids = [int(pid) for pid in re.findall(r"\d+", process.stdout.readline())]
    assert len(pids) == sizes[0]
    end = time.monotonic() + SECONDS
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.3)
    assert process.poll() is None, "it ended before it could be killed"
    os.kill(pids[-1], signal.SIGKILL)
    process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    out, _ = ran(sizes[1], PROGRAM, "long", str(path))
    assert out.strip().splitlines()[-1] == undisturbed


def test_a_rank_that_fails():
    _, err = ran(2, PROGRAM, "fails", code=1)
    assert "ZeroDivisionError: at seven" in err and "rank 1 of 2 has this error alone" in err


@pytest.mark.parametrize(
    ("n", "command"),
    [
        (2, ["-m", "mpi4py.futures", PROGRAM, "futures"]), (3, ["-m", "mpi4py.futures", PROGRAM, "futures"]),
        (3, [PROGRAM, "pool_of_ranks"]),
    ],
    ids=["MPIPoolExecutor, 1 process", "MPIPoolExecutor, 2 processes", "MPICommExecutor"],
)  # fmt: skip
def test_pools_of_mpi4py_as_executors(n, command, tmp_path):
    """Sweeps and other verbs, to the bits of one process."""
    pytest.importorskip("pyarrow", reason="extra `tables`")
    out, _ = ran(n, *command, str(tmp_path))
    assert f"computed on {n - 1} processes" in out


SIMULATE = ["-m", "tmfcore", "simulate", "queueing", "--n-agents", "9000", "--batch", "4500", "--replicas", "2", "--json"]


def test_the_command_line(tmp_path):
    file = tmp_path / "run.npz"
    out, err = ran(2, *SIMULATE, "--mpi", "--out", str(file), "--checkpoint", str(tmp_path / "kept.npz"))
    found = json.loads(out)
    alone = subprocess.run(
        [sys.executable, *SIMULATE, "--engine", "agents"], capture_output=True, text=True, env=environment(), check=True
    )
    expected = json.loads(alone.stdout)
    assert found.pop("written") == [str(file)] and expected.pop("written") == []
    assert found == expected
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]
    with np.load(file) as saved:
        assert saved["counts"].shape[0] == 2
    _, err = ran(2, *SIMULATE, "--mpi", "--engine", "counts", code=2)
    assert err.count("must be 'agents' or 'auto' with comm") == 1
