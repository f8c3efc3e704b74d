"""Files of results: an .npz of plain arrays with a JSON header and a checksum.

save_npz(path, arrays, header)      write arrays and header, atomically
load_npz(path, kind)                (arrays, header), checked to be a tmfcore file of that kind
load_header(path)                   the header alone, not checked

Format     Members are not compressed, and are .npy files of version 1.0. The member "header" is JSON: "kind", "state"
           (see `packing`), "tmfcore" (what wrote it), "format" (the version of this schema) and "checksum".
Contract   Pickle is used in neither direction, and the only parsers are JSON's and a regular expression: loading an
           untrusted file runs no code. What is read takes as much memory as the file has bytes; what its header
           makes of JSON, at most 100 MB more. A file of another kind is refused before its arrays are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tmfcore._base import needs
from tmfcore._base import wording as say
from tmfcore._base.disk import FileError, check_writable, opened, reading, replacing

__all__ = ["CHECKPOINT", "FileError", "check_writable", "load_header", "load_npz", "reading", "replacing", "save_npz"]

CHECKPOINT = "Checkpoint"  # kind of the files of _results.checkpoint
_HEADER = "header"
_CHECKSUM = "checksum"  # entry of the header: the checksum of everything else in the file
_FORMAT = 3  # increased when files of an earlier version can no longer be read
_BLOCK = 8 << 20  # bytes
_DTYPES = "biufcUS"  # kinds of dtypes that are saved and loaded
_DIRECTORY = 1 << 20  # most bytes of the list of members, which zipfile turns into objects of ten times their size
_ENTRIES = 1_000_000  # most entries of lists in the header, besides one for every 16 bytes of the file
_DESCRIPTION = re.compile(
    rb"{'descr': '([<>|][biufcUS][0-9]{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,18}(?:, [0-9]{1,18})*,?)?)\), } *\n"
)


def save_npz(
    path: str | os.PathLike[str], arrays: Mapping[str, npt.NDArray[Any]], header: Mapping[str, Any]
) -> None:
    """Write `arrays` and a JSON `header` to `path`, atomically.

    Parameters
    ----------
    path
        The file; nothing is appended to its name.
    arrays
        Name -> array of numbers, booleans or strings; the name "header" is reserved.
    header
        Values that json can write. "kind", the class of the saved object, is required; "tmfcore" (version), "format"
        and "checksum" are added.

    Raises
    ------
    TypeError
        An array of objects, or a header that json cannot write. Nothing is written.
    """
    from importlib.metadata import version

    if "kind" not in header or _HEADER in arrays:
        raise ValueError(f"header must have a 'kind', and no array may be called {_HEADER!r}")
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind not in _DTYPES:
            raise TypeError(f"arrays[{name!r}] holds {np.asarray(array).dtype}; must hold numbers or strings")
    whole = json.loads(json.dumps({**header, "tmfcore": version("tmfcore"), "format": _FORMAT}))
    text = json.dumps({**whole, _CHECKSUM: _checksum(arrays, whole)})
    packed = np.frombuffer(text.encode(), dtype=np.uint8)
    with replacing(path) as file:
        np.savez(file, **{_HEADER: packed, **arrays})  # type: ignore[arg-type]  # one of them could be "allow_pickle"


def load_npz(
    path: str | os.PathLike[str], kind: str | None = None
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read a file of save_npz that holds `kind`; any kind if None.

    Returns
    -------
    arrays, header
        All arrays, in memory and writable; the header with "kind", "tmfcore" and "format".

    Raises
    ------
    TypeError, ValueError
        `path` is not a path.
    FileError
        Not a file of save_npz, damaged, of another kind, or of another format; or it does not exist or cannot be read,
        and the error is an OSError, too.
    MemoryError
        It does not fit in memory.

    Notes
    -----
    The checksum (SHA-256 of names, types, shapes and contents) detects changes that the checksums of the zip do not:
    a member replaced by one of another file, or an array overwritten.
    """
    wanted = f"a saved {kind or 'result'}"
    with opened(path, wanted) as raw, reading(path, wanted):
        where = os.fspath(path)
        members = _Members(raw)
        header = members.header()
        format_, found, made_by = int(header["format"]), str(header["kind"]), str(header["tmfcore"])
        if format_ != _FORMAT:
            raise FileError(
                f"{where!r} has format {format_}, of tmfcore {made_by}; must be {_FORMAT}: load it with that version"
            )
        if found == CHECKPOINT != kind:
            verb = say.short(str(header["verb"]))
            raise FileError(
                f"{where!r} is a checkpoint of {verb}; must be {wanted}: pass it as checkpoint= to the call that wrote "
                "it, which goes on from it"
            )
        if kind is not None and found != kind:
            raise FileError(f"{where!r} holds a {found}; must hold a {kind}")
        needs.ask({"arrays": (1, members.size)}, first=True)
        checksum = header.pop(_CHECKSUM)
        arrays = members.arrays()
        if checksum != _checksum(arrays, header):
            raise FileError(f"{where!r} is damaged: its checksum does not match; must be {wanted}")
    return arrays, header


def load_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header of a file of save_npz, of any kind and format; the checksum is not compared.

    Raises
    ------
    FileError
        Not a file of save_npz; or it does not exist or cannot be read.
    """
    wanted = "a saved result"
    with opened(path, wanted) as raw, reading(path, wanted):
        return _Members(raw).header()


class _Members:
    """The arrays of an .npz, each checked to be as large as its bytes in the file before it is read."""

    def __init__(self, raw: BinaryIO) -> None:
        self.size = os.fstat(raw.fileno()).st_size
        _check_directory(raw, self.size)
        self.file = zipfile.ZipFile(raw)
        self.members = {member.filename.removesuffix(".npy"): member for member in self.file.infolist()}
        if len(self.members) < len(self.file.infolist()):
            raise ValueError("two members have one name")
        if sum(member.file_size for member in self.members.values()) > self.size:
            raise ValueError("members overlap")

    def header(self) -> dict[str, Any]:
        text = self.read(_HEADER).tobytes()
        if text.count(b",") + text.count(b"[") + text.count(b"{") > _ENTRIES + self.size // 16:
            raise ValueError("the header has too many entries")
        header: dict[str, Any] = json.loads(text)
        return header

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: self.read(name) for name in self.members if name != _HEADER}

    def read(self, name: str) -> npt.NDArray[Any]:
        member = self.members[name]
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ValueError("a member is compressed; save_npz does not compress")
        with self.file.open(member) as stream:
            return _array(stream, member.file_size)


def _check_directory(raw: BinaryIO, size: int) -> None:
    """Refuse a zip whose list of members is long: zipfile would read it before anybody sees how long it is."""
    raw.seek(max(0, size - 98))  # the last records: 22 bytes, and for large files 20 and 56 before them
    tail = raw.read()
    end, large = tail[-22:], tail[-98:-42]
    if end[:4] != b"PK\5\6" or end[20:] != b"\0\0" or int.from_bytes(end[12:16], "little") > _DIRECTORY:
        raise ValueError("not a zip without a comment, or with too many members")
    if tail[-42:-38] == b"PK\6\7" and int.from_bytes(large[40:48], "little") > _DIRECTORY:
        raise ValueError("too many members")


def _array(stream: Any, size: int) -> npt.NDArray[Any]:
    """The array of an .npy member of `size` bytes."""
    start = stream.read(10)
    length = int.from_bytes(start[8:], "little")
    found = _DESCRIPTION.fullmatch(stream.read(length))
    if start[:8] != b"\x93NUMPY\1\0" or found is None:
        raise ValueError("not an array of save_npz")
    dtype = np.dtype(found[1].decode())
    shape = tuple(int(n) for n in found[3].replace(b" ", b"").split(b",") if n)
    left = size - 10 - length
    if dtype.itemsize == 0 or prod(shape) * dtype.itemsize != left:
        raise ValueError("the header of an array does not fit its bytes")
    buffer = np.empty(left, np.uint8).data  # not of zeros, which would take a second for 3 GB
    for part in _blocks(buffer):
        if stream.readinto(part) != len(part):
            raise ValueError("cut short")
    array = np.frombuffer(buffer, dtype=dtype)
    if dtype.kind == "b" and any(np.frombuffer(part, np.uint8).max() > 1 for part in _blocks(buffer)):
        raise ValueError("an array of booleans has other values")
    letters = f"{dtype.str[0]}u4"
    if dtype.kind == "U" and any(np.frombuffer(part, letters).max() > 0x10FFFF for part in _blocks(buffer)):
        raise ValueError("an array of strings has letters that do not exist")
    return array.reshape(shape, order="F" if found[2] == b"True" else "C")


def _checksum(arrays: Mapping[str, npt.NDArray[Any]], header: Mapping[str, Any]) -> str:
    """SHA-256 of names, types, shapes and contents."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        if array.size:
            for part in _blocks(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data):
                digest.update(part)
    return digest.hexdigest()


def _blocks(data: memoryview) -> Iterator[memoryview]:
    """The bytes in blocks, between which Python heeds Ctrl-C; each block has whole numbers."""
    for first in range(0, len(data), _BLOCK):
        yield data[first : first + _BLOCK]
