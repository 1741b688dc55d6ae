"""Cache of exact solves, by the hash of the instance."""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

import msgspec

from slimbench.bench.execution.machine import now
from slimbench.bench.isolation.messages import PackedPlacement
from slimbench.bench.isolation.outcome import EVALUATED
from slimbench.bench.store.check import UNREADABLE, one_line
from slimbench.instances import Instance, InstanceError, evaluate

FILE_NAME: Final = "references.sqlite"
PATIENCE_S: Final = 5.0  # with another run that writes just now


class _Solve(msgspec.Struct, frozen=True):
    """What is kept of a solve besides its placement."""

    termination: Literal["feasible", "optimal"]
    bound_saving_s: float | None
    runtime_s: float
    cpu_s: float | None
    peak_memory_mb: float
    figures: str
    load_before: float | None
    machine: dict[str, str]


_KEYS: Final = ("instance_hash", "solver", "code_version", "time_limit_s")
_KEPT: Final = tuple(name for name in _Solve.__struct_fields__ if name != "machine")


class ReferenceCache:
    """Exact solves of all runs beside each other in one folder; a context manager.

    A row counts for the same instance, solver call and version of its code; one that ended at its limit
    counts only for limits that are no larger. It is a cache: if its file is locked, damaged or cannot be
    written, one warning says so, and the run goes on without it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._connection: sqlite3.Connection | None = None
        self._keeps, self._is_told = True, False
        try:
            self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=PATIENCE_S)
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS solves (instance_hash TEXT, solver TEXT, version TEXT,"
                " time_limit_s REAL, result TEXT, placement BLOB, solved_at TEXT,"
                " PRIMARY KEY (instance_hash, solver, version))"
            )
        except UNREADABLE as error:
            self._give_up(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def find(
        self, row: Mapping[str, Any], instance: Instance
    ) -> tuple[dict[str, Any], dict[str, str]] | None:
        """Result columns of an earlier solve, its placement evaluated anew, and its machine; else None."""
        if self._connection is None:
            return None
        try:
            found = self._connection.execute(
                "SELECT time_limit_s, result, placement, solved_at FROM solves"
                " WHERE instance_hash = ? AND solver = ? AND version = ?",
                [row[key] for key in _KEYS[:3]],
            ).fetchone()
        except UNREADABLE as error:
            self._give_up(error)
            return None
        if found is None:
            return None
        time_limit_s, text, bits, solved_at = found
        try:
            solve = msgspec.json.decode(text, type=_Solve)
            msgspec.json.decode(solve.figures, type=dict[str, Any])
            placement = PackedPlacement((instance.n_servers, instance.n_experts), bits).unpack()
            is_enough = solve.termination == "optimal" or time_limit_s >= row["time_limit_s"]
        except (msgspec.MsgspecError, InstanceError, TypeError):  # a damaged row: it is solved again
            return None
        if not is_enough or "machine_id" not in solve.machine or placement.violation(instance):
            return None
        evaluation = evaluate(instance, placement)
        result = {
            "status": "ok",
            "message": f"solved {solved_at}",
            **{column: getattr(solve, column) for column in _KEPT},
            **{column: getattr(evaluation, column) for column in EVALUATED},
            "placement": bits,
        }
        return result, solve.machine

    def keep(self, row: Mapping[str, Any], result: Mapping[str, Any], machine: Mapping[str, str]) -> None:
        """Remember a verified result and the machine it was made on."""
        if self._connection is None or not self._keeps:
            return
        kept = {column: result[column] for column in _KEPT} | {"machine": dict(machine)}
        try:
            self._connection.execute(
                "INSERT OR REPLACE INTO solves VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*(row[key] for key in _KEYS), json.dumps(kept), result["placement"], now()),
            )
        except UNREADABLE as error:  # what is in it may still be read
            self._keeps = False
            self._warn(error)

    def quarantine(self, instance_hash: str) -> None:
        """Forget every solve of an instance whose claims contradict each other."""
        if self._connection is None:
            return
        try:
            self._connection.execute("DELETE FROM solves WHERE instance_hash = ?", (instance_hash,))
        except UNREADABLE as error:
            self._warn(error)

    def _give_up(self, error: Exception) -> None:
        self._warn(error)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _warn(self, error: Exception) -> None:
        if not self._is_told:
            problem = f"{self._path}: {one_line(error)}; the run goes on without these references"
            warnings.warn(problem, RuntimeWarning, stacklevel=3)
        self._is_told = True
