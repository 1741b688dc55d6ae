"""Kills at random moments, a full disk, two who want one folder: nothing is lost or there twice."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time

import psutil
import pytest
from run_folders import finished

from slimbench.bench.execution.verification import verify_run
from slimbench.bench.store.store import FILE_NAME, Store, StoreError
from slimbench.bench.suites.benchmark import Request, open_benchmark

CLI = [sys.executable, "-m", "slimbench.bench.cli.main"]
REFERENCE = "[reference]\nsolver = 'brute-force'\n"
EMPTY = "return Placement.empty(instance)"
KILLS = 25  # with one job at a time, and as many with two
KILLS_BELOW = 5  # of a worker or the fork server, just before the coordinator's
REPEATS = 80
PATIENCE_S = 60


@pytest.fixture
def start():
    """Return what starts the command line as a process of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits deafness

    def starting(*arguments, **more):
        return subprocess.Popen(
            [*CLI, *map(str, arguments)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **more,
        )  # fmt: skip

    return starting


def rows_of(folder):
    """All rows by cell; None where there is no plan yet."""
    try:
        with contextlib.closing(Store.open(folder)) as store:
            rows = store.runs()
    except StoreError:
        return None
    cells = {(row["role"], row["instance"], row["solver"], row["repeat"]): row for row in rows}
    assert len(cells) == len(rows), "a cell is there twice"
    return cells


def below(pid):
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("jobs", [1, 2])
def test_kills_at_random_moments_leave_neither_gaps_nor_duplicates(
    write_suite, plugin, tmp_path, start, wait_until, jobs
):
    """Early moments of some starts, and of the others any moment once a run more has ended."""
    slow = plugin("slow", f"time.sleep(0.3)\n{EMPTY}")
    suite = write_suite(tmp_path, ["slow", "random"], more=f"repeats = {REPEATS}\n{REFERENCE}")
    folder, rng = tmp_path / "run", random.Random(jobs)
    arguments = ["run", suite, "--out", folder, "--plugin", slow, "--jobs", jobs, "--quiet"]
    done = {}
    for kill in range(KILLS):
        if rows_of(folder) is None:  # killed before there was a plan
            (folder / FILE_NAME).unlink(missing_ok=True)
        with start(*arguments, *(["--resume"] if (folder / FILE_NAME).exists() else [])) as run:
            if kill % 3 == 0:
                time.sleep(rng.uniform(0.0, 2.0))
            else:
                before = finished(folder)  # with what failed and is stale by now
                wait_until(lambda: finished(folder) > before or run.poll() is not None)  # noqa: B023
                time.sleep(rng.uniform(0.0, 0.5))
            processes = below(run.pid)
            if kill % (KILLS // KILLS_BELOW) == 1 and processes:
                with contextlib.suppress(psutil.Error):
                    rng.choice(processes).kill()
                time.sleep(rng.uniform(0.0, 0.2))
                processes = below(run.pid)
            run.kill()
        _, alive = psutil.wait_procs(processes, PATIENCE_S)
        assert not alive, "a process outlived its coordinator"
        now = {cell: row for cell, row in (rows_of(folder) or {}).items() if row["status"] == "ok"}
        assert all(now.get(cell) == row for cell, row in done.items()), "a finished run is lost or changed"
        done = now
    cells = 2 * (2 + 2 * REPEATS)
    assert KILLS / 2 < len(done) < cells, "the kills came too early or too late to tell anything"
    with start(*arguments, "--resume") as run:
        run.wait()
    after = rows_of(folder)
    assert all(after[cell] == row for cell, row in done.items())
    assert len(after) == cells
    assert {row["status"] for row in after.values()} == {"ok"}  # what was killed below is measured again
    assert verify_run(folder) == []


def test_a_full_disk_stops_the_run_with_one_line_and_a_store_that_goes_on(
    write_suite, tmp_path, start, command, unreported
):
    """A limit on the size of files stands for the disk: a write beyond it fails as on a full one."""
    folder = tmp_path / "run"
    suite = write_suite(tmp_path, ["random"], more=f"repeats = 30\n{REFERENCE}")
    arguments = ["run", suite, "--out", folder, "--quiet"]

    def small_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    with start(*arguments, preexec_fn=small_disk) as run:
        _, err = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 2
    assert err.startswith(f"slimbench: {folder}: cannot write a result (")
    assert err.endswith("; run again with --resume\n")
    assert len(err.splitlines()) == 1
    done = {cell for cell, row in rows_of(folder).items() if row["status"] != "planned"}
    assert 0 < len(done) < 2 * (2 + 30)
    ended = command(*arguments, "--resume")
    assert (ended.code, ended.err) == (0, "")
    assert {row["status"] for row in rows_of(folder).values()} == {"ok"}
    assert verify_run(folder) == []


def test_a_second_coordinator_of_one_folder_is_refused_and_disturbs_nothing(write_suite, tmp_path, start):
    folder, suite = tmp_path / "run", write_suite(tmp_path, ["popularity"], more=REFERENCE)
    with open_benchmark(Request(str(suite), out=folder)) as benchmark:
        with start("run", suite, "--out", folder, "--resume") as second:
            _, err = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 2
        assert err.startswith(f"slimbench: {folder}: is being run by process {os.getpid()} on ")
        benchmark.execute()
    assert {row["status"] for row in rows_of(folder).values()} == {"ok"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_cleanly_and_says_how_to_go_on(
    number, write_suite, plugin, tmp_path, start, wait_until, command
):
    folder = tmp_path / "run"
    hanging = plugin("hanging", "time.sleep(60)")
    suite = write_suite(tmp_path, ["hanging"], more=REFERENCE)
    with start("run", suite, "--out", folder, "--plugin", hanging, "-v") as run:
        wait_until(lambda: finished(folder) > 0)
        processes = below(run.pid)
        os.kill(run.pid, number)
        _, err = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130
    line = err.splitlines()[-1]
    again = f"slimbench run {suite} --out {folder} --plugin {hanging} -v --resume"
    assert line == f"slimbench: stopped; go on with: {again}"
    assert "Traceback" not in err
    assert not psutil.wait_procs(processes, PATIENCE_S)[1]
