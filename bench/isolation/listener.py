"""A thread that receives messages of the fork server and its workers, and enforces the limits of runs.

It waits for nothing else, so neither times nor limits depend on what the coordinator is busy with.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any, Final

from slimbench.bench.isolation.messages import Ended, Forked, decode_server
from slimbench.bench.isolation.run_under_way import RunUnderWay

POLL_S: Final = 0.05  # how often limits are looked at


class Listener:
    """Listens from its making until it is closed.

    Attributes
    ----------
    ended : queue of RunUnderWay
        Runs that have ended, with nothing of theirs left running; an exception where listening has failed.
    """

    def __init__(self) -> None:
        self.ended: SimpleQueue[RunUnderWay | BaseException] = SimpleQueue()
        self._runs: dict[int, RunUnderWay] = {}
        self._server: Connection | None = None
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        self._closing = False
        self._looked_at = time.monotonic()
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._thread.start()

    @property
    def server_is_gone(self) -> bool:
        """Whether the fork server has been heard to end, or none was ever named."""
        return self._server is None

    def hear_from(self, server: Connection) -> None:
        """Listen to this fork server; the one before it is gone."""
        with self._lock:
            self._server = server
        self._wake()

    def watch(self, run: RunUnderWay) -> None:
        """Listen to the worker of a run, which may only now be asked for."""
        with self._lock:
            self._runs[run.job.key] = run
            if self._server is None:
                run.lose(_died(run.job.key))
        self._wake()

    def close(self) -> None:
        """Stop listening; runs under way are left alone."""
        self._closing = True
        self._wake()
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _wake(self) -> None:
        os.write(self._wake_write, b"w")

    def _listen(self) -> None:
        try:
            while not self._closing:
                with self._lock:
                    server, timeout = self._server, POLL_S if self._runs else None
                    talking = [run for run in self._runs.values() if run.open]
                sources: list[Any] = [self._wake_read, *(run.channel for run in talking)]
                ready = set(wait([*sources, server] if server else sources, timeout))
                if self._wake_read in ready:
                    os.read(self._wake_read, 4096)
                with self._lock:
                    if server in ready:
                        self._hear_server(server)
                    for run in talking:
                        if run.channel in ready:
                            run.hear(time.monotonic())
                    self._enforce_limits()
                    self._hand_over()
        except BaseException as error:  # else whoever waits for a run would wait for ever
            self.ended.put(error)

    def _hear_server(self, server: Connection) -> None:
        try:
            message = decode_server(server.recv_bytes())
        except (EOFError, OSError):
            self._server = None
            for key, run in self._runs.items():
                run.lose(_died(key))
            return
        told_of = self._runs.get(message.key)
        if told_of is None:
            return
        if isinstance(message, Forked):
            told_of.pid = message.pid
        else:
            told_of.ended = message

    def _enforce_limits(self) -> None:
        now = time.monotonic()
        if now > self._looked_at + POLL_S:  # it costs as much as a short run
            for run in self._runs.values():
                run.enforce_limits(now)
            self._looked_at = time.monotonic()

    def _hand_over(self) -> None:
        for key in [key for key, run in self._runs.items() if run.has_ended]:
            run = self._runs.pop(key)
            run.kill()  # what the solver may have left running
            self.ended.put(run)


def _died(key: int) -> Ended:
    return Ended(key, -signal.SIGKILL, time.monotonic())
