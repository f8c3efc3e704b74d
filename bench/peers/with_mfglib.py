"""MFGLib: the beach bar as its Environment, a dense kernel and a reward of the joint law; float32, as it works."""

from __future__ import annotations

from importlib import metadata

import mfglib.alg  # before mfglib.scoring, because of a cyclic import
import numpy as np
import torch
from mfglib.env import Environment
from mfglib.scoring import exploitability_score

from bench.peers.plain_numpy_solving import RATE
from tmfcore.bench import Entry
from tmfcore.bench.problems import BeachBar, Descent, Solving

torch.set_num_threads(1)


def environment(problem: BeachBar) -> Environment:
    size = problem.size
    kernel = np.zeros((size, size, 3))  # next, present, action
    x, a, k = np.indices(problem.successors.shape)
    np.add.at(kernel, (problem.successors, x, a), np.array(problem.WIND)[k])
    moves, fixed = torch.tensor(kernel, dtype=torch.float32), torch.tensor(problem.fixed_reward, dtype=torch.float32)
    return Environment(
        T=problem.steps - 1,
        S=(size,),
        A=(3,),
        mu0=torch.full((size,), 1.0 / size),
        r_max=20.0,
        reward_fn=lambda env, t, law: fixed - torch.log(law.sum(dim=1) + problem.EPSILON)[:, None],
        transition_fn=lambda env, t, law: moves,
    )


def beach_bar(problem: BeachBar) -> list[Entry]:
    game = environment(problem)
    pi = torch.tensor(problem.pi, dtype=torch.float32).repeat(problem.steps, 1, 1)
    run = lambda: np.float32(exploitability_score(game, pi))
    return [Entry("MFGLib", run, 1.0, "float32, dense kernel")]


def mirror_descent(problem: Descent) -> list[Entry]:
    """MFGLib's loop, which computes the exploitability of every iterate."""
    game = environment(problem)
    uniform = torch.full((problem.steps, problem.size, 3), 1.0 / 3.0)
    solver = mfglib.alg.OnlineMirrorDescent(alpha=problem.rate)

    def run():
        _, scores, _ = solver.solve(game, pi_0=uniform, max_iter=problem.iterations, atol=None, rtol=None)
        return np.array(scores, dtype=np.float32)

    return [Entry("MFGLib", run, problem.iterations + 1, "float32, dense kernel")]


def solve(problem: Solving) -> list[Entry]:
    """Mirror descent until its own exploitability is small enough; not to shares that float32 does not resolve."""
    if problem.share < 1e-3:
        return []
    as_tensor = lambda table: torch.tensor(np.ascontiguousarray(table), dtype=torch.float32)
    reward, felt = as_tensor(problem.reward0), as_tensor(problem.reward_mu)
    fixed = as_tensor(problem.transition0.transpose(2, 0, 1))  # next, present, action
    moving = None if problem.transition_mu is None else as_tensor(problem.transition_mu.transpose(2, 0, 1, 3))

    def moves(env, t, law):
        return fixed if moving is None else fixed + moving @ law.sum(dim=1)

    shape = (problem.steps, problem.size, problem.n_actions)
    game = Environment(
        T=problem.steps - 1, S=shape[1:2], A=shape[2:], mu0=as_tensor(problem.initial), r_max=20.0,
        reward_fn=lambda env, t, law: reward + felt @ law.sum(dim=1), transition_fn=moves,
    )
    solver, uniform = mfglib.alg.OnlineMirrorDescent(alpha=RATE), torch.full(shape, 1.0 / problem.n_actions)

    def run():
        policies, _, _ = solver.solve(game, pi_0=uniform, max_iter=1000, atol=0.98 * problem.target, rtol=None)
        return policies[-1].numpy()

    return [Entry("MFGLib", run, 1.0, "mirror descent, float32")]


class MFGLib:
    name, version = "MFGLib", metadata.version("mfglib")

    exploitability = staticmethod(beach_bar)
    mirror_descent = staticmethod(mirror_descent)
    solve = staticmethod(solve)
