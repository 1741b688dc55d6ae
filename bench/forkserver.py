"""A warm process that forks a worker for each run.

Importing the libraries and loading compiled code takes about a second; a fork of a process that has done
so takes milliseconds. Each worker leads a process group of its own. When the coordinator dies, however
it dies, its end of the socket closes and every worker is killed: no run outlives the benchmark.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import Collection
from multiprocessing.connection import Connection, wait
from typing import Final

import psutil

from slimbench.bench.messages import Ended, Forked, Job, decode_job, encode
from slimbench.bench.plugin import PluginError, parse_call
from slimbench.bench.policy_plugin import parse_policy
from slimbench.bench.registry import find_policies, find_solvers
from slimbench.bench.warm_up import warm_up
from slimbench.bench.worker import run_job
from slimbench.formulations.libraries import no_library

PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h
KILL_ROUNDS: Final = 50  # a killed process may take a moment, one that waits for a disk for ever
KILL_WAIT_S: Final = 0.1


def main(descriptor: int) -> None:
    """Serve the coordinator on an inherited socket until it closes."""
    with socket.socket(fileno=descriptor) as control:
        _serve(control)


def _serve(control: socket.socket) -> None:
    _adopt_orphans()
    keys: dict[int, int] = {}  # of the live workers, by process id
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    messages = Connection(control.fileno())
    try:
        while True:
            ready = wait([messages, wake_read])
            if wake_read in ready:
                os.read(wake_read, 4096)
                _report_ended(messages, keys)
            if messages in ready:
                _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
                job = decode_job(messages.recv_bytes())
                _load(job)
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    os.close(control.fileno())
                    _work(job, Connection(descriptors[0], readable=False))
                os.close(descriptors[0])
                keys[pid] = job.key
                messages.send_bytes(encode(Forked(job.key, pid)))
    except (EOFError, OSError):
        pass  # the coordinator is gone
    finally:
        _kill_descendants(but=())
        os._exit(0)


def _load(job: Job) -> None:
    """Import and compile what a shipped plugin needs, once; what is wrong with a job its worker reports."""
    gc.disable()
    with contextlib.suppress(PluginError), no_library():
        solver = job.solver
        if job.sight:  # policies plan by a solver; their own moves take the kernels of ``slim-sweep``
            solver = parse_policy(job.solver, find_policies()).parameters.get("solver", "slim-sweep")
        warm_up(parse_call(solver, find_solvers()))
    gc.freeze()  # a collection in a worker would copy every page of what is shared
    gc.enable()


def _report_ended(messages: Connection, keys: dict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # none is left
            return
        if pid == 0:
            return
        if pid in keys:  # else one that a worker left behind
            key = keys.pop(pid)
            _kill_descendants(but=keys)
            messages.send_bytes(encode(Ended(key, os.waitstatus_to_exitcode(status))))


def _adopt_orphans() -> None:
    """Become the parent of what workers leave behind, in whatever session it is (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _kill_descendants(but: Collection[int]) -> None:
    """Kill all children and theirs, but for these workers and what they started.

    In rounds, as one whose parent ends meanwhile is seen only when it has become a child of ours.
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


def _work(job: Job, channel: Connection) -> None:
    """The worker's whole life; never returns."""
    code = 1
    try:
        os.setsid()
        # appending, as solver libraries append to the same file
        log = os.open(job.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        run_job(job, channel)
        code = 0
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def kill_group(leader: int, alive: bool = True) -> None:
    """Kill everything in a worker's group, and the worker itself unless it has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    if alive:  # it may not lead its group yet; of an ended one the number may be another's by now
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
