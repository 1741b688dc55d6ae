"""The file a run's results are in: planned as a whole, written row by row, refused when it is not ours."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

from slimbench.bench.store.run_folder import running
from slimbench.bench.store.schema import SCHEMA_VERSION, SCHEMAS
from slimbench.bench.store.store import FILE_NAME, Store, StoreError

INSTANCE = {
    "instance_hash": "h",
    "instance": "tiny",
    "file": "f",
    "dispatch": "single",
    "top_k": 2,
    "suite": "s",
    "entry": "tiny",
    "entry_number": 0,
    "swept": "{}",
    "note": "",
}
RUN = {
    "role": "measure", "instance_hash": "h", "solver": "a[x=1]", "solver_name": "a", "parameters": '{"x": 1}',
    "library": "a", "exact": False, "bounds": False, "repeat": 0, "seed": 1, "time_limit_s": 1.0,
    "cpu_limit_s": None,
    "planning": None, "planning_hash": None, "memory_limit_mb": 1.0, "threads": 1, "code_version": "v1",
    "guarantee_claim": "", "guarantee_conditions": "", "guarantee_source": "", "guarantee_expected": False,
}  # fmt: skip
MACHINE = {"machine_id": "m1", "processor": "fast"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "deep" / "run"


@pytest.fixture
def store(folder):
    store = Store.create(folder)
    store.plan([INSTANCE], [RUN | {"repeat": i} for i in range(3)], {"suite": "s"})
    yield store
    store.close()


def refusal(make, folder):
    with pytest.raises(StoreError) as error:
        make(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_planned_run_is_a_row_before_anything_ran(store):
    rows = store.runs()
    assert [(row["run_id"], row["repeat"], row["status"]) for row in rows] == [
        (1, 0, "planned"), (2, 1, "planned"), (3, 2, "planned"),
    ]  # fmt: skip
    assert {row["termination"] for row in rows} == {"none"}
    assert all(row["saving_s"] is None and row["placement"] is None for row in rows)
    assert rows[0]["parameters"] == '{"x": 1}'
    assert (rows[0]["instance"], rows[0]["top_k"]) == ("tiny", 2)
    assert store.meta() == {"schema_version": SCHEMA_VERSION, "suite": "s"}
    assert [row["instance"] for row in store.instances()] == ["tiny"]


def test_a_finished_run_is_on_disk_at_once_and_the_others_stay_planned(store, folder, tmp_path):
    store.finish(
        2,
        {"status": "ok", "saving_s": 0.1, "latency_s": 0.9, "latency_none_s": 1.0, "figures": '{"n": 1}',
         "placement": b"\x01", "machine_id": "m1"},
        MACHINE,
    )  # fmt: skip
    copy = shutil.copytree(folder, tmp_path / "as a kill would leave it")  # the store is still open
    other = Store.open(copy)
    rows = other.runs()
    other.close()
    assert [row["status"] for row in rows] == ["planned", "ok", "planned"]
    assert (rows[1]["saving_s"], rows[1]["figures"], rows[1]["placement"]) == (0.1, {"n": 1}, b"\x01")


def test_runs_are_selected_by_condition(store):
    store.finish(1, {"status": "ok"}, MACHINE)
    assert [row["run_id"] for row in store.runs("status = 'planned'")] == [2, 3]
    assert [row["run_id"] for row in store.runs("repeat >= ?", [1])] == [2, 3]


def test_meta_is_added_and_replaced(store):
    store.set_meta({"suite": "t", "jobs": "2"})
    assert store.meta() == {"schema_version": SCHEMA_VERSION, "suite": "t", "jobs": "2"}


def test_a_plan_that_cannot_be_written_as_a_whole_is_not_written_at_all(folder):
    store = Store.create(folder)
    with pytest.raises(sqlite3.IntegrityError):
        store.plan([INSTANCE], [RUN, RUN | {"instance_hash": "unknown"}], {"suite": "s"})
    assert store.instances() == store.runs() == []
    assert "suite" not in store.meta()
    store.plan([INSTANCE], [RUN], {"suite": "s"})
    assert len(store.runs()) == 1
    store.close()


def test_a_result_that_cannot_be_written_leaves_its_row_planned(store):
    with pytest.raises(sqlite3.Error):
        store.finish(1, {"status": "ok", "no_such_column": 1}, MACHINE)
    with pytest.raises(sqlite3.IntegrityError):
        store.finish(1, {"saving_s": 1.0, "status": None}, MACHINE)
    assert store.runs()[0]["status"] == "planned"
    assert store.runs()[0]["saving_s"] is None


def test_a_full_disk_is_told_as_such_and_the_store_goes_on(store, folder):
    ((pages,),) = store._connection.execute("PRAGMA page_count")
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError) as error:
        store.finish(1, {"status": "ok", "message": "x" * 100_000}, MACHINE)
    assert str(error.value) == (
        f"{folder}: cannot write a result (database or disk is full); run again with --resume"
    )
    assert store.runs()[0]["status"] == "planned"
    store.finish(1, {"status": "ok"}, MACHINE)


def test_a_store_that_cannot_be_made_leaves_no_file(folder, monkeypatch):
    monkeypatch.setitem(SCHEMAS, SCHEMA_VERSION, SCHEMAS[SCHEMA_VERSION] + "CREATE nonsense;")
    assert refusal(Store.create, folder).startswith(f"{folder}: cannot be made a run folder (near")
    assert list(folder.iterdir()) == []


def test_a_folder_with_results_is_not_made_a_new_run(store, folder):
    store.finish(1, {"status": "ok"}, MACHINE)
    assert refusal(Store.create, folder) == (
        f"{folder}: has results already, expected --resume or another folder"
    )
    assert store.runs()[0]["status"] == "ok"


def test_a_folder_without_results_is_not_opened(tmp_path):
    assert refusal(Store.open, tmp_path) == f"{tmp_path}: has no {FILE_NAME}, expected the folder of a run"
    missing = tmp_path / "missing"
    assert refusal(Store.open, missing) == f"{missing}: has no {FILE_NAME}, expected the folder of a run"
    assert not missing.exists()


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert refusal(Store.create, file).startswith(f"{file}: cannot be made a run folder")
    assert refusal(Store.open, file).startswith(f"{file}: has no {FILE_NAME}")


@pytest.mark.parametrize("content", [b"no database\n" * 100, b"SQLite format 3\0" + b"\xff" * 200])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    (tmp_path / FILE_NAME).write_bytes(content)
    assert refusal(Store.open, tmp_path).startswith(f"{tmp_path / FILE_NAME}: is not a results file (")


def test_a_file_of_which_sqlite_says_that_memory_is_out_is_refused(store, folder, monkeypatch):
    def connect(*_args, **_kwargs):
        raise MemoryError  # so it does where a row of the schema claims to be of a length that it has not

    monkeypatch.setattr("slimbench.bench.store.store.sqlite3.connect", connect)
    assert refusal(Store.open, folder) == f"{folder / FILE_NAME}: is not a results file (MemoryError)"


def test_a_database_of_something_else_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE notes (text)")
    connection.close()
    assert refusal(Store.open, tmp_path) == (
        f"{tmp_path / FILE_NAME}: is not a results file, expected a table meta"
    )


def test_another_schema_version_is_refused(store, folder):
    store.set_meta({"schema_version": "1"})
    expected = f"{folder / FILE_NAME}: schema_version: is 1, expected 6 or 7"
    assert refusal(Store.open, folder) == expected


def as_version_6(folder):
    """Take from a new file what version 6 did not have; the tables are then as it made them."""
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        connection.execute("ALTER TABLE runs DROP COLUMN bounds")
        connection.execute("UPDATE meta SET value = '6' WHERE key = 'schema_version'")


def test_a_file_of_version_6_is_read_as_it_is_and_goes_on_as_ours(store, folder):
    store.plan([INSTANCE], [RUN, RUN | {"repeat": 1}], {})
    store.close()
    as_version_6(folder)
    before = (folder / FILE_NAME).read_bytes()
    with contextlib.closing(Store.snapshot(folder)) as read:
        assert [row["bounds"] for row in read.runs()] == [0, 0]
    assert (folder / FILE_NAME).read_bytes() == before
    with contextlib.closing(Store.open(folder)) as old:
        old.finish(1, {"status": "ok", "machine_id": "m1"}, MACHINE)
        assert old.plan([INSTANCE], [RUN, RUN | {"repeat": 1, "bounds": True}], {}) == 0
    with contextlib.closing(Store.open(folder)) as new:
        assert new.meta()["schema_version"] == SCHEMA_VERSION
        assert [(row["status"], row["bounds"]) for row in new.runs()] == [("ok", 0), ("planned", 1)]


def test_a_run_stopped_before_its_plan_was_written_is_refused_by_name(folder):
    Store.create(folder).close()
    assert refusal(Store.open, folder) == (
        f"{folder}: has no plan, it was stopped before; expected another folder"
    )


# Planning again


@pytest.fixture
def measured(store):
    """Return the store with repeats 0 and 1 finished and 2 planned."""
    for run_id in (1, 2):
        store.finish(run_id, {"status": "ok", "saving_s": 0.1 * run_id}, MACHINE)
    return store


def rows_of(store):
    return [(row["repeat"], row["status"], row["code_version"], row["saving_s"]) for row in store.runs()]


def test_the_same_plan_once_more_changes_nothing(measured):
    before = measured.runs()
    assert measured.plan([INSTANCE], [RUN | {"repeat": i} for i in range(3)], {}) == 0
    assert measured.runs() == before


@pytest.mark.parametrize(
    "change",
    [{"code_version": "v2"}, {"seed": 2}, {"time_limit_s": 2.0}, {"parameters": '{"x": 2}'}, {"threads": 2}],
)
def test_a_result_by_other_code_or_under_other_conditions_is_stale_and_planned_again(measured, change):
    runs = [RUN | {"repeat": 0}, RUN | {"repeat": 1} | change, RUN | {"repeat": 2}]
    assert measured.plan([INSTANCE], runs, {}) == 1
    assert [(row["repeat"], row["status"]) for row in measured.runs()] == [
        (0, "ok"),
        (2, "planned"),
        (1, "planned"),
    ]
    assert measured.stale_runs() == [{"solver": "a[x=1]", "code_version": "v1", "n": 1}]


def test_what_the_plan_no_longer_has_is_stale_or_gone(measured):
    assert measured.plan([INSTANCE], [RUN | {"repeat": 0}], {}) == 1
    assert rows_of(measured) == [(0, "ok", "v1", 0.1)]
    assert measured.stale_runs()[0]["n"] == 1  # repeat 2 never ran


def test_a_result_is_measured_anew_when_it_is_asked_for(measured):
    plan = [RUN | {"repeat": i} for i in range(3)]
    assert measured.plan([INSTANCE], plan, {}, anew=lambda row: row["repeat"] == 1) == 1
    assert rows_of(measured) == [(0, "ok", "v1", 0.1), (2, "planned", "v1", None), (1, "planned", "v1", None)]


def test_rows_that_a_plan_does_not_concern_stay_as_they_are(measured):
    plan = [RUN | {"repeat": 0, "code_version": "v2"}]
    assert measured.plan([INSTANCE], plan, {}, concerns=lambda row: row["repeat"] == 0) == 1
    assert sorted(rows_of(measured))[1:] == [(1, "ok", "v1", 0.2), (2, "planned", "v1", None)]


def test_an_instance_whose_runs_are_all_stale_is_none_of_the_plan(measured):
    other = INSTANCE | {"instance_hash": "other", "instance": "tiny, edited"}
    measured.plan([other], [RUN | {"instance_hash": "other"}], {})
    assert [row["instance"] for row in measured.instances()] == ["tiny, edited"]


def test_a_row_knows_the_machine_it_was_made_on(measured):
    assert measured.machines() == {"m1": MACHINE}


# One process at a time


def test_a_folder_that_is_being_run_is_refused_by_name_until_its_process_ends(store, folder, tmp_path):
    with running(folder), pytest.raises(StoreError) as error, running(folder):
        pass
    assert str(error.value).startswith(f"{folder}: is being run by process {os.getpid()} on ")
    with running(folder):
        pass


def test_the_lock_goes_with_its_process_however_that_ends(store, folder):
    code = (
        "import sys, time; from pathlib import Path; from slimbench.bench.store.run_folder import running\n"
        "with running(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=f"is being run by process {holder.pid} on "), running(folder):
            pass
        holder.kill()
    with running(folder):
        pass
