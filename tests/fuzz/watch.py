"""One input after another through a reader, each watched: its outcome, its seconds, its memory."""

from __future__ import annotations

import re
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fuzz.reader import Reader

SLOWEST_S = 5.0  # of any input
LARGEST_BYTES = 2**31  # of the whole process
LONGEST_MESSAGE = 2000  # characters; it may quote a path and what the file says
_KINDS = 10_000
_SHARED_MEMORY = Path("/dev/shm")
MEMORY = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None  # for files that are synced, input after input


@dataclass
class Tally:
    """What became of the inputs of a reader.

    Attributes
    ----------
    kinds : set of str
        The refusals, their numbers and names left out: how far into the reader the inputs get.
    slowest, growth : (float, int)
        Seconds and bytes, and the number of the input.
    """

    inputs: int = 0
    accepted: int = 0
    kinds: set[str] = field(default_factory=set)
    slowest: tuple[float, int] = (0.0, -1)
    growth: tuple[int, int] = (0, -1)
    peak_bytes: int = 0

    def add(self, other: Tally) -> None:
        """Take in what another process counted."""
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.kinds |= other.kinds
        self.slowest = max(self.slowest, other.slowest)
        self.growth = max(self.growth, other.growth)
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


def content_of(reader: Reader, name: str, seed: int, number: int) -> bytes:
    """The bytes of one input, the same for the same seed and number."""
    return reader.changed(Random(f"{seed}/{name}/{number}"))


def watched(
    reader: Reader,
    name: str,
    seed: int,
    numbers: Iterable[int],
    folder: Path,
    begin: Callable[[int], None],
    tell: Callable[[int, str], None],
) -> Tally:
    """Give a reader one input after another.

    Parameters
    ----------
    folder : Path
        Where the inputs are written, all under one name.
    begin : function of a number
        Called before the reader has that input.
    tell : function of a number and a fault
        Called for every fault.
    """
    tally = Tally()
    path = folder / reader.file
    for number in numbers:
        path.write_bytes(content_of(reader, name, seed, number))
        begin(number)
        before, start = peak_bytes(), time.perf_counter()
        fault, refusal = outcome(reader, path)
        seconds, after = time.perf_counter() - start, peak_bytes()
        if seconds > SLOWEST_S:  # once more, as the machine may have been busy with something else
            start = time.perf_counter()
            outcome(reader, path)
            seconds = min(seconds, time.perf_counter() - start)
        if fault is None and seconds > SLOWEST_S:
            fault = f"took {seconds:.1f} s, expected at most {SLOWEST_S:g} s"
        if fault is None and after > max(before, LARGEST_BYTES):
            fault = f"took the process to {after} bytes, expected at most {LARGEST_BYTES}"
        if fault is not None:
            tell(number, fault)
        tally.inputs += 1
        tally.accepted += refusal is None and fault is None
        if refusal is not None and len(tally.kinds) < _KINDS:
            tally.kinds.add(re.sub(r"'.*'|[\d.]+", "_", refusal.replace(str(path), "")))
        tally.slowest = max(tally.slowest, (seconds, number))
        tally.growth = max(tally.growth, (after - before, number))
        tally.peak_bytes = after
    return tally


def outcome(reader: Reader, path: Path) -> tuple[str | None, str | None]:
    """Read a file: the reader's fault, and the line with which it refused; None where there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reader.read(path)
    except reader.errors as error:
        line = str(error)
        if not line.isprintable() or not line:
            return f"refuses in something else than one printable line: {line!r}", line
        if len(line) > LONGEST_MESSAGE:
            return f"refuses in {len(line)} characters, expected at most {LONGEST_MESSAGE}", line
        return None, line
    except (Exception, SystemExit) as error:  # this is what is looked for
        return f"raises {type(error).__name__}: {str(error)[:500]}", None
    return None, None


def peak_bytes() -> int:
    """Most resident memory that this process ever had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
