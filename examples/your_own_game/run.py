"""One game, the beach bar, written in every way that tmfcore accepts. All must give the same results.

Needs Cython, numba, cffi and a C compiler:    python setup.py build_ext --inplace && python run.py
"""

from importlib import import_module

import numpy as np

import tmfcore as tmf

WAYS = {
    "plain": "arrays and a Python function",
    "arrays": "the same, sparse",
    "numba_row": "numba",
    "ctypes_row": "C, by ctypes",
    "cffi_row": "C, by cffi",
    "capsule_row": "a Cython function",
    "model": "a class in Cython",
}
built_in = tmf.games.beach_bar(100, horizon=20, step=1.0)  # in steps, like the others
flow = tmf.mean_field(built_in, tmf.TabularPolicy.uniform(built_in), tmf.Fraction(0.5))
solution = tmf.solvers.MirrorDescent().solve(built_in, tmf.Fraction(0.5))
for module, words in WAYS.items():
    game = import_module(module).game
    same = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5))
    np.testing.assert_allclose(same.mu, flow.mu, rtol=0, atol=1e-13)
    gap = tmf.exploitability(game, solution.policy, tmf.Fraction(0.5))
    np.testing.assert_allclose(gap, solution.exploitability, rtol=1e-6)
    run = tmf.simulate(game, solution.policy, tmf.Sequential(), 1000, rng=1)
    report = tmf.testing.check_game(game, rng=1)
    assert report.ok, report
    print(f"{words:28}  exploitability {gap:.4f}, return {run.returns[0]:.3f} in a population of 1000")
