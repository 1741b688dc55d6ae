"""The results of one run folder: a SQLite file that a kill at any moment leaves valid."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

SCHEMA_VERSION: Final = 2
FILE_NAME: Final = "results.sqlite"

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE instances (
    instance_hash TEXT PRIMARY KEY, instance TEXT NOT NULL, file TEXT NOT NULL, dispatch TEXT NOT NULL,
    servers INTEGER, users INTEGER, models TEXT, layers INTEGER, experts TEXT, top_k INTEGER,
    activations INTEGER, note TEXT NOT NULL
);
CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY, role TEXT NOT NULL, instance_hash TEXT NOT NULL REFERENCES instances,
    solver TEXT NOT NULL, solver_name TEXT NOT NULL, parameters TEXT NOT NULL, library TEXT NOT NULL,
    exact INTEGER NOT NULL, repeat INTEGER NOT NULL, seed INTEGER NOT NULL,
    time_limit_s REAL NOT NULL, memory_limit_mb REAL NOT NULL,
    guarantee_claim TEXT NOT NULL, guarantee_conditions TEXT NOT NULL, guarantee_source TEXT NOT NULL,
    guarantee_expected INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'planned', termination TEXT NOT NULL DEFAULT 'none',
    message TEXT NOT NULL DEFAULT '', latency_s REAL, latency_none_s REAL, saving_s REAL,
    bound_saving_s REAL, runtime_s REAL, cpu_s REAL, peak_memory_mb REAL, guarantee_ratio REAL,
    figures TEXT NOT NULL DEFAULT '{}', trajectory TEXT NOT NULL DEFAULT '[]', placement BLOB,
    load_before REAL, finished_at TEXT
);
CREATE INDEX runs_by_instance ON runs (instance_hash);
"""


class StoreError(ValueError):
    """A run folder is not what it must be."""


def refuse_results(folder: Path) -> None:
    """Raise ``StoreError`` if the folder has results already."""
    if (folder / FILE_NAME).exists():
        raise StoreError(f"{folder}: has results already, expected --resume or another folder")


class Store:
    """One run folder's database; every change is one transaction, synced to disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A new, empty store.

        Raises
        ------
        StoreError
            If the folder already has one.
        """
        refuse_results(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            store = cls(_connect(folder / FILE_NAME))
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{folder}: cannot be made a run folder ({error})") from None
        with store._transaction() as execute:
            for statement in _SCHEMA.split(";"):
                execute(statement)
        store.set_meta({"schema_version": str(SCHEMA_VERSION)})
        return store

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store of a run folder.

        Raises
        ------
        StoreError
            If there is none, or it is not one of ours.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            raise StoreError(f"{folder}: has no {FILE_NAME}, expected the folder of a run")
        try:
            store = cls(_connect(path))
        except sqlite3.Error as error:
            raise StoreError(f"{path}: is not a results file ({error})") from None
        try:
            version = store.meta().get("schema_version")
            if version != str(SCHEMA_VERSION):
                raise StoreError(f"{path}: schema_version: is {version}, expected {SCHEMA_VERSION}")
            if not store.instances():
                raise StoreError(f"{folder}: has no plan, it was stopped before; expected another folder")
        except sqlite3.Error as error:
            store.close()
            raise StoreError(f"{path}: is not a results file ({error})") from None
        except StoreError:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def meta(self) -> dict[str, str]:
        """Facts about the run as a whole."""
        return dict(self._connection.execute("SELECT key, value FROM meta ORDER BY rowid").fetchall())

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Add or replace facts about the run."""
        with self._transaction() as execute:
            for item in values.items():
                execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", item)

    def plan(
        self,
        instances: Iterable[Mapping[str, Any]],
        runs: Iterable[Mapping[str, Any]],
        meta: Mapping[str, str],
    ) -> None:
        """Write the whole plan at once: after a kill there is all of it or none."""
        with self._transaction() as execute:
            for table, rows in (("instances", instances), ("runs", runs)):
                for row in rows:
                    columns = ", ".join(row)
                    marks = ", ".join("?" * len(row))
                    execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(row.values()))
            for item in meta.items():
                execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", item)

    def finish(self, run_id: int, result: Mapping[str, Any]) -> None:
        """Write one run's result."""
        changes = ", ".join(f"{column} = ?" for column in result)
        with self._transaction() as execute:
            execute(f"UPDATE runs SET {changes} WHERE run_id = ?", [*result.values(), run_id])

    def instances(self) -> list[dict[str, Any]]:
        """All instances in the order of the suite."""
        return self._rows("SELECT * FROM instances ORDER BY rowid")

    def runs(self, where: str = "1", arguments: Iterable[Any] = ()) -> list[dict[str, Any]]:
        """Runs with their instance's name, dispatch and top_k, in the order of the plan."""
        rows = self._rows(
            "SELECT runs.*, instance, dispatch, top_k FROM runs JOIN instances USING (instance_hash)"
            f" WHERE {where} ORDER BY run_id",
            arguments,
        )
        for row in rows:
            for column in ("parameters", "figures"):
                row[column] = json.loads(row[column])
        return rows

    def _rows(self, query: str, arguments: Iterable[Any] = ()) -> list[dict[str, Any]]:
        cursor = self._connection.execute(query, tuple(arguments))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection.execute
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
