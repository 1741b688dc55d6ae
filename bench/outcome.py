"""How a run ended, before anything it claims is checked."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import Any

from slimbench.bench.messages import Finished, Job, PackedPlacement, Status
from slimbench.bench.trajectory import Trail


@dataclass(frozen=True)
class Outcome:
    """One run's end.

    Attributes
    ----------
    placement : the returned one, or the last one reported by a run that did not return
    bound_saving_s : the least bound reported
    optimal : the solver claims that its placement is optimal
    trail : what was reported on the way, and when
    load_before : processes that wanted a processor when the run was started, the last minute's mean
    machine : facts of the machine it ran on
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
    trail: Trail
    load_before: float
    machine: dict[str, str]


@dataclass
class Heard:
    """What a worker has said so far."""

    started: float | None = None
    cpu_at_start_s: float = 0.0
    placement: PackedPlacement | None = None
    bound: float | None = None
    trail: Trail = field(default_factory=Trail)
    finished: Finished | None = None


def describe_exit(exit_code: int | None) -> str:
    """Why a worker ended that did not say so itself."""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"killed by {name} ({signal.strsignal(-exit_code)})"
    return f"exited with code {exit_code} before it returned a placement"
