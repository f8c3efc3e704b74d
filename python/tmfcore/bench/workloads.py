"""The standard workloads: simulation by S, N and B, the mean field, learning, and solving by class of game."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .measure import Effort
from .problems import (
    BeachBar,
    DenseGame,
    Descent,
    Floats,
    Gradient,
    Imitation,
    JostledBar,
    Meeting,
    Playing,
    Replicas,
    Solving,
)

__all__ = ["FULL", "QUICK", "SIZES", "TINY", "UNITS", "WORKLOADS", "Size", "Workload"]


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
SIZES = {"full": FULL, "quick": QUICK, "tiny": TINY}

#: Units of work of a problem, by the name of a unit.
UNITS: dict[str, Callable[[Any], float]] = {
    "agent-step": lambda problem: problem.steps * problem.n_agents,
    "acting agent": lambda problem: problem.steps * problem.batch * getattr(problem, "replicas", 1),
    "event": lambda problem: problem.steps * getattr(problem, "replicas", 1),
    "change": lambda problem: problem.changes,
    "step": lambda problem: problem.steps,
    "iteration": lambda problem: problem.iterations + 1,
    **dict.fromkeys(("run", "evaluation", "call"), lambda problem: 1.0),
}


@dataclass(frozen=True)
class Workload:
    """One table of the results.

    Parameters
    ----------
    name : str
        For --only.
    title : str
        Description of the work.
    unit : str
        Unit of work of the times, a key of UNITS.
    problem : callable
        Size -> problem; its `kind` is the name of the contestants' method.
    wall : bool
        Compare wall times, on all processors of this process.
    processors : int
        Smallest number of processors.
    """

    name: str
    title: str
    unit: str
    problem: Callable[[Size], Any]
    wall: bool = False
    processors: int = 1


def dense(
    kind: str, size: int, n_actions: int, n_agents: int, steps: int, probability: float | None = None
) -> Playing:
    """A population on a dense random kernel, with rows from Dirichlet(1)."""
    rng = np.random.default_rng(7)
    transition = rng.dirichlet(np.ones(size), size=(size, n_actions))
    pi = rng.dirichlet(np.ones(n_actions), size=size)
    batch = n_agents if probability is None else round(n_agents * probability)
    return Playing(kind, n_agents, steps, pi, transition, rng.random((size, n_actions)), batch, probability)


def gradient(size: int, n_agents: int, steps: int) -> Gradient:
    """The direction of a dense population."""
    made = dense("gradient", size, 4, n_agents, steps)
    return Gradient("gradient", n_agents, steps, made.pi, made.transition, made.reward, n_agents)


def resources(kind: str, size: int, n_agents: int, batch: int, steps: int) -> Playing:
    """Resource selection: the action is the next resource; passive agents stay."""
    return Playing(kind, n_agents, steps, **_resources(size), batch=batch)


def replicas(size: int, n_agents: int, steps: int, n_replicas: int = 64, batch: int = 1) -> Replicas:
    """Populations that select resources, `batch` agents at a time."""
    return Replicas("replicas", n_agents, steps, **_resources(size), batch=batch, replicas=n_replicas)


def _resources(size: int) -> dict[str, Any]:
    pi = np.random.default_rng(7).dirichlet(np.ones(size), size=size)
    transition = np.broadcast_to(np.eye(size), (size, size, size))
    return {"pi": pi, "transition": transition, "reward": np.zeros((size, size)), "values": np.linspace(1.0, 0.3, size)}


def limit(kind: str, size: int, steps: int) -> DenseGame:
    """Flow or values of a dense random game."""
    rng = np.random.default_rng(7)
    transition = rng.dirichlet(np.ones(size), size=(size, 4))
    return DenseGame(kind, steps, rng.dirichlet(np.ones(4), size=size), transition, rng.random((size, 4)))


def meeting(size: int, n_agents: int, steps: int) -> Meeting:
    """An affine kernel: half of every row is constant, half is that of the partner's observation; Dirichlet(1)."""
    rng = np.random.default_rng(7)
    constant = 0.5 * rng.dirichlet(np.ones(size), size=(size, 4))
    met = 0.5 * rng.dirichlet(np.ones(size), size=(size, 4, size))
    pi = rng.dirichlet(np.ones(4), size=size)
    return Meeting("sequential_affine", n_agents, steps, pi, constant, np.ascontiguousarray(met.swapaxes(2, 3)))


def epidemic(n_agents: int, steps: int, infection: float = 1.0, recovery: float = 0.5) -> Meeting:
    """SIS: a susceptible agent (0) that meets an infected one (1) is infected; an infected one recovers."""
    constant, met = np.zeros((2, 1, 2)), np.zeros((2, 1, 2, 2))
    met[0, 0, :, 0] = 1.0, 0.0
    met[0, 0, :, 1] = 1.0 - infection, infection
    constant[1, 0] = recovery, 1.0 - recovery
    return Meeting("epidemic", n_agents, steps, np.ones((2, 1)), constant, met)


def imitation(size: int, n_agents: int, steps: int) -> Imitation:
    """Hawk and dove, or a random symmetric game of more strategies."""
    payoffs = np.array([[-0.5, 1.0], [0.0, 0.5]])
    if size > 2:
        payoffs = np.random.default_rng(7).normal(size=(size, size)) - 1.5 * np.eye(size)
    return Imitation("sequential_pairwise", n_agents, steps, payoffs, selection=2.0, mutation=0.01)


def solving(game_class: str, share: float, size: int = 20, n_actions: int = 4, steps: int = 20) -> Solving:
    """A random game of a class; rewards of about 1 per step, with and without mu."""
    rng = np.random.default_rng(7)
    reward = rng.random((size, n_actions))
    transition = rng.dirichlet(np.ones(size), size=(size, n_actions))
    crowd, moving = np.zeros((size, size)), None
    factor = rng.normal(size=(size, size))
    if game_class in ("monotone", "coupled"):
        crowd = -5.0 * (np.eye(size) + factor @ factor.T / size)
    elif game_class == "potential":
        crowd = 2.0 * (factor + factor.T)
    if game_class == "coupled":
        met = rng.dirichlet(np.ones(size), size=(size, n_actions, size)).swapaxes(2, 3)
        transition, moving = 0.7 * transition, np.ascontiguousarray(0.3 * met)
    initial: Floats = rng.dirichlet(np.ones(size))
    felt = np.ascontiguousarray(crowd[:, None, :].repeat(n_actions, axis=1))
    return Solving("solve", game_class, share, steps, initial, reward, felt, transition, moving)


def _sized(make: Callable[[int, int, int], Any], size: int, divisor: int = 1) -> Callable[[Size], Any]:
    """A problem of S observations, a population of the size's agents over `divisor`, and one sweep."""
    return lambda s: make(size, s.agents // divisor, s.agents // divisor)


def _agents() -> list[Workload]:
    """All agents act, each followed."""
    found = []
    for kind, prefix, recorded in (("agents", "agents", "decisions recorded"), ("agents_mu", "mu", "mu only")):
        for size in (8, 64, 512):

            def make(s: Size, kind: str = kind, size: int = size) -> Playing:
                return dense(kind, size, 4, s.agents, min(20, s.steps))

            title = f"agents, Synchronous, {recorded}, dense kernel, S={size}, A=4, N={{agents}}"
            found.append(Workload(f"{prefix}-{size}", title, "agent-step", make))
    return found


def _few() -> list[Workload]:
    """One acting agent per step, or a batch."""
    found = []
    for kind in ("agents", "counts"):
        for size in (8, 64):

            def make(s: Size, kind: str = kind, size: int = size) -> Playing:
                return resources(f"sequential_{kind}", size, s.agents, 1, s.agents)

            title = f"Sequential, engine {kind}, resource selection, S={size}, N={{agents}}"
            found.append(Workload(f"sequential-{kind}-{size}", title, "event", make))
    title = "Sequential, resource selection, S=8, N={small}, one sweep"
    found.append(
        Workload("sequential-small", title, "event", lambda s: resources("sequential_small", 8, s.small, 1, s.small))
    )
    for size in (8, 64):
        title = f"Sequential, 64 replicas, resource selection, S={size}, N={{agents}} / 10, one sweep"
        found.append(Workload(f"replicas-{size}", title, "event", _sized(replicas, size, 10)))
    title = "Batch(8), 64 replicas, resource selection, S=8, N={agents} / 10, one sweep"
    found.append(
        Workload(
            "replicas-batch", title, "acting agent", lambda s: replicas(8, s.agents // 10, s.agents // 80, batch=8)
        )
    )
    for batch in (32, 1024):

        def play(s: Size, batch: int = batch) -> Playing:
            return resources("batch", 8, s.agents, batch, max(4, 2 * s.agents // batch // 4))

        title = f"Batch({batch}), resource selection, S=8, N={{agents}}"
        found.append(Workload(f"batch-{batch}", title, "acting agent", play))
    return found


def _coupled() -> list[Workload]:
    """One acting agent per step, on a kernel that depends on mu."""
    found = []
    for size in (2, 8, 64):
        title = f"Sequential, kernel affine in mu, dense, S={size}, A=4, N={{agents}}, one sweep"
        found.append(Workload(f"affine-{size}", title, "event", _sized(meeting, size)))
    for size in (2, 5):
        title = f"Sequential, pairwise revision by Fermi's rule, S={size}, N={{agents}}, one sweep"
        found.append(Workload(f"pairwise-{size}", title, "event", _sized(imitation, size)))
    title = "SIS epidemic, one meeting or recovery at a time, N={agents}, one sweep"
    found.append(Workload("epidemic", title, "change", lambda s: epidemic(s.agents, s.agents)))
    return found


def _counts() -> list[Workload]:
    """All agents act, and are counted."""
    found = []
    for kind, prefix, recorded in (("counts", "counts", "decisions recorded"), ("counts_mu", "counts-mu", "mu only")):
        for size, steps in ((8, 1000), (64, 50), (512, 3)):

            def make(s: Size, kind: str = kind, size: int = size, steps: int = steps) -> Playing:
                return dense(kind, size, 4, s.counts, min(steps, s.steps))

            title = f"counts, Synchronous, {recorded}, dense kernel, S={size}, A=4, N={{counts}}"
            found.append(Workload(f"{prefix}-{size}", title, "step", make))
    title = "counts, Bernoulli(0.01), dense kernel, S=64, A=4, N={huge}, {steps} steps"
    found.append(Workload("bernoulli", title, "run", lambda s: dense("bernoulli", 64, 4, s.huge, s.steps, 0.01)))
    return found


def _limits() -> list[Workload]:
    """The mean field."""
    found = []
    for kind in ("flow", "values"):
        for size in (8, 64):
            title = f"{kind} of the mean field, dense kernel, S={size}, A=4, T={{steps}}"

            def run(s: Size, kind: str = kind, size: int = size) -> DenseGame:
                return limit(kind, size, s.steps)

            found.append(Workload(f"{kind}-{size}", title, "step", run))
    title = "exploitability of a policy (flow, its values, best response), beach bar, S={beach[0]}, T={beach[1]}"
    found.append(Workload("beach-bar", title, "evaluation", lambda s: BeachBar("exploitability", *s.beach)))
    title = "push-forward, beach bar, 3 successors, S=400, 50 in a run"
    found.append(Workload("push-forward", title, "step", lambda s: BeachBar("push_forward", 400, 50)))
    title = "the same with a kernel that depends on mu: wind only where mu(x) > 1 / S"
    found.append(Workload("push-forward-mu", title, "step", lambda s: JostledBar("push_forward_mu", 400, 50)))
    return found


def _learning() -> list[Workload]:
    """Gradients, mirror descent, and solving by class of game."""
    found = []
    for size in (8, 64):
        title = f"gradient of the return, forward sampling included, Synchronous, S={size}, A=4, T=50, N={{agents}}"

        def learn(s: Size, size: int = size) -> Gradient:
            return gradient(size, s.agents, min(50, s.steps))

        found.append(Workload(f"gradient-{size}", title, "agent-step", learn))
    title = "mirror descent, exploitability of every iterate included, beach bar, S={beach[0]}, T={beach[1]}"
    found.append(Workload("mirror-descent", title, "iteration", lambda s: Descent("mirror_descent", *s.beach)))
    texts = {
        "alone": "nothing depends on mu", "monotone": "monotone rewards",
        "potential": "a potential, not monotone", "coupled": "monotone rewards, kernel depends on mu",
    }  # fmt: skip
    for game_class, text in texts.items():
        for share in (1e-2, 1e-4):

            def make(s: Size, game_class: str = game_class, share: float = share) -> Solving:
                return solving(game_class, share)

            title = f"solve to {share:g} of the uniform policy's exploitability: {text}; S=20, A=4, T=20"
            found.append(Workload(f"solve-{game_class}-{share:g}", title, "run", make))
    return found


WORKLOADS = (*_agents(), *_few(), *_coupled(), *_counts(), *_limits(), *_learning())
