"""The limits of a run, and what a process and all that it started have used."""

from __future__ import annotations

import contextlib
from typing import Final

import psutil

START_LIMIT_S: Final = 120.0  # to import plugins and read the instance, before the clock starts


def hard_limit_s(time_limit_s: float) -> float:
    """When a run is killed: solvers overrun their deadline a little, and that is no reason to lose them."""
    return time_limit_s + 0.5 + 0.1 * time_limit_s


def usage(pid: int, children: set[psutil.Process]) -> tuple[float, float]:
    """Seconds of CPU time and resident MiB of a process and all its descendants.

    Parameters
    ----------
    children : set
        Descendants seen before, which may have left the process since; new ones are added.
    """
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
