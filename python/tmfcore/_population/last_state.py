"""The state of every replica at the end of a run, from which simulate(start=run) goes on.

    LastState        part of a Simulation: blocks as carried.pyx writes them, streams and individuals
    heads(blocks)    what the blocks begin with, by name
    MOST             bytes of states that a run keeps unless it is asked for more

Kernels write a block in less than a microsecond. Generators are kept as they are: their states are taken only when
somebody asks for them, to go on, to copy or to save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import IntArray
from tmfcore._random import seeding
from tmfcore._results import packing

__all__ = ["MOST", "STREAM", "LastState", "heads"]

MOST = 2**26
STREAM = 1000  # bytes of a Generator of numpy

HEAD = np.dtype(
    [(name, np.int64) for name in (
        "draws", "fresh", "opened", "played", "few", "splits", "mutates", "number", "mutant", "until", "block",
    )]
    + [("weight", np.float64), ("sum", np.float64), ("key", np.uint64, 4), ("stream", np.uint64, 33)]
)  # fmt: skip


ROWS = ("blocks", "clocks", "events", "observations", "origin", "streams")  # of a LastState, one for each replica


def heads(blocks: npt.NDArray[np.uint64]) -> npt.NDArray[Any]:
    """The heads (R,) of blocks (R, words): the Carry of singles.pxd, which can be written to."""
    return blocks[:, : HEAD.itemsize // 8].view(HEAD)[:, 0]


@packing.known
class LastState:
    """The states of R replicas.

    Parameters
    ----------
    blocks : (R, words) uint64
    streams : sequence of R Generators or None
        The generators from which runs draw more than their keys, where these ended.
    origin : (R, S) int64
        The counts from which the individuals were numbered.
    observations : (R, bytes) uint8 or None
        Of all agents, in the smallest type.
    noise : int or None
        The seed of the paths of the noise, if that is random.
    events, clocks : (R,) int64, (R, 4) uint64, or None
        Under Poisson clocks, the events that the last run of a kernel has made, and the keys of the times of events.
    rate : float or None
        Events of all agents per unit of time.
    """

    __slots__ = ("blocks", "clocks", "events", "noise", "observations", "origin", "rate", "streams")

    def __init__(
        self, blocks: npt.NDArray[np.uint64], streams: Sequence[np.random.Generator | None], origin: IntArray,
        observations: npt.NDArray[np.uint8] | None = None, noise: int | None = None, events: IntArray | None = None,
        clocks: npt.NDArray[np.uint64] | None = None, rate: float | None = None,
    ) -> None:  # fmt: skip
        self.blocks, self.streams, self.origin = blocks, streams, origin
        self.observations, self.noise = observations, noise
        self.events, self.clocks, self.rate = events, clocks, rate

    def _state(self) -> dict[str, Any]:
        streams = [None if one is None else seeding.state(one) for one in self.streams]
        return {name: streams if name == "streams" else getattr(self, name) for name in self.__slots__}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> LastState:
        return cls(**{
            **state, "streams": [None if one is None else seeding.restored(one) for one in state["streams"]]
        })  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        return LastState._from_state, (self._state(),)

    @property
    def n_bytes(self) -> int:
        """What the states take."""
        streams = sum(one is not None for one in self.streams)
        return self.blocks.nbytes + STREAM * streams + (0 if self.observations is None else self.observations.nbytes)

    def part(self, rows: slice) -> LastState:
        """Those of some replicas."""
        return LastState(**{
            name: value[rows] if name in ROWS and value is not None else value
            for name, value in ((name, getattr(self, name)) for name in self.__slots__)
        })  # fmt: skip

    @staticmethod
    def joined(states: Sequence[LastState | None], noise: int | None = None) -> LastState | None:
        """Those of several runs as one, or None unless all have one."""
        known = [one for one in states if one is not None]
        if len(known) < len(states):
            return None

        def whole(name: str) -> Any:
            parts = [getattr(one, name) for one in known]
            return None if parts[0] is None else np.concatenate(parts)

        return LastState(
            whole("blocks"), [stream for one in known for stream in one.streams], whole("origin"),
            whole("observations"), noise, whole("events"), whole("clocks"), known[0].rate,
        )  # fmt: skip
