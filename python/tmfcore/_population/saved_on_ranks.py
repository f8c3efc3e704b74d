"""A Simulation of several ranks in files: one of each rank, with its individuals, and one index, which is written last.

    save_on_ranks(run, path, comm=)     all ranks call it; writes PATH, the index, and PATH.0-RANK or PATH.1-RANK
    joined(run, path, parts)            the whole Simulation, from what is in PATH

PATH has all that ranks share, and names one of two sets of files of Trajectories, each of which can be loaded alone.
The next writing makes the other set, then PATH, and then deletes the set that PATH named before: a job that is killed
at any moment leaves a PATH whose set is whole, and nothing is deleted that PATH did not name.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from tmfcore._base import files
from tmfcore._base import validation as check
from tmfcore._population.kept_on_ranks import file_of, remove_files
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
    former = _parts(name) if ranks.rank == 0 else {}
    new = ranks.of_first(1 - int(former["set"]) if former else 0)
    index: Any = run
    more: dict[str, Any] = {}
    if individuals is not None:
        index = type(run)._made(**{**vars(run), "trajectories": None})
        more = {"parts": {"stamp": stamp, "ranks": ranks.size, "set": new}}
        _written(ranks, True, file_of(name, new, ranks.rank), individuals, {"stamp": stamp}, "write their individuals")
    try:
        _written(ranks, ranks.rank == 0, name, index, more, "write the index")
    except Exception:
        if individuals is not None:
            with suppress(FileNotFoundError):
                os.remove(file_of(name, new, ranks.rank))
        raise
    if former:
        remove_files(name, int(former["set"]), 0, int(former["ranks"]))


def _parts(name: str) -> Mapping[str, Any]:
    """What an index of an earlier save says of its files; nothing if there is none."""
    try:
        parts = files.load_header(name).get("parts")
    except files.FileError:
        return {}
    if isinstance(parts, dict) and parts.get("set") in (0, 1) and isinstance(parts.get("ranks"), int):
        return parts
    return {}


def _written(ranks: Ranks, writes: bool, name: str, value: Any, more: dict[str, Any], what: str) -> None:
    """Write a file, if this rank does, and wait for the others; if one of them has an error, it is not left behind."""
    error: Exception | None = None
    done = False
    try:
        if writes:
            arrays: dict[str, npt.NDArray[Any]] = {}
            files.save_npz(name, arrays, {**packing.pack(value, "", arrays), **more})
            done = True
    except Exception as failed:
        error = failed
    try:
        ranks.all_or_none(error, what)
    except Exception:
        if done:
            with suppress(FileNotFoundError):
                os.remove(name)
        raise


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
        name = file_of(os.fspath(path), int(parts["set"]), rank)
        arrays, header = files.load_npz(name, "Trajectories")
        with files.reading(name, "individuals of a Simulation", "does not fit ({error})"):
            if header.get("stamp") != parts["stamp"]:
                raise ValueError(f"it is of another writing than {os.fspath(path)!r}")
            found.append(packing.unpack({key: header[key] for key in ("kind", "state")}, arrays))
    whole = Trajectories.joined(found)
    if len(np.shape(whole.rewards)) != 2 or whole.rewards.shape[0] != run.n_agents:
        raise ValueError(f"trajectories have {len(whole.rewards)} agents; must have {run.n_agents}")
    return type(run)._made(**{**vars(run), "trajectories": whole})
