"""Fork server: a process with libraries and compiled code loaded, which forks a worker for each run.

Loading takes about a second, a fork milliseconds. Each worker leads a process group of its own. When the
coordinator dies, its end of the socket closes and every worker is killed: no run outlives the benchmark.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Collection, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final

import psutil

from slimbench.bench.isolation.messages import Ended, Forked, Job, ServerMessage, decode_job, encode
from slimbench.bench.isolation.worker import failed, run_job
from slimbench.bench.plugins.plugin import PluginError, parse_call
from slimbench.bench.plugins.policy_plugin import parse_policy
from slimbench.bench.plugins.registry import find_policies, find_solvers
from slimbench.bench.plugins.warm_up import warm_up
from slimbench.formulations.libraries import no_library

PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h
KILL_ROUNDS: Final = 50  # a killed process may take a moment, one that waits for a disk for ever
KILL_WAIT_S: Final = 0.1


class _CoordinatorGoneError(Exception):
    """The coordinator has closed the socket, or died."""


class _Coordinator:
    """The other end of the socket: sends jobs, and receives messages about the workers."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self.messages = Connection(os.dup(control.fileno()))

    def receive(self) -> tuple[Job, Connection]:
        """The next job, and the channel of its worker."""
        with _gone():
            _, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
            packed = self.messages.recv_bytes()
        return decode_job(packed), Connection(descriptors[0], readable=False)

    def tell(self, message: ServerMessage) -> None:
        with _gone():
            self.messages.send_bytes(encode(message))

    def close(self) -> None:
        """Close the socket in a worker, which has a channel of its own."""
        self.messages.close()
        self._control.close()


@contextlib.contextmanager
def _gone() -> Iterator[None]:
    """Turn errors of a closed connection into ``_CoordinatorGoneError``."""
    try:
        yield
    except (EOFError, OSError):
        raise _CoordinatorGoneError from None


def main(descriptor: int) -> None:
    """Serve the coordinator on an inherited socket until it closes, then kill all workers; never returns."""
    code = 1
    jobs: dict[int, Job] = {}  # of the live workers, by process id
    try:
        _make_workers(_Coordinator(socket.socket(fileno=descriptor)), jobs)
    except _CoordinatorGoneError:
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        _kill_descendants(but=())
        for pid, job in jobs.items():
            shutil.rmtree(job.temporary_folder(pid), ignore_errors=True)
        os._exit(code)


def _make_workers(coordinator: _Coordinator, jobs: dict[int, Job]) -> None:
    _adopt_orphans()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    gone: list[tuple[int, int, float]] = []
    signal.signal(signal.SIGCHLD, lambda *_: _reap(gone))
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    while True:
        ready = wait([coordinator.messages, wake_read])
        if wake_read in ready:
            os.read(wake_read, 4096)
            _report_ended(coordinator, jobs, gone)
        if coordinator.messages in ready:
            job, channel = coordinator.receive()
            _load(job)
            try:
                pid = os.fork()
            except OSError as error:  # too many processes, or too little memory
                _refuse(coordinator, job, channel, error)
                continue
            if pid == 0:
                _work(job, channel, coordinator)
            channel.close()
            jobs[pid] = job
            coordinator.tell(Forked(job.key, pid))


def _load(job: Job) -> None:
    """Import and compile what a shipped plugin needs, once; what is wrong with a job its worker reports."""
    gc.disable()
    with contextlib.suppress(PluginError), no_library():
        solver = job.solver
        if job.observation:  # policies plan by a solver; their own moves take the kernels of ``slim-sweep``
            solver = parse_policy(job.solver, find_policies()).parameters.get("solver", "slim-sweep")
        call = parse_call(solver, find_solvers())
        if call.solver.function.__module__.startswith("slimbench."):  # any other may raise, or never end
            warm_up(call, job.shape)
    gc.freeze()  # a collection in a worker would copy every page of what is shared
    gc.enable()


def _refuse(coordinator: _Coordinator, job: Job, channel: Connection, error: OSError) -> None:
    """Tell why there is no worker, in its stead."""
    with contextlib.suppress(OSError), channel:
        channel.send_bytes(encode(failed("error", f"cannot be started: {error.strerror}")))
    coordinator.tell(Ended(job.key, 1, time.monotonic()))


def _reap(gone: list[tuple[int, int, float]]) -> None:
    """Append process, status and time of every child that has ended.

    A signal handler, so that the time of a crash does not depend on what the server is busy with.
    """
    with contextlib.suppress(ChildProcessError):  # none is left
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            gone.append((*ended, time.monotonic()))


def _report_ended(
    coordinator: _Coordinator, jobs: dict[int, Job], gone: list[tuple[int, int, float]]
) -> None:
    while gone:
        pid, status, ended_at = gone.pop(0)
        if pid in jobs:  # else one that a worker left behind
            ended = Ended(jobs.pop(pid).key, os.waitstatus_to_exitcode(status), ended_at)
            _kill_descendants(but=jobs)
            coordinator.tell(ended)


def _adopt_orphans() -> None:
    """Become the parent of orphaned descendants, in whatever session (Linux only).

    Workers do so too, so the fork server adopts only what ended workers left behind.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _kill_descendants(but: Collection[int]) -> None:
    """Kill all children and theirs, except these workers and their descendants.

    In rounds: a process whose parent ends meanwhile is seen only once it has become a child of this one.
    """
    for _ in range(KILL_ROUNDS):
        left = [child for child in psutil.Process().children() if child.pid not in but]
        if not left:
            return
        for child in left:
            with contextlib.suppress(psutil.Error):
                for process in (*child.children(recursive=True), child):
                    process.kill()
        psutil.wait_procs(left, timeout=KILL_WAIT_S)


def _work(job: Job, channel: Connection, coordinator: _Coordinator) -> None:
    """Run the job in the forked worker; never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        coordinator.close()
        os.setsid()
        _adopt_orphans()
        # appending, as solver libraries append to the same file
        log = os.open(job.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        _use_temporary_folder(job.temporary_folder(os.getpid()))
        run_job(job, channel)
        code = 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _use_temporary_folder(folder: Path) -> None:
    """Have this process and its programs put temporary files there, so that none outlives them."""
    with contextlib.suppress(OSError):  # on a full disk the system's own has to do
        folder.mkdir(exist_ok=True)
        os.environ.update(dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(folder)))
        tempfile.tempdir = None  # is asked for anew


if __name__ == "__main__":
    main(int(sys.argv[1]))
