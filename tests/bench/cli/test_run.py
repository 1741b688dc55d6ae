"""``run``, ``report`` and ``verify``: what they print, and exit codes 0, 1, 2 and 4."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from command_line import assert_bad_input
from run_folders import write_run

REFERENCE = "[reference]\nsolver = 'brute-force'\n"

# run, report, verify


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory, write_suite, run_suite):
    folder = tmp_path_factory.mktemp("finished")
    run_suite(write_suite(folder, ["popularity", "slim-dp"], more=REFERENCE), folder / "run")
    return folder / "run"


def test_run_ends_with_the_ratio_table_and_where_the_report_lies(write_suite, tmp_path, command):
    suite, out = write_suite(tmp_path, ["popularity", "milp"], more=REFERENCE), tmp_path / "run"
    ended = command("run", suite, "--out", out, "--jobs", 1)
    assert ended.code == 0
    assert "popularity" in ended.out
    assert "2 / 2" in ended.out
    assert ended.out.splitlines()[-1] == f"report: {out / 'report.html'}"
    assert (out / "report.html").is_file()
    assert (out / "report.md").is_file()
    again = command("run", suite, "--out", out)
    assert_bad_input(again, out, "has results already, expected --resume or another folder")


def test_code_1_when_a_run_failed_and_4_when_nothing_was_measured(write_suite, tmp_path, plugin, command):
    crash = plugin("crash", "os._exit(3)")
    for solvers, code in ((["crash", "popularity"], 1), (["crash"], 4)):
        suite, out = write_suite(tmp_path, solvers, more=REFERENCE), tmp_path / f"run{code}"
        ended = command("run", suite, "--out", out, "--plugin", crash, "--jobs", 1)
        assert ended.code == code
        assert "0 / 2" in ended.out
        assert "slimbench: two-cells: crash: crashed: exited with code 3 before it returned a " in ended.err
        assert "Traceback" not in ended.err
        assert command("verify", out).code == 0


def test_a_reference_that_fails_is_named_and_fails_the_run(write_suite, tmp_path, plugin, command):
    broken = plugin("broken", "raise ValueError('no licence')", options="exact=True")
    more = '[reference]\nsolver = "milp"\ncross_check = ["broken"]\n'
    suite = write_suite(tmp_path, ["popularity"], more=more)
    ended = command("run", suite, "--out", tmp_path / "run", "--plugin", broken, "--jobs", 1)
    assert ended.code == 1
    assert "two-cells: cross-check broken: error: ValueError: no licence" in ended.err
    assert "2 / 2" in ended.out


@pytest.fixture
def without_page(monkeypatch):
    """Write no page: that takes seconds."""
    monkeypatch.setattr("slimbench.reports.write_report", lambda _, folder, _out: folder / "report.html")


@pytest.mark.usefixtures("without_page")
@pytest.mark.parametrize("role", ["measure", "cross-check"])
def test_a_contradicted_run_is_reported_as_such_first_and_with_code_1(role, tmp_path, command):
    liar = {"solver": "liar", "exact": True, "role": role, "saving_s": 0.5, "bound_saving_s": 0.5}
    write_run(tmp_path / "run", [{"solver": "dp", "saving_s": 0.9}, liar])
    ended = command("report", tmp_path / "run")
    assert ended.code == 1
    assert ended.out.startswith("Contradicted: liar on tiny: run 2 claims that no placement saves more than ")


@pytest.mark.usefixtures("without_page")
def test_a_broken_guarantee_is_reported_first_and_with_code_1(tmp_path, command):
    proof = {"solver": "brute-force", "exact": True, "saving_s": 1.0, "bound_saving_s": 1.0}
    bad = {"solver": "bad", "saving_s": 0.1, "guarantee_claim": "1/2"}
    folder = write_run(tmp_path / "run", [bad, proof])
    with closing(sqlite3.connect(folder / "results.sqlite")) as connection, connection:
        connection.execute("UPDATE runs SET guarantee_ratio = 0.5 WHERE solver = 'bad'")
    ended = command("report", folder)
    assert ended.code == 1
    assert ended.out.startswith("Broken guarantee: bad on tiny: ratio of at most 0.1 against the declared")


def test_words_of_a_plugin_are_shown_as_they_stand(plugin, command):
    odd = plugin("odd", "return Placement.empty(instance)", parameters="mark: str = '[/b]'")
    ended = command("solvers", "--plugin", odd)
    assert ended.code == 0
    assert "mark=[/b]" in ended.out


def test_report_is_written_anew(finished_run, tmp_path, command):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    ended = command("report", folder)
    assert ended.code == 0
    assert (folder / "report.html").read_text().startswith("<!")
    assert "slim-dp" in ended.out


def test_verify_says_so_or_names_each_fault(finished_run, tmp_path, command):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    good = command("verify", folder)
    assert (good.code, good.out) == (0, f"{folder}: every placement and reference verifies\n")
    with closing(sqlite3.connect(folder / "results.sqlite")) as connection, connection:
        connection.execute("UPDATE runs SET saving_s = saving_s / 2 WHERE solver = 'slim-dp'")
    bad = command("verify", folder)
    assert bad.code == 1
    assert len(bad.out.splitlines()) == 2
    assert all("(slim-dp): saving_s is stored as " in line for line in bad.out.splitlines())


def test_a_bad_suite_is_one_line_and_makes_no_folder(write_suite, tmp_path, command):
    out = tmp_path / "run"
    assert_bad_input(command("run", "no-such-suite", "--out", out), "no-such-suite: No such file")
    suite = write_suite(tmp_path, ["random"], more="repeats = 0\n")
    assert_bad_input(command("run", suite, "--out", out), suite, "repeats")
    suite = write_suite(tmp_path, ["nobody"])
    assert_bad_input(command("run", suite, "--out", out), "solver 'nobody': unknown")
    (tmp_path / "a.json").unlink()
    suite = write_suite(tmp_path, ["random"])
    (tmp_path / "a.json").write_text("{}")
    assert_bad_input(command("run", suite, "--out", out), tmp_path / "a.json")
    assert not out.exists()


@pytest.mark.parametrize("verb", ["report", "verify"])
def test_a_folder_that_is_no_run_is_one_line(verb, tmp_path, command):
    assert_bad_input(command(verb, tmp_path), tmp_path, "has no results.sqlite, expected the folder of a run")
    assert_bad_input(command(verb, tmp_path / "none"), tmp_path / "none")
    (tmp_path / "results.sqlite").write_text("not a database, but long enough to be read as one" * 10)
    assert_bad_input(command(verb, tmp_path), "is not a results file")


def test_a_file_in_place_of_the_run_folder_is_one_line(write_suite, tmp_path, command):
    file = tmp_path / "file"
    file.touch()
    assert_bad_input(command("run", write_suite(tmp_path, ["random"]), "--out", file), file)
