"""Hold the predicted fluctuations of N agents against simulation, and write docs/fluctuations.md.

    python bench/fluctuations.py                everything, about five minutes on one core
    python bench/fluctuations.py --quick        fewer replicas, about one minute; prints, writes nothing
    python bench/fluctuations.py --picture P    also draw prediction over simulation into the PNG file P

Needs the extra `app` for the picture only. Seeds are fixed: the same tables come out again, timings aside.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np

import tmfcore as tmf

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "fluctuations.md"
SWEEPS = 3
GOAL = {1000: 0.10, 100_000: 0.03}
STEPS = 50_000_000  # at most so many simulated steps in a row of a table, fewer where each calls Python
STEPS_IN_PYTHON = 2_000_000
FEWEST = 100  # replicas below which a row says nothing

INTRODUCTION = """# Fluctuations: the theory of finite N, predicted and measured

Written by `python bench/fluctuations.py`; run it again to measure again (fixed seeds). The formulas are those of
[theory.md](theory.md), section 6; `tmf.analysis.fluctuations` computes them and `Fluctuations.compare(simulation)` sets
them beside a simulation. Ratios are predicted / measured, with the standard error of the measurement.

Games last {sweeps} sweeps, and a step of B of N agents lasts B / N of a sweep. "uniform" plays every action alike;
"aware" is a softmax policy with normal logits affine in mu, whose response to the population is part of the Jacobian.
"herd" is a game of Python callables in which agents follow the crowd, so that its kernel is nonlinear in mu and its
derivatives are differences; its longest runs are left out.

![prediction over simulation](fluctuations.png)
"""


# ------------------------------------------------------------------------------------------------- what is played


def herd(step):
    """Two camps and an undecided third; whoever acts joins a camp with probability quadratic in its size."""

    def transition(mu):
        a, b = 0.2 + 0.6 * mu[0] ** 2, 0.1 + 0.5 * mu[1] ** 2
        row = np.array([a, b, 1 - a - b])
        return np.broadcast_to(row, (3, 2, 3))

    return tmf.Game(3, 2, round(SWEEPS / step), 1.0, [0.4, 0.3, 0.3], np.zeros((3, 2)), transition, name="herd")


GAMES = {
    "resource selection": lambda step: tmf.games.resource_selection(
        (1.0, 0.8, 0.6, 0.4), 1.0, horizon=SWEEPS, step=step, initial=[0.4, 0.3, 0.2, 0.1]),
    "queueing": lambda step: tmf.games.queueing((0.1, 0.2, 0.3), horizon=SWEEPS, step=step),
    "herd": herd,
}  # fmt: skip


def policies(game, scale=2.0):
    """The two policies of a game, by name."""
    shape = (1, game.n_observations, game.n_actions, 1 + game.n_observations)
    theta = scale * np.random.default_rng(7).normal(size=shape)
    return {"uniform": tmf.TabularPolicy.uniform(game), "aware": tmf.SoftmaxPolicy(theta)}


def schedules(n):
    """B in {1, sqrt N, N}."""
    return {"B=1": 1, "B=sqrt N": round(math.sqrt(n)), "B=N": n}


def cases(n, names=tuple(GAMES)):
    """(game name, policy name, schedule name, game, policy, schedule, record_every)."""
    for name in names:
        for which, batch in schedules(n).items():
            game = GAMES[name](batch / n)
            every = max(1, game.horizon // (6 * SWEEPS))
            for policy, playing in policies(game).items():
                if name == "herd" and policy == "aware":
                    continue  # both actions do the same there
                yield name, policy, which, game, playing, tmf.Batch(batch), every


def affordable(name, game, replicas):
    return min(replicas, (STEPS_IN_PYTHON if name == "herd" else STEPS) // game.horizon)


def measure(game, policy, schedule, n, every, replicas, seed, engine="counts"):
    found = tmf.analysis.fluctuations(game, policy, schedule, n, record_every=every)
    run = tmf.simulate(
        game, policy, schedule, n, replicas=replicas, engine=engine, rng=seed, record_every=every, decisions=False
    )
    return found, found.compare(run)


# ------------------------------------------------------------------------------------------------------- the tables


def errors(n, replicas, engine="counts", names=tuple(GAMES)):
    """Table of E || mu-hat - mu ||_1, averaged over time."""
    lines = [
        f"\n### N = {n:,}, {engine} engine: within {GOAL[n]:.0%} wanted\n",
        "| game | policy | schedule | T | replicas | predicted | measured | ratio | Jacobian |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    worst = 0.0
    for seed, (name, policy, which, game, playing, schedule, every) in enumerate(cases(n, names)):
        count = affordable(name, game, replicas)
        if count < FEWEST:
            continue
        found, seen = measure(game, playing, schedule, n, every, count, seed, engine)
        worst = max(worst, abs(seen.error_ratio - 1))
        lines.append(
            f"| {name} | {policy} | {which} | {game.horizon} | {count} | {seen.mean_error:.3e} | "
            f"{seen.mean_error_measured:.3e} | {seen.error_ratio:.4f} ± {seen.error_ratio_se:.4f} | {found.jacobian} |"
        )
        print(lines[-1], flush=True)
    lines.append(f"\nFurthest from 1: {worst:.1%}.")
    return lines


def biases(n, replicas):
    """Table of the bias where it is seen."""
    lines = [
        f"\n### N = {n}\n",
        "`seen`: observations and times where the measured bias exceeds 5 se. `all`: the line through all of them.\n",
        "| game | policy | schedule | replicas | seen | largest N bias | in se | worst ratio | beyond 15% | all |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    beyond = total = 0
    for seed, (name, policy, which, game, playing, schedule, every) in enumerate(cases(n)):
        count = affordable(name, game, replicas)
        _, seen = measure(game, playing, schedule, n, every, count, 100 + seed)
        ratio = seen.bias_seen[np.isfinite(seen.bias_seen)]
        out = int((np.abs(ratio - 1) > 0.15).sum())
        beyond, total = beyond + out, total + len(ratio)
        with np.errstate(invalid="ignore", divide="ignore"):
            strength = np.nanmax(np.where(seen.bias_se > 0, np.abs(seen.bias_measured) / seen.bias_se, 0)[1:])
        worst = f"{ratio[np.argmax(np.abs(ratio - 1))]:.3f}" if len(ratio) else "-"
        slope = f"{seen.bias_ratio:.3f} ± {seen.bias_ratio_se:.3f}" if len(ratio) else "-"
        lines.append(
            f"| {name} | {policy} | {which} | {count} | {len(ratio)} | {np.abs(seen.bias_measured[1:]).max():.3f} | "
            f"{strength:.0f} | {worst} | {out} | {slope} |"
        )
        print(lines[-1], flush=True)
    lines.append(f"\n{total} seen, {beyond} of them beyond 15%.")
    return lines


def timings():
    """Table of processor time, S = 64, T = 100, best of three."""
    size, horizon = 64, 100
    rng = np.random.default_rng(0)
    first, second = rng.dirichlet(np.full(size, 0.3), size=(2, size, 4))
    slope = rng.random(size)

    def mixed(mu):
        weight = mu @ slope
        return first + weight * (second - first)

    flat = np.full(size, 1 / size)
    chosen = {
        "dense arrays": tmf.Game(size, 4, horizon, 1.0, flat, np.zeros((size, 4)), first),
        "dense Python callable": tmf.Game(size, 4, horizon, 1.0, flat, np.zeros((size, 4)), mixed),
        "resource selection": tmf.games.resource_selection(np.linspace(1, 2, size), 1.0, horizon=horizon),
        "queueing": tmf.games.queueing(np.full(size - 1, 0.02), horizon=horizon),
    }
    lines = [
        "\n## Time: S = 64, T = 100, one core, best of three; at most 0.5 s wanted\n",
        "| game | A | policy | Jacobian | s |",
        "|---|---|---|---|---|",
    ]
    for name, game in chosen.items():
        for policy, playing in policies(game).items():
            best = math.inf
            for _ in range(3):
                began = time.process_time()
                found = tmf.analysis.fluctuations(game, playing, tmf.Fraction(0.3))
                best = min(best, time.process_time() - began)
            lines.append(f"| {name} | {game.n_actions} | {policy} | {found.jacobian} | {best:.3f} |")
            print(lines[-1], flush=True)
    game = tmf.games.queueing((0.1, 0.2, 0.3), horizon=20, step=2e-4)
    began = time.process_time()
    tmf.analysis.fluctuations(game, policies(game)["aware"], tmf.Sequential(), 5000, record_every=1000)
    lines.append(f"\nSequential queueing, S = 4, T = {game.horizon:,}: {time.process_time() - began:.2f} s.")
    return lines


def picture(path):
    from tmfcore import plotting

    figure, panels = plotting.figure(2, width=5.4, height=3.6, title="Prediction over simulation")
    for ax, (name, n) in zip(panels, (("resource selection", 300), ("queueing", 300)), strict=True):
        game = GAMES[name](1 / 20)
        playing = policies(game)["aware"]
        run = tmf.simulate(game, playing, tmf.Fraction(1 / 20), n, replicas=400, rng=1, decisions=False)
        tmf.analysis.fluctuations(game, playing, tmf.Fraction(1 / 20), n).plot(run, ax=ax)
    plotting.save(figure, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    share = 20 if options.quick else 1
    lines = [INTRODUCTION.format(sweeps=SWEEPS)]
    lines.append("\n## Error: E ‖mu-hat - mu‖₁, averaged over time")
    lines += errors(1000, 8000 // share)
    lines += errors(1000, 2000 // share, engine="agents", names=("resource selection", "queueing"))
    lines += errors(100_000, 2000 // share)
    lines.append("\n## Bias: N (E mu-hat - mu)")
    lines += biases(200, 400_000 // share)
    lines += timings()
    if options.picture:
        picture(options.picture)
    if not options.quick:
        OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
