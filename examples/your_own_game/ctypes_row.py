"""The beach bar from a C library, by ctypes. LowLevelCallable holds the function and its parameter S."""

import ctypes
from pathlib import Path

from arrays import S, successors
from arrays import game as same
from scipy import LowLevelCallable

import tmfcore as tmf

beach_row = ctypes.CDLL(str(Path(__file__).parent / "beach.so")).beach_row
numbers = ctypes.POINTER(ctypes.c_double)
beach_row.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int, numbers, numbers, numbers, ctypes.c_void_p)
beach_row.restype = ctypes.c_int
n_places = ctypes.c_int(S)
user_data = ctypes.cast(ctypes.pointer(n_places), ctypes.c_void_p)
game = tmf.Game.compiled(
    LowLevelCallable(beach_row, user_data), S, 3, same.horizon, same.discount, same.initial,
    successors=successors, passive_successors=[[place] for place in range(S)], owner=n_places, name="beach",
)  # fmt: skip
