"""Exported tables: the documented columns and no others, the same numbers in both formats, no formulas."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import assert_bad_input
from run_folders import write_run

from slimbench.bench.results.export import csv_of, export_run, export_tables
from slimbench.bench.results.results import load_results

DOC = Path(__file__).parents[3] / "docs" / "RESULTS.md"
TABLES = ("runs", "transfers", "references", "instances", "trajectories")
ROWS = [
    {"solver": "judge", "role": "reference", "exact": True, "saving_s": 1.0, "bound_saving_s": 1.25},
    {"solver": "a[x=2]", "saving_s": 0.5, "parameters": '{"x": 2, "fast": true, "start": "-b"}',
     "figures": '{"n": 3}', "trajectory": [[0.1, 0.5, None]]},
    {"solver": "b", "saving_s": None, "status": "crashed", "message": "=cmd|'/c calc'!A1",
     "parameters": '{"x": 0.5, "start": 1, "large": 36893488147419103232}'},
    {"solver": "a[x=2]", "saving_s": 0.25, "parameters": '{"x": 2}', "planned_on": "seen",
     "planning": '{"tokens":4,"seed":3}'},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return write_run(tmp_path / "run", ROWS)


def documented(table):
    (section,) = re.findall(rf"^### {table}\n(.*?)(?=^##|\Z)", DOC.read_text("utf-8"), re.M | re.S)
    cells = re.findall(r"^\| (`.*?) \|", section, re.M)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_documented_and_every_documented_column_is_there(table, folder):
    columns = list(export_tables(load_results(folder))[table])
    general = list(dict.fromkeys("p_solver_*" if c.startswith("p_solver_") else c for c in columns))
    assert sorted(general) == sorted(documented(table))


def test_each_quantity_has_the_value_that_the_run_folder_has(folder):
    tables = export_tables(load_results(folder))
    run = tables["runs"].iloc[0]
    assert (run["solver_name"], run["plugin"], run["dataset_name"], run["idx_rep"]) == (
        "a[x=2]", "a", "tiny", 0,
    )  # fmt: skip
    assert (run["objective_verified"], run["ratio_lo"], run["ratio_hi"]) == (0.5, 0.4, 0.5)
    assert (run["ref_primal"], run["ref_dual"], run["ref_gap"]) == pytest.approx((1.0, 1.25, 0.2))
    assert (run["time"], run["time_cpu"], run["peak_rss_mb"]) == (0.5, 0.5, 100.0)
    assert json.loads(run["figures_json"]) == {"n": 3}
    assert tables["references"]["ref_gap"].tolist() == pytest.approx([0.2])
    assert tables["trajectories"][["time", "objective_verified"]].to_numpy().tolist() == [[0.1, 0.5]]


def test_where_nothing_can_be_saved_the_reference_has_no_gap(tmp_path):
    rows = [{"role": "reference", "exact": True, "saving_s": 0.0, "bound_saving_s": 0.0}, {"saving_s": 0.0}]
    tables = export_tables(load_results(write_run(tmp_path / "run", rows)))
    assert tables["references"]["ref_gap"].tolist() == [0]


def test_parameters_are_columns_of_their_type_or_of_json_where_types_differ(folder):
    runs = export_tables(load_results(folder))["runs"]
    assert runs["p_solver_x"].tolist() == [2, 0.5]
    assert runs["p_solver_fast"].to_list() == [True, pd.NA]
    assert runs["p_solver_start"].to_list() == ['"-b"', "1"]
    assert runs["p_solver_large"].to_list() == [pd.NA, "36893488147419103232"]


def test_both_formats_say_the_same_and_replace_what_was_there(folder):
    files = export_run(folder)
    assert [path.name for path in files] == [
        *(f"{table}.{kind}" for table in TABLES for kind in ("parquet", "csv")), "provenance.json",
    ]  # fmt: skip
    assert export_run(folder) == files
    assert sorted(path.name for path in (folder / "export").iterdir()) == sorted(p.name for p in files)
    for table in TABLES:
        parquet = pd.read_parquet(folder / "export" / f"{table}.parquet")
        csv = pd.read_csv(folder / "export" / f"{table}.csv")
        assert list(parquet) == list(csv)
        numbers = [name for name in parquet if parquet[name].dtype.kind == "f"]
        np.testing.assert_array_equal(parquet[numbers].to_numpy(float), csv[numbers].to_numpy(float))
    assert json.loads(files[-1].read_text())["python"] == "3.11"


def test_no_text_of_a_csv_starts_as_a_formula_and_numbers_stay(folder):
    export_run(folder)
    assert pd.read_csv(folder / "export" / "runs.csv")["message"].tolist()[1] == "'=cmd|'/c calc'!A1"
    assert pd.read_parquet(folder / "export" / "runs.parquet")["message"][1] == "=cmd|'/c calc'!A1"
    table = pd.DataFrame({"text": ["=1", "+1", "-1", "@a", "\ta", "\ra", "a=1", ""], "number": -1.5})
    safe = ["'=1", "'+1", "'-1", "'@a", "'\ta", "'\ra", "a=1", ""]
    assert csv_of(table) == "text,number\n" + "".join(f"{text},-1.5\n" for text in safe)


def test_a_run_that_is_only_planned_is_exported(tmp_path):
    files = export_run(write_run(tmp_path / "run", [{"status": "planned"}]), tmp_path / "out")
    assert pd.read_parquet(files[0])["status"].tolist() == ["planned"]


# The command


def test_what_was_planned_elsewhere_is_in_a_table_of_its_own(folder):
    tables = export_tables(load_results(folder))
    assert len(tables["runs"]) == 2
    row = tables["transfers"].iloc[0]
    assert (row["objective_verified"], row["ratio_lo"], row["ref_dual"]) == (0.25, 0.2, 1.25)
    assert (row["planning"], row["planning_kind"], row["planning_amount"]) == (
        "tokens=4,seed=3",
        "tokens",
        4.0,
    )
    assert (row["planning_seed"], row["planning_hash"]) == (3, "hash-seen")


def test_export_names_its_files(folder, tmp_path, command):
    ended = command("export", folder, "--out", tmp_path / "deep" / "out")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 11
    assert all(Path(line).is_file() for line in ended.out.splitlines())


def test_bad_folders_are_one_line(folder, tmp_path, command):
    assert_bad_input(command("export", tmp_path), tmp_path, "has no results.sqlite")
    file = tmp_path / "file"
    file.touch()
    assert_bad_input(command("export", folder, "--out", file), file, "cannot be written")
