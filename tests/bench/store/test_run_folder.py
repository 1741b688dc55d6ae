"""Folders of runs: names that no two runs share, and the latest run of a suite and of no other."""

import os

import pytest

from slimbench.bench.store import run_folder
from slimbench.bench.store.run_folder import latest_run, new_folder, running
from slimbench.bench.store.store import FILE_NAME, StoreError


class Noon(run_folder.datetime):
    @classmethod
    def now(cls, _zone):
        return cls(2026, 1, 1, 12)


def test_runs_that_start_in_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "datetime", Noon)
    made = [new_folder(tmp_path / "runs", "mine") for _ in range(3)]
    assert [folder.name for folder in made] == [
        "mine-20260101-120000", "mine-20260101-120000-2", "mine-20260101-120000-3",
    ]  # fmt: skip


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(StoreError, match=r"runs/mine-.*: cannot be made a run folder \(File exists\)"):
        new_folder(tmp_path / "runs", "mine")


def test_the_latest_run_is_of_the_suite_itself_and_counts_what_lies_in_its_log(tmp_path):
    for age, name in enumerate(
        ["mine-20260101-120000", "mine-20260101-120000-2", "mine-2-20260101-120000", "mine-by-hand", "mine"]
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE_NAME).touch()
        os.utime(tmp_path / name / FILE_NAME, (age, age))
    assert latest_run(tmp_path, "mine").name == "mine-20260101-120000-2"
    assert latest_run(tmp_path, "mine-2").name == "mine-2-20260101-120000"
    log = tmp_path / "mine-20260101-120000" / f"{FILE_NAME}-wal"
    log.touch()
    os.utime(log, (10, 10))
    assert latest_run(tmp_path, "mine").name == "mine-20260101-120000"


def test_a_file_system_without_locks_is_not_taken_for_another_process(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(run_folder.fcntl, "flock", refuse)
    with (
        pytest.raises(StoreError, match=r"running.lock: cannot be written \(No locks available\)"),
        running(tmp_path),
    ):
        pass
