"""Checkpoints: files from which a call that was stopped goes on, with the bits of one that was not.

    Checkpoint(path, every)             public: where to write, and how often; `checkpoint=` takes it, or a path
    opened(checkpoint, verb, task)      the Keeper of a call, or None without a checkpoint
    Keeper.state                        what the last call left, None if it is the first
    Keeper.due()                        whether it is time to write; costs a look at the clock
    Keeper.save(state)                  write the state, whole or not at all
    Keeper.restoring()                  errors of a state that does not fit, in this block, name the file
    digest(value)                       what a task has of a policy or a result
    Keeper.part(within, state)          the Keeper of a piece of the work, such as one solve of a search

A verb uses them in this way:

    kept = opened(checkpoint, "simulate", task)         # task: everything that determines the result
    if kept is not None and kept.state is not None:
        with kept.restoring():
            ...                                         # go on from kept.state
    for piece in pieces:                                # of some milliseconds or more
        ...
        if kept is not None and kept.due():
            kept.save(state)
    if kept is not None:
        kept.save(end)                                  # from which the same call returns at once

A task is a dict of values that JSON holds, or numbers of numpy: options by name, `Fingerprint.task()` of game, schedule
and so on, and `seeding.described(rng)`, taken before streams are spawned. Options that do not change the result are no
part of it. A state has what `packing` packs: arrays, numbers, strings, None, dicts with strings as keys, tuples, lists
and results. It is written at once and not copied. A verb may pass a Keeper to another verb as its `checkpoint`;
`opened` then returns it as it is, since the task of the outer call covers that of the inner one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base import files, options
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._results import packing

__all__ = ["Checkpoint", "CheckpointLike", "Keeper", "Part", "digest", "opened"]


@dataclass(frozen=True)
class Checkpoint:
    """A file that keeps the state of a long call, so that the same call goes on from it after it was stopped.

    Parameters
    ----------
    path : path
        The file. If it does not exist, the call begins anew. If it does, the call goes on from it, and its result has
        the same bits as that of a call that was never stopped. It is replaced whole or not at all.
    every : float, optional
        Seconds of work between two writes, >= 0. A state is also written at the end of the call; the same call then
        returns the same result at once. The file stays until its user deletes it.

    Raises
    ------
    TypeError, ValueError
        An argument is bad.

    Notes
    -----
    The file also holds what determines the result: the game, the schedule, N, the policy, every option and the seed,
    and the version of tmfcore. A call in which any of these differs raises FileError and leaves the file as it is.
    `threads`, `progress` and `every` may differ. Games and policies are compared as results are: arrays in every bit,
    functions by what they return at up to 20 populations and steps. Callbacks and other functions that are given as
    options are compared by name alone.

    Examples
    --------
    >>> import tempfile, tmfcore as tmf
    >>> tmf.Checkpoint("run.npz", every=600).every
    600.0
    """

    path: str | os.PathLike[str] = field(metadata=options.of(check.as_path))
    every: float = field(default=60.0, metadata=options.of(check.as_float, low=0.0))

    def __post_init__(self) -> None:
        options.settle(self)


CheckpointLike: TypeAlias = "str | os.PathLike[str] | Checkpoint"


class Keeper:
    """The checkpoint of one call that runs, or of a piece of it.

    Attributes
    ----------
    state : dict or None
        What the last call with this file left; the verb may delete it once it is restored.
    """

    def __init__(self, checkpoint: Checkpoint, verb: str, task: dict[str, Any], state: dict[str, Any] | None) -> None:
        self.checkpoint, self.verb, self.task, self.state = checkpoint, verb, task, state
        self._next = time.perf_counter() + checkpoint.every

    def due(self) -> bool:
        """Whether `every` seconds have passed since the call began or wrote."""
        return time.perf_counter() >= self._next

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state. Raises OSError if the disk is full or the folder is gone; the last file then stays."""
        arrays: dict[str, npt.NDArray[Any]] = {}
        packed = packing.pack(state, "", arrays)
        header = {"kind": files.CHECKPOINT, "verb": self.verb, "task": self.task, "state": packed}
        files.save_npz(self.checkpoint.path, arrays, header)
        self._next = time.perf_counter() + self.checkpoint.every

    def restoring(self) -> AbstractContextManager[None]:
        """Errors raised while a state is restored become a FileError that names the file."""
        return files.reading(
            self.checkpoint.path, f"a checkpoint of {self.verb}", "holds a state that does not fit ({error})"
        )

    def part(self, within: Callable[[Mapping[str, Any]], dict[str, Any]], state: dict[str, Any] | None) -> Keeper:
        """The Keeper of a piece of the work, which goes on from `state`; the whole writes `within(its state)`."""
        return Part(self, state, self.due, lambda found: self.save(within(found)))


class Part(Keeper):
    """The Keeper of a piece of the work of `whole`: `due` says when its state is wanted, `save` takes it."""

    def __init__(
        self, whole: Keeper, state: dict[str, Any] | None, due: Callable[[], bool],
        save: Callable[[Mapping[str, Any]], None],
    ) -> None:  # fmt: skip
        self.checkpoint, self.verb, self.task, self.state = whole.checkpoint, whole.verb, whole.task, state
        self._due, self._save = due, save

    def due(self) -> bool:
        return self._due()

    def save(self, state: Mapping[str, Any]) -> None:
        self._save(state)


def opened(checkpoint: CheckpointLike | Keeper | None, verb: str, task: Mapping[str, Any]) -> Keeper | None:
    """The Keeper of a call of `verb`, with the state of the last one if the file exists; None if `checkpoint` is None.

    Parameters
    ----------
    checkpoint
        The argument of the verb.
    verb
        The name of the public function or method.
    task
        Everything that determines the result, by name, in values that JSON holds.

    Raises
    ------
    TypeError, ValueError
        `checkpoint` is no checkpoint.
    FileError
        The file is damaged, is no checkpoint, or is one of another verb, version or task. It stays as it is.
    OSError
        The folder does not exist or cannot be written to.
    """
    if checkpoint is None or isinstance(checkpoint, Keeper):
        return checkpoint
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(check.as_path(checkpoint, "checkpoint"))
    own = {name: _as_json(value, name) for name, value in task.items()}
    if not os.path.lexists(checkpoint.path):
        files.check_writable(checkpoint.path)  # before the work, not after a minute of it
        return Keeper(checkpoint, verb, own, None)
    return Keeper(checkpoint, verb, own, _read(checkpoint, verb, own))


def _read(checkpoint: Checkpoint, verb: str, task: dict[str, Any]) -> dict[str, Any]:
    """The state in the file."""
    from importlib.metadata import version

    arrays, header = files.load_npz(checkpoint.path, files.CHECKPOINT)
    where, begin = repr(os.fspath(checkpoint.path)), "delete it to begin anew, or give another path"
    with files.reading(checkpoint.path, f"a checkpoint of {verb}"):
        found, of, made_by = dict(header["task"]), str(header["verb"]), str(header["tmfcore"])
        if made_by != version("tmfcore"):
            raise files.FileError(
                f"{where} is of tmfcore {say.short(made_by)}; must be of {version('tmfcore')}: {begin}, or go on with "
                "that version"
            )
        if of != verb:
            raise files.FileError(f"{where} is a checkpoint of {say.short(of)}; must be one of {verb}: {begin}")
        differ = [name for name in {**found, **task} if _entry(found, name) != _entry(task, name)]
        if differ:
            said = "; ".join(
                f"{say.short(name)} was {say.short(_entry(found, name))}, is {say.short(_entry(task, name))}"
                for name in differ
            )
            raise files.FileError(
                f"{where} is a checkpoint of another call of {verb} ({said}); must be one of this call: {begin}"
            )
        state = packing.unpack(header["state"], arrays)
        if not isinstance(state, dict):
            raise TypeError("no dict")
        return state


def _entry(task: Mapping[str, Any], name: str) -> str:
    """An entry of a task, as text."""
    return json.dumps(task[name], sort_keys=True) if name in task else "not given"


def _as_json(value: object, name: str) -> Any:
    """An entry of a task, as JSON holds it; options that nothing has checked before may be anything."""
    try:
        return json.loads(json.dumps(value, default=_plain))
    except (TypeError, ValueError, RecursionError):
        raise TypeError(
            f"{name} is {say.show(value)}; must be a number, a string, None, or a list or dict of them"
        ) from None


def _plain(value: object) -> object:
    """A number of numpy as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{say.show(value)} is no value of JSON")


def digest(value: object) -> str:
    """16 hexadecimal digits of every bit of whatever `packing` packs."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    found = blake2b(json.dumps(packing.pack(value, "", arrays), default=_plain).encode(), digest_size=8)
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
