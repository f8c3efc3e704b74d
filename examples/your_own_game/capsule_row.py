"""The beach bar from the capsule of a Cython function (beach_row.pyx)."""

import beach_row
from arrays import S, successors
from arrays import game as same
from scipy import LowLevelCallable

import tmfcore as tmf

game = tmf.Game.compiled(
    LowLevelCallable.from_cython(beach_row, "row"), S, 3, same.horizon, same.discount, same.initial,
    successors=successors, passive_successors=[[place] for place in range(S)], name="beach",
)  # fmt: skip
