"""Open a results file: to write to it, or to read it without changing anything on disk."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

# What SQLite says of a file in WAL mode, or with a journal to roll back, in a folder it cannot write to.
_NEEDS_WRITING: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})
_LOGS: Final = ("-wal", "-journal")  # beside a file: transactions that it does not hold yet, or not any more
# What it says of a disk, or of others at work; of bugs of ours it says something else.
_FROM_OUTSIDE: Final = _NEEDS_WRITING | {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CORRUPT,
}  # fmt: skip


def is_from_outside(error: BaseException) -> bool:
    """Whether an error comes from the disk, or from others at work, and not from a statement."""
    return _primary_code(error) in _FROM_OUTSIDE


def _primary_code(error: BaseException) -> int:
    """The low byte of an extended code; 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def writable(path: Path) -> sqlite3.Connection:
    """Return a connection whose transactions are synced to disk and disturb no reader."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def snapshot(path: Path) -> sqlite3.Connection:
    """Return a copy in memory of the last state that was written as a whole.

    The file is opened read-only, or as immutable where its folder cannot be written, or copied if it has
    logs there. Writers are not blocked.

    Raises
    ------
    sqlite3.Error
        If it is not a SQLite file, or damaged.
    """
    try:
        return _in_memory(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if _primary_code(error) not in _NEEDS_WRITING:
            raise
    logs = [log for suffix in _LOGS if (log := path.with_name(path.name + suffix)).is_file()]
    if not any(log.stat().st_size for log in logs):
        return _in_memory(path, "mode=ro&immutable=1")
    with tempfile.TemporaryDirectory() as folder:
        for file in (path, *logs):
            shutil.copyfile(file, Path(folder, file.name))
        return _in_memory(Path(folder, path.name), "mode=rw")


def _in_memory(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)) as file:
        file.execute("BEGIN")  # or backup would try for ever to get at a locked file
        file.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
        copy = sqlite3.connect(":memory:", isolation_level=None)
        try:
            file.backup(copy)
        except BaseException:
            copy.close()
            raise
    return copy
