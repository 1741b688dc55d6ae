"""The results of a run folder: a SQLite file that a kill at any moment leaves valid.

A cell of the plan is a role, an instance, what is planned on, a solver call and a repeat. Its row becomes
stale, and stays, when the plan changes its seed, its limits or the version of its solver.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Self

from slimbench.bench.store.cells import CELL, BadCell, bad_cells, mend
from slimbench.bench.store.check import UNREADABLE, file_problem, one_line
from slimbench.bench.store.connection import is_from_outside, snapshot, writable
from slimbench.bench.store.schema import SCHEMA_VERSION, SCHEMAS, upgrade

FILE_NAME: Final = "results.sqlite"


class StoreError(ValueError):
    """A run folder is not what it must be."""


def refuse_results(folder: Path) -> None:
    """Raise ``StoreError`` if the folder has results already."""
    if (folder / FILE_NAME).exists():
        raise StoreError(f"{folder}: has results already, expected --resume or another folder")


def require_results(folder: Path) -> Path:
    """The results file of a run folder; raise ``StoreError`` if it has none."""
    if not (path := folder / FILE_NAME).is_file():
        raise StoreError(f"{folder}: has no {FILE_NAME}, expected the folder of a run")
    return path


class Store:
    """The database of a run folder; every change is one transaction, synced to disk.

    Attributes
    ----------
    bad_cells : sequence of BadCell
        Those found in the file: mended in a ``snapshot``, and by the next ``plan`` in the file.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, bad_cells: Sequence[BadCell] = ()
    ) -> None:
        self._connection, self._folder, self.bad_cells = connection, folder, bad_cells

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A new, empty store.

        Raises
        ------
        StoreError
            If the folder already has one, or cannot be written.
        """
        refuse_results(folder)
        version = f"INSERT INTO meta VALUES ('schema_version', '{SCHEMA_VERSION}');"
        with contextlib.ExitStack() as undo:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                undo.callback((folder / FILE_NAME).unlink, missing_ok=True)
                connection = writable(folder / FILE_NAME)
                undo.callback(connection.close)
                connection.executescript(f"BEGIN;{SCHEMAS[SCHEMA_VERSION]}{version}COMMIT;")
            except (OSError, sqlite3.Error) as error:
                raise StoreError(f"{folder}: cannot be made a run folder ({error})") from None
            undo.pop_all()
        return cls(connection, folder)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the store of a run folder, to resume the run.

        Raises
        ------
        StoreError
            If there is none, or it is not one of ours, or cannot be written.
        """
        return cls._checked(folder, writable, lambda cell: cell.table == "meta")

    @classmethod
    def snapshot(cls, folder: Path) -> Self:
        """Copy the store of a run folder into memory, read-only, with bad cells mended.

        Raises
        ------
        StoreError
            If there is none, or it is not one of ours.
        """
        store = cls._checked(folder, snapshot, lambda _: True)
        store._connection.execute("PRAGMA query_only = ON")
        if not store.instances():
            store.close()
            all_stale = "all runs are stale, expected one that counts"
            raise StoreError(f"{folder / FILE_NAME}: {next(iter(store.bad_cells), all_stale)}")
        return store

    @classmethod
    def _checked(
        cls,
        folder: Path,
        connect: Callable[[Path], sqlite3.Connection],
        is_mended: Callable[[BadCell], bool],
    ) -> Self:
        path = require_results(folder)
        with contextlib.ExitStack() as undo:
            try:
                connection = undo.enter_context(contextlib.closing(connect(path)))
                if problem := file_problem(connection):
                    raise StoreError(f"{path}: {problem}")
                if connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone() is None:
                    raise StoreError(f"{folder}: has no plan, it was stopped before; expected another folder")
                upgrade(connection)
                store = cls(connection, folder, bad_cells(connection))
                mend(connection.execute, filter(is_mended, store.bad_cells))
            except (*UNREADABLE, OSError) as error:
                raise StoreError(f"{path}: is not a results file ({one_line(error)})") from None
            undo.pop_all()
        return store

    def close(self) -> None:
        """Close the file. Without WAL it can be read where nothing can be written, and on network disks."""
        with contextlib.suppress(sqlite3.Error):  # one who reads it just now, or a full disk: then it stays
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._connection.execute("PRAGMA journal_mode = DELETE")
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
        """Write a plan in one transaction, and keep the rows that still count.

        A row that equals the plan's in every column stays. Of the others finished rows become stale, and
        planned ones are deleted.

        Parameters
        ----------
        concerns : callable
            True for rows that the plan replaces; others stay as they are.
        anew : callable
            True for rows that are planned once more although they count.

        Returns
        -------
        int
            How many rows became stale.
        """
        with self._transaction() as execute:
            mend(execute, self.bad_cells)
            damaged = {cell.row for cell in self.bad_cells if cell.table == "instances"}
            for row in instances:
                _insert(execute, "instances", row, or_what="OR IGNORE")
                _renew(execute, row, damaged)
            cell_of = itemgetter(*CELL)
            there = {cell_of(row): row for row in self.runs() if concerns(row)}
            for row in runs:
                found = there.get(cell_of(row))
                if found and not anew(found) and all(found[column] == row[column] for column in row):
                    del there[cell_of(row)]
                else:
                    _insert(execute, "runs", row)
            for row in there.values():
                execute("DELETE FROM runs WHERE run_id = ? AND status = 'planned'", [row["run_id"]])
                execute("UPDATE runs SET stale = 1 WHERE run_id = ?", [row["run_id"]])
            for item in meta.items():
                execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", item)
        self.bad_cells = ()
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
        """Copy rows of other stores in one transaction; runs have their new ``run_id`` and ``stale``."""
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
        """Instances that placements are evaluated on, in the order of the suite, or planned on."""
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
        return rows

    def _rows(self, query: str, arguments: Iterable[Any] = ()) -> list[dict[str, Any]]:
        cursor = self._connection.execute(query, tuple(arguments))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def stale_runs(self) -> list[dict[str, Any]]:
        """Numbers of stale runs: ``solver``, ``code_version``, ``n``."""
        return self._rows(
            "SELECT solver, code_version, COUNT(*) AS n FROM runs WHERE stale GROUP BY solver, code_version"
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        """All of it or nothing. What is wrong with the disk is a ``StoreError``, a bug is none."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection.execute
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:  # on a full disk SQLite has rolled back already
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            if is_from_outside(error):
                raise StoreError(
                    f"{self._folder}: cannot write a result ({error}); run again with --resume"
                ) from None
            raise


def _renew(execute: Any, row: Mapping[str, Any], damaged: set[int]) -> None:
    """Write an instance's row again if it was damaged."""
    ((rowid,),) = execute("SELECT rowid FROM instances WHERE instance_hash = ?", [row["instance_hash"]])
    if rowid in damaged:
        damaged.remove(rowid)
        columns = ", ".join(f"{column} = ?" for column in row)
        execute(f"UPDATE instances SET {columns} WHERE rowid = ?", [*row.values(), rowid])


def _insert(execute: Any, table: str, row: Mapping[str, Any], or_what: str = "") -> None:
    marks = ", ".join("?" * len(row))
    execute(f"INSERT {or_what} INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
