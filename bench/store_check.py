"""What a results file that nobody vouches for must be: our tables alone, each cell as its column says.

SQLite keeps any value in any column, runs views and computed columns when they are read, and trusts page
numbers in the file; so all of that is looked at before a row is used.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final, get_args

import msgspec

from slimbench.bench.messages import Status
from slimbench.instances import DISPATCHES, errors
from slimbench.instances.planning import Planning

MAX_CELL_BYTES: Final = 2**27
MAX_FILE_NAME: Final = 255
MAX_SHOWN: Final = 80  # characters of a value in a message
# What SQLite raises on a damaged file; of a row that lies about its length it says that memory is out.
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError, MemoryError)
SUBFOLDER: Final = "instances"  # of the run folder: where its instance files are

_AtLeastZero = Annotated[float, msgspec.Meta(ge=0)]
_JSON: Final[Mapping[str, Any]] = {
    "parameters": dict[str, Any],
    "figures": dict[str, Any],
    "facts": dict[str, str],
    "trajectory": list[tuple[_AtLeastZero, float | None, float | None]],
    "planning": Planning,
    "swept": dict[str, str | int | float],
}
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "role": frozenset({"reference", "cross-check", "measure"}),
    "dispatch": frozenset(DISPATCHES),
    "status": frozenset({"planned", *get_args(Status)}),
    "termination": frozenset({"none", "feasible", "optimal"}),
}
_FOUND_WITH: Final = (  # columns that a run has if it has something else
    ("machine_id", "status != 'planned'", "is finished"),
    ("latency_s", "saving_s IS NOT NULL", "has a saving"),
    ("latency_none_s", "saving_s IS NOT NULL", "has a saving"),
    ("planning", "planning_hash IS NOT NULL", "is planned on another instance"),
    ("planning_hash", "planning IS NOT NULL", "is planned on another instance"),
)
_TYPES: Final = {"INTEGER": (int, "an integer"), "REAL": (float, "a finite number"), "TEXT": (str, "text"),
                 "BLOB": (bytes, "bytes")}  # fmt: skip


def file_problem(connection: sqlite3.Connection, schemas: Mapping[str, str]) -> str | None:
    """Why a file is not one of ours, or None: its version and tables, then its pages, then every cell.

    Parameters
    ----------
    schemas : mapping from str to str
        By ``schema_version`` in ``meta``, the statements that make our tables, separated by semicolons; the
        last is ours. That of ``meta`` is for all versions.

    Raises
    ------
    UNREADABLE
        If it is not a SQLite file, or damaged.
    """
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    *_, current = schemas
    expected, found = _made_by(schemas[current]), _statements(connection)
    try:
        ours = _statements(expected)
        if [row for row in found if row[1] == "meta"] != [row for row in ours if row[1] == "meta"]:
            return "is not a results file, expected a table meta"
        written = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        version = written[0] if written else None
        if not isinstance(version, str) or version not in schemas:
            return f"schema_version: is {shown(version)}, expected {' or '.join(schemas)}"
        if version != current:
            expected.close()
            expected = _made_by(schemas[version])
        if found != _statements(expected):
            return f"has other tables than those of version {version}"
        if (damage := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            return f"is damaged ({' '.join(damage.split())})"
        for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            return f"{table}: has a row without its row in {parent}"
        for (table,) in expected.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            if problem := _table_problem(connection, table, expected):
                return problem
        for column, found_with, words in _FOUND_WITH:
            missing = f"SELECT run_id FROM runs WHERE {column} IS NULL AND {found_with}"  # noqa: S608
            for (run_id,) in connection.execute(missing):
                return f"runs.{column}: is missing in run {run_id}, which {words}"
    finally:
        expected.close()
    return None


def instance_file(folder: Path, name: str) -> Path | None:
    """The file of a run folder that a row names; None where the name leads out of the folder.

    Parameters
    ----------
    name : str
        Such as ``instances/0123456789abcdef.npz``.
    """
    parts = PurePosixPath(name).parts
    if not _stays_inside(name) or len(parts) != 2 or parts[0] != SUBFOLDER:
        return None
    path = folder / name
    home = (folder / SUBFOLDER).resolve()
    inside = home.parent == folder.resolve() and path.resolve().parent == home  # links lead out as well
    return path if inside else None


def _stays_inside(name: str) -> bool:
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


def _made_by(schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for statement in schema.split(";"):
        connection.execute(statement)
    return connection


def _statements(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    return sorted(rows, key=repr)


def _table_problem(connection: sqlite3.Connection, table: str, expected: sqlite3.Connection) -> str | None:
    columns = expected.execute(f"PRAGMA table_info({table})").fetchall()
    checks = [_cell_check(name, kind, bool(required or key)) for _, name, kind, required, _, key in columns]
    for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608  (a table of our schema)
        for (_, name, *_), check, value in zip(columns, checks, row, strict=True):
            if expectation := check(value):
                return f"{table}.{name}: is {shown(repr(value))}, expected {expectation}"
    return None


def _cell_check(name: str, kind: str, required: bool) -> Callable[[Any], str | None]:
    """A function that says of a cell what was expected, or None where it is that."""
    python, words = _TYPES[kind]

    def check(value: Any) -> str | None:
        if value is None:
            return words if required else None
        if not isinstance(value, python) or (isinstance(value, float) and not math.isfinite(value)):
            return words
        if name == "file" and not _stays_inside(str(value)):
            return "a file in the run folder"
        if name in _WORDS and value not in _WORDS[name]:
            return f"one of {', '.join(sorted(_WORDS[name]))}"
        if name in _JSON:
            try:
                msgspec.convert(json.loads(str(value)), _JSON[name])
            except (ValueError, RecursionError) as error:
                return f"JSON of this column ({shown(error)})"
        return None

    return check
