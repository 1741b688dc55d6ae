"""The file a run's results are in: planned as a whole, written row by row, refused when it is not ours."""

import shutil
import sqlite3

import pytest

from slimbench.bench.store import FILE_NAME, SCHEMA_VERSION, Store, StoreError

INSTANCE = {
    "instance_hash": "h",
    "instance": "tiny",
    "file": "f",
    "dispatch": "single",
    "top_k": 2,
    "note": "",
}
RUN = {
    "role": "measure", "instance_hash": "h", "solver": "a[x=1]", "solver_name": "a", "parameters": '{"x": 1}',
    "library": "a", "exact": False, "repeat": 0, "seed": 1, "time_limit_s": 1.0, "memory_limit_mb": 1.0,
    "guarantee_claim": "", "guarantee_conditions": "", "guarantee_source": "", "guarantee_expected": False,
}  # fmt: skip


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
    assert rows[0]["parameters"] == {"x": 1}
    assert (rows[0]["instance"], rows[0]["top_k"]) == ("tiny", 2)
    assert store.meta() == {"schema_version": str(SCHEMA_VERSION), "suite": "s"}
    assert [row["instance"] for row in store.instances()] == ["tiny"]


def test_a_finished_run_is_on_disk_at_once_and_the_others_stay_planned(store, folder, tmp_path):
    store.finish(2, {"status": "ok", "saving_s": 0.1, "figures": '{"n": 1}', "placement": b"\x01"})
    copy = shutil.copytree(folder, tmp_path / "as a kill would leave it")  # the store is still open
    other = Store.open(copy)
    rows = other.runs()
    other.close()
    assert [row["status"] for row in rows] == ["planned", "ok", "planned"]
    assert (rows[1]["saving_s"], rows[1]["figures"], rows[1]["placement"]) == (0.1, {"n": 1}, b"\x01")


def test_runs_are_selected_by_condition(store):
    store.finish(1, {"status": "ok"})
    assert [row["run_id"] for row in store.runs("status = 'planned'")] == [2, 3]
    assert [row["run_id"] for row in store.runs("repeat >= ?", [1])] == [2, 3]


def test_meta_is_added_and_replaced(store):
    store.set_meta({"suite": "t", "jobs": "2"})
    assert store.meta() == {"schema_version": str(SCHEMA_VERSION), "suite": "t", "jobs": "2"}


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
        store.finish(1, {"status": "ok", "no_such_column": 1})
    with pytest.raises(sqlite3.IntegrityError):
        store.finish(1, {"saving_s": 1.0, "status": None})
    assert store.runs()[0]["status"] == "planned"
    assert store.runs()[0]["saving_s"] is None


def test_a_folder_with_results_is_not_made_a_new_run(store, folder):
    store.finish(1, {"status": "ok"})
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


def test_a_database_of_something_else_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("CREATE TABLE notes (text)")
    connection.close()
    assert refusal(Store.open, tmp_path) == (
        f"{tmp_path / FILE_NAME}: is not a results file (no such table: meta)"
    )


def test_another_schema_version_is_refused(store, folder):
    store.set_meta({"schema_version": "1"})
    expected = f"{folder / FILE_NAME}: schema_version: is 1, expected {SCHEMA_VERSION}"
    assert refusal(Store.open, folder) == expected


def test_a_run_stopped_before_its_plan_was_written_is_refused_by_name(folder):
    Store.create(folder).close()
    assert refusal(Store.open, folder) == (
        f"{folder}: has no plan, it was stopped before; expected another folder"
    )
