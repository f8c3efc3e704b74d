"""Digests of results, for .ci/pyodide: from the same games here and in Pyodide.

numpy's normals have other last digits there, since numpy takes logarithms from the C library. So this machine keeps all
that the tests draw to make games, and Pyodide reads it. Left out are games that need scipy, which is not there.
"""

import json
import os
import types

import numpy as np
import test_instruction_sets as cases

FOLDER, PLACE, EVERY = os.environ["RESULTS"].split("|")
NEED_SCIPY = ("types", "affine, sparse")


class Kept:
    """A generator whose numbers are kept in `tape`, or taken from it."""

    def __init__(self, seed=None):
        self.own = np.random.default_rng(seed)

    def __getattr__(self, name):
        def draw(*arguments, **options):
            found = getattr(self.own, name)(*arguments, **options)
            if PLACE == "here":
                tape.append(found)
                return found
            kept = tape.pop(0)
            assert kept.shape == np.shape(found), name
            return kept

        return draw


class Numpy(types.ModuleType):
    random = types.SimpleNamespace(default_rng=Kept)

    def __getattr__(self, name):
        return getattr(np, name)


tape = []
if PLACE == "there":
    with np.load(f"{FOLDER}/tape.npz") as kept:
        tape = [kept[f"arr_{i}"] for i in range(len(kept.files))]
cases.np = cases.lane_cases.np = Numpy("numpy")
all_games = cases.games
cases.types = lambda: None
cases.tmf.games.garnet = lambda *sizes, **options: types.SimpleNamespace(at=lambda: None)
cases.games = lambda: {name: game for name, game in all_games().items() if name not in NEED_SCIPY}
found = cases.digests(int(EVERY), 1)
if PLACE == "here":
    np.savez(f"{FOLDER}/tape.npz", *tape)
with open(f"{FOLDER}/{PLACE}.json", "w") as file:
    json.dump(found, file)
