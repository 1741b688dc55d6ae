"""Processors: the limit of CPU time, and which processors and how many threads a run has."""

import ast
import os

import pytest

from slimbench.bench.isolation import processors
from slimbench.bench.isolation.processors import cpu_quota, crowding, default_jobs, shared_out
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.suites.benchmark import Benchmark

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
    assert shared_out(2, 2) == [(1, 2), (3, 4)]
    assert shared_out(4, 1) == [(1,), (2,), (3,), (4,)]
    assert shared_out(3, 2) == [(), (), ()]  # too few: the system shares them out
    assert shared_out(1, 2) == [()]


@pytest.fixture
def allowed(monkeypatch):
    """Return what allows this process so many processors and so much time, of a machine with 64."""

    def allow(own, quota=None):
        monkeypatch.setattr(os, "cpu_count", lambda: 64)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(own)), raising=False)
        monkeypatch.setattr(processors, "cpu_quota", lambda: quota)

    return allow


@pytest.mark.parametrize(
    ("own", "quota", "threads", "jobs"),
    [(64, None, 1, 32), (1, None, 1, 1), (8, None, 2, 2), (8, None, 8, 1), (64, 4.5, 1, 2), (64, 0.5, 1, 1)],
)
def test_as_many_runs_at_a_time_as_half_of_what_is_allowed_has_room_for(own, quota, threads, jobs, allowed):
    allowed(own, quota)
    assert default_jobs(threads) == jobs
    assert crowding(jobs, threads) is None


def test_runs_that_disturb_each_other_are_told_of(allowed):
    allowed(6)
    assert crowding(3, 2) is None
    assert crowding(4, 2) == (
        "4 runs at a time of 2 threads cannot have processors of their own: 6 may be used, so times are "
        "longer than they would be alone"
    )
    allowed(6, 2.0)
    assert crowding(3, 1).startswith(
        "3 runs at a time of 1 thread have processors of their own, but not all of their time: 2 may be used"
    )
    assert crowding(1, 8) is None


def test_a_run_at_close_quarters_says_so_unless_it_is_quiet(
    allowed, command, write_suite, tmp_path, monkeypatch
):
    def interrupted(*_, **options):
        assert options["jobs"] == 2
        raise KeyboardInterrupt

    monkeypatch.setattr(Benchmark, "execute", interrupted)
    allowed(1)
    suite = write_suite(tmp_path, ["random"], more="[reference]\nsolver = 'brute-force'\n")
    told = "slimbench: 2 runs at a time of 1 thread cannot have processors of their own"
    assert told in command("run", suite, "--out", tmp_path / "told", "-j", 2).err
    assert told not in command("run", suite, "--out", tmp_path / "quiet", "-j", 2, "--quiet").err


# What control groups allow


def groups_of(tmp_path, kind, options, own, quotas):
    """Mounts and own groups of a process, with files of limits below."""
    mounts, own_groups, top = tmp_path / "mounts", tmp_path / "own", tmp_path / "top"
    mounts.write_text(f"proc /proc proc rw 0 0\nname {top} {kind} {options} 0 0\n")
    own_groups.write_text(own)
    for name, text in quotas.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    return mounts, own_groups


VERSION_2 = ("cgroup2", "rw,nosuid", "0::/a/b\n")
VERSION_1 = ("cgroup", "rw,cpu,cpuacct", "7:memory:/x\n3:cpu,cpuacct:/a/b\n0::/\n")
V1_LIMIT = {"a/cpu.cfs_quota_us": "50000\n", "a/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("version", "quotas", "expected"),
    [
        (VERSION_2, {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "max 100000\n"}, None),
        (VERSION_2, {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "max 100000\n"}, 3.0),
        (VERSION_2, {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),
        (VERSION_2, {"cpu.max": "200000 100000\n"}, 2.0),  # a container that sees its own group as the top
        (VERSION_2, {"a/b/cpu.max": "nonsense\n"}, None),
        (VERSION_1, V1_LIMIT, 0.5),
        (VERSION_1, V1_LIMIT | {"a/cpu.cfs_quota_us": "-1\n"}, None),
        (VERSION_1, {}, None),
    ],
)
def test_the_least_limit_of_the_own_group_and_those_above_counts(version, quotas, expected, tmp_path):
    assert cpu_quota(*groups_of(tmp_path, *version, quotas)) == expected


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert cpu_quota(tmp_path / "missing", tmp_path / "missing") is None


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
