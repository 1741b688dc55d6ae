"""Runs on a real Dask scheduler and real worker processes, on the loopback interface."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import pytest

pytest.importorskip("distributed", reason="a cluster needs the extra dask")

from slimbench.bench import load_results, run
from slimbench.bench.execution import dask_executor
from slimbench.bench.execution.errors import ExecutorError
from slimbench.bench.execution.executor import make_executor
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.plugins.registry import find_solvers

pytestmark = pytest.mark.slow
REFERENCE = "[reference]\nsolver = 'brute-force'\n"
EMPTY = "return Placement.empty(instance)"
PATIENCE_S = 60


@dataclass
class Cluster:
    """A scheduler and its workers, each a process."""

    address: str
    workers: list[subprocess.Popen]


def start(module, *arguments):
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """Return the address of a scheduler, and the file that workers find it by."""
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    process = start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    end = time.monotonic() + PATIENCE_S
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    yield json.loads(file.read_text())["address"]
    stop(process)


@pytest.fixture
def cluster(scheduler, tmp_path):
    """Return a cluster of two workers with a thread each."""
    arguments = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", str(tmp_path)]
    workers = [start("dask_worker", scheduler, *arguments) for _ in range(2)]
    yield Cluster(scheduler, workers)
    for worker in workers:
        stop(worker)


def as_measured(results):
    columns = ["instance", "solver", "repeat", "seed", "status", "termination", "saving_s", "bound_saving_s"]
    return results.runs[columns].fillna({"bound_saving_s": -1.0}).to_dict("records")


def test_a_suite_gives_the_same_rows_on_a_cluster_as_here(write_suite, tmp_path, cluster):
    suite = write_suite(tmp_path, ["milp", "slim-dp", "random"], more=f"repeats = 2\n{REFERENCE}")
    there = run(suite, out=tmp_path / "there", executor="dask", scheduler=cluster.address)
    here = run(suite, out=tmp_path / "here", executor="serial")
    assert as_measured(there) == as_measured(here)
    assert set(there.runs["status"]) == {"ok"}


def test_limits_and_isolation_hold_there_and_logs_come_back(write_suite, plugin, tmp_path, cluster):
    files = [
        plugin("hangs", "while True: pass"),
        plugin("dies", "print('last words', flush=True)\nos._exit(3)"),
        plugin("eats", "kept = np.ones(120 * 2**20)\nwhile True: pass"),
        plugin("good", EMPTY),
    ]
    more = f"[limits]\ntime_s = 15\nmemory_mb = 700\n{REFERENCE}"
    suite = write_suite(tmp_path, ["hangs", "dies", "eats", "good"], more=more)
    results = run(suite, out=tmp_path / "run", executor="dask", scheduler=cluster.address, plugin_files=files)
    status = dict(zip(results.runs["solver"], results.runs["status"], strict=True))
    assert status == {"hangs": "time_limit", "dies": "crashed", "eats": "memory_limit", "good": "ok"}
    logs = [log.read_text() for log in (tmp_path / "run" / "logs").iterdir()]
    assert any("last words" in log for log in logs)


def test_a_worker_killed_in_the_middle_loses_nothing(write_suite, plugin, tmp_path, cluster, wait_until):
    started = tmp_path / "started"
    note = f"with open({str(started)!r}, 'a') as f: f.write(f'{{os.getppid()}}\\n')\n"
    slow = plugin("slow", f"{note}time.sleep(0.3)\n{EMPTY}")
    suite = write_suite(tmp_path, ["slow"], more=f"repeats = 8\n{REFERENCE}")
    command = [
        sys.executable, "-m", "slimbench.bench.cli.main", "run", str(suite), "--out", str(tmp_path / "run"),
        "--plugin", str(slow), "--scheduler", cluster.address, "--quiet",
    ]  # fmt: skip
    with subprocess.Popen(command) as coordinator:
        wait_until(lambda: started.exists() and len(started.read_text().split()) >= 3)
        victim = cluster.workers[0]
        below = psutil.Process(victim.pid).children(recursive=True)
        os.kill(victim.pid, signal.SIGKILL)
        assert coordinator.wait(PATIENCE_S) == 0
    runs = load_results(tmp_path / "run").runs
    assert list(runs["status"]) == ["ok"] * 16
    assert not runs.duplicated(["instance", "solver", "repeat"]).any()
    wait_until(lambda: not any(process.is_running() for process in below))


def test_plugins_of_one_name_and_what_lies_beside_them_go_along(plugin, job, tmp_path, monkeypatch):
    files = []
    for name in ("one", "two"):
        written = plugin(name, EMPTY, before="import helper\nvalue = helper.value\n")
        (tmp_path / name / "package").mkdir(parents=True)
        files.append(written.rename(tmp_path / name / "plugin.py"))
        (tmp_path / name / "helper.py").write_text("from package.inner import value\n")
        (tmp_path / name / "package" / "inner.py").write_text(f"value = {name!r}\n")
    seen = {}

    class Here:
        threads = 1

        def submit(self, job):
            found = find_solvers(map(Path, job.plugin_files))
            seen.update({name: found[name].function.__globals__["value"] for name in ("one", "two")})

        def collect(self):
            return [Outcome(job("one"), "crashed", "")]

    monkeypatch.setattr(dask_executor._here, "workers", Here(), raising=False)
    find_solvers(files)
    parcel = dask_executor.Parcel(
        job("one", *files),
        b"",
        tuple(map(dask_executor.PluginFiles.read, files)),
        dask_executor.own_sources(),
    )
    dask_executor.do_parcel(msgspec.msgpack.encode(parcel))
    assert seen == {"one": "one", "two": "two"}


def test_where_no_scheduler_is_there_that_is_one_line(write_suite, tmp_path, command, monkeypatch):
    monkeypatch.setattr(dask_executor, "CONNECT_S", 0.5)
    suite = write_suite(tmp_path, ["random"], more=REFERENCE)
    ended = command("run", suite, "--out", tmp_path / "run", "--scheduler", "tcp://127.0.0.1:9", "--quiet")
    assert ended.code == 2
    assert "slimbench: --scheduler tcp://127.0.0.1:9: no Dask scheduler there" in ended.err
    assert "Traceback" not in ended.err


def test_a_scheduler_without_workers_is_told(scheduler, monkeypatch):
    monkeypatch.setattr(dask_executor, "FIRST_WORKER_S", 0.5)
    with pytest.raises(ExecutorError, match="has no worker after"), make_executor("dask", 1, 1, scheduler):
        pass


def test_a_worker_with_other_sources_stops_the_run(cluster, job, monkeypatch):
    monkeypatch.setattr(dask_executor, "own_sources", lambda: "edited")
    with make_executor("dask", 1, 1, cluster.address) as executor:
        executor.submit(job("random"))
        with pytest.raises(ExecutorError, match="has another version of slimbench than the coordinator"):
            list(executor.collect())
