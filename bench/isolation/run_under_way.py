"""A run while it goes on: messages of its worker, its limits, and its outcome."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

import msgspec
import psutil

from slimbench.bench.isolation.cgroup import ControlGroup
from slimbench.bench.isolation.messages import (
    Ended,
    Finished,
    Guaranteed,
    Incumbent,
    Job,
    Ready,
    Status,
    decode_worker,
)
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.trajectory import IncumbentLog

START_LIMIT_S: Final = 120.0  # to import plugins and read the instance, before the clock starts


def hard_limit_s(time_limit_s: float) -> float:
    """When a run is killed: a little later than its deadline, which solvers may overrun."""
    return time_limit_s + 0.5 + 0.1 * time_limit_s


def usage(pid: int, children: set[psutil.Process]) -> tuple[float, float]:
    """CPU seconds and resident MiB of a process and its descendants, which are added to ``children``."""
    cpu_s = resident = 0.0
    with contextlib.suppress(psutil.Error):
        worker = psutil.Process(pid)
        children.update(worker.children(recursive=True))
        for process in (worker, *children):
            with contextlib.suppress(psutil.Error):
                resident += process.memory_info().rss
                times = process.cpu_times()  # of itself, and of what it waited for
                cpu_s += times.user + times.system + times.children_user + times.children_system
    return cpu_s, resident / 2**20


class Kill(NamedTuple):
    """Why a run was killed, and how long it lasted: as planned, not until it was done."""

    status: Status
    message: str
    runtime_s: float


@dataclass
class WorkerState:
    """What a worker has sent so far, and when its end was received."""

    started: float | None = None
    cpu_at_start_s: float = 0.0
    incumbents: IncumbentLog = field(default_factory=IncumbentLog)
    finished: Finished | None = None
    finished_at: float = 0.0
    guarantee: Guaranteed | None = None


@dataclass
class RunUnderWay:
    """A run, from its start to its outcome.

    Attributes
    ----------
    slot : int
        Its place among the runs at a time.
    starts : int
        How often it has been tried to start it.
    submitted : float
        On the clock of ``time.monotonic``, as all times that are not seconds since a start.
    open : bool
        Its worker may still say something.
    never_made : bool
        The fork server died before it had made the worker.
    children : set of Process
        That its worker was seen to have started.
    """

    job: Job
    channel: Connection
    slot: int
    group: ControlGroup | None
    submitted: float
    load_before: float
    starts: int = 1
    pid: int | None = None
    worker: WorkerState = field(default_factory=WorkerState)
    cpu_s: float | None = None
    peak_memory_mb: float = 0.0
    killed: Kill | None = None
    ended: Ended | None = None
    open: bool = True
    never_made: bool = False
    children: set[psutil.Process] = field(default_factory=set)

    def hear(self, now: float) -> None:
        """Receive one message of the worker; ``now`` is the time."""
        try:
            message = decode_worker(self.channel.recv_bytes())
        except (EOFError, OSError, msgspec.DecodeError):
            self.open = False
            return
        worker = self.worker
        if isinstance(message, Ready):
            worker.started = min(message.started, now)
            worker.cpu_at_start_s = message.cpu_s
        elif isinstance(message, Incumbent):
            if worker.finished is None and message.seconds <= hard_limit_s(self.job.time_limit_s):
                worker.incumbents.add(message.seconds, message.placement, message.bound_saving_s)
        elif isinstance(message, Finished):
            worker.finished, worker.finished_at = message, now
        else:
            worker.guarantee = message

    def enforce_limits(self, now: float) -> None:
        """Kill it if it has exceeded a limit."""
        if self.pid is None or self.killed or self.ended:
            return
        job, worker, limit_s = self.job, self.worker, hard_limit_s(self.job.time_limit_s)
        cpu_s, memory_mb = usage(self.pid, self.children)
        self.peak_memory_mb = max(self.peak_memory_mb, memory_mb)
        if worker.finished is not None:  # evaluates its guarantee, or hangs on its way out
            if now > worker.finished_at + limit_s:
                self._kill_for("time_limit", f"not done {limit_s:g} s after the run", now)
        elif worker.started is None:
            if now > self.submitted + START_LIMIT_S:
                self._kill_for("error", f"not ready to start after {START_LIMIT_S:g} s", now)
        else:
            self.cpu_s = max(self.cpu_s or 0.0, cpu_s - worker.cpu_at_start_s)
            if now > worker.started + limit_s:
                self.killed = self._overdue()
                self.kill()
            elif job.cpu_limit_s is not None and self.cpu_s > job.cpu_limit_s:
                message = f"killed after {self.cpu_s:.1f} s of CPU time, limit {job.cpu_limit_s:g} s"
                self._kill_for("cpu_limit", message, now)
        if memory_mb > job.memory_limit_mb and not self.killed:
            message = f"killed at {memory_mb:.0f} MB, limit {job.memory_limit_mb:g} MB"
            self._kill_for("memory_limit", message, now)

    def lose(self, ended: Ended) -> None:
        """Count it as crashed: the fork server is gone, and nobody will tell of its end."""
        self._kill_for("crashed", "the process that starts workers died", ended.time)
        self.never_made = self.pid is None and self.ended is None
        self.ended, self.open = ended, False

    @property
    def has_ended(self) -> bool:
        """Gone, and everything it sent is heard; a process it left behind may keep the channel open."""
        return self.ended is not None and not (self.open and self.channel.poll())

    def kill(self) -> None:
        """Kill the worker, and whatever it started."""
        if self.pid is not None:
            _kill_group(self.pid, self.ended is None)
        for child in self.children:  # those that left the group
            with contextlib.suppress(psutil.Error):
                child.kill()

    def outcome(self) -> Outcome:
        """What has come of it, once it has ended."""
        if self.group:
            self.peak_memory_mb = max(self.peak_memory_mb, self.group.peak_mb)
        worker = self.worker
        finished = worker.finished
        if finished is None or finished.runtime_s > hard_limit_s(self.job.time_limit_s):
            finished = self._cut_short(late=finished is not None)
        guarantee = self._guarantee(finished)
        return Outcome(
            job=self.job,
            status=finished.status,
            message=finished.message,
            placement=finished.placement if finished.status == "ok" else worker.incumbents.placement,
            bound_saving_s=worker.incumbents.bound,
            optimal=finished.optimal,
            runtime_s=finished.runtime_s,
            cpu_s=finished.cpu_s,
            peak_memory_mb=max(self.peak_memory_mb, finished.peak_memory_mb),
            figures=finished.figures,
            guarantee=guarantee,
            incumbents=worker.incumbents,
            load_before=self.load_before,
        )

    def _cut_short(self, late: bool) -> Finished:
        """How a run ended that did not finish, or finished ``late``, when it should have been dead."""
        killed = self._overdue() if late else self.killed
        if killed is None and self.group and self.group.was_stopped:
            message = f"killed by the kernel, limit {self.job.memory_limit_mb:g} MB"
            killed = Kill("memory_limit", message, self._runtime_s())
        if killed is None:
            killed = Kill("crashed", _describe_exit(self.ended, "a placement"), self._runtime_s())
        return Finished(killed.status, killed.message, None, False, killed.runtime_s, self.cpu_s, 0.0, {})

    def _guarantee(self, finished: Finished) -> Guaranteed:
        if not finished.guarantee_follows:
            return Guaranteed()
        if self.worker.guarantee is not None:
            return self.worker.guarantee
        reason = self.killed.message if self.killed else _describe_exit(self.ended, "a number")
        return Guaranteed(fault=f"its guarantee: {reason}")

    def _overdue(self) -> Kill:
        """What it does beyond its hard limit counts for nothing, however late it is killed."""
        limit_s = self.job.time_limit_s
        hard_s = hard_limit_s(limit_s)
        return Kill("time_limit", f"killed {hard_s:g} s after its start, limit {limit_s:g} s", hard_s)

    def _kill_for(self, status: Status, message: str, now: float) -> None:
        self.killed = self.killed or Kill(status, message, self._runtime_s(now))
        self.kill()

    def _runtime_s(self, until: float | None = None) -> float:
        """Seconds from its start until then, or until its worker was gone."""
        if until is None and self.ended is not None:
            until = self.ended.time
        started = self.worker.started
        return 0.0 if started is None or until is None else max(0.0, until - started)


def _kill_group(leader: int, alive: bool) -> None:
    """Kill everything in a worker's group, and the worker itself unless it has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    if alive:  # it may not lead its group yet; of an ended one the number may be another's by now
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGKILL)


def _describe_exit(ended: Ended | None, expected: str) -> str:
    """Why a worker ended before it returned what was expected."""
    exit_code = ended.exit_code if ended else None
    if exit_code is not None and exit_code < 0:
        named = -exit_code in set(signal.Signals)  # few of the real-time signals are
        name = signal.Signals(-exit_code).name if named else f"signal {-exit_code}"
        return f"killed by {name} ({signal.strsignal(-exit_code)})"
    return f"exited with code {exit_code} before it returned {expected}"
