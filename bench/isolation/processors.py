"""The processors that this process may use, and how runs share them."""

from __future__ import annotations

import os
from pathlib import Path

from slimbench.bench.isolation.cgroup import MOUNTS, OWN


def usable_processors() -> tuple[int, ...]:
    """The numbers of those that this process may run on; all where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def cpu_quota(mounts: Path = MOUNTS, own: Path = OWN) -> float | None:
    """Processors that the control groups of this process allow (versions 1 and 2); None without a limit."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
        groups = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:  # no Linux
        return None
    quotas = []
    for _, mount, kind, options, *_ in lines:
        for _, controllers, path in groups:
            if (kind == "cgroup2" and not controllers) or (
                kind == "cgroup" and "cpu" in options.split(",") and "cpu" in controllers.split(",")
            ):
                folder = Path(mount, path.lstrip("/"))
                while folder.is_relative_to(mount):
                    quotas += _quota(folder)
                    folder = folder.parent
    return min(quotas, default=None)


def default_jobs(threads: int) -> int:
    """Runs at a time that fill half of the allowed processors, so that they do not disturb each other."""
    return max(1, _allowed() // (2 * threads))


def shared_out(slots: int, threads: int) -> list[tuple[int, ...]]:
    """The processors of each slot: its own ones where several slots find enough, else any."""
    own = usable_processors()
    if slots > 1 and len(own) >= slots * threads and hasattr(os, "sched_setaffinity"):
        return [own[i * threads : (i + 1) * threads] for i in range(slots)]
    return [()] * slots


def crowding(slots: int, threads: int) -> str | None:
    """Why runs at a time disturb each other, in one line; None where they need not."""
    if slots == 1:
        return None
    wanted = f"{slots} runs at a time of {threads} thread{'s' if threads > 1 else ''}"
    if () in shared_out(slots, threads):
        why = "cannot have processors of their own"
    elif _allowed() < slots * threads:
        why = "have processors of their own, but not all of their time"
    else:
        return None
    return f"{wanted} {why}: {_allowed()} may be used, so times are longer than they would be alone"


def _allowed() -> int:
    """How many processors' time this process may use."""
    quota = cpu_quota()
    own = len(usable_processors())
    return own if quota is None else max(1, min(own, int(quota)))


def _quota(folder: Path) -> list[float]:
    """The limit that one control group sets itself, as a list of one or none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return [int(quota) / int(period)] if int(quota) > 0 else []
    except (OSError, ValueError, ZeroDivisionError):  # without a limit it says "max"
        return []
