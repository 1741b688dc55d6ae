"""Processors: the limit of CPU time, and which processors and how many threads a run has."""

import ast
import os

import pytest

from slimbench.bench.isolation import Workers, _shared_out

TWO_CORES = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two processors"
)
BURN = "end = time.process_time() + {}\nwhile time.process_time() < end: pass\n"
EMPTY = "return Placement.empty(instance)"


def test_a_run_that_burns_more_cpu_time_than_its_limit_is_killed(plugin, row_of):
    row = row_of(
        plugin("bad", "context.report(Placement.empty(instance), 9.0)\nwhile True: pass"), cpu_limit_s=0.3
    )
    assert row["status"] == "cpu_limit"
    assert row["message"].endswith("s of CPU time, limit 0.3 s")
    assert 0.3 < row["cpu_s"] < 3
    assert row["saving_s"] == 0.0  # its last incumbent


def test_cpu_time_of_all_processes_of_a_run_counts(plugin, row_of):
    body = "for _ in range(2): subprocess.Popen([sys.executable, '-c', 'while True: pass'])\ntime.sleep(60)"
    row = row_of(plugin("bad", body), cpu_limit_s=0.5, time_limit_s=30.0)
    assert row["status"] == "cpu_limit"
    assert row["runtime_s"] < 20


def test_waiting_is_not_cpu_time(plugin, row_of):
    row = row_of(plugin("bad", f"time.sleep(0.6)\n{EMPTY}"), cpu_limit_s=0.4)
    assert (row["status"], row["message"]) == ("ok", "")
    assert row["cpu_s"] < 0.4 < row["runtime_s"]


def test_cpu_time_before_the_clock_starts_does_not_count(plugin, row_of):
    file = plugin(
        "bad",
        EMPTY,
        options="prepare=burn",
        before="def burn(_):\n    " + BURN.format(0.6).replace("\n", "\n    "),
    )
    row = row_of(file, cpu_limit_s=0.4)
    assert (row["status"], row["message"]) == ("ok", "")
    assert row["cpu_s"] < 0.4


def test_runs_at_a_time_have_processors_of_their_own_where_there_are_enough(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 1, 3, 2}, raising=False)
    assert _shared_out(2, 2) == [(1, 2), (3, 4)]
    assert _shared_out(4, 1) == [(1,), (2,), (3,), (4,)]
    assert _shared_out(3, 2) == [(), (), ()]  # too few: the system shares them out
    assert _shared_out(1, 2) == [()]


@TWO_CORES
def test_two_runs_at_a_time_stay_on_different_processors(plugin, job):
    file = plugin(
        "bad", f"context.record(cores=repr(sorted(os.sched_getaffinity(0))))\ntime.sleep(0.3)\n{EMPTY}"
    )
    with Workers(slots=2) as workers:
        for key in (1, 2):
            workers.submit(job("bad", file, key=key))
        cores = []
        while len(cores) < 2:
            cores += [outcome.figures["cores"] for outcome in workers.collect()]
    assert len(set(cores)) == 2
    assert all(len(ast.literal_eval(own)) == 1 for own in cores)


def test_native_pools_have_as_many_threads_as_the_run(plugin, job):
    told = "told=context.threads, numba=numba.get_num_threads(), blas=os.environ['OPENBLAS_NUM_THREADS']"
    body = f"import numba\ncontext.record({told})\n"
    file = plugin("bad", body + EMPTY)
    for threads in (1, 2):
        with Workers(threads=threads) as workers:
            workers.submit(job("bad", file, threads=threads))
            (outcome,) = workers.collect()
        assert outcome.figures == {"told": threads, "numba": threads, "blas": str(threads)}


def test_a_row_knows_how_busy_its_machine_was(plugin, row_of):
    row = row_of(plugin("bad", EMPTY))
    assert row["load_before"] == pytest.approx(os.getloadavg()[0], abs=2)
