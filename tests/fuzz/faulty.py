"""Readers at fault, each in its own way, to see that the harness tells."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from fuzz.reader import Reader

from slimbench.instances import InstanceError


def _foreign(path: Path) -> None:
    raise KeyError(path.name)


def _two_lines(path: Path) -> None:
    error = InstanceError("", "refused")
    error.args = ("one\ntwo",)
    raise error


def _warning(path: Path) -> None:
    warnings.warn("deprecated", DeprecationWarning, stacklevel=1)


def _refusal(path: Path) -> None:
    raise InstanceError("", f"has {path.stat().st_size} bytes", path)


def _crash_at_two(path: Path) -> None:
    if path.read_bytes() == b"2":
        os.abort()


def _hang_at_two(path: Path) -> None:
    if path.read_bytes() == b"2":
        time.sleep(3600)


def _reader(read: Callable[[Path], object]) -> Reader:
    numbers = iter(range(10))
    return Reader("fuzzed.txt", lambda rng: str(next(numbers)).encode(), read)


def faulty_readers() -> Mapping[str, Reader]:
    """Readers at fault, and two that are not."""
    reads = {
        "foreign": _foreign,
        "two-lines": _two_lines,
        "warning": _warning,
        "refusal": _refusal,
        "crash": _crash_at_two,
        "hang": _hang_at_two,
        "fine": Path.read_bytes,
    }
    return {name: _reader(read) for name, read in reads.items()}
