"""The workloads: one for each row of figures that has a peer, with what is wanted of it and who takes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np

from bench.peers.measure import Effort, Entry
from bench.peers.problems import BeachBar, Limit, Population, Problem

#: Modules of contestants, in the order of the tables: the library each needs, and the kinds of problem it knows.
FAMILIES: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "ours": ("tmfcore", None),
    "plain_numpy": ("numpy", None),
    "plain_python": ("numpy", None),
    "with_numba": ("numba", None),
    "with_jax": ("jax", ("agents", "agents, mu only", "flow", "values")),
    "with_openspiel": ("open_spiel", ("beach bar",)),
    "with_mfglib": ("mfglib", ("beach bar",)),
    "with_benchmfg": ("bench-mfg-suite", ("push-forward",)),
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
    effort: Effort


FULL = Size(1_000_000, 10_000, 10**8, 10**12, 1000, (100, 20), Effort(rounds=9, sample=0.1, budget=10.0))
QUICK = Size(100_000, 2_000, 10**8, 10**12, 100, (20, 10), Effort(rounds=3, sample=0.02, budget=0.5))
TINY = Size(5_000, 500, 10**6, 10**9, 20, (10, 4), Effort(rounds=1, sample=0.0, budget=0.1))


@dataclass(frozen=True, eq=False)
class Workload:
    """One table of the page.

    Parameters
    ----------
    name : str
        For --only.
    title : str
        What is done.
    unit : str
        What the time is for.
    problem : callable
        Size -> Problem.
    most : float or None
        Seconds per unit that tmfcore must reach at full size (issue figures, AVX-512).
    least : mapping
        Label of a peer -> ratio that must be reached against it.
    """

    name: str
    title: str
    unit: str
    problem: Callable[[Size], Problem]
    most: float | None = None
    least: Mapping[str, float] = field(default_factory=dict)


def dense(kind: str, size: int, n_actions: int, n_agents: int, steps: int, probability: float | None = None) -> Population:
    """Population on a dense random kernel; rows of all shapes."""
    rng = np.random.default_rng(7)
    transition = rng.dirichlet(np.ones(size), size=(size, n_actions))
    pi = rng.dirichlet(np.ones(n_actions), size=size)
    batch = n_agents if probability is None else round(n_agents * probability)
    return Population(kind, n_agents, steps, pi, transition, rng.random((size, n_actions)), batch, probability)


def resources(kind: str, size: int, n_agents: int, batch: int, steps: int) -> Population:
    """Resource selection: the action is the next resource, whoever does not act stays."""
    pi = np.random.default_rng(7).dirichlet(np.ones(size), size=size)
    transition = np.broadcast_to(np.eye(size), (size, size, size))
    values = np.linspace(1.0, 0.3, size)
    return Population(kind, n_agents, steps, pi, transition, np.zeros((size, size)), batch, values=values)


def limit(kind: str, size: int, steps: int) -> Limit:
    rng = np.random.default_rng(7)
    transition = rng.dirichlet(np.ones(size), size=(size, 4))
    return Limit(kind, steps, rng.dirichlet(np.ones(4), size=size), transition, rng.random((size, 4)))


def _agents() -> list[Workload]:
    """Everybody acts, agent by agent."""
    recorded = {"numpy alias": 8, "numpy searchsorted": 40, "numba alias": 1.5, "JAX alias": 5}
    averaged = {"numpy alias": 10, "JAX alias": 8}
    found = []
    for size, most in ((8, 1.3e-9), (64, 1.3e-9), (512, 2.2e-9)):
        make = lambda s, size=size: dense("agents", size, 4, s.agents, min(20, s.steps))
        title = f"agents, Synchronous, decisions recorded, dense kernel, S={size}, A=4, N={{agents}}"
        found.append(Workload(f"agents-{size}", title, "agent-step", make, most, recorded))
    for size, most in ((8, 0.5e-9), (64, 1.1e-9), (512, 1.6e-9)):
        make = lambda s, size=size: dense("agents, mu only", size, 4, s.agents, min(20, s.steps))
        title = f"agents, Synchronous, mu only, dense kernel, S={size}, A=4, N={{agents}}"
        found.append(Workload(f"mu-{size}", title, "agent-step", make, most, averaged))
    return found


def _few() -> list[Workload]:
    """One agent a step, or a batch of them."""
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
    """The histogram alone."""
    found = []
    for decisions, kind in ((True, "counts"), (False, "counts, mu only")):
        for size, steps, most in ((8, 1000, 2e-6), (64, 50, 90e-6), (512, 3, 6e-3)):
            make = lambda s, kind=kind, size=size, steps=steps: dense(kind, size, 4, s.counts, min(steps, s.steps))
            recorded = "decisions recorded" if decisions else "mu only"
            title = f"counts, Synchronous, {recorded}, dense kernel, S={size}, A=4, N={{counts}}"
            name = f"counts-{size}" if decisions else f"counts-mu-{size}"
            goal = None if decisions else most
            found.append(Workload(name, title, "step", make, goal, {"numpy multinomial": 3}))
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
    return found


WORKLOADS = (*_agents(), *_few(), *_counts(), *_limits())


def contestants(problem: Problem, families: list[str], skip: Callable[[str, str], None]) -> list[Entry]:
    """Everybody who knows this kind of problem; `skip(library, reason)` is told of those whose library is missing."""
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
