"""A Simulation of several ranks in files: one of each rank, with its individuals, and one index, which is written last.

    save_on_ranks(run, path, comm=)     all ranks call it; writes PATH, the index, and PATH.RANK
    joined(run, path, parts)            the whole Simulation, from what is in PATH

PATH has all that ranks share. Each PATH.RANK is a file of Trajectories, which can be loaded alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from tmfcore._base import files
from tmfcore._base import validation as check
from tmfcore._population.ranks import Ranks, on_ranks
from tmfcore._results import packing

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

    from tmfcore._population.simulation import Simulation

__all__ = ["joined", "save_on_ranks"]


@on_ranks
def save_on_ranks(run: Simulation, path: str | os.PathLike[str], *, comm: Intracomm) -> None:
    """Write a Simulation of all ranks; errors of one are raised on all."""
    ranks = cast(Ranks, comm)  # by on_ranks
    name = os.fspath(check.as_path(path, "path"))
    individuals = run.trajectories
    if individuals is not None and individuals.numbers is None:
        raise ValueError("trajectories have no numbers; must be those of one rank, of simulate(comm=), or comm be None")
    shape = None if individuals is None else individuals.rewards.shape[1]
    ranks.agree({"path": name, "trajectories": shape, "n_agents": run.n_agents, "returns": run.returns.tolist()})
    stamp = ranks.of_first(secrets.randbits(62))
    if individuals is not None:
        _written(ranks, True, f"{name}.{ranks.rank}", individuals, {"stamp": stamp}, "write their individuals")
    index: Any = run
    more: dict[str, Any] = {}
    if individuals is not None:
        index = type(run)._made(**{**vars(run), "trajectories": None})
        more = {"parts": {"stamp": stamp, "ranks": ranks.size}}
    _written(ranks, ranks.rank == 0, name, index, more, "write the index")
    if ranks.rank == 0:
        for beyond in range(0 if individuals is None else ranks.size, 1 << 30):  # of a run with more ranks
            try:
                os.remove(f"{name}.{beyond}")
            except FileNotFoundError:
                break


def _written(ranks: Ranks, writes: bool, name: str, value: Any, more: dict[str, Any], what: str) -> None:
    """Write a file, if this rank does, and wait for the others."""
    error: Exception | None = None
    try:
        if writes:
            arrays: dict[str, npt.NDArray[Any]] = {}
            files.save_npz(name, arrays, {**packing.pack(value, "", arrays), **more})
    except Exception as failed:
        error = failed
    ranks.all_or_none(error, what)


def joined(run: Simulation, path: str | os.PathLike[str], parts: Mapping[str, Any]) -> Simulation:
    """`run` with the individuals of all ranks.

    Raises
    ------
    FileError
        A file of a rank is damaged, lacking, or of another writing.
    """
    from tmfcore._population.simulation import Trajectories  # which calls this

    found = []
    for rank in range(int(parts["ranks"])):
        name = f"{os.fspath(path)}.{rank}"
        arrays, header = files.load_npz(name, "Trajectories")
        with files.reading(name, "individuals of a Simulation", "does not fit ({error})"):
            if header.get("stamp") != parts["stamp"]:
                raise ValueError(f"it is of another writing than {os.fspath(path)!r}")
            found.append(packing.unpack({key: header[key] for key in ("kind", "state")}, arrays))
    whole = Trajectories.joined(found)
    if len(np.shape(whole.rewards)) != 2 or whole.rewards.shape[0] != run.n_agents:
        raise ValueError(f"trajectories have {len(whole.rewards)} agents; must have {run.n_agents}")
    return type(run)._made(**{**vars(run), "trajectories": whole})
