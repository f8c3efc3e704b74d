"""The studies: each is one question, answered by lines of seconds per step (or per acting agent, or a ratio) against x.

An answer is checked before it is timed: samples against the mean field (tmfcore.bench.problems), all others for mass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import tmfcore as tmf
from tmfcore._base.threads import available_processors
from tmfcore._population.costs import MOST_AGENTS, cheaper_engine, seconds_per_step
from tmfcore.bench import own, workloads
from tmfcore.bench.contestants import entries
from tmfcore.bench.measure import Effort, Entry, Timing, measure
from tmfcore.bench.problems import Answer, Playing

N_ACTIONS = 4


@dataclass(frozen=True)
class Ranges:
    """What x runs over, and how long to measure."""

    agents: tuple[int, ...]  # N of the agents engine
    counts: tuple[int, ...]  # N of the counts engine
    sizes: tuple[int, ...]  # S of the study of N
    population: int  # N of the study of B, and of the agents engine in that of S
    observations: tuple[int, ...]
    horizons: tuple[int, ...]
    threaded: tuple[int, ...]
    effort: Effort
    limit: float  # s: a line ends after the first call that takes longer


def decades(first: int, last: int) -> tuple[int, ...]:
    """10**first, ..., 10**last."""
    return tuple(10**k for k in range(first, last + 1))


def doublings(first: int, last: int) -> tuple[int, ...]:
    """2**first, ..., 2**last."""
    return tuple(2**k for k in range(first, last + 1))


FULL = Ranges(
    decades(2, 8), decades(2, 9), (8, 64, 512), 10**6, doublings(1, 12), decades(0, 5), decades(4, 8),
    Effort(rounds=7, sample=0.01, budget=0.4), 8.0,
)  # fmt: skip
QUICK = Ranges(
    decades(2, 5), decades(2, 5), (8, 64), 10**4, doublings(1, 5), decades(0, 2), decades(4, 5),
    Effort(rounds=1, sample=0.0, budget=0.1), 0.5,
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """y against x; y in seconds, or a ratio."""

    label: str
    x: tuple[int, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Study:
    """One study: a panel of lines for each title.

    `unit` is the unit of work of the times y; None: y is a ratio.
    """

    name: str
    title: str
    text: str
    x_label: str
    unit: str | None
    panels: dict[str, list[Line]]
    notes: list[str] = field(default_factory=list)  # Markdown, below the table


Say = Callable[[str], None]


def timed(ranges: Ranges, entries: Sequence[Entry], problem: Playing | None = None) -> list[Timing]:
    """Check answers, by the problem or by their sums, and time the entries."""
    for entry in entries:
        answer = entry.run()
        if problem is not None:
            problem.check(answer)
        else:
            share = np.asarray(answer, dtype=np.float64)
            assert abs(share.sum() - 1.0) < 1e-9 and (share >= 0).all(), f"{entry.label}: shares sum to {share.sum()}"
    return measure(entries, ranges.effort)


def line(
    ranges: Ranges, say: Say, label: str, xs: Iterable[int], make: Callable[[int], tuple[Entry, Playing | None]]
) -> Line:
    """Processor seconds per unit at each x, until a call takes longer than the limit."""
    found: list[tuple[int, float]] = []
    for x in xs:
        entry, problem = make(x)
        (timing,) = timed(ranges, [entry], problem)
        found.append((x, timing.least(False)))
        say(f"  {label}, {x}: {timing.least(False) * 1e9:,.1f} ns")
        if timing.least(False) * entry.units > ranges.limit:
            break
    return Line(label, *zip(*found, strict=True))


# ---------------------------------------------------------------- N


def crossing(counts: Line, agents: Line) -> float | None:
    """N* above which the counts engine is faster at every measured N, interpolated linearly in log-log.

    None: agents are faster at the largest N. 0: counts are faster at all N.
    """
    other = dict(zip(agents.x, agents.y, strict=True))
    xs = [x for x in counts.x if x in other]
    lead = [np.log(y / other[x]) for x, y in zip(counts.x, counts.y, strict=True) if x in other]
    behind = [i for i, d in enumerate(lead) if d > 0]
    if not behind:
        return 0.0
    i = behind[-1]
    if i + 1 == len(xs):
        return None
    share = lead[i] / (lead[i] - lead[i + 1])
    return float(xs[i] * (xs[i + 1] / xs[i]) ** share)


def expected_crossing(size: int, decisions: bool) -> float:
    """N from which engine="auto" chooses the counts; 0: for all N."""
    problem = workloads.dense("agents", size, N_ACTIONS, 1000, 1)
    model, kernel = own.dense_game(problem).model, tmf.TabularPolicy(problem.pi).kernel
    n = MOST_AGENTS
    while n > 10:
        batch = np.array([n])
        if cheaper_engine(model, n, batch, seconds_per_step(model, kernel, n, batch, None, decisions)) == "agents":
            return float(n)
        n = int(n / 1.02)
    return 0.0


def study_population(ranges: Ranges, say: Say) -> Study:
    """Both engines against N, with all agents acting, and where they cross."""
    panels: dict[str, list[Line]] = {}
    rows = ['| S | recorded | N* measured | engine="auto" counts from |', "|---|---|---|---|"]
    for size in ranges.sizes:
        lines = []
        for kind, label in (("", "decisions"), ("_mu", "mu only")):
            pair = []
            for engine in ("counts", "agents"):

                def make(n, engine=engine, kind=kind, size=size):
                    steps = 5 if size > 64 or (n > 10**7 and engine == "agents") else 20
                    problem = workloads.dense(engine + kind, size, N_ACTIONS, n, steps)
                    (entry,) = entries(own.Tmfcore(), problem, "step")
                    return Entry(entry.label, entry.run, problem.steps), problem

                xs = ranges.counts if engine == "counts" else ranges.agents
                pair.append(line(ranges, say, f"{engine}, {label}", xs, make))
            lines += pair
            measured, believed = _crossed(crossing(*pair)), _crossed(expected_crossing(size, label == "decisions"))
            rows.append(f"| {size} | {label} | {measured} | {believed} |")
        panels[f"S = {size}"] = lines
    text = (
        f"Synchronous, a dense kernel, A = {N_ACTIONS}, every step recorded, one thread. The counts engine draws at "
        "most as many binomials as the kernel has cells, whatever N is; it draws few agents one by one. The agents "
        "engine moves all agents; at small N its cost is that of building tables first (20 steps share them; 5 if "
        "S > 64)."
    )
    return Study("population", "Cost of a step against N", text, "agents N", "step", panels, rows)


def _crossed(n: float | None) -> str:
    if n is None:
        return "beyond the largest N"
    return "counts faster throughout" if n == 0 else f"{float(f'{n:.2g}'):,.0f}"


# ---------------------------------------------------------------- B


def study_batch(ranges: Ranges, say: Say) -> Study:
    """Both engines against B."""
    n_agents = ranges.population

    def make(batch, engine):
        steps = max(10, n_agents // 5 // batch)
        problem = workloads.resources("batch", 8, n_agents, batch, steps)
        game = own.resource_game(problem)
        return own.simulated(problem, game, tmf.Batch(batch), engine, True, game.horizon, engine), problem

    batches = [10**k for k in range(len(str(n_agents)))]
    lines = [line(ranges, say, e, batches, lambda b, e=e: make(b, e)) for e in ("counts", "agents")]
    text = (
        f"Resource selection, S = A = 8, N = {n_agents:,}, one thread, one record per run. Passive agents stay where "
        "they are, so that the cost of a step is that of B agents, including the draw of the batch without "
        "replacement, which is not needed at B = N. The counts engine divides its draws among more agents as B grows."
    )
    return Study("batch", "Cost of an acting agent against B", text, "acting agents B", "acting agent", {"": lines})


# ---------------------------------------------------------------- S


def random_game(size: int, sparse: bool, horizon: int) -> tmf.Game:
    """Constant random rewards and rows: dense, or three successors."""
    rng = np.random.default_rng(7)
    shape = (size, N_ACTIONS)
    transition = rng.random((*shape, 3 if sparse else size))
    transition /= transition.sum(axis=2, keepdims=True)
    successors = rng.integers(size, size=transition.shape) if sparse else None
    return tmf.Game(
        *shape, horizon, 0.95, np.full(size, 1 / size), rng.random(shape), transition, successors=successors
    )


def study_observations(ranges: Ranges, say: Say) -> Study:
    """Flow, values and both engines against S, dense and sparse."""
    horizon, schedule, few, many = 10, tmf.Synchronous(), ranges.population, 100 * ranges.population
    panels = {}
    for sparse in (False, True):
        points: dict[str, list[tuple[int, float]]] = {}
        slow: set[str] = set()
        for size in ranges.observations:
            game = random_game(size, sparse, horizon)
            policy = tmf.TabularPolicy(np.random.default_rng(8).dirichlet(np.ones(N_ACTIONS), size=size))
            flow = tmf.mean_field(game, policy, schedule)

            def simulated(engine, n, game=game, policy=policy):
                run = tmf.simulate(
                    game, policy, schedule, n, engine=engine, rng=1, threads=1, decisions=False, record_every=horizon
                )
                return run.mu[0, -1]

            def values(game=game, policy=policy, flow=flow):
                found = tmf.evaluate(game, policy, schedule, flow=flow)
                assert np.isfinite(found.mean_return)
                return flow.mu[-1]

            runs = {
                "flow": lambda game=game, policy=policy: tmf.mean_field(game, policy, schedule).mu[-1],
                "values": values,
                f"counts, N = {many:,}": lambda simulated=simulated: simulated("counts", many),
                f"agents, N = {few:,}": lambda simulated=simulated: simulated("agents", few),
            }
            for label, run in runs.items():
                if label in slow:
                    continue
                (timing,) = timed(ranges, [Entry(label, run, horizon)])
                points.setdefault(label, []).append((size, timing.least(False)))
                say(f"  {label}, S={size}{', sparse' * sparse}: {timing.least(False) * 1e6:,.2f} us")
                if timing.least(False) * horizon > ranges.limit:
                    slow.add(label)
        panels["three successors" if sparse else "dense"] = [
            Line(label, *zip(*found, strict=True)) for label, found in points.items()
        ]
    text = (
        f"Synchronous, A = {N_ACTIONS}, T = {horizon}, one thread, mu recorded at the end; the steps of a call share "
        "its set-up, such as alias tables. A dense kernel has S x A x S cells, which flow, values and counts read: "
        "four times the work for twice S, and more where the kernel no longer fits in a cache. With three successors "
        "it is twice the work."
    )
    return Study("observations", "Cost of a step against S", text, "observations S", "step", panels)


# ---------------------------------------------------------------- T


def study_horizon(ranges: Ranges, say: Say) -> Study:
    """Verbs against T: the cost of a call without its steps."""
    n_agents = min(10_000, ranges.population)

    def game_of(horizon):
        values = np.linspace(1.0, 0.3, 8)
        game = tmf.games.resource_selection(values, congestion=np.ones(8), horizon=horizon / 10, step=0.1).at()
        return game, tmf.TabularPolicy(np.random.default_rng(5).dirichlet(np.ones(8), size=8))

    def simulate(horizon, engine):
        game, policy = game_of(horizon)
        run = lambda: tmf.simulate(
            game, policy, tmf.Fraction(0.1), n_agents, engine=engine, rng=1, threads=1, record_every=horizon
        ).mu[0, -1]  # fmt: skip
        return Entry(engine, run, horizon), None

    def flow(horizon):
        game, policy = game_of(horizon)
        return Entry("flow", lambda: tmf.mean_field(game, policy, tmf.Fraction(0.1)).mu[-1], horizon), None

    lines = [line(ranges, say, e, ranges.horizons, lambda t, e=e: simulate(t, e)) for e in ("counts", "agents")]
    lines.append(line(ranges, say, "flow", ranges.horizons, flow))
    text = (
        f"Resource selection, S = A = 8, a tenth of N = {n_agents:,} acts at each step, one thread. With few steps the "
        "cost is that of the call: checks, compiled tables, arrays. From some hundred steps on it is that of the "
        "kernel, because the kernel loops over time."
    )
    return Study("horizon", "Cost of a step against T", text, "steps T", "step", {"": lines})


# ---------------------------------------------------------------- threads


def threaded(problem: Playing, replicas: int, threads: int) -> Callable[[], Answer]:
    """Simulate the problem with `replicas` replicas on `threads` threads; the answer is that of the first replica."""
    game, policy = own.dense_game(problem), tmf.TabularPolicy(problem.pi)

    def run() -> Answer:
        found = tmf.simulate(
            game, policy, tmf.Synchronous(), problem.n_agents, engine="agents", start=problem.initial, rng=1,
            replicas=replicas, threads=threads, decisions=False, record_every=problem.steps,
        )  # fmt: skip
        return Answer(found.counts[0, -1], problem.steps)

    return run


def study_threads(ranges: Ranges, say: Say) -> Study:
    """Wall time of one thread over that of two: within one population, and over replicas."""
    text = (
        f"Synchronous, a dense kernel, A = {N_ACTIONS}, mu only: wall time of one thread over that of two, the best of "
        "repeats in turns. The threads share the agents of one large population; a small one uses one thread, with a "
        "ratio of 1. Replicas use the requested threads, with a loss if they are small; by default, simulate uses one "
        "thread there. Other work on the machine lowers the ratio."
    )
    study = Study("threads", "What a second thread gains", text, "agents N", None, {})
    if available_processors() < 2:
        study.notes.append("Not measured: this process may use only one processor.")
        return study
    effort = ranges.effort  # wall time wants more repeats than processor time
    ranges = replace(ranges, effort=replace(effort, rounds=4 * effort.rounds, budget=4 * effort.budget))
    cases = (("one population, S = 8", 8, 1), ("one population, S = 64", 64, 1), ("8 replicas, S = 8", 8, 8))
    lines = []
    for label, size, replicas in cases:
        found = []
        for n_agents in [n for n in ranges.threaded if n * replicas <= max(ranges.threaded)]:
            problem = workloads.dense("agents_mu", size, N_ACTIONS, n_agents, 20 if n_agents <= 10**7 else 5)
            entries = [Entry(f"{k} threads", threaded(problem, replicas, k), 1.0) for k in (1, 2)]
            one, two = timed(ranges, entries, problem)
            found.append((n_agents, one.least(True) / two.least(True)))
            say(f"  {label}, {n_agents}: x{found[-1][1]:.2f}")
        lines.append(Line(label, *zip(*found, strict=True)))
    study.panels[""] = lines
    return study


STUDIES: dict[str, Callable[[Ranges, Say], Study]] = {
    "population": study_population,
    "batch": study_batch,
    "observations": study_observations,
    "horizon": study_horizon,
    "threads": study_threads,
}


def table(lines: list[Line]) -> list[tuple[int, list[Any]]]:
    """Rows (x, ys), with None for lines without a value at x."""
    at = [dict(zip(found.x, found.y, strict=True)) for found in lines]
    return [(x, [ys.get(x) for ys in at]) for x in sorted({x for found in lines for x in found.x})]
