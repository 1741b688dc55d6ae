"""Run folders: make one, find the latest of a suite, lock it, and find its instance files."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

from slimbench.bench.store.check import stays_inside
from slimbench.bench.store.store import FILE_NAME, StoreError

LOCK_NAME: Final = "running.lock"
INSTANCES: Final = "instances"  # folder of the instance files


def instance_file(folder: Path, name: str) -> Path:
    """The instance file of a run folder that a row names, such as ``instances/0123456789abcdef.npz``.

    Raises
    ------
    StoreError
        If the name, or a link, leads out of the folder.
    """
    path, home, parts = folder / name, (folder / INSTANCES).resolve(), PurePosixPath(name).parts
    is_plain = stays_inside(name) and len(parts) == 2 and parts[0] == INSTANCES
    if not (is_plain and home.parent == folder.resolve() and path.resolve().parent == home):
        raise StoreError(f"{folder}: instances.file: is {name!r}, expected a file in instances")
    return path


def new_folder(parent: Path, name: str) -> Path:
    """Make ``parent/NAME-TIME`` (UTC), with a number behind it if that is there already.

    Raises
    ------
    StoreError
        If it cannot be made.
    """
    folder = first = parent / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(2):
            try:
                folder.mkdir()
                break
            except FileExistsError:  # another process started in the same second
                folder = first.with_name(f"{first.name}-{number}")
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made a run folder ({error.strerror})") from None
    return folder


def latest_run(parent: Path, suite: str) -> Path:
    """The folder that ``new_folder`` made for a suite and whose results were written last.

    Raises
    ------
    StoreError
        If there is none.
    """
    name = re.compile(rf"{re.escape(suite)}-\d{{8}}-\d{{6}}(-\d+)?")
    found = [path for path in parent.glob(f"*/{FILE_NAME}") if name.fullmatch(path.parent.name)]
    if not found:
        raise StoreError(f"{parent}: has no run of suite {suite}, expected --out with the folder to resume")
    return max(found, key=_written).parent


def _written(results: Path) -> float:
    """When a results file was last written; until it is closed its last transactions lie beside it."""
    log = results.with_name(f"{results.name}-wal")
    return max(path.stat().st_mtime for path in (results, log) if path.exists())


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """Hold the run folder: only one process at a time may carry its plan out.

    The lock is the system's own and goes with the process, however that ends.

    Raises
    ------
    StoreError
        If another process holds it, or it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context((folder / LOCK_NAME).open("a+", encoding="utf-8"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StoreError(
                f"{folder}: is being run by {lock.read().strip() or 'another process'}"
            ) from None
        except OSError as error:
            raise StoreError(f"{folder / LOCK_NAME}: cannot be written ({error.strerror})") from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        lock.flush()
        yield
