"""A results file that nobody vouches for: what is in it is looked at before it is used."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_folders import write_run

from slimbench.bench.store import FILE_NAME
from slimbench.bench.store_check import file_problem, instance_file
from slimbench.bench.store_schema import SCHEMAS

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[object]:
    """Return what is said of a results file after some statements."""
    folder = write_run(tmp_path / "run", [{"solver": "a"}, {"solver": "b", "status": "planned"}])
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:

        def change(statements: str) -> str | None:
            connection.executescript(statements)
            return file_problem(connection, SCHEMAS)

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
        ("UPDATE instances SET file = '../../etc/passwd'", "instances.file: is '../../etc/pa"),
        ("UPDATE instances SET file = '/etc/passwd'", "instances.file: is '/etc/passwd', expected a file"),
        (f"DROP TABLE runs; CREATE VIEW runs AS {ENDLESS} SELECT i FROM n", "has other tables than those"),
        ("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END", "has other tables than those"),
        ("ALTER TABLE runs ADD COLUMN x AS (zeroblob(1000000000))", "has other tables than those"),
        ("ALTER TABLE runs DROP COLUMN message", "has other tables than those"),
        ("UPDATE runs SET instance_hash = 'x'", "runs: has a row without its row in instances"),
        ("DELETE FROM machines", "runs: has a row without its row in machines"),
        ("UPDATE runs SET machine_id = NULL", "runs.machine_id: is missing in run 1, which is finished"),
        ("UPDATE runs SET latency_none_s = NULL", "runs.latency_none_s: is missing in run 1, which has"),
        ("UPDATE runs SET saving_s = 'much'", "runs.saving_s: is 'much', expected a finite number"),
        ("UPDATE runs SET saving_s = 9e999", "runs.saving_s: is inf, expected a finite number"),
        ("UPDATE runs SET exact = 0.5", "runs.exact: is 0.5, expected an integer"),
        ("UPDATE runs SET message = x'ff'", "runs.message: is b'\\xff', expected text"),
        ("UPDATE runs SET placement = 'x'", "runs.placement: is 'x', expected bytes"),
        ("UPDATE runs SET status = 'fine'", "runs.status: is 'fine', expected one of"),
        ("UPDATE runs SET role = ''", "runs.role: is '', expected one of"),
        ("UPDATE instances SET dispatch = 'x'", "instances.dispatch: is 'x', expected one of"),
        ("UPDATE runs SET figures = '['", "runs.figures: is '[', expected JSON of this column"),
        ("UPDATE runs SET figures = '[]'", "runs.figures: is '[]', expected JSON of this column"),
        ("UPDATE runs SET parameters = replace(hex(zeroblob(9999)), '00', '[')", "runs.parameters: is '[[["),
        ("UPDATE runs SET trajectory = '[[1]]'", "runs.trajectory: is '[[1]]', expected JSON of this column"),
        ("UPDATE machines SET facts = '{\"a\": 1}'", "machines.facts: is "),
    ],
)  # fmt: skip
def test_a_file_that_is_not_ours_is_told_in_a_line(statements, problem, changed):
    found = changed(statements)
    assert found.startswith(problem)
    assert len(found) < 400


def test_a_text_that_is_not_utf8_and_a_damaged_page_are_refused(changed, tmp_path):
    with pytest.raises((sqlite3.Error, UnicodeDecodeError)):
        changed("UPDATE runs SET message = CAST(x'ff' AS TEXT)")


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
        assert file_problem(connection, SCHEMAS).startswith("is damaged (")


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "instances/../../x.npz", "instances/..", "instances", "instances/",
     "", ".", "x.npz", "logs/x.npz", "instances/a/b.npz", "instances/a\0.npz", "instances/a\n.npz",
     "/instances/x.npz"],
)  # fmt: skip
def test_a_name_that_leads_out_of_the_folder_of_instances_is_no_file(name, tmp_path):
    (tmp_path / "instances").mkdir()
    assert instance_file(tmp_path, name) is None


def test_a_link_that_leads_out_is_no_file(tmp_path):
    folder = tmp_path / "run"
    (folder / "instances").mkdir(parents=True)
    (folder / "instances" / "own.npz").touch()
    (tmp_path / "secret.npz").touch()
    (folder / "instances" / "link.npz").symlink_to(tmp_path / "secret.npz")
    assert instance_file(folder, "instances/own.npz") == folder / "instances" / "own.npz"
    assert instance_file(folder, "instances/link.npz") is None
    (folder / "instances" / "link.npz").unlink()
    (folder / "instances").rename(tmp_path / "elsewhere")
    (folder / "instances").symlink_to(tmp_path / "elsewhere")
    assert instance_file(folder, "instances/own.npz") is None
