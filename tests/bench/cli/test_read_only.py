"""Run folders of others: what reads one works where nothing can be written, and what writes says so."""

import shutil

import pytest
from read_only import read_only

from slimbench.reports.pages import page

REFERENCE = "[reference]\nsolver = 'brute-force'\n"


@pytest.fixture(scope="module")
def suite(tmp_path_factory, write_suite):
    return write_suite(tmp_path_factory.mktemp("owned"), ["popularity", "slim-dp"], more=REFERENCE)


@pytest.fixture(scope="module")
def folder(suite, run_suite):
    run_suite(suite, suite.parent / "run")
    return suite.parent / "run"


def test_what_reads_a_run_works_where_nothing_can_be_written(folder, tmp_path, command):
    other = shutil.copytree(folder, tmp_path / "other")
    with read_only(folder):
        assert command("verify", folder).code == 0
        assert command("inspect", folder, "--instance", "two-cells", "-s", "slim-dp").code == 0
        assert command("compare", folder, folder).code == 0
        assert command("export", folder, "--out", tmp_path / "tables").code == 0
        assert command("merge", folder, other, "--out", tmp_path / "out").code == 0
    assert (tmp_path / "tables" / "runs.parquet").is_file()
    assert command("verify", tmp_path / "out").code == 0


def test_what_writes_into_a_run_says_that_it_cannot(suite, folder, command):
    problem = "cannot be written (Permission denied)"
    with read_only(folder):
        ended = command("export", folder)
        assert (ended.code, ended.err) == (2, f"slimbench: {folder / 'export'}: {problem}\n")
        ended = command("run", suite, "--out", folder, "--resume")
        assert (ended.code, ended.err) == (2, f"slimbench: {folder / 'running.lock'}: {problem}\n")
        ended = command("report", folder)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"slimbench: {folder}: the report {problem}, expected --out FOLDER\n"


def test_a_report_is_written_elsewhere(folder, tmp_path, command, monkeypatch):
    for drawn in ("charts", "worst_placement"):  # which takes most of the time
        monkeypatch.setattr(page, drawn, lambda *_: [])
    with read_only(folder):
        ended = command("report", folder, "--out", tmp_path / "mine")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == f"report: {tmp_path / 'mine' / 'report.html'}"
    assert (tmp_path / "mine" / "tables" / "runs.csv").is_file()
