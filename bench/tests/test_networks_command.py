"""`python -m bench.networks`: made-up cities are as large as they should be, and the quick run checks and prints."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tmfcore as tmf

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "bench" / "networks").is_dir(), reason="not in a source tree")


def networks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench.networks", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_quick_run_prints_a_row():
    done = networks("--quick")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("| Sioux Falls |")]
    assert "24, 24, 76, 528" in line


def test_files_of_a_folder_are_measured(tmp_path):
    rows = ["1 2 10 1 5 0.15 4 0 0 1 ;", "1 2 20 1 6 0.15 4 0 0 1 ;"]
    about = "<NUMBER OF ZONES> 2\n<NUMBER OF NODES> 2\n<NUMBER OF LINKS> 2\n<END OF METADATA>\n"
    (tmp_path / "Two_net.tntp").write_text("\n".join([about, *rows]))
    (tmp_path / "Two_trips.tntp").write_text(f"{about}\nOrigin 1\n 2 : 60.0;\n")
    # 60 vehicles: 5 (1 + .15 (v / 10)^4) = 6 (1 + .15 ((60 - v) / 20)^4)
    (tmp_path / "Two_flow.tntp").write_text("From To Volume Cost\n1 2 21 19.6\n1 2 39 19.013\n")
    done = networks(str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "| 2, 2, 2, 1 |" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("best known: objective 0.999")]
    assert "vehicles of up to 39, and" in line and "time units of up to 19.6" in line


def test_cities_have_their_sizes(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench.networks.cities import city

    road = city(10, 80, 250, 60, 9000.0, seed=1)
    assert (len(road.nodes), len(road.edges), len(road.no_through)) == (80, 250, 10)
    assert 60 <= len(road.trips) <= 61  # two pairs of equal demand may be the least
    assert sum(v for *_, v in road.trips) == pytest.approx(9000)
    again = city(10, 80, 250, 60, 9000.0, seed=1)
    assert road.equals(again) and not road.equals(city(10, 80, 250, 60, 9000.0, seed=2))
    found = tmf.games.user_equilibrium(road)
    delay = found.total_time / (found.volumes @ road.free_flow_time)
    assert 1.02 < delay < 3 and np.isfinite(delay)
