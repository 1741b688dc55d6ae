"""Read untrusted NumPy archives: named arrays of known types and shapes, never pickled."""

from __future__ import annotations

import io
import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from slimbench.instances.files.bounded import MAX_ARRAY_BYTES
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.validation import MAX_NAME

KINDS: Final = {"U": "text", "i": "integers", "f": "floating-point numbers"}
_MEMBERS: Final = 1000  # of a zip; each costs ten times its bytes in the file
_MEMBER_SIGNATURE: Final = b"PK\x01\x02"
_BYTES_PER_CHARACTER: Final = 4


class Header(NamedTuple):
    """What an array's file declares before its values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    nbytes: int


@dataclass(frozen=True)
class Archive:
    """An open archive; ``names`` are those of its arrays, ``others`` of its files that are no arrays."""

    file: zipfile.ZipFile
    names: frozenset[str]
    others: frozenset[str]

    def header(self, name: str, kind: str, dimensions: int) -> Header:
        """The header of an array, which must be of this kind.

        Raises
        ------
        InstanceError
            If the array is of another kind, or its file longer or shorter than it declares.
        """
        info = self.file.getinfo(f"{name}.npy")
        with self.file.open(info) as file:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(file)
            start = file.tell()
        size = math.prod(shape)
        same_kind = dtype.kind == kind or (kind == "i" and dtype.kind == "u") or not size
        if not same_kind or dtype.hasobject:
            raise InstanceError(name, f"has {dtype} values, expected {KINDS[kind]}")
        if len(shape) != dimensions:
            raise InstanceError(name, f"has {len(shape)} dimensions, expected {dimensions}")
        if dtype.kind == "U" and dtype.itemsize > _BYTES_PER_CHARACTER * MAX_NAME:
            raise InstanceError(
                name, f"has texts of {dtype.itemsize // _BYTES_PER_CHARACTER} characters, expected {MAX_NAME}"
            )
        nbytes = size * dtype.itemsize
        if start + nbytes != info.file_size:
            raise InstanceError(name, f"has {info.file_size - start} bytes, expected {nbytes} for {shape}")
        return Header(shape, dtype, nbytes)

    def array(self, name: str) -> npt.NDArray[Any]:
        """The array itself; its header is to be looked at before."""
        with self.file.open(f"{name}.npy") as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


@contextmanager
def opened_archive(content: bytes) -> Iterator[Archive]:
    """Open an archive; whatever its damage raises becomes an ``InstanceError``.

    Raises
    ------
    InstanceError
        If it is not a NumPy archive.
    """
    try:
        if content.count(_MEMBER_SIGNATURE) > _MEMBERS:
            raise InstanceError("", f"has more than {_MEMBERS} arrays")
        with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(content)) as file:
            warnings.simplefilter("error")  # NumPy warns of headers that it mends
            members = file.namelist()
            if len(set(members)) < len(members):
                raise InstanceError("", "has two arrays of one name, expected different names")
            arrays = {name.removesuffix(".npy") for name in members if name.endswith(".npy")}
            others = {name for name in members if not name.endswith(".npy")}
            yield Archive(file, frozenset(arrays), frozenset(others))
    except InstanceError:
        raise
    except Exception as error:  # zipfile, zlib, tokenize and NumPy each have their own for a damaged archive
        raise InstanceError("", f"is not a readable NumPy archive ({error})") from error


def refuse_large(headers: Mapping[str, Header]) -> None:
    """Refuse arrays that would take too much memory together."""
    total = sum(header.nbytes for header in headers.values())
    if total > MAX_ARRAY_BYTES:
        largest = max(headers, key=lambda name: headers[name].nbytes)
        raise InstanceError(
            largest, f"and the others have {total} bytes, expected at most {MAX_ARRAY_BYTES} together"
        )
