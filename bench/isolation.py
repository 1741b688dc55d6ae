"""Runs in processes of their own, with limits that hold whatever a solver does."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Final, Self

import msgspec
import psutil

from slimbench.bench.cgroup import ControlGroup, ControlGroups
from slimbench.bench.forkserver import kill_group
from slimbench.bench.machine import describe_machine
from slimbench.bench.messages import Forked, Incumbent, Job, Ready, Status, decode_worker
from slimbench.bench.outcome import Heard, Outcome, describe_exit
from slimbench.bench.server_link import ServerLink

POLL_S: Final = 0.05  # how often limits are looked at
START_LIMIT_S: Final = 120.0  # to import plugins and read the instance, before the clock starts


def hard_limit_s(time_limit_s: float) -> float:
    """When a run is killed: solvers overrun their deadline a little, and that is no reason to lose them."""
    return time_limit_s + 0.5 + 0.1 * time_limit_s


@dataclass
class _Run:
    """A run under way."""

    job: Job
    channel: Connection
    slot: int
    group: ControlGroup | None
    submitted: float
    load_before: float
    pid: int | None = None
    heard: Heard = field(default_factory=Heard)
    cpu_s: float | None = None
    peak_memory_mb: float = 0.0
    killed: tuple[Status, str] | None = None
    exit_code: int | None = None
    open: bool = True
    children: set[psutil.Process] = field(default_factory=set)


class Workers:
    """Starts runs on this machine and collects their outcomes; leaves no process behind.

    Parameters
    ----------
    slots : int
        Runs at a time. Where there are several, each has its own processors, if there are enough.
    threads : int
        That each run may keep busy.
    forked : bool
        As ``ServerLink`` takes it.
    """

    def __init__(self, slots: int = 1, threads: int = 1, *, forked: bool = False) -> None:
        self.slots = slots
        self.threads = threads
        self._forked = forked
        self._cores = _shared_out(slots, threads)
        self._runs: dict[int, _Run] = {}
        self._looked_at = time.monotonic()

    def __enter__(self) -> Self:
        self._groups = ControlGroups.find()
        self._server = ServerLink(self.threads, forked=self._forked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs.values():
            self._kill(run)
        self._server.close()

    def submit(self, job: Job) -> None:
        """Start a run; at most ``slots`` may be under way."""
        slot = min(set(range(self.slots)) - {run.slot for run in self._runs.values()})
        group = (
            self._groups.make(f"run-{os.getpid()}-{job.key}", job.memory_limit_mb) if self._groups else None
        )
        job = msgspec.structs.replace(
            job, cores=self._cores[slot], control_group=str(group.folder) if group else None
        )
        read, write = os.pipe()
        try:
            self._server.send(job, write)
        except OSError:  # the last run killed the server on its way out
            self._lose_server()
            self._server.send(job, write)
        finally:
            os.close(write)
        channel = Connection(read, writable=False)
        self._runs[job.key] = _Run(job, channel, slot, group, time.monotonic(), os.getloadavg()[0])

    def collect(self) -> Iterator[Outcome]:
        """Wait until at least one run has ended; yields all that have."""
        while self._runs and not (ended := [r for r in self._runs.values() if self._has_ended(r)]):
            self._listen()
            if time.monotonic() > self._looked_at + POLL_S:  # it costs as much as a short run
                self._enforce_limits()
        for run in ended if self._runs else ():
            del self._runs[run.job.key]
            self._kill(run)  # what the solver may have left running
            run.channel.close()
            if run.group:
                if run.group.was_stopped and run.heard.finished is None:
                    limit = f"limit {run.job.memory_limit_mb:g} MB"
                    run.killed = run.killed or ("memory_limit", f"killed by the kernel, {limit}")
                run.peak_memory_mb = max(run.peak_memory_mb, run.group.peak_mb)
                run.group.remove()
            yield _outcome(run)

    # Listening

    def _listen(self) -> None:
        talking = [run for run in self._runs.values() if run.open]
        ready = set(wait([self._server.messages, *(run.channel for run in talking)], timeout=POLL_S))
        if self._server.messages in ready:
            self._hear_server()
        for run in talking:
            if run.channel in ready:
                _hear_worker(run)

    def _hear_server(self) -> None:
        try:
            message = self._server.hear()
        except (EOFError, OSError):
            self._lose_server()
            return
        run = self._runs.get(message.key)
        if run is None:
            return
        if isinstance(message, Forked):
            run.pid = message.pid
        else:
            run.exit_code = message.exit_code

    # Limits

    def _enforce_limits(self) -> None:
        now = self._looked_at = time.monotonic()
        for run in self._runs.values():
            if run.pid is None or run.killed or run.exit_code is not None:
                continue  # one that has sent its result may still hang on its way out
            job, limit = run.job, run.job.time_limit_s
            cpu_s, memory_mb = _usage(run)
            run.peak_memory_mb = max(run.peak_memory_mb, memory_mb)
            if run.heard.started is None:
                if now > run.submitted + START_LIMIT_S:
                    self._kill(run, "error", f"not ready to start after {START_LIMIT_S:g} s")
            else:
                run.cpu_s = max(run.cpu_s or 0.0, cpu_s - run.heard.cpu_at_start_s)
                if now > run.heard.started + hard_limit_s(limit):
                    message = f"killed {hard_limit_s(limit):g} s after its start, limit {limit:g} s"
                    self._kill(run, "time_limit", message)
                elif job.cpu_limit_s is not None and run.cpu_s > job.cpu_limit_s:
                    message = f"killed after {run.cpu_s:.1f} s of CPU time, limit {job.cpu_limit_s:g} s"
                    self._kill(run, "cpu_limit", message)
            if memory_mb > job.memory_limit_mb:
                self._kill(
                    run, "memory_limit", f"killed at {memory_mb:.0f} MB, limit {job.memory_limit_mb:g} MB"
                )

    def _kill(self, run: _Run, status: Status | None = None, message: str = "") -> None:
        if status is not None:
            run.killed = status, message
        if run.pid is not None:
            kill_group(run.pid, run.exit_code is None)
        for child in run.children:  # those that left the group
            with contextlib.suppress(psutil.Error):
                child.kill()

    def _has_ended(self, run: _Run) -> bool:
        """Gone, and everything it sent is heard; a process it left behind may keep the channel open."""
        return run.exit_code is not None and not (run.open and run.channel.poll())

    def _lose_server(self) -> None:
        """Count every run as crashed and start another server: a solver may have killed it."""
        for run in self._runs.values():
            self._kill(run, "crashed", "the process that starts workers died")
            run.exit_code, run.open = -signal.SIGKILL, False
        self._server.restart()


def run_alone(job: Job) -> Outcome:
    """One run under the same isolation and limits as in a suite."""
    with Workers(forked=True) as workers:
        workers.submit(job)
        return next(iter(workers.collect()))


def _shared_out(slots: int, threads: int) -> list[tuple[int, ...]]:
    """The processors of each slot: its own ones where several slots find enough, else any."""
    if slots > 1 and hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) >= slots * threads:
            return [tuple(cores[i * threads : (i + 1) * threads]) for i in range(slots)]
    return [()] * slots


def _hear_worker(run: _Run) -> None:
    heard = run.heard
    try:
        message = decode_worker(run.channel.recv_bytes())
    except (EOFError, OSError, msgspec.DecodeError):
        run.open = False
        return
    if isinstance(message, Ready):
        heard.started = min(message.started, time.monotonic())
        heard.cpu_at_start_s = message.cpu_s
    elif isinstance(message, Incumbent):
        bound = message.bound_saving_s
        if bound is not None and not math.isfinite(bound):
            bound = None  # says nothing
        heard.placement = message.placement or heard.placement
        if bound is not None and (heard.bound is None or bound < heard.bound):
            heard.bound = bound
        heard.trail.add(message.seconds, message.placement, bound)
    else:
        heard.finished = message


def _usage(run: _Run) -> tuple[float, float]:
    """Seconds of CPU time and resident MiB of the worker and all its descendants."""
    cpu_s = resident = 0.0
    with contextlib.suppress(psutil.Error):
        worker = psutil.Process(run.pid)
        run.children.update(worker.children(recursive=True))
        for process in (worker, *run.children):
            with contextlib.suppress(psutil.Error):
                resident += process.memory_info().rss
                times = process.cpu_times()  # of itself, and of what it waited for
                cpu_s += times.user + times.system + times.children_user + times.children_system
    return cpu_s, resident / 2**20


def _outcome(run: _Run) -> Outcome:
    heard, finished = run.heard, run.heard.finished
    if finished is None:
        status, message = run.killed or ("crashed", describe_exit(run.exit_code))
        placement, optimal, figures = heard.placement, False, {}
        runtime_s = time.monotonic() - heard.started if heard.started is not None else 0.0
        cpu_s, peak_memory_mb = run.cpu_s, run.peak_memory_mb
    else:
        status, message = finished.status, finished.message
        placement = finished.placement if status == "ok" else heard.placement
        optimal, figures = finished.optimal, finished.figures
        runtime_s, cpu_s = finished.runtime_s, finished.cpu_s
        peak_memory_mb = max(run.peak_memory_mb, finished.peak_memory_mb)
    return Outcome(
        run.job,
        status,
        message,
        placement,
        heard.bound,
        optimal,
        runtime_s,
        cpu_s,
        peak_memory_mb,
        figures,
        heard.trail,
        run.load_before,
        describe_machine(),
    )
