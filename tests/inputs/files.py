"""Damaged files for every `load`: what comes of one is a FileError that names the file, or what was saved, to the bit.

Cut short, bytes flipped, blocks of zeros, a member of another file, arrays of another shape or type in a zip whose own
sums are right, a header of another version or without a key, compressed, another kind, not a zip at all, not a file at
all. Damages that end with `resealed` have a right checksum, as one who means harm would make it: they may load, if they
still make sense. No file may take more than 64 MB of memory.
"""

import io
import json
import os
import random
import struct
import zipfile
from functools import cache, partial

import numpy as np

import tmfcore as tmf
from tmfcore._base import files

from .judge import within
from .things import RESULTS, folder, game, kept_population, saved

KINDS = (
    "tmfcore.Flow", "tmfcore.Simulation", "tmfcore.Solution", "tmfcore.analysis.Convergence", "tmfcore.TabularPolicy",
    "tmfcore.analysis.Bound", "tmfcore.learn.Fit", "tmfcore.solvers.Tuning", "tmfcore.SoftmaxPolicy", "tmfcore.NoiseExploitability",
    "tmfcore.games.UserEquilibrium", "tmfcore.Population",
)  # fmt: skip
MEMORY = 64 << 20


@cache
def original(kind):
    """What was saved, and its bytes."""
    if kind == "tmfcore.Population":
        return None, kept_population().read_bytes()
    return RESULTS[kind](), saved(kind).read_bytes()


def trials(count, seed):
    """`count` pairs of a label and a function that says what leaked, or None; each has its own seed."""
    others = {kind: original(kind)[1] for kind in KINDS}
    for i in range(count):
        rng = random.Random(f"{seed} {i}")
        kind, damage = rng.choice(KINDS), rng.choice(DAMAGES)
        yield f"{kind}.load({damage.__name__}, {i})", partial(judged, kind, damage, rng, others)


def judged(kind, damage, rng, others):
    """What leaked when a damaged file was loaded, or None."""
    path = folder() / "damaged.npz"
    path.unlink(missing_ok=True)
    with np.errstate(all="ignore"):
        found = damage(others[kind], rng, others)
    if isinstance(found, bytes):
        path.write_bytes(found)
    else:
        found(path)
    first = original(kind)[0]
    try:
        with within(MEMORY):
            if first is None:
                loaded = tmf.Population.load(path, game(), tmf.Fraction(0.5))
            else:
                loaded = type(first).load(path)
    except tmf.FileError as error:
        return None if str(path) in str(error) else f"the file is not named: {error}"
    except Exception as error:
        if first is None and damage in RESEALED and str(error).startswith("path "):
            return None  # of another game, which its fingerprint says
        return f"{type(error).__name__}: {error}"
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
    if damage in RESEALED:
        return None
    if first is None:
        again = folder() / "again.npz"
        loaded.save(again)
        return None if content(again) == content(kept_population()) else "loaded, with another content"
    return None if loaded.equals(first) else "loaded, with another content"


def content(path):
    """Members of a zip without their times."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


# ------------------------------------------------------------------------------------------------------- damages


def flipped(data, rng, others):
    """Up to four bits are others."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flipped_in_directory(data, rng, others):
    """Bytes of the zip's own directory, at the end, are others."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(max(0, len(data) - 600), len(data))] = rng.randrange(256)
    return bytes(changed)


def cut(data, rng, others):
    return data[: rng.randrange(len(data))]


def beheaded(data, rng, others):
    return data[rng.randrange(1, len(data)) :]


def zeroed(data, rng, others):
    at, n = rng.randrange(len(data)), rng.randint(1, 512)
    return data[:at] + bytes(len(data[at : at + n])) + data[at + n :]


def spliced(data, rng, others):
    """The beginning of one file and the end of another."""
    other = others[rng.choice(sorted(others))]
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def another_kind(data, rng, others):
    return others[rng.choice(sorted(others))]


def foreign(data, rng, others):
    return rng.choice([b"", b"PK", b"not a zip", rng.randbytes(100), b"PK\x05\x06" + bytes(18), b"\x93NUMPY\x01\x00"])


def compressed(data, rng, others):
    return zipped(members(data), zipfile.ZIP_DEFLATED)


def member_missing(data, rng, others):
    parts = members(data)
    del parts[rng.choice(sorted(parts))]
    return zipped(parts)


def member_of_another(data, rng, others):
    parts, other = members(data), members(others[rng.choice(sorted(others))])
    parts[rng.choice(sorted(parts))] = other[rng.choice(sorted(other))]
    return zipped(parts)


def array_replaced(data, rng, others):
    """Another array under the same name, in a zip that is whole."""
    parts = members(data)
    name = rng.choice(sorted(name for name in parts if name != "header.npy"))
    array = np.lib.format.read_array(io.BytesIO(parts[name]))
    changes = [
        lambda: array.astype(np.float32) if array.dtype.kind == "f" else np.ones(7), lambda: array[..., np.newaxis],
        lambda: array[:0] if array.ndim else np.ones(3), lambda: np.array(["a"]), lambda: np.ones(array.shape, complex),
        lambda: np.zeros(array.shape, bool),
        lambda: np.nextafter(array.astype(float), 9.0) if array.dtype.kind in "fiu" else array[..., np.newaxis],
    ]  # fmt: skip
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(rng.choice(changes)()))
    return zipped(parts | {name: file.getvalue()})


def header_changed(data, rng, others):
    """A key of the header is missing or has another value; the checksum is as it was, or is left out."""
    parts = members(data)
    header = json.loads(np.lib.format.read_array(io.BytesIO(parts["header.npy"])).tobytes())
    key = rng.choice(sorted(header))
    if rng.random() < 0.4:
        del header[key]
    else:
        header[key] = rng.choice([None, 3, -1, "a", [], {}, 1.5, True, 10**30, "9.9"])
    if rng.random() < 0.3:
        header.pop("checksum", None)
    file = io.BytesIO()
    np.lib.format.write_array(file, np.frombuffer(json.dumps(header).encode(), np.uint8))
    return zipped(parts | {"header.npy": file.getvalue()})


def claims_too_much(data, rng, others):
    """An array whose header promises more than there is."""
    parts = members(data)
    name = rng.choice(sorted(parts))
    shape = rng.choice([(10**12,), (2**62, 2), (-1,), (10**5, 10**5), ()])
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return zipped(parts | {name: b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()})


def pickled(data, rng, others):
    """An array of objects, which only a pickle could hold."""
    parts = members(data)
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return zipped(parts | {rng.choice(sorted(parts)): file.getvalue()})


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(parts, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, part in parts.items():
            made.writestr(name, part)
    return file.getvalue()


def many_members(data, rng, others):
    """A list of members many times as long as the rest."""
    parts = members(data)
    return zipped(parts | {f"{i}.npy": b"" for i in range(rng.choice([100, 30_000]))})


def no_file(data, rng, others):
    """A folder, a pipe, links that lead nowhere, or nothing; what to do at the path."""
    return rng.choice([
        lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to(path.name), lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to("/dev/zero"), lambda path: None,
    ])  # fmt: skip


def strange_header(data, rng, others):
    """The header of an array is Python that is nested, endless, or of a type that is never saved."""
    parts = members(data)
    descr = rng.choice(["|O", "<f8", "<U0", "<U2000000000", "|V8", "<M8[s]", "|S1", [("a", "<f8")], "<f7"])
    text = rng.choice([
        "(" * 9000 + ")" * 9000, "-" * 9000 + "1", "[" * 200, f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': (1,), }}",
        "{'descr': '<f8', 'fortran_order': True, 'shape': (" + "1, " * 3000 + "), }", "{'descr': '<f8'}", "{" * 100, "\0" * 50, "",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000000000,), }",
    ]).encode() + b"\n"  # fmt: skip
    version, size = rng.choice([(b"\1\0", struct.pack("<H", len(text) % 65536)), (b"\2\0", struct.pack("<I", rng.choice([len(text), 2**32 - 1])))])
    return zipped(parts | {rng.choice(sorted(parts)): b"\x93NUMPY" + version + size + text + bytes(8)})


def bomb_in_the_header_resealed(data, rng, others):
    """JSON that takes many times its length."""
    _, header = unpacked(data)
    text = rng.choice(["[]," * 10**6, "[" * 10**5, "{\"a\":" * 10**5, "1," * 10**6, "\"\"," * 10**6, "9" * 10**6 + ","])
    raw = json.dumps(header)[:-1] + ", \"more\": [" + text + "0]}"
    return zipped(members(data) | {"header.npy": npy(np.frombuffer(raw.encode(), np.uint8))})


def array_changed_resealed(data, rng, others):
    """Other numbers, shapes or types, and the checksum that belongs to them."""
    arrays, header = unpacked(data)
    name = rng.choice(sorted(arrays) or [""])
    if name:
        array = np.array(arrays[name])
        if rng.random() < 0.5 and array.size and array.dtype.kind in "fiu":
            array = array.astype(rng.choice([np.float64, np.int64, np.float32, np.uint8, np.bool_])) if rng.random() < 0.3 else array
            values = [0, 1, -1, 3] if array.dtype.kind in "iub" else [np.nan, np.inf, -np.inf, -1.0, 1e308, 5e-324, 0.5]
            array.reshape(-1)[rng.randrange(array.size)] = rng.choice(values) if array.dtype.kind != "u" else 7
        else:
            array = rng.choice([
                array[..., None], array[:0] if array.ndim else array, np.concatenate([np.atleast_1d(array)] * 2), array.astype(str),
                np.zeros((0, 10**17)), np.frombuffer(b"\xff" * 16, "<U4"), np.zeros(3), np.array(1), array.T,
            ])  # fmt: skip
        arrays[name] = array
    return resealed(arrays, header)


def header_changed_resealed(data, rng, others):
    """An entry anywhere in the header has another value, or is gone."""
    arrays, header = unpacked(data)
    for _ in range(rng.randint(1, 3)):
        place, key = rng.choice(list(entries(header)))
        if rng.random() < 0.2:
            del place[key]
        else:
            place[key] = rng.choice([
                None, 0, 1, 3, -1, 2**31, 2**63, 10**30, 1e300, 0.5, True, "", "a", "Population", [], {}, [1], {"kind": "Flow"}, "\ud800",
                {"kind": "Homotopy", "state": {}}, {"kind": "TabularPolicy", "state": {}}, {"array": rng.choice(sorted(arrays) or ["x"]), "shape": []},
                {"array": rng.choice(sorted(arrays) or ["x"]), "shape": [rng.choice([1, 10**9, 10**18, -1])]}, {"tuple": [1]}, {"dict": [["a", 1]]},
                {"array": rng.choice(sorted(arrays) or ["x"]), "shape": [10**5, 10**5]}, {"objects": [[1], 2]}, float("nan"),
            ])  # fmt: skip
        if not list(entries(header)):
            break
    return resealed(arrays, header)


def entries(part):
    """Every place in nested lists and dicts, with its key."""
    for key, value in list(part.items() if isinstance(part, dict) else enumerate(part)):
        yield part, key
        if isinstance(value, (dict, list)):
            yield from entries(value)


def unpacked(data):
    """Arrays and header of a file."""
    arrays = {name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(part)) for name, part in members(data).items()}
    return arrays, json.loads(arrays.pop("header").tobytes())


def resealed(arrays, header):
    """The file of these, with the checksum that belongs to them."""
    header.pop("checksum", None)
    whole = json.loads(json.dumps(header))
    text = json.dumps({**whole, "checksum": files._checksum(arrays, whole)}).encode("utf-8", "surrogatepass")
    parts = {"header.npy": npy(np.frombuffer(text, np.uint8))}
    return zipped(parts | {f"{name}.npy": npy(array) for name, array in arrays.items()})


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array))
    return file.getvalue()


RESEALED = (bomb_in_the_header_resealed, array_changed_resealed, header_changed_resealed)
DAMAGES = (
    flipped, flipped_in_directory, cut, beheaded, zeroed, spliced, another_kind, foreign, compressed, member_missing,
    member_of_another, array_replaced, header_changed, claims_too_much, pickled, no_file, strange_header,
    *(array_changed_resealed, header_changed_resealed) * 4,
)  # fmt: skip
SLOW = (many_members, bomb_in_the_header_resealed)  # megabytes each
DAMAGES = DAMAGES * 40 + SLOW
