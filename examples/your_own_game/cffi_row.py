"""The beach bar from a C library, by cffi."""

from pathlib import Path

import cffi
from arrays import S, successors
from arrays import game as same
from scipy import LowLevelCallable

import tmfcore as tmf

ffi = cffi.FFI()
ffi.cdef("int beach_row(int t, int place, int move, const double *mu, double *probabilities, double *reward, void *);")
library = ffi.dlopen(str(Path(__file__).parent / "beach.so"))
n_places = ffi.new("int *", S)
game = tmf.Game.compiled(
    LowLevelCallable(library.beach_row, ffi.cast("void *", n_places)), S, 3, same.horizon, same.discount, same.initial,
    successors=successors, passive_successors=[[place] for place in range(S)], owner=(library, n_places), name="beach",
)  # fmt: skip
