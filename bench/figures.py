"""Measure the figures that have a goal, and write docs/measured/results.md.

    python bench/figures.py                   kernels, import, memory, and the quick reproduction
    python bench/figures.py --full            the full reproduction instead of the quick one (minutes)
    python bench/figures.py --fresh           also the README's two commands, each in a new virtual environment
    python bench/figures.py --critics         also TMF-PG with its sampled critics, three seeds each (minutes)
    python bench/figures.py --dry-run         print, write nothing

Needs tmfcore with its extra `app`; --fresh needs access to pip's package index. Timings of kernels are the best of
several runs, as usual on shared machines; commands run once.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import tmfcore as tmf
from tmfcore.reproduce.settings import GAMES

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "measured" / "results.md"
README = {
    "reproduce": ("python -m pip install '.[app]'", "tmfcore reproduce --quick"),
    "test": ("python -m pip install '.[test]'", "pytest -n auto"),
}


@dataclass(frozen=True)
class Figure:
    """One row of the table: what was measured, the goal, the measured value, and whether it meets the goal."""

    what: str
    goal: str
    found: str
    met: bool

    def row(self) -> str:
        return f"| {self.what} | {self.goal} | {self.found} | {'yes' if self.met else '**no**'} |"


def best_of(function, repeats):
    """Smallest wall time of a call, s."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


# ---------------------------------------------------------------- kernels, in this process


def iteration_figures():
    """One TMFPG iteration, N = 1000, B = 1, 20 sweeps, S = 5: rollout, gradient, update and exploitability."""
    games = {
        "queueing": tmf.games.queueing([0.1, 0.15, 0.2, 0.25], horizon=20, step=1e-3).at(),
        "resource selection": tmf.games.resource_selection(
            np.linspace(1.0, 0.4, 5), congestion=np.ones(5), switching_cost=0.05, horizon=20, step=1e-3
        ).at(),
    }
    for name, game in games.items():
        best, usual = iteration_seconds(game, replicas=1)
        default = tmf.solvers.TMFPG().replicas
        many, _ = iteration_seconds(game, replicas=default)
        yield Figure(
            f"one TMFPG iteration, {name}, N=1000, B=1, 20,000 steps, S=5, model critic, one population", "<= 10 ms",
            f"{best * 1e3:.1f} ms (median {usual * 1e3:.1f}; with the default {default} populations {many * 1e3:.1f})",
            best <= 0.010,
        )


def iteration_seconds(game, replicas):
    """Smallest and median wall time of an iteration, s, including its exploitability."""
    solver = tmf.solvers.TMFPG(critic="model", replicas=replicas, iterations=40, tolerance=None)
    seconds = np.diff(solver.solve(game, tmf.Sequential(), 1000, rng=1).history["seconds"])
    return float(seconds.min()), float(np.median(seconds))


def critic_figures():
    """TMFPG with its sampled critics, default settings except tolerance; N = 1000, B = 1, sqrt N and N, 20 sweeps."""
    n_agents, seeds = 1000, (1, 2, 3)
    for critic in ("returns", "empirical"):
        for name, spec in GAMES.items():
            for batch in (1, 31, n_agents):
                game = spec.build().at(step=batch / n_agents)
                solver = tmf.solvers.TMFPG(critic=critic, tolerance=0.01)
                found = [solver.solve(game, tmf.Batch(batch), n_agents, rng=seed) for seed in seeds]
                iterations = [int(solution.history["iteration"][-1]) for solution in found]
                seconds = [solution.history["seconds"][-1] for solution in found]
                worst = max(solution.relative_exploitability for solution in found)
                yield Figure(
                    f"TMFPG, critic {critic}, {name.replace('_', ' ')}, N={n_agents}, B={batch}, seeds 1 to 3: "
                    "exploitability / \\|mean return\\|", "<= 1% in 200 iterations",
                    f"at most {worst:.2%} after {min(iterations)} to {max(iterations)} iterations "
                    f"({min(seconds):.1f} to {max(seconds):.1f} s)", worst <= 0.01,
                )


def counts_figure():
    """Simulate, counts engine, Sequential, resource selection S = 8, N = 10^6, record_every = N."""
    n_agents, sweeps = 1_000_000, 2
    game = tmf.games.resource_selection(
        np.linspace(1.0, 0.3, 8), congestion=np.ones(8), horizon=sweeps, step=1 / n_agents
    ).at()
    policy = tmf.TabularPolicy(np.random.default_rng(5).dirichlet(np.ones(8), size=8))
    run = lambda: tmf.simulate(game, policy, tmf.Sequential(), n_agents, rng=1, record_every=n_agents)
    per_step = best_of(run, 5) / (sweeps * n_agents) * 1e9
    return Figure(
        "simulate, counts engine, Sequential, resource selection S=8, N=10^6, record_every=N", "<= 100 ns per step",
        f"{per_step:.1f} ns", per_step <= 100,
    )


def agents_figure():
    """Simulate, agents engine, Synchronous, S = A = 8, N = 10^6, one thread."""
    n_agents, steps = 1_000_000, 20
    game = tmf.games.resource_selection(np.linspace(1.0, 0.3, 8), congestion=np.ones(8), horizon=steps, step=1).at()
    policy = tmf.TabularPolicy(np.random.default_rng(5).dirichlet(np.ones(8), size=8))
    run = lambda: tmf.simulate(game, policy, tmf.Synchronous(), n_agents, engine="agents", rng=1, threads=1)
    per_step = best_of(run, 10) / (steps * n_agents) * 1e9
    return Figure(
        "simulate, agents engine, Synchronous, S=8, A=8, N=10^6, one thread", "<= 4 ns per agent-step",
        f"{per_step:.2f} ns", per_step <= 4,
    )


def import_figure():
    """Time of the import in a new interpreter, with bytecode as pip installs it; and whether it loads matplotlib."""
    code = (
        "import sys, time; began = time.perf_counter(); import tmfcore; "
        "print(time.perf_counter() - began, 'matplotlib' in sys.modules)"
    )
    with tempfile.TemporaryDirectory() as cache:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        kept["PYTHONPYCACHEPREFIX"] = cache
        python = partial(subprocess.run, capture_output=True, text=True, check=True, env=kept)
        answers = [python([sys.executable, "-c", code]).stdout.split() for _ in range(10)]
    seconds = min(float(a) for a, _ in answers)
    plots = any(b == "True" for _, b in answers)
    return Figure(
        "`import tmfcore`", "<= 0.3 s, no matplotlib", f"{seconds:.2f} s, {'with' if plots else 'no'} matplotlib",
        seconds <= 0.3 and not plots,
    )


def memory_figure(sizes=(100_000_000, 200_000_000)):
    """Peak memory of the agents engine, in bytes per agent, from two populations whose states are too large to keep."""
    code = """
import re, sys
import numpy as np
import tmfcore as tmf
n_agents = int(sys.argv[1])
game = tmf.games.resource_selection(np.linspace(1.0, 0.3, 8), congestion=np.ones(8), horizon=2)
policy = tmf.TabularPolicy.uniform(game)
tmf.simulate(game, policy, tmf.Batch(n_agents // 2), n_agents, engine="agents", rng=1, threads=1, decisions=False)
tmf.simulate(game, policy, tmf.Synchronous(), n_agents, engine="agents", rng=1, threads=1, decisions=False)
peak = re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())  # ru_maxrss includes the parent's
print(int(peak[1]) * 1024)
"""
    peaks = [
        int(subprocess.run([sys.executable, "-c", code, str(n)], capture_output=True, text=True, check=True).stdout)
        for n in sizes
    ]
    each = (peaks[1] - peaks[0]) / (sizes[1] - sizes[0])
    return Figure(
        "memory, agents engine, S <= 256", "<= 2 bytes per agent",
        f"{each:.2f} bytes (B=N and B=N/2); one more where the state at the end is kept", each <= 2.0,
    )


# ---------------------------------------------------------------- the reproduction


def reproduce(full, folder):
    """Run the reproduction with this installation; return (wall seconds, results)."""
    command = [sys.executable, "-m", "tmfcore", "reproduce", "--out", str(folder), *([] if full else ["--quick"])]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))


def reproduction_figures(results):
    """The results of the reproduction against its own goals; the worst of each kind."""
    found = results["goals"]
    games = sorted({g["game"].replace("_", " ") for g in found})

    def worst(text, key=lambda g: g["value"]):
        rows = [g for g in found if text in g["goal"]]
        return max(rows, key=key), all(g["met"] for g in rows), len(rows)

    share, share_met, n = worst("exploitability")
    yield Figure(
        f"TMFPG, {' and '.join(games)}, every B: exploitability / \\|mean return\\|", "<= 0.5% (clock=\"schedule\")",
        f"at most {share['value']:.2%} ({n} cases)", share_met,
    )
    off, off_met, n = worst("of the mean field's")
    yield Figure(
        "mean return of the learned policy, N agents against the mean field at the same B", "within 1%",
        f"at most {off['value']:.2%} off ({n} cases)", off_met,
    )
    across, across_met, _ = worst("across B")
    yield Figure("the same across B", "within 4%", f"{across['value']:.2%}", across_met)
    _, slope_met, n = worst("slope", key=lambda g: abs(g["value"] + 0.5))
    values = [g["value"] for g in found if "slope" in g["goal"]]
    yield Figure(
        "fitted slope of log error on log N, every B, both games", "-0.50 +- 0.03",
        f"{min(values):.3f} to {max(values):.3f} ({n} lines)", slope_met,
    )


# ---------------------------------------------------------------- fresh environments


def timed(command, environment):
    began = time.perf_counter()
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return time.perf_counter() - began, done.stdout


def fresh_figures():
    """The README's two commands, each in its own new virtual environment."""
    for name, (install, then) in README.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            environment = {**os.environ, "PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}"}
            environment.pop("PYTHONPATH", None)
            out = f" --out {folder}/out" if name == "reproduce" else ""
            installed, _ = timed(install, environment)
            ran, text = timed(then + out, environment)
        total = installed + ran
        if name == "reproduce":
            yield Figure(
                f"new environment, `{install} && {then}`", "under 3 minutes in total, reproduce under 60 s",
                f"{total:.0f} s in total, reproduce {ran:.0f} s", total < 180 and ran < 60,
            )
        else:
            closing = text.strip().splitlines()[-1].strip("= ")
            yield Figure(
                f"new environment, `{install} && {then}`", "green, pytest in 150 s",
                f"{closing} ({total:.0f} s in total)", ran <= 150,
            )


# ---------------------------------------------------------------- the page


def processor():
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        return re.search(r"model name\s*:\s*(.*)", text)[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def page(figures, results, arguments):
    info = tmf.build_info()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    kind, quick = ("full", "") if arguments.full else ("quick", " --quick")
    command = "python bench/figures.py" + " --full" * arguments.full + " --fresh" * arguments.fresh
    command += " --critics" * arguments.critics
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        "# Measured figures",
        "",
        f"Written by `{command}` on {today}.",
        (
            f"{processor()}, {cores} cores; CPython {platform.python_version()}, numpy {info['numpy']}, "
            f"scipy {info['scipy']}, tmfcore {info['tmfcore']}, {info['compiler']}."
        ),
        "",
        "Timings of kernels are the best of several runs on a machine that may be shared; commands ran once.",
        f"The experiments are those of `tmfcore reproduce{quick}` with seed {results['seed']}.",
        "",
        "| what | goal | measured | met |",
        "|---|---|---|---|",
        *(figure.row() for figure in figures),
        "",
        f"## The {kind} reproduction",
        "",
        *experiment_tables(results),
    ]
    return "\n".join(lines).rstrip() + "\n"


def experiment_tables(results):
    """Both games by B, and the convergence study by rule for B."""
    for name, part in results["games"].items():
        title = name.replace("_", " ")
        yield from (f"**{title.capitalize()}**, N = {results['parameters']['n_agents']}", "")
        yield (
            "| agents per step | iterations | exploitability / \\|return\\| | mean-field return "
            "| N agents (95% interval) |"
        )
        yield "|---|---|---|---|---|"
        for label, case in part["batches"].items():
            solve, played = case["solve"], case["play"]["returns"]
            yield (
                f"| {label} | {solve['iterations']} | {solve['relative_exploitability']:.2%} "
                f"| {solve['mean_return']:.4f} "
                f"| {played['mean']:.4f} ({played['low']:.4f} to {played['high']:.4f}) |"
            )
        yield ""
        yield "| agents per step | N | error at the smallest N, at the largest | slope, 95% interval |"
        yield "|---|---|---|---|"
        for label, line in part["convergence"].items():
            sizes, error = line["n_agents"], line["error"]
            yield (
                f"| {label} | {sizes[0]:,} to {sizes[-1]:,} | {error[0]:.5f}, {error[-1]:.5f} "
                f"| {line['slope']:.3f} \u00b1 {line['slope_half']:.3f} |"
            )
        yield ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the full reproduction instead of the quick one")
    parser.add_argument("--fresh", action="store_true", help="also the README's commands in new environments")
    parser.add_argument("--critics", action="store_true", help="also TMF-PG with its sampled critics")
    parser.add_argument("--dry-run", action="store_true", help="print the page, write nothing")
    arguments = parser.parse_args()

    figures = [*iteration_figures(), counts_figure(), agents_figure(), import_figure(), memory_figure()]
    with tempfile.TemporaryDirectory() as folder:
        seconds, results = reproduce(arguments.full, folder)
    experiments = [*reproduction_figures(results)]
    if not arguments.full:
        experiments.insert(
            0, Figure("`tmfcore reproduce --quick`, installed", "under 60 s", f"{seconds:.0f} s", seconds < 60)
        )
    commands = [*fresh_figures()] if arguments.fresh else []
    critics = [*critic_figures()] if arguments.critics else []
    text = page([*commands, *experiments, *critics, *figures], results, arguments)
    print(text)
    if not arguments.dry_run:
        OUTPUT.write_text(text, encoding="utf-8")
        print(f"written to {OUTPUT.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
