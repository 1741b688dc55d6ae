"""The clock of a run: wall and CPU seconds that are the solver's own."""

from __future__ import annotations

import contextlib
import resource
import threading
import time
from collections.abc import Iterator


class SolverClock:
    """Runs from its making, but while the worker tells the coordinator something.

    Where threads tell something at the same time, one waits for the other; that is no time of the solver
    either.
    """

    def __init__(self) -> None:
        self._telling = threading.Lock()  # libraries report from threads of their own
        self._told_s = self._told_cpu_s = 0.0
        self._started, self._started_cpu_s = time.perf_counter(), cpu_seconds()

    def seconds(self) -> float:
        """Wall seconds of the solver so far."""
        return time.perf_counter() - self._started - self._told_s

    def cpu_seconds(self) -> float:
        """CPU seconds of the solver so far, all threads and programs it waited for."""
        return cpu_seconds() - self._started_cpu_s - self._told_cpu_s

    @contextlib.contextmanager
    def telling(self) -> Iterator[float]:
        """Stop the clock, for one thread at a time; gives the wall seconds at which it stopped."""
        with self._telling:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                yield wall - self._started - self._told_s
            finally:
                self._told_s += time.perf_counter() - wall
                self._told_cpu_s += time.thread_time() - cpu


def cpu_seconds() -> float:
    """Seconds of this process and of programs it waited for, such as CBC."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
