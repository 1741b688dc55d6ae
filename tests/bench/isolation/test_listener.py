"""Times and limits do not depend on what the coordinator is busy with, nor on when it looks."""

import os
import threading
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest

from slimbench.bench.execution import runner
from slimbench.bench.isolation import listener, worker
from slimbench.bench.isolation.messages import (
    Ended,
    Finished,
    Guaranteed,
    Incumbent,
    PackedPlacement,
    Ready,
    encode,
)
from slimbench.bench.isolation.run_under_way import RunUnderWay, hard_limit_s
from slimbench.bench.isolation.worker import SolverClock
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.warm_up import tiny_instance
from slimbench.formulations.brute_force import best_placement
from slimbench.instances import Placement

EMPTY = "return Placement.empty(instance)"
BEST = PackedPlacement.pack(best_placement(tiny_instance("single"), 1000))
NONE = PackedPlacement.pack(Placement.empty(tiny_instance("single")))
REPORTS = 5000  # more than a pipe holds
PATIENCE_S = 60


def chatty(note):
    return (
        f"for i in range({REPORTS}): context.report(Placement.empty(instance), 1 + 1 / (1 + i))\n"
        f"Path({str(note)!r}).touch()\n{EMPTY}"
    )


def test_reports_are_heard_though_nobody_asks_for_results(plugin, job, workers, tmp_path, wait_until):
    workers.submit(job("bad", plugin("bad", chatty(tmp_path / "note"))))
    wait_until((tmp_path / "note").exists)  # else the pipe is full, and the solver waits
    (outcome,) = workers.collect()
    assert (outcome.status, outcome.bound_saving_s) == ("ok", 1 + 1 / REPORTS)


def test_a_run_is_killed_though_nobody_asks_and_recorded_when_it_was_planned(
    plugin, job, workers, tmp_path, wait_until, is_gone
):
    note = tmp_path / "pid"
    body = f"Path({str(note)!r}).write_text(str(os.getpid()))\nsignal.pause()"
    workers.submit(job("bad", plugin("bad", body), time_limit_s=0.2))
    wait_until(lambda: note.exists() and note.read_text() != "")
    wait_until(lambda: is_gone(int(note.read_text())))
    (outcome,) = workers.collect()
    assert outcome.status == "time_limit"
    assert outcome.runtime_s == hard_limit_s(0.2)


def test_verification_disturbs_no_run(plugin, write_suite, run_suite, tmp_path, monkeypatch, wait_until):
    """The first of two runs at a time is verified while the other one tells all that it has to tell."""
    begun, verifying, told = (tmp_path / name for name in ("begun", "verifying", "told"))
    body = (
        "def wait_for(name):\n"
        f"    while not Path({str(tmp_path)!r}, name).exists(): time.sleep(0.01)\n"
        "if instance.name == 'two-cells':\n"
        "    wait_for('begun')\n"
        "else:\n"
        f"    Path({str(begun)!r}).touch()\n"
        "    wait_for('verifying')\n"
    )
    body += "".join(f"    {line}\n" for line in chatty(told).splitlines()) + EMPTY
    right = runner.verified

    def slow(instance, outcome):
        if outcome.job.solver == "bad" and instance.name == "two-cells":
            verifying.touch()
            wait_until(told.exists)
        return right(instance, outcome)

    monkeypatch.setattr(runner, "verified", slow)
    suite = write_suite(tmp_path, ["bad"], more="[reference]\nsolver = 'brute-force'\n")
    rows = run_suite(suite, tmp_path / "run", plugin("bad", body), jobs=2)
    assert {row["status"] for row in rows} == {"ok"}


def test_what_listening_fails_of_is_raised_where_results_are_waited_for(plugin, job, monkeypatch):
    monkeypatch.setattr(listener, "POLL_S", 0.0)
    monkeypatch.setattr(RunUnderWay, "enforce_limits", lambda *_: 1 / 0)
    with Workers() as workers:
        workers.submit(job("random"))
        with pytest.raises(ZeroDivisionError):
            list(workers.collect())


def test_a_fork_server_that_is_gone_before_a_run_began_costs_nothing(job):
    with Workers() as workers:
        workers._server.kill()
        workers.submit(job("random"))  # whether its end has been heard by now or not
        (outcome,) = workers.collect()
    assert (outcome.status, outcome.message) == ("ok", "")


# What a run has come to


@pytest.fixture
def run_of(job):
    """Return a maker of runs that began at 100 s, from what their workers said and when they ended."""
    channels = []

    def make(*messages, ended=Ended(0, 0, 1000.0), now=100.0, **limits):  # noqa: B008  # frozen
        read, write = (Connection(end) for end in os.pipe())
        channels.extend((read, write))
        run = RunUnderWay(job("bad", time_limit_s=1.0, **limits), read, 0, None, 90.0, 0.0)
        for message in (Ready(100.0, 0.0), *messages):
            write.send_bytes(encode(message))
            run.hear(now)
        run.ended = ended
        return run

    yield make
    for channel in channels:
        channel.close()


def finished(runtime_s, **more):
    return Finished("ok", "", BEST, False, runtime_s, 0.1, 1.0, {}, **more)


def test_a_run_that_returns_within_the_hard_limit_has_returned_whenever_that_is_heard(run_of):
    outcome = run_of(finished(hard_limit_s(1.0)), now=5000.0).outcome()
    assert (outcome.status, outcome.runtime_s) == ("ok", hard_limit_s(1.0))


def test_what_is_done_beyond_the_hard_limit_counts_for_nothing(run_of):
    """The machine may have slept when the run should have been killed."""
    limit_s = hard_limit_s(1.0)
    told = Incumbent(limit_s, NONE, 0.9), Incumbent(limit_s + 0.1, BEST, 0.5)
    outcome = run_of(*told, finished(limit_s + 0.2)).outcome()
    assert (outcome.status, outcome.runtime_s) == ("time_limit", limit_s)
    assert outcome.message == f"killed {limit_s:g} s after its start, limit 1 s"
    assert (outcome.placement, outcome.bound_saving_s) == (NONE, 0.9)
    assert [seconds for seconds, _ in outcome.incumbents.placements] == [limit_s]


def test_what_a_thread_says_that_the_solver_left_behind_counts_for_nothing(run_of):
    outcome = run_of(finished(0.5), Incumbent(0.6, NONE, 0.001)).outcome()
    assert (outcome.placement, outcome.bound_saving_s) == (BEST, None)


def test_a_crash_lasts_until_the_worker_was_gone_whenever_that_is_heard(run_of):
    outcome = run_of(ended=Ended(0, -11, 100.25)).outcome()
    assert (outcome.status, outcome.runtime_s) == ("crashed", 0.25)
    assert outcome.message == "killed by SIGSEGV (Segmentation fault)"


def test_a_signal_without_a_name_is_a_crash_too(run_of):
    assert run_of(ended=Ended(0, -40, 100.25)).outcome().message.startswith("killed by signal 40 (")


def test_a_guarantee_that_was_announced_and_never_came_is_a_fault(run_of):
    announced = finished(0.5, guarantee_follows=True)
    assert run_of(announced, Guaranteed(0.5)).outcome().guarantee == Guaranteed(0.5)
    outcome = run_of(announced, ended=Ended(0, 3, 101.0)).outcome()
    assert outcome.status == "ok"  # of the run; its row is an error
    assert outcome.guarantee.fault == "its guarantee: exited with code 3 before it returned a number"


# The solver's clock


@pytest.fixture
def clocks(monkeypatch):
    """Return clocks that go when they are told to."""
    clocks = SimpleNamespace(wall=50.0, cpu=7.0)
    fake = SimpleNamespace(perf_counter=lambda: clocks.wall, thread_time=lambda: clocks.cpu)
    monkeypatch.setattr(worker, "time", fake)
    monkeypatch.setattr(worker, "cpu_seconds", lambda: clocks.cpu)
    return clocks


def test_telling_is_no_time_of_the_solver(clocks):
    clock = SolverClock()
    clocks.wall, clocks.cpu = 51.0, 8.0
    with clock.telling() as seconds:
        clocks.wall, clocks.cpu = 54.0, 8.5
    clocks.wall, clocks.cpu = 54.25, 8.75
    with clock.telling() as later:
        clocks.wall += 100
    assert (seconds, later) == (1.0, 1.25)
    assert (clock.seconds(), clock.cpu_seconds()) == (1.25, 1.25)


def test_threads_that_tell_at_the_same_time_stop_the_clock_once(clocks):
    clock, inside, may_go = SolverClock(), threading.Event(), threading.Event()

    def tell():
        with clock.telling():
            inside.set()
            may_go.wait(PATIENCE_S)
            clocks.wall += 3

    def tell_too():
        with clock.telling():
            pass

    first, second = threading.Thread(target=tell), threading.Thread(target=tell_too)
    first.start()
    inside.wait(PATIENCE_S)
    second.start()
    may_go.set()
    first.join(PATIENCE_S)
    second.join(PATIENCE_S)
    assert clock.seconds() == 0.0
