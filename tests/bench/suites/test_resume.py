"""Going on: what a killed run lacks, and what has changed since, is run; all else stays."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from run_folders import finished, runs_of
from samples import two_cells, with_fields

from slimbench.bench.cli import run as cli_run
from slimbench.bench.execution.verification import verify_run
from slimbench.instances import write_instance

pytestmark = pytest.mark.usefixtures("unreported")
EMPTY = "return Placement.empty(instance)"
REFERENCE = "[reference]\nsolver = 'brute-force'\ntime_s = 30\n"
CLI = [sys.executable, "-m", "slimbench.bench.cli.main"]


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


def test_resume_measures_a_plugin_anew_whose_neighbour_was_edited(write_suite, plugin, command, tmp_path):
    folder, helper = tmp_path / "run", tmp_path / "beside.py"
    own = plugin("own", f"assert beside.value\n{EMPTY}", before="import beside")
    suite = write_suite(tmp_path, ["own", "popularity"], more=REFERENCE)
    for value in ("1", "'another'"):
        helper.write_text(f"value = {value}\n")
        resume = ["--resume"] if folder.exists() else []
        ended = command("run", suite, "--out", folder, "--plugin", own, *resume)
        assert ended.code == 0
    assert "slimbench: 2 results are stale and are measured anew" in ended.err
    assert {row["status"] for row in runs_of(folder)} == {"ok"}


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


def test_runs_that_failed_are_measured_again_and_a_line_says_so(write_suite, plugin, command, tmp_path):
    folder, licence = tmp_path / "run", tmp_path / "licence"
    needy = plugin("needy", f"if not os.path.exists({str(licence)!r}): raise OSError('no licence')\n{EMPTY}")
    suite = write_suite(tmp_path, ["needy", "popularity"], more=REFERENCE)
    arguments = ["run", suite, "--out", folder, "--plugin", needy]
    assert command(*arguments).code == 1
    before = {(row["instance"], row["solver"]): row for row in runs_of(folder)}
    licence.touch()
    ended = command(*arguments, "--resume")
    assert ended.code == 0
    assert ended.err.splitlines()[0] == "slimbench: 2 runs that failed are measured again"
    assert "stale" not in ended.err
    after = {(row["instance"], row["solver"]): row for row in runs_of(folder)}
    assert {row["status"] for row in after.values()} == {"ok"}
    assert {cell for cell in after if after[cell] != before[cell]} == {
        ("two-cells", "needy"), ("random-1", "needy"),
    }  # fmt: skip
    assert "measured" not in command(*arguments, "--resume").err


def test_what_a_limit_stopped_is_a_result_and_stays(write_suite, plugin, command, tmp_path):
    folder = tmp_path / "run"
    none = plugin("none", "raise NoSolutionError('none found')")
    suite = write_suite(tmp_path, ["none"], more=REFERENCE)
    command("run", suite, "--out", folder, "--plugin", none)
    before = runs_of(folder)
    command("run", suite, "--out", folder, "--resume")
    assert runs_of(folder) == before


def test_an_entry_put_in_before_others_makes_nothing_stale(write_suite, command, tmp_path):
    folder = tmp_path / "run"
    suite = write_suite(tmp_path, ["random"], more=f"repeats = 2\n{REFERENCE}")
    assert command("run", suite, "--out", folder).code == 0
    before = {(row["instance"], row["solver"], row["repeat"]): row for row in runs_of(folder)}
    write_instance(with_fields(two_cells("serial"), name="new"), tmp_path / "c.json")
    text = suite.read_text()
    suite.write_text(text.replace("[[instances]]", '[[instances]]\nfile = "c.json"\n[[instances]]', 1))
    ended = command("run", suite, "--out", folder, "--resume")
    assert (ended.code, "stale" in ended.err) == (0, False)
    after = {(row["instance"], row["solver"], row["repeat"]): row for row in runs_of(folder)}
    assert len(after) == len(before) + 3
    assert all(after[cell] == row for cell, row in before.items())


def test_a_bad_cell_is_measured_again_and_everything_else_stays(write_suite, command, tmp_path):
    folder = tmp_path / "run"
    suite = write_suite(tmp_path, ["popularity", "random"], more=REFERENCE)
    assert command("run", suite, "--out", folder).code == 0
    before = {(row["instance"], row["solver"]): row for row in runs_of(folder)}
    with closing(sqlite3.connect(folder / "results.sqlite")) as connection, connection:
        connection.execute("UPDATE runs SET guarantee_ratio = 9e999 WHERE solver = 'random'")
    told = command("verify", folder)
    assert (told.code, len(told.out.splitlines())) == (1, 2)
    assert "guarantee_ratio: is inf, expected a finite number" in told.out
    ended = command("run", suite, "--out", folder, "--resume")
    assert (ended.code, "2 runs that failed are measured again" in ended.err) == (0, True)
    after = {(row["instance"], row["solver"]): row for row in runs_of(folder)}
    assert {cell for cell in after if after[cell] == before[cell]} == {c for c in before if c[1] != "random"}
    assert verify_run(folder) == []


def test_a_run_of_another_suite_is_not_resumed(write_suite, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "small-2-20260101-120000"
    other = write_suite(tmp_path, ["popularity"], more=REFERENCE)
    other.write_text(other.read_text().replace('"small"', '"small-2"'))
    assert command("run", other, "--out", folder).code == 0
    suite = write_suite(tmp_path, ["popularity"], more=REFERENCE)
    before = runs_of(folder)
    assert command("run", suite, "--resume").err == (
        "slimbench: runs: has no run of suite small, expected --out with the folder to resume\n"
    )
    assert command("run", suite, "--resume", "--out", folder).err == (
        f"slimbench: {folder}: is a run of suite small-2, expected one of small\n"
    )
    assert runs_of(folder) == before


def test_resume_of_a_missing_folder_is_one_line_and_makes_none(write_suite, command, tmp_path):
    suite, missing = write_suite(tmp_path, ["popularity"]), tmp_path / "missing"
    for folder in (missing, tmp_path):
        ended = command("run", suite, "--out", folder, "--resume")
        problem = f"{folder}: has no results.sqlite, expected the folder of a run"
        assert (ended.code, ended.err) == (2, f"slimbench: {problem}\n")
        assert not (folder / "running.lock").exists()
    assert not missing.exists()


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("run s --out f --resume -f lns", "run s --out f"),
        ("run s --out f -v --resume --force lns -k x", "run s --out f -v -k x"),
        ("run s --out f -qf lns --resume --force=random", "run s --out f -q"),
        ("run s -flns --resume -s lns", "run s -s lns --out f"),
        ("run s -j 2", "run s -j 2 --out f"),
    ],
)
def test_the_command_that_goes_on_repeats_what_was_given_and_forces_nothing(monkeypatch, given, printed):
    monkeypatch.setattr(sys, "argv", ["/bin/slimbench", *given.split()])
    assert cli_run._resuming(Path("f")) == f"slimbench {printed} --resume"
