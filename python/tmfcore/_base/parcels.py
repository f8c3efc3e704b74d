"""Arguments that many calls on other processes have: each travels once per process, however many calls it has.

    Shared(value)               in the caller: an argument of many calls
    parcel = shared.parcel()    what is sent in its place: its digest and, if it is small, its bytes
    called(function, ...)       in the other process: the call, or `Lacking`

A process keeps the objects that it has unpacked. A large one is sent without its bytes at first: a process that lacks
it answers `Lacking`, and gets the same call again with the bytes. So no executor needs to know which process has what,
and a process that is new has nothing to be told in advance.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from hashlib import blake2b
from typing import Any, NamedTuple

from tmfcore._base import needs
from tmfcore._base import wording as say

__all__ = ["Lacking", "Parcel", "Shared", "called"]

SMALL = 1 << 14  # bytes that are sent with every call
MOST = 64  # objects that a process keeps


class Parcel(NamedTuple):
    """A pickled object: its digest, and its bytes or None."""

    digest: bytes
    content: bytes | None


class Lacking(NamedTuple):
    """The answer of a process that has not got these parcels."""

    digests: tuple[bytes, ...]


class Shared:
    """An argument that many calls have.

    Parameters
    ----------
    value : object
    name : str
        What it is, for the error if it cannot be pickled.
    """

    def __init__(self, value: Any, name: str) -> None:
        self.value, self.name = value, name
        self.content = b""
        self.digest = b""

    def parcel(self) -> Parcel:
        """What is sent in place of the value.

        Raises
        ------
        TypeError
            It cannot be pickled.
        """
        if not self.digest:
            try:
                self.content = _pickled(self.value)
            except Exception as error:  # pickle raises many types of errors
                raise TypeError(
                    f"{self.name} is {say.show(self.value)} that cannot be sent to other processes "
                    f"({say.short(str(error))}); must be one that can be pickled, such as a function of a module, or "
                    "pass executor=None"
                ) from error
            self.digest = blake2b(self.content, digest_size=16).digest()
        return Parcel(self.digest, self.content if len(self.content) <= SMALL else None)


def _pickled(value: Any) -> bytes:
    """By cloudpickle if it is installed, as with Dask and joblib: it takes functions of scripts and notebooks, too."""
    try:
        import cloudpickle
    except ImportError:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    made: bytes = cloudpickle.dumps(value)
    return made


#: By digest, in the order of their last use. Single operations of a dict are safe on threads; a lock would not be safe
#: from an interrupt, which on CPython 3.14 may leave it held.
_KEPT: dict[bytes, Any] = {}
_ABSENT = object()


def called(
    function: Callable[..., Any], arguments: tuple[Any, ...], contents: Mapping[bytes, bytes], limit: float | None,
    attempt: int,
) -> Any:  # fmt: skip
    """`function(*arguments)` with parcels unpacked, or Lacking if some have no bytes, here or in `contents`.

    `limit` is that of `max_memory` where the call comes from. `attempt` makes a call another one where equal calls
    count as one, as in Dask.
    """
    found: list[Any] = []
    lacking: list[bytes] = []
    for argument in arguments:
        if type(argument) is not Parcel:
            found.append(argument)
            continue
        digest, content = argument.digest, argument.content or contents.get(argument.digest)
        value = _KEPT.pop(digest, _ABSENT)  # for a moment; a call that asks just then gets it again
        if value is _ABSENT:
            if content is None:
                lacking.append(digest)
                continue
            value = pickle.loads(content)
        found.append(value)
        _KEPT[digest] = value
        for oldest in list(_KEPT)[:-MOST]:
            _KEPT.pop(oldest, None)
    if lacking:
        return Lacking(tuple(lacking))
    with nullcontext() if limit is None else needs.max_memory(limit):
        return function(*found)
