"""A bad cell of a results file makes its run an error, or stale; all other runs stay, and the folder."""

import contextlib
import sqlite3

import pytest
from run_folders import write_run

from slimbench.bench.results.compare import compare_runs
from slimbench.bench.results.merge import merge_runs
from slimbench.bench.results.results import load_results
from slimbench.bench.store.store import FILE_NAME, Store, StoreError


@pytest.fixture
def damaged(tmp_path):
    """Return what changes the file of a folder of two finished runs, ``a`` and ``b``, and a planned one."""
    folder = write_run(
        tmp_path / "run",
        [
            {"solver": "a", "saving_s": 1.0},
            {"solver": "b", "instance": "other", "saving_s": 1.5},
            {"solver": "c", "status": "planned"},
        ],
    )

    def change(statements):
        with contextlib.closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:
            connection.executescript(statements)
        return folder

    return change


def snapshot_of(folder):
    with contextlib.closing(Store.snapshot(folder)) as store:
        return {row["solver"]: row for row in store.runs()}, store.bad_cells


def test_a_file_of_ours_has_no_bad_cell(damaged):
    assert snapshot_of(damaged(""))[1] == []


ERRORS = [
    ("saving_s = 'much'", "saving_s: is 'much', expected a finite number"),
    ("saving_s = 9e999", "saving_s: is inf, expected a finite number"),
    ("guarantee_ratio = 9e999", "guarantee_ratio: is inf, expected a finite number"),
    ("guarantee_ratio = 'half'", "guarantee_ratio: is 'half', expected a finite number"),
    ("exact = 0.5", "exact: is 0.5, expected an integer"),
    ("seed = 'x'", "seed: is 'x', expected an integer"),
    ("stale = x'00'", "stale: is b'\\x00', expected an integer"),
    ("message = x'ff'", "message: is b'\\xff', expected text"),
    ("message = CAST(x'ff' AS TEXT)", "message: is b'\\xff', expected text"),
    ("placement = 'x'", "placement: is 'x', expected bytes"),
    ("status = 'fine'", "status: is 'fine', expected one of"),
    ("termination = ''", "termination: is '', expected one of"),
    ("figures = '['", "figures: is '[', expected JSON of this column"),
    ("figures = '[]'", "figures: is '[]', expected JSON of this column"),
    ("parameters = replace(hex(zeroblob(9999)), '00', '[')", "parameters: is '[[["),
    ("trajectory = '[[1]]'", "trajectory: is '[[1]]', expected JSON of this column"),
    ("machine_id = 'x'", "machine_id: names no row of machines"),
    ("machine_id = NULL", "machine_id: is missing in a run that is finished"),
    ("latency_none_s = NULL", "latency_none_s: is missing in a run that has a saving"),
]


@pytest.mark.parametrize(("cell", "problem"), ERRORS)
def test_a_run_with_a_bad_cell_is_an_error_that_says_so_and_the_others_count(damaged, cell, problem):
    folder = damaged(f"UPDATE runs SET {cell} WHERE solver = 'a'")
    rows, bad = snapshot_of(folder)
    assert (rows["a"]["status"], rows["b"]["status"], rows["c"]["status"]) == ("error", "ok", "planned")
    assert problem in rows["a"]["message"]
    assert len(rows["a"]["message"]) < 400
    assert [str(cell) for cell in bad if problem in str(cell)]
    results = load_results(folder)
    assert results.runs.set_index("solver")["saving_s"]["b"] == 1.5
    assert problem in results.provenance["damaged"]


STALE = ["role = ''", "instance_hash = 'x'", "planning = 'x'", "planning_hash = 'x'", "solver = x'00'",
         "repeat = 'x'", "planning_hash = 'hash-other'"]  # fmt: skip


@pytest.mark.parametrize("cell", STALE)
def test_a_run_of_which_nobody_can_say_what_it_is_of_is_stale(damaged, cell):
    folder = damaged(f"UPDATE runs SET {cell} WHERE solver = 'a'")
    rows, bad = snapshot_of(folder)
    assert set(rows) == {"b", "c"}
    assert bad
    assert any(key.startswith("stale results of") for key in load_results(folder).provenance)


def test_a_file_of_which_no_run_counts_any_more_is_refused_by_its_cell(damaged):
    folder = damaged("UPDATE runs SET repeat = 'x'")
    with pytest.raises(StoreError, match=r"results.sqlite: runs: row 1: repeat: is 'x', expected an integer"):
        Store.snapshot(folder)


def test_a_file_whose_runs_are_all_stale_is_refused(damaged):
    folder = damaged("UPDATE runs SET stale = 1")
    with pytest.raises(StoreError, match=r"results.sqlite: all runs are stale, expected one that counts"):
        Store.snapshot(folder)


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE instances SET file = '../../etc/passwd'", ("instances", "file", "instances/unknown.npz")),
        ("UPDATE instances SET file = x'00'", ("instances", "file", "instances/unknown.npz")),
        ("UPDATE instances SET servers = 'x'", ("instances", "servers", None)),
        ("UPDATE instances SET note = x'00'", ("instances", "note", "")),
        ("UPDATE instances SET swept = '['", ("instances", "swept", "{}")),
        ("UPDATE machines SET facts = '{\"a\": 1}'", ("machines", "facts", "{}")),
    ],
)
def test_a_bad_cell_beside_the_runs_is_left_out_and_the_runs_count(damaged, statement, value):
    folder = damaged(statement)
    rows, bad = snapshot_of(folder)
    assert [row["status"] for row in rows.values()] == ["ok", "ok", "planned"]
    assert {(cell.table, cell.column, cell.stand_in) for cell in bad} == {value}
    load_results(folder)


def test_a_bad_fact_of_a_run_is_left_out(damaged):
    folder = damaged("INSERT INTO meta VALUES ('finished', x'00'); INSERT INTO meta VALUES (x'01', 'x')")
    assert set(load_results(folder).provenance) >= {"suite", "planned", "damaged"}
    with contextlib.closing(Store.open(folder)) as store:
        assert set(store.meta()) == {"schema_version", "suite", "planned"}


def test_runs_of_an_instance_whose_dispatch_is_unknown_are_errors(damaged):
    rows, _ = snapshot_of(damaged("UPDATE instances SET dispatch = 'x' WHERE instance = 'other'"))
    assert [row["status"] for row in rows.values()] == ["ok", "error", "planned"]
    assert rows["b"]["message"].startswith("dispatch of the instance: is 'x', expected one of")


def test_the_next_plan_mends_the_file_and_takes_instances_from_the_suite(damaged):
    folder = damaged(
        "UPDATE runs SET guarantee_ratio = 9e999 WHERE solver = 'a'; UPDATE instances SET dispatch = 'x'"
    )
    with contextlib.closing(Store.open(folder)) as store:
        planned = [{"instance_hash": f"hash-{name}", "dispatch": "serial"} for name in ("tiny", "other")]
        instances = [row | {"instance": "i", "file": "instances/tiny.npz", "suite": "s", "entry": "e",
                            "entry_number": 0, "swept": "{}", "note": ""} for row in planned]  # fmt: skip
        store.plan(instances, [], {}, concerns=lambda _: False)
    rows, bad = snapshot_of(folder)
    assert bad == []
    assert rows["a"]["status"] == "error"
    assert {row["dispatch"] for row in rows.values()} == {"serial"}


def test_damaged_folders_merge_and_compare(damaged, tmp_path):
    folder = damaged("UPDATE runs SET guarantee_ratio = 'half' WHERE solver = 'a'")
    sound = write_run(tmp_path / "sound", [{"solver": "b", "instance": "other", "saving_s": 1.5}])
    merge_runs([folder, sound], tmp_path / "out")
    rows, bad = snapshot_of(tmp_path / "out")
    assert (rows["a"]["status"], rows["b"]["status"], bad) == ("error", "ok", [])
    assert compare_runs(load_results(sound), load_results(folder)).cells["solver"].tolist() == ["b"]


def test_a_text_that_is_no_text_in_the_schema_is_refused(damaged):
    folder = damaged("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = CAST(x'ff' AS TEXT)")
    with pytest.raises(StoreError, match="is not a results file"):
        Store.snapshot(folder)
