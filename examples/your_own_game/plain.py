"""The beach bar from arrays and a Python function of the population."""

import numpy as np

import tmfcore as tmf

S = 100
places = np.arange(S)


def lying(mu):
    return 1 - abs(places - S // 2) / (S // 2) - np.log(mu + 1e-6)  # places near the bar pay more, crowded places less


def reward(mu):
    return lying(mu)[:, None] - np.array([1, 0, 1]) / S  # left, stay, right; a move costs 1 / S


wind = 0.25 * np.eye(S)[places - 1] + 0.5 * np.eye(S) + 0.25 * np.eye(S)[(places + 1) % S]
moves = np.stack([wind[(places + a - 1) % S] for a in range(3)], axis=1)
game = tmf.Game(S, 3, 20, 1.0, np.full(S, 1 / S), reward, moves, passive_reward=lying, name="beach")
