"""References solved before, by the instance's hash: an exact solve is paid for once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from slimbench.bench.machine import now
from slimbench.bench.messages import PackedPlacement
from slimbench.instances import Instance, evaluate

FILE_NAME: Final = "references.sqlite"
_KEPT: Final = (
    "termination", "bound_saving_s", "runtime_s", "cpu_s", "peak_memory_mb", "figures", "load_before",
)  # fmt: skip


class ReferenceCache:
    """Exact solves of all runs beside each other in one folder; a context manager.

    A row counts for the same instance, solver call and version of its code; one that ended at its limit
    counts only for limits that are no larger.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / FILE_NAME, timeout=30)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS solves (instance_hash TEXT, solver TEXT, version TEXT,"
            " time_limit_s REAL, result TEXT, placement BLOB, solved_at TEXT,"
            " PRIMARY KEY (instance_hash, solver, version))"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def find(self, row: Mapping[str, Any], instance: Instance) -> dict[str, Any] | None:
        """The result columns of an earlier solve, its placement evaluated anew; None if there is none."""
        found = self._connection.execute(
            "SELECT time_limit_s, result, placement, solved_at FROM solves"
            " WHERE instance_hash = ? AND solver = ? AND version = ?",
            (row["instance_hash"], row["solver"], row["code_version"]),
        ).fetchone()
        if found is None:
            return None
        time_limit_s, text, bits, solved_at = found
        result = json.loads(text)
        if result["termination"] != "optimal" and time_limit_s < row["time_limit_s"]:
            return None
        placement = PackedPlacement((instance.n_servers, instance.n_experts), bits).unpack()
        if placement.violation(instance):
            return None
        evaluation = evaluate(instance, placement)
        return {
            "status": "ok",
            "message": f"solved {solved_at}",
            **result,
            "latency_s": evaluation.latency_s,
            "latency_none_s": evaluation.latency_none_s,
            "saving_s": evaluation.saving_s,
            "placement": bits,
        }

    def keep(self, row: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Remember a verified result."""
        kept = json.dumps({column: result[column] for column in _KEPT})
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO solves VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    row["instance_hash"],
                    row["solver"],
                    row["code_version"],
                    row["time_limit_s"],
                    kept,
                    result["placement"],
                    now(),
                ),
            )

    def quarantine(self, instance_hash: str) -> None:
        """Forget every solve of an instance whose claims contradict each other."""
        with self._connection:
            self._connection.execute("DELETE FROM solves WHERE instance_hash = ?", (instance_hash,))
