"""MFGLib: the beach bar as its Environment, a dense kernel and a reward of the joint law; float32, as it works."""

from __future__ import annotations

from importlib import metadata

import mfglib.alg  # before mfglib.scoring, because of a cyclic import
import numpy as np
import torch
from mfglib.env import Environment
from mfglib.scoring import exploitability_score

from tmfcore.bench import Entry
from tmfcore.bench.problems import BeachBar, Descent

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


class MFGLib:
    name, version = "MFGLib", metadata.version("mfglib")

    exploitability = staticmethod(beach_bar)
    mirror_descent = staticmethod(mirror_descent)
