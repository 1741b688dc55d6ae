"""Changed run folders: the bytes, cells and tables of a results file."""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import sqlite3
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from fuzz.documents import RAW, VALUES, changed_document
from fuzz.mutation import changed_bytes
from fuzz.watch import MEMORY
from samples import two_cells

from slimbench.bench.store.store import FILE_NAME
from slimbench.bench.suites.benchmark import Request, open_benchmark
from slimbench.instances import write_instance

PAGE_BYTES = 512  # small pages, so that a change of a byte is one of something
FRAGMENTS = [b"SQLite format 3\0", b"\x0d\x00", b"\x05\x00", b"\x0a\x00", b"\xff" * 8, b"\x02\x02",
             b"planned", b"\xc3",
             b"CREATE TABLE", b"CREATE VIEW", b"\0" * 16]  # fmt: skip
SETTLED = """
PRAGMA foreign_keys = OFF;
UPDATE meta SET value = '2026-01-01T00:00:00+00:00' WHERE key IN ('planned', 'finished');
UPDATE machines SET machine_id = 'm1', facts = '{"machine_id": "m1", "machine": "Linux"}';
UPDATE runs SET runtime_s = 0.5, cpu_s = 0.5, peak_memory_mb = 100.0, load_before = 0.5, machine_id = 'm1',
    finished_at = '2026-01-01T00:00:00+00:00', code_version = 'sources 1', figures = '{"iterations": 2}',
    trajectory = '[[0.25, 0.01, null], [0.5, 0.018, 0.0745]]';
"""  # what differs from run to run, so that the same number gives the same input
CELLS: list[Any] = [
    None, 0, 1, -1, 2**62, 0.5, -0.5, 1e308, float("inf"), "", "x", "0", "ok", "planned", "optimal",
    "measure", "serial",
    "\0", "a\nb", "x" * 5000, b"", b"\xff", b"\0" * 64, "{}", "[]", "null", "[[1, 2, 3]]",
    "[[0.1, null, null]]", "[[1]]",
    '{"a": NaN}', "../../etc/passwd", "/etc/passwd", "instances/../x.npz", "instances/..", "instances/",
    "instances",
]  # fmt: skip
TABLES = ["meta", "machines", "instances", "runs"]
STATEMENTS = [
    "CREATE VIEW more AS SELECT 1", "CREATE TABLE more (a)", "CREATE INDEX more ON runs (seed)",
    "PRAGMA user_version = 9",
    "CREATE TRIGGER more AFTER INSERT ON runs BEGIN DELETE FROM runs; END", "DELETE FROM meta",
    "DELETE FROM instances",
    "DELETE FROM runs", "DELETE FROM machines", "UPDATE runs SET stale = 1",
    "INSERT INTO meta SELECT key || 'x', value FROM meta",
    "INSERT INTO instances SELECT instance_hash || 'x', instance, file, dispatch, servers, users, models,"
    " layers, experts, top_k, activations, capacity_share, suite, entry, entry_number, swept, note"
    " FROM instances",
    "UPDATE runs SET run_id = run_id + 1000",
    "ALTER TABLE runs ADD COLUMN more",
    "ALTER TABLE runs ADD COLUMN more TEXT AS (zeroblob(100000000))", "ALTER TABLE runs DROP COLUMN message",
    "ALTER TABLE instances RENAME COLUMN note TO more", "DROP TABLE runs", "DROP TABLE meta",
    "DROP TABLE machines",
    "ALTER TABLE runs RENAME TO old; CREATE VIEW runs AS WITH RECURSIVE n(i) AS"
    " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT old.* FROM old, n",
]  # fmt: skip


@functools.cache
def run_folder() -> tuple[Path, bytes]:
    """A finished run of tiny instances, made once a process, and its results file packed into small pages."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write_instance(two_cells(), folder / "a.json")
    suite = folder / "small.toml"
    suite.write_text('name = "small"\nsolvers = ["popularity", "random"]\n[[instances]]\nfile = "a.json"\n')
    with open_benchmark(Request(str(suite), out=folder / "run")) as benchmark:
        benchmark.execute(jobs=1)
    with (
        contextlib.closing(sqlite3.connect(folder / "run" / FILE_NAME, isolation_level=None)) as file,
        contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as packed,
    ):
        file.executescript(SETTLED)
        packed.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        packed.executescript("".join(file.iterdump()))
        return folder / "run", packed.serialize()


def changed_results(rng: Random) -> bytes:
    """A results file with cells, tables or bytes changed."""
    content = run_folder()[1]
    if rng.random() < 0.3:
        return changed_bytes(rng, content, FRAGMENTS)
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as file:
        file.deserialize(content)
        # A change that the one before made impossible, or a value that no cell can hold.
        with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeError, IndexError):
            for _ in range(rng.choice([1, 1, 1, 2, 4])):
                _change_cell(rng, file)
            if rng.random() < 0.15:
                file.executescript(rng.choice(STATEMENTS))
        content = file.serialize()
    return changed_bytes(rng, content, FRAGMENTS) if rng.random() < 0.1 else content


def _change_cell(rng: Random, file: sqlite3.Connection) -> None:
    table = rng.choice([*TABLES, "runs"])
    column = rng.choice([row[1] for row in file.execute(f"PRAGMA table_info({table})")])
    rows = file.execute(f"SELECT rowid, {column} FROM {table}").fetchall()
    row, value = rng.choice(rows)
    match rng.randrange(6):
        case 0 if isinstance(value, str) and value[:1] in ("{", "["):
            value = changed_document(rng, {"a": [[0.1, None, 0.5]], "b": 1}).decode("utf-8", "surrogatepass")
        case 1 if isinstance(value, str):
            value = changed_bytes(rng, value.encode(), FRAGMENTS).decode("utf-8", "replace")
        case 2 if isinstance(value, bytes):
            value = changed_bytes(rng, value, FRAGMENTS)
        case 3:
            value = rng.choice(rows)[1]
        case 4:
            value = rng.choice([value for value in VALUES if isinstance(value, str | int | float)] + RAW)
        case _:
            value = rng.choice(CELLS)
    where = "" if rng.random() < 0.2 else f" WHERE rowid = {row}"
    file.execute(f"UPDATE {table} SET {column} = ?{where}", [value])
