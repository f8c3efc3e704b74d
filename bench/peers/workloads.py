"""The workloads, each with its problem, its goals and its contestants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np

from bench.peers.learning import CrowdedGame, Gradient, JostledBar, Learning, MirrorDescent
from bench.peers.measure import Effort, Entry
from bench.peers.problems import BeachBar, Limit, Population, Problem

#: Modules of contestants, in the order of the tables: the library that each needs, and the kinds of problem it knows.
FAMILIES: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "ours": ("tmfcore", None),
    "plain_numpy": ("numpy", None),
    "plain_numpy_learning": ("numpy", ("gradient", "mirror descent", "jostled push-forward")),
    "plain_python": ("numpy", None),
    "with_numba": ("numba", None),
    "with_numba_learning": ("numba", ("gradient", "mirror descent", "jostled push-forward")),
    "with_jax": ("jax", ("agents", "agents, mu only", "flow", "values")),
    "with_torch": ("torch", ("gradient",)),
    "with_openspiel": ("open_spiel", ("beach bar", "mirror descent")),
    "with_mfglib": ("mfglib", ("beach bar", "mirror descent")),
    "with_benchmfg": ("bench-mfg-suite", ("push-forward", "jostled push-forward")),
    "with_rmftool": ("rmftool", ("sequential small",)),
    "with_mesa": ("mesa", ("sequential small",)),
}


@dataclass(frozen=True)
class Size:
    """How large the problems are, and how long to measure."""

    agents: int
    small: int
    counts: int
    huge: int
    steps: int
    beach: tuple[int, int]
    learners: int
    effort: Effort


FULL = Size(1_000_000, 10_000, 10**8, 10**12, 1000, (100, 20), 1000, Effort(rounds=9, sample=0.1, budget=10.0))
QUICK = Size(100_000, 2_000, 10**8, 10**12, 100, (20, 10), 200, Effort(rounds=3, sample=0.02, budget=0.5))
TINY = Size(5_000, 500, 10**6, 10**9, 20, (10, 4), 100, Effort(rounds=1, sample=0.0, budget=0.1))


@dataclass(frozen=True, eq=False)
class Workload:
    """One table of the page.

    Parameters
    ----------
    name : str
        For --only.
    title : str
        Description of the work.
    unit : str
        Unit of work of the times.
    problem : callable
        Size -> Problem.
    most : float or None
        Goal: most seconds per unit for tmfcore at full size, with AVX-512.
    least : mapping
        Goal: label of a peer -> smallest ratio of its time to tmfcore's.
    most_avx2 : float or None
        Goal like `most` for a machine without AVX-512, if it differs.
    less : str
        Label of the entry whose time is subtracted before it is compared with `most`: that of the user's own code.
    wall : bool
        Compare wall times, on all processors of this process.
    processors : int
        Smallest number of processors.
    """

    name: str
    title: str
    unit: str
    problem: Callable[[Size], Problem]
    most: float | None = None
    least: Mapping[str, float] = field(default_factory=dict)
    most_avx2: float | None = None
    less: str = ""
    wall: bool = False
    processors: int = 1


def dense(kind: str, size: int, n_actions: int, n_agents: int, steps: int, probability: float | None = None) -> Population:
    """Population on a dense random kernel, with rows from Dirichlet(1)."""
    rng = np.random.default_rng(7)
    transition = rng.dirichlet(np.ones(size), size=(size, n_actions))
    pi = rng.dirichlet(np.ones(n_actions), size=size)
    batch = n_agents if probability is None else round(n_agents * probability)
    return Population(kind, n_agents, steps, pi, transition, rng.random((size, n_actions)), batch, probability)


def gradient(size: int, n_agents: int, steps: int) -> Gradient:
    made = dense("gradient", size, 4, n_agents, steps)
    return Gradient("gradient", n_agents, steps, made.pi, made.transition, made.reward, n_agents)


def resources(kind: str, size: int, n_agents: int, batch: int, steps: int) -> Population:
    """Resource selection: the action is the next resource; passive agents stay."""
    pi = np.random.default_rng(7).dirichlet(np.ones(size), size=size)
    transition = np.broadcast_to(np.eye(size), (size, size, size))
    values = np.linspace(1.0, 0.3, size)
    return Population(kind, n_agents, steps, pi, transition, np.zeros((size, size)), batch, values=values)


def limit(kind: str, size: int, steps: int) -> Limit:
    rng = np.random.default_rng(7)
    transition = rng.dirichlet(np.ones(size), size=(size, 4))
    return Limit(kind, steps, rng.dirichlet(np.ones(4), size=size), transition, rng.random((size, 4)))


def _agents() -> list[Workload]:
    """The agents engine, with all agents acting."""
    recorded = {"numpy alias": 8, "numpy searchsorted": 40, "numba alias": 1.5, "JAX alias": 5}
    averaged = {"numpy alias": 10, "JAX alias": 8}
    found = []
    for size, most, avx2 in ((8, 1.3e-9, 1.8e-9), (64, 1.3e-9, 1.8e-9), (512, 2.2e-9, 3e-9)):
        make = lambda s, size=size: dense("agents", size, 4, s.agents, min(20, s.steps))
        title = f"agents, Synchronous, decisions recorded, dense kernel, S={size}, A=4, N={{agents}}"
        found.append(Workload(f"agents-{size}", title, "agent-step", make, most, recorded, avx2))
    for size, most, avx2 in ((8, 0.5e-9, 1.5e-9), (64, 1.1e-9, 1.5e-9), (512, 1.6e-9, 2.1e-9)):
        make = lambda s, size=size: dense("agents, mu only", size, 4, s.agents, min(20, s.steps))
        title = f"agents, Synchronous, mu only, dense kernel, S={size}, A=4, N={{agents}}"
        found.append(Workload(f"mu-{size}", title, "agent-step", make, most, averaged, avx2))
    for size in (8, 64, 512):
        make = lambda s, size=size: dense("agents, 2 threads", size, 4, s.agents, min(20, s.steps))
        title = f"agents-{size} with 2 threads, on 2 processors; wall time"
        least = {"tmfcore, 1 thread": 1.7}
        name = f"threads-{size}"
        found.append(Workload(name, title, "agent-step", make, least=least, wall=True, processors=2))
    return found


def _few() -> list[Workload]:
    """One acting agent per step, or a batch."""
    found = []
    for kind, most, rival in (("agents", 12e-9, "numba alias"), ("counts", 60e-9, "numba counts")):
        for size in (8, 64):
            make = lambda s, kind=kind, size=size: resources(f"sequential {kind}", size, s.agents, 1, s.agents)
            title = f"Sequential, engine {kind}, resource selection, S={size}, N={{agents}}"
            least = {rival: 8, "numba usual": 8, "Python loop": 300, "Python with numpy": 300}
            found.append(Workload(f"sequential-{kind}-{size}", title, "event", make, most, least))
    make = lambda s: resources("sequential small", 8, s.small, 1, s.small)
    found.append(
        Workload("sequential-small", "Sequential, resource selection, S=8, N={small}, one sweep", "event", make)
    )
    for batch, least in ((32, 60), (1024, 10)):
        make = lambda s, batch=batch: resources("batch", 8, s.agents, batch, max(4, 2 * s.agents // batch // 4))
        title = f"Batch({batch}), engine agents, resource selection, S=8, N={{agents}}"
        rivals = {"numpy choice": least, "numpy, batches ahead": least}
        found.append(Workload(f"batch-{batch}", title, "acting agent", make, 14e-9, rivals))
    return found


def _counts() -> list[Workload]:
    """The counts engine."""
    found = []
    for decisions, kind in ((True, "counts"), (False, "counts, mu only")):
        for size, steps, most in ((8, 1000, 2e-6), (64, 50, 90e-6), (512, 3, 6e-3)):
            make = lambda s, kind=kind, size=size, steps=steps: dense(kind, size, 4, s.counts, min(steps, s.steps))
            recorded = "decisions recorded" if decisions else "mu only"
            title = f"counts, Synchronous, {recorded}, dense kernel, S={size}, A=4, N={{counts}}"
            name = f"counts-{size}" if decisions else f"counts-mu-{size}"
            goal = None if decisions else most
            found.append(Workload(name, title, "step", make, goal, {"numpy multinomial": 3}))
    make = lambda s: dense("counts, any N", 8, 4, s.huge, min(1000, s.steps))
    title = "counts, Synchronous, mu only, dense kernel, S=8, A=4: N={huge}, and N={counts}"
    found.append(Workload("counts-any-n", title, "step", make, least={f"tmfcore, N={FULL.counts:.0e}": 0.9}))
    for name, n_agents in (("few", 1000), ("many", None)):
        make = lambda s, n=n_agents: dense("engine auto", 64, 4, n or s.agents, min(50, s.steps))
        title = f'engine="auto" and the two it chooses from, mu only, S=64, A=4, N={n_agents or "{agents}"}'
        rivals = {"tmfcore, counts": 0.9, "tmfcore, agents": 0.9}
        found.append(Workload(f"auto-{name}", title, "step", make, least=rivals))
    make = lambda s: dense("bernoulli", 64, 4, s.huge, s.steps, 0.01)
    title = "counts, Bernoulli(0.01), dense kernel, S=64, A=4, N={huge}, {steps} steps"
    found.append(Workload("bernoulli", title, "run", make, 1.0))
    return found


def _limits() -> list[Workload]:
    """The mean field."""
    found = []
    for kind in ("flow", "values"):
        for size, most, least in ((8, 0.15e-6, 15), (64, 2.5e-6, 2)):
            make = lambda s, kind=kind, size=size: limit(kind, size, s.steps)
            title = f"{kind} of the mean field, dense kernel, S={size}, A=4, T={{steps}}"
            rivals = {"numpy": least, "numpy, averaged kernel": least} if kind == "flow" else {"numpy": least}
            found.append(Workload(f"{kind}-{size}", title, "step", make, most, rivals))
    title = "exploitability of a policy (flow, its values, best response), beach bar, S={beach[0]}, T={beach[1]}"
    found.append(Workload("beach-bar", title, "evaluation", lambda s: BeachBar("beach bar", *s.beach)))
    title = "push-forward, beach bar, 3 successors, S=400, 50 in a run"
    make = lambda s: BeachBar("push-forward", 400, 50)
    found.append(Workload("push-forward", title, "step", make, 5e-6))
    title = "the same with a kernel that depends on mu: wind only where mu(x) > 1 / S"
    make = lambda s: JostledBar("jostled push-forward", 400, 50)
    found.append(Workload("push-forward-mu", title, "step", make, 5e-6))
    return found


def _learning() -> list[Workload]:
    """Gradients and solvers."""
    found = []
    rivals = {"numpy alias": 30, "numpy searchsorted": 30, "torch alias, table": 100, "torch Categorical": 100}
    for size in (8, 64):
        make = lambda s, size=size: gradient(size, s.agents, min(50, s.steps))
        title = f"gradient of the return, forward sampling included, Synchronous, S={size}, A=4, T=50, N={{agents}}"
        found.append(Workload(f"gradient-{size}", title, "agent-step", make, 2e-9, rivals))
    for name, game in (("resources", "resource selection"), ("queueing", "queueing")):
        make = lambda s, game=game: Learning("learning", game, s.learners)
        title = f"TMF-PG, {game}, one population an iteration, N={{learners}}, B=1, 20 sweeps, S=5; wall time"
        found.append(Workload(f"tmfpg-{name}", title, "iteration", make, 4e-3, wall=True))
    title = "mirror descent, exploitability of every iterate included, beach bar, S={beach[0]}, T={beach[1]}"
    make = lambda s: MirrorDescent("mirror descent", *s.beach)
    rivals = {"MFGLib": 100, "OpenSpiel Python": 1000, "OpenSpiel C++, like game": 1000}
    found.append(Workload("mirror-descent", title, "iteration", make, least=rivals))
    return found


def _users_games() -> list[Workload]:
    """Games of users: their cost without the user's functions, and compared with a built-in game."""
    functions = "the game's own functions"
    make = lambda s: CrowdedGame("python game, flow", s.steps, s.agents, 1.0)
    title = "mean_field, reward and transition Python functions of mu, S=8, A=4, T={steps}"
    found = [Workload("python-flow", title, "step", make, 5e-6, less=functions)]
    make = lambda s: CrowdedGame("python game, counts", s.learners, s.learners, 1.0 / s.learners)
    title = "simulate, reward and transition Python functions of mu, S=8, A=4, Sequential, N={learners}, one sweep"
    found.append(Workload("python-simulate", title, "step", make, 5e-6, less=functions))
    make = lambda s: resources("compiled game", 8, s.learners, 1, s.learners)
    title = "simulate, Sequential, engine agents, resource selection as a numba cfunc and built in, S=8, N={learners}"
    found.append(Workload("numba-game", title, "event", make))
    return found


WORKLOADS = (*_agents(), *_few(), *_counts(), *_limits(), *_learning(), *_users_games())


def contestants(problem: Problem, families: list[str], skip: Callable[[str, str], None]) -> list[Entry]:
    """All contestants for this kind of problem; calls `skip(library, reason)` for each missing library."""
    found: list[Entry] = []
    for family in families:
        library, kinds = FAMILIES[family]
        if kinds is not None and problem.kind not in kinds:
            continue
        try:
            module = import_module(f"bench.peers.{family}")
        except ImportError as error:
            if family == "ours":
                raise
            skip(library, str(error))
            continue
        if problem.kind in module.ENTRIES:
            found += module.ENTRIES[problem.kind](problem)
    return found
