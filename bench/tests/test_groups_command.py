"""Groups of `pytest bench`: one case and its contestants each, per unit of work, and grouping by any parameter."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTESTANTS = {"code", "critic", "jacobian", "make", "schedule", "solver"}

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "conftest.py").is_file(), reason="not in a source tree")


def test_a_group_is_one_case_and_can_be_grouped_by_parameters(tmp_path):
    stored = tmp_path / "out.json"
    chosen = ["bench/test_sampling.py", "bench/test_nouns.py", "-k", "not hypergeometric and not sparse"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *chosen, "--benchmark-max-time=1e-6", "--benchmark-min-rounds=1",
         "--benchmark-warmup=off", f"--benchmark-json={stored}", "--benchmark-group-by=param:size"],
        cwd=ROOT, capture_output=True, text=True, env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "benchmark 'size=8'" in done.stdout and "benchmark 'size=None'" in done.stdout
    groups = defaultdict(list)
    for benchmark in json.loads(stored.read_text(encoding="utf-8"))["benchmarks"]:
        groups[benchmark["group"]].append(benchmark)
    for name, benchmarks in groups.items():
        cases = {tuple((k, str(v)) for k, v in each["params"].items() if k not in CONTESTANTS) for each in benchmarks}
        contestants = [each["params"]["code"] for each in benchmarks]
        assert len(cases) == 1 and len(set(contestants)) == len(contestants), name
        assert len({each["extra_info"]["unit"] for each in benchmarks}) == 1
    assert {len(benchmarks) for benchmarks in groups.values()} == {1, 2}
    assert [each["params"]["code"] for each in groups["multinomial, size=8"]] == ["tmfcore", "numpy"]
    assert all(0 < each["stats"]["min"] < 1e-4 for each in groups["policy of mu"])  # s per weight, of 16,640 in a call
    again = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", str(stored), "--group-by=param:size,group", "--columns=min"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert "benchmark 'size=8 multinomial, size=8': 2 tests" in again.stdout
