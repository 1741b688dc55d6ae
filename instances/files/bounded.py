"""Read untrusted files, compressed or not, up to a size limit."""

from __future__ import annotations

import codecs
import gzip
import stat
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

from slimbench.instances.problem.errors import InstanceError

MAX_TEXT_BYTES: Final = 2**28  # of a JSON document; as objects it takes up to twenty times that
MAX_ARRAY_BYTES: Final = 2**31  # of all arrays of an npz together
MAX_LINE_BYTES: Final = 2**20
MAX_TRACE_ROWS: Final = 10**9  # none is kept: they cost time, not memory
MAX_TRACE_BYTES: Final = 2**36  # unpacked; the same
_CHUNK: Final = 2**20


def read_content(path: Path, limit: int) -> bytes:
    """Content of a file, unpacked when its name ends in ``.gz``, without the byte-order mark of a text.

    Raises
    ------
    InstanceError
        If it is longer than ``limit``, not a complete gzip file, or not a regular file.
    OSError
        If it cannot be read.
    """
    chunks = []
    left = limit
    with _opened(path) as file:
        while chunk := file.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise InstanceError("", _too_long(path, limit))
            chunks.append(chunk)
    return b"".join(chunks).removeprefix(codecs.BOM_UTF8)


def read_lines(path: Path, limit: int) -> Generator[str, None, None]:
    """UTF-8 lines of a file with their ends, unpacked when its name ends in ``.gz``; none is kept.

    A byte-order mark, as spreadsheets write it, is no part of the first line.

    Who does not read to the end closes the generator, and with it the file.

    Raises
    ------
    InstanceError
        If a line is longer than ``MAX_LINE_BYTES``, the whole longer than ``limit`` bytes, or it is not text;
        or as ``read_content`` does.
    OSError
        If it cannot be read.
    """
    number, left = 0, limit
    with _opened(path) as file:
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            left -= len(line)
            if len(line) > MAX_LINE_BYTES:
                raise InstanceError(f"line {number}", f"is longer than {MAX_LINE_BYTES} bytes")
            if left < 0:
                raise InstanceError("", _too_long(path, limit))
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InstanceError(f"line {number}", f"is not UTF-8 text ({error.reason})") from None


def refuse_irregular(path: Path) -> None:
    """Refuse what may not be opened: a pipe would be waited for. Opening a folder fails by itself.

    Raises
    ------
    InstanceError
        If it is neither a file nor a folder, or its name has a NUL.
    OSError
        If there is nothing.
    """
    if "\0" in str(path):
        raise InstanceError("", "has a NUL in its name, expected the name of a file")
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InstanceError("", "is not a regular file")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    refuse_irregular(path)
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            with path.open("rb") as plain:
                yield plain
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the file system, not of gzip
            raise
        raise InstanceError("", f"is not a complete gzip file ({error})") from None


def _too_long(path: Path, limit: int) -> str:
    unpacked = " when unpacked" if path.suffix == ".gz" else ""
    return f"has more than {limit} bytes{unpacked}, expected at most that"
