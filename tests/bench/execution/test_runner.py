"""Whole runs: every planned run ends as a row, and a contradiction stops everything."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from oracles import brute_force
from run_folders import runs_of
from samples import random_instance, two_cells

from slimbench.bench import load_results
from slimbench.bench.execution.verification import verify_run
from slimbench.bench.store.store import Store
from slimbench.formulations import ContradictionError

EMPTY = "return Placement.empty(instance)"
REFERENCE = "[reference]\nsolver = 'brute-force'\ntime_s = 30\n"
LIAR = "context.report(Placement.empty(instance), 1e-9, optimal=False)\n" + EMPTY


@pytest.mark.parametrize("dispatch", ["single", "parallel", "serial"])
def test_every_planned_run_has_a_row_and_every_exact_one_finds_the_optimum(
    write_suite, run_suite, tmp_path, dispatch
):
    more = "repeats = 2\n[reference]\nsolver = 'milp'\ncross_check = ['milp[backend=cbc]']\n"
    suite = write_suite(tmp_path, ["slim-dp", "random", "milp[backend=scip]"], dispatch=dispatch, more=more)
    rows = run_suite(suite, tmp_path / "run", jobs=2)
    assert len(rows) == 2 * (3 + 2 * 3)
    assert {row["status"] for row in rows} == {"ok"}
    assert all(row["finished_at"] and row["runtime_s"] > 0 for row in rows)
    references = load_results(tmp_path / "run").references.set_index("instance")
    for instance in (two_cells(dispatch), random_instance(1, dispatch=dispatch, servers=2, experts=4)):
        optimum, _ = brute_force(instance)
        for row in rows:
            if row["instance"] == instance.name and row["exact"]:
                assert row["saving_s"] == pytest.approx(optimum, rel=1e-9)
                assert row["termination"] == "optimal"
        reference = references.loc[instance.name]
        assert (reference["level"], reference["proven"]) == ("certified", True)
        assert reference["saving_s"] == pytest.approx(optimum, rel=1e-9)


def test_runs_that_fail_are_rows_and_the_suite_goes_on(write_suite, run_suite, plugin, tmp_path):
    crash, hang = plugin("crash", "os._exit(7)"), plugin("hang", "while True: pass")
    more = f"[limits]\ntime_s = 0.3\n{REFERENCE}"
    suite = write_suite(tmp_path, ["crash", "hang", "popularity"], more=more)
    rows = run_suite(suite, tmp_path / "run", crash, hang)
    measured = [(r["solver"], r["status"]) for r in rows if r["role"] == "measure"]
    assert measured == [("crash", "crashed"), ("hang", "time_limit"), ("popularity", "ok")] * 2
    assert verify_run(tmp_path / "run") == []


def test_two_jobs_place_as_one_does(write_suite, run_suite, tmp_path):
    solvers = ["random", "slim-maxconv", "local-search", "slim-greedy"]
    placements = []
    for jobs in (1, 2):
        suite = write_suite(tmp_path / str(jobs), solvers, more=f"repeats = 2\nseed = 5\n{REFERENCE}")
        rows = run_suite(suite, tmp_path / str(jobs) / "run", jobs=jobs)
        placements.append([(r["instance"], r["solver"], r["repeat"], r["placement"]) for r in rows])
    assert placements[0] == placements[1]
    drawn = [placed for name, solver, _, placed in placements[0] if (name, solver) == ("random-1", "random")]
    assert len(set(drawn)) == 2  # repeats have seeds of their own


def test_a_reference_is_solved_once_for_all_runs_beside_each_other(write_suite, run_suite, tmp_path):
    suite = write_suite(tmp_path, ["popularity"], more=REFERENCE)
    first, second = (run_suite(suite, tmp_path / name) for name in ("first", "second"))

    def told(rows):
        return [row["message"].partition(" ")[0] for row in rows if row["role"] != "measure"]

    assert set(told(first)) == {"", "solved"}  # brute force is planned as reference and as certificate
    assert set(told(second)) == {"solved"}
    columns = ("saving_s", "bound_saving_s", "runtime_s", "termination", "placement")
    for a, b in zip(first, second, strict=True):
        if a["role"] != "measure":
            assert [a[column] for column in columns] == [b[column] for column in columns]


def test_a_measured_exact_solver_is_always_run_and_never_read_from_before(write_suite, run_suite, tmp_path):
    suite = write_suite(tmp_path, ["brute-force"], more=REFERENCE)
    rows = run_suite(suite, tmp_path / "first") + run_suite(suite, tmp_path / "second")
    assert {row["message"] for row in rows if row["role"] == "measure"} == {""}


def test_a_reference_by_a_plugin_is_solved_again_as_nobody_knows_what_changed_in_it(
    write_suite, run_suite, plugin, tmp_path
):
    calls = tmp_path / "calls"
    body = f"with open({str(calls)!r}, 'a') as f: f.write('x')\n{EMPTY}"
    own = plugin("own-exact", body, options="exact=True")
    suite = write_suite(tmp_path, ["popularity"], more="[reference]\nsolver = 'own-exact'\n")
    run_suite(suite, tmp_path / "first", own)
    run_suite(suite, tmp_path / "second", own)
    assert calls.read_text() == "xxxx"


# Logs and what happened on the way


def logs_of(folder):
    return {int(log.stem): log.read_text() for log in (folder / "logs").iterdir()}


def test_the_log_of_a_milp_run_is_kept_where_it_proves_nothing_and_has_the_librarys_words(
    write_suite, run_suite, tmp_path
):
    """Without any time HiGHS proves nothing; with some, these instances are solved."""
    suite = write_suite(tmp_path, ["milp", "milp[start=slim-sweep,time_limit=0.0]"], more=REFERENCE)
    rows = run_suite(suite, tmp_path / "run")
    logs = logs_of(tmp_path / "run")
    odd = [row for row in rows if row["role"] == "measure" and "time_limit" in row["solver"]]
    assert len(odd) == 2
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["termination"] for row in odd} == {"feasible"}
    assert logs.keys() == {row["run_id"] for row in odd}
    for log in logs.values():
        assert "Solving report" in log
        assert "Time limit reached" in log


def test_logs_are_kept_of_runs_that_fail_and_never_empty_of_runs_that_do_not(
    write_suite, run_suite, plugin, tmp_path
):
    fails = plugin("fails", "print('why')\nraise ValueError('no')")
    vague = plugin("vague", EMPTY, options="exact=True")  # proves nothing, and says nothing either
    suite = write_suite(tmp_path, ["fails", "vague", "popularity"], more=REFERENCE)
    rows = run_suite(suite, tmp_path / "run", fails, vague)
    logs = logs_of(tmp_path / "run")
    assert logs.keys() == {row["run_id"] for row in rows if row["solver"] == "fails"}
    assert all("why" in log and "ValueError: no" in log for log in logs.values())


def test_every_run_has_its_end_in_its_trajectory(write_suite, run_suite, tmp_path):
    solvers = ["milp", "milp[backend=cbc]", "milp[backend=scip]", "slim-sweep", "random"]
    run_suite(write_suite(tmp_path, solvers, more=REFERENCE), tmp_path / "run")
    results = load_results(tmp_path / "run")
    assert len(results.runs) == 2 * len(solvers)
    for _, run in results.runs.iterrows():
        steps = results.trajectories[results.trajectories["run_id"] == run["run_id"]]
        last = steps.iloc[-1]
        assert last["saving_s"] == run["saving_s"]
        assert last["seconds"] <= run["runtime_s"]
        assert steps["seconds"].is_monotonic_increasing
        if run["solver"].startswith("milp"):
            assert last["bound_saving_s"] == run["bound_saving_s"]
        else:
            assert np.isnan(last["bound_saving_s"])


# A contradiction


@pytest.mark.parametrize("role", ["reference", "measure"])
def test_a_lying_exact_plugin_stops_the_run_and_is_named(role, write_suite, plugin, command, tmp_path):
    liar = plugin("liar", LIAR, options="exact=True")
    if role == "reference":
        suite = write_suite(tmp_path, ["popularity"], more="[reference]\nsolver = 'liar'\n")
    else:
        suite = write_suite(tmp_path, ["liar", "popularity"], more=REFERENCE)
    ended = command("run", suite, "--out", tmp_path / "run", "--plugin", liar, "--jobs", 1)
    assert ended.code == 1
    line = ended.err.strip().splitlines()[-1]
    assert line.startswith("slimbench: contradiction: two-cells: brute-force has a verified saving of ")
    assert line.endswith("above the bound of 1e-09 s that liar claims")
    assert "Traceback" not in ended.err
    rows = runs_of(tmp_path / "run")
    assert {row["status"] for row in rows if row["instance"] == "random-1"} == {"planned"}
    with closing(sqlite3.connect(tmp_path / "references.sqlite")) as cache:
        assert cache.execute("SELECT * FROM solves").fetchall() == []
    assert verify_run(tmp_path / "run") == [line.removeprefix("slimbench: contradiction: ")]
    results = load_results(tmp_path / "run")
    assert results.references["bound_saving_s"].isna().all()  # the claim is in quarantine
    assert results.provenance["contradiction"].endswith("liar claims")


def test_a_contradiction_is_an_error_of_its_own_for_callers(write_suite, run_suite, plugin, tmp_path):
    suite = write_suite(tmp_path, ["popularity"], more="[reference]\nsolver = 'liar'\n")
    with pytest.raises(ContradictionError, match="that liar claims"):
        run_suite(suite, tmp_path / "run", plugin("liar", LIAR, options="exact=True"), jobs=2)


def test_a_bound_of_a_plugin_that_is_not_exact_stops_nothing(write_suite, run_suite, plugin, tmp_path):
    suite = write_suite(tmp_path, ["liar", "popularity"], more=REFERENCE)
    rows = run_suite(suite, tmp_path / "run", plugin("liar", LIAR))
    assert {row["status"] for row in rows} == {"ok"}


def test_provenance_says_on_what_and_with_what_a_run_was_made(write_suite, run_suite, tmp_path):
    suite = write_suite(tmp_path, ["popularity"], more=f"seed = 9\n{REFERENCE}")
    run_suite(suite, tmp_path / "run")
    provenance = load_results(tmp_path / "run").provenance
    assert (provenance["suite"], provenance["seed"], provenance["jobs"]) == ("small", "9", "1")
    for key in ("machine", "python", "numpy", "highspy", "planned", "finished"):
        assert provenance[key]
    assert provenance["slimbench"]


def test_a_plan_holds_the_files_that_it_was_made_of(write_suite, run_suite, plugin, tmp_path):
    own = plugin("own", EMPTY)
    suite = write_suite(tmp_path, ["own"], more=REFERENCE)
    run_suite(suite, tmp_path / "run", own)
    with closing(Store.open(tmp_path / "run")) as store:
        assert json.loads(store.meta()["plugin_files"]) == [str(own.resolve())]
        assert store.meta()["suite_text"] == suite.read_text()
        assert all((tmp_path / "run" / row["file"]).is_file() for row in store.instances())
