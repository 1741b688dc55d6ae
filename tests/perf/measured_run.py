"""One isolated, verified run of a solver on an instance, as benchmarks of whole solvers need it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from slimbench.bench.execution.run_once import run_once
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.instances import Instance

MEMORY_MB = 16_384.0


@dataclass(frozen=True)
class MeasuredRun:
    """What came of it.

    Attributes
    ----------
    status, termination : str
        As a run's row has them.
    seconds : float
        Wall time of the solver alone.
    saving_s, bound_s : float or None
        Re-evaluated from the placement, and as proven; seconds per token.
    """

    status: str
    termination: str
    seconds: float
    saving_s: float | None
    bound_s: float | None

    @property
    def gap_percent(self) -> float | None:
        """By how much the bound lies above the saving."""
        if not self.saving_s or self.bound_s is None:
            return None
        return 100.0 * (self.bound_s / self.saving_s - 1.0)


def measure(instance: Instance, solver: str, time_limit_s: float) -> MeasuredRun:
    """Run a solver as a suite would, with one thread."""
    call = parse_call(solver, find_solvers())
    with tempfile.TemporaryDirectory() as folder, Workers(forked=True) as workers:
        row, _ = run_once(
            workers, Path(folder), instance, call, time_limit_s=time_limit_s, memory_limit_mb=MEMORY_MB
        )
    return MeasuredRun(
        row["status"], row["termination"], row["runtime_s"], row["saving_s"], row["bound_saving_s"]
    )
