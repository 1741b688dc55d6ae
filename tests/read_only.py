"""A folder that may only be read, for root too: what a chmod forbids, root may do by a right of its own."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION = 0x20080522  # of the structures below, linux/capability.h
_EVERY_FILE = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Nobody may write to the folder or what is in it meanwhile, as on a disk mounted to be read."""
    paths = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        with _as_anybody():
            yield folder
    finally:
        for path, mode in paths.items():
            path.chmod(mode)


@contextmanager
def _as_anybody() -> Iterator[None]:
    """Take from this thread the right to write to every file, if it has that."""
    if os.getuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, held, kept = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    for rights in (held, kept):
        assert libc.capget(header, rights) == 0
    kept[0] &= ~_EVERY_FILE  # of those in effect, the first word
    assert libc.capset(header, kept) == 0
    try:
        yield
    finally:
        assert libc.capset(header, held) == 0
