"""Tables of benchmarks, and that a benchmark's run of a solver is a verified one."""

import csv

import pytest
from oracles import brute_force
from perf.measured_run import measure
from perf.table import Table, median_s
from perf.textbook import shifted_mean
from samples import two_cells


def test_a_table_is_written_as_csv_and_markdown(tmp_path):
    table = Table("What was done.", [{"name": "a", "s": 1.23456, "n": 7}, {"name": "b", "s": None, "n": 12}])
    table.write(tmp_path / "perf", "speed")
    text = (tmp_path / "perf" / "speed.md").read_text("utf-8")
    rows = ["| name | s | n |", "| --- | --- | --- |", "| a | 1.23 | 7 |", "| b |  | 12 |"]
    assert text.splitlines() == ["What was done.", "", *rows]
    with (tmp_path / "perf" / "speed.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file)) == {"name": "a", "s": "1.23456", "n": "7"}


def test_every_measured_run_gets_a_fresh_argument():
    given = iter(range(10))
    seconds, made = median_s(lambda x: x * 10, lambda: next(given), 3)
    assert seconds >= 0
    assert made == 20


def test_a_shifted_mean_of_equal_times_is_that_time():
    assert shifted_mean([2.0, 2.0]) == pytest.approx(2.0)
    assert shifted_mean([0.0, 3.0]) == pytest.approx(1.0)


def test_a_measured_run_is_isolated_and_verified():
    instance = two_cells("single")
    optimum, _ = brute_force(instance)
    run = measure(instance, "exact", 20.0)
    assert (run.status, run.termination) == ("ok", "optimal")
    assert run.saving_s == pytest.approx(optimum)
    assert run.gap_percent == pytest.approx(0.0, abs=1e-4)
    assert measure(instance, "random", 20.0).gap_percent is None
