"""A library's log, line by line, for libraries that hand their lines to us."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

WriteLines = Callable[[Iterable[str]], None]


@contextlib.contextmanager
def solver_log(file: Path | None) -> Iterator[WriteLines | None]:
    """A function that appends lines to the file at once, or None without a file.

    It is called from within a library, which an exception would harm: what a full disk does not take is lost.
    """
    if file is None:
        yield None
        return
    with file.open("a", encoding="utf-8", buffering=1) as stream:  # what a killed run told is kept

        def write(lines: Iterable[str]) -> None:
            with contextlib.suppress(OSError):
                for line in lines:
                    stream.write(f"{line}\n")

        yield write
