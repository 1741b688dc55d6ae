"""The benchmarks of the harness, at small sizes: that they run, and what their tables have."""

import pytest

pytest.importorskip("linopy", reason="of the extra perf")

from perf import __main__ as perf
from perf.harness.overhead import WAYS, executors, overhead
from perf.harness.suites import jobs, long


def test_overhead_is_measured_beside_the_bare_call_and_benchopt():
    pytest.importorskip("benchopt", reason="of the extra perf")
    ways = {way: seconds for way, seconds in WAYS.items() if way[1].startswith(("suite", "no cache"))}
    del ways["slimbench", "suite, a process for each run", 2]
    rows = overhead(ways, repeats=(1, 3), rounds=1, isolated_runs=3).rows
    call, isolated, suite, peer, command = rows
    assert [row["tool"] for row in rows] == ["", "slimbench", "slimbench", "benchopt", "benchopt"]
    assert 0 < call["ms_a_run"] < isolated["ms_a_run"]
    assert suite["all_s"] > 0
    assert suite["ratio"] == 1
    assert peer["all_s"] > 0
    assert command["ms_a_run"] > 0
    assert len({tuple(row) for row in rows}) == 1


def test_every_executor_is_measured_on_the_same_runs():
    pytest.importorskip("distributed", reason="of the extra perf")
    rows = executors(runs=2, rounds=1).rows
    assert [(row["executor"], row["slots"]) for row in rows] == [("serial", 1), ("processes", 2), ("dask", 2)]
    assert rows[0]["ratio"] == 1
    assert all(row["ms_a_run_and_slot"] == row["slots"] * row["ms_a_run"] > 0 for row in rows)


def test_one_job_and_two_do_the_same_suite():
    one, two = jobs(runs=2, rounds=1, spin_s=0.01).rows
    assert (one["jobs"], one["efficiency"], one["slowed"], one["rest"]) == (1, 1, 1, 1)
    assert two["jobs"] == 2
    assert two["efficiency"] == pytest.approx(two["rest"] / two["slowed"])
    assert all(two[column] > 0 for column in ("wall_s", "solver_s", "cpu_s", "coordinator_s", "slowed"))


def test_a_long_suite_is_measured_piece_by_piece():
    rows = long(runs=4, chunk=2).rows
    assert [row["runs"] for row in rows] == ["before", "1 to 2", "3 to 4", "all"]
    assert all(row["median_ms"] > 0 and row["resident_mib"] > 0 for row in rows[1:])
    assert rows[-1]["of_first"] == rows[2]["of_first"] == rows[2]["median_ms"] / rows[1]["median_ms"]


def test_harness_stands_for_its_four_benchmarks(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    done = []
    for name in perf.BENCHMARKS:
        table = perf.Table(name, [{"name": name}])
        monkeypatch.setitem(perf.BENCHMARKS, name, lambda t=table: done.append(t.caption) or t)
    assert perf.main(["harness", "growth"]) == 0
    assert done == ["harness-overhead", "harness-executors", "harness-jobs", "harness-long", "growth"]
    assert (tmp_path / "perf" / "harness-jobs.md").is_file()
    assert perf.main(["hardness"]) == 2
    assert "'hardness' is no benchmark" in capsys.readouterr().err
