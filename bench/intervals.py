"""Measure the coverage of every interval of the package, and write docs/measured/intervals.md.

    python bench/intervals.py            about six minutes on one core
    python bench/intervals.py --quick    a tenth of the samples; prints, writes nothing

Seeds are fixed: every run writes the same tables.
"""

import math
import textwrap
from pathlib import Path

import numpy as np
from scipy import stats

import tmfcore as tmf
from pages import is_quick
from tmfcore._results import confidence
from tmfcore.analysis import Convergence

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "measured" / "intervals.md"
LEVEL = 0.95

INTRODUCTION = """# Intervals: measured coverage

Written by `python bench/intervals.py` (fixed seeds). Every interval is at 95%. The tables give the percentage of
samples whose interval contains the true value; its standard error is 22 / sqrt(n) points for n samples.
"""

INTERVALS = (
    (
        "slope of `analysis.convergence`",
        "Student's; relative variance pooled over the n values of N, n (R - 1) degrees of freedom",
        "`Convergence.fit(label).interval(confidence)`",
    ),
    (
        "error at one N or one time",
        "Student's, of the logarithm; R - 1 degrees of freedom",
        "`Convergence.error_low`, `error_high`, `final_low`, `final_high`; `Bound.interval(confidence)`",
    ),
    ("gain of `finite_exploitability`", "Welch's", "`low`, `high`; `interval(confidence)`"),
    (
        "probabilities of `fit`, constant game, individuals",
        "Jeffreys'",
        "`Fit.interval(confidence).transition`, `.passive_transition`",
    ),
    (
        "the same, affine game, or from counts",
        "score interval of least squares (one coefficient: Wilson's)",
        "as above",
    ),
    (
        "rewards of `fit`",
        "Student's after Hall's transformation; of two values, as probabilities; from counts Student's, HC1 errors",
        "`Fit.interval(confidence).reward`, `.passive_reward`",
    ),
    (
        "mean returns of `tmfcore simulate` and `tmfcore reproduce`",
        "Student's, R - 1 degrees of freedom",
        "the commands' tables",
    ),
)

REMARK = """
Attributes that end in `_se` are standard errors, not intervals: two standard errors to both sides cover 95% only with
many degrees of freedom. Ends that are NaN mean that the data do not identify the number.
"""


def percent(inside):
    return f"{100 * np.mean(inside):.1f}"


def prose(text):
    return textwrap.fill(" ".join(text.split()), 119) + "\n"


def table(*heads):
    return ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]


def row(*cells):
    line = "| " + " | ".join(map(str, cells)) + " |"
    print(line, flush=True)
    return line


# --------------------------------------------------------------------------------------------------- convergence


def study(sizes, errors):
    return Convergence(("a",), {"a": sizes}, {"a": errors}, {"a": errors}, {"a": ("a",) * len(sizes)})


def covered(sizes, errors, true):
    """Shares of studies (M, n, R) whose intervals contain the slope of the true errors (n,), and the true errors."""
    x = np.log(sizes) - np.log(sizes).mean()
    slope = x @ np.log(true) / (x @ x)
    slopes, points = [], []
    for sample in errors:
        found = study(sizes, sample)
        low, high = found.fit("a").interval(LEVEL)
        slopes.append(low <= slope <= high)
        points.append((found.error_low["a"] <= true) & (true <= found.error_high["a"]))
    return np.mean(slopes), np.mean(points)


def made_up(share):
    lines = [
        "\n## Convergence\n",
        prose("""
            Normal fluctuations, the limit of large N: an error is the sum of |z| over S places, with normal z that sum
            to 0, averaged over J independent times. The law is most skewed at S = 2, J = 1. n values of N, R replicas.
        """),
        *table("S", "J", "n", "R", "slope", "error at one N", "samples"),
    ]
    rng = np.random.default_rng(0)
    count = 4_000 // share
    for places, times in ((2, 1), (3, 1), (10, 3)):
        for points in (2, 4):
            sizes = 10 ** np.arange(2, 2 + points)
            true = places * math.sqrt(2 / math.pi * (1 - 1 / places)) / np.sqrt(sizes)
            for replicas in (2, 3, 10):
                z = rng.standard_normal((count, points, replicas, times, places))
                z -= z.mean(axis=-1, keepdims=True)
                errors = np.abs(z).sum(axis=-1).mean(axis=-1) / np.sqrt(sizes)[:, None]
                slope, point = covered(sizes, errors, true)
                lines.append(row(places, times, points, replicas, percent(slope), percent(point), count))
    return lines


def simulated(share):
    lines = [
        "",
        prose("""
            Games: error at T and averaged over time, N = 10, 40, 160, 640, uniform policy. The true values are the
            means over all samples.
        """),
        *table("game", "schedule", "error", "R", "slope", "error at one N", "samples"),
    ]
    games = {
        "resource_selection": tmf.games.resource_selection(
            (1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=6, step=1
        ).at(),
        "susceptible_infected": tmf.games.susceptible_infected(horizon=8),
        "queueing": tmf.games.queueing((0.1, 0.2, 0.3), horizon=8, step=1).at(),
    }
    sizes, pool = np.array([10, 40, 160, 640]), 6_000 // share
    for name, game in games.items():
        for schedule in (tmf.Synchronous(), tmf.Fraction(0.5)):
            uniform = tmf.TabularPolicy.uniform(game)
            measured = tmf.analysis.convergence(game, uniform, schedule, sizes, replicas=pool, rng=1)
            for what, errors in (("time", measured.errors), ("T", measured.final_errors)):
                (errors,) = errors.values()
                for replicas in (2, 3, 10):
                    samples = np.moveaxis(errors.reshape(len(sizes), -1, replicas), 1, 0)
                    slope, point = covered(sizes, samples, errors.mean(axis=1))
                    lines.append(
                        row(name, schedule.label, what, replicas, percent(slope), percent(point), len(samples))
                    )
    return lines


# ---------------------------------------------------------------------------------------------------------- gains


def gains(share):
    lines = [
        "\n## Exploitability among N agents, and mean returns\n",
        prose("""
            The gain of one deviation from a random policy; the true value is the mean of 20,000 replicas. If fewer
            than 5 replicas are equal by chance, there is no interval; `known` is the percentage of samples with an
            interval, to which the coverage refers. Welch's interval is conservative at R = 2 and 3 (theory.md, section
            11), most so if the returns of two agents take few values. `return`: Student's interval of the mean return;
            two or three replicas cannot show that the law of a return is skewed.
        """),
        *table("game", "schedule", "N", "R", "known", "gain", "samples", "return", "samples"),
    ]
    games = {
        "resource_selection": tmf.games.resource_selection((1.0, 0.8, 0.6), switching_cost=0.1, horizon=4, step=1).at(),
        "queueing": tmf.games.queueing((0.1, 0.3), horizon=4, step=1).at(),
    }
    count, truth = 400 // share, 20_000 // share
    for name, game in games.items():
        policy = tmf.TabularPolicy(
            np.random.default_rng(0).dirichlet(np.ones(game.n_actions), size=game.n_observations)
        )
        for schedule in (tmf.Synchronous(), tmf.Fraction(0.5)):
            for n in (2, 20):
                play = (game, policy, schedule, n)
                options = {"deviation": tmf.finite_exploitability(*play, replicas=2_000, rng=1).policy}
                true = tmf.finite_exploitability(*play, replicas=truth, rng=2, **options).value
                returns = tmf.simulate(*play, replicas=truth, rng=3, decisions=False).returns
                for replicas in (2, 3, 5, 20):
                    ends = [
                        tmf.finite_exploitability(*play, replicas=replicas, rng=[4, k], **options).interval(LEVEL)
                        for k in range(count)
                    ]
                    known = [one for one in ends if one.identified]
                    inside = [one.low - 1e-12 <= true <= one.high + 1e-12 for one in known]
                    paid = returns[: min(3_000, truth // replicas) * replicas].reshape(-1, replicas)
                    ends = confidence.student(paid.mean(1), stats.sem(paid, axis=1), replicas - 1, LEVEL)
                    earned = (ends.low - 1e-12 <= returns.mean()) & (returns.mean() <= ends.high + 1e-12)
                    cells = (percent(len(known) / count), percent(inside), len(known), percent(earned), len(paid))
                    lines.append(row(name, schedule.label, n, replicas, *cells))
    return lines


# ------------------------------------------------------------------------------------------------------------ fit


def frequencies(_):
    lines = [
        "\n## Fit: frequencies\n",
        prose("""
            Jeffreys' interval after n visits, by enumeration (no sampling): at single probabilities p, on average over
            these, over p uniform on [0, 1] and p ~ Beta(1, 9) (an entry of a row of 10), and at the worst p. Hits are
            integers, so that no interval covers 95% at every p; this one does on average. Mid-P intervals (Clopper and
            Pearson's, with half the weight of the observed number of hits) cover 91% or more at every p, and 97.8% on
            average after 5 visits. Below 5 visits: not identified.
        """),
        *table("n", "p = .02", ".1", ".5", ".9", "the four", "uniform", "Beta(1, 9)", "worst", "at p"),
    ]
    grid = (np.arange(4_000) + 0.5) / 4_000
    weight = stats.beta.pdf(grid, 1, 9)
    for n in (5, 6, 8, 10, 15, 20, 30, 50, 100, 1000):
        hits = np.arange(n + 1)
        low, high = confidence.proportion(hits, n, LEVEL)

        def coverage(p, n=n, hits=hits, low=low, high=high):
            p = np.asarray(p)[:, None]
            return (stats.binom.pmf(hits, n, p) * ((low <= p) & (p <= high))).sum(axis=1)

        four, all_p = coverage([0.02, 0.1, 0.5, 0.9]), coverage(grid)
        means = (four.mean(), all_p.mean(), np.average(all_p, weights=weight), all_p.min())
        worst = f"{grid[coverage(grid).argmin()]:.3f}"
        lines.append(row(n, *map(percent, four), *map(percent, means), worst))
    return lines


def random_game(rng, kind, size, actions, horizon):
    corners = 1 if kind == "constant" else size
    reward, rows = (
        rng.normal(size=(size, actions, corners)),
        rng.dirichlet(np.ones(size), size=(size, actions, corners)),
    )
    paid, stay = rng.normal(size=(size, corners)), rng.dirichlet(np.ones(size), size=(size, corners))
    initial = np.full(size, 1 / size)
    if kind == "constant":
        game = tmf.Game(
            size, actions, horizon, 0.9, initial, reward[..., 0], rows[:, :, 0],
            passive_reward=paid[:, 0], passive_transition=stay[:, 0],
        )  # fmt: skip
        return game, rows[:, :, 0], reward[..., 0], stay[:, 0], paid[:, 0]
    rows, stay = rows.swapaxes(2, 3), stay.swapaxes(1, 2)
    game = tmf.games.affine(
        np.zeros((size, actions)), reward_mu=reward, transition0=np.zeros((size, actions, size)), transition_mu=rows,
        passive_reward_mu=paid,
        passive_transition0=np.zeros((size, size)), passive_transition_mu=stay, horizon=horizon, discount=0.9,
        initial=initial,
    )  # fmt: skip
    return game, rows, reward, stay, paid


NOISES = {
    "none": lambda rng, mean: mean,
    "normal": lambda rng, mean: mean + 0.5 * rng.standard_normal(mean.shape),
    "exponential": lambda rng, mean: mean + 0.5 * (rng.exponential(size=mean.shape) - 1),
    "0 or 1": lambda rng, mean: (rng.random(mean.shape) < 1 / (1 + np.exp(-mean))).astype(float),
}


def fits(share):
    lines = [
        "\n## Fit: random games\n",
        prose("""
            Rows drawn uniformly, standard normal rewards, S = 3, A = 2, random policies and starts, 60% of the agents
            act per step, prior 1 (the default). `identified`: the percentage of probabilities with an interval, to
            which the coverage refers. Rewards have the noise named; without noise they are known up to rounding, and
            100% is correct. The means of rewards 0 or 1 are logistic functions of normal numbers.
        """),
        *table("kind", "data", "agents", "runs", "T", "noise", "identified", "probabilities", "n", "rewards", "n"),
    ]
    cases = [
        ("constant", True, 3, 5, 8, "none"), ("constant", True, 3, 5, 8, "normal"),
        ("constant", True, 3, 5, 8, "exponential"), ("constant", True, 3, 5, 8, "0 or 1"),
        ("constant", True, 30, 5, 12, "normal"), ("constant", True, 30, 5, 12, "exponential"),
        ("affine", True, 4, 30, 6, "normal"), ("affine", True, 10, 10, 12, "normal"),
        ("affine", True, 40, 20, 12, "normal"), ("affine", True, 10, 10, 12, "none"),
        ("constant", False, 2, 20, 12, "none"), ("constant", False, 5, 10, 12, "none"),
        ("constant", False, 50, 20, 12, "none"),
    ]  # fmt: skip
    for kind, individuals, n, runs, horizon, noise in cases:
        found = {"shares": [], "rewards": []}
        known = total = 0
        for k in range((200 if kind == "constant" else 80) // share):
            rng = np.random.default_rng([5, k])
            game, *truth = random_game(rng, kind, 3, 2, horizon)
            logs = []
            for i in range(runs):
                policy = tmf.TabularPolicy(rng.dirichlet(np.ones(2), size=3))
                start = rng.multinomial(n, rng.dirichlet(np.full(3, 0.5)))
                run = tmf.simulate(
                    game, policy, tmf.Bernoulli(0.6), n, start=start, rng=[6, k, i], trajectories=individuals
                )
                logs.append(run)
                if individuals:
                    log = run.trajectories
                    logs[-1] = (log.observations, log.actions, NOISES[noise](rng, log.rewards))
            if noise == "0 or 1":
                truth[1], truth[3] = (1 / (1 + np.exp(-x)) for x in (truth[1], truth[3]))
            sizes = {"n_observations": 3, "n_actions": 2} if individuals else {}
            ends = tmf.learn.fit(logs, kind=kind, discount=0.9, **sizes).interval(LEVEL)
            estimates = (ends.transition, ends.reward, ends.passive_transition, ends.passive_reward)
            for what, interval, true in zip(("shares", "rewards") * 2, estimates, truth, strict=True):
                inside = (interval.low <= true) & (true <= interval.high)
                found[what] += list(inside[interval.identified])
                if what == "shares":
                    known, total = known + interval.identified.sum(), total + interval.identified.size
        data = "individuals" if individuals else "counts"
        shares, rewards = found["shares"], found["rewards"]
        cells = (percent(known / total), percent(shares), len(shares), percent(rewards), len(rewards))
        lines.append(row(kind, data, n, runs, horizon, noise, *cells))
    return lines


def main():
    quick = is_quick(__doc__, "a tenth of the samples")
    share = 10 if quick else 1
    listed = ("| " + " | ".join(cells) + " |" for cells in INTERVALS)
    lines = [INTRODUCTION, *table("estimate", "interval", "where"), *listed, REMARK]
    for part in (made_up, simulated, gains, frequencies, fits):
        lines += part(share)
    if not quick:
        OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
