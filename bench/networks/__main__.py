"""Measure `user_equilibrium`, beside AequilibraE where it is installed, and write docs/measured/networks.md.

    python -m bench.networks                 Sioux Falls and two made-up cities; about three minutes with AequilibraE
    python -m bench.networks --quick         only Sioux Falls, a few seconds; writes nothing
    python -m bench.networks FOLDER ...      networks in files of Transportation Networks; prints, writes nothing

One process on one processor. Our time is the smallest of several calls of `user_equilibrium(network, tolerance=1e-6)`,
from the RoadNetwork to the result; theirs one run from the same arrays, ended after about 45 seconds.
"""

import argparse
import importlib.util
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

import tmfcore as tmf
from bench.networks import with_aequilibrae
from bench.networks.cities import CITIES
from bench.peers.page import machine
from tmfcore.bench import processors
from tmfcore.bench.quantities import duration
from tmfcore.games import RoadNetwork

OUTPUT = Path(__file__).resolve().parents[2] / "docs" / "measured" / "networks.md"
TOLERANCE = 1e-6
ROUNDS, ENOUGH = 7, 6.0  # calls, and seconds after which no further one starts
LIMIT = 45.0  # seconds of AequilibraE on one network
BEST_KNOWN = 4231335.287107440  # objective of Sioux Falls

HEAD = """# Static equilibria of road networks

Written by `python -m bench.networks`: `tmf.games.user_equilibrium` to a relative gap of 1e-6, and AequilibraE's
bi-conjugate Frank-Wolfe, the fastest of its algorithms, to the same gap or for about {limit:g} s. Whole calls in wall
time, from arrays of links and trips to volumes, in one process on one processor and one thread; ours is the smallest of
up to {rounds} calls. "x" is their time divided by ours. Before a time counts, Beckmann's objectives of both volumes
must agree to the sum of both gaps times the total time; that of Sioux Falls must be the best known one, 42.31335287 in
units of 1e5, to 1e-6.

Sioux Falls is the published network. The other two are made up, at random with a fixed seed (bench/networks/cities.py),
with as many zones, nodes, links and pairs as Anaheim and Chicago Sketch have: the files of these are not part of this
repository. "Delay" is the total time divided by that on empty roads. `python -m bench.networks FOLDER` measures the
same on files in the format of Transportation Networks for Research.
"""
COLUMNS = (
    "network", "zones, nodes, links, pairs", "delay", "ours", "gap", "searches", "paths", "AequilibraE", "its gap", "x",
    "goal", "met",
)  # fmt: skip
INSTALL = """
## How to measure it again

```sh
python -m pip install aequilibrae
python -m bench.networks
```
"""


def ours(network: RoadNetwork) -> tuple[float, tmf.games.UserEquilibrium]:
    """Smallest wall time of a call, and its result."""
    best, began, found = np.inf, time.perf_counter(), None
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = tmf.games.user_equilibrium(network, tolerance=TOLERANCE)
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() - began > ENOUGH:
            break
    assert found is not None and found.converged
    return best, found


def objective(network: RoadNetwork, volumes: np.ndarray) -> float:
    """Beckmann's objective, computed here from the formula."""
    mean = network.congestion * (volumes / network.capacity) ** network.power / (network.power + 1)
    return float((network.free_flow_time * volumes * (1 + mean)).sum())


def known(found: tmf.games.UserEquilibrium) -> str:
    """How far the result is from the best known volumes and times of its network, if they are there."""
    network = found.network
    if network.known_volumes is None:
        return ""
    apart, late = abs(found.volumes - network.known_volumes), abs(found.times - network.known_times)
    excess = found.objective / objective(network, network.known_volumes) - 1
    return (
        f"best known: objective {1 + excess:.10g} of theirs; apart by at most {apart.max():.3g} vehicles of up to "
        f"{network.known_volumes.max():.5g}, and {late.max():.3g} time units of up to {network.known_times.max():.5g}"
    )


def row(name: str, network: RoadNetwork, goal: float | None, peer: bool) -> tuple[str, tmf.games.UserEquilibrium]:
    """One network measured."""
    seconds, found = ours(network)
    total = found.total_time
    if name == "Sioux Falls" and abs(found.objective / BEST_KNOWN - 1) > 1e-6:
        raise SystemExit(f"the objective of Sioux Falls is {found.objective}; must be {BEST_KNOWN}")
    zones = len({node for trip in network.trips for node in trip[:2]})
    cells = [
        name, f"{zones:,}, {len(network.nodes):,}, {len(network.edges):,}, {len(network.trips):,}",
        f"{total / (found.volumes @ network.free_flow_time):.2f}", duration(seconds), f"{found.relative_gap:.1e}",
        str(found.iterations), f"{len(found.path_flows):,}",
    ]  # fmt: skip
    ahead = True
    if peer:
        theirs = with_aequilibrae.assign(network, TOLERANCE, LIMIT)
        done = theirs.gap <= TOLERANCE
        apart = abs(objective(network, theirs.volumes) - found.objective)
        if apart > (theirs.gap + found.relative_gap) * total + 1e-9 * total:
            raise SystemExit(f"{name}: the objectives are {apart:.3g} apart, more than both gaps allow")
        ahead = theirs.seconds > seconds
        more = "" if done else "> "
        cells += [more + duration(theirs.seconds), f"{theirs.gap:.1e}", f"{more}{theirs.seconds / seconds:,.0f}"]
    else:
        cells += ["not installed", "", ""]
    met = "" if goal is None else ("yes" if seconds <= goal and ahead else "**no**")
    cells += ["" if goal is None else f"<= {goal:g} s", met]
    return "| " + " | ".join(cells) + " |", found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="only Sioux Falls; writes nothing")
    options = parser.parse_args()
    processors.one()
    began = time.perf_counter()
    peer = importlib.util.find_spec("aequilibrae") is not None
    if options.folders:
        chosen = [(Path(folder).name, RoadNetwork.from_tntp(folder), None) for folder in options.folders]
    else:
        names = ["Sioux Falls"] if options.quick else list(CITIES)
        chosen = [(name, CITIES[name][0](), CITIES[name][1]) for name in names]
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    print("\n".join(lines))
    for name, network, goal in chosen:
        line, found = row(name, network, goal, peer)
        lines.append(line)
        print("\n".join(filter(None, [line, known(found)])), flush=True)
    if options.quick or options.folders:
        return
    version = f"AequilibraE {metadata.version('aequilibrae')}" if peer else "AequilibraE is not installed, and omitted"
    head = HEAD.format(limit=LIMIT, rounds=ROUNDS)
    page = [head, *machine(time.perf_counter() - began), "", f"{version}.", "", *lines, INSTALL]
    OUTPUT.write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
