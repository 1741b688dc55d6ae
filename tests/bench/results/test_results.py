"""A run folder as frames: what counts of it, runs over time, and where its rows come from."""

import contextlib

import numpy as np
import pytest
from run_folders import MACHINE, PLANNED, write_run

from slimbench.bench import load_results
from slimbench.bench.results.results import RUN_COLUMNS, TRAJECTORY_COLUMNS
from slimbench.bench.store.store import Store, StoreError

STEPS = [[0.1, None, 2.0], [0.2, 0.5, 2.0], [0.4, 0.5, 1.0]]


def test_measured_runs_over_time_in_long_form(tmp_path):
    rows = [
        {"role": "reference", "trajectory": [[0.3, 9.0, 9.0]]},
        {"trajectory": STEPS},
        {"repeat": 1, "trajectory": [[0.5, 0.25, None]], "status": "time_limit"},
    ]
    table = load_results(write_run(tmp_path, rows)).trajectories
    assert tuple(table.columns) == TRAJECTORY_COLUMNS
    assert table["run_id"].tolist() == [2, 2, 2, 3]
    assert table["repeat"].tolist() == [0, 0, 0, 1]
    assert set(table["instance"]) == {"tiny"}
    assert set(table["solver"]) == {"a"}
    assert table["seconds"].tolist() == [0.1, 0.2, 0.4, 0.5]
    np.testing.assert_array_equal(table["saving_s"], [np.nan, 0.5, 0.5, 0.25])
    np.testing.assert_array_equal(table["bound_saving_s"], [2.0, 2.0, 1.0, np.nan])


def test_runs_that_are_only_planned_have_no_rows_but_columns_of_numbers(tmp_path):
    results = load_results(write_run(tmp_path, [{"status": "planned"}]))
    table = results.trajectories
    assert tuple(table.columns) == TRAJECTORY_COLUMNS
    assert len(table) == 0
    assert all(table[column].dtype.kind == "f" for column in TRAJECTORY_COLUMNS[-3:])
    assert tuple(results.runs.columns) == RUN_COLUMNS
    assert results.runs[["primal_integral_s", "gap_integral_s", "runtime_s"]].isna().all(axis=None)
    assert not any(key.startswith("code of") or key == "python" for key in results.provenance)


def test_integrals_are_taken_against_the_best_saving_of_any_role_and_the_limit(tmp_path):
    rows = [
        {"role": "reference", "saving_s": 1.0, "time_limit_s": 99.0},
        {"saving_s": 0.5, "trajectory": STEPS, "bound_saving_s": 1.0},  # limit 10 s
        {"repeat": 1, "saving_s": None, "status": "crashed"},
    ]
    runs = load_results(write_run(tmp_path, rows)).runs
    assert runs["primal_integral_s"].tolist() == pytest.approx([0.2 + 9.8 * 0.5, 10])
    assert runs["gap_integral_s"].tolist() == pytest.approx([0.2 + 0.2 * 0.75 + 9.6 * 0.5, 10])


@pytest.mark.parametrize(("bound", "gap"), [(1e-12, 0.0), (1.0, 10.0)])
def test_a_saving_that_is_but_rounding_is_none_and_a_gap_stays_open_until_a_bound_says_so(
    tmp_path, bound, gap
):
    rows = [
        {"role": "reference", "exact": True, "saving_s": 1e-12, "bound_saving_s": bound},
        {"saving_s": 0.0, "trajectory": [[0.0, 0.0, bound]]},
    ]
    runs = load_results(write_run(tmp_path, rows)).runs
    assert runs["primal_integral_s"].tolist() == [0]
    assert runs["gap_integral_s"].tolist() == [gap]


# Provenance


def test_one_machine_is_told_flat_with_the_code_of_each_solver_measured(tmp_path):
    rows = [
        {"solver": "judge", "role": "reference", "code_version": "sources 9"},
        {"code_version": "sources 1"},
        {"solver": "b", "code_version": "sources 2", "status": "planned"},
    ]
    provenance = load_results(write_run(tmp_path, rows)).provenance
    assert provenance == {"suite": "s", "planned": "2026-01-01", **MACHINE, "code of a": "sources 1"}


def test_facts_of_several_machines_are_told_apart(tmp_path):
    folder = write_run(tmp_path, [{}, {"repeat": 1, "status": "planned"}])
    with contextlib.closing(Store.open(folder)) as store:
        store.finish(2, {"status": "ok", "machine_id": "m2"}, {"machine_id": "m2", "python": "3.12"})
    provenance = load_results(folder).provenance
    assert (provenance["m1 python"], provenance["m2 python"]) == ("3.11", "3.12")
    assert "python" not in provenance


def test_stale_results_are_counted_by_solver_and_are_in_no_frame(tmp_path):
    folder = write_run(tmp_path, [{"trajectory": STEPS}, {"repeat": 1}, {"solver": "b"}])
    newer = PLANNED | {"instance_hash": "hash-tiny", "solver": "a", "solver_name": "a"}
    with contextlib.closing(Store.open(folder)) as store:
        store.plan([], [newer | {"code_version": "sources 2"}], {}, concerns=lambda row: row["solver"] == "a")
    results = load_results(folder)
    assert results.runs[["solver", "status"]].to_numpy().tolist() == [["b", "ok"], ["a", "planned"]]
    assert len(results.trajectories) == 0
    assert results.provenance["stale results of a"] == "2 by sources 1"
    assert "code of a" not in results.provenance


def test_what_is_of_no_use_to_a_reader_is_not_told(tmp_path):
    meta = {"name": "mine", "suite_text": "x", "plugin_files": "[]", "data": "d", "finished": "2026-01-02"}
    results = load_results(write_run(tmp_path, [{}], meta=meta))
    assert results.name == "mine"
    assert set(results.provenance) == {"finished", *MACHINE, "code of a"}


def test_files_with_solvers_are_known_and_must_be_a_list(tmp_path):
    known = write_run(tmp_path / "a", [{}], meta={"plugin_files": '["/x/y.py"]'})
    assert load_results(known).plugin_files == ("/x/y.py",)
    for i, text in enumerate(("", "{", "[1]", '"x"', "null")):
        folder = write_run(tmp_path / f"bad-{i}", [{}], meta={"plugin_files": text})
        with pytest.raises(StoreError, match="plugin_files: expected a JSON list of texts"):
            load_results(folder)
