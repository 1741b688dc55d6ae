"""Run jobs in processes of their own, with limits that hold whatever a solver does."""

from __future__ import annotations

import itertools
import os
import queue
import shutil
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final, Self

import msgspec

from slimbench.bench.isolation.cgroup import ControlGroup, ControlGroups
from slimbench.bench.isolation.listener import Listener
from slimbench.bench.isolation.messages import Job
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.processors import shared_out
from slimbench.bench.isolation.run_under_way import RunUnderWay
from slimbench.bench.isolation.server_link import ServerLink

STARTS: Final = 2  # of a run whose fork server died before it had made the worker

_numbers = itertools.count()  # of control groups: several may run at once in this process


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
        self._cores = shared_out(slots, threads)
        self._runs: dict[int, RunUnderWay] = {}

    def __enter__(self) -> Self:
        self._groups = ControlGroups.find()
        self._server = ServerLink(self.threads, forked=self._forked)
        self._listener = Listener()
        self._listener.hear_from(self._server.messages)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for run in self._runs.values():
            run.kill()
        self._server.close()
        for run in self._runs.values():
            _clean_up(run)

    def submit(self, job: Job) -> None:
        """Start a run; at most ``slots`` may be under way."""
        slot = min(set(range(self.slots)) - {run.slot for run in self._runs.values()})
        name = f"run-{os.getpid()}-{next(_numbers)}"
        group = self._groups.make(name, job.memory_limit_mb) if self._groups else None
        job = msgspec.structs.replace(
            job, cores=self._cores[slot], control_group=str(group.folder) if group else None
        )
        self._start(job, slot, group, starts=1)

    def collect(self) -> Iterator[Outcome]:
        """Wait until at least one run has ended; yields all that have."""
        waits = True
        while self._runs:
            try:
                ended = self._listener.ended.get(block=waits)
            except queue.Empty:
                return
            if isinstance(ended, BaseException):
                raise ended
            run = self._runs.pop(ended.job.key)
            if run.never_made and run.starts < STARTS:
                run.channel.close()
                self._start(run.job, run.slot, run.group, run.starts + 1)
                continue
            waits = False
            outcome = run.outcome()
            _clean_up(run)
            yield outcome

    def _start(self, job: Job, slot: int, group: ControlGroup | None, starts: int) -> None:
        if self._listener.server_is_gone:  # a solver may have killed it
            self._server.restart()
            self._listener.hear_from(self._server.messages)
        read, write = os.pipe()
        channel = Connection(read, writable=False)
        run = RunUnderWay(job, channel, slot, group, time.monotonic(), os.getloadavg()[0], starts)
        self._runs[job.key] = run
        self._listener.watch(run)
        try:
            self._server.send(job, write)
        except OSError:
            self._server.kill()  # if it is not gone already: the listener then gives the run back
        finally:
            os.close(write)


def _clean_up(run: RunUnderWay) -> None:
    """Remove what served the run only."""
    run.channel.close()
    if run.group:
        run.group.remove()
    if run.pid is not None:
        shutil.rmtree(run.job.temporary_folder(run.pid), ignore_errors=True)
