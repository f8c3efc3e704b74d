"""MFGLib's solvers on MFGLib's games, by its loop: step and score until a target is reached or time runs out."""

from __future__ import annotations

import time
import warnings

import mfglib.alg as alg
import numpy as np
import torch
from mfglib.env import Environment
from mfglib.scoring import exploitability_score

from bench.shelf import Run, time_left
from peers.games import IN_MFGLIB

torch.set_num_threads(1)

ENTRIES = IN_MFGLIB

#: Settings that a user would try; the best of them counts.
ITERATIVE = {
    **{f"OMD, alpha {alpha:g}": lambda alpha=alpha: alg.OnlineMirrorDescent(alpha=alpha) for alpha in (0.01, 0.1, 1.0)},
    "FP": lambda: alg.FictitiousPlay(),
}
MFOMO = {
    "MF-OMO": lambda: alg.MFOMO(),  # it reports its own times, by the wall clock
    "MF-OMO, Adam 0.1": lambda: alg.MFOMO(optimizer={"name": "Adam", "config": {"lr": 0.1}}),
}


def size(entry) -> str:
    env = entry.theirs(Environment)
    return f"S={env.n_states}, A={env.n_actions}, T={env.T + 1}"


def runs(entry, aims: tuple[float, ...], limit: float, judge) -> list[Run]:
    """Run all solvers. `judge` gives the exploitability of a table (T, S, A) by our kernels; both must agree."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for who, make in ITERATIVE.items():
            found.append(_loop(who, make(), entry, aims, time_left(found, limit), judge))
        for who, make in MFOMO.items():
            found.append(_whole(who, make(), entry, aims, time_left(found, limit), judge))
    return found


def _loop(who, solver, entry, aims, limit, judge) -> Run:
    """The loop of their `solve`, with a clock."""
    env = entry.theirs(Environment)
    pi = torch.ones((env.T + 1, *env.S, *env.A)) / env.n_actions
    began = time.process_time()
    scores, times = [exploitability_score(env, pi)], [0.0]
    state = solver.init_state(env, pi)
    best = pi
    while times[-1] < limit and min(scores) > min(aims):
        state = solver.step_next_state(state, None, None)
        scores.append(exploitability_score(env, state.pi))
        times.append(time.process_time() - began)
        if scores[-1] == min(scores):
            best = state.pi
    return _run(who, entry, env, best, scores, times, aims, judge)


def _whole(who, solver, entry, aims, limit, judge) -> Run:
    """Their `solve`, repeated from the start with more iterations until it takes the time limit."""
    env = entry.theirs(Environment)
    n = 5
    while True:
        pis, scores, times = solver.solve(env, max_iter=n, atol=min(aims), rtol=None)
        if times[-1] >= 0.7 * limit or min(scores) <= min(aims):
            break
        n = int(n * min(20.0, 1.1 * limit / times[-1])) + 1
    return _run(who, entry, env, pis[int(np.argmin(scores))], scores, times, aims, judge)


def _run(who, entry, env, pi, scores, times, aims, judge) -> Run:
    table = pi.detach().numpy().reshape(env.T + 1, env.n_states, env.n_actions).astype(np.float64)
    if entry.actions is not None:
        table = table[..., np.argsort(entry.actions)]
    ours, theirs = judge(table / table.sum(axis=-1, keepdims=True)), min(scores)
    if abs(ours - theirs) > 1e-3 * scores[0]:
        raise AssertionError(f"MFGLib, {who}: scored {theirs} there and {ours} here")
    reached = [next((t for t, s in zip(times, scores) if s <= aim), None) for aim in aims]
    return Run(f"MFGLib {who}", tuple(reached), float(theirs), len(scores) - 1, times[-1])
