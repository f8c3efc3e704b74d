"""Files of the disk: opened only if they are files, and replaced whole or not at all.

FileError, MissingFileError, UnreadableFileError     what `load` raises; both of the latter are an OSError, too
opened(path, wanted)                a file of bytes to read; pipes, devices and folders are not opened
text_of(path, wanted)               its text
reading(path, wanted)               errors of what is read in this block become a FileError that names the file
replacing(path)                     a binary file that is renamed to `path` when the block ends without an error
check_writable(path)                the errors of `replacing`, before there is anything to write
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say

#: Writers of one name at a time whose remains a later one clears away.
PARTS = 8
#: Bytes that are written between two times that the disk must have them.
SYNCED = 16 << 20


class FileError(ValueError):
    """The file cannot be read: damaged, of another kind or format, or not from tmfcore; the message names it."""


class MissingFileError(FileNotFoundError, FileError):
    """There is no such file."""


class UnreadableFileError(OSError, FileError):
    """The system refuses to read the file: permissions, a loop of symbolic links, a broken disk."""


# -------------------------------------------------------------------------------------------------------- reading


@contextmanager
def opened(path: str | os.PathLike[str], wanted: str) -> Iterator[BinaryIO]:
    """The file at `path`, open to read bytes.

    Raises
    ------
    MissingFileError, UnreadableFileError
        It does not exist, or cannot be read, now or later in the block.
    FileError
        A folder, a pipe or a device; must be `wanted`.
    """
    where = os.fspath(check.as_path(path))
    try:
        # O_NONBLOCK: a pipe without a writer would wait for one
        with os.fdopen(os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", closefd=True) as file:
            kind = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(kind):
                raise FileError(f"{where!r} is {_named(kind)}; must be {wanted}")
            yield file
    except IsADirectoryError:
        raise FileError(f"{where!r} is a folder; must be {wanted}") from None
    except FileError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(error.errno, error.strerror, where) from None
    except OSError as error:
        raise UnreadableFileError(error.errno, error.strerror, where) from None


def text_of(path: str | os.PathLike[str], wanted: str, *, errors: str = "strict") -> str:
    """The text of a file in UTF-8; FileError if it is something else, or `errors` is "replace"."""
    with opened(path, wanted) as file, reading(path, wanted, "is not text in UTF-8"):
        needs.ask({"text": (4, os.fstat(file.fileno()).st_size)}, first=True)
        return file.read().decode("utf-8", errors)


@contextmanager
def reading(
    path: str | os.PathLike[str], wanted: str, what: str = "is damaged or not a file of tmfcore"
) -> Iterator[None]:
    """Whatever is raised while the contents of `path` are read becomes a FileError: PATH `what`; must be `wanted`.

    "{error}" in `what` is replaced by the text of the error. MemoryError stays one, with advice; OSError stays.
    """
    where = os.fspath(path)
    try:
        yield
    except (FileError, OSError):
        raise
    except MemoryError as error:
        why = str(error) if getattr(error, "asked", False) else "does not fit in memory"
        raise MemoryError(f"{where!r} {why}; path must name a smaller file") from None
    except Exception as error:  # parsers raise many types of errors on damaged bytes
        raise FileError(f"{where!r} {what.replace('{error}', say.short(str(error)))}; must be {wanted}") from error


def _named(kind: int) -> str:
    if stat.S_ISDIR(kind):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(kind) else "a device or a socket"


# -------------------------------------------------------------------------------------------------------- writing


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write; it is renamed to `path` when the block ends, and deleted if the block raises.

    The bytes go to a temporary file in the same folder: a crash, a full disk or Ctrl-C leaves an older file unchanged.
    What a killed process left there is removed by the next one that writes to the same `path`. A symbolic link is
    followed. The new file has the mode and, as far as the system allows it, the owner of the old one.

    Raises
    ------
    FileNotFoundError
        The folder of `path` does not exist.
    IsADirectoryError
        `path` is a folder.
    OSError
        `path` is something else than a file, or it or its folder cannot be written to.
    """
    target, old = _target(path)
    part, descriptor = _part(target)
    try:
        with io.BufferedWriter(_Synced(descriptor, "wb")) as file:
            if old is not None:
                _dress(descriptor, old)
            yield file
            file.flush()
            os.fsync(descriptor)
            os.replace(part, target)  # before the file is closed, which ends the lock
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise the errors of `replacing`, before there is anything to write."""
    target, _ = _target(path)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no file may be made in this folder", str(target.parent))


def _target(path: str | os.PathLike[str]) -> tuple[Path, os.stat_result | None]:
    """The file that `path` names, symbolic links followed, and its status; None if it does not exist."""
    given = check.as_path(path)
    target = Path(os.path.realpath(given)) if given.is_symlink() else given
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(given))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(target.parent))
    old = _status(target)
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder; must be a file name", str(given))
    if old is not None and not stat.S_ISREG(old.st_mode):
        raise OSError(errno.EINVAL, f"is {_named(old.st_mode)}; must be a file name", str(given))
    if old is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "may not be written to", str(given))
    return target, old


class _Synced(io.FileIO):
    """A file that goes to the disk as it is written: the system is never asked for many seconds of work at once."""

    waiting = 0  # bytes

    def write(self, data: Any) -> int:
        written = super().write(data)
        self.waiting += written
        if self.waiting >= SYNCED:
            os.fdatasync(self.fileno())
            self.waiting = 0
        return written


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _dress(descriptor: int, old: os.stat_result) -> None:
    """Give a new file the owner and the mode of an old one."""
    new = os.fstat(descriptor)
    mode = stat.S_IMODE(old.st_mode)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except OSError:
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
    os.fchmod(descriptor, mode)


def _part(target: Path) -> tuple[Path, int]:
    """A new temporary file beside `target`, locked as long as it is open; those that nobody has open are removed.

    Their names are short even if that of `target` is very long.
    """
    tag = sha256(os.fsencode(target.name)).hexdigest()[:12]
    names = [target.with_name(f".tmfcore-{tag}-{i}.part") for i in range(PARTS)]
    for name in names:
        _remove_if_left(name)
    # one name more, of more than PARTS writers or on a file system without locks
    for name in (*names, target.with_name(f".tmfcore-{tag}-{os.urandom(6).hex()}.part")):
        with suppress(FileExistsError):
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            if _locked(descriptor) and _is_open(descriptor, name):  # else another process is about to remove it, or has
                return name, descriptor
            os.close(descriptor)
    raise FileExistsError(errno.EEXIST, "too many files are written under this name", str(target))


def _locked(descriptor: int) -> bool:
    """Lock a file; False if another process has locked it. On a file system without locks nobody has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _remove_if_left(part: Path) -> None:
    """Delete a temporary file unless a process writes it, which then holds its lock."""
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_open(descriptor, part):  # not renamed or replaced in between
            part.unlink()
    except OSError:  # it is in use, or there are no locks
        pass
    finally:
        os.close(descriptor)


def _is_open(descriptor: int, path: Path) -> bool:
    """Whether `path` still names the open file."""
    found = _status(path)
    return found is not None and os.path.samestat(found, os.fstat(descriptor))
