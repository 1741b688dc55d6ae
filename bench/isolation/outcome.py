"""How a run ended, before anything it claims is checked."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any, Final

from slimbench.bench.isolation.messages import Ended, Guaranteed, Job, PackedPlacement, Status
from slimbench.bench.isolation.trajectory import IncumbentLog

EVALUATED: Final = ("latency_s", "latency_none_s", "saving_s")  # columns that come from the placement alone


@dataclass(frozen=True)
class Outcome:
    """One run's end.

    Attributes
    ----------
    placement : the returned one, or the last one reported by a run that did not return
    bound_saving_s : the least bound reported
    optimal : the solver claims that its placement is optimal
    guarantee : what the solver guarantees for this run
    incumbents : what was reported on the way, and when
    load_before : processes that wanted a processor when the run was started, the last minute's mean
    machine : facts of the machine it ran on; None for this one
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
    guarantee: Guaranteed
    incumbents: IncumbentLog
    load_before: float
    machine: dict[str, str] | None = None


def describe_exit(ended: Ended | None, expected: str) -> str:
    """Why a worker ended that did not say so itself, before it returned what is expected of it."""
    exit_code = ended.exit_code if ended else None
    if exit_code is not None and exit_code < 0:
        named = -exit_code in set(signal.Signals)  # few of the real-time signals are
        name = signal.Signals(-exit_code).name if named else f"signal {-exit_code}"
        return f"killed by {name} ({signal.strsignal(-exit_code)})"
    return f"exited with code {exit_code} before it returned {expected}"
