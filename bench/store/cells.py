"""Check every cell of a results file, and mend the rows of bad ones: no cell makes a file unreadable.

SQLite keeps any value in any column. A run with a bad cell becomes an ``error``, which ``--resume`` measures
again. If the cell says what the run is a result of, nobody can tell any more: then the row is stale.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args

import msgspec

from slimbench.bench.isolation.messages import Status
from slimbench.bench.isolation.outcome import EVALUATED
from slimbench.bench.store.check import MAX_CELL_BYTES, shown, stays_inside
from slimbench.bench.store.schema import empty_tables
from slimbench.instances import DISPATCHES
from slimbench.instances.generators.planning import Planning

CELL: Final = ("role", "instance_hash", "planning", "solver", "repeat")  # what a plan has one row for

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
_STANDS_IN: Final[Mapping[str, Any]] = {  # for a bad cell, where it is neither NULL nor empty
    "role": "measure", "dispatch": DISPATCHES[0], "status": "error", "termination": "none",
    "parameters": "{}", "figures": "{}", "facts": "{}", "swept": "{}", "trajectory": "[]",
}  # fmt: skip
_KEYS: Final = frozenset({  # that stay as they are: other rows may name them
    ("instances", "instance_hash"), ("machines", "machine_id"),
    ("runs", "instance_hash"), ("runs", "planning_hash"),
})  # fmt: skip
_EMPTY: Final = {"INTEGER": 0, "REAL": 0.0, "TEXT": ""}


@dataclass(frozen=True)
class BadCell:
    """A cell that is not what its column says.

    Attributes
    ----------
    row : int
        Its ``rowid``; of a run its ``run_id``.
    problem : str
        Such as ``is inf, expected a finite number``.
    stand_in : Any
        What takes its place.
    """

    table: str
    row: int
    column: str
    problem: str
    stand_in: Any

    def __str__(self) -> str:
        return f"{self.table}: row {self.row}: {self.column}: {self.problem}"


def bad_cells(connection: sqlite3.Connection) -> list[BadCell]:
    """Return every bad cell of a file whose tables are ours."""
    connection.text_factory = _text
    try:
        with empty_tables() as expected:
            tables = expected.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
            found = [bad for (table,) in tables for bad in _bad_in(connection, table, expected)]
    finally:
        connection.text_factory = str
    found += _references_to_nothing(connection)
    for column, found_with, words in _FOUND_WITH:
        missing = f"SELECT run_id FROM runs WHERE {column} IS NULL AND {found_with}"  # noqa: S608
        problem = f"is missing in a run that {words}"
        found += [BadCell("runs", row, column, problem, None) for (row,) in connection.execute(missing)]
    return found


def mend(execute: Callable[..., Any], bad: Iterable[BadCell]) -> None:
    """Put what stands in for them in the place of bad cells; a run of any becomes an error, or stale.

    Parameters
    ----------
    execute : callable
        Of a connection.
    """
    rows: dict[tuple[str, int], list[BadCell]] = defaultdict(list)
    for cell in bad:
        rows[cell.table, cell.row].append(cell)
    for (table, row), cells in rows.items():
        if table == "meta":
            execute("DELETE FROM meta WHERE rowid = ?", [row])
            continue
        changes = {cell.column: cell.stand_in for cell in cells if (table, cell.column) not in _KEYS}
        if table == "runs":
            changes |= _of_a_run(changes, cells)
        elif "dispatch" in changes:  # what the instance's runs have solved
            message = f"dispatch of the instance: {cells[0].problem}"
            execute(
                "UPDATE runs SET status = 'error', message = ? WHERE status != 'planned' AND instance_hash ="
                " (SELECT instance_hash FROM instances WHERE rowid = ?)",
                [message, row],
            )
        if changes:
            columns = ", ".join(f"{column} = ?" for column in changes)
            execute(f"UPDATE {table} SET {columns} WHERE rowid = ?", [*changes.values(), row])  # noqa: S608


def _of_a_run(changes: Mapping[str, Any], cells: Iterable[BadCell]) -> dict[str, Any]:
    problems = "; ".join(f"{cell.column}: {cell.problem}" for cell in cells)
    more: dict[str, Any] = {"status": "error", "message": f"in the results file: {problems}"}
    if not changes.keys().isdisjoint(EVALUATED):  # all of them or none
        more |= dict.fromkeys(EVALUATED)
    if any(cell.column in (*CELL, "planning_hash") for cell in cells):
        more["stale"] = 1
    return more


def _bad_in(connection: sqlite3.Connection, table: str, expected: sqlite3.Connection) -> Iterator[BadCell]:
    columns = expected.execute(f"PRAGMA table_info({table})").fetchall()
    checks = [_cell_check(name, kind, bool(required or key)) for _, name, kind, required, _, key in columns]
    for rowid, *row in connection.execute(f"SELECT rowid, * FROM {table}"):  # noqa: S608  (one of ours)
        for (_, name, kind, required, *_), check, value in zip(columns, checks, row, strict=True):
            if expectation := check(value):
                problem = f"is {shown(repr(value))}, expected {expectation}"
                yield BadCell(table, rowid, name, problem, _stand_in(name, kind, bool(required), row[0]))


def _stand_in(column: str, kind: str, required: bool, key: Any) -> Any:
    """What takes a bad cell's place; ``key`` is the first column of its row."""
    if column == "file":  # of an instance, which is read under its hash and checked by it
        return f"instances/{key[:16] if isinstance(key, str) and key.isalnum() else 'unknown'}.npz"
    return _STANDS_IN.get(column, _EMPTY[kind]) if required else None


def _references_to_nothing(connection: sqlite3.Connection) -> Iterator[BadCell]:
    """Cells that name a row of another table which is not there."""
    for table, row, parent, number in connection.execute("PRAGMA foreign_key_check").fetchall():
        keys = connection.execute(f"PRAGMA foreign_key_list({table})").fetchall()
        (column,) = (key[3] for key in keys if key[0] == number)
        yield BadCell(table, row, column, f"names no row of {parent}", None)


def _text(content: bytes) -> str | bytes:
    """Text, or the bytes of what is none."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content


def _cell_check(name: str, kind: str, required: bool) -> Callable[[Any], str | None]:
    """A function that says of a cell what was expected, or None where it is that."""
    python, words = _TYPES[kind]

    def check(value: Any) -> str | None:
        if value is None:
            return words if required else None
        if not isinstance(value, python) or (isinstance(value, float) and not math.isfinite(value)):
            return words
        if isinstance(value, str | bytes) and len(value) > MAX_CELL_BYTES:
            return f"at most {MAX_CELL_BYTES} bytes"
        if name == "file" and not stays_inside(str(value)):
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
