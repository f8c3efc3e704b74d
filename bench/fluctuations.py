"""Hold the predicted fluctuations of N agents against simulation, and write docs/fluctuations.md.

    python bench/fluctuations.py                everything, about ten minutes on one core
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

Written by `python bench/fluctuations.py --picture docs/fluctuations.png` (fixed seeds). The formulas are those of
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


def flow_step(game, kernel, mu, t, beta):
    """Phi_t(mu)."""
    _, active, _, passive = game.tables(mu, t)
    if active.shape[2] != game.n_observations:
        raise NotImplementedError("the games here are dense in Game.tables")
    weights = beta * mu[:, None] * kernel.probabilities(mu, t, game.horizon)
    return weights.ravel() @ active.reshape(weights.size, -1) + (1 - beta) * (mu @ passive)


def measured_bias(game, policy, schedule, n, replicas, seed):
    """N (E mu-hat_t - mu_t) and its standard error, (T+1, S) each, with the linear part of the noise taken out.

    d_{t+1} = J_t d_t + (mu-hat_{t+1} - Phi_t(mu-hat_t)), d_0 = 0, has mean 0 whatever J_t, and follows mu-hat - mu but
    for what is of second order: what is left has a variance of order 1/N^2, not 1/N.
    """
    kernel, beta = policy.kernel, schedule.active_fraction(game.horizon, n)
    run = tmf.simulate(game, policy, schedule, n, replicas=replicas, rng=seed, decisions=False)
    mu_hat, mu = run.mu, tmf.mean_field(game, policy, schedule, n).mu
    off = np.zeros((replicas, game.n_observations))
    bias, se = np.zeros_like(mu), np.zeros_like(mu)
    for t in range(game.horizon):
        here = flow_step(game, kernel, mu[t], t, beta[t])
        near = [flow_step(game, kernel, (1 - 1e-5) * mu[t] + 1e-5 * e, t, beta[t]) for e in np.eye(len(here))]
        jacobian = (np.array(near) - here).T / 1e-5
        images = np.array([flow_step(game, kernel, x, t, beta[t]) for x in mu_hat[:, t]])
        off = off @ jacobian.T + mu_hat[:, t + 1] - images
        rest = n * (mu_hat[:, t + 1] - mu[t + 1] - off)
        bias[t + 1], se[t + 1] = rest.mean(axis=0), rest.std(axis=0, ddof=1) / math.sqrt(replicas)
    return bias, se


def biases(n, evaluations):
    """Table of the bias where it is seen."""
    lines = [
        f"\n### N = {n:,}: within 15% wanted where the measured bias exceeds 5 standard errors\n",
        "The noise of a step has mean 0; its linear effect on later steps, known from the simulated path itself, is",
        "taken out of the measurement, which stays unbiased. `seen`: observations and times beyond 5 se.\n",
        "| game | policy | schedule | replicas | seen | largest N bias | its se | worst ratio | beyond 15% |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    beyond = total = 0
    for seed, (name, policy, which, game, playing, schedule, every) in enumerate(cases(n)):
        if which == "B=1" and name == "herd":
            continue
        count = min(20_000, evaluations * (4 if which == "B=1" else 1) // game.horizon)
        bias, se = (x[::every] for x in measured_bias(game, playing, schedule, n, count, 100 + seed))
        found = tmf.analysis.fluctuations(game, playing, schedule, n).bias[::every]
        seen = np.abs(bias) > 5 * np.maximum(se, 1e-9)
        ratio = found[seen] / bias[seen]
        out = int((np.abs(ratio - 1) > 0.15).sum())
        beyond, total = beyond + out, total + len(ratio)
        top = np.unravel_index(np.argmax(np.abs(bias)), bias.shape)
        worst = f"{ratio[np.argmax(np.abs(ratio - 1))]:.3f}" if len(ratio) else "-"
        lines.append(
            f"| {name} | {policy} | {which} | {count} | {len(ratio)} | {np.abs(bias[top]):.3f} | {se[top]:.3f} | "
            f"{worst} | {out} |"
        )
        print(lines[-1], flush=True)
    note = "a bias of 5 standard errors is itself known to 20% only"
    lines.append(f"\n{total} seen, {beyond} of them beyond 15%; {note}.")
    return lines


def approach(replicas):
    """Table of the exploitability among N agents on its way to that of the limit."""
    lines = [
        "\n## Exploitability among N agents: queueing, uniform policy, 20 sweeps\n",
        "| schedule | N | finite N, 95% interval | limit | difference | times sqrt N |",
        "|---|---|---|---|---|---|",
    ]
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.1)):
        step = schedule.active_fraction(1)[0]
        game = tmf.games.queueing((0.1, 0.2, 0.3), horizon=20, step=step)
        for n in (10, 100, 1000, 10_000):
            found = tmf.finite_exploitability(
                game, tmf.TabularPolicy.uniform(game), schedule, n, rng=1, replicas=replicas
            )
            gap = found.value - found.mean_field
            lines.append(
                f"| {schedule} | {n:,} | {found.value:.4f} [{found.low:.4f}, {found.high:.4f}] | "
                f"{found.mean_field:.4f} | {gap:+.4f} | {gap * math.sqrt(n):+.3f} |"
            )
            print(lines[-1], flush=True)
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
    lines += errors(1000, 4000 // share)
    lines += errors(1000, 2000 // share, engine="agents", names=("resource selection", "queueing"))
    lines += errors(100_000, 1500 // share)
    lines.append("\n## Bias: N (E mu-hat - mu)")
    lines += biases(1000, 250_000 // share)
    lines += approach(2000 // share)
    lines += timings()
    if options.picture:
        picture(options.picture)
    if not options.quick:
        OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
