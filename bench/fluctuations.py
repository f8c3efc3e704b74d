"""Compare the predicted fluctuations of N agents with simulation, and write docs/measured/fluctuations.md.

    python bench/fluctuations.py                every game of the shelf, about eight minutes on one core
    python bench/fluctuations.py --quick        fewer replicas, about one minute; prints, writes nothing
    python bench/fluctuations.py --picture P    also draw prediction over simulation into the PNG file P

Needs the extra `app` for the picture only. Seeds are fixed: every run writes the same tables, except for timings.
"""

import argparse
import inspect
import math
import time
from functools import partial
from pathlib import Path

import numpy as np

import tmfcore as tmf

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "measured" / "fluctuations.md"
SWEEPS = 3
GOAL = {1000: 0.10, 100_000: 0.03}
FEWEST, MOST = 60, 4000  # replicas per row
MICROSECONDS = {1000: 0.3e6, 100_000: 2e6, "B=1": 5e6}  # of simulation per row; "B=1": at N = 100,000
# Factor of that time for slow or noisy games at N = 100,000: with B = 1; for herd also with B = sqrt N.
PATIENCE = {"queueing": 3, "linear_quadratic": 5, "routing": 5, "herd": 5}
BIAS_LEVEL = 5  # a bias is compared if it exceeds this many standard errors

INTRODUCTION = """# Fluctuations: the theory of finite N, predicted and measured

Written by `python bench/fluctuations.py --picture docs/measured/fluctuations.png` (fixed seeds). The formulas are those
of [Theory](../theory.md), section 6; `tmf.analysis.fluctuations` computes them, and `Fluctuations.compare(simulation)`
compares them with a simulation. Ratios are predicted / measured, with the standard error of the measurement.

**Games and policies.** Every game of `tmf.games.BY_NAME`, some in a smaller size (S is in the tables), and "herd", a
game of Python callables in which agents follow the crowd. "uniform" plays all actions with equal probability. "aware"
is a softmax policy with normal logits that are affine in mu; its response to the population is part of the Jacobian.
"normal" is the ratio for the constant of the limit alone, sum_x sqrt(2 Sigma(x,x) / (pi N)).

**Length.** A step at which B of N agents act lasts B / N sweeps. Games last {sweeps} sweeps, or one if B = 1 and
N = 100,000. susceptible_infected and the routing games have no `step`, because a step passes for acting and for passive
agents: they take as many steps as the other games; if all agents act, routing takes {drive}. sioux_falls takes {drive}
steps.

**Where the theory holds.** Phi must be twice differentiable along the flow. It jumps if `rounding` of routing or
linear_quadratic is "down", "nearest" or "nearest position"; the theory does not cover these. With "linear", used here,
it is continuous and has kinks: for routing where a travel time is a whole number of steps, for linear_quadratic where
agents drift to a position exactly. On a kink the mean of mu-hat - mu is of order 1 / sqrt N, not 1 / N, there is no
second derivative, and a bias computed by differences is meaningless. The defaults start on kinks: uniform play of
Braess' network with a time step of 1/4 puts half of the population on each road, which takes 6 steps exactly;
linear_quadratic is symmetric. Therefore this page uses the time steps 0.7 and 0.4, and a start that is not symmetric.

**What is omitted.** With B = 1: sioux_falls (S = 1,617, and O(S^3) per step). With B = 1 and N = 100,000: herd, which
calls Python 100,000 times per replica, and braess, which is the network of routing with shorter steps. sioux_falls has
the uniform policy only: an aware policy has S^2 A = 13 million weights there.

![prediction over simulation](fluctuations.png)
"""


# ------------------------------------------------------------------------------------------------- what is played


DRIVE = 20  # steps of a drive


def herd(sweeps, step, horizon):
    """Two camps and undecided agents; an acting agent joins a camp with a probability quadratic in its size."""

    def transition(mu):
        a, b = 0.2 + 0.6 * mu[0] ** 2, 0.1 + 0.5 * mu[1] ** 2
        row = np.array([a, b, 1 - a - b])
        return np.broadcast_to(row, (3, 2, 3))

    return tmf.Game(3, 2, round(sweeps / step), 1.0, [0.4, 0.3, 0.3], np.zeros((3, 2)), transition, name="herd")


def in_sweeps(name, *args, **options):
    """A game with a horizon in sweeps."""

    def build(sweeps, step, horizon):
        return tmf.games.BY_NAME[name](*args, **(options | {"horizon": sweeps, "step": step})).at()

    return build


def in_steps(name, drive=True, **options):
    """A game with a horizon in steps."""

    def build(sweeps, step, horizon):
        return getattr(tmf.games, name)(**(options | {"horizon": DRIVE if drive and step == 1 else horizon}))

    return build


# name: (build, microseconds per step and replica with B = 1, sqrt N and N)
GAMES = {
    "resource_selection": (in_sweeps("resource_selection", initial=[0.4, 0.3, 0.2, 0.1]), (0.09, 1.5, 12)),
    "queueing": (in_sweeps("queueing"), (0.3, 1.6, 12)),
    "beach_bar": (in_sweeps("beach_bar", 20), (0.14, 5, 28)),
    "left_right": (in_sweeps("left_right"), (0.07, 0.8, 12)),
    "rock_paper_scissors": (in_sweeps("rock_paper_scissors"), (0.14, 1.2, 12)),
    "susceptible_infected": (in_steps("susceptible_infected", drive=False), (0.3, 0.9, 5)),
    "garnet": (in_sweeps("garnet", 10, n_actions=3, coupling=0.5), (0.4, 3, 25)),
    "crowd_motion": (in_sweeps("crowd_motion", (6, 6)), (0.23, 10, 50)),
    "building_evacuation": (in_sweeps("building_evacuation", 2, length=4, width=4), (0.22, 9, 33)),
    "linear_quadratic": (in_sweeps("linear_quadratic", 7, initial=np.arange(1, 8) / 28), (2.5, 5, 20)),
    "routing": (in_steps("braess", step=0.7), (0.7, 3, 7)),
    "braess": (in_steps("braess", step=0.4), (1.5, 5, 10)),
    "sioux_falls": (lambda sweeps, step, horizon: tmf.games.sioux_falls(horizon=DRIVE), (10, 60, 60)),
    "herd": (herd, (25, 30, 40)),
}
for name in sorted(set(tmf.games.BY_NAME) - set(GAMES)):  # small games, with the costs of a slow one until measured
    has_step = "step" in inspect.signature(tmf.games.BY_NAME[name]).parameters
    build = in_sweeps if has_step else partial(in_steps, drive=False)
    GAMES[name] = (build(name, **tmf.games.SHELF[name].arguments()), GAMES["herd"][1])


def policies(game, scale=2.0):
    """The two policies of a game, by name."""
    found = {"uniform": tmf.TabularPolicy.uniform(game)}
    shape = (1, game.n_observations, game.n_actions, 1 + game.n_observations)
    if math.prod(shape) < 1e6:
        found["aware"] = tmf.SoftmaxPolicy(scale * np.random.default_rng(7).normal(size=shape))
    return found


def schedules(n):
    """B in {1, sqrt N, N}."""
    return {"B=1": 1, "B=sqrt N": round(math.sqrt(n)), "B=N": n}


def left_out(name, which, n):
    return which == "B=1" and (name == "sioux_falls" or (name in ("herd", "braess") and n > 1000))


def cases(n, names=tuple(GAMES), wanted=("uniform", "aware")):
    """(game name, policy name, schedule name, game, policy, schedule, record_every, microseconds per replica)."""
    for name in names:
        build, microseconds = GAMES[name]
        for (which, batch), cost in zip(schedules(n).items(), microseconds, strict=True):
            if left_out(name, which, n):
                continue
            sweeps = 1 if which == "B=1" and n > 1000 else SWEEPS
            game = build(sweeps, batch / n, round(sweeps * n / batch))
            every = max(1, game.horizon // (6 * SWEEPS))
            possible = policies(game)
            if name == "herd":
                del possible["aware"]  # both actions do the same there
            for policy, playing in possible.items():
                if policy in wanted or len(possible) == 1:
                    yield name, policy, which, game, playing, tmf.Batch(batch), every, cost * game.horizon


def measure(game, policy, schedule, n, every, replicas, seed, engine="counts"):
    found = tmf.analysis.fluctuations(game, policy, schedule, n, record_every=every)
    run = tmf.simulate(
        game, policy, schedule, n, replicas=replicas, engine=engine, rng=seed, record_every=every, decisions=False
    )
    return found, found.compare(run)


# ------------------------------------------------------------------------------------------------------- the tables


def errors(n, share, engine="counts", names=tuple(GAMES), wanted=("uniform", "aware"), replicas=None):
    """Table of E || mu-hat - mu ||_1, averaged over time."""
    lines = [
        f"\n### N = {n:,}, {engine} engine: goal {GOAL[n]:.0%}\n",
        "| game | policy | schedule | S | T | replicas | predicted | measured | ratio | normal | Jacobian |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    worst = {}
    for seed, (name, policy, which, game, playing, schedule, every, cost) in enumerate(cases(n, names, wanted)):
        budget = MICROSECONDS["B=1" if which == "B=1" and n > 1000 else n]
        if n > 1000 and which != "B=N":
            budget *= PATIENCE.get(name, 1) if which == "B=1" or name == "herd" else 1
        count = replicas or int(min(MOST, max(FEWEST, budget / cost))) // share
        found, seen = measure(game, playing, schedule, n, every, max(2, count), seed, engine)
        worst[name] = max(worst.get(name, (0, 0)), (abs(seen.error_ratio - 1), seen.error_ratio_se))
        limit = found.constant[1:].mean() / math.sqrt(n) / seen.mean_error_measured
        lines.append(
            f"| {name} | {policy} | {which} | {game.n_observations} | {game.horizon} | {count} | "
            f"{seen.mean_error:.3e} | {seen.mean_error_measured:.3e} | "
            f"{seen.error_ratio:.4f} ± {seen.error_ratio_se:.4f} | {limit:.3f} | "
            f"{found.jacobian} |"
        )
        print(lines[-1], flush=True)
    lines.append("\nFurthest from 1: " + ", ".join(f"{k} {v:.1%} ± {se:.1%}" for k, (v, se) in worst.items()) + ".")
    print(lines[-1], flush=True)
    return lines


def flow_step(game, kernel, mu, t, beta):
    """Phi_t(mu)."""
    _, active, _, passive = game.tables(mu, t)
    out = np.zeros(len(mu))
    weights = beta * mu[:, None] * kernel.probabilities(mu, t, game.horizon)
    share = (weights[:, :, None] * active, (1 - beta) * mu[:, None] * passive)
    for rows, successors in zip(share, (game.successors, game.passive_successors), strict=True):
        if successors is None:
            rows = rows.reshape(-1, len(mu)).sum(axis=0)
        else:
            rows = np.bincount(successors.ravel(), weights=rows.ravel(), minlength=len(mu))
        out = out + rows
    return out


def measured_bias(game, policy, schedule, n, replicas, seed):
    """N (E mu-hat_t - mu_t) and its standard error, (T+1, S) each, with the linear part of the noise subtracted.

    d_{t+1} = J_t d_t + (mu-hat_{t+1} - Phi_t(mu-hat_t)), d_0 = 0, has mean 0 for any J_t, and equals mu-hat - mu up to
    terms of second order: the variance of the difference is of order 1/N^2, not 1/N.
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
    """Table of the bias where the measurement resolves it."""
    lines = [
        f"\n### N = {n:,}: goal 15%, if the measured bias exceeds {BIAS_LEVEL} standard errors\n",
        "The noise of a step has mean 0. Its linear effect on later steps is known from the simulated path, and is",
        "subtracted from the measurement, which stays unbiased. `seen`: observations and times with a bias above 5",
        "standard errors; `largest`: N times the largest measured bias; `worst`: the ratio furthest from 1; `> 15%`:",
        "ratios off by more than 15%; `+ 3 se`: of these, off by 3 standard errors of the measurement more;",
        "`pooled`: one ratio for all times and observations, weighted by 1 / se^2. If rows and policy do not depend on",
        "mu, there is no bias, predicted or measured; these rows are omitted, and so is B = 1 except for two games.\n",
        (
            "| game | policy | schedule | T | replicas | seen | largest | its se | pooled | worst | its se | > 15% "
            "| + 3 se |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    beyond = surely = total = 0
    for seed, (name, policy, which, game, playing, schedule, every, _) in enumerate(cases(n)):
        if (which == "B=1" and name not in ("resource_selection", "queueing")) or game.n_observations > 100:
            continue
        predicted = tmf.analysis.fluctuations(game, playing, schedule, n)
        if policy == "uniform" and game.model.constant_transition:
            continue
        count = min(10_000, evaluations * (3 if which == "B=1" else 1) // (game.horizon * (1 + (name == "herd"))))
        bias, se = (x[::every] for x in measured_bias(game, playing, schedule, n, count, 100 + seed))
        found = predicted.bias[::every]
        seen = np.abs(bias) > BIAS_LEVEL * np.maximum(se, 1e-9)
        ratio, own = found[seen] / bias[seen], se[seen] / np.abs(bias[seen])
        out = np.abs(ratio - 1) > 0.15
        sure = out & (np.abs(found[seen] - bias[seen]) > 0.15 * np.abs(bias[seen]) + 3 * se[seen])
        beyond, surely, total = beyond + out.sum(), surely + sure.sum(), total + len(ratio)
        top = np.unravel_index(np.argmax(np.abs(bias)), bias.shape)
        weight = np.where(seen, np.maximum(se, 1e-9), np.inf) ** -2.0
        pooled, worst, error = "-", "-", "-"
        if len(ratio):
            at = np.argmax(np.abs(ratio - 1))
            pooled = f"{(weight * found * bias).sum() / (weight * bias**2).sum():.3f}"
            worst, error = f"{ratio[at]:.3f}", f"{ratio[at] * own[at]:.3f}"
        lines.append(
            f"| {name} | {policy} | {which} | {game.horizon} | {count} | {len(ratio)} | {np.abs(bias[top]):.3f} | "
            f"{se[top]:.3f} | {pooled} | {worst} | {error} | {out.sum()} | {sure.sum()} |"
        )
        print(lines[-1], flush=True)
    lines.append(
        f"\n{total} seen, {beyond} of them off by more than 15%, {surely} by 3 standard errors more than that; a "
        f"bias of {BIAS_LEVEL} standard errors is itself known only to 20%."
    )
    return lines


def approach(replicas):
    """Table of the exploitability among N agents, which tends to that of the limit."""
    lines = [
        "\n## Exploitability among N agents: queueing, uniform policy, 20 sweeps\n",
        "| schedule | N | finite N, 95% interval | limit | difference | times sqrt N |",
        "|---|---|---|---|---|---|",
    ]
    for schedule in (tmf.Synchronous(), tmf.Fraction(0.1)):
        step = schedule.active_fraction(1)[0]
        game = tmf.games.queueing((0.1, 0.2, 0.3), horizon=20, step=step).at()
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
        "resource selection": tmf.games.resource_selection(
            np.linspace(1, 2, size), congestion=1.0, horizon=horizon, step=1
        ).at(),
        "queueing": tmf.games.queueing(np.full(size - 1, 0.02), horizon=horizon, step=1).at(),
    }
    lines = [
        "\n## Time: S = 64, T = 100, one core, best of three; goal at most 0.5 s\n",
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
    game = tmf.games.queueing((0.1, 0.2, 0.3), horizon=20, step=2e-4).at()
    began = time.process_time()
    tmf.analysis.fluctuations(game, policies(game)["aware"], tmf.Sequential(), 5000, record_every=1000)
    lines.append(f"\nSequential queueing, S = 4, T = {game.horizon:,}: {time.process_time() - began:.2f} s.")
    return lines


def picture(path):
    from tmfcore import plotting

    figure, panels = plotting.figure(2, width=5.4, height=3.6, title="Prediction over simulation")
    for ax, (name, n) in zip(panels, (("resource_selection", 300), ("queueing", 300)), strict=True):
        game = GAMES[name][0](SWEEPS, 1 / 20, 60)
        playing = policies(game)["aware"]
        run = tmf.simulate(game, playing, tmf.Fraction(1 / 20), n, replicas=400, rng=1, decisions=False)
        tmf.analysis.fluctuations(game, playing, tmf.Fraction(1 / 20), n).plot(simulation=run, ax=ax)
    plotting.save(figure, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    share = 10 if options.quick else 1
    lines = [INTRODUCTION.format(sweeps=SWEEPS, drive=DRIVE)]
    lines.append("\n## Error: E ‖mu-hat - mu‖₁, averaged over time")
    lines += errors(1000, share)
    lines += errors(1000, share, "agents", ("resource_selection", "queueing"), ("aware",), 1000 // share)
    lines += errors(100_000, share, wanted=("aware",))
    lines.append("\n## Bias: N (E mu-hat - mu)")
    lines += biases(1000, 50_000 // share)
    lines += approach(2000 // share)
    lines += timings()
    if options.picture:
        picture(options.picture)
    if not options.quick:
        OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
