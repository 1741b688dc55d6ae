"""A results file that nobody vouches for: its version, tables and pages are looked at before it is used."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_folders import write_run

from slimbench.bench.store.check import file_problem
from slimbench.bench.store.run_folder import instance_file
from slimbench.bench.store.store import FILE_NAME, StoreError

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[object]:
    """Return what is said of a results file after some statements."""
    folder = write_run(tmp_path / "run", [{"solver": "a"}, {"solver": "b", "status": "planned"}])
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:

        def change(statements: str) -> str | None:
            connection.executescript(statements)
            return file_problem(connection)

        yield change


def test_a_file_of_ours_has_no_problem(changed):
    assert changed("") is None


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        ("DROP TABLE meta", "is not a results file, expected a table meta"),
        (f"DROP TABLE meta; CREATE VIEW meta AS {ENDLESS} SELECT i FROM n", "is not a results file"),
        ("UPDATE meta SET value = '2' WHERE key = 'schema_version'", "schema_version: is 2, expected"),
        ("DELETE FROM meta", "schema_version: is None, expected"),
        ("UPDATE meta SET value = zeroblob(99999) WHERE key = 'schema_version'", "schema_version: is b'"),
        ("UPDATE meta SET value = 'a' || char(10, 0)", "schema_version: is a\\n\\x00, expected"),
        (f"DROP TABLE runs; CREATE VIEW runs AS {ENDLESS} SELECT i FROM n", "has other tables than those"),
        ("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END", "has other tables than those"),
        ("ALTER TABLE runs ADD COLUMN x AS (zeroblob(1000000000))", "has other tables than those"),
        ("ALTER TABLE runs DROP COLUMN message", "has other tables than those"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_ours_is_told_in_a_line(statements, problem, changed):
    found = changed(statements)
    assert found.startswith(problem)
    assert len(found) < 400


def test_a_page_that_two_tables_use_is_damage(tmp_path):
    folder = write_run(tmp_path / "run", [{"solver": "a", "message": "x" * 20_000}])
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'runs')"
            " WHERE name = 'instances'"
        )
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        assert file_problem(connection).startswith("is damaged (")


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "instances/../../x.npz", "instances/..", "instances", "instances/",
     "", ".", "x.npz", "logs/x.npz", "instances/a/b.npz", "instances/a\0.npz", "instances/a\n.npz",
     "/instances/x.npz"],
)  # fmt: skip
def test_a_name_that_leads_out_of_the_folder_of_instances_is_no_file(name, tmp_path):
    (tmp_path / "instances").mkdir()
    with pytest.raises(StoreError, match="expected a file in instances"):
        instance_file(tmp_path, name)


def test_a_link_that_leads_out_is_no_file(tmp_path):
    folder = tmp_path / "run"
    (folder / "instances").mkdir(parents=True)
    (folder / "instances" / "own.npz").touch()
    (tmp_path / "secret.npz").touch()
    (folder / "instances" / "link.npz").symlink_to(tmp_path / "secret.npz")
    assert instance_file(folder, "instances/own.npz") == folder / "instances" / "own.npz"
    with pytest.raises(StoreError):
        instance_file(folder, "instances/link.npz")
    (folder / "instances" / "link.npz").unlink()
    (folder / "instances").rename(tmp_path / "elsewhere")
    (folder / "instances").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        instance_file(folder, "instances/own.npz")
