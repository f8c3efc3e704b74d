"""The finished parts of a run in one file, so that a run that was killed goes on from them.

    parts = Parts(path, task)       read what the file holds; raise if it is of another task, or damaged
    parts[name], name in parts      a finished part
    parts[name] = value             add one, and write the file whole

`task` is what the parts depend on: a dict for JSON. Values are what files of results may contain: numbers, strings,
arrays, lists, dicts and policies.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from tmfcore._base import files
from tmfcore._base import wording as say
from tmfcore._results import packing

__all__ = ["Parts"]

KIND = "Parts"


class Parts:
    """Finished parts by name, and their file.

    Parameters
    ----------
    path : path or None
        The file; made with the first part. None: parts are kept in memory only.
    task : mapping
        Everything that the parts depend on, by name, for JSON.

    Raises
    ------
    FileError
        The file is damaged, or not one of parts, or its parts are of another task; the error says what differs. The
        file stays as it is.
    """

    def __init__(self, path: str | os.PathLike[str] | None, task: Mapping[str, Any]) -> None:
        self._path = path
        self._task = json.loads(json.dumps(task))
        self._parts: dict[str, Any] = {}
        if path is not None and os.path.lexists(path):
            self._parts = self._read(path)

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def __getitem__(self, name: str) -> Any:
        return self._parts[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._parts[name] = value
        if self._path is not None:
            arrays: dict[str, npt.NDArray[Any]] = {}
            state = packing.pack(self._parts, "", arrays)
            files.save_npz(self._path, arrays, {"kind": KIND, "task": self._task, "state": state})

    def _read(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        wanted = "the finished parts of a run"
        arrays, header = files.load_npz(path, KIND)
        with files.reading(path, wanted):
            theirs: dict[str, Any] = dict(header["task"])
            parts: dict[str, Any] = dict(packing.unpack(header["state"], arrays))
        differ = [name for name in (*self._task, *theirs) if self._task.get(name) != theirs.get(name)]
        if differ:
            name = differ[0]
            found, ours = (say.short(json.dumps(task.get(name))) for task in (theirs, self._task))
            raise files.FileError(
                f"{os.fspath(path)!r} has finished parts of a run with {name} {found}; must be {ours}: repeat that run "
                "to go on from them, choose another place, or delete the file"
            )
        return parts
