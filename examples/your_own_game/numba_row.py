"""The beach bar compiled by numba, one row per call, as fast as a built-in game."""

import math

import numba
import numpy as np

import tmfcore as tmf

S = 100
o, a, k = np.ogrid[:S, :3, :3]


@numba.cfunc("int32(int32, int32, int32, CPointer(double), CPointer(double), CPointer(double), voidptr)")
def row(t, place, move, mu, probabilities, reward, user):
    reward[0] = 1 - abs(place - S // 2) / (S // 2) - math.log(mu[place] + 1e-6) - (move in (0, 2)) / S
    probabilities[0] = 1.0
    if move >= 0:  # -1: passive agents stay where they are
        probabilities[0], probabilities[1], probabilities[2] = 0.25, 0.5, 0.25
    return 0


game = tmf.Game.compiled(
    row, S, 3, 20, 1.0, np.full(S, 1 / S), successors=(o + a + k - 2) % S, passive_successors=o[:, :, 0], name="beach",
    constant_transition=True, local_passive_reward=True, separable_reward=True,
)  # fmt: skip
