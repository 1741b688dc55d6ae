"""Going on: what a killed run lacks, and what has changed since, is run; all else stays."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from run_folders import finished, runs_of
from samples import two_cells

from slimbench.bench import versions
from slimbench.bench.verification import verify_run
from slimbench.instances import write_instance

pytestmark = pytest.mark.usefixtures("unreported")
EMPTY = "return Placement.empty(instance)"
REFERENCE = "[reference]\nsolver = 'brute-force'\ntime_s = 30\n"
CLI = [sys.executable, "-m", "slimbench.bench.cli"]


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_run_killed_half_way_is_finished_by_resume(
    write_suite, plugin, command, tmp_path, wait_until, jobs
):
    gate, calls, folder = tmp_path / "gate", tmp_path / "calls", tmp_path / "run"
    gated = plugin("gated", f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n{EMPTY}")
    note = f"with open({str(calls)!r}, 'a') as f: f.write(instance.name + '\\n')\n"
    counted = plugin("counted", note + EMPTY)
    suite = write_suite(tmp_path, ["counted", "gated", "random"], more=f"repeats = 2\n{REFERENCE}")
    arguments = ["run", suite, "--out", folder, "--plugin", gated, "--plugin", counted, "--jobs", str(jobs)]
    reached = {1: 3, 2: 5}[jobs]  # with two jobs, everything up to the second gate
    with subprocess.Popen(
        [*CLI, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        wait_until(lambda: finished(folder) == reached)
        os.kill(run.pid, signal.SIGKILL)
    before = {row["run_id"]: row for row in runs_of(folder)}
    done = [key for key, row in before.items() if row["status"] != "planned"]
    assert len(before) == 2 * (2 + 2 * 3)
    assert len(done) == reached

    gate.touch()
    ended = command("run", suite, "--out", folder, "--resume", "--jobs", jobs)
    assert ended.code == 0
    after = {row["run_id"]: row for row in runs_of(folder)}
    assert after.keys() == before.keys()
    assert {row["status"] for row in after.values()} == {"ok"}
    assert all(after[key] == before[key] for key in done)
    assert sorted(calls.read_text().split()) == ["random-1"] * 2 + ["two-cells"] * 2
    assert verify_run(folder) == []
    assert (folder / "report.html").is_file()

    again = command("run", suite, "--out", folder, "--resume")
    assert again.code == 0
    assert {row["run_id"]: row for row in runs_of(folder)} == after


def test_resume_takes_the_latest_run_of_the_suite(write_suite, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = write_suite(tmp_path, ["popularity"], more=REFERENCE)
    assert command("run", suite).code == 0
    (folder,) = (tmp_path / "runs").glob("small-*")
    with closing(sqlite3.connect(folder / "results.sqlite")) as connection, connection:
        connection.execute("UPDATE runs SET status = 'planned' WHERE role = 'measure'")
    assert command("run", suite, "--resume").code == 0
    assert {row["status"] for row in runs_of(folder)} == {"ok"}


def test_resume_of_nothing_is_refused(write_suite, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nothing = command("run", write_suite(tmp_path, ["popularity"]), "--resume")
    assert (nothing.code, nothing.err) == (
        2, "slimbench: runs: has no run of suite small, expected --out with the folder to resume\n",
    )  # fmt: skip


def test_resume_of_an_edited_suite_does_what_is_new_and_leaves_out_what_is_gone(
    write_suite, command, tmp_path
):
    folder = tmp_path / "run"
    suite = write_suite(tmp_path, ["popularity", "random"], more=REFERENCE)
    assert command("run", suite, "--out", folder).code == 0
    before = {(row["instance"], row["solver"]): row for row in runs_of(folder)}
    suite = write_suite(tmp_path, ["popularity", "slim-dp"], more=REFERENCE)
    ended = command("run", suite, "--out", folder, "--resume")
    assert ended.code == 0
    assert "slimbench: 2 results are stale and are measured anew" in ended.err
    after = {(row["instance"], row["solver"]): row for row in runs_of(folder)}
    assert {solver for _, solver in after} == {"brute-force", "popularity", "slim-dp"}
    assert all(after[cell] == row for cell, row in before.items() if cell[1] != "random")


def test_resume_measures_an_edited_plugin_and_an_edited_instance_anew(write_suite, plugin, command, tmp_path):
    folder = tmp_path / "run"
    own = plugin("own", EMPTY)
    suite = write_suite(tmp_path, ["own", "popularity"], more=REFERENCE)
    assert command("run", suite, "--out", folder, "--plugin", own).code == 0
    before = {(row["instance"], row["solver"]): row for row in runs_of(folder)}
    plugin("own", "x = 1\n" + EMPTY)
    write_instance(two_cells("parallel"), tmp_path / "a.json")
    versions._hash_with_imports.cache_clear()  # of the one process that all of these commands run in
    ended = command("run", suite, "--out", folder, "--resume")
    assert ended.code == 0
    assert "5 results are stale" in ended.err  # four rows of the edited instance, the plugin on the other
    after = {(row["instance"], row["solver"]): row for row in runs_of(folder)}
    assert after.keys() == before.keys()
    assert {cell for cell in after if after[cell] == before[cell]} == {
        ("random-1", "popularity"), ("random-1", "brute-force"),
    }  # fmt: skip
    assert {row["dispatch"] for row in runs_of(folder) if row["instance"] == "two-cells"} == {"parallel"}
    assert verify_run(folder) == []


def test_force_measures_a_solver_anew_and_nothing_else(write_suite, command, tmp_path):
    folder = tmp_path / "run"
    suite = write_suite(tmp_path, ["popularity", "lns[patience=2]", "lns"], more=REFERENCE)
    assert command("run", suite, "--out", folder).code == 0
    before = {row["run_id"] for row in runs_of(folder)}
    assert command("run", suite, "--out", folder, "--resume", "-f", "lns[patience=2]").code == 0
    after = runs_of(folder)
    assert {row["solver"] for row in after if row["run_id"] not in before} == {"lns[patience=2]"}
    assert command("run", suite, "--out", folder, "--resume", "-f", "lns").code == 0
    fresh = {row["run_id"] for row in runs_of(folder)} - {row["run_id"] for row in after}
    assert {row["solver"] for row in runs_of(folder) if row["run_id"] in fresh} == {"lns[patience=2]", "lns"}
    refused = command("run", suite, "--out", folder, "--resume", "-f", "nobody")
    assert (refused.code, "solver 'nobody': unknown" in refused.err) == (2, True)
    assert command("run", suite, "-f", "lns").code == 2
