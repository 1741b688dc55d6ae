"""How a run ended, before anything it claims is checked."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, field
from typing import Any, Final

from slimbench.bench.isolation.messages import (
    Ended,
    Finished,
    Guaranteed,
    Incumbent,
    Job,
    PackedPlacement,
    Status,
)
from slimbench.bench.isolation.trajectory import Trail

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
    trail : what was reported on the way, and when
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
    trail: Trail
    load_before: float
    machine: dict[str, str] | None = None


@dataclass
class Heard:
    """What a worker has said so far."""

    started: float | None = None
    cpu_at_start_s: float = 0.0
    placement: PackedPlacement | None = None
    bound: float | None = None
    trail: Trail = field(default_factory=Trail)
    finished: Finished | None = None
    finished_at: float = 0.0  # when that was heard
    guarantee: Guaranteed | None = None

    def take(self, incumbent: Incumbent) -> None:
        """Keep the last placement and the least bound; one that is no number says nothing."""
        bound = incumbent.bound_saving_s
        if bound is not None and not math.isfinite(bound):
            bound = None
        self.placement = incumbent.placement or self.placement
        if bound is not None and (self.bound is None or bound < self.bound):
            self.bound = bound
        self.trail.add(incumbent.seconds, incumbent.placement, bound)


def describe_exit(ended: Ended | None, expected: str) -> str:
    """Why a worker ended that did not say so itself, before it returned what is expected of it."""
    exit_code = ended.exit_code if ended else None
    if exit_code is not None and exit_code < 0:
        named = -exit_code in set(signal.Signals)  # few of the real-time signals are
        name = signal.Signals(-exit_code).name if named else f"signal {-exit_code}"
        return f"killed by {name} ({signal.strsignal(-exit_code)})"
    return f"exited with code {exit_code} before it returned {expected}"
