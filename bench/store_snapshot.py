"""Read a results file without changing anything on disk, also where nothing can be written."""

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


def snapshot(path: Path) -> sqlite3.Connection:
    """Return a copy in memory of the last state that was written as a whole.

    The file is opened read-only; where its folder cannot be written it is opened as immutable, or copied
    with its logs if there are any. Who writes to it meanwhile neither waits nor is seen.

    Raises
    ------
    sqlite3.Error
        If it is not a SQLite file, or damaged.
    """
    try:
        return _in_memory(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NEEDS_WRITING:  # the low byte of an extended code
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
