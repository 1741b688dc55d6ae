"""Results are read without changing anything, also where nothing can be written, and while a run goes on."""

import contextlib
import shutil
import sqlite3

import pytest
from read_only import read_only
from run_folders import write_run

from slimbench.bench.results.results import load_results
from slimbench.bench.store.connection import snapshot
from slimbench.bench.store.store import FILE_NAME, Store, StoreError


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "run #1 100%?", [{"solver": "a"}, {"solver": "b"}])


def savings(folder):
    return load_results(folder).runs["saving_s"].tolist()


def state(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def in_wal_mode(folder):
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return folder


def killed(folder, to, *, without=""):
    """Copy a folder as a kill leaves it: the saving of run 2, 3.0, is in the log alone."""
    with contextlib.closing(sqlite3.connect(in_wal_mode(folder) / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE runs SET saving_s = 3.0 WHERE run_id = 2")
        connection.commit()
        shutil.copytree(folder, to)
    assert (to / f"{FILE_NAME}-wal").stat().st_size
    if without:
        (to / f"{FILE_NAME}{without}").unlink()
    return to


def test_a_closed_store_is_one_file_that_reading_leaves_as_it_is(folder):
    before = state(folder)
    assert set(before) == {FILE_NAME}
    assert savings(folder) == [1.0, 1.0]
    assert state(folder) == before


def test_a_folder_that_may_only_be_read_is_read(folder):
    with read_only(folder):
        with pytest.raises(PermissionError):
            (folder / "file").touch()
        assert savings(folder) == [1.0, 1.0]


def test_a_file_in_wal_mode_in_a_folder_that_may_only_be_read_is_read(folder):
    with read_only(in_wal_mode(folder)):
        assert savings(folder) == [1.0, 1.0]


@pytest.mark.parametrize("without", ["", "-shm"])
def test_what_a_killed_run_wrote_last_is_read_too(folder, tmp_path, without):
    left = killed(folder, tmp_path / "left", without=without)
    with read_only(left):
        assert savings(left) == [1.0, 3.0]
    assert savings(left) == [1.0, 3.0]


def test_a_transaction_that_was_not_finished_is_not_read(folder, tmp_path):
    connection = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
    connection.executescript("PRAGMA cache_size = 1; BEGIN; UPDATE runs SET message = hex(zeroblob(99999))")
    connection.execute("UPDATE runs SET saving_s = 3.0")
    left = shutil.copytree(folder, tmp_path / "left")
    connection.close()
    assert (left / f"{FILE_NAME}-journal").stat().st_size
    with read_only(left):
        assert savings(left) == [1.0, 1.0]


def test_a_snapshot_is_of_one_moment_and_cannot_be_written(folder):
    with contextlib.closing(Store.snapshot(folder)) as now, contextlib.closing(Store.open(folder)) as store:
        store.set_meta({"later": "1"})
        assert "later" not in now.meta()
        with pytest.raises(StoreError, match="attempt to write a readonly database"):
            now.set_meta({"x": "y"})
    with contextlib.closing(Store.snapshot(folder)) as later:
        assert later.meta()["later"] == "1"


def test_a_file_that_another_process_has_locked_is_not_waited_for_without_end(folder, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, **more | {"timeout": 0}))
    with contextlib.closing(connect(folder / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            snapshot(folder / FILE_NAME)
        with pytest.raises(StoreError, match="database is locked"):
            Store.snapshot(folder)


def test_a_store_that_somebody_reads_is_closed_all_the_same(folder):
    store = Store.open(folder)
    with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM runs").fetchall()
        store.set_meta({"later": "1"})
        store.close()
    with contextlib.closing(Store.snapshot(folder)) as later:
        assert later.meta()["later"] == "1"
