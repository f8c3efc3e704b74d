"""Measured cost of a step of each engine. It decides the engine and the number of threads, never the law of results.

    seconds_per_step(...) -> {"counts": seconds, "agents": seconds}
    cheaper_engine(...)      the engine for "auto"
    seconds_of_samples(...)  of the rows of a policy of agents that see samples, which both engines need
    calls_python(...)        whether threads would wait for each other

Below some N* moving every agent costs less than drawing the counts; above N* counts cost less, independently of N.
The constants are nanoseconds on one core of a Zen 4 with AVX-512, measured by `python -m bench.scaling`. There they
are right within a factor of about two; on other machines their ratios are more reliable than their values.
"""

from __future__ import annotations

from functools import lru_cache
from math import log2
from typing import NamedTuple

import numpy as np

from tmfcore._base.types import Engine
from tmfcore._base.validation import IntArray
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game
from tmfcore._model.histograms import HistogramPolicy
from tmfcore._model.model import Model
from tmfcore._model.policy import CallablePolicy, Policy
from tmfcore._model.schedules import Active, Schedule
from tmfcore._population.agents import MAX_OBSERVATIONS
from tmfcore._population.few import few_pay
from tmfcore._population.singles import one_by_one

__all__ = ["BESIDE", "MOST_AGENTS", "calls_python", "cheaper_engine", "seconds_of_samples", "seconds_per_step"]

NANO = 1e-9
PER_HISTOGRAM, PER_ENTRY, PER_ENTRY_OF_ONE = 5.0, 0.3, 2.0  # nanoseconds in a sum for all observations, or for one
BESIDE = 0.3  # time of a replica side by side with others, as a share of its time alone
MOST_AGENTS = 10**8  # largest population, and ...
MOST_CELLS = 2**24  # ... largest kernel in entries, for which engine="auto" may choose the agents engine


def seconds_per_step(
    model: Model,
    policy: Policy,
    n_agents: int,
    batch: IntArray | None,
    probability: Active | None,
    decisions: bool,
) -> dict[str, float]:
    """Expected seconds of a step of both engines, without the game's own tables. Cost O(1), or O(T) for batches."""
    if batch is None:
        assert probability is not None, "a schedule gives batches or probabilities"
        known = probability.table if isinstance(probability, ActingShares) else probability
        kinds = [(1.0, (0.5 if known is None else float(known.mean())) * n_agents, -1)]
    elif len(batch) == 1:
        size = batch.item()
        kinds = [(1.0, float(size), size)]
    else:
        kinds = [(n / len(batch), float(b), int(b)) for b, n in zip(*np.unique(batch, return_counts=True), strict=True)]
    facts = (
        model.n_observations, model.n_actions, model.n_successors, model.n_passive_successors, model.passive_identity,
        model.constant_transition and not policy.depends_on_mu, model.separable_reward,
    )  # fmt: skip
    if len(kinds) == 1:
        counts, agents = _step(facts, n_agents, *kinds[0][1:], decisions)
        return {"counts": counts * NANO, "agents": agents * NANO}
    counts = agents = 0.0
    for share, n_acting, size in kinds:
        step = _step(facts, n_agents, n_acting, size, decisions)
        counts += share * step[0]
        agents += share * step[1]
    return {"counts": counts * NANO, "agents": agents * NANO}


def cheaper_engine(model: Model, n_agents: int, batch: IntArray | None, costs: dict[str, float]) -> Engine:
    """The engine for "auto": counts, unless the agents engine is expected to take less than 4/5 of the time.

    Always counts for populations that take a tenth of a second to set up, and if single agents act, for which both
    engines have nearly the same cost.
    """
    single = batch is not None and model.passive_identity and (batch.item() if len(batch) == 1 else batch.max()) <= 1
    if single or n_agents > MOST_AGENTS or model.n_observations > MAX_OBSERVATIONS:
        return "counts"
    cells = model.n_observations * model.n_actions * model.n_successors
    if cells > MOST_CELLS:
        return "counts"
    return "agents" if costs["agents"] < 0.8 * costs["counts"] else "counts"


def seconds_of_samples(policy: Policy, batch: IntArray | None) -> float:
    """Expected seconds of a step for the rows of a SampledPolicy: sums over its histograms; 0 for other policies."""
    if not isinstance(policy, HistogramPolicy):
        return 0.0
    n_histograms, n_seen, n_act = map(int, policy.table.shape[1:])
    if batch is not None and batch.max() <= 1:
        return NANO * n_histograms * (PER_HISTOGRAM + PER_ENTRY_OF_ONE * n_act)
    return NANO * policy.n_blocks * n_histograms * (PER_HISTOGRAM + PER_ENTRY * n_seen * n_act)


def calls_python(game: Game, kernel: Policy, schedule: Schedule) -> bool:
    """Whether the kernels call Python functions of the user, at least once per step."""
    tables = (game.reward, game.transition, game.passive_reward, game.passive_transition, *schedule._values())
    return isinstance(kernel, CallablePolicy) or any(map(callable, tables))


class _Facts(NamedTuple):
    """The facts about a game and a policy that costs depend on."""

    n_observations: int
    n_actions: int
    n_successors: int
    n_passive_successors: int
    passive_identity: bool
    fixed: bool  # no row depends on mu or t
    local: bool  # r0(o, mu) depends on mu(o) only


@lru_cache(256)
def _step(
    known: tuple[int, int, int, int, bool, bool, bool], n_agents: int, n_acting: float, size: int, decisions: bool
) -> tuple[float, float]:
    """Nanoseconds of a step of both engines; `size` < 0: the number of acting agents is random."""
    facts = _Facts(*known)
    if size == 1 and facts.passive_identity:
        return 20 + 0.3 * facts.n_observations / 8, 12.0
    counts = _counts_step(facts, n_agents, n_acting, decisions)
    tables = facts.fixed and facts.local and facts.passive_identity
    if size > 0 and tables and one_by_one(size, n_agents, facts.n_observations):
        counts = min(counts, _batch_step(facts, n_agents, size))
    return counts, _agents_step(facts, n_agents, n_acting, size, decisions)


def _counts_step(facts: _Facts, n_agents: int, n_acting: float, decisions: bool) -> float:
    n_obs, n_act, n_next = facts.n_observations, facts.n_actions, facts.n_successors
    total = 150.0
    if 0 < n_acting < n_agents:
        total += min(60.0 * n_obs, 8 * n_acting + 50)
    if not decisions and n_obs < n_act * n_next:
        total += _split(n_obs, n_obs, n_acting) + 0.4 * n_obs * n_act * n_next
    else:
        total += _split(n_obs, n_act, n_acting) + _split(n_obs * n_act, n_next, n_acting)
    if not facts.passive_identity:
        total += _split(n_obs, facts.n_passive_successors, n_agents - n_acting)
    return total


def _batch_step(facts: _Facts, n_agents: int, size: int) -> float:
    """The cost of `size` agents drawn one by one from the counts; those near to a bound are located twice."""
    n_obs = facts.n_observations
    return size * (5 + 0.05 * n_obs + 0.5 * size * min(1.0, 2.0 * n_obs * size / n_agents))


def _split(n_rows: int, n_cells: int, n_agents: float) -> float:
    """Cost of splitting n_agents / n_rows agents per row over its cells: one by one if few, else by binomials."""
    if n_cells == 1:
        return float(n_rows)
    tables = 0.7 * n_cells * min(n_rows, n_agents)
    each = n_agents / n_rows
    if each <= 40 + 2 * n_cells:
        return tables + (3 + 0.5 * log2(n_cells)) * n_agents
    binomial = 32 if n_rows <= 16 else 14 if each / n_cells > 20 else 28
    return tables + binomial * n_rows * (n_cells - 1)


def _agents_step(facts: _Facts, n_agents: int, n_acting: float, size: int, decisions: bool) -> float:
    n_obs, n_act, n_next = facts.n_observations, facts.n_actions, facts.n_successors
    averaged = not decisions and n_obs <= n_act * n_next
    rows = n_obs if n_acting >= n_agents else 2 * n_obs
    cells = rows * (_padded(n_obs) if averaged else _padded(n_act) * _padded(n_next))
    each = (0.3 if averaged else 0.7) if cells <= 256 else 1.0 if averaged else 1.5
    if cells > 2**17:
        each *= 2
    scanned = 10 + 0.5 * (n_act + n_next)
    few = facts.passive_identity and 0 <= size and few_pay(size, n_agents, float(n_obs * n_act * n_next))
    moved = n_acting if few else n_agents
    if few:
        each = 14
    elif n_acting < n_agents:
        each += 0.5
    total = moved * each if facts.fixed else min(moved * scanned, 5.0 * cells + moved * each)
    return 500.0 + 2.0 * n_obs * n_act + total


def _padded(n: int) -> int:
    """The smallest power of two >= n."""
    return 1 << max(0, (n - 1).bit_length())
