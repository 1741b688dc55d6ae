"""Check that an untrusted results file is a sound SQLite file with our tables and nothing else.

SQLite runs views and computed columns when they are read, and trusts page numbers in the file; so all of that
is looked at before a row is used. The cells themselves are those of ``slimbench.bench.store.cells``.
"""

from __future__ import annotations

import sqlite3
from pathlib import PurePosixPath
from typing import Any, Final

from slimbench.bench.store.schema import SCHEMAS, empty_tables
from slimbench.instances.problem import errors

MAX_CELL_BYTES: Final = 2**27
MAX_FILE_NAME: Final = 255
MAX_SHOWN: Final = 80  # characters of a value in a message
# What SQLite raises on a damaged file; of a row that lies about its length it says that memory is out.
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError, MemoryError)


def file_problem(connection: sqlite3.Connection) -> str | None:
    """Return why a file is not one of ours, or None: its version and tables, then its pages.

    Raises
    ------
    UNREADABLE
        If it is not a SQLite file, or damaged.
    """
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    with empty_tables() as expected:
        found, ours = _statements(connection), _statements(expected)
    # the table of the version is the same in all versions
    if [row for row in found if row[1] == "meta"] != [row for row in ours if row[1] == "meta"]:
        return "is not a results file, expected a table meta"
    written = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    version = written[0] if written else None
    if not isinstance(version, str) or version not in SCHEMAS:
        return f"schema_version: is {shown(version)}, expected {' or '.join(SCHEMAS)}"
    with empty_tables(version) as expected:
        if found != _statements(expected):
            return f"has other tables than those of version {version}"
    if (damage := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        return f"is damaged ({' '.join(damage.split())})"
    return None


def stays_inside(name: str) -> bool:
    """Whether a file name is plain and cannot lead out of its folder by itself."""
    path = PurePosixPath(name)
    plain = 0 < len(name) <= MAX_FILE_NAME and name.isprintable()
    return plain and not path.is_absolute() and ".." not in path.parts


def one_line(error: Exception) -> str:
    """What the library says, in one printable line: it quotes the file."""
    line = " ".join(str(error).split()) or type(error).__name__
    return shown(line if line.isprintable() else repr(line))


def shown(value: object) -> str:
    """The text of a value that a file holds, or the beginning of a long one, in printable characters."""
    text = str(value)
    return errors.one_line(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]} ...")


def _statements(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    return sorted(rows, key=repr)
