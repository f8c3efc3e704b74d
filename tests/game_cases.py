"""What tests of games share: the arguments of a small game, and the words of an error."""

import re

import numpy as np

S, A, T = 3, 2, 4


def arguments(**changes):
    """A valid game of 3 observations and 2 actions, with some arguments changed."""
    options = {
        "n_observations": S,
        "n_actions": A,
        "horizon": T,
        "discount": 0.9,
        "initial": [0.5, 0.25, 0.25],
        "reward": np.arange(6.0).reshape(S, A),
        "transition": np.full((S, A, S), 1 / 3),
    }
    return options | changes


def message(text):
    return f"^{re.escape(text)}$"
