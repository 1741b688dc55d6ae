"""Changed archives: NumPy arrays and gzip layers whose parts are whole, but not those that are expected."""

from __future__ import annotations

import gzip
import io
import pickle
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from fuzz.mutation import changed_bytes

TYPES = ["i8", ">i8", "i4", "u8", "i1", "f8", ">f8", "f4", "f2", "U3", "U2000", "S2", "?", "c16", "M8[s]",
         "V4", "O"]  # fmt: skip
SHAPES = ["()", "(0,)", "(1,)", "(2,)", "(3,)", "(2, 2, 1)", "(1099511627776,)",
          "(4294967296, 4294967296)", "(-1,)",
          "(268435456,)", "(" * 150 + ")" * 150, "(3", "('a',)", "(2.0,)", "(True,)",
          "(1, " * 30 + ")" * 30]  # fmt: skip
DESCRIPTIONS = ["'<f8'", "'<i8'", "'<U3'", "'<U1073741823'", "'|O'", "'<i3'", "[('a', '<i8')]",
                "('<i8', (2, 2))", "''",
                "None", "'<M8[s]'", "'|V2147483647'", "'\\d'", "'<f8" * 3]  # fmt: skip
ZIP_FRAGMENTS = [b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"\x93NUMPY", b"\x01\x00",
                 b"\xff" * 4,
                 b"format.npy", b".npy", b"\0" * 8, b"(3,)", b"'descr': '|O'", b"\x08\x00", b"\x0e\x00",
                 b"\x63\x00"]  # fmt: skip
GZIP_FRAGMENTS = [b"\x1f\x8b", b"\x1f\x8b\x08", b"\0" * 8, b"\xff" * 8, b"\x08\x04\xff\xff", b"\x08\x08"]


def changed_archive(rng: Random, arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """A zip with one to three arrays changed, added, renamed, doubled or left out; or its bytes changed."""
    members = [(f"{name}.npy", _npy(array)) for name, array in arrays.items()]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(members))
        name, content = members[at]
        match rng.randrange(10):
            case 0 | 1:
                members[at] = (name, _npy(_any_array(rng)))
            case 2 | 3:
                members[at] = (name, _npy(_changed_values(rng, arrays)))
            case 4:
                members[at] = (name, _changed_header(rng, content))
            case 5:
                members[at] = (name, changed_bytes(rng, content, ZIP_FRAGMENTS))
            case 6:
                members[at] = (
                    rng.choice(["a.npy", name[:-4], "../a.npy", name.upper(), members[0][0]]),
                    content,
                )
            case 7 if len(members) > 1:
                del members[at]
            case 8:
                members[at] = (name, rng.choice(members)[1])
            case _:
                members.append((f"extra-{at}.npy", pickle.dumps([at])))
    buffer = io.BytesIO()
    kinds = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    (kind,) = rng.choices(kinds, [60, 30, 9, 1])  # the last one is slow to write
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", kind) as file:
        warnings.simplefilter("ignore")  # two members of one name
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name), content, kind)  # of no date: equal seeds, equal bytes
    content = buffer.getvalue()
    return changed_bytes(rng, content, ZIP_FRAGMENTS) if rng.random() < 0.3 else content


def changed_gzip(rng: Random, content: bytes) -> bytes:
    """Gzip layers around content, with their bytes changed: twice, in members, cut off, with a tail."""
    level = rng.choice([0, 1, 9])
    match rng.randrange(6):
        case 0 | 1:
            return changed_bytes(rng, gzip.compress(content, level, mtime=0), GZIP_FRAGMENTS)
        case 2:
            return gzip.compress(gzip.compress(content, level, mtime=0), level, mtime=0)
        case 3:
            cut = rng.randint(0, len(content))
            return b"".join(gzip.compress(part, level, mtime=0) for part in (content[:cut], content[cut:]))
        case 4:
            return gzip.compress(content, level, mtime=0) + rng.choice(
                [b"\0", b"\0" * 100, b"x", *GZIP_FRAGMENTS]
            )
        case _:
            return rng.choice(
                [zlib.compress(content), content, gzip.compress(b" " * 10**6 + content, mtime=0)]
            )


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _any_array(rng: Random) -> npt.NDArray[Any]:
    kind = rng.choice(TYPES)
    shape = [rng.choice([0, 1, 1, 2, 3]) for _ in range(rng.randrange(4))]
    numbers = np.full(shape, rng.choice([0, 1, 2, -1, 100]), np.int64)
    if kind == "V4":
        return np.zeros(shape, "V4")
    return numbers.astype(kind)


def _changed_values(rng: Random, arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Some array with one of its values another, or with a row more or fewer."""
    array = arrays[rng.choice(list(arrays))].copy()
    if array.dtype.kind == "U":
        array = array.astype("U20")
        values: list[Any] = ["", "a", "edge-0", "serial", "a\0b", "\ud800", "é" * 20]
    elif array.dtype.kind == "f":
        values = [0.0, -0.0, -1.0, np.nan, np.inf, -np.inf, 5e-324, 1e308]
    else:
        values = [0, 1, -1, 2, 3, 2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**63)]
        array = array.astype(np.int64)
    if array.size and rng.random() < 0.7:
        array.flat[rng.randrange(array.size)] = rng.choice(values)
    elif array.ndim:
        array = np.concatenate([array, array[:1]]) if rng.random() < 0.5 else array[:-1]
    return array


def _changed_header(rng: Random, content: bytes) -> bytes:
    """A header that declares something else, of the right length and with the same values after it."""
    length = int.from_bytes(content[8:10], "little")
    header, values = content[10 : 10 + length].decode("latin1"), content[10 + length :]
    if rng.random() < 0.6:
        shape = rng.choice(SHAPES)
        header = re.sub(r"\(.*\)", lambda _: shape, header, count=1)
    else:
        description = rng.choice(DESCRIPTIONS)
        header = re.sub(r"'descr': [^,]*", lambda _: f"'descr': {description}", header, count=1)
    version = rng.choice([b"\x01\x00"] * 4 + [b"\x03\x00", b"\x09\x00"])
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header.encode("latin1") + values
