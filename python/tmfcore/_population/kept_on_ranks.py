"""The checkpoint of a population on several ranks: a file for each rank, and one index, which is written last.

    KeptOnRanks(keeper, ranks, shard, dtype)    a Keeper whose files are PATH, PATH.0-RANK and PATH.1-RANK
    AgreedPauses(pauses, ranks)                 Pauses at the same steps on all ranks
    remove(path)                                delete a checkpoint, whatever ranks wrote it
    file_of(path, set, rank)                    the name of a file; `saved_on_ranks` has the same names
    remove_files(path, set, first, end)         delete the files of some ranks in a set

PATH has what all ranks have, and names one of two sets of files of agents. The other set is overwritten by the next
writing, then PATH. So a run that is killed at any moment leaves a PATH whose set is whole. Any number of ranks goes on
from it: each reads the files that have agents of its own.
"""

from __future__ import annotations

import glob
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import files
from tmfcore._population.journal import SHARE
from tmfcore._population.pauses import Pauses
from tmfcore._population.ranks import Ranks
from tmfcore._population.shards import Shard
from tmfcore._results import packing
from tmfcore._results.checkpoint import Keeper

__all__ = ["AgreedPauses", "KeptOnRanks", "file_of", "remove", "remove_files"]

KIND = "Agents of a checkpoint"


class AgreedPauses(Pauses):
    """Pauses that rank 0 sets for all ranks, since their clocks differ."""

    def __init__(self, pauses: Pauses, ranks: Ranks) -> None:
        super().__init__(pauses.horizon, pauses.due, pauses.keep)
        self.ranks = ranks

    def next(self, t: int) -> int:
        """The step up to which to play from step t."""
        return self.ranks.of_first(super().next(t))


class KeptOnRanks(Keeper):
    """The Keeper of a run on several ranks; all of them call its methods, at the same moments.

    Parameters
    ----------
    index : Keeper
        That of PATH; every rank has read it.
    ranks : Ranks
    shard : Shard
        The agents of this rank.
    dtype : dtype
        Of observations.
    """

    def __init__(self, index: Keeper, ranks: Ranks, shard: Shard, dtype: np.dtype[Any]) -> None:
        # Journals keep a pace by clocks of their own, which differ between ranks: here rank 0 does so, in `due`.
        super().__init__(replace(index.checkpoint, every=0.0), index.verb, index.task, None)
        self.index, self.ranks, self.shard, self.dtype = index, ranks, shard, dtype
        self.path, self.every, self.set = os.fspath(index.checkpoint.path), index.checkpoint.every, 0
        self._next = time.perf_counter() + self.every
        if index.state is not None:
            error: Exception | None = None
            try:
                with index.restoring():
                    self.state = self.read(index.state)
            except Exception as failed:
                error = failed
            ranks.all_or_none(error, "read their agents from the checkpoint")
            index.state = None

    def due(self) -> bool:
        return self.ranks.of_first(time.perf_counter() >= self._next) == 1

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the agents of each rank, then, on rank 0, the index."""
        begun = time.perf_counter()
        stamp = self.ranks.of_first(secrets.randbits(62))
        agents: dict[str, npt.NDArray[Any]] = {}
        rest = self.without_agents(dict(state), "", agents)
        arrays: dict[str, npt.NDArray[Any]] = {}
        header = packing.pack({"stamp": stamp, "begin": self.shard.begin, "agents": agents}, "", arrays)
        error: Exception | None = None
        try:
            files.save_npz(file_of(self.path, self.set, self.ranks.rank), arrays, {"kind": KIND, "state": header})
        except OSError as failed:
            error = failed
        self.ranks.all_or_none(error, "write their agents to the checkpoint")
        begins = np.zeros(self.ranks.size, np.int64)
        begins[self.ranks.rank] = self.shard.begin
        self.ranks.add(begins, 8)
        try:
            if self.ranks.rank == 0:
                self.index.save({"rest": rest, "set": self.set, "stamp": stamp, "begins": begins})
                remove_files(self.path, self.set, self.ranks.size, 1 << 30)  # of a run with more ranks
        except OSError as failed:
            error = failed
        self.ranks.all_or_none(error, "write the checkpoint")
        self.set = 1 - self.set
        now = time.perf_counter()
        self._next = now + max(self.every, (now - begun) / SHARE if self.every > 0 else 0.0)

    def read(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The state of this rank, from the index and the files that have agents of its own."""
        begins = [*found["begins"].tolist(), self.shard.n_agents]
        if begins[0] != 0 or any(one > after for one, after in pairwise(begins)):
            raise ValueError(f"begins are {begins}; must go up from 0")
        self.set = 1 - int(found["set"])
        pieces: dict[str, list[npt.NDArray[Any]]] = {}
        for rank, (first, last) in enumerate(pairwise(begins)):
            begin, end = max(first, self.shard.begin), min(last, self.shard.end)
            if begin >= end and not (rank == 0 and self.shard.begin == self.shard.end):  # the shape, if it has none
                continue
            path = file_of(self.path, int(found["set"]), rank)
            arrays, header = files.load_npz(path, KIND)
            with files.reading(path, "agents of a checkpoint", "does not fit ({error})"):
                part = packing.unpack(header["state"], arrays)
                if part["stamp"] != found["stamp"] or part["begin"] != first:
                    raise ValueError("it is of another writing")
                for name, array in part["agents"].items():
                    if array.shape[-1] != last - first:
                        raise ValueError(f"{name} has {array.shape[-1]} agents; must have {last - first}")
                    pieces.setdefault(name, []).append(array[..., max(begin - first, 0) : max(end - first, 0)])
        agents = {name: np.concatenate(arrays, axis=-1) for name, arrays in pieces.items()}
        state: dict[str, Any] = self.with_agents(found["rest"], "", agents)
        return state

    def without_agents(self, value: Any, name: str, found: dict[str, npt.NDArray[Any]]) -> Any:
        """`value` without arrays that have an entry for each agent, which are added to `found` by their names."""
        if name.endswith(".observations"):
            found[name] = value.view(self.dtype)
            return None
        if name.endswith(".individuals") and value is not None:
            found.update({f"{name}.{i}": array for i, array in enumerate(value) if array is not None})
            return [None] * len(value)
        if isinstance(value, Mapping):
            return {key: self.without_agents(entry, f"{name}.{key}", found) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.without_agents(entry, f"{name}.{i}", found) for i, entry in enumerate(value)]
        return value

    def with_agents(self, value: Any, name: str, found: Mapping[str, npt.NDArray[Any]]) -> Any:
        """The inverse of `without_agents`."""
        if name.endswith(".observations"):
            return np.ascontiguousarray(found[name]).view(np.uint8)
        if name.endswith(".individuals") and value is not None:
            return [found.get(f"{name}.{i}") for i in range(len(value))]
        if isinstance(value, Mapping):
            return {key: self.with_agents(entry, f"{name}.{key}", found) for key, entry in value.items()}
        if isinstance(value, list):
            return [self.with_agents(entry, f"{name}.{i}", found) for i, entry in enumerate(value)]
        return value


def file_of(path: str, which: int, rank: int) -> str:
    """The file of a rank in one of the two sets beside `path`."""
    return f"{path}.{which}-{rank}"


def remove_files(path: str, which: int, first: int, end: int) -> None:
    """Delete the files of a set, of ranks `first` to `end` - 1, up to the first that is not there."""
    for rank in range(first, end):
        try:
            os.remove(file_of(path, which, rank))
        except FileNotFoundError:
            break


def remove(path: str | os.PathLike[str]) -> None:
    """Delete a checkpoint and the files of its ranks; none need to exist."""
    for name in (path, *glob.glob(f"{glob.escape(os.fspath(path))}.[01]-*")):
        with suppress(FileNotFoundError):
            os.remove(name)
