"""A warm process that forks a worker for each run.

Importing the libraries and loading compiled code takes about a second; a fork of a process that has done
so takes milliseconds. Each worker leads a process group of its own. When the coordinator dies, however
it dies, its end of the socket closes and every worker is killed: no run outlives the benchmark.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from multiprocessing.connection import Connection, wait
from pathlib import Path

from slimbench.bench.messages import Ended, Forked, Job, decode_job, encode
from slimbench.bench.plugin import parse_call
from slimbench.bench.registry import find_solvers
from slimbench.bench.worker import run_job, warm_up


def main(descriptor: int) -> None:
    """Serve the coordinator on an inherited socket until it closes."""
    solvers = find_solvers()
    for name in solvers:
        warm_up(parse_call(name, solvers))
    with socket.socket(fileno=descriptor) as control:
        _serve(control)


def _serve(control: socket.socket) -> None:
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
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    os.close(control.fileno())
                    _work(job, Connection(descriptors[0], readable=False))
                os.close(descriptors[0])
                keys[pid] = job.key
                messages.send_bytes(encode(Forked(job.key, pid)))
    except (EOFError, OSError):  # the coordinator is gone
        for pid in keys:
            kill_group(pid)
    finally:
        os._exit(0)


def _report_ended(messages: Connection, keys: dict[int, int]) -> None:
    while keys:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        messages.send_bytes(encode(Ended(keys.pop(pid), os.waitstatus_to_exitcode(status))))


def _work(job: Job, channel: Connection) -> None:
    """The worker's whole life; never returns."""
    code = 1
    try:
        os.setsid()
        log = os.open(job.log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
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


def kill_group(leader: int) -> None:
    """Kill a worker and everything it started in its group; fine if it is gone."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(leader, signal.SIGKILL)


if __name__ == "__main__":
    sys.path = [entry for entry in sys.path if Path(entry).resolve() != Path.cwd()]
    main(int(sys.argv[1]))
