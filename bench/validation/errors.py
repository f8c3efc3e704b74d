"""What the checks of samplers, streams, engines, populations and clocks must find: ERRORS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import tmfcore as tmf


class Altered:
    """A module or object, some of whose names are replaced."""

    def __init__(self, right: Any, **names: Any) -> None:
        self.__dict__.update(names, _right=right)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)


# ------------------------------------------------------------------------------------------------------ samplers


def _shifted(p: np.ndarray, by: float) -> np.ndarray:
    """Move a share of the first cell that has mass to the last that has."""
    p = p.copy()
    have = np.flatnonzero(p)
    moved = by * p[have[0]]
    p[have[-1]] += moved
    p[have[0]] -= moved
    return p


def _biased_integers(draw):
    """Without rejection: a word times n, the high half. Only large n differ."""
    return lambda bits, n, size, addressed=False: np.array(
        [int(word) * n >> 64 for word in _words(bits, size)], np.int64
    ) if n > 2**60 else draw(bits, n, size, addressed)  # fmt: skip


def _words(bits, size):
    return np.random.Generator(bits).integers(0, 2**64, size, np.uint64)


def _last_left_out(split):
    """A batch of N - 1 never leaves out an agent of the last cell."""

    def wrong(bits, counts, batch):
        drawn = split(bits, counts, batch)
        if batch == counts.sum() - 1 and len(counts) > 1 and drawn[-1] < counts[-1] and drawn[0] > 0:
            drawn[-1] += 1
            drawn[0] -= 1
        return drawn

    return wrong


def _same_twice(draw):
    """Every second batch repeats the bits of the one before."""

    def wrong(key, n_agents, n, size):
        chosen, bits = draw(key, n_agents, n, size)
        chosen[1::2] = chosen[: len(chosen) // 2 * 2 : 2]
        return chosen, bits

    return wrong


def _too_large(draw):
    """One draw in a thousand is one too large."""
    return lambda bits, n, p, k: np.minimum(draw(bits, n, p, k) + (np.arange(k) % 1000 == 0), n)


def _independent_cells(split):
    """Every second cell is that of another split."""

    def wrong(bits, n, p):
        drawn = split(bits, n, p)
        drawn[:, 1::2] = split(bits, n, p)[:, 1::2]
        return drawn

    return wrong


def _ascending(draw):
    """The members of a batch in their order."""
    return lambda *arguments: (lambda chosen, bits: (np.sort(chosen, axis=1), bits))(*draw(*arguments))


def _larger(p):
    return np.where(np.asarray(p) > 0.5, p, np.asarray(p) * (1 + 1e-4))


# ------------------------------------------------------------------------------------------------------ streams


def _repeated(rows: np.ndarray, every: int, lag: int = 1) -> np.ndarray:
    """Every so many rows repeat those `lag` before."""
    rows = rows.copy()
    at = np.arange(lag, len(rows), every)
    rows[at] = rows[at - lag]
    return rows


def _sharing(keys: np.ndarray) -> np.ndarray:
    """One key in ten has the highest byte of the key before."""
    keys, low = keys.copy(), np.uint64(2**56 - 1)
    keys[1::10, 0] = keys[1::10, 0] & low | keys[:-1:10, 0][: len(keys[1::10])] & ~low
    return keys


def _repeating(every: int, lag: int) -> Callable:
    """Every so many draws are those `lag` places before."""
    return lambda draw: lambda *arguments: _repeated(draw(*arguments), every, lag)


# ------------------------------------------------------------------- simulations: what is simulated, or what is told


def played(change: Callable) -> Callable:
    """simulate, of another game, policy and schedule: change(game, policy, schedule, n_agents) returns these four."""
    return lambda simulate: lambda *given, **options: simulate(*change(*given), **options)


def told(change: Callable) -> Callable:
    """simulate, whose result is altered: change(run) returns names and arrays."""

    def wrong(simulate):
        def simulated(*given, **options):
            run = simulate(*given, **options)
            return Altered(run, **change(run))

        return simulated

    return wrong


def _batch(of: Callable) -> Callable:
    """A batch of B agents is one of of(B, N)."""

    def change(game, policy, schedule, n_agents):
        if isinstance(schedule, tmf.Batch) and not callable(schedule.size):
            schedule = tmf.Batch(of(np.asarray(schedule.size), n_agents))
        return game, policy, schedule, n_agents

    return played(change)


def _coin(of: Callable) -> Callable:
    """Bernoulli(p) is Bernoulli(of(p))."""

    def change(game, policy, schedule, n_agents):
        if isinstance(schedule, tmf.Bernoulli) and not callable(schedule.p):
            schedule = tmf.Bernoulli(of(np.asarray(schedule.p)))
        return game, policy, schedule, n_agents

    return played(change)


def _rows(by: float) -> Callable:
    """A share of each row of the transition moves from its first cell that has mass to the last."""

    def change(game, policy, schedule, n_agents):
        if isinstance(game.transition, np.ndarray):
            rows = np.array([_shifted(row, by) for row in game.transition.reshape(-1, game.transition.shape[-1])])
            game = game.replace(transition=rows.reshape(game.transition.shape))
        return game, policy, schedule, n_agents

    return played(change)


def _faster(by: float) -> Callable:
    """Clocks that are too fast."""
    return played(lambda game, policy, schedule, n: (game, policy, tmf.Poisson(np.multiply(schedule.rate, by)), n))


def _one_seed(simulate):
    """All seeds are one."""
    return lambda *given, rng, **options: simulate(*given, rng=1, **options)


def _replacing(run):
    """The members of a batch at observation 0, drawn with replacement."""
    acted = run.decisions.sum(axis=(2, 3))[:, 0]
    share = run.counts[0, 0, 0] / run.counts[0, 0].sum()
    drawn = np.random.default_rng(1).binomial(acted, share)
    return {"decisions": np.stack([drawn, acted - drawn], axis=1)[:, None, :, None]}


def _trajectories(change: Callable) -> Callable:
    """Individuals are altered."""
    return told(lambda run: {"trajectories": Altered(run.trajectories, **change(run.trajectories))})


MOVED = "1e-3 of a cell moved to another"
ERRORS: list[tuple] = [
    ("uniform integers", "no rejection at n = 3 * 2^61 + 1", "_doors", "bounded",
     _biased_integers),
    ("uniform integers", "n - 1 for n", "_doors", "bounded",
     lambda f: lambda bits, n, k, addressed: f(bits, max(1, n - 1), k, addressed)),
    ("categorical", MOVED, "sampling", "categorical",
     lambda f: lambda bits, p, k: f(bits, _shifted(p, 1e-3), k), 0.5),
    ("categorical", "the last cell is never drawn", "sampling", "categorical",
     lambda f: lambda *a: np.minimum(f(*a), max(0, len(a[1]) - 2))),
    ("alias tables", MOVED, "_doors", "alias_draws",
     lambda f: lambda bits, p, k: f(bits, _shifted(p, 1e-3), k), 0.5),
    ("alias tables", "thresholds off by 1e-13", "_doors", "alias_probabilities",
     lambda f: lambda p: f(p) + 1e-13),
    ("binomial", "p (1 + 1e-4) for p", "_doors", "binomials",
     lambda f: lambda bits, n, p, k: f(bits, n, float(_larger(p)), k), 0.2),
    ("binomial", "n - 1 for n", "_doors", "binomials",
     lambda f: lambda bits, n, p, k: f(bits, n - 1, p, k)),
    ("binomial", "one draw in 1,000 is one too large", "_doors", "binomials",
     _too_large),
    ("binomial, side by side", "p (1 + 1e-4) for p", "_doors", "binomials_abreast",
     lambda f: lambda bits, n, p: f(bits, n, _larger(p)), 0.2),
    ("binomial, side by side", "every lane has the number of the next", "_doors", "binomials_abreast",
     lambda f: lambda *a: np.roll(f(*a), 1)),
    ("multinomial", MOVED, "sampling", "multinomials",
     lambda f: lambda bits, n, p: f(bits, n, np.tile(_shifted(p[0], 1e-3), (len(p), 1)))),
    ("multinomial", "every second cell drawn by itself", "sampling", "multinomials",
     _independent_cells),
    ("multinomial, one by one", MOVED, "sampling", "multinomial",
     lambda f: lambda bits, n, p: f(bits, n, _shifted(p, 1e-3))),
    ("hypergeometric", "with replacement", "_doors", "hypergeometric_split",
     lambda f: lambda bits, counts, b: np.random.Generator(bits).multinomial(b, counts / counts.sum())),
    ("hypergeometric", "batches of N - 1 always have the whole last cell", "_doors", "hypergeometric_split",
     _last_left_out),
    ("small batches", "every second batch repeats the one before", "_doors", "small_batches",
     _same_twice),
    ("small batches", "in ascending order", "_doors", "small_batches",
     _ascending),
    ("keys of replicas", "the first and the last replica are one", "seeding", "keys",
     lambda f: lambda seeds: (lambda keys: np.concatenate([keys[:-1], keys[:1]]))(f(seeds))),
    ("keys of replicas", "one key in ten has the highest byte of the one before", "seeding", "keys",
     lambda f: lambda seeds: _sharing(f(seeds)), 0.1),
    ("addressed streams", "the purpose is ignored", "_doors", "stream_words",
     lambda f: lambda keys, at, n: f(keys, at * np.array([1, 1, 0], np.uint64), n)),
    ("addressed streams", "the step counts modulo 2^12", "_doors", "stream_words",
     lambda f: lambda keys, at, n: f(keys, at % np.array([2**12, 2**63, 8], np.uint64), n)),
    ("addressed streams", "one bit of the eighth word is always 1", "_doors", "stream_words",
     lambda f: lambda keys, at, n: f(keys, at, n) | np.array([0] * 7 + [2**33], np.uint64)
     if n == 8 else f(keys, at, n)),
    ("draws in turn", "one draw in 20 repeats the one before", "sampling", "categorical", _repeating(20, 1), 0.1),
    ("draws in turn", "one draw in 20 is that of the lane 8 before", "_doors", "binomials_abreast",
     _repeating(20, 8), 0.1),
    ("replicas and steps", "one replica in ten repeats the one before", "tmf", "simulate",
     told(lambda run: {} if run.decisions is None else {"decisions": _repeated(run.decisions, 10)}), 0.1),
    ("replicas and steps", "one lane in four repeats the one before", "tmf", "simulate",
     told(lambda run: {"counts": _repeated(run.counts, 4)}), 0.1),
    ("replicas and steps", "the seed is ignored", "tmf", "simulate", _one_seed, 0.1),
    ("paths of the twin", "0.4 for 0.35", "tmf", "simulate", _coin(lambda p: np.where(p == 0.35, 0.4, p)), 0.2),
    ("paths of the twin", "batches of N - 1 are of N - 2", "tmf", "simulate",
     _batch(lambda b, n: np.where(b == n - 1, n - 2, b))),
    ("paths of the twin", "returns are off by 1e-11", "tmf", "simulate",
     told(lambda run: {"returns": run.returns + 1e-11})),
    ("pairs of steps", "1e-2 of a cell moved to another", "tmf", "simulate", _rows(1e-2), 0.1),
    ("pairs of steps", "batches of N - 1 are of N", "tmf", "simulate", _batch(lambda b, n: np.where(b == n - 1, n, b))),
    ("pairs of steps", "p (1 + 1e-2) for p", "tmf", "simulate", _coin(lambda p: p * 1.01), 0.1),
    ("pairs of steps", "decisions of the step before", "tmf", "simulate",
     told(lambda run: {"decisions": np.roll(run.decisions, 1, axis=1)})),
    ("pairs of steps without decisions", "1e-2 of a cell moved to another", "tmf", "simulate", _rows(1e-2), 0.1),
    ("replicas side by side", "batches of 2 are of 1", "tmf", "simulate", _batch(lambda b, n: np.minimum(b, 1))),
    ("one step", "B - 1 for B", "tmf", "simulate", _batch(lambda b, n: np.maximum(b - 1, 0))),
    ("one step", "p (1 + 1e-3) for p", "tmf", "simulate", _coin(lambda p: p * np.where(p < 0.9, 1 + 1e-3, 1))),
    ("who acts", "with replacement", "tmf", "simulate", told(_replacing), 0.1),
    ("individuals", "every second step repeats the one before", "tmf", "simulate",
     _trajectories(lambda one: {"actions": np.repeat(one.actions[:, ::2], 2, axis=1)[:, : one.actions.shape[1]]}), 0.1),
    ("individuals", "agents start in the order of observations", "tmf", "simulate",
     _trajectories(lambda one: {"observations": np.sort(one.observations, axis=0)}
                   if one.observations.shape[1] == 1 else {})),
    ("skipped events", "p + 2e-4 for p", "tmf", "simulate", _rows(2e-4), 0.2),
    ("skipped events", "a wait is one event too long", "tmf", "simulate",
     told(lambda run: {"counts": np.concatenate([run.counts[:, :1], run.counts[:, :-1]], axis=1)})),
    ("clocks of few agents", "clocks 5% too fast", "tmf", "simulate", _faster(1.05), 1.0),
    ("clocks of few agents", "rewards 10% too large", "tmf", "simulate",
     told(lambda run: {"rewards": run.rewards * 1.1, "returns": run.returns * 1.1}), 0.2),
    ("clocks, rates as functions", "passive rates 50% too large", "clock_cases", "built",
     lambda f: lambda case, *kind, **changes: f(replace(case, rates=1.5 * case.rates), *kind, **changes), 0.2),
    ("numbers and times of events", "clocks 1% too fast", "tmf", "simulate", _faster(1.01), 0.5),
    ("numbers and times of events", "times rounded to 1e-3", "tmf", "simulate",
     told(lambda run: {"record_times": np.round(run.record_times, 3)})),
    ("Ehrenfest urns", "clocks 1% too fast", "tmf", "simulate", _faster(1.01), 0.2),
]  # fmt: skip
