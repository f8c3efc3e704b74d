"""The rows of the page: the standard workloads, and those that only tmfcore has; and who takes part in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from bench.peers.own_problems import Call, CrowdedGame, Learning, RareMutation
from bench.peers.own_rows import OwnRows
from tmfcore.bench import workloads
from tmfcore.bench.contestants import Supply, classes_of
from tmfcore.bench.own import KINDS, Tmfcore
from tmfcore.bench.workloads import FULL, Size, Workload, dense, epidemic, resources

#: Modules of contestants, in the order of the tables: the library that each needs, and the kinds of problem it knows.
FAMILIES: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "plain_numpy": ("numpy", None),
    "plain_numpy_learning": ("numpy", ("gradient", "mirror_descent", "push_forward_mu")),
    "plain_numpy_solving": ("numpy", ("solve",)),
    "plain_python": ("numpy", None),
    "with_numba": ("numba", None),
    "with_numba_learning": ("numba", ("gradient", "mirror_descent", "push_forward_mu")),
    "with_numba_meetings": ("numba", ("sequential_affine", "sequential_pairwise", "epidemic", "clocks", "replicas")),
    "with_jax": ("jax", ("agents", "agents_mu", "flow", "values")),
    "with_torch": ("torch", ("gradient",)),
    "with_openspiel": ("open_spiel", ("exploitability", "mirror_descent")),
    "with_mfglib": ("mfglib", ("exploitability", "mirror_descent", "solve")),
    "with_benchmfg": ("bench-mfg-suite", ("push_forward", "push_forward_mu")),
    "with_rmftool": ("rmftool", ("sequential_small",)),
    "with_mesa": ("mesa", ("sequential_small",)),
    "with_egttools": ("egttools", ("sequential_pairwise",)),
    "with_gillespy2": ("gillespy2", ("epidemic", "clocks")),
}


def _threads() -> list[Workload]:
    found = []
    for size in (8, 64, 512):
        make = lambda s, size=size: dense("agents_threads", size, 4, s.agents, min(20, s.steps))
        title = f"agents-{size} with 2 threads, on 2 processors; wall time"
        found.append(Workload(f"threads-{size}", title, "agent-step", make, wall=True, processors=2))
    return found


def _engines() -> list[Workload]:
    title = "counts, Synchronous, mu only, dense kernel, S=8, A=4: N={huge}, and N={counts}"
    make = lambda s: dense("counts_any_n", 8, 4, s.huge, min(1000, s.steps))
    found = [Workload("counts-any-n", title, "step", make)]
    for name, n_agents in (("few", 1000), ("many", None)):
        make = lambda s, n=n_agents: dense("engine_auto", 64, 4, n or s.agents, min(50, s.steps))
        title = f'engine="auto" and the two it chooses from, mu only, S=64, A=4, N={n_agents or "{agents}"}'
        found.append(Workload(f"auto-{name}", title, "step", make))
    return found


def _tmfpg() -> list[Workload]:
    found = []
    for name, game in (("resources", "resource selection"), ("queueing", "queueing")):
        make = lambda s, game=game: Learning("tmfpg", game, s.learners)
        title = f"TMF-PG, {game}, one population an iteration, N={{learners}}, B=1, 20 sweeps, S=5; wall time"
        found.append(Workload(f"tmfpg-{name}", title, "iteration", make, wall=True))
    return found


def _users_games() -> list[Workload]:
    """Games of users: their cost without the user's functions, and compared with a built-in game."""
    make = lambda s: CrowdedGame("python_flow", s.steps, s.agents, 1.0)
    title = "mean_field, reward and transition Python functions of mu, S=8, A=4, T={steps}"
    found = [Workload("python-flow", title, "step", make)]
    make = lambda s: CrowdedGame("python_counts", s.learners, s.learners, 1.0 / s.learners)
    title = "simulate, reward and transition Python functions of mu, S=8, A=4, Sequential, N={learners}, one sweep"
    found.append(Workload("python-simulate", title, "step", make))
    make = lambda s: resources("compiled_game", 8, s.learners, 1, s.learners)
    title = "simulate, Sequential, engine agents, resource selection as a numba cfunc and built in, S=8, N={learners}"
    found.append(Workload("numba-game", title, "event", make))
    return found


def _calls() -> list[Workload]:
    """The cost of a call that has next to nothing to do."""
    titles = {
        "simulate": "simulate of one step, Sequential, S=8, A=4, N=1,000",
        "mean_field": "mean_field of one step, S=8, A=4",
        "exploitability": "exploitability of a policy in a game of one step, S=8, A=4",
        "solve": "tmf.solve of games.left_right",
        "Game": "construction of a game from arrays, S=8, A=4",
    }
    return [Workload(f"call-{what}", title, "call", lambda s, what=what: Call("call", what)) for what, title in titles.items()]


def _clocks() -> list[Workload]:
    """Agents with clocks of their own, and steps of which next to none changes anything."""
    title = "SIS epidemic, agents with Poisson clocks, N={agents}, one unit of time"
    make = lambda s: replace(epidemic(s.agents, s.agents), kind="clocks")
    found = [Workload("clocks", title, "change", make)]
    title = "Sequential, pairwise revision by Fermi's rule, S=2, N=100, mutation 1e-5"
    make = lambda s: RareMutation("sequential_pairwise", 100, 100 * s.agents, *RareMutation.RULE)
    return [*found, Workload("rare-mutation", title, "event", make)]


def _with_own(own: dict[str, list[Workload]]) -> tuple[Workload, ...]:
    """The standard workloads, each followed by the own rows that belong after it."""
    return tuple(row for each in workloads.WORKLOADS for row in (each, *own.get(each.name, ())))


WORKLOADS = _with_own({
    "mu-512": _threads(),
    "counts-mu-512": _engines(),
    "epidemic": _clocks(),
    "gradient-64": _tmfpg(),
    "solve-coupled-0.0001": [*_users_games(), *_calls()],
})  # fmt: skip


def sources(families: Sequence[str]) -> list[Supply]:
    """tmfcore, and the named families."""
    numba_games = Supply("numba", lambda: _classes("numba_games"), ("push_forward_mu", "compiled_game"))
    own = Supply("tmfcore", lambda: [Tmfcore, OwnRows])
    return [numba_games, own] + [
        Supply(family, lambda family=family: _classes(family), FAMILIES[family][1]) for family in families
    ]


def _classes(name: str) -> list[type]:
    return classes_of(import_module(f"bench.peers.{name}"), (*KINDS, "clocks", "compiled_game"))


__all__ = ["FAMILIES", "FULL", "WORKLOADS", "Size", "Workload", "sources"]
