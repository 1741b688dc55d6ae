"""The outcome of a run, before its claims are verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from slimbench.bench.isolation.messages import Guaranteed, Job, PackedPlacement, Status
from slimbench.bench.isolation.trajectory import IncumbentLog

EVALUATED: Final = ("latency_s", "latency_none_s", "saving_s")  # columns that come from the placement alone


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what it claims.

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
