"""`python -m bench.instructions`: counts repeat exactly, a change is found, and what is stored knows every kernel."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "instructions").is_dir(), reason="not in a source tree")


@pytest.fixture
def guard(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.instructions import __main__

    return __main__


def figures(**counts):
    return {name: {"instructions": n, "unit": "step", "per unit": float(n)} for name, n in counts.items()}


def test_change_in_either_direction_is_found(guard):
    stored = figures(a=1000, b=1000, c=1000, gone=5)
    assert guard.compare(figures(a=1049, b=951, c=1000), stored, whole=False) == []
    found = guard.compare(figures(a=1051, b=949, c=1000, new=7), stored, whole=True)
    assert [line.partition(":")[0] for line in found] == ["a", "b", "new", "gone"]
    assert "+5.1%" in found[0] and "-5.1%" in found[1]


def test_every_kernel_has_a_stored_count(guard):
    from bench.instructions.kernels import KERNELS

    stored = json.loads(guard.STORED.read_text(encoding="utf-8"))
    assert list(stored["kernels"]) == list(KERNELS)
    assert all(kernel["instructions"] > 0 for kernel in stored["kernels"].values())
    assert set(stored["build"]) == {*guard.MUST_AGREE, *guard.MAY_DIFFER}


def test_unknown_kernel_is_refused(guard, capsys):
    assert guard.main(["--only", "no such kernel"]) == 2
    assert "no such kernel" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_counts_repeat_and_a_change_fails(guard, monkeypatch, tmp_path, capsys):
    """Count two kernels, store the counts; they are found again, and missed when the store is off."""
    names = ["--only", "gradient", "--only", "agents, sequential"]
    found, build = guard.count(["gradient, model", "agents, sequential"])
    assert found["agents, sequential"]["instructions"] > 1_000_000
    again, _ = guard.count(["gradient, model", "agents, sequential"])
    for name, kernel in found.items():  # looks for interrupts depend on the clock
        assert again[name]["instructions"] == pytest.approx(kernel["instructions"], rel=1e-3)
    monkeypatch.setattr(guard, "count", lambda names: (found, build))
    store = tmp_path / "instructions.json"
    monkeypatch.setattr(guard, "STORED", store)
    store.write_text(json.dumps({"build": build, "kernels": found}))
    assert guard.main(names) == 0
    for factor in (0.9, 1.1):
        off = {name: {**kernel, "instructions": round(kernel["instructions"] * factor)} for name, kernel in found.items()}
        store.write_text(json.dumps({"build": build, "kernels": off}))
        assert guard.main(names) == 1
    store.write_text(json.dumps({"build": {**build, "compiler": "gcc 1.0"}, "kernels": found}))
    assert guard.main(names) == 3
    assert "gcc 1.0" in capsys.readouterr().err


def test_counting_process_needs_callgrind(tmp_path):
    if shutil.which("valgrind") is None or (compiler := shutil.which("cc") or shutil.which("gcc")) is None:
        pytest.skip("valgrind or a C compiler is not installed")
    library = tmp_path / "requests.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(ROOT / "bench" / "instructions" / "requests.c")], check=True
    )
    done = subprocess.run(
        [sys.executable, "-m", "bench.instructions.count", str(library), "gradient, model"], cwd=ROOT,
        capture_output=True, text=True,
    )
    assert done.returncode == 2 and "not under valgrind" in done.stderr
