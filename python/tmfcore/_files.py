"""Results on disk: an .npz of plain arrays with a JSON header, written whole or not at all.

replacing(path)                     a binary file that becomes `path` only when the block ends well
save_npz(path, arrays, header)      arrays + header, atomically
load_npz(path, kind)                (arrays, header), checked to be a tmfcore file of that kind

No pickle either way: a file from a stranger runs nothing.
"""

from __future__ import annotations

import errno
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

_HEADER = "header"
_FORMAT = 1  # raised when a file of today could no longer be read as one of tomorrow


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write; it takes the name `path` when the block ends, and goes if the block raises.

    The bytes are written beside the target, so a crash, a full disk or Ctrl-C leaves an older file at `path`
    as it was.

    Raises
    ------
    FileNotFoundError
        The folder of `path` does not exist.
    IsADirectoryError
        `path` is a folder.
    OSError
        The folder cannot be written to.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder; must be a file name", str(target))
    part = target.with_name(f".{target.name}.{os.urandom(6).hex()}.part")
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
    """Write `arrays` and a JSON `header` to `path`, exactly that name, whole or not at all.

    Parameters
    ----------
    path
        The file; nothing is appended to its name.
    arrays
        Name -> array of numbers, booleans or strings; not "header".
    header
        What json can hold. Must have "kind", what the file is; "tmfcore" (version) and "format" are added.

    Raises
    ------
    TypeError
        An array of objects, or a header json cannot hold. Nothing is written.
    """
    from importlib.metadata import version

    if "kind" not in header or _HEADER in arrays:
        raise ValueError(f"header must have a 'kind', and no array may be called {_HEADER!r}")
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind not in "biufcUS":
            raise TypeError(f"arrays[{name!r}] holds {np.asarray(array).dtype}; must hold numbers or strings")
    text = json.dumps({**header, "tmfcore": version("tmfcore"), "format": _FORMAT})
    packed = np.frombuffer(text.encode(), dtype=np.uint8)
    with replacing(path) as file:
        np.savez(file, **{_HEADER: packed, **arrays})  # type: ignore[arg-type]  # one of them could be "allow_pickle"


def load_npz(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read what save_npz wrote.

    Returns
    -------
    arrays, header
        All arrays, in memory and writable; the header with "kind", "tmfcore" and "format".

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Not a file of save_npz, damaged, of another kind, or of a newer format.
    """
    try:
        with (
            open(path, "rb") as raw,
            np.load(raw, allow_pickle=False) as file,
        ):  # np.load alone leaks bad zips
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop(_HEADER).tobytes())
        format_, found, _ = int(header["format"]), str(header["kind"]), header["tmfcore"]
    except (AttributeError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        raise ValueError(
            f"{os.fspath(path)!r} is damaged or no file of tmfcore; must be a saved {kind}"
        ) from None
    if format_ > _FORMAT:
        raise ValueError(
            f"{os.fspath(path)!r} has format {format_}, of tmfcore {header['tmfcore']}; must be <= {_FORMAT}"
        )
    if found != kind:
        raise ValueError(f"{os.fspath(path)!r} holds a {found}; must hold a {kind}")
    return arrays, cast(dict[str, Any], header)
