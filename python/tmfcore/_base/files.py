"""Files of results: an .npz of plain arrays with a JSON header, written atomically.

replacing(path)                     a binary file that is renamed to `path` when the block ends without an error
save_npz(path, arrays, header)      write arrays and header, atomically
load_npz(path, kind)                (arrays, header), checked to be a tmfcore file of that kind

Pickle is used in neither direction: loading an untrusted file runs no code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from math import prod
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check

_HEADER = "header"
_CHECKSUM = "checksum"  # entry of the header: the checksum of everything else in the file
_FORMAT = 3  # increased when files of an earlier version can no longer be read
_DTYPES = "biufcUS"  # kinds of dtypes that are saved and loaded


class FileError(ValueError):
    """The file is damaged, holds another kind or format, or is not from tmfcore; the message begins with its name."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write; it is renamed to `path` when the block ends, and deleted if the block raises.

    The bytes go to a temporary file in the same folder: a crash, a full disk or Ctrl-C leaves an older file unchanged.

    Raises
    ------
    FileNotFoundError
        The folder of `path` does not exist.
    IsADirectoryError
        `path` is a folder.
    OSError
        The folder cannot be written to.
    """
    target = check.as_path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; must be a file name", str(target))
    part = target.with_name(f".tmfcore-{os.urandom(6).hex()}.part")  # short even if the name of `path` is very long
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise


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
        Not a file of save_npz, damaged, of another kind, or of another format.
    OSError
        The file does not exist or cannot be read.

    Notes
    -----
    The checksum (SHA-256 of names, types, shapes and contents) detects changes that the checksums of the zip do not:
    a member replaced by one of another file, or an array overwritten.
    """
    where = os.fspath(check.as_path(path))
    wanted = kind or "result"
    with open(where, "rb") as raw:
        try:
            arrays = _members(raw)
            header = json.loads(arrays.pop(_HEADER).tobytes())
            format_, found, made_by = int(header["format"]), str(header["kind"]), str(header["tmfcore"])
            sound = format_ != _FORMAT or header.pop(_CHECKSUM) == _checksum(arrays, header)
        except MemoryError:
            raise MemoryError(f"{where!r} does not fit in memory; path must name a smaller file") from None
        except Exception as error:  # zipfile, json and numpy raise many types of errors on damaged bytes
            raise FileError(f"{where!r} is damaged or not a file of tmfcore; must be a saved {wanted}") from error
    if format_ != _FORMAT:
        raise FileError(
            f"{where!r} has format {format_}, of tmfcore {made_by}; must be {_FORMAT}: load it with that version"
        )
    if not sound:
        raise FileError(f"{where!r} is damaged: its checksum does not match; must be a saved {wanted}")
    if kind is not None and found != kind:
        raise FileError(f"{where!r} holds a {found}; must hold a {kind}")
    return arrays, header


def _members(raw: BinaryIO) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz, each checked to be no larger than its bytes in the file."""
    size = os.fstat(raw.fileno()).st_size
    arrays: dict[str, npt.NDArray[Any]] = {}
    with zipfile.ZipFile(raw) as file:
        members = file.infolist()
        if sum(member.file_size for member in members) > size or len(set(file.namelist())) < len(members):
            raise ValueError("members overlap")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError("a member is compressed; save_npz does not compress")
            with file.open(member) as stream:
                arrays[member.filename.removesuffix(".npy")] = _array(stream, member.file_size)
    return arrays


def _array(stream: Any, size: int) -> npt.NDArray[Any]:
    """The array of an .npy member of `size` bytes."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran, dtype = read(stream)
    left = size - stream.tell()
    if dtype.kind not in _DTYPES or min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != left:
        raise ValueError("the header of an array does not fit its bytes")
    buffer = bytearray(left)
    if stream.readinto(buffer) != left:
        raise ValueError("cut short")
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="F" if fortran else "C")


def _checksum(arrays: Mapping[str, npt.NDArray[Any]], header: Mapping[str, Any]) -> str:
    """SHA-256 of names, types, shapes and contents."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        if array.size:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
