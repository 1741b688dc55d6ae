"""The tables of a results file, by version: files of version 6 are brought up to date as they are opened."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

_FIRST: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE machines (machine_id TEXT PRIMARY KEY, facts TEXT NOT NULL);
CREATE TABLE instances (
    instance_hash TEXT PRIMARY KEY, instance TEXT NOT NULL, file TEXT NOT NULL, dispatch TEXT NOT NULL,
    servers INTEGER, users INTEGER, models TEXT, layers INTEGER, experts TEXT, top_k INTEGER,
    activations INTEGER, capacity_share REAL, suite TEXT NOT NULL, entry TEXT NOT NULL,
    entry_number INTEGER NOT NULL, swept TEXT NOT NULL, note TEXT NOT NULL
);
CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY, role TEXT NOT NULL, instance_hash TEXT NOT NULL REFERENCES instances,
    planning TEXT, planning_hash TEXT REFERENCES instances,
    solver TEXT NOT NULL, solver_name TEXT NOT NULL, parameters TEXT NOT NULL, library TEXT NOT NULL,
    exact INTEGER NOT NULL, repeat INTEGER NOT NULL, seed INTEGER NOT NULL,
    time_limit_s REAL NOT NULL, cpu_limit_s REAL, memory_limit_mb REAL NOT NULL, threads INTEGER NOT NULL,
    code_version TEXT NOT NULL, stale INTEGER NOT NULL DEFAULT 0,
    guarantee_claim TEXT NOT NULL, guarantee_conditions TEXT NOT NULL, guarantee_source TEXT NOT NULL,
    guarantee_expected INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'planned', termination TEXT NOT NULL DEFAULT 'none',
    message TEXT NOT NULL DEFAULT '', latency_s REAL, latency_none_s REAL, saving_s REAL,
    bound_saving_s REAL, runtime_s REAL, cpu_s REAL, peak_memory_mb REAL, guarantee_ratio REAL,
    figures TEXT NOT NULL DEFAULT '{}', trajectory TEXT NOT NULL DEFAULT '[]', placement BLOB,
    load_before REAL, machine_id TEXT REFERENCES machines, finished_at TEXT
);
CREATE INDEX runs_by_instance ON runs (instance_hash);
"""
_BOUNDS: Final = "ALTER TABLE runs ADD COLUMN bounds INTEGER NOT NULL DEFAULT 0;"

SCHEMAS: Final = {"6": _FIRST, "7": _FIRST + _BOUNDS}
"""The statements that make the tables, by ``schema_version``; the last is ours."""
SCHEMA_VERSION: Final = "7"
_SEVEN: Final = "UPDATE meta SET value = '7' WHERE key = 'schema_version';"
_UPGRADES: Final = {"6": _BOUNDS + _SEVEN}


def upgrade(connection: sqlite3.Connection) -> None:
    """Make the tables of an earlier version ours."""
    query = "SELECT value FROM meta WHERE key = 'schema_version'"
    if statements := _UPGRADES.get(connection.execute(query).fetchone()[0]):
        connection.executescript(f"BEGIN;{statements}COMMIT;")


@contextlib.contextmanager
def empty_tables(version: str = SCHEMA_VERSION) -> Iterator[sqlite3.Connection]:
    """A database with our tables, or those of an earlier version, and no row."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMAS[version])
        yield connection
