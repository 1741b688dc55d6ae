"""Read and write instance and placement files, in the format that their name asks for."""

from __future__ import annotations

import contextlib
import gzip
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from slimbench.instances.files import json_format, npz_format
from slimbench.instances.files.bounded import MAX_ARRAY_BYTES, MAX_TEXT_BYTES, read_content
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Instance
from slimbench.instances.problem.placement import Placement

SUFFIXES = (".json", ".json.gz", ".npz")


def read_instance(path: str | os.PathLike[str]) -> Instance:
    """Read an instance from ``.json``, ``.json.gz`` or ``.npz``.

    Raises
    ------
    InstanceError
        If the file is missing or not a valid instance; the message is ``file: field: problem``.
    """
    path = Path(path)
    with naming_file(path):
        if _suffix(path) == ".npz":
            return npz_format.decode_instance(read_content(path, MAX_ARRAY_BYTES))
        return json_format.decode_instance(read_content(path, MAX_TEXT_BYTES))


def write_instance(instance: Instance, path: str | os.PathLike[str]) -> None:
    """Write an instance in the format that the file name asks for; the same instance gives the same bytes."""
    path = Path(path)
    with naming_file(path):
        if _suffix(path) == ".npz":
            write_atomically(path, npz_format.encode_instance(instance))
        else:
            content = json_format.encode_instance(instance)
            if len(content) > MAX_TEXT_BYTES:
                raise InstanceError(
                    "", f"would have {len(content)} bytes of JSON, expected at most {MAX_TEXT_BYTES}, or .npz"
                )
            write_atomically(path, _packed(path, content))


def read_placement(path: str | os.PathLike[str], instance: Instance) -> Placement:
    """Read a placement of ``instance`` from ``.json`` or ``.json.gz``.

    Raises
    ------
    InstanceError
        If the file is missing, not a valid placement, or names what ``instance`` does not have.
    """
    path = Path(path)
    with naming_file(path):
        _refuse_npz(path)
        return json_format.decode_placement(read_content(path, MAX_TEXT_BYTES), instance)


def write_placement(placement: Placement, instance: Instance, path: str | os.PathLike[str]) -> None:
    """Write a placement as ``.json`` or ``.json.gz``."""
    path = Path(path)
    with naming_file(path):
        _refuse_npz(path)
        write_atomically(path, _packed(path, json_format.encode_placement(placement, instance)))


@contextlib.contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Turn the faults of reading or writing ``path`` into an ``InstanceError`` that names it."""
    try:
        yield
    except InstanceError as error:
        raise (error if error.file else error.in_file(path)) from None
    except OSError as error:
        raise InstanceError("", error.strerror or str(error), path) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content`` so that a reader, or a crash, sees the old file or the new one."""
    with replacing(path) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file, which becomes ``path`` when all is written; after a fault there is none, or the old one."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    file = temporary.open("xb")  # with the permissions of any new file, which mkstemp does not give
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _suffix(path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            return suffix
    raise InstanceError("", f"has an unknown file type, expected {', '.join(SUFFIXES)}")


def _refuse_npz(path: Path) -> None:
    if _suffix(path) == ".npz":
        raise InstanceError("", "has an unknown file type for a placement, expected .json or .json.gz")


def _packed(path: Path, content: bytes) -> bytes:
    return gzip.compress(content, mtime=0) if path.name.endswith(".gz") else content
