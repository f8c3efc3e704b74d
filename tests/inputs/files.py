"""Damaged files for every `load`: what comes of one is a FileError that names the file, or what was saved, to the bit.

Cut short, bytes flipped, blocks of zeros, a member of another file, arrays of another shape or type in a zip whose own
sums are right, a header of another version or without a key, compressed, another kind, not a zip at all.
"""

import io
import json
import random
import zipfile
from functools import partial

import numpy as np

import tmfcore as tmf

from .things import RESULTS, folder, saved

KINDS = (
    "tmfcore.Flow", "tmfcore.Simulation", "tmfcore.Solution", "tmfcore.analysis.Convergence", "tmfcore.TabularPolicy",
    "tmfcore.analysis.Bound", "tmfcore.Fit", "tmfcore.solvers.Tuning",
)  # fmt: skip


def trials(count, seed):
    """`count` pairs of a label and a function that says what leaked, or None."""
    rng = random.Random(seed)
    path = folder() / "damaged.npz"
    originals = {kind: saved(kind).read_bytes() for kind in KINDS}
    for _ in range(count):
        kind = rng.choice(sorted(KINDS))
        damage = rng.choice(DAMAGES)
        path.write_bytes(damage(originals[kind], rng, originals))
        yield f"{kind}.load({damage.__name__})", partial(judged, kind, path)


def judged(kind, path):
    """What leaked when a damaged file was loaded, or None."""
    try:
        found = type(RESULTS[kind]()).load(path)
    except tmf.FileError as error:
        return None if str(path) in str(error) else f"the file is not named: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    again = path.with_name("again.npz")
    found.save(again)
    return None if content(again) == content(saved(kind)) else "loaded, with another content"


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
        lambda: array.astype(np.float32) if array.dtype.kind == "f" else array + 1, lambda: array[..., np.newaxis],
        lambda: array[:0] if array.ndim else array + 1, lambda: np.array(["a"]), lambda: array.astype(complex),
        lambda: np.zeros(array.shape, bool), lambda: np.nextafter(array.astype(float), 9.0),
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


DAMAGES = (
    flipped, flipped_in_directory, cut, beheaded, zeroed, spliced, another_kind, foreign, compressed, member_missing,
    member_of_another, array_replaced, header_changed, claims_too_much, pickled,
)  # fmt: skip
