"""The beach bar on a compiled Model (beach_model.pyx)."""

import beach_model
import numpy as np

import tmfcore as tmf

S = 100
game = tmf.Game.from_model(beach_model.Beach(S), 20, 1.0, np.full(S, 1 / S), name="beach")
