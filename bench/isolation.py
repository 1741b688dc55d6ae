"""Runs in processes of their own, with limits that hold whatever a solver does."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import psutil

from slimbench.bench.forkserver import kill_group
from slimbench.bench.messages import (
    Finished,
    Forked,
    Incumbent,
    Job,
    PackedPlacement,
    Ready,
    ServerMessage,
    Status,
    decode_server,
    decode_worker,
    encode,
)
from slimbench.bench.trajectory import Trail

POLL_S: Final = 0.05  # how often limits are looked at
START_LIMIT_S: Final = 120.0  # to import plugins and read the instance, before the clock starts
ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


def hard_limit_s(time_limit_s: float) -> float:
    """When a run is killed: solvers overrun their deadline a little, and that is no reason to lose them."""
    return time_limit_s + 0.5 + 0.1 * time_limit_s


@dataclass(frozen=True)
class Outcome:
    """How one run ended, before anything it claims is checked.

    Attributes
    ----------
    placement : the returned one, or the last one reported by a run that did not return
    bound_saving_s : the least bound reported
    optimal : the solver claims that its placement is optimal
    trail : what was reported on the way, and when
    """

    job: Job
    status: Status
    message: str
    placement: PackedPlacement | None
    bound_saving_s: float | None
    optimal: bool
    runtime_s: float
    cpu_s: float | None
    peak_memory_mb: float
    figures: dict[str, Any]
    trail: Trail


@dataclass
class _Run:
    """A run under way."""

    job: Job
    channel: Connection
    submitted: float
    pid: int | None = None
    started: float | None = None
    placement: PackedPlacement | None = None
    bound: float | None = None
    trail: Trail = field(default_factory=Trail)
    peak_memory_mb: float = 0.0
    killed: tuple[Status, str] | None = None
    finished: Finished | None = None
    exit_code: int | None = None
    open: bool = True
    children: set[psutil.Process] = field(default_factory=set)


class Workers:
    """Starts runs and collects their outcomes; a context manager that leaves no process behind."""

    def __init__(self) -> None:
        self._runs: dict[int, _Run] = {}

    def __enter__(self) -> Self:
        self._start_server()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs.values():
            self._kill(run)
        self._stop_server()

    def submit(self, job: Job) -> None:
        """Start a run."""
        read, write = os.pipe()
        try:
            self._send(job, write)
        except OSError:  # the last run killed the server on its way out
            self._lose_server()
            self._send(job, write)
        finally:
            os.close(write)
        self._runs[job.key] = _Run(job, Connection(read, writable=False), time.monotonic())

    def collect(self) -> Iterator[Outcome]:
        """Wait until at least one run has ended; yields all that have."""
        while self._runs and not (ended := [r for r in self._runs.values() if self._has_ended(r)]):
            self._listen()
            self._enforce_limits()
        for run in ended if self._runs else ():
            del self._runs[run.job.key]
            self._kill(run)  # what the solver may have left running
            run.channel.close()
            yield _outcome(run)

    # Listening

    def _listen(self) -> None:
        talking = [run for run in self._runs.values() if run.open]
        ready = set(wait([self._messages, *(run.channel for run in talking)], timeout=POLL_S))
        if self._messages in ready:
            self._hear_server()
        for run in talking:
            if run.channel in ready:
                self._hear_worker(run)

    def _hear_server(self) -> None:
        try:
            message: ServerMessage = decode_server(self._messages.recv_bytes())
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

    def _hear_worker(self, run: _Run) -> None:
        try:
            message = decode_worker(run.channel.recv_bytes())
        except (EOFError, OSError, msgspec.DecodeError):
            run.open = False
            return
        if isinstance(message, Ready):
            run.started = min(message.started, time.monotonic())
        elif isinstance(message, Incumbent):
            bound = message.bound_saving_s
            if bound is not None and not math.isfinite(bound):
                bound = None  # says nothing
            run.placement = message.placement or run.placement
            if bound is not None and (run.bound is None or bound < run.bound):
                run.bound = bound
            run.trail.add(message.seconds, message.placement, bound)
        else:
            run.finished = message

    # Limits

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        for run in self._runs.values():
            if run.pid is None or run.killed or run.exit_code is not None:
                continue  # one that has sent its result may still hang on its way out
            limit = run.job.time_limit_s
            if run.started is None:
                if now > run.submitted + START_LIMIT_S:
                    self._kill(run, "error", f"not ready to start after {START_LIMIT_S:g} s")
            elif now > run.started + hard_limit_s(limit):
                self._kill(
                    run, "time_limit", f"killed {hard_limit_s(limit):g} s after its start, limit {limit:g} s"
                )
            memory = self._memory_mb(run)
            run.peak_memory_mb = max(run.peak_memory_mb, memory)
            if memory > run.job.memory_limit_mb:
                self._kill(
                    run, "memory_limit", f"killed at {memory:.0f} MB, limit {run.job.memory_limit_mb:g} MB"
                )

    def _memory_mb(self, run: _Run) -> float:
        """Resident size of the worker and all its descendants."""
        total = 0
        with contextlib.suppress(psutil.Error):
            worker = psutil.Process(run.pid)
            run.children.update(worker.children(recursive=True))
            for process in (worker, *run.children):
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
        return total / 2**20

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

    # The fork server

    def _start_server(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-P", "-m", "slimbench.bench.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the coordinator's to handle
                env=os.environ | ONE_THREAD,
            )
        self._control = ours
        self._messages = Connection(os.dup(ours.fileno()))

    def _stop_server(self) -> None:
        self._messages.close()
        self._control.close()
        try:
            self._server.wait(5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def _send(self, job: Job, channel: int) -> None:
        socket.send_fds(self._control, [b"j"], [channel])
        self._messages.send_bytes(encode(job))

    def _lose_server(self) -> None:
        """Count every run as crashed and start another server: a solver may have killed it."""
        for run in self._runs.values():
            self._kill(run, "crashed", "the process that starts workers died")
            run.exit_code, run.open = -signal.SIGKILL, False
        self._server.kill()
        self._stop_server()
        self._start_server()


def _outcome(run: _Run) -> Outcome:
    finished = run.finished
    if finished is None:
        status, message = run.killed or ("crashed", _describe_exit(run.exit_code))
        ran = time.monotonic() - run.started if run.started is not None else 0.0
        return Outcome(
            run.job,
            status,
            message,
            run.placement,
            run.bound,
            False,
            ran,
            None,
            run.peak_memory_mb,
            {},
            run.trail,
        )
    return Outcome(
        run.job,
        finished.status,
        finished.message,
        finished.placement if finished.status == "ok" else run.placement,
        run.bound,
        finished.optimal,
        finished.runtime_s,
        finished.cpu_s,
        max(run.peak_memory_mb, finished.peak_memory_mb),
        finished.figures,
        run.trail,
    )


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"killed by {name} ({signal.strsignal(-exit_code)})"
    return f"exited with code {exit_code} before it returned a placement"
