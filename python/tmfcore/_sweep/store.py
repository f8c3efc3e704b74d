"""The store of a sweep: a folder of Parquet to which each cell is added as soon as it is finished.

    with opened(folder, task, names) as store:
        store.rows                  id -> Row, all that is finished
        store.add(...)              one more

Files      `part-000001.parquet`, ...: ROWS rows each, written whole or not at all. pandas, polars, duckdb and pyarrow
           read the folder as one table. `_journal.jsonl`: the rows that are in no part yet, a line of JSON each; it is
           empty after a sweep. `_sweep.json`: what the rows belong to. `_lock`: locked while a sweep writes.
Contract   A row is in the journal before the next one is awaited, so that the death of this process loses none; the
           journal is forced to the disk with a row if SYNC seconds have passed since the last time, so that the death
           of the machine loses the rows that came later, unless the system has written them meanwhile. A part is
           complete before the journal is emptied: a death in between leaves rows twice, and their ids count them once.
           Of two rows of one id the later one counts. A last line that was cut short is no row.

A million cells are a hundred parts. Many short sweeps leave many small parts, which the next one merges.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tmfcore._base import disk, files
from tmfcore._base import wording as say
from tmfcore._results.tables import library
from tmfcore._sweep.cells import RESERVED, Scalar, word

__all__ = ["ABOUT", "Row", "Store", "id_of", "opened"]

ROWS = 10_000  # of a part
SMALL_PARTS = 16  # parts with fewer rows that may stay
SYNC = 1.0  # seconds
FORMAT = 1
WANTED = "a store of tmfcore.sweep"
JOURNAL, ABOUT, LOCK = "_journal.jsonl", "_sweep.json", "_lock"
_PART = re.compile(r"part-(\d{6,12})\.parquet")


class Row(NamedTuple):
    """A finished cell.

    names, values : of its results; none if it ended in an error.
    seconds : what it took.
    error : its error, or "".
    """

    names: tuple[str, ...]
    values: tuple[Scalar, ...]
    seconds: float
    error: str


class _Line(NamedTuple):
    """A row as it is stored: with its cell, and the parameters as tables show them."""

    cell: str
    replica: int
    shown: tuple[Scalar, ...]
    row: Row

    @property
    def id(self) -> bytes:
        return id_of(bytes.fromhex(self.cell), self.replica)


def id_of(key: bytes, replica: int) -> bytes:
    """What a row is known by."""
    return key + replica.to_bytes(4, "little")


@contextmanager
def opened(folder: Path, task: Mapping[str, Any], names: Sequence[str]) -> Iterator[Store]:
    """The store in `folder`, which is made if it does not exist.

    Parameters
    ----------
    folder : Path
    task : mapping
        What all rows belong to, in values that JSON holds.
    names : sequence of str
        The parameters.

    Raises
    ------
    FileError
        Something in it is damaged, or it is of another function, seed, set of parameters or version.
    ImportError
        pyarrow is not installed.
    OSError
        It cannot be made or written to, or another process writes to it.
    """
    library("pyarrow")
    if not os.path.lexists(folder) and folder.parent.is_dir():
        folder.mkdir(exist_ok=True)  # another sweep may have made it just now
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "must be a folder, or the name of a new one", str(folder))
    with _locked(folder):
        _check_task(folder, task)
        store = Store(folder, tuple(names))
        try:
            store.read()
            yield store
        finally:
            store.close()


class Store:
    """The rows of a folder that this process has locked."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self.folder, self.names = folder, names
        self.rows: dict[bytes, Row] = {}
        self.lines: list[_Line] = []  # of the journal
        self.number = 0  # of the last part
        self.journal = -1  # file descriptor
        self.synced = time.monotonic()

    def read(self) -> None:
        """Read all rows; what the journal has becomes a part."""
        small: list[Path] = []
        gathered: list[_Line] = []
        for number, path in parts(self.folder):
            lines = read_part(path, self.names)
            self.number = number
            self.rows.update((line.id, line.row) for line in lines)
            if len(lines) < ROWS:
                small.append(path)
                gathered += lines
        left = _journal(self.folder / JOURNAL, self.names)
        self.rows.update((line.id, line.row) for line in left)
        if len(small) >= SMALL_PARTS:
            self.write([line for line in (*gathered, *left) if self.rows[line.id] is line.row])
            for path in small:
                path.unlink()
        elif left:
            self.write(left)
        self.journal = os.open(
            self.folder / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC, 0o666
        )

    def add(self, key: bytes, replica: int, shown: tuple[Scalar, ...], row: Row) -> None:
        """Add a finished cell.

        Raises
        ------
        OSError
            The disk is full, or the folder is gone. Earlier rows stay.
        """
        line = _Line(key.hex(), replica, shown, row)
        text = json.dumps([line.cell, replica, shown, row]).encode() + b"\n"
        try:
            self.note(text)
        except OSError as error:
            said = f"{error.strerror}; earlier cells are kept"
            raise OSError(error.errno, said, str(self.folder)) from error
        self.rows[line.id] = row
        self.lines.append(line)
        if len(self.lines) >= ROWS:
            self.compact()

    def note(self, text: bytes) -> None:
        """Append a line to the journal, or leave it as it was."""
        written = os.write(self.journal, text)
        if written < len(text):
            os.ftruncate(self.journal, os.fstat(self.journal).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if time.monotonic() >= self.synced + SYNC:
            os.fdatasync(self.journal)
            self.synced = time.monotonic()

    def compact(self) -> None:
        """Make a part of the journal."""
        self.write(self.lines)
        os.ftruncate(self.journal, 0)
        self.lines = []

    def write(self, lines: Sequence[_Line]) -> None:
        """Write parts, the last of which may be small."""
        for first in range(0, len(lines), ROWS):
            self.number += 1
            write_part(self.folder / f"part-{self.number:06d}.parquet", lines[first : first + ROWS], self.names)
        folder = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # the names of parts, before their rows leave the journal
        finally:
            os.close(folder)

    def close(self) -> None:
        """Make a part of the journal, and delete it."""
        if self.journal < 0:
            return
        try:
            if self.lines:
                self.compact()
            (self.folder / JOURNAL).unlink(missing_ok=True)
        finally:
            os.close(self.journal)
            self.journal = -1


# -------------------------------------------------------------------------------------------------------------- parts


def parts(folder: Path) -> list[tuple[int, Path]]:
    """The parts by number, in order."""
    found = [(_PART.fullmatch(path.name), path) for path in folder.iterdir()]
    return sorted((int(match[1]), path) for match, path in found if match is not None)


def write_part(path: Path, lines: Sequence[_Line], names: tuple[str, ...]) -> None:
    """Write rows as a file of Parquet, whole or not at all."""
    pa, parquet = library("pyarrow"), library("pyarrow.parquet")
    columns: dict[str, list[Scalar]] = {name: [line.shown[p] for line in lines] for p, name in enumerate(names)}
    columns["replica"] = [line.replica for line in lines]
    results = list(dict.fromkeys(name for line in lines for name in line.row.names))
    found = [dict(zip(line.row.names, line.row.values, strict=True)) for line in lines]
    columns |= {name: [row.get(name) for row in found] for name in results}
    columns["seconds"] = [line.row.seconds for line in lines]
    columns["error"] = [line.row.error or None for line in lines]
    columns["cell"] = [line.cell for line in lines]
    types = {name: {type(value) for value in values if value is not None} for name, values in columns.items()}
    arrays = {name: _array(pa, name, values, types[name]) for name, values in columns.items()}
    whole = [name for name, found_types in types.items() if found_types == {int}]
    exact = [name for name, found_types in types.items() if len(found_types) > 1]
    exact += [name for name in whole if any(abs(value or 0) > 2**53 for value in columns[name])]  # type: ignore[arg-type]
    held = [json.dumps(line.row.names) for line in lines]  # which results a row has: an empty place may also be None
    more = {"whole": whole, "exact": {name: columns[name] for name in exact}}  # what the types of columns do not say
    about = {"format": FORMAT, "results": _runs(held), **more}
    table = pa.table(arrays).replace_schema_metadata({b"tmfcore": json.dumps(about).encode()})
    with files.replacing(path) as file:
        parquet.write_table(table, file)


def read_part(path: Path, names: tuple[str, ...]) -> list[_Line]:
    """The rows of a part."""
    parquet = library("pyarrow.parquet")
    with disk.opened(path, WANTED) as file, files.reading(path, WANTED):
        table = parquet.read_table(file)
        about = json.loads(table.schema.metadata[b"tmfcore"])
        held: list[tuple[str, ...]] = []
        for text, n in about["results"]:
            if not 0 < n <= table.num_rows - len(held):
                raise ValueError("more results than rows")
            held += [tuple(json.loads(text))] * n
        columns = table.to_pydict()
        for name in about["whole"]:
            columns[name] = [None if value is None else int(value) for value in columns[name]]
        columns |= about["exact"]
        results = {name: values for name, values in columns.items() if name not in names and name not in RESERVED}
        shown = zip(*(columns[name] for name in names), strict=True)
        plain = zip(columns["cell"], columns["replica"], shown, columns["seconds"], columns["error"], held, strict=True)
        return [
            _checked(cell, replica, own, (has, tuple(results[name][i] for name in has), seconds, error or ""))
            for i, (cell, replica, own, seconds, error, has) in enumerate(plain)
        ]


def _array(pa: Any, name: str, values: list[Scalar], types: set[type]) -> Any:
    """Values as a column of Parquet; None is an empty place.

    A column has one type, and should have the same one in all parts, or other tools could not read them as one table:
    so numbers are float64, whole or not.
    """
    if name == "replica":
        return pa.array(values, pa.int64())
    if name == "error" or str in types:
        return pa.array([None if value is None else word(value) for value in values], pa.string())
    if types == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([None if value is None else float(value) for value in values], pa.float64())


def _runs(values: Sequence[str]) -> list[tuple[str, int]]:
    """Values as (value, number of repetitions)."""
    found: list[tuple[str, int]] = []
    for value in values:
        if found and found[-1][0] == value:
            found[-1] = (value, found[-1][1] + 1)
        else:
            found.append((value, 1))
    return found


# ------------------------------------------------------------------------------------------------------------ journal


def _journal(path: Path, names: tuple[str, ...]) -> list[_Line]:
    """The rows of a journal; what was cut short at its end is left out."""
    try:
        with disk.opened(path, WANTED) as file:
            texts = file.read().split(b"\n")
    except disk.MissingFileError:
        return []
    found: list[_Line] = []
    with files.reading(path, WANTED):
        for i, text in enumerate(texts[:-1]):  # the last one has no end
            try:
                cell, replica, shown, row = json.loads(text)
                if len(shown) != len(names):
                    raise ValueError("of other parameters")
                found.append(_checked(cell, replica, tuple(shown), (tuple(row[0]), tuple(row[1]), row[2], row[3])))
            except (ValueError, TypeError, IndexError):
                if any(later.startswith(b"[") for later in texts[i + 1 :]):
                    raise
                break  # of a machine that stopped
    return found


def _checked(cell: Any, replica: Any, shown: tuple[Any, ...], row: tuple[Any, ...]) -> _Line:
    """A row that was read."""
    names, values, seconds, error = row
    if len(bytes.fromhex(cell)) != 16 or type(replica) is not int or not 0 <= replica < 2**32:
        raise ValueError("not the id of a row")
    if len(names) != len(values) or not isinstance(error, str) or not all(isinstance(name, str) for name in names):
        raise ValueError("not a row")
    return _Line(cell, replica, shown, Row(names, values, float(seconds), error))


# --------------------------------------------------------------------------------------------------------- belonging


_LOCKED: set[int] = set()  # descriptors of the locks of this process


def _after_fork() -> None:
    """Close the locks in a process that was forked: a worker that outlives its sweep must not keep the store locked."""
    for descriptor in _LOCKED:
        os.close(descriptor)
    _LOCKED.clear()


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder, for this process alone; on a file system without locks nobody is kept out."""
    descriptor = os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    _LOCKED.add(descriptor)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockingIOError(error.errno, "another sweep writes to this store", str(folder)) from None
        except OSError:
            pass
        yield
    finally:
        if descriptor in _LOCKED:  # not in a process that was forked meanwhile
            _LOCKED.remove(descriptor)
            os.close(descriptor)


def _check_task(folder: Path, task: Mapping[str, Any]) -> None:
    """Write what a new store belongs to, or raise a FileError that says in what an old one differs."""
    from importlib.metadata import version

    path = folder / ABOUT
    own = {"format": FORMAT, "tmfcore": version("tmfcore"), **task}
    begin = "give another folder, or delete it"
    if not path.exists():
        if parts(folder):
            raise files.FileError(f"{os.fspath(folder)!r} has parts and no {ABOUT}; must be {WANTED}, whole: {begin}")
        with files.replacing(path) as file:
            file.write((json.dumps(own, indent=1, default=str) + "\n").encode())
        return
    text = disk.text_of(path, WANTED)
    with files.reading(path, WANTED):
        found = dict(json.loads(text))
        differ = [name for name in {**found, **own} if _entry(found, name) != _entry(own, name)]
    if differ:
        said = "; ".join(
            f"{say.short(name)} was {say.short(_entry(found, name))}, is {say.short(_entry(own, name))}"
            for name in differ
        )
        raise files.FileError(f"{os.fspath(folder)!r} is the store of another sweep ({said}): {begin}")


def _entry(task: Mapping[str, Any], name: str) -> str:
    """An entry of a task, as text."""
    return json.dumps(task[name], sort_keys=True, default=str) if name in task else "not given"
