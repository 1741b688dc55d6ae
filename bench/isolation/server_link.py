"""Start the fork server, send it jobs, and restart it if it dies."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import psutil

from slimbench.bench.isolation import forkserver
from slimbench.bench.isolation.messages import Job, encode

POOLS: Final = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip


class ServerLink:
    """A running fork server whose workers' native thread pools have ``threads`` threads each.

    Parameters
    ----------
    threads : int
    forked : bool
        Fork this process instead of starting a fresh interpreter, which takes longer than a baseline runs.
        Only where this process has a single thread: what another one holds stays locked in the fork.
    """

    def __init__(self, threads: int, *, forked: bool = False) -> None:
        self._pools = dict.fromkeys(POOLS, str(threads))
        self._start(forked=forked and _has_one_thread())

    @property
    def messages(self) -> Connection:
        """Connection on which the server sends ``ServerMessage``."""
        return self._messages

    def send(self, job: Job, channel: int) -> None:
        """Ask for a worker that does the job and writes to the pipe ``channel``.

        Raises
        ------
        OSError
            If the server is gone.
        """
        socket.send_fds(self._control, [b"j"], [channel])
        self._messages.send_bytes(encode(job))

    def restart(self) -> None:
        """Start another server in place of one that is gone."""
        self.kill()
        self.close()
        self._start(forked=False)

    def kill(self) -> None:
        """Kill the server; its workers are left behind."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._server.kill()

    def close(self) -> None:
        """Let the server end, with all that it started."""
        self._messages.close()
        self._control.close()
        try:
            self._server.wait(5)
        except psutil.TimeoutExpired:
            self.kill()
            self._server.wait()

    def _start(self, *, forked: bool) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._server = self._fork(ours, theirs) if forked else self._spawn(theirs)
        self._control = ours
        self._messages = Connection(os.dup(ours.fileno()))

    def _spawn(self, theirs: socket.socket) -> psutil.Process:
        return psutil.Popen(
            [sys.executable, "-P", "-m", "slimbench.bench.isolation.forkserver", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the coordinator's to handle
            env=os.environ | self._pools,
        )

    def _fork(self, ours: socket.socket, theirs: socket.socket) -> psutil.Process:
        pid = os.fork()
        if pid == 0:
            try:
                ours.close()  # else the server would not see that the coordinator is gone
                os.setsid()
                os.environ.update(self._pools)  # for libraries that are loaded from now on
                forkserver.main(theirs.detach())
            finally:
                os._exit(1)
        return psutil.Process(pid)


def _has_one_thread() -> bool:
    """Whether this process has no other thread, of a library either; False where that is not known."""
    tasks = Path("/proc/self/task")
    return tasks.is_dir() and len(list(tasks.iterdir())) == 1
