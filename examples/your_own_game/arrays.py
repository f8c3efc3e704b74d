"""The beach bar from sparse arrays: the three successors of each move, and their probabilities."""

import numpy as np

import tmfcore as tmf
from plain import S, lying, places, reward

shifts = np.array([-1, 0, 1])
successors = (places[:, None, None] + shifts[:, None] + shifts) % S  # (S, A, K): place, move, shift by the wind
probabilities = np.broadcast_to([0.25, 0.5, 0.25], successors.shape)
game = tmf.Game(
    S, 3, 20, 1.0, np.full(S, 1 / S), reward, probabilities,
    passive_reward=lying, successors=successors, name="beach",
)  # fmt: skip
