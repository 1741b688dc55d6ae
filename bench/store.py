"""The results of one run folder: a SQLite file that a kill at any moment leaves valid.

A cell of the plan is a role, an instance, what is planned on, a solver call and a repeat. Its row counts
until the plan has another one for it (another version of the solver, other limits, another seed); then it is
stale, and stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

from slimbench.bench.store_check import UNREADABLE, file_problem, one_line
from slimbench.bench.store_schema import SCHEMA_VERSION, SCHEMAS, UPGRADES

FILE_NAME: Final = "results.sqlite"
LOCK_NAME: Final = "running.lock"


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
            for statement in SCHEMAS[SCHEMA_VERSION].split(";"):
                execute(statement)
        store.set_meta({"schema_version": SCHEMA_VERSION})
        return store

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store of a run folder.

        Raises
        ------
        StoreError
            If there is none, or it is not one of ours in every cell.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            raise StoreError(f"{folder}: has no {FILE_NAME}, expected the folder of a run")
        try:
            store = cls(_connect(path))
        except UNREADABLE as error:
            raise StoreError(f"{path}: is not a results file ({one_line(error)})") from None
        try:
            if problem := file_problem(store._connection, SCHEMAS):
                raise StoreError(f"{path}: {problem}")
            if not store.instances():
                raise StoreError(f"{folder}: has no plan, it was stopped before; expected another folder")
        except UNREADABLE as error:
            store.close()
            raise StoreError(f"{path}: is not a results file ({one_line(error)})") from None
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
        *,
        concerns: Callable[[Mapping[str, Any]], bool] = lambda _: True,
        anew: Callable[[Mapping[str, Any]], bool] = lambda _: False,
    ) -> int:
        """Make the plan, as a whole or not at all, and keep the rows that still count.

        A row that is in the plan column for column stays, finished or not. Of the others a finished one is
        marked stale, one that never ran goes.

        Parameters
        ----------
        concerns : callable
            Whether the plan concerns a row that is there; others stay as they are.
        anew : callable
            Whether a row is planned once more although it is there.

        Returns
        -------
        int
            How many rows became stale.
        """
        with self._transaction() as execute:
            for statement in UPGRADES.get(self.meta()["schema_version"], ()):
                execute(statement)
            for row in instances:
                _insert(execute, "instances", row, or_what="OR IGNORE")
            there = {_cell(row): row for row in self.runs() if concerns(row)}
            for row in runs:
                found = there.get(_cell(row))
                if found and not anew(found) and all(found[column] == row[column] for column in row):
                    del there[_cell(row)]
                else:
                    _insert(execute, "runs", row)
            for row in there.values():
                execute("DELETE FROM runs WHERE run_id = ? AND status = 'planned'", [row["run_id"]])
                execute("UPDATE runs SET stale = 1 WHERE run_id = ?", [row["run_id"]])
            for item in meta.items():
                execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", item)
        return sum(row["status"] != "planned" for row in there.values())

    def finish(self, run_id: int, result: Mapping[str, Any], machine: Mapping[str, str]) -> None:
        """Write one run's result and the machine it was made on."""
        changes = ", ".join(f"{column} = ?" for column in result)
        facts = {"machine_id": machine["machine_id"], "facts": json.dumps(machine)}
        with self._transaction() as execute:
            _insert(execute, "machines", facts, or_what="OR IGNORE")
            execute(f"UPDATE runs SET {changes} WHERE run_id = ?", [*result.values(), run_id])

    def copy_rows(
        self,
        instances: Iterable[Mapping[str, Any]],
        machines: Mapping[str, Mapping[str, str]],
        runs: Iterable[Mapping[str, Any]],
        meta: Mapping[str, str],
    ) -> None:
        """Take rows of other stores as those give them, as a whole or not at all.

        Parameters
        ----------
        runs : iterable of dict
            With ``run_id`` and ``stale`` as they are to be here.
        """
        with self._transaction() as execute:
            for row in instances:
                _insert(execute, "instances", row, or_what="OR IGNORE")
            for machine_id, facts in machines.items():
                row = {"machine_id": machine_id, "facts": json.dumps(facts)}
                _insert(execute, "machines", row, or_what="OR IGNORE")
            for run in runs:
                own = {key: run[key] for key in run if key not in {"instance", "dispatch", "top_k"}}
                _insert(execute, "runs", own | {"figures": json.dumps(run["figures"], sort_keys=True)})
            for item in meta.items():
                execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", item)

    def instances(self, *, planned_on: bool = False) -> list[dict[str, Any]]:
        """What placements are evaluated on, in the order of the suite, or what others are planned on."""
        column = "planning_hash" if planned_on else "instance_hash"
        return self._rows(
            f"SELECT * FROM instances WHERE instance_hash IN (SELECT {column} FROM runs WHERE NOT stale)"
            " ORDER BY rowid"
        )

    def machines(self) -> dict[str, dict[str, str]]:
        """Facts of every machine that rows were made on, by ``machine_id``."""
        return {row["machine_id"]: json.loads(row["facts"]) for row in self._rows("SELECT * FROM machines")}

    def runs(self, where: str = "1", arguments: Iterable[Any] = ()) -> list[dict[str, Any]]:
        """Runs that are not stale, with their instance's name, dispatch and top_k, as planned."""
        rows = self._rows(
            "SELECT runs.*, instance, dispatch, top_k FROM runs JOIN instances USING (instance_hash)"
            f" WHERE NOT stale AND ({where}) ORDER BY run_id",
            arguments,
        )
        for row in rows:
            row["figures"] = json.loads(row["figures"])
            row.setdefault("bounds", 0)  # not in files of version 6
        return rows

    def _rows(self, query: str, arguments: Iterable[Any] = ()) -> list[dict[str, Any]]:
        cursor = self._connection.execute(query, tuple(arguments))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def stale_runs(self) -> list[dict[str, Any]]:
        """What no longer counts, by solver: ``solver``, ``code_version``, ``n``."""
        return self._rows(
            "SELECT solver, code_version, COUNT(*) AS n FROM runs WHERE stale GROUP BY solver, code_version"
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection.execute
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """Hold the run folder: only one process at a time may carry its plan out.

    The lock is the system's own and goes with the process, however that ends.

    Raises
    ------
    StoreError
        If another process holds it.
    """
    with (folder / LOCK_NAME).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise StoreError(
                f"{folder}: is being run by {lock.read().strip() or 'another process'}"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {os.uname().nodename}\n")
        lock.flush()
        yield


def _cell(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a plan has one row for."""
    return row["role"], row["instance_hash"], row["planning"], row["solver"], row["repeat"]


def _insert(execute: Any, table: str, row: Mapping[str, Any], or_what: str = "") -> None:
    marks = ", ".join("?" * len(row))
    execute(f"INSERT {or_what} INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except UNREADABLE:
        connection.close()
        raise
    return connection
